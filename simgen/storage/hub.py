"""Commits to a data set repository of the Hugging Face Hub."""

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from simgen.storage.paths import RemotePath


def commit_to_hub(files: Sequence[tuple[Path, RemotePath]]) -> None:
    """Put local files at their remote paths, all in one commit of one repository."""
    first = files[0][1]

    def commit(fs: Any) -> None:
        hub = importlib.import_module("huggingface_hub")
        resolved = [fs.resolve_path(path.key) for _, path in files]
        fs._api.create_commit(
            repo_id=resolved[0].repo_id,
            repo_type=resolved[0].repo_type,
            revision=resolved[0].revision,
            operations=[
                hub.CommitOperationAdd(path_in_repo=target.path_in_repo, path_or_fileobj=str(file))
                for target, (file, _) in zip(resolved, files, strict=True)
            ],
            commit_message=f"{first.parent.name}/{first.stem}",
        )

    first.write_request(commit, first_wait_s=1.0)
