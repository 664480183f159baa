"""The star list of one frame and its FITS table."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from enum import IntFlag
from pathlib import Path
from typing import Any, Self, TypeVar

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from pictor.imaging.errors import UnreadableFrameError
from pictor.imaging.fits.sealing import write_sealed

METHOD = "pictor-stars 3"
"""Name and version of the method, written with every list."""

SIGMA_TO_FWHM = 2.0 * math.sqrt(2.0 * math.log(2.0))
"""Full width at half maximum of a Gaussian of unit standard deviation."""

GAUSSIAN_BETA = 25.0
"""Largest exponent a profile is fitted with; it stands for a Gaussian."""

_EXTENSION = "STARS"

L = TypeVar("L", bound="StarList")


class StarFlag(IntFlag):
    """Why a source is not a clean star; 0 is a clean one."""

    SATURATED = 1
    EDGE = 2
    BLENDED = 4
    HOT_PIXEL = 8
    COSMIC_RAY = 16
    TRAIL = 32
    EXTENDED = 64


NOT_A_STAR = ~StarFlag.BLENDED
"""Any of these flags keeps a source out of the star count; a blended star is still a star."""


@dataclass(frozen=True, slots=True)
class Psf:
    """Stellar profile of a frame: A (1 + r^2 / alpha^2)^-beta fitted to the stacked profile.

    Parameters
    ----------
    fwhm, fwhm_scatter
        Full width at half maximum, and the robust scatter of the single stars, in pixels.
    beta, beta_scatter
        Exponent of the wings and its scatter over groups of stars; None scatter for too few stars.
    star_count
        Stars in the stack.
    share
        Share of the light of a star that its flux holds, wings counted to infinity; None where it is not known.
    """

    fwhm: float
    fwhm_scatter: float
    beta: float
    beta_scatter: float | None
    star_count: int
    share: float | None = None

    @property
    def alpha(self) -> float:
        """Core radius of the Moffat function, in pixels."""
        return 0.5 * self.fwhm / math.sqrt(2.0 ** (1.0 / self.beta) - 1.0)

    def at(self, radius: NDArray[np.float64]) -> NDArray[np.float64]:
        """Give the profile at radii in pixels, 1 in the middle, any shape.

        Examples
        --------
        >>> psf = Psf(fwhm=3.0, fwhm_scatter=0.1, beta=2.5, beta_scatter=None, star_count=50)
        >>> psf.at(np.array([0.0, 1.5, 6.0])).round(3).tolist()
        [1.0, 0.5, 0.011]
        """
        return np.asarray((1.0 + np.square(radius / self.alpha)) ** -self.beta)


@dataclass(frozen=True, slots=True)
class StarList:
    """Sources of one frame, brightest first; all columns have the same length.

    Parameters
    ----------
    x, y
        Windowed centroid in pixels, 0-based: (0, 0) is the centre of the first pixel stored.
    flux, flux_error
        Light in ADU, and the noise of the sky under its weight. As the width is measured with the light, that scatters
        by 1.4 (Condon J. J., 1997, PASP 109, 166) to 1.6 times as much, and by the noise of its photons.
    peak
        Brightest pixel in ADU, sky included.
    snr
        flux / flux_error.
    fwhm
        Geometric mean of both axes, in pixels.
    hfr
        Half-flux radius in pixels; NaN where there is no light.
    eccentricity, ellipticity
        sqrt(1 - (b/a)^2) and 1 - b/a.
    theta
        Direction of the major axis in degrees from +x towards +y, -90 to 90.
    flags
        Bits of `StarFlag`.
    shape
        Shape (ny, nx) of the frame.
    psf
        Profile of the frame; None without enough clean stars.
    spike_count
        Hot pixels and cosmic-ray hits removed before the search; they are not in the list.
    trail_count
        Satellite or aircraft trails.
    saturation
        Level in ADU from which a pixel counts as saturated; None when no level is known.
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    flux: NDArray[np.float64]
    flux_error: NDArray[np.float64]
    peak: NDArray[np.float64]
    snr: NDArray[np.float64]
    fwhm: NDArray[np.float64]
    hfr: NDArray[np.float64]
    eccentricity: NDArray[np.float64]
    ellipticity: NDArray[np.float64]
    theta: NDArray[np.float64]
    flags: NDArray[np.int32]
    shape: tuple[int, int]
    psf: Psf | None = None
    spike_count: int = 0
    trail_count: int = 0
    saturation: float | None = None

    def __repr__(self) -> str:
        """Show a notebook one line instead of all columns."""
        width = "" if self.psf is None else f", FWHM {self.psf.fwhm:.2f} px"
        return f"StarList({len(self)} sources, {self.star_count} stars{width})"

    def __len__(self) -> int:
        """Count all sources, flagged ones too."""
        return len(self.x)

    @classmethod
    def empty(cls, shape: tuple[int, int]) -> Self:
        """Make a list without sources."""
        nothing = np.zeros(0)
        return cls(*(nothing,) * 11, flags=np.zeros(0, dtype=np.int32), shape=shape)

    @property
    def is_star(self) -> NDArray[np.bool_]:
        """True for sources that count as stars: unsaturated and unflagged, blended ones included."""
        return np.asarray((self.flags & int(NOT_A_STAR)) == 0)

    @property
    def star_count(self) -> int:
        """Number of sources that count as stars."""
        return int(np.count_nonzero(self.is_star))

    def select(self, chosen: NDArray[np.bool_] | NDArray[np.intp]) -> Self:
        """Keep some sources, by mask or by index."""
        return replace(self, **{name: getattr(self, name)[chosen] for name in _columns()})

    def to_fits(self, path: Path | str) -> None:
        """Write the list as a FITS table with 1-based coordinates: the centre of the first pixel is (1, 1)."""
        write_sealed(path, self.to_table())

    def to_table(self, extra: Sequence[tuple[fits.Column, str]] = (), *, unit: str = "adu") -> fits.BinTableHDU:
        """Give the list as the table STARS, with 1-based coordinates.

        Parameters
        ----------
        extra
            More columns and what each is, one row per source.
        unit
            Unit of the frame the light was measured in.
        """
        columns = [
            fits.Column(name, form, unit=unit if told == "adu" else told, array=getattr(self, attribute) + offset)
            for name, attribute, form, told, offset in _TABLE
        ]
        table = fits.BinTableHDU.from_columns([*columns, *(column for column, _ in extra)], name=_EXTENSION)
        for keyword, value, comment in self._cards():
            table.header[keyword] = (value, comment)
        for k, comment in enumerate((*_COMMENTS, *(comment for _, comment in extra)), start=1):
            table.header[f"TCOMM{k}"] = comment
        return table

    def _cards(self) -> list[tuple[str, str | float | int, str]]:
        cards: list[tuple[str, str | float | int, str]] = [
            ("METHOD", METHOD, "name and version of the method"),
            ("IMAGEW", self.shape[1], "[pix] width of the frame"),
            ("IMAGEH", self.shape[0], "[pix] height of the frame"),
            ("NSTARS", self.star_count, "sources that count as stars"),
            ("NSPIKES", self.spike_count, "hot pixels and cosmic hits removed"),
            ("NTRAILS", self.trail_count, "satellite or aircraft trails"),
        ]
        if self.saturation is not None:
            cards.append(("SATURATE", self.saturation, "[adu] saturation level"))
        if self.psf is not None:
            told = [(card, getattr(self.psf, name), comment) for card, name, comment in _PROFILE]
            cards += [entry for entry in told if entry[1] is not None]
        return cards

    @classmethod
    def from_fits(cls, path: Path | str) -> Self:
        """Read a list written by `to_fits`.

        Raises
        ------
        UnreadableFrameError
            If the file holds no star list.
        """
        try:
            with fits.open(path, memmap=False) as hdus:
                table = hdus[_EXTENSION]
                header, data = table.header, _rows(table, Path(path))
                return _from_table(cls.empty((header["IMAGEH"], header["IMAGEW"])), header, data)
        except (OSError, KeyError) as error:
            raise UnreadableFrameError(f"no star list in {Path(path).name}: {error}") from error


