"""An installation many rows share: started with the first, anew when a row left it broken."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.faults.harness.deployment import NO_SOLVER, Deployment, deployment
from tests.support.exposures import exposure


class Shared:
    """Keeps one deployment for many rows."""

    def __init__(self, factory: pytest.TempPathFactory) -> None:
        self._factory = factory
        self._stack = ExitStack()
        self._running: Deployment | None = None

    def get(self) -> Deployment:
        """Return the running deployment, or start one."""
        if self._running is None:
            data = self._factory.mktemp("faults") / "data"
            self._running = self._stack.enter_context(deployment(data, **NO_SOLVER))
        return self._running

    def discard(self) -> None:
        """Stop it; the next row gets a new one."""
        self._running = None
        self._stack.close()


@pytest.fixture(scope="package")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    """The deployment of the rows that one process of the tests runs."""
    found = Shared(tmp_path_factory)
    yield found
    found.discard()


@pytest.fixture
def world(shared: Shared, request: pytest.FixtureRequest) -> Iterator[Deployment]:
    """A whole installation that runs and is well."""
    failed = request.session.testsfailed
    yield shared.get()
    if request.session.testsfailed != failed:
        shared.discard()


@pytest.fixture
def frames(tmp_path: Any) -> Callable[..., Any]:
    """Make small exposures in a folder of this test: ``frames(number)`` returns a path."""
    return lambda number, **options: exposure(tmp_path / f"frame-{number}.fits", number, **options)
