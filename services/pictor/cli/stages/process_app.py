"""The command `pictor process`."""

from pathlib import Path
from typing import Annotated

import typer

from pictor.cli.options import Json

HELP = """Process a folder of a night: masters, calibrated and solved lights, coadds, colour pictures and a report.

The folder is read with all below it, archives (.zip) included, and never changed. Frames are sorted by their headers;
masters are made and judged as the services do it; every light is calibrated with the masters that fit, measured,
graded and solved; the good ones are coadded per target and filter. OUT gets masters/, calibrated/, coadds/, pictures/,
report.html, report.csv and report.json. A second run does only what is new. Exit code 0: every file is OK or was
skipped for a reason, 1: a file is an ERROR, 2: wrong call, 130: stopped by Ctrl-C.

\b
pictor process night/ -o processed/
"""

OUT = typer.Option("--out", "-o", help="Folder of the products; made when it is not there.")
Folder = Annotated[Path, typer.Argument(help="Folder of frames.", exists=True, file_okay=False)]
Out = Annotated[Path, OUT]


def register(app: typer.Typer) -> None:
    """Add the command to an application."""
    app.command("process", help=HELP, short_help="Process a folder of a night, from masters to a report.")(process)


def process(
    folder: Folder,
    out: Out,
    masters: Annotated[
        list[Path] | None, typer.Option(help="Folder of ready masters; repeat.", exists=True, file_okay=False)
    ] = None,
    rules: Annotated[
        str, typer.Option(help="pictor (grade D is left out), target-scheduler, or a file of rules as for summary.")
    ] = "pictor",
    include: Annotated[
        list[str] | None, typer.Option(help="Only files whose name or path in DIR is like this, as 'M31*'; repeat.")
    ] = None,
    exclude: Annotated[
        list[str] | None, typer.Option(help="No files whose name or path in DIR is like this; repeat.")
    ] = None,
    setting: Annotated[
        list[str] | None, typer.Option(help="Setting of matching and stacking, NAME=VALUE; repeat.")
    ] = None,
    index: Annotated[
        list[Path] | None,
        typer.Option(envvar="PICTOR_INDEX_DIR", help="Folder of star indexes; repeat.", file_okay=False),
    ] = None,
    no_solve: Annotated[bool, typer.Option("--no-solve", help="Do not solve; lights are registered by stars.")] = False,
    no_coadd: Annotated[bool, typer.Option("--no-coadd", help="Stop after the single lights.")] = False,
    cosmics: Annotated[bool, typer.Option("--cosmics", help="Find and replace cosmic-ray hits.")] = False,
    contsub: Annotated[
        bool, typer.Option("--contsub", help="Also subtract the continuum from narrowband coadds.")
    ] = False,
    line_share: Annotated[
        list[str] | None,
        typer.Option(
            help="With --contsub: transmission of broadband over line filter, SII=0.9; repeat. 1 unless told."
        ),
    ] = None,
    require_masters: Annotated[
        bool, typer.Option("--require-masters", help="Leave lights out that no master fits.")
    ] = False,
    filters_as_named: Annotated[
        bool, typer.Option("--filters-as-named", help="Do not take R and Red, or L and Luminance, for one filter.")
    ] = False,
    prune: Annotated[bool, typer.Option("--prune", help="Remove products of frames that are no longer there.")] = False,
    jobs: Annotated[int, typer.Option(min=1, max=64, help="Processes at a time.")] = 2,
    frame_seconds: Annotated[float, typer.Option(min=1, help="Time one step of one frame may take.")] = 300.0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Do everything anew.")] = False,
    json: Json = False,
) -> None:
    """Process a folder of a night."""
    from pictor.cli.stages import process as command

    options = command.Options(
        folder, out, masters or [], rules, setting or [], index or [], solve=not no_solve, coadd=not no_coadd,
        cosmics=cosmics, contsub=contsub, require_masters=require_masters, jobs=jobs, frame_seconds=frame_seconds,
        overwrite=overwrite, filters_as_named=filters_as_named, prune=prune, include=include or [],
        exclude=exclude or [], line_share=line_share or [],
    )  # fmt: skip
    raise SystemExit(command.main(options, dry_run=dry_run, json=json))
