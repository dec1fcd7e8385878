"""What a report shows → its charts: scenes, rejects, distributions, time."""

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

from simgen.dataset.report.cards import words
from simgen.dataset.report.charts import Bar, bar_chart, histogram, number
from simgen.dataset.report.gather import ReportData
from simgen.dataset.report.markup import Html, el


def figures_section(data: ReportData) -> Html | None:
    """All charts; None where there is nothing to show yet."""
    charts = [*_scene_chart(data), *_reject_chart(data), *_histograms(data), *_cost_chart(data)]
    if not charts:
        return None
    return el("section", el("h2", "Figures"), el("div", charts, class_="charts"), id="charts")


def _scene_chart(data: ReportData) -> Iterable[Html]:
    if not data.accepted:
        return
    counts = Counter((row.scene, row.split) for row in data.accepted)
    bars = []
    for scene in sorted({row.scene for row in data.accepted}):
        train, test = counts[scene, "train"], counts[scene, "test"]
        share = f"{100 * (train + test) / max(1, data.attempts.get(scene, 0)):.0f} %"
        bars.append(Bar(label=words(scene), parts=(train, test), note=f"{train + test} ({share})"))
    yield _figure(
        "Scenes",
        "Accepted pairs of each scene; in brackets the share of its attempts that were accepted.",
        bar_chart(bars, axis="pairs", label=_described(bars)),
        key=("train", "test"),
    )


def _reject_chart(data: ReportData) -> Iterable[Html]:
    reasons = data.reasons().most_common()
    if not reasons:
        return
    bars = [Bar(label=words(gate), parts=(count,), note=number(count)) for gate, count in reasons]
    total = sum(count for _, count in reasons)
    yield _figure(
        "Why attempts were rejected",
        f"The first gate that each of {number(total)} rejected attempts failed.",
        bar_chart(bars, axis="attempts", label=_described(bars)),
    )


def _histograms(data: ReportData) -> Iterable[Html]:
    if not data.accepted:
        return
    drawn = (
        ("Changed area", "Share of the picture that the mask lets change.", "% of the pixels", False,
         [100 * row.changed_share for row in data.accepted]),
        ("Mass", "Of the body that the event acts upon.", "kg, logarithmic", True,
         [row.actor_mass_kg for row in data.accepted]),
        ("Size", "Longest edge of the body that the event acts upon.", "cm", False,
         [100 * row.actor_size_m for row in data.accepted]),
    )  # fmt: skip
    for title, caption, axis, log, values in drawn:
        if log and max(values) <= 0:
            continue
        low, middle, high = (number(float(v)) for v in np.quantile(values, (0.0, 0.5, 1.0)))
        told = f"{title} in {axis}: {low} to {high}, median {middle}"
        yield _figure(title, caption, histogram(values, axis=axis, label=told, log=log))


def _cost_chart(data: ReportData) -> Iterable[Html]:
    count = len(data.accepted)
    total = sum(data.cost_s.values())
    if not count or not total:
        return
    bars = [
        Bar(
            label=words(stage),
            parts=(seconds / count,),
            note=f"{number(seconds / count)} s ({100 * seconds / total:.0f} %)",
        )
        for stage, seconds in sorted(data.cost_s.items(), key=lambda item: -item[1])
    ]
    yield _figure(
        "Time per pair",
        f"Seconds of one worker for each accepted pair, rejected attempts included: {number(total / count)} s in all, "
        f"{number(3600 * count / total, 2)} pairs an hour and worker.",
        bar_chart(bars, axis="seconds", label=_described(bars)),
    )


def _described(bars: Sequence[Bar]) -> str:
    """A bar chart for those who do not see it."""
    return "; ".join(f"{bar.label}: {bar.note}" for bar in bars)


def _figure(title: str, caption: str, chart: Html, *, key: Sequence[str] = ()) -> Html:
    swatches = [el("li", el("span", class_=f"swatch part{i}-swatch"), name) for i, name in enumerate(key)]
    legend = el("ul", swatches, class_="legend") if key else None
    return el("figure", el("figcaption", el("h3", title), el("p", caption)), legend, chart)
