"""No command replaces a frame it reads, whatever it is allowed to replace; each frame at fault is named once."""

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from typer.testing import CliRunner

from pictor.cli.main import app


@pytest.fixture
def frames(tmp_path: Path) -> list[Path]:
    """Three frames without stars or coordinates."""
    rng = np.random.default_rng(3)
    paths = [tmp_path / f"light_{number}.fits" for number in range(3)]
    for path in paths:
        fits.writeto(path, rng.normal(1000, 10, (40, 50)).astype(np.float32), fits.Header({"IMAGETYP": "LIGHT"}))
    return paths


NAMED = {
    "combine": ["{0}", "{1}", "{2}", "-o", "{1}"],
    "combine a folder": ["{folder}", "--kind", "plain", "-o", "{1}"],
    "imarith": ["{0}", "+", "{1}", "-o", "{1}"],
    "coadd": ["{0}", "{1}", "-o", "{0}"],
    "coadd its weight": ["{0}", "{1}", "-o", "{folder}/new.fits", "--weight-out", "{1}"],
    "contsub": ["{0}", "{1}", "-o", "{1}"],
    "composite": ["{0}", "{1}", "{2}", "-o", "{2}"],
    "bad-pixels": ["{0}", "-o", "{0}"],
    "bad-columns": ["{0}", "-o", "{0}"],
    "read-noise": ["{0}", "{1}", "--histogram", "{0}"],
}


@pytest.mark.parametrize("name", NAMED)
def test_a_frame_that_is_read_is_not_replaced_by_the_result(name: str, frames: list[Path]) -> None:
    before = [path.read_bytes() for path in frames]
    words = [word.format(*frames, folder=frames[0].parent) for word in NAMED[name]]
    done = CliRunner().invoke(app, [name.split(maxsplit=1)[0], *words, "--overwrite"])
    assert done.exit_code == 2, done.output
    assert "is one of the inputs" in done.output
    assert [path.read_bytes() for path in frames] == before


def test_a_name_made_of_another_input_is_not_replaced_either(frames: list[Path]) -> None:
    other = frames[0].rename(frames[0].with_name("light_1_clean.fits"))
    done = CliRunner().invoke(app, ["cosmics", str(frames[1]), str(other), "-o", str(other.parent), "--overwrite"])
    assert done.exit_code == 2
    assert "is one of the inputs" in done.output


def test_a_folder_is_no_name_for_a_file(frames: list[Path]) -> None:
    words = ["combine", *map(str, frames), "-o", str(frames[0].parent), "--overwrite"]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 2
    assert "is a folder" in done.output


def test_frames_without_coordinates_are_told_to_be_solved(frames: list[Path]) -> None:
    done = CliRunner().invoke(app, ["resample", *map(str, frames), "-o", str(frames[0].parent / "out")])
    assert done.exit_code == 1
    assert "none of the 3 frames has world coordinates; pictor solve finds them" in done.output


def test_a_frame_at_fault_is_named_once(frames: list[Path]) -> None:
    frames[0].write_text("no frame")
    words = ["calibrate", str(frames[0]), "--dark", str(frames[1]), "--insist", "-o", str(frames[0].parent / "out")]
    done = CliRunner().invoke(app, words)
    assert done.exit_code in {1, 2}
    assert done.output.count(str(frames[0])) <= 1
