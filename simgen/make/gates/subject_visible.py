"""What the event acts upon is seen."""

from simgen.core.sample import Gate
from simgen.make.evidence import View
from simgen.make.gates import at_least, gate

VISIBLE_LIMIT = 0.45


@gate("view", rank=30)
def subject_visible(evidence: View) -> Gate:
    """Of every actor, a good part of its outline is seen in each frame in which it is there."""
    shown = 1.0
    for body in evidence.rollout.bodies:
        if body.role == "actor":
            shown = min([shown, *evidence.shown[body.id]])
    return at_least("subject_visible", shown, VISIBLE_LIMIT)
