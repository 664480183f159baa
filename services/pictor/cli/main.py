"""The pictor command: every import beyond typer waits until its command is used."""

import io
import sys
from pathlib import Path
from typing import Annotated

import typer

from pictor.cli.calib_app import calib_app
from pictor.cli.options import DEFAULT_DATA, DEFAULT_URL, Data, Json, TokenOption, Url
from pictor.cli.parked_app import parked_app
from pictor.cli.stages import (
    background_app,
    bad_columns_app,
    bad_pixels_app,
    calibrate_app,
    coadd_app,
    combine_app,
    composite_app,
    contsub_app,
    cosmics_app,
    fix_pixels_app,
    imarith_app,
    metadata_app,
    preview_app,
    process_app,
    quality_app,
    read_noise_app,
    register_app,
    resample_app,
    solve_app,
    stars_app,
    summary_app,
    wcs_app,
)
from pictor.imaging.simulator.names import AnyScenario, scenario_help
from pictor.runtime.child.loading import load_lightly

app = typer.Typer(
    name="pictor",
    help="Image processing for observatories: frames in; previews, quality, solutions and masters out.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
index_app = typer.Typer(help="Star indexes for plate solving.", no_args_is_help=True)
app.add_typer(index_app, name="index")
app.add_typer(parked_app, name="parked")
app.add_typer(calib_app, name="calib")
for stage in (
    background_app,
    bad_columns_app,
    bad_pixels_app,
    calibrate_app,
    coadd_app,
    combine_app,
    cosmics_app,
    fix_pixels_app,
    imarith_app,
    metadata_app,
    process_app,
    read_noise_app,
    register_app,
    resample_app,
    solve_app,
    stars_app,
    quality_app,
    summary_app,
    contsub_app,
    wcs_app,
    composite_app,
    preview_app,
):
    stage.register(app)


@app.command()
def up(
    data: Data = DEFAULT_DATA,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 picks a free one.")] = 8080,
    separate: Annotated[bool, typer.Option("--separate", help="One process per service, as in production.")] = False,
) -> None:
    """Start everything on this machine: servers, services and gateway, until Ctrl-C."""
    from pictor.cli import up as command

    raise SystemExit(command.main(data, host=host, port=port, separate=separate))


@app.command()
def run(service: Annotated[str, typer.Argument(help="gateway, ingest, header, preview, quality, ...")]) -> None:
    """Run one service; servers and settings come from PICTOR_ variables."""
    from pictor.cli import run as command

    raise SystemExit(command.main(service))


@app.command()
def setup(
    print_token: Annotated[
        bool, typer.Option("--print-token", help="Make the first administrator's token and print it, if there is none.")
    ] = False,
) -> None:
    """Migrate the database and provision the bus, waiting for all servers; running it again changes nothing."""
    from pictor.cli import setup as command

    raise SystemExit(command.main(print_token=print_token))


@app.command()
def upload(
    paths: Annotated[list[Path], typer.Argument(help="Frames, or folders of frames.", exists=True)],
    url: Url = DEFAULT_URL,
    token: TokenOption = None,
    data: Data = DEFAULT_DATA,
    watch: Annotated[bool, typer.Option("--watch", help="Stay and upload frames as they appear.")] = False,
    bulk: Annotated[bool, typer.Option("--bulk", help="Use the bulk lane, for mass imports.")] = False,
    limit_mbit: Annotated[float | None, typer.Option(help="Bandwidth limit in Mbit/s.")] = None,
    journal: Annotated[
        Path | None,
        typer.Option(envvar="PICTOR_JOURNAL", help="Where accepted uploads are written down; default: ~/.local/state."),
    ] = None,
    json: Json = False,
) -> None:
    """Upload frames; what the gateway has already is not sent again."""
    from pictor.cli import upload as command
    from pictor.cli.journal import default_path

    manner = command.Manner(watch=watch, bulk=bulk, limit_mbit=limit_mbit, json=json)
    book = journal or default_path()
    raise SystemExit(command.main(paths, url=url, token=token, data=data, journal=book, manner=manner))


@app.command()
def frames(
    url: Url = DEFAULT_URL,
    token: TokenOption = None,
    data: Data = DEFAULT_DATA,
    frame: Annotated[str | None, typer.Argument(help="Id of one frame.")] = None,
    night: Annotated[str | None, typer.Option(help="Night, YYYY-MM-DD (noon to noon).")] = None,
    type_: Annotated[str | None, typer.Option("--type", help="light, dark, flat, bias, ...")] = None,
    limit: Annotated[int, typer.Option(min=1, max=200)] = 50,
    json: Json = False,
) -> None:
    """List frames with their state and numbers, or show one."""
    from pictor.cli import listing as command

    wanted = {"night": night, "type": type_, "limit": limit}
    raise SystemExit(command.frames(frame, wanted, url=url, token=token, data=data, json=json))


@app.command()
def jobs(
    url: Url = DEFAULT_URL,
    token: TokenOption = None,
    data: Data = DEFAULT_DATA,
    job: Annotated[str | None, typer.Argument(help="Id of one job.")] = None,
    cancel: Annotated[bool, typer.Option("--cancel", help="Cancel this job.")] = False,
    state: Annotated[str | None, typer.Option(help="pending, running, completed, failed or cancelled.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=200)] = 50,
    json: Json = False,
) -> None:
    """List jobs, show one with its timeline, or cancel it."""
    from pictor.cli import listing as command

    wanted = {"state": state, "limit": limit}
    raise SystemExit(command.jobs(job, wanted, cancel=cancel, url=url, token=token, data=data, json=json))


@app.command()
def simulate(
    folder: Annotated[Path, typer.Argument(help="Folder to write into.")],
    seed: Annotated[int, typer.Option(help="Same seed, same bytes.")] = 1,
    small: Annotated[bool, typer.Option("--small", help="Small frames, for a quick look.")] = False,
    scenario: Annotated[AnyScenario | None, typer.Option(help=scenario_help())] = None,
    json: Json = False,
) -> None:
    """Write the sample night of the virtual observatory, or a scenario, with its truth beside it."""
    from pictor.cli import simulate as command

    if scenario is AnyScenario.COLOUR:
        raise SystemExit(command.colour(folder, seed=seed, small=small, json=json))
    if scenario is not None:
        raise SystemExit(command.calibration(scenario, folder, seed=seed, json=json))
    raise SystemExit(command.main(folder, seed=seed, small=small, json=json))


@app.command()
def demo(
    data: Annotated[Path | None, typer.Option(help="Folder for state; default: a fresh temporary one.")] = None,
    port: Annotated[int, typer.Option(help="Port to listen on; 0 picks a free one.")] = 0,
    exit_: Annotated[bool, typer.Option("--exit", help="Stop everything when all frames have ended.")] = False,
    report: Annotated[Path | None, typer.Option(help="Write the report as JSON to this file.")] = None,
    small: Annotated[bool, typer.Option("--small", help="Small frames, for a quick look.")] = False,
) -> None:
    """Start everything, upload the sample night as a plugin would, and compare with the truth."""
    from pictor.cli import demo as command

    raise SystemExit(command.main(data, port=port, leave=exit_, report=report, small=small))


@app.command()
def doctor(data: Data = DEFAULT_DATA, json: Json = False) -> None:
    """Say what is missing on this machine and the command that mends it."""
    from pictor.cli import doctor as command

    raise SystemExit(command.main(data, json=json))


@app.command()
def check(
    data: Data = DEFAULT_DATA,
    deep: Annotated[bool, typer.Option("--deep", help="Also read, hash and open every object.")] = False,
    journal: Annotated[
        list[Path] | None, typer.Option("--journal", help="Journal of an upload client to compare with; repeat.")
    ] = None,
    server: Annotated[str | None, typer.Option(help="Only the journal's lines of this gateway.")] = None,
    grace: Annotated[float, typer.Option(min=0, help="Seconds an object may lie before it counts as orphan.")] = 3600.0,
    settle: Annotated[float, typer.Option(min=0, help="Seconds an order may outlive its run on the bus.")] = 330.0,
    expect_parked: Annotated[int | None, typer.Option(min=0, help="Dead letters that are expected.")] = None,
    baseline: Annotated[Path | None, typer.Option(help="Compare processes with this baseline.")] = None,
    write_baseline: Annotated[Path | None, typer.Option(help="Write the baseline of the running installation.")] = None,
    repair: Annotated[bool, typer.Option("--repair", help="Mend what can be mended without a decision.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="With --repair: only say what would be done.")] = False,
    json: Json = False,
) -> None:
    """Check that nothing is lost, doubled or stuck; exit 0 when all invariants hold, 2 when it could not check."""
    from pictor.cli import check as command
    from pictor.cli import repair as mending

    if write_baseline is not None:
        raise SystemExit(mending.baseline(data, write_baseline))
    wishes = command.Wishes(deep, journal or [], server, grace, settle, expect_parked, baseline)
    if repair:
        raise SystemExit(mending.main(data, wishes, dry=dry_run, json=json))
    raise SystemExit(command.main(data, wishes, json=json))


@app.command()
def contracts(
    write: Annotated[bool, typer.Option("--write", help="Write the files instead of comparing them.")] = False,
) -> None:
    """Compare the committed contracts (AsyncAPI, OpenAPI, schemas) with the code, or write them."""
    from pictor.cli import contracts as command

    raise SystemExit(command.main(write=write))


@index_app.command("list")
def index_list(
    folder: Annotated[Path | None, typer.Option(envvar="PICTOR_INDEX_DIR", help="Folder of star indexes.")] = None,
    json: Json = False,
) -> None:
    """List the star indexes that are there and the fields they cover."""
    from pictor.cli import index as command

    raise SystemExit(command.show(folder, json=json))


@index_app.command("install")
def index_install(
    folder: Annotated[Path, typer.Argument(envvar="PICTOR_INDEX_DIR", help="Folder to install into.")],
    names: Annotated[list[str] | None, typer.Argument(help="Sets to install; default: what the source offers.")] = None,
    source: Annotated[str, typer.Option(help="present, debian or internet.")] = "debian",
    json: Json = False,
) -> None:
    """Install star indexes: from what is present, Debian packages without root, or the internet."""
    from pictor.cli import index as command

    raise SystemExit(command.install(folder, names or [], source=source, json=json))


@index_app.command("check")
def index_check(
    folder: Annotated[Path | None, typer.Option(envvar="PICTOR_INDEX_DIR", help="Folder of star indexes.")] = None,
    json: Json = False,
) -> None:
    """Read every star index and say whether it is whole."""
    from pictor.cli import index as command

    raise SystemExit(command.check(folder, json=json))


@app.command()
def version() -> None:
    """Print the version."""
    from pictor.runtime.version import VERSION

    typer.echo(VERSION)


def print_any_name() -> None:
    """Let names of files be printed that the terminal's letters cannot write: as their bytes, else as escapes."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        plain = sys.stdout.encoding.lower().replace("-", "") in {"utf8", "utf8sig"}
        sys.stdout.reconfigure(errors="surrogateescape" if plain else "backslashreplace")


def main() -> None:
    """Run the command line."""
    print_any_name()
    load_lightly()
    app()
