"""Frames against what can be computed without a renderer."""

import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from simgen.catalog.catalog import open_catalog
from simgen.core.assets import Material
from simgen.core.errors import EnvironmentProblem, UnknownName
from simgen.core.geometry import camera_matrix, intrinsics, project, quat_from_axis_angle, quat_multiply
from simgen.core.rollout import Rollout
from simgen.core.spec import Body, Camera, Environment, Light, SceneSpec, Stage
from simgen.core.tracks import PoseTrack, VisibilityTrack
from simgen.core.vectors import IDENTITY

pytest.importorskip("simgen.engine.blender")
pytestmark = pytest.mark.render

from simgen.engine import environment as environments  # noqa: E402
from simgen.engine import pass_reader  # noqa: E402
from simgen.engine import renderer as module  # noqa: E402
from simgen.engine.blender import bpy  # noqa: E402
from simgen.engine.kubric_import import kb  # noqa: E402
from simgen.engine.renderer import Renderer  # noqa: E402
from simgen.engine.view import CyclesView  # noqa: E402
from simgen.engine.world import build_world  # noqa: E402

SIZE = 96
CAMERA = Camera(position_m=(0.0, -1.2, 0.6), look_at_m=(0.0, 0.0, 0.05), focal_length_mm=45.0)
LAMPS = (
    Light(kind="sun", name="key", position_m=(2.0, -2.0, 4.0), power=4.0, color=(1.0, 0.9, 0.7), angle_rad=0.3),
    Light(kind="sun", name="fill", position_m=(-3.0, -1.0, 2.0), power=1.0, angle_rad=0.05),
)
SKY = Environment(color=(0.9, 0.95, 1.0))
KEY = Light(kind="area", name="key", position_m=(0.8, -0.8, 1.4), power=30.0)


class OneMap:
    """A catalogue with one environment map."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def environment_path(self, ref: str) -> Path:
        return self.path


@pytest.fixture(scope="module")
def hall(tmp_path_factory: pytest.TempPathFactory) -> OneMap:
    """Bright windows, one of them behind the wall that the camera looks at, which is where the map shows +y."""
    cv2 = pytest.importorskip("cv2")
    picture = np.full((64, 128, 3), 0.2, np.float32)
    picture[22:30, 26:38] = picture[14:20, 90:96] = 40.0
    path = tmp_path_factory.mktemp("hall") / "map.hdr"
    assert cv2.imwrite(str(path), picture)
    return OneMap(path)


@pytest.fixture(scope="module")
def renderer() -> Renderer:
    return Renderer(open_catalog(builtin=False), width=SIZE, height=SIZE, quality="preview")


def body(number: int, position_m: tuple[float, float, float], **overrides: Any) -> Body:
    """A ball of 12 cm, or whatever the overrides make of it."""
    values: dict[str, Any] = {
        "id": number,
        "shape": "ball",
        "size_m": (0.12, 0.12, 0.12),
        "label": f"thing {number}",
        "role": "actor",
        "position_m": position_m,
        "mass_kg": 0.1,
        "friction": 0.5,
        "restitution": 0.5,
        "material": Material(base_color=(0.6, 0.2, 0.1)),
    }
    return Body(**(values | overrides))


def spec_of(bodies: Sequence[Body], **overrides: Any) -> SceneSpec:
    values: dict[str, Any] = {
        "scene": "test",
        "bodies": tuple(bodies),
        "stage": Stage(kind="table", size_m=(3.0, 3.0)),
        "lights": (KEY,),
        "environment": SKY,
        "camera": CAMERA,
    }
    return SceneSpec(**(values | overrides))


def rollout_of(
    spec: SceneSpec, ends: dict[int, tuple[tuple[float, float, float], Any]] | None = None, gone: Sequence[int] = ()
) -> Rollout:
    """Two instants: the bodies as in the spec, then those in `ends` in another pose and those in `gone` away."""
    tracks: list[Any] = []
    for one in spec.bodies:
        position, turn = (ends or {}).get(one.id, (one.position_m, one.quaternion))
        tracks.append(
            PoseTrack(
                body=one.id,
                position_m=np.array([one.position_m, position]),
                quaternion=np.array([one.quaternion, turn]),
                velocity_mps=np.zeros((2, 3)),
                angular_velocity_radps=np.zeros((2, 3)),
            )
        )
    tracks += [VisibilityTrack(body=number, visible=np.array([True, False])) for number in gone]
    zero = np.zeros(2)
    return Rollout(
        spec=spec,
        times_s=np.array([0.0, 1.0]),
        tracks=tuple(tracks),
        contacts=(),
        start_index=0,
        end_index=1,
        kinetic_j=zero,
        potential_j=zero,
        penetration_m=zero,
        work_j=0.0,
    )


def show(renderer: Renderer, rollout: Rollout, camera: Camera = CAMERA) -> None:
    world = build_world(rollout.spec, renderer.catalog, width=renderer.width, height=renderer.height)
    renderer.load(world, camera)


def rays(camera: Camera, width: int, height: int) -> Any:
    """Direction [H, W, 3] through every pixel's centre, of length 1 along the viewing axis."""
    lens, matrix = intrinsics(camera, width, height), camera_matrix(camera)
    x = (np.arange(width) + 0.5 - lens[0, 2]) / lens[0, 0]
    y = (np.arange(height) + 0.5 - lens[1, 2]) / lens[1, 1]
    local = np.stack([*np.meshgrid(x, -y), np.full((height, width), -1.0)], axis=-1)
    return local @ matrix[:3, :3].T


