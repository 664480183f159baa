"""Whether a store that refuses one object works otherwise: then it is not away, its disk is damaged there."""

from collections.abc import AsyncIterator
from uuid import uuid4

from pictor.runtime.store.errors import StoreError
from pictor.runtime.store.protocol import FrameStore

PROBES = "products/probes"
"""Where every service may write; what a crash leaves here nothing refers to."""


async def works_without(store: FrameStore, key: str) -> bool:
    """Say whether the store knows an object it does not give, and keeps and gives back another one."""
    if key.startswith(PROBES):
        return False
    probe = f"{PROBES}/{uuid4().hex}"
    try:
        await store.stat(key)
        await store.put_stream(probe, _one(b"probe"), 5)
        try:
            found = b"".join([chunk async for chunk in store.open_range(probe)])
        finally:
            await store.delete(probe)
    except StoreError:
        return False
    return found == b"probe"


async def _one(chunk: bytes) -> AsyncIterator[bytes]:
    yield chunk
