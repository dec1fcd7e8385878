"""One sample of a data set made again, and how much of it is the same: bytes, pixels, state."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from simgen.core.errors import UnknownName
from simgen.core.sample import Sample
from simgen.dataset.reader import Dataset, open_dataset
from simgen.dataset.stats import read_stats
from simgen.make.maker import Maker
from simgen.plan.fingerprint import changed_scenes, pins
from simgen.plan.plan import Plan, SampleId, read_plan_to_run, sample_id
from simgen.record.codec import decode, encode
from simgen.storage.paths import AnyPath


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """`same` where every pixel is."""

    same: bool
    text: str
    notes: tuple[str, ...] = ()
    """What is other than when the data set was made, and decides what comes out: the code of a scene."""


_IDENTICAL = "the same, byte for byte"


def compare(folder: AnyPath, key: str, *, scene_folders: Sequence[str] = ()) -> Verdict:
    """Make a sample again from the recipe, seed and index that its data set was made from. Scenes that do not come with
    simgen are loaded from `scene_folders`, never from where the data set says."""
    plan, data = read_plan_to_run(folder, scene_folders), open_dataset(folder)
    planned = plan.sample(key)
    if planned is None:
        near = (sample_id(plan.recipe, seed=plan.seed, index=index).key for index in range(min(plan.n, 10_000)))
        raise UnknownName("sample", key, near, where=str(folder))
    notes = tuple(changed_scenes(plan, planned.scene))
    return replace(_made_again(folder, plan, data, planned), notes=notes)


def _made_again(folder: AnyPath, plan: Plan, data: Dataset, planned: SampleId) -> Verdict:
    key, maker = planned.key, Maker(plan.recipe, plan.seed)
    outcome = maker.make(planned)
    reasons = "".join(f"\n  attempt {r.attempt}: {r.gate}: {r.reason}" for r in outcome.rejects)
    there = data.members(key) if key in data.keys else None
    if outcome.sample is None:
        return Verdict(same=there is None, text=f"{key}: every attempt was rejected{reasons}")
    if there is None:
        return Verdict(
            same=False, text=f"{key}: made without a fault this time; `simgen retry {folder}` puts it in place"
        )
    same, text = _compared(there, outcome.sample)
    if text == _IDENTICAL:
        return Verdict(same=True, text=f"{key}: {text}")
    now, then = {**pins(plan.recipe), **maker.pins()}, _pins_of(folder, plan, planned)
    changed = [f"{name} {then[name]} then, {now[name]} now" for name in now if then.get(name, now[name]) != now[name]]
    return Verdict(same=same, text=f"{key}: {text}" + (f" ({'; '.join(changed)})" if changed else ""))


def _pins_of(folder: AnyPath, plan: Plan, sample: SampleId) -> Mapping[str, str]:
    """The pins of the code that made a sample."""
    if not plan.accepted:
        return plan.pins
    split, number = plan.place(sample)
    fingerprint = read_stats(folder / split, number)["fingerprint"]
    return next((code.pins for code in plan.codes if code.fingerprint == fingerprint), plan.pins)


def _compared(there: Mapping[str, bytes], sample: Sample) -> tuple[bool, str]:
    """Whether every pixel is the same, and how far the sameness goes."""
    here = encode(sample)
    if here == there:
        return True, _IDENTICAL
    names = ", ".join(sorted(name for name in {*here, *there} if here.get(name) != there.get(name)))
    old = decode(sample.key, there)
    pictures = ("start", "end", "start_seg", "end_seg", "mask")
    if all(np.array_equal(getattr(old, name), getattr(sample, name)) for name in pictures):
        return True, f"the same, pixel for pixel; other bytes in {names}"
    apart_m = _apart_m(old.record, sample.record)
    if apart_m is None:
        return False, "another scene: its bodies or its start are not those of the data set"
    state = "the same state" if apart_m == 0 else f"end states up to {apart_m * 1000:.3g} mm apart"
    return False, f"{state}, end pictures at {_psnr_db(old.end, sample.end):.1f} dB; {names} differ"


def _apart_m(old: Mapping[str, Any], new: Mapping[str, Any]) -> float | None:
    """The largest distance between the end places of a body; None where the scenes are not the same to begin with."""
    if old["spec_json"] != new["spec_json"] or len(old["bodies"]) != len(new["bodies"]):
        return None
    pairs = zip(old["bodies"], new["bodies"], strict=True)
    return max(float(np.linalg.norm(np.subtract(a["end"]["position_m"], b["end"]["position_m"]))) for a, b in pairs)


def _psnr_db(a: Any, b: Any) -> float:
    if a.shape != b.shape:
        return 0.0
    error = float(np.mean((a.astype(float) - b.astype(float)) ** 2))
    return float("inf") if error == 0 else 10 * float(np.log10(255**2 / error))
