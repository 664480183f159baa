"""Who may upload masters, how large, how often, and what their bytes can never become."""

import asyncio
from uuid import UUID

import numpy as np

from pictor.contracts.access import Role
from tests.services.gateway.conftest import Api
from tests.support.uploading import UPLOAD, dark, fits_of, send


async def test_the_same_master_sent_five_times_at_once_is_judged_once(api: Api) -> None:
    answers = await asyncio.gather(*(send(api, dark()) for _ in range(5)), return_exceptions=True)
    jobs = {one["job_id"] for one in answers if isinstance(one, dict)}
    assert len(jobs) == 1
    assert await api.runtime.pool.fetchval("SELECT count(*) FROM job WHERE kind = 'stack'") == 1
    assert await api.count("frame") == 1


async def test_bytes_uploaded_as_a_master_never_become_an_individual_frame(api: Api) -> None:
    pool = api.runtime.pool
    body = dark(IMAGETYP="DARK")
    first = (await api.upload(body, params={"observatory": "home"})).json()
    await pool.execute("UPDATE frame SET is_master = false WHERE id = $1", UUID(first["frame_id"]))
    told = await send(api, body, frame_type="dark")
    assert told["frame_id"] == first["frame_id"]
    await pool.execute("UPDATE frame SET is_master = false WHERE id = $1", UUID(first["frame_id"]))
    assert await pool.fetchval("SELECT is_master FROM frame WHERE id = $1", UUID(first["frame_id"]))


async def test_uploads_keep_their_limits(api: Api) -> None:
    wrong = "sha-256=:" + "A" * 43 + "=:"
    refused = await api.post(UPLOAD, content=dark(), headers={"Content-Digest": wrong})
    assert (refused.status_code, refused.json()["code"]) == (422, "digest-mismatch")
    large = fits_of(np.zeros((600, 600), np.float32), IMAGETYP="Master Dark", EXPTIME=1.0)
    assert (await api.post(UPLOAD, content=large)).json()["code"] == "too-large"
    assert (await api.post(UPLOAD, content=b"no frame at all" * 400)).json()["code"] == "not-a-frame"
    assert await api.count("master_upload") == 0
    assert await api.count("frame") == 0


async def test_what_is_stated_must_be_possible(api: Api) -> None:
    for name, value in (("exposure_s", -5), ("temp_c", -300), ("adu_per_unit", 0), ("ncombine", 0), ("binning_x", 0)):
        refused = await api.post(UPLOAD, content=dark(), params={name: value})
        assert (refused.status_code, name in refused.text) == (400, True), (name, refused.text)
    assert await api.count("master_upload") == 0


async def test_who_may_upload(api: Api) -> None:
    far = await api.observatory("far")
    member, foreign = await api.token(Role.MEMBER), await api.token(Role.OBSERVATORY_ADMIN, far)
    assert (await api.request("POST", UPLOAD, member, content=dark())).status_code == 403
    there = await api.request("POST", UPLOAD, foreign, content=dark(), params={"observatory": "home"})
    assert there.status_code == 404
    own = await api.request("POST", UPLOAD, await api.token(Role.OBSERVATORY_ADMIN), content=dark())
    assert own.status_code == 201
