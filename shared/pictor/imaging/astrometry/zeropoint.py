"""Zero point of a solved frame against stars of known brightness, with a colour term where asked."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pictor.imaging.astrometry.geometry import scale_of
from pictor.imaging.astrometry.photometry import ZeroPoint, limiting_magnitude, match, measured_share, sky_brightness
from pictor.imaging.astrometry.projection import Floats, Wcs
from pictor.imaging.astrometry.standards import StandardStars, standard_stars
from pictor.imaging.astrometry.stars import SkyStars
from pictor.imaging.errors import ImagingError
from pictor.imaging.stars.starlist import StarList

_FEWEST, _FEWEST_OF_COLOUR = 5, 8
_ROUNDS, _CLIP, _LEAST_CLIP_MAG = 20, 3.0, 0.05
_MAD_TO_SIGMA = 1.4826
_FLOOR_MAG = 0.01
"""Error of a star nobody has, however bright: flat field, undersampling."""


@dataclass(frozen=True, slots=True)
class Photometry:
    """How bright a frame sees the sky.

    Parameters
    ----------
    zero_point_mag
        Magnitude of a star of 1 unit of the frame per second; at colour 0 with a colour term.
    zero_point_error_mag, zero_point_scatter_mag
        Its error, and the robust scatter of single stars.
    zero_point_stars, matched
        Stars it stands on, and stars that were paired with the table.
    colour_term, colour_term_error
        Magnitudes per magnitude of colour; None without a colour.
    gradient_mag
        Difference of the zero point from one edge of the frame to the opposite, along the steepest direction: large
        under clouds or with a bad flat.
    limiting_mag
        Magnitude of a star of signal-to-noise ratio 5; None without errors.
    sky_mag_arcsec2
        Brightness of the sky per square arcsecond; None where the level above the pedestal is not known.
    system
        What the magnitudes are, in words.
    """

    zero_point_mag: float
    zero_point_error_mag: float
    zero_point_scatter_mag: float
    zero_point_stars: int
    matched: int
    colour_term: float | None
    colour_term_error: float | None
    gradient_mag: float
    limiting_mag: float | None
    sky_mag_arcsec2: float | None
    system: str


def zero_point_of(
    stars: StarList,
    wcs: Wcs,
    table: Any,  # noqa: ANN401 - StandardStars, or whatever standard_stars takes
    *,
    exposure_s: float,
    sky: float | None = None,
    radius_px: float = 2.0,
) -> Photometry:
    """Measure the zero point of a frame against stars of known brightness [1]_.

    Every unflagged star that is the nearest of a star of the table, and the other way round, gives
    m + 2.5 log10(flux / s). They are fitted, weighted by their errors, with a constant or with a constant and a term
    in the colour; stars beyond three robust standard deviations (at least 0.05 mag) are left out until none is.
    Extinction is not taken out: the value holds for the airmass of the frame.

    Parameters
    ----------
    stars
        Star list of the frame.
    wcs
        Its world coordinates.
    table
        `StandardStars`, an astropy table, a mapping of names to arrays, or the path of a FITS or CSV table.
    exposure_s
        Exposure time, in seconds.
    sky
        Sky above the pedestal, in the unit of the frame per pixel; None where it is not known.
    radius_px
        Largest distance of a pair, in pixels.

    Returns
    -------
    Photometry
        Zero point, limiting magnitude and brightness of the sky.

    Raises
    ------
    ImagingError
        ``no-exposure`` without an exposure time; ``bad-table``; ``too-few-stars`` when fewer than five stars (eight
        with a colour) are left.

    References
    ----------
    .. [1] Howell S. B., 2006, Handbook of CCD Astronomy, 2nd ed., Cambridge University Press, ch. 5.
    """
    if not (math.isfinite(exposure_s) and exposure_s > 0):
        raise ImagingError(f"a zero point needs an exposure time; {exposure_s} s is none", reason="no-exposure")
    known = table if isinstance(table, StandardStars) else standard_stars(table)
    star, row = match(wcs, stars.x + 1, stars.y + 1, SkyStars(known.ra, known.dec, known.mag), radius_px=radius_px)
    share = measured_share(stars)
    good = (stars.flags[star] == 0) & (stars.flux[star] > 0)
    if known.colour is not None:
        good &= np.isfinite(known.colour[row])
    paired, star, row = len(star), star[good], row[good]
    _require(len(star), paired, known)
    each = known.mag[row] + 2.5 * np.log10(stars.flux[star] / share / exposure_s)
    design = (
        np.ones((len(star), 1)) if known.colour is None else np.column_stack([np.ones(len(row)), known.colour[row]])
    )
    fit = _fitted(design, each, _errors(stars, star, known, row))
    _require(int(np.count_nonzero(fit.kept)), paired, known)
    zero = ZeroPoint(float(fit.value[0]), fit.scatter, float(fit.error[0]), int(np.count_nonzero(fit.kept)))
    clean = np.asarray(stars.flags == 0)
    coloured = known.colour is not None
    return Photometry(
        zero.mag, zero.error_mag, zero.scatter_mag, zero.count, paired,
        float(fit.value[1]) if coloured else None, float(fit.error[1]) if coloured else None,
        _gradient(stars, star[fit.kept], fit.left[fit.kept]),
        limiting_magnitude(zero, stars.flux_error[clean] / share, exposure_s=exposure_s),
        None if sky is None else sky_brightness(zero, sky, exposure_s=exposure_s, scale_arcsec=scale_of(wcs)),
        known.system,
    )  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class _Fit:
    """Coefficients, their errors, what is left of each star, which stars count, and their robust scatter."""

    value: Floats
    error: Floats
    left: Floats
    kept: NDArray[np.bool_]
    scatter: float


def _require(count: int, paired: int, known: StandardStars) -> None:
    needed = _FEWEST if known.colour is None else _FEWEST_OF_COLOUR
    if count >= needed:
        return
    hint = "" if paired else "; are its positions in degrees, and is the frame where it is thought to be?"
    raise ImagingError(
        f"{count} clean stars of the frame are in the star table of {len(known)}; a zero point needs {needed}{hint}",
        reason="too-few-stars",
    )


def _errors(stars: StarList, star: NDArray[np.intp], known: StandardStars, row: NDArray[np.intp]) -> Floats:
    """Give the error of each pair, in magnitudes."""
    own = 1.0857 * stars.flux_error[star] / stars.flux[star]
    theirs = 0.0 if known.mag_error is None else known.mag_error[row]
    variance = own**2 + theirs**2 + _FLOOR_MAG**2
    usual = float(np.nanmedian(variance)) if np.isfinite(variance).any() else 1.0
    return np.sqrt(np.where(np.isfinite(variance), variance, usual))


def _fitted(design: Floats, each: Floats, errors: Floats) -> _Fit:
    """Fit by weighted least squares, clipping until the stars stay the same, beginning with the median."""
    left = each - np.median(each)
    first = math.inf if design.shape[1] > 1 else _CLIP * max(_scatter(left), _LEAST_CLIP_MAG / _CLIP)
    kept: NDArray[np.bool_] = np.abs(left) <= first
    value: Floats = np.zeros(design.shape[1])
    covariance: Floats = np.eye(design.shape[1])
    for _ in range(_ROUNDS):
        spread = max(0.0, _scatter(left[kept]) ** 2 - float(np.median(errors[kept] ** 2)))
        weight = 1.0 / (errors[kept] ** 2 + spread)
        scaled = design[kept] * np.sqrt(weight)[:, None]
        covariance = np.asarray(np.linalg.pinv(scaled.T @ scaled), dtype=np.float64)
        value = covariance @ scaled.T @ (each[kept] * np.sqrt(weight))
        left = each - design @ value
        now = np.abs(left) <= _CLIP * max(_scatter(left[kept]), _LEAST_CLIP_MAG / _CLIP)
        if (now == kept).all() or np.count_nonzero(now) <= design.shape[1]:
            break
        kept = now
    return _Fit(value, np.sqrt(np.diag(covariance)), left, kept, _scatter(left[kept]))


def _gradient(stars: StarList, star: NDArray[np.intp], left: Floats) -> float:
    """Fit a plane to what is left of the stars; its difference between opposite edges along its own slope."""
    height, width = stars.shape
    if len(star) < _FEWEST_OF_COLOUR:
        return 0.0
    plane = np.column_stack([np.ones(len(star)), stars.x[star] / width - 0.5, stars.y[star] / height - 0.5])
    slope = np.linalg.lstsq(plane, left, rcond=None)[0][1:]
    return float(np.hypot(*slope))


def _scatter(values: Floats) -> float:
    return _MAD_TO_SIGMA * float(np.median(np.abs(values - np.median(values)))) if len(values) else 0.0
