"""Potted plants of nine species, grown from one generator.

    make("plant", variant="basil", seed=5, growth=0.7, wilt=0.0, pot=1, pot_radius_m=0.055, pot_height_m=0.095)

`growth` 0 to 1: cotyledons come first, then node by node of the stem, buds at about 0.7, open flowers at 1. `wilt` 0 to
1: the stem bends, leaves hang, fold, shrink and turn brown. The same seed is the same plant at every growth and wilt:
whatever is drawn is drawn for its part alone. Leaves carry `tint` and, with `spotted=1`, the field `lesion`, whose
shares are shares of the area of all leaves. `measure` says how high it is and how many leaves and flowers it has.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from simgen.core.assets import Material
from simgen.core.geometry import vertex_areas
from simgen.core.mesh import Mesh, MeshSurface, Model
from simgen.core.vectors import Floats
from simgen.procedural import palette
from simgen.procedural.builtin.profiles import Corner, polyline
from simgen.procedural.fields import ranks
from simgen.procedural.models import model
from simgen.procedural.models.forms import mesh, moved, sweep, turned
from simgen.procedural.models.growth import (
    Ints,
    Stop,
    about_z,
    blades,
    blend,
    film,
    joined,
    noise,
    ramp,
    rings_faces,
    rings_flat,
    sheet,
    sheet_faces,
    sheet_places,
    smoothstep,
    upright_to,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Leafing:
    """The leaves of a species; angles in radians, lengths in metres."""

    shape: str
    length_m: float
    breadth: float
    """Half width over length."""
    petiole: float = 0.3
    """In leaf lengths."""
    rise_rad: float = 0.6
    arch_rad: float = 0.9
    """How far it bows down from base to tip."""
    fold_rad: float = 0.25
    curl_rad: float = 0.0
    leaflets: int = 0
    """Pairs of leaflets; 0 for a simple leaf."""
    teeth: float = 0.0
    quilt: float = 0.012
    veins: int = 7
    young: str = "#8fb14a"
    mature: str = "#3f7029"
    vein: str = "#86a95c"


@dataclass(frozen=True, slots=True, kw_only=True)
class Flowering:
    """The flowers of a species."""

    kind: str
    """`daisy`, `tulip`, `poppy`, `five`."""
    size_m: float
    """Length of a petal."""
    colors: tuple[tuple[str, str], ...]
    """Of a petal's base and tip; each plant takes one pair."""
    names: tuple[str, ...]
    petals: int = 5
    center: str = "#d9a520"
    per_plant: int = 1
    stalk_m: float = 0.0
    """Of a flower that has its own leafless stalk from the ground; 0 where it sits on top of the stem."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Species:
    """One kind of plant."""

    label: str
    leafing: Leafing
    flowering: Flowering | None = None
    nodes: int = 6
    per_node: int = 1
    """Leaves of a node; 0 nodes: all leaves grow from the ground."""
    internode_m: float = 0.03
    stem_m: float = 0.003
    """Radius at the foot."""
    stems: int = 1
    axil: bool = False
    """Small leaves in the axils."""
    rosette: int = 0
    limp: float = 1.0
    """How far the stem of a wilted plant bends, about."""
    stem_color: str = "#6d8f42"
    cotyledon: bool = True


SPECIES: dict[str, Species] = {
    "basil": Species(
        label="basil plant", nodes=6, per_node=2, internode_m=0.026, stem_m=0.0022, stems=3, axil=True, limp=1.3,
        leafing=Leafing(shape="ovate", length_m=0.05, breadth=0.33, petiole=0.25, rise_rad=0.55, arch_rad=1.1,
                        fold_rad=0.3, curl_rad=-0.5, quilt=0.03, young="#9cc04e", mature="#4d8a2c", vein="#8fbb5c"),
    ),
    "sunflower": Species(
        label="sunflower", nodes=9, internode_m=0.03, stem_m=0.0045, limp=0.9, stem_color="#7b9a4c",
        leafing=Leafing(shape="heart", length_m=0.085, breadth=0.42, petiole=0.4, rise_rad=0.55, arch_rad=1.3,
                        fold_rad=0.18, curl_rad=-0.25, teeth=0.03, mature="#4a7a2e"),
        flowering=Flowering(kind="daisy", size_m=0.055, petals=26, colors=(("#e29a0c", "#f6c216"),), names=("yellow",),
                            center="#4a2c12"),
    ),
    "daisy": Species(
        label="daisy plant", nodes=0, rosette=16, limp=1.2,
        leafing=Leafing(shape="spoon", length_m=0.075, breadth=0.2, petiole=0.35, rise_rad=0.75, arch_rad=0.9,
                        fold_rad=0.2, teeth=0.05, quilt=0.01, mature="#3f7530"),
        flowering=Flowering(kind="daisy", size_m=0.024, petals=21, stalk_m=0.15, per_plant=6, center="#e0a51c",
                            colors=(("#f4f1ea", "#fbfaf6"), ("#e7a3bd", "#f3c9d8"), ("#d8541f", "#ee8a2a")),
                            names=("white", "pink", "orange")),
    ),
    "tulip": Species(
        label="tulip plant", nodes=0, rosette=3, stems=3, limp=1.0, cotyledon=False,
        leafing=Leafing(shape="lance", length_m=0.17, breadth=0.11, petiole=0.02, rise_rad=1.35, arch_rad=0.75,
                        fold_rad=0.5, curl_rad=0.3, quilt=0.0, veins=0, young="#93b878", mature="#5f8d58",
                        vein="#86ab76"),
        flowering=Flowering(kind="tulip", size_m=0.056, petals=6, stalk_m=0.2, per_plant=1, center="#e8d25a",
                            colors=(("#a3101c", "#cf2030"), ("#e8a80f", "#f2c52a"), ("#c94f86", "#ef9dbf"),
                                    ("#5d2168", "#7c3a8c"), ("#e9e3d0", "#f7f4ea")),
                            names=("red", "yellow", "pink", "purple", "white")),
    ),
    "poppy": Species(
        label="poppy plant", nodes=0, rosette=13, limp=1.4,
        leafing=Leafing(shape="lance", length_m=0.1, breadth=0.17, petiole=0.3, rise_rad=0.85, arch_rad=1.0,
                        fold_rad=0.2, teeth=0.35, quilt=0.01, mature="#5a8350", young="#8fae6c", vein="#89aa78"),
        flowering=Flowering(kind="poppy", size_m=0.042, petals=5, stalk_m=0.19, per_plant=4, center="#7f9350",
                            colors=(("#5a0c0c", "#cf2416"), ("#d8700e", "#f0921c"), ("#e8dcae", "#f6eec8")),
                            names=("red", "orange", "cream")),
    ),
    "primrose": Species(
        label="primrose plant", nodes=0, rosette=14, limp=1.2,
        leafing=Leafing(shape="spoon", length_m=0.085, breadth=0.26, petiole=0.15, rise_rad=0.5, arch_rad=0.9,
                        fold_rad=0.15, teeth=0.04, quilt=0.035, veins=9, mature="#4f8a35", vein="#9cc070"),
        flowering=Flowering(kind="five", size_m=0.02, petals=5, stalk_m=0.085, per_plant=9, center="#e9c21c",
                            colors=(("#eccb2c", "#f6ee9c"), ("#e0b01c", "#a52a63"), ("#e9c62c", "#5b3fa8"),
                                    ("#f0d23c", "#c9241f")),
                            names=("pale yellow", "purple red", "violet", "red")),
    ),
    "tomato": Species(
        label="tomato plant", nodes=8, internode_m=0.034, stem_m=0.0036, limp=1.2, stem_color="#7d9350",
        leafing=Leafing(shape="ovate", length_m=0.13, breadth=0.3, petiole=0.25, rise_rad=0.6, arch_rad=1.1, leaflets=3,
                        fold_rad=0.25, curl_rad=-0.3, teeth=0.12, quilt=0.02, mature="#3d6d2c"),
    ),
    "rubber plant": Species(
        label="rubber plant", nodes=10, internode_m=0.026, stem_m=0.004, limp=0.45, stem_color="#6a5a3c",
        leafing=Leafing(shape="ovate", length_m=0.11, breadth=0.27, petiole=0.22, rise_rad=0.75, arch_rad=0.7,
                        fold_rad=0.3, quilt=0.0, veins=11, young="#7fa23f", mature="#2c5a28", vein="#5a8448"),
    ),
    "pilea": Species(
        label="pilea plant", nodes=9, internode_m=0.009, stem_m=0.0035, limp=0.5, stem_color="#6f6a48",
        leafing=Leafing(shape="round", length_m=0.055, breadth=0.47, petiole=1.15, rise_rad=0.95, arch_rad=0.5,
                        fold_rad=0.0, curl_rad=-0.25, quilt=0.0, veins=0, young="#86b14e", mature="#42793a",
                        vein="#6f9f55"),
    ),
    "peace lily": Species(
        label="peace lily", nodes=0, rosette=17, limp=1.1, cotyledon=False,
        leafing=Leafing(shape="lance", length_m=0.125, breadth=0.17, petiole=0.75, rise_rad=1.15, arch_rad=1.35,
                        fold_rad=0.25, quilt=0.012, veins=12, young="#7aa544", mature="#2f6a2b", vein="#4d8440"),
    ),
}  # fmt: skip

POTS: tuple[tuple[tuple[float, float, float], ...], ...] = (
    # Outside from the foot to the rim: share of the radius, share of the height, rounding as a share of the radius.
    ((0.72, 0.0, 0.03), (0.9, 0.78, 0.02), (1.0, 0.78, 0.02), (1.02, 1.0, 0.03)),
    ((0.93, 0.0, 0.06), (1.0, 1.0, 0.03)),
    ((0.6, 0.0, 0.08), (0.98, 0.35, 0.4), (1.0, 0.72, 0.3), (0.94, 1.0, 0.03)),
    ((0.66, 0.0, 0.05), (1.0, 1.0, 0.02)),
    ((0.7, 0.0, 0.06), (0.8, 0.06, 0.03), (1.0, 0.9, 0.05), (1.07, 0.94, 0.03), (1.06, 1.0, 0.03)),
)
WALL_M, SAUCER_M = 0.005, 0.006
"""Of a pot: how thick its wall is, and how much higher it stands in a saucer."""
LEAF_M, WATER = 0.0003, 0.8
"""How thick leaves and petals are, and the share of that which a dead one has lost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measures:
    """What can be counted and measured on a plant."""

    height_m: float
    """Of its highest leaf, flower or shoot over the soil."""
    top_m: float
    """Of the tip of its shoots over the soil, flowers left out."""
    num_leaves: int
    leaf_area_m2: float
    bloom: float
    """How far its flowers are open, 0 to 1; 0 where it has none."""


