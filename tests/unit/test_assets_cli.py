"""`simgen assets`: what the commands print and how they end."""

import functools
import gzip
import http.server
import io
import json
import tarfile
import threading
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from simgen.cli.commands.assets import assets
from simgen.cli.errors import explain
from simgen.core.errors import AssetError, UnknownName
from simgen.storage.urls import scrub

TRIANGLES = "v -0.05 -0.05 -0.05\nv 0.05 -0.05 -0.05\nv 0 0.05 -0.05\nv 0 0 0.05\nf 1 3 2\nf 1 2 4\nf 2 3 4\nf 3 1 4\n"
URDF = """<robot name="x"><link name="base"><inertial><mass value="0.1"/></inertial>
<collision><geometry><mesh filename="collision_geometry.obj"/></geometry></collision></link></robot>"""


def archive() -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        names = {"visual_geometry.obj": TRIANGLES, "collision_geometry.obj": TRIANGLES, "object.urdf": URDF}
        for name, text in names.items():
            member = tarfile.TarInfo(name)
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text.encode()))
    return gzip.compress(stream.getvalue(), mtime=0)


@pytest.fixture
def things(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A manifest of three objects, and a cache of one's own."""
    monkeypatch.setenv("SIMGEN_CACHE", str(tmp_path / "cache"))
    kwargs = {
        "bounds": [[-0.05, -0.05, -0.05], [0.05, 0.05, 0.05]],
        "mass": 0.1,
        "render_filename": "{asset_dir}/visual_geometry.obj",
        "simulation_filename": "{asset_dir}/object.urdf",
    }
    folder = tmp_path / "things"
    folder.mkdir()
    entries = {}
    for name in ("red_mug", "wooden_block", "tall_vase"):
        (folder / f"{name}.tar.gz").write_bytes(archive())
        entries[name] = {"asset_type": "FileBasedObject", "kwargs": kwargs, "license": "CC0 1.0"}
    (folder / "Things.json").write_text(json.dumps({"name": "Things", "assets": entries}))
    return folder / "Things.json"


@pytest.fixture
def address(things: Path) -> Iterator[str]:
    """The same manifest over http."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(things.parent)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/Things.json"
    server.shutdown()
    server.server_close()


def run(*words: str) -> Result:
    """The result of `simgen assets WORDS`; its `return_value` is the exit code."""
    result = CliRunner().invoke(assets, list(words), standalone_mode=False)
    if result.exception is not None:
        raise result.exception
    return result


def test_list_shows_a_line_for_every_asset(things: Path) -> None:
    lines = run("list", str(things)).output.splitlines()
    assert lines[0].split() == ["asset", "label", "size", "mass", "split", "license"]
    assert len(lines) == 4
    mug = next(line for line in lines if "Things:red_mug" in line)
    assert "red mug" in mug and "10 x 10 x 10 cm" in mug and "100 g" in mug and "CC0 1.0" in mug


def test_list_as_json_holds_every_fact(things: Path) -> None:
    facts = {asset["id"]: asset for asset in json.loads(run("list", str(things), "--json").output)}
    assert facts["wooden_block"]["type"] == "object" and facts["wooden_block"]["substance"] == "wood"
    assert {asset["split"] for asset in facts.values()} == {"train", "test"}
    assert len(facts["red_mug"]["sha256"]) == 64 and facts["red_mug"]["credit"]["license"] == "CC0 1.0"


def test_list_without_a_source_shows_what_comes_with_simgen(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "builtin:" in run("list").output


@pytest.mark.network
def test_fetch_brings_one_asset_or_all(address: str) -> None:
    result = run("fetch", address, "--only", "red_mug")
    assert result.return_value == 0 and result.stdout.startswith("1 assets of Things")
    assert run("verify", address).stdout == "1 assets are sound, 2 have not been fetched\n"
    assert run("fetch", address).stdout.startswith("3 assets of Things")
    assert run("verify", address).stdout == "3 assets are sound\n"


@pytest.mark.network
def test_fetch_reports_what_cannot_be_had_and_goes_on(address: str, things: Path) -> None:
    (things.parent / "red_mug.tar.gz").unlink()
    result = run("fetch", address)
    assert result.return_value == 1
    assert "red_mug.tar.gz: cannot be fetched: nothing is there" in result.stderr
    assert result.stdout.startswith("2 assets of Things")


@pytest.mark.network
def test_fetch_of_an_unknown_id_names_the_nearest(address: str) -> None:
    with pytest.raises(UnknownName, match="did you mean 'red_mug'"):
        run("fetch", address, "--only", "red_mgu")


def test_verify_prints_one_line_for_every_fault_and_fails(things: Path) -> None:
    for name in ("red_mug", "tall_vase"):
        path = things.parent / f"{name}.tar.gz"
        path.write_bytes(path.read_bytes()[:100])
    result = run("verify", str(things))
    assert result.return_value == 1
    lines = result.stdout.splitlines()
    assert [line.split(":")[1] for line in lines] == ["red_mug", "tall_vase"]
    assert all("truncated" in line for line in lines)
    assert "2 of 3 assets are damaged" in result.stderr


def test_a_missing_archive_is_one_sentence(things: Path) -> None:
    (things.parent / "red_mug.tar.gz").unlink()
    with pytest.raises(AssetError, match=r"1 of 3 files are missing, first .*red_mug\.tar\.gz"):
        run("verify", str(things))


def test_pack_makes_a_manifest_that_can_be_listed(tmp_path: Path, things: Path) -> None:
    pytest.importorskip("coacd", reason="the extra 'generate' is not installed")
    (tmp_path / "meshes").mkdir()
    text = TRIANGLES.replace("0.05", "50")
    (tmp_path / "meshes" / "blue_pyramid.obj").write_text(text)
    result = run("pack", str(tmp_path / "meshes"), str(tmp_path / "mine"), "--unit", "mm", "--substance", "wood")
    assert result.return_value == 0 and "blue_pyramid: blue pyramid, 10 x 10 x 10 cm" in result.stdout
    listed = run("list", str(tmp_path / "mine" / "mine.json")).output
    assert "mine:blue_pyramid" in listed and "not stated" in listed
    result = run("pack", str(tmp_path / "meshes"), str(tmp_path / "giants"))
    assert "warning: " in result.stderr and "100 m across" in result.stderr


SECRETS = ("pa55w0rd", "s3cret", "n3wt0k")


def files_with_secrets(folder: Path) -> list[Path]:
    return [p for p in folder.rglob("*") if p.is_file() and any(word.encode() in p.read_bytes() for word in SECRETS)]


@pytest.mark.network
def test_what_asks_for_a_password_and_a_token_is_fetched_and_neither_is_kept(
    guard: Callable[[Path], Any], things: Path, tmp_path: Path
) -> None:
    """2 s: of a dozen requests."""
    served = guard(things.parent)
    (things.parent / "Things.labels.yaml").write_text("red_mug: crimson cup\n")
    said = [run("list", served.address("Things.json")).output, run("fetch", served.address("Things.json")).output]
    assert "crimson cup" in said[0], "the labels beside it are asked for with the suffix on the path"
    assert said[1].startswith("3 assets of Things")
    assert {name for name, allowed in served.asked if allowed} >= {"/Things.labels.yaml", "/red_mug.tar.gz"}
    assert all(allowed for _, allowed in served.asked)
    # Another token: the manifest is asked for again by `fetch`, what it names is there.
    served.token, asked = "n3wt0k", len(served.asked)
    said.append(run("fetch", served.address("Things.json")).output)
    assert not [name for name, _ in served.asked[asked:] if name.endswith(".tar.gz")]
    said.append(run("verify", served.address("Things.json")).output)
    assert not [word for word in SECRETS if word in "".join(said)]
    assert list((tmp_path / "cache" / "addresses").iterdir()) and not files_with_secrets(tmp_path / "cache")


@pytest.mark.network
@pytest.mark.parametrize(
    ("name", "token", "why"),
    [("Things.json", "s3cret-of-others", "refuses access"), ("Gone.json", None, "nothing is there")],
)
def test_what_cannot_be_had_is_told_without_password_and_token(
    guard: Callable[[Path], Any], things: Path, tmp_path: Path, name: str, token: str | None, why: str
) -> None:
    with pytest.raises(AssetError, match=why) as caught:
        run("list", guard(things.parent).address(name, token))
    text = "".join(traceback.format_exception(caught.value))
    assert not [word for word in SECRETS if word in str(caught.value)]
    assert not [word for word in SECRETS if word in explain(RuntimeError(text))[0] + scrub(text)]
    assert not files_with_secrets(tmp_path / "cache")


def test_list_and_verify_go_on_without_what_cannot_be_used(things: Path) -> None:
    data = json.loads(things.read_text())
    data["assets"]["flat"] = {**data["assets"]["red_mug"], "kwargs": {"bounds": 3}}
    data["assets"]["red_mug"]["kwargs"]["static"] = True
    things.write_text(json.dumps(data))
    result = run("list", str(things))
    assert result.return_value == 1 and len(result.stdout.splitlines()) == 4
    assert "cannot be used: " in result.stderr and "flat: kwargs" in result.stderr
    assert "kwargs.static of red_mug is not used" in result.stderr
    result = run("verify", str(things))
    assert result.return_value == 1 and "1 of 4 assets are damaged" in result.stderr


def test_pack_leaves_out_what_it_cannot_pack_and_says_so_with_its_exit_code(tmp_path: Path, things: Path) -> None:
    pytest.importorskip("coacd", reason="the extra 'generate' is not installed")
    (tmp_path / "meshes").mkdir()
    (tmp_path / "meshes" / "a.obj").write_text(TRIANGLES)
    (tmp_path / "meshes" / "b.obj").write_text("v 0 0 0\n")
    result = run("pack", str(tmp_path / "meshes"), str(tmp_path / "mine"), "--up", "z")
    assert result.return_value == 3 and "up is z (as you say)" in result.stdout
    assert "b.obj: the mesh is empty" in result.stderr and "1 of 2 meshes are left out" in result.stderr
    assert "packing 1 of 2: a.obj" in result.stderr
    (tmp_path / "meshes" / "a.obj").unlink()
    with pytest.raises(AssetError, match="none of its 1 meshes could be packed"):
        run("pack", str(tmp_path / "meshes"), str(tmp_path / "mine"))
