"""Frames: types, states, and the facts announced about them."""

from datetime import date, datetime
from enum import StrEnum
from typing import Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from pictor.contracts.messages import FrameFact
from pictor.contracts.work import WorkOrder


class FrameType(StrEnum):
    """What an exposure is for, as IMAGETYP says."""

    LIGHT = "light"
    DARK = "dark"
    FLAT = "flat"
    BIAS = "bias"
    FLAT_DARK = "flat-dark"
    SNAPSHOT = "snapshot"
    UNKNOWN = "unknown"


CALIBRATION_TYPES = frozenset({FrameType.DARK, FrameType.FLAT, FrameType.BIAS, FrameType.FLAT_DARK})
"""Types that the calibration-stacker collects."""


class FrameState(StrEnum):
    """Where the bytes of a frame stand."""

    RECEIVED = "received"
    REGISTERED = "registered"
    QUARANTINED = "quarantined"


class ProductKind(StrEnum):
    """Objects made from a frame."""

    STORED = "stored"
    PREVIEW = "preview"
    THUMBNAIL = "thumbnail"
    TILES = "tiles"
    TILE_INDEX = "tile-index"
    CORNERS = "corners"
    STARS = "stars"
    PROCESSED = "processed"
    WCS = "wcs"
    MASTER = "master"
    BAD_PIXELS = "bad-pixels"
    CALIBRATED = "calibrated"
    CALIBRATED_CLEAN = "calibrated-clean"
    REJECTION = "rejection"


class FrameReceived(FrameFact):
    """The bytes are stored and a job was made."""

    sha256: str
    size: int

    @property
    def dedup_id(self) -> str:
        """One arrival per frame."""
        return f"received/{self.frame_id}/{self.job_id}"


class FrameIngested(FrameFact):
    """The frame is verified, described and registered."""

    frame_type: FrameType
    is_master: bool = False
    filter: str | None = None
    exposure_s: float | None = None
    night: date | None = None
    target: str | None = None

    @property
    def dedup_id(self) -> str:
        """One registration per job."""
        return f"ingested/{self.job_id}"


class FrameQuarantined(FrameFact):
    """The bytes are kept, but they are not a frame Pictor can process."""

    reason: str = Field(description="Reason class")
    message: str = Field(description="What is wrong, for a person")

    @property
    def dedup_id(self) -> str:
        """One quarantine per job."""
        return f"quarantined/{self.job_id}"


class FrameObserved(FrameFact):
    """Observation facts (night, airmass, Moon) are known."""

    @property
    def dedup_id(self) -> str:
        """One observation per job."""
        return f"observed/{self.job_id}"

    @classmethod
    def of(cls, order: WorkOrder) -> Self:
        """Make the fact for the frame of an order."""
        return cls(observatory=order.observatory, job_id=order.job_id, frame_id=_frame(order))


class FramePreviewed(FrameObserved):
    """Preview, thumbnail and tiles exist."""

    @property
    def dedup_id(self) -> str:
        """One preview per job."""
        return f"previewed/{self.job_id}"


class FrameProcessed(FrameObserved):
    """The processed FITS with all cards exists."""

    @property
    def dedup_id(self) -> str:
        """One processed FITS per job."""
        return f"processed/{self.job_id}"


class UploadMetadata(BaseModel):
    """What only the capture program knows; every block is optional and the FITS header wins."""

    model_config = ConfigDict(extra="ignore", str_max_length=2000)

    name: str | None = Field(default=None, max_length=255, description="File name at the telescope")
    size: int | None = Field(default=None, ge=0, description="Bytes")
    captured_utc: datetime | None = None
    observer: str | None = Field(default=None, max_length=200)
    project: str | None = Field(default=None, max_length=200)
    target: str | None = Field(default=None, max_length=200)
    lane: str | None = Field(default=None, pattern="^(live|bulk)$", description="bulk for mass imports")
    nina: dict[str, str | int | float | bool | None] | None = None
    image: dict[str, str | int | float | bool | None] | None = None
    statistics: dict[str, float | None] | None = None
    stars: dict[str, str | int | float | bool | None] | None = None
    guiding: dict[str, float | None] | None = None
    autofocus: dict[str, str | int | float | bool | None] | None = None
    weather: dict[str, float | None] | None = None
    notes: str | None = None


def _frame(order: WorkOrder) -> UUID:
    if order.frame_id is None:
        message = f"order for {order.module} of job {order.job_id} names no frame"
        raise ValueError(message)
    return order.frame_id
