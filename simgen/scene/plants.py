"""Potted plants as bodies: which species, in which pots, where they stand."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from simgen.core.geometry import direction
from simgen.core.spec import Body, ViewRequest
from simgen.procedural import models
from simgen.procedural.models.plant import POT_COLORS, POTS, dressing
from simgen.procedural.models.plant import SPECIES as SPECIES
from simgen.scene.draw import Draw

POT_M = {
    "basil": (0.055, 0.068), "sunflower": (0.062, 0.075), "daisy": (0.052, 0.065), "tulip": (0.055, 0.07),
    "poppy": (0.055, 0.07), "primrose": (0.05, 0.06), "tomato": (0.06, 0.072), "rubber plant": (0.062, 0.075),
    "pilea": (0.045, 0.056), "peace lily": (0.06, 0.075),
}  # fmt: skip
"""Radius of the pot that a species is grown in."""


def potted(
    draw: Draw, body_id: int, variant: str, *, role: str = "actor", facing_rad: float | None = None, **numbers: float
) -> Body:
    """One plant in a pot of its own kind and colour, standing at the origin; a sunflower looks about that way."""
    radius = draw.uniform(POT_M[variant])
    seed = draw.seed()
    made = models.make(
        "plant",
        variant=variant,
        seed=seed,
        pot=draw.integer((0, len(POTS) - 1)),
        pot_radius_m=radius,
        pot_height_m=radius * draw.uniform((1.45, 1.9)),
        saucer=float(draw.chance(0.3)),
        hue=draw.integer((0, 4)),
        **numbers,
    )
    yaw = draw.angle() if facing_rad is None else facing_rad + draw.uniform((-0.7, 0.7))
    color = draw.choice(("terracotta", "terracotta", *POT_COLORS))
    return draw.model(
        made, body_id, role=role, label=SPECIES[variant].label, substance="filled pot", yaw_rad=yaw,
        materials=dressing(variant, color, seed),
    )  # fmt: skip


def in_a_row(draw: Draw, bodies: Sequence[Body], view: ViewRequest, gap_m: tuple[float, float]) -> list[Body]:
    """The bodies beside each other as the camera sees them, a little before or behind each other."""
    ahead = direction(view.azimuth_rad)
    side: Any = np.array([-ahead[1], ahead[0], 0.0])
    placed, along = [], 0.0
    for k, body in enumerate(bodies):
        radius = dict(body.model.numbers)["pot_radius_m"] * 1.1 if body.model else 0.05
        along += radius + draw.uniform(gap_m) if k else 0.0
        at = side * along + ahead * draw.uniform((-0.03, 0.03)) * bool(k)
        along += radius
        placed.append(replace(body, position_m=(float(at[0]), float(at[1]), body.position_m[2])))
    return placed
