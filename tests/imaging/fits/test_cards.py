"""Cards survive reading and writing, whatever text they hold."""

import math

import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st

from pictor.imaging.fits.cards import Card, CardValue, parse_card, parse_cards
from pictor.imaging.fits.writing import card_lines, header_bytes, standard_lines


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("EXPTIME = 060.00 / Exposure time in Seconds", Card("EXPTIME", 60.0, "Exposure time in Seconds")),
        ("EXPTIME =   3.00000000000E+002 / [sec]", Card("EXPTIME", 300.0, "[sec]")),
        ("A       = 1.5D3", Card("A", 1500.0, "")),
        ("OBJECT  = 'Barnard''s star' / a / b", Card("OBJECT", "Barnard's star", "a / b")),
        ("OBJECT  = 'no end", Card("OBJECT", "no end", "")),
        ("SIMPLE  =                    T", Card("SIMPLE", True, "")),
        ("FILTER  = ''", Card("FILTER", "", "")),
        ("GAIN    =                    / nothing", Card("GAIN", None, "nothing")),
        ("BSCALE  = NAN", Card("BSCALE", "NAN", "")),
        ("EXPTIME = -1E400", Card("EXPTIME", "-1E400", "")),
        ("ID      = 123456789012345678901", Card("ID", 1.2345678901234568e20, "")),
        ("HIERARCH iTelescope = 'iTelescope 33'", Card("ITELESCOPE", "iTelescope 33", "")),
        ("HIERARCH ESO DET CHIP PXSPACE=    1.800e-05 / Spacing", Card("ESO DET CHIP PXSPACE", 1.8e-05, "Spacing")),
        ("HISTORY  made by hand", Card("HISTORY", " made by hand", "")),
        ("no equals sign at all", Card("NO EQUAL", "s sign at all", "")),
    ],
)
def test_a_card_is_read_as_it_was_meant(image: str, expected: Card) -> None:
    assert parse_card(image.ljust(80)) == expected


def test_continued_strings_are_joined_and_duplicates_kept() -> None:
    lines = ["LONG    = 'one &'", "CONTINUE  'two &' / c", "CONTINUE  'three'", "EXPTIME = 1", "EXPTIME = 2"]
    cards = parse_cards("".join(line.ljust(80) for line in [*lines, "END", "IGNORED = 1"]).encode())
    assert cards == (Card("LONG", "one two three", "c"), Card("EXPTIME", 1), Card("EXPTIME", 2))


TEXT = st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=126), max_size=200)
VALUE = st.one_of(TEXT, st.integers(-(10**17), 10**17), st.floats(allow_nan=False, allow_infinity=False), st.booleans())


@settings(max_examples=300, deadline=None)
@given(VALUE)
def test_a_written_value_is_read_back_by_us_and_by_astropy(value: CardValue) -> None:
    block = header_bytes(card_lines(Card("KEY", value)))
    ours = parse_cards(block)[0].value
    theirs = fits.Header.fromstring(block.decode())["KEY"]
    for found in (ours, theirs):
        if isinstance(value, str):
            assert str(found).rstrip() == value.rstrip() or value.rstrip().endswith("&")
        elif isinstance(value, float):
            assert math.isclose(float(found), value, rel_tol=1e-9, abs_tol=1e-300)
        else:
            assert found == value


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=12), st.one_of(st.text(max_size=300), st.none(), st.floats()), st.text(max_size=100))
def test_hostile_text_never_leaves_printable_ascii_and_80_columns(
    keyword: str, value: str | float | None, comment: str
) -> None:
    lines = card_lines(Card(keyword, value, comment))
    for line in lines:
        assert len(line) == 80
        assert all(" " <= character <= "~" for character in line)
        assert not line.startswith("END ")


def test_a_control_character_in_a_name_cannot_start_a_new_card() -> None:
    lines = card_lines(Card("OBJECT", "M31\nEXPTIME = 1\x00" + "x" * 100))
    assert lines[0].startswith("OBJECT  = 'M31?EXPTIME = 1?xxx")
    assert all(line.startswith("CONTINUE") for line in lines[1:])


@pytest.mark.parametrize(
    "image",
    [
        "RA      =  31.312099 / 02:05.25 Right Ascension", "EXPTIME = 060.00", "FILTER  = ''", "GAIN    =",
        "A       = (1.0, -2.5E3) / complex", "OBJECT  = 'it''s'/x", "HIERARCH ESO DET DIT = 1.2 / s", "COMMENT = odd",
        "CONTINUE  'more&' / c", "HISTORY = 'x", "",
    ],
)  # fmt: skip
def test_a_standard_card_is_copied_as_it_stands(image: str) -> None:
    assert standard_lines(image.ljust(80)) == [image.ljust(80)]


@pytest.mark.parametrize(
    ("image", "written"),
    [
        ("PXSPACE = 1.800e-05 / m", "PXSPACE =              1.8E-05 / m"),
        ("DETECTID= 'ccdkb70-1'      T   / serial", "DETECTID= 'ccdkb70-1'          / serial"),
        ("XORGSUBF=        T           0 /x", "XORGSUBF= 'T           0'      / x"),
        ("OBJECT  = 'no end", "OBJECT  = 'no end  '"),
        ("exptime = 30", "EXPTIME =                   30"),
        ("B\x07D KEY = 1", "COMMENT B?D KEY = 1"),
        ("just words", "COMMENT just words"),
    ],
)
def test_a_card_outside_the_standard_is_written_anew(image: str, written: str) -> None:
    assert [line.rstrip() for line in standard_lines(image.ljust(80))] == [written]
