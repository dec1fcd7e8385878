"""The user's own objects come first, and before a run it is said which of them fit nothing."""

import gzip
import io
import json
import tarfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simgen.catalog.catalog import Catalog, open_catalog, ref
from simgen.core.errors import UsageError
from simgen.core.spec import SceneSpec
from simgen.dataset.own_objects import OwnObjects, count_use, read_own_objects, write_own_objects
from simgen.make.fits import Fits, find_fits, in_words, refusal
from simgen.plan.recipe import Recipe, load_recipe, parse_recipe
from simgen.scene.draw import Draw, NothingFits
from simgen.scene.registry import Phrases, Scene, build

URDF = """<robot name="x"><link name="base"><inertial><mass value="0.3"/></inertial>
<collision><geometry><mesh filename="collision_geometry.obj"/></geometry></collision></link></robot>"""
FACES = ("1 2 4 3", "5 7 8 6", "1 5 6 2", "3 4 8 7", "1 3 7 5", "2 6 8 4")
Size = tuple[float, float, float]


def box(size: Size) -> bytes:
    half = [edge / 2 for edge in size]
    corners = [(x, y, z) for x in (-half[0], half[0]) for y in (-half[1], half[1]) for z in (-half[2], half[2])]
    mesh = "\n".join([*("v {} {} {}".format(*c) for c in corners), *(f"f {face}" for face in FACES)]).encode()
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for name, data in (
            ("visual_geometry.obj", mesh),
            ("collision_geometry.obj", mesh),
            ("object.urdf", URDF.encode()),
        ):
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return gzip.compress(stream.getvalue(), mtime=0)


@pytest.fixture
def make_manifest(tmp_path: Path) -> Callable[..., Path]:
    """`make_manifest({"crate": (0.8, 0.6, 0.5)})`: boxes of that size in metres."""

    def make(sizes: dict[str, Size], name: str = "Mine") -> Path:
        entries: dict[str, Any] = {}
        for asset_id, size in sizes.items():
            (tmp_path / f"{asset_id}.tar.gz").write_bytes(box(size))
            high = [edge / 2 for edge in size]
            entries[asset_id] = {
                "asset_type": "FileBasedObject",
                "kwargs": {
                    "bounds": [[-edge for edge in high], high],
                    "render_filename": "{asset_dir}/visual_geometry.obj",
                    "simulation_filename": "{asset_dir}/object.urdf",
                },
                "metadata": {"mass_kg": 2.0, "kind": "box"},
            }
        (tmp_path / f"{name}.json").write_text(json.dumps({"name": name, "assets": entries}))
        return tmp_path / f"{name}.json"

    return make


def draw_of(catalog: Catalog, seed: int = 0, **changed: Any) -> Draw:
    return Draw(rng=np.random.default_rng(seed), catalog=catalog, split="train", **changed)


CUBE: Size = (0.1, 0.1, 0.1)


def with_builtin(*manifests: Path) -> Catalog:
    return open_catalog(objects=[str(path) for path in manifests])


def test_every_own_object_is_tried_before_a_built_in_one(make_manifest: Callable[..., Path]) -> None:
    """Of twenty one fits: with three tries it would be missed most of the time. The built-in ones take 2 s to make."""
    sizes: dict[str, Size] = {f"cube_{k}": CUBE for k in range(19)}
    catalog = with_builtin(make_manifest({**sizes, "flat_tile": (0.1, 0.1, 0.02)}))
    flat = [
        ref(draw_of(catalog, seed, strict=False).object(where=lambda a, _: a.size_m[2] < 0.03)) for seed in range(8)
    ]
    wanted = "Mine:flat_tile" if catalog.object("Mine:flat_tile").split == "train" else ""
    assert wanted and set(flat) == {wanted}


def test_without_one_that_fits_a_built_in_one_stands_in_unless_that_is_refused(
    make_manifest: Callable[..., Path],
) -> None:
    catalog = with_builtin(make_manifest({"crate": (0.8, 0.6, 0.5)}))
    assert draw_of(catalog).object(size_m=(0.05, 0.3)).source == "builtin"
    with pytest.raises(NothingFits, match=r"no object of your own in the train split fits, and assets\.strict is true"):
        draw_of(catalog, strict=True).object(size_m=(0.05, 0.3))


def test_a_scene_that_takes_larger_objects_takes_ones_own_and_no_others(make_manifest: Callable[..., Path]) -> None:
    catalog = with_builtin(make_manifest({"crate": (0.8, 0.6, 0.5), "shed": (3.0, 2.0, 2.0)}))
    draw = draw_of(catalog, own_up_to_m=1.2)
    assert {ref(draw.object(size_m=(0.05, 0.3))) for _ in range(6)} == {"Mine:crate"}
    # What only stands there is not as large as that.
    assert draw.object(size_m=(0.05, 0.3), aside=True).source == "builtin"
    crate = draw.body(catalog.object("Mine:crate"), 1, role="actor")
    stages = {draw.spec("x", [crate]).stage.kind for _ in range(12)}
    assert stages <= {"floor", "sweep"}


def test_the_draws_of_built_in_objects_are_what_they_were(make_manifest: Callable[..., Path]) -> None:
    """A scene that takes larger objects draws the same where there are none, to the last number."""
    catalog = open_catalog()
    plain, wide = draw_of(catalog, 5), draw_of(catalog, 5, own_up_to_m=1.2)
    for draw in (plain, wide):
        draw.object(size_m=(0.05, 0.3))
        draw.spec("x", [draw.body(draw.object(), 1, role="actor")])
    assert plain.rng.random() == wide.rng.random()


