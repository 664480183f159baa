"""For operators: how busy every module is, pause and resume."""

import asyncio
from datetime import datetime

from litestar import get, post
from pydantic import BaseModel

from pictor.contracts.access import Role, Scope
from pictor.contracts.messages import utc_now
from pictor.contracts.modules import Lane, Module
from pictor.contracts.subjects import STREAM_WORK
from pictor.gateway import trail
from pictor.gateway.auth import changing, require
from pictor.gateway.principals import Principal
from pictor.gateway.problems import Http
from pictor.gateway.views import View
from pictor.gateway.wiring import Caller, RuntimeDep
from pictor.runtime.consuming import durable_name
from pictor.runtime.runtime import Runtime
from pictor.state import loads, outbox

SERVER = [require(Scope.ADMIN, role=Role.SERVER_ADMIN)]


class LaneLoad(BaseModel):
    """One queue of a module, as the broker counts it."""

    lane: Lane
    waiting: int
    in_flight: int
    redelivered: int


class ModuleStatus(View):
    """One module: its queues, and what the database knows."""

    module: Module
    paused: bool
    lanes: list[LaneLoad]
    waiting: int
    in_flight: int
    completed: int
    failed: int
    parked: int
    oldest_ordered_at: datetime | None
    oldest_waiting_s: float | None
    median_s: float | None


class Operations(BaseModel):
    """The whole flow at this moment; ends are counted over the last 24 hours."""

    modules: list[ModuleStatus]
    outbox_unsent: int


@get("/operations", guards=SERVER, summary="State of every module")
async def read_operations(runtime: RuntimeDep) -> Operations:
    """Count waiting, in flight, failed and parked per module, from the broker and from the database."""
    async with runtime.pool.acquire() as db:
        known = await loads.loads(db)
        unsent = await outbox.unsent_count(db, older_than_s=30)
    queues = await asyncio.gather(*(_lanes(runtime, load.module) for load in known))
    now = utc_now()
    modules = []
    for load, lanes in zip(known, queues, strict=True):
        facts = {name: getattr(load, name) for name in loads.ModuleLoad.__dataclass_fields__}
        age = (now - load.oldest_ordered_at).total_seconds() if load.oldest_ordered_at else None
        modules.append(
            ModuleStatus(**facts, paused=load.module in runtime.control.paused, lanes=lanes, oldest_waiting_s=age)
        )
    return Operations(modules=modules, outbox_unsent=unsent)


async def _lanes(runtime: Runtime, module: Module) -> list[LaneLoad]:
    found = []
    for lane in Lane:
        info = await runtime.bus.js.consumer_info(STREAM_WORK, durable_name(module, lane))
        found.append(
            LaneLoad(lane=lane, waiting=info.num_pending or 0, in_flight=info.num_ack_pending or 0,
                     redelivered=info.num_redelivered or 0)
        )  # fmt: skip
    return found


@post("/operations/{module:str}/pause", guards=SERVER, status_code=202, summary="Pause a module")
async def pause_module(request: Http, runtime: RuntimeDep, caller: Caller, module: Module) -> None:
    """Let a module begin nothing new; what it has begun it ends."""
    await _switch(request, runtime, caller, module, paused=True)


@post("/operations/{module:str}/resume", guards=SERVER, status_code=202, summary="Resume a module")
async def resume_module(request: Http, runtime: RuntimeDep, caller: Caller, module: Module) -> None:
    """Let a paused module go on."""
    await _switch(request, runtime, caller, module, paused=False)


async def _switch(request: Http, runtime: Runtime, caller: Principal, module: Module, *, paused: bool) -> None:
    async with changing(runtime, caller) as db:
        await runtime.control.pause(module, paused=paused)
        await trail.record(db, request, caller, "module.pause" if paused else "module.resume", str(module))
