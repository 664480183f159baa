"""World coordinates, zero points, header cards and files of pictures: examples of known truth."""

import math
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray
from PIL import Image

from pictor.imaging.astrometry.cards import write_wcs
from pictor.imaging.astrometry.celestial import Gnomonic
from pictor.imaging.astrometry.fitting import Matched
from pictor.imaging.astrometry.projection import Wcs, pixel_to_sky, sky_to_pixel
from pictor.imaging.fits.cards import Card
from pictor.imaging.fits.reading import read_frame
from pictor.imaging.headers.metadata import Wanted
from pictor.imaging.preview.scene import Scene
from pictor.imaging.stars.finding import find_stars
from pictor.imaging.stars.starlist import StarList
from tests.imaging.properties.case import Case, Given
from tests.imaging.properties.pixels import MADE
from tests.imaging.properties.stars import GRID, LISTED, pixels, places

CARDS = "it takes words, cards or numbers, not pixels"
COORDINATES = "numbers in degrees and pixels, not pixels' values: a NaN stays one, as asked below"
X, Y = np.array([1.0, 110.5, np.nan]), np.array([1.0, 100.5, 5.0])
ZERO, EXPOSURE = 21.5, 60.0


def near(found: Any, truth: Any, within: float = 1e-6) -> None:
    np.testing.assert_allclose(np.asarray(found, np.float64), np.asarray(truth, np.float64), atol=within)


def both_ways(found: tuple[NDArray, NDArray], given: Given) -> None:
    """Where astropy sees it, and a NaN where there was one."""
    header = write_wcs(fits.Header(), GRID.wcs, GRID.shape)
    from astropy.wcs import WCS  # noqa: PLC0415 - for this alone

    other = WCS(header)
    truth = other.wcs_pix2world(given["x"], given["y"], 1) if "x" in given else other.wcs_world2pix(*_place(given), 1)
    near(found, truth, 1e-7)
    assert np.isnan(found[0]).tolist() == [False, False, True]


def _place(given: Given) -> tuple[NDArray, NDArray]:
    return given["ra"], given["dec"]


def header() -> fits.Header:
    """A header with a solution."""
    return write_wcs(fits.Header({"OBJECT": "X"}), GRID.wcs, GRID.shape)


def is_grid(found: Wcs, _: Given) -> None:
    near(found.crval, GRID.wcs.crval)
    near(found.crpix, GRID.wcs.crpix)
    near(found.cd, GRID.wcs.cd, 1e-9)


def matched() -> Matched:
    ra, dec, _ = places()
    x, y = sky_to_pixel(GRID.wcs, ra, dec)
    return Matched(x, y, ra, dec)


def table() -> dict[str, NDArray]:
    """The stars of the field with their brightness; one without."""
    ra, dec, flux = places()
    mag = ZERO - 2.5 * np.log10(flux / EXPOSURE)
    return {"RA": ra, "DEC": dec, "mag": np.where(np.arange(30) == 4, np.nan, mag)}


def stars() -> StarList:
    return find_stars(pixels())


def fluxes() -> Given:
    """Stars of the catalogue, one of them without a magnitude, one without light."""
    flux = np.rint(places()[2]).astype(np.uint32)
    mag = ZERO - 2.5 * np.log10(flux / EXPOSURE)
    mag[3], flux[5] = np.nan, 0
    return {"flux_adu": flux, "catalogue_mag": mag, "exposure_s": EXPOSURE}


def framed(folder: Path) -> Given:
    path = folder / "in.fits"
    fits.writeto(path, pixels(), fits.Header({"OBJECT": "X"}), overwrite=True)
    cards = [Card("OBJECT", "M 51")]
    return {"path": path, "out": folder / "out.fits", "cards": cards, "made": MADE, "overwrite": True}


def rewritten(_: None, given: Given) -> None:
    back = read_frame(given["out"])
    np.testing.assert_array_equal(back.data, pixels())
    assert back.header["OBJECT"] == "M 51"


def coloured() -> NDArray[np.uint8]:
    return np.random.default_rng(1).integers(0, 255, (20, 30, 3), np.uint8)


def rendered(found: Any, given: Given) -> None:
    """Bright stars are bright, sky is dark, what is no number is black."""
    shown = np.asarray(Image.open(found.preview.path).convert("L"), np.float64)
    data = np.asarray(given["data"], np.float64)
    assert shown.shape == data.shape
    assert shown[data > 2000].min() > 2 * np.median(shown)
    assert not shown[~np.isfinite(data)].any()


def tiled(found: Image.Image, given: Given) -> None:
    assert found.size == (110, 100)
    assert given["path"].read_bytes()[:2] == b"PK"


