import math
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.nddata import CCDData
from astropy.wcs import WCS
from numpy.typing import NDArray
from reproject import reproject_interp

from pictor.imaging.astrometry.projection import Wcs, sky_to_pixel
from pictor.imaging.background import mesh_background
from pictor.imaging.coadd.coadding import Coadded, coadd, coadd_files
from pictor.imaging.coadd.trails import find_bands
from pictor.imaging.errors import FrameMismatchError, ImagingError
from pictor.imaging.frame import BAD, HIT, NO_DATA, SATURATED, Frame
from pictor.imaging.products import Provenance, write_product
from pictor.imaging.registration.transform import Transform
from pictor.imaging.resampling.grid import Grid
from pictor.imaging.resampling.weights import Kernel, noise_gain
from tests.imaging.resampling.skies import CENTRE, aperture, frame_of, stars_on, wcs

SHAPE = (220, 220)
TARGET = wcs((180, 180))
GRID = Grid(TARGET, (180, 180))
SKY, NOISE, EGAIN = 500.0, 8.0, 2.0


class Field:
    """Lights of one field of stars: turned, shifted, of any seeing and exposure."""

    def __init__(self, seed: int = 1, stars: int = 14) -> None:
        self.rng = np.random.default_rng(seed)
        side = np.linspace(-0.025, 0.025, 4)
        self.ra = CENTRE[0] + np.repeat(side, 4)[:stars]
        self.dec = CENTRE[1] + np.tile(side, 4)[:stars]
        self.flux = self.rng.uniform(2e4, 2e5, len(self.ra))

    def where(self, number: int) -> Wcs:
        """World coordinates of one light."""
        away = self.rng.normal(0, 0.003, 2)
        return wcs(
            SHAPE,
            turn=180.0 * (number % 2) + self.rng.normal(0, 1.5),
            centre=(CENTRE[0] + away[0], CENTRE[1] + away[1]),
        )

    def light(
        self, number: int, *, fwhm: float = 3.0, exposure: float = 60.0, err: bool = False, sky: float = SKY
    ) -> Frame:
        """One light, in ADU."""
        own = self.where(number)
        clean = sky + stars_on(own, SHAPE, self.ra, self.dec, self.flux * exposure / 60, sigma=fwhm / 2.3548)
        sigma = np.sqrt(NOISE**2 + (clean - sky) / EGAIN)
        frame = frame_of(self.rng.normal(clean, sigma), own, **({"err": sigma} if err else {}))
        frame.header.update(
            {"EXPTIME": exposure, "EGAIN": EGAIN, "DATE-OBS": f"2026-10-12T20:{number:02d}:00.5", "OBJECT": "X"}
        )
        return frame

    def fluxes(self, data: NDArray, *, radius: int = 8) -> NDArray:
        """Aperture fluxes of all stars on the target."""
        places = zip(*(v - 1 for v in sky_to_pixel(TARGET, self.ra, self.dec)), strict=True)
        return np.array([aperture(np.asarray(data, np.float64), x, y, radius) for x, y in places])


def far(field: Field, radius: float) -> NDArray[np.bool_]:
    """Pixels of the target farther from every star than this."""
    x, y = (v - 1 for v in sky_to_pixel(TARGET, field.ra, field.dec))
    rows, columns = np.indices(GRID.shape)
    return np.all(np.hypot(rows[..., None] - y, columns[..., None] - x) > radius, axis=-1)


def sky_noise(done: Coadded, field: Field) -> float:
    """Robust scatter away from stars."""
    values = done.frame.data[far(field, 14) & (done.nused == done.nused.max())]
    return 1.4826 * float(np.median(np.abs(values - np.median(values))))


