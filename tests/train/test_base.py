"""A base that is loaded from a folder or the Hub is the one that was saved there, or a sentence."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from huggingface_hub import constants

from simgen.core.errors import EnvironmentProblem, OutputError, SimgenError, UnknownName, UsageError
from simgen.train.adapter import attach
from simgen.train.base import Base, device_of, license_of, load_base
from simgen.train.data.examples import Example
from simgen.train.edit import edit
from simgen.train.families.tiny import tiny_names, tiny_pipeline

TINY = tiny_names()
CPU = torch.device("cpu")
# The released models name the stock processors.
STOCK = {
    "tiny:qwen": {"processor": "Qwen2_5_VLProcessor"},
    "tiny:qwen21": {"processor": "Qwen3VLProcessor"},
    "tiny:flux2dev": {"tokenizer": "PixtralProcessor"},
}


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """`saved("tiny:qwen")`: the folder of a base as `save_pretrained` writes it and as the Hub holds it."""
    top = tmp_path_factory.mktemp("saved")

    def folder(name: str) -> Path:
        place = top / name.removeprefix("tiny:")
        if not place.exists():
            tiny_pipeline(name).save_pretrained(place)
            stock = {part: ["transformers", of_class] for part, of_class in STOCK.get(name, {}).items()}
            edit_json(place / "model_index.json", **stock)
        return place

    return folder


@pytest.fixture
def copied(saved: Callable[[str], Path], tmp_path: Path) -> Callable[[str], Path]:
    """Likewise, to be broken."""
    return lambda name: Path(shutil.copytree(saved(name), tmp_path / "base"))


def edit_json(path: Path, **changed: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changed))


def loaded(place: Path | str, dtype: torch.dtype = torch.float32) -> Base:
    return load_base(str(place), dtype=dtype, device=CPU)


def complaint(place: Path | str, kind: type[SimgenError] = EnvironmentProblem) -> str:
    """The one sentence about a base, without what every one of them begins with."""
    with pytest.raises(kind) as raised:
        loaded(place)
    said = str(raised.value)
    assert "\n" not in said
    assert said.startswith(f"--base {place}: ")
    return said.removeprefix(f"--base {place}: ")


@pytest.mark.parametrize("name", TINY)
def test_a_folder_gives_the_base_that_was_saved_in_it(
    name: str, saved: Callable[[str], Path], make_example: Callable[..., Example]
) -> None:
    made, found = load_base(name, dtype=torch.float32, device=CPU), loaded(saved(name))
    assert found.identity == made.identity
    assert found.family is made.family
    assert not found.is_tiny
    assert found.area_px == 1024 * 1024
    assert not any(module.training for module in found.pipeline.components.values() if hasattr(module, "training"))
    assert not any(p.requires_grad for p in found.pipeline.transformer.parameters())
    pictures = [
        edit(base, make_example().start, "Push it.", steps=2, generator=torch.Generator().manual_seed(0))
        for base in (made, found)
    ]
    assert np.array_equal(*pictures)


def test_bases_are_told_apart(saved: Callable[[str], Path]) -> None:
    assert len({loaded(saved(name)).identity for name in TINY}) == len(TINY)


@pytest.mark.parametrize("part", ["transformer", "vae", "text_encoder"])
def test_another_weight_is_another_identity(part: str, copied: Callable[[str], Path]) -> None:
    place = copied("tiny:kontext")
    before = loaded(place).identity
    path = next((place / part).glob("*.safetensors"))
    weights = safetensors.torch.load_file(path)
    # Even one row in the middle of one layer.
    largest = max(weights, key=lambda name: weights[name].numel())
    weights[largest][len(weights[largest]) // 2] += 1
    safetensors.torch.save_file(weights, path, metadata={"format": "pt"})
    assert loaded(place).identity != before


def test_other_statistics_of_the_latents_are_another_identity(copied: Callable[[str], Path]) -> None:
    place = copied("tiny:kontext")
    before = loaded(place).identity
    edit_json(place / "vae" / "config.json", scaling_factor=0.5)
    assert loaded(place).identity != before


def test_the_same_weights_in_another_precision_are_the_same_base(saved: Callable[[str], Path]) -> None:
    assert loaded(saved("tiny:flux2")).identity == loaded(saved("tiny:flux2"), torch.bfloat16).identity


def test_a_base_does_what_it_was_told_about_precision(saved: Callable[[str], Path]) -> None:
    base = loaded(saved("tiny:qwen"), torch.bfloat16)
    assert base.dtype == base.pipeline.transformer.dtype == base.pipeline.vae.dtype == torch.bfloat16


@pytest.mark.parametrize(
    ("name", "part"),
    [(name, part) for name in ("tiny:qwen", "tiny:kontext") for part in ("transformer", "tokenizer", "vae")]
    + [
        ("tiny:qwen", "processor"),
        ("tiny:kontext", "tokenizer_2"),
        ("tiny:qwen21", "processor"),
        ("tiny:flux2dev", "tokenizer"),
    ],
)
def test_a_missing_folder_is_named(name: str, part: str, copied: Callable[[str], Path]) -> None:
    place = copied(name)
    shutil.rmtree(place / part)
    assert complaint(place) == f"lacks its folder {part}/; fetch it again, whole"


@pytest.mark.parametrize("name", TINY)
def test_a_tokenizer_without_its_vocabulary_is_found_out(name: str, copied: Callable[[str], Path]) -> None:
    """transformers makes an empty one, and every instruction then reads the same."""
    place = copied(name)
    for path in place.rglob("tokenizer.json"):
        path.unlink()
    assert complaint(place).endswith("/ knows no letters; fetch it again, whole")


def test_a_layer_without_weights_is_found_out(copied: Callable[[str], Path]) -> None:
    place = copied("tiny:flux2")
    edit_json(place / "transformer" / "config.json", num_layers=3)
    assert complaint(place).startswith("no file in its folder transformer/ holds transformer_blocks.2.")


@pytest.mark.parametrize("part", ["transformer", "text_encoder", "vae"])
@pytest.mark.parametrize("kept", [0, 1000, -1])
def test_a_file_that_is_cut_off_is_a_sentence(part: str, kept: int, copied: Callable[[str], Path]) -> None:
    place = copied("tiny:kontext")
    path = next((place / part).glob("*.safetensors"))
    path.write_bytes(path.read_bytes()[:kept])
    assert complaint(place).startswith("cannot be loaded (")


def unlink(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize(
    ("file", "break_it", "said"),
    [
        ("transformer/config.json", lambda path: path.write_text("{"), "cannot be loaded ("),
        ("transformer/diffusion_pytorch_model.safetensors", unlink, "cannot be loaded ("),
        ("vae/config.json", unlink, "cannot be loaded ("),
        ("scheduler/scheduler_config.json", unlink, "cannot be loaded ("),
        ("tokenizer/tokenizer.json", lambda path: path.write_text("{"), "cannot be loaded ("),
        ("transformer/config.json", lambda path: edit_json(path, attention_head_dim=32), "cannot be loaded ("),
        ("model_index.json", lambda path: edit_json(path, transformer=["diffusers", "Nothing"]), "cannot be loaded ("),
        ("model_index.json", lambda path: edit_json(path, transformer="x"), "cannot be loaded ("),
        ("model_index.json", lambda path: edit_json(path, vae=[None, None]), "cannot be loaded ("),
    ],
)
def test_what_cannot_be_loaded_is_a_sentence(
    file: str, break_it: Callable[[Path], object], said: str, copied: Callable[[str], Path]
) -> None:
    place = copied("tiny:kontext")
    break_it(place / file)
    assert complaint(place).startswith(said)


@pytest.mark.parametrize(
    ("index", "said"),
    [
        (None, "holds no model_index.json; give a folder that a diffusers pipeline was saved in"),
        (b"{", "its model_index.json is damaged: "),
        (b"\xff\xfe{", "its model_index.json is damaged: "),
        (b"[]", "its model_index.json must hold an object"),
        (b"{}", "is a None, which simgen cannot train; it trains Flux2KleinPipeline, "),
        (b'{"_class_name": "StableDiffusionPipeline"}', "is a StableDiffusionPipeline, which simgen cannot train; "),
    ],
)
def test_a_folder_of_something_else_is_a_sentence(index: bytes | None, said: str, tmp_path: Path) -> None:
    if index is not None:
        (tmp_path / "model_index.json").write_bytes(index)
    assert complaint(tmp_path, UsageError).startswith(said)


@pytest.mark.parametrize("name", ["./nowhere", "/nowhere/at/all", "nowhere", "a/b/c", "~/nowhere-of-mine"])
def test_a_folder_that_is_not_there_is_a_sentence(name: str) -> None:
    assert complaint(name, UsageError).startswith("no such folder; give one, a Hub id as in ")


@pytest.mark.parametrize("name", ["some/na me", "some/.."])
def test_what_cannot_be_a_hub_id_is_a_sentence(name: str) -> None:
    assert complaint(name, UsageError) == "is no Hub id; it must look like Qwen/Qwen-Image-Edit-2511"


def test_a_misspelt_tiny_base_suggests_the_nearest() -> None:
    assert complaint("tiny:qwne", UnknownName) == "no tiny base 'qwne'; did you mean 'qwen'?"


def test_a_hub_id_without_a_network_is_a_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    # What HF_HUB_OFFLINE=1 and HF_HUB_CACHE set, had they been there when it was imported.
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    assert complaint("someone/something") == (
        "is not on this machine and the Hub cannot be reached; "
        "fetch it where there is a network with `hf download someone/something`, or give a folder"
    )


def test_a_hub_id_is_found_where_it_was_fetched_to(saved: Callable[[str], Path], tmp_path: Path) -> None:
    home = tmp_path / "models--someone--something"
    commit = "0123456789abcdef0123456789abcdef01234567"
    (home / "refs").mkdir(parents=True)
    (home / "refs" / "main").write_text(commit)
    shutil.copytree(saved("tiny:qwen"), home / "snapshots" / commit)
    (home / "snapshots" / commit / "README.md").write_text("---\nlicense: apache-2.0\n---\n")
    code = (
        "import torch; torch.set_num_threads(1); from simgen.train.base import load_base;"
        "base = load_base('someone/something', dtype=torch.float32, device=torch.device('cpu'));"
        "print(base.identity, base.license)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, "HF_HUB_OFFLINE": "1", "HF_HUB_CACHE": str(tmp_path)},
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [loaded(saved("tiny:qwen")).identity, "apache-2.0"]


LOOK_IT_UP = "not stated; look it up before you use what comes out"


@pytest.mark.parametrize(
    ("card", "said"),
    [
        (["---", "license: apache-2.0", "---", "# A model"], "apache-2.0"),
        (["---", "license: mit", "tags: [a, b]", "---"], "mit"),
        (
            ["---", "license: other", "license_name: flux-non-commercial", "license_link: LICENSE.md", "---", "text"],
            "flux-non-commercial, LICENSE.md (not for commercial use)",
        ),
        (["---", "license: cc-by-nc-4.0", "---"], "cc-by-nc-4.0 (not for commercial use)"),
        (
            ["---", "license: other", "license_name: qwen-research", "---"],
            "qwen-research (not for commercial use)",
        ),
        # There is an nc in Tencent.
        (["---", "license: other", "license_name: tencent-hunyuan-community", "---"], "tencent-hunyuan-community"),
        (["---", "license: other", "license_link: https://x.org/a---b", "---"], "other, https://x.org/a---b"),
        (["---", "language: en", "---"], LOOK_IT_UP),
        (["---", "license:", "---"], LOOK_IT_UP),
        (["---", "license: [apache", "---"], LOOK_IT_UP),
        (["---", "- license", "---"], LOOK_IT_UP),
        (["---", "license: mit"], LOOK_IT_UP),
        (["# A model", "---", "license: mit", "---"], LOOK_IT_UP),
        ([], LOOK_IT_UP),
        (None, LOOK_IT_UP),
    ],
)
def test_the_licence_is_as_the_card_says(card: Sequence[str] | None, said: str, tmp_path: Path) -> None:
    if card is not None:
        (tmp_path / "README.md").write_text("\n".join(card) + "\n")
    assert license_of(str(tmp_path)) == said


def test_a_card_that_is_no_text_does_not_stop_anything(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_bytes(bytes(range(256)))
    assert license_of(str(tmp_path)) == LOOK_IT_UP


def test_a_base_carries_its_licence(copied: Callable[[str], Path]) -> None:
    place = copied("tiny:qwen21")
    assert loaded(place).license == LOOK_IT_UP
    (place / "README.md").write_text("---\nlicense: apache-2.0\n---\n")
    assert loaded(place).license == "apache-2.0"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("quantum", "--device quantum: torch knows no such device; use cpu or cuda"),
        ("meta", "--device meta: simgen does not work on such a device; use cpu or cuda"),
        ("cuda:99", "--device cuda:99: torch finds no such device here; leave it out to use what is there"),
    ],
)
def test_a_device_that_cannot_be_used_is_a_sentence(name: str, said: str) -> None:
    with pytest.raises(UsageError) as raised:
        device_of(name)
    assert str(raised.value) == said


def test_the_cpu_is_always_there() -> None:
    assert device_of("cpu") == CPU
    assert device_of(None).type == ("cuda" if torch.cuda.is_available() else "cpu")


def test_weights_that_are_pickled_are_not_even_looked_at(tmp_path: Path) -> None:
    """diffusers goes on to `.bin` files where it finds no others, unless it is told not to."""
    place = tmp_path / "base"
    tiny_pipeline("tiny:kontext").save_pretrained(place)
    for weights in list(place.rglob("*.safetensors")):
        torch.save(safetensors.torch.load_file(weights), weights.with_suffix(".bin"))
        weights.unlink()
    with pytest.raises(EnvironmentProblem, match="cannot be loaded"):
        load_base(str(place), dtype=torch.float32, device=CPU)
    lora = tmp_path / "pytorch_lora_weights.bin"
    torch.save({"transformer.x.lora_A.weight": torch.zeros(1)}, lora)
    for path in (lora, tmp_path):
        with pytest.raises(OutputError, match="cannot be loaded into this base"):
            attach(tiny_pipeline("tiny:kontext"), str(path))
