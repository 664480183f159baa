"""What every request passes before any route, and every answer after it."""

import asyncio
import re
import secrets
import time
from collections.abc import Iterator
from urllib.parse import unquote_to_bytes, urlsplit

import structlog
from litestar import Request
from litestar.enums import ScopeType
from litestar.types import (
    ASGIApp,
    HTTPReceiveMessage,
    HTTPResponseStartEvent,
    HTTPScope,
    Message,
    Receive,
    Scope,
    Send,
    WebSocketReceiveMessage,
)
from prometheus_client import Counter, Histogram

from pictor.contracts.access import redacted
from pictor.gateway.heads import MAX_HEAD_BYTES, MAX_HEADERS
from pictor.gateway.limits import Allowance
from pictor.gateway.pace import PacedBody, Patience
from pictor.gateway.problems import Http, Problem, answer
from pictor.runtime.settings import Settings

log = structlog.get_logger()

CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
CLOSE = {"Connection": "close"}
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})

POLICY = (
    b"default-src 'self'; img-src 'self' data: blob:; style-src 'self' 'unsafe-inline'; "
    b"frame-ancestors 'none'; base-uri 'none'; form-action 'self'; object-src 'none'"
)

HEADERS = (
    (b"content-security-policy", POLICY),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
)  # fmt: skip
"""Sent with every answer; inline styles are allowed for the chart and zoom islands, inline scripts never."""

requests_total = Counter("pictor_http_requests", "Requests by method and status", ("method", "status"))
request_seconds = Histogram("pictor_http_request_seconds", "Time to the first byte of an answer", ("method",))


