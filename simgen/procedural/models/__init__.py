"""Things that simgen makes itself because they change: a name and numbers → a mesh.

    @model("slab")
    def slab(*, rng, variant="", length_m, width_m, height_m) -> Mesh: ...

    build(make("slab", length_m=0.2, width_m=0.1, height_m=0.02))

A model stands on z = 0 unless its description says otherwise. The same `Model` is the same mesh, so a spec holds the
name and the numbers only, and a transition is often nothing but another number.
"""

import functools
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from simgen.core.errors import UnknownName, UsageError
from simgen.core.mesh import Mesh, Model
from simgen.core.registry import load_once
from simgen.core.substances import SUBSTANCES
from simgen.core.vectors import Floats

_makers: dict[str, Callable[..., Mesh]] = {}


def model(name: str) -> Callable[[Callable[..., Mesh]], Callable[..., Mesh]]:
    """Make a function known as the maker of models of that name."""

    def add(maker: Callable[..., Mesh]) -> Callable[..., Mesh]:
        _makers[name] = maker
        build.cache_clear()
        return maker

    return add


def make(name: str, *, variant: str = "", seed: int = 0, **numbers: float) -> Model:
    """A model by its name and numbers, which are kept in one order."""
    return Model(
        name=name, variant=variant, seed=seed, numbers=tuple(sorted((key, float(v)) for key, v in numbers.items()))
    )


@functools.lru_cache(maxsize=64)
def build(model: Model) -> Mesh:
    """The mesh of a model. Its arrays are shared: not to be written to."""
    load_once(__name__)
    if model.name not in _makers:
        raise UnknownName("model", model.name, _makers)
    rng = np.random.default_rng(model.seed)
    try:
        return _makers[model.name](rng=rng, variant=model.variant, **dict(model.numbers))
    except TypeError as error:
        raise UsageError(f"model {model.name!r} with {dict(model.numbers)}: {error}") from error


def names() -> tuple[str, ...]:
    """Every model that is known."""
    load_once(__name__)
    return tuple(sorted(_makers))


def volume_m3(mesh: Mesh) -> float:
    """Volume of the matter in a mesh: what closed surfaces enclose, less those that face inwards (divergence theorem),
    and what surfaces that enclose nothing say of themselves."""
    said = [surface.solid_m3 for surface in mesh.surfaces if surface.solid_m3 is not None]
    closed = tuple(surface for surface in mesh.surfaces if surface.solid_m3 is None)
    if not closed:
        return sum(said)
    shells = replace(mesh, surfaces=closed) if said else mesh
    corners = shells.vertices_m[shells.triangles]
    return float(np.linalg.det(corners).sum() / 6) + sum(said)


def enclosed_m3(mesh: Mesh) -> float:
    """Volume that the surfaces enclose, whatever they say of the matter in them: that of foam with its air."""
    return volume_m3(replace(mesh, surfaces=tuple(replace(surface, solid_m3=None) for surface in mesh.surfaces)))


def made_of(mesh: Mesh, substances: Sequence[tuple[str, str]]) -> Mesh:
    """The mesh with the substances of its slots (`simgen.core.spec.Body.substances`)."""
    by_slot = dict(substances)
    named = tuple(replace(surface, substance=by_slot.get(surface.slot, surface.substance)) for surface in mesh.surfaces)
    return replace(mesh, surfaces=named)


def mass_kg(mesh: Mesh, substance: str) -> float:
    """Density times volume of a body of one substance; surfaces that name a substance of their own weigh as that."""
    substances = dict.fromkeys(surface.substance or substance for surface in mesh.surfaces)
    total = 0.0
    for name in substances:
        alike = tuple(surface for surface in mesh.surfaces if (surface.substance or substance) == name)
        total += max(volume_m3(replace(mesh, surfaces=alike)), 0.0) * SUBSTANCES[name].density_kgpm3
    return max(total, 1e-7 * SUBSTANCES[substance].density_kgpm3)


def moments_m5(mesh: Mesh) -> Floats | None:
    """Moments of inertia [3] about the body's own axes through its centre of mass, at density 1, of closed surfaces;
    None where they enclose nothing (Tonon 2004)."""
    corners = mesh.vertices_m[mesh.triangles]
    sixth = np.linalg.det(corners) / 6
    volume = float(sixth.sum())
    if volume < 1e-9:
        return None
    corners = corners - (sixth[:, None] * corners.sum(axis=1)).sum(axis=0) / (4 * volume)
    sixth = np.linalg.det(corners) / 6
    squares = (corners**2).sum(axis=1) + corners.sum(axis=1) ** 2
    second = (sixth[:, None] * squares).sum(axis=0) / 20
    result: Floats = second.sum() - second
    return result if (result > 0).all() else None


def bounds_m(mesh: Mesh) -> tuple[Floats, Floats]:
    """Lowest and highest corner of the box around a mesh, in its own axes."""
    points = mesh.vertices_m
    return points.min(axis=0), points.max(axis=0)
