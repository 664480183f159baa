"""Deleting masters and individual frames, from the database and the store, for good."""

from uuid import UUID

from litestar import delete

from pictor.contracts.access import Role
from pictor.gateway import trail
from pictor.gateway.auth import changing
from pictor.gateway.calibration.impact import ADMIN
from pictor.gateway.calibration.library import own_entry
from pictor.gateway.changes import delete_objects, remove_frame
from pictor.gateway.principals import Principal
from pictor.gateway.problems import Http, not_found
from pictor.gateway.wiring import Caller, RuntimeDep
from pictor.runtime.runtime import Runtime
from pictor.state import frames, masters, removal


@delete("/calibration/frames/{calibration_id:uuid}", guards=ADMIN, summary="Delete a master or individual frame")
async def delete_calibration_frame(
    request: Http, runtime: RuntimeDep, caller: Caller, calibration_id: UUID
) -> None:  # fmt: skip
    """Delete a master or an individual frame with its objects; what replaced or was replaced by it stays as it is."""
    async with runtime.pool.acquire() as db:
        row = await own_entry(db, caller, calibration_id, role=Role.OBSERVATORY_ADMIN)
        frame = None if row.is_master else await frames.get(db, calibration_id)
    if row.is_master:
        await _delete_master(request, runtime, caller, calibration_id)
    elif frame is None:
        raise not_found("calibration frame", calibration_id)
    else:
        await remove_frame(request, runtime, caller, frame)


async def _delete_master(request: Http, runtime: Runtime, caller: Principal, master_id: UUID) -> None:
    async with changing(runtime, caller) as db:
        master = await masters.get(db, master_id)
        state = None if master is None else await removal.hold_master(db, master)
        if master is None or state is None:
            raise not_found("calibration frame", master_id)
        sources = await masters.components(db, master_id)
        keys = await removal.delete_master(db, master)
        detail: dict[str, object] = {
            "state": state, "frame_type": str(master.frame_type), "group": master.group_key, "origin": master.origin,
            "ncombine": master.ncombine, "sources": sorted(map(str, sources)), "objects": len(keys),
        }  # fmt: skip
        await trail.record(
            db, request, caller, "master.delete", str(master_id), observatory_id=master.observatory_id, detail=detail
        )  # fmt: skip
    await delete_objects(runtime, keys)
