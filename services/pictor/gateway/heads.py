"""The head of a request, read so that it has one meaning to everybody on its way here."""

import h11

from pictor.gateway.problems import Problem

MAX_LINE_BYTES = 16 * 1024
"""Longest request line: an address may carry a cursor and every filter there is."""

MAX_HEADERS = 100
MAX_HEAD_BYTES = 48 * 1024
"""Frame metadata comes in a header and may fill 32 KiB of it."""

ONCE = frozenset({
    b"host", b"content-length", b"transfer-encoding", b"content-type", b"content-encoding", b"content-digest",
    b"authorization", b"expect", b"idempotency-key", b"if-match", b"if-none-match", b"range", b"x-frame-metadata",
    b"x-csrf-token",
})  # fmt: skip
"""Headers that decide something: said twice, two programs could believe two different things."""

METHODS = frozenset({b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS"})
END = b"\r\n\r\n"
TOO_LONG = f"The address is longer than {MAX_LINE_BYTES} bytes."
TOO_MANY = f"At most {MAX_HEADERS} headers of {MAX_HEAD_BYTES} bytes together."


class StrictConnection(h11.Connection):
    """h11, which reads what it can; here it reads only what nobody can read in another way."""

    def __init__(self) -> None:
        super().__init__(h11.SERVER, MAX_HEAD_BYTES + MAX_LINE_BYTES + 1024)
        self.refusal = Problem("bad-request", "This is not a request of HTTP/1.1.")
        """Why the last event could not be read."""

    def next_event(self) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        """Read the next event; raises ``h11.RemoteProtocolError`` and tells why in ``refusal``."""
        heading = self.their_state is h11.IDLE
        refusal = None
        if heading:
            received, _ = self.trailing_data
            refusal = check_head(received)
        else:
            self.refusal = Problem("bad-request", "The body is not framed as HTTP/1.1 asks for.")
        if refusal is not None:
            self.refusal = refusal
            raise h11.RemoteProtocolError(refusal.detail)
        return super().next_event()


def check_head(received: bytes) -> Problem | None:
    """Look at the bytes of a request's head, whole or not; None while nothing is wrong with them."""
    line, ended, rest = received.partition(b"\r\n")
    if len(line) > MAX_LINE_BYTES:
        return Problem("uri-too-long", TOO_LONG)
    head, whole, _ = (b"", END, b"") if rest.startswith(b"\r\n") else rest.partition(END)
    if len(head) > MAX_HEAD_BYTES:
        return Problem("headers-too-large", TOO_MANY)
    if not ended or not whole:
        return _check_stray(received)
    return _check_whole(line, head.split(b"\r\n") if head else [])


def _check_stray(received: bytes) -> Problem | None:
    """Refuse line ends that some take for one and some do not, before the head is whole."""
    if received.count(b"\n") != received.count(b"\r\n"):
        return Problem("bad-request", "Lines of a request end with CR LF.")
    return None


def _check_whole(line: bytes, headers: list[bytes]) -> Problem | None:
    if len(headers) > MAX_HEADERS:
        return Problem("headers-too-large", TOO_MANY)
    stray = [one for one in (line, *headers) if b"\n" in one or b"\r" in one or b"\x00" in one]
    if stray:
        return Problem("bad-request", "A header holds a line end or NUL.")
    if any(one[:1] in {b" ", b"\t"} for one in headers):
        return Problem("bad-request", "A header is folded over two lines, which HTTP/1.1 no longer allows.")
    names = [one.partition(b":")[0].lower() for one in headers]
    doubled = next((name for name in names if name in ONCE and names.count(name) > 1), None)
    if doubled is not None:
        return Problem("bad-request", f"The header {doubled.decode()} comes twice.")
    if b"content-length" in names and b"transfer-encoding" in names:
        return Problem("bad-request", "A body has either a Content-Length or comes in chunks, not both.")
    return _check_line(line)


def _check_line(line: bytes) -> Problem | None:
    method, _, rest = line.partition(b" ")
    target, _, version = rest.rpartition(b" ")
    if method not in METHODS and method.isalpha() and method.isupper():
        return Problem("method-not-allowed", "This address does not take this method.", headers={"Allow": ALLOWED})
    if version not in {b"HTTP/1.1", b"HTTP/1.0"}:
        return Problem("bad-request", "This is not a request of HTTP/1.1.")
    if not target.startswith(b"/"):
        return Problem("bad-request", "Ask for a path of this host, beginning with a slash.")
    return None


ALLOWED = ", ".join(sorted(method.decode() for method in METHODS))
