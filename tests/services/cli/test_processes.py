"""The supervisor of separate services replaces one that is not alive any more."""

import asyncio
import signal
import sys
from pathlib import Path

import pytest

from pictor.cli import processes
from pictor.cli.processes import Processes, free_port
from pictor.contracts.modules import Service
from pictor.runtime.embedded.config import Endpoints
from pictor.runtime.embedded.errors import EmbeddedError
from pictor.runtime.settings import Settings

SERVICE = """
import http.server, pathlib, sys

class Health(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(503 if pathlib.Path(sys.argv[2]).exists() else 200)
        self.end_headers()
        self.wfile.write(b"deaf")

http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Health).serve_forever()
"""


@pytest.mark.parametrize("fault", ["frozen", "says so"])
async def test_a_service_that_is_not_alive_is_killed_and_a_healthy_one_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    monkeypatch.setattr(processes, "LIVE_S", 0.2)
    monkeypatch.setattr(processes, "MOST_FAILURES", 3)
    port, sick = free_port("127.0.0.1"), tmp_path / "sick"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SERVICE, str(port), str(sick), stderr=asyncio.subprocess.DEVNULL
    )
    supervisor = Processes(Settings(data_dir=tmp_path), Endpoints())
    supervisor._health[Service.HEADER] = port
    watch = asyncio.create_task(supervisor._watch(Service.HEADER, process))
    await asyncio.sleep(3.0)
    assert process.returncode is None
    if fault == "frozen":
        process.send_signal(signal.SIGSTOP)
    else:
        sick.touch()
    assert await asyncio.wait_for(process.wait(), 30) == -signal.SIGKILL
    await watch


def test_ports_are_of_the_range_that_is_stated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PICTOR_PORTS", "23000-23009")
    assert free_port("127.0.0.1") in range(23000, 23010)
    monkeypatch.setenv("PICTOR_PORTS", "80-90")
    with pytest.raises(EmbeddedError, match=r"PICTOR_PORTS is '80-90'; it must be a range such as 20000-31999"):
        free_port("127.0.0.1")
