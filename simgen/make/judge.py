"""Rollouts and pictures → gates: is this physics, and is it a picture worth keeping?

Every gate keeps its figure and its limit, whether it passes or not; the first that fails names the reason to reject.
"""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from simgen.core.geometry import project, quat_angle, quat_rotate
from simgen.core.masks import Pair
from simgen.core.motion import REST_SPEED_MPS, speed_at
from simgen.core.rollout import Rollout
from simgen.core.sample import Frame, Gate, Reject
from simgen.core.spec import STAGE_ID, Camera
from simgen.core.tracks import Instant
from simgen.procedural import models
from simgen.scene.cameras import Shapes, inside_share, points_at, subject_ids
from simgen.scene.registry import Scene

PENETRATION_LIMIT_M = 0.002
ENERGY_LIMIT = 0.05
IN_FRAME_LIMIT, VISIBLE_LIMIT = 0.97, 0.45
FORESEEN_WIDTH = 256
HIDDEN_BELOW, REVEALED_LIMIT = 0.15, 0.3
"""A thing of which less than the first share shows in one picture may not show more than the second in the other: an
editor cannot know what stands behind the vase."""
CHANGE_LIMIT = 0.005
CLIPPED_LIMIT = 0.01
SURVEY_SLACK = 0.15
"""A rough look sees more change than there is."""
OUTLINE_SCALE = 3
"""Outlines are drawn this much larger: a filled polygon has its edges' pixels too, which would double a thin strip."""
MIDDLE_GREY = 0.22
CLIPS_AT = 1.35
"""Linear light that the display curve takes just short of white."""


def first_reject(gates: Sequence[Gate]) -> Reject | None:
    """The first gate that failed, as a reason."""
    for gate in gates:
        if not gate.passed:
            return Reject(gate=gate.name, reason=f"{gate.name} is {gate.value:.4g}, wanted {gate.limit}")
    return None


def _at_most(name: str, value: float, limit: float, unit: str = "") -> Gate:
    return Gate(name=name, value=float(value), limit=f"<= {limit:g}{' ' + unit if unit else ''}", passed=value <= limit)


def _at_least(name: str, value: float, limit: float, unit: str = "") -> Gate:
    return Gate(name=name, value=float(value), limit=f">= {limit:g}{' ' + unit if unit else ''}", passed=value >= limit)


def _between(name: str, value: float, bounds: tuple[float, float]) -> Gate:
    low, high = bounds
    return Gate(name=name, value=float(value), limit=f"{low:g} to {high:g}", passed=low <= value <= high)


def judge_physics(rollout: Rollout) -> tuple[Gate, ...]:
    """The certificate: rest where claimed, no overlap, no energy from nothing, real supports, all on the stage.

    What has not settled before t = 0 has no start at rest, whatever the start frame shows.
    """
    spec, start, end = rollout.spec, rollout.start, rollout.end
    free = [body.id for body in spec.bodies if not body.static]
    end_speed = max((speed_at(rollout, body_id, end) for body_id in free), default=0.0)
    return (
        _at_most("bodies_off_stage", _off_stage(rollout), 0),
        _at_most("start_speed", rollout.settled_mps, REST_SPEED_MPS, "m/s"),
        _at_most("end_speed", end_speed, REST_SPEED_MPS if spec.end_state == "rest" else 20.0, "m/s"),
        _at_most("start_penetration", rollout.penetration_m[start.step], PENETRATION_LIMIT_M, "m"),
        _at_most("end_penetration", rollout.penetration_m[end.step], PENETRATION_LIMIT_M, "m"),
        _at_most("energy_gain", _energy_gain(rollout), ENERGY_LIMIT),
        _at_most("unsupported_bodies", len(_unsupported(rollout)) if spec.end_state == "rest" else 0, 0),
        *(
            _at_most(f"{q.name}_error", abs(q.end - q.start) / max(abs(q.start), 1e-12), q.conserved)
            for q in rollout.quantities
            if q.conserved > 0
        ),
    )


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


