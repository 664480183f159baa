"""Continuum subtraction on simulated pairs whose nebula, ratio and stars are known."""

import math
from dataclasses import dataclass, replace

import numpy as np
import pytest
from astropy import units
from astropy.nddata import CCDData
from numpy.typing import NDArray

from pictor.imaging.continuum.convolving import Blurs
from pictor.imaging.continuum.lining import Lining
from pictor.imaging.continuum.parting import part_lines
from pictor.imaging.continuum.preparing import Pair
from pictor.imaging.continuum.subtraction import ContinuumSubtracted, continuum_subtract
from pictor.imaging.errors import FrameMismatchError, ImagingError
from pictor.imaging.frame import BAD, NO_DATA, SATURATED, Frame
from pictor.imaging.simulator.camera import Camera
from pictor.imaging.simulator.fields import FIELDS
from pictor.imaging.simulator.light import LightSpec, calibrate_ideally, render_light
from pictor.imaging.simulator.nebula import Nebula, nebula_light
from pictor.imaging.simulator.optics import FILTERS, Rig
from pictor.imaging.simulator.psf import Psf
from pictor.imaging.simulator.sky import Pointing

TARGET = FIELDS["NGC 7000"]
NEBULA = Nebula(TARGET.ra_deg, TARGET.dec_deg)
RIG = Rig(camera=Camera(nx=520, ny=400, pixel_um=16.0, hot_fraction=0.0, prnu=0.0))
EGAIN = RIG.camera.egain
POINTING = Pointing(TARGET.ra_deg, TARGET.dec_deg, RIG.scale_arcsec, 12.0, 1)
NARROW_S, BROAD_S = 180.0, 20.0


@dataclass(frozen=True)
class Side:
    """A simulated frame, calibrated, and what is true of it."""

    frame: Frame
    spec: LightSpec
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    snr: NDArray[np.float64]


def shot(name: str, fwhm: float, *, seed: int, dx: float = 0.0, nebula: bool = True, angle: float = 30.0) -> Side:
    """Take a frame whose pointing is ``dx`` pixels off, with a gradient of its own."""
    pointing = replace(POINTING, ra_deg=POINTING.ra_deg + dx * POINTING.scale_arcsec / 3600.0)
    narrow = name == "Ha"
    spec = LightSpec(
        pointing, RIG, name, NARROW_S if narrow else BROAD_S, psf=Psf("moffat", fwhm, 3.5, 0.05, angle), seed=seed,
        nebula=NEBULA if nebula else None, gradient=(0.1, -0.05) if narrow else (-0.1, 0.1), cosmic_rays=False,
    )  # fmt: skip
    raw, truth = render_light(spec)
    pixels = calibrate_ideally(raw, spec)
    err = np.sqrt(np.maximum(pixels, 0.0) / EGAIN + (RIG.camera.read_noise / EGAIN) ** 2).astype(np.float32)
    mask = np.where(raw >= 0.98 * RIG.camera.saturation_adu, SATURATED, 0).astype(np.uint8)
    inside = (truth.stars.snr > 5) & ~truth.stars.saturated
    return Side(Frame(pixels, err, mask), spec, *(getattr(truth.stars, one)[inside] for one in ("x", "y", "snr")))


@pytest.fixture(scope="module")
def grey() -> float:
    """Make the stars as red in the broad band as in the narrow one; give the true ratio of the continuum."""
    FILTERS["Rc"] = replace(FILTERS["Red"], name="Rc", colour_term=FILTERS["Ha"].colour_term)
    return FILTERS["Ha"].width_angstrom * NARROW_S / (FILTERS["Rc"].width_angstrom * BROAD_S)


@pytest.fixture(scope="module")
def pair(grey: float) -> tuple[Side, Side]:
    assert grey > 0
    return shot("Ha", 3.2, seed=1), shot("Rc", 2.4, seed=2, nebula=False)


@pytest.fixture(scope="module")
def made(pair: tuple[Side, Side]) -> ContinuumSubtracted:
    return continuum_subtract(pair[0].frame, pair[1].frame)


def nebula_of(side: Side, psf: Psf) -> NDArray[np.float32]:
    return nebula_light(NEBULA, RIG, side.spec.pointing, "Ha", psf) * np.float32(NARROW_S / EGAIN)


