"""The commands of the calibration library."""

from typing import Annotated

import typer

from pictor.cli import calib_decisions_app, calib_files_app, calib_upkeep_app
from pictor.cli.calib_options import Limit, Number, Place, PlanForm, Wait, example
from pictor.cli.options import DEFAULT_DATA, DEFAULT_URL, Data, Json, TokenOption, Url

calib_app = typer.Typer(
    help="Calibration: what is missing, which masters there are, why a light has none; stacking without a server.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
settings_app = typer.Typer(help="Calibration settings of an observatory.", no_args_is_help=True, rich_markup_mode=None)
calib_app.add_typer(settings_app, name="settings")

Wanted = Annotated[list[str], typer.Argument(metavar="SETTING=VALUE...", help="Settings; those not named stay.")]

Days = Annotated[int | None, typer.Option(min=1, max=3650, help="Lights of so many days count; default: 30.")]


@calib_app.command("needs", epilog=example("pictor calib needs\n  pictor calib needs --plan csv > tonight.csv"))
def calib_needs(
    plan: Annotated[PlanForm | None, typer.Option("--plan", help="Print the capture plan instead.")] = None,
    days: Days = None,
    url: Url = DEFAULT_URL, token: TokenOption = None, data: Data = DEFAULT_DATA, place: Place = None,
    json: Json = False,
) -> None:  # fmt: skip
    """Show what recent lights ask for, what is missing or aging, and what to shoot tonight."""
    from pictor.cli import calib_needs as command
    from pictor.cli.calib_door import Door

    door = Door(url, token, data, json, place)
    raise SystemExit(command.needs(days, door) if plan is None else command.plan(plan, days, door))


@calib_app.command("explain", epilog=example("pictor calib explain 0192f0c1-7a3e-7c11-9b1e-2f6f3f0a9d11"))
def calib_explain(
    frame: Annotated[str, typer.Argument(help="Id of a light; or of a flat, for its dark.")],
    url: Url = DEFAULT_URL, token: TokenOption = None, data: Data = DEFAULT_DATA, json: Json = False,
) -> None:  # fmt: skip
    """Explain which masters a light gets, why not the others, and which setting would change that."""
    from pictor.cli import calib_needs as command
    from pictor.cli.calib_door import Door

    raise SystemExit(command.explain(frame, Door(url, token, data, json)))


@calib_app.command("dry-run", epilog=example("pictor calib dry-run temperature_tolerance_c=4 flat_rotation=required"))
def calib_dry_run(
    wanted: Wanted, days: Days = None,
    url: Url = DEFAULT_URL, token: TokenOption = None, data: Data = DEFAULT_DATA, place: Place = None,
    json: Json = False,
) -> None:  # fmt: skip
    """Try settings: which lights would gain, lose or change a master. Nothing is changed."""
    from pictor.cli import calib_needs as command
    from pictor.cli.calib_door import Door

    raise SystemExit(command.dry_run(wanted, days, Door(url, token, data, json, place)))


@settings_app.command("show", epilog=example("pictor calib settings show"))
def settings_show(
    url: Url = DEFAULT_URL, token: TokenOption = None, data: Data = DEFAULT_DATA, place: Place = None,
    json: Json = False,
) -> None:  # fmt: skip
    """Show every setting with its value, default, range and what it is for."""
    from pictor.cli import calib_settings as command
    from pictor.cli.calib_door import Door

    raise SystemExit(command.show(Door(url, token, data, json, place)))


@settings_app.command("set", epilog=example("pictor calib settings set min_frames=15 flat_max_age_days=default"))
def settings_set(
    wanted: Wanted, url: Url = DEFAULT_URL, token: TokenOption = None, data: Data = DEFAULT_DATA,
    place: Place = None, json: Json = False,
) -> None:  # fmt: skip
    """Change settings; NAME=default takes a change back. Masters keep the settings they were made with."""
    from pictor.cli import calib_settings as command
    from pictor.cli.calib_door import Door

    raise SystemExit(command.change(wanted, Door(url, token, data, json, place)))


@calib_app.command(
    "masters",
    epilog=example("pictor calib masters --type dark --status active\n  pictor calib masters 0192f0c1-... --json"),
)
def calib_masters(
    frame: Annotated[str | None, typer.Argument(help="Id of one master or individual frame: show all of it.")] = None,
    type_: Annotated[str | None, typer.Option("--type", help="dark, flat, bias or flat-dark.")] = None,
    camera: Annotated[str | None, typer.Option(help="Only of this camera.")] = None,
    filter_: Annotated[str | None, typer.Option("--filter", help="Only of this filter.")] = None,
    status: Annotated[str | None, typer.Option(help="active, expired, superseded, needs-review, rejected.")] = None,
    individual: Annotated[
        bool, typer.Option("--individual", help="Individual frames that are in no active master instead.")
    ] = False,
    page: Number = 1,
    limit: Limit = 50,
    url: Url = DEFAULT_URL, token: TokenOption = None, data: Data = DEFAULT_DATA, place: Place = None,
    json: Json = False,
) -> None:  # fmt: skip
    """List masters or individual frames, or show one of them."""
    from pictor.cli import calib as command
    from pictor.cli.calib_door import Door

    door = Door(url, token, data, json, place)
    if frame is not None:
        raise SystemExit(command.show(frame, door))
    wanted = {
        "is_master": not individual, "exclude_mastered": True if individual else None, "frame_type": type_,
        "camera_name": camera, "filter": filter_, "status": status, "page": page, "limit": limit,
    }  # fmt: skip
    raise SystemExit(command.masters(wanted, door))


@calib_app.command("create", epilog=example("pictor calib create dark/60s/-10C/0a1b2c3d4e5f --force --wait"))
def calib_create(
    group: Annotated[str | None, typer.Argument(help="Key of the group; without it --type and what it has.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Waive the threshold, never the missing dark.")] = False,
    type_: Annotated[str | None, typer.Option("--type", help="dark, flat, bias or flat-dark.")] = None,
    camera: Annotated[str | None, typer.Option(help="Camera.")] = None,
    filter_: Annotated[str | None, typer.Option("--filter", help="Filter.")] = None,
    exposure: Annotated[float | None, typer.Option(help="Exposure, in seconds.")] = None,
    gain: Annotated[float | None, typer.Option(help="Gain setting.")] = None,
    offset: Annotated[float | None, typer.Option(help="Offset setting.")] = None,
    binning: Annotated[int | None, typer.Option(help="Binning.")] = None,
    temperature: Annotated[float | None, typer.Option(help="Set point, in degrees C.")] = None,
    wait: Wait = False,
    url: Url = DEFAULT_URL, token: TokenOption = None, data: Data = DEFAULT_DATA, place: Place = None,
    json: Json = False,
) -> None:  # fmt: skip
    """Stack one group now; a group is named by its key or by what its frames have in common."""
    from pictor.cli import calib as command
    from pictor.cli.calib_door import Door

    wanted = {
        "group_key": group, "frame_type": type_, "camera_name": camera, "filter": filter_, "exposure_s": exposure,
        "gain_setting": gain, "offset_setting": offset, "binning_x": binning, "temp_c": temperature,
        "force": force or None,
    }  # fmt: skip
    said = {name: value for name, value in wanted.items() if value is not None}
    raise SystemExit(command.create(said, wait=wait, door=Door(url, token, data, json, place)))


calib_decisions_app.register(calib_app)
calib_upkeep_app.register(calib_app)
calib_files_app.register(calib_app)
