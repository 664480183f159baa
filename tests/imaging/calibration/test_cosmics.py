"""Cosmic rays found in single lights with known hits, and stars left alone."""

import numpy as np
import pytest
from astroscrappy import detect_cosmics
from numpy.typing import NDArray
from scipy import ndimage

from pictor.imaging.calibration.calibrating import calibrate
from pictor.imaging.calibration.cosmics import CONTRAST, NEIGHBOUR_SHARE, PASSES, SIGMA
from pictor.imaging.simulator.psf import Psf, add_stars

SHAPE, EGAIN, READ_NOISE_E, SKY_ADU = (384, 384), 1.5, 4.0, 300.0
CORE_PX = 1.5


def field(
    rng: np.random.Generator, fwhm: float, *, stars: int = 100
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:  # fmt: skip
    """A sky with stars from faint to nearly saturated; and where they are (y, x)."""
    image = np.full(SHAPE, SKY_ADU, np.float32)
    x, y = rng.uniform(12, SHAPE[1] - 12, stars), rng.uniform(12, SHAPE[0] - 12, stars)
    add_stars(image, x, y, 10 ** rng.uniform(3.3, 5.6, stars), Psf("gaussian", fwhm))
    return image, np.column_stack([y, x])


def with_hits(
    rng: np.random.Generator, scene: NDArray[np.float32], count: int = 80
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:  # fmt: skip
    """Expose the scene and let particles cross it on tracks of one to six pixels."""
    electrons = rng.poisson(scene * EGAIN) + rng.normal(0, READ_NOISE_E, SHAPE)
    hit = np.zeros(SHAPE, np.bool_)
    for _ in range(count):
        y, x, angle = rng.uniform(8, SHAPE[0] - 8), rng.uniform(8, SHAPE[1] - 8), rng.uniform(0, np.pi)
        charge = 10 ** rng.uniform(2.9, 4.3)
        for step in range(rng.integers(1, 7)):
            place = round(y + step * np.sin(angle)), round(x + step * np.cos(angle))
            electrons[place] += charge
            hit[place] = True
    return np.rint(electrons / EGAIN), hit


def near(stars: NDArray[np.float64], radius: float) -> NDArray[np.bool_]:
    """Pixels within a radius of a star's centre."""
    places = np.clip(np.rint(stars).astype(int), 0, SHAPE[0] - 1)
    points = np.ones(SHAPE, np.bool_)
    points[places[:, 0], places[:, 1]] = False
    found: NDArray[np.bool_] = ndimage.distance_transform_edt(points) <= radius
    return found


@pytest.mark.parametrize("fwhm", [1.8, 2.5, 4.0])
def test_hits_are_found_and_star_cores_are_not(rng: np.random.Generator, fwhm: float) -> None:
    scene, stars = field(rng, fwhm)
    light, hit = with_hits(rng, scene)
    done = calibrate(light, egain=EGAIN, read_noise_e=READ_NOISE_E, bias_level=0.0, cosmics=True)
    found = (done.mask & 8) != 0
    cores, around = near(stars, CORE_PX), near(stars, 3 * fwhm)
    away = hit & ~around
    recall = float(found[away].mean())
    touching = near(np.argwhere(hit).astype(float), 1.5)
    false_share = float((found & ~touching).sum() / found.size)
    in_cores = int((found & cores & ~touching).sum())
    left = np.abs(done.sci - scene)[away & found] / np.sqrt(SKY_ADU / EGAIN + (READ_NOISE_E / EGAIN) ** 2)
    print(
        f"FWHM {fwhm} px: recall {100 * recall:.1f} % of {away.sum()} hit pixels, false {1e6 * false_share:.0f} per "
        f"million, {in_cores} in star cores; cleaned pixels off by {left.mean():.2f} sigma"
    )
    assert done.cleaned == found.sum()
    assert recall > 0.9
    assert in_cores == 0
    assert false_share < 1e-4
    assert left.mean() < 2.0


@pytest.mark.parametrize(("fwhm", "crowd"), [(1.5, 250), (2.0, 250), (3.0, 250), (1.8, 600), (2.5, 600), (4.0, 600)])
def test_a_field_of_stars_alone_loses_no_star(rng: np.random.Generator, fwhm: float, crowd: int) -> None:
    scene, stars = field(rng, fwhm, stars=crowd)
    light, _ = with_hits(rng, scene, count=0)
    done = calibrate(light, egain=EGAIN, read_noise_e=READ_NOISE_E, bias_level=0.0, cosmics=True)
    found = (done.mask & 8) != 0
    print(
        f"FWHM {fwhm} px: {found.sum()} false of {found.size} pixels, {(found & near(stars, CORE_PX)).sum()} in cores"
    )
    assert not (found & near(stars, CORE_PX)).any()
    assert found.mean() < 2e-5


def test_a_hit_under_a_colour_pattern_is_found_and_repaired_in_its_colour(rng: np.random.Generator) -> None:
    colours = np.tile([[150.0, 300.0], [300.0, 600.0]], (SHAPE[0] // 2, SHAPE[1] // 2)).astype(np.float32)
    light, hit = with_hits(rng, colours)
    done = calibrate(light, egain=EGAIN, read_noise_e=READ_NOISE_E, bias_level=0.0, bayer=True, cosmics=True)
    found = (done.mask & 8) != 0
    recall, false = float(found[hit].mean()), int((found & ~near(np.argwhere(hit).astype(float), 3.0)).sum())
    error = np.abs(done.sci - colours)[hit & found] / np.sqrt(colours / EGAIN + 7)[hit & found]
    print(f"colour pattern: recall {100 * recall:.1f} %, {false} false pixels, cleaned off by {error.mean():.2f} sigma")
    assert recall > 0.9
    assert false < 30
    assert error.mean() < 2.0


@pytest.mark.parametrize("fwhm", [1.8, 2.5, 4.0])
def test_stars_under_a_colour_pattern_are_left_alone_and_hits_are_found(rng: np.random.Generator, fwhm: float) -> None:
    scene, stars = field(rng, fwhm, stars=150)
    scene *= np.tile(np.array([[0.6, 1.0], [1.0, 0.45]], np.float32), (SHAPE[0] // 2, SHAPE[1] // 2))
    light, hit = with_hits(rng, scene)
    done = calibrate(light, egain=EGAIN, read_noise_e=READ_NOISE_E, bias_level=0.0, bayer=True, cosmics=True)
    found = (done.mask & 8) != 0
    away = hit & ~near(stars, 3 * fwhm)
    false = found & ~near(np.argwhere(hit).astype(float), 3.0)
    print(
        f"colour pattern, FWHM {fwhm} px: recall {100 * found[away].mean():.1f} %, {false.sum()} false pixels, "
        f"{(false & near(stars, CORE_PX)).sum()} in cores of {len(stars)} stars"
    )
    assert found[away].mean() > 0.9
    assert (false & near(stars, CORE_PX)).sum() <= 3
    assert false.mean() < 1e-4


@pytest.mark.parametrize(("fwhm", "stars"), [(1.8, 300), (2.5, 300), (4.0, 150)])
def test_astroscrappy_finds_no_more_events_beside_star_cores_and_not_fewer_false_pixels(
    rng: np.random.Generator, fwhm: float, stars: int
) -> None:
    scene, centres = field(rng, fwhm, stars=stars)
    light, hit = with_hits(rng, scene, count=200)
    judged = hit & ~near(centres, CORE_PX)
    done = calibrate(light, egain=EGAIN, read_noise_e=READ_NOISE_E, bias_level=0.0, cosmics=True)
    other, _ = detect_cosmics(
        light.astype(np.float32), gain=EGAIN, readnoise=READ_NOISE_E, sigclip=SIGMA, sigfrac=NEIGHBOUR_SHARE,
        objlim=CONTRAST, satlevel=np.inf, niter=PASSES, sepmed=True,
    )  # fmt: skip
    events, count = ndimage.label(hit, structure=np.ones((3, 3)))
    touching = near(np.argwhere(hit).astype(float), 1.5)
    found, theirs = (np.unique(events[mask & judged]).size for mask in ((done.mask & 8) != 0, other))
    false, others = (int((mask & ~touching).sum()) for mask in ((done.mask & 8) != 0, other))
    print(f"FWHM {fwhm} px, {stars} stars: {found} of {count} events, astroscrappy {theirs}; false {false}, {others}")
    assert found >= 0.99 * theirs
    assert false <= others


def test_a_light_is_left_as_it_is_unless_cleaning_is_asked_for(rng: np.random.Generator) -> None:
    light, hit = with_hits(rng, np.full(SHAPE, SKY_ADU, np.float32))
    done = calibrate(light, egain=EGAIN, read_noise_e=READ_NOISE_E, bias_level=0.0)
    assert done.cleaned == 0
    assert (done.mask == 0).all()
    assert (done.sci[hit] == light[hit].astype(np.float32)).all()


def test_bad_and_saturated_pixels_are_not_taken_for_hits(rng: np.random.Generator) -> None:
    light, _ = with_hits(rng, np.full(SHAPE, SKY_ADU, np.float32), count=0)
    bad = np.zeros(SHAPE, np.uint8)
    bad[100, 100] = 1
    light[100, 100] = light[200, 200] = 65_535
    done = calibrate(
        light, egain=EGAIN, read_noise_e=READ_NOISE_E, bias_level=0.0, bad_pixels=bad, saturation=65_535, cosmics=True
    )
    assert (done.mask[100, 100], done.mask[200, 200]) == (3, 2)
    assert done.sci[100, 100] == pytest.approx(SKY_ADU, abs=60)
    assert done.sci[200, 200] == 65_535
