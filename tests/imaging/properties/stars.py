"""Stars, sky, quality, registering, coadding and pictures: examples of known truth."""

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from pictor.imaging.background import mesh_background
from pictor.imaging.coadd.coadding import Coadded, coadd
from pictor.imaging.compositing.look import Look, Sky
from pictor.imaging.frame import Frame
from pictor.imaging.quality.grading import Metrics
from pictor.imaging.quality.rejection import Rule, RuleSet
from pictor.imaging.quality.sets import Candidate, Like
from pictor.imaging.resampling.grid import Grid
from pictor.imaging.skymap import measure_sky
from pictor.imaging.stars.finding import find_stars
from pictor.imaging.stars.measuring import measure_frame
from pictor.imaging.stars.starlist import StarList
from tests.imaging.properties.case import Case, Given, Unit
from tests.imaging.properties.pixels import FRAME, MADE
from tests.imaging.resampling.skies import CENTRE, frame_of, stars_on, wcs

SHAPE = (200, 220)
FWHM, LEVEL, NOISE = 3.0, 500.0, 8.0
GRID = Grid(wcs(SHAPE), SHAPE)
MEASURED = "it takes a measured frame: what is masked or no number is out of it already; see measure_frame"
LISTED = "it takes a star list, not pixels"


@cache
def places() -> tuple[NDArray, NDArray, NDArray]:
    """Right ascension, declination and light of 30 stars well apart, uneven enough to be known again."""
    rng = np.random.default_rng(11)
    column, row = (v.ravel()[:30] for v in np.meshgrid(np.arange(24, 200, 34), np.arange(24, 190, 32)))
    x, y = column + rng.uniform(-6, 6, 30), row + rng.uniform(-6, 6, 30)
    ra, dec = GRID.wcs.crval[0] - (x - 109.5) * 1.5 / 3600 / np.cos(np.radians(CENTRE[1])), (y - 99.5) * 1.5 / 3600
    return ra, dec + CENTRE[1], 10 ** rng.uniform(3.7, 4.9, 30)


@cache
def _clean(dx: float, light: float) -> NDArray:
    moved = replace(GRID.wcs, crpix=(GRID.wcs.crpix[0] + dx, GRID.wcs.crpix[1]))
    ra, dec, flux = places()
    return stars_on(moved, SHAPE, ra, dec, flux * light, sigma=FWHM / 2.3548)


def field(seed: int = 1, *, dx: float = 0.0, light: float = 1.0) -> Frame:
    """A light of these stars, ``dx`` columns further, with world coordinates; whole ADU."""
    noise = np.random.default_rng(seed).normal(LEVEL, NOISE, SHAPE)
    moved = replace(GRID.wcs, crpix=(GRID.wcs.crpix[0] + dx, GRID.wcs.crpix[1]))
    frame = frame_of(np.rint(_clean(dx, light) + noise).astype(np.uint16), moved)
    frame.header.update({"EXPTIME": 60.0, "EGAIN": 2.0, "DATE-OBS": f"2026-10-12T20:{seed:02d}:00.5", "OBJECT": "X"})
    return frame


def pixels() -> NDArray[np.uint16]:
    return field().data


@cache
def truth_xy() -> tuple[NDArray, NDArray]:
    from pictor.imaging.astrometry.projection import sky_to_pixel  # noqa: PLC0415 - for this alone

    x, y = sky_to_pixel(GRID.wcs, places()[0], places()[1])
    return x - 1, y - 1


def found_all(found: StarList, _: Given) -> None:
    """Every star at its place, as bright and as wide as it is."""
    x, y = truth_xy()
    assert 28 <= found.star_count <= 32
    far = np.hypot(found.x[:, None] - x, found.y[:, None] - y)
    nearest = far.argmin(axis=1)
    known = found.is_star
    assert far.min(axis=1)[known].max() < 0.15
    np.testing.assert_allclose(found.flux[known], places()[2][nearest][known], rtol=0.1)
    assert abs(float(np.median(found.fwhm[known])) / FWHM - 1) < 0.1


def even_sky(level: float, noise: float) -> None:
    assert abs(level - LEVEL) < 1.5
    assert abs(noise / NOISE - 1) < 0.1


def photometry(found: Any, given: Given) -> None:
    stars = given["found"].stars
    np.testing.assert_allclose(found.flux[stars.is_star], stars.flux[stars.is_star], rtol=0.1)


def mapped(found: Any, _: Given) -> None:
    assert sum(zone.star_count for row in found.zones for zone in row) > 25


def moved(found: Any, _: Given) -> None:
    """Three and a half columns, no turn, no scale."""
    x, y = found.to_reference(np.array([50.0]), np.array([60.0]))
    assert abs(x[0] - 46.5) < 0.1
    assert abs(y[0] - 60.0) < 0.1


