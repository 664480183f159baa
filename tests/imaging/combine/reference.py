"""The definition of the combination, written down plainly in numpy."""

import numpy as np
from numpy.typing import NDArray

from pictor.imaging.combine.noise import NoiseModel


def sigma_clip(
    cube: NDArray[np.floating],
    noise: NoiseModel,
    *,
    sigma: float = 3.0,
    iterations: int = 5,
    scale: NDArray[np.floating] | None = None,
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Clip a cube (n, ny, nx) of scaled samples; return mean of survivors and their number.

    ``scale`` (n, ny, nx) is the factor each sample was multiplied by.
    """
    values = np.array(cube, dtype=np.float64)
    factor = np.ones_like(values) if scale is None else np.asarray(scale, dtype=np.float64)
    for _ in range(iterations):
        centre = np.nanmedian(values, axis=0)
        mad = np.nanmedian(np.abs(values - centre), axis=0)
        signal = np.maximum(centre - noise.pedestal, 0.0)
        own = np.sqrt(factor * factor * noise.floor + factor * noise.slope * signal)
        bad = np.abs(values - centre) > sigma * np.maximum(1.4826 * mad, own)
        if not bad.any():
            break
        values[bad] = np.nan
    return np.nanmean(values, axis=0), np.isfinite(values).sum(axis=0)
