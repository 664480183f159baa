"""Metadata: names, sites, targets, cards, and the circumstances against astropy itself."""

import math
from datetime import datetime
from pathlib import Path

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import AltAz, EarthLocation, SkyCoord, get_body
from astropy.io import fits
from astropy.time import Time
from astropy.utils import iers

from pictor.imaging.astrometry.geometry import separation
from pictor.imaging.errors import ImagingError
from pictor.imaging.fits.cards import Card
from pictor.imaging.fits.reading import read_frame
from pictor.imaging.fits.unpack import unpack
from pictor.imaging.headers.describe import describe
from pictor.imaging.headers.filenames import parse_itelescope
from pictor.imaging.headers.metadata import Wanted, plan_metadata, wanted_of_name
from pictor.imaging.headers.settable import set_card
from pictor.imaging.headers.sites import find_site, own_site, site_of_telescope
from pictor.imaging.headers.targets import find_target, own_targets, read_position

CAL = "cal-T20-davestrickland-CygnusLoop_x1_y1-20210708-220604-Ha-BIN1-E-300-001.fits"
RAW = "raw-T05-davestrickland-NGC_6888-20200716-231744-Ha-BIN1-E-180-001.fit"

HEADER = (
    Card("DATE-OBS", "2021-07-09T04:06:04"), Card("EXPTIME", 300.0), Card("IMAGETYP", "LIGHT"),
    Card("NAXIS1", 1000), Card("NAXIS2", 800),
)  # fmt: skip
"""A bare light, as iTelescope leaves the raw ones."""


def values(cards: tuple[Card, ...], wanted: Wanted, **more: object) -> dict[str, object]:
    plan = plan_metadata(cards, wanted, **more)  # type: ignore[arg-type]
    return {one.card.keyword: one.card.value for one in plan.cards}


def test_names_of_itelescope_are_read() -> None:
    found = parse_itelescope(CAL)
    assert (found.telescope, found.observer, found.target, found.mosaic) == (
        "T20",
        "davestrickland",
        "CygnusLoop",
        "x1_y1",
    )
    assert found.taken == datetime(2021, 7, 8, 22, 6, 4)  # noqa: DTZ001 - the name tells no zone
    assert (found.filter, found.binning, found.pier_side, found.exposure_s) == ("Ha", 1, "east", 300.0)
    assert parse_itelescope(RAW).target == "NGC 6888"


@pytest.mark.parametrize(
    ("name", "target", "mosaic"),
    [
        ("raw-T33-user-Sh2-155-20200716-231744-Ha-BIN2-W-60-012.fit.gz", "Sh2-155", ""),
        ("/some/where/raw-T9-user-M_31_x2_y10-20200716-231744-Luminance-BIN1-E-30-1.FIT", "M 31", "x2_y10"),
        ("calibrated-T11-user-IC 1396 panel 3-20200716-231744-Red-BIN1-E-120.5-004.fits.fz", "IC 1396", "panel 3"),
        ("cal-T20-user-NGC_7000-20210708-220604-Ha-BIN1-E-300-001_fixed_solved.fits", "NGC 7000", ""),
    ],
)
def test_targets_keep_their_hyphens_and_lose_the_mosaic(name: str, target: str, mosaic: str) -> None:
    found = parse_itelescope(name)
    assert (found.target, found.mosaic) == (target, mosaic)


@pytest.mark.parametrize(
    "name",
    [
        "light_001.fits",
        "raw-T05-user-M31-20209916-231744-Ha-BIN1-E-180-001.fit",
        "raw-T05-user-M31-20200716-251744-Ha-BIN1-E-180-001.fit",
        "raw-user-M31-20200716-231744-Ha-BIN1-E-180-001.fit",
        "raw-T05-user-20200716-231744-Ha-BIN1-E-180-001.fit",
        "raw-T05-us\ner-M31-20200716-231744-Ha-BIN1-E-180-001.fit",
        "raw-T05-user-" + "M" * 300 + "-20200716-231744-Ha-BIN1-E-180-001.fit",
        "raw-T05-user-\u041c31-20200716-231744-Ha-BIN1-E-180-001.fit",
        "",
    ],
)
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(ImagingError, match="no iTelescope name") as caught:
        parse_itelescope(name)
    assert caught.value.reason == "not-itelescope"


