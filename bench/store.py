"""Time uploads through the store adapter against the store's own PUT, and the start of the embedded servers.

Run ``python bench/store.py``; prints one JSON line per comparison, ``ours`` and ``peer`` being medians. For uploads
they are MB/s and the peer is one plain PUT of bytes in memory over an open connection, alternating with ours in one
run; a ratio of 0.8 or more is the goal. For starts they are seconds, and ``peer`` is the goal.
"""

import argparse
import asyncio
import hashlib
import json
import random
import resource
import statistics
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

from pictor.runtime.embedded.config import EmbeddedConfig, ServerName
from pictor.runtime.embedded.stack import Embedded
from pictor.runtime.store.s3 import S3Store
from pictor.runtime.store.s3_requests import S3Config, S3Requests

MB = 1_000_000
SIZES_MB = (8, 32, 120)
FIRST_GOAL_S, WARM_GOAL_S = 4.0, 2.5


def say(name: str, ours: list[float], peer: list[float]) -> None:
    """Print the medians of a comparison as one JSON line."""
    a, b = statistics.median(ours), statistics.median(peer)
    rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    line = {"name": name, "ours": round(a, 3), "peer": round(b, 3), "ratio": round(a / b, 3)}
    print(json.dumps({**line, "rss_mib": round(rss), "n": len(ours)}), flush=True)


async def pieces(data: bytes) -> AsyncIterator[bytes]:
    """The frame as it arrives from the network."""
    view = memoryview(data)
    for start in range(0, len(data), 65_536):
        yield bytes(view[start : start + 65_536])


async def plain_put(requests: S3Requests, key: str, data: bytes) -> None:
    """The store's own PUT: nothing is hashed, nothing is asked."""
    async with requests.send("PUT", key, headers={"Content-Length": str(len(data))}, body=data) as response:
        response.raise_for_status()


async def uploads(config: S3Config, repeats: int) -> None:
    """Compare streams, streams of unknown length and plain PUTs."""
    store, requests = S3Store(config), S3Requests(config)
    for size in SIZES_MB:
        data = random.Random(size).randbytes(size * MB)  # noqa: S311 - a seeded frame
        rates: dict[str, list[float]] = {"plain": [], "stream": [], "unknown": []}
        for number in range(repeats):
            for kind, taken in rates.items():
                key = f"bench/{kind}/{size}/{number}"
                started = time.perf_counter()
                if kind == "plain":
                    await plain_put(requests, key, data)
                else:
                    stored = await store.put_stream(key, pieces(data), len(data) if kind == "stream" else None)
                taken.append(size / (time.perf_counter() - started))
                if kind != "plain":
                    assert stored.sha256 == hashlib.sha256(data).hexdigest()
                await store.delete(key)
        say(f"upload {size} MB, MB/s", rates["stream"], rates["plain"])
        say(f"upload {size} MB of unknown length, MB/s", rates["unknown"], rates["plain"])
    await store.close()
    await requests.close()


async def starts(folder: Path, repeats: int) -> None:
    """Start and stop all servers, in an empty folder and in a used one."""
    first: list[float] = []
    warm: list[float] = []
    stop: list[float] = []
    for number in range(repeats):
        for taken in (first, warm):
            begun = time.perf_counter()
            embedded = Embedded(folder / str(number))
            await embedded.start()
            ready = time.perf_counter()
            await embedded.stop()
            taken.append(ready - begun)
            stop.append(time.perf_counter() - ready)
    say("embedded servers, first start, s", first, [FIRST_GOAL_S])
    say("embedded servers, warm start, s", warm, [WARM_GOAL_S])
    say("embedded servers, stop, s", stop, [WARM_GOAL_S])


async def main() -> None:
    """Run everything once."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    repeats = parser.parse_args().repeats
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        async with Embedded(folder / "store", EmbeddedConfig(servers=frozenset({ServerName.STORE}))) as embedded:
            where = embedded.endpoints
            await uploads(S3Config(where.s3_endpoint, *where.s3_keys["pictor"], where.s3_bucket), repeats)
        await starts(folder, repeats)


if __name__ == "__main__":
    asyncio.run(main())
