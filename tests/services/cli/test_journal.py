import json
from pathlib import Path

import pytest

from pictor.cli.journal import Journal, JournalError, default_path, entries

SHA = "ab" * 32


def test_a_line_is_on_disk_when_the_upload_counts_as_done(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "journal.jsonl"
    with Journal(path) as journal:
        journal.add(sha256=SHA, size=8, frame_id="f", status=201, server="http://here", name="a.fits")
        found = json.loads(path.read_text())
    assert {"sha256", "size", "frame_id", "status", "time", "server", "name"} == set(found)
    assert path.stat().st_mode & 0o077 == 0


def test_a_line_cut_by_a_crash_is_not_read_and_does_not_spoil_the_next(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    with Journal(path) as journal:
        journal.add(sha256=SHA, size=1, frame_id="one", status=201, server="http://here")
    with path.open("ab") as file:
        file.write(b'{"sha256": "abab')
    assert [entry.frame_id for entry in entries(path)] == ["one"]
    with Journal(path) as journal:
        journal.add(sha256=SHA, size=1, frame_id="two", status=200, server="http://here")
    assert [entry.frame_id for entry in entries(path)] == ["one", "two"]


def test_names_a_later_version_adds_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    with Journal(path) as journal:
        entry = journal.add(sha256=SHA, size=1, frame_id="one", status=201, server="http://here")
    path.write_text(json.dumps(json.loads(path.read_text()) | {"checksum": "new"}) + "\n")
    assert list(entries(path)) == [entry]


def test_one_journal_serves_several_gateways(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    with Journal(path) as journal:
        for server in ("http://here", "http://there"):
            journal.add(sha256=SHA, size=1, frame_id=server, status=201, server=server)
    assert [entry.frame_id for entry in entries(path, server="http://there/")] == ["http://there"]


def test_a_journal_that_is_not_there_is_an_error_and_not_an_empty_one(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="No such file"):
        list(entries(tmp_path / "missing"))


def test_the_journal_lies_where_programs_keep_their_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert default_path() == tmp_path / "pictor" / "uploads.jsonl"
