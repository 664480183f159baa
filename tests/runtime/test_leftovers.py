"""What killed processes leave behind: scratch folders are removed, objects without a row are reported."""

import os
import time

from pictor.cli.check import Access, Wishes, check
from pictor.runtime.scratch import sweep_scratch
from tests.support.flow import Flow


async def test_the_scratch_folder_of_a_killed_worker_is_removed_and_that_of_a_living_one_is_not(flow: Flow) -> None:
    scratch = flow.runtime.settings.scratch
    for name in ("dead", "living"):
        (scratch / name).mkdir(parents=True)
        (scratch / name / "half.fits").write_bytes(b"half")
    long_ago = time.time() - 3100
    os.utime(scratch / "dead", (long_ago, long_ago))
    assert sweep_scratch(scratch) == 1
    assert [folder.name for folder in scratch.iterdir()] == ["living"]


async def test_a_folder_of_a_run_nobody_works_on_goes_long_before_the_longest_module_ends(flow: Flow) -> None:
    scratch = flow.runtime.settings.scratch
    job = await flow.submit()
    names = [f"{job}-ingest-1", f"{job}-ingest-2", f"{job}-preview-1"]
    for name in names:
        (scratch / name).mkdir(parents=True)
        os.utime(scratch / name, (time.time() - 130,) * 2)
    running = {(str(job), "ingest", 2)}
    assert sweep_scratch(scratch, running) == 2
    assert [folder.name for folder in scratch.iterdir()] == [names[1]]


async def test_an_object_whose_upload_was_never_committed_is_reported_by_the_check(flow: Flow) -> None:
    runtime = flow.runtime

    async def orphans() -> list[str]:
        place = Access(runtime.settings, runtime.settings.data_dir, runtime.pool, runtime.store, runtime.bus)
        return [one.sentence for one in (await check(place, Wishes()))["I3"].violations]

    source = runtime.settings.data_dir / "a.fits"
    source.parent.mkdir(parents=True, exist_ok=True)
    source.write_bytes(b"never committed")
    key = f"raw/{flow.observatory_id}/orphan"
    await runtime.store.put_file(key, source)
    assert await orphans() == []
    long_ago = time.time() - 7200
    for path in (runtime.settings.data_dir / "store").rglob("*"):
        if path.is_file():
            os.utime(path, (long_ago, long_ago))
    assert [key in sentence for sentence in await orphans()] == [True]
