"""`simgen assets pack`: meshes that are made here become assets that simgen can use."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("coacd", reason="the extra 'generate' is not installed")
trimesh = pytest.importorskip("trimesh", reason="the extra 'generate' is not installed")

from simgen.catalog import convex  # noqa: E402
from simgen.catalog.catalog import Catalog, open_catalog  # noqa: E402
from simgen.catalog.pack import LeftOut, Packed, Terms, folder_labels, manifest_path, pack_folder  # noqa: E402
from simgen.core.errors import AssetError, UnknownName, UsageError  # noqa: E402
from simgen.solvers.shells import hull  # noqa: E402

CORNERS = [(x, y, z) for x in (-0.05, 0.05) for y in (-0.05, 0.05) for z in (-0.05, 0.05)]
SIDES = ["1 2 4 3", "5 7 8 6", "1 5 6 2", "3 4 8 7", "1 3 7 5", "2 6 8 4"]
BOX = "\n".join([*("v {} {} {}".format(*c) for c in CORNERS), *(f"f {side}" for side in SIDES)]) + "\n"
UV_BOX = (
    "".join("v {} {} {}\n".format(*c) for c in CORNERS)
    + "vt 0 0\nvt 1 0\nvt 1 1\nvt 0 1\nusemtl paint\n"
    + "".join("f " + " ".join(f"{c}/{k}" for k, c in enumerate(side.split(), 1)) + "\n" for side in SIDES)
)


def picture(path: Path, color: object = (200, 10, 10), mode: str = "RGB") -> Path:
    image = pytest.importorskip("PIL.Image")
    path.parent.mkdir(parents=True, exist_ok=True)
    image.new(mode, (8, 8), color).save(path)
    return path


def pixel(catalog: Catalog, name: str, key: str = "color_map") -> tuple[int, ...]:
    image = pytest.importorskip("PIL.Image")
    ((_, material),) = catalog.object(name).materials
    assert getattr(material, key), f"no {key}"
    with image.open(catalog.map_path(name, getattr(material, key))) as found:
        return tuple(found.getpixel((3, 3)))


def bowl(sections: int = 16) -> "trimesh.Trimesh":
    outside = [[0, 0], [0.05, 0.002], [0.075, 0.03], [0.08, 0.06]]
    inside = [[0.075, 0.06], [0.07, 0.032], [0.046, 0.007], [0, 0.005]]
    return trimesh.creation.revolve(np.array(outside + inside, dtype=float), sections=sections)


def pack_all(folder: Path, terms: Terms | None = None) -> tuple[list[LeftOut], dict[str, Packed]]:
    found = list(pack_folder(folder, folder.parent / "packed", terms or Terms()))
    return [one for one in found if isinstance(one, LeftOut)], {one.id: one for one in found if isinstance(one, Packed)}


def opened(folder: Path) -> Catalog:
    return open_catalog(
        objects=[str(manifest_path(folder.parent / "packed"))], builtin=False, cache=folder.parent / "cache"
    )


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
    paint = trimesh.visual.material.PBRMaterial(baseColorTexture=image.new("RGB", (8, 8), (200, 10, 10)))
    box.visual = trimesh.visual.TextureVisuals(uv=uv, material=paint)
    box.export(meshes / "photo_box.glb")
    _, catalog = pack(meshes)
    ((slot, material),) = catalog.object("packed:photo_box").materials
    with image.open(catalog.map_path("packed:photo_box", material.color_map)) as picture:
        assert picture.size == (8, 8) and picture.getpixel((3, 3)) == (200, 10, 10)
    text = catalog.mesh_path("packed:photo_box").read_text()
    assert f"usemtl {slot}" in text and "\nvt " in text


def test_units_are_brought_to_metres_and_a_giant_is_warned_of(meshes: Path) -> None:
    trimesh.creation.box((80.0, 40.0, 20.0)).export(meshes / "box.obj")
    packed, _ = pack(meshes, Terms(up="z"))
    assert "80 m across, more than 5 m; is its unit 'm'?" in packed["box"].warnings[0]
    packed, catalog = pack(meshes, Terms(unit="mm", substance="wood", up="z"))
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
    packed, catalog = pack(meshes, Terms(up="z"))
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
        ("a.gltf", "[[[", "cannot be read as a mesh"),
        ("a.obj", "v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n", "is flat, without a volume"),
        ("a.obj", BOX.replace("0.05", "5e-8"), "1e-07 m across, and simgen takes 0.0005 to 1000 m; is its unit 'm'"),
        ("a.obj", BOX.replace("0.05", "5000"), "1e.04 m across"),
    ],
)
def test_a_mesh_that_cannot_be_used_is_left_out_in_one_sentence(meshes: Path, name: str, text: str, said: str) -> None:
    (meshes / name).write_text(text)
    (meshes / "good.obj").write_text(BOX)
    *_, (out, good) = [pack_all(meshes)]
    assert [one.path.name for one in out] == [name] and re.search(said, out[0].reason) and "\n" not in out[0].reason
    assert str(meshes / name) in out[0].reason
    assert list(good) == ["good"] and opened(meshes).object("packed:good")
    (meshes / "good.obj").unlink()
    shutil.rmtree(meshes.parent / "packed")
    with pytest.raises(AssetError, match="none of its 1 meshes could be packed"):
        pack_all(meshes)
    assert not (meshes.parent / "packed" / "packed.json").exists()


def test_a_folder_that_cannot_be_packed_says_why(meshes: Path, tmp_path: Path) -> None:
    with pytest.raises(AssetError, match="holds no mesh"):
        pack(meshes)
    with pytest.raises(AssetError, match="no such folder"):
        pack(tmp_path / "none")
    (meshes / "sub").mkdir()
    (meshes / "sub" / "box.obj").write_text(BOX)
    with pytest.raises(AssetError, match="1 of its folders hold some"):
        pack(meshes)
    for suffix in ("obj", "ply"):
        trimesh.creation.box((0.1, 0.1, 0.1)).export(meshes / f"box.{suffix}")
    left_out, packed = pack_all(meshes)
    assert "the same id 'box'" in left_out[0].reason and list(packed) == ["box"]
    with pytest.raises(UnknownName, match="did you mean 'wood'"):
        pack(meshes, Terms(substance="woof"))
    with pytest.raises(UnknownName, match="did you mean 'wood'"):
        pack(meshes, Terms(labels={"box": {"substance": "woof"}}))
    with pytest.raises(UnknownName, match="no mesh 'bax'"):
        pack(meshes, Terms(labels={"bax": {"label": "x"}}))


def test_hidden_files_are_passed_over_and_what_is_no_file_is_named(meshes: Path) -> None:
    """A pipe would never answer: this test hangs where one is opened."""
    (meshes / "mug.obj").write_text(BOX)
    (meshes / "._mug.obj").write_bytes(b"\0\5\x16\7" * 20)
    (meshes / ".DS_Store").write_bytes(b"x")
    (meshes / "__MACOSX").mkdir()
    (meshes / "__MACOSX" / "._cup.obj").write_bytes(b"x")
    left_out, packed = pack_all(meshes)
    assert left_out == [] and list(packed) == ["mug"]
    os.mkfifo(meshes / "pipe.obj")
    (meshes / "device.ply").symlink_to("/dev/zero")
    (meshes / "nowhere.glb").symlink_to(meshes / "gone")
    (meshes / "folder.obj").mkdir()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(meshes / "socket.obj"))
    (meshes / "cup.obj").write_text("mtllib pipe.mtl\nusemtl a\n" + BOX)
    os.mkfifo(meshes / "pipe.mtl")
    left_out, packed = pack_all(meshes)
    assert sorted(one.path.name for one in left_out) == [
        "device.ply",
        "folder.obj",
        "nowhere.glb",
        "pipe.obj",
        "socket.obj",
    ]
    assert "leads nowhere" in left_out[2].reason and "not a regular file" in left_out[3].reason
    assert "'pipe.mtl' is not a regular file" in packed["cup"].warnings[0]
    os.mkfifo(meshes / "labels.yaml")
    with pytest.raises(UsageError, match="not a regular file"):
        folder_labels(meshes, None)


def test_what_pack_writes_is_a_kubric_manifest(meshes: Path, tmp_path: Path) -> None:
    trimesh.creation.box((0.1, 0.1, 0.1)).export(meshes / "box.obj")
    pack(meshes)
    data = json.loads((tmp_path / "packed" / "packed.json").read_text())
    assert set(data) == {"name", "version", "assets"}
    box = data["assets"]["box"]
    assert box["kwargs"]["simulation_filename"] == "{asset_dir}/object.urdf"
    shutil.unpack_archive(tmp_path / "packed" / "box.tar.gz", tmp_path / "open")
    assert json.loads((tmp_path / "open" / "data.json").read_text())["id"] == "box"


def test_kubric_itself_loads_and_drops_what_pack_wrote(
    meshes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With Kubric's own asset source and simulator, from another working directory; two seconds for the imports."""
    pytest.importorskip("pybullet", reason="the extra 'generate' is not installed")
    from simgen.engine.kubric_import import KubricPyBullet, kb

    (meshes / "steel_box.obj").write_text(BOX)
    pack(meshes)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    for place in (tmp_path / "packed" / "packed.json", Path("../packed/packed.json")):
        with kb.AssetSource.from_manifest(str(place), scratch_dir=str(tmp_path)) as source:
            assert source.all_asset_ids == ["steel_box"] and source.categories == ["box"]
            box = source.create("steel_box", position=(0.0, 0.0, 0.3))
            assert (box.mass, box.friction, box.restitution) == (pytest.approx(7.85), 0.55, 0.75)
            scene = kb.Scene(frame_end=24, frame_rate=24, step_rate=240)
            scene += kb.Cube(name="floor", scale=(2, 2, 0.1), position=(0, 0, -0.1), static=True)
            scene += box
            KubricPyBullet(scene, scratch_dir=str(tmp_path)).run()
            assert box.position[2] == pytest.approx(0.05, abs=0.01)


