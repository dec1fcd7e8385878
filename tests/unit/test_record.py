import copy
import dataclasses
import json
import math
import types
import typing
import zlib
from collections.abc import Callable
from typing import Any, Literal, get_args, get_origin, get_type_hints

import cv2
import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from simgen.core.errors import OutputError
from simgen.core.geometry import project
from simgen.core.rollout import Rollout
from simgen.core.sample import Sample
from simgen.core.spec import Camera, SceneSpec, ViewRequest
from simgen.core.tracks import Matter
from simgen.dataset.card import write_card
from simgen.dataset.reader import open_dataset
from simgen.dataset.table import read_rows
from simgen.record import fields, schema
from simgen.record.check import check_record
from simgen.record.codec import MEMBERS, decode, decode_record, encode
from simgen.record.spec_json import spec_from_json, spec_to_json

SampleFactory = Callable[..., Sample]


def anything(hint: Any, inside: tuple[Any, ...] = ()) -> st.SearchStrategy[Any]:
    """Any value of a type of `simgen.core`, read off its annotations: a new field is covered by itself.

    `inside` are the types around it: of a type within itself (the material of a layer) there is one level.
    """
    arguments = get_args(hint)
    if get_origin(hint) is Literal:
        return st.sampled_from(arguments)
    if get_origin(hint) is tuple:
        if arguments[-1] is Ellipsis:
            if arguments[0] in inside:
                return st.just(())
            return st.lists(anything(arguments[0], inside), max_size=3).map(tuple)
        return st.tuples(*(anything(argument, inside) for argument in arguments))
    if get_origin(hint) in (typing.Union, types.UnionType):
        return st.one_of(*(anything(argument, inside) for argument in arguments))
    if dataclasses.is_dataclass(hint):
        hints = get_type_hints(hint)
        return st.builds(hint, **{name: anything(inner, (*inside, hint)) for name, inner in hints.items()})
    if hint is float:
        return st.floats(allow_nan=False, allow_infinity=False)
    return {int: st.integers(), str: st.text(max_size=5), bool: st.booleans(), types.NoneType: st.none()}[hint]


@settings(deadline=None, max_examples=200)
@given(anything(SceneSpec))
def test_a_spec_comes_back_from_its_text_to_the_last_bit(spec: SceneSpec) -> None:
    back = spec_from_json(spec_to_json(spec))
    # repr tells -0.0 from 0.0, which == does not.
    assert repr(back) == repr(spec)


def test_a_spec_keeps_the_text_it_has_had_before(make_spec: Callable[..., SceneSpec]) -> None:
    text = spec_to_json(make_spec())
    assert spec_to_json(spec_from_json(text)) == text


def test_whole_numbers_in_a_spec_are_written_as_floats_where_floats_belong(
    make_spec: Callable[..., SceneSpec],
) -> None:
    spec = dataclasses.replace(make_spec(), duration_s=4)
    assert json.loads(spec_to_json(spec), parse_int=lambda text: pytest.fail(text) if text == "4" else int(text))
    assert spec_from_json(spec_to_json(spec)) == spec


def test_kind_tells_a_camera_from_a_framing_and_a_push_from_a_release(make_spec: Callable[..., SceneSpec]) -> None:
    spec = make_spec()
    framed = dataclasses.replace(spec, camera=ViewRequest(azimuth_rad=0.5, elevation_rad=0.3))
    assert json.loads(spec_to_json(spec))["camera"]["kind"] == "camera"
    assert json.loads(spec_to_json(framed))["camera"]["kind"] == "framing"
    assert [event["kind"] for event in json.loads(spec_to_json(spec))["events"]] == ["push", "release", "remove"]
    assert spec_from_json(spec_to_json(framed)) == framed


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: data["camera"].update(kind="drone"), "spec_json.camera.kind must be one of camera, framing"),
        (lambda data: data["bodies"][0].update(colour="red"), "spec_json.bodies[0].colour is not a field of Body"),
        (lambda data: data["bodies"][1].pop("mass_kg"), "spec_json.bodies[1].mass_kg is missing"),
        (lambda data: data["stage"].update(kind="moon"), "spec_json.stage.kind must be one of table, floor"),
        (lambda data: data.update(gravity_mps2=[0.0, 0.0]), "spec_json.gravity_mps2 must be a list of 3"),
        (lambda data: data.update(duration_s="long"), "spec_json.duration_s must be float; got 'long'"),
    ],
)
def test_a_damaged_spec_says_where(
    change: Callable[[Any], object], message: str, make_spec: Callable[..., SceneSpec]
) -> None:
    data = json.loads(spec_to_json(make_spec()))
    change(data)
    with pytest.raises(OutputError) as error:
        spec_from_json(json.dumps(data))
    assert str(error.value).startswith(message)


