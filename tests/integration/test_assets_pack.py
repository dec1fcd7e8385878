"""`simgen assets pack`: meshes that are made here become assets that simgen can use."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("coacd", reason="the extra 'generate' is not installed")
trimesh = pytest.importorskip("trimesh", reason="the extra 'generate' is not installed")

from simgen.catalog import convex  # noqa: E402
from simgen.catalog.catalog import Catalog, open_catalog  # noqa: E402
from simgen.catalog.pack import Packed, Terms, folder_labels, manifest_path, pack_folder  # noqa: E402
from simgen.core.errors import AssetError, UnknownName  # noqa: E402


def bowl(sections: int = 16) -> "trimesh.Trimesh":
    outside = [[0, 0], [0.05, 0.002], [0.075, 0.03], [0.08, 0.06]]
    inside = [[0.075, 0.06], [0.07, 0.032], [0.046, 0.007], [0, 0.005]]
    return trimesh.creation.revolve(np.array(outside + inside, dtype=float), sections=sections)


def pack(folder: Path, terms: Terms | None = None) -> tuple[dict[str, Packed], Catalog]:
    out = folder.parent / "packed"
    packed = {one.id: one for one in pack_folder(folder, out, terms or Terms()) if isinstance(one, Packed)}
    return packed, open_catalog(objects=[str(manifest_path(out))], builtin=False, cache=folder.parent / "cache")


@pytest.fixture
def meshes(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "meshes").mkdir()
    yield tmp_path / "meshes"


def contains(part: np.ndarray, point: np.ndarray) -> bool:
    """Whether a convex cloud of points holds a point: no direction parts them."""
    rng = np.random.default_rng(0)
    directions = rng.normal(size=(4000, 3))
    return bool(((part - point) @ directions.T).max(axis=0).min() > 0)


def test_a_block_has_the_mass_of_its_volume_and_stands_around_its_centre(meshes: Path) -> None:
    box = trimesh.creation.box((0.1, 0.2, 0.05))
    box.apply_translation((3.0, 1.0, 0.5))
    box.export(meshes / "wooden_block.obj")
    _, catalog = pack(meshes)
    block = catalog.object("packed:wooden_block")
    assert (block.label, block.kind, block.substance) == ("wooden block", "block", "wood")
    assert block.mass_kg == pytest.approx(0.1 * 0.2 * 0.05 * 680.0, rel=1e-4)
    assert block.manifest_mass_kg == block.mass_kg
    assert np.allclose(block.bounds_m, [(-0.05, -0.1, -0.025), (0.05, 0.1, 0.025)], atol=1e-6)
    assert np.allclose(catalog.shape("packed:wooden_block").points.mean(axis=0), 0.0, atol=1e-6)
    assert catalog.verify("packed:wooden_block") is None


def test_a_hollow_bowl_keeps_its_hollow(meshes: Path) -> None:
    bowl().export(meshes / "blue_bowl.ply")
    _, catalog = pack(meshes)
    asset, shape = catalog.object("packed:blue_bowl"), catalog.shape("packed:blue_bowl")
    bottom = asset.bounds_m[0][2]
    assert 4 <= len(shape.parts) <= 32
    for height in (0.012, 0.025, 0.045):
        point = np.array([0.0, 0.0, bottom + height])
        assert not any(contains(part, point) for part in shape.parts), f"filled {height} m above the table"
    assert any(contains(part, np.array([0.0, 0.0, bottom + 0.003])) for part in shape.parts), "no bottom"
    assert asset.mass_kg == pytest.approx(bowl().volume * 2300.0, rel=1e-3)


def test_the_same_meshes_give_the_same_bytes(meshes: Path, tmp_path: Path) -> None:
    bowl(8).export(meshes / "bowl.ply")
    trimesh.creation.box((0.1, 0.1, 0.1)).export(meshes / "box.obj")
    for name in ("one", "two"):
        list(pack_folder(meshes, tmp_path / name / "set", Terms()))
    first = {path.name: path.read_bytes() for path in (tmp_path / "one" / "set").iterdir()}
    second = {path.name: path.read_bytes() for path in (tmp_path / "two" / "set").iterdir()}
    assert first == second and set(first) == {"bowl.tar.gz", "box.tar.gz", "set.json"}


def test_the_manifest_states_the_hash_of_every_archive(meshes: Path, tmp_path: Path) -> None:
    trimesh.creation.box((0.1, 0.1, 0.1)).export(meshes / "box.obj")
    _, catalog = pack(meshes)
    archive = tmp_path / "packed" / "box.tar.gz"
    archive.write_bytes(archive.read_bytes() + b"x")
    with pytest.raises(AssetError, match="expected"):
        catalog.folder("packed:box")


def test_gltf_is_turned_from_y_up_to_z_up(meshes: Path) -> None:
    trimesh.creation.box((0.1, 0.3, 0.05)).export(meshes / "tall.glb")
    packed, _ = pack(meshes)
    assert packed["tall"].size_m == pytest.approx((0.1, 0.05, 0.3))


def test_a_picture_on_a_mesh_comes_along(meshes: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    box = trimesh.creation.box((0.1, 0.1, 0.1))
    uv = np.tile([[0.0, 0.0], [1.0, 1.0]], (4, 1))
    box.visual = trimesh.visual.TextureVisuals(uv=uv, image=image.new("RGB", (8, 8), (200, 10, 10)))
    box.export(meshes / "photo_box.glb")
    _, catalog = pack(meshes)
    ((slot, material),) = catalog.object("packed:photo_box").materials
    with image.open(catalog.map_path("packed:photo_box", material.color_map)) as picture:
        assert picture.size == (8, 8) and picture.getpixel((3, 3)) == (200, 10, 10)
    text = catalog.mesh_path("packed:photo_box").read_text()
    assert f"usemtl {slot}" in text and "\nvt " in text


def test_units_are_brought_to_metres_and_a_giant_is_warned_of(meshes: Path) -> None:
    trimesh.creation.box((80.0, 40.0, 20.0)).export(meshes / "box.obj")
    packed, _ = pack(meshes)
    assert "80 m across, more than 5 m; is its unit 'm'?" in packed["box"].warnings[0]
    packed, catalog = pack(meshes, Terms(unit="mm", substance="wood"))
    assert packed["box"].warnings == () and packed["box"].size_m == pytest.approx((0.08, 0.04, 0.02))
    assert catalog.object("packed:box").mass_kg == pytest.approx(0.08 * 0.04 * 0.02 * 680.0, rel=1e-3)


def test_a_small_hole_is_closed_and_turned_triangles_are_turned_back(meshes: Path) -> None:
    ball = trimesh.creation.icosphere(radius=0.05, subdivisions=2)
    faces = ball.faces[3:].copy()
    faces[::2] = faces[::2, ::-1]
    trimesh.Trimesh(ball.vertices, faces, process=False).export(meshes / "ball.ply")
    packed, catalog = pack(meshes)
    assert packed["ball"].warnings == ()
    assert catalog.object("packed:ball").volume_m3 == pytest.approx(ball.volume, rel=0.02)


def test_an_open_mesh_gets_the_volume_of_its_convex_parts(meshes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(convex.SEARCH, "mcts_iterations", 5)  # a rough cut will do, in a second
    box = trimesh.creation.box((0.1, 0.1, 0.1))
    box.update_faces(box.triangles_center[:, 2] < 0.049)
    box.export(meshes / "crate.ply")
    packed, catalog = pack(meshes)
    assert "not closed" in packed["crate"].warnings[0]
    crate = catalog.object("packed:crate")
    assert 0 < crate.volume_m3 <= 0.0011 and crate.mass_kg > 0


def test_labels_of_the_folder_decide_words_substance_and_mass(meshes: Path) -> None:
    trimesh.creation.box((0.1, 0.1, 0.1)).export(meshes / "a1.obj")
    (meshes / "labels.yaml").write_text("a1: {label: Steel Cube, substance: metal, mass_kg: 2.5, kind: cube}\n")
    _, catalog = pack(meshes, Terms(labels=folder_labels(meshes, None), license="CC0 1.0", author="Me"))
    cube = catalog.object("packed:a1")
    assert (cube.label, cube.kind, cube.substance, cube.mass_kg) == ("steel cube", "cube", "metal", 2.5)
    assert (cube.credit.license, cube.credit.author) == ("CC0 1.0", "Me")


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.obj", "v 0 0 0\nv 1 0 0\nv 0 nan 0\nv 0 0 1\nf 1 2 3\nf 1 2 4\n", "1 of 4 points are not finite"),
        ("a.obj", "v 0 0 0\n", "the mesh is empty"),
        ("a.ply", "nonsense", "cannot be read as a mesh"),
        ("a.glb", "", "cannot be read as a mesh"),
        ("a.obj", "v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n", "is flat, without a volume"),
    ],
)
def test_a_mesh_that_cannot_be_used_is_refused_in_one_sentence(meshes: Path, name: str, text: str, said: str) -> None:
    (meshes / name).write_text(text)
    with pytest.raises(AssetError, match=said) as caught:
        pack(meshes)
    assert name in str(caught.value) and "\n" not in str(caught.value)
    assert not (meshes.parent / "packed" / "packed.json").exists()


def test_a_folder_that_cannot_be_packed_says_why(meshes: Path, tmp_path: Path) -> None:
    with pytest.raises(AssetError, match="holds no mesh"):
        pack(meshes)
    with pytest.raises(AssetError, match="no such folder"):
        pack(tmp_path / "none")
    for suffix in ("obj", "ply"):
        trimesh.creation.box((0.1, 0.1, 0.1)).export(meshes / f"box.{suffix}")
    with pytest.raises(AssetError, match="the same id 'box'"):
        pack(meshes)
    (meshes / "box.ply").unlink()
    with pytest.raises(UnknownName, match="did you mean 'wood'"):
        pack(meshes, Terms(substance="woof"))
    with pytest.raises(UnknownName, match="no mesh 'bax'"):
        pack(meshes, Terms(labels={"bax": {"label": "x"}}))


def test_what_pack_writes_is_a_kubric_manifest(meshes: Path, tmp_path: Path) -> None:
    trimesh.creation.box((0.1, 0.1, 0.1)).export(meshes / "box.obj")
    pack(meshes)
    data = json.loads((tmp_path / "packed" / "packed.json").read_text())
    assert set(data) == {"name", "data_dir", "version", "assets"} and data["data_dir"] == "."
    box = data["assets"]["box"]
    assert box["kwargs"]["simulation_filename"] == "{asset_dir}/object.urdf"
    shutil.unpack_archive(tmp_path / "packed" / "box.tar.gz", tmp_path / "open")
    assert json.loads((tmp_path / "open" / "data.json").read_text())["id"] == "box"
