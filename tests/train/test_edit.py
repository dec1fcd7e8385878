"""An edit has the size of its picture and follows from picture, words, weights and seed; a mistake is a sentence."""

import dataclasses
import json
import math
import os
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageOps

from simgen.cli.app import main
from simgen.core.errors import OutputError, UsageError
from simgen.train.adapter import Adapter
from simgen.train.base import Base, load_base
from simgen.train.checkpoint import RUN, WEIGHTS, write_weights
from simgen.train.data.examples import Example
from simgen.train.edit import edit, edit_all, jobs, read_photo, with_alpha, working_size
from simgen.train.families.tiny import tiny_names
from simgen.train.validate import fit

TINY = ("tiny:qwen", *(name for name in tiny_names() if name != "tiny:qwen"))
SIZES = {"fits": (96, 64), "tall": (64, 96), "odd": (100, 70), "large": (200, 140), "small": (31, 90)}
SENTENCE = "Push the square."
Picture = NDArray[np.uint8]


def edited(base: Base, picture: Picture, words: str = SENTENCE, *, seed: int = 0) -> Picture:
    return edit(base, picture, words, steps=2, generator=torch.Generator().manual_seed(seed))


# The size that is worked in.


@pytest.mark.parametrize("size", [(64, 64), (96, 64), (64, 160), (128, 128), (256, 64), (512, 32 * 16)])
def test_a_size_that_fits_is_left_alone(size: tuple[int, int]) -> None:
    assert working_size(*size, size_multiple_px=32, max_area_px=512 * 512) == size


@pytest.mark.parametrize(
    ("size", "wanted"),
    [
        ((100, 70), (96, 64)),
        ((112, 79), (128, 64)),
        ((1, 1), (64, 64)),
        ((33, 500), (64, 512)),
        # Never above a megapixel: 1184 × 896 would be.
        ((4000, 3000), (1184, 864)),
        ((3000, 4000), (864, 1184)),
        ((1920, 1080), (1344, 768)),
        ((1024, 1024), (1024, 1024)),
        ((1025, 1024), (1024, 1024)),
    ],
)
def test_any_other_size_goes_to_the_nearest_one(size: tuple[int, int], wanted: tuple[int, int]) -> None:
    assert working_size(*size, size_multiple_px=32, max_area_px=1024 * 1024) == wanted


def test_whatever_the_picture_the_size_is_aligned_near_the_area_and_hardly_bent() -> None:
    area = 1024 * 1024
    for width, height in np.random.default_rng(0).integers(512, 5000, (3000, 2)).tolist():
        across, down = working_size(width, height, size_multiple_px=32, max_area_px=area)
        assert across % 32 == down % 32 == 0
        assert across * down <= area
        # Neither side is more than half a grain off, or a whole one where it had to give way to the area.
        scale = min(1, math.sqrt(area / (width * height)))
        assert abs(across - width * scale) <= 32
        assert abs(down - height * scale) <= 32


# Edits.


@pytest.mark.parametrize(
    ("name", "size"),
    # One base at every size, every base at one; the long version has all of both.
    [
        pytest.param(
            name, size, id=f"{name}-{kind}", marks=() if name == TINY[0] or kind == "odd" else pytest.mark.slow
        )
        for name in TINY
        for kind, size in SIZES.items()
    ],
)
def test_an_edit_has_the_size_of_its_picture(
    name: str, size: tuple[int, int], tiny_base: Callable[[str], Base]
) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3)).astype(np.uint8)
    made = edited(tiny_base(name), picture)
    assert made.shape == picture.shape
    assert made.dtype == np.uint8


@pytest.mark.parametrize("name", TINY)
def test_an_edit_follows_from_seed_words_and_picture(
    name: str, tiny_base: Callable[[str], Base], make_example: Callable[..., Example]
) -> None:
    base, start = tiny_base(name), make_example().start
    first = edited(base, start)
    assert np.array_equal(first, edited(base, start))
    assert np.array_equal(first, edited(tiny_base(name), start))
    assert not np.array_equal(first, edited(base, start, seed=1))
    assert not np.array_equal(first, edited(base, start, "Drop the ball into the water."))
    assert not np.array_equal(first, edited(base, 255 - start))


def test_editing_leaves_the_picture_alone(
    tiny_base: Callable[[str], Base], make_example: Callable[..., Example]
) -> None:
    start = make_example().start
    before = start.copy()
    edited(tiny_base("tiny:kontext"), start)
    assert np.array_equal(start, before)


