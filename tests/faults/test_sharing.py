"""Which files of the default run stay together on one worker, and in which order workers take them."""

from pathlib import Path

from tests.support.ordering import COMPUTING, WAITING, ordered
from tests.support.sharing import FAULTS, scope_of, sharing_files

ROOT = Path(__file__).parents[2]


def test_every_file_with_a_row_of_the_shared_deployment_is_known() -> None:
    sharing = sharing_files(ROOT)
    assert "tests/faults/test_f14_broker.py" in sharing
    assert "tests/faults/test_f37_deliveries.py" not in sharing, "its rows have a pocket of their own"


def test_files_that_share_a_deployment_stay_together_and_others_apart() -> None:
    sharing = sharing_files(ROOT)
    together = {scope_of(f"{file}::test_a", sharing) for file in sharing}
    assert together == {FAULTS}
    assert scope_of("tests/docs/test_x.py::test_a[1::2]", sharing) == "tests/docs/test_x.py"


def test_files_that_wait_and_files_that_compute_take_turns_and_none_is_lost() -> None:
    files = [path.relative_to(ROOT).as_posix() for path in sorted(ROOT.glob("tests/**/test_*.py"))]
    turns = ordered(files)
    assert sorted(turns) == sorted(files)
    assert turns[:2] == ["tests/faults/test_chaos_schedule.py", "tests/docs/test_library_pages.py"]
    waits = [file.startswith(WAITING) for file in turns]
    for begin in range(0, len(waits) - 20, 20):
        assert 4 <= sum(waits[begin : begin + 20]) <= 16, turns[begin : begin + 20]


def test_the_order_names_only_files_that_are_there() -> None:
    assert [name for name in (*WAITING, *COMPUTING) if not [*ROOT.glob(f"{name}*")]] == []
