"""The world at any instant: every scene answers between its start frame and its end frame as well as at them.

Costs about a second a scene.
"""

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from simgen.core.mesh import Mesh
from simgen.core.rollout import Rollout
from simgen.core.tracks import MeshTrack, PoseTrack
from simgen.plan.recipe import load_scenes
from simgen.scene.registry import scenes

load_scenes()
NAMES = list(scenes())
PHASES = (0.0, 1 / 3, 2 / 3, 1.0)


def numbers(state: Any) -> Iterator[float]:
    """Every number in a state of a track."""
    if isinstance(state, Mesh):
        assert len(state.vertices_m) and len(state.triangles)
        for surface in state.surfaces:
            yield from surface.vertices_m.ravel().tolist()
            for values in surface.attributes.values():
                yield from np.asarray(values, dtype=float).ravel().tolist()
    elif dataclasses.is_dataclass(state):
        for field in dataclasses.fields(state):
            yield from numbers(getattr(state, field.name))
    elif isinstance(state, np.ndarray | list | tuple):
        for part in state:
            yield from numbers(part)
    elif isinstance(state, bool | int | float | np.generic):
        yield float(state)


@pytest.mark.parametrize("name", NAMES)
def test_every_state_between_start_and_end_is_finite(name: str, rollout_of: Callable[[str], Rollout]) -> None:
    rollout = rollout_of(name)
    for phase in PHASES:
        instant = rollout.instant(phase)
        for track in rollout.tracks:
            assert np.isfinite(list(numbers(track.state_at(instant)))).all(), f"{track.kind} at phase {phase:.2f}"
            if isinstance(track, PoseTrack):
                assert np.linalg.norm(track.state_at(instant)[1]) == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_the_ends_of_a_law_are_the_start_and_the_end_frame(name: str, rollout_of: Callable[[str], Rollout]) -> None:
    rollout = rollout_of(name)
    for phase, instant in ((0.0, rollout.start), (1.0, rollout.end)):
        assert rollout.instant(phase) == instant
        for track in rollout.tracks:
            if isinstance(track, PoseTrack):
                position, quaternion = track.state_at(instant)
                assert np.array_equal(position, track.position_m[instant.step])
                assert np.array_equal(quaternion, track.quaternion[instant.step])
            # Whoever asks twice gets the same thing: states are compared by identity.
            if isinstance(track, MeshTrack):
                assert track.state_at(instant) is track.state_at(instant)


@pytest.mark.parametrize("name", NAMES)
def test_what_changes_is_on_its_way_in_between(name: str, rollout_of: Callable[[str], Rollout]) -> None:
    rollout = rollout_of(name)
    changing = [track for track in rollout.tracks if track.differs(rollout.start, rollout.end)]
    if not changing:
        pytest.skip("this attempt changes nothing; it would be rejected")
    between = [rollout.instant(phase) for phase in PHASES[1:3]]
    assert any(track.differs(rollout.start, instant) for track in changing for instant in between)
    assert any(track.differs(instant, rollout.end) for track in changing for instant in between)
    assert any(track.differs(*between) for track in changing), "all that happens happens at one instant"


@pytest.mark.parametrize("name", NAMES)
def test_prescribed_quantities_lie_between_their_ends_and_conserved_ones_are_kept(
    name: str, rollout_of: Callable[[str], Rollout]
) -> None:
    rollout = rollout_of(name)
    for quantity in rollout.quantities:
        low, high = sorted((quantity.start, quantity.end))
        slack = 1e-9 + 1e-6 * (high - low)
        for phase in PHASES:
            value = quantity.at(phase)
            if quantity.conserved:
                assert quantity.law is not None, f"{quantity.name} is conserved and says nothing of what lies between"
                assert abs(value - quantity.start) <= quantity.conserved * abs(quantity.start), quantity.name
            elif quantity.law is not None and quantity.provenance == "prescribed":
                assert low - slack <= value <= high + slack, quantity.name


@pytest.mark.parametrize("name", NAMES)
def test_the_event_takes_as_long_as_it_takes(name: str, rollout_of: Callable[[str], Rollout]) -> None:
    """A frame of 0.05 s was once what stood for the minutes in which ice melts."""
    assert rollout_of(name).duration_s > 0.1
