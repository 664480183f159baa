"""White balance by the stars or the nebula of a field."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pictor.imaging.compositing.channels import Channel
from pictor.imaging.continuum.scaling import Aperture
from pictor.imaging.errors import ImagingError
from pictor.imaging.stars.finding import find_stars

LEAST_STARS = 5
_MOST_STARS = 300
_LEAST_SNR = 15.0
_CLIP = 3.0
_CELL, _BRIGHT, _MOST_RAISED = 8, 0.98, 4.0
_STRIP = 32 * _CELL


def white_of_stars(channels: Sequence[Channel]) -> tuple[tuple[float, float, float], int]:
    """Find the factors that make the average star of a field white.

    Parameters
    ----------
    channels
        Red, green and blue.

    Returns
    -------
    tuple
        Factors for red, green and blue (green has 1), and the number of stars that decided them.

    Raises
    ------
    ImagingError
        If fewer than 5 stars can be measured in all channels.
    """
    stars = find_stars(channels[1].unsaturated())
    chosen = stars.select(stars.flags == 0)
    chosen = chosen.select(chosen.snr > _LEAST_SNR)
    width = chosen.fwhm[:_MOST_STARS].mean() if len(chosen) else 3.0
    aperture = Aperture(1.5 * float(width), 2.5 * float(width), 4.0 * float(width))
    x, y = chosen.x[:_MOST_STARS], chosen.y[:_MOST_STARS]
    fluxes = []
    good = np.ones(len(x), dtype=np.bool_)
    for one in channels:
        noise = np.broadcast_to(np.float32(one.noise), one.shape)
        flux, error = aperture.measure(one.unsaturated(), noise, x, y)
        good &= np.isfinite(flux) & (flux > 5.0 * error)
        fluxes.append(flux)
    if good.sum() < LEAST_STARS:
        raise ImagingError(
            f"{int(good.sum())} unsaturated stars can be measured in all three channels; {LEAST_STARS} are needed to "
            "balance colours by them: give the factors (--white 1,1,1)",
            reason="too-few-stars",
        )
    logs = [np.log(fluxes[1][good] / flux[good]) for flux in fluxes]
    red, _, blue = (float(np.exp(_clipped_median(log))) for log in logs)
    return (red, 1.0, blue), int(good.sum())


def white_of_nebula(channels: Sequence[Channel]) -> tuple[float, float, float]:
    """Find the factors that make the bright parts of a nebula as bright in all channels.

    Medians of cells of 8 by 8 pixels stand for the nebula, so that stars do not matter; the level that two of a
    hundred cells exceed is made equal. No channel is raised or lowered more than fourfold.

    Parameters
    ----------
    channels
        Red, green and blue.

    Returns
    -------
    tuple
        Factors with geometric mean 1; all 1 where a channel shows nothing.
    """
    ny, nx = (size // _CELL for size in channels[0].shape)
    if min(ny, nx) < 2:
        return 1.0, 1.0, 1.0
    strips = [slice(first, min(first + _STRIP, ny * _CELL)) for first in range(0, ny * _CELL, _STRIP)]
    cells = np.concatenate([_medians(channels, rows, nx) for rows in strips], axis=1)
    known = np.isfinite(cells).all(axis=0)
    if not known.any():
        return 1.0, 1.0, 1.0
    bright = np.quantile(cells[:, known], _BRIGHT, axis=1)
    if not (bright > 0).all():
        return 1.0, 1.0, 1.0
    factors = np.exp(np.mean(np.log(bright))) / bright
    red, green, blue = (float(one) for one in np.clip(factors, 1.0 / _MOST_RAISED, _MOST_RAISED))
    return red, green, blue


def _medians(channels: Sequence[Channel], rows: slice, cells: int) -> NDArray[np.float32]:
    """Give the medians of the cells of some rows in every channel, shape (3, n); NaN where a pixel is unknown."""
    columns = slice(0, cells * _CELL)
    parts = [one.part(rows, columns).reshape(-1, _CELL, cells, _CELL).swapaxes(1, 2) for one in channels]
    return np.stack([np.median(part.reshape(-1, _CELL * _CELL), axis=1) for part in parts])


def _clipped_median(values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> float:
    middle = float(np.median(values))
    spread = 1.4826 * float(np.median(np.abs(values - middle)))
    return float(np.median(values[np.abs(values - middle) <= _CLIP * max(spread, 1e-9)]))