@dataclass(slots=True)
class _Parts:
    """What a plant is being put together from."""

    leaves: list[MeshSurface] = field(default_factory=list)
    stems: list[MeshSurface] = field(default_factory=list)
    petals: list[MeshSurface] = field(default_factory=list)
    hearts: list[MeshSurface] = field(default_factory=list)
    top_m: float = 0.0
    num_leaves: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """The numbers of one plant."""

    species: Species
    base: int
    growth: float
    wilt: float

    def rng(self, *part: int) -> np.random.Generator:
        return np.random.default_rng([self.base, *part])


@model("plant")
def plant(
    *,
    rng: np.random.Generator,
    variant: str,
    growth: float,
    wilt: float = 0.0,
    hue: float = 0.0,
    spotted: float = 0.0,
    pot: float = 0.0,
    pot_radius_m: float = 0.055,
    pot_height_m: float = 0.095,
    saucer: float = 0.0,
) -> Mesh:
    """A plant in its pot on z = 0; slots `pot`, `soil`, `crumbs`, `stem`, `leaf`, `petal`, `heart`."""
    return _grown(rng, variant, growth, wilt, hue, spotted, pot, pot_radius_m, pot_height_m, saucer)[0]


def measure(made: Model) -> Measures:
    """Height, leaves and flowers of a plant."""
    numbers = {"wilt": 0.0, "hue": 0.0, "spotted": 0.0, "pot": 0.0, "pot_radius_m": 0.055, "pot_height_m": 0.095,
               "saucer": 0.0} | dict(made.numbers)  # fmt: skip
    order = ("growth", "wilt", "hue", "spotted", "pot", "pot_radius_m", "pot_height_m", "saucer")
    return _grown(np.random.default_rng(made.seed), made.variant, *(numbers[name] for name in order))[1]


