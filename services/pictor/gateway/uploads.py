"""Uploads: the raw body under its digest, or a form; 201 only when nothing can be lost any more."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from uuid import UUID

from litestar import Response, head, put
from pydantic import BaseModel, Field, ValidationError

from pictor.contracts.access import Scope
from pictor.contracts.frames import UploadMetadata
from pictor.gateway import arrival
from pictor.gateway.arrival import Arrival, Received
from pictor.gateway.auth import principal_of, require
from pictor.gateway.bodies import check_json, chunks_of
from pictor.gateway.problems import Http, Problem, invalid
from pictor.gateway.scanning import recognised
from pictor.gateway.wiring import RuntimeDep
from pictor.runtime import metrics
from pictor.runtime.runtime import Runtime
from pictor.runtime.store.errors import DigestMismatch

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
    with counted(request):
        coming = await arrival_of(request, runtime, digest_of(sha256), metadata, observatory=observatory, rig=rig)
        before = await arrival.known(runtime, coming.observatory.id, coming.sha256)
        if before is not None:
            await _pass_over(request)
            return receipt(coming.sha256, before)
        with holding(request, coming):
            body = recognised(chunks_of(request), limit=runtime.settings.max_upload_bytes, size=size)
            try:
                received = await arrival.receive(runtime, coming, body, size)
            except DigestMismatch as error:
                raise Problem("digest-mismatch", f"Nothing was kept: {error}.") from error
    return receipt(coming.sha256, received)


@head("/frames/{sha256:str}", guards=[require(Scope.FRAMES_WRITE)], summary="Ask whether a frame is there")
async def has_frame(request: Http, runtime: RuntimeDep, sha256: str, observatory: str | None = None) -> Response[None]:
    """Answer 200 when these bytes are there, 404 when they should be sent."""
    place, _ = await arrival.where(runtime, principal_of(request), observatory=observatory, rig=None)
    before = await arrival.known(runtime, place.id, digest_of(sha256))
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


async def arrival_of(
    request: Http, runtime: Runtime, sha256: str, metadata: UploadMetadata, *, observatory: str | None, rig: str | None
) -> Arrival:
    """Say who brings which frame where."""
    principal = principal_of(request)
    place, rig_id = await arrival.where(runtime, principal, observatory=observatory, rig=rig)
    address = request.client.host if request.client else None
    return Arrival(principal, place, rig_id, sha256, metadata, address)


@contextmanager
def counted(request: Http) -> Iterator[None]:
    """Count an upload by its outcome, and hold the token to its rate."""
    request.app.state.limits.uploads.take(principal_of(request).token_id)
    try:
        yield
    except Problem as problem:
        metrics.uploads.labels(problem.code).inc()
        raise


@contextmanager
def holding(request: Http, coming: Arrival) -> Iterator[None]:
    """Hold one of the places for parallel uploads."""
    limits = request.app.state.limits
    with limits.uploading.hold(coming.principal.token_id), limits.receiving.hold(str(coming.observatory.id)):
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
