"""The lights of a coadd on one footing: where they lie, their sky, their scale, their noise and their weight."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from pictor.imaging.background import Background, mesh_background
from pictor.imaging.coadd.sources import Source
from pictor.imaging.errors import ImagingError
from pictor.imaging.frame import Frame
from pictor.imaging.registration.stars import stars_of
from pictor.imaging.resampling.mapping import Mapping
from pictor.imaging.resampling.resampling import Resampler
from pictor.imaging.resampling.weights import noise_gain
from pictor.imaging.stars.starlist import StarList

Floats = NDArray[np.float64]
_ALIKE = 0.01
_STAR_SNR = 20.0
_FEWEST_STARS = 5
_NEAR_PX = 2.0
# The seeing is measured in the smallest middle part that shows so many stars.
_MIDDLES_PX, _ENOUGH_STARS = (512, 1024), 25
# Shares of light and slope that samples of equal seeing may differ by: focus, guiding and a tenth of a pixel of shift.
_LEAST_SLACK, _UNKNOWN_SEEING = (0.06, 0.2), 0.1
# Part of the change by a known seeing that expecting it leaves, for profiles that are not Gaussian.
_ALLOWED = 0.33


@dataclass(frozen=True, slots=True, eq=False)
class Member:
    """One light of a coadd.

    Parameters
    ----------
    source, resampler
        Its pixels, and how they are brought onto the grid.
    sky
        Mesh of its sky.
    level, noise
        Median sky and its standard deviation per pixel, in the unit of the frame.
    exposure_s, egain
        None: not told.
    scale
        What its values are multiplied by.
    offset
        Added after that.
    subtract
        Whether the mesh is subtracted before.
    weight
        Relative weight of the scaled frame.
    fwhm
        Of its stars, in pixels of the grid; NaN without stars.
    slack
        Share of the light and of the slope by which its samples may differ from what is expected.
    sharpness
        Usual variance of the profile of stars over its own.
    """

    source: Source
    resampler: Resampler
    sky: Background
    level: float
    noise: float
    exposure_s: float | None
    egain: float | None
    scale: float = 1.0
    offset: float = 0.0
    subtract: bool = False
    weight: float = 1.0
    fwhm: float = math.nan
    slack: tuple[float, float] = (0.0, 0.0)
    sharpness: float = 1.0
    stars: StarList | None = None

    @property
    def mapping(self) -> Mapping:
        """Where the pixels of the grid lie on it."""
        return self.resampler.mapping

    @property
    def floor(self) -> float:
        """Variance of the sky of the scaled frame in pixels of the grid, if interpolation took nothing of it."""
        return self.own_floor * self.resampler.noise_left / noise_gain(self.resampler.kernel) ** 2

    @property
    def own_floor(self) -> float:
        """Variance of the sky of the scaled frame in its own pixels."""
        return (self.noise * self.scale) ** 2


def member_of(source: Source, resampler: Resampler, *, stars: bool, seeing: bool = False) -> Member:
    """Measure the sky of a light and, where wanted, all its stars or only their width, in its middle.

    Raises
    ------
    ImagingError
        If it has no usable pixel.
    """
    frame = source.frame()
    mask = None if frame.mask is None else (frame.mask & (1 | 4 | 8 | 16)) != 0
    sky = mesh_background(frame.data, mask=mask)
    if sky.level is None:
        raise ImagingError(f"{source.name} has no usable pixel", reason="no-data")
    noise = sky.noise or _told_noise(frame) or 1.0
    exposure, egain = _positive(source, "EXPTIME", "EXPOSURE"), _positive(source, "EGAIN", "CALEGAIN")
    found = stars_of(frame) if stars else None
    measured = found or (_middle_stars(frame) if seeing else None)
    source.forget()
    width = measured.psf.fwhm / math.sqrt(resampler.area) if measured is not None and measured.psf else math.nan
    return Member(source, resampler, sky, sky.level, noise, exposure, egain, fwhm=width, stars=found)


def _middle_stars(frame: Frame) -> StarList:
    """Find the stars in the middle of a light, or in all of it where they are too few there."""
    ny, nx = frame.shape
    for half in (size // 2 for size in _MIDDLES_PX if size < min(ny, nx)):
        part = slice(ny // 2 - half, ny // 2 + half), slice(nx // 2 - half, nx // 2 + half)
        found = stars_of(Frame(frame.data[part], None, None if frame.mask is None else frame.mask[part]))
        if found.psf is not None and found.psf.star_count >= _ENOUGH_STARS:
            return found
    return stars_of(frame)


def scaled(members: Sequence[Member], how: str) -> list[Member]:
    """Set the scale of every member to the first one's.

    Parameters
    ----------
    members
        All lights.
    how
        ``exposure``, ``zeropoint``, ``stars``, ``none``, or ``auto``: exposure where all tell it.

    Raises
    ------
    ImagingError
        If what is asked for is not known of every light.
    """
    if how == "auto":
        how = "exposure" if all(one.exposure_s for one in members) else "none"
    if how == "none":
        return list(members)
    rates = [1.0 if "/ s" in one.source.unit else one.exposure_s for one in members]
    if how in {"exposure", "zeropoint"} and not all(rates):
        missing = next(one.source.name for one, rate in zip(members, rates, strict=True) if not rate)
        raise ImagingError(f"{missing} has no EXPTIME; scale its flux by stars or not at all", reason="no-exposure")
    factors = [(rates[0] or 1.0) / (rate or 1.0) for rate in rates]
    if how == "zeropoint":
        zeros = [_zero_point(one) for one in members]
        factors = [factor * 10 ** (0.4 * (zeros[0] - zero)) for factor, zero in zip(factors, zeros, strict=True)]
    if how == "stars":
        factors = [1.0, *(_star_ratio(members[0], one) for one in members[1:])]
    return [replace(one, scale=factor) for one, factor in zip(members, factors, strict=True)]


def levelled(members: Sequence[Member], how: str) -> list[Member]:
    """Say what becomes of the sky: ``subtract``, ``match`` it to the first light's, or ``none``."""
    if how == "subtract":
        return [replace(one, subtract=True) for one in members]
    if how == "match":
        first = members[0].level * members[0].scale * members[0].resampler.area
        return [replace(one, offset=first / one.resampler.area - one.level * one.scale) for one in members]
    return list(members)