def flux_of(data: NDArray) -> float:
    """Light of the brightest star above its surroundings."""
    number = int(np.argmax(places()[2]))
    x, y = round(truth_xy()[0][number]), round(truth_xy()[1][number])
    box = data[y - 9 : y + 10, x - 9 : x + 10].astype(np.float64)
    edge = np.median(np.concatenate([box[0], box[-1], box[:, 0], box[:, -1]]))
    return float((box - edge).sum()) / float(places()[2].max())


def same_light(data: NDArray, _: Given, *, times: float = 1.0) -> None:
    assert abs(flux_of(data) / times - 1) < 0.02


def coadded(found: Coadded, given: Given) -> None:
    same_light(found.frame.data, given)
    assert float(np.nanstd(found.frame.data[:8])) < NOISE


def in_files(folder: Path) -> list[Path]:
    paths = []
    for number in range(1, 4):
        frame = field(number)
        fits.writeto(folder / f"light{number}.fits", frame.data, frame.header, overwrite=True)
        paths.append(folder / f"light{number}.fits")
    return paths


@cache
def whole() -> Coadded:
    return coadd([field(number) for number in (1, 2, 3)], onto=GRID)


def written(folder: Path) -> Given:
    return {"path": folder / "out.fits", "done": whole(), "made": MADE, "overwrite": True}


def night() -> list[Candidate]:
    sharp = Metrics(star_count=150, fwhm_px=3.0, hfr_px=1.6, eccentricity=0.4, background_adu=900.0, trail_count=0)
    like = Like("scope", "M 51", "L", 60.0)
    good = [Candidate(like, replace(sharp, hfr_px=1.6 + 0.01 * (k % 3)), f"2026-10-12T20:{k:02d}") for k in range(9)]
    return [*good, Candidate(like, replace(sharp, hfr_px=2.9))]


def picture(found: Any, _: Given) -> None:
    """White stars on an even sky, whatever the filters let through."""
    np.testing.assert_allclose(np.array(found.white) / found.white[1], (2.0, 1.0, 0.5), rtol=0.05)
    assert found.planes.min() >= 0
    assert found.planes.max() <= 1


def no_star_left(found: Any, _: Given) -> None:
    assert abs(found.scale.value / 0.5 - 1) < 0.03
    assert abs(flux_of(np.nan_to_num(found.line.data))) < 0.02


ONE: dict[str, Any] = {"pixels": ("frame",), "frames": True}
ARRAY: dict[str, Any] = {"pixels": ("image",)}

