"""A run is a function of its settings and its data: whatever stops it, wherever it goes on, on one process or two."""

import functools
import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from rich.console import Console
from safetensors.torch import load_file

from simgen.core.errors import ConflictError, OutputError, SimgenError, UsageError
from simgen.train import checkpoint, loop, speed
from simgen.train.base import Base, load_base
from simgen.train.config import TrainConfig, parse_config
from simgen.train.edit import edit
from simgen.train.families import qwen
from simgen.train.families.tiny import tiny_names, tiny_pipeline
from simgen.train.feed import Item
from simgen.train.methods.base import Batch, Forwards, Outcome, Policy
from simgen.train.methods.sft import SFT

TINY = ("tiny:qwen", *(name for name in tiny_names() if name != "tiny:qwen"))
OTHERS = [pytest.param(name, marks=pytest.mark.slow) for name in TINY[1:]]
"""The long version: what no base has a say in is seen with one of them."""
CPU = torch.device("cpu")
QUICK: dict[str, Any] = {"rank": 4, "batch": 2, "warmup_steps": 2, "learning_rate": 1e-3, "validate_every": 0}


def config(**settings: Any) -> TrainConfig:
    return parse_config({"base": "tiny:qwen", **QUICK, **settings}, where="test")


def run(data: Path, out: Path, **settings: Any) -> dict[str, torch.Tensor]:
    """Train; the tensors of the last checkpoint."""
    loop.train(config(**settings), data=[str(data)], out=out, console=Console(quiet=True), device="cpu")
    return tensors(out)


def tensors(out: Path) -> dict[str, torch.Tensor]:
    state = checkpoint.latest(out)
    assert state is not None
    return {name: tensor for name, tensor in state.tensors.items() if name != "rng"}


def assert_equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> None:
    assert one.keys() == other.keys()
    for name in one:
        assert torch.equal(one[name], other[name]), name


def a_run(data: Path, out: Path, **settings: Any) -> Any:
    """A run that stands before its first step."""
    process = loop.ProcessInfo(rank=0, world=1, device=CPU)
    return loop._Run(config(**settings), data=[str(data)], out=out, process=process, console=Console(quiet=True))