@pytest.mark.parametrize("method", ["mean", "clipped", "median"])
def test_noise_falls_with_the_root_of_the_number(method: str) -> None:
    field = Field()
    lights = [field.light(k) for k in range(16)]
    found = {}
    for n in (1, 4, 16):
        done = coadd(lights[:n], method=method, onto=GRID)
        found[n] = sky_noise(done, field) * math.sqrt(n) / NOISE
        told = float(np.median(done.frame.err[done.nused == n])) / sky_noise(done, field)
    print(
        f"{method}: noise x sqrt(N) / input noise "
        + ", ".join(f"{n}: {f:.3f}" for n, f in found.items())
        + f"; err/noise {told:.3f}"
    )
    penalty = math.sqrt(math.pi / 2) if method == "median" else 1.0
    assert found[16] == pytest.approx(0.893 * penalty, rel=0.08)
    assert found[4] == pytest.approx(found[1] * (1.09 if method == "median" else 1.0), rel=0.06)
    assert told == pytest.approx(1.0, abs=0.06)


def test_sums_over_apertures_have_the_error_the_correlation_says() -> None:
    field, sums = Field(2, stars=1), []
    field.flux[:] = 0.0
    for _ in range(2):
        done = coadd([field.light(k) for k in range(4)], onto=GRID, background="none")
        cells = done.frame.data[10:170, 10:170].reshape(10, 16, 10, 16).sum(axis=(1, 3)) - 256 * SKY
        sums.append(
            cells.ravel()
            / np.sqrt(np.square(done.frame.err[10:170, 10:170]).reshape(10, 16, 10, 16).sum(axis=(1, 3))).ravel()
        )
    width = float(np.concatenate(sums).std())
    print(f"16 x 16 sums scatter by {width:.3f} of the quadratic sum of errors, NOISECOR {done.correlation:.3f}")
    assert done.frame.header["NOISECOR"] == pytest.approx(done.correlation, abs=1e-3)
    assert width == pytest.approx(done.correlation, rel=0.12)


def test_clipping_removes_trails_and_hits_and_leaves_stars_of_changing_seeing() -> None:
    field = Field(3)
    lights = [field.light(k, fwhm=w) for k, w in enumerate((2.6, 2.9, 3.4, 3.0, 2.7, 3.2, 3.1, 2.8))]
    dirty = [Frame(one.data.copy(), header=one.header) for one in lights]
    for one in dirty:
        rows, columns = field.rng.integers(0, 220, (2, 60))
        one.data[rows, columns] += 3000.0
    for column in range(220):
        row = 60 + column // 3
        dirty[2].data[row : row + 3, column] += 400.0
    clean = coadd(lights, method="mean", onto=GRID)
    mean, clipped = coadd(dirty, method="mean", onto=GRID), coadd(dirty, method="clipped", onto=GRID)
    true, kept = field.fluxes(clean.frame.data), field.fluxes(clipped.frame.data)
    left = np.abs(clipped.frame.data - clean.frame.data) / sky_noise(clean, field)
    before = np.abs(mean.frame.data - clean.frame.data) / sky_noise(clean, field)
    left, before = left[far(field, 5)], before[far(field, 5)]
    untouched = coadd(lights, method="clipped", onto=GRID)
    change = field.fluxes(untouched.frame.data) / true - 1
    print(
        f"pixels 5 sigma off: mean {np.mean(before > 5):.4f}, clipped {np.mean(left > 5):.5f}; worst flux of clean "
        f"lights {100 * np.abs(change).max():.3f} %, of dirty ones {100 * np.abs(kept / true - 1).max():.3f} %"
    )
    assert np.mean(before > 5) > 0.02
    assert np.mean(left > 5) < 1e-4
    assert np.abs(change).max() < 2e-3
    assert np.abs(kept / true - 1).max() < 1.5e-3
    assert abs((kept / true - 1).mean()) < 5e-4
    assert clipped.rejected[2] > 400


