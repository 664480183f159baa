"""How each row is sent."""

import asyncio
import base64
import hashlib
import json
from collections.abc import Awaitable, Callable
from uuid import uuid4

from tests.catalogue.http.world import API, LIMIT, World
from tests.support.raw import Answer, line, request, say

Send = Callable[[World], Awaitable[Answer | list[Answer]]]

SENDERS: dict[str, Send] = {}
CHUNKED = ("Transfer-Encoding", "chunked")
FORM = "multipart/form-data; boundary=b"


def row(number: str) -> Callable[[Send], Send]:
    """Name what sends a row."""

    def named(send: Send) -> Send:
        SENDERS[number] = send
        return send

    return named


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


@row("97c")
async def _(world: World) -> Answer:
    return await world.get("/frames", [("X-Folded", "a\r\n b")])


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


@row("101a")
async def _(world: World) -> Answer:
    return await world.get("/frames/%00")


@row("101b")
async def _(world: World) -> Answer:
    return await world.get("/frames/%ff%fe")


@row("102")
async def _(world: World) -> Answer:
    return await say(world.port, request("GET", "/static/%2f..%2f..%2f..%2fetc/passwd"))


@row("103a")
async def _(world: World) -> Answer:
    return await world.get("/frames", [("X-Large", "v" * 200_000)])


@row("103b")
async def _(world: World) -> Answer:
    return await world.get("/frames", [(f"X-{number}", "v") for number in range(5000)])


@row("104")
async def _(world: World) -> Answer:
    return await world.get("/frames/" + "a" * 100_000)


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


async def _rig(world: World, key: str, name: str) -> Answer:
    body = json.dumps({"name": name, "observatory_id": str(world.home)}).encode()
    return await world.post("/rigs", body, more=[("Idempotency-Key", key)])


@row("106a")
async def _(world: World) -> Answer:
    key = uuid4().hex
    assert (await _rig(world, key, f"a-{key}")).status == 201
    return await _rig(world, key, f"b-{key}")


@row("106b")
async def _(world: World) -> list[Answer]:
    key = uuid4().hex
    answers = [await _rig(world, key, f"a-{key}"), await _rig(world, key, f"a-{key}")]
    assert answers[0].body == answers[1].body
    assert answers[1].headers["idempotency-replayed"] == "true"
    made = world.deployment.sql("SELECT count(*) FROM rig WHERE name = $1", f"a-{key}")
    assert made[0]["count"] == 1
    return answers


@row("106c")
async def _(world: World) -> Answer:
    return await _rig(world, "k" * 300, "never")


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


@row("109b")
async def _(world: World) -> Answer:
    raw = request("GET", f"{API}/frames", [world.allowed])
    return await say(world.port, *[raw[at : at + 1] for at in range(len(raw))], pause_s=0.1)


async def _token(world: World, body: bytes, kind: str = "application/json") -> Answer:
    return await world.post("/tokens", body, kind)


JSON_BODIES = {
    "110": b'{"name":' * 100_000,
    "111": b'{"name": "\xff\xfe"}',
    "112a": b'{"name": "a", "days": NaN}',
    "112b": b'{"name": "a", "days": ' + b"9" * 5000 + b"}",
    "112c": b'{"name": "\\ud800"}',
    "113": b'{"name": "a\\u0000b"}',
    "114": b'{"name": "a", "name": "b"}',
    "115a": b'{"name": "a", "is_admin": true}',
    "118": b'{"name": "' + b"a" * 12_000_000 + b'"}',
}
for _number, _body in JSON_BODIES.items():
    row(_number)(lambda world, body=_body: _token(world, body))

OTHER_KINDS = {
    "117a": ("application/xml", b"<name>a</name>"),
    "117b": ("application/yaml", b"name: a"),
    "117c": ("application/x-msgpack", b"\x81\xa4name\xa1a"),
}
for _number, (_kind, _body) in OTHER_KINDS.items():
    row(_number)(lambda world, kind=_kind, body=_body: _token(world, body, kind))


@row("115b")
async def _(world: World) -> Answer:
    rig = await world.made("/rigs", name=f"rig-{uuid4().hex}", observatory_id=str(world.home))
    body = json.dumps({"name": "mine", "observatory_id": str(uuid4())}).encode()
    return await world.send("PUT", f"/rigs/{rig['id']}", body)


@row("116")
async def _(world: World) -> Answer:
    path = f"/observatories/{world.home}/processing-settings"
    return await world.send("PUT", path, b'{"modules": {"astrometry": "true"}}')


@row("117d")
async def _(world: World) -> Answer:
    return await world.post("/tokens", b"\x1f\x8b", more=[("Content-Encoding", "gzip")])


LISTS = {
    "119a": "/frames?page=0", "119b": "/frames?page=-1", "119c": "/frames?page=1e3", "119d": f"/frames?page={10**23}",
    "120a": "/frames?limit=0", "120b": "/frames?limit=-1", "120c": "/frames?limit=1000000000",
    "121b": "/frames?is_admin=true", "121c": "/frames?rig=a&rig=b",
    "122a": "/frames?status=%00", "122b": "/frames?status=%27%20OR%201=1--",
    "123a": "/frames/not-a-uuid", "123d": f"/frames/{uuid4()}",
}  # fmt: skip
for _number, _path in LISTS.items():
    row(_number)(lambda world, path=_path: world.get(path))


