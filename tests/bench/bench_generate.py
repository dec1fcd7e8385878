"""simgen beside stock Kubric: the same scenes through both, and both against one picture with very many samples.

    pip install -e '.[bench]'
    python tests/bench/bench_generate.py --assets GSO.json --hdri HDRI_haven.json
    python tests/bench/bench_generate.py --assets GSO.json --hdri HDRI_haven.json --quick --json figures.json

The scenes stand by turns in the middle of an environment map, on a table top and in a room. simgen makes its samples as
a worker does: attempts that are rejected, masks, instructions and PNG files are in its time. Stock Kubric
(`stock_kubric.py`) is given what simgen found: poses of both frames, stage, lights and materials, so its time is
loading, two frames with its default settings, and its reading of the results; what it would need for simulation is not
counted. Each side runs in a process of its own, one after the other.

PSNR and SSIM are of start and end, against 2048 samples per pixel without denoising and with Blender's own limits of
bounces; `--start` compares the start frame alone, `--middle` and `--quick` the middle of it, a quarter of its pixels.
In a hall with small windows 2048 samples have noise of their own, so the reference is made in two halves of 1024, each
with its own seed: the product of a picture's differences from both has the mean that the square of its difference from
infinitely many samples has. Both figures are told. The second needs no 2048: `--start --samples 512` compares whole
frames in the time in which `--middle` compares quarters. References are kept in `--cache`, and `--part
reference:512:fast --threads 1` makes those of an earlier run beside other work. `--family 4` tells what simgen's pairs
cost that share a start four by four.
"""

import argparse
import hashlib
import importlib.util
import itertools
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from simgen.catalog.catalog import open_catalog, ref
from simgen.core.rollout import Rollout
from simgen.core.spec import Camera
from simgen.make.maker import Maker
from simgen.plan.plan import SampleId, sample_id
from simgen.plan.recipe import SceneChoice, load_recipe
from simgen.record.codec import encode
from simgen.scene.draw import Draw

Picture = NDArray[np.uint8]
STAGES = ("dome", "table", "floor")
"""What the scenes stand on, in turn: in the middle of an environment map, on a table top, in a room."""
SCENES = ("topple", "drop", "collide")
STOCK_SAMPLES = 64
"""Of Kubric's example scripts; its renderer's own default is 128."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--assets", action="append", default=[])
    parser.add_argument("--hdri", action="append", default=[])
    parser.add_argument("--scenes", type=int, default=12)
    parser.add_argument("--sizes", type=int, nargs="+", default=[256, 512])
    parser.add_argument("--qualities", nargs="+", default=["fast", "standard"], help="or a number of samples")
    parser.add_argument("--family", type=int, default=1, help="so many pairs begin with the same picture; simgen only")
    parser.add_argument("--quick", action="store_true", help="three scenes, 256 pixels, fast, --middle")
    parser.add_argument("--middle", action="store_true", help="compare the middle of the start frame only")
    parser.add_argument("--start", action="store_true", help="compare the start frame only")
    parser.add_argument("--samples", type=int, default=2048, help="of the references")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="for the references")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache" / "simgen" / "bench")
    parser.add_argument("--work", type=Path, default=Path("out/bench"))
    parser.add_argument("--part", help=argparse.SUPPRESS)
    options = parser.parse_args()
    # Before anything is made: the other side comes last, and only a run of families does without it.
    beside_stock = options.part.startswith("stock") if options.part else options.family == 1
    if beside_stock and (missing := missing_packages()):
        parser.exit(1, f"bench_generate: error: {missing}\n")
    if options.quick:
        options.scenes, options.sizes, options.qualities, options.middle = 3, [256], ["fast"], True
    if options.part:
        kind, size, quality = options.part.split(":")
        {"simgen": simgen_side, "stock": stock_side, "reference": reference_side}[kind](options, int(size), quality)
        return
    rows = []
    if options.family > 1:
        for size, quality in itertools.product(options.sizes, options.qualities):
            _run(options, f"simgen:{size}:{quality}")
            print((_folder(options, size, quality) / "simgen.json").read_text().partition(',\n "made"')[0])
        return
    for size in options.sizes:
        for quality in options.qualities:
            _run(options, f"simgen:{size}:{quality}")
        # What is compared are the scenes that simgen found; another quality keeps other attempts but rarely.
        _run(options, f"stock:{size}:{options.qualities[0]}")
        for quality in options.qualities:
            _run(options, f"reference:{size}:{quality}")
        rows += [_row(options, "stock", size, options.qualities[0], stock=True)]
        rows += [_row(options, quality, size, quality) for quality in options.qualities]
    for row in rows:
        print(row.pop("text"))
    if options.json:
        stock, ours = rows[0], rows[1]
        figures = {
            "kubric_pairs_per_core_hour": stock["pairs_per_core_hour"],
            "simgen_pairs_per_core_hour": ours["pairs_per_core_hour"],
            "kubric_psnr_db": stock["psnr_db"],
            "simgen_psnr_db": ours["psnr_db"],
            "ratio": ours["pairs_per_core_hour"] / stock["pairs_per_core_hour"],
            "rows": rows,
        }
        options.json.write_text(json.dumps(figures, indent=1) + "\n")


def missing_packages() -> str:
    """What to install before Kubric's own renderer can be imported; empty where nothing is missing."""
    modules = {"OpenEXR": "OpenEXR", "sklearn": "scikit-learn", "trimesh": "trimesh"}
    missing = [package for module, package in modules.items() if importlib.util.find_spec(module) is None]
    if not missing:
        return ""
    return (
        f"Kubric's own renderer needs {' and '.join(missing)}; in the folder of simgen run: "
        f"{sys.executable} -m pip install -e '.[bench]'"
    )


