"""One pixel child as its parent sees it."""

import asyncio
import json
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from pictor.imaging.errors import ImagingError
from pictor.runtime.child.errors import ChildCrashed, ChildError, ChildOutOfMemory
from pictor.runtime.child.limits import Limits
from pictor.runtime.child.process import Process, Program

ANSWER_LIMIT = 16 << 20
"""Bytes of the longest answer: results are numbers; pixels and long tables are files."""


class Child:
    """A started child and the channel to it."""

    def __init__(self, process: Process, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.process = process
        self.calls = 0
        self.busy = False
        self._reader = reader
        self._writer = writer

    @classmethod
    async def spawn(cls, limits: Limits, warm: Sequence[str], environment: Mapping[str, str]) -> "Child":
        """Start a child; it answers ``ready`` once it is warm."""
        ours, theirs = socket.socketpair()
        channel, limits_text = str(theirs.fileno()), json.dumps(asdict(limits))
        argv = [sys.executable, "-m", "pictor.runtime.child.main", channel, limits_text, json.dumps(list(warm))]
        with theirs:
            process = Process.start(Program(argv, limits.environment(environment), pass_fds=(theirs.fileno(),)))
        reader, writer = await asyncio.open_connection(sock=ours, limit=ANSWER_LIMIT)
        return cls(process, reader, writer)

    async def ready(self) -> None:
        """Wait until the child is warm."""
        await self._answer()

    async def ask(self, function: str, arguments: Mapping[str, object]) -> dict[str, object]:
        """Run one function in the child.

        Raises
        ------
        ImagingError
            If the function found the frame at fault.
        ChildCrashed
            If the process ended.
        ChildError
            If the function raised anything else.
        """
        request = json.dumps({"function": function, "arguments": dict(arguments)}, allow_nan=False)
        self.calls += 1
        self.busy = True
        self._writer.write(request.encode() + b"\n")
        return await self._answer()

    async def kill(self) -> None:
        """End the child and everything it started."""
        self.process.send_group(signal.SIGKILL)
        self._writer.close()
        await self.process.kill()

    async def _answer(self) -> dict[str, object]:
        try:
            line = await self._reader.readline()
        except ConnectionError:
            line = b""
        except ValueError as error:
            raise ChildError(f"the answer is longer than {ANSWER_LIMIT} bytes", reason="answer-too-long") from error
        if not line.endswith(b"\n"):
            raise _crash(await self.process.wait())
        self.busy = False
        return _result(json.loads(line))


def _result(answer: dict[str, object]) -> dict[str, object]:
    if "imaging" in answer:
        raise ImagingError(str(answer["imaging"]), reason=str(answer["reason"]))
    if "memory" in answer:
        raise ChildOutOfMemory(str(answer["memory"]))
    if "error" in answer:
        raise ChildError(str(answer["error"]), traceback=str(answer["traceback"]))
    result = answer["result"]
    if not isinstance(result, dict):
        raise ChildError(f"the function returned {type(result).__name__}, not a dict")
    return result


def _crash(status: int) -> ChildCrashed:
    if status < 0:
        number = signal.Signals(-status)
        return ChildCrashed(f"the child was ended by {number.name}", signal_number=number)
    return ChildCrashed(f"the child ended by itself with status {status}")
