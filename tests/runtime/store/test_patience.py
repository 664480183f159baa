"""A busy store is asked again, a broken line goes on where it broke, and damage is told from an outage."""

import hashlib
import random
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from pictor.runtime.embedded.config import EmbeddedConfig, Endpoints, ServerName
from pictor.runtime.embedded.seaweed import store_folder
from pictor.runtime.embedded.stack import Embedded
from pictor.runtime.store.errors import DigestMismatch, ObjectDamaged, ObjectMissing, StoreBusy, StoreUnavailable
from pictor.runtime.store.patience import PAUSES_S, patiently
from pictor.runtime.store.probing import PROBES
from pictor.runtime.store.protocol import Part
from pictor.runtime.store.s3 import S3Store
from tests.support.proxy import Line, Toxics
from tests.support.proxy_http import BusyLine
from tests.support.servers import s3_config

MB = 1 << 20


async def _one(body: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(body), 100_000):
        yield body[start : start + 100_000]


async def _read(store: S3Store, key: str, start: int = 0, end: int | None = None) -> bytes:
    return b"".join([chunk async for chunk in store.open_range(key, start, end)])


def _body(seed: int, size: int) -> bytes:
    return random.Random(seed).randbytes(size)


@pytest.fixture
async def busy(store_server: Endpoints) -> AsyncIterator[tuple[S3Store, BusyLine]]:
    """The store behind a line that refuses every third request."""
    host, _, port = store_server.s3_endpoint.partition(":")
    line = BusyLine(host, int(port))
    config = replace(s3_config(store_server), endpoint=f"127.0.0.1:{await line.start()}")
    store = S3Store(config)
    yield store, line
    await store.close()
    await line.stop()


async def test_every_third_request_refused_stops_nothing(
    busy: tuple[S3Store, BusyLine], new_key: Callable[[str], str], tmp_path: Path
) -> None:
    store, line = busy
    bodies = {new_key(f"raw/{number}"): _body(number, 300_000) for number in range(6)}
    for key, body in bodies.items():
        (tmp_path / "body").write_bytes(body)
        assert (await store.put_file(key, tmp_path / "body")).size == len(body)
        assert (await store.stat(key)).size == len(body)
        assert await _read(store, key) == body
        assert await _read(store, key, 1000, 2000) == body[1000:2000]
        assert await store.get_to_file(key, tmp_path / "got") == hashlib.sha256(body).hexdigest()
    first = next(iter(bodies))
    assert [one.key async for one in store.list(first)] == [first]
    whole = _body(99, 11 * MB)
    in_parts, composed = new_key("raw/parts"), new_key("products/composed")
    (tmp_path / "big").write_bytes(whole)
    await store.put_file(in_parts, tmp_path / "big")
    await store.compose(composed, [Part(in_parts, 0, 6 * MB), Part(in_parts, 6 * MB)])
    assert await _read(store, composed) == whole
    await store.delete(first)
    with pytest.raises(ObjectMissing):
        await store.stat(first)
    print(f"{line.refused} of {line.requests} requests were refused")
    assert line.refused > 15


async def test_a_body_that_comes_once_is_not_sent_twice(
    busy: tuple[S3Store, BusyLine], new_key: Callable[[str], str]
) -> None:
    """Refused before its first byte it is sent again, later never: the client still has it and is told 503."""
    store, _ = busy
    sent = 0
    for number in range(12):
        key, body = new_key(f"raw/{number}"), _body(number, 200_000)
        try:
            await store.put_stream(key, _one(body), len(body))
        except StoreUnavailable:
            continue
        sent += 1
        assert await _read(store, key) == body
    assert sent >= 6


async def test_a_download_goes_on_where_its_line_broke(
    store_server: Endpoints, s3_store: S3Store, new_key: Callable[[str], str], tmp_path: Path
) -> None:
    key, body = new_key("raw/long"), _body(5, 4 * MB)
    await s3_store.put_stream(key, _one(body), len(body))
    host, _, port = store_server.s3_endpoint.partition(":")
    line = Line(host, int(port), Toxics(cut_down_after=3 * MB))
    config = replace(s3_config(store_server), endpoint=f"127.0.0.1:{await line.start()}")
    store = S3Store(config)
    try:
        digest = await store.get_to_file(key, tmp_path / "got")
    finally:
        await store.close()
        await line.stop()
    assert digest == hashlib.sha256(body).hexdigest()
    assert line.connections >= 2


async def test_patience_ends(new_key: Callable[[str], str]) -> None:
    tries: list[str] = []

    async def refused() -> None:
        tries.append(new_key("x"))
        raise StoreBusy("busy")

    with pytest.raises(StoreBusy):
        await patiently(refused)
    assert len(tries) == len(PAUSES_S) + 1
    with pytest.raises(StoreBusy):
        await patiently(refused, lambda: False)
    assert len(tries) == len(PAUSES_S) + 2


async def test_a_byte_changed_on_the_disk_is_damage_and_no_outage(tmp_path: Path) -> None:
    """SeaweedFS sees it itself and answers 500 for ever: taken for an outage, the frame would wait for ever."""
    config = EmbeddedConfig(servers=frozenset({ServerName.STORE}))
    async with Embedded(tmp_path / "store", config) as embedded:
        store = S3Store(s3_config(embedded.endpoints))
        good, bad = _body(6, MB), _body(7, MB)
        for key, body in (("raw/good", good), ("raw/bad", bad)):
            await store.put_stream(key, _one(body), len(body))
        for volume in store_folder(tmp_path / "store").glob("*.dat"):
            at = volume.read_bytes().find(bad[5000:5100])
            if at >= 0:
                with volume.open("r+b") as file:
                    file.seek(at)
                    file.write(bytes([bad[5000] ^ 1]))
        assert await _read(store, "raw/good") == good
        with pytest.raises(DigestMismatch, match="the store works, but cannot read raw/bad"):
            await store.get_to_file("raw/bad", tmp_path / "got", sha256=hashlib.sha256(bad).hexdigest())
        assert not (tmp_path / "got").exists()
        assert [one.key async for one in store.list(PROBES)] == []
        await store.close()


async def test_a_store_that_is_away_is_no_damage(store_server: Endpoints) -> None:
    store = S3Store(replace(s3_config(store_server), endpoint="127.0.0.1:9"))
    with pytest.raises(StoreUnavailable) as told:
        await _read(store, "raw/a")
    assert not isinstance(told.value, ObjectDamaged)
    await store.close()
