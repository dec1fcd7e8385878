"""One thing comes to stand in front of another and hides part of it, or is taken out of the way."""

from dataclasses import dataclass, replace

import numpy as np

from simgen.framing import framed
from simgen.geometry import Shape, convex_hull_2d, direction, look_at, project, quat_rotate, vec3
from simgen.sampling import Draw, NothingFits, ref
from simgen.scene import MeshOf, Phrases, Range, Scene, register
from simgen.solvers.optics import hidden_share
from simgen.types import Body, Camera, Floats, Framing, Quantity, Rollout, SceneSpec

PIXELS = 400


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
    subject_size = (0.04, 0.5)
    changed_share = 0.8

    def sample(self, draw: Draw) -> SceneSpec:
        view = draw.view(elevation_deg=(5.0, 15.0), margin=(0.08, 0.2))
        toward = direction(view.azimuth_rad)
        across = np.array([-toward[1], toward[0], 0.0])
        hidden = draw.object(size_m=(0.09, 0.28), where=lambda _, shape: _stands(shape))
        tall = hidden.size_m[2]
        before = draw.object(
            without={ref(hidden)}, size_m=(0.06, 0.28),
            where=lambda asset, shape: 0.7 * tall < asset.size_m[2] < 1.6 * tall and _stands(shape),
        )  # fmt: skip
        target = draw.body(hidden, 2, role="bystander", static=True)
        reach = draw.footprint_m(hidden) + draw.footprint_m(before)
        ahead = reach + draw.uniform((0.01, 0.05))
        aside = draw.choice((-1.0, 1.0))
        actor = draw.body(before, 1, role="actor", static=True)
        # Of what comes into sight enough was seen before to know what it is.
        cover = draw.chance(self.cover_probability)
        wanted = draw.uniform((self.hidden[0] + 0.1, self.hidden[1] - 0.1 if cover else 0.5))
        spots = [ahead * toward + share * reach * aside * across for share in np.linspace(0.0, 0.9, 10)]
        beside = aside * (reach + draw.uniform((0.03, 0.09))) * across + draw.uniform((-0.1, 0.8)) * ahead * toward
        clouds = [_cloud(draw, body) for body in (target, actor)]
        hides = []
        for spot in spots:
            camera = _camera(view, np.concatenate([clouds[0], clouds[1] + spot, clouds[1] + beside]))
            outlines = [project(camera, cloud, PIXELS, PIXELS)[0] for cloud in (clouds[0], clouds[1] + spot)]
            hides.append(hidden_share(*(_fan(outline) for outline in outlines), width=PIXELS, height=PIXELS))
        front = spots[int(np.argmin(np.abs(np.array(hides) - wanted)))]
        start, end = (beside, front) if cover else (front, beside)
        actor = replace(actor, position_m=vec3([*start[:2], actor.position_m[2]]))
        taken = [(*p[:2], draw.footprint_m(o)) for p, o in ((front, before), (beside, before), ((0.0, 0.0), hidden))]
        others = draw.still_life(draw.integer(self.num_others), view=view, first_id=3, role="prop", taken=taken,
                                 size_m=(0.05, 0.16), without={ref(hidden), ref(before)})  # fmt: skip
        if {before.label, hidden.label} & {other.label for other in others} or before.label == hidden.label:
            raise NothingFits("two things of one name")
        return draw.spec(
            self.name, [actor, target, *others], camera=view, duration_s=0.05, end_state="steady",
            inputs=(("end_x_m", float(end[0])), ("end_y_m", float(end[1]))),
        )  # fmt: skip

    def develop(self, rollout: Rollout, mesh_of: MeshOf) -> Rollout:
        spec = rollout.spec
        actor, target = spec.body(1), spec.body(2)
        end = vec3([spec.input("end_x_m"), spec.input("end_y_m"), actor.position_m[2]])
        rollout = framed(rollout.posed(actor.id, end), mesh_of, also=(target.id,))
        camera = rollout.spec.camera
        assert isinstance(camera, Camera)

        def outline(body_id: int, index: int) -> Floats:
            body, track, mesh = spec.body(body_id), rollout.poses(body_id), mesh_of(spec.body(body_id))
            world = track.position_m[index] + quat_rotate(track.quaternion[index], mesh.vertices_m * body.scale)
            return np.asarray(project(camera, world, PIXELS, PIXELS)[0][mesh.triangles], dtype=float)

        shares = [
            1.0 - hidden_share(outline(target.id, k), outline(actor.id, k), width=PIXELS, height=PIXELS)
            for k in (rollout.start_index, rollout.end_index)
        ]
        seen = Quantity(name="visible_share", start=shares[0], end=shares[1], unit="1", provenance="derived",
                        words=((0.35, "a small part"), (0.65, "about half"), (0.99, "most"), (2.0, "all")))  # fmt: skip
        return rollout.then(quantities=(seen,))

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


def _stands(shape: Shape) -> bool:
    return shape.support().tip_angle_rad > 0.15


def _cloud(draw: Draw, body: Body) -> Floats:
    """Extreme points [N, 3] of a body where it stands."""
    points = draw.catalog.shape(body.asset).points
    return np.asarray(np.array(body.position_m) + quat_rotate(body.quaternion, points), dtype=float)


def _camera(view: Framing, cloud: Floats) -> Camera:
    """About where the camera will stand that holds all of these points."""
    toward = direction(view.azimuth_rad, view.elevation_rad)
    local = cloud @ look_at(toward, (0.0, 0.0, 0.0))
    middle = (local[:, :2].min(axis=0) + local[:, :2].max(axis=0)) / 2
    slope = view.sensor_width_mm / view.focal_length_mm / 2 * (1.0 - view.margin)
    distance = float((local[:, 2] + np.abs(local[:, :2] - middle).max(axis=1) / slope).max())
    place = look_at(toward, (0.0, 0.0, 0.0)) @ np.array([*middle, distance])
    return Camera(position_m=vec3(place), look_at_m=vec3(place - toward), focal_length_mm=view.focal_length_mm)


def _fan(points: Floats) -> Floats:
    """The convex outline of points [N, 2] as triangles."""
    hull = convex_hull_2d(points)
    return np.stack([np.broadcast_to(hull[0], hull[1:-1].shape), hull[1:-1], hull[2:]], axis=1)
