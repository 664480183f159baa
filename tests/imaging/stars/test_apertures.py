"""Aperture photometry against the truth and against photutils."""

from functools import cache

import numpy as np
import pytest
from astropy.stats import SigmaClip
from photutils.aperture import ApertureStats, CircularAnnulus, CircularAperture
from photutils.aperture import aperture_photometry as theirs

from pictor.imaging.frame import Frame
from pictor.imaging.stars.apertures import aperture_photometry, magnitudes
from pictor.imaging.stars.measuring import Measured, measure_frame
from pictor.imaging.stars.starlist import StarList
from tests.support.sky import Recipe, mosaic, render

FIELD = Recipe(shape=(400, 500), fwhm=3.0, stars=60)


@cache
def measured() -> Measured:
    return measure_frame(render(FIELD).image)


def test_the_light_of_clean_stars_is_the_truth_to_two_per_cent() -> None:
    sky, found = render(FIELD), measured()
    light = aperture_photometry(found, egain=FIELD.gain)
    clean = np.flatnonzero((found.stars.flags == 0) & (found.stars.snr > 60) & np.isfinite(light.flux))
    which = np.hypot(sky.x[:, None] - found.stars.x[clean], sky.y[:, None] - found.stars.y[clean]).argmin(axis=0)
    ratio = light.flux[clean] / sky.flux[which]
    pull = (light.flux[clean] - sky.flux[which]) / light.error[clean]
    print(f"{len(clean)} stars: light {np.median(ratio):.4f} of the truth, pull {np.median(np.abs(pull)):.2f}")
    assert light.radius == 7.0  # twice the recorded width of 3.1 pixels, rounded up
    assert np.median(ratio) == pytest.approx(1.0, abs=0.02)
    assert np.median(np.abs(pull)) < 2.0


def test_the_numbers_are_those_of_photutils() -> None:
    found = measured()
    light = aperture_photometry(found, radius=5.0)
    inside = np.minimum(found.stars.x, found.stars.y) > 15
    inside &= (found.stars.x < 484) & (found.stars.y < 384)
    places = np.column_stack([found.stars.x, found.stars.y])[inside]
    pixels = found.image.astype(np.float64)
    ring = CircularAnnulus(np.rint(places), light.inner, light.outer)
    levels = ApertureStats(pixels, ring, sigma_clip=SigmaClip(3.0, stdfunc="mad_std"), sum_method="center").median
    table = theirs(pixels, CircularAperture(places, 5.0), method="exact")
    expected = np.asarray(table["aperture_sum"]) - np.pi * 25.0 * levels
    difference = (light.flux[inside] - expected) / light.error[inside]
    print(f"difference to photutils: median {np.median(difference):+.4f}, worst {np.abs(difference).max():.3f} sigma")
    assert np.abs(light.sky[inside] - levels).max() < 4.0
    assert np.median(np.abs(difference)) < 0.1


def test_the_ring_reaches_from_the_aperture_to_one_and_a_half_of_it_but_is_never_smaller_than_two_pixels() -> None:
    rings = [aperture_photometry(measured(), radius=radius) for radius in (1.0, 5.0)]
    assert [(one.radius, one.inner, one.outer) for one in rings] == [(1.0, 2.0, 4.0), (5.0, 5.0, 9.0)]


def test_the_error_is_the_scatter_of_apertures_on_empty_sky(rng: np.random.Generator) -> None:
    image = rng.normal(500.0, 12.0, (300, 300)).astype(np.float32)
    found = measure_frame(image)
    x, y = (part.ravel() for part in np.meshgrid(np.arange(20.0, 280.0, 13.0), np.arange(20.0, 280.0, 13.0)))
    nothing = np.zeros(len(x))
    empty = StarList(x, y, *(nothing,) * 9, flags=nothing.astype(np.int32), shape=image.shape)
    light = aperture_photometry(Measured(found.frame, image, found.sky, empty, None), radius=4.0)
    ratio = float(np.median(light.error) / np.std(light.flux))
    print(f"error over scatter {ratio:.3f}, mean {np.mean(light.flux) / np.std(light.flux) * len(x) ** 0.5:+.2f} sigma")
    assert ratio == pytest.approx(1.0, abs=0.12)


def test_the_error_plane_of_a_frame_is_used() -> None:
    image = render(FIELD).image
    found = measure_frame(Frame(image, np.full(image.shape, 300.0, np.float32)))
    light = aperture_photometry(found, radius=5.0, egain=1.0)
    assert np.median(light.error) > 300.0 * np.sqrt(np.pi * 25.0)


def test_masked_and_missing_pixels_give_finite_light_and_the_input_stays() -> None:
    image = render(FIELD).image.astype(np.float32)
    image[::9, ::7] = np.nan
    found = measure_frame(image)
    before = image.copy()
    light = aperture_photometry(found)
    nx, ny, reach = image.shape[1], image.shape[0], light.radius + 0.5
    inside = (np.abs(2 * found.stars.x - nx + 1) < nx - 2 * reach) & (
        np.abs(2 * found.stars.y - ny + 1) < ny - 2 * reach
    )
    assert np.isfinite(light.flux[inside]).all()
    assert np.array_equal(image, before, equal_nan=True)


def test_a_mosaic_and_an_empty_frame_are_measured_too() -> None:
    grey, raw = measured(), measure_frame(mosaic(render(FIELD).image, FIELD.sky))
    one, other = aperture_photometry(raw), aperture_photometry(grey, radius=aperture_photometry(raw).radius)
    apart = np.hypot(grey.stars.x[:, None] - raw.stars.x[:20], grey.stars.y[:, None] - raw.stars.y[:20])
    share = np.nanmedian(one.flux[:20] / other.flux[apart.argmin(axis=0)])
    print(f"light of the mosaic {share:.3f} of grey (its filters pass 0.875)")
    assert share == pytest.approx(0.875, abs=0.08)
    assert len(aperture_photometry(measure_frame(np.full((100, 100), 5.0))).flux) == 0


def test_magnitudes_follow_pogson_and_know_no_light_below_zero() -> None:
    mag, error = magnitudes(np.array([100.0, 1.0, 0.0]), np.array([1.0, 0.5, 1.0]), exposure_s=1.0)
    assert mag[:2] == pytest.approx([-5.0, 0.0])
    assert error[0] == pytest.approx(0.010857, rel=1e-3)
    assert np.isnan(mag[2])
    with pytest.raises(ValueError, match=r"0\.0 s"):
        magnitudes(mag, error, exposure_s=0.0)


def test_an_aperture_that_reaches_beyond_the_frame_gives_no_light() -> None:
    sky = render(FIELD).image
    found = measure_frame(sky[:, : round(float(measured().stars.x[0])) + 3])
    light = aperture_photometry(found, radius=8.0)
    cut = found.stars.x + 8.0 > found.image.shape[1] - 0.5
    assert cut.any()
    assert np.isnan(light.flux[cut]).all()
    assert np.isnan(light.error[cut]).all()
    assert np.isfinite(light.flux[(found.stars.flags == 0) & ~cut]).all()
