import copy
import csv
import dataclasses
import hashlib
import json
import re
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simgen.core.assets import Credit
from simgen.core.errors import OutputError
from simgen.core.sample import Sample
from simgen.dataset.card import _licences, attribution_csv, read_contents, words, write_card
from simgen.dataset.entry import Entry, sample_entry
from simgen.dataset.layout import SPLITS, committed, content_sha256, part_path, stats_text
from simgen.dataset.licences import hub_license, overall_license
from simgen.dataset.reader import open_dataset
from simgen.dataset.report.write import write_report
from simgen.dataset.shards import write_shard
from simgen.dataset.stats import read_stats
from simgen.dataset.status import read_status
from simgen.dataset.verify import Problem, verify
from simgen.plan.plan import read_plan
from simgen.storage.files import read_json

DatasetFactory = Callable[..., Path]


@pytest.fixture
def folder(tmp_path: Path, make_dataset: DatasetFactory) -> Path:
    """Twelve planned samples in three shards of train and one of test, number 3 a hole."""
    data = make_dataset(tmp_path / "data", n=12, holes=(3,))
    write_card(data, command="simgen generate --n 12")
    return data


REMEDY = "`simgen verify --repair` removes the shard, and the same `simgen generate` makes it again"


def findings(folder: Path) -> list[str]:
    return [str(finding) for finding in verify(folder)]


# How far it has come.


def test_the_status_of_a_finished_data_set_adds_up(folder: Path) -> None:
    status = read_status(folder)
    assert (status.planned, status.samples, status.quarantined) == (12, 11, 1)
    assert (status.shards_committed, status.shards_planned, status.complete) == (4, 4, True)
    assert status.left_s == 0.0
    # Every sample with an odd number came after one rejected attempt; number 3 is a hole after one.
    assert status.attempts == 11 + 6
    assert status.rejects == {"at_rest": 6}
    assert [(hole.key[-1], hole.failure, hole.reason) for hole in status.holes] == [("3", "timeout", "took too long")]
    assert status.recipe == "hand-made" and status.seed == 7
    for name in ("planned", "samples", "quarantined", "attempts"):
        assert sum(getattr(scene, name) for scene in status.scenes) == getattr(status, name)
    assert {scene.name for scene in status.scenes} == {"nudge", "nudge_hard"}


def test_the_status_is_json(folder: Path) -> None:
    data = json.loads(json.dumps(read_status(folder).as_data()))
    assert data["complete"] is True and data["samples"] == 11 and data["scenes"][0]["name"] == "nudge"


def test_a_shard_that_is_missing_is_left_to_do(folder: Path) -> None:
    (folder / "train" / "00001_stats.json").unlink()
    status = read_status(folder)
    assert (status.samples, status.shards_committed, status.complete) == (7, 3, False)
    assert status.left_s == pytest.approx(4 * 3600 / status.samples_per_hour)


def test_the_cost_of_a_data_set_is_that_of_its_shards(make_dataset, tmp_path) -> None:
    found = read_status(make_dataset(tmp_path / "d", n=12, holes=(3,)))
    assert found.stages_s["render"] == 12 * 3.0 and found.stages_s["simulate"] == 12 * 0.5
    costs = [
        read_stats(tmp_path / "d" / split, number)["cost"]["cpu_s"]
        for split in SPLITS
        for number in committed(tmp_path / "d" / split)
    ]
    assert found.core_s == pytest.approx(sum(costs)) and found.core_s > 0


def test_a_data_set_that_has_only_begun_has_no_rate(folder: Path) -> None:
    for path in folder.glob("*/*"):
        path.unlink()
    status = read_status(folder)
    assert (status.samples, status.samples_per_hour, status.left_s) == (0, 0.0, 0.0)
    assert {scene.name: scene.attempts for scene in status.scenes} == {"nudge": 0, "nudge_hard": 0}