def test_ids_are_where_the_camera_projects_the_bodies(renderer: Renderer) -> None:
    places = [(-0.25, -0.1, 0.06), (0.0, 0.2, 0.06), (0.25, 0.0, 0.3)]
    rollout = rollout_of(spec_of([body(k + 1, place) for k, place in enumerate(places)]))
    show(renderer, rollout)
    ids = renderer.render(rollout, CAMERA, rollout.start).ids
    pixels, depth = project(CAMERA, places, SIZE, SIZE)
    assert set(np.unique(ids)) == {0, 1, 2, 3}
    for number, centre, away in zip((1, 2, 3), pixels, depth, strict=True):
        rows, columns = np.nonzero(ids == number)
        assert np.hypot(columns.mean() + 0.5 - centre[0], rows.mean() + 0.5 - centre[1]) < 0.7
        radius = 0.06 * intrinsics(CAMERA, SIZE, SIZE)[0, 0] / away
        assert len(rows) == pytest.approx(np.pi * radius**2, rel=0.08)


def test_depth_and_normals_are_those_of_a_ball_on_a_plane(renderer: Renderer) -> None:
    centre = np.array([0.05, 0.0, 0.2])
    rollout = rollout_of(spec_of([body(1, tuple(centre), size_m=(0.3, 0.3, 0.3))]))
    show(renderer, rollout)
    frame = renderer.render(rollout, CAMERA, rollout.start)
    eye, ray = np.array(CAMERA.position_m), rays(CAMERA, SIZE, SIZE)

    # |eye + t ray - centre| = r, the nearer of the two; t is the depth since rays have length 1 along the axis.
    a, b = (ray**2).sum(-1), ray @ (eye - centre)
    inside = b**2 - a * (((eye - centre) ** 2).sum() - 0.15**2)
    t = (-b - np.sqrt(np.maximum(inside, 0))) / a
    ball = frame.ids == 1
    assert (ball == (inside > 0)).mean() > 0.995
    core = ball & (inside > 0.02)
    assert np.abs(frame.depth_m - t)[core].max() < 2e-3
    normal = (eye + ray * t[..., None] - centre) / 0.15
    assert np.abs(frame.normals - normal)[core].max() < 0.06

    plane = -eye[2] / ray[..., 2]
    table = (frame.ids == 0) & np.isfinite(frame.depth_m) & (frame.normals[..., 2] > 0.999)
    assert table.mean() > 0.3
    assert np.abs(frame.depth_m - plane)[table].max() < 1e-3


def test_there_is_no_depth_and_no_normal_where_there_is_nothing(renderer: Renderer) -> None:
    camera = replace(CAMERA, position_m=(0.0, -1.2, 0.2), look_at_m=(0.0, 0.0, 0.3))
    rollout = rollout_of(spec_of([body(1, (0.0, 0.0, 0.06))], camera=camera))
    show(renderer, rollout, camera)
    frame = renderer.render(rollout, camera, rollout.start)
    assert np.isinf(frame.depth_m[0]).all()
    assert (frame.normals[0] == 0).all()
    assert (frame.ids[0] == 0).all()