def _run(options: argparse.Namespace, part: str) -> None:
    print(part, flush=True)
    given = [text for kind in ("assets", "hdri") for v in getattr(options, kind) for text in (f"--{kind}", v)]
    command = [sys.executable, __file__, "--part", part, "--scenes", str(options.scenes), "--work", str(options.work)]
    command += ["--cache", str(options.cache), *given, "--threads", str(options.threads)]
    command += ["--samples", str(options.samples), "--family", str(options.family)]
    command += [f"--{name}" for name in ("quick", "middle", "start") if getattr(options, name)]
    subprocess.run(command, check=True, env=os.environ | {"OMP_NUM_THREADS": "1"})


# The two sides


def simgen_side(options: argparse.Namespace, size: int, quality: str) -> None:
    """One pair of each scene by simgen: PNG files, costs, and what the others need to repeat it."""
    from simgen.engine import renderer

    folder, inside = _folder(options, size, quality), _Timer()
    renderer.render_in_memory = inside.around(renderer.render_in_memory)
    maker = _maker(options, size, quality)
    assert maker.renderer._capture is renderer.render_in_memory
    cpu, wall, stages, made, index = [], [], {}, [], 0
    while len(made) < options.scenes or index % options.family:
        planned = sample_id(maker.recipe, seed=maker.seed, index=index)
        index += 1
        with _on(planned), _cost() as cost:
            outcome = maker.make(planned)
            if outcome.sample is not None:
                began = time.perf_counter()
                members = encode(outcome.sample)
                outcome.cost["encode"] = time.perf_counter() - began
        cpu.append(cost["cpu_s"])
        wall.append(cost["wall_s"])
        for stage, seconds in outcome.cost.items():
            stages[stage] = stages.get(stage, 0.0) + seconds
        if outcome.sample is None:
            continue
        made.append({"index": planned.index, "key": planned.key, "attempt": outcome.sample.record["attempt"]})
        for name in ("start.png", "end.png", "mask.png", "json"):
            (folder / f"{planned.key}.{name}").write_bytes(members[name])
    stages["inside_cycles"] = inside.seconds
    _write(folder / "simgen.json", _summary(cpu, wall, stages, len(made)) | {"made": made})


