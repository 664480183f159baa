"""Scratch folders that a killed worker left behind."""

import asyncio
import re
import shutil
import time
from pathlib import Path

import structlog

from pictor.state.database import OUTAGES, Pool
from pictor.state.invariants import running_attempts

log = structlog.get_logger()

LEFT_S = 3000.0
"""Longer than any module may run; the check complains about older ones after an hour."""

ENDED_S = 120.0
"""A folder of a run that nobody works on any more is left alone for this long, in case it is being removed."""

SWEEP_S = 60.0

NAMED = re.compile(r"([0-9a-f-]{36})-([a-z-]+)-(\d+)")
"""How a step names its folder: job, module, attempt."""

Attempts = set[tuple[str, str, int]]

FULL = "scratch-full"
"""Reason class of work that found no room for its files."""

FREE_SHARE = 0.05
"""With less than this free the disk is full, whoever fills it; with more, the work itself needs too much."""


def taken_by_others(scratch: Path) -> bool:
    """Say whether the disk of a scratch folder is full even without what that folder holds; empties the folder."""
    for held in scratch.iterdir():
        shutil.rmtree(held, ignore_errors=True) if held.is_dir() else held.unlink(missing_ok=True)
    disk = shutil.disk_usage(scratch)
    return disk.free < FREE_SHARE * disk.total


def sweep_scratch(scratch: Path, running: Attempts | None = None) -> int:
    """Remove folders nobody works in; return how many.

    Those of a run are judged by the attempts that are running, where these are known; all others by their age.
    """
    if not scratch.is_dir():
        return 0
    left = [folder for folder in scratch.iterdir() if _is_left(folder, running)]
    for folder in left:
        shutil.rmtree(folder, ignore_errors=True)
        log.warning("scratch folder of a killed worker removed", folder=folder.name)
    return len(left)


def _is_left(folder: Path, running: Attempts | None) -> bool:
    try:
        age = time.time() - folder.stat().st_mtime
    except FileNotFoundError:
        return False
    named = NAMED.fullmatch(folder.name)
    if running is None or named is None:
        return age > LEFT_S
    return age > ENDED_S and (named[1], named[2], int(named[3])) not in running


async def keep_scratch_clean(scratch: Path, pool: Pool | None = None) -> None:
    """Sweep until cancelled; without an answer of the database only what is very old goes."""
    while True:
        try:
            await asyncio.to_thread(sweep_scratch, scratch, await _running(pool))
        except OSError as error:
            log.warning("scratch folder not swept", reason=str(error))
        await asyncio.sleep(SWEEP_S)


async def _running(pool: Pool | None) -> Attempts | None:
    if pool is None:
        return None
    try:
        async with pool.acquire() as db:
            return await running_attempts(db)
    except OUTAGES as error:
        log.debug("running attempts unknown", reason=repr(error))
        return None
