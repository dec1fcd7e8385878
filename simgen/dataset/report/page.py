"""What a report shows → one HTML page that opens from disk: the pairs, what they are made of, what was rejected."""

import base64
import hashlib
import itertools
from collections import Counter, defaultdict
from collections.abc import Sequence
from importlib import resources
from string import Template

from simgen.core.errors import OutputError, inline
from simgen.core.sample import Sample
from simgen.core.taxonomy import TRANSITIONS
from simgen.dataset.report.cards import TIERS, VIEWS, choice, gate_token, lost_card, picture_uri, sample_card, words
from simgen.dataset.report.charts import number
from simgen.dataset.report.figures import figures_section
from simgen.dataset.report.gather import ReportData, SampleFigures
from simgen.dataset.report.markup import Child, Html, el, join

SHOWN = 120
"""Pairs with pictures, at most."""
PICTURE_BYTES = 13_000_000
"""All cards together, at most: a page that a phone can open."""
THUMBNAIL_PX = 112


def page_html(data: ReportData) -> str:
    """The page; nothing in it points outside."""
    files = resources.files("simgen") / "dataset" / "report"
    style, script = ((files / name).read_text("utf-8") for name in ("style.css", "script.js"))
    # The page may run this one script and fetch nothing, whatever a label in it says.
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    parts = [part(data) for part in (_pictures, _coverage, _lost, figures_section, _licences)]
    body = [_top(data), el("main", *parts), _foot()]
    return Template((files / "page.html").read_text("utf-8")).substitute(
        title=el("title", f"{data.name} – simgen report"),
        style=style,
        script=script,
        script_hash=f"sha256-{digest}",
        body=join(body),
    )


def _top(data: ReportData) -> Html:
    attempts = sum(data.attempts.values())
    rejected = sum(data.reasons().values())
    counts = [("accepted", len(data.accepted)), ("quarantined", len(data.lost)), ("attempts rejected", rejected)]
    shown = [el("div", el("dt", name), el("dd", number(count))) for name, count in counts]
    if attempts:
        share = f"{100 * len(data.accepted) / attempts:.0f} %"
        shown.append(el("div", el("dt", "of all attempts accepted"), el("dd", share)))
    splits = Counter(row.split for row in data.accepted)
    settings = [*data.settings, ("train, test", f"{splits['train']}, {splits['test']}" if splits else "")]
    return el(
        "header",
        el("p", "simgen data set", class_="kind"),
        el("h1", data.name),
        el("p", _state(data), class_="lead"),
        el("dl", shown, class_="counts"),
        el("dl", [el("div", el("dt", name), el("dd", value)) for name, value in settings if value], class_="facts"),
        el("nav", [el("a", text, href=f"#{place}") for place, text in _sections(data)], aria_label="Sections"),
        class_="top",
    )


def _state(data: ReportData) -> str:
    done = len(data.accepted) + len(data.lost)
    if done == 0:
        return f"Nothing has been made yet of {data.planned} samples planned."
    if done < data.planned:
        return f"Unfinished: {done} of {data.planned} samples so far. The same command again goes on from here."
    return f"Complete: all {data.planned} samples are accounted for."


def _sections(data: ReportData) -> list[tuple[str, str]]:
    places = (
        ("pictures", "Pairs", data.accepted),
        ("coverage", "Transitions", data.accepted),
        ("quarantine", "Quarantine", data.lost),
        ("charts", "Figures", data.accepted or data.rejects),
        ("licences", "Licences", data.used),
    )
    return [(place, text) for place, text, there in places if there]


def _pictures(data: ReportData) -> Html:
    if not data.accepted:
        return el(
            "section", el("h2", "Pairs"), el("p", "No pair has been accepted so far.", class_="lead"), id="pictures"
        )
    cards = _cards(data)
    return el(
        "section",
        el("h2", "Pairs"),
        el("p", _left_out(data, len(cards)), class_="lead"),
        _tools(data),
        el("div", cards, class_="gallery"),
        el("p", "No pair fits. ", el("button", "Show all", type="button", data_reset=True), id="none", hidden=True),
        id="pictures",
    )


