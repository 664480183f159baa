"""Zero point, limiting magnitude and sky brightness against the camera model of the simulator."""

import math
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from pictor.imaging.astrometry.photometry import (
    ZeroPoint,
    limiting_magnitude,
    match,
    matched_share,
    measured_share,
    sky_brightness,
    zero_point,
)
from pictor.imaging.astrometry.projection import Wcs
from pictor.imaging.astrometry.stars import SkyStars
from pictor.imaging.simulator.camera import Camera
from pictor.imaging.simulator.fields import FIELDS, star_table
from pictor.imaging.simulator.light import LightSpec, calibrate_ideally, render_light
from pictor.imaging.simulator.optics import FILTERS, Rig
from pictor.imaging.simulator.psf import Psf
from pictor.imaging.simulator.sky import Pointing
from pictor.imaging.stars.finding import find_stars
from pictor.imaging.stars.starlist import GAUSSIAN_BETA, StarList

RIG = Rig(camera=Camera(nx=1164, ny=880, pixel_um=7.6))
EXPOSURE_S = 20.0


def truth_mag() -> float:
    """Magnitude that gives 1 ADU/s in the green filter, which has no colour term."""
    return 2.5 * math.log10(RIG.star_rate(FILTERS["G"]) / RIG.camera.egain)


@cache
def observed(transparency: float = 1.0) -> tuple[StarList, ZeroPoint | None, float]:
    """Star list, zero point and background of a rendered, ideally calibrated light."""
    where = FIELDS["NGC 7000"]
    pointing = Pointing(where.ra_deg, where.dec_deg, RIG.scale_arcsec, 32.8, 1)
    spec = LightSpec(pointing, RIG, "G", EXPOSURE_S, psf=Psf("moffat", 2.7))
    image = calibrate_ideally(*_rendered(replace(spec, transparency=transparency)))
    stars = find_stars(image, saturation=0.9 * RIG.camera.full_well / RIG.camera.egain)
    assert stars.psf is not None
    share = measured_share(stars)
    stars = replace(stars, flux=stars.flux / share, flux_error=stars.flux_error / share)
    table = star_table()
    sky = SkyStars(table.ra_deg, table.dec_deg, table.mag)
    ny, nx = image.shape
    (a, b), (c, d) = pointing.cd
    wcs = Wcs(crval=(pointing.ra_deg, pointing.dec_deg), crpix=((nx + 1) / 2, (ny + 1) / 2), cd=((a, b), (c, d)))
    star, known = match(wcs, stars.x + 1, stars.y + 1, sky, radius_px=1.5)
    usable = np.asarray(stars.flags[star] == 0)
    zero = zero_point(stars.flux[star], sky.mag[known], exposure_s=EXPOSURE_S, usable=usable)
    return stars, zero, float(np.median(image))


def _rendered(spec: LightSpec) -> tuple[np.ndarray, LightSpec]:
    return render_light(spec)[0], spec


def test_the_zero_point_is_that_of_the_camera_model() -> None:
    _, zero, _ = observed()
    assert zero is not None
    print(f"zero point {zero.mag:.4f}, model {truth_mag():.4f}: {zero}")
    assert zero.mag == pytest.approx(truth_mag(), abs=0.05)
    assert zero.scatter_mag < 0.1
    assert zero.count >= 20


@pytest.mark.parametrize("beta", [2.5, 3.6, 20.0])
def test_the_matched_share_is_that_of_a_summed_profile(beta: float) -> None:
    y, x = np.mgrid[-200:201, -200:201] / 10.0
    radius2 = x**2 + y**2
    light = (beta - 1) / math.pi * (1 + radius2) ** -beta / 10.0**2
    size = 0.5 / beta
    for _ in range(200):
        weighted = light * np.exp(-radius2 / (2 * size))
        size = float(np.sum(radius2 * weighted) / np.sum(weighted))
    expected = 2 * float(np.sum(weighted))
    print(f"beta {beta}: share {matched_share(beta):.4f}, summed {expected:.4f}")
    assert matched_share(beta) == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize("psf", [Psf("gaussian", 3.0), Psf("moffat", 2.6, 3.5), Psf("moffat", 2.6, 2.5, 0.15, 20.0)])
def test_light_is_total_light_whatever_the_profile(psf: Psf) -> None:
    where = FIELDS["NGC 7000"]
    spec = LightSpec(Pointing(where.ra_deg, where.dec_deg, RIG.scale_arcsec, 0.0), RIG, "G", EXPOSURE_S, psf=psf)
    raw, truth = render_light(replace(spec, cosmic_rays=False))
    stars = find_stars(raw)
    assert stars.psf is not None
    near = np.hypot(stars.x[:, None] - truth.stars.x, stars.y[:, None] - truth.stars.y)
    true = truth.stars.flux_e[near.argmin(axis=1)] / RIG.camera.egain
    good = (stars.flags == 0) & (stars.snr > 80) & (near.min(axis=1) < 0.5)
    share = stars.flux[good] / measured_share(stars) / true[good]
    off, error = 2.5 * np.log10(np.median(share)), 1.36 * np.std(np.log10(share)) * 2.5 / math.sqrt(len(share))
    print(f"{psf.kind} {psf.fwhm}: share {stars.psf.share}, light {off:+.4f} +- {error:.4f} mag off")
    assert abs(off) < 0.008


