"""The JSON API of frames: lists, grades, deletion, downloads."""

from uuid import uuid4

import pytest

from pictor.contracts.access import Role
from pictor.contracts.quality import Quality
from pictor.contracts.solutions import Solution
from pictor.state import quality, solutions
from tests.services.gateway.conftest import Api, sha, tiny_frame, uploaded

V1 = "/api/v1"


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
        "type=light", "filter=Ha", "filter=H-alpha", "target=31_x", "night=2026-11-20",
        "exptime_min=200&exptime_max=400", "pos=CIRCLE%2010.7%2041.3%200.1",
        "status=pending&type=light", "observatory=home&type=light",
    ]  # fmt: skip
    for query in hits:
        found = (await api.get(f"{V1}/frames?{query}")).json()
        assert [item["id"] for item in found["items"]] == [first["frame_id"]], query
    for query in ("type=dark", "filter=Ha%207nm", "target=31%25x", "exptime_min=301", "pos=CIRCLE%2011.7%2041.3%200.1",
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
