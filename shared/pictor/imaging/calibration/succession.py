"""A new master beside the one in use."""

from pathlib import Path

import numpy as np

from pictor.imaging.calibration.building import Built, strips
from pictor.imaging.calibration.masters import read_strips
from pictor.imaging.calibration.splitting import Difference, compare


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
