"""Star lists as files: FITS table, CSV, ds9 regions."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from pictor.imaging.astrometry.celestial import read_celestial
from pictor.imaging.fits.sealing import write_sealed
from pictor.imaging.products import Provenance, product_header, write_whole
from pictor.imaging.stars.apertures import Apertures, magnitudes
from pictor.imaging.stars.measuring import Measured
from pictor.imaging.stars.starlist import StarFlag

Floats = NDArray[np.float64]
_NO_IMAGE = ("BUNIT", "BAYERPAT", "XBAYROFF", "YBAYROFF", "ROWORDER", "PEDESTAL")


def write_star_table(
    path: Path,
    found: Measured,
    made: Provenance,
    *,
    apertures: Apertures | None = None,
    exposure_s: float | None = None,
    overwrite: bool = False,
) -> None:
    """Write the star list of a frame as FITS table, with what made it; whole or not at all.

    The primary header holds the cards of the frame, the inputs and the history. The table STARS holds the columns of
    the star list, 1-based; MAG, MAG_ERR when the exposure time is known; AP_FLUX, AP_ERR, AP_SKY (and AP_MAG, AP_MERR)
    with apertures; RA, DEC when the frame has world coordinates. `StarList.from_fits` reads it back.

    Parameters
    ----------
    path
        File to write.
    found
        Measured frame.
    made
        What made the list.
    apertures
        Photometry of the same sources; None leaves it out.
    exposure_s
        Exposure time in seconds; None leaves magnitudes out.
    overwrite
        Whether a file of that name may be replaced.

    Raises
    ------
    FileTakenError
        If a file of that name is there and ``overwrite`` is False.
    """
    header = product_header(found.frame, made)
    for keyword in _NO_IMAGE:
        header.remove(keyword, ignore_missing=True, remove_all=True)
    table = found.stars.to_table(_extra(found, apertures, exposure_s), unit=found.frame.unit)
    if apertures is not None:
        table.header["APRADIUS"] = (apertures.radius, "[pix] radius of the aperture")
        table.header["APINNER"] = (apertures.inner, "[pix] inner edge of the ring")
        table.header["APOUTER"] = (apertures.outer, "[pix] outer edge of the ring")
    write_whole(path, lambda part: write_sealed(part, fits.PrimaryHDU(header=header), table), overwrite=overwrite)


def star_rows(
    found: Measured, *, apertures: Apertures | None = None, exposure_s: float | None = None
) -> tuple[list[str], list[list[float | int | None]]]:
    """Give names and rows of the same table, for JSON and CSV; None where a number is not known.

    Parameters
    ----------
    found, apertures, exposure_s
        As for `write_star_table`.

    Returns
    -------
    tuple
        Names of the columns, and one row per source.
    """
    table = found.stars.to_table(_extra(found, apertures, exposure_s), unit=found.frame.unit)
    names = [str(name) for name in table.columns.names]
    columns = [_plain(np.asarray(table.data[name])) for name in names]
    return names, [list(row) for row in zip(*columns, strict=True)]


def csv_text(names: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Write rows as CSV with a header line; unknown numbers are empty."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(names)
    writer.writerows(rows)
    return out.getvalue()


def ds9_regions(found: Measured) -> str:
    """Write all sources as regions of ds9 in image coordinates: ellipses of twice the FWHM.

    Green are stars, yellow blended ones, red saturated ones, cyan those at an edge, magenta what is no star.

    Parameters
    ----------
    found
        Measured frame.

    Returns
    -------
    str
        The text of a region file.
    """
    lines = ["# Region file format: DS9 version 4.1", "global color=green width=1 select=1", "image"]
    stars = found.stars
    for k in range(len(stars)):
        ratio = max(1.0 - float(stars.ellipticity[k]), 0.05)
        width = float(stars.fwhm[k])
        axes = (width / ratio**0.5, width * ratio**0.5)
        place = f"{stars.x[k] + 1:.2f},{stars.y[k] + 1:.2f},{axes[0]:.2f},{axes[1]:.2f},{stars.theta[k]:.1f}"
        lines.append(f"ellipse({place}) # color={mark_colour(int(stars.flags[k]))}")
    return "\n".join(lines) + "\n"


def mark_colour(flags: int) -> str:
    """Name the colour a source with these flags is marked in."""
    if flags & StarFlag.SATURATED:
        return "red"
    if flags & ~(StarFlag.EDGE | StarFlag.BLENDED):
        return "magenta"
    if flags & StarFlag.EDGE:
        return "cyan"
    return "yellow" if flags & StarFlag.BLENDED else "green"


def _plain(values: NDArray[Any]) -> list[float | int | None]:
    """Numbers of a column as Python ones, rounded to what single precision holds."""
    if values.dtype.kind in "iu":
        return [int(value) for value in values]
    digits = 9 if values.dtype.itemsize > 4 else 7
    return [float(f"{value:.{digits}g}") if np.isfinite(value) else None for value in values]


def _extra(found: Measured, apertures: Apertures | None, exposure_s: float | None) -> list[tuple[fits.Column, str]]:
    extra: list[tuple[fits.Column, str]] = []
    stars, unit = found.stars, found.frame.unit
    timed = exposure_s if exposure_s is not None and exposure_s > 0.0 else None

    def add(name: str, values: Floats, told: str, comment: str, form: str = "E") -> None:
        extra.append((fits.Column(name, form, unit=told, array=values), comment))

    if timed is not None:
        mag, error = magnitudes(stars.flux, stars.flux_error, exposure_s=timed)
        add("MAG", mag, "mag", f"-2.5 log10(FLUX per second), {unit or 'no unit'}")
        add("MAG_ERR", error, "mag", "FLUX_ERR in magnitudes")
    if apertures is not None:
        add("AP_FLUX", apertures.flux, unit, "light within the aperture, above the ring", "D")
        add("AP_ERR", apertures.error, unit, "its error", "D")
        add("AP_SKY", apertures.sky, unit, "sky in the ring, per pixel")
        if timed is not None:
            mag, error = magnitudes(apertures.flux, apertures.error, exposure_s=timed)
            add("AP_MAG", mag, "mag", "-2.5 log10(AP_FLUX per second)")
            add("AP_MERR", error, "mag", "its error")
    wcs = read_celestial(found.frame.header)
    if wcs is not None:
        ra, dec = wcs.sky(stars.x + 1.0, stars.y + 1.0)
        add("RA", ra, "deg", "right ascension by the WCS of the frame", "D")
        add("DEC", dec, "deg", "declination by the WCS of the frame", "D")
    return extra
