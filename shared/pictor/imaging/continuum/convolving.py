"""A matching kernel applied to parts of a frame, as a sum of few separable ones."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from pictor.imaging.continuum.kernels import correlate, spread_lost
from pictor.imaging.continuum.matching import MatchingKernel
from pictor.imaging.continuum.pairs import Floats

Reals = NDArray[np.float32]

# Products that hold less than these shares of the largest are left out: of the kernel, and of its square.
_LEAST_PART, _LEAST_SQUARE = 3e-4, 1e-2
# A pixel whose usable neighbours hold less of the kernel's weight than this is not known.
_LEAST_SHARE, _LEAST_WEIGHT = 0.5, 0.25
# Steps over a frame in which a kernel that changes is applied.
_STEPS = 40


@dataclass(frozen=True, eq=False)
class Blur:
    """One kernel, ready to be applied; ``values`` has the shape (2 h + 1, 2 h + 1) and the sum 1."""

    values: Floats

    @property
    def half(self) -> int:
        """Pixels it reaches beyond the middle."""
        return int(self.values.shape[0]) // 2

    @cached_property
    def _turned(self) -> Reals:
        return np.ascontiguousarray(self.values[::-1, ::-1], dtype=np.float32)

    @cached_property
    def _parts(self) -> tuple[Reals, Reals]:
        return _separated(self.values[::-1, ::-1], _LEAST_PART)

    @cached_property
    def _squared(self) -> tuple[Reals, Reals]:
        return _separated(np.square(self.values[::-1, ::-1]), _LEAST_SQUARE)

    def values_of(self, window: Reals, level: float) -> tuple[Reals, Reals | None]:
        """Convolve a window, larger than the result by ``half`` on all sides.

        Parameters
        ----------
        window
            NaN where nothing is known.
        level
            About the sky: unusable pixels are bridged by their neighbours above it.

        Returns
        -------
        tuple
            Values (NaN where less than half of the weight lies on usable pixels), and the share of the kernel's
            absolute weight that lies on usable pixels; None where all do.
        """
        if self.values.size == 1:
            known = np.isfinite(window)
            return window, None if known.all() else known.astype(np.float32)
        shape = window.shape[0] - 2 * self.half, window.shape[1] - 2 * self.half
        made, above = np.empty(shape, np.float32), window - np.float32(level)
        good = np.isfinite(above)
        whole = bool(good.all())
        if not whole:
            above[~good] = 0.0
        correlate(above, *self._parts, made)
        if whole:
            made += np.float32(level)
            return made, None
        strength = np.abs(self.values).sum()
        share, weight = np.full(shape, strength, np.float32), np.ones(shape, np.float32)
        spread_lost(np.where(good, above, np.float32(np.nan)), self._turned, share, weight)
        share /= np.float32(strength)
        with np.errstate(divide="ignore", invalid="ignore"):
            made = np.asarray(made / weight + np.float32(level), dtype=np.float32)
        made[(share < _LEAST_SHARE) | ~(weight > _LEAST_WEIGHT)] = np.nan
        return made, np.clip(share, 0.0, 1.0, out=share)

    def noise_of(self, window: Reals) -> Reals:
        """Convolve the noise of a window; where it is not known it is taken to be the usual one."""
        shape = window.shape[0] - 2 * self.half, window.shape[1] - 2 * self.half
        made, variance = np.empty(shape, np.float32), np.square(window)
        unknown = ~np.isfinite(variance)
        if unknown.any():
            variance[unknown] = np.median(variance[~unknown]) if not unknown.all() else np.nan
        correlate(variance, *self._squared, made)
        return np.sqrt(np.maximum(made, np.float32(0.0), out=made), out=made)


@dataclass(frozen=True, eq=False)
class Blurs:
    """The kernel of every part of a frame."""

    kernel: MatchingKernel
    shape: tuple[int, int]

    @cached_property
    def _everywhere(self) -> Blur | None:
        return Blur(self.kernel.values) if self.kernel.terms is None else None

    @property
    def half(self) -> int:
        """Pixels the kernels reach beyond the middle."""
        return int(self.kernel.values.shape[0]) // 2

    def near(self, x: float, y: float) -> Blur:
        """Give the kernel at a place."""
        return self._everywhere or Blur(self.kernel.at(x, y, self.shape))

    @property
    def tile(self) -> tuple[int, int]:
        """Rows and columns for which one kernel is good enough, and which the caches hold."""
        if self._everywhere is not None:
            return 128, 512
        side = min(max(min(self.shape) // _STEPS, 24), 96)
        return side, side


def _separated(kernel: Floats, least: float) -> tuple[Reals, Reals]:
    """Write a kernel as a sum of outer products of columns and rows, shape (rank, taps) each, its sum kept."""
    left, sizes, right = np.linalg.svd(kernel)
    rank = max(1, int(np.count_nonzero(sizes > least * sizes[0])))
    down, across = (left[:, :rank] * sizes[:rank]).T, right[:rank]
    factor = kernel.sum() / float(down.sum(axis=1) @ across.sum(axis=1))
    return np.ascontiguousarray(down * factor, dtype=np.float32), np.ascontiguousarray(across, dtype=np.float32)


def warm() -> None:
    """Compile the kernels of this module."""
    blur, image = Blur(np.full((3, 3), 1 / 9)), np.zeros((8, 8), np.float32)
    blur.noise_of(image)
    image[4, 4] = np.nan
    blur.values_of(image, 0.0)
