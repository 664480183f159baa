"""What a star looks like in one light, told by the coadd of all: squares of pixels, and a fit that knows no hits."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation

from pictor.imaging.coadd.members import Member
from pictor.imaging.coadd.samples import levelled
from pictor.imaging.resampling.kernels import BLOCKING, SOFT
from pictor.imaging.resampling.mapping import Mapping
from pictor.imaging.resampling.resampling import NOTHING, Resampler, Window
from pictor.imaging.resampling.weights import Kernel

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

_HALF, _LEAST_SIDE, _MARGIN = 6, 7, 2
_NO_BITS = np.zeros((0, 0), np.uint8)
# Light below this share of the brightest is taken to be this bright where its logarithm is asked for.
_FAINTEST = 0.002
# Shares of light and slope that the fit may leave; a hit is beyond 4 standard deviations, its neighbours beyond 2.
_SHARES, _FAR, _BESIDE = (0.02, 0.04), 4.0, 2.0
_ROUNDS, _TOGETHER = 12, 0.5
# Pixels of a star, which rise so many deviations above the sky, tell by themselves how well the fit is.
_STARRY, _FEWEST = 5.0, 8
# Pixels a fit rests on for each of its terms; largest error of a prediction over what the pixel may differ by.
_PER_TERM, _LARGEST_ERROR = 3, 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """Which pixels of a stamp are spoilt, and what belongs there; flat indices, values and variances, shape (n,)."""

    which: NDArray[np.intp]
    values: Floats
    variances: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Stamp:
    """A square of a light, flat.

    Parameters
    ----------
    rows, columns
        Of its pixels in the light.
    shape
        Rows and columns of the square.
    values, variance
        Sky and scale are those of the coadd.
    blocked
        Marked pixels, and such without a value.
    full
        Saturated pixels: neither judged nor replaced.
    terms
        What a star may look like, shape (n, 7): the light of the coadd, the same times its logarithm and its square,
        which make a profile wider or narrower, its Laplacian, which does so where stars overlap, its slopes, which
        shift it, and a constant. NaN where the coadd has no value.
    """

    rows: NDArray[np.intp]
    columns: NDArray[np.intp]
    shape: tuple[int, int]
    values: Floats
    variance: Floats
    blocked: Flags
    full: Flags
    terms: Floats

    def fit(self) -> Fit | None:
        """Fit the terms without what stands out; None where that does not tell what belongs there."""
        known = np.asarray(np.isfinite(self.terms).all(axis=1))
        terms = np.where(known[:, None], self.terms, 0.0)
        allowed = self._allowed(terms)
        scaled, wanted = terms / allowed[:, None], np.where(self.blocked, 0.0, self.values) / allowed
        out = self.blocked | self.full | ~known
        for _ in range(_ROUNDS):
            used = scaled[~out]
            if len(used) < _PER_TERM * terms.shape[1]:
                return None
            inverse = np.linalg.pinv(used.T @ used, hermitian=True)
            found = inverse @ (used.T @ wanted[~out])
            rest = np.where(self.full | ~known, 0.0, wanted - scaled @ found)
            new = self._spoilt(rest, out)
            if not new.any():
                break
            out |= new
        else:
            return None
        which = np.flatnonzero(out & known & ~self.full)
        error = np.sqrt(np.einsum("ij,jk,ik->i", scaled[which], inverse, scaled[which]))
        if not which.size or error.max() > _LARGEST_ERROR:
            return None
        return Fit(which, (terms @ found)[which], self.variance[which])

    def _allowed(self, terms: Floats) -> Floats:
        """Add the noise of pixels and shares of light and slope: the standard deviation they may have from the fit."""
        slope = np.hypot(terms[:, 2], terms[:, 3])
        made: Floats = np.sqrt(self.variance + (_SHARES[0] * terms[:, 0]) ** 2 + (_SHARES[1] * slope) ** 2)
        return made

    def _spoilt(self, rest: Floats, out: Flags) -> Flags:
        """Find pixels that are brighter than they should be: the farthest off first, at last what lies beside them."""
        starry = ~out & (self.terms[:, 0] > _STARRY * np.sqrt(self.variance))
        parts = [rest[part] for part in (~out, starry) if np.count_nonzero(part) >= _FEWEST]
        limit = max(1.0, *(1.4826 * float(np.median(np.abs(part))) for part in parts))
        left = np.where(out, 0.0, rest)
        if left.max() > _FAR * limit:
            return np.asarray(left >= max(_FAR * limit, _TOGETHER * float(left.max())))
        hits = (self.blocked | (rest > _FAR * limit)).reshape(self.shape)
        return np.asarray(binary_dilation(hits, np.ones((3, 3))).ravel() & (left > _BESIDE * limit))


def stamp_of(one: Member, coadd: NDArray[np.float32], level: float, at: tuple[Floats, Floats]) -> Stamp | None:
    """Cut a square out of a light around samples at these positions (x, y) of the grid; None at its edge."""
    (ny, nx), middle = one.source.shape, (float(at[0].mean()), float(at[1].mean()))
    x, y = one.mapping.places(middle[0] + np.array([0.0, 1.0, 0.0]), middle[1] + np.array([0.0, 0.0, 1.0]))
    if not np.isfinite([x, y]).all():
        return None
    back = np.linalg.inv(np.array([[x[1] - x[0], x[2] - x[0]], [y[1] - y[0], y[2] - y[0]]]))
    rows, columns = (
        slice(max(round(float(c)) - _HALF, 0), min(round(float(c)) + _HALF + 1, n)) for c, n in ((y[0], ny), (x[0], nx))
    )
    shape = rows.stop - rows.start, columns.stop - columns.start
    if min(shape) < _LEAST_SIDE:
        return None
    first = middle + back @ np.array([columns.start - _MARGIN - x[0], rows.start - _MARGIN - y[0]])
    matrix = np.array([[*back[0], first[0]], [*back[1], first[1]], [0.0, 0.0, 1.0]])
    light = _seen(coadd, matrix, shape) - level * abs(float(np.linalg.det(back)))
    window = levelled(one, (rows, columns))
    blocked = ~np.isfinite(window.values)
    if window.bits.size:
        blocked |= (window.bits & BLOCKING) != 0
    full = (window.bits & SOFT) != 0 if window.bits.size else np.zeros(shape, np.bool_)
    y_of, x_of = np.indices(shape)
    terms = _terms(light)
    return Stamp(
        (y_of + rows.start).ravel(), (x_of + columns.start).ravel(), shape, window.values.ravel().astype(np.float64),
        _variance(one, window, terms[:, 0]), blocked.ravel(), full.ravel(), terms,
    )  # fmt: skip


def _seen(coadd: NDArray[np.float32], matrix: Floats, shape: tuple[int, int]) -> Floats:
    """Bring the coadd onto the pixels of a square and two around it."""
    back = Resampler(Mapping(matrix, np.zeros((3, 0, 0))), Kernel.LANCZOS3)
    made = back.tile(
        Window(coadd, NOTHING, _NO_BITS), (slice(0, shape[0] + 2 * _MARGIN), slice(0, shape[1] + 2 * _MARGIN))
    )
    return made.values.astype(np.float64)


def _terms(wide: Floats) -> Floats:
    """Make the terms of a fit of the light on a square and two pixels around it."""
    light = wide[2:-2, 2:-2]
    left, right, down, up = wide[2:-2, 1:-3], wide[2:-2, 3:-1], wide[1:-3, 2:-2], wide[3:-1, 2:-2]
    most = float(np.nanmax(light, initial=0.0)) or 1.0
    depth = np.log(np.maximum(light / most, _FAINTEST))
    terms = light, left + right + down + up - 4.0 * light, 0.5 * (right - left), 0.5 * (up - down)
    more = light * depth, light * depth**2, np.ones_like(light)
    return np.stack([one.ravel() for one in (*terms, *more)], axis=1)


def _variance(one: Member, window: Window, light: Floats) -> Floats:
    """Give the variance of the pixels, as they tell it or else from sky and light."""
    slope = 0.0 if one.egain is None else one.scale / one.egain
    expected = one.own_floor + slope * np.maximum(np.nan_to_num(light), 0.0)
    if window.variance.size == 0:
        return expected
    told = window.variance.ravel().astype(np.float64)
    return np.where(np.isfinite(told) & (told > 0.0), told, expected)