def picture(base: Base, start: np.ndarray) -> np.ndarray:
    return edit(base, start, "Push the square.", steps=2, generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize("name", TINY)
def test_what_was_trained_is_what_the_stock_pipeline_loads(
    name: str, pairs_folder: Path, tmp_path: Path, make_example: Callable[..., Any]
) -> None:
    start = make_example().start
    running = a_run(pairs_folder, tmp_path / "run", base=name, steps=3, learning_rate=1e-2)
    untouched = picture(running.base, start)
    for step in range(3):
        running.advance(step)
    running.save()
    with running.adapter.showing(running.ema):
        trained = picture(running.base, start)
    running.close()

    stock = tiny_pipeline(name)
    stock.load_lora_weights(tmp_path / "run")
    base = load_base(name, dtype=torch.float32, device=CPU)
    base.pipeline.transformer = stock.transformer
    reloaded = picture(base, start)
    assert np.array_equal(trained, reloaded)
    assert not np.array_equal(trained, untouched)


@pytest.mark.parametrize("name", [TINY[0], *OTHERS])
def test_eight_steps_and_twelve_more_are_twenty(name: str, pairs_folder: Path, tmp_path: Path) -> None:
    straight = run(pairs_folder, tmp_path / "straight", base=name, steps=20)
    run(pairs_folder, tmp_path / "parted", base=name, steps=8)
    parted = run(pairs_folder, tmp_path / "parted", base=name, steps=20)
    assert_equal(straight, parted)
    weights = [load_file(tmp_path / out / checkpoint.WEIGHTS) for out in ("straight", "parted")]
    assert_equal(*weights)


def test_looking_on_changes_nothing(pairs_folder: Path, tmp_path: Path) -> None:
    plain = run(pairs_folder, tmp_path / "plain", steps=4)
    seen = run(
        pairs_folder,
        tmp_path / "seen",
        steps=4,
        validate_every=1,
        validate_steps=2,
        save_every=1,
        keep=2,
        cache=str(tmp_path / "cache"),
        prefetch_steps=3,
    )
    assert_equal(plain, seen)
    assert checkpoint.steps(tmp_path / "seen") == [3, 4]
    assert len(list((tmp_path / "seen" / "validation").glob("*.png"))) == 4


class Watching(SFT):
    """A method of its own name, with another figure and a second pass through the transformer."""

    name = "watching"
    figures = ("sigma",)
    forwards = Forwards(trained=1, frozen=1)

    def loss(self, policy: Policy, batch: Batch) -> Outcome:
        found = super().loss(policy, batch)
        end = batch.pictures["end"]
        assert not policy(end, torch.full([len(end)], 0.5), reference=True).requires_grad
        return found


def test_the_loop_sums_what_a_method_names_and_no_other_figure(
    pairs_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = run(pairs_folder, tmp_path / "usual", steps=2)
    monkeypatch.setattr(loop, "method_class", {"sft": Watching}.__getitem__)
    watched = run(pairs_folder, tmp_path / "watched", steps=2, validate_every=2, validate_pictures=0)
    assert_equal(usual, watched)
    lines = [json.loads(line) for line in (tmp_path / "watched" / checkpoint.LOG).read_text().splitlines()]
    assert all(0 < line["sigma"] < 1 and "loss_inside" not in line for line in lines[:2])
    assert set(lines[2]["validation"]) == {"loss", "sigma"}


def test_encodings_from_the_cache_are_those_that_were_kept(pairs_folder: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    first = run(pairs_folder, tmp_path / "first", steps=3, cache=str(cache))
    kept = sorted(cache.rglob("*.safetensors"))
    assert kept
    # A file that a killed run left half, and one of garbage, are made again.
    kept[0].write_bytes(kept[0].read_bytes()[:100])
    kept[1].write_bytes(b"garbage")
    times = {path: path.stat().st_mtime_ns for path in kept[2:]}
    again = run(pairs_folder, tmp_path / "again", steps=3, cache=str(cache))
    assert_equal(first, again)
    assert {path: path.stat().st_mtime_ns for path in kept[2:]} == times
    assert len(kept[0].read_bytes()) > 100


@pytest.mark.parametrize("name", TINY)
def test_every_adapter_gets_a_gradient_and_the_base_none(name: str, pairs_folder: Path, tmp_path: Path) -> None:
    running = a_run(pairs_folder, tmp_path / "run", base=name, steps=3)
    frozen = [p for p in running.base.pipeline.transformer.parameters() if not p.requires_grad]
    before = hashlib.sha256(b"".join(p.detach().numpy().tobytes() for p in frozen)).digest()
    for step in range(3):
        running.advance(step)
    # The first factor of an adapter has no gradient while the second is still zero.
    assert running.adapter.silent() == ()
    assert all(p.grad is None for p in frozen)
    assert hashlib.sha256(b"".join(p.detach().numpy().tobytes() for p in frozen)).digest() == before
    running.close()


# That each base learns at all is seen in its gradients, and what it learns from in the stock pipeline's calls.
@pytest.mark.parametrize(
    ("name", "steps"), [(TINY[0], 400), *(pytest.param(name, 800, marks=pytest.mark.slow) for name in TINY[1:])]
)
def test_four_pairs_are_learnt(name: str, steps: int, make_simple_pairs: Callable[..., Path], tmp_path: Path) -> None:
    data = make_simple_pairs(tmp_path / "data", train=4, test=0, width=64, height=64)
    settings = {"base": name, "rank": 32, "alpha": 64, "batch": 1, "crop_share": 0.0, "steps": steps}
    settings |= {"learning_rate": 3e-3, "warmup_steps": 10, "mask_weight": 50.0, "caption_dropout": 0.0}
    settings |= {"tiers": [0, 1, 0], "cache": str(tmp_path / "cache")}
    running = a_run(data, tmp_path / "run", **settings)

    items = {item.name.partition("/")[2]: item for step in range(16) for item in running.feed.take(step)}
    four = list({item.encoded.text["embeds"].sum().item(): item for item in items.values()}.values())

    def inside() -> float:
        """Mean over noise levels and pairs, always the same ones."""
        found = []
        for draw in range(16):
            for item in four:
                with torch.no_grad():
                    said = running.outcome([Item(name=f"test {draw}", encoded=item.encoded)])
                found.append(float(said.figures["loss_inside"]))
        return float(np.mean(found))

    before = inside()
    for step in range(steps):
        running.advance(step)
    after = inside()
    running.close()
    assert after <= before / 2, (before, after)


def test_adapters_are_small_in_the_graph_and_exact_in_the_optimiser(pairs_folder: Path, tmp_path: Path) -> None:
    running = a_run(pairs_folder, tmp_path / "run", dtype="bfloat16", learning_rate=1e-4, warmup_steps=0, steps=2)
    before = running.adapter.master.clone()
    running.advance(0)
    running.advance(1)
    assert {p.dtype for p in running.adapter._parameters} == {torch.bfloat16}
    assert running.adapter.master.dtype == running.ema.dtype == torch.float32
    # Steps of 1e-4 are lost in bfloat16 for all weights above 0.03; here every one of them moves.
    moved = (running.adapter.master - before).abs()
    assert float((moved > 0).float().mean()) > 0.99
    assert torch.equal(running.adapter._graph, running.adapter.master.bfloat16())
    running.save()
    assert {tensor.dtype for tensor in running.adapter.state().values()} == {torch.bfloat16}
    running.close()


@pytest.mark.parametrize("activation_checkpointing", [1, "all"])
def test_checkpointing_activations_changes_no_bit(
    activation_checkpointing: Any, pairs_folder: Path, tmp_path: Path
) -> None:
    kept = run(pairs_folder, tmp_path / "kept", steps=3, activation_checkpointing="none")
    made = run(pairs_folder, tmp_path / "made", steps=3, activation_checkpointing=activation_checkpointing)
    assert_equal(kept, made)


def test_micro_batches_add_up(pairs_folder: Path, tmp_path: Path) -> None:
    whole = run(pairs_folder, tmp_path / "whole", steps=3, batch=4, micro_batch=4)
    parts = run(pairs_folder, tmp_path / "parts", steps=3, batch=4, micro_batch=1)
    torch.testing.assert_close(whole["master"], parts["master"], rtol=1e-4, atol=1e-5)


def test_an_eight_bit_base_trains(pairs_folder: Path, tmp_path: Path) -> None:
    found = run(pairs_folder, tmp_path / "run", steps=3, fp8=True, dtype="bfloat16")
    assert found["master"].isfinite().all()


WATCHED = """
import json, os, sys, torch
torch.set_num_threads(1)
from rich.console import Console
from simgen.train import loop
from simgen.train.methods import sft
from simgen.train.config import parse_config
import hashlib
def digest(tensor):
    return hashlib.sha256(tensor.numpy().tobytes()).hexdigest()
drawn = sft.draw
def draw(generators, like):
    noise, even = drawn(generators, like)
    for n, e in zip(noise, even):
        said.write(json.dumps({"noise": digest(n), "even": float(e)}) + "\\n")
    return noise, even
sft.draw = draw
def take(self, step, before=loop.Shuffled.take):
    found = before(self, step)
    for one in found:
        said.write(json.dumps({"step": one.step, "place": one.place, "key": one.example.key}) + "\\n")
    return found
loop.Shuffled.take = take
from pathlib import Path
if "RANK" in os.environ:
    # One group for all runs of this process: a second one would meet the keys of the first.
    import torch.distributed as dist
    dist.init_process_group("gloo")
    dist.init_process_group = dist.destroy_process_group = lambda *_, **__: None
for settings in json.loads(sys.argv[4]):
    out = Path(sys.argv[2]) / settings["base"].removeprefix("tiny:")
    said = open(f"{out}.said-{os.environ.get('RANK', 0)}", "w")
    config = parse_config(settings, where="test")
    loop.train(config, data=[sys.argv[1]], out=out, console=Console(quiet=True), device="cpu")
    said.close()
"""


def watched(data: Path, out: Path, settings: list[dict[str, Any]], *, processes: int) -> None:
    """Train several runs in processes of their own, which note what they see."""
    out.mkdir()
    script = out / "watched.py"
    script.write_text(textwrap.dedent(WATCHED))
    launch = [sys.executable, str(script)]
    if processes > 1:
        launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
        launch.append(str(script))
    command = [*launch, str(data), str(out), "", json.dumps(settings)]
    subprocess.run(command, check=True, capture_output=True, text=True, timeout=200)


def seen(out: Path, *, processes: int) -> dict[str, list[Any]]:
    """Keys, noise and positions on the schedule of every step and place."""
    said = []
    for rank in range(processes):
        lines = [json.loads(line) for line in Path(f"{out}.said-{rank}").read_text().splitlines()]
        drawn = [line for line in lines if "noise" in line]
        slots = [line for line in lines if "key" in line]
        said += [{**slot, **draw} for slot, draw in zip(slots, drawn, strict=True)]
    said.sort(key=lambda one: (one["step"], one["place"]))
    return {name: [one[name] for one in said] for name in ("step", "place", "key", "noise", "even")}


@pytest.mark.parametrize("names", [TINY[:1], pytest.param(TINY[1:], marks=pytest.mark.slow)], ids=["one", "others"])
def test_two_processes_see_what_one_sees(names: tuple[str, ...], pairs_folder: Path, tmp_path: Path) -> None:
    settings = [{"base": name, **QUICK, "batch": 4, "steps": 5} for name in names]
    for folder, processes in (("one", 1), ("two", 2)):
        watched(pairs_folder, tmp_path / folder, settings, processes=processes)
    for each in settings:
        name = each["base"].removeprefix("tiny:")
        one, two = seen(tmp_path / "one" / name, processes=1), seen(tmp_path / "two" / name, processes=2)
        assert one == two
        assert len(one["noise"]) == len(set(one["noise"])) == 20
        master, other = (tensors(tmp_path / folder / name)["master"] for folder in ("one", "two"))
        assert float((master - other).norm() / master.norm()) < 1e-4
        start = a_run(pairs_folder, tmp_path / f"start-{name}", **each)
        assert float((master - start.adapter.master).norm() / master.norm()) > 1e-3
        start.close()


def command(data: Path, out: Path, *settings: str, steps: int = 40) -> list[str]:
    quick = [f"--set={key}={value}" for key, value in {**QUICK, "save_every": 3, "prefetch_steps": 2}.items()]
    program = [sys.executable, "-m", "simgen.cli", "train", "--data", str(data), "--out", str(out), "--device", "cpu"]
    return [*program, "--base", "tiny:qwen", "--steps", str(steps), *quick, *settings]


def start_and_wait(data: Path, out: Path, *, lines: int, steps: int = 40) -> "subprocess.Popen[str]":
    """A run in a process of its own that has taken some steps."""
    running = subprocess.Popen(
        command(data, out, steps=steps),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        # What is started in the background may ignore Ctrl-C; a terminal's command does not.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    log = out / checkpoint.LOG
    deadline = time.monotonic() + 120
    while not log.is_file() or log.read_bytes().count(b"\n") < lines:
        assert running.poll() is None, running.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return running


def test_ctrl_c_saves_and_the_same_command_goes_on(pairs_folder: Path, tmp_path: Path) -> None:
    stopped = start_and_wait(pairs_folder, tmp_path / "run", lines=4, steps=400)
    stopped.send_signal(signal.SIGINT)
    _, said = stopped.communicate(timeout=60)
    assert stopped.returncode == 130
    assert said.splitlines()[-1] == "simgen: error: interrupted; the same command goes on from here"
    at = checkpoint.steps(tmp_path / "run")[-1]
    lines = [json.loads(line) for line in (tmp_path / "run" / checkpoint.LOG).read_text().splitlines()]
    assert at == lines[-1]["step"] < 400
    settings = {"save_every": 3, "prefetch_steps": 2, "steps": at + 2}
    assert_equal(run(pairs_folder, tmp_path / "run", **settings), run(pairs_folder, tmp_path / "straight", **settings))


def test_ctrl_c_at_one_process_stops_all_after_the_same_step(pairs_folder: Path, tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    launch = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "OMP_NUM_THREADS": "1"}
    both = [
        subprocess.Popen(
            command(pairs_folder, tmp_path / "run", steps=4000),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **launch, "RANK": str(rank)},
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )
        for rank in (0, 1)
    ]
    log = tmp_path / "run" / checkpoint.LOG
    deadline = time.monotonic() + 120
    while not log.is_file() or log.read_bytes().count(b"\n") < 3:
        assert [one.poll() for one in both] == [None, None]
        assert time.monotonic() < deadline
        time.sleep(0.02)
    both[1].send_signal(signal.SIGINT)
    said = [one.communicate(timeout=60)[1] for one in both]
    assert [one.returncode for one in both] == [130, 130], said
    last = json.loads(log.read_text().splitlines()[-1])["step"]
    assert checkpoint.steps(tmp_path / "run")[-1] == last < 4000


def test_a_streamed_run_trains_and_goes_on(pairs_folder: Path, tmp_path: Path) -> None:
    for steps in (2, 4):
        done = loop.train(
            config(steps=steps),
            data=[str(pairs_folder)],
            out=tmp_path / "run",
            console=Console(quiet=True),
            device="cpu",
            stream=True,
        )
        assert done.step == steps
    lines = [json.loads(line) for line in (tmp_path / "run" / checkpoint.LOG).read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2, 3, 4]


def test_a_killed_run_goes_on_as_if_nothing_had_happened(pairs_folder: Path, tmp_path: Path) -> None:
    for lines in (5, 8):
        killed = start_and_wait(pairs_folder, tmp_path / "run", lines=lines, steps=20)
        killed.kill()
        killed.communicate()
    assert_equal(run(pairs_folder, tmp_path / "run", steps=20), run(pairs_folder, tmp_path / "straight", steps=20))
    steps = [json.loads(line)["step"] for line in (tmp_path / "run" / checkpoint.LOG).read_text().splitlines()]
    assert steps == list(range(1, 21))
    assert not list((tmp_path / "run").rglob("*.tmp"))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"base": "tiny:flux2"}, "base 'tiny:qwen' there, 'tiny:flux2' now"),
        ({"learning_rate": 2e-3}, "learning_rate 0.001 there, 0.002 now"),
        ({"seed": 1}, "seed 0 there, 1 now"),
    ],
)
def test_another_setting_in_the_same_folder_is_refused(
    change: dict[str, Any], said: str, pairs_folder: Path, tmp_path: Path
) -> None:
    run(pairs_folder, tmp_path / "run", steps=2)
    before = tensors(tmp_path / "run")
    with pytest.raises(ConflictError, match=said):
        run(pairs_folder, tmp_path / "run", steps=3, **change)
    assert_equal(before, tensors(tmp_path / "run"))


