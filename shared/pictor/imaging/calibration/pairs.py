"""Read noise and conversion gain from pairs of frames, and dark current from a master dark."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pictor.imaging.calibration.measuring import conversion_gain, dark_current, steps_of
from pictor.imaging.combine.noise import QUANTISATION_VARIANCE
from pictor.imaging.combine.sampling import clipped_moments
from pictor.imaging.errors import FrameMismatchError, ImagingError
from pictor.imaging.frame import Frame

OUTLIER_SIGMA = 3.0
"""Pixels farther than this from the middle of the pair's mean are left out."""

MOST = 4_000_000
"""Of more pixels an even choice is looked at: four million tell a width to 0.04 %."""

FULL_SHARE = 0.001
"""A flat with more of its pixels at its highest value than this is saturated."""


@dataclass(frozen=True, slots=True)
class ReadNoise:
    """Read noise of a pair of bias frames.

    Parameters
    ----------
    adu
        In ADU RMS per pixel; rounding, to whole ADU or to wider steps, is taken out: 0 where it hides the noise.
    electrons
        In electrons RMS per pixel; None without a conversion gain.
    pixels, left_out
        Pixels of the frame that were used, and those that were not.
    levels
        Median of each frame, in ADU.
    """

    adu: float
    electrons: float | None
    pixels: int
    left_out: int
    levels: tuple[float, float]


@dataclass(frozen=True, slots=True)
class PhotonTransfer:
    """What a pair of flats tells.

    Parameters
    ----------
    egain
        Conversion gain, in electrons per ADU.
    signal
        Median signal of each flat above its dark, in ADU.
    """

    egain: float
    signal: tuple[float, float]


def measure_read_noise(
    bias1: Any,  # noqa: ANN401 - whatever Frame.from_nddata takes
    bias2: Any,  # noqa: ANN401 - whatever Frame.from_nddata takes
    *,
    egain: float | None = None,
    mask_outliers: bool = True,
) -> ReadNoise:
    """Measure the read noise of a detector from two bias frames.

    The difference of the frames cancels their fixed pattern and carries twice the variance of one read-out [1]_.

    Parameters
    ----------
    bias1, bias2
        Bias frames of one camera mode, shape (ny, nx), in ADU: arrays, `Frame`, CCDData or NDData. Pixels that are
        masked or no numbers do not count. They are not changed.
    egain
        Conversion gain, in electrons per ADU; None when it is not known.
    mask_outliers
        Whether to leave out pixels whose mean over the pair lies more than three robust standard deviations from the
        median (hot pixels, bad columns), and differences beyond five (cosmic rays). The mean and the difference of two
        frames of normal noise are independent, so that the choice does not make the noise smaller. Without it the plain
        standard deviation of all pixels is taken.

    Returns
    -------
    ReadNoise
        In ADU, and in electrons where the gain is known.

    Raises
    ------
    FrameMismatchError
        If the frames differ in shape, or are not in ADU.
    ImagingError
        If no pixel of the pair can be used, or the frames are identical.

    References
    ----------
    .. [1] Janesick J. R., 2001, Scientific Charge-Coupled Devices, SPIE Press.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(1)
    >>> bias1, bias2 = rng.normal(500, 4, (2, 400, 400)).round().astype(np.uint16)
    >>> found = measure_read_noise(bias1, bias2, egain=1.5)
    >>> round(found.adu, 1), round(found.electrons, 1)
    (4.0, 6.0)
    """
    one, two = _pair(bias1, bias2)
    good, step = np.isfinite(one) & np.isfinite(two), steps_of(one, two)
    if mask_outliers:
        good &= ~_outliers(one + two, good, least=max(step, 1.0) / 2)
    used = int(np.count_nonzero(good))
    if used < 2:
        raise ImagingError(f"the pair has {used} pixels that can be used; a noise needs more", reason="no-pixels")
    difference = one[good] - two[good]
    if not difference.any():
        raise ImagingError("the frames of the pair are identical: they tell no noise", reason="same-frame")
    variance = (
        clipped_moments(difference, least=max(step, 1.0) / 2, most=MOST)[1]
        if mask_outliers
        else float(difference.var(dtype=np.float64))
    )
    adu = math.sqrt(max(variance / 2 - step**2 * QUANTISATION_VARIANCE, 0.0))
    levels = float(np.median(one[good])), float(np.median(two[good]))
    return ReadNoise(adu, None if egain is None else adu * egain, used, one.size - used, levels)


def measure_gain(
    flat1: Any,  # noqa: ANN401 - whatever Frame.from_nddata takes
    flat2: Any,  # noqa: ANN401 - whatever Frame.from_nddata takes
    *,
    dark: Any,  # noqa: ANN401 - whatever Frame.from_nddata takes, or a level
    read_noise_adu: float,
    bayer: bool = False,
) -> PhotonTransfer:
    """Measure the conversion gain from two flats by photon transfer; see `conversion_gain`.

    Parameters
    ----------
    flat1, flat2
        Flats of one camera mode and filter, shape (ny, nx), in ADU. Pixels that are masked or no numbers do not count.
    dark
        Their dark, or a bias, shape (ny, nx), or one level, in ADU.
    read_noise_adu
        Read noise, in ADU RMS.
    bayer
        Whether the pixels lie under a Bayer pattern: then each colour is measured by itself, and the mean is given.

    Returns
    -------
    PhotonTransfer
        The gain and the signal it was measured at.

    Raises
    ------
    FrameMismatchError
        If the frames differ in shape, or are not in ADU.
    ImagingError
        If the flats are too dark, saturated or identical.
    """
    one, two = _pair(flat1, flat2)
    below = np.asarray(dark, np.float64) if isinstance(dark, int | float) else _plane(dark)
    if below.ndim and below.shape != one.shape:
        raise FrameMismatchError(f"the dark has shape {below.shape}, the flats {one.shape}")
    for number, flat in enumerate((one, two), 1):
        _require_unsaturated(flat, number)
    if not np.nan_to_num(one - two).any():
        raise ImagingError("the flats are identical: they tell no noise", reason="same-frame")
    parts = [(y, x, 2) for y in (0, 1) for x in (0, 1)] if bayer else [(0, 0, 1)]
    found = []
    for y, x, step in parts:
        part = slice(y, None, step), slice(x, None, step)
        under = below[part] if below.ndim else below
        found.append(conversion_gain(one[part], two[part], dark=under, read_noise=read_noise_adu))
    signal = float(np.nanmedian(one - below)), float(np.nanmedian(two - below))
    return PhotonTransfer(float(np.mean(found)), signal)


