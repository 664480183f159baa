"""What is missing, what to shoot, why a light has its masters, and what other settings would change."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import httpx

from pictor.cli.calib_door import Door, ask, cell, given, place_of, print_table, said
from pictor.cli.calib_settings import merged, read_changes
from pictor.cli.client import CommandError, find_token, gateway, guarded
from pictor.cli.telling import tell

NEED_COLUMNS = (
    "coverage", "kind", "filter", "exposure_s", "gain", "temp_c", "lights", "waiting", "frames", "reason",
)  # fmt: skip
GROUP_COLUMNS = ("group_key", "have", "minimum", "refused", "message")
AGING_COLUMNS = ("coverage", "kind", "filter", "exposure_s", "gain", "temp_c", "age_days", "expires_at", "master_id")
EFFECT_COLUMNS = ("effect", "place", "night", "lights", "filter", "exposure_s", "gain_setting", "temp_c", "reason")
CANDIDATES = 3
"""Candidates told per place; --json has all that the server tells."""


def needs(days: int | None, door: Door) -> int:
    """Show what recent lights ask for and how well it is covered, and the groups without a master."""

    def act(client: httpx.Client) -> Any:  # noqa: ANN401 - JSON
        return said(client.get(f"/calibration/needs/{place_of(client, door)}", params=given(days=days)))

    return ask(door, act, _needs)


def _needs(found: Mapping[str, Any]) -> None:
    rows = [
        {
            **one, "gain": one["mode"]["gain_setting"], "waiting": one["waiting_lights"],
            "frames": f"{one['have']} of {one['minimum']}",
        }
        for one in found["needs"]
    ]  # fmt: skip
    counts = ", ".join(f"{number} {name}" for name, number in found["coverage"].items()) or "nothing is asked for"
    tell(f"{found['lights']} lights of the last {found['window_days']} days: {counts}")
    if rows:
        print_table(rows, NEED_COLUMNS)
    if found["groups"]:
        tell("Groups without a master (create one by its key: pictor calib create KEY --force):")
        print_table(found["groups"], GROUP_COLUMNS)
    if found["aging"]:
        tell("Masters that are expired (they stay in use) or will be soon:")
        print_table([{**one, "gain": one["mode"]["gain_setting"]} for one in found["aging"]], AGING_COLUMNS)


def plan(form: str, days: int | None, door: Door) -> int:
    """Print the capture plan as a capture program fetches it: the text itself, nothing around it."""
    try:
        with gateway(door.url, find_token(door.token, door.data)) as client:
            address = f"/calibration/plan/{place_of(client, door)}"
            answer = client.get(address, params=given(format=form, days=days))
            if not answer.is_success:
                said(answer)
    except CommandError as error:
        return guarded(error)
    tell(answer.text.replace("\r\n", "\n").rstrip("\n"))
    return 0


def explain(frame: str, door: Door) -> int:
    """Show which masters a light gets, and each rule of the nearest that it does not get."""

    def act(client: httpx.Client) -> Any:  # noqa: ANN401 - JSON
        return said(client.get(f"/frames/{frame_id(frame)}/calibration/explain"))

    return ask(door, act, _explained)


def frame_id(text: str) -> UUID:
    """Read the id of a frame."""
    try:
        return UUID(text)
    except ValueError:
        raise CommandError(f"{text} is not the id of a frame; pictor frames --json lists them", 2) from None


def _explained(found: Mapping[str, Any]) -> None:
    if not found["places"]:
        tell(found["sentence"])
    for one in found.get("superseded", ()):
        tell(one["sentence"])
    for place in found["places"]:
        tell(f"{place['place']}: {place['sentence']}")
        for one in place["candidates"][:CANDIDATES]:
            _candidate(one)
        more = place["candidates_total"] - CANDIDATES
        if more > 0:
            tell(f"  and {more} more (--json)")


def _candidate(one: Mapping[str, Any]) -> None:
    standing = "chosen" if one["chosen"] else "matches" if one["matches"] else "no match"
    aged = ", expired" if one["expired"] else ""
    tell(f"  {standing}: {one['master_id']}, {one['status']}{aged}, {one['frames']} frames of {one['taken_at'][:10]}")
    for rule in one["rules"]:
        if not rule["passed"] or rule["weak"]:
            tell(f"    {'weak' if rule['passed'] else 'fails'}: {rule['sentence']}")
    for change in one["changes"] or ():
        tell(f"    would match with {change['setting']} {cell(change['needed'])} (now {cell(change['now'])})")


def dry_run(texts: Sequence[str], days: int | None, door: Door) -> int:
    """Show which lights would gain, lose or change a master with some settings changed; change nothing."""
    try:
        wanted, back = read_changes(list(texts))
    except CommandError as error:
        return guarded(error)

    def act(client: httpx.Client) -> Any:  # noqa: ANN401 - JSON
        address, now, _ = merged(client, door, wanted, back)
        body = {"settings": now} | ({} if days is None else {"days": days})
        return said(client.post(f"{address}/dry-run", json=body))

    return ask(door, act, _tried)


def _tried(found: Mapping[str, Any]) -> None:
    numbers = ", ".join(f"{found[name]} {name}" for name in ("gaining", "losing", "changing", "unchanged"))
    tell(f"{found['lights']} lights: {numbers}")
    if found["effects"]:
        print_table(found["effects"], EFFECT_COLUMNS)