def stock_side(options: argparse.Namespace, size: int, quality: str) -> None:
    """The same pairs by Kubric's own renderer."""
    import stock_kubric

    from simgen.engine import passes

    folder = _folder(options, size, quality)
    maker = _maker(options, size, quality)
    cpu, wall = [], []
    for planned, rollout, camera in _repeated(maker, folder):
        scratch = folder / "scratch" / planned.key
        with _cost() as cost:
            scene = _stock_scene(stock_kubric, maker, rollout, camera, scratch, size)
            layers = scene.render([0, 1])
        cpu.append(cost["cpu_s"])
        wall.append(cost["wall_s"])
        assert layers["rgba"].shape == (2, size, size, 4)
        for frame, when in enumerate(("start", "end")):
            picture = passes.display(stock_kubric.linear(scratch, frame), camera.exposure_ev)
            cv2.imwrite(str(folder / f"{planned.key}.stock_{when}.png"), picture[..., ::-1])
    _write(folder / "stock.json", _summary(cpu, wall, {}, len(cpu)))


def reference_side(options: argparse.Namespace, size: int, quality: str) -> None:
    """How near each comes to very many samples."""
    from simgen.engine.renderer import Sampling
    from simgen.engine.world import build_world

    folder = _folder(options, size, quality)
    maker = _maker(options, size, quality)
    renderer = maker.renderer
    renderer.threads = options.threads
    # Lamps by themselves, as stock Kubric has them.
    renderer._still_suns = lambda rollout: ()  # type: ignore[method-assign]
    figures: dict[str, list[float]] = {}
    part = slice(size // 4, 3 * size // 4) if options.middle else slice(None)
    box = (part.start, part.start, part.stop, part.stop) if options.middle else None
    for planned, rollout, camera in _repeated(maker, folder):
        frames = {"start": rollout.start}
        if not options.middle and not options.start:
            frames["end"] = rollout.end
        for when, instant in frames.items():
            name = _name(rollout, camera, size, when, options.middle, options.samples)
            places = [options.cache / f"{name}-{half}.png" for half in (0, 1)]
            if not all(place.exists() for place in places):
                renderer.load(build_world(rollout.spec, maker.catalog, width=size, height=size), camera)
                _as_blender_bounces()
                renderer._place(rollout, instant)
                for half, place in enumerate(places):
                    _set_seed(half)
                    look = renderer._take(size, size, Sampling(options.samples // 2, "NONE"), box)
                    place.parent.mkdir(parents=True, exist_ok=True)
                    cv2.imwrite(str(place), look.frame(camera.exposure_ev).rgb[..., ::-1])
            halves = [cv2.imread(str(place)).astype(float) for place in places]
            truth = np.rint(sum(halves) / 2).astype(np.uint8)
            for side, name in (("simgen", when), ("stock", f"stock_{when}")):
                path = folder / f"{planned.key}.{name}.png"
                if path.exists():
                    picture = cv2.imread(str(path))[part, part]
                    figures.setdefault(f"{side}_psnr_db", []).append(_psnr_db(picture, truth))
                    figures.setdefault(f"{side}_noiseless_psnr_db", []).append(_noiseless_psnr_db(picture, halves))
                    figures.setdefault(f"{side}_ssim", []).append(_ssim(picture, truth))
    _write(folder / "quality.json", figures)


def _stock_scene(stock_kubric: Any, maker: Maker, rollout: Rollout, camera: Camera, scratch: Path, size: int) -> Any:
    """Kubric's renderer with the world of a rollout, poses set for frames 0 (start) and 1 (end)."""
    import bpy

    from simgen.core.spec import STAGE_ID
    from simgen.engine.appearance import Appearances
    from simgen.engine.environment import build_environment, read_environment_map
    from simgen.engine.renderer import _aim, _lamps, _set_light
    from simgen.engine.stages import build_stage
    from simgen.engine.world import build_world

    spec = rollout.spec
    world = build_world(spec, maker.catalog, width=size, height=size)
    world.scene.frame_start, world.scene.frame_end = 0, 1
    view = stock_kubric.renderer(world.scene, scratch, samples=STOCK_SAMPLES)
    world.assets[STAGE_ID].linked_objects[view].hide_render = True
    _aim(world.scene, camera)
    for light, thing in zip(spec.lights, _lamps(world.scene, view), strict=True):
        _set_light(thing, light)
        thing.visible_camera = False
    wardrobe = Appearances(maker.catalog)
    for body in spec.bodies:
        asset = world.assets[body.id]
        wardrobe.build(body, asset.linked_objects[view])
        for frame, instant in enumerate((rollout.start, rollout.end)):
            asset.position, asset.quaternion = rollout.pose(body.id, instant)
            asset.keyframe_insert("position", frame)
            asset.keyframe_insert("quaternion", frame)
    ref = spec.environment.asset
    probe = read_environment_map(maker.catalog.environment_path(ref)) if ref else None
    bpy.context.scene.world = bpy.data.worlds.new("sky")
    build_environment(bpy.context.scene.world, spec, probe)
    build_stage(spec, maker.catalog, camera, probe, np.random.default_rng([spec.render_seed, 1]))
    return view


def _set_seed(half: int) -> None:
    import bpy

    bpy.context.scene.cycles.seed = 7919 * (half + 1)


def _as_blender_bounces() -> None:
    """Blender's factory settings, which stock Kubric keeps."""
    import bpy

    settings = bpy.context.scene.cycles
    settings.max_bounces = settings.transmission_bounces = 12
    settings.diffuse_bounces = settings.glossy_bounces = 4
    settings.transparent_max_bounces = 8
    settings.caustics_reflective = settings.caustics_refractive = True
    settings.sample_clamp_indirect = 10.0


# What both need


def _maker(options: argparse.Namespace, size: int, quality: str) -> Maker:
    from simgen.engine import renderer

    if quality.isdigit():
        quality, renderer.QUALITIES["high"] = "high", renderer.Sampling(int(quality), "HIGH")
    settings = [f"render.width={size}", f"render.height={size}", f"render.quality={quality}"]
    recipe = load_recipe("rigid", overrides=settings)
    recipe = replace(
        recipe,
        family=options.family,
        scenes=tuple(SceneChoice(name=name, weight=1.0, parameters={}) for name in SCENES),
        assets=replace(
            recipe.assets,
            objects=tuple(str(Path(a).resolve()) for a in options.assets),
            environments=tuple(str(Path(a).resolve()) for a in options.hdri),
            exclude=_own_objects() if options.assets else (),
        ),
    )
    return Maker(recipe, seed=0)


def _own_objects() -> tuple[str, ...]:
    """So that every object is a scanned one; what tables and floors are made of stays."""
    return tuple(ref(asset) for asset in open_catalog().objects)


def _repeated(maker: Maker, folder: Path) -> Iterator[tuple[SampleId, Rollout, Camera]]:
    """The rollouts of the pairs that simgen made, with the camera that it chose."""
    for one in json.loads((folder / "simgen.json").read_text())["made"]:
        planned = sample_id(maker.recipe, seed=maker.seed, index=one["index"])
        with _on(planned):
            rollout = maker.rollout(planned, one["attempt"])
        assert isinstance(rollout, Rollout)
        chosen = json.loads((folder / f"{planned.key}.json").read_text())["camera"]
        values = {field.name: chosen[field.name] for field in fields(Camera)}
        camera = Camera(**{name: tuple(v) if isinstance(v, list) else v for name, v in values.items()})
        yield planned, replace(rollout, spec=replace(rollout.spec, camera=camera)), camera


@contextmanager
def _on(planned: SampleId) -> Iterator[None]:
    """Whatever a scene asks for, it gets the stage whose turn it is."""
    stage = Draw.stage
    Draw.stage = lambda draw, kinds=(): stage(draw, (STAGES[planned.family // len(SCENES) % len(STAGES)],))  # type: ignore[method-assign]
    try:
        yield
    finally:
        Draw.stage = stage  # type: ignore[method-assign]


@contextmanager
def _cost() -> Iterator[dict[str, float]]:
    """Wall and processor seconds of what is done inside, all threads counted."""
    cost: dict[str, float] = {}
    wall, cpu = time.perf_counter(), time.process_time()
    yield cost
    cost.update(wall_s=time.perf_counter() - wall, cpu_s=time.process_time() - cpu)


class _Timer:
    """Wall seconds spent in a function."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def around(self, function: Callable[[], Any]) -> Callable[[], Any]:
        def timed() -> Any:
            began = time.perf_counter()
            try:
                return function()
            finally:
                self.seconds += time.perf_counter() - began

        return timed


def _summary(cpu: list[float], wall: list[float], stages: dict[str, float], pairs: int) -> dict[str, Any]:
    return {
        "pairs": pairs,
        "core_s_per_pair": sum(cpu) / pairs,
        "wall_s_per_pair": sum(wall) / pairs,
        "stages": {name: seconds / pairs for name, seconds in stages.items()},
        "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def _row(options: argparse.Namespace, name: str, size: int, quality: str, *, stock: bool = False) -> dict[str, Any]:
    folder, side = _folder(options, size, quality), "stock" if stock else "simgen"
    cost = json.loads((folder / f"{side}.json").read_text())
    near = json.loads((folder / "quality.json").read_text())
    psnr, noiseless, ssim = (
        float(np.mean(near[f"{side}_{figure}"])) for figure in ("psnr_db", "noiseless_psnr_db", "ssim")
    )
    inside = cost["stages"].get("inside_cycles", 0.0) / cost["wall_s_per_pair"]
    row = {
        "setting": name, "size": size, "pairs": cost["pairs"], "core_s_per_pair": cost["core_s_per_pair"],
        "wall_s_per_pair": cost["wall_s_per_pair"], "pairs_per_core_hour": 3600 / cost["core_s_per_pair"],
        "psnr_db": psnr, "noiseless_psnr_db": noiseless, "ssim": ssim, "peak_rss_mb": cost["peak_rss_mb"],
        "inside_cycles": inside, "stages": cost["stages"],
    }  # fmt: skip
    text = f"{size:4d}  {name:9s} {row['core_s_per_pair']:7.2f} core s  {row['wall_s_per_pair']:7.2f} s  "
    text += f"{row['pairs_per_core_hour']:6.0f} pairs/core h  {psnr:5.1f} dB ({noiseless:4.1f})  {ssim:.4f}"
    text += f"  {row['peak_rss_mb']:5.0f} MB"
    return row | {"text": text + (f"  {inside:.0%} in Cycles" if inside else "")}


def _name(rollout: Rollout, camera: Camera, size: int, when: str, part: bool, samples: int) -> str:
    """Of a reference: of all that decides the picture."""
    facts = repr((rollout.spec, camera, size, when, part, samples))
    instant = rollout.start if when == "start" else rollout.end
    poses = b"".join(rollout.pose(b.id, instant)[0].tobytes() for b in rollout.spec.bodies)
    return hashlib.sha256(facts.encode() + poses).hexdigest()[:20]


def _psnr_db(picture: Picture, truth: Picture) -> float:
    return float(10 * np.log10(255**2 / np.mean((picture.astype(float) - truth) ** 2)))


def _noiseless_psnr_db(picture: Picture, halves: list[NDArray[Any]]) -> float:
    """Against what two pictures with independent noise are of; 60 at most."""
    square = np.mean((picture - halves[0]) * (picture - halves[1]))
    return float(10 * np.log10(255**2 / max(square, 255**2 / 1e6)))


def _ssim(picture: Picture, truth: Picture) -> float:
    """Of luma, with Gaussian windows of 1.5 pixels (Wang et al. 2004)."""
    a, b = (cv2.cvtColor(p, cv2.COLOR_BGR2GRAY).astype(np.float64) for p in (picture, truth))

    def mean(values: NDArray[Any]) -> NDArray[Any]:
        return np.asarray(cv2.GaussianBlur(values, (11, 11), 1.5))

    at, bt = mean(a), mean(b)
    aa, bb, ab = mean(a * a) - at * at, mean(b * b) - bt * bt, mean(a * b) - at * bt
    one, two = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    return float(np.mean((2 * at * bt + one) * (2 * ab + two) / ((at**2 + bt**2 + one) * (aa + bb + two))))


def _folder(options: argparse.Namespace, size: int, quality: str) -> Path:
    folder: Path = options.work / f"{size}_{quality}{'_quick' if options.quick else ''}"
    if options.family > 1:
        folder = folder.with_name(f"{folder.name}_family_of_{options.family}")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _write(path: Path, data: dict[str, Any]) -> None:
    path.write_text(json.dumps(data, indent=1) + "\n")


if __name__ == "__main__":
    main()
