"""Each service may do nothing on the bus but its work, asked of a real server."""

import asyncio

import nats
import nats.errors
import pytest

from pictor.contracts.modules import MODULES_OF, Module, Service
from pictor.contracts.subjects import BUCKET_CONTROL, FRAME_MEASURED, FRAME_SOLVED, STREAM_EVENTS, STREAM_WORK
from pictor.runtime.bus import inbox
from pictor.runtime.embedded.config import Endpoints
from pictor.runtime.nats_config import bus_users
from tests.support.bus import connected

FOREIGN = (
    f"$JS.API.CONSUMER.MSG.NEXT.{STREAM_WORK}.preview-live",
    f"$JS.API.CONSUMER.INFO.{STREAM_WORK}.preview-live",
    f"$JS.ACK.{STREAM_WORK}.preview-live.1.1.1.1.0",
    "$JS.API.STREAM.CREATE.MINE",
    f"$JS.API.STREAM.UPDATE.{STREAM_WORK}",
    f"$JS.API.STREAM.DELETE.{STREAM_WORK}",
    f"$JS.API.STREAM.PURGE.{STREAM_WORK}",
    f"$JS.API.STREAM.MSG.DELETE.{STREAM_WORK}",
    f"$JS.API.STREAM.MSG.GET.{STREAM_WORK}",
    f"$JS.API.DIRECT.GET.{STREAM_WORK}",
    f"$JS.API.CONSUMER.CREATE.{STREAM_WORK}.mine",
    f"$JS.API.CONSUMER.DURABLE.CREATE.{STREAM_WORK}.mine",
    f"$JS.API.CONSUMER.DELETE.{STREAM_WORK}.quality-live",
    f"$JS.API.CONSUMER.CREATE.{STREAM_EVENTS}.mine",
    f"$JS.API.STREAM.DELETE.KV_{BUCKET_CONTROL}",
    f"$KV.{BUCKET_CONTROL}.cancel.1",
    f"$KV.{BUCKET_CONTROL}.paused.quality",
    "pictor.timer.due.sweep",
    "pictor.timer.schedule.sweep",
    "_INBOX_gateway.1",
    "$SYS.REQ.SERVER.PING",
    "elsewhere",
)
"""What a quality worker has no business with."""


@pytest.mark.parametrize("subject", FOREIGN)
def test_a_worker_holds_no_right_that_covers_foreign_business(subject: str) -> None:
    quality = next(user for user in bus_users() if user.name == "quality")
    assert not any(covers(allowed, subject) for allowed in quality.publish)


def covers(pattern: str, subject: str) -> bool:
    wanted, given = pattern.split("."), subject.split(".")
    for index, token in enumerate(wanted):
        if token == ">":
            return len(given) > index
        if index >= len(given) or token not in {"*", given[index]}:
            return False
    return len(wanted) == len(given)


async def test_the_server_refuses_a_worker_everything_foreign(bus: Endpoints) -> None:
    async with connected(bus, "quality") as worker:
        passed = [subject for subject in FOREIGN if not await worker.is_refused(subject)]
    assert passed == []


@pytest.mark.parametrize("subject", [">", "pictor.>", "_INBOX.>", "_INBOX_gateway.>", "$JS.EVENT.>", "$SYS.>"])
async def test_a_worker_hears_nothing_but_answers_to_itself(bus: Endpoints, subject: str) -> None:
    async with connected(bus, "quality") as worker:
        await worker.client.subscribe(subject)
        await worker.client.flush()
        await asyncio.sleep(0.05)
        assert any("permissions violation" in text.lower() for text in worker.refused)


@pytest.mark.parametrize("login", [{}, {"user": "quality", "password": "guessed"}, {"user": "pictor", "password": ""}])
async def test_nobody_gets_in_without_a_password(bus: Endpoints, login: dict[str, str]) -> None:
    async def quiet(_error: Exception) -> None: ...

    with pytest.raises(nats.errors.Error):
        await nats.connect(bus.nats_url, allow_reconnect=False, error_cb=quiet, **login)


