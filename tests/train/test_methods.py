"""The loss and its figures against numbers computed by hand, and what it draws from which generator."""

import dataclasses
import math
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import FlowMatchEulerDiscreteScheduler
from torch import Tensor

from simgen.train.encode import token_shares
from simgen.train.families.base import family_of
from simgen.train.families.tiny import tiny_names, tiny_pipeline
from simgen.train.methods.base import Batch, Outcome, Shift, draw, methods
from simgen.train.methods.sft import SFT, SFTSettings
from simgen.train.settings import names_of

TINY = tiny_names()
# As it comes, a scheduler shifts nothing.
UNSHIFTED = Shift(scheduler=FlowMatchEulerDiscreteScheduler(), mu=0.0, steps=10)


def sft(mask_weight: float) -> SFT:
    return SFT(SFTSettings(mask_weight=mask_weight))


def seeded(*seeds: int) -> tuple[torch.Generator, ...]:
    return tuple(torch.Generator().manual_seed(seed) for seed in seeds)


def a_batch(changed: list[list[float]], *, channels: int = 3, seeds: tuple[int, ...] | None = None) -> Batch:
    """End pictures of 1, 2, 3, … in each token, and these shares that changed."""
    shares = torch.tensor(changed)
    end = torch.arange(1.0, shares.numel() + 1).reshape(*shares.shape, 1).expand(-1, -1, channels)
    return Batch(
        pictures={"start": torch.zeros_like(end), "end": end},
        changed=shares,
        generators=seeded(*(seeds or range(len(changed)))),
        shift=UNSHIFTED,
    )


class Erring:
    """A policy that knows the truth of a batch and is wrong by a given amount, [B, tokens, 1]."""

    def __init__(self, batch: Batch, wrong_by: Tensor) -> None:
        self.end, self.wrong_by = batch.pictures["end"], wrong_by

    def __call__(self, noisy: Tensor, sigma: Tensor, *, reference: bool = False) -> Tensor:
        level = sigma[:, None, None]
        noise = (noisy - (1 - level) * self.end) / level
        return noise - self.end + self.wrong_by


def outcome_of(
    changed: list[list[float]], wrong_by: list[list[float]], *, mask_weight: float = 2.0, **options: Any
) -> Outcome:
    batch = a_batch(changed, **options)
    return sft(mask_weight).loss(Erring(batch, torch.tensor(wrong_by)[..., None]), batch)


def test_every_method_goes_by_its_name_and_says_what_it_needs() -> None:
    assert "sft" in methods()
    for name, method in methods().items():
        assert method.name == name
        assert {"start", "end"} <= set(method.pictures)
        assert method.forwards.trained >= 1
        assert names_of(method.settings_class) == [field.name for field in dataclasses.fields(method.settings_class)]


def test_the_figures_that_a_method_names_are_those_that_it_finds() -> None:
    assert set(SFT.figures) <= set(outcome_of([[0.0, 1.0]], [[1.0, 1.0]]).figures)


def test_who_says_noise_minus_end_has_no_loss() -> None:
    found = outcome_of([[0.0, 1.0, 0.5]], [[0.0, 0.0, 0.0]])
    assert float(found.loss) < 1e-10


def test_the_noisy_picture_lies_between_end_and_noise() -> None:
    batch = a_batch([[0.0, 1.0]])
    noise, _ = draw(seeded(0), batch.pictures["end"])
    seen: list[tuple[Tensor, Tensor]] = []

    def policy(noisy: Tensor, sigma: Tensor, *, reference: bool = False) -> Tensor:
        seen.append((noisy, sigma))
        return torch.zeros_like(noisy)

    found = sft(0.0).loss(policy, batch)
    noisy, sigma = seen[0]
    level = float(sigma)
    torch.testing.assert_close(noisy, (1 - level) * batch.pictures["end"] + level * noise)
    # Who says nothing is wrong by all of the velocity.
    torch.testing.assert_close(found.loss, (noise - batch.pictures["end"]).square().mean()[None])
    assert torch.equal(found.figures["sigma"], sigma)


@pytest.mark.parametrize("mask_weight", [0.0, 1.0, 2.0, 9.0])
def test_a_changed_token_weighs_its_mask_weight_on_top_of_one(mask_weight: float) -> None:
    inside = outcome_of([[1.0, 0.0, 0.0, 0.0]], [[0.5, 0.0, 0.0, 0.0]], mask_weight=mask_weight)
    outside = outcome_of([[1.0, 0.0, 0.0, 0.0]], [[0.0, 0.5, 0.0, 0.0]], mask_weight=mask_weight)
    torch.testing.assert_close(inside.loss / outside.loss, torch.tensor([1 + mask_weight]), rtol=1e-4, atol=0)
    # 0.5² (1 + w) / (1 + w + 1 + 1 + 1)
    torch.testing.assert_close(inside.loss, torch.tensor([0.25 * (1 + mask_weight) / (4 + mask_weight)]))


