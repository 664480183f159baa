"""Every subject of Pictor, the stream that keeps it and the message it carries."""

from typing import Any

from pictor.contracts.frames import (
    FrameIngested,
    FrameObserved,
    FramePreviewed,
    FrameProcessed,
    FrameQuarantined,
    FrameReceived,
)
from pictor.contracts.jobs import JobFinished, ModuleFinished
from pictor.contracts.masters import (
    MasterCreated,
    MasterExpired,
    MasterRecalled,
    MasterRejected,
    StackingDeferred,
)
from pictor.contracts.messages import M, Subject
from pictor.contracts.modules import Lane, Module
from pictor.contracts.parked import Parked, SweepDue
from pictor.contracts.quality import FrameMeasured
from pictor.contracts.solutions import FrameSolved, FrameUnsolved
from pictor.contracts.work import WorkOrder

STREAM_WORK = "PICTOR_WORK"
STREAM_EVENTS = "PICTOR_EVENTS"
STREAM_TIMERS = "PICTOR_TIMERS"
STREAM_PARKED = "PICTOR_PARKED"
STREAM_ADVISORIES = "PICTOR_ADVISORIES"
BUCKET_CONTROL = "pictor_control"


def _event(name: str, message: type[M]) -> Subject[M]:
    return Subject(f"pictor.event.{name}", STREAM_EVENTS, message, per_observatory=True)


WORK: dict[Module, dict[Lane, Subject[WorkOrder]]] = {
    module: {lane: Subject(f"pictor.work.{module}.{lane}", STREAM_WORK, WorkOrder) for lane in Lane}
    for module in Module
}

FRAME_RECEIVED = _event("frame.received", FrameReceived)
FRAME_INGESTED = _event("frame.ingested", FrameIngested)
FRAME_QUARANTINED = _event("frame.quarantined", FrameQuarantined)
FRAME_OBSERVED = _event("frame.observed", FrameObserved)
FRAME_PREVIEWED = _event("frame.previewed", FramePreviewed)
FRAME_MEASURED = _event("frame.measured", FrameMeasured)
FRAME_SOLVED = _event("frame.solved", FrameSolved)
FRAME_UNSOLVED = _event("frame.unsolved", FrameUnsolved)
FRAME_PROCESSED = _event("frame.processed", FrameProcessed)
MODULE_FINISHED = _event("module.finished", ModuleFinished)
JOB_FINISHED = _event("job.finished", JobFinished)
MASTER_CREATED = _event("master.created", MasterCreated)
MASTER_REJECTED = _event("master.rejected", MasterRejected)
MASTER_EXPIRED = _event("master.expired", MasterExpired)
MASTER_RECALLED = _event("master.recalled", MasterRecalled)
STACKING_DEFERRED = _event("stacking.deferred", StackingDeferred)
SWEEP_DUE = Subject("pictor.timer.due.sweep", STREAM_TIMERS, SweepDue)
PARKED: dict[Module, Subject[Parked]] = {
    module: Subject(f"pictor.parked.{module}", STREAM_PARKED, Parked) for module in Module
}

EVENTS: tuple[Subject[Any], ...] = (
    FRAME_RECEIVED,
    FRAME_INGESTED,
    FRAME_QUARANTINED,
    FRAME_OBSERVED,
    FRAME_PREVIEWED,
    FRAME_MEASURED,
    FRAME_SOLVED,
    FRAME_UNSOLVED,
    FRAME_PROCESSED,
    MODULE_FINISHED,
    JOB_FINISHED,
    MASTER_CREATED,
    MASTER_REJECTED,
    MASTER_EXPIRED,
    MASTER_RECALLED,
    STACKING_DEFERRED,
)


def every_subject() -> tuple[Subject[Any], ...]:
    """Return all subjects, for documents and permissions."""
    work = tuple(subject for lanes in WORK.values() for subject in lanes.values())
    return (*work, *EVENTS, SWEEP_DUE, *PARKED.values())