def _cards(data: ReportData) -> list[Html]:
    """As many cards as fit, drawn evenly from all scenes, in the order of the data set."""
    cards: dict[int, Html] = {}
    size = 0
    for place in _spread(data.accepted)[:SHOWN]:
        row = data.accepted[place]
        try:
            card = sample_card(data.load(row.key), data.rejects.get(row.key, ()), folder=data.folder)
        except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError) as error:
            # The schema does not say what the JSON text in a record's fields holds.
            what = inline(f"{type(error).__name__}: {error}")
            raise OutputError(
                f"{data.folder}: {row.key}: its record holds what simgen does not write ({what}); see `simgen verify`"
            ) from error
        size += len(card)
        if size > PICTURE_BYTES and cards:
            break
        cards[place] = card
    return [cards[place] for place in sorted(cards)]


def _spread(accepted: Sequence[SampleFigures]) -> list[int]:
    """All places, so ordered that any first few hold every scene alike, and each scene from its whole length."""
    by_scene: dict[str, list[int]] = defaultdict(list)
    for place, row in enumerate(accepted):
        by_scene[row.scene].append(place)
    for places in by_scene.values():
        # Bit reversal: first, middle, quarters, eighths.
        bits = max(1, (len(places) - 1).bit_length())
        order = sorted(range(1 << bits), key=lambda i, bits=bits: int(f"{i:0{bits}b}"[::-1], 2))  # type: ignore[misc]
        places[:] = [places[i] for i in order if i < len(places)]
    rounds = itertools.zip_longest(*by_scene.values())
    return [place for one_round in rounds for place in one_round if place is not None]


def _left_out(data: ReportData, shown: int) -> str:
    compressed = "Pictures are compressed and at most 512 pixels wide here; the data set holds them without loss."
    if shown == len(data.accepted):
        return f"All {shown} pairs. {compressed}"
    return (
        f"{shown} of {number(len(data.accepted))} pairs, drawn evenly from every scene; the figures further down "
        f"count them all. {compressed}"
    )


def _tools(data: ReportData) -> Html:
    scenes = Counter(row.scene for row in data.accepted) + Counter(lost.scene for lost in data.lost)
    splits = Counter(row.split for row in data.accepted)
    gates = sorted(data.reasons())
    outcomes = [
        el("option", "accepted", value="accepted"),
        el("option", "accepted at the first attempt", value="first"),
        el("option", "accepted after rejects", value="later"),
        el("option", "quarantined", value="quarantined") if data.lost else None,
        el(
            "optgroup",
            [el("option", words(g), value=gate_token(g)) for g in gates],
            label="an attempt was rejected for",
        )
        if gates
        else None,
    ]
    return el(
        "div",
        _filter("scene", "Scene", [el("option", words(name), value=name) for name in sorted(scenes)]),
        _filter("outcome", "Outcome", outcomes),
        _filter("split", "Split", [el("option", name, value=name) for name in sorted(splits)])
        if len(splits) > 1
        else None,
        choice("view-all", "Show in all", VIEWS, "slider", data_for_all=".view"),
        choice(
            "tier-all", "Instructions of all", [(t, t) for t in TIERS], "intermediate", data_for_all=".words .choice"
        ),
        el("p", id="shown", class_="shown", aria_live="polite"),
        class_="bar-of-tools",
        role="search",
    )


def _filter(name: str, label: str, options: Child) -> Html:
    select = el("select", el("option", "all", value=""), options, id=f"filter-{name}", data_filter=name)
    return el("div", el("label", label, for_=f"filter-{name}"), select)


