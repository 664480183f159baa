"""Circumstances agree with astropy and with what observatories wrote; the night follows the site."""

import math
import socket
from datetime import UTC, date, datetime

import astropy.units as u
import pytest
from astropy.coordinates import EarthLocation, PrecessedGeocentric, SkyCoord, get_body
from astropy.time import Time

from pictor.imaging.headers.night import night
from pictor.imaging.headers.observation import Site, airmass, circumstances, sexagesimal

MCDONALD = Site(30.679833, -104.015173, 2030.0)
LCO_START = datetime(2021, 10, 8, 1, 55, 17, 144000, tzinfo=UTC)
LCO_MID = datetime(2021, 10, 8, 1, 56, 4, 631000, tzinfo=UTC)


def test_the_facts_of_an_lco_header_are_found_again() -> None:
    found = circumstances(LCO_MID, 287.3248292, 59.4939306, MCDONALD)
    print(f"airmass {found.airmass:.5f} (header 1.15983), Moon {found.moon_separation_deg:.4f} (header 92.1210)")
    assert found.airmass == pytest.approx(1.1598302, abs=5e-4)
    assert found.moon_separation_deg == pytest.approx(92.1210068, abs=0.01)
    assert found.moon_illumination == pytest.approx(0.0346585, abs=0.001)
    start = circumstances(LCO_START, 287.3248292, 59.4939306, MCDONALD)
    assert start.sun_altitude_deg == pytest.approx(-18.3658869, abs=0.05)
    assert start.moon_altitude_deg == pytest.approx(-3.7886032, abs=0.05)


@pytest.mark.parametrize(
    "moment", [LCO_MID, datetime(2024, 3, 17, 4, tzinfo=UTC), datetime(2026, 1, 25, 20, tzinfo=UTC)]
)
def test_the_lit_share_is_that_seen_by_the_angle_between_sun_and_site_at_the_moon(moment: datetime) -> None:
    time = Time(moment.replace(tzinfo=None), scale="utc")
    location = EarthLocation.from_geodetic(MCDONALD.longitude_deg, MCDONALD.latitude_deg, MCDONALD.elevation_m)
    moon, sun = (get_body(body, time, location).cartesian for body in ("moon", "sun"))
    to_sun = sun - moon
    phase = -float(to_sun.dot(moon) / (to_sun.norm() * moon.norm()))
    found = circumstances(moment, 287.3, 59.5, MCDONALD).moon_illumination
    print(f"lit {found:.5f}, by the angle at the Moon {(1 + phase) / 2:.5f}")
    assert found == pytest.approx((1 + phase) / 2, abs=5e-5)


@pytest.mark.parametrize(("ra", "dec"), [(287.3, 59.5), (10.0, -20.0), (340.0, 85.0)])
@pytest.mark.parametrize("site", [MCDONALD, Site(-31.27, 149.06, 1165.0)])
def test_hour_angle_and_parallactic_angle_follow_the_sidereal_time(ra: float, dec: float, site: Site) -> None:
    found = circumstances(LCO_MID, ra, dec, site)
    location = EarthLocation.from_geodetic(site.longitude_deg, site.latitude_deg, site.elevation_m)
    time = Time(LCO_MID.replace(tzinfo=None), scale="utc", location=location)
    sky = SkyCoord(ra * u.deg, dec * u.deg).transform_to(PrecessedGeocentric(equinox=time, obstime=time))
    expected = math.remainder(time.sidereal_time("apparent").deg - sky.ra.deg, 360)
    assert found.hour_angle_deg == pytest.approx(expected, abs=0.05 / math.cos(math.radians(dec)))
    h, phi, delta = math.radians(expected), math.radians(site.latitude_deg), math.radians(sky.dec.deg)
    q = math.atan2(math.sin(h), math.tan(phi) * math.cos(delta) - math.sin(delta) * math.cos(h))
    assert math.remainder(found.parallactic_deg - math.degrees(q), 360) == pytest.approx(0, abs=0.6)


def test_below_the_horizon_there_is_no_airmass() -> None:
    assert circumstances(LCO_MID, 107.3, -59.5, MCDONALD).airmass is None


@pytest.mark.parametrize(("altitude", "expected"), [(90, 1.0), (30, 1.993), (10, 5.59), (0.1, 31.0)])
def test_airmass_follows_the_published_table(altitude: float, expected: float) -> None:
    assert airmass(altitude) == pytest.approx(expected, rel=0.03)


@pytest.mark.parametrize("year", [1990, 2021, 2026, 2035])
def test_the_network_is_never_asked(year: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: object, **_options: object) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    found = circumstances(datetime(year, 6, 1, tzinfo=UTC), 100.0, 20.0, MCDONALD)
    assert -90 <= found.altitude_deg <= 90


def test_positions_are_written_as_capture_programs_do() -> None:
    assert sexagesimal(308.7333333333, 60.1208333333) == ("20 34 56.00", "+60 07 15.0")
    assert sexagesimal(10.0, -0.5) == ("00 40 00.00", "-00 30 00.0")
    assert sexagesimal(359.99999999, -0.00001) == ("00 00 00.00", "+00 00 00.0")
    assert sexagesimal(359.9999, 89.99999999) == ("23 59 59.98", "+90 00 00.0")


@pytest.mark.parametrize(
    ("start", "site", "expected"),
    [
        ("2017-12-20T01:33:43Z", {"longitude_deg": -110.88}, date(2017, 12, 19)),
        ("2017-12-20T11:59:00Z", {}, date(2017, 12, 19)),
        ("2017-12-20T12:00:00Z", {}, date(2017, 12, 20)),
        ("2021-01-18T11:26:32Z", {"longitude_deg": 149.13}, date(2021, 1, 18)),
        ("2021-01-18T02:30:00Z", {"timezone": "Australia/Sydney"}, date(2021, 1, 18)),
        ("2021-01-18T00:30:00Z", {"timezone": "Australia/Sydney"}, date(2021, 1, 17)),
        ("2021-01-18T01:30:00Z", {"timezone": "No/Where", "longitude_deg": 149.13}, date(2021, 1, 17)),
        ("2021-03-02T11:30:00Z", {"utc_offset_h": 1.0}, date(2021, 3, 2)),
        ("2021-03-02T11:30:00Z", {"utc_offset_h": 1.0, "longitude_deg": 0.0}, date(2021, 3, 1)),
        ("no date", {}, None),
    ],
)
def test_a_night_runs_from_noon_to_noon_at_the_site(start: str, site: dict[str, object], expected: date | None) -> None:
    assert night(start, **site) == expected
