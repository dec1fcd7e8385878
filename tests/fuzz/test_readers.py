"""Every reader of files that strangers may have written, on valid input with a few things put wrong.

Whatever comes in, a reader answers with what it read or with one clear sentence: no other exception, no hang, no file
outside its folder, no gigabytes. In the suite each reader gets the same few hundred inputs every time; `make fuzz`
gives each of them FUZZ_MINUTES (10) of new ones and counts them.

How far the inputs got is counted too, stage by stage: an input that is refused at the door tries nothing behind it.
"""

import contextlib
import csv
import dataclasses
import faulthandler
import functools
import gzip
import hashlib
import importlib.util
import io
import json
import os
import resource
import sys
import tarfile
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import cv2
import numpy as np
import pytest
import yaml
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from simgen.catalog.catalog import open_catalog, ref
from simgen.catalog.mesh_files import check_environment, read_obj, read_parts, read_urdf
from simgen.core.errors import SimgenError
from simgen.dataset.card import write_card
from simgen.dataset.layout import content_sha256
from simgen.dataset.reader import open_dataset
from simgen.dataset.report.write import write_report
from simgen.dataset.status import read_status
from simgen.dataset.verify import verify
from simgen.plan.plan import RESOLVED, SampleId, make_plan, read_plan
from simgen.plan.recipe import load_recipe, load_scenes, parse_recipe
from simgen.record.check import check_record
from simgen.record.codec import decode, encode
from simgen.record.spec_json import spec_from_json
from simgen.scene import registry
from simgen.storage import archives
from simgen.storage.archives import extract

TESTS = Path(__file__).parents[1]
LONGEST_S = 5.0
"""Of a processor's time for one input."""
MEMORY_BYTES = 3 << 30
"""On top of what the process has."""


def _hand_made() -> Any:
    """The samples of tests/conftest.py, which pytest does not let one import by name."""
    found = importlib.util.spec_from_file_location("hand_made", TESTS / "conftest.py")
    assert found is not None and found.loader is not None
    module = importlib.util.module_from_spec(found)
    sys.modules["hand_made"] = module
    found.loader.exec_module(module)
    return module


hand_made = _hand_made()

# What is put in place of a value.

DEEP, HUGE = "@deep@", "@huge@"
"""Stand for what json.dumps cannot write: a list in a list ten thousand times, an integer of five thousand digits."""
TEXTS = (
    *("", " ", "a", "A" * 3000, "\0", "\n", "\u202eabc", "\ud800", "\U0001f600", "é" * 300, "\x1b[2J", "﻿"),
    *(
        "../../escape",
        "/etc/passwd",
        "~/escape",
        "~no-such-user/x",
        "{asset_dir}/../escape",
        ".{asset_dir}/./escape",
        "a/../../escape",
    ),
    *("{asset_dir}", "{}", "{0.__class__}", "%s%n", "C:\\escape", "file:///etc/passwd", "gs://x/y", "ftpx://x/y"),
    *("<script>alert(1)</script>", "=1+cmd()", "|", "nan", "null", "1e999", "0x10", "2024-13-45", "!!python/object"),
    *("train", "test", "0" * 64, "../" * 21 + "x"),
)
NUMBERS = (0, -1, 1, 255, 256, 2**31, 2**63, -(2**63) - 1, 10**400, 0.5, -0.0, 1e-320, 1e308, -1e308)
ODD = st.one_of(
    st.sampled_from((None, True, False, [], {}, [[]], [None] * 5, {"a": 1}, {"": {}}, [0.0] * 4, DEEP, HUGE)),
    st.sampled_from(TEXTS),
    st.sampled_from(NUMBERS),
    st.sampled_from((float("nan"), float("inf"), float("-inf"))),
    st.text(max_size=12),
    st.integers(),
    st.floats(),
)


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    if isinstance(value, dict):
        for key in value:
            yield from _places(value[key], (*path, key))
    elif isinstance(value, list):
        for i in range(len(value)):
            yield from _places(value[i], (*path, i))


def _apart(value: Any) -> Any:
    """A copy in which no part stands in two places, so that a change changes one of them."""
    if isinstance(value, dict):
        return {key: _apart(item) for key, item in value.items()}
    return [_apart(item) for item in value] if isinstance(value, list) else value


@st.composite
def changed(draw: st.DrawFn, valid: Any) -> Any:
    """Plain data with one to three values replaced, taken out, doubled, moved or wrapped."""
    data = _apart(valid)
    for _ in range(draw(st.integers(1, 3))):
        places = list(_places(data))
        path = places[draw(st.integers(0, len(places) - 1))]
        if not path:
            # The whole of it, seldom: there is not much to find.
            if draw(st.integers(0, 9)) == 0:
                data = _apart(draw(ODD))
            continue
        parent = data
        for step in path[:-1]:
            parent = parent[step]
        at = path[-1]
        how = draw(st.sampled_from(("odd", "odd", "odd", "gone", "twice", "moved", "wrapped", "named")))
        if how == "odd":
            parent[at] = _apart(draw(ODD))
        elif how == "gone":
            del parent[at]
        elif how == "wrapped":
            parent[at] = [parent[at]]
        elif how == "moved":
            other = data
            for step in places[draw(st.integers(0, len(places) - 1))]:
                other = other[step]
            parent[at] = _apart(other)
        elif isinstance(parent, list):
            parent.insert(at, _apart(parent[at]))
        else:
            parent[draw(st.sampled_from(TEXTS) | st.text(max_size=5))] = _apart(parent[at])
    return data


