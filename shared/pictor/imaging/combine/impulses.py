"""Single pixels that stand out from their neighbours of the same colour."""

import numpy as np
from numpy.typing import NDArray

from pictor.imaging.combine.kernels import Reals
from pictor.imaging.compiling import njit
from pictor.imaging.pixels import run_in_threads
from pictor.imaging.types import Image, Mask

IMPULSE_SIGMA = 16.0
"""Far beyond pixel response non-uniformity, near enough for hot pixels the dark left behind."""

LEAST_IMPULSE = 0.02
"""Relative; below two percent a pixel does no harm whatever its significance."""

SAMPLED_ROWS = 64
BAD = np.uint8(1)
WORD = 8
"""Flags looked at together."""


@njit(cache=True, nogil=True)
def _ring(image: Reals, y: int, x: int, step: int, ring: Reals) -> float:
    """Return the median of the neighbours at distance ``step``, mirrored at the border; ``ring`` is room for them."""
    ny, nx = image.shape
    found = 0
    for dy in (-step, 0, step):
        for dx in (-step, 0, step):
            if dy != 0 or dx != 0:
                j = y + dy if 0 <= y + dy < ny else y - dy
                i = x + dx if 0 <= x + dx < nx else x - dx
                value, k = image[j, i], found
                value = np.float32(np.inf) if np.isnan(value) else value
                while k > 0 and ring[k - 1] > value:
                    ring[k] = ring[k - 1]
                    k -= 1
                ring[k] = value
                found += 1
    return 0.5 * (np.float64(ring[3]) + np.float64(ring[4]))


@njit(cache=True, nogil=True)
def _residuals(image: Reals, rows: NDArray[np.int64], step: int) -> Reals:
    """Return value minus median of the ring for every third pixel, of all colours, of some rows."""
    out = np.empty((len(rows), -(-image.shape[1] // 3)), np.float32)
    ring = np.empty(8, np.float32)
    for k in range(len(rows)):
        for x in range(0, image.shape[1], 3):
            out[k, x // 3] = image[rows[k], x] - _ring(image, rows[k], x, step, ring)
    return out


@njit(cache=True, nogil=True)
def _apart(row: Reals, above: Reals, below: Reals, step: int, limit: np.float32, out: NDArray[np.uint8]) -> None:  # noqa: PLR0917
    """Flag the pixels of a row that are farther than ``limit`` from a neighbour, and those at its ends."""
    nx, inner = row.size, out[step : row.size - step]
    here, left, right = row[step : nx - step], row[: nx - 2 * step], row[2 * step :]
    over, under, corner = above[step : nx - step], below[step : nx - step], above[: nx - 2 * step]
    for x in range(here.size):
        beside = max(abs(here[x] - left[x]), abs(here[x] - right[x]))
        inner[x] = not max(beside, abs(here[x] - over[x]), abs(here[x] - under[x]), abs(here[x] - corner[x])) <= limit
    out[:step], out[nx - step : nx] = 1, 1


@njit(cache=True, nogil=True)
def _mark(image: Reals, step: int, limit: float, first: int, last: int, mask: Mask) -> None:  # noqa: PLR0917
    """Mark pixels farther than ``limit`` from the median of the ring; most are cleared by their neighbours."""
    ny, nx = image.shape
    ring, apart = np.empty(8, np.float32), np.zeros(-(-nx // WORD) * WORD, np.uint8)
    words = apart.view(np.uint64)
    for y in range(first, last):
        up, down = y - step if y >= step else y + step, y + step if y + step < ny else y - step
        _apart(image[y], image[up], image[down], step, np.float32(limit), apart)
        for k in range(words.size):
            if words[k]:
                for x in range(k * WORD, min(k * WORD + WORD, nx)):
                    if apart[x] and not abs(image[y, x] - _ring(image, y, x, step, ring)) <= limit:
                        mask[y, x] |= BAD


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
    found = np.zeros(image.shape, np.uint8)
    mark_impulses(np.ascontiguousarray(image, dtype=np.float32), found, step=step, sigma=sigma)
    return found.view(np.bool_)


def mark_impulses(image: Reals, mask: Mask, *, step: int, sigma: float = IMPULSE_SIGMA) -> None:
    """Mark in a mask, as bad, the pixels `find_impulses` finds in a plane of float32."""
    ny, nx = image.shape
    if min(ny, nx) <= 2 * step:
        return
    rows = np.unique(np.linspace(0, ny - 1, SAMPLED_ROWS).astype(np.int64))
    residuals = _residuals(image, rows, step)
    spread = 1.4826 * float(np.nanmedian(np.abs(residuals - np.nanmedian(residuals))))
    limit = max(sigma * spread, LEAST_IMPULSE)
    run_in_threads(lambda first, last: _mark(image, step, limit, first, last, mask), [0, ny // 2, ny])


def warm() -> None:
    """Compile the kernels."""
    find_impulses(np.ones((8, 8), np.float32), step=1)
