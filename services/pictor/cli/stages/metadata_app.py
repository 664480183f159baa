"""The command `pictor metadata`."""

from pathlib import Path
from typing import Annotated

import typer

from pictor.cli.options import Json
from pictor.cli.stages.options import HERE, Files, Folder, Overwrite, Resume

HELP = """Write who observed what, from where, into the headers of frames; and airmass, Moon and Sun of the exposure.

Every frame becomes DIR/NAME_metadata.fits, its data unit byte for byte. What is known is taken from the options, a YAML
file, file names of iTelescope.net and the header, in this order. --dry-run prints the cards, where each comes from, and
writes nothing. Targets are looked up in a list that comes with Pictor, never on the network; sites are those of
iTelescope.net, by name or Minor Planet Center code. Exit code 0: all done, 1: a frame was refused, 2: wrong call.

\b
pictor metadata raw-T20-me-M_51-20210708-220604-Ha-BIN1-E-300-001.fits --observer "Me" --set "FOCALLEN=530 mm"
pictor metadata light_*.fits -o named/ --site 40.1,-3.5,650 --target "M 31" --observer Vera
"""

Site = Annotated[
    str | None, typer.Option(help="Site: name, MPC code, or LATITUDE,LONGITUDE,ELEVATION (east +, metres).")
]
Settings = Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Card to set, checked; repeat.")]
Known = Annotated[
    Path | None,
    typer.Option(
        "--yaml", help="YAML file: observer, telescope, site, target, targets, cards.", exists=True, dir_okay=False
    ),
]


def register(app: typer.Typer) -> None:
    """Add the command to an application."""
    app.command("metadata", help=HELP, short_help="Write observer, site, target, airmass into headers.")(metadata)


def metadata(
    files: Files,
    out: Folder = HERE,
    observer: Annotated[str | None, typer.Option(help="Who observed.")] = None,
    telescope: Annotated[str | None, typer.Option(help="Name of the telescope.")] = None,
    observatory: Annotated[str | None, typer.Option(help="Name of the observatory.")] = None,
    site: Site = None,
    target: Annotated[str | None, typer.Option(help="Name of the target, or 'RA DEC'.")] = None,
    ra: Annotated[str | None, typer.Option(help="Right ascension of the target: degrees, or 'HH MM SS'.")] = None,
    dec: Annotated[str | None, typer.Option(help="Declination of the target: degrees, or '+DD MM SS'.")] = None,
    settings: Settings = None,
    yaml: Known = None,
    itelescope: Annotated[bool, typer.Option("--itelescope", help="Refuse file names of any other form.")] = False,
    no_name: Annotated[bool, typer.Option("--no-name", help="Take nothing from file names.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the cards, write nothing.")] = False,
    overwrite: Overwrite = False,
    resume: Resume = False,
    json: Json = False,
) -> None:
    """Write metadata into the headers of frames."""
    from pictor.cli.stages import metadata as command

    said = command.Said(observer, telescope, observatory, site, target, ra, dec, tuple(settings or ()), yaml)
    how = command.How(out, dry_run=dry_run, overwrite=overwrite or resume, names=not no_name, itelescope=itelescope)
    raise SystemExit(command.main(files, said, how, resume=resume, json=json))
