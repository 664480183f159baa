"""Masters: states, and the facts announced about them."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from pydantic import Field, NonNegativeInt

from pictor.contracts.frames import FrameType
from pictor.contracts.messages import Message


class MasterState(StrEnum):
    """Life of a master."""

    CANDIDATE = "candidate"
    ACTIVE = "active"
    SUPERSEDED = "superseded"
    NEEDS_REVIEW = "needs-review"
    REJECTED = "rejected"


class MasterCreated(Message):
    """A master passed its gate and is used from now on."""

    master_id: UUID
    job_id: UUID
    frame_type: FrameType
    group_key: str
    ncombine: int
    superseded: tuple[UUID, ...] = ()

    @property
    def dedup_id(self) -> str:
        """One announcement per master."""
        return f"master-created/{self.master_id}"


class MasterRejected(Message):
    """A candidate did not pass its gate; the reasons carry the numbers."""

    master_id: UUID
    job_id: UUID
    frame_type: FrameType
    group_key: str
    reasons: tuple[str, ...]

    @property
    def dedup_id(self) -> str:
        """One announcement per master."""
        return f"master-rejected/{self.master_id}"


class StackingDeferred(Message):
    """A group has enough frames but cannot be stacked yet."""

    frame_type: FrameType
    group_key: str
    reason: str

    @property
    def dedup_id(self) -> str:
        """At most one announcement per group and minute."""
        return f"deferred/{self.group_key}/{self.issued_at:%Y%m%d%H%M}"


class MasterExpired(Message):
    """A master is older than its policy likes; it stays in use until a newer one replaces it."""

    master_id: UUID
    frame_type: FrameType
    group_key: str
    taken_at: datetime
    age_days: float = Field(description="At the time of the warning")
    max_age_days: int

    @property
    def dedup_id(self) -> str:
        """One warning per master."""
        return f"master-expired/{self.master_id}"


class MasterRecalled(Message):
    """A master was found bad after it had been used; lights made with it are processed again."""

    master_id: UUID
    frame_type: FrameType
    group_key: str
    reason: str
    lights: NonNegativeInt = Field(description="Lights that were measured or calibrated with it")
    reinstated: UUID | None = Field(default=None, description="The older master that is in use again")

    @property
    def dedup_id(self) -> str:
        """One recall per master."""
        return f"master-recalled/{self.master_id}"
