"""What a law conserves is conserved."""

from collections.abc import Iterator

from simgen.core.sample import Gate
from simgen.make.evidence import Physics
from simgen.make.gates import at_most, gate


@gate("physics", rank=70)
def conservation(evidence: Physics) -> Iterator[Gate]:
    """Every conserved quantity has the same value in both frames, within the share that its scene allows."""
    for q in evidence.rollout.quantities:
        if q.conserved > 0:
            yield at_most(f"{q.name}_error", abs(q.end - q.start) / max(abs(q.start), 1e-12), q.conserved)