def test_the_wings_of_a_trail_go_with_it() -> None:
    """A satellite with the profile of a star, 12 sigma of one of six lights high; its wings lie within the noise."""
    rng = np.random.default_rng(15)
    cube = rng.normal(500, 5, (6, 240, 320)).astype(np.float32)
    rows, columns = np.indices(cube.shape[1:])
    across = (rows - 20 - 0.6 * columns) / math.hypot(1, 0.6)
    clean = cube.mean(axis=0)
    cube[4] += 60 * np.exp(-0.5 * (across / 1.5) ** 2)
    done = coadd(list(cube), method="clipped", onto=[Transform.identity((240, 320))] * 6, background="none")
    wings = [float((done.frame.data - clean)[np.abs(np.abs(across) - k) < 0.5].mean()) for k in range(8)]
    print(f"left of the trail at 0 to 7 px: {np.round(wings, 2)} of noise {5 / math.sqrt(6):.1f} ADU")
    assert np.all(done.nused[np.abs(across) < 4] < 6)
    assert np.mean(done.nused[np.abs(across) > 8] == 6) > 0.95
    assert np.abs(wings).max() < 0.25
    assert done.rejected[4] > 1500 > 10 * max(done.rejected[:4])
    again = coadd(list(cube), method="clipped", onto=[Transform.identity((240, 320))] * 6, background="none")
    np.testing.assert_array_equal(again.frame.data, done.frame.data)


def test_stars_and_hits_are_no_trails() -> None:
    rng = np.random.default_rng(16)
    hits = np.column_stack([np.zeros(900), rng.integers(0, 2000, (900, 2))]).astype(np.int32)
    blobs = np.repeat(hits[:60], 9, axis=0)
    blobs[:, 1:] += rng.integers(-2, 3, (len(blobs), 2)).astype(np.int32)
    assert find_bands(np.concatenate([hits, blobs]), (2000, 2000), 1.6) == []


def test_a_sample_lost_in_a_star_does_not_change_its_light() -> None:
    """Lights of different seeing; two pixels in the core of every star are lost in a sharp one, then in the widest."""
    field, changes = Field(13, stars=14), {}
    lights = [field.light(k, fwhm=w) for k, w in enumerate((2.6, 2.9, 3.4, 3.0, 2.7, 3.2, 3.1, 2.8))]
    clean = field.fluxes(coadd(lights, onto=GRID).frame.data)
    for lost in (0, 2):
        own = lights[lost].wcs
        assert own is not None
        x, y = (np.rint(v - 1).astype(int) for v in sky_to_pixel(own, field.ra, field.dec))
        mask = np.zeros(SHAPE, np.uint8)
        mask[y, x] = HIT
        mask[y + 1, x] = HIT
        holed = list(lights)
        holed[lost] = Frame(lights[lost].data, mask=mask, header=lights[lost].header)
        for method in ("mean", "clipped"):
            found = field.fluxes(coadd(holed, method=method, onto=GRID).frame.data) / clean - 1
            changes[method, lost] = 100 * float(found.mean())
    print("light of stars that lost their core in one of eight lights: " + str(changes))
    assert min(abs(changes["mean", lost]) for lost in (0, 2)) > 0.5
    assert max(abs(changes["clipped", lost]) for lost in (0, 2)) < 0.12


@pytest.mark.parametrize("marked", [False, True])
def test_stars_hit_in_many_lights_keep_their_light(*, marked: bool) -> None:
    """Two of five stars are hit in every light, by 300 to 20000 ADU; the brightest have 19000 in their middle."""
    field, dirty = Field(4), []
    lights = [field.light(k, fwhm=w) for k, w in enumerate((2.6, 2.9, 3.4, 3.0, 2.7, 3.2, 3.1, 2.8))]
    for one in lights:
        own, hit = one.wcs, field.rng.random(14) < 0.4
        assert own is not None
        x, y = (np.rint(v[hit] - 1).astype(int) for v in sky_to_pixel(own, field.ra, field.dec))
        dy, dx = field.rng.integers(-4, 5, (2, len(x)))
        data, mask = one.data.copy(), np.zeros(SHAPE, np.uint8)
        data[y + dy, x + dx] += field.rng.uniform(300, 20000, len(x))
        mask[y + dy, x + dx] = HIT
        dirty.append(Frame(data, mask=mask if marked else None, header=one.header))
    before = [one.data.copy() for one in dirty]
    clean, found = coadd(lights, onto=GRID), coadd(dirty, method="clipped", onto=GRID)
    change = 100 * (field.fluxes(found.frame.data) / field.fluxes(clean.frame.data) - 1)
    print(f"stars hit in many lights, marked {marked}: {np.abs(change).max():.3f} % off at worst")
    assert np.abs(change).max() < 0.12
    assert found.nused[20:-20, 20:-20].min() < 8, "what is replaced does not count"
    for one, data in zip(dirty, before, strict=True):
        np.testing.assert_array_equal(one.data, data)


