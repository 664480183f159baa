"""Stacking and calibrating files without a server: the pixels, the gate and the rules of the services."""

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from typer.testing import CliRunner, Result

from pictor.calibration_stacker import compute
from pictor.cli.calib_files import sha256_of
from pictor.cli.main import app
from pictor.imaging.matching.policy import Policy
from pictor.runtime.version import SOFTWARE
from tests.imaging.calibration.camera import Camera, make_camera

NINA = {
    "INSTRUME": "ASI2600MM", "GAIN": 100, "OFFSET": 30, "SET-TEMP": -10.0, "CCD-TEMP": -9.9, "EGAIN": 1.5,
    "XBINNING": 1, "YBINNING": 1, "SWCREATE": "N.I.N.A. 3.1 (x64)",
}  # fmt: skip


@pytest.fixture
def camera(rng: np.random.Generator) -> Camera:
    return make_camera(rng, side=192)


def pictor(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["calib", *map(str, arguments)])


def darks(camera: Camera, folder: Path, *, count: int = 6, exposure_s: float = 60.0, **cards: object) -> list[Path]:
    said = {**NINA, "IMAGETYP": "DARK", "EXPTIME": exposure_s, "EXPOSURE": exposure_s, **cards}
    return camera.write(folder, f"dark{exposure_s:g}_", [camera.expose(exposure_s) for _ in range(count)], **said)


def flats(camera: Camera, folder: Path, *, count: int = 6, **cards: object) -> list[Path]:
    said = {**NINA, "IMAGETYP": "FLAT", "EXPTIME": 2.0, "EXPOSURE": 2.0, "FILTER": "R", **cards}
    return camera.write(folder, "flat", [camera.expose(2.0, 30_000.0) for _ in range(count)], **said)


def light(camera: Camera, folder: Path, name: str = "light", **cards: object) -> Path:
    said = {**NINA, "IMAGETYP": "LIGHT", "EXPTIME": 60.0, "EXPOSURE": 60.0, "FILTER": "R", "OBJECT": "M 31", **cards}
    return camera.write(folder, name, [camera.expose(60.0, 400.0)], **said)[0]


def by_service(paths: Sequence[Path], kind: str, folder: Path, **said: object) -> Path:
    """Stack as the service does; frames are called by their files, as the command line calls them."""
    folder.mkdir()
    done = compute.stack(
        paths=[str(path) for path in paths], frame_ids=[path.name for path in paths],
        sha256s=[sha256_of(path) for path in paths], kind=kind, scratch=str(folder), policy=asdict(Policy()),
        egain=1.5, saturation_adu=65535.0, **said,  # type: ignore[arg-type]
    )  # fmt: skip
    return Path(str(done["master_path"]))


def test_a_master_from_files_is_byte_for_byte_that_of_the_service(camera: Camera, tmp_path: Path) -> None:
    paths = darks(camera, tmp_path)
    done = pictor("stack", *paths, "-o", tmp_path / "master_dark.fits")
    assert done.exit_code == 0, done.output
    service = by_service(paths, "dark", tmp_path / "service")
    assert (tmp_path / "master_dark.fits").read_bytes() == service.read_bytes()
    bad = service.with_name("bad_pixels.fits")
    assert (tmp_path / "master_dark_bad_pixels.fits").read_bytes() == bad.read_bytes()


def test_flats_from_files_are_byte_for_byte_those_of_the_service(camera: Camera, tmp_path: Path) -> None:
    short, paths = darks(camera, tmp_path, exposure_s=2.0), flats(camera, tmp_path)
    dark = tmp_path / "short.fits"
    assert pictor("stack", *short, "-o", dark).exit_code == 0
    done = pictor("stack", *paths, "-o", tmp_path / "flat.fits", "--dark", dark)
    assert done.exit_code == 0, done.output
    service = by_service(paths, "flat", tmp_path / "service", dark_path=str(dark))
    assert (tmp_path / "flat.fits").read_bytes() == service.read_bytes()


def test_the_gate_is_told_with_its_numbers_and_the_header_with_its_sources(camera: Camera, tmp_path: Path) -> None:
    paths = darks(camera, tmp_path)
    done = pictor("stack", *paths, "-o", tmp_path / "m.fits", "--method", "median", "--read-noise", 6)
    assert "halves differ by" in done.output
    assert "active        6 frames" in done.output
    header = fits.getheader(tmp_path / "m.fits")
    assert (header["NCOMBINE"], header["COMBMETH"], header["IN002ID"]) == (6, "median", paths[1].name)
    assert header["IN002SHA"] == sha256_of(paths[1])
    assert header["PROGRAM"].startswith("pictor ")


