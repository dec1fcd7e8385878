"""What happened, as numbers: a rollout → what every body did, what struck what, what each stood on."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simgen.core.geometry import quat_angle, quat_conjugate, quat_rotate
from simgen.core.motion import speed_at
from simgen.core.rollout import Contact, Rollout
from simgen.core.spec import STAGE_ID, Body, Camera
from simgen.core.tracks import Instant, PoseTrack
from simgen.core.vectors import Floats

TOPPLED_DEG = 45.0

STRIKE_MPS = 0.05

TOUCH_S = 0.05
"""Touches that are this little apart count as one: resting contacts flicker."""

FLIGHT_S = 0.1

BALLS = frozenset(
    {
        "ball",
        "basketball",
        "football",
        "marble",
        "sphere",
        "globe",
        "orange",
        "apple",
        "tomato",
        "lemon",
        "lime",
        "peach",
        "bead",
    }
)

BOXES = frozenset(
    {
        "box",
        "book",
        "block",
        "brick",
        "carton",
        "domino",
        "tile",
        "plank",
        "board",
        "die",
        "dice",
        "cube",
        "crate",
        "notebook",
    }
)

PREPOSITIONS = frozenset({"with", "without", "of", "in", "on", "for", "from", "that", "to", "under", "over", "by"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Motion:
    """What one body did between the start and the end frame, in numbers."""

    body: Body
    start_m: Floats
    end_m: Floats
    start_quaternion: Floats
    end_quaternion: Floats
    travel_m: float
    """Length of its centre's path."""
    turned_deg: float
    """Between its orientations at the start and at the end."""
    tilt_deg: float
    """Of its upward axis: end against start; 0 for a ball, which has none."""
    most_tilt_deg: float
    topple_index: int | None
    """When the tilt first passed 45 degrees."""
    top: Floats
    """Where its upward axis points at that instant, or at the end where it never did."""
    end_top: Floats
    lean_deg: float
    """Of the axis that is up in use, against the vertical, at the end."""
    drop_m: float
    """Descent of the centre: to the first touch for a body that starts in the air, else to the end."""
    starts_in_air: bool
    lands: bool
    """It starts in the air and touches something before the end."""
    started_on: tuple[int, ...]
    ended_on: tuple[int, ...]
    """What carries it; 0 is the stage."""
    touching: tuple[int, ...]
    """Everything that touches it at the end."""
    longest_flight_s: float
    flight_drop_m: float
    """Greatest descent during one flight."""
    bounces: int
    roll_path_m: float
    roll_arc_m: float
    """Radius times angle about the axis across its way, after it has toppled and last flown."""
    roll_rad: float
    speed_mps: float
    """At the end, as `simgen.core.motion` measures it."""
    visible_at_start: bool
    visible_at_end: bool
    altered: bool = False
    """Its geometry or its material differs at the end."""
    pieces: int = 0
    """How many pieces of it are there at the end, where it is not."""

    @property
    def shift_m(self) -> Floats:
        return self.end_m - self.start_m

    @property
    def distance_m(self) -> float:
        """Between the centres at start and end, over the ground."""
        return float(np.hypot(*self.shift_m[:2]))

    @property
    def present(self) -> bool:
        """It can be seen in both frames."""
        return self.visible_at_start and self.visible_at_end


@dataclass(frozen=True, slots=True, kw_only=True)
class Strike:
    """Two bodies that did not touch at the start run into each other for the first time."""

    a: int
    b: int
    index: int
    speed_mps: float
    """Of the centres, with what their spin can add."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Everything that claims and words are drawn from."""

    rollout: Rollout
    camera: Camera
    motions: Mapping[int, Motion]
    strikes: tuple[Strike, ...]
    """In order of time."""


def observe(rollout: Rollout, camera: Camera) -> Facts:
    """The facts of a rollout, measured once."""
    return Facts(
        rollout=rollout,
        camera=camera,
        motions={body.id: _motion(rollout, body) for body in rollout.bodies},
        strikes=_strikes(rollout),
    )


POSTURES = ("upright", "the right way up", "on its side", "upside down", "flat", "on its edge", "leaning")


