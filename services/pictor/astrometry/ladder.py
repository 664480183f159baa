"""The order in which a field is looked for: from what is believed to what is possible."""

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from pictor.astrometry.backends.protocol import Candidate, Failure, Hints, Limits, Reason, Solver, SolverInput
from pictor.imaging.astrometry.solution import Solution as Accepted

_WIDER_SCALE = 2.5
"""A wrong focal reducer, a Barlow lens or forgotten binning changes the scale by up to this."""
_WIDER_RADIUS_DEG = 15.0
_BANDS_DEG = ((0.25, 1.0), (1.0, 4.0), (4.0, 40.0), (0.05, 0.25))
"""Field widths looked for when nothing is known, the usual ones first."""
_SHARES = {"hints": 3.0, "all-sources": 1.0, "wider-scale": 3.0, "blind": 3.0}
_FIRST_SOLVER_SHARE = 0.6
"""Part of the time for the first back end when there are others."""
_PASSES = ((0.2, 2), (0.8, 9))
"""Share of the time, and cells the stars are spread over. A field that can be found is found in milliseconds, so
every rung is tried briefly first; the second time with a list that no cluster or nebula can use up."""
_SHORTEST_S = 0.05
_PATIENCE = 4.0
"""A try may last so many times the processor time it is given: what a busy machine makes it wait for does not count."""
_TELLING = (
    Reason.NOT_VERIFIED,
    Reason.CLOUDED,
    Reason.TRAILED,
    Reason.NO_MATCH,
    Reason.TIME_LIMIT,
    Reason.TOO_FEW_STARS,
    Reason.UNREADABLE,
    Reason.SOLVER_GARBAGE,
    Reason.SOLVER_OUTPUT,
    Reason.SOLVER_SILENT,
    Reason.SOLVER_CRASH,
    Reason.NO_INDEX_FOR_SCALE,
    Reason.NOT_CONFIGURED,
    Reason.SOLVER_UNAVAILABLE,
)
_NOTHING_TRIED = Failure(Reason.NOT_CONFIGURED, "no plate solver is chosen in the settings (PICTOR_SOLVERS)")


@dataclass(frozen=True, slots=True)
class Rung:
    """One try: how it is called, with what belief, whether flagged sources count as stars, and how long."""

    name: str
    hints: Hints
    wall_s: float
    flagged: bool = False


@dataclass(frozen=True, slots=True)
class Attempt:
    """What one try did."""

    rung: str
    solver: str
    seconds: float
    outcome: str
    message: str


def rungs(hints: Hints, width: int, wall_s: float) -> tuple[Rung, ...]:
    """Plan the tries of one back end.

    Parameters
    ----------
    hints
        What is believed.
    width
        Longest side of the frame, in pixels.
    wall_s
        Time for all tries, in seconds.

    Returns
    -------
    tuple
        The tries in order: as believed (if anything is), the same with flagged
        sources, with wider scale and radius, and blind in bands of the field's width.
    """
    blind = [_band(replace(hints, ra_deg=None, dec_deg=None), band, width) for band in _BANDS_DEG]
    plan = [("blind", belief) for belief in blind]
    if hints.scale_low is not None and hints.scale_high is not None:
        wider = replace(
            hints,
            scale_low=hints.scale_low / _WIDER_SCALE,
            scale_high=hints.scale_high * _WIDER_SCALE,
            radius_deg=max(_WIDER_RADIUS_DEG, hints.radius_deg),
        )
        plan = [("hints", hints), ("all-sources", hints), ("wider-scale", wider), *plan]
    elif hints.position is not None:
        plan = [("hints", _band(hints, band, width)) for band in _BANDS_DEG] + plan
    total = sum(_SHARES[name] for name, _ in plan)
    return tuple(
        Rung(name, belief, wall_s * _SHARES[name] / total, flagged=name == "all-sources") for name, belief in plan
    )


@dataclass(frozen=True, slots=True)
class Climb:
    """What all tries came to: what was accepted or why nothing was, and the tries."""

    accepted: Accepted | None
    failure: Failure | None
    attempts: tuple[Attempt, ...]


