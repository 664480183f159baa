from dataclasses import replace

import numpy as np
import pytest
from astropy.io import fits
from astropy.nddata import CCDData, StdDevUncertainty
from astropy.wcs import WCS
from reproject import reproject_exact, reproject_interp

from pictor.imaging.astrometry.cards import write_wcs
from pictor.imaging.astrometry.projection import Sip, sky_to_pixel
from pictor.imaging.coadd.coadding import coadd
from pictor.imaging.errors import FrameMismatchError, ImagingError
from pictor.imaging.frame import BAD, HIT, NO_DATA, SATURATED, Frame
from pictor.imaging.registration.transform import Transform
from pictor.imaging.resampling.grid import Grid, grid_of
from pictor.imaging.resampling.resampling import resample
from tests.imaging.resampling.skies import CENTRE, aperture, centroid, frame_of, scatter, stars_on, wcs

SHAPE = (256, 256)


def lone(scale: float, turn: float, sigma: float = 1.3) -> tuple[np.ndarray, np.ndarray]:
    """Flux ratios and position errors of 30 isolated stars at many phases after resampling a noiseless frame."""
    rng = np.random.default_rng(5)
    own, shape = wcs((512, 512)), (round(512 / scale * 1.5), round(512 / scale * 1.5))
    target = wcs(shape, scale=1.5 * scale, turn=turn)
    side = np.linspace(-0.07, 0.07, 6)
    dec = CENTRE[1] + np.repeat(side, 6) + rng.uniform(-0.002, 0.002, 36)
    ra = CENTRE[0] + (np.tile(side, 6) + rng.uniform(-0.002, 0.002, 36)) / np.cos(np.radians(dec))
    flux = np.full(36, 1e5)
    made = resample(frame_of(stars_on(own, (512, 512), ra, dec, flux, sigma=sigma), own), Grid(target, shape))
    data, ratios, away = np.nan_to_num(made.data), [], []
    for x, y in zip(*(v - 1 for v in sky_to_pixel(target, ra, dec)), strict=True):
        radius = round(9 / scale) + 3
        ratios.append(aperture(data, x, y, radius) / 1e5)
        found = centroid(data, x, y, round(6 / scale) + 2)
        away.append(np.hypot(found[0] - x, found[1] - y) * scale)
    return np.array(ratios), np.array(away)


TURNS = [(1, 0), (1, 0.5), (1, 7), (1, 33), (1, 180), (0.5, 10), (0.75, 71), (1.5, 20), (2, 45)]


@pytest.mark.parametrize(("scale", "turn"), TURNS)
def test_stars_keep_their_flux_and_place_at_any_scale_angle_and_phase(scale: float, turn: float) -> None:
    ratios, away = lone(scale, turn)
    print(
        f"scale {scale} turn {turn}: flux {100 * np.abs(ratios.mean() - 1):.4f} % mean, "
        f"{100 * np.abs(ratios - 1).max():.4f} % worst; position {away.max():.4f} px worst"
    )
    assert np.abs(ratios - 1).max() < 1e-3
    assert away.max() < 0.01


def test_narrow_stars_keep_their_flux_to_a_thousandth() -> None:
    ratios, _ = lone(1.0, 7.0, sigma=0.8)
    print(f"FWHM 1.9 px: flux {100 * np.abs(ratios - 1).max():.4f} % worst")
    assert np.abs(ratios - 1).max() < 1e-3


