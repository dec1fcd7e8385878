"""Breaking: what cells cut a body into, and what physics makes of the pieces."""

import hashlib
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose

from simgen.catalog.catalog import open_catalog
from simgen.core.assets import Material
from simgen.core.rollout import Rollout
from simgen.core.spec import Body, Break, Environment, Release, SceneSpec, Stage, ViewRequest
from simgen.core.tracks import Instant
from simgen.engine.physics import simulate
from simgen.procedural import models
from simgen.procedural.models import fragments
from simgen.procedural.models.vessels import KINDS, wall_mm
from simgen.solvers.fracture import Solid, cell_corners, convex_parts, extrusion, fracture, halfspace_corners, moments

BOX = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], dtype=float)
SIDES = np.array(
    [[0, 1, 3], [0, 3, 2], [4, 6, 7], [4, 7, 5], [0, 4, 5], [0, 5, 1], [2, 3, 7], [2, 7, 6], [0, 2, 6], [0, 6, 4],
     [1, 5, 7], [1, 7, 3]]
)  # fmt: skip


def a_box(x: float, y: float, z: float) -> Solid:
    return Solid(vertices_m=BOX * [x / 2, y / 2, z / 2], faces=SIDES, slots=np.zeros(12, np.int64))


def test_moments_of_a_box_are_those_of_the_textbook() -> None:
    box = a_box(0.1, 0.2, 0.3)
    volume, center, inertia = moments(box.vertices_m + np.array([1.0, 2.0, 3.0]), box.faces)
    assert volume == pytest.approx(0.006)
    assert_allclose(center, [1.0, 2.0, 3.0])
    assert_allclose(np.diag(inertia), 0.006 / 12 * np.array([0.13, 0.10, 0.05]), rtol=1e-9)


def test_six_planes_have_the_corners_of_a_cube() -> None:
    corners = halfspace_corners(np.concatenate([np.eye(3), -np.eye(3)]), np.full(6, 0.5))
    assert sorted(map(tuple, corners)) == sorted(map(tuple, BOX / 2))


def test_the_cell_of_one_of_two_sites_is_half_the_box() -> None:
    sites = np.array([[-0.25, 0.0, 0.0], [0.25, 0.0, 0.0]])
    corners = cell_corners(sites, 0, np.full(3, -0.5), np.full(3, 0.5))
    assert_allclose(corners.min(axis=0), [-0.5, -0.5, -0.5], atol=1e-9)
    assert_allclose(corners.max(axis=0), [0.0, 0.5, 0.5], atol=1e-9)


def test_two_sites_cut_a_box_in_two_halves() -> None:
    sites = np.array([[-0.02, 0.0, 0.0], [0.02, 0.0, 0.0]])
    halves = fracture(a_box(0.1, 0.1, 0.1), sites)
    assert_allclose([half.volume_m3 for half in halves], [0.0005, 0.0005], rtol=1e-9)
    assert_allclose(sorted(float(half.center_m[0]) for half in halves), [-0.025, 0.025], atol=1e-12)


def test_what_is_cut_shows_as_core_and_nothing_else_does() -> None:
    halves = fracture(a_box(0.1, 0.1, 0.1), np.array([[-0.02, 0.0, 0.0], [0.02, 0.0, 0.0]]))
    for half in halves:
        corners = half.vertices_m[half.faces[half.slots < 0]]
        area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1).sum() / 2
        assert area == pytest.approx(0.01)


def test_pieces_lie_along_their_principal_axes_about_their_centre_of_mass() -> None:
    for piece in fracture(a_box(0.1, 0.08, 0.02), np.array([[-0.02, 0.01, 0.0], [0.02, 0.0, 0.0], [0.0, -0.03, 0.0]])):
        _, center, inertia = moments(piece.vertices_m, piece.faces)
        assert_allclose(center, 0.0, atol=1e-12)
        assert abs(inertia - np.diag(np.diag(inertia))).max() < 1e-9 * inertia.max()
        assert_allclose(np.linalg.det(piece.axes), 1.0)


def test_a_collision_part_of_a_cube_is_drawn_in_by_one_millimetre() -> None:
    cube = a_box(0.1, 0.1, 0.1)
    (part,) = convex_parts(cube.vertices_m, cube.faces)
    assert_allclose(np.abs(part).max(axis=0), 0.049, atol=1e-9)


def test_a_square_with_a_hole_is_as_much_as_it_should_be() -> None:
    square = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], dtype=float)
    points, faces = extrusion([square, 0.25 + 0.5 * square], 0.1, 0.0)
    assert moments(points, faces)[0] == pytest.approx(0.075)


@pytest.mark.parametrize("kind", KINDS)
def test_the_pieces_of_every_vessel_add_up(kind: str) -> None:
    whole = models.make("vessel", variant=kind, seed=7, wall_mm=wall_mm(kind))
    mesh = models.build(whole)
    crack = fragments.cracked(whole, cells=14, seed=3, blow_m=models.bounds_m(mesh)[0], rough_m=0.003)
    pieces = fragments.pieces(crack.variant, crack.numbers)[1]
    assert len(pieces) >= 8
    assert sum(piece.volume_m3 for piece in pieces) == pytest.approx(models.volume_m3(mesh), rel=0.001)
    assert min(piece.volume_m3 for piece in pieces) > 0


