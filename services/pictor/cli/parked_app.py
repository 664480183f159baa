"""The commands of the desk of dead letters."""

from typing import Annotated

import typer

from pictor.cli.options import DEFAULT_DATA, DEFAULT_URL, Data, Json, TokenOption, Url

parked_app = typer.Typer(help="Dead letters: what will not be tried again by itself.", no_args_is_help=True)

ParkedModule = Annotated[str | None, typer.Option("--module", help="Only of this module.")]
ParkedReason = Annotated[str | None, typer.Option("--reason", help="Only of this class of reasons, such as exhausted.")]
ParkedSince = Annotated[str | None, typer.Option("--since", help="Only parked since, such as 2026-03-10T22:00:00Z.")]
Letter = Annotated[int | None, typer.Argument(help="Number of one letter.")]
Every = Annotated[bool, typer.Option("--all", help="Every open letter that fits --module, --reason and --since.")]


@parked_app.command("list")
def parked_list(
    url: Url = DEFAULT_URL,
    token: TokenOption = None,
    data: Data = DEFAULT_DATA,
    module: ParkedModule = None,
    reason: ParkedReason = None,
    since: ParkedSince = None,
    settled: Annotated[bool, typer.Option("--settled", help="Those already decided about.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=200)] = 50,
    json: Json = False,
) -> None:
    """List what will not be tried again by itself, newest first."""
    from pictor.cli import parked as command

    wanted = {"module": module, "reason": reason, "since": since, "settled": settled, "limit": limit}
    raise SystemExit(command.list_letters(wanted, url=url, token=token, data=data, json=json))


@parked_app.command("show")
def parked_show(
    letter: Annotated[int, typer.Argument(help="Number of one letter.")],
    url: Url = DEFAULT_URL,
    token: TokenOption = None,
    data: Data = DEFAULT_DATA,
    json: Json = False,
) -> None:
    """Show one letter: what it holds, why it was parked, what to do."""
    from pictor.cli import parked as command

    raise SystemExit(command.show(letter, url=url, token=token, data=data, json=json))


@parked_app.command("requeue")
def parked_requeue(
    letter: Letter = None,
    url: Url = DEFAULT_URL,
    token: TokenOption = None,
    data: Data = DEFAULT_DATA,
    every: Every = False,
    module: ParkedModule = None,
    reason: ParkedReason = None,
    since: ParkedSince = None,
    json: Json = False,
) -> None:
    """Put one letter back, or all of a kind: the job is open again and the module runs once more."""
    from pictor.cli import parked as command

    wanted = {"module": module, "reason": reason, "since": since}
    raise SystemExit(
        command.decide("requeue", letter, wanted, every=every, because=None, url=url, token=token, data=data, json=json)
    )


@parked_app.command("discard")
def parked_discard(
    because: Annotated[str, typer.Option("--because", help="Why nobody will try it again; the job keeps it.")],
    letter: Letter = None,
    url: Url = DEFAULT_URL,
    token: TokenOption = None,
    data: Data = DEFAULT_DATA,
    every: Every = False,
    module: ParkedModule = None,
    reason: ParkedReason = None,
    since: ParkedSince = None,
    json: Json = False,
) -> None:
    """Discard one letter, or all of a kind: the job stays failed and says why."""
    from pictor.cli import parked as command

    wanted = {"module": module, "reason": reason, "since": since}
    raise SystemExit(
        command.decide(
            "discard", letter, wanted, every=every, because=because, url=url, token=token, data=data, json=json
        )
    )