def judged(made: ContinuumSubtracted, narrow: Side, truth: NDArray[np.float32]) -> tuple[float, float, float]:
    """Robust width of the pulls at the stars, their median, and the share of the nebula's light that is left."""
    assert made.line.err is not None
    assert made.line.mask is not None
    good = (made.line.mask == 0) & np.isfinite(made.line.data)
    row, column = np.rint(narrow.y).astype(int), np.rint(narrow.x).astype(int)
    inner = (row > 12) & (row < 388) & (column > 12) & (column < 508)
    row, column = row[inner], column[inner]
    pull = ((made.line.data - truth) / made.line.err)[row, column][good[row, column]]
    bright = good & (truth > np.percentile(truth, 75))
    kept = float(made.line.data[bright].sum() / truth[bright].sum())
    return 1.4826 * float(np.median(np.abs(pull - np.median(pull)))), float(np.median(pull)), kept


@pytest.mark.parametrize(
    ("narrow_fwhm", "broad_fwhm", "dx", "convolved"),
    [(3.2, 2.4, 0.0, "broad"), (2.4, 3.2, 0.3, "narrow"), (2.8, 2.7, 0.6, "broad")],
)
def test_no_star_is_left_and_the_nebula_stays(
    grey: float, narrow_fwhm: float, broad_fwhm: float, dx: float, convolved: str
) -> None:
    narrow, broad = shot("Ha", narrow_fwhm, seed=1), shot("Rc", broad_fwhm, seed=2, dx=dx, nebula=False, angle=100.0)
    made = continuum_subtract(narrow.frame, broad.frame)
    assert made.convolved == convolved
    truth = nebula_of(narrow, narrow.spec.psf if convolved == "broad" else broad.spec.psf)
    width, middle, kept = judged(made, narrow, truth)
    print(
        f"FWHM {narrow_fwhm}/{broad_fwhm}, shift {dx}: k {made.scale.value:.4f} +- {made.scale.error:.4f} "
        f"(true {grey:.4f}), pulls at stars {middle:+.2f} +- {width:.2f}, nebula kept {kept:.4f}"
    )
    assert made.scale.value == pytest.approx(grey, rel=0.012)
    assert made.kernel.terms is None
    assert width < 1.25
    assert abs(middle) < 0.35
    assert kept == pytest.approx(1.0, abs=0.02)


def test_without_subtraction_the_stars_would_fail_that_test(pair: tuple[Side, Side]) -> None:
    narrow = pair[0]
    bare = continuum_subtract(narrow.frame, pair[1].frame, scale=1e-6)
    width, _, _ = judged(bare, narrow, nebula_of(narrow, narrow.spec.psf))
    assert width > 2.5


def test_the_header_tells_how_it_was_made(made: ContinuumSubtracted) -> None:
    header = made.line.header
    assert header["CSCALE"] == made.scale.value
    assert header["CSCALERR"] == made.scale.error > 0
    assert header["CSSTARS"] == made.scale.star_count >= 30
    assert header["CSKFWHM"] == made.kernel.fwhm
    assert made.kernel.fwhm == pytest.approx(math.sqrt(3.2**2 - 2.4**2), rel=0.1)
    assert made.kernel.values.sum() == pytest.approx(1.0)


def test_saturated_stars_are_masked_and_nothing_else_is(pair: tuple[Side, Side], made: ContinuumSubtracted) -> None:
    assert made.line.mask is not None
    full = (made.line.mask & SATURATED) != 0
    truly = np.any([one.frame.mask != 0 for one in pair], axis=0)
    assert full[truly].mean() > 0.9
    assert np.isnan(made.line.data[full]).all()
    assert full.mean() < 0.02
    assert np.isfinite(made.line.data[~full & ((made.line.mask & NO_DATA) == 0)]).all()
    assert made.saturated_count > 0


def test_a_hot_pixel_that_was_full_and_is_repaired_is_no_star(pair: tuple[Side, Side]) -> None:
    narrow = pair[0].frame
    assert narrow.mask is not None
    mask = narrow.mask.copy()
    row, column = 30, 30
    mask[row, column] |= SATURATED
    made = continuum_subtract(replace(narrow, mask=mask), pair[1].frame)
    assert np.isfinite(made.line.data[row, column])


