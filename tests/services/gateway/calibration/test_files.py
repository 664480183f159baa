"""One entry of the library: its facts, its files, what it is made of, and the lights it was used for."""

from uuid import UUID, uuid4

import pytest

from pictor.contracts.access import Role
from pictor.contracts.frames import ProductKind
from pictor.state import masters, products
from pictor.state.products import Product
from tests.services.gateway.conftest import Api
from tests.support.calibrated import add_frame, add_master

V1 = "/api/v1/calibration/frames"


async def made(api: Api, count: int = 3) -> tuple[UUID, list[UUID]]:
    """Make an active master dark of some frames; all with their objects."""
    store = api.runtime.store
    async with api.runtime.pool.acquire() as db:
        sources = [await add_frame(db, api.home.id, number=n, days=9 - n, store=store) for n in range(count)]
        return await add_master(db, api.home.id, "dark", sources, store=store), sources


async def test_a_master_is_told_with_gate_policy_and_files(api: Api) -> None:
    master, _ = await made(api)
    told = (await api.get(f"{V1}/{master}")).json()
    assert (told["is_master"], told["status"], told["individual"]) == (True, "active", None)
    part = told["master"]
    assert part["checks"] == {"split_half": 1.0}
    assert (part["policy"]["min_frames"], part["policy"]["stacking_method"]) == (10, "sigma_clip")
    assert (part["sources"], part["deleted_sources"], part["lights"]) == (3, 0, 0)
    assert [(one["kind"], one["url"]) for one in part["files"]] == [("master", f"{V1}/{master}/download")]
    assert part["facts"]["exposure_s"] == 60.0


async def test_an_individual_frame_is_told_with_admission_and_use(api: Api) -> None:
    master, sources = await made(api)
    async with api.runtime.pool.acquire() as db:
        bad = await add_frame(db, api.home.id, not_stacked=["12.0 % of pixels saturated"])
    told = (await api.get(f"{V1}/{sources[0]}")).json()
    assert (told["is_master"], told["master"], told["mastered_by"]) == (False, None, str(master))
    assert [one["id"] for one in told["individual"]["used_in"]] == [str(master)]
    assert told["individual"]["used_at"] is not None
    told = (await api.get(f"{V1}/{bad}")).json()
    assert (told["not_stacked"], told["mastered_by"]) == (["12.0 % of pixels saturated"], None)
    assert told["individual"]["used_in"] == []


async def test_a_dark_of_a_flats_exposure_is_a_flat_dark_as_well(api: Api) -> None:
    async with api.runtime.pool.acquire() as db:
        short = await add_frame(db, api.home.id, "dark", exposure_s=2.0)
        long = await add_frame(db, api.home.id, "dark", exposure_s=60.0)
        await add_frame(db, api.home.id, "flat", exposure_s=2.0, filter="L")
    assert (await api.get(f"{V1}/{short}")).json()["individual"]["roles"] == ["dark", "flat-dark"]
    assert (await api.get(f"{V1}/{long}")).json()["individual"]["roles"] == ["dark"]
    async with api.runtime.pool.acquire() as db:
        await add_frame(db, api.home.id, "light", exposure_s=2.0, filter="L", days=3)
    assert (await api.get(f"{V1}/{short}")).json()["individual"]["roles"] == ["dark"]


async def test_downloads_have_ranges_and_the_digest_as_tag(api: Api) -> None:
    master, sources = await made(api)
    for entry, body in ((master, f"master {master}".encode()), (sources[0], f"frame {sources[0]}".encode())):
        whole = await api.get(f"{V1}/{entry}/download")
        assert (whole.status_code, whole.content, whole.headers["Accept-Ranges"]) == (200, body, "bytes")
        part = await api.get(f"{V1}/{entry}/download", headers={"Range": "bytes=2-5"})
        assert (part.status_code, part.content) == (206, body[2:6])
        assert part.headers["Content-Range"] == f"bytes 2-5/{len(body)}"
        same = await api.get(f"{V1}/{entry}/download", headers={"If-None-Match": whole.headers["ETag"]})
        assert same.status_code == 304
        assert (await api.get(f"{V1}/{entry}/download", headers={"Range": "bytes=999-"})).status_code == 416
        direct = await api.get(f"{V1}/{entry}/download?redirect=true")
        assert direct.status_code in {200, 307}
        assert "attachment" in whole.headers["Content-Disposition"]
    assert 'filename="dark_000.fits"' in (await api.get(f"{V1}/{sources[0]}/download")).headers["Content-Disposition"]


