"""A band, a spring or a roll of clay is drawn out between two posts, or a stretched band snaps."""

from dataclasses import dataclass, replace

import numpy as np

from simgen.core.assets import Material
from simgen.core.blend import between
from simgen.core.geometry import quat, quat_from_axis_angle, quat_multiply, quat_rotate, vec3
from simgen.core.mesh import Mesh, Model
from simgen.core.rollout import Provenance, Rollout, quantity
from simgen.core.spec import Body, SceneSpec
from simgen.core.vectors import Quat, Vec3
from simgen.procedural import models, palette
from simgen.procedural.models.strips import drawn_profile
from simgen.scene.draw import Draw, substances_of
from simgen.scene.registry import MeshOf, Phrases, Range, Scene, register
from simgen.solvers import oscillators

RUBBER_SHEAR_PA = 0.45e6
"""Of a soft natural rubber."""
STEEL_SHEAR_PA = 79e9
TEARS_AT = 0.5
"""When a band that is stretched too far tears; it hangs still long before the end."""
COLORS = {
    "red": "#b4282a", "blue": "#2458a6", "yellow": "#e0b020", "green": "#2f8247", "orange": "#d8731f", "black": "#2c2d30",
    "white": "#dcdad3", "purple": "#6b3a8c", "pink": "#cf6f8e",
}  # fmt: skip


