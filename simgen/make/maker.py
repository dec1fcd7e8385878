"""Index → Sample: the composition of everything.

    draw → simulate → certify → place → describe → survey → render → judge → record

A sample is a pure function of (recipe, seed, index). An attempt that fails a gate is dropped with its reason, and the
next one draws from its own generator; what other samples do never matters, but for those of its family, which begin
with the same picture and are made together. The phases are functions of `simgen.make.phases`; `simgen.make.family` is
one attempt from the first to the last of them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from simgen.core.rollout import Rollout
from simgen.core.sample import Reject, Sample
from simgen.core.spec import SceneSpec
from simgen.make.clock import Clock
from simgen.make.family import make_family
from simgen.make.phases import draw_event, simulate_event
from simgen.make.planning import catalog_of, local_pins
from simgen.plan.plan import SampleId
from simgen.plan.recipe import Recipe, load_scenes
from simgen.scene import registry

if TYPE_CHECKING:
    from simgen.engine.renderer import Renderer


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one sample id. `sample` is None where every attempt was rejected."""

    sample: Sample | None
    rejects: tuple[Reject, ...]
    cost: dict[str, float]
    """Seconds per phase, and `attempts`."""


def _no_notice(assets: Sequence[str]) -> None:
    """For callers that need none."""


class Maker:
    """Makes the samples of one recipe and seed; a worker keeps one, with its catalogue and its renderer."""

    def __init__(self, recipe: Recipe, seed: int) -> None:
        load_scenes(recipe.scene_folders)
        self.recipe = recipe
        self.seed = seed
        self.scenes = {c.name: registry.build(c.name, c.parameters, where=recipe.name) for c in recipe.scenes}
        self.catalog = catalog_of(recipe)
        self._renderer: Renderer | None = None
        self._family: tuple[int, tuple[Outcome, ...]] = (-1, ())

    def make(self, sample_id: SampleId, *, notice: Callable[[Sequence[str]], None] = _no_notice) -> Outcome:
        """The sample of this id, or every reason why none of its attempts was kept.

        `notice` is called with the assets of each attempt before they are simulated, which may end the process. A
        family is made at once and kept until another is asked for: what it costs stands with its first member.
        """
        if sample_id.family_size == 1:
            return self._made(sample_id, notice)[0]
        if self._family[0] != sample_id.family:
            self._family = (sample_id.family, self._made(sample_id, notice))
        return self._family[1][sample_id.member]

    def spec(self, sample_id: SampleId, attempt: int, event_number: int = 0) -> SceneSpec | Reject:
        """What is drawn for one attempt. Each event number is another event in the same scene."""
        return draw_event(self, sample_id, attempt, event_number)

    def rollout(self, sample_id: SampleId, attempt: int, event_number: int = 0) -> Rollout | Reject:
        """Draw and simulate: the physics of one attempt."""
        spec = self.spec(sample_id, attempt, event_number)
        return spec if isinstance(spec, Reject) else simulate_event(self, sample_id.scene, spec)

    @property
    def renderer(self) -> "Renderer":
        """Blender, started when the first picture is needed."""
        if self._renderer is None:
            from simgen.engine.renderer import Renderer

            render = self.recipe.render
            self._renderer = Renderer(
                self.catalog, width=render.width, height=render.height, quality=render.quality, device=render.device
            )
        return self._renderer

    def pins(self) -> dict[str, str]:
        """What decides the bytes here beside the recipe and the code; see `local_pins`."""
        return local_pins(self.recipe, self.catalog)

    def _made(self, sample_id: SampleId, notice: Callable[[Sequence[str]], None]) -> tuple[Outcome, ...]:
        """Every member of a sample's family."""
        rejects: list[Reject] = []
        clock = Clock()
        size = sample_id.family_size
        first = sample_id.at(sample_id.family * size)
        for attempt in range(self.recipe.max_attempts):
            samples, reasons = make_family(self, first, attempt, clock=clock, notice=notice)
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
