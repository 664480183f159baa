"""Read one file for the sorting: header, statistics, and what it is a master of; runs in a child."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pictor.cli.calib_files import read_master_file, sha256_of
from pictor.cli.client import CommandError
from pictor.cli.processing.seen import told_of_master
from pictor.cli.processing.unpacking import opened
from pictor.ingest.compute import describe

_DROPPED = ("provenance", "warnings")


def survey(*, source: Mapping[str, str | None], name: str, scratch: str) -> dict[str, object]:
    """Describe a file as ingest does, and as a master where it is one; the values are those of `Seen`."""
    folder = Path(scratch)
    path = opened(source, folder)
    found: dict[str, Any] = describe(str(path), name, scratch)
    described = {key: value for key, value in found["description"].items() if key not in _DROPPED}
    problems = [str(one["message"]) for one in found["problems"]]
    master = None
    if described["is_master"]:
        try:
            master = told_of_master(read_master_file(Path(found["converted"] or path)))
        except CommandError as error:
            problems.append(str(error).replace(path.name, "the master"))
    return {
        "sha256": sha256_of(path),
        "description": described,
        "statistics": found["statistics"],
        "problems": problems,
        "warnings": found["warnings"],
        "master": master,
        "whole": found["geometry"]["bitpix"] > 0,
        "packed": bool(found["converted"]),
    }
