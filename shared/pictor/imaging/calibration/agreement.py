"""Whether the frames of one master show the same: each against all, block by block, line by line, in noise."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from pictor.imaging.calibration.looking import PIECE, Bytes, Doubles, Reals, end_strip, see
from pictor.imaging.calibration.splitting import BLOCK
from pictor.imaging.combine.kernels import sorting_network
from pictor.imaging.combine.noise import NoiseModel
from pictor.imaging.combine.tiles import Tile

_UNKNOWN = np.empty((2, 0, 0), np.uint16)

WINDOW = 11
"""Lines among which one stands alone."""


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
        sums, ratio = np.zeros((count, -(-nx // PIECE), 2 * PIECE), np.float32), np.zeros(nx, np.float32)
        part = _Part(self, sums, np.zeros((count, 2, nx), np.float32), ratio, np.zeros((count, nx)), np.zeros(count))
        self._parts.append(part)
        return part

    @property
    def found(self) -> Agreement:
        """How every frame lies about the combined one, once all rows were seen."""
        ny, nx = self._unstable.shape
        odd = sum((part.shares for part in self._parts), np.zeros(len(self._own)))
        columns = sum((part.columns for part in self._parts), np.zeros((len(self._own), nx)))
        return Agreement(
            self._blocks, self._variances, self._snr, self._rows / nx, columns / ny, odd / (ny * nx), self._unstable
        )  # fmt: skip

    def see(self, part: "_Part", tile: Tile, at: int) -> None:
        """Compare rows of a tile from ``at`` on, all of one strip of blocks, with what was combined of them."""
        sci, first = tile.sci[at : at + BLOCK], tile.first + at
        ends, last = _UNKNOWN if tile.ends is None else tile.ends, first + len(sci)
        see(
            tile.values, at, sci, ends, self._noise, self._own, part.sums, part.odd, part.ratio, self._rows, first,
            self._unstable,
        )  # fmt: skip
        if last % BLOCK == 0 or last == len(self._unstable):
            self._end(part, first // BLOCK, whole=last % BLOCK == 0)

    def _end(self, part: "_Part", number: int, *, whole: bool) -> None:
        """Sum up one strip of blocks."""
        means, inside = np.empty((2, len(self._own), self._snr.shape[1] if whole else 0))
        end_strip(part.sums, part.odd, part.columns, part.shares, means, inside)
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
    odd: Reals
    ratio: Reals
    columns: Doubles
    shares: Doubles

    def see(self, tile: Tile) -> None:
        """See some rows of all frames and of what was combined of them; strips of blocks from above to below."""
        for start in range(0, len(tile.sci), BLOCK):
            self.look.see(self, tile, start)


def warm() -> None:
    """Compile the kernels for the types in use."""
    shape = BLOCK, BLOCK
    sci, look, ends = (
        np.zeros(shape, np.float32),
        Look(shape, np.ones(2), NoiseModel(1.0)),
        np.zeros((2, *shape), np.uint16),
    )
    look.part().see(Tile(0, np.zeros((2, *shape), np.uint16), sci, ends))
    look.part().see(Tile(0, np.zeros((2, *shape), np.float32), sci, np.zeros((2, *shape), np.float32)))
    look.part().see(Tile(0, np.zeros((2, *shape), np.float32), sci))
