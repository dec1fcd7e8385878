"""The model card of a run."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from simgen import __version__
from simgen.storage.files import write_file
from simgen.train.base import Base
from simgen.train.checkpoint import CARD, WEIGHTS
from simgen.train.config import TrainConfig


def write_card(
    folder: Path, *, config: TrainConfig, base: Base, pairs: str, step: int, identity: Mapping[str, Any]
) -> None:
    """Write `README.md`: what the adapter is for, what it was made of, and how to use it."""
    pipeline, name = type(base.pipeline).__name__, folder.resolve().name
    front = {
        "base_model": base.name,
        "library_name": "diffusers",
        "pipeline_tag": "image-to-image",
        "tags": ["lora", "image-editing", "physics", "simgen"],
    }
    settings = yaml.safe_dump(config.decisive(), sort_keys=False, default_flow_style=None).rstrip()
    importing, opening = (
        ("from simgen.train.families.tiny import tiny_pipeline", "tiny_pipeline")
        if base.is_tiny
        else (f"from diffusers import {pipeline}", f"{pipeline}.from_pretrained")
    )
    text = f"""---
{yaml.safe_dump(front, sort_keys=False).rstrip()}
---
# {name}

A LoRA of rank {config.rank} that teaches `{base.name}` what happens to things, trained with simgen {__version__} on
{pairs} simulated before/after pairs, {step} of {config.steps} steps. `{WEIGHTS}` holds the running average of the
adapter.

    simgen edit photo.jpg "knock over the mug" --lora {name}

or with diffusers:

    {importing}
    pipe = {opening}("{base.name}")
    pipe.load_lora_weights("{name}")

Licence of the base: {base.license}. Credits of the pictures: `ATTRIBUTION.csv` in the data set's folder.

## What it was made of

| | |
|---|---|
| base | `{base.name}`, identity `{base.identity}` |
| data | fingerprint `{identity["data"]}` |
| method | {config.method} |
| precision | {identity["precision"]} |

```yaml
{settings}
```
"""
    write_file(folder / CARD, text.encode())
