"""Whatever users do and workers suffer, in any order: nothing is lost, doubled, stuck or kept after its end.

A Hypothesis state machine over a whole installation in this process. The default run is short and the same every
time; ``make machine SEQUENCES=n`` plays n new sequences.
"""

import asyncio
import hashlib
import os
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any, ClassVar, TypeVar
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, rule, run_state_machine_as_test

from pictor.contracts.modules import LIGHT_ITINERARY, Module, Service
from pictor.runtime.child.pool import ChildPool
from pictor.runtime.embedded.config import Endpoints
from pictor.runtime.stacking.triggers import evaluate
from tests.faults.harness.background import Background
from tests.support.pocket import open_pocket, tiny_frame
from tests.support.servers import make_database
from tests.support.whirl import MODE, Whirl

pytestmark = pytest.mark.faults

T = TypeVar("T")
SEQUENCES = int(os.environ.get("PICTOR_MACHINE_SEQUENCES", "0"))

RESULTS = """
    SELECT r.job_id, r.module, r.state, j.state AS job,
        (SELECT count(*) FROM effect e WHERE e.job_id = r.job_id AND e.module = r.module) AS effects
    FROM module_run r JOIN job j ON j.id = r.job_id WHERE j.observatory_id = $1
"""

ENDS = """
    SELECT j.id, count(o.id) AS times FROM job j LEFT JOIN outbox o
        ON o.subject LIKE 'pictor.event.job.finished.%' AND o.body->>'job_id' = j.id::text
    WHERE j.observatory_id = $1 GROUP BY j.id HAVING count(o.id) <> 1
"""

SAME_STACK = """
    SELECT group_key, frame_ids, count(*) FROM stack_request
    WHERE observatory_id = $1 AND NOT force GROUP BY 1, 2 HAVING count(*) > 1
"""


