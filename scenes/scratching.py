"""Scratches appear on something smooth."""

from dataclasses import dataclass, replace

import numpy as np

from simgen.core.assets import Material, Pattern
from simgen.core.blend import between
from simgen.core.mesh import Mesh
from simgen.core.rollout import Rollout, quantity
from simgen.core.spec import SceneSpec
from simgen.procedural import models, palette
from simgen.procedural.models.scratched import groove_m2
from simgen.scene.draw import Draw
from simgen.scene.registry import MeshOf, Phrases, Scene, register

LACQUERS = {
    "black": "#17181a", "red": "#8e1b1e", "blue": "#1d3d78", "green": "#1f4a37", "white": "#dcdad3", "grey": "#5b6065",
    "orange": "#b9531d",
}  # fmt: skip
THINGS = {
    # name: (variant, width, height, width of the scratches in millimetres, seen from above in degrees)
    "steel plate": ("plate", (0.2, 0.3), (0.16, 0.22), 0.9, (34.0, 55.0)),
    "brass plate": ("sheet", (0.2, 0.28), (0.18, 0.26), 0.9, (10.0, 24.0)),
    "aluminium sheet": ("sheet", (0.24, 0.32), (0.18, 0.24), 1.0, (10.0, 24.0)),
    "lacquered box": ("box", (0.2, 0.26), (0.09, 0.13), 0.9, (26.0, 42.0)),
    "car body panel": ("panel", (0.42, 0.55), (0.26, 0.34), 1.7, (8.0, 20.0)),
    "phone": ("phone", (0.07, 0.078), (0.145, 0.16), 0.34, (36.0, 58.0)),
    "wooden block": ("block", (0.16, 0.22), (0.06, 0.09), 0.9, (26.0, 42.0)),
    "tin lid": ("lid", (0.14, 0.2), (0.014, 0.014), 0.7, (36.0, 58.0)),
    "acrylic sheet": ("sheet", (0.2, 0.28), (0.18, 0.26), 0.9, (10.0, 24.0)),
}
SUBSTANCE = {
    "wooden block": "wood", "lacquered box": "wood", "phone": "glass", "acrylic sheet": "plastic",
    "brass plate": "brass", "aluminium sheet": "aluminium",
}  # fmt: skip
STROKE_S = 0.4
"""How long a hand takes for a stroke to and fro."""
WORDS = ((110.0, "some"), (200.0, "many"), (999.0, "very many"))


def grazed(smooth: Material, groove: Material) -> Material:
    """What a shallow scratch looks like."""
    r, g, b = (0.5 * a + 0.5 * c for a, c in zip(smooth.base_color, groove.base_color, strict=True))
    return replace(groove, base_color=(r, g, b), roughness=0.5 * (smooth.roughness + groove.roughness))


