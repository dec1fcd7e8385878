"""The files that a mesh names, found in the folders that may be read; and pictures as an asset can hold them.

A mesh file may come from anywhere, and what it names goes into an archive that is passed on. So nothing is read that
does not lie in the folder of meshes or in one that the user has named with --textures.
"""

import io
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath
from urllib.parse import unquote

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from simgen.core.errors import inline, shown
from simgen.core.vectors import Floats

MAX_BYTES = 256 << 20
"""Of a picture or a library of materials."""
MOST_FILES = 50_000
"""That are looked through for a name that is not where the mesh says."""


class Missing(Exception):
    """A file that a mesh names and that cannot be had; its text says why, as the end of a sentence."""


class Neighbours:
    """The files that one mesh may use. `names` are those that were asked for, with the reason for each that was not
    given: nothing is left out without a word."""

    def __init__(self, mesh: Path, roots: Sequence[Path]) -> None:
        self.mesh = mesh
        self.roots = [root.resolve() for root in roots]
        self.failed: dict[str, str] = {}
        self.elsewhere: dict[str, Path] = {}
        """Files that were not where the mesh says, by the name in it."""

    # trimesh asks for what a mesh names in these two ways.

    def get(self, name: str) -> bytes:
        try:
            return self.read(name)
        except Missing as error:
            self.failed[name.strip()] = str(error)
            raise FileNotFoundError(f"{shown(name.strip())} {error}") from error

    __getitem__ = get

    def read(self, name: str) -> bytes:
        """The bytes of a file that the mesh names."""
        path = self.find(name)
        try:
            # A pipe would never answer, and a device never end.
            if not stat.S_ISREG(path.stat().st_mode):
                raise Missing("is not a regular file")
            with path.open("rb") as file:
                data = file.read(MAX_BYTES + 1)
        except OSError as error:
            raise Missing(f"cannot be read ({error.strerror or error})") from error
        if len(data) > MAX_BYTES:
            raise Missing(f"has more than {MAX_BYTES >> 20} MiB")
        return data

    def find(self, name: str) -> Path:
        """The path of a file that the mesh names: in its place, else by its name alone, upper and lower case alike."""
        plain = unquote(name).strip().strip('"')
        path = PureWindowsPath(plain) if "\\" in plain or PureWindowsPath(plain).drive else PurePosixPath(plain)
        parts = [part for part in path.parts if part not in (path.anchor, ".")]
        if not parts or "\0" in plain:
            raise Missing("is not a file name")
        stated = Path(path.as_posix()) if path.is_absolute() else self.mesh.parent.joinpath(*parts)
        stated = Path(os.path.normpath(stated))
        if self._is_there(stated):
            if self._inside(stated):
                return stated
        else:
            twin = self._same_letters(stated)
            if twin is not None and self._inside(twin):
                self.elsewhere[name.strip()] = twin
                return twin
        found = [other for other in self._all_files() if other.name.lower() == parts[-1].lower()]
        found = [other for other in found if self._inside(other)]
        if len(found) == 1:
            self.elsewhere[name.strip()] = found[0]
            return found[0]
        if found:
            raise Missing(f"is there {len(found)} times, and none where the mesh says")
        if self._is_there(stated):
            raise Missing(
                f"lies outside the folder of meshes ({inline(stated)}); name its folder with --textures to have it"
            )
        raise Missing("is not there")

    def _is_there(self, path: Path) -> bool:
        try:
            return path.exists()
        except (OSError, ValueError):
            return False

    def _inside(self, path: Path) -> bool:
        # With links followed: one may lead anywhere.
        real = path.resolve()
        return any(real.is_relative_to(root) for root in self.roots)

    def _same_letters(self, path: Path) -> Path | None:
        """The file whose path differs in upper and lower case only."""
        at = next((root for root in (self.mesh.parent, *self.roots) if path.is_relative_to(root)), None)
        if at is None:
            return None
        for part in path.relative_to(at).parts:
            try:
                names = sorted(entry.name for entry in at.iterdir())
            except OSError:
                return None
            same = [name for name in names if name.lower() == part.lower()]
            if not same:
                return None
            at = at / (part if part in same else same[0])
        return at

    def _all_files(self) -> Iterator[Path]:
        count = 0
        for root in self.roots:
            for folder, folders, names in os.walk(root):
                folders[:] = sorted(name for name in folders if not is_hidden(name))
                for name in sorted(names):
                    count += 1
                    if count > MOST_FILES:
                        return
                    if not is_hidden(name):
                        yield Path(folder, name)


def is_hidden(name: str) -> bool:
    """Whether it is a name of the system's own: a dot file such as a Mac's `._mug.obj`, or its folder in an archive."""
    return name.startswith(".") or name == "__MACOSX"


def picture(data: bytes) -> Image.Image:
    """A picture, decoded to the last pixel. Raises Missing."""
    try:
        image: Image.Image = Image.open(io.BytesIO(data))
        image.load()
    except Exception as error:  # every decoder of Pillow raises exceptions of its own
        raise Missing(f"cannot be decoded ({type(error).__name__}: {inline(error)})") from error
    return image


def rgb(image: Image.Image) -> tuple[Image.Image, bool]:
    """A picture in 8 bits of red, green and blue, and whether it has transparent places."""
    if image.mode.startswith("I") or image.mode == "F":
        # Pillow cuts such numbers off at 255 instead of scaling them.
        values = np.asarray(image).astype(np.float64)
        most = 1.0 if image.mode == "F" and values.max() <= 1.0 else 255.0 if values.max() <= 255 else 65535.0
        grey = np.round(np.clip(values / most, 0.0, 1.0) * 255).astype(np.uint8)
        return Image.fromarray(grey).convert("RGB"), False
    clear = False
    if "A" in image.getbands() or "transparency" in image.info:
        whole = image.convert("RGBA")
        clear = bool(np.asarray(whole.getchannel("A")).min() < 250)
        return whole.convert("RGB"), clear
    return image.convert("RGB"), clear


def times(image: Image.Image, factor: Floats) -> Image.Image:
    """A picture of sRGB colours, each multiplied with a linear factor."""
    if np.allclose(factor, 1.0, atol=1e-4):
        return image
    steps = to_linear(np.arange(256) / 255.0)
    table = [np.round(np.clip(to_srgb(steps * part), 0.0, 1.0) * 255).astype(int) for part in factor]
    return image.point([int(value) for channel in table for value in channel])


def channel(image: Image.Image, number: int, factor: float) -> NDArray[np.float64]:
    """One channel of a picture of plain numbers, from 0 to 1, times a factor."""
    values: NDArray[np.float64] = np.asarray(rgb(image)[0])[..., number] / 255.0 * factor
    return values


def grey_png(values: NDArray[np.float64]) -> bytes:
    return png(Image.fromarray(np.round(np.clip(values, 0, 1) * 255).astype(np.uint8)).convert("RGB"))


def png(image: Image.Image) -> bytes:
    stream = io.BytesIO()
    image.save(stream, format="PNG", compress_level=6)
    return stream.getvalue()


def to_linear(values: Floats) -> Floats:
    """sRGB as it is stored → linear."""
    return np.where(values <= 0.04045, values / 12.92, ((np.maximum(values, 0.0) + 0.055) / 1.055) ** 2.4)


def to_srgb(values: Floats) -> Floats:
    values = np.clip(values, 0.0, 1.0)
    return np.where(values <= 0.0031308, values * 12.92, 1.055 * np.maximum(values, 1e-12) ** (1 / 2.4) - 0.055)


Note = Callable[[str], None]
"""Takes one sentence about what is left out or changed."""
