"""simgen: before/after image pairs of physical events."""

import os
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from simgen.dataset.reader import open_dataset as open

__all__ = ["__version__", "open"]
__version__ = "0.1.0"


def _leave_current_folder() -> None:
    """Import nothing more from the current folder, which `python -m` looks into before all others: a file numpy.py in
    it would be run, and it may be a stranger's data set. Not where simgen itself is imported from there."""
    here = os.getcwd()  # noqa: PTH109  pathlib might be a file of that folder
    if sys.path[:1] == [here] and __file__ != os.path.join(here, "simgen", "__init__.py"):  # noqa: PTH118
        del sys.path[0]


def __getattr__(name: str) -> Any:
    """`simgen.open` brings OpenCV along, which is not to be paid for by `import simgen`."""
    if name == "open":
        from simgen.dataset.reader import open_dataset

        return open_dataset
    raise AttributeError(f"module 'simgen' has no attribute {name!r}")
