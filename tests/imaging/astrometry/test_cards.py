"""World coordinates read from cards as astropy reads them, and written so that both read the same."""

import warnings
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from pictor.imaging.astrometry.cards import read_wcs, write_wcs
from pictor.imaging.astrometry.projection import pixel_to_sky
from pictor.imaging.errors import ImagingError
from pictor.imaging.frame import Frame

BASE = {
    "CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRPIX1": 512.25, "CRPIX2": 380.75, "CRVAL1": 314.7, "CRVAL2": 44.4,
}  # fmt: skip
SIP = {
    "CTYPE1": "RA---TAN-SIP", "CTYPE2": "DEC--TAN-SIP", "A_ORDER": 3, "B_ORDER": 2, "A_2_0": 2e-7, "A_0_2": -1e-7,
    "A_1_1": 3e-8, "A_3_0": 1e-11, "B_2_0": 1e-7, "B_0_2": 4e-8,
}  # fmt: skip
CD = {"CD1_1": -2.1e-4, "CD1_2": 3e-5, "CD2_1": 2.9e-5, "CD2_2": 2.2e-4}
FORMS = {
    "CD": CD,
    "CD of a mirrored field": {"CD1_1": 2.1e-4, "CD1_2": 3e-5, "CD2_1": -2.9e-5, "CD2_2": 2.2e-4},
    "CD without the zeros": {"CD1_1": -2.1e-4, "CD2_2": 2.2e-4},
    "PC and CDELT": {"PC1_1": 0.96, "PC1_2": -0.28, "PC2_1": 0.28, "PC2_2": 0.96, "CDELT1": -2e-4, "CDELT2": 2.2e-4},
    "PC without CDELT": {"PC1_1": -2e-4, "PC1_2": 1e-5, "PC2_1": 1e-5, "PC2_2": 2e-4},
    "PC with some of it": {"PC1_2": 0.1, "CDELT1": -2e-4, "CDELT2": 2e-4},
    "CROTA2": {"CDELT1": -2e-4, "CDELT2": 2.3e-4, "CROTA2": 31.0},
    "CROTA2 of a flipped field": {"CDELT1": 2e-4, "CDELT2": -2.3e-4, "CROTA2": -112.0, "CROTA1": -112.0},
    "CDELT alone": {"CDELT1": -2e-4, "CDELT2": 2e-4},
    "SIP": {**CD, **SIP},
    "SIP that CTYPE does not tell": {**CD, **SIP, "CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN"},
    "near the pole": {**CD, "CRVAL2": 89.9},
    "across zero": {**CD, "CRVAL1": 0.01},
    "a negative right ascension": {**CD, "CRVAL1": -45.3},
    "units said": {**CD, "CUNIT1": "deg", "CUNIT2": "deg", "LONPOLE": 180.0, "RADESYS": "ICRS"},
}


def by_astropy(header: fits.Header, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return np.array(WCS(header, naxis=2).all_pix2world(x, y, 1))


def apart(one: np.ndarray, other: np.ndarray) -> float:
    """Largest distance on the sky, in arcseconds."""
    ra = (one[0] - other[0] + 180) % 360 - 180
    return float(3600 * np.max(np.hypot(ra * np.cos(np.radians(other[1])), one[1] - other[1])))


@pytest.mark.parametrize("form", FORMS)
def test_pixels_lie_where_astropy_puts_them(form: str) -> None:
    header = fits.Header({**BASE, **FORMS[form]})
    wcs = read_wcs(header)
    assert wcs is not None
    x, y = (part.ravel() for part in np.meshgrid(np.linspace(1, 1024, 9), np.linspace(1, 768, 7)))
    worst = apart(np.array(pixel_to_sky(wcs, x, y)), by_astropy(header, x, y))
    print(f"{form}: largest distance from astropy {worst:.2e} arcsec")
    assert worst < 1e-5


@pytest.mark.parametrize("form", FORMS)
def test_a_solution_that_is_written_is_read_as_the_same(form: str) -> None:
    wcs = read_wcs(fits.Header({**BASE, **FORMS[form]}))
    assert wcs is not None
    stale = fits.Header({"OBJECT": "M 1", "CROTA1": 4.0, "PC1_1": 3.0, "A_4_0": 1.0, "CRVAL1": 1.0, "PV1_1": 2.0})
    made = write_wcs(stale, wcs, (768, 1024))
    assert read_wcs(made) == wcs
    assert not {"CROTA1", "PC1_1", "A_4_0", "PV1_1"} & set(made)
    assert (made["OBJECT"], stale["CRVAL1"]) == ("M 1", 1.0)


@pytest.mark.parametrize(
    "cards",
    [
        {"CTYPE1": "RA---SIN", "CTYPE2": "DEC--SIN"}, {"CTYPE1": "DEC--TAN", "CTYPE2": "RA---TAN"}, {"CTYPE1": ""},
        {"CRVAL1": "a"}, {"CD1_1": 0.0, "CD1_2": 0.0}, {"CUNIT1": "arcsec"}, {"LONPOLE": 90.0}, {"PV1_1": 1.01},
        {"CTYPE1": "RA---TPV", "CTYPE2": "DEC--TPV"}, {"CD2_2": "nan"}, {"CTYPE1": 3},
    ],
)  # fmt: skip
def test_what_is_no_plain_gnomonic_solution_is_none(cards: dict[str, float | str]) -> None:
    assert read_wcs(fits.Header({**BASE, **CD, **cards})) is None


@pytest.mark.real
def test_every_real_gnomonic_header_is_read_as_astropy_reads_it(real_data: Path) -> None:
    """Of a scanned plate astropy takes the plate solution, which is not gnomonic."""
    seen = 0
    for path in sorted(one for one in real_data.rglob("*") if one.suffix in {".fits", ".fit", ".fz"}):
        try:
            frame = Frame.from_fits(path)
        except ImagingError:
            continue
        wcs = frame.wcs
        if wcs is None:
            continue
        ny, nx = frame.shape
        x, y = (part.ravel() for part in np.meshgrid(np.linspace(1, nx, 5), np.linspace(1, ny, 5)))
        worst = apart(np.array(pixel_to_sky(wcs, x, y)), by_astropy(frame.header, x, y))
        plate = "AMDX1" in frame.header
        assert worst < (1.0 if plate else 1e-4), f"{path.name}: {worst} arcsec"
        seen += 1
    print(f"{seen} real headers agree with astropy to 1e-4 arcsec")
    assert seen >= 10
