from dataclasses import replace

import numpy as np
import pytest

from pictor.imaging.errors import FrameMismatchError, ImagingError
from pictor.imaging.stars.finding import find_brightest, find_stars
from pictor.imaging.stars.starlist import StarFlag
from tests.support.sky import Recipe, Sky, mosaic, render

FIELD = Recipe(shape=(600, 800), fwhm=3.0, stars=200)


def recalled(sky: Sky, image: np.ndarray, *, bayer: str | None = None, full: bool = False) -> tuple[float, float]:
    """Share of stars of SNR > 10 found within a pixel, and of found stars that are one of all."""
    found = find_stars(image, bayer=bayer)
    stars = found.select(found.is_star | (full & ((found.flags & StarFlag.SATURATED) > 0)))
    distance = np.hypot(sky.x[:, None] - stars.x[None, :], sky.y[:, None] - stars.y[None, :])
    wanted = (
        (sky.snr > 10) & (np.minimum(sky.x, sky.y) > 8) & (sky.x < image.shape[1] - 9) & (sky.y < image.shape[0] - 9)
    )
    return float((distance[wanted].min(axis=1) < 1.0).mean()), float((distance.min(axis=0) < 2.0).mean())


@pytest.mark.parametrize(
    "image",
    [
        np.full((200, 200), np.nan, dtype=np.float32),
        np.full((200, 200), 65535, dtype=np.uint16),
        np.zeros((200, 200), dtype=np.uint16),
        np.zeros((1, 1), dtype=np.float32),
        np.full((5, 300), 7, dtype=np.uint8),
        np.full((64, 64), -np.inf, dtype=np.float64),
    ],
    ids=["nan", "saturated", "zero", "one pixel", "strip", "infinite"],
)
@pytest.mark.parametrize("bayer", [None, "RGGB"])
def test_a_frame_without_information_gives_an_empty_list(image: np.ndarray, bayer: str | None) -> None:
    if bayer and min(image.shape) < 4:
        with pytest.raises(ImagingError, match="too small"):
            find_stars(image, bayer=bayer)
        return
    assert len(find_stars(image, bayer=bayer)) == 0


def test_noise_alone_holds_no_stars(rng: np.random.Generator) -> None:
    assert find_stars(rng.normal(1000, 20, (1000, 1000))).star_count == 0


def test_hot_pixels_and_cosmic_rays_on_an_empty_frame_are_not_stars(rng: np.random.Generator) -> None:
    empty = render(replace(FIELD, stars=1, brightest=1.0, hot_share=0.002, cosmics=60))
    found = find_stars(empty.image)
    print(f"{found.spike_count} spikes, {found.star_count} stars on an empty frame")
    assert found.spike_count > 500
    assert found.star_count == 0


def test_bumps_of_which_none_stands_out_are_no_stars_beside_one_that_does_they_are(rng: np.random.Generator) -> None:
    y, x = np.indices((400, 400))
    image = rng.normal(1000.0, 10.0, (400, 400))
    for column, row in ((50, 60), (200, 210), (320, 90), (100, 300)):
        image += 25.0 * np.exp(-((x - column) ** 2 + (y - row) ** 2) / (2.0 * 1.3**2))
    alone = find_stars(image)
    image += 300.0 * np.exp(-((x - 300) ** 2 + (y - 300) ** 2) / (2.0 * 1.3**2))
    beside = find_stars(image)
    print(f"{len(alone)} bumps of SNR {alone.snr.round(1)}, {beside.star_count} stars beside a bright one")
    assert len(alone) >= 3
    assert alone.star_count == 0
    assert beside.star_count == len(alone) + 1


@pytest.mark.parametrize("kind", [np.uint16, np.float32, np.float64, np.int32, ">u2", ">f4"])
def test_the_pixel_type_does_not_matter(kind: str) -> None:
    sky = render(FIELD)
    reference, found = find_stars(sky.image), find_stars(sky.image.astype(kind))
    assert len(found) == len(reference)
    assert np.allclose(found.x, reference.x, atol=0.01)


def test_unsigned_integers_below_the_sky_do_not_wrap() -> None:
    sky = render(FIELD)
    low = (sky.image - sky.image.min()).astype(np.uint16)
    assert low.min() == 0
    assert find_stars(low).star_count == find_stars(sky.image).star_count