def test_a_spec_of_before_a_field_existed_takes_its_default(make_spec: Callable[..., SceneSpec]) -> None:
    data = json.loads(spec_to_json(make_spec()))
    del data["render_seed"]
    assert spec_from_json(json.dumps(data)) == make_spec()


def skeleton(value: Any) -> Any:
    """The types of a record, whatever its values and however long its lists."""
    if isinstance(value, dict):
        return {name: skeleton(item) for name, item in value.items()}
    if isinstance(value, list):
        kinds = [skeleton(item) for item in value]
        assert all(kind == kinds[0] for kind in kinds)
        return [kinds[0]]
    return type(value).__name__


def test_records_of_few_and_many_bodies_with_and_without_contacts_have_one_shape(make_sample: SampleFactory) -> None:
    records = [
        make_sample(i, bodies=1 + i % 5, contacts=i % 3, events=i % 2 == 0, split=("train", "test")[i % 2]).record
        for i in range(12)
    ]
    shapes = [skeleton(json.loads(json.dumps(record))) for record in records]
    assert all(shape == shapes[0] for shape in shapes)
    assert json.dumps(shapes[0]) == json.dumps(skeleton(records[0]))


def test_a_made_record_passes_its_own_lint(make_sample: SampleFactory) -> None:
    assert check_record(make_sample().record) == []


def test_negative_zero_is_written_as_zero(make_sample: SampleFactory) -> None:
    # The hand-made rollout spins at -0.0 rad/s.
    spins = make_sample().record["bodies"][0]["end"]["angular_velocity_radps"]
    assert spins == [0.0, 0.0, 0.0]
    assert all(math.copysign(1.0, spin) == 1.0 for spin in spins)


def test_a_figure_that_is_no_number_is_named(
    make_sample: SampleFactory, make_spec: Callable[..., SceneSpec], make_rollout: Callable[..., Rollout]
) -> None:
    blown_up = make_rollout(make_spec())
    blown_up.tracks[1].position_m[4, 2] = math.nan
    with pytest.raises(ValueError, match=r"nudge-000000: bodies\[1\]\.end\.position_m\[2\] is nan; a record holds"):
        make_sample(rollout=blown_up)


def test_a_figure_that_is_no_number_is_found_inside_of_text(
    make_sample: SampleFactory, make_spec: Callable[..., SceneSpec], make_rollout: Callable[..., Rollout]
) -> None:
    rollout = make_rollout(make_spec())
    endless = dataclasses.replace(rollout.contacts[0], peak_force_n=math.inf)
    with pytest.raises(ValueError, match="nudge-000000: contacts_json holds a number that is not finite"):
        make_sample(rollout=dataclasses.replace(rollout, contacts=(endless,)))


def test_what_cannot_move_needs_no_track(
    make_sample: SampleFactory, make_spec: Callable[..., SceneSpec], make_rollout: Callable[..., Rollout]
) -> None:
    rollout = make_rollout(make_spec(events=False))
    body = make_sample(rollout=dataclasses.replace(rollout, tracks=rollout.tracks[:1])).record["bodies"][1]
    assert body["start"] == body["end"]
    assert body["end"]["position_m"] == [0.2, 0.0, 0.05]


def test_a_list_that_would_be_empty_is_refused(make_sample: SampleFactory) -> None:
    with pytest.raises(ValueError, match="nudge-000000: gates is empty; a list in a record must hold at least one"):
        make_sample(gates=())