@pytest.mark.parametrize("kernel", ["bilinear", "nearest"])
def test_values_are_those_of_reproject(kernel: str) -> None:
    rng = np.random.default_rng(3)
    own, target = wcs(SHAPE, turn=5.0), wcs(SHAPE, turn=-11.0, centre=(CENTRE[0] + 0.01, CENTRE[1] - 0.008))
    frame = frame_of(rng.normal(100, 10, SHAPE), own)
    made = resample(frame, Grid(target, SHAPE), kernel=kernel, conserve="surface brightness")
    header = write_wcs(fits.Header(), target, SHAPE)
    order = {"bilinear": "bilinear", "nearest": "nearest-neighbor"}[kernel]
    theirs, _ = reproject_interp((frame.data, WCS(frame.header)), WCS(header), shape_out=SHAPE, order=order)
    both = np.isfinite(theirs) & np.isfinite(made.data)
    difference = np.abs(theirs - made.data)[both]
    print(f"{kernel}: {both.mean():.3f} of the frame, rms difference {np.sqrt(np.mean(difference**2)):.2e} of sigma 10")
    assert both.mean() > 0.7
    assert np.quantile(difference, 0.999) < 0.02


def test_fluxes_are_those_of_exact_overlaps() -> None:
    rng = np.random.default_rng(4)
    own, target = wcs(SHAPE, turn=5.0), wcs((160, 160), scale=3.1, turn=-25.0)
    ra, dec = scatter(12, rng, radius=0.035)
    frame = frame_of(stars_on(own, SHAPE, ra, dec, rng.uniform(1e4, 1e5, 12)), own)
    made = resample(frame, Grid(target, (160, 160)))
    header = write_wcs(fits.Header(), target, (160, 160))
    theirs, _ = reproject_exact((frame.data, WCS(frame.header)), WCS(header), shape_out=(160, 160))
    area = (3.1 / 1.5) ** 2
    ours, exact = float(np.nansum(made.data)), float(np.nansum(theirs)) * area
    print(f"sum {ours:.1f}, exact overlaps {exact:.1f}, input {frame.data.sum():.1f}")
    assert ours == pytest.approx(exact, rel=1e-3)
    assert ours == pytest.approx(float(frame.data.sum()), rel=1e-3)


def test_surface_brightness_stays_or_grows_with_the_pixels() -> None:
    own, target = wcs(SHAPE), wcs((128, 128), scale=3.0)
    flat = frame_of(np.full(SHAPE, 10.0), own)
    assert np.nanmedian(resample(flat, Grid(target, (128, 128))).data) == pytest.approx(40.0, rel=1e-4)
    kept = resample(flat, Grid(target, (128, 128)), conserve="surface brightness").data
    assert np.nanmedian(kept) == pytest.approx(10.0, rel=1e-6)


def test_distortion_is_followed_to_a_hundredth_of_a_pixel() -> None:
    sip = Sip(3, ((2, 0, 3e-5), (1, 1, -2e-5), (3, 0, 1e-7)), ((0, 2, 2e-5), (2, 1, -8e-8)))
    own, target, rng = wcs((400, 400), sip=sip), wcs((420, 420), turn=3.0), np.random.default_rng(8)
    ra, dec = scatter(25, rng, radius=0.07)
    frame = frame_of(stars_on(own, (400, 400), ra, dec, np.full(25, 1e5)), own)
    made = np.nan_to_num(resample(frame, Grid(target, (420, 420))).data)
    away = []
    for x, y in zip(*(v - 1 for v in sky_to_pixel(target, ra, dec)), strict=True):
        apart = np.hypot(*(v - 1 - p for v, p in zip(sky_to_pixel(target, ra, dec), (x, y), strict=True)))
        if np.sort(apart)[1] > 16:
            found = centroid(made, x, y, 7)
            away.append(np.hypot(found[0] - x, found[1] - y))
    print(f"SIP: {len(away)} stars, position {max(away):.4f} px worst")
    assert len(away) > 8
    assert max(away) < 0.01


