"""A lamp changes its colour; everything it shines on follows."""

from dataclasses import dataclass, replace

import numpy as np

from simgen.colour import hue_rgb
from simgen.geometry import direction, vec3
from simgen.sampling import Draw
from simgen.scene import MeshOf, Phrases, Range, Scene, register
from simgen.types import Light, Quantity, Rollout, SceneSpec

HUES = ((20.0, "red"), (45.0, "orange"), (75.0, "yellow"), (165.0, "green"), (200.0, "cyan"), (260.0, "blue"),
        (290.0, "purple"), (340.0, "pink"), (361.0, "red"))  # fmt: skip
"""Upper bounds of hue in degrees, and what the colour is called."""


@register("light_color")
@dataclass(frozen=True, kw_only=True)
class LightColor(Scene):
    """The lamp that lights a few things changes from white, or from one colour, to another."""

    saturation: Range = (0.55, 0.85)
    white_probability: float = 0.5
    """How often the light is white before."""
    num_bystanders: tuple[int, int] = (1, 3)

    law = "spectrum of the light source"
    types = (31,)
    quantities = ("light_hue", "light_saturation")
    changed_share = 1.0
    subject_size = (0.04, 0.5)

    def sample(self, draw: Draw) -> SceneSpec:
        view = draw.view(elevation_deg=(14.0, 34.0))
        first = draw.body(draw.object(size_m=(0.08, 0.3)), 1, role="bystander")
        bodies = [first, *draw.bystanders([first], draw.integer(self.num_bystanders), view=view)]
        hues = [draw.choice((0.0, 32.0, 58.0, 120.0, 182.0, 232.0, 275.0, 318.0)) for _ in range(2)]
        apart = abs((hues[0] - hues[1] + 180.0) % 360.0 - 180.0)
        white = draw.chance(self.white_probability) or apart < 60.0
        saturation = draw.uniform(self.saturation)
        side = view.azimuth_rad + draw.choice((-1.0, 1.0)) * draw.uniform((0.3, 1.2))
        key = Light(
            kind="area",
            name="lamp",
            position_m=vec3(2.0 * direction(side, draw.uniform((0.6, 1.0))) + [0, 0, 0.1]),
            look_at_m=(0.0, 0.0, 0.1),
            power=draw.uniform((4.0, 7.0)) * np.pi * 4.0,
            color=(1.0, 1.0, 1.0) if white else hue_rgb(hues[0], saturation),
            size_m=draw.uniform((0.4, 1.0)),
        )
        inputs = {"hue_start": hues[0], "saturation_start": 0.0 if white else saturation}
        inputs |= {"hue_end": hues[1], "saturation_end": saturation}
        dim = replace(draw.environment(), strength=draw.uniform((0.1, 0.25)))
        return draw.spec(
            self.name, bodies, camera=view, lights=(key,), environment=dim, duration_s=0.05,
            end_state="steady", inputs=tuple(inputs.items()),
        )  # fmt: skip

    def develop(self, rollout: Rollout, mesh_of: MeshOf) -> Rollout:
        start, end = ((rollout.spec.input(f"hue_{w}"), rollout.spec.input(f"saturation_{w}")) for w in ("start", "end"))
        words = HUES if start[1] else ((361.0, "white"),)
        hue = Quantity(name="light_hue", start=start[0], end=end[0], unit="deg", provenance="prescribed", words=HUES)
        saturation = Quantity(
            name="light_saturation", start=start[1], end=end[1], unit="1", provenance="prescribed",
            words=((0.1, "white"), (2.0, words[0][1] if not start[1] else "coloured")),
        )  # fmt: skip
        lamp = replace(rollout.spec.light("lamp"), color=hue_rgb(*end))
        return rollout.relit(lamp).then(quantities=(hue, saturation))

    phrases = Phrases(
        superficial=(
            "[Change|Switch|Turn|Set] the [light|lamp|lighting] to {light_hue.end word}.",
            "Make the [light|lighting] {light_hue.end word}.",
        ),
        intermediate=(
            "[Change|Switch] the [lamp|light] [to|so that it is] {light_hue.end word}, so that everything it "
            "[lights|shines on] takes on a {light_hue.end word} tint.",
            "(light_saturation starts below 0.1) [Change|Switch|Turn] the [white light|white lamp] to "
            "{light_hue.end word}; [all surfaces take on its colour|everything is tinted by it].",
        ),
        explicit=(
            "(light_saturation starts above 0.1) The [light|lamp|lighting] changes from {light_hue.start word} to "
            "{light_hue.end word}: [lit surfaces turn|everything in its light turns] {light_hue.end word}, and "
            "(everything else stays) nothing else [moves|changes place].",
            "(light_saturation starts below 0.1) The white [light|lamp|lighting] [turns|becomes] {light_hue.end word}: "
            "everything in its light takes on a {light_hue.end word} tint, and (everything else stays) nothing else "
            "[moves|changes place].",
        ),
    )
