"""Levels of whole frames, and what brings them to one."""

import numpy as np
from numpy.typing import NDArray

from pictor.imaging.combine.method import Scaling
from pictor.imaging.errors import ImagingError


def level_of(values: NDArray[np.floating], scaling: Scaling, *, name: str = "a frame") -> float:
    """Return mean or median of the values that are numbers, in their unit.

    Parameters
    ----------
    values
        Any shape; NaN where a pixel does not count.
    scaling
        Which of the two; without scaling the level is 1.
    name
        Name of the frame, for the refusal.

    Raises
    ------
    ImagingError
        If the level is not above zero: such frames cannot be scaled to each other.
    """
    if scaling is Scaling.NONE:
        return 1.0
    good = values[np.isfinite(values)]
    level = float(np.mean(good, dtype=np.float64) if scaling is Scaling.MEAN else np.median(good)) if good.size else 0.0
    if not level > 0:
        raise ImagingError(
            f"{name} has a {scaling} of {level:.4g}: only frames above zero can be scaled to each other; "
            "use no scaling",
            reason="level-not-positive",
        )
    return level


def factors_of(levels: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return what each frame is multiplied by to have the mean level of all.

    Parameters
    ----------
    levels
        Level of each frame, shape (n,).
    """
    wide = np.asarray(levels, dtype=np.float64)
    factors: NDArray[np.float64] = wide.mean() / wide
    return factors
