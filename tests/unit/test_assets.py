"""Manifests, archives, the cache and the catalogue, on assets that are made here."""

import dataclasses
import functools
import gzip
import hashlib
import http.server
import io
import json
import os
import pickle
import signal
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simgen.catalog.catalog import Catalog, open_catalog, ref
from simgen.catalog.manifests import Entry, parse_manifest
from simgen.core.errors import AssetError, UnknownName
from simgen.storage.cache import Cache

CORNERS = [(x, y, z) for x in (-0.05, 0.05) for y in (-0.04, 0.04) for z in (-0.03, 0.03)]
SIDES = ["1 2 4 3", "5 7 8 6", "1 5 6 2", "3 4 8 7", "1 3 7 5", "2 6 8 4"]
BOX = "\n".join([*("v {} {} {}".format(*c) for c in CORNERS), *(f"f {side}" for side in SIDES)]) + "\n"
TWO_PARTS = f"o a\n{BOX}o b\n" + BOX.replace("v -0.05", "v 0.05").replace("f 1 2 4 3", "f 9 10 12 11")
URDF = """<robot name="x"><link name="base"><inertial><mass value="0.00048"/></inertial>
<collision><geometry><mesh filename="collision_geometry.obj"/></geometry></collision></link></robot>"""
HDR = b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 1 +X 1\n\x80\x80\x80\x80"


def tar(members: dict[str, str | bytes], *special: tarfile.TarInfo) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, content in members.items():
            data = content.encode() if isinstance(content, str) else content
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
        for member in special:
            archive.addfile(member)
    return gzip.compress(stream.getvalue(), mtime=0)


def box_files(**changed: str | bytes | None) -> dict[str, str | bytes]:
    files: dict[str, str | bytes | None] = {
        "visual_geometry.obj": BOX,
        "collision_geometry.obj": BOX,
        "object.urdf": URDF,
        "data.json": "{}",
    }
    files |= {name.replace("__", "."): content for name, content in changed.items()}
    return {name: content for name, content in files.items() if content is not None}


def entry(**changed: Any) -> dict[str, Any]:
    data: dict[str, Any] = {
        "asset_type": "FileBasedObject",
        "kwargs": {
            "bounds": [[-0.05, -0.04, -0.03], [0.05, 0.04, 0.03]],
            "mass": 0.00048,
            "render_filename": "{asset_dir}/visual_geometry.obj",
            "simulation_filename": "{asset_dir}/object.urdf",
        },
        "license": "CC BY 4.0",
        "metadata": {"volume": 0.00048, "category": "None", "description": "A Box"},
    }
    return data | changed


def write_set(folder: Path, entries: dict[str, dict[str, Any]], archives: dict[str, bytes], **top: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in archives.items():
        (folder / f"{name}.tar.gz").write_bytes(data)
    manifest = folder / "Things.json"
    manifest.write_text(json.dumps({"name": "Things", "assets": entries} | top))
    return manifest


@pytest.fixture
def things(tmp_path: Path) -> Path:
    """The manifest of three boxes."""
    names = ("red_box", "blue_mug", "wooden_block")
    return write_set(tmp_path / "things", {n: entry() for n in names}, {n: tar(box_files()) for n in names})


@pytest.fixture
def opened(tmp_path: Path) -> Callable[..., Catalog]:
    return functools.partial(open_catalog, builtin=False, cache=tmp_path / "cache")


# The catalogue


def test_a_manifest_on_disk_gives_its_objects_by_source_and_id(things: Path, opened: Callable[..., Catalog]) -> None:
    catalog = opened(objects=[str(things)])
    assert [ref(asset) for asset in catalog.objects] == ["Things:blue_mug", "Things:red_box", "Things:wooden_block"]
    assert catalog.object("Things:red_box").label == "red box"
    assert catalog.given == {"Things"}
    assert catalog.mesh_path("Things:red_box").read_text() == BOX
    assert np.allclose(np.ptp(catalog.shape("Things:red_box").points, axis=0), (0.1, 0.08, 0.06))


def test_an_unknown_asset_is_answered_with_the_nearest(things: Path, opened: Callable[..., Catalog]) -> None:
    catalog = opened(objects=[str(things)])
    with pytest.raises(UnknownName, match="did you mean 'Things:red_box'"):
        catalog.object("Things:red_bx")
    with pytest.raises(UnknownName):
        catalog.surface("Things:red_box")


def test_what_is_left_out_is_gone_and_changes_the_split_of_no_other(things: Path, opened) -> None:
    whole, less = opened(objects=[str(things)]), opened(objects=[str(things)], exclude=["Things:red_box"])
    assert [ref(asset) for asset in less.objects] == ["Things:blue_mug", "Things:wooden_block"]
    assert less.objects == tuple(asset for asset in whole.objects if asset.id != "red_box")
    assert less.fingerprint() != whole.fingerprint()
    assert pickle.loads(pickle.dumps(less)).objects == less.objects
    with pytest.raises(UnknownName, match=r"assets\.exclude: no asset 'Things:red_bx'; did you mean 'Things:red_box'"):
        opened(objects=[str(things)], exclude=["Things:red_bx"])


def test_the_convex_parts_of_a_collision_mesh_stay_apart(tmp_path: Path, opened: Callable[..., Catalog]) -> None:
    second = BOX.replace("f 1 2 4 3", "f 9 10 12 11")
    for old, new in (("5 7 8 6", "13 15 16 14"), ("1 5 6 2", "9 13 14 10"), ("3 4 8 7", "11 12 16 15")):
        second = second.replace(f"f {old}", f"f {new}")
    second = second.replace("f 1 3 7 5", "f 9 11 15 13").replace("f 2 6 8 4", "f 10 14 16 12")
    data = tar(box_files(collision_geometry__obj=f"o part_0\n{BOX}g part_1\n{second}"))
    catalog = opened(objects=[str(write_set(tmp_path / "m", {"pair": entry()}, {"pair": data}))])
    assert [len(part) for part in catalog.shape("Things:pair").parts] == [8, 8]


def test_a_sphere_in_a_urdf_is_a_ball(tmp_path: Path, opened: Callable[..., Catalog]) -> None:
    urdf = URDF.replace('<mesh filename="collision_geometry.obj"/>', '<sphere radius="0.04"/>')
    manifest = write_set(tmp_path / "m", {"ball": entry()}, {"ball": tar(box_files(object__urdf=urdf))})
    shape = opened(objects=[str(manifest)]).shape("Things:ball")
    assert shape.radius_m == pytest.approx(0.04) and shape.lowest_m((1, 0, 0, 0)) == pytest.approx(-0.04)


def test_an_asset_whose_shape_cannot_be_read_stands_on_the_error(
    tmp_path: Path, opened: Callable[..., Catalog]
) -> None:
    manifest = write_set(tmp_path / "m", {"ball": entry()}, {"ball": tar(box_files(object__urdf="<robot"))})
    with pytest.raises(AssetError) as caught:
        opened(objects=[str(manifest)]).shape("Things:ball")
    assert caught.value.asset == "Things:ball"


def test_kubrics_volume_for_a_mass_is_kept_and_not_believed(things: Path, opened: Callable[..., Catalog]) -> None:
    block = opened(objects=[str(things)]).object("Things:wooden_block")
    assert block.manifest_mass_kg == 0.00048
    assert block.mass_kg == pytest.approx(0.00048 * 600.0)  # scanned wood
    assert (block.substance, block.kind) == ("wood", "block")


def test_a_mass_that_makes_a_believable_density_is_taken_at_its_word(
    tmp_path: Path, opened: Callable[..., Catalog]
) -> None:
    heavy = entry()
    heavy["kwargs"]["mass"] = 1.2
    manifest = write_set(tmp_path / "m", {"mug": heavy}, {"mug": tar(box_files())})
    assert opened(objects=[str(manifest)]).object("Things:mug").mass_kg == 1.2


def test_a_labels_file_beside_the_manifest_overrides_it(things: Path, opened: Callable[..., Catalog]) -> None:
    labels = things.with_name("Things.labels.yaml")
    labels.write_text("red_box: crimson chest\nblue_mug: {substance: metal, mass_kg: 0.2, kind: cup}\n")
    catalog = opened(objects=[str(things)])
    assert catalog.object("Things:red_box").label == "crimson chest"
    mug = catalog.object("Things:blue_mug")
    assert (mug.label, mug.substance, mug.mass_kg, mug.kind) == ("blue mug", "metal", 0.2, "cup")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("red_bux: chest", "did you mean 'red_box'"),
        ("red_box: {lable: chest}", "did you mean 'label'"),
        ("red_box: {mass_kg: heavy}", "mass_kg must be a number"),
        ("red_box: {substance: iron}", "substance"),
        ("- red_box", "maps asset ids"),
        ("red_box: [", "is not YAML"),
    ],
)
def test_a_labels_file_with_a_mistake_is_refused(
    things: Path, opened: Callable[..., Catalog], text: str, said: str
) -> None:
    things.with_name("Things.labels.yaml").write_text(text)
    with pytest.raises((AssetError, UnknownName), match=said):
        opened(objects=[str(things)])


