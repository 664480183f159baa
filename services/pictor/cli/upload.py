"""The reference upload client: asks first, sends once, survives a bad line."""

import hashlib
import json as jsonlib
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import httpx
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from pictor.cli.client import CommandError, find_token, gateway, guarded
from pictor.cli.journal import Journal

SUFFIXES = (".fits", ".fit", ".fts", ".fits.fz", ".fit.fz", ".fits.gz", ".fit.gz", ".xisf")
CHUNK = 1 << 20
SETTLED_S = 2.0
"""A file that did not change for this long is complete."""

RETRIES = 8

Progressing = Callable[[int], None]
"""Called with the number of bytes just sent."""


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of one file."""

    file: str
    outcome: str
    frame_id: str | None = None
    job_id: str | None = None
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class Manner:
    """How files are sent."""

    watch: bool = False
    bulk: bool = False
    limit_mbit: float | None = None
    json: bool = False


def main(paths: list[Path], *, url: str, token: str | None, data: Path, journal: Path, manner: Manner) -> int:
    """Upload files and folders; exit 1 when a file was refused."""
    try:
        with gateway(url, find_token(token, data)) as client, _opened(journal) as book:
            sent = _session(client, paths, book, manner)
    except CommandError as error:
        return guarded(error)
    except KeyboardInterrupt:
        return 130
    return 1 if any(one.outcome == "refused" for one in sent) else 0


def _opened(path: Path) -> Journal:
    try:
        return Journal(path)
    except OSError as error:
        raise CommandError(f"the journal {path} cannot be written: {error.strerror}; give --journal FILE", 2) from error


def _session(client: httpx.Client, paths: list[Path], journal: Journal, manner: Manner) -> list[Sent]:
    done: dict[Path, float] = {}
    results: list[Sent] = []
    console = Console(stderr=manner.json)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=console, transient=True, redirect_stdout=sys.stdout.isatty()) as progress:
        while True:
            for path in _complete(paths, done, settle=manner.watch):
                done[path] = path.stat().st_mtime
                task = progress.add_task(path.name, total=path.stat().st_size)
                sent = upload_one(client, path, manner, journal=journal, on_bytes=partial(progress.advance, task))
                progress.remove_task(task)
                results.append(sent)
                if manner.json:
                    print(jsonlib.dumps(asdict(sent)), flush=True)
                else:
                    console.print(
                        f"{sent.outcome:<10} {sent.file} {sent.detail or ''}",
                        highlight=False,
                        markup=False,
                        soft_wrap=True,
                    )
            if not manner.watch:
                return results
            time.sleep(1.0)


def _complete(paths: list[Path], done: dict[Path, float], *, settle: bool) -> Iterator[Path]:
    for root in paths:
        files = sorted(p for p in root.rglob("*") if p.is_file()) if root.is_dir() else [root]
        for path in files:
            if root.is_dir() and not path.name.lower().endswith(SUFFIXES):
                continue
            changed = path.stat().st_mtime
            if done.get(path) != changed and (not settle or time.time() - changed > SETTLED_S):
                yield path


def upload_one(
    client: httpx.Client,
    path: Path,
    manner: Manner = Manner(),
    *,
    journal: Journal | None = None,
    on_bytes: Progressing | None = None,
) -> Sent:
    """Send one file by its content; try again over a bad line or a busy gateway, and write down what was accepted."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    pause = 1.0
    for attempt in range(RETRIES):
        try:
            response = _ask_and_put(client, path, digest, manner, on_bytes)
        except httpx.TransportError:
            if attempt == RETRIES - 1:
                raise
        else:
            if response.status_code not in {429, 502, 503, 504}:
                sent = _outcome(path, response)
                if journal is not None and sent.frame_id is not None:
                    journal.add(
                        sha256=digest, size=path.stat().st_size, frame_id=sent.frame_id, name=path.name,
                        status=response.status_code, server=_server(client),
                    )  # fmt: skip
                return sent
            pause = float(response.headers.get("Retry-After", pause))
        time.sleep(pause)
        pause = min(pause * 2, 60.0)
    return Sent(str(path), "refused", detail="the gateway stayed busy; try again later")


def _ask_and_put(
    client: httpx.Client, path: Path, digest: str, manner: Manner, on_bytes: Progressing | None
) -> httpx.Response:
    known = client.head(f"/frames/{digest}")
    if known.status_code == httpx.codes.OK:
        return known
    size = path.stat().st_size
    metadata = jsonlib.dumps({"name": path.name, "size": size, "lane": "bulk" if manner.bulk else "live"})
    headers = {"X-Frame-Metadata": metadata, "Content-Type": "application/octet-stream", "Content-Length": str(size)}
    body = _chunks(path, manner.limit_mbit, on_bytes)
    return client.put(f"/frames/{digest}", content=body, headers=headers, timeout=300)


def _server(client: httpx.Client) -> str:
    return f"{client.base_url.scheme}://{client.base_url.netloc.decode()}"


def _chunks(path: Path, limit_mbit: float | None, on_bytes: Progressing | None) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            yield chunk
            if on_bytes:
                on_bytes(len(chunk))
            if limit_mbit:
                time.sleep(len(chunk) * 8 / (limit_mbit * 1e6))


def _outcome(path: Path, response: httpx.Response) -> Sent:
    if response.request.method == "HEAD":
        return Sent(str(path), "duplicate", response.headers["X-Frame-Id"], detail="already there")
    try:
        body = response.json()
    except ValueError:
        body = {}
    if response.is_success:
        outcome = "duplicate" if body.get("duplicate") else "sent"
        return Sent(str(path), outcome, body.get("frame_id"), body.get("job_id"))
    return Sent(str(path), "refused", detail=f"{body.get('title')}: {body.get('detail')} (HTTP {response.status_code})")
