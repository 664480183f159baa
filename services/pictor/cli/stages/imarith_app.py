"""The command `pictor imarith`."""

from typing import Annotated

import typer

from pictor.cli.options import Json
from pictor.cli.stages.options import Out, Overwrite

HELP = """Add, subtract, multiply or divide two frames, or a frame and a number.

OP is add, subtract, multiply, divide (or ADD, SUB, MUL, DIV, or + - x /). Nothing is rounded: 3 / 2 of whole numbers is
1.5, 1 - 2 is -1, and division by zero is NaN. Errors are propagated, masks joined, units checked; the header is that of
the first frame. Writes the planes SCI, ERR and MASK, as far as they are known. Exit code 0: done, 1: refused,
2: wrong call.

\b
pictor imarith light.fits - sky.fits -o light_minus_sky.fits
pictor imarith light.fits x 1.5 --unit electron -o light_electrons.fits
pictor imarith light.fits subtract -100 -o light_plus_100.fits
"""


def register(app: typer.Typer) -> None:
    """Add the command to an application."""
    app.command(
        "imarith",
        help=HELP,
        short_help="Add, subtract, multiply or divide frames and numbers.",
        context_settings={"ignore_unknown_options": True},
    )(imarith)


def imarith(
    one: Annotated[str, typer.Argument(metavar="ONE", help="Frame or number.")],
    operation: Annotated[str, typer.Argument(metavar="OP", help="add, subtract, multiply, divide, + - x /.")],
    two: Annotated[str, typer.Argument(metavar="TWO", help="Frame or number.")],
    out: Out,
    unit: Annotated[
        str | None, typer.Option(help="Unit of the result, instead of what follows from the units.")
    ] = None,
    normalise: Annotated[
        bool, typer.Option("--normalise", help="Divide TWO by its mean first, as a flat wants it.")
    ] = False,
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Add, subtract, multiply or divide frames."""
    from pictor.cli.stages import imarith as command

    wish = command.Wish(one, operation, two, out, unit, normalise, overwrite)
    raise SystemExit(command.main(wish, json=json))
