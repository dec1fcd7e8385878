"""The contract of a scene: one file, one frozen dataclass, one physical transition.

@register("topple")
@dataclass(frozen=True, kw_only=True)
class Topple(Scene):
    '''A tall object is pushed at the top and falls over.'''

    strength: Range = (1.2, 2.0)          # a field is a parameter, settable from YAML

    law = "torque and tipping"
    types = (21,)                         # ids of `simgen.core.taxonomy`; the first decides domain and sub-domain
    claims = ("actor toppled",)           # what must have happened for any sentence to be true
    phrases = Phrases(superficial=..., intermediate=..., explicit=...)

    def sample(self, draw: Draw) -> SceneSpec: ...
"""

import dataclasses
import importlib.util
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import UnionType
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Union, get_args, get_origin, get_type_hints

from simgen.core.errors import SimgenError, UnknownName, UsageError, shown
from simgen.core.mesh import Mesh
from simgen.core.rollout import Rollout
from simgen.core.spec import Body, Camera, SceneSpec
from simgen.core.taxonomy import transition

if TYPE_CHECKING:
    from simgen.scene.draw import Draw

Range = tuple[float, float]
"""Bounds of a uniform draw, low to high."""
MeshOf = Callable[[Body], Mesh]
"""The geometry of a body, in its own axes and unscaled: that of its model, of its asset's file, or of its shape."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Phrases:
    """Sentence patterns for each tier. `[a|b]` is a choice, `{slot}` is filled from the states, and
    `<…>` is left out unless every slot in it can be filled. Slots and claims: see `simgen.language.sentences`."""

    superficial: tuple[str, ...]
    intermediate: tuple[str, ...]
    explicit: tuple[str, ...]


class Scene:
    """Base of every scene; its fields are its parameters."""

    name: ClassVar[str] = ""
    law: ClassVar[str]
    """The law at work: `gravity`, `friction`, `conservation of momentum`."""
    types: ClassVar[tuple[int, ...]] = ()
    """Transitions that the scene can show, by id (`simgen.core.taxonomy`); one that runs both ways may name both."""
    domain: ClassVar[str] = ""
    """`mechanical`, `optical`, `thermal`, …; that of the first type unless the scene says otherwise."""
    sub_domain: ClassVar[str] = ""
    claims: ClassVar[tuple[str, ...]] = ()
    """Claims (`simgen.language.claims`) that must hold for the phrases to be true; else the attempt is rejected."""
    phrases: ClassVar[Phrases]
    quantities: ClassVar[tuple[str, ...]] = ()
    """Names of the quantities that `develop` adds; claims and slots may use them."""
    subject_size: ClassVar[Range] = (0.03, 0.40)
    """Share of the picture that the bodies which the event is about may take."""
    changed_share: ClassVar[float] = 0.6
    """Largest share of the picture that may change; 1 for what changes the light of the whole room."""
    brightness: ClassVar[Range] = (0.2, 0.72)
    """Mean display luminance of the start picture, 0 to 1."""
    families: ClassVar[bool] = True
    """Whether more than one thing can happen to the same start."""
    own_up_to_m: ClassVar[float] = 0.0
    """Largest extent of the user's own objects that the event can be about, where all else follows from their size; the
    built-in ones are of a table's size. 0: as `sample` has it for all."""
    contrast: ClassVar[float] = 6.0
    """Least colour difference (CIE76) of the subject and what is around it; less for what one looks through."""

    def sample(self, draw: "Draw") -> SceneSpec:
        """One scene from the random draws of `draw`, and from nothing else."""
        raise NotImplementedError

    def develop(self, rollout: Rollout, mesh_of: MeshOf) -> Rollout:
        """What changes besides the pose of rigid bodies, by the scene's own law: a pure function of the spec and of
        what rigid bodies did. A law is a function of the phase, from 0 at the start frame to 1 at the end frame, and
        `Rollout` has the verbs: `relit`, `surrounded`, `resurfaced`, `reshaped`, `weighed`, `posed`, `shown`, `then`.
        """
        return rollout

    def place_camera(self, rollout: Rollout, mesh_of: MeshOf, *, width: int, height: int) -> Camera | None:
        """Where the camera stands, for a scene that places it by what has happened; the size is that of the pictures
        in pixels. None: as the spec has it, or as its view request asks."""
        return None

    def observe(self, rollout: Rollout, camera: Camera, mesh_of: MeshOf) -> Rollout | str:
        """With what depends on where the camera stands, or a reason why that is not worth a picture."""
        return rollout

    def shows(self, rollout: Rollout) -> tuple[int, ...]:
        """Which of its types this rollout shows."""
        return self.types

    def reject(self, rollout: Rollout) -> str | None:
        """A reason why this rollout is not worth a picture, or None."""
        return None


LARGEST, MOST_VALUES = 1e15, 1000
"""Of any parameter of a scene: what is more is a slip, and NaN is not less than anything."""

_registry: dict[str, type[Scene]] = {}