@pytest.mark.parametrize(
    ("file", "line", "note"),
    [
        ("Texture.PNG", "map_Kd texture.png", "'texture.png' is not where the mesh says"),
        ("texture.png", "map_Kd -s 1 1 1 texture.png", ""),
        ("texture.png", "map_Kd -blendu on -o 0.5 0 -s 2 2 texture.png", ""),
        ("my texture.png", "map_Kd my texture.png", ""),
        ("maps/texture.png", "map_Kd maps\\texture.png", ""),
        ("maps/texture.png", "map_Kd C:\\work\\texture.png", "is not where the mesh says"),
        ("maps/texture.png", "map_Kd texture.png", "is not where the mesh says"),
        ("texture.png", "map_Kd -clamp on texture.png", "-clamp is not applied"),
        ("texture.png", "map_Kd texture.png\nmap_d texture.png", "the transparency picture 'texture.png' is left out"),
        ("texture.png", "map_Kd texture.png\nd 0.4", "is transparent in places; simgen shows it opaque"),
    ],
)
def test_the_picture_of_an_obj_is_found_as_it_is_named(meshes: Path, file: str, line: str, note: str) -> None:
    picture(meshes / file)
    (meshes / "model.mtl").write_text(f"newmtl paint\nKd 0.64 0.64 0.64\n{line}\n")
    (meshes / "box.obj").write_text("mtllib model.mtl\n" + UV_BOX)
    packed, catalog = pack(meshes, Terms(up="z"))
    assert pixel(catalog, "packed:box") == (200, 10, 10)
    warnings = packed["box"].warnings
    assert len(warnings) == (1 if note else 0) and all(note in warning for warning in warnings)