def as_json(data: Any) -> bytes:
    text = json.dumps(data)
    return text.replace(f'"{DEEP}"', "[" * 10_000 + "]" * 10_000).replace(f'"{HUGE}"', "9" * 5000).encode()


@st.composite
def damaged(draw: st.DrawFn, data: bytes) -> bytes:
    """Bytes as they are, or with a few of them turned, cut out, doubled or cut off."""
    how = draw(st.sampled_from(("whole", "whole", "whole", "bits", "cut", "hole", "twice", "junk")))
    if how == "whole" or not data:
        return data
    place = draw(st.integers(0, len(data) - 1))
    length = draw(st.integers(1, 64))
    if how == "bits":
        turned = bytearray(data)
        for _ in range(draw(st.integers(1, 4))):
            turned[draw(st.integers(0, len(data) - 1))] ^= 1 << draw(st.integers(0, 7))
        return bytes(turned)
    if how == "cut":
        return data[:place]
    if how == "hole":
        return data[:place] + data[place + length :]
    if how == "twice":
        return data[:place] + data[place : place + length] * 2 + data[place + length :]
    return data[:place] + draw(st.binary(max_size=64)) + data[place + length :]


def seldom_damaged(data: bytes) -> st.SearchStrategy[bytes]:
    return st.one_of(st.just(data), st.just(data), damaged(data))


# How a reader may answer.


OUTCOMES: Counter[tuple[str, bool]] = Counter()
"""Stage and whether it accepted the input → how often."""


@contextlib.contextmanager
def guarded(stage: str) -> Iterator[None]:
    """One input at one stage: an error must be a sentence; time and memory are bounded."""
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + MEMORY_BYTES, hard))
    began = time.process_time()
    try:
        yield
        OUTCOMES[stage, True] += 1
    except SimgenError as error:
        OUTCOMES[stage, False] += 1
        said = str(error)
        assert said and "\n" not in said and len(said) < 4000, f"not one sentence: {said[:500]!r}"
        said.encode()
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
    spent_s = time.process_time() - began
    assert spent_s < LONGEST_S, f"took {spent_s:.1f} s"


def accepted(stage: str) -> float:
    """The share of the inputs of a stage that it accepted."""
    return OUTCOMES[stage, True] / max(1, OUTCOMES[stage, True] + OUTCOMES[stage, False])