def _grown(
    rng: np.random.Generator, variant: str, growth: float, wilt: float, hue: float, spotted: float, pot: float,
    radius_m: float, height_m: float, saucer: float,
) -> tuple[Mesh, Measures]:  # fmt: skip
    species = SPECIES[variant]
    plan = _Plan(species=species, base=int(rng.integers(2**31)), growth=growth, wilt=wilt)
    soil_m = height_m * 0.9
    inner_m = radius_m * 0.93 - WALL_M
    parts = _Parts()
    for stem in range(species.stems):
        place = plan.rng(1, stem)
        away = 0.0 if species.stems == 1 else inner_m * 0.42
        angle = 2 * np.pi * (stem + place.uniform(-0.15, 0.15)) / species.stems
        foot = np.array([away * np.cos(angle), away * np.sin(angle), 0.0])
        _shoot(plan, parts, stem, foot, angle, hue)
    rim = (max(row[0] for row in POTS[int(pot) % len(POTS)]) * radius_m, height_m + (SAUCER_M if saucer else 0.0))
    ground = [pot_surface(int(pot), radius_m, height_m, saucer), *soil_surfaces(inner_m, soil_m, plan.rng(2))]
    lift = np.array([0.0, 0.0, soil_m])
    found: list[MeshSurface] = []
    flower_slots = ("petal", "heart")
    groups = (("stem", parts.stems), ("leaf", parts.leaves), ("petal", parts.petals), ("heart", parts.hearts))
    area = 0.0
    for slot, surfaces in groups:
        if not surfaces:
            continue
        one = moved(joined(surfaces, slot=slot, sharp_deg=180.0), by=lift)
        if slot != "stem":
            one = _clear(one, *rim, soil_m, inner_m)
        if slot == "leaf":
            faces = np.asarray(one.faces)
            triangles = np.concatenate([faces[:, [0, 1, 2]], faces[:, [0, 2, 3]]])
            corners = one.vertices_m[triangles]
            area = float(
                np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1).sum() / 2
            )
            if spotted:
                one = _with_lesions(one, triangles)
        if slot in ("leaf", "petal"):
            one = film(one, LEAF_M * (1 - WATER * wilt))
        found.append(replace(one, substance="plant"))
    living = np.concatenate([s.vertices_m for s in found]) if found else lift[None]
    green = [s.vertices_m for s in found if s.slot not in flower_slots]
    collision = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (0, 1)]) * [radius_m, radius_m, height_m]
    made = mesh(*ground, *found, parts=(collision,))
    measures = Measures(
        height_m=float(living[:, 2].max() - soil_m),
        top_m=float(np.concatenate(green)[:, 2].max() - soil_m) if green else 0.0,
        num_leaves=parts.num_leaves,
        leaf_area_m2=area,
        bloom=_bloom(growth) if species.flowering else 0.0,
    )
    return made, measures


def _bloom(growth: float) -> float:
    return float(smoothstep(0.78, 1.0, growth))


# Shoots


def _shoot(plan: _Plan, parts: _Parts, stem: int, foot: Floats, outward: float, hue: float) -> None:
    """One stem with its leaves, or one rosette, and its flowers."""
    species, u = plan.species, plan.growth
    habit = plan.rng(3, stem)
    lean_to = outward + habit.uniform(-0.5, 0.5)
    limp = species.limp * habit.uniform(0.85, 1.15) * plan.wilt
    vigour = habit.uniform(0.88, 1.06)
    if species.nodes:
        births = 0.07 + 0.4 * np.arange(species.nodes) / species.nodes
        share = smoothstep(0.0, 0.3, u - births)
        first = 0.028 * float(smoothstep(0.0, 0.14, u))
        wane = 1.0 - 0.45 * (np.arange(species.nodes) / species.nodes) ** 2
        lengths = np.concatenate([[first], species.internode_m * vigour * wane * share])
        path, tilt = _stem_path(lengths, 0.12 if species.stems > 1 else 0.04, lean_to, limp, habit)
        path = path + foot
        thick = species.stem_m * (0.3 + 0.7 * u) * np.linspace(1.0, 0.5, len(path)) * (1 - 0.25 * plan.wilt)
        total = float(lengths.sum())
        parts.top_m = max(parts.top_m, float(path[:, 2].max()))
        tint = _stem_tint(species, path, plan.wilt)
        parts.stems.append(_tube(path, thick, tint))
        reach = np.cumsum(lengths) / max(total, 1e-9)
        turn = habit.uniform(0, 6.28)
        for k in range(species.nodes):
            if share[k] < 0.02:
                continue
            at = _along(path, reach[k + 1])
            bent = float(np.interp(reach[k + 1], np.linspace(0, 1, len(tilt)), tilt))
            for j in range(species.per_node):
                spin = turn + (k * np.pi / 2 + j * np.pi if species.per_node == 2 else k * 2.4)
                size = float(share[k]) * (1.0 - 0.35 * max(0, k - species.nodes * 0.5) / species.nodes * 2)
                _leaf(plan, parts, (stem, k, j), at, spin, size, float(share[k]), bent * np.cos(spin - lean_to), k)
                if species.axil and share[k] > 0.6:
                    for side in (-0.55, 0.55):
                        _leaf(plan, parts, (stem, k, j, 1 if side > 0 else 2), at, spin + side,
                              0.42 * size * float(smoothstep(0.6, 1.0, share[k])), 0.5, bent * np.cos(spin - lean_to),
                              k, counted=False)  # fmt: skip
        if species.cotyledon and u > 0.01:
            _cotyledons(plan, parts, stem, _along(path, reach[0]), turn + np.pi / 4)
        if species.flowering is not None and not species.flowering.stalk_m:
            axis = np.array([np.sin(tilt[-1]) * np.cos(lean_to), np.sin(tilt[-1]) * np.sin(lean_to), np.cos(tilt[-1])])
            # It turns its face to +x.
            toward = axis + 0.9 * _bloom(u) * np.array([1.0, 0.0, 0.1])
            _flower(plan, parts, (stem, 0), path[-1], toward / np.linalg.norm(toward), hue)
        return
    turn = habit.uniform(0, 6.28)
    births = 0.05 + 0.42 * np.arange(species.rosette) / max(species.rosette, 1)
    share = smoothstep(0.0, 0.3, u - births)
    for k in range(species.rosette):
        if share[k] < 0.02:
            continue
        spin = turn + k * 2.4
        start = foot + 0.004 * np.array([np.cos(spin), np.sin(spin), 0.0])
        # The young ones in the middle stand up; the old ones lie out.
        standing = 0.75 * k / species.rosette if species.leafing.shape != "lance" or species.rosette > 5 else 0.0
        _leaf(plan, parts, (stem, k, 0), start, spin, float(share[k]) * vigour, float(share[k]), -standing, k)
    if species.cotyledon and u > 0.01:
        _cotyledons(plan, parts, stem, foot + np.array([0.0, 0.0, 0.012 * float(smoothstep(0, 0.1, u))]), turn + 0.7)
    if species.flowering is not None and species.flowering.stalk_m:
        for k in range(species.flowering.per_plant):
            _scape(plan, parts, stem, k, foot, hue)


