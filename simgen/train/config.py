"""YAML -> TrainConfig: everything that decides what a run becomes, and a few things that do not.

A training recipe is a flat mapping; `--set key=value` changes one value. Parsing is strict.
"""

import dataclasses
import types
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from simgen.core.errors import UnknownName, UsageError
from simgen.storage import resources
from simgen.storage.yaml_files import known_keys, override, read_yaml, write_yaml

PREFIX = "train_"
"""What the names of training recipes in `pipelines/` begin with."""


def _field(
    default: Any, meaning: str, *, low: float | None = None, high: float | None = None, free: bool = False
) -> Any:
    """`free`: may differ when a run goes on; it changes what is seen of it, or how fast it is, not what it becomes."""
    return dataclasses.field(default=default, metadata={"meaning": meaning, "low": low, "high": high, "free": free})


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainConfig:
    base: str = _field(
        "Qwen/Qwen-Image-Edit-2511",
        "Hub id, folder, or tiny:NAME, a small random one to try things with, as in tiny:qwen",
    )
    steps: int = _field(1000, "of the whole run", low=1, free=True)
    seed: int = _field(0, "of order, crops, noise and adapters", low=0, high=2**63 - 1)
    batch: int = _field(4, "samples a step, over all GPUs", low=1)
    micro_batch: int = _field(1, "samples at once on a GPU", low=1, free=True)

    rank: int = _field(32, "of the adapters", low=1, high=1024)
    alpha: float | None = _field(None, "scale of the adapters times rank; rank by default", low=0.01)
    layers: Literal["attention", "all"] = _field("all", "that get adapters; all: attention and feed-forward")
    learning_rate: float = _field(1e-4, "after the warm-up", low=0.0)
    warmup_steps: int = _field(50, "over which the rate rises from nothing", low=0)
    weight_decay: float = _field(0.01, "of AdamW", low=0.0)
    max_grad_norm: float = _field(1.0, "gradients are scaled down to this; 0: never", low=0.0)
    ema_decay: float = _field(0.999, "of the average that is written; shorter at the start", low=0.0, high=0.99999)

    crop_px: int | None = _field(None, "side of native-pixel crops round the change; 512, or 64 for tiny bases", low=32)
    crop_share: float = _field(0.7, "of the steps that train on crops", low=0.0, high=1.0)
    crop_variants: int = _field(4, "different crops of a sample", low=1)
    largest_px: int | None = _field(
        None, "full pictures above this side, squared, are shrunk; the base's own size", low=32
    )
    tiers: tuple[float, float, float] = _field((1.0, 1.0, 1.0), "weights of superficial, intermediate, explicit words")
    drop_instruction: float = _field(
        0.05, "share of samples without words, for editing with guidance", low=0.0, high=1.0
    )
    mask_weight: float = _field(2.0, "what a changed token weighs on top of one", low=0.0)
    guidance: float | None = _field(None, "told to bases that are told; by default what editing uses", low=0.0)

    dtype: Literal["auto", "bfloat16", "float32"] = _field("auto", "of base and adapters; auto: bfloat16 on a GPU")
    fp8: bool = _field(False, "base weights and their products in 8 bits")
    recompute: Literal["auto", "all", "none"] | int = _field(
        "auto", "blocks whose activations are not kept", low=0, free=True
    )
    compile: Literal["auto", "on", "off"] = _field("auto", "blocks by torch.compile; auto: on a GPU", free=True)
    attention: str = _field("auto", "kernel by diffusers' name; auto: the best that is there", free=True)
    encoders: Literal["resident", "offload"] = _field("resident", "between their turns; offload: on the CPU", free=True)
    cache: str | None = _field(None, "folder that keeps encoded samples, for several epochs or runs", free=True)
    ahead: int = _field(16, "steps encoded at a time", low=1, free=True)

    save_every: int = _field(250, "steps between checkpoints", low=1, free=True)
    keep: int = _field(3, "checkpoints", low=1, free=True)
    validate_every: int = _field(250, "steps between validations; 0: none", low=0, free=True)
    validate_pairs: int = _field(32, "held-out pairs whose loss is taken", low=0, free=True)
    validate_pictures: int = _field(4, "held-out pairs that are edited", low=0, free=True)
    validate_steps: int | None = _field(None, "of those edits; by default what editing uses", low=2, free=True)
    wandb: str | None = _field(None, "project at Weights & Biases to report to as well", free=True)

    def decisive(self) -> dict[str, Any]:
        """The settings that make another run when they change."""
        return {f.name: _plain(getattr(self, f.name)) for f in dataclasses.fields(self) if not f.metadata["free"]}

    def explained(self) -> list[tuple[str, str, str]]:
        """Name, value and meaning of each setting."""
        return [(f.name, _shown(getattr(self, f.name)), f.metadata["meaning"]) for f in dataclasses.fields(self)]

    def as_data(self) -> dict[str, Any]:
        return {f.name: _plain(getattr(self, f.name)) for f in dataclasses.fields(self)}