def test_scale_and_offset_of_a_picture_are_in_the_texture_coordinates(meshes: Path) -> None:
    picture(meshes / "t.png")
    (meshes / "model.mtl").write_text("newmtl paint\nmap_Kd -o 0.5 0.25 -s 2 3 t.png\n")
    (meshes / "box.obj").write_text("mtllib model.mtl\n" + UV_BOX)
    _, catalog = pack(meshes)
    lines = catalog.mesh_path("packed:box").read_text().splitlines()
    found = {tuple(map(float, line.split()[1:])) for line in lines if line.startswith("vt ")}
    assert found == {(0.5, 0.25), (2.5, 0.25), (2.5, 3.25), (0.5, 3.25)}


def test_a_picture_outside_the_folder_is_taken_only_where_the_user_names_its_folder(meshes: Path) -> None:
    outside = picture(meshes.parent / "textures" / "t.png")
    (meshes / "link.png").symlink_to(outside)
    for name in ("../textures/t.png", str(outside), "link.png"):
        (meshes / "model.mtl").write_text(f"newmtl paint\nmap_Kd {name}\n")
        (meshes / "box.obj").write_text("mtllib model.mtl\n" + UV_BOX)
        packed, catalog = pack(meshes, Terms(up="z"))
        assert "lies outside the folder of meshes" in packed["box"].warnings[0]
        assert "--textures" in packed["box"].warnings[0]
        assert not catalog.object("packed:box").materials[0][1].color_map
        packed, catalog = pack(meshes, Terms(up="z", textures=(outside.parent,)))
        assert packed["box"].warnings == () and pixel(catalog, "packed:box") == (200, 10, 10)
    with pytest.raises(UsageError, match="no such folder of pictures"):
        pack(meshes, Terms(textures=(meshes / "none",)))