def test_the_frame_is_not_changed() -> None:
    sky = render(FIELD)
    before = sky.image.copy()
    find_stars(sky.image)
    assert np.array_equal(sky.image, before)


def test_a_cube_is_refused_in_words() -> None:
    with pytest.raises(FrameMismatchError, match=r"\(3, 10, 10\)"):
        find_stars(np.zeros((3, 10, 10)))


def test_missing_pixels_cost_only_the_stars_they_hide() -> None:
    sky = render(FIELD)
    image = sky.image.astype(np.float32)
    image[:, 400:440] = np.nan
    found = find_stars(image)
    lost = np.count_nonzero((sky.x > 395) & (sky.x < 445) & (sky.snr > 5))
    assert found.star_count >= find_stars(sky.image).star_count - lost
    assert np.isfinite(found.x).all()


def test_the_brightest_stars_alone_have_the_places_light_and_shapes_they_have_among_all() -> None:
    image = render(FIELD).image
    every, few = find_stars(image), find_brightest(image, most=60)
    same = [int(np.argmin(np.hypot(every.x - x, every.y - y))) for x, y in zip(few.x, few.y, strict=True)]
    for column in ("x", "y", "flux", "snr", "peak", "hfr", "theta"):
        assert np.array_equal(getattr(every, column)[same], getattr(few, column), equal_nan=True)
    print(f"{len(few)} of {len(every)} sources measured, {few.star_count} of them stars")
    assert few.psf is None
    assert few.star_count >= 60
    assert len(few) <= 120 < len(every)
    assert set(np.argsort(-every.flux, kind="stable")[:50]) <= set(same)


@pytest.mark.parametrize("recipe", [replace(FIELD, stars=30), replace(FIELD, defocus_px=40.0, fwhm=3.0)])
def test_where_the_wanted_stars_are_too_many_all_are_measured(recipe: Recipe) -> None:
    image = render(recipe).image
    every, few = find_stars(image), find_brightest(image, most=500)
    assert np.array_equal(every.x, few.x)
    assert np.array_equal(every.flags, few.flags)


def test_stars_at_the_ceiling_are_saturated_and_a_twelve_bit_ceiling_is_noticed() -> None:
    sky = render(replace(FIELD, sky=300.0, gradient=0.0, saturation=4095))
    found = find_stars(sky.image)
    saturated = (found.flags & StarFlag.SATURATED) > 0
    assert found.saturation == 4095
    assert np.count_nonzero(saturated) >= 5
    assert (found.peak[~saturated] < 4095).all()
    assert not found.is_star[saturated].any()
    assert find_stars(sky.image, saturation=2000.0).saturation == 2000.0


def test_no_star_with_a_full_pixel_passes_for_a_clean_one() -> None:
    sky = render(replace(FIELD, sky=1024.9, gradient=74.0, brightest=5e6))
    found = find_stars(sky.image)
    rows, columns = np.rint(found.y).astype(int), np.rint(found.x).astype(int)
    full = sky.image[rows, columns] == 65535
    print(f"{np.count_nonzero(full)} stars at 65535")
    assert np.count_nonzero(full) >= 8
    assert not found.is_star[full].any()


def test_a_bad_column_is_no_trail_and_no_stars(rng: np.random.Generator) -> None:
    sky = render(FIELD)
    image = sky.image.copy()
    image[200:, 300] += rng.normal(400, 60, 400).astype(np.uint16)
    found = find_stars(image)
    assert found.trail_count == 0
    on_column = np.abs(found.x - 300) < 1.0
    assert np.count_nonzero(found.is_star & on_column) <= 3


