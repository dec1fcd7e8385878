"""The start frame shows a world at rest."""

from simgen.core.motion import REST_SPEED_MPS
from simgen.core.sample import Gate
from simgen.make.evidence import Physics
from simgen.make.gates import at_most, gate


@gate("physics", rank=20)
def start_speed(evidence: Physics) -> Gate:
    """All had settled before t = 0. What had not has no start at rest, whatever the start frame shows."""
    return at_most("start_speed", evidence.rollout.settled_mps, REST_SPEED_MPS, "m/s")
