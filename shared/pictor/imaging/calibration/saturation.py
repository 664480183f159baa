"""Which pixels of a combined flat no light can be told of, because they were full."""

import numpy as np
from numpy.typing import NDArray

from pictor.imaging.combine.combining import Combined
from pictor.imaging.combine.kernels import SATURATED
from pictor.imaging.types import Image

FULL = 0.999
"""Rounding of scaled samples must not hide a full pixel."""


def mark_saturated(combined: Combined, full: float, scale: NDArray[np.float64], dark: Image | None) -> None:
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
    least = scale.min(axis=0)
    for y in (0, 1):
        for x in (0, 1):
            below = 0.0 if dark is None else dark[y::2, x::2]
            limit = np.float32(FULL * least[y, x]) * (np.float32(full) - below)
            combined.mask[y::2, x::2][combined.sci[y::2, x::2] >= limit] |= SATURATED
