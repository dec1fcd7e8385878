"""The id of an asset → plain words that can stand in an instruction, and what the thing is likely made of.

Cole_Hardware_Bowl_Scirocco_YellowBlue → yellow and blue bowl, a bowl of ceramic
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import yaml

from simgen.storage.resources import folder

LONGEST = 100
"""Letters of a label: an instruction of 400 holds it several times."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Guess:
    """What the words of an id say; `density_kgpm3` is 0 where the substance's own will do."""

    label: str
    kind: str
    substance: str
    density_kgpm3: float = 0.0


def guess_object(asset_id: str, category: str = "") -> Guess:
    """The thing that an id names. With nothing known in it the category speaks, then the bare words."""
    vocabulary = _vocabulary()
    words = _words(asset_id[:1000])
    fallback = vocabulary["categories"].get(category)
    only = fallback["kind"] if category in vocabulary["closed_categories"] else ""
    thing, used = _find_thing(words, only)
    rest = [word for k, word in enumerate(words) if k not in used]
    materials = [vocabulary["materials"][w] for w in rest if w in vocabulary["materials"]]
    substance = materials[-1][1] if materials else ""
    if thing is None and fallback is not None:
        thing = {**fallback, "plain": fallback["kind"] in ("box", "case", "bottle")}
    if thing is None:
        said = [w for w in rest if not any(c.isdigit() for c in w)]
        colors = _colors(said)
        noun = " ".join(w for w in said if w not in vocabulary["colors"]) or "object"
        return Guess(label=_join(colors, noun), kind=_one_word(noun), substance=substance or "plastic")
    if thing.get("plain"):
        substance = ""
    density = 0.0 if substance and substance != thing["substance"] else float(thing.get("density", 0.0))
    label = thing["label"]
    if not thing.get("plain"):
        spoken = [m[0] for m in materials if m[0] not in label.split() and " of " not in label][:1]
        label = _join(_colors(rest), " ".join([*spoken, label]))
    return Guess(label=label, kind=thing["kind"], substance=substance or thing["substance"], density_kgpm3=density)


def guess_environment(asset_id: str, tags: Iterable[str] = ()) -> tuple[str, bool]:
    """A label for an environment map, and whether it is indoors."""
    vocabulary = _vocabulary()
    tags = [word for tag in tags for word in _words(tag)]
    words = [*_words(asset_id), *tags]
    places = [vocabulary[key][w] for key in ("places", "broad_places") for w in words if w in vocabulary[key]]
    label, indoor = places[0] if places else ("open place", False)
    if "indoor" in tags or "outdoor" in tags:
        indoor = "indoor" in tags
    time = next((said for word, said in vocabulary["times"].items() if word in words), "")
    return (label if indoor else f"{label} {time}".strip()), indoor


def plain(label: str) -> str:
    """A label as it stands in a sentence: lower case, single spaces, no underscores, no full stop."""
    words = " ".join(label[:10_000].replace("_", " ").lower().split())
    # What steers a terminal or turns the order of letters round is no word.
    return "".join(c for c in words if c.isprintable())[:LONGEST].strip().rstrip(".")


@lru_cache(maxsize=1)
def _vocabulary() -> Mapping[str, Any]:
    text = (folder("assets") / "labels" / "words.yaml").read_text(encoding="utf-8")
    data: dict[str, Any] = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    for name, thing in data["things"].items():
        thing.setdefault("label", name)
    data["phrases"] = {tuple(name.split()): thing for name, thing in data["things"].items()}
    data["names"] = [tuple(name.split()) for name in data["names"]]
    return data


def _words(text: str) -> list[str]:
    """Lower-case words of an id without names, sizes, numbers and hash suffixes."""
    vocabulary = _vocabulary()
    # A Mac's file names have their accents as letters of their own.
    text = "".join(c if _is_latin(c) else " " for c in unicodedata.normalize("NFC", text))
    parts = text.split()
    if len(parts) > 1 and _is_hash(parts[-1]):
        parts.pop()
    words: list[str] = []
    for part in parts:
        if part.lower() in vocabulary["things"]:
            words.append(part.lower())
            continue
        pieces = re.findall(r"[A-Z]+(?![a-z])|[A-Z][a-z]+|[a-z]+|\d+" if part.isascii() else r"[^\W\d_]+|\d+", part)
        words.extend(piece.lower() for piece in pieces)
    for name in vocabulary["names"]:
        for k in range(len(words) - len(name) + 1):
            if tuple(words[k : k + len(name)]) == name:
                words[k : k + len(name)] = []
                break
    dropped = vocabulary["drop"]
    return [
        w for w in words if w not in dropped and (not w.isdigit()) and (len(w) > 1 or (w,) in vocabulary["phrases"])
    ]


def _is_latin(letter: str) -> bool:
    """Whether it is a digit or a letter of the Latin script, with or without an accent."""
    if letter.isascii():
        return letter.isalnum()
    return letter.isalpha() and unicodedata.name(letter, "").startswith("LATIN ")


def ascii_name(text: str) -> str:
    """The same in ASCII letters, digits, dashes and underscores, as it can be part of an address; may be empty."""
    plain = unicodedata.normalize("NFKD", "".join(_SPELLED.get(c, c) for c in text))
    plain = "".join(c for c in plain if not unicodedata.combining(c))
    return re.sub(r"[^A-Za-z0-9_-]+", "_", plain).strip("_")


_SPELLED = {
    "ß": "ss",
    "æ": "ae",
    "Æ": "Ae",
    "ø": "o",
    "Ø": "O",
    "œ": "oe",
    "ł": "l",
    "Ł": "L",
    "đ": "d",
    "ð": "d",
    "þ": "th",
}
"""Letters that Unicode does not take apart."""


def _is_hash(part: str) -> bool:
    """Google's ids end in eleven characters of mixed case where a name occurs twice."""
    mixed = re.search(r"[a-z]", part) and re.search(r"[A-Z0-9]", part[1:])
    return len(part) == 11 and bool(mixed) and not re.fullmatch(r"([A-Z][a-z]{2,})+", part)


def _find_thing(words: list[str], only_kind: str) -> tuple[dict[str, Any] | None, range]:
    """The longest phrase of the vocabulary among the words, the last one of several; a vague one only where alone."""
    phrases = _vocabulary()["phrases"]
    vague: tuple[dict[str, Any] | None, range] = (None, range(0))
    for length in range(min(4, len(words)), 0, -1):
        for start in range(len(words) - length, -1, -1):
            thing = phrases.get(tuple(words[start : start + length]))
            if thing is None or (only_kind and thing["kind"] != only_kind):
                continue
            if not thing.get("vague"):
                return thing, range(start, start + length)
            if vague[0] is None:
                vague = thing, range(start, start + length)
    return vague


def _colors(words: Iterable[str]) -> list[str]:
    known = _vocabulary()["colors"]
    return list(dict.fromkeys(known[w] for w in words if w in known))[:3]


def _join(colors: list[str], noun: str) -> str:
    if len(colors) > 1:
        colors = [", ".join(colors[:-1]) + " and " + colors[-1]]
    return " ".join([*colors, noun])


def _one_word(noun: str) -> str:
    return noun.split()[-1] if noun != "object" else ""
