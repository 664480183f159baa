"""Calibrated lights: sent when they are what would be made now, made when they are not."""

from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Annotated
from uuid import UUID, uuid4

from litestar import Response, get
from litestar.params import Parameter
from litestar.response import Redirect, Stream
from pydantic import BaseModel, Field

from pictor.contracts.access import Role, Scope
from pictor.contracts.jobs import JobState
from pictor.contracts.modules import Lane, Module
from pictor.gateway.arrival import first_order
from pictor.gateway.auth import changing, limits_of, permit, require
from pictor.gateway.downloads import PRESIGNED_S
from pictor.gateway.files import Stored, send
from pictor.gateway.frames import own_frame
from pictor.gateway.principals import Principal
from pictor.gateway.problems import Http, Problem, not_found
from pictor.gateway.wiring import Caller, RuntimeDep
from pictor.imaging.errors import ImagingError
from pictor.runtime.calibrated import Plan, plan
from pictor.runtime.passing import give_first
from pictor.runtime.runtime import Runtime
from pictor.runtime.store.errors import ObjectMissing
from pictor.state import light_sets, observatories, products, wishes
from pictor.state.database import Connection
from pictor.state.frames import Frame
from pictor.state.outbox import Outgoing
from pictor.state.products import Product

RETRY_AFTER_S = 2

PATIENCE = timedelta(minutes=5)
"""How long after a failure the same pixels are not tried again."""


class Calibrating(BaseModel):
    """The light is being calibrated; ask again."""

    job_id: UUID
    frame_id: UUID
    already_open: bool = Field(description="True when such a job was waiting or running; no second one was made")
    message: str


CalibratedAnswer = Response[bytes] | Response[Calibrating] | Stream | Redirect


@get(
    "/frames/{frame_id:uuid}/calibrated",
    guards=[require(Scope.FRAMES_READ, role=Role.MEMBER)],
    opt={"produces_file": True},
    summary="Calibrated light",
)
async def read_calibrated(
    request: Http, runtime: RuntimeDep, caller: Caller, frame_id: UUID, *,
    cosmics: Annotated[bool, Parameter(description="Clean cosmic rays as well")] = False,
    redirect: Annotated[bool, Parameter(description="Answer 307 to the store's own address, where it has one")] = False,
) -> CalibratedAnswer:  # fmt: skip
    """Send the light with its masters applied: science, error and mask planes.

    It is made on demand: until then the answer is 202 with the job that makes it and a Retry-After. What was made is
    sent only while it is what would be made now: another master, setting or bad-pixel list makes it anew. 409
    `no-masters` says why nothing can be taken off the light.
    """
    async with runtime.pool.acquire() as db:
        frame = await own_frame(db, caller, frame_id)
        permit(caller, Role.MEMBER, frame.observatory_id)
        wanted = await _planned(db, frame, cosmics=cosmics)
        made = await _made(db, wanted, frame_id)
    if made is None or await _lost(runtime, made):
        try:
            return await _make(request, runtime, caller, frame, wanted)
        except MadeMeanwhileError as meanwhile:
            made = meanwhile.product
    return await _send(request, runtime, frame, made, redirect=redirect)


class MadeMeanwhileError(Exception):
    """A job ended between the question for its product and the order of another: nothing is ordered."""

    def __init__(self, product: Product) -> None:
        super().__init__(product.key)
        self.product = product


async def _made(db: Connection, wanted: Plan, frame_id: UUID) -> Product | None:
    """Return the product that is what would be made now."""
    found = (await products.of_frame(db, frame_id)).get(wanted.kind)
    return found if found is not None and found.parameters.get("key") == wanted.key else None


async def _lost(runtime: Runtime, made: Product) -> bool:
    """Forget a product whose bytes are not in the store any more: it is only a cache."""
    try:
        await runtime.store.stat(made.key)
    except ObjectMissing:
        async with runtime.pool.acquire() as db:
            await light_sets.forget_one(db, made.key)
        return True
    return False


async def _planned(db: Connection, frame: Frame, *, cosmics: bool) -> Plan:
    try:
        return await plan(db, frame, cosmics=cosmics)
    except ImagingError as error:
        raise Problem("no-masters", f"The light cannot be calibrated: {error}.") from error


async def _send(
    request: Http, runtime: Runtime, frame: Frame, made: Product, *, redirect: bool
) -> CalibratedAnswer:  # fmt: skip
    name = f"{frame.name.split('.')[0] or 'frame'}-{made.kind}.fits"
    if redirect:
        address = await runtime.store.presign_get(
            made.key, PRESIGNED_S, filename=name.encode("ascii", "replace").decode()
        )
        if address is not None:
            return Redirect(address, status_code=307)
    return await send(request, runtime, Stored(made.key, made.size, made.sha256, made.content_type, name))


async def _make(
    request: Http, runtime: Runtime, caller: Principal, frame: Frame, wanted: Plan
) -> Response[Calibrating]:  # fmt: skip
    """Order the job, or name the one that is open; a failure of the same pixels is told instead of repeated."""
    async with changing(runtime, caller) as db:
        job_id, outgoing = await _order(db, frame, wanted, caller)
        if outgoing:
            limits_of(request).reprocesses.take(caller.key)
    await runtime.bus.publish(outgoing)
    body = Calibrating(
        job_id=job_id, frame_id=frame.id, already_open=not outgoing,
        message="The light is being calibrated; ask again in a moment.",
    )  # fmt: skip
    return Response(body, status_code=HTTPStatus.ACCEPTED, headers={"Retry-After": str(RETRY_AFTER_S)})


def _not_just_failed(before: wishes.Wish | None, wanted: Plan) -> None:
    if before is None or before.state is not JobState.FAILED or before.key != wanted.key or not before.finished_at:
        return
    if datetime.now(UTC) - before.finished_at < PATIENCE:
        why = "; ".join(before.reasons)
        raise Problem("conflict", f"Calibrating this light failed, job {before.job_id}: {why}")


async def _order(db: Connection, frame: Frame, wanted: Plan, caller: Principal) -> tuple[UUID, list[Outgoing]]:
    """Order the light in the caller's transaction; what ended before the order was written is seen after it."""
    observatory = await observatories.get(db, frame.observatory_id)
    if observatory is None:
        raise AssertionError("a frame without its observatory")
    before, job_id = await wishes.newest(db, frame.id, wanted.kind), uuid4()
    if await wishes.wish(db, job_id, frame, wanted.kind, wanted.key, lane=Lane.HIGH, owner=caller.actor):
        made = await _made(db, wanted, frame.id)
        if made is not None:
            raise MadeMeanwhileError(made)
        _not_just_failed(before, wanted)
        order = first_order(observatory, frame.id, job_id, Lane.HIGH, (Module.CALIBRATE,))
        return job_id, [await give_first(db, order)]
    now = await wishes.newest(db, frame.id, wanted.kind)
    if now is None:
        raise not_found("frame", frame.id)
    return now.job_id, []
