"""Sentences against hand-made rollouts: what is said is true as the camera sees it, or it is not said."""

import dataclasses
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simgen.core.errors import UnknownName, UsageError
from simgen.core.geometry import look_at, project, quat_from_axis_angle, random_quat
from simgen.core.sample import Reject
from simgen.language import sentences
from simgen.language.claims import TIERS, Claim
from simgen.language.facts import observe
from simgen.language.sentences import (
    Compiled,
    check_claims,
    check_phrases,
    check_sentence,
    compile_instructions,
    expansions,
)
from simgen.language.words import BODY_FACTS, GROUP_FACTS, distance_words, name, say
from simgen.scene import registry as scenes
from simgen.scene.registry import Phrases, Scene
from simgen.storage.resources import folder

SIDES = {"front": -90.0, "right": 0.0, "behind": 90.0, "left": 180.0}
"""Azimuth of the camera; from the front +x is to the right."""


@dataclass(frozen=True, kw_only=True)
class Told(Scene):
    """A scene that is only its words."""

    law = "none"
    types = (21,)


def told(pattern: str, stage: Any, *, camera: Any = None, claims: tuple[str, ...] = (), seed: int = 0) -> str:
    """The explicit sentence that a pattern gives; the reason where there is none."""
    result = compiled(pattern, stage, camera=camera, claims=claims, seed=seed)
    return result.reason if isinstance(result, Reject) else result.instructions.explicit


def compiled(
    pattern: str, stage: Any, *, camera: Any = None, claims: tuple[str, ...] = (), seed: int = 0
) -> Compiled | Reject:
    @dataclass(frozen=True, kw_only=True)
    class Spoken(Told):
        phrases = Phrases(superficial=("Watch.",), intermediate=("Watch.",), explicit=(pattern,))

    Spoken.claims = claims
    rollout, camera = stage.roll_out(), camera or stage.camera()
    result = compile_instructions(Spoken(), rollout, camera, np.random.default_rng(seed))
    if isinstance(result, Compiled):
        assert check_claims(result.claims, rollout, camera) == []
    return result


NONE = "no explicit phrase is true of what happened"


# Directions


@pytest.mark.parametrize(
    ("side", "words"),
    [
        ("front", "to the right"),
        ("behind", "to the left"),
        ("right", "towards the camera"),
        ("left", "away from the camera"),
    ],
)
def test_right_seen_from_the_front_is_left_from_behind(play: Any, side: str, words: str) -> None:
    stage = play()
    stage.add("blue mug", (0, 0), play.slides(0.2, 0), role="actor")
    assert told("{actor} goes {direction}.", stage, camera=play.camera(SIDES[side])) == f"The blue mug goes {words}."


@pytest.mark.parametrize(
    ("x", "y", "words"),
    [
        (0.2, 0.2, "to the right and away from the camera"),
        (-0.2, 0.2, "to the left and away from the camera"),
        (-0.2, -0.2, "to the left and towards the camera"),
        (0.2, -0.2, "to the right and towards the camera"),
        (0.2, 0.05, "to the right"),
    ],
)
def test_a_diagonal_has_both_words(play: Any, x: float, y: float, words: str) -> None:
    stage = play()
    stage.add("blue mug", (0, 0), play.slides(x, y), role="actor")
    assert told("{actor} goes {direction}.", stage) == f"The blue mug goes {words}."


@pytest.mark.parametrize("degrees", [27.5, 62.5, 117.5, 242.5, 332.5])
def test_between_an_axis_and_a_diagonal_no_direction_is_named(play: Any, degrees: float) -> None:
    stage = play()
    angle = np.radians(degrees)
    stage.add("blue mug", (0, 0), play.slides(0.2 * np.cos(angle), 0.2 * np.sin(angle)), role="actor")
    assert told("{actor} moves {distance}< {direction}>.", stage) == "The blue mug moves about 20 cm."
    assert told("{actor} goes {direction}.", stage) == NONE


def test_under_three_centimetres_no_direction_is_named(play: Any) -> None:
    stage = play()
    stage.add("blue mug", (0, 0), play.slides(0.025, 0), role="actor")
    assert told("{actor} goes {direction}.", stage) == NONE


