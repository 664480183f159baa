"""No command replaces a frame it reads, whatever it is allowed to replace; each frame at fault is named once."""

import json
import os
import pty
import resource
import subprocess
import sys
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


def test_a_full_disk_leaves_nothing_half_written_and_says_so(frames: list[Path]) -> None:
    big, out = frames[0].parent / "big.fits", frames[0].parent / "out"
    fits.writeto(big, np.zeros((700, 700), np.float32))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, before[1]))
    try:
        one = CliRunner().invoke(app, ["imarith", str(big), "x", "2", "-o", str(out / "a.fits")])
        each = CliRunner().invoke(app, ["fix-pixels", str(big), "-o", str(out)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert (one.exit_code, each.exit_code) == (1, 1)
    assert "there is no room for the result" in one.output
    assert list(out.iterdir()) == []


def test_lights_through_several_filters_are_coadded_with_a_note(frames: list[Path], tmp_path: Path) -> None:
    rng = np.random.default_rng(8)
    y, x = np.mgrid[:120, :140]
    sky = 1000 + sum(4000 * np.exp(-((x - u) ** 2 + (y - v) ** 2) / 4) for u, v in rng.uniform(10, 110, (12, 2)))
    for path, name, exposure in zip(frames, "RRB", (60.0, 60.0, 0.0), strict=True):
        header = fits.Header({"IMAGETYP": "LIGHT", "FILTER": name, "EXPTIME": exposure})
        fits.writeto(path, (sky + rng.normal(0, 5, sky.shape)).astype(np.float32), header, overwrite=True)
    done = CliRunner().invoke(app, ["coadd", *map(str, frames), "-o", str(tmp_path / "all.fits"), "--json"])
    told = json.loads(done.stdout)
    assert done.exit_code == 0
    assert told["notes"] == [
        "the lights were taken through several filters: R (2), B (1)",
        "1 lights tell no exposure and are not scaled by it, as light_2.fits: --scale-flux stars",
    ]


def test_results_go_into_a_file_while_a_terminal_shows_progress(frames: list[Path]) -> None:
    wcs = {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 10.0, "CRVAL2": 40.0, "CDELT1": -1e-3, "CDELT2": 1e-3}
    for path in frames:
        fits.writeto(path, np.ones((40, 50), np.float32), fits.Header(wcs | {"CRPIX1": 1, "CRPIX2": 1}), overwrite=True)
    terminal, shell = pty.openpty()
    command = [Path(sys.executable).with_name("pictor"), "wcs", *frames]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=shell, text=True, timeout=60, check=True)
    os.close(shell)
    os.close(terminal)
    assert [line.split(":")[0] for line in done.stdout.splitlines() if "centre" in line] == list(map(str, frames))