async def test_only_the_gateway_sets_control_flags(bus: Endpoints) -> None:
    key = f"$KV.{BUCKET_CONTROL}.paused.preview"
    allowed = []
    for service in Service:
        async with connected(bus, str(service)) as user:
            if not await user.is_refused(key, b"0"):
                allowed.append(service)
    assert allowed == [Service.GATEWAY]


@pytest.mark.parametrize("service", list(Service))
async def test_no_service_makes_or_deletes_streams(bus: Endpoints, service: Service) -> None:
    async with connected(bus, str(service)) as user:
        for subject in (f"$JS.API.STREAM.DELETE.{STREAM_WORK}", "$JS.API.STREAM.CREATE.MINE", "$JS.API.STREAM.NAMES"):
            assert await user.is_refused(subject)


BUS_SERVICES = [service for service in Service if service is not Service.GATEWAY]


def denials(service: Service) -> dict[str, str]:
    """The eleven things no service may do, each as one publication by the user of a worker."""
    own = MODULES_OF[service][0]
    other = Module.PREVIEW if own is not Module.PREVIEW else Module.QUALITY
    neighbour = "preview" if service is not Service.PREVIEW else "quality"
    return {
        "publish a foreign fact": f"{(FRAME_MEASURED if own is not Module.QUALITY else FRAME_SOLVED).name}.hill",
        "order the first module": "pictor.work.ingest.live" if own is not Module.INGEST else "pictor.work.stack.live",
        "pull a foreign durable": f"$JS.API.CONSUMER.MSG.NEXT.{STREAM_WORK}.{other}-live",
        "delete a stream": f"$JS.API.STREAM.DELETE.{STREAM_WORK}",
        "purge a stream": f"$JS.API.STREAM.PURGE.{STREAM_WORK}",
        "make a stream": "$JS.API.STREAM.CREATE.MINE",
        "make a consumer": f"$JS.API.CONSUMER.CREATE.{STREAM_WORK}.mine",
        "read by sequence": f"$JS.API.STREAM.MSG.GET.{STREAM_WORK}",
        "get directly": f"$JS.API.DIRECT.GET.{STREAM_WORK}",
        "list streams": "$JS.API.STREAM.NAMES",
        "acknowledge for another": f"$JS.ACK.{STREAM_WORK}.{other}-live.1.1.1.1.0",
        "answer into a foreign inbox": f"_INBOX_{neighbour}.1",
    }


@pytest.mark.parametrize("service", BUS_SERVICES)
async def test_the_server_refuses_each_worker_what_is_not_its_work(bus: Endpoints, service: Service) -> None:
    async with connected(bus, str(service)) as worker:
        allowed = [what for what, subject in denials(service).items() if not await worker.is_refused(subject)]
        assert allowed == []
        for subject in ("pictor.event.>", f"{inbox('gateway')}.>"):
            before = len(worker.refused)
            await worker.client.subscribe(subject)
            await worker.client.flush()
            await asyncio.sleep(0.05)
            assert any("permissions violation" in text.lower() for text in worker.refused[before:]), subject


async def test_even_the_gateway_erases_nothing_and_takes_no_order(bus: Endpoints) -> None:
    refused = (
        f"$JS.API.STREAM.DELETE.{STREAM_WORK}", f"$JS.API.STREAM.PURGE.{STREAM_WORK}",
        f"$JS.API.CONSUMER.DELETE.{STREAM_WORK}.quality-live", f"$JS.API.CONSUMER.MSG.NEXT.{STREAM_WORK}.quality-live",
        f"$JS.ACK.{STREAM_WORK}.quality-live.1.1.1.1.0", "$JS.API.STREAM.CREATE.MINE", "$SYS.REQ.SERVER.PING",
    )  # fmt: skip
    async with connected(bus, "gateway") as gateway:
        assert [subject for subject in refused if not await gateway.is_refused(subject)] == []


async def test_the_gateway_and_the_check_may_read_the_flags_they_set(bus: Endpoints) -> None:
    async with connected(bus, "gateway") as gateway:
        bucket = await gateway.client.jetstream(timeout=5).key_value(BUCKET_CONTROL)
        await bucket.put("paused.preview", b"1")
        assert (await bucket.get("paused.preview")).value == b"1"
        assert gateway.refused == []