def test_sites_follow_from_the_parallax_constants_of_the_minor_planet_center() -> None:
    """Longitude, rho cos phi' and rho sin phi' as the MPC lists them."""
    listed = {
        "H06": (254.4713, 0.840712, 0.540310), "I89": (357.6739, 0.78744, 0.61474),
        "Q62": (149.06442, 0.855629, -0.516206), "U69": (240.587, 0.79904, 0.59962),
    }  # fmt: skip
    for code, (longitude, across, along) in listed.items():
        site = find_site(code).site
        at = EarthLocation.from_geodetic(site.longitude_deg, site.latitude_deg, site.elevation_m)
        mpc = 6_378_137.0 * np.array([
            across * math.cos(math.radians(longitude)), across * math.sin(math.radians(longitude)), along,
        ])  # fmt: skip
        away = float(np.linalg.norm(np.array([at.x.value, at.y.value, at.z.value]) - mpc))
        print(f"{code}: {away:.1f} m from the MPC's place")
        assert away < 5


@pytest.mark.real
def test_the_real_header_of_siding_spring_names_the_place_of_the_catalogue(real_data: Path, tmp_path: Path) -> None:
    cards = itelescope_frame(real_data, tmp_path)
    said, listed = describe(cards), site_of_telescope("T33")
    assert listed is not None
    assert said.site_latitude_deg == pytest.approx(listed.site.latitude_deg, abs=0.001)
    assert said.site_longitude_deg == pytest.approx(listed.site.longitude_deg, abs=0.001)
    assert said.site_elevation_m == pytest.approx(listed.site.elevation_m, abs=10)


def itelescope_frame(real_data: Path, scratch: Path) -> tuple[Card, ...]:
    packed = real_data / "headers/photonfinder/maximdl-5.24-itelescope-t33.fits.gz"
    return read_frame(unpack(packed, scratch).path).cards


@pytest.mark.real
def test_the_airmass_of_a_real_frame_is_that_of_its_header(real_data: Path, tmp_path: Path) -> None:
    cards = itelescope_frame(real_data, tmp_path)
    written = next(card.value for card in cards if card.keyword == "AIRMASS")
    kept = (card for card in cards if card.keyword not in {"EXPTIME", "EXPOSURE"})
    start = (*kept, Card("EXPTIME", 0.01))
    found = values(start, Wanted())
    print(f"airmass {found['AIRMASS']} at the start, header {written:.4f}")
    assert found["AIRMASS"] == pytest.approx(written, abs=0.002)


def test_a_telescope_that_nobody_places_has_no_site() -> None:
    assert site_of_telescope("T99") is None
    with pytest.raises(ImagingError, match="known are H06") as caught:
        find_site("Atlantis")
    assert caught.value.reason == "unknown-site"


@pytest.mark.parametrize(
    "wrong",
    [
        {"latitude_deg": 91, "longitude_deg": 3}, {"latitude_deg": "x", "longitude_deg": 3}, {"latitude_deg": 40.0},
        {"latitude_deg": 40, "longitude_deg": 3, "elevation_m": 99999},
        {"latitude_deg": 40, "longitude_deg": 3, "timezone": "Mars/Olympus"},
        {"latitude_deg": "nan", "longitude_deg": 3},
    ],
)  # fmt: skip
def test_a_site_that_cannot_be_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ImagingError) as caught:
        own_site(wrong)
    assert caught.value.reason == "bad-site"


