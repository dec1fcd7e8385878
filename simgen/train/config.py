"""YAML -> TrainConfig: everything that decides what a run becomes, and a few things that do not.

A training recipe is a flat mapping; `--set key=value` changes one value. Parsing is strict.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from simgen.core.errors import UnknownName, UsageError
from simgen.storage import resources
from simgen.storage.yaml_files import override, read_yaml, write_yaml
from simgen.train.methods.base import DEFAULT_METHOD, method_class
from simgen.train.settings import is_setting, names_of, parse_settings, plain, setting

PREFIX = "train_"
"""What the names of training recipes in `pipelines/` begin with."""


RENAMED = {
    "largest_px": "max_resolution_px",
    "drop_instruction": "caption_dropout",
    "recompute": "activation_checkpointing",
    "ahead": "prefetch_steps",
}
"""Names that settings used to have → their names now: an old recipe gets a sentence that says the new one."""


def _default_method_settings() -> Any:
    return method_class(DEFAULT_METHOD).settings_class()


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainConfig:
    base: str = setting(
        "Qwen/Qwen-Image-Edit-2511",
        "Hub id, folder, or tiny:NAME, a small random one to try things with, as in tiny:qwen",
    )
    method: str = setting(DEFAULT_METHOD, "how to train; it brings the settings at the end of this list")
    steps: int = setting(1000, "of the whole run", low=1, free=True)
    seed: int = setting(0, "of order, crops, noise and adapters", low=0, high=2**63 - 1)
    batch: int = setting(4, "samples a step, over all GPUs", low=1)
    micro_batch: int = setting(1, "samples at once on a GPU", low=1, free=True)

    rank: int = setting(32, "of the adapters", low=1, high=1024)
    alpha: float | None = setting(None, "scale of the adapters times rank; rank by default", low=0.01)
    layers: Literal["attention", "all"] = setting("all", "that get adapters; all: attention and feed-forward")
    learning_rate: float = setting(1e-4, "after the warm-up", low=0.0)
    warmup_steps: int = setting(50, "over which the rate rises from nothing", low=0)
    weight_decay: float = setting(0.01, "of AdamW", low=0.0)
    max_grad_norm: float = setting(1.0, "gradients are scaled down to this; 0: never", low=0.0)
    ema_decay: float = setting(0.999, "of the average that is written; shorter at the start", low=0.0, high=0.99999)

    crop_px: int | None = setting(
        None, "side of native-pixel crops round the change; 512, or 64 for tiny bases", low=32
    )
    crop_share: float = setting(0.7, "of the steps that train on crops", low=0.0, high=1.0)
    crop_variants: int = setting(4, "different crops of a sample", low=1)
    max_resolution_px: int | None = setting(
        None, "whole pictures of more pixels than this squared are shrunk; the base's own size", low=32
    )
    tiers: tuple[float, float, float] = setting((1.0, 1.0, 1.0), "weights of superficial, intermediate, explicit words")
    caption_dropout: float = setting(
        0.05, "share of samples without their instruction, for editing with guidance", low=0.0, high=1.0
    )
    guidance: float | None = setting(None, "input of bases that take it as one; by default what editing uses", low=0.0)

    dtype: Literal["auto", "bfloat16", "float32"] = setting("auto", "of base and adapters; auto: bfloat16 on a GPU")
    fp8: bool = setting(False, "base weights and their products in 8 bits")
    activation_checkpointing: Literal["auto", "all", "none"] | int = setting(
        "auto", "blocks whose activations are computed again in the backward pass", low=0, free=True
    )
    compile: Literal["auto", "on", "off"] = setting("auto", "blocks by torch.compile; auto: on a GPU", free=True)
    attention: str = setting("auto", "kernel by diffusers' name; auto: the best that is there", free=True)
    encoders: Literal["resident", "offload"] = setting(
        "resident", "between their turns; offload: on the CPU", free=True
    )
    cache: str | None = setting(None, "folder that keeps encoded samples, for several epochs or runs", free=True)
    prefetch_steps: int = setting(16, "steps that are read and encoded at a time", low=1, free=True)

    save_every: int = setting(250, "steps between checkpoints", low=1, free=True)
    keep: int = setting(3, "checkpoints", low=1, free=True)
    validate_every: int = setting(250, "steps between validations; 0: none", low=0, free=True)
    validate_pairs: int = setting(32, "held-out pairs whose loss is taken", low=0, free=True)
    validate_pictures: int = setting(4, "held-out pairs that are edited", low=0, free=True)
    validate_steps: int | None = setting(None, "of those edits; by default what editing uses", low=2, free=True)
    wandb: str | None = setting(None, "project at Weights & Biases to report to as well", free=True)

    method_settings: Any = dataclasses.field(default_factory=_default_method_settings)
    """Those that the method brings, an instance of its `settings_class`; beside the others in a recipe."""

    def decisive(self) -> dict[str, Any]:
        """The settings that make another run when they change."""
        return {field.name: value for field, value in self._settings() if not field.metadata["free"]}

    def explained(self) -> list[tuple[str, str, str]]:
        """Name, value and meaning of each setting."""
        return [(field.name, _shown(value), field.metadata["meaning"]) for field, value in self._settings()]

    def as_data(self) -> dict[str, Any]:
        return {field.name: value for field, value in self._settings()}

    def _settings(self) -> "list[tuple[dataclasses.Field[Any], Any]]":
        """Every setting with its value as YAML writes it; those of the method come last."""
        return [
            (field, plain(getattr(owner, field.name)))
            for owner in (self, self.method_settings)
            for field in dataclasses.fields(owner)
            if is_setting(field)
        ]


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
    for old in data.keys() & RENAMED.keys():
        raise UsageError(f"{where}: {old} is called {RENAMED[old]} now; write that instead, with the same value")
    chosen = parse_settings(TrainConfig, {key: data[key] for key in data.keys() & {"method"}}, where=where).method
    settings_class = method_class(chosen, where=where).settings_class
    known = [*names_of(TrainConfig), *names_of(settings_class)]
    for key in data:
        if key not in known:
            raise UnknownName("key", str(key), known, where=where)
    of_method = parse_settings(settings_class, data, where=where)
    config = parse_settings(TrainConfig, data, where=where, method_settings=of_method)
    if config.batch % config.micro_batch:
        raise UsageError(
            f"{where}: batch must be a multiple of micro_batch; "
            f"got batch {config.batch}, micro_batch {config.micro_batch}"
        )
    if not sum(config.tiers) > 0 or min(config.tiers) < 0:
        raise UsageError(f"{where}: tiers must be three weights of at least 0, one above; got {list(config.tiers)}")
    return config


def _shown(value: Any) -> str:
    return write_yaml(plain(value), flow=True, width=1000).removesuffix("\n...\n").rstrip()
