"""``pictor check`` as a person calls it, on an installation with all servers and services."""

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from pictor.cli.attach import read_settings
from pictor.cli.sweeping import sweep
from pictor.runtime.store.opening import open_store
from tests.support.exposures import exposure
from tests.support.installation import Installation, installation, pictor


@dataclass
class Known:
    """A running installation that has processed a frame, its journal and its baseline."""

    flow: Installation
    journal: Path
    baseline: Path
    frame_id: str

    def check(self, *options: str) -> tuple[int, dict[str, Any]]:
        done = pictor("check", "--data", str(self.flow.data), "--json", "--journal", str(self.journal), *options)
        assert done.stdout, done.stderr
        return done.returncode, json.loads(done.stdout)


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Known]:
    folder = tmp_path_factory.mktemp("check")
    light = exposure(folder / "light.fits", 1)
    with installation(folder / "data") as flow:
        journal, baseline = folder / "journal.jsonl", folder / "baseline.json"
        sent = flow.pictor("upload", str(light), "--journal", str(journal), "--json")
        assert sent.returncode == 0, sent.stderr
        told = json.loads(sent.stdout)
        flow.ended(told["job_id"], within_s=150)
        again = flow.pictor("upload", str(light), "--journal", str(journal))
        assert again.returncode == 0
        written = pictor("check", "--data", str(flow.data), "--write-baseline", str(baseline))
        assert "pixel child" in written.stdout, written.stderr
        yield Known(flow, journal, baseline, told["frame_id"])


def names(report: dict[str, Any]) -> set[str]:
    return {violation["kind"] for one in report["invariants"] for violation in one["violations"]}


def test_a_frame_that_was_uploaded_and_processed_passes_the_deep_check(known: Known) -> None:
    code, report = known.check("--deep", "--baseline", str(known.baseline), "--expect-parked", "0", "--grace", "0")
    assert (code, names(report)) == (0, set()), report
    assert report["counts"]["journal"] == 2, "the 201 and the 200 of the second upload"
    opened = next(one["checked"] for one in report["invariants"] if one["invariant"] == "I12")
    assert opened >= 5
    print(f"{report['counts']['objects']} objects, {opened} products opened")


async def test_a_lost_preview_is_named_and_made_again(known: Known) -> None:
    settings = read_settings(known.flow.data)
    store = await open_store(settings)
    keys = [one.key async for one in store.list("products/") if "/preview-" in one.key]
    await store.delete(keys[0])
    await store.close()
    code, report = known.check()
    assert (code, names(report)) == (1, {"product-missing"})
    code, report = known.check("--repair", "--dry-run")
    assert [one["name"] for one in report["repairs"]] == ["recompose"]
    _, report = known.check("--repair")
    (action,) = report["repairs"]
    known.flow.ended(action["detail"].rsplit("job ")[1], within_s=120)
    code, report = known.check("--deep", "--repair")
    assert (code, report["repairs"]) == (0, []), report


async def test_bytes_whose_upload_was_cut_off_become_a_frame_by_the_daily_sweep(known: Known) -> None:
    settings = read_settings(known.flow.data)
    light = exposure(known.flow.data.parent / "cut.fits", 2)
    digest = hashlib.sha256(light.read_bytes()).hexdigest()
    store = await open_store(settings)
    observatory = (await anext(store.list("raw/"))).key.split("/")[1]
    await store.put_file(f"raw/{observatory}/{digest[:2]}/{digest}", light)
    await store.close()
    swept = await sweep(settings)
    assert swept is not None
    assert not swept.adopted, "younger than a day"
    _, report = known.check("--repair", "--grace", "0")
    assert [one["name"] for one in report["repairs"]] == ["adopt-frame"]
    found = known.flow.client.head(
        f"/frames/{digest}", params={"observatory": known.flow.frame(known.frame_id)["observatory"]}
    )
    assert found.status_code == httpx.codes.OK
    known.flow.idle(within_s=150)
    code, report = known.check("--deep", "--grace", "0")
    assert code == 0, report


def test_a_folder_that_holds_no_installation_cannot_be_checked(tmp_path: Path) -> None:
    done = pictor("check", "--data", str(tmp_path), "--json")
    assert done.returncode == 2
    assert "no installation" in json.loads(done.stdout)["reason"]


def test_servers_that_do_not_answer_cannot_be_checked(tmp_path: Path) -> None:
    variables = {
        "PICTOR_POSTGRES_DSN": "postgresql://127.0.0.1:9/pictor", "PICTOR_S3_ENDPOINT": "127.0.0.1:9",
        "PICTOR_S3_ACCESS_KEY": "k", "PICTOR_S3_SECRET_KEY": "s",
    }  # fmt: skip
    done = pictor("check", "--data", str(tmp_path), **variables)
    assert done.returncode == 2
    assert "could not check" in done.stderr


def test_a_growth_against_the_baseline_is_told(known: Known, tmp_path: Path) -> None:
    small = json.loads(known.baseline.read_text())
    small["processes"]["pixel child"]["count"] = 0
    small["processes"]["pictor up"]["fds"] = 1
    path = tmp_path / "small.json"
    path.write_text(json.dumps(small))
    code, report = known.check("--baseline", str(path))
    sentences = [one["sentence"] for finding in report["invariants"] for one in finding["violations"]]
    assert code == 1
    assert any("pixel child has" in sentence for sentence in sentences)
    assert any("open files" in sentence for sentence in sentences)


def test_a_process_that_holds_state_without_belonging_is_told(known: Known) -> None:
    stray = known.flow.data / "scratch" / "stray"
    stray.mkdir(parents=True)
    descriptor = os.open(stray / "held", os.O_CREAT | os.O_RDWR, 0o600)
    try:
        code, report = known.check()
        assert (code, names(report)) == (1, {"process-left"})
    finally:
        os.close(descriptor)
        (stray / "held").unlink()
        stray.rmdir()


def test_a_person_reads_one_line_per_invariant(known: Known) -> None:
    done = pictor("check", "--data", str(known.flow.data))
    assert done.returncode == 0
    assert done.stdout.count("ok  ") == 11
    assert "only with --deep" in done.stdout
