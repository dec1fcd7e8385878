"""One attempt at a family of samples that begin with the same picture; a sample alone is a family of one.

Scene, start picture, camera and exposure are the family's. The camera is set for the first events that physics allows,
and who comes after must fit into it.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from simgen.core.sample import Frame, Reject, Sample
from simgen.make.clock import Clock
from simgen.make.phases import (
    Described,
    Event,
    Kit,
    certify,
    describe,
    draw_event,
    judge_pair,
    look_at,
    other_start,
    place,
    record_sample,
    render_end,
    render_start,
    shapes_of,
    simulate_event,
    survey,
    used_assets,
)
from simgen.plan.plan import SampleId

EVENTS_TRIED = 4
"""Events that are tried for each member of a family."""

T = TypeVar("T")


def make_family(
    kit: Kit, first: SampleId, attempt: int, *, clock: Clock, notice: Callable[[Sequence[str]], None]
) -> tuple[list[Sample], list[Reject]]:
    """The family's samples, all or fewer, and why what else was tried is not among them."""
    size, scene, rejects = first.family_size, kit.scenes[first.scene], list[Reject]()
    events = _kept(possible_events(kit, first, attempt, clock=clock, notice=notice), rejects)
    leading = list(itertools.islice(events, size))
    if len(leading) < size:
        return [], rejects
    shapes = shapes_of(kit, leading[0].rollout.spec)
    camera = place(kit, scene, leading, shapes)

    def described(event: Event) -> Described | Reject:
        return describe(kit, scene, event, camera, shapes, numbers=(first.family, attempt))

    members = list(_kept(map(described, leading), rejects))
    if not members:
        return [], rejects
    with clock("survey"):
        surveyed = survey(kit, members, camera)
    samples: list[Sample] = []
    start: Frame | None = None
    ends: list[NDArray[np.uint8]] = []
    others = ((member, None) for member in _kept(map(described, events), rejects))
    for member, end_light in itertools.chain(zip(members, surveyed.ends, strict=True), others):
        with clock("survey"):
            look = look_at(kit, scene, member, surveyed, end_light, shapes, ends)
        if isinstance(look, Reject):
            rejects.append(look)
            continue
        with clock("render"):
            start = start or render_start(kit, member, surveyed.camera)
            end = render_end(kit, member, surveyed.camera, start, look)
        with clock("judge"):
            judged = judge_pair(scene, member, surveyed.camera, shapes, start, end)
            if isinstance(judged, Reject):
                rejects.append(judged)
                continue
            ends.append(look.end)
            number = first.at(first.index + len(samples))
            samples.append(record_sample(kit, scene, number, attempt, judged, surveyed.camera, start, end))
        if len(samples) == size:
            break
    return samples, rejects


def possible_events(
    kit: Kit, first: SampleId, attempt: int, *, clock: Clock, notice: Callable[[Sequence[str]], None]
) -> Iterator[Event | Reject]:
    """Events that pass the certificate, each another one in the same scene, and why the others do not."""
    size, scene = first.family_size, kit.scenes[first.scene]
    known = []
    start, found = None, 0
    for number in range(1 if size == 1 else EVENTS_TRIED * size):
        if number == size and not found:
            # It is the scene that fails, not what happens in it.
            return
        with clock("simulate"):
            spec = draw_event(kit, first, attempt, number, notice=notice)
            if not isinstance(spec, Reject) and spec in known:
                spec = Reject(gate="family_distinct", reason="the same event once more")
            if isinstance(spec, Reject):
                yield spec
                continue
            known.append(spec)
            notice(used_assets(spec))
            rollout = simulate_event(kit, first.scene, spec)
        start = start or rollout
        event = certify(scene, rollout, number)
        if rollout is not start and (other := other_start(start, rollout)) is not None:
            event = Reject(gate="family_start", reason=f"{other} at the start is not that of the family")
        found += isinstance(event, Event)
        yield event


def _kept(found: Iterable[T | Reject], rejects: list[Reject]) -> Iterator[T]:
    """What is no reject; the rejects are put down."""
    for one in found:
        if isinstance(one, Reject):
            rejects.append(one)
        else:
            yield one
