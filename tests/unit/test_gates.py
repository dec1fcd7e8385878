"""Every gate is seen to pass and to fail, on rollouts and pictures that can be worked out in one's head.

A case is one piece of evidence and what its stage says of it: nothing fails, or this gate alone does. A new gate needs
one case of each kind.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any, get_args

import numpy as np
import pytest

from simgen.core.geometry import Shape, box_corners
from simgen.core.masks import Pair
from simgen.core.rollout import Quantity, Rollout
from simgen.core.sample import Frame, Reject
from simgen.core.spec import Camera, Light, Push, SceneSpec
from simgen.make import family, maker
from simgen.make.clock import Clock
from simgen.make.evidence import Family, Outlines, Physics, Picture, View, outline
from simgen.make.gates import Stage, asked_at, at_least, at_most, first_reject, judge, within
from simgen.make.phases import SURVEY_SLACK, Described, Event, certify, describe, draw_event, judge_pair, other_start
from simgen.plan.plan import SampleId
from simgen.plan.recipe import AssetChoice, load_recipe
from simgen.scene.draw import Draw, NothingFits
from simgen.scene.registry import Phrases, Scene

AHEAD = Camera(position_m=(0.0, -1.0, 0.0), look_at_m=(0.0, 0.0, 0.0), focal_length_mm=32.0, sensor_width_mm=32.0)
"""Looks along +y: at y = 0 its square picture is 1 m wide, so that 1 cm is one pixel of the 100 in a row."""
SIDE = 100
PIXELS = SIDE * SIDE


class Anything(Scene):
    """The limits that scenes have unless they say otherwise: subjects of 3 to 40 %, at most 60 % changed."""

    name = "anything"
    law = "none"


class Airy(Anything):
    """The light of the whole room may change."""

    changed_share = 1.0


@dataclass(frozen=True, kw_only=True)
class Case:
    """What a stage is shown, and whether it passes; what fails is the gate of that name and no other."""

    claim: str
    stage: Stage
    gate: str
    passed: bool
    evidence: Callable[[Any], Any]
    """From the class of hand-made rollouts."""


CASES: list[Case] = []


def case(
    stage: Stage, gate: str, *, passes: Mapping[str, Any] | None = None, fails: Mapping[str, Any] | None = None
) -> None:
    """Cases of one gate, by claim."""
    for passed, claims in ((True, passes), (False, fails)):
        for claim, evidence in (claims or {}).items():
            CASES.append(Case(claim=claim, stage=stage, gate=gate, passed=passed, evidence=evidence))


# Physics: a mug of 0.3 kg and 10 cm that stands on a table of 4 m x 4 m for one second.


def physics(
    at: Sequence[float] = (0.0, 0.0),
    motion: Any = None,
    *,
    end_state: str = "rest",
    events: tuple[Any, ...] = (),
    change: Callable[[Rollout], Rollout] = lambda rollout: rollout,
    **options: Any,
) -> Callable[[Any], Physics]:
    def evidence(play: Any) -> Physics:
        stage = play()
        stage.add("mug", tuple(at), motion, **options)
        rollout = stage.roll_out()
        rollout = replace(rollout, spec=replace(rollout.spec, end_state=end_state, events=events))
        return Physics(change(rollout))

    return evidence


def steady(mps: float) -> Callable[[Any], Any]:
    """Along x with one speed, for the second that a play takes."""
    return lambda shares: (np.outer(shares, [mps, 0.0, 0.0]), np.tile([1.0, 0.0, 0.0, 0.0], (len(shares), 1)))


def overlap(step: int, depth_m: float) -> Callable[[Rollout], Rollout]:
    def change(rollout: Rollout) -> Rollout:
        depths = np.zeros(len(rollout.times_s))
        depths[step] = depth_m
        return replace(rollout, penetration_m=depths)

    return change


AT_PLAY_J = 0.3 * 9.81 * 0.01
"""A fall of the mug by a tenth of its height."""


def energy(*levels_j: tuple[int, float], kinetic: bool = False) -> Callable[[Rollout], Rollout]:
    """From each row on the energy is so much; 0 before the first."""

    def change(rollout: Rollout) -> Rollout:
        curve = np.zeros(len(rollout.times_s))
        for row, joules in levels_j:
            curve[row:] = joules
        return replace(rollout, **{"kinetic_j" if kinetic else "potential_j": curve})

    return change


def kept(share: float, *, end: float) -> Callable[[Rollout], Rollout]:
    mass = Quantity(name="mass", start=2.0, end=end, unit="kg", provenance="solved", conserved=share)
    return lambda rollout: rollout.then(quantities=(mass,))


def two_in_the_air(play: Any) -> Physics:
    stage = play()
    lower = stage.add("mug", (0.0, 0.0), grounded=None)
    stage.add("lid", (0.0, 0.0, 0.2), on=lower)
    return Physics(stage.roll_out())


def a_tower(play: Any) -> Physics:
    stage = play()
    lower = stage.add("box", (0.0, 0.0))
    stage.add("mug", (0.0, 0.0, 0.2), on=lower)
    return Physics(stage.roll_out())


def on_a_shelf(play: Any) -> Physics:
    stage = play()
    shelf = stage.add("shelf", (0.0, 0.0, 1.0), role="prop", grounded=None)
    stage.add("mug", (0.0, 0.0, 1.1), on=shelf)
    return Physics(stage.roll_out())


PUSH = Push(time_s=0.5, body=1, impulse_ns=(0.1, 0.0, 0.0))

case(
    "physics",
    "bodies_off_stage",
    passes={
        "in the middle": physics(),
        "its centre on the edge": physics((2.0, -2.0)),
        "its centre a centimetre down": physics((0.0, 0.0, -0.01)),
        "off the stage, but taken away": physics((2.001, 0.0), gone_at=0.5),
    },
    fails={
        "beyond the edge along x": physics((2.001, 0.0)),
        "beyond the edge along y": physics((0.0, -2.001)),
        "sunk": physics((0.0, 0.0, -0.0101)),
    },
)
case(
    "physics",
    "start_speed",
    passes={"at the limit": physics(change=lambda r: replace(r, settled_mps=0.01))},
    fails={"above it": physics(change=lambda r: replace(r, settled_mps=0.0101))},
)
case(
    "physics",
    "end_speed",
    passes={
        "slower than a centimetre in a second": physics(motion=steady(0.0099)),
        "fast, but it is to be seen on its way": physics((-19.9, 0.0), steady(19.9), end_state="moving"),
        "fast, but taken away": physics(motion=steady(0.5), gone_at=0.9),
        "what is fixed is not asked": physics(motion=steady(0.5), role="prop"),
    },
    fails={
        "faster": physics(motion=steady(0.0101)),
        "faster than things in a room are": physics((-20.1, 0.0), steady(20.1), end_state="moving"),
    },
)
case(
    "physics",
    "start_penetration",
    passes={"2 mm deep": physics(change=overlap(0, 0.002)), "deep on the way": physics(change=overlap(100, 0.1))},
    fails={"deeper": physics(change=overlap(0, 0.0021))},
)
case(
    "physics",
    "end_penetration",
    passes={"2 mm deep": physics(change=overlap(-1, 0.002))},
    fails={"deeper": physics(change=overlap(-1, 0.0021))},
)
case(
    "physics",
    "energy_gain",
    passes={
        "it falls": physics(change=energy((0, 1.0), (50, 0.0))),
        "a rise of just under a twentieth": physics(change=energy((50, 0.049 * AT_PLAY_J))),
        "the same rise beside a lot of motion": physics(change=lambda r: energy((50, 0.04))(replace(r, work_j=1.0))),
        "a push puts it in": physics(events=(PUSH,), change=energy((121, 1.0), kinetic=True)),
    },
    fails={
        "a rise of just over a twentieth": physics(change=energy((50, 0.051 * AT_PLAY_J))),
        "a rise after a fall": physics(change=energy((0, 1.0), (50, 0.0), (100, 0.5))),
        "motion from nothing": physics(change=energy((121, 1.0), kinetic=True)),
        "a push does not explain what comes later": physics(
            events=(PUSH,), change=energy((121, 1.0), (180, 1.2), kinetic=True)
        ),
    },
)
case(
    "physics",
    "unsupported_bodies",
    passes={
        "on the table until a tenth of a second before the end": physics(grounded=(0.0, 0.9)),
        "on what stands on the table": a_tower,
        "on what is fixed": on_a_shelf,
        "in the air, but on its way": physics(grounded=None, end_state="moving"),
        "in the air, but taken away": physics(grounded=None, gone_at=0.5),
    },
    fails={
        "in the air": physics((0.0, 0.0, 0.5), grounded=None),
        "it has left the table": physics(grounded=(0.0, 0.89)),
        "one carries the other and nothing carries both": two_in_the_air,
    },
)
case(
    "physics",
    "mass_error",
    passes={
        "half a percent less": physics(change=kept(0.01, end=1.99)),
        "half a percent more": physics(change=kept(0.01, end=2.01)),
    },
    fails={
        "two percent less": physics(change=kept(0.01, end=1.96)),
        "two percent more": physics(change=kept(0.01, end=2.04)),
    },
)


# Views: flat boards that face the camera. What is not said to be hidden is seen whole.


@dataclass(frozen=True)
class Board:
    x: float
    """Of its middle, metres; so is what it goes along x."""
    width_m: float
    height_m: float
    goes_m: float = 0.0
    role: str = "actor"
    gone_at: float | None = None
    start_px: int | None = None
    """So many of its pixels are seen at the start; None: all."""
    end_px: int | None = None


def scene_of(play: Any, boards: Sequence[Board]) -> tuple[Rollout, dict[int, Shape]]:
    stage = play()
    for board in boards:
        size_m = (board.width_m, 0.0, board.height_m)
        motion, place = play.slides(board.goes_m, 0.0), (board.x, 0.0, 0.0)
        stage.add("board", place, motion, size_m=size_m, role=board.role, gone_at=board.gone_at)
    rollout = stage.roll_out()
    return rollout, {body.id: Shape.box(body.size_m) for body in rollout.spec.bodies}


def outlines(*boards: Board, shapes: dict[int, Shape] | None = None, height: int = SIDE) -> Callable[[Any], Outlines]:
    def evidence(play: Any) -> Outlines:
        rollout, boxes = scene_of(play, boards)
        return Outlines(
            rollout=rollout, camera=AHEAD, shapes=shapes or boxes, scene=Anything(), width=SIDE, height=height
        )

    return evidence


def view(*boards: Board, shapes: dict[int, Shape] | None = None) -> Callable[[Any], View]:
    def evidence(play: Any) -> View:
        rollout, boxes = scene_of(play, boards)
        start, end = (np.zeros((SIDE, SIDE), np.uint8) for _ in range(2))
        for body, board in zip(rollout.spec.bodies, boards, strict=True):
            for picture, instant, shown in (
                (start, rollout.start, board.start_px),
                (end, rollout.end, board.end_px),
            ):
                if rollout.visible(body.id, instant):
                    rows, columns = np.nonzero(outline(rollout, AHEAD, boxes, body.id, instant, SIDE, SIDE))
                    picture[rows[:shown], columns[:shown]] = body.id
        return View(rollout=rollout, camera=AHEAD, shapes=shapes or boxes, scene=Anything(), ids=(start, end))

    return evidence


def with_points_outside(count: int) -> dict[int, Shape]:
    """A board of 20 cm with 100 points, so many of them 10 m away."""
    points = np.zeros((100, 3))
    points[:count, 0] = 10.0
    return {1: Shape(parts=(box_corners((0.2, 0.0, 0.2)),), points=points)}


IN = Board(0.0, 0.2, 0.2)
"""4 % of the picture."""

for stage, shown in (("outline", outlines), ("view", view)):
    case(
        stage,
        "in_frame",
        passes={
            "in the middle": shown(IN),
            "just within the edge": shown(replace(IN, x=0.39)),
            "3 of 100 points outside": shown(IN, shapes=with_points_outside(3)),
            "outside, but taken away": shown(replace(IN, goes_m=2.0, gone_at=0.5)),
            "a bystander may be cut": shown(IN, replace(IN, x=0.5, role="bystander")),
        },
        fails={
            "half outside": shown(replace(IN, x=0.5, width_m=0.4)),
            "4 of 100 points outside": shown(IN, shapes=with_points_outside(4)),
        },
    )
case("view", "in_frame", fails={"it leaves": view(replace(IN, width_m=0.3, goes_m=0.49))})
case("outline", "in_frame", fails={"it leaves": outlines(replace(IN, goes_m=2.0))})
case(
    "outline",
    "subject_size",
    passes={
        "2.9 percent, within a tenth of 3": outlines(Board(0.0, 0.17, 0.17)),
        "large": outlines(Board(0.0, 0.9, 0.9)),
        "two together": outlines(Board(-0.2, 0.12, 0.12), Board(0.2, 0.12, 0.12, role="affected")),
        "at the start only": outlines(replace(IN, gone_at=0.5)),
        "in a picture half as high it is twice as much": outlines(Board(0.0, 0.12, 0.12), height=SIDE // 2),
    },
    fails={
        "2.6 percent": outlines(Board(0.0, 0.16, 0.16)),
        "large bystanders do not count": outlines(Board(0.0, 0.1, 0.1), replace(IN, x=0.3, role="bystander")),
    },
)
case(
    "view",
    "subject_size",
    passes={
        "300 pixels of 10000": view(replace(IN, start_px=300, end_px=300)),
        "at the end only": view(replace(IN, start_px=200, end_px=300)),
        "4000 pixels of 10000": view(Board(0.0, 0.66, 0.66, start_px=4000, end_px=4000)),
        "two together": view(replace(IN, x=-0.2, start_px=180, end_px=180), Board(0.2, 0.12, 0.12, role="affected")),
    },
    fails={
        "299 pixels": view(replace(IN, start_px=299, end_px=299)),
        "4001 pixels": view(Board(0.0, 0.66, 0.66, start_px=4000, end_px=4001)),
    },
)
HALF = Board(0.2, 0.5, 0.5)
"""2500 pixels."""
case(
    "view",
    "subject_visible",
    passes={
        "45 percent of it": view(replace(HALF, start_px=1125)),
        "an affected body may be hidden": view(replace(IN, x=-0.3), replace(HALF, role="affected", end_px=0)),
        "hidden because it is taken away": view(replace(HALF, gone_at=0.5)),
    },
    fails={
        "less at the start": view(replace(HALF, start_px=1124)),
        "less at the end": view(replace(HALF, end_px=1124)),
    },
)
OTHER = Board(-0.3, 0.3, 0.3, role="bystander")
"""900 pixels."""
THING = replace(IN, x=0.3)
case(
    "view",
    "bystander_revealed",
    passes={
        "seen in both": view(THING, OTHER),
        "hidden in both": view(THING, replace(OTHER, start_px=0, end_px=0)),
        "from nothing to 30 percent": view(THING, replace(OTHER, start_px=0, end_px=270)),
        "from 15 percent to all": view(THING, replace(OTHER, start_px=135)),
        "it has a part in the event": view(THING, replace(OTHER, role="affected", start_px=0)),
        "it was not there": view(THING, replace(OTHER, gone_at=0.5)),
        "a speck": view(THING, Board(-0.3, 0.04, 0.04, role="bystander", start_px=0)),
    },
    fails={
        "from nothing to 30.1 percent": view(THING, replace(OTHER, start_px=0, end_px=271)),
        "from 14.9 percent to all": view(THING, replace(OTHER, start_px=134)),
        "from all to nothing": view(THING, replace(OTHER, end_px=0)),
    },
)


# Pictures: a grey square of 20 by 20 pixels on grey that moves from the left to the right.


def frame(rgb: np.ndarray, ids: np.ndarray) -> Frame:
    return Frame(
        rgb=rgb, ids=ids, depth_m=np.ones(ids.shape, np.float32), normals=np.zeros((*ids.shape, 3), np.float32)
    )


def pictures(
    *,
    grey: int = 120,
    square: int = 170,
    end_square: int | None = None,
    white_px: int = 0,
    white: tuple[int, int, int] = (255, 255, 255),
    changed_px: int | None = None,
    by: int = 9,
    mask_px: int = 1000,
    scene: type[Scene] = Anything,
    slack: float = 0.0,
) -> Callable[[Any], Picture]:
    """With `changed_px` nothing moves, and so many pixels of the background are lighter by `by`."""

    def evidence(play: Any) -> Picture:
        start, end = (np.full((SIDE, SIDE, 3), grey, np.uint8) for _ in range(2))
        start_ids, end_ids, mask = (np.zeros((SIDE, SIDE), np.uint8) for _ in range(3))
        to = 10 if changed_px is not None else 60
        start_ids[40:60, 10:30] = end_ids[40:60, to : to + 20] = 1
        start[start_ids > 0] = square
        end[end_ids > 0] = square if end_square is None else end_square
        # From the last pixel back, far from the square.
        end.reshape(-1, 3)[PIXELS - (changed_px or 0) :] += np.uint8(by)
        start.reshape(-1, 3)[:white_px] = end.reshape(-1, 3)[:white_px] = white
        mask.ravel()[:mask_px] = 255
        rollout, _ = scene_of(play, (IN,))
        pair = Pair(start=start, end=end, mask=mask)
        frames = frame(start, start_ids), frame(end, end_ids)
        return Picture(pair=pair, start=frames[0], end=frames[1], rollout=rollout, scene=scene(), slack=slack)

    return evidence


case(
    "picture",
    "exposure",
    # The square adds 1.6 to the mean; a fifth of 255 is 51, and 0.72 of it 183.6.
    passes={"a mean of 51.6": pictures(grey=50, square=90), "a mean of 182.6": pictures(grey=181, square=221)},
    fails={"a mean of 50.6": pictures(grey=49, square=89), "a mean of 184.6": pictures(grey=183, square=223)},
)
case(
    "picture",
    "clipped",
    passes={
        "one pixel of a hundred": pictures(white_px=100),
        "one channel is not full": pictures(white_px=200, white=(255, 255, 253)),
    },
    fails={"more": pictures(white_px=101), "nearly white": pictures(white_px=101, white=(254, 254, 254))},
)
case(
    "picture",
    "subject_contrast",
    passes={
        "lighter than the ground": pictures(),
        "only at the end": pictures(square=120, end_square=170),
        "only at the start": pictures(end_square=120),
    },
    fails={"10 levels of grey in both": pictures(square=130), "the same grey": pictures(square=120, changed_px=60)},
)
case(
    "picture",
    "visible_change",
    passes={"50 pixels of 10000 by 9 levels": pictures(changed_px=50)},
    fails={
        "49 pixels": pictures(changed_px=49),
        "by 8 levels": pictures(changed_px=500, by=8),
        "nothing": pictures(changed_px=0),
    },
)
case(
    "picture",
    "changed_share",
    passes={
        "6000 pixels of 10000": pictures(mask_px=6000),
        "7500 at a rough look": pictures(mask_px=7500, slack=SURVEY_SLACK),
        "all where the scene allows it": pictures(mask_px=PIXELS, scene=Airy, slack=SURVEY_SLACK),
    },
    fails={
        "6001 pixels": pictures(mask_px=6001),
        "7501 at a rough look": pictures(mask_px=7501, slack=SURVEY_SLACK),
    },
)


# Families: ends that differ by so many pixels of 10000 from each other.


def ends(*different_px: int, by: int = 9) -> Callable[[Any], Family]:
    def evidence(play: Any) -> Family:
        end = np.full((SIDE, SIDE, 3), 100, np.uint8)
        others = []
        for count in different_px:
            other = end.copy()
            other.reshape(-1, 3)[:count, 1] += np.uint8(by)
            others.append(other)
        return Family(end, others)

    return evidence


case(
    "family",
    "family_distinct",
    passes={"the first": ends(), "50 pixels": ends(50), "from each": ends(50, 400)},
    fails={"49 pixels": ends(49), "from one of them only": ends(400, 0), "by 8 levels": ends(400, by=8)},
)


@pytest.mark.parametrize("one", CASES, ids=lambda one: f"{one.stage}: {one.gate}: {one.claim}")
def test_a_gate_passes_and_fails_by_its_limit(one: Case, play: Any) -> None:
    failed = [gate.name for gate in judge(one.stage, one.evidence(play)) if not gate.passed]
    assert failed == ([] if one.passed else [one.gate])


def test_no_gate_is_without_a_case_that_passes_and_a_case_that_fails(play: Any) -> None:
    missing = []
    for stage in get_args(Stage):
        shown = [(one.gate, one.evidence(play)) for one in CASES if one.stage == stage]
        for entry in asked_at(stage):
            said = [(name, gate) for name, evidence in shown for gate in entry(evidence)]
            for name in {gate.name for _, gate in said} or {entry.name}:
                seen = {gate.passed for meant, gate in said if meant == gate.name == name}
                missing += [f"{stage}: {name}: {'passes' if p else 'fails'}" for p in (True, False) if p not in seen]
    assert not missing, f"add a case to this file where: {', '.join(missing)}"


def test_gates_are_asked_in_the_order_in_which_they_are_written_down(play: Any) -> None:
    evidence = {
        "physics": physics(change=kept(0.01, end=2.0)),
        "outline": outlines(IN),
        "view": view(IN),
        "picture": pictures(),
        "family": ends(400, 400),
    }
    assert {stage: [gate.name for gate in judge(stage, made(play))] for stage, made in evidence.items()} == {
        "physics": [
            "bodies_off_stage",
            "start_speed",
            "end_speed",
            "start_penetration",
            "end_penetration",
            "energy_gain",
            "unsupported_bodies",
            "mass_error",
        ],
        "outline": ["in_frame", "subject_size"],
        "view": ["in_frame", "subject_size", "subject_visible", "bystander_revealed"],
        "picture": ["exposure", "clipped", "subject_contrast", "visible_change", "changed_share"],
        "family": ["family_distinct"],
    }


def test_what_need_not_be_conserved_and_the_first_of_a_family_are_not_asked(play: Any) -> None:
    names = [gate.name for gate in judge("physics", physics(change=kept(0.0, end=1.0))(play))]
    assert "mass_error" not in names
    assert judge("family", ends()(play)) == ()


@pytest.mark.parametrize(
    ("made", "value", "limit"),
    [
        (physics(change=overlap(0, 0.001)), 0.001, "<= 0.002 m"),
        (outlines(replace(IN, x=0.5, width_m=0.4)), 0.5, ">= 0.97"),
        (view(replace(IN, start_px=300, end_px=300)), 0.03, "0.03 to 0.4"),
        (view(replace(HALF, start_px=1250)), 0.5, ">= 0.45"),
        (pictures(mask_px=7500, slack=SURVEY_SLACK), 0.75, "<= 0.75"),
        (pictures(changed_px=50), 0.005, ">= 0.005"),
        (pictures(white_px=50), 0.005, "<= 0.01"),
        (ends(400, 200), 0.02, ">= 0.005"),
    ],
    ids=lambda value: "" if callable(value) else str(value),
)
def test_a_gate_keeps_its_figure_and_its_limit(made: Any, value: float, limit: str, play: Any) -> None:
    evidence = made(play)
    stage = {Physics: "physics", Outlines: "outline", View: "view", Picture: "picture", Family: "family"}
    said = {(round(gate.value, 9), gate.limit) for gate in judge(stage[type(evidence)], evidence)}
    assert (value, limit) in said


def test_limits_are_inside_and_the_first_that_fails_is_the_reason() -> None:
    assert at_most("a", 2.0, 2.0).passed and not at_most("a", 2.1, 2.0).passed
    assert at_least("a", 2.0, 2.0).passed and not at_least("a", 1.9, 2.0).passed
    assert [within("a", value, (1.0, 2.0)).passed for value in (0.9, 1.0, 2.0, 2.1)] == [False, True, True, False]
    assert not at_most("a", float("nan"), 2.0).passed and not at_least("a", float("nan"), 2.0).passed
    gates = (at_most("fine", 1.0, 2.0), at_most("speed", 3.0, 2.0, "m/s"), at_least("size", 0.0, 1.0))
    assert first_reject(gates) == Reject(gate="speed", reason="speed is 3, wanted <= 2 m/s")
    assert first_reject(gates[:1]) is None


# Rejects that are no gates.


SAMPLE = SampleId(index=0, key="anything-000000", scene="anything", split="train")


def kit_of(scene: Scene) -> Any:
    """What an attempt needs, without assets and without Blender."""
    return SimpleNamespace(
        seed=5,
        recipe=SimpleNamespace(render=SimpleNamespace(width=SIDE, height=SIDE), assets=AssetChoice()),
        scenes={"anything": scene},
        catalog=SimpleNamespace(mesh=None),
    )


def board(play: Any, goes_m: float = 0.4, **options: Any) -> Rollout:
    """A board of 4 % of the picture that goes along x."""
    return scene_of(play, (Board(-0.2, 0.2, 0.2, goes_m=goes_m, **options),))[0]


def test_a_scene_in_which_nothing_fits_is_rejected() -> None:
    class Crowded(Anything):
        def sample(self, draw: Draw) -> SceneSpec:
            raise NothingFits("no room for a mug")

    assert draw_event(kit_of(Crowded()), SAMPLE, 0, 0) == Reject(gate="nothing_fits", reason="no room for a mug")


def test_an_event_that_moves_what_it_acts_upon_is_one(play: Any) -> None:
    event = certify(Anything(), board(play), 3)
    assert isinstance(event, Event)
    assert (event.number, event.moved) == (3, (1,))
    assert all(gate.passed for gate in event.gates) and len(event.gates) == 7


def test_an_event_that_changes_nothing_it_acts_upon_is_rejected(play: Any) -> None:
    stayed = certify(Anything(), board(play, goes_m=0.0), 0)
    assert isinstance(stayed, Reject) and stayed.gate == "actor_stayed"
    other_moves = scene_of(play, (IN, Board(0.4, 0.1, 0.1, goes_m=0.1, role="affected")))[0]
    assert isinstance(reject := certify(Anything(), other_moves, 0), Reject) and reject.gate == "actor_stayed"


def test_where_no_body_is_acted_upon_it_is_the_light_that_must_change(play: Any) -> None:
    still = board(play, goes_m=0.0, role="bystander")
    assert isinstance(reject := certify(Anything(), still, 0), Reject) and reject.gate == "actor_stayed"
    lamp = Light(kind="area", name="lamp", position_m=(0.0, 0.0, 2.0), power=60.0)
    relit = still.relit("lamp", lambda phase: replace(lamp, power=60.0 * phase))
    assert isinstance(certify(Anything(), relit, 0), Event)


def test_a_scene_may_have_a_reason_of_its_own_and_physics_is_asked_first(play: Any) -> None:
    class Picky(Anything):
        def reject(self, rollout: Rollout) -> str | None:
            return "it only slides"

    assert certify(Picky(), board(play), 0) == Reject(gate="scene_anything", reason="it only slides")
    fast = replace(board(play), settled_mps=1.0)
    assert isinstance(reject := certify(Picky(), fast, 0), Reject) and reject.gate == "start_speed"


def test_roles_follow_what_moved(play: Any) -> None:
    rollout, _ = scene_of(
        play,
        (
            Board(0.0, 0.1, 0.1, goes_m=0.1),
            Board(0.3, 0.1, 0.1, goes_m=0.1, role="bystander"),
            Board(-0.3, 0.1, 0.1, role="affected"),
            Board(-0.4, 0.1, 0.1, role="bystander"),
        ),
    )
    event = certify(Anything(), rollout, 0)
    assert isinstance(event, Event)
    assert [body.role for body in event.rollout.bodies] == ["actor", "affected", "bystander", "bystander"]


def described(play: Any, rollout: Rollout, scene: Scene) -> Described | Reject:
    event = certify(scene, rollout, 0)
    assert isinstance(event, Event)
    shapes = {body.id: Shape.box(body.size_m) for body in rollout.spec.bodies}
    return describe(kit_of(scene), scene, event, AHEAD, shapes, numbers=(0, 0))


def test_what_the_camera_shows_may_be_the_scenes_reason_and_outlines_are_asked_next(play: Any) -> None:
    class Mirror(Anything):
        def observe(self, rollout: Rollout, camera: Camera, mesh_of: Any) -> Rollout | str:
            return "the mirror shows nothing"

    assert described(play, board(play), Mirror()) == Reject(gate="scene_anything", reason="the mirror shows nothing")
    assert isinstance(reject := described(play, board(play, goes_m=2.0), Anything()), Reject)
    assert reject.gate == "in_frame"


class Told(Anything):
    """A scene that can be put in words."""

    phrases = Phrases(superficial=("Push {actor}.",), intermediate=("Push {actor}.",), explicit=("Push {actor}.",))


def test_a_finished_pair_has_every_gate_of_physics_view_and_picture(play: Any) -> None:
    member = described(play, board(play), Told())
    assert isinstance(member, Described)
    shapes = {1: Shape.box((0.2, 0.0, 0.2))}
    start, end = view(Board(-0.2, 0.2, 0.2, goes_m=0.4))(play).ids
    before, after = (
        frame(np.where(ids[..., None] == 1, 170, 120).astype(np.uint8).repeat(3, -1), ids) for ids in (start, end)
    )
    judged = judge_pair(Told(), member, AHEAD, shapes, before, after)
    assert not isinstance(judged, Reject)
    evidence = {"physics": physics(), "view": view(IN), "picture": pictures()}
    names = [gate.name for stage, made in evidence.items() for gate in judge(stage, made(play))]
    assert [gate.name for gate in judged.gates] == names and len(names) == 16
    unseen = judge_pair(Told(), member, AHEAD, shapes, before, replace(after, rgb=before.rgb))
    assert isinstance(unseen, Reject) and unseen.gate == "visible_change"


class Script(Anything):
    """A scene in which these rollouts happen, one after the other."""

    def __init__(self, *rollouts: Rollout) -> None:
        self.rollouts, self.drawn = rollouts, 0

    def sample(self, draw: Draw) -> SceneSpec:
        self.drawn += 1
        return self.rollouts[(self.drawn - 1) % len(self.rollouts)].spec


def pushed(rollout: Rollout, number: int) -> Rollout:
    """As if by another push."""
    return replace(rollout, spec=replace(rollout.spec, events=(replace(PUSH, impulse_ns=(0.1 * number, 0.0, 0.0)),)))


def tried(script: Script, size: int, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The gates of rejects, and the numbers of events, of a family of that size."""

    def simulated(kit: Any, scene: str, spec: SceneSpec) -> Rollout:
        return script.rollouts[(script.drawn - 1) % len(script.rollouts)]

    monkeypatch.setattr(family, "simulate_event", simulated)
    first = replace(SAMPLE, family_size=size)
    found = family.possible_events(kit_of(script), first, 0, clock=Clock(), notice=lambda assets: None)
    return [one.gate if isinstance(one, Reject) else one.number for one in found]


