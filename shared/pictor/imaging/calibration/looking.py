"""Compiled loops that compare every frame with what was combined of all, while its samples are at hand."""

import numpy as np
from numpy.typing import NDArray

from pictor.imaging.calibration.splitting import BLOCK
from pictor.imaging.compiling import njit

Integers = NDArray[np.uint16]
Reals = NDArray[np.float32]
Doubles = NDArray[np.float64]
Bytes = NDArray[np.uint8]
Places = NDArray[np.int64]

ODD = 5.0
"""A sample so many standard deviations from the combined value is a hit or a fault, and no part of a block's mean."""

UNSTABLE_SHARE = 0.3
"""A pixel with odd samples in this share of its frames (two at least) has no one value."""

PIECE = 256
"""Columns looked at together, whole blocks; the sums of one frame for them stay in the first-level cache."""

ROWS = 4
"""Rows added up together: their sums are read and written once."""

FEW = 5
"""With fewer frames a sample far too low tells that the others, which agree, are hits: of three the two."""

ODD_PLACES = 16
"""Where more than one pixel in so many has an odd sample they are looked for sample by sample."""


@njit(cache=True, nogil=True, fastmath={"reassoc", "nsz", "contract", "arcp"})
def _weigh(sci: Reals, noise: Reals, weight: Reals, ratio: Reals) -> None:
    """Write one over the noise of a sample, of (floor, slope, pedestal), and add value over noise to ``ratio``."""
    floor, slope, pedestal = noise[0], noise[1], noise[2]
    if slope == 0:
        weight[:] = np.float32(1) / np.sqrt(floor)
    else:
        for x in range(sci.shape[0]):
            weight[x] = np.float32(1) / np.sqrt(floor + slope * max(sci[x] - pedestal, np.float32(0)))
    for x in range(sci.shape[0]):
        ratio[x] += weight[x] * sci[x]


@njit(cache=True, nogil=True, fastmath={"reassoc", "nsz", "contract", "arcp"})
def _add(
    source: Integers | Reals, sci: Reals, weight: Reals, own: np.float32, sums: Reals
) -> tuple[np.float32, np.float32]:
    """Add the deviations that are not odd, and their squares, to the sums by column; return their own sum and number.

    ``weight`` is one over the noise of a sample of a frame that was not scaled, ``own`` what that is to be multiplied
    by.
    """
    total, count = np.float32(0), np.float32(0)
    for x in range(source.shape[0]):
        pull = (np.float32(source[x]) - sci[x]) * (weight[x] * own)
        inside = abs(pull) <= np.float32(ODD)
        kept = pull if inside else np.float32(0)
        sums[x] += kept
        sums[PIECE + x] += kept * kept
        total += kept
        count += np.float32(1) if inside else np.float32(0)
    return total, count


@njit(cache=True, nogil=True, fastmath={"reassoc", "nsz", "contract", "arcp"})
def _add_rows(rows: tuple[Integers | Reals, ...], sci: Reals, weight: Reals, sums: Reals, totals: Doubles) -> None:
    """Add all deviations of ROWS rows of a piece, and their squares, to the sums by column, and to those of the rows.

    ``sci`` and ``weight`` hold the rows of the piece one after the other, ``sums`` those of deviations and squares.
    """
    one, two, three, four = rows
    first = second = third = fourth = np.float32(0)
    for x in range(one.shape[0]):
        a = (np.float32(one[x]) - sci[x]) * weight[x]
        b = (np.float32(two[x]) - sci[PIECE + x]) * weight[PIECE + x]
        c = (np.float32(three[x]) - sci[2 * PIECE + x]) * weight[2 * PIECE + x]
        d = (np.float32(four[x]) - sci[3 * PIECE + x]) * weight[3 * PIECE + x]
        sums[x] += (a + b) + (c + d)
        sums[PIECE + x] += (a * a + b * b) + (c * c + d * d)
        first, second, third, fourth = first + a, second + b, third + c, fourth + d
    totals[0], totals[1] = totals[0] + np.float64(first), totals[1] + np.float64(second)
    totals[2], totals[3] = totals[2] + np.float64(third), totals[3] + np.float64(fourth)


@njit(cache=True, nogil=True)
def _add_odd(  # noqa: PLR0917
    source: Integers | Reals, sci: Reals, weight: Reals, own: np.float32, odd: Reals, start: int, marks: Bytes,
    places: Places,
) -> None:  # fmt: skip
    """Count the odd samples of a piece that has some, by pixel from ``start`` on, above and below."""
    found = 0
    for x in range(sci.shape[0]):
        places[found] = x
        found += not abs((np.float32(source[x]) - sci[x]) * (weight[x] * own)) <= np.float32(ODD)
    for k in range(found):
        x = places[k]
        marks[0, start + x] += 1
        if source[x] < sci[x]:
            odd[1, start + x] += 1
            marks[1, start + x] = 1
        else:
            odd[0, start + x] += 1


