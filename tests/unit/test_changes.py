"""What changes besides poses: states over time, fields, models, colours, and what is said of quantities."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from simgen.core import colour
from simgen.core.assets import Material
from simgen.core.blend import blend
from simgen.core.errors import UnknownName, UsageError
from simgen.core.geometry import vertex_areas, vertex_normals
from simgen.core.mesh import Field, Mesh
from simgen.core.rollout import Quantity, Rollout
from simgen.core.spec import Camera
from simgen.core.taxonomy import DOMAINS, TRANSITIONS
from simgen.language import claims, sentences
from simgen.language.facts import observe
from simgen.language.words import figure_words, say_light, say_quantity
from simgen.make.changes import changed_bodies, in_place
from simgen.make.evidence import Physics
from simgen.make.gates import judge
from simgen.procedural import fields, models
from simgen.procedural.models import forms

RED, BLUE = Material(base_color=(1.0, 0.0, 0.0)), Material(base_color=(0.0, 0.0, 1.0))


@pytest.fixture
def rollout(make_spec, make_rollout) -> Rollout:
    return make_rollout(make_spec(events=False))


@pytest.fixture
def camera() -> Camera:
    """Looks along +y."""
    return Camera(position_m=(0.0, -1.2, 0.5), look_at_m=(0.0, 0.0, 0.0))


def later(before: Any, after: Any) -> Callable[[float], Any]:
    """A law that changes when half of the time has passed."""
    return lambda phase: before if phase < 0.5 else after


def test_a_state_is_that_of_its_phase(rollout: Rollout) -> None:
    changed = rollout.resurfaced(1, later(RED, BLUE)).resurfaced(1, later(BLUE, RED), slot="lid")
    early, end = changed.instant(0.3), changed.end
    assert changed.materials(1, changed.start) == changed.materials(1, early) == {"": RED, "lid": BLUE}
    assert changed.materials(1, end) == {"": BLUE, "lid": RED}
    assert changed.materials(2, end) == {}


def test_a_body_that_changes_its_material_or_its_shape_has_changed(rollout: Rollout) -> None:
    assert not rollout.altered(2)
    assert rollout.resurfaced(2, later(RED, BLUE)).altered(2)
    assert not rollout.resurfaced(2, later(RED, RED)).altered(2)
    cube, slab = (forms.mesh(forms.box((0.1, 0.1, z))) for z in (0.1, 0.02))
    pressed = rollout.reshaped(2, later(cube, slab))
    assert pressed.mesh(2, pressed.start) is cube and pressed.mesh(2, pressed.end) is slab
    assert pressed.mesh(1, pressed.start) is None
    assert 2 in changed_bodies(pressed)


def test_what_has_changed_its_material_does_not_count_as_having_stayed(rollout: Rollout, camera: Camera) -> None:
    assert claims.holds("affected stayed", observe(rollout, camera))
    assert not claims.holds("affected stayed", observe(rollout.resurfaced(2, later(RED, BLUE)), camera))


def test_a_light_ends_as_it_is_told_and_its_side_is_the_cameras(rollout: Rollout, camera: Camera) -> None:
    key = rollout.spec.lights[0]
    after = replace(key, position_m=(-3.0, 0.0, 1.0), look_at_m=(0.0, 0.0, 0.0))
    swung = rollout.relit("key", lambda phase: blend(key, after, phase))
    assert swung.light("key", swung.start) is key and swung.light("key", swung.end) is after
    assert swung.relights and not rollout.relights
    facts = observe(swung, camera)
    # The camera looks along +y: what lies at -x is on its left.
    said = say_light("end side", facts)
    assert said is not None and said.said == "the left"


def test_a_conserved_quantity_that_is_lost_is_a_gate_that_fails(rollout: Rollout) -> None:
    def mass(end: float) -> Quantity:
        return Quantity(name="mass", start=1.0, end=end, unit="kg", provenance="solved", conserved=0.01)

    def failed(q: Quantity) -> list[str]:
        return [g.name for g in judge("physics", Physics(rollout.then(quantities=(q,)))) if not g.passed]

    assert "mass_error" in failed(mass(1.02)) and "mass_error" not in failed(mass(1.005))


@pytest.mark.parametrize(
    ("claim", "holds"),
    [
        ("temperature rises", True),
        ("temperature falls", False),
        ("temperature starts below 21", True),
        ("temperature ends above 649.5", True),
        ("temperature ends above 651", False),
        ("level rises", False),
    ],
)
def test_claims_of_quantities(rollout: Rollout, camera: Camera, claim: str, holds: bool) -> None:
    hot = Quantity(name="temperature", start=20.0, end=650.0, unit="°C", provenance="solved")
    level = Quantity(name="level", start=0.5, end=0.505, unit="1", provenance="solved")
    facts = observe(rollout.then(quantities=(hot, level)), camera)
    assert claims.holds(claim, facts) is holds


def test_a_sentence_says_quantities_and_what_it_says_is_measured_again(rollout: Rollout, camera: Camera) -> None:
    hot = Quantity(
        name="heat", start=20.0, end=650.0, unit="°C", provenance="solved", words=((100.0, "cold"), (1e9, "glowing"))
    )
    facts = observe(rollout.then(quantities=(hot,)), camera)
    assert [say_quantity("heat", fact, facts).said for fact in ("start", "end", "end word")] == [  # type: ignore[union-attr]
        "about 20 °C",
        "about 650 °C",
        "glowing",
    ]
    claim = say_quantity("heat", "end", facts)
    assert claim is not None
    assert sentences.check_claims((claim,), facts.rollout, camera) == []
    cooler = rollout.then(quantities=(replace(hot, end=300.0),))
    assert sentences.check_claims((claim,), cooler, camera) != []


def test_a_quantity_that_nobody_measured_is_a_mistake(rollout: Rollout, camera: Camera) -> None:
    with pytest.raises(UnknownName, match="no quantity 'warmth'"):
        claims.holds("warmth rises", observe(rollout, camera))


@pytest.mark.parametrize(
    ("value", "unit", "words"),
    [
        (2700.0, "K", "about 2700 K"),
        (0.5, "1", "about half"),
        (0.42, "1", "about 40 percent"),
        (1.0, "days", "about 1 day"),
        (0.123, "m", "about 12 cm"),
        (3.0, "kg m/s", ""),
    ],
)
def test_figures_in_words(value: float, unit: str, words: str) -> None:
    assert figure_words(value, unit) == words


# Fields: the share that a layer covers is its level.


@pytest.mark.parametrize(
    "field",
    [
        Field(name="rust", seed=3, wave_m=0.03),
        Field(name="frost", seed=4, wave_m=0.02, facing=(0.0, 0.0, 2.0)),
        Field(name="mould", seed=5, wave_m=0.02, spots_m=((0.05, 0.0, 0.0),), spots_weight=4.0),
    ],
    ids=lambda field: field.name,
)
def test_the_share_below_a_level_is_the_level(field: Field) -> None:
    ball = forms.mesh(forms.ball((0.05, 0.04, 0.06)))
    total = fields.covered_m2(field, ball, 2.0)
    for level in (0.1, 0.35, 0.8):
        assert fields.covered_m2(field, ball, level) / total == pytest.approx(level, abs=0.002)


def test_a_field_that_faces_up_begins_on_top_and_one_with_spots_at_the_spots() -> None:
    ball = forms.mesh(forms.ball((0.05, 0.05, 0.05)))
    points = ball.vertices_m
    top = fields.field_values(Field(name="moss", seed=1, wave_m=0.02, facing=(0, 0, 5.0)), ball) < 0.2
    assert points[top, 2].min() > 0.0
    spot = (0.05, 0.0, 0.0)
    near = fields.field_values(Field(name="rot", seed=1, wave_m=0.02, spots_m=(spot,), spots_weight=9.0), ball) < 0.1
    assert np.linalg.norm(points[near] - spot, axis=1).max() < 0.06


# Models and forms.


def test_the_same_model_is_the_same_mesh_and_another_number_another(tmp_path) -> None:
    @models.model("test_rod")
    def rod(*, rng: np.random.Generator, variant: str, length_m: float) -> Mesh:
        return forms.mesh(forms.sweep(np.linspace([0, 0, 0], [0, 0, length_m], 9), 0.01 + 0.001 * rng.random()))

    made = models.make("test_rod", seed=7, length_m=0.3)
    assert models.build(made) is models.build(models.make("test_rod", length_m=0.3, seed=7))
    longer = models.build(made.but(length_m=0.6))
    assert models.volume_m3(longer) == pytest.approx(2 * models.volume_m3(models.build(made)))
    with pytest.raises(UsageError, match="test_rod"):
        models.build(models.make("test_rod", width_m=1.0))
    with pytest.raises(UnknownName, match="no model"):
        models.build(models.make("test_rods"))


def test_forms_are_closed_and_face_outwards() -> None:
    ball = forms.mesh(forms.ball((0.05, 0.05, 0.05)))
    assert models.volume_m3(ball) == pytest.approx(4 / 3 * np.pi * 0.05**3, rel=1e-3)
    angle = np.linspace(0, np.pi / 2, 60)
    bend = forms.mesh(forms.sweep(np.column_stack([np.cos(angle), np.sin(angle), 0 * angle]), 0.1, around=64))
    # Pappus: the section's area times the way of its centre.
    assert models.volume_m3(bend) == pytest.approx(np.pi * 0.01 * np.pi / 2, rel=5e-3)
    block = forms.mesh(forms.box((0.1, 0.2, 0.3), radius_m=0.001))
    assert models.volume_m3(block) == pytest.approx(0.006, rel=1e-3)
    areas = vertex_areas(ball.vertices_m, ball.triangles)
    assert areas.sum() == pytest.approx(4 * np.pi * 0.05**2, rel=1e-3)
    normals = vertex_normals(ball.vertices_m, ball.triangles)
    assert (normals * ball.vertices_m).sum(axis=1).min() > 0.0499


# Colour.


@pytest.mark.parametrize(
    ("kelvin", "x", "y"),
    # Planckian locus in CIE 1931 (Wyszecki and Stiles, Color Science, table 1(3.11); illuminant A is 2856 K).
    [(2000, 0.5267, 0.4133), (2856, 0.4476, 0.4075), (6500, 0.3135, 0.3237), (10000, 0.2807, 0.2884)],
)
def test_black_bodies_have_the_chromaticity_of_the_planckian_locus(kelvin: float, x: float, y: float) -> None:
    got = colour.chromaticity(colour.blackbody_xyz(kelvin))
    assert got == pytest.approx((x, y), abs=0.004)


def test_colours_of_light_have_luminance_one_and_warm_is_red() -> None:
    for rgb in (colour.blackbody_rgb(2700), colour.blackbody_rgb(9000), colour.hue_rgb(210.0, 0.7)):
        assert np.dot(rgb, colour.LUMINANCE) == pytest.approx(1.0)
    warm, cold = colour.blackbody_rgb(2700), colour.blackbody_rgb(9000)
    assert warm[0] > 2 * warm[2] and cold[2] > cold[0]


def test_glow_rises_steeply_and_is_one_at_1300_k() -> None:
    light = colour.glow(np.array([700.0, 1000.0, 1300.0, 1600.0])) @ colour.LUMINANCE
    assert light[2] == pytest.approx(1.0, rel=1e-6)
    assert (np.diff(light) > 0).all() and light[3] > 20 and light[1] < 0.01


def test_the_taxonomy_has_46_transitions_in_five_domains() -> None:
    assert sorted(TRANSITIONS) == list(range(1, 47))
    counts = {domain: sum(kind.domain == domain for kind in TRANSITIONS.values()) for domain in DOMAINS}
    assert counts == {"biological": 12, "material": 6, "mechanical": 12, "optical": 8, "thermal": 8}
    assert len({kind.name for kind in TRANSITIONS.values()}) == 46
    assert len({(kind.domain, kind.sub_domain) for kind in TRANSITIONS.values()}) == 16


# Which bodies changed between the two frames.


@pytest.mark.parametrize(
    ("shift_m", "changed"), [(0.0, False), (0.0004, False), (0.0006, True), (-0.0006, True)], ids=str
)
def test_a_body_has_moved_from_half_a_millimetre_on(play: Any, shift_m: float, changed: bool) -> None:
    stage = play()
    stage.add("mug", (0.0, 0.0), play.slides(shift_m, 0.0))
    assert changed_bodies(stage.roll_out()) == ((1,) if changed else ())


@pytest.mark.parametrize(("degrees", "changed"), [(0.4, False), (0.6, True)])
def test_a_body_has_turned_from_half_a_degree_on(play: Any, degrees: float, changed: bool) -> None:
    def turns(shares: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        half = np.radians(degrees) * shares / 2
        return np.zeros((len(half), 3)), np.stack([np.cos(half), 0 * half, 0 * half, np.sin(half)], axis=1)

    stage = play()
    stage.add("mug", (0.0, 0.0), turns)
    assert changed_bodies(stage.roll_out()) == ((1,) if changed else ())


def test_what_is_taken_away_has_changed_and_what_came_back_to_its_place_has_not(play: Any) -> None:
    def there_and_back(shares: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return np.outer(shares * (1 - shares), [1.0, 0.0, 0.0]), np.tile([1.0, 0.0, 0.0, 0.0], (len(shares), 1))

    stage = play()
    stage.add("mug", (0.0, 0.0), gone_at=0.5)
    stage.add("ball", (0.0, 0.3), there_and_back)
    assert changed_bodies(stage.roll_out()) == (1,)


def test_only_what_is_in_both_frames_with_one_pose_is_in_place(play: Any) -> None:
    stage = play()
    stays = stage.add("mug", (0.0, 0.0))
    creeps = stage.add("ball", (0.0, 0.3), play.slides(1e-6, 0.0))
    leaves = stage.add("cup", (0.3, 0.0), gone_at=0.5)
    changed = stage.roll_out().resurfaced(stays, later(RED, BLUE))
    assert in_place(changed, (stays, creeps, leaves)) == (stays,)
    assert in_place(changed, (creeps,)) == ()
    upright, turned = ((0.0, 0.0, 0.05), (1.0, 0.0, 0.0, 0.0)), ((0.0, 0.0, 0.05), (0.0, 0.0, 0.0, 1.0))
    assert in_place(changed.posed(stays, later(upright, turned)), (stays,)) == ()