def posture(m: Motion) -> str:
    """How a body lies at the end, in one of seven ways, or "" where no word is clearly right.

    Things with an upward axis: within 15 degrees `upright` (`the right way up` for low ones, `flat` for flat ones),
    65 to 115 `on its side`, over 165 `upside down`. Boxes go by which of their edges is vertical. Between these,
    `leaning` where something besides the stage touches it.
    """
    body = m.body
    if is_ball(body):
        return ""
    propped = any(other != STAGE_ID for other in m.touching)
    if is_box(body):
        vertical = quat_rotate(quat_conjugate(m.end_quaternion), np.array([0.0, 0.0, 1.0]))
        axis = int(np.argmax(np.abs(vertical)))
        off_deg = float(np.degrees(np.arccos(min(abs(vertical[axis]), 1.0))))
        if max(extents_m(body)) < 1.25 * min(extents_m(body)):
            return ""
        if off_deg > 15:
            return "leaning" if propped else ""
        height = extents_m(body)[axis]
        short, long = sorted(size for k, size in enumerate(extents_m(body)) if k != axis)
        has_top = body.shape == "asset" and axis == 2
        if height <= 0.5 * short:
            return "flat"
        if has_top and m.lean_deg > 165:
            return "upside down"
        if height >= 1.15 * long:
            return "upright"
        if has_top:
            return "the right way up"
        if short <= 0.35 * height:
            return "on its edge"
        return "on its side" if long >= 1.15 * height else ""
    x, y, z = extents_m(body)
    is_flat, is_low = z <= 0.3 * min(x, y), z <= 0.6 * max(x, y)
    if m.lean_deg < 15:
        return "flat" if is_flat else "the right way up" if is_low else "upright"
    if m.lean_deg > 165:
        return "upside down"
    if 65 <= m.lean_deg <= 115:
        return "on its edge" if is_flat else "on its side"
    return "leaning" if propped and m.lean_deg < 65 else ""


def extents_m(body: Body) -> tuple[float, float, float]:
    """Along the body's own axes, as it stands in the scene."""
    x, y, z = body.size_m
    return (x * body.scale, y * body.scale, z * body.scale)


def is_ball(body: Body) -> bool:
    """It has no upward axis and nothing to topple onto."""
    if body.shape == "ball":
        return True
    even = max(extents_m(body)) < 1.15 * min(extents_m(body))
    return body.shape == "asset" and even and head_noun(body.label) in BALLS


def is_box(body: Body) -> bool:
    """It lies on any of its faces alike."""
    if body.shape == "box":
        return True
    return body.shape == "asset" and head_noun(body.label) in BOXES


def head_noun(label: str) -> str:
    """The word that says what a thing is: `mug` of `white mug with a yellow handle`."""
    words = label.split()
    ends = [k for k, word in enumerate(words) if word.lower() in PREPOSITIONS and k > 0]
    return words[min(ends, default=len(words)) - 1].lower() if words else ""


def _motion(rollout: Rollout, body: Body) -> Motion:
    track = rollout.poses(body.id)
    start, end = rollout.start_index, rollout.end_index
    span = slice(start, end + 1)
    position, quaternion = track.position_m[span], track.quaternion[span]
    tops, tilts = _tilts(body, quaternion)
    passed = np.flatnonzero(tilts >= TOPPLED_DEG)

    touches = _touches(rollout, body.id)
    times = rollout.times_s[span]
    flights = _flights(touches, times)
    started_on = _carriers(rollout, body, touches, rollout.start)
    starts_in_air = bool(flights) and flights[0][0] == 0 and not started_on
    first_touch = flights[0][1] if starts_in_air else len(times) - 1
    lands = starts_in_air and first_touch < len(times) - 1
    path, arc, angle = _roll(
        body,
        track,
        start + max([int(passed[0]) if len(passed) else 0, *(b for _, b in flights if b < len(times) - 1)]),
        end,
        rollout.times_s,
    )
    landed = 0 if not starts_in_air else 1
    return Motion(
        body=body,
        start_m=position[0],
        end_m=position[-1],
        start_quaternion=quaternion[0],
        end_quaternion=quaternion[-1],
        travel_m=_path_m(position, times),
        turned_deg=float(np.degrees(quat_angle(quaternion[0], quaternion[-1]))),
        tilt_deg=float(tilts[-1]),
        most_tilt_deg=float(tilts.max()),
        topple_index=start + int(passed[0]) if len(passed) else None,
        top=tops[passed[0]] if len(passed) else tops[-1],
        end_top=tops[-1],
        lean_deg=float(_leans_deg(quaternion[-1:])[0]),
        drop_m=float(position[0, 2] - position[first_touch, 2]),
        starts_in_air=starts_in_air,
        lands=lands,
        started_on=started_on,
        ended_on=_carriers(rollout, body, touches, rollout.end),
        touching=_touching(touches, float(rollout.times_s[end])),
        longest_flight_s=max((float(times[b] - times[a]) for a, b in flights), default=0.0),
        flight_drop_m=max((float(position[a, 2] - position[b, 2]) for a, b in flights), default=0.0),
        bounces=sum(float(position[a : b + 1, 2].max() - position[a, 2]) >= 0.01 for a, b in flights[landed:]),
        roll_path_m=path,
        roll_arc_m=arc,
        roll_rad=angle,
        speed_mps=speed_at(rollout, body.id, rollout.end),
        visible_at_start=rollout.visible(body.id, rollout.start),
        visible_at_end=rollout.visible(body.id, rollout.end),
        altered=rollout.altered(body.id),
        pieces=0
        if rollout.visible(body.id, rollout.end)
        else sum(one.parent == body.id and rollout.visible(one.id, rollout.end) for one in rollout.bodies),
    )


