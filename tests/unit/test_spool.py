"""What a worker keeps of a shard until it is written."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from simgen.dataset.entry import Entry, sample_entry
from simgen.plan.plan import SampleId
from simgen.run.spool import Spool


def ids(n: int) -> list[SampleId]:
    return [SampleId(index=i, key=f"nudge-{i:06d}", scene="nudge", split="train") for i in range(n)]


@pytest.mark.parametrize("memory_bytes", [1, 1 << 30])
def test_entries_come_back_as_they_were_added_from_memory_and_from_a_file(make_sample: Any, memory_bytes: int) -> None:
    one, two, three = ids(3)
    added = [
        sample_entry(one, make_sample(0)),
        Entry(planned=two, failure="crash", reason="its process died"),
        sample_entry(three, make_sample(2), cost={"render": 1.0}),
    ]
    with Spool(memory_bytes) as spool:
        for entry in added:
            spool.add(entry)
        assert list(spool) == added
        assert list(spool) == added


def test_a_temporary_folder_without_room_is_one_sentence(tmp_path: Path) -> None:
    # The limit on the size of a file stands in for a full disk.
    code = """
        import resource, signal
        from simgen.core.errors import OutputError
        from simgen.dataset.entry import Entry
        from simgen.plan.plan import SampleId
        from simgen.run.spool import Spool

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
        planned = SampleId(index=0, key="nudge-000000", scene="nudge", split="train")
        try:
            with Spool(memory_bytes=1) as spool:
                spool.add(Entry(planned=planned, members={"start.png": bytes(30_000)}, row={"key": planned.key}))
        except OutputError as error:
            print(error)
        """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "TMPDIR": str(tmp_path)})
    assert done.stderr == ""
    assert done.stdout == (
        f"{tmp_path}: cannot hold the samples of a shard until it is written (File too large); make room or name "
        "another folder in TMPDIR, and run the same command again\n"
    )
    assert list(tmp_path.iterdir()) == []
