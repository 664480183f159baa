"""A seccomp filter: system calls nobody needs who computes with pixels are refused.

References
----------
Linux kernel documentation, userspace-api/seccomp_filter.
"""

import ctypes
import errno

from pictor.runtime.child.kernel import MACHINE, system_call

_SECCOMP = {"x86_64": 317, "aarch64": 277}
_ARCHITECTURE = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_SET_FILTER, _ALL_THREADS = 1, 1
_ALLOW, _ERRNO, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
_LOAD, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_NUMBER, _ARCH = 0, 4
_X32 = 0x40000000

REFUSED = {
    "x86_64": {
        "socket": 41, "ptrace": 101, "syslog": 103, "setpgid": 109, "setsid": 112, "pivot_root": 155, "chroot": 161,
        "mount": 165, "umount2": 166, "swapon": 167, "reboot": 169, "init_module": 175, "kexec_load": 246,
        "add_key": 248, "request_key": 249, "keyctl": 250, "unshare": 272, "perf_event_open": 298,
        "open_by_handle_at": 304, "setns": 308, "process_vm_readv": 310, "process_vm_writev": 311,
        "finit_module": 313, "bpf": 321, "userfaultfd": 323,
    },
    "aarch64": {
        "socket": 198, "ptrace": 117, "syslog": 116, "setpgid": 154, "setsid": 157, "pivot_root": 41, "chroot": 51,
        "mount": 40, "umount2": 39, "swapon": 224, "reboot": 142, "init_module": 105, "kexec_load": 104,
        "add_key": 217, "request_key": 218, "keyctl": 219, "unshare": 97, "perf_event_open": 241,
        "open_by_handle_at": 265, "setns": 268, "process_vm_readv": 270, "process_vm_writev": 271,
        "finit_module": 273, "bpf": 280, "userfaultfd": 282,
    },
}  # fmt: skip
"""``socket`` is the network of every kind; ``setsid`` and ``setpgid`` are ways out of the group that is killed."""

_EVERYWHERE = {"io_uring_setup": 425, "io_uring_enter": 426, "io_uring_register": 427, "pidfd_getfd": 438}
"""The same numbers on all machines; a ring can open sockets past a filter."""


class _Instruction(ctypes.Structure):
    _fields_ = [("code", ctypes.c_uint16), ("yes", ctypes.c_uint8), ("no", ctypes.c_uint8), ("k", ctypes.c_uint32)]


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_uint16), ("instructions", ctypes.POINTER(_Instruction))]


def known() -> bool:
    """Tell whether the filter is written for this machine."""
    return MACHINE in REFUSED


def refuse_calls() -> bool:
    """Have the kernel refuse the calls to all threads of this process and all it starts.

    Returns
    -------
    bool
        False on a machine the filter is not written for.

    Raises
    ------
    OSError
        If the kernel takes no filter.
    """
    if not known():
        return False
    instructions = _filter()
    array = (_Instruction * len(instructions))(*instructions)
    program = _Program(len(instructions), array)
    system_call(_SECCOMP[MACHINE], _SET_FILTER, _ALL_THREADS, ctypes.byref(program))
    return True


def _filter() -> list[_Instruction]:
    numbers = sorted({*REFUSED[MACHINE].values(), *_EVERYWHERE.values()})
    checks = [_Instruction(_EQUAL, len(numbers) - place, 0, number) for place, number in enumerate(numbers)]
    if MACHINE == "x86_64":
        checks.insert(0, _Instruction(_AT_LEAST, len(numbers) + 1, 0, _X32))
    return [
        _Instruction(_LOAD, 0, 0, _ARCH),
        _Instruction(_EQUAL, 1, 0, _ARCHITECTURE[MACHINE]),
        _Instruction(_RETURN, 0, 0, _KILL),
        _Instruction(_LOAD, 0, 0, _NUMBER),
        *checks,
        _Instruction(_RETURN, 0, 0, _ALLOW),
        _Instruction(_RETURN, 0, 0, _ERRNO | errno.EPERM),
    ]
