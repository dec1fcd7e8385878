"""Clear glass becomes frosted, or frosted glass clear: what is behind it blurs away or comes into sight."""

from dataclasses import dataclass

import numpy as np

from simgen.core.assets import Material
from simgen.core.blend import between
from simgen.core.geometry import direction, vec3
from simgen.core.mesh import Model
from simgen.core.rollout import Rollout, quantity
from simgen.core.spec import Body, SceneSpec, ViewRequest
from simgen.core.substances import SUBSTANCES
from simgen.procedural import models, palette
from simgen.procedural.models.glassware import inner_radius_m
from simgen.scene.cameras import framed
from simgen.scene.draw import Draw
from simgen.scene.registry import MeshOf, Phrases, Range, Scene, register

TINTS = (("#f7fbfa", "", 5), ("#bfe0ea", "blue ", 1), ("#c9e6cf", "green ", 1), ("#f3dcc0", "amber ", 1))
FROST_S, POLISH_S = 120.0, 1800.0
"""Sandblasting a pane takes minutes, polishing it clear again half an hour."""
MARBLES = ("#c8322b", "#e0b020", "#1f6f8b", "#2f7d4f", "#d9662b", "#7a4a93", "#f0efe8")


@register("clear_to_translucent")
@dataclass(frozen=True, kw_only=True)
class ClearToTranslucent(Scene):
    """A pane with things behind it, or a vessel with things in it, turns from clear to frosted or back."""

    roughness: Range = (0.12, 0.62)
    """Of the surface that has become frosted."""
    frosted: Range = (0.34, 0.6)
    """Of the surface that was."""
    cleared: Range = (-0.1, 0.2)
    """Of the surface that has been; clear altogether below 0."""
    pane_probability: float = 0.5
    frost_probability: float = 0.75
    """How often it becomes frosted rather than clear."""

    law = "scattering at a rough surface"
    types = (38,)
    quantities = ("surface_roughness",)
    subject_size = (0.06, 0.7)
    changed_share = 0.8
    contrast = 1.5

    def sample(self, draw: Draw) -> SceneSpec:
        pane = draw.chance(self.pane_probability)
        view = draw.view(elevation_deg=(6.0, 16.0) if pane else (8.0, 24.0), margin=(0.08, 0.16))
        frosts, rough = draw.chance(self.frost_probability), draw.uniform(self.frosted)
        end = draw.event.uniform(self.roughness if frosts else self.cleared)
        tint, name, _ = draw.choice([row for row in TINTS for _ in range(row[2])])
        start = palette.glass(tint, roughness=0.0 if frosts else rough)
        bodies = _pane(draw, view, start, name) if pane else _vessel(draw, view, start, name)
        stage = draw.pale_stage(("sweep", "floor", "table")) if draw.chance(0.5) else draw.stage()
        # The sun behind frosted glass outshines everything else.
        soft = tuple(light for light in draw.lights(view) if light.name != "sun")
        return draw.spec(
            self.name, bodies, lights=soft, stage=stage, camera=view, duration_s=FROST_S if frosts else POLISH_S,
            physics_s=0.05, end_state="steady", inputs=(("roughness_end", max(end, 0.0)),),
        )  # fmt: skip

    def develop(self, rollout: Rollout, mesh_of: MeshOf) -> Rollout:
        actor = rollout.spec.actor
        before, end = dict(actor.materials)["glass"], rollout.spec.input("roughness_end")

        def rough(phase: float) -> float:
            return between(before.roughness, end, phase)

        def glass(phase: float) -> Material:
            return palette.but(before, roughness=rough(phase)) if phase > 0 else before

        words = ((0.01, "clear"), (0.22, "slightly frosted"), (1.0, "frosted"))
        found = quantity("surface_roughness", rough, unit="1", provenance="prescribed", words=words)
        return framed(rollout.resurfaced(actor.id, glass, slot="glass")).then(quantities=(found,))

    phrases = Phrases(
        superficial=(
            "(surface_roughness rises; surface_roughness ends below 0.22) Make {actor} slightly [frosted|milky].",
            "(surface_roughness rises) [Make {actor} frosted|Frost {actor}|Turn {actor} into frosted glass].",
            "(surface_roughness rises) Make {actor} [translucent|milky] [instead of clear|rather than clear].",
            "(surface_roughness falls; surface_roughness ends below 0.01) [Make {actor} clear|Turn {actor} into clear glass].",
            "(surface_roughness falls; surface_roughness ends below 0.01) Make {actor} [fully transparent|see-through] "
            "[instead of frosted|rather than frosted].",
            "(surface_roughness falls; surface_roughness ends above 0.01) [Make {actor} less frosted|Clear {actor} in "
            "part|Polish {actor} until it is only slightly frosted].",
        ),
        intermediate=(
            "(surface_roughness rises) [Make {actor} frosted|Frost {actor}] so that it [scatters|spreads] the light "
            "and [what is behind it|everything seen through it] [blurs|goes out of focus].",
            "(surface_roughness falls; surface_roughness ends above 0.01) [Polish {actor}|Make {actor} smoother] so that it "
            "scatters less light and [what is behind it|everything seen through it] [is less blurred|comes nearer to focus].",
            "(surface_roughness falls; surface_roughness ends below 0.01) [Make {actor} clear|Polish {actor} until it is clear] so that light goes "
            "straight through and [what is behind it|everything seen through it] [is sharp|comes into sight].",
        ),
        explicit=(
            "(surface_roughness rises; surface_roughness ends below 0.22) {actor} is no longer clear but slightly frosted: "
            "its surface scatters some of the light, so that what is seen through it [has soft outlines|is blurred], and "
            "(everything else stays) nothing else [moves|changes].",
            "(surface_roughness rises; surface_roughness ends above 0.22) {actor} is no longer clear but frosted: its rough surface scatters the light, so "
            "that [only soft patches of colour|only vague shapes] can be seen through it, and (everything else stays) "
            "nothing else [moves|changes].",
            "(surface_roughness rises; surface_roughness ends above 0.22) The surface of {actor} has become [rough and matt|matt and rough]: it still lets "
            "light through but [no clear outlines|no sharp image], and (everything else stays) nothing else "
            "[moves|changes].",
            "(surface_roughness falls; surface_roughness ends above 0.01) {actor} is less rough than it was: it scatters "
            "[less|little] of the light, so that what is behind its glass is blurred [less|only a little], and "
            "(everything else stays) nothing else [moves|changes].",
            "(surface_roughness falls; surface_roughness ends below 0.01) {actor} is no longer frosted but clear: its smooth surface lets light pass "
            "straight on, so that [outlines and colours|the things] behind its glass are seen [sharply|distinctly], "
            "and (everything else stays) nothing else [moves|changes].",
        ),
    )