def test_at_the_edge_of_the_picture_the_line_of_sight_must_agree(play: Any) -> None:
    stage = play()
    camera = play.camera()
    # Straight along the camera's axis; but out here that is a good way across the line of sight, too.
    stage.add("blue mug", (0.7, 0), play.slides(0, 0.2), role="actor")
    assert told("{actor} goes {direction}.", stage, camera=camera) == NONE


def test_from_straight_above_only_left_and_right_are_named(play: Any) -> None:
    camera = play.camera(elevation_deg=80.0)
    for x, y, words in ((0.2, 0.0, "The blue mug goes to the right."), (0.0, 0.2, NONE)):
        stage = play()
        stage.add("blue mug", (0, 0), play.slides(x, y), role="actor")
        assert told("{actor} goes {direction}.", stage, camera=camera) == words


@pytest.mark.parametrize(("side", "words"), [("front", "left"), ("behind", "right")])
def test_the_fall_direction_is_the_way_the_top_goes(play: Any, side: str, words: str) -> None:
    stage = play()
    stage.add("blue mug", (0, 0), play.topples(-1, 0), role="actor")
    said = told("{actor} topples (actor toppled) {fall direction}.", stage, camera=play.camera(SIDES[side]))
    assert said == f"The blue mug topples to the {words}."


# Numbers


@given(st.floats(0.0, 5.0))
def test_a_distance_in_words_is_within_15_percent_or_1_cm(metres: float) -> None:
    words = distance_words(metres)
    if words is None:
        assert metres < 0.015
        return
    found = re.fullmatch(r"about ([\d.]+) (cm|m)", words)
    assert found is not None
    said = float(found[1]) * (0.01 if found[2] == "cm" else 1.0)
    assert abs(said - metres) <= max(0.15 * metres, 0.01)


@pytest.mark.parametrize(
    ("metres", "words"),
    [
        (0.141, "about 14 cm"),
        (0.132, "about 13 cm"),
        (0.23, "about 25 cm"),
        (0.99, "about 1 m"),
        (1.24, "about 1.2 m"),
        (0.01, None),
    ],
)
def test_distances_are_rounded_as_people_do(metres: float, words: str | None) -> None:
    assert distance_words(metres) == words


def test_the_way_down_a_ramp_is_longer_than_the_distance_over_the_ground(play: Any) -> None:
    stage = play()
    stage.add("book", (0, 0, 0.5), play.slides(0.3, 0, -0.4), role="actor")
    assert told("{actor}: {distance}, {travel}.", stage) == "The book: about 30 cm, about 50 cm."


def test_turns_and_bounces_are_counted(play: Any) -> None:
    stage = play()
    ball = {"role": "actor", "shape": "ball", "size_m": (0.08,) * 3}
    stage.add("red ball", (0, 0), play.rolls(2 * np.pi * 0.04 * 1.5, 0, 0.04), **ball)
    assert told("{actor} makes {turns}.", stage) == "The red ball makes about one and a half turns."
    stage = play()
    stage.add("red ball", (0, 0, 0.34), play.drops(0.3, bounce_m=0.06), **ball, grounded=(0.5, 0.505))
    stage.touch(1, 0, 0.7)
    said = told("{actor} falls (actor fell) {drop height} and jumps {bounces}.", stage)
    assert said == "The red ball falls about 30 cm and jumps once."


# Names


def test_two_bodies_of_one_label_are_told_apart_as_the_camera_sees_them(play: Any) -> None:
    for side, words in (("front", "left"), ("behind", "right"), ("right", "nearer"), ("left", "farther")):
        stage = play()
        spot = (-0.2, 0) if side in ("front", "behind") else (0.2, 0)
        stage.add("blue ball", spot, play.slides(0, 0.1), role="actor", size_m=(0.08,) * 3)
        stage.add("blue ball", (-spot[0], 0), size_m=(0.08,) * 3)
        assert told("Push {actor}.", stage, camera=play.camera(SIDES[side])) == f"Push the {words} blue ball."


def test_the_same_place_for_two_bodies_of_one_label_has_no_name(play: Any) -> None:
    stage = play()
    stage.add("blue ball", (0.01, 0.01), play.slides(0, 0.1), role="actor", size_m=(0.08,) * 3)
    stage.add("blue ball", (-0.01, -0.01), size_m=(0.08,) * 3)
    assert told("Push {actor}.", stage) == NONE


