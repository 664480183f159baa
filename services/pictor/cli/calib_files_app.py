"""The calibration commands that need no server: stack and apply."""

from pathlib import Path
from typing import Annotated, Any

import typer

from pictor.cli.options import Json

Files = Annotated[list[Path], typer.Argument(help="Individual frames of one group.", exists=True, dir_okay=False)]
Lights = Annotated[list[Path], typer.Argument(help="Raw lights.", exists=True, dir_okay=False)]
Setting = Annotated[
    list[str] | None,
    typer.Option("--set", help="A setting of the policy, NAME=VALUE; repeat. See docs/calibration.md."),
]
Insist = Annotated[bool, typer.Option("--insist", help="Use a master although a rule says that it does not fit.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace files that are there.")]
ReadNoise = Annotated[float | None, typer.Option("--read-noise", help="Read noise in electrons; default: measured.")]

STACK_HELP = """Stack frames in files into a master; no server is needed.

The frames are grouped, admitted, combined and judged as the services do it; the file has the same pixels. A master that
does not pass its gate gets its verdict into its name (master.rejected.fits), so that nothing takes it for a master.
Exit code 0: passed, 1: not passed or refused, 2: wrong call.

\b
pictor calib stack dark*.fits -o master_dark.fits
pictor calib stack flat*.fits -o master_flat_R.fits --dark master_dark_2s.fits
"""
APPLY_HELP = """Calibrate lights in files with masters in files; no server is needed.

Every light becomes DIR/NAME_calibrated.fits with planes SCI, ERR and MASK. A light a master does not fit is refused and
named; the others are done. Exit code 0: all done, 1: a light was refused, 2: wrong call.

\b
pictor calib apply light*.fits --dark master_dark.fits --flat master_flat_R.fits -o calibrated/
"""


def register(app: typer.Typer) -> None:
    """Add the commands to an application."""
    app.command("stack", help=STACK_HELP)(calib_stack)
    app.command("apply", help=APPLY_HELP)(calib_apply)


def calib_stack(
    files: Files,
    out: Annotated[Path, typer.Option("--out", "-o", help="Master to write.")],
    kind: Annotated[str | None, typer.Option(help="bias, dark, flat or flat-dark; default: as headers say.")] = None,
    dark: Annotated[Path | None, typer.Option(help="Master dark for flats.", exists=True)] = None,
    bias: Annotated[Path | None, typer.Option(help="Master bias that tells the bias level.", exists=True)] = None,
    active: Annotated[Path | None, typer.Option(help="Older master that the new one is compared with.")] = None,
    bad_pixels: Annotated[Path | None, typer.Option(help="List of bad pixels, YAML.", exists=True)] = None,
    method: Annotated[str | None, typer.Option(help="mean, median or sigma_clip.")] = None,
    sigma: Annotated[float | None, typer.Option(help="Rejection threshold, in standard deviations.")] = None,
    iterations: Annotated[int | None, typer.Option(help="Rejection passes.")] = None,
    setting: Setting = None,
    egain: Annotated[float | None, typer.Option(help="Electrons per ADU; default: card EGAIN.")] = None,
    read_noise: ReadNoise = None,
    insist: Insist = False,
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Stack frames in files into a master."""
    from pictor.cli import calib_stack as command

    chosen = {"stacking_method": method, "sigma_clip_value": sigma, "sigma_clip_iterations": iterations}
    settings = {name: value for name, value in chosen.items() if value is not None}
    wish = command.Wish(
        files, out, kind, dark, bias, active, bad_pixels, settings=_settings(setting) | settings,
        egain=egain, read_noise_e=read_noise, insist=insist, overwrite=overwrite, json=json,
    )  # fmt: skip
    raise SystemExit(command.main(wish))


def calib_apply(
    lights: Lights,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder to write into; made when it is not there.")],
    dark: Annotated[Path | None, typer.Option(help="Master dark.", exists=True)] = None,
    flat: Annotated[Path | None, typer.Option(help="Master flat.", exists=True)] = None,
    bias: Annotated[Path | None, typer.Option(help="Master bias.", exists=True)] = None,
    bad_pixels: Annotated[
        Path | None, typer.Option(help="Map (FITS) or list (YAML) of bad pixels.", exists=True)
    ] = None,
    setting: Setting = None,
    cosmics: Annotated[bool, typer.Option("--cosmics", help="Find and replace cosmic-ray hits.")] = False,
    read_noise: ReadNoise = None,
    insist: Insist = False,
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Calibrate lights in files with masters in files."""
    from pictor.cli import calib_apply as command

    given = {"bias": bias, "dark": dark, "flat": flat, "bad_pixels": bad_pixels}
    masters = {name: path for name, path in given.items() if path is not None}
    wish = command.Wish(
        lights, out, masters, _settings(setting), read_noise_e=read_noise, cosmics=cosmics,
        insist=insist, overwrite=overwrite, json=json,
    )  # fmt: skip
    raise SystemExit(command.main(wish))


def _settings(said: list[str] | None) -> dict[str, Any]:
    from pictor.cli.calib_settings import read_settings
    from pictor.cli.client import CommandError, guarded

    try:
        return read_settings(said or [])
    except CommandError as error:
        raise SystemExit(guarded(error)) from error
