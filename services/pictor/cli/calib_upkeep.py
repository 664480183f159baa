"""Stacking jobs and the upkeep of the calibration library on the terminal."""

from collections.abc import Callable, Mapping
from typing import Any

import httpx

from pictor.cli.calib import wait_for
from pictor.cli.calib_door import Door, ask, given, place_of, print_page, print_table, said

JOB_COLUMNS = ("id", "state", "frame_type", "group_key", "frames", "created_at", "master_state", "reasons")


def jobs(wanted: Mapping[str, Any], door: Door) -> int:
    """List stacking jobs, newest first."""

    def act(client: httpx.Client) -> Any:  # noqa: ANN401 - JSON
        return said(client.get(f"/calibration/jobs/{place_of(client, door)}", params=given(**wanted)))

    return ask(door, act, lambda found: print_page(found, JOB_COLUMNS))


def retry(job: str, *, wait: bool, door: Door) -> int:
    """Give a failed stacking job another run; with ``wait`` the exit code is that of the run."""

    def act(client: httpx.Client) -> Any:  # noqa: ANN401 - JSON
        again = said(client.post(f"/calibration/jobs/{job}/retry"))
        if wait:
            again["job"] = wait_for(client, job)
        return again

    return ask(door, act, lambda found: print(f"job {job}: {found.get('job', found)['state']}"))


def discard(job: str, door: Door) -> int:
    """Delete a failed stacking job with the candidate it left."""

    def act(client: httpx.Client) -> Any:  # noqa: ANN401 - JSON
        said(client.delete(f"/calibration/jobs/{job}"))
        return {"id": job, "deleted": True}

    return ask(door, act, lambda _: print(f"job {job} deleted"))


def cache_clear(*, dry_run: bool, door: Door) -> int:
    """Remove calibrated lights; each is made again when somebody asks."""

    def act(client: httpx.Client) -> Any:  # noqa: ANN401 - JSON
        where = None if door.observatory is None else place_of(client, door)
        return _work(client, "cache-clear", observatory_id=where, dry_run=dry_run)

    return ask(door, act, lambda found: print(_told(found, f"{found['calibrated']} calibrated lights removed")))


def expiry_check(*, dry_run: bool, door: Door) -> int:
    """Warn of masters that are too old; none is taken out of use."""

    def show(found: Mapping[str, Any]) -> None:
        print(_told(found, f"{found['expired']} masters newly expired, {found['taken_back']} warnings taken back"))
        if found["masters"]:
            print_table(found["masters"], ("observatory", "frame_type", "group_key", "age_days", "max_age_days", "id"))

    return ask(door, _act("expiry-check", dry_run=dry_run), show)


def retention(*, dry_run: bool, door: Door) -> int:
    """Delete used individual frames and superseded masters beyond their days."""

    def show(found: Mapping[str, Any]) -> None:
        gone = f"{found['frame_count']} individual frames and {found['master_count']} superseded masters deleted"
        print(_told(found, f"{gone}, {found['size'] / 1e6:.1f} MB"))
        for kind in ("frames", "masters"):
            if found[kind]:
                print_table(found[kind], ("name", "since", "days", "size", "id"))

    return ask(door, _act("retention-cleanup", dry_run=dry_run), show)


def health(door: Door) -> int:
    """Say what somebody has to do; exit 1 when there is something."""
    seen: list[int] = []

    def act(client: httpx.Client) -> Any:  # noqa: ANN401 - JSON
        found = said(client.get("/calibration/health"))
        seen.append(len(found["problems"]))
        return found

    def show(found: Mapping[str, Any]) -> None:
        for problem in found["problems"] or ["nothing to do"]:
            print(problem)

    return ask(door, act, show) or int(bool(seen and seen[0]))


def _act(work: str, *, dry_run: bool) -> Callable[[httpx.Client], Any]:
    return lambda client: _work(client, work, dry_run=dry_run)


def _work(client: httpx.Client, work: str, **wanted: object) -> Any:  # noqa: ANN401 - JSON
    return said(client.post(f"/calibration/maintenance/{work}", params=given(**wanted)))


def _told(found: Mapping[str, Any], text: str) -> str:
    return f"would be: {text}" if found["dry_run"] else text