def test_some_of_many_are_named_one_by_one_where_something_is_to_be_done_with_them(play: Any) -> None:
    def three(spots: tuple[tuple[float, float], ...], role: str) -> Any:
        stage = play()
        for k, spot in enumerate(spots):
            part = role if k < 2 else "bystander"
            stage.add("blue ball", spot, play.slides(0, 0.1) if k < 2 else None, role=part, size_m=(0.08,) * 3)
        return stage

    row, heap = ((-0.3, 0), (0.3, 0), (0, 0)), ((-0.01, 0.01), (0.01, -0.01), (0, 0))
    assert told("Push {actor}.", three(row, "actor")) == "Push the leftmost blue ball and the rightmost blue ball."
    assert told("Push {actor}.", three(heap, "actor")) == NONE
    heaped = three(heap, "affected")
    heaped.add("red book", (0.5, 0), role="actor")
    assert told("{others} are pushed.", heaped) == "Two of the three blue balls are pushed."


def test_a_ball_is_not_the_ball_where_there_is_a_blue_ball(play: Any) -> None:
    stage = play()
    stage.add("ball", (-0.2, 0), play.slides(0, 0.1), role="actor", size_m=(0.08,) * 3)
    stage.add("blue ball", (0.2, 0), size_m=(0.08,) * 3)
    assert told("Push {actor}.", stage) == "Push the left ball."
    assert told("Push {bystanders}.", stage) == "Push the blue ball."


def test_a_tower_is_named_from_its_ends_and_a_row_by_its_order(play: Any) -> None:
    stage = play()
    for k in range(5):
        stage.add("wooden block", (0, 0, 0.025 + 0.05 * k), size_m=(0.05,) * 3, shape="box")
    facts = observe(stage.roll_out(), stage.camera())
    assert [name((b,), facts) for b in (1, 2, 3, 4, 5)] == [
        "the bottom wooden block",
        "the second wooden block from the bottom",
        "the third wooden block from the bottom",
        "the second wooden block from the top",
        "the top wooden block",
    ]
    stage = play()
    for k in range(3):
        stage.add("wooden block", (0.2 * k, 0), size_m=(0.05,) * 3, shape="box")
    facts = observe(stage.roll_out(), stage.camera(SIDES["behind"]))
    assert [name((b,), facts) for b in (1, 2, 3)] == [
        "the rightmost wooden block",
        "the middle wooden block",
        "the leftmost wooden block",
    ]


def test_lists_have_articles_counts_and_an_and(play: Any) -> None:
    stage = play()
    stage.add("blue mug", (0, 0), play.slides(0.1, 0), role="actor")
    for k, label in enumerate(["wooden block", "wooden block", "red book", "box of crackers"]):
        stage.add(label, (0.2 * k - 0.4, 0.3), play.slides(0.1, 0), role="affected")
    assert told("{actor} pushes {others}.", stage) == (
        "The blue mug pushes the two wooden blocks, the red book and the box of crackers."
    )


@pytest.mark.parametrize(
    ("label", "many"),
    [
        ("white mug with a yellow handle", "white mugs with a yellow handle"),
        ("box of crackers", "boxes of crackers"),
        ("brown and white toy horse", "brown and white toy horses"),
        ("domino", "dominoes"),
        ("butter knife", "butter knives"),
        ("teddy", "teddies"),
        ("toy", "toys"),
        ("red scissors", "pairs of red scissors"),
    ],
)
def test_plurals_bend_the_word_that_says_what_a_thing_is(play: Any, label: str, many: str) -> None:
    stage = play()
    for k in range(2):
        stage.add(label, (0.2 * k, 0), play.slides(0, 0.1), role="affected")
    stage.add("candle", (-0.2, 0), role="actor")
    assert told("{others}.", stage) == f"The two {many}."


def row_of_dominoes(play: Any, falling: int, labels: tuple[str, ...] = ("white domino",)) -> Any:
    stage = play()
    for k in range(5):
        motion = play.topples(1, 0, 0.05, 0.01) if k < falling else None
        at, role = (0.06 * k - 0.12, 0), "affected" if k else "actor"
        stage.add(labels[k % len(labels)], at, motion, role=role, size_m=(0.01, 0.025, 0.05), shape="box")
        if k and k < falling:
            stage.touch(k, k + 1, 0.3 + 0.05 * k, 0.35 + 0.05 * k)
    return stage