@pytest.mark.parametrize(
    ("files", "note"),
    [
        ({}, "its picture 't.png' is not there; packed without it"),
        ({"t.png": b"\x89PNG cut"}, "its picture 't.png' cannot be decoded"),
        ({"a/t.png": b"x", "b/T.png": b"y"}, "'t.png' is there 2 times"),
    ],
)
def test_a_picture_that_cannot_be_had_is_named(meshes: Path, files: dict[str, bytes], note: str) -> None:
    for name, data in files.items():
        (meshes / name).parent.mkdir(exist_ok=True)
        (meshes / name).write_bytes(data)
    (meshes / "model.mtl").write_text("newmtl paint\nKd 0.1 0.2 0.3\nmap_Kd t.png\n")
    (meshes / "box.obj").write_text("mtllib model.mtl\n" + UV_BOX)
    packed, catalog = pack(meshes)
    assert any(note in warning for warning in packed["box"].warnings)
    assert catalog.object("packed:box").materials[0][1].base_color == (0.1, 0.2, 0.3)


def test_pictures_of_sixteen_bits_keep_their_shades(meshes: Path) -> None:
    picture(meshes / "t.png", 32768, "I;16")
    (meshes / "model.mtl").write_text("newmtl paint\nmap_Kd t.png\n")
    (meshes / "box.obj").write_text("mtllib model.mtl\n" + UV_BOX)
    assert pixel(pack(meshes)[1], "packed:box") == (128, 128, 128)


