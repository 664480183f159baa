"""Stars of frames, NDData and arrays: masks, units, colours, and what must not happen to the input."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import sep
from astropy import units as u
from astropy.nddata import CCDData, StdDevUncertainty
from scipy.spatial import cKDTree

from pictor.imaging.errors import FrameMismatchError, ImagingError
from pictor.imaging.frame import BAD, HIT, NO_DATA, NON_LINEAR, SATURATED, Frame
from pictor.imaging.quality.frames import measure_quality, quality_of
from pictor.imaging.quality.grading import NOTHING, Metrics, grade
from pictor.imaging.stars.measuring import colour_pattern, measure_frame, measure_stars, usable_pixels
from pictor.imaging.stars.starlist import StarFlag, StarList
from tests.support.sky import Recipe, Sky, mosaic, render

FIELD = Recipe(shape=(400, 500), fwhm=3.0, stars=120)


@cache
def field() -> Sky:
    return render(FIELD)


def near(stars: StarList, x: float, y: float) -> int:
    """Index of the source at a place; there must be one within a pixel."""
    distance = np.hypot(stars.x - x, stars.y - y)
    assert distance.min() < 1.0
    return int(distance.argmin())


def lonely(sky: Sky) -> int:
    """A bright unsaturated star far from the edge and from other stars."""
    places = np.column_stack([sky.x, sky.y])
    alone = cKDTree(places).query(places, k=2)[0][:, 1] > 25
    inside = (np.minimum(sky.x, sky.y) > 40) & (sky.x < 460) & (sky.y < 360)
    return int(np.flatnonzero(alone & inside & (sky.snr > 60) & (sky.flux < 150_000))[0])


def test_positions_fluxes_and_widths_are_those_of_the_truth_and_of_sep() -> None:
    sky = field()
    stars = measure_stars(sky.image)
    clean = stars.select((stars.flags == 0) & (stars.snr > 50))
    distance, which = cKDTree(np.column_stack([sky.x, sky.y])).query(np.column_stack([clean.x, clean.y]))
    ratio = clean.flux / sky.flux[which]
    print(f"{len(clean)} stars: offset {np.median(distance):.3f} px, flux ratio {np.median(ratio):.3f}")
    assert np.median(distance) < 0.05
    assert np.median(ratio) == pytest.approx(1.0, abs=0.03)
    pixels = sky.image.astype(np.float32)
    found = sep.extract(pixels - sep.Background(pixels), 5.0, err=sky.sky_sigma)
    bright = found[(found["flag"] == 0) & (found["flux"] > 20_000)]
    away, index = cKDTree(np.column_stack([stars.x, stars.y])).query(np.column_stack([bright["x"], bright["y"]]))
    print(f"{len(bright)} bright sources of sep, {np.count_nonzero(away < 1)} ours too")
    assert (away < 1.0).mean() > 0.97
    assert np.median(stars.flux[index] / bright["flux"]) == pytest.approx(1.0, abs=0.05)


def test_frames_arrays_and_containers_of_astropy_give_the_same_stars() -> None:
    image = field().image
    reference = measure_stars(image)
    for other in (
        Frame(image),
        CCDData(image, unit="adu"),
        image * u.adu,
        np.ma.MaskedArray(image, mask=False),
        CCDData(image.astype(float), unit="adu", uncertainty=StdDevUncertainty(np.full(image.shape, 30.0))),
    ):
        found = measure_stars(other)
        assert np.array_equal(found.x, reference.x)
        assert np.array_equal(found.flags, reference.flags)


def test_measuring_twice_gives_the_same_and_changes_nothing() -> None:
    image = field().image.copy()
    mask = np.zeros(image.shape, np.uint8)
    mask[::37, ::41] = BAD
    frame = Frame(image, mask=mask)
    before, before_mask = image.copy(), mask.copy()
    first, second = measure_stars(frame), measure_stars(frame)
    assert np.array_equal(first.flux, second.flux)
    assert np.array_equal(image, before)
    assert np.array_equal(mask, before_mask)


def test_electrons_are_the_same_stars_with_more_light() -> None:
    image = field().image
    adu = measure_stars(Frame(image))
    electrons = measure_stars(Frame(image.astype(np.float32) * 2.0, unit="electron"))
    assert len(electrons) == pytest.approx(len(adu), abs=1)
    assert electrons.flux[:50] == pytest.approx(2.0 * adu.flux[:50], rel=1e-3)
    assert electrons.fwhm[:50] == pytest.approx(adu.fwhm[:50], rel=1e-3)


def test_masked_hot_pixels_and_hits_do_not_become_sources_nor_spoil_a_star() -> None:
    sky = field()
    k = lonely(sky)
    column, row = round(float(sky.x[k])), round(float(sky.y[k]))
    image, mask = sky.image.copy(), np.zeros(sky.image.shape, np.uint8)
    for y, x, bit in ((row + 1, column + 1, BAD), (200, 250, HIT), (201, 250, HIT), (202, 250, HIT)):
        image[y, x], mask[y, x] = 60_000, bit
    plain, found = measure_stars(sky.image), measure_stars(Frame(image, mask=mask))
    one, other = near(plain, sky.x[k], sky.y[k]), near(found, sky.x[k], sky.y[k])
    print(f"flux with a masked pixel {found.flux[other] / plain.flux[one]:.3f} of that without")
    assert found.flux[other] == pytest.approx(plain.flux[one], rel=0.05)
    assert found.is_star[other]
    assert len(found) == pytest.approx(len(plain), abs=1)


def test_stars_on_saturated_or_non_linear_pixels_of_the_mask_are_flagged() -> None:
    sky = field()
    k = lonely(sky)
    for bit in (SATURATED, NON_LINEAR):
        mask = np.zeros(sky.image.shape, np.uint8)
        mask[round(float(sky.y[k])), round(float(sky.x[k]))] = bit
        found = measure_stars(Frame(sky.image, mask=mask))
        assert found.flags[near(found, sky.x[k], sky.y[k])] & StarFlag.SATURATED


def test_the_saturated_share_of_a_masked_frame_is_that_of_its_mask() -> None:
    mask = np.zeros(field().image.shape, np.uint8)
    mask[:2] = SATURATED
    assert measure_quality(Frame(field().image, mask=mask)).saturated_fraction == pytest.approx(2 / 400)


def test_a_star_half_hidden_by_missing_pixels_counts_as_cut_off() -> None:
    sky = field()
    k = lonely(sky)
    mask = np.zeros(sky.image.shape, np.uint8)
    mask[:, round(float(sky.x[k])) + 1 :] = NO_DATA
    found = measure_stars(Frame(sky.image, mask=mask))
    at = np.hypot(found.x - sky.x[k], found.y - sky.y[k]) < 2.0
    assert (found.flags[at] & StarFlag.EDGE).all()
    assert not (found.x[found.is_star] > sky.x[k] + 2).any()


def test_not_a_number_hides_what_it_covers_only() -> None:
    sky = field()
    image = sky.image.astype(np.float64)
    image[100:140] = np.nan
    found, plain = measure_stars(image), measure_stars(sky.image)
    assert np.isfinite(found.flux).all()
    assert not ((found.y > 101) & (found.y < 139)).any()
    away = (plain.y < 60) | (plain.y > 180)
    assert np.count_nonzero((found.y < 60) | (found.y > 180)) == pytest.approx(np.count_nonzero(away), abs=2)


def test_the_saturation_of_the_header_counts_for_frames_without_mask_only() -> None:
    frame = Frame(field().image)
    frame.header["SATURATE"] = 9000.0
    assert measure_stars(frame).saturation == 9000.0
    assert measure_stars(frame, saturation=8000.0).saturation == 8000.0
    masked = replace(frame, mask=np.zeros(frame.shape, np.uint8))
    assert measure_stars(masked).saturation != 9000.0


def test_a_mosaic_is_seen_without_any_header_and_a_grey_frame_is_none() -> None:
    raw = Frame(mosaic(field().image, FIELD.sky))
    assert colour_pattern(raw) == "RGGB"
    assert colour_pattern(Frame(field().image)) is None
    assert colour_pattern(raw, "") is None
    raw.header["BAYERPAT"] = "BGGR"
    assert colour_pattern(raw) == "BGGR"
    with pytest.raises(ImagingError, match="XTRANS"):
        colour_pattern(raw, "XTRANS")


def test_a_mosaic_gives_the_stars_of_the_grey_frame() -> None:
    raw, grey = measure_stars(mosaic(field().image, FIELD.sky)), measure_stars(field().image)
    print(f"{grey.star_count} stars in grey, {raw.star_count} in the mosaic")
    assert raw.star_count > 0.75 * grey.star_count
    bright = grey.select(grey.is_star & (grey.snr > 50))
    distance, _ = cKDTree(np.column_stack([raw.x, raw.y])).query(np.column_stack([bright.x, bright.y]))
    assert np.median(distance) < 0.15


def test_colour_planes_are_measured_on_their_mean() -> None:
    image = field().image
    found = measure_frame(np.stack([image, image, image]))
    assert found.image.shape == image.shape
    assert len(found.stars) == pytest.approx(len(measure_stars(image)), abs=1)


def test_usable_pixels_are_the_data_themselves_when_nothing_is_masked() -> None:
    frame = Frame(field().image, mask=np.zeros(field().image.shape, np.uint8))
    assert usable_pixels(frame) is frame.data


def test_what_has_no_two_axes_is_refused() -> None:
    with pytest.raises(FrameMismatchError):
        measure_stars(np.zeros(10))
    with pytest.raises(FrameMismatchError):
        measure_stars(np.zeros((2, 3, 4, 5)))


def test_a_frame_says_when_its_steps_hide_the_noise_of_its_sky() -> None:
    image = field().image.astype(np.float64)
    fine, coarse = measure_frame(image.astype(np.uint16)), measure_frame(np.rint(image / 400.0).astype(np.uint8))
    print(f"noise {fine.sky.noise:.1f} in steps of 1; {coarse.sky.noise:.2f} of a step in bytes")
    assert fine.cautions == ()
    assert len(coarse.cautions) == 1
    assert "steps of 1," in coarse.cautions[0]


@pytest.mark.parametrize(
    ("image", "first"),
    [
        (np.full((200, 200), np.nan, np.float32), "100.0 % of the pixels have no value"),
        (np.full((200, 200), 65535, np.uint16), "100.0 % of the pixels are saturated"),
        (np.full((200, 200), 1234, np.uint16), "100 % of the pixels have one and the same value: electronics fault or"),
        (np.random.default_rng(4).normal(1000.0, 10.0, (200, 200)), "no star was found: clouds, a closed cover"),
    ],
    ids=["no value", "saturated", "one value", "closed"],
)
def test_a_frame_without_stars_says_why_in_the_words_of_its_grade(image: np.ndarray, first: str) -> None:
    found = measure_frame(image)
    verdict = grade(Metrics.of(quality_of(found)), NOTHING)
    print("; ".join(found.cautions))
    assert found.cautions[0].startswith(first)
    assert found.cautions == verdict.reasons
    assert verdict.rejected