def test_the_credit_of_an_asset_comes_from_its_manifest(tmp_path: Path, opened: Callable[..., Catalog]) -> None:
    data = entry(license="CC0 1.0", metadata={"author": "A. Maker", "url": "https://example.org/box"})
    manifest = write_set(tmp_path / "m", {"box": data}, {"box": tar(box_files())})
    credit = opened(objects=[str(manifest)]).object("Things:box").credit
    assert (credit.author, credit.license, credit.url) == ("A. Maker", "CC0 1.0", "https://example.org/box")


def many(folder: Path, count: int) -> Path:
    names = [f"thing_{k}" for k in range(count)]
    return write_set(folder, {n: entry() for n in names}, {n: tar(box_files()) for n in names})


@pytest.mark.parametrize(("count", "test"), [(2, 0), (3, 1), (14, 1), (16, 2), (24, 2)])
def test_one_object_in_ten_is_test(tmp_path: Path, opened: Callable[..., Catalog], count: int, test: int) -> None:
    catalog = opened(objects=[str(many(tmp_path / "m", count))])
    assert sum(asset.split == "test" for asset in catalog.objects) == test


def test_the_split_depends_on_the_ids_alone(tmp_path: Path, opened: Callable[..., Catalog]) -> None:
    manifest = many(tmp_path / "m", 12)
    before = {a.id: a.split for a in opened(objects=[str(manifest)]).objects}
    data = json.loads(manifest.read_text())
    data["assets"] = dict(reversed(data["assets"].items()))
    for other in data["assets"].values():
        other["kwargs"]["mass"] = 1.0
    manifest.write_text(json.dumps(data))
    assert {a.id: a.split for a in opened(objects=[str(manifest)]).objects} == before


def test_a_pickled_catalogue_is_the_same_elsewhere(things: Path, opened: Callable[..., Catalog]) -> None:
    catalog = opened(objects=[str(things)])
    again = pickle.loads(pickle.dumps(catalog))
    assert again.objects == catalog.objects and again.fingerprint() == catalog.fingerprint()


def test_the_fingerprint_changes_with_a_label_and_not_with_what_has_been_unpacked(
    things: Path, opened: Callable[..., Catalog]
) -> None:
    catalog = opened(objects=[str(things)])
    before = catalog.fingerprint()
    catalog.folder("Things:red_box")
    assert opened(objects=[str(things)]).fingerprint() == before
    things.with_name("Things.labels.yaml").write_text("red_box: chest")
    assert opened(objects=[str(things)]).fingerprint() != before


def test_an_environment_map_says_where_it_is(tmp_path: Path, opened: Callable[..., Catalog]) -> None:
    sky = {"asset_type": "Texture", "kwargs": {"filename": "{asset_dir}/environment_4k.hdr"}, "license": "CC0 1.0"}
    entries = {
        "venice_sunset": sky | {"metadata": {"categories": ["outdoor", "urban"]}},
        "empty_workshop": sky | {"metadata": {"tags": ["indoor"]}},
        "forest_slope": sky,
    }
    archives = {name: tar({"environment_4k.hdr": HDR}) for name in entries}
    catalog = opened(environments=[str(write_set(tmp_path / "m", entries, archives))])
    found = {a.id: (a.label, a.indoor) for a in catalog.environments}
    assert found == {
        "venice_sunset": ("city street at sunset", False),
        "empty_workshop": ("workshop", True),
        "forest_slope": ("forest", False),
    }
    assert catalog.environment_path("Things:forest_slope").read_bytes() == HDR
    assert sorted(a.split for a in catalog.environments) == ["test", "train", "train"]


def test_the_arguments_for_kubric_are_a_copy_of_ones_own(things: Path, opened: Callable[..., Catalog]) -> None:
    catalog = opened(objects=[str(things)])
    first = catalog.arguments("Things:red_box")
    assert Path(first["render_filename"]) == catalog.mesh_path("Things:red_box")
    first["bounds"][0][0] = 7.0
    first["scale"] = 3.0
    assert catalog.arguments("Things:red_box")["bounds"][0][0] == -0.05
    assert "scale" not in catalog.arguments("Things:red_box")


