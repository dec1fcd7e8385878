"""Instructions from states: patterns of a scene + what happened → three sentences, and the claims they rest on.

A pattern is a sentence with five marks, which nest:

    [tips|falls]            one of these, drawn
    {slot}                  words from the states; a pattern whose slot cannot be filled is not used
    {falls/fall}            the first where the bodies named last are one, the second where they are more
    (actor rolled; …)       claims of `simgen.language.claims`; says nothing; the rest is used only if they hold
    <, rolls {distance}>    left out unless all of it can be said

What surrounds a mark is its alternative in `[…]`, its `<…>`, or the whole pattern. Sentences get their capital and
`a` or `an` by themselves. So a scene may write

    "{actor} tips over {fall direction}<, [rolls on (actor rolled)|slides on (actor slid)] for {distance}> and
     (actor at rest) comes to rest {pose}<; (everything else stays) everything else stays where it is>."

A word that claims something (`rolls`, `comes to rest`, `everything else`: WORDS_THAT_CLAIM) needs its claim beside it
or among the scene's own; `check_phrases` finds those that lack one, and the suite runs it over every scene.

Slots of groups (`actor`, `affected`, `others`, `struck`, `pieces`, `bystanders`, `props`: see
`simgen.language.claims`):

    {actor}                 `the blue mug`, `the left blue ball`, `the other seven white dominoes`, `the mug and the red
                            book`: as the camera sees the start frame, never said where two things could be meant
    {actor.FACT}            one of the facts below; of several bodies only where it is the same for all
    {FACT}                  the actor's; but {count} and {fallen} are those of `pieces`
    {stage}                 `the table`, `the floor`, `the surface`, `the ground`

    label                   `blue mug`, where there is but one
    direction               of its way over the ground, as the camera sees it: `to the left`, `towards the camera`,
                            `to the left and away from the camera`; over 3 cm and 3 % of the camera's distance, midway
                            between its axes and the line of sight within 25 degrees of an axis or 15 of a diagonal
    fall direction          the same for the way its top went
    distance                `about 14 cm` over the ground between start and end; to 1 cm below 20 cm, to 5 cm below 1 m,
                            to 0.1 m from there
    travel                  the same for the length of its path, slopes and all
    drop height             the same for how far it falls
    support, start support  what it ends or begins on: `the table`, `the red book`
    pose                    `upright`, `the right way up`, `on its side`, `upside down`, `flat`, `on its edge`,
                            `leaning against the red book`: all fit after "ends up" and "comes to rest"
    turns                   `about half a turn`, `about two turns`, where it rolled
    bounces                 `once`, `twice`, `three times`
    beside                  `next to the red book`, within 3 cm at the end
    place                   `in the left third of the picture`, middle or right, at the end
    outcome                 a clause for each of up to three bodies: `the red can topples to the left and ends up on its
                            side; the blue ball rolls about 20 cm to the right`
    does                    such a clause of one body without its name
    count                   how many of the group fell: `all eight`, `both`, `three of the five`
    fallen                  those with their name: `all eight white dominoes`, `three of the five wooden blocks`

Of a quantity that the scene measures, by its name: {temperature.start}, {temperature.end}, {temperature.change} as
figures with their unit, {temperature.times} (`twice`, the larger over the smaller), {hue.start word}, {hue.end word}
where the quantity has words. {light.start side} and {light.end side} say where the light that changes comes from:
`the left`, `the right`, `behind`, `above`, `the front`.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from simgen.core.errors import UnknownName, UsageError
from simgen.core.rollout import Rollout
from simgen.core.sample import Instructions, Reject
from simgen.core.spec import Camera
from simgen.language import claims as claiming
from simgen.language import predicates
from simgen.language.claims import GROUPS, TIERS, Claim, Tier, bodies_in
from simgen.language.facts import TOPPLED_DEG, Facts, observe
from simgen.language.words import (
    BODY_FACTS,
    GROUP_FACTS,
    LIGHT_FACTS,
    QUANTITY_FACTS,
    STAGE_WORDS,
    joined,
    say,
    say_again,
    say_light,
    say_name,
    say_quantity,
)
from simgen.scene.registry import Phrases, Scene

MAX_CHARACTERS = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Compiled:
    """The three sentences and everything that they claim."""

    instructions: Instructions
    claims: tuple[Claim, ...]


def compile_instructions(scene: Scene, rollout: Rollout, camera: Camera, rng: np.random.Generator) -> Compiled | Reject:
    """A sentence of each tier that what happened bears out, or why there is none."""
    facts = observe(rollout, camera)
    found: list[Claim] = []
    for name in scene.claims:
        if not claiming.holds(name, facts):
            claim = next((c for c in claiming.check(name, facts) if not c.holds), None)
            figure = f"measured {claim.value:.3g} {claim.unit} of body {claim.bodies}" if claim else "no such body"
            return Reject(gate=f"claim: {name}", reason=f"it is not so that {name}: {figure}")
        found += [replace(claim, tiers=TIERS) for claim in claiming.check(name, facts)]
    sentences: dict[Tier, str] = {}
    for tier in TIERS:
        patterns = _patterns(scene.phrases, tier)
        for k in rng.permutation(len(patterns)):
            where = f"scene {scene.name!r}: {tier} phrase {int(k) + 1}"
            said = _sentence(parse(patterns[int(k)], where=where), facts, rng)
            if said is not None:
                sentences[tier] = said.text
                found += [replace(claim, tiers=(tier,)) for claim in said.claims]
                break
        else:
            return Reject(gate=f"no {tier} sentence", reason=f"no {tier} phrase is true of what happened")
    return Compiled(instructions=Instructions(**sentences), claims=_merged(found))


def check_claims(claims: tuple[Claim, ...], rollout: Rollout, camera: Camera) -> list[str]:
    """Every claim measured again from the states; what differs, in words.

    A number in words may be off by 15 % or by 1 cm, whichever is more.
    """
    facts = observe(rollout, camera)
    faults = []
    for claim in claims:
        again = say_again(claim, facts)
        what = f"{claim.name} of {claim.bodies} ({claim.said!r})"
        if again is None or not claim.holds or not again.holds:
            faults.append(f"{what} does not hold")
        elif again.unit != claim.unit or not np.isclose(again.value, claim.value, rtol=1e-6, atol=1e-9):
            faults.append(f"{what} was {claim.value:.6g} {claim.unit}, is {again.value:.6g} {again.unit}")
        elif claim.said != again.said:
            faults.append(f"{what} should be {again.said!r}")
        for number, unit in re.findall(r"about ([\d.]+) (cm|m)\b", claim.said):
            metres = float(number) * (0.01 if unit == "cm" else 1.0)
            if claim.unit == "m" and abs(metres - claim.value) > max(0.15 * claim.value, 0.01) + 1e-9:
                faults.append(f"{what} is really {claim.value:.3f} m")
    return faults


def check_sentence(text: str) -> list[str]:
    """Mechanical faults of a finished sentence."""
    rules = [
        (len(text) > MAX_CHARACTERS, f"{len(text)} characters; at most {MAX_CHARACTERS}"),
        (not text or not re.match(r"[A-Z]", text), "does not start with a capital letter"),
        (not text.endswith("."), "does not end with a full stop"),
        (not text.isprintable(), "holds a line break or a control character"),
        ("_" in text, "an underscore"),
        (re.search(r"[{}\[\]<>|()/\\]", text), "an unfilled slot or a mark of a pattern"),
        (re.search(r"[A-Za-z]\d|\d[A-Za-z]", text), "a digit glued to a letter"),
        (re.search(r"[a-z][A-Z]|\w:\w", text), "looks like an asset's name"),
        (re.search(r"  |^ | $", text), "a double space or one at an end"),
        (re.search(r" [,.;:]|,,|\.\.|[,;:]\.|[,;] *[,;]", text), "punctuation that does not fit together"),
        (re.search(r"[,;](?! )|\.(?! |\d|$)", text), "no space after a mark"),
        (re.search(r"\. [a-z]", text), "a sentence with a small first letter"),
        (re.search(r"\b(and|or|of|with|onto|the|an?|that|which|next to|ends? up)[,.;]", text), "a word left hanging"),
        (re.search(r"\b(\w+) \1\b", text, re.IGNORECASE), "a word twice in a row"),
        (
            re.search(r"\b(an?) (the|an?|about|it|its)\b", text, re.IGNORECASE),
            "an article before another word of its kind",
        ),
        (any(m[1].lower() != _article(m[2]) for m in _ARTICLES.finditer(text)), "a where an belongs, or the reverse"),
    ]
    return [fault for broken, fault in rules if broken]


def check_phrases(phrases: Phrases, claims: tuple[str, ...], *, where: str = "phrases") -> list[str]:
    """Faults of a scene's patterns: marks that do not match, unknown names, words that claim what no claim covers."""
    faults = []
    for name in claims:
        try:
            claiming.parse(name)
        except UnknownName as error:
            faults.append(f"{where}: {error}")
    for tier in TIERS:
        for k, pattern in enumerate(_patterns(phrases, tier)):
            place = f"{where}: {tier} phrase {k + 1}"
            try:
                parsed = parse(pattern, where=place)
            except UsageError as error:
                faults.append(str(error))
                continue
            unclaimed = {
                (found[0], needed)
                for text, demanded in _variants(parsed, with_optional=None)
                for words, needed in WORDS_THAT_CLAIM
                for found in re.finditer(words, text)
                if not _covered(text[: found.start()], needed, (*claims, *demanded))
            }
            for word, needed in sorted(unclaimed):
                lack = f"needs a claim: {' or '.join(needed)}" if needed else "only a slot may say"
                faults.append(f"{place}: says {word!r}, which {lack}")
    return faults


