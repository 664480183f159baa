"""Channels made ready for a picture: holes filled, sky taken off."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pictor.imaging.background import mesh_background
from pictor.imaging.compositing.look import Planes, Sky
from pictor.imaging.continuum.saturated import still_full
from pictor.imaging.continuum.sky import sky_plane, subtract_plane
from pictor.imaging.errors import FrameMismatchError
from pictor.imaging.frame import Frame

# Holes up to this many pixels across are filled from their edge; wider ones stay black.
_HOLE = 15


def require_plain(frames: Sequence[Frame]) -> None:
    """Refuse frames that cannot be channels of one picture.

    Raises
    ------
    FrameMismatchError
        If one has colour planes itself, or their units differ.
    """
    for frame in frames:
        if frame.data.ndim != 2:
            raise FrameMismatchError(
                f"a channel is one plane; a frame of shape {frame.data.shape} was given: pictor preview shows colour "
                "frames as they are"
            )
    units = sorted({frame.unit for frame in frames})
    if len(units) > 1:
        raise FrameMismatchError(
            f"the frames are in {' and '.join(unit or 'no unit' for unit in units)}: bring them to one unit",
            reason="unit-mismatch",
        )


def flattened(
    frames: Sequence[Frame], sky: Sky
) -> tuple[Planes, tuple[tuple[float, float, float], ...], NDArray[np.float64]]:
    """Take the sky off each channel; also what it was, and its noise."""
    values = np.empty((len(frames), *frames[0].shape), np.float32)
    skies, noises = [], []
    for plane, frame in zip(values, frames, strict=True):
        plane[:] = _filled(frame)
        found = np.zeros(3) if sky is Sky.NONE else sky_plane(plane, tilted=sky is Sky.PLANE)
        subtract_plane(plane, found)
        skies.append((float(found[0]), float(found[1]), float(found[2])))
        noises.append(max(mesh_background(plane).noise or 0.0, 1e-30))
    return values, tuple(skies), np.array(noises)


def full_pixels(frame: Frame) -> NDArray[np.bool_]:
    """Tell the saturated pixels of a frame."""
    return still_full(frame.real().astype(np.float32, copy=False), frame.mask)


def _filled(frame: Frame) -> NDArray[np.float32]:
    """Give the pixels as float32 with small holes filled from their edges."""
    values = frame.real().astype(np.float32, copy=False)
    missing = ~np.isfinite(values)
    if not missing.any():
        return values
    core = ndimage.minimum_filter(missing.view(np.uint8), _HOLE, mode="constant", cval=0)
    wide = ndimage.maximum_filter(core, _HOLE, mode="constant", cval=0).view(np.bool_)
    small = missing & ~wide
    labels, count = ndimage.label(missing)
    touching = np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))
    small &= ~np.isin(labels, touching[touching > 0])
    if count and small.any():
        nearest = ndimage.distance_transform_edt(missing, return_distances=False, return_indices=True)
        values[small] = values[nearest[0][small], nearest[1][small]]
    return values
