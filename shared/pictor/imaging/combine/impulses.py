"""Single pixels that stand out from their neighbours of the same colour."""

import numpy as np
from numpy.typing import NDArray

from pictor.imaging.combine.kernels import Reals
from pictor.imaging.compiling import njit
from pictor.imaging.pixels import run_in_threads
from pictor.imaging.types import Image

IMPULSE_SIGMA = 16.0
"""Far beyond pixel response non-uniformity, near enough for hot pixels the dark left behind."""

LEAST_IMPULSE = 0.02
"""Relative; below two percent a pixel does no harm whatever its significance."""

SAMPLED_ROWS = 64


@njit(cache=True, nogil=True)
def _ring(image: Reals, y: int, x: int, step: int, ring: Reals) -> float:
    """Fill ``ring`` with the neighbours at distance ``step``, mirrored at the border; return their median."""
    ny, nx = image.shape
    k = 0
    for dy in (-step, 0, step):
        for dx in (-step, 0, step):
            if dy != 0 or dx != 0:
                j = y + dy if 0 <= y + dy < ny else y - dy
                i = x + dx if 0 <= x + dx < nx else x - dx
                ring[k] = image[j, i]
                k += 1
    return float(np.median(ring))


@njit(cache=True, nogil=True)
def _residuals(image: Reals, rows: NDArray[np.int64], step: int) -> Reals:
    """Return value minus median of the ring for every pixel of some rows."""
    out = np.empty((len(rows), image.shape[1]), np.float32)
    ring = np.empty(8, np.float32)
    for k in range(len(rows)):
        for x in range(image.shape[1]):
            out[k, x] = image[rows[k], x] - _ring(image, rows[k], x, step, ring)
    return out


@njit(cache=True, nogil=True)
def _mark(image: Reals, step: int, limit: float, rows: tuple[int, int], out: NDArray[np.bool_]) -> None:
    """Mark pixels farther than ``limit`` from the median of the ring; most are cleared by their row neighbours."""
    ny, nx = image.shape
    ring = np.empty(8, np.float32)
    for y in range(rows[0], rows[1]):
        up, down = y - step if y >= step else y + step, y + step if y + step < ny else y - step
        for x in range(nx):
            v, near = image[y, x], 0
            left, right = x - step if x >= step else x + step, x + step if x + step < nx else x - step
            for n in (image[y, left], image[y, right], image[up, x], image[down, x], image[up, left]):
                near += abs(v - n) <= limit
            if near < 5:
                out[y, x] = not abs(v - _ring(image, y, x, step, ring)) <= limit


def find_impulses(image: Image, *, step: int, sigma: float = IMPULSE_SIGMA) -> NDArray[np.bool_]:
    """Find pixels that differ from the median of their eight neighbours by ``sigma`` robust deviations.

    Parameters
    ----------
    image
        Normalised flat, shape (ny, nx), at least 2 * ``step`` + 1 pixels each way.
    step
        Distance of the neighbours: 1, or 2 where a Bayer pattern puts the same colour.
    sigma
        Threshold in robust standard deviations of that difference over the frame.

    Returns
    -------
    numpy.ndarray
        True where a pixel stands out, shape (ny, nx).
    """
    ny, nx = image.shape
    found = np.zeros((ny, nx), np.bool_)
    if min(ny, nx) <= 2 * step:
        return found
    values = np.ascontiguousarray(image, dtype=np.float32)
    rows = np.unique(np.linspace(0, ny - 1, SAMPLED_ROWS).astype(np.int64))
    residuals = _residuals(values, rows, step)
    spread = 1.4826 * float(np.nanmedian(np.abs(residuals - np.nanmedian(residuals))))
    limit = max(sigma * spread, LEAST_IMPULSE)
    run_in_threads(lambda first, last: _mark(values, step, limit, (first, last), found), [0, ny // 2, ny])
    return found


def warm() -> None:
    """Compile the kernels."""
    find_impulses(np.ones((8, 8), np.float32), step=1)
