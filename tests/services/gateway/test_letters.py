"""The desk of dead letters: what is asked for is listed, what is put back runs, what is discarded says why."""

import asyncio
import json
import os
import sys
from uuid import UUID

import pytest
from typer.testing import CliRunner

from pictor.cli.main import app
from pictor.contracts.jobs import JobFinished, JobState
from pictor.contracts.work import WorkOrder
from pictor.gateway.letters import DeadLetterView
from pictor.runtime.parking import letter, order_letter, park, park_alone
from tests.services.gateway.conftest import Api, served, tiny_frame

LETTERS = "/api/v1/dead-letters"


async def parked_ingest(api: Api, number: int) -> UUID:
    """Upload a frame whose ingest is parked; returns the job."""
    job = UUID((await api.upload(tiny_frame(number))).json()["job_id"])
    async with api.runtime.pool.acquire() as db:
        body = await db.fetchval("SELECT order_body FROM module_run WHERE job_id = $1 AND module = 'ingest'", job)
    order = WorkOrder.model_validate(body)
    dead = order_letter(
        order, subject="pictor.work.ingest.live", reason="exhausted", text="the disk was full",
        body=order.encode(), sequence=number,
    )  # fmt: skip
    await park(api.runtime.pool, order, dead)
    return job


async def parked_event(api: Api, body: bytes, reason: str = "poison") -> None:
    dead = letter(
        "calibration-stacker-ingested", subject="pictor.event.frame.ingested.home", reason=reason, text="not readable",
        body=body, sequence=7,
    )  # fmt: skip
    await park_alone(api.runtime.pool, dead)


async def listed(api: Api, query: str = "") -> list[dict[str, object]]:
    found: list[dict[str, object]] = (await api.get(f"{LETTERS}{query}")).json()["items"]
    return found


async def test_letters_are_found_by_module_reason_and_time(api: Api) -> None:
    await parked_ingest(api, 1)
    await parked_event(api, b"garbage")
    assert [one["reason"] for one in await listed(api)] == ["poison", "exhausted"]
    assert [one["module"] for one in await listed(api, "?module=ingest")] == ["ingest"]
    assert [one["reason"] for one in await listed(api, "?reason=poison")] == ["poison"]
    assert await listed(api, "?since=2100-01-01T00:00:00Z") == []
    assert len(await listed(api, "?since=2020-01-01T00:00:00Z")) == 2
    assert (await api.get(f"{LETTERS}?since=2020-01-01T00:00:00")).status_code == 422


async def test_a_letter_shows_what_it_holds_and_what_to_do(api: Api) -> None:
    job = await parked_ingest(api, 1)
    await parked_event(api, b"\x00garbage")
    event, order = (item["id"] for item in await listed(api))
    shown = (await api.get(f"{LETTERS}/{order}")).json()
    assert shown["body"]["job_id"] == str(job)
    assert shown["message"] == "the disk was full"
    assert "put it back" in shown["advice"]
    shown = (await api.get(f"{LETTERS}/{event}")).json()
    assert "garbage" in shown["body"]
    assert "discard it" in shown["advice"]
    assert (await api.get(f"{LETTERS}/999")).status_code == 404


async def test_all_letters_of_a_kind_are_put_back_and_those_that_cannot_be_are_named(api: Api) -> None:
    jobs = [await parked_ingest(api, 1), await parked_ingest(api, 2)]
    await parked_event(api, b"garbage")
    done = (await api.post(f"{LETTERS}/requeue?module=ingest")).json()
    assert (len(done["settled"]), done["refused"], done["left"]) == (2, [], 0)
    assert [(await api.get(f"/api/v1/jobs/{job}")).json()["state"] for job in jobs] == ["running", "running"]
    everything = (await api.post(f"{LETTERS}/requeue")).json()
    assert (everything["settled"], everything["left"]) == ([], 1)
    assert "can only be discarded" in everything["refused"][0]["detail"]


