"""What holds for every scene there is: a new file in `scenes/` is tested by being there."""

from collections.abc import Callable, Iterable, Iterator

import numpy as np
import pytest

from simgen.catalog.catalog import open_catalog
from simgen.core.geometry import Shape
from simgen.core.rollout import Rollout
from simgen.core.spec import Camera, SceneSpec
from simgen.language import sentences
from simgen.language.claims import TIERS
from simgen.make.evidence import Physics
from simgen.make.gates import first_reject, judge
from simgen.make.gates.in_frame import IN_FRAME_LIMIT
from simgen.make.phases import place_camera
from simgen.plan.recipe import load_scenes
from simgen.record.spec_json import spec_from_json, spec_to_json
from simgen.scene.cameras import body_shape, inside_share, points_at, subject_ids
from simgen.scene.registry import build, scenes

load_scenes()
NAMES = list(scenes())
CATALOG = open_catalog()
SIZES = ((512, 512), (832, 480), (480, 832))

DrawSpec = Callable[..., SceneSpec]
RolloutsOf = Callable[..., Iterator[Rollout]]


@pytest.mark.parametrize("name", NAMES)
def test_the_same_draw_gives_the_same_spec_and_a_spec_survives_its_json(name: str, draw_spec: DrawSpec) -> None:
    first, second = (draw_spec(name, 3) for _ in range(2))
    assert first == second
    assert spec_from_json(spec_to_json(first)) == first


@pytest.mark.parametrize("name", NAMES)
def test_a_scene_is_possible_in_both_splits_and_keeps_to_the_objects_and_maps_of_its_own(
    name: str, draw_spec: DrawSpec
) -> None:
    for split in ("train", "test"):
        spec = draw_spec(name, 1, split)
        assert {CATALOG.object(body.asset).split for body in spec.bodies if body.asset} <= {split}
        if spec.environment.asset:
            assert CATALOG.environment(spec.environment.asset).split == split


@pytest.mark.parametrize("attempts", [6, pytest.param(12, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", NAMES)
def test_at_least_half_of_the_attempts_pass_the_certificate_and_can_be_told(
    name: str, attempts: int, rollouts_of: RolloutsOf
) -> None:
    kept = 0
    for rollout in certified(rollouts_of(name, attempts)):
        camera = camera_of(rollout, 512, 512)
        rollout = build(name).observe(rollout, camera, CATALOG.mesh)
        if isinstance(rollout, str):
            continue
        told = sentences.compile_instructions(build(name), rollout, camera, np.random.default_rng(0))
        if isinstance(told, sentences.Compiled):
            kept += 1
            assert sentences.check_claims(told.claims, rollout, camera) == []
            for tier in TIERS:
                assert sentences.check_sentence(getattr(told.instructions, tier)) == []
        if kept >= attempts / 2:
            break
    assert kept >= attempts / 2


@pytest.mark.parametrize("name", NAMES)
def test_attempts_differ_in_objects_light_and_view(name: str, rollouts_of: RolloutsOf) -> None:
    specs = [rollout.spec for rollout in rollouts_of(name)]
    assert len({spec.render_seed for spec in specs}) == len(specs)
    assert len({spec.camera for spec in specs}) == len(specs)
    assert len({frozenset((body.asset, body.model) for body in spec.bodies) for spec in specs}) > 1
    assert len({(spec.stage.surface, spec.environment.asset) for spec in specs}) > 1


@pytest.mark.parametrize(("width", "height"), SIZES)
@pytest.mark.parametrize("name", NAMES)
def test_the_camera_holds_what_the_event_is_about(
    name: str, width: int, height: int, draw_spec: DrawSpec, rollouts_of: RolloutsOf
) -> None:
    # Where the camera is drawn with the scene, it is drawn for pictures of that shape.
    is_drawn = isinstance(draw_spec(name, 1).camera, Camera)
    rollouts = list(certified(rollouts_of(name, aspect=height / width) if is_drawn else rollouts_of(name)))
    held = []
    for rollout in rollouts:
        camera = camera_of(rollout, width, height)
        assert camera.position_m[2] > 0.05
        shares = [
            inside_share(camera, points_at(rollout, shapes_of(rollout), body_id, instant), width, height)
            for body_id in rollout.framed or subject_ids(rollout)
            for instant in (rollout.start, rollout.end)
            if rollout.visible(body_id, instant)
        ]
        # A camera that is drawn before anything has happened may lose what rolls away, and the gate drops that.
        held.append(min(shares) >= (IN_FRAME_LIMIT if is_drawn else 1.0))
    assert any(held) if is_drawn else held and all(held)


def certified(rollouts: Iterable[Rollout]) -> Iterator[Rollout]:
    """Those that pass the gates of physics."""
    return (rollout for rollout in rollouts if first_reject(judge("physics", Physics(rollout))) is None)


def shapes_of(rollout: Rollout) -> dict[int, Shape]:
    return {b.id: body_shape(b, CATALOG.shape(b.asset) if b.asset else None) for b in rollout.spec.bodies}


def camera_of(rollout: Rollout, width: int, height: int) -> Camera:
    scene = build(rollout.spec.scene)
    return place_camera(scene, [rollout], shapes_of(rollout), CATALOG.mesh, width=width, height=height)
