"""Two loads in small: what they measure is there, and the check passes on what they leave."""

import pytest
from load.flowing import scaled_out
from load.report import page, table
from load.rows import Figure, Row, p95
from load.sending import sustained_for


async def test_uploads_on_a_beat_are_all_accepted_and_all_there_afterwards() -> None:
    row = await sustained_for(0.1, 0.5, deep=True)
    figures = {figure.name: figure.value for figure in row.figures}
    print(row.line())
    assert row.check == "ok"
    assert figures["lost or refused"] == 0
    assert 30 < figures["gateway"] < 150


async def test_orders_of_several_workers_are_begun_once_each() -> None:
    row = await scaled_out(8, wait_s=0.05, steps=(1, 2))
    figures = {figure.name: figure.value for figure in row.figures}
    print(row.line())
    assert row.check == "ok"
    assert figures["begun twice"] == 0
    assert figures["one worker"] > 0


@pytest.mark.parametrize(("value", "met"), [(1.9, True), (2.1, False)])
def test_a_missed_goal_is_marked_and_fails_its_row(value: float, *, met: bool) -> None:
    row = Row("L1", "some uploads", [Figure("p95", value, "s", 2.0)], "ok", load_average=1.0)
    assert row.met is met
    assert ("**missed**" in table([row])) is not met
    assert ("**missed**" in page([row])) is not met


def test_a_check_that_found_something_fails_its_row() -> None:
    assert not Row("L1", "some uploads", [], "exit 1: a frame is gone").met


def test_a_row_is_read_as_it_was_written() -> None:
    row = Row("L4", "slow clients", [Figure("cut after", 12.0, "s", 60)], "ok", load_average=2.0, full=True)
    assert Row.read(row.line()) == row


def test_the_quantile_is_one_of_the_values() -> None:
    assert p95([float(n) for n in range(1, 101)]) == 95.0
    assert p95([3.0]) == 3.0
    assert p95([]) == 0.0
