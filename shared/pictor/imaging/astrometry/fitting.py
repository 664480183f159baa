"""Least-squares fits of a projection to matched stars."""

from dataclasses import dataclass, replace

import numpy as np

from pictor.imaging.astrometry.projection import Floats, Sip, Term, Wcs, point_of_plane, powers, sky_to_plane

_ROUNDS = 4
"""The tangent point moves by less than a microarcsecond after three."""

_DEPENDENT = 1e-9
"""Pivots this small beside the largest: the singular values decide which combinations the stars say nothing about."""

_STILL_DEG = 1e-11
"""The tangent point that moves less than this, in degrees, stays: a millionth of a pixel of 0.036 arcsec."""


@dataclass(frozen=True, slots=True, eq=False)
class Matched:
    """Stars paired with the catalogue: FITS pixels and ICRS degrees, each of shape (n,)."""

    x: Floats
    y: Floats
    ra: Floats
    dec: Floats


def fit_wcs(matched: Matched, start: Wcs, *, order: int = 1) -> Wcs:
    """Fit a TAN projection, with SIP terms above order 1, to matched stars.

    The standard coordinates are polynomials of the pixel offsets: one linear
    least-squares problem per axis. Its constant terms move the tangent point until
    they vanish, its linear terms are the CD matrix and its higher terms, taken
    through the inverse of that matrix, are the SIP coefficients [1]_.

    Parameters
    ----------
    matched
        Paired stars; at least as many as the polynomial has terms.
    start
        Where the fit begins; its ``crpix`` is kept.
    order
        1 for TAN alone, 2 or 3 with SIP.

    Returns
    -------
    Wcs
        The fitted projection.

    References
    ----------
    .. [1] Shupe D. L. et al., 2005, ASP Conf. Ser. 347, 491.
    """
    u, v = matched.x - start.crpix[0], matched.y - start.crpix[1]
    exponents, design, scale = _design(u, v, order)
    crval = start.crval
    inverse = _inverse(design) / scale[:, None]
    for _ in range(_ROUNDS):
        solution = inverse @ np.array(sky_to_plane(matched.ra, matched.dec, crval)).T
        xi, eta = solution[0].tolist()
        crval = point_of_plane(xi, eta, crval)
        if max(abs(xi), abs(eta)) < _STILL_DEG:
            break
    cd = solution[1:3].T
    rows = cd.tolist()
    fitted = replace(start, crval=crval, cd=((rows[0][0], rows[0][1]), (rows[1][0], rows[1][1])), sip=None)
    if order == 1:
        return fitted
    higher = np.linalg.solve(cd, solution[3:].T)
    return replace(fitted, sip=Sip(order, _terms(exponents[3:], higher[0]), _terms(exponents[3:], higher[1])))


def predicted_rms(matched: Matched, wcs: Wcs, *, order: int) -> float:
    """Tell how well a fit of an order predicts stars it has not seen.

    Each star is left out once; for a linear fit that needs no refit, only the
    diagonal of its hat matrix [1]_.

    Parameters
    ----------
    matched
        Paired stars.
    wcs
        The fit of this order to them.
    order
        Order of the polynomial.

    Returns
    -------
    float
        RMS distance of a left-out star, in pixels; infinite with too few stars.

    References
    ----------
    .. [1] Allen D. M., 1974, Technometrics 16, 125 (the PRESS statistic).
    """
    u, v = matched.x - wcs.crpix[0], matched.y - wcs.crpix[1]
    _, design, _ = _design(u, v, order)
    if len(u) <= design.shape[1]:
        return float("inf")
    plane = np.array(sky_to_plane(matched.ra, matched.dec, wcs.crval)).T
    orthogonal, _ = np.linalg.qr(design)
    misses = plane - orthogonal @ (orthogonal.T @ plane)
    leverage = np.clip(np.sum(orthogonal**2, axis=1), 0.0, 1.0 - 1e-9)
    pixels = np.linalg.solve(np.array(wcs.cd), (misses / (1.0 - leverage)[:, None]).T)
    return float(np.sqrt(np.mean(np.sum(pixels**2, axis=0))))


def inverse_sip(wcs: Wcs, width: int, height: int) -> Sip:
    """Fit the polynomials that lead back from sky to pixels (AP and BP).

    Parameters
    ----------
    wcs
        A projection with SIP terms.
    width, height
        Frame size, in pixels.

    Returns
    -------
    Sip
        Terms of ``AP`` and ``BP``, one order above the forward ones.

    Raises
    ------
    ValueError
        If the projection has no SIP terms.
    """
    if wcs.sip is None:
        raise ValueError("the projection has no SIP terms to invert")
    grid = np.meshgrid(np.linspace(1, width, 20), np.linspace(1, height, 20))
    u, v = grid[0].ravel() - wcs.crpix[0], grid[1].ravel() - wcs.crpix[1]
    shift_u = sum(c * u**p * v**q for p, q, c in wcs.sip.a)
    shift_v = sum(c * u**p * v**q for p, q, c in wcs.sip.b)
    order = wcs.sip.order + 1
    exponents, design, scale = _design(u + shift_u, v + shift_v, order)
    back = np.linalg.lstsq(design, -np.column_stack([shift_u, shift_v]), rcond=None)[0] / scale[:, None]
    return Sip(order, _terms(exponents, back[:, 0]), _terms(exponents, back[:, 1]))


def _inverse(design: Floats) -> Floats:
    """Invert a design matrix in the least-squares sense; the shortest answer where its columns hang together."""
    rcond = float(np.finfo(float).eps) * max(design.shape)
    orthogonal, triangle = np.linalg.qr(design)
    pivots = np.abs(np.diagonal(triangle))
    if len(pivots) < design.shape[1] or float(pivots.min()) <= _DEPENDENT * float(pivots.max()):
        return np.asarray(np.linalg.pinv(design, rcond=rcond), dtype=np.float64)
    return np.asarray(np.linalg.solve(triangle, orthogonal.T), dtype=np.float64)


def _design(u: Floats, v: Floats, order: int) -> tuple[list[tuple[int, int]], Floats, Floats]:
    """Columns u**p v**q, each scaled to unit size so that the fit stays well conditioned."""
    exponents = [(total - q, q) for total in range(order + 1) for q in range(total + 1)]
    size = max(float(np.max(np.abs(u), initial=1.0)), float(np.max(np.abs(v), initial=1.0)))
    scale = np.array([size ** (p + q) for p, q in exponents])
    across, along = powers(u / size, order), powers(v / size, order)
    return exponents, np.array([across[p] * along[q] for p, q in exponents]).T, scale


def _terms(exponents: list[tuple[int, int]], values: Floats) -> tuple[Term, ...]:
    return tuple((p, q, float(value)) for (p, q), value in zip(exponents, values, strict=True))
