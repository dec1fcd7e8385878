"""A lamp changes its colour; everything it shines on follows."""

from dataclasses import dataclass, replace

import numpy as np

from simgen.core.blend import between, blend
from simgen.core.colour import hue_rgb
from simgen.core.geometry import direction, vec3
from simgen.core.rollout import Rollout, quantity
from simgen.core.spec import Light, SceneSpec
from simgen.scene.cameras import framed
from simgen.scene.draw import Draw
from simgen.scene.lamps import dim_room, draw_lamp, lit
from simgen.scene.registry import MeshOf, Phrases, Range, Scene, register

HUES = ((20.0, "red"), (45.0, "orange"), (75.0, "yellow"), (165.0, "green"), (200.0, "cyan"), (260.0, "blue"),
        (290.0, "purple"), (340.0, "pink"), (361.0, "red"))  # fmt: skip
"""Upper bounds of hue in degrees, and what the colour is called."""
HUE_CHOICES = (0.0, 32.0, 58.0, 120.0, 182.0, 232.0, 275.0, 318.0)


@register("light_color")
@dataclass(frozen=True, kw_only=True)
class LightColor(Scene):
    """The lamp that lights a few things changes from white, or from one colour, to another."""

    saturation: Range = (0.72, 0.94)
    white_probability: float = 0.5
    """How often the light is white before."""
    lamp_probability: float = 0.35
    """How often the lamp is seen."""
    num_things: tuple[int, int] = (3, 5)

    law = "spectrum of the light source"
    types = (31,)
    quantities = ("light_hue", "light_saturation")
    changed_share = 1.0
    subject_size = (0.05, 0.6)
    brightness = (0.12, 0.75)

    def sample(self, draw: Draw) -> SceneSpec:
        view = draw.view(elevation_deg=(12.0, 28.0), margin=(0.06, 0.14))
        seen = draw.chance(self.lamp_probability)
        hue, white = draw.choice(HUE_CHOICES), draw.chance(self.white_probability)
        apart = [h for h in HUE_CHOICES if white or abs((hue - h + 180.0) % 360.0 - 180.0) >= 75.0]
        hues = (hue, draw.event.choice(apart))
        saturation = draw.uniform(self.saturation)
        color = (1.0, 1.0, 1.0) if white else hue_rgb(hues[0], saturation)
        side = view.azimuth_rad + draw.choice((-1.0, 1.0)) * draw.uniform((1.7, 2.4) if seen else (0.3, 1.2))
        count = draw.integer(self.num_things)
        if seen:
            kind = draw.choice(("desk_lamp", "table_lamp"))
            lamp = draw_lamp(draw, kind, 20, toward=(0.0, 0.0), azimuth_rad=side, power_w=8.0, color=color)
            things = draw.still_life(count - 1, view=view, role="affected", taken=[lamp.disc], size_m=(0.05, 0.18))
            bodies, key = [lamp.body, *things], lamp.light
        else:
            bodies = draw.still_life(count, view=view)
            place = vec3(2.0 * direction(side, draw.uniform((0.6, 1.0))) + [0, 0, 0.1])
            power = draw.uniform((4.0, 7.0)) * np.pi * 4.0
            key = Light(kind="area", name="lamp", position_m=place, look_at_m=(0.0, 0.0, 0.1), power=power, color=color,
                        size_m=draw.uniform((0.3, 0.9)))  # fmt: skip
        inputs = {"hue_start": hues[0], "saturation_start": 0.0 if white else saturation}
        inputs |= {"hue_end": hues[1], "saturation_end": saturation}
        return draw.spec(
            self.name, bodies, stage=draw.pale_stage(), camera=view, lights=(key,),
            environment=dim_room(draw, (0.1, 0.22)), duration_s=2.0, physics_s=0.05, end_state="steady", inputs=tuple(inputs.items()),
        )  # fmt: skip

    def develop(self, rollout: Rollout, mesh_of: MeshOf) -> Rollout:
        spec = rollout.spec
        start, end = ((spec.input(f"hue_{w}"), spec.input(f"saturation_{w}")) for w in ("start", "end"))
        words = HUES if start[1] else ((361.0, "white"),)
        hue = quantity("light_hue", lambda phase: between(start[0], end[0], phase), unit="deg", provenance="prescribed",
                       words=HUES)  # fmt: skip
        saturation = quantity(
            "light_saturation", lambda phase: between(start[1], end[1], phase), unit="1", provenance="prescribed",
            words=((0.1, "white"), (2.0, words[0][1] if not start[1] else "coloured")),
        )  # fmt: skip
        light = spec.light("lamp")
        actor = spec.actor if spec.actor.role == "actor" else None
        # The two colours are mixed, as lamps of several colours are faded.
        after = replace(light, color=hue_rgb(*end))
        return framed(lit(rollout, lambda phase: blend(light, after, phase), actor)).then(quantities=(hue, saturation))

    phrases = Phrases(
        superficial=(
            "[Change|Switch|Turn|Set] the [light|lamp|lighting] to {light_hue.end word}.",
            "Make the [light|lighting] {light_hue.end word}.",
            "[Let|Make] {actor} [shine|glow] {light_hue.end word}.",
        ),
        intermediate=(
            "[Change|Switch] the [lamp|light] [to|so that it is] {light_hue.end word}, so that everything it "
            "[lights|shines on] takes on a {light_hue.end word} tint.",
            "(light_saturation starts below 0.1) [Change|Switch|Turn] the [white light|white lamp] to "
            "{light_hue.end word}; [all surfaces take on its colour|everything is tinted by it].",
        ),
        explicit=(
            "[{actor} now shines {light_hue.end word}|The light of {actor} turns {light_hue.end word}]: everything "
            "near it [takes on|is lit with] a {light_hue.end word} tint, and (everything else stays) nothing else "
            "[moves|changes place].",
            "(light_saturation starts above 0.1) The [light|lamp|lighting] changes from {light_hue.start word} to "
            "{light_hue.end word}: [lit surfaces turn|everything in its light turns] {light_hue.end word}, and "
            "(everything else stays) nothing else [moves|changes place].",
            "(light_saturation starts below 0.1) The white [light|lamp|lighting] [turns|becomes] {light_hue.end word}: "
            "everything in its light takes on a {light_hue.end word} tint, and (everything else stays) nothing else "
            "[moves|changes place].",
        ),
    )
