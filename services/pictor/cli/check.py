"""The check that everything uses: nothing lost, doubled or stuck."""

import asyncio
import json as jsonlib
import os
import tempfile
from collections.abc import AsyncIterator, Awaitable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from pictor.cli.attach import attached
from pictor.cli.checking import leftovers, queues
from pictor.cli.checking.accepted import check_journals
from pictor.cli.checking.findings import EXIT_UNCHECKED, STATEMENTS, Finding, Report, Violation
from pictor.cli.checking.objects import Place, check_contents, check_objects
from pictor.cli.client import CommandError, guarded
from pictor.cli.telling import tell
from pictor.runtime import logs
from pictor.runtime.bus import Bus
from pictor.runtime.child.errors import ChildError
from pictor.runtime.child.limits import Limits
from pictor.runtime.child.pool import ChildPool
from pictor.runtime.embedded.errors import EmbeddedError
from pictor.runtime.outages import OUTAGE
from pictor.runtime.settings import Settings
from pictor.runtime.store.opening import open_store
from pictor.runtime.store.protocol import FrameStore
from pictor.state import audit, invariants
from pictor.state.database import MigrationError, Pool, open_pool

GRACE_S = 3600.0
"""Objects and scratch folders younger than this may belong to work in progress."""

SETTLE_S = 330.0
"""A fact given back after an outage may wait five minutes for its next delivery; an order 20 s."""

REWRITTEN = "who did what can no longer be proved from this line on"
FORENSICS = "keep a copy of the database as it is, compare with a backup, and change all passwords and tokens"

STATEMENT_MS = 600_000
BUS_S = 30.0
"""A busy machine is no reason not to know."""
SHOWN = 5


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a check is asked to look at."""

    deep: bool = False
    journals: list[Path] = field(default_factory=list)
    server: str | None = None
    grace_s: float = GRACE_S
    settle_s: float = SETTLE_S
    expected_letters: int | None = None
    baseline: Path | None = None


@dataclass(frozen=True, slots=True)
class Access:
    """The servers of an installation, and the bus or why it does not answer."""

    settings: Settings
    data: Path
    pool: Pool
    store: FrameStore
    bus: Bus | None
    bus_trouble: str = ""
    children: ChildPool | None = None
    """Present for a deep check."""


def main(data: Path, wishes: Wishes, *, json: bool) -> int:
    """Check an installation, running or stopped; exit 0: all hold, 1: one is violated, 2: could not check."""
    logs.configure(level="error")
    try:
        report = asyncio.run(_check(data.absolute(), wishes))
    except CommandError as error:
        return _unchecked(str(error), json=json)
    except (*OUTAGE, EmbeddedError, MigrationError) as error:
        return _unchecked(f"could not check: {error or type(error).__name__}", json=json)
    show(report, json=json)
    return report.exit


def _unchecked(reason: str, *, json: bool) -> int:
    if json:
        tell(jsonlib.dumps({"ok": False, "exit": EXIT_UNCHECKED, "reason": reason}))
    return guarded(CommandError(reason, EXIT_UNCHECKED))


def show(report: Report, *, json: bool) -> None:
    """Print a report for a program or for a person."""
    if json:
        tell(jsonlib.dumps(report.as_json(), indent=1))
        return
    for finding in report.findings.values():
        _print(finding)
    if report.waiting:
        tell("open: " + ", ".join(f"{count} {state} for {module}" for module, state, count in report.waiting))
    if report.parked:
        tell("parked: " + ", ".join(f"{count} of {module} ({reason})" for module, reason, count in report.parked))
    for note in report.notes:
        tell(f"note: {note}")


def _print(finding: Finding) -> None:
    mark = {True: "ok  ", False: "FAIL", None: "?   " if finding.unchecked else "-   "}[finding.holds]
    why = finding.unchecked or (finding.skipped if finding.holds is None else None)
    tell(f"{mark} {finding.invariant:<4} {STATEMENTS[finding.invariant]}{f' ({why})' if why else ''}")
    for violation in finding.violations[:SHOWN]:
        tell(f"          {violation.sentence}")
        tell(f"            that means: {violation.meaning}")
        tell(f"            {'--repair will: ' if violation.repairable else 'to do: '}{violation.remedy}")
    if finding.count > SHOWN:
        tell(f"          and {finding.count - SHOWN} more")


async def _check(data: Path, wishes: Wishes) -> Report:
    async with access(data, deep=wishes.deep) as place:
        return await check(place, wishes)


@asynccontextmanager
async def access(data: Path, *, deep: bool) -> AsyncIterator[Access]:
    """Open an installation, running or stopped."""
    async with AsyncExitStack() as stack:
        settings = await stack.enter_async_context(attached(data))
        pool = await open_pool(settings.postgres_dsn.get_secret_value(), size=4, statement_timeout_ms=STATEMENT_MS)
        stack.push_async_callback(pool.close)
        store = await open_store(settings)
        stack.push_async_callback(store.close)
        bus, trouble = await _bus(settings, pool)
        if bus is not None:
            stack.push_async_callback(bus.close)
        children = None
        if deep:
            children = ChildPool(
                2, limits=Limits(address_space=settings.child_memory_bytes), warm=("pictor.cli.compute",)
            )
            await stack.enter_async_context(children)
        yield Access(settings, data, pool, store, bus, trouble, children)


async def _bus(settings: Settings, pool: Pool) -> tuple[Bus | None, str]:
    try:
        async with asyncio.timeout(BUS_S):
            bus = await Bus.connect(settings, pool, name=settings.nats_user or "check")
    except OUTAGE as error:
        return None, f"the bus at {settings.nats_url} does not answer: {error or type(error).__name__}"
    bus.js = bus.nats.jetstream(timeout=BUS_S)
    return bus, ""


async def check(access: Access, wishes: Wishes) -> Report:
    """Look for violations of the invariants I1 to I12."""
    report = Report(wishes.deep)
    place = Place(access.pool, access.store, _room(access.settings.scratch), wishes.grace_s)
    await _ask_database(access.pool, report)
    await _unless_away(report, ("I2", "I3"), check_objects(place, report))
    journals = check_journals(place, wishes.journals, report, server=wishes.server, deep=wishes.deep)
    await _unless_away(report, ("I1",), journals)
    if access.bus is None:
        report["I6"].unchecked = report["I9"].unchecked = access.bus_trouble
    else:
        found = queues.check_queues(access.bus, access.pool, report, settle_s=wishes.settle_s)
        await _unless_away(report, ("I6", "I9"), found)
    queues.check_letters(report, expected=wishes.expected_letters)
    await _check_leftovers(access, wishes, report)
    if not wishes.deep or access.children is None:
        report["I12"].skipped = "only with --deep"
    else:
        await _unless_away(report, ("I2", "I12"), check_contents(place, access.children, report))
    return report


def _room(scratch: Path) -> Path:
    """Return a folder that can be written to: a container's own file system may be read-only."""
    try:
        scratch.mkdir(parents=True, exist_ok=True)
    except OSError:
        return Path(tempfile.gettempdir())
    return scratch if os.access(scratch, os.W_OK) else Path(tempfile.gettempdir())