@register("scratching")
@dataclass(frozen=True, kw_only=True)
class Scratching(Scene):
    """Something hard is drawn over a plate, a box, a car's panel, a phone, a block of wood: scratches stay."""

    num_strokes: tuple[int, int] = (80, 300)

    law = "abrasive wear"
    types = (17,)
    quantities = ("scratches", "scratched_area")
    subject_size = (0.08, 0.6)

    def sample(self, draw: Draw) -> SceneSpec:
        shape = draw.choice(tuple(dict.fromkeys(row[0] for row in THINGS.values())))
        name = draw.choice([name for name, row in THINGS.items() if row[0] == shape])
        variant, widths, heights, line_mm, elevation = THINGS[name]
        view = draw.view(elevation_deg=elevation, margin=(0.12, 0.26))
        word, body, groove, slots = self.look(draw, name)
        whole = models.make(
            "scratched", variant=variant, seed=draw.seed(), width_m=draw.uniform(widths), height_m=draw.uniform(heights),
            strokes=0, wear=draw.choice((0.0, 0.0, 12.0)), width_mm=line_mm * draw.uniform((0.8, 1.3)),
            cross=draw.uniform((0.05, 1.0)),
        )  # fmt: skip
        turn = view.azimuth_rad + np.pi / 2 + draw.choice((-1.0, 1.0)) * draw.uniform((0.1, 0.6))
        hand = {"strokes": float(draw.event.integer(self.num_strokes)), "bundle": draw.event.uniform((0.2, 0.8))}
        hand |= {"hand": 1.0 + draw.event.seed()}
        actor = draw.model(
            whole, 1, role="actor", label=f"{word} {name}".strip(), yaw_rad=turn, material=body,
            substance=SUBSTANCE.get(name, "metal"),
            materials=(("groove", groove), ("graze", grazed(dict(slots).get("screen", body), groove)), *slots),
        )  # fmt: skip
        return draw.spec(
            self.name, [actor], camera=view, duration_s=STROKE_S * hand["strokes"], physics_s=0.05, end_state="steady",
            inputs=tuple(hand.items()), stage=draw.stage(("table", "floor", "sweep")),
        )  # fmt: skip

    def look(self, draw: Draw, name: str) -> tuple[str, Material, Material, tuple[tuple[str, Material], ...]]:
        """The colour's name, what the thing is made of, and what a scratch lays bare."""
        bright = palette.metal("#e3e5e8", roughness=0.32)
        strut = ("strut", palette.wood(seed=draw.seed()))
        if name in ("steel plate", "tin lid"):
            steel = palette.metal(draw.color("#6f7377", "#85898d", "#5d6063"), roughness=draw.uniform((0.12, 0.3)))
            return "", steel, bright, ()
        if name == "brass plate":
            return "", palette.metal("#a97f36", roughness=0.22), palette.metal("#f3dda2", roughness=0.35), (strut,)
        if name == "aluminium sheet":
            word, color = draw.choice(
                (("black", "#26282b"), ("blue", "#28487e"), ("red", "#87262a"), ("green", "#28553f"))
            )
            return word, palette.metal(color, roughness=0.3), bright, (strut,)
        if name == "wooden block":
            grain = Pattern(
                color=palette.colour("#37200f"), amount=0.8, scale_m=0.007, stretch=(18.0, 1.5, 1.5), seed=draw.seed()
            )
            brown = palette.colour(draw.color("#6e4526", "#7d5230", "#5b3822"))
            dark = Material(template="wood", base_color=brown, patterns=(grain,))
            pale = palette.but(palette.plastic("#d3ae7e", roughness=0.8), template="wood")
            return draw.choice(("dark", "varnished")), replace(dark, roughness=0.3, coat=0.5), pale, ()
        if name == "phone":
            case = palette.metal(draw.color("#3a3d42", "#b9bcc0", "#b99a72", "#31425c"), roughness=0.3)
            screen = replace(palette.plastic("#07080a", roughness=0.04), coat=1.0, coat_roughness=0.02)
            lens = palette.plastic("#15181d", roughness=0.1)
            return "", case, palette.plastic("#b9bec4", roughness=0.7), (("screen", screen), ("lens", lens))
        word = draw.choice(tuple(LACQUERS))
        paint = replace(palette.plastic(LACQUERS[word], roughness=0.22), coat=0.9, coat_roughness=0.04)
        if name == "car body panel":
            flakes = replace(palette.metal(LACQUERS[word], roughness=0.35), metallic=0.5, coat=1.0, coat_roughness=0.03)
            car = replace(flakes, template="principled") if draw.chance(0.5) else paint
            bare = bright if word == "white" else palette.plastic("#d4d4d0", roughness=0.7)
            return word, car, bare, (("strut", palette.rubber("#222222")),)
        if name == "acrylic sheet":
            return word, paint, palette.plastic("#c9c9c6" if word != "white" else "#8f8d88", roughness=0.8), (strut,)
        under = palette.plastic("#c9a36e" if word != "orange" else "#e9d3a8", roughness=0.8)
        return word, paint, under if word != "white" else palette.plastic("#8a6a45", roughness=0.8), ()

    def develop(self, rollout: Rollout, mesh_of: MeshOf) -> Rollout:
        body, whole, strokes = rollout.spec.actor, rollout.spec.actor.model, rollout.spec.input("strokes")
        assert whole is not None
        hand = {name: rollout.spec.input(name) for name in ("bundle", "hand")}

        def made(phase: float) -> float:
            """Strokes are whole: the first ones are there when the last ones are to come."""
            return float(round(between(0.0, strokes, phase)))

        def scratched(phase: float) -> Mesh:
            return models.build(whole.but(strokes=made(phase), **hand)) if phase > 0 else mesh_of(body)

        count = quantity("scratches", made, unit="bodies", provenance="prescribed", words=WORDS)
        area = quantity("scratched_area", lambda phase: groove_m2(scratched(phase)), unit="m2", provenance="derived")
        return rollout.reshaped(1, scratched).then(quantities=(count, area))

    phrases = Phrases(
        superficial=(
            "[Scratch|Scuff] {actor}.",
            "[Put|Make] {scratches.end word} scratches [on|into] {actor}.",
            "[Let|Make] {actor} [get|become] [scratched|scuffed].",
        ),
        intermediate=(
            "[Drag|Draw] something [hard|sharp] over {actor} so that {scratches.end word} [scratches|marks] [show|are "
            "left] in its surface.",
            "[Scratch|Scuff] {actor} with something [hard|sharp], [laying bare|which lays bare] the material below "
            "in {scratches.end word} thin lines.",
        ),
        explicit=(
            "The surface of {actor} is [covered with|crossed by] {scratches.end word} [thin|fine] scratches of different "
            "length and depth, which stand out from the [rest|smooth part]; (everything else stays) nothing else changes.",
            "{scratches.end word} [scratches|score marks], [long and short|deep and shallow], run across {actor} and catch "
            "the light; its shape and [place|position] are the same.",
        ),
    )
