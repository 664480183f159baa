"""How pages write numbers, times and places."""

from datetime import UTC, datetime, timedelta

import pytest

from pictor.gateway.pages import formats


@pytest.mark.parametrize(
    ("degrees", "text"),
    [
        (0.0, "00:00:00.00"),
        (339.26675, "22:37:04.02"),
        (359.9999999, "00:00:00.00"),
        (15.0, "01:00:00.00"),
        (None, formats.NOTHING),
    ],
)
def test_right_ascension_is_written_in_hours_and_never_shows_sixty(degrees: float | None, text: str) -> None:
    assert formats.hours(degrees) == text


@pytest.mark.parametrize(
    ("degrees", "text"),
    [
        (34.41561, "+34:24:56.2"),
        (-0.5, "\N{MINUS SIGN}00:30:00.0"),
        (-0.000001, "+00:00:00.0"),
        (9.9999999, "+10:00:00.0"),
        (-89.5, "\N{MINUS SIGN}89:30:00.0"),
    ],
)
def test_declination_keeps_its_sign_below_one_degree(degrees: float, text: str) -> None:
    assert formats.degrees(degrees) == text


def test_what_is_not_known_is_never_a_zero() -> None:
    written = [
        formats.number(None),
        formats.number(float("nan")),
        formats.angle(None),
        formats.clock(None),
        formats.span(None),
    ]
    assert set(written) == {formats.NOTHING}


@pytest.mark.parametrize(
    ("arcsec", "text"), [(3.14159, "3.1″"), (412.0, "6.9\N{PRIME}"), (7200.0, "2.00°"), (float("inf"), formats.NOTHING)]
)
def test_angles_take_a_fitting_unit(arcsec: float, text: str) -> None:
    assert formats.angle(arcsec) == text


def test_lengths_of_time_take_a_fitting_unit() -> None:
    assert [formats.span(s) for s in (0.0821, 3.2, 240, 7300, 500_000)] == ["82 ms", "3.2 s", "4 min", "2.0 h", "6 d"]
    now = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)
    assert formats.age(now - timedelta(seconds=42), now) == "42 s"
    assert formats.age(now + timedelta(seconds=5), now) == "0 s"


def test_large_numbers_are_grouped_by_narrow_spaces() -> None:
    assert formats.number(1234567.891, 1) == "1\u202f234\u202f567.9"


@pytest.mark.parametrize(
    ("name", "colour"),
    [("Ha", "ha"), (" OIII ", "oiii"), ("Luminance", "lum"), (None, "other"), ('x" onload=', "other")],
)
def test_a_filter_has_one_colour_of_a_fixed_set(name: str | None, colour: str) -> None:
    assert formats.filter_class(name) == colour


def test_header_values_are_written_as_in_the_header() -> None:
    assert [formats.card(value) for value in (True, False, None, 1.5, "x")] == ["T", "F", "", "1.5", "x"]


def test_sizes_of_files() -> None:
    assert [formats.size(n) for n in (12, 48_394_240, 3_000_000_000)] == ["12 B", "48.4 MB", "3.0 GB"]