def test_a_body_that_is_gone_is_neither_seen_nor_counted(renderer: Renderer) -> None:
    rollout = rollout_of(spec_of([body(1, (0.0, 0.0, 0.06)), body(2, (0.3, 0.0, 0.06))]), gone=[2])
    show(renderer, rollout)
    assert 2 in renderer.render(rollout, CAMERA, rollout.start).ids
    end = renderer.render(rollout, CAMERA, rollout.end)
    assert set(np.unique(end.ids)) == {0, 1}
    assert 2 in renderer.render(rollout, CAMERA, rollout.start).ids


def test_255_bodies_keep_their_ids(renderer: Renderer) -> None:
    grid = [(x, y, 0.02) for y in np.linspace(-0.4, 0.4, 15) for x in np.linspace(-0.4, 0.4, 17)]
    above = Camera(position_m=(0.0, -0.001, 2.0), look_at_m=(0.0, 0.0, 0.0), focal_length_mm=60.0)
    bodies = [body(k + 1, place, size_m=(0.03, 0.03, 0.03)) for k, place in enumerate(grid)]
    rollout = rollout_of(spec_of(bodies, camera=above))
    show(renderer, rollout, above)
    ids = renderer.render(rollout, above, rollout.start).ids
    pixels, _ = project(above, grid, SIZE, SIZE)
    found = [ids[int(y), int(x)] for x, y in pixels]
    assert found == list(range(1, 256))


def test_the_same_scene_gives_the_same_bytes_whatever_was_rendered_before(renderer: Renderer) -> None:
    first = rollout_of(spec_of([body(1, (0.0, 0.0, 0.06))], render_seed=3))
    other = rollout_of(
        spec_of(
            [body(1, (0.2, 0.1, 0.06), material=Material(template="glass", roughness=0.0)), body(2, (-0.2, 0, 0.06))],
            stage=Stage(kind="floor"),
            lights=(replace(KEY, kind="sun", name="sun", power=3.0), KEY),
            environment=Environment(color=(1.0, 0.5, 0.2)),
        )
    )
    digests = []
    for rollout in (first, other, first):
        show(renderer, rollout)
        if rollout is first and digests:
            renderer.render_survey(rollout, rollout.end)
        digests.append(_digest(renderer.render(rollout, CAMERA, rollout.start)))
    assert digests[0] == digests[2] != digests[1]


@pytest.fixture(scope="module")
def elsewhere() -> dict[str, Any]:
    """What a process of its own has to say: the digest of a frame, and the seconds of its busiest threads."""
    # A render engine that Blender is not told to forget would keep the process from ever ending.
    done = subprocess.run([sys.executable, __file__], capture_output=True, text=True, timeout=120, check=True)
    # Nothing but this line: Blender's own progress must not reach standard output.
    said: dict[str, Any] = json.loads(done.stdout)
    return said


def test_another_process_gives_the_same_bytes(renderer: Renderer, elsewhere: dict[str, Any]) -> None:
    rollout = rollout_of(spec_of([body(1, (0.0, 0.0, 0.06))], render_seed=3))
    show(renderer, rollout)
    assert _digest(renderer.render(rollout, CAMERA, rollout.start)) == elsewhere["digest"]


def test_a_render_keeps_one_thread_busy_and_no_other(elsewhere: dict[str, Any]) -> None:
    second, busiest = sorted(elsewhere["thread_seconds"])[-2:]
    assert busiest > 3 * second


def test_a_body_that_stays_is_the_same_in_start_and_end(renderer: Renderer) -> None:
    rollout = rollout_of(
        spec_of([body(1, (-0.3, 0.0, 0.06)), body(2, (0.3, 0.0, 0.06))]), {1: ((-0.3, 0.1, 0.06), IDENTITY)}
    )
    show(renderer, rollout)
    start, end = (renderer.render(rollout, CAMERA, instant) for instant in (rollout.start, rollout.end))
    still = start.ids == 2
    assert (still == (end.ids == 2)).all()
    # Same seed, same noise; the denoiser alone makes a little of what moved elsewhere.
    assert np.percentile(np.abs(start.rgb.astype(int) - end.rgb.astype(int))[still], 95) <= 3
    assert (start.ids != end.ids).any()


