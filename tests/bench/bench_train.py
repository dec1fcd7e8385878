"""What a training step costs on the whole Qwen-Image-Edit transformer, beside the way of diffusers' example scripts.

    python tests/bench/bench_train.py [--json out.json] [--cases '512-*' ...] [--layers 60] [--steps 5]
        [--attention auto] [--limit-s 540] [--device cuda]

Weights are random and made on the device; so are the latents of a 1024 x 1024 pair and of a 512 x 512 crop of one,
and 256 tokens of text. A step is forward, backward and optimiser with one sample; time is the wall clock's between two
synchronisations, the median of --steps after two that are left out. FLOPs are those of forward and backward; blocks
that are recomputed to save memory cost time and count as no work. Memory is the peak of what torch had allocated in
the timed steps. The share of the peak is of a bf16 product, also where the base is fp8.

Without a GPU the same code runs on a small model, to be tried out: its figures say nothing.
"""

import argparse
import fnmatch
import gc
import itertools
import json
import math
import statistics
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal, TypeAlias

import diffusers
import peft
import torch
import transformers
from diffusers import QwenImageTransformer2DModel
from diffusers.training_utils import cast_training_params
from peft import LoraConfig

from simgen.core.errors import SimgenError
from simgen.train import speed
from simgen.train.adapter import Adapter, average, norm, rate
from simgen.train.base import Base
from simgen.train.config import TrainConfig
from simgen.train.encode import Encoded
from simgen.train.families import tiny
from simgen.train.families.base import Condition, Tokens
from simgen.train.families.qwen import QwenEdit
from simgen.train.flops import step_flops
from simgen.train.fp8 import quantise_base
from simgen.train.methods.sft import SFT
from simgen.train.outcome import generator, outcome

Step: TypeAlias = Callable[[int, Encoded], float | torch.Tensor]
"""Takes the step with this number on a sample; returns what is not finite where something went wrong."""

WARM_UP_STEPS = 2
AIMS_S = {1024: 1.0, 512: 0.2}
"""Seconds per step on an H200."""
AIM_PEAK_SHARE, AIM_TIMES_PLAIN = 0.5, 1.5
DTYPE = torch.bfloat16
CONFIG = TrainConfig()


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """A model and the pictures that it is shown."""

    transformer: Mapping[str, Any]
    """What differs from the defaults of its class, which are the released model's."""
    layers: int
    sides_px: tuple[int, ...]
    text_tokens: int


