"""What differs between the start frame and the end frame, as bodies."""

from collections.abc import Sequence

import numpy as np

from simgen.core.geometry import quat_angle
from simgen.core.rollout import Rollout


def changed_bodies(rollout: Rollout, *, distance_m: float = 0.0005, angle_deg: float = 0.5) -> tuple[int, ...]:
    """Bodies whose pose, presence, geometry or material differs between the start and the end frame."""
    start, end = rollout.start, rollout.end
    result = []
    for body in rollout.spec.bodies:
        (place, turned), (end_place, end_turned) = (rollout.pose(body.id, instant) for instant in (start, end))
        shift = np.linalg.norm(end_place - place)
        turn = np.degrees(quat_angle(turned, end_turned))
        gone = rollout.visible(body.id, start) != rollout.visible(body.id, end)
        if gone or shift > distance_m or turn > angle_deg or rollout.altered(body.id):
            result.append(body.id)
    return tuple(result)


def in_place(rollout: Rollout, bodies: Sequence[int]) -> tuple[int, ...]:
    """Those of the bodies that are in both frames with the same pose: whatever changed, it was not that."""
    return tuple(
        body_id
        for body_id in bodies
        if rollout.visible(body_id, rollout.start)
        and rollout.visible(body_id, rollout.end)
        and not rollout.poses(body_id).differs(rollout.start, rollout.end)
    )
