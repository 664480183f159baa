"""The JSON API: who may do what, one form for every refusal, lists, jobs, tokens, operations."""

import json
import re
from dataclasses import replace
from uuid import uuid4

import httpx
import pytest
from litestar.handlers import HTTPRouteHandler

from pictor.cli.health import serve_health
from pictor.cli.processes import free_port
from pictor.contracts.access import Role, Scope
from pictor.contracts.modules import Lane, Module
from pictor.contracts.parked import Parked
from pictor.contracts.quality import Quality
from pictor.contracts.solutions import Solution
from pictor.contracts.work import WorkOrder
from pictor.gateway import credentials
from pictor.state import jobs, parked, quality, runs, solutions
from tests.services.gateway.conftest import Api, sha, tiny_frame

V1 = "/api/v1"


async def uploaded(api: Api, number: int = 0, token: str | None = None) -> dict[str, str]:
    answer = await api.upload(tiny_frame(number), token)
    assert answer.status_code in {200, 201}, answer.text
    return dict(answer.json())


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


async def test_a_token_is_shown_once_and_never_logged(api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    made = (await api.post(f"{V1}/tokens", json={"name": "n", "role": "member"})).json()
    secret = made["token"].split("_")[2]
    listed = await api.get(f"{V1}/tokens")
    await api.get(f"{V1}/me", made["token"])
    await api.get(f"{V1}/jobs/{made['token']}", made["token"])
    assert secret not in listed.text
    async with api.runtime.pool.acquire() as db:
        rows = [str(dict(row)) for row in [*await db.fetch("SELECT * FROM token"), *await db.fetch("TABLE audit")]]
    assert secret not in "".join(rows)
    printed = capsys.readouterr()
    assert "answered" in printed.out
    assert secret not in printed.out + printed.err


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


async def test_cursors_walk_through_all_frames_while_more_arrive(api: Api) -> None:
    names = [(await uploaded(api, number))["frame_id"] for number in range(7)]
    seen: list[str] = []
    address = f"{V1}/frames?limit=3"
    first = (await api.get(address)).json()
    assert (first["total"], first["page"], first["limit"], first["total_estimated"]) == (7, 1, 3, False)
    while address:
        page = (await api.get(address)).json()
        seen += [item["id"] for item in page["items"]]
        address = page["next"]
        if len(seen) == 3:
            await uploaded(api, 100)
    assert seen == names[::-1]


async def test_lists_are_narrowed_by_what_headers_and_processing_say(api: Api) -> None:
    first, second = await uploaded(api, 1), await uploaded(api, 2)
    async with api.runtime.pool.acquire() as db:
        await db.execute(
            "UPDATE frame SET frame_type = 'light', filter = 'Ha', target = 'M 31_x', exposure_s = 300, "
            "night = '2026-11-20' WHERE id = $1", first["frame_id"],
        )  # fmt: skip
        await quality.save_quality(db, first["frame_id"], uuid4(), Quality(star_count=9, fwhm_px=2.0, method="t"), {})
        await solutions.save_solution(
            db, first["frame_id"], uuid4(), a_solution(10.68, 41.27), healpix=None, cards=[["CRVAL1", 10.68, ""]],
            details={},
        )  # fmt: skip
    hits = [
        "type=light", "filter=Ha", "target=31_x", "night=2026-11-20", "exptime_min=200&exptime_max=400",
        "pos=CIRCLE%2010.7%2041.3%200.1", "status=pending&type=light", "observatory=home&type=light",
    ]  # fmt: skip
    for query in hits:
        found = (await api.get(f"{V1}/frames?{query}")).json()
        assert [item["id"] for item in found["items"]] == [first["frame_id"]], query
    for query in ("type=dark", "filter=ha", "target=31%25x", "exptime_min=301", "pos=CIRCLE%2011.7%2041.3%200.1",
                  "grade=accepted", "observatory=hill"):  # fmt: skip
        assert (await api.get(f"{V1}/frames?{query}")).json()["total"] == 0, query
    item = (await api.get(f"{V1}/frames/{first['frame_id']}")).json()
    assert item["fwhm_arcsec"] == pytest.approx(3.0)
    assert item["solution"]["ra_deg"] == 10.68
    assert (await api.get(f"{V1}/frames/{first['frame_id']}/wcs")).json()["cards"][0]["keyword"] == "CRVAL1"
    assert (await api.get(f"{V1}/frames/{second['frame_id']}/wcs")).status_code == 404


def a_solution(ra: float, dec: float) -> Solution:
    return Solution(
        ra_deg=ra, dec_deg=dec, scale_arcsec=1.5, pa_deg=0, parity=1, width_deg=1, height_deg=1,
        corners=((ra, dec),) * 4, matched=20, rms_arcsec=0.3, rms_px=0.2, solver="test",
    )  # fmt: skip


async def test_cancel_ends_a_pending_job_once(api: Api) -> None:
    member, stranger = await api.token(Role.MEMBER), await api.token(Role.MEMBER)
    job = (await uploaded(api, 1, member))["job_id"]
    assert (await api.post(f"{V1}/jobs/{job}/cancel", stranger)).status_code == 404
    done = await api.post(f"{V1}/jobs/{job}/cancel", member)
    assert (done.status_code, done.json()["state"]) == (200, "cancelled")
    assert {run["state"] for run in done.json()["timeline"]} == {"cancelled"}
    assert (await api.post(f"{V1}/jobs/{job}/cancel", member)).status_code == 200
    message = await api.js.get_last_msg("PICTOR_EVENTS", "pictor.event.job.finished.home")
    assert json.loads(message.data)["state"] == "cancelled"
    kept = await (await api.js.key_value("pictor_control")).get(f"cancel.{job}")
    assert kept.value == b"1"


async def test_a_finished_job_cannot_be_cancelled(api: Api) -> None:
    job = (await uploaded(api, 1))["job_id"]
    async with api.runtime.pool.acquire() as db:
        await db.execute("UPDATE module_run SET state = 'completed' WHERE job_id = $1", job)
        await jobs.close(db, job)
    assert (await api.post(f"{V1}/jobs/{job}/cancel")).status_code == 409


async def test_reprocessing_twice_makes_one_job(api: Api) -> None:
    frame = (await uploaded(api, 1))["frame_id"]
    path = f"{V1}/frames/{frame}/reprocess"
    first = await api.post(path, json={"modules": ["quality", "preview"]})
    again = await api.post(path)
    assert (first.status_code, again.status_code) == (202, 202), first.text
    assert first.json()["modules"] == ["ingest", "preview", "quality"]
    assert (first.json()["already_open"], again.json()["already_open"]) == (False, True)
    assert first.json()["job_id"] == again.json()["job_id"]
    message = await api.js.get_last_msg("PICTOR_WORK", "pictor.work.ingest.high")
    assert WorkOrder.decode(message.data).lane is Lane.HIGH
    assert (await api.post(path, json={"modules": []})).status_code == 422
    assert (await api.post(path, json={"modules": ["stack"]})).status_code == 422


async def test_a_human_grade_wins_and_history_keeps_all(api: Api) -> None:
    frame = (await uploaded(api, 1))["frame_id"]
    path = f"{V1}/frames/{frame}/grade"
    before = await api.get(path)
    given = await api.request("PATCH", path, json={"status": "rejected", "reasons": ["clouds"]})
    assert given.json()["letter"] == "D"
    stale = await api.request("PATCH", path, json={"status": "accepted"}, headers={"If-Match": before.headers["etag"]})
    assert stale.status_code == 412
    fresh = {"If-Match": given.headers["etag"]}
    assert (await api.request("PATCH", path, json={"status": "accepted"}, headers=fresh)).status_code == 200
    history = (await api.get(f"{V1}/frames/{frame}/history")).json()
    assert [grade["status"] for grade in history["grades"]] == ["accepted", "rejected"]
    assert [change["action"] for change in history["changes"]] == ["frame.grade", "frame.grade", "frame.upload"]


async def test_a_deleted_frame_is_gone_with_its_bytes_but_not_from_the_audit_log(api: Api) -> None:
    frame = await uploaded(api, 1)
    member = await api.token(Role.MEMBER)
    path = f"{V1}/frames/{frame['frame_id']}"
    assert (await api.request("DELETE", path, member)).status_code == 403
    assert (await api.request("DELETE", path)).status_code == 204
    assert (await api.get(path)).status_code == 404
    assert [stored.key async for stored in api.runtime.store.list("raw/")] == []
    async with api.runtime.pool.acquire() as db:
        actions = [row["action"] for row in await db.fetch("SELECT action FROM audit WHERE object = $1 ORDER BY id",
                                                           frame["frame_id"])]  # fmt: skip
    assert actions == ["frame.upload", "frame.delete"]
    assert (await api.upload(tiny_frame(1))).status_code == 201


async def test_downloads_give_the_untouched_bytes_whole_or_in_part(api: Api) -> None:
    body = tiny_frame(1, size=100)
    frame = (await api.upload(body)).json()["frame_id"]
    path = f"{V1}/frames/{frame}/fits"
    full = await api.get(path)
    assert full.content == body
    assert full.headers["etag"] == f'"{sha(body)}"'
    assert full.headers["content-disposition"].startswith('attachment; filename="frame-')
    for asked, wanted in (("bytes=0-9", body[:10]), ("bytes=2880-", body[2880:]), ("bytes=-5", body[-5:])):
        part = await api.get(path, headers={"Range": asked})
        assert (part.status_code, part.content) == (206, wanted)
    assert (await api.get(path, headers={"Range": "bytes=99999999-"})).status_code == 416
    assert (await api.get(path, headers={"If-None-Match": full.headers["etag"]})).status_code == 304
    assert (await api.get(f"{path}?kind=processed")).status_code == 404


async def test_a_dead_letter_goes_back_under_a_new_run(api: Api) -> None:
    frame = await uploaded(api, 1)
    async with api.runtime.pool.acquire() as db:
        body = await db.fetchval("SELECT order_body FROM module_run WHERE module = 'ingest'")
        order = WorkOrder.model_validate(body)
        await db.execute("UPDATE module_run SET state = 'failed' WHERE module = 'ingest'")
        letter = Parked(
            observatory="home", module="ingest", subject="pictor.work.ingest.live", reason="exhausted", message="no",
            job_id=order.job_id, stream_seq=1, body=order.model_dump_json(),
        )  # fmt: skip
        await parked.add(db, letter)
    listed = (await api.get(f"{V1}/dead-letters")).json()
    assert [item["module"] for item in listed["items"]] == ["ingest"]
    number = listed["items"][0]["id"]
    done = await api.post(f"{V1}/dead-letters/{number}/requeue")
    assert (done.status_code, done.json()["settled_as"]) == (200, "requeued"), done.text
    message = await api.js.get_last_msg("PICTOR_WORK", "pictor.work.ingest.live")
    assert WorkOrder.decode(message.data).run == 2
    async with api.runtime.pool.acquire() as db:
        assert (await runs.states(db, order.job_id))[Module.INGEST] == "pending"
    assert (await api.post(f"{V1}/dead-letters/{number}/discard")).status_code == 409
    assert (await api.post(f"{V1}/dead-letters/999/discard")).status_code == 404
    assert frame["job_id"] == str(order.job_id)


async def test_modules_left_out_because_of_a_dead_letter_run_after_it(api: Api) -> None:
    await uploaded(api, 1)
    async with api.runtime.pool.acquire() as db:
        job = await db.fetchval("SELECT id FROM job")
        await db.execute("UPDATE module_run SET state = 'completed'")
        await db.execute("UPDATE module_run SET state = 'failed' WHERE module = 'quality'")
        await db.execute("UPDATE module_run SET state = 'skipped' WHERE module = 'astrometry'")
        await jobs.close(db, job)
        order = WorkOrder.model_validate(await db.fetchval("SELECT order_body FROM module_run WHERE module = 'ingest'"))
        planned = (Module.ASTROMETRY, Module.QUALITY_HEADERS)
        order = order.model_copy(update={"module": Module.QUALITY, "itinerary": planned})
        letter = Parked(
            observatory="home", module="quality", subject="pictor.work.quality.live", reason="exhausted", message="no",
            job_id=job, stream_seq=1, body=order.model_dump_json(),
        )  # fmt: skip
        await parked.add(db, letter)
    number = (await api.get(f"{V1}/dead-letters")).json()["items"][0]["id"]
    assert (await api.post(f"{V1}/dead-letters/{number}/requeue")).status_code == 200
    detail = (await api.get(f"{V1}/jobs/{job}")).json()
    assert detail["state"] == "running"
    waiting = [run["module"] for run in detail["timeline"] if run["state"] == "pending"]
    assert waiting == ["quality", "astrometry", "quality-headers"]


async def test_operations_count_what_waits_and_pause_what_should_not_run(api: Api) -> None:
    await uploaded(api, 1)
    found = {one["module"]: one for one in (await api.get(f"{V1}/operations")).json()["modules"]}
    live = next(lane for lane in found["ingest"]["lanes"] if lane["lane"] == "live")
    assert (live["waiting"], found["ingest"]["waiting"], found["ingest"]["paused"]) == (1, 1, False)
    assert (await api.post(f"{V1}/operations/preview/pause")).status_code == 202
    kept = await (await api.js.key_value("pictor_control")).get("paused.preview")
    assert kept.value == b"1"
    assert (await api.post(f"{V1}/operations/preview/resume")).status_code == 202
    assert (await api.post(f"{V1}/operations/nothing/pause")).status_code == 400


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
