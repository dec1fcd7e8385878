"""The training loop: from a data set and a base to adapters, with nothing lost on the way.

Which samples a step sees, and what noise, follows from (seed, step, place in the batch, sample) alone. So the state
of a run is its flat tensors and the number of its step, and a run on one GPU is the run on eight.
"""

import contextlib
import math
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from types import FrameType
from typing import Any, TextIO

import numpy as np
import torch
import torch.distributed as dist
from rich.console import Console

from simgen.core.errors import SimgenError, UsageError, inline
from simgen.storage.urls import admit
from simgen.train import checkpoint, speed
from simgen.train.adapter import Adapter, average, norm, rate
from simgen.train.base import device_of, load_base
from simgen.train.card import write_card
from simgen.train.config import TrainConfig
from simgen.train.data.examples import PICTURES, Example, ExampleConfig, full_size
from simgen.train.data.pairs import open_pairs
from simgen.train.data.sampler import BatchSampler
from simgen.train.data.stream import stream as read_stream
from simgen.train.encode import Encoded, Encoder
from simgen.train.families.base import Family, Tokens
from simgen.train.feed import Feed, Item, Shuffled, Streamed
from simgen.train.flops import Step, step_flops, step_total
from simgen.train.fp8 import quantise_base
from simgen.train.methods.base import Method, Outcome, method_class
from simgen.train.outcome import generator, outcome
from simgen.train.telemetry import Telemetry, check_wandb
from simgen.train.validate import validate

