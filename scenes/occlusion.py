"""One thing comes to stand in front of another and hides part of it, or is taken out of the way."""

import contextlib
import functools
from dataclasses import dataclass, replace

import numpy as np

from simgen.core.assets import ObjectAsset
from simgen.core.blend import blend
from simgen.core.geometry import Shape, convex_hull_2d, direction, project, quat_rotate, vec3
from simgen.core.rollout import Rollout, quantity
from simgen.core.spec import Body, Camera, SceneSpec
from simgen.core.vectors import Floats, Vec3
from simgen.scene.cameras import camera_around
from simgen.scene.draw import Draw, NothingFits, ref
from simgen.scene.registry import MeshOf, Phrases, Range, Scene, register
from simgen.solvers.optics import hidden_share

PIXELS, COARSE = 400, 160
TALL = 2 * PIXELS
"""Rows of the picture in which outlines are drawn: enough for the tallest that one asks for."""


@register("occlusion")
@dataclass(frozen=True, kw_only=True)
class Occlusion(Scene):
    """Something is set down in front of a thing, or from there to its side."""

    hidden: Range = (0.3, 0.78)
    """Share of the thing that is out of sight when something stands before it."""
    cover_probability: float = 0.65
    """How often it goes to the front rather than away from there."""
    num_others: tuple[int, int] = (0, 2)

    law = "rectilinear propagation of light"
    types = (35,)
    quantities = ("visible_share",)
    claims = ("actor moved",)
    subject_size = (0.018, 0.5)
    changed_share = 0.8

    def sample(self, draw: Draw) -> SceneSpec:
        view = draw.view(elevation_deg=(5.0, 15.0), margin=(0.08, 0.2))
        toward = direction(view.azimuth_rad)
        across = np.array([-toward[1], toward[0], 0.0])
        hidden, before = _two(draw)
        target = draw.body(hidden, 2, role="bystander", static=True)
        reach = draw.footprint_m(hidden) + draw.footprint_m(before)
        ahead = reach + draw.uniform((0.01, 0.05))
        aside = draw.choice((-1.0, 1.0))
        actor = draw.body(before, 1, role="actor", static=True)
        cover = draw.chance(self.cover_probability)
        actor_cloud, target_cloud = _cloud(draw, actor), _cloud(draw, target)

        def beside_it(drawn: Draw, side: float) -> Floats:
            gap, step = drawn.uniform((0.03, 0.09)), drawn.uniform((-0.1, 0.8))
            return np.asarray(side * (reach + gap) * across + step * ahead * toward)

        # Where it goes is what happens; the picture holds wherever it may go.
        if cover:
            besides = [beside_it(draw, aside)]
        else:
            besides = [
                side * (reach + 0.09) * across + step * ahead * toward for side in (-1, 1) for step in (0.0, 0.8)
            ]
        fronts = [
            (ahead + nearer) * toward + share * reach * aside * across
            for share in np.linspace(-0.45, 0.65, 15)
            for nearer in (0.0, 0.05)
        ]
        cloud = np.concatenate([target_cloud, *(actor_cloud + spot for spot in besides + fronts)])
        camera = camera_around(view, cloud, width=1.0, height=draw.aspect)
        outlines = [
            _fan(project(camera, cloud, COARSE, COARSE)[0])
            for cloud in (target_cloud, *(actor_cloud + f for f in fronts))
        ]
        hides = np.array([hidden_share(outlines[0], outline, width=COARSE, height=COARSE) for outline in outlines[1:]])

        # Between legs and under a bow one still sees what is behind: by how much less it hides than its outline.
        most = int(hides.argmax())
        shown = [
            project(camera, quat_rotate(b.quaternion, m.vertices_m) + b.position_m + at, COARSE, COARSE)[0][m.triangles]
            for b, at in ((target, np.zeros(3)), (actor, fronts[most]))
            for m in (draw.catalog.mesh(b),)
        ]
        hides *= hidden_share(shown[0], shown[1], width=COARSE, height=COARSE) / max(hides[most], 1e-6)

        def before_it(drawn: Draw) -> Floats:
            # Of what comes into sight enough was seen before to know what it is.
            wanted = drawn.uniform((self.hidden[0] + 0.09, self.hidden[1] - 0.09 if cover else 0.5))
            order = np.argsort(np.abs(hides - wanted))
            close = [k for k in order if abs(hides[k] - wanted) < 0.04]
            return np.asarray(fronts[drawn.choice(close or [order[0]])])

        if cover:
            start, end = besides[0], before_it(draw.event)
        else:
            start, end = before_it(draw), beside_it(draw.event, draw.event.choice((-1.0, 1.0)))
        actor = replace(actor, position_m=vec3([*start[:2], actor.position_m[2]]))
        size = draw.footprint_m(before)
        taken = [(*p[:2], size) for p in (*besides, *fronts[::8])] + [(0.0, 0.0, draw.footprint_m(hidden))]
        others = draw.still_life(draw.integer(self.num_others), view=view, first_id=3, role="prop", taken=taken,
                                 size_m=(0.05, 0.16), without={ref(hidden), ref(before)})  # fmt: skip
        if {before.label, hidden.label} & {other.label for other in others} or before.label == hidden.label:
            raise NothingFits("two things of one name")
        return draw.spec(
            self.name, [actor, target, *others], camera=camera, lights=draw.lights(view), duration_s=2.0, physics_s=0.05, end_state="steady",
            inputs=(("end_x_m", float(end[0])), ("end_y_m", float(end[1]))),
        )  # fmt: skip

    def develop(self, rollout: Rollout, mesh_of: MeshOf) -> Rollout:
        spec, camera = rollout.spec, rollout.spec.camera
        actor, target = spec.body(1), spec.body(2)
        assert isinstance(camera, Camera)
        start, end = actor.position_m, vec3([spec.input("end_x_m"), spec.input("end_y_m"), actor.position_m[2]])

        def outline(body: Body, position_m: Vec3) -> Floats:
            mesh = mesh_of(body)
            world = np.asarray(position_m) + quat_rotate(body.quaternion, mesh.vertices_m * body.scale)
            return np.asarray(project(camera, world, PIXELS, TALL)[0][mesh.triangles], dtype=float)

        def seen(phase: float) -> float:
            shown = (outline(target, target.position_m), outline(actor, blend(start, end, phase)))
            return 1.0 - hidden_share(*shown, width=PIXELS, height=TALL)

        share = quantity("visible_share", seen, unit="1", provenance="derived",
                         words=((0.35, "a small part"), (0.65, "about half"), (0.99, "most"), (2.0, "all")))  # fmt: skip
        return rollout.posed(1, lambda phase: (blend(start, end, phase), actor.quaternion)).then(quantities=(share,))

    def reject(self, rollout: Rollout) -> str | None:
        seen = rollout.quantity("visible_share")
        low, high = sorted((seen.start, seen.end))
        if not self.hidden[0] <= 1.0 - low <= self.hidden[1]:
            return f"{1.0 - low:.0%} is hidden"
        return "it is partly hidden all along" if high < 0.99 else None

    phrases = Phrases(
        superficial=(
            "(visible_share falls) [Move|Put|Place|Set] {actor} in front of {bystanders}.",
            "(visible_share falls) Let {actor} [stand in front of|partly hide|block part of] {bystanders}.",
            "(visible_share rises) [Move|Put|Set] {actor} [to one side of|beside] {bystanders}.",
            "(visible_share rises) [Move {actor} out of the way of|Move {actor} from in front of] {bystanders}.",
            "(visible_share rises) Let {actor} no longer [stand in front of|hide] {bystanders}.",
        ),
        intermediate=(
            "(visible_share falls) [Move|Put|Place|Set] {actor} in front of {bystanders}, [hiding|so that it hides] "
            "part of it from [view|sight].",
            "(visible_share falls) [Move|Shift] {actor} {direction} until it [blocks the view of|covers] part of "
            "{bystanders}.",
            "(visible_share rises) [Move|Put|Set] {actor} to one side so that [all of {bystanders} can be seen|nothing "
            "hides {bystanders} any longer].",
            "(visible_share rises) [Move|Shift] {actor} {direction} so that it no longer [blocks the view of|covers] "
            "{bystanders}.",
        ),
        explicit=(
            "(visible_share falls) {actor} [stands|now stands] in front of {bystanders}, of which only "
            "{visible_share.end word} [can still be seen|is left in view], and (everything else stays) nothing else "
            "[moves|changes place].",
            "(visible_share falls) {actor} [has moved|is shifted]< {direction}><, {distance} over,> and hides part of "
            "{bystanders}, which (everything else stays) stays where it is[| as does everything else].",
            "(visible_share rises) {actor} [stands|now stands] beside {bystanders}, all of which [can be seen|is in "
            "view], and (everything else stays) nothing else [moves|changes place].",
            "(visible_share rises) {actor} [has moved|is shifted]< {direction}><, {distance} over,> and no longer "
            "hides {bystanders}, which (everything else stays) stays where it is[| as does everything else].",
        ),
    )


