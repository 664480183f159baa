"""Cancel flags and paused modules, pushed to every worker through a key-value bucket."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from uuid import UUID

import structlog
from nats.js.kv import KeyValue

from pictor.contracts.modules import Module
from pictor.contracts.subjects import BUCKET_CONTROL
from pictor.runtime.bus import BUS_OUTAGES, Bus
from pictor.runtime.closing import end

log = structlog.get_logger()

WATCH_S = 5.0
"""Silence after which a watch is made anew: the server forgets watches when it is restarted."""


class Control:
    """A live view of the control bucket; the database stays the truth."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._kv: KeyValue | None = None
        self._task: asyncio.Task[None] | None = None
        self._listeners: dict[UUID, set[Callable[[], None]]] = {}
        self.paused: set[Module] = set()
        self._changed = asyncio.Condition()

    async def start(self) -> None:
        """Begin to follow the bucket."""
        self._task = asyncio.create_task(self._follow(), name="control")

    async def stop(self) -> None:
        """Stop following."""
        if self._task is not None:
            await end(self._task)

    async def cancel(self, job_id: UUID) -> None:
        """Tell workers that a job is cancelled; a lost flag only delays the stop to the next heartbeat."""
        await self._put(f"cancel.{job_id}", b"1")

    async def pause(self, module: Module, *, paused: bool) -> None:
        """Pause or resume one module everywhere."""
        await self._put(f"paused.{module}", b"1" if paused else b"0")

    async def until_resumed(self, module: Module) -> None:
        """Wait while a module is paused."""
        async with self._changed:
            await self._changed.wait_for(lambda: module not in self.paused)

    def on_cancel(self, job_id: UUID, callback: Callable[[], None]) -> Callable[[], None]:
        """Call back when a job is cancelled; returns the function that stops listening."""
        self._listeners.setdefault(job_id, set()).add(callback)

        def forget() -> None:
            self._listeners.get(job_id, set()).discard(callback)
            if not self._listeners.get(job_id):
                self._listeners.pop(job_id, None)

        return forget

    async def _put(self, key: str, value: bytes) -> None:
        try:
            await (await self._bucket()).put(key, value)
        except BUS_OUTAGES as error:
            log.warning("control flag not sent", key=key, reason=repr(error))

    async def _bucket(self) -> KeyValue:
        if self._kv is None:
            self._kv = await self._bus.js.key_value(BUCKET_CONTROL)
        return self._kv

    async def _follow(self) -> None:
        while True:
            try:
                await self._watch(await (await self._bucket()).watchall())
            except BUS_OUTAGES as error:
                log.debug("control bucket not readable yet", reason=repr(error))
                self._kv = None
                await asyncio.sleep(1.0)

    async def _watch(self, watcher: KeyValue.KeyWatcher) -> None:
        """Follow one watch until it is silent for a while; it may be deaf since the broker was restarted."""
        try:
            while True:
                entry: KeyValue.Entry | None = await watcher.updates(timeout=WATCH_S)  # type: ignore[no-untyped-call]
                if entry is not None:
                    self._seen(entry.key, entry.value or b"")
                    async with self._changed:
                        self._changed.notify_all()
        except TimeoutError:
            return
        finally:
            with suppress(*BUS_OUTAGES):
                await watcher.stop()  # type: ignore[no-untyped-call]

    def _seen(self, key: str, value: bytes) -> None:
        kind, _, name = key.partition(".")
        if kind == "paused" and name in set(Module):
            (self.paused.add if value == b"1" else self.paused.discard)(Module(name))
        elif kind == "cancel":
            with suppress(ValueError):
                for callback in tuple(self._listeners.get(UUID(name), ())):
                    callback()
