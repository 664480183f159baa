"""What the audit log tells of a change, and how its lines are found."""

import pytest

from tests.services.gateway.conftest import Api

V1 = "/api/v1"


async def _lines(api: Api, query: str) -> list[dict[str, object]]:
    answer = await api.get(f"{V1}/audit?{query}")
    assert answer.status_code == 200, answer.text
    lines: list[dict[str, object]] = answer.json()["items"]
    return lines


def _told(line: dict[str, object]) -> dict[str, object]:
    detail = line["detail"]
    assert isinstance(detail, dict)
    return {name: value for name, value in detail.items() if isinstance(value, dict)}


async def test_a_change_tells_what_each_changed_field_was_and_is(api: Api) -> None:
    place = f"{V1}/observatories/{api.home.id}"
    before = (await api.get(f"{V1}/observatories")).json()[0]
    site = {"name": "Hill 2", "latitude_deg": 50.5, "longitude_deg": None, "elevation_m": None}
    assert (await api.request("PUT", place, json=site)).status_code == 200
    (line,) = await _lines(api, f"action=observatory.change&object={api.home.id}")
    assert _told(line)["name"] == {"was": before["name"], "is": "Hill 2"}
    assert _told(line)["latitude_deg"] == {"was": before["latitude_deg"], "is": 50.5}
    switched = {"modules": {"preview": False}}
    answer = await api.request("PUT", f"{place}/processing-settings", json=switched)
    assert answer.status_code == 200
    (line,) = await _lines(api, "action=observatory.processing")
    assert _told(line) == {"modules_off": {"was": [], "is": ["preview"]}}


async def test_lines_are_found_by_kind_actor_outcome_and_time(api: Api) -> None:
    made = (await api.post(f"{V1}/tokens", json={"name": "rig"})).json()
    secret, token_id = made["token"], made["details"]["id"]
    assert (await api.get(f"{V1}/users", secret)).status_code == 403
    assert (await api.post(f"{V1}/users", secret, json={"name": "anna"})).status_code == 403
    kinds = [line["action"] for line in await _lines(api, "action=token")]
    assert "token.create" in kinds
    assert all(str(kind).startswith("token.") for kind in kinds)
    assert await _lines(api, "action=tok") == []
    refused = await _lines(api, f"actor=token:{token_id}&outcome=refused")
    assert refused
    assert await _lines(api, f"actor=token:{token_id}&outcome=ok") == []
    assert await _lines(api, "until=2020-01-01T00:00:00Z") == []
    assert len(await _lines(api, "since=2020-01-01T00:00:00Z")) >= 2


@pytest.mark.parametrize("name", ["since", "until"])
async def test_a_time_without_a_zone_is_refused_with_its_name(name: str, api: Api) -> None:
    answer = await api.get(f"{V1}/audit?{name}=2026-01-01T00:00:00")
    assert answer.status_code == 422
    assert name in answer.json()["detail"]
