"""Meshes laid over an image: smoothing, and interpolation along the rows of the image."""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray


@njit(cache=True, nogil=True)
def median3(mesh: NDArray[np.float32]) -> NDArray[np.float32]:
    """Median of the finite cells in the 3 x 3 neighbourhood; cells beyond the edge repeat the edge."""
    my, mx = mesh.shape
    out = np.empty_like(mesh)
    around = np.empty(9, dtype=np.float32)
    for i in range(my):
        for j in range(mx):
            count = 0
            for k in range(9):
                value = mesh[min(max(i + k // 3 - 1, 0), my - 1), min(max(j + k % 3 - 1, 0), mx - 1)]
                if np.isfinite(value):
                    around[count] = value
                    count += 1
            out[i, j] = np.median(around[:count]) if count else np.nan
    return out


@njit(cache=True, nogil=True)
def interpolate_row(mesh: NDArray[np.float32], shape: tuple[int, int], y: float, out: NDArray[np.float32]) -> None:
    """Interpolate a mesh along one row of the image, linearly, also beyond the outer cell centres."""
    my, mx = mesh.shape
    ny, nx = shape
    fy = (y + 0.5) * my / ny - 0.5
    i = min(max(math.floor(fy), 0), max(my - 2, 0))
    wy = np.float32(fy - i) if my > 1 else np.float32(0.0)
    i2 = min(i + 1, my - 1)
    for j in range(max(mx - 1, 1)):
        j2 = min(j + 1, mx - 1)
        left = mesh[i, j] + wy * (mesh[i2, j] - mesh[i, j])
        right = mesh[i, j2] + wy * (mesh[i2, j2] - mesh[i, j2])
        start = 0 if j == 0 else math.ceil((j + 0.5) * nx / mx - 0.5)
        stop = nx if j >= mx - 2 else math.ceil((j + 1.5) * nx / mx - 0.5)
        slope = np.float32((right - left) * mx / nx)
        base = np.float32(left + slope * (0.5 - (j + 0.5) * nx / mx + start))
        part = out[start:stop]
        for x in range(part.size):
            part[x] = base + slope * np.float32(x)


@njit(cache=True, nogil=True)
def fill(mesh: NDArray[np.float32], out: NDArray[np.float32]) -> None:
    """Interpolate a mesh at every pixel of the image."""
    for y in range(out.shape[0]):
        interpolate_row(mesh, out.shape, float(y), out[y])
