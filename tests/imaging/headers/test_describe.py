"""The traps of capture programs, one by one."""

import json
from collections.abc import Mapping
from dataclasses import asdict, replace

import pytest
from astropy.coordinates import FK5, SkyCoord
from hypothesis import given, settings
from hypothesis import strategies as st

from pictor.imaging.fits.cards import Card, CardValue
from pictor.imaging.headers.admission import admission
from pictor.imaging.headers.describe import describe
from pictor.imaging.headers.description import FrameDescription
from pictor.imaging.headers.programs import programs

NINA = {"SWCREATE": "N.I.N.A. 3.2.0.9001 (x64)", "IMAGETYP": "LIGHT", "EXPTIME": 30.0, "NAXIS1": 400, "NAXIS2": 300}
ASIAIR = {
    "CREATOR": "ZWO ASIAIR Plus", "OFFSET": 10, "FOCALLEN": 247, "SET-TEMP": -10, "EGAIN": 1.0085, "XBINNING": 2,
    "XPIXSZ": 4.8, "IMAGETYP": "Dark", "EXPOSURE": 300.0, "EXPTIME": 300.0, "CCD-TEMP": -10.0, "BAYERPAT": "RGGB",
    "DATE-OBS": "2025-09-08T02:46:15.614262", "INSTRUME": "ZWO ASI183MC Pro", "GAIN": 111, "FILTER": "None",
}  # fmt: skip
APT = {
    "SWCREATE": "Astro Photography Tool - APT v.4.10", "IMAGETYP": "Light Frame", "EXPTIME": 240.0, "SET-TEMP": -15.0,
    "SNAPSHOT": 1, "SITELAT": "+51 03 00.000", "SITELONG": "+03 41 00.000", "GAIN": 120, "XPIXSZ": 4.63,
    "OBJCTRA": "01 35 00", "OBJCTDEC": "+30 44 25", "DATE-OBS": "2018-09-17T21:04:46",
}  # fmt: skip
DWARF = {
    "TELESCOP": "DWARF 3", "INSTRUME": "DWARF 3", "CAMERA": "TELE", "EXPTIME": 15.0, "GAIN": 60, "FILTER": "Duo-Band",
    "RA": 83.82, "DEC": -5.39, "OBJECT": "M42", "DATE-OBS": "2026-05-30T01:00:00", "NAXIS1": 3840, "NAXIS2": 2160,
}  # fmt: skip
SHARPCAP = {
    "SWCREATE": "SharpCap v4.1.11817.0, 64 bit", "EXPTIME": 600.0, "SUBEXP": 10.0, "STACKCNT": 60, "GAIN": 250,
    "EGAIN": 4.0, "EGAINSAV": 0.25, "BLKLEVEL": 20, "CAMID": "0123", "RA": 83.9, "DEC": -5.37, "EQUINOX": 2025.9,
    "NAXIS1": 3000, "NAXIS2": 2000, "NAXIS3": 3,
}  # fmt: skip


def said(header: Mapping[str, CardValue], *more: Card, name: str = "") -> FrameDescription:
    return describe([*(Card(keyword, value) for keyword, value in header.items()), *more], name=name)


def test_an_asiair_dark_is_described() -> None:
    found = said(ASIAIR)
    assert (found.program, found.frame_type, found.gain_setting, found.egain) == ("asiair", "dark", 111, 1.0085)
    assert (found.filter, found.bayer, found.pixel_um_binned, found.binning_y) == (None, "RGGB", 4.8, 2)


def test_an_apt_light_is_described() -> None:
    found = said(APT)
    assert (found.program, found.frame_type, found.n_combined) == ("apt", "light", 1)
    assert found.site_longitude_deg == pytest.approx(3 + 41 / 60)
    assert found.target_ra_deg == pytest.approx(23.75)


def test_a_dwarf_light_has_no_type_card() -> None:
    found = said(DWARF)
    assert (found.program, found.frame_type, found.readout_mode, found.gain_setting) == ("dwarf", "light", "TELE", 60)
    assert admission(found) == ()


def test_a_sharpcap_live_stack_tells_the_single_exposure_and_its_pointing_is_precessed() -> None:
    found = said(SHARPCAP)
    assert (found.exposure_s, found.n_combined, found.egain, found.frame_type) == (10.0, 60, 0.25, "light")
    expected = SkyCoord(83.9, -5.37, unit="deg", frame=FK5(equinox="J2025.9")).transform_to(FK5(equinox="J2000"))
    assert found.ra_deg == pytest.approx(float(expected.ra.deg), abs=2e-5)
    assert found.dec_deg == pytest.approx(float(expected.dec.deg), abs=2e-5)
    assert any("equinox 2025.9" in warning for warning in found.warnings)


