"""A calibration library in the database: masters of every standing, frames that wait, one of each thing pages show."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from pictor.contracts.frames import FrameType
from pictor.contracts.jobs import JobKind
from pictor.contracts.masters import MasterState
from pictor.contracts.modules import Lane
from pictor.state import frames, groups, jobs, masters, stacks
from pictor.state.database import Connection
from pictor.state.groups import Note
from pictor.state.masters import Master
from pictor.state.stacks import StackRequest
from tests.support.nights import Place

CAMERA = "ZWO ASI2600MM Pro"

CHECKS = [
    {"name": "split-half noise", "value": 1.013, "low": 0.9, "high": 1.1, "verdict": "active",
     "detail": "halves differ by 1.013 of the expected noise (allowed 0.9 to 1.1)"},
    {"name": "split-half structure", "value": 8.4, "low": None, "high": 6.0, "verdict": "needs-review",
     "detail": "largest 32 x 32 block of the halves' difference 8.4 sigma (limit 6), 0.31 % beyond 5 sigma"},
    {"name": "active master", "value": None, "low": None, "high": 6.0, "verdict": "active",
     "detail": "no active master to compare with"},
    {"name": "never-good pixels", "value": 0.00002, "low": None, "high": 0.005, "verdict": "active",
     "detail": "0.002 % of pixels never good (limit 0.5 %)"},
]  # fmt: skip


def facts(place: Place, frame_type: FrameType, **changed: object) -> dict[str, Any]:
    """Facts of a group as the stacker stores them."""
    mode = {
        "rig_id": str(place.rig_id), "width": 6248, "height": 4176, "binning_x": 1, "binning_y": 1,
        "gain_setting": 100.0, "offset_setting": 50.0, "readout_mode": None, "bayer": None, "roi_x": None,
        "roi_y": None,
    }  # fmt: skip
    known: dict[str, Any] = {
        "mode": mode, "frame_type": str(frame_type), "exposure_s": None, "filter": None, "rotator_deg": None,
        "temp_c": -10.0,
    }  # fmt: skip
    return known | changed


async def add_individual(
    db: Connection, place: Place, frame_type: FrameType, number: int, *, days: float = 3.0,
    refused: list[str] | None = None, **described: object,
) -> UUID:  # fmt: skip
    """Insert one registered individual frame."""
    frame_id = uuid4()
    await frames.create(
        db, frame_id, place.observatory_id, rig_id=place.rig_id, sha256=f"{frame_id.int:064x}"[-64:], size=52_191_360,
        name=f"{frame_type}_{number:04d}.fits", raw_key=f"raw/{frame_id}", uploaded_by="plugin", metadata={},
    )  # fmt: skip
    start = datetime.now(UTC) - timedelta(days=days, minutes=-number)
    known: dict[str, Any] = {
        "frame_type": str(frame_type), "is_master": False, "camera": CAMERA, "gain_setting": 100.0,
        "offset_setting": 50.0, "binning_x": 1, "binning_y": 1, "width": 6248, "height": 4176, "set_temp_c": -10.0,
        "ccd_temp_c": -10.1, "start_utc": start.isoformat(),
    }  # fmt: skip
    await frames.register(
        db, frame_id, description=known | described, camera_mode="asi2600 gain 100", night=start.date(), cards=[],
        statistics={}, geometry={}, warnings=[],
    )  # fmt: skip
    await db.execute("UPDATE frame SET not_stacked = $2 WHERE id = $1", frame_id, refused or [])
    return frame_id


async def add_master(
    db: Connection, place: Place, frame_type: FrameType, *, days: float = 3.0, components: list[UUID] | None = None,
    state: MasterState = MasterState.ACTIVE, reasons: tuple[str, ...] = (), **known: object,
) -> UUID:  # fmt: skip
    """Insert a master whose frames were taken some days ago."""
    of = facts(place, frame_type, **known)
    master = Master(
        id=uuid4(), observatory_id=place.observatory_id, rig_id=place.rig_id, job_id=None, state=state,
        frame_type=frame_type, group_key=f"{frame_type}/{uuid4().hex[:12]}", camera_mode="asi2600 gain 100", facts=of,
        ncombine=20, policy={"min_frames": 10, "stacking_method": "sigma_clip"}, reasons=reasons,
        statistics={
            "checks": CHECKS, "statistics": {"frames": 20, "samples": 1_000_000, "rejected": 3120},
            "facts": {"read_noise_e": 1.52, "egain": 0.245, "dark_current_e_per_s": 0.0021, "hot_pixels": 3121},
            "flat_level_adu": 24_100.0 if frame_type is FrameType.FLAT else None,
        },
        taken_at=datetime.now(UTC) - timedelta(days=days), camera_name=CAMERA,
    )  # fmt: skip
    await masters.save(db, master, [(one, f"{one.int:064x}"[-64:]) for one in components or []])
    return master.id


async def add_stack_job(
    db: Connection, place: Place, group_key: str, *, state: str = "failed", reason: str = "the disk was full"
) -> UUID:
    """Insert a stack that was asked for."""
    job_id = uuid4()
    await jobs.create(
        db, job_id, place.observatory_id, frame_id=None, kind=JobKind.STACK, lane=Lane.LIVE, owner="calibration-stacker"
    )
    wanted = StackRequest(
        job_id, place.observatory_id, group_key, FrameType.DARK, (uuid4(), uuid4()), facts(place, FrameType.DARK), {},
        force=False,
    )  # fmt: skip
    await stacks.request(db, wanted)
    await db.execute(
        "UPDATE job SET state = $2, reasons = $3, finished_at = now() WHERE id = $1", job_id, state, [reason]
    )
    await db.execute("UPDATE stack_request SET open = $2 WHERE job_id = $1", job_id, state in {"pending", "running"})
    return job_id


async def fill_library(db: Connection, place: Place) -> dict[str, UUID]:
    """Insert a library that shows every standing; return some of its entries by name."""
    used = [await add_individual(db, place, FrameType.DARK, n, exposure_s=300.0) for n in range(20)]
    found = {
        "dark": await add_master(db, place, FrameType.DARK, exposure_s=300.0, components=[*used, uuid4()]),
        "old": await add_master(db, place, FrameType.DARK, exposure_s=60.0, days=41),
        "warm": await add_master(db, place, FrameType.DARK, exposure_s=300.0, temp_c=0.0, days=26),
        "bias": await add_master(db, place, FrameType.BIAS, days=12),
        "flat": await add_master(db, place, FrameType.FLAT, filter="L", days=6.2, exposure_s=None),
        "review": await add_master(
            db, place, FrameType.FLAT, filter="Ha", state=MasterState.NEEDS_REVIEW,
            reasons=("largest 32 x 32 block of the halves' difference 8.4 sigma (limit 6), 0.31 % beyond 5 sigma",),
        ),
        "superseded": await add_master(db, place, FrameType.FLAT, filter="L", state=MasterState.SUPERSEDED, days=20),
    }  # fmt: skip
    for number in range(7):
        found["waiting"] = await add_individual(db, place, FrameType.FLAT, number, filter="OIII", exposure_s=2.4)
    warm = "sensor at -7.2 C, set point -10.0 C: 2.8 C apart, less than 0.5 C is needed"
    found["refused"] = await add_individual(db, place, FrameType.DARK, 99, exposure_s=300.0, refused=[warm])
    deferred = "Flat auto-stacking deferred: no matching master dark available"
    await groups.save_notes(db, place.observatory_id, [
        Note("flat/OIII", "accumulate", "7 of 10 frames", 7, 10, facts(place, FrameType.FLAT, filter="OIII")),
        Note("flat/SII", "defer", deferred, 12, 10, facts(place, FrameType.FLAT, filter="SII")),
    ])  # fmt: skip
    found["job"] = await add_stack_job(db, place, "dark/300s")
    return found
