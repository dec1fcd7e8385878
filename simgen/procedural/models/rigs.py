"""What things hang from, stand on and are pulled by in a laboratory: stands, springs, weights, clamps, jaws."""

from dataclasses import replace

import numpy as np

from simgen.core.assets import Material
from simgen.core.mesh import Mesh, MeshSurface
from simgen.core.vectors import Floats
from simgen.procedural import palette
from simgen.procedural.builtin.profiles import polyline
from simgen.procedural.models import model
from simgen.procedural.models.forms import ball, box, mesh, moved, sweep, turned


def rod(start: tuple[float, float, float], end: tuple[float, float, float], radius_m: float, slot: str) -> MeshSurface:
    """A straight round bar."""
    path = np.linspace(np.array(start, dtype=float), np.array(end, dtype=float), 3)
    return sweep(path, radius_m, around=28, slot=slot, sharp_deg=40.0)


def stand_bases(seed: int) -> tuple[Material, ...]:
    """What the foot of a laboratory stand can be of; the seed is that of the wood's grain."""
    return (
        palette.plastic("#2b2d31", roughness=0.5),
        palette.metal("#6d7278", roughness=0.45),
        palette.wood(seed=seed),
        palette.plastic("#30567a", roughness=0.45),
    )


def stand_materials(base: Material) -> tuple[tuple[str, Material], ...]:
    """The materials of a `lab_stand` by slot."""
    return (
        ("base", base),
        ("steel", palette.metal(roughness=0.25)),
        ("clamp", palette.plastic("#1f2124", roughness=0.45)),
    )


@model("lab_stand")
def lab_stand(
    *,
    rng: np.random.Generator,
    variant: str = "",
    height_m: float,
    reach_m: float,
    base_x: float = 0.2,
    base_y: float = 0.14,
) -> Mesh:
    """A plate with an upright rod and an arm; the arm's end is above the origin, at `height_m`, the rod behind it at
    y = `reach_m`. Slots: base, steel, clamp."""
    plate = 0.016
    top = height_m + 0.045
    head = box((0.03, 0.034, 0.03), radius_m=0.004, center_m=(0.0, reach_m, height_m), slot="clamp")
    return mesh(
        box((base_x, base_y, plate), radius_m=0.004, center_m=(0.0, reach_m - 0.36 * base_y, plate / 2), slot="base"),
        rod((0.0, reach_m, plate), (0.0, reach_m, top), 0.006, "steel"),
        ball((0.0075,) * 3, center_m=(0.0, reach_m, top), slot="clamp", rings=24),
        head,
        rod((0.0, reach_m + 0.03, height_m), (0.0, -0.012, height_m), 0.005, "steel"),
        rod((0.0, 0.0, height_m - 0.009), (0.0, 0.0, height_m + 0.009), 0.0065, "clamp"),
        rod((0.03, reach_m, height_m), (-0.02, reach_m, height_m), 0.004, "clamp"),
    )


@model("pendulum")
def pendulum(*, rng: np.random.Generator, variant: str = "ball", length_m: float, radius_m: float) -> Mesh:
    """A bob, whose centre is the origin, on a string or a rod that ends `length_m` above it. Variants: `ball`, `plumb`
    (a turned plummet), `disc` (of a clock, on a rod), `cylinder`. Slots: bob, string."""
    r = radius_m
    top = r
    thin = 0.0009
    if variant == "plumb":
        side = polyline(
            (0.0, -1.7 * r),
            (0.85 * r, -0.1 * r, 0.25 * r),
            (0.85 * r, 0.5 * r, 0.12 * r),
            (0.3 * r, 0.75 * r, 0.1 * r),
            (0.3 * r, 1.05 * r, 0.08 * r),
            (0.0, 1.05 * r),
        )
        bob = turned(("bob", side))
    elif variant == "cylinder":
        side = polyline((0.0, -r), (0.75 * r, -r, 0.08 * r), (0.75 * r, r, 0.08 * r), (0.0, r))
        bob = turned(("bob", side))
    elif variant == "disc":
        side = polyline(
            (0.0, -0.22 * r),
            (0.7 * r, -0.16 * r, 0.2 * r),
            (r, 0.0, 0.05 * r),
            (0.7 * r, 0.16 * r, 0.2 * r),
            (0.0, 0.22 * r),
        )
        upright = np.array([[1.0, 0, 0], [0, 0, -1.0], [0, 1.0, 0]])
        bob = tuple(moved(part, rotation=upright) for part in turned(("bob", side)))
        thin, top = 0.0022, 0.0
    else:
        bob = (ball((r, r, r), slot="bob"), rod((0, 0, 0.96 * r), (0, 0, 1.14 * r), 0.14 * r, "bob"))
    return mesh(*bob, rod((0, 0, top), (0, 0, length_m), thin, "string"))


