import time

import numpy as np
import pytest

from pictor.imaging.simulator.psf import Psf, add_stars, peak_fraction, recorded_fwhm

SHAPES = [
    Psf("gaussian", 1.8),
    Psf("gaussian", 4.2, ellipticity=0.25, angle_deg=30.0),
    Psf("moffat", 2.8, beta=3.0),
    Psf("moffat", 7.0, ellipticity=0.25, angle_deg=110.0),
    Psf("moffat", 3.0, trail_px=15.0, trail_angle_deg=40.0),
    Psf("moffat", 3.0, defocus_px=20.0),
]


def drawn(psf: Psf, x: float, y: float, flux: float = 1e5) -> np.ndarray:
    image = np.zeros((301, 341), dtype=np.float32)
    add_stars(image, x, y, flux, psf)
    return image


def moments(image: np.ndarray) -> tuple[float, float, float, float, float]:
    rows, columns = np.indices(image.shape)
    weights = image.astype(np.float64) / image.sum(dtype=np.float64)
    x, y = float((weights * columns).sum()), float((weights * rows).sum())
    xx = float((weights * (columns - x) ** 2).sum())
    yy = float((weights * (rows - y) ** 2).sum())
    xy = float((weights * (columns - x) * (rows - y)).sum())
    return x, y, xx, yy, xy


@pytest.mark.parametrize("psf", SHAPES, ids=str)
@pytest.mark.parametrize("flux", [1e3, 1e7])
def test_all_light_of_a_star_is_in_the_image(psf: Psf, flux: float) -> None:
    image = drawn(psf, 170.37, 150.81, flux)
    assert image.sum(dtype=np.float64) == pytest.approx(flux, rel=1e-3)


@pytest.mark.parametrize("psf", SHAPES, ids=str)
@pytest.mark.parametrize("fraction", [(0.0, 0.0), (0.03, 0.5), (0.5, 0.99)])
def test_a_star_lies_where_it_was_put(psf: Psf, fraction: tuple[float, float]) -> None:
    x, y = 170 + fraction[0], 150 + fraction[1]
    found_x, found_y, *_ = moments(drawn(psf, x, y))
    assert (found_x, found_y) == pytest.approx((x, y), abs=1e-3)


@pytest.mark.parametrize("fwhm", [1.8, 2.8, 5.0])
def test_a_gaussian_has_its_variance_plus_that_of_the_pixel(fwhm: float) -> None:
    *_, xx, yy, xy = moments(drawn(Psf("gaussian", fwhm), 170.3, 150.6))
    expected = (fwhm / 2.354820) ** 2 + 1 / 12
    assert (xx, yy) == pytest.approx((expected, expected), rel=0.005)
    assert abs(xy) < 0.005 * expected


def test_ellipticity_and_angle_are_those_of_the_second_moments() -> None:
    *_, xx, yy, xy = moments(drawn(Psf("gaussian", 8.0, ellipticity=0.4, angle_deg=30.0), 170.0, 150.0))
    major, minor = ((xx + yy - 1 / 6) / 2 + sign * np.hypot((xx - yy) / 2, xy) for sign in (1, -1))
    assert 1 - np.sqrt(minor / major) == pytest.approx(0.4, abs=0.005)
    assert np.degrees(0.5 * np.arctan2(2 * xy, xx - yy)) == pytest.approx(30.0, abs=0.2)
    assert np.sqrt(np.sqrt(major * minor)) * 2.354820 == pytest.approx(8.0, rel=0.005)


def test_a_trail_lengthens_the_star_along_its_direction() -> None:
    plain, trailed = Psf("gaussian", 3.0), Psf("gaussian", 3.0, trail_px=12.0, trail_angle_deg=90.0)
    *_, xx, yy, _ = moments(drawn(trailed, 170.0, 150.0))
    *_, plain_xx, plain_yy, _ = moments(drawn(plain, 170.0, 150.0))
    assert xx == pytest.approx(plain_xx, rel=0.005)
    assert yy - plain_yy == pytest.approx(12.0**2 / 12, rel=0.005)


def test_a_defocused_star_is_a_ring() -> None:
    image = drawn(Psf("gaussian", 2.0, defocus_px=24.0), 170.0, 150.0)
    assert image[150, 170] < 0.3 * image[150, 170 + 9]
    assert image[150, 170 + 16] < 0.01 * image[150, 170 + 9]


@pytest.mark.parametrize(("psf", "width"), [(Psf("gaussian", 2.8), 2.8), (Psf("moffat", 5.0), 5.0)], ids=str)
def test_the_recorded_width_is_a_little_more_than_the_delivered_one(psf: Psf, width: float) -> None:
    assert width < recorded_fwhm(psf) < 1.05 * width


def test_the_peak_fraction_is_that_of_a_centred_star() -> None:
    psf = Psf("moffat", 2.8)
    assert drawn(psf, 170.0, 150.0, 1.0).max() == pytest.approx(peak_fraction(psf), rel=1e-4)


def test_stars_half_outside_are_cut_and_stars_outside_change_nothing() -> None:
    image = np.zeros((60, 80), dtype=np.float32)
    add_stars(image, [-0.5, 500.0, -300.0], [30.0, 30.0, 1e6], [100.0, 1e6, 1e6], Psf("gaussian", 3.0))
    assert image.sum() == pytest.approx(50.0, rel=0.01)


def test_only_a_float32_image_can_take_stars() -> None:
    with pytest.raises(ValueError, match="uint16"):
        add_stars(np.zeros((8, 8), dtype=np.uint16), [1.0], [1.0], [1.0], Psf("gaussian", 2.0))  # type: ignore[arg-type]


def test_thousands_of_stars_are_drawn_in_half_a_second(rng: np.random.Generator) -> None:
    image = np.zeros((1760, 2328), dtype=np.float32)
    x, y, flux = rng.uniform(0, 2328, 5000), rng.uniform(0, 1760, 5000), 10 ** rng.uniform(2, 6, 5000)
    add_stars(image, x, y, flux, Psf("moffat", 2.8))
    start = time.process_time()
    add_stars(image, x, y, flux, Psf("moffat", 2.8))
    elapsed = time.process_time() - start
    print(f"5000 stars at 4 MP: {elapsed * 1e3:.0f} ms of CPU")
    assert elapsed < 0.5
