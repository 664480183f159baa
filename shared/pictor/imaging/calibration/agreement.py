"""Whether the frames of one master show the same: each against all, block by block, line by line, in noise."""

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from pictor.imaging.calibration.splitting import BLOCK
from pictor.imaging.combine.noise import NoiseModel

Integers = NDArray[np.uint16]
Reals = NDArray[np.float32]
Doubles = NDArray[np.float64]
Bytes = NDArray[np.uint8]

ODD = 5.0
"""A sample so many standard deviations from the combined value is a hit or a fault, and no part of a block's mean."""

UNSTABLE_SHARE = 0.3
"""A pixel with odd samples in this share of its frames (two at least) has no one value."""

PIECE = 1024
"""Samples of a row looked at together; only where one of them is odd they are counted one by one."""

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


@njit(cache=True, nogil=True, fastmath={"reassoc", "nsz", "contract", "arcp"})
def _pull(source: Integers | Reals, sci: Reals, weight: Reals, own: float, out: Reals) -> None:
    """Turn samples into deviations in standard deviations; ``weight`` is one over these, ``own`` for the frame."""
    share = np.float32(own)
    for x in range(sci.shape[0]):
        out[x] = (np.float32(source[x]) - sci[x]) * (weight[x] * share)


@njit(cache=True, nogil=True, fastmath={"reassoc", "nsz", "contract", "arcp"})
def _add(pull: Reals, plain: Reals, square: Reals) -> tuple[float, float]:
    """Add the deviations that are not odd to the sums by column; return their own sum and number."""
    total, count = np.float32(0), np.float32(0)
    for x in range(plain.shape[0]):
        inside = abs(pull[x]) <= np.float32(ODD)
        kept = pull[x] if inside else np.float32(0)
        plain[x] += kept
        square[x] += kept * kept
        total += kept
        count += np.float32(1) if inside else np.float32(0)
    return np.float64(total), np.float64(count)


@njit(cache=True, nogil=True)
def _add_odd(pull: Reals, above: Reals, under: Reals, odd: Bytes, low: Bytes) -> None:
    """Count the odd samples by pixel, and mark the pixels of those too low."""
    for x in range(odd.shape[0]):
        if not abs(pull[x]) <= np.float32(ODD):
            odd[x] += 1
            if pull[x] < 0:
                under[x] += 1
                low[x] = 1
            else:
                above[x] += 1


@njit(cache=True, nogil=True)
def _see(  # noqa: PLR0917
    values: Integers | Reals, at: int, sci: Reals, weight: Reals, own: Doubles, sums: Reals, row_means: Doubles,
    first: int, marks: Bytes,
) -> None:  # fmt: skip
    """Compare rows of every frame (n, rows, nx), from ``at`` on, with the combined ones.

    ``row_means`` are those of the whole frame, of which these rows begin at ``first``; ``sums`` (n, 4, nx) are those of
    the deviations kept, of their squares, and numbers of odd ones above and below; ``marks`` (2, rows, nx) counts the
    odd samples of a pixel and tells where one is too low.
    """
    nx = sci.shape[1]
    pull = np.empty(PIECE, np.float32)
    for start in range(0, nx, PIECE):
        end = min(start + PIECE, nx)
        for i in range(values.shape[0]):
            for y in range(sci.shape[0]):
                _pull(values[i, at + y, start:end], sci[y, start:end], weight[y, start:end], own[i], pull)
                total, count = _add(pull, sums[i, 0, start:end], sums[i, 1, start:end])
                row_means[i, first + y] += total / nx
                if count < end - start:
                    above, under = sums[i, 2, start:end], sums[i, 3, start:end]
                    _add_odd(pull, above, under, marks[0, y, start:end], marks[1, y, start:end])


