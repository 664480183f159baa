"""A child that was taken over is limited in what it uses, reaches its scratch folder only, and its lies are seen."""

import os
import socket
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pictor.imaging.errors import ImagingError
from pictor.runtime.child import landlock
from pictor.runtime.child.answers import result_of
from pictor.runtime.child.enclosure import Level, Reach, beneath, expected
from pictor.runtime.child.errors import ChildCrashed, ChildError, ChildFailed, ChildTimeout
from pictor.runtime.child.limits import Limits
from pictor.runtime.child.pool import ChildPool
from tests.support.processes import gone

SUPPORT = Path(__file__).parents[2] / "support" / "children"
SERVICE = "pictor.misbehaving.compute"
ENVIRONMENT = {"PYTHONPATH": str(SUPPORT)}


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("scratch")


@pytest.fixture(scope="module")
async def pool(scratch: Path) -> AsyncIterator[ChildPool]:
    reach = Reach((), (str(scratch),))
    async with ChildPool(1, recycle_after=1000, warm=[SERVICE], environment=ENVIRONMENT, reach=reach) as pool:
        yield pool


async def call(pool: ChildPool, name: str, timeout_s: float = 20.0, **arguments: object) -> dict[str, object]:
    return await pool.call(f"{SERVICE}:{name}", arguments, timeout_s=timeout_s)


async def attempt(pool: ChildPool, what: str, target: object) -> dict[str, object]:
    return await call(pool, "attempt", what=what, target=str(target))


def test_this_kernel_gives_the_whole_enclosure() -> None:
    level = expected()
    print(f"\nLandlock ABI {level.landlock}: {level.sentence}")
    assert level.whole, f"this machine cannot enclose children wholly: {level.sentence}"


def test_a_kernel_that_gives_less_is_told_of() -> None:
    assert Level().sentence == (
        "files not bounded, network not closed, signals to others possible, privileges not given up"
    )
    assert "no TCP" in Level(4, seccomp=False, privileges=True).sentence
    assert not Level(4, seccomp=True, privileges=True).whole


async def test_the_level_is_what_the_child_reached(pool: ChildPool) -> None:
    assert pool.level == expected()


async def test_the_network_is_closed(pool: ChildPool, scratch: Path) -> None:
    with socket.socket() as listener, socket.socket(socket.AF_UNIX) as local:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        local.bind(str(scratch / "door"))
        local.listen()
        assert await attempt(pool, "connect", f"127.0.0.1:{listener.getsockname()[1]}") == {"refused": "EPERM"}
        assert await attempt(pool, "unix", scratch / "door") == {"refused": "EPERM"}


async def test_secrets_of_other_processes_and_files_are_out_of_reach(pool: ChildPool, tmp_path: Path) -> None:
    secret = tmp_path / "postgres.password"
    secret.write_text("do not read")
    for path in (secret, "/proc/1/environ", f"/proc/{os.getpid()}/environ", "/etc/shadow", "/root/.ssh/id_rsa"):
        assert (await attempt(pool, "read", path)).get("refused") in {"EACCES", "ENOENT"}, path
    assert await attempt(pool, "list", tmp_path) == {"refused": "EACCES"}
    assert await attempt(pool, "read", f"/proc/{os.getpid()}/mem") == {"refused": "EACCES"}


async def test_nothing_is_written_outside_scratch(pool: ChildPool, scratch: Path, tmp_path: Path) -> None:
    victim = tmp_path / "frame.fits"
    victim.write_text("raw bytes")
    assert await attempt(pool, "write", scratch / "mine") == {"done": "1"}
    for what, path in (("write", victim), ("remove", victim), ("write", tmp_path / "new"), ("write", SUPPORT / "x.py")):
        assert await attempt(pool, what, path) == {"refused": "EACCES"}
    (scratch / "link").symlink_to(victim)
    assert await attempt(pool, "write", scratch / "link") == {"refused": "EACCES"}
    assert victim.read_text() == "raw bytes"


async def test_others_cannot_be_signalled_and_the_group_cannot_be_left(pool: ChildPool) -> None:
    assert await attempt(pool, "signal", os.getpid()) == {"refused": "EPERM"}
    assert await attempt(pool, "leave", "") == {"refused": "EPERM"}


async def test_programs_it_starts_are_enclosed_as_well(pool: ChildPool, tmp_path: Path) -> None:
    told = await attempt(pool, "run", f"open({str(tmp_path / 'x')!r}, 'w')")
    assert "PermissionError" in str(told["done"])
    assert not (tmp_path / "x").exists()


async def test_a_child_does_not_import_from_the_working_folder(
    scratch: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "json.py").write_text("raise SystemExit(9)")
    monkeypatch.chdir(tmp_path)
    async with ChildPool(1, environment=ENVIRONMENT, reach=Reach((), (str(scratch),))) as pool:
        assert (await call(pool, "echo", word="ok"))["word"] == "ok"