# The whole command.


@dataclass(frozen=True)
class Ended:
    code: int
    out: str
    err: str


@pytest.fixture
def simgen_edit(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[..., Ended]:
    """`simgen_edit("photo.png", "push it", "--base", "tiny:qwen")`: in `tmp_path`, two steps, on the CPU."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("signal.signal", lambda *_: None)

    def go(*arguments: object) -> Ended:
        with pytest.raises(SystemExit) as end:
            main(["edit", *(str(argument) for argument in arguments), "--steps", "2", "--device", "cpu"])
        said = capsys.readouterr()
        assert isinstance(end.value.code, int)
        return Ended(end.value.code, said.out, said.err)

    return go


def complaint(ended: Ended, code: int = 2) -> str:
    """The one sentence on stderr."""
    assert ended.code == code, ended
    lines = ended.err.splitlines()
    assert len(lines) == 1 and lines[0].startswith("simgen: error: "), ended.err
    return lines[0].removeprefix("simgen: error: ")


@pytest.fixture
def photo(tmp_path: Path, make_example: Callable[..., Example]) -> Path:
    path = tmp_path / "photo.png"
    Image.fromarray(make_example().start).save(path)
    return path


def a_run(folder: Path, name: str) -> Path:
    """What `simgen edit` reads of a run: weights that do something, and what they are for."""
    base = load_base(name, dtype=torch.float32, device=torch.device("cpu"))
    adapter = Adapter(base.pipeline.transformer, base.family, rank=4)
    adapter.show(torch.randn(len(adapter), generator=torch.Generator().manual_seed(0)) / 4)
    folder.mkdir()
    write_weights(folder, adapter, base)
    (folder / RUN).write_text(json.dumps({"base": name}))
    return folder


def pixels(path: Path) -> Picture:
    return np.asarray(Image.open(path))


def test_a_picture_is_edited_beside_itself(
    photo: Path, simgen_edit: Callable[..., Ended], tiny_base: Callable[[str], Base]
) -> None:
    before = photo.read_bytes()
    done = simgen_edit("photo.png", SENTENCE, "--base", "tiny:kontext")
    assert (done.code, done.out, done.err) == (0, "photo-edit.png\n", "")
    made = edited(tiny_base("tiny:kontext"), pixels(photo))
    assert np.array_equal(pixels(photo.with_name("photo-edit.png")), made)
    assert photo.read_bytes() == before


def test_the_same_command_gives_the_same_bytes(photo: Path, simgen_edit: Callable[..., Ended]) -> None:
    for out, seed in (("a.png", 3), ("b.png", 3), ("c.png", 4)):
        assert simgen_edit(photo, SENTENCE, "--base", "tiny:flux2", "--seed", seed, "--out", out).code == 0
    a, b, c = (photo.with_name(name).read_bytes() for name in ("a.png", "b.png", "c.png"))
    assert a == b != c


@pytest.mark.parametrize(("name", "kind"), [("new/x.jpg", "JPEG"), ("x.JPEG", "JPEG"), ("x.webp", "WEBP")])
def test_an_edit_goes_where_it_is_told_in_the_format_of_the_name(
    name: str, kind: str, photo: Path, simgen_edit: Callable[..., Ended]
) -> None:
    assert simgen_edit(photo, SENTENCE, "--base", "tiny:kontext", "--out", name).out == f"{name}\n"
    with Image.open(photo.parent / name) as image:
        assert (image.format, image.size) == (kind, (96, 64))


def test_a_folder_is_edited_into_another_one(
    tmp_path: Path, make_example: Callable[..., Example], simgen_edit: Callable[..., Ended]
) -> None:
    (tmp_path / "in").mkdir()
    for i, name in enumerate(("b.png", "a.jpg", "c.webp", "c.PNG")):
        Image.fromarray(make_example(i).start).save(tmp_path / "in" / name)
    (tmp_path / "in" / "notes.txt").write_text("not a picture")
    done = simgen_edit("in", SENTENCE, "--base", "tiny:kontext")
    # Two that differ in their suffix alone keep it.
    assert done.out.split() == ["in-edit/a.png", "in-edit/b.png", "in-edit/c.PNG.png", "in-edit/c.webp.png"]
    assert all((tmp_path / line).is_file() for line in done.out.split())
    # Every picture gets the same noise: alone it comes out the same.
    simgen_edit("in/b.png", SENTENCE, "--base", "tiny:kontext", "--out", "alone.png")
    assert (tmp_path / "alone.png").read_bytes() == (tmp_path / "in-edit" / "b.png").read_bytes()


def test_this_folder_is_edited_beside_itself(photo: Path, simgen_edit: Callable[..., Ended]) -> None:
    done = simgen_edit(".", SENTENCE, "--base", "tiny:kontext")
    assert done.out == f"{photo.parent}-edit/photo.png\n"


def test_a_run_edits_with_its_own_base_and_its_weights(
    photo: Path, simgen_edit: Callable[..., Ended], tmp_path: Path
) -> None:
    run = a_run(tmp_path / "run", "tiny:qwen")
    assert simgen_edit(photo, SENTENCE, "--lora", "run", "--out", "with.png").code == 0
    assert simgen_edit(photo, SENTENCE, "--base", "tiny:qwen", "--out", "without.png").code == 0
    file = run / WEIGHTS
    assert simgen_edit(photo, SENTENCE, "--lora", file, "--base", "tiny:qwen", "--out", "file.png").code == 0
    with_it, without, from_file = (pixels(tmp_path / f"{name}.png") for name in ("with", "without", "file"))
    assert np.array_equal(with_it, from_file)
    assert not np.array_equal(with_it, without)


@pytest.mark.parametrize("mode", ["RGBA", "L", "LA", "P", "1", "CMYK"])
def test_a_picture_of_another_mode_is_read_as_colours(
    mode: str, photo: Path, simgen_edit: Callable[..., Ended], tmp_path: Path
) -> None:
    other = tmp_path / ("other.jpg" if mode == "CMYK" else "other.png")
    Image.open(photo).convert(mode).save(other)
    assert simgen_edit(other, SENTENCE, "--base", "tiny:kontext", "--out", "x.png").code == 0
    assert pixels(tmp_path / "x.png").shape == (64, 96, 3)


# What a picture says of its colours.


def display_p3() -> bytes:
    """A profile with the primaries of Display P3 and the tone curve of sRGB, as telephones write it."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    primaries = {"r": (0.51512, 0.2412, -0.00105), "g": (0.29198, 0.69225, 0.04189), "b": (0.1571, 0.06657, 0.78407)}
    for number in range(struct.unpack_from(">I", profile, 128)[0]):
        name, place, _ = struct.unpack_from(">4sII", profile, 132 + 12 * number)
        if name in (b"rXYZ", b"gXYZ", b"bXYZ"):
            values = primaries[name[:1].decode()]
            struct.pack_into(">3i", profile, place + 8, *(round(65536 * value) for value in values))
        if name == b"desc":
            at = profile.index("sRGB".encode("utf-16-be"), place)
            profile[at : at + 8] = "WIDE".encode("utf-16-be")
    return bytes(profile)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
def test_the_colours_of_a_wide_profile_are_converted(mode: str, tmp_path: Path) -> None:
    """Red (200, 60, 60) of Display P3 is a stronger red in sRGB; by the matrices of both spaces (217, 42, 52)."""
    plain = Image.new("RGB", (64, 64), (200, 60, 60))
    plain = plain.quantize(4) if mode == "P" else plain.convert(mode)
    plain.save(tmp_path / "wide.png", icc_profile=display_p3())
    photo = read_photo(tmp_path / "wide.png")
    assert photo.alpha is None and not photo.notes
    assert np.abs(photo.pixels.astype(int) - (217, 42, 52)).max() <= 2


def test_a_profile_of_srgb_changes_nothing_and_a_damaged_one_is_said(tmp_path: Path) -> None:
    plain = Image.new("RGB", (64, 64), (200, 60, 60))
    plain.save(
        tmp_path / "srgb.jpg",
        quality=100,
        icc_profile=ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(),
    )
    plain.save(tmp_path / "none.jpg", quality=100)
    plain.save(tmp_path / "bad.png", icc_profile=b"no profile at all" * 20)
    assert np.array_equal(read_photo(tmp_path / "srgb.jpg").pixels, read_photo(tmp_path / "none.jpg").pixels)
    bad = read_photo(tmp_path / "bad.png")
    assert bad.notes == ("its colour profile cannot be read, so its colours are taken for sRGB",)
    assert np.array_equal(bad.pixels, np.asarray(plain))


def test_a_grey_picture_with_a_profile_of_three_colours_and_one_for_print_are_read(tmp_path: Path) -> None:
    Image.new("L", (64, 64), 120).save(tmp_path / "grey.png", icc_profile=display_p3())
    Image.new("CMYK", (64, 64), (0, 255, 255, 0)).save(tmp_path / "print.jpg")
    assert np.abs(read_photo(tmp_path / "grey.png").pixels.astype(int) - 120).max() <= 1
    assert np.abs(read_photo(tmp_path / "print.jpg").pixels[0, 0].astype(int) - (255, 0, 0)).max() <= 3


# Transparency.


def cutout(path: Path, mode: str = "RGBA") -> Path:
    """A red square on transparent ground, under which lies black."""
    picture = np.zeros((64, 64, 4), np.uint8)
    picture[16:48, 16:48] = (200, 30, 30, 255)
    picture[16:48, 48:52] = (200, 30, 30, 128)
    image = Image.fromarray(picture)
    if mode == "P":
        image = image.quantize(8, method=Image.Quantize.FASTOCTREE)
    image.save(path)
    return path


@pytest.mark.parametrize("mode", ["RGBA", "P"])
def test_what_lies_under_transparent_pixels_is_not_shown_to_the_model(mode: str, tmp_path: Path) -> None:
    photo = read_photo(cutout(tmp_path / "cut.png", mode))
    assert photo.alpha is not None
    assert (photo.pixels[0, 0] == 255).all() and photo.alpha[0, 0] == 0
    assert np.abs(photo.pixels[30, 30].astype(int) - (200, 30, 30)).max() <= 8
    assert np.abs(photo.pixels[30, 50].astype(int) - (227, 142, 142)).max() <= 16


def test_an_edit_stays_transparent_where_it_puts_nothing() -> None:
    alpha = np.zeros((4, 4), np.uint8)
    alpha[:, 1], alpha[:, 2] = 255, 128
    start = np.full((4, 4, 3), 255, np.uint8)
    start[:, 1], start[:, 2] = (200, 100, 100), (228, 178, 178)
    edited = start.copy()
    edited[0, 0] = 250  # noise
    edited[1, 0] = (0, 0, 200)  # a thing that has moved there
    edited[2, 1] = (10, 200, 10)
    found = with_alpha(edited, start, alpha)
    assert found[0, 0, 3] == found[3, 0, 3] == 0
    assert tuple(found[1, 0]) == (0, 0, 200, 255)
    assert tuple(found[2, 1]) == (10, 200, 10, 255)
    assert found[3, 2, 3] == 128
    # On white it is the edit, but for the noise.
    shares = found[..., 3:] / 255
    assert np.abs(found[..., :3] * shares + 255 * (1 - shares) - edited).max() <= 5


def test_a_cutout_comes_back_with_its_transparency(simgen_edit: Callable[..., Ended], tmp_path: Path) -> None:
    cutout(tmp_path / "cut.png")
    done = simgen_edit("cut.png", SENTENCE, "--base", "tiny:kontext")
    assert (done.code, done.out) == (0, "cut-edit.png\n")
    assert done.err.startswith("note: cut.png: is transparent in parts: it was edited on white, and stays transparent")
    assert Image.open(tmp_path / "cut-edit.png").mode == "RGBA"
    done = simgen_edit("cut.png", SENTENCE, "--base", "tiny:kontext", "--out", "x.jpg")
    assert done.err == "note: cut.png: is transparent in parts, which JPEG cannot be: the edit lies on white\n"


# A folder with bad files in it.


def test_a_folder_is_edited_without_what_cannot_be_read(
    photo: Path, simgen_edit: Callable[..., Ended], tmp_path: Path
) -> None:
    """Two of three are edited, in about 1 s."""
    (tmp_path / "in" / "__MACOSX").mkdir(parents=True)
    data = photo.read_bytes()
    for name, content in {
        "a.png": data,
        "b.png": data[:300],
        "c.jpg": data,
        "._a.png": b"\0\x05\x16\x07\0\2\0\0Mac OS X",
        ".DS_Store": b"\0\0\0\1Bud1",
        "__MACOSX/a.png": b"\0\x05\x16\x07",
    }.items():
        (tmp_path / "in" / name).write_bytes(content)
    (tmp_path / "in" / "folder.png").mkdir()
    done = simgen_edit("in", SENTENCE, "--base", "tiny:kontext")
    assert (done.code, done.out) == (3, "in-edit/a.png\nin-edit/c.png\n")
    bad, summary = done.err.splitlines()
    assert bad.startswith("in/b.png: is not a picture that can be read (")
    assert summary == "edited 2 of 3 pictures; 1 could not be read"


def test_a_folder_of_bad_pictures_alone_fails(simgen_edit: Callable[..., Ended], tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name in ("a.png", "b.jpg"):
        (tmp_path / "in" / name).write_bytes(b"none")
    done = simgen_edit("in", SENTENCE, "--base", "tiny:kontext")
    assert done.code == 1 and done.err.splitlines()[-1] == "edited 0 of 2 pictures; 2 could not be read"


# Instructions that are too long.

LONG = "push the red mug over the edge of the table and " * 220


@pytest.mark.parametrize("name", TINY)
def test_of_a_long_instruction_the_words_that_are_left_out_are_named(
    name: str, photo: Path, simgen_edit: Callable[..., Ended], tiny_base: Callable[[str], Base]
) -> None:
    """Where the pipeline would cut it without a word, or fail (Qwen)."""
    base = tiny_base(name)
    kept, unread = base.family.fit_text(base.pipeline, LONG)
    done = simgen_edit(photo, LONG, "--base", name)
    assert done.code == 0
    limit = base.family.text_limit
    assert f"{kept} {unread}" == LONG.strip()
    assert base.family.count_text(base.pipeline, kept) <= limit
    assert base.family.count_text(base.pipeline, f"{kept} {unread.split()[0]}") > limit
    assert f"{name} reads {limit}; these words at its end are left out: '{unread[:100]}" in done.err
    assert done.err.count("\n") == 1


def test_a_single_word_that_is_too_long_is_cut_within(tiny_base: Callable[[str], Base]) -> None:
    base = tiny_base("tiny:qwen")
    assert base.family.fit_text(base.pipeline, "a" * 5000) == ("a" * 1024, "a" * 3976)
    assert base.family.fit_text(base.pipeline, SENTENCE) == (SENTENCE, "")


def test_a_long_instruction_is_edited_as_the_part_of_it_that_is_read(tiny_base: Callable[[str], Base]) -> None:
    base = tiny_base("tiny:kontext")
    kept, _ = base.family.fit_text(base.pipeline, LONG)
    grey = np.full((64, 64, 3), 128, np.uint8)
    assert np.array_equal(edited(base, grey, LONG), edited(base, grey, kept))


def test_a_photo_that_lies_on_its_side_is_edited_upright(
    photo: Path, simgen_edit: Callable[..., Ended], tmp_path: Path
) -> None:
    # As telephones write it: the pixels lie, and orientation 6 says that the right side is up.
    lying = Image.open(photo).transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = 6
    lying.save(tmp_path / "lying.png", exif=exif)
    assert np.array_equal(np.asarray(ImageOps.exif_transpose(Image.open(tmp_path / "lying.png"))), pixels(photo))
    for source in ("lying.png", "photo.png"):
        assert simgen_edit(source, SENTENCE, "--base", "tiny:kontext").code == 0
    assert np.array_equal(pixels(tmp_path / "lying-edit.png"), pixels(tmp_path / "photo-edit.png"))


def test_a_picture_of_sixteen_bits_is_refused_and_not_turned_white(
    simgen_edit: Callable[..., Ended], tmp_path: Path
) -> None:
    Image.fromarray(np.full((64, 64), 30000, np.uint16)).save(tmp_path / "deep.png")
    said = complaint(simgen_edit("deep.png", SENTENCE, "--base", "tiny:kontext"))
    assert said == "deep.png: has more than 8 bits a pixel and channel; convert it to 8 first"


@pytest.mark.parametrize("kept", [0, 10, 500])
def test_a_picture_that_is_none_is_a_sentence(
    kept: int, photo: Path, simgen_edit: Callable[..., Ended], tmp_path: Path
) -> None:
    (tmp_path / "broken.png").write_bytes(photo.read_bytes()[:kept])
    said = complaint(simgen_edit("broken.png", SENTENCE, "--base", "tiny:kontext"))
    assert said.startswith("broken.png: is not a picture that can be read (")
    assert not (tmp_path / "broken-edit.png").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["none.png", SENTENCE], "none.png: no such picture or folder"),
        (["empty", SENTENCE], "empty: holds no pictures; they end in .png, .jpg, .jpeg, .webp"),
        (["photo.png", " "], 'the instruction is empty; say what happens, as in "knock over the mug"'),
        (["photo.png", SENTENCE], "--base is missing: name the editor, or give the --lora of a run"),
        (["photo.png", SENTENCE, "--base", "tiny:qwne"], "--base tiny:qwne: no tiny base 'qwne'; did you mean 'qwen'?"),
        (
            ["photo.png", SENTENCE, "--base", "tiny:qwen", "--out", "x.gif"],
            "--out x.gif: this is not the name of a picture",
        ),
        (["photo.png", SENTENCE, "--base", "tiny:qwen", "--out", "photo.png"], "--out photo.png: photo.png is one of"),
        ([".", SENTENCE, "--base", "tiny:qwen", "--out", "."], "--out .: photo.png is one of the pictures to edit"),
        (["photo.png", SENTENCE, "--base", "tiny:qwen", "--guidance", "nan"], "--guidance must be at least 0; got nan"),
        (["photo.png", SENTENCE, "--base", "tiny:qwen", "--guidance", "-1"], "--guidance must be at least 0; got -1"),
        (["photo.png", SENTENCE, "--base", "tiny:qwen", "--seed", 2**80], "--seed must fit into 64 bits; got "),
        (["photo.png", SENTENCE, "--lora", "none"], "--lora none: no such file or folder; give the --out folder of"),
        (["photo.png", SENTENCE, "--lora", "empty"], f"--lora empty: holds no {WEIGHTS}; give the --out folder of"),
        (["photo.png", SENTENCE, "--lora", "bare.safetensors"], "--lora bare.safetensors: does not say what it was"),
        (["photo.png", SENTENCE, "--lora", "odd"], "--lora odd: does not say what it was trained on; name that with"),
    ],
)
def test_a_wrong_command_is_one_sentence(
    arguments: list[str], said: str, photo: Path, simgen_edit: Callable[..., Ended], tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / RUN).write_text("{}")
    safetensors.torch.save_file({"x": torch.zeros(1)}, tmp_path / "odd" / WEIGHTS)
    safetensors.torch.save_file({"x": torch.zeros(1)}, tmp_path / "bare.safetensors")
    before = photo.read_bytes()
    assert complaint(simgen_edit(*arguments)).startswith(said)
    assert photo.read_bytes() == before