def test_a_fragment_is_the_same_mesh_in_every_process() -> None:
    code = (
        "import hashlib; from simgen.procedural import models; from simgen.procedural.models import fragments;"
        "w = models.make('vessel', variant='mug', seed=2, wall_mm=4.0);"
        "c = fragments.cracked(w, cells=9, seed=5, blow_m=(0.0, 0.0, -0.04), rough_m=0.003);"
        "m = models.build(c.but(index=4));"
        "print(hashlib.sha256(m.vertices_m.tobytes() + b''.join(p.tobytes() for p in m.parts)).hexdigest())"
    )
    runs = [subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True) for _ in range(2)]
    assert len(runs[0].stdout.strip()) == hashlib.sha256().digest_size * 2
    assert runs[0].stdout == runs[1].stdout


def thrown() -> SceneSpec:
    """A turning bowl that falls and moves sideways, with the pieces that it breaks into."""
    whole = models.make("vessel", variant="bowl", seed=4, wall_mm=5.0)
    body = Body(
        id=1, shape="model", model=whole, label="bowl", role="actor", position_m=(0.0, 0.0, 0.3), mass_kg=0.4,
        quaternion=(0.8, 0.6, 0.0, 0.0), velocity_mps=(0.4, 0.1, 0.0), angular_velocity_radps=(0.0, 3.0, 1.0),
        friction=0.5, restitution=0.2, material=Material(), size_m=(0.16, 0.16, 0.08),
    )  # fmt: skip
    crack = fragments.cracked(whole, cells=9, seed=5, blow_m=np.array([0.0, 0.0, -0.03]))
    pieces = fragments.bodies(body, crack, first_id=2, restitution=0.2, rolling_resistance_m=0.003)
    return SceneSpec(
        scene="test", bodies=(body, *pieces), stage=Stage(kind="dome"), lights=(), environment=Environment(),
        camera=ViewRequest(azimuth_rad=0.0, elevation_rad=0.5), settle_s=0.0, duration_s=0.5, end_state="moving",
        events=(
            Release(time_s=0.0, body=1),
            Break(time_s=0.0, body=1, into=tuple(p.id for p in pieces), min_impulse_ns=0.1),
        ),
    )  # fmt: skip


@pytest.fixture(scope="module")
def broken() -> Rollout:
    return simulate(thrown(), open_catalog())


def at_the_break(rollout: Rollout) -> int:
    """The last step at which the whole is there."""
    return max(k for k in range(len(rollout.times_s)) if rollout.visible(1, Instant(0.0, k)))


def test_the_masses_of_the_pieces_are_that_of_the_whole() -> None:
    spec = thrown()
    assert sum(body.mass_kg for body in spec.bodies if body.parent == 1) == pytest.approx(0.4, rel=1e-12)


def test_pieces_are_there_when_the_whole_is_not(broken: Rollout) -> None:
    last = at_the_break(broken)
    assert 0 < last < broken.end_index
    for body in broken.spec.bodies[1:]:
        assert not broken.visible(body.id, Instant(0.0, last)) and broken.visible(body.id, Instant(0.0, last + 1))


def test_a_break_changes_neither_momentum_nor_energy(broken: Rollout) -> None:
    last = at_the_break(broken)
    whole, pieces = broken.spec.bodies[0], broken.spec.bodies[1:]
    before = whole.mass_kg * broken.poses(1).velocity_mps[last]
    after = sum(body.mass_kg * broken.poses(body.id).velocity_mps[last + 1] for body in pieces)
    assert_allclose(after, before, atol=2e-4 * np.linalg.norm(before))
    assert broken.kinetic_j[last + 1] == pytest.approx(broken.kinetic_j[last], rel=2e-3)
    assert broken.potential_j[last + 1] == pytest.approx(broken.potential_j[last], rel=2e-3)


def test_pieces_begin_where_they_were_in_the_whole(broken: Rollout) -> None:
    last = at_the_break(broken)
    for body in broken.spec.bodies[1:]:
        track = broken.poses(body.id)
        assert_allclose(track.position_m[last + 1], track.position_m[last], atol=1e-6)


def test_a_blow_that_is_too_weak_breaks_nothing() -> None:
    spec = thrown()
    strong = replace(spec, events=(spec.events[0], replace(spec.events[1], min_impulse_ns=1e6)))
    rollout = simulate(strong, open_catalog())
    assert rollout.visible(1, rollout.end)


def test_the_same_spec_breaks_into_the_same_states(broken: Rollout) -> None:
    again = simulate(thrown(), open_catalog())
    for one, other in zip(broken.tracks, again.tracks, strict=True):
        if hasattr(one, "position_m"):
            assert one.position_m.tobytes() == other.position_m.tobytes()  # type: ignore[union-attr]