class Frame(Protocol):
    """What the ladder asks of the frame."""

    def pick(self, count: int, *, cells: int, flagged: bool) -> SolverInput:
        """Pick this many stars at most, spread over cells of the frame; ``flagged`` sources too if asked."""
        ...

    def judge(self, candidate: Candidate, rung: Rung, solver: str) -> Accepted | Failure:
        """Refit and verify a candidate, or say why not."""
        ...


def climb(solvers: Sequence[Solver], frame: Frame, hints: Hints, wall_s: float) -> Climb:
    """Try back end after back end, rung after rung, until a candidate is accepted.

    Parameters
    ----------
    solvers
        Back ends in the order they are tried.
    frame
        Chooses the stars, refits and verifies.
    hints
        What is believed.
    wall_s
        Time for everything, in seconds.

    Returns
    -------
    Climb
        The first accepted solution, or the most telling failure.
    """
    attempts: list[Attempt] = []
    failures: list[Failure] = []
    deadline = time.monotonic() + wall_s
    for place, solver in enumerate(solvers):
        missing = solver.unavailable()
        if missing is not None:
            attempts.append(Attempt("available", solver.name, 0.0, missing.reason.value, missing.message))
            failures.append(missing)
            continue
        share = 1.0 if place == len(solvers) - 1 else _FIRST_SOLVER_SHARE
        until = time.monotonic() + (deadline - time.monotonic()) * share
        for done, failed in _tries(solver, frame, hints, until):
            attempts.append(done)
            if not isinstance(failed, Failure):
                return Climb(failed, None, tuple(attempts))
            failures.append(failed)
    return Climb(None, most_telling(failures), tuple(attempts))


def most_telling(failures: Sequence[Failure]) -> Failure:
    """Choose the failure a person should read: what keeps solvers from working comes last."""
    order = {reason: place for place, reason in enumerate(_TELLING)}
    return min(failures, key=lambda failure: order[failure.reason], default=_NOTHING_TRIED)


def _tries(solver: Solver, frame: Frame, hints: Hints, until: float) -> Iterator[tuple[Attempt, Accepted | Failure]]:
    """Go up the rungs briefly, then again with more time and another choice of stars."""
    given = frame.pick(1, cells=1, flagged=False)
    total = until - time.monotonic()
    unfinished = rungs(hints, max(given.width, given.height), total)
    for share, cells in _PASSES:
        again: list[Rung] = []
        for rung in unfinished:
            search_s, left = max(rung.wall_s * share, solver.least_s), until - time.monotonic()
            given = frame.pick(solver.star_count, cells=cells, flagged=rung.flagged)
            limits = Limits(wall_s=min(_PATIENCE * search_s, left), search_s=min(search_s, left))
            done, result = _try(solver, frame, rung, given, limits)
            yield done, result
            if not isinstance(result, Failure):
                return
            if result.reason is not Reason.NO_INDEX_FOR_SCALE:
                again.append(rung)
        unfinished = tuple(again)


def _try(
    solver: Solver, frame: Frame, rung: Rung, given: SolverInput, limits: Limits
) -> tuple[Attempt, Accepted | Failure]:
    """Ask a solver once and judge its answer."""
    began = time.monotonic()
    result: Candidate | Accepted | Failure = Failure(Reason.TIME_LIMIT, "no time was left for this try")
    if limits.wall_s >= _SHORTEST_S:
        result = solver.solve(given, rung.hints, limits)
    if isinstance(result, Candidate):
        result = frame.judge(result, rung, solver.name)
    seconds = round(time.monotonic() - began, 4)
    if isinstance(result, Failure):
        return Attempt(rung.name, solver.name, seconds, result.reason.value, result.message), result
    return Attempt(rung.name, solver.name, seconds, "solved", ""), result


def _band(hints: Hints, field_deg: tuple[float, float], width: int) -> Hints:
    """Limit the scale so that the frame is between two angles wide."""
    low, high = (math.radians(side) * 206264.8 / width for side in field_deg)
    return replace(hints, scale_low=low, scale_high=high)
