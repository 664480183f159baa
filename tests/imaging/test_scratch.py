"""Folders for work in progress: held while their process lives, gone when it was killed."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pictor.imaging.products import write_whole
from pictor.imaging.scratch import NAME, scratch_folder, sweep

HOLD = """
import sys
from pathlib import Path
from pictor.imaging.products import write_whole

def write(part):
    part.write_text("half")
    print(part.parent, flush=True)
    sys.stdin.read()

write_whole(Path(sys.argv[1]), write)
"""


@pytest.fixture
def writer(tmp_path: Path) -> Iterator["subprocess.Popen[str]"]:
    """Give a process in the middle of writing ``tmp_path/result.txt``."""
    command = [sys.executable, "-c", HOLD, str(tmp_path / "result.txt")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process
        process.kill()


def _folder_of(writer: "subprocess.Popen[str]") -> Path:
    assert writer.stdout is not None
    return Path(writer.stdout.readline().strip())


def test_what_a_killed_process_left_is_gone_after_the_next_work(
    tmp_path: Path, writer: "subprocess.Popen[str]"
) -> None:
    folder = _folder_of(writer)
    assert folder.name.startswith(f".{NAME}")
    assert sweep(tmp_path) == [], "a folder somebody works in was removed"
    writer.kill()
    writer.communicate()
    assert [one.name for one in tmp_path.iterdir()] == [folder.name], "the result is not there, not even half of it"
    write_whole(tmp_path / "result.txt", lambda part: part.write_text("whole"))
    assert [one.name for one in tmp_path.iterdir()] == ["result.txt"]
    assert (tmp_path / "result.txt").read_text() == "whole"


def test_folders_of_other_machines_and_other_things_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / ".pictor-mine").mkdir()
    (tmp_path / f".{NAME}0ther000-ab12cd34").mkdir()
    (tmp_path / f".{NAME}file").write_text("a file of that name")
    (tmp_path / f".{NAME}link").symlink_to(tmp_path / ".pictor-mine")
    assert sweep(tmp_path) == []
    assert len(list(tmp_path.iterdir())) == 4


def test_a_folder_is_gone_when_the_work_raised(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), scratch_folder(tmp_path) as folder:
        (folder / "deeper").mkdir()
        raise ZeroDivisionError
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_made_is_told_by_its_parent(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as found, scratch_folder(tmp_path / "missing"):
        pass
    assert found.value.filename == str(tmp_path / "missing")


def test_no_descriptor_stays_open(tmp_path: Path) -> None:
    def count() -> int:
        return len(list(Path("/dev/fd").iterdir()))

    with scratch_folder(tmp_path):
        pass
    before = count()
    for _ in range(20):
        with scratch_folder(tmp_path):
            pass
    assert count() == before
