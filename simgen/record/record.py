"""A finished rollout and its pictures ↔ the members of a sample in a tar (schema version 1).

Every record has the same fields with the same types: floats are written as floats, nothing is null, no list is empty,
no mapping is keyed by data. Tools that guess a schema from the first few samples then guess right. What differs from
scene to scene, or can be empty, is JSON text in a field that ends in `_json`.
"""

import dataclasses
import functools
import io
import json
import math
import re
import tokenize
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Any, Literal, Protocol, TypeAlias, Union, get_args, get_origin, get_type_hints

import cv2
import numpy as np
from numpy.typing import NDArray

from simgen.core.assets import Credit, EnvironmentAsset, ObjectAsset, Split, SurfaceAsset
from simgen.core.errors import OutputError, inline, shown
from simgen.core.geometry import camera_matrix, intrinsics, quat_angle
from simgen.core.rollout import Rollout, Truth
from simgen.core.sample import Gate, Instructions, Sample
from simgen.core.spec import Body, Camera, SceneSpec, ViewRequest
from simgen.core.taxonomy import TRANSITIONS
from simgen.core.tracks import Instant, PoseTrack
from simgen.record.png import decode_png
from simgen.scene.registry import Scene

SCHEMA_VERSION = 1
IMAGES = ("start.png", "end.png", "start_seg.png", "end_seg.png", "mask.png")
MEMBERS = (*IMAGES, "txt", "json")
"""What every sample consists of; arrays that a recipe asks for come on top, as `name.npy`."""


# The schema. Docs, lint, declared features and the card's table are all read off it.


@dataclass(frozen=True, slots=True)
class Leaf:
    """A single value: its type, and what it means and in which unit."""

    type: Literal["int", "float", "bool", "string"]
    meaning: str


Node: TypeAlias = Leaf | Mapping[str, "Node"] | Sequence["Node"]
"""A value, an object with fixed fields, or a list (one element: the type of every item)."""


def _int(meaning: str) -> Leaf:
    return Leaf("int", meaning)


def _float(meaning: str) -> Leaf:
    return Leaf("float", meaning)


def _text(meaning: str) -> Leaf:
    return Leaf("string", meaning)


def _floats(meaning: str) -> list[Node]:
    return [Leaf("float", meaning)]


def _matrix(meaning: str) -> list[Node]:
    return [[Leaf("float", meaning)]]


def _state(when: str) -> dict[str, Node]:
    return {
        "position_m": _floats(f"centre of mass at the {when}, world axes, m"),
        "quaternion": _floats("orientation (w, x, y, z)"),
        "velocity_mps": _floats("m/s"),
        "angular_velocity_radps": _floats("world axes, rad/s"),
        "visible": Leaf("bool", "false where it has been taken out of the world"),
    }


