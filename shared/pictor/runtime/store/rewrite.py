"""A new object that is an old one with another beginning: headers of frames are rewritten without moving pixels."""

from collections.abc import AsyncIterator
from uuid import uuid4

from pictor.runtime.store.multipart import MIN_PART
from pictor.runtime.store.protocol import BYTES, FrameStore, Part, StoredObject


async def replace_head(
    store: FrameStore, source: str, key: str, head: bytes, *, data_offset: int, content_type: str = BYTES
) -> StoredObject:
    """Store ``head`` followed by an object's bytes from ``data_offset`` on.

    Only the head and 5 MiB of data pass through this process, whatever the size of the object; the store joins the
    rest itself.

    Parameters
    ----------
    store
        Where both objects are.
    source
        Key of the old object.
    key
        Key of the new one.
    head
        The new beginning.
    data_offset
        First byte of the old object to keep.
    content_type
        Media type of the new object.
    """
    size = (await store.stat(source)).size
    seam = min(data_offset + MIN_PART, size)

    async def beginning() -> AsyncIterator[bytes]:
        yield head
        async for chunk in store.open_range(source, data_offset, seam):
            yield chunk

    length = len(head) + seam - data_offset
    if seam == size:
        return await store.put_stream(key, beginning(), length, content_type)
    piece = f"{key}.head-{uuid4().hex}"
    await store.put_stream(piece, beginning(), length)
    try:
        return await store.compose(key, [Part(piece), Part(source, seam)], content_type)
    finally:
        await store.delete(piece)