def expansions(phrases: Phrases) -> dict[Tier, int]:
    """How many distinct phrasings each tier has, slots unfilled and optional parts in."""
    return {
        tier: len(
            {
                _tidy(text)
                for k, pattern in enumerate(_patterns(phrases, tier))
                for text, _ in _variants(parse(pattern, where=f"{tier} phrase {k + 1}"), with_optional=True)
            }
        )
        for tier in TIERS
    }


def _covered(before: str, needed: tuple[str, ...], claims: tuple[str, ...]) -> bool:
    """Whether one of the claims backs a word; right after a group's name it must be about all of that group."""
    subject = re.search(r"\{([a-z.]+)\} $", before)
    fitting = [claim for claim in claims if any(what in claim for what in needed)]
    if subject is None:
        return bool(fitting)
    group = subject[1]
    if group.endswith((".count", ".fallen")):
        return "fell" in needed or bool(fitting)
    return any(claim.removeprefix("all ").startswith(f"{group} ") for claim in fitting) or group not in GROUPS


WORDS_THAT_CLAIM: tuple[tuple[str, tuple[str, ...]], ...] = (
    (r"\b(?:at|to) rest\b|\bsettl", ("at rest", "stopped")),
    (r"\bstops?\b", ("stopped", "at rest")),
    (r"\broll(s|ing)?\b", ("rolled",)),
    (r"\b(slides?|sliding)\b", ("slid",)),
    (r"\bbounc", ("bounced", "rebounded")),
    (r"\brebounds?\b", ("rebounded",)),
    (r"\b(toppl|tips? )", ("toppled",)),
    (r"\b(knock|push|fall|tip|turn)s?\b[^,.;]*\bover\b", ("toppled", "turned over", "fell")),
    (
        r"\b(falls?|falling|drops?|dropping|lands?|collapses?|tumbles?|down)\b",
        ("fell", "dropped", "toppled", "slid", "rolled"),
    ),
    (r"\b(hits?|strikes?|bumps?|collides?|runs? into|knocks? into)\b", ("struck", "in turn")),
    (r"\b(everything|nothing|all) else\b", ("everything else",)),
    (r"\b(stays?|remains?|unmoved|untouched)\b", ("stayed", "everything else")),
    (r"\bone after (the other|another)\b|\bin turn\b|\bchain\b", ("in turn",)),
    (r"\b(remov|tak(e|es|ing) away|takes? out|pulls? out)", ("removed",)),
    (r"\b(break|breaks|breaking|shatter|smash|broken)|\bto pieces\b", ("broke",)),
    (r"\bupright\b", ("ended upright",)),
    (r"\bon (its|their) sides?\b", ("on its side",)),
    (r"\bupside down\b", ("upside down",)),
    (r"\blean", ("leaning",)),
    (r"\b(to the left|to the right|the camera)\b", ()),
    (r"\d", ()),
)
"""Literal words of a pattern, and the claims of which one must stand beside them; with none, only a slot may say it."""


