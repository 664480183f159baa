"""Whether a master behaves like the mean of independent frames: numbers for the gate, no verdict."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pictor.imaging.combine.sampling import clipped_moments
from pictor.imaging.types import Image

BLOCK = 32
STRONG = 5.0
"""Blocks beyond this many sigma are counted as a share; noise alone puts about one in two million there."""


@dataclass(frozen=True, slots=True)
class Difference:
    """How two combined frames differ, in units of what their noise allows."""

    std_ratio: float
    block_max: float
    block_share: float
    offset: float


def block_means(values: Image, *, block: int = BLOCK) -> NDArray[np.float64]:
    """Return the mean of the finite values of each whole block, NaN where fewer than half are finite."""
    ny, nx = (n // block for n in values.shape)
    means = np.empty((ny, nx))
    for row in range(ny):
        cut = values[row * block : (row + 1) * block, : nx * block].reshape(block, nx, block)
        good = np.isfinite(cut)
        count = good.sum(axis=2).sum(axis=0)
        total = np.where(good, cut, np.float32(0)).sum(axis=2).sum(axis=0, dtype=np.float64)
        means[row] = np.where(count >= block * block / 2, total / np.maximum(count, 1), np.nan)
    return means


def compare(
    one: Image, two: Image, variance: Image | Callable[[slice], Image], *, block: int = BLOCK, wander: float = 0.0
) -> Difference:
    """Compare two combined frames of the same scene.

    Parameters
    ----------
    one, two
        Combined frames, shape (ny, nx), in ADU or relative to 1.
    variance
        Variance their difference should have, shape (ny, nx), in the same unit squared, or what makes some rows of it.
    block
        Side of the blocks whose means are tested, in pixels.
    wander
        Deviation of a block that is no structure, relative to the frames: added to the noise of its mean.

    Returns
    -------
    Difference
        Standard deviation over expectation after a clip at five sigma; largest block mean and share of blocks beyond
        5 sigma, both about the overall offset; that offset, in the unit of the frames.
    """
    of = variance if callable(variance) else variance.__getitem__
    parts = [slice(first, min(first + block, len(one))) for first in range(0, len(one), block)]
    with np.errstate(divide="ignore", invalid="ignore"):
        pull = np.subtract(one, two, dtype=np.float32)
        offset = clipped_moments(pull)[0]
        for rows in parts:
            pull[rows] /= np.sqrt(of(rows))
        relative = np.concatenate([two[rows] / np.sqrt(of(rows)) for rows in parts]) if wander else np.zeros(1)
        honest = wander * clipped_moments(relative)[0]
    centre, width2 = clipped_moments(pull)
    width = max(float(np.sqrt(width2)), 1e-9)
    pull -= np.float32(centre)
    for rows in parts:
        part = pull[rows]
        part[~(np.abs(part) <= 5 * width)] = np.nan
    blocks = block_means(pull, block=block)
    blocks = np.abs(blocks[np.isfinite(blocks)]) / np.hypot(width / block, honest)
    if blocks.size == 0:
        return Difference(width, 0.0, 0.0, offset)
    return Difference(width, float(blocks.max()), float(np.mean(blocks > STRONG)), offset)