def test_the_folder_is_filled_in_at_every_depth() -> None:
    kwargs = {"a": "{asset_dir}/x", "b": {"c": ["{asset_dir}/y", 1]}}
    made = Entry(
        id="x", asset_type="Texture", archive="", data_dir="", sha256="", license="", kwargs=kwargs, metadata={}
    )
    assert made.arguments(Path("/d")) == {"a": "/d/x", "b": {"c": ["/d/y", 1]}}
    assert kwargs["b"] == {"c": ["{asset_dir}/y", 1]}


# Manifests


def test_archives_may_hold_their_files_in_a_folder(tmp_path: Path, opened: Callable[..., Catalog]) -> None:
    nested = tar({f"box/{name}": content for name, content in box_files().items()})
    catalog = opened(objects=[str(write_set(tmp_path / "m", {"box": entry()}, {"box": nested}))])
    assert catalog.mesh_path("Things:box").read_text() == BOX


def test_an_archive_may_have_a_name_and_a_place_of_its_own(tmp_path: Path, opened: Callable[..., Catalog]) -> None:
    (tmp_path / "store" / "deep").mkdir(parents=True)
    (tmp_path / "store" / "deep" / "b.tgz").write_bytes(tar(box_files()))
    manifest = write_set(tmp_path / "m", {"box": entry(path="deep/b.tgz")}, {}, data_dir="../store")
    assert opened(objects=[str(manifest)]).mesh_path("Things:box").read_text() == BOX


def test_without_an_archive_the_files_lie_in_the_data_folder(tmp_path: Path, opened: Callable[..., Catalog]) -> None:
    manifest = write_set(tmp_path / "m", {"box": entry(path=None)}, {})
    for name, content in box_files().items():
        (tmp_path / "m" / name).write_text(str(content))
    catalog = opened(objects=[str(manifest)])
    assert catalog.mesh_path("Things:box") == tmp_path / "m" / "visual_geometry.obj"
    assert catalog.verify("Things:box") is None and len(catalog.object("Things:box").sha256) == 64


def test_archives_beside_a_copied_manifest_are_used_wherever_it_says_they_are(
    tmp_path: Path, opened: Callable[..., Catalog]
) -> None:
    data_dir = "gs://nowhere.invalid/assets"
    manifest = write_set(tmp_path / "m", {"box": entry()}, {"box": tar(box_files())}, data_dir=data_dir)
    assert opened(objects=[str(manifest)], offline=True).mesh_path("Things:box").read_text() == BOX


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "not JSON"),
        ("[]", "needs an object 'assets'"),
        ('{"assets": {}}', "holds no assets"),
        ('{"assets": {"a": 1}}', "an entry must be an object"),
        (json.dumps({"assets": {"a": entry(asset_type="Light")}}), "unknown asset_type 'Light'"),
        (json.dumps({"assets": {"a": entry(kwargs={})}}), "render_filename must be the name of a file"),
        (json.dumps({"assets": {"a": entry(path=3)}}), "'path' must be"),
        (json.dumps({"assets": {"a": entry(sha256="12")}}), "64 hexadecimal digits"),
        (json.dumps({"assets": {"a": entry()}}).replace("-0.05", "NaN"), "bounds must be finite"),
        (json.dumps({"assets": {"a": entry()}}).replace("-0.05", "0.06"), "the low corner first"),
        (json.dumps({"assets": {"a": entry()}}).replace("visual_geometry.obj", "../x.obj"), "leads out"),
        (json.dumps({"assets": {"a": entry()}}).replace("visual_geometry.obj", "x.fbx"), "simgen assets pack"),
        (json.dumps({"assets": {"a": entry()}}), "1 of 1 files are missing, first .*a.tar.gz"),
        # Found by tests/fuzz.
        ("[" * 100_000, "not JSON"),
        ("9" * 5000, "not JSON"),
        (json.dumps({"assets": {"a": entry(sha256="../" * 21 + "x")}}), "64 hexadecimal digits"),
        (json.dumps({"assets": {"../../a": entry()}}), "'../../a' cannot be the id"),
        (json.dumps({"assets": {"a\n": entry()}}), r"'a\\n' cannot be the id"),
        (json.dumps({"assets": {"\u202ea": entry()}}), "cannot be the id"),
        (json.dumps({"assets": {"\ud800": entry()}}), "cannot be the id"),
        (json.dumps({"assets": {"a": entry(asset_type=["Texture"])}}), "unknown asset_type"),
        (json.dumps({"assets": {"a": entry()}, "data_dir": "A" * 1000}), "files are missing"),
        (json.dumps({"assets": {"a": entry()}, "data_dir": "A" * 3000}), "'data_dir' must be a text"),
        (json.dumps({"assets": {"a": entry(path="~no-such-user/x")}}), "files are missing"),
        (json.dumps({"assets": {"a": entry()}}).replace("-0.05", "1" + "0" * 400), "bounds must be"),
        (json.dumps({"assets": {"a": entry()}}).replace("-0.05", "-1e300"), "are they in metres"),
        (json.dumps({"assets": {"a": entry()}}).replace("{asset_dir}/visual", "/etc/visual"), "leads out"),
        (json.dumps({"assets": {"a": entry()}}).replace("{asset_dir}/object", ".{asset_dir}/./object"), "leads out"),
    ],
)
def test_a_bad_manifest_is_refused_in_one_sentence(
    tmp_path: Path, opened: Callable[..., Catalog], text: str, said: str
) -> None:
    manifest = tmp_path / "bad.json"
    manifest.write_text(text)
    with pytest.raises(AssetError, match=said) as caught:
        opened(objects=[str(manifest)])
    assert str(manifest) in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("materials", "said"),
    [
        (3, "must map slots to materials"),
        ({"lid": 3}, "a material must be an object"),
        ({"lid": {"shine": 1}}, "no material field 'shine'"),
        ({"lid": {"roughness": "rough"}}, "material.roughness must be a number; got 'rough'"),
        ({"lid": {"base_color": [0.1, 0.2]}}, "material.base_color must be three numbers"),
        ({"lid": {"color_map": "../../secret.png"}}, "must be the name of a file in the asset's folder"),
        ({"lid": {"color_map": "/etc/passwd"}}, "must be the name of a file in the asset's folder"),
        ({"lid": {"layers": [1]}}, "must be left to simgen's own models"),
    ],
)
def test_a_material_of_a_stranger_is_checked(
    tmp_path: Path, opened: Callable[..., Catalog], materials: Any, said: str
) -> None:
    data = entry(metadata={"volume": 0.00048, "materials": materials})
    manifest = write_set(tmp_path / "m", {"box": data}, {"box": tar(box_files())})
    with pytest.raises(AssetError, match=said) as caught:
        opened(objects=[str(manifest)])
    assert "\n" not in str(caught.value)


