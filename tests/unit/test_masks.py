"""What the mask promises, on pictures that are drawn by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simgen.core.masks import ACTOR, AFFECTED, KEEP, LEVELS, LIGHT, SURVEY_LIGHT_TEST, changed_boxes, compose
from simgen.core.sample import Frame

SIZE = 96


def frame(rgb: np.ndarray, ids: np.ndarray) -> Frame:
    return Frame(
        rgb=rgb.astype(np.uint8),
        ids=ids.astype(np.uint8),
        depth_m=np.ones(ids.shape, np.float32),
        normals=np.zeros((*ids.shape, 3), np.float32),
    )


def scene(square: tuple[int, int], *, body: int = 1, noise: int = 0, shade: int = 0, seed: int = 0) -> Frame:
    """A grey wall with a red square of 16 pixels at `square`, noise of ±`noise`, and a shade on the left third."""
    rng = np.random.default_rng(seed)
    rgb = np.full((SIZE, SIZE, 3), 120, np.int16)
    rgb[:, : SIZE // 3] -= shade
    ids = np.zeros((SIZE, SIZE), np.uint8)
    y, x = square
    rgb[y : y + 16, x : x + 16] = (200, 40, 40)
    ids[y : y + 16, x : x + 16] = body
    rgb += rng.integers(-noise, noise + 1, size=rgb.shape, dtype=np.int16) if noise else 0
    return frame(np.clip(rgb, 0, 255), ids)


def test_a_body_that_does_not_move_is_not_in_the_mask() -> None:
    pair = compose(scene((40, 40), noise=2), scene((40, 40), noise=2, seed=1), actors=(), affected=())
    assert (pair.mask == KEEP).all()
    assert (pair.end == pair.start).all()


def test_the_actor_is_marked_where_it_was_and_where_it_is() -> None:
    pair = compose(scene((20, 20)), scene((60, 60)), actors=(1,), affected=())
    assert (pair.mask[20:36, 20:36] == ACTOR).all()
    assert (pair.mask[60:76, 60:76] == ACTOR).all()
    assert (pair.end[60:76, 60:76] == (200, 40, 40)).all()
    assert (pair.end[20:36, 20:36] == 120).all()


def test_an_affected_body_has_its_own_level() -> None:
    pair = compose(scene((20, 20), body=7), scene((60, 60), body=7), actors=(1,), affected=(7,))
    assert (pair.mask[20:36, 20:36] == AFFECTED).all()


def test_of_a_body_that_changes_where_it_is_only_what_looks_different_is_marked() -> None:
    before, after = scene((40, 40), noise=1), scene((40, 40), noise=1, seed=1)
    after.rgb[40:56, 40:46] = (40, 200, 40)
    pair = compose(before, after, actors=(1,), affected=(), in_place=(1,))
    assert (pair.mask[42:54, 40:46] == ACTOR).all()
    assert (pair.mask[40:56, 52:] == KEEP).all() and (pair.end[40:56, 52:] == before.rgb[40:56, 52:]).all()
    # Where it grows beyond its old outline it is marked however little the colour differs there.
    grown = scene((40, 40))
    grown.ids[30:40, 40:56] = 1
    assert (compose(scene((40, 40)), grown, actors=(1,), affected=(), in_place=(1,)).mask[30:40, 40:56] == ACTOR).all()


def test_a_shadow_that_appears_is_light_that_changed() -> None:
    pair = compose(scene((60, 60)), scene((60, 60), shade=30), actors=(1,), affected=())
    assert (pair.mask[:, : SIZE // 3 - 4] == LIGHT).all()
    assert (pair.end[5, 5] == 90).all()


def test_noise_outside_the_change_is_not_copied() -> None:
    start, end = scene((20, 20), noise=2), scene((60, 60), noise=2, seed=1)
    pair = compose(start, end, actors=(1,), affected=())
    keep = pair.mask == KEEP
    assert keep.mean() > 0.6
    assert (start.rgb[keep] != end.rgb[keep]).any()
    assert (pair.end[keep] == pair.start[keep]).all()


@settings(max_examples=40, deadline=None)
@given(
    places=st.tuples(*[st.integers(0, SIZE - 16)] * 4),
    noise=st.integers(0, 12),
    shade=st.integers(0, 60),
    seed=st.integers(0, 9),
)
def test_outside_the_mask_the_end_is_the_start_bit_for_bit(
    places: tuple[int, int, int, int], noise: int, shade: int, seed: int
) -> None:
    start = scene(places[:2], noise=noise, seed=seed)
    end = scene(places[2:], noise=noise, shade=shade, seed=seed + 100)
    pair = compose(start, end, actors=(1,), affected=())
    keep = pair.mask == KEEP
    assert (pair.start[keep] == pair.end[keep]).all()
    assert set(np.unique(pair.mask)) <= set(LEVELS)


def test_a_survey_sees_a_pale_shadow_under_much_noise_and_no_shadow_where_there_is_only_noise() -> None:
    quiet, noisy = scene((60, 60), noise=5), scene((60, 60), noise=5, seed=1)
    shaded = scene((60, 60), noise=5, shade=5, seed=1)
    nothing = compose(quiet, noisy, actors=(), affected=(), light_test=SURVEY_LIGHT_TEST)
    shadow = compose(quiet, shaded, actors=(), affected=(), light_test=SURVEY_LIGHT_TEST)
    assert (nothing.mask == LIGHT).mean() < 0.02
    assert (shadow.mask[:, : SIZE // 3 - 4] == LIGHT).mean() > 0.95


def test_the_changed_box_of_a_small_mask_holds_all_that_changes_in_the_picture() -> None:
    mask = np.zeros((32, 64), np.uint8)
    mask[10:12, 20:30] = ACTOR
    assert changed_boxes(mask, 256, 128) == ((76, 36, 124, 52),)
    mask[0, 0] = mask[-1, -1] = LIGHT
    whole = (0, 0, 256, 128)
    assert changed_boxes(mask, 256, 128, margin_px=256) == (whole,)
    assert changed_boxes(np.full((32, 64), LIGHT, np.uint8), 250, 130) == ((0, 0, 250, 130),)


def test_two_places_are_two_boxes_where_that_is_less() -> None:
    mask = np.zeros((32, 64), np.uint8)
    mask[4:8, 4:8], mask[24:28, 50:60] = ACTOR, LIGHT
    assert changed_boxes(mask, 256, 128) == ((12, 12, 36, 36), (196, 92, 244, 116))
    assert changed_boxes(mask, 256, 128, margin_px=24) == ((12, 12, 36, 36), (196, 92, 244, 116))
    # Beside each other, two with their margins would be more than one.
    mask[:] = 0
    mask[4:28, 10:20] = mask[4:20, 22:30] = LIGHT
    assert len(changed_boxes(mask, 256, 128, margin_px=24)) == 1


@pytest.mark.parametrize("seed", range(20))
def test_boxes_hold_all_that_changes_and_are_no_more_than_one(seed: int) -> None:
    rng = np.random.default_rng(seed)
    mask = np.zeros((48, 48), np.uint8)
    for _ in range(rng.integers(1, 6)):
        left, top = rng.integers(0, 40, 2)
        mask[top : top + rng.integers(1, 8), left : left + rng.integers(1, 8)] = LIGHT
    covered = np.zeros((480, 480), bool)
    boxes = changed_boxes(mask, 480, 480, margin_px=24)
    for left, top, right, bottom in boxes:
        covered[top:bottom, left:right] = True
    assert covered[np.kron(mask, np.ones((10, 10), np.uint8)) > 0].all()
    rows, columns = np.nonzero(mask)
    outline = (np.ptp(rows) + 3) * (np.ptp(columns) + 3) * 100
    assert covered.sum() <= outline


def test_where_nothing_is_seen_to_change_the_box_is_the_picture() -> None:
    assert changed_boxes(np.zeros((8, 8), np.uint8), 64, 64) == ((0, 0, 64, 64),)
