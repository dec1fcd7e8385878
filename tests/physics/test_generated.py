"""Models as bodies of Bullet's world."""

from typing import Any

import numpy as np
import pytest

from simgen.catalog.catalog import open_catalog
from simgen.core.mesh import Mesh
from simgen.core.spec import Body, Environment, SceneSpec, Stage, ViewRequest
from simgen.engine.physics import simulate
from simgen.engine.world import convex_parts
from simgen.procedural import models
from simgen.procedural.models import forms

CATALOG = open_catalog()


@models.model("test_pair")
def pair(*, rng: np.random.Generator, variant: str, gap_m: float) -> Mesh:
    """Two posts of 4 cm, joined by nothing that collides."""
    posts = [forms.box((0.04, 0.04, 0.04), center_m=(side * gap_m, 0.0, 0.02)) for side in (-1, 1)]
    return forms.mesh(*posts, parts=[post.vertices_m for post in posts] if variant == "parts" else ())


def body(number: int, height_m: float, **overrides: Any) -> Body:
    values: dict[str, Any] = {
        "id": number,
        "label": "thing",
        "role": "actor",
        "position_m": (0.0, 0.0, height_m),
        "size_m": (0.03, 0.03, 0.03),
        "mass_kg": 0.1,
        "friction": 0.5,
        "restitution": 0.0,
    }
    return Body(**(values | overrides))


@pytest.mark.parametrize(("variant", "rests_m"), [("parts", 0.015), ("", 0.055)])
def test_a_ball_falls_between_the_parts_of_a_model_and_rests_on_its_hull_where_it_has_none(
    variant: str, rests_m: float
) -> None:
    posts = body(1, 0.0, shape="model", model=models.make("test_pair", variant=variant, gap_m=0.06), static=True)
    spec = SceneSpec(
        scene="test",
        bodies=(posts, body(2, 0.2, shape="ball")),
        stage=Stage(kind="table"),
        lights=(),
        environment=Environment(),
        camera=ViewRequest(azimuth_rad=0.0, elevation_rad=0.4),
    )
    rollout = simulate(spec, CATALOG)
    assert rollout.poses(2).position_m[-1, 2] == pytest.approx(rests_m, abs=0.0015)
    again = simulate(spec, CATALOG)
    assert (again.poses(2).position_m == rollout.poses(2).position_m).all()


def test_the_hull_of_a_fine_mesh_keeps_its_extent_with_few_points() -> None:
    mesh = forms.mesh(forms.ball((0.05, 0.05, 0.05)))
    (hull,) = convex_parts(mesh)
    assert len(mesh.vertices_m) > 10_000 > 300 > len(hull)
    assert np.allclose(np.ptp(hull, axis=0), np.ptp(mesh.vertices_m, axis=0), rtol=1e-3)
