"""What the gateway tells about frames and jobs; object keys and order bodies stay inside."""

from datetime import date, datetime
from typing import Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from pictor.contracts.frames import FrameState, FrameType, ProductKind
from pictor.contracts.jobs import JobKind, JobState
from pictor.contracts.modules import Lane, Module, RunState
from pictor.contracts.quality import Grade, GradeStatus, Quality
from pictor.contracts.solutions import Solution
from pictor.state.jobs import Job
from pictor.state.listing import FrameRow
from pictor.state.products import Product


class View(BaseModel):
    """A resource as the API shows it."""

    model_config = ConfigDict(from_attributes=True)


class GradeBrief(View):
    """The grade that counts."""

    letter: str
    status: GradeStatus
    reasons: list[str]


class FrameBrief(View):
    """One frame as a list shows it; unknown is null, never zero."""

    id: UUID
    observatory: str
    rig: str | None
    name: str
    sha256: str
    size: int
    state: FrameState
    status: JobState | None = Field(description="State of the newest job")
    job_id: UUID | None
    reason: str | None
    message: str | None
    received_at: datetime
    frame_type: FrameType | None
    is_master: bool
    filter: str | None
    exposure_s: float | None
    gain_setting: float | None
    ccd_temp_c: float | None
    target: str | None
    start_utc: datetime | None
    night: date | None
    star_count: int | None
    fwhm_px: float | None
    fwhm_arcsec: float | None
    hfr_px: float | None
    eccentricity: float | None
    background_adu: float | None
    ra_deg: float | None
    dec_deg: float | None
    scale_arcsec: float | None
    pa_deg: float | None
    grade: GradeBrief | None

    @classmethod
    def of(cls, row: FrameRow) -> Self:
        """Show a row of a list."""
        known = {name: getattr(row, name) for name in FrameBrief.model_fields if name not in {"grade", "fwhm_arcsec"}}
        arcsec = None if row.fwhm_px is None or row.scale_arcsec is None else row.fwhm_px * row.scale_arcsec
        grade = None
        if row.letter is not None and row.grade is not None:
            grade = GradeBrief(letter=row.letter, status=row.grade, reasons=list(row.grade_reasons))
        return cls(**known, grade=grade, fwhm_arcsec=arcsec)


class ProductView(View):
    """One file made from the frame."""

    kind: ProductKind
    size: int
    sha256: str
    content_type: str
    software: str
    url: str
    parameters: dict[str, object]

    @classmethod
    def of(cls, product: Product, frame_id: UUID) -> Self:
        """Show a product."""
        return cls(
            kind=product.kind, size=product.size, sha256=product.sha256, content_type=product.content_type,
            software=product.software, url=f"/api/v1/frames/{frame_id}/{_ROUTES.get(product.kind, product.kind)}",
            parameters=product.parameters,
        )  # fmt: skip


_ROUTES = {
    ProductKind.STARS: "catalog",
    ProductKind.PROCESSED: "fits?kind=processed",
    ProductKind.STORED: "fits?kind=stored",
    ProductKind.TILES: "tiles",
    ProductKind.TILE_INDEX: "tiles",
}


class QualityView(Quality):
    """Metrics, with the size on the sky where the scale is known, and details of the method."""

    fwhm_arcsec: float | None = None
    details: dict[str, object] = Field(default_factory=dict)


class RunView(View):
    """One module of a job, and why it ended as it did."""

    module: Module
    position: int
    state: RunState
    run: int
    attempt: int
    started_at: datetime | None
    finished_at: datetime | None
    duration_s: float | None
    reason: str | None
    message: str | None


class JobView(View):
    """One job."""

    id: UUID
    observatory: str
    frame_id: UUID | None
    frame_name: str | None
    kind: JobKind
    lane: Lane
    state: JobState
    owner: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    reasons: list[str]

    @classmethod
    def of(cls, job: Job) -> Self:
        """Show a job."""
        known = {name: getattr(job, name) for name in JobView.model_fields if name != "reasons"}
        return cls(**known, reasons=list(job.reasons))


class JobDetail(JobView):
    """One job with its timeline."""

    timeline: list[RunView] = []


class SupersededUse(View):
    """A superseded master a light was measured with, or a place that was empty and would be filled now."""

    place: str
    master_id: UUID | None = Field(description="Null where the light was measured without a master")
    superseded_at: datetime | None
    superseded_by: UUID | None
    would_use: UUID | None = Field(description="The master that processing the light again uses; null for none")
    until: datetime | None = Field(description="The light's night keeps its masters until then")
    out_of_date: bool = Field(description="Processing the light again changes the master")
    sentence: str


class FrameDetail(FrameBrief):
    """Everything known about one frame."""

    camera: str | None
    program: str | None
    width: int | None
    height: int | None
    binning: str | None
    camera_mode: str | None
    uploaded_by: str | None
    warnings: list[str]
    metadata: dict[str, object] = Field(description="What the capture program said at upload")
    description: dict[str, object] | None
    observation: dict[str, object] | None
    statistics: dict[str, object] | None
    geometry: dict[str, object] | None
    quality: QualityView | None
    grading: Grade | None
    solution: Solution | None
    calibration: dict[str, object] | None
    superseded: list[SupersededUse] = Field(description="Masters it was measured with that were superseded since")
    products: list[ProductView]
    timeline: list[RunView] = Field(description="Modules of the newest job")


class Card(View):
    """One header card as uploaded."""

    keyword: str
    value: str | int | float | bool | None
    comment: str | None
