"""The configuration of nats-server: every write synced, one user per service with the least rights.

Containers write it when they start, from secret files: ``python -m pictor.runtime.nats_config --help``.
"""

import argparse
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pictor.contracts.modules import Service
from pictor.runtime.embedded.config import NatsUser
from pictor.runtime.embedded.folder import write_private
from pictor.runtime.permissions import SETUP, permissions

ACCOUNT = "PICTOR"
SYSTEM_ACCOUNT = "SYS"
SYSTEM_USER = "sys"
SETUP_USER = "setup"
ROUTE_USER = "route"

MAX_PAYLOAD = 256 << 10
"""Messages carry references, never pixels."""

MAX_CONNECTIONS = 256
MEMORY_STORE = 64 << 20
CLIENT_PORT = 4222
MONITOR_PORT = 8222
ROUTE_PORT = 6222

SHORTEST_PASSWORD = 16


@dataclass(frozen=True, slots=True)
class Cluster:
    """Servers that keep copies of each other's streams."""

    password: str
    routes: tuple[str, ...]
    """``host:port`` of every member, this one included."""
    listen: str = f"0.0.0.0:{ROUTE_PORT}"


@dataclass(frozen=True, slots=True)
class NatsServerConfig:
    """Where one server listens and what it keeps."""

    name: str
    client: str
    """``host:port`` for clients."""
    monitor: str
    """``host:port`` of the monitoring pages; they need no password, so they stay inside."""
    store: Path
    max_file_store: int
    """Bytes of all streams together; a full disk breaks a stream, a bound below it refuses cleanly."""
    cluster: Cluster | None = None


def bus_users() -> tuple[NatsUser, ...]:
    """One user per service with the least rights, and one for the setup job."""
    services = tuple(
        NatsUser(str(service), permissions(service).publish, permissions(service).subscribe) for service in Service
    )
    return (*services, NatsUser(SETUP_USER, SETUP.publish, SETUP.subscribe))


def render(server: NatsServerConfig, users: Sequence[NatsUser], passwords: Mapping[str, str]) -> str:
    """Return the text of the configuration file.

    Parameters
    ----------
    server
        Where the server listens and what it keeps.
    users
        Users of the bus; none of them is in the system account, nobody gets in without a password.
    passwords
        Password of each user and of the system account's ``sys``.
    """
    host, port = server.client.rsplit(":", 1)
    settings: dict[str, object] = {
        "server_name": server.name,
        "host": host,
        "port": int(port),
        "http": server.monitor,
        "max_payload": MAX_PAYLOAD,
        "max_connections": MAX_CONNECTIONS,
        "max_subscriptions": 1000,
        "write_deadline": "5s",
        "jetstream": {
            "store_dir": str(server.store),
            "max_file_store": server.max_file_store,
            "max_memory_store": MEMORY_STORE,
            "sync_interval": "always",
        },
        "system_account": SYSTEM_ACCOUNT,
        "accounts": {
            SYSTEM_ACCOUNT: {"users": [{"user": SYSTEM_USER, "password": passwords[SYSTEM_USER]}]},
            ACCOUNT: {"jetstream": "enabled", "users": [_user(user, passwords[user.name]) for user in users]},
        },
    }
    if server.cluster is not None:
        settings["cluster"] = _cluster(server.cluster)
    return json.dumps(settings, indent=1)


def _user(user: NatsUser, password: str) -> dict[str, object]:
    rights = {"publish": {"allow": list(user.publish)}, "subscribe": {"allow": list(user.subscribe)}}
    return {"user": user.name, "password": password, "permissions": rights}


def _cluster(cluster: Cluster) -> dict[str, object]:
    return {
        "name": "pictor",
        "listen": cluster.listen,
        "no_advertise": True,
        "authorization": {"user": ROUTE_USER, "password": cluster.password, "timeout": 5},
        "routes": [f"nats://{ROUTE_USER}:{cluster.password}@{route}" for route in cluster.routes],
    }


def secret_name(user: str) -> str:
    """Return the name of the file that holds a user's password."""
    return f"nats_{user.replace('-', '_')}_password"


def read_password(folder: Path, user: str) -> str:
    """Read a password from its file, or else from the environment variable of the same name in capitals.

    Raises
    ------
    SystemExit
        If there is none, or it is too short to be one; there is no default.
    """
    name = secret_name(user)
    path = folder / name
    text = path.read_text(encoding="utf-8").strip() if path.is_file() else os.environ.get(name.upper(), "")
    if len(text) < SHORTEST_PASSWORD:
        raise SystemExit(
            f"the password of NATS user {user} has {len(text)} characters, at least {SHORTEST_PASSWORD} are needed: "
            f"put one into {path} or into the variable {name.upper()}"
        )
    return text


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the configuration of one server."""
    options = _options().parse_args(arguments)
    users = bus_users()
    passwords = {name: read_password(options.secrets, name) for name in (*(user.name for user in users), SYSTEM_USER)}
    cluster = None
    if options.route:
        cluster = Cluster(read_password(options.secrets, ROUTE_USER), tuple(options.route))
    server = NatsServerConfig(
        name=options.name,
        client=f"{options.listen}:{CLIENT_PORT}",
        monitor=f"{options.listen}:{MONITOR_PORT}",
        store=options.store,
        max_file_store=options.max_file_store,
        cluster=cluster,
    )
    write_private(options.output, render(server, users, passwords))
    return 0


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Write the configuration of a nats-server for Pictor.")
    parser.add_argument("--output", type=Path, required=True, help="file to write, mode 0600")
    parser.add_argument("--secrets", type=Path, required=True, help="folder of nats_<user>_password files")
    parser.add_argument("--store", type=Path, required=True, help="folder of the streams, as the server sees it")
    parser.add_argument("--max-file-store", type=int, required=True, help="bytes; at most 70 %% of the volume")
    parser.add_argument("--name", default="pictor", help="name of this server, different for each of a cluster")
    parser.add_argument("--listen", default="0.0.0.0", help="address to listen on")  # noqa: S104 - in its own network
    parser.add_argument("--route", action="append", default=[], help="host:port of a member of the cluster; repeat")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
