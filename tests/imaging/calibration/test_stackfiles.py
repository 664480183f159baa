"""Masters made of files by a call, without any server."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from pictor.calibration_stacker import compute
from pictor.imaging.calibration.masters import Kind, read_master
from pictor.imaging.calibration.stackfiles import stack_files
from pictor.imaging.errors import FrameMismatchError, ImagingError

SHAPE = (96, 80)
TIMES = [f"2026-11-20T22:{minute:02d}:00" for minute in range(10)]


@pytest.fixture
def darks(rng: np.random.Generator, tmp_path: Path) -> list[Path]:
    """Ten darks with a hot pixel, and a hit in the fourth."""
    paths = []
    for i, start in enumerate(TIMES):
        frame = rng.normal(500, 5, SHAPE)
        frame[10, 20] += 800
        frame[40, 50] += 30_000 if i == 3 else 0
        paths.append(tmp_path / f"dark{i}.fits")
        header = fits.Header({"EXPTIME": 60.0, "DATE-OBS": start, "IMAGETYP": "DARK"})
        fits.writeto(paths[-1], np.rint(frame).astype(np.uint16), header)
    return paths


def test_a_call_makes_the_master_the_service_makes_and_leaves_its_files_alone(
    darks: list[Path], tmp_path: Path
) -> None:
    before = [hashlib.sha256(path.read_bytes()).hexdigest() for path in darks]
    done = stack_files(darks, tmp_path / "master.fits", kind=Kind.DARK, bad_pixels=tmp_path / "bad.fits")
    again = stack_files(darks[::-1], tmp_path / "again.fits", kind=Kind.DARK)
    assert done.path.read_bytes() == again.path.read_bytes()
    assert [hashlib.sha256(path.read_bytes()).hexdigest() for path in darks] == before
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    compute.stack(
        paths=[str(path) for path in darks], frame_ids=[path.name for path in darks], sha256s=before, kind="dark",
        scratch=str(scratch),
    )  # fmt: skip
    ours, service = read_master(done.path), read_master(scratch / "master.fits")
    for plane in ("sci", "err", "mask", "nused"):
        np.testing.assert_array_equal(getattr(ours, plane), getattr(service, plane))
    assert fits.getdata(tmp_path / "bad.fits")[10, 20] == 1
    assert abs(ours.sci[40, 50] - 500) < 10
    assert (ours.nused[40, 50], done.statistics.frames) == (9, 10)
    assert done.unlike == {}


def test_a_frame_unlike_the_others_is_named(darks: list[Path], tmp_path: Path) -> None:
    with fits.open(darks[6], mode="update") as units:
        units[0].data[: SHAPE[0] // 2] += 40
    done = stack_files(darks, tmp_path / "master.fits", kind=Kind.DARK)
    print(done.unlike)
    assert list(done.unlike) == ["dark6.fits"]


def test_a_pixel_without_a_number_in_one_frame_is_made_of_the_others(darks: list[Path], tmp_path: Path) -> None:
    data = fits.getdata(darks[0]).astype(np.float32)
    data[5, 5] = np.nan
    fits.writeto(darks[0], data, fits.getheader(darks[0]), overwrite=True)
    made = read_master(stack_files(darks, tmp_path / "master.fits", kind=Kind.DARK).path)
    assert abs(made.sci[5, 5] - 500) < 10
    assert made.nused[5, 5] == 9
    assert np.isfinite(made.sci).all()


def test_frames_below_their_dark_do_not_wrap(rng: np.random.Generator, tmp_path: Path) -> None:
    paths = [tmp_path / f"flat{i}.fits" for i in range(5)]
    for path in paths:
        frame = rng.normal(20_000, 50, SHAPE)
        frame[:, 0] = 480
        fits.writeto(path, np.rint(frame).astype(np.uint16), fits.Header({"EXPTIME": 2.0}))
    dark = tmp_path / "dark.fits"
    fits.writeto(dark, np.full(SHAPE, 500, np.float32), fits.Header({"DARKBIAS": True}))
    made = read_master(stack_files(paths, tmp_path / "flat.fits", kind=Kind.FLAT, dark=dark).path)
    assert made.sci[:, 1:] == pytest.approx(1.0, abs=0.02)
    assert (made.mask[:, 0] & 4 == 4).all()


def test_what_cannot_be_stacked_is_refused_in_a_sentence(darks: list[Path], tmp_path: Path) -> None:
    with pytest.raises(ImagingError, match="would be written over dark0"):
        stack_files(darks, darks[0], kind=Kind.DARK)
    with pytest.raises(ImagingError, match="without a matching master dark"):
        stack_files(darks, tmp_path / "flat.fits", kind=Kind.FLAT)
    fits.writeto(tmp_path / "small.fits", np.zeros((8, 8), np.uint16))
    with pytest.raises(FrameMismatchError, match="8 x 8"):
        stack_files([*darks, tmp_path / "small.fits"], tmp_path / "master.fits", kind=Kind.DARK)
