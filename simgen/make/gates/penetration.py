"""Nothing is inside another in either frame."""

from collections.abc import Iterator

from simgen.core.sample import Gate
from simgen.make.evidence import Physics
from simgen.make.gates import at_most, gate

PENETRATION_LIMIT_M = 0.002


@gate("physics", rank=40)
def penetration(evidence: Physics) -> Iterator[Gate]:
    """Bodies overlap by no more than contacts of Bullet do at rest."""
    rollout = evidence.rollout
    for when, instant in (("start", rollout.start), ("end", rollout.end)):
        yield at_most(f"{when}_penetration", rollout.penetration_m[instant.step], PENETRATION_LIMIT_M, "m")