@njit(cache=True, nogil=True)
def _mark(marks: Bytes, least: int, few: bool, out: Bytes) -> None:  # noqa: FBT001
    """Mark the pixels of a row with too many odd samples, or with one too low of a few; forget the counts.

    Rows without any are left alone, so that their memory is never used.
    """
    most, low = np.uint8(0), np.uint8(0)
    for x in range(out.shape[0]):
        most, low = max(most, marks[0, x]), max(low, marks[1, x])
    if most >= least or (few and low > 0):
        for x in range(out.shape[0]):
            out[x] = (marks[0, x] >= least) | (few & (marks[1, x] != 0))
    marks[:] = 0


@njit(cache=True, nogil=True)
def _fence(  # noqa: PLR0917
    ends: Integers | Reals, at: int, sci: Reals, weight: Reals, place: tuple[int, int, int], most: np.float32,
    kept: Reals, out: Reals, places: Places,
) -> int:  # fmt: skip
    """Copy a piece of ROWS rows and its weights, 0 where a sample may be odd; list these places.

    ``place`` is first row and columns.
    """
    first, start, end = place
    for y in range(ROWS):
        least, largest = ends[0, at + y, start:end], ends[1, at + y, start:end]
        middle, inverse = sci[first + y, start:end], weight[first + y, start:end]
        copy, own = kept[y * PIECE : (y + 1) * PIECE], out[y * PIECE : (y + 1) * PIECE]
        for x in range(middle.shape[0]):
            reach = max(np.float32(largest[x]) - middle[x], middle[x] - np.float32(least[x]))
            copy[x] = middle[x]
            own[x] = inverse[x] if reach * (inverse[x] * most) <= np.float32(ODD) else np.float32(0)
    found = 0
    for y in range(ROWS):
        for x in range(end - start):
            places[found] = y * PIECE + x
            found += out[y * PIECE + x] == 0
    return found


@njit(cache=True, nogil=True)
def _add_place(  # noqa: PLR0917
    sample: float, middle: float, weight: np.float32, x: int, sums: Reals, odd: Reals, column: int, marks: Bytes
) -> float:
    """Add the deviation of one sample to the sums, or count it as odd; return it, or 0."""
    pull = (np.float32(sample) - np.float32(middle)) * weight
    if abs(pull) <= np.float32(ODD):
        sums[x] += pull
        sums[PIECE + x] += pull * pull
        return float(pull)
    marks[0, column] += 1
    if pull < 0:
        odd[1, column] += 1
        marks[1, column] = 1
    else:
        odd[0, column] += 1
    return 0.0


@njit(cache=True, nogil=True)
def _see_rows(  # noqa: PLR0917
    values: Integers | Reals, at: int, start: int, kept: Reals, quiet: Reals, weight: Reals, own: Reals,
    places: Places, sums: Reals, odd: Reals, totals: Doubles, marks: Bytes,
) -> None:  # fmt: skip
    """Compare a piece of ROWS rows of every frame, from ``at`` on, with the combined ones; some places one by one."""
    scaled, factor = np.zeros(ROWS * PIECE, np.float32), np.float32(-1)
    piece, end = start // PIECE, min(start + PIECE, weight.shape[1])
    for i in range(values.shape[0]):
        if own[i] != factor:
            factor = own[i]
            for x in range(ROWS * PIECE):
                scaled[x] = quiet[x] * factor
        one, two = values[i, at, start:end], values[i, at + 1, start:end]
        three, four = values[i, at + 2, start:end], values[i, at + 3, start:end]
        _add_rows((one, two, three, four), kept, scaled, sums[i, piece], totals[i])
    for k in range(places.shape[0]):
        y, x = places[k] // PIECE, places[k] % PIECE
        for i in range(values.shape[0]):
            totals[i, y] += _add_place(
                values[i, at + y, start + x], kept[places[k]], weight[y, start + x] * own[i], x, sums[i, piece], odd[i],
                start + x, marks[y],
            )  # fmt: skip


