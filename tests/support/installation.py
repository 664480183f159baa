"""A real installation started as a person would: ``pictor up``, and a client with its token."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

READY_S = 120


@dataclass
class Installation:
    """A running ``pictor up``."""

    data: Path
    url: str
    process: subprocess.Popen[str]
    client: httpx.Client

    def pid(self, service: str) -> int:
        """Return the process id of a service of ``--separate``."""
        return int((self.data / "run" / f"{service}.pid").read_text())

    def upload(self, path: Path) -> dict[str, Any]:
        """Send a file by its content, as a plugin would."""
        body = path.read_bytes()
        headers = {"X-Frame-Metadata": json.dumps({"name": path.name})}
        answer = self.client.put(f"/frames/{hashlib.sha256(body).hexdigest()}", content=body, headers=headers)
        assert answer.status_code in {200, 201}, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def job(self, job_id: str) -> dict[str, Any]:
        """Return a job with its timeline."""
        found: dict[str, Any] = self.client.get(f"/jobs/{job_id}").raise_for_status().json()
        return found

    def ended(self, job_id: str, *, within_s: float) -> dict[str, Any]:
        """Wait for the end of a job."""
        end = time.monotonic() + within_s
        while time.monotonic() < end:
            job = self.job(job_id)
            if job["state"] in {"completed", "failed", "cancelled"}:
                return job
            time.sleep(0.2)
        raise AssertionError(f"job {job_id} did not end within {within_s} s: {self.job(job_id)}")

    def idle(self, *, within_s: float) -> None:
        """Wait until no job is open."""
        end = time.monotonic() + within_s
        while time.monotonic() < end:
            open_jobs = sum(
                self.client.get("/jobs", params={"state": state, "limit": 1}).raise_for_status().json()["total"]
                for state in ("pending", "running")
            )
            if open_jobs == 0:
                return
            time.sleep(0.3)
        raise AssertionError(f"jobs are still open after {within_s} s")

    def check(self, *, deep: bool = True) -> None:
        """Ask ``pictor check`` whether all invariants hold."""
        command = [sys.executable, "-m", "pictor.cli", "check", "--data", str(self.data), *(["--deep"] if deep else [])]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


@contextmanager
def installation(data: Path, *options: str, environment: dict[str, str] | None = None) -> Iterator[Installation]:
    """Run ``pictor up`` on a folder until the block ends; it must stop cleanly."""
    command = [sys.executable, "-m", "pictor.cli", "up", "--data", str(data), "--port", "0", *options]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, **(environment or {})}
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line.startswith("Pictor ready at "):
        process.kill()
        raise AssertionError(f"pictor up did not start: {line} {process.communicate()[1]}")
    url = line.removeprefix("Pictor ready at ").strip()
    token = (data / "admin.token").read_text().strip()
    with httpx.Client(base_url=f"{url}/api/v1", headers={"Authorization": f"Bearer {token}"}, timeout=60) as client:
        yield Installation(data, url, process, client)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=60) == 0
