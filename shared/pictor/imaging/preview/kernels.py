"""The loops over every pixel of a preview."""

from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from pictor.imaging.compiling import njit

Indices = NDArray[np.uint16]
"""Pixels as rows of the look-up table, 0 to 65535."""

Tables = NDArray[np.uint8]
"""One look-up table of 65536 grey values per channel, shape (channels, 65536)."""

Pixels8 = NDArray[np.uint8]
"""Grey values for the eye, shape (ny, nx, channels)."""


class Spans(NamedTuple):
    """Which input pixels each output pixel covers along one axis: whole ones between two that count in part."""

    first: NDArray[np.int64]
    last: NDArray[np.int64]
    first_weight: NDArray[np.float32]
    last_weight: NDArray[np.float32]

    @classmethod
    def of(cls, scale: float, outputs: range, size: int, start: int = 0) -> Self:
        """Span the output pixels ``outputs`` of ``scale`` input pixels each; the input has ``size``, from ``start``."""
        left = np.minimum(np.arange(outputs.start, outputs.stop) * scale - start, size - 1.0)
        right = np.minimum(left + scale, float(size))
        first, last = np.floor(left), np.ceil(right) - 1
        alone = first == last
        last_weight = np.where(alone, 0.0, right - last)
        first_weight = np.where(alone, scale, scale - (last - first - 1) - last_weight)
        return cls(
            first.astype(np.int64),
            last.astype(np.int64),
            first_weight.astype(np.float32),
            last_weight.astype(np.float32),
        )


@njit(cache=True, nogil=True)
def to_indices(values: NDArray[np.float32], low: float, scale: float, out: Indices) -> None:
    """Map floating pixels, shape (ny, nx), to table rows; not-a-number becomes 0, the rest is clipped."""
    for y in range(values.shape[0]):
        for x in range(values.shape[1]):
            position = (values[y, x] - low) * scale + np.float32(0.5)
            if position >= np.float32(65535.0):
                out[y, x] = 65535
            elif position > np.float32(0.0):
                out[y, x] = np.uint16(position)
            else:
                out[y, x] = 0


@njit(cache=True, nogil=True)
def look_up(indices: Indices, corner: tuple[int, int], table: NDArray[np.uint8], out: Pixels8, channel: int) -> None:
    """Look pixels from ``corner`` (y, x) on up in one table and write one channel of ``out``."""
    for y in range(out.shape[0]):
        row = indices[corner[0] + y, corner[1] :]
        for x in range(out.shape[1]):
            out[y, x, channel] = table[row[x]]


@njit(cache=True, nogil=True)
def look_up_bayer(indices: Indices, tables: Tables, red: tuple[int, int], out: Pixels8) -> None:
    """Interpolate the missing colours of a Bayer mosaic linearly, then look each channel up.

    ``indices`` carries one row and one column more than ``out`` on every side; ``red`` is the parity (y, x) of the
    red pixels in ``out``.
    """
    red_table, green_table, blue_table = tables[0], tables[1], tables[2]
    for y in range(out.shape[0]):
        red_row = (y & 1) == red[0]
        above, here, below = indices[y], indices[y + 1], indices[y + 2]
        for x in range(out.shape[1]):
            red_column = (x & 1) == red[1]
            centre = np.uint32(here[x + 1])
            across = (np.uint32(here[x]) + here[x + 2] + np.uint32(1)) >> np.uint32(1)
            along = (np.uint32(above[x + 1]) + below[x + 1] + np.uint32(1)) >> np.uint32(1)
            if red_row == red_column:
                corners = np.uint32(above[x]) + above[x + 2] + below[x] + below[x + 2]
                opposite = (corners + np.uint32(2)) >> np.uint32(2)
                out[y, x, 0] = red_table[centre if red_row else opposite]
                out[y, x, 1] = green_table[(across + along + np.uint32(1)) >> np.uint32(1)]
                out[y, x, 2] = blue_table[opposite if red_row else centre]
            else:
                out[y, x, 0] = red_table[across if red_row else along]
                out[y, x, 1] = green_table[centre]
                out[y, x, 2] = blue_table[along if red_row else across]


@njit(cache=True, nogil=True, fastmath=True)
def average_areas(pixels: Pixels8, rows: Spans, columns: Spans, scale: float, out: Pixels8) -> None:
    """Average grey values over the area of each output pixel.

    ``pixels`` and ``out`` have shape (ny, nx, channels); ``rows`` and ``columns`` say what each output row and column
    covers, ``scale`` input pixels on each axis.
    """
    channels = pixels.shape[2]
    lines = pixels.reshape(pixels.shape[0], -1)
    sums = np.empty(lines.shape[1], np.float32)
    share = np.float32(1.0 / (scale * scale))
    for row in range(out.shape[0]):
        sums[:] = 0.0
        for y in range(rows.first[row], rows.last[row] + 1):
            weight, line = np.float32(1.0), lines[y]
            if y == rows.first[row]:
                weight = rows.first_weight[row]
            elif y == rows.last[row]:
                weight = rows.last_weight[row]
            for x in range(line.size):
                sums[x] += weight * np.float32(line[x])
        for channel in range(channels):
            for column in range(out.shape[1]):
                first, last = columns.first[column] * channels + channel, columns.last[column] * channels + channel
                value = columns.first_weight[column] * sums[first] + columns.last_weight[column] * sums[last]
                for x in range(first + channels, last, channels):
                    value += sums[x]
                out[row, column, channel] = np.uint8(min(value * share + np.float32(0.5), np.float32(255.0)))


def warm() -> None:
    """Compile every kernel for the types the previews use."""
    indices = np.zeros((4, 4), np.uint16)
    tables = np.zeros((3, 65536), np.uint8)
    to_indices(np.zeros((4, 4), np.float32), 0.0, 1.0, indices)
    look_up(indices, (0, 0), tables[0], np.zeros((4, 4, 1), np.uint8), 0)
    look_up_bayer(indices, tables, (0, 0), np.zeros((2, 2, 3), np.uint8))
    spans = Spans.of(2.0, range(2), 4)
    average_areas(np.zeros((4, 4, 1), np.uint8), spans, spans, 2.0, np.zeros((2, 2, 1), np.uint8))