def test_a_rejected_master_never_gets_the_name_asked_for(camera: Camera, tmp_path: Path) -> None:
    glow = 8.0 * camera.rng.random((192, 192)).cumsum(axis=1)
    cards = {**NINA, "IMAGETYP": "DARK", "EXPTIME": 60.0}
    paths = camera.write(tmp_path, "dark", [camera.expose(60.0, glow * (i % 2)) for i in range(10)], **cards)
    done = pictor("stack", *paths, "-o", tmp_path / "m.fits", "--json")
    assert done.exit_code == 1
    told = json.loads(done.stdout)
    assert told["verdict"] == "rejected"
    assert told["master_path"] == str(tmp_path / "m.rejected.fits")
    assert (tmp_path / "m.rejected.fits").exists()
    assert not (tmp_path / "m.fits").exists()


def test_nothing_is_overwritten_unless_told(camera: Camera, tmp_path: Path) -> None:
    out = tmp_path / "m.fits"
    out.write_bytes(b"precious")
    paths = darks(camera, tmp_path, count=4)
    done = pictor("stack", *paths, "-o", out)
    assert (done.exit_code, out.read_bytes()) == (2, b"precious")
    assert "exists; --overwrite replaces it" in done.output
    assert pictor("stack", *paths, "-o", out, "--overwrite").exit_code == 0
    assert out.read_bytes().startswith(b"SIMPLE")
    assert not list(tmp_path.glob(".pictor-*")), "the folder of work in progress is gone"


def test_a_frame_that_may_not_be_stacked_is_left_out_and_named(camera: Camera, tmp_path: Path) -> None:
    paths = darks(camera, tmp_path, count=4)
    (warm,) = camera.write(
        tmp_path, "warm", [camera.expose(60.0)], **{**NINA, "IMAGETYP": "DARK", "EXPTIME": 60.0, "CCD-TEMP": -4.0}
    )
    done = pictor("stack", *paths, warm, "-o", tmp_path / "m.fits", "--json")
    assert done.exit_code == 0, done.output
    (left,) = json.loads(done.stdout)["left_out"]
    assert left["file"] == str(warm)
    assert "6.0 C apart" in left["reason"]
    assert fits.getheader(tmp_path / "m.fits")["NCOMBINE"] == 4


def test_frames_of_two_groups_are_refused_and_both_are_named(camera: Camera, tmp_path: Path) -> None:
    paths = [*darks(camera, tmp_path, count=3), *darks(camera, tmp_path, count=4, exposure_s=120.0)]
    done = pictor("stack", *paths, "-o", tmp_path / "m.fits")
    assert done.exit_code == 1
    assert "3 x dark, 192 x 192 binning 1, 60 s, gain 100, offset 30, -10 C" in done.output
    assert "4 x dark, 192 x 192 binning 1, 120 s" in done.output
    assert not (tmp_path / "m.fits").exists()


def test_a_setting_widens_what_belongs_together_and_a_wrong_one_says_its_range(camera: Camera, tmp_path: Path) -> None:
    cold = darks(camera, tmp_path, count=2)
    mild = darks(camera, tmp_path, count=2, exposure_s=60.01, **{"SET-TEMP": -5.0, "CCD-TEMP": -5.0})
    files = [*cold, *mild]
    assert pictor("stack", *files, "-o", tmp_path / "m.fits").exit_code == 1
    assert pictor("stack", *files, "-o", tmp_path / "m.fits", "--set", "temperature_tolerance_c=6").exit_code == 0
    done = pictor("stack", *files, "-o", tmp_path / "n.fits", "--set", "temperature_tolerance_c=60")
    assert done.exit_code == 2
    assert "it must lie between 0.1 and 20" in done.output


def test_flats_want_a_dark_of_their_exposure(camera: Camera, tmp_path: Path) -> None:
    paths = flats(camera, tmp_path)
    done = pictor("stack", *paths, "-o", tmp_path / "f.fits")
    assert done.exit_code == 2
    assert "flats need --dark" in done.output
    long = tmp_path / "long.fits"
    assert pictor("stack", *darks(camera, tmp_path), "-o", long).exit_code == 0
    done = pictor("stack", *paths, "-o", tmp_path / "f.fits", "--dark", long)
    assert done.exit_code == 1
    assert "exposure: frame 2, master 60, allowed 0.1" in done.output
    assert not (tmp_path / "f.fits").exists()
    said = {**NINA, "IMAGETYP": "BIAS", "EXPTIME": 0.0}
    bias = tmp_path / "bias.fits"
    biases = camera.write(tmp_path, "bias", [camera.expose(0.0) for _ in range(4)], **said)
    assert pictor("stack", *biases, "-o", bias).exit_code == 0
    command = ["stack", *paths, "-o", tmp_path / "f.fits", "--dark", bias]
    assert "a bias stands in below bias_for_flats_below_s, now 0 s" in pictor(*command).output
    assert pictor(*command, "--set", "bias_for_flats_below_s=3").exit_code == 0