def test_longitudes_count_east_whichever_way_they_are_written() -> None:
    assert own_site({"latitude_deg": 1, "longitude_deg": 254.5}).site.longitude_deg == pytest.approx(-105.5)


POSITIONS = {
    "M 31": (10.6847, 41.2687), "M 42": (83.8221, -5.3911), "M 45": (56.601, 24.114), "NGC 7000": (314.75, 44.5),
    "IC 1396": (324.75, 57.5), "NGC 3372": (161.265, -59.868), "NGC 5139": (201.697, -47.4795),
    "M 104": (189.9976, -11.623),
    "Caldwell 49": (97.98, 4.94), "NGC 253": (11.888, -25.2882), "M 1": (83.6331, 22.0145), "M 110": (10.092, 41.6853),
}  # fmt: skip
"""Positions as SIMBAD has them, degrees."""


def test_targets_are_where_simbad_has_them() -> None:
    for name, position in POSITIONS.items():
        found = find_target(name)
        away = 60 * separation((found.ra_deg, found.dec_deg), position)
        assert away < 15, (name, away)


@pytest.mark.parametrize("spelling", ["M51", "m 51", "Messier 51", "NGC5194", "ngc_5194", "Whirlpool Galaxy", "M-51"])
def test_spellings_of_a_name_find_the_same_target(spelling: str) -> None:
    found = find_target(spelling)
    assert (found.ra_deg, found.dec_deg) == (find_target("M 51").ra_deg, find_target("M 51").dec_deg)


def test_all_of_messier_and_caldwell_are_known() -> None:
    for number in range(1, 111):
        find_target(f"M {number}")
    for number in range(1, 110):
        find_target(f"C{number}")


def test_own_targets_go_before_the_catalogue_and_unknown_ones_name_similar_ones() -> None:
    own = own_targets({"My Field": {"ra": "20 59 17", "dec": "+44 31 44"}, "M 31": "10.5 41.0"})
    assert find_target("my_field", own).ra_deg == pytest.approx(314.8208, abs=1e-3)
    assert find_target("M31", own).ra_deg == pytest.approx(10.5)
    with pytest.raises(ImagingError, match="Andromeda") as caught:
        find_target("Andromedda")
    assert caught.value.reason == "unknown-target"
    for wrong in ({"x": "nowhere"}, {"x": {"ra": 400, "dec": 3}}, {"x": {"ra": 40, "dec": 93}}):
        with pytest.raises(ImagingError, match="has no position"):
            own_targets(wrong)


def test_positions_are_read_in_degrees_and_in_hours() -> None:
    for text in (
        "314.8208, 44.5289",
        "20 59 17, +44 31 44",
        "20:59:17 +44:31:44",
        "20h59m17s +44d31m44s",
        "314.8208 44.5289",
    ):
        assert read_position(text) == pytest.approx((314.8208, 44.5289), abs=1e-3), text
    assert read_position("20 59.3, +44 31.7") == pytest.approx((314.825, 44.528), abs=1e-2)
    for text in ("", "M 31", "12", "400, 3", "3, 99"):
        assert read_position(text) is None


@pytest.mark.parametrize(
    ("keyword", "value", "words"),
    [
        ("NAXIS1", "3", "cannot be set"), ("BSCALE", "2", "cannot be set"), ("CRVAL1", "3", "pictor solve"),
        ("CHECKSUM", "x", "cannot be set"), ("HISTORY", "x", "cannot be set"), ("END", "x", "cannot be set"),
        ("TOOLONGKEY", "3", "no keyword"), ("K\nEY", "3", "no keyword"), ("", "3", "no keyword"),
        ("NOTE", "a\nEND", "U+000A"), ("NOTE", "caf\u00e9", "U\\+00E9"), ("NOTE", "x" * 300, "300 letters"),
        ("EXPTIME", "long", "number in s"), ("EXPTIME", "-4", "0 to 864000"), ("FOCALLEN", "20 in", "write it in mm"),
        ("EGAIN", "1e9", "it can be"), ("DATE-OBS", "now", "write a time"), ("OBJCTRA", "3", "with the target"),
        ("SITELAT", "3", "with the site"), ("IN001SHA", "x", "cannot be set"), ("CCD-TEMP", "20 K", "in degC"),
    ],
)  # fmt: skip
def test_cards_that_may_not_be_set_are_refused(keyword: str, value: str, words: str) -> None:
    with pytest.raises(ImagingError, match=words.replace("U+000A", r"U\+000A")) as caught:
        set_card(keyword, value)
    assert caught.value.reason == "bad-card"


