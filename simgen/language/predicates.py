"""What can be claimed of one body: facts → whether it holds, and the figure that bears it out."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from simgen.core.motion import REST_SPEED_MPS
from simgen.core.spec import STAGE_ID
from simgen.language.facts import (
    FLIGHT_S,
    POSTURES,
    TOPPLED_DEG,
    Facts,
    Motion,
    _bottom_m,
    extents_m,
    first_strike,
    posture,
)

STAYED_M, STAYED_DEG = 0.005, 2.0
MOVED_M, MOVED_DEG = 0.01, 10.0
DROPPED_M = 0.02

SLID_M = 0.02

ROLL_TOLERANCE = 0.25

ROLL_LEAST_M = 0.03


@dataclass(frozen=True, slots=True)
class Measurement:
    """Whether something is so, and what was measured."""

    holds: bool
    value: float
    unit: str = "1"


def moved(m: Motion) -> Measurement:
    shift = float(np.linalg.norm(m.shift_m))
    return Measurement(m.present and (shift >= MOVED_M or m.tilt_deg >= MOVED_DEG), shift, "m")


def stayed(m: Motion) -> Measurement:
    shift = float(np.linalg.norm(m.shift_m))
    same = m.present and not m.altered
    return Measurement(same and shift <= STAYED_M and m.turned_deg <= STAYED_DEG, shift, "m")


def dropped(m: Motion, facts: Facts) -> Measurement:
    if not m.present and not m.pieces:
        return Measurement(False, 0.0, "m")
    if m.starts_in_air:
        return Measurement(m.drop_m >= DROPPED_M, m.drop_m, "m")
    # On the stage nothing can drop; on a ramp that stays, going down is sliding unless it flew.
    carried = m.started_on and STAGE_ID not in m.started_on
    if carried and any(not stayed(facts.motions[b]).holds for b in m.started_on):
        return Measurement(m.drop_m >= DROPPED_M, m.drop_m, "m")
    lowered = _bottom_m(facts.rollout, m.body, at_end=False) - _bottom_m(facts.rollout, m.body, at_end=True)
    least = max(DROPPED_M, 0.15 * max(extents_m(m.body)))
    return Measurement(bool(carried and lowered >= least and m.flight_drop_m >= 0.01), lowered, "m")


def toppled(m: Motion) -> Measurement:
    return Measurement(m.present and not m.starts_in_air and m.tilt_deg >= TOPPLED_DEG, m.tilt_deg, "deg")


def fell(m: Motion, facts: Facts) -> Measurement:
    return Measurement(dropped(m, facts).holds or toppled(m).holds, m.drop_m, "m")


def rolled(m: Motion) -> Measurement:
    ratio = m.roll_arc_m / m.roll_path_m if m.roll_path_m > 0 else 0.0
    enough = m.roll_path_m >= ROLL_LEAST_M and m.roll_rad >= np.pi / 2
    return Measurement(m.present and enough and abs(ratio - 1) <= ROLL_TOLERANCE, ratio)


def slid(m: Motion, facts: Facts) -> Measurement:
    # From a ramp onto the stage it tilts by the slope.
    level = m.tilt_deg <= 15 or m.started_on != m.ended_on
    steady = level and m.most_tilt_deg < TOPPLED_DEG and m.longest_flight_s < FLIGHT_S and not m.starts_in_air
    turns_along = m.roll_arc_m > ROLL_TOLERANCE * max(m.roll_path_m, SLID_M)
    went = m.travel_m if m.distance_m >= SLID_M else m.distance_m
    holds = m.present and went >= SLID_M and steady and not turns_along and not dropped(m, facts).holds
    return Measurement(holds, went, "m")


def at_rest(m: Motion) -> Measurement:
    return Measurement(m.visible_at_end and m.speed_mps <= REST_SPEED_MPS and bool(m.touching), m.speed_mps, "m/s")


def stopped_dead(m: Motion, facts: Facts) -> Measurement:
    index = first_strike(m.body.id, facts)
    if index is None:
        return Measurement(False, m.travel_m, "m")
    after = float(np.linalg.norm(m.end_m - facts.rollout.poses(m.body.id).position_m[index]))
    holds = at_rest(m).holds and moved(m).holds and after <= max(extents_m(m.body)) / 2
    return Measurement(holds, after, "m")


def rebounded(m: Motion, facts: Facts) -> Measurement:
    index = first_strike(m.body.id, facts)
    if index is None:
        return Measurement(False, 0.0, "m")
    track = facts.rollout.poses(m.body.id)
    before = track.position_m[index][:2] - m.start_m[:2]
    length = float(np.linalg.norm(before))
    if length < MOVED_M:
        return Measurement(False, 0.0, "m")
    back = -float((m.end_m - track.position_m[index])[:2] @ before) / length
    return Measurement(m.present and back >= 0.02, back, "m")


def left_stage(m: Motion, facts: Facts) -> Measurement:
    stage = facts.rollout.spec.stage
    c, s = np.cos(stage.rotation_rad), np.sin(stage.rotation_rad)
    along = np.abs([c * m.end_m[0] + s * m.end_m[1], -s * m.end_m[0] + c * m.end_m[1]])
    # The texture or the slab itself may be what is rotated: outside either way is outside.
    beyond = min(
        float((along - np.array(stage.size_m) / 2).max()),
        float((np.abs(m.end_m[:2]) - np.array(stage.size_m) / 2).max()),
    )
    return Measurement(m.visible_at_end and (beyond > 0 or m.end_m[2] < -0.05), max(beyond, -float(m.end_m[2])), "m")


def _ends(words: str) -> Callable[[Motion, Facts], Measurement]:
    return lambda m, _: Measurement(m.visible_at_end and posture(m) == words, m.lean_deg, "deg")


PREDICATES: Mapping[str, Callable[[Motion, Facts], Measurement]] = {
    "moved": lambda m, _: moved(m),
    "stayed": lambda m, _: stayed(m),
    "fell": fell,
    "dropped": dropped,
    "toppled": lambda m, _: toppled(m),
    "turned over": lambda m, _: Measurement(m.present and m.tilt_deg >= TOPPLED_DEG, m.tilt_deg, "deg"),
    "slid": slid,
    "rolled": lambda m, _: rolled(m),
    "bounced": lambda m, _: Measurement(m.present and m.bounces > 0, float(m.bounces), "bounces"),
    "started in the air": lambda m, _: Measurement(m.visible_at_start and m.starts_in_air, m.drop_m, "m"),
    "at rest": lambda m, _: at_rest(m),
    "stopped": lambda m, _: Measurement(at_rest(m).holds and moved(m).holds, m.speed_mps, "m/s"),
    "stopped dead": stopped_dead,
    "rebounded": rebounded,
    "removed": lambda m, _: Measurement(
        m.visible_at_start and not m.visible_at_end, float(m.visible_at_start) - float(m.visible_at_end)
    ),
    "broke": lambda m, _: Measurement(m.visible_at_start and m.pieces >= 2, float(m.pieces), "pieces"),
    "left the stage": left_stage,
    "left its support": lambda m, _: Measurement(
        m.present and bool(m.started_on) and not set(m.started_on) & set(m.touching), float(len(m.started_on))
    ),
    **{f"ended {words}": _ends(words) for words in POSTURES},
}
