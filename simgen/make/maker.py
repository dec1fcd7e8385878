"""Index → Sample: the composition of everything.

    draw → simulate → judge → place the camera → say what happened → survey → render twice → judge → record

A sample is a pure function of (recipe, seed, index). An attempt that fails a gate is dropped with its reason, and the
next one draws from its own generator; what other samples do never matters, but for those of its family, which begin
with the same picture and are made together.
"""

import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np
from numpy.typing import NDArray

import simgen
from simgen.catalog.catalog import Catalog, open_catalog
from simgen.core import masks
from simgen.core.errors import AssetError
from simgen.core.geometry import Shape
from simgen.core.rollout import Rollout
from simgen.core.sample import Frame, Gate, Reject, Sample
from simgen.core.spec import Body, Camera, SceneSpec, ViewRequest
from simgen.language import sentences
from simgen.make import judge
from simgen.plan.plan import SampleId
from simgen.plan.recipe import Recipe, load_scenes
from simgen.record.build import make_record
from simgen.record.sources import Identity, RecordSource
from simgen.scene import registry
from simgen.scene.cameras import body_shape, frame_camera, subject_ids
from simgen.scene.draw import Draw, NothingFits
from simgen.scene.registry import Scene

if TYPE_CHECKING:
    from simgen.engine.cycles import Look, Renderer

CHANCES = 4
"""Events that are tried for each member of a family."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one sample id. `sample` is None where every attempt was rejected."""

    sample: Sample | None
    rejects: tuple[Reject, ...]
    cost: dict[str, float]
    """Seconds per stage, and `attempts`."""


class Clock:
    """Seconds spent per stage."""

    def __init__(self) -> None:
        self.spent: dict[str, float] = {}

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        began = time.perf_counter()
        try:
            yield
        finally:
            self.spent[stage] = self.spent.get(stage, 0.0) + time.perf_counter() - began


def _ignore(assets: Sequence[str]) -> None:
    """For callers that need no notice."""


class Maker:
    """Makes the samples of one recipe and seed; a worker keeps one, with its catalogue and its renderer."""

    def __init__(self, recipe: Recipe, seed: int) -> None:
        load_scenes(recipe.scene_folders)
        self.recipe = recipe
        self.seed = seed
        self.scenes = {c.name: registry.build(c.name, c.parameters, where=recipe.name) for c in recipe.scenes}
        chosen = recipe.assets
        self.catalog: Catalog = open_catalog(
            objects=chosen.objects, environments=chosen.environments, builtin=chosen.builtin, exclude=chosen.exclude
        )
        self._renderer: Renderer | None = None
        self._family: tuple[int, tuple[Outcome, ...]] = (-1, ())

    def make(self, sample_id: SampleId, *, notice: Callable[[Sequence[str]], None] = _ignore) -> Outcome:
        """The sample of this id, or every reason why none of its attempts was kept.

        `notice` is called with the assets of each attempt before they are simulated, which may end the process.

        A family is made at once and kept until another is asked for: what it costs stands with its first member.
        """
        if sample_id.family_size == 1:
            return self._made(sample_id, notice)[0]
        if self._family[0] != sample_id.family:
            self._family = (sample_id.family, self._made(sample_id, notice))
        return self._family[1][sample_id.member]

    def spec(self, sample_id: SampleId, attempt: int, chance: int = 0) -> SceneSpec | Reject:
        """What is drawn for one attempt. Each `chance` is another event in the same scene."""
        number = [self.seed, sample_id.family, attempt]
        draw = Draw(
            rng=np.random.default_rng(number),
            catalog=self.catalog,
            split=sample_id.split,
            event_rng=np.random.default_rng([*number, 2, chance]),
        )
        try:
            return self.scenes[sample_id.scene].sample(draw)
        except NothingFits as error:
            return Reject(gate="nothing_fits", reason=str(error))

    def rollout(self, sample_id: SampleId, attempt: int, chance: int = 0) -> Rollout | Reject:
        """Draw and simulate: the physics of one attempt, camera and roles still as drawn."""
        spec = self.spec(sample_id, attempt, chance)
        return spec if isinstance(spec, Reject) else self.developed(sample_id, spec)

    def developed(self, sample_id: SampleId, spec: SceneSpec) -> Rollout:
        """What rigid bodies do in it, and what the scene's own law makes of that."""
        from simgen.engine.physics import simulate

        return self.scenes[sample_id.scene].develop(simulate(spec, self.catalog), self.catalog.mesh)

    @property
    def renderer(self) -> "Renderer":
        """Blender, started when the first picture is needed."""
        if self._renderer is None:
            from simgen.engine.cycles import Renderer

            render = self.recipe.render
            self._renderer = Renderer(
                self.catalog, width=render.width, height=render.height, quality=render.quality, device=render.device
            )
        return self._renderer

    def pins(self) -> dict[str, str]:
        """What decides the bytes beside the recipe and the code: the assets, and the card where one renders."""
        device = self.recipe.render.device
        if device == "cpu":
            return {"assets": self.catalog.fingerprint()}
        from simgen.engine import devices

        return {"assets": self.catalog.fingerprint(), "card": devices.name(devices.choose(device))}

    def _made(self, sample_id: SampleId, notice: Callable[[Sequence[str]], None]) -> tuple[Outcome, ...]:
        """Every member of a sample's family."""
        rejects: list[Reject] = []
        clock = Clock()
        size = sample_id.family_size
        first = sample_id.at(sample_id.family * size)
        for attempt in range(self.recipe.max_attempts):
            samples, reasons = _Family(self, first, attempt, clock, notice).make()
            rejects += (replace(reason, attempt=attempt) for reason in reasons)
            if len(samples) == size:
                break
        else:
            samples = []
        cost = {**clock.spent, "attempts": float(len(rejects) + len(samples))}
        lead = Outcome(sample=samples[0] if samples else None, rejects=tuple(rejects), cost=cost)
        with_it = () if samples else (Reject(gate="family", reason=f"{first.key} has no family of {size}"),)
        others = samples[1:] if samples else [None] * (size - 1)
        return (lead, *(Outcome(sample=s, rejects=with_it, cost={"attempts": float(s is None)}) for s in others))


