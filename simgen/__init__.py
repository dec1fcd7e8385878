"""simgen: before/after image pairs of physical events."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from simgen.dataset.reader import open_dataset as open

__all__ = ["__version__", "open"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """`simgen.open` brings OpenCV along, which is not to be paid for by `import simgen`."""
    if name == "open":
        from simgen.dataset.reader import open_dataset

        return open_dataset
    raise AttributeError(f"module 'simgen' has no attribute {name!r}")
