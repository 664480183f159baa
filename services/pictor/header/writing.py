"""What the header service reads, and what it keeps."""

import asyncio
import hashlib
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any
from uuid import uuid4

from pictor.contracts.frames import ProductKind
from pictor.imaging.errors import ImagingError
from pictor.runtime.step import Step
from pictor.runtime.store.errors import ObjectMissing
from pictor.runtime.store.protocol import FrameStore, Part
from pictor.runtime.version import SOFTWARE
from pictor.state import frames, observatories, products, quality, solutions
from pictor.state.frames import Frame

PART_BYTES = 5 * 1024 * 1024
"""Least size of a part that a store joins on its own side; the most of a frame that passes through this service."""


@dataclass(frozen=True, slots=True)
class Source:
    """The object whose data unit the processed FITS keeps."""

    key: str
    sha256: str
    size: int
    shared: bool
    """Whether readers of the product go on in this object: uploaded bytes, which never change, in a private store."""

    @property
    def part_size(self) -> int:
        """Data bytes the new head holds: none where readers go on in the source."""
        return 0 if self.shared else PART_BYTES


async def observation_sources(step: Step, frame: Frame) -> dict[str, Any]:
    """Return the arguments for the observation facts: header, registered site, upload form."""
    site = await step.read(observatories.get, frame.observatory_id)
    registered = {} if site is None else {k: v for k, v in asdict(site).items() if k in SITE_FIELDS and v is not None}
    upload = {name: frame.metadata[name] for name in UPLOAD_FIELDS if frame.metadata.get(name)}
    return {"description": frame.description or {}, "site": registered, "upload": upload}


SITE_FIELDS = ("latitude_deg", "longitude_deg", "elevation_m", "name")
UPLOAD_FIELDS = ("observer", "project", "target")


def keep_observation(step: Step, frame: Frame, found: dict[str, Any]) -> None:
    """Record facts and cards."""
    night = date.fromisoformat(found["night"]) if found["night"] else None
    kept = {"facts": found["facts"], "cards": found["cards"]}
    step.save(frames.save_observation, frame.id, kept, night, found["warnings"])


async def writing_sources(step: Step, frame: Frame) -> tuple[Source, dict[str, Any]]:
    """Return the source object and the arguments for the new header."""
    source = await source_of(step, frame)
    geometry = frame.geometry or {}
    if not geometry:
        raise ImagingError("the frame was never described; reprocess it from ingest on", reason="not-described")
    observation = frame.observation or {}
    measured = await step.read(quality.quality_of, frame.id)
    solved = await step.read(solutions.solution_of, frame.id)
    return source, {
        "raw": str(await _beginning(step, source, geometry["data_offset"] + source.part_size)),
        "scratch": str(step.scratch),
        "geometry": {k: int(geometry[k]) for k in GEOMETRY_FIELDS},
        "observation": observation.get("cards", []),
        "wcs": await step.read(solutions.cards_of, frame.id),
        "solution": solved.model_dump(mode="json") if solved else None,
        "quality": await _quality(step, frame, measured),
        "history": [f"{SOFTWARE}: cards added, data unit unchanged", f"raw SHA-256 {frame.sha256}"],
        "part_size": source.part_size,
    }


GEOMETRY_FIELDS = ("header_offset", "data_offset", "data_size", "end", "total", "datasum")


async def source_of(step: Step, frame: Frame) -> Source:
    """Return the object a processed FITS is made of: the converted frame if there is one, else the raw bytes."""
    converted = (await step.read(products.of_frame, frame.id)).get(ProductKind.STORED)
    if converted is not None:
        return Source(converted.key, converted.sha256, converted.size, shared=False)
    return Source(frame.raw_key, frame.sha256, frame.size, shared=step.runtime.settings.store_is_private)


async def _beginning(step: Step, source: Source, size: int) -> Path:
    """Fetch as much of the object as the new head needs; memory and traffic do not grow with the frame."""
    path = step.scratch / "beginning.fits"
    data = bytearray()
    try:
        async for chunk in step.runtime.store.open_range(source.key, 0, min(size, source.size)):
            data += chunk
    except ObjectMissing as error:
        raise ImagingError(f"the stored bytes are gone: {error}", reason="source-missing") from error
    await asyncio.to_thread(path.write_bytes, data)
    return path


async def _quality(step: Step, frame: Frame, measured: Any) -> dict[str, Any] | None:  # noqa: ANN401 - or None
    if measured is None:
        return None
    grade = await step.read(quality.grade_of, frame.id)
    record: dict[str, Any] = measured[0].model_dump(mode="json")
    return record | ({"grade": grade.letter, "grade_rules": grade.rules} if grade else {})


async def keep_processed(step: Step, source: Source, found: dict[str, Any]) -> None:
    """Store the processed FITS: its head, which readers continue with the raw data, or the whole of it.

    Raw bytes never change under their key, so a private store need not keep their data unit twice. A converted frame
    may be converted anew, and in a store that others read the product has an address of its own: there the store
    itself joins the head and a copy of the data.
    """
    head = Path(found["head"])
    if found["resume_size"] == 0:
        await step.keep(ProductKind.PROCESSED, head, "application/fits")
        return
    beginning = await asyncio.to_thread(head.read_bytes)
    digest = hashlib.sha256(beginning).hexdigest()
    key = step.key_of(ProductKind.PROCESSED, step.order.frame_id, digest, ".fits")
    made_of = {
        "head_sha256": digest, "head_size": len(beginning), "source_key": source.key,
        "source_offset": found["resume_offset"],
    }  # fmt: skip
    if source.shared:
        await step.runtime.store.put_file(key, head, "application/fits", sha256=digest)
        made_of |= {"kept_size": len(beginning), "source_size": found["resume_size"]}
    else:
        rest = Part(source.key, found["resume_offset"], found["resume_size"])
        await _joined(step.runtime.store, key, head, rest, sha256=digest)
    step.record(
        ProductKind.PROCESSED, key, size=found["size"], sha256=f"composed:{digest}", content_type="application/fits",
        parameters=made_of,
    )  # fmt: skip


async def _joined(store: FrameStore, key: str, head: Path, rest: Part, *, sha256: str) -> None:
    piece = f"{key}-head-{uuid4().hex}"
    await store.put_file(piece, head, sha256=sha256)
    try:
        await store.compose(key, [Part(piece), rest], "application/fits")
    finally:
        await store.delete(piece)