def _path_m(position: Floats, times_s: Floats) -> float:
    """Length of a path; the trembling of a body at rest is no way."""
    steps = np.linalg.norm(np.diff(position, axis=0), axis=1)
    return float(steps[steps > 0.01 * np.diff(times_s)].sum())


def _strikes(rollout: Rollout) -> tuple[Strike, ...]:
    start_s, end_s = rollout.times_s[rollout.start_index], rollout.times_s[rollout.end_index]
    first: dict[tuple[int, int], Contact] = {}
    for contact in sorted(rollout.contacts, key=lambda c: c.first_s):
        if contact.a != STAGE_ID and contact.last_s >= start_s:
            first.setdefault((contact.a, contact.b), contact)
    found = []
    for (a, b), contact in first.items():
        if not start_s + TOUCH_S / 2 < contact.first_s <= end_s:
            continue
        # The contact is already at work in the state that closes its first step: look at the one before.
        index = max(int(np.searchsorted(rollout.times_s, contact.first_s + 1e-9)) - 1, rollout.start_index)
        one, other = rollout.poses(a), rollout.poses(b)
        speed = float(np.linalg.norm(one.velocity_mps[index] - other.velocity_mps[index]))
        for track in (one, other):
            arm = max(extents_m(rollout.body(track.body))) / 2
            speed += float(np.linalg.norm(track.angular_velocity_radps[index])) * arm
        if speed >= STRIKE_MPS:
            found.append(Strike(a=a, b=b, index=index, speed_mps=speed))
    return tuple(sorted(found, key=lambda s: (s.index, s.a, s.b)))


def _tilts(body: Body, quaternion: Floats) -> tuple[Floats, Floats]:
    """Where the upward axis of a body points [T, 3], and by how many degrees it is off its start [T].

    That axis is the body's own Z where it stands as in use, else what points up at the start. A can on its side rolls
    about its Z: what counts is how that axis leans. A ball has no upward axis.
    """
    z = np.array([0.0, 0.0, 1.0])
    if is_ball(body):
        return np.tile(z, (len(quaternion), 1)), np.zeros(len(quaternion))
    leans = _leans_deg(quaternion)
    x, y, _ = extents_m(body)
    if leans[0] > 30 and max(x, y) < 1.2 * min(x, y) and not is_box(body):
        return quat_rotate(quaternion, z), np.abs(leans - leans[0])
    up = z if leans[0] <= 30 else quat_rotate(quat_conjugate(quaternion[0]), z)
    tops = quat_rotate(quaternion, up)
    return tops, np.degrees(np.arccos(np.clip(tops @ tops[0], -1.0, 1.0)))


def _leans_deg(quaternion: Floats) -> Floats:
    """Between the axis that is up in use and the vertical [T]."""
    in_use = quat_rotate(quaternion, np.array([0.0, 0.0, 1.0]))
    result: Floats = np.degrees(np.arccos(np.clip(in_use[:, 2], -1.0, 1.0)))
    return result


_Touch = tuple[int, float, float]
"""The other body, from when, until when."""


def _touches(rollout: Rollout, body_id: int) -> tuple[_Touch, ...]:
    return tuple(
        (c.b if c.a == body_id else c.a, c.first_s, c.last_s) for c in rollout.contacts if body_id in (c.a, c.b)
    )


def _touching(touches: tuple[_Touch, ...], time_s: float) -> tuple[int, ...]:
    at = {other for other, first, last in touches if first <= time_s + TOUCH_S and last >= time_s - TOUCH_S}
    return tuple(sorted(at))


def _flights(touches: tuple[_Touch, ...], times_s: Floats) -> list[tuple[int, int]]:
    """Stretches in which nothing is touched, as indices of `times_s`: last before, first after."""
    flights, since = [], float(times_s[0])
    begin = since
    for first, last in [*sorted((first, last) for _, first, last in touches), (float(times_s[-1]),) * 2]:
        if last < begin:
            continue
        if min(first, times_s[-1]) - since > TOUCH_S:
            a, b = np.searchsorted(times_s, [since, first])
            flights.append((int(a), min(int(b), len(times_s) - 1)))
        since = max(since, last)
    return flights