def test_half_a_token_weighs_half() -> None:
    found = outcome_of([[0.5, 0.0]], [[1.0, 0.0]], mask_weight=2.0)
    # Weights 2 and 1.
    torch.testing.assert_close(found.loss, torch.tensor([2 / 3]))


def test_gradients_part_as_the_weights_do() -> None:
    batch = a_batch([[1.0, 0.0, 0.25, 0.0]])
    said = torch.full((1, 4, 1), 0.5, requires_grad=True)
    loss = sft(4.0).loss(Erring(batch, said), batch).loss
    loss.sum().backward()  # type: ignore[no-untyped-call]
    assert said.grad is not None
    torch.testing.assert_close(said.grad[0, :, 0] / said.grad[0, 1, 0], torch.tensor([5.0, 1.0, 2.0, 1.0]))


@pytest.mark.parametrize("changed", [[0.0, 0.0, 0.0], [1.0, 1.0, 1.0], [1.0, 0.0, 0.0], [0.3, 0.9, 0.01]])
@pytest.mark.parametrize("mask_weight", [0.0, 2.0, 100.0])
def test_a_large_change_makes_a_sample_no_heavier(changed: list[float], mask_weight: float) -> None:
    found = outcome_of([changed], [[0.5, 0.5, 0.5]], mask_weight=mask_weight)
    torch.testing.assert_close(found.loss, torch.tensor([0.25]), rtol=1e-4, atol=0)


def test_the_loss_inside_and_outside_are_means_by_share() -> None:
    found = outcome_of([[1.0, 0.5, 0.0]], [[1.0, 2.0, 3.0]])
    # (1 · 1 + 4 · ½) / 1½ and (4 · ½ + 9 · 1) / 1½
    torch.testing.assert_close(found.figures["loss_inside"], torch.tensor([2.0]))
    torch.testing.assert_close(found.figures["loss_outside"], torch.tensor([11 / 1.5]))


def test_figures_of_what_is_not_there_are_nan() -> None:
    found = outcome_of([[0.0, 0.0], [1.0, 1.0]], [[1.0, 1.0], [1.0, 1.0]])
    assert found.figures["loss_inside"].isnan().tolist() == [True, False]
    assert found.figures["loss_outside"].isnan().tolist() == [False, True]
    assert found.loss.isfinite().all()


def test_figures_carry_no_gradient() -> None:
    batch = a_batch([[1.0, 0.5]])
    found = sft(1.0).loss(Erring(batch, torch.zeros(1, 2, 1, requires_grad=True)), batch)
    assert found.loss.requires_grad
    assert not any(figure.requires_grad for figure in found.figures.values())


def test_a_sample_has_its_loss_whoever_shares_its_batch() -> None:
    changed, wrong_by = [[1.0, 0.0], [0.5, 0.5], [0.0, 0.0]], [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]
    together = outcome_of(changed, wrong_by, seeds=(7, 8, 9))
    batch = a_batch(changed)
    for i in range(3):
        alone = Batch(
            pictures={name: p[i : i + 1] for name, p in batch.pictures.items()},
            changed=batch.changed[i : i + 1],
            generators=seeded(7 + i),
            shift=UNSHIFTED,
        )
        found = sft(2.0).loss(Erring(alone, torch.tensor([wrong_by[i]])[..., None]), alone)
        assert torch.equal(found.loss, together.loss[i : i + 1])
        assert torch.equal(found.figures["sigma"], together.figures["sigma"][i : i + 1])


def test_draws_come_from_the_generator_of_the_sample_alone() -> None:
    like = torch.zeros(3, 4, 2)
    torch.manual_seed(1)
    noise, even = draw(seeded(5, 6, 7), like)
    torch.manual_seed(2)
    other_noise, other_even = draw(seeded(7, 9), like[:2])
    assert torch.equal(noise[2], other_noise[0])
    assert even[2] == other_even[0]
    assert not torch.equal(noise[0], noise[1])
    assert not torch.equal(other_noise[0], other_noise[1])


def test_drawing_leaves_the_generator_of_the_process_alone() -> None:
    before = torch.get_rng_state()
    draw(seeded(0), torch.zeros(1, 4, 2))
    assert torch.equal(torch.get_rng_state(), before)


def test_what_is_drawn_does_not_depend_on_the_precision_of_the_latents() -> None:
    noise, _ = draw(seeded(3), torch.zeros(1, 4, 2))
    rounded, _ = draw(seeded(3), torch.zeros(1, 4, 2, dtype=torch.bfloat16))
    assert torch.equal(noise.bfloat16(), rounded)


