"""Ids into plain words."""

import pytest

from simgen.catalog.labels import guess_environment, guess_object, plain


@pytest.mark.parametrize(
    ("asset_id", "category", "label", "kind", "substance"),
    [
        ("Cole_Hardware_Bowl_Scirocco_YellowBlue", "None", "yellow and blue bowl", "bowl", "ceramic"),
        ("Cole_Hardware_Dishtowel_BlueWhite", "None", "blue and white dish towel", "towel", "fabric"),
        ("BlackBlack_Nintendo_3DSXL", "None", "black handheld game console", "console", "plastic"),
        ("Bradshaw_International_11642_7_Qt_MP_Plastic_Bowl", "None", "plastic bowl", "bowl", "plastic"),
        ("Crosley_Alarm_Clock_Vintage_Metal", "Consumer Goods", "metal alarm clock", "clock", "metal"),
        ("Great_Dinos_Triceratops_Toy", "None", "toy triceratops", "toy", "plastic"),
        ("3D_Dollhouse_TablePurple", "None", "purple dollhouse table", "toy", "wood"),
        ("red_mug_01", "", "red mug", "mug", "ceramic"),
        ("bigRubberDuck", "", "big rubber duck", "duck", "rubber"),
        ("scan_0001", "", "object", "", "plastic"),
    ],
)
def test_an_id_names_the_thing_its_colours_and_its_substance(
    asset_id: str, category: str, label: str, kind: str, substance: str
) -> None:
    guess = guess_object(asset_id, category)
    assert (guess.label, guess.kind, guess.substance) == (label, kind, substance)


def test_the_colours_of_contents_are_not_those_of_their_box() -> None:
    assert guess_object("Brother_Ink_Cartridge_Magenta_LC75M", "Consumer Goods").label == "ink cartridge box"


def test_a_category_of_one_kind_ignores_words_that_mean_another() -> None:
    assert guess_object("CLIMACOOL_BOAT_BREEZE_IE6CyqSaDwN", "Shoe").label == "shoe"
    assert guess_object("COAST_GUARD_BOAT", "Toys").label == "toy boat"
    assert guess_object("DRAGON_W", "Shoe").kind == "shoe"


def test_the_hash_at_the_end_of_an_id_says_nothing() -> None:
    assert guess_object("Mens_Billfish_3Eye_Boat_Shoe_in_Dark_Tan_wyns9HRcEuH", "Shoe").label == "tan boat shoe"


@pytest.mark.parametrize(
    "asset_id",
    [
        "Nestle_Pure_Life_Exotics_Sparkling_Water_Strawberry_Dragon_Fruit_8_count_12_fl_oz_can",
        "Razer_Naga_MMO_Gaming_Mouse",
    ],
)
def test_no_brand_stays_in_a_label(asset_id: str) -> None:
    label = guess_object(asset_id, "Consumer Goods").label
    assert not {"nestle", "razer", "naga"} & set(label.split())


def test_a_substance_that_the_id_names_brings_its_own_density() -> None:
    assert guess_object("easter_basket").density_kgpm3 == 150.0
    assert guess_object("woven_easter_basket").density_kgpm3 == 0.0


@pytest.mark.parametrize(
    ("asset_id", "tags", "expected"),
    [
        ("venice_sunset", ["outdoor", "urban"], ("city street at sunset", False)),
        ("photo_studio_01", [], ("photo studio", True)),
        ("kloofendal_48d_partly_cloudy", ["nature", "skies"], ("open country under a cloudy sky", False)),
        ("moonless_golf", [], ("golf course at night", False)),
        ("nowhere", [], ("open place", False)),
        ("nowhere", ["indoor"], ("room", True)),
    ],
)
def test_a_map_is_named_by_its_place_and_time(asset_id: str, tags: list[str], expected: tuple[str, bool]) -> None:
    assert guess_environment(asset_id, tags) == expected


def test_a_label_is_lower_case_words() -> None:
    assert plain("  Big_Red  Mug. ") == "big red mug"
