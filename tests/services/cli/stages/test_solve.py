"""The command `pictor solve`: frames and star tables of the simulated sky, and what cannot be solved."""

import json
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from astropy.wcs import WCS
from typer.testing import CliRunner

from pictor.cli.main import app
from pictor.imaging.astrometry.projection import Wcs, pixel_to_sky, sky_to_pixel
from pictor.imaging.fits.wcs_cards import is_stale
from pictor.imaging.simulator.fields import star_table

SHAPE = (620, 800)
SCALE = 3.6 / 3600
TRUTH = Wcs((314.75, 44.37), (400.5, 310.5), ((-0.8 * SCALE, 0.6 * SCALE), (0.6 * SCALE, 0.8 * SCALE)))
ZERO, EXPOSURE = 20.0, 60.0


def sky(rng: np.random.Generator) -> np.ndarray:
    """Draw the Tycho-2 stars of the sample field, and as many fainter ones."""
    image = rng.normal(800.0, 8.0, SHAPE)
    stars = star_table()
    x, y = sky_to_pixel(TRUTH, stars.ra_deg, stars.dec_deg)
    on = (x > 9) & (x < SHAPE[1] - 9) & (y > 9) & (y < SHAPE[0] - 9)
    flux = EXPOSURE * 10 ** (-0.4 * (stars.mag - ZERO))
    reach = np.arange(-8, 9)
    for column, row, light in zip(x[on] - 1, y[on] - 1, flux[on], strict=True):
        left, low = round(column) + reach, round(row) + reach
        spot = np.exp(-(((left - column) ** 2)[None, :] + ((low - row) ** 2)[:, None]) / (2 * 1.2**2))
        image[np.ix_(low, left)] += light * spot / (2 * np.pi * 1.2**2)
    return np.clip(image, 0, 65535).astype(np.uint16)


