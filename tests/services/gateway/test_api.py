"""The JSON API: who may do what, one form for every refusal, tokens, observatories, liveness."""

import asyncio
import re
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import httpx
from litestar.handlers import HTTPRouteHandler

from pictor.cli.health import serve_health
from pictor.cli.processes import free_port
from pictor.contracts.access import Role, Scope
from pictor.gateway import credentials
from tests.services.gateway.conftest import Api, tiny_frame, uploaded

V1 = "/api/v1"


def is_problem(answer: object, status: int) -> bool:
    body = answer.json()  # type: ignore[attr-defined]
    names = {"type", "title", "status", "detail", "instance", "code", "errors", "trace_id"}
    kind = answer.headers["content-type"]  # type: ignore[attr-defined]
    return kind == "application/problem+json" and set(body) == names and body["status"] == status


async def test_every_refusal_is_problem_json(api: Api) -> None:
    frame = (await uploaded(api))["frame_id"]
    grade = f"{V1}/frames/{frame}/grade"
    cases: list[tuple[int, str, str, dict[str, object]]] = [
        (404, "GET", "/nowhere", {}),
        (404, "GET", f"{V1}/frames/not-an-id", {}),
        (404, "GET", f"{V1}/frames/{uuid4()}", {}),
        (405, "POST", f"{V1}/frames", {}),
        (400, "GET", f"{V1}/frames?limit=201", {}),
        (400, "GET", f"{V1}/frames?page=0", {}),
        (400, "GET", f"{V1}/frames?night=yesterday", {}),
        (400, "GET", f"{V1}/frames?target=%00", {}),
        (422, "GET", f"{V1}/frames?pos=here", {}),
        (422, "GET", f"{V1}/frames?cursor=zzz", {}),
        (400, "PATCH", grade, {"json": {"status": "accepted", "graded_by": "me"}}),
        (400, "PATCH", grade, {"json": {"status": "fine"}}),
        (400, "PATCH", grade, {"content": b"[" * 100_000, "headers": {"Content-Type": "application/json"}}),
        (400, "PATCH", grade, {"content": b'{"status": "\xff"}', "headers": {"Content-Type": "application/json"}}),
        (400, "PATCH", grade, {"content": b'{"status": NaN}', "headers": {"Content-Type": "application/json"}}),
        (400, "PATCH", grade, {"content": b'{"a":1,"a":2}', "headers": {"Content-Type": "application/json"}}),
        (400, "PATCH", grade, {"json": {"status": "accepted", "reasons": ["a\x00b"]}}),
        (415, "PATCH", grade, {"content": b"<a/>", "headers": {"Content-Type": "application/xml"}}),
        (415, "PATCH", grade, {"content": b"a: 1", "headers": {"Content-Type": "application/yaml"}}),
        (413, "PATCH", grade, {"content": b" " * 1_100_000, "headers": {"Content-Type": "application/json"}}),
        (400, "GET", f"{V1}/me", {"headers": {"Host": "evil.example"}}),
        (431, "GET", f"{V1}/me", {"headers": {f"X-{n}": "x" for n in range(120)}}),
        (401, "GET", f"{V1}/me", {"headers": {"Authorization": "Basic abc"}}),
        (422, "PUT", f"{V1}/frames/abc", {"content": tiny_frame(1)}),
        (415, "POST", f"{V1}/frames:upload", {"json": {}}),
    ]
    for status, method, path, options in cases:
        answer = await api.request(method, path, **options)
        assert answer.status_code == status, (method, path, options, answer.text)
        assert is_problem(answer, status), (method, path, answer.text)
        assert answer.headers["x-request-id"] == answer.json()["trace_id"]
        assert "default-src 'self'" in answer.headers["content-security-policy"]


async def test_nothing_is_served_without_a_token_but_what_says_so(api: Api) -> None:
    public: set[str] = set()
    for route in api.app.routes:
        for handler in getattr(route, "route_handlers", ()):
            path = route.path_format
            if not isinstance(handler, HTTPRouteHandler) or not path.startswith(V1):
                continue
            address = path.replace("{z}", "1").replace("{letter_id}", "1").replace("{module}", "ingest")
            address = re.sub(r"\{[a-z]+_id\}", lambda _: str(uuid4()), address)
            for method in handler.http_methods - {"OPTIONS", "HEAD"}:
                answer = await api.client.request(method, address)
                if answer.status_code != 401:
                    public.add(path)
                else:
                    assert is_problem(answer, 401)
    assert public == set()


