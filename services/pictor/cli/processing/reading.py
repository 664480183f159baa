"""First stage: every file is found, read and sorted."""

from pictor.cli.processing.crew import Order
from pictor.cli.processing.finding import Found, Source, chosen, find
from pictor.cli.processing.rows import Row, facts_of
from pictor.cli.processing.run import Run, Wish
from pictor.cli.processing.seen import Seen, seen_of
from pictor.imaging.errors import ImagingError

NO_FRAME = frozenset({"no-image", "not-an-image", "random-groups"})
"""Reasons of files that are sound, but hold no frame."""


def look(wish: Wish) -> Found:
    """Find the wanted files of the folder, and those of the folders of masters with their names before them."""
    parts = [chosen(find(wish.folder, without=wish.out), wish.include, wish.exclude)]
    for number, place in enumerate(wish.masters, 1):
        found = find(place, without=wish.out)
        before = f"masters:{place.name}" if len(wish.masters) == 1 else f"masters {number}:{place.name}"
        sources = tuple(Source(f"{before}/{one.label}", one.path, one.member, one.size) for one in found.sources)
        refused = tuple((f"{before}/{label}", why) for label, why in found.refused)
        parts.append(Found(sources, refused, found.others))
    return Found(
        tuple(one for part in parts for one in part.sources), tuple(one for part in parts for one in part.refused),
        sum(part.others for part in parts),
    )  # fmt: skip


def source_of(source: Source) -> dict[str, str | None]:
    """Write a source as JSON values."""
    return {"path": str(source.path.resolve()), "member": source.member}


async def read_all(run: Run, found: Found) -> list[Seen]:
    """Read every file; one that cannot be read gets its row and leaves the others alone."""
    report = run.report
    report.others = found.others
    seen: dict[str, Seen] = {}
    rows = {source.label: Row(source.label) for source in found.sources}

    async def one(source: Source) -> None:
        try:
            done = await run.crew.do(_order(run, source))
        except ImagingError as error:
            _refuse(rows[source.label], error)
            return
        file = seen[source.label] = seen_of(source.label, done.result)
        row = rows[source.label]
        row.kind = f"master {file.kind}" if file.description.get("is_master") else file.kind
        row.facts = facts_of(file.description, file.rig)
        row.notes += file.warnings
        row.seconds["survey"] = done.seconds

    await run.each(found.sources, one, "reading")
    report.rows = [*rows.values(), *_refused(found)]
    return [seen[label] for label in rows if label in seen]


def _order(run: Run, source: Source) -> Order:
    """Read a file again when its time or size changed: its hash is not known before."""
    state = source.path.stat()
    content = {
        **run.basis, "path": str(source.path.resolve()), "member": source.member, "size": state.st_size,
        "changed": state.st_mtime_ns, "label": source.label,
    }  # fmt: skip
    return Order("survey", {"source": source_of(source), "name": source.name}, content)


def _refuse(row: Row, error: ImagingError) -> None:
    if error.reason in NO_FRAME:
        row.skip(str(error))
    else:
        row.fail(str(error))


def _refused(found: Found) -> list[Row]:
    rows = []
    for label, why in found.refused:
        row = Row(label)
        row.fail(why)
        rows.append(row)
    return rows