def _rows(table: fits.BinTableHDU, path: Path) -> NDArray[np.void]:
    """Read the rows of a table; those of plain numbers, as ours are, as they lie in the file, which is faster."""
    header, count = table.header, range(1, int(table.header["TFIELDS"]) + 1)
    forms = [_PLAIN.get(str(header[f"TFORM{k}"]).strip()) for k in count]
    scaled = any(f"{keyword}{k}" in header for keyword in ("TSCAL", "TZERO") for k in count)
    dtype = np.dtype([(str(header[f"TTYPE{k}"]).strip(), form) for k, form in zip(count, forms, strict=True) if form])
    place, rows = table.fileinfo(), int(header["NAXIS2"])
    if None in forms or scaled or dtype.itemsize != header["NAXIS1"] or place["file"].compression:
        return np.asarray(table.data)
    read = np.fromfile(path, dtype, count=rows, offset=place["datLoc"])
    if len(read) != rows:
        raise OSError(f"it ends after {len(read)} of {rows} rows")
    return read


def _from_table(empty: L, header: fits.Header, data: NDArray[np.void]) -> L:
    columns: dict[str, Any] = {
        attribute: np.asarray(data[name], dtype=np.int32 if form == "J" else np.float64) - offset
        for name, attribute, form, _, offset in _TABLE
    }
    return replace(
        empty,
        psf=Psf(**{name: header.get(card) for card, name, _ in _PROFILE}) if "PSFFWHM" in header else None,
        spike_count=header["NSPIKES"],
        trail_count=header["NTRAILS"],
        saturation=header.get("SATURATE"),
        **columns,
    )


