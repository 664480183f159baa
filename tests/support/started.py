"""A `pictor` that has started already: each call is a fork of one process that holds the libraries.

A guide calls it a dozen times, and each time Python, numpy, astropy and numba would be loaded anew. What a call does is
all its own: arguments, folder, environment, standard streams, exit code.
"""

import atexit
import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

LIBRARIES = ("astropy.io.fits", "astropy.time", "numba", "scipy.ndimage", "scipy.optimize", "pictor.cli.main")
FAILED = 70

CALL = """#!{python} -IS
import json, os, socket, sys
line = socket.socket(socket.AF_UNIX)
line.connect({address!r})
call = json.dumps([sys.argv[1:], os.getcwd(), dict(os.environ)]).encode()
socket.send_fds(line, [len(call).to_bytes(4, "big")], [0, 1, 2])
line.sendall(call)
sys.exit(int(line.recv(4) or {failed}))
"""


@contextmanager
def started(folder: Path) -> Iterator[Path]:
    """Start it in a folder; gives the program to call."""
    address, program = folder / "line", folder / "pictor-started"
    program.write_text(CALL.format(python=sys.executable, address=str(address), failed=FAILED), encoding="utf-8")
    program.chmod(0o755)
    command = [sys.executable, "-m", "tests.support.started", str(address)]
    root = Path(__file__).parents[2]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=root) as serving:
        try:
            assert serving.stdout is not None
            assert serving.stdout.readline() == b"ready\n"
            yield program
        finally:
            serving.terminate()


def serve(address: str) -> None:
    """Load the libraries and answer calls until standard input ends."""
    for library in LIBRARIES:
        import_module(library)
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(address)
    listening.listen()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    print("ready", flush=True)
    while sys.stdin not in select.select([listening, sys.stdin], [], [])[0]:
        line, _ = listening.accept()
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            _answer(line)
        line.close()


def _answer(line: socket.socket) -> None:
    """Run one call in a process of its own and tell its exit code."""
    head, streams, _, _ = socket.recv_fds(line, 4, 3)
    size, call = int.from_bytes(head, "big"), b""
    while len(call) < size:
        call += line.recv(size - len(call))
    pid = os.fork()
    if pid == 0:
        line.close()
        _run(streams, *json.loads(call))
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    line.sendall(str(code if code >= 0 else 128 - code).encode())
    os._exit(0)


def _run(streams: list[int], arguments: list[str], folder: str, environment: dict[str, str]) -> None:
    code = FAILED
    try:
        for number, one in enumerate(streams):
            os.dup2(one, number)
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(environment)
        sys.argv = ["pictor", *arguments]
        import_module("pictor.cli.main").main()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    finally:
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    serve(sys.argv[1])