@dataclass(frozen=True, slots=True)
class _Slot:
    group: str
    fact: str
    """Empty: the name."""


@dataclass(frozen=True, slots=True)
class _Agree:
    one: str
    many: str


@dataclass(frozen=True, slots=True)
class _Need:
    claims: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Choice:
    alternatives: tuple["_Sequence", ...]


@dataclass(frozen=True, slots=True)
class _Maybe:
    content: "_Sequence"


_Node = str | _Slot | _Agree | _Need | _Choice | _Maybe
_Sequence = tuple[_Node, ...]


@lru_cache(maxsize=1024)
def parse(pattern: str, *, where: str) -> _Sequence:
    """A pattern as a tree; a UsageError that says where a mark or a name is wrong."""
    tokens = re.findall(r"\{[^{}]*\}|\([^()]*\)|[\[\]<>|{}()]|[^\[\]<>|{}()]+", " ".join(pattern.split()))
    tree, rest = _parse_until(tokens, 0, "", where)
    if rest != len(tokens):
        raise UsageError(f"{where}: {tokens[rest]!r} without its partner in {pattern!r}")
    return tree


def _parse_until(tokens: list[str], at: int, closing: str, where: str) -> tuple[_Sequence, int]:
    nodes: list[_Node] = []
    while at < len(tokens):
        token = tokens[at]
        if closing and token in closing:
            return tuple(nodes), at
        at += 1
        if token == "[":
            alternatives = []
            while True:
                alternative, at = _parse_until(tokens, at, "|]", where)
                alternatives.append(alternative)
                at += 1
                if tokens[at - 1] == "]":
                    break
            nodes.append(_Choice(tuple(alternatives)))
        elif token == "<":
            content, at = _parse_until(tokens, at, ">", where)
            nodes.append(_Maybe(content))
            at += 1
        elif token.startswith("{") and len(token) > 1:
            nodes.append(_parse_slot(token[1:-1].strip(), where))
        elif token.startswith("(") and len(token) > 1:
            needed = tuple(" ".join(claim.split()) for claim in token[1:-1].split(";"))
            for claim in needed:
                try:
                    claiming.parse(claim)
                except UnknownName as error:
                    raise UsageError(f"{where}: {error}") from error
            nodes.append(_Need(needed))
        elif token in "]>|{}()":
            raise UsageError(f"{where}: {token!r} without its partner")
        else:
            nodes.append(token)
    if closing:
        raise UsageError(f"{where}: {closing[-1]!r} is missing")
    return tuple(nodes), at


