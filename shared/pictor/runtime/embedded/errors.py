"""Why the embedded servers cannot run; every message says what to do."""


class EmbeddedError(Exception):
    """The embedded servers cannot run as asked."""


class AlreadyRunningError(EmbeddedError):
    """Another run of Pictor uses this folder."""
