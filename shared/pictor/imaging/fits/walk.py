"""The rules for a walk from HDU to HDU, wherever the bytes come from."""

from pictor.imaging.errors import UnreadableFrameError
from pictor.imaging.fits.cards import BLOCK
from pictor.imaging.fits.limits import Limits
from pictor.imaging.fits.structure import Hdu, read_hdu

SIMPLE = b"SIMPLE  =                    T"
EXTENSION = b"XTENSION= "


class Walk:
    """HDUs seen so far, each checked as it is added.

    Parameters
    ----------
    total
        Length of the whole file, in bytes; None while it is not known.
    limits
        What is read at all.
    """

    def __init__(self, total: int | None, limits: Limits) -> None:
        self.limits = limits
        self.hdus: list[Hdu] = []
        self.warnings: list[str] = []
        self.offset = 0
        self.total: int | None = None
        if total is not None:
            self.measure(total)

    def measure(self, total: int) -> None:
        """Learn the length of the file, and compare what was seen already with it.

        Raises
        ------
        UnreadableFrameError
            ``too-large``, or ``header-truncated`` or ``data-truncated`` when an HDU claims more than there is.
        """
        if total > self.limits.file_bytes:
            raise UnreadableFrameError(
                f"The file has {total} bytes; the limit is {self.limits.file_bytes}.", reason="too-large"
            )
        self.total = total
        for hdu in self.hdus:
            self._check_length(hdu, total)

    def begins(self, start: bytes) -> bool:
        """Tell whether an HDU can begin with these bytes; fewer than ten are compared as far as they go."""
        expected = EXTENSION if self.hdus else SIMPLE
        return start[: len(expected)] == expected[: len(start)]

    def may_go_on(self) -> None:
        """Refuse one HDU more than are read.

        Raises
        ------
        UnreadableFrameError
            ``too-many-hdus``.
        """
        if len(self.hdus) == self.limits.hdus:
            raise UnreadableFrameError(f"The file holds more than {self.limits.hdus} HDUs.", reason="too-many-hdus")

    def add(self, header: bytes) -> None:
        """Add the HDU whose header lies at ``offset``; the next one begins where it ends.

        Parameters
        ----------
        header
            Whole cards, END included.

        Raises
        ------
        UnreadableFrameError
            With the reason class of the first rule that is broken.
        """
        hdu = read_hdu(header, len(self.hdus), self.offset, self.limits)
        self.hdus.append(hdu)
        if self.total is not None:
            self._check_length(hdu, self.total)
        self.warnings.extend(hdu.warnings)
        self.offset = hdu.end

    def trail(self, size: int) -> None:
        """Judge the bytes after the last HDU.

        Raises
        ------
        UnreadableFrameError
            ``length-mismatch`` when they are too many to be forgiven.
        """
        if size > self.limits.trailing_bytes:
            raise UnreadableFrameError(
                f"After HDU {len(self.hdus) - 1} follow {size} bytes that belong to no HDU.", reason="length-mismatch"
            )
        self.warnings.append(f"{size} bytes after the last HDU belong to nothing and are ignored")

    def _check_length(self, hdu: Hdu, total: int) -> None:
        """Compare the claimed data with the file; a missing final padding is forgiven."""
        if hdu.data_offset > total:
            raise UnreadableFrameError(
                f"The file ends inside its header {hdu.index}, after {total} bytes; send it again.",
                reason="header-truncated",
            )
        missing = hdu.data_offset + hdu.data_size - total
        if missing > 0:
            raise UnreadableFrameError(
                f"HDU {hdu.index} claims {hdu.data_size} bytes of data and the file ends {missing} bytes too early; "
                "send the file again.",
                reason="data-truncated",
            )
        if hdu.end > total:
            self.warnings.append("the last block is not filled up to 2880 bytes")


def ended_inside(header: bytes, total: int) -> UnreadableFrameError:
    """Say how a file ended while a header was read.

    Parameters
    ----------
    header
        What there is of the header.
    total
        Length of the file, in bytes.
    """
    if len(header) % BLOCK:
        return UnreadableFrameError(
            f"The file ends inside a header, after {total} bytes; send it again.", reason="header-truncated"
        )
    return UnreadableFrameError("A header has no END card; send the file again.", reason="no-end-card")
