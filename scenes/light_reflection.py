"""A mirror is turned until things are seen in it, or a metal surface is polished until it mirrors what stands on it."""

from dataclasses import dataclass

import numpy as np

from simgen.core.blend import between, blend
from simgen.core.geometry import direction, quat, quat_from_axis_angle, quat_rotate
from simgen.core.rollout import Rollout, quantity
from simgen.core.spec import Body, Camera, SceneSpec, ViewRequest
from simgen.core.vectors import Floats, Quat, Vec3
from simgen.procedural import models, palette
from simgen.scene.cameras import framed
from simgen.scene.draw import Draw
from simgen.scene.registry import MeshOf, Phrases, Range, Scene, register
from simgen.solvers.optics import mirror_image_m, mirror_normal, seen_in_mirror

METALS = (("#b9bcc0", "steel"), ("#c9a24d", "brass"), ("#b8714c", "copper"), ("#c9cbcd", "silver"))
FRAMES = ("#26282b", "#ece9e2", "#7a2f2a", "#31506b", "#6b4426", "#b08d57")


@register("light_reflection")
@dataclass(frozen=True, kw_only=True)
class LightReflection(Scene):
    """What a mirror or a polished surface shows appears or goes away."""

    mirror_probability: float = 0.5
    turn_deg: Range = (24.0, 40.0)
    off_deg: float = 7.0
    """How far a mirror that is turned to the things misses their middle at most."""
    dull: Range = (0.5, 0.7)
    """Roughness of an unpolished surface."""
    polished: Range = (0.02, 0.24)
    """Of one that has been polished; a mirror below 0.08."""
    dulled: Range = (0.22, 0.7)
    """Of one that has been made dull."""
    appear_probability: float = 0.7
    """How often the image appears rather than goes away."""
    shown: float = 0.6
    """Least share of the things that the turned mirror must show."""

    law = "law of reflection"
    types = (36,)
    quantities = ("mirror_turn", "reflected_share", "surface_roughness", "image_distance")
    subject_size = (0.03, 0.7)
    changed_share = 0.8
    contrast = 3.0

    def sample(self, draw: Draw) -> SceneSpec:
        mirror, appears = draw.chance(self.mirror_probability), draw.chance(self.appear_probability)
        view = draw.view(elevation_deg=(8.0, 17.0) if mirror else (10.0, 22.0), margin=(0.06, 0.14))
        if mirror:
            turn = (draw if appears else draw.event).uniform(self.turn_deg)
            off = draw.event.uniform((-self.off_deg, self.off_deg)) if appears else 0.0
            bodies, inputs = _before_mirror(draw, view, turn, off, appears)
        else:
            bodies = _with_metal(draw, view, draw.uniform(self.dull if appears else (0.02, 0.05)))
            inputs = {"roughness_end": draw.event.uniform(self.polished if appears else self.dulled)}
        return draw.spec(self.name, bodies, camera=view, duration_s=4.0, physics_s=0.05, end_state="steady",
                         inputs=tuple(inputs.items()))  # fmt: skip

    def develop(self, rollout: Rollout, mesh_of: MeshOf) -> Rollout:
        actor, spec = rollout.spec.actor, rollout.spec
        assert actor.model is not None
        if actor.model.name == "mirror":
            # The yaw of the mirror is all of its orientation.
            first = 2 * float(np.arctan2(actor.quaternion[3], actor.quaternion[0]))
            last = first + (spec.input("yaw_end") - first + np.pi) % (2 * np.pi) - np.pi

            def turned(phase: float) -> tuple[Vec3, Quat]:
                yaw = spec.input("yaw_end") if phase == 1.0 else between(first, last, phase)
                return actor.position_m, quat(quat_from_axis_angle((0, 0, 1), yaw))

            rollout = rollout.posed(actor.id, turned)
        else:
            before = dict(actor.materials)["surface"]
            after = palette.but(before, roughness=spec.input("roughness_end"))
            rollout = rollout.resurfaced(actor.id, lambda phase: blend(before, after, phase), slot="surface")
        return framed(rollout, also=[body.id for body in spec.bodies if body.id != actor.id])

    def observe(self, rollout: Rollout, camera: Camera, mesh_of: MeshOf) -> Rollout | str:
        actor, spec = rollout.spec.actor, rollout.spec
        assert actor.model is not None
        number, is_mirror = dict(actor.model.numbers), actor.model.name == "mirror"
        cloud = np.concatenate(
            [
                np.array(b.position_m) + quat_rotate(b.quaternion, mesh_of(b).vertices_m * b.scale)
                for b in spec.bodies
                if b.id != actor.id
            ]
        )

        def normal(phase: float) -> Floats:
            return quat_rotate(rollout.pose(actor.id, rollout.instant(phase))[1], np.array([1.0, 0.0, 0.0]))

        def turn(phase: float) -> float:
            return between(0.0, spec.input("turn_deg"), phase) if is_mirror else 0.0

        def share(phase: float) -> float:
            if not is_mirror:
                return 0.0
            size = (number["width_m"] - 0.03, number["height_m"] - 0.05)
            return seen_in_mirror(cloud, camera.position_m, middle, normal(phase), size)

        def rough(phase: float) -> float:
            slots = rollout.materials(actor.id, rollout.instant(phase))
            return 0.0 if is_mirror else slots["surface"].roughness

        def far(phase: float) -> float:
            image = mirror_image_m(cloud.mean(axis=0), middle, normal(phase)) if is_mirror else camera.position_m
            return float(np.linalg.norm(image - np.asarray(camera.position_m)))

        middle = np.array(actor.position_m) + np.array([0.0, 0.0, number.get("height_m", 0.0) / 2])
        low, high = sorted((share(0.0), share(1.0)))
        if is_mirror and not (low < 0.1 and high > self.shown):
            return f"the mirror shows {low:.0%} and {high:.0%} of the things"
        quantities = (
            quantity("mirror_turn", turn, unit="deg", provenance="prescribed"),
            quantity("reflected_share", share, unit="1", provenance="solved"),
            quantity("surface_roughness", rough, unit="1", provenance="prescribed"),
            quantity("image_distance", far, unit="m", provenance="solved"),
        )
        return rollout.then(quantities=quantities)

    phrases = Phrases(
        superficial=(
            "(reflected_share rises) [Turn|Rotate|Swivel] {actor} so that it shows {bystanders}.",
            "(reflected_share rises) [Turn|Rotate|Swivel] {actor} towards {bystanders}.",
            "(reflected_share falls) [Turn|Rotate|Swivel] {actor} away from {bystanders}.",
            "(reflected_share falls) [Turn|Rotate|Swivel] {actor} so that it no longer shows {bystanders}.",
            "(surface_roughness falls) [Polish|Buff] {actor}[| until it shines| to a mirror finish (surface_roughness ends "
            "below 0.08)].",
            "(surface_roughness falls) Make {actor} [shiny|glossy|mirror-like (surface_roughness ends below 0.08)].",
            "(surface_roughness rises) Make {actor} [matt|dull|brushed and dull].",
            "(surface_roughness rises) [Dull|Roughen] {actor}[| until it no longer shines].",
        ),
        intermediate=(
            "(reflected_share rises) [Turn|Rotate|Swivel] {actor} until the reflection of {bystanders} [appears|can be "
            "seen] in it.",
            "(reflected_share falls) [Turn|Rotate|Swivel] {actor} until the reflection of {bystanders} [is gone|has "
            "left it].",
            "(surface_roughness falls; surface_roughness ends below 0.08) [Polish|Buff] {actor} so that it "
            "[mirrors|reflects] {bystanders} [sharply|clearly].",
            "(surface_roughness falls; surface_roughness ends above 0.08) [Polish|Buff] {actor} a little, so that it "
            "[mirrors|reflects] {bystanders} with blurred outlines.",
            "(surface_roughness rises) [Dull|Roughen] {actor} so that the [mirror images|reflections] of {bystanders} "
            "[blur away|are lost].",
        ),
        explicit=(
            "(reflected_share rises) {actor} is [turned|rotated] by {mirror_turn.change} about the vertical: light from "
            "{bystanders} now reaches the eye by way of the mirror, which shows {it/them} from the [back|other "
            "side], and (everything else stays) nothing else [moves|changes place].",
            "(reflected_share falls) {actor} is [turned|rotated] by {mirror_turn.change} about the vertical: it now "
            "reflects [another part of the room|the empty side of the room] and {bystanders} [can no longer be seen in "
            "it|{has/have} left the mirror], and (everything else stays) nothing else [moves|changes place].",
            "(surface_roughness falls; surface_roughness ends above 0.08) {actor} is polished in part: in place of a [dull "
            "sheen|blurred sheen] it shows [blurred|soft] mirror images of {bystanders}, and (everything else stays) "
            "nothing else [moves|changes place].",
            "(surface_roughness falls; surface_roughness ends below 0.08) {actor} is polished smooth: in place of a [dull sheen|blurred sheen] it shows "
            "sharp mirror images of {bystanders} and the room, and (everything else stays) nothing else "
            "[moves|changes place].",
            "(surface_roughness rises) {actor} is [matt|dull]: its rough surface scatters the light and shows only a "
            "[soft sheen|blurred glow] in place of {bystanders}, and (everything else stays) nothing else "
            "[moves|changes place].",
        ),
    )