def test_two_bodies_of_which_one_is_taken_away_are_both_told_of(make_sample: SampleFactory) -> None:
    record = make_sample(bodies=3).record
    assert [body["end"]["visible"] for body in record["bodies"]] == [True, True, False]
    assert record["tracks"] == ["rigid", "visibility"]
    assert make_sample(bodies=1).record["tracks"] == ["rigid"]


def test_the_displacement_is_the_way_from_start_to_end(make_sample: SampleFactory) -> None:
    truth = {item["name"]: item for item in make_sample().record["truth"]}
    assert truth["actor_displacement"]["value"] == pytest.approx(0.1)
    assert truth["actor_displacement"]["provenance"] == "derived"
    assert truth["impulse"]["unit"] == "N s"


def test_an_asset_is_as_large_as_its_bounds_times_scale(make_sample: SampleFactory) -> None:
    # The mug is 8 by 8 by 10 cm, its scale 1.5.
    assert make_sample().record["bodies"][0]["size_m"] == pytest.approx([0.12, 0.12, 0.15])


def test_everything_in_the_picture_is_credited_once(make_sample: SampleFactory) -> None:
    attribution = make_sample(0, bodies=5).record["attribution"]
    assert [(item["asset"], item["use"]) for item in attribution] == [
        ("planks:oak", "surface"),
        ("simgen:shapes", "object"),
        ("sky:room", "environment"),
        ("toys:mug-0", "object"),
        ("toys:mug-1", "object"),
    ]
    assert attribution[3]["author"] == "A. Potter"


def test_k_and_rt_put_a_point_where_the_camera_sees_it(make_sample: SampleFactory) -> None:
    told = make_sample().record["camera"]
    camera = Camera(
        position_m=tuple(told["position_m"]),
        look_at_m=tuple(told["look_at_m"]),
        focal_length_mm=told["focal_length_mm"],
        sensor_width_mm=told["sensor_width_mm"],
    )
    point = np.array([0.13, 0.21, 0.08])
    pixel, depth = project(camera, point, told["width"], told["height"])
    seen = np.array(told["K"]) @ (np.array(told["world_to_camera"]) @ [*point, 1.0])[:3]
    assert seen[:2] / seen[2] == pytest.approx(pixel[0])
    assert seen[2] == pytest.approx(depth[0])
    # And back: the camera stands where it says.
    assert np.array(told["camera_to_world"])[:3, 3] == pytest.approx(told["position_m"])


def without(*path: str | int) -> Callable[[Any], None]:
    def change(record: Any) -> None:
        for step in path[:-1]:
            record = record[step]
        del record[path[-1]]

    return change


def setting(value: Any, *path: str | int) -> Callable[[Any], None]:
    def change(record: Any) -> None:
        for step in path[:-1]:
            record = record[step]
        record[path[-1]] = value

    return change


@pytest.mark.parametrize(
    ("change", "finding"),
    [
        (setting(1, "bodies", 0, "mass_kg"), "bodies[0].mass_kg is int, must be float"),
        (setting(1.0, "seed"), "seed is float, must be int"),
        (setting(True, "seed"), "seed is bool, must be int"),
        (setting(None, "law"), "law is null, must be string"),
        (setting([], "gates"), "gates is empty"),
        (setting({}, "truth"), "truth is object, must be a list"),
        (without("camera", "K"), "camera.K is missing"),
        (setting("x", "colour"), "colour is not a field of the schema"),
        (setting(math.inf, "camera", "exposure_ev"), "camera.exposure_ev is inf, must be finite"),
        (setting(-0.0, "camera", "exposure_ev"), "camera.exposure_ev is -0.0, must be 0.0"),
        (setting(2**63, "index"), "index is 9223372036854775808, which does not fit into 64 bits"),
        (setting("drop-v1.0", "key"), "key is 'drop-v1.0', must be letters, digits and dashes"),
        (setting("val", "split"), "split is 'val', must be train or test"),
        (setting(" ", "instructions", "explicit"), "instructions.explicit is empty"),
        (setting(1, "bodies", 1, "id"), "bodies have the ids [1, 1], must be different ones from 1 to 255"),
        (setting(256, "bodies", 1, "id"), "bodies have the ids [1, 256], must be different ones from 1 to 255"),
        (setting([[1.0]], "camera", "K"), "camera.K must be 3 rows of 3 numbers"),
        (setting(False, "gates", 0, "passed"), "gates: at_rest has not passed"),
        (setting("{", "events_json"), "events_json is not JSON: "),
        (setting("[" * 100_000, "events_json"), "events_json is not JSON: "),
        (setting("a\ud800", "law"), "law holds half a character"),
        (setting(10**5000, "index"), "index is a whole number of 16610 bits, which does not fit"),
        (setting(1, "a\nb" * 1000), "a ba b"),
    ],
)
def test_the_lint_names_what_is_wrong(change: Callable[[Any], None], finding: str, make_sample: SampleFactory) -> None:
    record = copy.deepcopy(make_sample().record)
    change(record)
    findings = check_record(record)
    assert len(findings) == 1
    assert findings[0].startswith(finding)