@pytest.mark.parametrize("count", [3, 6, 13])
def test_clipping_is_that_of_a_plain_reference(count: int) -> None:
    """Aligned frames without stars: nothing is known of their seeing, and no sample is off by twice the limit."""
    rng = np.random.default_rng(14)
    cube = rng.normal(100, 5, (count, 64, 300)).astype(np.float32)
    cube[0, ::7, ::9] = 122.0
    mask = np.zeros(cube.shape, np.uint8)
    mask[1, 20:30] = HIT
    frames = [Frame(one, mask=bits) for one, bits in zip(cube, mask, strict=True)]
    done = coadd(frames, method="clipped", onto=[Transform.identity((64, 300))] * count, background="none")
    skies = [mesh_background(one, mask=bits != 0) for one, bits in zip(cube, mask, strict=True)]
    floor = np.array([float(sky.noise or 0) ** 2 for sky in skies])[:, None, None]
    masked = np.where(mask != 0, np.nan, cube.astype(np.float64))
    middle = np.nanmedian(masked, axis=0)
    steps = np.abs([np.diff(middle, axis=1, prepend=middle[:, :1]), np.diff(middle, axis=1, append=middle[:, -1:])])
    rises = np.abs([np.diff(middle, axis=0, prepend=middle[:1]), np.diff(middle, axis=0, append=middle[-1:])])
    excess = np.nanmedian(np.where(mask != 0, np.nan, (1 - noise_gain(Kernel.LANCZOS3) ** 2) * floor), axis=0)
    limit = (
        3 * np.sqrt(floor + excess)
        + 0.3 * np.maximum(middle - skies[0].level, 0)
        + 0.5 * np.maximum(steps, rises).max(axis=0)
    )
    kept = np.where(np.abs(masked - middle) > limit, np.nan, masked)
    kept[:, np.isfinite(masked).sum(axis=0) < 3] = masked[:, np.isfinite(masked).sum(axis=0) < 3]
    np.testing.assert_array_equal(done.nused, np.isfinite(kept).sum(axis=0))
    np.testing.assert_allclose(done.frame.data, np.nanmean(kept, axis=0), rtol=1e-6)
    print(f"{count} frames: {sum(done.rejected)} samples rejected, as the reference")
    assert sum(done.rejected) > 20


@pytest.mark.parametrize("method", ["mean", "median", "clipped", "weighted", "sum"])
def test_every_method_keeps_the_flux_of_stars(method: str) -> None:
    field = Field(4)
    lights = [field.light(k, err=k % 2 == 0) for k in range(6)]
    done = coadd(lights, method=method, onto=GRID)
    ratio = field.fluxes(done.frame.data) / field.flux / (6 if method == "sum" else 1)
    print(f"{method}: flux {100 * (ratio.mean() - 1):+.3f} %")
    assert ratio.mean() == pytest.approx(1.0, abs=4e-3)
    assert done.frame.header["EXPTIME"] == (360.0 if method == "sum" else 60.0)
    assert done.total_exposure_s == 360.0


def test_the_mean_is_that_of_frames_reprojected_by_others() -> None:
    field = Field(5)
    lights = [field.light(k) for k in range(3)]
    done = coadd(lights, onto=GRID, background="none", kernel="bilinear")
    header = done.frame.header
    theirs = np.mean(
        [
            reproject_interp((one.data, WCS(one.header)), WCS(header), shape_out=(180, 180), return_footprint=False)
            for one in lights
        ],
        axis=0,
    )
    difference = np.abs(theirs - done.frame.data)[5:-5, 5:-5]
    print(f"reproject bilinear mean: {np.sqrt(np.nanmean(difference**2)):.4f} ADU rms of noise {NOISE}")
    assert np.nanquantile(difference, 0.99) < 0.05


