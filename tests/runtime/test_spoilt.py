"""A frame whose stored bytes are gone or damaged says so itself, and ends with that reason: it waits for no store."""

from collections.abc import AsyncIterator
from uuid import UUID

import pytest

from pictor.contracts.jobs import JobState
from pictor.contracts.modules import Module
from pictor.runtime.step import Step
from pictor.state import jobs
from tests.support.flow import Flow, serving_flow


async def _one(body: bytes) -> AsyncIterator[bytes]:
    yield body


async def _fetched(step: Step) -> None:
    frame = await step.frame()
    await step.fetch(frame.raw_key, frame.sha256)


@pytest.mark.parametrize(("stored", "reason"), [(None, "source-missing"), (b"other bytes", "corrupt-source")])
async def test_a_frame_says_what_became_of_its_bytes(flow: Flow, stored: bytes | None, reason: str) -> None:
    async def keep(step: Step) -> None:
        if stored is not None:
            await step.runtime.store.put_stream((await step.frame()).raw_key, _one(stored), len(stored))

    flow.acts |= {Module.HEADER_UPDATE: keep, Module.PREVIEW: _fetched}
    async with serving_flow(flow):
        job_id = await flow.submit(itinerary=(Module.HEADER_UPDATE, Module.PREVIEW))
        frame_id = await _frame_of(flow, job_id)
        assert await flow.ended(job_id, within_s=60) is JobState.FAILED
    row = await flow.runtime.pool.fetchrow("SELECT reason, message FROM frame WHERE id = $1", frame_id)
    assert row["reason"] == reason
    assert "stored bytes are" in row["message"]


async def _frame_of(flow: Flow, job_id: UUID) -> UUID:
    job = await jobs.get(flow.runtime.pool, job_id, None)
    assert job is not None
    assert job.frame_id is not None
    return job.frame_id
