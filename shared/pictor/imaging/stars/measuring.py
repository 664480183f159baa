"""Measure the stars of a frame with all that the frame says of itself: mask, colour pattern, saturation."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pictor.imaging.background import Background
from pictor.imaging.calibration.repair import repair_bad_pixels
from pictor.imaging.errors import ImagingError
from pictor.imaging.frame import BAD, HIT, NON_LINEAR, SATURATED, Frame
from pictor.imaging.pixels import as_pixels, quantum
from pictor.imaging.quality.defects import find_defects
from pictor.imaging.quality.grading import NOTHING, Metrics, grade
from pictor.imaging.quality.sky import sky_of
from pictor.imaging.stars.bayer import PATTERNS, shown_pattern
from pictor.imaging.stars.finding import find_stars
from pictor.imaging.stars.starlist import StarFlag, StarList
from pictor.imaging.types import Mask

_HIDDEN = BAD | HIT
# A source is cut off when more than this share of the pixels within its FWHM is masked or has no value.
_MOST_HIDDEN = 0.2
# Noise of half a step, recorded in steps, is 0.58 of them with that of rounding, 1 / sqrt(12).
_UNRESOLVED = 0.58


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """What was measured on one frame.

    Parameters
    ----------
    frame
        The frame, of one plane.
    image
        Pixels that were measured: masked ones replaced by their neighbours, or NaN where there are none; shape
        (ny, nx), in the unit of the frame.
    sky
        Sky level and noise.
    stars
        Star list.
    bayer
        Colour pattern; None for one channel.
    """

    frame: Frame
    image: NDArray[Any]
    sky: Background
    stars: StarList
    bayer: str | None

    @property
    def cautions(self) -> tuple[str, ...]:
        """Why the numbers should be trusted less, as sentences: no stars and why, steps that hide the noise."""
        nothing = self._without_stars()
        step, noise, level = quantum(as_pixels(self.frame.data)), self.sky.noise, self.sky.level
        if noise is None or level is None or noise >= _UNRESOLVED * step or len(nothing) > 1:
            return nothing
        said = (
            f"the values are stored in steps of {step:g}, wider than the noise of the sky ({noise:.2f}, mostly that of "
            f"rounding): its level of {round(level, 2) + 0.0:g} is known to half a step and faint stars are lost; "
            "store such frames with more bits"
        )
        return (*nothing, said)

    def _without_stars(self) -> tuple[str, ...]:
        """Why there is no star, in the words of the grades; nothing where there are some."""
        if self.stars.star_count > 0:
            return ()
        defects = find_defects(as_pixels(self.image), self.sky, self.stars.saturation, bayer=self.bayer is not None)
        return grade(replace(Metrics.of(defects), star_count=0), NOTHING).reasons


def measure_stars(
    frame: Any,  # noqa: ANN401 - whatever Frame.from_nddata takes
    *,
    threshold: float = 5.0,
    saturation: float | None = None,
    bayer: str | None = None,
) -> StarList:
    """Find, measure and flag the stars of a frame.

    Parameters
    ----------
    frame
        `Frame`, NDData, CCDData or array, shape (ny, nx), or (planes, ny, nx) whose mean is measured; raw or
        calibrated, in any linear unit. Pixels the mask calls bad or hit are replaced by their neighbours, those
        without data are left out, and sources on saturated or non-linear pixels are flagged.
    threshold
        Smallest signal-to-noise ratio of the matched filter.
    saturation
        Level from which a pixel is saturated, in the unit of the frame; None takes it from the header of a frame
        without mask, or looks for a ceiling in the values.
    bayer
        Colour pattern of a raw one-shot-colour frame; None takes that of the header, or sees from the levels of the
        four places of a cell that there are several colours; an empty text measures one channel.

    Returns
    -------
    StarList
        Brightest first; empty when the frame shows no star.

    Raises
    ------
    FrameMismatchError
        If the frame has neither two nor three axes.
    ImagingError
        If the colour pattern is unknown.

    Examples
    --------
    >>> import numpy as np
    >>> y, x = np.indices((200, 200))
    >>> sky = np.random.default_rng(1).normal(500.0, 10.0, (200, 200))
    >>> for column, row in ((40, 50), (120, 80), (70, 150)):
    ...     sky += 3000.0 * np.exp(-((x - column) ** 2 + (y - row) ** 2) / (2 * 1.5**2))
    >>> stars = measure_stars(sky)
    >>> sorted(zip(stars.x.round().astype(int).tolist(), stars.y.round().astype(int).tolist()))
    [(40, 50), (70, 150), (120, 80)]
    >>> [round(width, 1) for width in stars.fwhm.tolist()]
    [3.5, 3.5, 3.5]
    """
    return measure_frame(frame, threshold=threshold, saturation=saturation, bayer=bayer).stars


def measure_frame(
    frame: Any,  # noqa: ANN401 - whatever Frame.from_nddata takes
    *,
    threshold: float = 5.0,
    saturation: float | None = None,
    bayer: str | None = None,
) -> Measured:
    """Measure sky and stars of a frame; what is not told of the arguments is at `measure_stars`.

    Parameters
    ----------
    frame, threshold, saturation, bayer
        As for `measure_stars`.

    Returns
    -------
    Measured
        The stars, the sky, and the pixels both were measured on.

    Raises
    ------
    FrameMismatchError
        If the frame has neither two nor three axes.
    ImagingError
        If the colour pattern is unknown.
    """
    flat = Frame.from_nddata(frame).plane()
    pattern = colour_pattern(flat, bayer)
    image = usable_pixels(flat, bayer=pattern is not None)
    level = saturation if saturation is not None else _saturation(flat)
    sky = sky_of(image, bayer=pattern is not None)
    stars = find_stars(image, saturation=level, background=None if pattern else sky, threshold=threshold, bayer=pattern)
    if flat.mask is not None:
        stars = _flag_masked(stars, flat.mask, image)
    return Measured(flat, image, sky, stars, pattern)


def usable_pixels(frame: Frame, *, bayer: bool = False) -> NDArray[Any]:
    """Give the pixels of a frame with the masked ones replaced by the median of good neighbours.

    Parameters
    ----------
    frame
        Shape (ny, nx).
    bayer
        Whether only neighbours of the same colour are used.

    Returns
    -------
    NDArray
        The data themselves when nothing is masked; else float32, NaN without data or without four good neighbours.

    Raises
    ------
    FrameMismatchError
        If the frame has colour planes.
    """
    mask = frame.mask
    if mask is None or not mask.any():
        return frame.data
    image = frame.real().astype(np.float32)
    hidden = (mask & _HIDDEN) != 0
    if hidden.any():
        image[hidden] = np.nan
        repair_bad_pixels(image, np.zeros_like(image), mask, bayer=bayer)
    return image


def colour_pattern(frame: Frame, asked: str | None = None) -> str | None:
    """Decide on the colour pattern of a frame: what is asked for, what its header says, or what its pixels show.

    Parameters
    ----------
    frame
        Shape (ny, nx).
    asked
        A pattern; None looks for one, an empty text means one channel.

    Raises
    ------
    ImagingError
        If the pattern asked for is unknown.
    """
    if asked is not None:
        pattern = asked.strip().upper()
        if pattern and pattern not in PATTERNS:
            raise ImagingError(f"colour pattern {asked!r} is none of {', '.join(PATTERNS)}", reason="unknown-bayer")
        return pattern or None
    told = str(frame.header.get("BAYERPAT", frame.header.get("COLORTYP", ""))).strip().upper()
    return told if told in PATTERNS else shown_pattern(frame.data)


def _saturation(frame: Frame) -> float | None:
    """Read the saturation level of a frame whose mask does not mark it."""
    told = frame.header.get("SATURATE", frame.header.get("MAXLIN"))
    known = isinstance(told, int | float) and not isinstance(told, bool) and told > 0
    return float(told) if known and frame.mask is None and frame.unit == "adu" else None


def _flag_masked(stars: StarList, mask: Mask, image: NDArray[Any]) -> StarList:
    """Flag sources on saturated pixels, and those of which masked pixels hide too much."""
    if len(stars) == 0 or not mask.any():
        return stars
    width = float(np.median(stars.fwhm))
    full = (mask & (SATURATED | NON_LINEAR)) != 0
    hidden = ((mask & _HIDDEN) != 0) | ~np.isfinite(image)
    flags = stars.flags.copy()
    flags[_share(full, stars, max(1.0, 0.5 * width)) > 0] |= StarFlag.SATURATED
    flags[_share(hidden, stars, max(1.5, width)) > _MOST_HIDDEN] |= StarFlag.EDGE
    return replace(stars, flags=flags)


def _share(marked: NDArray[np.bool_], stars: StarList, radius: float) -> NDArray[np.float64]:
    """Share of marked pixels within a radius of every source."""
    reach = int(radius)
    dy, dx = np.indices((2 * reach + 1, 2 * reach + 1)) - reach
    inside = np.hypot(dx, dy) <= radius
    rows = np.clip(np.rint(stars.y)[:, None].astype(int) + dy[inside], 0, marked.shape[0] - 1)
    columns = np.clip(np.rint(stars.x)[:, None].astype(int) + dx[inside], 0, marked.shape[1] - 1)
    return np.asarray(marked[rows, columns].mean(axis=1))
