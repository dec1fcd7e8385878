"""Heat, melting, freezing and drops against what can be computed by hand."""

from math import erfc, exp, pi, sqrt

import numpy as np
import pytest

from simgen.core.colour import STEFAN_BOLTZMANN
from simgen.core.vectors import Floats
from simgen.procedural import models
from simgen.procedural.models import make
from simgen.procedural.models.coldware import hollow
from simgen.procedural.models.hotware import piece
from simgen.procedural.models.ice import CAPILLARY_M, ICE_KGPM3, WATER_KGPM3, puddle_thickness_m, solid_m3
from simgen.procedural.models.scatter import apart, cap_m3, drops, grown_needles, needles
from simgen.solvers import heat

DIFFUSIVITY = heat.STEEL.conductivity_wpmk / (heat.STEEL.density_kgpm3 * heat.STEEL.heat_jpkgk)
SEALED: tuple[tuple[heat.Air, Floats], ...] = ()


def straight(count: int, length_m: float) -> heat.Cells:
    return heat.bar(np.full(count, 1e-4), np.full(count, 0.04), length_m, heat.STEEL)


def test_a_cosine_of_temperature_in_a_sealed_bar_decays_at_its_own_rate() -> None:
    x = (np.arange(200) + 0.5) / 200 * 0.2
    start = 500.0 + 100.0 * np.cos(pi * x / 0.2)
    after = heat.run(straight(200, 0.2), start, SEALED, 300.0).kelvin
    assert after == pytest.approx(
        500.0 + 100.0 * np.cos(pi * x / 0.2) * exp(-DIFFUSIVITY * (pi / 0.2) ** 2 * 300.0), abs=0.05
    )


def test_two_long_bars_that_touch_follow_the_error_function() -> None:
    x = (np.arange(400) + 0.5) / 400 * 0.4 - 0.2
    after = heat.run(straight(400, 0.4), np.where(x < 0, 1000.0, 300.0), SEALED, 120.0).kelvin
    exact = [300.0 + 350.0 * erfc(place / (2 * sqrt(DIFFUSIVITY * 120.0))) for place in x]
    assert after == pytest.approx(np.array(exact), abs=1.0)


def test_what_a_bar_gains_is_what_crosses_its_skin() -> None:
    cells = straight(60, 0.2)
    air = (heat.Air(kelvin=1400.0, convection_wpm2k=60.0, emissivity=0.8), np.linspace(0, 1, 60))
    hot = heat.run(cells, np.full(60, 293.15), (air,), 100.0)
    assert hot.gained_j == pytest.approx(float((cells.heat_jpk * (hot.kelvin - 293.15)).sum()), rel=1e-9)


def test_on_the_way_a_bar_is_as_warm_as_one_that_is_heated_for_that_time() -> None:
    cells, cold = straight(60, 0.2), np.full(60, 293.15)
    air = (heat.Air(kelvin=1400.0, convection_wpm2k=60.0, emissivity=0.8), np.linspace(0, 1, 60))
    hot = heat.run(cells, cold, (air,), 100.0)
    assert np.array_equal(hot.at(0.0), cold)
    assert np.array_equal(hot.at(1.0), hot.kelvin)
    for share in (0.25, 0.4, 0.9):
        assert hot.at(share) == pytest.approx(heat.run(cells, cold, (air,), 100.0 * share).kelvin, abs=1.0)


def test_a_small_hot_thing_radiates_by_the_fourth_power() -> None:
    cells = straight(1, 0.01)
    space = (heat.Air(kelvin=0.0, convection_wpm2k=0.0, emissivity=0.8), np.ones(1))
    # dT/dt = -k T⁴ integrates to T⁻³ = T₀⁻³ + 3 k t.
    rate = 0.8 * STEFAN_BOLTZMANN * float(cells.surface_m2[0] / cells.heat_jpk[0])
    after = heat.run(cells, np.full(1, 1300.0), (space,), 40.0).kelvin[0]
    assert after == pytest.approx((1300.0**-3 + 3 * rate * 40.0) ** (-1 / 3), rel=0.01)
    assert heat.radiated_wpm2(np.array([1000.0]), 1.0, 0.0)[0] == pytest.approx(56704, rel=1e-4)


def test_the_rings_of_a_disc_hold_the_heat_of_its_volume() -> None:
    cells = heat.disc(0.1, 0.01, 50, heat.STEEL)
    assert cells.heat_jpk.sum() == pytest.approx(pi * 0.01 * 0.01 * 7850 * 650)
    assert cells.surface_m2.sum() == pytest.approx(2 * pi * 0.01 + 2 * pi * 0.1 * 0.01)


@pytest.mark.parametrize("variant", ["rod", "bar", "twist", "chisel", "ring", "horseshoe", "spring"])
def test_slices_of_a_piece_have_the_volume_of_its_mesh(variant: str) -> None:
    shape = piece(variant, length_m=0.15, thickness_m=0.012)
    sliced = float(shape.section_m2.mean()) * shape.length_m
    assert models.volume_m3(
        models.build(make("hot_piece", variant=variant, length_m=0.15, thickness_m=0.012))
    ) == pytest.approx(sliced, rel=0.05)


