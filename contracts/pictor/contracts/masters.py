"""Masters: states, and the facts announced about them."""

from enum import StrEnum
from uuid import UUID

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