def test_the_rate_counts_the_time_at_work_and_two_workers_once(folder: Path) -> None:
    # Two workers from 0 to 100 s and from 50 to 150 s, then a night, then one hour's fraction: 300 s at work.
    spans = {"train": [(0.0, 100.0), (50.0, 150.0), (80_000.0, 80_100.0)], "test": [(90_000.0, 90_050.0)]}
    for split, times in spans.items():
        for number, (started, finished) in enumerate(times):
            path = part_path(folder / split, number, "_stats.json")
            stats = read_json(path)
            stats["cost"] |= {"started_unix_s": started, "finished_unix_s": finished}
            path.write_text(json.dumps(stats))
    assert read_status(folder).samples_per_hour == pytest.approx(11 * 3600 / 300)


def test_a_folder_without_a_data_set_has_no_status(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="holds no simgen data set"):
        read_status(tmp_path)


# What is wrong with it.


def test_nothing_is_wrong_with_a_data_set_as_it_was_written(folder: Path) -> None:
    assert findings(folder) == []


def test_nothing_is_wrong_with_a_data_set_with_depth(tmp_path: Path, make_dataset: DatasetFactory) -> None:
    data = make_dataset(tmp_path / "data", n=5, passes=("depth",))
    write_card(data, command="simgen generate")
    assert findings(data) == []


@pytest.mark.parametrize("part", [".tar", ".parquet", ".idx.json"])
@pytest.mark.parametrize("place", [0.1, 0.5, 0.9])
def test_a_changed_byte_in_any_file_is_found(part: Any, place: float, folder: Path) -> None:
    path = part_path(folder / "train", 0, part)
    data = bytearray(path.read_bytes())
    data[int(len(data) * place)] ^= 0x20
    path.write_bytes(data)
    assert findings(folder) == [
        f"train/{path.name}: has been changed after it was written (its sha256 does not fit); {REMEDY}"
    ]


def test_changed_statistics_are_found(folder: Path) -> None:
    path = folder / "train" / "00000_stats.json"
    path.write_text(path.read_text().replace('"at_rest"', '"exposure"'))
    assert findings(folder) == [
        f"train/00000_stats.json: has been changed after it was written (its sha256 does not fit); {REMEDY}"
    ]
    path.write_text("{}")
    assert findings(folder) == [f"train/00000_stats.json: has no 'fingerprint'; {REMEDY}"]
    path.write_text("{")
    assert findings(folder)[0].startswith("train/00000_stats.json: is not JSON")


@pytest.mark.parametrize("size", [0, 100, 512, 9_000, 40_000])
def test_a_tar_that_was_cut_off_is_found(size: int, folder: Path) -> None:
    path = folder / "train" / "00000.tar"
    whole = path.read_bytes()
    path.write_bytes(whole[:size])
    assert findings(folder) == [f"train/00000.tar: has {size} bytes, was written with {len(whole)}; {REMEDY}"]


@pytest.mark.parametrize("name", ["00000.tar", "00000.parquet", "00000.idx.json"])
def test_a_file_that_is_gone_is_found(name: str, folder: Path) -> None:
    (folder / "train" / name).unlink()
    assert findings(folder) == [f"train/{name}: is missing; {REMEDY}"]