PATIENCE = 3
"""So many steps in a row without finite gradients end a run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessInfo:
    """One process among those of a run."""

    rank: int
    world: int
    device: torch.device

    @property
    def is_first(self) -> bool:
        return self.rank == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    folder: Path
    step: int
    loss: float
    """Of the last step."""
    skipped: int
    seconds: float


def train(
    config: TrainConfig,
    *,
    data: Sequence[str],
    out: Path,
    console: Console,
    device: str | None = None,
    stream: bool = False,
) -> Result:
    """Train to `config.steps`, from where `out` stands. KeyboardInterrupt comes out after the state has been saved."""
    began, data = time.monotonic(), tuple(map(admit, data))
    with _process_group(device) as process, _stop_signals() as stopped, contextlib.ExitStack() as stack:
        step, loss = 0, math.nan
        try:
            run = _Run(config, data=data, out=out, process=process, console=console, stream=stream)
            stack.callback(run.close)
            for step in range(run.step, config.steps):
                loss = run.advance(step, stop=stopped())["loss"]
                ends = step + 1 == config.steps
                looks = config.validate_every and (ends or (step + 1) % config.validate_every == 0)
                # Saved before a validation, which takes minutes and may fail by itself.
                if run.stop or ends or looks or (step + 1) % config.save_every == 0:
                    run.save()
                if run.stop:
                    raise KeyboardInterrupt
                if looks:
                    run.validate()
        except torch.OutOfMemoryError as error:
            raise _out_of_memory(config, step) from error
        except MemoryError as error:
            raise _out_of_memory(config, step) from error
        except RuntimeError as error:
            if "can't allocate memory" in str(error) or "out of memory" in str(error):
                raise _out_of_memory(config, step) from error
            raise
        return Result(folder=out, step=run.step, loss=loss, skipped=run.skipped, seconds=time.monotonic() - began)


class _Run:
    """Everything that is there while a run goes on."""

    def __init__(
        self,
        config: TrainConfig,
        *,
        data: Sequence[str],
        out: Path,
        process: ProcessInfo,
        console: Console,
        stream: bool = False,
    ) -> None:
        self.config, self.process, self.out = config, process, out
        if config.batch % (process.world * config.micro_batch):
            raise UsageError(
                f"batch must be a multiple of processes times micro_batch; got batch {config.batch}, "
                f"{process.world} processes, micro_batch {config.micro_batch}"
            )
        if config.wandb:
            check_wandb()
        self.method: Method = method_class(config.method)(config.method_settings)
        self.held_out = open_pairs(data, split="test", pictures=self.method.pictures)
        dtype = precision(config, process.device)
        self.base = base = load_base(
            config.base, dtype=dtype, device=process.device, offload=config.encoders == "offload"
        )
        if config.micro_batch > 1 and not base.family.batches:
            raise UsageError(f"--base {config.base}: takes one sample at a time; set micro_batch to 1")
        self.example_config = example_config_of(config, base.family, area_px=base.area_px, is_tiny=base.is_tiny)
        self.pairs = None if stream else open_pairs(data, split="train", pictures=self.method.pictures)
        self.amount = "streamed" if self.pairs is None else str(len(self.pairs))
        self.fingerprint = f"stream of {' '.join(data)}" if self.pairs is None else self.pairs.fingerprint
        self.guidance = base.family.edit_guidance if config.guidance is None else config.guidance
        transformer = base.pipeline.transformer
        self.adapter = Adapter(
            transformer,
            base.family,
            rank=config.rank,
            alpha=config.alpha,
            layers=config.layers,
            seed=config.seed,
            dtype=dtype,
        )
        if config.fp8:
            quantise_base(transformer)
        self._lock: TextIO | None = None
        if process.is_first:
            self._lock = checkpoint.lock(out)
            checkpoint.claim(out, self.identity(), config)
        if process.world > 1:
            # Nobody goes on in a folder that the first one has refused.
            dist.barrier()
        self.optimizer = torch.optim.AdamW(
            [torch.nn.Parameter(self.adapter.master)],
            lr=config.learning_rate,
            weight_decay=config.weight_decay,
            fused=True,
        )
        self.ema = self.adapter.master.clone()
        # What the processes add up beside their gradients: the loss, the method's figures, of how many samples each
        # of these is, and whether one of the processes was asked to stop.
        self.sums = torch.zeros(2 + 2 * len(self.method.figures), device=process.device)
        self.step = self.skipped = self.in_a_row = 0
        self.stop = False
        self._told_cut = False
        self._flops: dict[tuple[int, int], Step] = {}
        self._resume()
        self.encoder = Encoder(
            base,
            device=process.device,
            offload=config.encoders == "offload",
            cache=Path(config.cache).expanduser() if config.cache else None,
        )
        self.feed = Feed(
            self._source(data),
            self.encoder,
            prefetch_steps=config.prefetch_steps,
            steps=config.steps,
            seed=config.seed,
            caption_dropout=config.caption_dropout,
        )
        attention = speed.choose_attention(transformer, config.attention, masked=config.micro_batch > 1)
        self._fit_memory()
        self._compiled = config.compile == "on" or (config.compile == "auto" and process.device.type == "cuda")
        if self._compiled:
            speed.compile_blocks(transformer)
        self.peak = speed.matmul_peak(process.device, dtype)
        self.telemetry: Telemetry | None = None
        if process.is_first:
            checkpoint.trim_log(out, self.step)
            self.telemetry = Telemetry(
                out,
                step=self.step,
                steps=config.steps,
                console=console,
                settings=config.as_data(),
                wandb=config.wandb,
            )
            self.telemetry.say(f"base {base.name} ({base.family.name}), licence: {base.license}")
            self.telemetry.say(
                f"{self.amount} pairs to train on, {len(self.held_out)} held out; "
                f"{len(self.adapter) / 1e6:.3g} M adapter weights of rank {config.rank} in "
                f"{len(self.adapter.names) // 2} layers, {str(dtype).removeprefix('torch.')}, attention {attention}"
            )
            if self.step:
                self.telemetry.say(f"{out}: {self.step} of {config.steps} steps are there, going on")

    def identity(self) -> dict[str, Any]:
        """What makes this run another one than a run with other settings, base or data."""
        return {
            **self.config.decisive(),
            "base_identity": self.base.identity,
            "data": self.fingerprint,
            "precision": str(self.adapter.dtype).removeprefix("torch."),
        }

    # One step.

    def advance(self, step: int, *, stop: bool = False) -> dict[str, float]:
        """Take the step with this number, from 0; returns its figures. Where one process is asked to stop, all of
        them know after the same step."""
        began = time.perf_counter()
        config, adapter = self.config, self.adapter
        items = self.feed.take(step)
        encoded_at = time.perf_counter()
        adapter.start_step()
        self.sums.zero_()
        self.sums[-1] = float(stop)
        for first in range(0, len(items), config.micro_batch):
            found = self.outcome(items[first : first + config.micro_batch])
            (found.loss.sum() / config.batch).backward()  # type: ignore[no-untyped-call]
            adapter.gather()
            self._count(found)
        if self.process.world > 1:
            self._reduce()
        size = norm(adapter.gradient)
        loss, *_ = sums = self.sums.tolist()
        sound = math.isfinite(size) and math.isfinite(loss)
        if sound:
            self._update(step, size)
        self.step, self.stop = step + 1, sums[-1] > 0
        self._patience(sound)
        seconds = time.perf_counter() - began
        flops = config.batch / self.process.world * self._flops_of(items[0].encoded)
        return self._report(
            {
                "loss": loss / config.batch,
                **self._means(sums[1:-1]),
                "gradient_norm": size,
                "learning_rate": self._rate(step),
                "seconds": seconds,
                "encode_seconds": encoded_at - began,
                "tflops": flops / seconds / 1e12,
                "peak_share": flops / seconds / self.peak,
                "memory_gb": speed.peak_memory_bytes(self.process.device) / 1e9,
                "skipped": float(self.skipped),
            }
        )

    def outcome(self, items: Sequence[Item]) -> Outcome:
        """What the method finds for a micro-batch, as the graph stands."""
        return outcome(
            self.base,
            self.method,
            [item.encoded for item in items],
            [generator(self.config.seed, item.name) for item in items],
            guidance=self.guidance,
            device=self.process.device,
        )

    def _count(self, found: Outcome) -> None:
        figures = [found.figures[name] for name in self.method.figures]
        self.sums[:-1] += torch.stack(
            [
                found.loss.detach().sum(),
                *(figure.nansum() for figure in figures),
                *((~figure.isnan()).sum() for figure in figures),
            ]
        )

    def _means(self, sums: Sequence[float]) -> dict[str, float]:
        """The method's figures from their sums and then of how many samples each of them is."""
        names = self.method.figures
        pairs = zip(names, sums[: len(names)], sums[len(names) :], strict=True)
        return {name: total / count if count else math.nan for name, total, count in pairs}

    def _reduce(self) -> None:
        """Gradients and sums of all processes in one message."""
        message = torch.cat([self.adapter.gradient, self.sums])
        dist.all_reduce(message)
        self.adapter.gradient.copy_(message[: -len(self.sums)])
        self.sums.copy_(message[-len(self.sums) :])

    def _update(self, step: int, size: float) -> None:
        adapter, limit = self.adapter, self.config.max_grad_norm
        if limit and size > limit:
            adapter.gradient.mul_(limit / size)
        group = self.optimizer.param_groups[0]
        group["lr"] = self._rate(step)
        group["params"][0].grad = adapter.gradient
        self.optimizer.step()
        average(self.ema, adapter.master, step=step, decay=self.config.ema_decay)
        adapter.show(adapter.master)

    def _rate(self, step: int) -> float:
        return rate(step, peak=self.config.learning_rate, warmup_steps=self.config.warmup_steps)

    def _patience(self, sound: bool) -> None:
        if sound:
            self.in_a_row = 0
            return
        self.skipped += 1
        self.in_a_row += 1
        if self.telemetry is not None:
            self.telemetry.say(f"step {self.step}: loss or gradient is not finite; nothing was changed")
        if self.in_a_row == PATIENCE:
            there = checkpoint.steps(self.out)
            saved = f"the checkpoint of step {there[-1]} is there" if there else "no checkpoint was written yet"
            raise SimgenError(
                f"{self.out}: {PATIENCE} steps in a row up to {self.step} gave no finite loss; {saved}; "
                f"a smaller learning_rate ({self.config.learning_rate:g} now) in a new --out is the usual remedy"
            )

    # What comes in.

    def _source(self, data: Sequence[str]) -> Shuffled | Streamed:
        """Where samples come from, from the step on at which the run stands."""
        config, process = self.config, self.process
        if self.pairs is not None:
            order = BatchSampler(self.pairs, batch=config.batch, seed=config.seed, example_config=self.example_config)
            return Shuffled(self.pairs, order, seed=config.seed, rank=process.rank, world=process.world)
        batches = read_stream(
            data,
            split="train",
            example_config=self.example_config,
            batch=config.batch,
            seed=config.seed,
            rank=process.rank,
            world=process.world,
            first_step=self.step,
            pictures=self.method.pictures,
        )
        return Streamed(batches, first_place=process.rank * config.batch // process.world)

    def _flops_of(self, encoded: Encoded) -> float:
        """Of one sample, forward and backward, without what is computed twice to save memory."""
        tokens, words = len(encoded.pictures["end"]), self.base.family.text_tokens(encoded.text)
        if (tokens, words) not in self._flops:
            shape = Tokens(target=tokens, reference=len(encoded.pictures["start"]), text=words)
            self._flops[tokens, words] = step_flops(self.base.pipeline.transformer, shape)
        return step_total(self._flops[tokens, words], self.method.forwards)

    def _fit_memory(self) -> None:
        wanted, transformer = self.config.activation_checkpointing, self.base.pipeline.transformer
        total = len(speed.blocks(transformer))
        if isinstance(wanted, int):
            speed.checkpoint_blocks(transformer, min(wanted, total))
        elif wanted == "all":
            speed.checkpoint_blocks(transformer, total)
        elif wanted == "auto" and self.process.device.type == "cuda":
            largest = self._largest()

            def trial() -> None:
                self.adapter.start_step()
                self.outcome(largest).loss.sum().backward()  # type: ignore[no-untyped-call]

            # Every process takes the most that one of them needs: they wait for each other anyway.
            least = speed.fewest_checkpointed(transformer, trial, reserve_bytes=self._reserve_bytes())
            count = torch.tensor(least, device=self.process.device)
            if self.process.world > 1:
                dist.all_reduce(count, dist.ReduceOp.MAX)
            speed.checkpoint_blocks(transformer, int(count))
            self.adapter.start_step()
            torch.cuda.reset_peak_memory_stats(self.process.device)

    def _reserve_bytes(self) -> int:
        """The optimiser's two moments, which come with the first step, and a little for what varies."""
        total = torch.cuda.get_device_properties(self.process.device).total_memory
        return 2 * 4 * len(self.adapter) + total // 32

    def _largest(self) -> list[Item]:
        """A micro-batch of the largest pictures that the run will meet."""
        example_config = self.example_config
        side = example_config.crop_px if example_config.crop_share == 1 else example_config.max_resolution_px
        size = (side, side)
        if self.pairs is not None and example_config.crop_share < 1:
            sizes = {(int(w), int(h)) for w, h in np.unique(self.pairs.sizes, axis=0)}
            size = max((full_size(*one, example_config) for one in sizes), key=lambda one: one[0] * one[1])
        blank = np.zeros((size[1], size[0], 3), np.uint8)
        words = " ".join(["word"] * 80)
        others = {name: blank for name in self.method.pictures if name not in PICTURES}
        example = Example(
            key="blank",
            start=blank,
            end=blank,
            mask=blank[..., 0],
            instruction=words,
            digest=f"blank {size}",
            others=others,
        )
        encoded = self.encoder.encode([example], drop_caption=[False])[0]
        return [Item(name="blank", encoded=encoded)] * self.config.micro_batch

    # What stays.

    def _resume(self) -> None:
        self._restore()
        if self.process.world > 1:
            there = torch.tensor([self.step, -self.step], device=self.process.device)
            dist.all_reduce(there, dist.ReduceOp.MAX)
            if int(there[0]) != -int(there[1]):
                raise UsageError(
                    f"{self.out}: is at step {int(there[0])} for one process and at step {-int(there[1])} for another; "
                    f"all of them must see the same --out"
                )

    def _restore(self) -> None:
        state = checkpoint.latest(self.out)
        if state is None:
            return
        if state.step > self.config.steps:
            raise UsageError(
                f"{self.out}: is at step {state.step}, beyond the {self.config.steps} that are asked for; raise --steps"
            )
        self.step, self.skipped = state.step, state.skipped
        self.adapter.master.copy_(state.tensors["master"])
        self.ema.copy_(state.tensors["ema"])
        parameter = self.optimizer.param_groups[0]["params"][0]
        self.optimizer.state[parameter] = {
            # On the device, as a fused optimiser makes it.
            "step": state.tensors["updates"].to(self.process.device),
            "exp_avg": state.tensors["exp_avg"].to(self.process.device),
            "exp_avg_sq": state.tensors["exp_avg_sq"].to(self.process.device),
        }
        torch.set_rng_state(state.tensors["rng"])
        self.adapter.show(self.adapter.master)

    def save(self) -> None:
        """The state as it stands, and the average as the file that diffusers loads."""
        if not self.process.is_first:
            return
        moments = self.optimizer.state[self.optimizer.param_groups[0]["params"][0]]
        tensors = {
            "master": self.adapter.master,
            "ema": self.ema,
            "exp_avg": moments.get("exp_avg", torch.zeros_like(self.ema)),
            "exp_avg_sq": moments.get("exp_avg_sq", torch.zeros_like(self.ema)),
            "updates": moments.get("step", torch.tensor(0.0)),
            "rng": torch.get_rng_state(),
        }
        state = checkpoint.State(step=self.step, skipped=self.skipped, tensors=tensors)
        # The checkpoint last: where it is there, so are the weights of that step or of a later one.
        with self.adapter.showing(self.ema):
            checkpoint.write_weights(self.out, self.adapter, self.base)
        write_card(
            self.out, config=self.config, base=self.base, pairs=self.amount, step=self.step, identity=self.identity()
        )
        checkpoint.save(self.out, state, keep=self.config.keep)

    def validate(self) -> None:
        """Figures and pictures of held-out pairs with the average; from a generator of its own."""
        if self.process.is_first and len(self.held_out):
            assert self.telemetry is not None
            # The compiled graphs are those of training.
            stance = torch.compiler.set_stance("force_eager") if self._compiled else contextlib.nullcontext()
            with self.adapter.showing(self.ema), stance:
                found = validate(
                    self.base,
                    self.method,
                    self.encoder,
                    self.held_out,
                    config=self.config,
                    example_config=self.example_config,
                    guidance=self.guidance,
                    folder=self.out,
                    step=self.step,
                )
            self.telemetry.validation(self.step, found.figures, found.sheet)
        if self.process.world > 1:
            dist.barrier()

    def close(self) -> None:
        self.feed.close()
        if self._lock is not None:
            self._lock.close()
        if self.telemetry is not None:
            self.telemetry.close()

    def _report(self, figures: dict[str, float]) -> dict[str, float]:
        if self.telemetry is not None:
            self.telemetry.step(self.step, figures)
            if self.encoder.cut_short and not self._told_cut:
                self._told_cut = True
                key, words = next(iter(self.encoder.cut_short.items()))
                self.telemetry.say(
                    f"the instruction of {key} is longer than the {self.base.family.text_limit} tokens that "
                    f"{self.base.name} reads, and perhaps others are; left out at its end: {inline(words)!r}"
                )
        return figures


def example_config_of(config: TrainConfig, family: Family, *, area_px: int, is_tiny: bool) -> ExampleConfig:
    """How pictures become examples, where nothing is said as the base likes it."""
    grain = family.size_multiple_px
    crop = config.crop_px or (64 if is_tiny else 512)
    if crop % grain:
        raise UsageError(f"crop_px must be a multiple of {grain} for {family.name}; got {crop}")
    largest = config.max_resolution_px or round(math.sqrt(area_px))
    return ExampleConfig(
        crop_px=crop,
        crop_share=config.crop_share,
        max_resolution_px=largest,
        size_multiple_px=grain,
        tiers=config.tiers,
        variants=config.crop_variants,
    )


def precision(config: TrainConfig, device: torch.device) -> torch.dtype:
    if config.dtype == "auto":
        return torch.bfloat16 if device.type == "cuda" else torch.float32
    return torch.bfloat16 if config.dtype == "bfloat16" else torch.float32


_LAUNCH = {"WORLD_SIZE": 1, "RANK": 0, "LOCAL_RANK": 0}
"""What `torchrun` tells a process, and what holds without it."""


def _count_of(name: str, default: int) -> int:
    text = os.environ.get(name, str(default))
    if not text.isdecimal():
        raise UsageError(f"{name}: must be a whole number; got {text!r}; unset it, or start with torchrun")
    return int(text)


@contextlib.contextmanager
def _process_group(device: str | None) -> Iterator[ProcessInfo]:
    """This process, with the others of a `torchrun` joined."""
    world, rank, local_rank = (_count_of(name, default) for name, default in _LAUNCH.items())
    chosen = device_of(device)
    if chosen.type == "cuda":
        chosen = torch.device("cuda", local_rank if chosen.index is None else chosen.index)
        torch.cuda.set_device(chosen)
    if world > 1:
        # The others wait while the first one validates.
        dist.init_process_group("nccl" if chosen.type == "cuda" else "gloo", timeout=timedelta(hours=2))
    try:
        yield ProcessInfo(rank=rank, world=world, device=chosen)
    finally:
        if world > 1:
            dist.destroy_process_group()


@contextlib.contextmanager
def _stop_signals() -> Iterator[Callable[[], bool]]:
    """While this is open, the first Ctrl-C, SIGTERM or SIGHUP asks to stop after the step; the second one stops."""
    asked: list[int] = []

    def ask(number: int, frame: FrameType | None) -> None:
        if asked:
            raise KeyboardInterrupt
        asked.append(number)
        with contextlib.suppress(OSError):
            os.write(2, b"stopping after this step; once more stops at once\n")

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {int(n): signal.signal(n, ask) for n in numbers if signal.getsignal(n) != signal.SIG_IGN}
    try:
        yield lambda: bool(asked)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if asked and asked[0] != signal.SIGINT and callable(before[asked[0]]):
            # The command line tells them apart by its own handler.
            with contextlib.suppress(KeyboardInterrupt):
                before[asked[0]](asked[0], None)  # type: ignore[operator, misc]


def _out_of_memory(config: TrainConfig, step: int) -> SimgenError:
    return SimgenError(
        f"out of memory at step {step + 1}, with micro_batch {config.micro_batch}, crop_px {config.crop_px}, "
        f"max_resolution_px {config.max_resolution_px}, activation_checkpointing "
        f"{config.activation_checkpointing}: set activation_checkpointing=all, encoders=offload or fp8=true, or "
        f"smaller pictures; the same command then goes on"
    )
