"""Whether the frames of one master show the same: each against all, block by block, line by line, in noise."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numba import njit
from numpy.typing import NDArray

from pictor.imaging.calibration.splitting import BLOCK
from pictor.imaging.combine.kernels import decode_words
from pictor.imaging.combine.noise import NoiseModel
from pictor.imaging.combine.sources import Source, Sources, words_of

if TYPE_CHECKING:
    from pictor.imaging.types import Image

Reals = NDArray[np.float32]
Doubles = NDArray[np.float64]
Bytes = NDArray[np.uint8]

ODD = 5.0
"""A sample so many standard deviations from the combined value is a hit or a fault, and no part of a block's mean."""

UNSTABLE_SHARE = 0.3
"""A pixel with odd samples in this share of its frames (two at least) has no one value."""

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


@dataclass(frozen=True)
class Adjustment:
    """What was done to each frame before it was combined: ``(value - dark) * scale + offset``."""

    scale: Reals
    offset: Reals
    dark: "Image | None"


@njit(cache=True, nogil=True, fastmath={"reassoc", "nsz", "contract", "arcp"})
def _pull_row(  # noqa: PLR0917
    source: NDArray[np.uint16] | Reals, below: Reals, change: Reals, sci: Reals, weight: Reals, out: Reals
) -> None:
    """Turn one row of samples into deviations in standard deviations; ``weight`` is one over these."""
    even, odd, shift = change[0], change[1], change[2]
    for x in range(out.shape[0]):
        value = (np.float32(source[x]) - below[x]) * (odd if x & 1 else even) + shift
        out[x] = (value - sci[x]) * weight[x]


@njit(cache=True, nogil=True, fastmath={"reassoc", "nsz", "contract", "arcp"})
def _add_row(pull: Reals, plain: Reals, square: Reals) -> tuple[float, float]:
    """Add the deviations that are not odd to the sums by column; return their own sum and number."""
    total, count = np.float32(0), np.float32(0)
    for x in range(pull.shape[0]):
        inside = abs(pull[x]) <= np.float32(ODD)
        kept = pull[x] if inside else np.float32(0)
        plain[x] += kept
        square[x] += kept * kept
        total += kept
        count += np.float32(1) if inside else np.float32(0)
    return np.float64(total), np.float64(count)


@njit(cache=True, nogil=True)
def _add_odd(pull: Reals, above: Reals, under: Reals, odd: Bytes) -> None:
    """Count the odd samples of one row by pixel."""
    for x in range(pull.shape[0]):
        if not abs(pull[x]) <= np.float32(ODD):
            odd[x] += 1
            if pull[x] < 0:
                under[x] += 1
            else:
                above[x] += 1


@njit(cache=True, nogil=True)
def _add_strip(  # noqa: PLR0917
    values: NDArray[np.uint16] | Reals, below: Reals, change: Reals, sci: Reals, weight: Reals, odd: Bytes,
    row_means: Doubles, sums: Reals,
) -> None:  # fmt: skip
    """Compare one strip of one frame with the combined one; ``change`` is (2, 3): by column parity, and the offset.

    ``sums`` (4, nx) are those of the deviations kept, of their squares, and numbers of odd ones above and below.
    """
    sums[:] = 0
    nx = sci.shape[1]
    pull = np.empty(nx, np.float32)
    for y in range(sci.shape[0]):
        _pull_row(values[y], below[y], change[y & 1], sci[y], weight[y], pull)
        total, count = _add_row(pull, sums[0], sums[1])
        row_means[y] = total / nx
        if count < nx:
            _add_odd(pull, sums[2], sums[3], odd[y])


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


@dataclass(frozen=True)
class _Look:
    """What is looked at, and what the strips of one thread fill."""

    sources: Sources
    adjustment: Adjustment
    sci: Reals
    noise: NoiseModel
    found: Agreement
    columns: Doubles
    odd: NDArray[np.int64]


@dataclass(frozen=True)
class _Strip:
    """Some rows of the combined frame, of one over the noise of a sample, and of the dark."""

    rows: slice
    sci: Reals
    weight: Reals
    below: Reals


def look(sources: Sources, adjustment: Adjustment, sci: Reals, noise: NoiseModel) -> Agreement:
    """Compare every frame with the combined one.

    Parameters
    ----------
    sources
        The open frames, shape (ny, nx) each.
    adjustment
        What was done to them.
    sci
        The combined frame, shape (ny, nx), in ADU.
    noise
        Noise of one unscaled sample.

    Returns
    -------
    Agreement
        Deviations of blocks and lines by frame.
    """
    (ny, nx), count = sources.shape, len(sources.frames)
    by, bx = ny // BLOCK, nx // BLOCK
    empty = np.zeros((count, by, bx))
    found = Agreement(
        empty, empty.copy(), np.zeros((by, bx)), np.zeros((count, ny)), np.zeros((count, nx)), np.zeros(count),
        np.zeros((ny, nx), np.uint8),
    )  # fmt: skip
    firsts = list(range(0, ny, BLOCK))

    def work(share: list[int]) -> _Look:
        own = _Look(
            sources, adjustment, sci, noise, found, np.zeros((count, nx)), np.zeros(count, np.int64)
        )  # fmt: skip
        room = np.empty(words_of(BLOCK * nx) * 4, np.uint16)
        for first in share:
            _look_at_strip(own, _strip(own, first), room)
        return own

    with ThreadPoolExecutor(2) as pool:
        parts = list(pool.map(work, [firsts[::2], firsts[1::2]]))
    odd = sum((part.odd for part in parts), np.zeros(count, np.int64))
    columns = sum((part.columns for part in parts), np.zeros((count, nx)))
    return replace(found, columns=columns / ny, odd_shares=odd / (ny * nx))