WHOLE = Scale(transformer={}, layers=60, sides_px=(1024, 512), text_tokens=256)
SMALL = Scale(
    transformer={
        "num_attention_heads": 3,
        "attention_head_dim": 32,
        "axes_dims_rope": (8, 12, 12),
        "joint_attention_dim": 64,
    },
    layers=3,
    sides_px=(256, 128),
    text_tokens=32,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    side_px: int
    way: Literal["plain", "eager", "compiled"]
    """`plain` is that of the examples, the others are simgen's."""
    recompute: Literal["none", "fewest", "all"]
    """Blocks whose activations are not kept; `fewest` is what fits, the trainer's own choice."""
    fp8: bool = False
    attention: str = "auto"

    @property
    def name(self) -> str:
        kernel = "" if self.attention == "auto" else self.attention.strip("_")
        if self.way == "plain":
            return f"{self.side_px}-plain"
        parts = [str(self.side_px), self.way, "fp8" if self.fp8 else "", self.recompute, kernel]
        return "-".join(part for part in parts if part)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    case: Case
    problem: str = ""
    """Why there are no figures."""
    attention: str = ""
    recomputed: int = 0
    """Blocks, where there are figures."""
    times_s: list[float] = field(default_factory=list)
    warm_up_s: float = math.nan
    """Of the steps that are left out: compilation is in it."""
    seconds: float = math.nan
    tflop: float = math.nan
    """That a step needs."""
    tflops: float = math.nan
    peak_share: float = math.nan
    memory_gb: float = math.nan


def main() -> None:
    began = time.perf_counter()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--layers", type=int, help="blocks of the transformer; fewer for a quick look")
    parser.add_argument("--steps", type=int, default=5, help="timed, of each case")
    parser.add_argument("--cases", nargs="+", default=["*"], metavar="PATTERN", help="as in '512-*' '*-plain'")
    parser.add_argument("--attention", default="auto", help="kernel where a case names none, as in train's recipe")
    parser.add_argument("--limit-s", type=float, default=540, help="no case begins later than this")
    parser.add_argument("--json", type=Path, help="file for all figures, written anew after each case")
    options = parser.parse_args()
    for library in (diffusers, transformers):
        library.logging.set_verbosity_error()
    device = torch.device(options.device)
    if device.type != "cuda":
        torch.set_num_threads(1)  # on busy cores several wait for each other for most of their time
    scale = WHOLE if device.type == "cuda" else SMALL
    is_whole = scale is WHOLE and options.layers in (None, WHOLE.layers)
    scale = replace(scale, layers=options.layers or scale.layers)

    torch.manual_seed(0)
    peak = speed.matmul_peak(device, DTYPE)
    rig = Rig(scale, device)
    every = list(cases(scale, rig.kernels(), options.attention))
    chosen = [case for case in every if any(fnmatch.fnmatch(case.name, pattern) for pattern in options.cases)]
    if not chosen:
        parser.error(f"no case matches {' '.join(options.cases)}; there are {', '.join(case.name for case in every)}")
    told = machine(device) | {"peak_tflops": peak / 1e12, "layers": scale.layers, "rank": CONFIG.rank}
    print(f"{told['device']}; " + ", ".join(f"{name} {told[name]}" for name in LIBRARIES))
    print(f"bf16 product {peak / 1e12:.3g} TFLOP/s; {rig.weights / 1e9:.3g} G weights in {scale.layers} blocks")
    if not is_whole:
        print("NOT the figures that count: those are of the whole model on a GPU")
    print(HEADER, flush=True)

    results: list[Result] = []
    for case in chosen:
        if case.recompute == "fewest" and fits(replace(case, recompute="none"), results):
            continue  # the same as that
        if time.perf_counter() - began > options.limit_s:
            results.append(Result(case=case, problem=f"not run: {options.limit_s:g} s are up"))
        else:
            results.append(run(rig, case, steps=options.steps, peak=peak))
        print(line(results[-1], results, scale.layers), flush=True)
        if options.json:
            figures = [{"name": result.case.name, **asdict(result)} for result in results]
            report = {"machine": told, "whole_model": is_whole, "results": figures}
            options.json.write_text(json.dumps(finite(report), indent=1))
    if is_whole:
        for text in verdicts(results):
            print(text)
    print(f"{time.perf_counter() - began:.0f} s in all")


def cases(scale: Scale, kernels: Sequence[str], attention: str) -> Iterator[Case]:
    """In an order in which one model serves all: what cannot be undone comes late, and so does compilation, which
    takes minutes; of what is left when time is up the last is missed least."""
    sides = scale.sides_px
    for side in sides:
        yield Case(side_px=side, way="plain", recompute="all", attention="native")
    for side in sides:
        for kernel in kernels:
            yield Case(side_px=side, way="eager", recompute="all", attention=kernel)
        for recompute in ("none", "fewest"):
            yield Case(side_px=side, way="eager", recompute=recompute, attention=attention)
    for fp8, side, recompute in itertools.product((False, True), sides, ("none", "fewest", "all")):
        yield Case(side_px=side, way="compiled", recompute=recompute, fp8=fp8, attention=attention)
    for side, recompute in itertools.product(sides, ("none", "fewest")):
        yield Case(side_px=side, way="eager", recompute=recompute, fp8=True, attention=attention)


class Rig:
    """The one transformer and what was done to it so far; there is no way back from fp8 and from compiled blocks."""

    def __init__(self, scale: Scale, device: torch.device) -> None:
        self.scale, self.device = scale, device
        self.transformer = build(scale, device)
        self.weights = sum(parameter.numel() for parameter in self.transformer.parameters())
        scheduler = tiny.tiny_pipeline("tiny:qwen").scheduler  # its constants are those of the released models
        self.base = Base(
            name="random",
            family=QwenEdit(),
            pipeline=SimpleNamespace(transformer=self.transformer, scheduler=scheduler),
            license="",
            identity="",
            area_px=max(scale.sides_px) ** 2,
            dtype=DTYPE,
        )
        self._step: Step | None = None
        self._is_plain = self._is_compiled = self._is_fp8 = False

    def kernels(self) -> list[str]:
        """Those of the trainer's attention kernels that this machine has; on the CPU the one that works there."""
        found = []
        for name in speed.ATTENTION if self.device.type == "cuda" else ("native",):
            try:
                found.append(speed.choose_attention(self.transformer, name))
            except SimgenError as problem:
                print(problem)
        return found

    def step(self, case: Case) -> Step:
        """What a case times, with the transformer made ready for it."""
        if self._step is None or self._is_plain != (case.way == "plain"):
            self._step = None
            self.transformer.unload_lora()
            self._is_plain = case.way == "plain"
            self._step = (plain_step if self._is_plain else trainer_step)(self.base, self.device)
        if case.fp8 and not self._is_fp8:
            quantise_base(self.transformer)
            torch.compiler.reset()  # as in a run that is fp8 from the start: no graphs of other weights
            self._is_fp8 = True
        if case.way == "compiled" and not self._is_compiled:
            # On the CPU the graphs are made and run as they are: what inductor would do there says nothing of a GPU.
            speed.compile_blocks(self.transformer, backend="inductor" if self.device.type == "cuda" else "eager")
            self._is_compiled = True
        torch.compiler.set_stance("default" if case.way == "compiled" else "force_eager")
        return self._step

    def sample(self, case: Case) -> Encoded:
        """Random, on the device; an eighth of the picture has changed."""
        config, side = self.transformer.config, case.side_px // 16
        latents = torch.randn(2, side * side, config.in_channels, device=self.device, dtype=DTYPE)
        text = torch.randn(self.scale.text_tokens, config.joint_attention_dim, device=self.device, dtype=DTYPE)
        changed = torch.zeros(side * side, device=self.device)
        changed[: len(changed) // 8] = 1
        pictures = {"start": latents[0], "end": latents[1]}
        return Encoded(pictures=pictures, changed=changed, text={"embeds": text}, grid=(side, side))


def build(scale: Scale, device: torch.device) -> Any:
    """A transformer with random weights that are never anywhere but on the device, and never float32."""
    with torch.device("meta"):
        transformer = QwenImageTransformer2DModel(num_layers=scale.layers, **scale.transformer)
    rope = transformer.pos_embed
    # Its tables are no buffers, so they would stay on meta.
    transformer.pos_embed = type(rope)(theta=rope.theta, axes_dim=rope.axes_dim, scale_rope=rope.scale_rope)
    transformer.to(DTYPE).to_empty(device=device).requires_grad_(False).eval()
    for module in transformer.modules():
        for name, parameter in module.named_parameters(recurse=False):
            if parameter.ndim == 2:
                # Half of what keeps the size of a signal: sixty blocks that add to a stream stay small. Not zeros,
                # which some cards multiply faster.
                parameter.normal_(std=0.5 * parameter.shape[1] ** -0.5)
            else:
                parameter.fill_(1.0 if name == "weight" else 0.0)
    return transformer


def trainer_step(base: Base, device: torch.device) -> Step:
    """As `simgen.train.loop` takes it from encoded samples on."""
    config, transformer = CONFIG, base.pipeline.transformer
    adapter = Adapter(transformer, base.family, rank=config.rank, layers=config.layers, dtype=DTYPE)
    parameter = torch.nn.Parameter(adapter.master)
    optimizer = torch.optim.AdamW([parameter], weight_decay=config.weight_decay, fused=True)
    ema = adapter.master.clone()
    method = SFT(config.method_settings)

    def step(number: int, sample: Encoded) -> float:
        adapter.start_step()
        noise = [generator(config.seed, number)]
        found = outcome(base, method, [sample], noise, guidance=base.family.edit_guidance, device=device)
        found.loss.sum().backward()
        adapter.gather()
        size = norm(adapter.gradient)
        if size > config.max_grad_norm:
            adapter.gradient.mul_(config.max_grad_norm / size)
        optimizer.param_groups[0]["lr"] = rate(number, peak=config.learning_rate, warmup_steps=config.warmup_steps)
        parameter.grad = adapter.gradient
        optimizer.step()
        average(ema, adapter.master, step=number, decay=config.ema_decay)
        adapter.show(adapter.master)
        return size

    return step


def plain_step(base: Base, device: torch.device) -> Step:
    """As train_dreambooth_lora_qwen_image.py and its like take it under accelerate, with simgen's layers and inputs.

    They give the transformer a mask of the text, too; without one, as here, attention is faster.
    """
    transformer, chosen = base.pipeline.transformer, base.family.adapters
    lora = LoraConfig(
        r=CONFIG.rank,
        lora_alpha=CONFIG.rank,
        init_lora_weights="gaussian",
        target_modules=f"{chosen.attention}|{chosen.mlp}",
        exclude_modules=chosen.unused.replace("{last}", str(len(transformer.transformer_blocks) - 1)),
    )
    transformer.add_adapter(lora)
    cast_training_params(transformer, dtype=torch.float32)
    parameters = [parameter for parameter in transformer.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=CONFIG.learning_rate, weight_decay=CONFIG.weight_decay)

    def step(number: int, sample: Encoded) -> torch.Tensor:
        start, end = (sample.pictures[name][None] for name in ("start", "end"))
        text = {name: tensor[None] for name, tensor in sample.text.items()}
        condition = Condition(reference=start, text=text, grid=sample.grid, guidance=base.family.edit_guidance)
        noise = torch.randn_like(end)
        sigma = torch.sigmoid(torch.randn(len(end), device=device)).to(end.dtype)
        noisy = (1 - sigma[:, None, None]) * end + sigma[:, None, None] * noise
        with torch.autocast(device.type, dtype=torch.bfloat16):
            told = base.family.velocity(transformer, noisy, sigma, condition)
        loss = (told.float() - (noise - end).float()).square().mean()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, CONFIG.max_grad_norm)
        optimizer.step()
        optimizer.zero_grad()
        return loss.detach()

    return step


def run(rig: Rig, case: Case, *, steps: int, peak: float) -> Result:
    """A case's figures, or why there are none: a machine is lent for minutes, and one case must not cost the others."""
    problem = ""
    try:
        return measure(rig, case, steps=steps, peak=peak)
    except torch.OutOfMemoryError:
        problem = "out of memory"
    except Exception as error:
        traceback.print_exc(file=sys.stderr)
        first = (str(error).strip().splitlines() or [""])[0]
        problem = f"{type(error).__name__}: {first}"[:100]
    finally:
        # Here, not in the handlers: the error holds the frames, and they hold the activations.
        gc.collect()
        if rig.device.type == "cuda":
            torch.cuda.empty_cache()
    return Result(case=case, problem=problem)


def measure(rig: Rig, case: Case, *, steps: int, peak: float) -> Result:
    device, transformer, step, sample = rig.device, rig.transformer, rig.step(case), rig.sample(case)
    attention = speed.choose_attention(transformer, case.attention)
    blocks = len(speed.blocks(transformer))
    if case.way == "plain":
        recomputed = blocks
        transformer.enable_gradient_checkpointing()
    elif case.recompute == "fewest":
        recomputed = speed.fewest_checkpointed(transformer, lambda: step(0, sample))
    else:
        recomputed = blocks if case.recompute == "all" else 0
        speed.checkpoint_blocks(transformer, recomputed)

    times_s, last = [], math.nan
    for number in range(WARM_UP_STEPS + steps):
        if number == WARM_UP_STEPS and device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
        began = time.perf_counter()
        last = step(number, sample)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        times_s.append(time.perf_counter() - began)
    if not math.isfinite(last):
        return Result(case=case, problem="loss or gradient is not finite")

    side = case.side_px // 16
    needed = step_flops(transformer, Tokens(target=side**2, reference=side**2, text=rig.scale.text_tokens))
    flops = needed.forward + needed.backward
    seconds = statistics.median(times_s[WARM_UP_STEPS:])
    return Result(
        case=case,
        attention=attention,
        recomputed=recomputed,
        times_s=times_s[WARM_UP_STEPS:],
        warm_up_s=sum(times_s[:WARM_UP_STEPS]),
        seconds=seconds,
        tflop=flops / 1e12,
        tflops=flops / seconds / 1e12,
        peak_share=flops / seconds / peak,
        memory_gb=speed.peak_memory_bytes(device) / 1e9,
    )


HEADER = (
    f"{'case':30}{'attention':>15}{'recomputed':>12}{'s/step':>9}{'TFLOP/s':>9}{'of peak':>9}"
    f"{'GB':>7}{'x plain':>9}{'warm-up s':>11}"
)


def line(result: Result, results: Sequence[Result], layers: int) -> str:
    if result.problem:
        return f"{result.case.name:30}  {result.problem}"
    again = f"{result.recomputed}/{layers}"
    return (
        f"{result.case.name:30}{result.attention:>15}{again:>12}{result.seconds:9.3f}{result.tflops:9.3g}"
        f"{100 * result.peak_share:7.0f} %{result.memory_gb:7.1f}{times_plain(result, results):9.2f}"
        f"{result.warm_up_s:11.1f}"
    )


def verdicts(results: Sequence[Result]) -> Iterator[str]:
    """The fastest of each size, with and without fp8, beside what was aimed at."""
    for side, fp8 in itertools.product(AIMS_S, (False, True)):
        found = [r for r in results if r.case.side_px == side and r.case.fp8 == fp8 and r.case.way != "plain"]
        found = [r for r in found if not r.problem]
        if not found:
            continue
        best = min(found, key=lambda result: result.seconds)
        yield (
            f"{best.case.name}: {best.seconds:.3f} s (aim {AIMS_S[side]:.1f} s on an H200), "
            f"{100 * best.peak_share:.0f} % of the bf16 peak (aim {100 * AIM_PEAK_SHARE:.0f} %), "
            f"{times_plain(best, results):.2f} times the plain way (aim {AIM_TIMES_PLAIN})"
        )


def times_plain(result: Result, results: Sequence[Result]) -> float:
    """How much faster than the plain way; NaN where that has no figure."""
    plain = next((r for r in results if r.case.way == "plain" and r.case.side_px == result.case.side_px), None)
    return plain.seconds / result.seconds if plain else math.nan


def fits(case: Case, results: Sequence[Result]) -> bool:
    return any(result.case == case and not result.problem for result in results)


LIBRARIES = {"torch": torch, "diffusers": diffusers, "transformers": transformers, "peft": peft}


def machine(device: torch.device) -> dict[str, Any]:
    versions = {name: str(library.__version__) for name, library in LIBRARIES.items()}
    if device.type != "cuda":
        return {"device": "CPU", **versions}
    found = torch.cuda.get_device_properties(device)
    return {"device": f"{found.name}, {found.total_memory / 1e9:.0f} GB", **versions}


def finite(data: Any) -> Any:
    """JSON has no NaN."""
    if isinstance(data, dict):
        return {key: finite(value) for key, value in data.items()}
    if isinstance(data, list):
        return [finite(value) for value in data]
    return None if isinstance(data, float) and not math.isfinite(data) else data


if __name__ == "__main__":
    main()
