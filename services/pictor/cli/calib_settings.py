"""Calibration settings on the terminal: how they are written, shown and changed."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import httpx

from pictor.cli.calib_door import Door, ask, place_of, print_table, said
from pictor.cli.client import CommandError, guarded
from pictor.imaging.matching.policy import RANGES, Policy, PolicyError, consistent, validate

DEFAULT = "=default"


def read_settings(said: list[str]) -> dict[str, Any]:
    """Read settings written as NAME=VALUE and hold each against its range."""
    found: dict[str, Any] = {}
    for text in said:
        name, equals, value = text.partition("=")
        if not equals or not value:
            raise CommandError(f"write a setting as NAME=VALUE, such as min_frames=15, not {text!r}", 2)
        if name in found:
            raise CommandError(f"{name} is given twice", 2)
        found[name] = _value(name, value)
    try:
        consistent(validate(found))
    except PolicyError as error:
        raise CommandError(str(error), 2) from error
    return found


def _value(name: str, text: str) -> str | int | float:
    """Read a value in the type of its setting; a wrong one stays text, which the policy then refuses."""
    if name not in RANGES:
        return text
    try:
        return int(text) if isinstance(getattr(Policy(), name), int) else float(text)
    except ValueError:
        return text


def show(door: Door) -> int:
    """Show every setting with its default and its range."""

    def act(client: httpx.Client) -> Any:  # noqa: ANN401 - JSON
        return said(client.get(f"/observatories/{place_of(client, door)}/calibration-settings"))

    return ask(door, act, _show)


def change(texts: list[str], door: Door) -> int:
    """Change some settings and leave the others; NAME=default takes a change back."""
    try:
        wanted, back = read_changes(texts)
    except CommandError as error:
        return guarded(error)

    def act(client: httpx.Client) -> Any:  # noqa: ANN401 - JSON
        address, now, tag = merged(client, door, wanted, back)
        return said(client.put(address, json={"settings": now}, headers={"If-Match": tag}))

    return ask(door, act, _show)


def merged(
    client: httpx.Client, door: Door, wanted: Mapping[str, Any], back: set[str]
) -> tuple[str, dict[str, Any], str]:
    """Return the address of the settings, what they would be with some changed, and the tag of what they are."""
    address = f"/observatories/{place_of(client, door)}/calibration-settings"
    before = client.get(address)
    kept = {one["name"]: one["value"] for one in said(before)["settings"] if one["changed"]}
    now = {name: value for name, value in (kept | dict(wanted)).items() if name not in back}
    return address, now, before.headers["ETag"]


def read_changes(texts: list[str]) -> tuple[dict[str, Any], set[str]]:
    """Read settings that change, and the names of those that get their default again."""
    back = {text.removesuffix(DEFAULT) for text in texts if text.endswith(DEFAULT)}
    wanted = read_settings([text for text in texts if not text.endswith(DEFAULT)])
    unknown = sorted(back - set(asdict(Policy())))
    if unknown:
        raise CommandError(f"there is no setting {', '.join(unknown)}", 2)
    return wanted, back


def _show(found: Mapping[str, Any]) -> None:
    rows = [
        {**one, "range": _range(one), "setting": one["name"] + (" *" if one["changed"] else "")}
        for one in found["settings"]
    ]
    print_table(rows, ("setting", "value", "default", "range", "description"))
    changed = f"version {found['version']}"
    if found["changed_by"]:
        changed += f", changed by {found['changed_by']} at {found['changed_at']}"
    print(f"{changed}; * differs from the default")


def _range(one: Mapping[str, Any]) -> str:
    if one["choices"]:
        return ", ".join(one["choices"])
    return "text" if one["low"] is None else f"{one['low']:g} to {one['high']:g}"
