"""Pairs per hour, share of the time that is rendering, and memory: one real run, and what its own figures say.

    python tests/bench/pairs_per_hour.py --n 48 [--workers 2] [-- --assets GSO.json --hdri HDRI_haven.json]

The run's wall time starts with the command, so it counts imports, Ray, and the first look at the assets. Before
and after it, as many processes at once as the run has workers render a yardstick: a picture of plain Blender that no
change of simgen alters. Pairs per yardstick compare two days, two machines, two versions.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import simgen
from simgen.dataset.layout import SPLITS, committed
from simgen.dataset.stats import read_stats

YARDSTICK = """
import time, math, os, sys, bpy
os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
bpy.ops.wm.read_factory_settings(use_empty=True)
scene = bpy.context.scene
scene.world = bpy.data.worlds.new("sky")
scene.world.use_nodes = True
sky = scene.world.node_tree.nodes.new("ShaderNodeTexSky")
sky.sky_type = "HOSEK_WILKIE"
scene.world.node_tree.links.new(sky.outputs[0], scene.world.node_tree.nodes["Background"].inputs[0])
bpy.ops.mesh.primitive_plane_add(size=20)
for k in range(5):
    bpy.ops.mesh.primitive_uv_sphere_add(location=(k - 2, 0, 0.5), radius=0.45)
    bpy.context.object.data.materials.append(bpy.data.materials.new("plain"))
    bpy.context.object.data.materials[0].use_nodes = True
bpy.ops.object.camera_add(location=(0, -6, 2.5), rotation=(math.radians(70), 0, 0))
scene.camera = bpy.context.object
scene.render.engine = "CYCLES"
scene.cycles.samples, scene.cycles.use_denoising, scene.cycles.use_adaptive_sampling = 4, False, False
scene.render.resolution_x = scene.render.resolution_y = 512
scene.render.threads_mode, scene.render.threads = "FIXED", 1
began = time.perf_counter()
bpy.ops.render.render()
print(time.perf_counter() - began, file=sys.stderr)
"""


def yardstick_s(processes: int) -> float:
    """Seconds of wall time that a fixed picture takes each of so many processes."""
    command = [sys.executable, "-c", YARDSTICK]
    running = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(processes)]
    return statistics.mean(float(one.communicate()[1].split()[-1]) for one in running)


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
        command = [sys.executable, "-m", "simgen.cli", "generate", "rigid", "--n", str(arguments.n), "--out", str(out)]
        command += ["--workers", str(arguments.workers), "--set", f"render.quality={arguments.quality}"]
        command += [f"--set=render.{side}={arguments.size}" for side in ("width", "height")]
        before_s = yardstick_s(arguments.workers)
        began = time.perf_counter()
        subprocess.run([*command, *arguments.rest], check=False)
        wall_s = time.perf_counter() - began
        after_s = yardstick_s(arguments.workers)
        costs = [read_stats(out / split, number)["cost"] for split in SPLITS for number in committed(out / split)]
        pairs = len(simgen.open(out))
    print(f"{pairs} pairs in {wall_s:.0f} s: {3600 * pairs / wall_s:.0f} pairs per hour")
    mean_s = (before_s + after_s) / 2
    print(
        f"yardstick {before_s:.2f} s before, {after_s:.2f} s after: {mean_s * pairs / wall_s:.3f} pairs per yardstick"
    )
    print(f"CPU {sum(cost['cpu_s'] for cost in costs) / pairs:.2f} s per pair")
    print(f"peak memory of a worker {max(cost['peak_rss_mb'] for cost in costs):.0f} MB")
    for stage in costs[0]["stages"]:
        print(
            f"  {stage:10} {sum(cost['stages'].get(stage, 0.0) for cost in costs) / pairs:6.2f} s of wall time per pair"
        )


if __name__ == "__main__":
    main()