def test_other_projections_are_read() -> None:
    rng = np.random.default_rng(8)
    own, target = wcs(SHAPE, turn=4.0), wcs(SHAPE)
    ra, dec = scatter(9, rng, radius=0.03)
    plain = frame_of(stars_on(own, SHAPE, ra, dec, np.full(9, 1e5)), own)
    header = plain.header.copy()
    header["CTYPE1"], header["CTYPE2"] = "RA---SIN", "DEC--SIN"
    near = resample(Frame(plain.data, header=header), Grid(target, SHAPE)).data
    difference = np.nanmax(np.abs(near - resample(plain, Grid(target, SHAPE)).data))
    print(f"SIN for TAN over 0.1 deg: {difference:.3f} of {np.nanmax(near):.0f}")
    assert np.nanmax(near) > 1000
    assert difference < 0.005 * np.nanmax(near)


def test_errors_are_those_of_the_values() -> None:
    rng = np.random.default_rng(6)
    own, target = wcs(SHAPE, turn=5.0), wcs(SHAPE, turn=20.0)
    sigma = np.linspace(5, 20, SHAPE[1])[None, :] * np.ones(SHAPE)
    pulls = []
    for _ in range(4):
        made = resample(frame_of(rng.normal(0, sigma), own, err=sigma), Grid(target, SHAPE))
        assert made.err is not None
        pulls.append((made.data / made.err)[np.isfinite(made.data)])
    width = np.concatenate(pulls).std()
    print(f"pulls after resampling: {width:.4f}")
    assert width == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize("fine", [1.0, 2.5])
def test_bad_pixels_never_shine_through(fine: float) -> None:
    rng = np.random.default_rng(7)
    own, shape = wcs(SHAPE, turn=5.0), (round(200 / fine), round(200 / fine))
    target = wcs(shape, scale=1.5 * fine, turn=17.0)
    data, mask = rng.normal(100, 1, SHAPE), np.zeros(SHAPE, np.uint8)
    rows, columns = rng.integers(0, 256, (2, 400))
    data[rows, columns], mask[rows, columns] = np.nan, HIT
    data[100, 100], mask[100, 100] = 1e6, BAD
    made = resample(frame_of(data, own, mask=mask), Grid(target, shape))
    good = made.mask == 0
    level = 100 * fine**2
    print(f"fine {fine}: {good.mean():.3f} good, values {made.data[good].min():.1f} to {made.data[good].max():.1f}")
    assert np.isfinite(made.data[good]).all()
    assert np.abs(made.data[good] / level - 1).max() < 0.1
    assert np.all(made.mask[~np.isfinite(made.data)] & NO_DATA)
    assert np.count_nonzero(np.abs(made.data / level - 1) > 0.2) <= np.count_nonzero(made.mask & BAD)
    assert good.mean() > 0.9


def test_saturated_pixels_are_used_and_told_of() -> None:
    own, target = wcs(SHAPE), wcs(SHAPE, turn=9.0)
    data, mask = np.full(SHAPE, 100.0), np.zeros(SHAPE, np.uint8)
    data[120:123, 120:123], mask[120:123, 120:123] = 65535.0, SATURATED
    made = resample(frame_of(data, own, mask=mask), Grid(target, SHAPE))
    bright = made.data > 1000
    assert bright.sum() >= 9
    assert np.all(made.mask[bright] & SATURATED)
    assert not np.any(made.mask[made.mask & NO_DATA == 0] & BAD)


def test_unsigned_integers_do_not_wrap_and_the_frame_is_not_changed() -> None:
    own, target = wcs((64, 64)), wcs((64, 64), turn=3.0)
    data = np.zeros((64, 64), np.uint16)
    data[20:40, 20:40] = 65535
    frame = frame_of(data.copy(), own, mask=np.zeros((64, 64), np.uint8))
    made = resample(frame, Grid(target, (64, 64)))
    again = resample(frame, Grid(target, (64, 64)))
    assert np.nanmin(made.data) < 0
    assert np.nanmax(made.data) > 65535
    np.testing.assert_array_equal(made.data, again.data)
    np.testing.assert_array_equal(frame.data, data)
    assert not frame.mask.any()


