"""With the least rights each role still does its work: the statements of a service, run as its own role."""

from collections.abc import AsyncIterator, Callable
from uuid import UUID, uuid4

import pytest

from pictor.contracts.frames import FrameType, ProductKind
from pictor.contracts.jobs import JobKind
from pictor.contracts.masters import MasterState
from pictor.contracts.modules import Lane, Module, RunState
from pictor.contracts.parked import Parked
from pictor.contracts.quality import Grade, GradeStatus
from pictor.contracts.work import WorkOrder
from pictor.runtime.passing import close_or_pass_on, give_first
from pictor.state import (
    deleting,
    filters,
    frames,
    groups,
    individuals,
    jobs,
    masters,
    observatories,
    parked,
    policies,
    products,
    quality,
    runs,
    stacks,
)
from pictor.state.database import Connection, open_pool
from pictor.state.groups import Note
from pictor.state.masters import Master
from pictor.state.products import Product
from pictor.state.rights import GATEWAY, INGEST, MODULE, STACKER
from pictor.state.stacks import StackRequest

OBSERVATORY, FRAME, JOB = UUID(int=1), UUID(int=2), UUID(int=3)


@pytest.fixture
async def as_role(database_dsn: str, dsn_of: Callable[[str], str]) -> AsyncIterator[Callable[[str], object]]:
    """A database with one frame and its job, and a way to work on it as a role."""
    owner = await open_pool(database_dsn, size=1)
    await owner.execute("INSERT INTO observatory (id, slug, name) VALUES ($1, 'hill', 'Hill')", OBSERVATORY)
    pools = {role: await open_pool(dsn_of(role), size=1) for role in (GATEWAY, INGEST, MODULE, STACKER)}
    yield lambda role: pools[role]
    for pool in (owner, *pools.values()):
        await pool.close()


def order(module: Module, job_id: UUID = JOB, frame_id: UUID | None = FRAME) -> WorkOrder:
    return WorkOrder(
        observatory="hill", observatory_id=OBSERVATORY, job_id=job_id, frame_id=frame_id, module=module, lane=Lane.LIVE
    )


async def arrive(db: Connection) -> None:
    """Do what an accepted upload does."""
    await frames.create(
        db, FRAME, OBSERVATORY, rig_id=None, sha256="a" * 64, size=1, name="a.fits", raw_key="raw/a", uploaded_by=None,
        metadata={},
    )  # fmt: skip
    await jobs.create(db, JOB, OBSERVATORY, frame_id=FRAME, kind=JobKind.UPLOAD, lane=Lane.LIVE, owner="plugin")
    await give_first(db, order(Module.INGEST).model_copy(update={"itinerary": (Module.QUALITY,)}))


async def work(db: Connection, module: Module, rest: tuple[Module, ...] = ()) -> None:
    """Claim a run, record a product, end the run and pass the job on or close it."""
    claimed = await runs.claim(db, order(module), worker="w")
    assert claimed.answer is runs.Claim.MINE
    assert await runs.renew(db, order(module), claimed.attempt)
    made = Product(
        uuid4(), OBSERVATORY, ProductKind.PREVIEW, f"products/{uuid4()}", 1, "b" * 64, "x/y", "test", frame_id=FRAME,
        job_id=JOB,
    )  # fmt: skip
    await products.save(db, made)
    assert await products.known_keys(db, [made.key])
    ended = await runs.end(db, order(module), claimed.attempt, state=RunState.COMPLETED, reason=None, message=None)
    assert ended is not None
    await close_or_pass_on(
        db, order(module), rest, state=RunState.COMPLETED, reason=None, message=None, duration_s=1.0
    )  # fmt: skip


async def letter(db: Connection, module: Module) -> None:
    found = Parked(
        observatory="hill", module=str(module), subject="s", reason="poison", message="m", stream_seq=1, body=""
    )
    assert await parked.add(db, found)


