"""Precession of a hint, to some arcseconds; solutions never pass here."""

import math


def to_j2000(ra_deg: float, dec_deg: float, equinox: float) -> tuple[float, float]:
    """Precess a mean position to J2000 [1]_.

    Parameters
    ----------
    ra_deg, dec_deg
        Position of the given equinox, in degrees.
    equinox
        Julian year, such as 2025.9.

    Returns
    -------
    tuple of float
        Right ascension (0 to 360) and declination, in degrees. Nutation and aberration are left out (20 arcsec).

    References
    ----------
    .. [1] Lieske J. H. et al., 1977, A&A 58, 1 (IAU 1976 precession), inverted from J2000 to the equinox.
    """
    t = (equinox - 2000.0) / 100.0
    zeta = math.radians((2306.2181 * t + 0.30188 * t**2 + 0.017998 * t**3) / 3600)
    z = math.radians((2306.2181 * t + 1.09468 * t**2 + 0.018203 * t**3) / 3600)
    theta = math.radians((2004.3109 * t - 0.42665 * t**2 - 0.041833 * t**3) / 3600)
    ra, dec = math.radians(ra_deg) - z, math.radians(dec_deg)
    a = math.cos(dec) * math.sin(ra)
    b = math.cos(theta) * math.cos(dec) * math.cos(ra) + math.sin(theta) * math.sin(dec)
    c = -math.sin(theta) * math.cos(dec) * math.cos(ra) + math.cos(theta) * math.sin(dec)
    return math.degrees(math.atan2(a, b) - zeta) % 360, math.degrees(math.asin(max(-1.0, min(1.0, c))))
