"""Sky to pixel and back: the gnomonic projection with an optional SIP distortion."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Term = tuple[int, int, float]

_NEWTON_STEPS = 20
_NEWTON_PIXELS = 1e-9


@dataclass(frozen=True, slots=True)
class Sip:
    """A SIP distortion: terms ``(p, q, coefficient)`` of ``u**p * v**q``, in pixels."""

    order: int
    a: tuple[Term, ...]
    b: tuple[Term, ...]


@dataclass(frozen=True, slots=True)
class Wcs:
    """A gnomonic (TAN) world coordinate system.

    Parameters
    ----------
    crval
        Right ascension and declination of the reference pixel, ICRS, in degrees.
    crpix
        Reference pixel, column and row; FITS pixels: the centre of the first pixel is (1, 1).
    cd
        Matrix from pixel offsets to standard coordinates, in degrees per pixel.
    sip
        Distortion; None without one.
    """

    crval: tuple[float, float]
    crpix: tuple[float, float]
    cd: tuple[tuple[float, float], tuple[float, float]]
    sip: Sip | None = None


def sky_to_plane(ra: Floats, dec: Floats, centre: tuple[float, float]) -> tuple[Floats, Floats]:
    """Project the sky onto the plane that touches it at a point.

    Parameters
    ----------
    ra, dec
        ICRS positions, shape (n,), in degrees.
    centre
        Right ascension and declination of the point, in degrees.

    Returns
    -------
    tuple
        Standard coordinates xi (east) and eta (north), shape (n,), in degrees; NaN
        for positions 90 degrees or more away.

    References
    ----------
    .. [1] Calabretta M. R., Greisen E. W., 2002, A&A 395, 1077.
    """
    alpha, delta = np.radians(ra - centre[0]), np.radians(dec)
    pole = math.radians(centre[1])
    up, out = np.sin(delta), np.cos(delta)
    ahead = out * np.cos(alpha)
    depth = math.sin(pole) * up + math.cos(pole) * ahead
    per_depth = math.degrees(1.0) / np.where(depth > 1e-12, depth, np.nan)
    return out * np.sin(alpha) * per_depth, (math.cos(pole) * up - math.sin(pole) * ahead) * per_depth


def plane_to_sky(xi: Floats, eta: Floats, centre: tuple[float, float]) -> tuple[Floats, Floats]:
    """Invert :func:`sky_to_plane`.

    Parameters
    ----------
    xi, eta
        Standard coordinates, shape (n,), in degrees.
    centre
        Right ascension and declination of the tangent point, in degrees.

    Returns
    -------
    tuple
        Right ascension in [0, 360) and declination, shape (n,), in degrees.
    """
    east, north = np.radians(xi), np.radians(eta)
    pole = np.radians(centre[1])
    depth = np.cos(pole) - north * np.sin(pole)
    ra = centre[0] + np.degrees(np.arctan2(east, depth))
    dec = np.degrees(np.arctan2(np.sin(pole) + north * np.cos(pole), np.hypot(east, depth)))
    return np.mod(ra, 360.0), dec


def point_of_plane(xi: float, eta: float, centre: tuple[float, float]) -> tuple[float, float]:
    """Invert :func:`sky_to_plane` for one point."""
    east, north, pole = math.radians(xi), math.radians(eta), math.radians(centre[1])
    depth = math.cos(pole) - north * math.sin(pole)
    ra = centre[0] + math.degrees(math.atan2(east, depth))
    return ra % 360.0, math.degrees(math.atan2(math.sin(pole) + north * math.cos(pole), math.hypot(east, depth)))


def pixel_to_sky(wcs: Wcs, x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Find where pixels look at.

    Parameters
    ----------
    wcs
        The solution.
    x, y
        FITS pixel positions (first pixel 1), shape (n,).

    Returns
    -------
    tuple
        Right ascension and declination, shape (n,), in degrees.
    """
    u, v = np.asarray(x, float) - wcs.crpix[0], np.asarray(y, float) - wcs.crpix[1]
    if wcs.sip is not None:
        u, v = u + polynomial(wcs.sip.a, u, v), v + polynomial(wcs.sip.b, u, v)
    (cd11, cd12), (cd21, cd22) = wcs.cd
    return plane_to_sky(cd11 * u + cd12 * v, cd21 * u + cd22 * v, wcs.crval)


def sky_to_pixel(wcs: Wcs, ra: Floats, dec: Floats) -> tuple[Floats, Floats]:
    """Find the pixels that look at positions.

    Parameters
    ----------
    wcs
        The solution.
    ra, dec
        ICRS positions, shape (n,), in degrees.

    Returns
    -------
    tuple
        FITS pixel positions x and y, shape (n,); NaN beyond 90 degrees.
    """
    xi, eta = sky_to_plane(np.asarray(ra, float), np.asarray(dec, float), wcs.crval)
    (cd11, cd12), (cd21, cd22) = wcs.cd
    area = cd11 * cd22 - cd12 * cd21
    if area == 0:
        raise np.linalg.LinAlgError("Singular matrix")
    u = (cd22 / area) * xi - (cd12 / area) * eta
    v = (cd11 / area) * eta - (cd21 / area) * xi
    if wcs.sip is not None:
        u, v = _undistort(wcs.sip, u, v)
    return u + wcs.crpix[0], v + wcs.crpix[1]


def polynomial(terms: tuple[Term, ...], u: Floats, v: Floats) -> Floats:
    """Sum the terms of one SIP polynomial.

    Parameters
    ----------
    terms
        Exponents and coefficients.
    u, v
        Pixel offsets from the reference pixel, shape (n,).

    Returns
    -------
    numpy.ndarray
        The distortion, shape (n,), in pixels.
    """
    most = max((max(p, q) for p, q, _ in terms), default=0)
    across, along = powers(u, most), powers(v, most)
    total = np.zeros(np.broadcast(u, v).shape)
    for p, q, coefficient in terms:
        total += coefficient * (across[p] * along[q])
    return total


def powers(u: Floats, most: int) -> list[Floats]:
    """Raise every number to the powers 0, 1, 2 ... up to the highest."""
    raised = [np.ones_like(u), u]
    for _ in range(most - 1):
        raised.append(raised[-1] * u)
    return raised


def _undistort(sip: Sip, u: Floats, v: Floats) -> tuple[Floats, Floats]:
    """Solve ``u' + A(u', v') = u`` by fixed-point steps; distortions are small."""
    near_u, near_v = u, v
    for _ in range(_NEWTON_STEPS):
        next_u = u - polynomial(sip.a, near_u, near_v)
        next_v = v - polynomial(sip.b, near_u, near_v)
        change = np.nanmax(np.abs([next_u - near_u, next_v - near_v]), initial=0.0)
        near_u, near_v = next_u, next_v
        if change < _NEWTON_PIXELS:
            break
    return near_u, near_v
