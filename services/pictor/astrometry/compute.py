"""Plate solving in the pixel child: JSON values in, JSON values out."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from pictor.astrometry.backends.astap import AstapSolver
from pictor.astrometry.backends.engine import EngineSolver
from pictor.astrometry.backends.protocol import Candidate, Failure, Hints, Reason, Solver, SolverInput
from pictor.astrometry.backends.solve_field import SolveFieldSolver
from pictor.astrometry.brightness import photometry
from pictor.astrometry.indexes import Index, installed, sample_folder
from pictor.astrometry.judgement import FEWEST_STARS, Field, explain, judge
from pictor.astrometry.ladder import Climb, Rung, climb
from pictor.imaging.astrometry.solution import Solution, wcs_cards
from pictor.imaging.astrometry.stars import FieldStars, every_source, field_stars, spread
from pictor.imaging.stars.starlist import StarFlag, StarList

BY_INDEX = frozenset({"engine", "solve-field"})
"""Solvers that search the installed star indexes."""

_SCALE_ERROR = 0.1
_STILL_A_STAR = int(StarFlag.SATURATED | StarFlag.BLENDED)
"""Catalogue stars are bright: saturated ones are often the only ones both lists have."""


def solve(
    stars_path: str,
    scratch: str,
    *,
    position: Sequence[float] | None = None,
    radius_deg: float = 3.0,
    scale_arcsec: float | None = None,
    parity: int | None = None,
    target: Sequence[float] | None = None,
    mount: Sequence[float] | None = None,
    index_dirs: Sequence[str] = (),
    solvers: Sequence[str] = ("engine",),
    astap_database: str | None = None,
    wall_s: float = 30.0,
    exposure_s: float | None = None,
    background_adu: float | None = None,
    pedestal_removed: bool = False,
) -> dict[str, Any]:
    """Solve a frame from its star list.

    Parameters
    ----------
    stars_path
        Star list written by ``StarList.to_fits``.
    scratch
        Folder for the solvers' files.
    position, radius_deg
        Where the frame is believed to look at, ICRS degrees, and how far off that may be.
    scale_arcsec
        Believed pixel scale, within a tenth.
    parity
        Parity of the rig's frames when known: +1 as seen, -1 mirrored.
    target, mount
        Positions the centre is compared with, ICRS degrees.
    index_dirs
        Folders of star indexes; the sample index is always added.
    solvers
        Back ends in the order they are tried: ``engine``, ``astap``, ``solve-field``.
    astap_database
        Folder of the ASTAP star database.
    wall_s
        Time for everything, in seconds.
    exposure_s
        Exposure time, in seconds; None measures no photometry.
    background_adu
        Measured background, in ADU per pixel.
    pedestal_removed
        Whether the background is above the pedestal, because a dark was subtracted.

    Returns
    -------
    dict
        ``solution`` (None when unsolved), ``cards``, ``reason`` and ``message`` (None
        when solved), ``attempts``, ``star_count``, ``photometry`` (None where it is not known).

    Raises
    ------
    UnreadableFrameError
        If the file holds no star list.
    """
    listed = StarList.from_fits(stars_path)
    field = _field(listed, target, mount)
    folders = _folders(index_dirs)
    indexes = installed(folders)
    hints = _hints(position, radius_deg, scale_arcsec, parity)
    backends = _backends(solvers, folders, astap_database)
    found = _search(_Frame(field, Path(scratch), indexes), hints, backends, wall_s)
    light = None
    if found.accepted is not None and exposure_s:
        sky = background_adu if pedestal_removed else None
        light = photometry(listed, found.accepted, indexes, exposure_s=exposure_s, sky_adu=sky)
    failure = None
    if found.failure is not None:
        failure = explain(found.failure, field, hints, indexes, by_index=bool(BY_INDEX & set(solvers)))
    return _result(found, field, failure) | {"photometry": light}


@dataclass(frozen=True, slots=True, eq=False)
class _Frame:
    """The frame as the ladder sees it."""

    field: Field
    scratch: Path
    indexes: Sequence[Index]

    def pick(self, count: int, *, cells: int, flagged: bool) -> SolverInput:
        """Pick stars spread over the frame."""
        stars = every_source(self.field.stars) if flagged else self.field.stars
        return SolverInput(spread(stars, count, cells=cells), stars.width, stars.height, self.scratch)

    def judge(self, candidate: Candidate, rung: Rung, solver: str) -> Solution | Failure:
        """Refit and verify."""
        field = replace(self.field, stars=every_source(self.field.stars)) if rung.flagged else self.field
        return judge(candidate, field, rung.hints, _versioned(solver), self.indexes)


def _search(frame: _Frame, hints: Hints, backends: Sequence[Solver], wall_s: float) -> Climb:
    usable = int(np.sum(frame.field.stars.clean))
    if usable < FEWEST_STARS:
        few = f"{usable} stars were found; at least {FEWEST_STARS} are needed to find a position"
        return Climb(None, Failure(Reason.TOO_FEW_STARS, few), ())
    return climb(backends, frame, hints, wall_s)


def _result(found: Climb, field: Field, failure: Failure | None) -> dict[str, Any]:
    return {
        "solution": None if found.accepted is None else solution_values(found.accepted),
        "cards": [] if found.accepted is None else [list(card) for card in wcs_cards(found.accepted)],
        "reason": None if failure is None else failure.reason.value,
        "message": None if failure is None else failure.message,
        "attempts": [asdict(attempt) for attempt in found.attempts],
        "star_count": int(np.sum(field.stars.clean)),
    }


def solution_values(solution: Solution) -> dict[str, Any]:
    """Write a solution as JSON values, with the names of the contract."""
    values = asdict(solution)
    source = values.pop("source")
    return values | {
        "solver": source["solver"],
        "index": source["index"],
        "log_odds": source["log_odds"],
        "healpix": solution.healpix29,
        "sip_order": solution.sip_order,
    }


def _field(listed: StarList, target: Sequence[float] | None, mount: Sequence[float] | None) -> Field:
    stars = _field_stars(listed)
    shapes = listed.eccentricity[listed.is_star]
    shapes = shapes[np.isfinite(shapes)]
    eccentricity = float(np.median(shapes)) if len(shapes) else None
    return Field(stars, eccentricity, _point(target), _point(mount))


def _field_stars(listed: StarList) -> FieldStars:
    height, width = listed.shape
    flags = np.asarray(listed.flags & ~_STILL_A_STAR, dtype=np.float64)
    return field_stars(listed.x + 1, listed.y + 1, listed.flux, flags=flags, width=width, height=height)


def _hints(position: Sequence[float] | None, radius_deg: float, scale: float | None, parity: int | None) -> Hints:
    point = _point(position)
    return Hints(
        ra_deg=point[0] if point else None,
        dec_deg=point[1] if point else None,
        radius_deg=radius_deg,
        scale_low=scale * (1 - _SCALE_ERROR) if scale else None,
        scale_high=scale * (1 + _SCALE_ERROR) if scale else None,
        parity=parity,
    )


def _point(values: Sequence[float] | None) -> tuple[float, float] | None:
    """Take a position only if it is one: headers hold impossible ones."""
    if values is None or not -90 <= values[1] <= 90 or not 0 <= values[0] <= 360:
        return None
    return values[0] % 360.0, values[1]


def _folders(index_dirs: Sequence[str]) -> tuple[Path, ...]:
    sample = sample_folder()
    return (*(Path(folder) for folder in index_dirs), *([sample] if sample else []))


def _backends(names: Sequence[str], folders: tuple[Path, ...], astap_database: str | None) -> list[Solver]:
    known: dict[str, Solver] = {
        "engine": EngineSolver(folders),
        "astap": AstapSolver(Path(astap_database) if astap_database else None),
        "solve-field": SolveFieldSolver(folders),
    }
    return [known[name] for name in names if name in known]


def _versioned(solver: str) -> str:
    if solver != "engine":
        return solver
    try:
        return f"engine {version('astrometry')}"
    except PackageNotFoundError:
        return solver
