"""The rights of each service suffice for its work, on real servers."""

import asyncio
from collections.abc import AsyncIterator, Callable, MutableMapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from uuid import uuid4

import nats
import pytest
from faststream import FastStream
from faststream.nats import NatsBroker
from pydantic import SecretStr
from structlog.testing import capture_logs

from pictor.cli.services import BUS_SERVICES, create_app_of
from pictor.contracts.jobs import JobState
from pictor.contracts.modules import MODULES_OF, Lane, Module, Service
from pictor.contracts.subjects import STREAM_WORK
from pictor.contracts.work import WorkOrder
from pictor.gateway.events import Follower
from pictor.runtime import keepers
from pictor.runtime.bus import connection_options
from pictor.runtime.consuming import consume
from pictor.runtime.embedded.config import Endpoints
from pictor.runtime.health import readiness
from pictor.runtime.hosting import keeping, open_runtime, serving
from pictor.runtime.nats_config import SETUP_USER
from pictor.runtime.provision import provision
from pictor.runtime.relaying import relay_once
from pictor.runtime.runtime import Runtime
from pictor.runtime.settings import Settings
from pictor.runtime.step import open_step
from pictor.state import observatories
from tests.support.bus import as_user
from tests.support.flow import Flow


@asynccontextmanager
async def runtime_of(service: Service, bus: Endpoints, dsn: str, folder: Path) -> AsyncIterator[Runtime]:
    """What ``pictor run`` opens, with a folder as store and no pixel child."""
    settings = Settings(
        **as_user(bus, str(service)), postgres_dsn=SecretStr(dsn), store_dir=folder / "store",
        data_dir=folder / str(service), reconcile_seconds=1,
    )  # fmt: skip
    (folder / "store").mkdir(exist_ok=True)
    async with open_runtime(settings, service, pixels=(), slots=2) as runtime:
        yield runtime


async def unsettled(runtime: Runtime) -> int:
    """Count orders that are waiting or not yet acknowledged."""
    names = [f"{module}-{lane}" for module in Module for lane in Lane]
    infos = [await runtime.bus.js.consumer_info(STREAM_WORK, name) for name in names]
    return sum((info.num_pending or 0) + (info.num_ack_pending or 0) for info in infos)


def violations(logs: Sequence[MutableMapping[str, object]]) -> list[object]:
    return [entry["reason"] for entry in logs if "ermission" in str(entry.get("reason", ""))]


@pytest.mark.parametrize("service", BUS_SERVICES)
async def test_a_service_opens_all_its_subscriptions_with_its_own_rights(
    bus: Endpoints, dsn: str, tmp_path: Path, service: Service
) -> None:
    with capture_logs() as logs:
        async with runtime_of(service, bus, dsn, tmp_path) as runtime, serving(runtime, create_app_of(service)):
            assert await readiness(runtime) == {"database": True, "store": True, "bus": True}
            await asyncio.sleep(0.3)
            names = [f"{module}-{lane}" for module in MODULES_OF[service] for lane in Lane]
            waiting = [(await runtime.bus.js.consumer_info(STREAM_WORK, name)).num_waiting for name in names]
    assert violations(logs) == []
    assert all(waiting), dict(zip(names, waiting, strict=True))


async def test_a_job_passes_all_modules_each_with_the_rights_of_its_service(
    bus: Endpoints, dsn: str, tmp_path: Path
) -> None:
    async def work(order: WorkOrder, runtime: Runtime) -> None:
        async with open_step(runtime, order):
            pass

    def app_of(service: Service) -> Callable[[NatsBroker, Runtime], FastStream]:
        def create_app(broker: NatsBroker, runtime: Runtime) -> FastStream:
            for module in MODULES_OF[service]:
                consume(broker, runtime, module, work)
            return FastStream(broker)

        return create_app

    with capture_logs() as logs:
        async with AsyncExitStack() as stack:
            gateway = await stack.enter_async_context(runtime_of(Service.GATEWAY, bus, dsn, tmp_path))
            async with gateway.pool.acquire() as db:
                observatory = uuid4()
                await observatories.create(db, observatory, "hill", "Hill")
            for service in BUS_SERVICES:
                runtime = await stack.enter_async_context(runtime_of(service, bus, dsn, tmp_path))
                await stack.enter_async_context(serving(runtime, app_of(service)))
            flow = Flow(gateway, observatory)
            job = await flow.submit()
            assert await flow.ended(job) is JobState.COMPLETED
            async with asyncio.timeout(5):
                while await unsettled(gateway):
                    await asyncio.sleep(0.02)
    assert violations(logs) == []


async def test_a_worker_sees_the_flags_that_the_gateway_sets(bus: Endpoints, dsn: str, tmp_path: Path) -> None:
    job, cancelled = uuid4(), asyncio.Event()
    async with (
        runtime_of(Service.GATEWAY, bus, dsn, tmp_path) as gateway,
        runtime_of(Service.QUALITY, bus, dsn, tmp_path) as worker,
    ):
        worker.control.on_cancel(job, cancelled.set)
        await gateway.control.cancel(job)
        await gateway.control.pause(Module.QUALITY, paused=True)
        async with asyncio.timeout(5):
            await cancelled.wait()
            while Module.QUALITY not in worker.control.paused:
                await asyncio.sleep(0.02)


async def test_the_gateway_keeps_the_flow_whole_with_its_own_rights(bus: Endpoints, dsn: str, tmp_path: Path) -> None:
    with capture_logs() as logs:
        async with runtime_of(Service.GATEWAY, bus, dsn, tmp_path) as gateway, keeping(gateway):
            async with gateway.pool.acquire() as db:
                observatory = uuid4()
                await observatories.create(db, observatory, "hill", "Hill")
            follower = Follower(gateway, ("hill",), None, None)
            await follower.open()
            await Flow(gateway, observatory).submit()
            sequence = (await gateway.bus.js.stream_info(STREAM_WORK)).state.last_seq
            assert (await gateway.bus.js.get_msg(STREAM_WORK, seq=sequence)).subject == "pictor.work.ingest.live"
            assert await follower.next(0.2) == []
            await asyncio.sleep(1.2)
            await follower.aclose()
            assert await gateway.bus.js.delete_msg(STREAM_WORK, sequence)
            assert await keepers.relay(gateway) == 0
    assert violations(logs) == []


async def test_an_order_waits_for_a_lost_stream_until_the_setup_job_has_run(
    bus: Endpoints, dsn: str, tmp_path: Path
) -> None:
    setup = Settings(**as_user(bus, SETUP_USER))
    client = await nats.connect(**connection_options(setup, SETUP_USER))
    await client.jetstream().delete_stream(STREAM_WORK)
    async with runtime_of(Service.GATEWAY, bus, dsn, tmp_path) as gateway:
        async with gateway.pool.acquire() as db:
            observatory = uuid4()
            await observatories.create(db, observatory, "hill", "Hill")
        await Flow(gateway, observatory).submit()
        await provision(client.jetstream(), setup)
        assert await relay_once(gateway.bus, older_than_s=0) == 1
        found = await gateway.bus.js.get_msg(STREAM_WORK, seq=1)
        assert found.subject == "pictor.work.ingest.live"
        await gateway.bus.js.delete_msg(STREAM_WORK, 1)
    await client.close()
