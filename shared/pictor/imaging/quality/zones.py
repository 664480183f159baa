"""Sharpness over the field: zones, tilt and curvature."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pictor.imaging.stars.starlist import StarList

ZONES = 5
_FEWEST_PER_ZONE = 3
# Fewer stars do not tell a plane from a bowl.
_FEWEST_FOR_FIELD = 30
_SNR = 15.0
_ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Zone:
    """Stars of one cell of the 5 x 5 map; None where fewer than three stars lie in it.

    Parameters
    ----------
    star_count
        Bright clean stars in the zone.
    fwhm_px
        Median FWHM, in pixels.
    eccentricity
        Median sqrt(1 - (b/a)^2).
    """

    star_count: int
    fwhm_px: float | None
    eccentricity: float | None


@dataclass(frozen=True, slots=True)
class Field:
    """How the width of stars changes over the field, as shares of the FWHM at the centre.

    Parameters
    ----------
    zones
        Rows of zones as stored, first row first; 5 x 5.
    tilt
        Rise of the fitted plane across the frame; None with too few stars.
    tilt_angle_deg
        Direction in which stars get wider, in degrees from +x towards +y.
    curvature
        Fitted growth from the centre to the corners; None with too few stars.
    """

    zones: tuple[tuple[Zone, ...], ...]
    tilt: float | None
    tilt_angle_deg: float | None
    curvature: float | None


def map_field(stars: StarList) -> Field:
    """Map the sharpness of a frame in 5 x 5 zones and fit tilt and curvature.

    Parameters
    ----------
    stars
        Star list of the frame.

    Returns
    -------
    Field
        Map and fit; single stars are clipped at three sigma in the fit.
    """
    ny, nx = stars.shape
    used = stars.select((stars.flags == 0) & (stars.snr > _SNR) & np.isfinite(stars.fwhm))
    column = np.clip((used.x + 0.5) * ZONES // nx, 0, ZONES - 1).astype(int)
    row = np.clip((used.y + 0.5) * ZONES // ny, 0, ZONES - 1).astype(int)
    zones = tuple(tuple(_zone(used.select((row == i) & (column == j))) for j in range(ZONES)) for i in range(ZONES))
    return Field(zones, *_fit(used))


def _zone(stars: StarList) -> Zone:
    if len(stars) < _FEWEST_PER_ZONE:
        return Zone(len(stars), None, None)
    return Zone(len(stars), float(np.median(stars.fwhm)), float(np.median(stars.eccentricity)))


def _fit(stars: StarList) -> tuple[float | None, float | None, float | None]:
    """Tilt, its direction, and curvature from fwhm = a + b u + c v + d (u^2 + v^2)."""
    if len(stars) < _FEWEST_FOR_FIELD:
        return None, None, None
    ny, nx = stars.shape
    u, v = (stars.x + 0.5) / nx - 0.5, (stars.y + 0.5) / ny - 0.5
    design = np.column_stack([np.ones_like(u), u, v, u**2 + v**2])
    kept: NDArray[np.bool_] = np.ones(len(stars), dtype=np.bool_)
    solution: NDArray[np.floating] = np.zeros(4)
    for _ in range(_ROUNDS):
        solution = np.linalg.lstsq(design[kept], stars.fwhm[kept], rcond=None)[0]
        residual = stars.fwhm - design @ solution
        kept = np.abs(residual) < 3.0 * 1.4826 * max(float(np.median(np.abs(residual[kept]))), 1e-6)
        if np.count_nonzero(kept) < _FEWEST_FOR_FIELD // 2:
            return None, None, None
    centre, along_x, along_y, bowl = (float(value) for value in solution)
    if centre <= 0.0:
        return None, None, None
    angle = math.degrees(math.atan2(along_y / ny, along_x / nx))
    return (abs(along_x) + abs(along_y)) / centre, angle, 0.5 * bowl / centre
