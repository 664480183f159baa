"""Three frames composed to a colour picture."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from pictor.imaging.compositing.aligning import align
from pictor.imaging.compositing.channels import Channel, require_plain
from pictor.imaging.compositing.filters import Palette
from pictor.imaging.compositing.look import Levels, Look, Planes, Sky, levels_of
from pictor.imaging.compositing.painting import Luminance, Painted, Painting, numbers, smaller, whole
from pictor.imaging.compositing.showing import channel_levels
from pictor.imaging.compositing.whitening import white_of_nebula, white_of_stars
from pictor.imaging.errors import FrameMismatchError
from pictor.imaging.fits.wcs_cards import is_stale
from pictor.imaging.frame import Frame

# An edge of a cropped picture may miss this share of its pixels.
_EDGE = 0.002
_COLOURS = 3
_BROAD = frozenset({Palette.RGB})
DEFAULT_LOOK = Look()


@dataclass(frozen=True, slots=True, eq=False)
class Composite:
    """A colour picture and how it was made; its pixels are made when they are asked for.

    Parameters
    ----------
    painted
        What gives the rows of the picture.
    box
        Rows and columns of it that are shown.
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

    painted: Painted
    box: tuple[slice, slice]
    header: fits.Header
    unit: str
    white: tuple[float, float, float]
    star_count: int
    levels: tuple[Levels, Levels, Levels]
    sky: tuple[tuple[float, float, float], ...]

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.box[0].stop - self.box[0].start, self.box[1].stop - self.box[1].start

    @property
    def known(self) -> NDArray[np.bool_]:
        """Where all channels have data, shape (ny, nx)."""
        return self.painted.known[self.box]

    @property
    def planes(self) -> Planes:
        """Red, green and blue between 0 and 1, shape (3, ny, nx), rows as in the frames; 0 where nothing is known."""
        return whole(self.painted, self.box, linear=False)

    @property
    def linear(self) -> Planes:
        """The planes before the curve: sky-subtracted, balanced, in the unit of the frames; NaN where not known."""
        return whole(self.painted, self.box, linear=True)

    def pixels(self, bits: int = 8, *, transparent: bool = False) -> NDArray[np.uint8] | NDArray[np.uint16]:
        """Give the picture as whole numbers, upright: shape (ny, nx, 3), or 4 with transparency, first row at the top.

        Rows are turned over unless ROWORDER says that the first row of the file is the top.
        """
        made = numbers(self.painted, self.box, 65535 if bits == 16 else 255, transparent=transparent)
        first_on_top = str(self.header.get("ROWORDER", "TOP-DOWN")).strip().upper() != "BOTTOM-UP"
        return made if first_on_top else made[::-1]

    def shrunk(self, edge: int) -> "Composite":
        """Give the picture with at most ``edge`` pixels a side, each the mean of an area; without world coordinates."""
        ny, nx = self.shape
        if max(ny, nx) <= edge:
            return self
        size = max(1, round(nx * edge / max(ny, nx))), max(1, round(ny * edge / max(ny, nx)))
        header = self.header.copy()
        for keyword in [keyword for keyword in header if is_stale(keyword)]:
            header.remove(keyword, ignore_missing=True, remove_all=True)
        held = smaller(self.painted, self.box, size)
        return replace(self, painted=held, box=(slice(0, size[1]), slice(0, size[0])), header=header)

    def cropped(self) -> "Composite":
        """Cut away the edges that not all channels show; world coordinates stay true."""
        rows, columns = _full_part(self.known)
        header = self.header.copy()
        for keyword, first in (("CRPIX1", columns.start), ("CRPIX2", rows.start)):
            if keyword in header:
                header[keyword] = float(header[keyword]) - first
        down, right = self.box[0].start, self.box[1].start
        box = slice(down + rows.start, down + rows.stop), slice(right + columns.start, right + columns.stop)
        return replace(self, box=box, header=header)

    def cube(self) -> Frame:
        """Give the balanced linear planes as a frame of three planes with the world coordinates of the first."""
        return Frame(self.linear, header=self.cube_header(), unit=self.unit)

    def cube_header(self) -> fits.Header:
        """Give the cards of `cube`."""
        header = self.header.copy()
        for number, (name, white) in enumerate(zip(("RED", "GREEN", "BLUE"), self.white, strict=True), 1):
            header[f"PLANE{number}"] = (name, "colour of this plane")
            header[f"WHITE{number}"] = (white, "factor of the white balance")
        return header


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
    channels = _channels(placed, look.sky)
    broad = Palette(palette) in _BROAD
    white, star_count = _white(channels, look, by_stars=broad)
    channels = [replace(channel, white=factor) for channel, factor in zip(channels, white, strict=True)]
    levels = channel_levels(channels, look)
    bright = None if luminance is None else _luminance(align(Frame.from_nddata(luminance), one), look)
    painting = Painting(channels, levels, look, bright, together=broad)
    box = slice(0, one.shape[0]), slice(0, one.shape[1])
    skies = tuple(channel.sky for channel in channels)
    return Composite(painting, box, one.header.copy(), one.unit, white, star_count, levels, skies)


def _channels(frames: Sequence[Frame], sky: Sky) -> list[Channel]:
    """Make channels of frames; one that is given twice is looked at once."""
    made: dict[int, Channel] = {}
    return [
        made[id(frame)] if id(frame) in made else made.setdefault(id(frame), Channel.of(frame, sky)) for frame in frames
    ]


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


def _white(channels: Sequence[Channel], look: Look, *, by_stars: bool) -> tuple[tuple[float, float, float], int]:
    if look.white is not None:
        return look.white, 0
    if not look.linked:
        return (1.0, 1.0, 1.0), 0
    return white_of_stars(channels) if by_stars else (white_of_nebula(channels), 0)


def _luminance(frame: Frame, look: Look) -> Luminance:
    """Stretch a luminance frame by itself."""
    channel = Channel.of(frame, look.sky)
    sample = channel.thinned()
    return Luminance(channel, levels_of(sample[np.isfinite(sample)], channel.noise, look))
