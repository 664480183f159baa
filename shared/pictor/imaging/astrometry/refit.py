"""From a solver's rough answer to a projection fitted over all matched stars."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from pictor.imaging.astrometry.fitting import Matched, fit_wcs, predicted_rms
from pictor.imaging.astrometry.projection import Floats, Wcs, pixel_to_sky, sky_to_pixel
from pictor.imaging.astrometry.stars import FieldStars, SkyStars
from pictor.imaging.errors import ImagingError

Indices = NDArray[np.intp]

_ROUNDS = 10
_LEAST = 4
_FIRST_SHARE = 0.004
"""First matching radius as a share of the frame's diagonal: a solver's corners are this good."""
_FIRST_RADIUS = (3.0, 25.0)
_LAST_RADIUS = (0.8, 4.0)
_RADIUS_PER_RMS = 3.5
_CLIP = 3.0
_SIP_NEEDS = {2: 30, 3: 60}
"""Matched stars needed: five (2-D) positions for each pair of coefficients."""
_BRIGHTEST = (150, 4)
"""Stars that can match: the brightest 150, or four for each one of the other list if that is more."""
_SIP_ZONES = 7
_SIP_GAIN = 0.9
"""A higher order must predict left-out stars at least a tenth better."""


@dataclass(frozen=True, slots=True, eq=False)
class Refit:
    """A fitted projection and the stars it stands on.

    ``stars`` are the frame's stars that could match, ``star`` and ``sky`` index the
    pairs in them and in the catalogue, ``misses`` are their distances in pixels; ``radius`` is the matching radius of
    the last round and ``in_frame`` the number of catalogue stars on the frame.
    """

    wcs: Wcs
    stars: FieldStars
    star: Indices
    sky: Indices
    misses: Floats
    radius: float
    in_frame: int

    @property
    def rms(self) -> float:
        """RMS difference between star and catalogue along one axis, in pixels."""
        return float(np.sqrt(np.mean(self.misses**2) / 2)) if len(self.misses) else float("nan")


def refit(start: Wcs, stars: FieldStars, sky: SkyStars) -> Refit:
    """Fit the projection over all stars that match, starting from a solver's answer.

    Stars and projected catalogue are paired when each is the other's nearest; the
    pairs are fitted, pairs beyond three sigma are left out, and the radius shrinks
    with the scatter until the pairs stay the same. SIP terms of order 2 or 3 are
    added only where enough stars cover the frame and stars left out of the fit are
    predicted better with them.

    Parameters
    ----------
    start
        The solver's answer, good to about 0.4 % of the diagonal.
    stars
        Stars of the frame.
    sky
        Catalogue stars of the field and around it.

    Returns
    -------
    Refit
        The projection, its reference pixel at the centre of the frame.

    Raises
    ------
    ImagingError
        ``not-verified`` when fewer than four stars match.
    """
    wcs = centred(start, stars.width, stars.height)
    field, sky = comparable(wcs, stars, sky)
    found = _settle(wcs, field, sky, order=1)
    for order, needed in _SIP_NEEDS.items():
        if len(found.star) < needed or zones_covered(found) < _SIP_ZONES:
            break
        if _prediction(found, field, sky, order) >= _prediction(found, field, sky, order - 1):
            break
        try:
            higher = _settle(found.wcs, field, sky, order=order)
        except ImagingError:
            break
        if _prediction(higher, field, sky, order) > _SIP_GAIN * _prediction(higher, field, sky, order - 1):
            break
        found = higher
    return found


def centred(wcs: Wcs, width: int, height: int) -> Wcs:
    """Move the reference pixel of a projection to the centre of the frame.

    Parameters
    ----------
    wcs
        Any projection of the frame.
    width, height
        Frame size, in pixels.

    Returns
    -------
    Wcs
        The TAN projection that agrees with it over the frame in the least-squares sense.
    """
    grid = np.meshgrid(np.linspace(1.0, width, 7), np.linspace(1.0, height, 7))
    x, y = grid[0].ravel(), grid[1].ravel()
    ra, dec = pixel_to_sky(wcs, x, y)
    crpix = ((width + 1) / 2, (height + 1) / 2)
    middle = pixel_to_sky(wcs, np.array([crpix[0]]), np.array([crpix[1]]))
    begin = Wcs(crval=(float(middle[0][0]), float(middle[1][0])), crpix=crpix, cd=wcs.cd)
    return fit_wcs(Matched(x, y, ra, dec), begin)


def zones_of(x: Floats, y: Floats, width: int, height: int) -> Indices:
    """Find the number of the zone (3 x 3, row by row from the first pixel) of each position."""
    column = np.clip(((x - 0.5) * 3 / width).astype(int), 0, 2)
    row = np.clip(((y - 0.5) * 3 / height).astype(int), 0, 2)
    return np.asarray(row * 3 + column, dtype=np.intp)


def zones_covered(found: Refit) -> int:
    """Count the zones of the frame that hold a matched star."""
    stars = found.stars
    x, y = stars.x[found.star], stars.y[found.star]
    return len(np.unique(zones_of(x, y, stars.width, stars.height)))


def _settle(wcs: Wcs, stars: FieldStars, sky: SkyStars, *, order: int) -> Refit:
    """Match and fit in turn until the pairs stay the same."""
    diagonal = float(np.hypot(stars.width, stars.height))
    radius = float(np.clip(_FIRST_SHARE * diagonal, *_FIRST_RADIUS)) if order == 1 else _LAST_RADIUS[1]
    terms = (order + 1) * (order + 2) // 2
    before = b""
    tree = cKDTree(np.column_stack([stars.x, stars.y]))
    for _ in range(_ROUNDS):
        pair = _pairs(wcs, stars, sky, radius, tree)
        if len(pair.star) < max(_LEAST, terms):
            raise ImagingError(
                f"only {len(pair.star)} stars of the frame lie within {radius:.1f} px of a catalogue star "
                "at the position the solver found",
                reason="not-verified",
            )
        kept = _clipped(pair)
        wcs = fit_wcs(_matched(pair.star[kept], pair.sky[kept], stars, sky), wcs, order=order)
        scatter = float(np.sqrt(np.mean(pair.misses[kept] ** 2)))
        radius = min(radius, float(np.clip(_RADIUS_PER_RMS * scatter, *_LAST_RADIUS)))
        now = pair.star[kept].tobytes() + pair.sky[kept].tobytes()
        if now == before:
            break
        before = now
    final = _pairs(wcs, stars, sky, radius, tree)
    kept = _clipped(final)
    return Refit(wcs, stars, final.star[kept], final.sky[kept], final.misses[kept], radius, final.in_frame)


def _pairs(wcs: Wcs, stars: FieldStars, sky: SkyStars, radius: float, tree: cKDTree) -> Refit:
    """Pair stars, which are in the tree, and projected catalogue where each is the other's nearest within a radius."""
    x, y = sky_to_pixel(wcs, sky.ra, sky.dec)
    inside = np.flatnonzero((x >= 0.5) & (x <= stars.width + 0.5) & (y >= 0.5) & (y <= stars.height + 0.5))
    if len(inside) == 0 or len(stars.x) == 0:
        nothing = np.empty(0, dtype=np.intp)
        return Refit(wcs, stars, nothing, nothing, np.empty(0), radius, len(inside))
    known = np.column_stack([x[inside], y[inside]])
    distance, star = tree.query(known, distance_upper_bound=radius)
    near = np.flatnonzero(np.isfinite(distance))
    star = star[near]
    _, back = cKDTree(known).query(np.asarray(tree.data)[star])
    mutual = back == near
    return Refit(wcs, stars, star[mutual], inside[near[mutual]], distance[near[mutual]], radius, len(inside))


