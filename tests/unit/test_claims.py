"""Claims against motions whose truth is known by construction."""

import dataclasses
from typing import Any

import numpy as np
import pytest

from simgen.core.errors import UnknownName
from simgen.core.geometry import quat_from_axis_angle
from simgen.language import claims as claiming
from simgen.language import predicates
from simgen.language.claims import bodies_in, check, holds
from simgen.language.facts import Facts, observe, posture

ON_ITS_SIDE = quat_from_axis_angle((1, 0, 0), np.pi / 2)


def facts(stage: Any) -> Facts:
    return observe(stage.roll_out(), stage.camera())


def true_of(stage: Any) -> set[str]:
    """Everything that holds of the actor."""
    seen = facts(stage)
    return {what for what in predicates.PREDICATES if holds(f"actor {what}", seen)}


def test_a_body_that_does_nothing_stays_upright_and_at_rest(play: Any) -> None:
    stage = play()
    stage.add("blue mug", (0, 0), role="actor")
    assert true_of(stage) == {"stayed", "at rest", "ended upright"}


def test_a_body_that_is_shifted_along_the_table_slid(play: Any) -> None:
    stage = play()
    stage.add("blue mug", (0, 0), play.slides(0.14, 0), role="actor")
    assert true_of(stage) == {"moved", "slid", "stopped", "at rest", "ended upright"}
    (claim,) = check("actor slid", facts(stage))
    assert claim.value == pytest.approx(0.14, abs=0.002)
    assert claim.unit == "m"


def test_two_millimetres_are_neither_moved_nor_slid(play: Any) -> None:
    stage = play()
    stage.add("blue mug", (0, 0), play.slides(0.002, 0), role="actor")
    assert {"moved", "slid", "stayed"} & true_of(stage) == {"stayed"}


def test_seven_millimetres_are_too_much_to_have_stayed_and_too_little_to_have_moved(play: Any) -> None:
    stage = play()
    stage.add("blue mug", (0, 0), play.slides(0.007, 0), role="actor")
    assert not {"moved", "stayed", "slid"} & true_of(stage)


def test_a_turn_of_three_degrees_on_the_spot_is_not_staying(play: Any) -> None:
    stage = play()
    stage.add("blue mug", (0, 0), lambda s: (np.zeros((len(s), 3)), _spun(np.radians(3) * s)), role="actor")
    assert "stayed" not in true_of(stage)


def test_a_mug_that_turns_over_its_edge_toppled_onto_its_side(play: Any) -> None:
    stage = play()
    stage.add("blue mug", (0, 0), play.topples(1, 0), role="actor")
    assert true_of(stage) == {"moved", "toppled", "turned over", "fell", "stopped", "at rest", "ended on its side"}
    (claim,) = check("actor toppled", facts(stage))
    assert claim.value == pytest.approx(90)


def test_a_mug_that_leans_over_by_thirty_degrees_did_not_topple(play: Any) -> None:
    stage = play()
    stage.add("blue mug", (0, 0), play.topples(1, 0, degrees=30), role="actor")
    assert not {"toppled", "fell", "slid", "ended upright"} & true_of(stage)


def test_a_ball_whose_angle_fits_its_way_rolled(play: Any) -> None:
    stage = play()
    stage.add("red ball", (0, 0), play.rolls(0.2, 0.1, 0.04), role="actor", size_m=(0.08, 0.08, 0.08), shape="ball")
    assert true_of(stage) == {"moved", "rolled", "stopped", "at rest"}


def test_a_ball_that_turns_a_third_less_than_its_way_did_not_roll(play: Any) -> None:
    stage = play()
    motion = play.rolls(0.3, 0, 0.04, slip=0.33)
    stage.add("red ball", (0, 0), motion, role="actor", size_m=(0.08, 0.08, 0.08), shape="ball")
    assert not {"rolled", "slid"} & true_of(stage)


def test_a_ball_that_spins_backwards_did_not_roll(play: Any) -> None:
    stage = play()
    motion = play.rolls(0.3, 0, 0.04, slip=2.0)
    stage.add("red ball", (0, 0), motion, role="actor", size_m=(0.08, 0.08, 0.08), shape="ball")
    assert "rolled" not in true_of(stage)


def test_a_ball_that_does_not_turn_slid(play: Any) -> None:
    stage = play()
    stage.add("red ball", (0, 0), play.slides(0.3, 0), role="actor", size_m=(0.08, 0.08, 0.08), shape="ball")
    assert {"rolled", "slid"} & true_of(stage) == {"slid"}