def test_the_median_and_mean_are_those_of_numpy_on_aligned_frames() -> None:
    rng = np.random.default_rng(6)
    cube = rng.normal(100, 5, (7, 64, 64)).astype(np.float32)
    onto = [Transform.identity((64, 64))] * 7
    for method, plain in (("mean", np.mean), ("median", np.median)):
        done = coadd(list(cube), method=method, onto=onto, background="none")
        np.testing.assert_allclose(done.frame.data, plain(cube, axis=0), rtol=1e-6)
    assert np.all(done.nused == 7)


def test_exposures_zero_points_and_stars_bring_lights_to_one_scale() -> None:
    field = Field(7)
    lights = [field.light(0), field.light(1, exposure=120.0), field.light(2, exposure=30.0)]
    for one, zero in zip(lights, (20.0, 20.0, 20.0), strict=True):
        one.header["MAGZPT"] = zero
    for how in ("exposure", "zeropoint", "stars"):
        done = coadd(lights, onto=GRID, scale_flux=how, weights="variance")
        ratio = field.fluxes(done.frame.data) / field.flux
        print(f"{how}: scales {np.round(done.scales, 4)}, flux {100 * (ratio.mean() - 1):+.2f} %")
        np.testing.assert_allclose(done.scales, (1.0, 0.5, 2.0), rtol=0.02)
        assert ratio.mean() == pytest.approx(1.0, abs=0.01)
    assert done.weights[1] > 3 * done.weights[0] > 9 * done.weights[2]


def test_skies_are_matched_subtracted_or_kept() -> None:
    field = Field(8)
    lights = [field.light(k, sky=sky) for k, sky in enumerate((500.0, 800.0, 650.0))]
    levels = {
        how: float(np.median(coadd(lights, onto=GRID, background=how).frame.data))
        for how in ("subtract", "match", "none")
    }
    assert levels["subtract"] == pytest.approx(0, abs=1.5)
    assert levels["match"] == pytest.approx(500, abs=2)
    assert levels["none"] == pytest.approx(650, abs=2)


def test_masked_pixels_do_not_count_and_the_others_fill_in() -> None:
    data, mask = np.full((3, 32, 32), 10.0), np.zeros((3, 32, 32), np.uint8)
    data[0, 5, 5], mask[0, 5, 5] = 1e6, HIT
    data[1, 6, 6] = np.nan
    mask[:, 8, 8] = BAD
    data[0, 9, 9], mask[0, 9, 9] = 65535.0, SATURATED
    data[:, 10, 10], mask[:, 10, 10] = 65535.0, SATURATED
    frames = [Frame(d, mask=m) for d, m in zip(data, mask, strict=True)]
    for method in ("mean", "median", "clipped"):
        done = coadd(frames, method=method, onto=[Transform.identity((32, 32))] * 3, background="none")
        assert done.frame.data[5, 5] == done.frame.data[6, 6] == 10.0
        assert (done.nused[5, 5], done.nused[6, 6], done.nused[8, 8]) == (2, 2, 0)
        assert np.isnan(done.frame.data[8, 8])
        assert done.frame.mask[8, 8] & NO_DATA
        assert done.weight[8, 8] == 0
        assert done.frame.mask[10, 10] & SATURATED
        assert done.frame.data[10, 10] == 65535.0
        assert done.frame.data[9, 9] == 10.0
        assert not done.frame.mask[9, 9]