SCHEMA: Mapping[str, Node] = {
    "schema_version": _int("1"),
    "simgen_version": _text("version of simgen that made the sample"),
    "fingerprint": _text("of the recipe"),
    "key": _text("name of the sample"),
    "scene": _text("name of the scene"),
    "domain": _text("`mechanical`, `optical`, `thermal`, `material` or `biological`"),
    "sub_domain": _text("of PhysicTran38K's taxonomy; `simgen.core.taxonomy`"),
    "law": _text("the law at work"),
    "types": [_int("transitions shown, ids 1 to 46 of PhysicTran38K; 0 for none of them")],
    "type_names": [_text("the same by name, spelled as there")],
    "tracks": [_text("kinds of change: `rigid`, `visibility`, `mesh`, `material`, `light`, `environment`")],
    "split": _text("`train` or `test`"),
    "seed": _int("seed of the data set"),
    "index": _int("number of the sample in the plan"),
    "family": _int("number of its family: samples that begin with the same picture; the index where each is alone"),
    "member": _int("its place in the family, from 0"),
    "attempt": _int("how many attempts were rejected before this one"),
    "instructions": {
        "superficial": _text("what to do"),
        "intermediate": _text("with its physical effect; also in `txt`"),
        "explicit": _text("with the whole end state"),
    },
    "bodies": [
        {
            "id": _int("value in `start_seg.png` and `end_seg.png`, 1 to 255"),
            "parent_id": _int("id of the body that it is a piece of; 0 for none"),
            "label": _text("plain words"),
            "role": _text("`actor`, `affected`, `bystander` or `prop`"),
            "kind": _text("one word; empty where unknown"),
            "asset": _text("`source:id`; empty for a box or a ball"),
            "shape": _text("`asset`, `box`, `ball` or `model`"),
            "substance": _text("`ceramic`, `wood`, `metal`, …; empty where unknown"),
            "mass_kg": _float("as simulated, kg"),
            "manifest_mass_kg": _float("as the asset's manifest has it, kg"),
            "friction": _float("multiplied with the partner's"),
            "restitution": _float("multiplied with the partner's"),
            "scale": _float("of the asset"),
            "size_m": _floats("extents along its own axes, m"),
            "static": Leaf("bool", "true where it cannot move"),
            "split": _text("which split may use the asset: `train`, `test` or `both`"),
            "license": _text("of the asset"),
            "author": _text("of the asset"),
            "start": _state("start frame"),
            "end": _state("end frame"),
        }
    ],
    "camera": {
        "width": _int("pixels"),
        "height": _int("pixels"),
        "K": _matrix("3 × 3, camera axes (x right, y down, z forward) to pixels; pixel (0, 0) covers [0, 1) × [0, 1)"),
        "camera_to_world": _matrix("4 × 4, camera axes as in Blender and Kubric: x right, y up, looking along -z"),
        "world_to_camera": _matrix("4 × 4, RT to the axes of K: pixel = K [R T] point"),
        "position_m": _floats("m"),
        "look_at_m": _floats("m"),
        "focal_length_mm": _float("mm"),
        "sensor_width_mm": _float("spans the width of the picture, mm"),
        "exposure_ev": _float("stops"),
    },
    "truth": [
        {
            "name": _text("what is known"),
            "value": _float("in `unit`"),
            "unit": _text("empty for a plain number"),
            "provenance": _text("`solved` by physics, `prescribed` by the scene, or `derived` from the states"),
        }
    ],
    "gates": [
        {
            "name": _text("a check that the sample had to pass"),
            "value": _float("its figure"),
            "limit": _text("against what, in words and numbers"),
            "passed": Leaf("bool", "true in every sample that is kept"),
        }
    ],
    "attribution": [
        {
            "asset": _text("`source:id`; `simgen:shapes` for boxes and balls"),
            "use": _text("`object`, `surface` or `environment`"),
            "split": _text("which split may use the asset: `train`, `test` or `both`"),
            "title": _text("of the work"),
            "author": _text("of the work"),
            "license": _text("of the work"),
            "url": _text("of the work; empty where there is none"),
            "sha256": _text("of the asset's archive; empty where there is none"),
        }
    ],
    "parameters_json": _text("the scene's parameters"),
    "spec_json": _text("everything that was simulated and rendered; `simgen.record.record.spec_from_json` reads it"),
    "contacts_json": _text("list of touches: bodies, times (s), impulse (N s), peak force (N), depth (m), point (m)"),
    "events_json": _text("list of what was done: kind, time (s), body, …"),
    "claims_json": _text("list of what the instructions say, checked against the states"),
}


# Making a record.


