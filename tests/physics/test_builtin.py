"""The built-in assets: what is in them, their meshes, their masses, and how Bullet takes them."""

import json
import re
import tarfile
from collections import Counter
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml

from simgen.core.assets import Material
from simgen.core.errors import UnknownName
from simgen.core.substances import SUBSTANCES
from simgen.procedural.builtin import build_builtin, builtin_fingerprint, mesh, noise, profiles, solids
from simgen.storage.cache import Cache, default_cache
from simgen.storage.resources import folder as content_folder

pybullet = pytest.importorskip("pybullet")

OBJECTS = sorted(
    key for key in yaml.safe_load((content_folder("assets") / "objects.yaml").read_text()) if not key.startswith("_")
)
SURFACES = sorted(yaml.safe_load((content_folder("assets") / "surfaces.yaml").read_text()))
BALLS = {key for key in OBJECTS if key.endswith(("ball", "marble"))}


@dataclass(frozen=True)
class Built:
    """The manifest's entries, and one unpacked folder per asset."""

    assets: dict[str, Any]
    root: Path

    def folder(self, asset_id: str) -> Path:
        target = self.root / asset_id
        if not target.exists():
            with tarfile.open(self.archive(asset_id)) as tar:
                tar.extractall(target, filter="data")
        return target

    def archive(self, asset_id: str) -> Path:
        return self.source / f"{asset_id}.tar.gz"

    @property
    def source(self) -> Path:
        return Path((self.root / "source").read_text())


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """From the user's cache, where they are built once for every state of the code."""
    source = Cache(root=default_cache().absolute()).build("builtin", builtin_fingerprint(), build_builtin)
    root = tmp_path_factory.mktemp("builtin")
    (root / "source").write_text(str(source))
    return Built(assets=json.loads((source / "builtin.json").read_text())["assets"], root=root)


@dataclass(frozen=True)
class Obj:
    """What an OBJ file says."""

    vertices: np.ndarray
    normals: np.ndarray
    edges: np.ndarray
    """Directed edges of all faces [E, 2]."""
    triangles: np.ndarray
    """Vertex and normal of every corner of the fanned faces [T, 3, 2]."""
    num_faces: int
    slots: set[str]
    num_groups: int

    @property
    def corners(self) -> np.ndarray:
        return self.vertices[self.triangles[..., 0]]


@cache
def read_obj(path: Path) -> Obj:
    rows: dict[str, list[str]] = {"v": [], "vn": [], "usemtl": [], "o": []}
    faces: dict[int, list[str]] = {3: [], 4: []}
    for line in path.read_text().splitlines():
        word, _, rest = line.partition(" ")
        if word == "f":
            faces[rest.count(" ") + 1].append(rest.replace("/", " "))
        elif word in rows:
            rows[word].append(rest)
    points = {word: np.array(" ".join(rows[word]).split(), dtype=float).reshape(-1, 3) for word in ("v", "vn")}
    edges, triangles = [], []
    for count, lines in faces.items():
        if lines:
            table = np.array(" ".join(lines).split(), dtype=int).reshape(len(lines), count, -1)[..., [0, -1]] - 1
            edges += [table[:, [k, (k + 1) % count], 0] for k in range(count)]
            triangles += [table[:, [0, k, k + 1]] for k in range(1, count - 1)]
    return Obj(
        vertices=points["v"],
        normals=points["vn"],
        edges=np.concatenate(edges),
        triangles=np.concatenate(triangles),
        num_faces=sum(map(len, faces.values())),
        slots=set(rows["usemtl"]),
        num_groups=len(rows["o"]),
    )


def test_there_are_enough_things_of_enough_kinds_and_substances(built: Built) -> None:
    entries = [built.assets[key]["metadata"] for key in OBJECTS]
    assert len(entries) >= 24
    assert len({entry["kind"] for entry in entries}) >= 12
    assert {entry["substance"] for entry in entries} >= {
        "ceramic", "wood", "metal", "glass", "plastic", "rubber", "paper",
    }  # fmt: skip
    assert Counter(entry["kind"] for entry in entries)["domino"] >= 3
    assert Counter(entry["kind"] for entry in entries)["ball"] >= 4
    assert {built.assets[key]["metadata"]["substance"] for key in SURFACES} >= {
        "wood", "ceramic", "stone", "fabric", "concrete", "paper",
    }  # fmt: skip


def test_labels_are_plain_words_and_tell_things_apart(built: Built) -> None:
    labels = [entry["metadata"]["label"] for entry in built.assets.values()]
    assert all(re.fullmatch(r"[a-z]+( [a-z]+)+", label) for label in labels)
    assert len(set(labels)) == len(labels)


