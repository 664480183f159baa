"""Zero false solutions: whatever is fed in, a wrong position never comes out."""

from pathlib import Path

import numpy as np

from pictor.astrometry.compute import solve
from pictor.imaging.astrometry.geometry import separation
from pictor.imaging.astrometry.stars import FieldStars, field_stars
from tests.services.astrometry.conftest import SCALE, sample_sky, sample_truth, write_stars
from tests.support.starfields import seen

TRIALS = 10
CENTRE = [314.9, 44.3]


def answer(tmp_path: Path, stars: FieldStars, wall_s: float = 0.7) -> dict | None:
    path = write_stars(tmp_path / "stars.fits", stars)
    return solve(str(path), str(tmp_path), position=CENTRE, scale_arcsec=SCALE, wall_s=wall_s)["solution"]


def test_pure_noise_is_never_solved(tmp_path: Path) -> None:
    solved = 0
    for seed in range(TRIALS):
        rng = np.random.default_rng(seed)
        count = int(rng.integers(10, 800))
        x, y, flux = rng.uniform(1, 2500, count), rng.uniform(1, 2000, count), rng.uniform(1, 100, count)
        solved += answer(tmp_path, field_stars(x, y, flux, flags=0 * x, width=2500, height=2000)) is not None
    print(f"noise: {solved} of {TRIALS} solved")
    assert solved == 0


def test_shuffled_coordinates_are_never_solved(tmp_path: Path) -> None:
    solved = 0
    for seed in range(TRIALS):
        rng = np.random.default_rng(seed)
        truth = sample_truth()
        stars = seen(truth, sample_sky(truth), rng, junk=50)
        shuffled = field_stars(
            stars.x, rng.permutation(stars.y), stars.flux, flags=~stars.clean, width=2500, height=2000
        )
        solved += answer(tmp_path, shuffled) is not None
    print(f"shuffled: {solved} of {TRIALS} solved")
    assert solved == 0


def test_mirrored_lists_are_solved_where_they_are_or_not_at_all(tmp_path: Path) -> None:
    wrong = right = 0
    for seed in range(TRIALS):
        rng = np.random.default_rng(seed)
        truth = sample_truth(ra=314.9 + rng.uniform(-1, 1), dec=44.3 + rng.uniform(-1, 1))
        stars = seen(truth, sample_sky(truth), rng, junk=50)
        mirrored = field_stars(2501 - stars.x, stars.y, stars.flux, flags=~stars.clean, width=2500, height=2000)
        found = answer(tmp_path, mirrored, wall_s=10.0)
        if found is not None:
            true = separation((found["ra_deg"], found["dec_deg"]), truth.wcs.crval) < 0.5 * SCALE / 3600
            right, wrong = right + (true and found["parity"] == -1), wrong + (not true or found["parity"] == 1)
    print(f"mirrored: {right} of {TRIALS} solved where they are, {wrong} elsewhere")
    assert wrong == 0
    assert right == TRIALS


def test_a_few_true_stars_in_much_noise_give_the_truth_or_nothing(tmp_path: Path) -> None:
    wrong = right = 0
    for seed in range(TRIALS):
        rng = np.random.default_rng(seed)
        truth = sample_truth()
        stars = seen(truth, sample_sky(truth), rng, junk=300, lost=0.7)
        found = answer(tmp_path, stars, wall_s=0.7)
        if found is not None:
            near = separation((found["ra_deg"], found["dec_deg"]), truth.wcs.crval) < SCALE / 3600
            right, wrong = right + near, wrong + (not near)
    print(f"clouded: {right} of {TRIALS} solved rightly, {wrong} wrongly")
    assert wrong == 0
