"""Addresses in manifests: text that names a file or folder on this machine or behind a URL."""

import os
from pathlib import Path


def is_remote(address: str) -> bool:
    """Whether an address is a URL of another machine."""
    return "://" in address and not address.startswith("file://")


def local_path(address: str) -> Path:
    """The path that a local address names, absolute."""
    return _expanded(address.removeprefix("file://")).absolute()


def _expanded(name: str) -> Path:
    """With ~ filled in, unless it is that of a user whom nobody knows."""
    try:
        return Path(name).expanduser()
    except RuntimeError:
        return Path(name)


def is_file(path: Path) -> bool:
    """Whether a file is there; False also for a name that no disk can hold."""
    try:
        return path.is_file()
    except OSError:
        return False


def parent(address: str) -> str:
    """The address of the folder that holds a file."""
    return address.rsplit("/", 1)[0] if is_remote(address) else str(local_path(address).parent)


def join(folder: str, name: str) -> str:
    """The address of `name` in `folder`; an absolute path or a URL stands for itself."""
    if "://" in name:
        return name
    if not is_remote(folder):
        return os.path.normpath(local_path(folder) / _expanded(name))
    scheme, rest = folder.split("://", 1)
    return scheme + "://" + os.path.normpath(f"{rest}/{name}") if name not in ("", ".") else folder.rstrip("/")
