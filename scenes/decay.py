"""Fruit rots, a leaf withers: spots, sunken places, wrinkles, brown."""

from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from simgen.core.assets import Layer, Material
from simgen.core.blend import between
from simgen.core.mesh import Mesh, Model
from simgen.core.rollout import Rollout, quantity
from simgen.core.spec import Body, SceneSpec
from simgen.procedural import models, palette
from simgen.procedural.models import fruit, plant
from simgen.scene.draw import Draw
from simgen.scene.growth import DAY_S, remodeled
from simgen.scene.registry import MeshOf, Phrases, Range, Scene, register

LEAF_SHARE = 0.2
DAYS = {"strawberry": 7, "banana": 14, "tomato": 20, "orange": 40, "apple": 50, "pumpkin": 80}
"""Until a sort of fruit that lies at room temperature is rotten and dry; other sorts and leaves take `OTHER_DAYS`."""
OTHER_DAYS = 25
LEAVES = ("rubber plant", "sunflower", "basil", "peace lily", "primrose")


@register("decay")
@dataclass(frozen=True, kw_only=True)
class Decay(Scene):
    """One to three pieces of fruit, a pumpkin or fallen leaves decay where they lie."""

    sorts: tuple[str, ...] = (
        "banana", "banana", "apple", "apple", "tomato", "pear", "bell pepper", "mango", "strawberry", "orange", "pumpkin",
        "pumpkin",
    )  # fmt: skip
    rot: Range = (0.15, 0.5)
    """Share of the skin that is rotten in the end."""
    shrivel: Range = (0.45, 1.0)
    num_bystanders: tuple[int, int] = (0, 1)

    law = "decay"
    types = (3,)
    claims = ("decay rises",)
    quantities = ("decay", "rotten_share", "volume", "leaf_state")
    subject_size = (0.04, 0.5)
    changed_share = 0.8

    def sample(self, draw: Draw) -> SceneSpec:
        is_leaf = draw.chance(LEAF_SHARE)
        margin = (0.02, 0.1) if is_leaf else (0.16, 0.34)
        view, seed = draw.view(elevation_deg=(26.0, 52.0) if is_leaf else (20.0, 46.0), margin=margin), draw.seed()
        sort = draw.choice(LEAVES if is_leaf else self.sorts)
        many = is_leaf or sort == "strawberry"
        count = 1 if sort == "pumpkin" else draw.choice((1, 2, 3) if many else (1, 1, 2))
        size = draw.uniform((0.09, 0.14)) if is_leaf else draw.uniform(fruit.SORTS[sort].size_m)
        table = plant.dressing(sort, "terracotta", seed) if is_leaf else fruit.dressing(sort, seed)
        hue = draw.integer((0, 2))
        line = view.azimuth_rad + draw.uniform((-0.5, 0.5))
        aside, along = np.array([-np.sin(line), np.cos(line)]), 0.0
        bodies: list[Body] = []
        for k in range(count):
            ripe = draw.uniform((0.85, 1.0))
            made = (
                models.make("leaf", variant=sort, seed=seed + k, size_m=size)
                if is_leaf
                else models.make("fruit", variant=sort, seed=seed + k, size_m=size, hue=hue, ripeness=ripe)
            )
            turn = line + draw.uniform((-0.2, 0.2)) if sort == "banana" else draw.angle()
            body = draw.model(
                made, k + 1, role="actor", label="leaf" if is_leaf else sort,
                substance="plant" if is_leaf else fruit.substance(sort), yaw_rad=turn, materials=table,
            )  # fmt: skip
            radius = (
                0.11 * size
                if sort == "banana"
                else float(np.linalg.norm(body.size_m[:2])) / 2 * (0.6 if is_leaf else 0.82)
            )
            along += radius if k else 0.0
            at = along * aside
            along += radius + 0.006
            bodies.append(replace(body, position_m=(float(at[0]), float(at[1]), body.position_m[2])))
        bodies += draw.bystanders(bodies, draw.integer(self.num_bystanders), view=view)
        inputs = {
            "shrivel": draw.event.uniform(self.shrivel),
            "rot": draw.event.uniform(self.rot),
            "brown": draw.event.uniform((0.25, 0.6)),
        }
        days = inputs["shrivel"] * (OTHER_DAYS if is_leaf else DAYS.get(sort, OTHER_DAYS))
        return draw.spec(
            self.name, bodies, camera=view, end_state="steady", duration_s=days * DAY_S, physics_s=0.05,
            inputs=tuple(inputs.items()),
        )  # fmt: skip

    def develop(self, rollout: Rollout, mesh_of: MeshOf) -> Rollout:
        spec, first = rollout.spec, rollout.spec.actor.model
        assert first is not None
        shrivel, rot, brown = (spec.input(name) for name in ("shrivel", "rot", "brown"))
        is_leaf = first.name == "leaf"

        def decayed(made: Model, phase: float) -> Model:
            numbers = {"wilt": shrivel} if is_leaf else {"shrivel": shrivel, "rot": rot, "brown": brown}
            return made.but(**{name: between(0.0, end, phase) for name, end in numbers.items()})

        def spoilt(skin: Material, phase: float) -> Material:
            if phase == 0:
                return skin
            rough = between(skin.roughness, min(0.7, skin.roughness + 0.2), phase)
            layers = _rot(between(0.0, rot, phase))
            return palette.but(skin, layers=layers, coat=between(skin.coat, 0.0, phase), roughness=rough)

        def volume_m3(phase: float) -> float:
            return 0.0 if is_leaf else _skin_m3(models.build(decayed(first, phase) if phase > 0 else first))

        for body in spec.bodies:
            if body.role != "actor" or body.model is None:
                continue
            rollout = remodeled(rollout, body, partial(decayed, body.model), mesh_of)
            if not is_leaf:
                rollout = rollout.resurfaced(body.id, partial(spoilt, dict(body.materials)["skin"]), slot="skin")
        rotten = 0.0 if is_leaf else rot
        return rollout.then(
            quantities=(
                quantity("decay", lambda phase: between(0.0, shrivel, phase), unit="", provenance="prescribed"),
                quantity("leaf_state", lambda _: float(is_leaf), unit="", provenance="derived"),
                quantity("rotten_share", lambda phase: between(0.0, rotten, phase), unit="1", provenance="prescribed"),
                quantity("volume", volume_m3, unit="m3", provenance="derived"),
            )
        )

    phrases = Phrases(
        superficial=(
            "(leaf_state ends below 0.5) [Let|Make] {actor} [rot|spoil|go bad|decay].",
            "(leaf_state ends above 0.5) [Let|Make] {actor} [wither|dry up|decay|turn brown and dry].",
            "[Show|Picture] {actor} after [weeks of decay|some weeks|decay has set in].",
        ),
        intermediate=(
            "(leaf_state ends below 0.5) Let {actor} [rot|decay], so that brown soft spots [spread|grow] and the skin "
            "[shrivels|wrinkles].",
            "(leaf_state ends below 0.5) [Make|Let] {actor} [spoil|go bad]: the [skin|surface] [sinks in|wrinkles] and "
            "dark brown spots [appear|spread].",
            "(leaf_state ends above 0.5) Let {actor} [wither|dry up], so that the green [fades|turns] to yellow and brown and "
            "the edges [curl up|curl in].",
            "(leaf_state ends above 0.5) [Make|Let] {actor} [decay|dry out]: [brown and brittle|dry and brown], with "
            "edges that [curl up|curl inwards].",
        ),
        explicit=(
            "(leaf_state ends below 0.5) {actor} {is/are} rotten: brown, sunken spots cover {rotten_share.end} of the "
            "skin, which is [wrinkled|shrivelled], and the flesh has [shrunk|lost water]; (everything else stays) "
            "everything else [stays as it is|stays the same].",
            "(leaf_state ends below 0.5) {actor} {has/have} decayed: the skin is [shrivelled|wrinkled] and dull, with dark "
            "brown spots on {rotten_share.end} of it; (everything else stays) nothing else [changes|is different].",
            "(leaf_state ends above 0.5) {actor} {has/have} withered: [yellow-brown|brown] instead of green, smaller, and "
            "[curled up|rolled up] at the edges; (everything else stays) everything else [stays as it is|stays the same].",
            "(leaf_state ends above 0.5) {actor} {is/are} dry and brown, the edges [curled up|rolled in], where a fresh "
            "green surface was, and (everything else stays) nothing else [changes|is different].",
        ),
    )


def _rot(level: float) -> tuple[Layer, ...]:
    """Brown around, darker and wet in the middle."""
    soft = palette.but(palette.skin("#6b4522", "#43290f", spots=0.8, scale_m=0.006), roughness=0.5, coat=0.0)
    dark = palette.but(palette.skin("#2e1c0e", "#1a0f07", spots=0.6, scale_m=0.004), roughness=0.35, coat=0.1)
    return (
        Layer(top=soft, field="rot", level=level, softness=0.06, rough=0.012, rough_m=0.004),
        Layer(top=dark, field="rot", level=0.55 * level, softness=0.12, rough=0.02, rough_m=0.003),
    )


def _skin_m3(mesh: Mesh) -> float:
    return models.volume_m3(Mesh(surfaces=tuple(s for s in mesh.surfaces if s.slot == "skin")))