def _stem_path(
    lengths: Floats, lean: float, lean_to: float, limp: float, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Points [N, 3] of a stem and its tilt from the vertical at each."""
    steps = 60
    s = np.linspace(0.0, 1.0, steps)
    wander = 0.05 * np.sin(5.0 * s + rng.uniform(0, 6.28)) * s
    tilt = lean * (0.5 + s) + wander + limp * 1.9 * smoothstep(0.0, 1.0, s) * (0.4 + 0.6 * s)
    step = lengths.sum() / (steps - 1)
    ahead = np.stack([np.sin(tilt) * np.cos(lean_to), np.sin(tilt) * np.sin(lean_to), np.cos(tilt)], axis=-1)
    # From a little below the ground, so that no gap shows.
    path = np.vstack([[0.0, 0.0, -0.006], [0.0, 0.0, 0.0], np.cumsum(ahead[1:] * step, axis=0)])
    return path, np.concatenate([[tilt[0]], tilt])


def _along(path: Floats, share: float) -> Floats:
    at = np.linspace(0.0, 1.0, len(path) - 1)
    return np.array([float(np.interp(share, at, path[1:, k])) for k in range(3)])


def _tube(path: Floats, radius_m: Floats, tint: Floats, around: int = 10) -> MeshSurface:
    tube = sweep(path, radius_m, around=around)
    rows = np.concatenate([np.repeat(tint, around, axis=0), tint[[0, -1]]])
    return MeshSurface(vertices_m=tube.vertices_m, faces=tube.faces, attributes={"tint": rows})


def _stem_tint(species: Species, path: Floats, wilt: float) -> Floats:
    share = np.linspace(0.0, 1.0, len(path))
    fresh = ramp(share, (0.0, species.stem_color), (1.0, "#86a74f"))
    return blend(fresh, ramp([0.0], (0.0, "#8a7446"))[0], 0.8 * smoothstep(0.2, 1.0, wilt))


# Leaves


def _outline(shape: str, t: Floats) -> Floats:
    """Half width of a leaf along its length, at most 1."""
    outlines: dict[str, Callable[[Floats], Floats]] = {
        "ovate": lambda t: t**0.62 * (1 - t) ** 0.85 / 0.375,
        "heart": lambda t: np.minimum(1.0, (t / 0.12) ** 0.5) * (1 - t) ** 0.72 * (0.82 + 0.3 * t),
        "lance": lambda t: np.sin(np.pi * t**0.85) ** 0.85 * (1 - 0.25 * t) / 0.9,
        "round": lambda t: np.sqrt(np.maximum(1 - (2 * t - 1) ** 2, 0.0)),
        "spoon": lambda t: (0.16 + 0.84 * smoothstep(0.15, 0.72, t)) * np.sqrt(np.maximum(1 - (t / 1.0) ** 7, 0.0)),
    }
    width = outlines[shape](np.clip(t, 0.0, 1.0))
    width[-1] = 0.0
    result: Floats = width
    return result


def _leaf(
    plan: _Plan, parts: _Parts, key: tuple[int, ...], at: Floats, spin: float, size: float, age: float, tilt: float,
    order: int, *, counted: bool = True,
) -> None:  # fmt: skip
    """A leaf with its stalk at a point, growing towards `spin`."""
    kind, own = plan.species.leafing, plan.rng(4, *key)
    draws = own.uniform(-1, 1, 12)
    # Old leaves go first.
    wilt = float(np.clip(plan.wilt * (1.25 - 0.25 * (0.5 + 0.5 * draws[0])), 0.0, 1.0))
    length = kind.length_m * size * (1.0 + 0.1 * draws[1]) * (1 - 0.2 * wilt)
    rise = (
        kind.rise_rad
        + 0.18 * draws[2]
        - tilt
        - wilt * (1.3 + 0.35 * draws[3]) * (1.0 if plan.species.nodes else 0.7)
        + 0.3 * (1 - age)
    )
    stalk = kind.petiole * length
    spin = spin + 0.25 * draws[4]
    # The stalk bends over, then the blade goes on from where it ends.
    steps = np.linspace(0.0, 1.0, 9)
    drop = 0.2 + 1.0 * wilt
    lift = np.clip(rise + 0.15 - drop * steps, -1.25, 1.5)
    line = np.zeros((9, 3))
    line[1:, 0] = np.cumsum(np.cos(lift[1:])) * stalk / 8
    line[1:, 2] = np.cumsum(np.sin(lift[1:])) * stalk / 8
    rotation = about_z(spin)
    radius = max(0.0006, 0.011 * length) * (0.8 if kind.petiole > 0.6 else 1.0)
    fresh = ramp(np.full(9, age), (0.0, kind.young), (1.0, kind.mature))
    stalk_tint = blend(_dried(blend(fresh, ramp([0.0], (0.0, kind.vein))[0], 0.6), wilt, 0.0), [0.0, 0.0, 0.0], 0.0)
    if stalk > 0.002:
        parts.stems.append(_tube(line @ rotation.T + at, np.linspace(radius * 1.2, radius, 9), stalk_tint, around=6))
    start, bow = line[-1], float(lift[-1])
    pieces = [(start, 0.0, 1.0, 1.0)]
    if kind.leaflets:
        pieces = _leaflets(kind, start, bow, length, parts, rotation, at, radius, stalk_tint, wilt)
    for index, (origin, yaw, scale, _) in enumerate(pieces):
        jitter = np.random.default_rng([plan.base, 5, *key, index]).uniform(-1, 1, 4)
        self_rows, across = (25, 9) if kind.leaflets or scale * size < 0.5 else (37, 13)
        t = np.linspace(0.0, 1.0, self_rows)
        arch = kind.arch_rad * (0.75 + 0.25 * draws[5]) + wilt * 0.9
        steepest = -1.5 + 0.45 * wilt * (0.5 + 0.5 * jitter[2])
        rising = np.clip(bow - arch * t**1.3 + 0.06 * jitter[0] * np.sin(6.0 * t), steepest, 1.5)
        long = length * scale
        breadth = kind.breadth * long * (1 + 0.08 * draws[6]) * (1 - 0.22 * wilt)
        wide = breadth * _outline(kind.shape, t)
        if kind.teeth:
            saw = np.abs(((t * (9 if kind.teeth < 0.2 else 5.5) + 0.2) % 1.0) - 0.5) * 2
            wide = wide * (1.0 - kind.teeth * (2.0 if kind.teeth > 0.2 else 1.0) * saw * smoothstep(0, 0.1, 1 - t))
        points = sheet(
            rising, long, wide, across=across, fold_rad=kind.fold_rad + 0.3 * wilt + 0.25 * (1 - age),
            curl_rad=kind.curl_rad + (0.6 + 0.6 * jitter[1]) * wilt, twist_rad=0.25 * draws[7] + 0.9 * wilt * draws[8],
        )  # fmt: skip
        along, aside = sheet_places(self_rows, across)
        flat = points.reshape(-1, 3)
        vein = _venation(kind, along, aside)
        crumple = noise(flat + own.uniform(0, 1, 3), 0.3 * long, seed=order + 7, octaves=3)
        edge = np.abs(aside) ** 2
        flat = flat.copy()
        waves = (0.014 + 0.05 * wilt) * crumple * (0.25 + edge) * np.minimum(1, 4 * along)
        flat[:, 2] += long * (kind.quilt * (0.5 - vein) * (1 - edge) + waves)
        flat = flat @ about_z(yaw).T + origin
        tint = ramp(np.full(len(flat), age), (0.0, kind.young), (1.0, kind.mature))
        tint = tint * (1.0 + 0.1 * draws[9] + 0.12 * crumple)[:, None]
        tint = blend(tint, ramp([0.0], (0.0, kind.vein))[0], 0.55 * vein)
        patchy = (
            0.14 * draws[10] + 0.25 * noise(flat, 0.5 * long, seed=order + 31, octaves=3) + 0.2 * edge + 0.15 * along
        )
        tint = _dried(tint, wilt, patchy)
        parts.leaves.append(
            MeshSurface(
                vertices_m=flat @ rotation.T + at,
                faces=sheet_faces(self_rows, across),
                attributes={"tint": np.clip(tint, 0.0, 1.0), "ill": _illness(plan, (*key, index), flat, long)},
            )
        )
    parts.num_leaves += int(counted)


def _leaflets(
    kind: Leafing, start: Floats, bow: float, length: float, parts: _Parts, rotation: Floats, at: Floats,
    radius: float, tint: Floats, wilt: float,
) -> list[tuple[Floats, float, float, float]]:  # fmt: skip
    """The stalk of a compound leaf goes on; origin, yaw and scale of its leaflets."""
    steps = 13
    lift = np.clip(bow - (0.7 + 0.6 * wilt) * np.linspace(0, 1, steps), -1.52, 1.5)
    line = np.zeros((steps, 3))
    line[1:, 0] = np.cumsum(np.cos(lift[1:])) * 0.62 * length / (steps - 1)
    line[1:, 2] = np.cumsum(np.sin(lift[1:])) * 0.62 * length / (steps - 1)
    line += start
    tints = np.repeat(tint[:1], steps, axis=0)
    parts.stems.append(_tube(line @ rotation.T + at, np.linspace(radius, 0.5 * radius, steps), tints, around=6))
    pieces = [(line[-1], 0.0, 0.46, 1.0)]
    for pair in range(kind.leaflets):
        spot = line[min(steps - 1, int((pair + 0.35) / kind.leaflets * (steps - 1)))]
        for side in (-1.0, 1.0):
            pieces.append((spot, side * (1.15 - 0.12 * pair), 0.3 + 0.06 * pair, 1.0))
    return pieces


def _venation(kind: Leafing, along: Floats, aside: Floats) -> Floats:
    """1 on the veins of a leaf, 0 between."""
    middle: Floats = np.exp(-((aside / 0.09) ** 2)) * (1 - 0.5 * along)
    if not kind.veins:
        return middle
    place = (along - 0.22 * np.abs(aside)) * kind.veins
    lateral = np.exp(-((((place + 0.5) % 1.0) - 0.5) ** 2) / 0.02) * (1 - 0.6 * np.abs(aside))
    return np.asarray(np.maximum(middle, 0.75 * lateral * (along > 0.03)))


def _dried(tint: Floats, wilt: float, patchy: Floats | float) -> Floats:
    """Green goes to yellow, ochre and brown."""
    if wilt <= 0:
        return tint
    state = np.clip(0.95 * wilt + np.asarray(patchy) - 0.1 + np.zeros(len(tint)), 0.0, 1.2)
    stops: tuple[Stop, ...] = (
        (0.0, "#7f9a3c"),
        (0.4, "#b3a148"),
        (0.65, "#b08d4a"),
        (0.95, "#94703f"),
        (1.2, "#6b4c2e"),
    )
    return blend(tint, ramp(state, *stops), smoothstep(0.08, 0.45, state))


def _cotyledons(plan: _Plan, parts: _Parts, stem: int, at: Floats, spin: float) -> None:
    """The two first leaves: small, smooth and thick; they turn yellow when the plant has grown."""
    u = plan.growth
    size = float(smoothstep(0.0, 0.12, u)) * 0.02
    if size < 0.001:
        return
    old = float(smoothstep(0.5, 0.9, u))
    wilt = float(np.clip(plan.wilt + 0.5 * old, 0.0, 1.0))
    for j in range(2):
        t = np.linspace(0.0, 1.0, 17)
        rising = 0.55 - 0.7 * t - 0.9 * wilt + 0.5 * (1 - size / 0.02)
        wide = 0.36 * size * np.sin(np.pi * np.clip(t * 0.93 + 0.07, 0, 1)) ** 0.6
        wide[-1] = 0.0
        points = sheet(rising, size, wide, across=7, fold_rad=0.1, curl_rad=-0.4).reshape(-1, 3)
        along, aside = sheet_places(17, 7)
        tint = blend(ramp(np.full(len(points), 0.3), (0.0, "#9cc45a"), (1.0, "#5d9440")), [0.45, 0.55, 0.2],
                     0.3 * np.exp(-((aside / 0.12) ** 2)))  # fmt: skip
        parts.leaves.append(
            MeshSurface(
                vertices_m=points @ about_z(spin + j * np.pi).T + at, faces=sheet_faces(17, 7),
                attributes={"tint": np.clip(_dried(tint, wilt, 0.0), 0, 1), "ill": 9.0 + along},
            )
        )  # fmt: skip
    parts.num_leaves += 2


def _illness(plan: _Plan, key: tuple[int, ...], points: Floats, long: float) -> Floats:
    """When the turn of each point of a leaf comes: round spots, one after another, some leaves before others."""
    draw = plan.rng(6, *key)
    first = np.full(len(points), np.inf)
    for center in points[draw.choice(len(points), 16)]:
        first = np.minimum(first, draw.uniform(0.0, 1.0) + np.linalg.norm(points - center, axis=1) / (0.16 * long))
    frayed = 1.0 + 0.25 * noise(points, 0.06 * long, seed=int(draw.integers(999)), octaves=2)
    return np.asarray(first * frayed + draw.uniform(0.0, 0.6))


def _with_lesions(leaves: MeshSurface, triangles: Ints) -> MeshSurface:
    """The leaves with the field `lesion`: the rank by area of when their turn comes."""
    field_values = ranks(leaves.attributes["ill"], vertex_areas(leaves.vertices_m, triangles))
    return replace(leaves, attributes={**leaves.attributes, "lesion": field_values})


# Flowers


def _scape(plan: _Plan, parts: _Parts, stem: int, index: int, foot: Floats, hue: float) -> None:
    """A leafless stalk from the ground with one flower."""
    flowering = plan.species.flowering
    assert flowering is not None
    own = plan.rng(7, stem, index)
    draws = own.uniform(-1, 1, 6)
    long = flowering.stalk_m * (1 + 0.16 * draws[0]) * float(smoothstep(0.45, 0.95, plan.growth)) ** 0.8
    if long < 0.004:
        return
    spin = 2.4 * index + draws[1] * 0.3 + stem * 2.1
    spread = 0.06 if flowering.per_plant == 1 else 0.16 + 0.3 * np.sqrt(index / flowering.per_plant)
    limp = plan.wilt * plan.species.limp * (1.0 + 0.2 * draws[2])
    path, tilt = _stem_path(np.array([long]), spread, spin, limp, own)
    nod = (1 - _bloom(plan.growth)) * (1.9 if flowering.kind == "poppy" else 0.15)
    if nod > 0.2:
        # The bud of a poppy hangs until it opens.
        extra = nod * smoothstep(0.78, 1.0, np.linspace(0, 1, len(path)))
        tilt = tilt + extra
        step = np.linalg.norm(np.diff(path, axis=0), axis=1)
        ahead = np.stack([np.sin(tilt) * np.cos(spin), np.sin(tilt) * np.sin(spin), np.cos(tilt)], axis=-1)
        path = np.concatenate([path[:2], path[1] + np.cumsum(ahead[2:] * step[1:, None], axis=0)])
    thick = (0.0028 if flowering.kind == "tulip" else 0.0013) * (1 - 0.25 * plan.wilt)
    tint = _stem_tint(plan.species, path, plan.wilt)
    parts.stems.append(_tube(path + foot, np.full(len(path), thick), tint, around=8))
    axis = np.array([np.sin(tilt[-1]) * np.cos(spin), np.sin(tilt[-1]) * np.sin(spin), np.cos(tilt[-1])])
    _flower(plan, parts, (stem, index), path[-1] + foot, axis, hue)


def _flower(plan: _Plan, parts: _Parts, key: tuple[int, ...], at: Floats, axis: Floats, hue: float) -> None:
    """A bud that opens with the plant's growth, on the tip of its stalk."""
    flowering = plan.species.flowering
    assert flowering is not None
    own = plan.rng(8, *key)
    draws = own.uniform(-1, 1, 6)
    bud = float(smoothstep(0.5, 0.78, plan.growth))
    if bud < 0.02:
        return
    opened = float(np.clip(_bloom(plan.growth) * (1.0 + 0.12 * draws[0]), 0.0, 1.0))
    wilt = plan.wilt
    low, high = flowering.colors[int(hue) % len(flowering.colors)]
    basis = upright_to(axis) @ about_z(own.uniform(0, 6.28))
    unit = flowering.size_m * bud * (1 + 0.08 * draws[1])

    def place(points: Floats) -> Floats:
        moved_points: Floats = points.reshape(-1, 3) @ basis.T + at
        return moved_points

    core = {"daisy": 0.34, "tulip": 0.05, "poppy": 0.08, "five": 0.1}[flowering.kind]
    if plan.species.label == "sunflower":
        core = 0.62
    core = core * (0.55 + 0.45 * opened)
    for k in range(flowering.petals):
        ring = k % 2
        petal = own.uniform(-1, 1, 4)
        points = _petal(flowering.kind, unit, opened, wilt, core * unit, ring, petal)
        rows, across = points.shape[:2]
        along, aside = sheet_places(rows, across)
        turn = 2 * np.pi * (k + 0.12 * petal[0]) / flowering.petals
        tint = ramp(smoothstep(0.0, 0.55 if flowering.kind != "poppy" else 0.3, along), (0.0, low), (1.0, high))
        tint = tint * (1.0 + 0.07 * petal[1] - 0.09 * np.abs(np.sin(aside * 9.0)) * (1 - along))[:, None]
        # A closed bud still shows some green.
        tint = blend(tint, ramp([0.0], (0.0, "#8da653"))[0], 0.75 * (1 - opened) * (1 - 0.4 * along))
        tint = blend(tint, ramp([0.0], (0.0, "#7d5a34"))[0], 0.85 * smoothstep(0.25, 1.0, wilt) * (0.7 + 0.3 * along))
        parts.petals.append(
            MeshSurface(
                vertices_m=place(points.reshape(-1, 3) @ about_z(turn).T), faces=sheet_faces(rows, across),
                attributes={"tint": np.clip(tint, 0, 1)},
            )
        )  # fmt: skip
    _sepals(flowering, parts, unit, opened, core * unit, place, wilt)
    _heart(flowering, parts, unit, opened, core * unit, place, own, plan)


def _petal(kind: str, unit: float, opened: float, wilt: float, start_m: float, ring: int, draws: Floats) -> Floats:
    """A petal of a flower whose axis is z; it points along x."""
    rows, across = {"daisy": (17, 5), "tulip": (23, 11), "poppy": (23, 15), "five": (15, 9)}[kind]
    t = np.linspace(0.0, 1.0, rows)
    grown = 0.55 + 0.45 * opened
    if kind == "daisy":
        flat = 0.12 + 0.16 * ring + 0.08 * draws[1] - 0.25 * t**2
        shut = 1.25 + 0.75 * t
        wide = 0.145 * (0.5 + 0.5 * smoothstep(0, 0.4, t)) * np.sqrt(np.maximum(1 - t**6, 0))
        fold, curl, ripple = 0.15, 0.35 * (1 - opened), 0.0
    elif kind == "tulip":
        flat = 0.25 + 1.15 * smoothstep(0.0, 0.4, t) - 0.45 * smoothstep(0.75, 1.0, t)
        shut = 0.45 + 1.3 * smoothstep(0.0, 0.45, t) + 0.25 * t
        wide = 0.4 * np.sin(np.pi * (0.1 + 0.9 * t) ** 0.9) ** 0.62 * (0.75 + 0.25 * grown)
        fold, curl, ripple = 0.0, 1.15 - 0.25 * opened, 0.0
    elif kind == "poppy":
        flat = 0.75 - 0.75 * smoothstep(0.0, 0.7, t) + 0.12 * ring + 0.1 * draws[1]
        shut = 0.3 + 1.75 * t
        wide = 0.62 * np.sin(np.pi * np.clip(0.06 + 0.94 * t**1.15, 0, 1) * 0.82 + 0.02) ** 0.8 * (0.35 + 0.65 * opened)
        wide = wide * np.sqrt(np.maximum(1 - t**9, 0.0))
        fold, curl, ripple = 0.05, 0.4 + 0.8 * (1 - opened), 0.05
    else:
        flat = 0.35 - 0.35 * smoothstep(0.0, 0.5, t) + 0.1 * draws[1]
        shut = 0.9 + 0.95 * t
        wide = (
            0.5 * (0.25 + 0.75 * smoothstep(0.05, 0.7, t)) * np.sqrt(np.maximum(1 - t**5, 0)) * (0.45 + 0.55 * opened)
        )
        fold, curl, ripple = 0.05, 0.9 * (1 - opened), 0.02
    wide = wide * unit * grown * (1 - 0.2 * wilt)
    wide[-1] = 0.0
    lift = flat * opened + shut * (1 - opened) - 1.1 * wilt * t * opened
    points = sheet(lift, unit * grown, wide, across=across, fold_rad=fold, curl_rad=curl + 0.8 * wilt)
    if ripple:
        along, aside = (values.reshape(rows, across) for values in sheet_places(rows, across))
        points = points.copy()
        points[..., 2] += unit * ripple * opened * np.sin(7 * aside + 5 * draws[2]) * along**2
        points[..., 2] += unit * 0.4 * ripple * np.sin(17 * aside + 9 * draws[3]) * along
    points[..., 0] += start_m * (0.75 + 0.2 * ring)
    if kind == "tulip":
        points[..., 0] *= 1.0 + 0.08 * ring
    return points


def _sepals(
    flowering: Flowering, parts: _Parts, unit: float, opened: float, start_m: float, place: Callable[[Floats], Floats],
    wilt: float,
) -> None:  # fmt: skip
    """The green leaves that wrap the bud; a tulip has none."""
    if flowering.kind == "tulip":
        return
    count = {"daisy": 13, "poppy": 2, "five": 5}[flowering.kind]
    if flowering.kind == "poppy" and opened > 0.5:
        return
    rows, across = 13, 7
    t = np.linspace(0.0, 1.0, rows)
    shut = 0.35 + (1.55 if flowering.kind != "daisy" else 1.25) * t
    lift = shut * (1 - opened) + opened * (-0.15 + (0.35 if flowering.kind == "daisy" else -0.2) * t)
    long = unit * {"daisy": 0.42, "poppy": 0.66, "five": 0.45}[flowering.kind]
    wide = long * {"daisy": 0.22, "poppy": 0.75, "five": 0.3}[flowering.kind] * np.sin(np.pi * (0.12 + 0.88 * t)) ** 0.7
    wide[-1] = 0.0
    for k in range(count):
        points = sheet(lift, long, wide, across=across, fold_rad=0.1, curl_rad=0.9)
        points[..., 0] += 0.8 * start_m
        points[..., 2] -= 0.06 * unit
        tint = ramp(sheet_places(rows, across)[0], (0.0, "#5d8438"), (1.0, "#86a552"))
        parts.leaves.append(
            MeshSurface(
                vertices_m=place(points.reshape(-1, 3) @ about_z(2 * np.pi * (k + 0.5) / count).T),
                faces=sheet_faces(rows, across),
                attributes={"tint": _dried(tint, wilt, 0.0), "ill": np.full(rows * across, 20.0)},
            )
        )


def _heart(
    flowering: Flowering, parts: _Parts, unit: float, opened: float, start_m: float, place: Callable[[Floats], Floats],
    own: np.random.Generator, plan: _Plan,
) -> None:  # fmt: skip
    """The middle of a flower: a disc of florets, or a knob with stamens; below it the receptacle."""
    rows, around = 15, 28
    polar = np.linspace(0.0, np.pi, rows)[:, None]
    turn = np.linspace(0.0, 2 * np.pi, around, endpoint=False)[None]
    high = {"daisy": 0.42, "tulip": 1.6, "poppy": 1.5, "five": 0.6}[flowering.kind]
    wide = start_m * (1.0 if flowering.kind == "daisy" else 0.85)
    ball = np.stack(
        [np.sin(polar) * np.cos(turn), np.sin(polar) * np.sin(turn), -np.cos(polar) * np.ones_like(turn)], axis=-1
    )
    flat = rings_flat(ball)
    points = flat * [wide, wide, high * wide]
    points[:, 2] -= 0.02 * unit
    tint = ramp(1 - np.hypot(flat[:, 0], flat[:, 1]), (0.0, flowering.center), (1.0, flowering.center))
    if flowering.kind == "daisy" and plan.species.label == "sunflower":
        tint = ramp(np.hypot(flat[:, 0], flat[:, 1]), (0.0, "#6a5a1e"), (0.45, "#3a2410"), (0.9, "#6b3d10"))
    tint = blend(tint, ramp([0.0], (0.0, "#6f8f42"))[0], (flat[:, 2] < -0.1) * 1.0)
    tint = blend(tint, ramp([0.0], (0.0, "#6a5230"))[0], 0.7 * plan.wilt)
    parts.hearts.append(
        MeshSurface(vertices_m=place(points), faces=rings_faces(rows, around), attributes={"tint": tint})
    )
    if flowering.kind == "daisy":
        count = 130 if plan.species.label != "sunflower" else 320
        golden = np.pi * (3 - np.sqrt(5))
        radius = np.sqrt((np.arange(count) + 0.5) / count) * 0.97
        angle = golden * np.arange(count)
        rise = high * np.sqrt(np.maximum(1 - radius**2, 0.0))
        roots = np.column_stack([radius * np.cos(angle), radius * np.sin(angle), rise]) * wide
        roots[:, 2] -= 0.03 * unit
        color = np.repeat(ramp([0.0], (0.0, flowering.center)), count, axis=0) * own.uniform(0.8, 1.3, (count, 1))
        ahead = np.column_stack([0.5 * np.cos(angle) * radius, 0.5 * np.sin(angle) * radius, np.ones(count)])
        tuft = blades(roots, ahead, np.full(count, 0.16 * wide + 0.0006), 0.13 * wide, color, rng=own, bend=0.1)
        parts.hearts.append(_placed(tuft, place))
    elif flowering.kind == "poppy" and opened > 0.15:
        count = 70
        angle = own.uniform(0, 6.28, count)
        out = own.uniform(0.3, 0.9, count)
        roots = np.column_stack([np.cos(angle), np.sin(angle), np.zeros(count)]) * wide * 0.7
        ahead = np.column_stack([out * np.cos(angle), out * np.sin(angle), np.ones(count)])
        color = np.repeat(ramp([0.0], (0.0, "#2b2026")), count, axis=0)
        tuft = blades(
            roots, ahead, np.full(count, 0.34 * unit * opened), 0.03 * unit, color, rng=own, bend=0.1, tip=4.0
        )
        parts.hearts.append(_placed(tuft, place))


def _placed(surface: MeshSurface, place: Callable[[Floats], Floats]) -> MeshSurface:
    return replace(surface, vertices_m=place(surface.vertices_m))


@model("leaf")
def leaf(*, rng: np.random.Generator, variant: str, size_m: float, wilt: float = 0.0) -> Mesh:
    """One leaf that lies on z = 0, of the species `variant`; slots `leaf` and `stem`."""
    species = SPECIES[variant]
    plan = _Plan(species=species, base=int(rng.integers(2**31)), growth=1.0, wilt=wilt)
    kind = replace(
        species.leafing, length_m=size_m, rise_rad=0.1, arch_rad=0.12, fold_rad=0.05, curl_rad=0.0, petiole=0.3,
        leaflets=0, breadth=max(species.leafing.breadth, 0.25), quilt=max(species.leafing.quilt, 0.01),
    )  # fmt: skip
    flat = _Plan(species=replace(species, leafing=kind), base=plan.base, growth=1.0, wilt=0.0)
    parts = _Parts()
    _leaf(flat, parts, (0, 0, 0), np.zeros(3), 0.0, 1.0, 1.0, 0.0, 0)
    shaped = []
    for surface in (joined(parts.stems, slot="stem"), joined(parts.leaves, slot="leaf")):
        points = surface.vertices_m.copy()
        # A drying leaf rolls up along its midrib, and its tip and its stalk rise.
        across = points[:, 1] / size_m
        length = (points[:, 0] / size_m - 0.6) * (1 - 0.14 * wilt)
        angle = across * 5.2 * wilt * (1 + 0.35 * np.sin(4.0 * length))
        radius = across / np.where(np.abs(angle) < 1e-6, 1.0, angle)
        side = np.where(np.abs(angle) < 1e-6, across, radius * np.sin(angle))
        rise = np.where(np.abs(angle) < 1e-6, 0.0, radius * (1 - np.cos(angle)))
        bow = 0.25 * wilt * length**2 + 0.03 * wilt * noise(points, 0.3 * size_m, seed=plan.base % 997, octaves=3)
        points = np.column_stack([length, side, points[:, 2] / size_m + np.abs(rise) + bow]) * size_m
        tint = surface.attributes["tint"]
        patchy = 0.28 * noise(surface.vertices_m, 0.35 * size_m, seed=plan.base % 991, octaves=4) + 0.5 * across**2
        tint = np.clip(_dried(tint, wilt, patchy), 0.0, 1.0)
        surface = replace(surface, vertices_m=points, attributes={"tint": tint})
        shaped.append(film(surface, LEAF_M * (1 - WATER * wilt)) if surface.slot == "leaf" else surface)
    low = min(float(s.vertices_m[:, 2].min()) for s in shaped) - 0.0004
    return mesh(*(moved(s, by=(0.0, 0.0, -low)) for s in shaped))


# The pot


def pot_surface(kind: int, radius_m: float, height_m: float, saucer: float) -> MeshSurface:
    """A pot with its wall; with a saucer below it."""
    rows = POTS[kind % len(POTS)]
    outside: list[Corner] = [
        (share * radius_m, height * height_m, max(0.0012, rounding * radius_m)) for share, height, rounding in rows
    ]
    rim = outside[-1][0]
    inner = min(rim, radius_m * 0.99) - WALL_M
    below = radius_m * 0.93 - WALL_M
    corners: list[Corner] = [
        (0.0, 0.0), *outside[:-1], (rim, height_m, 0.0018), (inner, height_m, 0.0018), (below, 0.8 * height_m, 0.01),
        (0.0, 0.78 * height_m),
    ]  # fmt: skip
    made = turned(("pot", polyline(*corners)), around=120, sharp_deg=50.0)[0]
    if not saucer:
        return made
    foot = outside[0][0]
    dish = polyline(
        (0.0, -SAUCER_M), (foot * 1.12, -SAUCER_M, 0.004), (foot * 1.38, 0.014, 0.002), (foot * 1.32, 0.014, 0.002),
        (foot * 1.08, 0.0, 0.004), (0.0, 0.0),
    )  # fmt: skip
    plate = turned(("pot", dish), around=120, sharp_deg=50.0)[0]
    both = joined([made, plate], slot="pot", sharp_deg=50.0)
    return moved(both, by=(0.0, 0.0, SAUCER_M))


def soil_surfaces(radius_m: float, level_m: float, rng: np.random.Generator, crumb: float = 1.0) -> list[MeshSurface]:
    """Earth with crumbs on it. A pot's own surface is closed below it, at 0.78 of the pot's height."""
    rows, around = 44, 120
    share = np.linspace(0.0, 1.0, rows)[:, None]
    turn = np.linspace(0.0, 2 * np.pi, around, endpoint=False)[None]
    flat = np.stack([share * np.cos(turn), share * np.sin(turn), np.zeros((rows, around))], axis=-1)
    points = flat.reshape(-1, 3) * [radius_m + 0.003, radius_m + 0.003, 1.0]
    seed = int(rng.integers(1000))
    points[:, 2] = level_m + 0.0028 * noise(points, 0.022, seed=seed, octaves=4) - 0.002
    points[:, 2] += 0.003 * (1 - np.hypot(points[:, 0], points[:, 1]) / radius_m)
    corner = np.arange(rows * around).reshape(rows, around)
    beside = np.roll(corner, -1, axis=1)
    faces = np.stack([corner[:-1], corner[1:], beside[1:], beside[:-1]], axis=-1).reshape(-1, 4)
    layer_m3 = float(np.pi * radius_m**2 * level_m * (1 - 0.78 / 0.9))
    earth = MeshSurface(vertices_m=points, faces=faces, slot="soil", sharp_deg=180.0, solid_m3=layer_m3)
    lumps = []
    polar = np.linspace(0.0, np.pi, 7)[:, None]
    circle = np.linspace(0.0, 2 * np.pi, 9, endpoint=False)[None]
    ball = rings_flat(
        np.stack([np.sin(polar) * np.cos(circle), np.sin(polar) * np.sin(circle), -np.cos(polar) + 0 * circle], axis=-1)
    )
    for k in range(150):
        size = rng.uniform(0.0009, 0.0032) * (1.0 if k % 9 else 1.3) * crumb
        away, angle = radius_m * 0.97 * np.sqrt(rng.random()), rng.uniform(0, 6.28)
        shape = ball * rng.uniform(0.7, 1.2, 3) * (1 + 0.22 * noise(ball + k, 1.1, seed=seed + k, octaves=2))[:, None]
        center = np.array([away * np.cos(angle), away * np.sin(angle), level_m + 0.3 * size])
        lumps.append(MeshSurface(vertices_m=shape * size + center, faces=rings_faces(7, 9)))
    return [earth, joined(lumps, slot="crumbs", sharp_deg=60.0)]


SHELF_M, HANG = 0.008, 1.4
"""What lies over the rim of a pot goes out so far before it hangs, and then as steeply: leaves are coarse, and one that
hung at once would cut through the rim between two of its points."""


def _clear(surface: MeshSurface, wall_m: float, rim_m: float, soil_m: float, inner_m: float) -> MeshSurface:
    """Leaves lifted out of the soil, the pot and the table."""
    points = surface.vertices_m.copy()
    away = np.hypot(points[:, 0], points[:, 1])
    ground = np.interp(
        away,
        [inner_m - 0.01, inner_m, wall_m + SHELF_M, wall_m + SHELF_M + rim_m / HANG],
        [soil_m, rim_m, rim_m, 0.0],
    )
    # Not all at one height, or leaf lies in leaf.
    ground += 0.0025 + 0.0015 * np.abs(np.sin(61.0 * points[:, 0] + 47.0 * points[:, 1]))
    points[:, 2] = np.maximum(points[:, 2], ground)
    return replace(surface, vertices_m=points)


POT_COLORS = ("terracotta", "#e9e4da", "#2f3437", "#5f7f8c", "#c9b79a", "#7b8f6a", "#d8a25e", "#b84a3a", "concrete")


def dressing(variant: str, pot_color: str, seed: int) -> tuple[tuple[str, Material], ...]:
    """The materials of a plant by slot."""
    glossy = {"rubber plant": 0.22, "peace lily": 0.3, "pilea": 0.32}.get(variant, 0.48)
    leaf = palette.but(palette.leaf("#ffffff"), color_field="tint", patterns=(), roughness=glossy)
    stem = palette.but(palette.skin("#ffffff", "#ffffff", spots=0.0), color_field="tint", roughness=0.55, coat=0.0)
    petal = palette.but(palette.leaf("#ffffff"), color_field="tint", patterns=(), roughness=0.6)
    pots = {"terracotta": palette.terracotta(seed=seed), "concrete": palette.concrete("#b3b0a9", seed=seed)}
    pot = pots.get(pot_color) or palette.ceramic(pot_color if pot_color.startswith("#") else "#e9e4da", roughness=0.25)
    return (
        ("pot", pot),
        ("soil", palette.soil(seed=seed)),
        ("crumbs", palette.soil("#5a4433", seed=seed + 1)),
        ("stem", stem),
        ("leaf", leaf),
        ("petal", petal),
        ("heart", palette.but(stem, subsurface=0.0, roughness=0.95)),
    )
