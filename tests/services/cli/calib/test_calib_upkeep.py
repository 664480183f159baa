"""Stacking jobs and upkeep on the terminal."""

from uuid import UUID

from pictor.contracts.access import DEFAULT_SCOPES, Role
from pictor.gateway import credentials
from pictor.state import tokens
from tests.support.calibration_house import House


async def test_stacking_jobs_are_listed_and_only_failed_ones_are_tried_again(house: House) -> None:
    found = await house.json("jobs", "list", "--state", "completed")
    job = found["items"][-1]
    assert (job["frames"], job["master_state"]) == (10, "active")
    done = await house.pictor("jobs", "retry", job["id"])
    assert (done.exit_code, done.output) == (
        1,
        "pictor: Only a failed stack can be tried again; this one is completed.\n",
    )
    done = await house.pictor("jobs", "delete", job["id"])
    assert (done.exit_code, "Only a failed or cancelled stack can be deleted" in done.output) == (1, True)
    assert (await house.pictor("jobs", "list")).exit_code == 0


async def test_a_failed_stack_is_tried_again_and_waited_for(house: House) -> None:
    job_id = UUID((await house.json("jobs", "list", "--state", "completed"))["items"][-1]["id"])
    pool = house.pocket.runtime.pool
    await pool.execute("UPDATE module_run SET state = 'failed' WHERE job_id = $1", job_id)
    await pool.execute("UPDATE job SET state = 'failed', reasons = '{broken}' WHERE id = $1", job_id)
    failed = {one["id"]: one["reasons"] for one in (await house.json("jobs", "list", "--state", "failed"))["items"]}
    assert failed[str(job_id)] == ["broken"]
    told = await house.json("jobs", "retry", job_id, "--wait")
    assert told["job"]["state"] == "completed"


async def test_upkeep_says_what_it_would_do_and_does_it(house: House) -> None:
    active = (await house.json("masters", "--status", "active"))["total"]
    would = await house.json("expiry-check", "--dry-run")
    assert (would["dry_run"], would["expired"]) == (True, active), "the frames are of a night long ago"
    done = await house.pictor("expiry-check")
    assert f"{active} masters newly expired" in done.output
    assert (await house.json("masters", "--status", "expired"))["total"] == active
    would = await house.json("retention", "--dry-run")
    assert (would["frame_count"], would["master_count"]) == (0, 0), "used today"
    assert (await house.json("cache-clear"))["calibrated"] == 0
    done = await house.pictor("health")
    assert done.exit_code == 1
    assert "home: 1 group of flats waits for a matching master dark" in done.output


async def test_upkeep_is_for_administrators_of_the_server(house: House) -> None:
    async with house.pocket.runtime.pool.acquire() as db:
        text, credential = credentials.make()
        await tokens.create(
            db, credential.id, credential.secret_sha256, name="of the observatory", role=Role.OBSERVATORY_ADMIN,
            scopes=DEFAULT_SCOPES[Role.OBSERVATORY_ADMIN], observatory_id=house.pocket.observatory_id, rig_id=None,
            created_by=None, days=1,
        )  # fmt: skip
    assert (await house.pictor("jobs", "list", token=text)).exit_code == 0
    for work in ("expiry-check", "retention", "cache-clear", "health"):
        done = await house.pictor(work, token=text)
        assert done.exit_code == 1, work
        assert "Traceback" not in done.output
