"""A data set → one HTML page that opens from disk: the pairs, what they are made of, what was rejected and why."""

import base64
import hashlib
import itertools
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any

import numpy as np

from simgen.core.assets import Credit, Split
from simgen.core.errors import OutputError, inline
from simgen.core.sample import Reject, Sample
from simgen.core.taxonomy import TRANSITIONS
from simgen.dataset.layout import REPORT, SPLITS, committed, update_checksums
from simgen.dataset.reader import Dataset, open_dataset
from simgen.dataset.report_parts.cards import (
    TIERS,
    VIEWS,
    Lost,
    choice,
    gate_token,
    lost_card,
    picture_uri,
    sample_card,
    words,
)
from simgen.dataset.report_parts.charts import Bar, bar_chart, histogram, number
from simgen.dataset.report_parts.markup import Child, Html, el, join
from simgen.dataset.shards import read_rows
from simgen.dataset.status import read_stats
from simgen.dataset.suspects import Suspect, exclusion, read_suspects
from simgen.plan.plan import read_plan
from simgen.storage.files import list_names, read_end, read_json, write_file
from simgen.storage.paths import AnyPath, map_concurrently

SHOWN = 120
"""Pairs with pictures, at most."""
PICTURE_BYTES = 13_000_000
"""All cards together, at most: a page that a phone can open."""
THUMBNAIL_PX = 112
_LOG_CHARACTERS = 4000


