"""Masters and individual calibration frames in the database, as ingest and the stacker leave them."""

import hashlib
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from pictor.contracts.frames import FrameType, ProductKind
from pictor.contracts.masters import MasterState
from pictor.imaging.matching.frames import CameraMode
from pictor.imaging.matching.policy import Policy
from pictor.runtime.store.protocol import FrameStore
from pictor.state import masters, products
from pictor.state.database import Connection
from pictor.state.masters import Master
from pictor.state.products import Product

MODE: dict[str, Any] = {"width": 8, "height": 8, "binning_x": 1, "binning_y": 1, "gain_setting": 100.0,
                        "offset_setting": 50.0}  # fmt: skip
CAMERA_MODE = "mode of tests"


async def keep(store: FrameStore, key: str, body: bytes) -> str:
    """Put an object into the store; returns its digest."""

    async def chunks() -> Any:
        yield body

    digest = hashlib.sha256(body).hexdigest()
    await store.put_stream(key, chunks(), len(body), sha256=digest)
    return digest


async def add_frame(
    db: Connection, observatory_id: UUID, frame_type: str = "dark", *,
    number: int = 0, days: float = 1, store: FrameStore | None = None, **columns: Any,
) -> UUID:  # fmt: skip
    """Insert a registered frame taken some days ago; its row says what its description says."""
    frame_id = uuid4()
    body = f"frame {frame_id}".encode()
    digest = hashlib.sha256(body).hexdigest()
    key = f"raw/{observatory_id}/{digest}"
    if store is not None:
        await keep(store, key, body)
    start = datetime.now(UTC) - timedelta(days=days)
    told: dict[str, Any] = {
        "camera": "ASI", "exposure_s": 0.0 if frame_type == "bias" else 60.0, "set_temp_c": -10.0, "ccd_temp_c": -10.0,
        "is_master": False, **MODE, **columns,
    }  # fmt: skip
    told.pop("not_stacked", None)
    mode = told.pop("camera_mode", CAMERA_MODE)
    named = ", ".join(told)
    places = ", ".join(f"${number}" for number in range(10, 10 + len(told)))
    await db.execute(
        f"""
        INSERT INTO frame (id, observatory_id, sha256, size, name, raw_key, state, frame_type, start_utc, received_at,
            camera_mode, description, not_stacked, {named})
        VALUES ($1, $2, $3, $4, $5, $6, 'registered', $7, $8, $8, '{mode}', $9, NULL, {places})
        """,  # noqa: S608 - names of this module's tests
        frame_id, observatory_id, digest, len(body), f"{frame_type}_{number:03d}.fits", key, frame_type, start,
        {**told, "frame_type": frame_type, "start_utc": start.isoformat()}, *told.values(),
    )  # fmt: skip
    if "not_stacked" in columns:
        await db.execute("UPDATE frame SET not_stacked = $2 WHERE id = $1", frame_id, columns["not_stacked"])
    return frame_id


async def add_master(
    db: Connection, observatory_id: UUID, frame_type: str = "dark", sources: list[UUID] | None = None, *,
    days: float = 1, store: FrameStore | None = None, state: str = "active", group: str | None = None, **facts: Any,
) -> UUID:  # fmt: skip
    """Insert a master taken some days ago, made of some frames; an active one supersedes its group's."""
    mode = {**asdict(CameraMode("rig", 8, 8)), **MODE, "rig_id": "ASI"}
    known: dict[str, Any] = {
        "mode": mode, "frame_type": frame_type, "exposure_s": None if frame_type in {"bias", "flat"} else 60.0,
        "filter": None, "rotator_deg": None, "temp_c": -10.0, **facts,
    }  # fmt: skip
    camera = known.pop("camera_name", "ASI")
    rows = await db.fetch("SELECT id, sha256 FROM frame WHERE id = ANY($1)", sources or [])
    made = Master(
        id=uuid4(), observatory_id=observatory_id, rig_id=None, job_id=None, state=MasterState(state),
        frame_type=FrameType(frame_type), group_key=group or f"{frame_type} of {uuid4()}", camera_mode=CAMERA_MODE,
        facts=known, ncombine=len(rows), policy=asdict(Policy()), statistics={"checks": {"split_half": 1.0}},
        reasons=(), taken_at=datetime.now(UTC) - timedelta(days=days), camera_name=camera,
    )  # fmt: skip
    async with db.transaction():
        await masters.save(db, made, [(row["id"], row["sha256"]) for row in rows])
        if store is not None:
            body = f"master {made.id}".encode()
            key = f"products/{observatory_id}/{made.id}/master"
            digest = await keep(store, key, body)
            await products.save(db, Product(uuid4(), observatory_id, ProductKind.MASTER, key, len(body), digest,
                                            "application/fits", "test", master_id=made.id))  # fmt: skip
    return made.id
