"""Rotations, cameras and support, against values that can be computed by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simgen.core.geometry import (
    Shape,
    argmax_of_columns,
    box_corners,
    camera_matrix,
    convex_hull_2d,
    intrinsics,
    project,
    quat_angle,
    quat_conjugate,
    quat_from_axis_angle,
    quat_from_matrix,
    quat_matrix,
    quat_multiply,
    quat_rotate,
    random_quat,
)
from simgen.core.spec import Body, Camera
from simgen.scene.cameras import body_shape

CAMERA = Camera(position_m=(-2.0, 0.0, 0.5), look_at_m=(0.0, 0.0, 0.5), focal_length_mm=35.0, sensor_width_mm=32.0)


def test_a_quarter_turn_about_z_takes_x_to_y() -> None:
    assert np.allclose(quat_rotate(quat_from_axis_angle((0, 0, 1), np.pi / 2), (1, 0, 0)), (0, 1, 0))


@given(st.integers(0, 10**6))
def test_rotations_compose_invert_and_survive_a_matrix(seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, b, v = np.array(random_quat(rng)), np.array(random_quat(rng)), rng.normal(size=3)
    assert np.allclose(quat_rotate(quat_multiply(a, b), v), quat_rotate(a, quat_rotate(b, v)))
    assert np.allclose(quat_rotate(quat_conjugate(a), quat_rotate(a, v)), v)
    assert np.allclose(quat_matrix(a) @ v, quat_rotate(a, v))
    # Through sin(θ/2) near zero the arc cosine loses half the digits.
    assert quat_angle(quat_from_matrix(quat_matrix(a)), a) < 1e-6


def test_a_point_straight_ahead_is_in_the_middle_and_one_to_the_left_is_left() -> None:
    pixels, depth = project(CAMERA, [(0, 0, 0.5), (0, 0.5, 0.5), (0, 0, 1.0), (-3, 0, 0.5)], 512, 512)
    assert np.allclose(pixels[0], (256, 256))
    assert pixels[1][0] == pytest.approx(256 - 35 / 32 * 512 * 0.25)
    assert pixels[2][1] < 256
    assert np.allclose(depth, (2, 2, 2, -1))


@given(st.integers(0, 10**6))
def test_project_agrees_with_k_times_rt(seed: int) -> None:
    rng = np.random.default_rng(seed)
    camera = Camera(position_m=(-1.0, 2.0, 1.5), look_at_m=tuple(rng.uniform(-0.3, 0.3, size=3)))
    points = rng.uniform(-0.5, 0.5, size=(5, 3))
    to_camera = np.diag([1.0, -1.0, -1.0, 1.0]) @ np.linalg.inv(camera_matrix(camera))
    local = (to_camera @ np.concatenate([points, np.ones((5, 1))], axis=1).T).T[:, :3]
    homogeneous = local @ intrinsics(camera, 640, 480).T
    pixels, depth = project(camera, points, 640, 480)
    assert np.allclose(pixels, homogeneous[:, :2] / homogeneous[:, 2:])
    assert np.allclose(depth, homogeneous[:, 2])


def test_the_hull_of_a_square_with_a_point_inside_is_the_square() -> None:
    hull = convex_hull_2d(np.array([[0, 0], [1, 0], [1, 1], [0, 1], [0.4, 0.6]], dtype=float))
    assert {tuple(corner) for corner in hull} == {(0, 0), (1, 0), (1, 1), (0, 1)}


def test_a_box_tips_over_at_the_angle_of_its_half_width_to_its_half_height() -> None:
    support = Shape.box((0.1, 0.2, 0.3)).support()
    assert support.height_m == pytest.approx(0.15)
    assert support.margin_m == pytest.approx(0.05)
    assert support.tip_angle_rad == pytest.approx(np.arctan2(0.05, 0.15))


def test_a_box_whose_weight_hangs_over_its_edge_does_not_stand() -> None:
    shape = Shape.from_parts((box_corners((0.1, 0.1, 0.1)) + np.array([0.08, 0.0, 0.0]),))
    assert shape.support().tip_angle_rad < 0


def test_what_rolls_rolls() -> None:
    turns = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    ring = np.stack([0.03 * np.cos(turns), 0.03 * np.sin(turns), np.full(48, 0.06)], axis=1)
    can = Shape.from_parts((np.concatenate([ring, ring * [1, 1, -1]]),))
    ball = body_shape(
        Body(
            id=1,
            shape="ball",
            size_m=(0.1,) * 3,
            label="ball",
            position_m=(0, 0, 0),
            mass_kg=1,
            friction=1,
            restitution=0,
        )
    )
    assert can.roll_axis() == 2
    assert ball.roll_axis() == -1
    assert Shape.box((0.1, 0.1, 0.1)).roll_axis() is None


def test_tipping_a_box_lifts_its_middle_to_its_half_diagonal() -> None:
    rise, tilt = Shape.box((0.1, 0.2, 0.3)).tipping(0.0)
    assert rise == pytest.approx(np.hypot(0.05, 0.15) - 0.15, abs=1e-4)
    assert np.degrees(tilt) == pytest.approx(np.degrees(np.arctan2(0.05, 0.15)), abs=1.0)


def test_the_argmax_of_columns_is_that_of_numpy_with_ties_too() -> None:
    rng = np.random.default_rng(0)
    for rows in (1, 255, 1023, 1024, 1025, 3000):
        values = rng.integers(0, 40, (rows, 7)).astype(float)
        assert (argmax_of_columns(values) == np.argmax(values, axis=0)).all()
