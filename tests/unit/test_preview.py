from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from simgen.core.errors import OutputError
from simgen.core.sample import Sample
from simgen.dataset.contact_sheet import contact_sheet, strip
from simgen.dataset.report.palette import MASK_LEVELS


def test_a_sheet_shows_every_sample_in_rows_of_columns(tmp_path: Path, make_sample: Callable[..., Sample]) -> None:
    samples = [make_sample(i) for i in range(3)]
    two = Image.open(contact_sheet(samples, tmp_path / "two.png", columns=2, tile=64))
    one = Image.open(contact_sheet(samples, tmp_path / "one.png", columns=1, tile=64))
    assert two.width > 2 * 3 * 64 and one.width < 2 * 3 * 64
    assert one.height > two.height > 2 * 64


def test_a_sheet_shows_what_changed_in_colour(tmp_path: Path, make_sample: Callable[..., Sample]) -> None:
    sheet = np.asarray(Image.open(contact_sheet([make_sample(0)], tmp_path / "sheet.png", tile=64)))
    for _, _, color in MASK_LEVELS:
        assert (sheet == np.array(color)).all(axis=-1).any(), "a colour of the legend is missing"
    spread = np.ptp(sheet.astype(int), axis=-1)
    assert (spread > 60).sum() > 200


def test_words_that_are_too_long_for_a_line_go_on_the_next(tmp_path: Path, make_sample: Callable[..., Sample]) -> None:
    short, long = make_sample(0), make_sample(0)
    long.record["instructions"]["intermediate"] = "Push the café’s white mug " * 12
    heights = [
        Image.open(contact_sheet([sample], tmp_path / f"{i}.png", tile=64)).height
        for i, sample in enumerate((short, long))
    ]
    assert heights[1] > heights[0] + 100


def test_a_sheet_of_nothing_is_a_sheet(tmp_path: Path) -> None:
    assert Image.open(contact_sheet([], tmp_path / "sheet.png")).height > 0


def test_a_strip_has_a_column_for_each_sample(tmp_path: Path, make_sample: Callable[..., Sample]) -> None:
    path = strip([make_sample(i) for i in range(4)], tmp_path / "docs" / "strip.jpg", tile=40)
    assert Image.open(path).size == (4 * 40 + 3 * 6, 3 * 40 + 2 * 6)


def test_a_picture_format_that_nobody_knows_is_refused(tmp_path: Path, make_sample: Callable[..., Sample]) -> None:
    with pytest.raises(OutputError, match=r"\.png"):
        contact_sheet([make_sample(0)], tmp_path / "sheet.bogus", tile=32)


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path, make_sample: Callable[..., Sample]) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="file"):
        strip([make_sample(0)], tmp_path / "file" / "strip.png", tile=32)