def test_the_same_event_once_more_is_not_another_member(play: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = pushed(board(play), 1), pushed(board(play), 2)
    assert tried(Script(one, one, other, one, one, one, one, one), 2, monkeypatch)[:4] == [
        0,
        "family_distinct",
        2,
        "family_distinct",
    ]


def test_another_start_is_not_of_the_family(play: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = pushed(scene_of(play, (Board(-0.1, 0.2, 0.2, goes_m=0.3),))[0], 2)
    script = Script(pushed(board(play), 1), elsewhere, *(pushed(board(play), n) for n in range(3, 9)))
    assert tried(script, 2, monkeypatch) == [0, "family_start", 2, 3, 4, 5, 6, 7]


def test_a_scene_whose_first_events_all_fail_is_given_up(play: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    stays = [pushed(board(play, goes_m=0.0), n) for n in range(1, 9)]
    assert tried(Script(*stays), 2, monkeypatch) == ["actor_stayed"] * 2
    assert tried(Script(stays[0]), 1, monkeypatch) == ["actor_stayed"]
    late = [stays[0], pushed(board(play), 2), *stays[2:]]
    assert tried(Script(*late), 2, monkeypatch) == ["actor_stayed", 1, *["actor_stayed"] * 6]


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda r: r, None),
        (lambda r: replace(r, roles=((1, "affected"),)), None),
        (lambda r: replace(r, spec=replace(r.spec, render_seed=1)), "render_seed"),
        (lambda r: replace(r, spec=replace(r.spec, gravity_mps2=(0.0, 0.0, -1.6))), "gravity_mps2"),
        (lambda r: replace(r, spec=replace(r.spec, bodies=(replace(r.spec.bodies[0], mass_kg=1.0),))), "bodies"),
        (lambda r: replace(r, start_index=100), "the pose of body 1"),
        (lambda r: r.shown(1, lambda phase: phase > 0), "the presence of body 1"),
        (lambda r: r.surrounded(lambda phase: replace(r.spec.environment, strength=2.0)), "environment"),
    ],
)
def test_a_family_begins_with_one_picture(change: Any, found: str | None, play: Any) -> None:
    assert other_start(board(play), change(board(play))) == found


def test_a_family_that_cannot_be_made_is_a_reason_for_each_of_its_members(monkeypatch: pytest.MonkeyPatch) -> None:
    dull = Reject(gate="actor_stayed", reason="the event changed nothing that it acts upon")
    monkeypatch.setattr(maker, "make_family", lambda *arguments, **options: ([], [dull]))
    made = maker.Maker(load_recipe("topple", overrides=["family=2", "max_attempts=3"]), seed=0)
    first = SampleId(index=0, key="topple-000000", scene="topple", split="train", family_size=2)
    lead, other = made.make(first), made.make(first.at(1))
    assert [(reject.gate, reject.attempt) for reject in lead.rejects] == [("actor_stayed", n) for n in range(3)]
    assert other.rejects == (Reject(gate="family", reason="topple-000000 has no family of 2"),)
    assert lead.sample is None and other.sample is None
