"""Vectors and quaternions as plain tuples. World frame: metres, right-handed, Z up, the stage's top at z = 0;
quaternions are (w, x, y, z), as in Kubric."""

import numpy as np
from numpy.typing import NDArray

Vec3 = tuple[float, float, float]


Quat = tuple[float, float, float, float]


Floats = NDArray[np.float64]


IDENTITY: Quat = (1.0, 0.0, 0.0, 0.0)
