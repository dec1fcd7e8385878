"""A sample → a card of the gallery: pictures with a moving line, instructions, every figure on demand."""

import base64
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from simgen.core.sample import Reject, Sample
from simgen.core.spec import STAGE_ID
from simgen.dataset.report.charts import number
from simgen.dataset.report.markup import Child, Html, el, join
from simgen.dataset.report.palette import MASK_LEVELS, Rgb, css, instance_color, paint_instances, paint_mask

VIEWS = (("slider", "Slider"), ("both", "Side by side"), ("change", "Change"), ("ids", "Bodies"))
TIERS = ("superficial", "intermediate", "explicit")

_LARGEST_PX = 512
_CONTACTS = 8
_UNITS = {
    "m": "m",
    "mm": "mm",
    "s": "s",
    "kg": "kg",
    "mps": "m/s",
    "radps": "rad/s",
    "rad": "rad",
    "deg": "°",
    "ns": "N s",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """A sample that the data set does without, and how to see why."""

    key: str
    scene: str
    split: str
    kind: str
    """Class of the failure: `crash`, `timeout`, `rejected`, …"""
    reason: str
    detail: str = ""
    log: str = ""
    command: str


def sample_card(sample: Sample, rejects: Sequence[Reject], *, folder: str) -> Html:
    """The card of an accepted sample; `rejects` are the attempts before the one that was kept."""
    record = sample.record
    outcome = "first" if not rejects else "later"
    return el(
        "article",
        _look(sample),
        el("div", _words(sample), _figures(sample, rejects, folder), class_="words"),
        class_="card",
        id=sample.key,
        data_scene=record["scene"],
        data_split=record["split"],
        data_outcome=" ".join(["accepted", outcome, *_gates(rejects)]),
    )


def lost_card(lost: Lost, rejects: Sequence[Reject]) -> Html:
    """The card of a sample that was not made: why, and the command that shows it."""
    return el(
        "article",
        el(
            "div",
            el("p", "No picture: ", el("b", words(lost.kind))),
            el("p", lost.reason),
            el("p", lost.detail, class_="small") if lost.detail else None,
            el("p", "To see it happen:", class_="small") if lost.command else None,
            el("pre", lost.command, class_="command") if lost.command else None,
            el("details", el("summary", "Attempts"), _rejects(rejects)) if rejects else None,
            el("details", el("summary", "End of the log"), el("pre", lost.log)) if lost.log else None,
            class_="compare",
        ),
        _name(lost.key, lost.scene, lost.split),
        class_="card lost",
        id=lost.key,
        data_scene=lost.scene,
        data_split=lost.split,
        data_outcome=" ".join(["quarantined", *_gates(rejects)]),
    )


def words(name: str) -> str:
    """A name of the code as words: `end_speed` → `end speed`."""
    return name.replace("_", " ")


def choice(name: str, legend: str, options: Sequence[tuple[str, str]], chosen: str, **attributes: str) -> Html:
    """Radio buttons in a row; the arrow keys move between them."""
    labels = (
        el(
            "label",
            el("input", type="radio", name=name, value=value, checked=value == chosen, **attributes),
            el("span", text),
        )
        for value, text in options
    )
    return el("fieldset", el("legend", legend, class_="said"), labels, class_="choice")


def picture_uri(picture: NDArray[np.uint8], size: tuple[int, int], *, lossless: bool = False) -> str:
    """An RGB or RGBA picture at a size (width, height) as a WebP in a `data:` address."""
    resized = cv2.resize(picture, size, interpolation=cv2.INTER_NEAREST if lossless else cv2.INTER_AREA)
    order = cv2.COLOR_RGBA2BGRA if picture.shape[2] == 4 else cv2.COLOR_RGB2BGR
    # OpenCV takes any quality above 100 for a WebP without loss.
    quality = 101 if lossless else 82
    _, data = cv2.imencode(".webp", cv2.cvtColor(resized, order), [cv2.IMWRITE_WEBP_QUALITY, quality])
    return "data:image/webp;base64," + base64.b64encode(data.tobytes()).decode()


def _look(sample: Sample) -> Html:
    """Start and end under a line that moves, with what changed and the bodies to be laid over them."""
    record, key = sample.record, sample.key
    height, width = sample.mask.shape
    scale = min(1.0, _LARGEST_PX / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))

    cut = line_percent(sample)
    shares = _changed(sample.mask)
    labels = ", ".join(body["label"] for body in record["bodies"])
    told = f"End: {record['instructions']['intermediate']}"
    drawn = {
        "end photo": (told, picture_uri(sample.end, size)),
        "start photo": (f"Start: {labels}", picture_uri(sample.start, size)),
        "end ids": ("Bodies at the end, one colour each", _drawing(paint_instances(sample.end_seg), size)),
        "start ids": ("Bodies at the start, one colour each", _drawing(paint_instances(sample.start_seg), size)),
        "change": (
            "What changed: " + ", ".join(f"{name} {share}" for name, share, _ in shares),
            _drawing(paint_mask(sample.mask), size),
        ),
    }
    compare = el(
        "div",
        [el("img", class_=name, alt=alt, src=uri) for name, (alt, uri) in drawn.items()],
        el(
            "input", type="range", min=0, max=100, step=2, value=cut, aria_label="How much of the start picture to show"
        ),
        el("span", class_="line"),
        el("button", "start", type="button", class_="to-start", aria_label="Show the start"),
        el("button", "end", type="button", class_="to-end", aria_label="Show the end"),
        class_="compare",
        style=f"--width: {width}; --height: {height}; --cut: {cut}%",
    )
    view = el("div", choice(f"view-{key}", "What to show", VIEWS, "slider"), class_="view")
    name = _name(key, record["scene"], record["split"])
    changed = [(css(color), f"{name} {share}") for name, share, color in shares]
    bodies = [(css(instance_color(body["id"])), body["label"]) for body in record["bodies"]]
    return el("div", compare, name, view, _legend(changed, "of-change"), _legend(bodies, "of-ids"), class_="look")


