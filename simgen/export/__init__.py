"""Export formats: a file in this folder is a format because it is here.

    # simgen/export/jsonl.py
    def write(data: Dataset, out: AnyPath, options: Mapping[str, str]) -> None: ...

    FORMAT = ExportFormat(name="jsonl", description="One JSON line for each pair, pictures beside it.", write=write)

Nothing else names it: `formats()` finds every `ExportFormat` that a file here has at its top level.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from simgen.core.errors import UnknownName
from simgen.core.registry import objects_in

if TYPE_CHECKING:
    from simgen.dataset.reader import Dataset
    from simgen.storage.paths import AnyPath


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportFormat:
    """A way to write a data set for another program."""

    name: str
    description: str
    """One line, for lists of the formats."""
    write: Callable[["Dataset", "AnyPath", Mapping[str, str]], None]
    """(data set, folder that gets the export, options by name). A wrong option is a UsageError before anything is
    written."""


def formats() -> dict[str, ExportFormat]:
    """All formats by name."""
    return objects_in(__name__, ExportFormat)


def export_format(name: str) -> ExportFormat:
    """The format of that name; an unknown one is an UnknownName."""
    known = formats()
    if name not in known:
        raise UnknownName("export format", name, known)
    return known[name]