class Catalog(Protocol):
    """Where the assets that a spec names are looked up, by `source:id`."""

    def object(self, ref: str) -> ObjectAsset: ...

    def surface(self, ref: str) -> SurfaceAsset: ...

    def environment(self, ref: str) -> EnvironmentAsset: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Which sample of which data set a record is of."""

    key: str
    scene: str
    split: Split
    seed: int
    index: int
    family: int
    member: int
    attempt: int
    fingerprint: str
    simgen_version: str


_SHAPES = Credit(title="Boxes and balls", author="simgen", license="CC0 1.0")
_MODELS = Credit(title="Generated models", author="simgen", license="CC0 1.0")


def make_record(
    *,
    identity: Identity,
    scene: Scene,
    rollout: Rollout,
    camera: Camera,
    width: int,
    height: int,
    instructions: Instructions,
    claims: Sequence[Any],
    gates: Sequence[Gate],
    catalog: Catalog,
) -> dict[str, Any]:
    """The record of a sample; a figure that is no number is a ValueError that names its field: this sample
    is broken, not the folder."""
    spec = rollout.spec
    shown = list(scene.shows(rollout))
    record = {
        "schema_version": SCHEMA_VERSION,
        "simgen_version": identity.simgen_version,
        "fingerprint": identity.fingerprint,
        "key": identity.key,
        "scene": identity.scene,
        "domain": scene.domain,
        "sub_domain": scene.sub_domain,
        "law": scene.law,
        "types": shown or [0],
        "type_names": [TRANSITIONS[number].name for number in shown] or ["no physics editing"],
        "tracks": sorted({track.kind for track in rollout.tracks}),
        "split": identity.split,
        "seed": identity.seed,
        "index": identity.index,
        "family": identity.family,
        "member": identity.member,
        "attempt": identity.attempt,
        "instructions": dataclasses.asdict(instructions),
        "bodies": [_body(body, rollout, catalog) for body in rollout.bodies],
        "camera": _camera(camera, width, height),
        "truth": [dataclasses.asdict(truth) for truth in _truth(rollout)],
        "gates": [dataclasses.asdict(gate) for gate in gates],
        "attribution": _attribution(spec, catalog),
        "parameters_json": to_json(_plain(scene), f"{identity.key}: parameters_json"),
        "spec_json": spec_to_json(spec),
        "contacts_json": to_json(_plain(rollout.contacts), f"{identity.key}: contacts_json"),
        "events_json": to_json(_plain(spec.events), f"{identity.key}: events_json"),
        "claims_json": to_json(_plain(tuple(claims)), f"{identity.key}: claims_json"),
    }
    result: dict[str, Any] = _conform(record, SCHEMA, f"{identity.key}: ")
    return result


def _body(body: Body, rollout: Rollout, catalog: Catalog) -> dict[str, Any]:
    if body.shape == "asset":
        asset = catalog.object(body.asset)
        # A scene need not repeat the extents of an asset.
        size_m = body.size_m if any(body.size_m) else [edge * body.scale for edge in asset.size_m]
        facts = {
            "kind": asset.kind,
            "substance": asset.substance,
            "manifest_mass_kg": asset.manifest_mass_kg,
            "size_m": size_m,
            "split": asset.split,
            "license": asset.credit.license,
            "author": asset.credit.author,
        }
    else:
        facts = {
            "kind": body.model.name if body.model is not None else body.shape,
            "substance": catalog.surface(body.surface).substance if body.surface else body.substance,
            "manifest_mass_kg": body.mass_kg,
            "size_m": body.size_m,
            "split": "both",
            "license": _SHAPES.license,
            "author": _SHAPES.author,
        }
    return {
        "id": body.id,
        "parent_id": body.parent,
        "label": body.label,
        "role": body.role,
        "asset": body.asset,
        "shape": body.shape,
        "mass_kg": body.mass_kg,
        "friction": body.friction,
        "restitution": body.restitution,
        "scale": body.scale,
        "static": body.static,
        **facts,
        "start": _body_state(body, rollout, rollout.start),
        "end": _body_state(body, rollout, rollout.end),
    }


def _body_state(body: Body, rollout: Rollout, instant: Instant) -> dict[str, Any]:
    tracks = [t for t in rollout.tracks if isinstance(t, PoseTrack) and t.body == body.id]
    if tracks:
        track = tracks[0]
        position_m, quaternion = track.state_at(instant)
        state: dict[str, Any] = {
            "position_m": position_m,
            "quaternion": quaternion,
            "velocity_mps": track.velocity_mps[instant.step],
            "angular_velocity_radps": track.angular_velocity_radps[instant.step],
        }
    else:
        # What cannot move needs no track.
        state = {
            "position_m": body.position_m,
            "quaternion": body.quaternion,
            "velocity_mps": (0.0, 0.0, 0.0),
            "angular_velocity_radps": (0.0, 0.0, 0.0),
        }
    return {**state, "visible": rollout.visible(body.id, instant)}


def _camera(camera: Camera, width: int, height: int) -> dict[str, Any]:
    camera_to_world = camera_matrix(camera)
    # Blender's axes to those of K: y and z the other way. The inverse of a rotation is its transpose, exactly.
    rotation = (camera_to_world[:3, :3] * [1.0, -1.0, -1.0]).T
    world_to_camera = np.eye(4)
    world_to_camera[:3, :3] = rotation
    world_to_camera[:3, 3] = -rotation @ camera_to_world[:3, 3]
    return {
        "width": width,
        "height": height,
        "K": intrinsics(camera, width, height),
        "camera_to_world": camera_to_world,
        "world_to_camera": world_to_camera,
        **dataclasses.asdict(camera),
    }


def _truth(rollout: Rollout) -> list[Truth]:
    """What holds for every rollout, then what this one adds."""
    (start_m, start_turn), (end_m, end_turn) = (
        rollout.pose(rollout.actor.id, instant) for instant in (rollout.start, rollout.end)
    )
    moved_m = float(np.linalg.norm(end_m - start_m))
    turned_rad = float(quat_angle(start_turn, end_turn))
    quantities = [
        Truth(name=f"{q.name}_{when}", value=value, unit=q.unit, provenance=q.provenance)
        for q in rollout.quantities
        for when, value in (("start", q.start), ("end", q.end))
    ]
    common = (
        Truth(name="duration", value=rollout.duration_s, unit="s", provenance="solved"),
        Truth(name="actor_displacement", value=moved_m, unit="m", provenance="derived"),
        Truth(name="actor_rotation", value=turned_rad, unit="rad", provenance="derived"),
    )
    return list({truth.name: truth for truth in (*common, *quantities, *rollout.truth)}.values())


def _attribution(spec: SceneSpec, catalog: Catalog) -> list[dict[str, str]]:
    used: dict[tuple[str, str], tuple[Credit, str, str]] = {}
    for body in spec.bodies:
        if body.shape == "asset":
            thing = catalog.object(body.asset)
            used[body.asset, "object"] = (thing.credit, thing.sha256, thing.split)
        elif body.shape == "model":
            used["simgen:models", "object"] = (_MODELS, "", "both")
        else:
            used["simgen:shapes", "object"] = (_SHAPES, "", "both")
    for ref in (spec.stage.surface, *(body.surface for body in spec.bodies)):
        if ref:
            surface = catalog.surface(ref)
            used[ref, "surface"] = (surface.credit, surface.sha256, "both")
    if spec.environment.asset:
        sky = catalog.environment(spec.environment.asset)
        used[spec.environment.asset, "environment"] = (sky.credit, sky.sha256, sky.split)
    return [
        {"asset": ref, "use": use, **dataclasses.asdict(credit), "sha256": sha256, "split": split}
        for (ref, use), (credit, sha256, split) in sorted(used.items(), key=lambda item: item[0])
    ]


def _conform(value: Any, node: Node, where: str) -> Any:
    """`value` in the schema's types and order of fields, as plain Python."""
    if isinstance(node, Mapping):
        if set(value) != set(node):
            raise ValueError(f"{where or 'record'}: fields {sorted(set(value) ^ set(node))} do not fit the schema")
        return {name: _conform(value[name], child, _join(where, name)) for name, child in node.items()}
    if isinstance(node, Sequence):
        items = [_conform(item, node[0], f"{where}[{i}]") for i, item in enumerate(value)]
        if not items:
            raise ValueError(f"{where} is empty; a list in a record must hold at least one item")
        return items
    if node.type == "float":
        if not math.isfinite(value):
            raise ValueError(f"{where} is {value}; a record holds finite numbers only")
        # Adding zero turns -0.0 into 0.0, which would otherwise depend on the sign of a rounding error.
        return float(value) + 0.0
    if node.type == "int":
        return int(value)
    return bool(value) if node.type == "bool" else str(value)