def test_a_sharpcap_frame_without_pointing_is_not_guessed_to_be_light() -> None:
    header = {keyword: value for keyword, value in SHARPCAP.items() if keyword not in {"RA", "DEC"}}
    assert said(header).frame_type == "unknown"


@pytest.mark.parametrize(
    ("spelling", "kind", "master"),
    [
        ("LIGHT", "light", False), ("Light Frame", "light", False), ("tricolor", "light", False),
        ("Dark_Frame", "dark", False), ("MASTER DARK", "dark", True), ("masterDark", "dark", True),
        ("Master Flat", "flat", True), ("flat master", "flat", True), ("SKYFLAT", "flat", False),
        ("Flat Field", "flat", False), ("dark-flat", "flat-dark", False), ("DARKFLAT", "flat-dark", False),
        ("offset", "bias", False), ("Zero", "bias", False), ("Master Bias", "bias", True),
        ("SNAPSHOT", "snapshot", False), ("lamp", "unknown", False), ("master", "unknown", False),
    ],
)  # fmt: skip
def test_frame_types_are_known_in_every_spelling(spelling: str, kind: str, master: bool) -> None:  # noqa: FBT001
    found = said(NINA | {"IMAGETYP": spelling})
    assert (found.frame_type, found.is_master) == (kind, master)


def test_an_unknown_type_is_quarantined_and_not_guessed() -> None:
    found = said(NINA | {"IMAGETYP": "Something"})
    assert [problem.reason for problem in admission(found)] == ["unknown-frame-type"]
    assert "the frame type 'Something' is not known" in found.warnings


def test_a_coordinate_frame_under_the_keyword_frame_is_no_type() -> None:
    assert said({"FRAME": "FK5", "OBSTYPE": "OBJECT", "EXPTIME": 1.0}).frame_type == "light"


def test_a_nina_snapshot_is_betrayed_by_its_file_name_only() -> None:
    assert said(NINA, name="2026-01-01_SNAPSHOT_0001.fits").frame_type == "snapshot"
    assert said(NINA, name="2026-01-01_0001.fits").frame_type == "light"


def test_a_file_name_helps_only_when_no_card_does() -> None:
    header = {"EXPTIME": 30.0, "NAXIS1": 400, "NAXIS2": 300}
    assert said(header, name="M31_Dark_30s.fits").frame_type == "dark"
    assert said(header, name="Dark_Flat_M31.fits").frame_type == "unknown"
    assert said(NINA, name="M31_Dark_30s.fits").frame_type == "light"


def test_a_calibration_frame_of_many_exposures_is_a_master_but_a_light_is_not() -> None:
    assert said(ASIAIR | {"STACKCNT": 20}).is_master
    assert not said(NINA | {"STACKCNT": 20}).is_master
    assert said(NINA | {"STACKCNT": 20}).n_combined == 20
    listed = [Card(f"IMCOM{number:03}", "x.fits") for number in range(1, 6)]
    assert said(NINA, *listed).n_combined == 5


@pytest.mark.parametrize("word", ["N/A", "UNKNOWN", "unspecified", "None", "INVALID", "", "  "])
def test_null_words_are_absence(word: str) -> None:
    found = said(NINA | {"FILTER": word, "OBJECT": word, "GAIN": word})
    assert (found.filter, found.target_name, found.gain_setting) == (None, None, None)


def test_target_zero_is_no_target() -> None:
    found = said(NINA | {"OBJCTRA": "00 00 00", "OBJCTDEC": "+00 00 00", "RA": 0.0, "DEC": 0.0})
    assert (found.target_ra_deg, found.ra_deg) == (None, None)
    assert "ra_deg" not in found.provenance


@pytest.mark.parametrize(
    ("header", "setting", "egain"),
    [
        (NINA | {"GAIN": 120, "EGAIN": 1.1}, 120, 1.1),
        ({"OBSERVAT": "iTelescope.Net T33", "GAIN": 1.31}, None, 1.31),
        ({"ORIGIN": "LCOGT", "GAIN": 1.4}, None, 1.4),
        ({"ORIGIN": "LCOGT", "GAIN": 0.0}, None, None),
        ({"GAIN": 100}, 100, None),
    ],
)
def test_gain_is_a_setting_or_electrons_per_adu_by_program(
    header: Mapping[str, CardValue], setting: float | None, egain: float | None
) -> None:
    found = said(header)
    assert (found.gain_setting, found.egain) == (setting, egain)


def test_a_comment_tells_the_gain_of_an_unknown_program() -> None:
    found = describe([Card("GAIN", 1.7, "[e-/ADU] gain")])
    assert (found.gain_setting, found.egain) == (None, 1.7)


def test_two_exposure_times_are_told_when_they_differ_by_more_than_a_percent() -> None:
    assert any("two exposure times" in warning for warning in said(NINA | {"EXPOSURE": 60.0}).warnings)
    assert said(NINA | {"EXPOSURE": 30.1}).warnings == ()


