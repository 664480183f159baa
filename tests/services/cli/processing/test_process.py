"""`pictor process` over a small folder: everything in it gets its line, and the products are what they say."""

import csv
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from typer.testing import CliRunner, Result

from pictor.cli.main import app
from pictor.cli.processing.finding import JOURNAL
from pictor.imaging.scratch import NAME
from tests.services.cli.processing.nightfolder import EVIL, EVIL_NAME, write_night, write_odd, write_other_camera

COMMAND = [sys.executable, "-m", "pictor.cli"]
OPTIONS = ["--no-solve", "--jobs", "1"]
"""One child: each costs a second to start."""


@dataclass
class Done:
    folder: Path
    out: Path
    code: int
    told: dict[str, Any]
    before: dict[str, str]
    options: tuple[str, ...]

    def row(self, label: str) -> dict[str, Any]:
        return next(row for row in self.told["rows"] if row["label"] == label)


def run(folder: Path, out: Path, *options: str) -> Result:
    """Run the command in this process: its children are processes all the same."""
    return CliRunner().invoke(app, ["process", str(folder), "-o", str(out), *OPTIONS, *options])


def digests(folder: Path) -> dict[str, str]:
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Done:
    folder, masters = tmp_path_factory.mktemp("a night"), tmp_path_factory.mktemp("ready masters")
    write_night(folder)
    write_odd(folder)
    write_other_camera(folder, masters)
    before = digests(folder)
    begin = time.monotonic()
    options = ("--masters", str(masters), "--require-masters")
    found = run(folder, folder / "out", *options, "--json")
    print(f"{len(before)} files in {time.monotonic() - begin:.1f} s")
    return Done(folder, folder / "out", found.exit_code, json.loads(found.stdout), before, options)


def test_every_file_has_its_line_and_a_reason_where_it_was_not_used(done: Done) -> None:
    assert done.code == 1
    labels = {row["label"]: (row["status"], row["reason"]) for row in done.told["rows"]}
    assert len(labels) == len(done.told["rows"]) == 16 + 3 + 5 + 3
    assert {label for label, (status, _) in labels.items() if status == "ERROR"} == {"cut.fits", "text.fits"}
    assert labels["light_0.fits"] == ("SKIP", "the same bytes as again/light_0.fits")
    assert all(reason for status, reason in labels.values() if status != "OK")
    assert done.told["others"] == 1


def test_nothing_in_the_folder_was_changed(done: Done) -> None:
    assert {path: digest for path, digest in digests(done.folder).items() if "/out/" not in path} == done.before


def test_masters_passed_and_are_used(done: Done) -> None:
    made = {one["kind"]: one for one in done.told["masters"] if one["facts"].get("exposure_s") != 2.0}
    assert {kind: one["verdict"] for kind, one in made.items()} == {
        "bias": "active",
        "dark": "active",
        "flat": "active",
    }
    assert made["dark"]["used_by"] == 5
    light = done.row("light_1.fits")
    assert set(light["masters"]) == {"dark", "flat"}
    assert "calibrated (BDF)" in " ".join(light["notes"])


def test_calibrated_lights_are_flat_and_carry_their_numbers(done: Done) -> None:
    row = done.row("light_1.fits")
    with fits.open(done.out / row["outputs"]["light"], checksum=True) as units:
        header, data = units[0].header, units[0].data
        assert [unit.name for unit in units][:3] == ["SCI", "ERR", "MASK"]
    corner, middle = float(np.median(data[:50, :50])), float(np.median(data[75:125, 95:145]))
    print(f"sky of the calibrated light: {middle:.1f} in the middle, {corner:.1f} in the corner, truth 300")
    assert corner == pytest.approx(middle, rel=0.03)
    assert middle == pytest.approx(300, rel=0.03)
    assert header["NSTARS"] == row["numbers"]["star_count"]
    assert row["numbers"]["fwhm_px"] == pytest.approx(2.3548 * 1.3, rel=0.03)


