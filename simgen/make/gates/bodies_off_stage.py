"""Everything ends on the stage."""

import numpy as np

from simgen.core.sample import Gate
from simgen.make.evidence import Physics
from simgen.make.gates import at_most, gate


@gate("physics", rank=10)
def bodies_off_stage(evidence: Physics) -> Gate:
    """No body's centre has left the stage or sunk below it by the end."""
    rollout = evidence.rollout
    half = np.array(rollout.spec.stage.size_m) / 2
    count = 0
    for body in rollout.spec.bodies:
        position, _ = rollout.pose(body.id, rollout.end)
        if rollout.visible(body.id, rollout.end) and ((np.abs(position[:2]) > half).any() or position[2] < -0.01):
            count += 1
    return at_most("bodies_off_stage", count, 0)
