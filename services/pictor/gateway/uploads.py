"""Uploads: the raw body under its digest, or a form; 201 only when nothing can be lost any more."""

import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from http import HTTPStatus
from uuid import UUID

from litestar import Response, head, put
from pydantic import BaseModel, Field, ValidationError

from pictor.contracts.access import Scope
from pictor.contracts.frames import UploadMetadata
from pictor.gateway import arrival
from pictor.gateway.arrival import Arrival, Place, Received
from pictor.gateway.auth import address_of, limits_of, principal_of, require
from pictor.gateway.bodies import check_json, chunks_of
from pictor.gateway.digests import check_announced
from pictor.gateway.problems import Http, Problem, invalid
from pictor.gateway.quotas import check_quota, check_room
from pictor.gateway.scanning import recognised
from pictor.gateway.wiring import RuntimeDep
from pictor.runtime import metrics
from pictor.runtime.runtime import Runtime
from pictor.runtime.store.errors import DigestMismatch
from pictor.state.observatories import Observatory

METADATA_HEADER = b"x-frame-metadata"
MAX_METADATA_BYTES = 32 * 1024
SHA256 = re.compile("[0-9a-f]{64}")


class UploadReceipt(BaseModel):
    """What became of an upload: stored for good, registered, and certain to be processed."""

    frame_id: UUID
    job_id: UUID | None = Field(description="The job that processes the frame; the newest one of a duplicate")
    duplicate: bool = Field(description="True when these bytes were there already")
    sha256: str
    size: int
    name: str
    state: str = Field(description="received, registered or quarantined")


@put(
    "/frames/{sha256:str}",
    guards=[require(Scope.FRAMES_WRITE)],
    status_code=201,
    request_max_body_size=None,
    opt={"raw_body": True},
    summary="Upload a frame",
)
async def put_frame(
    request: Http, runtime: RuntimeDep, sha256: str, *,
    name: str | None = None, observatory: str | None = None, rig: str | None = None,
) -> Response[UploadReceipt]:  # fmt: skip
    """Store a frame under the SHA-256 of its bytes; 201 when it is new, 200 when it was there."""
    metadata = metadata_of(request, name)
    size = length_of(request, runtime)
    digest = digest_of(sha256)
    check_announced(request, digest)
    with counted(request):
        place = await arrival.where(runtime, principal_of(request), observatory=observatory, rig=rig)
        before = await arrival.known(runtime, place[0].id, digest)
        if before is not None:
            await _pass_over(request)
            return receipt(digest, before)
        async with admitted(request, runtime, place[0], size or 0):
            coming = arrival_of(request, digest, metadata, place)
            body = recognised(chunks_of(request), limit=runtime.settings.max_upload_bytes, size=size)
            try:
                received = await arrival.receive(runtime, coming, body, size)
            except DigestMismatch as error:
                raise Problem("digest-mismatch", f"Nothing was kept: {error}.") from error
    return receipt(digest, received)


@head("/frames/{sha256:str}", guards=[require(Scope.FRAMES_WRITE)], summary="Ask whether a frame is there")
async def has_frame(request: Http, runtime: RuntimeDep, sha256: str, observatory: str | None = None) -> Response[None]:
    """Answer 200 when these bytes are there, 404 when they should be sent."""
    digest = digest_of(sha256)
    place, _ = await arrival.where(runtime, principal_of(request), observatory=observatory, rig=None)
    before = await arrival.known(runtime, place.id, digest)
    if before is None:
        return Response(None, status_code=HTTPStatus.NOT_FOUND)
    return Response(None, headers={"X-Frame-Id": str(before.frame_id), "X-Frame-State": before.state})


def digest_of(text: str) -> str:
    """Read a SHA-256 from an address."""
    lowered = text.lower()
    if not SHA256.fullmatch(lowered):
        raise Problem("invalid-value", "Name the frame by the SHA-256 of its bytes: 64 hexadecimal digits.")
    return lowered


def length_of(request: Http, runtime: Runtime, *, spare: int = 0) -> int | None:
    """Read the announced length of a body; None when it comes in chunks."""
    limit = runtime.settings.max_upload_bytes
    text = request.headers.get("content-length")
    if text is None:
        return None
    size = int(text)
    if size > limit + spare:
        raise Problem("too-large", f"The frame has {size} bytes; at most {limit} are accepted.")
    if size == 0:
        raise Problem("empty-body", "The upload holds no bytes.")
    return size


def metadata_of(request: Http, name: str | None) -> UploadMetadata:
    """Read what the capture program says, from the X-Frame-Metadata header."""
    raw = next((value for key, value in request.scope["headers"] if key == METADATA_HEADER), b"")
    return read_metadata(raw, name)


def read_metadata(raw: bytes, name: str | None) -> UploadMetadata:
    """Read metadata from JSON; a name given elsewhere fills in a missing one."""
    if len(raw) > MAX_METADATA_BYTES:
        raise Problem("bad-metadata", f"The metadata has {len(raw)} bytes; at most {MAX_METADATA_BYTES}.")
    if raw.strip():
        check_json(raw)
        try:
            metadata = UploadMetadata.model_validate_json(raw)
        except ValidationError as error:
            raise invalid(error, "bad-metadata") from error
    else:
        metadata = UploadMetadata()
    return metadata if metadata.name or not name else metadata.model_copy(update={"name": name[:255]})


def arrival_of(request: Http, sha256: str, metadata: UploadMetadata, place: Place) -> Arrival:
    """Say who brings which frame where."""
    return Arrival(principal_of(request), place[0], place[1], sha256, metadata, address_of(request))


@contextmanager
def counted(request: Http) -> Iterator[None]:
    """Count an upload by its outcome, and hold the token to its rate."""
    request.scope["state"]["allowance"] = limits_of(request).uploads.take(principal_of(request).key)
    try:
        yield
    except Problem as problem:
        metrics.uploads.labels(problem.code).inc()
        request.scope["state"]["upload"] = "frame.reject"
        raise


@asynccontextmanager
async def admitted(request: Http, runtime: Runtime, place: Observatory, size: int) -> AsyncIterator[None]:
    """Hold one of the places for parallel uploads, once there is room for the bytes."""
    async with runtime.pool.acquire() as db:
        await check_quota(db, runtime.settings, place.id, size)
    await check_room(runtime, size)
    limits = limits_of(request)
    with limits.uploading.hold(principal_of(request).key), limits.receiving.hold(str(place.id)):
        yield


async def _pass_over(request: Http) -> None:
    """Read a body nobody needs, unless the client still waits to be asked for it."""
    if "expect" not in request.headers:
        async for _ in chunks_of(request):
            pass


def receipt(sha256: str, received: Received) -> Response[UploadReceipt]:
    """Answer an upload."""
    metrics.uploads.labels("duplicate" if received.duplicate else "new").inc()
    if not received.duplicate:
        metrics.upload_bytes.inc(received.size)
    body = UploadReceipt(
        frame_id=received.frame_id, job_id=received.job_id, duplicate=received.duplicate, sha256=sha256,
        size=received.size, name=received.name, state=received.state,
    )  # fmt: skip
    status = HTTPStatus.OK if received.duplicate else HTTPStatus.CREATED
    return Response(body, status_code=status, headers={"Location": f"/api/v1/frames/{received.frame_id}"})
