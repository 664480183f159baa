"""Rows of faults that share a deployment run on one worker: it waits, the others compute, and there is one deployment.

``make faults`` runs all rows and nothing else, and spreads them over its workers.
"""

from pathlib import Path
from typing import Any

import pytest

FAULTS = "tests/faults/"
SHARING = "world: Deployment"
"""What a row of the shared deployment asks for."""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Give files to workers, and those that share a deployment to one."""
    if config.getvalue("dist") != "loadfile" or config.getoption("faults") == "all":
        return None
    from xdist.scheduler import LoadFileScheduling  # noqa: PLC0415 - absent where tests run on one worker

    class Sharing(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return scope_of(nodeid, sharing)

    sharing = sharing_files(config.rootpath)
    return Sharing(config, log)


def sharing_files(root: Path) -> frozenset[str]:
    """Return the files whose rows share a deployment."""
    found = (path for path in (root / FAULTS).glob("test_*.py") if SHARING in path.read_text(encoding="utf-8"))
    return frozenset(path.relative_to(root).as_posix() for path in found)


def scope_of(nodeid: str, sharing: frozenset[str]) -> str:
    """Return the name of what stays together: a file, or all files of the shared deployment."""
    file = nodeid.split("::", 1)[0]
    return FAULTS if file in sharing else file