HEADER = {
    "IMAGETYP": "LIGHT", "EXPTIME": EXPOSURE, "OBJECT": "NGC 7000", "RA": 314.8, "DEC": 44.4, "FOCALLEN": 430.0,
    "XPIXSZ": 7.5, "OBJCTRA": "20 59 00", "OBJCTDEC": "+44 22 12", "DATE-OBS": "2026-10-12T20:00:00",
    "CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "PV1_1": 3.0, "CDELT1": 9.0, "TR1_0": 4.0, "PC1_1": 2.0,
}  # fmt: skip
"""A header with remains of an older solution."""


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with one light in several guises."""
    folder = tmp_path_factory.mktemp("frames")
    rng = np.random.default_rng(3)
    pixels = sky(rng)
    fits.PrimaryHDU(pixels, fits.Header(HEADER)).writeto(folder / "light.fits")
    fits.PrimaryHDU(pixels).writeto(folder / "bare.fits")
    fits.PrimaryHDU(rng.normal(800, 8, SHAPE).astype(np.float32), fits.Header(HEADER)).writeto(folder / "clouds.fits")
    packed = fits.CompImageHDU(pixels, fits.Header(HEADER), compression_type="RICE_1")
    primary = fits.PrimaryHDU(header=fits.Header({"CTYPE1": "RA---TAN", "PV2_7": 3.0}))
    fits.HDUList([primary, packed]).writeto(folder / "light.fits.fz")
    (folder / "broken.fits").write_bytes(b"no frame")
    return folder


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder without any index but the sample's."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PICTOR_INDEX_DIR", raising=False)
    return tmp_path


def call(*words: object) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, ["solve", *map(str, words)])
    return done.exit_code, done.stdout, done.stderr


def error_px(header: fits.Header) -> float:
    """Largest distance between the truth and a header, read by astropy."""
    x, y = np.meshgrid(np.linspace(1, SHAPE[1], 5), np.linspace(1, SHAPE[0], 5))
    ra, dec = pixel_to_sky(TRUTH, x.ravel(), y.ravel())
    back = WCS(header).world_to_pixel_values(ra, dec)
    return float(np.max(np.hypot(back[0] + 1 - x.ravel(), back[1] + 1 - y.ravel())))


def test_a_frame_is_written_with_one_solution_and_its_pixels_byte_for_byte(frames: Path, here: Path) -> None:
    before = (frames / "light.fits").read_bytes()
    code, text, _ = call(frames / "light.fits", "-o", "out")
    assert code == 0
    assert "arcsec/px" in text
    assert (frames / "light.fits").read_bytes() == before
    with fits.open(here / "out/light_solved.fits", checksum=True) as units, fits.open(frames / "light.fits") as old:
        header = units[0].header
        assert units[0]._data_offset % 2880 == 0
        assert np.array_equal(units[0].data, old[0].data)
    raw = (here / "out/light_solved.fits").read_bytes()
    size = SHAPE[0] * SHAPE[1] * 2
    padded = -(-size // 2880) * 2880
    assert raw[-padded:] == before[-padded:]
    stale = [key for key in header if is_stale(key) and not key.startswith(("CTYPE", "CRVAL", "CRPIX", "CUNIT", "CD"))]
    assert sorted(stale) == ["EQUINOX", "PLTSOLVD", "RADESYS", "WCSAXES"]
    assert "CDELT1" not in header
    error = error_px(header)
    print(f"largest error {error:.5f} px")
    assert error < 0.2
    assert header["PIXSCALE"] == pytest.approx(3.6, rel=1e-4)
    assert header["NINPUT"] == 1
    assert header["IN001NAM"] == "light.fits"
    assert len(header["IN001SHA"]) == 64
    assert any("pictor" in line and "solve" in line for line in header["HISTORY"])


def test_the_star_list_has_positions_on_the_sky(frames: Path, here: Path) -> None:
    call(frames / "light.fits")
    stars = Table.read(here / "light_solved_stars.fits", hdu="STARS")
    ra, dec = pixel_to_sky(TRUTH, np.array(stars["XPOS"]), np.array(stars["YPOS"]))
    assert np.max(np.hypot((stars["RA"] - ra) * np.cos(np.radians(dec)), stars["DEC"] - dec)) * 3600 < 0.7
    assert fits.getheader(here / "light_solved_stars.fits")["IN001NAM"] == "light.fits"


def test_json_tells_all_numbers(frames: Path, here: Path) -> None:
    code, text, _ = call(frames / "light.fits", "--json", "--photometry", "--target", "M 31")
    assert code == 0
    (told,) = json.loads(text)
    assert told["status"] == "solved"
    assert (told["ra_deg"], told["dec_deg"]) == pytest.approx((314.75, 44.37), abs=1e-4)
    assert told["scale_arcsec"] == pytest.approx(3.6, rel=1e-4)
    assert told["parity"] == 1
    assert told["pa_deg"] == pytest.approx(36.87, abs=0.01)
    assert len(told["corners"]) == 4
    assert told["zones"] >= 5
    assert told["matched"] >= 12
    assert told["rms_px"] < 0.3
    assert told["mount_offset"]["separation_arcsec"] == pytest.approx(168, abs=2)
    assert told["target_offset"]["separation_arcsec"] / 3600 == pytest.approx(39.9, abs=0.5)
    light = told["photometry"]
    print(f"zero point {light['zero_point_mag']:.3f} of {ZERO}")
    assert light["zero_point_mag"] == pytest.approx(ZERO, abs=0.03)
    assert "Tycho-2" in light["system"]
    assert fits.getheader(here / "light_solved.fits")["MAGZPT"] == pytest.approx(ZERO, abs=0.03)


def test_a_blind_search_needs_no_header(frames: Path, here: Path) -> None:
    code, text, _ = call(frames / "bare.fits", "--blind", "--json")
    (told,) = json.loads(text)
    assert code == 0
    assert told["hints"]["position"] is None
    assert (told["ra_deg"], told["dec_deg"]) == pytest.approx((314.75, 44.37), abs=1e-4)


def test_hints_on_the_command_line_count_before_the_header(frames: Path, here: Path) -> None:
    code, text, _ = call(frames / "light.fits", "--ra", "20 59 00", "--dec", "+44 22 12", "--scale", "3.7", "--json")
    (told,) = json.loads(text)
    assert code == 0
    assert told["hints"]["position"] == pytest.approx([314.75, 44.37])
    assert told["hints"]["scale_arcsec"] == 3.7


def test_a_compressed_frame_stays_compressed_and_loses_every_older_solution(frames: Path, here: Path) -> None:
    code, _, _ = call(frames / "light.fits.fz", "--no-stars")
    assert code == 0
    with fits.open(here / "light_solved.fits", checksum=True) as units:
        assert isinstance(units[1], fits.CompImageHDU)
        assert np.array_equal(units[1].data, fits.getdata(frames / "light.fits"))
        assert error_px(units[1].header) < 0.2
        assert "PV2_7" not in units[0].header
        assert "CTYPE1" not in units[0].header
    assert not (here / "light_solved_stars.fits").exists()


def test_a_star_table_is_solved_as_its_frame(frames: Path, here: Path) -> None:
    call(frames / "light.fits", "-o", "one")
    code, text, _ = call("one/light_solved_stars.fits", "-o", "two", "--json")
    (told,) = json.loads(text)
    assert code == 0
    assert (told["ra_deg"], told["dec_deg"]) == pytest.approx((314.75, 44.37), abs=1e-4)
    stars = Table.read(here / "two/light_solved_stars_solved.fits", hdu="STARS")
    assert "RA" in stars.colnames
    assert error_px(fits.getheader(here / "two/light_solved_stars_solved.fits")) < 0.2
    assert list((here / "two").iterdir()) == [here / "two/light_solved_stars_solved.fits"]


def test_only_the_header_is_written_when_asked(frames: Path, here: Path) -> None:
    code, _, _ = call(frames / "light.fits", "--wcs-only", "--no-stars")
    assert code == 0
    assert [path.name for path in here.iterdir()] == ["light_solved.wcs"]
    header = fits.getheader(here / "light_solved.wcs")
    assert (header["NAXIS"], header["IMAGEW"], header["IMAGEH"]) == (0, 800, 620)
    assert error_px(header) < 0.2


def test_frames_that_cannot_be_solved_leave_the_others_alone(frames: Path, here: Path) -> None:
    code, text, error = call(frames / "clouds.fits", frames / "broken.fits", frames / "light.fits", "--json")
    assert code == 1
    clouds, broken, light = json.loads(text)
    assert clouds["status"] == "unsolved"
    assert clouds["reason"] in {"clouded", "too-few-stars"}
    assert "no solution" in error
    assert broken["reason"]
    assert light["status"] == "solved"
    assert sorted(path.name for path in here.iterdir()) == ["light_solved.fits", "light_solved_stars.fits"]


def test_a_missing_index_is_told_with_the_command_that_installs_one(frames: Path, here: Path) -> None:
    code, _, error = call(frames / "light.fits", "--index", "nowhere")
    assert code == 2
    assert "pictor index install" in error
    shifted = fits.Header(HEADER | {"RA": 100.0, "DEC": 20.0, "OBJCTRA": "06 40 00", "OBJCTDEC": "+20 00 00"})
    rng = np.random.default_rng(8)
    spots = rng.normal(800, 8, SHAPE).astype(np.float32)
    for row, column in zip(rng.integers(9, 610, 80), rng.integers(9, 790, 80), strict=True):
        spots[row - 1 : row + 2, column - 1 : column + 2] += 900
    fits.PrimaryHDU(spots, shifted).writeto("elsewhere.fits")
    code, text, error = call("elsewhere.fits", "--json", "--time-limit", "3")
    assert code == 1
    assert json.loads(text)[0]["reason"] == "not-configured"
    assert "pictor index install" in error


def test_nothing_is_overwritten_unless_told(frames: Path, here: Path) -> None:
    (here / "light_solved.fits").write_text("mine")
    code, _, error = call(frames / "light.fits")
    assert code == 2
    assert "--overwrite" in error
    assert (here / "light_solved.fits").read_text() == "mine"
    assert call(frames / "light.fits", "--overwrite")[0] == 0
    assert (here / "light_solved.fits").stat().st_size > 10_000


def test_a_zero_point_against_a_table_of_ones_own(frames: Path, here: Path) -> None:
    stars = star_table()
    Table({"ra": stars.ra_deg, "dec": stars.dec_deg, "Vmag": stars.mag}).write("stars.csv", format="ascii.csv")
    code, text, _ = call(frames / "light.fits", "--catalogue", "stars.csv", "--mag-column", "Vmag", "--json")
    assert code == 0
    assert json.loads(text)[0]["photometry"]["zero_point_mag"] == pytest.approx(ZERO, abs=0.03)
    code, text, _ = call(frames / "light.fits", "--catalogue", "stars.csv", "--json", "--overwrite")
    told = json.loads(text)[0]
    assert code == 0
    assert told["photometry"] is None
    assert "no column 'mag'" in told["photometry_refused"]


@pytest.mark.parametrize(
    "wrong",
    [
        ["--ra", "3"], ["--ra", "400", "--dec", "3"], ["--ra", "x", "--dec", "y"], ["--target", "Xyzzy"],
        ["--solver", "magic"], ["--time-limit", "0"],
    ],
)  # fmt: skip
def test_a_wrong_call_is_told_before_any_work(frames: Path, here: Path, wrong: list[str]) -> None:
    code, _, error = call(frames / "light.fits", *wrong)
    assert code == 2
    assert error
    assert not list(here.iterdir())
