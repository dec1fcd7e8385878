"""A data set in which anything at all is damaged: it is looked at whole, mended by two commands, and has its bytes back."""

import json
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from simgen.cli.app import main
from simgen.core.errors import ConflictError, OutputError
from simgen.dataset.card import write_card
from simgen.dataset.layout import SHARD_FILES, SPLITS, committed
from simgen.dataset.lock import lock_dataset
from simgen.dataset.repair import repair
from simgen.dataset.report.write import write_report
from simgen.dataset.shards import dataset_digest, write_shard
from simgen.dataset.verify import examine, verify
from simgen.plan.plan import RESOLVED, Plan, read_plan
from simgen.run.folder import open_folder, unmade
from simgen.run.quarantine import make_mark, set_aside

Build = Callable[..., Plan]
Entries = Callable[..., Any]
HOLES = (3,)

HALVES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda data: b"",
    "half": lambda data: data[: len(data) // 2],
    "zeros": lambda data: bytes(len(data)),
    "noise": lambda data: bytes((7 * at * at + 131 * at + 3) % 251 for at in range(len(data))),
}


@pytest.fixture(scope="module")
def hand_made(request: pytest.FixtureRequest) -> Any:
    """The module of conftest, for its plans and samples."""
    return sys.modules["conftest"] if "conftest" in sys.modules else request.config.pluginmanager.getplugin("conftest")


def made(folder: Path, plan: Plan, entries: Entries) -> None:
    """What `generate` does: all that is missing, then the card."""
    with open_folder(folder, plan, sample_bytes=0):
        for split, number in unmade(plan, folder):
            shard = plan.shard(split, number)
            write_shard(folder, shard, entries(plan, shard.samples, holes=HOLES), fingerprint=plan.fingerprint)
            for sample in shard.samples:
                if sample.index in HOLES:
                    set_aside(folder, make_mark(folder, sample, "timeout", "took too long"), "stack")
        write_card(folder, command="simgen generate --n 12")