@pytest.mark.parametrize("variant", ["cube", "ball", "star", "heart"])
def test_ice_that_has_melted_in_part_has_lost_that_share_of_its_volume(variant: str) -> None:
    whole = make("ice_piece", variant=variant, seed=3, size_m=0.04, bubbles=30.0)
    rest = whole.but(melted=0.7)
    assert solid_m3(models.build(rest)) == pytest.approx(0.3 * solid_m3(models.build(whole)), rel=1e-6)


def test_a_puddle_weighs_what_the_ice_weighed() -> None:
    ice_kg = solid_m3(models.build(make("ice_piece", variant="cube", seed=1, size_m=0.035))) * ICE_KGPM3
    puddle = make("puddle", seed=2, volume_m3=ice_kg / WATER_KGPM3, contact_deg=50.0)
    assert models.volume_m3(models.build(puddle)) * WATER_KGPM3 == pytest.approx(ice_kg, rel=1e-3)


def test_a_wide_puddle_of_water_is_a_few_millimetres_deep() -> None:
    assert pytest.approx(0.00273, abs=1e-5) == CAPILLARY_M
    assert puddle_thickness_m(180.0) == pytest.approx(2 * CAPILLARY_M)
    high = models.bounds_m(models.build(make("puddle", seed=2, volume_m3=5e-5, contact_deg=60.0)))[1][2]
    assert high == pytest.approx(CAPILLARY_M, rel=1e-6)


def test_what_slumps_keeps_its_volume() -> None:
    pool = make("slump", seed=4, volume_m3=6e-5, melted=0.7, height_m=0.03, thickness_m=0.005)
    assert models.volume_m3(models.build(pool)) == pytest.approx(6e-5, rel=1e-6)


@pytest.mark.parametrize("variant", ["tumbler", "beaker", "dish", "bowl", "cup", "straight", "tray"])
def test_a_level_and_the_volume_below_it_belong_together(variant: str) -> None:
    shape = hollow(variant, 0.04, 0.06, 0.003)
    assert shape.volume_m3(shape.level_m(2e-5)) == pytest.approx(2e-5, rel=1e-6)


def test_a_straight_beaker_is_a_cylinder_above_its_floor() -> None:
    shape = hollow("straight", 0.04, 0.1, 0.002)
    assert shape.volume_m3(0.09) - shape.volume_m3(0.05) == pytest.approx(pi * 0.038**2 * 0.04, rel=0.002)


def test_ice_in_a_vessel_has_a_twelfth_more_volume_than_the_water_it_was() -> None:
    water = make("contents", variant="straight", volume_m3=2e-4, radius_m=0.04, height_m=0.1, wall_m=0.002)
    ice = water.but(volume_m3=2e-4 * WATER_KGPM3 / ICE_KGPM3, dome_m=0.003)
    ratio = models.enclosed_m3(models.build(ice)) / models.enclosed_m3(models.build(water))
    assert models.volume_m3(models.build(ice)) == pytest.approx(ice.number("volume_m3"))
    assert ratio == pytest.approx(998 / 917, rel=0.003)


def test_a_half_ball_of_water_is_a_cap_of_ninety_degrees() -> None:
    assert cap_m3(np.array([0.01]), 90.0)[0] == pytest.approx(2 / 3 * pi * 1e-6)


def test_drops_that_are_kept_do_not_touch() -> None:
    rng = np.random.default_rng(0)
    points, radii = np.column_stack([rng.random((300, 2)), np.zeros(300)]), np.full(300, 0.02)
    kept = points[apart(points, radii)]
    distances = np.linalg.norm(kept[:, None] - kept[None], axis=2) + 9 * np.eye(len(kept))
    assert len(kept) > 50
    assert distances.min() >= 0.04
    assert len(drops(kept, np.tile([0.0, 0.0, 1.0], (len(kept), 1)), radii[: len(kept)], 60.0, rng).faces) > 0


def test_needles_of_frost_grow_from_where_they_stand() -> None:
    rng = np.random.default_rng(0)
    points, normals = rng.random((50, 3)), np.tile([0.0, 0.0, 1.0], (50, 1))
    full = needles(points, normals, np.full(50, 0.003), rng)
    assert np.array_equal(grown_needles(full, points, np.ones(50)).vertices_m, full.vertices_m)
    half = grown_needles(full, points, np.where(np.arange(50) < 20, 0.5, 0.0))
    assert len(half.faces) == 20 * 3
    tips = half.vertices_m.reshape(-1, 4, 3)[:, 3]
    assert np.linalg.norm(tips - points[:20], axis=1) == pytest.approx(np.full(20, 0.0015))
    # Pyramids on a triangle whose corners are 0.16 of their length from their axis.
    corners = full.vertices_m.reshape(-1, 4, 3)
    assert full.solid_m3 == pytest.approx(np.abs(np.linalg.det(corners[:, :3] - corners[:, 3:])).sum() / 6)
    assert half.solid_m3 == pytest.approx(0.4 * full.solid_m3 / 8)
