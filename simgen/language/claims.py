"""What happened, as claims: a rollout → measured facts → claims that hold or do not, each with its figure.

A scene names claims in plain words, `[all|some|no] GROUP PREDICATE`; without a word in front, all of them.
GROUP is a role or one of these:

    actor        what the event acts upon
    affected     what may move in consequence
    others       whatever moved besides the actor, props left out
    struck       the first body that an actor ran into
    pieces       actor and affected together, and all else of their kind; without what was taken away
    bystanders   what has no part in the event
    props        ramps and other parts of the set

PREDICATES, between the start and the end frame unless the line says otherwise (in brackets the figure that is kept):

    moved               by 1 cm or turned by 10 degrees [m]
    stayed              within 5 mm and 2 degrees [m]
    fell                dropped or toppled [m]
    dropped             came down by 2 cm or more, through the air or because what carried it went [m]
    toppled             stood on something; its upward axis ends 45 degrees or more away [deg]
    turned over         the same, however it began [deg]
    slid                moved 2 cm or more along what carries it and never turned over, rolled or flew [m]
    rolled              radius times angle is the way it went, within 25 percent, over a quarter turn or more [1]
    bounced             left the ground again after landing and rose 1 cm [bounces]
    started in the air  touches nothing in the start frame [m]
    at rest             as the certificate has it (`simgen.core.motion`), and it touches something [m/s]
    stopped             moved, and at rest at the end [m/s]
    stopped dead        at rest at the end, within half its own length of where it first ran into a body [m]
    rebounded           went back 2 cm or more after it first ran into a body [m]
    removed             visible at the start, not at the end
    broke               the same, and pieces of it are there instead [pieces]
    left the stage      ends beyond its edge or below its top [m]
    left its support    what carried it at the start does not touch it at the end
    ended upright · on its side · upside down · flat · on its edge · leaning · the right way up   (see `posture`) [deg]
    fell in turn        of a group: three or more of them fell, each one hit by one that had fallen before it [bodies]

and four that take an object, a GROUP or `stage`: `actor struck affected` (some actor ran into some of them),
`actor ended on affected`, `actor started on props`, `others started over actor` (on it, or on what stood on it).
Quantities that a scene measures are claimed by name: `temperature rises` (by 2 % or more), `temperature falls`,
`level starts above 0.5`, `level ends below 0.1`.
One stands alone: `everything else stays`, true where whatever the sentence has not named so far ends within 5 mm and
2 degrees of its place.
"""

import re
from dataclasses import dataclass
from typing import Literal

from simgen.core.errors import UnknownName
from simgen.core.rollout import Quantity
from simgen.core.spec import STAGE_ID
from simgen.language.facts import (
    Facts,
    head_noun,
)
from simgen.language.predicates import PREDICATES, Measurement, fell, moved, stayed

