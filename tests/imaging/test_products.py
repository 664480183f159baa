"""Products are whole or not there, name what they were made of, and are FITS every reader accepts."""

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from pictor.imaging.frame import Frame
from pictor.imaging.products import FileTakenError, Input, Provenance, product_header, write_product, write_whole

SHAPE = (33, 47)


def frames() -> dict[str, Frame]:
    data = np.arange(33 * 47, dtype=np.float32).reshape(SHAPE)
    mask = np.zeros(SHAPE, np.uint8)
    mask[1, 1] = 3
    header = fits.Header({"OBJECT": "M 51", "EXPTIME": 60.0, "BZERO": 32768, "CHECKSUM": "x", "IN007NAM": "older.fits"})
    header["HIERARCH LONG KEYWORD"] = "value"
    header.add_history("first line")
    header.add_history("first line")
    header.add_comment("said")
    holes = data.copy()
    holes[2, 2] = np.nan
    return {
        "plain": Frame(data, header=header),
        "planes": Frame(holes, np.sqrt(data), mask, header, "electron"),
        "double": Frame(data.astype(np.float64) / 3, np.sqrt(data), mask, header, ""),
        "long integers": Frame(data.astype(np.uint32) + np.uint32(2**31), None, mask, header),
        "colour": Frame(np.stack([data] * 3), None, mask, header, "adu / s"),
        "colour with errors": Frame(np.stack([data] * 3), np.ones((3, *SHAPE)), mask, header),
        "unsigned": Frame(data.astype(np.uint16), None, None, header),
    }


MADE = Provenance("test", [Input("a.fits", "0" * 64)], {"cell": 64, "none": None}, "pictor 9.9", ["a note"])


@pytest.mark.parametrize("name", frames())
def test_a_product_holds_its_pixels_and_its_sums_hold(name: str, tmp_path: Path) -> None:
    frame, path = frames()[name], tmp_path / "p.fits"
    write_product(path, frame, MADE)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with fits.open(path, checksum=True) as units:
            np.testing.assert_array_equal(units[0].data, frame.data)
            names = [unit.name for unit in units]
            if frame.mask is not None:
                np.testing.assert_array_equal(units["MASK"].data, frame.mask)
            header = units[0].header
    assert names == ["SCI", *(["ERR"] if frame.err is not None else []), *(["MASK"] if frame.mask is not None else [])]
    assert header["BUNIT"] == frame.unit
    assert header["OBJECT"] == "M 51"
    assert header["LONG KEYWORD"] == "value"
    assert (header["IN001NAM"], header["IN001SHA"], header["NINPUT"]) == ("a.fits", "0" * 64, 1)
    assert not {"IN007NAM", "BZERO"} & set(header), "cards of an older product and of the stored form are gone"
    assert list(header["HISTORY"]) == ["first line", "first line", "pictor 9.9 test: cell=64", "a note"]


@pytest.mark.parametrize("name", frames())
def test_the_same_frame_gives_the_same_bytes(name: str, tmp_path: Path) -> None:
    one, two = tmp_path / "one.fits", tmp_path / "two.fits"
    write_product(one, frames()[name], MADE)
    time.sleep(1.1 if name == "colour" else 0)
    write_product(two, frames()[name], MADE)
    assert one.read_bytes() == two.read_bytes()


@pytest.mark.parametrize("name", frames())
def test_a_product_survives_being_read_and_written_again(name: str, tmp_path: Path) -> None:
    write_product(tmp_path / "one.fits", frames()[name], MADE)
    again = Frame.from_fits(tmp_path / "one.fits")
    write_product(tmp_path / "two.fits", again, MADE)
    with fits.open(tmp_path / "one.fits") as one, fits.open(tmp_path / "two.fits", checksum=True) as two:
        for a, b in zip(one, two, strict=True):
            np.testing.assert_array_equal(a.data, b.data)


@pytest.mark.skipif(shutil.which("fitsverify") is None, reason="fitsverify is not installed")
@pytest.mark.parametrize("name", frames())
def test_fitsverify_finds_nothing_to_say(name: str, tmp_path: Path) -> None:
    odd = replace(MADE, inputs=[Input("it's \"quoted\" & näme's.fits" + "'" * 70, "f" * 64)])
    write_product(tmp_path / "p.fits", frames()[name], odd)
    said = subprocess.run(["fitsverify", str(tmp_path / "p.fits")], capture_output=True, text=True, check=False)
    assert "0 warning(s) and 0 error(s)" in said.stdout, said.stdout


