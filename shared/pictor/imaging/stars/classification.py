"""Tell stars from hot pixels, cosmic rays, trails and extended sources."""

import math
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from pictor.imaging.stars.shapes import COLUMNS, OK, SPIKE
from pictor.imaging.stars.starlist import StarFlag, StarList

_SIGMA_TO_FWHM = 2.0 * math.sqrt(2.0 * math.log(2.0))
_PILOT_SNR = 15.0
# In units of the typical star: narrower than this across is no starlight, wider than that is no point source.
_NARROWEST = 0.62
_WIDEST = 2.2
_MOST_ELLIPTICAL = 0.6
# Neighbours closer than this (in FWHM) with a tenth of the light disturb each other; closer than that are one.
_BLEND_REACH = 2.0
_SAME_REACH = 0.6
_BLEND_SHARE = 0.1

_X, _Y, _FLUX, _ERROR, _PEAK, _XX, _XY, _YY, _HFR, _SHARP, _STATUS, _NOISE = range(len(COLUMNS))


@dataclass(frozen=True, slots=True)
class Frame:
    """What must be known of a frame to judge its sources.

    Parameters
    ----------
    shape
        Shape (ny, nx).
    sigma
        Typical width of a star (standard deviation), in pixels.
    saturation
        Level in ADU; None when unknown.
    """

    shape: tuple[int, int]
    sigma: float
    saturation: float | None


def typical_sigma(table: NDArray[np.float64]) -> float | None:
    """Find the usual width of the bright sources: the middle of the narrowest half of their sizes.

    Parameters
    ----------
    table
        Shapes as from `measure_shapes`.

    Returns
    -------
    float or None
        Standard deviation in pixels; None without any measurable source.
    """
    good = (table[:, _STATUS] == OK) & (table[:, _FLUX] > 0)
    bright = good & (table[:, _FLUX] > _PILOT_SNR * table[:, _ERROR])
    chosen = bright if np.count_nonzero(bright) >= 5 else good
    widths = np.sort(_width(table[chosen]))
    if widths.size == 0:
        return None
    half = max(1, (widths.size + 1) // 2)
    spans = widths[half - 1 :] - widths[: widths.size - half + 1]
    start = int(np.argmin(spans))
    return float(np.median(widths[start : start + half]))


def classify(table: NDArray[np.float64], frame: Frame, *, spikes: int) -> StarList:
    """Make a flagged star list from measured shapes.

    Parameters
    ----------
    table
        Shapes as from `measure_shapes`.
    frame
        Size, star width and saturation of the frame.
    spikes
        Hot pixels and cosmic-ray hits removed before the search.

    Returns
    -------
    StarList
        Brightest first.
    """
    fwhm = _SIGMA_TO_FWHM * frame.sigma
    table = table[np.argsort(table[:, _Y], kind="stable")]
    distinct, blended = _neighbours(table, fwhm)
    table, blended = table[distinct], blended[distinct]
    major, minor, theta = _axes(table)
    ratio = np.where(major > 0, minor / np.maximum(major, 1e-9), 1.0)
    flags = _flags(table, frame, (major, minor)) | np.where(blended, int(StarFlag.BLENDED), 0)
    order = np.argsort(-table[:, _FLUX], kind="stable")
    listed = StarList(
        x=table[:, _X],
        y=table[:, _Y],
        flux=table[:, _FLUX],
        flux_error=table[:, _ERROR],
        peak=table[:, _PEAK],
        snr=table[:, _FLUX] / np.maximum(table[:, _ERROR], 1e-12),
        fwhm=_SIGMA_TO_FWHM * np.sqrt(major * minor),
        hfr=table[:, _HFR],
        eccentricity=np.sqrt(np.maximum(0.0, 1.0 - ratio**2)),
        ellipticity=1.0 - ratio,
        theta=theta,
        flags=flags.astype(np.int32),
        shape=frame.shape,
        spike_count=spikes,
        saturation=frame.saturation,
    )
    return listed.select(order)


def warm() -> None:
    """Compile the kernel of this module."""
    _neighbours(np.zeros((2, len(COLUMNS))), 2.0)


def _flags(
    table: NDArray[np.float64], frame: Frame, axes: tuple[NDArray[np.float64], NDArray[np.float64]]
) -> NDArray[np.int64]:
    major, minor = axes
    flags = np.zeros(len(table), dtype=np.int64)
    if frame.saturation is not None:
        flags[table[:, _PEAK] >= frame.saturation] |= StarFlag.SATURATED
    margin = max(2.0, _SIGMA_TO_FWHM * frame.sigma)
    ny, nx = frame.shape
    x, y = table[:, _X], table[:, _Y]
    flags[(x < margin) | (y < margin) | (x > nx - 1 - margin) | (y > ny - 1 - margin)] |= StarFlag.EDGE
    flags[table[:, _STATUS] == SPIKE] |= StarFlag.HOT_PIXEL
    saturated = (flags & StarFlag.SATURATED) > 0
    narrow = (minor < _NARROWEST * frame.sigma) & ~saturated
    flags[narrow] |= StarFlag.COSMIC_RAY
    flags[(np.sqrt(major * minor) > _WIDEST * frame.sigma)] |= StarFlag.EXTENDED
    elongated = (minor / np.maximum(major, 1e-9) < 1.0 - _MOST_ELLIPTICAL) & ~narrow & ~saturated
    flags[elongated] |= StarFlag.EXTENDED
    return flags


def _width(table: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.maximum(table[:, _XX] * table[:, _YY] - table[:, _XY] ** 2, 0.0) ** 0.25)


def _axes(
    table: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Principal standard deviations in pixels, and the direction of the larger one in degrees."""
    mean = 0.5 * (table[:, _XX] + table[:, _YY])
    half = np.hypot(0.5 * (table[:, _XX] - table[:, _YY]), table[:, _XY])
    theta = 0.5 * np.degrees(np.arctan2(2.0 * table[:, _XY], table[:, _XX] - table[:, _YY]))
    return np.sqrt(np.maximum(mean + half, 0.0)), np.sqrt(np.maximum(mean - half, 0.0)), theta


@njit(cache=True, nogil=True)
def _neighbours(table: NDArray[np.float64], fwhm: float) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Of sources sorted by row: which are distinct (the brightest of those that coincide), which are blended."""
    n = table.shape[0]
    distinct, blended = np.ones(n, dtype=np.bool_), np.zeros(n, dtype=np.bool_)
    reach, same = _BLEND_REACH * fwhm, _SAME_REACH * fwhm
    for i in range(n):
        for j in range(i + 1, n):
            if table[j, 1] - table[i, 1] > reach:
                break
            distance = math.hypot(table[j, 0] - table[i, 0], table[j, 1] - table[i, 1])
            if distance < same:
                distinct[j if table[i, 2] >= table[j, 2] else i] = False
            elif distance < reach:
                if table[j, 2] > _BLEND_SHARE * table[i, 2]:
                    blended[i] = True
                if table[i, 2] > _BLEND_SHARE * table[j, 2]:
                    blended[j] = True
    return distinct, blended