SKY: dict[str, Case] = {
    "pixel_to_sky": Case(
        given=lambda _: {"wcs": GRID.wcs, "x": X, "y": Y}, truth=both_ways, different={"pixels": COORDINATES}
    ),
    "sky_to_pixel": Case(
        given=lambda _: {"wcs": GRID.wcs} | dict(zip(("ra", "dec"), pixel_to_sky(GRID.wcs, X, Y), strict=True)),
        truth=both_ways,
        different={"pixels": COORDINATES},
    ),
    "read_wcs": Case(given=lambda _: {"header": header()}, truth=is_grid, different={"pixels": CARDS}),
    "write_wcs": Case(
        given=lambda _: {"header": fits.Header({"CRVAL1": 5.0, "OBJECT": "X"}), "wcs": GRID.wcs, "shape": GRID.shape},
        truth=lambda found, _: near([found["CRVAL1"], found["OBJECT"] == "X"], [GRID.wcs.crval[0], 1]),
        different={"pixels": CARDS},
    ),
    "fit_wcs": Case(
        given=lambda _: {
            "matched": matched(),
            "start": Wcs((GRID.wcs.crval[0] + 0.001, GRID.wcs.crval[1]), GRID.wcs.crpix, GRID.wcs.cd),
        },
        truth=is_grid,
        different={"pixels": COORDINATES},
    ),
    "zero_point": Case(
        given=lambda _: fluxes(), truth=lambda found, _: near(found.mag, ZERO, 1e-4), different={"pixels": LISTED}
    ),
    "zero_point_of": Case(
        given=lambda _: {"stars": stars(), "wcs": GRID.wcs, "table": table(), "exposure_s": EXPOSURE},
        truth=lambda found, _: near(found.zero_point_mag, ZERO, 0.03),
        different={"pixels": LISTED},
    ),
    "standard_stars": Case(
        given=lambda _: {"table": table()},
        truth=lambda found, _: near(len(found.mag), 29),
        different={"pixels": LISTED},
    ),
    "read_celestial": Case(
        given=lambda _: {"header": header()},
        truth=lambda found, _: near(found.sky(X[:2], Y[:2]), pixel_to_sky(GRID.wcs, X[:2], Y[:2])),
        different={"pixels": CARDS},
    ),
    "astropy_wcs": Case(
        given=lambda _: {"header": header()},
        truth=lambda found, _: near(
            found.wcs_pix2world(X[:2], Y[:2], 1), pixel_to_sky(GRID.wcs, X[:2], Y[:2]), within=1e-7
        ),
        different={"pixels": CARDS, "the same twice": "astropy's object has no equality; its numbers are the truth's"},
    ),
    "pointing_offset": Case(
        given=lambda _: {"start": (359.9, 60.0), "end": (0.1, 60.0)},
        truth=lambda found, _: near(found.east_arcsec, 360.0, 0.1),
        different={"pixels": CARDS},
    ),
    "north_up": Case(
        given=lambda _: {"seen": Gnomonic(GRID.wcs), "shape": GRID.shape},
        truth=lambda found, _: near(found[1], GRID.shape, 2),
        different={"pixels": CARDS},
    ),
    "plan_metadata": Case(
        given=lambda _: {
            "cards": (Card("DATE-OBS", "2021-07-09T04:06:04"), Card("EXPTIME", 300.0)), "wanted": Wanted("someone")
        },
        truth=lambda found, _: np.testing.assert_equal(
            [one.card.value for one in found.cards if one.card.keyword == "OBSERVER"], ["someone"]
        ),
        different={"pixels": CARDS},
    ),
    "parse_itelescope": Case(
        given=lambda _: {"name": "raw-T05-someone-NGC_6888-20200716-231744-Ha-BIN1-E-180-001.fit"},
        truth=lambda found, _: np.testing.assert_equal(
            (found.target, found.taken), ("NGC 6888", datetime(2020, 7, 16, 23, 17, 44))  # noqa: DTZ001 - no zone
        ),
        different={"pixels": CARDS},
    ),
    "find_target": Case(
        given=lambda _: {"text": "NGC7000"},
        truth=lambda found, _: near((found.ra_deg, found.dec_deg), (314.8, 44.5), 0.1),
        different={"pixels": CARDS},
    ),
    "find_site": Case(
        given=lambda _: {"name": "siding spring"},
        truth=lambda found, _: np.testing.assert_equal(found.code, "Q62"),
        different={"pixels": CARDS},
    ),
    "set_card": Case(
        given=lambda _: {"keyword": "FOCALLEN", "value": "530 mm"},
        truth=lambda found, _: np.testing.assert_equal(found.value, 530),
        different={"pixels": CARDS},
    ),
    "write_cards": Case(
        given=framed,
        truth=rewritten,
        changes=("out",),
        different={"pixels": "it copies the data unit byte for byte, whatever is in it"},
    ),
    "render": Case(
        given=lambda folder: {"data": pixels(), "scratch": folder},
        truth=rendered,
        pixels=("data",),
        within=math.inf,
        different={"units": "grey values follow from the frame's own levels: a picture has no unit"},
    ),
    "write_tiles": Case(
        given=lambda folder: {"scene": Scene.of(pixels()), "path": folder / "t.szi"},
        truth=tiled,
        changes=("path",),
        different={"pixels": "it takes a scene: what is no number is black in its tables; see render"},
    ),
    "write_picture": Case(
        given=lambda folder: {"path": folder / "p.png", "pixels": coloured(), "made": MADE, "overwrite": True},
        truth=lambda _, given: np.testing.assert_array_equal(Image.open(given["path"]), coloured()),
        changes=("path",),
        different={"pixels": "it takes the bytes of a picture, 0 to 255 or 65535, that are shown as they are"},
    ),
}  # fmt: skip