def test_unusable_pixels_stay_unusable_and_spoil_nothing_else(
    pair: tuple[Side, Side], made: ContinuumSubtracted
) -> None:
    narrow, broad = pair[0].frame, pair[1].frame
    holed, marked = narrow.data.astype(np.float32), np.zeros(broad.shape, np.uint8)
    holed[100:110, 200:210] = np.nan
    assert broad.mask is not None
    marked |= broad.mask
    marked[300, 300] = BAD
    spoiled = broad.data.copy()
    spoiled[300, 300] = 1e5
    one = continuum_subtract(replace(narrow, data=holed), replace(broad, data=spoiled, mask=marked))
    assert one.line.mask is not None
    assert np.isnan(one.line.data[100:110, 200:210]).all()
    assert (one.line.mask[100:110, 200:210] & NO_DATA != 0).all()
    assert one.line.mask[300, 300] & BAD
    far = np.s_[320:390, 320:500]
    np.testing.assert_allclose(one.line.data[far], made.line.data[far], atol=6.0)


def test_the_input_is_not_changed_and_the_same_comes_out_twice(
    pair: tuple[Side, Side], made: ContinuumSubtracted
) -> None:
    before = pair[0].frame.data.copy(), pair[1].frame.data.copy()
    again = continuum_subtract(pair[0].frame, pair[1].frame)
    np.testing.assert_array_equal(pair[0].frame.data, before[0])
    np.testing.assert_array_equal(pair[1].frame.data, before[1])
    np.testing.assert_array_equal(again.line.data, made.line.data)
    assert again.scale == made.scale


def test_unsigned_integers_do_not_wrap(pair: tuple[Side, Side], grey: float) -> None:
    whole = [
        Frame(np.clip(np.rint(one.frame.data + 500), 0, 65535).astype(np.uint16), mask=one.frame.mask) for one in pair
    ]
    one = continuum_subtract(*whole)
    assert one.scale.value == pytest.approx(grey, rel=0.012)
    assert np.nanmin(one.line.data) > -1000
    assert one.line.err is None


def test_what_ccdproc_holds_is_taken_and_its_unit_kept(pair: tuple[Side, Side]) -> None:
    ours, theirs = (CCDData(one.frame.data * EGAIN, unit=units.electron, mask=one.frame.mask != 0) for one in pair)
    made = continuum_subtract(ours, theirs)
    assert made.line.unit == "electron"
    with pytest.raises(FrameMismatchError, match=r"adu.*electron") as refused:
        continuum_subtract(pair[0].frame, theirs)
    assert refused.value.reason == "unit-mismatch"


def test_shapes_must_be_equal(pair: tuple[Side, Side]) -> None:
    with pytest.raises(FrameMismatchError, match=r"\(400, 520\).*\(400, 519\)"):
        continuum_subtract(pair[0].frame, pair[1].frame.data[:, :519])


def test_too_few_stars_are_told_with_their_number(pair: tuple[Side, Side]) -> None:
    rng = np.random.default_rng(1)
    empty = Frame(rng.normal(100.0, 5.0, (400, 520)).astype(np.float32))
    with pytest.raises(ImagingError, match=r"shows \d+ unsaturated stars; 8 are needed") as refused:
        continuum_subtract(empty, pair[1].frame)
    assert refused.value.reason == "too-few-stars"
    with pytest.raises(ImagingError, match="broad-band frame has no usable pixel"):
        continuum_subtract(pair[0].frame, Frame(np.full((400, 520), np.nan, np.float32)))
    turned = replace(pair[1].frame, data=pair[1].frame.data[::-1].copy(), err=None, mask=None)
    with pytest.raises(ImagingError, match="register the frames first"):
        continuum_subtract(pair[0].frame, turned)


def test_a_line_in_the_broad_band_is_given_back(pair: tuple[Side, Side], grey: float) -> None:
    narrow = pair[0]
    through = shot("Rc", 2.4, seed=2, nebula=False)
    share = BROAD_S / NARROW_S
    line = nebula_light(NEBULA, RIG, through.spec.pointing, "Ha", through.spec.psf) * np.float32(BROAD_S / EGAIN)
    with_line = replace(through.frame, data=through.frame.data + line)
    truth = nebula_of(narrow, narrow.spec.psf)
    bare = continuum_subtract(narrow.frame, with_line)
    mended = continuum_subtract(narrow.frame, with_line, line_in_broad=share)
    kept = [judged(one, narrow, truth)[2] for one in (bare, mended)]
    print(f"k x share {grey * share:.3f}: kept {kept[0]:.3f} without, {kept[1]:.3f} with the allowance")
    assert kept[0] == pytest.approx(1.0 - grey * share, abs=0.02)
    assert kept[1] == pytest.approx(1.0, abs=0.02)


