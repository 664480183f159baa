"""Maps of bad pixels: what darks and flats show as bit 1, what a person listed as bit 2."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pictor.imaging.background import mesh_background
from pictor.imaging.calibration.badindark import find_bad_in_dark
from pictor.imaging.calibration.badlines import find_lines, mark_lines
from pictor.imaging.calibration.badpixels import PIXEL_SIGMA
from pictor.imaging.combine.impulses import find_impulses
from pictor.imaging.errors import FrameMismatchError, ImagingError
from pictor.imaging.frame import Frame
from pictor.imaging.types import Image, Mask

AUTOMATIC, LISTED = np.uint8(1), np.uint8(2)
"""Bits of a map."""

LOW, HIGH = 0.5, 1.5
"""Response relative to the surroundings outside which a pixel of a flat is bad."""

CELL = 16
"""Size of the mesh that follows the light of a flat, in pixels."""


@dataclass(frozen=True, slots=True, eq=False)
class BadPixelMap:
    """Which pixels of a camera not to trust.

    Parameters
    ----------
    bits
        Shape (ny, nx): 1 found in a dark or flat, 2 listed by a person, 3 both, 0 good.
    """

    bits: Mask

    @property
    def automatic(self) -> int:
        """Pixels that were found."""
        return int(np.count_nonzero(self.bits & AUTOMATIC))

    @property
    def listed(self) -> int:
        """Pixels that were listed."""
        return int(np.count_nonzero(self.bits & LISTED))

    @property
    def bad(self) -> int:
        """Bad pixels; those found and listed count once."""
        return int(np.count_nonzero(self.bits))


def map_bad_pixels(
    darks: Sequence[Any] = (),
    *,
    flats: Sequence[Any] = (),
    listed: Mask | None = None,
    sigma: float = PIXEL_SIGMA,
    bayer: bool = False,
) -> BadPixelMap:
    """Make the map of bad pixels of a camera.

    A pixel is found when any dark or any flat shows it; see `find_bad_in_dark` and `find_bad_in_flat`. Bits are joined,
    never added.

    Parameters
    ----------
    darks
        Master darks (or bias), shape (ny, nx), in ADU: arrays, `Frame`, CCDData or NDData. What is masked or no number
        is bad.
    flats
        Flats, of any level, shape (ny, nx).
    listed
        What a person listed, not 0 where bad, shape (ny, nx); None without a list.
    sigma
        Threshold for single pixels of darks, in robust standard deviations.
    bayer
        Whether the flats lie under a Bayer pattern.

    Returns
    -------
    BadPixelMap
        The bits, and how many pixels have them.

    Raises
    ------
    FrameMismatchError
        If they differ in shape or have not two axes.
    ImagingError
        If nothing was given.

    Examples
    --------
    >>> import numpy as np
    >>> dark = np.random.default_rng(1).normal(500, 2, (100, 100))
    >>> dark[3, 4] = 700
    >>> listed = np.zeros((100, 100), np.uint8)
    >>> listed[3, 4] = listed[9, 9] = 1
    >>> found = map_bad_pixels([dark], listed=listed)
    >>> int(found.bits[3, 4]), int(found.bits[9, 9]), found.listed
    (3, 2, 2)
    """
    planes = [*(_plane(dark) for dark in darks), *(_plane(flat) for flat in flats)]
    shapes = [plane.shape for plane in planes] + ([] if listed is None else [listed.shape])
    if not shapes:
        raise ImagingError("a map needs a dark, a flat or a list", reason="no-frames")
    for shape in shapes:
        if shape != shapes[0]:
            raise FrameMismatchError(f"a frame or list has shape {shape}, the first {shapes[0]}")
    bits = np.zeros(shapes[0], np.uint8)
    for dark in planes[: len(darks)]:
        bits[find_bad_in_dark(dark, sigma=sigma)] |= AUTOMATIC
    for flat in planes[len(darks) :]:
        bits[find_bad_in_flat(flat, bayer=bayer)] |= AUTOMATIC
    if listed is not None:
        bits[listed != 0] |= LISTED
    return BadPixelMap(bits)


def find_bad_in_flat(
    flat: Any,  # noqa: ANN401 - whatever Frame.from_nddata takes
    *,
    low: float = LOW,
    high: float = HIGH,
    bayer: bool = False,
) -> NDArray[np.bool_]:
    """Find pixels of a flat that do not answer to light as their surroundings do.

    The flat is divided by its own smooth course, a mesh of 16 pixels. A pixel is bad when its response is below ``low``
    or above ``high``, when it stands out from its eight neighbours by sixteen robust standard deviations and two
    percent, when it lies on a column or row that leaves its neighbours (`find_lines`), and when it is masked or no
    number.

    Parameters
    ----------
    flat
        Shape (ny, nx), any level, bias and dark subtracted: array, `Frame`, CCDData or NDData.
    low, high
        Bounds of the relative response.
    bayer
        Whether it lies under a Bayer pattern: then each colour is looked at by itself.

    Returns
    -------
    numpy.ndarray
        True where bad, shape (ny, nx).

    Raises
    ------
    FrameMismatchError
        If it has not two axes.
    ImagingError
        If it holds no light.
    """
    values = _plane(flat)
    bad = np.zeros(values.shape, np.bool_)
    for y, x, step in [(y, x, 2) for y in (0, 1) for x in (0, 1)] if bayer else [(0, 0, 1)]:
        part = slice(y, None, step), slice(x, None, step)
        bad[part] = _unlike(np.ascontiguousarray(values[part]), low, high)
    return bad


def _unlike(values: Image, low: float, high: float) -> NDArray[np.bool_]:
    smooth = mesh_background(values, cell=CELL)
    if smooth.level is None or not smooth.level > 0:
        raise ImagingError(
            f"a flat with a level of {smooth.level or 0:.4g} holds no light", reason="flat-without-light"
        )
    response = values / np.maximum(smooth.evaluate(), np.float32(smooth.level * 0.01))
    bad = ~((response >= low) & (response <= high))
    response[~np.isfinite(response)] = 1.0
    bad |= find_impulses(response, step=1)
    bad |= mark_lines(response, find_lines(response))
    return bad


def _plane(given: Any) -> Image:  # noqa: ANN401 - whatever Frame.from_nddata takes
    """Give the pixels as real numbers, NaN where they are masked."""
    frame = Frame.from_nddata(given)
    if frame.data.ndim != 2:
        raise FrameMismatchError(f"a frame of two axes is needed; this one has shape {frame.data.shape}")
    values = frame.real()
    if frame.mask is not None:
        values[frame.mask != 0] = np.nan
    return values
