"""An object is turned about the vertical where it stands."""

from dataclasses import dataclass

import numpy as np

from simgen.core.assets import ObjectAsset
from simgen.core.blend import between
from simgen.core.geometry import Shape, quat, quat_from_axis_angle, quat_multiply, vec3
from simgen.core.rollout import Rollout, quantity
from simgen.core.spec import SceneSpec
from simgen.core.vectors import Quat, Vec3
from simgen.scene.draw import Draw
from simgen.scene.registry import MeshOf, Phrases, Range, Scene, register

SENSES = ((0.0, "clockwise"), (360.0, "counter-clockwise"))
"""As seen from above."""


@register("turn")
@dataclass(frozen=True, kw_only=True)
class Turn(Scene):
    """Something that looks different from every side is turned by hand about the vertical through its centre."""

    turn_deg: Range = (50.0, 150.0)
    """Half as much for what looks the same after half a turn: from 90 degrees on nobody could tell which way it went."""
    num_bystanders: tuple[int, int] = (0, 2)

    own_up_to_m = 1.2
    law = "rigid rotation"
    types = (23,)
    quantities = ("turn",)
    subject_size = (0.05, 0.4)
    changed_share = 0.75

    def sample(self, draw: Draw) -> SceneSpec:
        view = draw.view(elevation_deg=(18.0, 40.0), margin=(0.24, 0.4))
        asset = draw.object(size_m=(0.08, 0.32), where=lambda a, shape: _has_sides(a) and _stands(shape))
        bodies = [draw.body(asset, 1, role="actor")]
        bodies += draw.bystanders(bodies, draw.integer(self.num_bystanders), view=view)
        turn = draw.event.choice((-1.0, 1.0)) * draw.event.uniform(self.turn_deg)
        turn *= 0.5 if asset.kind in TWOFOLD else 1.0
        return draw.spec(
            self.name, bodies, camera=view, duration_s=1.0, end_state="steady", inputs=(("turn_deg", turn),)
        )

    def develop(self, rollout: Rollout, mesh_of: MeshOf) -> Rollout:
        track, turn_deg = rollout.poses(1), rollout.spec.input("turn_deg")

        def turned(phase: float) -> tuple[Vec3, Quat]:
            about = quat_from_axis_angle((0, 0, 1), np.radians(between(0.0, turn_deg, phase)))
            return vec3(track.position_m[-1]), quat(quat_multiply(about, track.quaternion[-1]))

        angle = quantity(
            "turn", lambda phase: between(0.0, turn_deg, phase), unit="deg", provenance="prescribed", words=SENSES
        )
        return rollout.posed(1, turned).then(quantities=(angle,))

    phrases = Phrases(
        superficial=(
            "[Turn|Rotate] {actor} [on the spot|where it stands].",
            "[Turn|Rotate] {actor} [{turn.end word} as seen from above|{turn.end word}].",
            "[Turn|Rotate] {actor} [{turn.end word} about the vertical|about the vertical].",
        ),
        intermediate=(
            "[Turn|Rotate] {actor} {turn.end word} by {turn.change}, [on the spot|where it stands].",
            "[Turn|Rotate] {actor} so that it faces another way, {turn.change} {turn.end word} as seen from above.",
            "Make {actor} turn {turn.end word} as seen from above, by {turn.change}.",
            "[Turn|Rotate] {actor} by {turn.change} about the vertical, {turn.end word}.",
        ),
        explicit=(
            "{actor} [turns|rotates] {turn.end word} as seen from above by {turn.change}, [on the spot|where it "
            "stands]<; (everything else stays) [everything else stays where it is|nothing else moves]>.",
            "{actor} [has been|is] turned {turn.end word} by {turn.change} about the vertical and [shows|presents] "
            "another side<; (everything else stays) [nothing else moves|all else is unchanged]>.",
        ),
    )


ALIKE = {
    *("ball", "bowl", "plate", "die", "puck", "cup", "vase", "pot", "jar", "roll", "cylinder", "block", "brick"),
    *("domino", "candle", "spool", "pin", "mill", "can", "bottle", "bell"),
}
"""Kinds of things that look the same, or nearly so, from several sides."""


TWOFOLD = ("block", "domino", "box", "soap", "arch")
"""Kinds that look the same, or nearly so, after half a turn; those with a square foot do after a quarter."""


def _has_sides(asset: ObjectAsset) -> bool:
    width, depth = sorted(asset.size_m[:2])
    return depth > 1.6 * width if asset.kind in TWOFOLD else asset.kind not in ALIKE


def _stands(shape: Shape) -> bool:
    return shape.roll_axis() is None and shape.support().tip_angle_rad > 0.25
