"""What is no frame that can be worked on is refused with its name, soon, and without a traceback."""

import os
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from typer.testing import CliRunner, Result

from pictor.cli.main import app

DARK = fits.Header({"IMAGETYP": "Master Dark", "EXPTIME": 60.0})


def _run(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.mark.parametrize("command", ["bad-pixels", "bad-columns", "fix-pixels", "stars", "wcs"])
def test_a_pipe_is_refused_and_not_waited_for(command: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.fits")
    out = () if command == "wcs" else ("-o", tmp_path / ("out.fits" if command.startswith("bad") else "out"))
    found = _run(command, tmp_path / "pipe.fits", *out)
    assert found.exit_code == 1
    assert "pipe.fits: It is a folder, a pipe or a device; a frame is a file." in found.stderr


@pytest.mark.parametrize("command", ["bad-pixels", "bad-columns"])
def test_a_frame_without_any_value_is_refused(command: str, tmp_path: Path) -> None:
    fits.PrimaryHDU(np.full((60, 80), np.nan, np.float32), DARK).writeto(tmp_path / "nan.fits")
    found = _run(command, tmp_path / "nan.fits", "-o", tmp_path / "out.fits")
    assert found.exit_code == 1
    assert "nan.fits: no pixel has a value, all are NaN" in found.stderr
    assert not (tmp_path / "out.fits").exists()


def test_a_cube_among_darks_is_told_by_its_name(tmp_path: Path) -> None:
    fits.PrimaryHDU(np.ones((3, 60, 80), np.float32), DARK).writeto(tmp_path / "cube.fits")
    found = _run("bad-pixels", tmp_path / "cube.fits", "-o", tmp_path / "out.fits")
    assert found.exit_code == 1
    assert "cube.fits has 3 colour planes" in found.stderr


def test_scaling_that_is_none_is_told_with_the_file(tmp_path: Path) -> None:
    fits.PrimaryHDU(np.ones((60, 80), np.int16), DARK).writeto(tmp_path / "odd.fits")
    content = (tmp_path / "odd.fits").read_bytes()
    end = content.index(b"END     ")
    card = b"BSCALE  =                  0.0".ljust(80)
    (tmp_path / "odd.fits").write_bytes(content[:end] + card + content[end : end + 80] + content[end + 160 :])
    found = _run("bad-pixels", tmp_path / "odd.fits", "-o", tmp_path / "out.fits")
    assert found.exit_code == 1
    assert "odd.fits: BSCALE 0.0" in found.stderr
