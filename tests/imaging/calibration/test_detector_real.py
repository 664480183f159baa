"""The detector's measures on real frames: against the defects of the LSST pipeline, and known levels and noise."""

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from pictor.imaging.calibration.badindark import find_bad_in_dark
from pictor.imaging.calibration.badlines import find_lines
from pictor.imaging.calibration.pairs import measure_read_noise
from pictor.imaging.combine.plain import combine_plain
from pictor.imaging.frame import Frame

pytestmark = pytest.mark.real


def test_the_defects_the_lsst_pipeline_masks_are_found_in_the_dark(real_data: Path) -> None:
    folder = real_data / "calibration" / "huntsman"
    dark = Frame.from_fits(folder / "raw" / "dark_0.fits")
    with fits.open(folder / "lsst-masters" / "dark" / "dark_14_Huntsman_2021-01-07.fits") as units:
        defects = units["MASK"].data[:800, :800] != 0
    found = find_bad_in_dark(dark)
    print(f"{int((found & defects).sum())} of {int(defects.sum())} LSST defects found, {int(found.sum())} in all")
    assert (found & defects).sum() >= 0.99 * defects.sum()
    assert found.sum() < 1.5 * defects.sum()
    np.testing.assert_array_equal(found, find_bad_in_dark((dark.data.astype(np.float32) - 32) / 300))
    assert find_lines(dark).columns == ()


def test_five_real_bias_frames_combine_and_tell_their_noise(real_data: Path) -> None:
    paths = sorted((real_data / "calibration" / "msumastro-apogee").glob("biastest*.fit"))
    cube = np.array([Frame.from_fits(path).real() for path in paths], np.float64)
    found = combine_plain(paths).combined
    centre = np.median(cube, axis=0)
    far = np.abs(cube - centre).max(axis=0) < 2.5 * 20
    np.testing.assert_allclose(found.sci[far], cube.mean(axis=0)[far], rtol=1e-6)
    noise = measure_read_noise(cube[0], cube[1])
    print(f"read noise {noise.adu:.2f} ADU, scatter of one frame {cube[0].std():.2f} ADU")
    assert noise.adu == pytest.approx(20, rel=0.05)