def test_exposure_scales_the_light_and_nothing_else(renderer: Renderer) -> None:
    rollout = rollout_of(spec_of([body(1, (0.0, 0.0, 0.06))]))
    show(renderer, rollout)
    plain = renderer.render(rollout, CAMERA, rollout.start)
    darker = renderer.render(rollout, replace(CAMERA, exposure_ev=-2.0), rollout.start)
    assert darker.rgb.mean() < 0.7 * plain.rgb.mean()
    assert (darker.depth_m == plain.depth_m).all()


def test_the_meter_sees_twice_the_light_where_there_is_twice_as_much(renderer: Renderer) -> None:
    levels = []
    for strength in (1.0, 2.0):
        spec = spec_of([body(1, (0.0, 0.0, 0.06))], lights=(), environment=replace(SKY, strength=strength))
        rollout = rollout_of(spec)
        show(renderer, rollout)
        look = renderer.render_survey(rollout, rollout.start)
        assert set(np.unique(look.ids)) == {0, 1}
        levels.append(float(look.luminance.mean()))
    assert levels[1] == pytest.approx(2 * levels[0], rel=0.01)


def test_flow_takes_a_turned_and_moved_body_to_where_it_is_seen(renderer: Renderer) -> None:
    turn = quat_from_axis_angle((0, 0, 1), 0.3)
    box = body(1, (-0.1, 0.0, 0.1), shape="box", size_m=(0.2, 0.2, 0.2))
    rollout = rollout_of(spec_of([box]), {1: ((0.05, 0.05, 0.1), quat_multiply(turn, IDENTITY))})
    show(renderer, rollout)
    start, end = (renderer.render(rollout, CAMERA, instant) for instant in (rollout.start, rollout.end))
    flow = renderer.flow(start, rollout, CAMERA)
    assert (flow[start.ids == 0] == 0).all()
    rows, columns = np.nonzero(start.ids == 1)
    there = np.stack([columns, rows], axis=1) + 0.5 + flow[rows, columns]
    on_body = end.ids[np.clip(there[:, 1], 0, SIZE - 1).astype(int), np.clip(there[:, 0], 0, SIZE - 1).astype(int)]
    # The left side of the box turns out of sight.
    assert (on_body == 1).mean() > 0.9
    top = start.normals[rows, columns][:, 2] > 0.99
    # Where the axis of the turn leaves the box, flow is that of the centre.
    pole = np.array([[-0.1, 0.0, 0.2]])
    moved = np.array([[0.05, 0.05, 0.2]])
    wanted = project(CAMERA, moved, SIZE, SIZE)[0] - project(CAMERA, pole, SIZE, SIZE)[0]
    near = top & (np.hypot(*(np.stack([columns, rows]) + 0.5 - project(CAMERA, pole, SIZE, SIZE)[0].T)) < 0.71)
    assert np.abs(flow[rows[near], columns[near]] - wanted).max() < 0.5


def test_a_border_changes_its_rectangle_only(renderer: Renderer) -> None:
    moved = {1: ((0.1, 0.0, 0.06), IDENTITY)}
    rollout = rollout_of(spec_of([body(1, (-0.1, 0.0, 0.06))]), moved)
    show(renderer, rollout)
    start = renderer.render(rollout, CAMERA, rollout.start)
    whole = renderer.render(rollout, CAMERA, rollout.end)
    margin = module.BORDER_MARGIN_PX
    for boxes in (((24, 40, 72, 72),), ((24, 40, 48, 72), (48, 40, 72, 72))):
        part = renderer.render(rollout, CAMERA, rollout.end, borders=boxes, under=start)
        assert (part.ids == whole.ids).all()
        outside = np.ones((SIZE, SIZE), bool)
        for left, top, right, bottom in boxes:
            assert np.abs(part.rgb.astype(int) - whole.rgb.astype(int))[top:bottom, left:right].max() <= 25
            outside[max(0, top - margin) : bottom + margin, max(0, left - margin) : right + margin] = False
        assert outside.any()
        assert (part.rgb == start.rgb)[outside].all()
    small = renderer.render(rollout, CAMERA, rollout.end, borders=((50, 50, 56, 56),), under=start)
    assert (small.rgb == whole.rgb).all()


