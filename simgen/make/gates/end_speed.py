"""The end frame shows a world at rest, where the scene says so."""

from simgen.core.motion import REST_SPEED_MPS, speed_at
from simgen.core.sample import Gate
from simgen.make.evidence import Physics
from simgen.make.gates import at_most, gate

MOVING_MPS = 20.0
"""For what is seen on its way: more than this is no household event."""


@gate("physics", rank=30)
def end_speed(evidence: Physics) -> Gate:
    """The fastest free body has come to rest, or is no faster than things in a room are."""
    rollout = evidence.rollout
    free = [body.id for body in rollout.spec.bodies if not body.static]
    speed = max((speed_at(rollout, body_id, rollout.end) for body_id in free), default=0.0)
    return at_most("end_speed", speed, REST_SPEED_MPS if rollout.spec.end_state == "rest" else MOVING_MPS, "m/s")
