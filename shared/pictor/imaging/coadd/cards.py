"""Cards of a coadd: what all lights agree on, what adds up, and when they were taken."""

import math
from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np
from astropy.io import fits

from pictor.imaging.coadd.members import Member
from pictor.imaging.combine.combining import median_penalty
from pictor.imaging.registration.transform import Transform
from pictor.imaging.resampling.grid import Grid
from pictor.imaging.resampling.target import target_header

_SHARED = (
    "OBJECT", "FILTER", "INSTRUME", "TELESCOP", "OBSERVER", "OBSERVAT", "IMAGETYP", "FOCALLEN", "APTDIA", "FOCRATIO",
    "XBINNING", "YBINNING", "GAIN", "OFFSET", "READOUTM", "SITELAT", "SITELONG", "SITEELEV", "LAT-OBS", "LON-OBS",
    "ALT-OBS", "SET-TEMP", "CALSTAT", "RADESYS", "EQUINOX", "PROGRAM", "OBJCTRA", "OBJCTDEC",
)  # fmt: skip


def coadd_header(
    members: Sequence[Member], target: Grid | Transform, method: str, *, correlation: float
) -> fits.Header:
    """Make the header of a coadd.

    Cards on which all lights agree are kept. EXPTIME is the exposure the values correspond to, TOTALEXP the sum of all.

    Parameters
    ----------
    members
        The lights, scaled and weighted.
    target
        Where they were brought to.
    method
        How they were combined.
    correlation
        Factor by which errors of large apertures exceed the quadratic sum.
    """
    header = fits.Header()
    for keyword in _SHARED:
        values = [one.source.header.get(keyword) for one in members]
        if values[0] is not None and not isinstance(values[0], fits.card.Undefined) and len(set(map(str, values))) == 1:
            header[keyword] = (values[0], members[0].source.header.comments[keyword])
    header["NCOMBINE"] = (len(members), "lights in this coadd")
    header["COMBINET"] = (method, "how they were combined")
    _exposure(header, members, method)
    _times(header, members)
    gain = _egain(members, method)
    if gain is not None:
        header["EGAIN"] = (gain, "[e-/ADU] effective")
    airmass = _mean(members, "AIRMASS")
    if airmass is not None:
        header["AIRMASS"] = (airmass, "mean of the lights")
    header["NOISECOR"] = (round(correlation, 4), "error of large apertures over quadratic sum")
    return target_header(header, target, first=members[0].source.header)


def _exposure(header: fits.Header, members: Sequence[Member], method: str) -> None:
    exposures = [one.exposure_s for one in members]
    if any(e is None for e in exposures):
        return
    total = math.fsum(e or 0.0 for e in exposures)
    values = total if method == "sum" else exposures[0]
    header["EXPTIME"] = (values, "[s] exposure the values correspond to")
    header["TOTALEXP"] = (total, "[s] exposure of all lights together")


def _times(header: fits.Header, members: Sequence[Member]) -> None:
    """Say when the first light began and the last ended."""
    begun = []
    for one in members:
        try:
            start = datetime.fromisoformat(str(one.source.header["DATE-OBS"]).strip().removesuffix("Z"))
        except (KeyError, ValueError):
            return
        begun.append((start.replace(tzinfo=None), one.exposure_s or 0.0))
    first = min(start for start, _ in begun)
    last = max(start + timedelta(seconds=seconds) for start, seconds in begun)
    header["DATE-OBS"] = (first.isoformat(), "begin of the first light")
    header["DATE-BEG"] = (first.isoformat(), "begin of the first light")
    header["DATE-END"] = (last.isoformat(timespec="milliseconds"), "end of the last light")


def _egain(members: Sequence[Member], method: str) -> float | None:
    """Conversion gain that gives the photon noise of the coadd."""
    if any(one.egain is None for one in members):
        return None
    total = math.fsum(one.weight for one in members)
    noise = math.fsum(one.weight**2 * one.scale / (one.egain or 1.0) for one in members)
    gain = total**2 / noise
    if method == "median":
        gain /= float(median_penalty(np.array([len(members)], np.float32))[0])
    return gain / len(members) if method == "sum" else gain


def _mean(members: Sequence[Member], keyword: str) -> float | None:
    values = [one.source.header.get(keyword) for one in members]
    numbers = [float(v) for v in values if isinstance(v, int | float) and math.isfinite(v)]
    return math.fsum(numbers) / len(numbers) if len(numbers) == len(members) else None
