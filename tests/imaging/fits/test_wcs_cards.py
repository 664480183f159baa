"""One CD matrix in the header, equal to the solution in whatever form it came."""

import math

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from pictor.imaging.fits.wcs_cards import is_stale, wcs_cards
from pictor.imaging.fits.writing import card_lines, header_bytes

CENTRE: dict[str, float] = {"CRVAL1": 31.2485, "CRVAL2": 46.74113, "CRPIX1": 325.5, "CRPIX2": 250.5}
CD = {"CD1_1": -1.4e-3, "CD1_2": 1e-4, "CD2_1": 1.1e-4, "CD2_2": 1.4e-3}


def read(wcs: dict[str, float]) -> WCS:
    lines = [line for card in wcs_cards(wcs) for line in card_lines(card)]
    return WCS(fits.Header.fromstring(header_bytes(lines).decode()))


def test_cd_and_pc_with_cdelt_give_the_same_sky() -> None:
    turned = CENTRE | {"CDELT1": 2e-3, "CDELT2": 2e-3} | {f"PC{key[2:]}": value / 2e-3 for key, value in CD.items()}
    pixels = np.array([[0.0, 0.0], [649.0, 499.0]])
    np.testing.assert_allclose(read(CENTRE | CD).wcs_pix2world(pixels, 0), read(turned).wcs_pix2world(pixels, 0))


def test_sip_terms_are_kept() -> None:
    sip = {"A_ORDER": 2, "A_2_0": 1e-6, "B_ORDER": 2, "B_0_2": -2e-6}
    found = read(CENTRE | CD | sip)
    assert found.sip is not None
    assert found.sip.a[2, 0] == 1e-6
    assert list(found.wcs.ctype) == ["RA---TAN-SIP", "DEC--TAN-SIP"]


@pytest.mark.parametrize(
    "broken", [{"CRVAL1": math.nan}, {"CRPIX2": None}, {"CD1_1": 0, "CD1_2": 0}, {"CD2_2": math.inf}, {"CRVAL2": "x"}]
)
def test_a_solution_without_a_sound_matrix_is_not_written(broken: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"CR|CD"):
        wcs_cards(CENTRE | CD | broken)


@pytest.mark.parametrize(
    "keyword",
    [
        "CTYPE1",
        "CRVAL2",
        "CRPIX1A",
        "CD1_1",
        "PC2_1",
        "CDELT1",
        "CROTA2",
        "PV1_10",
        "A_ORDER",
        "AP_0_2",
        "TR1_14",
        "TR2_0",
        "RADECSYS",
        "LONPOLE",
        "PLTSOLVD",
    ],
)
def test_cards_of_an_older_solution_are_stale(keyword: str) -> None:
    assert is_stale(keyword)


@pytest.mark.parametrize(
    "keyword",
    ["OBJECT", "RA", "DEC", "FILTER", "CDELAY", "TRACK", "A_VALUE", "CCD-TEMP", "PCOUNT", "EXPTIME", "TTYPE1"],
)
def test_other_cards_are_not(keyword: str) -> None:
    assert not is_stale(keyword)
