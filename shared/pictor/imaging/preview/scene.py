"""A frame as it is shown: upright, stretched, in grey or colour; made piece by piece."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from pictor.imaging.errors import ImagingError
from pictor.imaging.preview.bayer import red_parity
from pictor.imaging.preview.kernels import Indices, Pixels8, Tables, look_up, look_up_bayer
from pictor.imaging.preview.levels import Levels, sample
from pictor.imaging.preview.stretch import ChannelStretch, StretchKind, make_tables

TOP_DOWN = "TOP-DOWN"
BOTTOM_UP = "BOTTOM-UP"


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """A frame together with the tables that show it.

    Parameters
    ----------
    planes
        The frame's pixels, upright (row 0 is the top of the picture): a view, shape (1, ny, nx) or (3, ny, nx).
    red
        Parity (y, x) of the red pixels of a Bayer mosaic; None for grey and for three planes.
    levels, tables, curves
        From pixels to grey values, one table and curve per channel.
    """

    planes: NDArray[np.number]
    red: tuple[int, int] | None
    levels: Levels
    tables: Tables
    curves: tuple[ChannelStretch, ...]

    @classmethod
    def of(
        cls,
        data: NDArray[np.number],
        *,
        bayer: str | None = None,
        bayer_offset: tuple[int, int] = (0, 0),
        row_order: str = TOP_DOWN,
        stretch: StretchKind = StretchKind.STF,
    ) -> Self:
        """Choose levels and tables from a sample of the frame; see ``rendering.render`` for the arguments."""
        planes = upright(data, row_order)
        red = red_parity(bayer, bayer_offset) if len(planes) == 1 and min(planes.shape[1:]) >= 2 else None
        channels = _bayer_planes(planes[0], red) if red is not None else list(planes)
        samples = [sample(channel) for channel in channels]
        levels = Levels.of(data.dtype, np.concatenate(samples))
        tables, curves = make_tables(samples, levels, stretch)
        return cls(planes, red, levels, tables, curves)

    @property
    def height(self) -> int:
        """Rows."""
        return int(self.planes.shape[1])

    @property
    def width(self) -> int:
        """Columns."""
        return int(self.planes.shape[2])

    def piece(self, rows: slice, columns: slice = slice(None)) -> Pixels8:
        """Show a rectangle at full resolution, shape (ny, nx, 1) or (ny, nx, 3)."""
        top, bottom, _ = rows.indices(self.height)
        left, right, _ = columns.indices(self.width)
        if self.red is not None:
            return self._bayer_piece((top, bottom, left, right), self.red)
        out = np.empty((bottom - top, right - left, len(self.planes)), dtype=np.uint8)
        for channel, plane in enumerate(self.planes):
            found, corner = self._rows(plane, (top, bottom, left, right))
            look_up(found, corner, self.tables[channel], out, channel)
        return out

    def _rows(self, plane: NDArray[np.number], box: tuple[int, int, int, int]) -> tuple[Indices, tuple[int, int]]:
        """Give the rows of the table for a rectangle, and where it begins in them: of the plane itself if it can be."""
        if plane.dtype == np.uint16 and plane.flags.c_contiguous:
            return self.levels.indices(plane), (box[0], box[2])
        return self.levels.indices(plane[box[0] : box[1], box[2] : box[3]]), (0, 0)

    def _bayer_piece(self, box: tuple[int, int, int, int], red: tuple[int, int]) -> Pixels8:
        """Interpolate colour, with a border of one pixel that the frame's edge mirrors (so colours stay in place)."""
        top, bottom, left, right = box
        y0, y1 = max(top - 1, 0), min(bottom + 1, self.height)
        x0, x1 = max(left - 1, 0), min(right + 1, self.width)
        rows = self.levels.indices(self.planes[0, y0:y1, x0:x1])
        border = ((1 - (top - y0), 1 - (y1 - bottom)), (1 - (left - x0), 1 - (x1 - right)))
        if any(map(any, border)):
            rows = np.pad(rows, border, mode="reflect")
        out = np.empty((bottom - top, right - left, 3), dtype=np.uint8)
        look_up_bayer(rows, self.tables, ((red[0] + top) % 2, (red[1] + left) % 2), out)
        return out


def upright(data: NDArray[np.number], row_order: str) -> NDArray[np.number]:
    """View a frame with the top of the picture in row 0, shape (1, ny, nx) or (3, ny, nx).

    ROWORDER says how rows are stored: the first row of a TOP-DOWN file is the top of the picture, the first row of a
    BOTTOM-UP file its bottom. Axes of length one are dropped; of any other number of planes than three the first is
    shown.

    Raises
    ------
    ImagingError
        If the array is not an image with at least one pixel.
    """
    planes = data.reshape([n for n in data.shape[:-2] if n != 1] + list(data.shape[-2:]))
    while planes.ndim > 3:
        planes = planes[0]
    planes = planes if planes.ndim == 3 else planes[np.newaxis]
    if planes.ndim != 3 or planes.size == 0 or planes.dtype.kind not in "biuf":
        raise ImagingError(
            f"no picture can be made of {data.dtype.name} pixels of shape {data.shape}", reason="not-an-image"
        )
    planes = planes if len(planes) == 3 else planes[:1]
    return planes[:, ::-1] if row_order.strip().upper() == BOTTOM_UP else planes


def _bayer_planes(plane: NDArray[np.number], red: tuple[int, int]) -> list[NDArray[np.number]]:
    """Red, one of the greens, and blue pixels of a mosaic, each a view."""
    y, x = red
    return [plane[y::2, x::2], plane[y::2, 1 - x :: 2], plane[1 - y :: 2, 1 - x :: 2]]
