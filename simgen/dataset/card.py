"""A data set → its card for the Hub (README.md) and who is to be thanked (ATTRIBUTION.csv).

Both are functions of the samples, the plan and the command alone: nothing measured, no date, no name of a machine.
"""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml
from numpy.typing import NDArray

from simgen.core.assets import Credit
from simgen.dataset.layout import ATTRIBUTION, CARD, SPLITS, csv_cell, update_checksums
from simgen.dataset.licences import OTHER, hub_license, overall_license
from simgen.dataset.own_objects import count_use, read_own_objects, write_own_objects
from simgen.dataset.reader import Dataset, open_dataset
from simgen.dataset.status import SceneStatus, Status, read_status
from simgen.plan.plan import read_plan
from simgen.record import fields, schema
from simgen.record.codec import MEMBERS
from simgen.record.fields import Node, RecordField
from simgen.storage.files import TEMPORARY_NAME, list_entries, write_file
from simgen.storage.paths import AnyPath, map_concurrently


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditedAsset:
    """An asset, whom to thank for it, and in how many samples it is."""

    asset: str
    use: str
    credit: Credit
    sha256: str
    samples: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What the records of a data set say together."""

    version: str
    """Of simgen, as the first sample has it; empty where there is none yet."""
    counts: Mapping[tuple[str, str], int]
    """Samples by scene and split."""
    tracks: tuple[str, ...]
    used: tuple[CreditedAsset, ...]
    """Sorted by asset."""
    objects: tuple[tuple[str, ...], ...] = ()
    """Of each sample that shows any, as `source:id`."""

    def split(self, name: str) -> int:
        return sum(count for (_, split), count in self.counts.items() if split == name)


def write_card(folder: AnyPath, *, command: str) -> None:
    """Write README.md and ATTRIBUTION.csv of a data set as far as it has come. `command` is what to run to make it."""
    data = open_dataset(folder)
    contents = read_contents(data)
    if (own := read_own_objects(folder)) is not None:
        write_own_objects(folder, count_use(own, contents.objects))
    write_file(folder / ATTRIBUTION, attribution_csv(contents.used).encode())
    write_file(folder / CARD, _card(folder, data, contents, command).encode())
    # Marks and logs of the quarantine come from many workers; now, at the end of a run, they stand still. What a killed
    # worker has left under a temporary name is removed after this.
    aside = {
        f"{inner}/{name}": is_file
        for inner in ("quarantine", "quarantine/logs")
        for name, is_file in sorted(list_entries(folder / inner).items())
        if not TEMPORARY_NAME.fullmatch(name)
    }
    update_checksums(folder, CARD, ATTRIBUTION, *(name for name, is_file in aside.items() if is_file))


def read_contents(data: Dataset) -> Contents:
    """Read every record once."""
    items: dict[tuple[str, str], dict[str, str]] = {}
    samples: Counter[tuple[str, str]] = Counter()
    counts: Counter[tuple[str, str]] = Counter()
    tracks: set[str] = set()
    objects: list[tuple[str, ...]] = []
    version = ""
    for record in map_concurrently(data.folder, data.record, data.keys):
        version = version or record["simgen_version"]
        counts[record["scene"], record["split"]] += 1
        tracks.update(record["tracks"])
        if shown := tuple(item["asset"] for item in record["attribution"] if item["use"] == "object"):
            objects.append(shown)
        for item in record["attribution"]:
            at = (item["asset"], item["use"])
            items[at] = item
            samples[at] += 1
    used = tuple(
        CreditedAsset(
            asset=asset,
            use=use,
            credit=Credit(title=item["title"], author=item["author"], license=item["license"], url=item["url"]),
            sha256=item["sha256"],
            samples=samples[asset, use],
        )
        for (asset, use), item in sorted(items.items())
    )
    return Contents(version=version, counts=counts, tracks=tuple(sorted(tracks)), used=used, objects=tuple(objects))


def attribution_csv(used: Iterable[CreditedAsset]) -> str:
    """One line per asset, with the number of samples it is in."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["asset", "use", "title", "author", "license", "url", "sha256", "samples"])
    for item in used:
        credit = item.credit
        told = (item.asset, item.use, credit.title, credit.author, credit.license, credit.url, item.sha256)
        writer.writerow([*map(csv_cell, told), item.samples])
    return text.getvalue()