def helix(length_m: float, coil_radius_m: float, num_turns: float, hook_m: float) -> Floats:
    """The wire of a spring that hangs down from the origin, a straight hook of `hook_m` at either end included."""
    turn = np.linspace(0.0, 2 * np.pi * num_turns, int(26 * num_turns) + 1)
    share = turn / turn[-1]
    # The ends run in from the axis over the first and the last half turn.
    ramp = np.clip(np.minimum(turn, turn[-1] - turn) / np.pi, 0.0, 1.0)
    radius = coil_radius_m * (0.5 - 0.5 * np.cos(np.pi * ramp))
    height = -hook_m - share * (length_m - 2 * hook_m)
    coil = np.column_stack([radius * np.cos(turn), radius * np.sin(turn), height])
    ends = np.linspace(0.0, 1.0, 4)[:-1, None] * [0.0, 0.0, -hook_m]
    low = np.array([0.0, 0.0, -length_m]) + np.linspace(0.0, 1.0, 4)[:-1, None] * [0.0, 0.0, hook_m]
    return np.concatenate([ends, coil, low[::-1]])


@model("spring")
def spring(
    *, rng: np.random.Generator, variant: str = "", length_m: float, coil_radius_m: float, wire_m: float,
    num_turns: float, hook_m: float = 0.012,
) -> Mesh:  # fmt: skip
    """A coil spring that hangs down from the origin. `wire_m` is the wire's diameter; the wire does not get longer."""
    return mesh(
        sweep(helix(length_m, coil_radius_m, num_turns, hook_m), wire_m / 2, around=10, slot="wire", sharp_deg=80)
    )


@model("hook_weight")
def hook_weight(
    *, rng: np.random.Generator, variant: str = "", radius_m: float, height_m: float, hook_m: float = 0.02
) -> Mesh:
    """A cylinder of metal that stands on z = 0 with an eye of wire on top; the eye's crown is `hook_m` above it.

    Slots: weight, steel."""
    r, h = radius_m, height_m
    groove = 0.06 * r
    side = polyline(
        (0.0, 0.0), (0.94 * r, 0.0, 0.05 * r), (r, 0.08 * r, 0.05 * r), (r, 0.8 * h, 0.04 * r),
        (r - groove, 0.8 * h + groove, 0.02 * r), (r, 0.8 * h + 2 * groove, 0.02 * r), (r, h - 0.08 * r, 0.05 * r),
        (0.94 * r, h, 0.05 * r), (0.28 * r, h, 0.04 * r), (0.26 * r, h + 0.22 * r, 0.06 * r), (0.0, h + 0.22 * r),
    )  # fmt: skip
    eye = hook_m * 0.36
    angle = np.linspace(-np.pi / 2, 1.5 * np.pi, 41)
    middle = h + hook_m - eye
    loop = np.column_stack([eye * np.cos(angle), np.zeros(len(angle)), middle + eye * np.sin(angle)])
    return mesh(
        *turned(("weight", side)),
        rod((0, 0, h + 0.2 * r), (0, 0, middle - eye), 0.0016, "steel"),
        sweep(loop, 0.0013, around=10, slot="steel"),
    )


