"""Which frames a call names: patterns, names of any letters, frames that may not be read, frames done before."""

import io
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from typer.testing import CliRunner, Result

from pictor.cli.main import app, print_any_name

SETPRIV = ["setpriv", "--bounding-set=-dac_override,-dac_read_search,-fowner", "--inh-caps=-all"]
"""Runs a program that must mind the modes of files, also where root runs it."""

CAMERA = {"TELESCOP": "Scope", "INSTRUME": "Cam"}
CUBOID = np.random.default_rng(3).normal(1000, 10, (40, 50)).astype(np.float32)


@pytest.fixture
def frames(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Three frames in the current folder, named without it."""
    monkeypatch.chdir(tmp_path)
    paths = [Path(f"light_{number}.fits") for number in range(3)]
    for path in paths:
        fits.writeto(path, CUBOID, fits.Header({"IMAGETYP": "LIGHT", "EXPTIME": 60.0, **CAMERA}))
    return paths


def _run(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def _pictor(*words: object, before: list[str] | None = None) -> subprocess.CompletedProcess[bytes]:
    pictor = Path(sys.executable).with_name("pictor")
    return subprocess.run([*(before or []), pictor, *map(str, words)], capture_output=True, timeout=60, check=False)


@pytest.mark.usefixtures("frames")
@pytest.mark.parametrize("pattern", ["light_*.fits", "**/light_[0-2].fits"])
def test_a_pattern_in_quotes_names_the_frames_that_fit_it(pattern: str) -> None:
    done = _run("fix-pixels", pattern, "-o", "out", "--json")
    assert [Path(one["input"]).name for one in json.loads(done.stdout)] == [f"light_{n}.fits" for n in range(3)]


def test_a_file_that_is_there_is_no_pattern(frames: list[Path]) -> None:
    odd = frames[0].rename("light_[12].fits")
    assert [one["input"] for one in json.loads(_run("fix-pixels", odd, "--json").stdout)] == [str(odd)]


@pytest.mark.usefixtures("frames")
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("light_9*.fits", "light_9*.fits: no file fits this pattern"),
        ("light_9.fits", "light_9.fits: No such file or directory"),
        ("x" * 300, "File name too long"),
        (".", ". is a folder; give the frames in it, as *.fits"),
    ],
)
def test_a_name_of_no_frame_is_a_wrong_call(name: str, words: str) -> None:
    done = _run("stars", "light_0.fits", name)
    assert done.exit_code == 2
    assert words in " ".join(done.output.split())
    assert sorted(path.name for path in Path().iterdir()) == [f"light_{number}.fits" for number in range(3)]


def test_a_result_whose_name_would_be_too_long_is_a_wrong_call(frames: list[Path]) -> None:
    long = frames[0].rename("x" * 245 + ".fits")
    done = _run("stars", long, frames[1], "-o", "out")
    assert done.exit_code == 2
    assert "a name of a file has at most 255 bytes" in done.output
    assert not Path("out").exists()


def test_names_that_are_no_utf8_are_told_and_written_as_they_are(
    frames: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", "utf-8:strict")
    names = [b"caf\xe9.fits", "é中.fits".encode()]
    for name in names:
        shutil.copy(frames[0], os.fsdecode(name))
    done = _pictor("summary", *map(os.fsdecode, names), "-o", "s.csv")
    assert (done.returncode, done.stderr) == (0, b"")
    lists = Path("s_accepted.txt").read_bytes() + Path("s_rejected.txt").read_bytes()
    assert any(name in lists for name in names)


def test_letters_a_terminal_does_not_know_are_escaped(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(shown, encoding="ascii"))
    print_any_name()
    print("é", flush=True)
    assert shown.getvalue() == b"\\xe9\n"


def test_a_frame_and_a_master_that_may_not_be_read_are_named_and_the_others_used(frames: list[Path]) -> None:
    Path("masters").mkdir()
    card = fits.Header({"IMAGETYP": "Master Bias", "EXPTIME": 0.0, **CAMERA})
    fits.writeto("masters/bias.fits", np.full((40, 50), 500.0, np.float32), card)
    shutil.copy("masters/bias.fits", "masters/secret.fits")
    Path("masters/empty.fits").touch()
    Path("masters/secret.fits").chmod(0)
    frames[1].chmod(0)
    done = _pictor("calibrate", *frames, "--masters", "masters", "-o", "out", "--json", before=SETPRIV)
    assert done.returncode == 1
    assert b"light_1.fits: Permission denied" in done.stderr
    assert b"masters/secret.fits is left out: Permission denied" in done.stderr
    assert b"masters/empty.fits is left out: The file is empty." in done.stderr
    assert [one.get("reason") for one in json.loads(done.stdout)] == [None, "unreadable", None]


def test_a_folder_that_may_not_be_written_to_is_a_wrong_call(frames: list[Path]) -> None:
    Path("locked").mkdir(mode=0o500)
    done = _pictor("fix-pixels", frames[0], "-o", "locked/new", before=SETPRIV)
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"locked/new is no folder to write into: Permission denied" in done.stderr


@pytest.mark.parametrize(
    ("command", "made"),
    [
        ("background --cell 16", "background.fits"), ("cosmics", "clean.fits"), ("fix-pixels", "fixed.fits"),
        ("metadata --observer Vera", "metadata.fits"), ("preview", "preview.png"), ("stars", "stars.fits"),
        ("register --reference light_0.fits --by wcs", "registered.fits"), ("resample", "resampled.fits"),
        ("calibrate --bias bias.fits", "calibrated.fits"),
    ],
)  # fmt: skip
def test_a_call_goes_on_where_it_was_stopped(command: str, made: str, frames: list[Path]) -> None:
    sky = {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 10.0, "CRVAL2": 40.0, "CDELT1": -1e-3, "CDELT2": 1e-3}
    cards = {"IMAGETYP": "LIGHT", "EXPTIME": 60.0, "CRPIX1": 1.0, "CRPIX2": 1.0, **CAMERA, **sky}
    for path in frames:
        fits.writeto(path, CUBOID, fits.Header(cards), overwrite=True)
    fits.writeto("bias.fits", CUBOID - 900, fits.Header({"IMAGETYP": "Master Bias", "EXPTIME": 0.0, **CAMERA}))
    words = command.split()
    products = [Path(f"out/light_{number}_{made}") for number in range(3)]
    assert _run(words[0], *frames[:2], *words[1:], "-o", "out").exit_code == 0
    before = [path.stat().st_mtime_ns for path in products[:2]]
    assert _run(words[0], *frames, *words[1:], "-o", "out").exit_code == 2
    done = _run(words[0], *frames, *words[1:], "-o", "out", "--resume")
    assert done.exit_code == 0, done.output
    assert "2 of 3 frames are done already" in done.output
    assert [path.stat().st_mtime_ns for path in products[:2]] == before
    assert products[2].exists()


def test_a_frame_with_a_part_of_its_products_is_done_again(frames: list[Path]) -> None:
    assert _run("cosmics", frames[0], "-o", "out").exit_code == 0
    done = _run("cosmics", *frames, "-o", "out", "--mask-out", "--resume", "--json")
    assert len(json.loads(done.stdout)) == 3
    assert Path("out/light_0_hits.fits").exists()


def test_a_call_stopped_by_ctrl_c_tells_what_it_did(frames: list[Path]) -> None:
    pictor = Path(sys.executable).with_name("pictor")
    copies = [shutil.copy(frames[0], f"copy_{number}.fits") for number in range(100)]
    command = [pictor, "fix-pixels", *copies, "-o", "out", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        while not Path("out/copy_1_fixed.fits").exists():
            assert running.poll() is None
        running.send_signal(signal.SIGINT)
        told, said = running.communicate(timeout=30)
    assert running.returncode == 130
    assert 1 <= len(json.loads(told)) < 100
    assert f"stopped; {len(json.loads(told))} of 100 frames".encode() in said


def test_what_is_refused_is_told_as_json_too(frames: list[Path]) -> None:
    fits.writeto("other.fits", np.ones((9, 9), np.float32))
    done = _run("imarith", frames[0], "+", "other.fits", "-o", "out.fits", "--json")
    assert done.exit_code == 1
    assert set(json.loads(done.stdout)) == {"refused", "reason"}


def test_a_reader_that_goes_away_is_no_error(frames: list[Path]) -> None:
    pictor = Path(sys.executable).with_name("pictor")
    with subprocess.Popen([pictor, "wcs", *frames * 50], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdout.close()
        said = running.stderr.read()
    assert b"Traceback" not in said
    assert b"Broken pipe" not in said