def resealed(folder: Path) -> None:
    """The statistics of shard 0 made to fit files that were tampered with, as a faulty writer would."""
    path = folder / "train" / "00000_stats.json"
    stats = read_json(path)
    for name in stats["files"]:
        data = (folder / "train" / name).read_bytes()
        stats["files"][name] = {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
    stats["sha256"] = content_sha256(stats)
    path.write_text(stats_text(stats))


def test_an_index_that_points_elsewhere_is_found(folder: Path) -> None:
    path = folder / "train" / "00000.idx.json"
    index = read_json(path)
    index["samples"]["nudge-000001"]["txt"][0] += 1
    path.write_text(json.dumps(index))
    resealed(folder)
    assert findings(folder) == ["train/00000.tar: does not hold what its .idx.json says, or not there"]


def test_a_tar_that_was_written_cut_off_is_found(folder: Path) -> None:
    path = folder / "train" / "00000.tar"
    offset, size = read_json(folder / "train" / "00000.idx.json")["samples"]["nudge-000001"]["start.png"]
    path.write_bytes(path.read_bytes()[: offset + size // 2])
    resealed(folder)
    found = findings(folder)
    assert found[0].startswith("train/00000.tar: cannot be read to its end: ")
    assert "train/00000.tar: does not hold the samples that its _stats.json names" in found


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("notes.json", "does not belong here; loaders would trip over it, move it away"),
        ("00099.tar", "belongs to a shard that was never committed; the next run removes it"),
        (".00099.tar.0123abcd.tmp", "is left of a run that was killed; the next run removes it"),
    ],
)
def test_a_stray_file_is_found(name: str, message: str, folder: Path) -> None:
    (folder / "test" / name).write_bytes(b"x")
    assert findings(folder) == [f"test/{name}: {message}"]


def test_a_shard_that_is_not_there_yet_is_one_finding(folder: Path) -> None:
    for path in folder.glob("train/00001*"):
        path.unlink()
    assert findings(folder) == [
        "plan: 1 of 4 shards are not there yet: train/00001; run the same `simgen generate` again"
    ]


def test_a_shard_in_the_place_of_another_is_found(folder: Path) -> None:
    for path in folder.glob("train/00000*"):
        data = path.read_text() if path.suffix == ".json" else None
        there = path.with_name(path.name.replace("00000", "00001"))
        if data is None:
            there.write_bytes(path.read_bytes())
        else:
            there.write_text(data.replace("00000.", "00001."))
    path = folder / "train" / "00001_stats.json"
    stats = read_json(path)
    stats["sha256"] = content_sha256(stats)
    path.write_text(json.dumps(stats))
    found = findings(folder)
    assert any(f.startswith("plan: 4 samples are neither there nor quarantined: ") for f in found)
    assert any(
        f.startswith("plan: 3 samples are there more than once: ") or "4 samples are there more" in f for f in found
    )


Change = Callable[[Sample], Sample]


def rewritten(folder: Path, change: Change) -> list[str]:
    """What is found after the second sample of the first shard was written otherwise."""
    plan = read_plan(folder)
    shard = plan.shards[0]
    data = open_dataset(folder)
    entries = []
    for planned in shard.samples:
        if planned.key not in data:
            entries.append(Entry(planned=planned, failure="timeout", reason="took too long"))
            continue
        sample = data[planned.key]
        if planned is shard.samples[1]:
            sample = change(dataclasses.replace(sample, record=copy.deepcopy(sample.record), end=sample.end.copy()))
        entries.append(sample_entry(planned, sample))
    for path in (folder / shard.split).glob(f"{shard.number:05d}*"):
        path.unlink()
    write_shard(folder, shard, entries, fingerprint=plan.fingerprint)
    where = f"{shard.name}.tar: {shard.samples[1].key}: "
    found = findings(folder)
    assert all(finding.startswith(where) for finding in found), found
    return [finding.removeprefix(where) for finding in found]


def test_a_pixel_that_changes_outside_of_the_mask_is_found(folder: Path) -> None:
    def change(sample: Sample) -> Sample:
        sample.end[0, 0] ^= 1
        return sample

    assert rewritten(folder, change) == ["end.png differs from start.png in 1 pixels that mask.png keeps"]


def test_a_mask_of_a_level_that_does_not_exist_is_found(folder: Path) -> None:
    def change(sample: Sample) -> Sample:
        return dataclasses.replace(sample, mask=np.where(sample.mask == 255, np.uint8(254), sample.mask))

    assert rewritten(folder, change) == ["mask.png has the levels [254], must be of [0, 85, 170, 255]"]


def test_an_instance_that_is_no_body_is_found(folder: Path) -> None:
    def change(sample: Sample) -> Sample:
        seg = sample.end_seg.copy()
        seg[0, 0] = 200
        return dataclasses.replace(sample, end_seg=seg)

    assert rewritten(folder, change) == ["end_seg.png has the ids [200], which no body has"]


def test_a_body_that_is_seen_after_it_was_taken_away_is_found(folder: Path) -> None:
    def change(sample: Sample) -> Sample:
        sample.record["bodies"][0]["end"]["visible"] = False
        return sample

    assert rewritten(folder, change) == ["end_seg.png shows the bodies [1], which are not there at the end"]


def test_an_asset_of_the_other_split_is_found(folder: Path) -> None:
    def change(sample: Sample) -> Sample:
        item = next(item for item in sample.record["attribution"] if item["use"] == "environment")
        item["split"] = "test"
        return sample

    assert rewritten(folder, change) == ["json: sky:room is for test samples only, this is one of train"]


def test_a_record_of_another_run_is_found(folder: Path) -> None:
    def change(sample: Sample) -> Sample:
        sample.record["seed"] = 8
        sample.record["spec_json"] = "{}"
        return sample

    assert rewritten(folder, change) == [
        "json: seed is 8, the plan says 7",
        "json: spec_json.scene is missing",
    ]


def test_pictures_of_another_size_are_found(folder: Path) -> None:
    def change(sample: Sample) -> Sample:
        sample.record["camera"]["width"] = 32
        smaller = {n: getattr(sample, n)[:, :32] for n in ("start", "end", "start_seg", "end_seg", "mask")}
        return dataclasses.replace(sample, **smaller)

    found = rewritten(folder, change)
    assert found[0] == "json: camera has 32 × 48 pixels, the recipe 64 × 48"
    assert len(found) == 6 and found[1] == "start.png has 32 × 48 pixels"


def test_a_sample_with_other_members_than_the_rest_is_found(folder: Path) -> None:
    plan = read_plan(folder)
    shard = plan.shards[-1]
    data = open_dataset(folder)
    entries = [
        sample_entry(planned, dataclasses.replace(data[planned.key], arrays={"flow": np.zeros(3, np.float32)}))
        for planned in shard.samples
    ]
    for path in (folder / shard.split).glob(f"{shard.number:05d}*"):
        path.unlink()
    write_shard(folder, shard, entries, fingerprint=plan.fingerprint)
    count = len(entries)
    assert findings(folder) == [f"{shard.name}.tar: {count} samples differ from all others in the members flow.npy"]


def test_a_shard_of_another_plan_is_found(folder: Path) -> None:
    plan = read_plan(folder)
    other = dataclasses.replace(plan, recipe=dataclasses.replace(plan.recipe, max_attempts=13))
    (folder / "config.resolved.yaml").write_text(other.to_yaml())
    found = findings(folder)
    assert sum("_stats.json: is of plan" in finding for finding in found) == 4
    assert sum("json: fingerprint is" in finding for finding in found) == 11


def test_an_asset_that_nobody_is_thanked_for_is_found(folder: Path) -> None:
    path = folder / "ATTRIBUTION.csv"
    path.write_text("".join(line for line in path.open() if "planks:oak" not in line))
    assert findings(folder) == ["ATTRIBUTION.csv: does not name planks:oak"]
    path.unlink()
    assert findings(folder) == ["ATTRIBUTION.csv: is missing; the next run writes it"]


def test_shards_that_changed_places_between_the_splits_are_found(folder: Path) -> None:
    """All samples of the plan are there once, and every file is as it was written."""
    for part in (".tar", ".parquet", ".idx.json", "_stats.json"):
        one, other = (part_path(folder / split, 0, part) for split in ("train", "test"))
        kept = one.read_bytes()
        one.write_bytes(other.read_bytes())
        other.write_bytes(kept)
    assert findings(folder)[:2] == [
        f"train/00000_stats.json: is that of test/00000; {REMEDY}",
        f"test/00000_stats.json: is that of train/00000; {REMEDY}",
    ]


def test_figures_that_were_changed_are_found_though_they_make_no_data(folder: Path) -> None:
    path = folder / "train" / "00000_stats.json"
    whole = path.read_text()
    for old, new in (('"render":', '"rendes":'), ("{", "{ "), ('"here"', '"hers"')):
        path.write_text(whole.replace(old, new, 1))
        assert findings(folder) == [
            "train/00000_stats.json: has been changed after it was written, in what was measured or how it is spelled"
        ]


@pytest.mark.parametrize("name", ["README.md", "ATTRIBUTION.csv", "report/index.html"])
def test_a_changed_byte_beside_the_shards_is_found(name: str, folder: Path) -> None:
    write_report(folder)
    assert findings(folder) == []
    path = folder / name
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b"e", b"a", 1))
    remedy = "the next run, or `simgen report`, writes it anew"
    changed = f"{name}: has been changed after it was written (its sha256 does not fit); {remedy}"
    assert findings(folder) == [changed] or (name == "ATTRIBUTION.csv" and len(findings(folder)) == 1)
    path.unlink()
    assert findings(folder)[0].startswith(f"{name}: is missing; the next run")