@model("hanger_weight")
def hanger_weight(
    *, rng: np.random.Generator, variant: str = "", radius_m: float, height_m: float, loop_x: float, loop_m: float
) -> Mesh:
    """A cylinder of metal that stands on z = 0 under a loop of wire, in the plane y = 0, wide enough for a strip of
    width 2 `loop_x` to go through; the inner crown of the loop is at `height_m` + `loop_m`. Slots: weight, steel."""
    r, h, wire = radius_m, height_m, 0.0014
    side = polyline(
        (0.0, 0.0), (0.93 * r, 0.0, 0.05 * r), (r, 0.07 * r, 0.05 * r), (r, h - 0.07 * r, 0.05 * r),
        (0.93 * r, h, 0.05 * r), (0.0, h),
    )  # fmt: skip
    half, top, corner = loop_x + 0.002 + wire, h + loop_m + wire, 0.006
    flat = polyline(
        (half * 0.35, h - 0.002),
        (half * 0.35, h + 0.006, 0.003),
        (half, h + 0.012, corner),
        (half, top, corner),
        (0.0, top),
    )
    flat = np.concatenate([flat, (flat * [-1.0, 1.0])[-2::-1]])
    path = np.column_stack([flat[:, 0], np.zeros(len(flat)), flat[:, 1]])
    # Adjusted to the mass of a plain cylinder, its loop included.
    (weight,) = turned(("weight", side))
    loop = sweep(path, wire, around=10, slot="steel")
    return mesh(replace(weight, solid_m3=np.pi * r**2 * h), replace(loop, solid_m3=0.0))


@model("bench_clamp")
def bench_clamp(
    *, rng: np.random.Generator, variant: str = "", height_m: float, width_m: float, depth_m: float, gap_m: float
) -> Mesh:
    """A block with a plate screwed down on it: what is `gap_m` thick is held between z = `height_m` and the plate. Its
    front face is the plane x = 0; it lies towards -x. Slots: block, plate, steel."""
    w, d = width_m, depth_m
    plate, middle = 0.011, -d / 2
    low = height_m + gap_m
    screws = []
    for y in (-0.36 * w, 0.36 * w):
        head = polyline(
            (0.0, low + plate - 0.001),
            (0.0075, low + plate - 0.001),
            (0.0075, low + plate + 0.006, 0.0012),
            (0.0, low + plate + 0.006),
        )
        screws += [moved(part, by=(middle, y, 0.0)) for part in turned(("steel", head), around=48)]
        screws.append(rod((middle, y, height_m - 0.005), (middle, y, low + 0.001), 0.004, "steel"))
    return mesh(
        box((d, w, height_m), radius_m=0.003, center_m=(middle, 0.0, height_m / 2), slot="block"),
        box((d, w, plate), radius_m=0.002, center_m=(middle, 0.0, low + plate / 2), slot="plate"),
        *screws,
    )


@model("bearers")
def bearers(
    *,
    rng: np.random.Generator,
    variant: str = "",
    span_m: float,
    height_m: float,
    width_m: float,
    depth_m: float = 0.05,
) -> Mesh:
    """Two blocks, each with a round bar on top, whose crowns are `span_m` apart at `height_m`. Slots: block, steel."""
    bar, parts = 0.007, []
    for x in (-span_m / 2, span_m / 2):
        block = height_m - 2 * bar + 0.002
        parts.append(box((depth_m, width_m, block), radius_m=0.003, center_m=(x, 0.0, block / 2), slot="block"))
        half = 0.47 * width_m
        parts.append(rod((x, -half, height_m - bar), (x, half, height_m - bar), bar, "steel"))
    return mesh(*parts)