@njit(cache=True, nogil=True)
def _see_row(  # noqa: PLR0917
    values: Integers | Reals, at: int, start: int, sci: Reals, weight: Reals, own: Reals, places: Places, sums: Reals,
    odd: Reals, totals: Doubles, marks: Bytes,
) -> None:  # fmt: skip
    """Compare a piece of one row of every frame with the combined one, sample by sample."""
    width = sci.shape[0]
    for i in range(values.shape[0]):
        source = values[i, at, start : start + width]
        total, kept = _add(source, sci, weight, own[i], sums[i, start // PIECE])
        totals[i] += np.float64(total)
        if kept < width:
            _add_odd(source, sci, weight, own[i], odd[i], start, marks, places)


@njit(cache=True, nogil=True)
def see(  # noqa: PLR0917
    values: Integers | Reals, at: int, sci: Reals, ends: Integers | Reals, noise: Reals, own: Reals, sums: Reals,
    odd: Reals, ratio: Reals, row_totals: Doubles, first: int, unstable: Bytes,
) -> None:  # fmt: skip
    """Compare rows of every frame (n, rows, nx), from ``at`` on, with the combined ones.

    ``ends`` (2, rows, nx) are the least and the largest samples, empty where they are not known. ``row_totals`` and
    ``unstable`` are those of the whole frame, of which these rows begin at ``first``; ``sums`` (n, pieces, 2 PIECE)
    are those of the deviations kept and of their squares, ``odd`` (n, 2, nx) numbers of odd ones above and below;
    ``ratio`` (nx,) is that of values over noise.
    """
    (rows, nx), count, known = sci.shape, values.shape[0], ends.shape[1] > 0
    weight, marks = np.empty((rows, nx), np.float32), np.zeros((rows, 2, nx), np.uint8)
    kept, quiet = np.zeros(ROWS * PIECE, np.float32), np.zeros(ROWS * PIECE, np.float32)
    places, most = np.empty(ROWS * PIECE + 1, np.int64), own.max()
    for y in range(rows):
        _weigh(sci[y], noise, weight[y], ratio)
    for start in range(0, nx, PIECE):
        end, y = min(start + PIECE, nx), 0
        while y < rows:
            last, found = y + ROWS, ROWS * PIECE
            if known and last <= rows:
                found = _fence(ends, at + y, sci, weight, (y, start, end), most, kept, quiet, places)
            if ODD_PLACES * found <= ROWS * (end - start):
                _see_rows(
                    values, at + y, start, kept, quiet, weight[y:last], own, places[:found], sums, odd,
                    row_totals[:, first + y : first + last], marks[y:last],
                )  # fmt: skip
                y = last
            else:
                _see_row(
                    values, at + y, start, sci[y, start:end], weight[y, start:end], own, places, sums, odd,
                    row_totals[:, first + y], marks[y],
                )  # fmt: skip
                y += 1
    least = max(2, int(np.ceil(UNSTABLE_SHARE * count)))
    for y in range(rows):
        _mark(marks[y], least, count < FEW, unstable[first + y])


@njit(cache=True, nogil=True, fastmath={"reassoc", "nsz", "contract", "arcp"})
def _sum(values: Reals) -> np.float32:
    total = np.float32(0)
    for x in range(values.shape[0]):
        total += values[x]
    return total


@njit(cache=True, nogil=True)
def end_strip(  # noqa: PLR0917
    sums: Reals, odd: Reals, columns: Doubles, shares: Doubles, means: Doubles, variances: Doubles
) -> None:
    """Sum up a strip of blocks, shapes (n, nx), (n,) and (n, bx), and begin anew.

    A block of which less than half is kept is as far off as can be said. A strip that is no whole block has none.
    """
    samples = np.float64(BLOCK * BLOCK)
    for i in range(sums.shape[0]):
        above, under, column = odd[i, 0], odd[i, 1], columns[i]
        shares[i] += np.float64(_sum(above)) + np.float64(_sum(under))
        for x in range(column.shape[0]):
            column[x] += np.float64(sums[i, x // PIECE, x % PIECE])
        for b in range(means.shape[1]):
            first, last = b * BLOCK, (b + 1) * BLOCK
            piece, at = sums[i, first // PIECE], first % PIECE
            high, low = np.float64(_sum(above[first:last])), np.float64(_sum(under[first:last]))
            kept = samples - high - low
            if 2 * kept < samples:
                means[i, b], variances[i, b] = ODD if high > low else -ODD, np.nan
            else:
                means[i, b] = np.float64(_sum(piece[at : at + BLOCK])) / kept
                square = np.float64(_sum(piece[PIECE + at : PIECE + at + BLOCK]))
                variances[i, b] = square / kept - means[i, b] * means[i, b]
    sums[:] = 0
    odd[:] = 0
