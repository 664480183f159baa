"""Find and measure the stars of one frame."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pictor.imaging.background import Background, mesh_background
from pictor.imaging.pixels import Pixels, as_pixels
from pictor.imaging.stars.bayer import BLUR_VARIANCE, NOISE_FACTOR, SHIFT, luminance
from pictor.imaging.stars.classification import Frame, classify, typical_sigma
from pictor.imaging.stars.detection import Candidates, detect
from pictor.imaging.stars.filtering import SPIKE_SHARE
from pictor.imaging.stars.saturation import guess_saturation
from pictor.imaging.stars.shapes import COLUMNS, LOST, measure_shapes
from pictor.imaging.stars.starlist import StarList

# The square of a Gaussian's half-flux radius is 2 ln 2 times its variance.
_HFR_BLUR = 2.0 * math.log(2.0) * BLUR_VARIANCE
# Bright candidates that show the typical size of a star before all are measured.
_PILOTS = 400


def find_stars(
    image: NDArray[Any],
    *,
    saturation: float | None = None,
    background: Background | None = None,
    threshold: float = 5.0,
    bayer: str | None = None,
) -> StarList:
    """Find, measure and flag the stars of one frame.

    Parameters
    ----------
    image
        Shape (ny, nx), raw or calibrated, any real type, in ADU; NaN is ignored.
    saturation
        Level in ADU from which a pixel is saturated; None looks for a ceiling in the values.
    background
        Sky of this frame when already known.
    threshold
        Smallest signal-to-noise ratio of the matched filter.
    bayer
        Colour pattern of a raw one-shot-colour frame, such as ``RGGB``; None for one channel.

    Returns
    -------
    StarList
        Brightest first; empty when the frame shows no star.

    Raises
    ------
    FrameMismatchError
        If the image is not two-dimensional.
    """
    pixels = as_pixels(image)
    ceiling = saturation if saturation is not None else guess_saturation(pixels)
    if bayer is not None:
        return _find_in_colour(pixels, bayer, ceiling, threshold)
    sky = background if background is not None else mesh_background(pixels)
    if not sky.noise or not sky.noises.all():
        return replace(StarList.empty(sky.shape), saturation=ceiling)
    found = detect(pixels, sky, threshold=threshold)
    table, sigma = _measured(pixels, sky, found, SPIKE_SHARE)
    return classify(table, Frame(sky.shape, sigma, ceiling), spikes=found.spikes)


def _find_in_colour(pixels: Pixels, pattern: str, ceiling: float | None, threshold: float) -> StarList:
    """Find stars on the average of all 2 x 2 windows and undo its shift and blur."""
    plane = luminance(pixels, pattern, ceiling)
    mesh = mesh_background(plane)
    sky = replace(mesh, noises=mesh.noises * np.float32(NOISE_FACTOR))
    if not sky.noise or not sky.noises.all():
        return replace(StarList.empty((pixels.shape[0], pixels.shape[1])), saturation=ceiling)
    found = detect(plane, sky, threshold=threshold, share=0.0)
    table, sigma = _measured(plane, sky, found, 0.0)
    table[:, :2] += SHIFT
    for name in ("mxx", "myy"):
        column = COLUMNS.index(name)
        table[:, column] = np.maximum(table[:, column] - BLUR_VARIANCE, 0.25 * table[:, column])
    hfr = COLUMNS.index("hfr")
    table[:, hfr] = np.sqrt(np.maximum(table[:, hfr] ** 2 - _HFR_BLUR, 0.25 * table[:, hfr] ** 2))
    width = math.sqrt(max(sigma**2 - BLUR_VARIANCE, 0.25 * sigma**2))
    return classify(table, Frame((pixels.shape[0], pixels.shape[1]), width, ceiling), spikes=found.spikes)


def _measured(pixels: Pixels, sky: Background, found: Candidates, share: float) -> tuple[NDArray[np.float64], float]:
    """Measure the pilots to learn the size of a star, then all candidates with that size."""
    positions = np.column_stack([found.x, found.y])
    sigma = 1.1 * found.bin
    if len(positions) == 0:
        return np.zeros((0, len(COLUMNS))), sigma
    pilots = np.argsort(-found.snr, kind="stable")[:_PILOTS]
    seen = typical_sigma(measure_shapes(pixels, sky, positions[pilots], sigma=sigma, share=share))
    table = measure_shapes(pixels, sky, positions, sigma=seen or sigma, share=share)
    return table[table[:, COLUMNS.index("status")] != LOST], seen or sigma
