"""The error of combined values, in one pass over them."""

import numpy as np
from numpy.typing import NDArray

from pictor.imaging.combine.kernels import Reals
from pictor.imaging.compiling import njit


@njit(cache=True, nogil=True, error_model="numpy")
def error_rows(sci: Reals, nused: NDArray[np.uint8], levels: Reals, noise: Reals, penalty: Reals, out: Reals) -> None:  # noqa: PLR0917
    """Write the standard deviation of some rows, from an even one on; infinite where nothing was used.

    ``levels`` are what ``sci`` was divided by, by parity of row and column, ``noise`` is (floor, slope, pedestal) of
    the combined value times its number of samples; ``penalty`` is what the variance grows by, by number of samples, and
    empty where it is that of a mean.
    """
    floor, slope, pedestal = noise[0], noise[1], noise[2]
    for y in range(sci.shape[0]):
        row, used, target = sci[y], nused[y], out[y]
        even, odd = levels[y & 1, 0], levels[y & 1, 1]
        for x in range(row.shape[0]):
            above = row[x] * (odd if x & 1 else even) - pedestal
            above = np.float32(0) if above < 0 else above
            target[x] = (above * slope + floor) / np.float32(used[x])
        if penalty.shape[0] > 0:
            for x in range(row.shape[0]):
                target[x] *= penalty[used[x]]
        for x in range(row.shape[0]):
            target[x] = np.sqrt(target[x])


def warm() -> None:
    """Compile the kernel."""
    plane, levels = np.ones((2, 8), np.float32), np.ones((2, 2), np.float32)
    error_rows(plane, np.ones((2, 8), np.uint8), levels, np.ones(3, np.float32), plane[0, :0], plane.copy())
