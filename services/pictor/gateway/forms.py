"""One-shot uploads as a multipart form: spooled to disk while they arrive, never in memory."""

import hashlib
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from litestar import Response, post
from multipart import MultipartError, MultipartSegment, PushMultipartParser, parse_options_header

from pictor.contracts.access import Scope
from pictor.contracts.frames import UploadMetadata
from pictor.gateway import arrival
from pictor.gateway.auth import principal_of, require
from pictor.gateway.bodies import chunks_of
from pictor.gateway.digests import verified
from pictor.gateway.problems import Http, Problem
from pictor.gateway.scanning import recognised
from pictor.gateway.uploads import (
    MAX_METADATA_BYTES,
    UploadReceipt,
    admitted,
    arrival_of,
    counted,
    digest_of,
    length_of,
    read_metadata,
    receipt,
)  # fmt: skip
from pictor.gateway.wiring import RuntimeDep
from pictor.runtime.runtime import Runtime

FORM_OVERHEAD = 64 * 1024
"""Bytes a form may have besides the frame."""

MAX_PARTS = 8


@dataclass(slots=True)
class Form:
    """What a form brought."""

    path: Path
    size: int = 0
    sha256: str = ""
    name: str | None = None
    metadata: bytes = b""
    announced: bytes = b""
    files: int = 0


@post(
    "/frames:upload",
    guards=[require(Scope.FRAMES_WRITE)],
    status_code=201,
    request_max_body_size=None,
    opt={"form_body": True},
    summary="Upload a frame as a form",
)
async def upload_form(
    request: Http, runtime: RuntimeDep, *, observatory: str | None = None, rig: str | None = None
) -> Response[UploadReceipt]:
    """Store the frame in the form field 'file'; 'metadata' is JSON, 'sha256' is checked when sent."""
    size = length_of(request, runtime, spare=FORM_OVERHEAD)
    with counted(request):
        place = await arrival.where(runtime, principal_of(request), observatory=observatory, rig=rig)
        async with admitted(request, runtime, place[0], size or 0), spooled(request, runtime) as form:
            metadata = _metadata(form)
            before = await arrival.known(runtime, place[0].id, form.sha256)
            if before is not None:
                return receipt(form.sha256, before)
            received = await arrival.receive_file(runtime, arrival_of(request, form.sha256, metadata, place), form.path)
    return receipt(form.sha256, received)


def _metadata(form: Form) -> UploadMetadata:
    """Check that a form is whole, and read what it says about its frame."""
    if form.files != 1:
        raise Problem("bad-request", "Send exactly one file, in the form field 'file'.")
    if form.announced and digest_of(form.announced.decode("latin-1").strip()) != form.sha256:
        raise Problem("digest-mismatch", f"Nothing was kept: the bytes have the SHA-256 {form.sha256}.")
    return read_metadata(form.metadata, form.name)


@asynccontextmanager
async def spooled(request: Http, runtime: Runtime) -> AsyncIterator[Form]:
    """Take a form apart; its file lies on the scratch disk until the block ends."""
    folder = runtime.settings.scratch / "forms"
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=folder, buffering=0) as file:
        form = Form(Path(file.name))
        digest = hashlib.sha256()
        body = _parts(request, form, limit=runtime.settings.max_upload_bytes)
        async for chunk in recognised(body, limit=runtime.settings.max_upload_bytes):
            digest.update(chunk)
            file.write(chunk)
        form.sha256 = digest.hexdigest()
        yield form


async def _parts(request: Http, form: Form, *, limit: int) -> AsyncIterator[bytes]:
    """Yield the bytes of the file field; small fields go into the form."""
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    if kind != "multipart/form-data":
        raise Problem("unsupported-media-type", "Send multipart/form-data with the fields 'file' and 'metadata'.")
    if not options.get("boundary"):
        raise Problem("bad-request", "The form names no boundary between its parts.")
    field = ""
    try:
        with PushMultipartParser(
            options["boundary"],
            max_segment_count=MAX_PARTS,
            max_segment_size=limit + FORM_OVERHEAD,
            max_header_size=4096,
        ) as parser:
            async for chunk in verified(request, chunks_of(request)):
                for part in parser.parse(chunk):
                    if isinstance(part, MultipartSegment):
                        field = _begin(form, part)
                    elif part and field == "file":
                        form.size += len(part)
                        yield bytes(part)
                    elif part:
                        _collect(form, field, bytes(part))
    except MultipartError as error:
        raise Problem("bad-request", f"The form cannot be read: {error}.") from error


def _begin(form: Form, part: MultipartSegment) -> str:
    if part.name == "file":
        form.files += 1
        form.name = part.filename or form.name
    return part.name or ""


def _collect(form: Form, field: str, value: bytes) -> None:
    if field == "metadata":
        form.metadata += value
    elif field == "sha256":
        form.announced += value
    elif field == "name":
        form.name = (form.name or "") + value.decode("utf-8", "replace")
    if len(form.metadata) > MAX_METADATA_BYTES or len(form.announced) > 200:
        raise Problem("bad-metadata", f"A form field may have {MAX_METADATA_BYTES} bytes.")