@pytest.mark.parametrize("labels", [("white domino",), ("white domino", "red domino")])
def test_the_fallen_are_counted_and_the_rest_are_the_others(play: Any, labels: tuple[str, ...]) -> None:
    noun = "dominoes" if len(labels) > 1 else "white dominoes"
    stage = row_of_dominoes(play, 5, labels)
    assert told("{fallen} {falls/fall} (all pieces fell).", stage) == f"All five {noun} fall."
    first = "the leftmost white domino"
    assert told("{actor} starts {others}.", stage) == f"{first.capitalize()} starts the other four {noun}."
    stage = row_of_dominoes(play, 3, labels)
    assert told("{count} {falls/fall} (some pieces fell).", stage) == "Three of the five fall."
    assert told("{fallen} lie.", stage) == f"Three of the five {noun} lie."


def test_the_others_is_said_only_once_the_rest_have_been_named(play: Any) -> None:
    stage = row_of_dominoes(play, 5)
    assert told("{others} fall (all others fell).", stage) == "Four of the five white dominoes fall."
    assert told("{fallen}, {actor}.", stage) == "All five white dominoes, the leftmost white domino."


def test_dominoes_of_the_same_kind_that_play_no_part_are_counted_in(play: Any) -> None:
    stage = row_of_dominoes(play, 3)
    stage.bodies[3:] = [dataclasses.replace(body, role="bystander") for body in stage.bodies[3:]]
    assert told("{count} {falls/fall} (some pieces fell).", stage) == "Three of the five fall."
    assert told("{affected.count} fall (affected fell).", stage) == NONE


def test_a_verb_agrees_with_the_bodies_named_last(play: Any) -> None:
    for falling, words in ((2, "falls"), (3, "fall")):
        stage = row_of_dominoes(play, falling)
        said = told("With {actor}, {others} {falls/fall} (all others fell).", stage)
        assert said.split()[-1] == f"{words}."


def test_the_pose_of_several_is_in_the_plural(play: Any) -> None:
    stage = play()
    for k in range(2):
        stage.add("mug", (0.3 * k, 0), play.topples(0, -1), role="actor")
    assert told("{actor} end up {pose}.", stage) == "The two mugs end up on their sides."


# Where things end


def test_supports_neighbours_and_places_are_named(play: Any) -> None:
    stage = play(stage="floor")
    stage.add("blue mug", (-0.45, 0), play.slides(0.17, 0), role="actor")
    stage.add("red book", (-0.18, 0))
    said = told("{actor} ends on {support} {beside}, {place}.", stage)
    assert said == "The blue mug ends on the floor next to the red book, in the left third of the picture."
    assert told("{actor} was on {start support}.", stage) == "The blue mug was on the floor."


def test_a_thing_that_falls_onto_another_ends_on_it(play: Any) -> None:
    stage = play()
    stage.add("box", (0, 0), size_m=(0.2, 0.2, 0.1))
    stage.add("blue mug", (0, 0, 0.45), play.drops(0.3), role="actor", on=1, grounded=(0.5, 1.0))
    said = told("{actor} falls {drop height} onto {support} (actor dropped).", stage)
    assert said == "The blue mug falls about 30 cm onto the box."


def test_a_leaning_thing_says_against_what(play: Any) -> None:
    stage = play()
    stage.add("bottle", (0, 0), play.topples(1, 0, degrees=50), role="actor", size_m=(0.07, 0.07, 0.25))
    stage.add("box", (0.2, 0))
    stage.touch(1, 2, 0.8)
    assert told("{actor} ends up {pose}.", stage) == "The bottle ends up leaning against the box."


@pytest.mark.parametrize(
    ("kind", "words"), [("table", "table"), ("floor", "floor"), ("sweep", "surface"), ("dome", "ground")]
)
def test_the_stage_has_a_plain_word(play: Any, kind: str, words: str) -> None:
    stage = play(stage=kind)
    stage.add("blue mug", (0, 0), role="actor")
    assert told("{actor} on {stage}.", stage) == f"The blue mug on the {words}."


