"""Row-level security behind the routes: with the filters of every query taken away, a stranger still sees nothing."""

from dataclasses import replace

import pytest
from litestar.handlers import HTTPRouteHandler

from pictor.contracts.access import Role
from pictor.gateway.app import create_app
from pictor.state import tenancy
from pictor.state.database import Pool
from tests.services.gateway.conftest import Api, client_of, tiny_frame

SEEN_BY_ALL = ("/openapi.json", "/ping", "/events", "/metrics", "/limits")
"""Routes that tell nothing about frames."""


def reading(api: Api) -> list[str]:
    """Return the address of every route that reads and takes no id."""
    found = set()
    for route in api.app.routes:
        handlers = [one for one in getattr(route, "route_handlers", []) if isinstance(one, HTTPRouteHandler)]
        reads = any("GET" in one.http_methods for one in handlers) and "{" not in route.path
        if reads and route.path.startswith("/api/v1") and not route.path.endswith(SEEN_BY_ALL):
            found.add(route.path)
    return sorted(found)


async def test_a_request_that_says_no_tenant_reads_no_row_on_any_route(
    api: Api, gateway_pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server administrator's token whose sight is taken away: no filter narrows it, the net alone does."""
    frames = [(await api.upload(tiny_frame(number))).json() for number in range(3)]
    app = create_app(replace(api.runtime, pool=gateway_pool))
    monkeypatch.setattr(tenancy, "see", lambda _observatories: None)
    told = {}
    async with client_of(app) as client:
        for path in reading(api):
            answer = await client.get(path, headers=api.as_(api.admin))
            told[path] = answer.text
            for frame in frames:
                assert frame["frame_id"] not in answer.text, path
                assert frame["job_id"] not in answer.text, path
        for frame in frames:
            for tail in ("", "/fits", "/history", "/header", "/grade"):
                answer = await client.get(f"/api/v1/frames/{frame['frame_id']}{tail}", headers=api.as_(api.admin))
                assert answer.status_code == 404, (tail, answer.text)
            assert (await client.get(f"/api/v1/jobs/{frame['job_id']}", headers=api.as_(api.admin))).status_code == 404
    assert len(told) > 5


async def test_an_observatory_sees_its_own_rows_through_the_net(api: Api) -> None:
    there = await api.observatory("dale")
    mine, theirs = await api.token(Role.MEMBER), await api.token(Role.MEMBER, there)
    frame = (await api.upload(tiny_frame(9))).json()
    assert (await api.get(f"/api/v1/frames/{frame['frame_id']}", mine)).status_code == 200
    assert (await api.get(f"/api/v1/frames/{frame['frame_id']}", theirs)).status_code == 404
    assert (await api.get("/api/v1/frames", theirs)).json()["total"] == 0


async def test_requests_at_the_same_time_do_not_see_with_each_others_eyes(api: Api) -> None:
    assert tenancy.visible() == tenancy.EVERYTHING
    await api.get("/api/v1/frames", await api.token(Role.MEMBER))
    assert tenancy.visible() == tenancy.EVERYTHING, "a request left its sight behind"


@pytest.mark.parametrize("path", ["/api/v1/frames", "/api/v1/jobs"])
async def test_a_refused_request_never_opens_its_sight(api: Api, path: str) -> None:
    assert (await api.client.get(path)).status_code == 401
    assert tenancy.visible() == tenancy.EVERYTHING
