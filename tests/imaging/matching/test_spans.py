"""When the frames of a master were taken."""

from datetime import UTC, datetime, timedelta

from pictor.imaging.matching.spans import Span, span_of

NIGHT = datetime(2026, 3, 10, 20, tzinfo=UTC)


def test_frames_span_from_the_first_to_the_last_with_their_mean() -> None:
    starts = [NIGHT + timedelta(days=days) for days in (20, 0, 1)]
    assert span_of(starts) == Span(NIGHT, NIGHT + timedelta(days=7), NIGHT + timedelta(days=20))


def test_a_frame_of_a_wrong_clock_does_not_count() -> None:
    wrong = NIGHT.replace(year=2000)
    assert span_of([wrong, *[NIGHT + timedelta(minutes=n) for n in range(10)]]) == Span(
        NIGHT, NIGHT + timedelta(minutes=4, seconds=30), NIGHT + timedelta(minutes=9)
    )


def test_no_frame_has_no_span() -> None:
    assert span_of([]) is None
