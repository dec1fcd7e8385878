"""`simgen train` as a user meets it: a wrong command is one sentence, and a run leaves what it promises."""

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from safetensors import safe_open
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from simgen.cli.app import main
from simgen.storage.yaml_files import read_yaml
from simgen.train.config import parse_config
from simgen.train.data.pairs import open_pairs
from simgen.train.estimate import skeleton
from simgen.train.families.tiny import tiny_pipeline

SMALL = ("--base", "tiny:kontext", "--device", "cpu", "--steps", "2", "--set=batch=2", "--set=rank=4")


@dataclass(frozen=True)
class Ended:
    code: int
    out: str
    err: str


@pytest.fixture
def simgen(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Ended]:
    """`simgen("train", "--data", folder)`: in an empty folder, as the console script does."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")

    def go(*arguments: object) -> Ended:
        with pytest.raises(SystemExit) as end:
            main([str(argument) for argument in arguments])
        said = capsys.readouterr()
        assert isinstance(end.value.code, int)
        return Ended(end.value.code, said.out, said.err)

    return go


def complaint(ended: Ended, code: int = 2) -> str:
    """The one sentence on stderr."""
    assert ended.code == code, ended
    lines = ended.err.splitlines()
    assert len(lines) == 1 and lines[0].startswith("simgen: error: "), ended.err
    return lines[0].removeprefix("simgen: error: ")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "--data is missing: name the folder of a data set, as in --data out/demo"),
        (["--data", "DATA"], "--out is missing: name the folder of the run, as in --out runs/first"),
        (["nonsense-of-mine", "--data", "DATA", "--out", "run"], "no training recipe 'nonsense-of-mine'; "),
        (["none.yaml", "--data", "DATA", "--out", "run"], "none.yaml: no such recipe file; training recipes by name: "),
        (["--data", "nowhere", "--out", "run", "--base", "tiny:qwen"], "HERE/nowhere: no such folder; "),
        (["--data", "DATA", "--out", "run", "--base", "tiny:qwne"], "--base tiny:qwne: no tiny base 'qwne'; did you "),
        (["--data", "DATA", "--out", "run", "--base", "nowhere"], "--base nowhere: no such folder; give one, a Hub id"),
        (["--data", "DATA", "--out", "run", "--set", "stepz=3"], "training options: no key 'stepz'; did you mean 'ste"),
        (["--data", "DATA", "--out", "run", "--set", "steps"], "--set steps: must be KEY=VALUE"),
        (["--data", "DATA", "--out", "run", "--set", "rank=many"], "training options: rank must be a whole number; go"),
        (["--data", "DATA", "--out", "run", "--steps", "0"], "training options: steps must be at least 1; got 0"),
        (["--data", "DATA", "--out", "run", "--steps", "few"], "Invalid value for '--steps': 'few' is not a valid int"),
        (["--data", "DATA", "--out", "run", "--seed", "-1"], "training options: seed must be from 0 to 92233720368547"),
        (["--data", "DATA", "--out", "run", "--device", "quantum", "--base", "tiny:qwen"], "--device quantum: "),
        (
            ["--data", "DATA", "--out", "run", "--set", "crop_px=50", "--base", "tiny:qwen"],
            "crop_px must be a multiple",
        ),
        (["--data", "DATA", "--out", "run", "--bass", "tiny:qwen"], "No such option '--bass'"),
    ],
)
def test_a_wrong_command_is_one_sentence(
    arguments: list[str], said: str, simgen: Callable[..., Ended], pairs_folder: Path
) -> None:
    found = complaint(simgen("train", *(word.replace("DATA", str(pairs_folder)) for word in arguments)))
    assert found.startswith(said.replace("HERE", str(Path.cwd())))
    assert not Path("run").exists()


def test_an_empty_folder_is_one_sentence(simgen: Callable[..., Ended]) -> None:
    Path("empty").mkdir()
    found = complaint(simgen("train", "--data", "empty", "--out", "run", *SMALL), 1)
    assert found.startswith(f"{Path.cwd()}/empty: holds no samples")
    assert not Path("run").exists()


def test_a_run_into_a_folder_of_something_else_is_one_sentence(
    simgen: Callable[..., Ended], pairs_folder: Path
) -> None:
    Path("photos").mkdir()
    Path("photos/cat.png").write_bytes(b"cat")
    found = complaint(simgen("train", "--data", pairs_folder, "--out", "photos", *SMALL), 4)
    assert found == "photos: is not empty and holds no run; give another --out"
    assert [path.name for path in Path("photos").iterdir()] == ["cat.png"]


def test_a_run_into_a_file_is_one_sentence(simgen: Callable[..., Ended], pairs_folder: Path) -> None:
    Path("taken").write_text("a file")
    assert "taken" in complaint(simgen("train", "--data", pairs_folder, "--out", "taken", *SMALL), 1)
    assert Path("taken").read_text() == "a file"


def test_help_answers_without_torch() -> None:
    code = (
        "import sys; from simgen.cli import cli;"
        "[cli.main([name, '--help'], standalone_mode=False) for name in ('train', 'edit')];"
        "print(*{name.partition('.')[0] for name in sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    *said, modules = done.stdout.splitlines()
    heavy = {"torch", "diffusers", "transformers", "peft", "numpy", "yaml", "PIL", "tensorboard"}
    assert not heavy & set(modules.split())
    shown = "\n".join(said)
    for option in ("--data", "--base", "--out", "--steps", "--set", "--device", "--stream", "--lora", "--guidance"):
        assert option in shown


def test_training_needs_neither_blender_nor_ray() -> None:
    code = "import simgen.train.loop, simgen.train.edit, sys; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(run.stdout.split())
    assert not {"ray", "bpy", "kubric", "pybullet", "pyarrow", "trimesh"} & loaded
    assert not {name for name in loaded if name.startswith(("simgen.engine", "simgen.make", "simgen.run"))}


def test_what_needs_no_torch_is_refused_without_it() -> None:
    code = (
        "import sys; from simgen.cli import main\n"
        "try: main(['train'])\n"
        "except SystemExit: print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
    assert done.stderr.startswith("simgen: error: --data is missing")


# A run, whole.


@dataclass(frozen=True)
class Done:
    out: str
    err: str
    folder: Path
    data: Path


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory, pairs_folder: Path) -> Done:
    """Two steps in a process of its own, as from a shell."""
    here = tmp_path_factory.mktemp("here")
    command = [sys.executable, "-m", "simgen.cli", "train", "--data", str(pairs_folder), "--out", "first", *SMALL]
    ended = subprocess.run(
        [*command, "--set=validate_steps=2", "--set=validate_every=1", "--set=save_every=1"],
        capture_output=True,
        text=True,
        cwd=here,
        # Two threads of so small a model wait for each other most of the time.
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        timeout=300,
    )
    assert ended.returncode == 0, ended.stderr
    return Done(ended.stdout, ended.stderr, here / "first", pairs_folder)


def test_a_run_says_what_it_is_of_and_what_comes_next(done: Done) -> None:
    said = done.err.splitlines()
    assert said[0] == "base tiny:kontext (kontext), licence: made by simgen, Apache-2.0"
    assert said[1].startswith("6 pairs to train on, 2 held out; ")
    assert any(line.startswith("step 2/2, loss ") for line in said)
    assert any(line.startswith("step 2: validation loss ") for line in said)
    assert done.out.splitlines()[0].startswith("first: 2 steps, ")
    assert done.out.splitlines()[1:] == ['next: simgen edit PICTURE "what happens" --lora first']


def test_a_run_warns_of_nothing(done: Done) -> None:
    assert "Warning" not in done.err


def test_a_run_leaves_what_it_promises(done: Done) -> None:
    left = {str(path.relative_to(done.folder)) for path in done.folder.rglob("*") if path.is_file()}
    boards = {name for name in left if name.startswith("tensorboard/")}
    assert left - boards == {
        "pytorch_lora_weights.safetensors",
        "README.md",
        "run.json",
        ".lock",
        "config.yaml",
        "log.jsonl",
        "checkpoints/00000001.safetensors",
        "checkpoints/00000002.safetensors",
        "validation/00000001.png",
        "validation/00000002.png",
    }
    assert boards


def test_the_log_has_a_line_a_step_and_one_a_validation(done: Done) -> None:
    lines = [json.loads(line) for line in (done.folder / "log.jsonl").read_text().splitlines()]
    steps, validations = ([line for line in lines if ("validation" in line) == of] for of in (False, True))
    assert [line["step"] for line in steps] == [line["step"] for line in validations] == [1, 2]
    assert all(line["loss"] > 0 and line["seconds"] > 0 and line["tflops"] > 0 for line in steps)
    assert set(validations[0]["validation"]) >= {"loss", "error_inside", "error_outside", "progress", "copies"}


def test_all_settings_lie_there_as_a_recipe(done: Done) -> None:
    config = parse_config(read_yaml(done.folder / "config.yaml"), where="config.yaml")
    assert (config.base, config.steps, config.batch, config.rank) == ("tiny:kontext", 2, 2, 4)


def test_what_the_run_is_of_names_base_data_and_settings(done: Done) -> None:
    told = json.loads((done.folder / "run.json").read_text())
    assert told["base"] == "tiny:kontext"
    assert told["data"] == open_pairs([str(done.data)], split="train").fingerprint
    assert told["rank"] == 4
    assert told["method"] == "sft"
    assert "steps" not in told


def test_the_card_names_base_data_and_settings(done: Done) -> None:
    text = (done.folder / "README.md").read_text()
    told = json.loads((done.folder / "run.json").read_text())
    _, front, rest = text.split("---\n", 2)
    assert yaml.safe_load(front)["base_model"] == "tiny:kontext"
    assert f"`{told['base_identity']}`" in rest
    assert f"`{told['data']}`" in rest
    assert "6 simulated before/after pairs, 2 of 2 steps" in " ".join(rest.split())
    assert "Licence of the base: made by simgen, Apache-2.0." in rest
    settings = yaml.safe_load(rest.partition("```yaml\n")[2].partition("```")[0])
    assert parse_config(settings, where="card").decisive() == {key: told[key] for key in settings}


def test_the_code_on_the_card_loads_the_adapter(done: Done, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(done.folder.parent)
    text = (done.folder / "README.md").read_text()
    code = text.partition("or with diffusers:\n\n")[2].partition("\nLicence")[0]
    names: dict[str, Any] = {}
    exec(textwrap.dedent(code), names)
    assert any("lora_" in name for name, _ in names["pipe"].transformer.named_parameters())


def test_the_weights_are_what_diffusers_loads(done: Done) -> None:
    pipeline: Any = tiny_pipeline("tiny:kontext")
    pipeline.load_lora_weights(done.folder)
    loaded = {name for name, _ in pipeline.transformer.named_parameters() if "lora_" in name}
    with safe_open(done.folder / "pytorch_lora_weights.safetensors", framework="pt") as file:
        assert len(list(file.keys())) == len(loaded) > 0


def test_tensorboard_holds_the_loss_of_every_step(done: Done) -> None:
    board = EventAccumulator(str(done.folder / "tensorboard"))
    board.Reload()
    lines = [json.loads(line) for line in (done.folder / "log.jsonl").read_text().splitlines()]
    logged = {line["step"]: line["loss"] for line in lines if "loss" in line}
    found = {event.step: event.value for event in board.Scalars("train/loss")}
    assert found.keys() == {1, 2}
    assert found == pytest.approx(logged)
    assert {event.step for event in board.Scalars("validation/loss")} == {1, 2}
    assert {event.step for event in board.Images("validation/pictures")} == {1, 2}


def test_the_pictures_show_start_truth_edit_and_mask_of_the_pairs_held_out(done: Done) -> None:
    sheet = np.asarray(Image.open(done.folder / "validation" / "00000002.png"))
    # Two rows of four tiles of 256 pixels, four between them.
    assert sheet.shape == (2 * 256 + 4, 4 * 256 + 3 * 4, 3)
    pair = open_pairs([str(done.data)], split="test").source(0)
    start, end, mask = (np.asarray(sheet[:256, i * 260 : i * 260 + 256], np.float64) for i in (0, 1, 3))
    # 96 by 64 in a square of 256: 171 rows in the middle, bands of white above and below.
    assert (start[:40] == 255).all()
    inside = slice(43, 43 + 170)
    for tile, picture in ((start, pair.start), (end, pair.end), (mask, np.repeat(pair.mask[..., None], 3, axis=-1))):
        small = np.asarray(Image.fromarray(picture).resize((256, 171), Image.Resampling.BICUBIC), np.float64)
        assert np.abs(tile[inside] - small[:170]).mean() < 8


def test_the_run_edits_a_picture(done: Done, simgen: Callable[..., Ended], pairs_folder: Path) -> None:
    Image.fromarray(open_pairs([str(pairs_folder)], split="test").source(0).start).save("photo.png")
    ended = simgen("edit", "photo.png", "Push it.", "--lora", done.folder, "--steps", 2, "--device", "cpu")
    assert (ended.code, ended.out, ended.err) == (0, "photo-edit.png\n", "")
    assert Image.open("photo-edit.png").size == (96, 64)


def test_the_same_command_again_is_done_at_once(done: Done, simgen: Callable[..., Ended]) -> None:
    before = (done.folder / "pytorch_lora_weights.safetensors").read_bytes()
    log = (done.folder / "log.jsonl").read_bytes()
    again = simgen("train", "--data", done.data, "--out", done.folder, *SMALL)
    assert again.code == 0, again.err
    assert f"{done.folder}: 2 of 2 steps are there, going on" in again.err
    assert (done.folder / "pytorch_lora_weights.safetensors").read_bytes() == before
    assert (done.folder / "log.jsonl").read_bytes() == log


def test_a_dry_run_says_what_it_would_take_and_writes_nothing(simgen: Callable[..., Ended], pairs_folder: Path) -> None:
    ended = simgen("train", "--data", pairs_folder, "--dry-run", *SMALL)
    assert ended.code == 0, ended.err
    rows = {line.split()[0] for line in ended.out.splitlines()}
    assert {"base", "memory", "FLOPs", "time"} <= rows
    assert not list(Path.cwd().iterdir())


def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def asked(*_: object, **__: object) -> None:
        raise AssertionError("the Hub is asked")

    monkeypatch.setattr("simgen.train.base.hf_hub_download", asked)


def test_a_dry_run_of_a_known_base_asks_no_network(
    simgen: Callable[..., Ended], pairs_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """2 s: four billion numbers that are not there."""
    no_network(monkeypatch)
    base = "black-forest-labs/FLUX.2-klein-base-4B"
    ended = simgen("train", "--data", pairs_folder, "--base", base, "--device", "cpu", "--dry-run")
    assert ended.code == 0, ended.err
    assert "parameters   3.88 B frozen" in ended.out and "licence: apache-2.0" in ended.out


@pytest.mark.parametrize(
    ("base", "billions"),
    [
        ("Qwen/Qwen-Image-Edit-2509", 20.4),
        ("Qwen/Qwen-Image-Edit-2511", 20.4),
        ("black-forest-labs/FLUX.1-Kontext-dev", 11.9),
        ("black-forest-labs/FLUX.2-klein-base-4B", 3.88),
        ("black-forest-labs/FLUX.2-dev", 32.2),
        ("Qwen/Qwen-Image-2.1", 7.12),
    ],
)
def test_a_known_base_is_as_large_as_it_was_released(
    monkeypatch: pytest.MonkeyPatch, base: str, billions: float
) -> None:
    no_network(monkeypatch)
    transformer, family, license, _ = skeleton(base, torch.bfloat16)
    assert sum(p.numel() for p in transformer.parameters()) / 1e9 == pytest.approx(billions, rel=0.005)
    assert type(transformer).__name__ in family.layouts and license