def _clipped(pair: Refit) -> Indices:
    """Drop pairs whose distance stands out from the others' (a Rayleigh distribution's median is 1.18 sigma)."""
    if len(pair.misses) <= _LEAST:
        return np.arange(len(pair.misses))
    sigma = float(np.median(pair.misses)) / 1.1774
    kept = np.flatnonzero(pair.misses <= max(_CLIP * sigma, 1e-6))
    return kept if len(kept) >= _LEAST else np.argsort(pair.misses)[:_LEAST]


def _matched(star: Indices, sky_index: Indices, stars: FieldStars, sky: SkyStars) -> Matched:
    return Matched(stars.x[star], stars.y[star], sky.ra[sky_index], sky.dec[sky_index])


def _prediction(found: Refit, stars: FieldStars, sky: SkyStars, order: int) -> float:
    """Predict left-out stars with a polynomial of an order, over the pairs already found."""
    return predicted_rms(_matched(found.star, found.sky, stars, sky), found.wcs, order=order)


def comparable(wcs: Wcs, stars: FieldStars, sky: SkyStars) -> tuple[FieldStars, SkyStars]:
    """Cut both lists to the stars the other can have: the deeper one only adds chance matches.

    Parameters
    ----------
    wcs
        Projection of the frame, roughly.
    stars, sky
        Both lists, brightest first.

    Returns
    -------
    tuple
        The brightest clean stars, and the brightest catalogue stars on the frame and around it.
    """
    x, y = sky_to_pixel(wcs, sky.ra, sky.dec)
    margin = _FIRST_SHARE * float(np.hypot(stars.width, stars.height)) + _FIRST_RADIUS[1]
    inside = (np.abs(x - wcs.crpix[0]) < stars.width / 2 + margin) & (
        np.abs(y - wcs.crpix[1]) < stars.height / 2 + margin
    )
    clean = np.flatnonzero(stars.clean)
    floor, ratio = _BRIGHTEST
    seen = clean[: max(floor, ratio * int(np.sum(inside)))]
    known = np.flatnonzero(inside)[: max(floor, ratio * len(clean))]
    field = FieldStars(stars.x[seen], stars.y[seen], stars.flux[seen], stars.clean[seen], stars.width, stars.height)
    return field, SkyStars(sky.ra[known], sky.dec[known], sky.mag[known])
