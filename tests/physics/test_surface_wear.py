"""Paint, scratches and rust: what is gone, what is covered, and that nothing else moves."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from simgen.core.geometry import vertex_areas
from simgen.core.mesh import Field, Mesh, MeshSurface
from simgen.core.substances import SUBSTANCES
from simgen.procedural import models
from simgen.procedural.fields import covered_m2
from simgen.procedural.models import ironware
from simgen.procedural.models.forms import box
from simgen.procedural.models.scratched import groove_m2
from simgen.procedural.models.surfaces import area_m2, plane
from simgen.procedural.models.trail import wet_line


def painted(level: float, curl: float = 0.0) -> Mesh:
    return models.build(
        models.make("coated", variant="panel", seed=5, width_m=0.3, height_m=0.25, level=level, curl=curl, flake_m=0.03)
    )


def test_a_wet_line_holds_two_thirds_of_its_width_times_its_height_for_each_metre() -> None:
    # A parabola across, and no path but a straight one has an exact length.
    path = np.column_stack([np.linspace(0.0, 1.0, 400), np.zeros(400)])
    line = Mesh(surfaces=(wet_line(path, width_m=0.01, height_m=0.001, rng=np.random.default_rng(3)),))
    assert models.volume_m3(line) == pytest.approx(2 / 3 * 0.01 * 0.001 * 1.0, rel=0.04)
    low, high = models.bounds_m(line)
    assert_allclose([low[0], high[0], low[2], high[2]], [0.0, 1.0, 0.0, 0.001], atol=1e-6)


def test_a_patch_knows_its_size_and_its_places() -> None:
    patch = plane(np.zeros(3), np.array([0.2, 0, 0]), np.array([0, 0.1, 0]), step_m=0.01)
    assert_allclose(patch.size_m, [0.2, 0.1])
    points, normals = patch.at(np.array([[0.5, 0.25]]))
    assert_allclose(points, [[0.1, 0.025, 0.0]], atol=1e-12)
    assert_allclose(normals, [[0.0, 0.0, 1.0]])


@pytest.mark.parametrize("level", [0.2, 0.5])
def test_the_share_of_paint_that_is_gone_is_the_level(level: float) -> None:
    whole, left = (area_m2(painted(value).surfaces, "coat") for value in (0.0, level))
    assert 1.0 - left / whole == pytest.approx(level, abs=0.01)


def test_paint_comes_off_and_does_not_come_back() -> None:
    # The same seed: what is gone at a fifth is gone at a half.
    few, many = (painted(value) for value in (0.2, 0.5))
    kept = {tuple(np.round(p, 5)) for s in few.surfaces if s.slot == "coat" for p in s.vertices_m}
    later = [tuple(np.round(p, 5)) for s in many.surfaces if s.slot == "coat" for p in s.vertices_m]
    # Points on the new border are new; all others were there.
    assert np.mean([point in kept for point in later]) > 0.8


def test_what_carries_the_paint_stays() -> None:
    one, other = (next(s for s in painted(value, 1.0).surfaces if s.slot == "base") for value in (0.0, 0.5))
    assert np.array_equal(one.vertices_m, other.vertices_m)


def test_curled_paint_stands_off_and_flat_paint_does_not() -> None:
    flat, curled = (
        min(float(s.vertices_m[:, 1].min()) for s in painted(0.4, curl).surfaces if s.slot == "coat")
        for curl in (0.0, 1.0)
    )
    assert flat == pytest.approx(-0.009 - 0.0007, abs=1e-4)
    assert curled < flat - 0.002


def scratched(strokes: float) -> Mesh:
    return models.build(
        models.make("scratched", variant="plate", seed=3, width_m=0.2, height_m=0.15, strokes=strokes, width_mm=0.8)
    )


def test_more_strokes_scratch_more_and_none_scratch_nothing() -> None:
    areas = [groove_m2(scratched(count)) for count in (0, 40, 80)]
    assert areas[0] == 0.0 < areas[1] < areas[2] < 0.2 * 0.15


def test_a_scratch_that_is_made_stays_and_the_next_ones_come_after_it() -> None:
    few, many = (
        {tuple(p) for s in scratched(count).surfaces if s.slot in ("groove", "graze") for p in s.vertices_m}
        for count in (20, 60)
    )
    assert few < many


def test_paint_weighs_as_paint_and_the_board_as_what_it_is_of() -> None:
    whole, left = painted(0.0), painted(0.5)
    coat_m3 = area_m2(whole.surfaces, "coat") * 0.0005
    bare = Mesh(surfaces=tuple(s for s in whole.surfaces if s.slot == "base"))
    board_kg = models.volume_m3(bare) * SUBSTANCES["wood"].density_kgpm3
    assert models.mass_kg(bare, "wood") == board_kg
    paint_kg = coat_m3 * SUBSTANCES["dry paint"].density_kgpm3
    assert models.mass_kg(whole, "wood") - board_kg == pytest.approx(paint_kg, rel=0.02)
    assert models.mass_kg(left, "wood") - board_kg == pytest.approx(paint_kg / 2, rel=0.1)


def test_scratches_lie_on_the_plate_and_inside_its_edges() -> None:
    points = np.concatenate([s.vertices_m for s in scratched(60).surfaces if s.slot in ("groove", "graze")])
    assert points[:, 2].min() >= 0.006 and points[:, 2].max() < 0.0062
    assert (np.abs(points[:, :2]).max(axis=0) <= [0.1, 0.075]).all()


def test_a_finer_mesh_has_the_same_volume_and_no_gap() -> None:
    coarse = box((0.1, 0.06, 0.04), radius_m=0.004)
    fine = ironware.finer(coarse, 0.004)
    assert models.volume_m3(Mesh(surfaces=(fine,))) == pytest.approx(models.volume_m3(Mesh(surfaces=(coarse,))))
    faces = np.asarray(fine.faces)
    edges = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), axis=1)
    assert (np.unique(edges, axis=0, return_counts=True)[1] == 2).all()
    lengths = np.linalg.norm(fine.vertices_m[edges[:, 0]] - fine.vertices_m[edges[:, 1]], axis=1)
    assert lengths.max() <= 0.004


@pytest.mark.parametrize("variant", ["key", "horseshoe", "bell"])
def test_rust_covers_the_share_that_it_should(variant: str) -> None:
    mesh = models.build(models.make("ironware", variant=variant, seed=2, size_m=0.2))
    assert models.bounds_m(mesh)[0][2] == pytest.approx(0.0, abs=1e-6)
    field = Field(name="weather", seed=4, wave_m=0.04, lean=(0.0, 0.0, -0.4))
    whole = float(vertex_areas(mesh.vertices_m, mesh.triangles).sum())
    assert covered_m2(field, mesh, 0.4) / whole == pytest.approx(0.4, abs=0.005)


@pytest.mark.parametrize("variant", ["chain", "pan", "watering can"])
def test_ironware_stands_on_the_ground_and_is_as_large_as_asked_for(variant: str) -> None:
    mesh = models.build(models.make("ironware", variant=variant, seed=1, size_m=0.2))
    low, high = models.bounds_m(mesh)
    assert low[2] == pytest.approx(0.0, abs=1e-6) and float((high - low).max()) == pytest.approx(0.2, rel=1e-6)


def test_a_surface_of_quads_may_be_made_finer_too() -> None:
    square = MeshSurface(
        vertices_m=np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], dtype=float), faces=np.array([[0, 1, 2, 3]])
    )
    fine = ironware.finer(square, 0.6)
    assert vertex_areas(fine.vertices_m, fine.faces).sum() == pytest.approx(1.0)
