"""Floating, swinging, bending, stretching, squashing: solvers and scenes against what can be worked out by hand."""

import numpy as np
import pytest

from simgen.catalog.catalog import open_catalog
from simgen.core.rollout import Rollout
from simgen.engine.physics import simulate
from simgen.plan.recipe import load_scenes
from simgen.procedural import models
from simgen.procedural.models import forms, strips, tank
from simgen.scene.draw import Draw
from simgen.scene.registry import build
from simgen.solvers import beams, hydrostatics, mpm, oscillators

load_scenes()
CATALOG = open_catalog()


def rollout(name: str, index: int) -> Rollout:
    scene = build(name)
    spec = scene.sample(Draw(rng=np.random.default_rng([11, index]), catalog=CATALOG, split="train"))
    return scene.develop(simulate(spec, CATALOG), CATALOG.mesh)


def test_volume_and_centroid_below_a_plane_are_those_of_the_part_of_a_box() -> None:
    mesh = forms.mesh(forms.box((0.2, 0.1, 0.04), radius_m=1e-5))
    volume, centroid = hydrostatics.below(mesh.vertices_m, mesh.triangles, -0.01)
    assert volume == pytest.approx(0.2 * 0.1 * 0.01, rel=1e-3)
    assert centroid == pytest.approx([0.0, 0.0, -0.015], abs=2e-5)


def test_a_flat_board_floats_as_deep_as_its_density_says() -> None:
    mesh = forms.mesh(forms.box((0.2, 0.15, 0.04), radius_m=1e-5))
    rest = hydrostatics.float_at_rest(mesh.vertices_m, mesh.triangles, np.zeros(3), 0.6)
    assert rest.height_m + 0.02 == pytest.approx(0.6 * 0.04, rel=0.02)
    assert rest.rotation[2, 2] == pytest.approx(1.0, abs=1e-3)


def test_a_post_set_in_upright_ends_on_its_side() -> None:
    mesh = forms.mesh(forms.box((0.04, 0.04, 0.16), radius_m=0.001))
    rest = hydrostatics.float_at_rest(mesh.vertices_m, mesh.triangles, np.zeros(3), 0.6)
    assert abs(rest.rotation[2, 2]) < 0.02
    assert rest.arm_m < 1e-4


@pytest.mark.parametrize("ratio", [0.2, 0.5, 0.85])
def test_a_ball_displaces_its_weight(ratio: float) -> None:
    mesh = forms.mesh(forms.ball((0.05, 0.05, 0.05)))
    rest = hydrostatics.float_at_rest(mesh.vertices_m, mesh.triangles, np.zeros(3), ratio)
    wet = rest.height_m + 0.05
    assert np.pi * wet**2 * (3 * 0.05 - wet) / 3 == pytest.approx(ratio * 4 / 3 * np.pi * 0.05**3, rel=0.01)


@pytest.mark.parametrize("kind", ["box", "bowl", "round"])
def test_a_vessel_holds_what_its_water_is(kind: str) -> None:
    size = {"half_x": 0.1, "half_y": 0.1 if kind != "box" else 0.07, "corner_m": 0.1 if kind != "box" else 0.01}
    heights, areas = tank.areas(kind, height_m=0.12, wall_m=0.004, floor_m=0.007, **size)
    held = hydrostatics.capacity_m3(heights, areas, 0.08)
    water = models.build(models.make("tank_water", variant=kind, height_m=0.12, level_m=0.08, **size))
    assert models.volume_m3(water) == pytest.approx(held, rel=0.02)
    assert hydrostatics.filled_to(heights, areas, held) == pytest.approx(0.08, abs=1e-6)


@pytest.mark.parametrize("index", range(6))
def test_the_water_rises_by_what_is_displaced_and_the_body_lies_as_deep_as_archimedes_says(index: int) -> None:
    done = rollout("buoyancy", index)
    body, vessel = done.spec.actor, done.spec.body(2)
    assert vessel.model is not None
    mesh = CATALOG.mesh(body)
    from_level = _world(done, mesh.vertices_m * body.scale)
    level, displaced = done.quantity("water_level"), done.quantity("displaced_volume").end * 1e-6
    wet = hydrostatics.below(from_level, mesh.triangles, level.end)[0]
    total = hydrostatics.below(from_level, mesh.triangles, 10.0)[0]
    assert wet == pytest.approx(displaced, rel=0.02)
    assert wet == pytest.approx(min(body.mass_kg / 998.0, total), rel=0.02)
    heights, areas = tank.areas(vessel.model.variant, wall_m=0.004, floor_m=0.007, **dict(vessel.model.numbers))
    rise = [hydrostatics.capacity_m3(heights, areas, at) for at in (level.start, level.end)]
    assert rise[1] - rise[0] == pytest.approx(displaced, rel=0.02)