def test_materials_of_an_obj_each_keep_their_own(meshes: Path) -> None:
    (meshes / "one.mtl").write_text("newmtl red\nKd 1 0 0\nPr 0.3\nnewmtl lamp\nKd 0 0 0\nKe 2 3 4\n")
    (meshes / "two.mtl").write_text("newmtl steel\nKd 0.5 0.5 0.5\nPm 1\n")
    faces = "".join(
        f"usemtl {name}\nf {side}\n" for name, side in zip(("red", "lamp", "steel", "gone") * 2, SIDES, strict=False)
    )
    text = "".join("v {} {} {}\n".format(*c) for c in CORNERS)
    (meshes / "box.obj").write_text(f"mtllib one.mtl two.mtl\n{text}{faces}")
    packed, catalog = pack(meshes, Terms(up="z"))
    found = {m.base_color: m for _, m in catalog.object("packed:box").materials}
    assert len(found) == 4 and found[1.0, 0.0, 0.0].roughness == 0.3
    assert found[0.0, 0.0, 0.0].emission == (2.0, 3.0, 4.0) and found[0.5, 0.5, 0.5].metallic == 1.0
    assert packed["box"].warnings == (
        f"{meshes / 'box.obj'}: no library of materials states its material 'gone'; it is packed in grey",
    )


def gltf_box(path: Path, **material: object) -> None:
    image = pytest.importorskip("PIL.Image")
    box = trimesh.creation.box((0.1, 0.1, 0.1))
    pictures = {key: image.new("RGBA", (8, 8), value) for key, value in material.items() if key.endswith("Texture")}
    uv = np.tile([[0.0, 0.0], [1.0, 1.0]], (4, 1))
    made = trimesh.visual.material.PBRMaterial(**(material | pictures))
    box.visual = trimesh.visual.TextureVisuals(uv=uv, material=made)
    box.export(path)


def test_a_factor_of_gltf_multiplies_the_picture_in_linear_light(meshes: Path) -> None:
    gltf_box(meshes / "box.glb", baseColorTexture=(255, 255, 255, 255), baseColorFactor=[1.0, 0.0, 0.2159, 1.0])
    packed, catalog = pack(meshes)
    red, green, blue = pixel(catalog, "packed:box")
    # 0.2159 is the linear light of 0.5022 in sRGB.
    assert (red, green) == (255, 0) and abs(blue - 128) <= 1
    assert packed["box"].warnings == ()


def test_what_gltf_says_beyond_colour_is_carried_or_named(meshes: Path) -> None:
    gltf_box(
        meshes / "lamp.glb",
        emissiveFactor=[1.0, 0.5, 0.0],
        baseColorFactor=[0, 0, 1.0, 0.3],
        alphaMode="BLEND",
        metallicFactor=0.0,
        roughnessFactor=0.25,
    )
    gltf_box(
        meshes / "pad.glb",
        baseColorTexture=(0, 255, 0, 40),
        alphaMode="MASK",
        roughnessFactor=0.5,
        metallicFactor=1.0,
        metallicRoughnessTexture=(0, 128, 255, 255),
        normalTexture=(128, 128, 255, 255),
        emissiveTexture=(9, 9, 9, 255),
        emissiveFactor=[1, 1, 1],
    )
    packed, catalog = pack(meshes)
    ((_, lamp),) = catalog.object("packed:lamp").materials
    assert (lamp.emission, lamp.metallic, lamp.roughness) == ((1.0, 0.5, 0.0), 0.0, 0.25)
    assert "transparent in places; simgen shows it opaque" in packed["lamp"].warnings[0]
    ((_, pad),) = catalog.object("packed:pad").materials
    assert pixel(catalog, "packed:pad", "roughness_map") == (64, 64, 64) and pad.metallic == 1.0
    assert pixel(catalog, "packed:pad", "normal_map") == (128, 128, 255) and not any(pad.emission)
    said = " ".join(packed["pad"].warnings)
    assert "its picture is transparent" in said and "the emission picture is left out" in said


