"""The envelope of everything that travels on the bus, and subjects bound to one message type each."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Generic, Self, TypeVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

MAX_MESSAGE_BYTES = 64 * 1024
"""Messages carry references, never pixels; the streams refuse anything larger."""


def utc_now() -> datetime:
    """Return the current time, aware, in UTC."""
    return datetime.now(UTC)


class Message(BaseModel):
    """One fact or one order; immutable, versioned, unknown fields ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    schema_version: int = Field(default=1, description="Version of this message type")
    observatory: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$", description="Slug of the observatory")
    issued_at: datetime = Field(default_factory=utc_now, description="When the message was made, UTC")

    @property
    def dedup_id(self) -> str:
        """Identity under which JetStream drops a second copy."""
        return f"{type(self).__name__}/{self.issued_at.isoformat()}"

    def encode(self) -> bytes:
        """Return the JSON bytes that go on the wire."""
        return self.model_dump_json().encode()

    @classmethod
    def decode(cls, body: bytes) -> Self:
        """Read a message from the wire; raises pydantic.ValidationError for anything else."""
        return cls.model_validate_json(body)


M = TypeVar("M", bound=Message)


@dataclass(frozen=True, slots=True)
class Subject(Generic[M]):
    """A subject, the stream that keeps it, and the only message it carries."""

    name: str
    stream: str
    message: type[M]
    per_observatory: bool = False

    def address(self, message: M) -> str:
        """Return the subject this very message is published on."""
        return f"{self.name}.{message.observatory}" if self.per_observatory else self.name

    @property
    def pattern(self) -> str:
        """The subject as a consumer filters it."""
        return f"{self.name}.*" if self.per_observatory else self.name


class FrameFact(Message):
    """A fact about one frame, found by one job."""

    frame_id: UUID
    job_id: UUID
