"""Supervised fine-tuning by flow matching."""

from dataclasses import dataclass

import torch
from torch import Tensor

from simgen.train.methods.base import Batch, Forwards, Method, Outcome, Policy, draw
from simgen.train.settings import setting


@dataclass(frozen=True, slots=True, kw_only=True)
class SFTSettings:
    mask_weight: float = setting(2.0, "what a changed token weighs on top of one", low=0.0)


class SFT(Method):
    """Squared error of the velocity, noise minus end picture; tokens that change count more, samples all the same.

    Positions along the schedule are logit-normal (Esser et al. 2024, arXiv 2403.03206), then shifted as the editor
    shifts them. A token of which the share c changed weighs 1 + mask_weight c, and the weights of a sample add up to
    one: a large change does not make a sample more important than a small one.
    """

    name = "sft"
    settings_class = SFTSettings
    forwards = Forwards(trained=1)
    figures = ("loss_inside", "loss_outside")

    def loss(self, policy: Policy, batch: Batch) -> Outcome:
        end = batch.pictures["end"].float()
        noise, even = draw(batch.generators, end)
        sigma = batch.shift(even).to(end)
        level = sigma[:, None, None]
        noisy = (1 - level) * end + level * noise
        predicted = policy(noisy, sigma)
        error = (predicted.float() - (noise - end)).square().mean(dim=-1)
        weight = 1 + self.settings.mask_weight * batch.changed
        return Outcome(
            loss=(error * weight).sum(dim=1) / weight.sum(dim=1),
            figures={
                "loss_inside": _mean(error.detach(), batch.changed),
                "loss_outside": _mean(error.detach(), 1 - batch.changed),
                "sigma": sigma,
            },
        )


def _mean(error: Tensor, share: Tensor) -> Tensor:
    """Mean over tokens, each by a share; NaN where there is none."""
    total = share.sum(dim=1)
    mean = (error * share).sum(dim=1) / total.clamp(min=1e-9)
    return torch.where(total > 0, mean, torch.nan)
