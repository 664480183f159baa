"""Solving a frame from its star list, as the service does it."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pictor.astrometry.brightness import with_vt
from pictor.astrometry.compute import solve
from pictor.astrometry.indexes import installed, sample_folder
from pictor.contracts.solutions import Solution
from pictor.imaging.astrometry.geometry import separation
from pictor.imaging.astrometry.stars import field_stars
from pictor.imaging.errors import UnreadableFrameError
from tests.services.astrometry.conftest import SCALE, sample_sky, sample_truth, write_stars
from tests.support.starfields import seen

CENTRE = [314.9, 44.3]


def off(found: dict, ra: float = 314.9, dec: float = 44.3) -> float:
    """Distance of the solved centre from the truth, in arcsec."""
    solution = found["solution"]
    assert solution is not None, (found["reason"], found["message"], found["attempts"])
    return 3600 * separation((solution["ra_deg"], solution["dec_deg"]), (ra, dec))


def test_a_frame_is_solved_from_its_star_list(star_file: Callable[..., str], tmp_path: Path) -> None:
    found = solve(star_file(sample_truth()), str(tmp_path), position=CENTRE, scale_arcsec=SCALE, target=[314.75, 44.37])
    solution = Solution.model_validate(found["solution"])
    print(f"centre {off(found):.3f} arcsec off, {solution.matched} stars, rms {solution.rms_px:.3f} px")
    assert off(found) < 0.1
    assert solution.scale_arcsec == pytest.approx(SCALE, rel=1e-4)
    assert solution.pa_deg == pytest.approx(17.0, abs=0.01)
    assert solution.parity == 1
    assert solution.target_offset_arcsec == pytest.approx(3600 * separation((314.75, 44.37), (314.9, 44.3)), abs=0.2)
    assert solution.index is not None
    assert solution.index.startswith("index-sample")
    assert [attempt["outcome"] for attempt in found["attempts"]] == ["solved"]
    assert {"CRVAL1", "CD2_2", "RADESYS"} <= {card[0] for card in found["cards"]}


def test_the_result_is_plain_json(star_file: Callable[..., str], tmp_path: Path) -> None:
    found = solve(star_file(sample_truth()), str(tmp_path), position=CENTRE, scale_arcsec=SCALE)
    assert json.loads(json.dumps(found, allow_nan=False))["solution"]["matched"] == found["solution"]["matched"]


@pytest.mark.parametrize("dec_off", [2.0, -2.0])
def test_pointing_two_degrees_off_is_no_obstacle(dec_off: float, star_file: Callable[..., str], tmp_path: Path) -> None:
    wrong = [CENTRE[0], CENTRE[1] + dec_off]
    found = solve(star_file(sample_truth()), str(tmp_path), position=wrong, scale_arcsec=SCALE, mount=wrong)
    assert off(found) < 0.1
    assert found["solution"]["mount_offset_arcsec"] == pytest.approx(7200, abs=1)


@pytest.mark.parametrize("factor", [0.5, 0.63, 2.0])
def test_a_wrong_focal_length_is_no_obstacle(factor: float, star_file: Callable[..., str], tmp_path: Path) -> None:
    found = solve(star_file(sample_truth()), str(tmp_path), position=CENTRE, scale_arcsec=SCALE * factor)
    assert off(found) < 0.1
    print([(attempt["rung"], attempt["outcome"], attempt["seconds"]) for attempt in found["attempts"]])
    assert found["attempts"][0]["outcome"] != "solved"


@pytest.mark.parametrize(
    "hints", [{"position": [120.0, -60.0], "scale_arcsec": SCALE}, {"position": [1117.8, 99.0]}, {}]
)
def test_wrong_impossible_or_missing_hints_end_in_a_blind_solution(
    hints: dict, star_file: Callable[..., str], tmp_path: Path
) -> None:
    assert off(solve(star_file(sample_truth()), str(tmp_path), **hints)) < 0.1


def test_a_mirrored_frame_is_solved_and_says_so(star_file: Callable[..., str], tmp_path: Path) -> None:
    found = solve(star_file(sample_truth(parity=-1)), str(tmp_path), position=CENTRE, scale_arcsec=SCALE)
    assert off(found) < 0.1
    assert found["solution"]["parity"] == -1


def test_a_mirrored_frame_of_a_rig_that_does_not_mirror_is_refused(
    star_file: Callable[..., str], tmp_path: Path
) -> None:
    found = solve(
        star_file(sample_truth(parity=-1)), str(tmp_path), position=CENTRE, scale_arcsec=SCALE, parity=1, wall_s=8.0
    )
    assert found["solution"] is None
    assert found["reason"] in ("no-match", "not-verified", "not-configured")


def test_few_stars_are_a_reason_not_a_search(tmp_path: Path) -> None:
    x = np.array([100.0, 300, 700])
    stars = field_stars(x, x, x, flags=np.zeros(3), width=1000, height=1000)
    found = solve(str(write_stars(tmp_path / "s.fits", stars)), str(tmp_path))
    assert (found["reason"], found["attempts"]) == ("too-few-stars", [])
    assert "3 stars" in found["message"]


def test_a_starless_frame_has_a_reason(tmp_path: Path) -> None:
    nothing = np.empty(0)
    stars = field_stars(nothing, nothing, nothing, flags=nothing, width=1000, height=1000)
    assert solve(str(write_stars(tmp_path / "s.fits", stars)), str(tmp_path))["reason"] == "too-few-stars"


def test_few_stars_where_the_catalogue_has_many_are_clouds(tmp_path: Path, rng: np.random.Generator) -> None:
    truth = sample_truth()
    sky = sample_sky(truth)
    some = replace(sky, ra=sky.ra[:5], dec=sky.dec[:5], mag=sky.mag[:5])
    path = write_stars(tmp_path / "s.fits", seen(truth, some, rng))
    found = solve(str(path), str(tmp_path), position=CENTRE, scale_arcsec=SCALE)
    assert found["reason"] == "clouded"
    assert f"{len(sky.ra) // 10}" in found["message"] or "catalogue has" in found["message"]


def test_trailed_stars_are_named_as_the_cause(tmp_path: Path, rng: np.random.Generator) -> None:
    x, y, flux = rng.uniform(1, 1000, (3, 60))
    stars = field_stars(x, y, flux, flags=np.zeros(60), width=1000, height=1000)
    path = write_stars(tmp_path / "s.fits", stars, eccentricity=0.97)
    found = solve(str(path), str(tmp_path), position=CENTRE, scale_arcsec=SCALE, wall_s=4.0)
    assert found["reason"] == "trailed"


def test_only_the_sample_index_is_a_visible_state_with_its_remedy(tmp_path: Path, rng: np.random.Generator) -> None:
    x, y, flux = rng.uniform(1, 1000, (3, 60))
    stars = field_stars(x, y, flux, flags=np.zeros(60), width=1000, height=1000)
    found = solve(str(write_stars(tmp_path / "s.fits", stars)), str(tmp_path), position=[100, 10], wall_s=4.0)
    assert found["reason"] == "not-configured"
    assert "pictor index install" in found["message"]


def test_no_solver_chosen_is_not_configured(star_file: Callable[..., str], tmp_path: Path) -> None:
    found = solve(star_file(sample_truth()), str(tmp_path), solvers=[])
    assert found["reason"] == "not-configured"


def test_a_missing_back_end_is_logged_and_the_next_one_solves(star_file: Callable[..., str], tmp_path: Path) -> None:
    found = solve(
        star_file(sample_truth()), str(tmp_path), position=CENTRE, scale_arcsec=SCALE, solvers=["astap", "engine"]
    )
    assert off(found) < 0.1
    assert found["attempts"][0]["outcome"] in ("solver-unavailable", "not-configured")
    assert found["attempts"][-1]["solver"] == "engine"


def test_a_file_without_a_star_list_is_unreadable(tmp_path: Path) -> None:
    (tmp_path / "s.fits").write_bytes(b"no stars here")
    with pytest.raises(UnreadableFrameError):
        solve(str(tmp_path / "s.fits"), str(tmp_path))


def test_photometry_comes_with_the_solution_and_the_sky_only_above_a_known_pedestal(
    star_file: Callable[..., str], tmp_path: Path
) -> None:
    asked = {"position": CENTRE, "scale_arcsec": SCALE, "exposure_s": 30.0, "background_adu": 600.0}
    path = star_file(sample_truth())
    raw, dark = (solve(path, str(tmp_path), **asked, pedestal_removed=known) for known in (False, True))
    light = raw["photometry"]
    print(light)
    assert light["zero_point_stars"] >= 20
    assert light["system"] == "VT, no colour term"
    assert light["sky_mag_arcsec2"] is None
    expected = light["zero_point_mag"] - 2.5 * np.log10(600 / 30 / SCALE**2)
    assert dark["photometry"]["sky_mag_arcsec2"] == pytest.approx(expected, abs=0.001)
    assert Solution.model_validate(raw["solution"] | light).zero_point_mag == light["zero_point_mag"]
    assert solve(path, str(tmp_path), position=CENTRE, scale_arcsec=SCALE)["photometry"] is None


def test_magnitudes_of_other_catalogues_make_no_zero_point() -> None:
    folder = sample_folder()
    assert folder is not None
    sample = installed((folder,))[0]
    names = ("index-5204-11.fits", "index-4110.fits", "index-tycho2-07.littleendian.fits")
    gaia, tycho, debian = (replace(sample, path=folder / name) for name in names)
    assert with_vt([gaia, tycho, debian, sample]) == [tycho, debian, sample]
