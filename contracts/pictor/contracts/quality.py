"""Image quality of a light frame, and the facts announced about it."""

from enum import StrEnum
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, PositiveFloat

from pictor.contracts.frames import FrameObserved
from pictor.contracts.work import WorkOrder


class Quality(BaseModel):
    """Image quality of one light frame; unknown is null, never zero."""

    model_config = ConfigDict(frozen=True, extra="ignore", from_attributes=True)

    star_count: NonNegativeInt = Field(description="Stars measured: unsaturated and unflagged")
    fwhm_px: PositiveFloat | None = Field(default=None, description="FWHM of the stacked stellar profile, in pixels")
    beta: float | None = Field(default=None, description="Moffat beta of the stacked profile")
    hfr_px: PositiveFloat | None = Field(default=None, description="Median half-flux radius, in pixels")
    eccentricity: float | None = Field(default=None, ge=0, le=1, description="Median sqrt(1 - (b/a)^2)")
    ellipticity: float | None = Field(default=None, ge=0, le=1, description="Median 1 - b/a")
    elongation_deg: float | None = Field(default=None, description="Mean direction of elongation, degrees from +x")
    background_adu: float | None = Field(default=None, description="Median sky level, in ADU per pixel")
    background_e: float | None = Field(default=None, description="Median sky level, in electrons, where egain is known")
    noise_adu: float | None = Field(default=None, description="Median background noise, in ADU")
    gradient: float | None = Field(default=None, description="Sky gradient over the frame as a share of the level")
    saturated_fraction: float | None = Field(default=None, description="Share of saturated pixels")
    trail_count: NonNegativeInt | None = Field(default=None, description="Satellite or aircraft trails found")
    method: str = Field(description="Name and version of the measuring method")


class GradeStatus(StrEnum):
    """What a grade says about keeping the frame."""

    PENDING = "pending"
    ACCEPTED = "accepted"
    REJECTED = "rejected"


class Grade(BaseModel):
    """A letter, a status, and the reasons in words."""

    model_config = ConfigDict(frozen=True, extra="ignore", from_attributes=True)

    letter: str = Field(pattern="^[ABCD]$")
    status: GradeStatus
    reasons: tuple[str, ...] = ()
    rules: str = Field(description="Name and version of the rule set")


class FrameMeasured(FrameObserved):
    """The quality of a light frame is known."""

    quality: Quality
    grade: Grade | None = None

    @property
    def dedup_id(self) -> str:
        """One measurement per job; JetStream drops the second copy."""
        return f"measured/{self.job_id}"

    @classmethod
    def from_result(cls, order: WorkOrder, quality: Quality, grade: Grade | None) -> Self:
        """Make the fact from a measurement."""
        base = FrameObserved.of(order)
        return cls(**base.model_dump(), quality=quality, grade=grade)
