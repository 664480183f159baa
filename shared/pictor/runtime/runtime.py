"""Everything a service needs from outside, opened and closed by its caller."""

import asyncio
from dataclasses import dataclass, field

from pictor.contracts.modules import Service
from pictor.runtime.bus import Bus
from pictor.runtime.cache import FrameCache
from pictor.runtime.child.pool import ChildPool
from pictor.runtime.control import Control
from pictor.runtime.lanes import Gate
from pictor.runtime.pulling import PatientPull
from pictor.runtime.settings import Settings
from pictor.runtime.store.protocol import FrameStore
from pictor.runtime.worker import Worker
from pictor.state.database import Pool


@dataclass(slots=True)
class Runtime:
    """The caller (command line, embedded start, test) owns what is in here."""

    settings: Settings
    service: Service
    pool: Pool
    store: FrameStore
    bus: Bus
    control: Control
    children: ChildPool
    cache: FrameCache
    gate: Gate
    stopping: asyncio.Event
    pulls: list[PatientPull] = field(default_factory=list)
    """What this process pulls from; shared by all services of one process."""

    @property
    def lost(self) -> bool:
        """Whether a connection to the bus is closed for good, or deaf: only a new process helps."""
        return bool(self.bus.nats.is_closed) or any(pull.dead for pull in self.pulls)

    @property
    def worker(self) -> Worker:
        """Who this worker is, in leases and logs."""
        return Worker.here(str(self.service))
