"""The command `pictor calibrate`."""

from pathlib import Path
from typing import Annotated

import typer

from pictor.cli.options import Json
from pictor.cli.stages.options import HERE, Files, Folder, Overwrite, Resume

HELP = """Calibrate lights: take off bias and dark, divide by the flat, replace bad pixels; with the noise of a pixel.

Every light becomes DIR/NAME_calibrated.fits with the planes SCI (adu), ERR (1 sigma) and MASK, the cards CALSTAT,
BIASCORR, BIASFILE, DARKCORR, DARKFILE, FLATCORR, FLATFILE and BUNIT, and the SHA-256 of all inputs. Masters are given
one by one, or chosen for every light from the folder --masters; either way camera, size, binning, gain, offset,
exposure, temperature and filter must fit. A light that no masters fit, or that came calibrated, is refused and the
reason told. The pixels are those of `pictor calib apply` and of the services. Exit code 0: all done, 1: a light was
refused, 2: wrong call.

\b
pictor calibrate light_*.fits --dark master_dark.fits --flat master_flat_R.fits -o calibrated/
pictor calibrate light_*.fits --masters masters/ --cosmics -o calibrated/
"""


def register(app: typer.Typer) -> None:
    """Add the command to an application."""
    app.command("calibrate", help=HELP, short_help="Calibrate lights with their masters.")(calibrate)


def calibrate(
    lights: Files,
    out: Folder = HERE,
    dark: Annotated[Path | None, typer.Option(help="Master dark.", exists=True, dir_okay=False)] = None,
    flat: Annotated[Path | None, typer.Option(help="Master flat.", exists=True, dir_okay=False)] = None,
    bias: Annotated[Path | None, typer.Option(help="Master bias.", exists=True, dir_okay=False)] = None,
    bad_pixels: Annotated[
        Path | None, typer.Option(help="Map (FITS) or list (YAML) of bad pixels.", exists=True, dir_okay=False)
    ] = None,
    masters: Annotated[
        Path | None,
        typer.Option(help="Folder of masters to choose from, sub-folders too.", exists=True, file_okay=False),
    ] = None,
    cosmics: Annotated[bool, typer.Option("--cosmics", help="Find and replace cosmic-ray hits.")] = False,
    scale_dark: Annotated[
        bool,
        typer.Option("--scale-dark", help="Allow a dark without bias to be scaled to the exposure, 0.5 to 2 times."),
    ] = False,
    egain: Annotated[float | None, typer.Option(help="Electrons per ADU; default: card EGAIN, never GAIN.")] = None,
    read_noise: Annotated[
        float | None, typer.Option("--read-noise", help="Read noise in electrons; default: as the masters tell.")
    ] = None,
    setting: Annotated[
        list[str] | None, typer.Option("--set", help="A setting of the rules, NAME=VALUE; see docs/calibration.md.")
    ] = None,
    insist: Annotated[
        bool, typer.Option("--insist", help="Use a master that is given although a rule says it does not fit.")
    ] = False,
    overwrite: Overwrite = False,
    resume: Resume = False,
    json: Json = False,
) -> None:
    """Calibrate lights with masters."""
    from pictor.cli.stages import calibrate as command

    given = {"bias": bias, "dark": dark, "flat": flat, "bad_pixels": bad_pixels}
    wish = command.Wish(
        out, {kind: path for kind, path in given.items() if path is not None}, masters, setting or [],
        egain, read_noise, cosmics, scale_dark, insist, overwrite or resume,
    )  # fmt: skip
    raise SystemExit(command.main(lights, wish, resume=resume, json=json))
