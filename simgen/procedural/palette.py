"""Named materials with parameters. Colours are sRGB `#rrggbb`, as a designer would give them; a Material holds linear
RGB. Roughness and index of refraction are those of the usual thing; what departs from them is a parameter."""

from dataclasses import replace
from typing import Any

from simgen.core.assets import Material, Pattern
from simgen.core.vectors import Vec3
from simgen.procedural.builtin.noise import linear, rgb

IOR = {"air": 1.0, "ice": 1.31, "water": 1.333, "oil": 1.47, "glass": 1.52}
"""At 589 nm; Hecht, Optics, table 4.1."""


def colour(hex_srgb: str) -> Vec3:
    """Linear RGB of `#rrggbb`."""
    r, g, b = (float(value) for value in linear(rgb(hex_srgb)))
    return (r, g, b)


def plastic(color: str, *, roughness: float = 0.35) -> Material:
    return Material(template="plastic", base_color=colour(color), roughness=roughness)


def rubber(color: str) -> Material:
    return Material(template="rubber", base_color=colour(color), roughness=0.7)


def metal(color: str = "#b9bcc0", *, roughness: float = 0.3, brushed: float = 0.0, seed: int = 0) -> Material:
    """`brushed`: depth of fine scratches along x, in millimetres."""
    lines = Pattern(
        color=colour(color), amount=0.0, scale_m=0.0012, stretch=(40.0, 1.0, 1.0), bump_m=brushed * 0.001,
        roughness=0.1, seed=seed,
    )  # fmt: skip
    return Material(
        template="metal", base_color=colour(color), roughness=roughness, metallic=1.0,
        patterns=(lines,) if brushed else (),
    )  # fmt: skip


def ceramic(color: str, *, roughness: float = 0.16) -> Material:
    return Material(template="ceramic", base_color=colour(color), roughness=roughness, coat=0.4)


def terracotta(color: str = "#b5673f", *, seed: int = 0) -> Material:
    grain = Pattern(color=colour("#8d4a2b"), amount=0.35, scale_m=0.006, bump_m=0.00015, roughness=0.05, seed=seed)
    return Material(template="ceramic", base_color=colour(color), roughness=0.8, patterns=(grain,))


def glass(tint: str = "#f7fbfa", *, roughness: float = 0.0) -> Material:
    return Material(template="glass", base_color=colour(tint), roughness=roughness, ior=IOR["glass"], transmission=1.0)


def liquid(tint: str = "#eef6f8", *, ior: float = IOR["water"]) -> Material:
    return Material(template="liquid", base_color=colour(tint), roughness=0.0, ior=ior, transmission=1.0)


def ice(*, cloudy: float = 0.12, seed: int = 0) -> Material:
    bubbles = Pattern(color=colour("#ffffff"), amount=0.0, scale_m=0.008, bump_m=0.0004, roughness=cloudy, seed=seed)
    return Material(
        template="glass", base_color=colour("#eaf6fb"), roughness=0.04 + cloudy, ior=IOR["ice"], transmission=1.0,
        patterns=(bubbles,),
    )  # fmt: skip


def wood(color: str = "#b98a57", dark: str = "#86572c", *, seed: int = 0) -> Material:
    """Grain along x."""
    grain = Pattern(
        kind="wood", color=colour(dark), amount=0.75, scale_m=0.009, stretch=(14.0, 1.0, 1.0), bump_m=0.0001,
        roughness=0.1, seed=seed,
    )  # fmt: skip
    return Material(template="wood", base_color=colour(color), roughness=0.5, patterns=(grain,))


def stone(color: str = "#8c8a86", dark: str = "#5b5955", *, seed: int = 0) -> Material:
    specks = Pattern(color=colour(dark), amount=0.6, scale_m=0.004, bump_m=0.0003, roughness=0.1, seed=seed)
    return Material(template="stone", base_color=colour(color), roughness=0.75, patterns=(specks,))


def concrete(color: str = "#a3a19c", *, seed: int = 0) -> Material:
    pores = Pattern(color=colour("#7d7b77"), amount=0.4, scale_m=0.018, bump_m=0.0004, seed=seed)
    return Material(template="concrete", base_color=colour(color), roughness=0.9, patterns=(pores,))


