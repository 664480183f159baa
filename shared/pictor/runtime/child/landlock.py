"""Landlock: a process gives up the file system, but for some folders, and the network; no privilege is needed.

References
----------
Linux kernel documentation, userspace-api/landlock: rules, and what each version of the interface (ABI) adds.
"""

import ctypes
import os
import stat
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from pictor.runtime.child.kernel import system_call

_CREATE, _ADD, _RESTRICT = 444, 445, 446
_VERSION = 1
_PATH_BENEATH = 1

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
REMOVE_DIR, REMOVE_FILE, MAKE_DIR, MAKE_REG, MAKE_SOCK, MAKE_FIFO = 1 << 4, 1 << 5, 1 << 7, 1 << 8, 1 << 9, 1 << 10
MAKE_CHAR, MAKE_BLOCK, MAKE_SYM, REFER, TRUNCATE, IOCTL_DEV = 1 << 6, 1 << 11, 1 << 12, 1 << 13, 1 << 14, 1 << 15

READ = EXECUTE | READ_FILE | READ_DIR
WRITE = (
    WRITE_FILE | REMOVE_DIR | REMOVE_FILE | MAKE_DIR | MAKE_REG | MAKE_FIFO | MAKE_SOCK | MAKE_SYM | REFER | TRUNCATE
)
_OF_FILES = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV
_SINCE = {1: (1 << 13) - 1, 2: REFER, 3: TRUNCATE, 5: IOCTL_DEV}
_TCP, _NET_ABI = 0b11, 4
_SCOPES, _SCOPE_ABI = 0b11, 6


class _Rules(ctypes.Structure):
    _fields_ = [("fs", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scoped", ctypes.c_uint64)]


class _Beneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = [("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32)]


def abi() -> int:
    """Version of the kernel's interface; 0 where there is none."""
    try:
        return system_call(_CREATE, None, 0, _VERSION)
    except OSError:
        return 0


def restrict(readable: Iterable[Path], writable: Iterable[Path]) -> int:
    """Give up all files but those beneath some paths, TCP, abstract sockets, and signals to others.

    Parameters
    ----------
    readable
        Files and folders that may be read and executed; those that do not exist are left out.
    writable
        Folders in which anything may be done, and devices that may be written to.

    Returns
    -------
    int
        The ABI used: 0 nothing was given up, 4 or more TCP too, 6 or more signals too.

    Raises
    ------
    OSError
        If the kernel knows Landlock and refuses.
    """
    version = abi()
    if version == 0:
        return 0
    handled = sum(rights for since, rights in _SINCE.items() if since <= version)
    rules = _Rules(handled, _TCP if version >= _NET_ABI else 0, _SCOPES if version >= _SCOPE_ABI else 0)
    size = 24 if version >= _SCOPE_ABI else 16 if version >= _NET_ABI else 8
    ruleset = system_call(_CREATE, ctypes.byref(rules), size, 0)
    try:
        for path in readable:
            _allow(ruleset, path, READ & handled)
        for path in writable:
            _allow(ruleset, path, (READ_FILE | READ_DIR | EXECUTE | WRITE) & handled)
        system_call(_RESTRICT, ruleset, 0)
    finally:
        os.close(ruleset)
    return version


def _allow(ruleset: int, path: Path, rights: int) -> None:
    with suppress(FileNotFoundError, NotADirectoryError, PermissionError):
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
        try:
            if not stat.S_ISDIR(os.fstat(descriptor).st_mode):
                rights &= _OF_FILES
            rule = _Beneath(rights, descriptor)
            system_call(_ADD, ruleset, _PATH_BENEATH, ctypes.byref(rule), 0)
        finally:
            os.close(descriptor)