def _coverage(data: ReportData) -> Html | None:
    """Which of the 46 transitions the pairs show: a row and a pair for each that is there, the others by name."""
    if not data.accepted:
        return None
    by_type: dict[int, list[SampleFigures]] = defaultdict(list)
    for row in data.accepted:
        for type_id in row.types:
            by_type[type_id].append(row)
    rows, missing = [], []
    for kind in TRANSITIONS.values():
        shown = by_type.get(kind.id)
        if not shown:
            missing.append(kind.name)
            continue
        scenes = sorted({row.scene for row in shown})
        rows.append(
            el(
                "tr",
                el("td", _thumbnails(data.load(shown[0].key)), class_="pair"),
                el("td", el("b", kind.name), el("br"), f"{kind.domain}, {kind.sub_domain}"),
                el("td", ", ".join(words(scene) for scene in scenes)),
                el("td", number(len(shown)), class_="n"),
            )
        )
    columns = ("start and end", "transition", "scenes", "#pairs")
    head = el("tr", [el("th", c.lstrip("#"), class_="n" if c[0] == "#" else None, scope="col") for c in columns])
    return el(
        "section",
        el("h2", "Transitions"),
        el(
            "p",
            f"{len(rows)} of the {len(TRANSITIONS)} physical transitions of PhysicTran38K, by its names. A pair can "
            "show more than one of them.",
            class_="lead",
        ),
        el("div", el("table", el("thead", head), el("tbody", rows)), class_="table", tabindex=0, role="region",
           aria_label="Transitions that the pairs show"),
        el("details", el("summary", f"Not in this data set: {len(missing)}"), el("p", ", ".join(missing)))
        if missing
        else None,
        id="coverage",
    )  # fmt: skip


def _thumbnails(sample: Sample) -> list[Html]:
    height, width = sample.start.shape[:2]
    size = (THUMBNAIL_PX, max(1, round(THUMBNAIL_PX * height / width)))
    return [
        el(
            "img",
            src=picture_uri(picture, size),
            alt=f"{when} of {sample.key}",
            width=str(size[0]),
            height=str(size[1]),
        )
        for when, picture in (("start", sample.start), ("end", sample.end))
    ]


def _lost(data: ReportData) -> Html | None:
    if not data.lost:
        return None
    kinds = Counter(lost.kind for lost in data.lost)
    said = ", ".join(f"{words(kind)} {count}" for kind, count in kinds.most_common())
    shown = data.lost[:SHOWN]
    more = f" The first {len(shown)} are shown." if len(shown) < len(data.lost) else ""
    return el(
        "section",
        el("h2", "Quarantine"),
        el(
            "p",
            f"Samples that the data set does without, by class: {said}. No other took their place.{more}",
            class_="lead",
        ),
        _suspects(data),
        el("div", [lost_card(lost, data.rejects.get(lost.key, ())) for lost in shown], class_="gallery"),
        id="quarantine",
    )


def _suspects(data: ReportData) -> Html | None:
    """The assets that may be to blame, and the command that does without them."""
    if not data.suspects:
        return None
    return el(
        "div",
        [el("p", f"{suspect}.") for suspect in data.suspects],
        el("p", "To make it without:", class_="small"),
        el("pre", data.without, class_="command"),
        class_="suspects",
    )


def _licences(data: ReportData) -> Html | None:
    if not data.used:
        return None
    licences = Counter(used.credit.license for used in data.used)
    said = "; ".join(f"{license}: {count}" for license, count in licences.most_common())
    rows = [
        el(
            "tr",
            el("td", used.credit.title),
            el("td", used.credit.author),
            el("td", used.credit.license, class_="whole"),
            el("td", _link(used.credit.url) if used.credit.url else "–"),
            el("td", el("code", used.asset)),
            el("td", number(used.samples), class_="n"),
        )
        for used in data.used
    ]
    columns = ("title", "author", "licence", "source", "asset", "#samples")
    head = el("tr", [el("th", c.lstrip("#"), class_="n" if c[0] == "#" else None, scope="col") for c in columns])
    table = el("table", el("thead", head), el("tbody", rows))
    return el(
        "section",
        el("h2", "Licences"),
        el(
            "p",
            f"Assets that the pairs were made of, by licence: {said}. The same list is in ATTRIBUTION.csv.",
            class_="lead",
        ),
        el("div", table, class_="table", tabindex=0, role="region", aria_label="Assets and their licences"),
        id="licences",
    )


def _link(url: str) -> Html:
    """A link only where the address is one of the web: a manifest may say anything."""
    if not url.startswith(("https://", "http://")):
        return el("span", url)
    return el("a", url.split("//", 1)[1].rstrip("/"), href=url, rel="noreferrer")


def _foot() -> Html:
    return el(
        "footer",
        "Made by simgen from the files of the data set; the page loads nothing and works offline.",
        class_="foot",
    )
