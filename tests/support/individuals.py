"""Individual calibration frames and masters as rows, for tests of decisions about them; no pixels."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from pictor.contracts.frames import FrameType, ProductKind
from pictor.contracts.masters import MasterState
from pictor.imaging.matching.frames import CameraMode
from pictor.imaging.matching.frames import FrameType as Kind
from pictor.imaging.matching.grouping import GroupKey
from pictor.runtime.stacking.library import facts_of, name_of
from pictor.runtime.store.protocol import FrameStore
from pictor.state import frames, masters, products
from pictor.state.database import Connection, Pool
from pictor.state.masters import Master
from pictor.state.products import Product

MODE = "0123456789abcdef"
START = datetime(2026, 1, 1, 20, tzinfo=UTC)
CAMERA = "a camera"


async def add_individuals(
    pool: Pool | Connection, observatory_id: UUID, count: int, *,
    kind: str = "dark", temp_c: float = -10.0, exposure_s: float = 300.0, filter_name: str | None = None,
    gain: float | None = 100.0, mode: str = MODE, start: datetime = START, state: str = "registered",
) -> list[UUID]:  # fmt: skip
    """Register individual frames that may enter a stack."""
    made = []
    for number in range(count):
        frame_id = uuid4()
        await frames.create(
            pool, frame_id, observatory_id, rig_id=None, sha256=frame_id.hex * 2, size=1, name=f"{kind}.fits",
            raw_key=f"raw/{observatory_id}/{frame_id.hex[:2]}/{frame_id.hex * 2}", uploaded_by=None, metadata={},
        )  # fmt: skip
        described: dict[str, Any] = {
            "camera": CAMERA, "width": 64, "height": 64, "binning_x": 1, "binning_y": 1, "gain_setting": gain,
            "offset_setting": 30.0, "set_temp_c": temp_c, "ccd_temp_c": temp_c,
        }  # fmt: skip
        await pool.execute(
            """
            UPDATE frame SET state = $10, frame_type = $2, camera_mode = $3, exposure_s = $4, start_utc = $5,
                description = $6, filter = $7, gain_setting = $8, offset_setting = 30, binning_x = 1, binning_y = 1,
                width = 64, height = 64, camera = $9, set_temp_c = $11, ccd_temp_c = $11, not_stacked = '{}'
            WHERE id = $1
            """,
            frame_id, kind, mode, exposure_s, start + timedelta(minutes=5 * number), described, filter_name, gain,
            CAMERA, state, temp_c,
        )  # fmt: skip
        made.append(frame_id)
    return made


def dark_key(*, temp_c: float = -10.0, exposure_s: float = 300.0, gain: float | None = 100.0) -> GroupKey:
    """Return the key of the group that `add_individuals` makes."""
    mode = CameraMode(CAMERA, 64, 64, 1, 1, gain_setting=gain, offset_setting=30.0)
    return GroupKey(mode, Kind.DARK, exposure_s=exposure_s, temp_c=temp_c)


async def add_master(
    pool: Pool, observatory_id: UUID, *,
    state: MasterState = MasterState.ACTIVE, key: GroupKey | None = None, components: list[UUID] | None = None,
    store: FrameStore | None = None, taken_at: datetime | None = None, mode: str = MODE,
) -> UUID:  # fmt: skip
    """Record a master with its product; an active one supersedes."""
    master_id, key = uuid4(), key or dark_key()
    master = Master(
        id=master_id, observatory_id=observatory_id, rig_id=None, job_id=None, state=state,
        frame_type=FrameType(str(key.frame_type)), group_key=name_of(key), camera_mode=mode, facts=facts_of(key),
        ncombine=10, policy={}, statistics={}, reasons=(), taken_at=taken_at or datetime.now(UTC), camera_name=CAMERA,
    )  # fmt: skip
    sources = [(one, one.hex * 2) for one in components or []]
    async with pool.acquire() as db, db.transaction():
        await masters.save(db, master, sources)
        object_key = f"products/{observatory_id}/{master_id}/master-{master_id.hex[:8]}.fits"
        await products.save(
            db,
            Product(
                id=uuid4(), observatory_id=observatory_id, kind=ProductKind.MASTER, key=object_key, size=3,
                sha256="ab" * 32, content_type="application/fits", software="test", master_id=master_id,
            ),
        )  # fmt: skip
    if store is not None:
        await store.put_stream(object_key, _chunks(), 3)
    return master_id


async def _chunks() -> Any:
    yield b"abc"
