"""Data sets of every version of the record: one from before a field existed, and one from a newer simgen.

`tests/fixtures/dataset_v1` is as simgen 0.1.0 wrote it, with schema version 1.0: eight samples in families of two, with
depth, of four scenes, from built-in assets.
"""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import simgen
from simgen.cli.app import main
from simgen.core.errors import OutputError, SimgenError
from simgen.dataset.card import write_card
from simgen.dataset.report.write import write_report
from simgen.dataset.status import read_status
from simgen.dataset.table import read_rows
from simgen.dataset.verify import verify
from simgen.plan.plan import read_plan
from simgen.record import schema
from simgen.record.check import check_record
from simgen.record.codec import encode
from simgen.record.fields import Column, Node, Older, RecordField

OLD = Path(__file__).parents[1] / "fixtures" / "dataset_v1"
DatasetFactory = Callable[..., Path]


@pytest.fixture
def declare(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """`declare(field)`: the schema with one more field, as if its declaration stood in it."""

    def go(*fields: Node) -> None:
        monkeypatch.setattr(schema, "SCHEMA", schema.SCHEMA.but(*fields))

    return go


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A copy that may be written to."""
    return Path(shutil.copytree(OLD, tmp_path / "old"))


def color(since: int = 99) -> RecordField:
    return RecordField(
        name="color",
        kind="string",
        meaning="of the ball",
        compute=lambda record: "red",
        since=since,
        older=Older(value="unknown"),
        columns=(Column(),),
    )


def test_an_old_data_set_opens_with_the_documented_defaults() -> None:
    data = simgen.open(OLD)
    assert len(data) == 8
    for sample in data:
        assert check_record(sample.record) == []
        assert sample.record["schema_minor"] == 0
        assert sample.arrays["start_depth"].shape == (128, 128)
        for body in sample.record["bodies"]:
            for when in ("start", "end"):
                assert body[when]["mass_kg"] == body["mass_kg"] > 0
                assert body[when]["substance"] == body["substance"]
                assert body[when]["volume_m3"] == 0.0
    assert {data.record(key)["member"] for key in data.keys} == {0, 1}


def test_an_old_data_set_is_sound_counted_and_reported(old: Path) -> None:
    assert verify(old, workers=1) == []
    status = read_status(old)
    assert (status.samples, status.planned, status.complete) == (8, 8, True)
    assert write_report(old).is_file()
    write_card(old, command="simgen generate")
    assert verify(old, workers=1) == []


def test_the_commands_take_an_old_data_set(old: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = []
    for command in ("verify", "status", "report"):
        with pytest.raises(SystemExit) as end:
            main([command, str(old)])
        assert end.value.code == 0
        said.append(capsys.readouterr().out)
    assert said[0].strip() == f"{old}: sound; 8 of 8 samples"


def test_the_plan_of_an_old_data_set_is_read() -> None:
    plan = read_plan(OLD)
    assert (plan.n, plan.seed, plan.recipe.family, plan.recipe.render.passes) == (8, 11, 2, ("depth",))
    assert [choice.name for choice in plan.recipe.scenes] == ["drop", "ice_melt", "light_color", "hot_metal"]


@pytest.mark.parametrize("name", sorted(str(path.relative_to(OLD)) for path in OLD.rglob("*") if path.is_file()))
def test_verify_finds_a_bit_that_is_turned_in_an_old_data_set(name: str, old: Path) -> None:
    path = old / name
    whole = path.read_bytes()
    damaged = bytearray(whole)
    damaged[int(np.random.default_rng(len(whole)).integers(len(whole)))] ^= 4
    path.write_bytes(damaged)
    try:
        found = [str(problem) for problem in verify(old, workers=1)]
    except SimgenError as error:
        found = [str(error)]
    assert found and all(len(line) < 1000 for line in found)


def test_an_old_record_that_lacks_what_its_version_had_is_damaged() -> None:
    record = simgen.open(OLD).record(0)
    del record["bodies"][0]["mass_kg"], record["bodies"][0]["start"]["mass_kg"]
    assert check_record(record) == ["bodies[0].mass_kg is missing"]


def test_an_old_sample_is_not_written_as_a_new_one() -> None:
    with pytest.raises(ValueError, match="schema_minor is 0, must be 1; older records are only read"):
        encode(simgen.open(OLD)[0])


def test_a_field_declared_today_has_its_default_in_an_old_data_set(declare: Callable[..., None]) -> None:
    declare(color())
    assert {sample.record["color"] for sample in simgen.open(OLD)} == {"unknown"}
    assert {row["color"] for row in read_rows(OLD)} == {"unknown"}
    assert verify(OLD, workers=1) == []


def test_a_column_that_was_always_there_may_not_be_missing(declare: Callable[..., None]) -> None:
    always = RecordField(name="age", kind="int", meaning="years", compute=lambda record: 1, columns=(Column(),))
    declare(always)
    with pytest.raises(OutputError, match="does not hold the columns that simgen writes"):
        read_rows(OLD)


def test_a_data_set_of_a_newer_simgen_opens(
    tmp_path: Path, make_dataset: DatasetFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as newer:
        newer.setattr(schema, "SCHEMA", schema.SCHEMA.but(color()))
        folder = make_dataset(tmp_path / "data", n=4, shard_size=2)
        write_card(folder, command="simgen generate")
    data = simgen.open(folder)
    # What is not known here is kept as it was read.
    assert [sample.record["color"] for sample in data] == ["red"] * 4
    assert {sample.record["schema_minor"] for sample in data} == {99}
    assert verify(folder, workers=1) == []
    assert read_status(folder).samples == 4
    assert all("color" not in row for row in read_rows(folder))
    assert write_report(folder).is_file()


def test_a_reader_passes_over_a_field_that_nobody_declared_and_the_lint_names_it() -> None:
    record = {**simgen.open(OLD).record(0), "color": "red"}
    assert check_record(record, strict=False) == []
    assert check_record(record) == ["color is not a field of the schema"]


def test_a_data_set_of_another_major_version_is_one_sentence(
    tmp_path: Path, make_dataset: DatasetFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as other:
        other.setattr(schema, "MAJOR", 2)
        folder = make_dataset(tmp_path / "data", n=2, shard_size=2)
    said = r"is of schema version 2, this simgen reads version 1; open it with simgen 0\.1\.0, which made it"

    def first() -> Any:
        return simgen.open(folder)[0]

    for use in (first, lambda: read_status(folder), lambda: write_report(folder)):
        with pytest.raises(OutputError, match=said):
            use()
    (found,) = (problem for problem in verify(folder, workers=1) if problem.where != "ATTRIBUTION.csv")
    assert found.where == "train/00000_stats.json" and "is of schema version 2" in found.what
