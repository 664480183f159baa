"""Bad pixels and hits replaced by what their good neighbours of the same colour show."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from pictor.imaging.combine.kernels import Reals
from pictor.imaging.types import Mask

REACH = 2
"""Neighbours up to this many same-colour steps away."""

LEAST_GOOD = 4
BAD, UNUSABLE = np.uint8(1 | 8), np.uint8(1 | 8 | 16)
EIGHT_BAD = np.uint64(0x0909090909090909)


def _numbers(mask: Mask) -> NDArray[np.int64]:
    """Return the numbers of the bad pixels, in order; eight pixels are looked at together, for few are bad."""
    flat = np.ascontiguousarray(mask).reshape(-1)
    whole = flat.size // 8 * 8
    words = np.flatnonzero(flat[:whole].view(np.uint64) & EIGHT_BAD)
    near = np.concatenate([(words[:, None] * 8 + np.arange(8)).ravel(), np.arange(whole, flat.size)])
    bad: NDArray[np.int64] = near[(flat[near] & BAD) != 0]
    return bad


@njit(cache=True, nogil=True)
def _repair(sci: Reals, err: Reals, mask: Mask, bad: NDArray[np.int64], step: int) -> int:
    """Repair the pixels numbered ``bad`` in place; neighbours are never repaired ones. Return how many were left."""
    ny, nx = sci.shape
    ring = np.empty((2 * REACH + 1) ** 2, np.float32)
    left = 0
    for number in bad:
        y, x = number // nx, number % nx
        n = 0
        for j in range(y - REACH * step, y + REACH * step + 1, step):
            for i in range(x - REACH * step, x + REACH * step + 1, step):
                inside = 0 <= j < ny and 0 <= i < nx
                if inside and mask[j, i] & UNUSABLE == 0 and np.isfinite(sci[j, i]):
                    ring[n] = sci[j, i]
                    n += 1
        if n < LEAST_GOOD:
            left += 1
            continue
        sci[y, x] = np.median(ring[:n])
        err[y, x] = np.std(ring[:n])
    return left


def repair_bad_pixels(sci: Reals, err: Reals, mask: Mask, *, bayer: bool) -> tuple[int, int]:
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

    Returns
    -------
    repaired, left
        Pixels replaced, and pixels with fewer than four good neighbours, left as they are.
    """
    bad = _numbers(mask)
    left = int(_repair(sci, err, mask, bad, 2 if bayer else 1))
    return bad.size - left, left


def warm() -> None:
    """Compile the kernel."""
    plane = np.zeros((8, 8), np.float32)
    mask = np.zeros((8, 8), np.uint8)
    mask[4, 4] = 1
    repair_bad_pixels(plane, plane.copy(), mask, bayer=False)
