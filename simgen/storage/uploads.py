"""Uploads of several files that belong together, and the temporary files for them."""

import contextlib
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from simgen.core.errors import OutputError, SimgenError
from simgen.storage.hub import commit_to_hub
from simgen.storage.paths import RemotePath


def upload_together(files: Sequence[tuple[Path, RemotePath]], check: Callable[[], object]) -> bool:
    """Put the files of a shard, the last one as its commit; False where somebody else has committed it meanwhile.

    On the Hub this is one commit. Elsewhere one object follows the other, and `check` is called before each: it raises
    where our run has lost the data set to another, so that we replace nothing of theirs.
    """
    if files[0][1].scheme == "hf":
        commit_to_hub(files)
        return True
    for number, (file, path) in enumerate(files, start=1):
        check()
        try:
            path.upload(file, create=True)
        except FileExistsError:
            # Left by a worker of ours that died over the same shard, or put by a run that is long over.
            check()
            if number == len(files):
                return False
            path.upload(file)
    return True


def abandon_uploads(folder: RemotePath) -> None:
    """Delete the parts of large objects that killed runs were uploading: nobody sees them, and they are paid for."""
    if folder.scheme != "s3":
        return
    bucket, _, prefix = folder.key.partition("/")

    def abort(fs: Any) -> None:
        found = fs.call_s3("list_multipart_uploads", Bucket=bucket, Prefix=f"{prefix}/" if prefix else "")
        for upload in found.get("Uploads", []):
            fs.call_s3("abort_multipart_upload", Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"])

    # Whoever may not list them, or whose store does not know them, has a rule of the bucket for that.
    with contextlib.suppress(SimgenError, FileNotFoundError):
        folder.request("listed", abort)


def unnamed_file() -> Any:
    """A temporary file without a name, for what is to be uploaded: however this process ends, nothing of it stays."""
    try:
        return tempfile.TemporaryFile()
    except OSError as error:
        raise OutputError(
            f"{tempfile.gettempdir()}: cannot be written ({error.strerror}); name another folder in TMPDIR"
        ) from error