def test_a_list_of_bad_pixels_is_marked_in_the_master(camera: Camera, tmp_path: Path) -> None:
    listed = tmp_path / "bad.yaml"
    listed.write_text("bad_columns: [7]\n")
    done = pictor("stack", *darks(camera, tmp_path), "-o", tmp_path / "m.fits", "--bad-pixels", listed)
    assert done.exit_code == 0, done.output
    with fits.open(tmp_path / "m.fits") as units:
        assert (units["MASK"].data[:, 6] & 1).all()
    assert fits.getdata(tmp_path / "m_bad_pixels.fits")[:, 6].all()


@pytest.fixture
def library(camera: Camera, tmp_path: Path) -> dict[str, Path]:
    """A master dark of 60 s and a master flat, in files."""
    folder = tmp_path / "library"
    folder.mkdir()
    out = {name: folder / f"{name}.fits" for name in ("dark", "short", "flat")}
    assert pictor("stack", *darks(camera, folder), "-o", out["dark"]).exit_code == 0
    assert pictor("stack", *darks(camera, folder, exposure_s=2.0), "-o", out["short"]).exit_code == 0
    assert pictor("stack", *flats(camera, folder), "-o", out["flat"], "--dark", out["short"]).exit_code == 0
    return out


def test_a_calibrated_light_is_byte_for_byte_that_of_the_service(
    camera: Camera, library: dict[str, Path], tmp_path: Path
) -> None:
    raw = light(camera, tmp_path)
    done = pictor("apply", raw, "--dark", library["dark"], "--flat", library["flat"], "-o", tmp_path / "out")
    assert done.exit_code == 0, done.output
    made = tmp_path / "out" / f"{raw.stem}_calibrated.fits"
    masters = {kind: str(library[kind]) for kind in ("dark", "flat")}
    identities = {kind: library[kind].name for kind in masters}
    hashes = {kind: sha256_of(library[kind]) for kind in masters}
    (tmp_path / "service").mkdir()
    service = compute.calibrate(
        path=str(raw), scratch=str(tmp_path / "service"), masters=masters, identities=identities, egain=1.5,
        saturation_adu=65535.0, sha256s=hashes, software=SOFTWARE,
    )  # fmt: skip
    assert made.read_bytes() == Path(str(service["path"])).read_bytes()
    level = float(np.median(fits.getdata(made)))
    print(f"calibrated level {level:.2f} ADU, truth {400 / 1.5:.2f} ADU relative to the central quarter of the flat")
    assert fits.getheader(made)["CALSTAT"] == "BDF"


def test_a_light_the_masters_do_not_fit_is_refused_and_the_others_are_done(
    camera: Camera, library: dict[str, Path], tmp_path: Path
) -> None:
    good, other = light(camera, tmp_path), light(camera, tmp_path, "other", GAIN=200)
    command = ["apply", other, good, "--dark", library["dark"], "-o", tmp_path / "out"]
    done = pictor(*command)
    assert done.exit_code == 1
    assert "gain_setting: frame 200, master 100" in done.output
    assert [path.name for path in (tmp_path / "out").iterdir()] == [f"{good.stem}_calibrated.fits"]
    done = pictor(*command, "--insist", "--overwrite", "--json")
    assert done.exit_code == 0
    assert len(json.loads(done.stdout)[0]["misses"]) == 1


def test_calibrated_lights_are_not_overwritten_and_a_flat_alone_is_refused(
    camera: Camera, library: dict[str, Path], tmp_path: Path
) -> None:
    raw = light(camera, tmp_path)
    done = pictor("apply", raw, "--flat", library["flat"], "-o", tmp_path / "out")
    assert (done.exit_code, "give --dark or --bias" in done.output) == (2, True)
    done = pictor("apply", raw, "--dark", library["flat"], "-o", tmp_path / "out")
    assert (done.exit_code, "is a master flat, not a dark" in done.output) == (2, True)
    (tmp_path / "out").mkdir(exist_ok=True)
    taken = tmp_path / "out" / f"{raw.stem}_calibrated.fits"
    taken.write_bytes(b"precious")
    assert pictor("apply", raw, "--dark", library["dark"], "-o", tmp_path / "out").exit_code == 2
    assert taken.read_bytes() == b"precious"
    copy = tmp_path / "copy"
    copy.mkdir()
    shutil.copy(raw, copy)
    done = pictor("apply", raw, copy / raw.name, "--dark", library["dark"], "-o", tmp_path / "new")
    assert (done.exit_code, "the same name" in done.output) == (2, True)


