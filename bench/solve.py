"""Plate solving against its peers, on synthetic fields of Tycho-2 stars: one JSON line per measurement.

Usage: python bench/solve.py [INDEX_DIR]; without a folder the sample index is used. Peers that are not
installed are left out. Times are medians of warm runs; both sides start from the same star list, and ours
includes the refit over all stars and the verification.
"""

import json
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from pictor.astrometry.backends.engine import EngineSolver
from pictor.astrometry.backends.protocol import Candidate, Hints, Limits, Solver, SolverInput
from pictor.astrometry.backends.solve_field import SolveFieldSolver
from pictor.astrometry.compute import solve
from pictor.astrometry.indexes import installed, sample_folder
from pictor.astrometry.judgement import Field, judge
from pictor.imaging.astrometry.projection import Wcs, pixel_to_sky, sky_to_pixel
from pictor.imaging.astrometry.solution import Solution
from pictor.imaging.astrometry.stars import FieldStars, field_stars, spread
from pictor.imaging.simulator.fields import stars_near
from pictor.imaging.stars.starlist import StarList

RUNS = 7
CENTRE = (314.9, 44.3)
SIZES = {"4 MP": (2328, 1760, 1.5), "24 MP": (6000, 4000, 0.75), "61 MP": (9576, 6388, 0.5)}


def frame(width: int, height: int, scale: float) -> tuple[FieldStars, Wcs]:
    """Stars of a frame with 0.1 px noise, and its true projection."""
    rng = np.random.default_rng(1)
    step = scale / 3600
    truth = Wcs(CENTRE, ((width + 1) / 2, (height + 1) / 2), ((-step, 0.0), (0.0, step)))
    table = stars_near(*CENTRE, scale * float(np.hypot(width, height)) / 7200, faintest=14.0)
    x, y = sky_to_pixel(truth, table.ra_deg, table.dec_deg)
    flux = 10 ** (-0.4 * (table.mag - 14))
    x, y = x + rng.normal(0, 0.1, len(x)), y + rng.normal(0, 0.1, len(y))
    return field_stars(x, y, flux, flags=np.zeros(len(x)), width=width, height=height), truth


def median_seconds(work: Callable[[], object]) -> float:
    work()
    times = []
    for _ in range(RUNS):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def solved(solver: Solver, stars: FieldStars, hints: Hints, folders: tuple[Path, ...], scratch: Path) -> Wcs:
    given = SolverInput(spread(stars, solver.star_count), stars.width, stars.height, scratch)
    found = solver.solve(given, hints, Limits(wall_s=60))
    assert isinstance(found, Candidate), found
    solution = judge(found, Field(stars, None, None, None), hints, solver.name, installed(folders))
    assert isinstance(solution, Solution), solution
    return solution.wcs


def corner_error(wcs: Wcs, truth: Wcs, width: int, height: int) -> float:
    x, y = (side.ravel() for side in np.meshgrid([1.0, width], [1.0, height]))
    back = sky_to_pixel(truth, *pixel_to_sky(wcs, x, y))
    return float(np.max(np.hypot(back[0] - x, back[1] - y)))


def report(name: str, ours: float, peer: float | None, **more: float) -> None:
    ratio = None if peer is None else round(ours / peer, 4)
    rounded = {key: round(value, 4) for key, value in more.items()}
    print(
        json.dumps({"name": name, "ours": round(ours, 5), "peer": peer and round(peer, 4), "ratio": ratio, **rounded})
    )


def measure(name: str, folders: tuple[Path, ...], scratch: Path) -> None:
    width, height, scale = SIZES[name]
    stars, truth = frame(width, height, scale)
    hinted = Hints(*CENTRE, 3.0, scale * 0.9, scale * 1.1)
    engine, field = EngineSolver(folders), SolveFieldSolver(folders)
    peer = None
    if field.unavailable() is None:
        given = SolverInput(spread(stars, field.star_count), width, height, scratch)
        peer = median_seconds(lambda: field.solve(given, hinted, Limits(wall_s=60)))
    cases = {
        "hinted": hinted,
        "pointing 2 deg off": Hints(CENTRE[0], CENTRE[1] + 2, 3.0, scale * 0.9, scale * 1.1),
        "no position": Hints(scale_low=scale * 0.9, scale_high=scale * 1.1),
    }
    for case, hints in cases.items():
        wcs = solved(engine, stars, hints, folders, scratch)
        work = partial(solved, engine, stars, hints, folders, scratch)
        seconds, began = median_seconds(work), time.process_time()
        for _ in range(RUNS):
            work()
        cpu_ms = (time.process_time() - began) / RUNS * 1e3
        error = corner_error(wcs, truth, width, height)
        report(
            f"solve and refit {name}, {case}, s (peer: solve-field, star list)", seconds, peer, corner_error_px=error,
            cpu_ms=cpu_ms,
        )  # fmt: skip
    path = scratch / "stars.fits"
    nothing = np.ones(len(stars.x))
    StarList(
        stars.x - 1, stars.y - 1, stars.flux, *(nothing,) * 8, (0 * nothing).astype(np.int32), (height, width)
    ).to_fits(path)
    whole = median_seconds(
        lambda: solve(
            str(path), str(scratch), position=CENTRE, scale_arcsec=scale, index_dirs=[str(f) for f in folders]
        )
    )
    report(f"star list file to solution and cards {name}, s (peer: solve-field, star list)", whole, peer)


def main() -> None:
    sample = sample_folder()
    folders = (Path(sys.argv[1]),) if len(sys.argv) > 1 else (sample,) if sample else ()
    with TemporaryDirectory() as scratch:
        for name in SIZES:
            measure(name, folders, Path(scratch))


if __name__ == "__main__":
    main()
