"""Soft bodies that are squashed, or slump under their own weight: a material point method on one core.

Moving least squares MPM (Hu et al. 2018) with quadratic weights. A particle keeps its volume ratio J, its elastic
left Cauchy-Green tensor without volume change, and the whole deformation since the start, by which a fine surface is
carried along. Stress is neo-Hookean; above a yield stress the shape part relaxes at a rate set by a viscosity (Simo's
return mapping), so that one law covers jelly, clay and butter. Runs of the same input give the same bits.
"""

import os
from dataclasses import dataclass
from typing import Any

import numpy as np
import warp as wp
from numpy.typing import NDArray

from simgen.core.vectors import Floats
from simgen.solvers.mpm_kernels import from_grid, on_grid, to_grid


def _begin() -> None:
    """Start Warp, which complains about a missing GPU past all of its own settings."""
    wp.config.log_level = wp.LOG_ERROR
    wp.config.enable_backward = False
    kept = os.dup(2)
    silence = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(silence, 2)
        wp.init()
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(silence)


_begin()

Single = NDArray[np.float32]
MARGIN_CELLS = 3
CELLS_PER_WAVE = 0.48
"""A pressure wave goes this far in a step."""
NUM_KEPT = 16
"""The particles are kept at so many even steps of a run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Substance:
    """What the particles are of."""

    density_kgpm3: float
    shear_pa: float
    bulk_pa: float
    yield_pa: float = 1e12
    """Shear stress above which it flows (von Mises, in uniaxial terms); out of reach for what is elastic."""
    viscosity_pas: float = 0.0
    """Of the flow above the yield stress."""
    damping_ps: float = 4.0
    """Rate at which motion dies away in it."""
    friction: float = 0.6
    """Against the floor and the plate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plate:
    """A level plate that comes down at a steady speed from one height to another and stays there."""

    start_m: float
    end_m: float
    speed_mps: float


@dataclass(frozen=True, kw_only=True)
class Particles:
    """Where the particles are at an instant, and how what is around them has been deformed."""

    points_m: Floats
    gradient: Floats
    """[N, 3, 3]"""
    volume_ratio: Floats
    """Of each particle's volume to that at the start."""
    plate_force_n: float
    """Mean since the instant before that was kept; at the end, over the last moments."""


@dataclass(frozen=True, kw_only=True)
class Deformed(Particles):
    """The particles at the end of a run, and at even times on the way to it."""

    speed_mps: float
    """Of the fastest particles: the 99th percentile."""
    largest_density_ratio: float
    """Most mass in a cell of the grid over what a full cell holds at rest."""
    shares: tuple[float, ...]
    """Shares of the time, 0 to below 1, at which the particles were kept."""
    kept: tuple[Particles, ...]

    def at(self, share: float) -> Particles:
        """The particles after a share of the time, each on a straight way between the two nearest instants that were
        kept; at 1 those of the end."""
        if share >= 1.0:
            return self
        k = int(np.searchsorted(self.shares, share, side="right")) - 1
        one, other = self.kept[k], (*self.kept[1:], self)[k]
        part = (share - self.shares[k]) / ((*self.shares[1:], 1.0)[k] - self.shares[k])
        return Particles(
            points_m=one.points_m + part * (other.points_m - one.points_m),
            gradient=one.gradient + part * (other.gradient - one.gradient),
            volume_ratio=one.volume_ratio + part * (other.volume_ratio - one.volume_ratio),
            plate_force_n=one.plate_force_n + part * (other.plate_force_n - one.plate_force_n),
        )