def test_a_changed_byte_of_the_plan_is_found(folder: Path) -> None:
    path = folder / "config.resolved.yaml"
    whole = path.read_text()
    path.write_text(whole.replace("hand-made", "hand-mabe"))
    assert [finding.split(":")[0] for finding in findings(folder)] == ["config.resolved.yaml"]
    for changed, said in [
        (whole.replace("render:", "rander:"), "no key 'rander'"),
        (whole.replace("seed: 7", "seed: 3"), "has been changed after it was written"),
        ("", "must be a mapping of keys to values"),
    ]:
        path.write_text(changed)
        (found,) = findings(folder)
        assert found.startswith("config.resolved.yaml: ") and said in found and str(folder) not in found
        assert found.endswith("the same `simgen generate` writes it anew")


def test_the_sums_are_those_that_everybody_can_check(folder: Path) -> None:
    lines = (folder / "SHA256SUMS").read_text().splitlines()
    assert [line.split("  ")[1] for line in lines] == ["ATTRIBUTION.csv", "README.md", "config.resolved.yaml"]
    for line in lines:
        digest, name = line.split("  ")
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest
    (folder / "SHA256SUMS").unlink()
    assert findings(folder) == ["SHA256SUMS: is missing; the next run writes it"]


def test_a_run_that_goes_on_does_not_vouch_for_what_was_damaged_meanwhile(folder: Path) -> None:
    (folder / "README.md").write_text("other")
    write_report(folder)
    assert [finding.split(":")[0] for finding in findings(folder)] == ["README.md"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda stats: stats["keys"].append("../../x"), "the key '../../x'"),
        (lambda stats: stats["holes"][0].update(key="../../../etc/x"), "the key '../../../etc/x'"),
        (lambda stats: stats["holes"].append(3), "TypeError"),
        (lambda stats: stats["files"]["00000.tar"].update(bytes=-1), "a count of -1"),
        (lambda stats: stats["scenes"].update(nudge=None), "TypeError"),
        (lambda stats: stats["rejects"].append({}), "KeyError"),
        (lambda stats: stats["cost"].update(started_unix_s="now"), "a cost of 'now'"),
        (lambda stats: stats["cost"].pop("stages"), "KeyError"),
        (lambda stats: stats.update(split="\ud800"), "UnicodeEncodeError"),
        (lambda stats: stats["machine"].update(cores=float("nan")), "ValueError"),
        (lambda stats: stats["machine"].update(host="\ud800"), "UnicodeEncodeError"),
    ],
)
def test_statistics_of_a_stranger_are_checked_before_anyone_acts_on_them(
    change: Callable[[dict[str, Any]], object], said: str, folder: Path
) -> None:
    """Their sums fit, as a stranger can make them fit; `retry` removes files by these keys."""
    path = folder / "train" / "00000_stats.json"
    stats = read_json(path)
    stats["holes"].append({"key": "a", "scene": "nudge", "index": 3, "class": "crash", "reason": "none"})
    change(stats)
    stats["sha256"] = content_sha256(stats)
    path.write_text(json.dumps(stats))
    with pytest.raises(OutputError, match=re.escape(said)) as caught:
        read_status(folder)
    assert "does not hold what simgen writes" in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "span", [None, [1], ["a", 1], [-1, 5], [0, 1 << 70], [1.5, 2], [True, 1], {"a": 1}, [0, -5], [[0], 1]]
)
def test_an_index_of_a_stranger_is_checked_before_anything_is_read_by_it(span: Any, folder: Path) -> None:
    path = folder / "train" / "00000.idx.json"
    index = read_json(path)
    index["samples"]["nudge-000001"]["txt"] = span
    path.write_text(json.dumps(index))
    with pytest.raises(OutputError, match="must name offset and size of each member"):
        open_dataset(folder)
    resealed(folder)
    assert "must name offset and size of each member" in findings(folder)[0]