def test_an_unsound_record_is_not_encoded(make_sample: SampleFactory) -> None:
    sample = make_sample()
    sick = dataclasses.replace(sample, record={**sample.record, "seed": None})
    with pytest.raises(ValueError, match="nudge-000000: seed is null, must be int"):
        encode(sick)


def test_a_picture_of_another_size_than_the_record_says_is_not_encoded(make_sample: SampleFactory) -> None:
    sample = make_sample()
    with pytest.raises(ValueError, match=r"mask.png is uint8 \(10, 10\), must be uint8 \(48, 64\)"):
        encode(dataclasses.replace(sample, mask=np.zeros((10, 10), np.uint8)))


def test_a_sample_comes_back_from_its_members_without_loss(make_sample: SampleFactory) -> None:
    sample = make_sample(bodies=4, depth=True)
    back = decode(sample.key, encode(sample))
    for name in ("start", "end", "start_seg", "end_seg", "mask"):
        assert np.array_equal(getattr(back, name), getattr(sample, name))
    assert back.record == sample.record
    assert set(back.arrays) == {"start_depth", "end_depth"}
    for name, array in sample.arrays.items():
        assert back.arrays[name].dtype == np.float32
        # Infinite where there is nothing.
        assert np.array_equal(back.arrays[name], array)
    assert encode(back) == encode(sample)


def test_the_members_are_those_of_the_schema(make_sample: SampleFactory) -> None:
    assert set(encode(make_sample())) == set(MEMBERS)
    members = encode(make_sample(depth=True))
    assert set(members) == {*MEMBERS, "start_depth.npy", "end_depth.npy"}
    assert members["txt"].decode() == make_sample().record["instructions"]["intermediate"]
    assert members["json"].endswith(b"}\n")


def test_the_order_in_which_a_record_was_put_together_does_not_change_its_bytes(make_sample: SampleFactory) -> None:
    sample = make_sample()
    turned = dict(reversed(sample.record.items()))
    assert encode(dataclasses.replace(sample, record=turned)) == encode(sample)


def test_red_is_red_for_any_reader_of_png(make_sample: SampleFactory) -> None:
    sample = make_sample()
    red = np.zeros_like(sample.start)
    red[..., 0] = 255
    data = encode(dataclasses.replace(sample, start=red))["start.png"]
    # OpenCV gives blue, green, red.
    assert cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)[0, 0].tolist() == [0, 0, 255]


@pytest.mark.parametrize(
    ("member", "data", "message"),
    [
        ("end.png", b"", "member end.png is damaged"),
        ("mask.png", b"no picture", "member mask.png is damaged"),
        ("json", b"{", "member json is damaged"),
        ("json", b"[]", "member json must hold an object; got list"),
        ("start_depth.npy", b"\x93NUMPY", "member start_depth.npy is damaged"),
    ],
)
def test_a_damaged_member_is_named(member: str, data: bytes, message: str, make_sample: SampleFactory) -> None:
    members = encode(make_sample(depth=True))
    with pytest.raises(OutputError, match=f"nudge-000000: {message}"):
        decode("nudge-000000", {**members, member: data})


