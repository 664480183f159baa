"""Quality of one frame, from the frame alone."""

from dataclasses import replace
from typing import Any

import numpy as np

from pictor.imaging.frame import SATURATED
from pictor.imaging.quality.measuring import Quality, measure
from pictor.imaging.stars.measuring import Measured, measure_frame


def quality_of(found: Measured, *, egain: float | None = None) -> Quality:
    """Sum up the quality of a frame whose stars and sky are measured.

    Parameters
    ----------
    found
        From `measure_frame`.
    egain
        Electrons per unit of the frame where it is trusted; None leaves electrons out.

    Returns
    -------
    Quality
        Levels are in the unit of the frame.

    Raises
    ------
    FrameMismatchError
        Never for what `measure_frame` gives.
    """
    quality = measure(found.image, found.stars, found.sky, egain=egain, bayer=found.bayer is not None)
    mask = found.frame.mask
    if mask is None or not (mask & SATURATED).any():
        return quality
    return replace(quality, saturated_fraction=float(np.count_nonzero(mask & SATURATED)) / mask.size)


def measure_quality(
    frame: Any,  # noqa: ANN401 - whatever Frame.from_nddata takes
    *,
    threshold: float = 5.0,
    saturation: float | None = None,
    bayer: str | None = None,
    egain: float | None = None,
) -> Quality:
    """Measure the quality of a frame: stars, sharpness, sky and defects.

    Parameters
    ----------
    frame, threshold, saturation, bayer
        As for `pictor.imaging.stars.measuring.measure_stars`.
    egain
        Electrons per unit of the frame where it is trusted; None leaves electrons out.

    Returns
    -------
    Quality
        What could not be measured is None; levels are in the unit of the frame.

    Raises
    ------
    FrameMismatchError
        If the frame has neither two nor three axes.
    ImagingError
        If the colour pattern is unknown.
    """
    return quality_of(measure_frame(frame, threshold=threshold, saturation=saturation, bayer=bayer), egain=egain)