def test_another_line_in_the_broad_band_is_taken_off_it(pair: tuple[Side, Side], grey: float) -> None:
    """A narrow frame without nebula beside a broad one that passes one, as [S II] beside red with H-alpha."""
    empty, through, share = shot("Ha", 3.2, seed=7, nebula=False), shot("Rc", 2.4, seed=8, nebula=False), 0.3
    line = nebula_light(NEBULA, RIG, through.spec.pointing, "Ha", through.spec.psf) * np.float32(NARROW_S / EGAIN)
    with_line = replace(through.frame, data=through.frame.data + line * np.float32(share))
    image = continuum_subtract(pair[0].frame, shot("Rc", 2.4, seed=2, nebula=False).frame).line
    bright = line > np.percentile(line, 75)
    bare = continuum_subtract(empty.frame, with_line)
    mended = continuum_subtract(empty.frame, with_line, other_lines=[(image, share)])
    left = [float(np.nanmean(one.line.data[bright])) / float(line[bright].mean()) for one in (bare, mended)]
    print(f"left where nothing shines: {left[0]:+.3f} of the other line without, {left[1]:+.3f} with the allowance")
    assert left[0] < -0.5 * grey * share
    assert abs(left[1]) < 0.15 * grey * share
    assert mended.line.header["CSOTHERS"] == 1
    with pytest.raises(FrameMismatchError, match="one shape and unit"):
        continuum_subtract(empty.frame, with_line, other_lines=[(np.ones((3, 3)), share)])


def test_two_lines_in_one_broad_band_are_told_apart(grey: float) -> None:
    """H-alpha and [S II] in red: each takes a part of the other; [S II] is the same nebula turned over."""
    narrows = [shot("Ha", fwhm, seed=seed, nebula=False) for fwhm, seed in ((3.2, 21), (2.9, 22))]
    red, shares = shot("Rc", 2.4, seed=23, nebula=False), (0.3, 0.24)

    def lines(side: Side) -> list[NDArray[np.float32]]:
        light = nebula_light(NEBULA, RIG, side.spec.pointing, "Ha", side.spec.psf) * np.float32(NARROW_S / EGAIN)
        return [light, np.ascontiguousarray(light[::-1, ::-1])]

    truth = [lines(side)[number] for number, side in enumerate(narrows)]
    frames = [replace(one.frame, data=one.frame.data + line) for one, line in zip(narrows, truth, strict=True)]
    held = sum(np.float32(share) * line for share, line in zip(shares, lines(red), strict=True))
    broad = replace(red.frame, data=red.frame.data + held)
    made = [continuum_subtract(one, broad) for one in frames]
    alone = [continuum_subtract(one, broad, line_in_broad=share) for one, share in zip(frames, shares, strict=True)]
    both = [
        part_lines(made[k], shares[k], [(made[1 - k], shares[1 - k])]) for k in range(2)
    ]  # fmt: skip
    for k in range(2):
        cross = [_of_lines(each[k].line.data, truth[k], truth[1 - k]) for each in (alone, both)]
        print(
            f"line {k}: own light kept {cross[0][0]:.4f}, {cross[0][1]:+.4f} of the other alone; "
            f"{cross[1][0]:.4f}, {cross[1][1]:+.4f} together"
        )
        assert cross[0][1] < -0.5 * grey * shares[1 - k]
        assert cross[1][0] == pytest.approx(1.0, abs=0.02)
        assert abs(cross[1][1]) < 0.02
        own, before = both[k].line, made[k].line
        assert np.nanmedian(own.err / before.err) == pytest.approx(1 / (1 - grey * sum(shares)), rel=0.2)
        assert own.header["CSJOINT"] == 2
    with pytest.raises(ImagingError, match="too large"):
        part_lines(made[0], 1 / grey, [(made[1], 1 / grey)])


