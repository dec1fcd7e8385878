"""The scenes and a data set of them → docs/scenes.md: every scene with a picture, its law, parameters, truth and cost.

    python -m simgen.dataset.scene_gallery out/docs docs assets

writes `docs/scenes.md`, `docs/scenes/NAME.jpg` and `assets/costs.yaml` from the data set in `out/docs`; `make docs`
does both.
"""

import statistics
import sys
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from simgen.core.sample import Sample
from simgen.core.taxonomy import DOMAINS, TRANSITIONS
from simgen.dataset.cost import COSTS
from simgen.dataset.layout import SPLITS, committed
from simgen.dataset.reader import Dataset, open_dataset
from simgen.dataset.scene_list import scene_data
from simgen.dataset.stats import read_stats
from simgen.plan.recipe import load_scenes
from simgen.scene.registry import scenes
from simgen.storage.yaml_files import read_yaml

TILE_PX = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneMeasurement:
    """The pairs of one scene in a data set and what they cost."""

    keys: tuple[str, ...]
    attempts: int
    core_s: float
    """Seconds of one core for each accepted pair, rejected attempts included."""


def core_share(cost: Mapping[str, Any]) -> float:
    """Share of a core that the process of a shard got while it worked, 0 to 1. Its stages are timed by the clock."""
    return float(min(1.0, cost["cpu_s"] / max(sum(cost["stages"].values()), 1e-9)))


def write_gallery(folder: Path, docs: Path, assets: Path) -> Path:
    """Write the page, its pictures and the table of costs that `simgen.dataset.cost` reads. A scene of which the data
    set has no pair gets no picture and no cost on the page, and keeps its cost in the table."""
    load_scenes()
    data, measured = open_dataset(folder), measure_scenes(folder)
    shares = [core_share(read_stats(folder / s, k)["cost"]) for s in SPLITS for k in committed(folder / s)]
    parts = []
    for domain in DOMAINS:
        of_domain = [cls for cls in scenes().values() if cls.domain == domain]
        if not of_domain:
            continue
        parts.append(f"## {domain.capitalize()}")
        for cls in of_domain:
            found = measured.get(cls.name)
            sample = data[found.keys[0]] if found else None
            if sample is not None:
                _write_picture(sample, docs / "scenes" / f"{cls.name}.jpg")
            parts.append(_scene_section(scene_data(cls), sample, found))
    table = read_yaml(assets / COSTS) | {name: round(found.core_s, 1) for name, found in measured.items()}
    lines = [f"{name}: {cost}\n" for name, cost in sorted(table.items()) if name in scenes()]
    (assets / COSTS).write_text(_COSTS_HEAD + "".join(lines), encoding="utf-8")
    path = docs / "scenes.md"
    path.write_text("\n\n".join([_page_head(data, statistics.mean(shares)), *parts]) + "\n", encoding="utf-8")
    return path


_COSTS_HEAD = "# Core-seconds for a pair of 512 x 512, fast, rejected attempts included. `make docs` writes this.\n"


def measure_scenes(folder: Path) -> dict[str, SceneMeasurement]:
    """Pairs, attempts and cost by scene, from the statistics of the shards."""
    keys: dict[str, list[str]] = defaultdict(list)
    attempts: Counter[str] = Counter()
    seconds: Counter[str] = Counter()
    for split in SPLITS:
        for number in committed(folder / split):
            stats = read_stats(folder / split, number)
            for name, account in stats["scenes"].items():
                attempts[name] += account["attempts"]
            share = core_share(stats["cost"])
            for cost in stats["cost"]["samples"]:
                name = cost["key"].rpartition("-")[0].replace("-", "_")
                seconds[name] += share * sum(cost["stages"].values())
                if cost["key"] in stats["keys"]:
                    keys[name].append(cost["key"])
    return {
        name: SceneMeasurement(keys=tuple(sorted(found)), attempts=attempts[name], core_s=seconds[name] / len(found))
        for name, found in keys.items()
    }


def _page_head(data: Dataset, share: float) -> str:
    classes = scenes().values()
    covered = {number for cls in classes for number in cls.types}
    missing = [kind.name for kind in TRANSITIONS.values() if kind.id not in covered]
    width = data.record(data.keys[0])["camera"]["width"]
    rows = ["| transition | domain | scenes |", "|---|---|---|"]
    for kind in TRANSITIONS.values():
        names = [f"[{cls.name}](#{cls.name})" for cls in classes if kind.id in cls.types]
        rows.append(f"| {kind.id} {kind.name} | {kind.domain}, {kind.sub_domain} | {', '.join(names) or '–'} |")
    return "\n".join(
        [
            "# Scenes",
            "",
            "Made by `make docs` from the scenes themselves; do not edit. `simgen scenes --json` has the same as data.",
            "",
            f"{len(scenes())} scenes show {len(covered)} of the {len(TRANSITIONS)} physical transitions of "
            f"PhysicTran38K. Not shown: {', '.join(missing) or 'none'}.",
            "",
            "Pictures are start and end. Cost is seconds of one core for an accepted pair, rejected attempts included, "
            f"at {width} pixels; it was measured with two workers on two cores, of which each had {100 * share:.0f} %: "
            "what runs beside them makes a second worth less. Truth is `solved` by a solver or a formula from physical "
            "causes, `prescribed` by the scene, or `derived` from the states.",
            "",
            *rows,
        ]
    )


def _scene_section(facts: Mapping[str, Any], sample: Sample | None, found: SceneMeasurement | None) -> str:
    types = ", ".join(f"{name} ({k})" for k, name in zip(facts["types"], facts["type_names"], strict=True))
    lines = [f"### {facts['name']}", "", facts["summary"], ""]
    if sample is not None and found is not None:
        accepted = f"{len(found.keys)} of {found.attempts} attempts accepted"
        lines += [
            f"![{facts['name']}](scenes/{facts['name']}.jpg)",
            "",
            f"*{sample.record['instructions']['intermediate']}*",
            "",
        ]
        cost = f"- cost: {found.core_s:.0f} core-seconds; {accepted}"
    else:
        cost = "- cost: not measured"
    lines += [f"- shows: {types or 'none of the 46'}", f"- law: {facts['law']}", cost]
    if sample is not None:
        truth = sample.record["truth"]
        items = [f"`{item['name']}` ({item['unit'] or '1'}, {item['provenance']})" for item in truth]
        lines.append(f"- truth: {', '.join(items)}")
    if facts["parameters"]:
        lines += ["", "| parameter | type | default | |", "|---|---|---|---|"]
        lines += [
            f"| `{p['name']}` | {p['type'].replace('|', 'or')} | {p['default']} | {p['meaning']} |"
            for p in facts["parameters"]
        ]
    return "\n".join(lines)


def _write_picture(sample: Sample, path: Path) -> None:
    """Start and end side by side."""
    pictures = [Image.fromarray(picture) for picture in (sample.start, sample.end)]
    height = round(TILE_PX * pictures[0].height / pictures[0].width)
    strip = Image.new("RGB", (2 * TILE_PX + 4, height), "white")
    for k, picture in enumerate(pictures):
        strip.paste(picture.resize((TILE_PX, height), Image.Resampling.LANCZOS), (k * (TILE_PX + 4), 0))
    path.parent.mkdir(parents=True, exist_ok=True)
    strip.save(path, quality=80)


if __name__ == "__main__":
    print(write_gallery(*map(Path, sys.argv[1:4])))
