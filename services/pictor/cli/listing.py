"""Frames and jobs on the terminal."""

import json as jsonlib
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from pictor.cli.client import CommandError, answer, find_token, gateway, guarded

FRAME_COLUMNS = ("name", "frame_type", "filter", "exposure_s", "night", "state", "grade")
JOB_COLUMNS = ("id", "kind", "frame_name", "lane", "state", "created_at", "reasons")


def frames(frame: str | None, wanted: dict[str, Any], *, url: str, token: str | None, data: Path, json: bool) -> int:
    """List frames, or show one."""
    try:
        with gateway(url, find_token(token, data)) as client:
            if frame:
                found = answer(client.get(f"/frames/{frame}"))
                return _print_one(found)
            found = answer(client.get("/frames", params={k: v for k, v in wanted.items() if v is not None}))
    except CommandError as error:
        return guarded(error)
    return print_list(found, FRAME_COLUMNS, json=json)


def jobs(
    job: str | None, wanted: dict[str, Any], *, cancel: bool, url: str, token: str | None, data: Path, json: bool
) -> int:
    """List jobs, show one, or cancel it."""
    if cancel and not job:
        return guarded(CommandError("--cancel needs the id of a job", 2))
    try:
        with gateway(url, find_token(token, data)) as client:
            if job and cancel:
                return _print_one(answer(client.post(f"/jobs/{job}/cancel")))
            if job:
                return _print_one(answer(client.get(f"/jobs/{job}")))
            found = answer(client.get("/jobs", params={k: v for k, v in wanted.items() if v is not None}))
    except CommandError as error:
        return guarded(error)
    return print_list(found, JOB_COLUMNS, json=json)


def _print_one(found: Any) -> int:  # noqa: ANN401 - JSON
    print(jsonlib.dumps(found, indent=2))
    return 0


def print_list(found: dict[str, Any], columns: tuple[str, ...], *, json: bool) -> int:
    """Print a page of a list as a table, or as JSON."""
    if json:
        return _print_one(found)
    table = Table(*columns)
    for item in found["items"]:
        table.add_row(*(_cell(item.get(column)) for column in columns))
    console = Console()
    console.print(table)
    console.print(f"{len(found['items'])} of {found['total']}")
    return 0


def _cell(value: Any) -> str:  # noqa: ANN401 - JSON
    if value is None:
        return ""
    if isinstance(value, dict):
        return str(value.get("letter") or value.get("status") or "")
    text = "; ".join(map(str, value)) if isinstance(value, list) else str(value)
    return text.encode("unicode_escape").decode("ascii") if not text.isprintable() else text