PLACE = REPORT


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What the charts need of one accepted sample."""

    key: str
    scene: str
    split: Split
    types: tuple[int, ...]
    """Transitions it shows, by id of `simgen.core.taxonomy`."""
    changed_share: float
    actor_mass_kg: float
    actor_size_m: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Used:
    """An asset, whom to thank for it, and how many samples it is in."""

    asset: str
    credit: Credit
    samples: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """A data set as far as it has come, as the page shows it."""

    name: str
    folder: str
    """As commands name it."""
    settings: tuple[tuple[str, str], ...]
    """Recipe, seed, fingerprint and the like, in words."""
    planned: int
    accepted: tuple[Figures, ...]
    """By rising index."""
    load: Callable[[str], Sample]
    """An accepted sample by its key; only what is shown is decoded."""
    lost: tuple[Lost, ...]
    rejects: Mapping[str, Sequence[Reject]]
    """Rejected attempts by the key of the sample that they were for."""
    attempts: Mapping[str, int]
    """Attempts by scene, kept or rejected."""
    cost_s: Mapping[str, float]
    """Seconds of all workers together, by stage."""
    used: tuple[Used, ...]
    suspects: tuple[Suspect, ...] = ()
    without: str = ""
    """The command that makes it without the suspects."""


def write_report(folder: AnyPath) -> AnyPath:
    """Write the page of a data set, finished or not, into its folder; returns where it is."""
    path = folder / PLACE
    # Half a character, as a JSON file can write it, can stand in no page.
    write_file(path, page(gather(folder)).encode(errors="replace"))
    update_checksums(folder, PLACE)
    return path


def gather(folder: AnyPath) -> Facts:
    """What the files of a data set say; shards that are not committed do not count."""
    plan = read_plan(folder)
    shards = [(folder / split, number) for split in SPLITS for number in committed(folder / split)]
    stats = list(map_concurrently(folder, lambda shard: read_stats(*shard), shards))
    data = open_dataset(folder) if shards else Dataset(folder, ())
    rows = sorted(read_rows(folder), key=lambda row: int(row["index"]))
    recipe, render = plan.recipe, plan.recipe.render
    suspects = read_suspects(folder)

    rejects: dict[str, list[Reject]] = defaultdict(list)
    attempts: Counter[str] = Counter()
    cost_s: Counter[str] = Counter()
    for shard in stats:
        for told in shard["rejects"]:
            rejects[told["key"]].append(Reject(gate=told["gate"], reason=told["reason"], attempt=told["attempt"]))
        attempts.update({scene: account["attempts"] for scene, account in shard["scenes"].items()})
        cost_s.update(shard["cost"]["stages"])
    return Facts(
        name=folder.resolve().name if isinstance(folder, Path) else folder.name,
        folder=str(folder),
        settings=(
            ("recipe", recipe.name),
            ("seed", str(plan.seed)),
            ("pictures", f"{render.width} × {render.height}, {render.quality}"),
            ("recipe fingerprint", recipe.fingerprint),
            ("plan fingerprint", plan.fingerprint),
            ("simgen", ", ".join(sorted({shard["simgen_version"] for shard in stats}))),
        ),
        planned=plan.n,
        accepted=tuple(
            Figures(
                key=row["key"],
                scene=row["scene"],
                split=row["split"],
                types=tuple(row["types"]),
                changed_share=row["change_share"],
                actor_mass_kg=row["actor_mass_kg"],
                actor_size_m=row["actor_size_m"],
            )
            for row in rows
        ),
        load=data.__getitem__,
        lost=_read_lost(folder, stats),
        rejects=rejects,
        attempts=attempts,
        cost_s=cost_s,
        used=_read_used(data),
        suspects=suspects,
        without=exclusion(folder, suspects) if suspects else "",
    )


def _read_lost(folder: AnyPath, stats: Iterable[Mapping[str, Any]]) -> tuple[Lost, ...]:
    """Samples set aside: marks in the quarantine, and holes of shards whose mark has been lost."""
    found = {
        hole["key"]: Lost(
            key=hole["key"],
            scene=hole["scene"],
            split=shard["split"],
            kind=hole["class"],
            reason=hole["reason"],
            command=f"simgen reproduce {folder} {hole['key']}",
        )
        for shard in stats
        for hole in shard["holes"]
    }
    for name in list_names(folder / "quarantine"):
        if not name.endswith(".json"):
            continue
        path = folder / "quarantine" / name
        mark = read_json(path)
        told = ("key", "scene", "split", "failure", "reason", "detail", "reproduce")
        if not all(isinstance(mark.get(field), str) for field in told):
            raise OutputError(f"{path}: is no mark of a sample that was set aside; remove it")
        # Under its own name only: a stranger's mark could name any file of this machine, to be shown on the page.
        log = path.parent / "logs" / f"{path.stem}.log"
        found[mark["key"]] = Lost(
            key=mark["key"],
            scene=mark["scene"],
            split=mark["split"],
            kind=mark["failure"],
            reason=mark["reason"],
            detail=mark["detail"],
            log=_end_of(log),
            command=mark["reproduce"],
        )
    return tuple(found[key] for key in sorted(found))


def _end_of(log: AnyPath) -> str:
    return read_end(log, 4 * _LOG_CHARACTERS).decode(errors="replace")[-_LOG_CHARACTERS:]


def _read_used(data: Dataset) -> tuple[Used, ...]:
    credits: dict[str, Credit] = {}
    counts: Counter[str] = Counter()
    for key in data.keys:
        told = {item["asset"]: item for item in data.record(key)["attribution"]}
        counts.update(list(told))
        for asset, item in told.items():
            credits[asset] = Credit(**{name: item[name] for name in ("title", "author", "license", "url")})
    return tuple(Used(asset=asset, credit=credits[asset], samples=counts[asset]) for asset in sorted(credits))


def page(facts: Facts) -> str:
    """The page; nothing in it points outside."""
    files = resources.files("simgen") / "dataset" / "report_parts"
    style, script = ((files / name).read_text("utf-8") for name in ("style.css", "script.js"))
    # The page may run this one script and fetch nothing, whatever a label in it says.
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    parts = [part(facts) for part in (_pictures, _coverage, _lost, _charts, _licences)]
    body = [_top(facts), el("main", *parts), _foot()]
    return Template((files / "page.html").read_text("utf-8")).substitute(
        title=el("title", f"{facts.name} – simgen report"),
        style=style,
        script=script,
        script_hash=f"sha256-{digest}",
        body=join(body),
    )


def _top(facts: Facts) -> Html:
    attempts = sum(facts.attempts.values())
    rejected = sum(_reasons(facts).values())
    counts = [("accepted", len(facts.accepted)), ("quarantined", len(facts.lost)), ("attempts rejected", rejected)]
    shown = [el("div", el("dt", name), el("dd", number(count))) for name, count in counts]
    if attempts:
        share = f"{100 * len(facts.accepted) / attempts:.0f} %"
        shown.append(el("div", el("dt", "of all attempts accepted"), el("dd", share)))
    splits = Counter(row.split for row in facts.accepted)
    settings = [*facts.settings, ("train, test", f"{splits['train']}, {splits['test']}" if splits else "")]
    return el(
        "header",
        el("p", "simgen data set", class_="kind"),
        el("h1", facts.name),
        el("p", _state(facts), class_="lead"),
        el("dl", shown, class_="counts"),
        el("dl", [el("div", el("dt", name), el("dd", value)) for name, value in settings if value], class_="facts"),
        el("nav", [el("a", text, href=f"#{place}") for place, text in _places(facts)], aria_label="Sections"),
        class_="top",
    )


def _state(facts: Facts) -> str:
    done = len(facts.accepted) + len(facts.lost)
    if done == 0:
        return f"Nothing has been made yet of {facts.planned} samples planned."
    if done < facts.planned:
        return f"Unfinished: {done} of {facts.planned} samples so far. The same command again goes on from here."
    return f"Complete: all {facts.planned} samples are accounted for."


def _places(facts: Facts) -> list[tuple[str, str]]:
    places = (
        ("pictures", "Pairs", facts.accepted),
        ("coverage", "Transitions", facts.accepted),
        ("quarantine", "Quarantine", facts.lost),
        ("charts", "Figures", facts.accepted or facts.rejects),
        ("licences", "Licences", facts.used),
    )
    return [(place, text) for place, text, there in places if there]


def _pictures(facts: Facts) -> Html:
    if not facts.accepted:
        return el(
            "section", el("h2", "Pairs"), el("p", "No pair has been accepted so far.", class_="lead"), id="pictures"
        )
    cards = _cards(facts)
    return el(
        "section",
        el("h2", "Pairs"),
        el("p", _left_out(facts, len(cards)), class_="lead"),
        _tools(facts),
        el("div", cards, class_="gallery"),
        el("p", "No pair fits. ", el("button", "Show all", type="button", data_reset=True), id="none", hidden=True),
        id="pictures",
    )


def _cards(facts: Facts) -> list[Html]:
    """As many cards as fit, drawn evenly from all scenes, in the order of the data set."""
    cards: dict[int, Html] = {}
    size = 0
    for place in _spread(facts.accepted)[:SHOWN]:
        row = facts.accepted[place]
        try:
            card = sample_card(facts.load(row.key), facts.rejects.get(row.key, ()), folder=facts.folder)
        except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError) as error:
            # The schema does not say what the JSON text in a record's fields holds.
            what = inline(f"{type(error).__name__}: {error}")
            raise OutputError(
                f"{facts.folder}: {row.key}: its record holds what simgen does not write ({what}); see `simgen verify`"
            ) from error
        size += len(card)
        if size > PICTURE_BYTES and cards:
            break
        cards[place] = card
    return [cards[place] for place in sorted(cards)]


def _spread(accepted: Sequence[Figures]) -> list[int]:
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


def _left_out(facts: Facts, shown: int) -> str:
    compressed = "Pictures are compressed and at most 512 pixels wide here; the data set holds them without loss."
    if shown == len(facts.accepted):
        return f"All {shown} pairs. {compressed}"
    return (
        f"{shown} of {number(len(facts.accepted))} pairs, drawn evenly from every scene; the figures further down "
        f"count them all. {compressed}"
    )


def _tools(facts: Facts) -> Html:
    scenes = Counter(row.scene for row in facts.accepted) + Counter(lost.scene for lost in facts.lost)
    splits = Counter(row.split for row in facts.accepted)
    gates = sorted(_reasons(facts))
    outcomes = [
        el("option", "accepted", value="accepted"),
        el("option", "accepted at the first attempt", value="first"),
        el("option", "accepted after rejects", value="later"),
        el("option", "quarantined", value="quarantined") if facts.lost else None,
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


def _coverage(facts: Facts) -> Html | None:
    """Which of the 46 transitions the pairs show: a row and a pair for each that is there, the others by name."""
    if not facts.accepted:
        return None
    by_type: dict[int, list[Figures]] = defaultdict(list)
    for row in facts.accepted:
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
                el("td", _thumbnails(facts.load(shown[0].key)), class_="pair"),
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


def _lost(facts: Facts) -> Html | None:
    if not facts.lost:
        return None
    kinds = Counter(lost.kind for lost in facts.lost)
    said = ", ".join(f"{words(kind)} {count}" for kind, count in kinds.most_common())
    shown = facts.lost[:SHOWN]
    more = f" The first {len(shown)} are shown." if len(shown) < len(facts.lost) else ""
    return el(
        "section",
        el("h2", "Quarantine"),
        el(
            "p",
            f"Samples that the data set does without, by class: {said}. No other took their place.{more}",
            class_="lead",
        ),
        _suspects(facts),
        el("div", [lost_card(lost, facts.rejects.get(lost.key, ())) for lost in shown], class_="gallery"),
        id="quarantine",
    )


def _suspects(facts: Facts) -> Html | None:
    """The assets that may be to blame, and the command that does without them."""
    if not facts.suspects:
        return None
    return el(
        "div",
        [el("p", f"{suspect}.") for suspect in facts.suspects],
        el("p", "To make it without:", class_="small"),
        el("pre", facts.without, class_="command"),
        class_="suspects",
    )


def _charts(facts: Facts) -> Html | None:
    charts = [*_scene_chart(facts), *_reject_chart(facts), *_histograms(facts), *_cost_chart(facts)]
    if not charts:
        return None
    return el("section", el("h2", "Figures"), el("div", charts, class_="charts"), id="charts")


def _scene_chart(facts: Facts) -> Iterable[Html]:
    if not facts.accepted:
        return
    counts = Counter((row.scene, row.split) for row in facts.accepted)
    bars = []
    for scene in sorted({row.scene for row in facts.accepted}):
        train, test = counts[scene, "train"], counts[scene, "test"]
        share = f"{100 * (train + test) / max(1, facts.attempts.get(scene, 0)):.0f} %"
        bars.append(Bar(label=words(scene), parts=(train, test), note=f"{train + test} ({share})"))
    yield _figure(
        "Scenes",
        "Accepted pairs of each scene; in brackets the share of its attempts that were accepted.",
        bar_chart(bars, axis="pairs", label=_told(bars)),
        key=("train", "test"),
    )


def _reject_chart(facts: Facts) -> Iterable[Html]:
    reasons = _reasons(facts).most_common()
    if not reasons:
        return
    bars = [Bar(label=words(gate), parts=(count,), note=number(count)) for gate, count in reasons]
    total = sum(count for _, count in reasons)
    yield _figure(
        "Why attempts were rejected",
        f"The first gate that each of {number(total)} rejected attempts failed.",
        bar_chart(bars, axis="attempts", label=_told(bars)),
    )


def _histograms(facts: Facts) -> Iterable[Html]:
    if not facts.accepted:
        return
    drawn = (
        ("Changed area", "Share of the picture that the mask lets change.", "% of the pixels", False,
         [100 * row.changed_share for row in facts.accepted]),
        ("Mass", "Of the body that the event acts upon.", "kg, logarithmic", True,
         [row.actor_mass_kg for row in facts.accepted]),
        ("Size", "Longest edge of the body that the event acts upon.", "cm", False,
         [100 * row.actor_size_m for row in facts.accepted]),
    )  # fmt: skip
    for title, caption, axis, log, values in drawn:
        if log and max(values) <= 0:
            continue
        low, middle, high = (number(float(v)) for v in np.quantile(values, (0.0, 0.5, 1.0)))
        told = f"{title} in {axis}: {low} to {high}, median {middle}"
        yield _figure(title, caption, histogram(values, axis=axis, label=told, log=log))


def _cost_chart(facts: Facts) -> Iterable[Html]:
    count = len(facts.accepted)
    total = sum(facts.cost_s.values())
    if not count or not total:
        return
    bars = [
        Bar(
            label=words(stage),
            parts=(seconds / count,),
            note=f"{number(seconds / count)} s ({100 * seconds / total:.0f} %)",
        )
        for stage, seconds in sorted(facts.cost_s.items(), key=lambda item: -item[1])
    ]
    yield _figure(
        "Time per pair",
        f"Seconds of one worker for each accepted pair, rejected attempts included: {number(total / count)} s in all, "
        f"{number(3600 * count / total, 2)} pairs an hour and worker.",
        bar_chart(bars, axis="seconds", label=_told(bars)),
    )


def _licences(facts: Facts) -> Html | None:
    if not facts.used:
        return None
    licences = Counter(used.credit.license for used in facts.used)
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
        for used in facts.used
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


def _reasons(facts: Facts) -> Counter[str]:
    return Counter(reject.gate for rejects in facts.rejects.values() for reject in rejects)


def _told(bars: Sequence[Bar]) -> str:
    """A bar chart for those who do not see it."""
    return "; ".join(f"{bar.label}: {bar.note}" for bar in bars)


def _figure(title: str, caption: str, chart: Html, *, key: Sequence[str] = ()) -> Html:
    swatches = [el("li", el("span", class_=f"swatch part{i}-swatch"), name) for i, name in enumerate(key)]
    legend = el("ul", swatches, class_="legend") if key else None
    return el("figure", el("figcaption", el("h3", title), el("p", caption)), legend, chart)
