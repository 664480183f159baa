"""A verified astrometric solution and its FITS cards."""

from dataclasses import dataclass

import numpy as np

from pictor.imaging.astrometry.cards import cards_of
from pictor.imaging.astrometry.geometry import (
    SkyPoint,
    corners_of,
    field_size,
    footprint_of,
    healpix_of,
    parity,
    position_angle,
    scale_of,
    separation,
    sky_of,
)
from pictor.imaging.astrometry.projection import Wcs
from pictor.imaging.astrometry.refit import Refit, zones_of
from pictor.imaging.astrometry.verification import Verdict

Card = tuple[str, str | int | float, str]


@dataclass(frozen=True, slots=True)
class Source:
    """Who found the field: back end and version, star index, and log-odds (natural) if it tells."""

    solver: str
    index: str | None = None
    log_odds: float | None = None


@dataclass(frozen=True, slots=True)
class Solution:
    """Where a frame looks at, in ICRS degrees; FITS pixels (first pixel 1).

    ``pa_deg`` is the direction of up (+y), east of north; ``parity`` +1 as seen on
    the sky, -1 mirrored; ``rms_px`` is along one axis; ``zone_max_px`` the largest miss in each of 3 x 3 zones
    (None where no star matched); ``sparse`` marks fields with few catalogue stars;
    ``healpix29`` is the nested order-29 cell of the centre, ``footprint`` an ASCII
    coverage map. Offsets are None where target or mount position is unknown.
    """

    wcs: Wcs
    width: int
    height: int
    ra_deg: float
    dec_deg: float
    scale_arcsec: float
    pa_deg: float
    parity: int
    width_deg: float
    height_deg: float
    corners: tuple[SkyPoint, SkyPoint, SkyPoint, SkyPoint]
    healpix29: int
    footprint: str
    matched: int
    zones: int
    rms_px: float
    rms_arcsec: float
    zone_max_px: tuple[float | None, ...]
    sparse: bool
    target_offset_arcsec: float | None
    mount_offset_arcsec: float | None
    source: Source

    @property
    def sip_order(self) -> int:
        """Order of the distortion terms; 0 without any."""
        return self.wcs.sip.order if self.wcs.sip else 0


def describe(
    found: Refit,
    verdict: Verdict,
    source: Source,
    *,
    target: SkyPoint | None = None,
    mount: SkyPoint | None = None,
) -> Solution:
    """Describe an accepted fit.

    Parameters
    ----------
    found
        The fit.
    verdict
        What the verification found.
    source
        Who found the field.
    target, mount
        Where the frame should look at and where the mount claimed to, in ICRS degrees.

    Returns
    -------
    Solution
        The solution.
    """
    wcs, width, height = found.wcs, found.stars.width, found.stars.height
    centre, scale = sky_of(wcs, (width + 1) / 2, (height + 1) / 2), scale_of(wcs)
    across, along = field_size(wcs, width, height)
    corners = corners_of(wcs, width, height)
    return Solution(
        wcs=wcs,
        width=width,
        height=height,
        ra_deg=centre[0],
        dec_deg=centre[1],
        scale_arcsec=scale,
        pa_deg=position_angle(wcs),
        parity=parity(wcs),
        width_deg=across,
        height_deg=along,
        corners=corners,
        healpix29=healpix_of(centre),
        footprint=footprint_of(corners),
        matched=verdict.matched,
        zones=verdict.zones,
        rms_px=found.rms,
        rms_arcsec=found.rms * scale,
        zone_max_px=_zone_maxima(found),
        sparse=verdict.sparse,
        target_offset_arcsec=None if target is None else 3600 * separation(centre, target),
        mount_offset_arcsec=None if mount is None else 3600 * separation(centre, mount),
        source=source,
    )


def wcs_cards(solution: Solution) -> list[Card]:
    """Write a solution as FITS header cards: one CD matrix, and SIP where it has any.

    Parameters
    ----------
    solution
        The solution.

    Returns
    -------
    list
        Keyword, value and comment, in the order they should stand.
    """
    return cards_of(solution.wcs, (solution.height, solution.width))


def _zone_maxima(found: Refit) -> tuple[float | None, ...]:
    stars = found.stars
    zones = zones_of(stars.x[found.star], stars.y[found.star], stars.width, stars.height)
    misses = [found.misses[zones == zone] for zone in range(9)]
    return tuple(float(np.max(miss)) if len(miss) else None for miss in misses)
