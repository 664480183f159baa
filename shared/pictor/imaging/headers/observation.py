"""Facts of an observation: where it looked from the ground, and what the Moon and the Sun did.

Earth orientation comes with the package; the network is never asked.
"""

import math
import warnings
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files

import astropy.units as u
from astropy.coordinates import AltAz, Angle, EarthLocation, SkyCoord, get_body
from astropy.time import Time
from astropy.utils import iers

_LOWEST = 0.0


@dataclass(frozen=True, slots=True)
class Site:
    """Where a telescope stands.

    Parameters
    ----------
    latitude_deg, longitude_deg
        Geodetic, WGS84, north and east positive.
    elevation_m
        Above sea level.
    timezone
        IANA name, if registered.
    """

    latitude_deg: float
    longitude_deg: float
    elevation_m: float = 0.0
    timezone: str | None = None


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What held in the middle of an exposure.

    Parameters
    ----------
    airmass
        None below the horizon.
    altitude_deg, azimuth_deg
        Without refraction; azimuth from north over east.
    hour_angle_deg
        West positive, -180 to 180.
    parallactic_deg
        Angle at the target from the pole to the zenith, east positive.
    moon_separation_deg, moon_altitude_deg, sun_altitude_deg
        Topocentric.
    moon_illumination
        Illuminated share of the Moon's disc, 0 to 1.
    """

    airmass: float | None
    altitude_deg: float
    azimuth_deg: float
    hour_angle_deg: float
    parallactic_deg: float
    moon_separation_deg: float
    moon_altitude_deg: float
    moon_illumination: float
    sun_altitude_deg: float


def circumstances(mid: datetime, ra_deg: float, dec_deg: float, site: Site) -> Circumstances:
    """Compute the circumstances of an exposure.

    Parameters
    ----------
    mid
        Middle of the exposure, aware.
    ra_deg, dec_deg
        Where the frame looks, ICRS.
    site
        Where the telescope stands.

    Returns
    -------
    Circumstances
        Good to a few arcseconds while Earth orientation is tabulated, 15 arcseconds beyond.
    """
    with ExitStack() as stack:
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        stack.enter_context(iers.conf.set_temp("auto_download", False))
        stack.enter_context(iers.conf.set_temp("iers_degraded_accuracy", "ignore"))
        stack.enter_context(iers.earth_orientation_table.set(_orientation()))
        location = EarthLocation.from_geodetic(site.longitude_deg, site.latitude_deg, site.elevation_m)
        time = Time(mid.astimezone(UTC).replace(tzinfo=None), scale="utc", location=location)
        frame = AltAz(obstime=time, location=location)
        target = SkyCoord(ra_deg * u.deg, dec_deg * u.deg).transform_to(frame)
        moon, sun = (get_body(body, time, location) for body in ("moon", "sun"))
        seen_moon, seen_sun = moon.transform_to(frame), sun.transform_to(frame)
        lit = _lit_share(moon, sun)
        hour_angle = _hour_angle(target, site)
        separation = float(target.separation(seen_moon).deg)
    altitude = float(target.alt.deg)
    return Circumstances(
        airmass=airmass(altitude), altitude_deg=altitude, azimuth_deg=float(target.az.deg),
        hour_angle_deg=math.degrees(hour_angle[0]), parallactic_deg=math.degrees(hour_angle[1]),
        moon_separation_deg=separation, moon_altitude_deg=float(seen_moon.alt.deg),
        moon_illumination=lit, sun_altitude_deg=float(seen_sun.alt.deg),
    )  # fmt: skip


def airmass(altitude_deg: float) -> float | None:
    """Give the relative airmass at a true altitude [1]_.

    Parameters
    ----------
    altitude_deg
        Without refraction, in degrees.

    Returns
    -------
    float
        None below the horizon.

    References
    ----------
    .. [1] Young A. T., 1994, Applied Optics 33, 1108: airmass as a function of true altitude.
    """
    if altitude_deg <= _LOWEST:
        return None
    z = math.sin(math.radians(altitude_deg))
    above = 1.002432 * z**2 + 0.148386 * z + 0.0096467
    return above / (z**3 + 0.149864 * z**2 + 0.0102963 * z + 0.000303978)


def _lit_share(moon: SkyCoord, sun: SkyCoord) -> float:
    """Give the illuminated share of the Moon's disc, from the angle at the Moon between the Sun and the site."""
    elongation, ratio = float(moon.separation(sun, origin_mismatch="ignore").rad), float(sun.distance / moon.distance)
    phase = math.atan2(ratio * math.sin(elongation), 1 - ratio * math.cos(elongation))
    return (1 + math.cos(phase)) / 2


def _hour_angle(target: SkyCoord, site: Site) -> tuple[float, float]:
    """Give hour angle and parallactic angle, in radians, from the horizon triangle."""
    altitude, azimuth = float(target.alt.rad), float(target.az.rad)
    latitude = math.radians(site.latitude_deg)
    east = -math.sin(azimuth) * math.cos(altitude)
    north = math.sin(altitude) * math.cos(latitude) - math.cos(altitude) * math.cos(azimuth) * math.sin(latitude)
    hour_angle = math.atan2(east, north)
    declination = math.asin(
        math.sin(latitude) * math.sin(altitude) + math.cos(latitude) * math.cos(altitude) * math.cos(azimuth)
    )
    up = math.tan(latitude) * math.cos(declination) - math.sin(declination) * math.cos(hour_angle)
    return hour_angle, math.atan2(math.sin(hour_angle), up)


@cache
def _orientation() -> iers.IERS_A:
    """Earth orientation that comes with the package: measured, and predicted for a year."""
    return iers.IERS_A.open(str(files("astropy_iers_data") / "data" / "finals2000A.all"))


def sexagesimal(ra_deg: float, dec_deg: float) -> tuple[str, str]:
    """Write a position as ``HH MM SS.ss`` and ``+DD MM SS.s``, the way capture programs do; never as 24 hours or -0."""
    around, up = round(ra_deg * 24_000) % 8_640_000 / 24_000, round(dec_deg * 36_000) / 36_000 + 0.0
    ra = Angle(around, u.deg).to_string(unit=u.hour, sep=" ", precision=2, pad=True)
    dec = Angle(up, u.deg).to_string(unit=u.deg, sep=" ", precision=1, pad=True, alwayssign=True)
    return str(ra), str(dec)