@pytest.mark.parametrize("key", OBJECTS)
def test_a_mesh_is_closed_and_its_faces_and_normals_point_outwards(built: Built, key: str) -> None:
    obj = read_obj(built.folder(key) / "visual_geometry.obj")
    there, back = ({tuple(edge) for edge in edges.tolist()} for edges in (obj.edges, obj.edges[:, ::-1]))
    assert len(there) == len(obj.edges), "two faces run along an edge in the same direction"
    assert there == back, "an edge with a face on one side only"
    assert np.linalg.det(obj.corners).sum() > 0
    a, b, c = obj.corners.swapaxes(0, 1)
    across = np.cross(b - a, c - a)
    length = np.linalg.norm(across, axis=1)
    shading = obj.normals[obj.triangles[:, 0, 1]]
    assert np.allclose(np.linalg.norm(obj.normals, axis=1), 1.0, atol=1e-3)
    assert ((across * shading).sum(axis=1) > 0.5 * length)[length > 1e-8].all()


@pytest.mark.parametrize("key", OBJECTS)
def test_an_archive_is_what_its_manifest_entry_says(built: Built, key: str) -> None:
    entry, folder = built.assets[key], built.folder(key)
    metadata = entry["metadata"]
    obj = read_obj(folder / "visual_geometry.obj")
    assert np.allclose([obj.vertices.min(axis=0), obj.vertices.max(axis=0)], entry["kwargs"]["bounds"], atol=2e-6)
    assert obj.slots == set(metadata["materials"])
    assert obj.num_faces == metadata["nr_faces"] <= 30_000
    for fields in metadata["materials"].values():
        material = Material(**{name: tuple(v) if isinstance(v, list) else v for name, v in fields.items()})
        for name in (material.color_map, material.roughness_map, material.normal_map):
            assert not name or cv2.imread(str(folder / name)) is not None
    assert json.loads((folder / "data.json").read_text())["kwargs"] == entry["kwargs"]
    # Nothing is heavier than its bounding box of its own substance, nor lighter than air.
    size = np.subtract(*reversed(entry["kwargs"]["bounds"]))
    assert 2.0 < metadata["mass_kg"] / size.prod() < 1.02 * SUBSTANCES[metadata["substance"]].density_kgpm3 * 1.3


def test_densities_are_those_of_real_things(built: Built) -> None:
    grams = {key: built.assets[key]["metadata"]["mass_kg"] * 1000 for key in OBJECTS}
    real = {
        "blue_mug": (220, 400),
        "green_bottle": (350, 650),
        "tennis_ball": (54, 60),
        "food_can": (400, 480),
        "drink_can": (350, 400),
        "steel_ball": (330, 370),
        "bowling_pin": (1200, 1650),
        "hockey_puck": (155, 170),
        "red_book": (600, 1100),
        "white_plate": (350, 650),
        "mini_basketball": (150, 300),
    }
    assert not {key: grams[key] for key, (low, high) in real.items() if not low < grams[key] < high}


class World:
    """A Bullet world as Kubric sets it up, with a wooden floor whose top is z = 0."""

    def __init__(self) -> None:
        self.client = pybullet.connect(pybullet.DIRECT)
        self.call("setGravity", 0, 0, -9.81)
        self.call(
            "setPhysicsEngineParameter",
            restitutionVelocityThreshold=0.0,
            warmStartingFactor=0.0,
            useSplitImpulse=True,
            contactSlop=0.0,
            deterministicOverlappingPairs=True,
        )
        box = self.call("createCollisionShape", pybullet.GEOM_BOX, halfExtents=[2, 2, 0.25])
        floor = self.call("createMultiBody", 0, box, basePosition=[0, 0, -0.25], useMaximalCoordinates=True)
        wood = SUBSTANCES["wood"]
        self.call("changeDynamics", floor, -1, lateralFriction=wood.friction, restitution=wood.restitution)

    def call(self, name: str, *args: Any, **kwargs: Any) -> Any:
        return getattr(pybullet, name)(*args, physicsClientId=self.client, **kwargs)

    def add(self, folder: Path, entry: dict[str, Any], position: Any, **dynamics: float) -> int:
        metadata = entry["metadata"]
        body = self.call("loadURDF", str(folder / "object.urdf"), list(position), useMaximalCoordinates=True)
        self.call(
            "changeDynamics",
            body,
            -1,
            mass=metadata["mass_kg"],
            localInertiaDiagonal=np.diag(metadata["inertia_kgm2"]).tolist(),
            lateralFriction=metadata["friction"],
            restitution=metadata["restitution"],
            contactProcessingThreshold=0,
            **dynamics,
        )
        return int(body)

    def run(self, seconds: float) -> None:
        for _ in range(round(240 * seconds)):
            self.call("stepSimulation")

    def pose(self, body: int) -> tuple[np.ndarray, np.ndarray]:
        position, quaternion = self.call("getBasePositionAndOrientation", body)
        return np.array(position), np.array(pybullet.getMatrixFromQuaternion(quaternion)).reshape(3, 3)

    def close(self) -> None:
        pybullet.disconnect(self.client)


