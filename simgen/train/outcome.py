"""Encoded samples and an objective -> what is minimised: the one place where base, words and noise meet."""

import hashlib
from collections.abc import Sequence

import torch
from torch import Tensor

from simgen.train.base import Base
from simgen.train.encode import Encoded
from simgen.train.families.base import Condition
from simgen.train.objectives import Batch, Objective, Outcome, Shift


def outcome(
    base: Base,
    objective: Objective,
    encoded: Sequence[Encoded],
    generators: Sequence[torch.Generator],
    *,
    guidance: float,
    device: torch.device,
) -> Outcome:
    """What an objective says of samples of one size."""
    transformer, family, pipeline = base.pipeline.transformer, base.family, base.pipeline
    pictures = {name: torch.stack([e.pictures[name] for e in encoded]) for name in objective.pictures}
    condition = Condition(
        reference=pictures["start"].to(base.dtype),
        text=family.collate([e.text for e in encoded]),
        grid=encoded[0].grid,
        guidance=guidance,
    )

    def policy(noisy: Tensor, sigma: Tensor, *, with_adapter: bool = True) -> Tensor:
        said = (noisy.to(base.dtype), sigma.to(base.dtype), condition)
        if with_adapter:
            return family.velocity(transformer, *said)
        transformer.disable_adapters()
        try:
            with torch.no_grad():
                return family.velocity(transformer, *said)
        finally:
            transformer.enable_adapters()

    tokens = pictures["end"].shape[1]
    shift = Shift(
        scheduler=pipeline.scheduler, mu=family.shift(pipeline, tokens, family.edit_steps), steps=family.edit_steps
    )
    changed = torch.stack([e.changed for e in encoded]).to(device)
    return objective(policy, Batch(pictures=pictures, changed=changed, generators=tuple(generators), shift=shift))


def generator(*of: object) -> torch.Generator:
    """Of what is named alone: never of the process, the device, or what was drawn before."""
    digest = hashlib.sha256("/".join(map(str, of)).encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "big", signed=True))
