"""What a training method brings: its `Method`, in a file of its own in this package, which is found by being there.

A method turns the velocities that the transformer predicts for noisy pictures into a loss. It draws its noise from the
generator of each sample and asks the policy as often as it needs to, also for what the model predicted when the run
began (`reference=True`). One that compares a right and a wrong outcome draws the same noise for both, and names the
wrong one in `pictures`. Loop, data and checkpoints know no method by name.
"""

import functools
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import torch
from torch import Tensor

from simgen.core.errors import UnknownName
from simgen.core.registry import subclasses_in


class Scheduler(Protocol):
    """As far as the shift needs one: `FlowMatchEulerDiscreteScheduler`."""

    config: Mapping[str, object]

    def time_shift(self, mu: float, sigma: float, t: Tensor) -> Tensor: ...


class Policy(Protocol):
    """The transformer with the condition of a batch: predicts the velocity, noise minus picture, of a noisy picture
    [B, tokens, channels] at noise levels `sigma` [B]."""

    def __call__(self, noisy: Tensor, sigma: Tensor, *, reference: bool = False) -> Tensor:
        """`reference`: with the weights that the run began with, and without gradient."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Samples of one size, as latents."""

    pictures: Mapping[str, Tensor]
    """`start`, `end` and what else the method asks for: [B, tokens, channels]."""
    changed: Tensor
    """[B, tokens], the share of a token's pixels that the change mask covers."""
    generators: tuple[torch.Generator, ...]
    """One a sample, on the CPU: what is drawn depends neither on the device nor on who shares the batch."""
    shift: "Shift"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a method finds for each sample of a batch."""

    loss: Tensor
    """[B], what is minimised."""
    figures: Mapping[str, Tensor]
    """[B] each, without gradient; NaN where a sample has no such figure. Those in `Method.figures` are reported."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forwards:
    """Passes through the transformer that one sample costs."""

    trained: int
    """Forward, and backward to the adapters."""
    frozen: int = 0
    """Forward only: those of a reference, and those that make samples."""


class Method(ABC):
    """One way to train. The loop takes the mean of its losses and reports the mean of its figures."""

    name: ClassVar[str]
    """What the setting `method` calls it; a part of what a run is."""
    settings_class: ClassVar[type[Any]]
    """A frozen dataclass of `setting` fields; they stand beside the other settings in a recipe."""
    pictures: ClassVar[tuple[str, ...]] = ("start", "end")
    """Members NAME.png of a sample that the method trains on; `start` and `end` are always there."""
    forwards: ClassVar[Forwards]
    figures: ClassVar[tuple[str, ...]]
    """Names of the figures that are averaged over the samples of a step and reported beside the loss."""

    def __init__(self, settings: Any) -> None:
        """`settings` is an instance of `settings_class`."""
        self.settings = settings

    @abstractmethod
    def loss(self, policy: Policy, batch: Batch) -> Outcome:
        """The loss of each sample of a batch; noise is drawn from the generators of the batch alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """The schedule of an editor at one resolution: from even spacing to the noise levels that it visits."""

    scheduler: Scheduler
    mu: float
    steps: int
    """Of the edits that the model is trained for; where the schedule is stretched to end at a set value, the stretch
    depends on it."""

    def __call__(self, even: Tensor) -> Tensor:
        """Noise levels of positions in 0 to 1. At 1, 1 - 1/steps, …, 1/steps these are the scheduler's own."""
        levels = self._shifted(even)
        terminal = self.scheduler.config.get("shift_terminal")
        if terminal:
            last = self._shifted(torch.tensor([1 / self.steps], dtype=even.dtype))
            levels = 1 - (1 - levels) / ((1 - last) / (1 - float(str(terminal))))
        return levels.clamp(min=_LEAST_NOISE)

    def _shifted(self, even: Tensor) -> Tensor:
        if self.scheduler.config.get("use_dynamic_shifting"):
            return self.scheduler.time_shift(self.mu, 1.0, even)
        constant = float(str(self.scheduler.config.get("shift", 1.0)))
        return constant * even / (1 + (constant - 1) * even)


_LEAST_NOISE = 1e-3
"""Below it a step of the schedule would be less than one of its thousand timesteps."""


def draw(generators: tuple[torch.Generator, ...], like: Tensor) -> tuple[Tensor, Tensor]:
    """Noise of the shape of a batch [B, tokens, channels], and positions on the schedule [B]."""
    noise = torch.stack([torch.randn(like.shape[1:], generator=generator) for generator in generators])
    normal = torch.stack([torch.randn((), generator=generator) for generator in generators])
    return noise.to(like), torch.sigmoid(normal)


DEFAULT_METHOD = "sft"


@functools.cache
def methods() -> Mapping[str, type[Method]]:
    """Every method that a file of this package defines, by name."""
    found = subclasses_in(__package__, Method)  # type: ignore[type-abstract]
    return {method.name: method for method in found}


def method_class(name: str, *, where: str = "") -> type[Method]:
    """The method of a name; an UnknownName with the nearest one that there is."""
    if name not in methods():
        raise UnknownName("training method", name, methods(), where=where)
    return methods()[name]
