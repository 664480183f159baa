"""The embedded stack: servers from wheels, schema, streams, and settings that point to them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from pydantic import SecretStr

from pictor.cli.setup import set_up
from pictor.runtime.embedded.config import EmbeddedConfig, Endpoints
from pictor.runtime.embedded.stack import Embedded
from pictor.runtime.nats_config import SETUP_USER, bus_users
from pictor.runtime.settings import Settings

PRODUCT_USER = "pictor"


@asynccontextmanager
async def embedded_stack(data: Path, settings: Settings) -> AsyncIterator[tuple[Embedded, Endpoints]]:
    """Start the servers on a folder and set them up."""
    async with Embedded(data, EmbeddedConfig(nats_users=bus_users(), bucket=settings.s3_bucket)) as embedded:
        await set_up(settings_for(settings, embedded.endpoints, data, user=SETUP_USER))
        yield embedded, embedded.endpoints


def settings_for(settings: Settings, endpoints: Endpoints, data: Path, *, user: str) -> Settings:
    """Return settings of one bus user that point to the embedded servers."""
    access, secret = endpoints.s3_keys[PRODUCT_USER]
    return settings.model_copy(
        update={
            "nats_url": endpoints.nats_url,
            "nats_monitor_url": endpoints.nats_monitor_url,
            "nats_user": user,
            "nats_password": SecretStr(endpoints.nats_passwords[user]),
            "postgres_dsn": SecretStr(endpoints.postgres_dsns[PRODUCT_USER]),
            "s3_endpoint": endpoints.s3_endpoint,
            "s3_access_key": SecretStr(access),
            "s3_secret_key": SecretStr(secret),
            "s3_bucket": endpoints.s3_bucket,
            "data_dir": data,
        }
    )


def environment_of(settings: Settings) -> dict[str, str]:
    """Return the variables that give a service process these settings."""
    variables = {}
    for name, value in settings:
        if value is not None:
            text = value.get_secret_value() if isinstance(value, SecretStr) else str(value)
            variables[f"PICTOR_{name.upper()}"] = text
    return variables
