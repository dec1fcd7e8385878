"""The record of a sample, one declaration a field: everything else about a field follows from it.

A declaration says name, type, unit and meaning; how the value is computed, of a source in `simgen.record.sources`;
the minor version that brought the field, with what older records are taken to say; and its columns in the parquet
table. Building, checking and reading a record, the card's table, the features declared to the Hub and the parquet
columns are read off the declarations. A new field is one more declaration with `since` one above the newest.

Versions: `schema_version` is the major version, `schema_minor` the minor one (0 where a record has no such field).
A minor version only adds fields. A reader takes every older minor version, in which missing fields get what `older`
says, and passes over fields of newer ones that it does not know. Another major version is an error.

Every record has the same fields with the same types: floats are written as floats, nothing is null, no list is empty,
no mapping is keyed by data. Tools that guess a schema from the first few samples then guess right. What differs from
scene to scene, or can be empty, is JSON text in a field that ends in `_json`.
"""

from collections.abc import Mapping
from typing import Any

from simgen.core.taxonomy import TRANSITIONS
from simgen.record.fields import Column, Group, Older, RecordField, newest
from simgen.record.sources import bodies, camera, credits, track_kinds, truths
from simgen.record.spec_json import spec_to_json

MAJOR = 1


def minor() -> int:
    """The minor version that is written today: that of the newest field."""
    return newest(SCHEMA)


def version() -> str:
    """The version that is written today, as docs name it."""
    return f"{MAJOR}.{minor()}"


def _actor(record: Mapping[str, Any]) -> Any:
    """The first actor. Where the event acts on no body (a lamp out of sight), the first body takes its place."""
    return next((body for body in record["bodies"] if body["role"] == "actor"), record["bodies"][0])


def _truth(record: Mapping[str, Any], name: str) -> Any:
    return {item["name"]: item["value"] for item in record["truth"]}[name]


def _first_used(record: Mapping[str, Any], use: str) -> Any:
    return next((item["asset"] for item in record["attribution"] if item["use"] == use), "")


def _state(name: str, when: str) -> Group:
    return Group(
        name=name,
        source=lambda body: getattr(body, name),
        fields=(
            RecordField(
                name="position_m",
                kind="float",
                lists=1,
                meaning=f"centre of mass at the {when}, world axes",
                unit="m",
                compute=lambda state: state.position_m,
            ),
            RecordField(
                name="quaternion",
                kind="float",
                lists=1,
                meaning="orientation (w, x, y, z)",
                compute=lambda state: state.quaternion,
            ),
            RecordField(
                name="velocity_mps",
                kind="float",
                lists=1,
                meaning="world axes",
                unit="m/s",
                compute=lambda state: state.velocity_mps,
            ),
            RecordField(
                name="angular_velocity_radps",
                kind="float",
                lists=1,
                meaning="world axes",
                unit="rad/s",
                compute=lambda state: state.angular_velocity_radps,
            ),
            RecordField(
                name="visible",
                kind="bool",
                meaning="false where it has been taken out of the world",
                compute=lambda state: state.visible,
            ),
            RecordField(
                name="mass_kg",
                kind="float",
                meaning=f"mass at the {when}, visible or not",
                unit="kg",
                compute=lambda state: state.matter.mass_kg,
                since=1,
                older=Older(same_as="mass_kg"),
            ),
            RecordField(
                name="volume_m3",
                kind="float",
                meaning=f"volume of what it consists of at the {when}",
                unit="m³",
                compute=lambda state: state.matter.volume_m3,
                since=1,
                older=Older(value=0.0, meaning="not recorded"),
            ),
            RecordField(
                name="substance",
                kind="string",
                meaning=f"what it consists of at the {when}; empty where unknown",
                compute=lambda state: state.matter.substance,
                since=1,
                older=Older(same_as="substance"),
            ),
        ),
    )