@pytest.mark.skipif(shutil.which("fitsverify") is None, reason="fitsverify is not installed")
def test_faults_of_the_header_of_a_frame_are_not_passed_on(tmp_path: Path) -> None:
    """A PC matrix beside CD, cards given twice, one of them wrong, and a long text without LONGSTRN."""
    header = fits.Header({"CD1_1": -1e-4, "CD2_2": 1e-4, "PC1_1": 1.0, "PC2_2": 1.0, "DATE-OBS": "2026-10-12T18:40:00"})
    header.update({"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 1.0, "CRVAL2": 2.0, "CRPIX1": 3.0})
    header["CRPIX2"] = 4.0
    header.append(("DATE-OBS", "2026-02-31T00:00:00"), end=True)
    header.append(("EXPTIME", 60.0), end=True)
    header.append(("EXPTIME", 61.0), end=True)
    header["TEXT"] = "long " * 30
    for frame in (Frame(np.ones(SHAPE, np.float32), header=header), Frame(np.ones(SHAPE), header=header)):
        path = tmp_path / f"{frame.data.dtype}.fits"
        write_product(path, frame, MADE)
        said = subprocess.run(["fitsverify", str(path)], capture_output=True, text=True, check=False)
        assert "0 warning(s) and 0 error(s)" in said.stdout, said.stdout
        kept = fits.getheader(path)
        assert (kept["EXPTIME"], kept["DATE-OBS"], kept["TEXT"].rstrip()) == (
            60.0,
            "2026-10-12T18:40:00",
            ("long " * 30).rstrip(),
        )
    assert header["PC1_1"] == 1.0


def test_a_product_of_a_thousand_inputs_names_999_and_the_sum_of_the_list(tmp_path: Path) -> None:
    inputs = [Input(f"light_{number:04d}.fits", f"{number:064x}") for number in range(1001)]
    write_product(tmp_path / "p.fits", frames()["plain"], Provenance("coadd", inputs))
    header = fits.getheader(tmp_path / "p.fits")
    listed = "".join(f"{one.sha256}  {one.name}\n" for one in inputs)
    assert (header["NINPUT"], header["IN999NAM"], "IN1000NAM" in header) == (1001, "light_0998.fits", False)
    assert header["INLIST"] == hashlib.sha256(listed.encode()).hexdigest()


def test_nothing_is_replaced_unless_told(tmp_path: Path) -> None:
    path = tmp_path / "p.fits"
    path.write_bytes(b"precious")
    with pytest.raises(FileTakenError, match="--overwrite replaces it"):
        write_product(path, frames()["plain"], MADE)
    assert path.read_bytes() == b"precious"
    write_product(path, frames()["plain"], MADE, overwrite=True)
    assert path.read_bytes().startswith(b"SIMPLE")
    assert [one.name for one in tmp_path.iterdir()] == ["p.fits"]


def test_a_name_taken_while_a_product_is_written_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "p.fits"

    def slowly(part: Path) -> None:
        part.write_bytes(b"new")
        path.write_bytes(b"somebody else's")

    with pytest.raises(FileTakenError):
        write_whole(path, slowly)
    assert path.read_bytes() == b"somebody else's"
    assert [one.name for one in tmp_path.iterdir()] == ["p.fits"]


def test_a_fault_while_writing_leaves_nothing_and_keeps_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "p.fits"

    def breaks(part: Path) -> None:
        part.write_bytes(b"half")
        raise KeyboardInterrupt

    for content in (None, b"precious"):
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(KeyboardInterrupt):
            write_whole(path, breaks, overwrite=True)
        assert [one.read_bytes() for one in tmp_path.iterdir()] == ([] if content is None else [content])


def test_a_killed_writer_leaves_no_file_of_that_name(tmp_path: Path) -> None:
    path = tmp_path / "p.fits"
    path.write_bytes(b"precious")
    script = (
        "import sys, time\nfrom pathlib import Path\nfrom pictor.imaging.products import write_whole\n"
        "def slowly(part):\n    part.write_bytes(b'half')\n    print('begun', flush=True)\n    time.sleep(60)\n"
        "write_whole(Path(sys.argv[1]), slowly, overwrite=True)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script, str(path)], stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "begun\n"
        os.kill(writer.pid, signal.SIGKILL)
    assert path.read_bytes() == b"precious"
    assert not [one for one in tmp_path.glob("*.fits") if one != path], "what is left has a hidden name"


def test_a_folder_without_hard_links_still_gets_products(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    write_product(tmp_path / "p.fits", frames()["plain"], MADE)
    assert fits.getdata(tmp_path / "p.fits").shape == SHAPE
    with pytest.raises(FileTakenError):
        write_product(tmp_path / "p.fits", frames()["plain"], MADE)
    assert [one.name for one in tmp_path.iterdir()] == ["p.fits"]


def test_the_header_of_a_frame_is_not_changed_by_writing_it(tmp_path: Path) -> None:
    frame = frames()["planes"]
    before = repr(frame.header)
    write_product(tmp_path / "p.fits", frame, MADE)
    assert repr(frame.header) == before


def test_cards_of_old_standards_are_repaired_and_history_says_so() -> None:
    header = fits.Header([("EPOCH", 2000.0, "old"), ("CROTA1", 1.5), ("CTYPE1", "RA---TAN"), ("WCSAXES", 2, "axes")])
    made = product_header(Frame(np.zeros((4, 4), np.float32), None, None, header, "adu"), Provenance("test"))
    assert "EPOCH" not in made
    assert made["EQUINOX"] == 2000.0
    assert list(made)[:2] == ["WCSAXES", "CROTA1"]
    told = " ".join(made["HISTORY"])
    assert "EPOCH = 2000.0 left out" in told
    assert "WCSAXES moved before CROTA1" in told


def test_an_equinox_is_not_replaced_by_an_epoch() -> None:
    header = fits.Header([("EPOCH", 1950.0), ("EQUINOX", 2000.0)])
    made = product_header(Frame(np.zeros((4, 4), np.float32), None, None, header, "adu"), Provenance("test"))
    assert made["EQUINOX"] == 2000.0