def _of_lines(image: NDArray[np.float32], own: NDArray[np.float32], other: NDArray[np.float32]) -> tuple[float, float]:
    """Fit how much of two lines is in an image, with a level, where no star has a rest."""
    good = np.isfinite(image)
    for _ in range(3):
        terms = np.stack([own[good], other[good], np.ones(good.sum())], axis=1).astype(np.float64)
        found = np.linalg.lstsq(terms, image[good].astype(np.float64), rcond=None)[0]
        rest = np.abs(image - found[0] * own - found[1] * other - found[2])
        good = np.isfinite(image) & (rest < 4 * 1.4826 * np.nanmedian(rest))
    return float(found[0]), float(found[1])


def test_a_frame_minus_itself_is_nothing(pair: tuple[Side, Side]) -> None:
    made = continuum_subtract(pair[0].frame, pair[0].frame)
    assert made.scale.value == pytest.approx(1.0, abs=1e-9)
    assert made.kernel.values.size == 1
    np.testing.assert_allclose(made.line.data[np.isfinite(made.line.data)], 0.0, atol=1e-3)


def test_colours_of_stars_show_as_scatter(pair: tuple[Side, Side]) -> None:
    made = continuum_subtract(pair[0].frame, shot("Green", 2.4, seed=2, nebula=False).frame)
    print(f"scatter {made.scale.scatter:.3f} where colours differ by {0.4 * math.log(10) * 0.7 * 0.25:.3f}")
    assert made.scale.scatter > 0.1


def changing(fwhm: float, rise: float, factor: float, seed: int) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Stars whose width rises to the corners, and where they are."""
    rng, (ny, nx) = np.random.default_rng(17), (600, 800)
    x, y = rng.uniform(20, nx - 20, 220), rng.uniform(20, ny - 20, 220)
    flux = np.minimum(4000.0 * (1.0 + rng.pareto(1.2, 220)), 1e5)
    image = np.random.default_rng(seed).normal(200.0, 5.0, (ny, nx)).astype(np.float32)
    v, u = np.mgrid[-14:15, -14:15]
    for a, b, light in zip(x, y, flux, strict=True):
        sigma = (fwhm + rise * ((2 * a / nx - 1) ** 2 + (2 * b / ny - 1) ** 2) / 2) / 2.3548
        i, j = round(a), round(b)
        top, left = max(j - 14, 0), max(i - 14, 0)
        bell = (
            np.exp(-((u - a + i) ** 2 + (v - b + j) ** 2) / (2 * sigma**2)) * factor * light / (2 * math.pi * sigma**2)
        )
        part = bell[top - j + 14 : ny - j + 14, left - i + 14 : nx - i + 14]
        image[top : top + part.shape[0], left : left + part.shape[1]] += part
    return image, np.array([x, y, flux])


def test_the_kernel_follows_a_profile_that_changes_over_the_field() -> None:
    narrow, (x, y, flux) = changing(3.2, 0.5, 0.5, 1)
    broad, _ = changing(2.4, 0.0, 1.0, 2)
    made = continuum_subtract(narrow, broad)
    assert made.kernel.terms is not None
    assert made.line.header["CSKVARY"]
    one = replace(made.kernel, terms=None)
    pair = Pair.of(Frame(narrow), Frame(broad), (None, None))
    fixed, _, _ = Lining(pair, Blurs(one, pair.narrow.frame.shape), made.scale.value, 1.0, made.sky).image()
    corner = (np.hypot(2 * x / 800 - 1, 2 * y / 600 - 1) > 0.9) & (flux > 8000)
    column, row = np.rint(x[corner]).astype(int), np.rint(y[corner]).astype(int)
    noise = 1.4826 * float(np.nanmedian(np.abs(made.line.data - np.nanmedian(made.line.data))))
    left = [float(np.nanstd(image[row, column])) / noise for image in (made.line.data, fixed)]
    print(f"{corner.sum()} stars in the corners: scatter {left[0]:.2f} of the noise, {left[1]:.2f} with one kernel")
    print(f"k {made.scale.value:.4f} of 0.5")
    assert made.scale.value == pytest.approx(0.5, rel=0.01)
    assert left[0] < 3.0
    assert left[1] > 5.0 * left[0]


def test_impossible_wishes_are_refused(pair: tuple[Side, Side]) -> None:
    with pytest.raises(ValueError, match="plane, level, none"):
        continuum_subtract(pair[0].frame, pair[1].frame, sky="mesh")
    with pytest.raises(ImagingError, match="line_in_broad below 1/k"):
        continuum_subtract(pair[0].frame, pair[1].frame, scale=0.5, line_in_broad=3.0)
