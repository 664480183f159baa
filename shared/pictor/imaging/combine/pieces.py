"""The same piece of many files, read by one compiled call: a thread that asks Python for each waits for its turn."""

from typing import Any

import numpy as np
from numba import types
from numpy.typing import NDArray

from pictor.imaging.compiling import njit

AHEAD_BYTES = 2 << 20
"""What is asked of the disk ahead of its use: it turns between many files, and each is read in small pieces."""

WILL_NEED = 3
"""POSIX_FADV_WILLNEED of Linux."""

Files = NDArray[np.int32]
Places = NDArray[np.int64]

_pread: Any = types.ExternalFunction("pread", types.int64(types.int32, types.voidptr, types.uint64, types.int64))
_advise: Any = types.ExternalFunction("posix_fadvise", types.int32(types.int32, types.int64, types.int64, types.int32))


@njit(cache=True, nogil=True)
def read_pieces(files: Files, places: Places, size: int, out: NDArray[np.uint8]) -> int:
    """Read ``size`` bytes of each file from its place on, one after the other, into ``out``.

    Returns the number of files read: those from there on are left to Python, which says what is wrong with the first.
    """
    count: int = files.shape[0]
    for i in range(count):
        place, done = places[i], 0
        ahead = -(-place // AHEAD_BYTES) * AHEAD_BYTES
        if ahead < place + size:
            _advise(files[i], ahead, 2 * AHEAD_BYTES, WILL_NEED)
        while done < size:
            got = _pread(files[i], out[i * size + done :].ctypes, size - done, place + done)
            if got <= 0:
                return i
            done += got
    return count
