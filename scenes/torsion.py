"""A bar that is held at one end is twisted at the other."""

from dataclasses import dataclass, replace

import numpy as np

from simgen.core.assets import Material
from simgen.core.blend import between
from simgen.core.geometry import quat, quat_from_axis_angle, quat_multiply, quat_rotate, vec3
from simgen.core.mesh import Mesh
from simgen.core.rollout import Rollout, Truth, quantity
from simgen.core.spec import SceneSpec
from simgen.core.vectors import Quat, Vec3
from simgen.procedural import models, palette
from simgen.procedural.models.strips import bar_section, section_m2
from simgen.scene.draw import Draw, substances_of
from simgen.scene.registry import MeshOf, Phrases, Range, Scene, register
from simgen.solvers import beams

SHEAR_PA = {"rubber": 0.7e6, "foam": 0.12e6, "plastic": 0.45e9}
"""Natural rubber of 45 Shore A; polyethylene foam of 30 kg/m³; polypropylene."""
LARGEST_SHEAR = {"rubber": 1.6, "foam": 1.2, "plastic": 0.045}
COLORS = {
    "red": ("#b4282a", "#f0e6d8"), "blue": ("#2458a6", "#e8e4d8"), "yellow": ("#e0b020", "#33312c"),
    "green": ("#2f8247", "#eee8d6"), "orange": ("#d8731f", "#2b2b2e"), "black": ("#2c2d30", "#e6b93a"),
    "white": ("#dcdad3", "#a82a2a"), "purple": ("#6b3a8c", "#efe7d2"), "turquoise": ("#1d8a8f", "#f1e9d8"),
}  # fmt: skip
TURNS = (
    (135.0, "by about a quarter turn"), (225.0, "by about half a turn"), (315.0, "by about three quarters of a turn"),
    (1e9, "by about a whole turn"),
)  # fmt: skip


