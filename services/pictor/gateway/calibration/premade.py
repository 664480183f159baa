"""Ready-made masters: streamed like any upload, kept as they are, and judged by the stacker."""

import hashlib
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Annotated
from uuid import UUID, uuid4

from litestar import Response, post
from litestar.di import Provide
from litestar.params import Dependency, Parameter
from pydantic import BaseModel, Field

from pictor.contracts.access import Role, Scope
from pictor.contracts.frames import CALIBRATION_TYPES, FrameType
from pictor.contracts.jobs import JobKind
from pictor.contracts.masters import MasterState
from pictor.contracts.modules import Lane, Module
from pictor.contracts.work import WorkOrder
from pictor.gateway import arrival, trail
from pictor.gateway.arrival import Arrival, Received
from pictor.gateway.auth import changing, permit, principal_of, require
from pictor.gateway.bodies import chunks_of
from pictor.gateway.digests import verified
from pictor.gateway.principals import Principal
from pictor.gateway.problems import Http, Problem
from pictor.gateway.scanning import recognised
from pictor.gateway.uploads import admitted, arrival_of, counted, length_of, metadata_of
from pictor.gateway.wiring import Caller, RuntimeDep
from pictor.runtime.crashpoints import crashpoint
from pictor.runtime.passing import give_first
from pictor.runtime.runtime import Runtime
from pictor.state import frames, jobs, premade
from pictor.state.database import Connection
from pictor.state.observatories import Observatory
from pictor.state.outbox import Outgoing
from pictor.state.premade import Claimed

WRITE = [require(Scope.CALIBRATION_WRITE, role=Role.OBSERVATORY_ADMIN)]
Word = Annotated[str | None, Parameter(min_length=1, max_length=200)]
Number = Annotated[float | None, Parameter(ge=-1e6, le=1e6)]
Seconds = Annotated[float | None, Parameter(ge=0, le=86_400)]
Celsius = Annotated[float | None, Parameter(ge=-273.15, le=100)]
Stated = dict[str, str | float | int | bool]


class MasterUploaded(BaseModel):
    """What became of an uploaded master: stored for good, and certain to be judged."""

    frame_id: UUID = Field(description="The raw bytes, kept as they are")
    job_id: UUID | None = Field(description="The job that judges it; null when it was judged before")
    sha256: str
    size: int
    duplicate: bool = Field(description="True when these bytes were there, whether as a frame or as a master")
    master_id: UUID | None = Field(default=None, description="The master made of it before")
    state: MasterState | None = None


def provide_stated(
    *, frame_type: FrameType | None = None, camera_name: Word = None,
    filter_name: Annotated[str | None, Parameter(query="filter", min_length=1, max_length=200)] = None,
    exposure_s: Seconds = None, gain_setting: Number = None, offset_setting: Number = None,
    binning_x: Annotated[int | None, Parameter(ge=1, le=64)] = None, temp_c: Celsius = None,
    rotator_deg: Number = None, readout_mode: Word = None,
    ncombine: Annotated[int | None, Parameter(ge=1, le=100_000)] = None,
    adu_per_unit: Annotated[float | None, Parameter(gt=0, le=1e9)] = None, bias_inside: bool | None = None,
) -> Stated:  # fmt: skip
    """Read what an upload says about a master that its header may lack."""
    if frame_type is not None and frame_type not in CALIBRATION_TYPES:
        raise Problem("invalid-value", "frame_type is dark, flat, bias or flat-dark.")
    said = {
        "frame_type": None if frame_type is None else str(frame_type), "camera_name": camera_name,
        "filter": filter_name, "exposure_s": exposure_s, "gain_setting": gain_setting,
        "offset_setting": offset_setting, "binning_x": binning_x, "temp_c": temp_c, "rotator_deg": rotator_deg,
        "readout_mode": readout_mode, "ncombine": ncombine, "adu_per_unit": adu_per_unit,
        "bias_inside": bias_inside,
    }  # fmt: skip
    return {name: value for name, value in said.items() if value is not None}