STARS: dict[str, Case] = {
    "measure_stars": Case(given=lambda _: {"frame": field()}, truth=found_all, unit=Unit.FREE, **ONE),
    "measure_frame": Case(
        given=lambda _: {"frame": field()},
        truth=lambda found, given: found_all(found.stars, given),
        unit=Unit.FREE,
        **ONE,
    ),
    "find_stars": Case(given=lambda _: {"image": pixels()}, truth=found_all, **ARRAY),
    "fit_profile": Case(
        given=lambda _: {"image": pixels(), "background": mesh_background(pixels()), "stars": find_stars(pixels())},
        truth=lambda found, _: np.testing.assert_allclose(found.fwhm, FWHM, rtol=0.05),
        cut="image",
        **ARRAY,
    ),
    "aperture_photometry": Case(
        given=lambda _: {"found": measure_frame(field())}, truth=photometry, different={"pixels": MEASURED}
    ),
    "magnitudes": Case(
        given=lambda _: {"flux": np.array([100, 0], np.uint16), "error": np.array([1, 1], np.uint16), "exposure_s": 1},
        truth=lambda found, _: np.testing.assert_allclose(found[0], [-5.0, np.nan]),
        different={"pixels": LISTED},
    ),
    "write_star_table": Case(
        given=lambda folder: {
            "path": folder / "s.fits", "found": measure_frame(field()), "made": MADE, "overwrite": True
        },
        truth=lambda _, given: found_all(StarList.from_fits(given["path"]), given),
        changes=("path",),
        different={"pixels": MEASURED},
    ),
    "ds9_regions": Case(
        given=lambda _: {"found": measure_frame(field())},
        truth=lambda found, given: np.testing.assert_equal(found.count("ellipse"), len(given["found"].stars.x)),
        different={"pixels": MEASURED},
    ),
    "draw_stars": Case(
        given=lambda _: {"found": measure_frame(field())},
        truth=lambda found, _: np.testing.assert_equal(np.asarray(found).shape, (4 * SHAPE[0], 4 * SHAPE[1], 3)),
        different={"pixels": MEASURED},
    ),
    "measure_sky": Case(
        given=lambda _: {"frame": field()},
        truth=lambda found, _: even_sky(found.level, found.noise),
        unit=Unit.FREE,
        **ONE,
    ),
    "subtract_sky": Case(
        given=lambda _: {"frame": field(), "sky": measure_sky(field())},
        truth=lambda found, _: even_sky(float(np.nanmedian(found.data)) + LEVEL, NOISE),
        cut="frame",
        unit=Unit.KEPT,
        **ONE,
    ),
    "mesh_background": Case(
        given=lambda _: {"image": pixels()}, truth=lambda found, _: even_sky(found.level, found.noise), **ARRAY
    ),
    "map_field": Case(
        given=lambda _: {"stars": find_stars(pixels())},
        truth=mapped,
        different={"pixels": LISTED},
    ),
    "measure_quality": Case(
        given=lambda _: {"frame": field()},
        truth=lambda found, _: np.testing.assert_allclose(found.fwhm_px, FWHM, rtol=0.05),
        unit=Unit.FREE,
        **ONE,
    ),
    "grade_frames": Case(
        given=lambda _: {"frames": night()},
        truth=lambda found, _: np.testing.assert_equal([one.letter in "AB" for one in found], [True] * 9 + [False]),
        different={"pixels": "it takes numbers of frames by name; what is None is not judged"},
    ),
    "reject": Case(
        given=lambda _: {
            "frames": [{"fwhm_px": value} for value in (2.9, 3.0, None, 3.1, 3.0, 2.9, 3.1, 6.0)],
            "rules": RuleSet("example 1", (Rule("fwhm_px", 3.0, relative=True),)),
        },
        truth=lambda found, _: np.testing.assert_equal([bool(why) for why in found], [False] * 7 + [True]),
        different={"pixels": "it takes numbers of frames by name; what is None is not judged"},
    ),
    "register": Case(
        given=lambda _: {"reference": pixels(), "other": field(2, dx=3.5).data},
        truth=moved,
        pixels=("reference", "other"),
        frames=True,
        unit=Unit.FREE,
        different={"wrong shape": "frames of any two shapes can be registered"},
    ),
    "match_stars": Case(
        given=lambda _: {"reference": find_stars(pixels()), "other": find_stars(field(2, dx=3.5).data)},
        truth=moved,
        different={"pixels": LISTED},
    ),
    "transform_by_sky": Case(
        given=lambda _: {"reference": GRID, "other": field(2, dx=3.5)},
        truth=moved,
        different={"pixels": "it looks at world coordinates alone"},
    ),
    "grid_of": Case(
        given=lambda _: {"frames": [field(1), field(2, dx=3.0)]},
        truth=lambda found, _: np.testing.assert_equal(found.shape, (SHAPE[0], SHAPE[1] + 3)),
        different={"pixels": "it looks at world coordinates alone"},
    ),
    "resample": Case(
        given=lambda _: {"frame": field(2, dx=3.5), "onto": GRID},
        truth=lambda found, given: same_light(found.data, given),
        unit=Unit.KEPT,
        **ONE,
    ),
    "coadd_frames": Case(
        given=lambda _: {"frames": [field(1), field(2, dx=3.0), field(3, dx=-2.0)], "onto": GRID},
        truth=coadded,
        pixels=("frames",),
        frames=True,
        unit=Unit.KEPT,
        different={"wrong shape": "lights of any shapes are brought onto one grid"},
    ),
    "coadd_files": Case(
        given=lambda folder: {"paths": in_files(folder), "onto": GRID},
        truth=coadded,
        pixels=("paths",),
        frames=True,
        unit=Unit.KEPT,
        different={"wrong shape": "lights of any shapes are brought onto one grid"},
    ),
    "write_coadd": Case(
        given=written,
        truth=lambda _, given: coadded(replace(whole(), frame=Frame.from_fits(given["path"])), given),
        changes=("path",),
        different={"pixels": FRAME},
    ),
    "write_weight": Case(
        given=written,
        truth=lambda _, given: np.testing.assert_allclose(fits.getdata(given["path"]), whole().weight, rtol=1e-5),
        changes=("path",),
        different={"pixels": FRAME},
    ),
    "continuum_subtract": Case(
        given=lambda _: {"narrow": field(1, light=0.5), "broad": field(2)},
        truth=no_star_left,
        pixels=("narrow", "broad"),
        frames=True,
        unit=Unit.KEPT,
    ),
    "composite": Case(
        given=lambda _: {
            "red": field(1, light=0.5), "green": field(2), "blue": field(3, light=2.0), "look": Look(sky=Sky.LEVEL)
        },
        truth=picture,
        pixels=("red", "green", "blue"),
        frames=True,
        unit=Unit.KEPT,
        different={"wrong shape": "frames of any shapes are brought onto the pixels of the first"},
    ),
}  # fmt: skip
