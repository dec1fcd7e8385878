"""Nothing comes to light that nobody could have known of."""

from simgen.core.sample import Gate
from simgen.make.evidence import View
from simgen.make.gates import at_most, gate
from simgen.scene.cameras import subject_ids

HIDDEN_BELOW, REVEALED_LIMIT = 0.15, 0.3
"""A thing of which less than the first share shows in one picture may not show more than the second in the other: an
editor cannot know what stands behind the vase."""


@gate("view", rank=40)
def bystander_revealed(evidence: View) -> Gate:
    """No body that has no part in the event is hidden in one frame and well seen in the other."""
    subjects, revealed = subject_ids(evidence.rollout), 0.0
    for body in evidence.rollout.bodies:
        shares = evidence.shown[body.id]
        known = body.role == "actor" or body.id in subjects
        if not known and len(shares) == 2 and min(shares) < HIDDEN_BELOW:
            revealed = max(revealed, max(shares))
    return at_most("bystander_revealed", revealed, REVEALED_LIMIT)
