"""What a user meets: a wrong command line, recipe or folder is one sentence and an exit code, and nothing is lost."""

import errno
import io
import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from simgen import __version__
from simgen.cli import commands
from simgen.cli.app import main
from simgen.storage import resources

SCENE = '''
from dataclasses import dataclass
from simgen.scene.registry import Phrases, Scene, register

@register("{name}")
@dataclass(frozen=True, kw_only=True)
class Flip(Scene):
    """Something flips over."""
    turns: int = 1
    """How often."""
    law = "torque"
    types = (21,)
    phrases = Phrases(superficial=("Flip it.",), intermediate=("Flip it.",), explicit=("Flip it.",))
'''


COMMAND = '''
import click

SECTION = "{section}"

@click.command()
def count_keys() -> int:
    """Count the samples of a data set."""
    click.echo("counted")
    return 5
'''


@dataclass(frozen=True)
class Ended:
    code: int
    out: str
    err: str


@pytest.fixture
def simgen(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Ended]:
    """`simgen("status", folder)`: run a command in an empty folder, as the console script does."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setattr("signal.signal", lambda *_: None)

    def go(*arguments: object) -> Ended:
        with pytest.raises(SystemExit) as end:
            main([str(argument) for argument in arguments])
        said = capsys.readouterr()
        code = end.value.code
        assert isinstance(code, int)
        return Ended(code, said.out, said.err)

    return go


def complaint(ended: Ended, code: int) -> str:
    """The one sentence on stderr."""
    assert ended.code == code, ended
    lines = ended.err.splitlines()
    assert len(lines) == 1 and lines[0].startswith("simgen: error: "), ended.err
    assert "Traceback" not in ended.err
    return lines[0].removeprefix("simgen: error: ")


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["genrate"], 2, "no command 'genrate'; did you mean 'generate'?"),
        (["generate", "--nn", "3"], 2, "No such option '--nn'"),
        (["generate", "--n", "many"], 2, "'many' is not a valid integer"),
        (["generate", "drop"], 2, "--n is missing"),
        (["generate", "drop", "--n", "-3"], 2, "--n must be at least 1; got -3"),
        (["generate", "drop", "--n", "0"], 2, "--n must be at least 1; got 0"),
        (["generate", "drop", "--n", "4", "--seed", "-1"], 2, "--seed must be at least 0; got -1"),
        (["generate", "drop", "--n", "4", "--workers", "0"], 2, "--workers must be at least 1; got 0"),
        (["generate", "drop", "--n", "4", "--shard-size", "0"], 2, "--shard-size must be at least 1; got 0"),
        (["generate", "drop", "--n", "4", "--sample-timeout", "0"], 2, "--sample-timeout must be above 0; got 0"),
        (["generate", "drop", "--n", "4", "--out", "ftp://host/x"], 2, "must be a folder or begin with one of s3://"),
        (["generate", "dorp", "--n", "4"], 2, "no recipe or scene 'dorp'; did you mean 'drop'?"),
        (["generate", "gone.yaml", "--n", "4"], 2, "gone.yaml: no such recipe file"),
        (["generate", "drop", "--n", "4", "--set", "rendr.width=64"], 2, "no key 'rendr'; did you mean 'render'?"),
        (["generate", "drop", "--n", "4", "--set", "render.width"], 2, "must be KEY=VALUE"),
        (["generate", "drop", "--n", "4", "--set", "render.width=a"], 2, "must be whole pixels from 32 to 4096"),
        (["generate", "drop", "--n", "4", "--set", "render.quality=fats"], 2, "did you mean 'fast'?"),
        (["generate", "drop", "--n", "4", "--set", "scenes.drop.heigth=1"], 2, "no parameter 'heigth'; did you mean"),
        (
            ["generate", "drop", "--n", "4", "--set", "scenes.drop.weight=-1"],
            2,
            "weight must be a number of at least 0",
        ),
        (["generate", "drop", "--n", "4", "--scenes", "nowhere"], 2, "nowhere: no such folder of scenes"),
        (["generate", "drop", "--n", "4", "--assets", "gone.json"], 1, "gone.json"),
        (["generate", "drop", "--n", "4", "--hdri", "gone.json"], 1, "gone.json"),
        (["scenes", "tople"], 2, "no scene 'tople'; did you mean 'topple'?"),
        (["preview", "drop", "--n", "0"], 2, "--n must be at least 1; got 0"),
        (["preview", "dorp"], 2, "no recipe or scene 'dorp'; did you mean 'drop'?"),
        (["preview"], 2, "Missing argument 'SCENE'"),
        (["status", "."], 1, "holds no simgen data set"),
        (["verify", "nowhere"], 1, "nowhere: holds no simgen data set"),
        (["report", "nowhere"], 1, "nowhere: holds no simgen data set"),
        (["retry", ".", "--workers", "0"], 2, "--workers must be at least 1; got 0"),
        (["assets", "lsit"], 2, "No such command 'lsit'"),
        (["retry", "nowhere"], 1, "nowhere: holds no simgen data set"),
        (["reproduce", ".", "drop-000001"], 1, "holds no simgen data set"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistake_is_one_sentence_with_its_exit_code(simgen, arguments, code, sentence) -> None:
    assert sentence in complaint(simgen(*arguments), code)
    assert list(Path.cwd().iterdir()) == []


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("scenes: [drop", "is not YAML"),
        ("scenes: [drop]\nrender: {width: 64, width: 32}", "line 2 is not YAML: the key 'width' stands twice"),
        ("scenes: {drop: {height: low}}", "height"),
        ("scenes: [drop]\nasets: {}", "no key 'asets'; did you mean 'assets'?"),
        ("scenes: []", "at least one scene"),
        ("scenes: [drop]\nrun: {n: 4}", "run must hold the whole numbers n, seed and shard_size"),
    ],
)
def test_a_mistake_in_a_recipe_file_names_the_file(simgen, text: str, sentence: str) -> None:
    Path("mine.yaml").write_text(text)
    said = complaint(simgen("generate", "mine.yaml", "--n", 2), 2)
    assert said.startswith("mine.yaml:") and sentence in said


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("def broken(:", "SyntaxError"),
        ("import no_such_library", "No module named 'no_such_library'"),
        (SCENE.format(name="Flip Over"), "must be lower case letters, digits, underscores"),
        (SCENE.format(name="drop"), "scene 'drop' is defined twice"),
    ],
)
def test_a_mistake_in_a_scene_file_names_the_file(simgen, source: str, sentence: str) -> None:
    Path("more").mkdir()
    Path("more/flip.py").write_text(source)
    said = complaint(simgen("generate", "drop", "--n", 2, "--scenes", "more"), 2)
    assert "more/flip.py" in said and sentence in said


def test_a_new_scene_file_is_a_scene_at_once(simgen) -> None:
    Path("more").mkdir()
    Path("more/flip.py").write_text(SCENE.format(name="flip"))
    listed = simgen("scenes", "--scenes", "more")
    assert "flip" in listed.out and "Something flips over." in listed.out
    told = simgen("scenes", "flip", "--scenes", "more").out
    assert "law: torque; domain: mechanical" in told
    assert "turns: int = 1\n    How often." in told
    config = simgen("generate", "flip", "--scenes", "more", "--set", "scenes.flip.turns=3", "--print-config")
    assert yaml.safe_load(config.out)["scenes"] == {"flip": {"weight": 1.0, "turns": 3}}


def test_scenes_are_listed_by_domain_and_as_json(simgen) -> None:
    optical = simgen("scenes", "--domain", "Optical").out
    assert "light_color" in optical and "topple" not in optical
    (topple,) = json.loads(simgen("scenes", "topple", "--json").out)
    assert (topple["domain"], topple["types"], topple["type_names"]) == (
        "mechanical",
        [23, 21],
        ["rotation", "gravity"],
    )
    assert {"name", "law", "sub_domain", "parameters"} <= set(topple)
    everything = json.loads(simgen("scenes", "--json").out)
    assert {"topple", "light_color"} <= {one["name"] for one in everything}
    assert "did you mean 'optical'" in complaint(simgen("scenes", "--domain", "optcal"), 2)


def test_print_config_is_a_recipe(simgen) -> None:
    first = simgen("generate", "smoke", "--print-config", "--set", "render.width=64")
    Path("again.yaml").write_text(first.out)
    second = simgen("generate", "again.yaml", "--print-config")
    assert (first.code, second.code) == (0, 0)
    assert first.out == second.out


def test_a_dry_run_says_what_would_be_made_and_makes_nothing(simgen) -> None:
    ended = simgen("generate", "--n", 10_000, "--dry-run", "--probes", 0, "--workers", 2)
    assert ended.code == 0 and "from a table" in ended.out
    assert "10000 (train 9000, test 1000) in 1000 shards of 10" in ended.out
    assert "drop " in ended.out and "hot_metal " in ended.out and "GB" in ended.out and " h " in ended.out
    assert list(Path.cwd().iterdir()) == []


def test_ten_million_samples_are_planned_in_no_time(simgen) -> None:
    ended = simgen("generate", "--n", 10_000_000, "--dry-run", "--probes", 0)
    assert "10000000 (train 9000000, test 1000000) in 78126 shards of 128" in ended.out


def test_probes_belong_to_a_dry_run(simgen) -> None:
    assert "must be at least 0 and stand beside --dry-run" in complaint(simgen("generate", "--n", 4, "--probes", 2), 2)


def test_a_card_that_is_not_there_is_missed_before_anything_begins(simgen) -> None:
    pytest.importorskip("bpy")
    from simgen.engine.devices import cards

    if cards("optix"):
        pytest.skip("there is a card")
    said = complaint(simgen("generate", "smoke", "--n", 1, "--device", "optix"), 1)
    assert "no card for OPTIX on this machine" in said and "take cpu or auto" in said
    assert not Path("out").exists()
    assert "no device 'cudda'; did you mean 'cuda'?" in complaint(simgen("generate", "smoke", "--device", "cudda"), 2)


def test_a_folder_with_a_scene_that_is_gone_is_not_continued(simgen, make_dataset) -> None:
    assert "no scene 'nudge'" in complaint(simgen("retry", make_dataset(Path("out"), n=4)), 2)


def test_a_plan_that_a_card_began_is_not_continued_without_one() -> None:
    pytest.importorskip("bpy")
    from simgen.core.errors import EnvironmentProblem
    from simgen.engine.devices import cards
    from simgen.make.planning import pinned_plan
    from simgen.plan.recipe import load_recipe, load_scenes

    if cards("optix"):
        pytest.skip("there is a card")
    load_scenes()
    with pytest.raises(EnvironmentProblem, match="no card for OPTIX on this machine"):
        pinned_plan(load_recipe("smoke", overrides=["render.device=optix"]), n=4, seed=0, shard_size=None)


def test_auto_says_in_the_resolved_recipe_what_it_took(simgen) -> None:
    pytest.importorskip("bpy")
    from simgen.engine.devices import cards

    there = next((kind for kind in ("optix", "cuda") if cards(kind)), "cpu")  # type: ignore[arg-type]
    short = simgen("generate", "smoke", "--device", "auto", "--print-config").out
    long = simgen("generate", "smoke", "--set", "render.device=auto", "--print-config").out
    assert short == long
    assert yaml.safe_load(short)["render"]["device"] == there


def test_another_seed_in_the_same_folder_is_refused_with_the_difference(simgen) -> None:
    from simgen.plan.plan import RESOLVED, make_plan
    from simgen.plan.recipe import load_recipe

    Path("out").mkdir()
    Path("out", RESOLVED).write_text(make_plan(load_recipe("drop"), n=4, seed=0).to_yaml())
    said = complaint(simgen("generate", "drop", "--n", 4, "--seed", 1, "--out", "out"), 4)
    assert "seed: 0 there, 1 here" in said and "choose another --out" in said


def test_a_folder_that_is_not_ours_is_left_alone(simgen) -> None:
    Path("photos").mkdir()
    Path("photos/me.jpg").write_bytes(b"me")
    said = complaint(simgen("generate", "drop", "--n", 4, "--out", "photos"), 1)
    assert "not empty" in said and "me.jpg" in said
    assert Path("photos/me.jpg").read_bytes() == b"me" and len(list(Path("photos").iterdir())) == 1


def test_a_folder_that_cannot_be_written_is_named(simgen) -> None:
    Path("file").touch()
    assert "file: is a file" in complaint(simgen("generate", "drop", "--n", 4, "--out", "file"), 1)
    assert "file: is a file" in complaint(simgen("generate", "drop", "--n", 4, "--out", "file/out"), 1)
    # Nobody, root included, makes a folder in there.
    assert "choose another --out" in complaint(simgen("generate", "drop", "--n", 4, "--out", "/proc/out"), 1)
    Path("locked").mkdir(mode=0o500)
    if not os.access("locked", os.W_OK):
        assert "cannot be written" in complaint(simgen("generate", "drop", "--n", 4, "--out", "locked/out"), 1)


def test_a_disk_that_is_too_small_is_named_before_anything_is_made(simgen) -> None:
    size = ["--set", "render.width=4096", "--set", "render.height=4096", "--set", "render.passes=[normals, flow]"]
    said = complaint(simgen("generate", "drop", "--n", 10_000, "--out", "big", *size), 1)
    assert "make room or choose another --out" in said
    assert not Path("big").exists()


def test_a_ray_that_does_not_answer_is_named(simgen) -> None:
    said = complaint(simgen("generate", "drop", "--n", 4, "--out", "out", "--address", "127.0.0.1:1"), 1)
    assert "no Ray answers at 127.0.0.1:1" in said


def test_a_missing_library_is_named_with_its_remedy(simgen, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("simgen.run.run", "simgen.run.driver", "simgen.run.ray_session", "ray"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, "ray", None)
    said = complaint(simgen("generate", "drop", "--n", 4, "--out", "out"), 1)
    assert "ray is not installed" in said
    assert said.endswith(f"run: pip install -e '.[generate]' && pip install --no-deps {resources.KUBRIC}")


def manifest(folder: Path, archive: bytes) -> Path:
    """A manifest of one object in the manner of Kubric, with whatever archive."""
    folder.mkdir()
    (folder / "thing.tar.gz").write_bytes(archive)
    kwargs = {
        "bounds": [[-0.05, -0.05, -0.05], [0.05, 0.05, 0.05]],
        "mass": 0.001,
        "render_filename": "{asset_dir}/visual_geometry.obj",
        "simulation_filename": "{asset_dir}/object.urdf",
    }
    entry = {"asset_type": "FileBasedObject", "kwargs": kwargs, "license": "CC0", "metadata": {"volume": 0.001}}
    data = {"name": folder.name, "data_dir": ".", "version": "1.0", "assets": {"thing": entry}}
    (folder / "manifest.json").write_text(json.dumps(data))
    return folder / "manifest.json"


def archive(members: dict[str, str]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, text in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(text)
            tar.addfile(info, io.BytesIO(text.encode()))
    return out.getvalue()


URDF = """<robot name="thing"><link name="base"><inertial><origin xyz="0 0 0"/><mass value="1"/>
<inertia ixx="1" ixy="0" ixz="0" iyy="1" iyz="0" izz="1"/></inertial>
<collision><geometry><mesh filename="collision_geometry.obj"/></geometry></collision></link></robot>"""
NAN_MESH = "v 0 0 0\nv nan 0 0\nv 0 1 0\nv 0 0 1\nf 1 2 3\nf 1 2 4\nf 1 3 4\nf 2 3 4\n"
WHOLE = archive({"object.urdf": URDF, "visual_geometry.obj": NAN_MESH, "collision_geometry.obj": NAN_MESH})


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (WHOLE[: len(WHOLE) // 2], "thing.tar.gz"),
        (archive({"../../escaped.txt": "out"}), "thing.tar.gz"),
        (b"not an archive", "thing.tar.gz"),
        (WHOLE, "thing"),
        (archive({"object.urdf": "<robot"}), "thing"),
    ],
    ids=["truncated", "climbs out", "no archive", "NaN in the mesh", "broken URDF"],
)
def test_a_bad_archive_is_named_and_nothing_escapes_from_it(simgen, tmp_path, content, sentence) -> None:
    path = manifest(tmp_path / "bad", content)
    before = set(tmp_path.rglob("*"))
    said = complaint(simgen("preview", "drop", "--n", 1, "--assets", path), 1)
    assert sentence in said
    assert set(tmp_path.rglob("*")) == before


def test_damaged_assets_are_an_exit_code(simgen, tmp_path: Path) -> None:
    ended = simgen("assets", "verify", manifest(tmp_path / "bad", WHOLE[: len(WHOLE) // 2]))
    assert (ended.code, ended.err) == (1, "1 of 1 assets are damaged\n")


def test_assets_without_anything_to_stand_on_are_named(simgen, tmp_path: Path) -> None:
    path = manifest(tmp_path / "few", WHOLE)
    said = complaint(simgen("preview", "drop", "--assets", path, "--set", "assets.builtin=false"), 1)
    assert "hold no surfaces" in said


def test_status_and_verify_speak_json(simgen, make_dataset: Callable[..., Path], tmp_path: Path) -> None:
    folder = make_dataset(tmp_path / "data", n=12, holes=(3,))
    status = simgen("status", folder)
    assert status.code == 0 and "11 of 12 samples" in status.out and "quarantined" in status.out
    told = json.loads(simgen("status", folder, "--json").out)
    assert (told["samples"], told["planned"], told["complete"]) == (11, 12, True)
    assert simgen("verify", folder).code in (0, 1)
    assert json.loads(simgen("verify", folder, "--json").out)["samples"] == 11


def test_verify_finds_a_flipped_byte(simgen, make_dataset: Callable[..., Path], tmp_path: Path) -> None:
    folder = make_dataset(tmp_path / "data", n=12)
    path = next(folder.glob("train/*.tar"))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    ended = simgen("verify", folder)
    assert ended.code == 1
    assert f"train/{path.name}" in ended.out


def test_a_key_that_is_not_there_suggests_the_nearest(
    simgen, make_dataset: Callable[..., Path], tmp_path: Path
) -> None:
    folder = make_dataset(tmp_path / "data", n=4)
    key = next(iter(json.loads(next(folder.glob("train/*_stats.json")).read_text())["keys"]))
    said = complaint(simgen("reproduce", folder, f"{key}0"), 2)
    assert f"did you mean {key!r}?" in said


def test_a_bug_is_one_sentence_and_keeps_its_traceback(simgen, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr("simgen.dataset.scene_list.all_scenes", broken)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    said = complaint(simgen("scenes"), 1)
    assert "unexpected ZeroDivisionError: a bug" in said
    kept = Path(said.rsplit(" ", 1)[1])
    assert "in broken" in kept.read_text()


@pytest.mark.parametrize(
    "words",
    [
        ["verify", "x" * 300],
        ["generate", "é" * 200],
        ["generate", "x" * 300 + ".yaml"],
        ["assets", "pack", "x" * 300, "o"],
    ],
    ids=["folder", "name", "file", "meshes"],
)
def test_a_name_that_is_too_long_is_no_bug(simgen, words: list[str]) -> None:
    # Found by tests/fuzz.
    assert "is too long for the name of a file" in complaint(simgen(*words), 2)


def test_what_click_says_of_odd_arguments_is_one_line(simgen) -> None:
    # Found by tests/fuzz.
    said = complaint(simgen("verify", "data", "a\nb\x1b[2J"), 2)
    assert "Got unexpected extra argument (a b\\x1b[2J)" in said


def test_what_a_disk_answers_is_no_bug(simgen, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO), "/data/x")

    monkeypatch.setattr("simgen.plan.recipe.load_recipe", broken)
    said = "/data/x: cannot be read or written (Input/output error); mend that and run the same command again"
    assert complaint(simgen("generate", "drop", "--n", "1"), 1) == said


def test_the_version_and_the_help_are_there() -> None:
    run = subprocess.run([sys.executable, "-m", "simgen.cli", "--version"], capture_output=True, text=True)
    assert (run.returncode, run.stdout.strip()) == (0, f"simgen, version {__version__}")


def test_a_file_that_lies_among_the_commands_is_a_command(
    simgen, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "count_keys.py").write_text(COMMAND.format(section="Use a data set"))
    (tmp_path / "sweep.py").write_text(COMMAND.format(section="Housekeeping").replace("count_keys", "sweep"))
    monkeypatch.setattr(commands, "__path__", [*commands.__path__, str(tmp_path)])
    shown = simgen("--help").out
    headings = ["Make data:", "See what can be made:", "Look at a data set:", "Use a data set:", "Housekeeping:"]
    assert [line for line in shown.splitlines() if line in headings] == headings
    used = shown.partition("Use a data set:")[2].partition("Housekeeping:")[0]
    assert [line.split()[0] for line in used.splitlines() if line] == ["count-keys", "edit", "train"]
    assert "  sweep  Count the samples of a data set." in shown
    assert (simgen("count-keys").code, simgen("count-keys").out) == (5, "counted\n")
    assert "did you mean 'count-keys'?" in complaint(simgen("count-kys"), 2)
    for name in ("count_keys", "sweep"):
        del sys.modules[f"{commands.__name__}.{name}"]
        delattr(commands, name)


def test_a_command_imports_no_other(simgen) -> None:
    code = (
        "import sys; from simgen.cli import cli; cli.main(['status', '--help'], standalone_mode=False); "
        "print(*(n for n in sys.modules if n.startswith('simgen.cli.commands.')))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.splitlines()[-1] == "simgen.cli.commands.status"


def test_help_names_every_command(simgen) -> None:
    ended = simgen("--help")
    making = ("generate", "scenes", "preview", "status", "verify", "report", "reproduce", "retry", "doctor")
    for command in (*making, "assets", "train", "edit"):
        assert f"  {command} " in ended.out
        assert simgen(command, "--help").code == 0
    assert "  eval " not in ended.out and "  export " not in ended.out


# What a data set holds or names is never run


EVIL = "import pathlib\npathlib.Path({mark!r}).write_text('run')\n"


@dataclass(frozen=True)
class Attack:
    folder: Path
    """The data set."""
    mark: Path
    """Is there once code of the data set has been run."""

    def name(self, scene_folder: str) -> None:
        """Have the data set name a folder of scenes."""
        from simgen.plan.plan import RESOLVED

        config = self.folder / RESOLVED
        text = config.read_text()
        assert "scene_folders: []" in text
        config.write_text(text.replace("scene_folders: []", f"scene_folders: [{json.dumps(scene_folder)}]"))


@pytest.fixture
def attack(tmp_path: Path, make_dataset) -> Attack:
    folder = make_dataset(tmp_path / "set", n=4)
    (folder / "scenes").mkdir()
    (folder / "scenes" / "evil.py").write_text(EVIL.format(mark=str(tmp_path / "mark")))
    return Attack(folder=folder, mark=tmp_path / "mark")


def all_commands(folder: Path) -> list[list[object]]:
    """Every command that reads the plan of a data set."""
    config = folder / "config.resolved.yaml"
    return [
        ["reproduce", folder, "nudge-000000"],
        ["retry", folder],
        ["generate", config, "--print-config"],
        ["generate", config, "--out", folder],
        ["generate", config, "--dry-run", "--probes", "0"],
        ["preview", config],
        ["generate", "drop", "--n", "4", "--out", folder],
        ["status", folder],
        ["status", folder, "--json"],
        ["verify", folder],
        ["report", folder],
    ]


@pytest.mark.parametrize("kind", ["relative", "inside", "absolute", "up", "link", "file"])
def test_code_that_a_data_set_names_is_not_run(simgen, attack: Attack, tmp_path: Path, kind: str) -> None:
    """2 s a kind: the report is written each time."""
    own = attack.folder / "scenes"
    (tmp_path / "link").symlink_to(own)
    (tmp_path / "here" / "scenes").symlink_to(own)
    attack.name(
        {
            "relative": "scenes",
            "inside": "./scenes",
            "absolute": str(own),
            "up": "../set/scenes",
            "link": str(tmp_path / "link"),
            "file": f"file://{own}",
        }[kind]
    )
    for arguments in all_commands(attack.folder):
        ended = simgen(*arguments)
        assert not attack.mark.exists(), arguments
        if arguments[0] in ("reproduce", "retry", "preview") or str(arguments[1]).endswith(".yaml"):
            said = complaint(ended, 2)
            assert "names folders of scenes" in said and "give each folder that you trust with --scenes DIR" in said


@pytest.mark.parametrize("kind", ["folder", "link", "file in it"])
def test_a_folder_of_a_data_set_is_refused_also_where_the_user_names_it(simgen, attack: Attack, kind: str) -> None:
    own = attack.folder / "scenes"
    named = {"folder": own, "link": Path("link"), "file in it": Path("mine")}[kind]
    if kind == "link":
        named.symlink_to(own)
    if kind == "file in it":
        named.mkdir()
        (named / "evil.py").symlink_to(own / "evil.py")
    commands = [["scenes"], ["retry", attack.folder], ["generate", "drop", "--n", "4"], ["preview", "drop"]]
    for arguments in [*commands, ["reproduce", attack.folder, "nudge-000000"]]:
        assert "nothing in a data set is run" in complaint(simgen(*arguments, "--scenes", named), 2)
    assert "nothing in a data set is run" in complaint(
        simgen("generate", "drop", "--n", "4", "--set", f"scene_folders=[{named.absolute()}]"), 2
    )
    assert not attack.mark.exists()


def test_a_recipe_file_that_lies_in_a_data_set_runs_nothing(simgen, attack: Attack) -> None:
    recipe = attack.folder / "recipe.yaml"
    recipe.write_text("scenes: [drop]\nscene_folders: [scenes]\n")
    assert "names folders of scenes" in complaint(simgen("generate", recipe, "--print-config"), 2)
    # A copy of the plan is one still.
    attack.name(str(attack.folder / "scenes"))
    Path("copy.yaml").write_bytes((attack.folder / "config.resolved.yaml").read_bytes())
    assert "names folders of scenes" in complaint(simgen("generate", "copy.yaml", "--print-config"), 2)
    # As a recipe of one's own, which may name folders, it cannot name one of a data set.
    Path("mine.yaml").write_text(f"scenes: [drop]\nscene_folders: [{attack.folder / 'scenes'}]\n")
    assert "nothing in a data set is run" in complaint(simgen("generate", "mine.yaml", "--print-config"), 2)
    assert not attack.mark.exists()


def test_the_users_own_folder_takes_the_place_of_what_a_data_set_names(simgen, attack: Attack) -> None:
    attack.name("scenes")
    Path("mine").mkdir()
    Path("mine", "flip_own.py").write_text(SCENE.format(name="flip_own"))
    config = attack.folder / "config.resolved.yaml"
    ended = simgen("generate", config, "--print-config", "--scenes", "mine", "--set", "scenes={flip_own: {}}")
    assert ended.code == 0 and yaml.safe_load(ended.out)["scene_folders"] == [str(Path("mine").absolute())]
    assert not attack.mark.exists()


@pytest.mark.parametrize("module", ["simgen", "simgen.cli"])
def test_nothing_is_imported_from_the_current_folder(tmp_path: Path, module: str) -> None:
    for name in ("numpy", "click", "yaml"):
        (tmp_path / f"{name}.py").write_text(EVIL.format(mark=str(tmp_path / "mark")))
    """7 s: a process each, which waits for the disk."""
    for command in (["-m", module], ["-m", module, "scenes"]):
        run = subprocess.run([sys.executable, *command], cwd=tmp_path, capture_output=True, text=True)
        assert run.returncode == 0, run.stderr
    assert not (tmp_path / "mark").exists()


# Help, completion, exit codes


def every_command() -> list[list[str]]:
    import click

    from simgen.cli import cli

    found: list[list[str]] = [[]]
    context = click.Context(cli)
    for name in cli.list_commands(context):
        command = cli.get_command(context, name)
        found.append([name])
        if isinstance(command, click.Group):
            found += [[name, inner] for inner in command.commands]
    return found


@pytest.mark.parametrize("command", every_command(), ids=lambda words: " ".join(words) or "simgen")
def test_every_command_has_help_in_80_columns(simgen, monkeypatch: pytest.MonkeyPatch, command: list[str]) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    short, long = simgen(*command, "-h"), simgen(*command, "--help")
    assert short.code == 0 and short.out == long.out and short.out.startswith("Usage: simgen")
    assert max(map(len, short.out.splitlines())) <= 80
    assert "..." not in short.out.partition("Commands:")[2], "a short help is cut off"


@pytest.mark.parametrize("group", [[], ["assets"]])
def test_a_group_alone_shows_its_help(simgen, group: list[str]) -> None:
    ended = simgen(*group)
    assert ended.code == 0 and ended.out == simgen(*group, "--help").out and not ended.err


def completed(*words: str) -> list[str]:
    """What bash offers for the last of these words, and what was imported for it."""
    code = (
        "import sys\nfrom simgen.cli import main\ntry: main()\nexcept SystemExit: print(*sys.modules, file=sys.stderr)"
    )
    line = {"COMP_WORDS": " ".join(words), "COMP_CWORD": str(len(words) - 1), "_SIMGEN_COMPLETE": "bash_complete"}
    run = subprocess.run([sys.executable, "-c", code], env={**os.environ, **line}, capture_output=True, text=True)
    assert not {"numpy", "yaml", "ray", "bpy", "torch", "pybullet"} & set(run.stderr.split())
    return run.stdout.split()


def test_the_shell_completes_scenes_recipes_and_commands_and_imports_none() -> None:
    """2 s: each is a process."""
    from simgen.cli.completion import recipe_names, scene_names
    from simgen.plan import recipe
    from simgen.scene import registry

    recipe.load_scenes()
    builtin = {n for n, cls in registry.scenes().items() if cls.__module__.startswith("simgen_scenes_")}
    assert set(scene_names()) <= builtin and len(scene_names()) > 30
    assert recipe_names() == recipe.recipe_names()
    assert completed("simgen", "ge") == ["plain,generate"]
    assert completed("simgen", "generate", "topp") == ["plain,topple"]
    assert set(completed("simgen", "scenes", "")) == {f"plain,{name}" for name in scene_names()}
    assert completed("simgen", "train", "train_q") == ["plain,train_qwen"]
    assert completed("simgen", "assets", "fe") == ["plain,fetch"]
    assert completed("simgen", "status", "x") == ["dir,"]


def test_a_scene_of_ones_own_is_completed_without_being_run(tmp_path: Path) -> None:
    from simgen.cli.completion import scene_names

    (tmp_path / "mine.py").write_text(EVIL.format(mark=str(tmp_path / "mark")) + SCENE.format(name="my_own_flip"))
    assert "my_own_flip" in scene_names([tmp_path]) and not (tmp_path / "mark").exists()


def test_one_table_has_every_exit_code(simgen) -> None:
    from simgen.cli.exit_codes import EXIT_CODES, markdown_table
    from simgen.core import errors

    classes = [cls for cls in vars(errors).values() if isinstance(cls, type) and issubclass(cls, errors.SimgenError)]
    assert {cls.exit_code for cls in classes} <= set(EXIT_CODES)
    assert markdown_table() in (Path(__file__).parents[2] / "docs/cli.md").read_text()
    help_text = simgen("--help").out
    assert all(f"  {code}" in help_text and meaning in help_text for code, meaning in EXIT_CODES.items())


def test_a_report_goes_where_it_is_wanted_and_leaves_the_data_set_alone(simgen, make_dataset) -> None:
    folder = make_dataset(Path("out"), n=4)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    Path("pages").mkdir()
    assert simgen("report", folder, "--out", "pages").out == "pages/index.html\n"
    assert simgen("report", folder, "--out", "new/mine.html").out == "new/mine.html\n"
    assert Path("new/mine.html").read_bytes() == Path("pages/index.html").read_bytes()
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    assert simgen("report", folder).out == "out/report/index.html\n"
    assert Path("out/report/index.html").read_bytes() == Path("new/mine.html").read_bytes()


def test_the_benchmark_beside_kubric_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.util

    monkeypatch.syspath_prepend(str(Path(__file__).parents[1] / "bench"))
    import bench_generate

    there = importlib.util.find_spec
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name: None if name in ("OpenEXR", "sklearn") else there(name)
    )
    said = bench_generate.missing_packages()
    assert "OpenEXR and scikit-learn" in said and "-m pip install -e '.[bench]'" in said and "\n" not in said
