"""What the trainer gives a transformer is what the stock pipeline gives it when it edits."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import FlowMatchEulerDiscreteScheduler
from PIL import Image

from simgen.train.base import Base
from simgen.train.data.examples import Example
from simgen.train.edit import edit
from simgen.train.encode import Encoder
from simgen.train.families.base import Condition, family_of
from simgen.train.families.tiny import tiny_names, tiny_pipeline
from simgen.train.methods.base import Shift

TINY = tiny_names()
# Those that are told how strongly to follow; the others edit twice where it is above one, with words and without.
TOLD = ("tiny:kontext", "tiny:flux2dev")
STEPS = 3
SENTENCE = "Push the square: it slides to the right."


@pytest.fixture
def example(make_example: Callable[..., Example]) -> Example:
    return make_example(instruction=SENTENCE)


def calls(base: Base, example: Example, *, guidance: float) -> list[dict[str, Any]]:
    """The keyword arguments of every call of the transformer while the stock pipeline edits."""
    seen: list[dict[str, Any]] = []
    hook = base.pipeline.transformer.register_forward_pre_hook(
        lambda module, arguments, kwargs: seen.append(kwargs), with_kwargs=True
    )
    try:
        edit(
            base,
            example.start,
            SENTENCE,
            steps=STEPS,
            guidance=guidance,
            generator=torch.Generator().manual_seed(0),
        )
    finally:
        hook.remove()
    return seen


def assert_same(told: Any, seen: Any, name: str) -> None:
    if isinstance(told, torch.Tensor):
        assert told.shape == seen.shape, name
        assert torch.equal(told.double(), seen.double()), name
    else:
        assert told == seen, name


@pytest.mark.parametrize("name", TINY)
def test_the_transformer_is_told_what_the_stock_pipeline_tells_it(
    name: str, tiny_base: Callable[..., Base], example: Example
) -> None:
    base, guidance = tiny_base(name), 2.5 if name in TOLD else 1.0
    seen = calls(base, example, guidance=guidance)
    assert len(seen) == STEPS
    assert base.pipeline.transformer.config.get("guidance_embeds", False) == (name in TOLD)
    encoded = Encoder(base, device=torch.device("cpu")).encode([example], drop_caption=[False])[0]
    reference, tokens = encoded.pictures["start"][None], len(encoded.pictures["end"])
    hidden = seen[0]["hidden_states"]
    noisy = hidden[:, -tokens:] if name == "tiny:qwen21" else hidden[:, :tokens]
    condition = Condition(
        reference=reference, text=base.family.collate([encoded.text]), grid=encoded.grid, guidance=guidance
    )
    told = base.family.arguments(base.pipeline.transformer, noisy, seen[0]["timestep"], condition)
    for key, value in told.items():
        assert_same(value, seen[0][key], key)
    # Whatever else the pipeline says is empty, or how to go about it.
    beside = {key: value for key, value in seen[0].items() if key not in told and not key.startswith("kv_cache")}
    assert all(value in (None, {}, False) for value in beside.values()), beside


@pytest.mark.parametrize("name", TINY)
def test_the_grid_is_height_then_width(name: str, tiny_base: Callable[..., Base], example: Example) -> None:
    base = tiny_base(name)
    encoded = Encoder(base, device=torch.device("cpu")).encode([example], drop_caption=[False])[0]
    assert encoded.grid == (4, 6)
    assert len(encoded.pictures["end"]) == 24


@pytest.mark.parametrize("name", TINY)
def test_tokens_run_row_by_row(name: str, tiny_base: Callable[..., Base], example: Example) -> None:
    # Only the upper right corner is another picture: the token there, fifth after the first, must feel it most; by
    # columns it would be the twentieth.
    base = tiny_base(name)
    other = example.start.copy()
    other[:16, -16:] = 255 - other[:16, -16:]
    pair = Example(key="a", start=example.start, end=other, mask=example.mask, instruction="x", digest="a")
    encoded = Encoder(base, device=torch.device("cpu")).encode([pair], drop_caption=[False])[0]
    difference = (encoded.pictures["end"] - encoded.pictures["start"]).abs().sum(dim=-1)
    assert difference[5] > 2 * difference[20]


@pytest.mark.parametrize("steps", [2, 8, pytest.param(40, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", TINY)
def test_the_shift_is_the_scheduler_s(name: str, steps: int, tiny_base: Callable[..., Base], example: Example) -> None:
    base = tiny_base(name)
    pipeline, tokens = base.pipeline, 24
    edit(base, example.start, SENTENCE, steps=steps, guidance=1.0, generator=torch.Generator().manual_seed(0))
    mu = base.family.shift(pipeline, tokens, steps)
    shift = Shift(scheduler=pipeline.scheduler, mu=mu, steps=steps)
    found = shift(torch.linspace(1.0, 1 / steps, steps))
    torch.testing.assert_close(found, pipeline.scheduler.sigmas[:-1], rtol=0, atol=2e-7)


def test_a_fixed_shift_is_the_scheduler_s() -> None:
    scheduler = FlowMatchEulerDiscreteScheduler(shift=3.0)
    scheduler.set_timesteps(sigmas=np.linspace(1, 0.1, 10))
    found = Shift(scheduler=scheduler, mu=0.0, steps=10)(torch.linspace(1, 0.1, 10))
    torch.testing.assert_close(found, scheduler.sigmas[:-1], rtol=0, atol=2e-7)


def test_more_tokens_shift_towards_noise() -> None:
    pipeline = tiny_pipeline("tiny:qwen")
    family = family_of(type(pipeline).__name__, where="test")
    few, many = (
        Shift(scheduler=pipeline.scheduler, mu=family.shift(pipeline, n, 40), steps=40)(torch.tensor([0.5]))
        for n in (256, 4096)
    )
    assert 0.5 < float(few) < float(many) < 1


def positions_of(base: Base, start: Image.Image) -> torch.Tensor:
    """The rotary positions with which the text encoder reads an instruction and a picture."""
    seen: list[torch.Tensor] = []
    rotary = base.pipeline.text_encoder.model.language_model.rotary_emb
    hook = rotary.register_forward_pre_hook(lambda module, arguments: seen.append(arguments[1]))
    try:
        base.family.encode_text(base.pipeline, SENTENCE, start)
    finally:
        hook.remove()
    return seen[0][:, 0]


def test_the_text_encoder_of_qwen_counts_across_the_picture(tiny_base: Callable[..., Base], example: Example) -> None:
    base = tiny_base("tiny:qwen")
    time, row, column = positions_of(base, Image.fromarray(example.start))
    picture = (row != time) | (column != time)
    # 464 by 320 pixels, a token for each 28 by 28.
    assert int(picture.sum()) > 100
    assert len(row[picture].unique()) == 11
    assert len(column[picture].unique()) == 17


def test_without_the_patch_it_counts_along_the_line(tiny_base: Callable[..., Base], example: Example) -> None:
    """The day this fails, diffusers is right by itself, and `QwenEdit.patch_pipeline` can go."""
    base = tiny_base("tiny:qwen")
    base.pipeline.text_encoder._forward_pre_hooks.clear()
    time, row, column = positions_of(base, Image.fromarray(example.start))
    assert torch.equal(time, row)
    assert torch.equal(time, column)


def test_texts_of_two_lengths_share_a_batch_without_meeting(tiny_base: Callable[..., Base], example: Example) -> None:
    base = tiny_base("tiny:qwen")
    start = Image.fromarray(example.start)
    texts = [base.family.encode_text(base.pipeline, words, start) for words in ("Push it.", SENTENCE)]
    noisy, sigma = torch.randn(2, 24, 16, generator=torch.Generator().manual_seed(0)), torch.tensor([0.3, 0.8])

    def said(picked: list[int]) -> torch.Tensor:
        condition = Condition(
            reference=noisy[picked].flip(1),
            text=base.family.collate([texts[i] for i in picked]),
            grid=(4, 6),
            guidance=1.0,
        )
        with torch.no_grad():
            return base.family.velocity(base.pipeline.transformer, noisy[picked], sigma[picked], condition)

    torch.testing.assert_close(said([0, 1]), torch.cat([said([0]), said([1])]), rtol=1e-4, atol=1e-5)