async def test_another_observatorys_rows_do_not_exist(api: Api) -> None:
    other = await api.token(Role.OBSERVATORY_ADMIN, await api.observatory("hill"))
    mine = await uploaded(api)
    paths = [
        ("GET", "/frames/{}", "frame_id"), ("GET", "/frames/{}/header", "frame_id"),
        ("GET", "/frames/{}/preview", "frame_id"), ("GET", "/frames/{}/fits", "frame_id"),
        ("GET", "/frames/{}/history", "frame_id"), ("GET", "/frames/{}/grade", "frame_id"),
        ("PATCH", "/frames/{}/grade", "frame_id"), ("POST", "/frames/{}/reprocess", "frame_id"),
        ("DELETE", "/frames/{}", "frame_id"), ("GET", "/jobs/{}", "job_id"), ("POST", "/jobs/{}/cancel", "job_id"),
    ]  # fmt: skip
    for method, path, name in paths:
        nowhere = str(uuid4())
        theirs = await api.request(method, V1 + path.format(mine[name]), other)
        random = await api.request(method, V1 + path.format(nowhere), other)
        assert theirs.status_code == 404, (method, path)
        told, expected = theirs.json(), random.json()
        for body in (told, expected):
            del body["trace_id"], body["instance"]
        assert told == expected
    assert (await api.get(f"{V1}/frames", other)).json()["total"] == 0
    assert (await api.get(f"{V1}/jobs", other)).json()["total"] == 0
    assert (await api.request("HEAD", f"{V1}/frames/{mine['sha256']}", other)).status_code == 404
    assert (await api.upload(tiny_frame(0), other)).status_code == 201
    assert await api.count("frame") == 2


async def test_a_plugin_token_uploads_and_sees_its_own_jobs_only(api: Api) -> None:
    plugin = await api.token(Role.PLUGIN)
    own = await uploaded(api, 1, plugin)
    others = await uploaded(api, 2)
    assert (await api.get(f"{V1}/frames", plugin)).status_code == 403
    assert (await api.get(f"{V1}/frames/{own['frame_id']}", plugin)).status_code == 403
    assert (await api.get(f"{V1}/jobs/{own['job_id']}", plugin)).status_code == 200
    assert (await api.get(f"{V1}/jobs/{others['job_id']}", plugin)).status_code == 404
    assert (await api.get(f"{V1}/jobs", plugin)).json()["total"] == 1
    assert (await api.post(f"{V1}/jobs/{own['job_id']}/cancel", plugin)).status_code == 403
    for method, path in (("GET", "/operations"), ("GET", "/dead-letters"), ("GET", "/tokens"), ("POST", "/rigs")):
        assert (await api.request(method, V1 + path, plugin)).status_code == 403


async def test_server_duties_are_for_server_administrators(api: Api) -> None:
    admin = await api.token(Role.OBSERVATORY_ADMIN)
    for method, path in (
        ("GET", "/operations"), ("GET", "/dead-letters"), ("POST", "/operations/preview/pause"),
        ("POST", "/observatories"),
    ):  # fmt: skip
        assert (await api.request(method, V1 + path, admin)).status_code == 403


async def test_expired_revoked_and_mistyped_tokens_are_refused(api: Api) -> None:
    made = (await api.post(f"{V1}/tokens", json={"name": "scope 2"})).json()
    assert (await api.get(f"{V1}/me", made["token"])).status_code == 200
    assert (await api.get(f"{V1}/me", made["token"][:-1] + "!")).status_code == 401
    unknown, _ = credentials.make()
    assert (await api.get(f"{V1}/me", unknown)).status_code == 401
    assert (await api.request("DELETE", f"{V1}/tokens/{made['details']['id']}")).status_code == 204
    assert (await api.get(f"{V1}/me", made["token"])).status_code == 401
    expired = await api.token(Role.MEMBER, days=-1)
    assert (await api.get(f"{V1}/me", expired)).status_code == 401


