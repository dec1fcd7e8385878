"""The object stores behind remote paths: how each is opened, and what its errors mean in words for a user."""

import errno
import importlib
import os
from functools import lru_cache
from typing import Any

from simgen.core.errors import EnvironmentProblem, OutputError, inline
from simgen.storage.resources import how_to_install

EXTRAS = {"s3": "s3", "gs": "gs", "hf": "train"}
"""Every scheme that simgen writes to → the extra of simgen that brings its library."""
ATOMIC_CREATE = ("s3", "gs")
"""Stores that can put an object only where there is none yet."""
TRIES = 6
"""How often a request is sent that the store answers with 5xx or not at all, with at most 20 s in between."""
_CONNECT_S, _READ_S = 10, 60

_NO_CREDENTIALS = (
    *("NoCredentialsError", "PartialCredentialsError", "ProfileNotFound", "TokenRetrievalError"),
    *("DefaultCredentialsError", "RefreshError", "LocalTokenNotFoundError"),
)
_LOG_IN = {
    "s3": "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, to those of somebody who may",
    "gs": "run `gcloud auth application-default login` as somebody who may, or set GOOGLE_APPLICATION_CREDENTIALS",
    "hf": "run `hf auth login` as somebody who may, or set HF_TOKEN",
}


class WriteConflict(OutputError):
    """Somebody else was writing the same object; another try may succeed."""


@lru_cache
def filesystem(scheme: str) -> Any:
    """The fsspec file system of a scheme; listings are never cached, because other processes write there."""
    options: dict[str, Any] = {"use_listings_cache": False, "skip_instance_cache": True}
    if scheme == "s3":
        retries = {"mode": "standard", "total_max_attempts": TRIES}
        options["config_kwargs"] = {
            # Whoever has set them for all programs of the machine knows why.
            **({} if "AWS_MAX_ATTEMPTS" in os.environ else {"retries": retries}),
            "connect_timeout": _CONNECT_S,
            "read_timeout": _READ_S,
        }
    if scheme == "hf":
        return importlib.import_module("huggingface_hub").HfFileSystem(**options)
    opened = importlib.import_module("fsspec").filesystem(scheme, **options)
    if scheme == "s3":
        # Its own tries are for lines that break off in the middle of an answer, and multiply with those above.
        opened.retries = 2
    return opened


def missing_container(url: str) -> str:
    """The sentence part that says which bucket or repository of a URL is not there."""
    scheme, _, key = url.partition("://")
    container = "/".join(key.split("/")[1:3]) if scheme == "hf" else key.partition("/")[0]
    return f"there is no {'repository' if scheme == 'hf' else 'bucket'} {container}; make it first"


def translate_error(url: str, action: str, error: Exception) -> Exception:
    """The same error in simgen's terms, whatever the store calls it.

    A FileNotFoundError, a FileExistsError, or a SimgenError with one sentence. `action` is a participle, as "read".
    """
    code = error_code(error)
    scheme = url.partition("://")[0]
    where = f"{url}: cannot be {action}"
    if isinstance(error, ImportError):
        return EnvironmentProblem(f"{url}: {inline(error)}; to install it, {how_to_install(EXTRAS[scheme])}")
    if code == "NoSuchBucket" or "RepositoryNotFound" in type(error).__name__:
        return OutputError(f"{where}: {missing_container(url)}, or correct the address")
    if isinstance(error, FileExistsError) or code in ("412", "PreconditionFailed"):
        return FileExistsError(errno.EEXIST, "is there already", url)
    if isinstance(error, FileNotFoundError) or code in ("404", "NoSuchKey"):
        return FileNotFoundError(errno.ENOENT, "No such file or directory", url)
    if code in ("409", "ConditionalRequestConflict"):
        return WriteConflict(f"{where}: others write there at the same moment; run the same command again")
    if type(error).__name__ in _NO_CREDENTIALS:
        return OutputError(f"{where}: nobody is logged in ({inline(error)}); {_LOG_IN[scheme]}")
    if isinstance(error, PermissionError) or code in ("401", "403"):
        return OutputError(f"{where}: access is refused ({inline(error)}); {_LOG_IN[scheme]}")
    kind = "" if type(error) is OSError else f"{type(error).__name__}: "
    return OutputError(
        f"{where}: the store does not answer as it should ({kind}{inline(error)}); once it does, run the same command "
        "again"
    )


def error_code(error: BaseException | None) -> str:
    """The store's own code for an error, or the HTTP status of its answer; empty where there was no answer."""
    while error is not None:
        response = getattr(error, "response", None)
        if isinstance(response, dict):
            return str(response.get("Error", {}).get("Code", ""))
        for found in (getattr(response, "status_code", None), getattr(error, "code", None)):
            if isinstance(found, int | str) and found:
                return str(found)
        error = error.__cause__
    return ""
