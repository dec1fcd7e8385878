"""Which of the user's own objects fit which scenes: told before a run, since built-in ones stand in for those that fit
none."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import CodeType, FunctionType
from typing import get_args

import numpy as np

from simgen.catalog.catalog import Catalog, ref
from simgen.core.assets import ObjectAsset, Split
from simgen.core.errors import AssetError
from simgen.scene.draw import Draw, NothingFits
from simgen.scene.registry import Scene

SPLITS: tuple[Split, ...] = get_args(Split)
MOST_OBJECTS = 200
"""Own objects that are looked at; a large collection is one of everything."""
_DRAWS, _SECONDS = 12, 4.0
"""Of each scene and split: what a scene asks for is drawn, too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fits:
    """What a few draws of each scene show."""

    objects: tuple[str, ...]
    """The user's own that were looked at, as `source:id`."""
    scenes: Mapping[str, tuple[str, ...]]
    """By scene, the own objects that its event can be about. Scenes that draw no such object are left out."""
    aside: Mapping[str, tuple[str, ...]]
    """By scene, those that can stand beside."""
    splits: Mapping[str, Split]
    """By object: one of ten is kept for test samples."""
    broken: Mapping[str, str]
    """Those whose files cannot be used, and why."""

    def of(self, asset: str) -> tuple[str, ...]:
        """The scenes whose event can be about an object."""
        return tuple(name for name, fitting in self.scenes.items() if asset in fitting)

    def beside(self, asset: str) -> tuple[str, ...]:
        """The scenes in which it can stand beside."""
        return tuple(name for name, fitting in self.aside.items() if asset in fitting)

    @property
    def unused(self) -> tuple[str, ...]:
        """Objects that fit no scene at all."""
        return tuple(asset for asset in self.objects if not self.of(asset) and not self.beside(asset))

    @property
    def without(self) -> tuple[str, ...]:
        """Scenes whose event can be about none of the objects, in one split or in both: `drop`, `drop (test)`."""
        found = []
        for name, fitting in self.scenes.items():
            missing = [split for split in SPLITS if split not in {self.splits[asset] for asset in fitting}]
            if missing:
                found.append(name if len(missing) == len(SPLITS) else f"{name} ({missing[0]})")
        return tuple(found)


def find_fits(scenes: Mapping[str, Scene], catalog: Catalog) -> Fits:
    """Draw each scene a few times and see which of the user's own objects it could take."""
    own = [asset for asset in catalog.objects if asset.source in catalog.given_here][:MOST_OBJECTS]
    broken: dict[str, str] = {}
    for asset in own:
        try:
            catalog.shape(ref(asset))
        except AssetError as error:
            broken[ref(asset)] = str(error)
    sound = [asset for asset in own if ref(asset) not in broken]
    found: dict[str, tuple[str, ...]] = {}
    aside: dict[str, tuple[str, ...]] = {}
    for name, scene in scenes.items():
        called = _called(scene)
        if "object" in called or "fitting" in called:
            found[name], aside[name] = _drawn(scene, sound, catalog)
        if called & {"bystanders", "still_life"}:
            stands = {ref(asset) for asset in sound if _stands_aside(asset, catalog)} | set(aside.get(name, ()))
            aside[name] = tuple(ref(asset) for asset in sound if ref(asset) in stands)
    splits = {ref(asset): asset.split for asset in own}
    return Fits(objects=tuple(map(ref, own)), scenes=found, aside=aside, splits=splits, broken=broken)


def _drawn(scene: Scene, own: Sequence[ObjectAsset], catalog: Catalog) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The own objects that a scene's event can be about, and those that can stand beside, in a few draws."""
    lead: set[str] = set()
    aside: set[str] = set()

    def watch(near: Sequence[ObjectAsset], fits: Callable[[ObjectAsset], bool], beside: bool) -> None:
        into = aside if beside else lead
        into.update(ref(asset) for asset in near if asset in own and ref(asset) not in into and fits(asset))

    for split in dict.fromkeys(asset.split for asset in own):
        began = time.monotonic()
        for number in range(_DRAWS):
            draw = Draw(
                rng=np.random.default_rng([number]),
                catalog=catalog,
                split=split,
                own_up_to_m=scene.own_up_to_m,
                watch=watch,
            )
            try:
                scene.sample(draw)
            except (NothingFits, AssetError):
                continue
            if number and time.monotonic() - began > _SECONDS:
                break
    order = [ref(asset) for asset in own]
    return tuple(a for a in order if a in lead), tuple(a for a in order if a in aside)


def _stands_aside(asset: ObjectAsset, catalog: Catalog) -> bool:
    """Whether `Draw.bystanders` could take it."""
    return 0.05 <= max(asset.size_m) <= 0.28 and catalog.shape(ref(asset)).support().tip_angle_rad > 0.15


def _called(scene: Scene) -> set[str]:
    """The names that a scene's methods use, and the helpers that they call: of the scenes that draw no object many take
    seconds to draw once."""
    waiting = [value for value in vars(type(scene)).values() if isinstance(value, FunctionType)]
    known: dict[CodeType, set[str]] = {}
    while waiting:
        function = waiting.pop()
        if function.__code__ in known:
            continue
        names = known[function.__code__] = {name for part in _parts(function.__code__) for name in part.co_names}
        helpers = (function.__globals__.get(name) for name in names)
        waiting += [helper for helper in helpers if isinstance(helper, FunctionType)]
    return {name for names in known.values() for name in names}


def _parts(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _parts(constant)


def in_words(fits: Fits, *, strict: bool) -> list[str]:
    """What a user should know before a run, one sentence each."""
    told = [f"{asset} cannot be used: {why}; samples that draw it are set aside" for asset, why in fits.broken.items()]
    count = len(fits.objects)
    unused = [asset for asset in fits.unused if asset not in fits.broken]
    if unused:
        told.append(
            f"{len(unused)} of your {_objects(count)} fit no scene of the recipe and will not be used: {_some(unused)}"
            "; see what fits where: simgen assets list MANIFEST --fits all"
        )
    if fits.without and count > len(fits.broken):
        instead = (
            "such samples are set aside, as assets.strict is true"
            if strict
            else "built-in objects are used there instead; --set assets.strict=true refuses them"
        )
        told.append(f"none of your {_objects(count)} fits {_some(fits.without)}: {instead}")
    return told


def refusal(fits: Fits) -> str:
    """Why a strict recipe cannot be made; empty where it can. One that lacks objects for its test samples alone can."""
    lacking = [name for name in fits.without if not name.endswith("(test)")]
    if not lacking:
        return ""
    scene = lacking[0].partition(" ")[0]
    return (
        f"assets.strict is true, and none of your {_objects(len(fits.objects))} fits {_some(lacking)}; leave such "
        f"scenes out with --set scenes.{scene}.weight=0, or set assets.strict=false"
    )


def _objects(count: int) -> str:
    return "1 object" if count == 1 else f"{count} objects"


def _some(names: Sequence[str], most: int = 6) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
