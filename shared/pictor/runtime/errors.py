"""Why a delivery was not worked to its end."""

from pictor.state.runs import Claimed


class TransientError(Exception):
    """Infrastructure failed (store, solver installation, broker): try again later, nobody's fault."""


class NotOursError(Exception):
    """The claim was refused: done, busy, cancelled or unknown."""

    def __init__(self, claimed: Claimed) -> None:
        super().__init__(str(claimed.answer))
        self.claimed = claimed


class FencedError(Exception):
    """A newer attempt or a cancel came first; the result is thrown away."""


class ExhaustedError(Exception):
    """The order was tried often enough."""
