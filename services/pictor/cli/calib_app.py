"""The commands of the calibration library."""

import typer

from pictor.cli import calib_files_app

calib_app = typer.Typer(
    help="Calibration: what is missing, which masters there are, why a light has none; stacking without a server.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
calib_files_app.register(calib_app)
