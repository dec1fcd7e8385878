"""Assets that are the ruin of whoever uses them, made by code as a manifest with archives beside it."""

import gzip
import io
import json
import os
import tarfile
from pathlib import Path

CORNERS = [(x, y, z) for x in (-0.05, 0.05) for y in (-0.04, 0.04) for z in (-0.06, 0.06)]
SIDES = ("1 2 4 3", "5 7 8 6", "1 5 6 2", "3 4 8 7", "1 3 7 5", "2 6 8 4")
POINTS = "".join("v {} {} {}\n".format(*corner) for corner in CORNERS)
BOX = POINTS + "".join(f"f {side}\n" for side in SIDES)
UNWRAPPED = (
    POINTS
    + "vt 0 0\nvt 1 0\nvt 1 1\nvt 0 1\nusemtl skin\n"
    + "".join("f " + " ".join(f"{c}/{k + 1}" for k, c in enumerate(side.split())) + "\n" for side in SIDES)
)
URDF = """<robot name="x"><link name="base"><inertial><mass value="0.3"/>
<inertia ixx="0.001" ixy="0" ixz="0" iyy="0.001" iyz="0" izz="0.001"/></inertial>
<collision><geometry><mesh filename="{collision}"/></geometry></collision></link></robot>"""

# To simgen, which reads its lines, an OBJ file; to Bullet, which goes by the name, a COLLADA file without what Bullet
# looks for in it and dies for the lack of.
TWO_FACED = f"""<?xml version="1.0"?>
<!--
{BOX}-->
<COLLADA xmlns="http://www.collada.org/2005/11/COLLADASchema" version="1.4.1">
<library_geometries><geometry id="g" name="g"><mesh>
<source id="p"><float_array id="a" count="9">0 0 0 1 0 0 0 1 0</float_array>
<technique_common><accessor source="#a" count="3" stride="3"/></technique_common></source>
<vertices id="v"><input semantic="POSITION" source="#p"/></vertices>
<triangles count="1"><input semantic="VERTEX" source="#v" offset="0"/><p>0 1 400000000</p></triangles>
</mesh></geometry></library_geometries>
<library_visual_scenes><visual_scene id="s"><node id="n"><instance_geometry url="#g"/></node></visual_scene>
</library_visual_scenes><scene><instance_visual_scene url="#s"/></scene></COLLADA>
"""

CRASHES, HANGS, BARE, GOOD = "crate_that_crashes", "box_that_hangs", "carton_without_skin", "plain_box"


def write_poison(folder: Path) -> tuple[Path, Path]:
    """The manifest of four boxes, three of them poison, and the pipe on which Blender waits for ever."""
    folder.mkdir(parents=True)
    pipe = folder / "skin.png"
    os.mkfifo(pipe)
    skinned = {"visual_geometry.obj": f"mtllib skin.mtl\n{UNWRAPPED}"}
    _write(folder, CRASHES, {"collision.dae": TWO_FACED, "object.urdf": URDF.format(collision="collision.dae")})
    # The material names a picture by its place on this machine, where a pipe lies that nobody writes into.
    _write(folder, HANGS, {**skinned, "skin.mtl": f"newmtl skin\nmap_Kd {pipe}\n"})
    _write(folder, BARE, {**skinned, "skin.mtl": "newmtl skin\nmap_Kd empty.png\n", "empty.png": ""})
    _write(folder, GOOD, {})
    entry = {
        "asset_type": "FileBasedObject",
        "kwargs": {
            "bounds": [[-0.05, -0.04, -0.06], [0.05, 0.04, 0.06]],
            "mass": 0.3,
            "render_filename": "{asset_dir}/visual_geometry.obj",
            "simulation_filename": "{asset_dir}/object.urdf",
        },
        "license": "CC0 1.0",
        "metadata": {"volume": 0.00048, "category": "None"},
    }
    manifest = folder / "Poison.json"
    manifest.write_text(json.dumps({"name": "Poison", "assets": dict.fromkeys((CRASHES, HANGS, BARE, GOOD), entry)}))
    return manifest, pipe


def _write(folder: Path, name: str, changed: dict[str, str]) -> None:
    files = {"visual_geometry.obj": BOX, "collision.obj": BOX, "object.urdf": URDF.format(collision="collision.obj")}
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for member, content in {**files, **changed}.items():
            info = tarfile.TarInfo(member)
            info.size = len(content.encode())
            archive.addfile(info, io.BytesIO(content.encode()))
    (folder / f"{name}.tar.gz").write_bytes(gzip.compress(stream.getvalue(), mtime=0))