def judge_view(
    rollout: Rollout,
    camera: Camera,
    shapes: Shapes,
    ids: tuple[NDArray[np.uint8], NDArray[np.uint8]],
    scene: Scene,
) -> tuple[Gate, ...]:
    """Framing, size and visibility of the subjects, from instance ids [H, W] of the start and the end at any size."""
    height, width = ids[0].shape
    instants = (rollout.start, rollout.end)
    subjects = subject_ids(rollout)
    inside, shown, revealed = 1.0, 1.0, 0.0
    for body in rollout.bodies:
        shares = []
        for instant, picture in zip(instants, ids, strict=True):
            if not rollout.visible(body.id, instant):
                continue
            if body.id in subjects:
                inside = min(inside, inside_share(camera, points_at(rollout, shapes, body.id, instant), width, height))
            outline = float(_outline(rollout, camera, shapes, body.id, instant, width, height).sum())
            # What is mostly outside the picture, or a speck, is nobody's surprise.
            if body.role == "actor" or outline > 0.003 * width * height:
                shares.append(min(float((picture == body.id).sum()) / max(outline, 1.0), 1.0))
        if body.role == "actor":
            shown = min([shown, *shares])
        elif body.id not in subjects and len(shares) == 2 and min(shares) < HIDDEN_BELOW:
            revealed = max(revealed, max(shares))
    share = max(float(np.isin(picture, subjects).mean()) for picture in ids)
    return (
        _at_least("in_frame", inside, IN_FRAME_LIMIT),
        _between("subject_size", share, scene.subject_size),
        _at_least("subject_visible", shown, VISIBLE_LIMIT),
        _at_most("bystander_revealed", revealed, REVEALED_LIMIT),
    )


def foresee_view(
    rollout: Rollout, camera: Camera, shapes: Shapes, scene: Scene, *, width: int, height: int
) -> tuple[Gate, ...]:
    """What `judge_view` is sure to reject, from outlines alone, before anything is rendered: an outline is never
    smaller than what is seen of a body. Width and height are those of the picture to come."""
    width, height = FORESEEN_WIDTH, max(1, round(height * FORESEEN_WIDTH / width))
    subjects = subject_ids(rollout)
    inside, share = 1.0, 0.0
    for instant in (rollout.start, rollout.end):
        covered = np.zeros((height, width), bool)
        for body_id in subjects:
            if rollout.visible(body_id, instant):
                inside = min(inside, inside_share(camera, points_at(rollout, shapes, body_id, instant), width, height))
                covered |= _outline(rollout, camera, shapes, body_id, instant, width, height) > 0
        share = max(share, float(covered.mean()))
    # A tenth of slack for what rounding to pixels does to a small picture.
    return (
        _at_least("in_frame", inside, IN_FRAME_LIMIT),
        _at_least("subject_size", share, 0.9 * scene.subject_size[0]),
    )


def judge_picture(
    pair: Pair, start: Frame, end: Frame, rollout: Rollout, scene: Scene, *, slack: float = 0.0
) -> tuple[Gate, ...]:
    """Exposure, clipping, contrast of the subject against what is around it, and whether anything visibly changed, but
    no more of the picture than the scene allows and `slack`."""
    luminance = _luminance(pair.start)
    clipped = float((pair.start >= 254).all(axis=-1).mean())
    subjects = list(subject_ids(rollout))
    contrast = max(_contrast(pair.start, np.isin(start.ids, subjects)), _contrast(pair.end, np.isin(end.ids, subjects)))
    return (
        _between("exposure", float(luminance.mean()), scene.brightness),
        _at_most("clipped", clipped, CLIPPED_LIMIT),
        _at_least("subject_contrast", contrast, scene.contrast),
        _at_least("visible_change", pair.visible_share, CHANGE_LIMIT),
        _at_most("changed_share", pair.changed_share, min(1.0, scene.changed_share + slack)),
    )


def judge_distinct(end: NDArray[np.uint8], others: Sequence[NDArray[np.uint8]]) -> tuple[Gate, ...]:
    """Of a family: whether this end [H, W, 3] is to be told from each of the others."""
    if not others:
        return ()
    apart = [np.abs(end.astype(np.int16) - other).max(axis=-1) > 8 for other in others]
    return (_at_least("family_distinct", min(float(a.mean()) for a in apart), CHANGE_LIMIT),)


