"""Where a frame lies on the sky: scale, angles, corners, footprint, distances."""

import math

import numpy as np

from pictor.imaging.astrometry.projection import Wcs, pixel_to_sky, point_of_plane

SkyPoint = tuple[float, float]

_HEALPIX_ORDER = 29
_MOC_CELLS_PER_WIDTH = 16.0
"""The footprint's cells are a sixteenth of the frame's shorter side."""
_ORDER0_DEG = 58.6
"""Side of an order-0 HEALPix cell, in degrees."""


def scale_of(wcs: Wcs) -> float:
    """Pixel scale at the reference pixel: the root of a pixel's area, in arcsec."""
    return 3600 * math.sqrt(abs(float(np.linalg.det(np.array(wcs.cd)))))


def position_angle(wcs: Wcs) -> float:
    """Direction of up (+y) on the sky, in degrees east of north, in [0, 360)."""
    return math.degrees(math.atan2(wcs.cd[0][1], wcs.cd[1][1])) % 360.0


def parity(wcs: Wcs) -> int:
    """Tell +1 when the sky is as seen (east left of north when north is up), -1 when mirrored."""
    return 1 if float(np.linalg.det(np.array(wcs.cd))) < 0 else -1


def sky_of(wcs: Wcs, x: float, y: float) -> SkyPoint:
    """Right ascension and declination of one FITS pixel position, in degrees."""
    if wcs.sip is not None:
        ra, dec = pixel_to_sky(wcs, np.array([x]), np.array([y]))
        return float(ra[0]), float(dec[0])
    u, v = x - wcs.crpix[0], y - wcs.crpix[1]
    (cd11, cd12), (cd21, cd22) = wcs.cd
    return point_of_plane(cd11 * u + cd12 * v, cd21 * u + cd22 * v, wcs.crval)


def corners_of(wcs: Wcs, width: int, height: int) -> tuple[SkyPoint, SkyPoint, SkyPoint, SkyPoint]:
    """Outer corners of the frame, from the first pixel around: along x, then along y."""
    right, top = width + 0.5, height + 0.5
    return (sky_of(wcs, 0.5, 0.5), sky_of(wcs, right, 0.5), sky_of(wcs, right, top), sky_of(wcs, 0.5, top))


def field_size(wcs: Wcs, width: int, height: int) -> tuple[float, float]:
    """Width and height of the frame on the sky through its centre, in degrees."""
    x, y = (width + 1) / 2, (height + 1) / 2
    across = separation(sky_of(wcs, 0.5, y), sky_of(wcs, width + 0.5, y))
    along = separation(sky_of(wcs, x, 0.5), sky_of(wcs, x, height + 0.5))
    return across, along


def separation(first: SkyPoint, second: SkyPoint) -> float:
    """Angle between two directions, in degrees, exact for small and for large angles [1]_.

    References
    ----------
    .. [1] Vincenty T., 1975, Survey Review 23, 88.
    """
    alpha = math.radians(second[0] - first[0])
    delta1, delta2 = math.radians(first[1]), math.radians(second[1])
    across = math.hypot(
        math.cos(delta2) * math.sin(alpha),
        math.cos(delta1) * math.sin(delta2) - math.sin(delta1) * math.cos(delta2) * math.cos(alpha),
    )
    along = math.sin(delta1) * math.sin(delta2) + math.cos(delta1) * math.cos(delta2) * math.cos(alpha)
    return math.degrees(math.atan2(across, along))


def healpix_of(point: SkyPoint) -> int:
    """Nested HEALPix cell of order 29 of a direction [1]_: one number for cone searches.

    References
    ----------
    .. [1] Gorski K. M. et al., 2005, ApJ 622, 759.
    """
    last, quarter, dec = (1 << _HEALPIX_ORDER) - 1, (point[0] % 360.0) / 90.0, math.radians(point[1])
    if abs(math.sin(dec)) <= 2 / 3:
        along, across = (last + 1) * (0.5 + quarter), (last + 1) * 0.75 * math.sin(dec)
        falling, rising = int(along - across), int(along + across)
        one, two = falling >> _HEALPIX_ORDER, rising >> _HEALPIX_ORDER
        face = one | 4 if one == two else (one if one < two else two + 8)
        x, y = rising & last, last - (falling & last)
    else:
        sector = min(3, int(quarter))
        from_pole = (last + 1) * math.sqrt(6) * math.sin((math.pi / 2 - abs(dec)) / 2)
        left, right = (min(last, int(part * from_pole)) for part in (quarter - sector, 1 - (quarter - sector)))
        face, x, y = (sector, last - right, last - left) if dec > 0 else (sector + 8, left, right)
    # the binary digits of a number, read in base four, are its bits with room between them for those of the other
    return (face << 2 * _HEALPIX_ORDER) + int(f"{x:b}", 4) + 2 * int(f"{y:b}", 4)


def footprint_of(corners: tuple[SkyPoint, ...]) -> str:
    """Cells that a frame touches, as an ASCII multi-order coverage map [1]_.

    Parameters
    ----------
    corners
        Corners of the frame in order, in degrees.

    Returns
    -------
    str
        ``order/cell cell ... order/cell ...``.

    References
    ----------
    .. [1] Fernique P. et al., 2022, MOC: HEALPix Multi-Order Coverage map, IVOA.
    """
    from astropy.coordinates import Latitude, Longitude  # noqa: PLC0415 - a second to import, needed once per solution
    from cdshealpix import nested  # noqa: PLC0415

    side = min(separation(corners[0], corners[1]), separation(corners[1], corners[2]))
    depth = round(math.log2(_ORDER0_DEG * _MOC_CELLS_PER_WIDTH / max(side, 1e-4)))
    lon, lat = zip(*corners, strict=True)
    cells, depths, _ = nested.polygon_search(
        Longitude(np.array(lon), "deg"), Latitude(np.array(lat), "deg"), min(max(depth, 0), _HEALPIX_ORDER), flat=False
    )
    orders = {int(order): sorted(int(cell) for cell in cells[depths == order]) for order in np.unique(depths)}
    return " ".join(f"{order}/" + " ".join(map(str, found)) for order, found in orders.items())
