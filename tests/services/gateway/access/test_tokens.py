"""Tokens: replaced with an overlap, revoked everywhere, never in an address, never in a log."""

import asyncio
import json
import logging
import random
import time
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import structlog

from pictor.contracts.access import DEFAULT_SCOPES, Role, Scope, redacted
from pictor.gateway import credentials
from pictor.gateway.app import create_app
from pictor.gateway.identity import CACHE_S
from pictor.gateway.limits import Rate
from pictor.state import tenancy
from tests.services.gateway.conftest import Api, client_of, sha, tiny_frame

V1 = "/api/v1"


def id_of(token: str) -> str:
    return token.split("_")[1]


async def test_a_token_lives_a_year_unless_said_otherwise_and_never_more_than_two(api: Api) -> None:
    made = (await api.post(f"{V1}/tokens", json={"name": "x"})).json()["details"]
    life = datetime.fromisoformat(made["expires_at"]) - datetime.fromisoformat(made["created_at"])
    assert life == timedelta(days=365)
    assert (await api.post(f"{V1}/tokens", json={"name": "x", "days": 730})).status_code == 201
    assert (await api.post(f"{V1}/tokens", json={"name": "x", "days": 731})).status_code == 400
    old = made["id"]
    assert (await api.post(f"{V1}/tokens/{old}/rotate", json={"days": 731})).status_code == 400
    assert (await api.post(f"{V1}/tokens/{old}/rotate", json={"overlap_hours": 25})).status_code == 400


async def test_a_successor_has_the_same_rights_and_the_old_token_ends_with_the_overlap(api: Api) -> None:
    old = await api.token(Role.PLUGIN)
    job = (await api.upload(tiny_frame(1), old)).json()["job_id"]
    answer = await api.post(f"{V1}/tokens/{id_of(old)}/rotate")
    assert (answer.status_code, answer.headers["cache-control"]) == (201, "no-store")
    new, details = answer.json()["token"], answer.json()["details"]
    assert (details["parent"], details["role"], details["scopes"]) == (
        id_of(old), "plugin", sorted(DEFAULT_SCOPES[Role.PLUGIN])
    )  # fmt: skip
    for token in (old, new):
        assert (await api.get(f"{V1}/jobs/{job}", token)).status_code == 200, "what was the old one's is the new one's"
        assert (await api.upload(tiny_frame(2), token)).status_code in {200, 201}
    listed = {one["id"]: one for one in (await api.get(f"{V1}/tokens")).json()["items"]}
    left = datetime.fromisoformat(listed[id_of(old)]["expires_at"]) - datetime.fromisoformat(details["created_at"])
    assert timedelta(hours=23) < left <= timedelta(hours=24)
    assert (await api.post(f"{V1}/tokens/{id_of(old)}/rotate")).status_code == 409, "one successor each"
    async with api.runtime.pool.acquire() as db:
        await db.execute("UPDATE token SET expires_at = now() WHERE id = $1", id_of(old))
    api.app.state.access.forget(id_of(old))
    assert (await api.get(f"{V1}/jobs", old)).status_code == 401
    assert (await api.get(f"{V1}/jobs", new)).status_code == 200


async def test_without_an_overlap_the_old_token_ends_at_once(api: Api) -> None:
    old = await api.token(Role.MEMBER)
    answer = await api.post(f"{V1}/tokens/{id_of(old)}/rotate", json={"overlap_hours": 0})
    assert answer.status_code == 201
    assert (await api.get(f"{V1}/me", old)).status_code == 401
    assert (await api.get(f"{V1}/me", answer.json()["token"])).status_code == 200
    assert (await api.post(f"{V1}/tokens/{id_of(old)}/rotate")).status_code == 409, "a dead token has no successor"


async def test_two_rotations_at_once_make_one_successor(api: Api) -> None:
    old = id_of(await api.token(Role.PLUGIN))
    answers = await asyncio.gather(*(api.post(f"{V1}/tokens/{old}/rotate") for _ in range(6)))
    assert sorted(one.status_code for one in answers) == [201, 409, 409, 409, 409, 409]


