"""The colour scenario: frames of known truth in several filters, of one nebula."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from pictor.imaging.astrometry.cards import read_wcs
from pictor.imaging.simulator.colour import TRUTH, ColourScenario, colour_scenario
from pictor.imaging.simulator.colour_plan import FULL, SMALL, plan_colour
from pictor.imaging.simulator.fields import FIELDS
from pictor.imaging.simulator.light import calibrate_ideally, render_light
from pictor.imaging.simulator.nebula import LINES, Nebula, line_brightness, nebula_light, nebula_rate
from pictor.imaging.simulator.optics import FILTERS
from pictor.imaging.simulator.psf import Psf
from pictor.imaging.simulator.sky import Pointing

TARGET = FIELDS["NGC 7000"]
NEBULA = Nebula(TARGET.ra_deg, TARGET.dec_deg)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> ColourScenario:
    return colour_scenario(tmp_path_factory.mktemp("colour"), small=True)


def pointing(pa_deg: float = 12.0, parity: int = 1) -> Pointing:
    return Pointing(TARGET.ra_deg, TARGET.dec_deg, SMALL.rig.scale_arcsec, pa_deg, parity)


def test_every_set_that_masters_need_is_there(made: ColourScenario) -> None:
    kinds = [(truth["type"], truth["filter"], truth["exposure_s"]) for truth in made.truths]
    for name, exposure_s in SMALL.filters.items():
        assert kinds.count(("LIGHT", name, exposure_s)) == SMALL.lights
        assert kinds.count(("FLAT", name, 2.0)) >= 5
        assert kinds.count(("DARK", None, exposure_s)) >= 5
    assert kinds.count(("DARK", None, 2.0)) >= 5
    assert kinds.count(("BIAS", None, 0.0)) >= 5
    assert {path.name for path in made.folder.glob("*.fits")} == {truth["file"] for truth in made.truths}


def test_headers_say_simulated_and_what_nina_says(made: ColourScenario) -> None:
    for path, truth in zip(made.frames, made.truths, strict=True):
        header = fits.getheader(path)
        assert header["SIMULATD"] is True
        assert (header["IMAGETYP"], header.get("FILTER")) == (truth["type"], truth["filter"])
        assert json.loads(path.with_suffix(".truth.json").read_text()) == truth


def test_the_full_plan_has_six_filters_a_flip_and_a_satellite() -> None:
    lights = [one.light for one in plan_colour(FULL, 1) if one.light is not None]
    assert {light.filter_name for light in lights} == {"Red", "Green", "Blue", "Ha", "OIII", "SII"}
    for name in FULL.filters:
        angles = {round(light.pointing.pa_deg / 180.0) % 2 for light in lights if light.filter_name == name}
        assert angles == {0, 1}, f"{name} is not seen from both sides of the meridian"
    assert sum(light.satellite > 0 for light in lights) == 1
    assert len({light.psf.fwhm for light in lights}) == len(lights)


def test_the_truth_images_have_a_wcs_and_fit_the_frames(made: ColourScenario) -> None:
    for name in SMALL.filters:
        with fits.open(made.folder / TRUTH / f"nebula_{name}.fits") as units:
            wcs = read_wcs(units[0].header)
            assert wcs is not None
            assert units[0].data.shape == SMALL.rig.camera.shape
            assert units[0].header["BUNIT"] == "electron / s"
        assert fits.getdata(made.folder / TRUTH / f"continuum_{name}.fits").max() > 0


def test_a_calibrated_light_holds_the_nebula_of_the_truth() -> None:
    one = next(one for one in plan_colour(SMALL, 1) if one.name == "light_Ha_01")
    assert one.light is not None
    spec = replace(one.light, stars=False, cosmic_rays=False, transparency=1.0, gradient=(0.0, 0.0))
    raw, _ = render_light(spec)
    even = calibrate_ideally(raw, spec) * spec.rig.camera.egain / spec.exposure_s
    seen = even - spec.rig.sky_rate(FILTERS["Ha"])
    assert spec.nebula is not None
    expected = nebula_light(spec.nebula, spec.rig, spec.pointing, "Ha", spec.psf)
    bright = expected > np.percentile(expected, 80)
    ratio = float(np.median(seen[bright] / expected[bright]))
    print(f"nebula in the calibrated light over truth {ratio:.4f}, brightest {expected.max():.2f} e/s")
    assert ratio == pytest.approx(1.0, abs=0.01)


def test_the_blur_keeps_the_light() -> None:
    sharp = nebula_rate(NEBULA, SMALL.rig, pointing(), "Ha")
    blurred = nebula_light(NEBULA, SMALL.rig, pointing(), "Ha", Psf("moffat", 4.0))
    inner = np.s_[20:-20, 20:-20]
    print(f"light after the blur over before {blurred[inner].sum() / sharp[inner].sum():.5f}")
    assert blurred[inner].sum() == pytest.approx(sharp[inner].sum(), rel=2e-3)


def test_half_a_turn_of_the_camera_turns_the_picture() -> None:
    upright = nebula_rate(NEBULA, SMALL.rig, pointing(12.0), "Ha")
    turned = nebula_rate(NEBULA, SMALL.rig, pointing(192.0), "Ha")
    np.testing.assert_allclose(turned[::-1, ::-1], upright, atol=1e-3 * upright.max())


def test_a_filter_that_passes_no_line_sees_no_nebula() -> None:
    assert not nebula_rate(NEBULA, SMALL.rig, pointing(), "L").any()


def test_the_lines_differ_and_none_is_negative() -> None:
    lines = [line_brightness(NEBULA, line) for line in LINES]
    assert all((image >= 0).all() for image in lines)
    for first, second in ((0, 1), (0, 2), (1, 2)):
        assert np.corrcoef(lines[first].ravel(), lines[second].ravel())[0, 1] < 0.9


def test_the_same_seed_writes_the_same_bytes(made: ColourScenario, tmp_path: Path) -> None:
    again, other = (colour_scenario(tmp_path / str(seed), seed=seed, small=True) for seed in (1, 2))

    def digests(scenario: ColourScenario) -> list[str]:
        return [hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(scenario.folder.rglob("*.*"))]

    assert digests(again) == digests(made)
    assert digests(other) != digests(made)
