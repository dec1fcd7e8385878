"""Whole commands of simgen on input that is valid, nearly valid or damaged: `assets pack` on meshes, `edit` on photos,
`verify` on damaged data sets, and the command line itself with any arguments.

Each command is a process of its own, see `commands.py`, and must end in time and memory: with success, or with one
sentence. In the suite each gets a few dozen inputs that are always the same; `make fuzz` gives each FUZZ_MINUTES (10)
of new ones and counts how many were accepted.
"""

import contextlib
import functools
import gzip
import io
import json
import os
import struct
import subprocess
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
import trimesh
import yaml
from hypothesis import strategies as st
from PIL import Image

from simgen.cli.app import cli

sys.path.insert(0, str(Path(__file__).parent))
from commands import Ended, Server
from test_readers import (
    DATA,
    FILES,
    MANIFEST,
    OUTCOMES,
    OVERRIDES,
    TEXTS,
    VALID_OVERRIDES,
    Reader,
    as_json,
    changed,
    check_fixed_inputs,
    damaged,
    fuzz,
    packed,
    valid_recipes,
)


@functools.cache
def server(*, torch: bool = False) -> Server:
    return Server(torch=torch)


def judged(stage: str, ended: Ended) -> Ended:
    """Count how a command ended; a fault fails."""
    OUTCOMES[stage, ended.code == 0] += 1
    if ended.seconds > 5:
        print(f"{ended.seconds:.1f} s: {ended.arguments}", flush=True)
    assert not ended.fault, ended.fault
    return ended


def write(folder: Path, files: dict[str, bytes]) -> None:
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


# `assets pack`: meshes.


def _picture(kind: str = "PNG", mode: str = "RGB", size: tuple[int, int] = (9, 7), **options: Any) -> bytes:
    rng = np.random.default_rng(len(mode) + size[0])
    image = Image.fromarray(rng.integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)).convert(mode)
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def _textured() -> Any:
    box = trimesh.creation.box(extents=(0.1, 0.08, 0.06))
    image = Image.open(io.BytesIO(_picture()))
    material = trimesh.visual.material.PBRMaterial(
        name="skin", baseColorTexture=image, metallicFactor=0.1, roughnessFactor=0.6
    )
    uv = box.vertices[:, :2] * 5 + 0.5
    return trimesh.Trimesh(box.vertices, box.faces, visual=trimesh.visual.TextureVisuals(uv=uv, material=material))


def _exported(mesh: Any, **options: Any) -> bytes:
    found = mesh.export(**options)
    return found if isinstance(found, bytes) else found.encode()


@functools.cache
def mesh_files() -> dict[str, dict[str, bytes]]:
    """Valid meshes of every format, each with the files beside it."""
    ball, box = trimesh.creation.icosphere(subdivisions=1, radius=0.06), _textured()
    # One solid of two materials: what is not convex takes the search for convex parts seconds.
    half, other = (trimesh.Trimesh(box.vertices, faces) for faces in (box.faces[:6], box.faces[6:]))
    lines = _exported(trimesh.creation.box(extents=(0.1, 0.08, 0.06)), file_type="obj").decode()
    head = "mtllib a_cup.mtl\nvt 0 0\nvt 1 0\nvt 1 1\nusemtl skin\n"
    faces = [line for line in lines.splitlines() if line.startswith("f ")]
    points = [line for line in lines.splitlines() if line.startswith("v ")]
    cornered = "\n".join(
        "f " + " ".join(f"{word.split('/')[0]}/{k + 1}" for k, word in enumerate(face.split()[1:])) for face in faces
    )
    mtl = b"newmtl skin\nKd 0.5 0.4 0.3\nNs 20\nPr 0.5\nPm 0.1\nd 1.0\nmap_Kd skin.png\n"
    colored = ball.copy()
    colored.visual.vertex_colors = np.full((len(ball.vertices), 4), (200, 100, 50, 255), np.uint8)
    gltf = trimesh.exchange.gltf.export_gltf(trimesh.Scene(box))
    return {
        "plain.obj": {"a_cup.obj": lines.encode()},
        "skin.obj": {
            "a_cup.obj": (head + "\n".join(points) + "\n" + cornered + "\n").encode(),
            "a_cup.mtl": mtl,
            "skin.png": _picture(),
        },
        "ascii.ply": {"a_cup.ply": _exported(ball, file_type="ply", encoding="ascii")},
        "binary.ply": {"a_cup.ply": _exported(colored, file_type="ply")},
        "skin.glb": {"a_cup.glb": _exported(box, file_type="glb")},
        "two.glb": {"a_cup.glb": _exported(trimesh.Scene([half, other]), file_type="glb")},
        "skin.gltf": {("a_cup.gltf" if name.endswith(".gltf") else name): data for name, data in gltf.items()},
    }


