"""Iron rusts, bronze and copper get a green patina, wood turns grey, stone gets dark and overgrown with lichen."""

from dataclasses import dataclass, replace

import numpy as np

from simgen.core.assets import Layer, Material, Pattern
from simgen.core.blend import between
from simgen.core.mesh import Field
from simgen.core.rollout import Rollout, quantity
from simgen.core.spec import Body, SceneSpec
from simgen.procedural import models, palette
from simgen.scene.draw import Draw, NothingFits
from simgen.scene.growth import YEAR_S
from simgen.scene.registry import MeshOf, Phrases, Range, Scene, register

IRON = {
    "key": ("old {} key", (0.10, 0.14)), "chain": ("chain", (0.2, 0.3)), "pipe": ("pipe", (0.25, 0.4)),
    "bucket": ("bucket", (0.26, 0.32)), "watering can": ("watering can", (0.34, 0.42)), "gear": ("pair of {} gears", (0.14, 0.24)),
    "bolt": ("bolt and nut", (0.1, 0.16)), "horseshoe": ("horseshoe", (0.13, 0.16)), "padlock": ("padlock", (0.1, 0.14)),
    "anvil": ("anvil", (0.3, 0.4)), "pan": ("frying pan", (0.3, 0.42)),
}  # fmt: skip
BRONZE = {
    "bell": ("bell", (0.16, 0.26)), "urn": ("urn", (0.26, 0.36)), "cat": ("cat figure", (0.24, 0.34)),
    "watering can": ("watering can", (0.34, 0.42)), "padlock": ("padlock", (0.1, 0.14)), "key": ("old {} key", (0.11, 0.14)),
}  # fmt: skip
STONE = {"urn": ("garden urn of stone", (0.4, 0.55)), "cat": ("stone cat", (0.3, 0.42))}
WOOD = {"bench": ("garden bench", (0.9, 1.3)), "crate": ("crate", (0.34, 0.46)), "fence": ("fence", (0.8, 1.2))}
YEARS = {1.0: 3.0, 2.0: 20.0, 3.0: 15.0, 4.0: 4.0}
"""Until a thing outdoors is covered all over: steel rusts and wood turns grey in a few years, a patina takes decades."""
DEPOSITS = ((1.5, "rust"), (2.5, "green patina"), (3.5, "dark grime and lichen"), (4.5, "a silvery grey"))