def test_a_device_that_is_none_is_one_sentence(photo: Path, simgen_edit: Callable[..., Ended]) -> None:
    # The fixture's own --device comes last and would count.
    options: dict[str, Any] = {"base_name": "tiny:qwen", "lora": None, "seed": 0, "steps": 2, "guidance": None}
    options["device"] = "quantum"
    with pytest.raises(UsageError, match=r"^--device quantum: torch knows no such device; use cpu or cuda$"):
        next(edit_all(jobs(photo, None), SENTENCE, **options))


@pytest.mark.parametrize(
    ("made_for", "used_with"),
    # Each base is once the one and once the other; the long version has every pair.
    [
        pytest.param(one, other, marks=() if (k + 1) % len(TINY) == TINY.index(other) else pytest.mark.slow)
        for k, one in enumerate(TINY)
        for other in TINY
        if one != other
    ],
)
def test_a_lora_of_another_family_is_one_sentence(
    made_for: str, used_with: str, photo: Path, simgen_edit: Callable[..., Ended], tmp_path: Path
) -> None:
    """diffusers loads the layers that happen to go by the same name, and says nothing."""
    a_run(tmp_path / "run", made_for)
    said = complaint(simgen_edit(photo, SENTENCE, "--lora", "run", "--base", used_with))
    assert said.startswith(f"--lora run/{WEIGHTS}: was made for another editor: {used_with} lacks ")
    assert said.endswith("; name the right one with --base")