WORDS = (
    "0",
    "-1",
    "9",
    "99999999999999999999",
    "-99",
    "nan",
    "inf",
    "1e400",
    "1e-30",
    "1e30",
    "a",
    "",
    "1/2/3",
    "1//3",
)
LINES = (
    "v 1 2",
    "f 1 2",
    "f 1 2 3 4 5",
    "f 0 1 2",
    "usemtl x",
    "mtllib ../x.mtl",
    "mtllib",
    "o b",
    "vn 0 0 1",
    "l 1 2",
)
PLY_LINES = (
    "element face 99999999",
    "element vertex 0",
    "property float64 q",
    "property list uchar int x",
    "format x 1",
)
LABELS = {"a_cup": {"label": "red cup", "substance": "ceramic", "mass_kg": 0.2, "kind": "cup"}}


def _glb_of(whole: bytes, data: bytes) -> bytes:
    """A GLB with other JSON in it and the lengths made to fit."""
    length = struct.unpack("<I", whole[12:16])[0]
    rest = whole[20 + length :]
    data += b" " * (-len(data) % 4)
    return (
        struct.pack("<4sII", b"glTF", 2, 20 + len(data) + len(rest))
        + struct.pack("<I4s", len(data), b"JSON")
        + data
        + rest
    )


@st.composite
def _changed_mesh(draw: st.DrawFn, name: str, data: bytes) -> bytes:
    suffix = name.rpartition(".")[2]
    how = draw(st.sampled_from(("inside", "inside", "bytes")))
    if how == "bytes":
        return draw(damaged(data))
    if suffix == "glb":
        length = struct.unpack("<I", data[12:16])[0]
        return _glb_of(data, as_json(draw(changed(json.loads(data[20 : 20 + length])))))
    if suffix == "gltf":
        return as_json(draw(changed(json.loads(data))))
    if suffix in ("obj", "mtl") or b"format ascii" in data:
        lines = data.decode().splitlines()
        for _ in range(draw(st.integers(1, 3))):
            place = draw(st.integers(0, len(lines) - 1))
            if draw(st.integers(0, 2)):
                words = lines[place].split(" ")
                words[draw(st.integers(0, len(words) - 1))] = draw(st.sampled_from(WORDS))
                lines[place] = " ".join(words)
            else:
                lines.insert(place, draw(st.sampled_from(PLY_LINES if suffix == "ply" else LINES)))
        return "\n".join([*lines, ""]).encode()
    if suffix == "ply":
        head, end, rest = data.partition(b"end_header\n")
        lines = head.decode().splitlines()
        lines.insert(draw(st.integers(1, len(lines))), draw(st.sampled_from(PLY_LINES)))
        return "\n".join([*lines, ""]).encode() + end + rest
    return draw(photos_from(data))


@st.composite
def mesh_folders(draw: st.DrawFn) -> tuple[dict[str, bytes], list[str], bool]:
    """The files of a folder of meshes, options, and whether all is valid."""
    files = dict(mesh_files()[draw(st.sampled_from(sorted(mesh_files())))])
    valid = draw(st.integers(0, 3)) == 0
    if not valid:
        name = draw(st.sampled_from(sorted(files)))
        if draw(st.integers(0, 9)) == 0 and len(files) > 1:
            del files[name]
        else:
            files[name] = draw(_changed_mesh(name, files[name]))
    if draw(st.integers(0, 3)) == 0:
        labels = LABELS if valid else draw(changed(LABELS))
        with contextlib.suppress(yaml.YAMLError):
            files["labels.yaml"] = yaml.safe_dump(labels).encode(errors="replace")
    options = draw(st.sampled_from(([], [], ["--substance", "wood"], ["--author", "A. Maker", "--license", "CC0"])))
    return files, list(options), valid


