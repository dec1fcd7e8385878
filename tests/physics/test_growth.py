"""What grows: more with growth, the same in every process, in shares that are what they are called."""

import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest

from simgen.core.geometry import vertex_areas
from simgen.core.mesh import Mesh
from simgen.core.substances import SUBSTANCES
from simgen.procedural import models
from simgen.procedural.models import fruit, overgrown, plant, sprout
from simgen.procedural.models.growth import ramp, rings_faces, rings_flat, sheet, spread

STEPS = np.linspace(0.0, 1.0, 9)


@pytest.mark.parametrize("variant", plant.SPECIES)
def test_a_plant_that_has_grown_more_is_no_lower_and_has_no_fewer_leaves(variant: str) -> None:
    found = [plant.measure(models.make("plant", variant=variant, seed=4, growth=u)) for u in STEPS]
    assert all(b.height_m >= a.height_m - 0.002 for a, b in pairwise(found))
    assert all(b.num_leaves >= a.num_leaves for a, b in pairwise(found))
    assert found[-1].height_m > 3 * found[2].height_m or found[-1].num_leaves > found[2].num_leaves


@pytest.mark.parametrize("variant", plant.SPECIES)
def test_a_dead_plant_is_lower_than_it_was_and_has_less_leaf(variant: str) -> None:
    living, dead = (
        plant.measure(models.make("plant", variant=variant, seed=4, growth=0.75, wilt=w)) for w in (0.0, 1.0)
    )
    assert dead.height_m < 0.9 * living.height_m
    assert dead.leaf_area_m2 < living.leaf_area_m2
    assert dead.num_leaves == living.num_leaves


@pytest.mark.parametrize("wilt", [0.0, 0.6, 1.0])
@pytest.mark.parametrize("variant", plant.SPECIES)
def test_no_part_of_a_plant_is_below_the_table(variant: str, wilt: float) -> None:
    mesh = models.build(models.make("plant", variant=variant, seed=9, growth=1.0, wilt=wilt, saucer=1.0))
    assert models.bounds_m(mesh)[0][2] >= -1e-9


@pytest.mark.parametrize("variant", plant.SPECIES)
def test_leaves_do_not_hang_inside_the_soil_or_the_pot(variant: str) -> None:
    mesh = models.build(models.make("plant", variant=variant, seed=9, growth=1.0, wilt=1.0))
    leaf = next(s for s in mesh.surfaces if s.slot == "leaf").vertices_m
    away = np.hypot(leaf[:, 0], leaf[:, 1])
    assert not ((away < 0.04) & (leaf[:, 2] < 0.9 * 0.095)).any()


@pytest.mark.parametrize("saucer", [0.0, 1.0])
@pytest.mark.parametrize("variant", plant.SPECIES)
def test_a_dead_leaf_goes_over_the_rim_of_its_pot_and_not_through_it(variant: str, saucer: float) -> None:
    radius, rim = 0.055, 0.095 + saucer * plant.SAUCER_M
    mesh = models.build(models.make("plant", variant=variant, seed=9, growth=1.0, wilt=1.0, saucer=saucer))
    leaf = next(s for s in mesh.surfaces if s.slot == "leaf")
    sides = np.concatenate([leaf.faces[:, [k, (k + 1) % 4]] for k in range(4)])
    share = np.linspace(0.0, 1.0, 9)[:, None, None]
    along = (1 - share) * leaf.vertices_m[sides[:, 0]] + share * leaf.vertices_m[sides[:, 1]]
    away = np.hypot(along[..., 0], along[..., 1])
    in_wall = (away > 0.93 * radius) & (away < radius) & (along[..., 2] < rim - 0.002)
    assert not in_wall.any()


def test_lesions_cover_the_share_of_the_leaves_that_is_their_level() -> None:
    mesh = models.build(models.make("plant", variant="tomato", seed=2, growth=0.75, spotted=1.0))
    leaf = next(s for s in mesh.surfaces if s.slot == "leaf")
    areas = vertex_areas(leaf.vertices_m, Mesh(surfaces=(leaf,)).triangles)
    assert areas[leaf.attributes["lesion"] < 0.3].sum() / areas.sum() == pytest.approx(0.3, abs=0.01)


