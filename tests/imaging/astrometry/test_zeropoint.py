"""Zero points recovered from simulated frames, and tables that are not what they should be."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy import units as u
from astropy.table import Table

from pictor.imaging.astrometry.projection import Wcs, pixel_to_sky
from pictor.imaging.astrometry.standards import Columns, StandardStars, standard_stars
from pictor.imaging.astrometry.zeropoint import zero_point_of
from pictor.imaging.errors import ImagingError
from pictor.imaging.stars.finding import find_stars
from pictor.imaging.stars.starlist import StarFlag, StarList

SHAPE = (500, 700)
WCS = Wcs((83.8, 22.0), (350.5, 250.5), ((-5e-4, 1e-5), (1e-5, 5e-4)))
ZERO, EXPOSURE, SKY, NOISE, FWHM = 21.5, 30.0, 400.0, 8.0, 3.2


def placed(rng: np.random.Generator, count: int = 120) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Positions (0-based) well apart, magnitudes and colours."""
    columns, rows = np.meshgrid(np.arange(25, SHAPE[1] - 20, 45), np.arange(25, SHAPE[0] - 20, 45))
    chosen = rng.permutation(columns.size)[:count]
    x = columns.ravel()[chosen] + rng.uniform(-4, 4, count)
    y = rows.ravel()[chosen] + rng.uniform(-4, 4, count)
    return x, y, rng.uniform(11.0, 14.5, count), rng.normal(0.6, 0.4, count)


def frame(rng: np.random.Generator, x: np.ndarray, y: np.ndarray, mag: np.ndarray) -> np.ndarray:
    """A frame of Gaussian stars with their photon noise (1 e- per ADU)."""
    image = np.full(SHAPE, SKY)
    sigma = FWHM / 2.3548
    flux = EXPOSURE * 10 ** (-0.4 * (mag - ZERO))
    reach = np.arange(-12, 13)
    for column, row, light in zip(x, y, flux, strict=True):
        left, low = round(column) + reach, round(row) + reach
        spot = np.exp(-(((left - column) ** 2)[None, :] + ((low - row) ** 2)[:, None]) / (2 * sigma**2))
        image[np.ix_(low, left)] += light * spot / (2 * np.pi * sigma**2)
    return rng.poisson(image) + rng.normal(0, NOISE, SHAPE)


def listed(x: np.ndarray, y: np.ndarray, mag: np.ndarray, **more: np.ndarray) -> Table:
    ra, dec = pixel_to_sky(WCS, x + 1, y + 1)
    return Table({"RA": ra, "DEC": dec, "V": mag, **more})


@pytest.fixture(scope="module")
def measured() -> tuple[StarList, Table]:
    rng = np.random.default_rng(5)
    x, y, mag, colour = placed(rng)
    stars = find_stars(frame(rng, x, y, mag + 0.0 * colour))
    return stars, listed(x, y, mag, BV=colour)


@pytest.fixture(scope="module")
def table(measured: tuple[StarList, Table]) -> StandardStars:
    return standard_stars(measured[1], Columns(mag="V"))


def test_the_zero_point_of_a_simulated_frame_is_recovered(
    measured: tuple[StarList, Table], table: StandardStars
) -> None:
    found = zero_point_of(measured[0], WCS, table, exposure_s=EXPOSURE, sky=SKY)
    print(f"zero point {found.zero_point_mag:.4f} of {ZERO}, error {found.zero_point_error_mag:.4f}")
    assert found.zero_point_mag == pytest.approx(ZERO, abs=0.02)
    assert abs(found.zero_point_mag - ZERO) < 4 * found.zero_point_error_mag + 0.01
    assert found.zero_point_stars > 90
    assert found.colour_term is None
    sky = ZERO - 2.5 * np.log10(SKY / EXPOSURE / 1.8**2)
    assert found.sky_mag_arcsec2 == pytest.approx(sky, abs=0.03)
    assert found.gradient_mag < 0.02


def test_the_limiting_magnitude_is_that_of_a_star_of_five_sigma(
    measured: tuple[StarList, Table], table: StandardStars
) -> None:
    found = zero_point_of(measured[0], WCS, table, exposure_s=EXPOSURE)
    pixel = np.sqrt(SKY + NOISE**2)
    area = 4 * np.pi * (FWHM / 2.3548) ** 2
    expected = ZERO - 2.5 * np.log10(5 * pixel * np.sqrt(area) / EXPOSURE)
    assert found.limiting_mag == pytest.approx(expected, abs=0.1)