def _world(done: Rollout, points: np.ndarray) -> np.ndarray:
    from simgen.core.geometry import quat_rotate

    track = done.poses(done.spec.actor.id)
    return np.asarray(track.position_m[done.end_index] + quat_rotate(track.quaternion[done.end_index], points))


@pytest.mark.parametrize("amplitude_deg", [5.0, 40.0, 80.0])
def test_a_pendulum_is_back_after_the_period_of_the_formula(amplitude_deg: float) -> None:
    amplitude = np.radians(amplitude_deg)
    period = oscillators.swing_period_s(0.3, amplitude)
    small = 2 * np.pi * np.sqrt(0.3 / 9.81)
    assert period == pytest.approx(small * (1 + amplitude**2 / 16 + 11 * amplitude**4 / 3072), rel=0.01)
    angle, speed = oscillators.swing(0.3, amplitude, period)
    assert angle == pytest.approx(amplitude, rel=1e-4)
    assert abs(speed) < 1e-3
    assert oscillators.swing(0.3, amplitude, period / 2)[0] == pytest.approx(-amplitude, rel=1e-4)


def test_a_swinging_pendulum_keeps_its_energy() -> None:
    angle, speed = oscillators.swing(0.3, 1.0, 0.21)
    assert 0.5 * (0.3 * speed) ** 2 == pytest.approx(9.81 * 0.3 * (np.cos(angle) - np.cos(1.0)), rel=1e-6)


def test_a_mass_on_a_spring_is_on_the_other_side_after_half_its_period() -> None:
    period = oscillators.bounce_period_s(0.4, 25.0)
    assert period == pytest.approx(2 * np.pi * np.sqrt(0.4 / 25.0))
    assert oscillators.bounce(0.4, 25.0, -0.05, period / 2)[0] == pytest.approx(0.05, rel=1e-4)


def test_a_cantilever_bends_as_the_formula_and_the_elastica_say() -> None:
    _, below, _ = beams.cantilever(0.003)
    assert below[-1] == pytest.approx(0.003 / 3, rel=1e-4)
    # Bisshopp and Drucker 1945: P L² / E I = 1 drops the tip by 0.302 lengths and draws it in by 0.056.
    out, below, _ = beams.cantilever(1.0)
    assert below[-1] == pytest.approx(0.3017, abs=2e-4)
    assert 1 - out[-1] == pytest.approx(0.0564, abs=2e-4)


def test_a_bar_on_two_supports_sags_as_the_formula_says() -> None:
    _, _, above, _ = beams.supported(0.01)
    assert above.min() == pytest.approx(-0.01 / 48, rel=1e-3)


def test_a_load_off_the_middle_of_a_bar_on_two_supports_sags_it_less_and_its_moments_are_kept() -> None:
    way, out, above, _ = beams.supported(0.01, 0.3)
    assert np.interp(0.3, out, above) == pytest.approx(-0.01 * 0.3**2 * 0.7**2 / 3, rel=1e-3)
    assert np.interp(0.3, out, above) == pytest.approx(
        -beams.supported_deflection_m(0.01, 1.0, 1.0, 1.0, 0.3), rel=1e-3
    )
    # A heavy one: the bar drawn in between its supports is as long as its own arc, and the ends are level.
    way, out, above, angle = beams.supported(5.0, 0.3)
    assert out[-1] == pytest.approx(1.0)
    assert above[-1] == pytest.approx(0.0, abs=1e-9)
    assert np.hypot(np.diff(out), np.diff(above)).sum() == pytest.approx(way[-1], rel=1e-4)
    assert np.gradient(angle, way)[60] == pytest.approx(5.0 * 0.7 * out[60], rel=1e-3)


