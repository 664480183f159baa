"""I9 and the half of I6 that needs the bus: orders of ended jobs, and open runs nobody will hear of."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

from nats.js.api import RawStreamMsg
from nats.js.errors import KeyNotFoundError, NotFoundError
from pydantic import ValidationError

from pictor.cli.checking.findings import Report, Violation
from pictor.contracts.modules import Module
from pictor.contracts.subjects import BUCKET_CONTROL, STREAM_WORK
from pictor.contracts.work import WorkOrder
from pictor.runtime.bus import Bus
from pictor.state import invariants
from pictor.state.database import Pool

WALKERS = 8
"""Parts of the stream read at the same time."""

MOST = 200_000
"""Messages looked at; a longer queue is only counted."""

BATCH = 500

LATE_S = 150.0
"""An open run without a message is ordered again by the reconciler within lease, wait and interval."""


@dataclass(slots=True)
class Queued:
    """What lies in the work stream."""

    sequences: set[int] = field(default_factory=set)
    over: list[tuple[int, WorkOrder, float]] = field(default_factory=list)
    """Sequence, order, and for how many seconds its run has been over."""
    unreadable: list[tuple[int, str]] = field(default_factory=list)
    """Sequence and subject."""
    complete: bool = True


async def look(bus: Bus, pool: Pool) -> Queued:
    """Read the whole work stream and ask the database about every order."""
    queued = Queued()
    state = (await bus.js.stream_info(STREAM_WORK)).state
    if state.messages == 0:
        return queued
    queued.complete = state.messages <= MOST
    walks = shares(state.first_seq, state.last_seq)
    await asyncio.gather(*(_walk(bus, pool, queued, walk.start, walk.stop) for walk in walks))
    return queued


def shares(first: int, last: int) -> list[range]:
    """Cut the sequences of a stream into one share for each walker.

    A stream that is emptied while its server counts tells of messages and of a first one after the last: none then.
    """
    step = max(0, last - first) // WALKERS + 1
    return [range(start, min(start + step, last + 1)) for start in range(first, last + 1, step)]


async def _walk(bus: Bus, pool: Pool, queued: Queued, start: int, end: int) -> None:
    batch: list[tuple[int, WorkOrder]] = []
    async for message in _messages(bus, start, end):
        sequence = message.seq or 0
        if len(queued.sequences) >= MOST:
            break
        queued.sequences.add(sequence)
        try:
            batch.append((sequence, WorkOrder.decode(message.data or b"")))
        except ValidationError:
            queued.unreadable.append((sequence, message.subject or ""))
        if len(batch) == BATCH:
            await _compare(pool, queued, batch)
            batch = []
    await _compare(pool, queued, batch)


async def _messages(bus: Bus, start: int, end: int) -> AsyncIterator[RawStreamMsg]:
    while start < end:
        try:
            message = await bus.js.get_msg(STREAM_WORK, seq=start, subject="pictor.work.>", next=True)
        except NotFoundError:
            return
        if message.seq is None or message.seq >= end:
            return
        yield message
        start = message.seq + 1


async def _compare(pool: Pool, queued: Queued, batch: list[tuple[int, WorkOrder]]) -> None:
    async with pool.acquire() as db:
        over = await invariants.runs_ended(db, [_identity(order) for _, order in batch])
    queued.over += [(sequence, order, over[key]) for sequence, order in batch if (key := _identity(order)) in over]


def _identity(order: WorkOrder) -> tuple[UUID, str, int]:
    return order.job_id, str(order.module), order.run


async def check_queues(bus: Bus, pool: Pool, report: Report, *, settle_s: float) -> None:
    """Tell of orders of ended jobs that stay, and of open runs without an order; a paused module explains its queue."""
    queued, paused = await look(bus, pool), await paused_modules(bus)
    report.notes += [f"{module} is paused: its orders wait until somebody resumes it" for module in sorted(paused)]
    report.counts["queued"] = len(queued.sequences)
    report["I9"].checked = len(queued.sequences)
    for sequence, order, ago in queued.over:
        if ago > settle_s and order.module not in paused:
            report["I9"].add(_over(sequence, order, ago))
    for sequence, subject in queued.unreadable:
        report["I9"].add(_unreadable(sequence, subject))
    if not queued.complete:
        report.notes.append(f"the work stream holds more than {MOST} orders; only so many were looked at")
        return
    async with pool.acquire() as db:
        async for run in invariants.open_runs(db, older_than_s=LATE_S):
            if run.bus_seq not in queued.sequences:
                report["I6"].add(_unheard(run))


async def paused_modules(bus: Bus) -> set[Module]:
    """Return the modules a person paused."""
    bucket = await bus.js.key_value(BUCKET_CONTROL)
    paused = set()
    for module in Module:
        try:
            flag = await bucket.get(f"paused.{module}")
        except KeyNotFoundError:
            continue
        if flag.value == b"1":
            paused.add(module)
    return paused


def _over(sequence: int, order: WorkOrder, ago: float) -> Violation:
    since = f"{ago:.0f} s ago" if ago < 1e8 else "or never existed"
    return Violation(
        "order-of-ended-run",
        f"message {sequence} orders {order.module} of job {order.job_id}, whose run ended {since}",
        "none for the frame; a worker will throw the order away when it comes to it",
        "take the message off the bus",
        repairable=True,
        subject={"job": str(order.job_id), "module": str(order.module), "sequence": str(sequence)},
    )


def _unreadable(sequence: int, subject: str) -> Violation:
    return Violation(
        "unreadable-order",
        f"message {sequence} on {subject} is not an order",
        "none for a frame; a foreign or damaged message waits to be parked",
        "is its module paused, or are its workers down? they park it when they come to it",
        subject={"sequence": str(sequence)},
    )


def _unheard(run: invariants.OpenRun) -> Violation:
    since = datetime.now(UTC) - run.touched_at
    return Violation(
        "run-without-message",
        f"{run.module} of job {run.job} is {run.state} for {since.total_seconds():.0f} s, but the bus holds no order",
        "the frame waits and no worker will hear of it",
        "order the module again",
        repairable=True,
        subject={"job": str(run.job), "module": run.module},
    )


def check_letters(report: Report, *, expected: int | None) -> None:
    """Compare the dead letters with what a person expects."""
    count = sum(number for _, _, number in report.parked)
    if expected is not None and count != expected:
        told = ", ".join(f"{number} of {module} ({reason})" for module, reason, number in report.parked) or "none"
        report["I9"].add(
            Violation(
                "parked-count",
                f"{count} dead letters wait for a decision, {expected} were expected: {told}",
                "frames were given up after their last try",
                "look at the reasons on the operations page; requeue what was an outage, discard what is damaged",
            )
        )
