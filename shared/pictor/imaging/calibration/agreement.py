"""Whether the frames of one master show the same: each against all, block by block, line by line, in noise."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from pictor.imaging.calibration.splitting import BLOCK
from pictor.imaging.combine.kernels import sorting_network
from pictor.imaging.combine.noise import NoiseModel
from pictor.imaging.compiling import njit

Integers = NDArray[np.uint16]
Reals = NDArray[np.float32]
Doubles = NDArray[np.float64]
Bytes = NDArray[np.uint8]

ODD = 5.0
"""A sample so many standard deviations from the combined value is a hit or a fault, and no part of a block's mean."""

UNSTABLE_SHARE = 0.3
"""A pixel with odd samples in this share of its frames (two at least) has no one value."""

PIECE = 512
"""Samples of a row looked at together; only where one of them is odd it is looked for."""

WINDOW = 11
"""Lines among which one stands alone."""

FEW = 5
"""With fewer frames a sample far too low tells that the others, which agree, are hits: of three the two."""


@dataclass(frozen=True)
class Agreement:
    """How every frame lies about the combined one, in standard deviations of a pixel of that frame.

    Parameters
    ----------
    blocks
        Mean of each block, shape (n, by, bx); hits do not count.
    variances
        Variance inside each block, shape (n, by, bx).
    snr
        Combined value over the noise of one sample, shape (by, bx): brings the unit of ``blocks`` to relative ones.
    rows, columns
        Mean of each row, shape (n, ny), and column, shape (n, nx).
    odd_shares
        Share of the samples of each frame beyond ``ODD``, shape (n,).
    unstable
        1 where a pixel has no one value, shape (ny, nx).
    """

    blocks: Doubles
    variances: Doubles
    snr: Doubles
    rows: Doubles
    columns: Doubles
    odd_shares: Doubles
    unstable: Bytes

    @property
    def noise(self) -> Doubles:
        """Noise of each frame, shape (n,), in what was expected of it; the combined frame's own share is taken out."""
        count = len(self.variances)
        if count < 2 or self.variances[0].size == 0:
            return np.ones(count)
        about = np.nanmedian(self.variances.reshape(count, -1), axis=1)
        mean = about.mean() * count / (count - 1)
        own = (about - mean / count) / (1 - 2 / count) if count > 2 else np.full(count, mean)
        found: Doubles = np.sqrt(np.maximum(own, 0.0))
        return found

    @cached_property
    def rows_alone(self) -> Doubles:
        """How far each row of each frame leaves its neighbours, and the same row of the other frames."""
        return _alone(self.rows)

    @cached_property
    def columns_alone(self) -> Doubles:
        """How far each column of each frame leaves its neighbours, and the same column of the other frames."""
        return _alone(self.columns)


def _alone(lines: Doubles) -> Doubles:
    half = WINDOW // 2
    if lines.shape[1] <= WINDOW:
        return np.zeros_like(lines)
    about = lines - np.median(lines, axis=0)
    padded = np.pad(about, ((0, 0), (half, half)), mode="reflect")
    near = [padded[:, k : k + lines.shape[1]] for k in range(WINDOW)]
    for low, high in sorting_network(WINDOW):
        near[low], near[high] = np.minimum(near[low], near[high]), np.maximum(near[low], near[high])
    alone: Doubles = about - near[half]
    return alone


@njit(cache=True, nogil=True, fastmath={"reassoc", "nsz", "contract", "arcp"})
def _weigh(sci: Reals, noise: Reals, weight: Reals, ratio: Reals) -> None:
    """Write one over the noise of a sample, of (floor, slope, pedestal), and add value over noise to ``ratio``."""
    for x in range(sci.shape[0]):
        weight[x] = np.float32(1) / np.sqrt(noise[0] + noise[1] * max(sci[x] - noise[2], np.float32(0)))
        ratio[x] += weight[x] * sci[x]


