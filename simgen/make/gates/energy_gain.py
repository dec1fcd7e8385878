"""No energy comes from nothing."""

import numpy as np

from simgen.core.rollout import Rollout
from simgen.core.sample import Gate
from simgen.make.evidence import Physics
from simgen.make.gates import at_most, gate

ENERGY_LIMIT = 0.05


@gate("physics", rank=50)
def energy_gain(evidence: Physics) -> Gate:
    """The energy of all bodies never rises by more than a small share of what is at play, but for events."""
    return at_most("energy_gain", _gain(evidence.rollout), ENERGY_LIMIT)


def _gain(rollout: Rollout) -> float:
    """Largest rise of the energy that no event explains, as a share of the energy at play.

    At play: the kinetic energy that was ever there, what events put in, and a fall of each body by a tenth of its size.
    """
    bodies = [b for b in rollout.spec.bodies if not b.static]
    total = rollout.kinetic_j + rollout.potential_j
    start = rollout.start_index
    steps = np.diff(total[start:])
    gravity = float(np.linalg.norm(rollout.spec.gravity_mps2))
    if not len(steps):
        return 0.0
    # A body that is removed takes its energy with it, a push adds some: such steps stand out and are accounted for.
    for event in rollout.spec.events:
        k = round(event.time_s * rollout.spec.step_rate_hz) - start
        if event.kind in ("push", "remove") and 0 <= k < len(steps):
            steps[k] = 0.0
    rise = np.concatenate([[0.0], np.cumsum(steps)])
    gain = float((rise - np.minimum.accumulate(rise)).max())
    scale = max(float(rollout.kinetic_j.max()), rollout.work_j)
    scale += sum(b.mass_kg * gravity * 0.1 * max(b.size_m) * b.scale for b in bodies)
    return gain / max(scale, 1e-9)
