"""Three frames composed to a colour picture."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray
from PIL import Image

from pictor.imaging.background import mesh_background
from pictor.imaging.compositing.aligning import align
from pictor.imaging.compositing.channels import flattened, full_pixels, require_plain
from pictor.imaging.compositing.filters import Palette
from pictor.imaging.compositing.look import Levels, Look, Planes, levels_of, saturate, stretched
from pictor.imaging.compositing.showing import REACH, certainty, channel_levels, sampled, shown
from pictor.imaging.compositing.whitening import white_of_nebula, white_of_stars
from pictor.imaging.errors import FrameMismatchError
from pictor.imaging.fits.wcs_cards import is_stale
from pictor.imaging.frame import Frame
from pictor.imaging.pixels import run_in_threads

# An edge of a cropped picture may miss this share of its pixels.
_EDGE = 0.002
# Saturated pixels brighter than this lose their false colour.
_BURNT = 0.8
_COLOURS = 3
_HALF = 0.5
# Rows painted together.
_ROWS = 128
_BROAD = frozenset({Palette.RGB})
DEFAULT_LOOK = Look()


@dataclass(frozen=True, slots=True, eq=False)
class Composite:
    """A colour picture and how it was made.

    Parameters
    ----------
    planes
        Red, green and blue between 0 and 1, shape (3, ny, nx), float32, rows as in the frames; 0 where nothing is
        known.
    linear
        The same before the curve: sky-subtracted and balanced, in the unit of the frames; NaN where nothing is known.
    known
        Where all channels have data, shape (ny, nx).
    header
        Cards of the first frame, with its world coordinates.
    unit
        Unit of the linear planes.
    white
        Factors the channels were multiplied by.
    star_count
        Stars that decided them; 0 when they were given.
    levels
        Curve of each channel.
    sky
        Sky subtracted from each channel: level in the middle, rise over width and height.
    """

    planes: Planes
    linear: Planes
    known: NDArray[np.bool_]
    header: fits.Header
    unit: str
    white: tuple[float, float, float]
    star_count: int
    levels: tuple[Levels, Levels, Levels]
    sky: tuple[tuple[float, float, float], ...]

    def pixels(self, bits: int = 8, *, transparent: bool = False) -> NDArray[np.uint8] | NDArray[np.uint16]:
        """Give the picture as whole numbers, upright: shape (ny, nx, 3), or 4 with transparency, first row at the top.

        Rows are turned over unless ROWORDER says that the first row of the file is the top.
        """
        top = 65535 if bits == 16 else 255
        kind = np.uint16 if bits == 16 else np.uint8
        shape = (*self.known.shape, 4 if transparent else 3)
        made = np.empty(shape, dtype=kind)
        for channel in range(3):
            made[:, :, channel] = np.rint(self.planes[channel] * np.float32(top))
        if transparent:
            made[:, :, 3] = np.where(self.known, top, 0)
        first_on_top = str(self.header.get("ROWORDER", "TOP-DOWN")).strip().upper() != "BOTTOM-UP"
        return made if first_on_top else made[::-1]

    def shrunk(self, edge: int) -> "Composite":
        """Give the picture with at most ``edge`` pixels a side, each the mean of an area; without world coordinates."""
        ny, nx = self.known.shape
        if max(ny, nx) <= edge:
            return self
        size = max(1, round(nx * edge / max(ny, nx))), max(1, round(ny * edge / max(ny, nx)))

        def smaller(plane: NDArray[np.float32]) -> NDArray[np.float32]:
            return np.asarray(Image.fromarray(plane).resize(size, Image.Resampling.BOX), dtype=np.float32)

        known = smaller(self.known.astype(np.float32)) > _HALF
        planes, linear = (np.stack([smaller(plane) for plane in three]) for three in (self.planes, self.linear))
        header = self.header.copy()
        for keyword in [keyword for keyword in header if is_stale(keyword)]:
            header.remove(keyword, ignore_missing=True, remove_all=True)
        return replace(self, planes=np.clip(planes, 0.0, 1.0), linear=linear, known=known, header=header)

    def cropped(self) -> "Composite":
        """Cut away the edges that not all channels show; world coordinates stay true."""
        rows, columns = _full_part(self.known)
        header = self.header.copy()
        for keyword, first in (("CRPIX1", columns.start), ("CRPIX2", rows.start)):
            if keyword in header:
                header[keyword] = float(header[keyword]) - first
        part = (rows, columns)
        planes, linear = self.planes[(slice(None), *part)], self.linear[(slice(None), *part)]
        return replace(self, planes=planes, linear=linear, known=self.known[part], header=header)

    def cube(self) -> Frame:
        """Give the balanced linear planes as a frame of three planes with the world coordinates of the first."""
        header = self.header.copy()
        for number, (name, white) in enumerate(zip(("RED", "GREEN", "BLUE"), self.white, strict=True), 1):
            header[f"PLANE{number}"] = (name, "colour of this plane")
            header[f"WHITE{number}"] = (white, "factor of the white balance")
        return Frame(self.linear, header=header, unit=self.unit)


def composite(
    red: Any,  # noqa: ANN401 - Frame, NDData or array
    green: Any,  # noqa: ANN401 - Frame, NDData or array
    blue: Any,  # noqa: ANN401 - Frame, NDData or array
    *,
    luminance: Any | None = None,  # noqa: ANN401 - Frame, NDData or array
    palette: Palette | str = Palette.RGB,
    look: Look = DEFAULT_LOOK,
) -> Composite:
    """Compose a colour picture of three frames of one field.

    The frames are brought onto the pixels of the first by their world coordinates or stars, the sky of each is taken
    off, channels are balanced and stretched.

    Parameters
    ----------
    red, green, blue
        Frame, NDData or array, shape (ny, nx), shown in these colours; one frame may be given twice.
    luminance
        Frame that decides brightness while the others decide colour (``asinh`` only); None for none.
    palette
        ``rgb`` is balanced by the stars, the others by the nebula, unless the look gives factors.
    look
        Curve, balance, saturation.

    Returns
    -------
    Composite
        The picture between 0 and 1 and its linear planes.

    Raises
    ------
    FrameMismatchError
        If the frames have colour planes themselves, differ in unit or cannot be brought together.
    ImagingError
        If the stars are too few to balance by.

    References
    ----------
    .. [1] Lupton R. et al., 2004, PASP 116, 133: one curve for the intensity, colours by ratios.
    .. [2] Bertin E., 2012, ASP Conf. 461, 263 (STIFF): power law between quantiles, saturation of colours.
    """
    frames = [Frame.from_nddata(one) for one in (red, green, blue)]
    require_plain([*frames, *([] if luminance is None else [Frame.from_nddata(luminance)])])
    one, two, three = frames
    placed = [one, *(one if other is one else align(other, one) for other in (two, three))]
    values, skies, noises = flattened(placed, look.sky)
    full = [full_pixels(frame) for frame in placed]
    broad = Palette(palette) in _BROAD
    white, star_count = _white(values, full, look, by_stars=broad)
    for plane, factor in zip(values, white, strict=True):
        np.multiply(plane, np.float32(factor), out=plane)
    noises = noises * np.array(white)
    levels = channel_levels(values, noises, look)
    bright = None if luminance is None else _luminance(align(Frame.from_nddata(luminance), one), look)
    painting = _Painting(values, noises, levels, look, bright, full, together=broad)
    planes, known = painting.paint()
    return Composite(planes, values, known, one.header.copy(), one.unit, white, star_count, levels, skies)


@dataclass(frozen=True, slots=True, eq=False)
class _Painting:
    """Channels that become a picture, some rows at a time, so that memory holds little beside channels and picture."""

    values: Planes
    noises: NDArray[np.float64]
    levels: tuple[Levels, Levels, Levels]
    look: Look
    bright: NDArray[np.float32] | None
    full: Sequence[NDArray[np.bool_]]
    together: bool

    def paint(self) -> tuple[Planes, NDArray[np.bool_]]:
        """Make the picture, and tell where all channels have data."""
        planes, ny = np.empty_like(self.values), self.values.shape[1]
        known = np.empty(self.values.shape[1:], np.bool_)

        def rows(first: int, last: int) -> None:
            for start in range(first, last, _ROWS):
                part = slice(start, min(start + _ROWS, last))
                planes[:, part], known[part] = self._rows(part)

        run_in_threads(rows, [0, ny // 2, ny])
        return planes, known

    def _rows(self, rows: slice) -> tuple[Planes, NDArray[np.bool_]]:
        values, look = self.values[:, rows], self.look
        bright = None if self.bright is None else self.bright[rows]
        known = np.asarray(np.isfinite(values).all(axis=0))
        if bright is not None:
            known &= np.isfinite(bright)
        planes = shown(values, self.levels, look, bright, together=self.together)
        planes = saturate(planes, look.saturation * self._certainty(rows) if look.mute else look.saturation)
        burnt = np.any([one[rows] for one in self.full], axis=0) & known & (planes.max(axis=0) > _BURNT)
        planes[:, burnt] = planes.max(axis=0)[burnt]
        planes[:, ~known] = 0.0
        return planes, known

    def _certainty(self, rows: slice) -> NDArray[np.float32]:
        """Tell how sure the colours of some rows are; those around them matter."""
        wide = slice(max(rows.start - REACH, 0), rows.stop + REACH)
        return certainty(self.values[:, wide], self.noises)[rows.start - wide.start :][: rows.stop - rows.start]


def planes_of(frame: Frame) -> tuple[Frame, Frame, Frame]:
    """Take a colour frame apart.

    Parameters
    ----------
    frame
        Red, green and blue, shape (3, ny, nx).

    Returns
    -------
    tuple
        Frames of one plane each, with the header and mask of the whole.

    Raises
    ------
    FrameMismatchError
        If it has another number of planes.
    """
    if frame.data.ndim != 3 or frame.data.shape[0] != _COLOURS:
        raise FrameMismatchError(f"a colour frame has three planes; this one has shape {frame.data.shape}")
    err = [None] * _COLOURS if frame.err is None else list(frame.err)
    red, green, blue = (replace(frame, data=frame.data[plane], err=err[plane]) for plane in range(_COLOURS))
    return red, green, blue


def _full_part(known: NDArray[np.bool_]) -> tuple[slice, slice]:
    """Find the part of a picture without ragged edges: the worst edge is cut until none misses much."""
    top, bottom, left, right = 0, known.shape[0], 0, known.shape[1]
    while bottom - top > 1 and right - left > 1:
        part = known[top:bottom, left:right]
        missing = [1.0 - float(edge.mean()) for edge in (part[0], part[-1], part[:, 0], part[:, -1])]
        worst = int(np.argmax(missing))
        if missing[worst] <= _EDGE:
            break
        top, bottom = top + (worst == 0), bottom - (worst == 1)
        left, right = left + (worst == 2), right - (worst == 3)
    return slice(top, bottom), slice(left, right)


def _white(
    values: Planes, full: Sequence[NDArray[np.bool_]], look: Look, *, by_stars: bool
) -> tuple[tuple[float, float, float], int]:
    if look.white is not None:
        return look.white, 0
    if not look.linked:
        return (1.0, 1.0, 1.0), 0
    if not by_stars:
        return white_of_nebula(values), 0
    held = [plane[where] for plane, where in zip(values, full, strict=True)]
    for plane, where in zip(values, full, strict=True):
        plane[where] = np.nan
    found = white_of_stars(values, [float(mesh_background(plane).noise or 1.0) for plane in values])
    for plane, where, kept in zip(values, full, held, strict=True):
        plane[where] = kept
    return found


def _luminance(frame: Frame, look: Look) -> NDArray[np.float32]:
    """Stretch a luminance frame by itself."""
    values, _, noises = flattened([frame], look.sky)
    return stretched(values[0], levels_of(sampled(values[0]), float(noises[0]), look), look.curve)
