"""Angles on the sky, independent of the code under test."""

import math


def separation_arcsec(ra1: float, dec1: float, ra2: float, dec2: float) -> float:
    """Return the distance of two positions given in degrees (haversine), in arcseconds."""
    lat1, lat2 = math.radians(dec1), math.radians(dec2)
    half_ra = math.radians(ra2 - ra1) / 2
    chord = math.sin((lat2 - lat1) / 2) ** 2 + math.cos(lat1) * math.cos(lat2) * math.sin(half_ra) ** 2
    return math.degrees(2 * math.asin(math.sqrt(chord))) * 3600
