"""simgen: before/after image pairs of physical events."""

TYPE_CHECKING = False
"""As in `typing`, which takes time to import."""
if TYPE_CHECKING:
    from simgen.dataset.reader import open_dataset as open

__all__ = ["__version__", "open"]
__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    """`simgen.open` brings OpenCV along, which is not to be paid for by `import simgen`."""
    if name == "open":
        from simgen.dataset.reader import open_dataset

        return open_dataset
    raise AttributeError(f"module 'simgen' has no attribute {name!r}")
