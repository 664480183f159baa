"""The processed FITS of a frame in the store: bytes through the header service and time, beside a PUT of the whole.

A raw frame never changes under its key: the service stores a new head, which readers continue with the raw data. A
converted frame may be converted anew: there the store itself joins a new head and a copy of the data. The steps are
those of the service (pictor.header.writing), without its database.
"""

import asyncio
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from bench.rows import Bound, Of, Row

from pictor.header.compute import write
from pictor.header.writing import GEOMETRY_FIELDS, PART_BYTES
from pictor.imaging.fits.cards import CardValue
from pictor.ingest.compute import describe
from pictor.runtime.embedded.config import EmbeddedConfig, ServerName
from pictor.runtime.embedded.stack import Embedded
from pictor.runtime.store.protocol import Part
from pictor.runtime.store.s3 import S3Store
from pictor.runtime.store.s3_requests import S3Config

SIZES = {"4 MP": (1760, 2328), "24 MP": (4000, 6000), "61 MP": (6388, 9576)}
CARDS: list[list[CardValue]] = [["FWHM", 3.21, "[px] median of the stars"], ["OBSERVER", "somebody", "who observed"]]
MIB = 2**20
GOAL_MIB = 12


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame in the store and on the disk."""

    store: S3Store
    path: Path
    key: str
    geometry: dict[str, int]

    async def rewritten(self, key: str, *, raw: bool) -> int:
        """Store a processed FITS as the service does; return the bytes that passed through it."""
        part_size = 0 if raw else PART_BYTES
        beginning = self.path.with_name("beginning.fits")
        data = bytearray()
        async for chunk in self.store.open_range(self.key, 0, self.geometry["data_offset"] + part_size):
            data += chunk
        beginning.write_bytes(data)
        made = self._written(beginning, part_size=part_size)
        head, resume, size = Path(str(made["head"])), int(str(made["resume_offset"])), int(str(made["resume_size"]))
        moved = len(data) + int(str(made["size"])) - size
        if raw:
            await self.store.put_file(key, head, "application/fits")
            return moved
        await self.store.put_file(f"{key}-head", head)
        parts = [Part(f"{key}-head"), Part(self.key, resume, size)]
        joined = await self.store.compose(key, parts, "application/fits")
        assert joined.size == made["size"]
        await self.store.delete(f"{key}-head")
        return moved

    async def whole(self, key: str) -> int:
        """Store a whole processed FITS; return its bytes."""
        made = self._written(self.path, whole=True)
        await self.store.put_file(key, Path(str(made["head"])), "application/fits")
        return int(str(made["size"]))

    def _written(self, source: Path, **more: Any) -> dict[str, object]:  # noqa: ANN401 - arguments of write
        return write(str(source), str(self.path.parent), geometry=self.geometry, observation=CARDS, **more)


def rows(*, quick: bool) -> Iterator[Row]:
    """Measure every size in turns."""
    yield from asyncio.run(_rows(3 if quick else 5))


async def _rows(repeats: int) -> list[Row]:
    found = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        async with Embedded(folder / "store", EmbeddedConfig(servers=frozenset({ServerName.STORE}))) as embedded:
            where = embedded.endpoints
            store = S3Store(S3Config(where.s3_endpoint, *where.s3_keys["pictor"], where.s3_bucket))
            for size in SIZES:
                found += await _measured(await _frame(store, folder, size), size, repeats)
            await store.close()
    return found


async def _frame(store: S3Store, folder: Path, size: str) -> Frame:
    path, key = folder / "frame.fits", f"bench/headers/{size.replace(' ', '-')}"
    fits.writeto(path, np.random.default_rng(1).integers(900, 1100, SIZES[size], np.uint16), overwrite=True)
    await store.put_file(key, path)
    geometry: Any = describe(str(path), "frame.fits", str(folder))["geometry"]
    return Frame(store, path, key, {field: int(geometry[field]) for field in GEOMETRY_FIELDS})


async def _measured(frame: Frame, size: str, repeats: int) -> list[Row]:
    kinds: dict[str, Callable[[str], Awaitable[int]]] = {
        "raw frame, head alone": lambda key: frame.rewritten(key, raw=True),
        "converted frame, joined in the store": lambda key: frame.rewritten(key, raw=False),
        "whole": frame.whole,
    }
    seconds: dict[str, list[float]] = {kind: [] for kind in kinds}
    moved = {}
    for number in range(repeats + 1):
        for place, (kind, work) in enumerate(kinds.items()):
            began = time.perf_counter()
            moved[kind] = await work(f"{frame.key}-{place}-{number}") / MIB
            seconds[kind] += [time.perf_counter() - began] if number else []
    took = {kind: statistics.median(times) for kind, times in seconds.items()}
    return [
        Row(
            f"result header write, {size} {kind}", "MiB", moved[kind], moved["whole"], "PUT of the whole frame",
            n=repeats, bounds=(Bound(Of.OURS, GOAL_MIB),),
            accuracy=f"{took[kind]:.3f} s; the whole {took['whole']:.3f} s",
            more={"seconds": round(took[kind], 4), "peer_seconds": round(took["whole"], 4)},
        )
        for kind in list(kinds)[:2]
    ]  # fmt: skip
