"""Every picture of an asset is decoded before anybody renders with it; what is wrong with one is a sentence."""

import functools
import gzip
import io
import json
import os
import struct
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from simgen.catalog.catalog import Catalog, open_catalog
from simgen.catalog.pictures import check_picture, mtl_pictures
from simgen.core.errors import AssetError

BOX = "\n".join(
    [f"v {x} {y} {z}" for x in (-0.05, 0.05) for y in (-0.04, 0.04) for z in (-0.03, 0.03)]
    + ["usemtl red", *(f"f {side}" for side in ("1 2 4 3", "5 7 8 6", "1 5 6 2", "3 4 8 7", "1 3 7 5", "2 6 8 4"))]
)
URDF = """<robot name="x"><link name="base"><inertial><mass value="0.3"/></inertial>
<collision><geometry><mesh filename="collision_geometry.obj"/></geometry></collision></link></robot>"""


def noise(width: int = 48, height: int = 32) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


def encoded(kind: str, **options: Any) -> bytes:
    if kind in ("HDR", "EXR"):
        done, data = cv2.imencode(f".{kind.lower()}", noise().astype(np.float32) / 100)
        assert done
        return bytes(data)
    stream = io.BytesIO()
    Image.fromarray(noise()).save(stream, kind, **options)
    return stream.getvalue()


def png_of_size(width: int, height: int) -> bytes:
    """A PNG of a few hundred bytes that says it is as large as that."""

    def part(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + part(b"IHDR", head) + part(b"IDAT", zlib.compress(b"\0" * 100_000)) + part(b"IEND", b"")
    )


def exr_of_size(width: int, height: int) -> bytes:
    """A whole EXR whose header says that it is as large as that."""
    data = encoded("EXR")
    at = data.index(b"dataWindow\0box2i\0") + len(b"dataWindow\0box2i\0") + 4
    return data[:at] + struct.pack("<4i", 0, 0, width - 1, height - 1) + data[at + 16 :]


KINDS = ("PNG", "JPEG", "TGA", "BMP", "TIFF", "WEBP", "JPEG2000", "DDS", "HDR", "EXR")


@pytest.mark.parametrize("kind", KINDS)
def test_whole_pictures_of_every_kind_that_blender_reads_are_taken_whatever_their_suffix(
    kind: str, tmp_path: Path
) -> None:
    for name in (f"a.{kind.lower()}", "a.jpg", "a.png"):
        (tmp_path / name).write_bytes(encoded(kind))
        check_picture(tmp_path / name)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("kept", [0.0, 0.02, 0.5, 0.97])
def test_a_picture_that_was_cut_is_refused_by_name(kind: str, kept: float, tmp_path: Path) -> None:
    """Blender fills the lost half of a JPEG, TIFF, WEBP or DDS up, and takes that for the picture."""
    data = encoded(kind)
    path = tmp_path / f"a.{kind.lower()}"
    path.write_bytes(data[: int(len(data) * kept)])
    with pytest.raises(AssetError, match=r"the picture is empty|cannot be decoded|is not a picture of a kind") as error:
        check_picture(path)
    assert str(error.value).startswith(f"{path}: ")


