"""Rows 1-93: every bad file through the real upload of a real installation, and the health of all afterwards."""

import os
import re
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.catalogue.cases import Case
from tests.catalogue.files import contents, packed, structure
from tests.catalogue.files.light import light
from tests.catalogue.sending import Answer, send
from tests.support.installation import Installation, installation

CASES: dict[str, Case] = {case.row.number: case for case in (*structure.CASES, *packed.CASES, *contents.CASES)}
SERVICES = ("gateway", "ingest", "header", "preview", "quality", "astrometry", "calibration-stacker")
ENDS_WITHIN_S = 240.0
DIED = re.compile(r"died|parked|attempt failed|request failed|Traceback|Segmentation")


@dataclass(frozen=True, slots=True)
class Outcome:
    """All that became of the catalogue."""

    flow: Installation
    answers: dict[str, Answer]
    frames: dict[str, dict[str, Any]]
    before: dict[str, int]
    afterwards: Answer

    def reason(self, number: str) -> str:
        """Reason of the quarantine, or of the first module that did not complete."""
        frame = self.frames[number]
        if frame["state"] == "quarantined":
            return str(frame["reason"])
        return next((run["reason"] for run in frame["timeline"] if run["state"] != "completed"), "")


def memory_mib(pid: int, field: str = "VmHWM") -> float:
    """Most memory a process ever had, in MiB."""
    found = re.search(rf"{field}:\s+(\d+)", Path(f"/proc/{pid}/status").read_text(encoding="ascii"))
    assert found is not None
    return int(found[1]) / 1024


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outcome]:
    """Send every file to seven separate services, then wait once."""
    began = time.monotonic()
    data = tmp_path_factory.mktemp("catalogue") / "data"
    with installation(data, "--separate", environment={"PICTOR_SOLVE_SECONDS": "1"}) as flow:
        before = {service: flow.pid(service) for service in SERVICES}
        ready = time.monotonic()
        answers = {number: send(flow, case) for number, case in CASES.items()}
        sent = time.monotonic()
        flow.idle(within_s=ENDS_WITHIN_S)
        frames = {
            number: flow.frame(answer.body["frame_id"]) for number, answer in answers.items() if answer.status == 201
        }
        good = send(flow, Case(CASES["31"].row, lambda: structure.Body(light(9999))))
        flow.idle(within_s=ENDS_WITHIN_S)
        times = f"ready {ready - began:.0f} s, sent {sent - ready:.0f} s, ended {time.monotonic() - sent:.0f} s"
        print(f"\n{len(CASES)} files: {times}; gateway {memory_mib(before['gateway']):.0f} MiB at most")
        yield Outcome(flow, answers, frames, before, good)


@pytest.mark.parametrize("number", CASES)
def test_a_bad_file_is_answered_and_kept_as_its_row_says(outcome: Outcome, number: str) -> None:
    row, answer = CASES[number].row, outcome.answers[number]
    assert answer.status in row.status, answer.body
    assert answer.body.get("code") == row.code, answer.body
    if row.state == "nothing":
        assert answer.kind == "application/problem+json"
        assert len(answer.body["detail"]) < 400
        assert answer.body["detail"].isprintable()
        return
    frame = outcome.frames[number]
    assert (frame["state"], outcome.reason(number)) == (row.state, row.reason), frame["message"]
    assert frame["message"] or row.state == "registered"


@pytest.mark.parametrize("number", [number for number, case in CASES.items() if case.row.state == "quarantined"])
def test_what_is_quarantined_is_kept_byte_by_byte_with_a_sentence(outcome: Outcome, number: str) -> None:
    frame = outcome.frames[number]
    kept = outcome.flow.client.get(f"/frames/{frame['id']}/fits")
    assert kept.content == b"".join(CASES[number].make().chunks())
    assert len(frame["message"]) > 20


@pytest.mark.parametrize("number", [number for number, case in CASES.items() if case.warns])
def test_what_is_forgiven_is_told(outcome: Outcome, number: str) -> None:
    warnings = outcome.frames[number]["warnings"]
    assert any(CASES[number].warns in warning for warning in warnings), warnings


@pytest.mark.parametrize("number", [number for number, case in CASES.items() if case.said])
def test_text_from_outside_stays_text(outcome: Outcome, number: str) -> None:
    frame = outcome.frames[number]
    for name, value in CASES[number].said.items():
        found = frame[name] if name in frame else frame["description"][name]
        assert found == value or (value is None and found.startswith("frame-"))


def test_nothing_refused_left_a_trace(outcome: Outcome) -> None:
    kept = sum(answer.status == 201 for answer in outcome.answers.values()) + 1
    assert outcome.flow.get("/frames", limit=1)["total"] == kept


def test_no_page_shows_what_was_written_as_markup(outcome: Outcome) -> None:
    flow = outcome.flow
    for number in ("91", "91b", "93"):
        frame = outcome.frames[number]
        page = flow.client.get(f"{flow.url}/frames/{frame['id']}", headers={"Accept": "text/html"})
        assert b"<img src=x" not in page.content
        assert b"<script>alert" not in page.content


def test_a_file_name_cannot_break_out_of_the_download_header(outcome: Outcome) -> None:
    for number in ("93", "93b", "93c", "93e"):
        answer = outcome.flow.client.get(f"/frames/{outcome.frames[number]['id']}/fits")
        disposition = answer.headers["content-disposition"]
        assert disposition.startswith("attachment;"), disposition
        assert 'filename="x.html' not in disposition
        assert "\0" not in disposition
        assert ".." not in disposition


def test_every_service_is_the_process_it_was_before(outcome: Outcome) -> None:
    assert outcome.flow.process.poll() is None
    assert {service: outcome.flow.pid(service) for service in SERVICES} == outcome.before
    for pid in outcome.before.values():
        os.kill(pid, 0)


def test_a_good_frame_is_still_taken(outcome: Outcome) -> None:
    assert outcome.afterwards.status == 201
    frame = outcome.flow.frame(outcome.afterwards.body["frame_id"])
    assert frame["state"] == "registered"


def test_no_child_died_and_nothing_is_parked(outcome: Outcome) -> None:
    assert outcome.flow.get("/dead-letters")["total"] == 0
    found = []
    for log in (outcome.flow.data / "logs").glob("*.log"):
        with suppress(UnicodeDecodeError):
            found += [f"{log.name}: {line[:300]}" for line in log.read_text().splitlines() if DIED.search(line)]
    assert found == []


def test_the_gateway_held_none_of_it_in_memory(outcome: Outcome) -> None:
    assert memory_mib(outcome.before["gateway"]) < 200


def test_the_check_finds_nothing_afterwards(outcome: Outcome) -> None:
    """A busy machine may leave the check without an answer of the bus; a finding stays one."""
    for _ in range(2):
        with suppress(AssertionError):
            outcome.flow.check(deep=True)
            return
    outcome.flow.check(deep=True)