@njit(cache=True, nogil=True, fastmath={"reassoc", "nsz", "contract", "arcp"})
def _add(  # noqa: PLR0917
    source: Integers | Reals, sci: Reals, weight: Reals, own: np.float32, plain: Reals, square: Reals
) -> tuple[np.float32, np.float32]:
    """Add the deviations that are not odd to the sums by column; return their own sum and number.

    ``weight`` is one over the noise of a sample of a frame that was not scaled, ``own`` what that is to be multiplied
    by.
    """
    total, count = np.float32(0), np.float32(0)
    for x in range(plain.shape[0]):
        pull = (np.float32(source[x]) - sci[x]) * (weight[x] * own)
        inside = abs(pull) <= np.float32(ODD)
        kept = pull if inside else np.float32(0)
        plain[x] += kept
        square[x] += kept * kept
        total += kept
        count += np.float32(1) if inside else np.float32(0)
    return total, count


@njit(cache=True, nogil=True)
def _add_odd(  # noqa: PLR0917
    source: Integers | Reals, sci: Reals, weight: Reals, own: np.float32, sums: Reals, start: int, marks: Bytes,
    places: NDArray[np.int64],
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
            sums[3, start + x] += 1
            marks[1, start + x] = 1
        else:
            sums[2, start + x] += 1


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
def _see(  # noqa: PLR0917
    values: Integers | Reals, at: int, sci: Reals, noise: Reals, own: Reals, sums: Reals, ratio: Reals,
    row_means: Doubles, first: int, unstable: Bytes,
) -> None:  # fmt: skip
    """Compare rows of every frame (n, rows, nx), from ``at`` on, with the combined ones.

    ``row_means`` and ``unstable`` are those of the whole frame, of which these rows begin at ``first``; ``sums``
    (n, 4, nx) are those of the deviations kept, of their squares, and numbers of odd ones above and below; ``ratio``
    (nx,) is that of values over noise.
    """
    (rows, nx), count = sci.shape, values.shape[0]
    weight, marks = np.empty((rows, nx), np.float32), np.zeros((rows, 2, nx), np.uint8)
    places, touched = np.empty(PIECE, np.int64), np.zeros(rows, np.bool_)
    for y in range(rows):
        _weigh(sci[y], noise, weight[y], ratio)
    for start in range(0, nx, PIECE):
        end = min(start + PIECE, nx)
        for i in range(count):
            plain, square = sums[i, 0, start:end], sums[i, 1, start:end]
            for y in range(rows):
                source, middle, inverse = values[i, at + y, start:end], sci[y, start:end], weight[y, start:end]
                total, kept = _add(source, middle, inverse, own[i], plain, square)
                row_means[i, first + y] += np.float64(total) / nx
                if kept < end - start:
                    _add_odd(source, middle, inverse, own[i], sums[i], start, marks[y], places)
                    touched[y] = True
    least = max(2, int(np.ceil(UNSTABLE_SHARE * count)))
    for y in range(rows):
        if touched[y]:
            _mark(marks[y], least, count < FEW, unstable[first + y])


@njit(cache=True, nogil=True, fastmath={"reassoc", "nsz", "contract", "arcp"})
def _sum(values: Reals) -> np.float32:
    total = np.float32(0)
    for x in range(values.shape[0]):
        total += values[x]
    return total


@njit(cache=True, nogil=True)
def _end(sums: Reals, columns: Doubles, odd: Doubles, means: Doubles, variances: Doubles) -> None:
    """Sum up a strip of blocks, shapes (n, nx), (n,) and (n, bx), and begin anew.

    A block of which less than half is kept is as far off as can be said. A strip that is no whole block has none.
    """
    samples = np.float64(BLOCK * BLOCK)
    for i in range(sums.shape[0]):
        plain, square, above, under, column = sums[i, 0], sums[i, 1], sums[i, 2], sums[i, 3], columns[i]
        odd[i] += np.float64(_sum(above)) + np.float64(_sum(under))
        for x in range(plain.shape[0]):
            column[x] += np.float64(plain[x])
        for b in range(means.shape[1]):
            first, last = b * BLOCK, (b + 1) * BLOCK
            high, low = np.float64(_sum(above[first:last])), np.float64(_sum(under[first:last]))
            kept = samples - high - low
            if 2 * kept < samples:
                means[i, b], variances[i, b] = ODD if high > low else -ODD, np.nan
            else:
                means[i, b] = np.float64(_sum(plain[first:last])) / kept
                variances[i, b] = np.float64(_sum(square[first:last])) / kept - means[i, b] * means[i, b]
    sums[:] = 0


class Look:
    """Looks at the frames of one combination, tile by tile, while they are at hand.

    Parameters
    ----------
    shape
        Shape (ny, nx) of the frames.
    scale
        What each frame was multiplied by, shape (n,): its noise is larger by the square root.
    noise
        Noise of one unscaled sample.
    """

    def __init__(self, shape: tuple[int, int], scale: NDArray[np.floating], noise: NoiseModel) -> None:
        (ny, nx), count = shape, len(scale)
        by, bx = ny // BLOCK, nx // BLOCK
        self._noise = np.array([noise.floor, noise.slope, noise.pedestal], np.float32)
        self._own = (1 / np.sqrt(np.asarray(scale, np.float64))).astype(np.float32)
        self._blocks, self._variances, self._snr = *np.zeros((2, count, by, bx)), np.zeros((by, bx))
        self._rows, self._unstable = np.zeros((count, ny)), np.zeros(shape, np.uint8)
        self._parts: list[_Part] = []

    def part(self) -> "_Part":
        """Begin a share of the rows; each thread has its own."""
        count, nx = len(self._own), self._unstable.shape[1]
        sums, ratio = np.zeros((count, 4, nx), np.float32), np.zeros(nx, np.float32)
        part = _Part(self, sums, ratio, np.zeros((count, nx)), np.zeros(count))
        self._parts.append(part)
        return part

    @property
    def found(self) -> Agreement:
        """How every frame lies about the combined one, once all rows were seen."""
        ny, nx = self._unstable.shape
        odd = sum((part.odd for part in self._parts), np.zeros(len(self._own)))
        columns = sum((part.columns for part in self._parts), np.zeros((len(self._own), nx)))
        return Agreement(
            self._blocks, self._variances, self._snr, self._rows, columns / ny, odd / (ny * nx), self._unstable
        )  # fmt: skip

    def see(self, part: "_Part", first: int, values: Integers | Reals, at: int, sci: Reals) -> None:
        """Compare rows from ``first`` on, all of one strip of blocks, with what was combined of them."""
        last = first + len(sci)
        _see(values, at, sci, self._noise, self._own, part.sums, part.ratio, self._rows, first, self._unstable)
        if last % BLOCK == 0 or last == len(self._unstable):
            self._end(part, first // BLOCK, whole=last % BLOCK == 0)

    def _end(self, part: "_Part", number: int, *, whole: bool) -> None:
        """Sum up one strip of blocks."""
        means, inside = np.empty((2, len(self._own), self._snr.shape[1] if whole else 0))
        _end(part.sums, part.columns, part.odd, means, inside)
        if whole:
            self._blocks[:, number], self._variances[:, number] = means, inside
            sums = part.ratio[: self._snr.shape[1] * BLOCK].reshape(-1, BLOCK).sum(axis=1, dtype=np.float64)
            self._snr[number] = sums / (BLOCK * BLOCK)
        part.ratio[:] = 0


@dataclass
class _Part:
    """What one thread fills: sums of the strip of blocks it is in, of value over noise, and what it has seen."""

    look: Look
    sums: Reals
    ratio: Reals
    columns: Doubles
    odd: Doubles

    def see(self, first: int, values: Integers | Reals, sci: Reals) -> None:
        """See some rows of all frames and of what was combined of them; strips of blocks from above to below."""
        for start in range(0, len(sci), BLOCK):
            self.look.see(self, first + start, values, start, sci[start : start + BLOCK])


def warm() -> None:
    """Compile the kernels for the types in use."""
    sci, look = np.zeros((BLOCK, BLOCK), np.float32), Look((BLOCK, BLOCK), np.ones(2), NoiseModel(1.0))
    samples: tuple[Integers | Reals, ...] = (
        np.zeros((2, BLOCK, BLOCK), np.uint16),
        np.zeros((2, BLOCK, BLOCK), np.float32),
    )
    for values in samples:
        look.part().see(0, values, sci)