@pytest.mark.parametrize("kept", [0, 7, 2000, -1])
def test_a_damaged_lora_is_one_sentence(
    kept: int, photo: Path, simgen_edit: Callable[..., Ended], tmp_path: Path
) -> None:
    run = a_run(tmp_path / "run", "tiny:kontext")
    (run / WEIGHTS).write_bytes((run / WEIGHTS).read_bytes()[:kept])
    said = complaint(simgen_edit(photo, SENTENCE, "--lora", "run"), 1)
    assert said.startswith(f"--lora run/{WEIGHTS}: is not a safetensors file, or is damaged (")


def test_a_file_without_any_lora_in_it_is_one_sentence(
    photo: Path, simgen_edit: Callable[..., Ended], tmp_path: Path
) -> None:
    safetensors.torch.save_file({"x": torch.zeros(1)}, tmp_path / "bare.safetensors")
    said = complaint(simgen_edit(photo, SENTENCE, "--lora", "bare.safetensors", "--base", "tiny:qwen"), 1)
    assert said.startswith("--lora bare.safetensors: cannot be loaded into this base (")


def test_a_file_in_the_way_of_the_folder_is_one_sentence(
    photo: Path, simgen_edit: Callable[..., Ended], tmp_path: Path
) -> None:
    (tmp_path / "taken").write_text("a file")
    said = complaint(simgen_edit(".", SENTENCE, "--base", "tiny:kontext", "--out", "taken"), 1)
    assert "taken" in said