def _carriers(rollout: Rollout, body: Body, touches: tuple[_Touch, ...], instant: Instant) -> tuple[int, ...]:
    """What a body stands or lies on: the stage where it touches it, else what touches it from below."""
    touching = [
        other
        for other in _touching(touches, float(rollout.times_s[instant.step]))
        if other == STAGE_ID or rollout.visible(other, instant)
    ]
    if STAGE_ID in touching:
        return (STAGE_ID,)
    centre_m = float(rollout.pose(body.id, instant)[0][2])

    def lies_below(other: int) -> bool:
        below = rollout.body(other)
        middle_m = float(rollout.pose(other, instant)[0][2])
        # A ramp's middle may be above what slides on its lower half.
        return middle_m < centre_m or (
            below.role == "prop" and middle_m - _half_height_m(rollout, below, instant) < centre_m
        )

    vanished = _vanished_below(rollout, body) if instant == rollout.start else []
    return tuple(dict.fromkeys([*(other for other in touching if lies_below(other)), *vanished]))


def _vanished_below(rollout: Rollout, body: Body) -> list[int]:
    """What is taken away from under a body before a step is made leaves no contact: it is known by its place."""
    start, end = rollout.start, rollout.end
    place, found = rollout.pose(body.id, start)[0], []
    for other in rollout.bodies:
        if other.id == body.id or not rollout.visible(other.id, start) or rollout.visible(other.id, end):
            continue
        way = place - rollout.pose(other.id, start)[0]
        heights_m = _half_height_m(rollout, body, start) + _half_height_m(rollout, other, start)
        widths_m = (max(extents_m(body)[:2]) + max(extents_m(other)[:2])) / 2
        # A centre of mass may lie well off the middle of the box around a body.
        if abs(way[2] - heights_m) <= 0.35 * heights_m and np.hypot(*way[:2]) < widths_m:
            found.append(other.id)
    return found


def _half_height_m(rollout: Rollout, body: Body, instant: Instant) -> float:
    """Of the box around the body, turned as it is; that box's middle is taken for the centre of mass."""
    vertical = quat_rotate(quat_conjugate(rollout.pose(body.id, instant)[1]), np.array([0.0, 0.0, 1.0]))
    if body.shape == "ball":
        return extents_m(body)[0] / 2
    return float(np.abs(vertical) @ np.array(extents_m(body))) / 2


def _bottom_m(rollout: Rollout, body: Body, *, at_end: bool) -> float:
    instant = rollout.end if at_end else rollout.start
    return float(rollout.pose(body.id, instant)[0][2]) - _half_height_m(rollout, body, instant)


def _roll(body: Body, track: PoseTrack, first: int, last: int, times_s: Floats) -> tuple[float, float, float]:
    """Length of the way, radius times angle, and angle, of a body that may be rolling between two instants."""
    span = slice(first, last + 1)
    velocity, spin = track.velocity_mps[span], track.angular_velocity_radps[span]
    over_ground = np.linalg.norm(velocity[:, :2], axis=1)
    steps_s = np.gradient(times_s[span]) if len(velocity) > 1 else np.zeros(len(velocity))
    moving: NDArray[np.bool_] = over_ground > 0.01
    if not moving.any():
        return 0.0, 0.0, 0.0
    # Rolling turns about the horizontal axis across the way, on a slope too.
    across = np.stack([-velocity[:, 1], velocity[:, 0], np.zeros(len(velocity))], axis=1)
    across = across[moving] / over_ground[moving, None]
    weights = steps_s[moving]
    path = float((np.linalg.norm(velocity[moving], axis=1) * weights).sum())
    angle = float(((spin[moving] * across).sum(axis=1) * weights).sum())
    own_axis = np.abs(quat_rotate(quat_conjugate(track.quaternion[span][moving]), across))
    axis = int(np.argmax((own_axis**2 * weights[:, None]).sum(axis=0)))
    others = [size for k, size in enumerate(extents_m(body)) if k != axis]
    if is_ball(body):
        others = list(extents_m(body))
    elif is_box(body) or max(others) > 1.2 * min(others):
        return path, 0.0, 0.0
    return path, max(angle, 0.0) * float(np.mean(others)) / 2, max(angle, 0.0)


def first_strike(body_id: int, facts: Facts) -> int | None:
    return next((s.index for s in facts.strikes if body_id in (s.a, s.b)), None)
