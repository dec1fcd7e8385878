"""`own_objects.json` of a data set: which of the user's own objects fit its scenes, and how often they were used."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from simgen.core.errors import OutputError
from simgen.dataset.layout import update_checksums
from simgen.storage.files import read_json, write_file
from simgen.storage.paths import AnyPath

OWN_OBJECTS = "own_objects.json"
"""There where a recipe names manifests of objects."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnObjects:
    """The user's own objects in one data set."""

    objects: tuple[str, ...]
    """As `source:id`."""
    unused: tuple[str, ...]
    """Those that fit no scene."""
    without: tuple[str, ...]
    """Scenes whose event can be about none of them."""
    used: Mapping[str, int]
    """Samples by object, once a run has ended."""
    own: int
    """Samples that show at least one of them."""
    builtin: int
    """Samples that show built-in objects alone."""

    def as_data(self) -> dict[str, Any]:
        """For `--json`."""
        return asdict(self)

    def in_words(self) -> list[str]:
        """For a user, a line each."""
        lines = []
        if self.own or self.builtin:
            never = [asset for asset in self.objects if not self.used.get(asset)]
            lines.append(
                f"own objects: {self.own} samples show them, {self.builtin} show built-in objects instead"
                + (f"; never used: {_some(never)}" if never else "")
            )
        elif self.unused:
            lines.append(f"own objects that fit no scene: {_some(self.unused)}")
        if self.without:
            lines.append(f"none of your objects fits {_some(self.without)}")
        return lines


def write_own_objects(folder: AnyPath, found: OwnObjects) -> None:
    text = json.dumps(found.as_data(), ensure_ascii=False, sort_keys=True, indent=1) + "\n"
    write_file(folder / OWN_OBJECTS, text.encode())
    update_checksums(folder, OWN_OBJECTS)


def read_own_objects(folder: AnyPath) -> OwnObjects | None:
    """What stands in a data set's folder; None where its recipe names no objects."""
    path = folder / OWN_OBJECTS
    if not path.is_file():
        return None
    data = read_json(path)
    try:
        return OwnObjects(
            objects=_texts(data["objects"]),
            unused=_texts(data["unused"]),
            without=_texts(data["without"]),
            used={str(asset): int(count) for asset, count in data["used"].items()},
            own=int(data["own"]),
            builtin=int(data["builtin"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise OutputError(f"{path}: does not hold what simgen writes; remove it") from error


def count_use(found: OwnObjects, samples: Sequence[Sequence[str]]) -> OwnObjects:
    """With how often they were used; `samples` are the objects of each, as `source:id`."""
    mine = set(found.objects)
    used = Counter(asset for objects in samples for asset in set(objects) & mine)
    own = sum(bool(mine & set(objects)) for objects in samples)
    builtin = sum(any(a.startswith("builtin:") for a in objects) and not mine & set(objects) for objects in samples)
    return replace(found, used=dict(sorted(used.items())), own=own, builtin=builtin)


def _texts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
        raise TypeError("no list of texts")
    return tuple(value)


def _some(names: Sequence[str], most: int = 6) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