def _legend(entries: Iterable[tuple[str, str]], name: str) -> Html:
    """What the colours of one view stand for; the style shows it with that view."""
    items = [el("li", el("span", class_="swatch", style=f"background: {color}"), text) for color, text in entries]
    return el("ul", items, class_=f"legend {name}")


def line_percent(sample: Sample) -> int:
    """Where the line stands at first, in percent of the width: with what the event acts upon whole on both sides of
    it, as it was on the left and as it is then on the right; through what changes in its place; where neither can be
    done, the start has the picture."""
    actors = [body["id"] for body in sample.record["bodies"] if body["role"] == "actor"]
    start, end = (np.isin(seg, actors).sum(axis=0) for seg in (sample.start_seg, sample.end_seg))

    def shown(percent: int) -> float:
        column = round(percent / 100 * len(start))
        return min(_share(start[:column], start), _share(end[column:], end))

    # Of two places alike the first is taken: the middle.
    best: int = max((50, *range(10, 91, 2)), key=shown)
    if shown(best) > 0.8:
        return best
    both = np.minimum(start, end)
    if both.sum() > 0.6 * max(start.sum(), end.sum()):
        # What changes where it is: half of it as it was, half as it is then.
        middle = float((both * np.arange(len(both))).sum() / both.sum())
        return int(min(max(100 * middle / len(both), 10.0), 90.0))
    return 96


def _share(part: NDArray[np.int64], whole: NDArray[np.int64]) -> float:
    return float(part.sum() / whole.sum()) if whole.any() else 1.0


def _drawing(picture: NDArray[np.uint8], size: tuple[int, int]) -> str:
    return picture_uri(picture, size, lossless=True)


