"""The phases of an attempt, in their order: each takes what the one before it has made and returns the next value, or
a reject."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol, TypedDict

import numpy as np
from numpy.typing import NDArray

import simgen
from simgen.catalog.catalog import Catalog
from simgen.core import masks
from simgen.core.errors import AssetError
from simgen.core.geometry import Shape
from simgen.core.rollout import Rollout
from simgen.core.sample import Box, Frame, Gate, Reject, Sample
from simgen.core.spec import Camera, Role, SceneSpec, ViewRequest
from simgen.language.sentences import Compiled, compile_instructions
from simgen.make import evidence
from simgen.make.changes import changed_bodies, in_place
from simgen.make.exposure import exposure_ev
from simgen.make.gates import first_reject, judge
from simgen.plan.plan import SampleId
from simgen.plan.recipe import Recipe
from simgen.record.build import make_record
from simgen.record.sources import Identity, RecordSource
from simgen.scene.cameras import Shapes, body_shape, frame_camera, subject_ids
from simgen.scene.draw import Draw, NothingFits
from simgen.scene.registry import MeshOf, Scene

if TYPE_CHECKING:
    from simgen.engine.renderer import LinearFrame, Renderer

SURVEY_SLACK = 0.15
"""A rough look sees more change than there is."""


class Kit(Protocol):
    """What all attempts share: `simgen.make.maker.Maker` is one."""

    recipe: Recipe
    seed: int
    scenes: dict[str, Scene]
    catalog: Catalog

    @property
    def renderer(self) -> "Renderer": ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One event in a scene that physics allows."""

    number: int
    """Among those that are tried."""
    rollout: Rollout
    moved: tuple[int, ...]
    gates: tuple[Gate, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """An event that is in the picture and can be put in words."""

    event: Event
    rollout: Rollout
    """With what depends on where the camera stands."""
    words: Compiled

    @property
    def changing(self) -> "_Changing":
        """The bodies that the mask is made of, for `masks.compose`."""
        actors = {body.id for body in self.rollout.bodies if body.role == "actor"}
        still = set(in_place(self.rollout, self.event.moved))
        return _Changing(actors=actors, affected=set(self.event.moved) - actors, in_place=still)


class _Changing(TypedDict):
    actors: set[int]
    affected: set[int]
    in_place: set[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Surveyed:
    """A family as a first, rough look shows it."""

    camera: Camera
    """With the exposure that is right for all of its pictures."""
    start: "LinearFrame"
    ends: tuple["LinearFrame", ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rough:
    """What a rough look at a pair shows: the end picture [H, W, 3], and where to render it."""

    end: NDArray[np.uint8]
    borders: tuple[Box, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A pair that has passed every gate."""

    member: Described
    pair: masks.Pair
    gates: tuple[Gate, ...]


# Draw.


def draw_event(
    kit: Kit,
    sample_id: SampleId,
    attempt: int,
    event_number: int,
    *,
    notice: Callable[[Sequence[str]], None] = lambda assets: None,
) -> SceneSpec | Reject:
    """What is drawn for one attempt: the same scene for every event number, and another event in it. `notice` is called
    with the asset whose files cannot be read."""
    numbers = [kit.seed, sample_id.family, attempt]
    render = kit.recipe.render
    draw = Draw(
        rng=np.random.default_rng(numbers),
        catalog=kit.catalog,
        split=sample_id.split,
        event_rng=np.random.default_rng([*numbers, 2, event_number]),
        aspect=render.height / render.width,
        strict=kit.recipe.assets.strict,
        own_up_to_m=kit.scenes[sample_id.scene].own_up_to_m,
    )
    try:
        return kit.scenes[sample_id.scene].sample(draw)
    except NothingFits as error:
        return Reject(gate="nothing_fits", reason=str(error))
    except AssetError as error:
        notice([error.asset] if error.asset else [])
        raise


def used_assets(spec: SceneSpec) -> list[str]:
    """Every asset that a scene is made of, as `source:id`."""
    named = {spec.stage.surface, spec.environment.asset}
    for body in spec.bodies:
        named |= {body.asset, body.surface}
    return sorted(asset for asset in named if asset)


def shapes_of(kit: Kit, spec: SceneSpec) -> Shapes:
    """The shape of every body that collides, by id."""
    return {b.id: body_shape(b, kit.catalog.shape(b.asset) if b.asset else None) for b in spec.bodies}


# Simulate.


def simulate_event(kit: Kit, scene: str, spec: SceneSpec) -> Rollout:
    """What rigid bodies do in it, and what the scene's own law makes of that."""
    from simgen.engine.physics import simulate

    return kit.scenes[scene].develop(simulate(spec, kit.catalog), kit.catalog.mesh)


# Certify.


def certify(scene: Scene, rollout: Rollout, number: int) -> Event | Reject:
    """Whether this is physics, and something has happened to what the event acts upon."""
    moved = changed_bodies(rollout)
    gates = judge("physics", evidence.Physics(rollout))
    reason = first_reject(gates) or _scene_reject(scene, rollout, moved)
    if reason is not None:
        return reason
    return Event(number=number, rollout=replace(rollout, roles=_roles(rollout, moved)), moved=moved, gates=gates)


def _scene_reject(scene: Scene, rollout: Rollout, moved: tuple[int, ...]) -> Reject | None:
    """Nothing happened to what the event acts upon, or the scene has a reason of its own."""
    actors = [body.id for body in rollout.bodies if body.role == "actor"]
    if not (set(actors) & set(moved) if actors else rollout.relights):
        return Reject(gate="actor_stayed", reason="the event changed nothing that it acts upon")
    reason = scene.reject(rollout)
    return Reject(gate=f"scene_{scene.name}", reason=reason) if reason else None


def _roles(rollout: Rollout, moved: tuple[int, ...]) -> tuple[tuple[int, Role], ...]:
    """A bystander that was moved after all is one of the affected; an affected body that stayed is a bystander."""
    roles: list[tuple[int, Role]] = []
    for body in rollout.spec.bodies:
        if body.role == "bystander" and body.id in moved:
            roles.append((body.id, "affected"))
        elif body.role == "affected" and body.id not in moved:
            roles.append((body.id, "bystander"))
    return tuple(roles)


def other_start(first: Rollout, rollout: Rollout) -> str | None:
    """What of the start frame is not the same in two rollouts; None where all is."""
    one, two = first.spec, rollout.spec
    for name in ("stage", "environment", "lights", "gravity_mps2", "render_seed", "start_s"):
        if getattr(one, name) != getattr(two, name):
            return name
    if isinstance(one.camera, ViewRequest) and one.camera != two.camera:
        return "camera"
    if [replace(b, role="prop") for b in one.bodies] != [replace(b, role="prop") for b in two.bodies]:
        return "bodies"
    starts = ((first, first.start), (rollout, rollout.start))
    for body in one.bodies:
        poses = [r.pose(body.id, k) for r, k in starts]
        meshes = [r.mesh(body.id, k) for r, k in starts]
        if not all(np.array_equal(a, b) for a, b in zip(*poses, strict=True)):
            return f"the pose of body {body.id}"
        if len({r.visible(body.id, k) for r, k in starts}) > 1:
            return f"the presence of body {body.id}"
        vertices = [mesh.vertices_m for mesh in meshes if mesh is not None]
        if len(vertices) == 2 and not np.array_equal(vertices[0], vertices[1]):
            return f"the geometry of body {body.id}"
        if len({str(sorted(r.materials(body.id, k).items())) for r, k in starts if r.materials(body.id, k)}) > 1:
            return f"the material of body {body.id}"
    if any(len({str(r.light(light.name, k)) for r, k in starts}) > 1 for light in one.lights):
        return "a light"
    return "environment" if first.environment(first.start) != rollout.environment(rollout.start) else None


# Place.


def place(kit: Kit, scene: Scene, events: Sequence[Event], shapes: Shapes) -> Camera:
    """The camera that holds what the events are about."""
    rollouts, render = [event.rollout for event in events], kit.recipe.render
    return place_camera(scene, rollouts, shapes, kit.catalog.mesh, width=render.width, height=render.height)


def place_camera(
    scene: Scene, rollouts: Sequence[Rollout], shapes: Shapes, mesh_of: MeshOf, *, width: int, height: int
) -> Camera:
    """The camera that holds what rollouts with the same start are about, in pictures of that size in pixels."""
    request = rollouts[0].spec.camera
    if isinstance(request, ViewRequest):
        seen = shapes
        if rollouts[0].framed:
            # As they are seen, which is more than the pieces that collide.
            seen = {b.id: Shape.from_parts((mesh_of(b).vertices_m,)) for b in rollouts[0].spec.bodies}
        return frame_camera(request, seen, *rollouts, width=width, height=height)
    # Scenes that place it themselves may place it for each event: the one that sees all from farthest away.
    placed = [scene.place_camera(rollout, mesh_of, width=width, height=height) or request for rollout in rollouts]
    return max(placed, key=lambda camera: float(np.linalg.norm(camera.position_m)))


# Describe.


def describe(
    kit: Kit, scene: Scene, event: Event, camera: Camera, shapes: Shapes, *, numbers: tuple[int, int]
) -> Described | Reject:
    """Whether the event would be in the picture and can be put in words; `numbers` are family and attempt."""
    render = kit.recipe.render
    rollout = scene.observe(event.rollout, camera, kit.catalog.mesh)
    if isinstance(rollout, str):
        return Reject(gate=f"scene_{scene.name}", reason=rollout)
    outlines = evidence.Outlines(
        rollout=rollout, camera=camera, shapes=shapes, scene=scene, width=render.width, height=render.height
    )
    hopeless = first_reject(judge("outline", outlines))
    if hopeless is not None:
        return hopeless
    rng = np.random.default_rng([kit.seed, *numbers, 1, event.number])
    words = compile_instructions(scene, rollout, camera, rng)
    return Described(event=event, rollout=rollout, words=words) if isinstance(words, Compiled) else words


# Survey.


def survey(kit: Kit, members: Sequence[Described], camera: Camera) -> Surveyed:
    """Load the scene, look at the start and the ends, and set the exposure that is right for all of them."""
    from simgen.engine.world import build_world

    renderer, render, rollout = kit.renderer, kit.recipe.render, members[0].rollout
    world = build_world(rollout.spec, kit.catalog, width=render.width, height=render.height)
    renderer.load(world, camera)
    start = renderer.render_survey(rollout, rollout.start)
    ends = tuple(renderer.render_survey(member.rollout, member.rollout.end) for member in members)
    lights = []
    for member, end in zip(members, ends, strict=True):
        subjects = subject_ids(member.rollout)
        lights += [(light.luminance, np.isin(light.ids, subjects)) for light in (start, end)]
    return Surveyed(camera=replace(camera, exposure_ev=exposure_ev(lights)), start=start, ends=ends)


def look_at(
    kit: Kit,
    scene: Scene,
    member: Described,
    surveyed: Surveyed,
    end_light: "LinearFrame | None",
    shapes: Shapes,
    other_ends: Sequence[NDArray[np.uint8]],
) -> Rough | Reject:
    """The pair of one member, looked at before it is paid for. `end_light` is None where its end was not surveyed."""
    renderer, rollout, camera = kit.renderer, member.rollout, surveyed.camera
    end_light = end_light or renderer.render_survey(rollout, rollout.end)
    start, end = (light.frame(camera.exposure_ev) for light in (surveyed.start, end_light))
    pair = masks.compose(start, end, **member.changing, light_test=masks.SURVEY_LIGHT_TEST)
    gates = (
        *_view_gates(scene, member, camera, shapes, start, end),
        *_picture_gates(scene, member, pair, start, end, slack=SURVEY_SLACK),
        *judge("family", evidence.Family(pair.end, other_ends)),
    )
    reason = first_reject(gates)
    if reason is not None:
        return reason
    size = (kit.recipe.render.width, kit.recipe.render.height)
    borders = masks.changed_boxes(pair.mask, *size, margin_px=renderer.margin_px)
    return Rough(end=pair.end, borders=borders)


# Render.


def render_start(kit: Kit, member: Described, camera: Camera) -> Frame:
    """The start frame that all members of a family share."""
    return kit.renderer.render(member.rollout, camera, member.rollout.start)


def render_end(kit: Kit, member: Described, camera: Camera, start: Frame, look: Rough) -> Frame:
    """The end frame, rendered where it differs from the start."""
    return kit.renderer.render(member.rollout, camera, member.rollout.end, borders=look.borders, under=start)


# Judge.


def judge_pair(
    scene: Scene, member: Described, camera: Camera, shapes: Shapes, start: Frame, end: Frame
) -> Judged | Reject:
    """The finished pair with all of its gates, or the first that it fails."""
    pair = masks.compose(start, end, **member.changing)
    gates = (
        *member.event.gates,
        *_view_gates(scene, member, camera, shapes, start, end),
        *_picture_gates(scene, member, pair, start, end),
    )
    return first_reject(gates) or Judged(member=member, pair=pair, gates=gates)


def _view_gates(
    scene: Scene, member: Described, camera: Camera, shapes: Shapes, start: Frame, end: Frame
) -> tuple[Gate, ...]:
    ids = (start.ids, end.ids)
    return judge("view", evidence.View(rollout=member.rollout, camera=camera, shapes=shapes, scene=scene, ids=ids))


def _picture_gates(
    scene: Scene, member: Described, pair: masks.Pair, start: Frame, end: Frame, *, slack: float = 0.0
) -> tuple[Gate, ...]:
    picture = evidence.Picture(pair=pair, start=start, end=end, rollout=member.rollout, scene=scene, slack=slack)
    return judge("picture", picture)


# Record.


def record_sample(
    kit: Kit,
    scene: Scene,
    sample_id: SampleId,
    attempt: int,
    judged: Judged,
    camera: Camera,
    start: Frame,
    end: Frame,
) -> Sample:
    """The sample with its record."""
    member, render = judged.member, kit.recipe.render
    identity = Identity(
        key=sample_id.key,
        scene=sample_id.scene,
        split=sample_id.split,
        seed=kit.seed,
        index=sample_id.index,
        family=sample_id.family,
        member=sample_id.member,
        attempt=attempt,
        fingerprint=kit.recipe.fingerprint,
        simgen_version=simgen.__version__,
    )
    record = make_record(
        RecordSource(
            identity=identity,
            scene=scene,
            rollout=member.rollout,
            camera=camera,
            width=render.width,
            height=render.height,
            instructions=member.words.instructions,
            claims=member.words.claims,
            gates=judged.gates,
            catalog=kit.catalog,
        )
    )
    return Sample(
        key=sample_id.key,
        start=judged.pair.start,
        end=judged.pair.end,
        start_seg=start.ids,
        end_seg=end.ids,
        mask=judged.pair.mask,
        record=record,
        arrays=dict(_arrays(kit, start, end, member.rollout, camera)),
    )


def _arrays(kit: Kit, start: Frame, end: Frame, rollout: Rollout, camera: Camera) -> Mapping[str, NDArray[Any]]:
    """What the recipe asks for on top of the pictures, by member name."""
    wanted = kit.recipe.render.passes
    arrays: dict[str, NDArray[Any]] = {}
    for when, frame in (("start", start), ("end", end)):
        if "depth" in wanted:
            arrays[f"{when}_depth"] = frame.depth_m
        if "normals" in wanted:
            arrays[f"{when}_normals"] = frame.normals
    if "flow" in wanted:
        arrays["flow"] = kit.renderer.flow(start, rollout, camera)
    return arrays