def _card(folder: AnyPath, data: Dataset, contents: Contents, command: str) -> str:
    status, plan = read_status(folder), read_plan(folder)
    arrays = data[0].arrays if len(data) else {}
    extra = {f"{name}.npy": array for name, array in sorted(arrays.items())}
    head = yaml.safe_dump(_head(status, contents, extra), sort_keys=False, allow_unicode=True, width=110)
    render = plan.recipe.render
    sections = [
        f"# {_title(status)}",
        f"{status.samples} before/after pairs of physical events, {render.width} × {render.height} pixels, simulated "
        f"and path-traced by simgen {words(contents.version)}: a start picture, an instruction, the end picture, what "
        f"may change, and the state of the world in both.",
        "## How it was made",
        f"```\n{command}\n```",
        f"Recipe `{status.recipe}`, seed {status.seed}, fingerprint `{plan.recipe.fingerprint}`, quality "
        f"`{render.quality}`. Of {status.planned} planned samples {status.samples} are here "
        f"({contents.split('train')} train, {contents.split('test')} test), {status.quarantined} quarantined, after "
        f"{status.attempts} attempts. The whole recipe is in `config.resolved.yaml`. A sample is a function of recipe, "
        f"seed and index{_made_by(status)}",
        "## How to read it",
        _READING,
        "## What a sample is made of",
        _table(("member", "content"), [*_MEMBERS, *((f"`{name}`", _ARRAYS.get(name, "array")) for name in extra)]),
        f"### The record (`json`), schema version {schema.version()}",
        _RECORD,
        _table(
            ("field", "type", "meaning", "column of the parquet table"),
            [
                (f"`{row.name}`", row.type, row.meaning.replace("|", "\\|"), ", ".join(f"`{c}`" for c in row.columns))
                for row in fields.rows(schema.SCHEMA, major=schema.MAJOR)
            ],
        ),
        "## Scenes",
        _scenes(status, contents),
        "## Rejected attempts",
        _rejects(status),
        "## Quarantined samples",
        _holes(status),
        "## Known limits",
        _limits(contents),
        "## Licences",
        _licences(contents.used),
    ]
    return f"---\n{head}---\n\n" + "\n\n".join(sections) + "\n"


def _made_by(status: Status) -> str:
    """The end of the sentence about what samples are a function of."""
    if len(status.codes) < 2:
        return "."
    told = "; ".join(f"{code.samples} by {words(code.code)}, plan `{code.fingerprint}`" for code in status.codes)
    return (
        f", and of the version of simgen. More than one has made this data set (`--accept-code`): {told}. The "
        "`fingerprint` in the `_stats.json` of a shard says which."
    )


def _title(status: Status) -> str:
    return f"simgen: {status.recipe.replace('_', ' ')}"


