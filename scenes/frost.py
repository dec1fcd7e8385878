"""Frost grows over a thing: white, granular, with needles that stand off its edges and top."""

from dataclasses import dataclass
from dataclasses import replace as but

import numpy as np

from simgen.core.assets import Layer, Material
from simgen.core.blend import between
from simgen.core.mesh import Field, Mesh
from simgen.core.rollout import Rollout, quantity
from simgen.core.spec import SceneSpec
from simgen.core.tracks import Matter
from simgen.core.vectors import Floats
from simgen.procedural import models, palette
from simgen.procedural.fields import covered_m2, field_values
from simgen.procedural.models import make
from simgen.procedural.models.ice import ICE_KGPM3
from simgen.procedural.models.scatter import grown_needles, needles, sown
from simgen.scene.draw import Draw
from simgen.scene.registry import MeshOf, Phrases, Range, Scene, register

NEEDLE_MPS = 1e-3 / 3600
"""Hoarfrost grows by about a millimetre an hour in a calm, clear night."""


@register("frost")
@dataclass(frozen=True, kw_only=True)
class Frost(Scene):
    """Water vapour settles as ice on a cold thing, first where it faces the sky."""

    grown: Range = (0.3, 0.7)
    """Share of the surface under frost at the end."""
    needle_m: Range = (0.0025, 0.0045)
    """Length of the longest needles."""
    needles_per_m2: float = 420000.0

    subject_size = (0.03, 0.5)
    law = "deposition of water vapour"
    types = (40,)
    quantities = ("frosted_share", "frosted_area")

    def sample(self, draw: Draw) -> SceneSpec:
        view = draw.view(elevation_deg=(12.0, 34.0), margin=(0.08, 0.2))
        chosen = draw.object(
            size_m=(0.05, 0.3),
            where=lambda a, shape: not a.label.startswith("white") and shape.support().tip_angle_rad > 0.12,
        )
        scale = min(1.0, 0.16 / max(chosen.size_m))
        size = scale * max(chosen.size_m)
        rime = Field(
            name="rime", seed=draw.seed(), wave_m=draw.uniform((0.25, 0.5)) * max(chosen.size_m), octaves=5,
            facing=(0.0, 0.0, draw.uniform((0.5, 1.0))), lean=(0.0, 0.0, draw.uniform((0.2, 0.9))),
        )  # fmt: skip
        cold = draw.body(chosen, 1, role="actor", static=True, fields=(rime,), scale=scale)
        fur = draw.model(
            make("puddle", volume_m3=1e-8, contact_deg=60.0), 2, role="affected", label="frost", substance="ice", parent=1,
            position_m=cold.position_m, quaternion=cold.quaternion, material=_crystal(draw.seed()),
        )  # fmt: skip
        inputs = {"seed": float(draw.seed()), "grown": draw.event.uniform(self.grown)}
        inputs["needle_m"] = draw.event.uniform(self.needle_m) * min(1.0, size / 0.1)
        bodies = [cold, fur]
        bodies += draw.bystanders(bodies, draw.integer((0, 1)), view=view)
        return draw.spec(
            self.name, bodies, camera=view, end_state="steady", inputs=tuple(inputs.items()),
            duration_s=inputs["needle_m"] / NEEDLE_MPS, physics_s=0.05,
        )  # fmt: skip

    def develop(self, rollout: Rollout, mesh_of: MeshOf) -> Rollout:
        spec = rollout.spec
        cold, grown, seed = spec.body(1), spec.input("grown"), int(spec.input("seed"))
        rng = spec.rng("seed")
        skin, rime = mesh_of(cold), cold.fields[0]
        points, normals, age = self._seeds(skin, rime, cold.scale, grown, rng)
        lengths = spec.input("needle_m") * (0.25 + 0.75 * np.sqrt(age)) * rng.uniform(0.35, 1.0, len(age))
        fur = needles(points, normals, lengths, rng)

        def shares(phase: float) -> Floats:
            """How much of their length needles have: each grows evenly from when the frost gets to its place."""
            return np.asarray(np.clip((phase - (1.0 - age)) / np.maximum(age, 1e-9), 0.0, 1.0))

        def mesh(phase: float) -> Mesh:
            if phase == 1.0:
                return Mesh(surfaces=(fur,))
            there = shares(phase)
            return Mesh(surfaces=(grown_needles(fur, points, there),)) if there.any() else mesh_of(spec.body(2))

        def matter(phase: float) -> Matter:
            there = models.volume_m3(mesh(phase)) if shares(phase).any() else 0.0
            return Matter(mass_kg=there * ICE_KGPM3, substance="ice")

        def covered(phase: float) -> float:
            return between(0.0, grown, phase)

        def rimed(phase: float) -> Material:
            white = Layer(
                top=_crystal(seed), field="rime", level=covered(phase), softness=0.5, rough=0.3, rough_m=0.0045,
                thickness_m=0.0004,
            )  # fmt: skip
            return Material(template="own", layers=(white,))

        def area_cm2(phase: float) -> float:
            area = covered_m2(rime, skin, covered(phase)) * cold.scale**2
            return 1e4 * area if phase else 0.0

        return (
            rollout.resurfaced(1, rimed)
            .reshaped(2, mesh)
            .weighed(2, matter)
            .shown(2, lambda phase: bool(shares(phase).any()))
            .then(
                quantities=(
                    quantity("frosted_share", covered, unit="1", provenance="prescribed"),
                    quantity("frosted_area", area_cm2, unit="cm²", provenance="derived"),
                )
            )
        )

    def _seeds(
        self, skin: Mesh, rime: Field, scale: float, grown: float, rng: np.random.Generator
    ) -> tuple[Floats, Floats, Floats]:
        """Where needles stand, the normals there, and their age at the end: 1 where frost came first, 0 where it came
        last."""
        corners = scale * skin.vertices_m[skin.triangles]
        area = float(
            np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1).sum() / 2
        )
        count = int(np.clip(self.needles_per_m2 * area, 2000, 22000))
        points, normals = sown(skin, count, rng)
        level = _nearest(field_values(rime, skin), skin, points)
        keep = level < grown
        return points[keep] * scale, normals[keep], (grown - level[keep]) / grown

    phrases = Phrases(
        superficial=(
            "[Cover {actor} with|Have {actor} covered in] [frost|hoarfrost|rime|white frost].",
            "Let [frost|hoarfrost] [grow over|form on|cover] {actor}.",
        ),
        intermediate=(
            "Let [water vapour|moisture from the air] [freeze|gather as ice] on {actor}, so that [white frost|a white rime] "
            "[covers|lies on] {frosted_share.end} of it.",
            "[Frost grows|Let frost grow] over {actor}: [white crystals cover|a white crust of ice crystals covers] "
            "[{frosted_share.end} of its surface|(frosted_share ends above 0.5) the larger part of it].",
        ),
        explicit=(
            "{actor}, [bare|clean] before, is white with frost on {frosted_share.end} of its surface, [most of all on "
            "top|thickest on top]: [small needles of ice stand on it|fine ice crystals bristle from it]; (everything else "
            "stays) nothing else changes.",
            "[White ice crystals|Crystals of frost] [have grown|are] on {frosted_share.end} of {actor}; between them its own "
            "[colour|surface] still shows, and (everything else stays) nothing else [moves|is different].",
        ),
    )


def _crystal(seed: int) -> Material:
    white = palette.frost(seed=seed)
    return but(white, subsurface=0.0, roughness=0.45)


def _nearest(values: Floats, mesh: Mesh, points: Floats) -> Floats:
    """A number known at vertices, at other points of the skin: that of the nearest vertex, in boxes of a few mm."""
    found = np.empty(len(points))
    vertices = mesh.vertices_m
    for first in range(0, len(points), 400):
        part = points[first : first + 400]
        squared = (part**2).sum(1)[:, None] - 2 * part @ vertices.T + (vertices**2).sum(1)[None]
        found[first : first + 400] = values[squared.argmin(axis=1)]
    return found
