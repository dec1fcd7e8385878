"""Drops of water form on something cold: a glass with an iced drink, a bottle, a can, a vase."""

import copy
from dataclasses import dataclass
from dataclasses import replace as but

import numpy as np

from simgen.core.assets import Layer, Material
from simgen.core.blend import between
from simgen.core.mesh import Field, Mesh
from simgen.core.rollout import Rollout, quantity
from simgen.core.spec import Body, SceneSpec
from simgen.core.tracks import Matter
from simgen.core.vectors import Floats
from simgen.procedural import models, palette
from simgen.procedural.models import make
from simgen.procedural.models.coldware import hollow
from simgen.procedural.models.ice import WATER_KGPM3, below_m3
from simgen.procedural.models.scatter import apart, cap_m3, drops, sown
from simgen.scene.draw import Draw
from simgen.scene.registry import MeshOf, Phrases, Range, Scene, register

GLASSES = (
    ("tumbler", (0.034, 0.04), (2.3, 3.0)),
    ("straight", (0.032, 0.038), (2.4, 3.2)),
    ("beaker", (0.036, 0.044), (1.8, 2.3)),
)
DRINKS = (("#f2a33c", "iced tea"), ("#e0563a", "red lemonade"), ("#f3c24a", "lemonade"),
          ("#8cc76a", "green lemonade"), ("#6fb7e6", "blue lemonade"), ("#eef6f8", "ice water"))  # fmt: skip

DROPS_MPS = 3e-6
"""How fast the largest drops get larger: some 3 mm in a quarter of an hour, as on a glass taken out into humid air."""


@register("condensation")
@dataclass(frozen=True, kw_only=True)
class Condensation(Scene):
    """A cold thing in humid air is hazed over and covered with drops, the largest hanging on its sides."""

    covered: Range = (0.26, 0.46)
    """Share of the skin that is under drops, at most."""
    contact_deg: Range = (50.0, 66.0)
    largest_m: Range = (0.0026, 0.0042)
    """Radius of the largest drops; above that they run."""
    glass_probability: float = 0.85
    """How often it is a glass with a drink and not an object of the catalogue."""

    subject_size = (0.03, 0.5)
    law = "condensation on a surface below the dew point"
    types = (39,)
    quantities = ("drop_count", "drop_volume")

    def sample(self, draw: Draw) -> SceneSpec:
        view = draw.view(elevation_deg=(8.0, 24.0), margin=(0.12, 0.26))
        if draw.chance(self.glass_probability):
            cold, *inside = _iced(draw)
            top_m = inside[0].size_m[2] + 0.004
        else:
            chosen = draw.object(
                size_m=(0.06, 0.24),
                where=lambda a, shape: a.substance == "glass" and a.size_m[2] > 0.9 * a.size_m[0],
            )
            scale = min(1.0, 0.15 / max(chosen.size_m))
            haze = Field(name="haze", seed=draw.seed(), wave_m=0.05)
            cold, inside = draw.body(chosen, 1, role="actor", static=True, fields=(haze,), scale=scale), []
            top_m = 0.93 * scale * chosen.size_m[2]
        # The drops are a body of their own, in the place of the cold one; there is nothing of them before.
        film = draw.model(
            make("puddle", volume_m3=1e-8, contact_deg=60.0), 2, role="affected", label="drops", substance="water", parent=1,
            position_m=cold.position_m, quaternion=cold.quaternion, material=palette.liquid("#fbfdfe"),
        )  # fmt: skip
        comes = draw.event
        inputs = {"seed": float(comes.seed()), "covered": comes.uniform(self.covered), "top_m": top_m}
        inputs |= {"contact_deg": comes.uniform(self.contact_deg), "largest_m": comes.uniform(self.largest_m)}
        bodies = [cold, film, *inside]
        bodies += draw.bystanders(bodies, draw.integer((0, 1)), view=view)
        return draw.spec(
            self.name, bodies, camera=view, end_state="steady", inputs=tuple(inputs.items()),
            duration_s=inputs["largest_m"] / DROPS_MPS, physics_s=0.05, lights=draw.lights(view) or draw.lights(view),
        )  # fmt: skip

    def develop(self, rollout: Rollout, mesh_of: MeshOf) -> Rollout:
        spec = rollout.spec
        cold, contact = spec.body(1), spec.input("contact_deg")
        rng = spec.rng("seed")
        skin = _scaled(mesh_of(cold), cold.scale)
        points, normals, radii = _grown(skin, spec.input("top_m"), spec.input("largest_m"), spec.input("covered"), rng)

        def radii_m(phase: float) -> Floats:
            # Water gathers at an even pace.
            return np.asarray(radii * phase ** (1 / 3))

        def film(phase: float) -> Mesh:
            if phase == 0.0:
                return mesh_of(spec.body(2))
            # Every drop keeps its own shape.
            return Mesh(surfaces=(drops(points, normals, radii_m(phase), contact, copy.deepcopy(rng)),))

        def volume(phase: float) -> float:
            return float(cap_m3(radii_m(phase), contact).sum())

        def matter(phase: float) -> Matter:
            return Matter(mass_kg=volume(phase) * WATER_KGPM3, substance="water")

        return (
            rollout.reshaped(2, film)
            .weighed(2, matter)
            .shown(2, lambda phase: phase > 0.0)
            .resurfaced(1, lambda phase: _hazed(cold, between(0.0, 0.22, phase)), slot="wall" if cold.model else "")
            .then(
                quantities=(
                    quantity("drop_count", lambda phase: float(len(radii) if phase else 0), unit="count", provenance="derived"),
                    quantity("drop_volume", lambda phase: 1e6 * volume(phase), unit="ml", provenance="derived"),
                )
            )
        )  # fmt: skip

    phrases = Phrases(
        superficial=(
            "[Cover {actor} with|Have {actor} covered in] [droplets of condensation|condensation|droplets of water].",
            "Let [moisture|water] condense on {actor}.",
            "[Make {actor} sweat in warm air|Let {actor} mist over|Let droplets of water form on {actor}].",
        ),
        intermediate=(
            "Let [water|moisture] from the [air|humid air] condense on the cold {actor.label}, so that [droplets cover it|it is "
            "dotted with droplets|it is beaded with water].",
            "[Bring {actor}, cold as it is, into humid air|Keep {actor} cold in humid air], so that [a film of droplets|a coat "
            "of water droplets] [forms on|covers] its outside.",
        ),
        explicit=(
            "The outside of {actor}, dry before, is [covered with|dotted with] [hundreds of|many] clear droplets of water, [a few "
            "large ones among many small ones|small ones and a few that hang]<, {drop_volume.end} of water in all>; (everything "
            "else stays) nothing else changes.",
            "Water vapour [condenses|turns to water] on the cold {actor.label}: [its dry skin|its clean surface] is now "
            "[hazy and full of round droplets|misted and beaded with round droplets], (everything else stays) all else is as it was.",
        ),
    )