def npy(head: str, data: bytes = b"") -> bytes:
    text = head.encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + data


def of_size(picture: bytes, width: int, height: int) -> bytes:
    """A PNG that says it is of another size."""
    head = b"IHDR" + width.to_bytes(4) + height.to_bytes(4) + picture[24:29]
    return picture[:12] + head + zlib.crc32(head).to_bytes(4) + picture[33:]


def floats(shape: str, of: str = "<f4") -> str:
    return f"{{'descr': '{of}', 'fortran_order': False, 'shape': {shape}, }}"


@pytest.mark.parametrize(
    ("member", "change", "message"),
    [
        ("json", lambda data: b"[" * 100_000, "json is damaged"),
        ("json", lambda data: b'{"seed": ' + b"9" * 5000 + b"}", "json is damaged"),
        ("end.png", lambda data: of_size(data, 60_000, 60_000), "end.png is damaged"),
        ("mask.png", lambda data: of_size(data, 0, 0), "mask.png is damaged"),
        ("end_seg.png", lambda data: of_size(data, 64, 47), "end_seg.png is damaged: has 64 × 47 pixels"),
        # TIFF, which OpenCV would read as well.
        ("mask.png", lambda data: b"II*\0" + bytes(60), "mask.png is damaged"),
        ("start_depth.npy", lambda data: npy(floats("(1000000000000,)")), "start_depth.npy is damaged"),
        ("start_depth.npy", lambda data: npy(floats(f"({10**20},)")), "start_depth.npy is damaged"),
        ("start_depth.npy", lambda data: npy(floats("(-1, 4)"), bytes(16)), "start_depth.npy is damaged"),
        ("start_depth.npy", lambda data: npy(floats("(2,)"), bytes(12)), "start_depth.npy is damaged"),
        ("start_depth.npy", lambda data: npy("(" * 2000), "start_depth.npy is damaged"),
        ("start_depth.npy", lambda data: npy("\0"), "start_depth.npy is damaged"),
        ("start_depth.npy", lambda data: npy('"""'), "start_depth.npy is damaged"),
        ("start_depth.npy", lambda data: npy(floats("(1,)", "|O"), b"\x80."), "start_depth.npy is damaged"),
        ("start_depth.npy", lambda data: b"PK\x03\x04" + bytes(40), "start_depth.npy is damaged"),
        ("start_depth.npy", lambda data: b"\x80\x04cos\nsystem\n.", "start_depth.npy is damaged"),
    ],
)
def test_a_member_of_a_stranger_is_damage_and_nothing_else(
    member: str, change: Callable[[bytes], bytes], message: str, make_sample: SampleFactory
) -> None:
    """Found by tests/fuzz, or while it was written: each of these was an exception of another kind, or gigabytes."""
    members = encode(make_sample(depth=True))
    with pytest.raises(OutputError, match=message) as caught:
        decode("nudge-000000", {**members, member: change(members[member])})
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 500


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: data["camera"].update(kind=["camera"]), "spec_json.camera.kind must be one of"),
        (lambda data: data["stage"].update(kind={"a": 1}), "spec_json.stage.kind must be one of"),
        (lambda data: data.update({"a\nb" * 1000: 1}), "is not a field of SceneSpec"),
        (lambda data: data.update(gravity_mps2=["x" * 100_000]), "gravity_mps2 must be a list of 3"),
    ],
)
def test_a_spec_of_a_stranger_is_answered_in_one_short_line(
    change: Callable[[Any], object], message: str, make_spec: Callable[..., SceneSpec]
) -> None:
    data = json.loads(spec_to_json(make_spec()))
    change(data)
    with pytest.raises(OutputError, match=message) as caught:
        spec_from_json(json.dumps(data))
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 500


def test_a_spec_nested_without_end_is_an_error() -> None:
    with pytest.raises(OutputError, match="spec_json is not JSON"):
        spec_from_json("[" * 100_000)


