"""Cards of what was brought onto another grid: its world coordinates, and which of its rows is the top."""

import numpy as np
from astropy.io import fits

from pictor.imaging.astrometry.cards import write_wcs
from pictor.imaging.astrometry.celestial import Gnomonic, read_celestial
from pictor.imaging.astrometry.geometry import parity
from pictor.imaging.astrometry.projection import Wcs
from pictor.imaging.fits.wcs_cards import is_stale
from pictor.imaging.registration.transform import Transform
from pictor.imaging.resampling.grid import Grid

_NORTH_UP = 1e-6


def target_header(header: fits.Header, onto: Grid | Transform, *, first: fits.Header | None = None) -> fits.Header:
    """Give a copy of a header with the world coordinates of the target, or none where it has none.

    ROWORDER says which row of the target is the top of the picture: that of the frame (``first``, where the header is
    another's) unless the target mirrors it, the last one where the target has north up.
    """
    wcs: Wcs | None = onto.wcs
    made = header.copy() if wcs is None else write_wcs(header, wcs, onto.shape)
    for keyword in {keyword for keyword in made if wcs is None and is_stale(keyword)}:
        made.remove(keyword, remove_all=True)
    order = _row_order(header if first is None else first, onto)
    if order:
        made["ROWORDER"] = (order, "which row is stored first")
    return made


def _row_order(header: fits.Header, onto: Grid | Transform) -> str:
    """Say how the rows of the target are stored; nothing where the frame does not say it and is not mirrored."""
    told = str(header.get("ROWORDER", "")).strip().upper()
    if onto.wcs is not None and _is_north_up(onto.wcs):
        return "BOTTOM-UP"
    if isinstance(onto, Transform):
        mirrored = float(np.linalg.det(onto.matrix)) < 0
    else:
        found = read_celestial(header)
        mirrored = isinstance(found, Gnomonic) and parity(found.wcs) != parity(onto.wcs)
    turned = "TOP-DOWN" if told == "BOTTOM-UP" else "BOTTOM-UP"
    return turned if mirrored else told


def _is_north_up(wcs: Wcs) -> bool:
    (xx, xy), (yx, yy) = wcs.cd
    return xx < 0 < yy and max(abs(xy), abs(yx)) < _NORTH_UP * yy