SCHEMA = Group(
    name="",
    source=lambda record: record,
    fields=(
        RecordField(
            name="schema_version", kind="int", meaning=f"{MAJOR}; the major version", compute=lambda record: MAJOR
        ),
        RecordField(
            name="schema_minor",
            kind="int",
            meaning="the minor version",
            compute=lambda record: minor(),
            since=1,
            older=Older(value=0),
        ),
        RecordField(
            name="simgen_version",
            kind="string",
            meaning="version of simgen that made the sample",
            compute=lambda record: record.identity.simgen_version,
        ),
        RecordField(
            name="fingerprint",
            kind="string",
            meaning="of the recipe",
            compute=lambda record: record.identity.fingerprint,
            columns=(Column(),),
        ),
        RecordField(
            name="key",
            kind="string",
            meaning="name of the sample",
            compute=lambda record: record.identity.key,
            columns=(Column(),),
        ),
        RecordField(
            name="scene",
            kind="string",
            meaning="name of the scene",
            compute=lambda record: record.identity.scene,
            columns=(Column(),),
        ),
        RecordField(
            name="domain",
            kind="string",
            meaning="`mechanical`, `optical`, `thermal`, `material` or `biological`",
            compute=lambda record: record.scene.domain,
            columns=(Column(),),
        ),
        RecordField(
            name="sub_domain",
            kind="string",
            meaning="of PhysicTran38K's taxonomy; `simgen.core.taxonomy`",
            compute=lambda record: record.scene.sub_domain,
            columns=(Column(),),
        ),
        RecordField(
            name="law",
            kind="string",
            meaning="the law at work",
            compute=lambda record: record.scene.law,
            columns=(Column(),),
        ),
        RecordField(
            name="types",
            kind="int",
            lists=1,
            meaning="transitions shown, ids 1 to 46 of PhysicTran38K; 0 for none of them",
            compute=lambda record: record.types or [0],
            columns=(Column(),),
        ),
        RecordField(
            name="type_names",
            kind="string",
            lists=1,
            meaning="the same by name, spelled as there",
            compute=lambda record: [TRANSITIONS[number].name for number in record.types] or ["no physics editing"],
        ),
        RecordField(
            name="tracks",
            kind="string",
            lists=1,
            meaning="kinds of change: `rigid`, `visibility`, `mesh`, `material`, `light`, `environment`",
            compute=track_kinds,
        ),
        RecordField(
            name="split",
            kind="string",
            meaning="`train` or `test`",
            compute=lambda record: record.identity.split,
            columns=(Column(),),
        ),
        RecordField(
            name="seed",
            kind="int",
            meaning="seed of the data set",
            compute=lambda record: record.identity.seed,
            columns=(Column(),),
        ),
        RecordField(
            name="index",
            kind="int",
            meaning="number of the sample in the plan",
            compute=lambda record: record.identity.index,
            columns=(Column(),),
        ),
        RecordField(
            name="family",
            kind="int",
            meaning="number of its family: samples that begin with the same picture; the index where each is alone",
            compute=lambda record: record.identity.family,
        ),
        RecordField(
            name="member",
            kind="int",
            meaning="its place in the family, from 0",
            compute=lambda record: record.identity.member,
        ),
        RecordField(
            name="attempt",
            kind="int",
            meaning="how many attempts were rejected before this one",
            compute=lambda record: record.identity.attempt,
            columns=(Column(),),
        ),
        Group(
            name="instructions",
            source=lambda record: record.instructions,
            fields=(
                RecordField(
                    name="superficial",
                    kind="string",
                    meaning="what to do",
                    compute=lambda instructions: instructions.superficial,
                    columns=(Column(),),
                ),
                RecordField(
                    name="intermediate",
                    kind="string",
                    meaning="with its physical effect; also in `txt`",
                    compute=lambda instructions: instructions.intermediate,
                    columns=(Column(),),
                ),
                RecordField(
                    name="explicit",
                    kind="string",
                    meaning="with the whole end state",
                    compute=lambda instructions: instructions.explicit,
                    columns=(Column(),),
                ),
            ),
        ),
        Group(
            name="bodies",
            source=bodies,
            many=True,
            columns=(Column(value=lambda record: len(record["bodies"]), meaning="how many bodies there are"),),
            fields=(
                RecordField(
                    name="id",
                    kind="int",
                    meaning="value in `start_seg.png` and `end_seg.png`, 1 to 255",
                    compute=lambda body: body.body.id,
                ),
                RecordField(
                    name="parent_id",
                    kind="int",
                    meaning="id of the body that it is a piece of; 0 for none",
                    compute=lambda body: body.body.parent,
                ),
                RecordField(
                    name="label",
                    kind="string",
                    meaning="plain words",
                    compute=lambda body: body.body.label,
                    columns=(Column(name="actor_label", value=lambda record: _actor(record)["label"]),),
                ),
                RecordField(
                    name="role",
                    kind="string",
                    meaning="`actor`, `affected`, `bystander` or `prop`",
                    compute=lambda body: body.body.role,
                ),
                RecordField(
                    name="kind",
                    kind="string",
                    meaning="one word; empty where unknown",
                    compute=lambda body: body.kind,
                ),
                RecordField(
                    name="asset",
                    kind="string",
                    meaning="`source:id`; empty for a box or a ball",
                    compute=lambda body: body.body.asset,
                    columns=(Column(name="actor_asset", value=lambda record: _actor(record)["asset"]),),
                ),
                RecordField(
                    name="shape",
                    kind="string",
                    meaning="`asset`, `box`, `ball` or `model`",
                    compute=lambda body: body.body.shape,
                ),
                RecordField(
                    name="substance",
                    kind="string",
                    meaning="`ceramic`, `wood`, `metal`, …; empty where unknown",
                    compute=lambda body: body.substance,
                    columns=(Column(name="actor_substance", value=lambda record: _actor(record)["substance"]),),
                ),
                RecordField(
                    name="mass_kg",
                    kind="float",
                    meaning="as simulated",
                    unit="kg",
                    compute=lambda body: body.body.mass_kg,
                    columns=(Column(name="actor_mass_kg", value=lambda record: _actor(record)["mass_kg"]),),
                ),
                RecordField(
                    name="manifest_mass_kg",
                    kind="float",
                    meaning="as the asset's manifest has it",
                    unit="kg",
                    compute=lambda body: body.manifest_mass_kg,
                ),
                RecordField(
                    name="friction",
                    kind="float",
                    meaning="multiplied with the partner's",
                    compute=lambda body: body.body.friction,
                ),
                RecordField(
                    name="restitution",
                    kind="float",
                    meaning="multiplied with the partner's",
                    compute=lambda body: body.body.restitution,
                ),
                RecordField(
                    name="scale",
                    kind="float",
                    meaning="of the asset",
                    compute=lambda body: body.body.scale,
                ),
                RecordField(
                    name="size_m",
                    kind="float",
                    lists=1,
                    meaning="extents along its own axes",
                    unit="m",
                    compute=lambda body: body.size_m,
                    columns=(
                        Column(
                            name="actor_size_m",
                            value=lambda record: max(_actor(record)["size_m"]),
                            meaning="the longest of its extents",
                        ),
                    ),
                ),
                RecordField(
                    name="static",
                    kind="bool",
                    meaning="true where it cannot move",
                    compute=lambda body: body.body.static,
                ),
                RecordField(
                    name="split",
                    kind="string",
                    meaning="which split may use the asset: `train`, `test` or `both`",
                    compute=lambda body: body.split,
                ),
                RecordField(
                    name="license",
                    kind="string",
                    meaning="of the asset",
                    compute=lambda body: body.credit.license,
                ),
                RecordField(
                    name="author",
                    kind="string",
                    meaning="of the asset",
                    compute=lambda body: body.credit.author,
                ),
                _state("start", "start frame"),
                _state("end", "end frame"),
            ),
        ),
        Group(
            name="camera",
            source=camera,
            fields=(
                RecordField(
                    name="width",
                    kind="int",
                    meaning="pixels",
                    compute=lambda camera: camera.width,
                    columns=(Column(),),
                ),
                RecordField(
                    name="height",
                    kind="int",
                    meaning="pixels",
                    compute=lambda camera: camera.height,
                    columns=(Column(),),
                ),
                RecordField(
                    name="K",
                    kind="float",
                    lists=2,
                    meaning="3 × 3, camera axes (x right, y down, z forward) to pixels; "
                    "pixel (0, 0) covers [0, 1) × [0, 1)",
                    compute=lambda camera: camera.k,
                ),
                RecordField(
                    name="camera_to_world",
                    kind="float",
                    lists=2,
                    meaning="4 × 4, camera axes as in Blender and Kubric: x right, y up, looking along -z",
                    compute=lambda camera: camera.camera_to_world,
                ),
                RecordField(
                    name="world_to_camera",
                    kind="float",
                    lists=2,
                    meaning="4 × 4, RT to the axes of K: pixel = K [R T] point",
                    compute=lambda camera: camera.world_to_camera,
                ),
                RecordField(
                    name="position_m",
                    kind="float",
                    lists=1,
                    meaning="world axes",
                    unit="m",
                    compute=lambda camera: camera.camera.position_m,
                ),
                RecordField(
                    name="look_at_m",
                    kind="float",
                    lists=1,
                    meaning="world axes",
                    unit="m",
                    compute=lambda camera: camera.camera.look_at_m,
                ),
                RecordField(
                    name="focal_length_mm",
                    kind="float",
                    meaning="of the lens",
                    unit="mm",
                    compute=lambda camera: camera.camera.focal_length_mm,
                ),
                RecordField(
                    name="sensor_width_mm",
                    kind="float",
                    meaning="spans the width of the picture",
                    unit="mm",
                    compute=lambda camera: camera.camera.sensor_width_mm,
                ),
                RecordField(
                    name="exposure_ev",
                    kind="float",
                    meaning="stops",
                    compute=lambda camera: camera.camera.exposure_ev,
                ),
            ),
        ),
        Group(
            name="truth",
            source=truths,
            many=True,
            fields=(
                RecordField(
                    name="name",
                    kind="string",
                    meaning="what is known",
                    compute=lambda truth: truth.name,
                ),
                RecordField(
                    name="value",
                    kind="float",
                    meaning="in `unit`",
                    compute=lambda truth: truth.value,
                    columns=(
                        Column(
                            name="actor_displacement_m",
                            value=lambda record: _truth(record, "actor_displacement"),
                            meaning="way from its start to its end",
                        ),
                        Column(
                            name="actor_rotation_rad",
                            value=lambda record: _truth(record, "actor_rotation"),
                            meaning="angle from its start to its end",
                        ),
                        Column(
                            name="duration_s",
                            value=lambda record: _truth(record, "duration"),
                            meaning="time from the start to the end frame",
                        ),
                    ),
                ),
                RecordField(
                    name="unit",
                    kind="string",
                    meaning="empty for a plain number",
                    compute=lambda truth: truth.unit,
                ),
                RecordField(
                    name="provenance",
                    kind="string",
                    meaning="`solved` by physics, `prescribed` by the scene, or `derived` from the states",
                    compute=lambda truth: truth.provenance,
                ),
            ),
        ),
        Group(
            name="gates",
            source=lambda record: record.gates,
            many=True,
            fields=(
                RecordField(
                    name="name",
                    kind="string",
                    meaning="a check that the sample had to pass",
                    compute=lambda gate: gate.name,
                ),
                RecordField(
                    name="value",
                    kind="float",
                    meaning="its figure",
                    compute=lambda gate: gate.value,
                ),
                RecordField(
                    name="limit",
                    kind="string",
                    meaning="against what, in words and numbers",
                    compute=lambda gate: gate.limit,
                ),
                RecordField(
                    name="passed",
                    kind="bool",
                    meaning="true in every sample that is kept",
                    compute=lambda gate: gate.passed,
                ),
            ),
        ),
        Group(
            name="attribution",
            source=credits,
            many=True,
            fields=(
                RecordField(
                    name="asset",
                    kind="string",
                    meaning="`source:id`; `simgen:shapes` for boxes and balls",
                    compute=lambda credit: credit.asset,
                    columns=(
                        Column(
                            name="surface",
                            value=lambda record: _first_used(record, "surface"),
                            meaning="the first surface in use; empty for none",
                        ),
                        Column(
                            name="environment",
                            value=lambda record: _first_used(record, "environment"),
                            meaning="the environment map; empty for none",
                        ),
                    ),
                ),
                RecordField(
                    name="use",
                    kind="string",
                    meaning="`object`, `surface` or `environment`",
                    compute=lambda credit: credit.use,
                ),
                RecordField(
                    name="split",
                    kind="string",
                    meaning="which split may use the asset: `train`, `test` or `both`",
                    compute=lambda credit: credit.split,
                ),
                RecordField(
                    name="title",
                    kind="string",
                    meaning="of the work",
                    compute=lambda credit: credit.credit.title,
                ),
                RecordField(
                    name="author",
                    kind="string",
                    meaning="of the work",
                    compute=lambda credit: credit.credit.author,
                ),
                RecordField(
                    name="license",
                    kind="string",
                    meaning="of the work",
                    compute=lambda credit: credit.credit.license,
                ),
                RecordField(
                    name="url",
                    kind="string",
                    meaning="of the work; empty where there is none",
                    compute=lambda credit: credit.credit.url,
                ),
                RecordField(
                    name="sha256",
                    kind="string",
                    meaning="of the asset's archive; empty where there is none",
                    compute=lambda credit: credit.sha256,
                ),
            ),
        ),
        RecordField(
            name="parameters_json",
            kind="string",
            meaning="the scene's parameters",
            compute=lambda record: record.json(record.scene, "parameters_json"),
        ),
        RecordField(
            name="spec_json",
            kind="string",
            meaning="what was drawn, before anything has happened; `simgen.record.spec_json.spec_from_json` reads it",
            compute=lambda record: spec_to_json(record.spec),
        ),
        RecordField(
            name="contacts_json",
            kind="string",
            meaning="list of touches: bodies, times (s), impulse (N s), peak force (N), depth (m), point (m)",
            compute=lambda record: record.json(record.rollout.contacts, "contacts_json"),
        ),
        RecordField(
            name="events_json",
            kind="string",
            meaning="list of what was done: kind, time (s), body, …",
            compute=lambda record: record.json(record.spec.events, "events_json"),
        ),
        RecordField(
            name="claims_json",
            kind="string",
            meaning="list of what the instructions say, checked against the states",
            compute=lambda record: record.json(tuple(record.claims), "claims_json"),
        ),
    ),
)
