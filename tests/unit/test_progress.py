"""What a run says is read from the notes of its workers."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from simgen.dataset.lock import PROGRESS_FOLDER
from simgen.dataset.progress import Progress, byte_size, counts, duration
from simgen.run.notes import WorkerNotes


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / PROGRESS_FOLDER).mkdir()
    return tmp_path


def note(book: WorkerNotes, key: str, *, failure: str | None = None, **rejects: int) -> None:
    book.write({"at": key})
    book.write({"key": key, "failure": failure, "rejects": rejects})


def test_the_last_word_of_a_worker_is_the_sample_it_was_at(folder: Path) -> None:
    book = WorkerNotes(folder, "worker-1")
    assert book.unfinished_sample() is None
    book.write({"at": "drop-000001"})
    assert book.unfinished_sample() == "drop-000001"
    book.write({"key": "drop-000001", "failure": None, "rejects": {}})
    assert book.unfinished_sample() is None


def test_what_the_sample_was_made_of_is_known_from_the_notes_of_its_latest_attempt(folder: Path) -> None:
    book = WorkerNotes(folder, "worker-1")
    book.write({"at": "drop-000001"})
    assert book.latest_assets() == ()
    book.write({"assets": ["toys:mug", "planks:oak"]})
    book.write({"assets": ["toys:cup"]})
    assert (book.unfinished_sample(), book.latest_assets()) == ("drop-000001", ("toys:cup",))
    book.write({"key": "drop-000001", "failure": None, "rejects": {}})
    assert book.latest_assets() == ()


def test_a_note_that_a_full_disk_cut_short_is_passed_over(folder: Path) -> None:
    out = io.StringIO()
    path = folder / PROGRESS_FOLDER / "worker-1.jsonl"
    path.write_text('{"at": "a-0"}\n{"key": "a-{"at": "a-1"}\n')
    assert WorkerNotes(folder, "worker-1").unfinished_sample() == "a-0"
    with Progress(folder, planned=2, done=0, console=Console(file=out), every_s=0) as progress:
        progress.update()
    assert out.getvalue().splitlines()[-1].startswith("0/2 samples")


def test_notes_into_a_folder_that_is_gone_are_dropped(tmp_path: Path) -> None:
    book = WorkerNotes(tmp_path / "gone", "worker-1")
    book.write({"at": "drop-000001"})
    assert book.unfinished_sample() is None


def test_without_a_terminal_there_is_a_line_now_and_then(folder: Path) -> None:
    out = io.StringIO()
    first, second = WorkerNotes(folder, "worker-1"), WorkerNotes(folder, "worker-2")
    with Progress(folder, planned=10, done=2, console=Console(file=out, width=40), every_s=0) as progress:
        note(first, "a-2", at_rest=2)
        note(second, "a-3", failure="crash")
        progress.update(at_once=True)
        # A worker died over its shard: the samples are made again, and count once.
        note(second, "a-2", at_rest=2)
        progress.update(at_once=True)
    line = out.getvalue().splitlines()[-1]
    assert line.startswith("4/10 samples, ")
    assert "rejected attempts: at_rest 2, quarantined: crash 1" in line
    assert " left" in line
    assert out.getvalue().startswith("2/10 samples, starting\n")


def test_after_a_look_that_took_long_the_next_one_waits(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A look of a second, and ten looks asked for within the next one: none of them looks."""
    now = [100.0]
    monkeypatch.setattr("simgen.dataset.progress.time.monotonic", lambda: now[0])
    out = io.StringIO()
    looks = 0

    class Slow(Progress):
        def _look(self) -> None:
            nonlocal looks
            looks, now[0] = looks + 1, now[0] + 1.0

    progress = Slow(folder, planned=9, done=0, console=Console(file=out))
    progress.update()
    for _ in range(10):
        now[0] += 0.5
        progress.update()
    assert looks == 1
    now[0] += 4.5
    progress.update()
    assert looks == 2


def test_half_a_line_waits_for_its_other_half(folder: Path) -> None:
    out = io.StringIO()
    path = folder / PROGRESS_FOLDER / "worker-1.jsonl"
    with Progress(folder, planned=2, done=0, console=Console(file=out), every_s=0) as progress:
        path.write_text('{"key": "a-0", "fail')
        progress.update(at_once=True)
        path.write_text('{"key": "a-0", "failure": null, "rejects": {}}\n')
        progress.update(at_once=True)
    assert out.getvalue().splitlines()[-1].startswith("1/2 samples")


def test_on_a_terminal_there_is_a_bar(folder: Path) -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=100)
    with Progress(folder, planned=4, done=1, console=console) as progress:
        note(WorkerNotes(folder, "worker-1"), "a-1", dark=1)
        progress.update(at_once=True)
    assert "━" in out.getvalue() and "2/4 samples" in out.getvalue()


def test_figures_are_told_in_few_words() -> None:
    assert counts({"a": 1, "b": 3, "c": 1}) == "b 3, a 1, c 1"
    assert counts({"a": 1, "b": 3, "c": 1}, most=1) == "b 3, other 2"
    assert [duration(s) for s in (0, 89, 91, 3600, 11_100)] == ["0 s", "89 s", "2 min", "60 min", "3 h 05 min"]


@pytest.mark.parametrize(
    ("size", "words"),
    [
        (0, "0 bytes"),
        (940, "940 bytes"),
        (999.4, "999 bytes"),
        (999.9, "1.0 kB"),
        (1_080_000, "1.1 MB"),
        (25_600_000, "26 MB"),
        (999_400_000, "999 MB"),
        (999_900_000, "1.0 GB"),
        (1.2e12, "1.2 TB"),
    ],
)
def test_a_size_is_written_in_a_unit_that_shows_it(size: float, words: str) -> None:
    assert byte_size(size) == words
