"""Files made from a frame, and the calibration library."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from uuid import UUID, uuid4

import numpy as np
from astropy.table import Table

from pictor.contracts.access import Role
from pictor.contracts.frames import FrameType, ProductKind
from pictor.contracts.masters import MasterState
from pictor.gateway.startable import read_table
from pictor.imaging.stars.starlist import StarList
from pictor.state import masters, products
from pictor.state.masters import Master
from pictor.state.products import Product
from tests.services.gateway.conftest import Api, sha, tiny_frame

V1 = "/api/v1"


async def keep(api: Api, frame_id: str, kind: ProductKind, body: bytes, content_type: str) -> Product:
    """Store a product as a module would."""

    async def chunks() -> AsyncIterator[bytes]:
        yield body

    key = f"products/{frame_id}/{kind}-{sha(body)[:20]}"
    await api.runtime.store.put_stream(key, chunks(), len(body), content_type, sha256=sha(body))
    made = Product(
        id=uuid4(), observatory_id=api.home.id, kind=kind, key=key, size=len(body), sha256=sha(body),
        content_type=content_type, software="test", frame_id=UUID(frame_id),
    )  # fmt: skip
    async with api.runtime.pool.acquire() as db:
        await products.save(db, made)
    return made


async def test_a_tile_is_read_from_where_it_lies_in_the_archive(api: Api) -> None:
    frame = (await api.upload(tiny_frame(1))).json()["frame_id"]
    path = f"{V1}/frames/{frame}/tiles"
    assert (await api.get(f"{path}/0/0_0")).status_code == 404
    index = {"width": 300, "height": 200, "tile_size": 256, "levels": 9, "tiles": {"8/0_0": [4, 5], "8/1_0": [9, 3]}}
    await keep(api, frame, ProductKind.TILES, b"PK..\xff\xd8one...", "application/zip")
    await keep(api, frame, ProductKind.TILE_INDEX, json.dumps(index).encode(), "application/json")
    tile = await api.get(f"{path}/8/0_0")
    assert (tile.status_code, tile.content, tile.headers["content-type"]) == (200, b"\xff\xd8one", "image/jpeg")
    assert (await api.get(f"{path}/8/1_0.jpg")).content == b"..."
    assert (await api.get(f"{path}/8/2_0")).status_code == 404
    assert (await api.get(f"{path}/8/0_0", headers={"If-None-Match": tile.headers["etag"]})).status_code == 304
    assert (await api.get(path)).json() == index


async def test_a_preview_is_sent_with_its_type_and_tag(api: Api) -> None:
    frame = (await api.upload(tiny_frame(1))).json()["frame_id"]
    await keep(api, frame, ProductKind.PREVIEW, b"\xff\xd8picture", "image/jpeg")
    answer = await api.get(f"{V1}/frames/{frame}/preview")
    assert (answer.content, answer.headers["content-type"]) == (b"\xff\xd8picture", "image/jpeg")
    detail = (await api.get(f"{V1}/frames/{frame}")).json()
    assert [one["url"] for one in detail["products"]] == [f"{V1}/frames/{frame}/preview"]
    assert "key" not in detail["products"][0]


async def test_a_processed_frame_is_its_new_header_followed_by_the_raw_data(api: Api) -> None:
    raw = tiny_frame(1)
    frame = (await api.upload(raw)).json()["frame_id"]
    path, seam = f"{V1}/frames/{frame}/fits?kind=processed", 5760
    head = b"SIMPLE  =                    T".ljust(seam)
    made = await keep(api, frame, ProductKind.PROCESSED, head, "application/fits")
    async with api.runtime.pool.acquire() as db:
        key = await db.fetchval("SELECT raw_key FROM frame WHERE id = $1", UUID(frame))
        of = {"kept_size": seam, "source_key": key, "source_offset": 2880, "source_size": len(raw) - 2880}
        await products.save(db, replace(made, size=seam + len(raw) - 2880, parameters=of))
    whole = head + raw[2880:]
    answer = await api.get(f"{path}&redirect=true")
    assert (answer.status_code, answer.content, int(answer.headers["content-length"])) == (200, whole, len(whole))
    for start, end in ((0, 99), (seam - 10, seam + 9), (seam, seam), (seam + 100, len(whole) - 1)):
        part = await api.get(path, headers={"Range": f"bytes={start}-{end}"})
        assert (part.status_code, part.content) == (206, whole[start : end + 1])
    await api.runtime.store.delete(key)
    assert (await api.get(path)).status_code == 404


def test_a_star_list_reads_the_same_without_numpy(tmp_path: Path, rng: np.random.Generator) -> None:
    count = 50
    columns = [rng.uniform(1, 100, count) for _ in range(11)]
    columns[3][7] = np.nan
    StarList(*columns, flags=np.arange(count, dtype=np.int32), shape=(100, 120)).to_fits(tmp_path / "stars.fits")
    ours = read_table((tmp_path / "stars.fits").read_bytes())
    theirs = Table.read(tmp_path / "stars.fits")
    assert ours["rows"] == count
    assert list(ours["columns"]) == theirs.colnames
    for name in theirs.colnames:
        expected = [None if not np.isfinite(value) else value for value in np.asarray(theirs[name]).tolist()]
        assert ours["columns"][name] == expected, name


async def test_a_star_list_is_given_as_table_or_json(api: Api, tmp_path: Path) -> None:
    frame = (await api.upload(tiny_frame(1))).json()["frame_id"]
    Table({"x": [1.5, 2.5], "flags": np.array([0, 4], dtype=np.int32)}).write(tmp_path / "t.fits")
    raw = (tmp_path / "t.fits").read_bytes()
    await keep(api, frame, ProductKind.STARS, raw, "application/fits")
    assert (await api.get(f"{V1}/frames/{frame}/catalog")).content == raw
    table = (await api.get(f"{V1}/frames/{frame}/catalog?format=json")).json()
    assert table["columns"] == {"x": [1.5, 2.5], "flags": [0, 4]}


async def test_the_library_shows_masters_and_unclaimed_frames(api: Api) -> None:
    ids = [UUID((await api.upload(tiny_frame(number, "BIAS"))).json()["frame_id"]) for number in range(3)]
    async with api.runtime.pool.acquire() as db:
        await db.execute("UPDATE frame SET frame_type = 'bias', state = 'registered', camera = 'ASI'")
        master = Master(
            id=uuid4(), observatory_id=api.home.id, rig_id=None, job_id=None, state=MasterState.ACTIVE,
            frame_type=FrameType.BIAS, group_key="g", camera_mode="m", facts={}, ncombine=2, policy={}, statistics={},
            reasons=(), taken_at=None, camera_name="ASI",
        )  # fmt: skip
        await masters.save(db, master, [(ids[0], "a" * 64), (ids[1], "b" * 64)])
    path = f"{V1}/calibration/library/{api.home.id}"
    everything = (await api.get(path)).json()
    assert (everything["total"], everything["page"], everything["limit"]) == (4, 1, 50)
    only = (await api.get(f"{path}?is_master=true&camera_name=ASI&status=active")).json()
    assert [item["id"] for item in only["items"]] == [str(master.id)]
    unclaimed = (await api.get(f"{path}?is_master=false&exclude_mastered=true")).json()
    assert [item["id"] for item in unclaimed["items"]] == [str(ids[2])]
    summary = (await api.get(f"{V1}/calibration/summary/{api.home.id}")).json()
    assert summary["masters"] == {"active": 1, "expired": 0}
    assert [(one["individual_frames"], one["unmastered_frames"]) for one in summary["configurations"]] == [(3, 1)]
    stranger = await api.token(Role.OBSERVATORY_ADMIN, await api.observatory("hill"))
    assert (await api.get(path, stranger)).status_code == 404
    assert (await api.get(path, await api.token(Role.PLUGIN))).status_code == 403
