"""Pieces of a model, each a model of its own: the whole, how it cracks, and which piece."""

import functools
from dataclasses import replace

import numpy as np

from simgen.core.geometry import quat, quat_from_matrix, quat_multiply, quat_rotate, vec3
from simgen.core.mesh import Mesh, Model
from simgen.core.rollout import Quantity, Rollout, quantity
from simgen.core.spec import Body
from simgen.core.vectors import Floats
from simgen.procedural import models
from simgen.procedural.builtin.noise import space_noise
from simgen.procedural.models import model
from simgen.procedural.models.forms import mesh
from simgen.procedural.models.vessels import solid_of, surfaces_of
from simgen.solvers.fracture import Piece, Solid, fracture, scattered

CRACKS = ("cells", "crack", "dense", "made", "reach_m", "rough_m", "x", "y", "z")
"""Number of cells, seed, how much closer they are at the blow, the seed of the whole, how far from the blow that goes,
how far cracks stray from straight, and where the blow falls, in the axes of the whole."""


@model("fragment")
def fragment(*, rng: np.random.Generator, variant: str, index: float, **numbers: float) -> Mesh:
    """Piece number `index` of the model that `variant` names (`vessel/vase`); its numbers are those of `cracked`."""
    names, found = pieces(variant, tuple(sorted(numbers.items())))
    piece = found[int(index)]
    solid = Solid(vertices_m=piece.vertices_m, faces=piece.faces, slots=piece.slots)
    return mesh(*surfaces_of(piece.vertices_m, solid, names), parts=piece.hulls)


def cracked(
    whole: Model,
    *,
    cells: int,
    seed: int,
    blow_m: Floats,
    dense: float = 2.0,
    reach_m: float = 0.15,
    rough_m: float = 0.0,
) -> Model:
    """The numbers that say how a model cracks."""
    x, y, z = (round(float(value), 6) for value in blow_m)
    return replace(
        whole.but(
            cells=cells, crack=seed, dense=dense, made=whole.seed, reach_m=reach_m, rough_m=rough_m, x=x, y=y, z=z
        ),
        name="fragment", variant=f"{whole.name}/{whole.variant}", seed=0,
    )  # fmt: skip


@functools.lru_cache(maxsize=4)
def pieces(variant: str, numbers: tuple[tuple[str, float], ...]) -> tuple[tuple[str, ...], tuple[Piece, ...]]:
    """The slots of the whole and its pieces."""
    name, _, kind = variant.partition("/")
    number = dict(numbers)
    own = tuple((key, value) for key, value in numbers if key not in CRACKS)
    whole = models.build(Model(name=name, variant=kind, seed=int(number["made"]), numbers=own))
    names = tuple(surface.slot for surface in whole.surfaces)
    solid = solid_of(whole.surfaces, names)
    rng = np.random.default_rng(int(number["crack"]))
    blow = np.array([number["x"], number["y"], number["z"]])
    sites = scattered(
        rng, solid.vertices_m, solid.faces, int(number["cells"]), blow_m=blow, reach_m=number["reach_m"],
        dense=number["dense"],
    )  # fmt: skip
    rough = number["rough_m"]
    shift = float(rng.uniform(0.0, 40.0))

    def warp(points: Floats) -> Floats:
        fine = np.stack([space_noise(points, wave_m=2.6 * rough, shift=shift + 7.7 * k) for k in range(3)], axis=-1)
        coarse = np.stack([space_noise(points, wave_m=9.0 * rough, shift=shift - 5.3 * k) for k in range(3)], axis=-1)
        return np.asarray(rough * (0.18 * fine + 0.7 * coarse), dtype=float)

    return names, fracture(solid, sites, warp=warp if rough else None, edge_m=max(1.4 * rough, 0.003))


def bodies(parent: Body, crack: Model, *, first_id: int, restitution: float, rolling_resistance_m: float) -> list[Body]:
    """The pieces of a body where they are in it, their masses adding up to its own."""
    found = pieces(crack.variant, crack.numbers)[1]
    total = sum(piece.volume_m3 for piece in found)
    result = []
    for index, piece in enumerate(found):
        size = np.ptp(piece.vertices_m, axis=0)
        result.append(
            replace(
                parent,
                id=first_id + index,
                model=crack.but(index=index),
                parent=parent.id,
                role="affected",
                label=f"piece of the {parent.label}",
                size_m=vec3(size),
                position_m=vec3(np.asarray(parent.position_m) + quat_rotate(parent.quaternion, piece.center_m)),
                quaternion=quat(quat_multiply(parent.quaternion, quat_from_matrix(piece.axes))),
                velocity_mps=(0.0, 0.0, 0.0),
                angular_velocity_radps=(0.0, 0.0, 0.0),
                mass_kg=parent.mass_kg * piece.volume_m3 / total,
                restitution=restitution,
                rolling_resistance_m=rolling_resistance_m,
            )
        )
    return result


def counted(rollout: Rollout, whole_id: int, *, words: tuple[tuple[float, str], ...]) -> tuple[Quantity, Quantity]:
    """How many pieces a body is in at an instant, and what they weigh together."""
    whole = rollout.spec.body(whole_id)

    def pieces(phase: float) -> list[Body]:
        shown = [
            b for b in rollout.spec.bodies if b.parent == whole_id and rollout.visible(b.id, rollout.instant(phase))
        ]
        return shown or [whole]

    return (
        quantity("fragments", lambda p: float(len(pieces(p))), unit="bodies", provenance="prescribed", words=words),
        quantity(
            "mass", lambda p: sum(body.mass_kg for body in pieces(p)), unit="kg", provenance="derived", conserved=0.001
        ),
    )
