"""What headers of masters tell about their values."""

import io

import numpy as np
import pytest
from astropy.io import fits

from pictor.imaging.fits.cards import Card, parse_cards
from pictor.imaging.headers.describe import describe
from pictor.imaging.headers.stacks import StackFacts, read_stack
from tests.support.foreign import Detector, astrophotography, ccddata, maxim, pixinsight, siril


def cards_of(body: bytes) -> tuple[Card, ...]:
    with fits.open(io.BytesIO(body)) as units:
        return parse_cards(units[0].header.tostring().encode())


def facts_of(body: bytes) -> StackFacts:
    return read_stack(cards_of(body))


STACK = Detector().stack("dark")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (siril(STACK, "dark"), StackFacts("Siril", real_valued=True)),
        (siril(STACK, "dark", bits=16), StackFacts("Siril")),
        (pixinsight(STACK, "dark"), StackFacts("PixInsight", real_valued=True, combined=10)),
        (maxim(STACK, "dark"), StackFacts(bias_removed=False)),
        (maxim(STACK, "dark", CALSTAT="BM", PEDESTAL=-100), StackFacts(bias_removed=True, pedestal_adu=100.0)),
        (ccddata(STACK, "dark"), StackFacts(unit="adu", real_valued=True, calls_itself_stack=True)),
        (
            ccddata(STACK, "dark", unit="electron", SUBBIAS="ccd=<CCDData>"),
            StackFacts(unit="electron", real_valued=True, calls_itself_stack=True, bias_removed=True),
        ),
        (astrophotography(STACK, "dark"), StackFacts(unit="adu", real_valued=True)),
    ],
)  # fmt: skip
def test_the_writer_the_unit_and_what_was_subtracted_are_read(body: bytes, expected: StackFacts) -> None:
    assert facts_of(body) == expected


@pytest.mark.parametrize(
    ("body", "count"),
    [
        (siril(STACK, "dark"), 10),
        (pixinsight(STACK, "dark"), 10),
        (pixinsight(STACK, "dark", IMAGETYP="DARK"), 10),
        (maxim(STACK, "dark"), 10),
        (maxim(STACK, "dark", IMAGETYP="Dark Frame"), 10),
        (ccddata(STACK, "dark"), None),
        (astrophotography(STACK, "dark"), 10),
    ],
)
def test_every_program_s_master_calls_itself_one(body: bytes, count: int | None) -> None:
    found = describe(cards_of(body), name="master_dark.fit")
    assert (found.frame_type, found.is_master, found.n_combined) == ("dark", True, count)


def test_the_last_count_of_a_history_holds() -> None:
    lines = [Card("HISTORY", f"ImageIntegration.numberOfImages: {n}") for n in (12, 40)]
    assert read_stack(lines).combined == 40
    assert read_stack([Card("HISTORY", "ImageIntegration.numberOfImages: 0")]).combined is None


def test_our_own_masters_say_whether_the_bias_is_inside() -> None:
    for held in (True, False):
        assert read_stack([Card("DARKBIAS", held), Card("CALSTAT", "M")]).bias_removed is (not held)


def test_a_raw_exposure_tells_nothing() -> None:
    body = siril(np.rint(STACK), "dark", bits=16, PROGRAM=None, STACKCNT=None)
    assert facts_of(body) == StackFacts()