def _name(key: str, scene: str, split: str) -> Html:
    return el("div", el("h3", words(scene)), el("span", key), el("span", split), class_="name")


def _words(sample: Sample) -> Html:
    told = sample.record["instructions"]
    return join(
        [
            choice(f"tier-{sample.key}", "Instruction", [(tier, tier) for tier in TIERS], "intermediate"),
            [el("p", told[tier], class_=tier) for tier in TIERS],
        ]
    )


def _figures(sample: Sample, rejects: Sequence[Reject], folder: str) -> Html:
    record = sample.record
    labels = {body["id"]: body["label"] for body in record["bodies"]} | {STAGE_ID: "stage"}
    camera = record["camera"]
    blocks = [
        _pairs("Instructions", [(tier, record["instructions"][tier]) for tier in TIERS]),
        _pairs("Law", [(record["domain"], record["law"])]),
        _table(
            "Gates",
            ("gate", "#value", "limit"),
            [(words(g["name"]), g["value"], _sign(g["limit"])) for g in record["gates"]],
        ),
        _table(
            "Truth",
            ("quantity", "#value", "unit", "provenance"),
            [(words(t["name"]), t["value"], t["unit"], t["provenance"]) for t in record["truth"]],
        ),
        _bodies(record["bodies"]),
        _events(json.loads(record["events_json"]), labels),
        _contacts(json.loads(record["contacts_json"]), labels),
        _pairs("Parameters", [_measured(*pair) for pair in json.loads(record["parameters_json"]).items()]),
        _pairs(
            "Camera",
            [
                ("position", f"{_plain(camera['position_m'])} m"),
                ("looks at", f"{_plain(camera['look_at_m'])} m"),
                ("lens", f"{number(camera['focal_length_mm'])} mm on {number(camera['sensor_width_mm'])} mm"),
                ("exposure", f"{number(camera['exposure_ev'])} EV"),
                ("picture", f"{camera['width']} × {camera['height']} pixels"),
            ],
        ),
        _rejects(rejects),
        _pairs(
            "Origin",
            [
                ("seed, index, attempt", f"{record['seed']}, {record['index']}, {record['attempt']}"),
                ("recipe fingerprint", el("code", record["fingerprint"])),
                ("simgen", record["simgen_version"]),
                ("make it again", el("code", f"simgen reproduce {folder} {sample.key}", class_="command")),
            ],
        ),
    ]
    return el("details", el("summary", "Figures"), el("div", blocks, class_="figures"))


def _bodies(bodies: Sequence[Mapping[str, Any]]) -> Html:
    """The bodies with their colour in the picture of bodies, and how far each went."""
    rows = []
    for body in bodies:
        start, end = body["start"], body["end"]
        swatch = el("span", class_="swatch", style=f"background: {css(instance_color(body['id']))}")
        origin = f"{body['asset'] or body['shape']}, {body['license']}"
        rows.append(
            (
                join([swatch, body["label"], el("br"), el("span", origin, class_="small")]),
                body["role"],
                body["substance"],
                body["mass_kg"],
                " × ".join(number(100 * edge) for edge in body["size_m"]),
                # To a tenth of a millimetre and of a degree: less is the solver's breath.
                round(100 * math.dist(start["position_m"], end["position_m"]), 2) if end["visible"] else "taken away",
                round(_turn_deg(start["quaternion"], end["quaternion"]), 1) if end["visible"] else "",
            )
        )
    columns = ("body", "role", "substance", "#mass / kg", "#size / cm", "#moved / cm", "#turned / °")
    return _table("Bodies", columns, rows)


def _events(events: Sequence[Mapping[str, Any]], labels: Mapping[int, str]) -> Html:
    rows = []
    for event in events:
        more = {k: v for k, v in event.items() if k not in {"kind", "time_s", "body"}}
        said = "; ".join(" ".join(_measured(name, value)) for name, value in more.items())
        rows.append((labels[event["body"]], event["kind"], float(event["time_s"]), said))
    return _table("Events", ("body", "what", "#time / s", "figures"), rows)


