"""Scratch folders that a killed worker left behind."""

import asyncio
import shutil
import time
from pathlib import Path

import structlog

log = structlog.get_logger()

LEFT_S = 3000.0
"""Longer than any module may run; the check complains about older ones after an hour."""

SWEEP_S = 300.0


def sweep_scratch(scratch: Path) -> int:
    """Remove folders that nobody has written to for longer than a module may run; return how many."""
    if not scratch.is_dir():
        return 0
    left = [folder for folder in scratch.iterdir() if time.time() - folder.stat().st_mtime > LEFT_S]
    for folder in left:
        shutil.rmtree(folder, ignore_errors=True)
        log.warning("scratch folder of a killed worker removed", folder=folder.name)
    return len(left)


async def keep_scratch_clean(scratch: Path) -> None:
    """Sweep until cancelled."""
    while True:
        try:
            await asyncio.to_thread(sweep_scratch, scratch)
        except OSError as error:
            log.warning("scratch folder not swept", reason=str(error))
        await asyncio.sleep(SWEEP_S)