@register("weathering")
@dataclass(frozen=True, kw_only=True)
class Weathering(Scene):
    """Something has stood in wind and rain for years: rust, patina, lichen or grey wood covers part of it."""

    share: Range = (0.2, 0.9)
    """Of the surface that is covered in the end."""
    catalogue_probability: float = 0.15
    """How often a metal thing of the catalogue rusts."""
    num_bystanders: tuple[int, int] = (0, 1)

    law = "corrosion and weathering"
    types = (18,)
    quantities = ("covered_share", "deposit")
    subject_size = (0.05, 0.6)
    changed_share = 0.75

    def sample(self, draw: Draw) -> SceneSpec:
        view = draw.view(elevation_deg=(16.0, 38.0), margin=(0.1, 0.24))
        share = draw.event.uniform(self.share)
        kind = draw.choice(("iron", "iron", "iron", "iron", "bronze", "bronze", "stone", "wood"))
        actor, deposit = self.actor(draw, kind, view.azimuth_rad)
        bodies = [actor, *draw.bystanders([actor], draw.integer(self.num_bystanders), view=view)]
        return draw.spec(
            self.name, [replace(body, static=True) for body in bodies], camera=view,
            duration_s=YEARS[deposit] * share * YEAR_S, physics_s=0.05, end_state="steady",
            inputs=(("covered_share", share), ("deposit", deposit), ("seed", float(draw.seed() % 997))),
            stage=draw.stage(("floor",) if kind in ("wood", "stone") else ("table", "floor", "sweep")),
        )  # fmt: skip

    def actor(self, draw: Draw, kind: str, azimuth_rad: float) -> tuple[Body, float]:
        """What weathers, with the field by which it does, and the number of what comes upon it."""
        seed = draw.seed()
        turn = azimuth_rad + np.pi / 2 + draw.uniform((-0.7, 0.7))
        if kind == "iron" and draw.chance(self.catalogue_probability):
            try:
                asset = draw.object(size_m=(0.06, 0.4), where=lambda a, _: a.substance == "metal")
                field = self.field(draw, seed, max(asset.size_m))
                return draw.body(asset, 1, role="actor", fields=(field,)), 1.0
            except NothingFits:
                pass
        table = {"iron": IRON, "bronze": BRONZE, "stone": STONE, "wood": WOOD}[kind]
        variant = draw.choice(tuple(table))
        name, sizes = table[variant]
        size = draw.uniform(sizes)
        if kind == "iron":
            word, look = draw.choice(
                (
                    ("iron", palette.metal(draw.color("#4a4c4f", "#5b5d60"), roughness=0.42)),
                    ("steel", palette.metal(draw.color("#9a9da1", "#b3b6b9"), roughness=0.28)),
                    ("steel", palette.metal("#8c9095", roughness=0.34, brushed=0.05, seed=seed)),
                )
            )
            deposit = 1.0
        elif kind == "bronze":
            word, look = draw.choice(
                (("bronze", palette.metal("#8a5a2e", roughness=0.3)), ("copper", palette.metal("#c0714a", roughness=0.25)),
                 ("brass", palette.metal("#c49a48", roughness=0.25)))
            )  # fmt: skip
            deposit = 2.0
        elif kind == "stone":
            word, deposit = "", 3.0
            look = palette.stone(draw.color("#cfc8b8", "#c4bfb6", "#d6cbb4"), "#a9a294", seed=seed)
        else:
            word, deposit = "wooden", 4.0
            light, dark = draw.choice((("#b9793f", "#87502a"), ("#c28f56", "#8f5f33"), ("#a8683a", "#6f4023")))
            grain = Pattern(
                kind="noise", color=palette.colour(dark), amount=0.6, scale_m=0.012,
                stretch=(1.0, 1.0, 14.0) if variant == "fence" else (14.0, 1.5, 1.0), bump_m=0.0002, seed=seed,
            )  # fmt: skip
            look = Material(template="wood", base_color=palette.colour(light), roughness=0.55, patterns=(grain,))
        made = models.make("ironware", variant=variant, seed=seed, size_m=size)
        substance = {"stone": "stone", "wood": "wood", "bronze": word}.get(kind, "metal")
        body = draw.model(
            made, 1, role="actor", label=(name.format(word) if "{}" in name else f"{word} {name}").strip(), substance=substance,
            yaw_rad=turn, material=look, fields=(self.field(draw, seed, size, upward=kind in ("wood", "stone")),),
        )  # fmt: skip
        return body, deposit

    def field(self, draw: Draw, seed: int, size_m: float, *, upward: bool = False) -> Field:
        """Where it begins: below and in patches for metal, on what the rain falls on for wood and stone."""
        lean = (0.0, 0.0, 0.3) if upward else (0.0, 0.0, -draw.uniform((0.0, 0.7)))
        return Field(
            name="weather", seed=seed, wave_m=size_m * draw.uniform((0.07, 0.26)), octaves=5, lean=lean,
            facing=(0.0, 0.0, draw.uniform((0.1, 0.5))) if upward else (0.0, 0.0, 0.0),
        )  # fmt: skip

    def layers(self, deposit: float, share: float, seed: int, size_m: float) -> tuple[Layer, ...]:
        grain = float(np.clip(size_m / 45.0, 0.002, 0.009))
        top = Layer(top=Material(), field="weather", level=share, softness=0.05, rough=0.1, rough_m=1.2 * grain)
        if deposit < 1.5:
            flakes = Pattern(
                color=palette.colour("#3f1d0e"),
                amount=0.8,
                scale_m=grain,
                bump_m=0.12 * grain,
                roughness=0.1,
                seed=seed,
            )
            pale = Pattern(
                color=palette.colour("#c47a3a"), amount=0.6, scale_m=0.6 * grain, bump_m=0.04 * grain, seed=seed
            )
            stain = Material(
                template="rust", base_color=palette.colour("#8a4a22"), roughness=0.75, metallic=0.2, patterns=(pale,)
            )
            crust = Material(template="rust", base_color=palette.colour("#7b3716"), roughness=0.95, patterns=(flakes,))
            return (
                replace(top, top=stain, softness=0.12),
                replace(top, top=crust, level=0.72 * share, rough=0.1, thickness_m=0.06 * grain),
            )
        if deposit < 2.5:
            spots = Pattern(
                color=palette.colour("#74998a"), amount=0.7, scale_m=1.4 * grain, bump_m=0.03 * grain, seed=seed
            )
            brown = Material(template="metal", base_color=palette.colour("#4c3220"), roughness=0.6, metallic=1.0)
            green = Material(template="stone", base_color=palette.colour("#426e61"), roughness=0.85, patterns=(spots,))
            return (
                replace(top, top=brown, level=min(1.0, 1.12 * share), softness=0.2),
                replace(top, top=green, softness=0.08, rough=0.1, thickness_m=0.03 * grain),
            )
        if deposit < 3.5:
            black = Pattern(
                color=palette.colour("#1f201c"), amount=0.6, scale_m=2.0 * grain, bump_m=0.03 * grain, seed=seed
            )
            lichen = Pattern(
                color=palette.colour("#8d8f4e"), amount=0.8, scale_m=0.7 * grain, bump_m=0.06 * grain, seed=seed
            )
            grime = Material(template="stone", base_color=palette.colour("#54534b"), roughness=0.95, patterns=(black,))
            crust = Material(template="stone", base_color=palette.colour("#b2ac62"), roughness=1.0, patterns=(lichen,))
            return (
                replace(top, top=grime, softness=0.18, rough=0.1),
                replace(top, top=crust, level=0.28 * share, rough=0.16, thickness_m=0.05 * grain),
            )
        cracks = Pattern(
            kind="noise", color=palette.colour("#5f5d58"), amount=0.75, scale_m=0.006, stretch=(16.0, 1.5, 1.0),
            bump_m=0.0006, seed=seed,
        )  # fmt: skip
        grey = Material(template="wood", base_color=palette.colour("#a09d97"), roughness=0.95, patterns=(cracks,))
        return (replace(top, top=grey, softness=0.3, rough=0.1),)

    def develop(self, rollout: Rollout, mesh_of: MeshOf) -> Rollout:
        body, spec = rollout.spec.actor, rollout.spec
        share, deposit = spec.input("covered_share"), spec.input("deposit")
        before = body.material or Material(template="own")

        def covered(phase: float) -> float:
            return between(0.0, share, phase)

        def aged(phase: float) -> Material:
            if phase == 0:
                return before
            on_it = self.layers(deposit, covered(phase), int(spec.input("seed")), max(body.size_m) * body.scale)
            if body.model is not None and body.model.variant == "fence":
                upright = tuple(replace(p, stretch=(1.0, 1.0, 16.0)) for p in on_it[0].top.patterns)
                on_it = (replace(on_it[0], top=replace(on_it[0].top, patterns=upright)),)
            return replace(before, layers=(*before.layers, *on_it))

        found = quantity("covered_share", covered, unit="1", provenance="prescribed")
        # Which deposit it is, as a number: one rust, two patina, three grime, four grey wood.
        what = quantity(
            "deposit",
            lambda phase: deposit if phase > 0 else 0.0,
            unit="class",
            provenance="prescribed",
            words=DEPOSITS,
        )
        return rollout.resurfaced(1, aged).then(quantities=(found, what))

    phrases = Phrases(
        superficial=(
            "(deposit ends below 1.5) [Make|Let] {actor} [rust|go rusty].",
            "(deposit ends above 1.5; deposit ends below 2.5) [Make|Let] {actor} [tarnish|go green with patina].",
            "(deposit ends above 3.5) [Make|Let] {actor} [turn grey|weather to grey|go grey with age].",
            "[Let|Make] {actor} [weather|age] [outdoors|in wind and rain].",
        ),
        intermediate=(
            "[Leave|Keep] {actor} [out in the rain|outdoors] for [years|a long time], so that {deposit.end word} "
            "[spreads over|covers] {covered_share.end} of its surface.",
            "[Let|Make] {actor} weather until {deposit.end word} [covers|has spread over] {covered_share.end} of it.",
        ),
        explicit=(
            "{deposit.end word} [covers|lies on] {covered_share.end} of the surface of {actor}, in [patches|spots] with "
            "ragged borders; its shape and [place|position] are the same, and (everything else stays) nothing else changes.",
            "After [years|a long time] [outdoors|in wind and rain], {actor} has {deposit.end word} on {covered_share.end} of "
            "its surface, [dull and rough|rough and dull] where it was smooth<; (everything else stays) nothing else "
            "changes>.",
        ),
    )
