"""What every plate solver is asked and what it may answer."""

from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Protocol, Self

from pictor.imaging.astrometry.projection import Floats, Wcs


class Reason(StrEnum):
    """Why a frame has no solution."""

    TOO_FEW_STARS = "too-few-stars"
    CLOUDED = "clouded"
    TRAILED = "trailed"
    NO_INDEX_FOR_SCALE = "no-index-for-scale"
    TIME_LIMIT = "time-limit"
    SOLVER_CRASH = "solver-crash"
    """It ended by a signal, or with a code that means nothing."""
    SOLVER_SILENT = "solver-silent"
    """It ended well and left no result."""
    SOLVER_GARBAGE = "solver-garbage"
    """Its result cannot be true."""
    SOLVER_OUTPUT = "solver-output"
    """It printed or wrote more than it may."""
    UNREADABLE = "unreadable"
    """It could not read what it was given."""
    NO_MATCH = "no-match"
    NOT_VERIFIED = "not-verified"
    SOLVER_UNAVAILABLE = "solver-unavailable"
    NOT_CONFIGURED = "not-configured"


@dataclass(frozen=True, slots=True)
class Hints:
    """What is believed about a frame: position in degrees, scale in arcsec per pixel, parity."""

    ra_deg: float | None = None
    dec_deg: float | None = None
    radius_deg: float = 3.0
    scale_low: float | None = None
    scale_high: float | None = None
    parity: int | None = None

    @property
    def position(self) -> tuple[float, float] | None:
        """Where the frame is believed to look at."""
        return None if self.ra_deg is None or self.dec_deg is None else (self.ra_deg, self.dec_deg)


@dataclass(frozen=True, slots=True, eq=False)
class SolverInput:
    """Stars for a solver: x, y, flux of shape (n, 3), FITS pixels, best first; and the frame's size."""

    stars: Floats
    width: int
    height: int
    scratch: Path


@dataclass(frozen=True, slots=True)
class Limits:
    """What one try may use; ``search_s`` is processor time, as much as the wall time if it is not told."""

    wall_s: float = 10.0
    search_s: float | None = None
    memory_bytes: int = 1536 * 1024**2
    file_bytes: int = 64 * 1024**2
    output_bytes: int = 1024**2

    @property
    def cpu_s(self) -> int:
        """Processor seconds, rounded up, for limits that know whole ones alone."""
        return int(self.exact_s) + 1

    @property
    def exact_s(self) -> float:
        """Processor seconds a search may take."""
        return self.wall_s if self.search_s is None else self.search_s

    def part(self, share: float) -> Self:
        """Give a share of the time."""
        return replace(self, wall_s=self.wall_s * share, search_s=self.exact_s * share)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A solver's claim, not verified yet."""

    wcs: Wcs
    index: str | None = None
    log_odds: float | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a try gave nothing; ``message`` is a sentence."""

    reason: Reason
    message: str = field(default="")


class Solver(Protocol):
    """A plate solver."""

    @property
    def name(self) -> str:
        """Short name, as in the settings."""
        ...

    @property
    def star_count(self) -> int:
        """Stars it should be given at most."""
        ...

    @property
    def least_s(self) -> float:
        """Seconds below which a try is of no use."""
        ...

    def unavailable(self) -> Failure | None:
        """Say why this solver cannot work here, or None."""
        ...

    def solve(self, given: SolverInput, hints: Hints, limits: Limits) -> Candidate | Failure:
        """Look for the field."""
        ...
