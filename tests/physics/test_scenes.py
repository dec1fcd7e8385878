"""What holds for every scene there is: a new file in `scenes/` is tested by being there."""

from functools import cache

import numpy as np
import pytest

from simgen.catalog.catalog import open_catalog
from simgen.core.assets import Split
from simgen.core.geometry import Shape
from simgen.core.rollout import Rollout
from simgen.core.spec import Camera, ViewRequest
from simgen.engine.physics import simulate
from simgen.language import sentences
from simgen.language.claims import TIERS
from simgen.make import judge
from simgen.plan.recipe import load_scenes
from simgen.record.spec_json import spec_from_json, spec_to_json
from simgen.scene.cameras import body_shape, frame_camera, inside_share, points_at, subject_ids
from simgen.scene.draw import Draw, NothingFits
from simgen.scene.registry import build, scenes

load_scenes()
NAMES = list(scenes())
CATALOG = open_catalog()
ATTEMPTS = 6


def draw(index: int, split: Split = "train") -> Draw:
    return Draw(rng=np.random.default_rng([7, index, 0]), catalog=CATALOG, split=split)


@cache
def rollouts(name: str) -> tuple[Rollout, ...]:
    """Attempts with both splits, one in four of the test split."""
    found = []
    for index in range(ATTEMPTS):
        try:
            spec = build(name).sample(draw(index, "test" if index % 4 == 3 else "train"))
        except NothingFits:
            continue
        found.append(build(name).develop(simulate(spec, CATALOG), CATALOG.mesh))
    return tuple(found)


@pytest.mark.parametrize("name", NAMES)
def test_the_same_draw_gives_the_same_spec_and_a_spec_survives_its_json(name: str) -> None:
    first, second = (build(name).sample(draw(3)) for _ in range(2))
    assert first == second
    assert spec_from_json(spec_to_json(first)) == first


@pytest.mark.parametrize("name", NAMES)
def test_a_scene_is_possible_in_both_splits_and_keeps_to_the_objects_and_maps_of_its_own(name: str) -> None:
    for split in ("train", "test"):
        spec = build(name).sample(draw(1, split))  # type: ignore[arg-type]
        assert {CATALOG.object(body.asset).split for body in spec.bodies if body.asset} <= {split}
        if spec.environment.asset:
            assert CATALOG.environment(spec.environment.asset).split == split


@pytest.mark.parametrize("name", NAMES)
def test_at_least_half_of_the_attempts_pass_the_certificate_and_can_be_told(name: str) -> None:
    kept = 0
    for rollout in rollouts(name):
        if judge.first_reject(judge.judge_physics(rollout)) is not None:
            continue
        camera = camera_of(rollout)
        told = sentences.compile_instructions(build(name), rollout, camera, np.random.default_rng(0))
        if isinstance(told, sentences.Compiled):
            kept += 1
            assert sentences.check_claims(told.claims, rollout, camera) == []
            for tier in TIERS:
                assert sentences.check_sentence(getattr(told.instructions, tier)) == []
    assert kept >= ATTEMPTS / 2


@pytest.mark.parametrize("name", NAMES)
def test_attempts_differ_in_objects_light_and_view(name: str) -> None:
    specs = [rollout.spec for rollout in rollouts(name)]
    assert len({spec.render_seed for spec in specs}) == len(specs)
    assert len({spec.camera for spec in specs}) == len(specs)
    assert len({frozenset((body.asset, body.model) for body in spec.bodies) for spec in specs}) > 1
    assert len({(spec.stage.surface, spec.environment.asset) for spec in specs}) > 1


@pytest.mark.parametrize("name", NAMES)
def test_the_camera_holds_what_the_event_is_about(name: str) -> None:
    for rollout in rollouts(name):
        if judge.first_reject(judge.judge_physics(rollout)) is not None or not isinstance(
            rollout.spec.camera, ViewRequest
        ):
            continue
        camera = camera_of(rollout)
        for body_id in subject_ids(rollout):
            for index in (rollout.start_index, rollout.end_index):
                if rollout.visible(body_id, index):
                    points = points_at(rollout, shapes_of(rollout), body_id, index)
                    assert inside_share(camera, points, 512, 512) == 1.0
        assert camera.position_m[2] > 0.05


def shapes_of(rollout: Rollout) -> dict[int, Shape]:
    return {b.id: body_shape(b, CATALOG.shape(b.asset) if b.asset else None) for b in rollout.spec.bodies}


def camera_of(rollout: Rollout) -> Camera:
    camera = rollout.spec.camera
    if isinstance(camera, ViewRequest):
        return frame_camera(camera, shapes_of(rollout), rollout, width=512, height=512)
    return camera