@model("twist_base")
def twist_base(*, rng: np.random.Generator, variant: str = "", size_m: float, height_m: float, collar_m: float) -> Mesh:
    """A block with a collar on top out of which a bar comes, at z = `height_m`. Slots: block, steel."""
    ring = 0.014
    side = polyline(
        (0.0, height_m - ring - 0.002),
        (collar_m, height_m - ring - 0.002),
        (collar_m, height_m, 0.002),
        (0.0, height_m),
    )
    low = height_m - ring
    screws = [
        moved(part, by=(x * 0.36 * size_m, y * 0.36 * size_m, low))
        for x in (-1, 1)
        for y in (-1, 1)
        for part in turned(
            ("steel", polyline((0.0, -0.001), (0.006, -0.001), (0.006, 0.004, 0.001), (0.0, 0.004))), around=40
        )
    ]
    return mesh(
        box((size_m, size_m, low), radius_m=0.004, center_m=(0, 0, low / 2), slot="block"),
        *turned(("steel", side)),
        *screws,
    )


@model("cross_handle")
def cross_handle(*, rng: np.random.Generator, variant: str = "", hub_m: float, reach_m: float) -> Mesh:
    """A hub about the origin, its axis z, with a rod through it along x and a knob at either end. Slots: hub, steel,
    knob, other."""
    tall = 0.013
    side = polyline((0.0, -tall), (hub_m, -tall, 0.002), (hub_m, tall, 0.002), (0.0, tall))
    return mesh(
        *turned(("hub", side)),
        rod((-reach_m, 0, 0), (reach_m, 0, 0), 0.005, "steel"),
        ball((0.012,) * 3, center_m=(reach_m, 0, 0), slot="knob", rings=36),
        ball((0.012,) * 3, center_m=(-reach_m, 0, 0), slot="other", rings=36),
    )


@model("bearing_posts")
def bearing_posts(
    *,
    rng: np.random.Generator,
    variant: str = "",
    span_m: float,
    height_m: float,
    width_m: float,
    depth_m: float,
    collar_m: float,
) -> Mesh:
    """Two posts whose facing sides are `span_m` apart along x, with collars about a bar at `height_m`, on a plate.

    Slots: block, steel, base."""
    plate, parts = 0.014, []
    top = height_m + 1.7 * collar_m
    for side in (-1.0, 1.0):
        middle = side * (span_m / 2 + depth_m / 2)
        parts.append(
            box((depth_m, width_m, top - plate), radius_m=0.004, center_m=(middle, 0, (top + plate) / 2), slot="block")
        )
        face = side * span_m / 2
        parts.append(rod((face + side * 0.002, 0, height_m), (face - side * 0.006, 0, height_m), collar_m, "steel"))
    parts.append(
        box(
            (span_m + 2 * depth_m + 0.05, width_m + 0.05, plate),
            radius_m=0.004,
            center_m=(0, 0, plate / 2),
            slot="base",
        )
    )
    return mesh(*parts)


@model("pull_post")
def pull_post(
    *, rng: np.random.Generator, variant: str = "", height_m: float, width_m: float, depth_m: float, collar_m: float
) -> Mesh:
    """A post on a foot, its front face at x = 0, lying towards -x, with a collar at `height_m` that holds an end.

    Slots: block, steel."""
    top = height_m + collar_m + 0.012
    return mesh(
        box((depth_m, width_m, top), radius_m=0.004, center_m=(-depth_m / 2, 0, top / 2), slot="block"),
        rod((-0.004, 0, height_m), (0.009, 0, height_m), collar_m, "steel"),
    )


@model("rail")
def rail(*, rng: np.random.Generator, variant: str = "", length_m: float, width_m: float) -> Mesh:
    """A flat bed with a groove's worth of steel along each side. Slots: base, steel."""
    return mesh(
        box((length_m, width_m, 0.012), radius_m=0.003, center_m=(0, 0, 0.006), slot="base"),
        rod(
            (-length_m / 2 + 0.01, 0.38 * width_m, 0.012), (length_m / 2 - 0.01, 0.38 * width_m, 0.012), 0.004, "steel"
        ),
        rod(
            (-length_m / 2 + 0.01, -0.38 * width_m, 0.012),
            (length_m / 2 - 0.01, -0.38 * width_m, 0.012),
            0.004,
            "steel",
        ),
    )
