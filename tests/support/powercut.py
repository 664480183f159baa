"""A disk whose power can be cut: a file system in a file, copied while everything on it stands still.

The copy holds what the file system had written to its device at that moment, and nothing that was only in memory: what
a machine finds after its power came back.
"""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SIZE = "4G"
MEMORY = Path("/dev/shm")
"""A copy must be quick, or it shows a longer time than a moment."""


class CannotCutError(Exception):
    """This machine lets us mount nothing."""


def _run(*command: str | Path) -> None:
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise CannotCutError(f"{command[0]}: {(done.stderr or done.stdout).strip()[-200:]}")


def tree(pid: int) -> list[int]:
    """Return a process and all its descendants."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except (OSError, IndexError):
                continue
            children.setdefault(parent, []).append(int(entry.name))
    found = [pid]
    for one in found:
        found += children.get(one, [])
    return found


class Disk:
    """An ext4 of its own, mounted on ``path``."""

    def __init__(self, folder: Path) -> None:
        self._image, self._copy = folder / "disk", folder / "disk-after"
        self.path = folder / "mounted"
        self._mounted = False

    def make(self) -> None:
        """Make and mount it."""
        if os.geteuid() != 0 or not Path("/dev/loop-control").exists():
            raise CannotCutError("only root with loop devices can mount a file system of its own")
        self.path.mkdir()
        _run("truncate", "-s", SIZE, self._image)
        _run("mkfs.ext4", "-q", "-E", "nodiscard", self._image)
        self._mount(self._image)

    def cut(self, *pids: int) -> None:
        """Freeze processes and all they started at once, keep what is on the disk, kill them, and come back."""
        frozen: set[int] = set()
        while new := {pid for one in pids for pid in tree(one)} - frozen:
            for pid in new:
                os.kill(pid, signal.SIGSTOP)
            frozen |= new
        _run("cp", "--sparse=always", self._image, self._copy)
        for pid in frozen:
            os.kill(pid, signal.SIGKILL)

    def back(self) -> None:
        """Mount what was on the disk when the power was cut; nothing may use it any more."""
        self.unmount()
        self._mount(self._copy)

    def unmount(self) -> None:
        """Take it away."""
        if self._mounted:
            subprocess.run(["umount", "--lazy", str(self.path)], check=False)
            self._mounted = False

    def _mount(self, image: Path) -> None:
        _run("mount", "-o", "loop", image, self.path)
        self._mounted = True


@contextmanager
def disk(name: str) -> Iterator[Disk]:
    """Give a disk until the block ends.

    Raises
    ------
    CannotCutError
        If this machine has no loop devices for us; the message says why.
    """
    folder = MEMORY / f"pictor-power-cut-{name}-{os.getpid()}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    found = Disk(folder)
    try:
        found.make()
        yield found
    finally:
        found.unmount()
        shutil.rmtree(folder, ignore_errors=True)
