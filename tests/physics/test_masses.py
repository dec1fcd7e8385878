"""Masses: what a record says that a body weighs is what there is of it, at the start and at the end.

An asset weighs what the catalogue says. Everything else weighs what its geometry holds of its substance: boxes and
balls by their size, models by their closed surfaces. A part of another substance says so (`MeshSurface.substance`,
`Body.substances` by slot), and a surface that does not enclose what is in it says how much that is
(`MeshSurface.solid_m3`).
"""

from collections.abc import Callable

import numpy as np
import pytest

from simgen.catalog.catalog import open_catalog
from simgen.core.rollout import Rollout
from simgen.core.spec import Body
from simgen.core.substances import SUBSTANCES
from simgen.core.tracks import Instant
from simgen.plan.recipe import load_scenes
from simgen.procedural import models
from simgen.scene.registry import scenes

load_scenes()
NAMES = list(scenes())
CATALOG = open_catalog()


def said_kg(rollout: Rollout, body: Body, instant: Instant) -> float:
    matter = rollout.matter(body.id, instant)
    return body.mass_kg if matter is None else matter.mass_kg


def weighed_kg(rollout: Rollout, body: Body, instant: Instant) -> float:
    """Density times volume."""
    matter = rollout.matter(body.id, instant)
    if body.asset:
        return CATALOG.object(body.asset).mass_kg * body.scale**3
    substance = body.substance or (CATALOG.surface(body.surface).substance if body.surface else "")
    substance = substance if matter is None else matter.substance
    assert substance in SUBSTANCES, f"{body.label}: what is {substance or 'nothing'} has no density"
    density = SUBSTANCES[substance].density_kgpm3
    if body.shape == "box":
        return density * float(np.prod(body.size_m)) * body.scale**3
    if body.shape == "ball":
        return density * np.pi / 6 * (body.size_m[0] * body.scale) ** 3
    mesh = rollout.mesh(body.id, instant) or CATALOG.mesh(body)
    return models.mass_kg(models.made_of(mesh, body.substances), substance) * body.scale**3


@pytest.mark.parametrize("name", NAMES)
def test_every_body_weighs_what_there_is_of_it(name: str, rollout_of: Callable[[str], Rollout]) -> None:
    rollout, wrong = rollout_of(name), []
    for when, instant in (("start", rollout.start), ("end", rollout.end)):
        for body in rollout.bodies:
            if not rollout.visible(body.id, instant):
                continue
            said, weighed = said_kg(rollout, body, instant), weighed_kg(rollout, body, instant)
            if said != pytest.approx(weighed, rel=0.01):
                wrong.append(
                    f"{body.label} ({body.id}) at the {when}: {said:.4g} kg, density x volume {weighed:.4g} kg"
                )
    assert not wrong, "; ".join(wrong)


@pytest.mark.parametrize("name", NAMES)
def test_a_volume_that_a_surface_states_has_room_in_it(name: str, rollout_of: Callable[[str], Rollout]) -> None:
    rollout = rollout_of(name)
    for body in rollout.bodies:
        mesh = rollout.mesh(body.id, rollout.start) or CATALOG.mesh(body)
        room = np.prod(np.ptp(mesh.vertices_m, axis=0))
        assert sum(surface.solid_m3 or 0.0 for surface in mesh.surfaces) <= room
