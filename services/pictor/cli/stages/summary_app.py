"""The command `pictor summary`."""

from pathlib import Path
from typing import Annotated

import typer

from pictor.cli.options import Json
from pictor.cli.stages.options import Overwrite, things_in

HELP = """Summarize the quality of many frames, per frame and per set, and reject frames by rules in a file.

Takes light frames, folders, and the .json or .yaml files of earlier runs of pictor quality, which need no pixels. Sets
are frames of one target, telescope and filter. Writes SUMMARY.csv (a line per frame, with its status and the reasons),
SUMMARY_sets.csv (a line per set), SUMMARY_accepted.txt and SUMMARY_rejected.txt (lists of files). Rules are pictor,
target-scheduler, or a YAML file; --show-rules prints them, to be changed. Exit code 0: all done, 1: a frame was
refused, 2: wrong call.

\b
pictor summary night/ -o summary.csv
pictor summary quality.json -o summary.csv --rules target-scheduler
"""


def register(app: typer.Typer) -> None:
    """Add the command to an application."""
    app.command("summary", help=HELP, short_help="Sum up many frames per set, and reject by rules.")(summary)


def summary(
    things: Annotated[
        list[Path] | None,
        typer.Argument(help="Frames, folders, and files of pictor quality.", callback=things_in, readable=False),
    ] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="CSV file to write.")] = Path("summary.csv"),
    rules: Annotated[str, typer.Option(help="pictor, target-scheduler, or a YAML file of rules.")] = "pictor",
    show_rules: Annotated[bool, typer.Option("--show-rules", help="Print the rules and do nothing else.")] = False,
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Summarize and reject."""
    from pictor.cli.stages import summary as command

    if show_rules:
        raise SystemExit(command.show(rules))
    raise SystemExit(command.main(things or [], out, rules=rules, overwrite=overwrite, json=json))
