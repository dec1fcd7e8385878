"""Ice on a table melts, in part or all of it, to a puddle of the same mass."""

import functools
from dataclasses import dataclass, replace

import numpy as np

from simgen.core.blend import between
from simgen.core.mesh import Mesh, Model
from simgen.core.rollout import Rollout, quantity
from simgen.core.spec import Body, SceneSpec
from simgen.core.tracks import Matter
from simgen.core.vectors import Vec3
from simgen.procedural import models, palette
from simgen.procedural.models import make
from simgen.procedural.models.ice import ICE_KGPM3, WATER_KGPM3, below_m3, puddle_thickness_m, solid_m3
from simgen.scene.draw import Draw, ref
from simgen.scene.registry import MeshOf, Phrases, Range, Scene, register

PIECES = (
    ("cube", "ice cube", (0.03, 0.042), (0.85, 1.05)),
    ("cube", "ice cube", (0.03, 0.042), (0.85, 1.05)),
    ("block", "block of ice", (0.045, 0.06), (0.55, 0.75)),
    ("ball", "ice ball", (0.04, 0.055), (1.0, 1.0)),
    ("cylinder", "ice cylinder", (0.035, 0.045), (0.8, 1.1)),
    ("star", "ice star", (0.055, 0.07), (0.35, 0.45)),
    ("heart", "ice heart", (0.05, 0.065), (0.35, 0.5)),
)
"""Variant, name, width in metres, height against width."""
LATENT_JPM3 = 334e3 * ICE_KGPM3
"""Heat that melts a cubic metre of ice."""
WARMTH_WPM2 = 800.0
"""What ice on a table in a room takes up, most of it through the water that it stands in: a cube melts in 40 minutes."""
DARK = ("dark_slate", "walnut_staves", "blue_boards", "green_tiles", "oak_planks")