def test_another_data_set_in_the_same_folder_is_refused(
    pairs_folder: Path, make_pairs: Callable[..., Path], tmp_path: Path
) -> None:
    run(pairs_folder, tmp_path / "run", steps=1)
    other = make_pairs(tmp_path / "other", train=3)
    with pytest.raises(ConflictError, match="holds a run of other settings"):
        run(other, tmp_path / "run", steps=2)


def test_a_folder_of_something_else_is_refused(pairs_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.png").write_bytes(b"cat")
    with pytest.raises(ConflictError, match="is not empty and holds no run"):
        run(pairs_folder, tmp_path / "photos", steps=1)
    assert [path.name for path in (tmp_path / "photos").iterdir()] == ["cat.png"]


def test_two_runs_in_one_folder_are_one_too_many(pairs_folder: Path, tmp_path: Path) -> None:
    first = a_run(pairs_folder, tmp_path / "run", steps=2)
    with pytest.raises(ConflictError, match="another run is at work there"):
        run(pairs_folder, tmp_path / "run", steps=2)
    first.close()
    run(pairs_folder, tmp_path / "run", steps=2)


def test_where_the_last_checkpoint_is_so_are_its_weights(
    pairs_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kill between the two leaves the weights; the steps since the checkpoint before are taken again."""
    running = a_run(pairs_folder, tmp_path / "run", steps=2)
    running.advance(0)

    def killed(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(checkpoint, "save", killed)
    with pytest.raises(KeyboardInterrupt):
        running.save()
    running.close()
    assert (tmp_path / "run" / checkpoint.WEIGHTS).is_file()
    assert checkpoint.steps(tmp_path / "run") == []


def test_compiled_blocks_train_and_validate(
    pairs_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Validation under `fullgraph` used to ask for more graphs than Dynamo makes."""
    wider = functools.partial(qwen.QwenImageTransformer2DModel)
    monkeypatch.setattr(qwen, "QwenImageTransformer2DModel", lambda **kw: wider(**{**kw, "num_layers": 5}))
    monkeypatch.setattr(speed, "compile_blocks", functools.partial(speed.compile_blocks, backend="eager"))
    settings = {"steps": 3, "compile": "on", "validate_every": 1, "validate_steps": 2, "validate_pictures": 1}
    compiled = run(pairs_folder, tmp_path / "compiled", **settings)
    plain = run(pairs_folder, tmp_path / "plain", **{**settings, "compile": "off"})
    torch.testing.assert_close(compiled["master"], plain["master"], rtol=1e-4, atol=1e-6)


def test_fewer_steps_than_are_there_is_a_sentence(pairs_folder: Path, tmp_path: Path) -> None:
    run(pairs_folder, tmp_path / "run", steps=3)
    with pytest.raises(UsageError, match="is at step 3, beyond the 2 that are asked for"):
        run(pairs_folder, tmp_path / "run", steps=2)


def test_a_damaged_checkpoint_falls_back_on_the_one_before(pairs_folder: Path, tmp_path: Path) -> None:
    straight = run(pairs_folder, tmp_path / "straight", steps=6)
    run(pairs_folder, tmp_path / "run", steps=4, save_every=2)
    newest = sorted((tmp_path / "run" / checkpoint.CHECKPOINTS).iterdir())[-1]
    newest.write_bytes(newest.read_bytes()[:1000])
    assert_equal(straight, run(pairs_folder, tmp_path / "run", steps=6, save_every=2))


def test_a_checkpoint_that_is_the_only_one_and_damaged_is_a_sentence(pairs_folder: Path, tmp_path: Path) -> None:
    run(pairs_folder, tmp_path / "run", steps=2)
    next((tmp_path / "run" / checkpoint.CHECKPOINTS).iterdir()).write_bytes(b"")
    with pytest.raises(OutputError, match="the checkpoint is damaged"):
        run(pairs_folder, tmp_path / "run", steps=4)


def test_losses_that_are_not_finite_end_the_run_and_lose_nothing(pairs_folder: Path, tmp_path: Path) -> None:
    settings = {"learning_rate": 1e30, "max_grad_norm": 0, "warmup_steps": 0, "save_every": 1}
    with pytest.raises(SimgenError, match=r"3 steps in a row up to \d+ gave no finite loss; the checkpoint of step"):
        run(pairs_folder, tmp_path / "run", steps=20, **settings)
    last = checkpoint.latest(tmp_path / "run")
    assert last is not None
    assert last.tensors["master"].isfinite().all()
    assert last.tensors["exp_avg"].isfinite().all()


def test_a_step_without_a_finite_loss_changes_nothing_but_the_count(pairs_folder: Path, tmp_path: Path) -> None:
    running = a_run(pairs_folder, tmp_path / "run", steps=5)
    running.advance(0)
    before = running.adapter.master.clone()
    running.adapter.show(torch.full_like(before, float("nan")))
    figures = running.advance(1)
    assert running.skipped == figures["skipped"] == 1
    assert torch.equal(running.adapter.master, before)
    running.adapter.show(before)
    assert running.advance(2)["loss"] > 0
    assert not torch.equal(running.adapter.master, before)
    running.close()


def test_too_little_memory_is_a_sentence(make_pairs: Callable[..., Path], tmp_path: Path) -> None:
    data = make_pairs(tmp_path / "data", train=2, test=0, width=1024, height=1024)
    code = (
        "import resource, sys, torch; import simgen.train.loop; torch.set_num_threads(1);"
        "used = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize();"
        "resource.setrlimit(resource.RLIMIT_AS, (used + 400_000_000,) * 2);"
        "from simgen.cli import main; main(sys.argv[1:])"
    )
    settings = ["--set=max_resolution_px=1024", "--set=crop_share=0"]
    arguments = command(data, tmp_path / "run", *settings)[3:]
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=300)
    assert done.returncode == 1, done.stderr
    assert "out of memory at step 1" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_a_batch_that_does_not_divide_is_a_sentence(pairs_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="batch must be a multiple of micro_batch"):
        config(batch=4, micro_batch=3)


def test_one_sample_at_a_time_where_the_layout_wants_it(pairs_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="takes one sample at a time"):
        run(pairs_folder, tmp_path / "run", base="tiny:qwen21", batch=2, micro_batch=2, steps=1)
