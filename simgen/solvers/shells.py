"""Closed surfaces of several shells: the matter that they hold, each place counted once, and hulls.

Shells that overlap (a handle pushed into its cup) are one body; a shell that is turned inside out is a hollow of the
shell around it. The boolean is that of manifold3d. Arrays in, arrays out; metres.
"""

from dataclasses import dataclass

import numpy as np
from manifold3d import Manifold, Mesh64, OpType
from numpy.typing import NDArray

from simgen.core.vectors import Floats

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Matter:
    """The surface of what several shells hold together."""

    vertices_m: Floats
    faces: Ints
    volume_m3: float
    twice_m3: float
    """What the shells' own volumes count more than once."""


def matter(vertices_m: Floats, faces: Ints) -> Matter | None:
    """The union of all shells, less their hollows; None where the surface is not closed."""
    whole = _manifold(vertices_m, faces)
    if whole is None:
        return None
    shells = sorted(whole.decompose(), key=lambda shell: -abs(shell.volume()))
    outer = [shell for shell in shells if shell.volume() > 0]
    solids = list(outer)
    for hollow in shells:
        if hollow.volume() >= 0:
            continue
        around = [k for k, shell in enumerate(outer) if _within(hollow, shell)]
        if around:
            # The last one is the smallest. A surface that is turned inside out is made a solid of its own first.
            solids[around[-1]] -= _turned(hollow)
    if not solids:
        return None
    union = Manifold.batch_boolean(solids, OpType.Add) if len(solids) > 1 else solids[0]
    apart = sum(solid.volume() for solid in solids)
    points, triangles = _arrays(union)
    return Matter(
        vertices_m=points, faces=triangles, volume_m3=union.volume(), twice_m3=max(0.0, apart - union.volume())
    )


def hull(points_m: Floats) -> tuple[Floats, Ints]:
    """Corners and triangles of the convex hull; empty for points in one plane."""
    return _arrays(Manifold.hull_points(np.asarray(points_m, dtype=np.float64)))


def _manifold(vertices_m: Floats, faces: Ints) -> Manifold | None:
    made = Manifold(
        Mesh64(
            vert_properties=np.array(vertices_m, dtype=np.float64, order="C"),
            tri_verts=np.array(faces, dtype=np.uint64, order="C"),
        )
    )
    return None if made.is_empty() else made


def _arrays(body: Manifold) -> tuple[Floats, Ints]:
    mesh = body.to_mesh64()
    return np.asarray(mesh.vert_properties[:, :3], dtype=np.float64), mesh.tri_verts.astype(np.int64)


def _turned(shell: Manifold) -> Manifold:
    points, triangles = _arrays(shell)
    turned = _manifold(points, triangles[:, ::-1])
    assert turned is not None, "a shell that is closed stays closed"
    return turned


def _within(inner: Manifold, outer: Manifold) -> bool:
    """Whether the box of one shell lies in that of another, larger one."""
    a, b = np.array(inner.bounding_box()), np.array(outer.bounding_box())
    return abs(inner.volume()) <= outer.volume() and bool((a[:3] >= b[:3]).all() and (a[3:] <= b[3:]).all())
