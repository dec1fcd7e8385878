"""Small pairs in which one square moves, and bases of a few thousand weights."""

import functools
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console
from webdataset import TarWriter

from simgen.train.base import Base, load_base
from simgen.train.data.examples import Example

Picture = NDArray[np.uint8]
WIDTH, HEIGHT = 96, 64


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Sums in one order; and two threads on two busy cores wait for each other for most of their time."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def moved_square(number: int, width: int = WIDTH, height: int = HEIGHT) -> tuple[Picture, Picture, Picture]:
    """Start, end and mask: a bright square on a shaded ground goes to the right."""
    rng = np.random.default_rng(number)
    across, down = np.meshgrid(np.linspace(40, 140, width), np.linspace(0, 60, height))
    ground = np.stack([across, down + 60, 200 - across], axis=-1)
    ground = np.clip(ground + rng.normal(0, 3, ground.shape), 0, 255).astype(np.uint8)
    color, size = rng.integers(0, 256, 3), height // 4
    top, left = int(rng.integers(0, height - size)), int(rng.integers(0, width // 2 - size))
    start, end, mask = ground.copy(), ground.copy(), np.zeros((height, width), np.uint8)
    for picture, x in ((start, left), (end, left + width // 2)):
        picture[top : top + size, x : x + size] = color
        mask[top : top + size, x : x + size] = 255
    return start, end, mask


def recolored_half(number: int, width: int, height: int) -> tuple[Picture, Picture, Picture]:
    """Start, end and mask: the right half of a plain picture takes another colour."""
    before, after = np.random.default_rng(number).integers(0, 256, (2, 3))
    start = np.full((height, width, 3), before, np.uint8)
    end, mask = start.copy(), np.zeros((height, width), np.uint8)
    end[:, width // 2 :], mask[:, width // 2 :] = after, 255
    return start, end, mask


def png(picture: Picture) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG")
    return buffer.getvalue()


def write_pairs(
    folder: Path,
    *,
    train: int = 6,
    test: int = 2,
    width: int = WIDTH,
    height: int = HEIGHT,
    draw: Callable[[int, int, int], tuple[Picture, Picture, Picture]] = moved_square,
) -> Path:
    """A folder of bare tars, two samples in each."""
    for split, first, count in (("train", 0, train), ("test", 1000, test)):
        (folder / split).mkdir(parents=True)
        for tar in range((count + 1) // 2):
            with TarWriter(str(folder / split / f"{tar:05d}.tar")) as writer:
                for number in range(first + 2 * tar, first + min(2 * tar + 2, count)):
                    start, end, mask = draw(number, width, height)
                    told = {
                        "superficial": "Push the square.",
                        "intermediate": f"Push square {number}: it slides to the right.",
                        "explicit": f"Push square {number}: it slides to the right and stands {number} steps on.",
                    }
                    writer.write(
                        {
                            "__key__": f"push-{number:06d}",
                            "start.png": png(start),
                            "end.png": png(end),
                            "mask.png": png(mask),
                            "txt": told["intermediate"].encode(),
                            "json": json.dumps({"key": f"push-{number:06d}", "instructions": told}).encode(),
                        }
                    )
    return folder


@pytest.fixture(scope="session")
def pairs_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six pairs to train on and two held out, 96 × 64."""
    return write_pairs(tmp_path_factory.mktemp("pairs") / "data")


@pytest.fixture
def make_pairs() -> Callable[..., Path]:
    """`make_pairs(folder, train=6, test=2, width=96, height=64)`: a data set of bare tars."""
    return write_pairs


@pytest.fixture
def make_simple_pairs() -> Callable[..., Path]:
    """The same, of pictures so plain that a tiny model can learn them by heart."""
    return functools.partial(write_pairs, draw=recolored_half)


@pytest.fixture
def tiny_base() -> Callable[[str], Base]:
    """`tiny_base("tiny:qwen")`: a fresh one, in float32."""
    return lambda name: load_base(name, dtype=torch.float32, device=torch.device("cpu"))


@pytest.fixture
def make_example() -> Callable[..., Example]:
    """`make_example(number=5, width=96, height=64, instruction=…)`: pixels and words of one pair."""

    def make(
        number: int = 5, *, width: int = WIDTH, height: int = HEIGHT, instruction: str = "Push the square."
    ) -> Example:
        start, end, mask = moved_square(number, width, height)
        digest = f"{number} {width} {height} {instruction}"
        return Example(key=f"push-{number}", start=start, end=end, mask=mask, instruction=instruction, digest=digest)

    return make


@pytest.fixture
def quiet() -> Console:
    return Console(file=io.StringIO())
