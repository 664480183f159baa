"""Coadd aligned lights: mean, weighted mean, median, clipped mean or sum."""

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pictor.imaging.coadd import kernels
from pictor.imaging.coadd.cards import coadd_header
from pictor.imaging.coadd.members import Member, levelled, member_of, scaled, slackened, weighted
from pictor.imaging.coadd.sources import Source, open_source, source_of
from pictor.imaging.coadd.tiles import Planes, Rule, run
from pictor.imaging.errors import FrameMismatchError, ImagingError
from pictor.imaging.frame import Frame
from pictor.imaging.registration.stars import register
from pictor.imaging.registration.transform import Transform
from pictor.imaging.resampling.grid import Grid, grid_of
from pictor.imaging.resampling.mapping import Mapping
from pictor.imaging.resampling.resampling import Resampler, mapping_of, require_plain, sky_mapping
from pictor.imaging.resampling.resampling import warm as warm_resampling
from pictor.imaging.resampling.weights import Kernel, noise_gain


class Method(StrEnum):
    """How the samples of a pixel become one."""

    MEAN = "mean"
    MEDIAN = "median"
    CLIPPED = "clipped"
    WEIGHTED = "weighted"
    SUM = "sum"


SIGMA_TO_FWHM = 2.0 * math.sqrt(2.0 * math.log(2.0))
SCALES = ("auto", "exposure", "zeropoint", "stars", "none")
BACKGROUNDS = ("subtract", "match", "none")
_CODES = {Method.MEDIAN: kernels.MEDIAN, Method.CLIPPED: kernels.CLIP}


@dataclass(frozen=True, slots=True, eq=False)
class Coadded:
    """Many lights made one; planes have the shape (ny, nx) of the grid.

    Parameters
    ----------
    frame
        Value, error, mask and cards. The error is that of each pixel by itself.
    weight
        Inverse variance; 0 where there is no value.
    nused
        Samples each value rests on.
    rejected
        Samples clipped of every light, in the order given.
    total_exposure_s
        Sum of the exposures; None when one of them is not told.
    correlation
        By how much the error of a sum over a large aperture exceeds the quadratic sum of the errors of its pixels,
        because interpolation has made neighbours alike.
    scales, weights
        What every light was multiplied by, and its relative weight.
    """

    frame: Frame
    weight: NDArray[np.float32]
    nused: NDArray[np.uint16]
    rejected: tuple[int, ...]
    total_exposure_s: float | None
    correlation: float
    scales: tuple[float, ...]
    weights: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Settings:
    """How to coadd; see `coadd`."""

    method: Method
    sigma: float
    weights: str | Sequence[float] | None
    scale: str
    background: str
    kernel: Kernel


def coadd(
    frames: Sequence[Any],
    *,
    method: str = "mean",
    sigma: float = 3.0,
    weights: str | Sequence[float] | None = None,
    onto: Grid | Sequence[Transform] | None = None,
    scale_flux: bool | str | None = True,
    background: str = "subtract",
    kernel: str = "lanczos3",
) -> Coadded:
    """Bring lights onto one grid and make one of them.

    Parameters
    ----------
    frames
        Frames, NDData or arrays, shape (ny, nx), in one unit.
    method
        ``mean``; ``weighted``: mean weighted by ``weights`` or else by ``variance``; ``median``; ``clipped``: mean
        without the samples too far from the median (see below); ``sum``: mean times the number of lights, so that
        missing samples leave no holes.
    sigma
        For ``clipped``: how many standard deviations a sample may lie from the median, whose stars are given the seeing
        of its light. On top of that it may differ by a share of the light above the sky and of the slope of the median
        image, so that star cores stay [1]_ [2]_; beside a sample that is far off, by half of these and 1.5 deviations.
    weights
        None: alike; ``variance``: inverse variance of the sky of each light; or one number per light. Weights do not
        vary over a light, so that they do not change the profile of stars.
    onto
        Grid: lights need world coordinates. Transforms: one per light, onto the same reference. None: the grid that
        holds all lights where all have world coordinates, else the first light, to which the others are registered.
    scale_flux
        True or ``auto``: by exposure where all tell it; ``exposure``, ``zeropoint`` (MAGZPT), ``stars``; False, None
        or ``none``. Values are brought to the scale of the first light. A sum is not scaled unless asked for.
    background
        ``subtract`` the sky's mesh of each light; ``match`` its level to the first light's; ``none``.
    kernel
        As for `pictor.imaging.resampling.resampling.resample`.

    Returns
    -------
    Coadded
        Values as float32, in the unit of the lights. Where lights told no error, it is taken from the noise of their
        sky and, when EGAIN is told, their light.

    Raises
    ------
    FrameMismatchError
        If units differ, or a light has colour planes.
    ImagingError
        If there are no lights, or something asked for is not known of one.

    References
    ----------
    .. [1] Gruen D., Seitz S., Bernstein G. M., 2014, PASP 126, 158: clipping that leaves stars alone.
    .. [2] Gonzaga S. et al., 2012, The DrizzlePac Handbook, STScI, section 4.2.7: slope of the median image.
    """
    chosen = _settings(
        method=method, sigma=sigma, weights=weights, scale=scale_flux, background=background, kernel=kernel
    )
    ones = [Frame.from_nddata(frame) for frame in frames]
    sources = [source_of(frame, f"light {number}") for number, frame in enumerate(ones, 1)]
    return _coadd(sources, onto, chosen)


