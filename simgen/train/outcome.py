"""Encoded samples and a method -> the loss: the one place where base, text and noise meet."""

import hashlib
from collections.abc import Sequence

import torch
from torch import Tensor

from simgen.train.base import Base
from simgen.train.encode import Encoded
from simgen.train.families.base import Condition
from simgen.train.methods.base import Batch, Method, Outcome, Shift


def outcome(
    base: Base,
    method: Method,
    encoded: Sequence[Encoded],
    generators: Sequence[torch.Generator],
    *,
    guidance: float,
    device: torch.device,
) -> Outcome:
    """What a method finds for samples of one size."""
    transformer, family, pipeline = base.pipeline.transformer, base.family, base.pipeline
    pictures = {name: torch.stack([e.pictures[name] for e in encoded]) for name in {"start", "end", *method.pictures}}
    condition = Condition(
        reference=pictures["start"].to(base.dtype),
        text=family.collate([e.text for e in encoded]),
        grid=encoded[0].grid,
        guidance=guidance,
    )

    # Every run begins with adapters that add nothing: the reference is the base.
    def policy(noisy: Tensor, sigma: Tensor, *, reference: bool = False) -> Tensor:
        inputs = (noisy.to(base.dtype), sigma.to(base.dtype), condition)
        if not reference:
            return family.velocity(transformer, *inputs)
        transformer.disable_adapters()
        try:
            with torch.no_grad():
                return family.velocity(transformer, *inputs)
        finally:
            transformer.enable_adapters()

    tokens = pictures["end"].shape[1]
    shift = Shift(
        scheduler=pipeline.scheduler, mu=family.shift(pipeline, tokens, family.edit_steps), steps=family.edit_steps
    )
    changed = torch.stack([e.changed for e in encoded]).to(device)
    return method.loss(policy, Batch(pictures=pictures, changed=changed, generators=tuple(generators), shift=shift))


def generator(*of: object) -> torch.Generator:
    """Of what is named alone: never of the process, the device, or what was drawn before."""
    digest = hashlib.sha256("/".join(map(str, of)).encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "big", signed=True))