def test_a_can_on_its_side_rolls_by_its_own_radius_and_does_not_topple(play: Any) -> None:
    stage = play()
    size = (0.06, 0.06, 0.12)
    stage.add("tin can", (0, 0, 0.03), play.rolls(0.25, 0, 0.03), role="actor", size_m=size, turned=ON_ITS_SIDE)
    assert {"rolled", "slid", "toppled", "ended on its side"} & true_of(stage) == {"rolled", "ended on its side"}
    (claim,) = check("actor rolled", facts(stage))
    assert claim.value == pytest.approx(1, abs=0.02)


def test_a_box_never_rolls(play: Any) -> None:
    stage = play()
    stage.add("wooden block", (0, 0), play.rolls(0.3, 0, 0.04), role="actor", size_m=(0.08,) * 3, shape="box")
    assert "rolled" not in true_of(stage)


def test_a_scaled_ball_rolls_by_its_scaled_radius(play: Any) -> None:
    stage = play()
    stage.add("red ball", (0, 0), play.rolls(0.3, 0, 0.08), role="actor", size_m=(0.08,) * 3, shape="ball")
    assert "rolled" not in true_of(stage)
    stage.bodies[0] = dataclasses.replace(stage.bodies[0], scale=2.0)
    assert "rolled" in true_of(stage)


def test_a_body_let_go_in_the_air_dropped_by_the_height_of_its_fall(play: Any) -> None:
    stage = play()
    stage.add("blue mug", (0, 0, 0.35), play.drops(0.3), role="actor", grounded=(0.5, 1.0))
    assert true_of(stage) >= {"dropped", "fell", "started in the air", "at rest"}
    assert not {"toppled", "slid", "bounced"} & true_of(stage)
    assert check("actor dropped", facts(stage))[0].value == pytest.approx(0.3, abs=0.005)


def test_a_bounce_is_counted_once_it_rises_a_centimetre(play: Any) -> None:
    for hop, bounced in ((0.05, True), (0.004, False)):
        stage = play()
        motion = play.drops(0.3, bounce_m=hop)
        stage.add(
            "red ball", (0, 0, 0.34), motion, role="actor", shape="ball", size_m=(0.08,) * 3, grounded=(0.5, 0.505)
        )
        stage.touch(1, 0, 0.7)
        assert ("bounced" in true_of(stage)) == bounced


def test_sliding_down_a_ramp_is_not_dropping(play: Any) -> None:
    stage = play()
    tilt = quat_from_axis_angle((0, 1, 0), 0.4)
    down = play.slides(0.3 * np.cos(0.4), 0, -0.3 * np.sin(0.4))
    stage.add("book", (0, 0, 0.2), down, role="actor", turned=tilt, on=2)
    stage.add("ramp", (0.1, 0, 0.1), role="prop", shape="box", size_m=(0.5, 0.2, 0.01), turned=tilt)
    assert {"slid", "dropped", "fell"} & true_of(stage) == {"slid"}
    assert check("actor slid", facts(stage))[0].value == pytest.approx(0.3, abs=0.003)


def test_a_block_whose_support_is_taken_away_dropped(play: Any) -> None:
    stage = play()
    cube = {"shape": "box", "size_m": (0.05,) * 3}
    stage.add("wooden block", (0, 0, 0.025), role="actor", gone_at=0.1, grounded=(0.0, 0.1), **cube)
    stage.add("wooden block", (0, 0, 0.075), play.drops(0.05), role="affected", on=1, grounded=(0.0, 0.1), **cube)
    stage.touch(2, 0, 0.5)
    seen = facts(stage)
    assert holds("actor removed", seen)
    assert holds("all affected fell", seen)
    assert holds("affected dropped", seen)
    assert bodies_in("pieces", seen) == (2,)
    assert not holds("actor at rest", seen)


def test_what_is_taken_away_at_once_carried_what_stood_on_it_though_no_contact_says_so(play: Any) -> None:
    stage = play()
    stage.add("book", (0, 0), role="actor", size_m=(0.2, 0.2, 0.05), gone_at=0.001, grounded=None)
    stage.add("mug", (0, 0, 0.1), play.drops(0.05, lands=0.3), role="affected", grounded=(0.3, 1.0))
    stage.add("box", (0, 0, 0.2), play.drops(0.05, lands=0.3), role="affected", on=2)
    stage.add("candle", (0.5, 0, 0.1), role="affected")
    seen = facts(stage)
    assert seen.motions[2].started_on == (1,)
    assert holds("some affected started over actor", seen)
    assert [holds(f"{who} started over actor", seen) for who in ("others", "affected")] == [True, False]
    assert not holds("some affected started in the air", seen)
    assert check("some affected dropped", seen)[0].value == pytest.approx(0.05)