@pytest.mark.parametrize("index", range(4))
def test_the_bent_strip_hangs_as_low_as_its_deflection_and_keeps_its_volume(index: int) -> None:
    done = rollout("bending", index)
    strip, mesh = done.spec.body(1), done.mesh(1, done.end)
    assert strip.model is not None and mesh is not None
    number = dict(strip.model.numbers)
    load = done.quantity("load").end
    stiff = done.spec.input("young_pa") * beams.rectangle_m4(number["width_m"], number["thickness_m"])
    length, share = number["length_m"], done.spec.input("share")
    given = (done.spec.input("young_pa"), beams.rectangle_m4(number["width_m"], number["thickness_m"]))
    if strip.model.variant == "cantilever":
        formula = beams.cantilever_deflection_m(load, share * length, *given)
    else:
        formula = beams.supported_deflection_m(load, length, *given, share)
    assert stiff > 0
    # Large deflections: a clamped bar gets stiffer as it turns down.
    assert 0.7 * formula < done.quantity("deflection").end < 1.15 * formula


def test_torsion_constants_are_those_of_the_handbook() -> None:
    assert beams.torsion_constant_m4(1.0, 1.0) == pytest.approx(0.1406, abs=1e-4)
    assert beams.torsion_constant_m4(3.0, 1.0) == pytest.approx(0.263 * 3.0, rel=2e-3)
    assert beams.torque_nm(1e6, beams.circle_torsion_m4(0.01), np.pi, 0.2) == pytest.approx(
        1e6 * np.pi * 1e-8 / 2 * np.pi / 0.2
    )


@pytest.mark.parametrize("kind", ["square", "flat", "striped", "fluted"])
def test_a_twisted_bar_keeps_its_volume(kind: str) -> None:
    bar = models.make(
        "twisted_bar", variant=kind, length_m=0.2, low_m=0.01, high_m=0.01, width_m=0.03, thickness_m=0.03
    )
    twisted = models.build(bar.but(twist_rad=4.0))
    assert models.volume_m3(twisted) == pytest.approx(models.volume_m3(models.build(bar)), rel=0.005)


@pytest.mark.parametrize("stretch", [1.0, 1.5, 2.2])
def test_a_drawn_band_keeps_its_volume_and_gets_thinner(stretch: float) -> None:
    share, factor = strips.drawn_profile(stretch, 0.1, 0.0)
    assert stretch * float(((factor[1:] ** 2 + factor[:-1] ** 2) / 2 * np.diff(share)).sum()) == pytest.approx(
        1.0, rel=1e-6
    )
    numbers = {"rest_m": 0.1, "width_m": 0.03, "thickness_m": 0.006, "held_m": 0.005, "marks": 7.0}
    drawn = models.build(models.make("drawn_bar", variant="band", length_m=0.1 * stretch, **numbers))
    rest = models.build(models.make("drawn_bar", variant="band", length_m=0.1, **numbers))
    assert models.volume_m3(drawn) == pytest.approx(models.volume_m3(rest), rel=0.005)


def test_the_two_pieces_of_a_torn_band_have_the_volume_of_the_whole() -> None:
    numbers = {"rest_m": 0.1, "width_m": 0.03, "thickness_m": 0.006, "held_m": 0.005}
    whole = models.build(models.make("drawn_bar", variant="flat", length_m=0.18, **numbers))
    torn = models.build(models.make("torn_band", length_m=0.18, torn_at=0.45, **numbers))
    assert models.volume_m3(torn) == pytest.approx(models.volume_m3(whole), rel=0.01)


SOFT = mpm.Substance(density_kgpm3=1000.0, shear_pa=3e3, bulk_pa=6e4, damping_ps=0.0)


def cube(spacing_m: float, at_m: float = 0.0, edge_m: float = 0.04) -> np.ndarray:
    half = edge_m / 2
    low, high = np.array([-half, -half, at_m]), np.array([half, half, at_m + edge_m])
    return mpm.lattice(lambda p: np.ones(len(p), bool), low, high, spacing_m)


def test_particles_in_the_air_fall_as_all_things_do() -> None:
    points = cube(0.004, at_m=0.06)
    done = mpm.deform(points, 0.004, SOFT, duration_s=0.08)
    fallen = points[:, 2].mean() - done.points_m[:, 2].mean()
    assert fallen == pytest.approx(0.5 * 9.81 * 0.08**2, rel=0.02)
    assert done.volume_ratio == pytest.approx(np.ones(len(points)), abs=1e-3)


