"""Bullet as simgen drives it, against formulas."""

import gc
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pybullet
import pytest

from simgen.catalog.catalog import open_catalog
from simgen.core.geometry import quat, quat_from_axis_angle, vec3
from simgen.core.rollout import Rollout
from simgen.core.spec import Body, Camera, Environment, Push, Release, Remove, SceneSpec, Stage
from simgen.engine.physics import _inertia, simulate
from simgen.make.changes import changed_bodies
from simgen.make.evidence import Physics
from simgen.make.gates import judge
from simgen.procedural import asset_archive
from simgen.procedural.models import make

G = 9.81
STEPS = 240
CATALOG = open_catalog(builtin=False)


def ball(body_id: int, *, at: tuple[float, float, float], **values: Any) -> Body:
    diameter = values.pop("diameter_m", 0.1)
    return Body(
        **{
            "id": body_id,
            "shape": "ball",
            "size_m": (diameter,) * 3,
            "label": "ball",
            "role": "actor",
            "position_m": at,
            "mass_kg": 0.2,
            "friction": 0.5,
            "restitution": 0.0,
            **values,
        }
    )


def box(body_id: int, *, size_m: tuple[float, float, float], at: tuple[float, float, float], **values: Any) -> Body:
    return Body(
        **{
            "id": body_id,
            "shape": "box",
            "size_m": size_m,
            "label": "box",
            "role": "actor",
            "position_m": at,
            "mass_kg": 0.3,
            "friction": 0.6,
            "restitution": 0.0,
            **values,
        }
    )


def run(*bodies: Body, stage_friction: float = 1.0, stage_restitution: float = 0.0, **values: Any) -> Rollout:
    spec = SceneSpec(
        **{
            "scene": "test",
            "bodies": bodies,
            "stage": Stage(kind="floor", size_m=(8, 8), friction=stage_friction, restitution=stage_restitution),
            "lights": (),
            "environment": Environment(),
            "camera": Camera(position_m=(-1, 0, 1), look_at_m=(0, 0, 0)),
            **values,
        }
    )
    return simulate(spec, CATALOG)


def test_a_liquid_carries_nothing_and_slows_nothing_that_goes_through_it() -> None:
    pool = Body(
        id=2, shape="model", model=make("puddle", volume_m3=2e-4, contact_deg=60.0), label="pool", role="prop",
        static=True, substance="water", position_m=(0.0, 0.0, 0.0), mass_kg=0.2, friction=0.0, restitution=0.0,
    )  # fmt: skip
    falling = ball(1, at=(0.0, 0.0, 0.25))
    dry, wet = run(falling), run(falling, pool)
    assert wet.poses(1).position_m[-1][2] == pytest.approx(0.05, abs=1e-3)
    assert np.array_equal(wet.poses(1).position_m, dry.poses(1).position_m)


@pytest.mark.parametrize("height_m", np.linspace(0.05, 4.0, 10))
def test_a_body_dropped_from_h_lands_after_the_root_of_2h_over_g(height_m: float) -> None:
    rollout = run(ball(1, at=(0, 0, 0.05 + height_m)), events=(Release(time_s=0.0, body=1),))
    landed_s = rollout.contacts[0].first_s
    assert abs(landed_s - np.sqrt(2 * height_m / G)) <= 1.0 / STEPS


@pytest.mark.parametrize("friction", [0.3, 0.5, 0.8])
def test_a_box_on_a_slope_begins_to_slide_within_a_degree_of_the_friction_angle(friction: float) -> None:
    def slid_m(slope_deg: float) -> float:
        turn = quat_from_axis_angle((0, 1, 0), np.radians(slope_deg))
        normal = np.array([np.sin(np.radians(slope_deg)), 0.0, np.cos(np.radians(slope_deg))])
        middle = np.array([0.0, 0.0, 1.0])
        slope = box(
            1,
            size_m=(2.0, 1.0, 0.1),
            at=vec3(middle - 0.05 * normal),
            quaternion=quat(turn),
            static=True,
            friction=1.0,
            role="prop",
        )
        low = box(
            2, size_m=(0.1, 0.1, 0.02), at=vec3(middle + 0.0102 * normal), quaternion=quat(turn), friction=friction
        )
        rollout = run(slope, low, end_state="moving", duration_s=1.0, settle_s=0.0)
        track = rollout.poses(2).position_m
        return float(np.linalg.norm(track[-1] - track[0]))

    angle_deg = np.degrees(np.arctan(friction))
    assert slid_m(angle_deg - 1.0) < 0.005
    assert slid_m(angle_deg + 1.0) > 0.02