def test_gltf_that_names_what_nobody_can_read_says_so(meshes: Path) -> None:
    gltf_box(meshes / "a.glb", baseColorTexture=(255, 0, 0, 255))
    data = (meshes / "a.glb").read_bytes()
    (meshes / "a.glb").unlink()
    (meshes / "webp.glb").write_bytes(data.replace(b"\x89PNG", b"RIFF"))
    (meshes / "draco.glb").write_bytes(
        data.replace(b'"asset"', b'"extensionsRequired":["KHR_draco_mesh_compression"],"asset"')
    )
    length = len(b'"extensionsRequired":["KHR_draco_mesh_compression"],')
    raw = bytearray((meshes / "draco.glb").read_bytes())
    raw[12:16] = (int.from_bytes(raw[12:16], "little") + length).to_bytes(4, "little")
    (meshes / "draco.glb").write_bytes(raw)
    left_out, packed = pack_all(meshes)
    assert "points are compressed (KHR_draco_mesh_compression); export it without" in left_out[0].reason
    assert "cannot be decoded" in packed["webp"].warnings[0]


def test_points_of_two_numbers_and_odd_ones_are_one_sentence(meshes: Path, capfd: pytest.CaptureFixture[str]) -> None:
    trimesh.creation.box((0.1, 0.2, 0.05)).export(meshes / "flat.glb")
    whole = (meshes / "flat.glb").read_bytes()
    # Of the same length: the points are the first accessor of three numbers.
    (meshes / "flat.glb").write_bytes(whole.replace(b'"VEC3"', b'"VEC2"'))
    trimesh.creation.box((0.1, 0.2, 0.05)).export(meshes / "odd.ply", encoding="ascii")
    text = (meshes / "odd.ply").read_text()
    head, points = text.split("end_header\n")
    (meshes / "odd.ply").write_text(f"{head}end_header\nnan 1e400 0\n" + points.split("\n", 1)[1])
    trimesh.creation.box((0.1, 0.2, 0.05)).export(meshes / "good.ply")
    gone = {one.path.name: one.reason for one in pack_all(meshes)[0]}
    assert "its points must have three numbers each; got 2" in gone["flat.glb"]
    assert "are not finite numbers; repair the mesh" in gone["odd.ply"]
    assert "Warning" not in capfd.readouterr().err


def test_colours_of_points_multiply_the_colour_of_a_gltf_material(meshes: Path) -> None:
    box = trimesh.creation.box((0.1, 0.1, 0.1))
    box.visual = trimesh.visual.TextureVisuals(
        uv=np.zeros((8, 2)), material=trimesh.visual.material.PBRMaterial(baseColorFactor=[1.0, 0.0, 1.0, 1.0])
    )
    colors = np.full((8, 4), 255, dtype=np.uint8)
    colors[4:, 0] = 0
    box.visual.vertex_attributes["color"] = colors
    box.export(meshes / "box.glb")
    _, catalog = pack(meshes)
    assert catalog.object("packed:box").materials[0][1].color_field == "Color"
    lines = catalog.mesh_path("packed:box").read_text().splitlines()
    found = np.array([[float(word) for word in line.split()[1:]] for line in lines if line.startswith("v ")])
    assert np.allclose(found[:, 3:], [[1, 0, 1]] * 4 + [[0, 0, 1]] * 4)


@pytest.mark.parametrize("suffix", ["ply", "obj"])
def test_colours_of_points_are_carried(meshes: Path, suffix: str) -> None:
    ball = trimesh.creation.icosphere(radius=0.05, subdivisions=1)
    colors = np.round(np.clip((ball.vertices / 0.05 + 1) / 2, 0, 1) * 255).astype(np.uint8)
    rows = zip(ball.vertices, colors / 255.0, strict=True)
    if suffix == "ply":
        trimesh.Trimesh(ball.vertices, ball.faces, vertex_colors=colors, process=False).export(meshes / "ball.ply")
    else:
        points = "".join("v {} {} {} {} {} {}\n".format(*point, *color) for point, color in rows)
        (meshes / "ball.obj").write_text(points + "".join("f {} {} {}\n".format(*(face + 1)) for face in ball.faces))
    _, catalog = pack(meshes)
    ((_, material),) = catalog.object("packed:ball").materials
    assert material.color_field == "Color"
    lines = catalog.mesh_path("packed:ball").read_text().splitlines()
    found = np.array([[float(word) for word in line.split()[1:]] for line in lines if line.startswith("v ")])
    expected = np.clip((found[:, :3] / 0.05 + 1) / 2, 0, 1)
    assert np.abs(found[:, 3:] - expected).max() < 0.005


