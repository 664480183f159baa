"""Cosmic rays in a single calibrated light: hits too sharp for any star, found by their Laplacian."""

from dataclasses import dataclass

import numpy as np
from astroscrappy import detect_cosmics
from numpy.typing import NDArray
from scipy import ndimage

from pictor.imaging.types import Image, Mask

COSMIC = np.uint8(8)
SIGMA = 5.0
NEIGHBOUR_SHARE = 0.3
"""Limit of the neighbours of a hit, in shares of ``SIGMA``: the faint ends of a track."""

CONTRAST = 5.0
"""A hit stands out this many times more from its neighbours than from what a star's profile leaves."""

CORE_SHARE = 0.08
"""A hit whose neighbours share more than this of its light is a star: particles leave most neighbours alone."""

CORE_SIGMA = 1.0
"""Noise of a pixel the neighbours must stand out by to be taken for a star's."""

AROUND = 6
"""Pixels about a hit that tell the sky there."""

PASSES = 4


@dataclass(frozen=True, slots=True)
class Detector:
    """What the noise of a pixel depends on: electrons per ADU and electrons RMS."""

    egain: float
    read_noise_e: float


def find_cosmics(
    sci: Image, mask: Mask, err: Image, detector: Detector, *, bayer: bool = False
) -> NDArray[np.bool_]:  # fmt: skip
    """Find pixels hit by cosmic rays [1]_, sparing the cores of stars.

    Parameters
    ----------
    sci
        Calibrated light, shape (ny, nx), in ADU.
    mask
        Pixels that are not looked at, shape (ny, nx), not 0 where bad, saturated or without data.
    err
        Its error, 1 sigma, shape (ny, nx), in ADU.
    detector
        Conversion gain and read noise.
    bayer
        Whether the pixels lie under a Bayer pattern: then each colour is looked at by itself.

    Returns
    -------
    numpy.ndarray
        True where hit, shape (ny, nx).

    References
    ----------
    .. [1] van Dokkum P. G., 2001, PASP 113, 1420.
    """
    hit = np.zeros(sci.shape, np.bool_)
    starts = [(0, 0), (0, 1), (1, 0), (1, 1)] if bayer else [(0, 0)]
    step = 2 if bayer else 1
    for y, x in starts:
        part = slice(y, None, step), slice(x, None, step)
        hit[part] = _find(sci[part], mask[part] != 0, err[part], detector)
    return hit


def _find(sci: Image, bad: NDArray[np.bool_], err: Image, detector: Detector) -> NDArray[np.bool_]:
    """Find hits in pixels of one colour; what the detector counted is in electrons, its variance in their square."""
    bad = bad | ~np.isfinite(sci)
    level = float(np.median(sci[~bad])) if not bad.all() else 0.0
    electrons = np.ascontiguousarray(np.where(bad, level, sci) * detector.egain, dtype=np.float32)
    variance = np.ascontiguousarray(np.where(bad, 1.0, np.square(err * detector.egain)), dtype=np.float32)
    found, _ = detect_cosmics(
        electrons, inmask=bad, invar=variance, gain=1.0, readnoise=detector.read_noise_e, sigclip=SIGMA,
        sigfrac=NEIGHBOUR_SHARE, objlim=CONTRAST, satlevel=np.inf, niter=PASSES, cleantype="medmask",
    )  # fmt: skip
    hit = np.asarray(found, dtype=np.bool_) & ~bad
    return hit & ~_stars(electrons, np.sqrt(variance), hit)


def _stars(sci: Image, noise: Image, hit: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Tell which hits are stars, however sharp: most neighbours of a star's peak are bright, few of a track's are.

    What is connected with a star's peak is spared as a whole, for it may be the star's wings.
    """
    labels, count = ndimage.label(hit, structure=np.ones((3, 3), np.int8))
    peaks = np.argwhere(hit & (sci >= ndimage.maximum_filter(sci, size=3)))
    brightest = ndimage.maximum_position(sci, labels, np.arange(1, count + 1)) if count else []
    starry = [labels[y, x] for y, x in (*peaks, *brightest) if _is_star(sci, noise, int(y), int(x))]
    spared: NDArray[np.bool_] = np.isin(labels, np.unique(starry)) if starry else np.zeros(sci.shape, np.bool_)
    return spared


def _is_star(sci: Image, noise: Image, y: int, x: int) -> bool:
    """Compare a peak with its eight neighbours."""
    sky = float(np.median(sci[max(0, y - AROUND) : y + AROUND + 1, max(0, x - AROUND) : x + AROUND + 1]))
    near = sci[max(0, y - 1) : y + 2, max(0, x - 1) : x + 2].ravel()
    neighbours = float(np.median(np.sort(near)[:-1])) - sky
    background = float(np.median(noise[max(0, y - AROUND) : y + AROUND + 1, max(0, x - AROUND) : x + AROUND + 1]))
    return neighbours > max(CORE_SHARE * (float(sci[y, x]) - sky), CORE_SIGMA * background)
