"""Scan a file while its bytes pass by, so that a broken one is refused before it is kept.

The rules are those of the prescan. No more than one header is held in memory, and bytes are looked at once.
"""

import zlib

from pictor.imaging.errors import UnreadableFrameError
from pictor.imaging.fits.cards import CARD, padded
from pictor.imaging.fits.limits import DEFAULT_LIMITS, Limits
from pictor.imaging.fits.prescan import Container, check_start, sniff
from pictor.imaging.fits.walk import SIMPLE, Walk, ended_inside

TELLING = len(SIMPLE)
"""Bytes that tell what a file is."""

SOUND = frozenset({"random-groups"})
"""Whole FITS that holds no frame: not damaged, so it is let pass and judged by those who read it all."""

_PEEK = 64 * 1024
_GZIP_WINDOW = 31
_END_PADDING = b" \0"


class PassingScan:
    """What is known of a file of which only the first bytes have come.

    Parameters
    ----------
    total
        Length of the whole file, in bytes; None while it is not known.
    limits
        What is read at all.
    """

    def __init__(self, total: int | None, *, limits: Limits = DEFAULT_LIMITS) -> None:
        self.container: Container | None = None
        self._walk = Walk(total, limits)
        self._limits = limits
        self._position = 0
        self._header = bytearray()
        self._scanned = 0
        self._trailing = False
        self._judged = False
        self._inside: PassingScan | None = None
        self._engine: zlib._Decompress | None = None

    @property
    def headers(self) -> int:
        """Headers that have come whole and were found good."""
        return len(self._walk.hdus)

    def feed(self, chunk: bytes) -> None:
        """Look at the next bytes; the pixels among them are passed over.

        Parameters
        ----------
        chunk
            The bytes after those given before.

        Raises
        ------
        UnreadableFrameError
            With the reason class of the first rule that is broken; ``not-fits`` and ``archive`` for other files.
        """
        if self.container is None:
            self._header += chunk
            self._position += len(chunk)
            if len(self._header) < TELLING:
                return
            chunk = self._tell()
        if self.container is Container.GZIP:
            self._peek(chunk)
        elif self.container is Container.FITS and not self._judged:
            self._pass(chunk)

    def finish(self) -> None:
        """Judge the whole file, all of whose bytes have come.

        Raises
        ------
        UnreadableFrameError
            ``empty-file``, ``header-truncated``, ``no-end-card``, ``data-truncated`` or ``length-mismatch``, and what
            `feed` raises for a file of a few bytes.
        """
        if self.container is None:
            check_start(bytes(self._header), self._position)
        if self.container is not Container.FITS or self._judged:
            return
        if self._walk.total != self._position:
            self._walk.measure(self._position)
        if self._trailing:
            self._walk.trail(self._position - self._walk.offset)
        elif self._position > self._walk.offset:
            raise ended_inside(bytes(self._header), self._position)

    def _tell(self) -> bytes:
        """Tell the container, and give back the bytes held until then."""
        held = bytes(self._header)
        self._header.clear()
        self._position = 0
        self.container = sniff(held[:TELLING])
        if self.container is Container.ARCHIVE:
            raise UnreadableFrameError(
                "The file is an archive (zip, bz2, xz, Z, 7z or zstd); send the frames themselves.", reason="archive"
            )
        if self.container is Container.UNKNOWN:
            raise UnreadableFrameError("The file is neither FITS nor XISF.", reason="not-fits")
        if self.container is Container.FITS and not held.startswith(SIMPLE):
            raise UnreadableFrameError(
                "Card SIMPLE is not T: the file says of itself that it is not standard FITS.", reason="not-fits"
            )
        return held

    def _pass(self, chunk: bytes) -> None:
        start = max(0, self._walk.offset + len(self._header) - self._position)
        self._position += len(chunk)
        rest = chunk[start:]
        while rest and not self._trailing:
            self._header += rest
            rest = b""
            header = self._whole_header()
            if header is None:
                break
            begun = self._walk.offset
            if not self._add(header):
                return
            held, self._scanned = bytes(self._header), 0
            self._header.clear()
            rest = held[self._walk.offset - begun :]
        after = max(self._walk.total or 0, self._position) - self._walk.offset
        if self._trailing and after > self._limits.trailing_bytes:
            self._walk.trail(after)

    def _add(self, header: bytes) -> bool:
        """Add an HDU; False when it is sound, but nothing that could be walked over."""
        try:
            self._walk.add(header)
        except UnreadableFrameError as error:
            if error.reason not in SOUND:
                raise
            self._judged = True
        return not self._judged

    def _whole_header(self) -> bytes | None:
        """Give the header once its END card has come; None while there are cards to come, or none follow at all."""
        self._walk.may_go_on()
        if not self._walk.begins(bytes(self._header[:TELLING])):
            self._trailing = True
            return None
        most = padded((self._limits.cards + 1) * CARD)
        block = self._header
        for start in range(self._scanned, min(len(block), most) - CARD + 1, CARD):
            if block.startswith(b"END", start) and not block[start + 3 : start + CARD].strip(_END_PADDING):
                return bytes(block[: start + CARD])
        if len(block) >= most:
            raise UnreadableFrameError(
                f"The header has more than the {self._limits.cards} cards that are read, or no card END.",
                reason="too-many-cards",
            )
        self._scanned = len(block) // CARD * CARD
        return None

    def _peek(self, chunk: bytes) -> None:
        """Unpack the first header of a gzip file, and no more; what is damaged is left to those who unpack it all."""
        if self._inside is None:
            self._inside, self._engine = PassingScan(None, limits=self._limits), zlib.decompressobj(_GZIP_WINDOW)
        data = chunk
        while data and self._engine is not None:
            try:
                self._inside.feed(self._engine.decompress(data, _PEEK))
                data = self._engine.unconsumed_tail
            except zlib.error:
                self._engine = None
                return
            if self._inside.headers or self._engine.eof:
                self._engine = None
