"""Index → Sample: the composition of everything.

    draw → simulate → judge → place the camera → say what happened → survey → render twice → judge → record

A sample is a pure function of (recipe, seed, index). An attempt that fails a gate is dropped with its reason, and the
next one draws from its own generator; what other samples do never matters.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np
from numpy.typing import NDArray

import simgen
from simgen import judge, language, masks, record, scene
from simgen.assets import Catalog, open_catalog
from simgen.framing import Shapes, body_shape, frame_camera, subject_ids
from simgen.geometry import Shape
from simgen.plan import SampleId
from simgen.recipe import Recipe, load_scenes
from simgen.sampling import Draw, NothingFits
from simgen.scene import Scene
from simgen.types import Body, Box, Camera, Frame, Framing, Gate, Reject, Rollout, Sample

if TYPE_CHECKING:
    from simgen.engine.cycles import Renderer


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


class Maker:
    """Makes the samples of one recipe and seed; a worker keeps one, with its catalogue and its renderer."""

    def __init__(self, recipe: Recipe, seed: int) -> None:
        load_scenes(recipe.scene_folders)
        self.recipe = recipe
        self.seed = seed
        self.scenes = {c.name: scene.build(c.name, c.parameters, where=recipe.name) for c in recipe.scenes}
        chosen = recipe.assets
        self.catalog: Catalog = open_catalog(
            objects=chosen.objects, environments=chosen.environments, builtin=chosen.builtin
        )
        self._renderer: Renderer | None = None

    def make(self, sample_id: SampleId) -> Outcome:
        """The sample of this id, or every reason why none of its attempts was kept."""
        rejects: list[Reject] = []
        clock = Clock()
        for attempt in range(self.recipe.max_attempts):
            result = self._attempt(sample_id, attempt, clock)
            if isinstance(result, Sample):
                return Outcome(sample=result, rejects=tuple(rejects), cost={**clock.spent, "attempts": attempt + 1.0})
            rejects.append(replace(result, attempt=attempt))
        return Outcome(sample=None, rejects=tuple(rejects), cost={**clock.spent, "attempts": float(len(rejects))})

    def rollout(self, sample_id: SampleId, attempt: int) -> Rollout | Reject:
        """Draw and simulate: the physics of one attempt, camera and roles still as drawn."""
        from simgen.engine.physics import simulate

        rng = np.random.default_rng([self.seed, sample_id.index, attempt])
        try:
            spec = self.scenes[sample_id.scene].sample(Draw(rng=rng, catalog=self.catalog, split=sample_id.split))
        except NothingFits as error:
            return Reject(gate="nothing_fits", reason=str(error))
        return self.scenes[sample_id.scene].develop(simulate(spec, self.catalog), self.catalog.mesh)

    @property
    def renderer(self) -> "Renderer":
        """Blender, started when the first picture is needed."""
        if self._renderer is None:
            from simgen.engine.cycles import Renderer

            render = self.recipe.render
            self._renderer = Renderer(self.catalog, width=render.width, height=render.height, quality=render.quality)
        return self._renderer

    def _attempt(self, sample_id: SampleId, attempt: int, clock: Clock) -> Sample | Reject:
        the_scene, render = self.scenes[sample_id.scene], self.recipe.render
        with clock("simulate"):
            rollout = self.rollout(sample_id, attempt)
        if isinstance(rollout, Reject):
            return rollout
        gates: list[Gate] = list(judge.judge_physics(rollout))
        moved = judge.changed_bodies(rollout)
        reason = judge.first_reject(gates) or _scene_reject(the_scene, rollout, moved)
        if reason is not None:
            return reason

        rollout = _with_roles(rollout, moved)
        shapes = self._shapes(rollout.spec.bodies)
        camera = rollout.spec.camera
        if isinstance(camera, Framing):
            camera = frame_camera(camera, rollout, shapes, width=render.width, height=render.height)
        foreseen = judge.foresee_view(rollout, camera, shapes, the_scene, width=render.width, height=render.height)
        if (hopeless := judge.first_reject(foreseen)) is not None:
            return hopeless
        told = language.compile_instructions(
            the_scene, rollout, camera, np.random.default_rng([self.seed, sample_id.index, attempt, 1])
        )
        if isinstance(told, Reject):
            return told

        actors = {body.id for body in rollout.spec.bodies if body.role == "actor"}
        changing = _Changing(actors=actors, affected=set(moved) - actors, in_place=set(judge.in_place(rollout, moved)))
        surveyed = self._survey(rollout, camera, shapes, the_scene, changing, clock)
        if isinstance(surveyed, Reject):
            return surveyed
        camera, border = surveyed
        rollout = replace(rollout, spec=replace(rollout.spec, camera=camera))
        with clock("render"):
            start = self.renderer.render(rollout, camera, rollout.start_index)
            end = self.renderer.render(rollout, camera, rollout.end_index, border=border, under=start)
        with clock("judge"):
            pair = masks.compose(start, end, **changing)
            ids = (start.ids, end.ids)
            gates += judge.judge_view(rollout, camera, shapes, ids, the_scene)
            gates += judge.judge_picture(pair, start, end, rollout, the_scene)
            reason = judge.first_reject(gates)
            if reason is not None:
                return reason
            return Sample(
                key=sample_id.key,
                start=pair.start,
                end=pair.end,
                start_seg=start.ids,
                end_seg=end.ids,
                mask=pair.mask,
                record=self._record(sample_id, attempt, the_scene, rollout, camera, told, gates),
                arrays=self._arrays(start, end, rollout, camera),
            )

    def _survey(
        self,
        rollout: Rollout,
        camera: Camera,
        shapes: Shapes,
        the_scene: Scene,
        changing: "_Changing",
        clock: Clock,
    ) -> tuple[Camera, Box] | Reject:
        """A cheap look at start and end: the camera with its exposure set and the part of the picture that changes, or
        why no picture is worth rendering."""
        from simgen.engine.world import build_world

        with clock("survey"):
            render = self.recipe.render
            world = build_world(rollout.spec, self.catalog, width=render.width, height=render.height)
            self.renderer.load(world, camera)
            looks = [self.renderer.meter(rollout, index) for index in (rollout.start_index, rollout.end_index)]
            ids = (looks[0].ids, looks[1].ids)
            gates = judge.judge_view(rollout, camera, shapes, ids, the_scene)
            subjects = subject_ids(rollout)
            exposure_ev = judge.exposure_ev([(look.luminance, np.isin(look.ids, subjects)) for look in looks])
            start, end = (look.frame(exposure_ev) for look in looks)
            pair = masks.compose(start, end, **changing, light_test=masks.SURVEY_LIGHT_TEST)
            gates += judge.judge_picture(pair, start, end, rollout, the_scene, slack=judge.SURVEY_SLACK)
            reason = judge.first_reject(gates)
            border = masks.changed_box(pair.mask, render.width, render.height)
            return reason or (replace(camera, exposure_ev=exposure_ev), border)

    def _shapes(self, bodies: tuple[Body, ...]) -> dict[int, Shape]:
        return {b.id: body_shape(b, self.catalog.shape(b.asset) if b.asset else None) for b in bodies}

    def _record(
        self,
        sample_id: SampleId,
        attempt: int,
        the_scene: Scene,
        rollout: Rollout,
        camera: Camera,
        told: language.Compiled,
        gates: list[Gate],
    ) -> dict[str, Any]:
        identity = record.Identity(
            key=sample_id.key,
            scene=sample_id.scene,
            split=sample_id.split,
            seed=self.seed,
            index=sample_id.index,
            attempt=attempt,
            fingerprint=self.recipe.fingerprint,
            simgen_version=simgen.__version__,
        )
        return record.make_record(
            identity=identity,
            scene=the_scene,
            rollout=rollout,
            camera=camera,
            width=self.recipe.render.width,
            height=self.recipe.render.height,
            instructions=told.instructions,
            claims=told.claims,
            gates=gates,
            catalog=self.catalog,
        )

    def _arrays(self, start: Frame, end: Frame, rollout: Rollout, camera: Camera) -> dict[str, NDArray[Any]]:
        """What the recipe asks for on top of the pictures, by member name."""
        wanted = self.recipe.render.passes
        arrays: dict[str, NDArray[Any]] = {}
        for when, frame in (("start", start), ("end", end)):
            if "depth" in wanted:
                arrays[f"{when}_depth"] = frame.depth_m
            if "normals" in wanted:
                arrays[f"{when}_normals"] = frame.normals
        if "flow" in wanted:
            arrays["flow"] = self.renderer.flow(start, rollout, camera)
        return arrays


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
