"""The dark of flats, left in its file and read by rows where it is needed."""

import hashlib
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from pictor.imaging.calibration.masters import holds_bias
from pictor.imaging.calibration.opened import open_masters
from pictor.imaging.calibration.rows import Held, Room, Rows, Stored, native, typical
from pictor.imaging.errors import ImagingError
from pictor.imaging.types import Rowed


@dataclass(frozen=True, slots=True)
class Unread:
    """A real plane in a file, sliced by rows as an array is: each slice is read, and forgotten by its owner.

    Parameters
    ----------
    path
        The file; it must stay as it is.
    offset
        Where the pixels begin, in bytes.
    shape
        Shape (ny, nx).
    """

    path: Path
    offset: int
    shape: tuple[int, int]

    def __getitem__(self, rows: slice, /) -> NDArray[np.float32]:
        """Read rows, float32 in native byte order."""
        first, last, _ = rows.indices(self.shape[0])
        with self.path.open("rb", buffering=0) as file:
            plane = Stored(self.path.name, file, self.offset, self.shape, np.float32)
            return native(plane, first, last, Room(), "rows")


@dataclass(frozen=True, slots=True)
class Below:
    """What is subtracted from flats, shape (ny, nx), in ADU; the error of a foreign dark is 0 or none."""

    sci: Rowed
    err: Rowed | None
    header: fits.Header
    level: float
    digest: Future[str] | None = None

    @property
    def sha256(self) -> str:
        """SHA-256 of the file, which `dark_for_flats` has read meanwhile."""
        if self.digest is None:
            raise ValueError("a dark that was only opened is not hashed")
        return self.digest.result()

    @property
    def is_bias(self) -> bool:
        """Whether it is a master bias."""
        return str(self.header.get("IMAGETYP", "")).lower().startswith("master bias")

    def holds_bias(self, bias_level: float | None) -> bool:
        """Tell whether the bias is inside, as it is in a master bias; see `pictor.imaging.calibration.masters`."""
        return self.is_bias or holds_bias(self.header, self.level, bias_level)


def below_of(path: Path) -> Below:
    """Open the master below flats; planes that are no plain float32 are read whole.

    Raises
    ------
    UnreadableFrameError
        If the file is no FITS image.
    FrameMismatchError
        If the image has not two axes.
    """
    with open_masters({"dark": path}) as opened:
        master = opened["dark"]
        err = None if master.err is None else _rowed(path, master.err)
        return Below(_rowed(path, master.sci), err, master.header, typical(master.sci))


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _digest_aside(path: Path) -> Future[str]:
    """Hash a file in a thread of its own."""
    aside = ThreadPoolExecutor(1)
    found = aside.submit(digest_of, path)
    aside.shutdown(wait=False)
    return found


def _rowed(path: Path, plane: Rows) -> Rowed:
    if isinstance(plane, Stored):
        return Unread(path, plane.offset, plane.shape)
    if isinstance(plane, Held):
        return plane.data.astype(np.float32, copy=False)
    raise TypeError(f"a plane of a master is in a file or in memory, not {type(plane).__name__}")


def dark_for_flats(path: Path | None, bias_level: float | None) -> Below:
    """Open the dark of flats, which must still hold its bias.

    Raises
    ------
    ImagingError
        If there is none, or its bias is subtracted.
    """
    if path is None:
        raise ImagingError("a flat cannot be stacked without a matching master dark", reason="no-matching-dark")
    dark = below_of(path)
    if not dark.holds_bias(bias_level):
        raise ImagingError(
            "the master dark for these flats has its bias subtracted; a dark with bias is needed",
            reason="dark-without-bias",
        )
    return replace(dark, digest=_digest_aside(path))
