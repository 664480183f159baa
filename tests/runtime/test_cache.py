# ruff: noqa: ASYNC240 - tests look at small files while nothing else runs
"""The frame cache: one fetch per frame, bounded, never in the way."""

import asyncio
import hashlib
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from pictor.runtime.cache import FrameCache


class Source:
    """Frames that can be fetched, and how often they were."""

    def __init__(self) -> None:
        self.fetches = 0

    def frame(self, number: int, size: int = 1000) -> tuple[str, Callable[[Path], Awaitable[None]]]:
        data = number.to_bytes(4, "big") * (size // 4)

        async def load(path: Path) -> None:
            self.fetches += 1
            await asyncio.sleep(0)
            path.write_bytes(data)

        return hashlib.sha256(data).hexdigest(), load


@pytest.fixture
def source() -> Source:
    return Source()


def held(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


async def test_a_frame_is_fetched_once(tmp_path: Path, source: Source) -> None:
    sha256, load = source.frame(1)
    paths = {await FrameCache(tmp_path, 10_000).get(sha256, load) for _ in range(3)}
    assert source.fetches == 1
    assert hashlib.sha256(paths.pop().read_bytes()).hexdigest() == sha256


async def test_requests_for_one_frame_at_the_same_time_fetch_it_once(tmp_path: Path, source: Source) -> None:
    cache = FrameCache(tmp_path, 10_000)
    await asyncio.gather(*(cache.get(*source.frame(1)) for _ in range(5)))
    assert source.fetches == 1


async def test_the_frame_used_longest_ago_makes_room(tmp_path: Path, source: Source) -> None:
    cache = FrameCache(tmp_path, 3500)
    digests = []
    for number in range(3):
        digests.append(source.frame(number)[0])
        path = await cache.get(*source.frame(number))
        os.utime(path, (number, number))
    os.utime(tmp_path / digests[0], (50, 50))
    newest = (await cache.get(*source.frame(9))).name
    assert held(tmp_path) == {digests[0], digests[2], newest}


async def test_the_bound_holds_for_any_number_of_frames(tmp_path: Path, source: Source) -> None:
    cache = FrameCache(tmp_path, 5000)
    for number in range(40):
        await cache.get(*source.frame(number))
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 5000


async def test_a_linked_frame_stays_when_the_cache_drops_it(tmp_path: Path, source: Source) -> None:
    cache = FrameCache(tmp_path / "cache", 2500)
    sha256, load = source.frame(0)
    path = await cache.get(sha256, load, link=tmp_path / "raw.fits")
    for number in range(1, 6):
        await cache.get(*source.frame(number))
    assert sha256 not in held(tmp_path / "cache")
    assert path == tmp_path / "raw.fits"
    assert hashlib.sha256(path.read_bytes()).hexdigest() == sha256


async def test_a_link_to_another_frame_is_replaced_and_that_frame_is_unharmed(tmp_path: Path, source: Source) -> None:
    cache = FrameCache(tmp_path / "cache", 10_000)
    first = await cache.get(*source.frame(1), link=tmp_path / "raw.fits")
    before = first.read_bytes()
    second = await cache.get(*source.frame(2), link=tmp_path / "raw.fits")
    assert second.read_bytes() != before
    assert (await cache.get(*source.frame(1))).read_bytes() == before


async def test_a_frame_larger_than_the_cache_is_given_but_not_kept(tmp_path: Path, source: Source) -> None:
    cache = FrameCache(tmp_path / "cache", 500)
    path = await cache.get(*source.frame(1), link=tmp_path / "raw.fits")
    assert path.stat().st_size == 1000
    assert held(tmp_path / "cache") == set()


async def test_a_failed_fetch_leaves_nothing_and_is_tried_again(tmp_path: Path, source: Source) -> None:
    cache = FrameCache(tmp_path, 10_000)
    sha256, load = source.frame(1)

    async def fail(path: Path) -> None:
        path.write_bytes(b"half")
        raise ConnectionError("the store went away")

    with pytest.raises(ConnectionError):
        await cache.get(sha256, fail)
    assert held(tmp_path) == set()
    assert (await cache.get(sha256, load)).stat().st_size == 1000


async def test_the_remains_of_a_killed_process_are_removed(tmp_path: Path, source: Source) -> None:
    remains = tmp_path / ".arriving-0123"
    remains.write_bytes(b"half")
    os.utime(remains, (0, 0))
    await FrameCache(tmp_path, 10_000).get(*source.frame(1))
    assert not remains.exists()


async def test_cached_frames_cannot_be_written_by_mistake(tmp_path: Path, source: Source) -> None:
    path = await FrameCache(tmp_path, 10_000).get(*source.frame(1))
    assert path.stat().st_mode & 0o222 == 0


@pytest.mark.parametrize("name", ["../../etc/passwd", "A" * 64, "ab", ""])
async def test_only_digests_are_names(tmp_path: Path, source: Source, name: str) -> None:
    with pytest.raises(ValueError, match="not a SHA-256"):
        await FrameCache(tmp_path, 10_000).get(name, source.frame(1)[1])


SHARER = """
import asyncio, hashlib, random, sys
from pathlib import Path
from pictor.runtime.cache import FrameCache

async def main():
    cache = FrameCache(Path(sys.argv[1]), 6000)
    chance = random.Random(int(sys.argv[2]))
    for step in range(400):
        data = chance.randrange(12).to_bytes(4, "big") * 250
        sha256 = hashlib.sha256(data).hexdigest()
        async def load(path):
            path.write_bytes(data)
        link = Path(sys.argv[1]).parent / f"{sys.argv[2]}-{step}"
        path = await cache.get(sha256, load, link=link)
        assert path.read_bytes() == data
        link.unlink()

asyncio.run(main())
"""


async def test_several_processes_share_one_folder(tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    sharers = [
        await asyncio.create_subprocess_exec(sys.executable, "-c", SHARER, str(folder), str(seed)) for seed in range(3)
    ]
    assert [await sharer.wait() for sharer in sharers] == [0, 0, 0]
    assert sum(path.stat().st_size for path in folder.iterdir()) <= 6000