@row("121a")
async def _(world: World) -> Answer:
    return await world.get(f"/calibration/library/{world.home}?is_master=perhaps")


@row("122c")
async def _(world: World) -> Answer:
    await world.uploaded()
    answer = await world.get("/frames?target=%25")
    assert answer.json()["items"] == []
    return answer


def _same_but_for_the_id(one: Answer, other: Answer) -> None:
    """Compare two refusals byte by byte, but for what names the request."""
    told = [answer.json() | {"trace_id": "", "instance": ""} for answer in (one, other)]
    assert told[0] == told[1]
    of_the_request = {"date", "x-request-id", "content-length", "ratelimit-remaining", "ratelimit-reset"}
    heads = [{name: value for name, value in a.headers.items() if name not in of_the_request} for a in (one, other)]
    assert heads[0] == heads[1]
    assert len(one.body) == len(other.body)


@row("123b")
async def _(world: World) -> Answer:
    receipt = await world.uploaded()
    slug = f"obs-{uuid4().hex[:12]}"
    place = await world.made("/observatories", slug=slug, name=slug)
    foreign = await world.made("/tokens", name="another", role="member", observatory_id=place["id"])
    allowed = ("Authorization", f"Bearer {foreign['token']}")
    path = f"{API}/frames/"
    answer = await say(world.port, request("GET", path + receipt["frame_id"], [allowed]))
    _same_but_for_the_id(answer, await say(world.port, request("GET", path + str(uuid4()), [allowed])))
    return answer


@row("123c")
async def _(world: World) -> Answer:
    receipt = await world.uploaded()
    assert (await world.send("DELETE", f"/frames/{receipt['frame_id']}", b"")).status == 204
    answer = await world.get(f"/frames/{receipt['frame_id']}")
    _same_but_for_the_id(answer, await world.get(f"/frames/{uuid4()}"))
    return answer


@row("124")
async def _(world: World) -> Answer:
    forged = [("X-Forwarded-For", "203.0.113.9"), ("X-Forwarded-Host", "evil"), ("X-Forwarded-Proto", "https")]
    answer = await say(world.port, world.put(world.frame(), more=[*forged, ("Forwarded", "for=203.0.113.9;host=evil")]))
    assert answer.headers["location"] == f"{API}/frames/{answer.json()['frame_id']}"
    line_ = world.deployment.sql("SELECT address FROM audit WHERE object = $1", answer.json()["frame_id"])
    assert [one["address"] for one in line_] == ["127.0.0.1"]
    return answer


@row("125")
async def _(world: World) -> Answer:
    return await world.get("/frames", [("Host", "evil")])


@row("126")
async def _(world: World) -> Answer:
    return await say(world.port, request("GET", f"{API}/frames?token={'a' * 20}"))


async def _with(world: World, token: str) -> Answer:
    return await say(world.port, request("GET", f"{API}/frames", [("Authorization", f"Bearer {token}")]))


@row("127a")
async def _(world: World) -> Answer:
    return await _with(world, world.token.upper())


@row("127b")
async def _(world: World) -> Answer:
    return await _with(world, world.token[: len(world.token) // 2])


@row("127c")
async def _(world: World) -> Answer:
    return await _with(world, world.token + "a" * 1_000_000)


@row("128")
async def _(world: World) -> Answer:
    return await world.post("/webhooks", b'{"url": "http://169.254.169.254/latest"}')


SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'


@row("129a")
async def _(world: World) -> Answer:
    return await world.post("/calibration/masters/upload", SVG, "image/svg+xml")


@row("129b")
async def _(world: World) -> Answer:
    return await say(world.port, world.put(SVG))


@row("130")
async def _(world: World) -> Answer:
    body = (
        b'{"settings": {"min_frames": 2, "sigma_clip_value": 0, "sigma_clip_iterations": 1000000, '
        b'"temperature_tolerance_c": -1, "dark_max_age_days": 0}}'
    )
    return await world.send("PUT", f"/observatories/{world.home}/calibration-settings", body)


@row("131a")
async def _(world: World) -> Answer:
    return await say(world.port, request("GET", f"{API}/frames", [world.allowed, ("Content-Length", "2")], b"{}"))


@row("131b")
async def _(world: World) -> Answer:
    return await say(world.port, request("TRACE", f"{API}/frames", [world.allowed]))


@row("131c")
async def _(world: World) -> Answer:
    return await say(world.port, request("CONNECT", "127.0.0.1:5432", [world.allowed]))


async def _range(world: World, text: str) -> Answer:
    receipt = await world.uploaded()
    return await world.get(f"/frames/{receipt['frame_id']}/fits", [("Range", text)])


@row("132a")
async def _(world: World) -> Answer:
    return await _range(world, "bytes=" + ",".join(["0-"] * 1000))


@row("132b")
async def _(world: World) -> Answer:
    return await _range(world, "bytes=0-" + "9" * 5000)
