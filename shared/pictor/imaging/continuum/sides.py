"""One of two frames that are to be subtracted: its stars, its sky, and its pixels and noise part by part."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pictor.imaging.background import Background
from pictor.imaging.continuum.saturated import still_full
from pictor.imaging.continuum.sky import sky_mesh
from pictor.imaging.errors import ImagingError
from pictor.imaging.frame import BAD, NO_DATA, Frame
from pictor.imaging.stars.finding import find_stars
from pictor.imaging.stars.starlist import Psf, StarList

LEAST_STARS = 8
"""Fewer common stars give neither a kernel nor a scale worth having."""

Reals = NDArray[np.float32]
Box = tuple[slice, slice]
"""Rows and columns; they may reach beyond a frame."""

_FULL = 0.95
"""Share of the saturation level from which a pixel does not follow the light any more."""


@dataclass(frozen=True, slots=True, eq=False)
class Side:
    """One of the two frames.

    Parameters
    ----------
    frame
        As given.
    sky
        Mesh of its sky.
    stars, psf
        Its stars and their profile.
    unusable
        Pixels without a value that can be used, saturated ones among them, shape (ny, nx).
    full
        Saturated pixels, shape (ny, nx); None: none.
    level, deviation
        Usual sky, and the standard deviation of its noise.
    """

    frame: Frame
    sky: Background
    stars: StarList
    psf: Psf
    unusable: NDArray[np.bool_]
    full: NDArray[np.bool_] | None
    level: float
    deviation: float

    @classmethod
    def of(cls, frame: Frame, saturation: float | None, name: str) -> Self:
        """Look at one frame.

        Raises
        ------
        ImagingError
            If it has no usable pixel or shows too few stars.
        """
        empty = None if frame.mask is None else (frame.mask & NO_DATA) != 0
        values = frame.real() if empty is not None and empty.any() else frame.data
        sky = sky_mesh(values)
        if sky.level is None:
            raise ImagingError(f"the {name} frame has no usable pixel", reason="no-data")
        level = saturation if saturation is not None else _told(frame)
        stars = find_stars(values, saturation=level, background=sky)
        if stars.psf is None or stars.star_count < LEAST_STARS:
            raise ImagingError(
                f"the {name} frame shows {stars.star_count} unsaturated stars; {LEAST_STARS} are needed to find the "
                "scale of the continuum: use a longer exposure, or give --scale to know it",
                reason="too-few-stars",
            )  # fmt: skip
        full = still_full(values, frame.mask)
        if stars.saturation is not None:
            full |= values >= _FULL * stars.saturation
        unusable = full.copy() if values.dtype.kind != "f" else full | ~np.isfinite(values)
        if frame.mask is not None:
            unusable |= (frame.mask & (BAD | NO_DATA)) != 0
        held = full if full.any() else None
        return cls(frame, sky, stars, stars.psf, unusable, held, sky.level or 0.0, sky.noise or 1.0)

    @property
    def saturated_count(self) -> int:
        """Count the saturated sources."""
        return 0 if self.full is None else int(ndimage.label(self.full)[1])

    def window(self, box: Box, *, saturated: bool = False) -> Reals:
        """Give a part as float32, NaN where it cannot be used and outside; with saturated pixels if wanted."""
        hidden = self.unusable[_inside(box, self.frame.shape)]
        if saturated and self.full is not None:
            hidden = hidden & ~self.full[_inside(box, self.frame.shape)]
        part = self.frame.data[_inside(box, self.frame.shape)].astype(np.float32)
        if hidden.any():
            part[hidden] = np.nan
        return _padded(part, box, self.frame.shape)

    def noise(self, box: Box) -> Reals:
        """Give the error of a part, or what its sky and light scatter where the frame has none; NaN outside."""
        inside = _inside(box, self.frame.shape)
        if self.frame.err is not None:
            err = self.frame.err[inside].astype(np.float32)
            err[~(np.isfinite(err) & (err > 0))] = np.nan
            return _padded(err, box, self.frame.shape)
        made = np.full(self.unusable[inside].shape, self.deviation, dtype=np.float32)
        egain = self.frame.header.get("EGAIN")
        if self.frame.unit == "adu" and isinstance(egain, int | float) and egain > 0:
            light = np.nan_to_num(self.frame.data[inside].astype(np.float32)) - np.float32(self.level)
            made = np.sqrt(made**2 + np.maximum(light, 0.0) / np.float32(egain))
        return _padded(made, box, self.frame.shape)


def around(x: int, y: int, reach: int) -> Box:
    """Give the box of so many pixels on all sides of a pixel."""
    return slice(y - reach, y + reach + 1), slice(x - reach, x + reach + 1)


def _inside(box: Box, shape: tuple[int, int]) -> Box:
    rows, columns = (
        slice(min(max(side.start, 0), size), max(min(side.stop, size), 0))
        for side, size in zip(box, shape, strict=True)
    )
    return rows, columns


def _padded(part: NDArray[Any], box: Box, shape: tuple[int, int]) -> Reals:
    """Surround a part with NaN where its box reaches beyond the frame."""
    size = box[0].stop - box[0].start, box[1].stop - box[1].start
    if part.shape == size:
        return part
    made = np.full(size, np.nan, np.float32)
    rows, columns = _inside(box, shape)
    top, left = rows.start - box[0].start, columns.start - box[1].start
    made[top : top + part.shape[0], left : left + part.shape[1]] = part
    return made


def _told(frame: Frame) -> float | None:
    told = frame.header.get("SATURATE")
    return float(told) if isinstance(told, int | float) and told > 0 else None
