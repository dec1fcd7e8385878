"""What a worker may use before it is ended or replaced."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Times, deaths and memory of the workers of one run."""

    worker_start_s: float = 180.0
    """For a process to appear once Ray has been asked for it and no other worker is busy."""
    maker_start_s: float = 900.0
    """For a worker to open the assets, which may have to be fetched or built first."""
    sample_s: float = 600.0
    write_s: float = 1800.0
    """To write a finished shard into the data set."""
    max_deaths: int = 3
    """A sample that has ended so many workers is quarantined."""
    max_timeouts: int = 2
    """The same for one that took too long each time: what hangs once hangs again, and costs the most."""
    shutdown_s: float = 4.0
    """For workers that are killed to be gone, when the run ends early."""
    shards_per_worker: int = 64
    resident_bytes: int = 1536 << 20
    """A worker above this is replaced once its shard is done."""
    memory_bytes: int = 6 << 30
    """An allocation beyond this fails: one sample must not bring the machine down."""
