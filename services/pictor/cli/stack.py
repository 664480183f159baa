"""The embedded stack: servers from wheels, schema, streams, and settings that point to them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from pydantic import SecretStr

from pictor.cli.setup import set_up
from pictor.contracts.modules import Service
from pictor.runtime.embedded.config import EmbeddedConfig, Endpoints
from pictor.runtime.embedded.seaweed import store_folder
from pictor.runtime.embedded.stack import Embedded
from pictor.runtime.nats_config import SETUP_USER, bus_users
from pictor.runtime.settings import Settings
from pictor.runtime.store import rights as store_rights
from pictor.state import rights

OPERATOR = "operator"
"""Whoever types commands on this machine: the bus and the database as the gateway, the store with a listing."""

POSTGRES_ROLES = (rights.OWNER, *rights.ROLES)


def embedded_config(settings: Settings) -> EmbeddedConfig:
    """Return what the embedded servers are for: who may use them, and the name of the bucket."""
    return EmbeddedConfig(
        nats_users=bus_users(), bucket=settings.s3_bucket, postgres_roles=POSTGRES_ROLES, store_users=store_rights.USERS
    )


@asynccontextmanager
async def embedded_stack(data: Path, settings: Settings) -> AsyncIterator[tuple[Embedded, Endpoints]]:
    """Start the servers on a folder and set them up."""
    async with Embedded(data, embedded_config(settings)) as embedded:
        await set_up(settings_for(settings, embedded.endpoints, data, user=SETUP_USER))
        yield embedded, embedded.endpoints


def settings_for(settings: Settings, endpoints: Endpoints, data: Path, *, user: str) -> Settings:
    """Return settings that point to the embedded servers with the rights of a service, the setup or an operator."""
    service = None if user == SETUP_USER else Service(Service.GATEWAY if user == OPERATOR else user)
    bus_user = user if service is None else str(service)
    role = rights.OWNER if service is None else rights.ROLE_OF[service]
    access, secret = endpoints.s3_keys[_store_user(user, service)]
    return settings.model_copy(
        update={
            "nats_url": endpoints.nats_url,
            "nats_monitor_url": endpoints.nats_monitor_url,
            "nats_user": bus_user,
            "nats_password": SecretStr(endpoints.nats_passwords[bus_user]),
            "postgres_dsn": SecretStr(endpoints.postgres_dsns[role]),
            "s3_endpoint": endpoints.s3_endpoint,
            "s3_access_key": SecretStr(access),
            "s3_secret_key": SecretStr(secret),
            "s3_bucket": endpoints.s3_bucket,
            "store_sync_dir": store_folder(data),
            "data_dir": data,
        }
    )


def _store_user(user: str, service: Service | None) -> str:
    if service is None:
        return store_rights.SETUP.name
    return store_rights.OPERATOR.name if user == OPERATOR else store_rights.USER_OF[service].name


def environment_of(settings: Settings) -> dict[str, str]:
    """Return the variables that give a service process these settings."""
    variables = {}
    for name, value in settings:
        if value is not None:
            text = value.get_secret_value() if isinstance(value, SecretStr) else str(value)
            variables[f"PICTOR_{name.upper()}"] = text
    return variables
