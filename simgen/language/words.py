"""Words for what happened: names for bodies and phrases for facts, each of which can be said only where it is clear."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from simgen.core.geometry import look_at, project, quat_conjugate, quat_rotate
from simgen.core.spec import STAGE_ID, Camera
from simgen.core.tracks import LightTrack
from simgen.core.vectors import Floats
from simgen.language import claims as claiming
from simgen.language import predicates
from simgen.language.claims import Claim
from simgen.language.facts import Facts, Motion, extents_m, head_noun, posture


def name(bodies: tuple[int, ...], facts: Facts, mentioned: frozenset[int] = frozenset()) -> str | None:
    """`the left blue ball`, `the mug and two of the three blocks`; None where it could mean something else.

    `mentioned`: bodies that the sentence has named already, so that "the other" may be said.
    """
    said = say_name(bodies, facts, mentioned)
    return joined([claim.said for claim in said]) if said else None


def say_name(bodies: tuple[int, ...], facts: Facts, mentioned: frozenset[int]) -> tuple[Claim, ...]:
    """The parts of a name, each as a claim that it means those bodies and nothing else; none where there is no name."""
    kinds: dict[str, list[int]] = {}
    for body in bodies:
        kinds.setdefault(facts.motions[body].body.label, []).append(body)
    heads = {head_noun(label) for label in kinds}
    # A row of dominoes in three colours is "the other seven dominoes".
    if len(kinds) > 1 and len(bodies) > 3 and len(heads) == 1:
        kinds = {heads.pop(): list(bodies)}
    parts = [part for label, alike in kinds.items() for part in _name_alike(label, tuple(alike), facts, mentioned)]
    if len(parts) > 6 or sum(len(named) for named, _ in parts) < len(bodies):
        return ()
    return tuple(
        Claim(name="name", bodies=named, said=words, value=float(len(named)), unit="bodies", holds=True)
        for named, words in parts
    )


@dataclass(frozen=True, slots=True)
class _Order:
    """A row of like things along one axis of what the camera sees: words for its ends."""

    low_of_two: str
    high_of_two: str
    low: str
    high: str
    from_low: str
    from_high: str


_ACROSS = _Order("left", "right", "leftmost", "rightmost", "from the left", "from the right")
_UPWARDS = _Order("lower", "upper", "bottom", "top", "from the bottom", "from the top")
_AWAY = _Order("nearer", "farther", "nearest", "farthest", "from the front", "from the back")
_ORDINALS = ("", "second", "third", "fourth", "fifth")


def _name_alike(
    label: str, bodies: tuple[int, ...], facts: Facts, mentioned: frozenset[int]
) -> list[tuple[tuple[int, ...], str]]:
    """Names for bodies of one label, among all that it fits: for all at once, or for each; none where unclear."""
    alike = _fitting(label, facts)
    rest = set(alike) - set(bodies)
    noun = _noun(label) if len(bodies) == 1 else f"{_number(len(bodies))} {_plural(label)}"
    if not rest:
        return [(bodies, f"the {noun}")]
    if rest <= mentioned and not mentioned & set(bodies):
        return [(bodies, f"the other {noun}")]
    picked: list[tuple[tuple[int, ...], str]] = [
        ((body,), words) for body in bodies if (words := _pick(label, body, alike, facts))
    ]
    if len(picked) == len(bodies) <= 3:
        return picked
    # "Two of the three" will do for what happens, not for what to do.
    if len(bodies) > 1 and all(facts.motions[b].body.role != "actor" for b in bodies):
        return [(bodies, f"{_number(len(bodies))} of the {_number(len(alike))} {_plural(label)}")]
    return []


def _fitting(label: str, facts: Facts) -> tuple[int, ...]:
    """Every body in the start picture that a label could be said of: a `ball` may be a `blue ball`."""
    words = set(label.lower().split())
    return tuple(
        m.body.id
        for m in facts.motions.values()
        if m.visible_at_start
        and words <= set(m.body.label.lower().split())
        and head_noun(m.body.label) == head_noun(label)
    )


def _pick(label: str, body: int, alike: tuple[int, ...], facts: Facts) -> str | None:
    """One of several like things by its place in the start picture, where that place is clear."""
    axes = look_at(facts.camera.position_m, facts.camera.look_at_m)
    motions = [facts.motions[b] for b in alike]
    pixels, depths = project(facts.camera, np.stack([m.start_m for m in motions]), 1, 1)
    if (depths <= 0).any():
        return None
    focal = facts.camera.focal_length_mm / facts.camera.sensor_width_mm
    upwards = np.array([0.0, 0.0, 1.0])
    rows = (
        (_ACROSS, pixels[:, 0], [focal * _half_extent(m, axes[:, 0], at_start=True) for m in motions] / depths, 0.01),
        (
            _UPWARDS,
            np.array([m.start_m[2] for m in motions]),
            [_half_extent(m, upwards, at_start=True) for m in motions],
            0.01,
        ),
        (_AWAY, depths, [_half_extent(m, axes[:, 2], at_start=True) for m in motions], 0.02 * float(depths.mean())),
    )
    for order, places, halves, least in rows:
        words = _rank(order, alike.index(body), places, np.asarray(halves, dtype=float), least, _noun(label))
        if words is not None:
            return words
    return None


def _rank(order: _Order, which: int, places: Floats, halves: Floats, least: float, noun: str) -> str | None:
    """`the left mug`, `the second mug from the left`: neighbours must be apart by over half their own extent."""
    sequence = np.argsort(places)
    gaps = np.diff(places[sequence])
    apart = gaps > np.maximum(0.6 * (halves[sequence][1:] + halves[sequence][:-1]), least)
    at, last = int(np.flatnonzero(sequence == which)[0]), len(sequence) - 1
    if at == 0 and apart[0]:
        return f"the {order.low_of_two if last == 1 else order.low} {noun}"
    if at == last and apart[-1]:
        return f"the {order.high_of_two if last == 1 else order.high} {noun}"
    if at == 0 or at == last or not (apart[at - 1] and apart[at]):
        return None
    if last == 2:
        return f"the middle {noun}"
    if at <= last - at and apart[:at].all() and at < len(_ORDINALS):
        return f"the {_ORDINALS[at]} {noun} {order.from_low}"
    if apart[at:].all() and last - at < len(_ORDINALS):
        return f"the {_ORDINALS[last - at]} {noun} {order.from_high}"
    return None


def _half_extent(m: Motion, axis: ArrayLike, *, at_start: bool = False) -> float:
    """Of the box around a body along a direction in the world."""
    if m.body.shape == "ball":
        return extents_m(m.body)[0] / 2
    orientation = m.start_quaternion if at_start else m.end_quaternion
    return float(np.abs(quat_rotate(quat_conjugate(orientation), axis)) @ np.array(extents_m(m.body))) / 2


_NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")


def _number(count: int) -> str:
    return _NUMBERS[count] if count < len(_NUMBERS) else str(count)


def _share(part: int, whole: int) -> str | None:
    """`all eight`, `both`, `three of the five`; None for none of them and for one of one."""
    if part == 0 or whole < 2:
        return None
    if part == whole:
        return "both" if whole == 2 else f"all {_number(whole)}"
    return f"{_number(part)} of the {_number(whole)}"


def joined(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


_PAIRS = frozenset(
    {"scissors", "shoes", "sneakers", "boots", "sandals", "glasses", "headphones", "pliers", "tweezers", "tongs"}
)
_IRREGULAR = {"knife": "knives", "shelf": "shelves", "loaf": "loaves", "leaf": "leaves", "mouse": "mice", "die": "dice"}


def _noun(label: str) -> str:
    """A label that takes a singular verb: scissors come in pairs."""
    return f"pair of {label}" if head_noun(label) in _PAIRS else label


def _plural(label: str) -> str:
    """`white mugs with a yellow handle`."""
    words = _noun(label).split()
    singular = head_noun(_noun(label))
    at = next(k for k, word in enumerate(words) if word.lower() == singular)
    if singular in _IRREGULAR:
        many = _IRREGULAR[singular]
    elif re.search(r"(s|x|z|ch|sh)$", singular) or singular in ("domino", "tomato", "potato"):
        many = words[at] + "es"
    elif re.search(r"[^aeiou]y$", singular):
        many = words[at][:-1] + "ies"
    else:
        many = words[at] + "s"
    return " ".join([*words[:at], many, *words[at + 1 :]])


def heading(camera: Camera, start: ArrayLike, end: ArrayLike, *, least_m: float) -> tuple[str, float] | None:
    """Which way something goes over the ground as the camera sees it, in words and in degrees (0 right, 90 away).

    None unless it is clear: along the camera's axes and along the line of sight much alike, and in the picture too.
    """
    start, end = np.asarray(start, dtype=float), np.asarray(end, dtype=float)
    way = (end - start)[:2]
    axes = look_at(camera.position_m, camera.look_at_m)
    right, ahead = axes[:2, 0], -axes[:2, 2]
    if np.linalg.norm(way) < least_m:
        return None
    pixels, depths = project(camera, np.stack([start, end]), 1, 1)
    if (depths <= 0).any():
        return None
    from_above = np.linalg.norm(ahead) < np.cos(np.radians(70))
    angle_deg = float(np.degrees(np.arctan2(way @ [-right[1], right[0]], way @ right)) % 360)
    sight = (start + end)[:2] / 2 - np.asarray(camera.position_m)[:2]
    if np.linalg.norm(sight) < 1e-6:
        return None
    sight = sight / np.linalg.norm(sight)
    seen_deg = float(np.degrees(np.arctan2(way @ sight, way @ [sight[1], -sight[0]])) % 360)
    # Between the two, and either within 10 degrees of it: then no one can see it otherwise.
    apart_deg = (seen_deg - angle_deg + 180) % 360 - 180
    if not from_above:
        angle_deg = (angle_deg + apart_deg / 2) % 360
    words = _octant(angle_deg)
    if words is None or (abs(apart_deg) > 20 and not from_above):
        return None
    across, down = pixels[1] - pixels[0]
    if from_above and (words not in ("to the left", "to the right") or abs(across) < 2 * abs(down)):
        return None
    if ("left" in words and across >= 0) or ("right" in words and across <= 0):
        return None
    return words, angle_deg


def distance_words(metres: float) -> str | None:
    """`about 14 cm`: to 1 cm below 20 cm, to 5 cm below 1 m, to 0.1 m from there; None under 1.5 cm."""
    if metres < 0.015:
        return None
    centimetres = round(metres * 100) if metres < 0.195 else 5 * round(metres * 20)
    if centimetres < 100:
        return f"about {centimetres} cm"
    return f"about {metres:.1f}".removesuffix(".0") + " m"


_OCTANTS = (
    "to the right",
    "to the right and away from the camera",
    "away from the camera",
    "to the left and away from the camera",
    "to the left",
    "to the left and towards the camera",
    "towards the camera",
    "to the right and towards the camera",
)


def _octant(angle_deg: float) -> str | None:
    """Within 25 degrees of an axis or 15 of a diagonal; between these no word is clear."""
    nearest = round(angle_deg / 45)
    off_deg = abs(angle_deg - 45 * nearest)
    axis = 90 * round(angle_deg / 90)
    if abs(angle_deg - axis) <= 25:
        return _OCTANTS[(axis // 45) % 8]
    return _OCTANTS[nearest % 8] if nearest % 2 and off_deg <= 15 else None


STAGE_WORDS = {"table": "the table", "floor": "the floor", "sweep": "the surface", "dome": "the ground"}

_Measured = tuple[str, float, str]
"""Words, figure, unit."""


def _direction(m: Motion, facts: Facts) -> _Measured | None:
    away_m = float(np.linalg.norm(m.start_m - np.asarray(facts.camera.position_m)))
    found = heading(facts.camera, m.start_m, m.end_m, least_m=max(0.03, 0.03 * away_m))
    return (found[0], found[1], "deg") if found and m.present else None


def _fall_direction(m: Motion, facts: Facts) -> _Measured | None:
    """The way the top went; it must still lie that way, or have gone that way, at the end."""
    if not predicates.toppled(m).holds or np.linalg.norm(m.top[:2]) < 0.5:
        return None
    way = np.array([*m.top[:2], 0.0]) / float(np.linalg.norm(m.top[:2]))
    lies_so = m.end_top[:2] @ way[:2] > 0.5 * max(float(np.linalg.norm(m.end_top[:2])), 1e-9)
    went_so = m.shift_m[:2] @ way[:2] > 0.5 * max(m.distance_m, 0.01)
    found = heading(facts.camera, m.start_m, m.start_m + way * max(extents_m(m.body)) / 2, least_m=0.0)
    return (found[0], found[1], "deg") if found and (lies_so or went_so) else None


def _distance(m: Motion, facts: Facts) -> _Measured | None:
    words = distance_words(m.distance_m)
    return (words, m.distance_m, "m") if words and m.present else None


def _travel(m: Motion, facts: Facts) -> _Measured | None:
    words = distance_words(m.travel_m)
    return (words, m.travel_m, "m") if words and m.present else None


def _drop_height(m: Motion, facts: Facts) -> _Measured | None:
    words = distance_words(m.drop_m)
    true = predicates.dropped(m, facts).holds and (m.starts_in_air or m.tilt_deg < 20)
    return (words, m.drop_m, "m") if words and true else None


def _support(m: Motion, facts: Facts) -> _Measured | None:
    return _carried_by(m.ended_on, facts) if m.visible_at_end else None


def _start_support(m: Motion, facts: Facts) -> _Measured | None:
    return _carried_by(m.started_on, facts) if m.visible_at_start else None


def _carried_by(carriers: tuple[int, ...], facts: Facts) -> _Measured | None:
    if carriers == (STAGE_ID,):
        return (STAGE_WORDS[facts.rollout.spec.stage.kind], 1.0, "bodies")
    words = name(carriers, facts) if carriers else None
    return (words, float(len(carriers)), "bodies") if words else None


def _pose(m: Motion, facts: Facts) -> _Measured | None:
    words = posture(m)
    if not words or not m.visible_at_end:
        return None
    if words == "leaning":
        props = tuple(b for b in m.touching if b != STAGE_ID and b not in m.ended_on)
        against = name(props, facts) if len(props) == 1 else None
        if against is None:
            return None
        words = f"leaning against {against}"
    return (words, m.lean_deg, "deg")


def _turns(m: Motion, facts: Facts) -> _Measured | None:
    turns = m.roll_rad / (2 * np.pi)
    halves = round(turns * 2)
    if not predicates.rolled(m).holds or not 1 <= halves <= 24 or abs(turns - halves / 2) > 0.15 * turns:
        return None
    if halves == 1:
        words = "half a turn"
    elif halves == 2:
        words = "one turn"
    else:
        words = f"{_number(halves // 2)}{' and a half' if halves % 2 else ''} turns"
    return (f"about {words}", turns, "turns")


def _bounces(m: Motion, facts: Facts) -> _Measured | None:
    if not m.present or not 1 <= m.bounces <= 4:
        return None
    return (("once", "twice", "three times", "four times")[m.bounces - 1], float(m.bounces), "bounces")


def _beside(m: Motion, facts: Facts) -> _Measured | None:
    if not m.visible_at_end:
        return None
    gaps = []
    for other in facts.motions.values():
        linked = other.body.id in m.ended_on or m.body.id in other.ended_on
        if other.body.id == m.body.id or other.body.role == "prop" or linked or not other.present:
            continue
        way = other.end_m - m.end_m
        reach = np.linalg.norm(way[:2])
        level = _half_extent(m, np.array([0, 0, 1.0])) + _half_extent(other, np.array([0, 0, 1.0]))
        if reach < 1e-6 or abs(way[2]) > level:
            continue
        along = np.array([*(way[:2] / reach), 0.0])
        gaps.append((float(reach) - _half_extent(m, along) - _half_extent(other, along), other.body.id))
    gap, nearest = min(gaps, default=(np.inf, 0))
    words = name((nearest,), facts) if gap <= 0.03 else None
    return (f"next to {words}", gap, "m") if words else None


def _place(m: Motion, facts: Facts) -> _Measured | None:
    pixels, depths = project(facts.camera, m.end_m, 1, 1)
    x = float(pixels[0, 0])
    for words, low, high in (("left", 0.02, 0.31), ("middle", 0.36, 0.64), ("right", 0.69, 0.98)):
        if depths[0] > 0 and low <= x <= high and m.visible_at_end:
            return (f"in the {words} third of the picture", x, "of the width")
    return None


def _label(m: Motion, facts: Facts) -> _Measured | None:
    alike = _fitting(m.body.label, facts)
    return (_noun(m.body.label), 1.0, "bodies") if alike == (m.body.id,) else None


BODY_FACTS: Mapping[str, Callable[[Motion, Facts], _Measured | None]] = {
    "label": _label,
    "direction": _direction,
    "fall direction": _fall_direction,
    "distance": _distance,
    "travel": _travel,
    "drop height": _drop_height,
    "support": _support,
    "start support": _start_support,
    "pose": _pose,
    "turns": _turns,
    "bounces": _bounces,
    "beside": _beside,
    "place": _place,
}


def _count(bodies: tuple[int, ...], facts: Facts) -> _Measured | None:
    """`three of the five`; None where something of the same kind stands beside the group and might be counted in."""
    fallen = sum(predicates.fell(facts.motions[b], facts).holds for b in bodies)
    words = _share(fallen, len(bodies))
    outside = {a for b in bodies for a in _fitting(head_noun(facts.motions[b].body.label), facts)} - set(bodies)
    if any(facts.motions[b].visible_at_end for b in outside):
        return None
    return (words, float(fallen), "bodies") if words else None


def _fallen(bodies: tuple[int, ...], facts: Facts) -> _Measured | None:
    """`all eight white dominoes`; None where the noun would take in something outside the group."""
    fallen = tuple(b for b in bodies if predicates.fell(facts.motions[b], facts).holds)
    labels = {facts.motions[b].body.label for b in bodies}
    heads = {head_noun(label) for label in labels}
    share = _share(len(fallen), len(bodies))
    if len(bodies) == 1 and fallen:
        words = name(bodies, facts)
        return (words, 1.0, "bodies") if words else None
    if share is None or len(heads) > 1:
        return None
    label = (labels if len(labels) == 1 else heads).pop()
    outside = set(_fitting(label, facts)) - set(bodies)
    if any(facts.motions[b].visible_at_end for b in outside):
        return None
    return (f"{share} {'remaining ' if outside else ''}{_plural(label)}", float(len(fallen)), "bodies")


GROUP_FACTS: Mapping[str, Callable[[tuple[int, ...], Facts], _Measured | None]] = {
    "count": _count,
    "fallen": _fallen,
}


QUANTITY_FACTS = ("start", "end", "change", "times", "start word", "end word")
LIGHT_FACTS = ("start side", "end side")


def say_quantity(name: str, fact: str, facts: Facts) -> Claim | None:
    """A quantity's value at the start or the end, how much it changes, or how many times it is what it was; None where
    there are no words for it."""
    q = claiming.quantity(name, facts)
    value = {"start": q.start, "start word": q.start, "change": abs(q.end - q.start)}.get(fact, q.end)
    if fact == "times":
        low, value = sorted((abs(q.start), abs(q.end)))
        value = value / low if low > 0 else 0.0
        words = _times(value)
    else:
        words = q.word(value) if fact.endswith(" word") else figure_words(value, q.unit)
    if not words:
        return None
    return Claim(name=f"{name}.{fact}", bodies=(), said=words, value=float(value), unit=q.unit, holds=True)


def say_light(fact: str, facts: Facts) -> Claim | None:
    """The side that the changing light comes from in the start or the end frame, as the camera sees it."""
    rollout = facts.rollout
    tracks = [track for track in rollout.tracks if isinstance(track, LightTrack)]
    if not tracks:
        return None
    instant = rollout.start if fact.startswith("start") else rollout.end
    light = rollout.light(tracks[0].light, instant)
    axes = look_at(facts.camera.position_m, facts.camera.look_at_m)
    toward = np.array(light.position_m) - np.array(light.look_at_m)
    right, _, back = toward @ axes / np.linalg.norm(toward)
    flat = float(np.degrees(np.arctan2(right, back)))
    words = ""
    if float(toward[2] / np.linalg.norm(toward)) > 0.94:
        words = "above"
    elif 25 <= abs(flat) <= 155:
        words = "the right" if flat > 0 else "the left"
    elif abs(flat) > 155:
        words = "behind"
    elif abs(flat) < 20:
        words = "the front"
    return Claim(name=f"light.{fact}", bodies=(), said=words, value=flat, unit="deg", holds=True) if words else None


_SHARES = (
    (0.1, "a tenth"),
    (0.2, "a fifth"),
    (0.25, "a quarter"),
    (1 / 3, "a third"),
    (0.5, "half"),
    (2 / 3, "two thirds"),
    (0.75, "three quarters"),
)


def figure_words(value: float, unit: str) -> str:
    """A figure as one says it; empty for a unit that nobody would say."""
    if unit == "m":
        return distance_words(value) or ""
    if unit == "1":
        near = [word for share, word in _SHARES if abs(value - share) <= 0.1 * share]
        return f"about {near[0]}" if near else f"about {max(5, round(20 * value) * 5):d} percent"
    rounded = {
        "K": (100.0, "K"),
        "°C": (10.0 if abs(value) >= 100 else 5.0, "°C"),
        "deg": (5.0, "degrees"),
        "N": (1.0 if value < 20 else 5.0, "newtons"),
        "days": (1.0, "days"),
        "h": (1.0, "hours"),
        "min": (1.0, "minutes"),
        "g": (1.0 if value < 20 else 5.0 if value < 100 else 10.0, "g"),
        "ml": (1.0 if value < 20 else 5.0 if value < 100 else 10.0, "ml"),
    }
    if unit not in rounded:
        return ""
    step, name = rounded[unit]
    number = round(value / step) * step
    if number == 1 and name.endswith("s"):
        name = name[:-1]
    return f"about {number:.0f} {name}"


def _times(ratio: float) -> str:
    """`twice`, `three times`; empty below one and a half, and where a whole number would be wrong by a fifth."""
    whole = round(ratio)
    if ratio < 1.5 or abs(ratio / whole - 1) > 0.2 or whole > 12:
        return ""
    return "twice" if whole == 2 else f"{_number(whole)} times"


def say(fact: str, bodies: tuple[int, ...], facts: Facts) -> Claim | None:
    """A fact of one body, or of a group, in words; None where there are none that are clearly right."""
    if fact in GROUP_FACTS:
        found = GROUP_FACTS[fact](bodies, facts)
    else:
        found = BODY_FACTS[fact](facts.motions[bodies[0]], facts)
    if found is None:
        return None
    words, value, unit = found
    return Claim(name=fact, bodies=bodies, said=words, value=float(value), unit=unit, holds=True)


def say_again(claim: Claim, facts: Facts) -> Claim | None:
    """The same claim from the states as they are."""
    if claim.name == "name":
        # "The other" is said where all that it leaves out had been named before.
        again = say_name(claim.bodies, facts, frozenset())
        if claim.said.startswith("the other "):
            again = say_name(claim.bodies, facts, frozenset(facts.motions) - set(claim.bodies))
        return again[0] if len(again) == 1 else None
    name, _, fact = claim.name.partition(".")
    if fact in (*QUANTITY_FACTS, *LIGHT_FACTS):
        return say_light(fact, facts) if name == "light" else say_quantity(name, fact, facts)
    if claim.name in BODY_FACTS or claim.name in GROUP_FACTS:
        return say(claim.name, claim.bodies, facts)
    found = claiming.measure(claim.name, claim.bodies, facts)
    return replace(claim, value=found.value, unit=found.unit, holds=found.holds)