async def test_spinning_ends_with_its_processor_time_even_while_nobody_watches(scratch: Path) -> None:
    async with ChildPool(1, limits=Limits(cpu_seconds=2), environment=ENVIRONMENT) as pool:
        with pytest.raises(ChildCrashed) as caught:
            await call(pool, "spin")
    assert caught.value.reason == "cpu-limit"


async def test_sleeping_for_ever_ends_at_the_time_limit(pool: ChildPool) -> None:
    with pytest.raises(ChildTimeout) as caught:
        await call(pool, "sleep", timeout_s=0.5, seconds=1e6)
    assert caught.value.reason == "timeout"


async def test_a_file_beyond_the_limit_has_its_own_reason(scratch: Path) -> None:
    limits = Limits(file_size=1 << 20)
    async with ChildPool(1, limits=limits, environment=ENVIRONMENT, reach=Reach((), (str(scratch),))) as pool:
        with pytest.raises(ChildError) as caught:
            await call(pool, "write", path=str(scratch / "big"), size=2 << 20)
    assert caught.value.reason == "file-limit"


async def test_two_gigabytes_of_output_end_the_call_and_fill_nothing(pool: ChildPool) -> None:
    began = time.monotonic()
    with pytest.raises(ChildCrashed) as caught:
        await call(pool, "rave", megabytes=2048)
    assert caught.value.reason == "output-limit"
    assert time.monotonic() - began < 5
    assert (await call(pool, "echo", word="ok"))["word"] == "ok"


async def test_ending_without_an_answer_has_its_own_reason(pool: ChildPool) -> None:
    with pytest.raises(ChildCrashed) as caught:
        await call(pool, "leave", status=0)
    assert caught.value.reason == "no-answer"


async def test_a_brood_of_processes_dies_with_the_call(pool: ChildPool, scratch: Path) -> None:
    pids = scratch / "pids"
    with pytest.raises(ChildTimeout):
        await call(pool, "breed", timeout_s=3.0, count=100, pid_file=str(pids))
    brood = [int(pid) for pid in pids.read_text().split()]
    assert len(brood) == 100
    for pid in brood:
        assert await gone(pid, 3)


FORGED = {
    "no JSON": "#!/bin/sh",
    "not an object": "[1, 2]",
    "another call": '{"call": 99, "result": {}}',
    "no result": '{"call": CALL}',
    "not a number": '{"call": CALL, "result": {"fwhm": NaN}}',
    "infinite": '{"call": CALL, "result": {"fwhm": 1e999}}',
    "too deep": '{"call": CALL, "result": ' + '{"a":' * 100_000 + "1" + "}" * 100_001,
    "a reason that is none": '{"call": CALL, "imaging": "x", "reason": "<script>"}',
}


@pytest.mark.parametrize("name", FORGED)
async def test_a_forged_answer_is_garbage_and_ends_the_child(pool: ChildPool, name: str) -> None:
    before = (await call(pool, "echo", word="ok"))["pid"]
    (child,) = pool._alive
    with pytest.raises(ChildError) as caught:
        await call(pool, "forge", text=FORGED[name].replace("CALL", str(child.calls + 1)))
    assert caught.value.reason == "garbage"
    assert (await call(pool, "echo", word="ok"))["pid"] != before


async def test_a_second_answer_is_not_taken_for_that_of_the_next_call(pool: ChildPool) -> None:
    (child,) = pool._alive
    await call(pool, "forge", text=f'{{"call": {child.calls + 1}, "result": {{"forged": true}}}}')
    with pytest.raises(ChildFailed) as caught:
        await call(pool, "echo", word="ok")
    assert caught.value.reason == "garbage"
    assert (await call(pool, "echo", word="ok"))["word"] == "ok"


def test_a_message_from_a_child_is_one_printable_line() -> None:
    line = b'{"call": 1, "imaging": "a\\u001b[31m\\nb\\u202e", "reason": "odd"}'
    with pytest.raises(ImagingError) as caught:
        result_of(line, 1)
    assert str(caught.value) == "a [31m b "


def test_links_in_a_folder_of_indexes_are_followed(tmp_path: Path) -> None:
    elsewhere = tmp_path / "disk" / "index.fits"
    elsewhere.parent.mkdir()
    elsewhere.touch()
    folder = tmp_path / "indexes"
    folder.mkdir()
    (folder / "index.fits").symlink_to(elsewhere)
    assert beneath(folder) == (str(folder), str(elsewhere))
    assert beneath(None) == ()


def test_without_landlock_nothing_is_claimed(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> int:
        raise OSError

    monkeypatch.setattr(landlock, "system_call", refuse)
    assert landlock.abi() == 0
    assert landlock.restrict([], []) == 0
