"""White balance by the stars or the nebula of a field."""

from collections.abc import Sequence

import numpy as np

from pictor.imaging.compositing.look import Planes
from pictor.imaging.continuum.scaling import Aperture
from pictor.imaging.errors import ImagingError
from pictor.imaging.stars.finding import find_stars

LEAST_STARS = 5
_MOST_STARS = 300
_LEAST_SNR = 15.0
_CLIP = 3.0
_CELL, _BRIGHT, _MOST_RAISED = 8, 0.98, 4.0


def white_of_stars(values: Planes, noises: Sequence[float]) -> tuple[tuple[float, float, float], int]:
    """Find the factors that make the average star of a field white.

    Parameters
    ----------
    values
        Sky-subtracted red, green and blue, shape (3, ny, nx); NaN where a pixel cannot be used.
    noises
        Standard deviation of the sky in each.

    Returns
    -------
    tuple
        Factors for red, green and blue (green has 1), and the number of stars that decided them.

    Raises
    ------
    ImagingError
        If fewer than 5 stars can be measured in all channels.
    """
    stars = find_stars(values[1])
    chosen = stars.select(stars.flags == 0)
    chosen = chosen.select(chosen.snr > _LEAST_SNR)
    width = chosen.fwhm[:_MOST_STARS].mean() if len(chosen) else 3.0
    aperture = Aperture(1.5 * float(width), 2.5 * float(width), 4.0 * float(width))
    x, y = chosen.x[:_MOST_STARS], chosen.y[:_MOST_STARS]
    fluxes = []
    good = np.ones(len(x), dtype=np.bool_)
    for plane, noise in zip(values, noises, strict=True):
        flux, error = aperture.measure(plane, np.full(plane.shape, noise, dtype=np.float32), x, y)
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


def white_of_nebula(values: Planes) -> tuple[float, float, float]:
    """Find the factors that make the bright parts of a nebula as bright in all channels.

    Medians of cells of 8 by 8 pixels stand for the nebula, so that stars do not matter; the level that two of a
    hundred cells exceed is made equal. No channel is raised or lowered more than fourfold.

    Parameters
    ----------
    values
        Sky-subtracted red, green and blue, shape (3, ny, nx); NaN where a pixel cannot be used.

    Returns
    -------
    tuple
        Factors with geometric mean 1; all 1 where a channel shows nothing.
    """
    ny, nx = (size // _CELL for size in values.shape[1:])
    if min(ny, nx) < 2:
        return 1.0, 1.0, 1.0
    cells = (
        values[:, : ny * _CELL, : nx * _CELL].reshape(3, ny, _CELL, nx, _CELL).swapaxes(2, 3).reshape(3, ny * nx, -1)
    )
    known = np.isfinite(cells).all(axis=(0, 2))
    if not known.any():
        return 1.0, 1.0, 1.0
    bright = np.quantile(np.median(cells[:, known], axis=2), _BRIGHT, axis=1)
    if not (bright > 0).all():
        return 1.0, 1.0, 1.0
    factors = np.exp(np.mean(np.log(bright))) / bright
    red, green, blue = (float(one) for one in np.clip(factors, 1.0 / _MOST_RAISED, _MOST_RAISED))
    return red, green, blue


def _clipped_median(values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> float:
    middle = float(np.median(values))
    spread = 1.4826 * float(np.median(np.abs(values - middle)))
    return float(np.median(values[np.abs(values - middle) <= _CLIP * max(spread, 1e-9)]))
