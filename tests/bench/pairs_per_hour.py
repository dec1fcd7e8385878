"""Pairs per hour, share of the time that is rendering, and memory: one real run, and what its own figures say.

    python tests/bench/pairs_per_hour.py --n 48 [--workers 2] [-- --assets GSO.json --hdri HDRI_haven.json]

The run's wall time starts with the command, so it counts imports, Ray, and the first look at the assets.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import simgen
from simgen.status import read_stats
from simgen.store import SPLITS, committed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=48)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--quality", default="fast")
    parser.add_argument("rest", nargs="*")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "data"
        command = [sys.executable, "-m", "simgen.cli", "generate", "--n", str(arguments.n), "--out", str(out)]
        command += ["--workers", str(arguments.workers), "--set", f"render.quality={arguments.quality}"]
        command += [f"--set=render.{side}={arguments.size}" for side in ("width", "height")]
        began = time.perf_counter()
        subprocess.run([*command, *arguments.rest], check=False)
        wall_s = time.perf_counter() - began
        costs = [read_stats(out / split, number)["cost"] for split in SPLITS for number in committed(out / split)]
        pairs = len(simgen.open(out))
    print(f"{pairs} pairs in {wall_s:.0f} s: {3600 * pairs / wall_s:.0f} pairs per hour")
    print(f"CPU {sum(cost['cpu_s'] for cost in costs) / pairs:.2f} s per pair")
    print(f"peak memory of a worker {max(cost['peak_rss_mb'] for cost in costs):.0f} MB")
    for stage in costs[0]["stages"]:
        print(
            f"  {stage:10} {sum(cost['stages'].get(stage, 0.0) for cost in costs) / pairs:6.2f} s of wall time per pair"
        )


if __name__ == "__main__":
    main()