def test_a_border_of_any_size_at_any_place_gives_its_pixels(renderer: Renderer) -> None:
    """Fractions that are cut off in 32-bit floats lose or gain a row or column of about one rectangle in ten."""
    show(renderer, rollout_of(spec_of([body(1, (0.0, 0.0, 0.06))])))
    rng = np.random.default_rng(0)
    # These two sizes ended runs; each of these rectangles was refused.
    asked = [(768, 1344, (241, 893, 350, 909)), (768, 1344, (659, 1158, 722, 1185))]
    asked += [(832, 480, (119, 275, 137, 322)), (832, 480, (8, 372, 119, 464))]
    for _ in range(60):
        width, height = (int(side) for side in rng.integers(64, 2049, 2))
        left, top = int(rng.integers(0, width - 40)), int(rng.integers(0, height - 40))
        asked.append((width, height, (left, top, left + int(rng.integers(1, 41)), top + int(rng.integers(1, 41)))))
        asked.append((width, height, (width - 1, height - 1, width, height)))
    for width, height, (left, top, right, bottom) in asked:
        taken = renderer._passes(width, height, module.IDS_ONLY, (left, top, right, bottom))
        assert taken["IndexOB"].shape[:2] == (bottom - top, right - left)
    for width, height in ((97, 131), (480, 270)):
        whole = renderer._passes(width, height, module.IDS_ONLY)["IndexOB"]
        assert (whole == 1).any()
        for _ in range(8):
            left, right = sorted(int(x) for x in rng.choice(width + 1, 2, replace=False))
            top, bottom = sorted(int(y) for y in rng.choice(height + 1, 2, replace=False))
            part = renderer._passes(width, height, module.IDS_ONLY, (left, top, right, bottom))["IndexOB"]
            assert (part == whole[top:bottom, left:right]).all()


def test_a_worker_does_not_grow_from_scene_to_scene() -> None:
    catalog = open_catalog()
    renderer = Renderer(catalog, width=SIZE, height=SIZE, quality="preview")
    shown = [asset for asset in catalog.objects if asset.source == "builtin"][:6]
    resident_mb = []
    for number in range(30):
        asset = shown[number % len(shown)]
        bodies = [
            body(1, (0.0, 0.0, 0.1), shape="asset", asset=f"builtin:{asset.id}", size_m=asset.size_m, material=None)
        ]
        surface = catalog.surfaces[number % 3]
        rollout = rollout_of(spec_of(bodies, stage=Stage(kind="table", surface=f"builtin:{surface.id}")))
        show(renderer, rollout)
        renderer.render(rollout, CAMERA, rollout.start)
        resident_mb.append(psutil.Process().memory_info().rss / 1e6)
    assert max(resident_mb[20:]) < max(resident_mb[5:15]) + 25


def test_glass_is_not_black_and_casts_a_pale_shadow(renderer: Renderer) -> None:
    glass = Material(template="glass", base_color=(1.0, 1.0, 1.0), roughness=0.0)
    shades = []
    for material in (glass, Material(base_color=(0.8, 0.8, 0.8))):
        spec = spec_of([body(1, (0.0, 0.0, 0.15), size_m=(0.3, 0.3, 0.3), material=material)])
        rollout = rollout_of(spec)
        show(renderer, rollout)
        look = renderer.render_survey(rollout, rollout.start)
        shades.append(float(look.luminance[look.ids == 1].mean()))
    assert shades[0] > 0.35 * shades[1]


def test_the_environment_map_turns_from_x_towards_y(tmp_path: Path) -> None:
    cv2 = pytest.importorskip("cv2")
    # A red field where the map shows +x, in the middle of the picture; blue everywhere else.
    picture = np.tile(np.array([1.0, 0.05, 0.05], np.float32), (64, 128, 1))
    picture[:, 54:74] = (0.05, 0.05, 1.0)
    path = tmp_path / "map.hdr"
    assert cv2.imwrite(str(path), picture)

    renderer = Renderer(OneMap(path), width=32, height=32, quality="preview")  # type: ignore[arg-type]
    for rotation_rad, toward in ((0.0, (1.0, 0.0)), (np.pi / 2, (0.0, 1.0))):
        camera = Camera(position_m=(0.0, 0.0, 0.3), look_at_m=(*toward, 0.5))
        spec = spec_of([], camera=camera, environment=Environment(asset="a:map", rotation_rad=rotation_rad))
        rollout = rollout_of(spec)
        show(renderer, rollout, camera)
        seen = (
            renderer.render(rollout, replace(camera, exposure_ev=-3.0), rollout.start).rgb[2:8, 12:20].mean(axis=(0, 1))
        )
        assert seen[0] > 2 * seen[2]