def test_unit_and_cards_come_along_with_the_coordinates_of_the_target() -> None:
    own, target = wcs((64, 64)), wcs((64, 64), turn=3.0)
    header = write_wcs(fits.Header({"EXPTIME": 60.0}), own, (64, 64))
    ccd = CCDData(np.ones((64, 64)), unit="electron", uncertainty=StdDevUncertainty(np.ones((64, 64))), meta=header)
    made = resample(ccd, Grid(target, (64, 64)))
    assert made.unit == "electron"
    assert made.header["EXPTIME"] == 60.0
    assert made.wcs == target
    assert made.err is not None


@pytest.mark.parametrize("order", ["TOP-DOWN", "BOTTOM-UP", None])
@pytest.mark.parametrize("mirrored", [False, True])
def test_the_picture_of_what_is_resampled_is_not_mirrored_and_north_up_is_up(
    *, order: str | None, mirrored: bool
) -> None:
    shape = (24, 40)
    seen = frame_of(np.random.default_rng(1).normal(100, 1, shape), wcs(shape, turn=30, mirrored=mirrored))
    if order is not None:
        seen.header["ROWORDER"] = order
    turned = "TOP-DOWN" if order == "BOTTOM-UP" else "BOTTOM-UP"
    same, other = (Grid(wcs(shape, turn=30, mirrored=each), shape) for each in (mirrored, not mirrored))
    flipped = Transform(np.array([[1.0, 0.0, 0.0], [0.0, -1.0, 23.0], [0.0, 0.0, 1.0]]), shape)
    for make in (lambda onto: resample(seen, onto), lambda onto: coadd([seen, seen], onto=onto).frame):
        assert make(same).header.get("ROWORDER") == order
        assert make(other).header["ROWORDER"] == turned
        assert make(grid_of([seen], north_up=True)).header["ROWORDER"] == "BOTTOM-UP"
    assert resample(seen, Transform.identity(shape)).header.get("ROWORDER") == order
    assert resample(seen, flipped).header["ROWORDER"] == turned


def test_colour_planes_are_resampled_alike() -> None:
    rng = np.random.default_rng(9)
    own, target = wcs((64, 64)), wcs((64, 64), turn=30.0)
    planes = rng.normal(10, 1, (3, 64, 64)).astype(np.float32)
    made = resample(replace(frame_of(planes[0], own), data=planes), Grid(target, (64, 64)))
    alone = resample(frame_of(planes[1], own), Grid(target, (64, 64)))
    assert made.data.shape == (3, 64, 64)
    np.testing.assert_array_equal(made.data[1], alone.data)


def test_a_colour_mosaic_is_refused() -> None:
    frame = frame_of(np.zeros((64, 64)), wcs((64, 64)))
    frame.header["BAYERPAT"] = "RGGB"
    with pytest.raises(ImagingError, match="colour mosaic"):
        resample(frame, Grid(wcs((64, 64)), (64, 64)))


def test_frames_without_coordinates_are_refused_on_a_grid_and_not_with_a_transform() -> None:
    data = np.arange(64.0 * 64).reshape(64, 64)
    with pytest.raises(ImagingError, match="world coordinates"):
        resample(data, Grid(wcs((64, 64)), (64, 64)))
    matrix = np.array([[-1.0, 0, 63], [0, -1.0, 63], [0, 0, 1]])
    made = resample(data, Transform(matrix, (64, 64)))
    np.testing.assert_allclose(made.data, data[::-1, ::-1], rtol=1e-6, atol=1e-9)


def test_nonsense_is_refused() -> None:
    with pytest.raises(FrameMismatchError, match="shape"):
        resample(np.zeros(5), Transform.identity((5, 5)))
    with pytest.raises(ValueError, match="conserve"):
        resample(np.zeros((5, 5)), Transform.identity((5, 5)), conserve="energy")
    with pytest.raises(ImagingError, match="16 times"):
        resample(frame_of(np.zeros((64, 64)), wcs((64, 64))), Grid(wcs((8, 8), scale=60.0), (8, 8)))
