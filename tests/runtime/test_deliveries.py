"""An order is parked for its own failures, never for the outages it met on the way."""

from dataclasses import dataclass, field

from pictor.contracts.modules import Lane, Module, RunState
from pictor.contracts.work import WorkOrder
from pictor.runtime.delivery import MAX_DELIVER, Handler, deliver
from pictor.runtime.runtime import Runtime
from pictor.runtime.step import open_step
from pictor.state import parked, runs
from tests.support.flow import Flow

ORDER = "SELECT order_body FROM module_run WHERE module = 'quality'"


@dataclass
class Handed:
    """An order as the broker hands it over for the last time, and how it was settled."""

    body: bytes
    subject: str = "pictor.work.quality.live"
    times: int = MAX_DELIVER
    sequence: int | None = 1
    settled: list[str] = field(default_factory=list)

    async def ack(self) -> None:
        self.settled.append("ack")

    async def nak(self, delay_s: float) -> None:
        self.settled.append(f"nak {delay_s:g}")

    async def term(self) -> None:
        self.settled.append("term")

    async def working(self) -> None:
        self.settled.append("working")


async def _last_time(flow: Flow, handler: Handler) -> Handed:
    await flow.submit(itinerary=(Module.QUALITY,))
    order = WorkOrder.model_validate(await flow.runtime.pool.fetchval(ORDER))
    handed = Handed(order.encode())
    await deliver(flow.runtime, Module.QUALITY, Lane.LIVE, handler, handed)
    return handed


async def test_a_first_failure_after_four_outages_is_tried_again(flow: Flow) -> None:
    async def stumble(order: WorkOrder, runtime: Runtime) -> None:
        async with open_step(runtime, order):
            raise RuntimeError("stumbled")

    handed = await _last_time(flow, stumble)
    assert handed.settled == ["ack"]
    assert (await parked.page(flow.runtime.pool))[1] == 0
    (row,) = await flow.runtime.pool.fetch("SELECT state, failures FROM module_run")
    assert (row["state"], row["failures"]) == (RunState.PENDING, 1)


async def test_an_order_that_fails_before_it_begins_is_parked_at_its_last_delivery(flow: Flow) -> None:
    async def refuse(_order: WorkOrder, _runtime: Runtime) -> None:
        raise RuntimeError("never begun")

    handed = await _last_time(flow, refuse)
    assert handed.settled == ["term"]
    ((letter,), _) = await parked.page(flow.runtime.pool)
    assert letter.reason == "internal-error"
    (run,) = await runs.timeline(flow.runtime.pool, letter.job_id)
    assert run.state is RunState.FAILED
