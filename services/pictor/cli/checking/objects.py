"""I2, I3 and I12: objects missing, damaged, left over, or not what they claim to be."""

import asyncio
import hashlib
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from pictor.cli.checking.findings import Finding, Report, Violation
from pictor.cli.checking.inventory import Inventory
from pictor.imaging.errors import ImagingError
from pictor.runtime.child.errors import ChildFailed
from pictor.runtime.child.pool import ChildPool
from pictor.runtime.orphans import is_swept
from pictor.runtime.store.errors import ObjectMissing
from pictor.runtime.store.protocol import FrameStore
from pictor.state import deleting
from pictor.state.database import Pool
from pictor.state.invariants import StoredThing, stored_things, things_of

OPEN_S = 120.0
"""Time one product may take to be opened and verified."""

AT_ONCE = 2
"""Objects read at a time by a deep check: it must not take the line from the night."""

RAW_MEANING = "the uploaded frame is lost or damaged here: keep the original"
ASIDE_REMEDY = "set the damaged bytes aside; then send the frame again with `pictor upload`, or restore the object"
RAW_REMEDY = "send the frame again with `pictor upload`, or restore the object from a backup of the store"
MADE_MEANING = "a picture, catalogue or processed FITS of this frame cannot be shown or downloaded"
MADE_REMEDY = "remove it and order the module that makes it again on the high lane"
MASTER_MEANING = "lights cannot be calibrated with this master"
MASTER_REMEDY = "restore the object from a backup, or stack its group again"
ORPHAN_MEANING = "space is taken by what a killed service left"
ADOPT_MEANING = "bytes of a frame were stored, but nobody was told that they are safe"


@dataclass(frozen=True, slots=True)
class Place:
    """Where to look."""

    pool: Pool
    store: FrameStore
    scratch: Path
    """Folder for the inventory and for products while they are opened."""
    grace_s: float
    """Objects younger than this may belong to work in progress."""


async def check_objects(place: Place, report: Report) -> None:
    """Compare the listing of the store with the database, both ways; what differs is asked for once more."""
    with (
        tempfile.TemporaryDirectory(dir=place.scratch, prefix="check-") as folder,
        Inventory(Path(folder)) as inventory,
    ):
        await inventory.add_stored(place.store.list(""))
        await inventory.add_wanted(stored_things(place.pool))
        report.counts |= {"objects": inventory.stored, "references": inventory.wanted}
        report["I2"].checked, report["I3"].checked = inventory.wanted, inventory.stored
        for keys in inventory.missing():
            await _confirm_missing(place, keys, report["I2"])
        for orphans in inventory.orphans(before=time.time() - place.grace_s):
            await _confirm_orphans(place, orphans, report["I3"])


async def _confirm_missing(place: Place, keys: list[str], finding: Finding) -> None:
    async with place.pool.acquire() as db:
        things = await things_of(db, keys)
    for thing in things.values():
        try:
            there = await place.store.stat(thing.key)
        except ObjectMissing:
            finding.add(violation_of(thing, "missing", f"{thing.what}: {thing.key} is not in the store"))
            continue
        if there.size != thing.size:
            text = f"{thing.what}: {thing.key} has {there.size} bytes, {thing.size} are recorded"
            finding.add(violation_of(thing, "truncated", text))


async def _confirm_orphans(place: Place, orphans: list[tuple[str, int]], finding: Finding) -> None:
    async with place.pool.acquire() as db:
        keys = [key for key, _ in orphans if is_swept(key)]
        known = await things_of(db, keys)
        coming = {key for key in keys if key not in known and await deleting.is_worked_on(db, key)}
    for key, size in orphans:
        if key in known or key in coming or not is_swept(key):
            continue
        raw = key.startswith("raw/")
        finding.add(
            Violation(
                "orphan-frame" if raw else "orphan-object",
                f"nothing refers to {key} ({size} bytes)",
                ADOPT_MEANING if raw else ORPHAN_MEANING,
                "register it as a frame of its observatory" if raw else "delete it",
                repairable=True,
                subject={"key": key},
            )
        )


def violation_of(thing: StoredThing, how: str, sentence: str) -> Violation:
    """Tell what a missing or damaged object means and what mends it."""
    subject = {"key": thing.key} | ({"frame": str(thing.frame)} if thing.frame else {"master": str(thing.master)})
    if thing.kind == "raw":
        there = how != "missing"
        remedy = ASIDE_REMEDY if there else RAW_REMEDY
        return Violation(f"frame-{how}", sentence, RAW_MEANING, remedy, repairable=there, subject=subject)
    if thing.master is not None:
        return Violation(f"master-{how}", sentence, MASTER_MEANING, MASTER_REMEDY, subject=subject)
    return Violation(f"product-{how}", sentence, MADE_MEANING, MADE_REMEDY, repairable=True, subject=subject)