def test_an_outcome_is_a_clause_for_each_body(play: Any) -> None:
    stage = play()
    stage.add("candle", (0, 0.3), play.slides(0.1, 0), role="actor")
    stage.add("red can", (-0.2, 0), play.topples(-1, 0), role="affected")
    stage.add("blue ball", (0.1, 0), play.rolls(0.2, 0, 0.04), role="affected", shape="ball", size_m=(0.08,) * 3)
    assert told("{others.outcome}.", stage) == (
        "The red can topples to the left and ends up on its side; the blue ball rolls about 20 cm to the right."
    )


# Patterns


def test_an_optional_part_is_dropped_where_a_slot_or_a_claim_fails(play: Any) -> None:
    stage = play()
    stage.add("blue mug", (0, 0), play.slides(0.2, 0), role="actor")
    pattern = "{actor} goes<, (actor rolled) rolling><, jumping {bounces}>< {direction}>."
    assert told(pattern, stage) == "The blue mug goes to the right."


def test_of_several_alternatives_only_true_ones_are_drawn(play: Any) -> None:
    stage = play()
    stage.add("blue mug", (0, 0), play.slides(0.2, 0), role="actor")
    pattern = "{actor} [rolls (actor rolled)|slides (actor slid)|jumps {bounces}]."
    assert {told(pattern, stage, seed=seed) for seed in range(8)} == {"The blue mug slides."}


def test_alternatives_are_all_drawn_in_time_and_the_seed_decides(play: Any) -> None:
    stage = play()
    stage.add("blue mug", (0, 0), role="actor")
    said = [told("[Take|Lift|Move [up|away]] {actor}.", stage, seed=seed) for seed in range(40)]
    assert set(said) == {f"{verb} the blue mug." for verb in ("Take", "Lift", "Move up", "Move away")}
    assert said[0] == told("[Take|Lift|Move [up|away]] {actor}.", stage, seed=0)


def test_everything_else_counts_from_what_the_sentence_has_named(play: Any) -> None:
    stage = play()
    stage.add("blue mug", (0, 0), play.slides(0.2, 0), role="actor")
    stage.add("red book", (0.3, 0), play.slides(0.1, 0), role="affected")
    tail = "<; (everything else stays) everything else stays>."
    assert told("{actor} moves" + tail, stage) == "The blue mug moves."
    assert told("{actor} pushes {others}" + tail, stage) == "The blue mug pushes the red book; everything else stays."


def test_a_sentence_that_grows_too_long_loses_its_optional_parts(play: Any) -> None:
    stage = play()
    stage.add("blue mug", (0, 0), play.slides(0.2, 0), role="actor")
    assert told("{actor} moves<, " + "very far " * 50 + ">.", stage) == "The blue mug moves."
    assert told("{actor} moves, " + "so very far " * 40 + ".", stage) == NONE


def test_articles_and_capitals_come_by_themselves(play: Any) -> None:
    stage = play()
    stage.add("orange mug", (0, 0), role="actor")
    assert (
        told("take a {actor.label}. {actor} is a used one.", stage)
        == "Take an orange mug. The orange mug is a used one."
    )


def test_a_claim_of_the_scene_that_does_not_hold_rejects_with_its_figure(play: Any) -> None:
    stage = play()
    stage.add("blue mug", (0, 0), play.topples(1, 0, degrees=30), role="actor")
    result = compiled("{actor}.", stage, claims=("actor toppled",))
    assert isinstance(result, Reject)
    assert result.gate == "claim: actor toppled"
    assert "30 deg" in result.reason


def test_every_claim_is_kept_with_its_figure_and_its_tiers(play: Any) -> None:
    stage = play()
    stage.add("blue mug", (0, 0), play.slides(0.14, 0), role="actor")
    result = compiled("{actor} slides (actor slid) {distance} {direction}.", stage, claims=("actor slid",))
    assert isinstance(result, Compiled)
    found = {claim.name: claim for claim in result.claims}
    assert set(found) == {"slid", "name", "distance", "direction"}
    assert found["slid"].tiers == TIERS
    assert found["distance"].tiers == ("explicit",)
    assert (found["distance"].said, found["distance"].unit) == ("about 14 cm", "m")
    assert found["distance"].value == pytest.approx(0.14, abs=0.001)