@pytest.mark.parametrize(
    "name, variant", [("moldy", "bread"), ("moldy", "orange"), ("mossy", "stone"), ("mossy", "log")]
)
def test_what_is_overgrown_is_the_level(name: str, variant: str) -> None:
    for level in (0.05, 0.4):
        made = models.make(name, variant=variant, seed=3, level=level, size_m=0.1)
        assert overgrown.covered_m2(made) / overgrown.host_area_m2(made) == pytest.approx(level, abs=0.01)


@pytest.mark.parametrize("variant", overgrown.GROUNDS)
def test_moss_leaves_the_bare_part_of_its_ground_where_it_was(variant: str) -> None:
    bare, grown = (models.build(models.make("mossy", variant=variant, seed=3, level=x, size_m=0.2)) for x in (0.0, 0.4))
    before, after = bare.surfaces[0], grown.surfaces[0]
    free = before.attributes["turn"] > 0.4
    assert np.array_equal(before.vertices_m[free], after.vertices_m[free])
    assert models.volume_m3(bare) > 0


@pytest.mark.parametrize("name, variant, slot", [("moldy", "bread", "fuzz"), ("mossy", "log", "turf")])
def test_a_hair_that_has_come_stays_where_it_is(name: str, variant: str, slot: str) -> None:
    made = models.make(name, variant=variant, seed=3, level=0.4, size_m=0.1)
    roots = []
    for level in (0.15, 0.3, 0.4):
        on_its_way = made if level == 0.4 else made.but(level=level, until=0.4)
        hairs = next(s for s in models.build(on_its_way).surfaces if s.slot == slot)
        first, second = hairs.vertices_m.reshape(-1, 5, 3)[:, :2].swapaxes(0, 1)
        roots.append({tuple(np.round(place, 6)) for place in (first - second)})
    # The felt rises below them, but they stand side by side as they did.
    assert 0 < len(roots[0]) < len(roots[1]) < len(roots[2])
    assert len(roots[0] & roots[1]) > 0.9 * len(roots[0]) and len(roots[1] & roots[2]) > 0.9 * len(roots[1])


def test_what_grows_on_a_thing_weighs_little_and_the_thing_what_it_did() -> None:
    made = models.make("mossy", variant="stone", seed=3, level=0.4, size_m=0.15)
    bare, grown = (models.build(made.but(level=level)) for level in (0.0, 0.4))
    felt = next(s for s in grown.surfaces if s.slot == "turf")
    assert felt.solid_m3 is not None and felt.solid_m3 > 0
    gained = models.mass_kg(grown, "stone") - models.mass_kg(bare, "stone")
    assert gained == pytest.approx(felt.solid_m3 * SUBSTANCES["moss"].density_kgpm3)


def test_a_plant_gains_mass_as_it_grows_and_loses_it_as_it_dies() -> None:
    made = models.make("plant", variant="tomato", seed=4, growth=0.2)
    seedling, grown, dead = (
        models.mass_kg(models.build(one), "filled pot")
        for one in (made, made.but(growth=0.75), made.but(growth=0.75, wilt=1.0))
    )
    assert seedling < dead < grown
    # A pot of 0.8 litres.
    assert 0.5 < seedling < grown < 1.5 and grown - seedling < 0.1


def test_a_leaf_weighs_its_area_times_its_thickness() -> None:
    made = models.build(models.make("leaf", variant="basil", seed=4, size_m=0.1))
    blade, stalk = (next(s for s in made.surfaces if s.slot == slot) for slot in ("leaf", "stem"))
    area = vertex_areas(blade.vertices_m, Mesh(surfaces=(blade,)).triangles).sum()
    assert models.volume_m3(made) == pytest.approx(
        area * plant.LEAF_M + models.volume_m3(Mesh(surfaces=(stalk,))), rel=1e-9
    )


