"""Solving as a library: star lists and frames in, verified solutions or reasons out."""

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import astropy.units as u
import numpy as np
import pytest
from astropy.io import fits
from astropy.nddata import CCDData

from pictor.astrometry.believing import belief_of
from pictor.astrometry.solver import Belief, Means, solve_frame, solve_stars
from pictor.imaging.astrometry.cards import write_wcs
from pictor.imaging.astrometry.projection import sky_to_pixel
from pictor.imaging.errors import FrameMismatchError
from pictor.imaging.frame import Frame
from pictor.imaging.stars.starlist import StarList
from tests.services.astrometry.conftest import SCALE, sample_sky, sample_truth
from tests.support.starfields import Truth, corner_error

QUICK = Means(wall_s=5.0)


@pytest.fixture
def listed(star_file: Callable[..., str]) -> StarList:
    return StarList.from_fits(star_file(sample_truth()))


def drawn(truth: Truth, rng: np.random.Generator) -> np.ndarray:
    """Draw the catalogue stars of a frame."""
    image = rng.normal(500, 6, (truth.height, truth.width)).astype(np.float32)
    sky = sample_sky(truth)
    x, y = sky_to_pixel(truth.wcs, sky.ra, sky.dec)
    reach = np.arange(-7, 8)
    for column, row, mag in zip(x - 1, y - 1, sky.mag, strict=True):
        if not (8 < column < truth.width - 9 and 8 < row < truth.height - 9):
            continue
        left, low = round(column) + reach, round(row) + reach
        spot = np.exp(-(((left - column) ** 2)[None, :] + ((low - row) ** 2)[:, None]) / (2 * 1.4**2))
        image[np.ix_(low, left)] += 6e4 * 10 ** (-0.4 * (mag - 7.5)) * spot
    return image


@pytest.mark.parametrize("believed", [True, False])
def test_a_star_list_is_solved_with_and_without_hints(listed: StarList, *, believed: bool) -> None:
    belief = Belief((314.7, 44.5), scale_arcsec=SCALE) if believed else Belief()
    found = solve_stars(listed, belief)
    assert found.failure is None
    assert found.solution is not None
    error = corner_error(sample_truth(), found.solution.wcs)
    print(f"largest error {error:.3f} px")
    assert error < 0.3
    assert found.attempts[-1].outcome == "solved"
    assert found.attempts[-1].rung == ("hints" if believed else "blind")


def test_a_list_is_not_changed_and_the_same_call_finds_the_same(listed: StarList) -> None:
    before = {field.name: np.copy(getattr(listed, field.name)) for field in fields(listed)[:12]}
    first, second = (solve_stars(listed, Belief((314.7, 44.5), scale_arcsec=SCALE)) for _ in range(2))
    assert first.solution == second.solution
    assert all(np.array_equal(getattr(listed, name), column) for name, column in before.items())


def test_target_and_mount_are_compared_and_are_no_hints(listed: StarList) -> None:
    found = solve_stars(listed, Belief(target=(314.9, 44.3), mount=(10.0, -20.0)))
    assert found.solution is not None
    assert found.solution.target_offset_arcsec == pytest.approx(0, abs=2)
    assert found.solution.mount_offset_arcsec is not None
    assert found.solution.mount_offset_arcsec > 2e5


def test_an_impossible_position_is_no_hint(listed: StarList) -> None:
    for position in ((1117.8, 3.0), (10.0, 99.0), (float("nan"), 3.0)):
        found = solve_stars(listed, Belief(position, scale_arcsec=SCALE))
        assert found.solution is not None


def test_too_few_stars_are_told_at_once(listed: StarList) -> None:
    for few in (StarList.empty((100, 100)), listed.select(np.arange(4))):
        found = solve_stars(few)
        assert found.solution is None
        assert found.failure is not None
        assert found.failure.reason == "too-few-stars"


def test_an_unknown_solver_is_a_mistake_of_the_caller(listed: StarList) -> None:
    with pytest.raises(ValueError, match="magic"):
        solve_stars(listed, means=Means(solvers=("magic",)))


def test_a_missing_folder_of_indexes_leaves_the_sample(listed: StarList, tmp_path: Path) -> None:
    assert solve_stars(listed, means=Means(index_dirs=(tmp_path / "none",))).solution is not None


def test_frames_of_every_kind_are_solved(rng: np.random.Generator) -> None:
    truth = sample_truth()
    image = drawn(truth, rng)
    header = fits.Header({"RA": 314.6, "DEC": 44.4, "FOCALLEN": 552.0, "XPIXSZ": 3.76})
    whole = Frame(image.clip(0, 65535).astype(np.uint16), header=header)
    kept = whole.data.copy()
    ccd = CCDData(image, unit=u.adu, meta=header)
    for given, belief in ((whole, None), (ccd, None), (image, Belief((314.6, 44.4), scale_arcsec=SCALE))):
        found = solve_frame(given, belief, QUICK)
        assert found.solution is not None, found.failure
        assert corner_error(truth, found.solution.wcs) < 0.3
    assert np.array_equal(whole.data, kept)
    with pytest.raises(FrameMismatchError):
        solve_frame(np.zeros(100), None, QUICK)


def test_a_header_is_believed_in_this_order() -> None:
    bare = fits.Header({"OBJCTRA": "20 59 00", "OBJCTDEC": "+44 22 12", "FOCALLEN": 552.0, "XPIXSZ": 3.76})
    belief = belief_of(bare, (2000, 2500))
    assert belief.position == pytest.approx((314.75, 44.37))
    assert belief.scale_arcsec == pytest.approx(1.405, abs=0.001)
    pointed = fits.Header([*bare.cards, ("RA", 314.0), ("DEC", 44.0)])
    assert belief_of(pointed).position == (314.0, 44.0)
    assert belief_of(pointed).target == pytest.approx((314.75, 44.37))
    solved = write_wcs(pointed, sample_truth().wcs, (2000, 2500))
    belief = belief_of(solved, (2000, 2500))
    assert belief.position == pytest.approx((314.9, 44.3), abs=1e-6)
    assert belief.scale_arcsec == pytest.approx(SCALE)
    assert belief_of(solved).position == (314.0, 44.0)
    assert belief_of(fits.Header()) == Belief()
