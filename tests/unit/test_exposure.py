"""One exposure for the pictures of a sample: middle grey around the subjects, unless the rest would clip."""

import numpy as np
import pytest

from simgen.make.exposure import CLIPS_AT, MIDDLE_GREY, exposure_ev

SIDE = 80
"""Pixels; light counts as around a subject within an eighth of it, 10 pixels."""


def lit(*columns: tuple[int, float], subject: slice = slice(0, SIDE)) -> tuple[np.ndarray, np.ndarray]:
    """Luminance by columns, each from its first on, and the columns that are the subject's."""
    luminance = np.zeros((SIDE, SIDE), np.float32)
    for first, light in columns:
        luminance[:, first:] = light
    shown = np.zeros((SIDE, SIDE), bool)
    shown[:, subject] = True
    return luminance, shown


@pytest.mark.parametrize(("share_of_grey", "stops"), [(1.0, 0.0), (0.5, 1.0), (0.25, 2.0), (2.0, -1.0)])
def test_what_is_half_as_bright_as_middle_grey_gets_one_stop_more(share_of_grey: float, stops: float) -> None:
    assert exposure_ev([lit((0, share_of_grey * MIDDLE_GREY))]) == stops


def test_both_frames_count_by_the_mean_of_their_stops() -> None:
    dark, bright = lit((0, MIDDLE_GREY / 2)), lit((0, MIDDLE_GREY * 2))
    assert exposure_ev([dark, bright]) == 0.0
    assert exposure_ev([dark, dark]) == 1.0


def test_light_far_from_the_subject_does_not_count() -> None:
    columns = ((0, MIDDLE_GREY), (20, 4 * MIDDLE_GREY))
    assert exposure_ev([lit(*columns, subject=slice(0, 10))]) == 0.0
    assert exposure_ev([lit(*columns, subject=slice(0, 11))]) < 0.0


def test_where_no_subject_is_seen_the_whole_picture_counts() -> None:
    half = ((0, MIDDLE_GREY), (SIDE // 2, 4 * MIDDLE_GREY))
    assert exposure_ev([lit(*half, subject=slice(0, 0))]) == -1.0


def test_a_window_of_more_than_one_percent_may_not_clip_and_a_lamp_of_less_may() -> None:
    luminance, subject = lit((0, MIDDLE_GREY), subject=slice(0, 10))
    window, lamp = luminance.copy(), luminance.copy()
    # 80 pixels are 1.25 percent of the picture, 60 are 0.94.
    window[:, -1] = 4 * CLIPS_AT
    lamp[:60, -1] = 4 * CLIPS_AT
    assert exposure_ev([(window, subject)]) == -2.0
    assert exposure_ev([(lamp, subject)]) == 0.0


def test_light_that_is_no_number_gives_an_exposure_all_the_same() -> None:
    luminance, subject = lit((0, MIDDLE_GREY), subject=slice(0, 10))
    luminance[0, -3:] = np.inf, np.nan, 0.0
    assert exposure_ev([(luminance, subject)]) == 0.0