def shield(app: ASGIApp, settings: Settings) -> ASGIApp:
    """Wrap an application: trace id, checks of address and host, pace, security headers, metrics and one log line."""
    hosts = hosts_of(settings)
    patience = Patience.of(settings)

    async def shielded(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            await app(scope, receive, send)
            return
        scope["state"] = {**scope.get("state", {}), "trace_id": secrets.token_hex(8)}
        exchange = _Exchange(scope, receive, send, patience)
        refusal = check(scope, hosts) or exchange.check()
        if refusal is not None:
            await _refuse(scope, exchange, refusal)
            return
        try:
            await exchange.run(app)
        except Exception as error:
            if exchange.begun:
                raise
            await _refuse(scope, exchange, error)

    return shielded


def hosts_of(settings: Settings) -> frozenset[str]:
    """Return the host names that are served; empty for any, when listening beyond loopback without a list."""
    named = {name.strip().lower() for name in settings.allowed_hosts.split(",") if name.strip()}
    public = urlsplit(settings.public_url or "").hostname
    if public:
        named.add(public.lower())
    if not named and settings.host not in LOOPBACK:
        return frozenset()
    return frozenset(named | LOOPBACK | {settings.host.lower()})


def check(scope: HTTPScope, hosts: frozenset[str]) -> Problem | None:
    """Refuse requests no route should ever see."""
    headers = list(scope["headers"])
    if len(headers) > MAX_HEADERS or sum(len(name) + len(value) for name, value in headers) > MAX_HEAD_BYTES:
        return Problem("headers-too-large", f"At most {MAX_HEADERS} headers of {MAX_HEAD_BYTES} bytes together.")
    refusal = check_address(scope.get("raw_path") or scope["path"].encode(), scope["query_string"])
    if refusal is not None:
        return refusal
    named = [value.decode("latin-1") for name, value in headers if name == b"host"]
    try:
        host = urlsplit(f"//{named[0]}").hostname if len(named) == 1 else None
    except ValueError:
        host = None
    if host is None or (hosts and host not in hosts):
        return Problem("bad-host", "Use the address this gateway is configured for (PICTOR_ALLOWED_HOSTS).")
    return None


def check_address(path: bytes, query: bytes) -> Problem | None:
    """Refuse addresses that are no text, and paths that lead anywhere but down."""
    try:
        readable = unquote_to_bytes(path).decode("utf-8"), unquote_to_bytes(query.replace(b"+", b" ")).decode("utf-8")
    except UnicodeDecodeError:
        return Problem("bad-request", "The address is not UTF-8.")
    if any(CONTROL.search(text) for text in readable):
        return Problem("bad-request", "The address holds a control character.")
    lowered = path.lower()
    steps = re.split(r"[/\\]", readable[0])
    if b"%2f" in lowered or b"%5c" in lowered or "." in steps or ".." in steps:
        return Problem("not-found", "There is nothing at this address.")
    return None


class _Exchange:
    """One request and its answer, observed."""

    def __init__(self, scope: HTTPScope, receive: Receive, send: Send, patience: Patience) -> None:
        self._scope = scope
        self._send = send
        self._since = time.monotonic()
        self._answer_s = patience.answer_s
        self._expects = any(name == b"expect" for name, _ in scope["headers"])
        lengths = [value for name, value in scope["headers"] if name == b"content-length"]
        chunked = any(name == b"transfer-encoding" for name, _ in scope["headers"])
        self._body = PacedBody(receive, patience, whole=not chunked and lengths in ([], [b"0"]))
        self.begun = False
        self._deadline = asyncio.timeout(patience.answer_s if self._body.whole else None)
        self._timed = False

    def check(self) -> Problem | None:
        """Refuse a body where none belongs."""
        if self._scope["method"] in {"GET", "HEAD"} and not self._body.whole:
            return Problem("method-not-allowed", "A request to read something has no body.", headers=CLOSE)
        encoded = [value for name, value in self._scope["headers"] if name == b"content-encoding"]
        if encoded not in ([], [b"identity"]):
            return Problem("unsupported-media-type", "Send bodies as they are, without Content-Encoding.")
        return None

    async def run(self, app: ASGIApp) -> None:
        """Have the request answered in time; raises ``TimeoutError``."""
        async with self._deadline:
            self._timed = True
            try:
                await app(self._scope, self.receive, self.send)
            finally:
                self._timed = False

    def _answer_within(self, seconds: float | None) -> None:
        if self._timed and not self._deadline.expired():
            self._deadline.reschedule(None if seconds is None else asyncio.get_running_loop().time() + seconds)

    async def receive(self) -> HTTPReceiveMessage | WebSocketReceiveMessage:
        waiting = not self._body.whole
        message = await self._body.receive()
        if waiting and self._body.whole and not self.begun:
            self._answer_within(self._answer_s)
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._begin(message)
        await self._send(message)

    def _begin(self, message: HTTPResponseStartEvent) -> None:
        self.begun = True
        self._answer_within(None)
        present = {name for name, _ in message["headers"]}
        added = [(name, value) for name, value in self._added() if name not in present]
        message["headers"] = [*message["headers"], *added]
        self._observe(message["status"])

    def _added(self) -> Iterator[tuple[bytes, bytes]]:
        yield from HEADERS
        yield b"x-request-id", self._scope["state"]["trace_id"].encode()
        allowance: Allowance | None = self._scope["state"].get("allowance")
        if allowance is not None:
            yield from allowance.headers()
        if self._expects and not self._body.whole and not self._body.asked:
            yield b"connection", b"close"

    def _observe(self, status: int) -> None:
        seconds = time.monotonic() - self._since
        method = self._scope["method"]
        requests_total.labels(method, status).inc()
        request_seconds.labels(method).observe(seconds)
        path = redacted(self._scope["path"])
        level = log.debug if path.startswith(("/health", "/metrics", "/static")) else log.info
        level("answered", method=method, path=path, status=status, duration_s=round(seconds, 4),
              trace=self._scope["state"]["trace_id"])  # fmt: skip


async def _refuse(scope: HTTPScope, exchange: _Exchange, error: Exception) -> None:
    request: Http = Request(scope)
    response = answer(request, error)
    body = response.content.model_dump_json().encode()
    headers = [
        (b"content-type", b"application/problem+json"), (b"content-length", str(len(body)).encode()),
        *((name.lower().encode(), str(value).encode()) for name, value in response.headers.items()),
    ]  # fmt: skip
    start: HTTPResponseStartEvent = {
        "type": "http.response.start",
        "status": response.content.status,
        "headers": headers,
    }
    await exchange.send(start)
    await exchange.send({"type": "http.response.body", "body": body, "more_body": False})
