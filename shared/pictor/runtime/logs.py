"""Structured logs: short lower-case events, data in keys; never a token, never a raw control character."""

import logging
import sys
from pathlib import Path
from typing import TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from pictor.contracts.access import redacted


def _harmless(_logger: WrappedLogger, _name: str, event: EventDict) -> EventDict:
    for key, value in event.items():
        if isinstance(value, str) and not value.isprintable() and key not in {"exception", "trace"}:
            event[key] = value.encode("unicode_escape").decode("ascii")
    return event


def _tokenless(_logger: WrappedLogger, _name: str, event: EventDict) -> EventDict:
    for key, value in event.items():
        text = value if isinstance(value, str) else repr(value)
        if "pictor_" in text and redacted(text) != text:
            event[key] = redacted(text)
    return event


class _Tokenless(logging.Formatter):
    """Lines of libraries, without tokens."""

    def format(self, record: logging.LogRecord) -> str:
        """Write a line."""
        return redacted(super().format(record))


def configure(*, style: str = "console", level: str = "info", folder: Path | None = None) -> None:
    """Send log lines to standard error or to ``pictor.log`` in a folder, as JSON or for people.

    No logger keeps what it was first used with: whoever configures last is obeyed by all.
    """
    output = sys.stderr if folder is None else _log_file(folder)
    chain: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="ts"),
        structlog.processors.format_exc_info,
        _tokenless,
        _harmless,
    ]
    last: Processor = (
        structlog.processors.JSONRenderer() if style == "json" else structlog.dev.ConsoleRenderer(colors=False)
    )
    structlog.configure(
        processors=[*chain, last],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.WriteLoggerFactory(output),
    )
    handler = logging.StreamHandler(output)
    handler.setFormatter(_Tokenless("%(levelname)s %(name)s %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    for noisy in ("nats", "faststream", "aiohttp", "urllib3", "httpx", "uvicorn.access"):
        logging.getLogger(noisy).setLevel(logging.ERROR)


def _log_file(folder: Path) -> TextIO:
    folder.mkdir(parents=True, exist_ok=True)
    return (folder / "pictor.log").open("a", encoding="utf-8", buffering=1)
