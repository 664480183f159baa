"""One master or individual calibration frame with everything known about it."""

from datetime import datetime
from uuid import UUID

from litestar import get
from pydantic import Field

from pictor.contracts.frames import FrameType, ProductKind
from pictor.contracts.masters import MasterState
from pictor.gateway.calibration.library import READ, LibraryEntry, own_entry
from pictor.gateway.calibration.settings import policy_of
from pictor.gateway.problems import not_found
from pictor.gateway.views import View
from pictor.gateway.wiring import Caller, RuntimeDep
from pictor.imaging.matching.grouping import FLAT_DARK_WINDOW, roles
from pictor.runtime.library import frame_seen
from pictor.state import entries, frames, masters
from pictor.state.database import Connection
from pictor.state.frames import Frame


class FileView(View):
    """One file of a master."""

    kind: ProductKind
    size: int
    sha256: str
    url: str


class MasterDetail(View):
    """What a master is made of, how it was judged, and what became of it."""

    facts: dict[str, object] = Field(description="What the frames of its group have in common")
    policy: dict[str, object] = Field(description="The settings it was made with")
    checks: object = Field(description="The tests of its gate, with their numbers")
    statistics: dict[str, object]
    job_id: UUID | None
    files: list[FileView]
    sources: int
    deleted_sources: int = Field(description="Sources deleted since; they stay named")
    lights: int = Field(description="Lights measured or calibrated with it")
    superseded_at: datetime | None
    superseded_by: UUID | None
    reviewed_at: datetime | None
    reviewed_by: str | None
    recalled_at: datetime | None
    recalled_by: str | None
    recall_reason: str | None


class MasterUseView(View):
    """A master an individual frame is part of."""

    id: UUID
    state: MasterState
    group_key: str
    created_at: datetime


class IndividualDetail(View):
    """What is known about an individual frame besides its line in the library."""

    sha256: str
    size: int
    roles: list[str] = Field(description="What it serves as; a dark of a flat's exposure is a flat-dark as well")
    used_at: datetime | None = Field(description="When a master first used it; its retention counts from here")
    used_in: list[MasterUseView]
    set_temp_c: float | None
    ccd_temp_c: float | None
    statistics: dict[str, object] | None
    warnings: list[str]
    uploaded_by: str | None


class CalibrationFrame(LibraryEntry):
    """A master or an individual frame; one of the two parts is null."""

    master: MasterDetail | None
    individual: IndividualDetail | None


@get("/calibration/frames/{calibration_id:uuid}", guards=READ, summary="One master or individual frame")
async def read_calibration_frame(runtime: RuntimeDep, caller: Caller, calibration_id: UUID) -> CalibrationFrame:
    """Return facts, gate checks and policy of a master, or admission, roles and use of an individual frame."""
    async with runtime.pool.acquire() as db:
        row = await own_entry(db, caller, calibration_id)
        master = await _master(db, calibration_id) if row.is_master else None
        individual = None if row.is_master else await _individual(db, calibration_id)
    return CalibrationFrame(**LibraryEntry.of(row).model_dump(), master=master, individual=individual)


async def _master(db: Connection, master_id: UUID) -> MasterDetail:
    made, fate = await masters.get(db, master_id), await entries.fate(db, master_id)
    if made is None or fate is None:
        raise not_found("calibration frame", master_id)
    files = await entries.products_of(db, master_id)
    base = f"/api/v1/calibration/frames/{master_id}/download"
    told = {name: getattr(fate, name) for name in MasterDetail.model_fields if hasattr(fate, name)}
    return MasterDetail(
        facts=made.facts, policy=made.policy, checks=made.statistics.get("checks"), job_id=made.job_id,
        statistics={name: value for name, value in made.statistics.items() if name != "checks"},
        files=[FileView(**one, url=base if one["kind"] == "master" else f"{base}?kind={one['kind']}") for one in files],
        **told,
    )  # fmt: skip


async def _individual(db: Connection, frame_id: UUID) -> IndividualDetail:
    frame, claim = await frames.get(db, frame_id), await entries.claim(db, frame_id)
    if frame is None or claim is None:
        raise not_found("calibration frame", frame_id)
    return IndividualDetail(
        sha256=frame.sha256, size=frame.size, roles=await roles_of(db, frame), used_at=claim.used_at,
        used_in=[MasterUseView.model_validate(one) for one in await entries.masters_with(db, frame_id)],
        set_temp_c=claim.set_temp_c, ccd_temp_c=claim.ccd_temp_c, statistics=frame.statistics,
        warnings=[str(one) for one in frame.warnings], uploaded_by=frame.uploaded_by,
    )  # fmt: skip


async def roles_of(db: Connection, frame: Frame) -> list[str]:
    """Tell what an individual frame serves as; only a dark can have two roles."""
    if frame.frame_type is not FrameType.DARK or frame.start_utc is None or frame.description is None:
        return [str(frame.frame_type)]
    flats = await entries.near(db, frame, str(FrameType.FLAT))
    lights = await entries.near(db, frame, str(FrameType.LIGHT), within=FLAT_DARK_WINDOW)
    policy = await policy_of(db, frame.observatory_id)
    found = roles(frame_seen(frame), map(frame_seen, flats), map(frame_seen, lights), policy)
    return sorted(str(role) for role in found)