def test_a_killed_worker_leaves_no_folder_of_blenders(tmp_path: Path) -> None:
    code = """
import os, signal
from simgen.plan.recipe import load_recipe
from simgen.make.maker import Maker
from simgen.plan.plan import sample_id
recipe = load_recipe("smoke", overrides=["render.width=64", "render.height=64", "render.quality=fast"])
print(Maker(recipe, seed=0).make(sample_id(recipe, seed=0, index=0)), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    ended = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert "Outcome" in ended.stdout and ended.returncode == -signal.SIGKILL, ended.stderr
    assert list(tmp_path.iterdir()) == []


def test_salt_in_a_shaker_is_not_in_the_dark(renderer: Renderer) -> None:
    """Light reaches what stands behind an object's own glass as it does behind glass by that name."""
    catalog = open_catalog()
    shaker = next(asset for asset in catalog.objects if asset.id == "salt_shaker")
    camera = Camera(position_m=(0.0, -0.5, 0.1), look_at_m=(0.0, 0.0, 0.04), focal_length_mm=90.0)
    filled = Renderer(catalog, width=SIZE, height=SIZE, quality="preview")
    shown = body(1, (0.0, 0.0, shaker.size_m[2] / 2), shape="asset", asset="builtin:salt_shaker", size_m=shaker.size_m)
    rollout = rollout_of(spec_of([replace(shown, material=None)], camera=camera))
    show(filled, rollout, camera)
    ((x, y),), _ = project(camera, [(0.0, 0.0, 0.025)], SIZE, SIZE)
    salt = (
        filled.render_survey(rollout, rollout.start).luminance[int(y) - 3 : int(y) + 3, int(x) - 3 : int(x) + 3].mean()
    )
    white = body(1, (0.0, 0.0, 0.04), size_m=(0.08, 0.08, 0.08), material=Material(base_color=(0.8, 0.8, 0.8)))
    rollout = rollout_of(spec_of([white], camera=camera))
    show(filled, rollout, camera)
    look = filled.render_survey(rollout, rollout.start)
    assert salt > 0.3 * look.luminance[look.ids == 1].mean()


