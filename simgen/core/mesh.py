"""Meshes that simgen makes itself, and the named models that make them."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from simgen.core.vectors import Floats, Vec3


@dataclass(frozen=True, slots=True, kw_only=True)
class MeshSurface:
    """One part of a mesh, of one material."""

    vertices_m: Floats
    """[N, 3] in the body's own axes."""
    faces: NDArray[np.int64]
    """[M, 3] triangles or [M, 4] quads, counter-clockwise from outside."""
    slot: str = ""
    uv: Floats | None = None
    """[N, 2]"""
    attributes: Mapping[str, Floats] = field(default_factory=dict)
    """Numbers [N] or colours [N, 3] at the vertices, by name."""
    sharp_deg: float = 40.0
    """Edges between faces that meet at more than this look sharp; 180 none, 0 all."""
    substance: str = ""
    """What it is made of, where that is not what the body is made of: the pot of a plant, the paint on a board."""
    solid_m3: float | None = None
    """Volume of the matter in it, where that is not what its faces enclose: a leaf's area times its thickness."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mesh:
    """Geometry of a body. `parts` are convex pieces [K, 3] for collisions; none: the hull of everything."""

    surfaces: tuple[MeshSurface, ...]
    parts: tuple[Floats, ...] = ()

    @property
    def vertices_m(self) -> Floats:
        return np.concatenate([surface.vertices_m for surface in self.surfaces])

    @property
    def triangles(self) -> NDArray[np.int64]:
        """Of all surfaces together [M, 3], quads cut in two."""
        rows, offset = [], 0
        for surface in self.surfaces:
            faces = np.asarray(surface.faces)
            halves = [faces] if faces.shape[1] == 3 else [faces[:, [0, 1, 2]], faces[:, [0, 2, 3]]]
            rows += [half + offset for half in halves]
            offset += len(surface.vertices_m)
        return np.concatenate(rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A mesh by the name of what makes it (`simgen.procedural.models`) and its numbers: same model, same mesh."""

    name: str
    variant: str = ""
    seed: int = 0
    numbers: tuple[tuple[str, float], ...] = ()

    def number(self, name: str) -> float:
        return dict(self.numbers)[name]

    def but(self, **numbers: float) -> "Model":
        """The same with other numbers."""
        changed = dict(self.numbers) | {name: float(value) for name, value in numbers.items()}
        return replace(self, numbers=tuple(sorted(changed.items())))


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A number from 0 to 1 at every point of a body, spread evenly over its surface: the share with a field below x is
    x. It grows from noise, drawn towards a direction, edges or points; see `simgen.procedural.fields`."""

    name: str
    seed: int
    wave_m: float
    """Size of the largest spots."""
    octaves: int = 4
    lean: Vec3 = (0.0, 0.0, 0.0)
    """Low values lie on this side; its length is the weight against the noise."""
    facing: Vec3 = (0.0, 0.0, 0.0)
    """Low values lie where the surface faces this way; its length is the weight."""
    spots_m: tuple[Vec3, ...] = ()
    """Where it begins: low values around these points, in the body's own axes."""
    spots_weight: float = 0.0
