"""Every other frame of a master against the others: what the gate learns of its noise."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pictor.imaging.calibration.building import Preparation, Recipe, combine_some, strips
from pictor.imaging.calibration.masters import Kind
from pictor.imaging.calibration.splitting import Difference, compare
from pictor.imaging.combine.combining import Combined
from pictor.imaging.combine.sources import shape_of
from pictor.imaging.types import Image, Rowed

FLAT_WANDER = 0.0002
"""Relative: sky and lamps move by this much between the halves, and six times this is no harm."""

LEAST_FOR_SPLIT = 4
"""Two halves of two frames each."""


def split_halves(
    paths: Sequence[Path], recipe: Recipe, ready: Preparation, *, dark: Rowed | None = None, scratch: Path | None = None
) -> Difference | None:
    """Combine every other frame and the others, and compare the two, over strips of the frame.

    Parameters
    ----------
    paths, recipe, dark, scratch
        As for `build`.
    ready
        What it settled.

    Returns
    -------
    Difference or None
        None of fewer than four frames.
    """
    if len(paths) < LEAST_FOR_SPLIT:
        return None
    rows = strips(*shape_of(paths[0]))
    one, two = (
        combine_some(paths, recipe, ready, slice(first, None, 2), dark=dark, scratch=scratch, rows=rows)
        for first in (0, 1)
    )
    return _split(one, two, ready, wander=FLAT_WANDER if recipe.kind is Kind.FLAT else 0.0)


def _split(one: Combined, two: Combined, ready: Preparation, *, wander: float) -> Difference:
    """Compare the halves; where the noise seen differs from the one used, expect the one seen."""
    seen = ready.noise_ratio if ready.noise_source == "detector" else None

    def variance(rows: slice) -> Image:
        return np.float32((seen or 1.0) ** 2) * (np.square(one.err_of(rows)) + np.square(two.err_of(rows)))

    return compare(one.sci, two.sci, variance, wander=wander)
