"""What a picture costs and how near it comes to one with many samples.

    python tests/bench/render_quality.py --assets GSO.json --hdri HDRI_haven.json --out FOLDER

Still scenes of objects with fine print, rendered with each setting and with many samples; prints processor seconds and
PSNR against the latter, and writes crops at four times their size beside each other for the eye to judge.
"""

import argparse
import time
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from simgen.catalog.catalog import Catalog, open_catalog
from simgen.core.rollout import Rollout
from simgen.core.spec import Body, Camera, ViewRequest
from simgen.core.tracks import PoseTrack
from simgen.engine.renderer import Renderer, Sampling
from simgen.engine.world import build_world
from simgen.make.exposure import exposure_ev
from simgen.scene.cameras import body_shape, frame_camera
from simgen.scene.draw import Draw

SETTINGS = (
    Sampling(4, "BALANCED", "NONE"),
    Sampling(4, "BALANCED", "FAST"),
    Sampling(4, "BALANCED"),
    Sampling(8, "HIGH", "NONE"),
    Sampling(8, "BALANCED"),
    Sampling(8, "HIGH"),
    Sampling(16, "HIGH"),
    Sampling(64, "HIGH"),
)
REFERENCE = Sampling(256, "HIGH")
CROP = 96


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--assets", action="append", default=[])
    parser.add_argument("--hdri", action="append", default=[])
    parser.add_argument("--scenes", type=int, default=3)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    catalog = open_catalog(objects=options.assets, environments=options.hdri)
    renderer = Renderer(catalog, width=options.size, height=options.size, quality="fast")
    for number in range(options.scenes):
        compare(renderer, number, options.out)


def compare(renderer: Renderer, number: int, out: Path) -> None:
    """One scene in all settings; its crops and figures."""
    rollout, camera = still_life(renderer.catalog, number, renderer.width)
    renderer.load(build_world(rollout.spec, renderer.catalog, width=renderer.width, height=renderer.height), camera)
    look = renderer.render_survey(rollout, rollout.start)
    camera = replace(camera, exposure_ev=exposure_ev([(look.luminance, look.ids > 0)]))
    pictures = {}
    for setting in (*SETTINGS, REFERENCE):
        began = time.process_time()
        renderer.sampling = setting
        pictures[setting] = renderer.render(rollout, camera, rollout.start)
        print(f"scene {number}  {named(setting)}  {time.process_time() - began:6.2f} s", flush=True)
    reference = pictures.pop(REFERENCE)
    for setting, picture in pictures.items():
        psnr = 10 * np.log10(255**2 / np.mean((picture.rgb.astype(float) - reference.rgb) ** 2))
        print(f"scene {number}  {named(setting)}  {psnr:5.1f} dB")
    shown = [*(pictures[s].rgb for s in SETTINGS), reference.rgb]
    cv2.imwrite(str(out / f"scene{number}.png"), reference.rgb[..., ::-1])
    for k, (top, left) in enumerate(busiest(reference.rgb, reference.ids > 0)):
        crops = [enlarge(p[top : top + CROP, left : left + CROP]) for p in shown]
        cv2.imwrite(str(out / f"scene{number}_crop{k}.png"), np.concatenate(crops, axis=1)[..., ::-1])


def named(setting: Sampling) -> str:
    return f"{setting.samples:3d} {setting.denoiser:8s} {setting.prefilter:8s}"


def still_life(catalog: Catalog, number: int, size: int) -> tuple[Rollout, Camera]:
    """Objects of the first manifest side by side on a table, under a drawn light."""
    rng = np.random.default_rng([7, number])
    draw = Draw(rng=rng, catalog=catalog, split="train")
    given = [asset for asset in catalog.objects if asset.source in catalog.given] or list(catalog.objects)
    bodies: list[Body] = []
    for k, index in enumerate(rng.permutation(len(given))[:4]):
        place = ((k % 2 - 0.5) * 0.22, (k // 2 - 0.5) * 0.22)
        bodies.append(draw.body(given[index], k + 1, role="actor", at=place))
    view = draw.view()
    spec = draw.spec(
        "bench", bodies, camera=view, stage=draw.stage(("table", "floor", "sweep")[number % 3 : number % 3 + 1])
    )
    assert isinstance(view, ViewRequest)
    tracks = tuple(
        PoseTrack(
            body=body.id,
            position_m=np.array([body.position_m]),
            quaternion=np.array([body.quaternion]),
            velocity_mps=np.zeros((1, 3)),
            angular_velocity_radps=np.zeros((1, 3)),
        )
        for body in bodies
    )
    zero = np.zeros(1)
    rollout = Rollout(
        spec=spec,
        times_s=zero,
        tracks=tracks,
        contacts=(),
        start_index=0,
        end_index=0,
        kinetic_j=zero,
        potential_j=zero,
        penetration_m=zero,
        work_j=0.0,
    )
    shapes = {body.id: body_shape(body, catalog.shape(body.asset)) for body in bodies}
    return rollout, frame_camera(view, shapes, rollout, width=size, height=size)


def busiest(picture: NDArray[np.uint8], subject: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Corners of the two crops with the most fine detail on the subjects, not overlapping."""
    detail = np.abs(cv2.Laplacian(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), cv2.CV_64F)) * subject
    found = []
    for _ in range(2):
        sums = cv2.boxFilter(detail, -1, (CROP, CROP), anchor=(0, 0), normalize=False)[:-CROP, :-CROP]
        top, left = (int(v) for v in np.unravel_index(np.argmax(sums), sums.shape))
        found.append((top, left))
        detail[top : top + CROP, left : left + CROP] = 0
    return found


def enlarge(crop: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.repeat(np.repeat(crop, 4, axis=0), 4, axis=1)


if __name__ == "__main__":
    main()