def test_files_give_what_frames_give_whatever_their_encoding(tmp_path: Path) -> None:
    field = Field(9)
    lights = [field.light(k, err=k == 1) for k in range(4)]
    whole = [Frame(np.clip(np.rint(one.data), 0, 65535).astype(np.uint16), one.err, None, one.header) for one in lights]
    paths = [tmp_path / f"light_{k}.fits" for k in range(3)] + [tmp_path / "light_3.fits.fz"]
    fits.writeto(paths[0], whole[0].data, whole[0].header)
    write_product(paths[1], whole[1], Provenance("test"))
    fits.writeto(paths[2], whole[2].data.astype(np.float64), whole[2].header)
    fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(whole[3].data, whole[3].header)]).writeto(paths[3])
    for method in ("mean", "clipped"):
        one, two = coadd(whole, method=method, onto=GRID), coadd_files(paths, method=method, onto=GRID)
        np.testing.assert_array_equal(one.frame.data, two.frame.data)
        np.testing.assert_allclose(one.frame.err, two.frame.err, rtol=1e-6)
        assert one.rejected == two.rejected


def test_the_result_depends_on_nothing_but_the_lights() -> None:
    field = Field(10)
    lights = [field.light(k) for k in range(4)]
    before = [one.data.copy() for one in lights]
    first, second = (coadd(lights, method="clipped") for _ in range(2))
    np.testing.assert_array_equal(first.frame.data, second.frame.data)
    for one, data in zip(lights, before, strict=True):
        np.testing.assert_array_equal(one.data, data)


def test_unsigned_integers_do_not_wrap() -> None:
    data = np.full((40, 40), 60000, np.uint16)
    done = coadd([data, data, data], method="sum", onto=[Transform.identity((40, 40))] * 3, background="none")
    assert np.all(done.frame.data == 180000.0)


def test_lights_without_coordinates_are_registered_by_their_stars() -> None:
    field = Field(11, stars=16)
    lights = [field.light(k) for k in range(3)]
    done = coadd([one.data for one in lights], method="clipped")
    brightest = float(np.nanmax(done.frame.data))
    assert done.frame.shape == SHAPE
    assert brightest > 0.9 * float((lights[0].data - SKY).max())


def test_cards_tell_when_how_long_and_with_what_gain() -> None:
    field = Field(12)
    header = coadd([field.light(k) for k in range(4)], onto=GRID).frame.header
    assert header["NCOMBINE"] == 4
    assert header["TOTALEXP"] == 240.0
    assert header["EXPTIME"] == 60.0
    assert header["DATE-OBS"].startswith("2026-10-12T20:00:00.5")
    assert header["DATE-END"] == "2026-10-12T20:04:00.500"
    assert header["EGAIN"] == pytest.approx(4 * EGAIN)
    assert header["OBJECT"] == "X"
    assert header["CRVAL1"] == pytest.approx(CENTRE[0])


def test_units_must_agree_and_are_kept() -> None:
    adu, electrons = Frame(np.ones((32, 32))), CCDData(np.ones((32, 32)), unit="electron")
    onto = [Transform.identity((32, 32))] * 2
    with pytest.raises(FrameMismatchError, match="electron"):
        coadd([adu, electrons], onto=onto)
    assert coadd([electrons, electrons], onto=onto, background="none").frame.unit == "electron"


def test_what_cannot_be_is_refused() -> None:
    one = Frame(np.ones((32, 32)))
    onto = [Transform.identity((32, 32))] * 2
    with pytest.raises(ImagingError, match="no lights"):
        coadd([])
    with pytest.raises(ImagingError, match="EXPTIME"):
        coadd([one, one], onto=onto, scale_flux="exposure")
    with pytest.raises(ImagingError, match="2 weights"):
        coadd([one, one, one], onto=[*onto, onto[0]], weights=[1.0, 2.0])
    with pytest.raises(ImagingError, match="transforms"):
        coadd([one, one, one], onto=onto)
    with pytest.raises(FrameMismatchError, match="colour"):
        coadd([np.ones((3, 32, 32))], onto=onto[:1])
    with pytest.raises(ValueError, match="background"):
        coadd([one, one], onto=onto, background="flat")
    with pytest.raises(ImagingError, match="no usable pixel"):
        coadd([np.full((32, 32), np.nan)], onto=onto[:1])
