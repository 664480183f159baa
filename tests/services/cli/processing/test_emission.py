"""Light of other emission lines is taken off the broadband, as far as the exposures tell how much of it is there."""

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from pictor.cli.processing.colouring import share_of, shown
from pictor.cli.processing.emission import lines, said
from pictor.cli.processing.rows import CoaddRow, Status
from pictor.cli.stages.process import Options, main
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
    result = {
        "scale": 0.1234, "star_count": 80, "shares": [1 / 3], "own_share": 1 / 3, "beside_shares": [], "told": [],
    }  # fmt: skip
    line = CoaddRow("M42_Ha_line", "line", "M 42", "Ha - Red")
    told = said(result, (coadd("SII"), coadd("Red")), [line], [])
    assert told[:3] == [
        "0.12340 times the Red coadd taken off, by 80 stars",
        "before that 0.333 of the Ha line taken off the Red coadd",
        "0.333 of the SII line lies in it, which is allowed for",
    ]
    alone = {**result, "shares": [], "own_share": 0.0}
    assert said(alone, (coadd("SII"), coadd("Red")), [], []) == told[:1]
    both = {**result, "shares": [], "beside_shares": [0.3]}
    assert "solved together with 0.3 of the SII line in it" in said(
        both, (coadd("Ha"), coadd("Red")), [], [coadd("SII")]
    )


@pytest.mark.parametrize("text", ["Red=0.9", "SII", "SII=much", "Ha=-1", "Ha=nan", "Ha=11"])
def test_shares_of_lines_are_lines_and_numbers(text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = Options(tmp_path, tmp_path / "out", [], "pictor", [], [], contsub=True, line_share=["S II=0.9", text])
    assert main(asked, dry_run=True, json=False) == 2
    assert "--line-share is Ha, OIII, SII and a number up to 10" in capsys.readouterr().err


def test_a_line_is_shown_without_margin_and_holes() -> None:
    data = np.full((40, 60), np.nan, np.float32)
    data[5:35, 10:50] = 7.0
    data[18:22, 28:32] = np.nan
    data[17, 28] = -400.0
    picture = shown(data)
    assert picture.shape == (30, 40)
    assert np.all(picture == 7.0), "the hole and its rim are as the pixels around"
    assert np.isnan(shown(np.full((5, 5), np.nan, np.float32))).all()