def _two(draw: Draw) -> tuple[ObjectAsset, ObjectAsset]:
    """A thing to hide and one to hide it, of much the same height: where the catalogue is small, not all have one."""
    for _ in range(8):
        hidden = draw.object(size_m=(0.09, 0.28), where=lambda _, shape: _stands(shape))
        low, high = 0.7 * hidden.size_m[2], 1.6 * hidden.size_m[2]
        with contextlib.suppress(NothingFits):
            return hidden, draw.object(
                without={ref(hidden)}, size_m=(0.06, 0.28), where=functools.partial(_hides, low_m=low, high_m=high)
            )
    raise NothingFits("no two things of occlusion are of one height; give more objects")


def _hides(asset: ObjectAsset, shape: Shape, *, low_m: float, high_m: float) -> bool:
    return low_m < asset.size_m[2] < high_m and _stands(shape)


def _stands(shape: Shape) -> bool:
    return shape.support().tip_angle_rad > 0.15


def _cloud(draw: Draw, body: Body) -> Floats:
    """Extreme points [N, 3] of a body where it stands."""
    points = draw.catalog.shape(body.asset).points
    return np.asarray(np.array(body.position_m) + quat_rotate(body.quaternion, points), dtype=float)


def _fan(points: Floats) -> Floats:
    """The convex outline of points [N, 2] as triangles."""
    hull = convex_hull_2d(points)
    return np.stack([np.broadcast_to(hull[0], hull[1:-1].shape), hull[1:-1], hull[2:]], axis=1)
