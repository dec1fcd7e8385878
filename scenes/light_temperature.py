"""The light goes from warm to cold, or back: the colour of a black body at another temperature."""

from dataclasses import dataclass, replace

import numpy as np

from simgen.core.blend import between
from simgen.core.colour import blackbody_rgb
from simgen.core.geometry import direction, vec3
from simgen.core.rollout import Rollout, quantity
from simgen.core.spec import Environment, Light, SceneSpec
from simgen.scene.cameras import framed
from simgen.scene.draw import Draw
from simgen.scene.lamps import dim_room, draw_lamp, lit
from simgen.scene.registry import MeshOf, Phrases, Range, Scene, register

WARM = ((2200.0, "candle-light"), (2750.0, "warm lamplight"), (3600.0, "warm white light"),
        (5400.0, "neutral white light"), (9500.0, "cool bluish daylight"), (20000.0, "cold bluish light"))  # fmt: skip


@register("light_temperature")
@dataclass(frozen=True, kw_only=True)
class LightTemperature(Scene):
    """The light that falls on a few things, or a lamp among them, changes its colour temperature."""

    warm_k: Range = (2150.0, 3300.0)
    cold_k: Range = (8000.0, 15000.0)
    """What it starts from: the light of a lamp, or that of a blue sky."""
    to_warm_k: Range = (1900.0, 4600.0)
    to_cold_k: Range = (5000.0, 18000.0)
    """What it ends with, evenly in reciprocal temperature, as the eye has it."""
    lamp_probability: float = 0.4
    """How often the lamp is seen."""
    num_things: tuple[int, int] = (3, 5)

    law = "Planck's law"
    types = (34,)
    quantities = ("color_temperature",)
    changed_share = 1.0
    subject_size = (0.05, 0.6)
    brightness = (0.12, 0.75)

    def sample(self, draw: Draw) -> SceneSpec:
        view = draw.view(elevation_deg=(12.0, 28.0), margin=(0.06, 0.14))
        seen = draw.chance(self.lamp_probability)
        begin, goal = (self.cold_k, self.to_warm_k) if draw.chance(0.5) else (self.warm_k, self.to_cold_k)
        kelvin = (draw.uniform(begin), 1.0 / draw.event.uniform((1.0 / goal[1], 1.0 / goal[0])))
        color = blackbody_rgb(kelvin[0])
        side = view.azimuth_rad + draw.choice((-1.0, 1.0)) * draw.uniform((1.7, 2.4) if seen else (0.3, 1.2))
        count = draw.integer(self.num_things)
        room = dim_room(draw, (0.12, 0.25))
        if seen:
            kind = draw.choice(("desk_lamp", "table_lamp"))
            lamp = draw_lamp(draw, kind, 20, toward=(0.0, 0.0), azimuth_rad=side, power_w=8.0, color=color)
            things = draw.still_life(count - 1, view=view, role="affected", taken=[lamp.disc], size_m=(0.05, 0.18))
            bodies, key = [lamp.body, *things], lamp.light
        else:
            bodies = draw.still_life(count, view=view)
            room = replace(room, asset="", color=color, strength=draw.uniform((0.25, 0.5)))
            place = vec3(2.0 * direction(side, draw.uniform((0.5, 1.0))) + [0, 0, 0.1])
            power = draw.uniform((3.0, 6.0)) * np.pi * 4.0
            key = Light(kind="area", name="lamp", position_m=place, look_at_m=(0.0, 0.0, 0.1), power=power, color=color,
                        size_m=draw.uniform((0.15, 0.9)))  # fmt: skip
        return draw.spec(
            self.name, bodies, stage=draw.pale_stage(), camera=view, lights=(key,), environment=room, duration_s=2.0, physics_s=0.05,
            end_state="steady", inputs=(("kelvin_start", kelvin[0]), ("kelvin_end", kelvin[1]), ("seen", float(seen))),
        )  # fmt: skip

    def develop(self, rollout: Rollout, mesh_of: MeshOf) -> Rollout:
        spec, lamp = rollout.spec, rollout.spec.light("lamp")

        def kelvin(phase: float) -> float:
            return between(spec.input("kelvin_start"), spec.input("kelvin_end"), phase)

        def light(phase: float) -> Light:
            return replace(lamp, color=blackbody_rgb(kelvin(phase))) if phase else lamp

        def around(phase: float) -> Environment:
            return replace(spec.environment, color=light(phase).color) if phase else spec.environment

        rollout = lit(rollout, light, spec.actor if spec.actor.role == "actor" else None)
        if not spec.input("seen"):
            # One kind of light fills the room: what comes from all around is the lamp's light, scattered.
            rollout = rollout.surrounded(around)
        temperature = quantity("color_temperature", kelvin, unit="K", provenance="prescribed", words=WARM)
        return framed(rollout).then(quantities=(temperature,))

    phrases = Phrases(
        superficial=(
            "[Change|Switch] the [light|lighting] [from {color_temperature.start word} |]to "
            "{color_temperature.end word}.",
            "(color_temperature falls) Make the [light|lighting] [warmer|much warmer].",
            "(color_temperature rises) Make the [light|lighting] [cooler|much cooler|colder].",
            "(color_temperature ends below 3600) [Let|Make] {actor} [shine|glow] in a warm colour.",
            "(color_temperature ends above 7000) [Let|Make] {actor} [shine|glow] in a cold colour.",
        ),
        intermediate=(
            "(color_temperature ends below 3600) [Change|Switch] the [light|lighting] to {color_temperature.end word}, so that "
            "[everything takes on|all surfaces take on] [a warm orange|an orange] tint.",
            "(color_temperature ends above 7000) [Change|Switch] the [light|lighting] to {color_temperature.end word}, so that "
            "[everything takes on|all surfaces take on] a [cold blue|bluish] tint.",
            "(color_temperature falls) [Lower|Reduce] the colour temperature of the [light|lighting] so that "
            "everything it [lights|shines on] looks [warmer|more orange].",
            "(color_temperature rises) [Raise|Increase] the colour temperature of the [light|lighting] so that "
            "everything it [lights|shines on] looks [colder|more bluish].",
        ),
        explicit=(
            "(color_temperature rises) The [light|lighting] goes from {color_temperature.start word}, "
            "{color_temperature.start}, to {color_temperature.end word} of {color_temperature.end}: [white and grey "
            "surfaces|pale surfaces] lose their orange [tint|cast], and (everything else stays) nothing else [moves|changes "
            "place].",
            "(color_temperature falls) The [light|lighting] goes from {color_temperature.start word}, "
            "{color_temperature.start}, to {color_temperature.end word} of {color_temperature.end}: [white and grey "
            "surfaces|pale surfaces] lose their blue [tint|cast], and (everything else stays) nothing else [moves|changes "
            "place].",
            "(color_temperature ends below 3600) The [light|lighting] goes from {color_temperature.start word}, "
            "{color_temperature.start}, to {color_temperature.end word} of {color_temperature.end}: [white and grey "
            "surfaces|pale surfaces] turn orange, and (everything else stays) nothing else [moves|changes place].",
            "(color_temperature ends above 7000) The [light|lighting] goes from {color_temperature.start word}, "
            "{color_temperature.start}, to {color_temperature.end word} of {color_temperature.end}: [white and grey "
            "surfaces|pale surfaces] turn bluish, and (everything else stays) nothing else [moves|changes place].",
            "(color_temperature ends below 3600) {actor} now gives {color_temperature.end word} of {color_temperature.end} in "
            "place of {color_temperature.start word}: everything near it [turns|looks] orange, and (everything else "
            "stays) nothing else [moves|changes place].",
            "(color_temperature ends above 7000) {actor} now gives {color_temperature.end word} of {color_temperature.end} in "
            "place of {color_temperature.start word}: everything near it [turns|looks] bluish, and (everything else "
            "stays) nothing else [moves|changes place].",
        ),
    )