def pack_meshes(given_input: tuple[dict[str, bytes], list[str], bool], place: Path) -> None:
    files, options, valid = given_input
    write(place / "meshes", files)
    ended = judged("meshes packed", server().run(["assets", "pack", "meshes", "out", *options], place, place / "said"))
    assert not valid or ended.code == 0, f"refuses a valid mesh: {ended.err}"
    assert contents(place / "meshes") == files
    assert {path.name for path in place.iterdir()} <= {"meshes", "out"}
    if ended.code == 0:
        # What has been packed can be used.
        judged("packed assets verified", server().run(["assets", "verify", "out/out.json"], place, place / "said"))


# `edit`: photos.


@functools.cache
def photos() -> dict[str, bytes]:
    turned = Image.Exif()
    turned[0x0112] = 6
    animated = [Image.new("RGB", (40, 30), color) for color in ("red", "blue")]
    stream = io.BytesIO()
    animated[0].save(stream, "PNG", save_all=True, append_images=animated[1:])
    return {
        "rgb.png": _picture(size=(48, 32)),
        "grey.png": _picture(mode="L", size=(33, 47)),
        "palette.png": _picture(mode="P", size=(64, 64)),
        "alpha.png": _picture(mode="RGBA", size=(40, 40)),
        "bits.png": _picture(mode="1", size=(50, 20)),
        "moving.png": stream.getvalue(),
        "rgb.jpg": _picture("JPEG", size=(60, 40)),
        "progressive.jpeg": _picture("JPEG", size=(60, 40), progressive=True),
        "cmyk.jpg": _picture("JPEG", mode="CMYK", size=(33, 33)),
        "turned.jpg": _picture("JPEG", size=(60, 40), exif=turned),
        "lossless.webp": _picture("WEBP", size=(40, 30), lossless=True),
    }


def _chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    place = 8
    while place + 8 <= len(png):
        length, kind = struct.unpack(">I4s", png[place : place + 8])
        yield kind, png[place + 8 : place + 8 + length]
        place += 12 + length