def _head(status: Status, contents: Contents, arrays: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
    """What the Hub reads."""
    license = overall_license(item.credit.license for item in contents.used)
    # The Hub wants to know what `other` is.
    named = {"license_name": "see-attribution", "license_link": ATTRIBUTION} if license == OTHER else {}
    members = {
        **{name: "image" for name in MEMBERS if name.endswith(".png")},
        "txt": "string",
        "json": _feature(schema.SCHEMA),
        **{name: _array_feature(array) for name, array in arrays.items()},
    }
    features = [_named(name, members[name]) for name in sorted(members)]
    # Both are added by the loader.
    features += [_named(name, "string") for name in ("__key__", "__url__")]
    return {
        "pretty_name": _title(status),
        "license": license,
        **named,
        "language": ["en"],
        "task_categories": ["image-to-image"],
        "tags": ["webdataset", "physics", "image-editing", "synthetic", "simulation", "simgen"],
        "size_categories": [_size_category(status.samples)],
        "configs": [
            {
                "config_name": "default",
                "data_files": [{"split": s, "path": f"{s}/*.tar"} for s in SPLITS if contents.split(s)],
            }
        ],
        "dataset_info": {"features": features},
    }


def _named(name: str, feature: Any) -> dict[str, Any]:
    """A feature as a field of an object."""
    if isinstance(feature, str):
        return {"name": name, "dtype": feature}
    return {"name": name, **({"struct": feature} if isinstance(feature, list) else feature)}


def _feature(node: Node) -> Any:
    """A part of the schema in the Hub's notation: a type, a list of fields, or {list: …}."""
    if isinstance(node, RecordField):
        feature: Any = {"int": "int64", "float": "float64"}.get(node.kind, node.kind)
        for _ in range(node.lists):
            feature = {"list": feature}
        return feature
    inner = [_named(child.name, _feature(child)) for child in node.fields]
    return {"list": inner} if node.many else inner


def _array_feature(array: NDArray[Any]) -> Any:
    """Arrays are nested lists to the Hub."""
    feature: Any = str(array.dtype)
    for _ in range(array.ndim):
        feature = {"list": feature}
    return feature


def _size_category(samples: int) -> str:
    bounds = ((10**3, "n<1K"), (10**4, "1K<n<10K"), (10**5, "10K<n<100K"), (10**6, "100K<n<1M"))
    return next((name for bound, name in bounds if samples < bound), "1M<n<10M")


_READING = """```python
import simgen
data = simgen.open("DIR")              # all samples; simgen.open("DIR", split="test") for one split
sample = data[0]                       # or data["drop-000042"]; sample.start, sample.end, sample.mask, sample.record

import webdataset
from simgen.record.codec import decode
data = webdataset.WebDataset("DIR/train/00000.tar", shardshuffle=False)
data = data.map(lambda members: decode(members["__key__"], members))

import datasets
data = datasets.load_dataset("DIR")    # or the name of the repository on the Hub
```

Beside each `.tar`: a `.parquet` with one row per sample to filter by, an `.idx.json` with the offset and size of every
member, and a `_stats.json` with checksums, counts and reasons of rejects. `simgen verify DIR` checks all of it."""

_MEMBERS = (
    ("`start.png` `end.png`", "before and after, 8-bit sRGB; equal to the bit wherever `mask.png` is 0"),
    ("`start_seg.png` `end_seg.png`", "instance ids, 8-bit; 0 is the stage and what is behind it"),
    (
        "`mask.png`",
        "0 keep, 85 light changed (shadow, reflection, bounce), 170 affected body, 255 the body acted upon; "
        "union over start and end",
    ),
    ("`txt`", "the instruction, as `instructions.intermediate`"),
    ("`json`", "everything that is known, see below"),
)

_ARRAYS = {
    "start_depth.npy": "distance along the viewing axis in the start frame, metres; infinite where there is nothing",
    "end_depth.npy": "distance along the viewing axis in the end frame, metres; infinite where there is nothing",
    "start_normals.npy": "unit normals in world axes in the start frame; zero where there is nothing",
    "end_normals.npy": "unit normals in world axes in the end frame; zero where there is nothing",
    "flow.npy": "from each pixel of the start frame to the same point in the end frame, pixels right and down",
}

_RECORD = """World axes: metres, right-handed, z up, the stage's top at z = 0. Quaternions are (w, x, y, z). Fields that
end in `_json` hold JSON text. No field is ever null and no list empty."""


def _scenes(status: Status, contents: Contents) -> str:
    splits = Counter(contents.counts)
    rows = [
        (
            scene.name.replace("_", " "),
            str(splits[scene.name, "train"]),
            str(splits[scene.name, "test"]),
            str(scene.attempts),
            f"{100 * scene.samples / scene.attempts:.0f} %" if scene.attempts else "–",
            _top_rejects(scene),
        )
        for scene in status.scenes
    ]
    return _table(("scene", "train", "test", "attempts", "accepted", "most frequent rejects"), rows)


def _top_rejects(scene: SceneStatus) -> str:
    return ", ".join(f"{words(gate)} {count}" for gate, count in list(scene.rejects.items())[:3]) or "none"


def _rejects(status: Status) -> str:
    if not status.rejects:
        return "None."
    rows = [(words(gate), str(count)) for gate, count in status.rejects.items()]
    return "An attempt counts at the first gate that it failed.\n\n" + _table(("gate", "attempts"), rows)


def _holes(status: Status) -> str:
    if not status.holes:
        return "None."
    shown = [(f"`{hole.key}`", words(hole.failure), words(hole.reason)) for hole in status.holes[:100]]
    more = f"\n\nThe first 100 of {len(status.holes)}." if len(status.holes) > 100 else ""
    return "No other sample took their place.\n\n" + _table(("sample", "class", "reason"), shown) + more


def _limits(contents: Contents) -> str:
    return "\n".join(
        [
            f"- Kinds of change: {words(', '.join(contents.tracks)) or 'none yet'}. Contacts are those of convex "
            "parts; friction and restitution are products of one coefficient per body.",
            "- Masses of objects whose makers state none are estimated from volume and substance (`mass_kg`); the "
            "manifest's own figure is in `manifest_mass_kg`.",
            "- Changes of light below 2 of 255 are taken for noise and left out of the end picture.",
            "- Instructions are filled from patterns and checked against the states; they are in English.",
            "- Test samples hold out objects and environment maps, not scenes and not surfaces.",
        ]
    )


def _licences(used: Sequence[CreditedAsset]) -> str:
    if not used:
        return "No asset is in use yet."
    groups: dict[str, list[CreditedAsset]] = {}
    for item in used:
        groups.setdefault(item.credit.license, []).append(item)
    rows = [
        (
            words(license),
            hub_license(license),
            str(len(items)),
            words(", ".join(sorted({item.credit.author or "unknown" for item in items}))),
        )
        for license, items in sorted(groups.items())
    ]
    whole = overall_license(groups)
    said = (
        "The assets' licences do not combine into one; see each sample's `attribution`."
        if whole == OTHER
        else f"As a whole: `{whole}`, the strictest licence among its assets."
    )
    table = _table(("licence", "on the Hub", "assets", "authors"), rows)
    return f"{said} Every asset with its title, author and address is in `{ATTRIBUTION}`.\n\n{table}"


def words(text: str) -> str:
    """A stranger's words in Markdown: no element, link, picture or column begins in them, and all stand on one line."""
    plain = "".join(c for c in " ".join(text.split()) if c.isprintable())[:1000]
    return re.sub(r"([\\`*\[\]<>|!&~#])", lambda found: f"&#{ord(found[0])};", plain)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(" ".join(cell.split()) for cell in line) + " |" for line in lines)