@register("tension")
@dataclass(frozen=True, kw_only=True)
class Tension(Scene):
    """One post is drawn away along its rail: what is held between the posts gets longer and thinner, or tears."""

    stretch: Range = (1.3, 2.3)
    """Length after over length before."""
    snap_probability: float = 0.2
    """How often a rubber band that is already stretched tears instead."""

    law = "elasticity of tension"
    types = (29,)
    quantities = ("length", "thickness", "tension_force", "body_volume", "torn")
    subject_size = (0.025, 0.45)
    brightness = (0.2, 0.64)

    def sample(self, draw: Draw) -> SceneSpec:
        facing = draw.angle()
        view = replace(
            draw.view(elevation_deg=(9.0, 25.0), margin=(0.2, 0.27)), azimuth_rad=facing + draw.uniform((-0.45, 0.45))
        )
        around = quat(quat_from_axis_angle((0, 0, 1), facing + np.pi / 2))
        snaps = draw.chance(self.snap_probability)
        if snaps:
            view = replace(view, elevation_rad=view.elevation_rad + 0.2)
        kind = "band" if snaps else draw.choice(("band", "band", "spring", "round"))
        low, high = self.stretch
        stretch = draw.uniform(((low + high) / 2, high)) if snaps else draw.event.uniform(self.stretch)
        rest = draw.uniform((0.085, 0.12))
        height, depth, plate = draw.uniform((0.07, 0.095)), 0.034, 0.012
        color = draw.choice(sorted(COLORS))
        start = stretch * rest if snaps else rest
        width, inputs = (
            draw.uniform((0.02, 0.032)),
            {"rest_m": rest, "end_m": stretch * rest, "torn_at": draw.event.uniform((0.3, 0.7))},
        )
        if kind == "spring":
            coil, turns = draw.uniform((0.011, 0.016)), float(draw.integer((13, 19)))
            wire = draw.uniform((0.0018, 0.0026))
            made = models.make("spring", length_m=rest, coil_radius_m=coil, wire_m=wire, num_turns=turns, hook_m=0.014)
            label, substance = "steel spring", "metal"
            materials: tuple[tuple[str, Material], ...] = (
                ("wire", palette.metal(draw.color("#b9bcc0", "#c8b27a", "#8f9398"), roughness=0.22)),
            )
            collar, turn = 0.006, quat(quat_multiply(around, quat_from_axis_angle((0, 1, 0), -np.pi / 2)))
        else:
            thick = draw.uniform((0.005, 0.008)) if kind == "band" else width
            sizes = {"rest_m": rest, "width_m": width, "thickness_m": thick, "held_m": 0.0055}
            marks = float(draw.choice((0, 7, 9))) if kind == "band" else 0.0
            neck = 0.45 if kind == "round" else 0.0
            made = models.make(
                "drawn_bar", variant="flat" if snaps else kind, length_m=start, neck=neck, marks=marks
            ).but(**sizes)
            label = f"{color} rubber band" if kind == "band" else f"{color} roll of modelling clay"
            body = (
                palette.rubber(COLORS[color])
                if kind == "band"
                else palette.soft(COLORS[color], roughness=0.6, subsurface_m=0.004)
            )
            materials = (
                ("bar", body),
                (
                    "ink",
                    palette.rubber("#e9e6de" if color in ("black", "blue", "purple", "green", "red") else "#1d1d1f"),
                ),
            )
            substance, turn, collar = "rubber" if kind == "band" else "modelling clay", around, width / 2 + 0.004
        block = draw.choice(
            (palette.metal("#84888d", roughness=0.42), palette.plastic("#3a3f46", roughness=0.5), palette.wood(seed=draw.seed()), palette.wood("#8a5a34", "#5b3a20", seed=draw.seed()))
        )  # fmt: skip
        wear = (
            ("block", block),
            ("steel", palette.metal(roughness=0.3)),
            (
                "base",
                draw.choice(
                    (
                        palette.plastic("#2b2d31", roughness=0.5),
                        palette.metal("#5d6268", roughness=0.45),
                        palette.wood(seed=draw.seed()),
                    )
                ),
            ),
        )
        post = models.make("pull_post", height_m=height - plate, width_m=width + 0.03, depth_m=depth, collar_m=collar)
        # The left post stays where it is; the middle of the longest way that the right one can go is above the origin.
        whole = stretch * rest if snaps else high * rest
        fixed, moving = -whole / 2, -whole / 2 + start
        back = quat(quat_multiply(around, quat_from_axis_angle((0, 0, 1), np.pi)))

        def post_at(x: float, turned: tuple[float, ...], number: int, role: str, name: str) -> Body:
            return draw.model(
                post, number, role=role, label=name, substance="metal", quaternion=turned, materials=wear, substances=substances_of(wear),
                position_m=vec3(np.array([0, 0, plate]) + quat_rotate(around, (x, 0.0, 0.0))),
            )  # fmt: skip

        middle = (fixed, 0.0, height) if kind == "spring" else ((fixed + moving) / 2, 0.0, height)
        pulled = draw.model(
            made, 1, role="actor", label=label, substance=substance, materials=materials, quaternion=turn,
            position_m=vec3(quat_rotate(around, middle)),
        )  # fmt: skip
        rail = draw.model(
            models.make("rail", length_m=whole + 2 * depth + 0.05, width_m=width + 0.05), 250, role="prop", label="rail",
            substance="metal", quaternion=around, materials=wear, substances=substances_of(wear),
        )  # fmt: skip
        bodies = [
            pulled,
            post_at(moving, back, 2, "affected", "post"),
            post_at(fixed, around, 251, "prop", "fixed post"),
            rail,
        ]
        inputs |= {"fixed_m": fixed, "snaps": float(snaps), "facing_rad": facing}
        return draw.spec(self.name, bodies, camera=view, duration_s=3.0, physics_s=3.0, inputs=tuple(inputs.items()))

    def develop(self, rollout: Rollout, mesh_of: MeshOf) -> Rollout:
        spec = rollout.spec
        body, post = spec.body(1), spec.body(2)
        assert body.model is not None
        number, kind = dict(body.model.numbers), body.model.name
        rest, long = spec.input("rest_m"), spec.input("end_m")
        snaps = spec.input("snaps") > 0
        around = quat(quat_from_axis_angle((0, 0, 1), spec.input("facing_rad") + np.pi / 2))
        model = body.model

        def torn(phase: float) -> bool:
            return snaps and phase > TEARS_AT

        def length_m(phase: float) -> float:
            return (rest if torn(phase) else long) if snaps else between(rest, long, phase)

        def shape(phase: float) -> Mesh:
            if kind == "spring" and phase:
                return models.build(model.but(length_m=length_m(phase), coil_radius_m=_coil_m(model, length_m(phase))))
            if torn(phase):
                return models.build(_torn(body, spec.input("torn_at")))
            return models.build(model if snaps or not phase else model.but(length_m=length_m(phase)))

        def thickness_m(phase: float) -> float:
            if kind == "spring":
                return 2 * (_coil_m(model, length_m(phase)) if phase else number["coil_radius_m"])
            if torn(phase) or not (snaps or phase):
                return number["width_m"]
            return _thinnest(body, length_m(phase)) * number["width_m"]

        def force_n(phase: float) -> float:
            # What clay resists with depends on how fast it is drawn: no figure for that.
            if round_bar or torn(phase) or not (snaps or phase):
                return 0.0
            if kind == "spring":
                coil = 2 * number["coil_radius_m"]
                stiffness = oscillators.coil_stiffness_npm(STEEL_SHEAR_PA, number["wire_m"], coil, number["num_turns"])
                return stiffness * (length_m(phase) - number["length_m"])
            area, drawn = number["width_m"] * number["thickness_m"], 1.0 / _thinnest(body, length_m(phase)) ** 2
            return RUBBER_SHEAR_PA * area * (drawn - 1.0 / drawn**2)

        def reached(x: float, z: float) -> Vec3:
            """A place along the rail."""
            return vec3(np.array([0, 0, z]) + quat_rotate(around, (spec.input("fixed_m") + x, 0, 0)))

        def pulled(phase: float) -> tuple[Vec3, Quat]:
            return reached(length_m(phase), post.position_m[2]), post.quaternion

        def middle(phase: float) -> tuple[Vec3, Quat]:
            return reached(length_m(phase) / 2, body.position_m[2]), body.quaternion

        round_bar = model.variant == "round"
        shape_by: Provenance = "prescribed" if round_bar or snaps else "solved"
        quantities = (
            quantity("length", length_m, unit="m", provenance="prescribed"),
            quantity("thickness", thickness_m, unit="m", provenance=shape_by),
            quantity(
                "body_volume", lambda phase: models.volume_m3(shape(phase)) * 1e6, unit="ml", provenance="derived",
                conserved=0.01,
            ),
            quantity(
                "torn", lambda phase: float(torn(phase)), unit="1", provenance="prescribed",
                words=((0.5, "whole"), (2.0, "torn in two")),
            ),
            quantity("tension_force", force_n, unit="N", provenance="prescribed" if round_bar else "solved"),
        )  # fmt: skip
        done = rollout.reshaped(body.id, shape)
        if not snaps:
            done = done.posed(post.id, pulled)
            if kind != "spring":
                done = done.posed(body.id, middle)
        return done.then(quantities=quantities)

    phrases = Phrases(
        superficial=(
            "(torn ends below 0.5) [Stretch|Pull|Extend] {actor}.",
            "(torn ends below 0.5) [Stretch|Pull|Draw] {actor} [longer|to {length.times} its length].",
            "(torn ends below 0.5) [Pull|Move] {affected} [away|outwards] so that {actor} is stretched.",
            "(torn ends above 0.5) [Tear|Snap|Break] {actor}.",
            "(torn ends above 0.5) [Let|Make] {actor} [snap|tear] in two.",
            "(torn ends above 0.5) [Break|Tear] {actor} in two pieces.",
        ),
        intermediate=(
            "(torn ends below 0.5) [Pull|Move] {affected}< {affected.direction}> so that {actor} [gets|becomes] longer< and "
            "(thickness falls) thinner>.",
            "(torn ends below 0.5) [Pull|Draw] {actor} out to {length.times} its length by moving {affected}"
            "< {affected.direction}>.",
            "(torn ends below 0.5) [Stretch|Extend] {actor} from {length.start} to {length.end}<, which (thickness falls) makes it "
            "[thinner|narrower]>.",
            "(torn ends above 0.5) [Let|Make] the stretched {actor.label} [snap|tear] so that its two pieces [spring|jump] back and "
            "hang from the posts.",
            "(torn ends above 0.5) [Snap|Tear] {actor} under its tension: two [slack|short] pieces are left hanging.",
        ),
        explicit=(
            "(torn ends below 0.5) {affected} moves {affected.distance}< {affected.direction}> and [stretches|draws out] {actor} "
            "from {length.start} to {length.end}<, so that it (thickness falls) gets thinner while its volume is kept><; "
            "(everything else stays) nothing else [moves|changes]>.",
            "(torn ends below 0.5) {actor} is stretched from {length.start} to {length.end} as {affected} moves "
            "[outwards|away]<, and (thickness falls) its middle is thinner than before><; (everything else stays) nothing else [moves|changes]>.",
            "(torn ends above 0.5) The tight {actor.label} [snaps|tears] in two: each piece is as short and thick as before it was stretched "
            "and hangs in a bow from its post<, and (everything else stays) nothing else [moves|changes]>.",
            "(torn ends above 0.5) {actor}, stretched to {length.start} before, is [torn|ripped] in two; the pieces have "
            "[contracted|sprung back] and hang slack from the two posts<, while (everything else stays) nothing else "
            "[moves|changes]>.",
        ),
    )


def _coil_m(spring: Model, long: float) -> float:
    """Radius of the coil of a spring drawn out to a length; its wire stays as long as it is."""
    number = dict(spring.numbers)
    radius, rest, hooks = number["coil_radius_m"], number["length_m"], 2 * number["hook_m"]
    wound = (2 * np.pi * number["num_turns"]) ** 2
    return float(np.sqrt(radius**2 + ((rest - hooks) ** 2 - (long - hooks) ** 2) / wound))


def _torn(body: Body, torn_at: float) -> Model:
    assert body.model is not None
    number = {k: v for k, v in body.model.numbers if k != "neck"}
    return models.make("torn_band").but(**number, torn_at=torn_at)


def _thinnest(body: Body, long: float) -> float:
    """The smallest factor of the section when the bar is that long."""
    assert body.model is not None
    number = dict(body.model.numbers)
    _, factor = drawn_profile(long / number["rest_m"], 0.8 * number["width_m"] / long, number["neck"])
    return float(factor.min())