def flipped() -> bytes:
    data = bytearray(encoded("PNG"))
    data[len(data) // 2] ^= 0xFF
    return bytes(data)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("web.png", b"<html>404 not found</html>", "is not a picture of a kind that Blender reads"),
        ("gif.png", encoded("GIF"), "is not a picture of a kind that Blender reads"),
        ("progressive.jpg", encoded("JPEG", progressive=True)[:-400], "cannot be decoded"),
        ("flipped.png", flipped(), "cannot be decoded"),
        ("tail.png", encoded("PNG")[:-12], "cannot be decoded"),
        ("bomb.png", png_of_size(30_000, 30_000), "more pixels than simgen takes"),
        ("lie.png", png_of_size(3000, 3000), "cannot be decoded"),
        ("wide.png", png_of_size(2_000_000_000, 2), "more pixels than simgen takes"),
        ("bomb.hdr", b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 99999 +X 99999\n\x80", "more pixels than simgen"),
        ("bomb.exr", exr_of_size(60_000, 60_000), "more pixels than simgen takes"),
        ("black.hdr", b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 1 +X 1\n\0\0\0\0", "is black all over"),
    ],
)
def test_a_picture_that_is_none_or_too_much_is_a_sentence(name: str, content: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(AssetError, match=said) as error:
        check_picture(tmp_path / name)
    assert str(error.value).startswith(f"{tmp_path / name}: ") and "\n" not in str(error.value)


def test_a_picture_of_sixteen_bits_and_one_of_many_pixels_are_taken(tmp_path: Path) -> None:
    Image.fromarray(np.full((8, 8), 30_000, np.uint16)).save(tmp_path / "deep.png")
    check_picture(tmp_path / "deep.png")
    # Above what Pillow warns of, which pytest would make an error.
    Image.new("1", (10_000, 9_000)).save(tmp_path / "large.png")
    check_picture(tmp_path / "large.png")


@pytest.mark.parametrize(
    ("statement", "file"),
    [
        ("map_Kd texture.png", "texture.png"),
        ("map_Kd -s 1 1 1 -o 0.5 0 texture.png", "texture.png"),
        ("map_Bump -bm 0.3 my texture.png", "my texture.png"),
        ("  map_kd -clamp on maps/a.png\r", "maps/a.png"),
        ('map_Kd "quoted.png"', "quoted.png"),
        ("map_Kd C:\\Users\\me\\there.png", "there.png"),
        ("norm n.png", "n.png"),
    ],
)
def test_the_pictures_of_an_mtl_are_found_as_blender_finds_them(statement: str, file: str, tmp_path: Path) -> None:
    (tmp_path / "box.obj").write_text(f"mtllib box.mtl\n{BOX}\n")
    (tmp_path / "there.png").touch()
    unused = "newmtl blue\nmap_Kd lost.png\n"
    (tmp_path / "box.mtl").write_text(f"newmtl red\nKd 1 0 0\n{statement}\n{unused}")
    assert list(mtl_pictures(tmp_path / "box.obj")) == [tmp_path / file]


def test_an_mtl_that_names_a_picture_elsewhere_is_refused(tmp_path: Path) -> None:
    (tmp_path / "box.obj").write_text(f"mtllib box.mtl\n{BOX}\n")
    (tmp_path / "box.mtl").write_text("newmtl red\nmap_Kd /etc/hostname\n")
    with pytest.raises(AssetError, match="names the picture '/etc/hostname' outside the asset's folder"):
        list(mtl_pictures(tmp_path / "box.obj"))


# In an asset.


@pytest.fixture
def opened(tmp_path: Path) -> Callable[..., Catalog]:
    return functools.partial(open_catalog, builtin=False, cache=tmp_path / "cache")


def write_box(
    folder: Path, picture: bytes | None, *, how: str = "material", archive: bool = True, name: str = "skin.png"
) -> Path:
    """The manifest of a box whose picture is named by its entry (`material`) or by its MTL file (`mtl`)."""
    files: dict[str, bytes] = {
        "visual_geometry.obj": f"mtllib visual_geometry.mtl\n{BOX}\n".encode(),
        "visual_geometry.mtl": b"newmtl red\n" + (f"map_Kd {name}\n".encode() if how == "mtl" else b""),
        "collision_geometry.obj": f"{BOX}\n".encode(),
        "object.urdf": URDF.encode(),
    }
    if picture is not None:
        files[name] = picture
    folder.mkdir(parents=True, exist_ok=True)
    if archive:
        stream = io.BytesIO()
        with tarfile.open(fileobj=stream, mode="w") as tar:
            for member_name, data in files.items():
                member = tarfile.TarInfo(member_name)
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))
        (folder / "box.tar.gz").write_bytes(gzip.compress(stream.getvalue(), mtime=0))
    else:
        for member_name, data in files.items():
            (folder / member_name).write_bytes(data)
    kwargs = {
        "bounds": [[-0.05, -0.04, -0.03], [0.05, 0.04, 0.03]],
        "render_filename": "{asset_dir}/visual_geometry.obj",
        "simulation_filename": "{asset_dir}/object.urdf",
    }
    entry: dict[str, Any] = {"asset_type": "FileBasedObject", "kwargs": kwargs, "metadata": {}}
    if how == "material":
        entry["metadata"]["materials"] = {"red": {"color_map": name}}
    if not archive:
        entry["path"] = None
    manifest = folder / "Mine.json"
    manifest.write_text(json.dumps({"name": "Mine", "assets": {"box": entry}}))
    return manifest