def _pane(draw: Draw, view: ViewRequest, glass: Material, tint: str) -> list[Body]:
    """A pane across the line of sight with a few things close behind it."""
    toward = direction(view.azimuth_rad)
    variant = draw.choice(("framed", "framed", "feet"))
    width, height = draw.uniform((0.24, 0.34)), draw.uniform((0.20, 0.28))
    frame, stuff = draw.choice(
        ((palette.ceramic("#6b4426", roughness=0.4), "wood"), (palette.plastic("#26282b"), "plastic"),
         (palette.metal("#c4c2bd"), "aluminium"), (palette.ceramic("#ece9e2"), "wood"))
    )  # fmt: skip
    things = draw.still_life(draw.integer((2, 4)), view=view, first_id=2, role="affected", size_m=(0.06, 0.2))
    front = max(float(np.dot(t.position_m[:2], toward[:2])) + float(np.hypot(*t.size_m[:2])) / 2 for t in things)
    sheet = draw.model(
        models.make("pane", variant=variant, width_m=width, height_m=height, thick_m=0.005), 1, role="actor",
        label=f"{tint}glass pane", substance="glass", at=(front + draw.uniform((0.035, 0.07))) * toward[:2],
        yaw_rad=view.azimuth_rad + draw.uniform((-0.3, 0.3)), materials=(("glass", glass), ("frame", frame)),
        substances=(("frame", stuff),),
    )  # fmt: skip
    return [sheet, *things]


def _vessel(draw: Draw, view: ViewRequest, glass: Material, tint: str) -> list[Body]:
    """A vessel with coloured balls in it and something behind it."""
    variant = draw.choice(("tumbler", "bowl", "vase"))
    height = draw.uniform({"tumbler": (0.12, 0.16), "bowl": (0.11, 0.15), "vase": (0.18, 0.26)}[variant])
    radius = draw.uniform({"tumbler": (0.04, 0.05), "bowl": (0.065, 0.085), "vase": (0.05, 0.065)}[variant])
    made = models.make(
        "drinking_glass", variant=variant, height_m=height, radius_m=radius, taper=0.86 if variant == "tumbler" else 0.8,
        wall_m=0.0025, floor_m=0.008, level_m=0.0,
    )  # fmt: skip
    name = {"tumbler": "glass", "bowl": "glass bowl", "vase": "glass vase"}[variant]
    vessel = draw.model(
        made, 1, role="actor", label=f"{tint}{name}", substance="glass",
        materials=(("glass", glass), ("liquid", palette.liquid())),
    )  # fmt: skip
    balls = _balls(draw, made)
    others = draw.still_life(draw.integer((1, 2)), view=view, first_id=30, role="affected",
                             taken=[(0.0, 0.0, radius + 0.005)], size_m=(0.05, 0.15))  # fmt: skip
    return [vessel, *balls, *others]


def _balls(draw: Draw, made: Model) -> list[Body]:
    """Balls on the floor of a vessel: a ring that touches the wall, and one on top of it."""
    size = draw.uniform((0.010, 0.0125))
    count = draw.integer((3, 5))
    floor = made.number("floor_m")
    ring = inner_radius_m(made, size) - size - 0.002
    least = size / np.sin(np.pi / count) if count > 1 else 0.0
    ring = max(min(ring, 1.6 * least), least)
    turn = draw.angle()
    places = [vec3(ring * direction(turn + 2 * np.pi * k / count) + [0, 0, floor + size]) for k in range(count)]
    lift = float(np.sqrt(max(4 * size**2 - ring**2, 0.0)))
    if lift > 0.3 * size:
        places.append((0.0, 0.0, floor + size + lift))
    start = draw.integer((0, len(MARBLES) - 1))
    weight = float(4 / 3 * np.pi * size**3) * SUBSTANCES["plastic"].density_kgpm3
    return [
        Body(
            id=2 + k, shape="ball", size_m=(2 * size,) * 3, label="ball", role="prop", static=True, position_m=place,
            substance="plastic", mass_kg=weight, friction=0.4, restitution=0.5,
            material=palette.plastic(MARBLES[(start + k) % len(MARBLES)], roughness=0.15),
        )
        for k, place in enumerate(places)
    ]  # fmt: skip