def weighted(members: Sequence[Member], weights: str | Sequence[float] | None) -> list[Member]:
    """Set the weights: None: alike; ``variance``: inverse to the variance of the scaled sky; or as given.

    Raises
    ------
    ImagingError
        If other than one positive weight per light is given.
    """
    if weights is None:
        return list(members)
    by_noise = isinstance(weights, str)
    chosen = (
        [1.0 / (one.own_floor * one.resampler.area) for one in members]
        if by_noise
        else [float(weight) for weight in weights]
    )
    if len(chosen) != len(members) or not all(math.isfinite(w) and w > 0 for w in chosen):
        raise ImagingError(
            f"{len(chosen)} weights were given for {len(members)} lights; one positive weight for each is needed",
            reason="bad-weights",
        )
    mean = sum(chosen) / len(chosen)
    return [replace(one, weight=weight / mean) for one, weight in zip(members, chosen, strict=True)]


def slackened(members: Sequence[Member]) -> tuple[list[Member], float]:
    """Say how much the stars of every light may differ from the usual ones: by the difference of its seeing.

    The light of a Gaussian star changes by twice the relative change of its width in the middle, and by a pixel's slope
    times three times that change three widths away; a third of it is left when that is allowed for.

    Returns
    -------
    tuple
        The lights, and the usual FWHM of their stars in pixels of the grid; 0 where it is not known of enough lights.
    """
    widths = np.array([one.fwhm for one in members])
    known = widths[np.isfinite(widths)]
    usual = float(np.median(known)) if len(known) >= max(2, len(members) // 2) else math.nan
    ratios = widths / usual
    changes = np.nan_to_num(_ALLOWED * np.abs(ratios - 1), nan=_UNKNOWN_SEEING)
    sharpness = np.nan_to_num(ratios**-2.0, nan=1.0)
    made = [
        replace(
            one, slack=(_LEAST_SLACK[0] + 2.4 * float(change), _LEAST_SLACK[1] + 3.0 * float(change)),
            sharpness=float(sharp),
        )
        for one, change, sharp in zip(members, changes, sharpness, strict=True)
    ]  # fmt: skip
    return made, usual if math.isfinite(usual) else 0.0


def _told_noise(frame: Frame) -> float | None:
    if frame.err is None:
        return None
    known = frame.err[np.isfinite(frame.err) & (frame.err > 0)]
    return float(np.median(known)) if known.size else None


def _positive(source: Source, *keywords: str) -> float | None:
    for keyword in keywords:
        value = source.header.get(keyword)
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value > 0:
            return float(value)
    return None


def _zero_point(one: Member) -> float:
    for keyword in ("MAGZERO", "MAGZPT"):
        value = one.source.header.get(keyword)
        if isinstance(value, int | float) and math.isfinite(value):
            return float(value)
    raise ImagingError(
        f"{one.source.name} has no zero point (MAGZPT); measure it, or scale its flux by exposure or stars",
        reason="no-zero-point",
    )


def _star_ratio(first: Member, other: Member) -> float:
    """Median ratio of the light of stars both frames show."""
    ours, theirs = _on_frame(first, other), other.stars
    if ours is None or theirs is None:
        raise ImagingError(f"{other.source.name} shows too few stars to scale its flux", reason="too-few-stars")
    clean = np.flatnonzero((theirs.flags == 0) & (theirs.snr > _STAR_SNR))
    x, y, flux = ours
    ratios = np.zeros(0)
    if len(clean) and len(x):
        distance, near = cKDTree(np.column_stack([theirs.x[clean], theirs.y[clean]])).query(np.column_stack([x, y]))
        paired = distance < _NEAR_PX
        ratios = flux[paired] / theirs.flux[clean][near[paired]]
    if len(ratios) < _FEWEST_STARS:
        raise ImagingError(
            f"{other.source.name} shares {len(ratios)} clean stars with the first light; {_FEWEST_STARS} are needed to "
            "scale its flux by stars",
            reason="too-few-stars",
        )
    return float(np.median(ratios))


def _on_frame(first: Member, other: Member) -> tuple[Floats, Floats, Floats] | None:
    """Find where the clean stars of the first light lie on another one."""
    stars = first.stars
    if stars is None:
        return None
    clean = (stars.flags == 0) & (stars.snr > _STAR_SNR)
    grid_x, grid_y = first.mapping.positions(stars.x[clean], stars.y[clean])
    x, y = other.mapping.places(grid_x, grid_y)
    known = np.isfinite(x) & np.isfinite(y)
    return x[known], y[known], stars.flux[clean][known]