def fabric(color: str, *, seed: int = 0) -> Material:
    weave = Pattern(kind="cells", color=(0.02, 0.02, 0.02), amount=0.25, scale_m=0.0015, bump_m=0.0003, seed=seed)
    return Material(template="fabric", base_color=colour(color), roughness=0.95, sheen=0.3, patterns=(weave,))


def paper(color: str = "#f1eee6", *, seed: int = 0) -> Material:
    fibre = Pattern(color=colour("#dcd8cc"), amount=0.3, scale_m=0.002, bump_m=0.00003, seed=seed)
    return Material(template="paper", base_color=colour(color), roughness=0.85, patterns=(fibre,))


def wax(color: str = "#efe2c4") -> Material:
    return Material(
        template="wax", base_color=colour(color), roughness=0.4, subsurface=0.7, subsurface_m=0.012, ior=1.43
    )


def soft(color: str, *, roughness: float = 0.35, subsurface_m: float = 0.008, seed: int = 0) -> Material:
    """Butter, jelly, cheese, clay: light goes a little way into it."""
    return Material(
        template="soft", base_color=colour(color), roughness=roughness, subsurface=0.6, subsurface_m=subsurface_m
    )


def skin(color: str, second: str, *, spots: float = 0.3, scale_m: float = 0.004, seed: int = 0) -> Material:
    """Of fruit and vegetables: waxy, with fine specks of a second colour."""
    specks = Pattern(color=colour(second), amount=spots, scale_m=scale_m, bump_m=0.00005, roughness=0.1, seed=seed)
    return Material(
        template="skin", base_color=colour(color), roughness=0.38, subsurface=0.15, subsurface_m=0.003, coat=0.15,
        patterns=(specks,),
    )  # fmt: skip


def leaf(color: str = "#4f7d2f", vein: str = "#7fa653", *, seed: int = 0) -> Material:
    """Foliage and petals: thin, light shines through."""
    mottle = Pattern(color=colour(vein), amount=0.35, scale_m=0.006, bump_m=0.0002, seed=seed)
    return Material(template="leaf", base_color=colour(color), roughness=0.5, patterns=(mottle,))


def bark(color: str = "#6b4b32", *, seed: int = 0) -> Material:
    ridges = Pattern(
        color=colour("#3c2a1c"), amount=0.7, scale_m=0.006, stretch=(1.0, 1.0, 5.0), bump_m=0.001, seed=seed
    )
    return Material(template="bark", base_color=colour(color), roughness=0.9, patterns=(ridges,))


def soil(color: str = "#4a3526", *, seed: int = 0) -> Material:
    crumbs = Pattern(kind="cells", color=colour("#231810"), amount=0.8, scale_m=0.005, bump_m=0.002, seed=seed)
    return Material(template="soil", base_color=colour(color), roughness=1.0, patterns=(crumbs,))


def frost(*, seed: int = 0) -> Material:
    """Ice crystals: white, scattering, sparkling a little."""
    crystals = Pattern(kind="cells", color=colour("#cfe2ee"), amount=0.5, scale_m=0.0025, bump_m=0.0005, seed=seed)
    return Material(
        template="frost", base_color=colour("#eef5fa"), roughness=0.55, subsurface=0.3, subsurface_m=0.004,
        patterns=(crystals,),
    )  # fmt: skip


def rust(*, seed: int = 0) -> Material:
    flakes = Pattern(color=colour("#4d2310"), amount=0.8, scale_m=0.006, bump_m=0.0006, roughness=0.1, seed=seed)
    return Material(template="rust", base_color=colour("#9a4a1f"), roughness=0.92, patterns=(flakes,))


def mirror() -> Material:
    return Material(template="metal", base_color=(0.93, 0.94, 0.94), roughness=0.0, metallic=1.0)


def shining(color: Vec3, radiance: float, *, base: str = "#ffffff") -> Material:
    """A surface that shines by itself; `color` is linear RGB, `radiance` W/m²/sr."""
    r, g, b = (radiance * value for value in color)
    return Material(template="emission", base_color=colour(base), roughness=0.4, emission=(r, g, b))


def but(material: Material, **changes: Any) -> Material:
    """The same material with some of its fields changed."""
    return replace(material, **changes)
