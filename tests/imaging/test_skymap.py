"""The sky of whole frames against the truth and against photutils."""

import warnings
from functools import cache

import numpy as np
import pytest
from astropy.io import fits
from astropy.nddata import CCDData
from astropy.stats import SigmaClip
from numpy.typing import NDArray
from photutils.background import Background2D, SExtractorBackground

from pictor.imaging.background import mesh_background
from pictor.imaging.errors import FrameMismatchError, ImagingError
from pictor.imaging.frame import BAD, NO_DATA, Frame
from pictor.imaging.skymap import measure_sky, subtract_sky
from tests.support.sky import Recipe, Template, draw, mosaic, sky_plane

NOISE = float(np.sqrt(1000.0 / 0.5 + 36.0))


@cache
def scene(*, stars: int, nebula: float = 0.0) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """True sky and frame: a gradient, a smooth nebula if asked for, and stars."""
    recipe = Recipe(shape=(512, 640), fwhm=3.0, profile="moffat", gradient=300.0, sky=1000.0)
    rng = np.random.default_rng(3)
    ny, nx = recipe.shape
    y, x = np.indices(recipe.shape)
    sky = sky_plane(recipe) + nebula * np.exp(-((x - 400) ** 2 + (y - 250) ** 2) / (2 * 140.0**2))
    light = sky.copy()
    columns, rows = (np.round(rng.uniform(3, size - 4, stars), 1) for size in (nx, ny))
    flux = 2e6 / (1 + rng.pareto(0.55, stars)) * np.exp(-rng.uniform(0, 5.5, stars))
    draw(light, Template(recipe), columns, rows, flux)
    return sky, ((rng.poisson(light * 0.5) + rng.normal(0, 3.0, recipe.shape)) / 0.5).astype(np.float32)


def errors(seen: NDArray[np.floating], sky: NDArray[np.float64]) -> tuple[float, float]:
    """Median and RMS of the error, in sigmas of the noise."""
    difference = (seen - sky) / NOISE
    return float(np.median(difference)), float(np.sqrt(np.mean(difference**2)))


@pytest.mark.parametrize(
    ("stars", "nebula", "most"), [(130, 0.0, (0.05, 0.1)), (1300, 0.0, (0.1, 0.15)), (130, 400.0, (0.1, 0.5))]
)
def test_the_map_is_the_true_sky_and_no_worse_than_that_of_photutils(
    stars: int, nebula: float, most: tuple[float, float]
) -> None:
    sky, image = scene(stars=stars, nebula=nebula)
    ours = errors(measure_sky(image).level_map(), sky)
    plain = errors(mesh_background(image).evaluate(), sky)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        peer = Background2D(
            image, 64, filter_size=3, exclude_percentile=95, sigma_clip=SigmaClip(3.0),
            bkg_estimator=SExtractorBackground(),
        )  # fmt: skip
    theirs = errors(peer.background, sky)
    print(
        f"{stars} stars, nebula {nebula:g}: ours {ours[0]:+.3f} rms {ours[1]:.3f}, sources kept {plain[0]:+.3f} rms "
        f"{plain[1]:.3f}, photutils {theirs[0]:+.3f} rms {theirs[1]:.3f} sigma"
    )
    assert abs(ours[0]) <= most[0]
    assert ours[1] <= most[1]
    assert ours[1] <= 1.25 * theirs[1]


def test_the_noise_map_is_the_true_noise() -> None:
    sky, image = scene(stars=130)
    ratio = measure_sky(image).noise_map() / np.sqrt(sky / 0.5 + 36.0)
    print(f"noise {np.median(ratio):.3f} of the truth, scatter {np.std(ratio):.3f}")
    assert np.median(ratio) == pytest.approx(1.0, abs=0.03)


