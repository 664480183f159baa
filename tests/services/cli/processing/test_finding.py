"""What of a folder may be a frame."""

import os
import zipfile
from pathlib import Path

import pytest

from pictor.cli.processing import finding
from pictor.cli.processing.finding import JOURNAL, Found, Source, chosen, find


def test_frames_are_found_below_and_other_files_are_counted(tmp_path: Path) -> None:
    for name in ("a.fits", "b/c.FIT", "b/d e.fits.fz", "b/f.xisf", "b/g.fts.gz", "notes.txt", "h.jpg", ".hidden.fits"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x")
    found = find(tmp_path)
    assert [one.label for one in found.sources] == ["a.fits", "b/c.FIT", "b/d e.fits.fz", "b/f.xisf", "b/g.fts.gz"]
    assert found.others == 2
    assert not found.refused


def test_the_output_and_other_runs_are_left_out(tmp_path: Path) -> None:
    for name in ("out/masters/a.fits", f"old/{JOURNAL}", "old/coadds/b.fits", "c.fits"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    assert [one.label for one in find(tmp_path, without=tmp_path / "out").sources] == ["c.fits"]


def test_archives_are_read_in_place(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "T05 night.zip", "w") as archive:
        archive.writestr("raw-T05/M 51 001.fit", b"x" * 10)
        archive.writestr("raw-T05/readme.txt", b"x")
        archive.writestr("__MACOSX/raw-T05/._M 51 001.fit", b"x")
    before = (tmp_path / "T05 night.zip").read_bytes()
    found = find(tmp_path)
    assert [(one.label, one.member, one.size) for one in found.sources] == [
        ("T05 night.zip/raw-T05/M 51 001.fit", "raw-T05/M 51 001.fit", 10)
    ]
    assert found.sources[0].name == "M 51 001.fit"
    assert (tmp_path / "T05 night.zip").read_bytes() == before


def test_a_damaged_archive_and_one_too_large_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bad.zip").write_bytes(b"PK no archive")
    with zipfile.ZipFile(tmp_path / "big.zip", "w") as archive:
        archive.writestr("a.fits", b"x" * 100)
    monkeypatch.setattr(finding, "LARGEST_MEMBER", 99)
    told = dict(find(tmp_path).refused)
    assert "archive cannot be read" in told["bad.zip"]
    assert "unpacked" in told["big.zip/a.fits"]


def test_a_name_that_leads_nowhere_is_told(tmp_path: Path) -> None:
    (tmp_path / "gone.fits").symlink_to(tmp_path / "nowhere.fits")
    (told,) = find(tmp_path).refused
    assert told[0] == "gone.fits"
    assert "cannot be read" in told[1]


def test_a_frame_that_is_no_file_is_told(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.fits")
    assert find(tmp_path).refused == (("pipe.fits", "it is no regular file"),)


def test_files_are_chosen_by_patterns_of_names_and_paths() -> None:
    labels = ("M31/light_1.fits", "M31/light_2_bad.fits", "M42/light_1.fits", "night.zip/M31_light.fits")
    found = Found(tuple(Source(label, Path(label)) for label in labels), (("M31/locked.fits", "why"),), 3)

    def kept(include: list[str], exclude: list[str]) -> list[str]:
        return [one.label for one in chosen(found, include, exclude).sources]

    assert kept([], []) == list(labels)
    assert kept(["M31*"], []) == [labels[0], labels[1], labels[3]]
    assert kept(["M31*"], ["*_bad*", "*.zip/*"]) == [labels[0]]
    left = chosen(found, [], ["M31/*"])
    assert (len(left.sources), left.refused, left.others) == (2, (), 6)
