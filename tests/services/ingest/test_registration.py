"""What ingest adds to a frame's own description."""

from datetime import UTC, datetime

import pytest

from pictor.ingest.registration import doubts_about

RECEIVED = datetime(2026, 11, 21, 23, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("start", "doubted"),
    [
        ("2026-11-21T23:00:00+00:00", False),
        ("2026-11-22T11:00:00+00:00", False),
        ("2026-11-23T00:00:00+00:00", True),
        ("2099-06-01T00:00:00+00:00", True),
        ("2009-01-01T00:00:00+00:00", False),
        ("1980-01-01T00:00:00+00:00", True),
        (None, False),
    ],
)
def test_a_time_of_exposure_its_arrival_contradicts_is_doubted(start: str | None, doubted: bool) -> None:  # noqa: FBT001
    assert bool(doubts_about(start, RECEIVED)) is doubted
