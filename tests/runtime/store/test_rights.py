"""Each key of the store does what its services need, and nothing else: every denial asked of a real store."""

import contextlib
import socket
from collections.abc import AsyncIterator
from dataclasses import replace

import aiohttp
import pytest

from pictor.cli.stack import OPERATOR, embedded_config, environment_of, settings_for
from pictor.contracts.modules import Service
from pictor.runtime.embedded.config import Endpoints, ServerName
from pictor.runtime.embedded.stack import Embedded
from pictor.runtime.settings import Settings
from pictor.runtime.store.errors import StoreUnavailable
from pictor.runtime.store.protocol import Part
from pictor.runtime.store.rights import USER_OF, USERS
from pictor.runtime.store.s3 import S3Store
from tests.support.servers import s3_config

ALLOWED = {
    "gateway": {"put raw", "put products", "get raw", "get products", "compose", "delete raw", "delete products"},
    "module": {"put products", "get raw", "get products", "compose", "delete products"},
    "operator": {
        "put raw", "put products", "get raw", "get products", "compose", "delete raw", "delete products", "list",
    },
    "setup": {"get raw", "get products"},
}  # fmt: skip
"""Everything else is refused."""


@pytest.fixture(scope="module")
async def endpoints(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Endpoints]:
    """A store with the users of an installation, and an object in each place."""
    config = replace(embedded_config(Settings()), servers=frozenset({ServerName.STORE}))
    async with Embedded(tmp_path_factory.mktemp("rights"), config) as embedded:
        store = S3Store(s3_config(embedded.endpoints, "operator"))
        for place in ("raw", "products"):
            await store.put_stream(f"{place}/there", _one(b"bytes"), 5)
        await store.close()
        yield embedded.endpoints


async def _one(body: bytes) -> AsyncIterator[bytes]:
    yield body


async def _done(store: S3Store, user: str) -> set[str]:
    """Try everything; return what the store allowed."""
    done = set()

    @contextlib.contextmanager
    def trying(what: str) -> "contextlib.AbstractContextManager[None]":
        with contextlib.suppress(StoreUnavailable):
            yield
            done.add(what)

    for place in ("raw", "products", "other"):
        with trying(f"put {place}"):
            await store.put_stream(f"{place}/{user}", _one(b"bytes"), 5)
        with trying(f"delete {place}"):
            await store.delete(f"{place}/{user}")
    for place in ("raw", "products"):
        with trying(f"get {place}"):
            assert b"".join([chunk async for chunk in store.open_range(f"{place}/there")]) == b"bytes"
    with trying("compose"):
        await store.compose(f"products/composed-{user}", [Part("raw/there")])
    with trying("list"):
        assert [one.key async for one in store.list()]
    return done


@pytest.mark.parametrize("user", [user.name for user in USERS])
async def test_a_key_opens_what_its_services_need_and_nothing_else(endpoints: Endpoints, user: str) -> None:
    store = S3Store(s3_config(endpoints, user))
    await store.health()
    assert await _done(store, user) == ALLOWED[user]
    await store.close()


async def test_a_worker_cannot_change_or_delete_raw_bytes(endpoints: Endpoints) -> None:
    store = S3Store(s3_config(endpoints, "module"))
    with pytest.raises(StoreUnavailable, match="403"):
        await store.delete("raw/there")
    with pytest.raises(StoreUnavailable, match="403"):
        await store.compose("raw/there", [Part("products/there")])
    assert b"".join([chunk async for chunk in store.open_range("raw/there")]) == b"bytes"
    await store.close()


async def test_a_stranger_gets_nothing(endpoints: Endpoints) -> None:
    wrong = S3Store(replace(s3_config(endpoints, "gateway"), secret_key="guessed"))
    unknown = S3Store(replace(s3_config(endpoints, "gateway"), access_key="nobody"))
    for store in (wrong, unknown):
        assert await _done(store, "stranger") == set()
        await store.close()
    async with aiohttp.ClientSession() as anonymous:
        for method, path in (
            ("GET", f"{endpoints.s3_bucket}/raw/there"), ("GET", endpoints.s3_bucket), ("GET", ""),
            ("PUT", f"{endpoints.s3_bucket}/raw/mine"), ("DELETE", f"{endpoints.s3_bucket}/raw/there"),
        ):  # fmt: skip
            async with anonymous.request(method, f"http://{endpoints.s3_endpoint}/{path}", data=b"x") as answer:
                assert answer.status == 403, (method, path)


async def test_no_key_of_a_service_opens_another_bucket_or_names_buckets(endpoints: Endpoints) -> None:
    for user in ("gateway", "module", "setup"):
        config = s3_config(endpoints, user)
        elsewhere = S3Store(replace(config, bucket="another-bucket"))
        assert await _done(elsewhere, user) == set()
        await elsewhere.close()


async def test_services_know_no_key_but_their_own(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("all")
    async with Embedded(folder, embedded_config(Settings())) as embedded:
        ends = embedded.endpoints
        assert set(ends.s3_keys) == {user.name for user in USERS}, "the administrator's key leaves the supervisor"
        for service in Service:
            told = environment_of(settings_for(Settings(), ends, folder, user=str(service)))
            own = USER_OF[service].name
            assert told["PICTOR_S3_SECRET_KEY"] == ends.s3_keys[own][1]
            others = {secret for name, (_, secret) in ends.s3_keys.items() if name != own}
            admins = {ends.postgres_dsns["postgres"], ends.postgres_dsns["pictor_setup"], ends.nats_passwords["sys"]}
            assert not (others | admins) & set(told.values())
        operator = environment_of(settings_for(Settings(), ends, folder, user=OPERATOR))
        assert operator["PICTOR_S3_SECRET_KEY"] == ends.s3_keys["operator"][1]
    for line in (folder / "store" / "identities.json", folder / "secrets.json"):
        assert line.stat().st_mode & 0o077 == 0


async def test_the_store_listens_on_the_loopback_address_alone(endpoints: Endpoints) -> None:
    port = int(endpoints.s3_endpoint.rpartition(":")[2])
    addresses = {info[4][0] for info in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)}
    for address in addresses - {"127.0.0.1"}:
        with (
            pytest.raises(OSError, match=r"refused|unreachable|timed out"),
            socket.create_connection((address, port), 2),
        ):
            pass
