"""Reach an installation on this machine, whether it runs or not."""

import json
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from pictor.cli.client import CommandError
from pictor.cli.stack import OPERATOR, embedded_stack, environment_of, settings_for
from pictor.runtime.embedded.errors import AlreadyRunningError
from pictor.runtime.settings import Settings

SETTINGS_FILE = "settings.json"
"""Written 0600 beside the state while the stack runs: how other commands of the same user reach it."""


@asynccontextmanager
async def attached(data: Path) -> AsyncIterator[Settings]:
    """Yield settings that reach the installation in a folder; a stopped one is started for the time being.

    Without a folder of that name the PICTOR_ variables decide, as in a container.
    """
    if not (data / "secrets.json").exists():
        if Settings().s3_endpoint is None:
            raise CommandError(f"there is no installation in {data}; give --data, or PICTOR_ variables", 2)
        yield Settings()
        return
    settings = Settings().model_copy(update={"data_dir": data})
    async with AsyncExitStack() as stack:
        try:
            _, endpoints = await stack.enter_async_context(embedded_stack(data, settings))
        except AlreadyRunningError:
            yield read_settings(data)
        else:
            yield settings_for(settings, endpoints, data, user=OPERATOR)


def write_settings(settings: Settings) -> None:
    """Leave the way to the running stack beside its state, readable by its owner alone."""
    variables = environment_of(settings)
    values = {name.removeprefix("PICTOR_").lower(): value for name, value in variables.items()}
    path = settings.data_dir / "run" / SETTINGS_FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(values, file)


def read_settings(data: Path) -> Settings:
    """Read the way to a running stack."""
    return Settings(**json.loads((data / "run" / SETTINGS_FILE).read_text(encoding="utf-8")))
