"""Any frames in files, combined as they are."""

import gzip
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from pictor.imaging.combine.frames import combine_frames
from pictor.imaging.combine.method import Method, Scaling
from pictor.imaging.combine.plain import combine_plain, write_plain
from pictor.imaging.errors import FrameMismatchError, ImagingError
from pictor.imaging.frame import HIT, NO_DATA, Frame
from tests.imaging.combine.conftest import Writer

SHAPE = (66, 80)


@pytest.fixture
def cube(rng: np.random.Generator) -> np.ndarray:
    values = rng.normal(1000, 10, (6, *SHAPE)) * np.linspace(0.8, 1.2, 6)[:, None, None]
    values[2, 10, 10] = 40_000
    return np.rint(values).astype(np.uint16)


@pytest.mark.parametrize("scale", list(Scaling))
@pytest.mark.parametrize("method", list(Method))
def test_files_and_frames_in_memory_give_the_same(
    write: Writer, cube: np.ndarray, method: Method, scale: Scaling
) -> None:
    found = combine_plain(write(cube), method=method, scale=scale)
    held = combine_frames(list(cube), method=method, scale=scale)
    np.testing.assert_allclose(found.combined.sci, held.frame.data, rtol=1e-6)
    np.testing.assert_array_equal(found.combined.nused, held.nused)
    np.testing.assert_allclose(found.factors, held.factors, rtol=1e-6)
    whole = held.nused == len(cube)
    np.testing.assert_allclose(found.combined.err[whole], held.frame.err[whole], rtol=0.04)


def test_a_mask_beside_the_image_keeps_samples_out(tmp_path: Path) -> None:
    paths = []
    for i, value in enumerate((100.0, 200.0, 900.0)):
        mask = np.zeros(SHAPE, np.uint8)
        mask[4, 5] = HIT if i == 2 else 0
        mask[6, 7] = NO_DATA
        paths.append(tmp_path / f"{i}.fits")
        units = [fits.PrimaryHDU(np.full(SHAPE, value, np.float32)), fits.ImageHDU(mask, name="MASK")]
        fits.HDUList(units).writeto(paths[-1])
    found = combine_plain(paths, method=Method.MEAN).combined
    assert (found.sci[4, 5], found.nused[4, 5]) == (150.0, 2)
    assert found.sci[0, 0] == 400.0
    assert (found.nused[6, 7], found.mask[6, 7]) == (0, NO_DATA)


def test_packed_files_are_read(write: Writer, cube: np.ndarray, tmp_path: Path) -> None:
    paths = write(cube)
    packed = tmp_path / "packed.fits.gz"
    packed.write_bytes(gzip.compress(paths[0].read_bytes()))
    one, two = combine_plain(paths), combine_plain([packed, *paths[1:]])
    np.testing.assert_array_equal(one.combined.sci, two.combined.sci)


def test_photon_noise_of_bright_pixels_is_not_taken_for_hits(rng: np.random.Generator, write: Writer) -> None:
    mean = np.full(SHAPE, 300.0)
    mean[20:40, 20:40] = 40_000
    cube = rng.poisson(mean, (4, *SHAPE)).astype(np.uint16)
    found = combine_plain(write(cube), egain=1.0).combined
    bright = found.nused[20:40, 20:40]
    print(f"{int((4 - bright).sum())} of {4 * bright.size} samples of bright pixels rejected")
    assert (4 - bright).sum() < 0.02 * 4 * bright.size
    ratio = found.err[25, 25] / np.sqrt(40_000 / bright[5, 5])
    assert ratio == pytest.approx(1.0, rel=0.05)


def test_a_product_has_its_planes_and_its_unit(write: Writer, cube: np.ndarray, tmp_path: Path) -> None:
    found = combine_plain(write(cube, BUNIT="electron"))
    assert found.unit == "electron"
    write_plain(tmp_path / "out.fits", found, fits.Header({"BUNIT": "electron"}))
    with fits.open(tmp_path / "out.fits", checksum=True) as units:
        assert [unit.name for unit in units] == ["SCI", "ERR", "MASK", "NUSED"]
    back = Frame.from_fits(tmp_path / "out.fits")
    np.testing.assert_array_equal(back.data, found.combined.sci)
    assert back.unit == "electron"


def test_frames_that_do_not_fit_are_refused(write: Writer, cube: np.ndarray) -> None:
    paths = write(cube)
    with pytest.raises(FrameMismatchError, match="electron"):
        combine_plain([*paths, *write(cube, "e", BUNIT="electron")])
    with pytest.raises(FrameMismatchError, match="80 x 66"):
        combine_plain([*paths, *write(cube[:1, :40], "s")])
    with pytest.raises(ImagingError, match="no frames"):
        combine_plain([])


@pytest.mark.parametrize(("full", "whole"), [(65535.0, False), (65535.0, True), (255.0, True), (1e-3, False)])
def test_values_of_any_unit_are_clipped_by_their_own_noise(
    rng: np.random.Generator, write: Writer, full: float, *, whole: bool
) -> None:
    noise = 0.4 if full == 255.0 else 10.0
    values = rng.normal(40.0, noise, (8, *SHAPE))
    values[3, 10, 10] += 12 * noise
    made = ((np.rint(values) if whole else values) / full).astype(np.float32)
    found, held = combine_plain(write(made)), combine_frames(list(made))
    for nused, sci, err in (
        (found.combined.nused, found.combined.sci, found.combined.err),
        (held.nused, held.frame.data, held.frame.err),
    ):
        scatter = float(sci.std() / np.median(err))
        print(
            f"full scale {full:g}, in steps {whole}: scatter over error {scatter:.3f}, {np.mean(nused < 8):.4f} clipped"
        )
        assert nused[10, 10] == 7
        assert np.mean(nused < 8) < 0.06
        assert scatter == pytest.approx(1.0, abs=0.1)


def test_the_error_of_a_median_without_samples_is_infinite(write: Writer, cube: np.ndarray) -> None:
    real = cube.astype(np.float32)
    real[:, 5, 5] = np.nan
    done = combine_plain(write(real), method=Method.MEDIAN).combined
    assert (done.nused[5, 5], done.mask[5, 5], done.sci[5, 5], done.err[5, 5]) == (0, NO_DATA, 0.0, np.inf)
    assert np.isfinite(np.delete(done.err.ravel(), 5 * SHAPE[1] + 5)).all()
