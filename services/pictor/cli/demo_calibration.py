"""What the demo shows of the calibration library, each line held against the truth."""

import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx
from rich.box import HEAVY_HEAD
from rich.table import Table

from pictor.cli.upload import Sent
from pictor.runtime.stacking.decide import DEFERRED

DEFERRED_WITHIN_S = 20.0
"""A group is decided about a moment after its last frame."""

MASTERS_WITHIN_S = 120.0

Truths = Sequence[dict[str, Any]]
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Shown:
    """One line of what became of the calibration library."""

    what: str
    found: str
    complaint: str | None = None

    @property
    def ok(self) -> bool:
        """Whether it is as the truth says."""
        return self.complaint is None


def home_of(client: httpx.Client) -> str:
    """Return the observatory the night is uploaded to."""
    found: str = client.get("/observatories").raise_for_status().json()[0]["id"]
    return found


def in_two(frames: Truths) -> tuple[list[Json], list[Json]]:
    """Hold back the darks of the flats: they are sent once the flats were seen to wait for them."""
    exposures = {one["exposure_s"] for one in frames if one["type"] == "FLAT"}
    late = [one for one in frames if one["type"] == "DARK" and one["exposure_s"] in exposures]
    return [one for one in frames if one not in late], late


def waiting_flats(client: httpx.Client, place: str, frames: Truths) -> list[Shown]:
    """See every group of flats deferred, with the sentence operators look for."""
    filters = sorted({one["filter"] for one in frames if one["type"] == "FLAT"})
    end = time.monotonic() + DEFERRED_WITHIN_S
    while True:
        groups = client.get(f"/calibration/needs/{place}").raise_for_status().json()["groups"]
        said = {one["filter"]: one["message"] for one in groups if one["kind"] == "flat" and one["deferred"]}
        if said.keys() >= set(filters) or time.monotonic() > end:
            break
        time.sleep(0.3)
    return [_deferred(name, said.get(name)) for name in filters]


def _deferred(name: str, message: str | None) -> Shown:
    complaint = None if message == DEFERRED else f"flats {name} did not wait for their dark: {message}"
    return Shown(f"flats {name}, before their dark came", message or "not deferred", complaint)


def masters(client: httpx.Client, place: str, frames: Truths) -> list[Shown]:
    """Wait for an active master of every set of calibration frames."""
    sets: dict[tuple[str, str | None, float], int] = defaultdict(int)
    for one in frames:
        sets[one["type"], one["filter"], one["exposure_s"]] += 1
    parameters: dict[str, str | int] = {"is_master": "true", "status": "active", "limit": 200}
    end = time.monotonic() + MASTERS_WITHIN_S
    while True:
        entries = client.get(f"/calibration/library/{place}", params=parameters).raise_for_status().json()["items"]
        darks = [one for one in entries if one["frame_type"] == "dark"]
        shown = [_master(entries, darks, kind, count) for kind, count in sets.items()]
        if all(one.ok for one in shown) or time.monotonic() > end:
            return shown
        time.sleep(0.3)


def _master(entries: list[Json], darks: list[Json], wanted: tuple[str, str | None, float], count: int) -> Shown:
    kind, filter_name, exposure_s = wanted
    what = f"master {kind.lower()} {filter_name or ''}".strip() + ("" if kind == "BIAS" else f", {exposure_s:g} s")
    found = [one for one in entries if one["frame_type"] == kind.lower() and one["filter"] == filter_name]
    if kind == "DARK":
        found = [one for one in found if one["exposure_s"] == exposure_s]
    if len(found) != 1:
        return Shown(what, f"{len(found)} active", f"there are {len(found)} active of {what}, not one")
    (master,) = found
    text = f"active, {master['ncombine']} frames"
    if master["ncombine"] != count:
        return Shown(what, text, f"{what} has {master['ncombine']} of {count} frames")
    if kind == "FLAT":
        dark = next((one for one in darks if one["exposure_s"] == exposure_s), None)
        if dark is None or _made(dark) > _made(master):
            return Shown(what, text, f"{what} was made before its dark")
        text += f"; made {(_made(master) - _made(dark)).total_seconds():.1f} s after its dark"
    return Shown(what, text)


def _made(entry: Json) -> datetime:
    return datetime.fromisoformat(entry["created_at"])


def unmatched(client: httpx.Client, lights: Truths, sent: dict[str, Sent]) -> list[Shown]:
    """See why a light without darks has none, and which setting would give it some."""
    return [
        _explained(client, one["file"], sent[one["file"]].frame_id)
        for one in lights
        if one["expected"].get("calibrated") is False
    ]


def _explained(client: httpx.Client, file: str, frame_id: str | None) -> Shown:
    answer = client.get(f"/frames/{frame_id}/calibration/explain").raise_for_status().json()
    dark = next(one for one in answer["places"] if one["place"] == "dark")
    nearest: Json = next(iter(dark["candidates"]), {"failed": [], "changes": None})
    failed = nearest["failed"]
    wrong = None
    if dark["master_id"] is not None or failed != ["temperature"]:
        wrong = f"{file} should miss its dark by temperature alone: {dark['sentence']}"
    if wrong is None and not nearest["changes"]:
        wrong = f"{file}: no setting is named that would make its dark match"
    return Shown(f"{file.removesuffix('.fits')} has no dark", dark["sentence"], wrong)


def needs(client: httpx.Client, place: str) -> list[Shown]:
    """See what is short, and the capture plan that mends it."""
    found = client.get(f"/calibration/needs/{place}").raise_for_status().json()
    covered = ", ".join(f"{number} {name}" for name, number in found["coverage"].items())
    wrong = None if found["coverage"].get("uncovered") and found["coverage"].get("covered") else f"needs: {covered}"
    items = client.get(f"/calibration/plan/{place}").raise_for_status().json()["items"]
    asked = [f"{one['count']} x {_item(one)}" for one in items]
    dark = any(one["kind"] == "dark" and one["set_temp_c"] == -5.0 and one["exposure_s"] == 60.0 for one in items)
    return [
        Shown(f"needs of {found['lights']} lights", covered, wrong),
        Shown("capture plan", "; ".join(asked) or "empty", None if dark else "the plan lacks the dark at -5 C"),
    ]


def _item(one: Json) -> str:
    parts = [
        one["kind"], one["filter"], None if one["exposure_s"] is None else f"{one['exposure_s']:g} s",
        None if one["set_temp_c"] is None else f"{one['set_temp_c']:g} C",
        None if one["gain_setting"] is None else f"gain {one['gain_setting']:g}",
    ]  # fmt: skip
    return " ".join(part for part in parts if part)


def table_of(lines: Iterable[Shown], *, wide: bool) -> Table:
    """Draw what became of the library."""
    table = Table(title="The calibration library", box=HEAVY_HEAD if wide else None, pad_edge=False)
    for name in ("what", "what became of it", "true"):
        table.add_column(name, overflow="fold")
    for one in lines:
        table.add_row(one.what, one.found, "yes" if one.ok else "NO")
    return table


def pages(url: str, lights: Truths, sent: dict[str, Sent]) -> list[str]:
    """Return the addresses where all of this is shown."""
    unlike = [sent[one["file"]].frame_id for one in lights if one["expected"].get("calibrated") is False]
    tabs = [f"{url}/calibration?tab={tab}" for tab in ("masters", "needs", "coverage")]
    return [*tabs, *(f"{url}/frames/{frame_id}" for frame_id in unlike)]