def test_a_member_that_says_it_has_exabytes_is_damage_and_no_memory(folder: Path) -> None:
    path = folder / "train" / "00000.idx.json"
    index = read_json(path)
    index["samples"]["nudge-000001"]["json"] = [0, 1 << 60]
    path.write_text(json.dumps(index))
    with pytest.raises(OutputError, match="ends before nudge-000001"):
        open_dataset(folder)["nudge-000001"]


def test_a_link_in_a_tar_is_damage(folder: Path) -> None:
    path = folder / "train" / "00000.tar"
    link = tarfile.TarInfo("nudge-000001.txt")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    path.write_bytes(link.tobuf() + path.read_bytes())
    resealed(folder)
    assert findings(folder)[0] == "train/00000.tar: cannot be read to its end: nudge-000001.txt is not a plain file"


def test_a_member_whose_end_lies_beyond_any_disk_is_damage(folder: Path) -> None:
    path = folder / "train" / "00000.tar"
    vast = tarfile.TarInfo("nudge-000001.txt")
    vast.size = (1 << 63) - 600
    path.write_bytes(vast.tobuf(tarfile.GNU_FORMAT) + path.read_bytes())
    resealed(folder)
    assert findings(folder)[0].startswith("train/00000.tar: cannot be read to its end: ")