def measure_dark_current(
    dark: Any,  # noqa: ANN401 - whatever Frame.from_nddata takes
    *,
    bias: Any,  # noqa: ANN401 - whatever Frame.from_nddata takes, or a level
    egain: float,
    exposure_s: float,
) -> float:
    """Measure the dark current of a master dark.

    Parameters
    ----------
    dark
        Master dark with its bias inside, shape (ny, nx), in ADU.
    bias
        Master bias, shape (ny, nx), or its level, in ADU; 0 where it is subtracted already.
    egain
        Conversion gain, in electrons per ADU.
    exposure_s
        Exposure of the dark, in seconds.

    Returns
    -------
    float
        Clipped mean dark current, in electrons per second and pixel; hot pixels do not count.

    Raises
    ------
    FrameMismatchError
        If dark and bias differ in shape, or are not in ADU.
    ImagingError
        If the dark has no pixel that can be used, or no exposure.
    """
    if not exposure_s > 0:
        raise ImagingError(f"a dark of {exposure_s:g} s tells no dark current", reason="no-exposure")
    values = _plane(dark)
    below = np.asarray(bias, np.float64) if isinstance(bias, int | float) else _plane(bias)
    if below.ndim and below.shape != values.shape:
        raise FrameMismatchError(f"the dark has shape {values.shape}, the bias {below.shape}")
    found = dark_current(values - below, bias_level=0.0, egain=egain, exposure_s=exposure_s)
    if found.electrons_per_s is None:
        raise ImagingError("the dark has no pixel that can be used", reason="no-pixels")
    return found.electrons_per_s


def difference_histogram(
    bias1: Any,  # noqa: ANN401 - whatever Frame.from_nddata takes
    bias2: Any,  # noqa: ANN401 - whatever Frame.from_nddata takes
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Count the differences of two frames in bins of 1 ADU.

    Parameters
    ----------
    bias1, bias2
        Frames of one camera mode, shape (ny, nx), in ADU.

    Returns
    -------
    tuple
        Difference in whole ADU, ascending, and how many pixels have it; values that do not occur are left out.

    Raises
    ------
    FrameMismatchError
        If the frames differ in shape, or are not in ADU.
    """
    one, two = _pair(bias1, bias2)
    difference = one - two
    whole = np.rint(difference[np.isfinite(difference)]).astype(np.int64)
    values, counts = np.unique(whole, return_counts=True)
    return values, counts.astype(np.int64)


def _pair(first: Any, second: Any) -> tuple[NDArray[np.floating], NDArray[np.floating]]:  # noqa: ANN401 - as above
    one, two = _plane(first), _plane(second)
    if one.shape != two.shape:
        raise FrameMismatchError(f"frames of a pair differ: {one.shape}, {two.shape}")
    return one, two


def _plane(given: Any) -> NDArray[np.floating]:  # noqa: ANN401 - as above
    """Give the pixels in ADU, with NaN where they are masked."""
    frame = Frame.from_nddata(given)
    if frame.unit != "adu":
        told = f"a frame in {frame.unit or 'no unit'} tells no noise of the read-out; it must be in ADU"
        raise FrameMismatchError(told, reason="units")
    if frame.data.ndim != 2:
        raise FrameMismatchError(f"a frame of two axes is needed; this one has shape {frame.data.shape}")
    values = frame.real()
    if frame.mask is not None:
        values[frame.mask != 0] = np.nan
    return values


def _outliers(total: NDArray[np.floating], good: NDArray[np.bool_], *, least: float) -> NDArray[np.bool_]:
    """Mark pixels whose sum over the pair is far from its middle, whose width is not below ``least``."""
    some = total[good]
    some = some[:: max(1, some.size // MOST)]
    if some.size == 0:
        return ~good
    middle = float(np.median(some))
    width = math.sqrt(clipped_moments(some, least=least, most=MOST)[1])
    far: NDArray[np.bool_] = ~(np.abs(total - middle) <= OUTLIER_SIGMA * max(width, least))
    return far


def _require_unsaturated(flat: NDArray[np.floating], number: int) -> None:
    top = float(np.nanmax(flat)) if np.isfinite(flat).any() else 0.0
    share = float(np.mean(flat == top))
    if share > FULL_SHARE and top > 0 and not np.nanmin(flat) == top:
        raise ImagingError(
            f"flat {number} has {100 * share:.2g} % of its pixels at its highest value {top:.0f} ADU: it is saturated",
            reason="flat-saturated",
        )
