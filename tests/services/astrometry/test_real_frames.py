"""Every real frame that can be solved is solved, and the others are not."""

import csv
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from pictor.astrometry.compute import solve
from pictor.imaging.astrometry.geometry import separation
from pictor.imaging.stars.finding import find_stars

pytestmark = pytest.mark.real
TRUTH = re.compile(r"solve-field: centre ([\d.]+) ([+-][\d.]+) deg, ([\d.]+)")
UNSOLVABLE = {
    "lights/panoptes-pocs/pole.fits": {"too-few-stars", "clouded"},
    "calibration/huntsman/raw/science_0.fits": {"no-match", "no-index-for-scale", "time-limit"},
    "reference/lco-banzai/banzai_test_frame.fits.fz": {"trailed"},
}


@dataclass(frozen=True)
class Known:
    file: str
    ra: float
    dec: float
    scale: float


def known_frames(folder: Path) -> list[Known]:
    """Frames of the manifest with a known centre."""
    with (folder / "manifest.csv").open(encoding="utf-8") as file:
        rows = [(row["file"], TRUTH.search(row["known_truth"])) for row in csv.DictReader(file)]
    return [Known(name, *map(float, found.groups())) for name, found in rows if found and name.startswith("lights/")]


def star_list(path: Path, place: Path) -> str:
    """Measure the stars of a real frame; colour planes are averaged."""
    with fits.open(path) as units:
        data = next(np.asarray(unit.data) for unit in units if unit.data is not None and unit.data.ndim >= 2)
    plane = data.mean(axis=0) if data.ndim == 3 else data
    find_stars(np.ascontiguousarray(plane, dtype=np.float32)).to_fits(place)
    return str(place)


def answers(known: Known, real_data: Path, indexes: Path, tmp_path: Path, **hints: object) -> str:
    """Solve one frame; say how far off it is, or what went wrong."""
    stars = star_list(real_data / known.file, tmp_path / "stars.fits")
    found = solve(stars, str(tmp_path), index_dirs=[str(indexes)], **hints)  # type: ignore[arg-type]
    name, solution = Path(known.file).name, found["solution"]
    if solution is None:
        return f"FAILED {name}: {found['reason']} {found['message']}"
    off = 3600 * separation((solution["ra_deg"], solution["dec_deg"]), (known.ra, known.dec))
    seconds = sum(attempt["seconds"] for attempt in found["attempts"])
    verdict = "ok    " if off <= max(known.scale, 5.0) else "FAILED"
    return (
        f"{verdict} {name}: {off:.2f} arcsec off, {solution['matched']} stars in {solution['zones']} zones, "
        f"rms {solution['rms_px']:.3f} px, {found['attempts'][-1]['rung']}, {seconds * 1000:.0f} ms"
    )


def test_every_frame_that_solves_is_solved_at_its_place(real_data: Path, star_indexes: Path, tmp_path: Path) -> None:
    frames = known_frames(real_data)
    assert len(frames) == 35
    lines = [
        answers(
            known, real_data, star_indexes, tmp_path, position=[known.ra, known.dec], scale_arcsec=known.scale * 1.03
        )
        for known in frames
    ]
    print("", *lines, sep="\n")
    assert [line for line in lines if line.startswith("FAILED")] == []


def test_one_frame_of_each_camera_is_solved_blind(real_data: Path, star_indexes: Path, tmp_path: Path) -> None:
    by_folder = {Path(known.file).parent.name + str(known.scale)[:2]: known for known in known_frames(real_data)}
    lines = [answers(known, real_data, star_indexes, tmp_path) for known in by_folder.values()]
    print("", *lines, sep="\n")
    assert [line for line in lines if line.startswith("FAILED")] == []


def test_wrong_hints_are_no_obstacle_on_a_real_frame(real_data: Path, star_indexes: Path, tmp_path: Path) -> None:
    known = known_frames(real_data)[0]
    lines = [
        answers(known, real_data, star_indexes, tmp_path, position=position, scale_arcsec=known.scale * factor)
        for position, factor in (
            ([known.ra, known.dec + 2.0], 1.0), ([known.ra + 3.0, known.dec], 1.0), ([known.ra, known.dec], 0.5),
            ([known.ra, known.dec], 2.0), ([10.0, -80.0], 1.0),
        )
    ]  # fmt: skip
    print("", *lines, sep="\n")
    assert [line for line in lines if line.startswith("FAILED")] == []


@pytest.mark.parametrize("file", sorted(UNSOLVABLE))
def test_a_frame_that_cannot_be_solved_has_a_reason(
    file: str, real_data: Path, star_indexes: Path, tmp_path: Path
) -> None:
    stars = star_list(real_data / file, tmp_path / "stars.fits")
    found = solve(stars, str(tmp_path), index_dirs=[str(star_indexes)], wall_s=6.0)
    print(file, found["reason"], found["message"], [(a["rung"], a["outcome"], a["seconds"]) for a in found["attempts"]])
    assert found["solution"] is None
    assert found["reason"] in UNSOLVABLE[file]