def test_who_ran_into_whom_comes_from_contacts_that_began_after_the_start(play: Any) -> None:
    stage = play()
    stage.add("red ball", (-0.3, 0), play.slides(0.2, 0), role="actor", shape="ball", size_m=(0.08,) * 3)
    stage.add("blue ball", (0, 0), play.rolls(0.2, 0, 0.04), role="affected", shape="ball", size_m=(0.08,) * 3)
    stage.add("book", (0.3, 0))
    stage.touch(1, 2, 0.4, 0.41)
    seen = facts(stage)
    assert holds("actor struck affected", seen)
    assert not holds("actor struck bystanders", seen)
    assert bodies_in("struck", seen) == (2,)
    assert bodies_in("others", seen) == (2,)
    assert holds("others rolled", seen)


def test_bodies_that_touch_from_the_start_do_not_run_into_each_other(play: Any) -> None:
    stage = play()
    stage.add("red ball", (-0.3, 0), play.slides(0.2, 0), role="actor", shape="ball", size_m=(0.08,) * 3)
    stage.add("blue ball", (0, 0), role="affected", shape="ball", size_m=(0.08,) * 3)
    stage.touch(1, 2, 0.0, 0.2)
    stage.touch(1, 2, 0.3, 0.4)
    assert not holds("actor struck affected", facts(stage))