async def test_other_files_of_a_master_are_asked_for_by_kind(api: Api) -> None:
    master, sources = await made(api)
    missing = await api.get(f"{V1}/{master}/download?kind=bad-pixels")
    assert (missing.status_code, missing.json()["detail"]) == (404, "The master has no file bad-pixels.")
    assert (await api.get(f"{V1}/{sources[0]}/download?kind=master")).status_code == 404
    assert (await api.get(f"{V1}/{master}/download?kind=secret")).status_code == 400


async def test_deleted_sources_stay_named(api: Api) -> None:
    master, sources = await made(api)
    before = (await api.get(f"{V1}/{master}/components")).json()
    assert (before["total"], before["deleted"], before["message"], before["ncombine"]) == (3, 0, None, 3)
    assert [one["name"] for one in before["items"]] == [f"dark_00{n}.fits" for n in range(3)]
    for source in sources[:2]:
        assert (await api.request("DELETE", f"{V1}/{source}")).status_code == 204
    after = (await api.get(f"{V1}/{master}/components")).json()
    assert (after["total"], after["deleted"]) == (3, 2)
    assert after["message"].startswith("2 of 3 source frames were deleted since. The master is not affected")
    kept = ("frame_id", "name", "sha256", "taken_at")
    assert [[one[name] for name in kept] for one in after["items"]] == [
        [one[name] for name in kept] for one in before["items"]
    ]
    assert [(one["deleted"], one["url"] is None) for one in after["items"]] == [
        (True, True), (True, True), (False, False),
    ]  # fmt: skip
    assert (await api.get(f"{V1}/{master}")).json()["master"]["deleted_sources"] == 2
    assert (await api.get(f"{V1}/{sources[2]}/components")).status_code == 404


async def test_an_uploaded_master_says_why_it_has_no_sources(api: Api) -> None:
    async with api.runtime.pool.acquire() as db:
        master = await add_master(db, api.home.id)
        await db.execute("UPDATE master SET origin = 'upload' WHERE id = $1", master)
    told = (await api.get(f"{V1}/{master}/components")).json()
    assert told["total"] == 0
    assert told["message"].startswith("This master was uploaded ready-made")


async def test_lights_that_used_a_master_are_listed_once(api: Api) -> None:
    master, _ = await made(api)
    async with api.runtime.pool.acquire() as db:
        lights = [await add_frame(db, api.home.id, "light", number=n, days=5 - n) for n in range(3)]
        for light in lights[:2]:
            await masters.save_use(db, light, uuid4(), {"dark": master}, weak=light == lights[0], explanation={})
        for light in lights[1:]:
            cached = Product(uuid4(), api.home.id, ProductKind.CALIBRATED, f"products/{api.home.id}/{light}/c", 5,
                             "0" * 64, "application/fits", "test", frame_id=light,
                             parameters={"master_ids": [str(master)]})  # fmt: skip
            await products.save(db, cached)
    told = (await api.get(f"{V1}/{master}/lights?limit=2")).json()
    assert (told["total"], told["next"]) == (3, f"{V1}/{master}/lights?limit=2&page=2")
    rows = told["items"] + (await api.get(told["next"])).json()["items"]
    assert [(one["frame_id"], one["measured"], one["calibrated"], one["weak"]) for one in rows] == [
        (str(lights[2]), False, True, False), (str(lights[1]), True, True, False), (str(lights[0]), True, False, True),
    ]  # fmt: skip
    assert (await api.get(f"{V1}/{master}")).json()["master"]["lights"] == 3


@pytest.mark.parametrize("what", ["", "/download", "/components", "/lights", "/impact"])
async def test_entries_of_others_and_lights_do_not_exist_here(api: Api, what: str) -> None:
    master, sources = await made(api)
    async with api.runtime.pool.acquire() as db:
        light = await add_frame(db, api.home.id, "light")
    stranger = await api.token(Role.OBSERVATORY_ADMIN, await api.observatory("hill"))
    answers = [await api.get(f"{V1}/{one}{what}", stranger) for one in (master, sources[0], uuid4())]
    answers.append(await api.get(f"{V1}/{light}{what}"))
    assert {answer.status_code for answer in answers} == {404}
    assert {answer.json()["detail"] for answer in answers} == {
        "There is no such calibration frame, or it is not yours to see."
    }