async def test_a_token_is_shown_once_and_never_logged(api: Api, logged: Path) -> None:
    made = (await api.post(f"{V1}/tokens", json={"name": "n", "role": "member"})).json()
    secret = made["token"].split("_")[2]
    listed = await api.get(f"{V1}/tokens")
    await api.get(f"{V1}/me", made["token"])
    await api.get(f"{V1}/jobs/{made['token']}", made["token"])
    assert secret not in listed.text
    async with api.runtime.pool.acquire() as db:
        rows = [str(dict(row)) for row in [*await db.fetch("SELECT * FROM token"), *await db.fetch("TABLE audit")]]
    assert secret not in "".join(rows)
    printed = await asyncio.to_thread(logged.read_text, encoding="utf-8")
    assert printed.count("answered") >= 4
    assert secret not in printed


async def test_nobody_makes_a_token_with_more_rights_than_their_own(api: Api) -> None:
    member = await api.token(Role.MEMBER)
    hill = await api.observatory("hill")
    refused = [
        {"name": "x", "role": "observatory-admin"},
        {"name": "x", "role": "plugin", "scopes": ["admin"]},
        {"name": "x", "role": "member", "scopes": ["calibration:write"]},
    ]
    for wanted in refused:
        assert (await api.post(f"{V1}/tokens", member, json=wanted)).status_code == 403, wanted
    foreign = await api.post(f"{V1}/tokens", member, json={"name": "x", "observatory_id": str(hill)})
    assert foreign.status_code == 404
    narrow = await api.token(Role.MEMBER, scopes=frozenset({Scope.FRAMES_READ}))
    made = (await api.post(f"{V1}/tokens", narrow, json={"name": "x"})).json()
    assert made["details"]["scopes"] == []


async def test_observatories_and_rigs_are_founded_and_changed(api: Api) -> None:
    made = await api.post(f"{V1}/observatories", json={"slug": "hill", "name": "Hill", "latitude_deg": 47.5})
    assert made.status_code == 201, made.text
    assert (await api.post(f"{V1}/observatories", json={"slug": "hill", "name": "Hill"})).status_code == 409
    place = made.json()["id"]
    moved = await api.request("PUT", f"{V1}/observatories/{place}", json={"name": "Hill", "longitude_deg": 8.5})
    assert moved.json()["longitude_deg"] == 8.5
    rig = await api.post(f"{V1}/rigs", json={"name": "C11", "observatory_id": place, "egain": 0.8})
    assert rig.status_code == 201, rig.text
    assert (await api.post(f"{V1}/rigs", json={"name": "C11", "observatory_id": place})).status_code == 409
    changed = await api.request("PUT", f"{V1}/rigs/{rig.json()['id']}", json={"name": "C11 HD"})
    assert changed.json()["name"] == "C11 HD"
    assert changed.json()["egain"] is None
    off = await api.request("PUT", f"{V1}/observatories/{place}/processing-settings",
                            json={"modules": {"ingest": False}})  # fmt: skip
    assert off.status_code == 422


async def test_a_client_learns_its_limits_and_the_clock(api: Api) -> None:
    me = (await api.get(f"{V1}/me")).json()
    assert me["role"] == "server-admin"
    assert me["max_upload_bytes"] == 1_000_000
    assert me["server_time"].endswith("Z")
    ping = await api.get(f"{V1}/ping")
    assert ping.json()["name"] == "pictor"


async def test_liveness_answers_on_the_public_port_and_the_rest_on_the_health_port(api: Api) -> None:
    assert (await api.client.get("/health/live")).json() == {"status": "ok"}
    for path in ("/health/ready", "/metrics"):
        assert (await api.client.get(path)).status_code == 404
    await uploaded(api, 1)
    port = free_port("127.0.0.1")
    settings = api.runtime.settings.model_copy(update={"health_port": port})
    async with serve_health(replace(api.runtime, settings=settings)), httpx.AsyncClient() as client:
        ready = await client.get(f"http://127.0.0.1:{port}/health/ready")
        assert (ready.status_code, ready.json()) == (200, {"database": True, "store": True, "bus": True})
        text = (await client.get(f"http://127.0.0.1:{port}/metrics")).text
    assert "pictor_http_requests_total" in text
    assert 'pictor_uploads_total{outcome="new"}' in text