@dataclass(slots=True, kw_only=True)
class _Member:
    """One event in the scene of a family: what physics made of it, and what can be said of it."""

    chance: int
    rollout: Rollout
    moved: tuple[int, ...]
    gates: list[Gate]
    told: sentences.Compiled | None = None
    look: "Look | None" = None
    """At its end."""

    @property
    def changing(self) -> "_Changing":
        actors = {body.id for body in self.rollout.spec.bodies if body.role == "actor"}
        still = set(judge.in_place(self.rollout, self.moved))
        return _Changing(actors=actors, affected=set(self.moved) - actors, in_place=still)


class _Family:
    """One attempt at a sample, or at a family of samples that begin with the same picture.

    Scene, start picture, camera and exposure are the family's; the camera is set for the first members that physics
    allows, and who comes after must fit into it. A sample alone is a family of one.
    """

    def __init__(
        self, maker: Maker, first: SampleId, attempt: int, clock: Clock, notice: Callable[[Sequence[str]], None]
    ) -> None:
        self.maker, self.first, self.attempt, self.clock, self.notice = maker, first, attempt, clock, notice
        self.scene, self.render = maker.scenes[first.scene], maker.recipe.render
        self.size = first.family_size
        self.rejects: list[Reject] = []
        self._looks: list[NDArray[np.uint8]] = []
        """At the ends of the members that were kept."""

    def make(self) -> tuple[list[Sample], list[Reject]]:
        """The family's samples, all or fewer, and why what else was tried is not among them."""
        possible = self._possible()
        members = list(itertools.islice(possible, self.size))
        if len(members) < self.size:
            return [], self.rejects
        self.shapes = self._shapes(members[0].rollout.spec.bodies)
        camera = self._camera(members)
        members = [member for member in members if self._told(member, camera)]
        if not members:
            return [], self.rejects
        camera = self._look(members, camera)
        self.start: Frame | None = None
        samples: list[Sample] = []
        for member in itertools.chain(members, (m for m in possible if self._told(m, camera))):
            made = self._sample(member, camera, self.first.index + len(samples))
            if isinstance(made, Sample):
                samples.append(made)
            else:
                self.rejects.append(made)
            if len(samples) == self.size:
                break
        return samples, self.rejects

    def _possible(self) -> Iterator[_Member]:
        """Events that pass the certificate, each another one in the same scene."""
        known: list[SceneSpec] = []
        found = 0
        start: Rollout | None = None
        for chance in range(1 if self.size == 1 else CHANCES * self.size):
            if chance == self.size and not found:
                # It is the scene that fails, not what happens in it.
                return
            with self.clock("simulate"):
                spec = self._drawn(chance)
                if not isinstance(spec, Reject) and spec in known:
                    spec = Reject(gate="family_distinct", reason="the same event once more")
                if isinstance(spec, Reject):
                    self.rejects.append(spec)
                    continue
                known.append(spec)
                rollout = self.maker.developed(self.first, spec)
            start = start or rollout
            moved = judge.changed_bodies(rollout)
            gates = list(judge.judge_physics(rollout))
            reason = judge.first_reject(gates) or _scene_reject(self.scene, rollout, moved)
            if rollout is not start and (other := _other_start(start, rollout)) is not None:
                reason = Reject(gate="family_start", reason=f"{other} at the start is not that of the family")
            if reason is not None:
                self.rejects.append(reason)
                continue
            found += 1
            yield _Member(chance=chance, rollout=_with_roles(rollout, moved), moved=moved, gates=gates)

    def _drawn(self, chance: int) -> SceneSpec | Reject:
        """Draw the scene with one of its events, and give notice of its assets."""
        try:
            spec = self.maker.spec(self.first, self.attempt, chance)
        except AssetError as error:
            self.notice([error.asset] if error.asset else [])
            raise
        if not isinstance(spec, Reject):
            self.notice(assets_of(spec))
        return spec

    def _camera(self, members: list[_Member]) -> Camera:
        framing = members[0].rollout.spec.camera
        if isinstance(framing, ViewRequest):
            rollouts = [member.rollout for member in members]
            size = {"width": self.render.width, "height": self.render.height}
            return frame_camera(framing, self.shapes, *rollouts, **size)
        # Scenes that place it themselves may have placed it for each: the one that sees all from farthest away.
        placed = [m.rollout.spec.camera for m in members if isinstance(m.rollout.spec.camera, Camera)]
        return max(placed, key=lambda c: float(np.linalg.norm(c.position_m)))

    def _told(self, member: _Member, camera: Camera) -> bool:
        """Whether the member would be in the picture and can be put in words."""
        render, rollout = self.render, member.rollout
        foreseen = judge.foresee_view(
            rollout, camera, self.shapes, self.scene, width=render.width, height=render.height
        )
        hopeless = judge.first_reject(foreseen)
        if hopeless is None:
            number = [self.maker.seed, self.first.family, self.attempt, 1, member.chance]
            told = sentences.compile_instructions(self.scene, rollout, camera, np.random.default_rng(number))
            if isinstance(told, sentences.Compiled):
                member.told = told
                return True
            hopeless = told
        self.rejects.append(hopeless)
        return False

    def _look(self, members: list[_Member], camera: Camera) -> Camera:
        """Load the scene, look at the start and the ends, and set the exposure that is right for all of them."""
        from simgen.engine.world import build_world

        renderer, rollout = self.maker.renderer, members[0].rollout
        with self.clock("survey"):
            world = build_world(rollout.spec, self.maker.catalog, width=self.render.width, height=self.render.height)
            renderer.load(world, camera)
            self.start_look = renderer.meter(rollout, rollout.start_index)
            lights = []
            for member in members:
                member.look = renderer.meter(member.rollout, member.rollout.end_index)
                subjects = subject_ids(member.rollout)
                lights += [(look.luminance, np.isin(look.ids, subjects)) for look in (self.start_look, member.look)]
        return replace(camera, exposure_ev=judge.exposure_ev(lights))

    def _sample(self, member: _Member, camera: Camera, index: int) -> Sample | Reject:
        """The pair of one member, looked at before it is paid for."""
        the_scene, renderer = self.scene, self.maker.renderer
        rollout = replace(member.rollout, spec=replace(member.rollout.spec, camera=camera))
        with self.clock("survey"):
            if member.look is None:
                member.look = renderer.meter(rollout, rollout.end_index)
            ids = (self.start_look.ids, member.look.ids)
            gates = judge.judge_view(rollout, camera, self.shapes, ids, the_scene)
            start, end = (look.frame(camera.exposure_ev) for look in (self.start_look, member.look))
            pair = masks.compose(start, end, **member.changing, light_test=masks.SURVEY_LIGHT_TEST)
            gates += judge.judge_picture(pair, start, end, rollout, the_scene, slack=judge.SURVEY_SLACK)
            gates += judge.judge_distinct(pair.end, self._looks)
            reason = judge.first_reject(gates)
            if reason is not None:
                return reason
            size = (self.render.width, self.render.height)
            borders = masks.changed_boxes(pair.mask, *size, margin_px=renderer.margin_px)
            look = pair.end
        with self.clock("render"):
            if self.start is None:
                self.start = renderer.render(rollout, camera, rollout.start_index)
            start = self.start
            end = renderer.render(rollout, camera, rollout.end_index, borders=borders, under=start)
        with self.clock("judge"):
            pair = masks.compose(start, end, **member.changing)
            gates = (*member.gates, *judge.judge_view(rollout, camera, self.shapes, (start.ids, end.ids), the_scene))
            gates += judge.judge_picture(pair, start, end, rollout, the_scene)
            reason = judge.first_reject(gates)
            if reason is not None:
                return reason
            self._looks.append(look)
            sample_id = self.first.at(index)
            assert member.told is not None
            return Sample(
                key=sample_id.key,
                start=pair.start,
                end=pair.end,
                start_seg=start.ids,
                end_seg=end.ids,
                mask=pair.mask,
                record=self._record(sample_id, rollout, camera, member.told, list(gates)),
                arrays=self._arrays(start, end, rollout, camera),
            )

    def _shapes(self, bodies: tuple[Body, ...]) -> dict[int, Shape]:
        return {b.id: body_shape(b, self.maker.catalog.shape(b.asset) if b.asset else None) for b in bodies}

    def _record(
        self,
        sample_id: SampleId,
        rollout: Rollout,
        camera: Camera,
        told: sentences.Compiled,
        gates: list[Gate],
    ) -> dict[str, Any]:
        identity = Identity(
            key=sample_id.key,
            scene=sample_id.scene,
            split=sample_id.split,
            seed=self.maker.seed,
            index=sample_id.index,
            family=sample_id.family,
            member=sample_id.member,
            attempt=self.attempt,
            fingerprint=self.maker.recipe.fingerprint,
            simgen_version=simgen.__version__,
        )
        return make_record(
            RecordSource(
                identity=identity,
                scene=self.scene,
                rollout=rollout,
                camera=camera,
                width=self.render.width,
                height=self.render.height,
                instructions=told.instructions,
                claims=told.claims,
                gates=gates,
                catalog=self.maker.catalog,
            )
        )

    def _arrays(self, start: Frame, end: Frame, rollout: Rollout, camera: Camera) -> dict[str, NDArray[Any]]:
        """What the recipe asks for on top of the pictures, by member name."""
        wanted = self.render.passes
        arrays: dict[str, NDArray[Any]] = {}
        for when, frame in (("start", start), ("end", end)):
            if "depth" in wanted:
                arrays[f"{when}_depth"] = frame.depth_m
            if "normals" in wanted:
                arrays[f"{when}_normals"] = frame.normals
        if "flow" in wanted:
            arrays["flow"] = self.maker.renderer.flow(start, rollout, camera)
        return arrays


