"""The command `pictor quality`."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from pictor.cli.options import Json
from pictor.cli.stages.options import Files, Overwrite
from pictor.cli.stages.stars_app import Bayer, Saturation, Threshold

HELP = """Measure the quality of light frames and grade them A to D, with the reasons in words.

Prints a table with the reasons under each frame; with --out writes all metrics to a file whose ending tells its form:
.json and .yaml (with the map of the field; pictor summary reads them again without pixels) or .csv. Frames are graded
against the others of the same telescope, camera, target, filter and exposure that are given. Exit code 0: all done, 1:
a frame was refused, 2: wrong call.

\b
pictor quality light_001.fits light_002.fits light_003.fits -o quality.json
"""


class GradeRules(StrEnum):
    """Named rule sets of grades."""

    PICTOR = "pictor 1"
    TARGET_SCHEDULER = "target-scheduler 1"
    TARGET_SCHEDULER_ALL = "target-scheduler-all 1"


def register(app: typer.Typer) -> None:
    """Add the command to an application."""
    app.command("quality", help=HELP, short_help="Measure frames and grade them A to D, with reasons.")(quality)


def quality(
    files: Files,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="File to write: .json, .yaml or .csv; default: none.")
    ] = None,
    rules: Annotated[GradeRules, typer.Option(help="Rules of the grades.")] = GradeRules.PICTOR,
    threshold: Threshold = 5.0,
    saturation: Saturation = None,
    bayer: Bayer = None,
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Measure and grade light frames."""
    from pictor.cli.stages import quality as command

    how = command.How(threshold, saturation, bayer)
    raise SystemExit(command.main(files, out, how=how, rules=rules.value, overwrite=overwrite, json=json))
