"""The commands for stacking jobs and the upkeep of the calibration library."""

from typing import Annotated

import typer

from pictor.cli.calib_options import DryRun, Limit, Number, Place, Wait, example
from pictor.cli.options import DEFAULT_DATA, DEFAULT_URL, Data, Json, TokenOption, Url

jobs_app = typer.Typer(help="Stacking jobs.", no_args_is_help=True, rich_markup_mode=None)

Job = Annotated[str, typer.Argument(help="Id of a stacking job.")]


def register(app: typer.Typer) -> None:
    """Add the commands to an application."""
    app.add_typer(jobs_app, name="jobs")
    app.command("health", epilog=example("pictor calib health"))(calib_health)
    app.command("expiry-check", epilog=example("pictor calib expiry-check --dry-run"))(calib_expiry_check)
    app.command("retention", epilog=example("pictor calib retention --dry-run"))(calib_retention)
    app.command("cache-clear", epilog=example("pictor calib cache-clear --dry-run"))(calib_cache_clear)


@jobs_app.command("list", epilog=example("pictor calib jobs list --state failed"))
def jobs_list(
    state: Annotated[str | None, typer.Option(help="pending, running, completed, failed or cancelled.")] = None,
    page: Number = 1, limit: Limit = 50,
    url: Url = DEFAULT_URL, token: TokenOption = None, data: Data = DEFAULT_DATA, place: Place = None,
    json: Json = False,
) -> None:  # fmt: skip
    """List stacking jobs, newest first."""
    from pictor.cli import calib_upkeep as command
    from pictor.cli.calib_door import Door

    wanted = {"state": state, "page": page, "limit": limit}
    raise SystemExit(command.jobs(wanted, Door(url, token, data, json, place)))


@jobs_app.command("retry", epilog=example("pictor calib jobs retry JOB --wait"))
def jobs_retry(
    job: Job, wait: Wait = False,
    url: Url = DEFAULT_URL, token: TokenOption = None, data: Data = DEFAULT_DATA, json: Json = False,
) -> None:  # fmt: skip
    """Stack the same frames once more after a failure."""
    from pictor.cli import calib_upkeep as command
    from pictor.cli.calib_door import Door

    raise SystemExit(command.retry(job, wait=wait, door=Door(url, token, data, json)))


@jobs_app.command("delete", epilog=example("pictor calib jobs delete JOB"))
def jobs_delete(
    job: Job, url: Url = DEFAULT_URL, token: TokenOption = None, data: Data = DEFAULT_DATA, json: Json = False
) -> None:
    """Delete a failed or cancelled job with the candidate it left (server administrators)."""
    from pictor.cli import calib_upkeep as command
    from pictor.cli.calib_door import Door

    raise SystemExit(command.discard(job, Door(url, token, data, json)))


def calib_health(
    url: Url = DEFAULT_URL, token: TokenOption = None, data: Data = DEFAULT_DATA, json: Json = False
) -> None:
    """Say what somebody has to do about the libraries; exit 1 when there is something (server administrators)."""
    from pictor.cli import calib_upkeep as command
    from pictor.cli.calib_door import Door

    raise SystemExit(command.health(Door(url, token, data, json)))


def calib_expiry_check(
    dry_run: DryRun = False, url: Url = DEFAULT_URL, token: TokenOption = None, data: Data = DEFAULT_DATA,
    json: Json = False,
) -> None:  # fmt: skip
    """Warn of masters that are too old now; none is taken out of use (server administrators)."""
    from pictor.cli import calib_upkeep as command
    from pictor.cli.calib_door import Door

    raise SystemExit(command.expiry_check(dry_run=dry_run, door=Door(url, token, data, json)))


def calib_retention(
    dry_run: DryRun = False, url: Url = DEFAULT_URL, token: TokenOption = None, data: Data = DEFAULT_DATA,
    json: Json = False,
) -> None:  # fmt: skip
    """Delete used frames and superseded masters whose days are over (server administrators)."""
    from pictor.cli import calib_upkeep as command
    from pictor.cli.calib_door import Door

    raise SystemExit(command.retention(dry_run=dry_run, door=Door(url, token, data, json)))


def calib_cache_clear(
    dry_run: DryRun = False, url: Url = DEFAULT_URL, token: TokenOption = None, data: Data = DEFAULT_DATA,
    place: Place = None, json: Json = False,
) -> None:  # fmt: skip
    """Remove calibrated lights, of one observatory or of all; they are made again on demand (server administrators)."""
    from pictor.cli import calib_upkeep as command
    from pictor.cli.calib_door import Door

    raise SystemExit(command.cache_clear(dry_run=dry_run, door=Door(url, token, data, json, place)))
