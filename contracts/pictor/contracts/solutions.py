"""Astrometric solutions, and the facts announced about them."""

from typing import Self

from pydantic import BaseModel, ConfigDict, Field

from pictor.contracts.frames import FrameObserved
from pictor.contracts.work import WorkOrder


class Solution(BaseModel):
    """A verified astrometric solution (ICRS)."""

    model_config = ConfigDict(frozen=True, extra="ignore", from_attributes=True)

    ra_deg: float = Field(ge=0, lt=360, description="Right ascension of the frame's centre")
    dec_deg: float = Field(ge=-90, le=90, description="Declination of the frame's centre")
    scale_arcsec: float = Field(gt=0, description="Pixel scale, arcsec per pixel")
    pa_deg: float = Field(description="Position angle of up (+y), degrees east of north")
    parity: int = Field(
        description="+1 when the stored rows, first row at the bottom, show the sky as seen; -1 when mirrored. "
        "Frames stored top-down are -1."
    )
    width_deg: float
    height_deg: float
    corners: tuple[tuple[float, float], ...] = Field(description="RA, Dec of the four corners, degrees")
    matched: int = Field(description="Catalogue stars matched")
    rms_arcsec: float
    rms_px: float
    target_offset_arcsec: float | None = Field(default=None, description="Distance of the centre from the target")
    mount_offset_arcsec: float | None = Field(default=None, description="Distance of the centre from the mount's claim")
    solver: str = Field(description="Back end and its version")
    index: str | None = Field(default=None, description="Star index that matched")
    zero_point_mag: float | None = Field(
        default=None, description="Magnitude of a star of 1 ADU/s: Tycho-2 VT whatever the filter, no colour term"
    )
    zero_point_scatter_mag: float | None = Field(
        default=None, description="Robust scatter of single stars about the zero point, magnitudes"
    )
    limiting_mag: float | None = Field(default=None, description="Magnitude of a star of SNR 5, VT, no colour term")
    sky_mag_arcsec2: float | None = Field(
        default=None, description="Sky brightness, VT mag per square arcsec; only where a dark was subtracted"
    )


class FrameSolved(FrameObserved):
    """A frame's position is known and verified."""

    solution: Solution

    @property
    def dedup_id(self) -> str:
        """One solution per job."""
        return f"solved/{self.job_id}"

    @classmethod
    def from_result(cls, order: WorkOrder, solution: Solution) -> Self:
        """Make the fact from a solution."""
        return cls(**FrameObserved.of(order).model_dump(), solution=solution)


class FrameUnsolved(FrameObserved):
    """No verified solution was found."""

    reason: str = Field(description="Reason class, such as too-few-stars")
    message: str

    @property
    def dedup_id(self) -> str:
        """One failure per job."""
        return f"unsolved/{self.job_id}"

    @classmethod
    def from_failure(cls, order: WorkOrder, reason: str, message: str) -> Self:
        """Make the fact from a failure."""
        return cls(**FrameObserved.of(order).model_dump(), reason=reason, message=message)
