"""Why a call to a child gave no result; only an ``ImagingError`` is the frame's fault."""

import signal


class ChildFailed(Exception):  # noqa: N818 - the family is named after what happened
    """A child gave no result.

    Parameters
    ----------
    reason
        Stable reason class: ``timeout``, ``cancelled``, ``oom``, ``crash:SIGSEGV`` and the other signals,
        ``cpu-limit``, ``output-limit``, ``no-answer``, ``garbage``, ``file-limit``, ``scratch-full`` and others.
    message
        What happened, for the log.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


class ChildTimeout(ChildFailed):
    """The work took longer than it may."""

    def __init__(self, message: str) -> None:
        super().__init__("timeout", message)


class ChildCancelled(ChildFailed):
    """The work was called off."""

    def __init__(self, message: str) -> None:
        super().__init__("cancelled", message)


class ChildCrashed(ChildFailed):
    """The process ended in the middle of the work.

    Parameters
    ----------
    message
        What happened, for the log.
    signal_number
        The signal that ended it; None if it ended by itself.
    reason
        Reason class; by default the name of the signal, or ``no-answer``.
    """

    def __init__(self, message: str, *, signal_number: signal.Signals | None = None, reason: str | None = None) -> None:
        super().__init__(reason or (f"crash:{signal_number.name}" if signal_number else "no-answer"), message)
        self.signal = signal_number


class ChildOutOfMemory(ChildCrashed):
    """The work asked for more memory than it may have."""

    def __init__(self, message: str) -> None:
        super().__init__(message, reason="oom")


class ChildError(ChildFailed):
    """The work raised an exception that is not about the frame: a defect or a missing part.

    Parameters
    ----------
    message
        Type and text of the exception.
    traceback
        The child's traceback, for the log.
    """

    def __init__(self, message: str, *, traceback: str = "", reason: str = "child-error") -> None:
        super().__init__(reason, message)
        self.traceback = traceback