@pytest.mark.parametrize("value", ["060.00", "60,0", "60 s", 60])
def test_fuzzy_numbers_are_read(value: CardValue) -> None:
    assert said(NINA | {"EXPTIME": value}).exposure_s == 60.0


@pytest.mark.parametrize("value", ["abc", "-1E400", -5.0, 1e30, True, None])
def test_an_exposure_that_is_none_is_a_problem_and_not_a_crash(value: CardValue) -> None:
    found = said(NINA | {"EXPTIME": value})
    assert found.exposure_s is None
    assert [problem.reason for problem in admission(found)] == ["no-exposure"]


@pytest.mark.parametrize(
    ("header", "start"),
    [
        ({"DATE-OBS": "2017-12-19T18:33:43.317-0700"}, "2017-12-20T01:33:43.317000Z"),
        ({"DATE-OBS": "2020-05-30T00:22:49.0968820"}, "2020-05-30T00:22:49.096882Z"),
        ({"DATE-OBS": "23/08/18", "TIME-OBS": "08:49:30"}, "1918-08-23T08:49:30Z"),
        ({"DATE-OBS": "2018-08-23", "UT": "08:49:30.5"}, "2018-08-23T08:49:30.500000Z"),
        ({"DATE-OBS": "2016-12-31T23:59:60"}, "2017-01-01T00:00:00Z"),
        ({"DATE-OBS": "9999-99-99T99:99:99"}, None),
        ({"DATE-OBS": "2017-02-31T25:61:00"}, None),
        ({"DATE-OBS": "2017-02-31T25:61:00", "MJD-OBS": 58107.0}, "2017-12-20T00:00:00Z"),
        ({"JD": 2458107.5}, "2017-12-20T00:00:00Z"),
    ],
)
def test_starts_are_read_in_every_form(header: Mapping[str, CardValue], start: str | None) -> None:
    assert said(NINA | header).start_utc == start


def test_values_outside_reason_are_told_and_left_out() -> None:
    found = said(NINA | {"RA": 1117.8, "DEC": 513.5, "CCD-TEMP": -999.0, "SITELAT": 95.0, "XBINNING": 0, "FOCALLEN": 0})
    assert (found.ra_deg, found.ccd_temp_c, found.site_latitude_deg, found.binning_x) == (None, None, None, 1)
    assert found.focal_mm is None
    assert len(found.warnings) == 4


def test_provenance_names_keyword_value_and_rule() -> None:
    source = said(NINA | {"GAIN": 120}).provenance["gain_setting"]
    assert (source.value, source.keyword, source.rule) == (120, "GAIN", "nina/1/gain_setting")


def test_a_pseudo_wcs_is_a_pointing_only_if_its_axes_are_the_sky() -> None:
    spectrum = {"CRVAL1": 150.0, "CRVAL2": 20.0, "CTYPE1": "WAVE", "IMAGETYP": "LIGHT"}
    assert said(spectrum).ra_deg is None
    assert said(spectrum | {"CTYPE1": "RA---TAN"}).ra_deg == 150.0


def test_hostile_text_is_kept_as_text_and_nothing_else() -> None:
    found = said(NINA | {"OBJECT": "../../../../etc/passwd", "FILTER": "; rm -rf / #", "INSTRUME": "x" * 5000})
    assert (found.target_name, found.filter) == ("../../../../etc/passwd", "; rm -rf / #")
    assert len(found.camera or "") == 200


ALIASES = [alias for program in programs() for names in program.fields.values() for alias in names]
KEYWORDS = st.sampled_from(sorted({alias.keyword for alias in ALIASES}))
CREATORS = st.sampled_from(["N.I.N.A.", "SharpCap", "MaxIm DL", "POCS", "MicroObservatory", "ZWO ASIAIR", "LCOGT", "x"])
WORDS = st.one_of(
    st.text(max_size=30), st.floats(), st.integers(), st.booleans(), st.none(), st.from_regex(r"[-+0-9:. ]{1,14}"),
    st.from_regex(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}([+-][0-9]{4})?", fullmatch=True),
)  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(st.lists(st.tuples(KEYWORDS, WORDS), max_size=25), CREATORS)
def test_no_header_whatever_it_says_stops_the_description(values: list[tuple[str, CardValue]], creator: str) -> None:
    cards = [Card(key, creator) for key in ("SWCREATE", "CREATOR", "ORIGIN")] + [Card(*pair) for pair in values]
    found = describe(cards, name="x.fits")
    text = json.dumps(asdict(replace(found, provenance={})), allow_nan=False)
    assert json.loads(text)["frame_type"] in {"light", "dark", "flat", "bias", "flat-dark", "snapshot", "unknown"}
    admission(found)
