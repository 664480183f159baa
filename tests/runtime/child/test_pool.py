"""Pixel children: whatever a function does, the service lives and the next call works."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pictor.imaging.errors import ImagingError
from pictor.runtime.child.errors import (
    ChildCancelled,
    ChildCrashed,
    ChildError,
    ChildFailed,
    ChildOutOfMemory,
    ChildTimeout,
)
from pictor.runtime.child.limits import Limits
from pictor.runtime.child.pool import ChildPool
from tests.support.processes import eventually, gone, is_alive

SUPPORT = Path(__file__).parents[2] / "support" / "children"
SERVICE = "pictor.misbehaving.compute"
ENVIRONMENT = {"PYTHONPATH": str(SUPPORT)}


@pytest.fixture(scope="module")
async def pool() -> AsyncIterator[ChildPool]:
    limits = Limits(address_space=2 << 30)
    async with ChildPool(1, limits=limits, recycle_after=1000, warm=[SERVICE], environment=ENVIRONMENT) as pool:
        yield pool


async def call(pool: ChildPool, name: str, timeout_s: float = 20.0, **arguments: object) -> dict[str, object]:
    return await pool.call(f"{SERVICE}:{name}", arguments, timeout_s=timeout_s)


async def works(pool: ChildPool) -> int:
    answer = await call(pool, "echo", word="ok")
    assert answer["word"] == "ok"
    return int(str(answer["pid"]))


async def test_one_child_answers_a_hundred_calls(pool: ChildPool) -> None:
    started = time.perf_counter()
    pids = {await works(pool) for _ in range(100)}
    print(f"\none call and answer: {(time.perf_counter() - started) * 10:.2f} ms")
    assert pids == set(pool.pids)


async def test_arguments_and_results_keep_their_json_types(pool: ChildPool) -> None:
    sent = {"text": "é\n☃", "whole": 2**60, "real": 0.1, "nothing": None, "yes": True, "list": [1, {"a": []}]}
    answer = await call(pool, "echo", **sent)
    assert {name: answer[name] for name in sent} == sent


async def test_a_frame_at_fault_comes_back_with_its_reason_and_sentence(pool: ChildPool) -> None:
    before = await works(pool)
    with pytest.raises(ImagingError, match="only 3 stars found, 8 are needed") as caught:
        await call(pool, "blame_the_frame")
    assert caught.value.reason == "too-few-stars"
    with pytest.raises(ImagingError, match="no END card") as caught:
        await call(pool, "blame_the_bytes")
    assert caught.value.reason == "unreadable"
    assert await works(pool) == before


async def test_any_other_exception_brings_its_traceback_for_the_log(pool: ChildPool) -> None:
    with pytest.raises(ChildError, match="ZeroDivisionError") as caught:
        await call(pool, "divide_by_zero")
    assert "in divide_by_zero" in caught.value.traceback


@pytest.mark.parametrize("name", ["not_a_number", "not_a_dict"])
async def test_a_result_that_is_not_a_json_dict_is_an_error_of_the_function(pool: ChildPool, name: str) -> None:
    with pytest.raises(ChildError):
        await call(pool, name)
    await works(pool)


async def test_a_segmentation_fault_ends_one_call_only(pool: ChildPool) -> None:
    before = await works(pool)
    with pytest.raises(ChildCrashed) as caught:
        await call(pool, "crash")
    assert caught.value.signal is signal.SIGSEGV
    assert caught.value.reason == "crash:SIGSEGV"
    assert await works(pool) != before


async def test_a_child_that_exits_is_a_crash(pool: ChildPool) -> None:
    with pytest.raises(ChildCrashed, match="status 3"):
        await call(pool, "leave", status=3)
    await works(pool)


async def test_a_child_killed_while_idle_is_replaced_without_failing_a_call(pool: ChildPool) -> None:
    before = await works(pool)
    os.kill(before, signal.SIGKILL)
    assert await gone(before, 5)
    assert await works(pool) != before


async def test_more_memory_than_allowed_is_refused_in_the_child(pool: ChildPool) -> None:
    assert (await call(pool, "allocate", gib=0.25))["size"] == 2**28
    with pytest.raises(ChildOutOfMemory) as caught:
        await call(pool, "allocate", gib=4.0)
    assert caught.value.reason == "oom"
    await works(pool)


async def test_a_hang_is_ended_at_its_time_limit_with_its_grandchild(pool: ChildPool, tmp_path: Path) -> None:
    pid_file = tmp_path / "grandchild"
    started = time.monotonic()
    with pytest.raises(ChildTimeout, match=r"longer than 0\.5 s"):
        await call(pool, "hang_with_grandchild", timeout_s=0.5, pid_file=str(pid_file))
    assert time.monotonic() - started < 1.5
    assert await gone(int(pid_file.read_text(encoding="ascii")), 2)
    await works(pool)


async def test_cancel_stops_a_running_call_within_a_second(pool: ChildPool) -> None:
    await works(pool)
    cancel = asyncio.Event()
    running = asyncio.create_task(
        pool.call(f"{SERVICE}:sleep", {"seconds": 600}, timeout_s=900, cancel=cancel),
    )
    await asyncio.sleep(0.3)
    (child,) = pool.pids
    cancel.set()
    started = time.monotonic()
    with pytest.raises(ChildCancelled):
        await running
    assert await gone(child, 1)
    elapsed = time.monotonic() - started
    print(f"\ncancelled after {elapsed * 1000:.0f} ms")
    assert elapsed < 1
    await works(pool)


async def test_cancel_reaches_a_call_that_waits_for_a_child(pool: ChildPool) -> None:
    await works(pool)
    running = asyncio.create_task(call(pool, "sleep", seconds=1.0))
    await asyncio.sleep(0)
    cancel = asyncio.Event()
    asyncio.get_running_loop().call_later(0.1, cancel.set)
    with pytest.raises(ChildCancelled):
        await pool.call(f"{SERVICE}:echo", {}, timeout_s=10, cancel=cancel)
    assert not running.done(), "it waited for the child"
    assert await running == {"slept": 1.0}


async def test_a_cancelled_task_takes_its_child_with_it(pool: ChildPool) -> None:
    child = await works(pool)
    running = asyncio.create_task(call(pool, "sleep", seconds=600, timeout_s=900))
    await asyncio.sleep(0.2)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert await gone(child, 1)
    await works(pool)


async def test_noise_on_standard_output_does_not_reach_the_channel(pool: ChildPool) -> None:
    answer = await call(pool, "shout", length=300_000)
    assert answer == {"text": "y" * 300_000}


async def test_an_answer_beyond_the_limit_is_refused(pool: ChildPool) -> None:
    with pytest.raises(ChildError, match="longer than") as caught:
        await call(pool, "talk", length=40_000_000)
    assert caught.value.reason == "answer-too-long"
    await works(pool)


@pytest.mark.parametrize(
    "function",
    [
        "os:system",
        "pictor.imaging.errors:ImagingError",
        "pictor.quality.handlers:measure",
        f"{SERVICE}:_private",
        SERVICE,
    ],
)
async def test_only_compute_functions_of_services_are_run(pool: ChildPool, function: str) -> None:
    with pytest.raises(ValueError, match="is not a compute function"):
        await pool.call(function, {}, timeout_s=1)


async def test_children_are_warm_and_see_no_secrets(pool: ChildPool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PICTOR_DATABASE_PASSWORD", "secret")
    with pytest.raises(ChildCrashed):
        await call(pool, "leave", status=1)
    seen = (await call(pool, "environment"))["environment"]
    assert isinstance(seen, dict)
    assert seen["WARMED"] == "yes"
    assert seen["OMP_NUM_THREADS"] == seen["NUMBA_NUM_THREADS"] == "1"
    assert not [name for name in seen if name.startswith("PICTOR_")]


async def test_a_child_is_replaced_after_its_number_of_calls() -> None:
    async with ChildPool(1, recycle_after=3, environment=ENVIRONMENT) as pool:
        pids = [await works(pool) for _ in range(7)]
    assert [pids.count(pid) for pid in dict.fromkeys(pids)] == [3, 3, 1]


async def test_a_file_larger_than_allowed_is_refused(tmp_path: Path) -> None:
    async with ChildPool(1, limits=Limits(file_size=1 << 20), environment=ENVIRONMENT) as pool:
        with pytest.raises(ChildFailed):
            await call(pool, "write", path=str(tmp_path / "big"), size=2 << 20)
        assert (await call(pool, "write", path=str(tmp_path / "small"), size=1 << 10))["written"] == 1 << 10


async def test_two_children_work_at_the_same_time() -> None:
    async with ChildPool(2, environment=ENVIRONMENT) as pool:
        await asyncio.gather(works(pool), works(pool))
        first, other = await asyncio.gather(*(call(pool, "rest", seconds=0.6) for _ in range(2)))
    assert max(first["began"], other["began"]) < min(first["ended"], other["ended"])


async def test_a_child_that_cannot_start_says_why() -> None:
    with pytest.raises(ChildError, match="ModuleNotFoundError"):
        await ChildPool(1, warm=["pictor.missing.compute"]).start()


async def test_closing_ends_every_child_and_running_call() -> None:
    pool = ChildPool(2, environment=ENVIRONMENT)
    await pool.start()
    pids = pool.pids
    running = asyncio.create_task(call(pool, "sleep", seconds=600, timeout_s=900))
    await asyncio.sleep(0.1)
    await pool.close()
    with pytest.raises(ChildCancelled):
        await running
    assert len(pids) == 2
    assert not [pid for pid in pids if is_alive(pid)]


OWNER = f"""
import asyncio
from pictor.runtime.child.pool import ChildPool
from tests.support.processes import eventually, gone, is_alive

async def main():
    async with ChildPool(1, environment={ENVIRONMENT!r}) as pool:
        print(*pool.pids, flush=True)
        await pool.call("{SERVICE}:hang_with_grandchild", {{"pid_file": "PID_FILE"}}, timeout_s=600)

asyncio.run(main())
"""


async def test_killing_the_service_leaves_no_child_and_no_grandchild(tmp_path: Path) -> None:
    pid_file = tmp_path / "grandchild"
    source = OWNER.replace("PID_FILE", str(pid_file))
    with subprocess.Popen([sys.executable, "-c", source], stdout=subprocess.PIPE, text=True) as owner:  # noqa: ASYNC220
        assert owner.stdout is not None
        child = int(owner.stdout.readline())
        assert await eventually(lambda: pid_file.exists() and bool(pid_file.read_text(encoding="ascii")), 10)
        owner.kill()
    assert await gone(child, 2)
    assert await gone(int(pid_file.read_text(encoding="ascii")), 2)
