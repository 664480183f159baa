"""System calls Python has no function for."""

import ctypes
import errno
import os
import platform

LIBC = ctypes.CDLL(None, use_errno=True)

MACHINE = platform.machine()

_NO_NEW_PRIVILEGES = 38
_CAPSET = {"x86_64": 126, "aarch64": 91}
_CAPABILITIES_3 = 0x20080522


class _Whose(ctypes.Structure):
    _fields_ = [("version", ctypes.c_uint32), ("process", ctypes.c_int)]


class _Capabilities(ctypes.Structure):
    _fields_ = [("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32)]


def system_call(number: int, *arguments: object) -> int:
    """Make a system call.

    Parameters
    ----------
    number
        Of the call, the same on all machines for those newer than 2019.
    arguments
        Integers and ctypes values.

    Raises
    ------
    OSError
        With the kernel's error.
    """
    words = [ctypes.c_long(value) if isinstance(value, int) else value for value in arguments]
    result = int(LIBC.syscall(ctypes.c_long(number), *words))
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result


def give_up_privileges() -> None:
    """Drop every capability, and never gain a privilege again, not by any program that is started.

    Even without Landlock, root without capabilities is a user like any other; with it, the capability to look at the
    performance of processes would still open their memory.

    Raises
    ------
    OSError
        If the kernel refuses, or the machine is not known.
    """
    if MACHINE not in _CAPSET:
        raise OSError(errno.ENOSYS, f"capabilities are not known on {MACHINE}")
    if LIBC.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    whose = _Whose(_CAPABILITIES_3, 0)
    system_call(_CAPSET[MACHINE], ctypes.byref(whose), ctypes.byref((_Capabilities * 2)()))
