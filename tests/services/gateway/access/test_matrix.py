"""Every route and page, asked by everybody: the status of each cell, and that a refusal changed nothing."""

import json
from pathlib import Path
from uuid import UUID

import pytest
from litestar.handlers import HTTPRouteHandler

from pictor.contracts.access import Role
from pictor.gateway.app import openapi
from pictor.state import tenancy
from tests.services.gateway.access.conftest import World
from tests.support.matrix import TABLE_BEGINS, TABLE_ENDS, Route, as_table, keys_of, read_matrix

CALLERS, ROWS = read_matrix()
CELLS = [pytest.param(row, caller, id=f"{row.name}, {caller}") for row in ROWS for caller in CALLERS]
GOLDEN = Path(__file__).with_name("keys.json")
NOBODY = frozenset({"anonymous"})
DEAD = frozenset({"expired", "revoked"})


def refused(status: int) -> bool:
    return status in {303, 401, 403, 404}


@pytest.mark.parametrize(("row", "caller"), CELLS)
async def test_a_cell_of_the_matrix(world: World, row: Route, caller: str) -> None:
    expected = row.expect[caller]
    before = await world.digest() if refused(expected) else ""
    line = await world.last_line()
    answer = await world.ask(row, caller)
    try:
        assert answer.status_code == expected, answer.text[:500]
        lines = await world.lines(line)
        if refused(expected) and row.path not in {"/login", "/"}:
            assert await world.digest() == before, "a refusal changed something"
            check_refusal(world, row, caller, [(one["action"], one["outcome"], one["actor"]) for one in lines])
        if row.is_api and row.changes and expected < 300:
            done = [one for one in lines if one["outcome"] == "ok"]
            assert [one["actor"] for one in done] == [world.actors[caller]], "a change is in the audit log, once"
            assert done[0]["address"]
    finally:
        if expected < 300 and row.changes:
            await world.restore()


def check_refusal(world: World, row: Route, caller: str, lines: list[tuple[str, str, str]]) -> None:
    """The audit log tells of refused changes, of ids of others, and of dead tokens: in one line, and no line else."""
    status = row.expect[caller]
    wanted = []
    if caller in DEAD:
        wanted = ["token.deny"]
    elif status == 403 and row.changes:
        wanted = ["access.refused"]
    elif status == 404 and caller == "foreign" and row.is_api and row.names_others:
        wanted = ["access.foreign"]
    elif status == 404 and row.body == "frame" and caller == "other-rig":
        wanted = ["frame.reject"]
    assert [line for line in lines if line[0] != "access.foreign" or caller == "foreign"] == [
        (action, "refused", world.actors[caller]) for action in wanted
    ]


def test_the_matrix_holds_every_route_and_no_other(world: World) -> None:
    served = {
        (method, route.path_format)
        for route in world.app.routes
        for handler in getattr(route, "route_handlers", ())
        if isinstance(handler, HTTPRouteHandler)
        for method in handler.http_methods - {"OPTIONS"}
    }
    assert {(row.method, row.served_path) for row in ROWS} == served
    paths = openapi()["paths"]
    described = {(method.upper(), path) for path, item in paths.items() for method in item}  # type: ignore[attr-defined]
    assert described <= served


def test_every_row_tells_a_status_of_every_caller() -> None:
    assert len({row.name for row in ROWS}) == len(ROWS)
    assert {len(row.expect) for row in ROWS} == {len(CALLERS)}


async def test_a_stranger_reads_the_log_in_page_and_liveness_and_nothing_else(world: World) -> None:
    answered = set()
    for row in ROWS:
        for method in (row.method, "OPTIONS", "TRACE"):
            answer = await world.client.request(method, row.filled(row.path, {**world.ids, "file_path": row.file}))
            if answer.status_code < 300:
                answered.add((method, row.path))
    assert answered == {
        ("GET", "/health/live"), ("GET", "/login"),
        ("GET", "/static/{file_path}"), ("HEAD", "/static/{file_path}"),
        ("GET", "/static/vendor/{file_path}"), ("HEAD", "/static/vendor/{file_path}"),
    }  # fmt: skip


@pytest.mark.parametrize("row", [pytest.param(row, id=row.name) for row in ROWS if row.is_api and row.path_has_ids])
async def test_an_id_of_others_is_answered_like_a_random_one(world: World, row: Route) -> None:
    if row.expect["foreign"] != 404:
        return
    answers = []
    for ids in ({}, world.random_ids()):
        answer = await world.ask(row, "foreign", ids=ids)
        body = answer.text
        for name, value in {**world.ids, **ids}.items():
            body = body.replace(value, name) if name.endswith("_id") and len(value) > 8 else body
        told = json.loads(body) if body else {}
        told.pop("trace_id", None)
        kept = {name: value for name, value in answer.headers.items() if name not in VARYING}
        answers.append((answer.status_code, told, kept))
    assert answers[0] == answers[1]


VARYING = frozenset({"x-request-id", "ratelimit-remaining", "ratelimit-reset", "content-length"})
"""What no two answers share; the length follows from the body, which is compared."""


