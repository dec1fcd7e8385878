"""Blender shows no picture that it could not read: it would paint magenta where the picture should be."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trimesh
from PIL import Image

from simgen.core.assets import Material
from simgen.core.errors import AssetError

pytest.importorskip("simgen.engine.blender")
pytestmark = pytest.mark.render

from simgen.engine.environment import read_environment_map  # noqa: E402
from simgen.engine.materials import build_material  # noqa: E402
from simgen.engine.view import import_mesh  # noqa: E402

PNG = io.BytesIO()
Image.fromarray(np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)).save(PNG, "PNG")
BAD = {"missing": None, "empty": b"", "cut": PNG.getvalue()[:40], "a page": b"<html>"}


def as_map(folder: Path) -> Any:
    return build_material(Material(color_map="skin.png"), lambda name: folder / name)


def as_mtl(folder: Path) -> Any:
    (folder / "box.obj").write_text("mtllib box.mtl\nv 0 0 0\nv 1 0 0\nv 0 1 0\nvt 0 0\nusemtl red\nf 1/1 2/1 3/1\n")
    (folder / "box.mtl").write_text("newmtl red\nmap_Kd skin.png\n")
    return import_mesh(folder / "box.obj")


def as_sky(folder: Path) -> Any:
    return read_environment_map(folder / "skin.png")


@pytest.mark.parametrize("what", BAD)
@pytest.mark.parametrize("use", [as_map, as_mtl, as_sky])
def test_a_picture_that_cannot_be_read_is_never_shown(what: str, use: Callable[[Path], Any], tmp_path: Path) -> None:
    """Whatever came past the catalogue's own look, in 0.1 s each."""
    if (content := BAD[what]) is not None:
        (tmp_path / "skin.png").write_bytes(content)
    with pytest.raises(AssetError, match=r"skin\.png"):
        use(tmp_path)


@pytest.mark.parametrize("use", [as_map, as_mtl, as_sky])
def test_a_whole_picture_is_shown(use: Callable[[Path], Any], tmp_path: Path) -> None:
    (tmp_path / "skin.png").write_bytes(PNG.getvalue())
    assert use(tmp_path) is not None


@pytest.mark.parametrize("kept", [20, 10_000])
def test_a_damaged_picture_inside_a_glb_is_never_shown(kept: int, tmp_path: Path) -> None:
    material = trimesh.visual.material.PBRMaterial(baseColorTexture=Image.open(PNG))
    box = trimesh.creation.box()
    box.visual = trimesh.visual.TextureVisuals(uv=np.zeros((len(box.vertices), 2)), material=material)
    data = box.export(file_type="glb")
    at = data.index(b"\x89PNG") + kept
    end = data.index(b"IEND") if kept < 10_000 else at
    (tmp_path / "box.glb").write_bytes(data[:at] + b"\0" * max(0, end - at) + data[max(at, end) :])
    if kept < 10_000:
        with pytest.raises(AssetError, match=r"box\.glb: its picture .* cannot be decoded by Blender"):
            import_mesh(tmp_path / "box.glb")
    else:
        assert import_mesh(tmp_path / "box.glb") is not None
