"""Random fields that repeat without a seam, in the plane and in space, and the maps that come of heights."""

from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from simgen.core.vectors import Floats

VOLUME = 48
"""Edge of the block of noise that solid textures are read from."""


def plane_noise(
    rng: np.random.Generator, shape: tuple[int, int], *, wave_px: tuple[float, float], octave: float = 0.6
) -> Floats:
    """A periodic Gaussian field [H, W] of mean 0 and variance 1.

    `wave_px` is the typical length of its features down and along; `octave` how wide a band of lengths around that.
    """
    frequency_y = np.abs(np.fft.fftfreq(shape[0]))[:, None] * wave_px[0]
    frequency_x = np.fft.rfftfreq(shape[1])[None, :] * wave_px[1]
    radius = np.hypot(frequency_y, frequency_x)
    with np.errstate(divide="ignore"):
        gain = np.exp(-0.5 * (np.log(radius) / octave) ** 2)
    return _drawn(rng, shape, gain)


def cloud_noise(rng: np.random.Generator, shape: tuple[int, int], *, wave_px: float, roughness: float = 1.0) -> Floats:
    """A periodic field with all lengths up to `wave_px`, each octave weaker than the one above by 2^-roughness."""
    frequency = np.hypot(np.fft.fftfreq(shape[0])[:, None], np.fft.rfftfreq(shape[1])[None, :]) * wave_px
    gain = np.where(frequency > 0, np.maximum(frequency, 1.0) ** -(1.0 + roughness), 0.0)
    return _drawn(rng, shape, gain)


def _drawn(rng: np.random.Generator, shape: tuple[int, int], gain: Floats) -> Floats:
    """White noise, drawn in the spectrum, through a filter; mean 0 and variance 1."""
    spectrum = rng.standard_normal((*gain.shape, 2)).view(np.complex128)[..., 0] * gain
    spectrum[0, 0] = 0.0
    field: Floats = np.fft.irfft2(spectrum, s=shape)
    field /= field.std()
    return field


@cache
def _volume() -> NDArray[np.float32]:
    """Smooth noise [N³] with values near -1 to 1, periodic; its features are about three cells wide."""
    rng = np.random.default_rng(20)
    shape = (VOLUME,) * 3
    axes = np.meshgrid(np.fft.fftfreq(VOLUME), np.fft.fftfreq(VOLUME), np.fft.rfftfreq(VOLUME), indexing="ij")
    gain = np.exp(-((np.sqrt(sum(axis**2 for axis in axes)) / 0.16) ** 2))
    field = np.fft.irfftn(np.fft.rfftn(rng.standard_normal(shape)) * gain, s=shape)
    volume: NDArray[np.float32] = (field / (2.0 * field.std())).astype(np.float32).reshape(-1)
    return volume


def space_noise(points: Floats, *, wave_m: float | tuple[float, float, float], shift: float = 0.0) -> Floats:
    """Smooth noise at points [..., 3], about -1 to 1, with features of `wave_m`."""
    at = (points / np.asarray(wave_m) * 3.0 + shift).astype(np.float32)
    low = np.floor(at)
    t = at - low
    t = t * t * (3 - 2 * t)
    near = low.astype(np.int32) % VOLUME
    far = (near + 1) % VOLUME
    scale = (VOLUME * VOLUME, VOLUME, 1)
    (x0, y0, z0), (x1, y1, z1) = ([index[..., k] * scale[k] for k in range(3)] for index in (near, far))
    tx, ty, tz = t[..., 0], t[..., 1], t[..., 2]
    volume = _volume()

    def along_x(row: NDArray[np.int32]) -> NDArray[np.float32]:
        start = volume[x0 + row]
        value: NDArray[np.float32] = start + tx * (volume[x1 + row] - start)
        return value

    def along_y(layer: NDArray[np.int32]) -> NDArray[np.float32]:
        start = along_x(y0 + layer)
        value: NDArray[np.float32] = start + ty * (along_x(y1 + layer) - start)
        return value

    bottom = along_y(z0)
    result: Floats = (bottom + tz * (along_y(z1) - bottom)).astype(np.float64)
    return result


def normal_map(height_m: Floats, step_m: tuple[float, float]) -> Floats:
    """Tangent-space normals [H, W, 3] as colours, green up; `step_m` is the size of a pixel down and along."""
    down = (np.roll(height_m, -1, axis=0) - np.roll(height_m, 1, axis=0)) / (2 * step_m[0])
    along = (np.roll(height_m, -1, axis=1) - np.roll(height_m, 1, axis=1)) / (2 * step_m[1])
    # Rows run downwards and green is up, so the slope down the picture enters with its own sign.
    normal = np.stack([-along, down, np.ones_like(height_m)], axis=-1)
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
    result: Floats = normal * 0.5 + 0.5
    return result


def resized(field: Floats, shape: tuple[int, int]) -> Floats:
    """A smooth field [H, W, …] at another resolution."""
    return np.asarray(cv2.resize(field, shape[::-1], interpolation=cv2.INTER_CUBIC), dtype=np.float64)


def mix(a: Floats, b: Floats, share: Floats) -> Floats:
    """Colours [..., 3] from a to b by a share [...] of 0 to 1."""
    result: Floats = np.clip(share, 0.0, 1.0)[..., None] * (b - a)
    result += a
    return result


def step(edge: Floats | float, value: Floats, width: Floats | float) -> Floats:
    """0 below the edge, 1 above, smooth over `width`: what anti-aliases every drawn line."""
    t = np.clip((value - edge) / width + 0.5, 0.0, 1.0)
    result: Floats = t * t * (3 - 2 * t)
    return result


def rgb(hex_color: str) -> Floats:
    """`#rrggbb` as three sRGB shares of 0 to 1."""
    return np.array([int(hex_color[k : k + 2], 16) / 255 for k in (1, 3, 5)])


def linear(srgb: Floats) -> Floats:
    """sRGB shares as linear light."""
    result: Floats = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    return result