@pytest.mark.parametrize("variant", fruit.SORTS)
def test_fruit_is_closed_lies_on_the_table_and_loses_volume_when_it_shrivels(variant: str) -> None:
    volumes = []
    for shrivel in (0.0, 0.5, 1.0):
        mesh = models.build(models.make("fruit", variant=variant, seed=1, size_m=0.08, shrivel=shrivel))
        skin = next(s for s in mesh.surfaces if s.slot == "skin")
        assert skin.vertices_m[:, 2].min() == pytest.approx(0.0, abs=1e-12)
        volumes.append(models.volume_m3(Mesh(surfaces=(skin,))))
    assert volumes[0] > volumes[1] > volumes[2] > 0


def test_spots_on_fruit_cover_the_share_of_the_skin_that_is_their_level() -> None:
    skin = models.build(models.make("fruit", variant="banana", seed=1, size_m=0.18)).surfaces[0]
    areas = vertex_areas(skin.vertices_m, skin.faces)
    assert areas[skin.attributes["spots"] < 0.2].sum() / areas.sum() == pytest.approx(0.2, abs=0.01)


@pytest.mark.parametrize("variant", sprout.SEEDS)
def test_a_sprout_rises_from_its_seed(variant: str) -> None:
    heights = [sprout.height_m(models.make("sprout", variant=variant, seed=1, growth=g)) for g in (0.0, 0.6, 0.8)]
    assert heights[0] < 0.02 < heights[2]
    assert heights[0] < heights[1] < heights[2]


def test_the_same_model_is_the_same_bytes_in_another_process() -> None:
    code = (
        "import hashlib, numpy as np\n"
        "from simgen.procedural import models\n"
        "h = hashlib.sha256()\n"
        "for m in (models.make('plant', variant='poppy', seed=8, growth=0.9, wilt=0.4, spotted=1.0),\n"
        "          models.make('moldy', variant='cheese', seed=8, level=0.2, size_m=0.1),\n"
        "          models.make('sprout', variant='bean', seed=8, growth=0.7, count=2),\n"
        "          models.make('fruit', variant='strawberry', seed=8, size_m=0.04)):\n"
        "    mesh = models.build(m)\n"
        "    h.update(mesh.vertices_m.tobytes() + mesh.triangles.tobytes())\n"
        "    for s in mesh.surfaces:\n"
        "        for name in sorted(s.attributes): h.update(s.attributes[name].tobytes())\n"
        "print(h.hexdigest())"
    )
    runs = {
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout for _ in "ab"
    }
    assert len(runs) == 1


def test_a_sheet_without_bends_is_a_flat_strip_of_its_length_and_breadth() -> None:
    points = sheet(np.zeros(11), 0.2, np.full(11, 0.03), across=5, fold_rad=0.0)
    assert np.ptp(points[..., 0]) == pytest.approx(0.2)
    assert np.ptp(points[..., 1]) == pytest.approx(0.06)
    assert np.abs(points[..., 2]).max() == 0.0


def test_a_shell_of_rings_is_closed() -> None:
    polar, turn = np.linspace(0, np.pi, 60)[:, None], np.linspace(0, 2 * np.pi, 80, endpoint=False)[None]
    ball = rings_flat(
        np.stack([np.sin(polar) * np.cos(turn), np.sin(polar) * np.sin(turn), -np.cos(polar) + 0 * turn], axis=-1)
    )
    faces = rings_faces(60, 80)
    assert np.linalg.det(ball[faces]).sum() / 6 == pytest.approx(4 * np.pi / 3, rel=0.01)


def test_places_are_spread_by_area_and_ramps_end_in_their_colours() -> None:
    points = np.array([[0, 0, 0], [3.0, 0, 0], [0, 1, 0], [3, 1, 0], [4, 0, 0]])
    picked, _ = spread(points, np.array([[0, 1, 2], [1, 4, 3]]), 400, np.random.default_rng(0))
    assert (picked == 0).sum() == pytest.approx(300, abs=1)
    assert ramp([0.0, 1.0], (0.0, "#000000"), (1.0, "#ffffff")).tolist() == [[0, 0, 0], [1, 1, 1]]
