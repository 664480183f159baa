"""Apply masters to a light, with its noise."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pictor.imaging.calibration.applying import Job, Tile
from pictor.imaging.calibration.applying import warm as warm_tiles
from pictor.imaging.calibration.cosmics import COSMIC, Detector, find_cosmics
from pictor.imaging.calibration.cosmics import warm as warm_cosmics
from pictor.imaging.calibration.jobs import How, Masters, job_of, tiles_of
from pictor.imaging.calibration.masters import Master
from pictor.imaging.calibration.opened import OpenMaster, real
from pictor.imaging.calibration.repair import repair_bad_pixels
from pictor.imaging.calibration.repair import warm as warm_repair
from pictor.imaging.calibration.rows import Held, Room
from pictor.imaging.calibration.staging import warm as warm_stages
from pictor.imaging.combine.flats import LOW_FLAT
from pictor.imaging.combine.kernels import Reals
from pictor.imaging.compiling import njit
from pictor.imaging.errors import FrameMismatchError
from pictor.imaging.types import Image, Mask


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
    planes = Masters(
        None if bias is None else OpenMaster.of(bias),
        None if dark is None else OpenMaster.of(dark),
        None if flat is None else OpenMaster.of(flat),
        None if bad_pixels is None else Held(np.ascontiguousarray(bad_pixels)),
    )
    how = How(egain, read_noise_e, dark_scale, bias_level, saturation, bayer)
    job = job_of(real(light), planes, how)
    return finished(job, planes, how, cosmics=cosmics)


def finished(job: Job, masters: Masters, how: How, *, cosmics: bool) -> Calibrated:
    """Calibrate a whole light in memory."""
    sci, err = np.empty(job.shape, np.float32), np.empty(job.shape, np.float32)
    mask = np.empty(job.shape, np.uint8)

    def work(bounds: list[tuple[int, int]]) -> None:
        room = Room()
        for first, last in bounds:
            job.fill(first, last, room, Tile(sci[first:last], err[first:last], mask[first:last]))

    tiles = tiles_of(job.shape)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(work, [tiles[::2], tiles[1::2]]))
    cleaned = _mark_cosmics(sci, err, mask, Detector(how.egain, how.read_noise_e), bayer=how.bayer) if cosmics else 0
    repaired, left = repair_bad_pixels(sci, err, mask, bayer=how.bayer)
    return Calibrated(sci, err, mask, masters.calstat, repaired, left, cleaned)


def _mark_cosmics(sci: Image, err: Image, mask: Mask, detector: Detector, *, bayer: bool) -> int:
    """Mark the pixels cosmic rays hit; return how many."""
    hit = find_cosmics(sci, mask, err, detector, bayer=bayer)
    mask[hit] |= COSMIC
    return int(np.count_nonzero(hit))


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
    warm_tiles()
    warm_stages()
    warm_repair()
    warm_cosmics()
