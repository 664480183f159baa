"""Frames of one field brought onto the pixels of one of them."""

import numpy as np

from pictor.imaging.astrometry.projection import Wcs, pixel_to_sky, sky_to_pixel
from pictor.imaging.errors import FrameMismatchError, ImagingError
from pictor.imaging.frame import Frame
from pictor.imaging.registration.stars import register
from pictor.imaging.resampling.grid import Grid
from pictor.imaging.resampling.resampling import resample

_SAME_PX = 0.02
"""Pixels that lie closer to each other than this at all corners are the same."""

_STILL_PX = 0.1
"""Stars tell a shift to about this; frames less apart are left as they are."""


def align(frame: Frame, reference: Frame) -> Frame:
    """Bring a frame onto the pixels of a reference: by world coordinates where both have them, else by stars.

    Parameters
    ----------
    frame
        Shape (ny, nx) or (planes, ny, nx).
    reference
        Frame whose pixels are wanted, of any shape.

    Returns
    -------
    Frame
        The frame itself where it lies on these pixels already, or has their shape and no star to tell otherwise.

    Raises
    ------
    FrameMismatchError
        If the shapes differ and neither world coordinates nor stars tell how the frames lie.
    """
    ours, theirs = frame.wcs, reference.wcs
    if ours is not None and theirs is not None:
        if frame.shape == reference.shape and _apart(ours, theirs, frame.shape) < _SAME_PX:
            return frame
        return resample(frame, Grid.of(reference))
    try:
        found = register(reference.plane().real(), frame.plane().real())
    except ImagingError as error:
        if frame.shape == reference.shape:
            return frame
        raise FrameMismatchError(
            f"the frames have shapes {frame.shape} and {reference.shape}, not both have world coordinates, and their "
            f"stars do not tell how they lie: {error}"
        ) from error
    corners = _corners(frame.shape)
    places = np.column_stack([corners, np.ones(4)]) @ found.matrix.T
    moved = float(np.abs(places[:, :2] / places[:, 2:] - corners).max())
    return frame if frame.shape == reference.shape and moved < _STILL_PX else resample(frame, found)


def _apart(ours: Wcs, theirs: Wcs, shape: tuple[int, int]) -> float:
    """Largest distance of the corners of two grids of one shape, in pixels; infinite where they cannot be compared."""
    x, y = _corners(shape).T
    u, v = sky_to_pixel(theirs, *pixel_to_sky(ours, x, y))
    distance = float(np.hypot(u - x, v - y).max())
    return distance if np.isfinite(distance) else np.inf


def _corners(shape: tuple[int, int]) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    ny, nx = shape
    return np.array([[0.0, 0.0], [nx - 1.0, 0.0], [0.0, ny - 1.0], [nx - 1.0, ny - 1.0]])
