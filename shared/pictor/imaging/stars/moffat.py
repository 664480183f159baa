"""Moffat functions fitted to profiles: as seen at points, and as pixels and rings record them."""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Model = Callable[[Floats, Floats], tuple[Floats, Floats]]
"""Values at radii and their slopes, shape (n, 4), from amplitude, log alpha, log beta and a constant."""

_SHALLOWEST = 1.1
_ROUNDS = 60
_LARGEST_STEP = np.array([np.inf, 0.5, 0.7, np.inf])
# A pixel is averaged over the 3 x 3 points of Gauss and Legendre, a ring over two radii; of eight directions of the
# points the mirrored four give the same.
_EDGE, _CORNER = 0.5 * math.sqrt(0.6), 0.5 * math.sqrt(1.2)
_WEIGHTS = np.array([64.0, *4 * [40.0], *4 * [25.0]]) / 324.0
_TURNS = np.cos((np.arange(4) + 0.5) * math.pi / 4.0)
_AWAY = np.array([0.0, *4 * [_EDGE], *4 * [_CORNER]])[:, None]
_ALONG = _AWAY * np.array([0.0, *_TURNS, *_TURNS])[:, None]


def moffat(parameters: Floats, r: Floats) -> tuple[Floats, Floats]:
    """Give a Moffat function at radii, and its slopes in the parameters."""
    amplitude, log_alpha, log_beta, constant = parameters
    beta, square = math.exp(log_beta), r**2 / math.exp(2.0 * log_alpha)
    base = 1.0 + square
    shape = base**-beta
    to_alpha = amplitude * shape * 2.0 * beta * square / base
    to_beta = -amplitude * shape * beta * np.log(base)
    return amplitude * shape + constant, np.stack([shape, to_alpha, to_beta, np.ones_like(r)], axis=-1)


def recorded(width: float) -> Model:
    """Give the model of a Moffat function averaged over square pixels and over rings of a width, in pixels."""
    aside = width / (2.0 * math.sqrt(3.0))

    def model(parameters: Floats, r: Floats) -> tuple[Floats, Floats]:
        centre = np.stack([r + aside, np.abs(r - aside)])[:, None, :]
        points = np.sqrt(np.maximum(centre**2 + _AWAY**2 + 2.0 * centre * _ALONG, 0.0))
        values, slopes = moffat(parameters, points)
        weights = 0.5 * _WEIGHTS
        return np.einsum("k,akr->r", weights, values), np.einsum("k,akrp->rp", weights, slopes)

    return model


def least_squares(
    start: Floats, r: Floats, seen: Floats, weight: Floats, *, steepest: float, model: Model = moffat
) -> Floats | None:
    """Fit amplitude, log alpha, log beta and a constant by Levenberg and Marquardt; None without a solution."""
    now, damping = start, 1e-2
    values, slopes = model(now, r)
    cost = float(np.sum((weight * (seen - values)) ** 2))
    for _ in range(_ROUNDS):
        weighted = slopes * weight[:, None]
        normal, gradient = weighted.T @ weighted, weighted.T @ (weight * (seen - values))
        try:
            step = np.linalg.solve(normal + damping * np.diag(np.diag(normal)), gradient)
        except np.linalg.LinAlgError:
            return None
        trial = now + np.clip(step, -_LARGEST_STEP, _LARGEST_STEP)
        trial[2] = np.clip(trial[2], math.log(_SHALLOWEST), math.log(steepest))
        new_values, new_slopes = model(trial, r)
        new_cost = float(np.sum((weight * (seen - new_values)) ** 2))
        if new_cost <= cost:
            settled = cost - new_cost < 1e-7 * cost
            now, values, slopes, cost, damping = trial, new_values, new_slopes, new_cost, damping * 0.3
            if settled:
                break
        else:
            damping *= 5.0
            if damping > 1e8:
                break
    return now if np.isfinite(now).all() else None
