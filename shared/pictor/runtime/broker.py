"""What the broker says about itself: a server that could lose what it acknowledged, or lets anybody in, is refused."""

import shutil
from pathlib import Path
from typing import Any

import aiohttp
import structlog

from pictor.runtime.errors import TransientError
from pictor.runtime.nats_config import MAX_PAYLOAD
from pictor.runtime.settings import Settings

log = structlog.get_logger()


class UnsafeBusError(Exception):
    """The broker could lose or give away what it was trusted with."""


def complaints(report: dict[str, Any]) -> list[str]:
    """Say in sentences, with the remedy, what is wrong with a server, by its own monitoring page ``/varz``."""
    config = report.get("jetstream", {}).get("config")
    if not config:
        return ["the NATS server keeps nothing: enable jetstream in its configuration"]
    found = []
    if not config.get("sync_always"):
        found.append("the NATS server does not sync every write: set sync_interval: always in its configuration")
    found += _storage(int(config.get("max_storage") or 0), Path(config.get("store_dir") or "/nonexistent"))
    if not report.get("auth_required"):
        found.append("the NATS server lets anybody in: give each service a user of its own")
    if int(report.get("max_payload") or 0) > MAX_PAYLOAD:
        found.append(f"the NATS server takes messages of {report['max_payload']} bytes: set max_payload: {MAX_PAYLOAD}")
    return found


def _storage(limit: int, folder: Path) -> list[str]:
    if limit <= 0:
        return ["the NATS server may fill its disk, which breaks it: set jetstream.max_file_store below the volume"]
    if folder.is_dir() and limit >= (total := shutil.disk_usage(folder).total):
        return [
            (
                f"the NATS server may keep {limit} bytes on a volume of {total}: a full disk breaks it, "
                f"set jetstream.max_file_store to at most {int(0.7 * total)}"
            )
        ]
    return []


async def report_of(address: str) -> dict[str, Any]:
    """Read a server's monitoring page.

    Raises
    ------
    TransientError
        If it does not answer.
    """
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5), raise_for_status=True) as client,
            client.get(f"{address}/varz") as response,
        ):
            answer: dict[str, Any] = await response.json(content_type=None)
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        raise TransientError(f"the monitoring page of the bus does not answer: {error}") from error
    return answer


async def require_safe(settings: Settings) -> None:
    """Refuse a broker that complains are made about; without ``nats_require_sync`` only warn.

    Raises
    ------
    UnsafeBusError
        If the server's own report shows that it is not safe.
    TransientError
        If its monitoring page does not answer.
    """
    if not settings.nats_monitor_url:
        log.warning("PICTOR_NATS_MONITOR_URL is not set: whether the broker syncs every write was not checked")
        return
    found = complaints(await report_of(settings.nats_monitor_url))
    if found and settings.nats_require_sync:
        raise UnsafeBusError("; ".join(found))
    for sentence in found:
        log.warning("the broker is not safe", reason=sentence)


async def require_safe_now(settings: Settings) -> None:
    """Do the same at the start of a service, whose network may not reach the monitoring page."""
    try:
        await require_safe(settings)
    except TransientError as error:
        log.info("whether the broker is safe was not checked here", reason=str(error))
