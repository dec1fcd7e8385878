"""Assets: what a scene can be made of. No path of a machine is in here; `catalog.Catalog` finds the files."""

from dataclasses import dataclass
from typing import Literal

from simgen.core.vectors import Vec3

Split = Literal["train", "test"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """Irregularity finer than a mesh: a second colour and a relief, in the body's own axes."""

    kind: Literal["noise", "cells", "wood", "marble", "stripes"] = "noise"
    color: Vec3 = (0.5, 0.5, 0.5)
    amount: float = 0.5
    """Share of the second colour where the pattern is strongest."""
    scale_m: float = 0.01
    """Size of its features."""
    stretch: Vec3 = (1.0, 1.0, 1.0)
    """How much longer the features are along each axis."""
    bump_m: float = 0.0
    roughness: float = 0.0
    """Added to the roughness where the pattern is strongest."""
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """Another material on top, there where the body's field is below `level`: rust, frost, mould, paint that is left.

    A field is a number from 0 to 1 at every vertex, the level at which that place is covered; the covered share is
    then known from the mesh.
    """

    top: "Material"
    field: str
    """Of `Body.fields` or of the model's own attributes."""
    level: float = 0.5
    softness: float = 0.02
    """Width of the transition, in levels."""
    rough: float = 0.0
    """How far the border strays, in levels, finer than a mesh shows."""
    rough_m: float = 0.004
    """Size of these strays."""
    thickness_m: float = 0.0
    """Relief at the border; negative where the layer lies lower."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """A shader template with its parameters. Colours are linear RGB; maps are file names beside the asset.

    `simgen.procedural.palette` has the named ones; a template that is not one of the few that need a shader of
    their own (`glass`, `liquid`, `leaf`) is a principled surface.
    """

    template: str = "principled"
    base_color: Vec3 = (0.8, 0.8, 0.8)
    roughness: float = 0.5
    metallic: float = 0.0
    transmission: float = 0.0
    ior: float = 1.45
    coat: float = 0.0
    subsurface: float = 0.0
    color_map: str = ""
    roughness_map: str = ""
    normal_map: str = ""
    tile_m: float = 1.0
    """Edge of one repeat of the maps on a surface; objects use their own UVs."""
    coat_roughness: float = 0.08
    sheen: float = 0.0
    subsurface_m: float = 0.01
    """How far light travels inside."""
    emission: Vec3 = (0.0, 0.0, 0.0)
    """Radiance of its own, W/m²/sr."""
    color_field: str = ""
    """An attribute [N, 3] of the mesh that takes the place of the base colour."""
    emission_field: str = ""
    """An attribute [N, 3] of the mesh that `emission` is multiplied with."""
    patterns: tuple[Pattern, ...] = ()
    layers: tuple[Layer, ...] = ()
    """From the inside to the outside."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credit:
    """Who made an asset and what may be done with it."""

    title: str
    author: str
    license: str
    url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectAsset:
    """A rigid object. Origin at the centre of mass, Z up as it would stand in use."""

    id: str
    source: str
    """Name of the manifest: `builtin`, `GSO`."""
    label: str
    """Plain words that can follow "the": `white mug with a yellow handle`."""
    kind: str
    """One word: `mug`, `ball`, `toy`; empty where unknown."""
    bounds_m: tuple[Vec3, Vec3]
    volume_m3: float
    mass_kg: float
    manifest_mass_kg: float
    """The figure of the manifest as it stands; Kubric's are the volume in m³ times one."""
    substance: str
    """`ceramic`, `wood`, `metal`, `glass`, `plastic`, `rubber`, `paper`, `foam`, `fabric`."""
    friction: float
    """Bullet multiplies the values of both bodies of a pair."""
    restitution: float
    split: Split
    credit: Credit
    sha256: str
    materials: tuple[tuple[str, Material], ...] = ()
    """Material of each named slot of the mesh; empty: what the mesh file itself says."""
    scale: float = 1.0
    """What the lengths in the asset's files are multiplied with; bounds and volume are scaled already."""

    @property
    def size_m(self) -> Vec3:
        low, high = self.bounds_m
        return (high[0] - low[0], high[1] - low[1], high[2] - low[2])


@dataclass(frozen=True, slots=True, kw_only=True)
class SurfaceAsset:
    """What a stage is made of."""

    id: str
    source: str
    label: str
    substance: str
    material: Material
    friction: float
    restitution: float
    credit: Credit
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentAsset:
    """An equirectangular light probe."""

    id: str
    source: str
    label: str
    indoor: bool
    split: Split
    credit: Credit
    sha256: str
