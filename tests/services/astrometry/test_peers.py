"""ASTAP and solve-field themselves, where they are installed."""

import shutil
from pathlib import Path

import pytest

from pictor.astrometry.compute import solve
from pictor.imaging.astrometry.geometry import separation
from tests.services.astrometry.test_real_frames import known_frames, star_list

pytestmark = pytest.mark.real

WALL_S = 400.0
"""A try of a program gets a thirtieth of it and more: these take a second, and many on a busy machine."""


@pytest.fixture
def solve_field() -> str:
    if shutil.which("solve-field") is None:
        pytest.skip("solve-field is not installed: apt-get install astrometry.net")
    return "solve-field"


@pytest.fixture
def astap() -> str:
    if shutil.which("astap_cli") is None:
        pytest.skip("ASTAP is not installed: apt-get install astap-cli")
    return "astap"


def off(solver: str, file: str, real_data: Path, indexes: Path, tmp_path: Path) -> float:
    known = next(known for known in known_frames(real_data) if known.file.endswith(file))
    found = solve(
        star_list(real_data / known.file, tmp_path / "stars.fits"), str(tmp_path), index_dirs=[str(indexes)],
        position=[known.ra, known.dec], scale_arcsec=known.scale, solvers=[solver],
        astap_database=str(real_data / "astap-tycho2-290"), wall_s=WALL_S,
    )  # fmt: skip
    solution = found["solution"]
    assert solution is not None, (found["reason"], found["message"], found["attempts"])
    assert solution["solver"] == solver
    apart = 3600 * separation((solution["ra_deg"], solution["dec_deg"]), (known.ra, known.dec))
    print(f"{solver} {file}: {apart:.2f} arcsec off, {found['attempts'][-1]['seconds']:.2f} s")
    return apart


@pytest.mark.parametrize("file", ["ngc4535-autofocus3.fits", "unsolved.fits", "HATP-32171220020912.FITS"])
def test_solve_field_solves_from_the_star_list(
    file: str, solve_field: str, real_data: Path, star_indexes: Path, tmp_path: Path
) -> None:
    assert off(solve_field, file, real_data, star_indexes, tmp_path) < 11


@pytest.mark.parametrize("file", ["ngc4535-autofocus3.fits", "unsolved.fits"])
def test_astap_solves_from_a_picture_of_the_stars(
    file: str, astap: str, real_data: Path, star_indexes: Path, tmp_path: Path
) -> None:
    assert off(astap, file, real_data, star_indexes, tmp_path) < 11