def coadd_files(
    paths: Sequence[Path],
    *,
    method: str = "mean",
    sigma: float = 3.0,
    weights: str | Sequence[float] | None = None,
    onto: Grid | Sequence[Transform] | None = None,
    scale_flux: bool | str | None = True,
    background: str = "subtract",
    kernel: str = "lanczos3",
) -> Coadded:
    """Coadd as `coadd` does, reading the files window by window.

    Parameters
    ----------
    paths
        Lights. Plain ones are read in place, others are decoded one by one into files that vanish afterwards; memory
        holds one light, the result and some tiles, however many lights there are.
    method, sigma, weights, onto, scale_flux, background, kernel
        As for `coadd`.

    Returns
    -------
    Coadded
        See `coadd`.

    Raises
    ------
    UnreadableFrameError
        If a file is no frame.
    FrameMismatchError, ImagingError
        As for `coadd`.
    """
    chosen = _settings(
        method=method, sigma=sigma, weights=weights, scale=scale_flux, background=background, kernel=kernel
    )
    return _coadd([open_source(Path(path)) for path in paths], onto, chosen)


def _settings(
    *,
    method: str,
    sigma: float,
    weights: str | Sequence[float] | None,
    scale: bool | str | None,
    background: str,
    kernel: str,
) -> Settings:
    how = Method(method)
    wanted = "none" if scale in {False, None} or (scale is True and how is Method.SUM) else scale
    wanted = "auto" if wanted is True else str(wanted)
    if wanted not in SCALES or background not in BACKGROUNDS or not sigma > 0:
        raise ValueError(
            f"scale_flux is one of {', '.join(SCALES)}, background one of {', '.join(BACKGROUNDS)}, sigma positive: "
            f"{scale}, {background}, {sigma}"
        )
    if how is Method.WEIGHTED and weights is None:
        weights = "variance"
    if isinstance(weights, str) and weights != "variance":
        raise ValueError(f"weights is None, variance or numbers, not {weights}")
    return Settings(how, sigma, weights, wanted, background, Kernel(kernel))


def _coadd(sources: Sequence[Source], onto: Grid | Sequence[Transform] | None, how: Settings) -> Coadded:
    _check(sources)
    target, mappings = _placed(sources, onto)
    wish = {"stars": how.scale == "stars", "seeing": how.method is Method.CLIPPED}

    def measured(source: Source, mapping: Mapping) -> Member:
        return member_of(source, Resampler.of(mapping, how.kernel, source.shape, target.shape), **wish)

    with ThreadPoolExecutor(2) as pool:
        members = list(pool.map(measured, sources, mappings))
    members = weighted(levelled(scaled(members, how.scale), how.background), how.weights)
    members, fwhm = slackened(members)
    rule = replace(_rule(members, how), width=(fwhm / SIGMA_TO_FWHM) ** 2)
    planes = run([replace(one, stars=None) for one in members], target.shape, rule)
    return _finished(members, target, planes, how)


def _check(sources: Sequence[Source]) -> None:
    if not sources:
        raise ImagingError("no lights were given to coadd", reason="no-frames")
    for one in sources:
        require_plain(one.header, 2)
        if one.unit != sources[0].unit:
            raise FrameMismatchError(
                f"{one.name} is in {one.unit or 'no unit'}, {sources[0].name} in {sources[0].unit or 'no unit'}"
            )


def _placed(
    sources: Sequence[Source], onto: Grid | Sequence[Transform] | None
) -> tuple[Grid | Transform, list[Mapping]]:
    """Find the grid, and where it lies on every light."""
    if onto is None:
        heads = [Frame(one.data, header=one.header) for one in sources]
        if all(head.wcs is not None for head in heads):
            onto = grid_of(heads)
        else:
            first = sources[0].frame()
            onto = [Transform.identity(first.shape, first.wcs)]
            onto += [register(first, one.frame()) for one in sources[1:]]
    if isinstance(onto, Grid):
        return onto, [sky_mapping(one.header, one.shape, onto) for one in sources]
    if len(onto) != len(sources) or any(one.shape != onto[0].shape for one in onto):
        raise ImagingError(
            f"{len(onto)} transforms were given for {len(sources)} lights; one for each onto the same reference is "
            "needed",
            reason="bad-transforms",
        )
    return onto[0], [mapping_of(Frame(one.data), each) for one, each in zip(sources, onto, strict=True)]


def _rule(members: Sequence[Member], how: Settings) -> Rule:
    first = members[0]
    level = 0.0 if first.subtract else (first.level * first.scale + first.offset) * first.resampler.area
    return Rule(_CODES.get(how.method, kernels.MEAN), how.sigma, level, noise_gain(how.kernel) ** 2)


def _finished(members: Sequence[Member], target: Grid | Transform, planes: Planes, how: Settings) -> Coadded:
    """Give the planes their cards."""
    if how.method is Method.SUM:
        number = np.float32(len(members))
        np.multiply(planes.value, number, out=planes.value)
        np.multiply(planes.variance, number * number, out=planes.variance)
    weight = np.divide(1, planes.variance, out=np.zeros_like(planes.variance), where=planes.nused > 0)
    err = np.sqrt(planes.variance, out=planes.variance)
    correlation = math.sqrt(sum(one.resampler.area / one.resampler.noise_left for one in members) / len(members))
    header = coadd_header(members, target, str(how.method), correlation=correlation)
    exposures = [one.exposure_s for one in members]
    total = math.fsum(e for e in exposures if e is not None) if None not in exposures else None
    return Coadded(
        Frame(planes.value, err, planes.mask, header, members[0].source.unit), weight, planes.nused,
        tuple(int(n) for n in planes.rejected), total, correlation,
        tuple(one.scale for one in members), tuple(one.weight for one in members),
    )  # fmt: skip


def warm() -> None:
    """Compile the kernels of this module."""
    warm_resampling()
    for method in Method:
        coadd([np.eye(40, dtype=np.float32)] * 3, method=str(method), onto=[Transform.identity((40, 40))] * 3)