def test_a_squeezed_cube_keeps_its_volume_gets_wider_and_pushes_back_and_does_so_again_bit_by_bit() -> None:
    points = cube(0.004)
    stuff = mpm.Substance(density_kgpm3=1000.0, shear_pa=3e3, bulk_pa=9e4, damping_ps=8.0)
    plate = mpm.Plate(start_m=0.044, end_m=0.0239, speed_mps=0.2)
    first, second = (mpm.deform(points, 0.004, stuff, duration_s=0.15, plate=plate) for _ in range(2))
    assert first.volume_ratio.mean() == pytest.approx(1.0, abs=0.03)
    assert np.ptp(first.points_m[:, 0]) > 1.15 * np.ptp(points[:, 0])
    # Uniaxial, incompressible, neo-Hookean: σ = G (1/λ - λ²) over an area that has grown by 1/λ.
    ratio = np.ptp(first.points_m[:, 2]) / np.ptp(points[:, 2])
    assert first.plate_force_n == pytest.approx(3e3 * (1 / ratio - ratio**2) * 0.04**2 / ratio, rel=0.15)
    assert np.array_equal(first.points_m, second.points_m)
    assert first.largest_density_ratio < 1.3
    # On the way: at rest at first, the end at last, the faster pushed the lower in between.
    assert first.at(0.0).points_m == pytest.approx(points, abs=1e-7)
    assert first.at(1.0) is first
    heights = [np.ptp(first.at(share).points_m[:, 2]) for share in (0.0, 0.2, 0.4, 0.6)]
    # A plate that has come to its place leaves the skin a micrometre of freedom.
    assert (np.diff(heights) < 1e-5).all()
    assert first.at(0.5).volume_ratio.mean() == pytest.approx(1.0, abs=0.03)
    assert 0.0 < first.at(0.3).plate_force_n < first.plate_force_n


def test_what_yields_under_its_weight_slumps_and_what_does_not_stands() -> None:
    points = cube(0.005)
    weak, strong = (
        mpm.deform(
            points, 0.005,
            mpm.Substance(density_kgpm3=1000.0, shear_pa=5e3, bulk_pa=2e4, yield_pa=limit, viscosity_pas=20.0),
            duration_s=0.3,
        )
        for limit in (20.0, 2000.0)
    )  # fmt: skip
    assert np.ptp(weak.points_m[:, 2]) < 0.7 * np.ptp(points[:, 2])
    assert np.ptp(strong.points_m[:, 2]) > 0.93 * np.ptp(points[:, 2])
    assert weak.volume_ratio.mean() == pytest.approx(1.0, abs=0.03)


@pytest.mark.parametrize(("name", "limit"), [("compression", 0.02), ("softening", 0.01)])
def test_the_skin_of_a_soft_body_has_the_volume_of_its_particles_without_being_stretched(
    name: str, limit: float
) -> None:
    for index in range(2):
        done = rollout(name, index)
        truth = {t.name: t.value for t in done.truth}
        assert abs(truth["skin_volume_error"]) < limit
        before, after = (done.mesh(1, instant) for instant in (done.start, done.end))
        assert before is not None
        assert after is not None
        wanted = models.volume_m3(before) * truth["solver_volume_ratio"]
        assert models.enclosed_m3(after) == pytest.approx(wanted, rel=limit)


@pytest.mark.parametrize("name", ["compression", "softening"])
def test_the_skin_of_a_soft_body_is_a_closed_body_of_its_volume_on_the_way_too(name: str) -> None:
    done = rollout(name, 0)
    whole, end = done.mesh(1, done.start), done.mesh(1, done.end)
    assert whole is not None and end is not None
    low, high = sorted((models.enclosed_m3(whole), models.enclosed_m3(end)))
    sides = np.concatenate([whole.triangles[:, [a, b]] for a, b in ((0, 1), (1, 2), (2, 0))])
    assert {(int(a), int(b)) for a, b in sides} == {(int(b), int(a)) for a, b in sides}
    shapes = [done.mesh(1, done.instant(phase)) for phase in (0.3, 0.7, 0.9)]
    for phase, shape in zip((0.3, 0.7, 0.9), shapes, strict=True):
        assert shape is not None
        assert np.array_equal(shape.triangles, whole.triangles)
        assert 0.97 * low < models.enclosed_m3(shape) < 1.03 * high
        assert shape.vertices_m[:, 2].min() >= 0.0
        if name == "compression":
            plate = done.pose(2, done.instant(phase))[0][2] - done.pose(1, done.start)[0][2]
            assert shape.vertices_m[:, 2].max() <= plate + 1e-9
    heights = [np.ptp(shape.vertices_m[:, 2]) for shape in (whole, *shapes, end) if shape is not None]
    # A plate that has come to its place leaves the skin a micrometre of freedom.
    assert (np.diff(heights) < 1e-5).all()
