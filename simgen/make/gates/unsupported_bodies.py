"""What rests is carried by something."""

from simgen.core.rollout import Rollout
from simgen.core.sample import Gate
from simgen.core.spec import STAGE_ID
from simgen.make.evidence import Physics
from simgen.make.gates import at_most, gate


@gate("physics", rank=60)
def unsupported_bodies(evidence: Physics) -> Gate:
    """A chain of contacts joins every body at rest to the stage or to something static."""
    rollout = evidence.rollout
    return at_most("unsupported_bodies", len(_unsupported(rollout)) if rollout.spec.end_state == "rest" else 0, 0)


def _unsupported(rollout: Rollout) -> list[int]:
    """Bodies at the end that no chain of contacts joins to the stage or to something static."""
    last_s = rollout.times_s[-1] - 0.1
    spec, end = rollout.spec, rollout.end
    joined = {STAGE_ID} | {b.id for b in spec.bodies if b.static}
    pairs = [(c.a, c.b) for c in rollout.contacts if c.last_s >= last_s]
    grown = True
    while grown:
        new = {b for a, b in pairs if a in joined} | {a for a, b in pairs if b in joined}
        grown = not new <= joined
        joined |= new
    return [b.id for b in spec.bodies if b.id not in joined and rollout.visible(b.id, end)]
