"""What is foreseen without rendering, against what a look at the same attempt says."""

import pytest

from simgen import judge
from simgen.framing import Framing, frame_camera
from simgen.make import Maker, _with_roles
from simgen.plan import SampleId
from simgen.recipe import load_recipe
from simgen.types import Reject

pytestmark = pytest.mark.render

from simgen.engine.world import build_world  # noqa: E402


def test_what_is_foreseen_as_hopeless_is_rejected_by_a_look_as_well() -> None:
    recipe = load_recipe("pisa_fall", overrides=["render.width=256", "render.height=256"])
    maker = Maker(recipe, seed=3)
    hopeless = kept = 0
    for index in range(20):
        planned = SampleId(index=index, key=f"pisa-fall-{index:06d}", scene="pisa_fall", split="train")
        rollout = maker.rollout(planned, 0)
        if isinstance(rollout, Reject) or judge.first_reject(judge.judge_physics(rollout)) is not None:
            continue
        rollout = _with_roles(rollout, judge.changed_bodies(rollout))
        shapes, camera = maker._shapes(rollout.spec.bodies), rollout.spec.camera
        if isinstance(camera, Framing):
            camera = frame_camera(camera, shapes, rollout, width=256, height=256)
        scene = maker.scenes["pisa_fall"]
        foreseen = judge.first_reject(judge.foresee_view(rollout, camera, shapes, scene, width=256, height=256))
        if foreseen is None:
            kept += 1
            continue
        hopeless += 1
        maker.renderer.load(build_world(rollout.spec, maker.catalog, width=256, height=256), camera)
        looks = [maker.renderer.meter(rollout, i).ids for i in (rollout.start_index, rollout.end_index)]
        seen = judge.first_reject(judge.judge_view(rollout, camera, shapes, (looks[0], looks[1]), scene))
        assert seen is not None
        assert seen.gate == foreseen.gate
    assert hopeless >= 1
    assert kept >= 5
