"""Lights measured with the predecessors of a master: how many there are, and processing them again."""

from typing import Annotated
from uuid import UUID

from litestar import post
from litestar.params import Parameter
from pydantic import BaseModel, Field

from pictor.contracts.access import Role, Scope
from pictor.contracts.masters import MasterState
from pictor.gateway import trail
from pictor.gateway.auth import changing, permit, require
from pictor.gateway.principals import Principal
from pictor.gateway.problems import Http, Problem, not_found
from pictor.gateway.wiring import Caller, RuntimeDep
from pictor.runtime.stacking import succession
from pictor.runtime.stacking.succession import Heirs
from pictor.state import masters
from pictor.state.database import Connection
from pictor.state.masters import Master

WRITE = [require(Scope.CALIBRATION_WRITE, role=Role.OBSERVATORY_ADMIN)]


class LightsReprocessed(BaseModel):
    """What was ordered, and what was not."""

    id: UUID
    dry_run: bool
    due: int = Field(description="Lights measured with a predecessor, or before there was any, that get it now")
    ordered: int = Field(description="Of these, ordered by this call, behind all other work")
    left: int = Field(description="Of these, not ordered by this call; ask again")
    later: int = Field(description="Lights that get this master once their night is over")
    kept: int = Field(description="Lights for whose time an older master is still the right one")


@post(
    "/calibration/masters/{master_id:uuid}/reprocess-lights",
    guards=WRITE,
    status_code=200,
    summary="Reprocess the lights of its predecessors",
)
async def reprocess_lights(
    request: Http, runtime: RuntimeDep, caller: Caller, master_id: UUID, *,
    dry_run: Annotated[bool, Parameter(description="Only tell what would be ordered")] = False,
) -> LightsReprocessed:  # fmt: skip
    """Process lights measured with a master this one superseded, or before there was any, again: at most 500 a call."""
    async with runtime.pool.acquire() as db:
        master = await _own_active(db, caller, master_id)
        found = await succession.heirs(db, master)
        if dry_run:
            return _told(master, found, ordered=0, tried=0, dry_run=True)
    async with changing(runtime, caller) as db:
        ordered, outgoing = await succession.reprocess(db, master, found.due, owner=caller.actor)
        await trail.record(
            db, request, caller, "calibration.reprocess", str(master_id), observatory_id=master.observatory_id,
            detail={"group": master.group_key, "lights": ordered},
        )  # fmt: skip
    await runtime.bus.publish(outgoing)
    return _told(master, found, ordered=ordered, tried=min(len(found.due), succession.ORDERED_AT_ONCE), dry_run=False)


def _told(master: Master, found: Heirs, *, ordered: int, tried: int, dry_run: bool) -> LightsReprocessed:
    return LightsReprocessed(
        id=master.id, dry_run=dry_run, due=len(found.due), ordered=ordered, left=len(found.due) - tried,
        later=len(found.later), kept=found.kept,
    )  # fmt: skip


async def _own_active(db: Connection, caller: Principal, master_id: UUID) -> Master:
    """Return an active master the caller may decide about; one that may not be seen does not exist."""
    master = await masters.get(db, master_id)
    if master is None or caller.role_at(master.observatory_id) is None:
        raise not_found("master", master_id)
    permit(caller, Role.OBSERVATORY_ADMIN, master.observatory_id)
    if master.state is not MasterState.ACTIVE:
        raise Problem("conflict", f"Only lights of an active master's predecessors; this one is {master.state}.")
    return master
