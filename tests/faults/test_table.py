"""The page of ``make faults``: a run of some rows leaves what it says of the others."""

from typing import Any

from tests.faults.harness.table import markdown

ROW = {
    "number": "F2", "how": "SIGKILL", "limit_s": 60, "seconds": 3.0, "factor": 1.0, "reason": None, "load": 1.0,
    "verdict": "passed", "notes": ["killed twice"],
}  # fmt: skip
LINES = [["F1", "a fault", "", "not run", "", ""], ["F2", "another", "SIGKILL", "whole", "3.0", "60 s"]]


def page(before: str) -> str:
    runs: dict[str, list[dict[str, Any]]] = {"F2": [ROW]}
    return markdown(LINES, runs, before)


def test_rows_that_were_not_run_stay_as_they_were_and_those_that_were_are_dated() -> None:
    old = "| F1 | a fault | STOP | whole | 1.0 | 60 s | 2026-11-01, load 2 |"
    text = page(
        f"# Title\n\n{old}\n| F2 | another | | FAILED | | | |\n\n## Measured on the way\n\n- F1: x\n- F2: old\n"
    )
    assert old in text
    assert "FAILED" not in text
    assert "| F2 | another | SIGKILL | whole | 3.0 | 60 s | 20" in text
    assert text.endswith("\n- F1: x\n- F2: killed twice\n")


def test_a_row_never_run_says_so() -> None:
    assert "| F1 | a fault |  | not run |  |  |  |" in page("")