def deform(
    points_m: Floats, spacing_m: float, substance: Substance, *, duration_s: float, plate: Plate | None = None
) -> Deformed:
    """What becomes of a body of particles, one to each cube of edge `spacing_m`, on a floor at z = 0.

    The grid's cells are two spacings wide. Particles are held inside a box a body's width around it.
    """
    dx = 2.0 * spacing_m
    low, high = points_m.min(axis=0), points_m.max(axis=0)
    room = 0.75 * float((high - low).max())
    origin = np.array([low[0] - room, low[1] - room, -MARGIN_CELLS * dx])
    # The floor is a plane of nodes: z = 0 is node number MARGIN_CELLS.
    top = max(float(high[2]), plate.start_m if plate else 0.0)
    extent = np.array([high[0] + room, high[1] + room, top]) - origin
    shape = tuple(int(n) for n in np.ceil(extent / dx).astype(int) + MARGIN_CELLS + 2)
    wave = float(np.sqrt((substance.bulk_pa + 4.0 / 3.0 * substance.shear_pa) / substance.density_kgpm3))
    steps = int(np.ceil(duration_s / (CELLS_PER_WAVE * dx / wave)))
    dt = duration_s / steps
    volume = spacing_m**3
    mass = volume * substance.density_kgpm3
    relax = float(np.exp(-2.0 * substance.shear_pa * dt / substance.viscosity_pas)) if substance.viscosity_pas else 0.0
    yields = float(np.sqrt(2.0 / 3.0)) * substance.yield_pa

    count = len(points_m)
    eye = np.tile(np.eye(3, dtype=np.float32), (count, 1, 1))
    with wp.ScopedDevice("cpu"):
        x = wp.array((points_m - origin).astype(np.float32), dtype=wp.vec3)
        v = wp.zeros(count, dtype=wp.vec3)
        c = wp.zeros(count, dtype=wp.mat33)
        b, f = wp.array(eye, dtype=wp.mat33), wp.array(eye, dtype=wp.mat33)
        j = wp.array(np.ones(count, np.float32), dtype=float)
        grid_v, grid_m = wp.zeros(shape, dtype=wp.vec3), wp.zeros(shape, dtype=float)
        force = wp.zeros(1, dtype=float)
        least = wp.vec3(*(float(2.0 * dx) for _ in range(3)))
        most = wp.vec3(*(float((n - 3) * dx) for n in shape))

        def particles(push_n: float) -> Particles:
            return Particles(
                points_m=x.numpy().astype(float) + origin,
                gradient=f.numpy().astype(float),
                volume_ratio=j.numpy().astype(float),
                plate_force_n=push_n,
            )

        keep = {round(steps * k / NUM_KEPT) for k in range(1, NUM_KEPT)}
        shares, kept = [0.0], [particles(0.0)]
        last, since = max(1, steps // 12), 0
        for k in range(steps):
            if k in keep and k > since:
                shares.append(k / steps)
                kept.append(particles(float(force.numpy()[0]) / ((k - since) * dt)))
                if k < steps - last:
                    force.zero_()
                    since = k
            height, speed = _plate_at(plate, k * dt)
            grid_v.zero_()
            grid_m.zero_()
            _launch(
                to_grid,
                count,
                [x, v, c, b, j, mass, volume, substance.shear_pa, substance.bulk_pa, dt, 1.0 / dx, grid_v, grid_m],
            )
            if k == steps - last:
                force.zero_()
                since = k
            held = [grid_v, grid_m, dt, dx, -origin[2] + 1e-6, height - origin[2] - 1e-6, speed]
            _launch(on_grid, shape, [*held, substance.friction, substance.damping_ps, force])
            _launch(
                from_grid,
                count,
                [x, v, c, b, f, j, substance.shear_pa, yields, relax, dt, 1.0 / dx, least, most, grid_v],
            )
        push = float(force.numpy()[0]) / (last * dt)
        densest = float(grid_m.numpy().max()) / (substance.density_kgpm3 * dx**3)
        done = particles(push)
        return Deformed(
            points_m=done.points_m,
            gradient=done.gradient,
            volume_ratio=done.volume_ratio,
            plate_force_n=push,
            speed_mps=float(np.percentile(np.linalg.norm(v.numpy(), axis=1), 99.0)),
            largest_density_ratio=densest,
            shares=tuple(shares),
            kept=tuple(kept),
        )


def _launch(kernel: Any, dim: Any, inputs: list[Any]) -> None:
    wp.launch(kernel, dim=dim, inputs=inputs)


def _plate_at(plate: Plate | None, time_s: float) -> tuple[float, float]:
    """Height and speed upwards of the plate at an instant; far up where there is none."""
    if plate is None:
        return 1e6, 0.0
    height = plate.start_m - plate.speed_mps * time_s
    return (height, -plate.speed_mps) if height > plate.end_m else (plate.end_m, 0.0)


def carried(rest_m: Floats, now: Particles, surface_m: Floats, spacing_m: float, *, neighbours: int = 24) -> Floats:
    """Points of the body's surface, given at rest, where the particles have taken them: each particle says where they
    are by its own deformation, and the near ones are believed more."""
    result = np.empty_like(surface_m)
    for start in range(0, len(surface_m), 512):
        part = surface_m[start : start + 512]
        apart = ((part[:, None] - rest_m[None]) ** 2).sum(axis=2)
        near = np.argpartition(apart, neighbours, axis=1)[:, :neighbours]
        weight = np.exp(-np.take_along_axis(apart, near, axis=1) / (1.2 * spacing_m) ** 2)
        way = part[:, None] - rest_m[near]
        said = now.points_m[near] + np.einsum("nkij,nkj->nki", now.gradient[near], way)
        result[start : start + 512] = (weight[..., None] * said).sum(axis=1) / weight.sum(axis=1)[:, None]
    return result


def lattice(inside: Any, low_m: Floats, high_m: Floats, spacing_m: float) -> Floats:
    """Particles in the middle of each little cube whose middle is inside a body (`inside` takes points [N, 3])."""
    axes = [np.arange(a + spacing_m / 2, b, spacing_m) for a, b in zip(low_m, high_m, strict=True)]
    points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    result: Floats = points[inside(points)]
    return result