@pytest.fixture
def world() -> Any:
    made = World()
    yield made
    made.close()


@pytest.mark.parametrize("key", OBJECTS)
def test_dropped_upright_it_comes_to_rest_upright_and_touches_the_floor_where_it_looks_it(
    built: Built, world: World, key: str
) -> None:
    entry = built.assets[key]
    low_m = entry["kwargs"]["bounds"][0][2]
    body = world.add(built.folder(key), entry, (0, 0, 0.02 - low_m), rollingFriction=0.0005)
    world.run(3.0)
    position, axes = world.pose(body)
    assert position[2] + low_m == pytest.approx(0.0, abs=0.0003)
    assert key in BALLS or axes[2, 2] > np.cos(np.radians(1.0))
    assert np.linalg.norm(position[:2]) < 0.03


@pytest.mark.parametrize("key", OBJECTS)
def test_bullet_makes_one_hull_of_each_part_and_they_cover_the_mesh(built: Built, world: World, key: str) -> None:
    folder, entry = built.folder(key), built.assets[key]
    shape = read_obj(folder / "collision_geometry.obj")
    visual = read_obj(folder / "visual_geometry.obj")
    assert 1 <= shape.num_groups <= 100
    padding = 0.0 if key in BALLS else profiles.MARGIN_M
    for side, sign in (("min", -1), ("max", 1)):
        reach = getattr(shape.vertices, side)(axis=0) + sign * padding
        assert np.allclose(reach, getattr(visual.vertices, side)(axis=0), atol=0.0015)

    # Rays from all around and above meet Bullet's shape where they meet the mesh.
    lift = np.array([0.0, 0.0, 1.0])
    world.add(folder, entry, lift)
    rng = np.random.default_rng(3)
    targets = 0.7 * visual.vertices[rng.integers(len(visual.vertices), size=60)]
    ways = rng.normal(size=(60, 3))
    ways[:, 2] = 0.5 * np.abs(ways[:, 2])
    ways *= 0.5 / np.linalg.norm(ways, axis=1, keepdims=True)
    hits = world.call("rayTestBatch", (lift + targets + ways).tolist(), (lift + targets - ways).tolist())
    apart = [
        abs(hit[2] - 0.5 * _meets(visual, target + way, -way))
        for hit, target, way in zip(hits, targets, ways, strict=True)
    ]
    # In metres, since the rays are one metre long. Grazing rays and open mouths are the last fifth.
    assert np.median(apart) < 0.0025
    assert np.quantile(apart, 0.8) < 0.008


def _meets(obj: Obj, start: np.ndarray, way: np.ndarray) -> float:
    """Distance at which a ray first meets the mesh (Möller and Trumbore), in lengths of `way`; 2 without."""
    a, b, c = obj.corners.swapaxes(0, 1)
    p = np.cross(way, c - a)
    scale = ((b - a) * p).sum(axis=1)
    scale = np.where(np.abs(scale) < 1e-14, np.inf, scale)
    u = ((start - a) * p).sum(axis=1) / scale
    q = np.cross(start - a, b - a)
    v, t = (q @ way) / scale, ((c - a) * q).sum(axis=1) / scale
    met = t[(u >= 0) & (v >= 0) & (u + v <= 1) & (t > 0)]
    return float(met.min()) if len(met) else 2.0


@pytest.mark.parametrize(
    "key",
    ["blue_mug", "yellow_mug", "green_bowl", "wooden_bowl", "clear_tumbler", "pencil_cup", "paper_cup", "orange_cup"],
)
def test_a_small_ball_dropped_into_a_vessel_stays_inside(built: Built, world: World, key: str) -> None:
    entry = built.assets[key]
    (_, _, low_m), (_, _, high_m) = entry["kwargs"]["bounds"]
    vessel = world.add(built.folder(key), entry, (0, 0, -low_m))
    sphere = world.call("createCollisionShape", pybullet.GEOM_SPHERE, radius=0.008)
    ball = world.call(
        "createMultiBody", 0.005, sphere, basePosition=[0.004, 0.003, high_m - low_m + 0.02], useMaximalCoordinates=True
    )
    world.run(3.0)
    where, _ = world.pose(ball)
    base, _ = world.pose(vessel)
    assert 0.008 < where[2] < 0.5 * (high_m - low_m)
    assert np.linalg.norm(where[:2] - base[:2]) < 0.06


