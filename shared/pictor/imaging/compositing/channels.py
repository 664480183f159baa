"""Channels made ready for a picture: holes filled, sky taken off, some rows at a time."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pictor.imaging.compositing.look import Sky
from pictor.imaging.continuum.saturated import still_full
from pictor.imaging.continuum.sky import plane_through, sky_mesh
from pictor.imaging.errors import FrameMismatchError, ImagingError
from pictor.imaging.frame import NO_DATA, SATURATED, Frame

# Holes up to this many pixels across are filled from their edge; wider ones stay black.
_HOLE = 15
# Pixels that levels are taken from.
_SAMPLE = 1_000_000


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


@dataclass(frozen=True, slots=True, eq=False)
class Channel:
    """A frame as one colour of a picture; its rows are made when they are asked for.

    Parameters
    ----------
    values
        Pixels as stored, small holes filled, shape (ny, nx).
    hidden
        Where the mask says that there are no data and holes were not filled; None: nowhere.
    sky
        Sky that is subtracted: level in the middle, rise over width and height.
    noise
        Standard deviation of the sky, of the values as stored.
    full
        Saturated pixels; None: none.
    white
        Factor of the white balance.
    """

    values: NDArray[Any]
    hidden: NDArray[np.bool_] | None
    sky: tuple[float, float, float]
    noise: float
    full: NDArray[np.bool_] | None = None
    white: float = 1.0

    @classmethod
    def of(cls, frame: Frame, sky: Sky) -> Self:
        """Fill the holes of a frame and measure its sky.

        Raises
        ------
        ImagingError
            If it has no usable pixel.
        """
        values, hidden = _filled(frame)
        shown = values if hidden is None else np.where(hidden, np.float32(np.nan), values)
        mesh = sky_mesh(shown)
        if mesh.level is None:
            raise ImagingError(
                f"one of the frames {frame.shape} has no usable pixel: it cannot be a channel", reason="no-data"
            )
        found = np.zeros(3) if sky is Sky.NONE else plane_through(mesh, tilted=sky is Sky.PLANE)
        plane = (float(found[0]), float(found[1]), float(found[2]))
        full = still_full(shown, frame.mask)
        return cls(values, hidden, plane, max(mesh.noise or 0.0, 1e-30), full if full.any() else None)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.values.shape[0], self.values.shape[1]

    @property
    def deviation(self) -> float:
        """Standard deviation of the sky in the balanced channel."""
        return self.noise * self.white

    def part(self, rows: slice, columns: slice = slice(None)) -> NDArray[np.float32]:
        """Give some rows and columns, sky-subtracted and balanced, as float32; NaN where nothing is known."""
        made = self.values[rows, columns].astype(np.float32)
        if self.hidden is not None:
            made[self.hidden[rows, columns]] = np.nan
        level, across, along = self.sky
        v, u = ((np.arange(n) + 0.5) / n - 0.5 for n in self.shape)
        made -= (level + across * u[columns]).astype(np.float32)[None, :]
        if along:
            made -= (along * v[rows]).astype(np.float32)[:, None]
        if self.white != 1.0:
            made *= np.float32(self.white)
        return made

    def thinned(self) -> NDArray[np.float32]:
        """Give every n-th row and column, about a million pixels."""
        step = max(1, round((self.values.size / _SAMPLE) ** 0.5))
        return self.part(slice(step // 2, None, step), slice(step // 2, None, step))

    def unsaturated(self) -> NDArray[Any]:
        """Give the pixels as stored, NaN where they are saturated or unknown."""
        gone = [one for one in (self.hidden, self.full) if one is not None]
        if not gone:
            return self.values
        return np.where(np.logical_or.reduce(gone), np.float32(np.nan), self.values.astype(np.float32, copy=False))


def _filled(frame: Frame) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
    """Give the pixels with small holes filled, and where the others are unknown; None: nowhere.

    Small holes are filled from their edges, larger ones of saturated stars with the brightest value.
    """
    missing = None if frame.mask is None else (frame.mask & NO_DATA) != 0
    if frame.data.dtype.kind == "f":
        missing = ~np.isfinite(frame.data) if missing is None else missing | ~np.isfinite(frame.data)
    if missing is None or not missing.any():
        return frame.data, None
    core = ndimage.minimum_filter(missing.view(np.uint8), _HOLE, mode="constant", cval=0)
    wide = ndimage.maximum_filter(core, _HOLE, mode="constant", cval=0).view(np.bool_)
    small = missing & ~wide
    labels, count = ndimage.label(missing)
    touching = np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))
    small &= ~np.isin(labels, touching[touching > 0])
    full = missing & ~small & ((frame.mask & SATURATED) != 0) if frame.mask is not None else np.zeros_like(missing)
    if not (count and (small.any() or full.any())) or missing.all():
        return frame.data, missing
    values = frame.data.copy()
    if small.any():
        nearest = ndimage.distance_transform_edt(missing, return_distances=False, return_indices=True)
        values[small] = values[nearest[0][small], nearest[1][small]]
    values[full] = frame.data[~missing].max()
    missing &= ~(small | full)
    return values, missing if missing.any() else None