def test_wrong_stars_of_the_table_do_not_move_it(measured: tuple[StarList, Table], rng: np.random.Generator) -> None:
    stars, given = measured
    spoiled = given.copy()
    wrong = rng.permutation(len(spoiled))[:30]
    spoiled["V"][wrong] += rng.uniform(0.5, 4.0, 30)
    found = zero_point_of(stars, WCS, standard_stars(spoiled, Columns(mag="V")), exposure_s=EXPOSURE)
    print(f"a quarter wrong: {found.zero_point_mag:.4f}, {found.zero_point_stars} stars")
    assert found.zero_point_mag == pytest.approx(ZERO, abs=0.02)
    assert found.zero_point_stars < found.matched - 20


def test_a_colour_term_is_recovered(measured: tuple[StarList, Table]) -> None:
    stars, given = measured
    tinted = given.copy()
    tinted["V"] = tinted["V"] + 0.17 * tinted["BV"]
    plain = zero_point_of(stars, WCS, standard_stars(tinted, Columns(mag="V")), exposure_s=EXPOSURE)
    found = zero_point_of(stars, WCS, standard_stars(tinted, Columns(mag="V", colour="bv")), exposure_s=EXPOSURE)
    print(f"colour term {found.colour_term:.4f} of 0.17, zero point {found.zero_point_mag:.4f}")
    assert found.colour_term == pytest.approx(0.17, abs=0.02)
    assert found.zero_point_mag == pytest.approx(ZERO, abs=0.02)
    assert found.zero_point_scatter_mag < plain.zero_point_scatter_mag
    assert found.colour_term_error is not None
    assert abs(found.colour_term - 0.17) < 5 * found.colour_term_error


def test_clouds_over_one_side_show_as_a_gradient_and_grey_ones_as_a_fainter_zero_point(
    measured: tuple[StarList, Table], table: StandardStars
) -> None:
    stars = measured[0]
    veiled = replace(stars, flux=stars.flux * 10 ** (-0.4 * 0.3 * stars.x / SHAPE[1]))
    found = zero_point_of(veiled, WCS, table, exposure_s=EXPOSURE)
    assert found.gradient_mag == pytest.approx(0.3, abs=0.05)
    dimmed = replace(stars, flux=0.5 * stars.flux)
    grey = zero_point_of(dimmed, WCS, table, exposure_s=EXPOSURE)
    assert grey.zero_point_mag == pytest.approx(ZERO - 0.7526, abs=0.02)


def test_saturated_and_flagged_stars_are_left_out(measured: tuple[StarList, Table], table: StandardStars) -> None:
    stars = measured[0]
    flags = stars.flags.copy()
    flags[:20] = int(StarFlag.SATURATED)
    cut = replace(stars, flux=np.where(flags != 0, 0.2 * stars.flux, stars.flux), flags=flags)
    before = zero_point_of(stars, WCS, table, exposure_s=EXPOSURE)
    after = zero_point_of(cut, WCS, table, exposure_s=EXPOSURE)
    assert after.zero_point_stars <= before.zero_point_stars - 15
    assert after.zero_point_mag == pytest.approx(ZERO, abs=0.02)


def test_the_same_call_gives_the_same_numbers_and_changes_nothing(
    measured: tuple[StarList, Table], table: StandardStars
) -> None:
    stars, given = measured
    flux, magnitudes = stars.flux.copy(), np.array(given["V"])
    first = zero_point_of(stars, WCS, table, exposure_s=EXPOSURE)
    assert first == zero_point_of(stars, WCS, table, exposure_s=EXPOSURE)
    assert np.array_equal(stars.flux, flux)
    assert np.array_equal(given["V"], magnitudes)


