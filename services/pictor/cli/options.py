"""Options that many commands share."""

from pathlib import Path
from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
Url = Annotated[str, typer.Option(envvar="PICTOR_URL", help="Address of the gateway.")]
TokenOption = Annotated[
    str | None,
    typer.Option(envvar="PICTOR_TOKEN", help="Token, or @FILE that holds it; default: admin.token of --data."),
]
Data = Annotated[Path, typer.Option(envvar="PICTOR_DATA_DIR", help="Folder that holds all state.")]

DEFAULT_DATA = Path("var/pictor")
DEFAULT_URL = "http://127.0.0.1:8080"
