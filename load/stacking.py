"""L8: a large stack in one child, beside uploads of others."""

import asyncio
import hashlib
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from load.frames import frame
from load.rows import Figure, Row
from load.watching import memory_mib

from pictor.runtime.child.pool import ChildPool

SERVICE = "pictor.calibration_stacker.compute"


async def large_stack(*, full: bool) -> Row:
    """L8: fifty frames."""
    count, size = 50, 62.0 if full else 16.0
    with tempfile.TemporaryDirectory(prefix="pictor-load-") as name:
        folder = Path(name)
        paths, digests = await asyncio.to_thread(_write, folder, count, size)
        scratch = folder / "scratch"
        scratch.mkdir()
        async with ChildPool(1, warm=(SERVICE,)) as children:
            (pid,) = children.pids
            before = memory_mib(pid, "VmHWM")
            began = time.monotonic()
            found = await children.call(
                f"{SERVICE}:stack",
                {"paths": paths, "frame_ids": [str(n) for n in range(count)], "sha256s": digests, "kind": "bias",
                 "scratch": str(scratch)},
                timeout_s=1800,
            )  # fmt: skip
            took, highest = time.monotonic() - began, memory_mib(pid, "VmHWM")
    figures = [
        Figure("child", highest, "MiB", 1024),
        Figure("child before", before, "MiB"),
        Figure("took", took, "s"),
        Figure("frames combined", float(str(found["ncombine"])), "frames", count, least=True),
    ]
    return Row("L8", f"a stack of {count} bias frames of {size:g} MB", figures)


def _write(folder: Path, count: int, size: float) -> tuple[list[str], list[str]]:
    paths, digests = [], []
    for number in range(count):
        body = frame(number, size, kind="BIAS")
        path = folder / f"bias-{number}.fits"
        path.write_bytes(body)
        paths.append(str(path))
        digests.append(hashlib.sha256(body).hexdigest())
    return paths, digests


ROWS: dict[str, Callable[..., object]] = {"L8": large_stack}
