"""Heat in a body cut into cells: conduction between neighbours, loss from surfaces, what a furnace gives.

Each cell has one temperature, so a cell must be thin against conductivity over heat transfer (Biot number below 0.1):
a slice of a bar, a ring of a disc. Energy is counted as it crosses, and so is exact to rounding.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simgen.core.colour import STEFAN_BOLTZMANN
from simgen.core.vectors import Floats

NUM_KEPT = 32
"""Temperatures are kept at so many even steps of a run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metal:
    """Constants of a metal, taken as those at red heat."""

    conductivity_wpmk: float
    heat_jpkgk: float
    density_kgpm3: float
    emissivity: float


STEEL = Metal(conductivity_wpmk=27.3, heat_jpkgk=650.0, density_kgpm3=7850.0, emissivity=0.8)
"""EN 1993-1-2: conductivity above 800 °C, specific heat above 900 °C; emissivity of rolled steel with its scale."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cells:
    """A body in N cells with M links between neighbours."""

    heat_jpk: Floats
    """[N] Heat that warms a cell by one kelvin."""
    surface_m2: Floats
    """[N] Where heat leaves to the surroundings."""
    links: NDArray[np.int64]
    """[M, 2]"""
    conductance_wpk: Floats
    """[M] Conductivity times area over distance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Air:
    """What a surface faces: still air and walls of one temperature, or a furnace."""

    kelvin: float = 293.15
    convection_wpm2k: float = 10.0
    emissivity: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Heated:
    """Temperatures [N] after a time, and the heat that went in and out of the body on the way."""

    kelvin: Floats
    gained_j: float
    shares: Floats
    """[K + 1] Shares of the time, 0 to 1, at which temperatures were kept."""
    history_k: Floats
    """[K + 1, N]"""

    def at(self, share: float) -> Floats:
        """Temperatures [N] after a share of the time, straight between the two nearest that were kept."""
        if share >= 1.0:
            return self.kelvin
        k = int(np.searchsorted(self.shares, share, side="right")) - 1
        part = (share - self.shares[k]) / (self.shares[k + 1] - self.shares[k])
        return np.asarray((1.0 - part) * self.history_k[k] + part * self.history_k[k + 1])


def bar(section_m2: Floats, perimeter_m: Floats, length_m: float, metal: Metal, *, closed: bool = False) -> Cells:
    """A bar in equal slices along its length, whatever way it bends; `closed` joins its ends to a ring."""
    count = len(section_m2)
    step = length_m / count
    ahead = np.arange(count) if closed else np.arange(count - 1)
    links = np.stack([ahead, (ahead + 1) % count], axis=1)
    # Two half cells in a row.
    between = 2.0 / (1.0 / section_m2[links[:, 0]] + 1.0 / section_m2[links[:, 1]])
    surface = perimeter_m * step
    if not closed:
        surface = surface.copy()
        surface[[0, -1]] += section_m2[[0, -1]]
    return Cells(
        heat_jpk=metal.density_kgpm3 * metal.heat_jpkgk * section_m2 * step,
        surface_m2=surface,
        links=links,
        conductance_wpk=metal.conductivity_wpmk * between / step,
    )


def disc(radius_m: float, thickness_m: float, count: int, metal: Metal) -> Cells:
    """A round plate in rings from the middle to the edge."""
    edges = np.linspace(0.0, radius_m, count + 1)
    area = np.pi * np.diff(edges**2)
    surface = 2.0 * area
    surface[-1] += 2 * np.pi * radius_m * thickness_m
    inner = np.arange(count - 1)
    return Cells(
        heat_jpk=metal.density_kgpm3 * metal.heat_jpkgk * area * thickness_m,
        surface_m2=surface,
        links=np.stack([inner, inner + 1], axis=1),
        conductance_wpk=metal.conductivity_wpmk * 2 * np.pi * edges[1:-1] * thickness_m * count / radius_m,
    )


def radiated_wpm2(kelvin: Floats, emissivity: float, surroundings_k: float) -> Floats:
    """Net radiation of a grey surface to surroundings much larger than it (Stefan and Boltzmann)."""
    return np.asarray(emissivity * STEFAN_BOLTZMANN * (kelvin**4 - surroundings_k**4))


def run(cells: Cells, start_k: Floats, surroundings: tuple[tuple[Air, Floats], ...], duration_s: float) -> Heated:
    """The temperatures after a time. `surroundings` are what the surface faces, each with the share [N] of every
    cell's surface that faces it. Explicit steps at a fifth of the stable length for the hottest there can be, and at
    least 400 of them."""
    kelvin = np.asarray(start_k, dtype=float).copy()
    hottest = max(float(kelvin.max()), max((air.kelvin for air, _ in surroundings), default=0.0))
    leaving = np.zeros(len(kelvin))
    for air, share in surroundings:
        leaving += share * (air.convection_wpm2k + 4 * air.emissivity * STEFAN_BOLTZMANN * hottest**3)
    a, b = cells.links.T
    total = cells.surface_m2 * leaving + np.bincount(a, cells.conductance_wpk, len(kelvin))
    total += np.bincount(b, cells.conductance_wpk, len(kelvin))
    steps = max(400, int(np.ceil(duration_s / (0.2 * float((cells.heat_jpk / np.maximum(total, 1e-12)).min())))))
    step_s, gained = duration_s / steps, 0.0
    kept = {round(steps * k / NUM_KEPT) for k in range(1, NUM_KEPT + 1)}
    shares, history = [0.0], [kelvin.copy()]
    for step in range(1, steps + 1):
        flow = cells.conductance_wpk * (kelvin[a] - kelvin[b])
        power = np.asarray(np.bincount(b, flow, len(kelvin)) - np.bincount(a, flow, len(kelvin)), dtype=float)
        for air, share in surroundings:
            loss = air.convection_wpm2k * (kelvin - air.kelvin) + radiated_wpm2(kelvin, air.emissivity, air.kelvin)
            given = -share * cells.surface_m2 * loss
            gained += float(given.sum()) * step_s
            power += given
        kelvin += power * step_s / cells.heat_jpk
        if step in kept:
            shares.append(step / steps)
            history.append(kelvin.copy())
    return Heated(kelvin=kelvin, gained_j=gained, shares=np.array(shares), history_k=np.array(history))
