"""Which pixels that were saturated once are saturated still."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pictor.imaging.background import mesh_background
from pictor.imaging.frame import SATURATED
from pictor.imaging.types import Mask

_BRIGHT_SIGMA = 100.0
_CELL = 32


def still_full(values: NDArray[np.number], mask: Mask | None) -> NDArray[np.bool_]:
    """Tell saturated stars from hot pixels that were full and have been rejected or repaired since.

    Parameters
    ----------
    values
        Shape (ny, nx).
    mask
        Bits; a patch with bit 2 counts where its brightest pixel rises 100 sigma above the sky around it.

    Returns
    -------
    ndarray of bool
        Shape (ny, nx).
    """
    if mask is None or not (mask & SATURATED).any():
        return np.zeros(values.shape, dtype=np.bool_)
    labels, count = ndimage.label((mask & SATURATED) != 0, structure=np.ones((3, 3)))
    sky = mesh_background(values, mask=mask, cell=_CELL)
    patches = labels > 0
    above = np.nan_to_num(values[patches] - sky.evaluate()[patches], nan=0.0)
    tops = ndimage.maximum(above, labels[patches], np.arange(1, count + 1))
    bright = np.concatenate([[False], tops > _BRIGHT_SIGMA * (sky.noise or 0.0)])
    return np.asarray(bright[labels])


def shown_full(data: NDArray[Any], mask: Mask | None) -> NDArray[Any]:
    """Give pixels for a picture: saturated ones that have no value get the greatest of the others.

    Parameters
    ----------
    data
        Shape (ny, nx) or (planes, ny, nx); it is not changed.
    mask
        Bits, shape (ny, nx).
    """
    if mask is None or data.dtype.kind != "f" or not (mask & SATURATED).any():
        return data
    holes = ((mask & SATURATED) != 0) & ~np.isfinite(data)
    known = np.isfinite(data)
    if not holes.any() or not known.any():
        return data
    made = data.copy()
    made[holes] = data[known].max()
    return made