def test_light_from_below_a_floor_is_not_sampled_and_not_missed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same picture with less noise; on a table, past whose edge such light comes, all of it stays."""
    cv2 = pytest.importorskip("cv2")
    picture = np.full((64, 128, 3), 0.2, np.float32)
    picture[10:16, 20:40] = 9.0
    picture[36:] = 2.0
    path = tmp_path / "map.hdr"
    assert cv2.imwrite(str(path), picture)

    def shots(kind: str, samples: int) -> Any:
        spec = spec_of(
            [body(1, (0.0, 0.0, 0.06))],
            stage=Stage(kind=kind, size_m=(0.3, 0.3)),  # type: ignore[arg-type]
            lights=(),
            environment=Environment(asset="a:map"),
        )
        show(renderer, rollout_of(spec))
        return renderer._passes(48, 48, module.Sampling(samples, "NONE"))["Combined"][..., :3]

    renderer = Renderer(OneMap(path), width=48, height=48, quality="preview")  # type: ignore[arg-type]
    floor, many, table = shots("floor", 4), shots("floor", 256), shots("table", 256)
    monkeypatch.setattr(environments, "_above", lambda light: light)
    floor_all, many_all, table_all = shots("floor", 4), shots("floor", 256), shots("table", 256)
    assert (table == table_all).all()
    assert many.mean() == pytest.approx(many_all.mean(), rel=0.01)
    assert np.abs(many - many_all).mean() < 0.03 * many.mean()
    assert np.std(floor - many) < 0.75 * np.std(floor_all - many_all)


@pytest.mark.parametrize("rotation_rad", [2.1, pytest.param(0.0, marks=pytest.mark.slow)])
def test_lamps_in_the_environment_map_give_the_same_picture(
    hall: OneMap, monkeypatch: pytest.MonkeyPatch, rotation_rad: float
) -> None:
    renderer = Renderer(hall, width=48, height=48, quality="preview")  # type: ignore[arg-type]
    rollout = rollout_of(
        spec_of(
            [body(1, (0.0, 0.0, 0.06))],
            lights=LAMPS,
            environment=Environment(asset="a:map", rotation_rad=rotation_rad, strength=0.7),
        )
    )

    def shot(inside: bool) -> Any:
        monkeypatch.setattr(Renderer, "_noise", lambda self, spec, lights, suns: float(bool(suns) is not inside))
        show(renderer, rollout)
        renderer._place(rollout, rollout.start)
        assert renderer._suns == (LAMPS if inside else ())
        return renderer._passes(24, 24, module.Sampling(400, "NONE"))["Combined"][..., :3]

    lamps, drawn = shot(False), shot(True)
    assert drawn.mean(axis=(0, 1)) == pytest.approx(lamps.mean(axis=(0, 1)), rel=0.01)
    assert np.abs(drawn - lamps).mean() < 0.02 * lamps.mean()


def test_a_world_is_lit_the_way_that_has_less_noise(hall: OneMap, monkeypatch: pytest.MonkeyPatch) -> None:
    renderer = Renderer(hall, width=48, height=48, quality="preview")  # type: ignore[arg-type]
    rollout = rollout_of(spec_of([body(1, (0.0, 0.0, 0.06))], lights=LAMPS, environment=Environment(asset="a:map")))
    show(renderer, rollout)
    noise = {suns: renderer._noise(rollout.spec, LAMPS, suns) for suns in (LAMPS, ())}
    renderer._place(rollout, rollout.start)
    assert renderer._suns == min(noise, key=lambda suns: noise[suns])
    show(renderer, rollout)
    relit = rollout.relit(LAMPS[0].name, lambda phase: replace(LAMPS[0], power=1.0) if phase else LAMPS[0])
    renderer._place(relit, relit.start)
    assert renderer._suns == ()
    assert [lamp.data.energy for lamp in renderer._lamps.values()] == [4.0, 1.0]


def test_walls_add_the_same_to_a_polished_floor_however_many_lamps_there_are(hall: OneMap) -> None:
    """Reflected by the floor and let through at once, light was counted twice, and less so with more lamps."""
    camera = Camera(position_m=(0.0, -1.2, 0.25), look_at_m=(0.0, 0.5, 0.1), focal_length_mm=45.0)
    renderer = Renderer(hall, width=48, height=48, quality="preview")  # type: ignore[arg-type]
    seen = []
    for lamps in (0, 6):
        dark = tuple(Light(kind="point", name=f"n{k}", position_m=(3.0, 3.0, 2.0), power=1e-6) for k in range(lamps))
        rollout = rollout_of(
            spec_of([], stage=Stage(kind="floor"), lights=dark, environment=Environment(asset="a:map"), camera=camera)
        )
        show(renderer, rollout, camera)
        renderer._place(rollout, rollout.start)
        for thing in bpy.context.scene.objects:
            if thing.name.startswith("floor"):
                shader = thing.data.materials[0].node_tree.nodes["Principled BSDF"]
                shader.inputs["Roughness"].default_value, shader.inputs["Metallic"].default_value = 0.3, 1.0
        bpy.context.scene.cycles.use_light_tree = False
        seen.append(renderer._passes(24, 24, module.Sampling(160, "NONE"))["Combined"][12:, :, :3].mean())
    assert seen[1] == pytest.approx(seen[0], rel=0.02)


def test_every_stage_fills_the_picture_below_the_horizon(renderer: Renderer) -> None:
    for kind in ("floor", "sweep", "table"):
        rollout = rollout_of(spec_of([body(1, (0.0, 0.0, 0.06))], stage=Stage(kind=kind)))  # type: ignore[arg-type]
        show(renderer, rollout)
        frame = renderer.render(rollout, CAMERA, rollout.start)
        assert np.isfinite(frame.depth_m[SIZE // 2 :]).all()
        if kind != "table":
            assert np.isfinite(frame.depth_m).all(), f"{kind}: the background is empty"


def test_a_kubric_scene_is_rendered_as_it_stands(renderer: Renderer) -> None:
    scene = kb.Scene(resolution=(SIZE, SIZE), ambient_illumination=kb.Color(0.5, 0.5, 0.5))
    scene += kb.Cube(name="floor", scale=(1, 1, 0.1), position=(0, 0, -0.1), static=True, background=True)
    red = kb.PrincipledBSDFMaterial(color=kb.Color(0.9, 0.02, 0.02), roughness=0.8)
    ball = kb.Sphere(name="ball", scale=0.2, position=(-0.3, 0, 0.2), material=red)
    scene += ball
    scene += kb.Cube(name="cube", scale=0.15, position=(0.3, 0, 0.15), segmentation_id=9)
    scene += kb.DirectionalLight(position=(1, -1, 2), look_at=(0, 0, 0), intensity=2.0)
    scene += kb.RectAreaLight(position=(-1, -1, 2), look_at=(0, 0, 0), intensity=20.0)
    scene += kb.PointLight(position=(0, -1, 1), intensity=5.0)
    scene += kb.PerspectiveCamera(position=(0, -2, 1), look_at=(0, 0, 0.1))
    renderer.load_scene(scene)
    frame = renderer.snapshot()
    assert set(np.unique(frame.ids)) == {0, 1, 9}
    shade = frame.rgb[frame.ids == 1].mean(axis=0)
    assert shade[0] > 2 * shade[1]
    left = np.nonzero(frame.ids == 1)[1].mean()
    ball.position = (0.0, 0.5, 0.2)
    assert np.nonzero(renderer.snapshot().ids == 1)[1].mean() > left + 5


def test_a_kubric_asset_that_cannot_be_shown_is_refused(renderer: Renderer) -> None:
    renderer.load_scene(kb.Scene())
    scene = kb.Scene()
    CyclesView(scene)
    with pytest.raises(UnknownName, match="SpotLight"):
        scene.add(kb.SpotLight(position=(0, 0, 1)) if hasattr(kb, "SpotLight") else kb.core.SpotLight())


def test_passes_by_way_of_files_are_those_from_memory(renderer: Renderer, monkeypatch: pytest.MonkeyPatch) -> None:
    rollout = rollout_of(spec_of([body(1, (0.0, 0.0, 0.06))]))
    show(renderer, rollout)
    in_memory = renderer.render(rollout, CAMERA, rollout.start)
    monkeypatch.setattr(module, "render_in_memory", dict)
    by_files = Renderer(renderer.catalog, width=SIZE, height=SIZE, quality="preview")
    assert by_files._capture is pass_reader.render_to_files
    show(by_files, rollout)
    assert _digest(by_files.render(rollout, CAMERA, rollout.start)) == _digest(in_memory)


def test_a_renderer_whose_passes_cannot_be_read_does_not_start(
    renderer: Renderer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "render_in_memory", dict)
    monkeypatch.setattr(module, "render_to_files", lambda: {"Combined": np.zeros((64, 64, 3), np.float32)})
    with pytest.raises(EnvironmentProblem, match="passes cannot be read"):
        Renderer(renderer.catalog, width=SIZE, height=SIZE, quality="preview")


def test_nothing_of_a_scene_stays_when_the_next_is_loaded(renderer: Renderer) -> None:
    rollout = rollout_of(spec_of([body(k + 1, (0.1 * k, 0.0, 0.06)) for k in range(5)]))
    counts = []
    for _ in range(3):
        show(renderer, rollout)
        renderer.render(rollout, CAMERA, rollout.start)
        data = bpy.data
        counts.append([len(kind) for kind in (data.objects, data.meshes, data.materials, data.images, data.worlds)])
    assert counts[0] == counts[1] == counts[2]


def _digest(frame: Any) -> str:
    return hashlib.sha256(
        b"".join(array.tobytes() for array in (frame.rgb, frame.ids, frame.depth_m, frame.normals))
    ).hexdigest()


def _thread_seconds() -> dict[int, float]:
    return {thread.id: thread.user_time + thread.system_time for thread in psutil.Process().threads()}


def _say() -> None:
    rollout = rollout_of(spec_of([body(1, (0.0, 0.0, 0.06))], render_seed=3))
    renderer = Renderer(open_catalog(builtin=False), width=SIZE, height=SIZE, quality="preview")
    show(renderer, rollout)
    digest = _digest(renderer.render(rollout, CAMERA, rollout.start))
    busy = Renderer(renderer.catalog, width=SIZE, height=SIZE, quality="high")
    show(busy, rollout)
    busy.render(rollout, CAMERA, rollout.start)
    before = _thread_seconds()
    busy.render(rollout, CAMERA, rollout.start)
    spent = [seconds - before.get(thread, 0.0) for thread, seconds in _thread_seconds().items()]
    sys.stdout.write(json.dumps({"digest": digest, "thread_seconds": spent}))


if __name__ == "__main__":
    _say()
