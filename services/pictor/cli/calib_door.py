"""How the calibration commands reach a gateway: which observatory, what it answers, what it refuses."""

import json as jsonlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from rich import box
from rich.console import Console
from rich.table import Table

from pictor.cli.client import CommandError, find_token, gateway, guarded
from pictor.cli.telling import tell


@dataclass(frozen=True, slots=True)
class Door:
    """Where the gateway is, who asks, and how to print what it says."""

    url: str
    token: str | None
    data: Path
    json: bool = False
    observatory: str | None = None


Act = Callable[[httpx.Client], Any]
Show = Callable[[Any], None]


def ask(door: Door, act: Act, show: Show) -> int:
    """Ask, and print the answer; 0 done, 1 refused by the server, 2 wrong call, 3 no gateway."""
    try:
        with gateway(door.url, find_token(door.token, door.data)) as client:
            found = act(client)
    except (CommandError, OSError) as error:
        return guarded(error if isinstance(error, CommandError) else CommandError(str(error), 2))
    if door.json:
        tell(jsonlib.dumps(found, indent=2))
    else:
        show(found)
    return 0


def said(response: httpx.Response) -> Any:  # noqa: ANN401 - JSON
    """Return what a response says; a refusal is raised as the server's own sentence."""
    if response.is_success:
        return response.json() if response.content else {}
    try:
        problem = response.json()
        told = str(problem.get("detail") or problem.get("title"))
        for one in problem.get("errors") or []:
            if one["message"] not in told:
                told += f"\n  {one['field']}: {one['message']}"
    except ValueError:
        told = f"the gateway answers {response.status_code}: {response.text[:200]}"
    raise CommandError(told)


def place_of(client: httpx.Client, door: Door, fact: str = "id") -> str:
    """Return the id (or another fact) of the observatory that is meant: the one named, or the only one there is."""
    found = said(client.get("/observatories"))
    wanted = door.observatory
    fitting = [one for one in found if wanted in {None, one["id"], one["slug"], one["name"]}]
    if len(fitting) == 1:
        return str(fitting[0][fact])
    names = ", ".join(one["slug"] for one in found) or "none"
    why = "name one with --observatory" if wanted is None else f"there is no observatory {wanted}"
    raise CommandError(f"{why}; yours: {names}", 2)


def given(**wanted: object) -> dict[str, str]:
    """Return the query parameters that say something, as the API writes them."""
    return {
        name: str(value).lower() if isinstance(value, bool) else str(value)
        for name, value in wanted.items()
        if value is not None
    }


WIDEST = 2000


def print_table(rows: Iterable[Mapping[str, Any]], columns: tuple[str, ...]) -> None:
    """Print rows as a table, every cell whole: ids and keys are pasted into other commands. Empty columns go."""
    cells = [[cell(row.get(column)) for column in columns] for row in rows]
    told = [i for i in range(len(columns)) if not cells or any(row[i] for row in cells)]
    table = Table(*(columns[i] for i in told), box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for row in cells:
        table.add_row(*(row[i] for i in told))
    console = Console()
    wide = console.measure(table, options=console.options.update(max_width=WIDEST)).maximum
    Console(width=max(1, wide)).print(table)


def print_page(found: Mapping[str, Any], columns: tuple[str, ...]) -> None:
    """Print a page of a list and how much there is beside it."""
    print_table(found["items"], columns)
    tell(f"{len(found['items'])} of {found['total']}")


def print_facts(found: Mapping[str, Any]) -> None:
    """Print what is known, a line each; what is not known is left out."""
    for name, value in found.items():
        if value not in (None, "", [], {}):
            tell(f"{name:<20} {cell(value)}")


def cell(value: object) -> str:
    """Write one value so that it fits a terminal."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list):
        return "; ".join(cell(one) for one in value)
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {cell(one)}" for name, one in value.items() if one is not None)
    text = str(value)
    return text if text.isprintable() else text.encode("unicode_escape").decode("ascii")
