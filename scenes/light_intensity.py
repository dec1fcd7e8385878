"""A lamp gets brighter or dimmer, is switched on or off, or comes nearer."""

from dataclasses import dataclass, replace

import numpy as np

from simgen.core.blend import between, blend
from simgen.core.colour import blackbody_rgb
from simgen.core.geometry import direction, vec3
from simgen.core.rollout import Rollout, quantity
from simgen.core.spec import Light, SceneSpec
from simgen.procedural.models.lamps import FLAME_M
from simgen.scene.cameras import framed
from simgen.scene.draw import Draw
from simgen.scene.lamps import dim_room, draw_lamp, lit
from simgen.scene.registry import MeshOf, Phrases, Range, Scene, register
from simgen.solvers.optics import irradiance_wpm2

LEVELS = ((1.2, "very dim"), (2.6, "rather dim"), (5.5, "fairly bright"), (np.inf, "bright"))
"""How bright a lamp in the picture is, by its power in W."""


@register("light_intensity")
@dataclass(frozen=True, kw_only=True)
class LightIntensity(Scene):
    """The lamp that lights a few things changes its power or its distance; the lamp may stand in the picture."""

    ratio: Range = (3.0, 12.0)
    """Brighter over dimmer power."""
    lamp_probability: float = 0.6
    """How often the lamp is seen."""
    switch_probability: float = 0.4
    """How often it goes on or off altogether."""
    switched: Range = (0.1, 1.0)
    """Power of a lamp that is switched on, over that of one that is switched off."""
    nearer_probability: float = 0.3
    """How often a lamp out of sight moves nearer or away instead."""
    num_things: tuple[int, int] = (2, 4)

    law = "inverse square law and power of a light source"
    types = (33,)
    quantities = ("light_power", "lamp_level", "lamp_distance", "irradiance", "flame_height")
    changed_share = 1.0
    subject_size = (0.03, 0.6)
    brightness = (0.04, 0.8)

    def sample(self, draw: Draw) -> SceneSpec:
        view = draw.view(elevation_deg=(12.0, 28.0), margin=(0.06, 0.14))
        seen = draw.chance(self.lamp_probability)
        kind = draw.choice(("desk_lamp", "desk_lamp", "table_lamp", "table_lamp", "candle"))
        warm = blackbody_rgb(
            draw.uniform(
                (1900.0, 2100.0) if seen and kind == "candle" else (3000.0, 4300.0) if seen else (4400.0, 6500.0)
            )
        )
        side = view.azimuth_rad + draw.choice((-1.0, 1.0)) * draw.uniform((1.6, 2.4) if seen else (0.4, 1.3))
        ratio = draw.uniform(self.ratio)
        # What one sees is the ratio of two levels. In steps, so that no two of a family are alike.
        change = float(draw.event.choice(np.geomspace(*self.ratio, 4).tolist()))
        candle = seen and kind == "candle"
        was_off = seen and (candle or draw.chance(self.switch_probability))
        goes_off = seen and (candle or draw.event.chance(self.switch_probability))
        nearer = not seen and draw.chance(self.nearer_probability)
        up = draw.chance(0.5)
        full = draw.uniform((7.0, 11.0)) * (0.6 if kind == "candle" else 1.0)
        bright = (
            float(draw.event.choice(np.geomspace(*self.switched, 4).tolist())) * full
            if was_off
            else full / ratio * change
        )
        if nearer:
            start = end = full
        elif up:
            start, end = 0.0 if was_off else full / ratio, bright
        else:
            start, end = full, 0.0 if goes_off else full / change
        inputs = {"end": end, "nearer": float(nearer)}
        count = draw.integer(self.num_things) + (not seen)
        if seen:
            lamp = draw_lamp(draw, kind, 20, toward=(0.0, 0.0), azimuth_rad=side, power_w=start, color=warm)
            things = draw.still_life(count, view=view, role="affected", taken=[lamp.disc], size_m=(0.05, 0.18))
            bodies, light = [lamp.body, *things], lamp.light
        else:
            bodies = draw.still_life(count, view=view)
            near = draw.uniform((1.2, 1.5)) if nearer else 2.0
            distance = near * (np.sqrt(ratio) if nearer and up else 1.0)
            inputs |= {"end_m": distance * change ** (-0.5 if up else 0.5) if nearer else distance}
            inputs |= {"azimuth": side, "elevation": draw.uniform((0.6, 1.0))}
            power = 4.0 * np.pi * near**2 * start
            inputs["end"] = 4.0 * np.pi * near**2 * end
            place = vec3(distance * direction(side, inputs["elevation"]) + [0.0, 0.0, 0.08])
            light = Light(kind="area", name="lamp", position_m=place, look_at_m=(0.0, 0.0, 0.08), power=power,
                          color=warm, size_m=draw.uniform((0.15, 0.5)))  # fmt: skip
        return draw.spec(
            self.name, bodies, stage=draw.pale_stage(), camera=view, lights=(light,),
            environment=dim_room(draw, (0.17, 0.3) if seen else (0.12, 0.22)), duration_s=2.0, physics_s=0.05, end_state="steady", inputs=tuple(inputs.items()),
        )  # fmt: skip

    def develop(self, rollout: Rollout, mesh_of: MeshOf) -> Rollout:
        spec = rollout.spec
        light, values = spec.light("lamp"), dict(spec.inputs)
        actor = spec.actor if spec.actor.role == "actor" else None
        is_candle = actor is not None and actor.label.endswith("candle")
        start_m = float(np.linalg.norm(np.subtract(light.position_m, light.look_at_m)))
        end_m = values["end_m"] if values["nearer"] else start_m
        after = replace(light, power=values["end"])
        if values["nearer"]:
            place = vec3(end_m * direction(values["azimuth"], values["elevation"]) + [0.0, 0.0, 0.08])
            after = replace(light, position_m=place)

        def lamp(phase: float) -> Light:
            return blend(light, after, phase)

        def away(phase: float) -> float:
            return between(start_m, end_m, phase)

        def level(phase: float) -> float:
            return float(irradiance_wpm2(lamp(phase).power, away(phase)))

        def flame(phase: float) -> float:
            return FLAME_M * (is_candle and lamp(phase).power > 0)

        words = ((1e-9, "off"), ((light.power + after.power) / 2, "dim"), (np.inf, "bright"))
        quantities = (
            quantity("light_power", lambda p: lamp(p).power, unit="W", provenance="prescribed", words=words),
            quantity("lamp_level", lambda p: lamp(p).power, unit="W", provenance="prescribed", words=LEVELS),
            quantity("lamp_distance", away, unit="m", provenance="prescribed"),
            quantity("irradiance", level, unit="W/m²", provenance="solved"),
            quantity("flame_height", flame, unit="m", provenance="prescribed"),
        )
        return framed(lit(rollout, lamp, actor)).then(quantities=quantities)

    phrases = Phrases(
        superficial=(
            "(light_power rises; light_power starts above 0.01) [Turn up|Brighten] [{actor}|the light].",
            "(light_power rises; light_power starts above 0.01) Make [{actor}|the light] [brighter|stronger].",
            "(light_power falls; light_power ends above 0.01) [Dim|Weaken] [{actor}|the light].",
            "(light_power falls; light_power ends above 0.01) Make [{actor}|the light] [dimmer|weaker].",
            "(light_power starts below 0.01; flame_height ends below 0.01) [Switch|Turn] on {actor}.",
            "(flame_height rises) [Light|Set light to] {actor}.",
            "(light_power ends below 0.01; flame_height starts below 0.01) [Switch|Turn] off {actor}.",
            "(flame_height falls) [Blow out|Put out|Snuff out] {actor}.",
            "(lamp_distance falls) [Bring|Move] the [lamp|light source] outside the picture [nearer|closer].",
            "(lamp_distance rises) [Move|Take] the [lamp|light source] outside the picture [further off|further away].",
        ),
        intermediate=(
            "(light_power rises; light_power starts above 0.01) [Turn up|Brighten] [{actor}|the light] so that "
            "everything it [lights|shines on] gets [brighter|much brighter].",
            "(light_power falls; light_power ends above 0.01) [Dim|Weaken] [{actor}|the light] so that everything "
            "it [lights|shines on] gets [darker|much darker].",
            "(light_power starts below 0.01; flame_height ends below 0.01) [Switch on|Turn on] {actor}, {lamp_level.end "
            "word}, so that it "
            "[lights what stands near it|casts light and shadows around it].",
            "(flame_height rises) [Light|Set light to] {actor} so that its flame [lights what stands near it|casts "
            "warm light and shadows around it].",
            "(light_power ends below 0.01; flame_height starts below 0.01) [Switch off|Turn off] {actor} so that the "
            "scene around it [goes dark|is left in dim light].",
            "(flame_height falls) [Blow out|Put out] {actor} so that its flame is gone and the scene around it "
            "[goes dark|is left in dim light].",
            "(lamp_distance falls) [Bring|Move] the lamp outside the picture nearer, so that more of its light "
            "[reaches the scene|gets to the scene]< and it gets {irradiance.times} as bright>.",
            "(lamp_distance rises) [Move|Take] the lamp outside the picture further away, so that less of its light "
            "[reaches the scene|gets to the scene].",
        ),
        explicit=(
            "(light_power rises; light_power starts above 0.01) {actor} now gives [{irradiance.times} as much|far "
            "more] light: all lit surfaces are brighter, and (everything else stays) nothing else "
            "[moves|changes place].",
            "(light_power rises; light_power starts above 0.01) The light is now [{irradiance.times} as strong|far "
            "stronger]: all lit surfaces are brighter, and (everything else stays) nothing else "
            "[moves|changes place].",
            "(light_power falls; light_power ends above 0.01) {actor} is [dimmed|weakened]: all lit surfaces are "
            "darker, while the shadows keep their place and (everything else stays) nothing else "
            "[moves|changes place].",
            "(light_power falls; light_power ends above 0.01) The light is [dimmed|weakened]: all lit surfaces are "
            "darker, while the shadows keep their place and (everything else stays) nothing else "
            "[moves|changes place].",
            "(light_power starts below 0.01; flame_height ends below 0.01) {actor} is [switched on|on], {lamp_level.end word}: it glows, "
            "brightens what stands near it [most|more than what is further off] and throws shadows away from it, and "
            "(everything else stays) nothing else [moves|changes place].",
            "(flame_height rises) {actor} [burns|is lit] with a small bright flame, brightens what stands near it "
            "[most|more than what is further off] and throws shadows away from it, and (everything else stays) nothing "
            "else [moves|changes place].",
            "(light_power ends below 0.01) {actor} is [out|no longer lit]: only dim light from all around is left, "
            "its shadows are gone, and (everything else stays) nothing else [moves|changes place].",
            "(lamp_distance falls) The lamp outside the picture is [nearer|closer]: its light, which weakens with the "
            "square of the distance, is [{irradiance.times} as strong|much stronger], and (everything else stays) nothing "
            "else [moves|changes place].",
            "(lamp_distance rises) The lamp outside the picture is further [away|off]: its light, which weakens with "
            "the square of the distance, is [much|far] weaker, and (everything else stays) nothing else "
            "[moves|changes place].",
        ),
    )
