"""Everything that is logged, as an installation would write it."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from pictor.runtime import logs


@pytest.fixture
def logged(tmp_path: Path) -> Iterator[Path]:
    """Everything that is logged, as an installation would write it."""
    before, root = structlog.get_config(), logging.getLogger()
    handlers, level = list(root.handlers), root.level
    root.handlers.clear()
    logs.configure(style="json", level="debug", folder=tmp_path)
    yield tmp_path / "pictor.log"
    structlog.configure(**before)
    root.handlers[:] = handlers
    root.setLevel(level)