async def test_a_member_manages_own_tokens_and_sees_no_others(api: Api) -> None:
    member, other = await api.token(Role.MEMBER), await api.token(Role.MEMBER)
    mine = (await api.post(f"{V1}/tokens", member, json={"name": "mine"})).json()["details"]["id"]
    listed = {one["id"] for one in (await api.get(f"{V1}/tokens", member)).json()["items"]}
    assert listed == {mine, id_of(member)}
    for method, path in (("POST", f"/{id_of(other)}/rotate"), ("DELETE", f"/{id_of(other)}")):
        assert (await api.request(method, f"{V1}/tokens{path}", member)).status_code == 404
    assert (await api.post(f"{V1}/tokens/{mine}/rotate", member)).status_code == 201
    assert (await api.request("DELETE", f"{V1}/tokens/{mine}", member)).status_code == 204


async def test_a_rig_bound_member_makes_tokens_of_that_rig_alone(api: Api) -> None:
    rigs = (await api.get(f"{V1}/rigs")).json()
    other = (await api.post(f"{V1}/rigs", json={"name": "second", "observatory_id": str(api.home.id)})).json()["id"]
    bound = await api.token(Role.MEMBER, rig=rigs[0]["id"])
    made = (await api.post(f"{V1}/tokens", bound, json={"name": "x"})).json()["details"]
    assert made["rig_id"] == rigs[0]["id"]
    assert (await api.post(f"{V1}/tokens", bound, json={"name": "x", "rig_id": other})).status_code == 404


async def test_a_revoked_token_is_refused_on_every_replica_within_five_seconds(api: Api) -> None:
    token = await api.token(Role.MEMBER)
    replica = create_app(api.runtime)
    async with client_of(replica) as elsewhere:
        for client in (api.client, elsewhere):
            assert (await client.get(f"{V1}/me", headers=api.as_(token))).status_code == 200
        assert (await api.request("DELETE", f"{V1}/tokens/{id_of(token)}")).status_code == 204
        begun = time.monotonic()
        assert (await api.get(f"{V1}/me", token)).status_code == 401
        grade = await elsewhere.post(f"{V1}/tokens", headers=api.as_(token), json={"name": "one more"})
        assert grade.status_code == 401, "a change looks again, whatever this replica still believes"
        while (await elsewhere.get(f"{V1}/me", headers=api.as_(token))).status_code != 401:
            assert time.monotonic() - begun < 5
            await asyncio.sleep(0.1)
        print(f"refused everywhere after {time.monotonic() - begun:.1f} s; believed for {CACHE_S} s at most")


async def test_a_revocation_waits_for_a_change_that_began_before_and_stops_every_later_one(api: Api) -> None:
    from pictor.gateway.auth import changing  # noqa: PLC0415 - the one thing of it that is used here

    token = await api.token(Role.MEMBER)
    caller = await api.app.state.access.by_bearer(token)
    with tenancy.seeing_everything():
        async with changing(api.runtime, caller):
            revoking = asyncio.create_task(api.request("DELETE", f"{V1}/tokens/{id_of(token)}"))
            await asyncio.sleep(0.3)
            assert not revoking.done(), "the change holds the token until it is committed"
        assert (await revoking).status_code == 204
        with pytest.raises(Exception, match="revoked at this moment"):
            async with changing(api.runtime, caller):
                raise AssertionError("nothing is changed with a dead token")


async def test_a_wrong_secret_does_not_count_as_use(api: Api) -> None:
    token = await api.token(Role.MEMBER)
    body = token[: -len("_123456")]
    forged_body = body[:-1] + ("a" if body[-1] != "a" else "b")
    forged = f"{forged_body}_{credentials._check(forged_body)}"
    assert credentials.parse(forged) is not None
    assert (await api.get(f"{V1}/me", forged)).status_code == 401
    async with api.runtime.pool.acquire() as db:
        assert await db.fetchval("SELECT last_used_at FROM token WHERE id = $1", id_of(token)) is None
    assert (await api.get(f"{V1}/me", token)).status_code == 200
    async with api.runtime.pool.acquire() as db:
        assert await db.fetchval("SELECT last_used_at FROM token WHERE id = $1", id_of(token)) is not None


@pytest.mark.parametrize("name", ["token", "access_token", "api_key", "x"])
async def test_a_token_in_an_address_opens_nothing(api: Api, name: str) -> None:
    for text in (api.admin, api.admin.replace("_", "%5F"), f"a{api.admin}b"):
        for path in (f"{V1}/me", "/health/live", "/night", "/login", "/nothing"):
            for headers in ({}, api.as_(api.admin)):
                answer = await api.client.get(f"{path}?{name}={text}", headers=headers)
                assert answer.status_code == 401
                assert api.admin.split("_")[2] not in answer.text


