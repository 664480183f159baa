"""Files that are the same whenever they are written."""

from pathlib import Path

import numpy as np
from astropy.io import fits

from pictor.imaging.fits.sealing import SUMMED, write_sealed
from pictor.imaging.fits.sums import wrong_sums
from pictor.imaging.stars.starlist import StarList


def units() -> list[fits.PrimaryHDU | fits.ImageHDU | fits.BinTableHDU]:
    """An image, an image of whole numbers and a table with texts and an unknown number."""
    columns = [
        fits.Column("NAME", "8A", array=np.array(["a", "bc"])), fits.Column("N", "J", null=-1, array=[1, -1]),
        fits.Column("FULL", "L", array=[True, False]), fits.Column("XY", "2E", array=np.ones((2, 2), np.float32)),
    ]  # fmt: skip
    return [
        fits.PrimaryHDU(np.ones((3, 4), np.float32)), fits.ImageHDU(np.ones((3, 4), np.uint16), name="MASK"),
        fits.BinTableHDU.from_columns(columns, name="STARS"),
    ]  # fmt: skip


def test_the_sums_of_all_units_hold_and_their_comments_tell_no_time(tmp_path: Path) -> None:
    write_sealed(tmp_path / "a.fits", *units())
    assert wrong_sums(tmp_path / "a.fits") == []
    with fits.open(tmp_path / "a.fits") as listed:
        for unit in listed:
            assert [unit.header.comments[key] for key in ("CHECKSUM", "DATASUM")] == [SUMMED, SUMMED]
        assert listed[2].data["NAME"][1] == "bc"


def test_a_table_alone_gets_a_primary_unit(tmp_path: Path) -> None:
    StarList.empty((5, 5)).to_fits(tmp_path / "s.fits")
    assert wrong_sums(tmp_path / "s.fits") == []
    with fits.open(tmp_path / "s.fits") as listed:
        assert [unit.name for unit in listed] == ["PRIMARY", "STARS"]
        assert listed["STARS"].header.comments["CHECKSUM"] == SUMMED
