"""The ratio of fluxes that both have errors."""

import math

import numpy as np
import pytest
from scipy import optimize

from pictor.imaging.continuum.scaling import fit_scale

TRUE = 0.25


def drawn(count: int, *, seed: int, spread: float = 0.0) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Fluxes with errors of five per cent and more in both frames."""
    rng = np.random.default_rng(seed)
    x = 10 ** rng.uniform(3.0, 4.0, count)
    x_error, y_error = np.full(count, 50.0), np.full(count, 12.0)
    y = TRUE * x * (1.0 + rng.normal(0.0, spread, count))
    return rng.normal(x, x_error), x_error, rng.normal(y, y_error), y_error


def test_errors_in_both_fluxes_do_not_dim_the_ratio() -> None:
    found = []
    for seed in range(100):
        x, x_error, y, y_error = drawn(200, seed=seed)
        found.append(fit_scale((y, y_error), (x, x_error)))
    values = np.array([one.value for one in found])
    pulls = (values - TRUE) / np.array([one.error for one in found])
    print(f"mean of 100 fits {values.mean() / TRUE:.5f} of the truth, pulls {pulls.mean():+.2f} +- {pulls.std():.2f}")
    assert values.mean() == pytest.approx(TRUE, rel=1e-3)
    assert pulls.std() == pytest.approx(1.0, abs=0.25)


def test_it_is_the_line_of_least_chi_squared() -> None:
    x, x_error, y, y_error = drawn(150, seed=3)

    def chi_squared(k: float) -> float:
        return float(np.sum((y - k * x) ** 2 / (y_error**2 + (k * x_error) ** 2)))

    theirs = optimize.minimize_scalar(chi_squared, bracket=(0.2, 0.3), tol=1e-9).x
    assert fit_scale((y, y_error), (x, x_error)).value == pytest.approx(theirs, rel=2e-3)


def test_spread_is_measured_and_outliers_are_left_out() -> None:
    x, x_error, y, y_error = drawn(400, seed=5, spread=0.08)
    y[:20] *= 4.0
    found = fit_scale((y, y_error), (x, x_error))
    print(
        f"scatter {found.scatter:.3f} of 0.08, k {found.value / TRUE:.4f} of the truth, {found.star_count} of 400 stars"
    )
    assert found.scatter == pytest.approx(0.08, rel=0.25)
    assert found.value == pytest.approx(TRUE, rel=0.02)
    assert found.star_count <= 382


def test_no_star_gives_no_ratio() -> None:
    nothing = np.zeros(0)
    found = fit_scale((nothing, nothing), (nothing, nothing))
    assert math.isnan(found.value)
    assert found.star_count == 0
