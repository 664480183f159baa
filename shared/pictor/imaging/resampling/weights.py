"""Interpolation kernels and their tables of weights."""

from collections.abc import Callable
from enum import StrEnum
from functools import cache

import numpy as np
from numpy.typing import NDArray

from pictor.imaging.resampling.kernels import PHASES, TAPS

Reals = NDArray[np.float32]


class Kernel(StrEnum):
    """How values between pixels are found."""

    LANCZOS3 = "lanczos3"
    CUBIC = "cubic"
    BILINEAR = "bilinear"
    NEAREST = "nearest"


@cache
def table_of(kernel: Kernel) -> Reals:
    """Tabulate the weights of the pixels at -2 to 3 around a position 0 to 1 pixel beyond a pixel's centre.

    Each row adds up to 1, so that a constant stays one. Those of Lanczos are changed least (by 0.004 at most) so that
    parabolas stay what they are too: plain Lanczos weights move stars by up to 0.03 pixels.

    Returns
    -------
    numpy.ndarray
        Shape (phases + 1, 6).

    References
    ----------
    .. [1] Duchon C. E., 1979, J. Appl. Meteorol. 18, 1016: Lanczos.
    .. [2] Keys R. G., 1981, IEEE Trans. ASSP 29, 1153: cubic, a = -1/2.
    """
    distance = np.arange(-2, TAPS - 2)[None, :] - np.arange(PHASES + 1)[:, None] / PHASES
    weights = _SHAPES[kernel](distance)
    weights /= weights.sum(axis=1, keepdims=True)
    if kernel is Kernel.LANCZOS3:
        weights = _reproducing(weights, distance)
    made: Reals = weights.astype(np.float32)
    made.flags.writeable = False
    return made


@cache
def squares_of(kernel: Kernel) -> Reals:
    """Tabulate the squares of the weights, which carry variances, shape (phases + 1, 6)."""
    made: Reals = np.square(table_of(kernel))
    made.flags.writeable = False
    return made


@cache
def gains_of(kernel: Kernel) -> Reals:
    """Tabulate the variance that interpolation along one axis leaves of 1, shape (phases + 1,)."""
    made: Reals = squares_of(kernel).sum(axis=1)
    made.flags.writeable = False
    return made


@cache
def noise_gain(kernel: Kernel) -> float:
    """Average over all phases by which interpolation lowers the standard deviation of independent pixels.

    The noise that a pixel loses is correlated with its neighbours': the sum over a large aperture keeps its error.
    """
    squares = np.square(table_of(kernel)[:-1], dtype=np.float64).sum(axis=1)
    return float(squares.mean())


def _reproducing(weights: NDArray[np.float64], distance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Change weights least so that their moments are 1, 0 and 0."""
    powers = np.stack([distance**0, distance, distance**2], axis=1)
    lacking = np.array([1.0, 0.0, 0.0]) - np.einsum("pmk,pk->pm", powers, weights)
    change = np.linalg.solve(np.einsum("pmk,pnk->pmn", powers, powers), lacking[..., None])
    return np.asarray(weights + np.einsum("pmk,pm->pk", powers, change[..., 0]), dtype=np.float64)


def _lanczos3(d: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(np.abs(d) < 3, np.sinc(d) * np.sinc(d / 3), 0.0)


def _cubic(d: NDArray[np.float64]) -> NDArray[np.float64]:
    r = np.abs(d)
    inner = 1.5 * r**3 - 2.5 * r**2 + 1
    outer = -0.5 * r**3 + 2.5 * r**2 - 4 * r + 2
    return np.where(r <= 1, inner, np.where(r < 2, outer, 0.0))


def _bilinear(d: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.maximum(0.0, 1.0 - np.abs(d))


def _nearest(d: NDArray[np.float64]) -> NDArray[np.float64]:
    return ((d > -0.5) & (d <= 0.5)).astype(np.float64)


_SHAPES: dict[Kernel, Callable[[NDArray[np.float64]], NDArray[np.float64]]] = {
    Kernel.LANCZOS3: _lanczos3,
    Kernel.CUBIC: _cubic,
    Kernel.BILINEAR: _bilinear,
    Kernel.NEAREST: _nearest,
}