def _png(chunks: list[tuple[bytes, bytes]]) -> bytes:
    whole = (struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in chunks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(whole)


@st.composite
def photos_from(draw: st.DrawFn, data: bytes) -> bytes:
    """The picture with its bytes damaged, or as a PNG or JPEG that is well formed and lies about itself."""
    how = draw(st.sampled_from(("bytes", "bytes", "chunk", "chunk", "size")))
    if data.startswith(b"\x89PNG") and how != "bytes":
        chunks = list(_chunks(data))
        if how == "size":
            sizes = (0, 1, 2, 47, 4096, 30_000, 65_536, 1 << 31)
            size = struct.pack(">II", draw(st.sampled_from(sizes)), draw(st.sampled_from(sizes)))
            return _png([(k, size + d[8:] if k == b"IHDR" else d) for k, d in chunks])
        place = draw(st.integers(0, len(chunks) - 1))
        kind, inside = chunks[place]
        what = draw(st.sampled_from(("gone", "twice", "moved", "damaged", "bomb", "odd")))
        if what == "gone":
            del chunks[place]
        elif what == "twice":
            chunks.insert(place, chunks[place])
        elif what == "moved":
            chunks.insert(draw(st.integers(0, len(chunks) - 1)), chunks.pop(place))
        elif what == "damaged":
            chunks[place] = kind, draw(damaged(inside))
        elif what == "bomb":
            chunks.insert(1, (b"zTXt", b"Comment\0\0" + zlib.compress(bytes(50 << 20), 1)))
        else:
            odd = draw(st.sampled_from((b"tRNS", b"PLTE", b"iCCP", b"eXIf", b"gAMA", b"acTL", b"fcTL", b"sBIT")))
            chunks.insert(draw(st.integers(1, len(chunks) - 1)), (odd, draw(st.binary(max_size=40))))
        return _png(chunks)
    if data.startswith(b"\xff\xd8") and how == "size":
        place = max(data.find(b"\xff\xc0"), data.find(b"\xff\xc2"))
        size = struct.pack(">HH", draw(st.integers(0, 65_535)), draw(st.integers(0, 65_535)))
        return data[: place + 5] + size + data[place + 9 :]
    if data.startswith(b"\xff\xd8") and how == "chunk":
        marker = draw(st.sampled_from((b"\xff\xe0", b"\xff\xe1", b"\xff\xe2", b"\xff\xdb", b"\xff\xc4", b"\xff\xda")))
        body = draw(st.sampled_from((b"", b"Exif\0\0", b"ICC_PROFILE\0\1\1"))) + draw(st.binary(max_size=40))
        return data[:2] + marker + struct.pack(">H", len(body) + 2) + body + data[2:]
    return draw(damaged(data))


@st.composite
def edits(draw: st.DrawFn) -> tuple[str, bytes, list[str], bool]:
    """A photo, its name, the other arguments, and whether all is valid."""
    name = draw(st.sampled_from(sorted(photos())))
    data, valid = photos()[name], draw(st.integers(0, 3)) == 0
    arguments = ["knock over the mug", "--steps", "2"]
    if not valid:
        data = draw(photos_from(data))
        if draw(st.integers(0, 5)) == 0:
            name = draw(st.sampled_from(("a.png", "a.jpg", "a.txt", "a", "ä b.PNG", "-.png")))
        if draw(st.integers(0, 5)) == 0:
            arguments[0] = draw(st.sampled_from([text for text in TEXTS if "\0" not in text and "\ud800" not in text]))
        if draw(st.integers(0, 5)) == 0:
            more = (("--seed", "-1"), ("--seed", str(1 << 70)), ("--guidance", "nan"), ("--steps", "1"), ("--out", "."))
            arguments += draw(st.sampled_from((*more, ("--device", "x"), ("--lora", "."), ("--out", "a.gif"))))
    return name, data, arguments, valid


def edit_photos(given_input: tuple[str, bytes, list[str], bool], place: Path) -> None:
    name, data, arguments, valid = given_input
    (place / name).write_bytes(data)
    words = ["edit", "--base", "tiny:qwen", *arguments[1:], "--", name, arguments[0]]
    ended = judged("photos edited", server(torch=True).run(words, place, place / "said"))
    assert not valid or ended.code == 0, f"refuses a valid photo: {ended.err}"
    assert (place / name).read_bytes() == data
    if ended.code == 0:
        with Image.open(place / ended.out.splitlines()[-1]) as made:
            made.load()
    else:
        assert [path.name for path in place.iterdir()] == [name]


# `verify`: damaged data sets.


@st.composite
def damages(draw: st.DrawFn) -> list[tuple[Any, ...]]:
    """One to three things that are done to a data set."""
    names = st.sampled_from(sorted(DATA))
    kinds = ("bytes", "bytes", "json", "gone", "empty", "folder", "link", "pipe", "swapped", "stray", "long")
    found: list[tuple[Any, ...]] = []
    for _ in range(draw(st.integers(1, 3))):
        kind, name = draw(st.sampled_from(kinds)), draw(names)
        if kind == "bytes":
            found.append((kind, name, draw(damaged(DATA[name]))))
        elif kind == "json":
            name = draw(st.sampled_from([n for n in sorted(DATA) if n.endswith(".json")]))
            found.append(("bytes", name, as_json(draw(changed(json.loads(DATA[name]))))))
        elif kind == "link":
            found.append((kind, name, draw(st.sampled_from(("/etc/passwd", "nothing", Path(name).name, ".")))))
        elif kind == "swapped":
            found.append((kind, name, draw(names)))
        elif kind == "stray":
            strays = (
                "train/00099.tar",
                "train/x\ny",
                "a/b/c",
                "test/.hidden",
                "quarantine/x.txt",
                "train/00000_stats.json~",
            )
            found.append((kind, draw(st.sampled_from(strays)), draw(st.binary(max_size=20))))
        else:
            found.append((kind, name))
    return found


def _damage(folder: Path, kind: str, name: str, *more: Any) -> None:
    path = folder / name
    if path.is_dir() and not path.is_symlink():
        return
    if kind in ("folder", "link", "pipe", "gone"):
        path.unlink(missing_ok=True)
    if kind == "bytes" and not path.is_fifo() and not path.is_symlink():
        path.write_bytes(more[0])
    elif kind == "stray":
        write(folder, {name: more[0]})
    elif kind == "empty" and path.is_file():
        path.write_bytes(b"")
    elif kind == "folder":
        path.mkdir()
    elif kind == "link":
        path.symlink_to(more[0])
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "swapped" and path.is_file() and (folder / more[0]).is_file():
        one, other = path.read_bytes(), (folder / more[0]).read_bytes()
        path.write_bytes(other)
        (folder / more[0]).write_bytes(one)
    elif kind == "long" and path.is_file():
        # Sparse: takes no room, but the time to read it.
        os.truncate(path, 64 << 20)


def verify_damaged(given_input: list[tuple[Any, ...]], place: Path) -> None:
    folder = place / "data"
    write(folder, DATA)
    for damage in given_input:
        _damage(folder, *damage)
    before = sorted((str(p.relative_to(folder)), p.lstat().st_mode, p.lstat().st_size) for p in folder.rglob("*"))
    kinds = [p for p in folder.rglob("*") if p.is_symlink() or not (p.is_file() or p.is_dir())]
    same = not kinds and contents(folder) == DATA and {p for p in folder.rglob("*") if p.is_dir()} == {folder / "train"}
    ended = judged("damaged sets verified", server().run(["verify", "data"], place, place / "said"))
    assert ended.code in ((0, 1) if same else (1, 2)), f"finds nothing: {ended.out}"
    ended = judged("the same as JSON", server().run(["verify", "data", "--json"], place, place / "said"))
    if ended.out:
        assert json.loads(ended.out)["sound"] is (ended.code == 0)
    judged("their status", server().run(["status", "data", "--json"], place, place / "said"))
    after = sorted((str(p.relative_to(folder)), p.lstat().st_mode, p.lstat().st_size) for p in folder.rglob("*"))
    assert after == before, "changes what it looks at"


# The command line.

INTEGERS = ("1", "2", "3", "0", "-1", "+2", " 3", "1_0", "1.5", "1e3", "0x10", "abc", "", "٣", "9" * 30, "--", "None")
PLACES = (
    "data",
    "missing",
    "file.txt",
    "meshes",
    ".",
    "",
    "~no-such-user/x",
    "x" * 300,
    "a\nb",
    "é",
    "data/train",
    "-",
)
PLACES += (
    "s3://",
    "ftp://x/y",
    "file:///etc/passwd",
    "/dev/null",
    "data/../data",
    "data/config.resolved.yaml",
    "mine.yaml",
)
NAMES = (
    "drop",
    "topple",
    "rigid",
    "smoke",
    "train_smoke",
    "Drop",
    "dorp",
    "",
    "mine.yaml",
    "nothing.yaml",
    "a:b",
    "..",
    "*",
)
FREE = ("a", "", " ", "\n", "\x1b[2J", "é" * 200, "x" * 5000, "%s", "{}", "--help", "-h", "-", "--", "=", "\udcff")
# What would take minutes or never end, whatever else stands there.
HARMLESS = {"generate": ["--print-config"], "preview": ["--n", "0"], "train": ["--settings"]}
HOPELESS = {"preview", "reproduce"}
"""What only refuses here: there is no picture of no samples, and no scene by the name in the hand-made data set."""
NEVER = {"--watch", "--address", "--n"}
LEFT_OUT = {"doctor", "edit", "retry"}
"""`doctor` tries out the machine, and `retry` makes all built-in assets; `edit` has its own inputs above."""
GOOD = {
    "folder": ("data",),
    "out": ("out/new",),
    "data": ("data",),
    "sources": ("things.json",),
    "source": ("things.json",),
    "assets": ("things.json",),
    "hdri": ("sky.json",),
    "scene_folders": ("scenes",),
    "labels": ("labels.yaml",),
    "recipe": ("drop", "mine.yaml", "smoke", "all"),
    "train recipe": ("train_smoke", "train_qwen"),
    "train base": ("tiny:qwen",),
    "train overrides": ("rank=4", "batch=2"),
    "scene": ("drop",),
    "name": ("drop", "topple"),
    "domain": ("optical", "mechanical"),
    "pack folder": ("meshes",),
    "substance": ("wood", "ceramic"),
    "only": ("red_box",),
    "device": ("cpu",),
    "key": ("nudge-000000", "nudge-000001"),
}
THINGS = {**MANIFEST, "assets": {"red_box": MANIFEST["assets"]["red_box"]}}  # type: ignore[index]
SKIES = {**MANIFEST, "assets": {"sunny_sky": MANIFEST["assets"]["sunny_sky"]}}  # type: ignore[index]
BESIDE = {
    "things.json": as_json(THINGS),
    "sky.json": as_json(SKIES),
    "sky.hdr": FILES["sky.hdr"],
    "red_box.tar.gz": gzip.compress(packed(FILES), mtime=0),
    "labels.yaml": yaml.safe_dump(LABELS).encode(),
    "scenes/readme.txt": b"none\n",
    "file.txt": b"text\n",
}


@functools.cache
def _commands() -> dict[tuple[str, ...], click.Command]:
    found: dict[tuple[str, ...], click.Command] = {}

    def walk(path: tuple[str, ...], command: click.Command) -> None:
        if isinstance(command, click.Group):
            context = click.Context(command)
            for name in command.list_commands(context):
                inner = command.get_command(context, name)
                assert inner is not None
                walk((*path, name), inner)
        elif path[0] not in LEFT_OUT:
            found[path] = command

    walk((), cli)
    return found


@st.composite
def _value_of(draw: st.DrawFn, parameter: click.Parameter, command: str) -> str:
    """A value for a parameter: three times in four one that it may have."""
    kind, name = parameter.type, parameter.name or ""
    if isinstance(kind, click.Choice):
        good, any_ = tuple(map(str, kind.choices)), ("x", "")
    elif isinstance(kind, (click.types.IntParamType, click.types.FloatParamType)):
        good, any_ = INTEGERS[:3], INTEGERS
    elif name in GOOD:
        good, any_ = GOOD[name], NAMES if name in ("recipe", "scene", "domain") else PLACES
    elif name == "overrides":
        good, any_ = VALID_OVERRIDES, OVERRIDES
    else:
        good, any_ = ("A. Maker",), FREE
    good = GOOD.get(f"{command} {name}", good)
    return draw(st.sampled_from(good if draw(st.integers(0, 3)) else any_))


@st.composite
def command_lines(draw: st.DrawFn, *, torch: bool) -> tuple[list[str], dict[str, Any]]:
    """A command with arguments most of which are right, and the recipe that it may name; of the commands that load
    torch, or of the others."""
    known = {path: command for path, command in _commands().items() if (path[0] == "train") == torch}
    able = sorted(path for path in known if path[0] not in HOPELESS)
    path = draw(st.sampled_from([*sorted(known), *able, *able]))
    words: list[list[str]] = []
    for parameter in known[path].params:
        if isinstance(parameter, click.Argument):
            if parameter.required or draw(st.booleans()):
                words.append([draw(_value_of(parameter, path[-1]))])
        elif draw(st.integers(0, 3)) == 0 and not NEVER & set(parameter.opts):
            option = parameter.opts[0]
            flag = isinstance(parameter, click.Option) and parameter.is_flag
            words.append([option] if flag else [option, draw(_value_of(parameter, path[-1]))])
    named = list(path)
    mischief = draw(st.sampled_from(("none",) * 12 + ("unknown", "twice", "gone", "extra", "name", "order")))
    if mischief == "unknown":
        words.append([draw(st.sampled_from(("--nothing", "--sed", "-x", "--n=", "--=1", "---", "--help=1")))])
    elif mischief == "twice" and words:
        words.append(draw(st.sampled_from(words)))
    elif mischief == "gone" and words:
        words.remove(draw(st.sampled_from(words)))
    elif mischief == "extra":
        words.append([draw(st.sampled_from((*FREE, *PLACES)))])
    elif mischief == "order":
        words = draw(st.permutations(words))
    elif mischief == "name":
        named[0] = draw(st.sampled_from(("generat", "Verify", "", "scenes ", "-", "__init__", "..", "é")))
    safe = HARMLESS.get(path[0], [])
    if path[1:] in (("list",), ("verify",)) and not any("." in group[0] for group in words):
        # All built-in assets would be made and read, which takes a minute.
        safe = ["things.json"]
    return [*named, *safe, *(word for group in words for word in group)], draw(valid_recipes())


def run_command_lines(given_input: tuple[list[str], dict[str, Any]], place: Path) -> None:
    arguments, recipe = given_input
    write(place, {f"data/{name}": data for name, data in DATA.items()})
    write(place, {f"meshes/{name}": data for name, data in mesh_files()["plain.obj"].items()})
    write(place, {**BESIDE, "mine.yaml": yaml.safe_dump(recipe).encode()})
    runner = server(torch=arguments[0] == "train")
    ended = judged("command lines", runner.run(arguments, place, place / "said"))
    name = arguments[0] if arguments[0] in cli.list_commands(click.Context(cli)) else "no command"
    OUTCOMES[f"of them {name}", ended.code == 0] += 1
    kept = {name: data for name, data in contents(place / "data").items() if name.startswith(("train/", "test/"))}
    assert kept == {name: data for name, data in DATA.items() if name.startswith(("train/", "test/"))}


COMMANDS: dict[str, Reader] = {
    "pack": (mesh_folders(), pack_meshes, 24, {"meshes packed": 0.25}),
    "edit": (edits(), edit_photos, 45, {"photos edited": 0.25}),
    "verify": (damages(), verify_damaged, 60, {"their status": 0.4}),
    "command line": (command_lines(torch=False), run_command_lines, 150, {"command lines": 0.35}),
    "train": (command_lines(torch=True), run_command_lines, 30, {"command lines": 0.25}),
}


FEW = [pytest.param(name, marks=pytest.mark.slow) if name in ("pack", "edit", "train") else name for name in COMMANDS]
"""Torch and a base take ten seconds before the first photo is edited, and the search for convex parts up to a minute
where a triangle is missing. The other two take about ten seconds together."""


@pytest.mark.parametrize("share", [1 / 3, pytest.param(1.0, marks=pytest.mark.slow)], ids=["third", "all"])
@pytest.mark.parametrize("name", FEW)
def test_whatever_comes_in_a_command_succeeds_or_says_one_sentence(name: str, share: float, tmp_path: Path) -> None:
    check_fixed_inputs(COMMANDS[name], share, tmp_path)


@pytest.mark.parametrize(
    "words",
    [["verify", "missing"], ["generate", "dorp"], ["scenes", "--json"]],
    ids=["missing", "misspelt", "right"],
)
def test_a_forked_command_ends_as_the_program_does(words: list[str], tmp_path: Path) -> None:
    program = [sys.executable, "-m", "simgen.cli", *words]
    done = subprocess.run(program, cwd=tmp_path, capture_output=True, text=True, env={**os.environ, "COLUMNS": "200"})
    ended = server().run(words, tmp_path, tmp_path / "said")
    assert (ended.code, ended.out, ended.err) == (done.returncode, done.stdout, done.stderr)


if __name__ == "__main__":
    sys.exit(fuzz(COMMANDS, sys.argv[1:], size=50))
