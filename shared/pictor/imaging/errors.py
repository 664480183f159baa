"""Errors that are the frame's fault; the message is shown to the user verbatim."""


class ImagingError(Exception):
    """A frame cannot be used as asked; the message is a sentence with the numbers in it.

    Parameters
    ----------
    message
        What is wrong and what to do, for a person.
    reason
        Stable reason class, lower-case words joined by hyphens, such as ``too-few-stars``.
    """

    def __init__(self, message: str, *, reason: str = "imaging-error") -> None:
        super().__init__(message)
        self.reason = reason


class FrameMismatchError(ImagingError):
    """Frames that should belong together differ in shape or kind."""

    def __init__(self, message: str, *, reason: str = "frame-mismatch") -> None:
        super().__init__(message, reason=reason)


class UnreadableFrameError(ImagingError):
    """The bytes are not a frame that can be read."""

    def __init__(self, message: str, *, reason: str = "unreadable") -> None:
        super().__init__(message, reason=reason)
