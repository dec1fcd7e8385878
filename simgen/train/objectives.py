"""What is minimised: a function of what the policy says about noisy pictures.

An objective draws its own noise from the generator of a sample and asks the policy for velocities as often as it
needs to, also `with_adapter=False`. The loop adds up its losses and the figures it knows by name, and nothing else of
it: one that compares a right and a wrong outcome draws the same noise for both. It needs a further picture in
`pictures`, which data and encoder do not bring yet.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Protocol

import torch
from torch import Tensor


class Scheduler(Protocol):
    """As far as the shift needs one: `FlowMatchEulerDiscreteScheduler`."""

    config: Mapping[str, object]

    def time_shift(self, mu: float, sigma: float, t: Tensor) -> Tensor: ...


class Policy(Protocol):
    """The transformer, with what it is told of a batch."""

    def __call__(self, noisy: Tensor, sigma: Tensor, *, with_adapter: bool = True) -> Tensor: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Samples of one size, as latents."""

    pictures: Mapping[str, Tensor]
    """`start`, `end` and what else an objective asks for: [B, tokens, channels]."""
    changed: Tensor
    """[B, tokens], the share of a token's pixels that the change mask covers."""
    generators: tuple[torch.Generator, ...]
    """One a sample, on the CPU: what is drawn depends neither on the device nor on who shares the batch."""
    shift: "Shift"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Of each sample of a batch, [B]: what is minimised, and figures to watch."""

    loss: Tensor
    figures: Mapping[str, Tensor]


class Objective(ABC):
    name: ClassVar[str]
    pictures: ClassVar[tuple[str, ...]]

    @abstractmethod
    def __call__(self, policy: Policy, batch: Batch) -> Outcome: ...


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


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowMatching(Objective):
    """Squared error of the velocity, noise minus end picture; tokens that change count more, samples all the same.

    Positions along the schedule are logit-normal (Esser et al. 2024, arXiv 2403.03206), then shifted as the editor
    shifts them. A token of which the share c changed weighs 1 + mask_weight c, and the weights of a sample add up to
    one: a large change does not make a sample more important than a small one.
    """

    name = "flow_matching"
    pictures = ("start", "end")
    mask_weight: float

    def __call__(self, policy: Policy, batch: Batch) -> Outcome:
        end = batch.pictures["end"].float()
        noise, even = draw(batch.generators, end)
        sigma = batch.shift(even).to(end)
        level = sigma[:, None, None]
        noisy = (1 - level) * end + level * noise
        told = policy(noisy, sigma)
        error = (told.float() - (noise - end)).square().mean(dim=-1)
        weight = 1 + self.mask_weight * batch.changed
        return Outcome(
            loss=(error * weight).sum(dim=1) / weight.sum(dim=1),
            figures={
                "loss_inside": _mean(error.detach(), batch.changed),
                "loss_outside": _mean(error.detach(), 1 - batch.changed),
                "sigma": sigma,
            },
        )


def draw(generators: tuple[torch.Generator, ...], like: Tensor) -> tuple[Tensor, Tensor]:
    """Noise of the shape of a batch [B, tokens, channels], and positions on the schedule [B]."""
    noise = torch.stack([torch.randn(like.shape[1:], generator=generator) for generator in generators])
    normal = torch.stack([torch.randn((), generator=generator) for generator in generators])
    return noise.to(like), torch.sigmoid(normal)


def _mean(error: Tensor, share: Tensor) -> Tensor:
    """Mean over tokens, each by a share; NaN where there is none."""
    total = share.sum(dim=1)
    mean = (error * share).sum(dim=1) / total.clamp(min=1e-9)
    return torch.where(total > 0, mean, torch.nan)
