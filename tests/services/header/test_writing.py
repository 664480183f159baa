"""Where the bytes of a processed FITS are kept."""

from collections.abc import AsyncIterator
from dataclasses import replace

from pictor.contracts.frames import ProductKind
from pictor.contracts.jobs import JobState
from pictor.contracts.modules import Module
from pictor.header.writing import PART_BYTES, keep_processed, source_of
from pictor.runtime.step import Step
from pictor.state import products
from pictor.state.products import Product
from tests.support.flow import Flow, serving_flow

HEADER = b"new".ljust(2880)
RAW = bytes(range(256)) * 30_000


async def _processed(flow: Flow) -> Product:
    """Write the processed FITS of a frame whose data begin after 2,880 bytes."""

    async def write(step: Step) -> None:
        frame = await step.frame()

        async def body() -> AsyncIterator[bytes]:
            yield RAW

        await step.runtime.store.put_stream(frame.raw_key, body(), len(RAW))
        source = replace(await source_of(step, frame), size=len(RAW))
        head, seam = step.scratch / "head.fits", 2880 + source.part_size
        head.write_bytes(HEADER + RAW[2880:seam])
        found = {
            "head": str(head),
            "resume_offset": seam,
            "resume_size": len(RAW) - seam,
            "size": len(HEADER) + len(RAW) - 2880,
        }
        await keep_processed(step, source, found)

    flow.acts = {Module.QUALITY_HEADERS: write}
    async with serving_flow(flow):
        job_id = await flow.submit(itinerary=(Module.QUALITY_HEADERS,))
        assert await flow.ended(job_id) is JobState.COMPLETED
    async with flow.runtime.pool.acquire() as db:
        frame_id = await db.fetchval("SELECT frame_id FROM job WHERE id = $1", job_id)
        return (await products.of_frame(db, frame_id))[ProductKind.PROCESSED]


async def _bytes(flow: Flow, key: str) -> bytes:
    return b"".join([chunk async for chunk in flow.runtime.store.open_range(key)])


async def test_in_a_private_store_only_the_new_header_is_kept(flow: Flow) -> None:
    assert flow.runtime.settings.store_is_private
    made = await _processed(flow)
    assert await _bytes(flow, made.key) == HEADER
    assert made.size == len(RAW)
    place = made.parameters
    assert await _bytes(flow, place["source_key"]) == RAW
    assert (place["kept_size"], place["source_offset"], place["source_size"]) == (2880, 2880, len(RAW) - 2880)


async def test_in_a_store_that_others_read_it_is_an_object_of_its_own(flow: Flow) -> None:
    settings = flow.runtime.settings.model_copy(update={"s3_endpoint": "store.example:9000"})
    flow.runtime = replace(flow.runtime, settings=settings)
    made = await _processed(flow)
    assert len(RAW) > PART_BYTES
    assert await _bytes(flow, made.key) == HEADER + RAW[2880:]
    assert made.size == len(RAW)
    assert "kept_size" not in made.parameters