@njit(cache=True, nogil=True)
def _block_sums(sums: Reals, samples: int, block: int, mean: Doubles, variance: Doubles) -> None:
    """Sum up the blocks of a strip; one of which less than half is kept is as far off as can be said."""
    for b in range(mean.shape[0]):
        part = sums[:, b * block : (b + 1) * block]
        above, under = part[2].sum(), part[3].sum()
        kept = samples - above - under
        if 2 * kept < samples:
            mean[b], variance[b] = ODD if above > under else -ODD, np.nan
        else:
            mean[b] = part[0].sum() / kept
            variance[b] = part[1].sum() / kept - mean[b] * mean[b]


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
        self.noise, self.own = noise, 1 / np.sqrt(np.asarray(scale, np.float64))
        self._blocks, self._variances, self._snr = *np.zeros((2, count, by, bx)), np.zeros((by, bx))
        self._rows, self._unstable = np.zeros((count, ny)), np.zeros(shape, np.uint8)
        self._parts: list[_Part] = []

    def part(self) -> "_Part":
        """Begin a share of the rows; each thread has its own."""
        count, nx = len(self.own), self._unstable.shape[1]
        sums, weight = np.zeros((count, 4, nx), np.float32), np.zeros((BLOCK, nx), np.float32)
        part = _Part(self, sums, weight, np.zeros((count, nx)), np.zeros(count))
        self._parts.append(part)
        return part

    @property
    def found(self) -> Agreement:
        """How every frame lies about the combined one, once all rows were seen."""
        ny, nx = self._unstable.shape
        odd = sum((part.odd for part in self._parts), np.zeros(len(self.own)))
        columns = sum((part.columns for part in self._parts), np.zeros((len(self.own), nx)))
        return Agreement(
            self._blocks, self._variances, self._snr, self._rows, columns / ny, odd / (ny * nx), self._unstable
        )  # fmt: skip

    def see(self, part: "_Part", first: int, values: Integers | Reals, at: int, sci: Reals) -> None:
        """Compare rows from ``first`` on, all of one strip of blocks, with what was combined of them."""
        count, (height, nx) = len(values), sci.shape
        within = first % BLOCK
        weight = part.weight[within : within + height]
        weight[:] = self._weight(sci)
        marks = np.zeros((2, height, nx), np.uint8)
        rows = slice(first, first + height)
        _see(values, at, sci, weight, self.own, part.sums, self._rows, first, marks)
        bad = marks[0] >= max(2, int(np.ceil(UNSTABLE_SHARE * count)))
        if count < FEW:
            bad |= marks[1] != 0
        self._unstable[rows] = bad
        weight *= sci
        if within + height == BLOCK or rows.stop == len(self._unstable):
            self._end(part, first // BLOCK, whole=within + height == BLOCK)

    def _weight(self, sci: Reals) -> Reals:
        """Return one over the noise of a sample."""
        signal = np.maximum(sci - np.float32(self.noise.pedestal), np.float32(0))
        weight: Reals = 1 / np.sqrt(np.float32(self.noise.floor) + np.float32(self.noise.slope) * signal)
        return weight

    def _end(self, part: "_Part", number: int, *, whole: bool) -> None:
        """Sum up one strip of blocks."""
        part.columns += part.sums[:, 0]
        part.odd += part.sums[:, 2:].sum(axis=(1, 2), dtype=np.float64)
        if whole:
            for i, sums in enumerate(part.sums):
                _block_sums(sums, BLOCK * BLOCK, BLOCK, self._blocks[i, number], self._variances[i, number])
            self._snr[number] = _block_means(part.weight)
        part.sums[:] = 0


@dataclass
class _Part:
    """What one thread fills: sums of the strip of blocks it is in, value over noise there, and what it has seen."""

    look: Look
    sums: Reals
    weight: Reals
    columns: Doubles
    odd: Doubles

    def see(self, first: int, values: Integers | Reals, sci: Reals) -> None:
        """See some rows of all frames and of what was combined of them; strips of blocks from above to below."""
        for start in range(0, len(sci), BLOCK):
            self.look.see(self, first + start, values, start, sci[start : start + BLOCK])


def _block_means(values: Reals) -> Doubles:
    whole = values.shape[1] // BLOCK * BLOCK
    means: Doubles = values[:, :whole].reshape(len(values), -1, BLOCK).mean(axis=(0, 2), dtype=np.float64)
    return means


def warm() -> None:
    """Compile the kernels for the types in use."""
    sci, look = np.zeros((BLOCK, BLOCK), np.float32), Look((BLOCK, BLOCK), np.ones(2), NoiseModel(1.0))
    samples: tuple[Integers | Reals, ...] = (
        np.zeros((2, BLOCK, BLOCK), np.uint16),
        np.zeros((2, BLOCK, BLOCK), np.float32),
    )
    for values in samples:
        look.part().see(0, values, sci)