@pytest.mark.parametrize("width", [8.0, 10.0, 20.0])
def test_filaments_of_a_nebula_that_outshine_the_stars_do_not_pass_for_them(
    width: float, rng: np.random.Generator
) -> None:
    sky = render(FIELD)
    y, x = np.indices(sky.image.shape)
    ridges = sum(
        np.exp(-((x * np.sin(turn) + y * np.cos(turn) - at - 25 * np.sin(x / 20)) ** 2) / (2 * width**2))
        for turn, at in ((0.1, 150.0), (0.9, 500.0), (2.3, 200.0), (0.5, 400.0))
    )
    image = sky.image + rng.poisson(8000.0 * ridges * FIELD.gain) / FIELD.gain
    found = find_stars(image)
    print(f"width {width}: {found.star_count} stars, without nebula {find_stars(sky.image).star_count}")
    assert found.psf is not None
    assert found.psf.fwhm == pytest.approx(3.1, abs=0.15)
    assert found.star_count > 50


def test_sources_at_the_edge_are_flagged() -> None:
    found = find_stars(render(FIELD).image)
    outside = (found.x < 2) | (found.y < 2) | (found.x > 797) | (found.y > 597)
    assert ((found.flags[outside] & StarFlag.EDGE) > 0).all()


def test_defocused_stars_are_found_once_each() -> None:
    sky = render(replace(FIELD, shape=(900, 900), stars=60, defocus_px=28.0, brightest=2e6))
    found = find_stars(sky.image)
    bright = np.count_nonzero(sky.snr > 20)
    print(f"{bright} donuts of SNR > 20, {found.star_count} stars in the list, HFR {np.nanmedian(found.hfr):.1f} px")
    assert found.star_count <= 1.15 * np.count_nonzero(sky.snr > 5)
    assert found.star_count >= 0.6 * bright
    assert np.nanmedian(found.hfr) > 7.0


def test_trailed_frames_keep_their_stars() -> None:
    sky = render(replace(FIELD, drift_px=10.0))
    found = find_stars(sky.image)
    assert found.trail_count == 0
    assert found.star_count > 0.7 * np.count_nonzero(sky.snr > 10)


def test_a_satellite_trail_is_counted_and_its_pieces_are_no_stars() -> None:
    plain, crossed = render(FIELD), render(replace(FIELD, trails=1))
    found = find_stars(crossed.image)
    assert found.trail_count == 1
    assert np.count_nonzero(found.flags & StarFlag.TRAIL) > 20
    assert found.star_count == pytest.approx(find_stars(plain.image).star_count, rel=0.1)


def test_raw_colour_frames_give_positions_on_the_full_frame() -> None:
    sky = render(replace(FIELD, hot_share=0.001))
    recall, precision = recalled(sky, mosaic(sky.image, FIELD.sky), bayer="RGGB")
    print(f"colour: recall {recall:.3f}, precision {precision:.3f}")
    assert recall >= 0.85
    assert precision >= 0.97


def test_an_unknown_colour_pattern_is_refused_in_words() -> None:
    with pytest.raises(ImagingError, match="'XTRANS' is none of RGGB"):
        find_stars(np.zeros((20, 20)), bayer="XTRANS")


def test_eight_bit_frames_work() -> None:
    sky = render(replace(FIELD, gradient=0.0))
    small = np.clip((sky.image.astype(np.float64) - 1300) / 12, 0, 255).astype(np.uint8)
    recall, precision = recalled(sky, small, full=True)
    print(f"8 bit, saturated stars included: recall {recall:.3f}, precision {precision:.3f}")
    assert recall >= 0.95
    assert precision >= 0.97


def test_small_frames_work() -> None:
    sky = render(replace(FIELD, shape=(200, 200), stars=30))
    recall, precision = recalled(sky, sky.image)
    assert recall >= 0.85
    assert precision >= 0.95


def test_fluxes_and_positions_follow_the_truth() -> None:
    sky = render(FIELD)
    found = find_stars(sky.image)
    stars = found.select(found.is_star & (found.flags == 0) & (found.snr > 50))
    distance = np.hypot(sky.x[:, None] - stars.x[None, :], sky.y[:, None] - stars.y[None, :])
    which = distance.argmin(axis=0)
    ratio = stars.flux / sky.flux[which]
    print(f"flux ratio {np.median(ratio):.3f} +- {np.std(ratio):.3f}, offset {np.median(distance.min(axis=0)):.3f} px")
    assert np.median(ratio) == pytest.approx(1.0, abs=0.03)
    assert np.median(distance.min(axis=0)) < 0.05
    assert abs(float(np.median(stars.x - sky.x[which]))) < 0.02