def _join(where: str, name: str) -> str:
    return f"{where}{'' if not where or where.endswith(': ') else '.'}{name}"


def _plain(value: Any) -> Any:
    """Frozen types, tuples and numpy scalars as what JSON knows."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value


def to_json(value: Any, where: str) -> str:
    """Compact JSON on one line, in the order given; the same value gives the same bytes."""
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    except ValueError as error:
        raise ValueError(f"{where} holds a number that is not finite; a record holds finite numbers only") from error


# Checking a record.


def check_record(record: Any) -> list[str]:
    """What is wrong with a record, a sentence each; nothing where it is sound."""
    findings = list(_mismatches(record, SCHEMA, ""))
    if findings:
        return findings
    if record["schema_version"] != SCHEMA_VERSION:
        findings.append(f"schema_version is {record['schema_version']}, must be {SCHEMA_VERSION}")
    if not re.fullmatch(r"[A-Za-z0-9-]+", record["key"]):
        findings.append(f"key is {shown(record['key'])}, must be letters, digits and dashes")
    if record["split"] not in get_args(Split):
        findings.append(f"split is {shown(record['split'])}, must be train or test")
    for tier, text in record["instructions"].items():
        if not text.strip():
            findings.append(f"instructions.{tier} is empty")
    ids = [body["id"] for body in record["bodies"]]
    if len(set(ids)) < len(ids) or not all(1 <= body_id <= 255 for body_id in ids):
        findings.append(f"bodies have the ids {shown(ids)}, must be different ones from 1 to 255")
    for name, shape in (("K", (3, 3)), ("camera_to_world", (4, 4)), ("world_to_camera", (4, 4))):
        rows = record["camera"][name]
        if [len(row) for row in rows] != [shape[1]] * shape[0]:
            findings.append(f"camera.{name} must be {shape[0]} rows of {shape[1]} numbers")
    findings += [f"gates: {inline(gate['name'])} has not passed" for gate in record["gates"] if not gate["passed"]]
    for name in SCHEMA:
        if name.endswith("_json"):
            try:
                json.loads(record[name])
            except (ValueError, RecursionError) as error:
                findings.append(f"{name} is not JSON: {error}")
    return findings


_PYTHON = {"int": int, "float": float, "bool": bool, "string": str}
_LARGEST_INT = 2**63 - 1
_HALF_A_CHARACTER = re.compile("[\ud800-\udfff]")


def _mismatches(value: Any, node: Node, where: str) -> Iterator[str]:
    place = where or "the record"
    if isinstance(node, Mapping):
        if not isinstance(value, dict):
            yield f"{place} is {_type_name(value)}, must be an object"
            return
        for name in node:
            if name not in value:
                yield f"{_join(where, name)} is missing"
        for name in value:
            if name not in node:
                yield f"{_join(where, inline(name))} is not a field of the schema"
        for name, child in node.items():
            if name in value:
                yield from _mismatches(value[name], child, _join(where, name))
    elif isinstance(node, Sequence):
        if not isinstance(value, list):
            yield f"{place} is {_type_name(value)}, must be a list"
        elif not value:
            yield f"{place} is empty"
        else:
            for i, item in enumerate(value):
                yield from _mismatches(item, node[0], f"{place}[{i}]")
    elif type(value) is not _PYTHON[node.type]:
        yield f"{place} is {_type_name(value)}, must be {node.type}"
    elif isinstance(value, float) and not math.isfinite(value):
        yield f"{place} is {value}, must be finite"
    elif isinstance(value, float) and value == 0.0 and math.copysign(1.0, value) < 0:
        yield f"{place} is -0.0, must be 0.0"
    elif isinstance(value, int) and abs(value) > _LARGEST_INT:
        yield f"{place} is {shown(value)}, which does not fit into 64 bits"
    elif isinstance(value, str) and _HALF_A_CHARACTER.search(value):
        yield f"{place} holds half a character, which no file can hold"


def _type_name(value: Any) -> str:
    return (
        "null" if value is None else {"str": "string", "dict": "object"}.get(type(value).__name__, type(value).__name__)
    )


# Sample ↔ members.

# Measured on a path-traced 512 × 512 picture with scanned textures: run-length matching 255 KiB in 14 ms,
# zlib level 6 261 KiB in 80 ms, level 9 251 KiB in 440 ms.
_PICTURE = (cv2.IMWRITE_PNG_COMPRESSION, 1, cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE)
_LABELS = (cv2.IMWRITE_PNG_COMPRESSION, 6, cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_DEFAULT)


def encode(sample: Sample) -> dict[str, bytes]:
    """The members of a sample by name; the same sample gives the same bytes. A record that does not fit the
    schema is a ValueError: nothing unsound reaches a tar."""
    findings = check_record(sample.record)
    if sample.record.get("key") != sample.key:
        findings.append(f"key is {sample.record.get('key')!r}, must be {sample.key!r}")
    if findings:
        raise ValueError(f"{sample.key}: {findings[0]}")
    height, width = sample.record["camera"]["height"], sample.record["camera"]["width"]
    members = {}
    for name in IMAGES:
        image = getattr(sample, name.removesuffix(".png"))
        shape = (height, width, 3) if name in ("start.png", "end.png") else (height, width)
        if image.shape != shape or image.dtype != np.uint8:
            raise ValueError(f"{sample.key}: {name} is {image.dtype} {image.shape}, must be uint8 {shape}")
        members[name] = _png(image)
    members["txt"] = sample.record["instructions"]["intermediate"].encode()
    members["json"] = (to_json(_ordered(sample.record, SCHEMA), sample.key) + "\n").encode()
    for name, array in sample.arrays.items():
        if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
            raise ValueError(f"{sample.key}: array {name!r} must be named in lower case letters, digits, underscores")
        buffer = io.BytesIO()
        np.save(buffer, np.ascontiguousarray(array), allow_pickle=False)
        members[f"{name}.npy"] = buffer.getvalue()
    return members


def decode(key: str, members: Mapping[str, bytes]) -> Sample:
    """The sample that `encode` made these members of; an OutputError names the member that is damaged."""
    missing = [name for name in MEMBERS if name not in members]
    if missing:
        raise OutputError(f"{key}: member {missing[0]} is missing")
    images = {name.removesuffix(".png"): _image(key, name, members[name]) for name in IMAGES}
    height, width = images["start"].shape[:2]
    for name, image in images.items():
        if image.shape[:2] != (height, width):
            raise OutputError(
                f"{key}: member {name}.png is damaged: has {image.shape[1]} × {image.shape[0]} pixels, "
                f"start.png {width} × {height}"
            )
    arrays = {
        name.removesuffix(".npy"): _array(key, name, data) for name, data in members.items() if name.endswith(".npy")
    }
    return Sample(key=key, record=decode_record(key, members["json"]), arrays=arrays, **images)


def decode_record(key: str, data: bytes) -> dict[str, Any]:
    """The record in a `json` member."""
    try:
        record = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise OutputError(f"{key}: member json is damaged: {error}") from error
    if not isinstance(record, dict):
        raise OutputError(f"{key}: member json must hold an object; got {_type_name(record)}")
    return record


def _ordered(value: Any, node: Node) -> Any:
    if isinstance(node, Mapping):
        return {name: _ordered(value[name], child) for name, child in node.items()}
    if isinstance(node, Sequence):
        return [_ordered(item, node[0]) for item in value]
    return value


def _png(image: NDArray[np.uint8]) -> bytes:
    color = image.ndim == 3
    # OpenCV's channel order is blue, green, red.
    written = cv2.cvtColor(image, cv2.COLOR_RGB2BGR) if color else np.ascontiguousarray(image)
    return bytes(cv2.imencode(".png", written, _PICTURE if color else _LABELS)[1])


def _image(key: str, name: str, data: bytes) -> NDArray[np.uint8]:
    image = decode_png(data)
    color = name in ("start.png", "end.png")
    if image is None or image.dtype != np.uint8 or image.shape[2:] != ((3,) if color else ()):
        raise OutputError(
            f"{key}: member {name} is damaged: not an 8-bit PNG of {'three channels' if color else 'one channel'}"
        )
    return image


def _array(key: str, name: str, data: bytes) -> NDArray[Any]:
    stream = io.BytesIO(data)
    try:
        # Only what `encode` writes. numpy.load would unzip an archive, and make room for whatever the head asks for.
        version = np.lib.format.read_magic(stream)  # type: ignore[no-untyped-call]
        if version != (1, 0):
            raise ValueError(f"npy version {version}")
        shape, by_column, dtype = np.lib.format.read_array_header_1_0(stream)  # type: ignore[no-untyped-call]
        left = len(data) - stream.tell()
        if (
            dtype.kind not in "biuf"
            or by_column
            or min(shape, default=0) < 0
            or math.prod(shape) * dtype.itemsize != left
        ):
            raise ValueError(f"an array {shown(shape)} of {dtype} in {left} bytes")
        array: NDArray[Any] = np.frombuffer(data, dtype, offset=stream.tell()).reshape(shape).copy()
    # numpy reads the head as Python's own literals.
    except (ValueError, SyntaxError, tokenize.TokenError, TypeError, OverflowError, RecursionError) as error:
        raise OutputError(f"{key}: member {name} is damaged: {inline(error)}") from error
    return array


# SceneSpec ↔ text.


def spec_to_json(spec: SceneSpec) -> str:
    """The whole spec as JSON text, exact to the last bit; where a field can be one of several types, `kind` tells."""
    return to_json(_dump(spec, SceneSpec), "spec_json")


def spec_from_json(text: str) -> SceneSpec:
    """The spec that `spec_to_json` wrote."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise OutputError(f"spec_json is not JSON: {error}") from error
    try:
        spec: SceneSpec = _load(data, SceneSpec, "spec_json")
    # What the types themselves refuse.
    except (ValueError, TypeError) as error:
        raise OutputError(f"spec_json: {inline(error)}") from error
    return spec


