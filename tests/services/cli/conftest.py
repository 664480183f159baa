"""An installation whose servers are real and whose modules leave what they should, and the check on it."""

import hashlib
import os
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import numpy as np
import pytest
from astropy.io import fits
from PIL import Image

from pictor.cli.check import Access, Wishes, check
from pictor.cli.checking.findings import Report
from pictor.cli.repair import mend
from pictor.cli.repairing.actions import Action
from pictor.contracts.jobs import JobKind
from pictor.contracts.modules import Lane, Module
from pictor.contracts.work import WorkOrder
from pictor.runtime.child.pool import ChildPool
from pictor.runtime.passing import give_first
from pictor.state import audit, frames, jobs
from tests.support.flow import Flow, serving_flow


@dataclass
class House:
    """One observatory with frames, products and a master; what a test breaks, the check must name."""

    flow: Flow
    access: Access

    @property
    def db(self) -> Any:
        return self.flow.runtime.pool

    async def check(self, **wishes: Any) -> Report:
        """Look at everything; objects count as old at once."""
        return await check(self.access, Wishes(**{"grace_s": 0.0} | wishes))

    async def repair(self, *, dry: bool = False, **wishes: Any) -> tuple[list[Action], Report]:
        return await mend(self.access, Wishes(**{"grace_s": 0.0} | wishes), dry=dry)

    async def put(self, key: str, content: bytes, content_type: str = "binary/octet-stream") -> str:
        """Store an object; returns its digest."""
        path = self.flow.runtime.settings.data_dir / "one"
        path.write_bytes(content)
        await self.flow.runtime.store.put_file(key, path, content_type)
        return hashlib.sha256(content).hexdigest()

    def file_of(self, key: str) -> Path:
        """Return the file behind an object, to damage it."""
        return self.flow.runtime.settings.data_dir / "store" / "objects" / f"{key}.object"

    async def send(self, *, itinerary: tuple[Module, ...] = (Module.INGEST,), order: bool = True) -> tuple[UUID, UUID]:
        """Do what an accepted upload does; returns frame and job."""
        content = b"SIMPLE  =                    T" + uuid4().bytes
        digest, place = hashlib.sha256(content).hexdigest(), self.flow.observatory_id
        key = f"raw/{place}/{digest[:2]}/{digest}"
        await self.put(key, content)
        frame_id, job_id = uuid4(), uuid4()
        first = WorkOrder(
            observatory="hill", observatory_id=place, job_id=job_id, frame_id=frame_id, module=itinerary[0],
            itinerary=itinerary[1:],
        )  # fmt: skip
        async with self.db.acquire() as db, db.transaction():
            await frames.create(
                db, frame_id, place, rig_id=None, sha256=digest, size=len(content), name="light.fits", raw_key=key,
                uploaded_by=None, metadata={},
            )  # fmt: skip
            await jobs.create(db, job_id, place, frame_id=frame_id, kind=JobKind.UPLOAD, lane=Lane.LIVE, owner=None)
            detail = {"sha256": digest, "size": len(content)}
            await audit.record(db, "plugin", "frame.upload", str(frame_id), observatory_id=place, detail=detail)
            outgoing = [await give_first(db, first)]
        if order:
            await self.flow.runtime.bus.publish(outgoing)
        return frame_id, job_id

    async def processed(self) -> tuple[UUID, UUID]:
        """Send a frame and wait until it is ingested."""
        frame_id, job_id = await self.send()
        await self.flow.ended(job_id)
        await self.db.execute("UPDATE frame SET state = 'registered' WHERE id = $1", frame_id)
        return frame_id, job_id

    async def product(self, owner: UUID, job_id: UUID, kind: str, content: bytes, content_type: str, *,
                      of: str = "frame_id") -> str:  # fmt: skip
        """Record a product of a frame or master; returns its key."""
        place = self.flow.observatory_id
        key = f"products/{place}/{owner}/{kind}-{hashlib.sha256(content).hexdigest()[:20]}"
        digest = await self.put(key, content, content_type)
        await self.db.execute(
            """
            INSERT INTO product (id, observatory_id, frame_id, master_id, kind, key, size, sha256, content_type, job_id,
                software)
            VALUES (gen_random_uuid(), $1, $2, $3, $4, $5, $6, $7, $8, $9, 'test')
            """,
            place, *((None, owner) if of == "master_id" else (owner, None)), kind, key, len(content), digest,
            content_type, job_id,
        )  # fmt: skip
        return key

    async def master(self, *, state: str = "active", group: str = "g", sources: bool = True) -> UUID:
        """Record a master with one source and its file."""
        master_id = uuid4()
        frame_id, job_id = await self.processed()
        await self.db.execute(
            """
            INSERT INTO master (id, observatory_id, state, frame_type, group_key, camera_mode, facts, ncombine, policy)
            VALUES ($1, $2, $3, 'dark', $4, 'mode', '{}', 1, '{}')
            """,
            master_id, self.flow.observatory_id, state, group,
        )  # fmt: skip
        await self.product(master_id, job_id, "master", fits_bytes(), "application/fits", of="master_id")
        if sources:
            await self.db.execute(
                "INSERT INTO master_component SELECT $1, id, sha256 FROM frame WHERE id = $2", master_id, frame_id
            )
        return master_id


def fits_bytes() -> bytes:
    """A FITS file with checksums that hold."""
    buffer = BytesIO()
    fits.PrimaryHDU(np.arange(64, dtype=np.int16).reshape(8, 8)).writeto(buffer, checksum=True)
    return buffer.getvalue()


def picture_bytes() -> bytes:
    buffer = BytesIO()
    Image.new("L", (16, 16), 7).save(buffer, "JPEG")
    return buffer.getvalue()


def only(report: Report, invariant: str, kind: str) -> str:
    """Return the sentence of the only violation there is."""
    assert report.kinds() == {kind}, [v.sentence for one in report.findings.values() for v in one.violations]
    (violation,) = report[invariant].violations
    assert violation.meaning
    assert violation.remedy
    return violation.sentence


def age(path: Path, seconds: float) -> None:
    long_ago = time.time() - seconds
    os.utime(path, (long_ago, long_ago))


@pytest.fixture(scope="session")
async def opener() -> AsyncIterator[ChildPool]:
    """The child that opens products."""
    async with ChildPool(1) as children:
        yield children


@pytest.fixture
async def house(flow: Flow, opener: ChildPool) -> AsyncIterator[House]:
    """A running installation in which nothing is wrong."""
    runtime = flow.runtime
    access = Access(runtime.settings, runtime.settings.data_dir, runtime.pool, runtime.store, runtime.bus, "", opener)
    async with serving_flow(flow):
        yield House(flow, access)


@pytest.fixture
async def quiet(flow: Flow) -> House:
    """An installation whose workers do not run."""
    runtime = flow.runtime
    runtime.settings.data_dir.mkdir(parents=True, exist_ok=True)
    return House(flow, Access(runtime.settings, runtime.settings.data_dir, runtime.pool, runtime.store, runtime.bus))
