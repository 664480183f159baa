"""The desk of dead letters on the terminal."""

import json as jsonlib
from pathlib import Path
from typing import Any

import httpx

from pictor.cli.client import CommandError, answer, find_token, gateway, guarded
from pictor.cli.listing import print_list

COLUMNS = ("id", "module", "reason", "attempt", "parked_at", "message")


def list_letters(wanted: dict[str, Any], *, url: str, token: str | None, data: Path, json: bool) -> int:
    """List dead letters."""
    try:
        with gateway(url, find_token(token, data)) as client:
            found = answer(client.get("/dead-letters", params=_given(wanted)))
    except CommandError as error:
        return guarded(error)
    return print_list(found, COLUMNS, json=json)


def show(letter: int, *, url: str, token: str | None, data: Path, json: bool) -> int:
    """Show one with what it holds and what to do about it."""
    try:
        with gateway(url, find_token(token, data)) as client:
            found = answer(client.get(f"/dead-letters/{letter}"))
    except CommandError as error:
        return guarded(error)
    if json:
        print(jsonlib.dumps(found, indent=2))
        return 0
    for name in ("id", "module", "reason", "attempt", "parked_at", "job_id", "subject", "stream_seq"):
        print(f"{name:<11} {found[name]}")
    if found["settled_at"]:
        print(f"{'settled':<11} {found['settled_as']} by {found['settled_by']}, {found['settled_reason'] or ''}")
    print(f"{'message':<11} {found['message']!r}")
    print(f"{'holds':<11} {jsonlib.dumps(found['body'])}")
    print(f"{'what to do':<11} {found['advice']}")
    return 0


def decide(
    action: str, letter: int | None, wanted: dict[str, Any], *,
    every: bool, because: str | None, url: str, token: str | None, data: Path, json: bool,
) -> int:  # fmt: skip
    """Put back or discard one letter, or all of a kind."""
    if (letter is None) == (not every):
        return guarded(CommandError("give the number of one letter, or --all for every one of a kind", 2))
    address = f"/dead-letters/{action}" if letter is None else f"/dead-letters/{letter}/{action}"
    parameters = _given({**(wanted if every else {}), "because": because})
    try:
        with gateway(url, find_token(token, data)) as client:
            done = answer(client.post(address, params=parameters))
    except CommandError as error:
        return guarded(error)
    return _print(done, action, json=json)


def _print(done: dict[str, Any], action: str, *, json: bool) -> int:
    refused: list[dict[str, Any]] = done.get("refused", [])
    if json:
        print(jsonlib.dumps(done, indent=2))
    elif "settled" in done:
        print(f"{action}: {len(done['settled'])} done, {len(refused)} refused, {done['left']} left")
        for one in refused:
            print(f"  letter {one['id']}: {one['detail']}")
    else:
        print(f"letter {done['id']} {done['settled_as']}")
    return 1 if refused else 0


def _given(wanted: dict[str, Any]) -> httpx.QueryParams:
    given = {name: _text(value) for name, value in wanted.items() if value is not None}
    return httpx.QueryParams(given)


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
