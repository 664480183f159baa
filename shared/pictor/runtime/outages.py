"""Failures that are nobody's fault: the same order will succeed once they are over."""

from pictor.runtime.bus import BUS_OUTAGES
from pictor.runtime.errors import TransientError
from pictor.runtime.store.errors import StoreUnavailable
from pictor.state.database import OUTAGES

OUTAGE = (TransientError, StoreUnavailable, *OUTAGES, *BUS_OUTAGES)
"""Database, store or broker do not answer."""
