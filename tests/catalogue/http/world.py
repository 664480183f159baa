"""The gateway as a process of its own on real servers, and what it holds."""

import asyncio
import hashlib
import json
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx

from pictor.contracts.modules import Service
from pictor.runtime.store.s3 import S3Store
from tests.faults.harness.deployment import Deployment
from tests.support.raw import Answer, request, say
from tests.support.servers import s3_config

API = "/api/v1"
LIMIT = 4 << 20
BLOCK = 2880
CLOSED_WITHIN_S = 60.0

SETTINGS: dict[str, Any] = {
    "max_upload_bytes": LIMIT, "head_seconds": 1.5, "body_grace_seconds": 1.0, "body_silence_seconds": 2.0,
    "body_seconds": 30.0, "uploads_at_once": 300, "uploads_at_once_observatory": 300,
}  # fmt: skip
"""Small limits, so that what takes too long is known in seconds."""

Extra = Sequence[tuple[str, str | bytes]]


@dataclass(frozen=True, slots=True)
class Kept:
    """How much of everything there is."""

    frames: int
    jobs: int
    objects: int
    changes: int
    """Lines of the audit log that tell of something done."""
    spooled: int
    """Files of forms on the scratch disk."""


@dataclass
class World:
    """What a row is sent to.

    Parameters
    ----------
    deployment
        Servers and the gateway.
    store
        A look at the store past the gateway.
    """

    deployment: Deployment
    store: S3Store
    home: UUID = field(default=UUID(int=0))
    _numbers: Iterator[int] = field(default_factory=lambda: iter(range(1, 1_000_000)))

    @property
    def port(self) -> int:
        return self.deployment.services.gateway_port

    @property
    def token(self) -> str:
        return self.deployment.token

    def frame(self, *, size: int = 16) -> bytes:
        """Make a small frame nobody has sent before."""
        cards = [
            f"SIMPLE  = {'T':>20}", f"BITPIX  = {16:>20}", f"NAXIS   = {2:>20}", f"NAXIS1  = {size:>20}",
            f"NAXIS2  = {size:>20}", f"NUMBER  = {next(self._numbers):>20}", "END",
        ]  # fmt: skip
        header = "".join(f"{card:<80}" for card in cards).encode()
        data = bytes(2 * size * size)
        return header.ljust(BLOCK, b" ") + data.ljust(-(-len(data) // BLOCK) * BLOCK, b"\x00")

    @property
    def allowed(self) -> tuple[str, str]:
        """The header that lets us in."""
        return "Authorization", f"Bearer {self.token}"

    def put(self, body: bytes, *, sent: bytes | None = None, length: str | None = None, more: Extra = ()) -> bytes:
        """Write an upload of a frame; what is sent and said may differ from it."""
        said = length if length is not None else str(len(body))
        digest = hashlib.sha256(body).hexdigest()
        headers = [self.allowed, *([("Content-Length", said)] if said else []), *more]
        return request("PUT", f"{API}/frames/{digest}", headers, body if sent is None else sent)

    async def get(self, path: str, more: Extra = ()) -> Answer:
        """Ask for an address of the API."""
        return await say(self.port, request("GET", f"{API}{path}", [self.allowed, *more]))

    async def post(self, path: str, body: bytes, kind: str = "application/json", more: Extra = ()) -> Answer:
        """Send a body to an address of the API."""
        return await self.send("POST", path, body, kind, more)

    async def send(
        self, method: str, path: str, body: bytes, kind: str = "application/json", more: Extra = ()
    ) -> Answer:
        """Send a body with any method."""
        headers = [self.allowed, ("Content-Type", kind), ("Content-Length", str(len(body))), *more]
        return await say(self.port, request(method, f"{API}{path}", headers, body))

    async def uploaded(self) -> dict[str, Any]:
        """Send a good frame and return the receipt."""
        answer = await say(self.port, self.put(self.frame()))
        assert answer.status == 201, answer
        receipt: dict[str, Any] = answer.json()
        return receipt

    async def made(self, path: str, **said: Any) -> dict[str, Any]:
        """Make something that must be accepted."""
        answer = await self.post(path, json.dumps(said).encode())
        assert answer.status == 201, answer
        found: dict[str, Any] = answer.json()
        return found

    async def kept(self) -> Kept:
        """Count what there is."""
        counted = self.deployment.sql(
            "SELECT (SELECT count(*) FROM frame) AS frames, (SELECT count(*) FROM job) AS jobs, "
            "(SELECT count(*) FROM audit WHERE outcome = 'ok') AS changes"
        )[0]
        objects = [one.key async for one in self.store.list("raw/")]
        folder = self.deployment.data / "scratch" / "forms"
        spooled = len(list(folder.iterdir())) if folder.is_dir() else 0
        return Kept(counted["frames"], counted["jobs"], len(objects), counted["changes"], spooled)

    async def has(self, sha256: str) -> bool:
        """Whether the store has raw bytes of a digest."""
        return any([one.key.endswith(sha256) async for one in self.store.list("raw/")])

    @property
    def pid(self) -> int:
        return self.deployment.services.pid(Service.GATEWAY)

    def files_open(self) -> int:
        """Count the files the gateway has open."""
        return len(os.listdir(f"/proc/{self.pid}/fd"))  # noqa: PTH208 - counted, not read

    async def closed(self, files_before: int) -> bool:
        """Wait until no more files are open than before."""
        end = time.monotonic() + CLOSED_WITHIN_S
        while self.files_open() > files_before and time.monotonic() < end:
            await asyncio.sleep(0.1)
        return self.files_open() <= files_before

    def resident(self) -> int:
        """Return how much memory the gateway has, in bytes."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGESIZE")

    async def healthy(self) -> bool:
        """Whether the gateway lives and says that it can work."""
        live = await say(self.port, request("GET", "/health/live"))
        port = self.deployment.services.ports[Service.GATEWAY]
        async with httpx.AsyncClient(timeout=30) as client:
            ready = await client.get(f"http://127.0.0.1:{port}/health/ready")
        return live.status == 200 and ready.status_code == 200


def opened(deployment: Deployment) -> World:
    """See a running deployment as the world of the catalogue."""
    users = deployment.endpoints.s3_keys
    return World(deployment, S3Store(s3_config(deployment.endpoints, "operator" if "operator" in users else "pictor")))
