"""What every request passes before any route, and every answer after it."""

import secrets
import time
from http import HTTPStatus
from urllib.parse import urlsplit

import structlog
from litestar import Request
from litestar.enums import ScopeType
from litestar.types import (
    ASGIApp,
    HTTPReceiveMessage,
    HTTPScope,
    Message,
    Receive,
    Scope,
    Send,
    WebSocketReceiveMessage,
)
from prometheus_client import Counter, Histogram

from pictor.gateway.credentials import redacted
from pictor.gateway.problems import Http, Problem, answer
from pictor.runtime.settings import Settings

log = structlog.get_logger()

MAX_HEADERS = 100
MAX_HEADER_BYTES = 48 * 1024
"""Frame metadata comes in a header and may fill 32 KiB of it."""

MAX_DRAINED_BYTES = 4 * 1024 * 1024
"""A refused body of this size is read to its end, so that the client sees the refusal instead of a reset."""

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
    """Wrap an application: trace id, host check, header limits, security headers, metrics and one log line."""
    hosts = hosts_of(settings)

    async def shielded(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            await app(scope, receive, send)
            return
        scope["state"] = {**scope.get("state", {}), "trace_id": secrets.token_hex(8)}
        exchange = _Exchange(scope, receive, send)
        refusal = check(scope, hosts)
        if refusal is None:
            await app(scope, exchange.receive, exchange.send)
        else:
            await _refuse(scope, exchange, refusal)

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
    if len(headers) > MAX_HEADERS or sum(len(name) + len(value) for name, value in headers) > MAX_HEADER_BYTES:
        return Problem("headers-too-large", f"At most {MAX_HEADERS} headers of {MAX_HEADER_BYTES} bytes together.")
    if "\x00" in scope["path"] or b"%00" in scope["query_string"]:
        return Problem("bad-request", "The address holds a NUL character.")
    named = [value.decode("latin-1") for name, value in headers if name == b"host"]
    try:
        host = urlsplit(f"//{named[0]}").hostname if len(named) == 1 else None
    except ValueError:
        host = None
    if host is None or (hosts and host not in hosts):
        return Problem("bad-host", "Use the address this gateway is configured for (PICTOR_ALLOWED_HOSTS).")
    return None


class _Exchange:
    """One request and its answer, observed."""

    def __init__(self, scope: HTTPScope, receive: Receive, send: Send) -> None:
        self._scope = scope
        self._receive = receive
        self._send = send
        self._begun = time.monotonic()
        self._body_over = False

    async def receive(self) -> HTTPReceiveMessage | WebSocketReceiveMessage:
        message = await self._receive()
        if message["type"] == "http.disconnect" or not message.get("more_body", False):
            self._body_over = True
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            status = message["status"]
            if status >= HTTPStatus.BAD_REQUEST:
                await self._drain()
            present = {name for name, _ in message.get("headers", ())}
            message["headers"] = [
                *message.get("headers", ()),
                *((name, value) for name, value in HEADERS if name not in present),
                (b"x-request-id", self._scope["state"]["trace_id"].encode()),
            ]
            self._observe(status)
        await self._send(message)

    async def _drain(self) -> None:
        """Read what is left of a small refused body."""
        lengths = [value for name, value in self._scope["headers"] if name == b"content-length"]
        expects = any(name == b"expect" for name, _ in self._scope["headers"])
        if expects or not lengths or int(lengths[0]) > MAX_DRAINED_BYTES:
            return
        while not self._body_over:
            await self.receive()

    def _observe(self, status: int) -> None:
        seconds = time.monotonic() - self._begun
        method = self._scope["method"]
        requests_total.labels(method, status).inc()
        request_seconds.labels(method).observe(seconds)
        path = redacted(self._scope["path"])
        level = log.debug if path.startswith(("/health", "/metrics", "/static")) else log.info
        level("answered", method=method, path=path, status=status, duration_s=round(seconds, 4),
              trace=self._scope["state"]["trace_id"])  # fmt: skip


async def _refuse(scope: HTTPScope, exchange: _Exchange, problem: Problem) -> None:
    request: Http = Request(scope)
    response = answer(request, problem)
    body = response.content.model_dump_json().encode()
    headers = [(b"content-type", b"application/problem+json"), (b"content-length", str(len(body)).encode())]
    await exchange.send({"type": "http.response.start", "status": problem.status, "headers": headers})
    await exchange.send({"type": "http.response.body", "body": body, "more_body": False})
