"""``pictor check --repair``: mend what can be mended without a decision, tell of it, and check again."""

import asyncio
import getpass
import json as jsonlib
from dataclasses import asdict
from pathlib import Path

from pictor.cli.check import Access, Wishes, access, check, show
from pictor.cli.checking import leftovers
from pictor.cli.checking.findings import EXIT_UNCHECKED, Report
from pictor.cli.client import CommandError, guarded
from pictor.cli.repairing import flow, objects
from pictor.cli.repairing.actions import Action, Workshop
from pictor.runtime import logs
from pictor.runtime.embedded.errors import EmbeddedError
from pictor.runtime.outages import OUTAGE
from pictor.state.database import MigrationError

STEPS = (
    flow.release_leases,
    flow.end_runs,
    flow.close_requests,
    flow.close_jobs,
    flow.start_jobs,
    flow.order_unordered,
    flow.publish_outbox,
    flow.order_again,
    flow.take_off_bus,
    objects.set_aside,
    objects.sweep,
    objects.remove_scratch,
    objects.recompose,
)
"""In this order: what is released or made anew is then ordered and published."""


def main(data: Path, wishes: Wishes, *, dry: bool, json: bool) -> int:
    """Check, mend, check again; exit as the last check does."""
    logs.configure(level="error")
    try:
        actions, report = asyncio.run(_repair(data.absolute(), wishes, dry=dry))
    except CommandError as error:
        return guarded(error)
    except (*OUTAGE, EmbeddedError, MigrationError) as error:
        return guarded(CommandError(f"could not repair: {error or type(error).__name__}", EXIT_UNCHECKED))
    if json:
        told = {"dry_run": dry, "repairs": [asdict(action) for action in actions]}
        print(jsonlib.dumps(report.as_json() | told, indent=1))
        return report.exit
    for action in actions:
        print(
            f"{'would ' if dry else ''}{action.name}: {action.subject}{f' ({action.detail})' if action.detail else ''}"
        )
    print(f"{len(actions)} {'repairs to do' if dry else 'repairs done'}")
    show(report, json=False)
    return report.exit


async def _repair(data: Path, wishes: Wishes, *, dry: bool) -> tuple[list[Action], Report]:
    async with access(data, deep=wishes.deep) as place:
        return await mend(place, wishes, dry=dry)


async def mend(place: Access, wishes: Wishes, *, dry: bool) -> tuple[list[Action], Report]:
    """Check, mend, check again; returns what was done and what the last check found."""
    report = await check(place, wishes)
    workshop = Workshop(place, report, wishes, f"repair:{getpass.getuser()}", dry)
    for step in STEPS:
        await step(workshop)
    if workshop.actions and not dry:
        notes = report.notes
        report = await check(place, wishes)
        report.notes = list(dict.fromkeys(report.notes + notes))
    return workshop.actions, report


def baseline(data: Path, path: Path) -> int:
    """Write down what the processes of a running installation use now."""
    owner = leftovers.owner_of(data.absolute())
    if owner is None:
        reason = f"no installation runs on {data} on this machine; start it and let it process a frame first"
        return guarded(CommandError(reason, EXIT_UNCHECKED))
    for kind, group in sorted(leftovers.write_baseline(path, owner).items()):
        print(f"{kind}: {group.count} processes, {group.rss_kib // 1024} MiB, {group.fds} open files")
    return 0