def _other_start(first: Rollout, rollout: Rollout) -> str | None:
    """What of the start frame is not the same in two rollouts; None where all is."""
    one, two = first.spec, rollout.spec
    for name in ("stage", "environment", "lights", "gravity_mps2", "render_seed", "start_s"):
        if getattr(one, name) != getattr(two, name):
            return name
    if isinstance(one.camera, ViewRequest) and one.camera != two.camera:
        return "camera"
    if [replace(b, role="prop") for b in one.bodies] != [replace(b, role="prop") for b in two.bodies]:
        return "bodies"
    starts = ((first, first.start_index), (rollout, rollout.start_index))
    for body in one.bodies:
        poses = [(r.poses(body.id).position_m[k], r.poses(body.id).quaternion[k]) for r, k in starts]
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
    return "environment" if first.environment(starts[0][1]) != rollout.environment(starts[1][1]) else None


def assets_of(spec: SceneSpec) -> list[str]:
    """Every asset that a scene is made of, as `source:id`."""
    named = {spec.stage.surface, spec.environment.asset}
    for body in spec.bodies:
        named |= {body.asset, body.surface}
    return sorted(asset for asset in named if asset)


class _Changing(TypedDict):
    """Ids of the bodies that the mask is made of."""

    actors: set[int]
    affected: set[int]
    in_place: set[int]


def _scene_reject(the_scene: Scene, rollout: Rollout, moved: tuple[int, ...]) -> Reject | None:
    """Nothing happened to what the event acts upon, or the scene has a reason of its own."""
    actors = [body.id for body in rollout.spec.bodies if body.role == "actor"]
    if not (set(actors) & set(moved) if actors else rollout.relights):
        return Reject(gate="actor_stayed", reason="the event changed nothing that it acts upon")
    reason = the_scene.reject(rollout)
    return Reject(gate=f"scene_{the_scene.name}", reason=reason) if reason else None


def _with_roles(rollout: Rollout, moved: tuple[int, ...]) -> Rollout:
    """A bystander that was moved after all is one of the affected; an affected body that stayed is a bystander."""
    bodies = []
    for body in rollout.spec.bodies:
        if body.role == "bystander" and body.id in moved:
            body = replace(body, role="affected")
        elif body.role == "affected" and body.id not in moved:
            body = replace(body, role="bystander")
        bodies.append(body)
    return replace(rollout, spec=replace(rollout.spec, bodies=tuple(bodies)))
