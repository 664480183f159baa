"""Products of earlier runs that this one did not make or use: named, and removed where that is asked for."""

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path, PurePosixPath

from pictor.cli.processing.rows import Report, Status
from pictor.cli.processing.run import COADDS, LIGHTS, MASTERS, PICTURES, Wish
from pictor.cli.processing.sorting import slug, stem_of


def stale_of(names: Iterable[str], report: Report, wish: Wish) -> list[str]:
    """Say which files of earlier runs are stale: their frames are gone, or were processed with other settings.

    Products of a step that failed in this run are not: the next run may need them. Without coadding, coadds of earlier
    runs are left alone.

    Parameters
    ----------
    names
        Files the journal knows that this run neither made nor used, below the folder of products.
    report, wish
        What was done, and what was asked for.
    """
    failed = [slug(stem_of(row.label)) for row in report.rows if row.status is Status.ERROR]
    failed += [one.name for one in report.coadds if one.status is Status.ERROR]
    folders = {LIGHTS, MASTERS, *((COADDS, PICTURES) if wish.coadd else ())}
    found = []
    for name in names:
        parts = PurePosixPath(name).parts
        ours = len(parts) > 1 and parts[0] in folders and ".." not in parts
        if ours and not any(parts[-1].startswith(stem) for stem in failed):
            found.append(name)
    return sorted(found)


def remove(names: Iterable[str], out: Path) -> None:
    """Remove files, and the folders that are empty without them."""
    for name in names:
        path = out / name
        path.unlink(missing_ok=True)
        for folder in path.parents:
            if folder in {out, out.parent} or folder.parent == out:
                break
            with suppress(OSError):
                folder.rmdir()
