"""YAML -> Recipe: which scenes in which mix, at what size, made of what.

    name: mine
    scenes:                                  # or a plain list: [drop, topple]
      drop: {weight: 2, height_m: [0.2, 0.6]}   # weight, and the scene's own parameters
      topple: {}
      "domain:optical": {weight: 3}             # shared by all its scenes; so are law:… and type:… (an id or a name)
      "all:scenes": {weight: 1}                 # shared by every scene that is known
    render: {width: 512, height: 512, quality: standard, passes: [depth]}
    assets: {objects: [GSO.json], environments: [], builtin: true, exclude: ["GSO:Broken_Mug"], strict: false}

Parsing is strict: a key, a scene or a parameter that nothing answers to is an error that names the nearest.
"""

import dataclasses
import hashlib
import json
import math
import re
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from simgen.core.errors import UnknownName, UsageError, inline, shown
from simgen.core.taxonomy import TRANSITIONS
from simgen.scene import registry
from simgen.storage import resources, urls
from simgen.storage.yaml_files import known_keys, mapping, override, read_yaml, write_yaml

Quality = Literal["fast", "standard", "high"]
Pass = Literal["depth", "normals", "flow"]
Device = Literal["cpu", "cuda", "optix", "auto"]
RESOLVED = "config.resolved.yaml"
"""The plan of a data set, in its folder; `generate` takes it as a recipe, too."""
DEFAULT = "all"
SMALLEST_PX, LARGEST_PX = 32, 4096
HEAVIEST = 1e9
"""Weight of a scene; sums of what is more end at infinity."""
_TRAINING = "train_"
"""What the names of recipes in `pipelines/` begin with that are not for generating."""
MAX_ATTEMPTS, MAX_FAMILY = 1000, 64


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _texts(value: Any, where: str) -> tuple[str, ...]:
    if not isinstance(value, (list, tuple)) or not all(isinstance(item, str) and "\0" not in item for item in value):
        got = shown(urls.scrub(value) if isinstance(value, str) else value)
        raise UsageError(f"{where} must be a list of texts; got {got}")
    return tuple(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneChoice:
    """One scene of the mix; `parameters` holds every one of them, as plain YAML values."""

    name: str
    weight: float
    parameters: Mapping[str, Any]

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not re.fullmatch(r"[a-z][a-z0-9_]{0,80}", self.name):
            raise UsageError(f"{shown(self.name)} is not a scene name: lower case letters, digits, underscores")
        if not 0 < self.weight < math.inf:
            raise UsageError(f"scenes.{self.name}.weight must be a number above 0; got {shown(self.weight)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Render:
    """What the pictures are like; `passes` are stored on top of the usual members."""

    width: int = 512
    height: int = 512
    quality: Quality = "standard"
    passes: tuple[Pass, ...] = ()
    device: Device = "cpu"
    """Another one gives other bytes. `auto` is what the machine has that plans the data set, and is not resolved."""

    def __post_init__(self) -> None:
        for side in ("width", "height"):
            size = getattr(self, side)
            if not _is_whole(size) or not SMALLEST_PX <= size <= LARGEST_PX:
                limits = f"from {SMALLEST_PX} to {LARGEST_PX}"
                raise UsageError(f"render.{side} must be whole pixels {limits}; got {shown(size)}")
        if self.quality not in get_args(Quality):
            raise UnknownName("quality", str(self.quality), get_args(Quality), where="render")
        if self.device not in get_args(Device):
            raise UnknownName("device", str(self.device), get_args(Device), where="render")
        for name in self.passes:
            if name not in get_args(Pass):
                raise UnknownName("pass", name, get_args(Pass), where="render.passes")


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetChoice:
    """Manifests: a path, an address without its secrets (see `storage.urls`), or the name of a known source."""

    objects: tuple[str, ...] = ()
    environments: tuple[str, ...] = ()
    builtin: bool = True
    exclude: tuple[str, ...] = ()
    """Assets that are left out, as `source:id`."""
    strict: bool = False
    """Objects come from the manifests that are named, and never from the built-in ones."""

    def __post_init__(self) -> None:
        for name in ("objects", "environments", "exclude"):
            _texts(getattr(self, name), f"assets.{name}")
        for name in ("objects", "environments"):
            given = getattr(self, name)
            object.__setattr__(self, name, tuple(map(urls.admit, given)))
            for number, address in enumerate(getattr(self, name)):
                if address != given[number] and address in getattr(self, name)[:number]:
                    raise UsageError(f"assets.{name} names {address} twice, with other secrets")
        if not isinstance(self.builtin, bool):
            raise UsageError(f"assets.builtin must be true or false; got {shown(self.builtin)}")
        if not isinstance(self.strict, bool):
            raise UsageError(f"assets.strict must be true or false; got {shown(self.strict)}")
        if self.strict and not self.objects:
            raise UsageError("assets.strict is for objects of your own; name their manifest with --assets MANIFEST")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Everything that decides what a data set shows, except its length and its seed."""

    name: str
    scenes: tuple[SceneChoice, ...]
    render: Render = Render()
    assets: AssetChoice = AssetChoice()
    max_attempts: int = 12
    """Attempts at one sample, or one family, before it is given up as rejected."""
    family: int = 1
    """So many samples begin with the same picture, and something else happens in each."""
    scene_folders: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", self.name):
            raise UsageError(f"name must be letters, digits, dashes and underscores; got {shown(self.name)}")
        if not self.scenes:
            raise UsageError("scenes must name at least one scene with a weight above 0")
        for name, most in (("max_attempts", MAX_ATTEMPTS), ("family", MAX_FAMILY)):
            value = getattr(self, name)
            if not _is_whole(value) or not 1 <= value <= most:
                raise UsageError(f"{name} must be a whole number from 1 to {most}; got {shown(value)}")
        _texts(self.scene_folders, "scene_folders")

    def as_data(self) -> dict[str, Any]:
        """The resolved recipe as plain YAML data; `parse_recipe` reads it back."""
        return {
            "name": self.name,
            "scenes": {c.name: {"weight": c.weight, **c.parameters} for c in self.scenes},
            "render": {**dataclasses.asdict(self.render), "passes": list(self.render.passes)},
            "assets": {
                "objects": list(self.assets.objects),
                "environments": list(self.assets.environments),
                "builtin": self.assets.builtin,
                "exclude": list(self.assets.exclude),
                # Data sets are older than the choice.
                **({"strict": True} if self.assets.strict else {}),
            },
            "max_attempts": self.max_attempts,
            "family": self.family,
            "scene_folders": list(self.scene_folders),
        }

    def to_yaml(self) -> str:
        return write_yaml(self.as_data())

    @property
    def fingerprint(self) -> str:
        """The same wherever the same samples come out: without the recipe's name and without folders of a
        machine, which do not decide what is in a manifest or a scene file (`pins` does)."""
        data = self.as_data()
        del data["name"], data["scene_folders"]
        # Fingerprints are older than the choice.
        if self.render.device == "cpu":
            del data["render"]["device"]
        for key in ("objects", "environments"):
            data["assets"][key] = [_without_folder(manifest) for manifest in data["assets"][key]]
        if not self.assets.exclude:
            # As it was before there was such a thing.
            del data["assets"]["exclude"]
        # Pairs, not a mapping: the order of the scenes decides which sample shows which.
        data["scenes"] = list(data["scenes"].items())
        return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()[:16]


def load_recipe(
    name_or_path: str | None,
    *,
    overrides: Sequence[str] = (),
    assets: Sequence[str] = (),
    hdri: Sequence[str] = (),
    scene_folders: Sequence[str] = (),
) -> Recipe:
    """The recipe of a YAML file, of a name in `pipelines/`, or of a scene alone; then `a.b=v` overrides.

    Paths in a recipe file are relative to that file, all others to the current folder. Folders of scenes that the
    recipe of a data set names are never loaded: `scene_folders` must name them.
    """
    folders = absolute_folders(scene_folders)
    load_scenes(folders)
    name = name_or_path or DEFAULT
    path = _recipe_path(name)
    if path is not None:
        data, where, base = read_yaml(path), str(path), path.resolve().parent
        data.setdefault("name", path.stem)
    elif name in registry.scenes():
        data, where, base = {"name": name, "scenes": {name: {}}}, f"scene {name!r}", Path.cwd()
    else:
        raise UnknownName("recipe or scene", name, {*recipe_names(), *registry.scenes()})

    named = _texts(data.get("scene_folders", []), f"{where}: scene_folders")
    if path is not None and _is_of_a_dataset(path, data):
        data["scene_folders"] = []
    data = _with_absolute_paths(data, base, where)
    for text in overrides:
        override(data, text)
    chosen = data["assets"] = mapping(data.get("assets", {}), f"{where}: assets")
    for key, added in (("objects", assets), ("environments", hdri)):
        there = _texts(chosen.get(key, []), f"{where}: assets.{key}")
        chosen[key] = [*there, *(_absolute(manifest, Path.cwd()) for manifest in added)]
    data["scene_folders"] = [*_texts(data.get("scene_folders", []), f"{where}: scene_folders"), *folders]
    if named and not data["scene_folders"]:
        raise scenes_not_named(where, named)
    load_scenes(data["scene_folders"])
    return parse_recipe(data, where=where)


def load_scenes(folders: Sequence[str] = ()) -> None:
    """Make the scenes that come with simgen known, and those of further folders. Scene files are Python that is run:
    the user has named these folders, and what lies in a data set is refused."""
    with _signals_wait():
        registry.load_folder(resources.folder("scenes"))
    for folder in folders:
        _check_outside_datasets(Path(folder))
        registry.load_folder(Path(folder))


def absolute_folders(folders: Sequence[str]) -> list[str]:
    """Folders of scenes as they hold wherever a process stands."""
    return [str(Path(folder).resolve()) for folder in folders]


def scenes_not_named(where: str, named: Sequence[str]) -> UsageError:
    """The error for a data set whose folders of scenes the user has not named."""
    some = ", ".join(shown(folder) for folder in named[:3]) + (f" and {len(named) - 3} more" if named[3:] else "")
    return UsageError(
        f"{where}: names folders of scenes ({some}), and nothing that a data set names is run; look at the Python "
        "files in them, then give each folder that you trust with --scenes DIR"
    )


def _check_outside_datasets(folder: Path) -> None:
    """Refuse a folder that lies in a data set, or has files that do; links are followed."""
    try:
        places = dict.fromkeys((folder.resolve(), *(path.resolve().parent for path in folder.glob("*.py"))))
        inside = next((p for place in places for p in (place, *place.parents) if (p / RESOLVED).is_file()), None)
    except (OSError, RuntimeError, ValueError):
        return  # a name that no disk can hold, or a loop of links: the registry says so
    if inside is not None:
        raise UsageError(
            f"{folder}: lies in the data set {inside}, and nothing in a data set is run; look at its Python files, "
            "copy those that you trust to a folder of your own, and give that with --scenes DIR"
        )


def _is_of_a_dataset(path: Path, data: Mapping[str, Any]) -> bool:
    """Whether a recipe file is the plan of a data set, a copy of one, or lies in a data set."""
    file = path.resolve()
    return "run" in data or file.name == RESOLVED or any((folder / RESOLVED).is_file() for folder in file.parents)


@contextmanager
def _signals_wait() -> Iterator[None]:
    """Let Ctrl-C, SIGTERM and SIGHUP wait until the block is over: an exception amid manifold3d's import, which makes
    enums of Python's in C++, aborts the process."""
    if threading.current_thread() is not threading.main_thread():  # only there do they raise
        yield
        return
    came: list[int] = []
    # One that was not set by Python is None and cannot be put back.
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    handlers = {n: handler for n in numbers if (handler := signal.getsignal(n)) not in (None, signal.SIG_IGN)}
    for number in handlers:
        signal.signal(number, lambda number, frame: came.append(number))
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        if came:
            signal.raise_signal(came[0])


def recipe_names() -> list[str]:
    """The recipes that come with simgen."""
    names = (path.stem for path in resources.folder("pipelines").glob("*.yaml"))
    return sorted(name for name in names if not name.startswith(_TRAINING))


def parse_recipe(data: Mapping[str, Any], *, where: str, check_scenes: bool = True) -> Recipe:
    """A recipe from plain data, every key and value checked. A resolved one that is only to be read back
    does without its scenes, which may have gone since."""
    values = dict(data)
    # A resolved recipe carries how it was run; `plan` reads that part.
    values.pop("run", None)
    known_keys(values, Recipe, where)
    for needed in ("name", "scenes"):
        if needed not in values:
            raise UsageError(f"{where}: a recipe needs {needed!r}")
    family = values.get("family", 1)
    with _at(where):
        return Recipe(
            **{
                **values,
                "scenes": _scenes(values["scenes"], check_scenes, families=_is_whole(family) and family > 1),
                "render": _render(values.get("render", {})),
                "assets": _assets(values.get("assets", {})),
                "scene_folders": _texts(values.get("scene_folders", []), "scene_folders"),
            }
        )


@contextmanager
def _at(where: str) -> Iterator[None]:
    """Begin the message of a mistake with the file that it is in."""
    try:
        yield
    except UsageError as error:
        error.args = (f"{where}: {error}",)
        raise


def _recipe_path(name: str) -> Path | None:
    """The file that a name stands for; None where only a scene can be meant."""
    path = Path(name)
    if path.suffix in (".yaml", ".yml") or len(path.parts) > 1:
        if not path.is_file():
            raise UsageError(f"{path}: no such recipe file; recipes by name: {', '.join(recipe_names())}")
        return path
    bundled = resources.folder("pipelines") / f"{name}.yaml"
    if name.startswith(_TRAINING) and bundled.is_file():
        raise UsageError(f"{name}: is a recipe for training; use it with `simgen train {name}`")
    return bundled if bundled.is_file() else None


def _with_absolute_paths(data: Mapping[str, Any], base: Path, where: str) -> dict[str, Any]:
    """A copy in a shape that overrides can go into: scenes as a mapping, paths without their base."""
    data = {key: dict(value) if isinstance(value, dict) else value for key, value in data.items()}
    if isinstance(data.get("scenes"), list):
        names = _texts(data["scenes"], f"{where}: scenes")
        data["scenes"] = {name: {} for name in names}
    if isinstance(data.get("scenes"), dict):
        data["scenes"] = {
            k: dict(v) if isinstance(v, dict) else {} if v is None else v for k, v in data["scenes"].items()
        }
    chosen = data["assets"] = mapping(data.get("assets") or {}, f"{where}: assets")
    for key in ("objects", "environments"):
        if key in chosen:
            chosen[key] = [_absolute(text, base) for text in _texts(chosen[key], f"{where}: assets.{key}")]
    folders = _texts(data.get("scene_folders", []), f"{where}: scene_folders")
    data["scene_folders"] = [_absolute(f"./{folder}" if "/" not in folder else folder, base) for folder in folders]
    return data


def _absolute(manifest: str, base: Path) -> str:
    """A path made absolute; an address, or the name of a known source, as it stands."""
    try:
        return str((base / Path(manifest).expanduser()).resolve()) if _is_path(manifest) else manifest
    except (OSError, RuntimeError) as error:
        # Too long for a name, a loop of links, or a ~user that nobody is.
        raise UsageError(f"{shown(manifest)} is not a path: {error}") from error


def _is_path(manifest: str) -> bool:
    return "://" not in manifest and ("/" in manifest or manifest.endswith(".json") or Path(manifest).exists())


def _without_folder(manifest: str) -> str:
    return Path(manifest).name if Path(manifest).is_absolute() else manifest


def _scenes(value: Any, check: bool, *, families: bool) -> tuple[SceneChoice, ...]:
    choices = []
    for name, weight, parameters in _each_scene(mapping(value, "scenes")):
        if check:
            built = registry.build(name, parameters)
            parameters = {f.name: _plain(getattr(built, f.name)) for f in dataclasses.fields(built)}  # type: ignore[arg-type]
            if families and weight > 0 and not built.families:
                if name not in value:
                    continue  # of a group
                raise UsageError(
                    f"{name} has one event only and no families; set family to 1 or scenes.{name}.weight to 0"
                )
        if weight > 0:
            choices.append(SceneChoice(name=name, weight=weight, parameters=parameters))
    return tuple(choices)


def _each_scene(value: Mapping[str, Any]) -> list[tuple[str, float, dict[str, Any]]]:
    """Name, weight and parameters of every scene: what is given to a group is shared by its scenes, and a scene that is
    named itself has its own weight on top."""
    weights: dict[str, float] = {}
    parameters: dict[str, dict[str, Any]] = {}
    for key, given in value.items():
        place = f"scenes.{inline(key)}"
        own = mapping({} if given is None else given, place)
        weight = own.pop("weight", 1.0)
        if isinstance(weight, bool) or not isinstance(weight, (int, float)) or not 0 <= weight <= HEAVIEST:
            raise UsageError(
                f"{place}: weight must be a number of at least 0, at most {HEAVIEST:g}; got {shown(weight)}"
            )
        kind, colon, wanted = str(key).partition(":")
        if not colon:
            weights[str(key)] = weights.get(str(key), 0.0) + float(weight)
            parameters[str(key)] = own
            continue
        if own:
            raise UsageError(f"{place}: a group of scenes has a weight and no parameters; got {shown(sorted(own))}")
        found = in_group(kind, wanted.strip(), where=place)
        for name in found:
            weights[name] = weights.get(name, 0.0) + float(weight) / len(found)
    return [(name, weight, parameters.get(name, {})) for name, weight in weights.items()]


def in_group(kind: str, wanted: str, *, where: str = "") -> list[str]:
    """The scenes of a domain, a sub-domain, a law or a transition type (its id or its name), or all, in order of
    name."""
    known = registry.scenes()
    of: dict[str, Callable[[type[registry.Scene]], tuple[str, ...]]] = {
        "all": lambda cls: ("scenes",),
        "domain": lambda cls: (cls.domain,),
        "sub_domain": lambda cls: (cls.sub_domain,),
        "law": lambda cls: (cls.law,),
        "type": lambda cls: tuple(map(str, cls.types)) + tuple(TRANSITIONS[number].name for number in cls.types),
    }
    if kind not in of:
        raise UnknownName("kind of group", kind, of, where=where)
    found = [name for name, cls in known.items() if wanted in of[kind](cls)]
    if not found:
        raise UnknownName(kind, wanted, {word for cls in known.values() for word in of[kind](cls)}, where=where)
    return found


def _render(value: Any) -> Render:
    values = mapping(value, "render")
    known_keys(values, Render, "render")
    passes = _texts(values.get("passes", []), "render.passes")
    # One order, so that the order in which passes are asked for does not make another data set.
    known = get_args(Pass)
    return Render(**{**values, "passes": tuple(sorted(set(passes), key=(*known, *passes).index))})


def _assets(value: Any) -> AssetChoice:
    values = mapping(value, "assets")
    known_keys(values, AssetChoice, "assets")
    named = {name: _texts(values.get(name, []), f"assets.{name}") for name in ("objects", "environments", "exclude")}
    # One order, so that the order in which they are named does not make another data set.
    named["exclude"] = tuple(sorted(set(named["exclude"])))
    return AssetChoice(**named, builtin=values.get("builtin", True), strict=values.get("strict", False))


def _plain(value: Any) -> Any:
    """A parameter as YAML writes it: tuples become lists."""
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value