# Column, attribute, format, unit, what is added on writing.
_TABLE = (
    ("XPOS", "x", "D", "pix", 1),
    ("YPOS", "y", "D", "pix", 1),
    ("FLUX", "flux", "D", "adu", 0),
    ("FLUX_ERR", "flux_error", "D", "adu", 0),
    ("PEAK", "peak", "E", "adu", 0),
    ("SNR", "snr", "E", "", 0),
    ("FWHM", "fwhm", "E", "pix", 0),
    ("HFR", "hfr", "E", "pix", 0),
    ("ECCENTRICITY", "eccentricity", "E", "", 0),
    ("ELLIPTICITY", "ellipticity", "E", "", 0),
    ("THETA", "theta", "E", "deg", 0),
    ("FLAGS", "flags", "J", "", 0),
)
_PROFILE = (
    ("PSFFWHM", "fwhm", "[pix] FWHM of the stacked profile"),
    ("PSFWSCAT", "fwhm_scatter", "[pix] scatter of single stars"),
    ("PSFBETA", "beta", "Moffat beta of the stacked profile"),
    ("PSFSTARS", "star_count", "stars in the stack"),
    ("PSFBSCAT", "beta_scatter", "scatter of beta over groups"),
    ("PSFSHARE", "share", "share of the light that FLUX holds"),
)
_PLAIN = {"D": ">f8", "1D": ">f8", "E": ">f4", "1E": ">f4", "J": ">i4", "1J": ">i4"}
_COMMENTS = (
    "column of the centroid, 1-based FITS convention",
    "row of the centroid, 1-based FITS convention",
    "light above sky",
    "sky noise in the weight; FLUX scatters by 1.5 of it",
    "brightest pixel, sky included",
    "FLUX / FLUX_ERR",
    "geometric mean of both axes",
    "radius enclosing half of the light",
    "sqrt(1 - (b/a)^2)",
    "1 - b/a",
    "major axis from +x towards +y",
    " ".join(f"{flag.value}={(flag.name or '').lower().split('_')[0]}" for flag in StarFlag),
)


def _columns() -> tuple[str, ...]:
    return tuple(f.name for f in fields(StarList))[:12]
