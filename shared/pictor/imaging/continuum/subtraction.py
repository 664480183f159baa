"""The light of an emission line alone: a narrow-band frame minus the scaled continuum."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from astropy.io import fits

from pictor.imaging.continuum.convolving import Blurs
from pictor.imaging.continuum.lining import Lining
from pictor.imaging.continuum.matching import MatchingKernel
from pictor.imaging.continuum.preparing import Pair
from pictor.imaging.continuum.scaling import Scale
from pictor.imaging.continuum.sky import plane_through
from pictor.imaging.errors import FrameMismatchError, ImagingError
from pictor.imaging.frame import Frame

SKIES = ("plane", "level", "none")


@dataclass(frozen=True, slots=True, eq=False)
class ContinuumSubtracted:
    """A line image and how it was made.

    Parameters
    ----------
    line
        The image; its header holds the numbers below.
    scale
        Flux of the continuum in the narrow frame over that in the broad one.
    kernel
        What the sharper frame was convolved with.
    convolved
        Which frame that was, ``narrow`` or ``broad``.
    fwhm_narrow, fwhm_broad
        FWHM of the stars in the frames as given, in pixels.
    shift
        Median position of the stars in the narrow frame minus that in the broad one (x, y), in pixels.
    sky
        Sky that was subtracted from the line image: level in the middle, rise over its width and height.
    saturated_count
        Sources masked because they are saturated in one of the frames.
    """

    line: Frame
    scale: Scale
    kernel: MatchingKernel
    convolved: str
    fwhm_narrow: float
    fwhm_broad: float
    shift: tuple[float, float]
    sky: tuple[float, float, float]
    saturated_count: int


def continuum_subtract(
    narrow: Any,  # noqa: ANN401 - Frame, NDData or array
    broad: Any,  # noqa: ANN401 - Frame, NDData or array
    *,
    scale: float | None = None,
    line_in_broad: float = 0.0,
    other_lines: Sequence[tuple[Any, float]] = (),
    sky: str = "plane",
    saturation: tuple[float | None, float | None] = (None, None),
) -> ContinuumSubtracted:
    """Subtract from a narrow-band frame the continuum that a broad-band frame of the same field shows.

    The sharper frame is convolved so that its stars get the profile of the other [1]_. On common unsaturated stars
    the flux ratio k = narrow / broad is fitted, and narrow - k broad is what is left [2]_.

    Parameters
    ----------
    narrow, broad
        Frame, NDData or array, shape (ny, nx), same unit and same grid: stars may lie up to two pixels apart (the
        kernel takes the shift along). NaN and pixels with bit 1 or 16 of the mask are not used; of hits (bit 8) their
        repaired values are.
    scale
        k when it is known; None measures it.
    line_in_broad
        How bright the line is in the broad frame where it is 1 in the narrow one: ratio of the transmissions at the
        line times ratio of the exposures (1 for counts per second and equal transmission). The line image is divided
        by 1 - k times this. 0 leaves it as it is, as for a broad filter that does not pass the line.
    other_lines
        Line images (without continuum, on the same grid) of other lines that the broad filter passes, each with how
        bright its line is in the broad frame where it is 1 in the image: that much is taken off the broad frame first
        [2]_, as H-alpha off a red frame before the continuum of [S II] is found. Pixels it does not know stay.
    sky
        ``plane`` subtracts the planes through the sky of both frames, ``level`` their levels, ``none`` nothing.
    saturation
        Level from which pixels of narrow and broad are saturated, in their unit; None looks for a ceiling.

    Returns
    -------
    ContinuumSubtracted
        The line image in the unit of the frames, with error where both frames have one and mask; pixels of saturated
        stars have bit 2 and are NaN.

    Raises
    ------
    FrameMismatchError
        If the frames differ in shape or unit.
    ImagingError
        If they have fewer than 8 unsaturated stars in common (``too-few-stars``), or the result is impossible.

    References
    ----------
    .. [1] Alard C., Lupton R. H., 1998, ApJ 503, 325.
    .. [2] Waller W. H., 1990, PASP 102, 1217: continuum and line in narrow- and broad-band frames.
    """
    if sky not in SKIES:
        raise ValueError(f"sky is one of {', '.join(SKIES)}, not {sky}")
    clean = _without(Frame.from_nddata(broad), [(Frame.from_nddata(one), share) for one, share in other_lines])
    pair = Pair.of(Frame.from_nddata(narrow), clean, saturation)
    kernel = pair.kernel()
    blurs = Blurs(kernel, pair.narrow.frame.shape)
    found = pair.scale(blurs) if scale is None else Scale(scale, 0.0, 0.0, 0)
    left = 1.0 - found.value * line_in_broad
    if not (found.value > 0 and left > 0):
        raise ImagingError(
            f"the continuum is {found.value:.4g} times as bright in the narrow frame, and {left:.3g} of the line would "
            "be left: give the narrow-band frame first, and a line_in_broad below 1/k",
            reason="continuum-scale",
        )
    plane = _sky(pair, found.value, left, sky)
    data, err, bits = Lining(pair, blurs, found.value, left, plane).image()
    made = ContinuumSubtracted(
        replace(pair.narrow.frame, data=data, err=err, mask=bits),
        found, kernel, pair.sharper, pair.narrow.psf.fwhm, pair.broad.psf.fwhm, pair.shift, plane,
        max(pair.narrow.saturated_count, pair.broad.saturated_count),
    )  # fmt: skip
    return replace(made, line=replace(made.line, header=_header(made, line_in_broad, len(other_lines))))


def _without(broad: Frame, lines: Sequence[tuple[Frame, float]]) -> Frame:
    """Take the light of lines off a broad-band frame; the noise of a line image adds to its error."""
    for line, share in lines:
        if line.shape != broad.shape or line.unit != broad.unit:
            raise FrameMismatchError(
                f"the line image {line.shape} in {line.unit or 'no unit'} and the broad-band frame {broad.shape} in "
                f"{broad.unit or 'no unit'} must have one shape and unit"
            )
        light = np.nan_to_num(line.real(), nan=0.0) * np.float32(share)
        err = broad.err
        if err is not None and line.err is not None:
            err = np.hypot(err, np.nan_to_num(line.err, nan=0.0) * np.float32(abs(share)))
        broad = replace(broad, data=np.asarray(broad.real() - light, dtype=np.float32), err=err)
    return broad


def _sky(pair: Pair, scale: float, left: float, sky: str) -> tuple[float, float, float]:
    """Find the sky that subtracting leaves: that of the narrow frame less the scaled one of the broad."""
    if sky == "none":
        return 0.0, 0.0, 0.0
    ours, theirs = (plane_through(side.sky, tilted=sky == "plane") for side in (pair.narrow, pair.broad))
    level, across, along = ((ours - scale * theirs) / left).tolist()
    return level, across, along


def _header(made: ContinuumSubtracted, line_in_broad: float, others: int) -> fits.Header:
    header = made.line.header.copy()
    cards: list[tuple[str, str | float | int | bool, str]] = [
        ("CSCALE", made.scale.value, "k: continuum in narrow over broad frame"),
        ("CSCALERR", made.scale.error, "standard error of CSCALE"),
        ("CSCATTER", made.scale.scatter, "relative spread of single stars around it"),
        ("CSSTARS", made.scale.star_count, "stars CSCALE was fitted to; 0: it was given"),
        ("CSCONV", made.convolved, "frame that was convolved, the sharper one"),
        ("CSKFWHM", made.kernel.fwhm, "[pix] FWHM of the kernel"),
        ("CSKVARY", made.kernel.terms is not None, "kernel changes over the frame"),
        ("CSKSTARS", made.kernel.star_count, "stars the kernel was fitted to"),
        ("CSNFWHM", made.fwhm_narrow, "[pix] FWHM of stars, narrow frame as given"),
        ("CSBFWHM", made.fwhm_broad, "[pix] FWHM of stars, broad frame as given"),
        ("CSLINE", line_in_broad, "line in broad over narrow frame, allowed for"),
        ("CSOTHERS", others, "other lines taken off the broad frame"),
        ("CSSKY", made.sky[0], "sky subtracted in the middle of the image"),
        ("CSSKYX", made.sky[1], "rise of that sky over the width"),
        ("CSSKYY", made.sky[2], "rise of that sky over the height"),
        ("CSSATUR", made.saturated_count, "saturated sources masked (bit 2)"),
    ]
    for keyword, value, comment in cards:
        header[keyword] = (value, comment)
    return header