class Life(RuleBasedStateMachine):
    """What people do and what workers suffer."""

    whirl: ClassVar[Whirl]
    background: ClassVar[Background]

    frames = Bundle("frames")
    jobs = Bundle("jobs")

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.background.run(work, limit_s=120)

    def request(self, method: str, address: str, **options: Any) -> Any:
        return self.run(self.whirl.pocket.client.request(method, f"/api/v1{address}", **options))

    def sql(self, query: str, *values: object) -> list[Any]:
        return list(self.run(self.whirl.pocket.runtime.pool.fetch(query, *values)))

    @initialize()
    def found(self) -> None:
        """Every sequence has an observatory of its own."""
        self.home, self.slug = uuid4(), f"o-{uuid4().hex[:12]}"
        self.sql("INSERT INTO observatory (id, slug, name) VALUES ($1, $2, 'Hill')", self.home, self.slug)
        self.alive: dict[str, UUID] = {}
        self.deleted: set[UUID] = set()

    def _send(self, number: int, **headers: str) -> Any:
        body = tiny_frame(number, "DARK")
        digest = hashlib.sha256(body).hexdigest()
        place = {"observatory": self.slug}
        return digest, self.request("PUT", f"/frames/{digest}", content=body, params=place, headers=headers)

    @rule(target=frames, number=st.integers(0, 5))
    def upload(self, number: int) -> UUID:
        """A frame arrives, or one that is there arrives again."""
        digest, answer = self._send(number)
        assert answer.status_code == (200 if digest in self.alive else 201), answer.text
        frame_id = UUID(answer.json()["frame_id"])
        assert self.alive.setdefault(digest, frame_id) == frame_id
        return frame_id

    @rule(target=jobs, frame=frames)
    def reprocess(self, frame: UUID) -> UUID | None:
        answer = self.request("POST", f"/frames/{frame}/reprocess")
        assert answer.status_code in ({404} if frame in self.deleted else {202, 409, 429}), answer.text
        return UUID(answer.json()["job_id"]) if answer.status_code == 202 else None

    @rule(frame=frames)
    def cancel_the_jobs_of(self, frame: UUID) -> None:
        for row in self.sql("SELECT id FROM job WHERE frame_id = $1", frame):
            answer = self.request("POST", f"/jobs/{row['id']}/cancel")
            assert answer.status_code in {200, 409}, answer.text

    @rule(job=jobs)
    def cancel(self, job: UUID | None) -> None:
        if job is not None:
            assert self.request("POST", f"/jobs/{job}/cancel").status_code in {200, 404, 409}

    @rule(frame=consumes(frames))
    def delete(self, frame: UUID) -> None:
        answer = self.request("DELETE", f"/frames/{frame}")
        assert answer.status_code == (404 if frame in self.deleted else 204), answer.text
        self.deleted.add(frame)
        self.alive = {digest: one for digest, one in self.alive.items() if one != frame}

    @rule(module=st.sampled_from(LIGHT_ITINERARY), copies=st.integers(1, 5))
    def duplicate(self, module: Module, copies: int) -> None:
        """Orders of the past and the present are delivered once more."""
        rows = self.sql(
            "SELECT r.order_body FROM module_run r JOIN job j ON j.id = r.job_id WHERE j.observatory_id = $1 "
            "AND r.module = $2 AND r.order_body IS NOT NULL", self.home, str(module),
        )  # fmt: skip
        for row in rows * copies:
            self.run(self._deliver(row["order_body"]))

    async def _deliver(self, body: dict[str, Any]) -> None:
        from pictor.contracts.work import WorkOrder  # noqa: PLC0415

        await self.whirl.deliver(WorkOrder.model_validate(body))

    @rule(count=st.integers(1, 3))
    def freeze(self, count: int) -> None:
        self.whirl.to_freeze = count

    @rule()
    def crash(self) -> None:
        """Whoever hangs is taken for dead: leases end, orders are given again, the dead wake up later."""
        self.run(self.whirl.give_up_leases())

    @rule()
    def thaw(self) -> None:
        self.background.loop.call_soon_threadsafe(self.whirl.thawed.set)
        self.whirl.thawed = asyncio.Event()

    @rule(threshold=st.integers(3, 6), refresh=st.integers(1, 4))
    def change_the_policy(self, threshold: int, refresh: int) -> None:
        self.sql(
            "INSERT INTO calibration_policy (observatory_id, min_frames, refresh_new_frames) VALUES ($1, $2, $3) "
            "ON CONFLICT (observatory_id) DO UPDATE SET min_frames = $2, refresh_new_frames = $3",
            self.home, threshold, refresh,
        )  # fmt: skip

    @rule(force=st.booleans())
    def ask_for_stacks(self, force: bool) -> None:  # noqa: FBT001
        stacker = self.whirl.pocket.worker(Service.CALIBRATION_STACKER)
        self.run(evaluate(stacker, self.home, MODE, force=force))

    @rule(number=st.integers(6, 8))
    def upload_with_a_revoked_token(self, number: int) -> None:
        made = self.request("POST", "/tokens", json={"name": "rig", "observatory_id": str(self.home)}).json()
        assert self.request("DELETE", f"/tokens/{made['details']['id']}").status_code in {200, 204}
        _, answer = self._send(number, Authorization=f"Bearer {made['token']}")
        assert answer.status_code == 401, answer.text

    @rule(seconds=st.sampled_from([0.01, 0.1, 0.3]))
    def wait(self, seconds: float) -> None:
        self.run(asyncio.sleep(seconds))

    def teardown(self) -> None:
        if not hasattr(self, "home"):
            return
        self.run(self.whirl.calm(self.home))
        there = {
            row["sha256"]: row["id"] for row in self.sql("SELECT * FROM frame WHERE observatory_id = $1", self.home)
        }
        assert there == self.alive
        for row in self.sql(RESULTS, self.home):
            assert row["effects"] == (row["state"] == "completed"), dict(row)
            assert row["state"] not in {"pending", "running"}, dict(row)
        assert self.sql(ENDS, self.home) == []
        assert self.sql(SAME_STACK, self.home) == []
        letters = self.run(self.whirl.pocket.letters())
        assert letters == []


@pytest.fixture
def whirl(database_server: Endpoints, tmp_path: Path) -> Iterator[type[Life]]:
    with Background() as background:
        dsn = background.run(make_database(database_server, f"machine_{uuid4().hex[:8]}"))
        opening = open_pocket(dsn, tmp_path / "pocket", slots=24, children=ChildPool(6))
        pocket = background.run(opening.__aenter__())
        background.run(pocket.runtime.pool.execute("CREATE TABLE effect (job_id uuid, module text)"))
        Life.whirl, Life.background = Whirl(pocket), background
        turning = Life.whirl.turning()
        background.run(turning.__aenter__())
        try:
            yield Life
        finally:
            background.loop.call_soon_threadsafe(Life.whirl.thawed.set)
            background.run(turning.__aexit__(None, None, None))
            background.run(opening.__aexit__(None, None, None))


def test_in_any_order_of_events_nothing_is_lost_doubled_stuck_or_kept_after_its_end(whirl: type[Life]) -> None:
    run_state_machine_as_test(
        whirl,
        settings=settings(
            max_examples=SEQUENCES or 4, stateful_step_count=25, deadline=None, derandomize=not SEQUENCES,
            suppress_health_check=list(HealthCheck), phases=(Phase.generate,), database=None, print_blob=True,
        ),
    )  # fmt: skip
    life = whirl()
    life.run(whirl.whirl.pocket.idle(within_s=120))
    known = "is completed, but its result for frame"
    assert [one for one in life.run(whirl.whirl.pocket.violations()) if known not in one] == []
