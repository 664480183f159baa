"""Rows whose upload is cut off, lies about its length, or is in the wrong form."""

import asyncio
import base64
import hashlib

from tests.catalogue.http.senders import row
from tests.catalogue.http.world import LIMIT, World
from tests.support.raw import Answer, line, say

CHUNKED = ("Transfer-Encoding", "chunked")
FORM = "multipart/form-data; boundary=b"


def chunk(body: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(body), body)


def form(body: bytes, *, extra: bytes = b"") -> bytes:
    head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.fits"\r\n\r\n'
    return head + body + b"\r\n" + extra + b"--b--\r\n"


async def _cut(world: World, raw: bytes) -> Answer:
    """Send, wait until it arrived, and be gone."""
    async with line(world.port) as (_, writer):
        writer.write(raw)
        await writer.drain()
        await asyncio.sleep(0.3)
    await asyncio.sleep(0.3)
    return Answer(0)


@row("94a")
async def _(world: World) -> Answer:
    frame = world.frame(size=400)
    return await _cut(world, world.put(frame, sent=frame[:100_000]))


@row("94b")
async def _(world: World) -> Answer:
    frame = world.frame(size=400)
    return await say(world.port, world.put(frame, sent=frame[:100_000]), shut=True)


@row("94c")
async def _(world: World) -> Answer:
    frame = world.frame()
    return await _cut(world, world.put(frame, sent=chunk(frame), length="", more=[CHUNKED]))


@row("95a")
async def _(world: World) -> Answer:
    frame = world.frame()
    return await say(world.port, world.put(frame + b"more", sent=frame + b"more", length=str(len(frame))))


@row("95b")
async def _(world: World) -> Answer:
    frame = world.frame()
    return await say(world.port, world.put(frame, length=str(len(frame) + 1)))


@row("96")
async def _(world: World) -> Answer:
    frame = world.frame()
    return await say(world.port, world.put(frame, more=[("Content-Length", str(len(frame)))]))


@row("97")
async def _(world: World) -> Answer:
    frame = world.frame()
    return await say(world.port, world.put(frame, sent=chunk(frame) + b"0\r\n\r\n", more=[CHUNKED]))


@row("97b")
async def _(world: World) -> Answer:
    frame = world.frame()
    return await say(world.port, world.put(frame, sent=chunk(frame) + b"0x0\r\n\r\n", length="", more=[CHUNKED]))


@row("98")
async def _(world: World) -> Answer:
    return await say(world.port, world.put(world.frame(), length="-1"))


@row("99a")
async def _(world: World) -> Answer:
    return await say(world.port, world.put(world.frame(), length=str(LIMIT + 1)))


@row("99b")
async def _(world: World) -> Answer:
    frame = world.frame(size=2000)
    parts = [chunk(frame[start : start + 65536]) for start in range(0, len(frame), 65536)]
    return await say(world.port, world.put(frame, sent=b"", length="", more=[CHUNKED]), *parts)


@row("100")
async def _(world: World) -> Answer:
    return await say(world.port, world.put(b""))


@row("105a")
async def _(world: World) -> Answer:
    return await say(world.port, world.put(world.frame(), sent=world.frame()))


def _digest(name: str, raw: bytes) -> tuple[str, str]:
    return "Content-Digest", f"{name}=:{base64.b64encode(raw).decode()}:"


@row("105b")
async def _(world: World) -> Answer:
    return await say(world.port, world.put(world.frame(), more=[_digest("sha-256", hashlib.sha256(b"").digest())]))


@row("105c")
async def _(world: World) -> Answer:
    return await say(world.port, world.put(world.frame(), more=[_digest("md5", bytes(16))]))


@row("105d")
async def _(world: World) -> Answer:
    return await say(world.port, world.put(world.frame(), more=[("Content-Digest", "sha-256=:====:")]))


@row("105e")
async def _(world: World) -> Answer:
    return await world.post("/frames:upload", form(world.frame()), FORM, [_digest("sha-256", bytes(32))])


@row("107")
async def _(world: World) -> list[Answer]:
    raw = world.put(world.frame(size=400))
    return list(await asyncio.gather(say(world.port, raw), say(world.port, raw)))


@row("108a")
async def _(world: World) -> Answer:
    return await world.post("/frames:upload", b"--b\r\n" + bytes(range(256)) * 40, FORM)


@row("108b")
async def _(world: World) -> Answer:
    return await world.post("/frames:upload", form(world.frame()), "multipart/form-data")


@row("108c")
async def _(world: World) -> Answer:
    part = b'--b\r\nContent-Disposition: form-data; name="x"\r\n\r\n1\r\n'
    return await world.post("/frames:upload", form(world.frame(), extra=part * 20_000), FORM)


@row("109a")
async def _(world: World) -> Answer:
    frame = world.frame(size=400)
    return await say(
        world.port, world.put(frame, sent=b""), *[frame[at : at + 10] for at in range(0, 4000, 10)], pause_s=0.05
    )
