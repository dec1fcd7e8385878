"""The model card of a run."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from simgen import __version__
from simgen.store import put
from simgen.train.base import Base
from simgen.train.checkpoint import CARD, WEIGHTS
from simgen.train.config import TrainConfig


def write_card(
    folder: Path, *, config: TrainConfig, base: Base, pairs: str, step: int, told: Mapping[str, Any]
) -> None:
    """Write `README.md`: what the adapter is for, what it was made of, and how to use it."""
    pipeline = type(base.pipeline).__name__
    front = {
        "base_model": base.name,
        "library_name": "diffusers",
        "pipeline_tag": "image-to-image",
        "tags": ["lora", "image-editing", "physics", "simgen"],
    }
    settings = yaml.safe_dump(config.decisive(), sort_keys=False, default_flow_style=None).rstrip()
    loading = (
        f'pipe = {pipeline}.from_pretrained("{base.name}")'
        if not base.is_tiny
        else f'pipe = simgen.train.tiny.tiny_pipeline("{base.name}")'
    )
    text = f"""---
{yaml.safe_dump(front, sort_keys=False).rstrip()}
---
# {folder.name}

A LoRA of rank {config.rank} that teaches `{base.name}` what happens to things, trained with simgen {__version__} on
{pairs} simulated before/after pairs, {step} of {config.steps} steps. `{WEIGHTS}` holds the running average of the
adapter.

    simgen edit photo.jpg "knock over the mug" --lora {folder.name}

or with diffusers:

    from diffusers import {pipeline}
    {loading}
    pipe.load_lora_weights("{folder.name}")

Licence of the base: {base.license}. Credits of the pictures: `ATTRIBUTION.csv` in the data set's folder.

## What it was made of

| | |
|---|---|
| base | `{base.name}`, identity `{base.identity}` |
| data | fingerprint `{told["data"]}` |
| objective | {told["objective"]} |
| precision | {told["precision"]} |

```yaml
{settings}
```
"""
    put(folder / CARD, text.encode())
