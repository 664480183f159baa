"""The command `pictor stars`."""

from typing import Annotated

import typer

from pictor.cli.options import Json
from pictor.cli.stages.options import HERE, Files, Folder, Overwrite, Resume

HELP = """Find and measure the stars of frames: positions, light, widths, shapes, the stellar profile and its map.

Every frame becomes DIR/NAME_stars.fits, a table with 1-based positions, fluxes, magnitudes (where the exposure time is
known), aperture photometry, FWHM, HFR, eccentricity and flags, and RA and DEC where the frame has a WCS. Beside it, as
asked: NAME_stars.csv, .reg (ds9), .png (sources marked), .yaml (all about the frame), NAME_zones.csv (5 x 5 map of
FWHM and eccentricity). MASK planes are honoured; raw colour frames are measured by the pattern their header tells.
Exit code 0: all done, 1: a frame was refused, 2: wrong call.

\b
pictor stars light_001.fits light_002.fits -o stars/ --regions --image
"""

Threshold = Annotated[float, typer.Option(min=2.0, help="Smallest signal-to-noise ratio of the matched filter.")]
Saturation = Annotated[
    float | None, typer.Option(min=0.0, help="Saturation level of the pixels; default: MASK, header, or a ceiling.")
]
Bayer = Annotated[
    str | None, typer.Option(help="Colour pattern such as RGGB, or none; default: that of the header or the pixels.")
]


def register(app: typer.Typer) -> None:
    """Add the command to an application."""
    app.command("stars", help=HELP, short_help="Find and measure the stars of frames.")(stars)


def stars(
    files: Files,
    out: Folder = HERE,
    threshold: Threshold = 5.0,
    saturation: Saturation = None,
    bayer: Bayer = None,
    aperture: Annotated[
        float | None, typer.Option(min=0.5, help="Radius of the aperture in pixels; default: twice the FWHM.")
    ] = None,
    brightest: Annotated[
        int | None, typer.Option(min=1, help="Write only so many sources; default: all that were found.")
    ] = None,
    csv: Annotated[bool, typer.Option("--csv", help="Also write the table as CSV.")] = False,
    regions: Annotated[bool, typer.Option("--regions", help="Also write regions for ds9.")] = False,
    image: Annotated[bool, typer.Option("--image", help="Also write a PNG with the sources marked.")] = False,
    yaml: Annotated[bool, typer.Option("--yaml", help="Also write what is known of the frame as YAML.")] = False,
    zones: Annotated[bool, typer.Option("--zones", help="Also write the map of the field as CSV.")] = False,
    overwrite: Overwrite = False,
    resume: Resume = False,
    json: Json = False,
) -> None:
    """Find and measure the stars of frames."""
    from pictor.cli.stages import stars as command

    more = [name for name, asked in _asked(csv, regions, image, yaml, zones) if asked]
    how = command.How(threshold, saturation, bayer, aperture, brightest)
    raise SystemExit(command.main(files, out, how=how, more=more, overwrite=overwrite, resume=resume, json=json))


def _asked(csv: bool, regions: bool, image: bool, yaml: bool, zones: bool) -> list[tuple[str, bool]]:
    return [("csv", csv), ("reg", regions), ("png", image), ("yaml", yaml), ("zones", zones)]
