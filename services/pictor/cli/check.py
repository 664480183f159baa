"""The check that everything uses: nothing lost, doubled or stuck."""

import asyncio
import hashlib
import json as jsonlib
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

from pictor.cli.attach import attached
from pictor.cli.client import CommandError, guarded
from pictor.runtime import logs
from pictor.runtime.settings import Settings
from pictor.runtime.store.errors import ObjectMissing
from pictor.runtime.store.opening import open_store
from pictor.runtime.store.protocol import FrameStore
from pictor.state import invariants
from pictor.state.database import Pool, open_pool
from pictor.state.invariants import StoredThing

GRACE_S = 3600.0
"""Objects and scratch folders younger than this may belong to work in progress."""

SHOWN = 5

PROBES = "ready/"
"""Objects the embedded store is probed with at its start."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One invariant, what a violation means, and who violates it."""

    invariant: str
    meaning: str
    offenders: list[str] = field(default_factory=list)


def main(data: Path, *, deep: bool, json: bool) -> int:
    """Check an installation, running or stopped; exit 0 when all invariants hold."""
    logs.configure(level="error")
    try:
        findings = asyncio.run(_check(data.absolute(), deep=deep))
    except CommandError as error:
        return guarded(error)
    broken = [finding for finding in findings if finding.offenders]
    if json:
        print(jsonlib.dumps({"ok": not broken, "deep": deep, "findings": [asdict(one) for one in findings]}, indent=1))
    else:
        _print(findings)
    return 1 if broken else 0


def _print(findings: list[Finding]) -> None:
    for one in findings:
        print(f"{'FAIL' if one.offenders else 'ok  '} {one.invariant:<4} no {one.meaning}")
        for sentence in one.offenders[:SHOWN]:
            print(f"          {sentence}")
        if len(one.offenders) > SHOWN:
            print(f"          and {len(one.offenders) - SHOWN} more", file=sys.stdout)


async def _check(data: Path, *, deep: bool) -> list[Finding]:
    async with attached(data) as settings:
        pool = await open_pool(settings.postgres_dsn.get_secret_value(), size=2, statement_timeout_ms=120_000)
        store = await open_store(settings)
        try:
            return await check(pool, store, settings, deep=deep)
        finally:
            await store.close()
            await pool.close()


async def check(pool: Pool, store: FrameStore, settings: Settings, *, deep: bool) -> list[Finding]:
    """Ask database, store and scratch folder for violations of the invariants I1 to I12."""
    async with pool.acquire() as db:
        findings = [Finding(*found) for found in await invariants.violations(db)]
        lost = await invariants.accepted_uploads(db)
        things = await invariants.stored_things(db)
    missing = await _missing(store, things, deep=deep)
    findings += [
        Finding("I1", "accepted upload whose frame is gone", lost),
        Finding("I2", "object missing or damaged that something refers to", missing),
        Finding("I3", "object that nothing refers to", await _orphans(store, {thing.key for thing in things})),
        Finding("I10", "scratch folder left behind", _leftovers(settings.scratch)),
    ]
    return sorted(findings, key=lambda one: int(one.invariant[1:]))


async def _missing(store: FrameStore, things: list[StoredThing], *, deep: bool) -> list[str]:
    found = []
    for thing in things:
        try:
            there = await store.stat(thing.key)
        except ObjectMissing:
            found.append(f"{thing.what}: {thing.key} is not in the store")
            continue
        if there.size != thing.size:
            found.append(f"{thing.what}: {thing.key} has {there.size} bytes, {thing.size} are recorded")
        elif deep and not await _intact(store, thing):
            found.append(f"{thing.what}: the bytes of {thing.key} are not those recorded")
    return found


async def _intact(store: FrameStore, thing: StoredThing) -> bool:
    """Compare digests; a composed object is compared with the parts it was made of."""
    if not thing.sha256.startswith("composed:"):
        return await _digest(store, thing.key) == thing.sha256
    made = thing.parameters
    seam = int(made["head_size"])
    head = await _digest(store, thing.key, end=seam)
    tail = await _digest(store, thing.key, start=seam)
    offset = int(made["source_offset"])
    source = await _digest(store, made["source_key"], start=offset, end=offset + thing.size - seam)
    return head == made["head_sha256"] and tail == source


async def _digest(store: FrameStore, key: str, *, start: int = 0, end: int | None = None) -> str:
    digest = hashlib.sha256()
    async for chunk in store.open_range(key, start, end):
        digest.update(chunk)
    return digest.hexdigest()


async def _orphans(store: FrameStore, known: set[str]) -> list[str]:
    return [
        f"{there.key} ({there.size} bytes)"
        async for there in store.list("")
        if there.key not in known
        and not there.key.startswith(PROBES)
        and there.modified is not None
        and time.time() - there.modified.timestamp() > GRACE_S
    ]


def _leftovers(scratch: Path) -> list[str]:
    if not scratch.is_dir():
        return []
    return [str(folder) for folder in scratch.iterdir() if time.time() - folder.stat().st_mtime > GRACE_S]
