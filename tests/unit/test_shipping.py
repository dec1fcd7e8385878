"""What goes to the nodes of a cluster, and which nodes are refused. `tests/ray` has the nodes themselves."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from simgen.catalog.catalog import open_catalog
from simgen.core.errors import EnvironmentProblem, UsageError
from simgen.plan.fingerprint import pins
from simgen.plan.recipe import AssetChoice, Recipe, load_recipe
from simgen.run import shipping
from simgen.run.shipping import build_package, check_node, check_pins, localize_recipe


def recipe(**rest: object) -> Recipe:
    return replace(load_recipe("drop"), **rest)  # type: ignore[arg-type]


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """Two environment maps: one whose archive lies in a folder of its own, one at an address."""
    (tmp_path / "archives").mkdir()
    (tmp_path / "archives" / "hall.tar.gz").write_bytes(b"a hall")
    asset = {"asset_type": "Texture", "kwargs": {"filename": "x.hdr"}, "license": "CC0", "sha256": "0" * 64}
    assets = {"hall": asset, "far": {**asset, "path": "https://nowhere.invalid/far.tar.gz"}}
    path = tmp_path / "maps.json"
    path.write_text(json.dumps({"data_dir": "archives", "assets": assets}))
    (tmp_path / "maps.labels.yaml").write_text("hall: a large hall\n")
    return path


def in_package(package: Path, code: str) -> str:
    """What a Python says that finds simgen in the package that was shipped, and nowhere else."""
    start = f"import sys; sys.path.insert(0, {str(package.parent)!r}); "
    ended = subprocess.run([sys.executable, "-c", start + code], capture_output=True, text=True, cwd=package.parent)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.strip()


def test_what_is_shipped_is_this_simgen_with_its_scenes_and_pins(tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "mine.py").write_text("x = 1\n")
    made = build_package(recipe(scene_folders=(str(tmp_path / "more"),)), tmp_path / "place")
    assert made.paths == {str(tmp_path / "more"): "scenes/0"}
    assert (made.package / "_bundled" / "shipped" / "scenes" / "0" / "mine.py").is_file()
    code = (
        "import simgen, json; from simgen.plan.fingerprint import pins; from simgen.plan.recipe import load_recipe;"
        "print(json.dumps([simgen.__file__, pins(load_recipe('drop'))]))"
    )
    where, there = json.loads(in_package(made.package, code))
    assert Path(where).parent == made.package
    assert there == pins(load_recipe("drop"))


def test_a_small_manifest_travels_with_its_files_and_is_the_same_catalogue(tmp_path: Path, manifest: Path) -> None:
    before = recipe(assets=AssetChoice(environments=(str(manifest),)))
    made = build_package(before, tmp_path / "place")
    shipped = made.package / "_bundled" / "shipped" / "environments" / "0"
    assert (shipped / "files" / "1.tar.gz").read_bytes() == b"a hall"
    there, here = (
        open_catalog(environments=[str(path)], builtin=False, cache=tmp_path / "cache")
        for path in (shipped / "maps.json", manifest)
    )
    assert there.fingerprint() == here.fingerprint()
    assert [asset.label for asset in there.environments][-1] == "a large hall"


def test_a_recipe_has_the_same_fingerprint_where_its_files_lie_elsewhere(tmp_path: Path, manifest: Path) -> None:
    before = recipe(assets=AssetChoice(environments=(str(manifest), "hdri_haven")), scene_folders=("/a",))
    after = localize_recipe(before, {str(manifest): "environments/0/maps.json", "/a": "scenes/0"})
    assert after.fingerprint == before.fingerprint
    assert after.assets.environments[0].endswith("_bundled/shipped/environments/0/maps.json")
    assert after.assets.environments[1] == "hdri_haven"
    assert after.scene_folders[0].endswith("_bundled/shipped/scenes/0")


def test_a_manifest_that_is_too_large_stays_and_a_node_without_it_is_told_what_to_do(
    tmp_path: Path, manifest: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shipping, "MOST_BYTES", 100)
    large = recipe(assets=AssetChoice(environments=(str(manifest),)))
    assert build_package(large, tmp_path / "place").paths == {}
    check_node(large, {}, host="node-7")
    manifest.unlink()
    with pytest.raises(EnvironmentProblem, match=r"maps\.json: is not on node-7.*a disk that all machines share, or"):
        check_node(large, {}, host="node-7")


def test_a_folder_of_scenes_with_everything_in_it_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shipping, "MOST_BYTES", 100)
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "film.mkv").write_bytes(bytes(101))
    with pytest.raises(UsageError, match=r"home: a folder of scenes goes to every node.*move out what is no scene"):
        build_package(recipe(scene_folders=(str(tmp_path / "home"),)), tmp_path / "place")


def test_a_node_of_the_same_versions_is_taken() -> None:
    check_node(recipe(), {**pins(recipe()), "assets": "1"}, host="node-7")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"bpy": "4.5.1"}, r"node-7: would make other bytes.*: bpy is .* there and 4\.5\.1 here; install the same"),
        ({"simgen": "0.1.0+0"}, r"simgen is 0\.1\.0\+.* there and 0\.1\.0\+0 here"),
        ({"scene drop": "0"}, "scene drop is .* there and 0 here"),
        ({"povray": "3"}, "povray is none there and 3 here"),
    ],
)
def test_a_node_of_other_versions_is_refused_with_the_difference(changed: dict[str, str], said: str) -> None:
    with pytest.raises(EnvironmentProblem, match=said):
        check_node(recipe(), {**pins(recipe()), **changed}, host="node-7")


def test_a_node_with_other_assets_or_another_card_is_refused() -> None:
    with pytest.raises(EnvironmentProblem, match="assets is 1 there and 2 here"):
        check_pins({"assets": "1"}, {"assets": "2", "bpy": "4"}, host="node-7", complete=False)
    with pytest.raises(EnvironmentProblem, match="card is A100 there and H100 here"):
        check_pins({"assets": "1", "card": "A100"}, {"assets": "1", "card": "H100"}, host="n", complete=False)
