"""Tell stars from hot pixels, cosmic rays, trails and extended sources."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pictor.imaging.compiling import njit
from pictor.imaging.stars.shapes import COLUMNS, OK, SPIKE
from pictor.imaging.stars.starlist import SIGMA_TO_FWHM, StarFlag, StarList
from pictor.imaging.stars.trails import Sources, find_trails
from pictor.imaging.stars.trails import warm as warm_trails

_PILOT_SNR = 15.0
_FEWEST_PILOTS = 5
# In units of the typical star: narrower than this across is no starlight, wider than that is no point source.
_NARROWEST = 0.75
_WIDEST = 2.2
# Faint stars scatter: their limit is lower by this much over the signal-to-noise ratio. A hit is one pixel across,
# with its noise at most this many pixels (standard deviation): only what is as narrow as that is judged less mildly.
_NARROWER, _NARROWER_HIT = 2.0, 1.0
_HIT_SIGMA = 0.6
_MOST_ELLIPTICAL = 0.6
# The same for the ratio of the axes of stars below a signal-to-noise ratio of ten.
_ROUNDEST_FAINT = (1.25, 2.5, 0.7)
_ELLIPTICITY_SPREAD = 0.2
# Neighbours closer than this (in FWHM) with a tenth of the light disturb each other; closer than that are one.
_BLEND_REACH = 2.0
_SAME_REACH = 0.6
_BLEND_SHARE = 0.1
# Peaks went through single precision without their sky and back: a full pixel may come back this much lower.
_JUST_BELOW = 1.0 - 1e-6

_X, _Y, _FLUX, _ERROR, _PEAK, _XX, _XY, _YY, _HFR, _AROUND, _STATUS, _NOISE = range(len(COLUMNS))


@dataclass(frozen=True, slots=True)
class Usual:
    """Usual shape of the bright sources of a frame: widths (standard deviation) in pixels.

    Parameters
    ----------
    sigma
        Geometric mean of both axes.
    minor
        Smaller axis.
    ellipticity
        1 - b/a.
    """

    sigma: float
    minor: float
    ellipticity: float


@dataclass(frozen=True, slots=True)
class Frame:
    """What must be known of a frame to judge its sources.

    Parameters
    ----------
    shape
        Shape (ny, nx).
    usual
        Usual shape of a star.
    saturation
        Level in ADU; None when unknown.
    """

    shape: tuple[int, int]
    usual: Usual
    saturation: float | None


def usual_shape(table: NDArray[np.float64]) -> Usual | None:
    """Find the usual shape of the bright sources: that of the narrowest half of their widths.

    Parameters
    ----------
    table
        Shapes as from `measure_shapes`.

    Returns
    -------
    Usual or None
        None without any measurable source.
    """
    good = (table[:, _STATUS] == OK) & (table[:, _FLUX] > 0)
    bright = good & (table[:, _FLUX] > _PILOT_SNR * table[:, _ERROR])
    chosen = table[bright if np.count_nonzero(bright) >= _FEWEST_PILOTS else good]
    if len(chosen) == 0:
        return None
    major, minor, theta = _axes(chosen)
    ellipticity = 1.0 - minor / np.maximum(major, 1e-9)
    pieces, _ = find_trails(
        Sources(chosen[:, _X], chosen[:, _Y], ellipticity, theta, chosen[:, _FLUX]),
        reach=float(np.median(minor)) * 2.0,
    )
    free = ~pieces if np.count_nonzero(~pieces) >= _FEWEST_PILOTS else np.ones_like(pieces)
    widths = np.sqrt(major * minor)[free]
    order = np.argsort(widths)
    half = max(1, (widths.size + 1) // 2)
    spans = widths[order][half - 1 :] - widths[order][: widths.size - half + 1]
    core = order[int(np.argmin(spans)) :][:half]
    return Usual(
        float(np.median(widths[core])), float(np.median(minor[free][core])), float(np.median(ellipticity[free][core]))
    )


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
    table = table[np.argsort(table[:, _Y], kind="stable")]
    distinct, blended = _neighbours(table, SIGMA_TO_FWHM * frame.usual.sigma)
    table, blended = table[distinct], blended[distinct]
    major, minor, theta = _axes(table)
    ratio = np.where(major > 0, minor / np.maximum(major, 1e-9), 1.0)
    pieces, trails = find_trails(
        Sources(table[:, _X], table[:, _Y], 1.0 - ratio, theta, table[:, _FLUX]),
        reach=max(2.0, SIGMA_TO_FWHM * frame.usual.minor),
    )
    flags = _flags(table, frame, (major, minor)) | np.where(blended, int(StarFlag.BLENDED), 0)
    flags |= np.where(pieces, int(StarFlag.TRAIL), 0)
    order = np.argsort(-table[:, _FLUX], kind="stable")
    listed = StarList(
        x=table[:, _X],
        y=table[:, _Y],
        flux=table[:, _FLUX],
        flux_error=table[:, _ERROR],
        peak=table[:, _PEAK],
        snr=table[:, _FLUX] / np.maximum(table[:, _ERROR], 1e-12),
        fwhm=SIGMA_TO_FWHM * np.sqrt(major * minor),
        hfr=table[:, _HFR],
        eccentricity=np.sqrt(np.maximum(0.0, 1.0 - ratio**2)),
        ellipticity=1.0 - ratio,
        theta=theta,
        flags=flags.astype(np.int32),
        shape=frame.shape,
        spike_count=spikes,
        trail_count=trails,
        saturation=frame.saturation,
    )
    return listed.select(order)


def warm() -> None:
    """Compile the kernels of this module and of the trails."""
    _neighbours(np.zeros((2, len(COLUMNS))), 2.0)
    warm_trails()


def _flags(
    table: NDArray[np.float64], frame: Frame, axes: tuple[NDArray[np.float64], NDArray[np.float64]]
) -> NDArray[np.int64]:
    major, minor = axes
    flags = np.zeros(len(table), dtype=np.int64)
    if frame.saturation is not None:
        flags[table[:, _PEAK] >= frame.saturation * _JUST_BELOW] |= StarFlag.SATURATED
    margin = max(2.0, SIGMA_TO_FWHM * frame.usual.sigma)
    ny, nx = frame.shape
    x, y = table[:, _X], table[:, _Y]
    flags[(x < margin) | (y < margin) | (x > nx - 1 - margin) | (y > ny - 1 - margin)] |= StarFlag.EDGE
    flags[table[:, _STATUS] == SPIKE] |= StarFlag.HOT_PIXEL
    saturated = (flags & StarFlag.SATURATED) > 0
    snr = table[:, _FLUX] / np.maximum(table[:, _ERROR], 1e-12)
    narrow = (minor < _narrowest(snr, frame.usual.minor)) & ~saturated
    flags[narrow] |= StarFlag.COSMIC_RAY
    flags[(np.sqrt(major * minor) > _WIDEST * frame.usual.sigma)] |= StarFlag.EXTENDED
    roundest = 1.0 - max(_MOST_ELLIPTICAL, frame.usual.ellipticity + _ELLIPTICITY_SPREAD)
    most, per_noise, least = _ROUNDEST_FAINT
    milder = np.clip(most - per_noise / np.maximum(snr, 1.0), least, 1.0)
    elongated = (minor / np.maximum(major, 1e-9) < roundest * milder) & ~narrow & ~saturated
    flags[elongated] |= StarFlag.EXTENDED
    return flags


def _narrowest(snr: NDArray[np.float64], usual: float) -> NDArray[np.float64]:
    """Smallest width across a star of this signal-to-noise ratio (standard deviation), in pixels."""
    noise = 1.0 / np.maximum(snr, 1.0)
    hit = np.clip(_NARROWEST - _NARROWER_HIT * noise, 0.5, _NARROWEST) * usual
    return np.asarray(np.maximum((_NARROWEST - _NARROWER * noise) * usual, np.minimum(hit, _HIT_SIGMA)))


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
