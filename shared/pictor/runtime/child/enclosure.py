"""The enclosure of a child: which files it may see, no network, no way to more; as far as the kernel goes along."""

import os
import sys
import sysconfig
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pictor.runtime.child import landlock, seccomp
from pictor.runtime.child.kernel import give_up_privileges

SYSTEM = (
    "/usr", "/lib", "/lib64", "/lib32", "/bin", "/sbin", "/sys", "/proc", "/etc/ld.so.cache", "/etc/localtime",
    "/etc/fonts", "/etc/alternatives", "/etc/passwd", "/etc/group", "/etc/nsswitch.conf", "/etc/mime.types",
    "/etc/ssl/openssl.cnf", "/etc/astrometry.cfg", "/dev/urandom", "/dev/random", "/dev/zero",
)  # fmt: skip
"""What programs and libraries read. Files of other processes in /proc stay closed: Landlock forbids looking at them."""

_DEVICES = (Path("/dev/null"), Path("/dev/full"))
_NET_ABI = 4
_SCOPE_ABI = 6


@dataclass(frozen=True, slots=True)
class Reach:
    """Which files a child may use besides the code it runs; None for everything.

    Parameters
    ----------
    readable
        Files and folders it may read.
    writable
        Folders it may write to.
    """

    readable: tuple[str, ...] = ()
    writable: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Level:
    """What an enclosure consists of.

    Parameters
    ----------
    landlock
        Version of the kernel's interface in use; 0 for no bounds on files.
    seccomp
        Whether sockets and dangerous calls are refused.
    privileges
        Whether gaining privileges is ruled out.
    """

    landlock: int = 0
    seccomp: bool = False
    privileges: bool = False

    @property
    def sentence(self) -> str:
        """Say what holds and what does not."""
        files = "files bounded to scratch" if self.landlock else "files not bounded"
        network = "no network" if self.seccomp else "no TCP" if self.landlock >= _NET_ABI else "network not closed"
        signals = "no signals to others" if self.landlock >= _SCOPE_ABI else "signals to others possible"
        privileges = "no new privileges" if self.privileges else "privileges not given up"
        return f"{files}, {network}, {signals}, {privileges}"

    @property
    def whole(self) -> bool:
        """Whether nothing is missing."""
        return self.landlock >= _SCOPE_ABI and self.seccomp and self.privileges


def expected() -> Level:
    """Level a child can reach on this machine, as far as it can be told without trying."""
    return Level(landlock.abi(), seccomp.known(), privileges=True)


def enclose(reach: Reach) -> Level:
    """Enclose this process and all it will start; what the kernel cannot do is left out and told."""
    version, filtered, privileges = 0, False, False
    with suppress(OSError):
        give_up_privileges()
        privileges = True
        with suppress(OSError):
            writable = [Path(path) for path in reach.writable]
            version = landlock.restrict([*_code(), *map(Path, reach.readable)], [*writable, *_DEVICES])
        with suppress(OSError):
            filtered = seccomp.refuse_calls()
    return Level(version, filtered, privileges)


def beneath(folder: Path | None) -> tuple[str, ...]:
    """Folder a child may read, and the places elsewhere that links in it point to."""
    if folder is None or not folder.is_dir():
        return ()
    links = (entry.resolve() for entry in folder.iterdir() if entry.is_symlink())
    return (str(folder.resolve()), *sorted({str(link) for link in links}))


def _code() -> Sequence[Path]:
    """Everything Python code is loaded from, and what the system's libraries need."""
    prefixes = {sys.prefix, sys.base_prefix, sys.exec_prefix, *sysconfig.get_paths().values()}
    prefixes |= {os.environ[name] for name in ("NUMBA_CACHE_DIR",) if name in os.environ}
    return [path for path in map(Path, (*SYSTEM, *sorted(prefixes), *sys.path)) if path.is_absolute()]