def test_subtracting_leaves_stars_on_zero_and_carries_error_and_mask() -> None:
    sky, image = scene(stars=130)
    err, mask = np.full(image.shape, 5.0, np.float32), np.zeros(image.shape, np.uint8)
    mask[3, 4] = BAD
    frame = Frame(image, err, mask, fits.Header({"OBJECT": "M 51"}), "electron")
    flat = subtract_sky(frame, measure_sky(frame))
    assert abs(float(np.median(flat.data))) < 0.1 * NOISE
    assert flat.data.max() == pytest.approx(float((image - sky).max()), rel=0.01)
    assert np.array_equal(flat.err, err)
    assert np.array_equal(flat.mask, mask)
    assert (flat.unit, flat.header["OBJECT"]) == ("electron", "M 51")


def test_unsigned_integers_do_not_wrap_and_nothing_is_changed() -> None:
    image = np.clip(scene(stars=130)[1] - 900, 0, 65535).astype(np.uint16)
    before = image.copy()
    flat = subtract_sky(image, measure_sky(image))
    assert flat.data.min() < 0
    assert flat.data.min() > -1000
    assert np.array_equal(image, before)


def test_measuring_twice_and_from_ccddata_gives_the_same() -> None:
    image = scene(stars=130)[1]
    first = measure_sky(image).level_map()
    assert np.array_equal(first, measure_sky(image).level_map())
    assert np.array_equal(first, measure_sky(CCDData(image, unit="adu")).level_map())


def test_masked_and_missing_pixels_are_not_sky() -> None:
    sky, image = scene(stars=130)
    broken, mask = image.copy(), np.zeros(image.shape, np.uint8)
    broken[:, 100:130], mask[:, 100:130] = 30_000.0, BAD
    broken[200:220], mask[200:220] = 0.0, NO_DATA
    broken[300:310] = np.nan
    seen = measure_sky(Frame(broken, mask=mask))
    print("masked: error {:+.3f}, rms {:.3f} sigma".format(*errors(seen.level_map(), sky)))
    assert errors(seen.level_map(), sky)[1] < 0.12
    assert seen.source_share > 50 / 640


def test_colour_planes_and_the_colours_of_a_mosaic_are_measured_by_themselves() -> None:
    image = scene(stars=130)[1]
    cube = np.stack([image, image + 500, 2 * image])
    seen = measure_sky(cube)
    flat = subtract_sky(cube, seen)
    assert flat.data.shape == cube.shape
    assert np.abs(np.median(flat.data, axis=(1, 2))).max() < 0.2 * NOISE
    raw = mosaic(np.clip(image, 0, 65535).astype(np.uint16), 1000.0)
    flat = subtract_sky(raw, measure_sky(raw))
    levels = [float(np.median(flat.data[i::2, j::2])) for i in range(2) for j in range(2)]
    print("sky left in the colours of a mosaic:", [round(level, 1) for level in levels])
    assert np.abs(levels).max() < 0.15 * NOISE
    assert measure_sky(raw, bayer="").noise > 1.5 * measure_sky(raw).noise


def test_cautions_name_crowding_nebulosity_and_small_frames() -> None:
    def said(image: NDArray[np.floating], cell: int = 64) -> str:
        return " ".join(measure_sky(image, cell=cell).cautions)

    assert said(scene(stars=130)[1]) == ""
    assert "nebulosity" in said(scene(stars=130, nebula=400.0)[1])
    assert "cover" in said(scene(stars=6000)[1])
    assert "2 x 2 cells" in said(scene(stars=130)[1][:128, :128])


def test_a_frame_without_sky_and_a_wrong_call_are_refused_in_words() -> None:
    with pytest.raises(ImagingError, match="no pixel"):
        measure_sky(np.full((100, 100), np.nan))
    with pytest.raises(ImagingError, match="cell of 2 pixels"):
        measure_sky(np.zeros((100, 100)), cell=2)
    with pytest.raises(ImagingError, match="XTRANS"):
        measure_sky(np.zeros((100, 100)), bayer="XTRANS")
    with pytest.raises(FrameMismatchError, match=r"\(100, 100\)"):
        subtract_sky(np.zeros((50, 50)), measure_sky(np.zeros((100, 100))))


def test_a_constant_frame_has_its_level() -> None:
    seen = measure_sky(np.full((100, 100), 7, np.uint16))
    assert seen.level == 7.0
    assert seen.noise < 0.5  # the step of the values is one
