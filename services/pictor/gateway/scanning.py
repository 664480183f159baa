"""The first look at a frame: while it arrives, before anything is kept."""

from collections.abc import AsyncIterable, AsyncIterator

from pictor.gateway.problems import Problem
from pictor.imaging.errors import UnreadableFrameError
from pictor.imaging.fits.passing import PassingScan

CODE = {
    "archive": "not-a-frame",
    "not-fits": "not-a-frame",
    "packed": "not-a-frame",
    "empty-file": "empty-body",
    "too-large": "frame-too-large",
}
"""Problem codes of reason classes whose name means something else here; all others keep their name."""


async def recognised(chunks: AsyncIterable[bytes], *, limit: int, size: int | None = None) -> AsyncIterator[bytes]:
    """Pass a body on while it may be a whole, sound frame of acceptable size; raises before it is kept otherwise.

    The bytes that tell what a file is are passed on together, so that nothing is begun for what is refused at once.
    """
    scan = PassingScan(size)
    held: list[bytes] = []
    arrived = 0
    async for chunk in chunks:
        arrived += len(chunk)
        if arrived > limit:
            raise Problem("too-large", f"A frame may have {limit} bytes.")
        _look(scan, chunk)
        held.append(chunk)
        if scan.container is not None:
            yield b"".join(held) if len(held) > 1 else chunk
            held.clear()
    if arrived == 0:
        raise Problem("empty-body", "The upload holds no bytes.")
    try:
        scan.finish()
    except UnreadableFrameError as error:
        raise refusal(error) from error


def refusal(error: UnreadableFrameError) -> Problem:
    """Say what is wrong with a file, under a code that names it."""
    return Problem(CODE.get(error.reason, error.reason), str(error))


def _look(scan: PassingScan, chunk: bytes) -> None:
    try:
        scan.feed(chunk)
    except UnreadableFrameError as error:
        raise refusal(error) from error
