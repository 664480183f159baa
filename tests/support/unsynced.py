"""A nats-server with its default, unsafe, sync interval."""

import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from pictor.cli.processes import free_port


@contextmanager
def unsynced_nats(folder: Path) -> Iterator[str]:
    """Run one until the block ends; yields its monitoring address."""
    port, monitor = free_port("127.0.0.1"), free_port("127.0.0.1")
    program = Path(sys.executable).with_name("nats-server")
    command = [str(program if program.exists() else shutil.which("nats-server")), "-a", "127.0.0.1", "-p", str(port)]
    address = f"http://127.0.0.1:{monitor}"
    with subprocess.Popen(
        [*command, "-m", str(monitor), "-js", "-sd", str(folder)], stderr=subprocess.DEVNULL
    ) as process:
        try:
            end = time.monotonic() + 10
            while time.monotonic() < end:
                try:
                    if httpx.get(f"{address}/healthz").is_success:
                        break
                except httpx.TransportError:
                    time.sleep(0.05)
            yield address
        finally:
            process.terminate()
