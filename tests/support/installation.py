"""A real installation started as a person would: ``pictor up``, and a client with its token."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from pictor.cli.journal import Journal

STOP_S = 60


class Api:
    """A running installation as its users see it; every upload it answered for is in its journal.

    Parameters
    ----------
    data
        Folder of its state, where the administrator's token is.
    url
        Address of the gateway.
    """

    def __init__(self, data: Path, url: str) -> None:
        self.data = data
        self.url = url
        self.journal = data.with_name(f"{data.name}.journal")
        """Where the client writes down every upload that was answered with success."""
        self._client: httpx.Client | None = None

    @property
    def token(self) -> str:
        """Token of the first administrator."""
        return (self.data / "admin.token").read_text().strip()

    @property
    def client(self) -> httpx.Client:
        """A client with the administrator's token."""
        if self._client is None:
            headers = {"Authorization": f"Bearer {self.token}"}
            self._client = httpx.Client(base_url=f"{self.url}/api/v1", headers=headers, timeout=60)
        return self._client

    def close(self) -> None:
        """Close the client."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def send(
        self, path: Path, *, name: str | None = None, observatory: str | None = None, client: httpx.Client | None = None
    ) -> httpx.Response:
        """Send a file by its content, as a plugin would, and return the answer whatever it is."""
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            file.seek(0)
            headers = {"X-Frame-Metadata": json.dumps({"name": name or path.name})}
            headers["Content-Length"] = str(path.stat().st_size)
            place = {"observatory": observatory} if observatory else {}
            found = (client or self.client).put(f"/frames/{digest}", content=file, headers=headers, params=place)
        if found.is_success:
            self.note(digest, path.stat().st_size, found)
        return found

    def note(self, sha256: str, size: int, answer: httpx.Response) -> None:
        """Write an upload that was answered with success into the journal."""
        with Journal(self.journal) as journal:
            journal.add(
                sha256=sha256, size=size, frame_id=answer.json()["frame_id"], status=answer.status_code, server=self.url
            )

    def send_again(self, path: Path, *, within_s: float = 60.0, client: httpx.Client | None = None) -> httpx.Response:
        """Send a file as a patient plugin would: over a broken line and while the gateway says 503, again and again."""
        end = time.monotonic() + within_s
        while True:
            try:
                answer = self.send(path, client=client)
            except httpx.TransportError:
                assert time.monotonic() < end, f"no gateway answered within {within_s} s"
            else:
                if answer.status_code not in {429, 502, 503, 504} or time.monotonic() > end:
                    return answer
            time.sleep(0.5)

    def upload(self, path: Path) -> dict[str, Any]:
        """Send a file that must be accepted."""
        answer = self.send(path)
        assert answer.status_code in {200, 201}, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def get(self, address: str, **parameters: str | int) -> Any:
        """Return the JSON of an address of the API."""
        return self.client.get(address, params=parameters).raise_for_status().json()

    def frame(self, frame_id: str) -> dict[str, Any]:
        """Return all that is known about a frame."""
        found: dict[str, Any] = self.get(f"/frames/{frame_id}")
        return found

    def job(self, job_id: str) -> dict[str, Any]:
        """Return a job with its timeline."""
        found: dict[str, Any] = self.get(f"/jobs/{job_id}")
        return found

    def ended(self, job_id: str, *, within_s: float) -> dict[str, Any]:
        """Wait for the end of a job, however often the gateway is away meanwhile."""
        end = time.monotonic() + within_s
        last: object = None
        while time.monotonic() < end:
            try:
                last = job = self.job(job_id)
            except httpx.HTTPError as error:
                last = error
            else:
                if job["state"] in {"completed", "failed", "cancelled"}:
                    return job
            time.sleep(0.2)
        raise AssertionError(f"job {job_id} did not end within {within_s:.0f} s: {last}")

    def idle(self, *, within_s: float) -> None:
        """Wait until no job is open."""
        end = time.monotonic() + within_s
        while time.monotonic() < end:
            open_jobs = sum(self.get("/jobs", state=state, limit=1)["total"] for state in ("pending", "running"))
            if open_jobs == 0:
                return
            time.sleep(0.3)
        raise AssertionError(f"jobs are still open after {within_s} s")

    def check(self, *, deep: bool = True) -> None:
        """Ask ``pictor check`` whether all invariants hold."""
        done = pictor("check", "--data", str(self.data), *(["--deep"] if deep else []))
        assert done.returncode == 0, done.stdout + done.stderr

    def pictor(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command that talks to this installation with its administrator's token."""
        return pictor(*arguments, PICTOR_URL=self.url, PICTOR_DATA_DIR=str(self.data))


class Installation(Api):
    """A running ``pictor up``."""

    def __init__(self, data: Path, url: str, process: subprocess.Popen[str]) -> None:
        super().__init__(data, url)
        self.process = process

    def pid(self, service: str) -> int:
        """Return the process id of a service of ``--separate``."""
        return int((self.data / "run" / f"{service}.pid").read_text())

    def stop(self) -> tuple[int, str]:
        """Ask it to stop, as Ctrl-C or a service manager would; return the exit code and what else it printed."""
        self.process.send_signal(signal.SIGTERM)
        rest, _ = self.process.communicate(timeout=STOP_S)
        return self.process.returncode, rest


def pictor(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a ``pictor`` command to its end."""
    command = [sys.executable, "-m", "pictor.cli", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=180, check=False, env={**os.environ, **variables}
    )


@contextmanager
def installation(data: Path, *options: str, environment: Mapping[str, str] | None = None) -> Iterator[Installation]:
    """Run ``pictor up`` on a folder until the block ends; it must stop cleanly."""
    command = [sys.executable, "-m", "pictor.cli", "up", "--data", str(data), "--port", "0", *options]
    complaints = data.with_name(f"{data.name}.stderr")
    with complaints.open("ab") as errors:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=errors, text=True, env={**os.environ, **(environment or {})}
        )
    try:
        url = _address(process, complaints)
        flow = Installation(data, url, process)
        try:
            yield flow
        finally:
            flow.close()
        if process.returncode is None:
            code, _ = flow.stop()
            assert code == 0, complaints.read_text()
    finally:
        if process.poll() is None:
            process.terminate()
            process.communicate(timeout=STOP_S)


def _address(process: subprocess.Popen[str], complaints: Path) -> str:
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line.startswith("Pictor ready at "), f"pictor up did not start: {line} {complaints.read_text()}"
    return line.removeprefix("Pictor ready at ").strip()
