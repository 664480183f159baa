"""Light of other emission lines is taken off the broadband, as far as the exposures tell how much of it is there."""

import numpy as np
import pytest
from astropy.io import fits

from pictor.cli.processing.colouring import share_of, shown
from pictor.cli.processing.emission import lines, said
from pictor.cli.processing.rows import CoaddRow, Status
from pictor.imaging.frame import Frame


def frame(**cards: float) -> Frame:
    return Frame(np.ones((4, 4), np.float32), header=fits.Header(cards))


def coadd(name: str) -> CoaddRow:
    return CoaddRow(name, "coadd", "M 42", name, Status.OK, outputs={"fits": f"coadds/{name}.fits"})


def test_the_brightest_line_comes_first() -> None:
    found = lines([coadd(name) for name in ("SII", "Red", "OIII", "Ha", "Green")])
    assert [(line.name, broad.name) for line, broad in found] == [("Ha", "Red"), ("OIII", "Green"), ("SII", "Red")]


def test_the_share_follows_exposure_and_gain() -> None:
    assert share_of(frame(EXPTIME=180.0), frame(EXPTIME=60.0)) == pytest.approx(1 / 3)
    assert share_of(frame(EXPTIME=180.0, EGAIN=0.5), frame(EXPTIME=60.0, EGAIN=1.0)) == pytest.approx(1 / 6)
    assert share_of(frame(EXPTIME=180.0, EGAIN=0.5), frame(EXPTIME=60.0)) == pytest.approx(1 / 3)
    assert share_of(frame(), frame(EXPTIME=60.0)) == 0.0


def test_the_report_says_what_was_allowed_for() -> None:
    result = {"scale": 0.1234, "star_count": 80, "shares": [1 / 3], "own_share": 1 / 3}
    line = CoaddRow("M42_Ha_line", "line", "M 42", "Ha - Red")
    told = said(result, coadd("SII"), coadd("Red"), [line])
    assert told[:3] == [
        "0.12340 times the Red coadd taken off, by 80 stars",
        "before that 0.333 of the Ha line taken off the Red coadd",
        "0.333 of the SII line lies in it, which is allowed for",
    ]
    assert said({**result, "shares": [], "own_share": 0.0}, coadd("SII"), coadd("Red"), []) == told[:1]


def test_a_line_is_shown_without_margin_and_holes() -> None:
    data = np.full((40, 60), np.nan, np.float32)
    data[5:35, 10:50] = 7.0
    data[18:22, 28:32] = np.nan
    data[17, 28] = -400.0
    picture = shown(data)
    assert picture.shape == (30, 40)
    assert np.all(picture == 7.0), "the hole and its rim are as the pixels around"
    assert np.isnan(shown(np.full((5, 5), np.nan, np.float32))).all()
