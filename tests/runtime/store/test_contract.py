# ruff: noqa: ASYNC240 - tests look at small files while nothing else runs
"""What every store promises, on the folder and on a real SeaweedFS."""

import asyncio
import hashlib
import random
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import aiohttp
import pytest

from pictor.runtime.store.errors import DigestMismatch, ObjectMissing
from pictor.runtime.store.file import FileStore
from pictor.runtime.store.protocol import FrameStore, Part
from pictor.runtime.store.rewrite import replace_head
from pictor.runtime.store.s3 import S3Store

MIB = 1 << 20

Key = Callable[[str], str]


def some_bytes(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


def digest_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


async def pieces(data: bytes, size: int = 100_000) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


async def content(store: FrameStore, key: str, start: int = 0, end: int | None = None) -> bytes:
    return b"".join([chunk async for chunk in store.open_range(key, start, end)])


async def keys(store: FrameStore, prefix: str) -> list[str]:
    return sorted([stored.key async for stored in store.list(prefix)])


@pytest.fixture(params=["file", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> FrameStore:
    if request.param == "file":
        return FileStore(tmp_path / "store")
    s3: S3Store = request.getfixturevalue("s3_store")
    return s3


@pytest.mark.parametrize("size", [0, 1, 99_999, 3 * MIB + 7])
@pytest.mark.parametrize("announced", [True, False])
async def test_a_stream_comes_back_as_it_was(store: FrameStore, new_key: Key, size: int, *, announced: bool) -> None:
    data, key = some_bytes(size), new_key("raw.fits")
    stored = await store.put_stream(key, pieces(data), size if announced else None, "image/fits")
    assert (stored.key, stored.size, stored.sha256, stored.created) == (key, size, digest_of(data), True)
    assert await content(store, key) == data
    seen = await store.stat(key)
    assert (seen.size, seen.etag, seen.content_type) == (size, stored.etag, "image/fits")


async def test_a_stream_of_unknown_length_may_need_many_parts(store: FrameStore, new_key: Key) -> None:
    data, key = some_bytes(21 * MIB), new_key("long.fits")
    stored = await store.put_stream(key, pieces(data, 777_777), None)
    assert (stored.size, stored.sha256) == (len(data), digest_of(data))
    assert digest_of(await content(store, key)) == digest_of(data)


async def test_a_file_goes_in_and_comes_out(store: FrameStore, new_key: Key, tmp_path: Path) -> None:
    data, key = some_bytes(2 * MIB), new_key("preview.png")
    (tmp_path / "in").write_bytes(data)
    stored = await store.put_file(key, tmp_path / "in", "image/png", sha256=digest_of(data))
    assert (stored.size, stored.sha256, stored.created) == (len(data), digest_of(data), True)
    assert (await store.stat(key)).sha256 == digest_of(data)
    assert await store.get_to_file(key, tmp_path / "out", sha256=digest_of(data)) == digest_of(data)
    assert (tmp_path / "out").read_bytes() == data


async def test_the_first_writer_of_a_key_wins(store: FrameStore, new_key: Key, tmp_path: Path) -> None:
    first, second, key = some_bytes(300_000, 1), some_bytes(200_000, 2), new_key("product")
    await store.put_stream(key, pieces(first), len(first), "image/png")
    for size in (len(second), None):
        again = await store.put_stream(key, pieces(second), size)
        assert (again.created, again.size, again.sha256) == (False, len(first), digest_of(first))
        assert again.content_type == "image/png"
    (tmp_path / "second").write_bytes(second)
    assert not (await store.put_file(key, tmp_path / "second")).created
    assert await content(store, key) == first


async def test_exactly_one_of_many_writers_at_once_wins(store: FrameStore, new_key: Key) -> None:
    key = new_key("race")
    candidates = [some_bytes(200_000, seed) for seed in range(8)]
    results = await asyncio.gather(*(store.put_stream(key, pieces(data), len(data)) for data in candidates))
    winners = [data for data, result in zip(candidates, results, strict=True) if result.created]
    assert len(winners) == 1
    assert await content(store, key) == winners[0]
    assert {result.sha256 for result in results} == {digest_of(winners[0])}


@pytest.mark.parametrize("size", [300_000, 12 * MIB])
@pytest.mark.parametrize("wrong", ["digest", "short", "long"])
async def test_bytes_that_are_not_as_announced_are_never_stored(
    store: FrameStore, new_key: Key, size: int, wrong: str
) -> None:
    data, key = some_bytes(size), new_key("raw.fits")
    announced = {"short": size + 1000, "long": size - 1000}.get(wrong, size)
    with pytest.raises(DigestMismatch):
        await store.put_stream(key, pieces(data), announced, sha256=digest_of(b"other") if wrong == "digest" else None)
    with pytest.raises(ObjectMissing):
        await store.stat(key)
    assert await keys(store, key) == []


async def test_a_digest_is_checked_for_a_stream_of_unknown_length(store: FrameStore, new_key: Key) -> None:
    data, key = some_bytes(9 * MIB), new_key("raw.fits")
    with pytest.raises(DigestMismatch):
        await store.put_stream(key, pieces(data), None, sha256=digest_of(b"other"))
    with pytest.raises(ObjectMissing):
        await store.stat(key)


async def test_a_stream_that_breaks_leaves_nothing(store: FrameStore, new_key: Key) -> None:
    key = new_key("raw.fits")

    async def breaking() -> AsyncIterator[bytes]:
        yield some_bytes(9 * MIB)
        raise ConnectionResetError("the plugin went away")

    for size in (20 * MIB, None):
        with pytest.raises(ConnectionResetError, match="the plugin went away"):
            await store.put_stream(key, breaking(), size)
        with pytest.raises(ObjectMissing):
            await store.stat(key)


async def test_a_cancelled_upload_leaves_nothing(store: FrameStore, new_key: Key) -> None:
    key = new_key("raw.fits")
    stuck = asyncio.Event()

    async def stalling() -> AsyncIterator[bytes]:
        yield some_bytes(2 * MIB)
        stuck.set()
        await asyncio.sleep(60)

    upload = asyncio.create_task(store.put_stream(key, stalling(), 20 * MIB))
    await stuck.wait()
    upload.cancel()
    with pytest.raises(asyncio.CancelledError):
        await upload
    await asyncio.sleep(0.3)
    with pytest.raises(ObjectMissing):
        await store.stat(key)


@pytest.mark.parametrize(
    ("start", "end"), [(0, 1), (0, 80), (99_000, 101_000), (250_000, None), (0, None), (7, 7), (300_000, None), (9, 8)]
)
async def test_a_range_is_read_from_its_start_up_to_but_without_its_end(
    store: FrameStore, new_key: Key, start: int, end: int | None
) -> None:
    data, key = some_bytes(300_000), new_key("raw.fits")
    await store.put_stream(key, pieces(data), len(data))
    assert await content(store, key, start, end) == (data[start:end] if end is None or end > start else b"")


async def test_a_missing_object_says_so(store: FrameStore, new_key: Key, tmp_path: Path) -> None:
    key = new_key("nothing")
    with pytest.raises(ObjectMissing, match="nothing"):
        await store.stat(key)
    with pytest.raises(ObjectMissing):
        await content(store, key)
    with pytest.raises(ObjectMissing):
        await store.get_to_file(key, tmp_path / "out")
    with pytest.raises(ObjectMissing):
        await store.compose(new_key("composed"), [Part(key)])
    assert list(tmp_path.glob("*out*")) == []
    await store.delete(key)


async def test_damaged_bytes_are_noticed_and_leave_no_file(store: FrameStore, new_key: Key, tmp_path: Path) -> None:
    key = new_key("raw.fits")
    await store.put_stream(key, pieces(some_bytes(300_000)), 300_000)
    with pytest.raises(DigestMismatch):
        await store.get_to_file(key, tmp_path / "out", sha256=digest_of(b"what it should be"))
    assert list(tmp_path.glob("*out*")) == []


async def test_a_deleted_object_is_gone_and_its_key_free(store: FrameStore, new_key: Key) -> None:
    key = new_key("raw.fits")
    await store.put_stream(key, pieces(b"one"), 3)
    await store.delete(key)
    with pytest.raises(ObjectMissing):
        await store.stat(key)
    assert (await store.put_stream(key, pieces(b"two"), 3)).created


async def test_all_keys_with_a_prefix_are_listed(store: FrameStore, new_key: Key) -> None:
    prefix = new_key("night")
    names = [f"{prefix}/{number // 10}/{number}.fits" for number in range(25)]
    await asyncio.gather(*(store.put_stream(name, pieces(name.encode()), len(name)) for name in names))
    assert await keys(store, prefix) == sorted(names)
    assert await keys(store, f"{prefix}/1/") == sorted(name for name in names if name.startswith(f"{prefix}/1/"))
    sizes = {stored.key: stored.size async for stored in store.list(prefix)}
    assert sizes == {name: len(name) for name in names}


async def test_an_object_deleted_during_a_listing_does_not_end_it(store: FrameStore, new_key: Key) -> None:
    prefix = new_key("night")
    names = [f"{prefix}/{number}.fits" for number in range(5)]
    for name in names:
        await store.put_stream(name, pieces(b"x"), 1)
    listed = []
    async for stored in store.list(f"{prefix}/"):
        listed.append(stored.key)
        await store.delete(names[3])
    assert set(names) - set(listed) <= {names[3]}


@pytest.mark.parametrize(
    "key",
    ["", "/a", "a/", "a//b", "../a", "a/../b", "a/./b", ".", "a b", "a\nb", "a?b", "a%2fb", "é", "a" * 513, ".hidden"],
)
async def test_only_keys_of_ours_are_accepted(store: FrameStore, key: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not a store key"):
        await store.put_stream(key, pieces(b"x"), 1)
    with pytest.raises(ValueError, match="not a store key"):
        await store.stat(key)
    with pytest.raises(ValueError, match="not a store key"):
        await store.get_to_file(key, tmp_path / "out")
    with pytest.raises(ValueError, match="not a store key"):
        await store.delete(key)


@pytest.mark.parametrize("first", [1000, 6 * MIB])
async def test_an_object_can_be_made_of_parts_of_others(store: FrameStore, new_key: Key, first: int) -> None:
    head, body, key = some_bytes(first, 1), some_bytes(11 * MIB, 2), new_key("processed.fits")
    await store.put_stream(new_key("unused"), pieces(b""), 0)
    sources = new_key("head"), new_key("body")
    await store.put_stream(sources[0], pieces(head), first)
    await store.put_stream(sources[1], pieces(body), len(body))
    expected = head + body[2880:] + body[100:200]
    parts = [Part(sources[0]), Part(sources[1], 2880), Part(sources[1], 100, 100)]
    stored = await store.compose(key, parts, "image/fits", sha256=digest_of(expected))
    assert (stored.size, stored.sha256, stored.created) == (len(expected), digest_of(expected), True)
    assert digest_of(await content(store, key)) == digest_of(expected)
    seen = await store.stat(key)
    assert (seen.sha256, seen.content_type) == (digest_of(expected), "image/fits")
    assert not (await store.compose(key, parts[:1])).created


@pytest.mark.parametrize("data_size", [0, 3 * MIB, 17 * MIB + 5])
async def test_a_frame_gets_a_new_header_without_moving_its_pixels(
    store: FrameStore, new_key: Key, data_size: int
) -> None:
    old_head, data, new_head = some_bytes(2880), some_bytes(data_size, 2), some_bytes(5760, 3)
    source, key = new_key("raw.fits"), new_key("processed.fits")
    await store.put_stream(source, pieces(old_head + data), 2880 + data_size)
    stored = await replace_head(store, source, key, new_head, data_offset=2880, content_type="image/fits")
    assert stored.size == 5760 + data_size
    assert digest_of(await content(store, key)) == digest_of(new_head + data)
    assert await keys(store, key) == [key]


async def test_a_presigned_address_gives_the_object_for_a_while(store: FrameStore, new_key: Key) -> None:
    data, key = some_bytes(5000), new_key("raw.fits")
    await store.put_stream(key, pieces(data), len(data))
    url = await store.presign_get(key, 60, filename="M 31.fits")
    if isinstance(store, FileStore):
        assert url is None
        return
    assert url is not None
    async with aiohttp.ClientSession() as browser:
        async with browser.get(url) as answer:
            assert answer.status == 200
            assert answer.headers["Content-Disposition"] == 'attachment; filename="M 31.fits"'
            assert await answer.read() == data
        async with browser.get(url.replace("raw.fits", "raw.fit")) as answer:
            assert answer.status == 403
        short = str(await store.presign_get(key, 1))
        await asyncio.sleep(2.5)
        async with browser.get(short) as answer:
            assert answer.status == 403


async def test_a_healthy_store_says_nothing(store: FrameStore) -> None:
    await store.health()