@pytest.mark.parametrize("row", [pytest.param(row, id=row.name) for row in ROWS if row.json is not None])
async def test_fields_that_could_assign_are_refused(world: World, row: Route) -> None:
    sent = row.json_of(world.ids)
    before = await world.digest()
    for name, value in ASSIGNING.items():
        if name in sent or name in legitimate(row):
            continue
        answer = await world.ask(row, "server", json={**sent, name: value})
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid-request"), (name, answer.text)
    assert await world.digest() == before


ASSIGNING: dict[str, object] = {
    "is_admin": True, "server_admin": True, "can_admin": True, "role": "server-admin", "scopes": ["admin"],
    "observatory_id": "00000000-0000-0000-0000-000000000001", "id": "00000000-0000-0000-0000-000000000001",
    "user_id": "00000000-0000-0000-0000-000000000001", "account_id": "00000000-0000-0000-0000-000000000001",
    "created_by": "user:x", "owner": "user:x", "actor": "user:x", "password_hash": "x", "password": "x",
    "disabled_at": None, "expires_at": "2100-01-01T00:00:00Z", "revoked_at": None, "state": "completed",
    "graded_by": "user:x", "secret_sha256": "x", "parent": "x", "created_at": "2020-01-01T00:00:00Z",
}  # fmt: skip


def legitimate(row: Route) -> set[str]:
    """Fields of a body that are there to be set, because the route is for those who may."""
    return {
        "/api/v1/tokens": {"role", "scopes", "observatory_id"}, "/api/v1/users": {"server_admin"},
        "/api/v1/observatories/{observatory_id}/members": {"can_admin"},
    }.get(row.path, set())  # fmt: skip


@pytest.mark.parametrize("row", [pytest.param(row, id=row.name) for row in ROWS if row.is_api and row.changes])
async def test_a_change_from_a_browser_needs_the_csrf_token(world: World, row: Route) -> None:
    before = await world.digest()
    for wrong in ({"X-CSRF-Token": ""}, {"X-CSRF-Token": "csrf of anna"}, {"X-CSRF-Token": "\xff".encode("latin-1")}):
        answer = await world.ask(row, "server", headers=wrong)
        assert (answer.status_code, answer.json()["code"]) == (403, "csrf")
    assert await world.digest() == before


async def test_answers_have_exactly_the_keys_each_caller_may_see(world: World) -> None:
    found: dict[str, dict[str, list[str]]] = {}
    for row in ROWS:
        for caller in CALLERS:
            if not row.is_api or row.expect[caller] >= 300 or row.stream or row.path.endswith("openapi.json"):
                continue
            answer = await world.ask(row, caller)
            if row.changes:
                await world.restore()
            if answer.text and answer.headers.get("content-type", "").startswith("application/json"):
                found.setdefault(row.name, {})[caller] = keys_of(answer.text)
    golden = json.loads(GOLDEN.read_text(encoding="utf-8"))
    if shortened(found) != golden:
        written = GOLDEN.with_suffix(".found.json")
        written.write_text(json.dumps(shortened(found), indent=1) + "\n", encoding="utf-8")
        raise AssertionError(f"keys differ from {GOLDEN.name}; what was found is in {written.name}")


def shortened(found: dict[str, dict[str, list[str]]]) -> dict[str, dict[str, str]]:
    """Write callers who see the same together, and keys as one line."""
    short: dict[str, dict[str, str]] = {}
    for name, callers in found.items():
        groups: dict[str, list[str]] = {}
        for caller, keys in callers.items():
            groups.setdefault(" ".join(keys), []).append(caller)
        short[name] = {" ".join(group): keys for keys, group in groups.items()}
    return short


LIKE = {"member": Role.MEMBER, "admin": Role.OBSERVATORY_ADMIN, "server": Role.SERVER_ADMIN}


@pytest.mark.parametrize("caller", LIKE)
async def test_a_token_of_a_role_reads_what_a_person_of_that_role_reads(world: World, caller: str) -> None:
    with tenancy.seeing_everything():
        async with world.runtime.pool.acquire() as db:
            await world.token(db, f"token of {caller}", LIKE[caller], UUID(world.ids["observatory_id"]))
    for row in ROWS:
        if not row.changes and row.is_api and not row.stream and not row.case:
            answer = await world.ask(row, f"token of {caller}")
            assert answer.status_code == row.expect[caller], row.name
    await world.restore()


def test_the_operator_guide_shows_this_matrix() -> None:
    guide = (Path(__file__).parents[4] / "docs" / "operators.md").read_text(encoding="utf-8")
    written = guide.partition(TABLE_BEGINS)[2].partition(TABLE_ENDS)[0]
    assert written.strip() == as_table(ROWS).strip(), "python -m tests.support.matrix writes the table"


async def test_nothing_of_other_observatories_is_listed_or_told(world: World) -> None:
    """No list, page, event or number that the foreign administrator may read names anything of home."""
    home = {value for name, value in world.ids.items() if name.endswith("_id") and len(value) > 8}
    home |= {world.actors[one] for one in ("plugin", "member", "admin", "eve")} | {"ben", "anna", "RC8", "main.home"}
    for row in ROWS:
        if row.changes or row.path_has_ids or row.expect["foreign"] != 200 or row.path.startswith("/static"):
            continue
        answer = await world.ask(row, "foreign")
        told = [one for one in home if one in answer.text]
        assert not told, (row.name, told)