def _dump(value: Any, hint: Any) -> Any:
    options = _options(hint)
    if value is None and NoneType in options:
        return None
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {name: _dump(getattr(value, name), inner) for name, inner in _hints(type(value)).items()}
        tagged = sum(dataclasses.is_dataclass(option) for option in options) > 1
        return {"kind": _tag(type(value)), **fields} if tagged else fields
    if isinstance(value, tuple):
        arguments = get_args(hint)
        repeated = len(arguments) == 2 and arguments[1] is Ellipsis
        return [_dump(item, arguments[0] if repeated else arguments[i]) for i, item in enumerate(value)]
    return float(value) if hint is float else value.item() if isinstance(value, np.generic) else value


def _load(data: Any, hint: Any, where: str) -> Any:
    options = _options(hint)
    if data is None and NoneType in options:
        return None
    classes = [option for option in options if dataclasses.is_dataclass(option)]
    if classes:
        return _load_fields(data, classes, where)
    if get_origin(hint) is tuple:
        arguments = get_args(hint)
        repeated = len(arguments) == 2 and arguments[1] is Ellipsis
        if not isinstance(data, list) or not (repeated or len(data) == len(arguments)):
            raise OutputError(f"{where} must be a list{'' if repeated else f' of {len(arguments)}'}; got {shown(data)}")
        return tuple(
            _load(item, arguments[0] if repeated else arguments[i], f"{where}[{i}]") for i, item in enumerate(data)
        )
    if get_origin(hint) is Literal:
        if data not in get_args(hint):
            raise OutputError(f"{where} must be one of {', '.join(map(str, get_args(hint)))}; got {shown(data)}")
        return data
    if type(data) is not hint:
        raise OutputError(f"{where} must be {hint.__name__}; got {shown(data)}")
    return data


