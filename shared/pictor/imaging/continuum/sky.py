"""The sky that is left in a line image: a plane through its faintest parts."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pictor.imaging.background import Background, mesh_background
from pictor.imaging.continuum.pairs import Floats

_CELL = 32
_QUANTILE = 0.1
_ROUNDS = 30


def sky_mesh(image: NDArray[Any]) -> Background:
    """Measure the sky of an image on a mesh that is fine enough for `plane_through`; NaN is ignored."""
    return mesh_background(image, cell=min(_CELL, max(8, min(image.shape) // 8)))


def plane_through(mesh: Background, *, tilted: bool = True) -> Floats:
    """Fit a plane to the sky of an image of which a nebula may fill a large part.

    The plane that has a tenth of the mesh cells below it is found first (quantile regression by reweighted least
    squares); cells that rise above it by more than the cells below it scatter are nebula and left out, and a plane is
    fitted to the others.

    Parameters
    ----------
    mesh
        Of the image.
    tilted
        False fits only a level.

    Returns
    -------
    ndarray
        Level in the middle of the image, and rise over its whole width and height, in the unit of the image.
    """
    levels = mesh.levels.astype(np.float64)
    v, u = ((np.arange(n) + 0.5) / n - 0.5 for n in levels.shape)
    design = np.column_stack([np.ones(levels.size), np.tile(u, v.size), np.repeat(v, u.size)])
    design[:, 1:] *= tilted and min(levels.shape) > 2
    good = np.isfinite(levels.ravel())
    if not good.any():
        return np.zeros(3)
    design, values = design[good], levels.ravel()[good]
    plane = _quantile_plane(design, values)
    kept = np.ones(values.size, dtype=np.bool_)
    for _ in range(_ROUNDS):
        residual = values - design @ plane
        below = residual[residual < 0]
        spread = 1.4826 * float(np.median(-below)) if below.size else 0.0
        now = (residual <= spread) & (residual >= -3.0 * spread)
        if now.sum() < 6 or (now == kept).all():
            break
        kept = now
        plane = np.linalg.lstsq(design[kept], values[kept], rcond=None)[0]
    return np.asarray(plane)


def _quantile_plane(design: Floats, values: Floats) -> Floats:
    plane = np.array([np.quantile(values, _QUANTILE), 0.0, 0.0])
    least = max(1e-9, 1e-3 * float(np.std(values)))
    for _ in range(_ROUNDS):
        residual = values - design @ plane
        weight = np.where(residual > 0, _QUANTILE, 1.0 - _QUANTILE) / np.maximum(np.abs(residual), least)
        root = np.sqrt(weight)
        plane = np.linalg.lstsq(design * root[:, None], values * root, rcond=None)[0]
    return np.asarray(plane)