def _before_mirror(
    draw: Draw, view: ViewRequest, turn_deg: float, off_deg: float, appears: bool
) -> tuple[list[Body], dict[str, float]]:
    """A standing mirror that faces the camera more or less, and a thing or two before it and to one side."""
    toward = direction(view.azimuth_rad)
    across = np.array([-toward[1], toward[0], 0.0])
    side = draw.choice((-1.0, 1.0))
    things = draw.still_life(draw.integer((1, 2)), view=view, first_id=2, role="bystander", size_m=(0.07, 0.2))
    reach = max(float(np.hypot(*t.position_m[:2])) + float(np.hypot(*t.size_m[:2])) / 2 for t in things)
    width, height = draw.uniform((0.24, 0.32)), draw.uniform((0.28, 0.38))
    place = -(0.5 * width + 0.35 * reach + draw.uniform((0.0, 0.03))) * toward
    place = place + side * (reach + draw.uniform((0.08, 0.13))) * across
    eye = 1.1 * toward + [0.0, 0.0, 0.3]
    normal = mirror_normal([*place[:2], 0.0], [*eye[:2], 0.0], (0.0, 0.0, 0.0))
    shown = float(np.arctan2(normal[1], normal[0]))
    # Away from the things: the mirror then looks past them on the far side.
    sense = np.sign(np.cross(normal, -place)[2])
    averted = shown - sense * np.radians(turn_deg)
    start, end = (averted, shown + np.radians(off_deg)) if appears else (shown, averted)
    paint = draw.choice(FRAMES)
    frame = palette.metal("#b08d57", roughness=0.3) if draw.chance(0.25) else palette.ceramic(paint, roughness=0.35)
    variant = draw.choice(("rect", "rect", "round"))
    mirror = draw.model(
        models.make("mirror", variant=variant, width_m=width, height_m=height), 1, role="actor",
        label="round mirror" if variant == "round" else "mirror", substance="glass", at=place[:2], yaw_rad=start,
        materials=(("mirror", palette.mirror()), ("frame", frame), ("back", palette.plastic("#8a6a48", roughness=0.6))),
    )  # fmt: skip
    return [mirror, *things], {"yaw_end": end, "turn_deg": float(np.degrees(abs(end - start)))}