def _load_fields(data: Any, classes: Sequence[Any], where: str) -> Any:
    if not isinstance(data, dict):
        raise OutputError(f"{where} must be an object; got {shown(data)}")
    cls = classes[0]
    if len(classes) > 1:
        known = {_tag(option): option for option in classes}
        if not isinstance(data.get("kind"), str) or data["kind"] not in known:
            raise OutputError(f"{where}.kind must be one of {', '.join(known)}; got {shown(data.get('kind'))}")
        cls = known[data["kind"]]
        if "kind" not in _hints(cls):
            data = {name: item for name, item in data.items() if name != "kind"}
    hints = _hints(cls)
    for name in data:
        if name not in hints:
            raise OutputError(f"{where}.{inline(name)} is not a field of {cls.__name__}")
    for field in dataclasses.fields(cls):
        required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        if required and field.name not in data:
            raise OutputError(f"{where}.{field.name} is missing")
    return cls(**{name: _load(item, hints[name], f"{where}.{name}") for name, item in data.items()})


def _tag(cls: Any) -> str:
    """What a type is called where a field can hold one of several: its `kind`, else its name."""
    for field in dataclasses.fields(cls):
        if field.name == "kind" and isinstance(field.default, str):
            return field.default
    return _TAGS.get(cls, str(cls.__name__).lower())


_TAGS: dict[type, str] = {ViewRequest: "framing"}
"""Tags by which records know types that have another name today."""


def _options(hint: Any) -> tuple[Any, ...]:
    return get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)


@functools.cache
def _hints(cls: type) -> dict[str, Any]:
    return get_type_hints(cls)


def leaves(node: Node = SCHEMA, where: str = "") -> Iterable[tuple[str, str, str]]:
    """Name, type and meaning of every field of the schema, for documentation."""
    if isinstance(node, Mapping):
        for name, child in node.items():
            yield from leaves(child, _join(where, name))
    elif isinstance(node, Sequence):
        yield from leaves(node[0], f"{where}[]")
    else:
        yield where, node.type, node.meaning
