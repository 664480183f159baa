"""Why the store did not do as asked."""


class StoreError(Exception):
    """The store did not do as asked."""


class StoreUnavailable(StoreError):  # noqa: N818 - named after what happened
    """The store cannot answer now, or refuses us; trying again later may help."""


class StoreBusy(StoreUnavailable):
    """The store refused this request (500, 502, 503, 504, a line that broke); the same one may succeed in a moment."""


class ObjectDamaged(StoreUnavailable):
    """The store works, but cannot give this object: its disk is damaged there."""


class ObjectMissing(StoreError):  # noqa: N818 - named after what happened
    """There is no object under this key."""


class DigestMismatch(StoreError):  # noqa: N818 - named after what happened
    """The bytes are not those that were announced; nothing was stored or kept."""
