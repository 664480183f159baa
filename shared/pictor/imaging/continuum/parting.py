"""Lines that one broad-band frame passes together: each gets back what subtracting that frame took of it."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from pictor.imaging.continuum.subtraction import ContinuumSubtracted
from pictor.imaging.errors import FrameMismatchError, ImagingError
from pictor.imaging.frame import Frame

Reals = NDArray[np.float32]


def part_lines(
    own: ContinuumSubtracted, share: float, others: Sequence[tuple[ContinuumSubtracted, float]]
) -> ContinuumSubtracted:
    """Solve for the light of a line where the broad-band frame passes it and other lines, as red H-alpha and [S II].

    With the continuum C, narrow-band frame i holds k_i C and its line L_i, the broad-band frame C and t_j of every
    line L_j. Subtracting leaves D_i = L_i - k_i (t_1 L_1 + t_2 L_2 + ...), so that the lines in the broad-band frame
    have the light F = (t_1 D_1 + t_2 D_2 + ...) / (1 - t_1 k_1 - t_2 k_2 - ...), and L_i = D_i + k_i F [1]_. Stars
    tell the k_i; nothing in the frames tells the t_j, which are ratios of exposures and transmissions.

    Parameters
    ----------
    own
        The line, made with this broad-band frame and ``line_in_broad`` 0.
    share
        Its t: how bright it is in the broad-band frame where it is 1 in its own.
    others
        The same of the other lines, on the same grid. Where their light is not known it is taken to be none.

    Returns
    -------
    ContinuumSubtracted
        As ``own``, with the light of its line alone. The error leaves out that all share the noise of the broad-band
        frame. The card CSJOINT counts the lines.

    Raises
    ------
    FrameMismatchError
        If shapes or units differ.
    ImagingError
        If the shares are too large: the sum of t k must be below 1.

    References
    ----------
    .. [1] Waller W. H., 1990, PASP 102, 1217: continuum and lines in narrow- and broad-band frames.
    """
    lines = [(own, share), *others]
    left = 1.0 - sum(one.scale.value * part for one, part in lines)
    if not left > 0:
        raise ImagingError(
            f"{1.0 - left:.3g} of the lines would be taken for continuum: the shares in the broad band are too large",
            reason="continuum-scale",
        )
    light, variance = np.zeros(own.line.shape, np.float32), np.zeros(own.line.shape, np.float32)
    for one, part in lines:
        if one.line.shape != own.line.shape or one.line.unit != own.line.unit:
            raise FrameMismatchError(
                f"line images {one.line.shape} in {one.line.unit or 'no unit'} and {own.line.shape} in "
                f"{own.line.unit or 'no unit'} must have one shape and unit"
            )
        weight = np.float32(own.scale.value * part / left)
        light += weight * np.nan_to_num(one.line.real(), nan=0.0)
        variance += np.square(_noise(one.line, weight, whole=one is own))
    header = own.line.header.copy()
    header["CSLINE"] = (share, "line in broad over narrow frame, allowed for")
    header["CSJOINT"] = (len(lines), "lines in the broad frame, solved for together")
    err = None if own.line.err is None else np.sqrt(variance, out=variance)
    data = np.asarray(own.line.real() + light, dtype=np.float32)
    return replace(own, line=replace(own.line, data=data, err=err, header=header))


def _noise(line: Frame, weight: np.float32, *, whole: bool) -> Reals:
    """Give the noise a line image adds; that of the line itself stays with it."""
    if line.err is None:
        return np.zeros(line.shape, np.float32)
    noise = line.err if whole else np.nan_to_num(line.err, nan=0.0)
    return np.asarray(noise * (weight + np.float32(whole)), dtype=np.float32)
