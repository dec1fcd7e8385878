"""A pendulum swings: let go on one side, it is somewhere else on its arc a known time later."""

from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from simgen.core.assets import Material
from simgen.core.blend import between
from simgen.core.geometry import quat, quat_from_axis_angle, quat_multiply, quat_rotate, vec3
from simgen.core.rollout import Rollout, Truth, quantity
from simgen.core.spec import SceneSpec
from simgen.core.vectors import Floats, Quat, Vec3
from simgen.procedural import models, palette
from simgen.procedural.models.rigs import stand_bases, stand_materials
from simgen.scene.draw import Draw
from simgen.scene.registry import MeshOf, Phrases, Range, Scene, register
from simgen.solvers import oscillators

SIDES = (
    (-9.0, "on the other side"),
    (-4.0, "just past its lowest point"),
    (4.0, "straight below its pivot"),
    (180.0, "still on the same side"),
)
BOBS = {
    "brass": ("metal", "#c9a24a"), "steel": ("metal", "#b9bcc0"), "copper": ("metal", "#b87048"),
    "red": ("plastic", "#b3231e"), "blue": ("plastic", "#1f4fa0"), "yellow": ("plastic", "#e0b020"),
    "green": ("plastic", "#2c7a45"), "wooden": ("wood", "#b98a57"), "white": ("plastic", "#e8e6e0"),
}  # fmt: skip


