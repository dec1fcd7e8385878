"""Numbers → SVG: bars with their figures beside them, histograms with linear or logarithmic axes."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from simgen.dataset.report.markup import Html, el

_WIDTH = 400
_CHARACTER = 6.8
"""Width of a character at the charts' 12 px, on the safe side."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One row of a bar chart; `parts` lie end to end, one for each name in the chart's key."""

    label: str
    parts: tuple[float, ...]
    note: str
    """The figure as text, to the right of the bar."""


def bar_chart(bars: Sequence[Bar], *, axis: str, label: str) -> Html:
    """Horizontal bars in the order given, over an axis with ticks."""
    row, top = 26, 4
    left = min(150.0, _CHARACTER * max(len(bar.label) for bar in bars) + 8)
    right = _CHARACTER * max(len(bar.note) for bar in bars) + 12
    across = _WIDTH - left - right
    ticks = ticks_between(0.0, max(max(sum(bar.parts) for bar in bars), 1e-9), across / 46)
    scale = across / ticks[-1]
    bottom = top + row * len(bars)

    marks: list[Html] = []
    for tick in ticks:
        x = left + tick * scale
        marks.append(el("line", class_="grid", x1=_px(x), x2=_px(x), y1=top, y2=bottom))
        marks.append(el("text", number(tick), class_="tick", x=_px(x), y=bottom + 16, text_anchor="middle"))
    for i, bar in enumerate(bars):
        y = top + i * row
        x = left
        marks.append(el("text", _cut(bar.label, left), x=_px(left - 8), y=y + 17, text_anchor="end"))
        for j, part in enumerate(bar.parts):
            width = part * scale
            rect = el("rect", el("title", f"{bar.label}: {bar.note}"), class_=f"bar part{j}",
                      x=_px(x), y=y + 5, width=_px(width), height=row - 10)  # fmt: skip
            marks.append(rect)
            x += width
        marks.append(el("text", bar.note, class_="note", x=_px(x + 6), y=y + 17))
    marks.append(el("line", class_="axis", x1=_px(left), x2=_px(left), y1=top, y2=bottom))
    marks.append(el("text", axis, class_="name", x=_px(left + across / 2), y=bottom + 34, text_anchor="middle"))
    return _svg(marks, bottom + 40, label)


def histogram(values: Sequence[float], *, axis: str, label: str, log: bool = False, counted: str = "pairs") -> Html:
    """How often which value occurs, with the median marked; on a logarithmic axis zeros are left out."""
    data = np.asarray([v for v in values if math.isfinite(v) and (v > 0 or not log)], dtype=np.float64)
    left, right, top, height = 38, 10, 22, 140
    across, bottom = _WIDTH - left - right, top + height
    if log:
        low, high = math.floor(math.log10(data.min()) * 2) / 2, math.ceil(math.log10(data.max()) * 2) / 2
        high = max(high, low + 1)
        edges = np.linspace(low, high, round((high - low) * 6) + 1)
        counts, _ = np.histogram(np.log10(data), edges)
        median = math.log10(float(np.median(data)))
        ticks = [t for t in _decades(low, high) if low - 1e-9 <= math.log10(t) <= high + 1e-9]
        places = [math.log10(t) for t in ticks]
    else:
        ticks = places = ticks_between(0.0, max(float(data.max()), 1e-9), 6)
        low, high = 0.0, ticks[-1]
        edges = np.linspace(low, high, (len(ticks) - 1) * 4 + 1)
        counts, _ = np.histogram(data, edges)
        median = float(np.median(data))
    most = ticks_between(0.0, float(counts.max()), 4, whole=True)
    scale_x, scale_y = across / (high - low), height / most[-1]

    marks: list[Html] = []
    for tick in most:
        y = bottom - tick * scale_y
        marks.append(el("line", class_="grid", x1=left, x2=_WIDTH - right, y1=_px(y), y2=_px(y)))
        marks.append(el("text", number(tick), class_="tick", x=left - 6, y=_px(y + 4), text_anchor="end"))
    for count, start, stop in zip(counts, edges[:-1], edges[1:], strict=True):
        if count:
            bounds = (10**start, 10**stop) if log else (start, stop)
            said = f"{number(bounds[0])} to {number(bounds[1])}: {count} {counted}"
            x, y = left + (start - low) * scale_x, bottom - count * scale_y
            width = (stop - start) * scale_x - 1
            rect = el("rect", el("title", said), class_="bar part0",
                      x=_px(x + 0.5), y=_px(y), width=_px(width), height=_px(bottom - y))  # fmt: skip
            marks.append(rect)
    for tick, place in zip(ticks, places, strict=True):
        x = left + (place - low) * scale_x
        marks.append(el("line", class_="axis", x1=_px(x), x2=_px(x), y1=bottom, y2=bottom + 4))
        marks.append(el("text", number(tick), class_="tick", x=_px(x), y=bottom + 18, text_anchor="middle"))
    x = left + (median - low) * scale_x
    side, shift = ("end", -5) if x > left + 0.7 * across else ("start", 5)
    shown = number(float(np.median(data)))
    marks.append(el("line", class_="median", x1=_px(x), x2=_px(x), y1=top - 14, y2=bottom))
    marks.append(el("text", f"median {shown}", class_="note", x=_px(x + shift), y=top - 6, text_anchor=side))
    marks.append(el("line", class_="axis", x1=left, x2=_WIDTH - right, y1=bottom, y2=bottom))
    marks.append(el("text", axis, class_="name", x=_px(left + across / 2), y=bottom + 36, text_anchor="middle"))
    marks.append(el("text", counted, class_="tick", x=0, y=11))
    return _svg(marks, bottom + 42, label)


def ticks_between(low: float, high: float, about: float, *, whole: bool = False) -> list[float]:
    """Round numbers in steps of 1, 2 or 5 that begin at `low` and reach `high`; roughly `about` steps."""
    span = high - low
    rough = span / max(about, 1.0)
    power = 10.0 ** math.floor(math.log10(rough)) if rough > 0 else 1.0
    step = next((m * power for m in (1, 2, 5, 10) if m * power >= rough * 0.999), 10 * power)
    if whole:
        step = max(1.0, round(step))
    count = max(1, math.ceil(span / step - 1e-9))
    return [round(low + i * step, 12) for i in range(count + 1)]


def number(value: float, digits: int = 3) -> str:
    """The value to `digits` figures, written out as far as one can read it."""
    if value == 0 or not math.isfinite(value):
        return "0" if value == 0 else "–"
    size = abs(value)
    if size >= 1e6 or size < 1e-4:
        mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
        raised = str(int(exponent)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
        return f"{float(mantissa):g} × 10{raised}".replace("-", "−")
    decimals = max(0, digits - 1 - math.floor(math.log10(size)))
    text = f"{value:,.{decimals}f}".replace(",", "\u202f").replace("-", "−")
    return text.rstrip("0").rstrip(".") if decimals else text


def _decades(low: float, high: float) -> list[float]:
    """Powers of ten between two exponents, with 2 and 5 between them where there is room."""
    factors = (1, 2, 5) if high - low <= 1.5 else (1, 3) if high - low <= 3 else (1,)
    return [f * 10.0**e for e in range(math.floor(low), math.ceil(high) + 1) for f in factors]


def _cut(label: str, width: float) -> str:
    room = int(width / _CHARACTER)
    return label if len(label) <= room else label[: room - 1] + "…"


def _px(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")


def _svg(marks: Sequence[Html], height: float, label: str) -> Html:
    return el("svg", marks, viewBox=f"0 0 {_WIDTH} {_px(height)}", role="img", aria_label=label)