def test_cards_that_may_be_set_have_type_and_unit() -> None:
    assert set_card("focallen", "530 mm") == Card("FOCALLEN", 530, "[mm] set by hand")
    assert set_card("CCD-TEMP", "-10.5 C").value == -10.5
    assert set_card("COOLED", "T").value is True
    assert set_card("NOTE", "it's fine").value == "it's fine"
    assert set_card("DATE-OBS", "2021-07-09T04:06:04").value == "2021-07-09T04:06:04"


def test_a_frame_of_itelescope_gets_everything_from_its_name() -> None:
    wanted, warnings = wanted_of_name(parse_itelescope(CAL), HEADER)
    found = values(HEADER, wanted)
    assert warnings == ()
    assert found["OBSERVER"] == "davestrickland"
    assert found["TELESCOP"] == "iTelescope T20"
    assert found["OBJECT"] == "CygnusLoop"
    assert (found["OBJCTRA"], found["OBJCTDEC"]) == ("20 51 00.00", "+30 40 00.0")
    assert found["OBSERVAT"] == "iTelescope New Mexico, Mayhill"
    assert found["FILTER"] == "Ha"
    assert found["SITELAT"] == found["LAT-OBS"] == pytest.approx(32.9033, abs=1e-3)
    assert found["SITELONG"] == found["LONG-OBS"] == pytest.approx(-105.5287, abs=1e-3)
    assert found["SITEELEV"] == found["ALT-OBS"] == 2227
    assert "LON-OBS" not in found
    assert found["DAY-OBS"] == "2021-07-08"
    assert 1.0 < float(str(found["AIRMASS"])) < 2.0


def test_reader_and_writer_agree_about_the_site() -> None:
    """The tool before this one wrote LON-OBS and read LONG-OBS."""
    old = (*HEADER, Card("LON-OBS", 11.0), Card("LAT-OBS", 47.0))
    found = values(old, Wanted(site=find_site("H06")))
    assert found["LON-OBS"] == found["LONG-OBS"] == found["SITELONG"]
    written = tuple(Card(keyword, value) for keyword, value in found.items())  # type: ignore[arg-type]
    said = describe(written)
    assert said.site_longitude_deg == pytest.approx(find_site("H06").site.longitude_deg)
    assert not [warning for warning in said.warnings if "site" in warning]


def test_circumstances_are_those_astropy_computes() -> None:
    wanted = Wanted(site=find_site("H06"), target=find_target("M 31"))
    found = values(HEADER, wanted)
    site = find_site("H06").site
    with iers.conf.set_temp("auto_download", False), iers.conf.set_temp("iers_degraded_accuracy", "warn"):
        place = EarthLocation.from_geodetic(site.longitude_deg, site.latitude_deg, site.elevation_m)
        time = Time("2021-07-09T04:08:34", scale="utc", location=place)
        sky = AltAz(obstime=time, location=place)
        seen = SkyCoord(wanted.target.ra_deg * u.deg, wanted.target.dec_deg * u.deg).transform_to(sky)  # type: ignore[union-attr]
        moon, sun = (get_body(name, time, place).transform_to(sky) for name in ("moon", "sun"))
        hours = time.sidereal_time("apparent").deg - wanted.target.ra_deg  # type: ignore[union-attr]
    print(f"altitude {found['CENTALT']} of {seen.alt.deg:.4f}, azimuth {found['CENTAZ']} of {seen.az.deg:.4f}")
    assert found["CENTALT"] == pytest.approx(seen.alt.deg, abs=0.005)
    assert found["CENTAZ"] == pytest.approx(seen.az.deg, abs=0.005)
    assert found["MOONALT"] == pytest.approx(moon.alt.deg, abs=0.02)
    assert found["SUNALT"] == pytest.approx(sun.alt.deg, abs=0.02)
    assert found["MOONSEP"] == pytest.approx(seen.separation(moon).deg, abs=0.02)
    assert math.remainder(float(str(found["HA"])) - hours, 360) == pytest.approx(0, abs=0.4)
    assert found["DATE-AVG"] == "2021-07-09T04:08:34"


