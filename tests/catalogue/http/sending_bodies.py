"""Rows whose body is no JSON, the wrong JSON or of a wrong kind, and requests under a key."""

import json
from uuid import uuid4

from tests.catalogue.http.senders import row
from tests.catalogue.http.world import World
from tests.support.raw import Answer, say


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
