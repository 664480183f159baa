"""Rows whose address, headers, token or range asks for what there cannot be."""

from uuid import uuid4

from tests.catalogue.http.senders import row
from tests.catalogue.http.world import API, World
from tests.support.raw import Answer, request, say


@row("97c")
async def _(world: World) -> Answer:
    return await world.get("/frames", [("X-Folded", "a\r\n b")])


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


@row("109b")
async def _(world: World) -> Answer:
    raw = request("GET", f"{API}/frames", [world.allowed])
    return await say(world.port, *[raw[at : at + 1] for at in range(len(raw))], pause_s=0.1)


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