@pytest.mark.parametrize("heading_deg", [0.0, 30.0, 45.0, 90.0])
def test_a_pushed_box_stops_after_the_distance_that_friction_gives(heading_deg: float) -> None:
    speed, friction = 1.0, 0.36
    heading = np.array([np.cos(np.radians(heading_deg)), np.sin(np.radians(heading_deg)), 0.0])
    push = Push(time_s=0.0, body=1, impulse_ns=vec3(0.3 * speed * heading))
    rollout = run(box(1, size_m=(0.2, 0.2, 0.02), at=(0, 0, 0.0102)), stage_friction=friction / 0.6, events=(push,))
    went = rollout.poses(1).position_m[-1] - rollout.poses(1).position_m[0]
    assert np.linalg.norm(went) == pytest.approx(speed**2 / (2 * friction * G), rel=0.05)
    assert went[:2] @ heading[:2] == pytest.approx(np.linalg.norm(went[:2]), rel=0.01)


def test_momentum_is_kept_within_a_percent_when_spheres_collide() -> None:
    striker = ball(1, at=(-0.3, 0, 0.05), velocity_mps=(1.0, 0, 0), friction=0.0, restitution=0.9)
    struck = ball(2, at=(0, 0.02, 0.05), mass_kg=0.35, friction=0.0, restitution=0.9)
    rollout = run(striker, struck, stage_friction=0.0, end_state="moving", duration_s=1.0)
    momentum = 0.2 * rollout.poses(1).velocity_mps + 0.35 * rollout.poses(2).velocity_mps
    assert np.linalg.norm(momentum[-1] - momentum[0]) < 0.01 * np.linalg.norm(momentum[0])
    assert np.linalg.norm(rollout.poses(2).velocity_mps[-1]) > 0.3


def test_a_tower_whose_support_is_removed_falls() -> None:
    tower = [box(k + 1, size_m=(0.06,) * 3, at=(0, 0, 0.0305 + 0.0605 * k), role="affected") for k in range(4)]
    standing = run(*tower)
    assert standing.poses(4).position_m[-1][2] == pytest.approx(0.21, abs=0.002)
    fallen = run(*tower, events=(Remove(time_s=0.0, body=1),))
    assert fallen.visible(1, fallen.start)
    assert not fallen.visible(1, fallen.end)
    assert fallen.poses(2).position_m[-1][2] == pytest.approx(0.03, abs=0.002)
    assert fallen.poses(4).position_m[-1][2] < 0.16
    assert changed_bodies(fallen) == (1, 2, 3, 4)


def test_a_ball_rolls_without_slipping_at_five_sevenths_of_its_pushed_speed() -> None:
    push = Push(time_s=0.0, body=1, impulse_ns=(0.2 * 1.4, 0.0, 0.0))
    rollout = run(ball(1, at=(0, 0, 0.05)), events=(push,), end_state="moving", duration_s=1.5)
    track = rollout.poses(1)
    assert track.velocity_mps[-1][0] == pytest.approx(1.0, rel=0.02)
    assert 0.05 * track.angular_velocity_radps[-1][1] == pytest.approx(track.velocity_mps[-1][0], rel=0.02)


def test_a_cylinder_shaped_inertia_is_kept_when_the_mass_is_set() -> None:
    """Setting a mass in Bullet replaces the inertia by the bounding box's, and the other way round the mass by zero."""
    rollout = run(box(1, size_m=(0.3, 0.1, 0.1), at=(0, 0, 1), angular_velocity_radps=(0, 0, 5.0)), duration_s=0.05)
    expected = 0.5 * 0.3 * (0.3**2 + 0.1**2) / 12 * 25.0
    assert rollout.kinetic_j[0] == pytest.approx(expected, rel=1e-3)


def test_the_same_spec_gives_bit_identical_tracks() -> None:
    bodies = [box(k + 1, size_m=(0.06,) * 3, at=(0.01 * k, 0, 0.0305 + 0.07 * k)) for k in range(5)]
    first, second = run(*bodies), run(*bodies)
    for body in bodies:
        assert first.poses(body.id).position_m.tobytes() == second.poses(body.id).position_m.tobytes()
        assert first.poses(body.id).quaternion.tobytes() == second.poses(body.id).quaternion.tobytes()
    assert first.contacts == second.contacts


