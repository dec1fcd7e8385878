"""Pictures of single assets: how each stands as it was packed, with its materials, on grey paper."""

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from simgen.catalog.catalog import Catalog, ref
from simgen.core.assets import ObjectAsset
from simgen.core.geometry import direction, vec3
from simgen.core.spec import Body, Camera, Environment, Light, SceneSpec, Stage
from simgen.engine.renderer import LinearFrame, Renderer
from simgen.engine.world import build_world

SIZE_M = 0.3
"""Every asset is shown at this size: light and paper are made for it."""
FOCAL_MM, SENSOR_MM = 50.0, 32.0
AZIMUTH_RAD, ELEVATION_RAD = np.radians(-60.0), np.radians(22.0)
_WHITE = 0.45
"""Mean luminance of a picture."""


def portraits(catalog: Catalog, assets: Iterable[ObjectAsset], *, pixels: int = 320) -> Iterator[NDArray[np.uint8]]:
    """A square picture [h, w, 3] of each asset, from the front and a little from above."""
    renderer = Renderer(catalog, width=pixels, height=pixels, quality="fast")
    for asset in assets:
        spec, camera = _set(catalog, asset)
        renderer.load(build_world(spec, catalog, width=pixels, height=pixels), camera)
        frame = renderer.look()
        yield frame.frame(_exposure_ev(frame)).rgb


def _set(catalog: Catalog, asset: ObjectAsset) -> tuple[SceneSpec, Camera]:
    scale = SIZE_M / max(asset.size_m)
    low, high = (np.array(corner) * scale for corner in asset.bounds_m)
    body = Body(
        id=1,
        asset=ref(asset),
        label=asset.label,
        position_m=(0.0, 0.0, float(-low[2])),
        scale=scale,
        size_m=asset.size_m,
        mass_kg=asset.mass_kg,
        friction=asset.friction,
        restitution=asset.restitution,
    )
    middle = (low + high) / 2 + np.array([0.0, 0.0, -low[2]])
    radius = float(np.linalg.norm(high - low)) / 2
    away = 1.1 * radius / np.sin(np.arctan(SENSOR_MM / 2 / FOCAL_MM))
    camera = Camera(
        position_m=vec3(middle + away * direction(AZIMUTH_RAD, ELEVATION_RAD)),
        look_at_m=vec3(middle),
        focal_length_mm=FOCAL_MM,
        sensor_width_mm=SENSOR_MM,
    )
    lamp = Light(kind="area", name="key", position_m=(0.9, -1.0, 1.6), power=40.0, size_m=1.0)
    spec = SceneSpec(
        scene="portrait",
        bodies=(body,),
        stage=Stage(kind="sweep", color=(0.5, 0.5, 0.5)),
        lights=(lamp,),
        environment=Environment(strength=0.6),
        camera=camera,
    )
    return spec, camera


def _exposure_ev(frame: LinearFrame) -> float:
    return float(np.log2(_WHITE / max(float(frame.luminance.mean()), 1e-6)))
