"""The calibration commands by which people decide, and those that look after the library."""

from typing import Annotated

import typer

from pictor.cli.calib_options import Because, Decision, Place, example
from pictor.cli.options import DEFAULT_DATA, DEFAULT_URL, Data, Json, TokenOption, Url

Master = Annotated[str, typer.Argument(help="Id of a master.")]


def register(app: typer.Typer) -> None:
    """Add the commands to an application."""
    app.command("recall", epilog=example('pictor calib recall MASTER --because "light leak"'))(calib_recall)
    app.command("review", epilog=example('pictor calib review MASTER accept --because "the camera was cleaned"'))(
        calib_review
    )
    app.command("diary", epilog=example("pictor calib diary --kind read-noise"))(calib_diary)


def calib_recall(
    master: Master, because: Because,
    url: Url = DEFAULT_URL, token: TokenOption = None, data: Data = DEFAULT_DATA, json: Json = False,
) -> None:  # fmt: skip
    """Take a bad master out of use for good; what was made with it is listed and made again, last in line."""
    from pictor.cli import calib as command
    from pictor.cli.calib_door import Door

    raise SystemExit(command.recall(master, because, Door(url, token, data, json)))


def calib_review(
    master: Master, decision: Annotated[Decision, typer.Argument(help="accept uses it, reject does not.")],
    because: Because,
    url: Url = DEFAULT_URL, token: TokenOption = None, data: Data = DEFAULT_DATA, json: Json = False,
) -> None:  # fmt: skip
    """Decide about a candidate that needs review."""
    from pictor.cli import calib as command
    from pictor.cli.calib_door import Door

    raise SystemExit(command.review(master, str(decision), because, Door(url, token, data, json)))


def calib_diary(
    kind: Annotated[
        str | None, typer.Option(help="read-noise, gain, dark-current, hot-pixels or bias-level.")
    ] = None,
    rig: Annotated[str | None, typer.Option(help="Id of a rig.")] = None,
    since: Annotated[str | None, typer.Option(help="Taken since, such as 2026-03-01T00:00:00Z.")] = None,
    url: Url = DEFAULT_URL, token: TokenOption = None, data: Data = DEFAULT_DATA, place: Place = None,
    json: Json = False,
) -> None:  # fmt: skip
    """Show what the detector was measured to be over time, from frames already taken."""
    from pictor.cli import calib as command
    from pictor.cli.calib_door import Door

    wanted = {"kind": kind, "rig_id": rig, "since": since}
    raise SystemExit(command.diary(wanted, Door(url, token, data, json, place)))
