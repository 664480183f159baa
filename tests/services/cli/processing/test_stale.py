"""Products whose frames are gone are named, and removed only where that is asked for."""

from pathlib import Path

from pictor.cli.processing.journal import Journal
from pictor.cli.processing.rows import CoaddRow, Report, Row, Status
from pictor.cli.processing.run import Wish
from pictor.cli.processing.stale import remove, stale_of

WISH = Wish(Path("night"), Path("out"))


def keep(journal: Journal, key: str, name: str) -> None:
    path = journal.folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"12345")
    journal.keep(key, {}, [name], 0.1)


def test_what_a_run_neither_makes_nor_uses_is_stale(tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        keep(journal, "a", "calibrated/M_31/a.fits")
        keep(journal, "b", "calibrated/M_31/b.fits")
        assert not journal.unused()
    with Journal(tmp_path) as journal:
        journal.known("a")
        assert journal.unused() == ["calibrated/M_31/b.fits"]
    with Journal(tmp_path, overwrite=True) as journal:
        keep(journal, "new key of b", "calibrated/M_31/b.fits")
        assert journal.unused() == ["calibrated/M_31/a.fits"]
    remove(["calibrated/M_31/a.fits"], tmp_path)
    with Journal(tmp_path) as journal:
        assert journal.known("a") is None
        assert journal.unused() == ["calibrated/M_31/b.fits"]
    remove(["calibrated/M_31/b.fits"], tmp_path)
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == ["calibrated"]


def test_a_journal_cannot_name_files_of_others() -> None:
    names = ["../precious", "calibrated/../../precious", "/etc/passwd", "mine.txt", "report.html", "masters/dark.fits"]
    assert stale_of(names, Report("night", "out", "pictor"), WISH) == ["masters/dark.fits"]


def test_products_of_a_step_that_failed_are_kept() -> None:
    rows = [Row("a/light 1.fits", "light", Status.ERROR, "too slow")]
    report = Report("night", "out", "pictor", rows=rows)
    report.coadds = [CoaddRow("M_31_R", "coadd", "M 31", "R", Status.ERROR, "too slow")]
    names = [
        "calibrated/M_31/light_1_calibrated.fits",
        "coadds/M_31_R.fits",
        "pictures/M_31_R.png",
        "coadds/M_42_R.fits",
    ]
    assert stale_of(names, report, WISH) == ["coadds/M_42_R.fits"]


def test_coadds_are_not_stale_where_none_were_asked_for() -> None:
    wish = Wish(Path("night"), Path("out"), coadd=False)
    assert not stale_of(["coadds/M_31_R.fits", "pictures/M_31_R.png"], Report("night", "out", "pictor"), wish)
