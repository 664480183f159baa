"""Apply masters to a light, with its noise."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from pictor.imaging.calibration.cosmics import COSMIC, Detector, find_cosmics
from pictor.imaging.calibration.masters import Master, check_holds_bias
from pictor.imaging.calibration.repair import repair_bad_pixels
from pictor.imaging.combine.flats import LOW_FLAT
from pictor.imaging.combine.kernels import Reals
from pictor.imaging.combine.noise import QUANTISATION_VARIANCE
from pictor.imaging.errors import FrameMismatchError, ImagingError
from pictor.imaging.types import Image, Mask

SATURATED, NO_DATA = np.uint8(2), np.uint8(16)


@dataclass(frozen=True, slots=True)
class Calibrated:
    """A calibrated light; planes have shape (ny, nx), in ADU. ``calstat`` names what was applied: B, D, F.

    ``cleaned`` pixels were hit by cosmic rays; ``repaired`` counts them with the bad ones.
    """

    sci: NDArray[np.float32]
    err: NDArray[np.float32]
    mask: Mask
    calstat: str
    repaired: int
    left: int
    cleaned: int = 0


@njit(cache=True, nogil=True)
def _apply(  # noqa: PLR0917
    light: Reals, below: Reals, below_err: Reals, flat: Reals, flat_err: Reals, facts: Reals, sci: Reals, err: Reals
) -> None:
    """Fill science and error of some rows; ``facts`` is (floor variance, 1 / egain, pedestal or NaN).

    Masters of a single row stand for every row: what is absent needs no plane.
    """
    for y in range(light.shape[0]):
        b, f = y if below.shape[0] > 1 else 0, y if flat.shape[0] > 1 else 0
        for x in range(light.shape[1]):
            net = light[y, x] - below[b, x]
            electrons = net if np.isnan(facts[2]) else light[y, x] - facts[2]
            variance = facts[0] + facts[1] * max(electrons, np.float32(0)) + below_err[b, x] * below_err[b, x]
            response = flat[f, x]
            value = net / response
            spread = value * flat_err[f, x]
            sci[y, x] = value
            err[y, x] = np.sqrt(variance + spread * spread) / response


def calibrate(
    light: NDArray[np.number],
    *,
    egain: float,
    read_noise_e: float,
    bias: Master | None = None,
    dark: Master | None = None,
    flat: Master | None = None,
    bad_pixels: Mask | None = None,
    dark_scale: float = 1.0,
    bias_level: float | None = None,
    saturation: float | None = None,
    bayer: bool = False,
    cosmics: bool = False,
) -> Calibrated:
    """Apply masters to a light and propagate its noise [1]_.

    ``(light - bias | dark) / flat``; the variance is read noise, photon noise of everything above the bias, rounding,
    and the errors of the masters. Masks are carried; bad pixels are replaced by good neighbours of the same colour.

    Parameters
    ----------
    light
        Raw light, shape (ny, nx), in ADU.
    egain
        Conversion gain, in electrons per ADU.
    read_noise_e
        Read noise, in electrons RMS.
    bias, dark, flat
        Masters of shape (ny, nx). A dark with bias inside needs no bias unless it is scaled; one without needs a bias.
    bad_pixels
        Further bad pixels, 1 where bad, shape (ny, nx).
    dark_scale
        Exposure of the light over that of the dark, where the dark may be scaled.
    bias_level
        Level without signal, in ADU; None: that of the bias, or what the dark's header says.
    saturation
        Level of the raw light from which a pixel is saturated, in ADU; None: none is.
    bayer
        Whether the pixels lie under a Bayer pattern.
    cosmics
        Whether cosmic rays are looked for and replaced like bad pixels.

    Returns
    -------
    Calibrated
        Science, error and mask planes and what was applied.

    Raises
    ------
    FrameMismatchError
        If a master differs in shape.
    ImagingError
        If a dark needs a bias that is not given, or does not say whether it holds one.

    References
    ----------
    .. [1] Howell S. B., 2006, Handbook of CCD Astronomy, Cambridge, ch. 4.
    """
    for master in (bias, dark, flat):
        if master is not None and master.sci.shape != light.shape:
            raise FrameMismatchError(f"the light has shape {light.shape}, a master {master.sci.shape}")
    raw = np.ascontiguousarray(light, dtype=np.float32)
    level = _bias_level(bias, dark, bias_level)
    below, below_err = _below(raw.shape, bias, dark, dark_scale, level)
    response, response_err = _response(flat, raw.shape)
    floor = (read_noise_e / egain) ** 2 + QUANTISATION_VARIANCE
    facts = np.array([floor, 1 / egain, np.nan if level is None else level], np.float32)
    sci, err = np.empty_like(raw), np.empty_like(raw)
    half = raw.shape[0] // 2

    def work(rows: slice) -> None:
        b, b_err, f, f_err = (_part(plane, rows) for plane in (below, below_err, response, response_err))
        _apply(raw[rows], b, b_err, f, f_err, facts, sci[rows], err[rows])

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(work, [slice(0, half), slice(half, None)]))
    mask = _mask(raw, [m.mask for m in (bias, dark, flat) if m is not None], bad_pixels, saturation)
    cleaned = _mark_cosmics(sci, err, mask, Detector(egain, read_noise_e), bayer=bayer) if cosmics else 0
    repaired, left = repair_bad_pixels(sci, err, mask, bayer=bayer)
    letters = "".join(key for key, used in (("B", bias or dark), ("D", dark), ("F", flat)) if used is not None)
    return Calibrated(sci, err, mask, letters, repaired, left, cleaned)


def _mark_cosmics(sci: Image, err: Image, mask: Mask, detector: Detector, *, bayer: bool) -> int:
    """Mark the pixels cosmic rays hit; return how many."""
    hit = find_cosmics(sci, mask, err, detector, bayer=bayer)
    mask[hit] |= COSMIC
    return int(np.count_nonzero(hit))


def _part(plane: Reals, rows: slice) -> Reals:
    """Return some rows of a plane; a single row stands for all."""
    return plane if len(plane) == 1 else plane[rows]


def _bias_level(bias: Master | None, dark: Master | None, given: float | None) -> float | None:
    """Find the level without signal: given, measured on the bias, or told by a master's header."""
    if given is not None:
        return given
    if bias is not None:
        return float(np.median(bias.sci[:: max(1, bias.sci.shape[0] // 256)]))
    told = None if dark is None else dark.header.get("BIASLVL")
    return float(told) if isinstance(told, int | float) else None


def _below(
    shape: tuple[int, ...], bias: Master | None, dark: Master | None, scale: float, level: float | None
) -> tuple[Reals, Reals]:
    """Make what is subtracted, ``a * bias + b * dark``, and its error."""
    if dark is None:
        none = np.zeros((1, shape[1]), np.float32)
        return (none, none) if bias is None else (bias.sci, bias.err)
    held = check_holds_bias(dark, level)
    if held and scale == 1.0:
        return dark.sci, dark.err
    if bias is None:
        why = "is scaled" if held else "has its bias subtracted"
        raise ImagingError(f"the master dark {why}: a master bias is needed as well", reason="no-matching-bias")
    share = np.float32(1.0 - scale if held else 1.0)
    factor = np.float32(scale)
    return share * bias.sci + factor * dark.sci, np.hypot(share * bias.err, factor * dark.err)


def _response(flat: Master | None, shape: tuple[int, ...]) -> tuple[Reals, Reals]:
    """Return the flat and its error relative to it; a flat of another program is brought to 1."""
    if flat is None:
        return np.ones((1, shape[1]), np.float32), np.zeros((1, shape[1]), np.float32)
    level = np.float32(np.median(flat.sci[:: max(1, shape[0] // 256)]))
    response, err = flat.sci, flat.err
    if not 0.5 < level < 2.0:
        if not level > 0:
            raise ImagingError(
                f"the master flat has a median of {level:.3g}; it holds no light", reason="flat-without-light"
            )
        response, err = response / level, err / level
    low = ~(response >= LOW_FLAT)
    if low.any():
        response = np.where(low, np.float32(1), response)
    return response, err


def _mask(raw: Reals, masks: list[Mask], bad_pixels: Mask | None, saturation: float | None) -> Mask:
    """Carry the masks of the masters and add what the light itself shows."""
    mask = np.zeros(raw.shape, np.uint8)
    for carried in masks:
        mask |= carried
    if bad_pixels is not None:
        mask[bad_pixels != 0] |= np.uint8(1)
    if saturation is not None:
        mask[raw >= saturation] |= SATURATED
    mask[~np.isfinite(raw)] |= NO_DATA
    return mask


@njit(cache=True, nogil=True)
def _apply_quickly(light: NDArray[np.generic], dark: Reals, flat: Reals, out: Reals) -> None:
    for y in range(light.shape[0]):
        for x in range(light.shape[1]):
            response = flat[y, x]
            net = np.float32(light[y, x]) - dark[y, x]
            out[y, x] = net / response if response >= LOW_FLAT else net


def apply_masters(
    data: NDArray[np.number], dark: Image | None = None, flat: Image | None = None
) -> NDArray[np.float32]:
    """Subtract a dark and divide by a flat in memory, without errors and masks, for measurements.

    Parameters
    ----------
    data
        Raw light, shape (ny, nx), in ADU; it is not changed.
    dark
        Master dark with bias inside, shape (ny, nx), in ADU; None subtracts nothing.
    flat
        Master flat relative to 1, shape (ny, nx); pixels below 0.2 do not divide. None divides by nothing.

    Returns
    -------
    numpy.ndarray
        Calibrated light, float32, shape (ny, nx), in ADU.

    Raises
    ------
    FrameMismatchError
        If a master differs in shape.
    """
    for master in (dark, flat):
        if master is not None and master.shape != data.shape:
            raise FrameMismatchError(f"the light has shape {data.shape}, a master {master.shape}")
    light = data if data.dtype == np.uint16 else np.asarray(data, dtype=np.float32)
    below = np.zeros(data.shape, np.float32) if dark is None else np.asarray(dark, dtype=np.float32)
    response = np.ones(data.shape, np.float32) if flat is None else np.asarray(flat, dtype=np.float32)
    out = np.empty(data.shape, np.float32)
    half = data.shape[0] // 2
    with ThreadPoolExecutor(2) as pool:
        rows = [slice(0, half), slice(half, None)]
        list(pool.map(lambda part: _apply_quickly(light[part], below[part], response[part], out[part]), rows))
    return out


def warm() -> None:
    """Compile the kernels for the types in use."""
    plane = np.ones((8, 8), np.float32)
    apply_masters(plane.astype(np.uint16))
    apply_masters(plane)
    calibrate(plane, egain=1.0, read_noise_e=1.0)
