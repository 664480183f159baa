"""The calibration library on the terminal: what there is, and what a person decides."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx

from pictor.cli.calib_door import Door, ask, cell, given, place_of, print_facts, print_page, print_table, said
from pictor.cli.client import CommandError
from pictor.cli.telling import tell

MASTER_COLUMNS = (
    "id", "frame_type", "status", "expired", "camera_name", "filter", "exposure_s", "gain_setting", "set_temp_c",
    "ncombine", "taken_at", "reasons",
)  # fmt: skip
FRAME_COLUMNS = (
    "id", "frame_type", "name", "camera_name", "filter", "exposure_s", "gain_setting", "set_temp_c", "taken_at",
    "not_stacked",
)  # fmt: skip
POLL_S = 1.0
UPLOAD_S = 600.0


def masters(wanted: Mapping[str, Any], door: Door) -> int:
    """List masters, or the individual frames no active master was made of."""

    def act(client: httpx.Client) -> Any:  # noqa: ANN401 - JSON
        return said(client.get(f"/calibration/library/{place_of(client, door)}", params=given(**wanted)))

    columns = MASTER_COLUMNS if wanted.get("is_master") else FRAME_COLUMNS
    return ask(door, act, lambda found: print_page(found, columns))


def show(frame: str, door: Door) -> int:
    """Show everything about one master or individual frame."""
    return ask(door, lambda client: said(client.get(f"/calibration/frames/{master_id(frame)}")), _show)


QUIET = {"master", "individual", "facts", "policy", "statistics", "checks", "files", "lights"}
"""Long parts of an entry; --json has them."""


def _show(found: Mapping[str, Any]) -> None:
    part = found["master"] or found["individual"]
    print_facts({name: value for name, value in {**part, **found}.items() if name not in QUIET})
    for check in part.get("checks") or []:
        tell(f"{check['verdict']:<13} {check['name']}: {check['detail']}")
    for note in (part.get("statistics") or {}).get("notes") or []:
        tell(f"on adoption: {note}")
    settings = ", ".join(f"{name} {cell(value)}" for name, value in (part.get("policy") or {}).items())
    if settings:
        tell(f"made with {settings}")


def create(wanted: Mapping[str, Any], *, wait: bool, door: Door) -> int:
    """Order the stack of one group; with ``wait`` the exit code is that of the stack."""

    def act(client: httpx.Client) -> Any:  # noqa: ANN401 - JSON
        body = {"observatory_id": place_of(client, door), **wanted}
        ordered = said(client.post("/calibration/masters/create", json=body))
        if wait:
            ordered["job"] = wait_for(client, ordered["job_id"])
        return ordered

    return ask(door, act, _ordered)


def _ordered(found: Mapping[str, Any]) -> None:
    tell(f"job {found['job_id']}: {found['frames']} frames of {found['group_key']}; {found['message']}")
    if "job" in found:
        tell(found["job"]["state"])


def wait_for(client: httpx.Client, job_id: str) -> dict[str, Any]:
    """Wait for the end of a job; one that failed is raised with its reasons."""
    while True:
        job: dict[str, Any] = said(client.get(f"/jobs/{job_id}"))
        if job["state"] == "completed":
            return job
        if job["state"] in {"failed", "cancelled"}:
            raise CommandError(f"job {job_id} {job['state']}: {'; '.join(job.get('reasons') or []) or 'no reason'}")
        time.sleep(POLL_S)


def upload(path: Path, stated: Mapping[str, Any], *, wait: bool, door: Door) -> int:
    """Upload a master made elsewhere; it is validated and judged like our own."""

    def act(client: httpx.Client) -> Any:  # noqa: ANN401 - JSON
        where = given(**stated, name=path.name, observatory=place_of(client, door, "slug"))
        headers = {"Content-Type": "application/fits"}
        with path.open("rb") as body:
            answer = client.post(
                "/calibration/masters/upload", params=where, content=body, headers=headers, timeout=UPLOAD_S
            )
        taken = said(answer)
        if wait and taken["job_id"]:
            taken["job"] = wait_for(client, taken["job_id"])
        return taken

    return ask(door, act, _taken)


def _taken(found: Mapping[str, Any]) -> None:
    if found["job_id"] is None:
        tell(f"these bytes were judged before: master {found['master_id']} is {found['state']}")
        return
    tell(f"frame {found['frame_id']}, judged by job {found['job_id']}")
    if "job" in found:
        tell(found["job"]["state"])


def recall(master: str, because: str, door: Door, *, dry_run: bool) -> int:
    """Take a master out of use for good; what was made with it is listed and made again."""

    def act(client: httpx.Client) -> Any:  # noqa: ANN401 - JSON
        path = f"/calibration/masters/{master_id(master)}/recall"
        return said(client.post(path, json={"because": because}, params=given(dry_run=dry_run)))

    return ask(door, act, print_facts)


def review(master: str, decision: str, because: str, door: Door) -> int:
    """Decide about a candidate that waits for a person."""
    body = {"decision": decision, "because": because}

    def act(client: httpx.Client) -> Any:  # noqa: ANN401 - JSON
        return said(client.post(f"/calibration/masters/{master_id(master)}/review", json=body))

    return ask(door, act, print_facts)


def master_id(text: str) -> UUID:
    """Read the id of a master or individual frame."""
    try:
        return UUID(text)
    except ValueError:
        raise CommandError(f"{text} is not the id of a master; pictor calib masters lists them", 2) from None


def diary(wanted: Mapping[str, Any], door: Door) -> int:
    """Show what the detector was measured to be, over time."""

    def act(client: httpx.Client) -> Any:  # noqa: ANN401 - JSON
        return said(client.get(f"/calibration/diary/{place_of(client, door)}", params=given(**wanted)))

    return ask(door, act, _diary)


def _diary(found: Mapping[str, Any]) -> None:
    if not found["series"]:
        tell("no readings; they come with the masters that pass their gate")
    for series in found["series"]:
        camera = series["rig"] or series["camera_name"] or series["camera_mode"]
        gain = "" if series["gain_setting"] is None else f", gain {series['gain_setting']:g}"
        tell(f"{series['kind']} in {series['unit']}: {camera}{gain}, binning {series['binning_x']}")
        print_table(series["readings"], ("taken_at", "value", "temp_c", "exposure_s", "superseded", "master_id"))