def load_config(
    name_or_path: str | None, *, overrides: Sequence[str] = (), given: Mapping[str, Any] | None = None
) -> TrainConfig:
    """The configuration of a YAML file or of a name in `pipelines/`, then `key=value` overrides, then options."""
    data: dict[str, Any] = {}
    where = "training options"
    if name_or_path is not None:
        path = recipe_path(name_or_path)
        data, where = read_yaml(path), str(path)
        if "scenes" in data:
            raise _for_generating(name_or_path)
    for text in overrides:
        override(data, text)
    data |= {key: value for key, value in (given or {}).items() if value is not None}
    return parse_config(data, where=where)


def recipe_path(name: str) -> Path:
    path = Path(name)
    if path.suffix in (".yaml", ".yml") or len(path.parts) > 1:
        if not path.is_file():
            known = ", ".join(recipe_names()) or "none"
            raise UsageError(f"{path}: no such recipe file; training recipes by name: {known}")
        return path
    bundled = resources.folder("pipelines") / f"{name if name.startswith(PREFIX) else PREFIX + name}.yaml"
    if not bundled.is_file():
        if (bundled.parent / f"{name}.yaml").is_file():
            raise _for_generating(name)
        raise UnknownName("training recipe", name, recipe_names())
    return bundled


def _for_generating(name: str) -> UsageError:
    return UsageError(f"{name}: is a recipe for making data; use it with `simgen generate {name}`")


def recipe_names() -> list[str]:
    """The training recipes that come with simgen."""
    return sorted(path.stem for path in resources.folder("pipelines").glob(f"{PREFIX}*.yaml"))


def parse_config(data: Mapping[str, Any], *, where: str) -> TrainConfig:
    """A configuration from plain data, every key and value checked."""
    known_keys(data, TrainConfig, where)
    hints = get_type_hints(TrainConfig)
    values = {
        field.name: _value(data[field.name], hints[field.name], field.metadata, f"{where}: {field.name}")
        for field in dataclasses.fields(TrainConfig)
        if field.name in data
    }
    config = TrainConfig(**values)
    if config.batch % config.micro_batch:
        raise UsageError(
            f"{where}: batch must be a multiple of micro_batch; "
            f"got batch {config.batch}, micro_batch {config.micro_batch}"
        )
    if not sum(config.tiers) > 0 or min(config.tiers) < 0:
        raise UsageError(f"{where}: tiers must be three weights of at least 0, one above; got {list(config.tiers)}")
    return config


def _value(value: Any, hint: Any, limits: Mapping[str, Any], where: str) -> Any:
    options = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
    if value is None and type(None) in options:
        return None
    words = [word for option in options if get_origin(option) is Literal for word in get_args(option)]
    # YAML reads a bare `on` and `off` as true and false.
    if isinstance(value, bool) and bool not in options and {"on", "off"} <= set(words):
        value = "on" if value else "off"
    if isinstance(value, str) and value in words:
        return value
    for option in options:
        if option is bool and isinstance(value, bool):
            return value
        if option is str and isinstance(value, str) and value:
            return value
        if option in (int, float) and not isinstance(value, bool) and isinstance(value, (int, option)):
            return option(_within(value, limits, where))
        if get_origin(option) is tuple and _is_numbers(value, len(get_args(option))):
            return tuple(float(item) for item in value)
    raise UsageError(f"{where} must be {_wanted(options, words)}; got {value!r}")


def _is_numbers(value: Any, count: int) -> bool:
    return (
        isinstance(value, (list, tuple))
        and len(value) == count
        and all(isinstance(item, (int, float)) and not isinstance(item, bool) and _finite(item) for item in value)
    )


def _finite(value: float) -> bool:
    """Also of whole numbers that no float can hold."""
    return -1e308 < value < 1e308


def _within(value: float, limits: Mapping[str, Any], where: str) -> float:
    low, high = limits["low"], limits["high"]
    if not _finite(value) or (low is not None and value < low) or (high is not None and value > high):
        low, high = (f"{limit:g}" if isinstance(limit, float) else limit for limit in (low, high))
        span = f"at least {low}" if high is None else f"from {low} to {high}"
        raise UsageError(f"{where} must be {span}; got {value!r}")
    return value


def _wanted(options: Sequence[Any], words: Sequence[str]) -> str:
    names = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}
    wanted = [" or ".join(words)] if words else []
    wanted += [names[option] for option in options if option in names]
    wanted += [f"{len(get_args(option))} numbers" for option in options if get_origin(option) is tuple]
    return ", or ".join(wanted)


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _shown(value: Any) -> str:
    return write_yaml(_plain(value), flow=True, width=1000).removesuffix("\n...\n").rstrip()