def test_a_mug_has_a_handle_to_reach_through(built: Built, world: World) -> None:
    entry = built.assets["blue_mug"]
    world.add(built.folder("blue_mug"), entry, (0, 0, 0))
    reach_m = entry["kwargs"]["bounds"][1][0]
    through, grip = world.call(
        "rayTestBatch",
        [[reach_m - 0.016, -1, 0], [reach_m - 0.004, -1, 0]],
        [[reach_m - 0.016, 1, 0], [reach_m - 0.004, 1, 0]],
    )
    assert through[0] == -1
    assert grip[0] >= 0


def test_a_ball_rolls_as_a_true_sphere(built: Built, world: World) -> None:
    entry = built.assets["wooden_ball"]
    radius_m = entry["kwargs"]["bounds"][1][2]
    ball = world.add(built.folder("wooden_ball"), entry, (0, 0, radius_m), linearDamping=0, angularDamping=0)
    world.call("resetBaseVelocity", ball, [0.5, 0, 0], [0, 0.5 / radius_m, 0])
    world.run(2.0)
    assert world.pose(ball)[0][0] == pytest.approx(1.0, abs=0.01)


def test_mass_properties_of_a_box_and_of_a_hollow_ball_are_the_textbook_ones() -> None:
    box = mesh.BuiltShape(
        shells=(mesh.Shell(patches=solids.rounded_box((0.2, 0.1, 0.3), 1e-6, slots="body"), density_kgpm3=500.0),),
        parts=(),
    )
    found = mesh.mass_properties(box)
    assert found.mass_kg == pytest.approx(3.0, rel=1e-4)
    assert np.diag(found.inertia_kgm2) == pytest.approx(3.0 / 12 * np.array([0.10, 0.13, 0.05]), rel=1e-4)

    angle = np.linspace(-np.pi / 2, np.pi / 2, 129)
    circle = np.column_stack([np.cos(angle).clip(0), np.sin(angle)])
    circle[[0, -1], 0] = 0.0
    shells = [
        mesh.Shell(patches=solids.lathe(("b", circle * r), num_around=256), density_kgpm3=1000.0, void=void)
        for r, void in ((0.05, False), (0.04, True))
    ]
    hollow = mesh.mass_properties(mesh.BuiltShape(shells=tuple(shells), parts=()))
    assert hollow.volume_m3 == pytest.approx(4 / 3 * np.pi * (0.05**3 - 0.04**3), rel=2e-3)
    moment = 0.4 * 1000 * 4 / 3 * np.pi * (0.05**5 - 0.04**5)
    assert np.diag(hollow.inertia_kgm2) == pytest.approx(np.full(3, moment), rel=2e-3)


def test_the_origin_is_the_centre_of_mass(built: Built) -> None:
    """Of one shell and one density, so that the mesh alone gives it."""
    for key in ("cardboard_box", "wooden_bowl", "hockey_puck", "wooden_arch"):
        obj = read_obj(built.folder(key) / "visual_geometry.obj")
        weights = np.linalg.det(obj.corners)
        center = (weights[:, None] * obj.corners.sum(axis=1)).sum(axis=0) / weights.sum() / 4
        assert np.abs(center).max() < 1e-5, key


def test_an_inset_hull_is_smaller_by_the_margin_on_every_side_but_the_cut() -> None:
    square = np.array([[0.0, 0.0], [0.1, 0.0], [0.1, 0.1], [0.0, 0.1]])
    smaller = profiles.inset(square, 0.01, cuts=[(square[0], square[3])])
    assert smaller.min(axis=0) == pytest.approx([0.0, 0.01])
    assert smaller.max(axis=0) == pytest.approx([0.09, 0.09])


def test_a_dumbbell_is_cut_into_convex_slices_near_its_outline() -> None:
    outline = np.array(
        [[0, 0], [0.03, 0], [0.03, 0.02], [0.01, 0.03], [0.01, 0.07], [0.03, 0.08], [0.03, 0.1], [0, 0.1]]
    )
    bands = profiles.solid_bands(outline, tolerance_m=0.001)
    assert len(bands) == 3
    assert all(band.full for band in bands)