def test_jobs_of_a_picture_into_a_folder_that_is_there(photo: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    assert [job.target for job in jobs(photo, tmp_path / "out")] == [tmp_path / "out" / "photo-edit.png"]


def test_a_folder_that_cannot_be_listed_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(place: Path) -> Any:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "scandir", refused)
    with pytest.raises(OutputError, match="cannot be listed: Permission denied"):
        jobs(tmp_path, None)


# How well an edit does.


@pytest.fixture
def example(make_example: Callable[..., Example]) -> Example:
    return make_example()


def test_a_copy_of_the_start_has_made_no_progress(example: Example) -> None:
    found = fit(example, example.start)
    assert found.progress == 0
    assert found.error_inside > 0.05
    # The square moves inside the mask alone.
    assert found.error_outside == 0


def test_the_truth_is_all_of_the_way(example: Example) -> None:
    found = fit(example, example.end)
    assert found.progress == pytest.approx(1, abs=1e-12)
    assert found.error_inside == found.error_outside == 0


def small(start: int, end: int, mask: list[list[int]]) -> Example:
    """One value everywhere, in a mask of two by two."""
    pictures = {name: np.full((2, 2, 3), value, np.uint8) for name, value in (("start", start), ("end", end))}
    return Example(key="k", **pictures, mask=np.array(mask, np.uint8), instruction="x", digest="k")


