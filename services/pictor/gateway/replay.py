"""Idempotency-Key: the same POST again gets the same answer, and does nothing a second time."""

import hashlib
import re
from collections.abc import Mapping
from http import HTTPStatus

import structlog
from litestar import Request
from litestar.enums import ScopeType
from litestar.types import (
    ASGIApp,
    HTTPRequestEvent,
    HTTPResponseStartEvent,
    HTTPScope,
    Message,
    Receive,
    ReceiveMessage,
    Scope,
    Send,
)

from pictor.gateway.auth import identify
from pictor.gateway.bodies import MAX_JSON_BYTES, chunks_of
from pictor.gateway.principals import Principal
from pictor.gateway.problems import Http, Problem
from pictor.runtime.outages import OUTAGE
from pictor.runtime.runtime import Runtime
from pictor.state import idempotency
from pictor.state.database import with_all_rows

log = structlog.get_logger()

HEADER = b"idempotency-key"
KEY = re.compile(rb"[\x21-\x7e]{1,255}")
MAX_ANSWER_BYTES = 256 * 1024
KEPT_HEADERS = frozenset({"content-type", "location", "etag"})

BY_CONTENT = ("/frames:upload", "/calibration/masters/upload")
"""Uploads are the same by their bytes, whatever their key: a second one is answered 200."""


def replaying(app: ASGIApp, runtime: Runtime) -> ASGIApp:
    """Wrap an application: POSTs under a key are answered once."""

    async def handle(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP or scope["method"] != "POST" or not scope["path"].startswith("/api/"):
            await app(scope, receive, send)
            return
        key = dict(scope["headers"]).get(HEADER)
        request: Http = Request(scope, receive, send)
        caller = None if key is None or scope["path"].endswith(BY_CONTENT) else await identify(request)
        if key is None or caller is None:
            await app(scope, receive, send)
        else:
            await _Once(runtime, request, caller, key).answer(app, send)

    return handle


class _Once:
    """One request under a key."""

    def __init__(self, runtime: Runtime, request: Http, caller: Principal, key: bytes) -> None:
        if not KEY.fullmatch(key):
            raise Problem("bad-request", "An Idempotency-Key has 1 to 255 visible ASCII characters.")
        self._runtime = runtime
        self._request = request
        self._names = caller.key, key.decode("ascii")
        self._start: HTTPResponseStartEvent | None = None
        self._body = b""

    async def answer(self, app: ASGIApp, send: Send) -> None:
        body = await self._read()
        digest = _digest(self._request.scope, body)
        async with with_all_rows(self._runtime.pool) as db:
            earlier = await idempotency.claim(db, *self._names, digest)
        if earlier is not None:
            await _again(earlier, digest, send)
            return
        kept = False
        try:
            await app(self._request.scope, _replayed(body), self._listening(send))
            kept = await self._keep()
        finally:
            if not kept:
                await self._release()

    async def _read(self) -> bytes:
        body = b""
        async for chunk in chunks_of(self._request):
            body += chunk
            if len(body) > MAX_JSON_BYTES:
                raise Problem("too-large", f"A JSON body may have {MAX_JSON_BYTES} bytes.")
        return body

    def _listening(self, send: Send) -> Send:
        async def listened(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._start = message
            elif message["type"] == "http.response.body" and len(self._body) <= MAX_ANSWER_BYTES:
                self._body += message["body"]
            await send(message)

        return listened

    async def _keep(self) -> bool:
        """Remember an answer that says something was done, but none that shows a secret; any other frees the key."""
        if self._start is None or not HTTPStatus.OK <= self._start["status"] < HTTPStatus.MULTIPLE_CHOICES:
            return False
        named = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in self._start["headers"]}
        secret = "no-store" in named.get("cache-control", "") or len(self._body) > MAX_ANSWER_BYTES
        headers = {name: value for name, value in named.items() if name in KEPT_HEADERS}
        try:
            async with with_all_rows(self._runtime.pool) as db:
                await idempotency.keep(
                    db, *self._names, status=0 if secret else self._start["status"],
                    headers={} if secret else headers, body=b"" if secret else self._body,
                )  # fmt: skip
        except OUTAGE as error:
            log.warning("answer not kept under its key", reason=repr(error))
        return True

    async def _release(self) -> None:
        try:
            async with with_all_rows(self._runtime.pool) as db:
                await idempotency.release(db, *self._names)
        except OUTAGE as error:
            log.warning("key not given back", reason=repr(error))


def _digest(scope: HTTPScope, body: bytes) -> bytes:
    kind = dict(scope["headers"]).get(b"content-type", b"")
    parts = (scope["path"].encode(), scope["query_string"], kind, body)
    return hashlib.sha256(b"".join(len(part).to_bytes(8) + part for part in parts)).digest()


def _replayed(body: bytes) -> Receive:
    events: list[ReceiveMessage] = [HTTPRequestEvent(type="http.request", body=body, more_body=False)]

    async def receive() -> ReceiveMessage:
        return events.pop() if events else {"type": "http.disconnect"}

    return receive


async def _again(earlier: idempotency.Earlier, digest: bytes, send: Send) -> None:
    if earlier.request_sha256 != digest:
        raise Problem("idempotency-mismatch", "This Idempotency-Key was used for another request; take a new one.")
    if earlier.status is None:
        raise Problem(
            "idempotency-in-flight", "The same request is being answered at this moment; ask again.",
            headers={"Retry-After": "1"},
        )  # fmt: skip
    if earlier.status == 0:
        raise Problem("conflict", "This was done before, and its answer was shown once; it is not kept.")
    headers = _headers({**earlier.headers, "content-length": str(len(earlier.body)), "idempotency-replayed": "true"})
    await send({"type": "http.response.start", "status": earlier.status, "headers": headers})
    await send({"type": "http.response.body", "body": earlier.body, "more_body": False})


def _headers(named: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in named.items()]
