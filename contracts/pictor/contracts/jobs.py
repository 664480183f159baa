"""Jobs: states, and the facts announced about them."""

from enum import StrEnum
from uuid import UUID

from pictor.contracts.messages import Message
from pictor.contracts.modules import Module, RunState


class JobState(StrEnum):
    """State of a job, in the words of the users' manual, plus cancelled."""

    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


FINISHED = frozenset({JobState.COMPLETED, JobState.FAILED, JobState.CANCELLED})
"""States that never change again."""


class JobKind(StrEnum):
    """Why a job exists."""

    UPLOAD = "upload"
    REPROCESS = "reprocess"
    STACK = "stack"
    CALIBRATE = "calibrate"


class ModuleFinished(Message):
    """One module of a job ended."""

    job_id: UUID
    frame_id: UUID | None = None
    module: Module
    state: RunState
    reason: str | None = None
    message: str | None = None
    duration_s: float | None = None
    run: int = 1

    @property
    def dedup_id(self) -> str:
        """One end per job, module and run."""
        return f"module/{self.job_id}/{self.module}/{self.run}/{self.state}"


class JobFinished(Message):
    """A job ended; a failed one says why."""

    job_id: UUID
    frame_id: UUID | None = None
    state: JobState
    reasons: tuple[str, ...] = ()

    @property
    def dedup_id(self) -> str:
        """One end per job and state."""
        return f"finished/{self.job_id}/{self.state}"
