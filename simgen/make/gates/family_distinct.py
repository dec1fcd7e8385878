"""The members of a family end differently."""

from collections.abc import Iterator

import numpy as np

from simgen.core.sample import Gate
from simgen.make.evidence import Family
from simgen.make.gates import at_least, gate

DISTINCT_LIMIT = 0.005
SAME_LEVELS = 8
"""Of 255: what differs by no more looks the same."""


@gate("family", rank=10)
def family_distinct(evidence: Family) -> Iterator[Gate]:
    """This end can be told from each of those before it; the first member has none."""
    apart = [np.abs(evidence.end.astype(np.int16) - other).max(axis=-1) > SAME_LEVELS for other in evidence.others]
    if apart:
        yield at_least("family_distinct", min(float(a.mean()) for a in apart), DISTINCT_LIMIT)
