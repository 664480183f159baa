"""Colour pictures: balance, curves, palettes, alignment, and what becomes of missing pixels."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy import units
from astropy.io import fits
from astropy.nddata import CCDData
from astropy.visualization import AsinhStretch
from numpy.typing import NDArray
from PIL import Image

from pictor.imaging.astrometry.cards import write_wcs
from pictor.imaging.astrometry.projection import Wcs
from pictor.imaging.compositing.assigning import assign
from pictor.imaging.compositing.composing import composite, planes_of
from pictor.imaging.compositing.cubes import write_cube
from pictor.imaging.compositing.filters import Palette, filter_of
from pictor.imaging.compositing.look import Curve, Levels, Look, Sky, saturate, stretched
from pictor.imaging.continuum.saturated import shown_full
from pictor.imaging.errors import FrameMismatchError, ImagingError
from pictor.imaging.frame import SATURATED, Frame
from pictor.imaging.products import FileTakenError, Provenance, write_product
from pictor.imaging.simulator.psf import Psf, add_stars

SHAPE = (240, 320)
WHITE = (0.5, 1.0, 2.0)
"""Light of every star in red, green and blue."""


def wcs(dx: float = 0.0) -> Wcs:
    """World coordinates whose pixels lie ``dx`` columns further."""
    scale = 1.0 / 3600.0
    return Wcs((150.0, 20.0), (160.5 + dx, 120.5), ((-scale, 0.0), (0.0, scale)))


def field(light: float, *, seed: int = 1, level: float = 200.0, dx: float = 0.0, noise: float = 3.0) -> Frame:
    """Sky with a gradient, 60 stars and a round nebula, all times ``light``."""
    rng = np.random.default_rng(7)
    x, y = rng.uniform(15, SHAPE[1] - 15, 60), rng.uniform(15, SHAPE[0] - 15, 60)
    flux = 10 ** rng.uniform(3.3, 4.6, 60)
    image = np.zeros(SHAPE, dtype=np.float32)
    add_stars(image, x + dx, y, flux * light, Psf("moffat", 3.0))
    v, u = np.mgrid[: SHAPE[0], : SHAPE[1]]
    image += np.float32(light) * 120.0 * np.exp(-((u - dx - 160) ** 2 + (v - 120) ** 2) / 900.0).astype(np.float32)
    image += np.float32(level) + 20.0 * (u / SHAPE[1] - 0.5).astype(np.float32)
    image += np.random.default_rng(seed).normal(0.0, noise, SHAPE).astype(np.float32)
    return Frame(image)


@pytest.fixture(scope="module")
def channels() -> tuple[Frame, Frame, Frame]:
    red, green, blue = (field(light, seed=n, level=100.0 * n) for n, light in enumerate(WHITE, 1))
    return red, green, blue


def centre(planes: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.median(planes[:, 112:128, 152:168], axis=(1, 2))


def test_stars_become_white_and_the_sky_grey(channels: tuple[Frame, Frame, Frame]) -> None:
    made = composite(*channels)
    print(f"white balance {made.white}, true {tuple(1 / one for one in WHITE)}, {made.star_count} stars")
    assert made.white == pytest.approx([1.0 / one for one in WHITE], rel=0.02)
    sky = np.median(made.planes[:, :30, :30], axis=(1, 2))
    assert np.ptp(sky) < 0.02
    assert np.ptp(centre(made.planes)) < 0.05
    assert 0.3 < centre(made.planes).mean() < 1.0
    assert made.planes.min() >= 0.0
    assert made.planes.max() <= 1.0


def test_a_coloured_nebula_keeps_its_hue_while_stars_are_white(channels: tuple[Frame, Frame, Frame]) -> None:
    red, green, blue = channels
    v, u = np.mgrid[: SHAPE[0], : SHAPE[1]]
    glow = 200.0 * np.exp(-((u - 60) ** 2 + (v - 60) ** 2) / 300.0).astype(np.float32)
    made = composite(replace(red, data=red.data + glow), green, blue)
    tone = np.median(made.planes[:, 56:64, 56:64], axis=(1, 2))
    assert tone[0] > 1.3 * max(tone[1], tone[2])


def test_given_factors_are_used_and_no_star_is_needed() -> None:
    rng = np.random.default_rng(1)
    bare = [Frame(rng.normal(100, 5, SHAPE).astype(np.float32)) for _ in range(3)]
    with pytest.raises(ImagingError, match=r"unsaturated stars can be measured in all three channels"):
        composite(*bare)
    made = composite(*bare, look=Look(white=(2.0, 1.0, 0.5)))
    assert made.white == (2.0, 1.0, 0.5)
    assert made.star_count == 0


@pytest.mark.parametrize("curve", Curve)
def test_every_curve_rises_from_black_to_white(channels: tuple[Frame, Frame, Frame], curve: Curve) -> None:
    made = composite(*channels, look=Look(curve=curve, saturation=1.0, white=(2.0, 1.0, 0.5)))
    star = made.planes[:, made.linear[1] > 600].mean()
    assert made.planes[:, :30, :30].mean() < centre(made.planes).mean() < star + 1e-6


def test_the_asinh_curve_is_that_of_astropy() -> None:
    values = np.linspace(0, 1000, 101, dtype=np.float32)
    ours = stretched(values, Levels(0.0, 1000.0, 50.0), Curve.ASINH)
    np.testing.assert_allclose(ours, AsinhStretch(0.05)(values / 1000.0), atol=1e-6)


def test_the_gamma_curve_is_the_power_law_between_quantiles(channels: tuple[Frame, Frame, Frame]) -> None:
    look = Look(curve=Curve.GAMMA, saturation=1.0, linked=False, sky=Sky.NONE, mute=False)
    made = composite(*channels, look=look)
    for plane, frame in zip(made.planes, channels, strict=True):
        low, high = np.quantile(frame.data, [0.6, 0.999])
        expected = np.clip((frame.data - low) / (high - low), 0, 1) ** (1 / 2.2)
        np.testing.assert_allclose(plane, expected, atol=0.02)


def test_saturation_moves_colours_from_grey_and_never_out_of_range() -> None:
    planes = np.random.default_rng(1).random((3, 40, 40), dtype=np.float32)
    vivid, grey = saturate(planes, 2.0), saturate(planes, 0.0)
    assert np.ptp(vivid, axis=0).mean() > 1.2 * np.ptp(planes, axis=0).mean()
    assert vivid.min() >= 0
    assert vivid.max() <= 1
    np.testing.assert_allclose(grey, np.broadcast_to(planes.mean(axis=0), planes.shape), atol=1e-6)
    np.testing.assert_allclose(saturate(planes, 1.0), planes, atol=1e-5)


def test_frames_whose_world_coordinates_differ_are_brought_together(channels: tuple[Frame, Frame, Frame]) -> None:
    def placed(frame: Frame, dx: float) -> Frame:
        return replace(frame, header=write_wcs(frame.header, wcs(dx), SHAPE))

    red, green, blue = placed(channels[0], 0.0), placed(field(1.0, seed=2, dx=12.0), 12.0), placed(channels[2], 0.0)
    made = composite(red, green, blue)
    assert made.white == pytest.approx([1.0 / one for one in WHITE], rel=0.03)
    assert not made.known[:, -8].any()
    assert made.cropped().known.mean() > 0.99
    assert made.cropped().planes.shape[2] == SHAPE[1] - 12


def test_frames_without_world_coordinates_are_brought_together_by_stars(channels: tuple[Frame, Frame, Frame]) -> None:
    made = composite(channels[0], field(1.0, seed=2, dx=7.0), channels[2])
    assert made.white == pytest.approx([1.0 / one for one in WHITE], rel=0.03)


def test_edges_without_data_are_black_and_small_holes_are_filled(channels: tuple[Frame, Frame, Frame]) -> None:
    red, green, blue = channels
    holed = green.data.copy()
    holed[:, :20] = np.nan
    holed[60:63, 200:203] = np.nan
    made = composite(red, replace(green, data=holed), blue)
    assert not made.planes[:, :, :20].any()
    assert made.known[60:63, 200:203].all()
    pixels = made.pixels(16, transparent=True)
    assert pixels.dtype == np.uint16
    assert (pixels[:, :20, 3] == 0).all()
    assert (pixels[:, 20:, 3] == 65535).all()


def test_large_holes_of_saturated_stars_are_white(channels: tuple[Frame, Frame, Frame]) -> None:
    holed, mask = [one.data.copy() for one in channels], np.zeros(SHAPE, np.uint8)
    mask[30:60, 40:70] = SATURATED
    for one in holed:
        one[30:60, 40:70] = np.nan
    made = composite(*(Frame(one, mask=mask) for one in holed), look=Look(white=(2.0, 1.0, 0.5)))
    assert made.planes[:, 35:55, 45:65].min() > 0.95
    shown = shown_full(holed[0], mask)
    assert shown[45, 55] == np.nanmax(holed[0])
    assert np.isnan(holed[0][45, 55])
    assert shown_full(holed[0], None) is holed[0]


def test_one_frame_may_be_two_colours_and_luminance_decides_brightness(channels: tuple[Frame, Frame, Frame]) -> None:
    look = Look(saturation=1.0, mute=False)
    hoo = composite(channels[0], channels[2], channels[2], palette="hoo", look=look)
    np.testing.assert_array_equal(hoo.planes[1], hoo.planes[2])
    bright = field(8.0, seed=9, noise=1.0)
    lit, unlit = (composite(*channels, luminance=one, look=look) for one in (bright, None))
    assert lit.planes[:, :30, :30].std() < unlit.planes[:, :30, :30].std()


def test_the_palettes_name_their_filters() -> None:
    files = [(Path(f"{name}.fits"), name) for name in ("OIII", "H-alpha 7nm", "S II")]
    colours = assign(files, Palette.SHO)
    assert [colours[one].stem for one in ("red", "green", "blue")] == ["S II", "H-alpha 7nm", "OIII"]
    two = assign([(Path("b.fits"), "O3"), (Path("a.fits"), "Ha")], Palette.HOO)
    assert [two[one].stem for one in ("red", "green", "blue")] == ["a", "b", "b"]
    unnamed = assign([(Path(name), "") for name in "abc"], Palette.RGB)
    assert [str(unnamed[one]) for one in ("red", "green", "blue")] == ["a", "b", "c"]
    assert filter_of("Luminance") is None
    with pytest.raises(ImagingError, match="the palette sho shows SII, Ha, OIII; 1 frames"):
        assign([(Path("a"), "Ha")], Palette.SHO)


def test_what_does_not_fit_together_is_refused(channels: tuple[Frame, Frame, Frame]) -> None:
    red, green, blue = channels
    with pytest.raises(FrameMismatchError, match="one plane"):
        composite(Frame(np.zeros((3, 40, 40))), green, blue)
    with pytest.raises(FrameMismatchError, match="adu and electron"):
        composite(red, CCDData(green.data, unit=units.electron), blue)
    with pytest.raises(ImagingError, match="no usable pixel"):
        composite(red, Frame(np.full(SHAPE, np.nan, np.float32)), blue)
    with pytest.raises(FrameMismatchError, match="three planes"):
        planes_of(red)
    for wrong in ({"white": (1.0, 0.0, 1.0)}, {"black_quantile": 0.9, "white_quantile": 0.5}, {"gamma": -1.0}):
        with pytest.raises(ImagingError) as refused:
            Look(**wrong)
        assert refused.value.reason == "look"


def test_the_input_is_not_changed_integers_do_not_wrap_and_twice_is_the_same(
    channels: tuple[Frame, Frame, Frame],
) -> None:
    whole = [np.clip(np.rint(frame.data), 0, 65535).astype(np.uint16) for frame in channels]
    kept = [one.copy() for one in whole]
    first, second = composite(*whole), composite(*whole)
    for one, copy in zip(whole, kept, strict=True):
        np.testing.assert_array_equal(one, copy)
    np.testing.assert_array_equal(first.planes, second.planes)
    floats = composite(*channels)
    assert first.white == pytest.approx(floats.white, rel=0.02)
    assert np.median(np.abs(first.planes - floats.planes)) < 0.02


def test_the_cube_is_linear_and_keeps_the_world_coordinates(channels: tuple[Frame, Frame, Frame]) -> None:
    placed = [replace(one, header=write_wcs(one.header, wcs(), SHAPE)) for one in channels]
    made = composite(*placed)
    cube = made.cropped().cube()
    assert cube.data.shape == (3, *SHAPE)
    assert cube.wcs == wcs()
    assert cube.header["WHITE1"] == made.white[0]
    ratio = np.median(cube.data[0][made.linear[1] > 300] / cube.data[1][made.linear[1] > 300])
    assert ratio == pytest.approx(1.0, abs=0.03)


def test_a_cube_is_written_by_rows_as_it_is(channels: tuple[Frame, Frame, Frame], tmp_path: Path) -> None:
    made = composite(*channels).cropped()
    made = replace(made, box=(slice(3, made.shape[0] - 2), slice(1, made.shape[1] - 4)))
    write_cube(tmp_path / "cube.fits", made, Provenance("test"))
    write_product(tmp_path / "whole.fits", made.cube(), Provenance("test"))
    with fits.open(tmp_path / "cube.fits", checksum=True) as ours, fits.open(tmp_path / "whole.fits") as theirs:
        np.testing.assert_array_equal(ours[0].data, theirs[0].data)
        sums = {"CHECKSUM", "DATASUM", "EXTEND"}
        told = [{card.keyword: card.value for card in one[0].header.cards} for one in (ours, theirs)]
        assert {key for key in told[0].keys() | told[1].keys() if told[0].get(key) != told[1].get(key)} <= sums
        assert ours[0].header["DATASUM"] == theirs[0].header["DATASUM"]
        assert ours[0].verify_checksum() == ours[0].verify_datasum() == 1
    with pytest.raises(FileTakenError):
        write_cube(tmp_path / "cube.fits", made, Provenance("test"))


def test_strips_are_not_seen_whole_or_shrunk(channels: tuple[Frame, Frame, Frame]) -> None:
    made = composite(*channels)
    at_once = made.painted.planes(slice(0, SHAPE[0]))
    np.testing.assert_allclose(made.planes, at_once, atol=1e-6)
    small = made.shrunk(100)
    assert small.shape == small.planes.shape[1:] == (75, 100)
    for plane, shrunk in zip(at_once, small.planes, strict=True):
        plain = np.asarray(Image.fromarray(plane).resize((100, 75), Image.Resampling.BOX))
        np.testing.assert_allclose(shrunk, plain, atol=2e-6)
    assert small.pixels().shape == (75, 100, 3)
    assert small.known.all()
    assert small.cropped().shape == small.shape


@pytest.mark.real
def test_the_carina_nebula_is_red_and_its_stars_are_white(real_data: Path) -> None:
    frame = Frame.from_fits(real_data / "lights" / "nebulosa-ngc3372" / "NGC3372-color-short.fits")
    made = composite(*planes_of(frame))
    bright = made.planes.mean(axis=0)
    nebula = (bright > 0.3) & (bright < 0.6)
    red, green, blue = (float(np.median(plane[nebula])) for plane in made.planes)
    print(f"white balance {made.white} by {made.star_count} stars; nebula {red:.2f}, {green:.2f}, {blue:.2f}")
    assert made.star_count > 50
    assert red > 1.5 * max(green, blue)