def test_a_gaussian_profile_is_measured_whole() -> None:
    assert matched_share(GAUSSIAN_BETA) == 1.0
    assert matched_share(0.5 * GAUSSIAN_BETA) < 1.0


def test_a_list_without_a_measured_share_has_that_of_its_exponent(tmp_path: Path) -> None:
    stars, _, _ = observed()
    assert stars.psf is not None
    older = replace(stars, psf=replace(stars.psf, share=None))
    older.to_fits(tmp_path / "older.fits")
    assert measured_share(StarList.from_fits(tmp_path / "older.fits")) == matched_share(stars.psf.beta)
    stars.to_fits(tmp_path / "new.fits")
    assert measured_share(StarList.from_fits(tmp_path / "new.fits")) == stars.psf.share
    assert measured_share(StarList.empty((10, 10))) == 1.0


def test_clouds_lower_the_zero_point_by_what_they_absorb() -> None:
    clear, cloudy = observed()[1], observed(0.15)[1]
    assert clear is not None
    assert cloudy is not None
    print(f"clouds of transparency 0.15 cost {clear.mag - cloudy.mag:.4f} mag, model 2.0598")
    assert clear.mag - cloudy.mag == pytest.approx(2.06, abs=0.1)


def test_the_sky_is_as_bright_as_the_model_says() -> None:
    _, zero, background = observed()
    assert zero is not None
    sky = sky_brightness(zero, background, exposure_s=EXPOSURE_S, scale_arcsec=RIG.scale_arcsec)
    print(f"sky {sky} mag/arcsec2, model {FILTERS['G'].sky_mag_arcsec2}")
    assert sky == pytest.approx(FILTERS["G"].sky_mag_arcsec2, abs=0.1)


def test_the_limit_is_that_of_a_signal_to_noise_ratio_of_five() -> None:
    stars, zero, _ = observed()
    assert zero is not None
    limit = limiting_magnitude(zero, stars.flux_error[stars.flags == 0], exposure_s=EXPOSURE_S)
    assert limit is not None
    stars = stars.select((stars.flags == 0) & (stars.flux > 0))
    above = limit - zero.mag + 2.5 * np.log10(stars.flux / EXPOSURE_S)
    # Of stars at the limit only those that noise makes brighter are found.
    near = np.abs(above - 1.5) < 0.3
    scaled = stars.snr[near] * 10.0 ** (-0.4 * above[near])
    print(f"limit {limit:.2f}, SNR there {np.median(scaled):.2f} by {near.sum()} stars 1.5 mag above it")
    assert np.median(scaled) == pytest.approx(5.0, rel=0.05)


def test_outliers_do_not_move_the_zero_point() -> None:
    rng = np.random.default_rng(5)
    mag = rng.uniform(7, 11, 60)
    flux = 10 ** (-0.4 * (mag - 20 + rng.normal(0, 0.03, 60))) * 30
    flux[:12] *= 5
    zero = zero_point(flux, mag, exposure_s=30)
    assert zero is not None
    assert zero.mag == pytest.approx(20, abs=0.02)
    assert zero.scatter_mag == pytest.approx(0.03, abs=0.015)
    assert 40 <= zero.count <= 48


def test_the_error_of_a_zero_point_is_what_zero_points_scatter_by() -> None:
    rng = np.random.default_rng(6)
    found = [zero_point(10 ** (-0.4 * rng.normal(9, 0.1, 61)), np.full(61, 9.0), exposure_s=1) for _ in range(300)]
    scatter, told = np.std([zero.mag for zero in found if zero]), np.mean([zero.error_mag for zero in found if zero])
    print(f"zero points scatter by {scatter:.4f} mag, their error is {told:.4f}")
    assert scatter == pytest.approx(told, rel=0.12)


def test_masked_and_too_few_stars_give_no_zero_point() -> None:
    mag, flux = np.full(6, 9.0), np.full(6, 1000.0)
    usable = np.array([True] * 4 + [False] * 2)
    assert zero_point(flux, mag, exposure_s=1) is not None
    assert zero_point(flux, mag, exposure_s=1, usable=usable) is None
    assert zero_point(flux[:5], mag[:5], exposure_s=1) is not None
    assert zero_point(flux[:4], mag[:4], exposure_s=1) is None
    assert zero_point(flux, np.full(6, np.nan), exposure_s=1) is None
    assert zero_point(flux, mag, exposure_s=0) is None


def test_a_background_below_the_pedestal_has_no_brightness() -> None:
    zero = ZeroPoint(20, 0.1, 0.01, 30)
    assert sky_brightness(zero, -3.0, exposure_s=10, scale_arcsec=1) is None
    assert limiting_magnitude(zero, np.full(3, np.nan), exposure_s=10) is None