def test_a_ball_that_comes_back_after_a_hit_rebounded(play: Any) -> None:
    def there_and_back(s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        x = np.where(s < 0.4, 0.2 * s / 0.4, 0.2 - 0.1 * np.minimum((s - 0.4) / 0.4, 1))
        return np.outer(x, [1, 0, 0]), _spun(0 * s)

    stage = play()
    stage.add("red ball", (0, 0), there_and_back, role="actor", shape="ball", size_m=(0.08,) * 3)
    stage.add("book", (0.3, 0), role="affected")
    stage.touch(1, 2, 0.4, 0.41)
    assert "rebounded" in true_of(stage)
    assert check("actor rebounded", facts(stage))[0].value == pytest.approx(0.1, abs=0.005)


def test_a_ball_that_stays_where_it_hit_stopped_dead(play: Any) -> None:
    stage = play()
    ball = {"shape": "ball", "size_m": (0.08,) * 3}
    stage.add("red ball", (0, 0), lambda s: play.slides(0.2, 0)(np.minimum(s / 0.5, 1)), role="actor", **ball)
    stage.add("blue ball", (0.28, 0), role="affected", **ball)
    stage.touch(1, 2, 0.3, 0.31)
    assert {"stopped dead", "rebounded"} & true_of(stage) == {"stopped dead"}


def test_dominoes_fall_in_turn_only_if_each_is_hit_by_one_that_fell_before(play: Any) -> None:
    def row(hits: list[tuple[int, int, float]]) -> Facts:
        stage = play()
        for k in range(4):
            late = 0.2 * k

            def motion(s: np.ndarray, late: float = late) -> tuple[np.ndarray, np.ndarray]:
                return play.topples(1, 0, 0.05, 0.01)(np.clip((s - late) / (1 - late), 0, 1))

            role = "affected" if k else "actor"
            stage.add("domino", (0.03 * k, 0), motion, role=role, size_m=(0.01, 0.025, 0.05), shape="box")
        for a, b, when in hits:
            stage.touch(a, b, when, when + 0.1)
        return facts(stage)

    assert holds("pieces fell in turn", row([(1, 2, 0.3), (2, 3, 0.5), (3, 4, 0.7)]))
    assert not holds("pieces fell in turn", row([(1, 2, 0.3), (3, 4, 0.7)]))
    assert not holds("pieces fell in turn", row([(1, 2, 0.3), (2, 3, 0.99), (3, 4, 0.7)]))


def test_everything_else_stays_unless_something_unnamed_moves(play: Any) -> None:
    stage = play()
    stage.add("blue mug", (0, 0), play.topples(1, 0), role="actor")
    stage.add("book", (0.3, 0), play.slides(0.05, 0), role="affected")
    stage.add("candle", (-0.3, 0))
    seen = facts(stage)
    assert not holds("everything else stays", seen, frozenset({1}))
    assert holds("everything else stays", seen, frozenset({1, 2}))


def test_what_carries_a_body_is_the_stage_or_what_lies_below_it(play: Any) -> None:
    stage = play()
    stage.add("box", (0, 0), role="affected", size_m=(0.2, 0.2, 0.1))
    stage.add("blue mug", (0, 0, 0.45), play.drops(0.3), role="actor", on=1, grounded=(0.5, 1.0))
    stage.add("book", (0.3, 0))
    seen = facts(stage)
    assert holds("actor ended on affected", seen)
    assert not holds("actor ended on stage", seen)
    assert holds("affected ended on stage", seen)
    assert not holds("actor ended on bystanders", seen)


def test_a_body_that_falls_over_the_edge_left_the_stage(play: Any) -> None:
    stage = play()
    stage.add("blue mug", (1.9, 0), play.slides(0.3, 0, -0.5), role="actor", grounded=(0.0, 0.2))
    assert "left the stage" in true_of(stage)
    assert "at rest" not in true_of(stage)


POSTURES = [
    ("blue mug", "asset", (0.12, 0.08, 0.1), 0, "upright"),
    ("blue mug", "asset", (0.12, 0.08, 0.1), 90, "on its side"),
    ("blue mug", "asset", (0.12, 0.08, 0.1), 180, "upside down"),
    ("blue mug", "asset", (0.12, 0.08, 0.1), 40, ""),
    ("dinner plate", "asset", (0.25, 0.25, 0.03), 0, "flat"),
    ("dinner plate", "asset", (0.25, 0.25, 0.03), 90, "on its edge"),
    ("school bus", "asset", (0.25, 0.1, 0.1), 0, "the right way up"),
    ("red ball", "asset", (0.08, 0.08, 0.08), 90, ""),
    ("orange mug", "asset", (0.08, 0.08, 0.08), 0, "upright"),
    ("red book", "asset", (0.15, 0.2, 0.03), 0, "flat"),
    ("red book", "asset", (0.15, 0.2, 0.03), 90, "upright"),
    ("tall block", "box", (0.05, 0.05, 0.12), 0, "upright"),
    ("tall block", "box", (0.05, 0.05, 0.12), 90, "on its side"),
    ("wooden die", "asset", (0.03, 0.03, 0.03), 90, ""),
    ("domino", "box", (0.0075, 0.024, 0.048), 0, "upright"),
]


@pytest.mark.parametrize(("label", "shape", "size_m", "degrees", "words"), POSTURES)
def test_posture_goes_by_the_axis_that_is_up_in_use(
    play: Any, label: str, shape: str, size_m: tuple[float, float, float], degrees: float, words: str
) -> None:
    stage = play()
    turned = quat_from_axis_angle((1, 0, 0), np.radians(degrees))
    stage.add(label, (0, 0), role="actor", shape=shape, size_m=size_m, turned=turned)
    assert posture(facts(stage).motions[1]) == words


def test_a_tilted_body_that_touches_another_is_leaning(play: Any) -> None:
    stage = play()
    stage.add("bottle", (0, 0), play.topples(1, 0, degrees=50), role="actor", size_m=(0.07, 0.07, 0.25))
    stage.add("box", (0.2, 0))
    stage.touch(1, 2, 0.8)
    assert "ended leaning" in true_of(stage)


def test_quantifiers_mean_what_they_say(play: Any) -> None:
    stage = play()
    stage.add("blue mug", (0, 0), play.topples(1, 0), role="actor")
    stage.add("book", (0.3, 0), play.topples(1, 0), role="affected")
    stage.add("candle", (-0.3, 0), role="affected")
    seen = facts(stage)
    assert holds("some affected toppled", seen)
    assert not holds("affected toppled", seen)
    assert not holds("all affected toppled", seen)
    assert not holds("no affected toppled", seen)
    assert holds("no affected rolled", seen)
    assert holds("no bystanders moved", seen)
    assert not holds("bystanders stayed", seen)
    assert not holds("some bystanders stayed", seen)


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("actor topled", "toppled"),
        ("actors toppled", "actor"),
        ("everthing else stays", "everything else stays"),
        ("actor struck afected", "affected"),
        ("actor struck stage", "no group of bodies"),
    ],
)
def test_a_misspelt_claim_names_the_nearest(name: str, nearest: str) -> None:
    with pytest.raises(UnknownName, match=nearest):
        claiming.parse(name)


def test_every_claim_of_the_table_is_in_the_docstring() -> None:
    text = " ".join((claiming.__doc__ or "").split())
    missing = [what for what in (*predicates.PREDICATES, *claiming.GROUP_CLAIMS, *claiming.GROUPS) if what not in text]
    assert [what for what in missing if what.removeprefix("ended ") not in text] == []


def _spun(angles: np.ndarray) -> np.ndarray:
    return np.stack([quat_from_axis_angle((0, 0, 1), float(angle)) for angle in angles])
