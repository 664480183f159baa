import json
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy.wcs import WCS

from pictor.imaging.simulator.camera import Camera
from pictor.imaging.simulator.fields import FIELDS, index_files, star_table, stars_near
from pictor.imaging.simulator.light import LightSpec, calibrate_ideally, mirrored, noise_only, render_light, starless
from pictor.imaging.simulator.optics import Rig
from pictor.imaging.simulator.psf import Psf
from pictor.imaging.simulator.sky import Pointing, project

ENGINE = Path(__file__).parents[2] / "support" / "engine.py"
SMALL = Rig(camera=Camera(nx=1164, ny=880, pixel_um=7.6))


def spec_of(field: str, **changes: object) -> LightSpec:
    where = FIELDS[field]
    spec = LightSpec(Pointing(where.ra_deg, where.dec_deg, SMALL.scale_arcsec, 32.8, 1), SMALL, psf=Psf("moffat", 2.7))
    return replace(spec, **changes)  # type: ignore[arg-type]


def astropy_wcs(pointing: Pointing, shape: tuple[int, int]) -> WCS:
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval = [pointing.ra_deg, pointing.dec_deg]
    wcs.wcs.crpix = [(shape[1] + 1) / 2, (shape[0] + 1) / 2]
    wcs.wcs.cd = pointing.cd
    return wcs


@pytest.mark.parametrize("parity", [-1, 1])
@pytest.mark.parametrize("pa_deg", [0.0, 32.8, 271.0])
def test_the_projection_is_the_one_of_the_fits_standard(parity: int, pa_deg: float) -> None:
    pointing, shape = Pointing(314.7, 44.3, 1.79, pa_deg, parity), (1760, 2328)
    stars = stars_near(314.7, 44.3, 0.7)
    x, y = project(pointing, shape, stars.ra_deg, stars.dec_deg)
    expected = astropy_wcs(pointing, shape).all_world2pix(stars.ra_deg, stars.dec_deg, 0)
    assert np.abs(np.stack([x, y]) - expected).max() < 1e-6
    assert np.sign(np.linalg.det(pointing.cd)) == parity


def test_stars_lie_where_the_true_wcs_says() -> None:
    spec = spec_of("NGC 7000", cosmic_rays=False, faintest=0.0, sky_factor=0.1)
    raw, truth = render_light(spec)
    image = calibrate_ideally(raw, spec)
    image -= np.median(image)
    found = []
    stars = truth.stars
    usable = (stars.snr > 300) & ~stars.saturated & (np.abs(stars.x - 582) < 550) & (np.abs(stars.y - 440) < 410)
    for x, y in zip(stars.x[usable], stars.y[usable], strict=True):
        if np.count_nonzero(np.hypot(stars.x - x, stars.y - y) < 20) == 1:
            found.append(np.subtract(centroid(image, x, y), (x, y)))
    error = np.hypot(*np.median(found, axis=0))
    print(f"{len(found)} stars, median offset {error:.4f} px, scatter {np.std(found):.4f} px")
    assert len(found) >= 15
    assert error < 0.05
    assert np.std(found) < 0.05


def centroid(image: np.ndarray, x: float, y: float) -> tuple[float, float]:
    rows, columns = np.indices(image.shape)[:, round(y) - 9 : round(y) + 10, round(x) - 9 : round(x) + 10]
    window = image[rows, columns]
    for _ in range(12):
        weight = window * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * 1.8**2))
        x += 2 * float((weight * (columns - x)).sum() / weight.sum())
        y += 2 * float((weight * (rows - y)).sum() / weight.sum())
    return x, y


@pytest.mark.parametrize("filter_name", ["L", "Ha"])
def test_background_and_its_noise_are_those_of_the_truth(filter_name: str) -> None:
    raw, truth = render_light(spec_of("M 31", filter_name=filter_name, stars=False))
    blocks = np.median(raw.reshape(40, 22, 97, 12).swapaxes(1, 2).reshape(40 * 97, -1), axis=1)
    level = float(np.median(blocks))
    spread = np.diff(np.percentile(raw[300:500, 400:700], [15.865, 84.135]))[0] / 2
    print(f"level {level} (truth {truth.background_adu:.1f}), noise {spread} ({truth.sky_sigma_adu:.2f})")
    assert level == pytest.approx(truth.background_adu, abs=0.1 * truth.sky_sigma_adu)
    assert spread == pytest.approx(truth.sky_sigma_adu, rel=0.15)


