"""Catalogue stars around a position, read from the star tables of the index files themselves."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from pictor.astrometry.indexes import Index, near
from pictor.imaging.astrometry.projection import Floats
from pictor.imaging.astrometry.stars import SkyStars

N = TypeVar("N", np.uint32, np.float32, np.float64)

_BLOCK = 256
"""Stars per box: the tables are in the order of a kd-tree, so that neighbours in a file are neighbours in the sky."""
_NOTHING = SkyStars(np.empty(0), np.empty(0), np.empty(0))


@dataclass(frozen=True, slots=True, eq=False)
class StarTable:
    """Stars of one index file, mapped and not read: integer unit vectors, magnitudes, and a box per block."""

    vectors: NDArray[np.uint32]
    magnitudes: NDArray[np.float32] | None
    lowest: Floats
    step: float
    boxes: tuple[NDArray[np.uint32], NDArray[np.uint32]]

    def around(self, ra: float, dec: float, radius_deg: float) -> SkyStars:
        """Find the stars within a radius of a position, brightest first.

        Parameters
        ----------
        ra, dec, radius_deg
            Cone, in degrees.

        Returns
        -------
        SkyStars
            The stars; without magnitudes the order is that of the table.
        """
        centre = _unit(ra, dec)
        chord = 2 * np.sin(np.radians(min(radius_deg, 180.0)) / 2)
        low, high = ((centre + sign * chord - self.lowest) / self.step for sign in (-1, 1))
        blocks = np.flatnonzero(np.all((self.boxes[0] <= high) & (self.boxes[1] >= low), axis=1))
        if len(blocks) == 0:
            return _NOTHING
        rows = (blocks[:, None] * _BLOCK + np.arange(_BLOCK)).ravel()
        rows = rows[rows < len(self.vectors)]
        vectors = self.lowest + self.vectors[rows] * self.step
        inside = np.sum((vectors - centre) ** 2, axis=1) <= chord**2
        return self._stars(vectors[inside], rows[inside])

    def _stars(self, vectors: Floats, rows: NDArray[np.intp]) -> SkyStars:
        ra = np.mod(np.degrees(np.arctan2(vectors[:, 1], vectors[:, 0])), 360.0)
        dec = np.degrees(np.arctan2(vectors[:, 2], np.hypot(vectors[:, 0], vectors[:, 1])))
        if self.magnitudes is None:
            return SkyStars(ra, dec, np.full(len(ra), np.nan))
        magnitudes = self.magnitudes[rows].astype(np.float64)
        order = np.argsort(magnitudes, kind="stable")
        return SkyStars(ra[order], dec[order], magnitudes[order])


def stars_around(indexes: Sequence[Index], ra: float, dec: float, radius_deg: float, *, most: int) -> SkyStars:
    """Find catalogue stars in the index that has most of them there.

    Parameters
    ----------
    indexes
        What is installed.
    ra, dec, radius_deg
        Cone, in degrees.
    most
        Stars returned at most, the brightest.

    Returns
    -------
    SkyStars
        The stars, brightest first.
    """
    best = _NOTHING
    for index in sorted(indexes, key=lambda one: -one.stars):
        if index.stars <= len(best.ra):
            break
        if not near(index, (ra, dec), radius_deg):
            continue
        found = open_table(index.path, index.size).around(ra, dec, radius_deg)
        if len(found.ra) > len(best.ra):
            best = found
        if len(best.ra) and index.nside == 0 and not index.sample:
            break
    return SkyStars(best.ra[:most], best.dec[:most], best.mag[:most])


@lru_cache(maxsize=64)
def open_table(path: Path, size: int) -> StarTable:
    """Map the star table of an index file; ``size`` only renews the cache.

    Parameters
    ----------
    path
        The index file.
    size
        Its length in bytes.

    Returns
    -------
    StarTable
        The table.
    """
    del size
    with fits.open(path, memmap=True, lazy_load_hdus=False) as tables:
        place = {table.columns[0].name: table for table in tables[1:]}
        vectors: NDArray[np.uint32] = _raw(path, place["kdtree_data_stars"], np.dtype("<u4"), 3)
        limits = np.array(_raw(path, place["kdtree_range_stars"], np.dtype("<f8"), 1)).ravel()
        tag = next((place[name] for name in place if name.upper().startswith("MAG")), None)
        magnitudes = None if tag is None else _raw(path, tag, np.dtype(">f4"), 1).ravel()
    starts = np.arange(0, len(vectors), _BLOCK)
    boxes = (np.minimum.reduceat(vectors, starts, axis=0), np.maximum.reduceat(vectors, starts, axis=0))
    return StarTable(vectors, magnitudes, limits[:3], 1.0 / float(limits[6]), boxes)


def _raw(path: Path, table: fits.BinTableHDU, dtype: np.dtype[N], columns: int) -> NDArray[N]:
    """Map the bytes of a table: kd-tree tables are in machine order, not in that of FITS."""
    rows, width = int(table.header["NAXIS2"]), int(table.header["NAXIS1"])
    if width != dtype.itemsize * columns:
        raise ValueError(f"{path.name}: {width} bytes per row of {table.columns[0].name}")
    shape = (rows, columns)
    return np.memmap(path, dtype=dtype, mode="r", offset=table.fileinfo()["datLoc"], shape=shape)


def _unit(ra: float, dec: float) -> Floats:
    alpha, delta = np.radians(ra), np.radians(dec)
    return np.array([np.cos(delta) * np.cos(alpha), np.cos(delta) * np.sin(alpha), np.sin(delta)])