def register(name: str) -> Callable[[type[Scene]], type[Scene]]:
    """Make a scene known by `name` (lower case, digits, underscores)."""

    def add(cls: type[Scene]) -> type[Scene]:
        if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
            raise UsageError(f"{cls.__name__}: scene name {name!r} must be lower case letters, digits, underscores")
        if not dataclasses.is_dataclass(cls) or not cls.__dataclass_params__.frozen:
            raise UsageError(f"scene {name!r}: decorate {cls.__name__} with @dataclass(frozen=True, kw_only=True)")
        for needed in ("law", "phrases"):
            if not hasattr(cls, needed):
                raise UsageError(f"scene {name!r}: {cls.__name__} needs a class attribute {needed!r}")
        if not cls.types and not cls.domain:
            raise UsageError(f"scene {name!r}: {cls.__name__} needs types, ids of simgen.core.taxonomy, or a domain")
        kinds = [transition(number, where=f"scene {name!r}") for number in cls.types]
        cls.domain = cls.domain or kinds[0].domain
        cls.sub_domain = cls.sub_domain or (kinds[0].sub_domain if kinds else "")
        known = _registry.get(name)
        if known is not None and sys.modules[known.__module__].__file__ != sys.modules[cls.__module__].__file__:
            there = sys.modules[known.__module__].__file__
            raise UsageError(f"scene {name!r} is defined twice: {there} and {sys.modules[cls.__module__].__file__}")
        cls.name = name
        _registry[name] = cls
        return cls

    return add


def load_folder(folder: Path) -> None:
    """Import every scene file of a folder; a file that does not import is a UsageError that names it."""
    try:
        there = folder.is_dir()
    except (OSError, ValueError):
        there = False
    if not there:
        raise UsageError(f"{folder}: no such folder of scenes")
    for path in sorted(folder.glob("*.py")):
        # A Mac leaves a `._drop.py` beside every `drop.py`.
        if path.name.startswith(("_", ".")):
            continue
        if not path.is_file():
            # A pipe would never answer.
            raise UsageError(f"{path}: is not a regular file; a scene is a file of Python")
        module_name = f"simgen_scenes_{abs(hash(str(path.resolve().parent))) % 10**8}_{path.stem}"
        if module_name in sys.modules:
            continue
        found = importlib.util.spec_from_file_location(module_name, path)
        if found is None or found.loader is None:
            raise UsageError(f"{path}: cannot be read as Python")
        module = importlib.util.module_from_spec(found)
        sys.modules[module_name] = module
        try:
            found.loader.exec_module(module)
        except SimgenError as error:
            del sys.modules[module_name]
            raise UsageError(f"{path}: {error}") from error
        except Exception as error:
            del sys.modules[module_name]
            raise UsageError(f"{path}: {type(error).__name__}: {error}") from error


def scenes() -> Mapping[str, type[Scene]]:
    """Every scene that has been loaded, by name."""
    return dict(sorted(_registry.items()))


def scene_class(name: str, *, where: str = "") -> type[Scene]:
    """The scene of that name; an UnknownName where none of that name has been loaded."""
    if name not in _registry:
        raise UnknownName("scene", name, _registry, where=where)
    return _registry[name]


def build(name: str, parameters: Mapping[str, Any] | None = None, *, where: str = "") -> Scene:
    """A scene with its parameters checked against the types of its fields."""
    cls = scene_class(name, where=where)
    place = f"{where + ': ' if where else ''}scene {shown(name)}"
    fields = {f.name: f for f in dataclasses.fields(cls)}  # type: ignore[arg-type]
    hints = get_type_hints(cls)
    values = {}
    for key, value in (parameters or {}).items():
        if key not in fields:
            raise UnknownName("parameter", key, fields, where=place)
        values[key] = _coerce(value, hints[key], f"{place}: {key}")
    try:
        return cls(**values)
    except ValueError as error:
        raise UsageError(f"{place}: {error}") from error


def _coerce(value: Any, hint: Any, place: str) -> Any:
    """`value` as read from YAML, as the type `hint`; a UsageError where it cannot be."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        if value is None and type(None) in arguments:
            return None
        return _coerce(value, next(a for a in arguments if a is not type(None)), place)
    if origin is Literal:
        if value in arguments:
            return value
        raise UsageError(f"{place} must be one of {', '.join(map(str, arguments))}; got {shown(value)}")
    if isinstance(value, (int, float)) and not abs(value) < LARGEST:
        raise UsageError(f"{place} must be a number below {LARGEST:g}; got {shown(value)}")
    if hint == Range and isinstance(value, (int, float)) and not isinstance(value, bool):
        return (float(value), float(value))
    if origin is tuple:
        if not isinstance(value, (list, tuple)) or len(value) > MOST_VALUES:
            raise UsageError(f"{place} must be a list; got {shown(value)}")
        if len(arguments) == 2 and arguments[1] is Ellipsis:
            return tuple(_coerce(v, arguments[0], place) for v in value)
        if len(value) != len(arguments):
            raise UsageError(f"{place} must be {len(arguments)} numbers; got {shown(value)}")
        result = tuple(_coerce(v, a, place) for v, a in zip(value, arguments, strict=True))
        if hint == Range and result[0] > result[1]:
            raise UsageError(f"{place} must be [low, high]; got {shown(value)}")
        return result
    if hint is float and isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    if isinstance(hint, type) and isinstance(value, hint) and not (hint is int and isinstance(value, bool)):
        return value
    raise UsageError(f"{place} must be {getattr(hint, '__name__', hint)}; got {shown(value)}")
