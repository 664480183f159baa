"""One module run: claim, load, compute, save, announce, pass on; each exactly once in effect."""

import asyncio
import hashlib
import secrets
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, Concatenate, ParamSpec
from uuid import UUID, uuid4

import structlog

from pictor.contracts.frames import ProductKind
from pictor.contracts.messages import M, Subject
from pictor.contracts.modules import Module, RunState
from pictor.contracts.work import WorkOrder
from pictor.imaging.errors import ImagingError
from pictor.runtime import crashpoints, metrics, scratch
from pictor.runtime.child.errors import ChildCancelled, ChildFailed
from pictor.runtime.closing import beside
from pictor.runtime.errors import ExhaustedError, FencedError, NotOursError, TransientError
from pictor.runtime.outages import OUTAGE, is_outage
from pictor.runtime.passing import close_or_pass_on
from pictor.runtime.runtime import Runtime
from pictor.runtime.store.errors import DigestMismatch, ObjectMissing
from pictor.runtime.version import SOFTWARE
from pictor.state import frames, outbox, products, runs
from pictor.state.database import Connection, storable
from pictor.state.frames import Frame
from pictor.state.outbox import Draft, Outgoing
from pictor.state.products import Product

log = structlog.get_logger()

HEARTBEAT_S = 10.0
"""A third of the lease: two beats may be lost before a worker is taken for dead."""

RELEASE_TRIES = 15
"""Seconds a worker tries to give a run back while the database is away; then the lease ends by itself."""

MISSING = "source-missing"
CORRUPT = "corrupt-source"

P = ParamSpec("P")
Write = Callable[[Connection], Awaitable[Any]]


