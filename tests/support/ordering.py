"""In which order workers take the files: some that wait beside some that compute, and of both the longest first.

A test of servers waits most of its time, for time-outs that are as long as in production and for a service that starts;
a test of pixels keeps a core busy. In the order of their names all of one kind run together, and the cores stand still
or are fought for.
"""

import os
from collections.abc import Iterator, Sequence

import pytest

WAITING = (
    "tests/faults/", "tests/catalogue/", "tests/load/", "tests/runtime/", "tests/e2e/", "tests/services/cli/test_check",
    "tests/services/gateway/", "tests/services/cli/calib/", "tests/services/calibration_stacker/",
    "tests/services/astrometry/", "tests/state/", "tests/services/cli/test_repair.py",
    "tests/services/cli/test_processes.py",
)  # fmt: skip
"""Folders and files that wait for servers, the longest first."""

COMPUTING = (
    "tests/docs/test_library_pages.py", "tests/services/cli/processing/", "tests/docs/", "tests/imaging/stars/",
    "tests/imaging/coadd/", "tests/k8s/", "tests/imaging/simulator/", "tests/imaging/combine/",
)  # fmt: skip
"""Of the others, those that compute longest, the longest first."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order the files for several workers; one alone takes them by name."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        rank = {file: place for place, file in enumerate(ordered([file_of(item.nodeid) for item in items]))}
        items.sort(key=lambda item: rank[file_of(item.nodeid)])


def file_of(nodeid: str) -> str:
    """Return the file of a test."""
    return nodeid.split("::", 1)[0]


def ordered(files: Sequence[str]) -> list[str]:
    """Order files: in turns one that waits and those that compute meanwhile, as many as their numbers ask for."""
    each = [*dict.fromkeys(files)]
    waiting = sorted((file for file in each if file.startswith(WAITING)), key=lambda file: _place(file, WAITING))
    computing = sorted((file for file in each if file not in {*waiting}), key=lambda file: _place(file, COMPUTING))
    shares = [*_shares(waiting), *_shares(computing)]
    return [file for _, file in sorted(shares, key=lambda share: share[0])]


def _place(file: str, folders: tuple[str, ...]) -> int:
    return next((place for place, folder in enumerate(folders) if file.startswith(folder)), len(folders))


def _shares(files: list[str]) -> Iterator[tuple[float, str]]:
    for place, file in enumerate(files):
        yield place / len(files), file
