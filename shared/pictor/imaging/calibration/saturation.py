"""Which pixels of a combined flat no light can be told of, because they were full."""

import numpy as np
from numpy.typing import NDArray

from pictor.imaging.calibration.planes import row_chunks
from pictor.imaging.combine.combining import Combined
from pictor.imaging.combine.kernels import SATURATED
from pictor.imaging.types import Rowed

FULL = 0.999
"""Rounding of scaled samples must not hide a full pixel."""


def mark_saturated(combined: Combined, full: float, scale: NDArray[np.float64], dark: Rowed | None) -> None:
    """Mark in the mask of a combined flat, still in ADU, the pixels that were full in its brightest frame.

    Parameters
    ----------
    combined
        The flats combined, shape (ny, nx); its mask is changed.
    full
        Level of a saturated pixel in an individual flat, in ADU.
    scale
        What each flat was multiplied by, by parity of row and column, shape (n, 2, 2).
    dark
        What was subtracted before, shape (ny, nx), in ADU.
    """
    least = FULL * scale.min(axis=0)
    for rows in row_chunks((combined.sci.shape[0], combined.sci.shape[1])):
        sci, mask = combined.sci[rows], combined.mask[rows]
        below = np.zeros_like(sci) if dark is None else dark[rows]
        for y, x in np.ndindex(2, 2):
            limit = np.float32(least[y, x]) * (np.float32(full) - below[y::2, x::2])
            mask[y::2, x::2][sci[y::2, x::2] >= limit] |= SATURATED
