"""Sky level and noise of a frame, for one channel or for a colour pattern."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pictor.imaging.background import Background, mesh_background
from pictor.imaging.pixels import as_pixels

_CELL = 64


def sky_of(image: NDArray[Any], *, bayer: bool) -> Background:
    """Measure the sky of a frame; of a raw colour frame the mean over the four pixels of a cell.

    Parameters
    ----------
    image
        Shape (ny, nx), in ADU.
    bayer
        True for a raw one-shot-colour frame: its four interleaved channels are measured one by one, so
        that the difference of their levels does not count as noise.

    Returns
    -------
    Background
        Level and noise per pixel of the frame, in ADU.

    Raises
    ------
    FrameMismatchError
        If the image is not two-dimensional.
    """
    if not bayer or min(image.shape) < 2:
        return mesh_background(image, cell=_CELL)
    even = as_pixels(image)[: image.shape[0] // 2 * 2, : image.shape[1] // 2 * 2]
    channels = [mesh_background(even[i::2, j::2], cell=_CELL // 2) for i in range(2) for j in range(2)]
    levels = np.stack([channel.levels for channel in channels]).mean(axis=0)
    variance = np.stack([channel.noises**2 for channel in channels]).mean(axis=0)
    return Background(np.asarray(levels), np.sqrt(variance), (image.shape[0], image.shape[1]))