@register("pendulum")
@dataclass(frozen=True, kw_only=True)
class Pendulum(Scene):
    """A bob on a string is let go at one side and swings; the end frame is taken at a known instant."""

    length_m: Range = (0.13, 0.21)
    amplitude_deg: Range = (28.0, 55.0)
    damping_ratio: Range = (0.001, 0.01)
    reached: Range = (-1.0, 0.3)
    """Where the end frame is taken, in amplitudes, about: -1 is as far out on the other side as it was let go."""
    back_probability: float = 0.25
    """How often it is on its way back by then, where that is on the other side."""
    num_bystanders: tuple[int, int] = (0, 1)

    law = "gravity and inertia: the pendulum"
    types = (22,)
    quantities = ("swing_angle",)
    subject_size = (0.015, 0.4)

    def sample(self, draw: Draw) -> SceneSpec:
        facing = draw.angle()
        view = replace(
            draw.view(elevation_deg=(4.0, 16.0), margin=(0.16, 0.3)), azimuth_rad=facing + draw.uniform((-0.45, 0.45))
        )
        # The arm points to the camera, so that the pendulum swings across the picture.
        turn = quat(quat_from_axis_angle((0, 0, 1), facing + np.pi / 2))
        kind = draw.choice(("ball", "ball", "plumb", "disc", "cylinder"))
        radius = draw.uniform({"disc": (0.036, 0.05), "ball": (0.025, 0.038)}.get(kind, (0.025, 0.034)))
        length = draw.uniform(self.length_m) + radius
        pivot = length + 1.8 * radius + draw.uniform((0.03, 0.06))
        name, material = _bob(draw)
        stand = draw.model(
            models.make("lab_stand", height_m=pivot, reach_m=0.06 + radius), 250, role="prop", label="stand",
            substance="metal", materials=stand_materials(draw.choice(stand_bases(draw.seed()))), quaternion=turn,
        )  # fmt: skip
        string = palette.fabric("#e9e4d8") if kind != "disc" else palette.metal("#8d9095")
        bob = draw.model(
            models.make("pendulum", variant=kind, length_m=length, radius_m=radius), 1, role="actor",
            label=f"{name} pendulum", substance="wood" if name == "wooden" else "metal", quaternion=turn,
            materials=(("bob", material), ("string", string)),
        )  # fmt: skip
        amplitude = draw.uniform(self.amplitude_deg) * draw.choice((-1.0, 1.0))
        period = oscillators.swing_period_s(oscillators.bob_length_m(length, radius), np.radians(amplitude))
        share = float(np.arccos(draw.event.uniform(self.reached)) / (2 * np.pi))
        if draw.event.chance(self.back_probability) and share > 0.35:
            share = 1.0 - share
        start, orientation = place(length, np.radians(amplitude), pivot, turn)
        bob = replace(bob, position_m=vec3(start), quaternion=quat(orientation))
        bodies = [bob, stand]
        clear = [vec3(place(length, side * 1.0, pivot, turn)[0] * [1, 1, 0]) for side in (-1.0, 1.0)]
        beside = draw.bystanders(bodies, draw.integer(self.num_bystanders), view=view, clear=clear)
        bodies += [replace(body, static=True) for body in beside]
        inputs = {
            "length_m": length, "radius_m": radius, "amplitude_deg": amplitude, "pivot_m": pivot,
            "damping_ratio": draw.uniform(self.damping_ratio), "facing_rad": facing, "share_of_period": share,
        }  # fmt: skip
        return draw.spec(
            self.name, bodies, camera=view, duration_s=share * period, end_state="moving", inputs=tuple(inputs.items())
        )

    def develop(self, rollout: Rollout, mesh_of: MeshOf) -> Rollout:
        spec = rollout.spec
        length, amplitude = spec.input("length_m"), np.radians(spec.input("amplitude_deg"))
        effective = oscillators.bob_length_m(length, spec.input("radius_m"))
        turn = quat(quat_from_axis_angle((0, 0, 1), spec.input("facing_rad") + np.pi / 2))

        @cache
        def swing(phase: float) -> tuple[float, float]:
            """Angle and angular velocity; it is let go at rest."""
            if not phase:
                return amplitude, 0.0
            time_s = between(0.0, float(rollout.times_s[-1]), phase)
            angle, speed = oscillators.swing(effective, amplitude, time_s, damping_ratio=spec.input("damping_ratio"))
            return float(angle), float(speed)

        def hung(phase: float) -> tuple[Vec3, Quat]:
            position, orientation = place(length, swing(phase)[0], spec.input("pivot_m"), turn)
            return vec3(position), quat(orientation)

        sign = np.sign(amplitude)
        angle = quantity(
            "swing_angle", lambda phase: float(np.degrees(sign * swing(phase)[0])), unit="deg", provenance="solved",
            words=SIDES,
        )  # fmt: skip
        truth = (
            Truth(name="period", value=oscillators.swing_period_s(effective, amplitude), unit="s", provenance="solved"),
            Truth(name="end_angular_speed", value=float(sign * swing(1.0)[1]), unit="rad/s", provenance="solved"),
        )
        return rollout.posed(1, hung).then(quantities=(angle,), truth=truth)

    def reject(self, rollout: Rollout) -> str | None:
        swing = rollout.quantity("swing_angle")
        return None if swing.start - swing.end > 18.0 else "it has hardly begun to swing"

    phrases = Phrases(
        superficial=(
            "[Let|Make] {actor} swing< {direction}>.",
            "[Release|Let go of] {actor}< so that it swings {direction}>.",
            "[Let|Make|Have] {actor} swing by {swing_angle.change}.",
            "[Start|Set off] the swing of {actor}.",
        ),
        intermediate=(
            "[Release|Let go of] {actor} so that [gravity pulls it|it swings] through its lowest point< {direction}> "
            "(swing_angle ends below -9) and up on the other side.",
            "[Let|Make] {actor} swing< {direction}> until it is {swing_angle.end word}.",
            "[Release|Let go of] {actor}: it swings on its arc< {direction}> and is now {swing_angle.end word}.",
        ),
        explicit=(
            "{actor} swings< {direction}> by {swing_angle.change} and is [seen|caught] in motion "
            "{swing_angle.end word}<; (everything else stays) nothing else moves>.",
            "Once let go, {actor} [swings|moves on its arc]< {direction}> through {swing_angle.change}, so that it is "
            "{swing_angle.end word}<; (everything else stays) the stand and everything else keep their places>.",
            "{actor}, held {swing_angle.start} out of the vertical, is released; gravity [swings|carries] it< {direction}> "
            "through {swing_angle.change} until it is {swing_angle.end word}<, and (everything else stays) nothing else "
            "[moves|changes]>.",
        ),
    )


def place(length_m: float, angle_rad: float, pivot_m: float, turn: tuple[float, ...]) -> tuple[Floats, Floats]:
    """Where the bob is and how it is turned at an angle, its pivot at that height above the origin."""
    pivot = np.array([0.0, 0.0, pivot_m - length_m * np.cos(angle_rad)])
    at = pivot + quat_rotate(turn, (length_m * np.sin(angle_rad), 0.0, 0.0))
    return np.asarray(at), quat_multiply(turn, quat_from_axis_angle((0, 1, 0), -angle_rad))


def _bob(draw: Draw) -> tuple[str, Material]:
    name = draw.choice(sorted(BOBS))
    kind, color = BOBS[name]
    if kind == "wood":
        return name, palette.wood(color, seed=draw.seed())
    return name, palette.metal(color, roughness=0.22) if kind == "metal" else palette.plastic(color, roughness=0.25)