def test_a_record_that_does_not_fit_the_schema_is_one_sentence_to_whoever_asks_for_it(folder: Path) -> None:
    path = folder / "train" / "00000.tar"
    path.write_bytes(path.read_bytes().replace(b'"law":', b'"lax":'))
    data = open_dataset(folder)
    for ask in (data.record, data.__getitem__):
        with pytest.raises(OutputError, match=r"00000\.tar: nudge-\S+: json: law is missing; see `simgen verify`"):
            ask(0)


def test_a_finding_is_one_line_and_json() -> None:
    problem = Problem(where="train/00000.tar", what="is missing")
    assert str(problem) == "train/00000.tar: is missing"
    assert problem.as_data() == {"where": "train/00000.tar", "what": "is missing"}


# Who is to be thanked, and what may be done with the whole.


HOSTILE = "=cmd|' /C calc'!A0 <script>alert(1)</script></textarea><img src=x onerror=a()> [a](java:b) `x` | \u202e"


def test_words_of_a_stranger_begin_nothing_in_the_card_and_the_table_of_credits(
    tmp_path: Path, make_dataset: DatasetFactory
) -> None:
    data = make_dataset(tmp_path / "data", n=4)
    contents = read_contents(open_dataset(data))
    credit = Credit(title=HOSTILE, author=HOSTILE, license=HOSTILE, url="+1")
    used = [dataclasses.replace(item, credit=credit, asset="@x:y", use="-1") for item in contents.used]
    rows = list(csv.reader(attribution_csv(used).splitlines()))
    assert len(rows) == len(used) + 1 and rows[1][0] == "'@x:y" and rows[1][2] == f"'{HOSTILE}"
    assert not any(cell.startswith(("=", "+", "-", "@", "\t")) for row in rows for cell in row)
    table = _licences(used)
    assert not set("<>[]\u202e`|") & set(words(HOSTILE))
    assert "<" not in table and "](" not in table and words(HOSTILE) in table
    # The columns of the table are still those of the table.
    assert {line.count("|") for line in table.splitlines() if line.startswith("|")} == {5}