def test_claims_are_found_false_in_another_rollout(play: Any) -> None:
    def stage_with(x: float) -> Any:
        stage = play()
        stage.add("blue mug", (0, 0), play.slides(x, 0), role="actor")
        return stage

    result = compiled("{actor} slides (actor slid) {distance} {direction}.", stage_with(0.14))
    assert isinstance(result, Compiled)
    shorter, back = stage_with(0.09), stage_with(-0.14)
    assert any(
        "about 9 cm" in fault or "is 0.0" in fault
        for fault in check_claims(result.claims, shorter.roll_out(), shorter.camera())
    )
    assert any("direction" in fault for fault in check_claims(result.claims, back.roll_out(), back.camera()))
    lie = Claim(name="distance", bodies=(1,), said="about 20 cm", value=0.14, unit="m", holds=True)
    same = stage_with(0.14)
    assert len(check_claims((lie,), same.roll_out(), same.camera())) >= 1


@pytest.mark.parametrize(
    ("pattern", "complaint"),
    [
        ("{actor} [tips|falls.", "']' is missing"),
        ("{actor} falls>.", "'>' without its partner"),
        ("{actor falls.", "without its partner"),
        ("{actor.directon}.", "did you mean 'direction'"),
        ("{acter.direction}.", "did you mean 'actor'"),
        ("(actor topled) {actor}.", "did you mean 'toppled'"),
        ("<{actor} falls.", "'>' is missing"),
    ],
)
def test_a_broken_pattern_says_where_and_what(play: Any, pattern: str, complaint: str) -> None:
    stage = play()
    stage.add("blue mug", (0, 0), role="actor")
    with pytest.raises(UsageError, match=re.escape(complaint)):
        told(pattern, stage)
    assert any(complaint in fault for fault in phrase_faults(pattern))


def phrase_faults(pattern: str, claims: tuple[str, ...] = ()) -> list[str]:
    return check_phrases(Phrases(superficial=(), intermediate=(), explicit=(pattern,)), claims)


def test_words_that_claim_need_a_claim_beside_them() -> None:
    assert "rolls" in phrase_faults("{actor} rolls.")[0]
    assert phrase_faults("{actor} rolls.", ("actor rolled",)) == []
    assert phrase_faults("{actor} [rolls (actor rolled)|slides (actor slid)].") == []
    assert "slides" in phrase_faults("{actor} [rolls (actor rolled)|slides].")[0]
    assert "only a slot may say" in phrase_faults("Push {actor} to the left.")[0]
    assert "only a slot may say" in phrase_faults("Push {actor} by 10 cm.")[0]
    assert phrase_faults("{actor}<, (actor rolled) rolls>.") == []
    assert len(phrase_faults("{actor}.", ("actor rollled",))) == 1


def test_a_verb_after_a_group_needs_a_claim_about_all_of_that_group() -> None:
    assert "fall" in phrase_faults("{others} {falls/fall}.", ("some affected fell",))[0]
    assert phrase_faults("{others} {falls/fall} (all others fell).") == []
    assert "rolls" in phrase_faults("{struck} rolls.", ("actor rolled",))[0]
    assert phrase_faults("{fallen} {falls/fall}.") == []


def test_expansions_count_distinct_texts() -> None:
    phrases = Phrases(
        superficial=("[Tip|Push] {actor} [over|off].", "Tip {actor} over."),
        intermediate=("{actor}< falls>.",),
        explicit=("[a|b|[c|d]] {x/y}.", "[a (actor moved)|a] x."),
    )
    assert expansions(phrases) == {"superficial": 4, "intermediate": 1, "explicit": 4}


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("Push the blue mug.", ""),
        ("push the blue mug.", "capital"),
        ("Push the blue mug", "full stop"),
        ("Push the blue_mug.", "underscore"),
        ("Push the {actor}.", "unfilled"),
        ("Push the mug [over.", "unfilled"),
        ("Push the mug3.", "digit glued"),
        ("Push the mug 14cm.", "digit glued"),
        ("Push the RoomMug.", "asset"),
        ("Push gso:mug.", "asset"),
        ("Push  the mug.", "double space"),
        ("Push the mug..", "punctuation"),
        ("Push the mug , please.", "punctuation"),
        ("Push the the mug.", "twice"),
        ("Push a orange mug.", "a where an"),
        ("Push an hour glass on an 8 cm block and a used box.", ""),
        ("Push an unit.", "a where an"),
        ("Push the mug. it falls.", "small first letter"),
        ("Push the mug.\n", "line break"),
        ("Push a the mug.", "article"),
        ("The mug falls and ends up.", "left hanging"),
        ("The mug rests next to, it seems, the box.", "left hanging"),
        ("It moves about 1.2 m, then stops; all is well.", ""),
        ("P" + "u" * 400 + ".", "characters"),
        ("", "capital"),
    ],
)
def test_mechanical_faults_are_found(text: str, fault: str) -> None:
    faults = check_sentence(text)
    assert (faults == []) if not fault else any(fault in found for found in faults), faults


