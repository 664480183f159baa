"""A test that hangs tells where: after some minutes every task of the event loop prints what it waits for."""

import asyncio
import os
import threading
from collections.abc import Iterator

import pytest
from _pytest.faulthandler import fault_handler_stderr_fd_key

HANGS_S = 240.0
"""Longer than any test of the default run; shorter than anybody's patience."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Watch one test with its fixtures."""
    timer = threading.Timer(HANGS_S, _tell, (item.nodeid, item.config.stash[fault_handler_stderr_fd_key]))
    timer.daemon = True
    timer.start()
    try:
        return (yield)
    finally:
        timer.cancel()


def _tell(name: str, descriptor: int) -> None:
    with os.fdopen(os.dup(descriptor), "w") as terminal:
        print(f"\n{name} has not ended after {HANGS_S:g} s; tasks of the event loop:", file=terminal)
        for task in tuple(asyncio.tasks._all_tasks):  # type: ignore[attr-defined]
            if not task.done():
                task.print_stack(file=terminal)