@register("ice_melt")
@dataclass(frozen=True, kw_only=True)
class IceMelt(Scene):
    """One piece of ice, or up to three cubes, become a puddle; sometimes a rest of the ice still stands in it."""

    melted: Range = (0.52, 0.88)
    """Share of the ice that is gone where some of it is left."""
    whole_probability: float = 0.5
    """How often all of it melts."""
    contact_deg: Range = (45.0, 68.0)

    law = "latent heat and conservation of mass"
    types = (43,)
    quantities = ("total_mass", "ice_mass", "water_mass")

    def sample(self, draw: Draw) -> SceneSpec:
        variant, label, size, height = draw.choice(PIECES)
        view = draw.view(elevation_deg=(18.0, 32.0), margin=(0.08, 0.2))
        melted = 1.0 if draw.event.chance(self.whole_probability) else draw.event.uniform(self.melted)
        # Which way the water runs is chance.
        runs = {"puddle": float(draw.event.seed()), "uneven": draw.event.uniform((0.1, 0.22))}
        runs |= {"stretch": draw.event.uniform((0.8, 1.25))}
        made = make(
            "ice_piece", variant=variant, seed=draw.seed(), size_m=draw.uniform(size), height=draw.uniform(height),
            bubbles=draw.uniform((90.0, 420.0)),
        )  # fmt: skip
        spots = _spots(draw, made.number("size_m")) if variant == "cube" else [(0.0, 0.0, 0.0)]
        clear = palette.ice(cloudy=draw.uniform((0.03, 0.16)), seed=draw.seed())
        air = palette.plastic("#f4f9fb", roughness=0.6)
        ice = [
            draw.model(
                replace(made, seed=made.seed + k), k + 1, role="actor", label=label, substance="ice", at=spot[:2],
                yaw_rad=draw.angle(), material=clear, materials=(("core", air),),
            )
            for k, spot in enumerate(spots)
        ]  # fmt: skip
        water = draw.model(
            make("puddle", volume_m3=1e-5, contact_deg=draw.uniform(self.contact_deg)),
            9, role="affected", label="puddle", substance="water", parent=1, on_m=-0.0001, yaw_rad=draw.angle(),
            at=np.mean(spots, axis=0)[:2], material=palette.liquid("#e4eff2"),
        )  # fmt: skip
        stage = draw.stage(("table", "table", "floor"))
        chosen = [s for s in draw.catalog.surfaces if s.id in DARK]
        return draw.spec(
            self.name, [*ice, water], camera=view, stage=replace(stage, surface=ref(draw.choice(chosen))),
            lights=draw.lights(view) or draw.lights(view), end_state="steady", inputs=(("melted", melted), *runs.items()),
            duration_s=melted * LATENT_JPM3 * made.number("size_m") / 6 / WARMTH_WPM2, physics_s=0.05,
        )  # fmt: skip

    def develop(self, rollout: Rollout, mesh_of: MeshOf) -> Rollout:
        spec, melted = rollout.spec, rollout.spec.input("melted")
        ice = [body for body in spec.bodies if body.role == "actor"]
        puddle = spec.body(9)
        assert puddle.model is not None
        whole = [mesh_of(body) for body in ice]
        before = _ice_kg(whole)
        deep = puddle_thickness_m(puddle.model.number("contact_deg"))
        run = replace(puddle.model, seed=int(spec.input("puddle")))
        run = run.but(uneven=spec.input("uneven"), stretch=spec.input("stretch"))

        def left(phase: float) -> list[Mesh]:
            """What is left of each piece; nothing where all of it has melted."""
            share = between(0.0, melted, phase)
            return [models.build(_model(body).but(melted=share)) for body in ice] if share < 1.0 else []

        @functools.cache
        def water(phase: float) -> tuple[Mesh, float]:
            """The puddle and the volume of the water in it."""
            if phase == 0.0:
                return mesh_of(puddle), 0.0
            pieces = left(phase)
            # What of the ice stands in the water takes room in it.
            under = sum(below_m3(mesh, deep) for mesh in pieces)
            wet = models.build(run.but(volume_m3=(before - _ice_kg(pieces)) / WATER_KGPM3 + under))
            there = models.volume_m3(wet) - under
            return Mesh(surfaces=(replace(wet.surfaces[0], solid_m3=there),)), there

        def wet_matter(phase: float) -> Matter:
            return Matter(mass_kg=water(phase)[1] * WATER_KGPM3, substance="water")

        for k, (body, mesh) in enumerate(zip(ice, whole, strict=True)):

            def piece(phase: float, k: int = k, mesh: Mesh = mesh) -> Mesh:
                # What is gone has no shape of its own.
                return left(phase)[k] if phase > 0.0 and left(phase) else mesh

            def piece_matter(phase: float, k: int = k) -> Matter:
                return Matter(mass_kg=_ice_kg(left(phase)[k : k + 1]), substance="ice")

            rollout = rollout.reshaped(body.id, piece).weighed(body.id, piece_matter)
            if melted == 1.0:
                rollout = rollout.shown(body.id, lambda phase: phase < 1.0)

        def ice_g(phase: float) -> float:
            return 1000 * (_ice_kg(left(phase)) if phase > 0.0 else before)

        def water_g(phase: float) -> float:
            return 1000 * (water(phase)[1] * WATER_KGPM3)

        return (
            rollout.reshaped(9, lambda phase: water(phase)[0])
            .weighed(9, wet_matter)
            .shown(9, lambda phase: phase > 0.0)
            .then(
                quantities=(
                    quantity("total_mass", lambda phase: ice_g(phase) + water_g(phase), unit="g", provenance="derived",
                             conserved=0.01),
                    quantity("ice_mass", ice_g, unit="g", provenance="prescribed"),
                    quantity("water_mass", water_g, unit="g", provenance="derived"),
                )
            )
        )  # fmt: skip

    phrases = Phrases(
        superficial=(
            "[Melt|Thaw] {actor}.",
            "Let {actor} [melt|thaw|turn to water].",
            "[Make {actor} melt|Have {actor} melt|Warm {actor} until {it melts/they melt}].",
            "(ice_mass ends below 0.1) [Turn|Melt] {actor} into [a puddle|water].",
        ),
        intermediate=(
            "(ice_mass ends below 0.1) Let {actor} melt [completely|entirely] into a [flat|thin|shallow] puddle of water.",
            "(ice_mass ends below 0.1) Warm {actor} until [all the ice has|all of the ice has] turned into [a puddle of "
            "clear water|clear water that spreads out].",
            "(ice_mass ends above 0.1) Let {actor} melt [partly|most of the way], so that [what is left is smaller and "
            "rounder|the rest is small and round] and [stands|sits] in a puddle of water.",
            "(ice_mass ends above 0.1) [Thaw|Melt] {actor} until only [a small rounded piece|a small rounded rest] of "
            "{it/each} is left in [the meltwater|a puddle of meltwater].",
        ),
        explicit=(
            "(ice_mass ends below 0.1) {actor} {melts/melt} away: in {its/their} place a flat clear puddle lies on {stage}, "
            "[{water_mass.end} of water, as much as there was ice|of the same mass, {water_mass.end}].",
            "(ice_mass ends below 0.1) All of the ice, {ice_mass.start}, [melts|turns to water] and spreads on {stage} as a "
            "[thin clear puddle|flat puddle] [with a rounded rim|that keeps a rounded rim]; no ice is left.",
            "(ice_mass ends above 0.1) {actor} {melts/melt} from {ice_mass.start} to {ice_mass.end} of ice: the edges are "
            "gone, [a smaller rounded rest|a small rounded rest] stands in a clear puddle of {water_mass.end} of water.",
            "(ice_mass ends above 0.1) [Most of the|Much of the] ice turns to water, {water_mass.end} of it, and spreads as "
            "a [clear|thin clear] puddle on {stage}; the ice in its middle is [small and round|rounded and much smaller].",
        ),
    )


def _spots(draw: Draw, size_m: float) -> list[Vec3]:
    """One, two or three places that are a little apart."""
    count = draw.choice((1, 1, 2, 3))
    turn = draw.angle()
    apart = 0.0 if count == 1 else size_m * (0.85 if count == 2 else 1.0) * draw.uniform((1.0, 1.15))
    angles = [turn + 2 * np.pi * k / count for k in range(count)]
    return [(float(apart * np.cos(a)), float(apart * np.sin(a)), 0.0) for a in angles]


def _model(body: Body) -> Model:
    assert body.model is not None
    return body.model


def _ice_kg(meshes: list[Mesh]) -> float:
    return sum(solid_m3(mesh) for mesh in meshes) * ICE_KGPM3