def test_a_body_hangs_until_it_is_released_and_a_frame_shows_the_world_before_its_events() -> None:
    rollout = run(ball(1, at=(0, 0, 0.5)), events=(Release(time_s=0.1, body=1),))
    heights = rollout.poses(1).position_m[:, 2]
    assert (heights[:25] == 0.5).all()
    assert heights[26] < 0.5
    pushed = run(ball(1, at=(0, 0, 0.05)), events=(Push(time_s=0.0, body=1, impulse_ns=(0.2, 0, 0)),))
    assert np.linalg.norm(pushed.poses(1).velocity_mps[0]) < 0.01
    assert pushed.poses(1).velocity_mps[1][0] > 0.9
    assert pushed.work_j == pytest.approx(0.1, rel=0.01)


def test_the_certificate_of_a_box_at_rest_passes_and_that_of_a_floating_body_fails() -> None:
    resting = run(box(1, size_m=(0.1,) * 3, at=(0, 0, 0.0505)))
    assert all(gate.passed for gate in judge("physics", Physics(resting)))
    floating = run(ball(1, at=(0, 0, 0.5)), gravity_mps2=(0.0, 0.0, 0.0))
    failed = {gate.name for gate in judge("physics", Physics(floating)) if not gate.passed}
    assert failed == {"unsupported_bodies"}


def test_energy_from_nothing_is_found() -> None:
    """A body that starts deep inside the stage is thrown out of it."""
    rollout = run(box(1, size_m=(0.1,) * 3, at=(0, 0, 0.01)), settle_s=0.0)
    failed = {gate.name for gate in judge("physics", Physics(rollout)) if not gate.passed}
    assert "start_penetration" in failed or "energy_gain" in failed


def test_a_simulation_leaves_no_client_of_bullet_behind_for_the_collector() -> None:
    gc.disable()
    try:
        first = run(ball(1, at=(0, 0, 0.3)), events=(Release(time_s=0.0, body=1),))
        assert not any(pybullet.isConnected(number) for number in range(64))
        second = run(ball(1, at=(0, 0, 0.3)), events=(Release(time_s=0.0, body=1),))
    finally:
        gc.enable()
    assert (first.poses(1).position_m == second.poses(1).position_m).all()


def test_an_asset_whose_manifest_scales_it_is_that_large_in_every_engine(tmp_path: Path) -> None:
    """A cube of 10 cm with `scale: 2`: it stands 10 cm high about its centre, and turns as one of 20 cm."""
    corners = [(x, y, z) for x in (-0.05, 0.05) for y in (-0.05, 0.05) for z in (-0.05, 0.05)]
    sides = ("1 2 4 3", "5 7 8 6", "1 5 6 2", "3 4 8 7", "1 3 7 5", "2 6 8 4")
    text = "".join("v {} {} {}\n".format(*c) for c in corners) + "".join(f"f {side}\n" for side in sides)
    moment = 1.0 * 0.1**2 / 6
    data = {
        "a.obj": text.encode(),
        "a.urdf": f"""<robot name="a"><link name="base"><inertial><mass value="1"/>
<inertia ixx="{moment}" iyy="{moment}" izz="{moment}" ixy="0" ixz="0" iyz="0"/></inertial>
<collision><geometry><mesh filename="a.obj"/></geometry></collision></link></robot>""".encode(),
    }
    (tmp_path / "a.tar.gz").write_bytes(asset_archive.archive(data))
    kwargs = {"bounds": [[-0.05] * 3, [0.05] * 3], "scale": [2, 2, 2], "mass": 4.0}
    kwargs |= {"render_filename": "{asset_dir}/a.obj", "simulation_filename": "{asset_dir}/a.urdf"}
    manifest = {"name": "set", "assets": {"a": {"asset_type": "FileBasedObject", "kwargs": kwargs}}}
    (tmp_path / "set.json").write_text(json.dumps(manifest))
    catalog = open_catalog(objects=[str(tmp_path / "set.json")], builtin=False, cache=tmp_path / "cache")
    asset = catalog.object("set:a")
    made = Body(
        id=1, asset="set:a", label="cube", role="actor", position_m=(0.0, 0.0, 0.15), size_m=asset.size_m,
        mass_kg=4.0, friction=0.5, restitution=0.0,
    )  # fmt: skip
    spec = run(box(2, size_m=(0.1, 0.1, 0.1), at=(1.0, 0.0, 0.05))).spec
    rollout = simulate(replace(spec, bodies=(made,), events=()), catalog)
    assert rollout.poses(1).position_m[-1][2] == pytest.approx(0.1, abs=0.002)
    assert _inertia(made, catalog) == pytest.approx((4.0 * 0.2**2 / 6,) * 3)