BAD: dict[str, bytes | None] = {
    "missing": None,
    "empty": b"",
    "cut to 40 bytes": encoded("PNG")[:40],
    "half a jpeg": encoded("JPEG")[: len(encoded("JPEG")) // 2],
    "a page": b"<html>",
    "a bomb": png_of_size(60_000, 60_000),
}


@pytest.mark.parametrize("what", BAD)
@pytest.mark.parametrize("how", ["material", "mtl"])
def test_an_asset_with_a_picture_that_cannot_be_decoded_is_refused_by_archive_file_and_name(
    what: str, how: str, tmp_path: Path, opened: Callable[..., Catalog]
) -> None:
    catalog = opened(objects=[str(write_box(tmp_path / "mine", BAD[what], how=how))])
    for use in (catalog.mesh_path, catalog.shape, catalog.folder):
        with pytest.raises(AssetError) as error:
            use("Mine:box")
        assert str(error.value).startswith(f"{tmp_path}/mine/box.tar.gz/skin.png: ")
        assert str(error.value).endswith(", or leave 'box' out with assets.exclude")
        assert error.value.asset == "Mine:box"
    assert catalog.verify("Mine:box") == str(error.value)


@pytest.mark.parametrize("how", ["material", "mtl"])
def test_an_asset_with_a_whole_picture_is_taken(how: str, tmp_path: Path, opened: Callable[..., Catalog]) -> None:
    catalog = opened(objects=[str(write_box(tmp_path / "mine", encoded("JPEG"), how=how))])
    assert catalog.folder("Mine:box").is_dir()
    assert catalog.verify("Mine:box") is None


def test_loose_files_are_decoded_as_well(tmp_path: Path, opened: Callable[..., Catalog]) -> None:
    catalog = opened(objects=[str(write_box(tmp_path / "mine", BAD["half a jpeg"], archive=False))])
    with pytest.raises(AssetError, match=r"mine/skin\.png: cannot be decoded \(image file is truncated"):
        catalog.shape("Mine:box")


def test_what_was_unpacked_before_anybody_looked_is_looked_at_now(
    tmp_path: Path, opened: Callable[..., Catalog]
) -> None:
    """The cache of an older version holds the folder already."""
    catalog = opened(objects=[str(write_box(tmp_path / "mine", BAD["cut to 40 bytes"]))])
    archive = catalog.cache.fetch(str(tmp_path / "mine" / "box.tar.gz"))
    catalog.cache.unpack(archive)
    with pytest.raises(AssetError, match="cannot be decoded"):
        catalog.folder("Mine:box")


def test_a_folder_is_looked_at_once(
    tmp_path: Path, opened: Callable[..., Catalog], monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = str(write_box(tmp_path / "mine", encoded("PNG")))
    opened(objects=[manifest]).folder("Mine:box")
    looks: list[Path] = []
    monkeypatch.setattr("simgen.catalog.catalog.check_picture", looks.append)
    opened(objects=[manifest]).folder("Mine:box")
    assert not looks
    # Another manifest of the same archive may name another picture.
    other = json.loads(Path(manifest).read_text())
    other["assets"]["box"]["metadata"]["materials"]["red"]["normal_map"] = "skin.png"
    Path(manifest).write_text(json.dumps(other))
    opened(objects=[manifest]).folder("Mine:box")
    assert looks


@pytest.mark.parametrize("kind", ["HDR", "EXR"])
def test_an_environment_map_that_was_cut_is_refused(kind: str, tmp_path: Path, opened: Callable[..., Catalog]) -> None:
    name = f"sky.{kind.lower()}"
    (tmp_path / name).write_bytes(encoded(kind)[:-200])
    entry = {"asset_type": "Texture", "path": None, "kwargs": {"filename": name}}
    (tmp_path / "Skies.json").write_text(json.dumps({"name": "Skies", "assets": {"sky": entry}}))
    catalog = opened(environments=[str(tmp_path / "Skies.json")])
    with pytest.raises(AssetError, match=rf"{name}: cannot be decoded .*; fetch it again, or leave 'sky' out"):
        catalog.environment_path("Skies:sky")
    assert "cannot be decoded" in str(catalog.verify("Skies:sky"))


def test_the_box_of_the_report_is_refused(opened: Callable[..., Catalog]) -> None:
    manifest = Path(os.environ.get("SIMGEN_TEST_DATA", "none")) / "reports" / "damaged_texture" / "texcut.json"
    if not manifest.is_file():
        pytest.skip("needs the inputs of users' reports")
    found = opened(objects=[str(manifest)]).verify("texcut:red_box")
    assert found is not None and found.startswith(f"{manifest.parent}/red_box.tar.gz/material_0.png: cannot be decoded")
