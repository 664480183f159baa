"""Bad pixels and cosmic rays in frames: found, marked, replaced by what their neighbours show."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from pictor.imaging.calibration.cosmics import COSMIC, USUAL, Detector, Limits, find_cosmics
from pictor.imaging.calibration.noise import noise_of
from pictor.imaging.calibration.repair import LEAST_GOOD, REACH, repair_bad_pixels
from pictor.imaging.errors import FrameMismatchError, ImagingError
from pictor.imaging.frame import NO_DATA, Frame, FrameLike
from pictor.imaging.types import Image, Mask

LARGEST_RADIUS = 10


def repair_frame(
    frame: FrameLike,
    bad: Mask | NDArray[np.bool_] | None = None,
    *,
    radius: int = REACH,
    bayer: bool = False,
) -> Frame:
    """Replace bad pixels by the median of their good neighbours of the same colour.

    Neighbours are those of the ``(2 radius + 1)^2`` pixels about a bad one (two pixels apart under a Bayer pattern)
    that are finite and neither bad, hit nor without data. A bad pixel with fewer than four of them stays as it is. The
    error of a repaired pixel is the standard deviation of its neighbours.

    Parameters
    ----------
    frame
        Shape (ny, nx), or (planes, ny, nx); it is not changed.
    bad
        Not 0 where bad, shape (ny, nx), beside the pixels whose mask has bit 1 (bad) or 8 (hit); None: only these.
    radius
        Neighbours are those up to this many same-colour steps away, 1 to 10.
    bayer
        Whether the pixels lie under a Bayer pattern.

    Returns
    -------
    Frame
        Pixels as float32, or float64 where the frame is wider; bad pixels keep bit 1 of the mask. Cards BPIXCORR,
        BPIX_MIN, BPIXDPIX, BPIXNBAD, BPIXNFIX and BPIXNREM say what was done.

    Raises
    ------
    FrameMismatchError
        If the map has another shape than the frame.
    ImagingError
        If the radius is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> from pictor.imaging.calibration.mending import repair_frame
    >>> pixels = np.full((8, 8), 100, np.uint16)
    >>> pixels[3, 4] = 65535
    >>> repair_frame(pixels, pixels > 1000).data[3, 4]
    np.float32(100.0)
    """
    taken = Frame.from_nddata(frame)
    if bad is not None and bad.shape != taken.shape:
        raise FrameMismatchError(f"the frame has shape {taken.shape}, the map of bad pixels {bad.shape}")
    if not 1 <= radius <= LARGEST_RADIUS:
        raise ImagingError(f"the radius is 1 to {LARGEST_RADIUS} pixels, not {radius}", reason="bad-radius")
    mask = np.zeros(taken.shape, np.uint8) if taken.mask is None else taken.mask.copy()
    if bad is not None:
        mask |= (np.asarray(bad) != 0).view(np.uint8)
    fixed, counts = _mended(taken, mask, radius=radius, bayer=bayer)
    header = fixed.header
    header["BPIXCORR"] = (True, "bad pixels were replaced")
    header["BPIX_MIN"] = (LEAST_GOOD, "good neighbours needed")
    header["BPIXDPIX"] = (radius, "[px] neighbours up to so far, of one colour")
    header["BPIXNBAD"] = (sum(counts), "bad pixels, hits among them")
    header["BPIXNFIX"] = (counts[0], "pixels replaced, bad or hit")
    header["BPIXNREM"] = (counts[1], "such pixels left: too few good neighbours")
    return fixed


def _mended(frame: Frame, mask: Mask, *, radius: int, bayer: bool) -> tuple[Frame, tuple[int, int]]:
    """Repair what a mask names in every plane; return the frame and how many pixels were repaired and left."""
    data = np.ascontiguousarray(frame.real())
    err = None if frame.err is None else np.array(frame.err, dtype=data.dtype, order="C")
    counts = (0, 0)
    for plane, spread in zip(_planes(data), _planes(np.empty_like(data) if err is None else err), strict=True):
        counts = repair_bad_pixels(plane, spread, mask, bayer=bayer, radius=radius)
    named = mask if frame.mask is not None or mask.any() else None
    return replace(frame, data=data, err=err, mask=named, header=frame.header.copy()), counts


def _planes(data: Image) -> list[Image]:
    return [data] if data.ndim == 2 else list(data)


def clean_cosmics(
    frame: FrameLike,
    *,
    egain: float | None = None,
    read_noise_e: float | None = None,
    bayer: bool = False,
    limits: Limits = USUAL,
    repair: bool = True,
) -> Frame:
    """Find the hits of cosmic rays in a single frame [1]_, mark them and replace them by what their neighbours show.

    The noise of a pixel is the frame's error where it has one; else it follows from gain and read noise; what is not
    known of these is measured on the sky of the frame, see `noise_of`. Cores of stars are spared by how much of their
    light their neighbours share, which the source does not do.

    Parameters
    ----------
    frame
        Shape (ny, nx); it is not changed. Bad, saturated and empty pixels of its mask are not looked at.
    egain
        Conversion gain, in electrons per ADU; None: as its header says, else from its sky. Values between 0 and 1, or
        of 32 bits, are taken for shares of 65535 ADU.
    read_noise_e
        Read noise, in electrons RMS; None: what the sky scatters by tells the noise.
    bayer
        Whether the pixels lie under a Bayer pattern: then each colour is looked at by itself.
    limits
        When a pixel counts as hit.
    repair
        Whether hits are replaced; False only marks them.

    Returns
    -------
    Frame
        Hits have bit 8 of the mask. Cards CR_CLEAN, CR_NPIX and CR_NOISE say what was done; CR_STEP the step in which
        the values are kept where it is wider than their noise, as in most frames of 8 bits: hits fainter than a few
        steps are then no longer there to be found.

    Raises
    ------
    FrameMismatchError
        If the frame has colour planes: hits cross one sensor only.
    ImagingError
        If gain or read noise are no positive numbers, or no pixel tells a noise.

    References
    ----------
    .. [1] van Dokkum P. G., 2001, PASP 113, 1420.
    """
    taken = Frame.from_nddata(frame)
    if taken.data.ndim == 3:
        raise FrameMismatchError(f"cosmic rays are found in one plane; this frame has shape {taken.data.shape}")
    pixels = np.ascontiguousarray(taken.real())
    mask = np.zeros(taken.shape, np.uint8) if taken.mask is None else taken.mask.copy()
    mask[~np.isfinite(pixels)] |= NO_DATA
    noise = noise_of(replace(taken, mask=mask), egain=egain, read_noise_e=read_noise_e, bayer=bayer)
    err = noise.err(pixels) if taken.err is None else np.ascontiguousarray(taken.err, dtype=np.float32)
    detector = Detector(noise.egain, max(float(np.median(noise.floor)) * noise.egain, 1e-6))
    hit = find_cosmics(pixels.astype(np.float32, copy=False), mask, err, detector, bayer=bayer, limits=limits)
    mask[hit] |= COSMIC
    known = replace(taken, mask=mask if mask.any() or taken.mask is not None else None)
    done = _mended(known, mask, radius=REACH, bayer=bayer)[0] if repair else replace(known, header=known.header.copy())
    done.header["CR_CLEAN"] = (repair, "pixels hit by cosmic rays were replaced")
    done.header["CR_NPIX"] = (int(np.count_nonzero(hit)), "pixels hit by cosmic rays, bit 8 of MASK")
    done.header["CR_NOISE"] = (noise.basis, "noise from")
    if noise.step:
        done.header["CR_STEP"] = (noise.step, "step of the values, wider than their noise")
    return done