def tree(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


# The manifest and the labels beside it.

CORNERS = [(x, y, z) for x in (-0.05, 0.05) for y in (-0.04, 0.04) for z in (-0.03, 0.03)]
SIDES = ["1 2 4 3", "5 7 8 6", "1 5 6 2", "3 4 8 7", "1 3 7 5", "2 6 8 4"]
BOX = "\n".join([*("v {} {} {}".format(*c) for c in CORNERS), *(f"f {side}" for side in SIDES)]) + "\n"
URDF = """<robot name="x"><link name="base"><inertial><mass value="0.3"/></inertial><collision>
<origin xyz="0 0 0" rpy="0 0 0"/><geometry><mesh filename="collision_geometry.obj" scale="1 1 1"/></geometry>
</collision></link></robot>"""
HDR = b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 1 +X 1\n\x80\x80\x80\x80"
FILES = {
    "visual_geometry.obj": BOX.encode(),
    "collision_geometry.obj": BOX.encode(),
    "object.urdf": URDF.encode(),
    "data.json": b"{}",
    "color.png": cv2.imencode(".png", np.full((2, 2, 3), 128, np.uint8))[1].tobytes(),
    "sky.hdr": HDR,
}
MATERIAL = {"base_color": [0.5, 0.4, 0.3], "roughness": 0.4, "color_map": "color.png", "tile_m": 0.5}
MANIFEST = {
    "name": "Things",
    "data_dir": ".",
    "version": "1.0",
    "assets": {
        "red_box": {
            "asset_type": "FileBasedObject",
            "id": "red_box",
            "path": "red_box.tar.gz",
            "sha256": "",
            "license": "CC BY 4.0",
            "kwargs": {
                "bounds": [[-0.05, -0.04, -0.03], [0.05, 0.04, 0.03]],
                "mass": 0.3,
                "render_filename": "{asset_dir}/visual_geometry.obj",
                "simulation_filename": "{asset_dir}/object.urdf",
            },
            "metadata": {
                "volume": 0.00048,
                "category": "Box",
                "description": "A box\nof wood",
                "author": "A. Maker",
                "url": "https://example.org/box",
                "density_kgpm3": 600.0,
                "label": "red box",
                "kind": "box",
                "substance": "wood",
                "friction": 0.5,
                "restitution": 0.3,
                "materials": {"lid": MATERIAL},
            },
        },
        "top": {
            "asset_type": "Surface",
            "path": "red_box.tar.gz",
            "license": "CC0 1.0",
            "kwargs": {},
            "metadata": {"label": "oak top", "substance": "wood", "material": MATERIAL},
        },
        "sunny_sky": {
            "asset_type": "Texture",
            "path": None,
            "kwargs": {"filename": "sky.hdr"},
            "metadata": {"categories": ["outdoor"], "tags": ["sky"], "indoor": False, "authors": {"B": "all"}},
        },
    },
}
LABELS = {
    "red_box": {"label": "crimson chest", "kind": "chest", "substance": "wood", "mass_kg": 0.4},
    "sunny_sky": {"label": "field", "indoor": False},
    "top": "oak table top",
}


def packed(files: dict[str, bytes], **options: Any) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", **options) as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return stream.getvalue()


def manifests() -> st.SearchStrategy[tuple[bytes, bytes]]:
    plain = st.just(as_json(MANIFEST))
    odd = changed(MANIFEST).map(as_json)
    labels = st.just(b"{}") | changed(LABELS).map(lambda data: as_yaml(data))
    return st.tuples(odd.flatmap(damaged) | odd | odd | plain, labels)


def read_manifest_of(given_bytes: tuple[bytes, bytes], place: Path) -> None:
    inside = place / "inside" / "things"
    if not inside.is_dir():
        inside.mkdir(parents=True)
        for name, data in FILES.items():
            (inside / name).write_bytes(data)
        (inside / "red_box.tar.gz").write_bytes(gzip.compress(packed(FILES), mtime=0))
    (inside / "Things.json").write_bytes(given_bytes[0])
    (inside / "Things.labels.yaml").write_bytes(given_bytes[1])
    options: dict[str, Any] = {"builtin": False, "offline": True, "cache": place / "inside" / "cache"}
    source = str(inside / "Things.json")
    for kind in ("objects", "environments"):
        with guarded(f"manifest of {kind}"):
            catalog = open_catalog(**{kind: [source]}, **options)
            catalog.fingerprint().encode()
            for asset in catalog.all:
                name = ref(asset)
                said = catalog.verify(name)
                assert said is None or "\n" not in said
                for path in (catalog.folder(name), *_files_of(catalog, name)):
                    assert path.resolve().is_relative_to(place / "inside"), f"{name} is read from {path}"
                for text in (asset.label, asset.credit.title, asset.credit.author, asset.credit.license):
                    assert text.isprintable() and len(text) <= 500
    assert sorted(path.name for path in place.iterdir()) == ["inside"]


def _files_of(catalog: Any, name: str) -> list[Path]:
    if name in {ref(asset) for asset in catalog.objects}:
        shape = catalog.shape(name)
        assert np.isfinite(shape.points).all()
        return [catalog.mesh_path(name), catalog.urdf_path(name)]
    return [catalog.environment_path(name)] if name in {ref(asset) for asset in catalog.environments} else []


# The archive.

KINDS = (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.DIRTYPE)
SPECIAL = (*KINDS, tarfile.CONTTYPE, tarfile.GNUTYPE_SPARSE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK)
SPECIAL += (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE, b"V", b"Z", b"\0")
NAMES = (
    *("../escape", "a/../../escape", "/tmp/simgen-escape", "a/./b", "a//b", ".", "", "..", "a\\..\\..\\b", "data.json"),
    *("a\0b", "x" * 300, "d/" * 60 + "e", "é" * 200, "\udcff", "a/", "data.json/x", "~/escape", "./../escape"),
)
SIZES = (0, 1, 511, 512, 513, 10_000, 1 << 20, 8 << 30, 1 << 62)
PAX = ("path", "size", "linkpath", "mtime", "GNU.sparse.major", "GNU.sparse.minor", "GNU.sparse.name", "hdrcharset")
PAX += ("GNU.sparse.realsize", "GNU.sparse.size", "GNU.sparse.map", "GNU.sparse.numblocks", "charset", "uid")


@st.composite
def tars(draw: st.DrawFn) -> bytes:
    """An archive of good members among which are some that lie about themselves."""
    stream = io.BytesIO()
    for name, data in FILES.items():
        if draw(st.integers(0, 3)):
            stream.write(_member(name, data))
        if draw(st.integers(0, 7)):
            continue
        odd = tarfile.TarInfo(draw(st.sampled_from((*NAMES, name))))
        odd.type = draw(st.sampled_from((tarfile.REGTYPE, *SPECIAL)))
        odd.linkname = draw(st.sampled_from(("", "data.json", "/etc/passwd", "../escape", ".")))
        content = draw(
            st.sampled_from((b"", b"x" * 700, b"\0" * 1024, b"11 path=../esc\n", b"9\n0\n" * 400, b"1\n" * 600))
        )
        odd.size = draw(st.sampled_from((len(content), len(content), *SIZES)))
        odd.mode, odd.mtime = draw(st.sampled_from((0o644, 0, 0o4777))), draw(st.sampled_from((0, -1, 1 << 40)))
        if draw(st.booleans()):
            odd.pax_headers = {
                draw(st.sampled_from(PAX)): draw(st.sampled_from((*TEXTS[:8], *NAMES, "-1", "1", "9" * 30)))
            }
        form = draw(st.sampled_from((tarfile.GNU_FORMAT, tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT)))
        try:
            head = odd.tobuf(form, "utf-8", "surrogateescape")
        except (ValueError, OverflowError):
            continue
        if draw(st.integers(0, 4)) == 0 and len(head) >= 512:
            # A size below nothing, which only a number in base 256 can be.
            head = _resealed(head[:124] + b"\xff" * 12 + head[136:])
        stream.write(head * draw(st.sampled_from((1, 1, 1, 2, 400))))
        stream.write(content + b"\0" * (-len(content) % 512))
    stream.write(b"\0" * draw(st.sampled_from((0, 512, 1024, 10_240, 20 << 20))))
    data = stream.getvalue()
    if len(data) < 1 << 20:
        data = draw(seldom_damaged(data))
    if draw(st.booleans()):
        return data
    zipped = gzip.compress(data, compresslevel=1, mtime=0)
    return draw(seldom_damaged(zipped)) + draw(st.sampled_from((b"", b"", b"", b"", b"x", zipped[:100], zipped)))


def _member(name: str, data: bytes) -> bytes:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    return info.tobuf() + data + b"\0" * (-len(data) % 512)


def _resealed(head: bytes) -> bytes:
    """A header with the checksum of what it says now."""
    block = bytearray(head[-512:])
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return head[:-512] + bytes(block)


def read_archive_of(data: bytes, place: Path) -> None:
    path = place / "inside" / "box.tar.gz"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
    limits = archives.MAX_MEMBER_BYTES, archives.MAX_ARCHIVE_BYTES, archives.MAX_PADDING_BYTES, archives.MAX_MEMBERS
    archives.MAX_MEMBER_BYTES = archives.MAX_ARCHIVE_BYTES = archives.MAX_PADDING_BYTES = 8 << 20
    archives.MAX_MEMBERS = 100
    try:
        with tempfile.TemporaryDirectory(dir=place / "inside") as folder, guarded("archive unpacked"):
            try:
                extract(path, Path(folder))
            finally:
                total = 0
                for found in Path(folder).rglob("*"):
                    assert found.is_dir() or (found.is_file() and not found.is_symlink()), f"{found} is a special file"
                    total += found.stat().st_size if found.is_file() else 0
                assert total <= 8 << 20, f"{total} bytes unpacked"
    finally:
        (
            archives.MAX_MEMBER_BYTES,
            archives.MAX_ARCHIVE_BYTES,
            archives.MAX_PADDING_BYTES,
            archives.MAX_MEMBERS,
        ) = limits
    assert tree(place) == ["inside", "inside/box.tar.gz"]
    assert not Path("/tmp/simgen-escape").exists()


# The recipe, the override and the plan.


@functools.cache
def scenes() -> dict[str, type[registry.Scene]]:
    load_scenes()
    return dict(registry.scenes())


GROUPS = ("all:scenes", "domain:mechanical", "domain:optical", "domain:thermal", "domain:material", "law:gravity")
GROUPS += ("type:21", "domain: biological")
PASSES = ("depth", "normals", "flow")


@st.composite
def parameters(draw: st.DrawFn, name: str) -> dict[str, Any]:
    """Some parameters of a scene, each with a value that it may have."""
    cls = scenes()[name]
    hints = get_type_hints(cls)
    given: dict[str, Any] = {}
    for one in dataclasses.fields(cls):  # type: ignore[arg-type]
        if draw(st.integers(0, 3)):
            continue
        default = one.default
        if hints[one.name] == registry.Range:
            low, high = default
            share = draw(st.sampled_from((0.0, 0.25, 0.5)))
            given[one.name] = draw(st.sampled_from(([low + share * (high - low), high], [low, high], low, high)))
        elif get_origin(hints[one.name]) is Literal:
            given[one.name] = draw(st.sampled_from(get_args(hints[one.name])))
        elif default is not dataclasses.MISSING:
            given[one.name] = list(default) if isinstance(default, tuple) else default
    return given


@st.composite
def valid_recipes(draw: st.DrawFn) -> dict[str, Any]:
    """What a user may write and simgen must take: scenes and groups in any mix, with parameters, render settings and
    the rest."""
    family = draw(st.sampled_from((1, 1, 1, 2, 4)))
    singles = [name for name, cls in scenes().items() if family == 1 or cls.families]
    chosen = draw(st.lists(st.sampled_from(singles), min_size=1, max_size=4, unique=True))
    if draw(st.booleans()):
        chosen += draw(st.lists(st.sampled_from(GROUPS), min_size=1, max_size=2, unique=True))
    data: dict[str, Any] = {"scenes": chosen}
    if draw(st.integers(0, 2)):
        data["scenes"] = {}
        for name in chosen:
            own = draw(parameters(name)) if name in scenes() else {}
            weight = draw(st.sampled_from((None, 1, 2.5, 0.01, 1000)))
            data["scenes"][name] = {**own, **({} if weight is None else {"weight": weight})} or draw(
                st.sampled_from((None, {}))
            )
    sizes = st.sampled_from((32, 33, 64, 480, 512, 832, 1023, 4096))
    render = {
        "width": draw(sizes),
        "height": draw(sizes),
        "quality": draw(st.sampled_from(("fast", "standard", "high"))),
        "passes": draw(st.lists(st.sampled_from(PASSES), max_size=4)),
        "device": "cpu",
    }
    assets = {"builtin": True, "objects": [], "environments": [], "exclude": ["GSO:Broken_Mug"]}
    rest = {"max_attempts": draw(st.integers(1, 1000)), "family": family, "scene_folders": [], "name": "my-own_1"}
    for key, part in (("render", render), ("assets", assets)):
        if draw(st.integers(0, 2)):
            data[key] = {name: value for name, value in part.items() if draw(st.booleans())}
    data |= {name: value for name, value in rest.items() if name == "family" or draw(st.booleans())}
    return data


@st.composite
def written(draw: st.DrawFn, data: Any) -> bytes:
    """The same as YAML of one of the looks that YAML may have."""
    flow = draw(st.sampled_from((None, True, False)))
    text = yaml.safe_dump(data, sort_keys=False, default_flow_style=flow, width=draw(st.sampled_from((20, 80, 2000))))
    head = draw(st.sampled_from(("", "", "# mine\n", "---\n", "\ufeff", "%YAML 1.1\n---\n")))
    return (head + text + draw(st.sampled_from(("", "\n# end\n", "\n\n")))).encode()


# Without its fingerprint, which would refuse every change before the rest is looked at.
RUN = {"n": 12, "seed": 3, "shard_size": 4, "pins": {"simgen": "0.1.0", "bpy": "4.5"}}
VALID_OVERRIDES = ("render.width=64", "render={height: 48}", "max_attempts=3", "name=other", "render.passes=[depth]")
OVERRIDES = ("scenes.drop.weight=2", "a.b.c=[", "name.x=1", "=", "scenes.=1", "x" * 5000 + "=1", "family=7")
YAML_TAILS = (
    "",
    "\nx: &a [1]\ny: *a\n",
    "\n? {a: b}\n: 1\n",
    "\nwhen: 2024-13-45\n",
    "\nn: !!int x\n",
    "\nn: !!float [1]\n",
    "\nb: !!binary '@'\n",
    "\np: !!python/object/apply:os.system [true]\n",
    "\n<<: {a: 1}\n",
    "\n<<: [1]\n",
    "\nn: 0x" + "f" * 6000 + "\n",
    "\nn: " + "9" * 5000 + "\n",
    "\nn: 1:99:99.5\n",
    "\ns: !!set {a, b}\n",
    "\no: !!omap [a: 1]\n",
    '\ns: "\\ud800"\n',
    "\n--- a\n--- b\n",
    "\n\x00",
    "\n\t- x",
    "\n" + "[" * 3000,
    "\n" + "? " * 500 + "a\n",
    "\na: |\n" + " x\n" * 2000,
    "\nscenes: &a {drop: *a}\n",
)


def as_yaml(data: Any) -> bytes:
    text = yaml.safe_dump(data, sort_keys=False, allow_unicode=False)
    return text.replace(f"'{DEEP}'", "[" * 2000 + "]" * 2000).replace(f"'{HUGE}'", "9" * 5000).encode(errors="replace")


@st.composite
def recipes(draw: st.DrawFn) -> tuple[bytes, str, Any, bool]:
    """A recipe, an override, a change to the plan, and whether recipe and override are valid. Half of them are, and
    most others nearly so."""
    data = draw(valid_recipes())
    how = draw(st.sampled_from(("valid",) * 5 + ("changed",) * 3 + ("tail", "damaged", "head")))
    text = draw(written(data))
    if how == "changed":
        text = as_yaml(draw(changed({**data, "run": RUN} if draw(st.booleans()) else data)))
    elif how == "tail":
        text += draw(st.sampled_from(YAML_TAILS)).encode()
    elif how == "damaged":
        text = draw(damaged(text))
    elif how == "head":
        text = draw(st.sampled_from((b"\xff\xfe", b"\xef\xbb\xbf", "scenes: [drop]".encode("utf-16"), b""))) + text
    override = draw(st.sampled_from(("", "", "", *VALID_OVERRIDES, *VALID_OVERRIDES, *OVERRIDES)))
    valid = how == "valid" and (not override or override in VALID_OVERRIDES)
    return text, override, draw(changed({"run": RUN})), valid


def read_recipe_of(given_input: tuple[bytes, str, Any, bool], place: Path) -> None:
    text, override, run, valid = given_input
    path = place / "mine.yaml"
    path.write_bytes(text)
    plan = None
    with guarded("recipe read"):
        recipe = load_recipe(str(path), overrides=[override] if override else [])
        again = parse_recipe(yaml.safe_load(recipe.to_yaml()), where="again")
        assert again == recipe and again.fingerprint == recipe.fingerprint
        plan = make_plan(recipe, n=30, seed=0)
        assert sum(len(shard.samples) for shard in plan.shards) == 30
    assert plan is not None or not valid, "refuses a valid recipe"
    (place / RESOLVED).write_bytes(text)
    with guarded("recipe as a plan"):
        read_plan(place).to_yaml().encode()
    if plan is not None:
        (place / RESOLVED).write_text(plan.to_yaml())
        with guarded("plan read back"):
            assert read_plan(place).fingerprint == plan.fingerprint
        if isinstance(run, dict):
            (place / RESOLVED).write_bytes(plan.recipe.to_yaml().encode() + as_yaml(run))
        with guarded("changed plan read"):
            read_plan(place).to_yaml().encode()
    assert tree(place) == sorted(("mine.yaml", RESOLVED))


# The record.

SAMPLE = hand_made.nudge_sample(
    SampleId(index=1, key="nudge-000001", scene="nudge", split="train"), bodies=3, depth=True
)
MEMBERS = encode(SAMPLE)
SPEC = json.loads(SAMPLE.record["spec_json"])
IMAGES = sorted(name for name in MEMBERS if name.endswith((".png", ".npy")))


def records() -> st.SearchStrategy[dict[str, bytes]]:
    def with_record(record: bytes) -> dict[str, bytes]:
        return {**MEMBERS, "json": record}

    def with_member(name: str) -> st.SearchStrategy[dict[str, bytes]]:
        others = st.sampled_from(
            (MEMBERS["json"], MEMBERS["mask.png"], MEMBERS["end.png"], MEMBERS["end_depth.npy"], *PICTURES)
        )
        return (damaged(MEMBERS[name]) | others).map(lambda data: {**MEMBERS, name: data})

    def with_spec(spec: bytes) -> dict[str, bytes]:
        return with_record(as_json({**SAMPLE.record, "spec_json": spec.decode()}))

    whole = changed(SAMPLE.record).map(as_json)
    gone = st.sampled_from(sorted(MEMBERS)).map(lambda name: {n: d for n, d in MEMBERS.items() if n != name})
    return st.one_of(
        whole.map(with_record),
        whole.flatmap(damaged).map(with_record),
        changed(SPEC).map(as_json).map(with_spec),
        changed(SPEC)
        .map(as_json)
        .flatmap(damaged)
        .map(lambda spec: spec.decode(errors="replace").encode())
        .map(with_spec),
        st.sampled_from(IMAGES).flatmap(with_member),
        gone,
    )


def _png_of(width: int, height: int) -> bytes:
    """A mask that says it is of another size."""
    import struct
    import zlib

    head = b"IHDR" + struct.pack(">II", width, height) + MEMBERS["mask.png"][24:29]
    return MEMBERS["mask.png"][:12] + head + struct.pack(">I", zlib.crc32(head)) + MEMBERS["mask.png"][33:]


def _npy_of(header: str, data: bytes = b"") -> bytes:
    text = header.encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + data


PICTURES = (
    *(_png_of(w, h) for w, h in ((0, 0), (1 << 31, 1), (30_000, 30_000), (4096, 4096), (64, 47))),
    _npy_of("{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000,), }"),
    _npy_of("{'descr': '<f4', 'fortran_order': False, 'shape': (-1, 4), }", b"\0" * 16),
    _npy_of("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,), }"),
    _npy_of("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }", b"\x80\x04."),
    _npy_of("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }", b"\0" * 4),
    _npy_of("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }", b"\0" * 8 + b"more"),
    _npy_of("(" * 2000),
    b"PK\x03\x04" + b"\0" * 40,
    b"II*\0" + b"\xff" * 60,
    b"\x80\x04cos\nsystem\n.",
)


def read_record_of(members: dict[str, bytes], place: Path) -> None:
    with guarded("record decoded"):
        sample = decode("nudge-000001", members)
        if not check_record(sample.record):
            with contextlib.suppress(ValueError):
                encode(sample)
        spec = sample.record.get("spec_json")
        spec_from_json(spec if isinstance(spec, str) else "")
    with guarded("record checked"), contextlib.suppress(ValueError, RecursionError):
        record = json.loads(members.get("json", b""), parse_constant=float)
        assert all("\n" not in finding for finding in check_record(record))
    assert tree(place) == []


# A whole data set.

PARTS = ("train/00000.tar", "train/00000.parquet", "train/00000.idx.json", "train/00000_stats.json")
PARTS += ("README.md", "ATTRIBUTION.csv", RESOLVED)


def _data_set() -> dict[str, bytes]:
    with tempfile.TemporaryDirectory() as place:
        folder = hand_made.write_nudges(Path(place) / "data", hand_made.nudge_plan(5, shard_size=8), holes=(3,))
        write_card(folder, command="simgen generate")
        return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


DATA = _data_set()


@st.composite
def data_sets(draw: st.DrawFn) -> dict[str, bytes]:
    """A data set of one shard or two with one of its files changed; often its statistics are made to fit."""
    files = dict(DATA)
    name = draw(st.sampled_from(PARTS))
    if name.endswith(".json"):
        odd = as_json(draw(changed(json.loads(files[name]))))
        files[name] = draw(damaged(odd))
    elif name == "train/00000.tar" and draw(st.booleans()):
        files[name] = draw(_odd_tar())
    else:
        files[name] = draw(damaged(files[name]))
    if draw(st.booleans()):
        with contextlib.suppress(Exception):
            stats = json.loads(files["train/00000_stats.json"])
            for part in stats["files"]:
                data = files[f"train/{part}"]
                stats["files"][part] = {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
            stats["sha256"] = content_sha256(stats)
            files["train/00000_stats.json"] = json.dumps(stats).encode()
    return files


@st.composite
def _odd_tar(draw: st.DrawFn) -> bytes:
    """The samples of the shard with one of their records or names changed, or one that is no file."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(DATA["train/00000.tar"])) as whole:
        members = [(info, whole.extractfile(info).read()) for info in whole]  # type: ignore[union-attr]
    chosen = draw(st.integers(0, len(members) - 1))
    for number, (info, data) in enumerate(members):
        if number == chosen:
            how = draw(st.sampled_from(("record", "name", "type", "size")))
            if how == "record" and info.name.endswith(".json"):
                data = as_json(draw(changed(json.loads(data))))
            elif how == "name":
                info.name = draw(st.sampled_from((*NAMES[:10], "nudge-000000.x.y", "nudge-000000", ".json")))
            elif how == "type":
                info.type = draw(st.sampled_from(KINDS))
            info.size = len(data) if how != "size" else draw(st.sampled_from(SIZES))
        with contextlib.suppress(ValueError):
            stream.write(info.tobuf(tarfile.GNU_FORMAT) + data + b"\0" * (-len(data) % 512))
    return stream.getvalue() + b"\0" * 1024


def read_data_set_of(files: dict[str, bytes], place: Path) -> None:
    folder = place / "data"
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    before = tree(folder)
    with guarded("data set verified"):
        for finding in verify(folder, workers=1):
            assert "\n" not in str(finding)
            str(finding).encode()
    with guarded("data set's status"):
        json.dumps(read_status(folder).as_data())
    with guarded("data set opened"):
        data = open_dataset(folder)
        for key in data.keys:
            with guarded("sample of a data set"):
                assert data[key].key == key
    assert tree(folder) == before
    with guarded("data set reported"):
        write_report(folder)
    with guarded("data set's card"):
        write_card(folder, command="simgen generate")
        rows = csv.reader((folder / "ATTRIBUTION.csv").read_text("utf-8").splitlines())
        assert all(not cell.startswith(("=", "+", "@", "\t")) for row in rows for cell in row)
    assert tree(place)[0] == "data" and len(list(place.iterdir())) == 1


# Meshes.

TOKENS = (
    "0",
    "-1",
    "9",
    "99999999999999999999",
    "-99",
    "nan",
    "inf",
    "1e400",
    "1_0",
    "",
    "a",
    "1/2/3",
    "1//3",
    "/",
    "٣",
    "\0",
)
LINES = (
    "v",
    "f",
    "v 1",
    "v 1 2",
    "f 1",
    "f 1 2",
    "f",
    "o x",
    "g",
    "v 1 2 3 4",
    "f 1 2 3 4 5 6 7 8",
    "f -1 -2 -3",
    "f 0 1 2",
)
XML = (
    *('<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">]>', '<!DOCTYPE x SYSTEM "file:///etc/passwd">', "<link/>", "<a>" * 5000),
    *('<?xml version="1.0" encoding="utf-7"?>', '<?xml version="1.0" encoding="nothing"?>', "&lt;", "&#0;", "]]>", "é"),
)
VALUES = (
    "",
    "0",
    "-1",
    "nan",
    "1e999",
    "0 0",
    "1 2 3 4",
    "a b c",
    "1e308 1e308 1e308",
    "../../x",
    "/etc/passwd",
    "é\n",
)
ENTITIES = "".join(f'<!ENTITY a{i} "{f"&a{i - 1};" * 10}">' for i in range(1, 12))
BOMB = f'<!DOCTYPE x [<!ENTITY a0 "aaaaaaaaaa">{ENTITIES}]>'


@st.composite
def meshes(draw: st.DrawFn) -> tuple[bytes, bytes, bytes]:
    """A mesh, a URDF and an environment map, each as it should be or nearly so."""
    lines = BOX.splitlines()
    for _ in range(draw(st.integers(0, 2))):
        place = draw(st.integers(0, len(lines) - 1))
        if draw(st.booleans()):
            words = lines[place].split(" ")
            words[draw(st.integers(0, len(words) - 1))] = draw(st.sampled_from(TOKENS))
            lines[place] = " ".join(words)
        else:
            lines.insert(place, draw(st.sampled_from(LINES)))
    obj = draw(seldom_damaged("\n".join(lines).encode()))
    urdf = URDF
    how = draw(st.sampled_from(("valid", "valid", "values", "tag", "head", "bomb", "sphere")))
    if how == "values":
        quoted = urdf.split('"')
        quoted[draw(st.sampled_from(range(1, len(quoted), 2)))] = draw(st.sampled_from(VALUES))
        urdf = '"'.join(quoted)
    elif how == "tag":
        place = draw(st.integers(0, len(urdf)))
        urdf = urdf[:place] + draw(st.sampled_from(XML)) + urdf[place:]
    elif how == "head":
        urdf = draw(st.sampled_from(XML)) + urdf
    elif how == "bomb":
        urdf = BOMB + urdf.replace("0.3", "&a11;")
    elif how == "sphere":
        urdf = urdf.replace("<mesh ", f'<sphere radius="{draw(st.sampled_from(VALUES)).strip()}"/><mesh ')
    return obj, draw(seldom_damaged(urdf.encode())), draw(damaged(HDR))


def read_meshes_of(given_files: tuple[bytes, bytes, bytes], place: Path) -> None:
    obj, urdf, sky = given_files
    for name, data in (("visual.obj", obj), ("collision_geometry.obj", obj), ("object.urdf", urdf), ("sky.hdr", sky)):
        (place / name).write_bytes(data)
    with guarded("mesh read"):
        mesh = read_obj(place / "visual.obj")
        assert np.isfinite(mesh.vertices).all() and all(g.max() < len(mesh.vertices) for g in mesh.groups)
    with guarded("URDF read"):
        found = read_urdf(place / "object.urdf")
        assert found.collision is None or found.collision.resolve().is_relative_to(place)
        assert all(np.isfinite(part).all() for part in read_parts(found))
    with guarded("environment read"):
        check_environment(place / "sky.hdr")


# Name of a reader → its inputs, the reader, how many inputs it gets in the whole suite, and at least which share of
# them must get past each stage.
Reader = tuple[st.SearchStrategy[Any], Callable[[Any, Path], None], int, Mapping[str, float]]
READERS: dict[str, Reader] = {
    "manifest": (manifests(), read_manifest_of, 150, {}),
    "archive": (tars(), read_archive_of, 300, {}),
    "recipe": (recipes(), read_recipe_of, 150, {"recipe read": 0.5, "changed plan read": 0.4}),
    "record": (records(), read_record_of, 200, {}),
    "data set": (data_sets(), read_data_set_of, 30, {}),
    "mesh": (meshes(), read_meshes_of, 300, {}),
}
SETTINGS = settings(
    deadline=None,
    database=None,
    print_blob=False,
    suppress_health_check=list(HealthCheck),
    report_multiple_bugs=False,
    phases=(Phase.generate, Phase.shrink),
)


def check_fixed_inputs(reader: Reader, share: float, folder: Path) -> None:
    """A share of the inputs that are the same every time, and how far they got."""
    inputs, read, count, least = reader
    OUTCOMES.clear()

    @settings(SETTINGS, derandomize=True, max_examples=round(share * count))
    @given(inputs)
    def every(value: Any) -> None:
        with tempfile.TemporaryDirectory(dir=folder) as place:
            read(value, Path(place).resolve())

    every()
    print(outcomes())
    short = {stage: accepted(stage) for stage, wanted in least.items() if accepted(stage) < wanted}
    assert not short, f"too few inputs get past {short}; wanted {least}"


def outcomes() -> str:
    """A line for each stage: how many inputs it accepted and how many it refused."""
    stages = dict.fromkeys(stage for stage, _ in OUTCOMES)
    return "\n".join(
        f"  {stage}: {OUTCOMES[stage, True]} accepted, {OUTCOMES[stage, False]} refused ({100 * accepted(stage):.0f} %)"
        for stage in stages
    )


@pytest.mark.parametrize("share", [1 / 3, pytest.param(1.0, marks=pytest.mark.slow)], ids=["third", "all"])
@pytest.mark.parametrize("name", READERS)
def test_whatever_comes_in_a_reader_answers_with_one_sentence(name: str, share: float, tmp_path: Path) -> None:
    check_fixed_inputs(READERS[name], share, tmp_path)


def a_round(name: str, reader: Reader, number: int, size: int = 200) -> int:
    """So many new inputs for a reader, fewer where one of them is a finding; how many they were."""
    inputs, read, *_ = reader
    tried = 0

    @seed(number)
    @settings(SETTINGS, max_examples=size)
    @given(inputs)
    def some(value: Any) -> None:
        nonlocal tried
        tried += 1
        faulthandler.dump_traceback_later(120, exit=True)
        try:
            with tempfile.TemporaryDirectory() as place:
                read(value, Path(place).resolve())
        finally:
            faulthandler.cancel_dump_traceback_later()

    try:
        some()
    except Exception as error:
        # Not the notes: the input stands there, which may be a whole data set; the seed makes it again.
        said = "".join(traceback.format_tb(error.__traceback__))[-3000:]
        print(f"\n{name}: seed {number}\n{said}{type(error).__name__}: {str(error)[:1000]}", flush=True)
        return -tried
    return tried


def fuzz(readers: Mapping[str, Reader], names: list[str], size: int = 200) -> int:
    """Minutes of new inputs for each reader; the count of them, how far they got, and every finding with its
    traceback."""
    minutes = float(os.environ.get("FUZZ_MINUTES", "10"))
    failed = False
    for name in names or list(readers):
        until, number, counts = time.monotonic() + 60 * minutes, int.from_bytes(os.urandom(4)), []
        OUTCOMES.clear()
        while time.monotonic() < until:
            number += 1
            counts.append(a_round(name, readers[name], number, size))
        findings = sum(count < 0 for count in counts)
        print(f"{name}: {sum(map(abs, counts))} inputs in {minutes:g} minutes, {findings} findings", flush=True)
        print(outcomes(), flush=True)
        failed = failed or findings > 0
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(fuzz(READERS, sys.argv[1:]))
