"""Light as colour: black bodies, hues and their names. Linear RGB is Rec. 709 with white at D65."""

import numpy as np
from numpy.typing import ArrayLike

from simgen.core.vectors import Floats, Vec3

PLANCK_JS, LIGHT_MPS, BOLTZMANN_JPK = 6.62607015e-34, 299792458.0, 1.380649e-23
"""Exact since the SI of 2019."""
STEFAN_BOLTZMANN = 5.670374419e-8
"""W/m²/K⁴"""
XYZ_TO_RGB = np.array(
    [
        [3.2404542, -1.5371385, -0.4985314],
        [-0.9692660, 1.8760108, 0.0415560],
        [0.0556434, -0.2040259, 1.0572252],
    ]
)
"""IEC 61966-2-1."""
LUMINANCE = np.array([0.2126, 0.7152, 0.0722])
"""Rec. 709 weights for linear RGB."""


def observer(wavelength_nm: ArrayLike) -> Floats:
    """The CIE 1931 2° colour matching functions x, y, z [..., 3], as sums of Gaussians (Wyman, Sloan, Shirley 2013,
    multi-lobe fit; off by at most a few thousandths)."""
    nm = np.asarray(wavelength_nm, dtype=float)

    def lobe(peak: float, below: float, above: float) -> Floats:
        t = (nm - peak) * np.where(nm < peak, below, above)
        return np.asarray(np.exp(-0.5 * t * t))

    x = 0.362 * lobe(442.0, 0.0624, 0.0374) + 1.056 * lobe(599.8, 0.0264, 0.0323) - 0.065 * lobe(501.1, 0.0490, 0.0382)
    y = 0.821 * lobe(568.8, 0.0213, 0.0247) + 0.286 * lobe(530.9, 0.0613, 0.0322)
    z = 1.217 * lobe(437.0, 0.0845, 0.0278) + 0.681 * lobe(459.0, 0.0385, 0.0725)
    return np.stack([x, y, z], axis=-1)


def planck_radiance(wavelength_nm: ArrayLike, kelvin: ArrayLike) -> Floats:
    """Spectral radiance of a black body, W/m²/sr/nm (Planck's law)."""
    metres = np.asarray(wavelength_nm, dtype=float) * 1e-9
    x = PLANCK_JS * LIGHT_MPS / (metres * BOLTZMANN_JPK * np.asarray(kelvin, dtype=float))
    result: Floats = 2e-9 * PLANCK_JS * LIGHT_MPS**2 / metres**5 / np.expm1(np.minimum(x, 700.0))
    return result


def blackbody_xyz(kelvin: ArrayLike) -> Floats:
    """Tristimulus radiance [..., 3] of black bodies, W/m²/sr weighted by the observer."""
    nm = np.arange(360.0, 831.0, 2.0)
    spectrum = planck_radiance(nm, np.asarray(kelvin, dtype=float)[..., None])
    result: Floats = 2.0 * spectrum @ observer(nm)
    return result


def chromaticity(xyz: ArrayLike) -> tuple[float, float]:
    """CIE 1931 x and y."""
    xyz = np.asarray(xyz, dtype=float)
    return float(xyz[0] / xyz.sum()), float(xyz[1] / xyz.sum())


def blackbody_rgb(kelvin: float) -> Vec3:
    """The colour of a black body with luminance 1; what sRGB cannot show (below 1900 K) is brought to its edge."""
    rgb = np.maximum(XYZ_TO_RGB @ blackbody_xyz(kelvin), 0.0)
    r, g, b = (float(value) for value in rgb / (rgb @ LUMINANCE))
    return (r, g, b)


def glow(kelvin: Floats) -> Floats:
    """Visible radiance [..., 3] of hot surfaces as linear RGB, relative to that of 1300 K, whose luminance is 1."""
    table_k = np.linspace(500.0, 2500.0, 201)
    xyz = blackbody_xyz(table_k)
    rgb = np.maximum(xyz @ XYZ_TO_RGB.T, 0.0)
    rgb *= (xyz[:, 1] / np.maximum(rgb @ LUMINANCE, 1e-300))[:, None]
    rgb /= float(np.interp(1300.0, table_k, xyz[:, 1]))
    # Between table points the logarithm is what is nearly straight.
    logs = np.log(np.maximum(rgb, 1e-12))
    kelvin = np.asarray(kelvin, dtype=float)
    result: Floats = np.exp(np.stack([np.interp(kelvin, table_k, logs[:, k]) for k in range(3)], axis=-1))
    return np.where(result <= 1.1e-12, 0.0, result)


def hue_rgb(hue_deg: float, saturation: float = 1.0) -> Vec3:
    """Linear RGB of luminance 1 by hue (0 red, 120 green, 240 blue) and saturation in that linear space."""
    sector = (hue_deg / 60.0) % 6.0
    rise = 1 - abs(sector % 2 - 1)
    pure = [(1, rise, 0), (rise, 1, 0), (0, 1, rise), (0, rise, 1), (rise, 0, 1), (1, 0, rise)][int(sector)]
    rgb = 1 - saturation + saturation * np.array(pure)
    r, g, b = (float(value) for value in rgb / (rgb @ LUMINANCE))
    return (r, g, b)
