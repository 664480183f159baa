"""The command `pictor cosmics`."""

from typing import Annotated

import typer

from pictor.cli.options import Json
from pictor.cli.stages.options import HERE, Files, Folder, Overwrite, Resume

HELP = """Find the hits of cosmic rays in single frames and replace them (L.A.Cosmic, sparing the cores of stars).

Every frame becomes DIR/NAME_clean.fits: hits have bit 8 of MASK and the median of their good neighbours; the cards
CR_CLEAN, CR_NPIX and CR_NOISE say what was done. The noise is the ERR plane of the frame; without one it follows from
--egain and --read-noise, or from the header of a calibrated frame, else from the sky of the frame, and CR_NOISE says
which. GAIN is a camera setting and never taken for electrons per ADU. Exit code 0: all done, 1: a frame was refused,
2: wrong call.

\b
pictor cosmics light_001_calibrated.fits light_002_calibrated.fits -o clean/
pictor cosmics light_001.fits --egain 1.5 --read-noise 4 --mask-out --difference
"""
Gain = Annotated[float | None, typer.Option("--egain", help="Electrons per ADU; default: card EGAIN, else measured.")]
ReadNoise = Annotated[float | None, typer.Option("--read-noise", help="Read noise in electrons; default: measured.")]


def register(app: typer.Typer) -> None:
    """Add the command to an application."""
    app.command("cosmics", help=HELP, short_help="Find and replace hits of cosmic rays in single frames.")(cosmics)


def cosmics(
    files: Files,
    out: Folder = HERE,
    egain: Gain = None,
    read_noise: ReadNoise = None,
    sigma: Annotated[float, typer.Option(min=1, max=100, help="Noise a hit stands out by (sigclip).")] = 4.5,
    share: Annotated[float, typer.Option(min=0.01, max=1, help="Limit of its neighbours, in shares (sigfrac).")] = 0.3,
    contrast: Annotated[float, typer.Option(min=0.1, max=100, help="Over a star's structure (objlim).")] = 5.0,
    passes: Annotated[int, typer.Option(min=1, max=20, help="Searches at most.")] = 4,
    bayer: Annotated[
        bool | None,
        typer.Option("--bayer/--mono", help="Whether there is a colour pattern; default: BAYERPAT, else its sky."),
    ] = None,
    mask_out: Annotated[bool, typer.Option("--mask-out", help="Also write NAME_hits.fits, 1 where hit.")] = False,
    difference: Annotated[
        bool, typer.Option("--difference", help="Also write NAME_difference.fits: what was taken away.")
    ] = False,
    overwrite: Overwrite = False,
    resume: Resume = False,
    json: Json = False,
) -> None:
    """Find and replace the hits of cosmic rays."""
    from pictor.cli.stages import cosmics as command

    wish = command.Wish(
        out, egain, read_noise, sigma, share, contrast, passes, bayer, mask_out, difference, overwrite or resume
    )  # fmt: skip
    raise SystemExit(command.main(files, wish, resume=resume, json=json))
