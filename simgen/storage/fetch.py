"""Download a file from http, https, gs or s3."""

import importlib.util
import time
from pathlib import Path

import fsspec

from simgen.core.errors import AssetError, inline, shown
from simgen.storage.resources import how_to_install
from simgen.storage.urls import admit, scrub, with_secrets, without_secrets

PROTOCOLS = ("http", "https", "gs", "s3")
MAX_DOWNLOAD_BYTES = 4 << 30
_ATTEMPTS = 3


def download(address: str, target: Path) -> None:
    """Copy the file at an address to a local file, with a few attempts; an AssetError says why it cannot be had. The
    request has the secrets that were admitted with the address, see `storage.urls`; no message has them."""
    address = admit(address)
    protocol = address.split("://", 1)[0]
    # fsspec knows dozens more, chains of them and ways to this machine's own files among them; a manifest names any.
    if protocol not in PROTOCOLS:
        raise AssetError(
            f"{inline(address)}: cannot be fetched: {shown(protocol)} is not one of {', '.join(PROTOCOLS)}; "
            "give one of these, or the path of a copy"
        )
    if "/" not in address.partition("://")[2].lstrip("/"):
        raise AssetError(
            f"{inline(address)}: cannot be fetched: it must name a host or bucket and a file there, as in "
            f"{protocol}://name/file.json; correct the address"
        )
    failure = _try(with_secrets(address), target)
    if isinstance(failure, PermissionError) and with_secrets(address) != address and _try(address, target) is None:
        # A signature is that of one file; what lies beside it may be there for everybody.
        return
    if failure is not None:
        raise AssetError(scrub(f"{address}: cannot be fetched: {failure}")) from failure


def _try(address: str, target: Path) -> Exception | None:
    """Copy the file in a few attempts; the last failure in plain words, or None where it is there."""
    attempts = [candidate for candidate in _alternatives(address) for _ in range(_ATTEMPTS)]
    failure: Exception = FileNotFoundError(address)
    refused: set[str] = set()
    for number, candidate in enumerate(attempts):
        if candidate in refused:
            continue
        if number:
            time.sleep(0.2 * (number % _ATTEMPTS))
        try:
            filesystem, path = fsspec.core.url_to_fs(candidate)
            filesystem.get_file(path, str(target), callback=_Limited())
            return None
        except _TooLarge as error:
            raise AssetError(
                f"{without_secrets(address)}: has more than {MAX_DOWNLOAD_BYTES >> 30} GiB, which no asset has; give "
                "another address"
            ) from error
        except Exception as error:  # each back end of fsspec raises exceptions of its own
            failure = _classify(error, without_secrets(candidate))
            if not isinstance(failure, OSError) or isinstance(failure, FileNotFoundError | PermissionError):
                refused.add(candidate)
    return failure


class _TooLarge(Exception):
    """The file has more bytes than MAX_DOWNLOAD_BYTES."""


class _Limited(fsspec.callbacks.Callback):  # type: ignore[misc]
    """Ends a download that has become too large."""

    def relative_update(self, inc: int = 1) -> None:
        super().relative_update(inc)
        if self.value > MAX_DOWNLOAD_BYTES:
            raise _TooLarge


def _alternatives(address: str) -> list[str]:
    """URLs of one file, in the order to try: a public Google bucket is served over https too, without a library."""
    if not address.startswith("gs://"):
        return [address]
    public = "https://storage.googleapis.com/" + address.removeprefix("gs://")
    return [address, public] if importlib.util.find_spec("gcsfs") else [public]


def _classify(error: Exception, address: str) -> Exception:
    """The same error in plain words, as a FileNotFound-, Permission-, Connection-, Value- or ImportError."""
    status = getattr(error, "status", None) or getattr(error, "code", None)
    host = address.split("://", 1)[1].split("/", 1)[0] if "://" in address else address
    if isinstance(error, ImportError):
        extra = "s3" if address.startswith("s3") else "gs"
        return ImportError(f"{error}; to install it, {how_to_install(extra)}")
    if isinstance(error, FileNotFoundError) or status in (404, "404"):
        return FileNotFoundError(f"nothing is there; check the address, {host} does answer")
    if isinstance(error, PermissionError) or status in (401, 403, "401", "403"):
        return PermissionError(f"{host} refuses access; log in there, or use a copy on your own disk")
    if isinstance(error, ValueError):
        return ValueError(inline(error))
    return ConnectionError(
        f"{host} does not answer as it should ({type(error).__name__}: {inline(error)}); "
        "check the network, or give the path of a copy"
    )
