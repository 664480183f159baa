"""Every row of the catalogue that is no file: sent over real sockets to the gateway's own process."""

import json

import pytest

from pictor.contracts.modules import Service
from tests.catalogue.http.rows import ROWS
from tests.catalogue.http.sending import SENDERS
from tests.catalogue.http.world import Kept, World
from tests.catalogue.rows import Row
from tests.support.raw import Answer


def test_every_row_is_sent_and_every_sender_has_its_row() -> None:
    assert sorted(SENDERS) == sorted(row.number for row in ROWS)
    assert {int("".join(filter(str.isdigit, row.number))) for row in ROWS} == set(range(94, 133))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.number)
async def test_the_answer_and_what_is_kept_are_those_of_the_catalogue(
    row: Row, world: World, files_before: int
) -> None:
    pid, before = world.pid, await world.kept()
    found = await SENDERS[row.number](world)
    answers = found if isinstance(found, list) else [found]
    print(f"row {row.number}: {[(answer.status, answer.code) for answer in answers]}")
    _expected(row, answers)
    await _kept(row, world, before)
    assert await world.healthy()
    assert world.pid == pid
    assert world.deployment.services.deaths == []
    assert await world.closed(files_before), f"{world.files_open()} files are open, {files_before} were before"


def _expected(row: Row, answers: list[Answer]) -> None:
    if len(answers) > 1:
        assert sorted({answer.status for answer in answers}) == sorted(row.status)
    for answer in answers:
        assert answer.status in row.status, answer
        assert answer.code == row.code, answer
        if row.code is not None:
            told = answer.json()
            assert told["status"] == answer.status
            assert told["type"] == f"/problems/{row.code}"
            assert told["detail"]
            assert told["trace_id"]
        if answer.status:
            assert answer.headers["x-content-type-options"] == "nosniff"


async def _kept(row: Row, world: World, before: Kept) -> None:
    """Compare what there is with what there was; rows that bring a good frame of their own say so by their state."""
    after = await world.kept()
    assert after.spooled == 0
    if row.state == "nothing" or (row.state == "unchanged" and row.number not in PREPARED):
        assert after == before
    elif row.state == "registered":
        assert (after.frames, after.jobs, after.objects) == (before.frames + 1, before.jobs + 1, before.objects + 1)


PREPARED = frozenset({"106a", "115b", "122c", "123b", "123c", "132a", "132b"})
"""Rows that first make something good, which the hostile request then asks about."""


def test_every_line_of_the_log_is_one_line_of_json(world: World) -> None:
    """Stand last: the log holds what all rows left behind."""
    lines = world.deployment.services.log(Service.GATEWAY).splitlines()
    assert len(lines) > 100
    for one in lines:
        told = json.loads(one)
        assert all(text.isprintable() for name, text in told.items() if isinstance(text, str) and name != "exception")
        assert world.token not in one
    assert [told for told in map(json.loads, lines) if told["level"] in {"error", "critical"}] == []
