"""The child: reads calls from its channel, runs them, answers; imports nothing heavy before it is told to.

Started as ``python -m pictor.runtime.child.main CHANNEL LIMITS WARM``, where the channel is the number of an open
socket and the other two are JSON. One line of JSON in, one line of JSON out.
"""

import contextlib
import gc
import importlib
import json
import re
import socket
import sys
import traceback
from io import BufferedRWPair
from pathlib import Path

from pictor.imaging.errors import ImagingError
from pictor.runtime.child.limits import Limits

ALLOWED = re.compile(r"pictor\.[a-z][a-z0-9_]*\.compute:[a-z][a-z0-9_]*")
"""The only functions a child runs: the compute module of a service."""

FIRST_TO_GO = "500"
"""When memory runs out the kernel ends a child before a service or a database."""


def warm(modules: list[str]) -> None:
    """Import modules and let each compile what it owns, so that the first call is as fast as the second."""
    for name in modules:
        prepare = getattr(importlib.import_module(name), "warm", None)
        if prepare is not None:
            prepare()
    gc.freeze()


def run(function: str, arguments: dict[str, object]) -> dict[str, object]:
    """Run one call; the answer says what it gave or how it failed."""
    try:
        return {"result": call(function, arguments)}
    except ImagingError as error:
        return {"imaging": str(error), "reason": error.reason}
    except MemoryError as error:
        return {"memory": str(error) or "not enough memory", "traceback": traceback.format_exc()}
    except Exception as error:  # noqa: BLE001 - whatever it was, the caller must learn of it
        return {"error": f"{type(error).__name__}: {error}", "traceback": traceback.format_exc()}


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
        text = json.dumps({"error": f"the result is not JSON: {error}", "traceback": ""})
    return text.encode() + b"\n"


def serve(channel: BufferedRWPair) -> None:
    """Answer calls until the other end is closed."""
    for line in channel:
        request = json.loads(line)
        channel.write(encode(run(request["function"], request["arguments"])))
        channel.flush()


def main(channel: str, limits: str, modules: str) -> None:
    """Limit this process, warm it, then answer calls."""
    Limits(**json.loads(limits)).apply()
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(FIRST_TO_GO, encoding="ascii")
    with socket.socket(fileno=int(channel)) as connection, connection.makefile("rwb") as stream:
        answer = run_warm(json.loads(modules))
        stream.write(encode(answer))
        stream.flush()
        serve(stream)


def run_warm(modules: list[str]) -> dict[str, object]:
    """Warm, and say whether it worked."""
    try:
        warm(modules)
    except Exception as error:  # noqa: BLE001 - the parent reports why a child cannot start
        return {"error": f"{type(error).__name__}: {error}", "traceback": traceback.format_exc()}
    return {"result": {}}


if __name__ == "__main__":
    main(*sys.argv[1:])
