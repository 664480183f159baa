"""A new master beside the one in use."""

from pathlib import Path

import numpy as np

from pictor.imaging.calibration.building import Built, strips
from pictor.imaging.calibration.masters import read_strips
from pictor.imaging.calibration.splitting import Difference, compare

HOT = 20.0
"""Robust deviations above the median: far more than a mean of frames scatters."""

LEAST_HOT = 20
STILL_HOT = 0.25
"""Of what it was: temperature within its tolerance changes a pixel by a quarter, never by so much."""


def compare_with_active(built: Built, active: Path) -> Difference:
    """Compare a new master with the one in use, over strips of the frame.

    The offset of a bias or dark, or the mean of a flat, is no structure; block means are tested about it.

    Raises
    ------
    FrameMismatchError
        If the two differ in shape.
    """
    combined = built.combined
    ranges = strips(*combined.sci.shape)
    old = read_strips(active, ranges, (combined.sci.shape[0], combined.sci.shape[1]))
    rows = np.concatenate([np.arange(first, end) for first, end in ranges])
    err = np.concatenate([built.err_rows(slice(first, end)) for first, end in ranges])
    one = combined.sci[rows]
    one[(combined.mask[rows] | old.mask) != 0] = np.nan
    return compare(one, old.sci, np.square(err) + np.square(old.err))


def hot_pixels_kept(built: Built, active: Path) -> float | None:
    """Return the share of the hot pixels of the dark in use that are hot in the new one as well.

    They are the detector's own: in frames of another camera, turned round, or without dark current they are not there.

    Returns
    -------
    float or None
        None where the dark in use has too few of them to tell.

    Raises
    ------
    FrameMismatchError
        If the two differ in shape.
    """
    new = built.combined.sci
    ranges = strips(*new.shape)
    old = read_strips(active, ranges, (new.shape[0], new.shape[1])).sci
    rows = np.concatenate([np.arange(first, end) for first, end in ranges])
    level = float(np.median(old))
    hot = old - level > HOT * 1.4826 * max(float(np.median(np.abs(old - np.float32(level)))), 0.1)
    if np.count_nonzero(hot) < LEAST_HOT:
        return None
    some = new[rows]
    still = some[hot] - float(np.median(some)) > STILL_HOT * (old[hot] - level)
    return float(np.mean(still))