@post(
    "/calibration/masters/upload",
    guards=WRITE,
    dependencies={"stated": Provide(provide_stated, sync_to_thread=False)},
    status_code=201,
    request_max_body_size=None,
    opt={"raw_body": True},
    summary="Upload a master",
)
async def upload_master(
    request: Http, runtime: RuntimeDep, caller: Caller, *,
    stated: Annotated[Stated, Dependency(skip_validation=True)],
    name: str | None = None, observatory: str | None = None, rig: str | None = None,
) -> Response[MasterUploaded]:  # fmt: skip
    """Store a ready-made master and have it judged against the active one of its group; the bytes stay as they are."""
    size = length_of(request, runtime)
    metadata = metadata_of(request, name)
    with counted(request):
        place = await arrival.where(runtime, principal_of(request), observatory=observatory, rig=rig)
        permit(caller, Role.OBSERVATORY_ADMIN, place[0].id)
        async with admitted(request, runtime, place[0], size or 0), _spooled(request, runtime, size) as (path, sha256):
            coming = arrival_of(request, sha256, metadata, place)
            received = await _arrive(runtime, coming, Claimed(dict(stated), caller.actor), path)
            answer, outgoing = await _order(request, runtime, caller, coming, received=received, stated=stated)
    crashpoint("gateway.after_order")
    await runtime.bus.publish(outgoing)
    status = HTTPStatus.OK if answer.job_id is None else HTTPStatus.CREATED
    return Response(answer, status_code=status, headers={"Location": f"/api/v1/frames/{answer.frame_id}"})


@asynccontextmanager
async def _spooled(request: Http, runtime: Runtime, size: int | None) -> AsyncIterator[tuple[Path, str]]:
    """Take the body to the scratch disk: under what name it is kept is known only at its end."""
    folder = runtime.settings.scratch / "forms"
    folder.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    body = verified(request, chunks_of(request))
    with tempfile.NamedTemporaryFile(dir=folder, buffering=0) as file:
        async for chunk in recognised(body, limit=runtime.settings.max_upload_bytes, size=size):
            digest.update(chunk)
            file.write(chunk)
        yield Path(file.name), digest.hexdigest()


async def _arrive(runtime: Runtime, coming: Arrival, claimed: Claimed, path: Path) -> Received:
    """Say that the bytes are a master before they become a frame, so that no stack ever takes them for one."""
    place, sha256 = coming.observatory.id, coming.sha256
    async with changing(runtime, coming.principal) as db:
        await premade.claim(db, place, sha256, claimed)
    crashpoint("gateway.after_claim")
    try:
        before = await arrival.known(runtime, place, sha256)
        return before or await arrival.receive_file(runtime, coming, path)
    except Problem:
        async with runtime.pool.acquire() as db:
            await premade.unclaim(db, place, sha256)
        raise


async def _order(
    request: Http, runtime: Runtime, caller: Principal, coming: Arrival, *, received: Received, stated: Stated
) -> tuple[MasterUploaded, list[Outgoing]]:
    """Order the judgement, once for the same bytes and statements."""
    place, sha256 = coming.observatory, coming.sha256
    answer = MasterUploaded(
        frame_id=received.frame_id, job_id=None, sha256=sha256, size=received.size, duplicate=received.duplicate
    )
    async with changing(runtime, caller) as db:
        await frames.lock_content(db, coming.key)
        under_way = await premade.open_job(db, received.frame_id)
        if under_way is not None:
            return answer.model_copy(update={"job_id": under_way}), []
        made = await premade.made_of(db, place.id, sha256, dict(stated))
        if made is not None:
            return answer.model_copy(update={"master_id": made[0], "state": made[1], "duplicate": True}), []
        job_id, outgoing = await _judgement(db, place, received.frame_id, caller)
        if received.duplicate:
            await trail.record(
                db, request, caller, "calibration.upload", str(received.frame_id), observatory_id=place.id,
                detail={"sha256": sha256, "size": received.size, "stated": stated, "job": str(job_id)},
            )  # fmt: skip
    return answer.model_copy(update={"job_id": job_id}), outgoing


async def _judgement(
    db: Connection, place: Observatory, frame_id: UUID, caller: Principal
) -> tuple[UUID, list[Outgoing]]:
    job_id = uuid4()
    await jobs.create(
        db, job_id, place.id, frame_id=frame_id, kind=JobKind.STACK, lane=Lane.HIGH, owner=caller.actor
    )  # fmt: skip
    order = WorkOrder(
        observatory=place.slug, observatory_id=place.id, job_id=job_id, frame_id=frame_id, module=Module.STACK,
        lane=Lane.HIGH,
    )  # fmt: skip
    return job_id, [await give_first(db, order)]
