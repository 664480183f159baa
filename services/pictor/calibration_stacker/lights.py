"""One light from raw to calibrated file: what `compute.calibrate` does with its arguments."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from astropy.io import fits

from pictor.imaging.calibration.badlist import parse_bad_pixels
from pictor.imaging.calibration.calibrating import Calibrated, calibrate
from pictor.imaging.calibration.masters import Master, read_master
from pictor.imaging.calibration.planes import Plane, write_planes
from pictor.imaging.errors import FrameMismatchError
from pictor.imaging.fits.reading import FrameFile, read_frame
from pictor.imaging.types import Mask

CALIBRATED_FILE = "calibrated.fits"

ASSUMED_EGAIN = 1.0
"""Without any conversion gain the error plane is in the shape of photon noise only; the header says so."""


@dataclass(frozen=True, slots=True)
class LightOrder:
    """A light, its masters and what is known of the detector."""

    light_path: Path
    masters: Mapping[str, Path]
    identities: Mapping[str, str]
    scratch: Path
    egain: float | None = None
    read_noise_e: float | None = None
    bias_level_adu: float | None = None
    saturation_adu: float | None = None
    dark_scale: float = 1.0
    bayer: bool = False
    cosmics: bool = False
    bad_pixel_list: str | None = None
    sha256s: Mapping[str, str] = field(default_factory=dict)
    software: str | None = None
    weak: bool = False
    binning: int = 1


@dataclass(frozen=True, slots=True)
class CalibratedFile:
    """The file of a calibrated light and what was done."""

    path: Path
    calstat: str
    repaired: int
    left: int
    cleaned: int
    egain: float
    read_noise_e: float
    egain_assumed: bool


def calibrate_light(order: LightOrder) -> CalibratedFile:
    """Calibrate one light into ``calibrated.fits`` in the scratch folder.

    Raises
    ------
    ImagingError
        If the light or a master cannot be read, shapes differ, or a dark needs a bias that is not given.
    """
    frame = read_frame(order.light_path)
    if frame.data.ndim != 2:
        raise FrameMismatchError(f"the light has {frame.data.ndim} axes; masters fit two")
    masters = {
        kind: read_master(path, planes=("ERR", "MASK")) for kind, path in order.masters.items() if kind != "bad_pixels"
    }
    known = _fact(order.egain, frame.header, masters, "EGAIN")
    egain = known or ASSUMED_EGAIN
    noise = _fact(order.read_noise_e, frame.header, masters, "RDNOISE") or 0.0
    done = calibrate(
        frame.data, egain=egain, read_noise_e=noise, bias=masters.get("bias"), dark=masters.get("dark"),
        flat=masters.get("flat"), bad_pixels=_bad_pixels(order, (frame.data.shape[0], frame.data.shape[1])),
        dark_scale=order.dark_scale, bias_level=order.bias_level_adu, saturation=order.saturation_adu,
        bayer=order.bayer, cosmics=order.cosmics,
    )  # fmt: skip
    path = order.scratch / CALIBRATED_FILE
    found = CalibratedFile(path, done.calstat, done.repaired, done.left, done.cleaned, egain, noise, known is None)
    _write(path, _header(frame, order, found), done)
    return found


def _bad_pixels(order: LightOrder, shape: tuple[int, int]) -> Mask | None:
    """Join the map that came with the dark and the list a person keeps."""
    path = order.masters.get("bad_pixels")
    found = None if path is None else (read_master(path, planes=()).sci != 0).astype(np.uint8)
    if not order.bad_pixel_list:
        return found
    listed = parse_bad_pixels(order.bad_pixel_list).draw(shape, binning=order.binning)
    if found is None or found.shape != shape:
        return listed if found is None else found
    joined: Mask = found | listed
    return joined


def _fact(given: float | None, header: fits.Header, masters: Mapping[str, Master], key: str) -> float | None:
    """Take a detector fact as given, else from the light, else from a master."""
    found = [given, header.get(key), *(master.header.get(key) for master in masters.values())]
    numbers = [float(value) for value in found if isinstance(value, int | float) and value > 0]
    return numbers[0] if numbers else None


STALE = ("CHECKSUM", "DATASUM", "BSCALE", "BZERO", "BLANK", "DATAMIN", "DATAMAX")
"""Cards of the raw file that are not true of the calibrated one."""

SHORT = {"bias": "BIAS", "dark": "DARK", "flat": "FLAT"}


def _header(frame: FrameFile, order: LightOrder, found: CalibratedFile) -> fits.Header:
    """Extend the header of the light by what was applied."""
    header = frame.header.copy(strip=True)
    for key in STALE:
        header.remove(key, ignore_missing=True, remove_all=True)
    header["CALSTAT"] = (found.calstat, "B bias, D dark, F flat removed")
    header["BUNIT"] = ("adu", "unit of the science and error planes")
    header["CALEGAIN"] = (found.egain, "e-/ADU used for the error plane")
    header["CALGAINA"] = (found.egain_assumed, "that gain is assumed, nothing states it")
    header["CALRN"] = (found.read_noise_e, "e- read noise used for the error plane")
    header["BPIXNFIX"] = (found.repaired, "pixels replaced, bad or hit")
    header["BPIXNREM"] = (found.left, "such pixels left: too few good neighbours")
    header["CALCOSM"] = (order.cosmics, "cosmic rays looked for")
    header["NCOSMIC"] = (found.cleaned, "pixels hit by cosmic rays")
    header["CALWEAK"] = (order.weak, "a master was matched without all values")
    if order.dark_scale != 1.0:
        header["DARKSCAL"] = (order.dark_scale, "dark current of the dark multiplied by")
    if order.software:
        header["CALSOFT"] = (order.software, "software that calibrated")
    _tell_masters(header, order)
    return header


def _tell_masters(header: fits.Header, order: LightOrder) -> None:
    """Name the masters with their hashes, and say in words what was done."""
    for kind, identity in order.identities.items():
        short = SHORT.get(kind, kind.upper()[:5])
        header[f"CAL{short}"] = (identity, f"master {kind}"[:20])
        if kind in order.sha256s:
            header[f"SHA{short}"] = (order.sha256s[kind], "")
        header.add_history(f"master {kind} applied: {identity}")
    if order.dark_scale != 1.0:
        header.add_history(f"dark current scaled by {order.dark_scale:.4g}")
    if order.cosmics:
        header.add_history("cosmic rays found by their Laplacian, replaced by the median of good neighbours")
    header.add_history("planes: SCI, ERR (1 sigma), MASK (1 bad, 2 saturated, 4 low flat, 8 hit, 16 no data)")


def _write(path: Path, header: fits.Header, done: Calibrated) -> None:
    """Write science, error and mask planes with checksums."""
    planes = [
        Plane("SCI", "f4", lambda rows: done.sci[rows]),
        Plane("ERR", "f4", lambda rows: done.err[rows]),
        Plane("MASK", "u1", lambda rows: done.mask[rows]),
    ]
    write_planes(path, header, planes, (done.sci.shape[0], done.sci.shape[1]))
