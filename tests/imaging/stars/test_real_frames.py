from functools import cache
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from pictor.imaging.fits.reading import luminance, read_frame
from pictor.imaging.stars.finding import find_stars
from pictor.imaging.stars.starlist import StarList

pytestmark = pytest.mark.real

MICRO = "lights/exotic-microobservatory/HATP-32171220{}.FITS"
KSTARS = "lights/kstars-asi1600-autofocus/ngc4535-autofocus{}.fits"


@cache
def stars_of(path: Path, bayer: str | None = None) -> StarList:
    data = read_frame(path).data
    return find_stars(data if data.ndim == 2 else luminance(data), bayer=bayer)


def clean(found: StarList) -> StarList:
    return found.select(found.is_star & (found.snr > 15))


def bright(found: StarList) -> NDArray[np.float64]:
    chosen = found.select(found.is_star)
    return np.column_stack([chosen.x, chosen.y])[:80]


def test_a_focus_run_is_ordered_in_size_and_star_count(real_data: Path) -> None:
    found = [stars_of(real_data / KSTARS.format(k)) for k in (1, 2, 3)]
    diameter = [2.0 * float(np.median(clean(f).hfr)) for f in found]
    count = [f.star_count for f in found]
    print(f"half-flux diameters {np.round(diameter, 1)} px (ASTAP 10.9, 4.6, 2.9), stars {count} (ASTAP 5, 20, 146)")
    assert diameter[0] > 1.5 * diameter[1] > 2.0 * diameter[2]
    assert diameter[2] == pytest.approx(2.9, rel=0.15)
    assert count[0] < count[1] < count[2]
    assert count[0] < 40


def test_the_same_stars_are_found_in_successive_frames(real_data: Path) -> None:
    first = clean(stars_of(real_data / MICRO.format("030312")))
    second = stars_of(real_data / MICRO.format("032112"))
    second = second.select(second.is_star)
    shift = common_shift(bright(first), bright(second))
    there = cKDTree(np.column_stack([second.x, second.y]) + shift)
    here = np.column_stack([first.x, first.y])
    inside = ((here > 20) & (here < np.array([629, 479]))).all(axis=1)
    again = float((there.query(here[inside])[0] < 1.5).mean())
    print(f"{len(first)} stars, shift {shift}, found again {again:.3f}")
    assert again > 0.9


def common_shift(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    differences = (first[:, None] - second[None, :]).reshape(-1, 2)
    near = differences[(np.abs(differences) < 60).all(axis=1)]
    crowd = cKDTree(near).query_ball_point(near, 1.5, return_length=True)
    return np.asarray(np.median(near[np.hypot(*(near - near[int(np.argmax(crowd))]).T) < 1.5], axis=0))


def test_the_twelve_bit_ceiling_of_a_real_camera_is_noticed(real_data: Path) -> None:
    found = stars_of(real_data / MICRO.format("030312"))
    assert found.saturation == 4095
    assert np.count_nonzero(found.flags & 1) > 3


def test_a_trailed_frame_keeps_its_stars_and_shows_their_ellipticity(real_data: Path) -> None:
    found = stars_of(real_data / "reference/lco-banzai/banzai_test_frame.fits.fz")
    ellipticity = float(np.median(clean(found).ellipticity))
    print(f"{found.star_count} stars, ellipticity {ellipticity:.2f} (BANZAI 37 sources, 0.795)")
    assert 25 < found.star_count < 120
    assert ellipticity > 0.7
    assert found.trail_count == 0


def test_a_raw_colour_frame_gives_many_small_stars(real_data: Path) -> None:
    found = stars_of(real_data / "lights/panoptes-pocs/unsolved.fits", bayer="RGGB")
    width = found.psf.fwhm if found.psf else None
    print(f"{found.star_count} stars, FWHM {width:.2f} px")
    assert found.star_count > 500
    assert width == pytest.approx(1.8, abs=0.5)


def test_a_crop_of_the_huntsman_camera_agrees_with_astap(real_data: Path) -> None:
    found = stars_of(real_data / "calibration/huntsman/raw/science_0.fits")
    diameter = 2.0 * float(np.median(clean(found).hfr))
    print(f"{found.star_count} stars (ASTAP 132), half-flux diameter {diameter:.2f} px (ASTAP mean diameter 3.7)")
    assert 100 < found.star_count < 600
    assert diameter == pytest.approx(3.5, abs=0.5)


@pytest.mark.parametrize(
    "kind", ["mono-float", "mono-short", "mono-integer", "mono-double", "mono-byte", "color-short"]
)
def test_undersampled_stars_are_found_in_every_encoding(real_data: Path, kind: str) -> None:
    found = stars_of(real_data / f"lights/nebulosa-ngc3372/NGC3372-{kind}.fits")
    print(f"{kind}: {found.star_count} stars")
    assert found.star_count > 100


@pytest.mark.parametrize(
    "name",
    ["calibration/huntsman/raw/dark_0.fits", "calibration/huntsman/raw/flat_0.fits", "odd/derived/all-saturated.fits"],
)
def test_frames_without_sky_have_no_stars_to_speak_of(real_data: Path, name: str) -> None:
    assert stars_of(real_data / name).star_count <= 5
