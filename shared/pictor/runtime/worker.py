"""Who a worker is: named so exactly that its successor on the same machine knows that it is dead."""

import os
import socket
from dataclasses import dataclass
from functools import cache
from pathlib import Path

PROC = Path("/proc")
START_FIELD = 19
"""Where a process's start is told, counted after its name: ticks since the machine was started."""


@dataclass(frozen=True, slots=True)
class Worker:
    """One process serving one service; its name stands in leases and logs."""

    service: str
    host: str
    """Its name and, as many machines have the same one, what tells it from the others."""
    boot: str
    """What tells one start of the machine from the next."""
    space: str
    """What tells containers apart that call their machine by the same name: process ids mean nothing across them."""
    pid: int
    started: str

    @classmethod
    def here(cls, service: str) -> "Worker":
        """Name this process."""
        return _here(service, os.getpid())

    def __str__(self) -> str:
        return f"{self.kin}{self.boot}.{self.space}.{self.pid}.{self.started}"

    @property
    def kin(self) -> str:
        """How the names of all workers of this service on this machine begin."""
        return f"{self.service}@{self.host}:"

    def outlived(self, name: str) -> bool:
        """Whether a worker of that name is certainly dead; doubts are left to the end of its lease."""
        boot, space, pid, started = (name.removeprefix(self.kin).split(".") + [""] * 4)[:4]
        if not name.startswith(self.kin) or not pid.isdecimal() or name == str(self):
            return False
        if boot != self.boot:
            return True
        return space == self.space and _started(int(pid)) != started


@cache
def _here(service: str, pid: int) -> Worker:
    """Ask the machine once per process: every claim of a run needs the name."""
    boot = _read(PROC / "sys/kernel/random/boot_id")[:8]
    host = f"{socket.gethostname()}/{_read(Path('/etc/machine-id'))[:8]}"
    return Worker(service, host, boot, _space(), pid, _started(pid) or "0")


def _started(pid: int) -> str | None:
    fields = _read(PROC / str(pid) / "stat").rpartition(")")[2].split()
    return fields[START_FIELD] if len(fields) > START_FIELD and fields[0] not in {"Z", "X"} else None


def _space() -> str:
    try:
        return (PROC / "self/ns/pid").readlink().name.strip("pid:[]")
    except OSError:
        return "0"


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except OSError:
        return ""