class Step:
    """What a handler may do with its order; everything it writes waits for one transaction at the end."""

    def __init__(self, runtime: Runtime, order: WorkOrder, attempt: int, folder: Path) -> None:
        self.runtime = runtime
        self.order = order
        self.attempt = attempt
        self.scratch = folder
        self.cancel = asyncio.Event()
        self._writes: list[Write] = []
        self._announcements: list[Draft] = []
        self._itinerary = order.itinerary
        self._dropped: list[Module] = []
        self._replaced: list[str] = []
        self._raw_key: str | None = None
        self._flag: tuple[str, str] | None = None
        self._outcome: tuple[RunState, str | None, str | None] = (RunState.COMPLETED, None, None)

    async def read(
        self, function: Callable[Concatenate[Connection, P], Awaitable[Any]], *args: P.args, **kwargs: P.kwargs
    ) -> Any:  # noqa: ANN401 - whatever the state function returns
        """Ask the database one question outside any transaction."""
        async with self.runtime.pool.acquire() as db:
            return await function(db, *args, **kwargs)

    async def frame(self) -> Frame:
        """Return the frame of the order."""
        if self.order.frame_id is None:
            raise ImagingError("the order names no frame", reason="no-frame")
        frame: Frame | None = await self.read(frames.get, self.order.frame_id)
        if frame is None:
            raise ImagingError("the frame was deleted before it could be processed", reason=MISSING)
        self._raw_key = frame.raw_key
        return frame

    async def fetch(self, key: str, sha256: str) -> Path:
        """Return a local, verified, read-only copy of an object."""

        async def load(path: Path) -> None:
            await self.runtime.store.get_to_file(key, path, sha256=sha256)

        try:
            return await self.runtime.cache.get(sha256, load, link=self.scratch / sha256[:32])
        except ObjectMissing as error:
            raise self._spoilt(key, ImagingError(f"the stored bytes are gone: {error}", reason=MISSING)) from error
        except DigestMismatch as error:
            raise self._spoilt(key, ImagingError(f"the stored bytes are damaged: {error}", reason=CORRUPT)) from error

    def _spoilt(self, key: str, error: ImagingError) -> ImagingError:
        """Remember to say on the frame itself that its raw bytes are spoilt, whatever becomes of the rest."""
        if key == self._raw_key:
            self._flag = (error.reason, str(error))
        return error

    async def compute(self, function: str, *, timeout_s: float, **arguments: object) -> dict[str, Any]:
        """Run pixel work in a child; the frame's faults come back as ImagingError."""
        crashpoints.crashpoint(f"{self.order.module}.mid_work")
        try:
            return await self.runtime.children.call(function, arguments, timeout_s=timeout_s, cancel=self.cancel)
        except ChildFailed as error:
            if error.reason == scratch.FULL and await asyncio.to_thread(scratch.taken_by_others, self.scratch):
                raise TransientError(f"the disk of {self.scratch.parent} is full: {error}") from error
            raise

    async def keep(
        self, kind: ProductKind, path: Path, content_type: str, *,
        parameters: dict[str, Any] | None = None, master_id: UUID | None = None,
    ) -> Product:  # fmt: skip
        """Put a product into the store under its own key; it becomes visible with the transaction."""
        digest = await asyncio.to_thread(_sha256, path)
        owner = master_id or self.order.frame_id
        key = self.key_of(kind, owner, digest, path.suffix)
        stored = await self.runtime.store.put_file(key, path, content_type, sha256=digest)
        return self.record(
            kind, key, size=stored.size, sha256=digest, content_type=content_type, parameters=parameters,
            master_id=master_id,
        )  # fmt: skip

    def key_of(self, kind: ProductKind, owner: UUID | None, digest: str, suffix: str) -> str:
        """Name an object of this job; no other job has it, so that each may delete what it replaces."""
        order = self.order
        return f"products/{order.observatory_id}/{owner}/{kind}-{digest[:20]}-{order.job_id.hex[-8:]}{suffix}"

    def record(
        self, kind: ProductKind, key: str, *, size: int, sha256: str, content_type: str,
        parameters: dict[str, Any] | None = None, master_id: UUID | None = None,
    ) -> Product:  # fmt: skip
        """Record an object that is in the store already as a product."""
        crashpoints.crashpoint(f"{self.order.module}.after_put")
        product = Product(
            id=uuid4(), observatory_id=self.order.observatory_id, kind=kind, key=key, size=size, sha256=sha256,
            content_type=content_type, software=SOFTWARE, job_id=self.order.job_id, parameters=parameters or {},
            frame_id=None if master_id else self.order.frame_id, master_id=master_id,
        )  # fmt: skip
        self._writes.append(lambda db: self._replace(db, product))
        return product

    async def _replace(self, db: Connection, product: Product) -> None:
        replaced = await products.save(db, product)
        if replaced is not None:
            self._replaced.append(replaced)

    def save(
        self, function: Callable[Concatenate[Connection, P], Awaitable[Any]], *args: P.args, **kwargs: P.kwargs
    ) -> None:
        """Write with the closing transaction; a message the function returns is published after it."""
        self._writes.append(lambda db: function(db, *args, **kwargs))

    def announce(self, subject: Subject[M], message: M) -> None:
        """Tell everyone, once the results are committed."""
        headers = {"traceparent": traceparent(self.order.job_id)}
        self._announcements.append(outbox.draft(subject, message, headers=headers))

    def reroute(self, itinerary: tuple[Module, ...]) -> None:
        """Replace the rest of the itinerary; modules left out disappear from the job's timeline."""
        self._dropped = [module for module in self._itinerary if module not in itinerary]
        self._itinerary = itinerary

    def drop(self, keys: Iterable[str]) -> None:
        """Delete objects after the closing transaction, which took their products away."""
        self._replaced.extend(keys)

    def skip(self, reason: str, message: str) -> None:
        """End this module as skipped: a visible state with its remedy, not a failure."""
        self._outcome = (RunState.SKIPPED, reason, storable(message))

    def fail(self, reason: str, message: str) -> None:
        """End this module as failed, but keep what was saved and announced."""
        self._outcome = (RunState.FAILED, reason, storable(message))

    def forget_results(self) -> None:
        """Drop every write and announcement: the module failed before its results were whole."""
        self._writes.clear()
        self._announcements.clear()

    def flag_spoilt(self) -> None:
        """Say on the frame that its raw bytes are gone or damaged, if that was found."""
        if self._flag is not None and self.order.frame_id is not None:
            self.save(frames.flag_source, self.order.frame_id, reason=self._flag[0], message=storable(self._flag[1]))

    async def finish(self) -> None:
        """Write results, next order and announcements in one transaction, then publish them."""
        state, reason, message = self._outcome
        async with self.runtime.pool.acquire() as db, db.transaction():
            duration = await runs.end(db, self.order, self.attempt, state=state, reason=reason, message=message)
            if duration is None:
                raise FencedError
            written = [await write(db) for write in self._writes]
            outgoing = [result for result in written if isinstance(result, Outgoing)]
            if self._dropped:
                await runs.drop_from_plan(db, self.order.job_id, self._dropped)
            outgoing += await close_or_pass_on(
                db, self.order, self._itinerary, state=state, reason=reason, message=message, duration_s=duration,
                told=self._announcements,
            )  # fmt: skip
        crashpoints.crashpoint(f"{self.order.module}.after_commit")
        await self.runtime.bus.publish(outgoing, mark_soon=True)
        await self._sweep_replaced()
        metrics.module_total.labels(self.order.module, state).inc()
        metrics.module_seconds.labels(self.order.module).observe(duration)
        level = log.warning if state is RunState.FAILED else log.info
        level("module ended", state=str(state), duration_s=round(duration, 3), reason=reason, detail=message)

    async def _sweep_replaced(self) -> None:
        """Delete the objects newer products replaced; what is missed here the check finds."""
        if not self._replaced:
            return
        with suppress(*OUTAGE):
            used = await self.read(products.known_keys, self._replaced)
            for key in set(self._replaced) - used:
                await self.runtime.store.delete(key)


