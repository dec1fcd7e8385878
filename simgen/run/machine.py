"""What this machine and its limits leave to a run: processor cores, memory, and how many workers that is."""

import math
import os
import resource
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from simgen.dataset.progress import byte_size

WORKER_BYTES = 1 << 30
"""What a worker takes at the most while it makes pictures of the default size; see `worker_bytes`."""
_BYTES_PER_PIXEL = 700
"""What a worker takes beyond that for each further pixel of a picture."""
_DEFAULT_PIXELS = 512 * 512
RUN_BYTES = 400 << 20
"""What Ray and the process that starts the run take beside the workers."""
_WEIGHED = frozenset(("cpu", "memory"))
"""The controllers that are asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CgroupLimits:
    """What the control groups of this process allow, the tightest of all that it is nested in; None is no limit."""

    cpus: float | None = None
    """Processor time: 1.5 is one core and a half."""
    memory_bytes: int | None = None
    free_bytes: int | None = None
    """What the tightest memory limit still leaves; file caches count as free."""
    oom_kills: int | None = None
    """How many processes the kernel has killed in these groups because memory ran out; None is unknown."""


def read_cgroup_limits(root: Path = Path("/")) -> CgroupLimits:
    """The limits of the control groups, version 1 and 2, of the process whose files lie in `root`/proc/self."""
    cpus: list[float] = []
    limits: list[int] = []
    free: list[int] = []
    kills: list[int] = []
    for version, controllers, group in _groups(root):
        if version == 2 or "cpu" in controllers:
            cpus += _cpu_limit(group, version)
        if version == 2 or "memory" in controllers:
            limit = _memory_limit(group, version)
            if limit is not None:
                limits.append(limit)
                free.append(max(limit - _used_bytes(group, version), 0))
            events = _fields(group / ("memory.events" if version == 2 else "memory.oom_control"))
            kills += [events["oom_kill"]] if "oom_kill" in events else []
    return CgroupLimits(
        cpus=min(cpus, default=None),
        memory_bytes=min(limits, default=None),
        free_bytes=min(free, default=None),
        # In version 2 an outer group counts those of the inner ones as well.
        oom_kills=max(kills, default=None),
    )


def cores() -> int:
    """Processor cores that this process may use: by its affinity, and by the quota of its container, rounded up."""
    there = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    quota = read_cgroup_limits().cpus
    return there if quota is None else max(1, min(there, math.ceil(quota)))


def available_bytes() -> int | None:
    """Memory that is still free, limited by the container where there is one; None where that is unknown."""
    free = _fields(Path("/proc/meminfo")).get("MemAvailable:")
    if free is None:
        return None
    left = read_cgroup_limits().free_bytes
    return free * 1024 if left is None else min(free * 1024, left)


def worker_bytes(width: int = 512, height: int = 512) -> int:
    """What a worker takes at the most while it makes pictures of this size."""
    return WORKER_BYTES + _BYTES_PER_PIXEL * max(0, width * height - _DEFAULT_PIXELS)


def fitting_workers(free_bytes: int, each_bytes: int = WORKER_BYTES) -> int:
    """How many workers the memory is enough for; 0 where it is too little for one."""
    return max(0, free_bytes - RUN_BYTES) // each_bytes


def default_workers(each_bytes: int = WORKER_BYTES) -> int:
    """As many workers as there are cores, or fewer where memory is short; at least one."""
    free = available_bytes()
    return cores() if free is None else max(1, min(cores(), fitting_workers(free, each_bytes)))


def oom_kills() -> int:
    """How many processes the kernel has killed so far because memory ran out: in this container, or else at all."""
    here = read_cgroup_limits().oom_kills
    return _fields(Path("/proc/vmstat")).get("oom_kill", 0) if here is None else here


def memory_advice(workers: int, each_bytes: int = WORKER_BYTES) -> str:
    """What to do where memory ran out under so many workers on this machine."""
    limit = read_cgroup_limits().memory_bytes
    there = limit or _fields(Path("/proc/meminfo")).get("MemTotal:", 0) * 1024
    has = f"the {'container' if limit else 'machine'} has {byte_size(there)}, and a worker takes up to "
    has += byte_size(each_bytes)
    if workers > 1:
        fewer = max(1, min(workers - 1, fitting_workers(there, each_bytes)))
        return f"{has}; give --workers {fewer} in place of {workers}"
    return f"{has}, already with --workers 1; give it more memory, or make smaller pictures"


def shared_memory_is_writable() -> bool:
    """Whether Ray can put its object store where it would by itself."""
    try:
        tempfile.TemporaryFile(dir="/dev/shm").close()
    except OSError:
        return False
    return True


def lower_limit(kind: int, wanted_bytes: int) -> None:
    """Make a limit of this process as low as `wanted_bytes`; one that is lower already stays, and so does the hard
    one."""
    soft, hard = resource.getrlimit(kind)
    given = [limit for limit in (soft, hard) if limit != resource.RLIM_INFINITY]
    resource.setrlimit(kind, (min([wanted_bytes, *given]), hard))


def _groups(root: Path) -> Iterator[tuple[int, frozenset[str], Path]]:
    """Version, controllers and folder of every control group that this process is in, directly or by nesting, as far as
    they are mounted here."""
    # What is mounted of a hierarchy, and where, by its controllers; that of version 2 has none in these files.
    mounts: dict[frozenset[str], tuple[str, Path]] = {}
    for line in _lines(root / "proc/self/mountinfo"):
        words, kind = (part.split(" ") for part in (*line.partition(" - ")[::2],))
        if len(words) >= 5 and len(kind) >= 3 and kind[0] in ("cgroup", "cgroup2"):
            names = _WEIGHED & set(kind[2].split(","))
            if names or kind[0] == "cgroup2":
                mounts.setdefault(names, (_unescaped(words[3]), root / _unescaped(words[4])[1:]))
    for line in _lines(root / "proc/self/cgroup"):
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        names = _WEIGHED & set(controllers.split(","))
        if names not in mounts or (not names and number != "0"):
            continue
        inside, mount = mounts[names]
        group = mount
        # In a container without a namespace for groups the path is that of the host, of which a part is mounted.
        if path == inside or path.startswith(inside.rstrip("/") + "/"):
            group = mount / path.removeprefix(inside.rstrip("/")).strip("/")
        if ".." in group.parts or not group.is_dir():
            group = mount
        for place in (group, *group.parents):
            yield 1 if names else 2, names, place
            if place == mount:
                break


def _cpu_limit(group: Path, version: int) -> list[float]:
    if version == 2:
        words = _text(group / "cpu.max").split()
        quota, period = words if len(words) == 2 else ("max", "")
    else:
        quota, period = _text(group / "cpu.cfs_quota_us"), _text(group / "cpu.cfs_period_us")
    return [int(quota) / int(period)] if quota.isdigit() and period.isdigit() and int(period) else []


def _memory_limit(group: Path, version: int) -> int | None:
    if version == 2:
        # Beyond `memory.high` processes are not killed, but slowed down until they hardly move.
        found = [_text(group / name) for name in ("memory.max", "memory.high")]
    else:
        # The second one knows of groups further out, too, which a container does not see.
        hierarchical = _fields(group / "memory.stat").get("hierarchical_memory_limit", 1 << 63)
        found = [_text(group / "memory.limit_in_bytes"), str(hierarchical)]
    # Version 1 writes no limit as the largest number of pages.
    limits = [int(text) for text in found if text.isdigit() and int(text) < 1 << 60]
    return min(limits, default=None)


def _used_bytes(group: Path, version: int) -> int:
    """What cannot be had back from file caches."""
    used = _text(group / ("memory.current" if version == 2 else "memory.usage_in_bytes"))
    caches = _fields(group / "memory.stat").get("inactive_file" if version == 2 else "total_inactive_file", 0)
    return max(int(used) - caches, 0) if used.isdigit() else 0


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def _lines(path: Path) -> list[str]:
    return _text(path).splitlines()


def _fields(path: Path) -> dict[str, int]:
    """A file of lines `name number`."""
    pairs = [line.split()[:2] for line in _lines(path)]
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].isdigit()}


def _unescaped(path: str) -> str:
    """A path of `mountinfo`, which writes blanks as \\040."""
    return path.encode().decode("unicode_escape") if "\\" in path else path
