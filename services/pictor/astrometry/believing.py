"""What the header of a frame says about where it looks at."""

from astropy.io import fits

from pictor.astrometry.solver import Belief, point
from pictor.imaging.astrometry.cards import read_wcs
from pictor.imaging.astrometry.geometry import SkyPoint, scale_of, sky_of
from pictor.imaging.headers.of_frame import claimed_scale, describe_header


def belief_of(header: fits.Header, shape: tuple[int, int] | None = None, *, radius_deg: float = 3.0) -> Belief:
    """Gather every hint a header holds.

    An older solution tells position and scale best; else the mount's position counts, else the target's, and the
    scale of pixel size and focal length.

    Parameters
    ----------
    header
        Cards of the frame.
    shape
        Shape (ny, nx) of the frame; None leaves an older solution in the header aside.
    radius_deg
        How far off the position may be.

    Returns
    -------
    Belief
        What the header says; parity is never believed.
    """
    said = describe_header(header)
    mount, target = _pair(said.ra_deg, said.dec_deg), _pair(said.target_ra_deg, said.target_dec_deg)
    seen, scale = _solved(header, shape)
    believed = claimed_scale(said) if scale is None else scale
    return Belief(seen or mount or target, radius_deg, believed, None, target, mount)


def _solved(header: fits.Header, shape: tuple[int, int] | None) -> tuple[SkyPoint | None, float | None]:
    """Read centre and scale of an older solution."""
    wcs = read_wcs(header) if shape else None
    if wcs is None or shape is None:
        return None, None
    return point(sky_of(wcs, (shape[1] + 1) / 2, (shape[0] + 1) / 2)), scale_of(wcs)


def _pair(ra: float | None, dec: float | None) -> SkyPoint | None:
    return None if ra is None or dec is None else point((ra, dec))
