"""Each way an invariant can be broken, planted on real servers, is named by the check."""

import hashlib
import json
from dataclasses import replace
from uuid import uuid4

import asyncpg
import pytest

from pictor.cli.check import show
from pictor.cli.client import CommandError
from pictor.cli.journal import Journal
from pictor.contracts.modules import Module
from pictor.contracts.subjects import WORK
from tests.services.cli.conftest import House, age, fits_bytes, only, picture_bytes


async def test_nothing_is_found_where_nothing_is_wrong(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    frame_id, job_id = await house.processed()
    await house.product(frame_id, job_id, "preview", picture_bytes(), "image/jpeg")
    await house.product(frame_id, job_id, "tile-index", b'{"tiles": {}}', "application/json")
    await house.product(frame_id, job_id, "stars", fits_bytes(), "application/fits")
    await house.master()
    path = house.access.settings.data_dir / "journal"
    row = await house.db.fetchrow("SELECT sha256, size FROM frame WHERE id = $1", frame_id)
    with Journal(path) as journal:
        journal.add(sha256=row["sha256"], size=row["size"], frame_id=str(frame_id), status=201, server="http://here")
    report = await house.check(deep=True, journals=[path], expected_letters=0)
    show(report, json=False)
    show(report, json=True)
    assert report.exit == 0, capsys.readouterr().out
    assert all(finding.holds for finding in report.findings.values())
    assert report["I12"].checked == 4
    assert report.counts["references"] == report.counts["objects"] == 6


async def test_the_json_keeps_its_names(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    await house.put(f"products/{uuid4()}/x/preview-1", b"left")
    show(await house.check(), json=True)
    found = json.loads(capsys.readouterr().out)
    assert {"schema", "ok", "exit", "deep", "counts", "waiting", "parked", "notes", "invariants", "audit_end"} == set(
        found
    )
    assert [one["invariant"] for one in found["invariants"]] == [f"I{number}" for number in range(1, 13)]
    broken = next(one for one in found["invariants"] if one["holds"] is False)
    assert {"invariant", "statement", "holds", "checked", "unchecked", "skipped", "count", "violations"} == set(broken)
    assert {"kind", "sentence", "meaning", "remedy", "repairable", "subject"} == set(broken["violations"][0])
    assert (found["exit"], found["ok"]) == (1, False)


async def test_i1_a_frame_of_the_journal_that_is_not_registered(house: House) -> None:
    path = house.access.settings.data_dir / "journal"
    lost, kept = uuid4(), (await house.processed())[0]
    with Journal(path) as journal:
        journal.add(sha256="ab" * 32, size=9, frame_id=str(lost), status=201, server="http://here", name="lost.fits")
        journal.add(sha256="cd" * 32, size=9, frame_id=str(kept), status=201, server="http://here", name="other.fits")
    report = await house.check(journals=[path])
    assert {one.kind for one in report["I1"].violations} == {"accepted-frame-gone", "accepted-frame-differs"}
    assert "lost.fits" in report["I1"].violations[0].sentence
    assert report.exit == 1


async def test_i1_a_frame_a_person_deleted_is_not_missed(house: House) -> None:
    path = house.access.settings.data_dir / "journal"
    frame_id = str(uuid4())
    await house.db.execute("INSERT INTO audit (actor, action, object) VALUES ('anna', 'frame.delete', $1)", frame_id)
    with Journal(path) as journal:
        journal.add(sha256="ab" * 32, size=9, frame_id=frame_id, status=201, server="http://here")
    assert (await house.check(journals=[path])).exit == 0


async def test_i1_an_upload_of_the_audit_log_whose_row_vanished(house: House) -> None:
    detail = {"sha256": "ab" * 32}
    await house.db.execute(
        "INSERT INTO audit (actor, action, object, observatory_id, detail) VALUES ('p', 'frame.upload', 'f', $1, $2)",
        house.flow.observatory_id, detail,
    )  # fmt: skip
    assert "its frame is gone" in only(await house.check(), "I1", "accepted-upload-gone")


async def test_i1_a_journal_that_cannot_be_read_is_no_proof(house: House) -> None:
    report = await house.check(journals=[house.access.settings.data_dir / "nowhere"])
    assert report.exit == 2
    assert "cannot be read" in str(report["I1"].unchecked)


async def test_i2_a_frame_whose_bytes_are_gone_or_cut_or_changed(house: House) -> None:
    keys = []
    for _ in range(3):
        frame_id, _ = await house.processed()
        keys.append(await house.db.fetchval("SELECT raw_key FROM frame WHERE id = $1", frame_id))
    house.file_of(keys[0]).unlink()
    house.file_of(keys[1]).write_bytes(b"cut")
    content = house.file_of(keys[2]).read_bytes()
    house.file_of(keys[2]).write_bytes(bytes([content[0] ^ 1]) + content[1:])
    shallow = await house.check()
    assert {one.kind for one in shallow["I2"].violations} == {"frame-missing", "frame-truncated"}
    deep = await house.check(deep=True)
    found = {one.kind: one for one in deep["I2"].violations}
    assert found["frame-damaged"].subject["key"] == keys[2]
    assert "pictor upload" in found["frame-damaged"].remedy


async def test_i3_an_object_nothing_refers_to_once_it_is_old_enough(house: House) -> None:
    key = f"products/{house.flow.observatory_id}/{uuid4()}/preview-1"
    await house.put(key, b"left")
    assert (await house.check(grace_s=3600)).exit == 0
    assert key in only(await house.check(), "I3", "orphan-object")


UNKNOWN_RUN = "INSERT INTO frame_quality (frame_id, job_id, star_count, method) VALUES ($1, gen_random_uuid(), 1, 'm')"
AFTER_CANCEL = """
    WITH r AS (
        INSERT INTO module_run (job_id, module, position, state, finished_at)
        SELECT id, 'quality', 9, 'cancelled', now() - interval '1 min' FROM job WHERE frame_id = $1 RETURNING job_id
    ) INSERT INTO frame_quality (frame_id, job_id, star_count, method) SELECT $1, job_id, 1, 'm' FROM r
"""
NO_RESULT = """
    INSERT INTO module_run (job_id, module, position, state, finished_at)
    SELECT id, 'quality', 9, 'completed', now() FROM job WHERE frame_id = $1
"""


@pytest.mark.parametrize(
    ("kind", "plant"),
    [("result-of-unknown-run", UNKNOWN_RUN), ("result-after-cancel", AFTER_CANCEL), ("result-missing", NO_RESULT)],
)
async def test_i4_a_result_that_is_not_the_one_of_its_run(house: House, kind: str, plant: str) -> None:
    frame_id, _ = await house.processed()
    await house.db.execute(plant, frame_id)
    assert str(frame_id) in only(await house.check(), "I4", kind)


async def test_i4_a_late_worker_that_wrote_over_a_newer_result(house: House) -> None:
    frame_id, old = await house.processed()
    new = uuid4()
    await house.db.execute(
        "INSERT INTO job (id, observatory_id, frame_id, kind, lane, state) VALUES ($1, $2, $3, 'reprocess', 'high', "
        "'completed')", new, house.flow.observatory_id, frame_id,
    )  # fmt: skip
    for job_id, minutes in ((old, 2), (new, 1)):
        await house.db.execute(
            "INSERT INTO module_run (job_id, module, position, state, finished_at) "
            "VALUES ($1, 'quality', 9, 'completed', now() - make_interval(mins => $2))", job_id, minutes,
        )  # fmt: skip
    await house.db.execute(
        "INSERT INTO frame_quality (frame_id, job_id, star_count, method) VALUES ($1, $2, 1, 'm')", frame_id, old
    )
    assert "ended later" in only(await house.check(), "I4", "result-overwritten")


async def test_i4_two_products_of_one_kind(house: House) -> None:
    frame_id, job_id = await house.processed()
    await house.db.execute("DROP INDEX product_of_frame")
    for content in (b"one", b"two"):
        await house.product(frame_id, job_id, "corners", content, "binary/octet-stream")
    assert "2 products corners" in only(await house.check(), "I4", "result-doubled")


async def test_i7_masters_without_sources_or_hashes_and_groups_with_two_or_none(house: House) -> None:
    await house.db.execute("DROP INDEX master_one_active")
    await house.master(group="two")
    await house.master(group="two")
    bare = await house.master(group="bare", sources=False)
    old = await house.master(group="none", state="superseded")
    other = await house.master(group="hash")
    await house.db.execute("UPDATE master_component SET sha256 = 'unknown' WHERE master_id = $1", other)
    empty = await house.master(group="empty")
    await house.db.execute("DELETE FROM product WHERE master_id = $1", empty)
    found = {one.kind: one.subject.get("master") for one in (await house.check())["I7"].violations}
    assert found["several-active-masters"]
    assert found["master-without-sources"] == str(bare)
    assert found["no-active-master"] == found["superseded-by-nothing"] == str(old)
    assert found["source-without-hash"] == str(other)
    assert found["master-without-file"] == str(empty)
    assert len(found) == 6


async def test_i7_masters_that_replaced_each_other(house: House) -> None:
    one, two, three = [await house.master(group=f"g{n}") for n in range(3)]
    for old, new in ((one, two), (two, three), (three, one)):
        await house.db.execute("UPDATE master SET superseded_by = $2 WHERE id = $1", old, new)
    found = [violation.subject["master"] for violation in (await house.check())["I7"].violations]
    assert sorted(found) == sorted(map(str, (one, two, three)))


async def test_i8_children_of_another_observatory(house: House) -> None:
    stranger, rig = uuid4(), uuid4()
    await house.db.execute("INSERT INTO observatory (id, slug, name) VALUES ($1, 'dale', 'Dale')", stranger)
    await house.db.execute("INSERT INTO rig (id, observatory_id, name) VALUES ($1, $2, 'r')", rig, stranger)
    frame_id, job_id = await house.processed()
    master = await house.master()
    await house.product(frame_id, job_id, "preview", picture_bytes(), "image/jpeg")
    await house.db.execute("UPDATE job SET observatory_id = $1 WHERE id = $2", stranger, job_id)
    await house.db.execute("UPDATE product SET observatory_id = $1 WHERE frame_id = $2", stranger, frame_id)
    await house.db.execute("UPDATE frame SET rig_id = $1 WHERE id = $2", rig, frame_id)
    await house.db.execute("UPDATE master SET observatory_id = $1, job_id = NULL WHERE id = $2", stranger, master)
    await house.db.execute(
        "INSERT INTO stack_request (job_id, observatory_id, group_key, frame_type, frame_ids, facts, policy, open) "
        "VALUES ($1, $2, 'g', 'dark', '{}', '{}', '{}', false)", job_id, house.flow.observatory_id,
    )  # fmt: skip
    assert {one.kind for one in (await house.check())["I8"].violations} == {
        "job-of-other-observatory", "product-of-other-observatory", "key-outside-of-observatory",
        "rig-of-other-observatory", "master-of-other-observatory", "stack-of-other-observatory",
    }  # fmt: skip


async def test_i9_letters_nobody_expected_or_can_explain(house: House) -> None:
    await house.db.execute("INSERT INTO parked (module, subject, reason, message) VALUES ('preview', 's', 'oom', '')")
    assert "dead letter 1" in only(await house.check(), "I9", "letter-without-reason")
    report = await house.check(expected_letters=0)
    assert {one.kind for one in report["I9"].violations} == {"letter-without-reason", "parked-count"}
    assert report.parked == [("preview", "oom", 1)]


async def test_i9_a_message_that_is_no_order(quiet: House) -> None:
    await quiet.flow.runtime.bus.js.publish(WORK[Module.PREVIEW]["live"].name, b"garbage")
    assert "is not an order" in only(await quiet.check(), "I9", "unreadable-order")


async def test_i11_a_log_whose_guard_is_off_or_whose_lines_changed(house: House) -> None:
    await house.processed()
    await house.db.execute("ALTER TABLE audit DISABLE TRIGGER audit_append_only")
    assert "append-only" in only(await house.check(), "I11", "audit-can-be-changed")
    await house.db.execute("UPDATE audit SET actor = 'somebody else'")
    await house.db.execute("ALTER TABLE audit ENABLE TRIGGER audit_append_only")
    assert "is not what was written" in only(await house.check(), "I11", "audit-chain")


async def test_i12_products_that_do_not_open_or_whose_sums_do_not_hold(house: House) -> None:
    frame_id, job_id = await house.processed()
    wrong = bytearray(fits_bytes())
    wrong[2880] ^= 1
    await house.product(frame_id, job_id, "stars", bytes(wrong), "application/fits")
    await house.product(frame_id, job_id, "processed", fits_bytes()[:3000], "application/fits")
    await house.product(frame_id, job_id, "preview", picture_bytes()[:100], "image/jpeg")
    await house.product(frame_id, job_id, "tile-index", b"{", "application/json")
    assert (await house.check()).exit == 0
    report = await house.check(deep=True)
    told = {one.sentence.split(" of frame")[0]: one.sentence for one in report["I12"].violations}
    assert "CHECKSUM" in told["stars"]
    assert "ends inside the data" in told["processed"]
    assert "picture does not open" in told["preview"]
    assert "JSON" in told["tile-index"]


async def test_a_composed_product_is_compared_with_what_it_was_made_of(house: House) -> None:
    frame_id, job_id = await house.processed()
    whole = fits_bytes()
    source = await house.product(frame_id, job_id, "stored", whole, "application/fits")
    key = await house.product(frame_id, job_id, "processed", whole, "application/fits")
    made = {"head_sha256": hashlib.sha256(whole[:2880]).hexdigest(), "head_size": 2880, "source_key": source,
            "source_offset": 2880}  # fmt: skip
    await house.db.execute("UPDATE product SET sha256 = 'composed:x', parameters = $1 WHERE key = $2", made, key)
    assert (await house.check(deep=True)).exit == 0
    content = bytearray(house.file_of(key).read_bytes())
    content[2881] ^= 1
    house.file_of(key).write_bytes(bytes(content))
    assert key in only(await house.check(deep=True), "I2", "product-damaged")


async def test_a_product_that_goes_on_in_the_raw_object_is_opened_with_it(house: House) -> None:
    frame_id, job_id = await house.processed()
    whole = fits_bytes()
    source = await house.product(frame_id, job_id, "stored", whole, "application/fits")
    key = await house.product(frame_id, job_id, "processed", whole[:2880], "application/fits")
    made = {"head_sha256": hashlib.sha256(whole[:2880]).hexdigest(), "head_size": 2880, "kept_size": 2880,
            "source_key": source, "source_offset": 2880, "source_size": len(whole) - 2880}  # fmt: skip
    await house.db.execute(
        "UPDATE product SET size = $3, sha256 = 'composed:' || sha256, parameters = $1 WHERE key = $2",
        made, key, len(whole),
    )  # fmt: skip
    assert (await house.check(deep=True)).exit == 0
    content = house.file_of(key).read_bytes()
    house.file_of(key).write_bytes(content[:2800] + bytes(80))
    assert key in only(await house.check(deep=True), "I2", "product-damaged")
    house.file_of(key).write_bytes(content[:2879])
    assert key in only(await house.check(), "I2", "product-truncated")


async def test_a_check_that_may_not_see_every_row_says_so(house: House) -> None:
    async def blind(connection: asyncpg.Connection) -> None:
        await connection.execute("SET app.observatories = ''")

    async with asyncpg.create_pool(
        house.access.settings.postgres_dsn.get_secret_value(), min_size=1, init=blind
    ) as pool:
        blinded = replace(house, access=replace(house.access, pool=pool))
        with pytest.raises(CommandError, match="does not see all rows"):
            await blinded.check()


async def test_i10_the_scratch_folder_of_a_dead_run_and_an_old_folder_of_nobody(house: House) -> None:
    scratch = house.access.settings.scratch
    for name, seconds in ((f"{uuid4()}-preview-1", 400), ("foreign", 4000), (f"{uuid4()}-quality-1", 100)):
        (scratch / name).mkdir(parents=True)
        age(scratch / name, seconds)
    report = await house.check(grace_s=3600)
    assert report["I10"].count == 2
    assert report.kinds() == {"scratch-left"}
