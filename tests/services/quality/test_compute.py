import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from pictor.contracts.quality import Quality
from pictor.imaging.errors import ImagingError
from pictor.imaging.quality.grading import Baseline, Metrics
from pictor.imaging.stars.starlist import StarList
from pictor.quality.compute import measure
from pictor.quality.grading import grade
from tests.support.sky import Recipe, Sky, mosaic, render

SHARP = Recipe(shape=(700, 900), fwhm=3.0, stars=300)


def written(image: np.ndarray, path: Path, **cards: str) -> str:
    fits.PrimaryHDU(image, fits.Header(list(cards.items()))).writeto(path)
    return str(path)


def measured(recipe: Recipe, folder: Path) -> dict[str, object]:
    folder.mkdir()
    found = measure(written(render(recipe).image, folder / "light.fits"), str(folder))
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    return found


@pytest.fixture(scope="module")
def sharp(tmp_path_factory: pytest.TempPathFactory) -> list[Metrics]:
    """Eight sharp frames of one series."""
    folder = tmp_path_factory.mktemp("sharp")
    return [Metrics.of(measured(replace(SHARP, seed=k), folder / str(k))["quality"]) for k in range(8)]


def test_the_answer_is_json_fits_the_contract_and_names_the_star_list(tmp_path: Path) -> None:
    found = measured(SHARP, tmp_path / "sharp")
    quality = Quality.model_validate(found["quality"])
    stars = StarList.from_fits(str(found["stars_path"]))
    assert quality.star_count == stars.star_count > 100
    assert quality.fwhm_px == pytest.approx(render(SHARP).fwhm, rel=0.02)


def test_the_first_measurement_of_a_warm_child_imports_nothing_more(tmp_path: Path) -> None:
    path = written(render(SHARP).image, tmp_path / "light.fits")
    code = (
        "import sys; from pictor.quality.compute import measure, warm; warm(); before = set(sys.modules); "
        f"measure({path!r}, {str(tmp_path)!r}); print(sorted(set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_raw_colour_frame_is_seen_without_its_pattern_in_the_header(tmp_path: Path) -> None:
    image = mosaic(render(SHARP).image, SHARP.sky)
    path = written(image, tmp_path / "raw.fits")
    seen, told = measure(path, str(tmp_path)), measure(path, str(tmp_path), bayer="RGGB")
    assert seen["quality"] == told["quality"]
    assert seen["stars"]["stars"] > 100


def test_masters_are_applied_in_memory(tmp_path: Path) -> None:
    sky: Sky = render(SHARP)
    hot = np.where(np.random.default_rng(1).random(SHARP.shape) < 0.002, 9000, 0) + 300.0
    shade = np.broadcast_to(1.2 - 0.4 * np.linspace(-1, 1, SHARP.shape[1]) ** 2, SHARP.shape)
    raw = np.clip(np.rint(sky.image * shade + hot), 0, 65535).astype(np.uint16)
    light = written(raw, tmp_path / "light.fits")
    masters = {
        "dark_path": written(hot.astype(np.float32), tmp_path / "dark.fits"),
        "flat_path": written(shade.astype(np.float32), tmp_path / "flat.fits"),
    }
    plain = measure(light, str(tmp_path))
    assert plain["applied"] == []
    assert plain["stars"]["spikes"] > 1000
    found = measure(light, str(tmp_path), **masters)
    assert found["applied"] == ["dark", "flat"]
    assert found["stars"]["spikes"] < 10
    assert found["quality"]["background_adu"] == pytest.approx(sky.level, abs=0.1 * sky.sky_sigma)


def test_a_master_stored_the_other_way_up_is_turned_over_before_it_is_applied(tmp_path: Path) -> None:
    sky = render(SHARP).image
    hot = np.where(np.random.default_rng(1).random(SHARP.shape) < 0.002, 9000.0, 300.0)
    raw = np.clip(np.rint(sky + hot), 0, 65535).astype(np.uint16)
    light = written(raw, tmp_path / "light.fits", ROWORDER="TOP-DOWN")
    found = [
        measure(light, str(tmp_path), dark_path=written(pixels.astype(np.float32), tmp_path / name, ROWORDER=order))
        for pixels, name, order in ((hot, "as.fits", "TOP-DOWN"), (hot[::-1], "turned.fits", "BOTTOM-UP"))
    ]
    assert found[0] == found[1]
    assert found[0]["stars"]["spikes"] < 10


def test_a_master_of_another_size_is_refused_in_words(tmp_path: Path) -> None:
    light = written(render(SHARP).image, tmp_path / "light.fits")
    dark = written(np.zeros((10, 10), dtype=np.float32), tmp_path / "dark.fits")
    with pytest.raises(ImagingError, match=r"\(700, 900\)"):
        measure(light, str(tmp_path), dark_path=dark)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"transparency": 0.01, "sky": 4000.0}, "star count"),
        ({"drift_px": 12.0}, "eccentricity"),
        ({"defocus_px": 24.0}, "HFR"),
        ({"fwhm": 5.5}, "FWHM"),
        ({"stars": 1, "brightest": 1.0}, "transparency drop, probably clouds"),
    ],
    ids=["clouds", "trailed", "defocused", "poor seeing", "starless"],
)
def test_bad_frames_grade_worse_than_sharp_ones_and_say_why(
    tmp_path: Path, sharp: list[Metrics], change: dict[str, float], word: str
) -> None:
    bad = Metrics.of(measured(replace(SHARP, **change), tmp_path / "bad")["quality"])
    baseline = Baseline(tuple(sharp))
    good, found = grade(sharp[0], baseline), grade(bad, baseline)
    print(f"sharp {good.letter} {good.reasons}; bad {found.letter} {found.reasons}")
    assert found.letter > good.letter
    assert any(word in reason for reason in found.reasons)
