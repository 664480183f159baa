"""Bad pixels a person lists for a rig: what is kept, what is refused and how it is told."""

from uuid import uuid4

import pytest

from tests.services.gateway.conftest import Api

LIST = "# seen in March\ncolumns: [17, [100, 102]]\nrows:\nrectangles:\n  - [1, 2, 3, 4]\npixels: [[5, 6]]\n"


async def rig_of(api: Api) -> str:
    rigs = (await api.get("/api/v1/rigs")).json()
    return next(str(one["id"]) for one in rigs if one["observatory_id"] == str(api.home.id))


async def test_a_list_is_kept_as_it_was_written_with_its_author(api: Api) -> None:
    path = f"/api/v1/rigs/{await rig_of(api)}/bad-pixels"
    assert (await api.get(path)).json()["version"] == 0
    assert (await api.request("PUT", path, json={"body": LIST})).status_code == 200
    told = (await api.get(path)).json()
    assert (told["body"], told["entries"], told["version"]) == (LIST, 4, 1)
    assert (await api.request("PUT", path, json={"body": "rows: [3]"})).json()["version"] == 2
    assert (await api.request("DELETE", path)).status_code == 204
    assert (await api.get(path)).json()["body"] == ""


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("columns:\n  - 0\n", "line 2: has 0; rows and columns are counted from 1"),
        ("columns: [3]\nhot: [1]\n", "line 2: names 'hot'; there are columns, rows, rectangles, pixels and binning"),
        ("rows: [1\n", "is not YAML"),
        ("rectangles:\n- [1, 2, 3]\n", "line 2: has [1, 2, 3] in rectangles; write [[first row, last row,"),
        ("pixels: !!python/object/apply:os.system ['true']\n", "line 1"),
        ("rows: [[9, 2]]", "line 1: ends before it begins: [9, 2]"),
    ],
)
async def test_a_wrong_list_is_refused_with_its_line_and_what_to_write(body: str, told: str, api: Api) -> None:
    answer = await api.request("PUT", f"/api/v1/rigs/{await rig_of(api)}/bad-pixels", json={"body": body})
    assert answer.status_code == 422, answer.text
    assert told in answer.json()["detail"]


async def test_pixels_outside_the_sensor_are_refused_once_frames_tell_its_size(api: Api) -> None:
    rig = await rig_of(api)
    await api.runtime.pool.execute(
        """
        INSERT INTO frame (id, observatory_id, rig_id, sha256, size, name, raw_key, state, frame_type, width, height,
            binning_x, binning_y) VALUES ($1, $2, $3, $4, 1, 'd', $4, 'registered', 'dark', 300, 200, 2, 2)
        """,
        uuid4(), api.home.id, rig, "ab" * 32,
    )  # fmt: skip
    path = f"/api/v1/rigs/{rig}/bad-pixels"
    answer = await api.request("PUT", path, json={"body": "rows: [400]\ncolumns: [601]"})
    assert "line 2: lies outside the frame of 600 columns and 400 rows" in answer.json()["detail"]
    assert (await api.request("PUT", path, json={"body": "rows: [400]\ncolumns: [600]"})).status_code == 200


async def test_a_check_tells_what_a_list_means_and_changes_nothing(api: Api) -> None:
    path = f"/api/v1/rigs/{await rig_of(api)}/bad-pixels"
    told = (await api.request("PUT", f"{path}?dry_run=true", json={"body": LIST})).json()
    assert (told["dry_run"], told["entries"], told["version"], told["rows"]) == (True, 4, 0, None)
    assert told["boxes"][1] == {"line": 2, "row1": 1, "row2": 0, "column1": 100, "column2": 102}
    assert (await api.get(path)).json()["body"] == ""
    assert await api.runtime.pool.fetchval("SELECT count(*) FROM audit WHERE action = 'rig.bad-pixels'") == 0


async def test_a_foreign_rig_is_not_there(api: Api) -> None:
    assert (await api.get(f"/api/v1/rigs/{uuid4()}/bad-pixels")).status_code == 404


async def test_the_audit_log_tells_who_listed_how_much(api: Api) -> None:
    await api.request("PUT", f"/api/v1/rigs/{await rig_of(api)}/bad-pixels", json={"body": LIST})
    lines = await api.runtime.pool.fetch("SELECT detail FROM audit WHERE action = 'rig.bad-pixels'")
    assert [line["detail"]["entries"] for line in lines] == [4]
