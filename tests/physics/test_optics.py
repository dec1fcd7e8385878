"""Light by its formulas: refraction, mirrors, lenses, distance, black bodies, and what hides what."""

import numpy as np
import pytest

from simgen.core import colour
from simgen.procedural import models
from simgen.procedural.models.glassware import content_m3
from simgen.solvers import optics


def test_a_ray_at_30_degrees_enters_glass_of_index_one_and_a_half_at_19_and_a_half() -> None:
    inside = optics.snell_rad(np.radians(30.0), 1.0, 1.5)
    assert np.degrees(inside) == pytest.approx(np.degrees(np.arcsin(1 / 3)))


def test_refraction_there_and_back_gives_the_angle_again() -> None:
    inside = optics.snell_rad(0.7, 1.0, 1.333)
    assert optics.snell_rad(inside, 1.333, 1.0) == pytest.approx(0.7)


def test_beyond_the_critical_angle_of_water_no_light_leaves_it() -> None:
    critical = np.arcsin(1 / 1.333)
    assert np.isnan(optics.snell_rad(critical + 0.01, 1.333, 1.0))
    assert not np.isnan(optics.snell_rad(critical - 0.01, 1.333, 1.0))


def test_the_offset_through_a_slab_is_what_tracing_the_ray_through_it_gives() -> None:
    incidence, thickness, ior = 0.9, 0.02, 1.52
    inside = float(optics.snell_rad(incidence, 1.0, ior))
    leaves = np.array([thickness * np.tan(inside), thickness])
    straight = np.array([np.sin(incidence), np.cos(incidence)])
    beside = leaves - (leaves @ straight) * straight
    assert optics.slab_offset_m(incidence, thickness, ior) == pytest.approx(np.linalg.norm(beside))
    assert optics.slab_offset_m(0.0, thickness, ior) == 0.0


def test_straight_from_above_a_coin_in_water_seems_three_quarters_as_deep() -> None:
    assert optics.apparent_depth_m(0.1, 1e-6, 4 / 3) == pytest.approx(0.075)


def test_a_mirror_image_lies_as_far_behind_and_on_the_same_normal() -> None:
    image = optics.mirror_image_m([[1.0, 2.0, 3.0]], [0.0, 0.0, 0.0], [2.0, 0.0, 0.0])
    assert image.tolist() == [[-1.0, 2.0, 3.0]]


def test_a_mirror_that_faces_halfway_shows_the_thing_in_its_middle() -> None:
    mirror, eye, thing = np.array([0.0, 0.0, 0.2]), np.array([1.0, -0.4, 0.5]), np.array([0.3, 0.5, 0.1])
    normal = optics.mirror_normal(mirror, eye, thing)
    way = optics.mirror_image_m(thing, mirror, normal) - eye
    assert np.linalg.norm(np.cross(way, mirror - eye)) == pytest.approx(0.0, abs=1e-12)


def test_a_mirror_shows_what_is_before_it_and_nothing_that_is_beside_or_behind() -> None:
    def shown(point: tuple[float, float, float]) -> float:
        return optics.seen_in_mirror([point], (2.0, 0.0, 0.0), (0.0, 0.0, 0.0), (1.0, 0.0, 0.0), (0.2, 0.2))

    assert shown((1.0, 0.0, 0.0)) == 1.0
    assert shown((1.0, 0.5, 0.0)) == 0.0
    assert shown((-0.5, 0.0, 0.0)) == 0.0


def test_a_ball_of_glass_of_index_two_has_its_focus_on_its_back() -> None:
    assert optics.round_focus_m(0.05, 2.0) == pytest.approx(0.05)


def test_a_round_glass_of_water_turns_around_what_stands_four_radii_behind_it_and_not_what_stands_close() -> None:
    focus = optics.round_focus_m(1.0, 4 / 3)
    assert focus == pytest.approx(2.0)
    assert optics.magnification(focus, 4.0) == pytest.approx(-1.0)
    assert optics.magnification(focus, 1.0) == pytest.approx(2.0)


def test_light_falls_off_with_the_square_of_the_distance() -> None:
    near, far = optics.irradiance_wpm2(10.0, np.array([0.5, 1.5]))
    assert near / far == pytest.approx(9.0)
    assert near == pytest.approx(10.0 / np.pi)


def test_a_shadow_is_as_long_as_a_thing_is_high_when_the_sun_stands_at_45_degrees() -> None:
    assert optics.shadow_length(np.radians([45.0, 26.565051])) == pytest.approx([1.0, 2.0], rel=1e-6)


def test_a_square_before_half_of_another_hides_half_of_it() -> None:
    def square(left: float) -> np.ndarray:
        corners = np.array([[left, 10.0], [left + 40, 10.0], [left + 40, 50.0], [left, 50.0]])
        return corners[[[0, 1, 2], [0, 2, 3]]]

    hidden = optics.hidden_share(square(10.0), square(30.0), width=100, height=60)
    assert hidden == pytest.approx(0.5, abs=0.03)
    assert optics.hidden_share(square(10.0), square(55.0), width=100, height=60) == 0.0


@pytest.mark.parametrize(
    ("kelvin", "x", "y"), [(2856.0, 0.4476, 0.4074), (5000.0, 0.3451, 0.3516), (10000.0, 0.2807, 0.2884)]
)
def test_black_bodies_have_the_published_chromaticities(kelvin: float, x: float, y: float) -> None:
    """CIE illuminant A, and the Planckian locus of Wyszecki and Stiles, Color Science, table 1(3.11)."""
    assert colour.chromaticity(colour.blackbody_xyz(kelvin)) == pytest.approx((x, y), abs=0.003)


def test_a_straight_glass_holds_what_a_cylinder_does() -> None:
    numbers = {"height_m": 0.12, "radius_m": 0.04, "taper": 1.0, "wall_m": 0.002, "floor_m": 0.006, "level_m": 0.0}
    made = models.make("drinking_glass", variant="tumbler", **numbers)
    # The corner at the floor is rounded, which takes off a little.
    assert content_m3(made, 0.1) == pytest.approx(np.pi * 0.038**2 * 0.1, rel=0.02)


def test_the_liquid_of_a_model_has_the_volume_that_is_said_of_it() -> None:
    numbers = {"height_m": 0.12, "radius_m": 0.04, "taper": 0.9, "wall_m": 0.002, "floor_m": 0.006, "level_m": 0.08}
    made = models.make("drinking_glass", variant="tumbler", **numbers)
    both, glass = models.build(made), models.build(made.but(level_m=0.0))
    liquid = models.volume_m3(both) - models.volume_m3(glass)
    # It reaches a little way into the wall and up it, for the sake of its look.
    assert liquid == pytest.approx(content_m3(made, 0.08), rel=0.035)
