"""Which files the pixel children of an installation may use."""

from contextlib import suppress

from pictor.runtime.child.enclosure import Reach, beneath
from pictor.runtime.settings import Settings


def reach_of(settings: Settings) -> Reach | None:
    """Return what pixel children may read and write; None when they are not to be enclosed.

    The folders are made where they are missing: a rule can only name what exists.
    """
    if not settings.child_enclosed:
        return None
    scratch, cache = settings.scratch.absolute(), (settings.data_dir / "cache").absolute()
    for folder in (scratch, cache, settings.index_dir):
        with suppress(OSError):
            if folder is not None:
                folder.mkdir(parents=True, exist_ok=True)
    return Reach(
        readable=(str(cache), *beneath(settings.index_dir), *beneath(settings.astap_database)),
        writable=(str(scratch),),
    )
