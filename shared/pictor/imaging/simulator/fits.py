"""Simulated frames as FITS files with the cards N.I.N.A. writes."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from pictor.imaging.simulator.optics import Rig
from pictor.imaging.simulator.sky import separation_deg

CardValue = str | bool | int | float
Card = tuple[str, CardValue, str]

_BLOCK = 2880
_LOCAL_OFFSET = timedelta(hours=2)
_J2000 = datetime(2000, 1, 1, 12, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Site:
    """Where the simulated observatory stands; longitude east positive."""

    name: str = "Simulated Observatory"
    latitude_deg: float = 44.0
    longitude_deg: float = 6.0
    elevation_m: float = 650.0


@dataclass(frozen=True, slots=True)
class Target:
    """What a light was aimed at, and where the mount believes to point; degrees."""

    name: str
    ra_deg: float
    dec_deg: float
    mount_ra_deg: float
    mount_dec_deg: float
    planned_pa_deg: float


@dataclass(frozen=True, slots=True)
class Exposure:
    """What the capture program knows about one exposure.

    ``set_point_c`` None: the sensor temperature, rounded; ``combined``: the number of exposures a stack says it holds.
    """

    kind: str
    start: datetime
    exposure_s: float
    temperature_c: float
    filter_name: str | None = None
    target: Target | None = None
    set_point_c: float | None = None
    rotator_deg: float = 87.3
    combined: int | None = None


def write_fits(path: Path, data: NDArray[np.uint16], cards: Iterable[Card]) -> None:
    """Write unsigned 16-bit pixels as a FITS file, the way capture programs do.

    Parameters
    ----------
    data
        Shape (ny, nx), uint16; stored as signed with BZERO 32768.
    cards
        Keyword, value and comment, after the structural cards.
    """
    header = fits.Header()
    structure: list[Card] = [
        ("SIMPLE", True, "C# FITS"),
        ("BITPIX", 16, ""),
        ("NAXIS", 2, "Dimensionality"),
        ("NAXIS1", data.shape[1], ""),
        ("NAXIS2", data.shape[0], ""),
        ("BZERO", 32768, ""),
        ("EXTEND", True, "Extensions are permitted"),
    ]
    for keyword, value, comment in (*structure, *cards):
        header.append((keyword, value, comment), end=True)
    pixels = (data ^ np.uint16(0x8000)).astype(">u2")
    with path.open("wb") as file:
        file.write(header.tostring().encode("ascii"))
        file.write(pixels.data)
        file.write(b"\0" * (-pixels.nbytes % _BLOCK))


def nina_cards(rig: Rig, site: Site, exposure: Exposure) -> list[Card]:
    """List the cards of an exposure in the order N.I.N.A. writes them, marked as simulated."""
    cards = [*_exposure_cards(exposure), *_camera_cards(rig, exposure), *_telescope_cards(rig, site, exposure)]
    if exposure.filter_name is not None:
        cards += [("FWHEEL", "Simulated filter wheel", ""), ("FILTER", exposure.filter_name, "")]
    if exposure.target is not None:
        cards += _target_cards(exposure.target)
    cards += [
        ("ROTNAME", "Simulated rotator", ""),
        ("ROTATOR", exposure.rotator_deg, "[deg] Mechanical rotator angle"),
        ("ROTATANG", exposure.rotator_deg, "[deg] Mechanical rotator angle"),
        ("ROWORDER", "TOP-DOWN", "FITS Image Orientation"),
        ("EQUINOX", 2000.0, "Equinox of celestial coordinate system"),
        ("SWCREATE", "N.I.N.A. 3.2.0.9001 (x64)", "Software that created this file"),
        ("SIMULATD", True, "Simulated frame, not an observation"),
        ("COMMENT", "Simulated by the virtual observatory of Pictor; the stars are Tycho-2.", ""),
    ]
    return cards


def _exposure_cards(exposure: Exposure) -> list[Card]:
    middle = exposure.start + timedelta(seconds=exposure.exposure_s / 2)
    return [
        ("IMAGETYP", exposure.kind, "Type of exposure"),
        ("EXPOSURE", exposure.exposure_s, "[s] Exposure duration"),
        ("EXPTIME", exposure.exposure_s, "[s] Exposure duration"),
        ("DATE-LOC", _iso(exposure.start + _LOCAL_OFFSET), "Time of observation (local)"),
        ("DATE-OBS", _iso(exposure.start), "Time of observation (UTC)"),
        ("MJD-OBS", _mjd(exposure.start), "Modified Julian Date of observation"),
        ("DATE-AVG", _iso(middle), "Averaged midpoint time (UTC)"),
        ("MJD-AVG", _mjd(middle), "Averaged midpoint time (UTC)"),
    ]


def _camera_cards(rig: Rig, exposure: Exposure) -> list[Card]:
    camera = rig.camera
    set_point = float(round(exposure.temperature_c)) if exposure.set_point_c is None else exposure.set_point_c
    cards: list[Card] = [
        ("XBINNING", camera.binning, "X axis binning factor"),
        ("YBINNING", camera.binning, "Y axis binning factor"),
        ("GAIN", camera.gain_setting, "Sensor gain"),
        ("OFFSET", camera.offset_setting, "Sensor gain offset"),
        ("EGAIN", camera.egain, "[e-/ADU] Electrons per A/D unit"),
        ("XPIXSZ", camera.pixel_um, "[um] Pixel X axis size"),
        ("YPIXSZ", camera.pixel_um, "[um] Pixel Y axis size"),
        ("INSTRUME", camera.name, "Imaging instrument name"),
        ("CAMERAID", camera.serial, "Imaging instrument identifier"),
        ("SET-TEMP", set_point, "[degC] CCD temperature setpoint"),
        ("CCD-TEMP", exposure.temperature_c, "[degC] CCD temperature"),
        ("READOUTM", "Default", "Sensor readout mode"),
    ]
    if camera.bayer is not None:
        cards += [("BAYERPAT", camera.bayer, ""), ("XBAYROFF", 0, ""), ("YBAYROFF", 0, "")]
    if exposure.combined is not None:
        cards.append(("NCOMBINE", exposure.combined, "Number of exposures combined"))
    return cards


def _telescope_cards(rig: Rig, site: Site, exposure: Exposure) -> list[Card]:
    cards: list[Card] = [
        ("TELESCOP", rig.name, "Name of telescope"),
        ("FOCALLEN", rig.nominal_focal_mm, "[mm] Focal length"),
        ("FOCRATIO", round(rig.nominal_focal_mm / rig.aperture_mm, 2), "Focal ratio"),
    ]
    if exposure.target is not None:
        altitude, azimuth, east = horizontal(site, exposure)
        cards += [
            ("RA", exposure.target.mount_ra_deg, "[deg] RA of telescope"),
            ("DEC", exposure.target.mount_dec_deg, "[deg] Declination of telescope"),
            ("CENTALT", round(altitude, 4), "[deg] Altitude of telescope"),
            ("CENTAZ", round(azimuth, 4), "[deg] Azimuth of telescope"),
            ("AIRMASS", round(1.0 / math.sin(math.radians(altitude)), 5), "Airmass at frame center"),
            ("PIERSIDE", "West" if east else "East", "Telescope pointing state"),
        ]
    return [
        *cards,
        ("SITEELEV", site.elevation_m, "[m] Observation site elevation"),
        ("SITELAT", site.latitude_deg, "[deg] Observation site latitude"),
        ("SITELONG", site.longitude_deg, "[deg] Observation site longitude"),
        ("OBSERVER", "Virtual Observer", "Observer name"),
        ("SITENAME", site.name, "Observation site name"),
    ]


def _target_cards(target: Target) -> list[Card]:
    return [
        ("OBJECT", target.name, "Name of the object of interest"),
        ("OBJCTRA", _sexagesimal(target.ra_deg / 15.0, signed=False), "[H M S] RA of imaged object"),
        ("OBJCTDEC", _sexagesimal(target.dec_deg, signed=True), "[D M S] Declination of imaged object"),
        ("OBJCTROT", target.planned_pa_deg, "[deg] planned rotation of imaged object"),
    ]


def horizontal(site: Site, exposure: Exposure) -> tuple[float, float, bool]:
    """Altitude and azimuth of the mount in degrees (to a tenth), and whether it looks east."""
    if exposure.target is None:
        raise ValueError(f"a {exposure.kind} frame has no target to compute an altitude for")
    days = (exposure.start - _J2000) / timedelta(days=1)
    zenith_ra = (280.46062 + 360.98564737 * days + site.longitude_deg) % 360.0
    ra, dec = exposure.target.mount_ra_deg, exposure.target.mount_dec_deg
    altitude = 90.0 - float(separation_deg(zenith_ra, site.latitude_deg, ra, dec))
    hour, lat, tilt = (math.radians(value) for value in (zenith_ra - ra, site.latitude_deg, dec))
    azimuth = math.degrees(
        math.atan2(-math.cos(tilt) * math.sin(hour),
                   math.sin(tilt) * math.cos(lat) - math.cos(tilt) * math.cos(hour) * math.sin(lat))
    )  # fmt: skip
    return altitude, azimuth % 360.0, math.sin(hour) < 0


def _iso(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}"


def _mjd(moment: datetime) -> float:
    return round(51544.5 + (moment - _J2000) / timedelta(days=1), 8)


def _sexagesimal(value: float, *, signed: bool) -> str:
    seconds = round(abs(value) * 3600)
    sign = ("-" if value < 0 else "+") if signed else ""
    return f"{sign}{seconds // 3600:02d} {seconds // 60 % 60:02d} {seconds % 60:02d}"
