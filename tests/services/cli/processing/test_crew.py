"""Steps that fail by a fault of the program are told as that, short in the report and whole in a file."""

from pathlib import Path

from pictor.cli.processing.crew import ERRORS, FAILED, Crew
from pictor.cli.processing.journal import Journal
from pictor.cli.processing.rows import MasterRow, Report
from pictor.imaging.errors import ImagingError
from pictor.runtime.child.errors import ChildError, ChildOutOfMemory


def test_a_fault_of_the_program_is_short_in_the_report_and_whole_in_a_file(tmp_path: Path) -> None:
    (tmp_path / ERRORS).write_text("of an earlier run")
    with Journal(tmp_path) as journal:
        crew = Crew(journal, jobs=1, seconds=1.0)
        assert not (tmp_path / ERRORS).exists()
        told = crew.refusal("make_master", ChildError(f"TypingError: {'deep ' * 900}", traceback="line 1\nline 2"))
    assert isinstance(told, ImagingError)
    assert told.reason in FAILED
    assert len(str(told)) < 280
    written = (tmp_path / ERRORS).read_text()
    assert written.startswith("make_master: TypingError")
    assert written.endswith("line 2\n")


def test_a_step_without_memory_is_no_fault_of_the_program(tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        told = Crew(journal, jobs=1, seconds=1.0).refusal("survey", ChildOutOfMemory("killed"))
    assert str(told) == "it needs more memory than a frame may have"
    assert not (tmp_path / ERRORS).exists()


def test_a_master_whose_step_failed_makes_the_run_fail() -> None:
    report = Report("in", "out", "software")
    report.masters.append(MasterRow("dark", "dark", "not made", 3, made=True))
    assert not report.failed
    report.masters[0].verdict = "failed"
    assert report.failed
