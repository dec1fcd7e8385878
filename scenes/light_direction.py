"""The light comes from another side: shadows swing and change their length."""

from dataclasses import dataclass, replace

import numpy as np

from simgen.core.blend import between
from simgen.core.geometry import direction, vec3
from simgen.core.rollout import Rollout, quantity
from simgen.core.spec import Light, SceneSpec, ViewRequest
from simgen.core.vectors import Vec3
from simgen.scene.cameras import framed
from simgen.scene.draw import Draw
from simgen.scene.lamps import dim_room
from simgen.scene.registry import MeshOf, Phrases, Range, Scene, register
from simgen.solvers.optics import shadow_length

SIDES = ((-157.5, "towards the back"), (-112.5, "to the left and to the back"), (-67.5, "to the left"),
         (-22.5, "to the left and to the front"), (22.5, "towards the front"), (67.5, "to the right and to the front"),
         (112.5, "to the right"), (157.5, "to the right and to the back"), (181.0, "towards the back"))  # fmt: skip
"""Where a shadow points, in degrees from the way to the camera, growing to the right of the picture."""
AIM_M = (0.0, 0.0, 0.05)


@register("light_direction")
@dataclass(frozen=True, kw_only=True)
class LightDirection(Scene):
    """The sun, or a lamp as far off, goes from one side of a few things to another; its disc may be a wide one."""

    swing_deg: Range = (75.0, 170.0)
    elevation_deg: Range = (16.0, 58.0)
    pale_probability: float = 0.6
    """How often the ground is white or grey; else it is any."""
    num_things: tuple[int, int] = (3, 4)

    law = "rectilinear propagation of light"
    types = (32,)
    quantities = ("light_azimuth", "light_elevation", "shadow_direction", "shadow_length")
    changed_share = 1.0
    subject_size = (0.03, 0.5)
    brightness = (0.15, 0.75)

    def sample(self, draw: Draw) -> SceneSpec:
        view = draw.view(elevation_deg=(18.0, 36.0), margin=(0.1, 0.22))
        things = draw.still_life(draw.integer(self.num_things), view=view)
        first = draw.choice((-1.0, 1.0)) * draw.uniform((28.0, 130.0))
        swing = -np.sign(first) * draw.event.uniform(self.swing_deg)
        second = (first + swing + 180.0) % 360.0 - 180.0
        elevations = [draw.uniform(self.elevation_deg), draw.event.uniform(self.elevation_deg)]
        inputs = {"azimuth_start": first, "azimuth_end": second, "azimuth_view": view.azimuth_rad}
        inputs |= {"elevation_start": elevations[0], "elevation_end": elevations[1]}
        warm = draw.uniform((0.0, 1.0))
        color = vec3(np.array([1.0, 0.9, 0.76]) * warm + np.array([0.97, 0.98, 1.0]) * (1 - warm))
        light = Light(
            kind="sun", name="lamp", look_at_m=AIM_M, color=color, position_m=_place(view, first, elevations[0]),
            angle_rad=draw.choice((0.0093, 0.0093, 0.03)), power=draw.uniform((5.0, 7.5)),
        )  # fmt: skip
        if draw.chance(self.pale_probability):
            stage, room = draw.pale_stage(), dim_room(draw, (0.2, 0.4))
        else:
            stage, room = draw.stage(), replace(draw.environment(), strength=draw.uniform((0.3, 0.5)))
        return draw.spec(
            self.name, things, stage=stage, camera=view, lights=(light,), environment=room, duration_s=2.0, physics_s=0.05,
            end_state="steady",
            inputs=tuple(inputs.items()),
        )  # fmt: skip

    def develop(self, rollout: Rollout, mesh_of: MeshOf) -> Rollout:
        spec, view, lamp = rollout.spec, rollout.spec.camera, rollout.spec.light("lamp")
        assert isinstance(view, ViewRequest)

        def azimuth(phase: float) -> float:
            return between(spec.input("azimuth_start"), spec.input("azimuth_end"), phase)

        def elevation(phase: float) -> float:
            return between(spec.input("elevation_start"), spec.input("elevation_end"), phase)

        def at(phase: float) -> Light:
            return replace(lamp, position_m=_place(view, azimuth(phase), elevation(phase))) if phase else lamp

        def shadow(phase: float) -> float:
            return (azimuth(phase) + 360.0) % 360.0 - 180.0

        def long(phase: float) -> float:
            return float(shadow_length(np.radians(elevation(phase))))

        quantities = (
            quantity("light_azimuth", azimuth, unit="deg", provenance="prescribed"),
            quantity("light_elevation", elevation, unit="deg", provenance="prescribed"),
            quantity("shadow_direction", shadow, unit="deg", provenance="solved", words=SIDES),
            quantity("shadow_length", long, unit="heights", provenance="solved"),
        )
        return framed(rollout.relit("lamp", at)).then(quantities=quantities)

    phrases = Phrases(
        superficial=(
            "[Move|Shift] the light from {light.start side} to {light.end side}.",
            "[Let|Make] the light come from {light.end side}[| instead].",
            "Light the [scene|things] from {light.end side}[| instead].",
        ),
        intermediate=(
            "[Move|Shift] the light from {light.start side} to {light.end side} so that the shadows [swing round and "
            "point|point] {shadow_direction.end word}.",
            "[Let|Make] the light come from {light.end side}, so that [all shadows|the shadows] [lie|point] "
            "{shadow_direction.end word}.",
            "(shadow_length rises) Let the light come from {light.end side} and from lower, so that the shadows "
            "[get longer and|are longer and] point {shadow_direction.end word}.",
            "(shadow_length falls) Let the light come from {light.end side} and from higher up, so that the shadows "
            "[get shorter and|are shorter and] point {shadow_direction.end word}.",
        ),
        explicit=(
            "The light comes from {light.end side} instead of {light.start side}: the [shadows|cast shadows], which "
            "pointed {shadow_direction.start word}, now point {shadow_direction.end word}<, [are longer (shadow_length "
            "rises)|are shorter (shadow_length falls)]>, the lit sides of things [change|swap], and (everything else "
            "stays) nothing else [moves|changes place].",
            "With the light now from {light.end side}, [about {light_elevation.end} above the ground|standing "
            "{light_elevation.end} high], every shadow points {shadow_direction.end word}, the sides that face "
            "{light.end side} are bright, and (everything else stays) nothing else [moves|changes place].",
        ),
    )


def _place(view: ViewRequest, azimuth_deg: float, elevation_deg: float) -> Vec3:
    """Where the light stands: `azimuth_deg` to the right of the camera as seen from it."""
    toward = direction(view.azimuth_rad + np.radians(azimuth_deg), np.radians(elevation_deg))
    return vec3(5.0 * toward + np.array(AIM_M))
