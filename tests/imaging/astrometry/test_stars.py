"""Which stars a solver sees."""

import numpy as np

from pictor.imaging.astrometry.stars import every_source, field_stars, spread


def test_a_cluster_does_not_use_up_the_list(rng: np.random.Generator) -> None:
    cluster = rng.normal(900, 20, (500, 2))
    around = rng.uniform(1, 1000, (60, 2))
    x, y = np.concatenate([cluster, around]).T
    flux = np.concatenate([rng.uniform(50, 100, 500), rng.uniform(1, 10, 60)])
    stars = field_stars(x, y, flux, flags=np.zeros(len(x)), width=1000, height=1000)
    picked = spread(stars, 40)
    left = np.sum(picked[:, 0] < 500)
    assert left >= 15
    assert len(picked) == 40


def test_the_first_slice_holds_the_brightest_of_every_quarter(rng: np.random.Generator) -> None:
    x, y, flux = rng.uniform(1, 1000, (3, 400))
    stars = field_stars(x, y, flux, flags=np.zeros(400), width=1000, height=1000)
    picked = spread(stars, 50)
    for right in (False, True):
        for upper in (False, True):
            quarter = ((x > 500.5) == right) & ((y > 500.5) == upper)
            best = np.argmax(np.where(quarter, flux, 0))
            assert [x[best], y[best]] in picked[:4, :2].tolist()


def test_flagged_stars_are_left_out_unless_asked_for() -> None:
    flags = np.array([0, 1, 0])
    stars = field_stars(
        np.array([10.0, 20, 30]), np.array([10.0, 20, 30]), np.array([1.0, 9, 4]), flags=flags, width=50, height=50
    )
    assert spread(stars, 9)[:, 0].tolist() == [30.0, 10.0]
    assert spread(every_source(stars), 9)[:, 0].tolist() == [20.0, 30.0, 10.0]


def test_what_is_not_a_position_on_the_frame_is_dropped() -> None:
    x = np.array([np.nan, -5.0, 10.0, 0.5, 51.0])
    stars = field_stars(x, np.full(5, 10.0), np.array([1.0, 1, 1, np.inf, 1]), flags=np.zeros(5), width=50, height=50)
    assert stars.x.tolist() == [10.0]


def test_no_stars_is_an_empty_list() -> None:
    nothing = np.empty(0)
    stars = field_stars(nothing, nothing, nothing, flags=nothing, width=50, height=50)
    assert spread(stars, 10).shape == (0, 3)
