"""Stars of known brightness, from a table of any origin."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pictor.imaging.astrometry.projection import Floats
from pictor.imaging.errors import ImagingError

_MAGNITUDES = (-30.0, 40.0)
_HOURS = frozenset({"h", "hour", "hours", "hourangle", "hr"})
_DEGREES = frozenset({"", "deg", "degree", "degrees"})
_RADIANS = frozenset({"rad", "radian", "radians"})
_CSV = frozenset({".csv", ".txt", ".ecsv", ".dat", ".tsv"})


@dataclass(frozen=True, slots=True, eq=False)
class StandardStars:
    """Stars of known brightness.

    Parameters
    ----------
    ra, dec
        ICRS positions, shape (n,), in degrees.
    mag
        Magnitudes, shape (n,).
    mag_error
        Their errors, shape (n,), in magnitudes; None where they are not known.
    colour
        Colour indices, shape (n,), in magnitudes; None without any.
    system
        What the magnitudes are, in words.
    """

    ra: Floats
    dec: Floats
    mag: Floats
    mag_error: Floats | None = None
    colour: Floats | None = None
    system: str = ""

    def __len__(self) -> int:
        """Count the stars."""
        return len(self.ra)


@dataclass(frozen=True, slots=True)
class Columns:
    """Names of the columns of a star table; letters of either case are the same.

    Parameters
    ----------
    ra, dec
        Positions, ICRS; in degrees unless the column says hours or radians.
    mag
        Magnitudes.
    mag_error
        Their errors; None when there are none.
    colour
        Colour indices; None fits no colour term.
    """

    ra: str = "RA"
    dec: str = "DEC"
    mag: str = "mag"
    mag_error: str | None = None
    colour: str | None = None


_USUAL = Columns()


def standard_stars(table: Any, columns: Columns = _USUAL) -> StandardStars:  # noqa: ANN401 - astropy ships no types
    """Take stars of known brightness from a table.

    Parameters
    ----------
    table
        An `astropy.table.Table`, a mapping of names to arrays, or the path of a FITS table or a CSV file with a
        header line. RA and DEC count degrees unless their column says hours or radians.
    columns
        Names of the columns.

    Returns
    -------
    StandardStars
        Rows without position or magnitude are left out.

    Raises
    ------
    ImagingError
        ``bad-table`` when a column is missing or holds what it cannot: positions that are none, magnitudes beyond
        -30 to 40.
    """
    known = _read(Path(table)) if isinstance(table, str | Path) else table
    ra, dec = _angle(known, columns.ra), _angle(known, columns.dec)
    mag = _magnitude(known, columns.mag)
    told = np.isfinite(ra) & np.isfinite(dec) & np.isfinite(mag)
    if not told.any():
        raise ImagingError("no row of the star table has position and magnitude", reason="bad-table")
    if np.any(np.abs(dec[told]) > 90) or np.any((ra[told] < -360) | (ra[told] > 360)):
        raise ImagingError(
            f"{columns.ra} and {columns.dec} of the star table are no positions in degrees "
            f"({columns.ra} up to {np.max(ra[told]):g}, {columns.dec} up to {np.max(np.abs(dec[told])):g})",
            reason="bad-table",
        )
    error = None if columns.mag_error is None else np.abs(_values(known, columns.mag_error))[told]
    colour = None if columns.colour is None else _values(known, columns.colour)[told]
    words = f"{columns.mag}" + ("" if columns.colour is None else f" with a term in {columns.colour}")
    return StandardStars(np.mod(ra[told], 360.0), dec[told], mag[told], error, colour, words)


def _read(path: Path) -> Any:  # noqa: ANN401 - astropy ships no types
    from astropy.table import Table  # noqa: PLC0415 - 0.2 s to load

    plain = path.suffix.lower() in _CSV
    try:
        if plain:
            kind = "ascii.ecsv" if path.suffix.lower() == ".ecsv" else "ascii"
            return Table.read(path, format=kind, guess=kind == "ascii", fast_reader=False)
        return Table.read(path, format="fits")
    except Exception as error:
        what = "a text table with a header line" if plain else "a FITS table"
        raise ImagingError(f"{path.name} is not {what}: {error}", reason="bad-table") from error


def _column(table: Any, name: str) -> Any:  # noqa: ANN401
    names = list(table.keys()) if isinstance(table, Mapping) else list(table.colnames)
    found = [known for known in names if str(known).lower() == name.lower()]
    if not found:
        raise ImagingError(
            f"the star table has no column {name!r}; it has {', '.join(map(str, names[:30]))}", reason="bad-table"
        )
    return table[name if name in found else found[0]]


def _values(table: Any, name: str) -> NDArray[np.float64]:  # noqa: ANN401
    column = _column(table, name)
    try:
        filled = np.ma.filled(np.ma.asarray(column).astype(np.float64), np.nan)
    except (TypeError, ValueError) as error:
        raise ImagingError(f"column {name!r} of the star table holds no numbers", reason="bad-table") from error
    return np.atleast_1d(np.asarray(filled, dtype=np.float64))


def _angle(table: Any, name: str) -> NDArray[np.float64]:  # noqa: ANN401
    unit = str(getattr(_column(table, name), "unit", None) or "").strip().lower()
    factor = 15.0 if unit in _HOURS else float(np.degrees(1.0)) if unit in _RADIANS else 1.0
    if factor == 1.0 and unit not in _DEGREES:
        raise ImagingError(f"column {name!r} of the star table is in {unit!r}, not in degrees", reason="bad-table")
    return _values(table, name) * factor


def _magnitude(table: Any, name: str) -> NDArray[np.float64]:  # noqa: ANN401
    values = _values(table, name)
    told = values[np.isfinite(values)]
    low, high = _MAGNITUDES
    if len(told) and (float(np.median(told)) < low or float(np.median(told)) > high):
        raise ImagingError(
            f"column {name!r} of the star table holds no magnitudes (median {np.median(told):g}); are they fluxes?",
            reason="bad-table",
        )
    return np.where((values < low) | (values > high), np.nan, values)
