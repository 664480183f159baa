"""Disks that can be filled: a tmpfs that is made smaller than what is needed, and larger again."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.faults.harness.rows import Row

ROOMY = 8 << 30
"""Only what is written takes memory."""

TRIES = 50
"""The kernel refuses a size below what was written meanwhile."""


@dataclass
class Disk:
    """A mounted tmpfs."""

    path: Path

    def leave(self, spare: int) -> None:
        """Make the disk so small that this many bytes are left, although others write to it at this moment."""
        for _ in range(TRIES):
            with suppress(subprocess.CalledProcessError):
                self._resize(shutil.disk_usage(self.path).used + spare)
                return
        raise AssertionError(f"{self.path} could not be made smaller")

    def grow(self) -> None:
        """Give the space back."""
        self._resize(ROOMY)

    def _resize(self, size: int) -> None:
        command = ["mount", "-o", f"remount,size={size}", str(self.path)]
        subprocess.run(command, check=True, capture_output=True)

    def unmount(self) -> None:
        """Take it away, whoever still uses it."""
        subprocess.run(["umount", "-l", str(self.path)], check=False, capture_output=True)


@contextmanager
def disk(path: Path, row: Row) -> Iterator[Disk]:
    """Mount a disk of its own on a folder until the block ends."""
    if os.geteuid() != 0:
        row.cannot("a disk of its own can only be mounted by root")
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    command = ["mount", "-t", "tmpfs", "-o", f"size={ROOMY},mode=0700", "pictor-fault", str(path)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode != 0:
        row.cannot(f"mounting a tmpfs is not allowed: {done.stderr.strip()}")
    mounted = Disk(path)
    try:
        yield mounted
    finally:
        mounted.unmount()