def test_an_ideally_calibrated_frame_is_even() -> None:
    spec = spec_of("M 31", stars=False, cosmic_rays=False, gradient=(0.0, 0.0))
    raw, _ = render_light(spec)
    image = calibrate_ideally(raw, spec)
    blocks = np.median(image.reshape(8, 110, 12, 97).swapaxes(1, 2).reshape(8, 12, -1), axis=2)
    assert np.ptp(blocks) < 0.03 * blocks.mean()


def test_variants_leave_out_what_they_say() -> None:
    spec = spec_of("M 45")
    _, sky = render_light(starless(spec))
    _, camera_only = render_light(noise_only(spec))
    _, plain = render_light(spec)
    _, mirror = render_light(mirrored(spec))
    assert sky.stars.x.size == camera_only.stars.x.size == 0
    assert sky.sky_adu == pytest.approx(plain.sky_adu)
    assert camera_only.sky_adu == 0
    pairs = zip(plain.stars.mag[:9], mirror.stars.mag[:9], plain.stars.x[:9], mirror.stars.x[:9], strict=True)
    assert sum(a == b and abs(x1 + x2 - 1163) < 1e-6 for a, b, x1, x2 in pairs) >= 5


def test_clouds_take_light_from_the_stars_and_brighten_the_sky() -> None:
    _, clear = render_light(spec_of("M 31"))
    _, cloudy = render_light(spec_of("M 31", transparency=0.3, patchiness=0.3))
    assert cloudy.sky_adu > 1.5 * clear.sky_adu
    assert np.count_nonzero(cloudy.stars.snr > 10) < 0.6 * np.count_nonzero(clear.stars.snr > 10)


def test_a_bayer_frame_has_four_levels_of_sky() -> None:
    rig = replace(SMALL, camera=replace(SMALL.camera, bayer="RGGB"))
    raw, _ = render_light(spec_of("M 31", rig=rig))
    red, green1, green2, blue = (np.median(raw[row::2, col::2]) for row in (0, 1) for col in (0, 1))
    assert green1 > red > blue
    assert abs(green1 - green2) < 3


def test_the_same_specification_gives_the_same_pixels() -> None:
    spec = spec_of("M 45", transparency=0.5, patchiness=0.2, satellite=100.0)
    first, again = render_light(spec)[0], render_light(spec)[0]
    assert np.array_equal(first, again)
    assert not np.array_equal(first, render_light(replace(spec, seed=2))[0])


def test_the_catalogue_covers_each_field() -> None:
    for field in FIELDS.values():
        near = stars_near(field.ra_deg, field.dec_deg, 0.5, faintest=0.0)
        assert near.mag.size >= 0.785 * 40
    assert star_table().mag.size == 3489


@pytest.mark.parametrize("field", list(FIELDS))
@pytest.mark.parametrize("parity", [-1, 1])
def test_the_engine_solves_each_field_with_the_committed_index(field: str, parity: int) -> None:
    pointing = replace(spec_of(field).pointing, parity=parity)
    _, truth = render_light(spec_of(field, pointing=pointing))
    stars = truth.stars
    usable = ~stars.saturated & (stars.snr > 20)
    positions = np.stack([stars.x[usable], stars.y[usable]], axis=1)[:100] + 1.0
    asked = {
        "index_files": [str(path) for path in index_files()],
        "stars": positions.tolist(),
        "scale": [SMALL.scale_arcsec * 0.95, SMALL.scale_arcsec * 1.05],
        "position": [pointing.ra_deg + 0.3, pointing.dec_deg - 0.2, 2.0],
    }
    done = subprocess.run(
        [sys.executable, str(ENGINE)], input=json.dumps(asked), capture_output=True, text=True, timeout=60, check=True
    )
    found = json.loads(done.stdout)
    assert found is not None
    wcs = WCS(found)
    ra, dec = wcs.all_pix2world([[581.5, 439.5]], 0)[0]
    offset = np.hypot((ra - pointing.ra_deg) * np.cos(np.radians(dec)), dec - pointing.dec_deg) * 3600
    print(f"{field}, parity {parity:+d}: centre off by {offset:.2f} arcsec")
    assert offset < SMALL.scale_arcsec
    assert np.sign(np.linalg.det(wcs.wcs.cd)) == parity


def test_a_4_megapixel_light_takes_half_a_second() -> None:
    where, rig = FIELDS["M 31"], Rig()
    spec = LightSpec(Pointing(where.ra_deg, where.dec_deg, rig.scale_arcsec, 32.8, 1), rig)
    render_light(spec)
    start = time.process_time()
    render_light(spec)
    elapsed = time.process_time() - start
    print(f"4 MP light: {elapsed:.2f} s of CPU")
    assert elapsed < 0.5
