"""States other than poses, as they are rendered: materials, layers, geometry, lights."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from simgen.catalog.catalog import open_catalog
from simgen.core.assets import Layer, Material
from simgen.core.blend import between, blend
from simgen.core.colour import blackbody_rgb
from simgen.core.geometry import quat_from_axis_angle
from simgen.core.mesh import Field, Mesh
from simgen.core.rollout import Rollout
from simgen.core.spec import Body, Camera, Environment, Light, SceneSpec, Stage
from simgen.procedural import models, palette
from simgen.procedural.models import forms

pytest.importorskip("simgen.engine.blender")
pytestmark = pytest.mark.render

from simgen.engine.passes import display  # noqa: E402
from simgen.engine.physics import still  # noqa: E402
from simgen.engine.renderer import Renderer  # noqa: E402
from simgen.engine.world import build_world  # noqa: E402

SIZE = 96
CAMERA = Camera(position_m=(0.0, -1.2, 0.6), look_at_m=(0.0, 0.0, 0.05), focal_length_mm=45.0)
RED = Material(base_color=(0.7, 0.05, 0.05), roughness=0.9)
GREEN = Material(base_color=(0.05, 0.5, 0.05), roughness=0.9)


@models.model("test_ball")
def ball(*, rng: np.random.Generator, variant: str, radius_m: float) -> Mesh:
    return forms.mesh(forms.ball((radius_m,) * 3, center_m=(0.0, 0.0, radius_m), rings=48))


@pytest.fixture(scope="module")
def renderer() -> Renderer:
    return Renderer(open_catalog(), width=SIZE, height=SIZE, quality="preview")


def spec_of(*bodies: Body, lights: Sequence[Light] = (), strength: float = 1.0) -> SceneSpec:
    return SceneSpec(
        scene="test",
        bodies=bodies,
        stage=Stage(kind="table", size_m=(3.0, 3.0)),
        lights=tuple(lights),
        environment=Environment(strength=strength),
        camera=CAMERA,
    )


def ball_of(material: Material, **overrides: Any) -> Body:
    values: dict[str, Any] = {
        "id": 1,
        "shape": "model",
        "model": models.make("test_ball", radius_m=0.1),
        "label": "ball",
        "role": "actor",
        "static": True,
        "position_m": (0.0, 0.0, 0.0),
        "mass_kg": 1.0,
        "friction": 0.5,
        "restitution": 0.5,
        "material": material,
    }
    return Body(**(values | overrides))


def frames(renderer: Renderer, rollout: Rollout, *phases: float) -> list[Any]:
    renderer.load(build_world(rollout.spec, renderer.catalog, width=SIZE, height=SIZE), CAMERA)
    return [renderer.render(rollout, CAMERA, rollout.instant(phase)) for phase in phases]


def color_of(frame: Any) -> Any:
    return frame.rgb[frame.ids == 1].reshape(-1, 3).mean(axis=0)


def test_a_state_can_be_left_and_come_back_to_with_the_same_bytes(renderer: Renderer) -> None:
    """Material, geometry and light of the end leave nothing behind in the start."""
    key = Light(kind="area", name="key", position_m=(0.8, -0.8, 1.4), power=30.0)
    rollout = still(spec_of(ball_of(RED), lights=(key,)))
    after = replace(key, power=60.0, color=blackbody_rgb(2500), position_m=(-0.8, -0.8, 1.4))
    rollout = rollout.resurfaced(1, lambda phase: blend(RED, GREEN, phase)).relit("key", lambda p: blend(key, after, p))
    rollout = rollout.reshaped(
        1, lambda phase: models.build(models.make("test_ball", radius_m=between(0.1, 0.05, phase)))
    )
    start, end, again = frames(renderer, rollout, 0, 1, 0)
    assert (start.rgb == again.rgb).all() and (start.ids == again.ids).all()
    assert color_of(start)[0] > 2 * color_of(start)[1] and color_of(end)[1] > color_of(end)[2]
    assert (end.ids == 1).sum() < 0.4 * (start.ids == 1).sum()


@pytest.mark.parametrize(("level", "like"), [(0.0, RED), (1.0, GREEN)])
def test_a_layer_at_level_0_is_not_there_and_at_level_1_is_all_there_is(
    renderer: Renderer, level: float, like: Material
) -> None:
    field = Field(name="paint", seed=1, wave_m=0.04)
    coat = replace(RED, layers=(Layer(top=GREEN, field="paint", level=level, rough=0.05),))
    (layered,) = frames(renderer, still(spec_of(ball_of(coat, fields=(field,)))), 0)
    (plain,) = frames(renderer, still(spec_of(ball_of(like))), 0)
    assert np.abs(color_of(layered) - color_of(plain)).max() < 2.0


def test_a_layer_covers_about_its_level_of_what_is_seen(renderer: Renderer) -> None:
    field = Field(name="paint", seed=1, wave_m=0.02)
    coat = replace(RED, layers=(Layer(top=GREEN, field="paint", level=0.4),))
    (frame,) = frames(renderer, still(spec_of(ball_of(coat, fields=(field,)))), 0)
    seen = frame.rgb[frame.ids == 1].astype(int)
    assert (seen[:, 1] > seen[:, 0]).mean() == pytest.approx(0.4, abs=0.12)


def test_a_scan_keeps_what_it_looks_like_below_its_layers(renderer: Renderer) -> None:
    ref = next(f"builtin:{asset.id}" for asset in renderer.catalog.objects if asset.kind == "mug")
    mug = replace(ball_of(RED, shape="asset", asset=ref, model=None, position_m=(0.0, 0.0, 0.06)), material=None)
    own = Material(template="own")
    frosted = replace(own, layers=(Layer(top=palette.frost(), field="frost", level=1.0),))
    mug = replace(mug, fields=(Field(name="frost", seed=2, wave_m=0.02),))
    rollout = still(spec_of(mug)).resurfaced(1, lambda phase: frosted if phase else own)
    start, end = frames(renderer, rollout, 0, 1)
    (bare,) = frames(renderer, still(spec_of(replace(mug, fields=()))), 0)
    assert np.abs(color_of(start) - color_of(bare)).max() < 1.0
    assert color_of(end).min() > 150


def test_twice_the_power_is_twice_the_light_and_twice_the_distance_a_quarter(renderer: Renderer) -> None:
    """The inverse-square law on the table under a small lamp, away from its shadow."""
    far = Light(kind="point", name="lamp", position_m=(0.0, 0.0, 3.0), power=100.0, size_m=0.02)
    hidden = ball_of(RED, model=models.make("test_ball", radius_m=0.001), position_m=(0.0, 1.2, 0.0))

    def light(lamp: Light) -> float:
        rollout = still(spec_of(hidden, lights=(far,), strength=0.0)).relit("lamp", lambda p: blend(far, lamp, p))
        renderer.load(build_world(rollout.spec, renderer.catalog, width=SIZE, height=SIZE), CAMERA)
        # Below the lamp, where the light falls straight down.
        look = renderer.render_survey(rollout, rollout.end).luminance
        return float(look[SIZE // 2 - 3 : SIZE // 2 + 3, SIZE // 2 - 3 : SIZE // 2 + 3].mean())

    once = light(far)
    assert light(replace(far, power=200.0)) == pytest.approx(2 * once, rel=0.02)
    assert light(replace(far, position_m=(0.0, 0.0, 1.5))) == pytest.approx(4 * once, rel=0.06)


def test_what_shines_lights_what_is_near_it(renderer: Renderer) -> None:
    ember = replace(RED, emission=(8.0, 2.0, 0.4))
    rollout = still(spec_of(ball_of(RED), strength=0.05)).resurfaced(1, lambda phase: blend(RED, ember, phase))
    start, end = frames(renderer, rollout, 0, 1)
    table = start.ids == 0
    below = end.rgb[table].astype(float).mean(axis=0) - start.rgb[table].astype(float).mean(axis=0)
    assert below[0] > 5 and below[0] > 2 * below[2]


def test_fields_and_attributes_follow_the_body_and_not_the_world(renderer: Renderer) -> None:
    """The side that a field begins on turns with the body."""
    field = Field(name="paint", seed=1, wave_m=0.05, lean=(-50.0, 0.0, 0.0))
    coat = replace(RED, layers=(Layer(top=GREEN, field="paint", level=0.5),))
    half_turn = tuple(quat_from_axis_angle((0.0, 0.0, 1.0), np.pi))
    left, right = (
        frames(renderer, still(spec_of(ball_of(coat, fields=(field,), quaternion=turn))), 0)[0]
        for turn in ((1.0, 0.0, 0.0, 0.0), half_turn)
    )
    for frame, sign in ((left, -1), (right, 1)):
        rows, columns = np.nonzero(frame.ids == 1)
        seen = frame.rgb[rows, columns].astype(int)
        green = seen[:, 1] > seen[:, 0]
        assert sign * (columns[green].mean() - columns[~green].mean()) > 5


@pytest.mark.parametrize("stops", [0.0, 1.0, 2.0])
def test_glowing_steel_is_orange_and_not_pink_and_greys_stay_grey(stops: float) -> None:
    """At 1300 K red is ten times green (`colour.glow`); what is shown has green above blue at any exposure."""
    ember = display(np.array([[(3.5, 0.35, 0.0)]], np.float32), stops)[0, 0].astype(int)
    assert ember[0] > 240 and ember[1] > ember[2] + 40
    grey = display(np.full((1, 1, 3), 1.7, np.float32), stops)[0, 0]
    assert len(set(grey.tolist())) == 1
