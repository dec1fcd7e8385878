"""One planned sample, finished and encoded, on its way into a shard; or a hole in its place."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from simgen.core.sample import Reject, Sample
from simgen.dataset.table import sample_row
from simgen.plan.plan import SampleId
from simgen.record.codec import encode

Failure = Literal["rejected", "timeout", "crash", "oom", "error"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What became of one planned sample: an encoded sample, see `sample_entry`, or a hole with the class of its
    failure."""

    planned: SampleId
    members: Mapping[str, bytes] = field(default_factory=dict)
    """Its files in the tar; empty for a hole."""
    row: Mapping[str, Any] = field(default_factory=dict)
    """Its line in the parquet, without `tar` and `offset`."""
    failure: Failure | None = None
    reason: str = ""
    """Why there is a hole: one sentence, the same on every machine."""
    rejects: tuple[Reject, ...] = ()
    cost: Mapping[str, float] = field(default_factory=dict)
    """Seconds by stage; a count of `attempts` among them is not taken over."""

    def __post_init__(self) -> None:
        if bool(self.row) == (self.failure is not None):
            raise ValueError(f"{self.planned.key}: an entry holds either a sample or the class of a failure")


def sample_entry(
    planned: SampleId, sample: Sample, *, rejects: tuple[Reject, ...] = (), cost: Mapping[str, float] | None = None
) -> Entry:
    """Encode a sample; nothing of its arrays is kept. The time this takes belongs to the stage `write`."""
    said = {name: sample.record[name] for name in ("key", "scene", "split", "index")}
    meant = {name: getattr(planned, name) for name in said}
    if said != meant:
        raise ValueError(f"{planned.key}: the record says {said}, the plan {meant}")
    began = time.perf_counter()
    members, row = encode(sample), sample_row(sample)
    spent = {**(cost or {}), "write": time.perf_counter() - began}
    return Entry(planned=planned, members=members, row=row, rejects=rejects, cost=spent)
