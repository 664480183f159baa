"""One pixel child as its parent sees it."""

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from pictor.runtime.child.answers import level_of, result_of
from pictor.runtime.child.enclosure import Level, Reach
from pictor.runtime.child.errors import ChildCrashed, ChildError
from pictor.runtime.child.limits import Limits
from pictor.runtime.child.process import Process, Program
from pictor.runtime.child.voice import OUTPUT_LIMIT, Voice

ANSWER_LIMIT = 4 << 20
"""Bytes of the longest answer: results are numbers; pixels and long tables are files. 5,000 cards are below 1 MiB."""


class Child:
    """A started child and the channel to it."""

    def __init__(
        self, process: Process, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, voice: Voice
    ) -> None:
        self.process = process
        self.calls = 0
        self.busy = False
        self._reader = reader
        self._writer = writer
        self._voice = voice

    @classmethod
    async def spawn(
        cls, limits: Limits, warm: Sequence[str], environment: Mapping[str, str], *, reach: Reach | None = None
    ) -> "Child":
        """Start a child; it answers ``ready`` once it is warm and enclosed."""
        ours, theirs = socket.socketpair()
        listening, speaking = os.pipe()
        texts = [json.dumps(one) for one in (asdict(limits), list(warm), None if reach is None else asdict(reach))]
        argv = [sys.executable, "-P", "-m", "pictor.runtime.child.main", str(theirs.fileno()), *texts]
        try:
            with theirs:
                process = Process.start(
                    Program(argv, limits.environment(environment), output=speaking, pass_fds=(theirs.fileno(),))
                )
        except BaseException:
            os.close(listening)
            ours.close()
            raise
        finally:
            os.close(speaking)
        voice = Voice(lambda: process.send_group(signal.SIGKILL))
        await asyncio.get_running_loop().connect_read_pipe(lambda: voice, os.fdopen(listening, "rb", buffering=0))
        reader, writer = await asyncio.open_connection(sock=ours, limit=ANSWER_LIMIT)
        return cls(process, reader, writer, voice)

    async def ready(self) -> Level:
        """Wait until the child is warm; tells how far the kernel went along with its enclosure."""
        return level_of(await self._answer())

    async def ask(self, function: str, arguments: Mapping[str, object], *, timeout_s: float) -> dict[str, object]:
        """Run one function in the child.

        Raises
        ------
        ImagingError
            If the function found the frame at fault.
        ChildCrashed
            If the process ended.
        ChildError
            If the function raised anything else, or the answer is none.
        """
        self.calls += 1
        asked = {"function": function, "arguments": dict(arguments), "seconds": timeout_s, "call": self.calls}
        request = json.dumps(asked, allow_nan=False)
        self.busy = True
        self._voice.begin()
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
            raise self._crash(await self.process.wait())
        try:
            result = result_of(line, self.calls)
        except ChildError as error:
            self.busy = error.reason == "garbage"
            raise
        except BaseException:
            self.busy = False
            raise
        self.busy = False
        return result

    def _crash(self, status: int) -> ChildCrashed:
        words = f"; it said last: {self._voice.words[-500:].strip()}" if self._voice.words.strip() else ""
        if self._voice.exceeded:
            return ChildCrashed(f"the child printed more than {OUTPUT_LIMIT} bytes", reason="output-limit")
        if status < 0:
            number = signal.Signals(-status)
            reason = "cpu-limit" if number is signal.SIGXCPU else None
            return ChildCrashed(f"the child was ended by {number.name}{words}", signal_number=number, reason=reason)
        return ChildCrashed(f"the child ended by itself with status {status} and no answer{words}")