def test_an_asset_whose_name_is_a_formula_is_found_in_the_table_of_credits(folder: Path) -> None:
    path = folder / "ATTRIBUTION.csv"
    path.write_text(path.read_text().replace("planks:oak", "=planks:oak"))
    assert findings(folder) == ["ATTRIBUTION.csv: does not name planks:oak"]


def test_what_a_killed_worker_left_of_a_mark_gets_no_checksum(folder: Path) -> None:
    # Found by tests/chaos, with a worker killed inside a write: the end of the run removes it, and then it was missed.
    left = [folder / "quarantine" / inner for inner in ("logs/.nudge-000003.log.8a8e9df5.tmp", ".x.json.0123abcd.tmp")]
    for path in left:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"half a m")
    write_card(folder, command="simgen generate --n 12")
    for path in left:
        path.unlink()
    assert findings(folder) == []


def test_every_asset_is_in_the_attribution_with_the_number_of_its_samples(folder: Path) -> None:
    data = open_dataset(folder)
    rows = {row["asset"]: row for row in csv.DictReader(attribution_csv(read_contents(data).used).splitlines())}
    assert list(rows) == sorted(rows)
    assert rows["planks:oak"]["samples"] == "11"
    assert int(rows["sky:room"]["samples"]) + int(rows["sky:field"]["samples"]) == 11
    assert rows["toys:mug-0"]["license"] == "CC BY 4.0" and rows["toys:mug-0"]["author"] == "A. Potter"


@pytest.mark.parametrize(
    ("written", "named"),
    [
        ("CC BY 4.0", "cc-by-4.0"),
        ("CC-BY 4.0", "cc-by-4.0"),
        ("CC BY-SA 4.0", "cc-by-sa-4.0"),
        ("cc-by-nc-sa-4.0", "cc-by-nc-sa-4.0"),
        ("Creative Commons Attribution 4.0", "cc-by-4.0"),
        ("CC0 1.0", "cc0-1.0"),
        ("CC0-1.0", "cc0-1.0"),
        ("Apache-2.0", "apache-2.0"),
        ("Apache License 2.0", "apache-2.0"),
        ("MIT", "mit"),
        ("CC BY-ND 4.0", "other"),
        ("All rights reserved", "other"),
        ("", "other"),
    ],
)
def test_a_licence_is_named_as_the_hub_does(written: str, named: str) -> None:
    assert hub_license(written) == named


@pytest.mark.parametrize(
    ("licenses", "whole"),
    [
        (["CC0 1.0"], "cc0-1.0"),
        (["CC0 1.0", "CC BY 4.0", "Apache-2.0"], "cc-by-4.0"),
        (["CC0 1.0", "Apache-2.0"], "apache-2.0"),
        (["CC BY 4.0", "CC BY-SA 4.0"], "cc-by-sa-4.0"),
        (["CC BY 4.0", "CC BY-NC 4.0"], "cc-by-nc-4.0"),
        # Share-alike forbids to add "non-commercial", and the other way round.
        (["CC BY-SA 4.0", "CC BY-NC 4.0"], "other"),
        (["CC BY-SA 4.0", "CC BY-NC-SA 4.0"], "other"),
        (["CC BY 4.0", "mine"], "other"),
        ([], "other"),
    ],
)
def test_the_licence_of_the_whole_is_the_strictest(licenses: list[str], whole: str) -> None:
    assert overall_license(licenses) == whole