def carton() -> "trimesh.Trimesh":
    """A carton with a narrow top, Z up, about the origin."""
    body = np.array(trimesh.creation.box((0.08, 0.08, 0.2)).vertices)
    roof = [[0.0, -0.04, 0.13], [0.0, 0.04, 0.13]]
    return trimesh.Trimesh(*hull(np.concatenate([body, roof])), process=False)


@pytest.mark.parametrize("suffix", ["obj", "ply"])
@pytest.mark.parametrize("up", ["y", "z"])
def test_which_way_is_up_is_found_and_said(meshes: Path, up: str, suffix: str) -> None:
    shape = carton()
    if up == "y":
        shape.vertices = shape.vertices[:, [0, 2, 1]] * [1, 1, -1]
    shape.export(meshes / f"milk_carton.{suffix}")
    packed, catalog = pack(meshes)
    assert packed["milk_carton"].up.axis == up and packed["milk_carton"].up.sure
    assert "a carton is taller" in packed["milk_carton"].up.reason and packed["milk_carton"].warnings == ()
    assert packed["milk_carton"].size_m == pytest.approx((0.08, 0.08, 0.23), abs=1e-5)
    points = catalog.shape("packed:milk_carton").points
    assert np.ptp(points[points[:, 2] < points[:, 2].min() + 0.001, 0]) == pytest.approx(0.08, abs=1e-4), "on its roof"


def test_up_is_what_the_user_or_the_format_says(meshes: Path) -> None:
    trimesh.creation.box((0.1, 0.3, 0.05)).export(meshes / "thing.obj")
    assert "which way is up is a guess: z" in pack(meshes)[0]["thing"].warnings[0]
    for terms in (Terms(up="y"), Terms(labels={"thing": {"up": "y"}})):
        packed, _ = pack(meshes, terms)
        assert packed["thing"].size_m == pytest.approx((0.1, 0.05, 0.3)) and packed["thing"].warnings == ()
    (meshes / "thing.obj").unlink()
    trimesh.creation.box((0.1, 0.3, 0.05)).export(meshes / "thing.glb")
    assert pack(meshes, Terms(up="z"))[0]["thing"].size_m == pytest.approx((0.1, 0.3, 0.05))


def test_a_fan_of_ten_thousand_sides_is_packed_in_bounded_memory(meshes: Path) -> None:
    """All pairs of its triangles would take 17 GB; some two seconds."""
    from simgen.catalog.mesh_repair import crease_normals
    from simgen.catalog.mesh_sources import MeshPart

    cylinder = trimesh.creation.cylinder(0.05, 0.1, sections=10_000)
    piece = MeshPart(slot="a", vertices=np.array(cylinder.vertices), faces=np.array(cylinder.faces))
    tracemalloc.start()
    normals, corners = crease_normals(piece)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 500e6
    flat = np.abs(cylinder.face_normals[:, 2]) > 0.9
    assert np.allclose(normals[corners[flat]], cylinder.face_normals[flat][:, None], atol=2e-3), "the caps are flat"
    assert np.abs(normals[corners[~flat]][..., 2]).max() < 0.01, "the side is round"