def exposure_ev(looks: Sequence[tuple[NDArray[np.float32], NDArray[np.bool_]]]) -> float:
    """Stops by which linear light is scaled, the same for both frames; from (luminance [H, W], subject [H, W]) of each.

    The log-average around the subjects goes to middle grey (Reinhard et al. 2002, the photographic key), unless more
    than one percent of the whole picture would then clip: a bright window may glow, it may not be a hole.
    """
    near, all_light = [], []
    for luminance, subject in looks:
        light = np.maximum(np.nan_to_num(luminance.astype(np.float64), posinf=1e4), 1e-5)
        all_light.append(light.ravel())
        reach = luminance.shape[1] // 8
        around = cv2.dilate(subject.astype(np.uint8), np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)).astype(bool)
        near.append(light[around] if around.any() else light.ravel())
    wanted = MIDDLE_GREY / np.exp(np.log(np.concatenate(near)).mean())
    allowed = CLIPS_AT / np.percentile(np.concatenate(all_light), 99.0)
    return float(np.round(np.log2(min(wanted, allowed)), 3))


def _energy_gain(rollout: Rollout) -> float:
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


def _off_stage(rollout: Rollout) -> int:
    """Bodies whose centre has left the stage or sunk below it by the end."""
    half = np.array(rollout.spec.stage.size_m) / 2
    end, count = rollout.end, 0
    for body in rollout.spec.bodies:
        position, _ = rollout.pose(body.id, end)
        if rollout.visible(body.id, end) and ((np.abs(position[:2]) > half).any() or position[2] < -0.01):
            count += 1
    return count


def _outline(
    rollout: Rollout, camera: Camera, shapes: Shapes, body_id: int, instant: Instant, width: int, height: int
) -> NDArray[np.uint8]:
    """The amodal outline [H, W] of a body, as the middles of pixels see it: its faces, or the hulls of its convex
    parts, filled."""
    body, (position, quaternion) = rollout.spec.body(body_id), rollout.pose(body_id, instant)
    large = np.zeros((height * OUTLINE_SCALE, width * OUTLINE_SCALE), np.uint8)
    mesh = rollout.mesh(body_id, instant) or (models.build(body.model) if body.model is not None else None)
    pieces = [mesh.vertices_m] if mesh is not None else shapes[body_id].parts
    for piece in pieces:
        world = position + quat_rotate(quaternion, piece * body.scale)
        pixels, depth = project(camera, world, large.shape[1], large.shape[0])
        if not (depth > 0.01).all():
            continue
        corners = np.rint(pixels - 0.5).astype(np.int32)
        for polygon in corners[mesh.triangles] if mesh is not None else (cv2.convexHull(corners),):
            cv2.fillConvexPoly(large, polygon, (1.0,))
    return large[OUTLINE_SCALE // 2 :: OUTLINE_SCALE, OUTLINE_SCALE // 2 :: OUTLINE_SCALE]


def _luminance(picture: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Display luminance 0 to 1 (Rec. 709 weights on the encoded values)."""
    weights = np.array([0.2126, 0.7152, 0.0722], np.float32) / 255
    result: NDArray[np.float32] = picture.astype(np.float32) @ weights
    return result


def _contrast(picture: NDArray[np.uint8], subject: NDArray[np.bool_]) -> float:
    """CIE76 colour difference of the subject and a band around it; 2 is just noticeable. 0 where it is not seen."""
    if not subject.any():
        return 0.0
    reach = max(3, picture.shape[1] // 40)
    kernel = np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
    band = cv2.dilate(subject.astype(np.uint8), kernel).astype(bool) & ~subject
    if not band.any():
        return 0.0
    lab = cv2.cvtColor(picture.astype(np.float32) / 255, cv2.COLOR_RGB2Lab)
    inside, outside = np.median(lab[subject], axis=0), np.median(lab[band], axis=0)
    return float(np.linalg.norm(inside - outside))
