"""Meshes laid over an image: smoothing, and interpolation along the rows of the image."""

import math

import numpy as np
from numpy.typing import NDArray

from pictor.imaging.compiling import njit


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
    starts, offsets = spans(mesh.shape[1], shape[1])
    values = np.empty(mesh.shape[1], dtype=np.float32)
    mesh_row(mesh, shape[0], y, values)
    for j in range(offsets.size):
        base, slope = line(values, shape[1], j, offsets[j])
        part = out[starts[j] : starts[j + 1]]
        for x in range(part.size):
            part[x] = base + slope * np.float32(x)


@njit(cache=True, nogil=True)
def spans(mx: int, nx: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Columns at which one cell centre hands over to the next, and the distance of each from the centre before it."""
    count = max(mx - 1, 1)
    starts, offsets = np.empty(count + 1, dtype=np.int64), np.empty(count, dtype=np.float64)
    for j in range(count):
        starts[j] = 0 if j == 0 else math.ceil((j + 0.5) * nx / mx - 0.5)
        offsets[j] = 0.5 - (j + 0.5) * nx / mx + starts[j]
    starts[count] = nx
    return starts, offsets


@njit(cache=True, nogil=True)
def mesh_row(mesh: NDArray[np.float32], ny: int, y: float, out: NDArray[np.float32]) -> None:
    """Interpolate the cells of a mesh at one row of the image."""
    my = mesh.shape[0]
    fy = (y + 0.5) * my / ny - 0.5
    i = min(max(math.floor(fy), 0), max(my - 2, 0))
    wy = np.float32(fy - i) if my > 1 else np.float32(0.0)
    low, high = mesh[i], mesh[min(i + 1, my - 1)]
    for j in range(out.size):
        out[j] = low[j] + wy * (high[j] - low[j])


@njit(cache=True, nogil=True)
def line(values: NDArray[np.float32], nx: int, j: int, offset: float) -> tuple[np.float32, np.float32]:
    """Give the first value and the slope of a row between the centres of two cells."""
    mx = values.size
    left, right = values[j], values[min(j + 1, mx - 1)]
    slope = np.float32((right - left) * mx / nx)
    return np.float32(left + slope * offset), slope


@njit(cache=True, nogil=True)
def fill(mesh: NDArray[np.float32], out: NDArray[np.float32]) -> None:
    """Interpolate a mesh at every pixel of the image."""
    for y in range(out.shape[0]):
        interpolate_row(mesh, out.shape, float(y), out[y])
