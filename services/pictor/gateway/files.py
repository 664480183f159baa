"""Stored objects as answers: ranges, entity tags, and names that are safe in a header."""

import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import quote

from litestar import Response
from litestar.response import Stream

from pictor.gateway.problems import Http, Problem
from pictor.runtime.runtime import Runtime
from pictor.runtime.store.errors import ObjectMissing
from pictor.runtime.store.protocol import Part

RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")


@dataclass(frozen=True, slots=True)
class Stored:
    """An object to send."""

    key: str
    size: int
    sha256: str
    content_type: str
    name: str | None = None
    """Name to save it under; None shows it in the browser."""
    rest: Part | None = None
    """Bytes of another object that follow those of this one; both together are ``size`` bytes."""

    def pieces(self, start: int, end: int) -> list[Part]:
        """Where the bytes from ``start`` up to but without ``end`` lie."""
        if self.rest is None:
            return [Part(self.key, start, end - start)]
        own = self.size - (self.rest.length or 0)
        found = [Part(self.key, start, min(end, own) - start)] if start < own else []
        if end > own:
            first = max(start, own)
            found.append(Part(self.rest.key, self.rest.offset + first - own, end - first))
        return found


async def send(request: Http, runtime: Runtime, stored: Stored) -> Response[bytes] | Stream:
    """Send an object, or the part of it that was asked for, without holding it in memory."""
    tag = f'"{stored.sha256}"'
    headers = {"ETag": tag, "Accept-Ranges": "bytes", "Cache-Control": "private, no-cache"}
    if stored.name is not None:
        headers["Content-Disposition"] = disposition(stored.name)
    if tag in request.headers.get("if-none-match", ""):
        return Response(b"", status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    wanted = request.headers.get("range")
    whole_wanted = wanted is None or request.headers.get("if-range", tag) != tag
    span = None if whole_wanted else span_of(wanted or "", stored.size)
    start, end = span or (0, stored.size)
    headers["Content-Length"] = str(end - start)
    if span is not None:
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{stored.size}"
    status = HTTPStatus.OK if span is None else HTTPStatus.PARTIAL_CONTENT
    body = await _opened(runtime, stored.pieces(start, end))
    return Stream(body, status_code=status, media_type=stored.content_type, headers=headers)


def span_of(text: str, size: int) -> tuple[int, int] | None:
    """Read a Range header: first and last-plus-one byte; None for forms that may be ignored."""
    if "," in text:
        raise _outside("Ask for one range at a time.", size)
    found = RANGE.fullmatch(text.strip())
    if found is None or found.groups() == ("", ""):
        return None
    first, last = found.groups()
    if first == "":
        start, end = max(0, size - int(last)), size
    else:
        start, end = int(first), min(size, int(last) + 1) if last else size
    if start >= size or start >= end:
        raise _outside(f"The file has {size} bytes.", size)
    return start, end


def _outside(detail: str, size: int) -> Problem:
    return Problem("range-not-satisfiable", detail, headers={"Content-Range": f"bytes */{size}"})


def disposition(name: str) -> str:
    """Name a download (RFC 6266): an ASCII form for old clients, the whole name for the others."""
    plain = re.sub(r"[^A-Za-z0-9._ +-]", "_", name)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"


async def whole(runtime: Runtime, key: str, *, limit: int, start: int = 0) -> bytes:
    """Read a small object, or a part of one up to an end, into memory."""
    body = b""
    async for chunk in await _opened(runtime, [Part(key, start, limit - start)]):
        body += chunk
    return body


async def _opened(runtime: Runtime, pieces: Sequence[Part]) -> AsyncIterator[bytes]:
    """Begin to read, so that a missing object is known before the answer begins."""
    streams = [runtime.store.open_range(one.key, one.offset, one.offset + (one.length or 0)) for one in pieces]
    try:
        begun = [(await anext(chunks, b""), chunks) for chunks in streams]
    except ObjectMissing as error:
        raise Problem("not-found", "The stored bytes are gone.") from error

    async def body() -> AsyncIterator[bytes]:
        for first, chunks in begun:
            yield first
            async for chunk in chunks:
                yield chunk

    return body()
