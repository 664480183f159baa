"""The calibration commands by which people decide, and those that look after the library."""

from pathlib import Path
from typing import Annotated

import typer

from pictor.cli.calib_options import Because, Decision, Place, Wait, example
from pictor.cli.options import DEFAULT_DATA, DEFAULT_URL, Data, Json, TokenOption, Url

Master = Annotated[str, typer.Argument(help="Id of a master.")]


def register(app: typer.Typer) -> None:
    """Add the commands to an application."""
    app.command("upload", epilog=example("pictor calib upload master_dark.fits --type dark --exposure 60 --wait"))(
        calib_upload
    )
    app.command("recall", epilog=example('pictor calib recall MASTER --because "light leak"'))(calib_recall)
    app.command("review", epilog=example('pictor calib review MASTER accept --because "the camera was cleaned"'))(
        calib_review
    )
    app.command("diary", epilog=example("pictor calib diary --kind read-noise"))(calib_diary)


def calib_upload(
    file: Annotated[Path, typer.Argument(help="Master, FITS or XISF.", exists=True, dir_okay=False)],
    type_: Annotated[str | None, typer.Option("--type", help="dark, flat, bias or flat-dark, if no card says.")] = None,
    camera: Annotated[str | None, typer.Option(help="Camera, where the header is silent; so for all below.")] = None,
    filter_: Annotated[str | None, typer.Option("--filter", help="Filter.")] = None,
    exposure: Annotated[float | None, typer.Option(help="Exposure of each input, in seconds.")] = None,
    gain: Annotated[float | None, typer.Option(help="Gain setting.")] = None,
    offset: Annotated[float | None, typer.Option(help="Offset setting.")] = None,
    binning: Annotated[int | None, typer.Option(help="Binning.")] = None,
    temperature: Annotated[float | None, typer.Option(help="Set point, in degrees C.")] = None,
    rotator: Annotated[float | None, typer.Option(help="Mechanical angle of the rotator, in degrees.")] = None,
    frames: Annotated[int | None, typer.Option(help="Exposures it was made of.")] = None,
    readout: Annotated[str | None, typer.Option(help="Readout mode.")] = None,
    adu_per_unit: Annotated[
        float | None, typer.Option(help="What 1 in the file is in ADU: 65535 where 0 to 1 stands for 16 bits.")
    ] = None,
    bias_inside: Annotated[
        bool | None, typer.Option("--bias-inside/--bias-subtracted", help="Whether the bias is inside a dark.")
    ] = None,
    rig: Annotated[str | None, typer.Option(help="Rig it belongs to.")] = None,
    wait: Wait = False,
    url: Url = DEFAULT_URL, token: TokenOption = None, data: Data = DEFAULT_DATA, place: Place = None,
    json: Json = False,
) -> None:  # fmt: skip
    """Upload a master made elsewhere; it is validated and judged like our own before it is used."""
    from pictor.cli import calib as command
    from pictor.cli.calib_door import Door

    stated = {
        "frame_type": type_, "camera_name": camera, "filter": filter_, "exposure_s": exposure, "gain_setting": gain,
        "offset_setting": offset, "binning_x": binning, "temp_c": temperature, "rotator_deg": rotator,
        "ncombine": frames, "readout_mode": readout, "adu_per_unit": adu_per_unit,
        "bias_inside": bias_inside, "rig": rig,
    }  # fmt: skip
    raise SystemExit(command.upload(file, stated, wait=wait, door=Door(url, token, data, json, place)))


def calib_recall(
    master: Master, because: Because,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done; change nothing.")] = False,
    url: Url = DEFAULT_URL, token: TokenOption = None, data: Data = DEFAULT_DATA, json: Json = False,
) -> None:  # fmt: skip
    """Take a bad master out of use for good; what was made with it is listed and made again, last in line."""
    from pictor.cli import calib as command
    from pictor.cli.calib_door import Door

    raise SystemExit(command.recall(master, because, Door(url, token, data, json), dry_run=dry_run))


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
