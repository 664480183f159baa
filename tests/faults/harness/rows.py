"""One row of the fault catalogue: which fault, how injected, and how long the system took to be whole again."""

import json
import os
import time
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.support.installation import Api, pictor

PROCESSORS = os.cpu_count() or 1
MOST_PATIENCE = 4.0
POLL_S = 0.5


def fault(number: str, how: str, *, limit_s: float, core: bool = False) -> pytest.MarkDecorator:
    """Mark a test as (one run of) a row of the catalogue.

    Parameters
    ----------
    number
        Row of the catalogue, F1 to F67.
    how
        How the fault is injected here.
    limit_s
        Seconds, from the end of the fault, until everything must be whole on an idle machine.
    core
        Whether the row is part of every test run.
    """
    return pytest.mark.fault(number=number, how=how, limit_s=limit_s, core=core)


def load_factor() -> float:
    """Return by how much a limit is stretched now: the load of the machine per processor, 1 to 4."""
    return min(MOST_PATIENCE, max(1.0, os.getloadavg()[0] / PROCESSORS))


@dataclass
class Row:
    """A row under test."""

    number: str
    limit_s: float
    seconds: float | None = None
    factor: float = 1.0
    reason: str | None = None
    """Why it could not be injected here."""
    notes: list[str] = field(default_factory=list)
    _over: float = field(default_factory=time.monotonic)

    def over(self) -> None:
        """Say that the fault has ended: from here on the system recovers."""
        self._over = time.monotonic()

    def note(self, sentence: str) -> None:
        """Add a measured figure to the row."""
        self.notes.append(sentence)
        print(f"{self.number}: {sentence}")

    def cannot(self, reason: str) -> None:
        """Say why this fault cannot be injected on this machine; the table names it, the test ends."""
        self.reason = reason
        pytest.skip(f"{self.number} cannot be injected here: {reason}")

    @property
    def left_s(self) -> float:
        """Seconds until everything must be whole."""
        self.factor = max(self.factor, load_factor())
        return self.limit_s * self.factor - (time.monotonic() - self._over)

    def converges(self, flow: Api, *, allowed: tuple[str, ...] = ()) -> dict[str, Any]:
        """Wait until no job is open and ``pictor check --deep`` finds nothing but what is allowed.

        Parameters
        ----------
        flow
            The installation.
        allowed
            Words of findings that belong to the fault (an object the test itself removed).
        """
        print(f"{self.number}: load {os.getloadavg()[0]:.1f}, limit {self.limit_s:g} s x {load_factor():.1f}")
        while (open_now := _open(flow)) != 0:
            assert self.left_s > 0, f"open after {self.limit_s:g} s x {self.factor:.1f}: {open_now} jobs"
            time.sleep(POLL_S)
        while True:
            self.seconds = time.monotonic() - self._over
            report = checked(flow)
            broken = offenders(report, allowed)
            if not broken:
                print(f"{self.number}: whole after {self.seconds:.1f} s")
                return report
            assert self.left_s > 0, f"pictor check --deep: {broken}"
            time.sleep(POLL_S)


def _open(flow: Api) -> int | str:
    """Count what has not ended: open jobs; an answer of the gateway that says so itself is waited out."""
    try:
        counts = [flow.client.get("/jobs", params={"state": state, "limit": 1}) for state in ("pending", "running")]
    except OSError as error:
        return repr(error)
    except Exception as error:  # noqa: BLE001 - the gateway may just be starting again
        return repr(error)
    if not all(one.is_success for one in counts):
        return f"the gateway answers {[one.status_code for one in counts]}"
    return sum(one.json()["total"] for one in counts)


def checked(flow: Api) -> dict[str, Any]:
    """Run ``pictor check --deep`` with the client's journal; returns its report."""
    journal = ["--journal", str(flow.journal)] if flow.journal.exists() else []
    done = pictor("check", "--data", str(flow.data), "--deep", "--json", *journal)
    assert done.stdout.startswith("{"), done.stdout + done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def offenders(report: dict[str, Any], allowed: tuple[str, ...] = ()) -> list[str]:
    """Return the sentences of a report that no allowed word explains."""
    if "invariants" not in report:
        return [str(report)]
    found = [
        f"{one['invariant']} {violation['sentence']}"
        for one in report["invariants"]
        for violation in one["violations"]
        if not any(word in violation["sentence"] for word in allowed)
    ]
    return found + [f"{one['invariant']} {one['unchecked']}" for one in report["invariants"] if one["unchecked"]]
