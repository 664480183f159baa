"""From what is believed to what is possible."""

from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from pictor.astrometry.backends.protocol import Candidate, Failure, Hints, Limits, Reason, SolverInput
from pictor.astrometry.ladder import Rung, climb, most_telling, rungs
from pictor.imaging.astrometry.solution import Solution
from tests.support.starfields import projection

BELIEF = Hints(10.0, 20.0, 3.0, 0.9, 1.1)
FOUND = Candidate(projection().wcs)
NO_MATCH = Failure(Reason.NO_MATCH, "nothing")


@dataclass
class Stub:
    """A solver that answers from a list."""

    answers: list[Candidate | Failure]
    missing: Failure | None = None
    name: str = "stub"
    star_count: int = 10
    least_s: float = 0.1
    asked: list[Hints] = field(default_factory=list)
    allowed: list[Limits] = field(default_factory=list)

    def unavailable(self) -> Failure | None:
        return self.missing

    def solve(self, given: SolverInput, hints: Hints, limits: Limits) -> Candidate | Failure:
        del given
        assert limits.wall_s > 0
        self.asked.append(hints)
        self.allowed.append(limits)
        return self.answers.pop(0) if self.answers else NO_MATCH


@dataclass
class Frame:
    """A frame that refuses the first candidates."""

    refusals: int = 0

    def pick(self, count: int, *, cells: int, flagged: bool) -> SolverInput:
        del cells, flagged
        return SolverInput(np.ones((count, 3)), 3000, 2000, Path())

    def judge(self, candidate: Candidate, rung: Rung, solver: str) -> Solution | Failure:
        del candidate, rung, solver
        if self.refusals:
            self.refusals -= 1
            return Failure(Reason.NOT_VERIFIED, "refused")
        return "accepted"  # type: ignore[return-value]


def test_belief_comes_first_then_wider_then_blind() -> None:
    names = [rung.name for rung in rungs(BELIEF, 3000, 30.0)]
    assert names[:3] == ["hints", "all-sources", "wider-scale"]
    assert set(names[3:]) == {"blind"}


def test_the_rungs_share_the_time() -> None:
    assert sum(rung.wall_s for rung in rungs(BELIEF, 3000, 30.0)) == pytest.approx(30.0)
    assert sum(rung.wall_s for rung in rungs(Hints(), 3000, 30.0)) == pytest.approx(30.0)


def test_a_try_is_given_processor_time_and_waits_four_times_as_long_on_a_busy_machine() -> None:
    solver = Stub([])
    climb([solver], Frame(), BELIEF, 30.0)
    assert sum(limits.exact_s for limits in solver.allowed) == pytest.approx(30.0, rel=0.05)
    assert all(limits.wall_s == pytest.approx(4.0 * limits.exact_s) for limits in solver.allowed)
    short = Stub([])
    climb([short], Frame(), BELIEF, 0.3)
    assert all(limits.exact_s <= limits.wall_s <= 0.3 for limits in short.allowed)


def test_the_wider_rung_covers_twice_the_scale_both_ways() -> None:
    wider = next(rung.hints for rung in rungs(BELIEF, 3000, 30.0) if rung.name == "wider-scale")
    assert wider.scale_low is not None
    assert wider.scale_high is not None
    assert wider.scale_low < 0.5
    assert wider.scale_high > 2.0
    assert wider.radius_deg > BELIEF.radius_deg


def test_blind_rungs_know_no_position_and_cover_all_fields_without_a_gap() -> None:
    blind = [rung.hints for rung in rungs(BELIEF, 3600, 30.0) if rung.name == "blind"]
    assert all(hints.position is None for hints in blind)
    limits = sorted((hints.scale_low or 0, hints.scale_high or 0) for hints in blind)
    assert limits[0][0] == pytest.approx(0.05, rel=0.01)
    assert limits[-1][1] == pytest.approx(40.0, rel=0.01)
    assert all(a[1] == pytest.approx(b[0]) for a, b in pairwise(limits))


def test_the_parity_of_the_rig_is_kept_on_every_rung() -> None:
    assert all(rung.hints.parity == -1 for rung in rungs(Hints(parity=-1), 3000, 30.0))


def test_the_first_accepted_candidate_ends_the_climb() -> None:
    solver = Stub([NO_MATCH, FOUND, FOUND])
    found = climb([solver], Frame(), BELIEF, 30.0)
    assert found.accepted == "accepted"
    assert [attempt.outcome for attempt in found.attempts] == ["no-match", "solved"]
    assert len(solver.asked) == 2


def test_a_refused_candidate_does_not_end_the_climb() -> None:
    found = climb([Stub([FOUND, FOUND])], Frame(refusals=1), BELIEF, 30.0)
    assert [attempt.outcome for attempt in found.attempts] == ["not-verified", "solved"]
    assert found.accepted == "accepted"


def test_the_next_back_end_is_tried_when_the_first_fails_or_is_missing() -> None:
    missing = Stub([], missing=Failure(Reason.SOLVER_UNAVAILABLE, "install it"), name="gone")
    found = climb([missing, Stub([], name="weak"), Stub([FOUND], name="strong")], Frame(), BELIEF, 30.0)
    assert found.accepted == "accepted"
    solvers = [attempt.solver for attempt in found.attempts]
    assert solvers[0] == "gone"
    assert solvers[-1] == "strong"
    assert "weak" in solvers


def test_every_try_is_logged_with_its_time_and_outcome() -> None:
    found = climb([Stub([])], Frame(), BELIEF, 30.0)
    assert found.accepted is None
    assert found.failure == NO_MATCH
    assert len(found.attempts) == 2 * len(rungs(BELIEF, 3000, 30.0))
    assert all(attempt.seconds >= 0 and attempt.message == "nothing" for attempt in found.attempts)


def test_every_rung_is_tried_again_with_more_time_but_not_without_an_index() -> None:
    no_index = Failure(Reason.NO_INDEX_FOR_SCALE, "no index")
    count = len(rungs(BELIEF, 3000, 30.0))
    found = climb([Stub([no_index] + [NO_MATCH] * (count - 1) + [FOUND])], Frame(), BELIEF, 30.0)
    assert found.accepted == "accepted"
    assert [attempt.rung for attempt in found.attempts].count("hints") == 1
    assert [attempt.rung for attempt in found.attempts][-1] == "all-sources"


def test_no_time_is_a_time_limit() -> None:
    found = climb([Stub([FOUND])], Frame(), BELIEF, 0.01)
    assert found.failure is not None
    assert found.failure.reason is Reason.TIME_LIMIT


def test_the_frame_explains_a_failure_better_than_the_solver() -> None:
    failures = [Failure(Reason.SOLVER_UNAVAILABLE, ""), NO_MATCH, Failure(Reason.TIME_LIMIT, "")]
    assert most_telling(failures) == NO_MATCH
    assert most_telling([]).reason is Reason.NOT_CONFIGURED