def _contacts(contacts: Sequence[Mapping[str, Any]], labels: Mapping[int, str]) -> Html:
    """The touches with the largest impulse."""
    strongest = sorted(contacts, key=lambda contact: -contact["impulse_ns"])[:_CONTACTS]
    rows = [
        (
            f"{labels[c['a']]} – {labels[c['b']]}",
            c["first_s"],
            c["last_s"],
            c["impulse_ns"],
            c["peak_force_n"],
            1000 * c["depth_m"],
        )
        for c in strongest
    ]
    left_out = f", the {len(rows)} strongest of {len(contacts)}" if len(rows) < len(contacts) else ""
    columns = ("between", "#from / s", "#to / s", "#impulse / N s", "#peak / N", "#depth / mm")
    return _table(f"Contacts{left_out}", columns, rows)


def _rejects(rejects: Sequence[Reject]) -> Html:
    rows = [(words(r.gate), str(r.attempt), _sign(r.reason)) for r in rejects]
    return _table("Attempts rejected", ("gate", "#attempt", "reason"), rows)


def gate_token(gate: str) -> str:
    """A gate as one word that the page can filter by: `claim: actor toppled` → `gate:claim-actor-toppled`."""
    return f"gate:{re.sub('[^A-Za-z0-9_]+', '-', gate)}"


def _gates(rejects: Sequence[Reject]) -> list[str]:
    """What the page filters by."""
    return sorted({gate_token(reject.gate) for reject in rejects})


def _changed(mask: NDArray[np.uint8]) -> list[tuple[str, str, Rgb]]:
    """The levels that a mask has: name, share of the picture, colour."""
    shares = ((name, float((mask == level).mean()), color) for level, name, color in MASK_LEVELS)
    return [(name, f"{number(100 * share)} %", color) for name, share, color in shares if share]


def _turn_deg(a: Sequence[float], b: Sequence[float]) -> float:
    cosine = abs(sum(x * y for x, y in zip(a, b, strict=True)))
    return math.degrees(2 * math.acos(min(1.0, cosine)))


def _sign(text: str) -> str:
    return text.replace("<=", "≤").replace(">=", "≥")


def _measured(name: str, value: object) -> tuple[str, str]:
    """A name that ends in its unit, and its value, in words: `height_m`, `[0.2, 0.6]` → `height`, `0.2, 0.6 m`."""
    stem, _, unit = name.rpartition("_")
    return (words(stem), f"{_plain(value)} {_UNITS[unit]}") if stem and unit in _UNITS else (words(name), _plain(value))


def _plain(value: object) -> str:
    """A parameter as text: `[0.2, 0.6]` → `0.2, 0.6`."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return "–"
    if isinstance(value, float):
        return number(value, 4)
    if isinstance(value, list):
        return ", ".join(_plain(v) for v in value)
    return str(value)


def _pairs(title: str, pairs: Iterable[tuple[str, Child]]) -> Html | None:
    rows = [[el("dt", name), el("dd", value)] for name, value in pairs]
    return join([el("h4", title), el("dl", rows, class_="pairs")]) if rows else None


def _table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Child | float]]) -> Html:
    """A table under its title, or nothing without rows; a column whose name begins with # holds figures."""
    if not rows:
        return Html()
    sides = ["n" if column.startswith("#") else None for column in columns]
    head = el("tr", [el("th", c.lstrip("#"), class_=side, scope="col") for c, side in zip(columns, sides, strict=True)])
    body = [
        el(
            "tr",
            [
                el("td", number(cell, 4) if isinstance(cell, float) else cell, class_=side)
                for cell, side in zip(row, sides, strict=True)
            ],
        )
        for row in rows
    ]
    table = el("table", el("thead", head), el("tbody", body))
    return join([el("h4", title), el("div", table, class_="table", tabindex=0, role="region", aria_label=title)])
