"""What is foreseen without rendering, against what a look at the same attempt says."""

import pytest

from simgen.core.sample import Reject
from simgen.make.clock import Clock
from simgen.make.evidence import Outlines, View
from simgen.make.family import possible_events
from simgen.make.gates import first_reject, judge
from simgen.make.maker import Maker
from simgen.make.phases import place, shapes_of
from simgen.plan.plan import SampleId
from simgen.plan.recipe import load_recipe

pytestmark = pytest.mark.render

from simgen.engine.world import build_world  # noqa: E402


@pytest.mark.parametrize("enough", [2, pytest.param(20, marks=pytest.mark.slow)])
def test_what_is_foreseen_as_hopeless_is_rejected_by_a_look_as_well(
    enough: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = load_recipe("pisa_fall", overrides=["render.width=256", "render.height=256"])
    maker = Maker(recipe, seed=3)
    scene = maker.scenes["pisa_fall"]
    # Some too small, some not.
    monkeypatch.setattr(type(scene), "subject_size", (0.025, 0.4))
    hopeless = kept = 0
    for index in range(20):
        if hopeless >= enough and kept >= 5:
            break
        planned = SampleId(index=index, key=f"pisa-fall-{index:06d}", scene="pisa_fall", split="train")
        found = list(possible_events(maker, planned, 0, clock=Clock(), notice=lambda assets: None))
        events = [event for event in found if not isinstance(event, Reject)]
        if not events:
            continue
        rollout = events[0].rollout
        shapes = shapes_of(maker, rollout.spec)
        camera = place(maker, scene, events, shapes)
        foreseen = first_reject(
            judge(
                "outline", Outlines(rollout=rollout, camera=camera, shapes=shapes, scene=scene, width=256, height=256)
            )
        )
        if foreseen is None:
            kept += 1
            continue
        hopeless += 1
        maker.renderer.load(build_world(rollout.spec, maker.catalog, width=256, height=256), camera)
        looks = [maker.renderer.render_survey(rollout, instant).ids for instant in (rollout.start, rollout.end)]
        seen = first_reject(
            judge("view", View(rollout=rollout, camera=camera, shapes=shapes, scene=scene, ids=(looks[0], looks[1])))
        )
        assert seen is not None
        assert seen.gate == foreseen.gate
    assert hopeless >= 1
    assert kept >= 5