async def _ask_database(pool: Pool, report: Report) -> None:
    async with pool.acquire() as db:
        if not await invariants.sees_all(db):
            raise CommandError("could not check: this database role does not see all rows", EXIT_UNCHECKED)
        for question in invariants.QUESTIONS:
            report[question.invariant].take(await invariants.ask(db, question))
        for sentence in await audit.verify_chain(db):
            report["I11"].add(Violation("audit-chain", sentence, REWRITTEN, FORENSICS))
        place, digest = await audit.chain_end(db)
        report["I11"].checked, report.audit_end = place, f"{place}:{digest.hex()}"
        report.waiting = await invariants.waiting(db)
        report.parked = await invariants.letters(db)
        report.counts["open jobs"] = await invariants.open_jobs(db)


async def _unless_away(report: Report, names: tuple[str, ...], work: Awaitable[None]) -> None:
    """Do a part of the check; a server that goes away meanwhile leaves its invariants unchecked."""
    try:
        await work
    except (*OUTAGE, ChildError) as error:
        for name in names:
            report[name].unchecked = f"could not be checked to the end: {error or type(error).__name__}"


async def _check_leftovers(access: Access, wishes: Wishes, report: Report) -> None:
    async with access.pool.acquire() as db:
        runs = await invariants.running_attempts(db)
    finding = report["I10"]
    leftovers.check_scratch(access.settings.scratch, runs, finding, grace_s=wishes.grace_s)
    owner = leftovers.owner_of(access.data)
    if (access.data / "run.lock").exists():
        leftovers.check_strays(access.data, owner, finding)
    if wishes.baseline is None:
        return
    if owner is None:
        finding.unchecked = "a baseline can only be compared with a running installation on this machine"
        return
    try:
        leftovers.check_growth(wishes.baseline, owner, finding)
    except (OSError, ValueError, KeyError, TypeError) as error:
        finding.unchecked = f"the baseline {wishes.baseline} cannot be read: {error}"
