"""The alias tables are complete, consistent data."""

from dataclasses import fields

import pytest

from pictor.imaging.fits.cards import Card
from pictor.imaging.headers.description import FrameDescription
from pictor.imaging.headers.programs import programs, recognise

PROMISED = {
    "nina", "sharpcap", "sgpro", "maxim", "asiair", "indi", "itelescope", "apt", "seestar", "dwarf", "lco", "panoptes",
    "microobservatory", "generic",
}  # fmt: skip
INTERNAL = {"start_time", "equinox"}


def test_a_table_exists_for_every_promised_program() -> None:
    assert {program.name for program in programs()} == PROMISED


def test_the_generic_table_comes_last() -> None:
    assert programs()[-1].name == "generic"


def test_tables_speak_the_vocabulary_only() -> None:
    known = {field.name for field in fields(FrameDescription)} | INTERNAL
    for program in programs():
        assert set(program.fields) <= known, program.name
        assert set(program.types.values()) <= {"light", "dark", "flat", "bias", "flat-dark", "snapshot"}


@pytest.mark.parametrize(
    ("card", "program"),
    [
        (Card("SWCREATE", "N.I.N.A. 3.1"), "nina"),
        (Card("SWCREATE", "SharpCap v4.1"), "sharpcap"),
        (Card("CREATOR", "Sequence Generator Pro v4.2"), "sgpro"),
        (Card("SWCREATE", "MaxIm DL Version 6.40"), "maxim"),
        (Card("CREATOR", "ZWO ASIAIR Mini"), "asiair"),
        (Card("CREATOR", "ZWO ASIStudio"), "asiair"),
        (Card("CREATOR", "ZWO Seestar S30"), "seestar"),
        (Card("INSTRUME", "DWARFIII"), "dwarf"),
        (Card("CREATOR", "POCSv0.7"), "panoptes"),
        (Card("CREATOR", "MicroObservatory2020"), "microobservatory"),
        (Card("SWCREATE", "Something else"), "generic"),
        (Card("SWCREATE", 42), "generic"),
    ],
)
def test_a_program_is_recognised_by_what_it_writes(card: Card, program: str) -> None:
    assert recognise({card.keyword: [card]}).name == program
