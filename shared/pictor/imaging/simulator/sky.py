"""Where the camera points, and what lies between it and the stars."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True, slots=True)
class Pointing:
    """A gnomonic (TAN) projection without distortion.

    Parameters
    ----------
    ra_deg, dec_deg
        ICRS position of the middle of the frame.
    scale_arcsec
        Arcseconds per pixel.
    pa_deg
        Position angle, north through east, of the direction in which rows are counted (+y).
    parity
        Sign of the determinant of the CD matrix: -1 as on the sky with rows counted upwards,
        +1 for a mirrored frame or rows stored top-down.
    """

    ra_deg: float
    dec_deg: float
    scale_arcsec: float
    pa_deg: float
    parity: int = -1

    @property
    def cd(self) -> NDArray[np.float64]:
        """CD matrix in degrees per pixel."""
        sin, cos = math.sin(math.radians(self.pa_deg)), math.cos(math.radians(self.pa_deg))
        along_x = (self.parity * cos, -self.parity * sin)
        matrix = np.array([[along_x[0], sin], [along_x[1], cos]])
        return np.asarray(matrix * self.scale_arcsec / 3600.0)


def separation_deg(ra1: ArrayLike, dec1: ArrayLike, ra2: ArrayLike, dec2: ArrayLike) -> NDArray[np.float64]:
    """Angular distance of positions, all in degrees."""
    a1, d1, a2, d2 = (np.radians(np.asarray(value, dtype=np.float64)) for value in (ra1, dec1, ra2, dec2))
    chord2 = np.sin((d2 - d1) / 2) ** 2 + np.cos(d1) * np.cos(d2) * np.sin((a2 - a1) / 2) ** 2
    return np.asarray(np.degrees(2.0 * np.arcsin(np.sqrt(np.minimum(chord2, 1.0)))))


def project(
    pointing: Pointing,
    shape: tuple[int, int],
    ra_deg: ArrayLike,
    dec_deg: ArrayLike,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Project sky positions onto a frame.

    Parameters
    ----------
    pointing
        Where the frame points.
    shape
        (ny, nx) of the frame.
    ra_deg, dec_deg
        ICRS degrees, less than 90 degrees from the pointing.

    Returns
    -------
    x, y
        0-based pixel coordinates.

    References
    ----------
    .. [1] Calabretta M. R., Greisen E. W., 2002, A&A 395, 1077, section 5.1.3.
    """
    ra = np.radians(np.asarray(ra_deg, dtype=np.float64) - pointing.ra_deg)
    dec, dec0 = np.radians(np.asarray(dec_deg, dtype=np.float64)), math.radians(pointing.dec_deg)
    towards = np.sin(dec) * math.sin(dec0) + np.cos(dec) * math.cos(dec0) * np.cos(ra)
    xi = np.cos(dec) * np.sin(ra) / towards
    eta = (np.sin(dec) * math.cos(dec0) - np.cos(dec) * math.sin(dec0) * np.cos(ra)) / towards
    x, y = np.linalg.solve(pointing.cd, np.degrees(np.stack([xi.ravel(), eta.ravel()])))
    centre_y, centre_x = (shape[0] - 1) / 2, (shape[1] - 1) / 2
    return x.reshape(xi.shape) + centre_x, y.reshape(xi.shape) + centre_y
