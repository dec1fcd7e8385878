"""Pictures in Blender: none is shown that could not be read, which Blender would paint in magenta."""

from pathlib import Path
from typing import Any

from simgen.core.errors import AssetError
from simgen.engine.blender import bpy
from simgen.engine.pass_reader import quiet


def load_image(path: Path, *, anew: bool = False) -> Any:
    """The Blender image of a file, another one than before where it is read `anew`; an AssetError where there is none
    or Blender cannot read it."""
    with quiet():
        try:
            image = bpy.data.images.load(str(path), check_existing=not anew)
        except RuntimeError:
            raise AssetError(f"{path}: the picture is not there, or cannot be read; repair the asset") from None
    check_image(image, path)
    return image


def check_image(image: Any, where: Path) -> None:
    """An AssetError where an image, of a file or packed into a mesh, has no pixels; `where` names it to the user."""
    if image.source not in ("FILE", "SEQUENCE", "TILED"):
        return
    with quiet():
        # Asking for the size has Blender read the file.
        width, height = image.size
    if width and height:
        return
    picture = Path(bpy.path.abspath(image.filepath)) if image.packed_file is None and image.filepath else None
    what = image.name
    if picture is not None and picture != where:
        what = str(picture)
    state = "is not there" if picture is not None and not picture.is_file() else "cannot be decoded by Blender"
    bpy.data.images.remove(image)
    named = "the picture" if picture == where else f"its picture {what}"
    raise AssetError(f"{where}: {named} {state}; repair the asset, or name it in assets.exclude")
