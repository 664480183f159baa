"""Every stage tells a frame whose sums do not hold, on standard error and in its JSON, and works all the same."""

import json
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from typer.testing import CliRunner, Result

from pictor.cli.main import app


def _frame(path: Path, *, level: float = 1000, kind: str = "Bias Frame", damaged: bool = False, **cards: bool) -> Path:
    pixels = np.random.default_rng(len(path.name)).normal(level, 5, (64, 80)).astype(np.float32)
    header = fits.Header({"IMAGETYP": kind, "INSTRUME": "cam", "EXPTIME": 1.0, **cards})
    fits.PrimaryHDU(pixels, header).writeto(path, checksum=True)
    if damaged:
        with path.open("r+b") as file:
            file.seek(-4000, 2)
            file.write(b"\x11")
    return path


def _run(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.mark.parametrize("command", ["imarith", "combine", "background", "fix-pixels"])
def test_a_damaged_frame_is_told_with_its_hdu(command: str, tmp_path: Path) -> None:
    one = _frame(tmp_path / "one.fits", damaged=True)
    two, three = (_frame(tmp_path / name) for name in ("second.fits", "the_third.fits"))
    calls: dict[str, list[object]] = {
        "imarith": [one, "-", two, "-o", tmp_path / "out.fits"],
        "combine": [one, two, three, "-o", tmp_path / "out.fits"],
        "background": [one, "-o", tmp_path],
        "fix-pixels": [two, "--map", one, "-o", tmp_path],
    }
    found = _run(command, *calls[command], "--json")
    assert found.exit_code == 0, found.output
    sentence = f"{one}: HDU 0: DATASUM does not match its bytes"
    assert sentence in found.stderr
    told = json.loads(found.stdout)
    told = told[0] if isinstance(told, list) else told
    assert any(sentence in warning for warning in told["warnings"])


def test_sound_frames_are_not_spoken_of(tmp_path: Path) -> None:
    one, two = _frame(tmp_path / "one.fits"), _frame(tmp_path / "second.fits")
    found = _run("imarith", one, "-", two, "-o", tmp_path / "out.fits", "--json")
    assert found.exit_code == 0
    assert "warning" not in found.output
    assert "warnings" not in json.loads(found.stdout)


def test_a_damaged_master_is_told_once_for_all_lights(tmp_path: Path) -> None:
    dark = _frame(tmp_path / "dark.fits", kind="Master Dark", level=100, damaged=True, DARKBIAS=True)
    lights = [_frame(tmp_path / name, kind="Light Frame") for name in ("light.fits", "light_2.fits")]
    found = _run("calibrate", *lights, "--dark", dark, "-o", tmp_path / "out", "--insist", "--json")
    assert found.exit_code == 0, found.output
    assert found.stderr.count("DATASUM does not match") == 1
    assert all(told["warnings"] for told in json.loads(found.stdout))