async def test_every_role_does_its_part_of_a_frames_way(as_role: Callable[[str], object]) -> None:
    async with as_role(GATEWAY).acquire() as db, db.transaction():
        assert await observatories.get(db, OBSERVATORY) is not None
        await arrive(db)
    async with as_role(INGEST).acquire() as db, db.transaction():
        await frames.quarantine(db, FRAME, reason="x", message="y")
        await frames.flag_source(db, FRAME, reason="x", message="y")
        await policies.policy_of(db, OBSERVATORY)
        await runs.drop_from_plan(db, JOB, [Module.PREVIEW])
        await letter(db, Module.INGEST)
        await work(db, Module.INGEST, (Module.QUALITY,))
    async with as_role(MODULE).acquire() as db, db.transaction():
        await frames.save_observation(db, FRAME, {}, None, [])
        grade = Grade(letter="A", status=GradeStatus.ACCEPTED, reasons=(), rules="r")
        await quality.save_grade(db, FRAME, JOB, grade, by=None)
        await filters.in_use(db, [OBSERVATORY])
        await quality.peers(db, FRAME, ["R"], before=None)
        await masters.save_use(db, FRAME, JOB, {}, weak=False, explanation={})
        await masters.usable_for(db, OBSERVATORY, None, "mode")
        await letter(db, Module.QUALITY)
        await work(db, Module.QUALITY)
    async with as_role(GATEWAY).acquire() as db, db.transaction():
        assert (await jobs.get(db, JOB, None)) is not None
        async with deleting.content_held(db, "raw/a"):
            assert "raw/a" in await deleting.delete_frame(db, FRAME)


async def test_the_stacker_decides_stacks_and_supersedes(as_role: Callable[[str], object]) -> None:
    async with as_role(GATEWAY).acquire() as db, db.transaction():
        await arrive(db)
    async with as_role(STACKER).acquire() as db, db.transaction():
        await filters.in_use(db, [OBSERVATORY])
        await masters.lock_library(db, OBSERVATORY, "mode")
        for question in (individuals.unjudged, individuals.mode_of, masters.usable):
            await question(db, OBSERVATORY, "mode")
        await individuals.admitted(db, OBSERVATORY, "mode", among="among", most=255)
        await individuals.admit(db, [FRAME])
        await individuals.refuse(db, FRAME, "why")
        await individuals.forget_flats(db, OBSERVATORY, "mode")
        await masters.due_modes(db)
        changed = await masters.changed_at(db, OBSERVATORY, "mode")
        assert changed is None or await masters.decided(db, OBSERVATORY, "mode", changed) is None
        await groups.named_groups(db, OBSERVATORY)
        await groups.failed_request(db, OBSERVATORY, "g")
        await stacks.tried(db, OBSERVATORY, "g")
        await groups.save_notes(db, OBSERVATORY, [Note("g", "stack", "m", 1, 1, {})])
        await groups.note_of(db, OBSERVATORY, "g")
        job_id, master_ids = uuid4(), (uuid4(), uuid4())
        await jobs.create(db, job_id, OBSERVATORY, frame_id=None, kind=JobKind.STACK, lane=Lane.LIVE, owner="s")
        await stacks.request(db, StackRequest(job_id, OBSERVATORY, "g", FrameType.DARK, (FRAME,), {}, {}, force=False))
        assert await stacks.request_of(db, job_id) is not None
        await stacks.members(db, (FRAME,))
        await give_first(db, order(Module.STACK, job_id, None))
        for master_id in master_ids:
            master = Master(
                master_id, OBSERVATORY, None, job_id, MasterState.ACTIVE, FrameType.DARK, "g", "mode", {}, 1, {}, {},
                (), None,
            )  # fmt: skip
            superseded = await masters.save(db, master, [(FRAME, "a" * 64)])
        assert superseded == [master_ids[0]]
        await jobs.cancel(db, job_id)