def test_errors_are_means_by_the_share_of_the_mask() -> None:
    example = small(0, 100, [[255, 85], [0, 0]])
    made = example.end.copy()
    # Wrong by 0.2, 0.2 and 0.6 where the mask is 1, ⅓ and 0.
    made[0, 0], made[0, 1], made[1, 0] = 100 + 51, 100 - 51, 100 + 153
    found = fit(example, made)
    assert found.error_inside == pytest.approx(0.2)
    assert found.error_outside == pytest.approx((0.2 * 2 / 3 + 0.6) / (2 / 3 + 2))


def test_half_of_the_way_is_half_of_the_progress_and_back_is_less_than_none() -> None:
    example = small(50, 150, [[255, 255], [0, 0]])
    assert fit(example, np.full((2, 2, 3), 100, np.uint8)).progress == pytest.approx(0.5)
    assert fit(example, np.full((2, 2, 3), 0, np.uint8)).progress == pytest.approx(-0.5)


def test_progress_is_blind_to_what_lies_outside_the_mask() -> None:
    example = small(50, 150, [[255, 0], [0, 0]])
    made = np.full((2, 2, 3), 7, np.uint8)
    made[0, 0] = 150
    assert fit(example, made).progress == pytest.approx(1)


def test_where_nothing_changes_there_is_nothing_to_measure() -> None:
    found = fit(small(50, 50, [[0, 0], [0, 0]]), np.full((2, 2, 3), 50, np.uint8))
    assert math.isnan(found.error_inside)
    assert math.isnan(found.progress)
    assert found.error_outside == 0


def test_where_everything_changes_there_is_no_outside() -> None:
    found = fit(small(0, 255, [[255, 255], [255, 255]]), np.full((2, 2, 3), 255, np.uint8))
    assert math.isnan(found.error_outside)
    assert dataclasses.asdict(found) | {"error_outside": 0} == pytest.approx(
        {"error_inside": 0, "error_outside": 0, "progress": 1}
    )