def test_the_loss_is_taken_in_float32() -> None:
    batch = a_batch([[0.0, 1.0]])
    small = Batch(
        pictures={name: picture.bfloat16() for name, picture in batch.pictures.items()},
        changed=batch.changed,
        generators=batch.generators,
        shift=UNSHIFTED,
    )
    found = sft(1.0).loss(lambda noisy, sigma, *, reference=False: noisy.bfloat16(), small)
    assert found.loss.dtype == torch.float32


def test_noise_is_normal_and_positions_are_logit_normal() -> None:
    count = 4000
    noise, even = draw(seeded(*range(count)), torch.zeros(count, 2, 2))
    assert abs(float(noise.mean())) < 0.03
    assert abs(float(noise.std()) - 1) < 0.03
    # A standard normal has its quartiles at ±0.6745; the error of a quantile of 4000 is below 0.006.
    wanted = [1 / (1 + math.exp(0.6745)), 0.5, 1 / (1 + math.exp(-0.6745))]
    found = torch.quantile(even, torch.tensor([0.25, 0.5, 0.75]))
    torch.testing.assert_close(found, torch.tensor(wanted), rtol=0, atol=0.012)


def test_noise_and_position_of_a_sample_are_independent() -> None:
    count = 4000
    noise, even = draw(seeded(*range(count)), torch.zeros(count, 1, 1))
    # Of independent numbers the correlation of 4000 is below 0.05 in all but one case of a thousand.
    assert abs(float(np.corrcoef(noise[:, 0, 0], even)[0, 1])) < 0.05


@pytest.mark.parametrize("tokens", [4, 256, 4096, 16384])
@pytest.mark.parametrize("name", TINY)
def test_noise_levels_never_leave_what_is_above_nothing_and_at_most_one(name: str, tokens: int) -> None:
    pipeline = tiny_pipeline(name)
    family = family_of(type(pipeline).__name__, where="test")
    even = torch.cat([torch.tensor([0.0, 1e-38, 1e-6]), torch.linspace(0, 1, 1001), torch.tensor([1 - 2**-24])])
    for steps in (2, family.edit_steps, 1000):
        levels = Shift(scheduler=pipeline.scheduler, mu=family.shift(pipeline, tokens, steps), steps=steps)(even)
        assert float(levels.min()) > 0
        assert float(levels.max()) <= 1
        rising = levels[3:-1].diff()
        assert (rising >= 0).all()


def test_a_schedule_that_ends_at_a_set_value_does() -> None:
    scheduler = FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True, shift_terminal=0.02)
    levels = Shift(scheduler=scheduler, mu=0.8, steps=40)(torch.tensor([1.0, 1 / 40]))
    torch.testing.assert_close(levels, torch.tensor([1.0, 0.02]))


def test_a_fixed_shift_of_three_moves_the_middle_to_three_quarters() -> None:
    shift = Shift(scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0), mu=0.0, steps=10)
    torch.testing.assert_close(shift(torch.tensor([0.5])), torch.tensor([0.75]))


def test_one_token_that_is_covered_is_one_in_its_place() -> None:
    # Three rows and five columns of tokens of 16 pixels.
    mask = np.zeros((48, 80), np.uint8)
    mask[16:32, 48:64] = 255
    shares = token_shares(mask, (3, 5))
    assert shares.shape == (15,)
    assert shares.dtype == torch.float32
    assert shares.tolist() == [1.0 if i == 1 * 5 + 3 else 0.0 for i in range(15)]


def test_half_a_token_has_a_share_of_a_half() -> None:
    mask = np.zeros((32, 64), np.uint8)
    mask[:16, 16:24] = 255
    assert token_shares(mask, (2, 4)).tolist() == [0.0, 0.5, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]


@pytest.mark.parametrize(("height", "width"), [(64, 96), (96, 64), (32, 160), (64, 64)])
def test_shares_add_up_to_the_area(height: int, width: int) -> None:
    mask = np.random.default_rng(0).choice(np.array([0, 85, 170, 255], np.uint8), (height, width))
    shares = token_shares(mask, (height // 16, width // 16))
    assert 256 * float(shares.double().sum()) == pytest.approx(mask.sum() / 255, rel=1e-5)


def test_shares_are_the_means_of_the_blocks_row_by_row() -> None:
    mask = np.random.default_rng(1).integers(0, 256, (48, 96)).astype(np.uint8)
    blocks = mask.reshape(3, 16, 6, 16).astype(np.float64).mean(axis=(1, 3)) / 255
    np.testing.assert_allclose(token_shares(mask, (3, 6)).numpy(), blocks.reshape(-1), atol=1e-6)