@asynccontextmanager
async def open_step(runtime: Runtime, order: WorkOrder) -> AsyncIterator[Step]:
    """Claim an order and end it once: completed, skipped, or failed with a sentence."""
    async with runtime.pool.acquire() as db:
        claimed = await runs.claim(db, order, worker=str(runtime.worker))
    _admit(runtime, order, claimed)
    crashpoints.crashpoint(f"{order.module}.after_claim")
    folder = runtime.settings.scratch / f"{order.job_id}-{order.module}-{claimed.attempt}"
    folder.mkdir(parents=True, exist_ok=True)
    step = Step(runtime, order, claimed.attempt, folder)
    forget = runtime.control.on_cancel(order.job_id, step.cancel.set)
    metrics.module_running.labels(order.module).inc()
    try:
        async with beside(partial(_keep_lease, step), after_s=HEARTBEAT_S, name="lease"):
            try:
                yield step
            except ImagingError as error:
                step.forget_results()
                step.flag_spoilt()
                step.fail(error.reason, str(error))
            await step.finish()
    except FencedError:
        raise
    except BaseException as error:
        await asyncio.shield(_release(step, blameless=_blameless(error)))
        raise
    finally:
        metrics.module_running.labels(order.module).dec()
        forget()
        shutil.rmtree(folder, ignore_errors=True)


def _admit(runtime: Runtime, order: WorkOrder, claimed: runs.Claimed) -> None:
    if claimed.answer is not runs.Claim.MINE:
        raise NotOursError(claimed)
    if claimed.failures > runtime.settings.max_attempts:
        raise ExhaustedError(f"{order.module} was begun {claimed.failures - 1} times and never ended")


def _blameless(error: BaseException) -> bool:
    return is_outage(error) or isinstance(error, (asyncio.CancelledError, ChildCancelled))


async def _release(step: Step, *, blameless: bool) -> None:
    """Give a run back, patiently: one that keeps its lease has to wait for the lease's end."""
    for _ in range(RELEASE_TRIES):
        with suppress(*OUTAGE):
            async with step.runtime.pool.acquire() as db:
                await runs.release(db, step.order, step.attempt, blameless=blameless)
            return
        if step.runtime.stopping.is_set():
            return
        await asyncio.sleep(1.0)


async def _keep_lease(step: Step) -> None:
    while True:
        try:
            async with step.runtime.pool.acquire() as db:
                ours = await runs.renew(db, step.order, step.attempt)
        except Exception as error:  # noqa: BLE001 - a missed beat is no reason to end the work
            log.warning("lease not renewed", reason=repr(error))
        else:
            if not ours:
                step.cancel.set()
                return
        await asyncio.sleep(HEARTBEAT_S)


def traceparent(job_id: UUID) -> str:
    """Return a W3C trace context whose trace is the job."""
    return f"00-{job_id.hex}-{secrets.token_hex(8)}-01"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