@pytest.mark.parametrize("key", SURFACES)
def test_a_surface_repeats_without_a_seam(built: Built, key: str) -> None:
    folder, fields = built.folder(key), built.assets[key]["metadata"]["material"]
    assert 0.2 < fields["tile_m"] < 2.0
    for name in (fields["color_map"], fields["roughness_map"], fields["normal_map"]):
        image = cv2.imread(str(folder / name)).astype(float)
        assert image.shape[0] == image.shape[1] == 1024
        for axis in (0, 1):
            steps = np.abs(np.diff(image, axis=axis)).mean(axis=(1 - axis, 2))
            seam = np.abs(np.take(image, 0, axis) - np.take(image, -1, axis)).mean()
            # A joint between boards or tiles may lie on the edge; it is then no wider a step than elsewhere.
            assert seam <= 1.25 * steps.max() + 1.0, (name, axis)


@pytest.mark.parametrize("key", SURFACES)
def test_a_surface_is_neither_flat_nor_out_of_range(built: Built, key: str) -> None:
    fields = built.assets[key]["metadata"]["material"]
    color = cv2.imread(str(built.folder(key) / fields["color_map"])).astype(float)
    assert color.std() > 2.0
    assert ((color > 250).mean() < 0.005) and ((color < 3).mean() < 0.05)
    normal = cv2.imread(str(built.folder(key) / fields["normal_map"]))[..., ::-1].astype(float) / 127.5 - 1
    assert np.abs(normal[..., :2].mean(axis=(0, 1))).max() < 0.02
    assert normal[..., 2].mean() > 0.7


def test_the_same_code_writes_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, built: Built) -> None:
    chosen = {"objects": ["red_domino", "wooden_ball", "stoneware_mug", "red_book"], "surfaces": ["terrazzo"]}
    import simgen.procedural.builtin as package

    whole = package._catalogue
    monkeypatch.setattr(package, "_catalogue", lambda name: {k: whole(name)[k] for k in chosen[name]})
    manifest = build_builtin(tmp_path)
    assert manifest == tmp_path / "builtin.json"
    for key in (key for keys in chosen.values() for key in keys):
        assert (tmp_path / f"{key}.tar.gz").read_bytes() == built.archive(key).read_bytes(), key


def test_noise_is_periodic_and_of_unit_variance() -> None:
    field = noise.plane_noise(np.random.default_rng(0), (256, 256), wave_px=(20.0, 20.0))
    assert field.std() == pytest.approx(1.0)
    assert np.abs(field[0] - field[-1]).mean() < 1.5 * np.abs(np.diff(field, axis=0)).mean()
    points = np.random.default_rng(1).uniform(-1, 1, (1000, 3))
    assert np.abs(noise.space_noise(points, wave_m=0.1)).max() < 3.0


def test_a_slope_down_the_picture_tilts_the_normal_towards_green() -> None:
    """OpenGL's convention, as Blender reads it: green is up, towards row 0."""
    rows = np.arange(64)[:, None] * np.ones((1, 64))
    normal = noise.normal_map(0.001 * rows, (0.001, 0.001))[32, 32]
    assert normal == pytest.approx([0.5, 0.5 + 0.5 / np.sqrt(2), 0.5 + 0.5 / np.sqrt(2)])


@pytest.mark.parametrize(
    "mistake",
    [
        {"shape": {"of": "blok", "size_mm": [1, 1, 1]}},
        {"substance": "wod"},
        {"materials": {"body": {"paint": {"pattern": "stripes"}}}},
        {"materials": {"bodi": {}}},
        {"materials": {"body": {"colour": "#ffffff"}}},
    ],
)
def test_a_misspelt_word_in_the_catalogue_is_named(mistake: dict[str, Any]) -> None:
    import simgen.procedural.builtin as package

    entry = {
        "label": "block", "kind": "block", "substance": "wood",
        "shape": {"of": "block", "size_mm": [40, 40, 40]}, "materials": {"body": {}},
    }  # fmt: skip
    with pytest.raises(UnknownName, match=r"objects\.yaml: thing"):
        package._object("thing", entry | mistake)


def test_pairs_of_substances_slide_as_handbooks_say() -> None:
    ranges = {
        ("wood", "wood"): (0.25, 0.5),
        ("ceramic", "wood"): (0.3, 0.45),
        ("metal", "wood"): (0.2, 0.6),
        ("rubber", "concrete"): (0.6, 0.85),
        ("glass", "glass"): (0.15, 0.4),
        ("paper", "wood"): (0.3, 0.5),
    }
    for (a, b), (low, high) in ranges.items():
        assert low <= SUBSTANCES[a].friction * SUBSTANCES[b].friction <= high, (a, b)