def test_listed_bad_pixels_are_repaired_in_the_light(camera: Camera, library: dict[str, Path], tmp_path: Path) -> None:
    listed = tmp_path / "bad.yaml"
    listed.write_text("bad_columns: [7]\n")
    raw = light(camera, tmp_path)
    done = pictor("apply", raw, "--dark", library["dark"], "--bad-pixels", listed, "-o", tmp_path / "o", "--json")
    assert done.exit_code == 0, done.output
    (told,) = json.loads(done.stdout)
    with fits.open(told["path"]) as units:
        assert (units["MASK"].data[:, 6] & 1).all()
    assert told["repaired"] >= 192


def test_a_list_of_unbinned_pixels_is_brought_to_the_binning_of_the_light(
    camera: Camera, library: dict[str, Path], tmp_path: Path
) -> None:
    listed = tmp_path / "bad.yaml"
    listed.write_text("columns: [[301, 302]]\n")
    raw = light(camera, tmp_path, XBINNING=2, YBINNING=2)
    out = ["--bad-pixels", listed, "--insist", "--json", "-o", tmp_path / "o"]
    done = pictor("apply", raw, "--dark", library["dark"], *out)
    assert done.exit_code == 0, done.output
    with fits.open(json.loads(done.stdout)[0]["path"]) as units:
        assert np.flatnonzero((units["MASK"].data & 1).all(axis=0)).tolist() == [150]


def test_a_file_that_is_no_frame_is_a_sentence_and_not_a_traceback(tmp_path: Path) -> None:
    path = tmp_path / "text.fits"
    path.write_text("no frame at all")
    done = pictor("stack", path, path, "-o", tmp_path / "m.fits")
    assert done.exit_code == 1
    assert done.output.startswith(f"pictor: {path}: ")
    assert "Traceback" not in done.output


def test_one_exposure_counts_once(camera: Camera, tmp_path: Path) -> None:
    paths = darks(camera, tmp_path, count=3)
    shutil.copy(paths[0], tmp_path / "copy.fits")
    done = pictor("stack", *paths, tmp_path / "copy.fits", "-o", tmp_path / "m.fits")
    assert (done.exit_code, "are the same frame" in done.output) == (1, True)


def test_a_bias_beside_a_dark_that_holds_it_is_not_taken_off_twice(
    camera: Camera, library: dict[str, Path], tmp_path: Path
) -> None:
    said = {**NINA, "IMAGETYP": "BIAS", "EXPTIME": 0.0}
    biases = camera.write(tmp_path, "bias", [camera.expose(0.0) for _ in range(6)], **said)
    bias = tmp_path / "master_bias.fits"
    assert pictor("stack", *biases, "-o", bias).exit_code == 0
    raw = light(camera, tmp_path)
    levels = {}
    for name, given in {
        "dark": ["--dark", library["dark"]],
        "both": ["--dark", library["dark"], "--bias", bias],
    }.items():
        done = pictor("apply", raw, *given, "-o", tmp_path / name, "--json")
        assert done.exit_code == 0, done.output
        made = fits.open(json.loads(done.stdout)[0]["path"])[0]
        levels[name] = float(np.median(made.data))
        assert "CALBIAS" not in made.header
    assert levels["both"] == levels["dark"] == pytest.approx(400 * float(np.median(camera.response)) / 1.5, rel=0.01)
    done = pictor("apply", raw, "--bias", bias, "-o", tmp_path / "bias_only", "--cosmics", "--json")
    (told,) = json.loads(done.stdout)
    assert told["calstat"] == "B"


@pytest.mark.parametrize(
    ("cards", "told"),
    [({"PROGRAM": "Siril v1.0.6"}, "is not in ADU: Siril writes real numbers as shares"), ({}, "state adu_per_unit")],
)
def test_a_master_in_shares_of_a_range_is_never_taken_off_a_light(
    camera: Camera, tmp_path: Path, cards: dict[str, str], told: str
) -> None:
    taken = light(camera, tmp_path)
    for kind, option in (("Master Dark", "--dark"), ("Master Bias", "--bias")):
        header = fits.Header({**NINA, "SWCREATE": "", "IMAGETYP": kind, "EXPTIME": 60.0, **cards})
        fits.PrimaryHDU((camera.expose(60.0) / 65535).astype(np.float32), header).writeto(
            tmp_path / "m.fits", overwrite=True
        )
        done = pictor("apply", taken, option, tmp_path / "m.fits", "-o", tmp_path, "--insist")
        assert (done.exit_code, told in " ".join(done.output.split())) == (1, True), done.output


def test_a_light_that_is_calibrated_is_not_calibrated_again(
    camera: Camera, library: dict[str, Path], tmp_path: Path
) -> None:
    raw = light(camera, tmp_path)
    assert pictor("apply", raw, "--dark", library["dark"], "-o", tmp_path / "a").exit_code == 0
    done = pictor("apply", *(tmp_path / "a").iterdir(), "--dark", library["dark"], "-o", tmp_path / "b")
    assert (done.exit_code, "came calibrated already" in done.output) == (1, True)