def look_at(
    paths: Sequence[Path], sci: Reals, noise: NoiseModel, adjustment: Adjustment, *, scratch: Path | None = None
) -> Agreement:
    """Compare the frames in files with what was combined of them; see `look`."""
    with Sources(list(paths), scratch=scratch) as sources:
        return look(sources, adjustment, sci, noise)


def _strip(at: _Look, first: int) -> _Strip:
    rows = slice(first, min(first + BLOCK, at.sci.shape[0]))
    sci, dark, noise = at.sci[rows], at.adjustment.dark, at.noise
    signal = np.maximum(sci - np.float32(noise.pedestal), np.float32(0))
    weight = 1 / np.sqrt(np.float32(noise.floor) + np.float32(noise.slope) * signal)
    below = np.zeros_like(sci) if dark is None else np.asarray(dark[rows], np.float32)
    return _Strip(rows, sci, weight, below)


def _look_at_strip(at: _Look, strip: _Strip, room: NDArray[np.uint16]) -> None:
    """Compare one strip of all frames."""
    found, number = at.found, strip.rows.start // BLOCK
    odd, low = np.zeros(strip.sci.shape, np.uint8), np.zeros(strip.sci.shape, np.bool_)
    sums, whole = np.empty((4, strip.sci.shape[1]), np.float32), number < found.snr.shape[0]
    count = len(at.sources.frames)
    for i, frame in enumerate(at.sources.frames):
        values, scale = _values(frame, strip.rows, room), at.adjustment.scale[i]
        own = np.float32(1 / np.sqrt(scale.mean()))
        change = np.column_stack([scale, np.full(2, at.adjustment.offset[i])]).astype(np.float32)
        weight = strip.weight if own == 1 else strip.weight * own
        _add_strip(values, strip.below, change, strip.sci, weight, odd, found.rows[i, strip.rows], sums)
        at.columns[i] += sums[0]
        at.odd[i] += int(sums[2:].sum())
        if whole:
            _block_sums(sums, BLOCK * BLOCK, BLOCK, found.blocks[i, number], found.variances[i, number])
        if count < FEW and sums[3].any():
            low |= _low(values, strip.below, change, strip.sci, weight)
    if whole:
        found.snr[number] = _block_means(strip.sci * strip.weight)
    y, x = np.nonzero((odd >= max(2, int(np.ceil(UNSTABLE_SHARE * count)))) | low)
    found.unstable[strip.rows.start + y, x] = 1


def _low(
    values: NDArray[np.uint16] | Reals, below: Reals, change: Reals, sci: Reals, weight: Reals
) -> NDArray[np.bool_]:
    """Mark the samples far too low."""
    scale = change[np.arange(len(sci))[:, None] & 1, np.arange(sci.shape[1]) & 1]
    low: NDArray[np.bool_] = ((values - below) * scale + change[0, 2] - sci) * weight < -ODD
    return low


def _values(frame: Source, rows: slice, room: NDArray[np.uint16]) -> NDArray[np.uint16] | Reals:
    """Read rows of one frame, as they are."""
    height, nx = rows.stop - rows.start, frame.shape[1]
    if not frame.raw:
        values = np.empty((height, nx), np.float32)
        frame.read_rows(rows.start, values)
        return values
    frame.read_rows(rows.start, room[: height * nx])
    decode_words(room[: words_of(height * nx) * 4].view(np.uint64))
    return room[: height * nx].reshape(height, nx)


def _block_means(values: Reals) -> Doubles:
    whole = values.shape[1] // BLOCK * BLOCK
    means: Doubles = values[:, :whole].reshape(len(values), -1, BLOCK).mean(axis=(0, 2), dtype=np.float64)
    return means


def warm() -> None:
    """Compile the kernels for the types in use."""
    row, change = np.zeros((2, 8), np.float32), np.ones((2, 3), np.float32)
    sums, odd, means = np.zeros((4, 8), np.float32), np.zeros((2, 8), np.uint8), np.zeros(2)
    for values in (np.zeros((2, 8), np.uint16), row.copy()):
        _add_strip(values, row, change, row, row, odd, means, sums)
    _block_sums(sums, 8, 4, means, means.copy())