def test_words_of_a_stranger_are_plain_and_short(tmp_path: Path, opened: Callable[..., Catalog]) -> None:
    data = entry(
        license="CC\u202e0\x1b[2J\n1.0",
        metadata={"label": "red\u202e box\x07" + "x" * 5000, "author": "A\ud800" * 3000, "description": "\u2066\nx"},
    )
    manifest = write_set(tmp_path / "m", {"box": data}, {"box": tar(box_files())})
    box = opened(objects=[str(manifest)]).object("Things:box")
    assert box.label.startswith("red boxx") and len(box.label) == 100
    assert box.credit.license == "CC0[2J 1.0" and box.credit.author == "A" * 500 and box.credit.title == "box"
    for text in (box.label, box.credit.title, box.credit.author, box.credit.license):
        assert text.isprintable()


@pytest.mark.parametrize("name", ["../../pipelines/smoke", "words"])
def test_a_manifest_that_is_named_like_a_file_of_ours_reads_none_of_it(
    tmp_path: Path, opened: Callable[..., Catalog], name: str
) -> None:
    manifest = write_set(tmp_path / "m", {"box": entry()}, {"box": tar(box_files())}, name=name)
    assert len(opened(objects=[str(manifest)]).objects) == 1


def test_labels_that_multiply_without_end_are_refused(things: Path, opened: Callable[..., Catalog]) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{k}: &a{k} [{', '.join([f'*a{k - 1}'] * 10)}]" for k in range(1, 12)]
    things.with_name("Things.labels.yaml").write_text("\n".join(lines))
    with pytest.raises(AssetError, match=r"the alias \*a0"):
        opened(objects=[str(things)])


@pytest.mark.parametrize(
    "address", ["file:///etc/passwd", "local:///etc/passwd", "simplecache::http://x/y", "reference://x", "memory://x"]
)
def test_a_manifest_from_elsewhere_cannot_name_a_file_of_this_machine(tmp_path: Path, address: str) -> None:
    with pytest.raises(AssetError, match=r"names a file of this machine|cannot be fetched: .* is not one of http"):
        made = parse_manifest({"assets": {"a": entry(path=address)}}, "https://example.org/Things.json", {})
        Cache(root=tmp_path).fetch(made.entries[0].archive)


def test_a_missing_manifest_says_so(tmp_path: Path, opened: Callable[..., Catalog]) -> None:
    with pytest.raises(AssetError, match=r"none\.json: no such manifest"):
        opened(objects=[str(tmp_path / "none.json")])
    with pytest.raises(AssetError, match="did you mean 'gso'"):
        opened(objects=["gsoo"])


def test_objects_given_as_environment_maps_say_which_option_was_meant(
    things: Path, opened: Callable[..., Catalog]
) -> None:
    with pytest.raises(AssetError, match="holds no environment maps; give it with --assets"):
        opened(environments=[str(things)])


def test_two_manifests_of_one_name_are_refused(things: Path, tmp_path: Path, opened: Callable[..., Catalog]) -> None:
    other = write_set(tmp_path / "other", {"box": entry()}, {"box": tar(box_files())})
    with pytest.raises(AssetError, match="'Things' is also that of"):
        opened(objects=[str(things), str(other)])
    assert len(opened(objects=[str(things), str(things)]).objects) == 3


# Archives and meshes that cannot be used


