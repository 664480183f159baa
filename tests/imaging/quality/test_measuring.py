from dataclasses import replace

import numpy as np
import pytest

from pictor.imaging.quality.measuring import Quality, measure
from pictor.imaging.quality.sky import sky_of
from pictor.imaging.quality.zones import map_field
from pictor.imaging.stars.finding import find_stars
from tests.support.sky import Recipe, mosaic, render

SHARP = Recipe(shape=(900, 1100), fwhm=3.0, stars=400)


def measured(image: np.ndarray, *, egain: float | None = None, bayer: str | None = None) -> Quality:
    sky = sky_of(image, bayer=bayer is not None)
    stars = find_stars(image, background=None if bayer else sky, bayer=bayer)
    return measure(image, stars, sky, egain=egain, bayer=bayer is not None)


def test_a_sharp_frame_is_measured_in_full() -> None:
    sky = render(SHARP)
    found = measured(sky.image, egain=0.5)
    assert found.fwhm_px == pytest.approx(sky.fwhm, rel=0.02)
    assert found.background_adu == pytest.approx(sky.level, abs=0.1 * sky.sky_sigma)
    assert found.background_e == pytest.approx(0.5 * sky.level, rel=0.01)
    assert found.noise_adu == pytest.approx(sky.sky_sigma, rel=0.03)
    assert found.gradient == pytest.approx(SHARP.gradient / SHARP.sky, rel=0.1)
    assert found.gradient_deg == pytest.approx(0.0, abs=10.0)
    assert found.pattern_noise is False
    assert found.trail_count == 0
    assert "pictor-quality" in found.method


def test_electrons_are_unknown_where_the_gain_is_not_trusted() -> None:
    assert measured(render(SHARP).image).background_e is None


@pytest.mark.parametrize(
    "image",
    [
        np.full((120, 150), np.nan, dtype=np.float32),
        np.full((120, 150), 65535, dtype=np.uint16),
        np.zeros((120, 150), dtype=np.uint16),
        np.zeros((3, 2), dtype=np.float32),
    ],
    ids=["nan", "saturated", "zero", "tiny"],
)
def test_a_frame_without_stars_has_unknowns_instead_of_zeros(image: np.ndarray) -> None:
    found = measured(image)
    assert found.star_count == 0
    assert found.fwhm_px is found.hfr_px is found.eccentricity is found.ellipticity is found.beta is None
    assert found.field.tilt is found.field.curvature is found.elongation_deg is None


def test_missing_saturated_and_repeated_pixels_are_counted() -> None:
    image = render(SHARP).image.astype(np.float32)
    image[:90, :] = np.nan
    image[90:180, :] = 65535.0
    found = measured(image)
    assert found.non_finite_fraction == pytest.approx(0.1)
    assert found.saturated_fraction == pytest.approx(0.1, abs=1e-3)
    assert found.repeated_fraction == pytest.approx(1 / 9, abs=0.02)


def test_the_direction_of_a_trailed_frame_is_the_direction_of_the_motion() -> None:
    recipe = replace(SHARP, drift_px=8.0, angle_deg=-70.0)
    found = measured(render(recipe).image)
    assert found.elongation_deg == pytest.approx(-70.0, abs=2.0)
    assert found.elongation_coherence is not None
    assert found.elongation_coherence > 0.95
    assert found.eccentricity is not None
    assert found.eccentricity > 0.8


def test_regular_interference_is_seen_and_stars_are_not_taken_for_it() -> None:
    sky = render(replace(SHARP, stars=2000))
    wave = 0.3 * sky.sky_sigma * np.sin(2 * np.pi * np.arange(SHARP.shape[1]) / 7.3)
    assert measured(sky.image).pattern_noise is False
    assert measured(sky.image + wave).pattern_noise is True


def test_a_tilted_field_shows_in_the_zones_and_in_the_tilt() -> None:
    left, right = render(replace(SHARP, fwhm=2.6)).image, render(replace(SHARP, fwhm=3.8, seed=8)).image
    image = np.hstack([left, right])
    found = measured(image)
    row = found.field.zones[2]
    assert row[0].fwhm_px is not None
    assert row[4].fwhm_px is not None
    assert row[4].fwhm_px > 1.25 * row[0].fwhm_px
    assert found.field.tilt is not None
    assert found.field.tilt > 0.2
    assert found.field.tilt_angle_deg == pytest.approx(0.0, abs=25.0)
    assert measured(left).field.tilt == pytest.approx(0.0, abs=0.05)


def test_zones_are_of_clean_stars() -> None:
    stars = find_stars(render(SHARP).image)
    wrong = np.arange(len(stars)) % 3 == 0
    spoilt = replace(stars, fwhm=np.where(wrong, 9.0, stars.fwhm), flags=stars.flags | np.where(wrong, 16, 0))
    clean = map_field(stars.select(~wrong))
    assert map_field(spoilt) == clean
    assert clean.zones[2][2].fwhm_px == pytest.approx(float(np.median(stars.fwhm[stars.flags == 0])), rel=0.1)


def test_a_colour_frame_has_the_width_and_sky_of_the_same_frame_without_colour() -> None:
    sky = render(replace(SHARP, hot_share=0.001))
    found = measured(mosaic(sky.image, SHARP.sky), bayer="RGGB")
    print(f"colour: fwhm {found.fwhm_px:.3f} of {sky.fwhm:.3f}, {found.star_count} stars, noise {found.noise_adu:.1f}")
    assert found.fwhm_px == pytest.approx(sky.fwhm, rel=0.05)
    assert found.background_adu == pytest.approx(sky.level, rel=0.12)
    assert found.star_count > 0.8 * np.count_nonzero(sky.snr > 10)
    assert found.star_count < 1.25 * np.count_nonzero(sky.snr > 5)


def test_measuring_does_not_change_the_frame() -> None:
    image = render(SHARP).image
    before = image.copy()
    measured(image)
    assert np.array_equal(image, before)