async def test_a_discarded_letter_ends_its_job_with_the_reason_and_stays_on_record(api: Api) -> None:
    job = await parked_ingest(api, 1)
    number = (await listed(api))[0]["id"]
    assert (await api.post(f"{LETTERS}/{number}/discard?because=the+camera+was+broken")).status_code == 200
    told = (await api.get(f"/api/v1/jobs/{job}")).json()
    assert told["state"] == "failed"
    assert "Discarded by" in told["reasons"][0]
    assert "the camera was broken" in told["reasons"][0]
    shown = (await api.get(f"{LETTERS}/{number}")).json()
    assert (shown["settled_as"], shown["settled_reason"]) == ("discarded", "the camera was broken")
    async with api.runtime.pool.acquire() as db:
        line = await db.fetchrow("SELECT * FROM audit WHERE action = 'dead-letter.discarded'")
    assert line["detail"]["reason"] == "the camera was broken"
    assert (await api.post(f"{LETTERS}/{number}/requeue")).status_code == 409
    assert [one["id"] for one in await listed(api, "?settled=true")] == [number]


async def test_discarding_all_needs_a_reason(api: Api) -> None:
    await parked_event(api, b"garbage")
    assert (await api.post(f"{LETTERS}/discard")).status_code == 400
    done = (await api.post(f"{LETTERS}/discard?because=rubbish&reason=poison")).json()
    assert (len(done["settled"]), done["left"]) == (1, 0)


async def test_an_event_that_was_parked_is_published_once_more(api: Api) -> None:
    fact = JobFinished(
        observatory="home", job_id=UUID(int=2), frame_id=None, state=JobState.COMPLETED, reasons=()
    )  # fmt: skip
    subject = "pictor.event.job.finished.home"
    await api.runtime.bus.js.publish(subject, fact.encode(), headers={"Nats-Msg-Id": fact.dedup_id})
    await park_alone(
        api.runtime.pool,
        letter("some-listener", subject=subject, reason="exhausted", text="no", body=fact.encode(), sequence=7),
    )
    number = (await listed(api))[0]["id"]
    assert (await api.post(f"{LETTERS}/{number}/requeue")).status_code == 200
    assert (await api.js.stream_info("PICTOR_EVENTS")).state.messages >= 2
    message = await api.js.get_last_msg("PICTOR_EVENTS", subject)
    assert JobFinished.decode(message.data or b"") == fact
    assert message.headers is not None
    assert ":again:" in message.headers["Nats-Msg-Id"]


@pytest.mark.parametrize("arguments", [[], ["--all", "7"]])
def test_the_command_wants_one_letter_or_all(arguments: list[str]) -> None:
    done = CliRunner().invoke(app, ["parked", "requeue", *arguments])
    assert done.exit_code == 2


async def test_the_commands_list_show_put_back_and_discard(api: Api) -> None:
    await parked_ingest(api, 1)
    await parked_ingest(api, 2)

    async with served(api) as port:

        async def pictor(*arguments: str) -> tuple[int, str]:
            environment = {
                **os.environ, "PICTOR_URL": f"http://127.0.0.1:{port}", "PICTOR_TOKEN": api.admin,
            }  # fmt: skip
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "pictor.cli", "parked", *arguments, env=environment,
                stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
            )  # fmt: skip
            output, _ = await process.communicate()
            return process.returncode or 0, output.decode()

        code, text = await pictor("list", "--json", "--module", "ingest")
        assert code == 0, text
        newest, oldest = (DeadLetterView.model_validate(item).id for item in json.loads(text)["items"])
        code, text = await pictor("show", str(oldest))
        assert (code, "what to do" in text, "the disk was full" in text) == (0, True, True)
        code, text = await pictor("requeue", str(oldest))
        assert (code, text.strip()) == (0, f"letter {oldest} requeued")
        code, text = await pictor("discard", "--all", "--because", "test", "--json")
        assert (code, json.loads(text)["settled"]) == (0, [newest])
        code, text = await pictor("list")
        assert (code, "0 of 0" in text) == (0, True)