def _iced(draw: Draw) -> list[Body]:
    """A glass, its drink and two pieces of ice in it."""
    variant, radius, slender = draw.choice(GLASSES)
    wide = draw.uniform(radius)
    numbers = {"radius_m": wide, "height_m": wide * draw.uniform(slender), "wall_m": 0.0024}
    shape = hollow(variant, **numbers)
    level = draw.uniform((0.72, 0.84)) * numbers["height_m"]
    tint, name = draw.choice(DRINKS)
    turn = draw.angle()
    glass = draw.model(
        make("cold_vessel", variant=variant).but(**numbers), 1, role="actor", label=f"glass of {name}", substance="glass",
        yaw_rad=turn, materials=(("wall", palette.glass()),), fields=(Field(name="haze", seed=draw.seed(), wave_m=0.05),),
    )  # fmt: skip
    ice = []
    for k, side in enumerate((-1.0, 1.0)):
        size = 0.62 * (wide - 0.0024)
        spot = side * 0.46 * (wide - 0.003) * np.array([np.cos(turn), np.sin(turn)])
        # Nine tenths of it are under the surface.
        ice.append(
            draw.model(
                make("ice_piece", variant="cube", seed=draw.seed(), size_m=size, melted=0.2, bubbles=40.0), 4 + k,
                role="prop", label="ice cube", substance="ice", at=spot, on_m=level - draw.uniform((0.72, 0.86)) * size,
                yaw_rad=draw.angle(), material=palette.ice(cloudy=0.05, seed=draw.seed()),
                materials=(("core", palette.plastic("#f4f9fb", roughness=0.6)),),
            )
        )  # fmt: skip
    # The drink is up to its level with the ice in it.
    volume = shape.volume_m3(level)
    under = sum(below_m3(models.build(piece.model), level - piece.position_m[2]) for piece in ice if piece.model)
    drink = draw.model(
        make("contents", variant=variant, volume_m3=volume, ice_m3=under).but(**numbers), 3, role="prop", label=name, substance="water",
        material=palette.liquid(tint), position_m=(0.0, 0.0, 0.0),
    )  # fmt: skip
    return [glass, drink, *ice]


def _hazed(cold: Body, level: float) -> Material:
    """A breath of the finest drops, too small to see one by one; at level 0 none."""
    if cold.model:
        fog = Layer(top=palette.glass(roughness=0.2), field="haze", level=1.5 * level, softness=1.2)
        return but(palette.glass(), layers=(fog,))
    fog = Layer(top=palette.plastic("#dfe6ea", roughness=0.6), field="haze", level=level, softness=3.0)
    return Material(template="own", layers=(fog,))


def _scaled(mesh: Mesh, scale: float) -> Mesh:
    return Mesh(surfaces=tuple(but(surface, vertices_m=surface.vertices_m * scale) for surface in mesh.surfaces))


def _grown(
    skin: Mesh, top_m: float, largest_m: float, covered: float, rng: np.random.Generator
) -> tuple[Floats, Floats, Floats]:
    """Where drops sit, and their radii: few large ones, many small ones between them (as breath figures grow). Only
    on the outside, up to a height above the foot: not where the skin faces the axis, nor where it is not cold."""
    points, triangles = skin.vertices_m, skin.triangles
    corners = points[triangles]
    area = float(
        np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1).sum() / 2
    )
    count = int(np.clip(14.0 * area / (np.pi * (0.4 * largest_m) ** 2), 500, 16000))
    places, normals = sown(skin, count, rng)
    axis = (points.max(axis=0) + points.min(axis=0))[:2] / 2
    away = places[:, :2] - axis
    away /= np.maximum(np.linalg.norm(away, axis=1, keepdims=True), 1e-9)
    facing = (away * normals[:, :2]).sum(axis=1)
    high = places[:, 2] - points[:, 2].min()
    # Towards the warm rim there are fewer and fewer.
    outside = (facing > 0.2) & (high > 0.004) & (high < top_m - 0.006 * rng.random(count) ** 2)
    places, normals = places[outside], normals[outside]
    # A power law of sizes, the largest first.
    radii = np.sort(largest_m * (0.17 + 0.83 * rng.random(len(places)) ** 2.4))[::-1]
    # No drop is wider than the bend of what it sits on allows.
    keep = apart(places, radii)
    keep = keep & (np.cumsum(np.where(keep, np.pi * radii**2, 0.0)) <= covered * area)
    return places[keep], normals[keep], radii[keep]