def link(name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member


def twice(name: str) -> bytes:
    """An archive that holds a file two times: whoever reads it takes the first or the second."""
    member = tarfile.TarInfo(name)
    member.size = 512
    return gzip.compress((member.tobuf() + b"x" * 512) * 2 + b"\0" * 1024, mtime=0)


def lying(kind: bytes, size: int, *, times: int = 1) -> bytes:
    """An archive that begins with a header of a kind and a size, whose content is not there."""
    member = tarfile.TarInfo("lie")
    member.type, member.size = kind, size
    return gzip.compress(member.tobuf(tarfile.GNU_FORMAT) * times + b"\0" * 1024, mtime=0)


def with_attributes(data: bytes, **attributes: str) -> bytes:
    """An archive of one file with extended attributes."""
    member = tarfile.TarInfo("map")
    member.size, member.pax_headers = len(data), {name.replace("__", "."): v for name, v in attributes.items()}
    padding = b"\0" * (-len(data) % 512 + 1024)
    return gzip.compress(member.tobuf(tarfile.PAX_FORMAT) + data + padding, mtime=0)


def huge(name: str) -> bytes:
    """An archive whose first member claims more than any asset has; its content is not there."""
    member = tarfile.TarInfo(name)
    member.size = 5 << 30
    return gzip.compress(member.tobuf(), mtime=0)


BAD_ARCHIVES = {
    "cut in the middle": (tar(box_files())[:300], "truncated"),
    "cut at the last byte": (tar(box_files())[:-1], "truncated"),
    "not an archive": (b"hello", "truncated or not a tar"),
    "empty file": (b"", "truncated or not a tar"),
    "no members": (tar({}), "empty"),
    "climbing": (tar(box_files() | {"../evil.txt": "x"}), r"'\.\./evil\.txt' would be written outside"),
    "climbing inside": (tar(box_files() | {"a/../../evil.txt": "x"}), "would be written outside"),
    "absolute": (tar(box_files() | {"/var/evil.txt": "x"}), "'/var/evil.txt' would be written outside"),
    "symbolic link": (tar(box_files(), link("way", "/etc")), "'way' is a link"),
    "hard link": (tar(box_files(), link("way", "data.json", tarfile.LNKTYPE)), "'way' is a link"),
    "pipe": (tar(box_files(), link("pipe", "", tarfile.FIFOTYPE)), "'pipe' is a link or a device"),
    "huge": (huge("sky.hdr"), "'sky.hdr' makes the archive unpack to more"),
    "one name twice": (tar({"a": "x", "a/b": "y"}), "two members"),
    "no mesh": (tar(box_files(visual_geometry__obj=None)), r"visual_geometry\.obj: cannot be read"),
    "no urdf": (tar(box_files(object__urdf=None)), r"object\.urdf: the URDF cannot be read"),
    "urdf not xml": (tar(box_files(object__urdf="<robot>")), "not XML"),
    "urdf of two links": (tar(box_files(object__urdf=URDF.replace("</robot>", "<link/></robot>"))), "2 links"),
    "nan": (tar(box_files(visual_geometry__obj=BOX.replace("v -0.05", "v nan"))), "4 of 8 points are not finite"),
    "nan collision": (tar(box_files(collision_geometry__obj=BOX.replace("0.03", "inf"))), "not finite"),
    "no faces": (tar(box_files(visual_geometry__obj="v 0 0 0\n")), r"the mesh is empty \(1 points, 0 faces\)"),
    "face of no point": (tar(box_files(visual_geometry__obj=BOX + "f 1 2 99\n")), "a point that is not there"),
    # Found by tests/fuzz, or while it was written.
    "a name no disk holds": (tar(box_files() | {"x" * 300: "y"}), "is too long for a disk"),
    "a path no disk holds": (tar(box_files() | {"/".join(["d" * 200] * 30): "y"}), "is too long for a disk"),
    "one file twice": (twice("data.json"), "two members of the archive have one name"),
    "a name of gigabytes": (lying(tarfile.GNUTYPE_LONGNAME, 5 << 30), "a header of 5368709120 bytes"),
    "attributes of gigabytes": (lying(tarfile.XHDTYPE, 5 << 30), "a header of 5368709120 bytes"),
    "a size below nothing": (lying(tarfile.REGTYPE, -512), "a member of -512 bytes"),
    "a size of words": (with_attributes(b"x", size="many"), "no mesh|cannot be read|truncated"),
    "headers of headers": (lying(tarfile.GNUTYPE_LONGNAME, 0, times=3000), "truncated or not a tar"),
    "old holes": (lying(tarfile.GNUTYPE_SPARSE, 512), "a file with holes"),
    "holes without end": (
        with_attributes(b"1\n" * 4_000_000, GNU__sparse__major="1", GNU__sparse__minor="0"),
        "a file with holes",
    ),
    "holes in attributes": (with_attributes(b"x", GNU__sparse__size="9", GNU__sparse__map="0,1"), "is a link or a dev"),
    "much behind the end": (gzip.compress(gzip.decompress(tar(box_files())) + bytes(80 << 20), 1), "64 MiB follow"),
    "urdf with entities": (tar(box_files(object__urdf=f'<!DOCTYPE x [<!ENTITY a "b">]>{URDF}')), "a document type"),
    "urdf in no encoding": (tar(box_files(object__urdf=f'<?xml version="1.0" encoding="x"?>{URDF}')), "not XML"),
    "urdf in utf-7": (tar(box_files(object__urdf=f'<?xml version="1.0" encoding="utf-7"?>{URDF}')), "not XML"),
    "urdf names a file of ours": (
        tar(box_files(object__urdf=URDF.replace("collision_geometry.obj", "/etc/passwd"))),
        "must be a sphere or a mesh file beside the URDF",
    ),
    "a ball of nothing": (
        tar(box_files(object__urdf=URDF.replace('<mesh filename="collision_geometry.obj"/>', '<sphere radius="0"/>'))),
        "has no extent",
    ),
    "a face of two corners": (tar(box_files(visual_geometry__obj=BOX + "f 1 2\n")), "a face of 2 corners"),
    "a face of no corner": (tar(box_files(visual_geometry__obj=BOX + "f \n")), "a face of 0 corners"),
    "a face of point 0": (tar(box_files(visual_geometry__obj="f 0 1 2\n" + BOX)), "or of point 0"),
    "a face of point 10^20": (tar(box_files(visual_geometry__obj=BOX + f"f 1 2 {10**20}\n")), "not a readable OBJ"),
    "points of two numbers": (
        tar(box_files(visual_geometry__obj="v 0 0\nv 1 0\nv 0 1\nf 1 2 1\n")),
        "a point of fewer than three numbers",
    ),
    "words for numbers": (tar(box_files(visual_geometry__obj="v a b c\nf 1 1 1\n")), "not a readable OBJ"),
}


@pytest.mark.parametrize("name", BAD_ARCHIVES)
def test_a_bad_archive_is_refused_by_its_name_and_leaves_nothing(
    tmp_path: Path, opened: Callable[..., Catalog], name: str
) -> None:
    data, said = BAD_ARCHIVES[name]
    catalog = opened(objects=[str(write_set(tmp_path / "m", {"box": entry()}, {"box": data}))])
    with pytest.raises(AssetError, match=said) as caught:
        catalog.mesh_path("Things:box")
    assert "box.tar.gz" in str(caught.value) and "\n" not in str(caught.value)
    assert not list((tmp_path / "cache").rglob("evil.txt")) and not Path("/var/evil.txt").exists()
    assert not list((tmp_path / "cache" / "tmp").iterdir()), "nothing half-written stays"
    assert not (tmp_path / "cache" / "unpacked").exists(), "nothing looks complete"
    assert catalog.verify("Things:box") is not None


def test_a_file_that_is_no_environment_map_is_refused(tmp_path: Path, opened: Callable[..., Catalog]) -> None:
    sky = {"asset_type": "Texture", "kwargs": {"filename": "{asset_dir}/environment_4k.hdr"}}
    manifest = write_set(tmp_path / "m", {"sky": sky}, {"sky": tar({"environment_4k.hdr": b"<html>"})})
    with pytest.raises(AssetError, match="not a Radiance HDR"):
        opened(environments=[str(manifest)]).environment_path("Things:sky")


# The cache


def test_a_changed_archive_is_another_asset(things: Path, opened: Callable[..., Catalog]) -> None:
    first = opened(objects=[str(things)])
    old = first.mesh_path("Things:red_box")
    archive = things.parent / "red_box.tar.gz"
    archive.write_bytes(tar(box_files(visual_geometry__obj=BOX + "# new\n")))
    second = opened(objects=[str(things)])
    assert second.object("Things:red_box").sha256 == hashlib.sha256(archive.read_bytes()).hexdigest()
    assert second.mesh_path("Things:red_box").read_text().endswith("# new\n") and old.read_text() == BOX


def test_an_archive_that_changes_under_an_open_catalogue_is_noticed(
    things: Path, opened: Callable[..., Catalog]
) -> None:
    catalog = opened(objects=[str(things)])
    (things.parent / "red_box.tar.gz").write_bytes(tar(box_files(visual_geometry__obj=BOX + "# new\n")))
    with pytest.raises(AssetError, match="was changed after the manifest was written or opened"):
        catalog.folder("Things:red_box")


def test_the_manifests_sha256_is_held_against_the_archive(tmp_path: Path, opened: Callable[..., Catalog]) -> None:
    manifest = write_set(tmp_path / "m", {"box": entry(sha256="0" * 64)}, {"box": tar(box_files())})
    with pytest.raises(AssetError, match="expected 0000000000000000…"):
        opened(objects=[str(manifest)]).folder("Things:box")


def test_hashes_of_unchanged_files_are_remembered(things: Path, tmp_path: Path, opened: Callable[..., Catalog]) -> None:
    for archive in things.parent.glob("*.tar.gz"):
        os.utime(archive, (1e9, 1e9))
    expected = opened(objects=[str(things)]).object("Things:red_box").sha256
    archive = things.parent / "red_box.tar.gz"
    size = archive.stat().st_size
    # The same size and time of change: the memory is asked, not the file.
    archive.write_bytes(b"x" * size)
    os.utime(archive, (1e9, 1e9))
    assert opened(objects=[str(things)]).object("Things:red_box").sha256 == expected
    os.utime(archive, (2e9, 2e9))
    assert opened(objects=[str(things)]).object("Things:red_box").sha256 != expected


def test_a_cache_that_cannot_be_written_names_the_variable(things: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(AssetError, match=r"cannot be written: .*SIMGEN_CACHE"):
        open_catalog(objects=[str(things)], builtin=False, cache=tmp_path / "file" / "cache").folder("Things:red_box")


def test_verify_finds_a_damaged_copy_and_clears_it(things: Path, opened: Callable[..., Catalog]) -> None:
    catalog = opened(objects=[str(things)])
    mesh = catalog.mesh_path("Things:red_box")
    assert catalog.verify("Things:red_box") is None
    mesh.write_text(BOX.replace("0.05", "0.06"))
    fault = catalog.verify("Things:red_box")
    assert fault is not None and "was damaged and is deleted" in fault
    assert opened(objects=[str(things)]).mesh_path("Things:red_box").read_text() == BOX


def test_verify_finds_bounds_that_are_not_those_of_the_mesh(tmp_path: Path, opened: Callable[..., Catalog]) -> None:
    wrong = entry()
    wrong["kwargs"]["bounds"] = [[-0.05, -0.04, -0.03], [0.05, 0.04, 0.09]]
    manifest = write_set(tmp_path / "m", {"box": wrong}, {"box": tar(box_files())})
    fault = opened(objects=[str(manifest)]).verify("Things:box")
    assert fault is not None and "60 mm off the manifest's bounds" in fault


# Over a network


class Server:
    """Files of a folder over http, counted, with an optional stall in the middle of every archive."""

    def __init__(self, folder: Path) -> None:
        self.asked: list[str] = []
        self.stall = threading.Event()
        self.stalled = threading.Event()
        outer = self

        class Handler(http.server.SimpleHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked.append(self.path)
                path = folder / self.path.lstrip("/")
                if outer.stall.is_set() and path.name.endswith(".tar.gz"):
                    data = path.read_bytes()
                    self.send_response(200)
                    self.send_header("Content-Length", str(len(data)))
                    self.end_headers()
                    self.wfile.write(data[: len(data) // 2])
                    self.wfile.flush()
                    outer.stalled.set()
                    time.sleep(60)
                    return
                super().do_GET()

            def log_message(self, *args: object) -> None:
                pass

        handler = functools.partial(Handler, directory=str(folder))
        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.http.daemon_threads = True
        self.thread = threading.Thread(target=self.http.serve_forever, daemon=True)
        self.thread.start()
        self.address = f"http://127.0.0.1:{self.http.server_address[1]}"

    def archives_asked(self) -> int:
        return sum(path.endswith(".tar.gz") for path in self.asked)

    def stop(self) -> None:
        self.http.shutdown()
        self.http.server_close()


@pytest.fixture
def server(things: Path) -> Iterator[Server]:
    running = Server(things.parent)
    yield running
    running.stop()


USE = """
import sys
from pathlib import Path
from simgen.catalog.catalog import open_catalog
catalog = open_catalog(objects=[sys.argv[1]], builtin=False, cache=Path(sys.argv[2]), offline="offline" in sys.argv)
for asset in catalog.objects:
    print(catalog.mesh_path(f"{asset.source}:{asset.id}"), catalog.object(f"{asset.source}:{asset.id}").sha256)
"""


def use(source: str, cache: Path, *more: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", USE, source, str(cache), *more]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.network
def test_what_has_been_fetched_needs_no_network_again(
    server: Server, things: Path, opened: Callable[..., Catalog]
) -> None:
    source = f"{server.address}/Things.json"
    catalog = opened(objects=[source])
    assert server.archives_asked() == 0, "opening fetches no archive"
    assert catalog.object("Things:red_box").sha256 == ""
    paths = [catalog.mesh_path(ref(asset)) for asset in catalog.objects]
    expected = hashlib.sha256((things.parent / "red_box.tar.gz").read_bytes()).hexdigest()
    assert catalog.object("Things:red_box").sha256 == expected
    count = len(server.asked)
    server.stop()
    for offline in (False, True):
        again = opened(objects=[source], offline=offline)
        assert [again.mesh_path(ref(asset)) for asset in again.objects] == paths
        assert again.fingerprint() == catalog.fingerprint()
    assert len(server.asked) == count


@pytest.mark.network
def test_manifest_and_archives_may_lie_on_a_store(things: Path, shelf: Any, opened: Callable[..., Catalog]) -> None:
    for path in things.parent.iterdir():
        (shelf / path.name).write(path.read_bytes())
    there, here = opened(objects=[f"{shelf}/Things.json"]), opened(objects=[str(things)])
    assert there.mesh_path("Things:red_box").read_bytes() == here.mesh_path("Things:red_box").read_bytes()
    with pytest.raises(AssetError, match="nothing is there; check the address"):
        opened(objects=[f"{shelf}/Other.json"])


@pytest.mark.network
def test_offline_and_not_in_the_cache_says_which_command_fetches_it(
    server: Server, opened: Callable[..., Catalog]
) -> None:
    source = f"{server.address}/Things.json"
    with pytest.raises(AssetError, match=f"offline; fetch it once with a network: simgen assets fetch {source}"):
        opened(objects=[source], offline=True)
    opened(objects=[source])
    with pytest.raises(AssetError, match=r"simgen assets fetch .* --only red_box"):
        opened(objects=[source], offline=True).folder("Things:red_box")
    assert server.archives_asked() == 0


@pytest.mark.network
def test_labels_beside_a_remote_manifest_are_found(
    server: Server, things: Path, opened: Callable[..., Catalog]
) -> None:
    things.with_name("Things.labels.json").write_text('{"red_box": "crimson chest"}')
    source = f"{server.address}/Things.json"
    assert opened(objects=[source]).object("Things:red_box").label == "crimson chest"
    server.stop()
    assert opened(objects=[source]).object("Things:red_box").label == "crimson chest"


@pytest.mark.network
def test_a_remote_archive_that_is_not_what_the_manifest_says_is_refused(
    server: Server, things: Path, tmp_path: Path, opened: Callable[..., Catalog]
) -> None:
    data = json.loads(things.read_text())
    archive = things.parent / "red_box.tar.gz"
    data["assets"]["red_box"]["sha256"] = hashlib.sha256(archive.read_bytes()).hexdigest()
    things.write_text(json.dumps(data))
    catalog = opened(objects=[f"{server.address}/Things.json"])
    good = archive.read_bytes()
    archive.write_bytes(tar(box_files(data__json="{ }")))
    with pytest.raises(AssetError, match="the archive has changed or came damaged"):
        catalog.folder("Things:red_box")
    archive.write_bytes(good)
    assert catalog.mesh_path("Things:red_box").read_text() == BOX


@pytest.mark.network
def test_a_damaged_copy_in_the_cache_is_deleted_and_fetched_anew(
    server: Server, tmp_path: Path, opened: Callable[..., Catalog]
) -> None:
    source = f"{server.address}/Things.json"
    catalog = opened(objects=[source])
    catalog.folder("Things:red_box")
    sha256 = catalog.object("Things:red_box").sha256
    kept = tmp_path / "cache" / "archives" / sha256[:2] / sha256
    kept.write_bytes(kept.read_bytes()[:-8] + b"damaged!")
    fault = opened(objects=[source]).verify("Things:red_box")
    assert fault is not None and "the cached copy was damaged and is deleted" in fault
    assert opened(objects=[source]).verify("Things:red_box") is None


@pytest.mark.network
@pytest.mark.parametrize(("path", "said"), [("/none.json", "nothing is there"), ("/", "not JSON")])
def test_an_address_with_nothing_of_use_is_an_error_that_names_it(
    server: Server, opened: Callable[..., Catalog], path: str, said: str
) -> None:
    with pytest.raises(AssetError, match=said) as caught:
        opened(objects=[server.address + path])
    assert server.address + path in str(caught.value)


@pytest.mark.network
def test_a_host_that_does_not_answer_is_an_error_that_names_it(server: Server, opened: Callable[..., Catalog]) -> None:
    server.stop()
    with pytest.raises(AssetError, match=r"127\.0\.0\.1:\d+ does not answer"):
        opened(objects=[f"{server.address}/Things.json"])


def test_a_protocol_that_nobody_knows_is_an_error(opened: Callable[..., Catalog]) -> None:
    # Found by tests/fuzz: boto answers an empty bucket in three lines.
    for address in ("https://", "https://host", "s3://", "s3:///"):
        with pytest.raises(
            AssetError, match=r"^\S+: cannot be fetched: it must name a host or bucket and a file there"
        ):
            opened(objects=[address])
    with pytest.raises(AssetError, match=r"ftpx://host/Things\.json: cannot be fetched"):
        opened(objects=["ftpx://host/Things.json"])


# Many processes, and kill -9


@pytest.mark.network
def test_many_processes_fetch_each_archive_once(server: Server, tmp_path: Path) -> None:
    running = [use(f"{server.address}/Things.json", tmp_path / "cache") for _ in range(5)]
    answers = [process.communicate(timeout=120) for process in running]
    assert [process.returncode for process in running] == [0] * 5, answers[0][1]
    assert len({out for out, _ in answers}) == 1
    assert server.archives_asked() == 3
    assert not list((tmp_path / "cache" / "tmp").iterdir())


@pytest.mark.network
def test_a_process_killed_in_the_middle_of_a_download_leaves_nothing_that_looks_complete(
    server: Server, tmp_path: Path
) -> None:
    source, cache = f"{server.address}/Things.json", tmp_path / "cache"
    server.stall.set()
    process = use(source, cache)
    assert server.stalled.wait(60)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    kept = [path for path in (cache / "archives").rglob("*") if path.is_file()]
    assert [json.loads(path.read_text())["name"] for path in kept] == ["Things"], "only the manifest is there"
    server.stall.clear()
    process = use(source, cache)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors


def test_processes_killed_while_unpacking_harm_nobody(tmp_path: Path) -> None:
    filler = {f"map_{k}.bin": os.urandom(40_000) for k in range(200)}
    manifest = write_set(tmp_path / "m", {"box": entry()}, {"box": tar(box_files() | filler)})
    cache = tmp_path / "cache"
    for _ in range(4):
        process = use(str(manifest), cache)
        deadline = time.monotonic() + 60
        # Killed as soon as a part of the files has been written.
        while process.poll() is None and time.monotonic() < deadline:
            if list(cache.glob("tmp/*/files/map_*")):
                os.kill(process.pid, signal.SIGKILL)
                break
            time.sleep(0.001)
        process.communicate()
        whole = [folder for folder in cache.glob("unpacked/*/*") if folder.is_dir()]
        assert all(len(list(folder.iterdir())) == 204 for folder in whole)
    process = use(str(manifest), cache)
    out, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert len(list(Path(out.split()[0]).parent.iterdir())) == 204


# What comes with simgen and with Blender


def test_the_built_in_catalogue_is_labelled_split_and_credited() -> None:
    catalog = open_catalog()
    assert len(catalog.objects) >= 24 and len({asset.kind for asset in catalog.objects}) >= 12
    assert len(catalog.surfaces) >= 6 and catalog.given == frozenset()
    for asset in catalog.all:
        assert asset.label == asset.label.lower() and "_" not in asset.label and asset.credit.license == "CC0 1.0"
    test = sum(asset.split == "test" for asset in catalog.objects)
    assert test == (len(catalog.objects) + 5) // 10


def test_blenders_lights_are_environment_maps_with_plain_labels() -> None:
    pytest.importorskip("bpy", reason="Blender is not installed")
    maps = {asset.id: asset for asset in open_catalog().environments if asset.source == "builtin"}
    assert maps["forest"].label == "sunlit forest path" and not maps["forest"].indoor
    assert maps["interior"].indoor and "polyhaven.com" in maps["interior"].credit.url
    assert sum(asset.split == "test" for asset in maps.values()) == 1


def test_without_blender_the_catalogue_opens_without_its_lights(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "bpy", raising=False)
    monkeypatch.setattr(sys, "path", [path for path in sys.path if "site-packages" not in path])
    catalog = open_catalog()
    assert catalog.environments == () and catalog.objects


# Real scans


@pytest.fixture
def scans() -> Path:
    root = os.environ.get("SIMGEN_TEST_DATA")
    if not root:
        pytest.skip("SIMGEN_TEST_DATA names no folder of real assets")
    return Path(root)


def test_real_scans_come_out_with_plain_labels_and_real_masses(scans: Path, opened: Callable[..., Catalog]) -> None:
    catalog = opened(objects=[str(scans / "gso" / "GSO.json")], environments=[str(scans / "hdri" / "HDRI_haven.json")])
    mug = catalog.object("GSO:Room_Essentials_Mug_White_Yellow")
    assert mug.label == "white mug with a yellow handle" and 0.2 < mug.mass_kg < 0.5
    assert mug.manifest_mass_kg < 0.001 and mug.credit.license == "CC BY 4.0"
    for asset in catalog.objects:
        assert 20 < asset.mass_kg / asset.volume_m3 < 8000, asset.id
        assert not {word for word in asset.label.split() if not word.replace("-", "").islower()}, asset.label
        assert asset.credit.author == "Google Research (Google Scanned Objects)"
    assert len({asset.label for asset in catalog.objects}) == len(catalog.objects)
    for name in ("Room_Essentials_Mug_White_Yellow", "Dino_3"):
        assert catalog.verify(f"GSO:{name}") is None
        low, high = catalog.object(f"GSO:{name}").bounds_m
        points = catalog.shape(f"GSO:{name}").points
        assert np.allclose(points.min(axis=0), low, atol=0.004) and np.allclose(points.max(axis=0), high, atol=0.004)
    assert catalog.environment("HDRI_haven:lebombo").indoor
    assert catalog.verify("HDRI_haven:lebombo") is None


def test_one_bad_entry_can_be_left_out_and_changes_nothing_of_the_others(
    tmp_path: Path, opened: Callable[..., Catalog]
) -> None:
    names = [f"thing_{k}" for k in range(12)]
    archives = {name: tar(box_files()) for name in names}
    whole = opened(
        objects=[str(write_set(tmp_path / "whole", {name: entry() for name in names}, archives, name="whole"))]
    )
    bad = {
        "thing_3": entry(kwargs=entry()["kwargs"] | {"bounds": [[0, 0, 0], [0, 0, 0]]}),
        "thing_5": entry(metadata={"substance": "woof"}),
        "thing_7": "nonsense",
    }
    del archives["thing_9"]
    path = write_set(tmp_path / "bad", {name: bad.get(name, entry()) for name in names}, archives, name="whole")
    steps = [
        (
            r"thing_3: kwargs\.bounds .*, and 1 more of its entries cannot be used.*exclude=\[\"whole:thing_3\", ",
            (3, 7),
        ),
        (r"1 of \d+ files are missing, first .*thing_9", (9,)),
        ("thing_5: no substance 'woof'; did you mean 'wood'.*mend it, or go on without", (5,)),
    ]
    left_out: list[str] = []
    for said, numbers in steps:
        with pytest.raises(AssetError, match=said):
            opened(objects=[str(path)], exclude=left_out)
        left_out += [f"whole:thing_{number}" for number in numbers]
    rest = opened(objects=[str(path)], exclude=left_out)
    assert [a.id for a in rest.objects] == sorted(name for name in names if name[-1] not in "3579")
    assert {a.id: a.split for a in rest.objects}.items() <= {a.id: a.split for a in whole.objects}.items()
    with pytest.raises(UnknownName):
        opened(objects=[str(path)], exclude=[*left_out, "whole:thing_99"])


def test_scale_friction_and_restitution_are_what_kubric_makes_of_them(
    tmp_path: Path, opened: Callable[..., Catalog]
) -> None:
    changed = {"scale": [2, 2, 2], "friction": 0.05, "restitution": 1, "mass": 0.384}
    entries = {"big": entry(kwargs=entry()["kwargs"] | changed), "plain": entry()}
    entries["big"]["metadata"] = {"volume": 0.00048, "friction": 0.6}
    path = write_set(tmp_path / "set", entries, {name: tar(box_files()) for name in entries}, name="set")
    catalog = opened(objects=[str(path)])
    big = catalog.object("set:big")
    assert big.size_m == pytest.approx((0.2, 0.16, 0.12)) and big.volume_m3 == pytest.approx(0.00384)
    assert (big.friction, big.restitution, big.mass_kg) == (0.05, 1.0, 0.384)
    assert np.ptp(catalog.shape("set:big").points, axis=0) == pytest.approx([0.2, 0.16, 0.12])
    assert catalog.verify("set:big") is None and catalog.notes == ()
    plain = catalog.object("set:plain")
    assert plain.scale == 1.0 and plain.size_m == pytest.approx((0.1, 0.08, 0.06))


def test_a_catalogue_without_scales_has_the_fingerprint_of_before(
    tmp_path: Path, opened: Callable[..., Catalog]
) -> None:
    catalog = opened(objects=[str(write_set(tmp_path / "set", {"a": entry()}, {"a": tar(box_files())}))])
    facts = [dataclasses.asdict(asset) for asset in catalog.all]
    assert facts[0].pop("scale") == 1.0
    assert catalog.fingerprint() == hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"scale": [1, 2, 1]}, "differs from axis to axis"),
        ({"scale": 0}, "must be a number above 0, or three"),
        ({"scale": "big"}, "must be a number above 0, or three"),
        ({"scale": 1e6}, "reaches further than 1000 m"),
        ({"friction": 1.5}, "kwargs.friction must be a number from 0 to 1"),
        ({"restitution": "high"}, "kwargs.restitution must be a number from 0 to 1"),
    ],
)
def test_arguments_that_kubric_could_not_use_are_refused(
    tmp_path: Path, opened: Callable[..., Catalog], changed: dict[str, Any], said: str
) -> None:
    path = write_set(tmp_path / "set", {"a": entry(kwargs=entry()["kwargs"] | changed)}, {"a": tar(box_files())})
    with pytest.raises(AssetError, match=said):
        opened(objects=[str(path)])


def test_arguments_of_kubric_that_simgen_does_not_use_are_named(tmp_path: Path, opened: Callable[..., Catalog]) -> None:
    silent = {"static": False, "render_import_kwargs": {"axis_forward": "Y", "axis_up": "Z"}}
    loud = {"static": True, "render_import_kwargs": {"axis_up": "Y"}}
    entries = {name: entry(kwargs=entry()["kwargs"] | (silent if name == "e" else loud)) for name in "abcde"}
    path = write_set(tmp_path / "set", entries, {name: tar(box_files()) for name in entries})
    first, second = opened(objects=[str(path)]).notes
    assert "kwargs.render_import_kwargs of a, b, c and 1 more is not used" in first and "kwargs.static" in second