# Whatever happens, what is said is true

LABELS = [
    "blue ball",
    "ball",
    "white mug with a yellow handle",
    "wooden block",
    "red book",
    "egg box",
    "orange mug",
    "domino",
]
SCENE_SLOTS = [
    "{actor}", "{affected}", "{others}", "{struck}", "{props}", "{actor.label}", "{direction}", "{fall direction}",
    "{distance}", "{travel}", "{drop height}", "{support}", "{start support}", "{pose}", "{turns}", "{bounces}",
    "{beside}", "{place}", "{count}", "{fallen}", "{others.outcome}", "{others.direction}", "{actor.outcome}",
    "{struck.does}", "{actor.does}",
]  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Anything(Told):
    """Every slot and many claims, each wherever it can be said."""

    phrases = Phrases(
        superficial=("Look at [{actor}|{affected}|{others}|{bystanders}|it].",),
        intermediate=(*(f"Here {slot} is." for slot in SCENE_SLOTS), "Nothing can be told."),
        explicit=(
            "So<, (actor rolled) the first rolls><, {actor} {is/are} there><, it goes< {distance}> {direction}>"
            "<, {fallen} {falls/fall}><, {others} {moves/move}><, (everything else stays) all else stays>.",
        ),
    )


@st.composite
def plays(draw: Callable[[Any], Any], play: Any) -> Any:
    """A stage with one to six bodies that do anything at all, physical or not."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    stage = play(stage=draw(st.sampled_from(["table", "floor", "sweep", "dome"])))
    count = draw(st.integers(1, 6))
    for k in range(count):
        at = (*rng.uniform(-0.4, 0.4, 2), float(rng.uniform(0, 0.4)))
        way, far = rng.uniform(0, 2 * np.pi), float(rng.choice([0.004, 0.02, 0.15, 0.4]))
        x, y = far * np.cos(way), far * np.sin(way)
        motion = draw(
            st.sampled_from(
                [
                    None,
                    play.slides(x, y),
                    play.topples(x, y),
                    play.rolls(x, y, 0.04),
                    play.drops(0.2, bounce_m=0.03, x=x),
                ]
            )
        )
        grounded = draw(st.sampled_from([None, (0.0, 1.0), (0.0, 0.1), (0.5, 1.0), (0.5, 0.51)]))
        stage.add(
            draw(st.sampled_from(LABELS)),
            at,
            motion,
            role="actor" if k == 0 else draw(st.sampled_from(["actor", "affected", "affected", "bystander", "prop"])),
            size_m=tuple(rng.choice([0.03, 0.08, 0.081, 0.2], 3)),
            shape=draw(st.sampled_from(["asset", "asset", "box", "ball"])),
            turned=random_quat(rng) if draw(st.booleans()) else (1.0, 0.0, 0.0, 0.0),
            grounded=grounded,
            gone_at=draw(st.sampled_from([None, None, None, 0.3])),
        )
    for _ in range(draw(st.integers(0, 4))):
        if count > 1:
            one, other = rng.choice(count, 2, replace=False) + 1
            stage.touch(int(one), int(other), float(rng.uniform(0, 1)), 1.0 if rng.random() < 0.5 else 0.0)
    return stage


@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_no_rollout_yields_a_false_claim_or_a_malformed_sentence(play: Any, data: Any) -> None:
    stage = data.draw(plays(play))
    camera = play.camera(
        data.draw(st.floats(-180, 180)),
        data.draw(st.sampled_from([5.0, 20.0, 45.0, 80.0])),
        data.draw(st.floats(0.6, 3)),
    )
    rollout = stage.roll_out()
    result = compile_instructions(Anything(), rollout, camera, np.random.default_rng(data.draw(st.integers(0, 99))))
    if isinstance(result, Reject):
        return
    for text in dataclasses.astuple(result.instructions):
        assert check_sentence(text) == []
    assert check_claims(result.claims, rollout, camera) == []
    for claim in result.claims:
        assert claim.holds
        assert claim.tiers
        assert bear_out(claim, rollout, camera), claim


def bear_out(claim: Claim, rollout: Any, camera: Any) -> bool:
    """The plainest facts measured once more, without a line of the code under test."""
    if claim.name not in ("direction", "distance", "slid", "rolled", "removed", "everything else stays", "count"):
        return True
    track = rollout.poses(claim.bodies[0]) if claim.bodies else None
    if claim.name == "everything else stays":
        return all(np.abs(np.ptp(rollout.poses(b).position_m[[0, -1]], axis=0)).max() <= 0.005 for b in claim.bodies)
    assert track is not None
    start, end = track.position_m[0], track.position_m[-1]
    if claim.name == "distance":
        said = float(re.findall(r"[\d.]+", claim.said)[0]) * (0.01 if claim.said.endswith("cm") else 1.0)
        true = float(np.hypot(*(end - start)[:2]))
        return abs(said - true) <= max(0.15 * true, 0.01)
    if claim.name == "direction":
        pixels, _ = project(camera, np.stack([start, end]), 100, 100)
        axes = look_at(camera.position_m, camera.look_at_m)
        along = (end - start) @ axes
        nearer = np.linalg.norm((start - camera.position_m)[:2]) - np.linalg.norm((end - camera.position_m)[:2])
        return all(
            (
                "left" not in claim.said or (pixels[1, 0] < pixels[0, 0] and along[0] < 0),
                "right" not in claim.said or (pixels[1, 0] > pixels[0, 0] and along[0] > 0),
                "towards" not in claim.said or nearer > 0,
                "away" not in claim.said or nearer < 0,
            )
        )
    if claim.name == "count":
        return 0 < claim.value <= len(claim.bodies)
    if claim.name == "removed":
        return not rollout.visible(claim.bodies[0], rollout.end)
    return float(np.linalg.norm(end - start)) >= 0.0199


# The scenes of this repository


def found_scenes() -> list[str]:
    return sorted(path.stem for path in Path(folder("scenes")).glob("*.py"))


@pytest.mark.parametrize("name_of_scene", found_scenes())
def test_every_scene_has_eight_phrasings_in_each_tier_and_claims_what_it_says(name_of_scene: str) -> None:
    scenes.load_folder(Path(folder("scenes")))
    known = scenes.scenes()
    if name_of_scene not in known:
        pytest.skip("a file of the folder that registers another name")
    scene = known[name_of_scene]
    assert check_phrases(scene.phrases, scene.claims, where=name_of_scene) == []
    counts = expansions(scene.phrases)
    assert min(counts.values()) >= 8, counts


def test_how_a_body_is_turned_does_not_change_its_direction(play: Any) -> None:
    stage = play()
    turned = quat_from_axis_angle((0, 0, 1), 1.0)
    stage.add("blue mug", (0, 0), play.slides(0.2, 0), role="actor", turned=turned)
    claim = say("direction", (1,), observe(stage.roll_out(), stage.camera()))
    assert claim is not None
    assert claim.said == "to the right"


def test_an_unknown_claim_of_a_scene_is_a_users_mistake(play: Any) -> None:
    stage = play()
    stage.add("blue mug", (0, 0), role="actor")
    with pytest.raises(UnknownName, match="toppled"):
        compiled("{actor}.", stage, claims=("actor topled",))


def test_every_slot_is_in_the_docstring() -> None:
    text = sentences.__doc__ or ""
    assert [slot for slot in (*BODY_FACTS, *GROUP_FACTS, *sentences.CLAUSES) if f"\n    {slot} " not in text] == [
        "support",
        "start support",
    ]
    assert "support, start support" in text
