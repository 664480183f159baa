"""What a run remembers of the last one."""

from pathlib import Path

import pytest

from pictor.cli.client import CommandError
from pictor.cli.processing.finding import JOURNAL
from pictor.cli.processing.journal import Journal, content_key


def keep(folder: Path, key: str = "k", name: str = "a.fits") -> None:
    with Journal(folder) as journal:
        (folder / name).write_bytes(b"12345")
        journal.keep(key, {"n": 1}, [name], 0.5)


def test_a_step_is_known_in_the_next_run(tmp_path: Path) -> None:
    keep(tmp_path)
    with Journal(tmp_path) as journal:
        done = journal.known("k")
        assert done is not None
        assert (dict(done.result), dict(done.outputs)) == ({"n": 1}, {"a.fits": 5})
        assert journal.known("other") is None


@pytest.mark.parametrize("fate", ["gone", "cut"])
def test_a_step_whose_product_is_not_as_it_was_is_done_again(tmp_path: Path, fate: str) -> None:
    keep(tmp_path)
    (tmp_path / "a.fits").unlink() if fate == "gone" else (tmp_path / "a.fits").write_bytes(b"12")
    with Journal(tmp_path) as journal:
        assert journal.known("k") is None


def test_a_line_that_was_cut_by_a_kill_is_forgotten_and_the_others_are_not(tmp_path: Path) -> None:
    keep(tmp_path)
    with (tmp_path / JOURNAL).open("a") as file:
        file.write('{"key": "half", "seconds": 1.0, "outp')
    with Journal(tmp_path) as journal:
        assert journal.known("k") is not None
        journal.keep("next", {}, [], 0.0)
    with Journal(tmp_path) as journal:
        assert journal.known("next") is not None
        assert journal.known("half") is None


def test_overwriting_forgets_everything(tmp_path: Path) -> None:
    keep(tmp_path)
    with Journal(tmp_path, overwrite=True) as journal:
        assert journal.known("k") is None


def test_two_runs_do_not_share_a_folder(tmp_path: Path) -> None:
    with Journal(tmp_path), pytest.raises(CommandError, match="another run is writing"), Journal(tmp_path):
        pass


def test_a_key_depends_on_all_of_its_content_and_on_nothing_else() -> None:
    assert content_key("s", {"a": 1, "b": [2]}) == content_key("s", {"b": [2], "a": 1})
    assert len({content_key("s", {"a": 1}), content_key("s", {"a": 2}), content_key("t", {"a": 1})}) == 3
