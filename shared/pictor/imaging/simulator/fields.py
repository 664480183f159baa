"""The sample fields: three patches of real sky with their Tycho-2 stars."""

import functools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from pictor.imaging.simulator.sky import separation_deg

DATA = Path(__file__).parent / "data"

# astrometry.net presets: quads of 11-16 and 16-22 arcmin, measured best for frames of half a degree to a degree.
INDEX_PRESETS = (5, 6)

# Faint stars follow the mean star counts at middle galactic latitude: log N rises by 0.3 per magnitude.
_COUNTS_SLOPE = 0.30
_COUNTS_PER_DEG2_AT_12 = 60.0
# Tycho-2 thins out between these magnitudes; synthetic stars fill up what is missing.
_COMPLETE_TO, _EMPTY_FROM = 11.5, 12.5
_CELL_DEG = 0.25


@dataclass(frozen=True, slots=True)
class Field:
    """A patch of sky whose stars are in the table and in the index files."""

    name: str
    ra_deg: float
    dec_deg: float
    radius_deg: float = 2.5


@dataclass(frozen=True, slots=True)
class Stars:
    """Stars of a patch of sky: ICRS degrees, magnitude, colour (V-R), and whether Tycho-2 lists them."""

    ra_deg: NDArray[np.float64]
    dec_deg: NDArray[np.float64]
    mag: NDArray[np.float64]
    colour: NDArray[np.float64]
    in_catalogue: NDArray[np.bool_]


FIELDS = {
    field.name: field
    for field in (
        Field("NGC 7000", 314.75, 44.37),
        Field("M 31", 10.6847, 41.2690),
        Field("M 45", 56.75, 24.1167),
    )
}


def index_name(preset: int) -> str:
    """File name of the index made with one astrometry.net preset."""
    return f"index-sample-{preset:02d}.fits"


def index_files() -> list[Path]:
    """Astrometry.net index files that cover the sample fields."""
    return [DATA / index_name(preset) for preset in INDEX_PRESETS]


@functools.cache
def star_table() -> Stars:
    """Load the Tycho-2 stars of all sample fields, brightest first."""
    with fits.open(DATA / "stars.fits", memmap=False) as hdus:
        table = hdus[1].data
        ra, dec, mag = (np.array(table[name], dtype=np.float64) for name in ("RA", "DEC", "MAG"))
    colour = np.random.default_rng(2000).normal(0.45, 0.25, mag.size)
    return Stars(ra, dec, mag, colour, np.ones(mag.size, dtype=bool))


def stars_near(ra_deg: float, dec_deg: float, radius_deg: float, *, faintest: float = 18.5) -> Stars:
    """List real and fainter synthetic stars around a position.

    Synthetic stars are drawn per cell of a fixed sky grid, so overlapping frames share them.

    Parameters
    ----------
    ra_deg, dec_deg
        Centre, ICRS degrees.
    radius_deg
        Radius in degrees.
    faintest
        Magnitude of the faintest synthetic stars.
    """
    sets = [star_table(), *(_faint_cell(*cell, faintest) for cell in _cells(ra_deg, dec_deg, radius_deg))]
    joined = [np.concatenate([getattr(part, name) for part in sets]) for name in Stars.__slots__]
    near = separation_deg(ra_deg, dec_deg, joined[0], joined[1]) <= radius_deg
    return Stars(*(values[near] for values in joined))


def _cells(ra_deg: float, dec_deg: float, radius_deg: float) -> list[tuple[int, int]]:
    rows = range(int((dec_deg + 90 - radius_deg) / _CELL_DEG), int((dec_deg + 90 + radius_deg) / _CELL_DEG) + 1)
    half_width = radius_deg / max(np.cos(np.radians(min(89.0, abs(dec_deg) + radius_deg))), 0.02)
    columns = range(int((ra_deg + 360 - half_width) / _CELL_DEG), int((ra_deg + 360 + half_width) / _CELL_DEG) + 1)
    per_turn = round(360 / _CELL_DEG)
    return [(column % per_turn, row) for row in rows for column in columns]


def _faint_cell(column: int, row: int, faintest: float) -> Stars:
    rng = np.random.default_rng([column, row])
    low, high = row * _CELL_DEG - 90.0, (row + 1) * _CELL_DEG - 90.0
    area = _CELL_DEG * np.degrees(np.sin(np.radians(high)) - np.sin(np.radians(low)))
    first = _COUNTS_PER_DEG2_AT_12 * 10 ** (_COUNTS_SLOPE * (_COMPLETE_TO - 12.0))
    last = _COUNTS_PER_DEG2_AT_12 * 10 ** (_COUNTS_SLOPE * (20.0 - 12.0))
    number = rng.poisson(area * (last - first))
    ra = (column + rng.random(number)) * _CELL_DEG
    dec = low + rng.random(number) * _CELL_DEG
    cumulative = first + rng.random(number) * (last - first)
    mag = 12.0 + np.log10(cumulative / _COUNTS_PER_DEG2_AT_12) / _COUNTS_SLOPE
    missing = (mag - _COMPLETE_TO) / (_EMPTY_FROM - _COMPLETE_TO)
    keep = (rng.random(number) < missing) & (mag <= faintest)
    colour = rng.normal(0.6, 0.25, number)
    return Stars(ra[keep], dec[keep], mag[keep], colour[keep], np.zeros(np.count_nonzero(keep), dtype=bool))
