"""Calibrate frames in memory: NDData, CCDData, arrays; with their own errors, masks and units."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pictor.imaging.calibration.applying import Job
from pictor.imaging.calibration.calibrating import finished
from pictor.imaging.calibration.files import ASSUMED_EGAIN, fact, scatter
from pictor.imaging.calibration.jobs import How, Masters, job_of
from pictor.imaging.calibration.lightcards import CalibratedFile, Told, calibrated_header, corrections
from pictor.imaging.calibration.noise import adu_per_unit
from pictor.imaging.calibration.opened import OpenMaster, real
from pictor.imaging.calibration.rows import Held, Mixed
from pictor.imaging.errors import FrameMismatchError, ImagingError
from pictor.imaging.frame import Frame, FrameLike
from pictor.imaging.types import Mask

_ELECTRON = "electron"


def calibrate_frame(
    light: FrameLike,
    *,
    bias: FrameLike | None = None,
    dark: FrameLike | None = None,
    flat: FrameLike | None = None,
    bad_pixels: Mask | NDArray[np.bool_] | None = None,
    egain: float | None = None,
    read_noise_e: float | None = None,
    dark_scale: float = 1.0,
    bias_level: float | None = None,
    saturation: float | None = None,
    bayer: bool = False,
    cosmics: bool = False,
) -> Frame:
    """Apply masters to a light in memory and propagate its noise [1]_.

    ``(light - bias | dark) / flat``, as `pictor.imaging.calibration.calibrating.calibrate` does it for arrays. Where
    the light has an error of its own it takes the place of the noise model; its mask is carried, and pixels it calls
    bad or hit are replaced like those of the masters. Whether masters fit the light by camera, exposure, temperature
    and filter is not looked at here: the command line and the services do. What PEDESTAL says was added to a frame is
    taken off first.

    Parameters
    ----------
    light
        Raw light, shape (ny, nx); it is not changed.
    bias, dark, flat
        Masters of shape (ny, nx); bias and dark in the unit of the light. A dark says by DARKBIAS or CALSTAT whether
        its bias is inside ('M' yes, 'BM' no), or the bias level tells; one without needs a bias. A flat in any unit is
        divided by its median unless that lies between 0.5 and 2.
    bad_pixels
        Further bad pixels, not 0 where bad, shape (ny, nx).
    egain
        Conversion gain, in electrons per unit of the light, and per ADU where a program has brought ADU to 0 to 1
        or to 32 bits (taken for shares of 65535 ADU); None: EGAIN of the light or a master, 1 for a light in
        electrons, else 1 and CALGAINA says that it is assumed. The card GAIN is a setting and never used.
    read_noise_e
        Read noise, in electrons RMS; None: as the light or a master says, else what single exposures of the bias or
        dark scatter by, else 0.
    dark_scale
        Exposure of the light over that of the dark, where the dark may be scaled.
    bias_level
        Level without signal, in the unit of the light; None: that of the bias, or what the dark's header says.
    saturation
        Level of the raw light from which a pixel is saturated, in its unit; None: none is.
    bayer
        Whether the pixels lie under a Bayer pattern.
    cosmics
        Whether cosmic rays are looked for and replaced like bad pixels.

    Returns
    -------
    Frame
        Pixels and errors in the unit of the light, float32, with mask; CALSTAT, BIASCORR, DARKCORR and FLATCORR say
        what was applied.

    Raises
    ------
    FrameMismatchError
        If the light has colour planes, or a master another shape.
    ImagingError
        If bias or dark are in another unit than the light, the light is calibrated already, a dark needs a bias that is
        not given, or does not say whether it holds one.

    References
    ----------
    .. [1] Howell S. B., 2006, Handbook of CCD Astronomy, Cambridge, ch. 4.

    Examples
    --------
    >>> import numpy as np
    >>> from pictor.imaging.calibration.frames import calibrate_frame
    >>> light, bias = np.full((8, 8), 700, np.uint16), np.full((8, 8), 500, np.uint16)
    >>> done = calibrate_frame(light, bias=bias, egain=1.5, read_noise_e=3.0)
    >>> done.data[0, 0], done.header["CALSTAT"]
    (np.float32(200.0), 'B')
    """
    raw = _lowered(_raw(Frame.from_nddata(light)))
    added = _pedestal(Frame.from_nddata(light))
    given = {"bias": bias, "dark": dark, "flat": flat}
    frames = {kind: _lowered(Frame.from_nddata(master)) for kind, master in given.items() if master is not None}
    _require_one_unit(raw, frames)
    opened = {kind: _opened(frame) for kind, frame in frames.items()}
    bad = None if bad_pixels is None else Held((np.asarray(bad_pixels) != 0).astype(np.uint8))
    masters = Masters(**opened, bad_pixels=bad)
    known = 1.0 if raw.unit == _ELECTRON else fact(egain, raw.header, opened, "EGAIN")
    gain = known or ASSUMED_EGAIN
    per_unit = gain * adu_per_unit(raw)
    noise = fact(read_noise_e, raw.header, opened, "RDNOISE") or scatter(masters) * per_unit
    how = How(per_unit, noise, dark_scale, bias_level, None if saturation is None else saturation - added, bayer)
    job = _with_own(job_of(real(raw.real()), masters, how), raw)
    done = finished(job, masters, how, cosmics=cosmics)
    counts = (done.repaired, done.left, done.cleaned)
    found = CalibratedFile(Path(), done.calstat, *counts, gain, noise, known is None)
    told = Told(cards=corrections(dict.fromkeys(frames)))
    header = calibrated_header(raw.header, told, how, found, cosmics=cosmics)
    header["BUNIT"] = raw.unit
    return Frame(done.sci, done.err, done.mask, header, raw.unit)


def _raw(light: Frame) -> Frame:
    """Refuse what is no raw light of one plane."""
    if light.data.ndim != 2:
        raise FrameMismatchError(f"masters fit frames of two axes; this light has shape {light.data.shape}")
    done = str(light.header.get("CALSTAT", "")).strip()
    if set("BDF") & set(done.upper()):
        raise ImagingError(f"the light came calibrated already (CALSTAT '{done}')", reason="already-calibrated")
    return light


def _pedestal(frame: Frame) -> float:
    """Return what a program added so that no value is negative; its sign in PEDESTAL differs between programs."""
    told = frame.header.get("PEDESTAL")
    return abs(float(told)) if isinstance(told, int | float) else 0.0


def _lowered(frame: Frame) -> Frame:
    """Take the pedestal off a frame."""
    added = _pedestal(frame)
    if not added:
        return frame
    header = frame.header.copy()
    header["PEDESTAL"] = 0
    return replace(frame, data=frame.real() - np.float32(added), header=header)


def _require_one_unit(light: Frame, masters: dict[str, Frame]) -> None:
    for kind in ("bias", "dark"):
        unit = masters[kind].unit if kind in masters else light.unit
        if unit != light.unit:
            raise ImagingError(
                f"the light is in {light.unit or 'no unit'}, the master {kind} in {unit or 'no unit'}; bring both to "
                "one unit first: multiply by the gain in electrons per ADU",
                reason="unit-mismatch",
            )


def _opened(master: Frame) -> OpenMaster:
    err = None if master.err is None else real(master.err)
    mask = None if master.mask is None else Held(np.ascontiguousarray(master.mask))
    return OpenMaster(master.header, real(master.real()), err, mask)


def _with_own(job: Job, light: Frame) -> Job:
    """Let the light's own error take the place of the noise model, and carry its mask."""
    if light.mask is not None:
        job = replace(job, masks=(*job.masks, Held(np.ascontiguousarray(light.mask))))
    if light.err is None:
        return job
    own, facts = real(light.err), job.facts.copy()
    facts[:2] = 0
    err = own if job.below_err is None else Mixed(job.below_err, own, np.hypot)
    return replace(job, below_err=err, facts=facts)
