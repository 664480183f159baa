"""An event loop in a thread of its own, so that tests stay plain functions."""

import asyncio
import threading
from collections.abc import Awaitable, Coroutine
from typing import Any, Self, TypeVar

T = TypeVar("T")

LIMIT_S = 180.0


class Background:
    """Runs coroutines for whoever is not one; servers, services and lines live here."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name="faults", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()

    def run(self, work: Coroutine[Any, Any, T], *, limit_s: float = LIMIT_S) -> T:
        """Run a coroutine to its end and return its result."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(limit_s)

    def together(self, *work: Coroutine[Any, Any, Any], limit_s: float = LIMIT_S) -> list[Any]:
        """Run coroutines at the same time and return their results."""

        async def all_of_them() -> list[Any]:
            return await asyncio.gather(*(_as_task(one) for one in work))

        return self.run(all_of_them(), limit_s=limit_s)


async def _as_task(work: Awaitable[T]) -> T:
    return await work
