"""The same stacking as a call: files in, a master out, no server; and what a stack finds out about its inputs."""

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from pictor.calibration_stacker.gate import Verdict
from pictor.calibration_stacker.stacking import Order, stack_group
from pictor.imaging.calibration.building import Recipe
from pictor.imaging.calibration.masters import Kind, read_master
from pictor.imaging.matching.policy import Policy
from tests.imaging.calibration.camera import Camera, make_camera

CARDS = {"INSTRUME": "a camera", "GAIN": 100, "OFFSET": 30, "XBINNING": 1, "YBINNING": 1, "SET-TEMP": -10.0}


@pytest.fixture
def camera(rng: np.random.Generator) -> Camera:
    return make_camera(rng, side=128)


def order(paths: list[Path], folder: Path, kind: Kind = Kind.BIAS) -> Order:
    folder.mkdir()
    sums = tuple(hashlib.sha256(path.read_bytes()).hexdigest() for path in paths)
    return Order(tuple(paths), tuple(path.stem for path in paths), sums, Recipe(kind), Policy(), folder)


def test_files_become_a_master_file_without_any_server(camera: Camera, tmp_path: Path) -> None:
    paths = camera.write(tmp_path, "bias", [camera.expose(0.0) for _ in range(10)], **CARDS)
    one, two = (stack_group(order(paths, tmp_path / name)) for name in ("one", "two"))
    assert one.gate.verdict is Verdict.ACTIVE, one.gate.reasons
    assert read_master(one.master_path).sci.mean() == pytest.approx(500.0, abs=0.5)
    assert one.master_path.read_bytes() == two.master_path.read_bytes(), "same inputs, same bytes"


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"GAIN": 200}, "gain setting: 100.0 in 5, 200.0 in 5"),
        ({"OFFSET": 10}, "offset setting: 10.0 in 5, 30.0 in 5"),
        ({"XBINNING": 2}, "binning x: 1 in 5, 2 in 5"),
        ({"SET-TEMP": -15.0}, "temperature: -15 to -10 C, 2 C apart at most"),
    ],
)
def test_inputs_whose_headers_differ_make_no_master(
    said: dict[str, object], told: str, camera: Camera, tmp_path: Path
) -> None:
    frames = [camera.expose(0.0) for _ in range(10)]
    paths = [
        *camera.write(tmp_path, "a", frames[:5], **CARDS),
        *camera.write(tmp_path, "b", frames[5:], **CARDS | said),
    ]
    done = stack_group(order(paths, tmp_path / "out"))
    assert done.gate.verdict is Verdict.REJECTED
    assert told in " ".join(done.gate.reasons)


def test_darks_of_two_exposures_differ_by_their_headers(camera: Camera, tmp_path: Path) -> None:
    frames = [camera.expose(1.0) for _ in range(6)]
    paths = [
        *camera.write(tmp_path, "a", frames[:3], EXPTIME=1.0, **CARDS),
        *camera.write(tmp_path, "b", frames[3:], EXPTIME=2.0, **CARDS),
    ]
    done = stack_group(order(paths, tmp_path / "out", Kind.DARK))
    assert "exposure: 1 to 2 s, 0.05 s apart at most" in " ".join(done.gate.reasons)


def test_a_frame_that_loses_its_samples_is_left_out_and_named(camera: Camera, tmp_path: Path) -> None:
    frames = [camera.expose(0.0) for _ in range(10)]
    frames[4][:64] += 40
    done = stack_group(order(camera.write(tmp_path, "bias", frames, **CARDS), tmp_path / "out"))
    print(done.refused)
    assert list(done.refused) == ["bias04"]
    assert "% of its samples do not fit the other frames" in done.refused["bias04"]
    assert done.built.combined.statistics.frames == 9
    assert done.gate.verdict is Verdict.ACTIVE, done.gate.reasons
    assert read_master(done.master_path).header["NCOMBINE"] == 9


