"""Plate solving as a library: a star list or a frame in, a verified solution or the reason for none out.

The engine itself is a program of its own (GPL) that is started when first needed and kept, with the star indexes it
has opened, for all frames of one process.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from pictor.astrometry.backends.astap import AstapSolver
from pictor.astrometry.backends.engine import EngineSolver
from pictor.astrometry.backends.protocol import Candidate, Failure, Hints, Reason, Solver, SolverInput
from pictor.astrometry.backends.solve_field import SolveFieldSolver
from pictor.astrometry.indexes import Index, installed, sample_folder
from pictor.astrometry.judgement import FEWEST_STARS, Field, explain, judge
from pictor.astrometry.ladder import Attempt, Climb, Rung, climb
from pictor.imaging.astrometry.geometry import SkyPoint
from pictor.imaging.astrometry.solution import Solution
from pictor.imaging.astrometry.stars import FieldStars, every_source, field_stars, spread
from pictor.imaging.scratch import scratch_folder
from pictor.imaging.stars.starlist import StarFlag, StarList

BY_INDEX = frozenset({"engine", "solve-field"})
"""Solvers that search the installed star indexes."""
SOLVERS = ("engine", "astap", "solve-field")

_SCALE_ERROR = 0.1
_STILL_A_STAR = int(StarFlag.SATURATED | StarFlag.BLENDED)
"""Catalogue stars are bright: saturated ones are often the only ones both lists have."""


@dataclass(frozen=True, slots=True)
class Belief:
    """What is believed about a frame before it is solved; None where nothing is.

    Parameters
    ----------
    position, radius_deg
        Where it looks at, ICRS degrees, and how far off that may be.
    scale_arcsec
        Pixel scale, within a tenth.
    parity
        +1 as seen on the sky, -1 mirrored.
    target, mount
        Positions the centre is compared with, ICRS degrees; they are no hints.
    """

    position: SkyPoint | None = None
    radius_deg: float = 3.0
    scale_arcsec: float | None = None
    parity: int | None = None
    target: SkyPoint | None = None
    mount: SkyPoint | None = None


@dataclass(frozen=True, slots=True)
class Means:
    """What a frame is solved with.

    Parameters
    ----------
    index_dirs
        Folders of star indexes; the sample index is always added.
    solvers
        Back ends in the order they are tried: ``engine``, ``astap``, ``solve-field``.
    astap_database
        Folder of the ASTAP star database.
    wall_s
        Time for everything, in seconds.
    """

    index_dirs: tuple[Path, ...] = ()
    solvers: tuple[str, ...] = ("engine",)
    astap_database: Path | None = None
    wall_s: float = 30.0

    def indexes(self) -> tuple[Index, ...]:
        """Find the usable star indexes, finest patterns first."""
        return installed(_folders(self))


@dataclass(frozen=True, slots=True, eq=False)
class Solved:
    """What became of a frame: a solution, or the failure a person should read; and the tries that led there."""

    solution: Solution | None
    failure: Failure | None
    attempts: tuple[Attempt, ...]
    star_count: int


_NOTHING_BELIEVED = Belief()
_USUAL_MEANS = Means()


def solve_stars(
    stars: StarList,
    belief: Belief = _NOTHING_BELIEVED,
    means: Means = _USUAL_MEANS,
    *,
    scratch: Path | None = None,
) -> Solved:
    """Find where a frame looks at from the list of its stars.

    Parameters
    ----------
    stars
        Sources of the frame, as `pictor.imaging.find_stars` gives them.
    belief
        What is known beforehand; without any of it the search is blind.
    means
        Star indexes, back ends and time.
    scratch
        Folder for the files of the back ends; None makes a passing one.

    Returns
    -------
    Solved
        A solution stands only when it was refitted over all catalogue stars of the field and verified.

    Raises
    ------
    ValueError
        If a back end is none of those there are.

    Examples
    --------
    >>> import numpy as np
    >>> solve_stars(StarList.empty((1000, 1500))).failure.reason.value
    'too-few-stars'
    """
    unknown = [name for name in means.solvers if name not in SOLVERS]
    if unknown:
        raise ValueError(f"solver {unknown[0]!r} is none of {', '.join(SOLVERS)}")
    if scratch is None:
        with scratch_folder() as folder:
            return solve_stars(stars, belief, means, scratch=folder)
    field = _field(stars, belief)
    hints, indexes = _hints(belief), means.indexes()
    found = _search(_Frame(field, scratch, indexes), hints, _backends(means), means.wall_s)
    failure = found.failure
    if failure is not None:
        failure = explain(failure, field, hints, indexes, by_index=bool(BY_INDEX & set(means.solvers)))
    return Solved(found.accepted, failure, found.attempts, int(np.sum(field.stars.clean)))


def solve_frame(
    frame: Any,  # noqa: ANN401 - Frame, NDData or array
    belief: Belief | None = None,
    means: Means = _USUAL_MEANS,
) -> Solved:
    """Find the stars of a frame and where it looks at.

    Parameters
    ----------
    frame
        A `pictor.imaging.Frame`, an NDData or CCDData, or an array of shape (ny, nx) or (planes, ny, nx).
    belief
        What is known beforehand; None reads it from the header.
    means
        Star indexes, back ends and time.

    Returns
    -------
    Solved
        As `solve_stars` gives it.

    Raises
    ------
    FrameMismatchError
        If the frame is no image.
    """
    from pictor.astrometry.believing import belief_of  # noqa: PLC0415 - believing imports this module
    from pictor.imaging.frame import Frame  # noqa: PLC0415 - pixels are not needed for lists
    from pictor.imaging.stars.measuring import measure_stars  # noqa: PLC0415

    taken = Frame.from_nddata(frame)
    known = belief_of(taken.header, taken.shape) if belief is None else belief
    return solve_stars(measure_stars(taken), known, means)


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


def _field(listed: StarList, belief: Belief) -> Field:
    height, width = listed.shape
    flags = np.asarray(listed.flags & ~_STILL_A_STAR, dtype=np.float64)
    stars: FieldStars = field_stars(listed.x + 1, listed.y + 1, listed.flux, flags=flags, width=width, height=height)
    shapes = listed.eccentricity[listed.is_star]
    shapes = shapes[np.isfinite(shapes)]
    eccentricity = float(np.median(shapes)) if len(shapes) else None
    return Field(stars, eccentricity, point(belief.target), point(belief.mount))


def _hints(belief: Belief) -> Hints:
    where, scale = point(belief.position), belief.scale_arcsec
    return Hints(
        ra_deg=where[0] if where else None,
        dec_deg=where[1] if where else None,
        radius_deg=belief.radius_deg,
        scale_low=scale * (1 - _SCALE_ERROR) if scale else None,
        scale_high=scale * (1 + _SCALE_ERROR) if scale else None,
        parity=belief.parity,
    )


def point(values: Sequence[float] | None) -> SkyPoint | None:
    """Take a position only if it is one: headers hold impossible ones."""
    if values is None or not all(map(math.isfinite, values)):
        return None
    if not -90 <= values[1] <= 90 or not 0 <= values[0] <= 360:
        return None
    return values[0] % 360.0, values[1]


def _folders(means: Means) -> tuple[Path, ...]:
    sample = sample_folder()
    return (*means.index_dirs, *([sample] if sample else []))


def _backends(means: Means) -> list[Solver]:
    folders = _folders(means)
    known: dict[str, Solver] = {
        "engine": EngineSolver(folders),
        "astap": AstapSolver(means.astap_database),
        "solve-field": SolveFieldSolver(folders),
    }
    return [known[name] for name in means.solvers]


@lru_cache
def _versioned(solver: str) -> str:
    if solver != "engine":
        return solver
    try:
        return f"engine {version('astrometry')}"
    except PackageNotFoundError:
        return solver