def test_a_picture_in_the_place_of_a_mask_is_damage(make_sample: SampleFactory) -> None:
    members = encode(make_sample())
    with pytest.raises(OutputError, match=r"member mask\.png is damaged: not an 8-bit PNG of one channel"):
        decode("nudge-000000", {**members, "mask.png": members["start.png"]})


def test_a_missing_member_is_named(make_sample: SampleFactory) -> None:
    members = encode(make_sample())
    del members["end_seg.png"]
    with pytest.raises(OutputError, match=r"nudge-000000: member end_seg\.png is missing"):
        decode("nudge-000000", members)


def test_every_field_of_the_schema_says_what_it_means() -> None:
    rows = list(fields.rows(schema.SCHEMA, major=schema.MAJOR))
    assert len({row.name for row in rows}) == len(rows) > 60
    assert all(row.meaning for row in rows)


def test_a_new_field_is_one_declaration(
    make_sample: SampleFactory, make_dataset: Callable[..., Any], tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = make_sample().record
    weight = fields.RecordField(
        name="weight",
        kind="float",
        meaning="of all bodies together",
        unit="N",
        compute=lambda record: sum(body.mass_kg for body in record.spec.bodies) * -record.spec.gravity_mps2[2],
        since=2,
        older=fields.Older(value=0.0, meaning="not recorded"),
        columns=(fields.Column(name="weight_n"),),
    )
    monkeypatch.setattr(schema, "SCHEMA", schema.SCHEMA.but(weight))
    record = make_sample().record
    assert record == {**before, "schema_minor": 2, "weight": pytest.approx(0.6 * 9.81)}
    assert check_record(record) == []
    assert check_record({**record, "weight": 6}) == ["weight is int, must be float"]
    assert check_record(before) == []
    assert decode_record("x", json.dumps(before).encode())["weight"] == 0.0
    folder = make_dataset(tmp_path / "data", n=2)
    assert [row["weight_n"] for row in read_rows(folder)] == [
        sample.record["weight"] for sample in open_dataset(folder)
    ]
    write_card(folder, command="simgen generate")
    card = (folder / "README.md").read_text()
    row = "| `weight` | float | of all bodies together, N; since version 1.2, in older records `0.0` (not recorded) |"
    assert f"{row} `weight_n` |" in card
    features = yaml.safe_load(card.split("---\n")[1])["dataset_info"]["features"]
    (declared,) = (feature["struct"] for feature in features if feature["name"] == "json")
    assert declared[-1] == {"name": "weight", "dtype": "float64"}


def test_a_later_field_says_what_older_records_are_taken_to_say() -> None:
    with pytest.raises(ValueError, match="field weight: `since` above 0 and `older` belong together"):
        fields.RecordField(name="weight", kind="float", meaning="N", compute=lambda record: 1.0, since=2)


def test_the_matter_of_a_body_is_told_at_both_ends(make_sample: SampleFactory) -> None:
    bodies = make_sample(bodies=3).record["bodies"]
    mug, box = bodies[0], bodies[2]
    # The mug's volume is 150 ml, its scale 1.5; the box has edges of 10 cm.
    assert mug["start"]["volume_m3"] == mug["end"]["volume_m3"] == pytest.approx(1.5e-4 * 1.5**3)
    assert box["end"]["volume_m3"] == pytest.approx(1e-3)
    assert (mug["end"]["mass_kg"], mug["end"]["substance"]) == (0.3, "ceramic")
    assert (box["start"]["mass_kg"], box["start"]["substance"]) == (0.3, "wood")


def test_what_loses_mass_or_becomes_another_substance_says_so_at_the_end(
    make_spec: Any, make_rollout: Any, make_sample: SampleFactory
) -> None:
    rollout = make_rollout(make_spec()).weighed(
        1, lambda phase: Matter(mass_kg=0.3 - 0.1 * phase, substance="water" if phase > 0.5 else "ceramic")
    )
    record = make_sample(rollout=rollout).record
    start, end = record["bodies"][0]["start"], record["bodies"][0]["end"]
    assert (start["mass_kg"], start["substance"]) == (0.3, "ceramic")
    assert (end["mass_kg"], end["substance"]) == (pytest.approx(0.2), "water")
    assert "matter" in record["tracks"]