def test_a_light_in_an_archive_is_processed_like_the_others(done: Done) -> None:
    row = done.row("my observation.zip/raw T05/light 3 of night.fit")
    assert row["status"] == "OK"
    assert (done.out / row["outputs"]["light"]).is_file()


def test_unsolved_lights_are_coadded_by_their_stars(done: Done) -> None:
    coadd = next(one for one in done.told["coadds"] if one["name"] == "M_51_R")
    assert (coadd["frames"], coadd["exposure_s"]) == (4, 240.0)
    assert "aligned by stars" in coadd["notes"][0]
    singles = [done.row(label)["numbers"]["noise_adu"] for label in ("light_1.fits", "light_2.fits")]
    ratio = coadd["numbers"]["noise_adu"] / np.median(singles)
    print(f"noise of the coadd of 4: {ratio:.3f} of a single light's, expected 0.5 and less where interpolated")
    assert 0.3 < ratio < 0.56
    with fits.open(done.out / coadd["outputs"]["fits"], checksum=True) as units:
        assert units[0].header["NINPUT"] == 4
        assert units[0].header["NCOMBINE"] == 4
    assert (done.out / coadd["outputs"]["picture"]).read_bytes()[:4] == b"\x89PNG"


def test_hostile_headers_stay_text_in_every_report(done: Done) -> None:
    page = (done.out / "report.html").read_text()
    assert "<script>alert" not in page
    assert "<img src=x" not in page
    rows = list(csv.reader((done.out / "report.csv").open()))
    evil = next(row for row in rows if row[0] == EVIL_NAME)
    assert f"'{EVIL}" in evil
    assert not [name for name in (done.out / "calibrated").iterdir() if "<" in name.name]