def test_shells_that_overlap_are_weighed_once(meshes: Path) -> None:
    one, two = trimesh.creation.box((0.1, 0.1, 0.1)), trimesh.creation.box((0.1, 0.1, 0.1))
    two.apply_translation((0.05, 0.0, 0.0))
    trimesh.util.concatenate([one, two]).export(meshes / "wooden_block.obj")
    ball, hollow = trimesh.creation.icosphere(radius=0.05), trimesh.creation.icosphere(radius=0.04)
    trimesh.util.concatenate([ball, hollow]).export(meshes / "same.ply")
    hollow.invert()
    trimesh.util.concatenate([ball, hollow]).export(meshes / "hollow.ply")
    # How they are cut is not the point here.
    packed, catalog = pack(meshes, Terms(time_limit_s=1.0, up="z"))
    assert catalog.object("packed:wooden_block").volume_m3 == pytest.approx(0.1 * 0.1 * 0.15, rel=1e-6)
    assert packed["wooden_block"].mass_kg == pytest.approx(1.5e-3 * 680, rel=1e-6)
    assert "its shells overlap by 33 % of the volume" in packed["wooden_block"].warnings[-1]
    assert catalog.object("packed:same").volume_m3 == pytest.approx(ball.volume, rel=1e-6)
    assert catalog.object("packed:hollow").volume_m3 == pytest.approx(ball.volume + hollow.volume, rel=1e-6)
    assert not any("its shells overlap" in warning for warning in packed["hollow"].warnings)


def soup(path: Path) -> None:
    rng = np.random.default_rng(3)
    corners = rng.uniform(-0.05, 0.05, (300, 3))
    trimesh.Trimesh(corners, np.arange(300).reshape(-1, 3), process=False).export(path)


def test_what_takes_too_long_gets_its_hull_and_a_sentence(meshes: Path) -> None:
    """Two seconds: the time limit, and the start of a process."""
    soup(meshes / "soup.ply")
    packed, catalog = pack(meshes, Terms(time_limit_s=2.0, up="z"))
    assert packed["soup"].num_parts == 1 and len(catalog.shape("packed:soup").parts[0]) < 256
    assert "cutting it into convex parts takes more than 2 s" in packed["soup"].warnings[0]


def test_ctrl_c_ends_the_cutting_at_once(meshes: Path, tmp_path: Path) -> None:
    """Four seconds: the start of two processes."""
    soup(meshes / "soup.ply")
    command = [sys.executable, "-m", "simgen.cli", "assets", "pack", str(meshes), str(tmp_path / "packed")]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True) as process:
        assert process.stderr is not None and "packing 1 of 1: soup.ply" in process.stderr.readline()
        children: list[str] = []
        deadline = time.monotonic() + 60
        while not children and time.monotonic() < deadline:
            children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
            time.sleep(0.1)
        time.sleep(1.0)
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 130
        assert time.monotonic() - began < 10
    assert children and not any(Path(f"/proc/{child}").exists() for child in children)
    assert not (tmp_path / "packed" / "packed.json").exists()


def test_names_in_other_letters_keep_their_words(meshes: Path) -> None:
    for name in ("Teekanne grün", "my blue mug (1)", "茶壶", "чайник", "Cafe\u0301 tasse"):
        (meshes / f"{name}.obj").write_text(BOX)
    packed, _ = pack(meshes, Terms(labels={"чайник": {"label": "kettle"}}))
    labels = {one.label for one in packed.values()}
    assert labels == {"teekanne grün", "blue mug", "object", "kettle", "café tasse"}
    assert {"Teekanne_grun", "my_blue_mug_1", "Cafe_tasse"} <= set(packed)
    (nameless,) = (one for one in packed.values() if one.label == "object")
    assert "give it one in a labels file: 茶壶: LABEL" in nameless.warnings[0]


def test_a_folder_with_a_colon_in_its_name_gives_a_manifest_that_can_be_read(meshes: Path, tmp_path: Path) -> None:
    (meshes / "box.obj").write_text(BOX)
    out = tmp_path / "set: one"
    assert [one.id for one in pack_folder(meshes, out, Terms()) if isinstance(one, Packed)] == ["box"]
    assert open_catalog(objects=[str(manifest_path(out))], builtin=False, cache=tmp_path / "cache").objects