def _with_metal(draw: Draw, view: ViewRequest, roughness: float) -> list[Body]:
    """A piece of metal with things on it or around it."""
    variant = draw.choice(("slab", "slab", "disc", "ball", "vase"))
    paint, metal = draw.choice(METALS)
    flat = variant in ("slab", "disc")
    width = draw.uniform({"slab": (0.36, 0.46), "disc": (0.36, 0.46), "ball": (0.14, 0.2)}.get(variant, (0.11, 0.15)))
    height = draw.uniform((0.012, 0.02)) if flat else width * (1.0 if variant == "ball" else draw.uniform((1.6, 2.1)))
    made = models.make("smooth_piece", variant=variant, width_m=width, depth_m=width * draw.uniform((0.7, 1.0)),
                       height_m=height)  # fmt: skip
    noun = {"slab": "plate", "disc": "round plate", "ball": "ball", "vase": "vase"}[variant]
    label = f"round {metal} plate" if variant == "disc" else f"{metal} {noun}"
    piece = draw.model(made, 1, role="actor", label=label, substance="metal", yaw_rad=view.azimuth_rad,
                       materials=(("surface", palette.metal(paint, roughness=roughness)),))  # fmt: skip
    taken = [] if flat else [(0.0, 0.0, width / 2)]
    things = draw.still_life(
        draw.integer((2, 3)), view=view, first_id=2, role="bystander", taken=taken, size_m=(0.05, 0.16),
        on_m=height if flat else 0.0,
    )  # fmt: skip
    if flat:
        things = [t for t in things if np.hypot(*t.position_m[:2]) + np.hypot(*t.size_m[:2]) / 2 < 0.55 * width]
    return [piece, *things]