def test_a_person_counts_before_the_name_and_the_name_before_the_header() -> None:
    old = (*HEADER, Card("OBSERVER", "old"), Card("TELESCOP", "old"))
    of_name, _ = wanted_of_name(parse_itelescope(CAL), old)
    said = Wanted(observer="Vera", sources={"observer": "--observer"}).over(of_name)
    plan = plan_metadata(old, said)
    found = {one.card.keyword: one for one in plan.cards}
    assert (found["OBSERVER"].card.value, found["OBSERVER"].source, found["OBSERVER"].before) == (
        "Vera",
        "--observer",
        "old",
    )
    assert (found["TELESCOP"].card.value, found["TELESCOP"].source) == ("iTelescope T20", "file name")


def test_what_does_not_fit_together_is_told() -> None:
    exposed = (*HEADER[:1], Card("EXPTIME", 60.0), *HEADER[2:])
    _, warnings = wanted_of_name(parse_itelescope(CAL), exposed)
    assert any("300 s exposure, the header 60 s" in warning for warning in warnings)
    strange = CAL.replace("CygnusLoop", "Xyzzy")
    wanted, warnings = wanted_of_name(parse_itelescope(strange), HEADER)
    assert any("position of 'Xyzzy'" in warning for warning in warnings)
    assert values(HEADER, wanted)["OBJECT"] == "Xyzzy"
    elsewhere = (*HEADER, Card("RA", 100.0), Card("DEC", 10.0))
    plan = plan_metadata(elsewhere, Wanted(target=find_target("M 31")))
    assert any("degrees away from M 31" in warning for warning in plan.warnings)
    assert any("no site" in warning for warning in plan.warnings)


def test_a_solved_frame_is_where_it_was_solved() -> None:
    solved = fits.Header({"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 283.0, "CRVAL2": 25.0, "CRPIX1": 500.5,
                          "CRPIX2": 400.5, "CD1_1": -1e-3, "CD2_2": 1e-3})  # fmt: skip
    cards = (*HEADER, Card("RA", 283.5), Card("DEC", 25.5), *(Card(c.keyword, c.value) for c in solved.cards))
    plan = plan_metadata(cards, Wanted(site=find_site("H06")), shape=(800, 1000))
    assert (plan.facts["looks_at_ra_deg"], plan.facts["looks_at_dec_deg"]) == pytest.approx((283.0, 25.0))
    sources = {one.card.keyword: one.source for one in plan.cards}
    assert sources["AIRMASS"] == "computed for the solved centre"


def test_the_same_call_gives_the_same_cards() -> None:
    wanted, _ = wanted_of_name(parse_itelescope(CAL), HEADER)
    assert plan_metadata(HEADER, wanted) == plan_metadata(HEADER, wanted)


def test_hours_with_letters_are_hours_in_a_header_too() -> None:
    said = describe((*HEADER, Card("RA", "20h59m17s"), Card("DEC", "+44d31.7m")))
    assert said.ra_deg == pytest.approx(314.8208, abs=1e-3)
    assert said.dec_deg == pytest.approx(44.528, abs=1e-3)