def test_listed_pixels_are_in_the_map_and_the_mask_whatever_the_binning(camera: Camera, tmp_path: Path) -> None:
    paths = camera.write(tmp_path, "dark", [camera.expose(1.0) for _ in range(5)], EXPTIME=1.0, **CARDS)
    wanted = replace(
        order(paths, tmp_path / "out", Kind.DARK), bad_pixel_list="pixels: [[21, 31]]\ncolumns: [900]", binning=2
    )
    done = stack_group(wanted)
    assert done.bad_pixels_path is not None
    assert read_master(done.bad_pixels_path, planes=()).sci[10, 15] == 1
    assert read_master(done.master_path).mask[10, 15] & 1


def test_of_a_part_of_the_sensor_the_listed_pixels_are_those_that_lie_in_it(camera: Camera, tmp_path: Path) -> None:
    paths = camera.write(tmp_path, "dark", [camera.expose(1.0) for _ in range(5)], EXPTIME=1.0, **CARDS)
    wanted = replace(
        order(paths, tmp_path / "out", Kind.DARK), bad_pixel_list="pixels: [[121, 231], [5, 5]]\nrows: [[90, 104]]",
        binning=1, origin=(200, 100),
    )  # fmt: skip
    mask = read_master(stack_group(wanted).master_path).mask
    assert mask[20, 30] & 1
    assert (mask[:4] & 1).all()
    assert (mask[4:20, :20] & 1).mean() < 0.1


def test_a_set_gives_one_master_in_whatever_order_it_is_listed(camera: Camera, tmp_path: Path) -> None:
    paths = camera.write(tmp_path, "dark", [camera.expose(1.0) for _ in range(7)], EXPTIME=1.0, **CARDS)
    one = stack_group(order(paths, tmp_path / "there", Kind.DARK)).master_path.read_bytes()
    two = stack_group(order(paths[::-1], tmp_path / "back", Kind.DARK)).master_path.read_bytes()
    assert one == two


def test_a_dark_in_use_whose_bias_was_subtracted_is_compared_by_its_hot_pixels_alone(
    rng: np.random.Generator, tmp_path: Path
) -> None:
    camera = make_camera(rng, side=256)
    active = tmp_path / "active.fits"
    (tmp_path / "first").mkdir()
    paths = camera.write(tmp_path / "first", "dark", [camera.expose(60.0) for _ in range(8)], EXPTIME=60.0, **CARDS)
    made = read_master(stack_group(order(paths, tmp_path / "made", Kind.DARK)).master_path)
    planes = [fits.PrimaryHDU(made.sci - 500, fits.Header({"IMAGETYP": "Master Dark", "DARKBIAS": False}))]
    fits.HDUList([*planes, fits.ImageHDU(made.err, name="ERR")]).writeto(active)
    other = camera.write(tmp_path, "dark", [camera.expose(60.0) for _ in range(8)], EXPTIME=60.0, **CARDS)
    found = stack_group(replace(order(other, tmp_path / "new", Kind.DARK), active_path=active)).gate
    told = {check.name: check for check in found.checks}
    print(told["hot pixels"].detail)
    assert found.verdict is Verdict.ACTIVE, found.reasons
    assert told["active master"].detail.startswith("the bias of the active master was subtracted")
    assert told["hot pixels"].value is not None
    assert told["hot pixels"].value > 0.9


def test_turned_round_a_dark_has_not_the_hot_pixels_of_the_one_in_use(rng: np.random.Generator, tmp_path: Path) -> None:
    camera = make_camera(rng, side=256)
    paths = camera.write(tmp_path, "dark", [camera.expose(60.0) for _ in range(8)], EXPTIME=60.0, **CARDS)
    active = stack_group(order(paths, tmp_path / "made", Kind.DARK)).master_path
    turned = camera.write(
        tmp_path, "turned", [camera.expose(60.0)[::-1, ::-1] for _ in range(8)], EXPTIME=60.0, **CARDS
    )  # fmt: skip
    found = stack_group(replace(order(turned, tmp_path / "new", Kind.DARK), active_path=active)).gate
    assert found.verdict is Verdict.NEEDS_REVIEW
    assert any("of the hot pixels of the active master are hot in this one" in told for told in found.reasons)
