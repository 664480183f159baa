"""I1: the journals of clients against rows, objects and bytes."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

from pictor.cli.checking.findings import Finding, Report, Violation
from pictor.cli.checking.objects import Place, digest_of
from pictor.cli.journal import Entry, JournalError, entries
from pictor.runtime.store.errors import ObjectMissing
from pictor.state import invariants

BATCH = 1000

LOST = "the observatory was told that this frame is safe, and it is not: do not delete the original"
SEND = "send the original again with `pictor upload`, or restore the object and the database from a backup"


@dataclass(frozen=True, slots=True)
class Held:
    """What the installation holds of an entry."""

    entry: Entry
    key: str
    size: int


async def check_journals(place: Place, journals: list[Path], report: Report, *, server: str | None, deep: bool) -> None:
    """Compare every entry with what is stored; a journal that cannot be read makes the answer unknown."""
    finding, told = report["I1"], 0
    finding.checked = 0
    for path in journals:
        try:
            for batch in _batches(entries(path, server=server)):
                told += len(batch)
                async for held in _registered(place, batch, finding):
                    await _stored(place, held, finding, deep=deep)
        except JournalError as error:
            finding.unchecked = str(error)
    finding.checked = told
    report.counts["journal"] = told


def _batches(found: Iterator[Entry]) -> Iterator[list[Entry]]:
    batch: list[Entry] = []
    for entry in found:
        batch.append(entry)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


async def _registered(place: Place, batch: list[Entry], finding: Finding) -> AsyncIterator[Held]:
    """Yield the entries whose frame is registered under the same bytes; tell of the others."""
    async with place.pool.acquire() as db:
        rows = await invariants.uploads(db, [one.frame_id for one in batch], [one.sha256 for one in batch])
        removed = await invariants.deleted(db, [one.frame_id for one in batch])
    by_id = {row[0]: row for row in rows}
    by_content = {row[1]: row for row in rows}
    for entry in batch:
        row = by_id.get(entry.frame_id) or by_content.get(entry.sha256)
        if row is None and entry.frame_id in removed:
            continue
        if row is None:
            _tell(finding, entry, "accepted-frame-gone", "no frame is registered under this id or with these bytes")
        elif row[1] != entry.sha256 or row[2] != entry.size:
            text = f"the frame has {row[2]} bytes of SHA-256 {row[1]}, sent were {entry.size} of {entry.sha256}"
            _tell(finding, entry, "accepted-frame-differs", text)
        else:
            yield Held(entry, row[3], row[2])


async def _stored(place: Place, held: Held, finding: Finding, *, deep: bool) -> None:
    try:
        if deep:
            intact = await digest_of(place.store, held.key) == held.entry.sha256
        else:
            intact = (await place.store.stat(held.key)).size == held.size
    except ObjectMissing:
        _tell(finding, held.entry, "accepted-bytes-gone", f"{held.key} is not in the store")
        return
    if not intact:
        _tell(finding, held.entry, "accepted-bytes-differ", f"{held.key} does not hold the bytes that were sent")


def _tell(finding: Finding, entry: Entry, kind: str, what: str) -> None:
    sentence = f"{entry.name or entry.sha256[:12]}, answered {entry.status} at {entry.time}: {what}"
    finding.add(Violation(kind, sentence, LOST, SEND, subject={"frame": entry.frame_id, "sha256": entry.sha256}))
