"""Which files of the default run stay together on one worker."""

from pathlib import Path

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
