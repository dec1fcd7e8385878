"""When a body counts as being at rest.

Speeds are means over a quarter of a second, of the farthest that a body was from where it is at the end of it: contacts
without warm starting throw up a spike of one step now and then that moves nothing, and a body that rocks through its
resting pose is not at rest although it was there a moment ago.
"""

import numpy as np
from numpy.typing import ArrayLike

from simgen.core.geometry import direction, quat_angle
from simgen.core.rollout import Quantity, Rollout
from simgen.core.spec import Push, SceneSpec, ViewRequest
from simgen.core.tracks import Instant
from simgen.core.vectors import Floats

REST_WINDOW_S = 0.25
REST_SPEED_MPS = 0.01
HOW_HARD = ((0.4, "gently"), (0.65, "firmly"), (99.0, "hard"))
"""How things are thrown, by their speed in m/s."""


def mean_speed(position_m: Floats, quaternion: Floats, reach_m: ArrayLike) -> Floats:
    """Over a window [T, …]: how far a body's farthest point, `reach_m` from its centre, was from its last place, per
    window length."""
    shift = np.linalg.norm(position_m - position_m[-1], axis=-1)
    turn = quat_angle(quaternion, np.broadcast_to(quaternion[-1], quaternion.shape))
    result: Floats = (shift + np.asarray(reach_m) * turn).max(axis=0) / REST_WINDOW_S
    return result


def speed_at(rollout: Rollout, body_id: int, instant: Instant) -> float:
    """Mean speed of a body in the quarter of a second before an instant, or since the first step if that is later."""
    if not rollout.visible(body_id, instant):
        return 0.0
    track, body = rollout.poses(body_id), rollout.spec.body(body_id)
    first = max(0, instant.step - round(REST_WINDOW_S * rollout.spec.step_rate_hz))
    window = slice(first, instant.step + 1)
    return float(mean_speed(track.position_m[window], track.quaternion[window], max(body.size_m) * body.scale / 2))


def thrown(spec: SceneSpec) -> tuple[Quantity, Quantity]:
    """The speed with which the first body that is pushed sets off, 0 where all that happens is that it is let go, and
    the side of the picture that it is thrown to."""
    push = next((event for event in spec.events if isinstance(event, Push)), None)
    speed, side = 0.0, 0.0
    if push is not None and isinstance(spec.camera, ViewRequest):
        speed = float(np.linalg.norm(push.impulse_ns)) / spec.body(push.body).mass_kg
        side = float(np.sign(np.dot(push.impulse_ns, direction(spec.camera.azimuth_rad + np.pi / 2))))
    words = ((-0.5, "to the left"), (0.5, "nowhere"), (2.0, "to the right"))
    return (
        Quantity(name="throw_speed", start=0.0, end=speed, unit="m/s", provenance="prescribed", words=HOW_HARD),
        Quantity(name="throw_side", start=0.0, end=side, unit="", provenance="prescribed", words=words),
    )