def _parse_slot(slot: str, where: str) -> _Slot | _Agree:
    if "/" in slot:
        one, _, many = slot.partition("/")
        return _Agree(one.strip(), many.strip())
    if slot == "stage" or slot in GROUPS:
        return _Slot(slot, "")
    group, dot, fact = slot.partition(".")
    if not dot:
        group, fact = ("pieces" if slot in GROUP_FACTS else "actor"), slot
    if (group == "light" and fact in LIGHT_FACTS) or (group not in GROUPS and fact in QUANTITY_FACTS):
        return _Slot(group, fact)
    if group not in GROUPS:
        raise UnknownName("group of bodies", group, GROUPS, where=f"{where}: slot {slot!r}")
    if fact not in (*BODY_FACTS, *GROUP_FACTS, *CLAUSES):
        raise UnknownName("slot", fact, [*BODY_FACTS, *GROUP_FACTS, *CLAUSES, *GROUPS, "stage"], where=where)
    return _Slot(group, fact)


def _variants(sequence: _Sequence, *, with_optional: bool | None) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Every text that a pattern can take, slots as they are written, each with the claims that it demands.

    Optional parts are in, out, or (None) both in turn.
    """
    if not sequence:
        yield "", ()
        return
    for head, demanded in _node_variants(sequence[0], with_optional):
        for tail, more in _variants(sequence[1:], with_optional=with_optional):
            yield head + tail, demanded + more


def _node_variants(node: _Node, with_optional: bool | None) -> Iterator[tuple[str, tuple[str, ...]]]:
    if isinstance(node, str):
        yield node, ()
    elif isinstance(node, _Slot):
        yield f"{{{node.group}{'.' if node.fact else ''}{node.fact}}}", ()
    elif isinstance(node, _Agree):
        yield node.one, ()
    elif isinstance(node, _Need):
        yield "", node.claims
    elif isinstance(node, _Choice):
        for alternative in node.alternatives:
            yield from _variants(alternative, with_optional=with_optional)
    else:
        if with_optional is not True:
            yield "", ()
        if with_optional is not False:
            yield from _variants(node.content, with_optional=with_optional)


def _patterns(phrases: Phrases, tier: Tier) -> tuple[str, ...]:
    patterns = getattr(phrases, tier)
    # A lone string is a tuple that lost its comma.
    return (patterns,) if isinstance(patterns, str) else tuple(patterns)


# Saying


@dataclass(frozen=True, slots=True, kw_only=True)
class _Said:
    """A sentence so far."""

    text: str = ""
    claims: tuple[Claim, ...] = ()
    mentioned: frozenset[int] = frozenset()
    plural: bool = False


def _sentence(pattern: _Sequence, facts: Facts, rng: np.random.Generator) -> _Said | None:
    """A pattern filled from the facts without a mechanical fault, if need be without its optional parts."""
    for bare in (False, True):
        said = _say(pattern, _Said(), facts, rng, bare)
        if said is not None:
            said = replace(said, text=_tidy(said.text))
            if not check_sentence(said.text):
                return said
    return None


def _say(sequence: _Sequence, said: _Said, facts: Facts, rng: np.random.Generator, bare: bool) -> _Said | None:
    """`said` continued by a sequence of marks, or None where that would not be true."""
    for node in sequence:
        after: _Said | None
        if isinstance(node, str):
            after = replace(said, text=said.text + node)
        elif isinstance(node, _Slot):
            after = _say_slot(node, said, facts)
        elif isinstance(node, _Agree):
            after = replace(said, text=said.text + (node.many if said.plural else node.one))
        elif isinstance(node, _Need):
            after = _say_claims(node, said, facts)
        elif isinstance(node, _Maybe):
            after = None if bare else _say(node.content, said, facts, rng, bare)
            after = after or said
        else:
            order = [node.alternatives[int(k)] for k in rng.permutation(len(node.alternatives))]
            tried = (_say(alternative, said, facts, rng, bare) for alternative in order)
            after = next((one for one in tried if one is not None), None)
        if after is None:
            return None
        said = after
    return said


def _say_claims(node: _Need, said: _Said, facts: Facts) -> _Said | None:
    claims = said.claims
    for claim in node.claims:
        if not claiming.holds(claim, facts, said.mentioned):
            return None
        claims += claiming.check(claim, facts, said.mentioned)
    return replace(said, claims=claims)


def _say_slot(slot: _Slot, said: _Said, facts: Facts) -> _Said | None:
    if slot.group == "stage":
        return replace(said, text=said.text + STAGE_WORDS[facts.rollout.spec.stage.kind])
    if slot.group not in GROUPS:
        light = slot.group == "light"
        figure = say_light(slot.fact, facts) if light else say_quantity(slot.group, slot.fact, facts)
        return replace(said, text=said.text + figure.said, claims=(*said.claims, figure)) if figure else None
    bodies = bodies_in(slot.group, facts)
    if not bodies:
        return None
    if slot.fact in GROUP_FACTS:
        fallen = tuple(b for b in bodies if predicates.fell(facts.motions[b], facts).holds)
        claim = say(slot.fact, bodies, facts)
        if claim is None:
            return None
        return replace(
            said,
            text=said.text + claim.said,
            claims=(*said.claims, claim),
            mentioned=said.mentioned | set(fallen),
            plural=len(fallen) > 1,
        )
    if slot.fact == "outcome":
        return _say_outcome(bodies, said, facts)
    if slot.fact == "does":
        does = _does(bodies[0], facts) if len(bodies) == 1 else ()
        return replace(said, text=said.text + _clause(does), claims=(*said.claims, *does)) if does else None
    if slot.fact:
        claims = [say(slot.fact, (body,), facts) for body in bodies]
        if len({claim.said if claim else None for claim in claims}) != 1 or claims[0] is None:
            return None
        words = claims[0].said if len(bodies) == 1 else re.sub(r"\bon its (\w+)", r"on their \1s", claims[0].said)
        return replace(said, text=said.text + words, claims=(*said.claims, *(c for c in claims if c)))
    named = say_name(bodies, facts, said.mentioned)
    if not named:
        return None
    return replace(
        said,
        text=said.text + joined([claim.said for claim in named]),
        claims=(*said.claims, *named),
        mentioned=said.mentioned | set(bodies),
        plural=len(bodies) > 1,
    )


def _say_outcome(bodies: tuple[int, ...], said: _Said, facts: Facts) -> _Said | None:
    """A clause for each body: how it moved, which way, and how it lies."""
    if len(bodies) > 3:
        return None
    clauses, claims = [], said.claims
    for body in bodies:
        named, does = say_name((body,), facts, said.mentioned), _does(body, facts)
        if not named or not does:
            return None
        claims += (*named, *does)
        clauses.append(f"{named[0].said} {_clause(does)}")
    return replace(
        said,
        text=said.text + "; ".join(clauses),
        claims=claims,
        mentioned=said.mentioned | set(bodies),
        plural=len(bodies) > 1,
    )


def _does(body: int, facts: Facts) -> tuple[Claim, ...]:
    """How a body moved, which way, and how it lies, as the claims whose words make the clause."""
    found = ((verb, what, claiming.measure(what, (body,), facts)) for verb, what in OUTCOME_VERBS)
    how = next((one for one in found if one[2].holds), None)
    if how is None:
        return ()
    verb, what, figure = how
    does = Claim(name=what, bodies=(body,), said=verb, value=figure.value, unit=figure.unit, holds=True)
    wanted = {"topples": ["fall direction"], "falls": ["drop height"]}.get(verb, ["distance", "direction"])
    if verb == "falls" or facts.motions[body].tilt_deg >= TOPPLED_DEG:
        wanted.append("pose")
    details = tuple(claim for fact in wanted if (claim := say(fact, (body,), facts)))
    return () if verb == "moves" and not details else (does, *details)


def _clause(does: tuple[Claim, ...]) -> str:
    """`rolls about 20 cm to the left`, `topples and ends up on its side`."""
    return " ".join(f"and ends up {claim.said}" if claim.name == "pose" else claim.said for claim in does)


CLAUSES = ("outcome", "does")
OUTCOME_VERBS = (
    ("topples", "toppled"),
    ("falls", "dropped"),
    ("rolls", "rolled"),
    ("slides", "slid"),
    ("moves", "moved"),
)


def _merged(claims: list[Claim]) -> tuple[Claim, ...]:
    """Each claim once, with all tiers that rest on it."""
    merged: dict[tuple[str, tuple[int, ...], str], Claim] = {}
    for claim in claims:
        key = (claim.name, claim.bodies, claim.said)
        tiers = {*claim.tiers, *(merged[key].tiers if key in merged else ())}
        merged[key] = replace(claim, tiers=tuple(tier for tier in TIERS if tier in tiers))
    return tuple(merged.values())


_ARTICLES = re.compile(r"\b([Aa]n?) ([\w-]+)")


def _article(word: str) -> str:
    """`a` or `an`, by the sound that a word begins with."""
    if re.match(r"(one|once|uni|use|usu|eu|uk)", word, re.IGNORECASE):
        return "a"
    if re.match(r"(hour|honest|heir|8|11\b|18\b)", word, re.IGNORECASE):
        return "an"
    return "an" if word[0].lower() in "aeiou" else "a"


def _tidy(text: str) -> str:
    """Single spaces, articles that fit, capitals at the start of sentences."""
    text = re.sub(r" +([,.;:])", r"\1", " ".join(text.split()))
    text = _ARTICLES.sub(lambda m: f"{m[1][0]}{_article(m[2])[1:]} {m[2]}", text)
    return re.sub(r"(^|\. )([a-z])", lambda m: m[1] + m[2].upper(), text)