SCOPED = {
    Scope.FRAMES_READ: "/frames", Scope.JOBS_READ: "/jobs", Scope.CALIBRATION_READ: "/calibration/summary/{home}",
    Scope.ADMIN: "/users",
}  # fmt: skip


@pytest.mark.parametrize("scope", Scope)
async def test_a_scope_opens_its_own_routes_and_no_others(api: Api, scope: Scope) -> None:
    token = await api.token(Role.SERVER_ADMIN, scopes=frozenset({scope}))
    for needed, path in SCOPED.items():
        answer = await api.get(f"{V1}{path.format(home=api.home.id)}", token)
        assert answer.status_code == (200 if needed is scope else 403), needed
    writes = {
        Scope.FRAMES_WRITE: lambda: api.upload(tiny_frame(1), token),
        Scope.ADMIN: lambda: api.post(f"{V1}/observatories", token, json={"slug": "new", "name": "New"}),
    }
    for needed, write in writes.items():
        assert (await write()).status_code == (201 if needed is scope else 403), needed


async def test_a_thousand_tokens_leave_no_trace_in_logs_answers_and_audit(api: Api, logged: Path) -> None:
    random.seed(3)
    limits = api.app.state.limits
    limits.refusals = limits.logins = limits.names = Rate(1_000_000)
    texts = [credentials.make()[0] for _ in range(950)]
    texts += [await api.token(random.choice(list(Role))) for _ in range(50)]
    shown = [await _spill(api, text, number) for number, text in enumerate(texts)]
    log = structlog.get_logger()
    for text in texts[:50]:
        log.warning("a careless line", header=f"Bearer {text}", values=[text], nested={"a": {"b": text}})
        logging.getLogger("library").error("connection with %s failed", text)
        careless = ValueError(f"cannot read {text}")
        log.error("a careless error", exc_info=careless)
        logging.getLogger("library").error("failed", exc_info=careless)
    async with api.runtime.pool.acquire() as db:
        shown += [str(dict(row)) for table in ("audit", "token", "session", "idempotency", "outbox")
                  for row in await db.fetch(f"TABLE {table}")]  # fmt: skip
    written = await asyncio.to_thread(logged.read_text, encoding="utf-8")
    assert written.count("answered") >= 1000
    assert written.count("_***") >= 250, "the careless lines came through, blanked"
    everything = written + "".join(shown)
    for text in texts:
        at = everything.find(text.split("_")[2])
        assert at < 0, everything[max(0, at - 300) : at + 100]


async def _spill(api: Api, text: str, number: int) -> str:
    """Send a token where tokens go, and where careless clients put them; returns what came back."""
    bearer = {"Authorization": f"Bearer {text}"}
    client = api.client
    ways = (
        lambda: client.get(f"{V1}/frames/{text}", headers=bearer),
        lambda: client.get(f"{V1}/me?token={text}", headers=bearer),
        lambda: client.get(f"/{text}", headers={"User-Agent": text, "Referer": f"http://x/{text}"}),
        lambda: client.post(f"{V1}/tokens", headers=bearer, json={"name": text, text: text}),
        lambda: client.post("/login", data={"name": text, "password": text}),
        lambda: client.delete(f"{V1}/tokens/{text}", headers=api.as_(api.admin)),
        lambda: client.put(f"{V1}/frames/{sha(b'x')}", content=b"x", headers={**bearer, "X-Frame-Metadata": text}),
        lambda: client.get(f"{V1}/jobs", headers={"Authorization": text}),
        lambda: client.get("/night", headers={"Cookie": f"pictor_session={text}"}),
        lambda: client.get(f"{V1}/frames?cursor={number}&target=a", headers={"Authorization": f"Basic {text}"}),
    )
    chosen = ways if number % 50 == 0 else (ways[number % len(ways)],)
    answers = [await way() for way in chosen]
    return "".join(answer.text + json.dumps(dict(answer.headers)) for answer in answers)


def test_blanking_keeps_the_rest_of_a_line() -> None:
    text, made = credentials.make()
    assert redacted(f"a {text} b {text}") == f"a pictor_{made.id}_*** b pictor_{made.id}_***"
    assert redacted("pictor_is_not_a_token") == "pictor_is_not_a_token"