@dataclass(frozen=True, kw_only=True)
class Small(Scene):
    """For things of 5 to 30 cm that can stand."""

    name = "small"
    law = "gravity"
    types = (21,)
    phrases = Phrases(superficial=(), intermediate=(), explicit=())

    def sample(self, draw: Draw) -> SceneSpec:
        thing = draw.object(size_m=(0.05, 0.3), where=lambda _, shape: shape.support().tip_angle_rad > 0.2)
        body = draw.body(thing, 1, role="actor")
        return draw.spec("small", [body, *draw.bystanders([body], 2, view=draw.view())])


@dataclass(frozen=True, kw_only=True)
class Aside(Small):
    """Objects stand beside and nothing more; whoever draws it anyway fails."""

    name = "aside"

    def sample(self, draw: Draw) -> SceneSpec:
        raise AssertionError(draw.bystanders)


def found(sizes: dict[str, Size], make: Callable[..., Path], scenes: Sequence[Scene] = (Small(),)) -> Fits:
    return find_fits({scene.name: scene for scene in scenes}, with_builtin(make(sizes)))


def test_objects_that_fit_no_scene_are_named_before_the_run(make_manifest: Callable[..., Path]) -> None:
    fits = found({"crate": (0.8, 0.6, 0.5), "cup": CUBE}, make_manifest)
    assert fits.objects == ("Mine:crate", "Mine:cup")
    assert fits.of("Mine:cup") == fits.beside("Mine:cup") == ("small",)
    assert fits.unused == ("Mine:crate",)
    assert in_words(fits, strict=False)[0].startswith(
        "1 of your 2 objects fit no scene of the recipe and will not be used: Mine:crate; see what fits where: simgen"
    )


def test_a_scene_that_none_fits_is_named_and_refused_where_that_is_strict(make_manifest: Callable[..., Path]) -> None:
    fits = found({"crate": (0.8, 0.6, 0.5)}, make_manifest)
    assert fits.without == ("small",)
    assert (
        "none of your 1 object fits small: built-in objects are used there instead" in in_words(fits, strict=False)[1]
    )
    assert refusal(fits).startswith(
        "assets.strict is true, and none of your 1 object fits small; leave such scenes out"
    )


def test_with_objects_for_training_alone_the_test_samples_are_named(make_manifest: Callable[..., Path]) -> None:
    fits = found({"cup": CUBE}, make_manifest)
    assert fits.without == ("small (test)",)
    assert refusal(fits) == ""


def test_a_scene_in_which_objects_only_stand_beside_is_not_drawn(make_manifest: Callable[..., Path]) -> None:
    fits = found({"cup": CUBE, "crate": (0.8, 0.6, 0.5)}, make_manifest, [Aside()])
    assert fits.scenes == {} and fits.aside == {"aside": ("Mine:cup",)}
    assert fits.unused == ("Mine:crate",) and not fits.without


def test_an_object_whose_files_cannot_be_used_is_named(make_manifest: Callable[..., Path], tmp_path: Path) -> None:
    manifest = make_manifest({"cup": CUBE, "mug": CUBE})
    (tmp_path / "mug.tar.gz").write_bytes(b"none")
    fits = find_fits({"small": Small()}, with_builtin(manifest))
    assert list(fits.broken) == ["Mine:mug"]
    assert in_words(fits, strict=False)[0].startswith(f"Mine:mug cannot be used: {tmp_path}/mug.tar.gz: truncated or")


def test_the_scene_drop_takes_objects_of_eighty_centimetres(make_manifest: Callable[..., Path]) -> None:
    load_recipe("drop")
    sizes: dict[str, Size] = {name: (0.8, 0.6, 0.5) for name in ("crate", "bench", "barrel")}
    fits = find_fits({"drop": build("drop")}, with_builtin(make_manifest(sizes)))
    assert set(fits.scenes["drop"]) == {"Mine:crate", "Mine:bench", "Mine:barrel"} and not fits.unused


# In the recipe and in the folder.


def recipe(**assets: Any) -> Recipe:
    return parse_recipe({"name": "mine", "scenes": {"drop": {}}, "assets": assets}, where="here")


def test_strict_is_part_of_a_recipe_only_where_it_is_true() -> None:
    load_recipe("drop")
    plain, loose, strict = recipe(objects=["a.json"]), recipe(objects=["a.json"], strict=False), None
    strict = recipe(objects=["a.json"], strict=True)
    assert "strict" not in plain.as_data()["assets"] and plain.fingerprint == loose.fingerprint != strict.fingerprint
    assert parse_recipe(strict.as_data(), where="back") == strict
    with pytest.raises(UsageError, match=r"assets\.strict is for objects of your own"):
        recipe(strict=True)
    with pytest.raises(UsageError, match=r"assets\.strict must be true or false; got 'yes'"):
        recipe(objects=["a.json"], strict="yes")


def test_what_was_used_is_counted_and_read_back(tmp_path: Path) -> None:
    start = OwnObjects(objects=("M:a", "M:b"), unused=(), without=("roll",), used={}, own=0, builtin=0)
    samples = [("M:a", "builtin:mug"), ("builtin:mug",), ("M:a",), ("simgen:shapes",)]
    counted = count_use(start, samples)
    assert (counted.used, counted.own, counted.builtin) == ({"M:a": 2}, 2, 1)
    write_own_objects(tmp_path, counted)
    assert read_own_objects(tmp_path) == counted
    assert counted.in_words() == [
        "own objects: 2 samples show them, 1 show built-in objects instead; never used: M:b",
        "none of your objects fits roll",
    ]
    assert read_own_objects(tmp_path / "other") is None
