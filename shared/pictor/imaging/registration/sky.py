"""Registration of frames that have world coordinates."""

import numpy as np

from pictor.imaging.frame import Frame
from pictor.imaging.registration.transform import Kind, Transform, fit, inverted
from pictor.imaging.resampling.grid import Grid
from pictor.imaging.resampling.resampling import sky_mapping

_SIDE = 16


def transform_by_sky(reference: Grid, other: Frame) -> Transform:
    """Find the transformation between two frames from their world coordinates.

    Parameters
    ----------
    reference
        Grid of the reference.
    other
        Frame with world coordinates.

    Returns
    -------
    Transform
        Exact for gnomonic frames without distortion; with distortion the homography nearest to it, its ``rms`` telling
        the difference in pixels.

    Raises
    ------
    ImagingError
        If the frame has no world coordinates.
    """
    mapping = sky_mapping(other.header, other.shape, reference)
    if mapping.lattice.size == 0:
        matrix = inverted(mapping.matrix)
        return Transform(matrix / matrix[2, 2], reference.shape, Kind.HOMOGRAPHY, reference.wcs, rms=0.0)
    ny, nx = reference.shape
    rows, columns = (v.ravel() for v in np.mgrid[0 : ny - 1 : _SIDE * 1j, 0 : nx - 1 : _SIDE * 1j])
    x, y = mapping.places(columns, rows)
    seen = np.isfinite(x) & np.isfinite(y)
    found = fit(Kind.HOMOGRAPHY, np.column_stack([x, y])[seen], np.column_stack([columns, rows])[seen])
    made = Transform(np.eye(3) if found is None else found, reference.shape, Kind.HOMOGRAPHY, reference.wcs)
    u, v = made.to_reference(x[seen], y[seen])
    rms = float(np.sqrt(np.mean((u - columns[seen]) ** 2 + (v - rows[seen]) ** 2)))
    return Transform(made.matrix, made.shape, made.kind, made.wcs, rms=rms)