async def check_contents(place: Place, children: ChildPool, report: Report) -> None:
    """Read every object, compare digests, and open every product in a limited child."""
    limit = asyncio.Semaphore(AT_ONCE)
    report["I12"].checked = 0
    with tempfile.TemporaryDirectory(dir=place.scratch, prefix="check-") as folder:
        tasks: set[asyncio.Task[None]] = set()
        async for thing in stored_things(place.pool):
            await limit.acquire()
            task = asyncio.create_task(_check_one(place, children, thing, Path(folder), report))
            tasks.add(task)
            task.add_done_callback(lambda _: limit.release())
            for done in [task for task in tasks if task.done()]:
                tasks.discard(done)
                done.result()
        await asyncio.gather(*tasks)


async def _check_one(place: Place, children: ChildPool, thing: StoredThing, folder: Path, report: Report) -> None:
    path = folder / hashlib.sha256(thing.key.encode()).hexdigest()[:32]
    try:
        if thing.kind == "raw":
            intact = await digest_of(place.store, thing.key) == thing.sha256
        else:
            await place.store.get_to_file(thing.key, path)
            intact = await _intact(place.store, thing, path)
            await _complete(place.store, thing, path)
        if not intact:
            await _confirm_damage(place, thing, report["I2"])
        elif thing.kind != "raw":
            report["I12"].checked = (report["I12"].checked or 0) + 1
            await _open(children, thing, path, report["I12"])
    except ObjectMissing:
        return
    finally:
        path.unlink(missing_ok=True)


async def _confirm_damage(place: Place, thing: StoredThing, finding: Finding) -> None:
    """Tell of damaged bytes, unless a newer product replaced them meanwhile, or their size told of it before."""
    async with place.pool.acquire() as db:
        wanted = thing.key in await things_of(db, [thing.key])
    if not wanted or (await place.store.stat(thing.key)).size != thing.size:
        return
    finding.add(violation_of(thing, "damaged", f"{thing.what}: the bytes of {thing.key} are not those recorded"))


async def _intact(store: FrameStore, thing: StoredThing, path: Path) -> bool:
    """Compare digests; a composed object is compared with the parts it was made of."""
    made = thing.parameters
    if not thing.sha256.startswith("composed:") or "kept_size" in made:
        return await asyncio.to_thread(_digest, path, 0, None) == thing.sha256.removeprefix("composed:")
    seam, offset = int(made["head_size"]), int(made["source_offset"])
    head = await asyncio.to_thread(_digest, path, 0, seam)
    tail = await asyncio.to_thread(_digest, path, seam, None)
    source = await digest_of(store, made["source_key"], start=offset, end=offset + thing.size - seam)
    return head == made["head_sha256"] and tail == source


async def _complete(store: FrameStore, thing: StoredThing, path: Path) -> None:
    """Let the bytes of the raw frame follow that a processed FITS goes on with."""
    made = thing.parameters
    if "kept_size" not in made:
        return
    start = int(made["source_offset"])
    with path.open("ab") as file:
        async for chunk in store.open_range(made["source_key"], start, start + int(made["source_size"])):
            file.write(chunk)


def _digest(path: Path, start: int, end: int | None) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        file.seek(start)
        left = path.stat().st_size - start if end is None else end - start
        while left > 0 and (chunk := file.read(min(left, 1 << 20))):
            digest.update(chunk)
            left -= len(chunk)
    return digest.hexdigest()


async def digest_of(store: FrameStore, key: str, *, start: int = 0, end: int | None = None) -> str:
    """Return the SHA-256 of an object or a range of it."""
    digest = hashlib.sha256()
    async for chunk in store.open_range(key, start, end):
        digest.update(chunk)
    return digest.hexdigest()


async def _open(children: ChildPool, thing: StoredThing, path: Path, finding: Finding) -> None:
    arguments = {"path": str(path), "content_type": thing.content_type}
    try:
        await children.call("pictor.cli.compute:verify", arguments, timeout_s=OPEN_S)
    except (ImagingError, ChildFailed) as error:
        finding.add(violation_of(thing, "unreadable", f"{thing.what}: {thing.key} does not open: {error}"))
