"""The child: reads calls from its channel, runs them, answers; imports nothing heavy before it is told to.

Started as ``python -P -m pictor.runtime.child.main CHANNEL LIMITS WARM REACH``, where the channel is the number of an
open socket and the others are JSON. One line of JSON in, one line of JSON out.
"""

import contextlib
import errno
import gc
import importlib
import json
import re
import socket
import sys
import traceback
from dataclasses import asdict
from io import BufferedRWPair
from pathlib import Path

from pictor.imaging.errors import ImagingError
from pictor.runtime.child.enclosure import Reach, enclose
from pictor.runtime.child.limits import Limits, one_call
from pictor.runtime.child.loading import load_lightly

ALLOWED = re.compile(r"pictor\.[a-z][a-z0-9_]*\.compute:[a-z][a-z0-9_]*")
"""The only functions a child runs: the compute module of a service."""

DISK_REASONS: dict[object, str] = {
    errno.EFBIG: "file-limit", errno.ENOSPC: "scratch-full", errno.EDQUOT: "scratch-full"
}  # fmt: skip
"""Failures to write that are neither the frame's fault nor a defect."""

FIRST_TO_GO = "500"
"""When memory runs out the kernel ends a child before a service or a database."""


def warm(modules: list[str]) -> None:
    """Import modules and let each compile what it owns, so that the first call is as fast as the second."""
    gc.disable()
    for name in modules:
        prepare = getattr(importlib.import_module(name), "warm", None)
        if prepare is not None:
            prepare()
    gc.freeze()
    gc.enable()


def run(function: str, arguments: dict[str, object], *, seconds: float | None = None) -> dict[str, object]:
    """Run one call; the answer says what it gave or how it failed."""
    try:
        with one_call(function.split(".")[1], seconds):
            return {"result": call(function, arguments)}
    except ImagingError as error:
        return {"imaging": str(error), "reason": error.reason}
    except MemoryError as error:
        return {"memory": str(error) or "not enough memory", "traceback": traceback.format_exc()}
    except Exception as error:  # noqa: BLE001 - whatever it was, the caller must learn of it
        return {
            "error": f"{type(error).__name__}: {error}",
            "traceback": traceback.format_exc(),
            "reason": DISK_REASONS.get(getattr(error, "errno", None), "child-error"),
        }


def call(function: str, arguments: dict[str, object]) -> object:
    """Run ``pictor.<service>.compute:<function>``."""
    if not ALLOWED.fullmatch(function):
        raise ValueError(f"{function!r} is not a compute function of a service")
    module, name = function.split(":")
    return getattr(importlib.import_module(module), name)(**arguments)


def encode(answer: dict[str, object]) -> bytes:
    """One line of strict JSON; a result that is not JSON is an error of the function."""
    try:
        text = json.dumps(answer, allow_nan=False)
    except (TypeError, ValueError) as error:
        text = json.dumps({"call": answer["call"], "error": f"the result is not JSON: {error}", "traceback": ""})
    return text.encode() + b"\n"


def serve(channel: BufferedRWPair) -> None:
    """Answer calls until the other end is closed."""
    for line in channel:
        request = json.loads(line)
        answer = run(request["function"], request["arguments"], seconds=request["seconds"])
        channel.write(encode({"call": request["call"], **answer}))
        channel.flush()


def main(channel: str, limits: str, modules: str, reach: str) -> None:
    """Limit this process, warm it, enclose it, then answer calls."""
    Limits(**json.loads(limits)).apply()
    load_lightly()
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(FIRST_TO_GO, encoding="ascii")
    with socket.socket(fileno=int(channel)) as connection, connection.makefile("rwb") as stream:
        stream.write(encode({"call": 0, **run_warm(json.loads(modules), json.loads(reach))}))
        stream.flush()
        serve(stream)


def run_warm(modules: list[str], reach: dict[str, list[str]] | None) -> dict[str, object]:
    """Warm, then enclose, and say whether it worked and how far it went."""
    try:
        warm(modules)
        if reach is None:
            return {"result": {}}
        kernels_stay_in_memory()
        level = enclose(Reach(tuple(reach["readable"]), tuple(reach["writable"])))
    except Exception as error:  # noqa: BLE001 - the parent reports why a child cannot start
        return {"error": f"{type(error).__name__}: {error}", "traceback": traceback.format_exc()}
    return {"result": {"enclosure": asdict(level)}}


def kernels_stay_in_memory() -> None:
    """Compile for this process alone from now on: an enclosed child cannot write beside the code."""
    caching = sys.modules.get("numba.core.caching")
    if caching is not None:
        caching.Cache._save_overload = lambda *_: None  # noqa: SLF001


if __name__ == "__main__":
    main(*sys.argv[1:])
