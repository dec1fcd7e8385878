# mypy: ignore-errors
"""The three kernels of `simgen.solvers.mpm`, in Warp's Python: their types are Warp's and say nothing to mypy."""

import warp as wp


@wp.func
def _weights(fx: wp.vec3) -> wp.mat33:
    """Quadratic B-spline weights; row k is the offset, column the axis."""
    a = wp.vec3(1.5 - fx[0], 1.5 - fx[1], 1.5 - fx[2])
    b = wp.vec3(fx[0] - 1.0, fx[1] - 1.0, fx[2] - 1.0)
    c = wp.vec3(fx[0] - 0.5, fx[1] - 0.5, fx[2] - 0.5)
    return wp.mat33(
        0.5 * a[0] * a[0], 0.5 * a[1] * a[1], 0.5 * a[2] * a[2],
        0.75 - b[0] * b[0], 0.75 - b[1] * b[1], 0.75 - b[2] * b[2],
        0.5 * c[0] * c[0], 0.5 * c[1] * c[1], 0.5 * c[2] * c[2],
    )  # fmt: skip


@wp.kernel
def to_grid(
    x: wp.array(dtype=wp.vec3), v: wp.array(dtype=wp.vec3), c: wp.array(dtype=wp.mat33), b: wp.array(dtype=wp.mat33),
    j: wp.array(dtype=float), mass: float, volume: float, shear: float, bulk: float, dt: float, inv_dx: float,
    grid_v: wp.array3d(dtype=wp.vec3), grid_m: wp.array3d(dtype=float),
):  # fmt: skip
    p = wp.tid()
    at = x[p] * inv_dx
    i0, i1, i2 = int(at[0] - 0.5), int(at[1] - 0.5), int(at[2] - 0.5)
    fx = at - wp.vec3(float(i0), float(i1), float(i2))
    w = _weights(fx)
    eye = wp.identity(n=3, dtype=float)
    own = b[p]
    third = wp.trace(own) / 3.0
    # Kirchhoff stress of a neo-Hookean body: shape and volume apart.
    tau = shear * (own - third * eye) + 0.5 * bulk * (j[p] * j[p] - 1.0) * eye
    affine = (-dt * volume * 4.0 * inv_dx * inv_dx) * tau + mass * c[p]
    for k0 in range(3):
        for k1 in range(3):
            for k2 in range(3):
                away = (wp.vec3(float(k0), float(k1), float(k2)) - fx) / inv_dx
                weight = w[k0, 0] * w[k1, 1] * w[k2, 2]
                wp.atomic_add(grid_v, i0 + k0, i1 + k1, i2 + k2, weight * (mass * v[p] + affine * away))
                wp.atomic_add(grid_m, i0 + k0, i1 + k1, i2 + k2, weight * mass)


@wp.kernel
def on_grid(
    grid_v: wp.array3d(dtype=wp.vec3), grid_m: wp.array3d(dtype=float), dt: float, dx: float, floor: float,
    plate: float, plate_v: float, friction: float, damping: float, force: wp.array(dtype=float),
):  # fmt: skip
    a, b, c = wp.tid()
    m = grid_m[a, b, c]
    if m <= 0.0:
        return
    v = grid_v[a, b, c] / m
    v = (v + wp.vec3(0.0, 0.0, -9.81 * dt)) * (1.0 - damping * dt)
    z = float(c) * dx
    if z <= floor and v[2] < 0.0:
        slip = wp.sqrt(v[0] * v[0] + v[1] * v[1])
        keep = wp.max(0.0, 1.0 + friction * v[2] / wp.max(slip, 1.0e-9))
        v = wp.vec3(v[0] * keep, v[1] * keep, 0.0)
    if z >= plate and v[2] > plate_v:
        wp.atomic_add(force, 0, m * (v[2] - plate_v))
        slip = wp.sqrt(v[0] * v[0] + v[1] * v[1])
        keep = wp.max(0.0, 1.0 - friction * (v[2] - plate_v) / wp.max(slip, 1.0e-9))
        v = wp.vec3(v[0] * keep, v[1] * keep, plate_v)
    grid_v[a, b, c] = v


@wp.kernel
def from_grid(
    x: wp.array(dtype=wp.vec3), v: wp.array(dtype=wp.vec3), c: wp.array(dtype=wp.mat33), b: wp.array(dtype=wp.mat33),
    f: wp.array(dtype=wp.mat33), j: wp.array(dtype=float), shear: float, yields: float, relax: float, dt: float,
    inv_dx: float, low: wp.vec3, high: wp.vec3, grid_v: wp.array3d(dtype=wp.vec3),
):  # fmt: skip
    p = wp.tid()
    at = x[p] * inv_dx
    i0, i1, i2 = int(at[0] - 0.5), int(at[1] - 0.5), int(at[2] - 0.5)
    fx = at - wp.vec3(float(i0), float(i1), float(i2))
    w = _weights(fx)
    new_v = wp.vec3(0.0, 0.0, 0.0)
    new_c = wp.mat33(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    for k0 in range(3):
        for k1 in range(3):
            for k2 in range(3):
                away = wp.vec3(float(k0), float(k1), float(k2)) - fx
                weight = w[k0, 0] * w[k1, 1] * w[k2, 2]
                g = grid_v[i0 + k0, i1 + k1, i2 + k2]
                new_v = new_v + weight * g
                new_c = new_c + (4.0 * inv_dx * weight) * wp.outer(g, away)
    v[p] = new_v
    c[p] = new_c
    moved = x[p] + dt * new_v
    x[p] = wp.vec3(
        wp.clamp(moved[0], low[0], high[0]), wp.clamp(moved[1], low[1], high[1]), wp.clamp(moved[2], low[2], high[2])
    )
    eye = wp.identity(n=3, dtype=float)
    step = eye + dt * new_c
    f[p] = step * f[p]
    det = wp.determinant(step)
    j[p] = j[p] * det
    even = wp.pow(det, -1.0 / 3.0) * step
    own = even * b[p] * wp.transpose(even)
    # What is too much shear relaxes; the volume is not touched.
    third = wp.trace(own) / 3.0
    shape = own - third * eye
    size = shear * wp.sqrt(wp.ddot(shape, shape))
    if size > yields:
        kept = yields + (size - yields) * relax
        shape = shape * (kept / size)
        own = shape + third * eye
        own = own * wp.pow(wp.determinant(own), -1.0 / 3.0)
    b[p] = own
