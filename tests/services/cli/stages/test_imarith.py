"""`pictor imarith` on files."""

import json
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from typer.testing import CliRunner, Result

from pictor.cli.main import app
from pictor.imaging.frame import Frame
from pictor.imaging.products import Input, Provenance, write_product

SHAPE = (20, 30)


def imarith(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["imarith", *map(str, arguments)])


def raw(path: Path, value: int, **cards: object) -> Path:
    fits.writeto(path, np.full(SHAPE, value, np.uint16), fits.Header(cards))
    return path


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    return raw(tmp_path / "three.fits", 3, OBJECT="M 51"), raw(tmp_path / "two.fits", 2, OBJECT="M 1")


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (("add", "ADD", "+"), 5.0), (("subtract", "SUB", "-"), 1.0), (("multiply", "MUL", "x"), 6.0),
        (("divide", "DIV", "/"), 1.5),
    ],
)  # fmt: skip
def test_every_spelling_of_an_operation_works_and_nothing_is_truncated(
    pair: tuple[Path, Path], tmp_path: Path, words: tuple[str, ...], wanted: float
) -> None:
    for number, word in enumerate(words):
        out = tmp_path / f"out{number}.fits"
        done = imarith(pair[0], word, pair[1], "-o", out)
        assert done.exit_code == 0, done.output
        assert (fits.getdata(out) == wanted).all()
        assert fits.getheader(out)["OBJECT"] == "M 51"


def test_a_number_may_stand_on_either_side_and_be_negative(pair: tuple[Path, Path], tmp_path: Path) -> None:
    assert imarith(1, "-", pair[1], "-o", tmp_path / "a.fits").exit_code == 0
    assert (fits.getdata(tmp_path / "a.fits") == -1).all()
    assert imarith(pair[1], "subtract", "-100", "-o", tmp_path / "b.fits").exit_code == 0
    assert (fits.getdata(tmp_path / "b.fits") == 102).all()


def test_the_product_says_what_was_done_of_which_files(pair: tuple[Path, Path], tmp_path: Path) -> None:
    done = imarith(pair[0], "div", pair[1], "-o", tmp_path / "out.fits", "--json")
    told = json.loads(done.stdout)
    assert (told["operation"], told["unit"], told["median"], told["no_value"]) == ("divide", "", 1.5, 0)
    header = fits.getheader(tmp_path / "out.fits")
    assert (header["NINPUT"], header["IN002NAM"]) == (2, "two.fits")
    assert header["IN001SHA"] == Input.of(pair[0]).sha256
    assert "three.fits divide two.fits" in list(header["HISTORY"])


def test_units_are_checked_and_may_be_said(pair: tuple[Path, Path], tmp_path: Path) -> None:
    electrons = raw(tmp_path / "e.fits", 7, BUNIT="electron")
    done = imarith(pair[0], "+", electrons, "-o", tmp_path / "out.fits")
    assert done.exit_code == 1
    assert "'adu' and 'electron' cannot be added" in done.output
    assert imarith(pair[0], "x", 1.5, "--unit", "e-", "-o", tmp_path / "out.fits").exit_code == 0
    assert fits.getheader(tmp_path / "out.fits")["BUNIT"] == "electron"
    assert imarith(tmp_path / "out.fits", "+", electrons, "-o", tmp_path / "sum.fits").exit_code == 0
    assert (fits.getdata(tmp_path / "sum.fits") == 11.5).all()


def test_errors_and_masks_of_products_are_carried(tmp_path: Path) -> None:
    mask = np.zeros(SHAPE, np.uint8)
    mask[1, 1] = 2
    frame = Frame(np.full(SHAPE, 10.0, np.float32), np.full(SHAPE, 3.0, np.float32), mask)
    write_product(tmp_path / "one.fits", frame, Provenance("test"))
    two = np.full(SHAPE, 2, np.uint16)
    two[2, 2] = 0
    fits.writeto(tmp_path / "two.fits", two)
    assert imarith(tmp_path / "one.fits", "/", tmp_path / "two.fits", "-o", tmp_path / "o.fits").exit_code == 0
    with fits.open(tmp_path / "o.fits") as units:
        assert (units["ERR"].data[0, 0], units["MASK"].data[1, 1], units["MASK"].data[2, 2]) == (1.5, 2, 16)
        assert np.isnan(units[0].data[2, 2])


def test_normalise_brings_the_second_to_a_mean_of_one(pair: tuple[Path, Path], tmp_path: Path) -> None:
    flat = np.full(SHAPE, 20_000, np.uint16)
    flat[:10] = 40_000
    fits.writeto(tmp_path / "flat.fits", flat)
    assert imarith(pair[0], "/", tmp_path / "flat.fits", "--normalise", "-o", tmp_path / "o.fits").exit_code == 0
    assert fits.getdata(tmp_path / "o.fits")[0, 0] == pytest.approx(3 / (4 / 3))
    assert fits.getheader(tmp_path / "o.fits")["BUNIT"] == "adu"
    assert imarith(pair[0], "/", 2, "--normalise", "-o", tmp_path / "p.fits").exit_code == 2


def test_nothing_is_overwritten_and_wrong_calls_say_why(pair: tuple[Path, Path], tmp_path: Path) -> None:
    out = tmp_path / "out.fits"
    out.write_bytes(b"precious")
    done = imarith(pair[0], "+", 1, "-o", out)
    assert (done.exit_code, out.read_bytes()) == (2, b"precious")
    assert imarith(pair[0], "+", 1, "-o", out, "--overwrite").exit_code == 0
    for call, said in (
        ((pair[0], "power", 2), "'power' is no operation"),
        ((1, "+", 2), "two numbers"),
        ((pair[0], "+", "nothing.fits"), "neither a file nor a number"),
        ((pair[0], "+", "nan"), "neither a file nor a number"),
    ):
        done = imarith(*call, "-o", tmp_path / "x.fits")
        assert done.exit_code == 2, done.output
        assert said in done.output
    (tmp_path / "text.fits").write_text("no frame")
    done = imarith(pair[0], "+", tmp_path / "text.fits", "-o", tmp_path / "x.fits")
    assert done.exit_code == 1
    fits.writeto(tmp_path / "small.fits", np.ones((3, 3), np.float32))
    assert "one shape" in imarith(pair[0], "+", tmp_path / "small.fits", "-o", tmp_path / "x.fits").output
    assert not (tmp_path / "x.fits").exists()


def test_a_misspelt_option_is_no_number(pair: tuple[Path, Path], tmp_path: Path) -> None:
    done = imarith(pair[0], "x", "2", "--untt", "adu", "-o", tmp_path / "c.fits")
    assert done.exit_code == 2
    assert "--untt" in done.output
    assert not (tmp_path / "c.fits").exists()


def test_a_frame_that_cannot_be_read_is_named(pair: tuple[Path, Path], tmp_path: Path) -> None:
    text = tmp_path / "notes.fits"
    text.write_text("no frame")
    done = imarith(pair[0], "+", text, "-o", tmp_path / "d.fits")
    assert done.exit_code == 1
    assert done.output.count(str(text)) == 1