def test_a_second_run_by_another_path_does_nothing_again_and_tells_the_same(
    done: Done, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(done.folder)
    before = {path: Path(path).stat().st_mtime_ns for path in digests(done.out / "calibrated")}
    found = run(done.folder, Path("out"), *done.options, "--json")
    again = json.loads(found.stdout)
    assert found.exit_code == 1
    assert again["reused"] == done.told["reused"] + len(_steps(done.out))
    assert {path: Path(path).stat().st_mtime_ns for path in before} == before
    for one in (again, done.told):
        for name in ("seconds", "reused", "out"):
            one.pop(name, None)
    assert again == done.told
    done.told["seconds"], done.told["reused"] = {}, 0


def _steps(out: Path) -> list[str]:
    return (out / JOURNAL).read_text().splitlines()


def start(folder: Path, out: Path) -> subprocess.Popen[str]:
    call = [*COMMAND, "process", str(folder), "-o", str(out), *OPTIONS]
    return subprocess.Popen(call, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for(out: Path, pattern: str) -> None:
    """Wait for a file that is not empty."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and not any(path.stat().st_size for path in out.glob(pattern)):
        time.sleep(0.02)
    assert list(out.glob(pattern))


def test_a_run_that_was_stopped_and_killed_leaves_no_half_files_and_the_next_one_completes(tmp_path: Path) -> None:
    folder, out = tmp_path / "night", tmp_path / "out"
    folder.mkdir()
    write_night(folder, lights=2, calibration=("dark",))
    with start(folder, out) as process:
        wait_for(out, JOURNAL)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "stopped before it was done; the same command goes on" in errors
    assert "Traceback" not in errors
    assert json.loads((out / "report.json").read_text())["stopped"]
    assert not (out / ".work").exists()
    assert "The run did not end" in (out / "report.html").read_text()
    with start(folder, out) as process:
        wait_for(out, "calibrated/*/*.fits")
        os.kill(process.pid, signal.SIGKILL)
    for path in out.rglob("*.fits"):
        if ".work" not in path.parts:
            with fits.open(path, checksum=True) as units:
                assert all(unit.data is not None for unit in units if unit.header["NAXIS"])
    done_before = len(_steps(out))
    with fits.open(folder / "light_1.fits") as units:
        units[0].header["DATE-OBS"] = "2026-10-12T22:00:00"
        units.writeto(folder / "light_9.fits")
    found = run(folder, out, "--json")
    told = json.loads(found.stdout)
    assert found.exit_code == 0, found.output
    assert told["counts"] == {"OK": 7, "SKIP": 0, "ERROR": 0}
    assert told["reused"] >= done_before - 1 > 0
    steps = [json.loads(line)["key"] for line in _steps(out)]
    assert len(steps) == len(set(steps)), "no step was done twice"
    assert not list(out.rglob(f".{NAME}*"))
    assert not (out / ".work").exists()
    assert [one["frames"] for one in told["coadds"]] == [3]


def test_packed_masters_of_another_folder_are_used_and_nothing_else_is_without(done: Done) -> None:
    light, warm = done.row("other.fits"), done.row("other_warm.fits")
    dark = light["masters"]["dark"]
    assert dark.startswith("masters:ready masters")
    assert dark.endswith("/dark of Cam 2.fits.gz")
    made = next(one for one in done.told["masters"] if one["name"] == dark)
    assert Path(made["path"]).parent == Path("masters/unpacked")
    header = fits.getheader(done.out / light["outputs"]["light"])
    assert (header["CALSTAT"], header["CALDARK"]) == ("BD", Path(made["path"]).name)
    assert (warm["status"], warm["outputs"]) == ("SKIP", {})
    assert "--require-masters" in warm["reason"]


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("empty")
    (folder / "notes.txt").write_text("nothing")
    return folder


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--rules", "nobody"], "neither pictor nor target-scheduler nor a file"),
        (["--setting", "min_frames=2"], "min_frames"),
        (["--setting", "what=1"], "what"),
        (["--jobs", "0"], "greater than or equal to 1"),
    ],
)
def test_a_wrong_call_says_what_is_wrong(quick: Path, tmp_path: Path, options: list[str], words: str) -> None:
    found = CliRunner().invoke(app, ["process", str(quick), "-o", str(tmp_path / "out"), *options])
    assert found.exit_code == 2
    assert words in found.output
    assert not (tmp_path / "out").exists()


def test_the_folder_itself_is_no_place_for_products(quick: Path) -> None:
    found = CliRunner().invoke(app, ["process", str(quick), "-o", str(quick)])
    assert found.exit_code == 2
    assert "the frames lie there" in found.output


def test_a_folder_with_other_files_is_not_written_into(quick: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("precious")
    found = CliRunner().invoke(app, ["process", str(quick), "-o", str(tmp_path)])
    assert found.exit_code == 2
    assert "is not empty" in found.output
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_place_that_cannot_be_written_to_is_told(quick: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    found = CliRunner().invoke(app, ["process", str(quick), "-o", str(tmp_path / "file" / "out")])
    assert found.exit_code == 2
    assert "cannot be written to" in found.output


def test_a_folder_without_frames_gives_an_empty_report(quick: Path, tmp_path: Path) -> None:
    found = CliRunner().invoke(app, ["process", str(quick), "-o", str(tmp_path / "out"), "--json"])
    assert found.exit_code == 0, found.output
    told = json.loads(found.stdout)
    assert (told["rows"], told["others"]) == ([], 1)
    assert (tmp_path / "out" / "report.html").read_text().startswith("<!doctype html>")


def test_a_dry_run_tells_the_plan_and_writes_nothing(done: Done) -> None:
    before = digests(done.out)
    found = run(done.folder, done.out, "--dry-run", "--json")
    plan = json.loads(found.stdout)
    assert found.exit_code == 1
    assert [one["kind"] for one in plan["masters"]] == ["bias", "dark", "dark", "flat"]
    assert "M_51_R: 4 lights" in plan["coadds"]
    assert digests(done.out) == before


def test_help_shows_a_whole_example() -> None:
    found = CliRunner().invoke(app, ["process", "--help"])
    assert found.exit_code == 0
    assert "pictor process night/ -o processed/" in found.output
