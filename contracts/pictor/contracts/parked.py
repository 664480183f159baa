"""Dead letters: orders that were tried often enough, kept with the reason until a person decides."""

from uuid import UUID

from pydantic import Field

from pictor.contracts.messages import Message


class Parked(Message):
    """An order or event that will not be tried again by itself."""

    module: str = Field(description="Module, or the durable's name for events")
    subject: str
    reason: str = Field(description="Reason class: poison, exhausted, crashed, abandoned")
    message: str = Field(max_length=4000)
    attempt: int = 0
    stream_seq: int | None = Field(default=None, description="Sequence of the original in its stream")
    job_id: UUID | None = None
    body: str = Field(default="", max_length=48_000, description="The original body, as far as it is text")

    @property
    def dedup_id(self) -> str:
        """One dead letter per original."""
        return f"parked/{self.subject}/{self.stream_seq or self.job_id}/{self.attempt}"


class SweepDue(Message):
    """Time to look over everything that may have been missed."""

    observatory: str = "all"

    @property
    def dedup_id(self) -> str:
        """Sweeps of the same second are one."""
        return f"sweep/{self.issued_at:%Y%m%d%H%M%S}"
