"""From a solver's answer to a projection over all matched stars."""

import numpy as np
import pytest

from pictor.imaging.astrometry.refit import refit
from pictor.imaging.errors import ImagingError
from tests.support.starfields import SIP3, catalogue, corner_error, projection, rough, seen


@pytest.mark.parametrize("size", [(2300, 1760), (6000, 4000), (9576, 6388)])
def test_corners_are_right_to_a_fifth_of_a_pixel(size: tuple[int, int], rng: np.random.Generator) -> None:
    truth = projection(size=size)
    sky = catalogue(truth, 120, rng)
    found = refit(rough(truth), seen(truth, sky, rng, junk=300, lost=0.2), sky)
    error = corner_error(truth, found.wcs)
    print(f"{size[0]} x {size[1]}: {len(found.star)} stars, largest error {error:.3f} px")
    assert error <= 0.2


def test_the_distortion_of_a_wide_field_is_fitted_when_the_stars_support_it(rng: np.random.Generator) -> None:
    truth = projection(size=(6000, 4000), sip=SIP3)
    sky = catalogue(truth, 400, rng)
    found = refit(rough(truth, shift_px=1), seen(truth, sky, rng, junk=200), sky)
    error = corner_error(truth, found.wcs)
    print(f"SIP order {found.wcs.sip.order if found.wcs.sip else 0}: largest error {error:.3f} px")
    assert found.wcs.sip is not None
    assert found.wcs.sip.order == 3
    assert error <= 0.2


def test_no_distortion_is_invented() -> None:
    for seed in range(20):
        rng = np.random.default_rng(seed)
        truth = projection()
        sky = catalogue(truth, 150, rng)
        assert refit(rough(truth), seen(truth, sky, rng, noise=0.3), sky).wcs.sip is None


def test_few_stars_get_no_distortion_terms(rng: np.random.Generator) -> None:
    truth = projection(size=(6000, 4000), sip=SIP3)
    sky = catalogue(truth, 25, rng)
    assert refit(rough(truth, shift_px=1), seen(truth, sky, rng), sky).wcs.sip is None


@pytest.mark.parametrize("parity", [1, -1])
@pytest.mark.parametrize(("ra", "dec"), [(0.0, 0.0), (359.99, 89.8), (12.0, -89.9)])
def test_poles_and_the_origin_of_right_ascension_are_nothing_special(
    ra: float, dec: float, parity: int, rng: np.random.Generator
) -> None:
    truth = projection(ra=ra, dec=dec, parity=parity)
    sky = catalogue(truth, 100, rng)
    assert corner_error(truth, refit(rough(truth), seen(truth, sky, rng), sky).wcs) <= 0.2


def test_a_catalogue_much_deeper_than_the_frame_does_no_harm(rng: np.random.Generator) -> None:
    truth = projection()
    bright, deep = catalogue(truth, 60, rng), catalogue(truth, 4000, rng)
    stars = seen(truth, bright, rng)
    both = type(deep)(
        np.concatenate([bright.ra, deep.ra]), np.concatenate([bright.dec, deep.dec]),
        np.concatenate([bright.mag, deep.mag + 7]),
    )  # fmt: skip
    found = refit(rough(truth), stars, both)
    assert np.mean(found.misses < 0.5) > 0.95
    assert corner_error(truth, found.wcs) <= 0.2


def test_flagged_stars_are_not_matched(rng: np.random.Generator) -> None:
    truth = projection()
    sky = catalogue(truth, 60, rng)
    stars = seen(truth, sky, rng)
    stars.clean[::2] = False
    found = refit(rough(truth), stars, sky)
    assert len(found.star) <= int(np.sum(stars.clean))


def test_the_star_list_is_left_as_it_was(rng: np.random.Generator) -> None:
    truth = projection()
    sky = catalogue(truth, 60, rng)
    stars = seen(truth, sky, rng)
    before = [column.copy() for column in (stars.x, stars.y, stars.flux, sky.ra, sky.dec)]
    refit(rough(truth), stars, sky)
    after = (stars.x, stars.y, stars.flux, sky.ra, sky.dec)
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))


def test_an_answer_far_from_the_truth_is_not_verified(rng: np.random.Generator) -> None:
    truth = projection()
    sky = catalogue(truth, 20, rng)
    with pytest.raises(ImagingError, match="stars of the frame lie within") as caught:
        refit(rough(truth, shift_px=400), seen(truth, sky, rng), sky)
    assert caught.value.reason == "not-verified"
