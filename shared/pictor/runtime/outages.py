"""Failures that are nobody's fault: the same order will succeed once they are over."""

from pictor.runtime.bus import BUS_OUTAGES
from pictor.runtime.errors import TransientError
from pictor.runtime.store.errors import StoreUnavailable
from pictor.state.database import OUTAGES, WRONG_VALUES

OUTAGE = (TransientError, StoreUnavailable, *OUTAGES, *BUS_OUTAGES)
"""Database, store or broker do not answer."""

_FAULTS = (FileNotFoundError, FileExistsError, IsADirectoryError, NotADirectoryError)


def is_outage(error: BaseException) -> bool:
    """Say whether an order will succeed later; a value the database refuses or a file that is not there never will."""
    if isinstance(error, WRONG_VALUES):
        return False
    if isinstance(error, _FAULTS) and error.filename is not None:
        return False
    return isinstance(error, OUTAGE)
