"""Guess the level at which pixels are saturated."""

import numpy as np

from pictor.imaging.pixels import Pixels, quantum

# Full scales of 8, 10, 12, 14 and 16 bits, and of 12 and 14 bits kept in the upper part of 16.
_FULL_SCALES = (255, 1023, 4095, 16383, 65535, 65520, 65532)
# So many pixels at exactly the largest value are a ceiling, not chance.
_CEILING_PIXELS = 4


def guess_saturation(image: Pixels) -> float | None:
    """Find the ceiling of the values of a frame.

    Parameters
    ----------
    image
        Shape (ny, nx), in ADU.

    Returns
    -------
    float or None
        The largest value, when it is the full scale of a converter or when at least four pixels share it;
        None when nothing in the frame looks saturated.
    """
    values = image[np.isfinite(image)] if image.dtype.kind == "f" else image
    if values.size == 0:
        return None
    largest = float(values.max())
    ceiling = int(np.count_nonzero(values == largest))
    whole = quantum(image) > 0.0
    if largest <= float(values.min()):
        return largest if whole and largest in _FULL_SCALES else None
    if (whole and largest in _FULL_SCALES) or ceiling >= _CEILING_PIXELS:
        return largest
    return None