Tier = Literal["superficial", "intermediate", "explicit"]
TIERS: tuple[Tier, ...] = ("superficial", "intermediate", "explicit")


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One thing that a sentence rests on, with the figure that bears it out."""

    name: str
    """What is claimed: `toppled`, `not bounced`, `direction`, `name`."""
    bodies: tuple[int, ...]
    """Whom it is about, by instance id; 0 is the stage."""
    said: str
    """The words in the sentence, or the claim as the scene puts it."""
    value: float
    unit: str
    holds: bool
    tiers: tuple[Tier, ...] = ()


def bodies_in(group: str, facts: Facts) -> tuple[int, ...]:
    """The instance ids of a group; see the table above."""
    bodies, motions = facts.rollout.bodies, facts.motions
    if group in ("actor", "affected"):
        return tuple(body.id for body in bodies if body.role == group)
    if group in ("bystanders", "props"):
        return tuple(body.id for body in bodies if body.role == group[:-1])
    if group == "others":
        free = (body.id for body in bodies if body.role not in ("actor", "prop"))
        return tuple(body_id for body_id in free if moved(motions[body_id]).holds)
    if group == "pieces":
        row = [body for body in bodies if body.role in ("actor", "affected")]
        kinds = {head_noun(body.label) for body in row}
        row += [body for body in bodies if body.role == "bystander" and head_noun(body.label) in kinds]
        return tuple(sorted(body.id for body in row if motions[body.id].present))
    if group == "struck":
        movable = {body.id for body in bodies if body.role not in ("actor", "prop") and not body.static}
        actors = bodies_in("actor", facts)
        for strike in facts.strikes:
            for one, other in ((strike.a, strike.b), (strike.b, strike.a)):
                if one in actors and other in movable:
                    return (other,)
        return ()
    raise UnknownName("group of bodies", group, GROUPS)


GROUPS = ("actor", "affected", "others", "struck", "pieces", "bystanders", "props")


RELATIONS = ("struck", "ended on", "started on", "started over")
GROUP_CLAIMS = ("fell in turn",)
QUANTITY_CLAIM = re.compile(r"([a-z][a-z0-9_]*) (rises|falls|(?:starts|ends) (?:above|below) (-?[\d.]+))")
CHANGED_BY = 0.02
"""A quantity rises or falls where it changes by this share of its larger value."""
EVERYTHING_ELSE = "everything else stays"


def check(name: str, facts: Facts, mentioned: frozenset[int] = frozenset()) -> tuple[Claim, ...]:
    """The claims that the named one comes down to, body by body; it holds where all of them do.

    `mentioned`: the bodies that the sentence has named so far, which `everything else` leaves out.
    """
    quantifier, subject, what, target = parse(name)
    if what == EVERYTHING_ELSE:
        rest = tuple(b.id for b in facts.rollout.bodies if not {b.id, b.parent} & mentioned)
        return (_claim(EVERYTHING_ELSE, rest, name, measure(EVERYTHING_ELSE, rest, facts)),)
    if QUANTITY_CLAIM.fullmatch(f"{subject} {what}") and subject not in GROUPS:
        claimed = f"{subject} {what}"
        return (_claim(claimed, (), name, measure(claimed, (), facts)),)
    bodies = bodies_in(subject, facts)
    if what in GROUP_CLAIMS:
        return (_claim(what, bodies, name, measure(what, bodies, facts)),)
    if what == "struck":
        pairs = [(a, b) for a in bodies for b in _target(target, facts) if a != b]
        found = [_claim(what, pair, name, measure(what, pair, facts)) for pair in pairs]
        return tuple(claim for claim in found if claim.holds) or tuple(found[:1])
    if what in RELATIONS:
        # One claim to each body: that which carries it is in the named group.
        found = []
        for body in bodies:
            pairs = [(body, b) for b in _target(target, facts) if b != body]
            tried = [_claim(what, pair, name, measure(what, pair, facts)) for pair in pairs]
            found += [claim for claim in tried if claim.holds][:1] or tried[:1]
    else:
        found = [_claim(what, (body,), name, measure(what, (body,), facts)) for body in bodies]
    if quantifier == "some":
        return tuple(claim for claim in found if claim.holds) or tuple(found[:1])
    if quantifier == "no":
        return tuple(_claim(f"not {what}", c.bodies, name, Measurement(not c.holds, c.value, c.unit)) for c in found)
    return tuple(found)


def holds(name: str, facts: Facts, mentioned: frozenset[int] = frozenset()) -> bool:
    """Whether a claim named as in the table above is borne out; of an empty group only `no` is."""
    found = check(name, facts, mentioned)
    return all(claim.holds for claim in found) and (bool(found) or parse(name)[0] == "no")


def measure(what: str, bodies: tuple[int, ...], facts: Facts) -> Measurement:
    """One claim about given bodies, from the states alone; `not …` is its denial."""
    if what.startswith("not "):
        found = measure(what[4:], bodies, facts)
        return Measurement(not found.holds, found.value, found.unit)
    if what == EVERYTHING_ELSE:
        found_all = [stayed(facts.motions[b]) for b in bodies]
        worst = max((found.value for found in found_all), default=0.0)
        return Measurement(all(found.holds for found in found_all), worst, "m")
    if what == "fell in turn":
        return _fell_in_turn(bodies, facts)
    claimed = QUANTITY_CLAIM.fullmatch(what)
    if claimed is not None:
        return _of_quantity(quantity(claimed[1], facts), claimed[2], claimed[3])
    if what == "struck":
        a, b = bodies
        speed = next((s.speed_mps for s in facts.strikes if {s.a, s.b} == {a, b}), 0.0)
        return Measurement(speed > 0, speed, "m/s")
    if what == "started over":
        body, other = bodies
        under, new = set[int](), set(facts.motions[body].started_on)
        while new:
            under |= new
            new = {c for b in new - {STAGE_ID} for c in facts.motions[b].started_on} - under
        return Measurement(other in under, float(len(under)), "bodies")
    if what in ("ended on", "started on"):
        body, other = bodies
        m = facts.motions[body]
        below = m.ended_on if what == "ended on" else m.started_on
        there = m.visible_at_end if what == "ended on" else m.visible_at_start
        return Measurement(there and other in below, float(len(below)), "bodies")
    return PREDICATES[what](facts.motions[bodies[0]], facts)


def quantity(name: str, facts: Facts) -> Quantity:
    """A quantity of the rollout by its name."""
    known = {q.name: q for q in facts.rollout.quantities}
    if name not in known:
        raise UnknownName("quantity", name, known, where=f"scene {facts.rollout.spec.scene!r}")
    return known[name]


def _of_quantity(q: Quantity, what: str, limit: str | None) -> Measurement:
    if limit is None:
        least = CHANGED_BY * max(abs(q.start), abs(q.end))
        change = q.end - q.start
        return Measurement(change > least if what == "rises" else change < -least, change, q.unit)
    value = q.start if what.startswith("starts") else q.end
    return Measurement(value > float(limit) if " above " in what else value < float(limit), value, q.unit)


def parse(name: str) -> tuple[str, str, str, str]:
    """Quantifier, group, what and object of a claim's name; an UnknownName with the nearest where it is none."""
    words = " ".join(name.split())
    if words == EVERYTHING_ELSE:
        return ("all", "", EVERYTHING_ELSE, "")
    first, _, rest = words.partition(" ")
    quantifier, rest = (first, rest) if first in ("all", "some", "no") else ("all", words)
    subject, _, what = rest.partition(" ")
    if subject not in GROUPS and QUANTITY_CLAIM.fullmatch(words):
        return ("all", subject, what, "")
    if subject not in GROUPS:
        raise UnknownName("group of bodies", subject, [*GROUPS, EVERYTHING_ELSE], where=f"claim {name!r}")
    if what in PREDICATES or what in GROUP_CLAIMS:
        return (quantifier, subject, what, "")
    for relation in RELATIONS:
        if what.startswith(relation + " "):
            target = what[len(relation) + 1 :]
            if target not in GROUPS and not (target == "stage" and relation != "struck"):
                raise UnknownName("group of bodies", target, [*GROUPS, "stage"], where=f"claim {name!r}")
            return (quantifier, subject, relation, target)
    known = [*PREDICATES, *GROUP_CLAIMS, *(f"{relation} affected" for relation in RELATIONS)]
    raise UnknownName("claim", what, known, where=f"claim {name!r}")


def _claim(what: str, bodies: tuple[int, ...], said: str, found: Measurement) -> Claim:
    return Claim(name=what, bodies=bodies, said=said, value=found.value, unit=found.unit, holds=found.holds)


def _target(group: str, facts: Facts) -> tuple[int, ...]:
    return (STAGE_ID,) if group == "stage" else bodies_in(group, facts)


def _fell_in_turn(bodies: tuple[int, ...], facts: Facts) -> Measurement:
    fallen = [b for b in bodies if fell(facts.motions[b], facts).holds]
    when = {b: facts.motions[b].topple_index for b in fallen}
    order = sorted((b for b in fallen if when[b] is not None), key=lambda b: when[b] or 0)
    hit = {
        later
        for strike in facts.strikes
        for earlier, later in ((strike.a, strike.b), (strike.b, strike.a))
        if earlier in order and later in order and order.index(earlier) < order.index(later)
        if strike.index <= (when[later] or 0)
    }
    in_turn = len(order) == len(fallen) >= 3 and hit == set(order[1:])
    return Measurement(in_turn, float(len(fallen)), "bodies")
