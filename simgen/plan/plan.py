"""Recipe + n + seed -> which sample goes into which shard.

Which scene a sample shows and which split it belongs to follow from (recipe, seed, index) alone, so the first
thousand samples of a large data set are the samples of a small one; only the cut into shards depends on n.

One family in every ten is held out, so what is in a shard is arithmetic: a plan of a hundred million samples holds
none of them, and the ids of a shard are made when it is handed out.
"""

import functools
import hashlib
import json
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, overload

import numpy as np

from simgen.core.assets import Split
from simgen.core.errors import ConflictError, OutputError, UsageError, inline, shown
from simgen.plan.recipe import RESOLVED as RESOLVED
from simgen.plan.recipe import Recipe, absolute_folders, load_scenes, parse_recipe, scenes_not_named
from simgen.storage.paths import AnyPath
from simgen.storage.yaml_files import TextBlock, read_yaml, write_yaml

# 2^64 divided by the golden ratio: its multiples modulo 2^64 fill the circle more evenly than any other walk.
_GOLDEN_STEP = 0x9E3779B97F4A7C15
_CIRCLE = 1 << 64


MOST_SAMPLES = 100_000_000
"""Of one data set."""
MOST_SHARDS = 1_000_000
"""Four files each, in two folders. Their names have five digits, and six where five are not enough."""
_BLOCK = 10
"""Families of which one is held out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleId:
    """What is known of a sample before it is made."""

    index: int
    key: str
    """Its name in the data set: letters, digits, dashes."""
    scene: str
    split: Split
    family_size: int = 1
    """So many samples, from a multiple of it on, begin with the same picture."""

    def __post_init__(self) -> None:
        if self.index < 0 or self.family_size < 1 or not re.fullmatch(r"[A-Za-z0-9-]+", self.key):
            raise ValueError(f"{self} is no sample: index, family_size or key cannot be")

    @property
    def family(self) -> int:
        """Number of its family."""
        return self.index // self.family_size

    @property
    def member(self) -> int:
        """Its place in the family."""
        return self.index % self.family_size

    def at(self, index: int) -> "SampleId":
        """Another member of the family, by its number."""
        return replace(self, index=index, key=_key(self.scene, index))


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardPlan:
    """The samples of one shard, by rising index; every split numbers its own shards from 0."""

    split: Split
    number: int
    samples: tuple[SampleId, ...]

    def __post_init__(self) -> None:
        indices = [sample.index for sample in self.samples]
        if self.number < 0 or indices != sorted(set(indices)) or {s.split for s in self.samples} - {self.split}:
            raise ValueError(f"{self.name}: a shard holds samples of its split, each once, by rising index")

    @property
    def name(self) -> str:
        return f"{self.split}/{self.number:05d}"


class PlanDamaged(OutputError):
    """The file with the plan of a data set is damaged, or gone while its shards are there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """The code that shards of a data set are made with. What is beside the pins decides nothing: it is for people."""

    fingerprint: str
    """Of the plan with these pins."""
    pins: Mapping[str, str] = field(default_factory=dict)
    """Empty where the file that held them was lost."""
    files: Mapping[str, str] = field(default_factory=dict)
    """Each file of simgen's own code that decides bytes → its digest; empty in data sets that are older than this."""
    commit: str = ""
    """Of the checkout that simgen ran from; empty where it was installed."""
    modified: bool = False
    """Whether files of that checkout had been changed since that commit."""

    @property
    def name(self) -> str:
        """As a person would call it: `simgen 0.1.0+7badcc65caf0 (commit 2779e48d5a0b)`."""
        if not self.pins:
            return f"code that is not known any more (plan {self.fingerprint})"
        commit = f" (commit {self.commit}{' with changes' if self.modified else ''})" if self.commit else ""
        return f"simgen {inline(self.pins.get('simgen', 'of no known version'))}{commit}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A whole data set before it is made. A plan that cannot be made is a UsageError in terms of `generate`."""

    recipe: Recipe
    n: int
    seed: int
    shard_size: int
    pins: Mapping[str, str] = field(default_factory=dict)
    """What else decides the bytes: versions, scene files, the asset catalogue."""
    files: Mapping[str, str] = field(default_factory=dict)
    commit: str = ""
    modified: bool = False
    accepted: tuple[Code, ...] = ()
    """Other code that shards of the data set were made with, see `simgen generate --accept-code`."""

    def __post_init__(self) -> None:
        n, seed, size, family = self.n, self.seed, self.shard_size, self.recipe.family
        if n < 1:
            raise UsageError(f"--n must be at least 1; got {shown(n)}")
        if n > MOST_SAMPLES:
            raise UsageError(f"--n must be at most {MOST_SAMPLES}; got {shown(n)}; make several data sets, with --seed")
        if seed < 0:
            raise UsageError(f"--seed must be at least 0; got {shown(seed)}")
        if seed >= 1 << 63:
            raise UsageError(f"--seed must be below 2^63, so that a record can hold it; got {shown(seed)}")
        if size < 1:
            raise UsageError(f"--shard-size must be at least 1; got {shown(size)}")
        if size % family:
            # A family is made at once, so it goes into one shard.
            raise UsageError(f"--shard-size must be a multiple of the recipe's family, {family}; got {shown(size)}")
        if n > MOST_SHARDS * size:
            least = math.ceil(n / MOST_SHARDS)
            raise UsageError(f"--shard-size must be at least {least} for {n} samples; got {shown(size)}")

    @property
    def fingerprint(self) -> str:
        """Of everything that decides what is in which shard."""
        facts = [self.recipe.fingerprint, self.n, self.seed, self.shard_size, sorted(self.pins.items())]
        return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]

    @property
    def code(self) -> Code:
        """The code that it was planned with."""
        return Code(
            fingerprint=self.fingerprint,
            pins=self.pins,
            files=self.files,
            commit=self.commit,
            modified=self.modified,
        )

    @property
    def codes(self) -> tuple[Code, ...]:
        """All code that its shards may be made with; the one that it was begun with comes first."""
        return (self.code, *self.accepted)

    @property
    def fingerprints(self) -> frozenset[str]:
        """A shard of the data set bears one of these."""
        return frozenset(code.fingerprint for code in self.codes)

    @property
    def shards(self) -> "Shards":
        """All of them, train before test; each is made when it is asked for."""
        return Shards(self)

    def shard(self, split: Split, number: int) -> ShardPlan:
        """One shard, with the ids of its samples."""
        family = self.recipe.family
        first = number * self.shard_size
        places = range(first, first + self.shard_samples(split, number))
        indices = (self._family(split, place // family) * family + place % family for place in places)
        samples = (sample_id(self.recipe, seed=self.seed, index=index) for index in indices)
        return ShardPlan(split=split, number=number, samples=tuple(samples))

    def num_samples(self, split: Split) -> int:
        """How many samples a split has."""
        families = math.ceil(self.n / self.recipe.family)
        blocks, rest = divmod(families, _BLOCK)
        test = blocks + (_test_place(self.seed, blocks) < rest)
        found = self.recipe.family * (test if split == "test" else families - test)
        # The last family of all may be cut short.
        cut = families * self.recipe.family - self.n
        return found - cut if split == _split(self.seed, families - 1) else found

    def num_shards(self, split: Split) -> int:
        return math.ceil(self.num_samples(split) / self.shard_size)

    def shard_samples(self, split: Split, number: int) -> int:
        """How many samples a shard has; none beyond the last one."""
        return max(min(self.num_samples(split) - number * self.shard_size, self.shard_size), 0)

    def sample(self, key: str) -> SampleId | None:
        """The sample of that name; None where the plan has none."""
        digits = key.rpartition("-")[2]
        # int() reads the digits of every script, and spaces around them.
        if not (digits.isascii() and digits.isdigit() and len(digits) < 20 and int(digits) < self.n):
            return None
        found = sample_id(self.recipe, seed=self.seed, index=int(digits))
        return found if found.key == key else None

    def place(self, sample: SampleId) -> tuple[Split, int]:
        """Split and number of the shard that a sample goes into."""
        block, among = divmod(sample.family, _BLOCK)
        held_out = _test_place(self.seed, block)
        families = block if sample.split == "test" else block * (_BLOCK - 1) + among - (among > held_out)
        return sample.split, families * self.recipe.family // self.shard_size

    def _family(self, split: Split, place: int) -> int:
        """The family that has so many of its split before it."""
        if split == "test":
            return place * _BLOCK + _test_place(self.seed, place)
        block, among = divmod(place, _BLOCK - 1)
        return block * _BLOCK + among + (among >= _test_place(self.seed, block))

    def to_yaml(self) -> str:
        run: dict[str, Any] = {"n": self.n, "seed": self.seed, "shard_size": self.shard_size}
        run |= _code_data(self.code)
        if self.accepted:
            run["accepted"] = [_code_data(code) for code in self.accepted]
        return self.recipe.to_yaml() + write_yaml({"run": run}, flow=False)


def _code_data(code: Code) -> dict[str, Any]:
    data: dict[str, Any] = {"pins": dict(code.pins), "fingerprint": code.fingerprint}
    if code.commit:
        data |= {"commit": code.commit, "modified": code.modified}
    if code.files:
        data["files"] = TextBlock("".join(f"{digest}  {name}\n" for name, digest in code.files.items()))
    return data


class Shards(Sequence[ShardPlan]):
    """The shards of a plan in its order, none of which is kept."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._train, self._test = (plan.num_shards(split) for split in ("train", "test"))

    def __len__(self) -> int:
        return self._train + self._test

    def names(self) -> Iterator[tuple[Split, int]]:
        """Split and number of each, without its samples."""
        yield from (("train", number) for number in range(self._train))
        yield from (("test", number) for number in range(self._test))

    @overload
    def __getitem__(self, at: int) -> ShardPlan: ...
    @overload
    def __getitem__(self, at: slice) -> list[ShardPlan]: ...
    def __getitem__(self, at: int | slice) -> ShardPlan | list[ShardPlan]:
        if isinstance(at, slice):
            return [self[place] for place in range(len(self))[at]]
        place = range(len(self))[at]
        if place < self._train:
            return self._plan.shard("train", place)
        return self._plan.shard("test", place - self._train)


def sample_id(recipe: Recipe, *, seed: int, index: int) -> SampleId:
    """What sample `index` is: O(1), and the same for every n. Scene and split are those of its family."""
    family = index // recipe.family
    at = (family * _GOLDEN_STEP + _walk_start(seed)) % _CIRCLE / _CIRCLE * sum(c.weight for c in recipe.scenes)
    reached = 0.0
    for choice in recipe.scenes:
        reached += choice.weight
        if at < reached:
            break
    scene = choice.name
    split = _split(seed, family)
    return SampleId(index=index, key=_key(scene, index), scene=scene, split=split, family_size=recipe.family)


def make_plan(
    recipe: Recipe, *, n: int, seed: int, shard_size: int | None = None, pins: Mapping[str, str] | None = None
) -> Plan:
    """The first n samples; shards of a size that suits n where none is given, in whole families either way."""
    if shard_size is None:
        # Two workers share even eight samples, ten thousand make a thousand jobs, a kill costs minutes.
        shard_size = min(max(-(-n // 1000), 4), 128)
    if shard_size > 0:
        shard_size = -(-shard_size // recipe.family) * recipe.family
    return Plan(recipe=recipe, n=n, seed=seed, shard_size=shard_size, pins=pins or {})


def count_scenes(plan: Plan) -> Counter[str]:
    """How many samples of each scene are planned."""
    size = plan.recipe.family
    families = math.ceil(plan.n / size)
    # As in `sample_id`, of a million families at once: the circle is what 64 bits hold.
    total = sum(choice.weight for choice in plan.recipe.scenes)
    reached = np.cumsum([choice.weight for choice in plan.recipe.scenes])
    counts = np.zeros(len(reached), np.int64)
    for first in range(0, families, 1 << 20):
        family = np.arange(first, min(first + (1 << 20), families), dtype=np.uint64)
        walk = family * np.uint64(_GOLDEN_STEP) + np.uint64(_walk_start(plan.seed))
        at = walk.astype(np.float64) / float(_CIRCLE) * total
        chosen = np.minimum(np.searchsorted(reached, at, side="right"), len(reached) - 1)
        counts += np.bincount(chosen, minlength=len(reached))
    found = Counter({c.name: size * int(k) for c, k in zip(plan.recipe.scenes, counts, strict=True) if k})
    found[sample_id(plan.recipe, seed=plan.seed, index=plan.n - 1).scene] -= families * size - plan.n
    return found


REMAKE = "the same `simgen generate` writes it anew"
"""The remedy for a plan that is damaged or gone."""


def read_plan(folder: AnyPath) -> Plan:
    """The plan that a data set was started with, without the folders of scenes that it names: whoever made the data
    set could have them run anything, see `read_plan_to_run`. Raises PlanDamaged for one that cannot be used, another
    OutputError where there is no data set."""
    path = folder / RESOLVED
    if not path.is_file():
        if (folder / "train").is_dir() or (folder / "test").is_dir() or path.is_dir():
            if path.is_dir():
                raise PlanDamaged(f"{path}: is not a file; move it away, and {REMAKE}")
            raise PlanDamaged(f"{path}: is missing; where this is a data set of simgen, {REMAKE}")
        raise OutputError(f"{folder}: holds no simgen data set ({RESOLVED} is missing); check the folder's name")
    try:
        data = read_yaml(path)
        recipe = parse_recipe(data, where=str(path), check_scenes=False)
        recipe = replace(recipe, scene_folders=())
        run = _parse_run(data, path)
        if not run:
            raise UsageError(f"{path}: holds no 'run' and is not what simgen wrote")
        code = _parse_code(run, path)
        # Their texts name options of `generate`; here they stand in a file.
        try:
            plan = make_plan(recipe, n=run["n"], seed=run["seed"], shard_size=run["shard_size"], pins=code.pins)
        except UsageError as error:
            raise UsageError(f"{path}: {error}") from error
        accepted = tuple(_parse_code(one, path) for one in run.get("accepted", []))
    except UsageError as error:
        raise PlanDamaged(f"{error}; it is damaged, or of another version of simgen: {REMAKE}") from error
    if code.fingerprint not in ("", plan.fingerprint):
        raise PlanDamaged(
            f"{path}: has been changed after it was written (its fingerprint is {code.fingerprint}, that of what it "
            f"says {plan.fingerprint}); {REMAKE}"
        )
    return replace(plan, files=code.files, commit=code.commit, modified=code.modified, accepted=accepted)


def named_scene_folders(folder: AnyPath) -> tuple[str, ...]:
    """The folders of scenes that a data set names: words to show, not places to load from."""
    named = read_yaml(folder / RESOLVED).get("scene_folders") or []
    return tuple(map(str, named)) if isinstance(named, list) else ()


def read_plan_to_run(folder: AnyPath, scene_folders: Sequence[str]) -> Plan:
    """The plan of a data set that is to be made again, with the scenes of the folders that the user names, loaded. A
    UsageError where the data set names some and the user none."""
    plan = read_plan(folder)
    named = named_scene_folders(folder)
    if named and not scene_folders:
        raise scenes_not_named(str(folder / RESOLVED), named)
    folders = tuple(absolute_folders(scene_folders))
    load_scenes(folders)
    return replace(plan, recipe=replace(plan.recipe, scene_folders=folders))


def read_run(path: AnyPath) -> dict[str, Any]:
    """How a resolved recipe was run: `n`, `seed`, `shard_size`, `pins`; empty for any other recipe file."""
    return _parse_run(read_yaml(path), path)


def _parse_run(data: Mapping[str, Any], path: AnyPath) -> dict[str, Any]:
    run = data.get("run") or {}
    if run and (not isinstance(run, dict) or not all(type(run.get(k)) is int for k in ("n", "seed", "shard_size"))):
        raise UsageError(f"{path}: run must hold the whole numbers n, seed and shard_size; got {shown(run)}")
    pins, accepted = run.get("pins", {}), run.get("accepted", [])
    if not isinstance(pins, dict) or not all(isinstance(pin, str) for pin in pins.values()):
        raise UsageError(f"{path}: run.pins must be names with their versions; got {shown(pins)}")
    if not isinstance(accepted, list) or not all(isinstance(one, dict) for one in accepted):
        raise UsageError(f"{path}: run.accepted must be a list of fingerprints and pins; got {shown(accepted)}")
    return dict(run)


def _parse_code(data: Mapping[str, Any], path: AnyPath) -> Code:
    pins, files = data.get("pins", {}), data.get("files", "")
    texts = {name: data.get(name, "") for name in ("fingerprint", "commit")}
    if not isinstance(pins, dict) or not all(isinstance(pin, str) for pin in pins.values()):
        raise UsageError(f"{path}: run.accepted must hold names with their versions; got {shown(pins)}")
    if not re.fullmatch(r"[0-9a-f]{16}|", str(texts["fingerprint"])):
        raise UsageError(f"{path}: a fingerprint must be 16 hexadecimal digits; got {shown(texts['fingerprint'])}")
    # It stands in a command that people are told to type.
    if not re.fullmatch(r"[0-9a-f]{7,40}|", str(texts["commit"])):
        raise UsageError(f"{path}: a commit must be hexadecimal digits; got {shown(texts['commit'])}")
    if not isinstance(files, str):
        raise UsageError(f"{path}: run.files must be lines with a digest and a name; got {shown(files)}")
    lines = (re.fullmatch(r"([0-9a-f]{12})  (\S+)", line) for line in files.splitlines())
    return Code(
        fingerprint=str(texts["fingerprint"]),
        pins=dict(pins),
        files={line[2]: line[1] for line in lines if line is not None},
        commit=str(texts["commit"]),
        modified=data.get("modified") is True,
    )


def check_same(folder: AnyPath, plan: Plan, *, accept_code: bool = False) -> Plan:
    """Refuse to go on with another plan's data set: its shards would mix two recipes. Returns the plan to record.

    With `accept_code` another version of simgen, of its scenes or of its libraries may go on; the plan to record then
    names both, and either goes on from there.
    """
    there = read_plan(folder)
    # Names, and paths on this machine, are those of the latest run.
    recorded = replace(
        plan,
        pins=there.pins,
        files=there.files,
        commit=there.commit,
        modified=there.modified,
        accepted=there.accepted,
    )
    if plan.fingerprint in there.fingerprints:
        if plan.fingerprint == there.fingerprint and not there.files:
            # Begun by a run that did not list them; the code is the same.
            recorded = replace(recorded, files=plan.files, commit=plan.commit, modified=plan.modified)
        return recorded
    begun = next((code for code in reversed(there.codes) if code.pins), there.code)
    settings = _differences(_settings(there), _settings(plan))
    code: list[tuple[str, Any, Any]] = []
    other: list[tuple[str, Any, Any]] = []
    for difference in _differences(begun.pins, plan.pins):
        (code if _is_code(difference[0], plan.recipe) else other).append(difference)
    if not settings and not other:
        if accept_code:
            return replace(recorded, accepted=(*there.accepted, plan.code))
        raise ConflictError(_other_code(folder, begun, plan.code, code))
    told = "; ".join(f"{key}: {old} there, {new} here" for key, old, new in (*settings, *other, *code))
    remedies = []
    if settings:
        remedies.append("give the same recipe, --n and --seed to go on with it")
    if other:
        remedies.append("put back the assets and the graphics card that it was begun with")
    if code:
        remedies.append("give --accept-code for the code that differs")
    raise ConflictError(
        f"{folder} holds a data set of another plan ({told}); choose another --out, or {', and '.join(remedies)}"
    )


def _is_code(pin: str, recipe: Recipe) -> bool:
    """Whether a pin is that of a program; built-in assets are made by simgen's own."""
    return pin != "card" and (pin != "assets" or not (recipe.assets.objects or recipe.assets.environments))


def _other_code(folder: AnyPath, begun: Code, here: Code, differences: Sequence[tuple[str, Any, Any]]) -> str:
    """The sentence for a data set that was begun with other code."""
    if begun.files:
        told = [d for d in differences if d[0] != "simgen"]
        changed = [name for name, old, new in _differences(begun.files, here.files) if old != new]
        # A pin that differs with no file of ours is that of another version number.
        files = f", {len(changed)} {'file differs' if len(changed) == 1 else 'files differ'}: {_some(changed)}"
        files = files if changed else ""
    else:
        # The digests of scenes were taken otherwise at that time.
        told = [d for d in differences if d[0] != "simgen" and not d[0].startswith("scene ")]
        files = f", which files differ is not known (its {RESOLVED} is older than the list of them)"
    parts = [f"simgen: {old} there, {new} here{files}" for key, old, new in differences if key == "simgen"]
    parts += [f"{key}: {old} there, {new} here" for key, old, new in told]
    return (
        f"{folder} was begun with other code ({'; '.join(parts)}); to go on with the code that it was begun with, "
        f"{_get_back(begun, differences)}; to go on with this code, which may make other samples, give --accept-code; "
        "or choose another --out"
    )


def _get_back(begun: Code, differences: Sequence[tuple[str, Any, Any]]) -> str:
    """What to do for the code that a data set was begun with."""
    names = {key: old for key, old, _ in differences}
    steps = []
    if "simgen" in names:
        version = inline(str(names.pop("simgen")).partition("+")[0])
        if begun.commit:
            steps.append(f"run `git checkout {begun.commit}` in your checkout of simgen")
            if begun.modified:
                steps.append("make the changes again that it had there and were not committed")
        else:
            steps.append(f"install the simgen {version} that began it")
    scenes = begun.files and any(name.startswith("scene ") for name in names)
    if scenes and not any("git" in step for step in steps):
        steps.append("put back the files of its scenes")
    libraries = [f"{name}=={old}" for name, old in names.items() if not name.startswith("scene ") and name != "assets"]
    if libraries:
        steps.append(f"run `pip install {inline(' '.join(libraries))}`")
    return " and ".join(steps) or "put back what simgen makes its assets from"


def _some(names: Sequence[str], most: int = 5) -> str:
    few = ", ".join(map(inline, names[:most]))
    return f"{few} and {len(names) - most} more" if len(names) > most else few


def _key(scene: str, index: int) -> str:
    return f"{scene.replace('_', '-')}-{index:06d}"


@functools.lru_cache(maxsize=64)
def _walk_start(seed: int) -> int:
    return int(np.random.default_rng([seed]).integers(0, _CIRCLE, dtype=np.uint64))


def _split(seed: int, family: int) -> Split:
    return "test" if family % _BLOCK == _test_place(seed, family // _BLOCK) else "train"


@functools.lru_cache(maxsize=64)
def _test_place(seed: int, block: int) -> int:
    """Which of the ten families of a block is held out."""
    return int(np.random.default_rng([seed, block]).integers(_BLOCK))


def _settings(plan: Plan) -> dict[str, Any]:
    data = plan.recipe.as_data()
    del data["name"], data["scene_folders"]
    flat = _flat(data)
    for key in ("assets.objects", "assets.environments"):
        flat[key] = [Path(manifest).name for manifest in flat[key]]
    return {"n": plan.n, "seed": plan.seed, "shard_size": plan.shard_size, **flat}


def _flat(data: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in data.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat


def _differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    keys = [*old, *(key for key in new if key not in old)]
    return [(k, old.get(k, "nothing"), new.get(k, "nothing")) for k in keys if old.get(k) != new.get(k)]
