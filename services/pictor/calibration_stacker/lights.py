"""One light from raw to calibrated file: what `compute.calibrate` does with its arguments."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.io import fits

from pictor.imaging.calibration.calibrating import Calibrated, calibrate
from pictor.imaging.calibration.masters import Master, read_master
from pictor.imaging.calibration.planes import Plane, write_planes
from pictor.imaging.errors import FrameMismatchError
from pictor.imaging.fits.reading import FrameFile, read_frame

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


@dataclass(frozen=True, slots=True)
class CalibratedFile:
    """The file of a calibrated light and what was done."""

    path: Path
    calstat: str
    repaired: int
    left: int
    egain: float
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
    bad = order.masters.get("bad_pixels")
    done = calibrate(
        frame.data, egain=egain, read_noise_e=noise, bias=masters.get("bias"), dark=masters.get("dark"),
        flat=masters.get("flat"), bad_pixels=None if bad is None else read_master(bad, planes=()).sci.astype(np.uint8),
        dark_scale=order.dark_scale, bias_level=order.bias_level_adu, saturation=order.saturation_adu,
        bayer=order.bayer,
    )  # fmt: skip
    path = order.scratch / "calibrated.fits"
    _write(path, _header(frame, order, done, egain), done)
    return CalibratedFile(path, done.calstat, done.repaired, done.left, egain, known is None)


def _fact(given: float | None, header: fits.Header, masters: Mapping[str, Master], key: str) -> float | None:
    """Take a detector fact as given, else from the light, else from a master."""
    found = [given, header.get(key), *(master.header.get(key) for master in masters.values())]
    numbers = [float(value) for value in found if isinstance(value, int | float) and value > 0]
    return numbers[0] if numbers else None


def _header(frame: FrameFile, order: LightOrder, done: Calibrated, egain: float) -> fits.Header:
    """Extend the header of the light by what was applied."""
    header = frame.header.copy(strip=True)
    for key in ("CHECKSUM", "DATASUM", "BSCALE", "BZERO"):
        header.remove(key, ignore_missing=True)
    header["CALSTAT"] = (done.calstat, "B bias, D dark, F flat removed")
    header["BUNIT"] = ("adu", "unit of the science plane")
    header["CALEGAIN"] = (egain, "e-/ADU used for the error plane")
    header["BPIXNFIX"] = (done.repaired, "bad pixels repaired")
    header["BPIXNREM"] = (done.left, "bad pixels left")
    for kind, identity in order.identities.items():
        header[f"HIERARCH MASTER {kind.upper()}"] = identity
        header.add_history(f"master {kind} applied: {identity}")
    return header


def _write(path: Path, header: fits.Header, done: Calibrated) -> None:
    """Write science, error and mask planes with checksums."""
    planes = [
        Plane("SCI", "f4", lambda rows: done.sci[rows]),
        Plane("ERR", "f4", lambda rows: done.err[rows]),
        Plane("MASK", "u1", lambda rows: done.mask[rows]),
    ]
    write_planes(path, header, planes, (done.sci.shape[0], done.sci.shape[1]))