@register("torsion")
@dataclass(frozen=True, kw_only=True)
class Torsion(Scene):
    """A bar, held in a block at one end, is twisted by a handle at the other, so that its edges wind around it."""

    twist_deg: Range = (110.0, 340.0)
    upright_probability: float = 0.55

    law = "elasticity of torsion"
    types = (30,)
    quantities = ("twist", "torque", "bar_volume")
    subject_size = (0.03, 0.45)
    brightness = (0.2, 0.64)

    def sample(self, draw: Draw) -> SceneSpec:
        facing = draw.angle()
        upright = draw.chance(self.upright_probability)
        view = replace(
            draw.view(elevation_deg=(8.0, 24.0), margin=(0.1, 0.2)), azimuth_rad=facing + draw.uniform((-0.5, 0.5))
        )
        stuff = draw.choice(("rubber", "rubber", "foam", "plastic"))
        kind = "flat" if stuff == "plastic" else draw.choice(("square", "striped", "fluted", "flat", "square"))
        length = draw.uniform((0.13, 0.2))
        width = draw.uniform((0.022, 0.034)) * (1.2 if kind == "flat" else 1.0)
        thick = width if kind != "flat" else (0.0016 if stuff == "plastic" else draw.uniform((0.008, 0.011)))
        reach = np.hypot(width, thick) / 2
        most = LARGEST_SHEAR[stuff] * length / (thick if kind == "flat" else reach)
        low, high = (min(degrees, float(np.degrees(0.95 * most))) for degrees in self.twist_deg)
        twist = np.radians(draw.event.uniform((low, high))) * draw.event.choice((-1.0, 1.0))
        color = draw.choice(sorted(COLORS))
        main, second = COLORS[color]
        made = {"rubber": palette.rubber, "foam": _foam, "plastic": palette.plastic}[stuff]
        around = quat(quat_from_axis_angle((0, 0, 1), facing + np.pi / 2))
        hub, collar = reach + 0.006, reach + 0.005
        held = 0.02
        sizes = {
            "length_m": length,
            "low_m": held,
            "high_m": held if upright else 0.06,
            "width_m": width,
            "thickness_m": thick,
        }
        if upright:
            height = draw.uniform((0.045, 0.07))
            block = _block(draw)
            props = draw.model(
                models.make("twist_base", size_m=0.085 + reach, height_m=height, collar_m=collar), 250, role="prop",
                label="block", substance="metal", quaternion=around, materials=block, substances=substances_of(block),
            )  # fmt: skip
            turn, foot, end = around, np.array([0.0, 0.0, height]), height + length + 0.012
            top = np.array([0.0, 0.0, end])
        else:
            height = draw.uniform((0.075, 0.1))
            block = _block(draw)
            props = draw.model(
                models.make("bearing_posts", span_m=length, height_m=height, width_m=0.07, depth_m=0.03, collar_m=collar),
                250, role="prop", label="posts", substance="metal", quaternion=around, materials=block, substances=substances_of(block),
            )  # fmt: skip
            turn = quat(quat_multiply(around, quat_from_axis_angle((0, 1, 0), np.pi / 2)))
            foot = np.array([0, 0, height]) + quat_rotate(around, (-length / 2, 0, 0))
            top = np.array([0, 0, height]) + quat_rotate(around, (length / 2 + 0.05, 0, 0))
        bar = draw.model(
            models.make("twisted_bar", variant=kind).but(**sizes), 1, role="actor",
            label=f"{color} {stuff} {'strip' if kind == 'flat' else 'bar'}", quaternion=turn,
            substance="polyethylene foam" if stuff == "foam" else stuff, position_m=vec3(foot), materials=(("bar", made(main)), ("stripe", made(second))),
        )  # fmt: skip
        parts = (
            ("hub", palette.metal("#6d7278", roughness=0.35)),
            ("steel", palette.metal()),
            ("knob", palette.plastic("#b3231e")),
            ("other", palette.plastic("#1d1f22")),
        )
        handle = draw.model(
            models.make("cross_handle", hub_m=hub, reach_m=draw.uniform((0.05, 0.06))), 2, role="affected", label="handle",
            substance="metal", quaternion=turn, position_m=vec3(top),
            materials=parts, substances=substances_of(parts),
        )  # fmt: skip
        inputs = {"twist_rad": twist, "shear_pa": SHEAR_PA[stuff], "largest_shear": LARGEST_SHEAR[stuff]}
        return draw.spec(
            self.name, [bar, handle, props], camera=view, duration_s=3.0, physics_s=3.0, inputs=tuple(inputs.items())
        )

    def develop(self, rollout: Rollout, mesh_of: MeshOf) -> Rollout:
        spec = rollout.spec
        bar, handle = spec.body(1), spec.body(2)
        assert bar.model is not None
        twist, number, kind = spec.input("twist_rad"), dict(bar.model.numbers), bar.model.variant
        model = bar.model

        def turned_rad(phase: float) -> float:
            return between(0.0, twist, phase)

        def shape(phase: float) -> Mesh:
            return models.build(model.but(twist_rad=turned_rad(phase)) if phase > 0.0 else model)

        width, thick = number["width_m"], number["thickness_m"]
        if kind in ("square", "flat"):
            constant = beams.torsion_constant_m4(width, thick)
        else:
            # A grooved bar: that of the circle of its area.
            constant = beams.circle_torsion_m4(float(np.sqrt(section_m2(bar_section(kind, width, thick)) / np.pi)))

        def torque_nm(phase: float) -> float:
            return beams.torque_nm(spec.input("shear_pa"), constant, abs(turned_rad(phase)), number["length_m"])

        def turned_deg(phase: float) -> float:
            return float(np.degrees(abs(turned_rad(phase))))

        def held(phase: float) -> tuple[Vec3, Quat]:
            turn = quat_from_axis_angle((0, 0, 1), turned_rad(phase))
            return handle.position_m, quat(quat_multiply(handle.quaternion, turn))

        arm = thick if kind == "flat" else np.hypot(width, thick) / 2
        quantities = (
            quantity("twist", turned_deg, unit="deg", provenance="prescribed", words=TURNS),
            quantity("torque", torque_nm, unit="N·m", provenance="solved"),
            quantity(
                "bar_volume", lambda phase: models.volume_m3(shape(phase)) * 1e6, unit="ml", provenance="derived",
                conserved=0.01,
            ),
        )  # fmt: skip
        truth = (
            Truth(name="largest_shear", value=abs(twist) * arm / number["length_m"], unit="1", provenance="solved"),
        )
        return rollout.reshaped(bar.id, shape).posed(handle.id, held).then(quantities=quantities, truth=truth)

    phrases = Phrases(
        superficial=(
            "[Twist|Wring] {actor}.",
            "[Twist|Wring] {actor} with {affected}.",
            "[Turn {affected} to twist|Use {affected} to twist] {actor}.",
            "[Twist|Wring|Turn one end of] {actor} {twist.end word}.",
        ),
        intermediate=(
            "[Twist|Wring] {actor} {twist.end word} with {affected}, so that its edges [wind|coil] around it.",
            "Turn {affected} so that {actor}, held at its other end, is twisted {twist.end word}.",
            "[Twist|Wring] {actor} with {affected}: [torsion|the torque] makes the lines along it [run|wind] in a screw.",
        ),
        explicit=(
            "One end of {actor} is held and the other is twisted {twist.end word} by {affected}: the straight lines along it "
            "[become|are now] a screw of {twist.end}<, and (everything else stays) nothing else [moves|changes]>.",
            "{affected} is turned by {twist.end} and twists {actor}, whose straight edges now wind around it "
            "{twist.end word}, while its held end keeps its place<; (everything else stays) nothing else [moves|changes]>.",
            "{actor}, straight before, is now twisted, {twist.end} from one end to the other, as {affected} goes "
            "around with its end<; (everything else stays) nothing else [moves|changes]>.",
        ),
    )


def _foam(color: str) -> Material:
    return palette.but(palette.soft(color, roughness=0.9), subsurface=0.25, template="rubber")


def _block(draw: Draw) -> tuple[tuple[str, Material], ...]:
    block = draw.choice(
        (palette.wood("#b98a57", "#86572c", seed=draw.seed()), palette.wood("#8a5a34", "#5b3a20", seed=draw.seed()),
         palette.metal("#84888d", roughness=0.45), palette.plastic("#3a3f46", roughness=0.5), palette.plastic("#c9c7c0", roughness=0.5))
    )  # fmt: skip
    base = draw.choice(
        (
            palette.plastic("#2b2d31", roughness=0.5),
            palette.metal("#6d7278", roughness=0.45),
            palette.wood(seed=draw.seed()),
        )
    )
    return (("block", block), ("steel", palette.metal(roughness=0.3)), ("base", base))
