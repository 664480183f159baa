"""Options that the calibration commands share."""

from enum import StrEnum
from typing import Annotated, TypeAlias

import typer

Place: TypeAlias = Annotated[
    str | None,
    typer.Option("--observatory", envvar="PICTOR_OBSERVATORY", help="Id, slug or name; needless where there is one."),
]
Because = Annotated[str, typer.Option("--because", help="Why; it is kept with the master and in the audit log.")]
Wait = Annotated[bool, typer.Option("--wait", help="Wait for the end; exit 1 when it failed.")]
Number = Annotated[int, typer.Option("--page", min=1, help="Page, from 1.")]
Limit = Annotated[int, typer.Option(min=1, max=200, help="Rows on a page.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")]


class PlanForm(StrEnum):
    """How a capture plan is written."""

    JSON = "json"
    CSV = "csv"


class Decision(StrEnum):
    """What becomes of a candidate."""

    ACCEPT = "accept"
    REJECT = "reject"


def example(text: str) -> str:
    """Keep the lines of an example as they are in the help of a command."""
    return f"\b\nExample:\n  {text}"
