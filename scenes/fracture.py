"""Something brittle is let go, or is knocked off a block, and shatters."""

from dataclasses import dataclass, replace

import numpy as np

from simgen.core.geometry import direction, quat_conjugate, quat_rotate, vec3
from simgen.core.motion import thrown
from simgen.core.rollout import Rollout
from simgen.core.spec import Body, Break, Release, SceneSpec
from simgen.core.vectors import Floats
from simgen.procedural import models
from simgen.procedural.models import fragments
from simgen.procedural.models.vessels import KINDS, clothing, wall_mm
from simgen.scene.draw import Draw, tilted
from simgen.scene.registry import MeshOf, Phrases, Range, Scene, register

CRISP = ("cookie", "chocolate", "tile")
COUNTS = ((9.0, "a few"), (16.0, "a dozen or so"), (28.0, "about two dozen"), (99.0, "dozens of"))
"""Number of pieces, and what one calls it."""


@register("fracture")
@dataclass(frozen=True, kw_only=True)
class Fracture(Scene):
    """A vase, a pot, a plate or a glass falls and breaks into shards."""

    height_m: Range = (0.08, 0.22)
    """Of its lowest point above the stage."""
    cells: tuple[int, int] = (12, 30)
    few: tuple[int, int] = (4, 9)
    """Pieces of what breaks like a cookie."""
    tilt_deg: Range = (0.0, 70.0)
    throw_probability: float = 0.6
    """How often it is not just let go but thrown to one side."""
    throw_mps: Range = (0.2, 0.55)
    num_bystanders: tuple[int, int] = (0, 1)

    law = "brittle fracture"
    types = (28, 13)
    claims = ("actor broke", "actor dropped")
    quantities = ("fragments", "mass", "throw_speed", "throw_side")
    subject_size = (0.03, 0.45)
    changed_share = 0.75

    def sample(self, draw: Draw) -> SceneSpec:
        view, stage = draw.view(elevation_deg=(16.0, 34.0), margin=(0.06, 0.14)), draw.stage()
        kind = draw.choice(KINDS)
        label, substance, material, slots = clothing(kind, draw.rng)
        wall = wall_mm(kind) * draw.uniform((0.9, 1.15))
        whole = models.make("vessel", variant=kind, seed=draw.seed(), wall_mm=wall, scale=draw.uniform((0.85, 1.1)))
        axis = draw.angle()
        lean = tilted((np.cos(axis), np.sin(axis), 0.0), np.radians(draw.uniform(self.tilt_deg)))
        actor = draw.model(
            whole, 1, role="actor", label=label, substance=substance, static=False, material=material,
            materials=tuple(slots.items()), quaternion=lean, restitution=0.2,
        )  # fmt: skip
        low = quat_rotate(lean, models.build(whole).vertices_m)
        lowest = low[low[:, 2].argmin()]
        actor = replace(actor, position_m=(0.0, 0.0, draw.uniform(self.height_m) - float(lowest[2])))
        shards = self.shards(draw, actor, quat_rotate(quat_conjugate(lean), lowest))
        give = Break(time_s=0.0, body=1, into=tuple(b.id for b in shards), min_impulse_ns=0.3 * actor.mass_kg)
        spread = [vec3(r * direction(a)) for r in (0.2, 0.35) for a in np.arange(0, 6.2, 0.7)]
        around = draw.bystanders([actor], draw.integer(self.num_bystanders), view=view, clear=spread)
        around = [replace(body, id=200 + k) for k, body in enumerate(around)]
        throws = draw.event.chance(self.throw_probability)
        throw = (draw.event.throw(actor, self.throw_mps, view=view),) if throws else ()
        return draw.spec(
            self.name, [actor, *shards, *around], stage=stage, camera=view, duration_s=6.0,
            events=(Release(time_s=0.0, body=1), *throw, give),
        )  # fmt: skip

    def shards(self, draw: Draw, whole: Body, blow_m: Floats) -> list[Body]:
        assert whole.model is not None
        glassy, crisp = whole.substance == "glass", whole.model.variant in CRISP
        crack = fragments.cracked(
            whole.model, cells=draw.integer(self.few if crisp else self.cells), seed=draw.seed(), blow_m=blow_m,
            dense=draw.uniform((1.4, 2.6)), reach_m=0.7 * max(whole.size_m),
            rough_m=0.0 if glassy else draw.uniform((0.002, 0.005)),
        )  # fmt: skip
        return fragments.bodies(whole, crack, first_id=2, restitution=0.25, rolling_resistance_m=0.003)

    def develop(self, rollout: Rollout, mesh_of: MeshOf) -> Rollout:
        return rollout.then(quantities=(*fragments.counted(rollout, 1, words=COUNTS), *thrown(rollout.spec)))

    phrases = Phrases(
        superficial=(
            "(throw_speed ends below 0.01) [Drop|Let go of] {actor} [and let it break|so that it breaks].",
            "(throw_speed rises) [Throw|Toss] {actor} {throw_speed.end word} onto {stage} [and let it break|so that it breaks].",
            "(throw_speed ends below 0.01) [Break|Smash|Shatter] {actor} by [dropping it|letting it fall].",
            "(throw_speed ends below 0.01) Let {actor} fall and [shatter|smash|break].",
        ),
        intermediate=(
            "(throw_speed rises) [Throw|Toss] {actor} {throw_speed.end word} {throw_side.end word} so that it falls< {drop height}> onto {stage} "
            "and [shatters|breaks|smashes] into {fragments.end word} pieces.",
            "(throw_speed rises) [Throw|Toss] {actor} {throw_side.end word}, so that it [breaks|shatters] on {stage} into "
            "{fragments.end word} pieces.",
            "(throw_speed ends below 0.01) [Drop|Let go of] {actor} so that it [falls|drops]< {drop height}> onto {stage} and "
            "[shatters|breaks|smashes] into {fragments.end word} pieces.",
            "(throw_speed ends below 0.01) [Let|Make] {actor} [fall|drop] onto {stage}, where the [blow|impact] [breaks it into|shatters it into] "
            "{fragments.end word} pieces.",
        ),
        explicit=(
            "(throw_speed rises) Thrown {throw_speed.end word} {throw_side.end word}, {actor} [falls|drops]< {drop height}> "
            "onto {stage} and [shatters|smashes|breaks apart]: {fragments.end word} pieces lie [around|about], their broken "
            "edges showing<; (everything else stays) nothing else moves>.",
            "(throw_speed ends below 0.01) {actor} [falls|drops]< {drop height}>, [breaks|shatters] on {stage}, and {fragments.end word} "
            "[shards|pieces] lie [scattered|spread] [where it struck|around the place where it landed]<; "
            "(everything else stays) everything else stays where it is>.",
            "(throw_speed ends below 0.01) Once let go, {actor} [falls|drops]< {drop height}> onto {stage} and [shatters|smashes|breaks apart]: "
            "{fragments.end word} pieces lie [around|about], their broken edges showing<; (everything else stays) "
            "nothing else moves>.",
        ),
    )