def test_units_and_missing_values_of_a_table_are_respected(tmp_path: Path, measured: tuple[StarList, Table]) -> None:
    given = measured[1]
    hours = Table(
        {"ra": np.array(given["RA"]) / 15 * u.hourangle, "dec": np.radians(given["DEC"]) * u.rad, "V": given["V"]}
    )
    hours["V"][:3] = np.nan
    found = standard_stars(hours, Columns(mag="v"))
    assert len(found) == len(given) - 3
    assert found.ra == pytest.approx(np.array(given["RA"])[3:])
    assert found.dec == pytest.approx(np.array(given["DEC"])[3:])
    for name, form in (("t.fits", "fits"), ("t.csv", "ascii.csv"), ("t.ecsv", "ascii.ecsv")):
        given.write(tmp_path / name, format=form)
        assert standard_stars(tmp_path / name, Columns(mag="V")).mag == pytest.approx(np.array(given["V"]))
    as_mapping = {name: np.array(given[name]) for name in given.colnames}
    assert standard_stars(as_mapping, Columns(mag="V")).mag == pytest.approx(np.array(given["V"]))


def test_errors_of_the_table_weigh_its_stars(measured: tuple[StarList, Table], rng: np.random.Generator) -> None:
    stars, given = measured
    noisy = given.copy()
    noisy["E"] = np.where(np.arange(len(noisy)) % 2, 0.3, 0.01)
    noisy["V"] = noisy["V"] + rng.normal(0, 1, len(noisy)) * noisy["E"]
    found = zero_point_of(stars, WCS, standard_stars(noisy, Columns(mag="V", mag_error="E")), exposure_s=EXPOSURE)
    assert found.zero_point_mag == pytest.approx(ZERO, abs=0.02)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t.rename_column("V", "B"), "no column 'V'; it has RA, DEC, B"),
        (lambda t: t.replace_column("V", 1e6 * np.ones(len(t))), "are they fluxes"),
        (lambda t: t.replace_column("RA", 206265.0 * np.array(t["RA"])), "no positions in degrees"),
        (lambda t: t.replace_column("V", np.full(len(t), np.nan)), "no row"),
        (lambda t: t.replace_column("V", np.array(["x"] * len(t))), "holds no numbers"),
        (lambda t: setattr(t["RA"], "unit", u.m), "not in degrees"),
    ],
)
def test_a_table_that_is_wrong_is_refused_with_the_reason(
    measured: tuple[StarList, Table], change: object, words: str
) -> None:
    given = measured[1].copy()
    change(given)  # type: ignore[operator]
    with pytest.raises(ImagingError, match=words) as caught:
        standard_stars(given, Columns(mag="V"))
    assert caught.value.reason == "bad-table"


def test_a_file_that_is_no_table_is_refused(tmp_path: Path) -> None:
    (tmp_path / "t.fits").write_bytes(b"no table")
    (tmp_path / "t.csv").write_bytes(b"\x00\x01")
    for name in ("t.fits", "t.csv"):
        with pytest.raises(ImagingError):
            standard_stars(tmp_path / name)


def test_a_table_of_another_field_and_a_missing_exposure_are_refused(
    measured: tuple[StarList, Table], table: StandardStars
) -> None:
    elsewhere = replace(table, ra=table.ra + 30)
    with pytest.raises(ImagingError, match="are its positions in degrees") as caught:
        zero_point_of(measured[0], WCS, elsewhere, exposure_s=EXPOSURE)
    assert caught.value.reason == "too-few-stars"
    for wrong in (0.0, float("nan"), -3.0):
        with pytest.raises(ImagingError, match="exposure time"):
            zero_point_of(measured[0], WCS, table, exposure_s=wrong)


def test_a_list_without_stars_has_no_zero_point(table: StandardStars) -> None:
    with pytest.raises(ImagingError, match="0 clean stars"):
        zero_point_of(StarList.empty(SHAPE), WCS, table, exposure_s=EXPOSURE)


def test_stars_left_out_do_not_count_as_those_a_zero_point_needs(measured: tuple[StarList, Table]) -> None:
    stars, listed_stars = measured
    few = listed_stars[np.argsort(listed_stars["V"])[:5]]
    assert zero_point_of(stars, WCS, standard_stars(few, Columns(mag="V")), exposure_s=EXPOSURE).zero_point_stars == 5
    few["V"][0] += 3.0
    with pytest.raises(ImagingError, match="4 clean stars"):
        zero_point_of(stars, WCS, standard_stars(few, Columns(mag="V")), exposure_s=EXPOSURE)
