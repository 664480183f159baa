"""How the work stream is shared out among those who read it."""

import itertools

from pictor.cli.checking.queues import WALKERS, shares


def test_every_sequence_is_in_one_share_whatever_the_stream_tells_of_itself() -> None:
    for first, last in itertools.product((1, 7, 1000), (0, 1, 6, 7, 8, 15, 999, 1000, 1007, 2017)):
        walks = shares(first, last)
        assert list(itertools.chain(*walks)) == list(range(first, last + 1))
        assert len(walks) <= WALKERS
