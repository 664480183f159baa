"""Ten minutes of random faults: ``python -m tests.faults.chaos --seed 7 --minutes 10``."""

import argparse
import itertools
import os
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx

from pictor.contracts.modules import Service
from tests.faults.chaos.actions import Actions
from tests.faults.chaos.schedule import SERVERS, Event, schedule
from tests.faults.harness.clients import Flood, template, unique
from tests.faults.harness.deployment import NO_SOLVER, Deployment, deployment
from tests.faults.harness.rows import checked, load_factor, offenders

CLIENTS = 3
BIASES_EVERY = 6
"""One frame in so many is a bias, so that masters are stacked and replaced all the time."""
BACKLOG = 12
"""Clients wait while more jobs are open: the machine is to be hurt, not to be filled."""
WHOLE_S = 120.0
SHAPE = (1000, 1000)
EXPLAINED = (
    "no-star-list",  # quality was switched off
    "exhausted", "abandoned",  # its worker was killed every time
    "source-missing",  # somebody deleted it
)  # fmt: skip
"""Why a sound frame may fail here."""


class Chaos:
    """One run.

    Parameters
    ----------
    world
        The installation.
    folder
        For frames.
    """

    def __init__(self, world: Deployment, folder: Path) -> None:
        self.world = world
        self.flood = Flood()
        self.actions = Actions(world, folder / "hostile")
        self.failed: list[str] = []
        self._light = template(folder / "light", shape=SHAPE)
        self._folder = folder
        self._biases = itertools.count(1)
        self._begun = time.monotonic()

    def say(self, sentence: str) -> None:
        """Print with the time since the beginning."""
        print(f"{time.monotonic() - self._begun:7.1f} s  {sentence}", flush=True)

    def run(self, events: list[Event], end_s: float) -> None:
        """Do all events at their times, and wait for the last one to be over."""
        self._begun = time.monotonic()
        threads = []
        for event in events:
            time.sleep(max(0.0, event.at_s - (time.monotonic() - self._begun)))
            threads.append(threading.Thread(target=self._do, args=(event,)))
            threads[-1].start()
        time.sleep(max(0.0, end_s - (time.monotonic() - self._begun)))
        for thread in threads:
            thread.join()

    def _do(self, event: Event) -> None:
        self.say(str(event))
        try:
            told = self.actions.do(event)
        except Exception as error:  # noqa: BLE001 - a fault may hinder the one who makes the next
            told = f"hindered: {type(error).__name__} {error}"[:120]
        if told:
            self.say(f"    {event.kind} {event.target}: {told}")

    @contextmanager
    def uploads(self) -> Iterator[None]:
        """Let clients upload until the block ends."""
        threads = [threading.Thread(target=self._client, args=(number,)) for number in range(CLIENTS)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self.flood.stop.set()
            for thread in threads:
                thread.join()

    def _client(self, number: int) -> None:
        headers = {"Authorization": f"Bearer {self.world.token}"}
        sent = number
        with httpx.Client(base_url=f"{self.world.url}/api/v1", headers=headers, timeout=60) as line:
            while not self.flood.stop.is_set():
                if self._backlog(line) > BACKLOG:
                    self.flood.stop.wait(1.0)
                    continue
                body = self._bias(number) if sent % BIASES_EVERY == 0 else unique(self._light)
                self.flood.one(self.world, line, body)
                sent += 1
                self.flood.stop.wait(0.3)

    def _bias(self, client: int) -> bytes:
        """Return a bias with noise of its own, so that it can be stacked with others."""
        return template(self._folder / f"bias-{client}", "BIAS", number=next(self._biases))

    def _backlog(self, line: httpx.Client) -> int:
        with suppress(httpx.HTTPError, ValueError, KeyError):
            return sum(
                int(line.get("/jobs", params={"state": state, "limit": 1}).json()["total"])
                for state in ("pending", "running")
            )
        return 0

    def end_faults(self) -> None:
        """Repair everything a supervisor or an operator would: lines, servers; disarm what nobody came by."""
        self.world.heal()
        for name in SERVERS:
            server = getattr(self.world, name)
            if not server.running:
                server.start()
            server.thaw()
        for service in Service:
            with suppress(ProcessLookupError, FileNotFoundError):
                self.world.services.thaw(service)
        for point in self.world.armed():
            (self.world.points / point).unlink(missing_ok=True)
        self.world.services.wait_ready()

    def blamed(self) -> list[str]:
        """Return sound frames that were blamed for a fault of the infrastructure."""
        rows = self.world.sql(
            """
            SELECT r.module, r.reason, r.message, f.name FROM module_run r JOIN job j ON j.id = r.job_id
            LEFT JOIN frame f ON f.id = j.frame_id WHERE r.state = 'failed' AND NOT r.reason = ANY($1)
            """,
            list(EXPLAINED),
        )
        return [f"{row['module']} blamed a sound frame: {row['reason']}: {row['message']}" for row in rows]

    def converge(self) -> list[str]:
        """Wait until nothing is open and the check is content; returns what is wrong after the time for that."""
        begun = time.monotonic()
        while True:
            limit = WHOLE_S * load_factor()
            open_now = self.world.sql("SELECT count(*) AS n FROM job WHERE state IN ('pending', 'running')")[0]["n"]
            wrong = [f"{open_now} jobs are still open"] if open_now else offenders(checked(self.world))
            waited = time.monotonic() - begun
            if not wrong:
                self.say(f"whole {waited:.0f} s after the last fault (load {os.getloadavg()[0]:.1f})")
                return []
            if waited > limit:
                self.say(f"not whole {waited:.0f} s after the last fault (limit {WHOLE_S:g} s x {load_factor():.1f})")
                return wrong
            time.sleep(1.0)


def main() -> int:
    """Run, report, and exit 0 when nothing was lost, doubled or stuck."""
    parser = argparse.ArgumentParser(description="Random faults on a real installation, reproducible from a seed.")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--data", type=Path, help="folder of all state, kept afterwards; default: a temporary one")
    options = parser.parse_args()
    events = schedule(options.seed, options.minutes)
    print(f"chaos: seed {options.seed}, {options.minutes:g} minutes, {len(events)} faults", flush=True)
    folder = options.data or Path(tempfile.mkdtemp(prefix="pictor-chaos-"))
    wrong = _run(folder, events, options.minutes * 60)
    if wrong:
        print(f"chaos: seed {options.seed} VIOLATED; the state is kept in {folder}")
        print("\n".join(f"  {sentence}" for sentence in wrong))
        return 1
    print(f"chaos: seed {options.seed}: nothing lost, doubled or stuck")
    return 0


def _run(folder: Path, events: list[Event], end_s: float) -> list[str]:
    with deployment(folder / "data", sweep_seconds=30, **NO_SOLVER) as world:
        chaos = Chaos(world, folder)
        with chaos.uploads():
            chaos.run(events, end_s)
        chaos.end_faults()
        wrong = chaos.converge() + chaos.flood.problems + chaos.actions.violations + chaos.blamed()
        kinds = Counter(event.kind for event in events)
        print(f"injected: {', '.join(f'{count} x {kind}' for kind, count in sorted(kinds.items()))}")
        told = ", ".join(f"{count} x {what}" for what, count in sorted(chaos.flood.answers.items(), key=str))
        print(f"uploads: {told}; slowest answer {chaos.flood.slowest_s:.1f} s")
        states = world.sql("SELECT kind, state, count(*) AS n FROM job GROUP BY 1, 2 ORDER BY 1, 2")
        counted = ", ".join(f"{row['n']} {row['kind']} {row['state']}" for row in states)
        print(f"jobs: {counted}")
        failed = world.sql("SELECT module, reason, count(*) AS n FROM module_run WHERE state = 'failed' GROUP BY 1, 2")
        reasons = ", ".join(f"{row['n']} {row['module']} {row['reason']}" for row in failed)
        print(f"failed modules: {reasons or 'none'}")
        parked = world.sql("SELECT module, reason, count(*) AS n FROM parked GROUP BY 1, 2 ORDER BY 1, 2")
        letters = ", ".join(f"{row['n']} {row['module']} {row['reason']}" for row in parked)
        print(f"parked: {letters or 'none'}")
        print(f"services that died: {dict(Counter(map(str, (one for one, _ in world.services.deaths))))}")
    return wrong


if __name__ == "__main__":
    sys.exit(main())
