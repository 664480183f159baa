"""Bad pixels and hits replaced by what their good neighbours of the same colour show."""

import numpy as np

from pictor.imaging.combine.kernels import Reals
from pictor.imaging.compiling import njit
from pictor.imaging.types import Mask

REACH = 2
"""Neighbours up to this many same-colour steps away."""

LEAST_GOOD = 4
BAD, UNUSABLE = np.uint8(1 | 8), np.uint8(1 | 8 | 16)
STRIDE = 64
"""Pixels of the mask looked at together, for few are bad."""


def halo(*, bayer: bool) -> int:
    """Rows beyond a bad pixel its repair may look at."""
    return REACH * (2 if bayer else 1)


@njit(cache=True, nogil=True)
def _gather(sci: Reals, mask: Mask, y: int, x: int, step: int, reach: int, ring: Reals) -> int:  # noqa: PLR0917
    """Collect the good neighbours of a pixel in order of their values; return their number."""
    ny, nx = sci.shape
    n = 0
    for j in range(max(y - reach * step, y % step), min(y + reach * step + 1, ny), step):
        for i in range(max(x - reach * step, x % step), min(x + reach * step + 1, nx), step):
            value = sci[j, i]
            if mask[j, i] & UNUSABLE or not np.isfinite(value):
                continue
            at = n
            while at > 0 and ring[at - 1] > value:
                ring[at] = ring[at - 1]
                at -= 1
            ring[at] = value
            n += 1
    return n


@njit(cache=True, nogil=True)
def _spread(ring: Reals) -> float:
    """Return the standard deviation of the neighbours."""
    mean, total = 0.0, 0.0
    for value in ring:
        mean += value
    mean /= ring.size
    for value in ring:
        total += (value - mean) ** 2
    return float(np.sqrt(total / ring.size))


@njit(cache=True, nogil=True)
def _any(mask: Mask) -> bool:
    found = np.uint8(0)
    for i in range(mask.size):
        found |= mask[i]
    return bool((found & BAD) != 0)


@njit(cache=True, nogil=True)
def repair_rows(  # noqa: PLR0917
    sci: Reals, err: Reals, mask: Mask, first: int, last: int, step: int, reach: int
) -> tuple[int, int]:
    """Repair rows ``first`` to ``last`` in place; neighbours are never repaired ones. Return repaired and left."""
    ring = np.empty((2 * reach + 1) ** 2, sci.dtype)
    repaired, left = 0, 0
    for y in range(first, last):
        for start in range(0, sci.shape[1], STRIDE):
            end = min(start + STRIDE, sci.shape[1])
            if not _any(mask[y, start:end]):
                continue
            for x in range(start, end):
                if mask[y, x] & BAD == 0:
                    continue
                n = _gather(sci, mask, y, x, step, reach, ring)
                if n < LEAST_GOOD:
                    left += 1
                    continue
                repaired += 1
                sci[y, x] = (np.float64(ring[(n - 1) // 2]) + np.float64(ring[n // 2])) / 2
                err[y, x] = _spread(ring[:n])
    return repaired, left


def repair_bad_pixels(sci: Reals, err: Reals, mask: Mask, *, bayer: bool, radius: int = REACH) -> tuple[int, int]:
    """Replace bad pixels in place by the median of good neighbours of the same colour.

    The error becomes the standard deviation of these neighbours; the mask keeps telling what was wrong with the pixel.

    Parameters
    ----------
    sci, err
        Calibrated light and its error, float32, shape (ny, nx); both are changed.
    mask
        Bit mask; pixels with 1 (bad) or 8 (hit) are repaired, those with 1, 8 or 16 are no neighbours.
    bayer
        Whether same-colour neighbours are two pixels apart.
    radius
        Neighbours are those up to this many same-colour steps away.

    Returns
    -------
    repaired, left
        Pixels replaced, and pixels with fewer than four good neighbours, left as they are.
    """
    repaired, left = repair_rows(sci, err, mask, 0, sci.shape[0], 2 if bayer else 1, radius)
    return int(repaired), int(left)


def warm() -> None:
    """Compile the kernel, also for frames of 64 bits."""
    mask = np.zeros((8, 8), np.uint8)
    mask[4, 4] = 1
    for kind in (np.float32, np.float64):
        plane = np.zeros((8, 8), kind)
        repair_bad_pixels(plane, plane.copy(), mask, bayer=False)
