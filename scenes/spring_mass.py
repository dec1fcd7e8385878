"""A weight on a coil spring bounces: let go below or above its rest, it is elsewhere a known time later."""

from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from simgen.core.blend import between
from simgen.core.geometry import quat, quat_from_axis_angle
from simgen.core.rollout import Rollout, Truth, quantity
from simgen.core.spec import SceneSpec
from simgen.core.vectors import Quat, Vec3
from simgen.procedural import models, palette
from simgen.procedural.models.rigs import stand_bases, stand_materials
from simgen.scene.draw import Draw
from simgen.scene.registry import MeshOf, Phrases, Range, Scene, register
from simgen.solvers import oscillators

EYE_M = 0.02
SHEAR_PA = 79e9
"""Of spring steel."""


@register("spring_mass")
@dataclass(frozen=True, kw_only=True)
class SpringMass(Scene):
    """A weight hangs on a coil spring, is let go away from its rest and bounces; the end is taken in motion."""

    rest_length_m: Range = (0.1, 0.14)
    """Of the spring with the weight hanging still."""
    amplitude: Range = (0.3, 0.5)
    """Of the bounce, in rest lengths."""
    damping_ratio: Range = (0.001, 0.01)
    reached: Range = (-1.0, -0.05)
    """Where the end frame is taken, in amplitudes: -1 is as far on the other side of its rest as it was let go."""
    down_probability: float = 0.6
    """How often the weight is pulled down first, and not lifted."""

    law = "elasticity and inertia: the spring"
    types = (22,)
    quantities = ("spring_length",)
    subject_size = (0.015, 0.4)

    def sample(self, draw: Draw) -> SceneSpec:
        facing = draw.angle()
        view = replace(
            draw.view(elevation_deg=(3.0, 15.0), margin=(0.1, 0.22)), azimuth_rad=facing + draw.uniform((-0.5, 0.5))
        )
        turn = quat(quat_from_axis_angle((0, 0, 1), facing + np.pi / 2))
        rest = draw.uniform(self.rest_length_m)
        offset = draw.uniform(self.amplitude) * rest * (-1.0 if draw.chance(self.down_probability) else 1.0)
        radius, height = draw.uniform((0.02, 0.03)), draw.uniform((0.04, 0.065))
        coil, turns = draw.uniform((0.014, 0.02)), float(draw.integer((11, 17)))
        material, label, density = draw.choice(WEIGHTS)
        mass = density * np.pi * radius**2 * height
        # The wire is as thick as lets this weight stretch the spring by the length that its coils have gained.
        free = 0.45 * rest
        stiffness = mass * oscillators.GRAVITY_MPS2 / (rest - free)
        wire = (8 * (2 * coil) ** 3 * turns * stiffness / SHEAR_PA) ** 0.25
        share = float(np.arccos(draw.event.uniform(self.reached)) / (2 * np.pi))
        if draw.event.chance(0.5):
            # On its way back.
            share = 1.0 - share
        hang = rest + abs(offset) + height + EYE_M
        anchor = hang + draw.uniform((0.03, 0.06))
        stand = draw.model(
            models.make("lab_stand", height_m=anchor, reach_m=0.055 + radius), 250, role="prop", label="stand",
            substance="metal", materials=stand_materials(draw.choice(stand_bases(draw.seed()))), quaternion=turn,
        )  # fmt: skip
        sizes = {"coil_radius_m": coil, "wire_m": wire, "num_turns": turns}
        spring = draw.model(
            models.make("spring", length_m=rest - offset, **sizes), 2, role="affected", label="spring", substance="metal",
            materials=(("wire", palette.metal(draw.color("#b9bcc0", "#8f9398", "#c8b27a"), roughness=0.25)),),
            quaternion=turn, position_m=(0.0, 0.0, anchor - 0.005),
        )  # fmt: skip
        weight = draw.model(
            models.make("hook_weight", radius_m=radius, height_m=height, hook_m=EYE_M), 1, role="actor", label=label,
            substance="metal", materials=(("weight", material), ("steel", palette.metal())), quaternion=turn,
            position_m=(0.0, 0.0, _hung(anchor, rest - offset, height)), mass_kg=mass,
        )  # fmt: skip
        period = oscillators.bounce_period_s(mass, stiffness)
        inputs = {
            "stiffness_npm": stiffness, "offset_m": offset, "rest_length_m": rest, "anchor_m": anchor, "height_m": height,
            "damping_ratio": draw.uniform(self.damping_ratio), "share_of_period": share,
        }  # fmt: skip
        return draw.spec(
            self.name, [weight, spring, stand], camera=view, duration_s=share * period, end_state="moving",
            inputs=tuple(inputs.items()),
        )  # fmt: skip

    def develop(self, rollout: Rollout, mesh_of: MeshOf) -> Rollout:
        spec = rollout.spec
        weight, spring = spec.body(1), spec.body(2).model
        assert spring is not None
        rest, offset, stiffness = (spec.input(k) for k in ("rest_length_m", "offset_m", "stiffness_npm"))

        @cache
        def bounce(phase: float) -> tuple[float, float]:
            """Length of the spring and speed of the weight; it is let go at rest."""
            if not phase:
                return rest - offset, 0.0
            time_s = between(0.0, float(rollout.times_s[-1]), phase)
            height, speed = oscillators.bounce(
                weight.mass_kg, stiffness, offset, time_s, damping_ratio=spec.input("damping_ratio")
            )
            return rest - float(height), float(speed)

        def hung(phase: float) -> tuple[Vec3, Quat]:
            return (
                0.0,
                0.0,
                _hung(spec.input("anchor_m"), bounce(phase)[0], spec.input("height_m")),
            ), weight.quaternion

        length = quantity("spring_length", lambda phase: bounce(phase)[0], unit="m", provenance="solved")
        period = oscillators.bounce_period_s(weight.mass_kg, stiffness)
        truth = (
            Truth(name="period", value=period, unit="s", provenance="solved"),
            Truth(name="stiffness", value=stiffness, unit="N/m", provenance="solved"),
            Truth(name="end_speed", value=bounce(1.0)[1], unit="m/s", provenance="solved"),
        )
        done = rollout.posed(1, hung).reshaped(2, lambda phase: models.build(spring.but(length_m=bounce(phase)[0])))
        return done.then(quantities=(length,), truth=truth)

    def reject(self, rollout: Rollout) -> str | None:
        q = rollout.quantity("spring_length")
        return None if abs(q.end - q.start) > 0.3 * rollout.spec.input("rest_length_m") else "it has hardly moved"

    phrases = Phrases(
        superficial=(
            "[Release|Let go of] {actor} on the spring.",
            "[Let|Make] {actor} [swing|oscillate|move] [up (spring_length falls)|lower (spring_length rises)] on {affected}.",
            "Let {affected} [pull {actor} up (spring_length falls)|stretch under {actor} (spring_length rises)].",
        ),
        intermediate=(
            "[Release|Let go of] {actor}, (spring_length falls) so that the stretched spring [pulls|draws] it up and becomes "
            "[shorter|tighter].",
            "[Release|Let go of] {actor}, (spring_length rises) so that [its weight|gravity] [stretches|lengthens] "
            "{affected} and it hangs lower.",
            "[Let|Make] {actor} oscillate on the spring: (spring_length falls) it moves up as {affected} "
            "[contracts|shortens].",
            "[Let|Make] {actor} oscillate on the spring: (spring_length rises) it moves lower as {affected} "
            "[extends|lengthens].",
        ),
        explicit=(
            "{actor}, pulled low and released, (spring_length falls) is [drawn|carried] up by {affected}, whose length goes "
            "from {spring_length.start} to {spring_length.end}; it is [seen|caught] in motion<, and (everything else "
            "stays) nothing else [moves|changes]>.",
            "{actor}, lifted and released, (spring_length rises) sinks as {affected} lengthens from {spring_length.start} to "
            "{spring_length.end}; it is [seen|caught] in motion<, and (everything else stays) nothing else "
            "[moves|changes]>.",
            "In its oscillation {actor} has [gone|moved] up (spring_length falls) by {spring_length.change}: the coils of "
            "{affected}, {spring_length.start} long before, are closer together at {spring_length.end}.",
            "In its oscillation {actor} has [gone|moved] lower (spring_length rises) by {spring_length.change}: the coils of "
            "{affected}, {spring_length.start} long before, are drawn apart to {spring_length.end}.",
        ),
    )


WEIGHTS = (
    (palette.metal("#c9a24a", roughness=0.25), "brass weight", 8500.0),
    (palette.metal("#b9bcc0", roughness=0.3), "steel weight", 7850.0),
    (palette.metal("#b87048", roughness=0.25), "copper weight", 8900.0),
    (palette.plastic("#a51d1d", roughness=0.3), "red weight", 7200.0),
    (palette.plastic("#1d4a8f", roughness=0.3), "blue weight", 7200.0),
    (palette.plastic("#26282c", roughness=0.4), "black weight", 7200.0),
)
"""Painted ones are of cast iron."""


def _hung(anchor_m: float, length_m: float, height_m: float) -> float:
    """Where a weight stands whose eye hangs in the lower end of the spring."""
    return anchor_m - 0.005 - length_m - height_m - EYE_M + 0.0025
