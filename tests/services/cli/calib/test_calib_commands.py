"""The calibration commands against a real gateway with a real stacker behind it."""

import csv
import io
import json
from pathlib import Path
from uuid import UUID

from astropy.io import fits

from tests.imaging.calibration.camera import Camera
from tests.support.calibration_house import ALL, CARDS, House, exposed, until, write


async def test_masters_are_listed_with_filters(house: House) -> None:
    found = await house.json("masters", "--type", "dark", "--status", "active")
    (master,) = found["items"]
    assert (master["is_master"], master["ncombine"], master["exposure_s"]) == (True, 10, 60.0)
    assert (await house.json("masters", "--type", "bias"))["items"] == []
    done = await house.pictor("masters", "--limit", 1)
    assert (done.exit_code, "1 of 1" in done.output) == (0, True)


async def test_individual_frames_in_no_master_are_listed(house: House) -> None:
    found = await house.json("masters", "--individual", "--type", "flat")
    assert (found["total"], found["items"][0]["is_master"]) == (10, False)
    assert (await house.json("masters", "--individual", "--type", "dark"))["total"] == 0


async def test_the_master_of_the_stacker_has_the_pixels_of_the_command_line(house: House) -> None:
    (master,) = (await house.json("masters", "--type", "dark", "--status", "active"))["items"]
    key = await house.pocket.runtime.pool.fetchval(
        "SELECT key FROM product WHERE master_id = $1 AND kind = 'master'", UUID(master["id"])
    )
    theirs = house.folder / "theirs.fits"
    await house.pocket.runtime.store.get_to_file(key, theirs)
    ours = house.folder / "ours.fits"
    done = await house.pictor("stack", *house.darks, "-o", ours)
    assert done.exit_code == 0, done.output
    with fits.open(theirs) as stored, fits.open(ours) as local:
        assert [unit.name for unit in stored] == [unit.name for unit in local] == ["SCI", "ERR", "MASK", "NUSED"]
        for one, other in zip(stored, local, strict=True):
            assert one.data.tobytes() == other.data.tobytes(), one.name
        different = {key for key in stored[0].header if stored[0].header[key] != local[0].header.get(key)}
    assert {key[5:] for key in different - {"CHECKSUM"}} <= {"ID"}, different


async def test_a_flat_without_its_dark_is_refused_with_the_exact_sentence_forced_or_not(house: House) -> None:
    for force in ([], ["--force"]):
        done = await house.pictor("create", "--type", "flat", *force)
        assert done.exit_code == 1
        assert "Flat auto-stacking deferred: no matching master dark available" in done.output
        assert "Traceback" not in done.output


async def test_a_master_below_the_threshold_is_made_by_force_and_waited_for(house: House, camera: Camera) -> None:
    frames = [camera.expose(5.0) for _ in range(4)]
    for path in write(camera, house.folder, "few", frames, **exposed("DARK", 5.0)):
        await house.pocket.upload(path.read_bytes())
    await house.pocket.idle()
    done = await house.pictor("create", "--type", "dark", "--exposure", 5)
    assert done.exit_code == 1
    assert "4 of 10 frames" in done.output
    made = await house.json("create", "--type", "dark", "--exposure", 5, "--force", "--wait")
    assert (made["frames"], made["job"]["state"]) == (4, "completed")
    assert (await house.json("masters", "--type", "dark", "--status", "active"))["total"] == 2


async def test_needs_show_what_a_light_waits_for_and_groups_under_way(house: House) -> None:
    found = await house.json("needs", *ALL)
    (dark,) = [need for need in found["needs"] if need["kind"] == "dark" and need["exposure_s"] == 90.0]
    assert (dark["coverage"], dark["waiting_lights"], dark["nearest_miss"]["failed"]) == (
        "uncovered", 1, ["exposure"],
    )  # fmt: skip
    done = await house.pictor("needs", *ALL)
    assert done.exit_code == 0
    assert "1 lights of the last 3650 days" in done.output
    assert "Flat auto-stacking" in done.output


async def test_the_capture_plan_is_what_the_program_would_fetch(house: House) -> None:
    done = await house.pictor("needs", "--plan", "csv", *ALL)
    assert done.exit_code == 0, done.output
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert {row["kind"] for row in rows} >= {"dark"}
    done = await house.pictor("needs", "--plan", "json", *ALL)
    told = json.loads(done.stdout)
    assert [item["need_id"] for item in told["items"]] == [row["need_id"] for row in rows]
    assert (await house.pictor("needs", "--plan", "xml")).exit_code == 2


async def test_explain_names_the_failing_rule_and_the_setting_that_would_turn_it(house: House) -> None:
    done = await house.pictor("explain", house.light_id)
    assert done.exit_code == 0, done.output
    assert "fails: exposure: frame 90, master 60, allowed 0.45" in done.output
    assert "would match with exposure_tolerance_s 30 (now 0.05)" in done.output
    found = await house.json("explain", house.light_id)
    assert [place["place"] for place in found["places"]] == ["dark", "flat", "bias"]
    done = await house.pictor("explain", "light00.fits")
    assert (done.exit_code, "is not the id of a frame" in done.output) == (2, True)
    done = await house.pictor("explain", UUID(int=5))
    assert (done.exit_code, done.output) == (1, f"pictor: {(await house.missing(UUID(int=5)))}\n")


async def test_a_dry_run_tells_what_settings_would_change_and_changes_nothing(house: House) -> None:
    found = await house.json("dry-run", "exposure_tolerance_s=30", *ALL)
    assert (found["lights"], found["gaining"], found["losing"]) == (1, 1, 0)
    done = await house.pictor("dry-run", "exposure_tolerance_s=30", *ALL)
    assert "1 lights: 1 gaining, 0 losing, 0 changing, 0 unchanged" in done.output
    settings = (await house.json("settings", "show"))["settings"]
    assert not any(one["changed"] for one in settings)


async def test_the_diary_shows_what_the_masters_measured(house: House) -> None:
    found = await house.json("diary")
    kinds = {series["kind"] for series in found["series"]}
    assert "hot-pixels" in kinds
    done = await house.pictor("diary", "--kind", "hot-pixels")
    assert (done.exit_code, "hot-pixels in" in done.output) == (0, True)


async def test_a_recalled_master_is_out_of_use_and_its_reason_kept(house: House, camera: Camera) -> None:
    frames = [camera.expose(7.0) for _ in range(10)]
    for path in write(camera, house.folder, "leak", frames, **exposed("DARK", 7.0)):
        await house.pocket.upload(path.read_bytes())
    active = "SELECT EXISTS (SELECT FROM master WHERE state = 'active' AND (facts->>'exposure_s')::float = 7)"
    await until(house.pocket, active)
    await house.pocket.idle()
    (master,) = [one for one in (await house.json("masters", "--type", "dark"))["items"] if one["exposure_s"] == 7.0]
    assert (await house.pictor("recall", master["id"])).exit_code == 2, "a reason is asked for"
    assert master["id"] in (await house.pictor("masters")).output, "an id is never cut"
    done = await house.pictor("recall", "nope", "--because", "x")
    assert (done.exit_code, "nope is not the id of a master" in done.output) == (2, True)
    done = await house.pictor("review", master["id"], "accept", "--because", "good")
    assert (done.exit_code, "Nothing was changed" in done.output) == (1, True)
    tried = await house.json("recall", master["id"], "--because", "light leak", "--dry-run")
    assert (tried["dry_run"], tried["state"]) == (True, "rejected")
    told = await house.json("recall", master["id"], "--because", "light leak")
    assert (told["state"], len(told["frames"])) == ("rejected", 10)
    done = await house.pictor("recall", UUID(int=7), "--because", "nothing")
    assert done.exit_code == 1


async def test_a_master_made_elsewhere_is_uploaded_and_judged(house: House, camera: Camera, tmp_path: Path) -> None:
    frames = camera.write(tmp_path, "own", [camera.expose(11.0) for _ in range(6)], **CARDS, **exposed("DARK", 11.0))
    made = tmp_path / "made.fits"
    assert (await house.pictor("stack", *frames, "-o", made)).exit_code == 0
    alone = await house.pictor("upload", made, "--wait", "--temperature", -10)
    assert "is kept and not used before a person accepts it" in alone.output, alone.output
    assert alone.exit_code == 1
    (waits,) = (await house.json("masters", "--status", "needs-review"))["items"]
    assert "on adoption: the header says BUNIT = adu" in (await house.pictor("masters", waits["id"])).output
    done = await house.pictor("review", waits["id"], "accept", "--because", "made here")
    assert done.exit_code == 0, done.output
    found = (await house.json("masters", "--type", "dark", "--status", "active"))["items"]
    (ours,) = [one for one in found if one["exposure_s"] == 11.0]
    assert ours["origin"] == "upload"
    again = await house.pictor("upload", made, "--temperature", -10)
    assert (again.exit_code, "were judged before" in again.output) == (0, True)
    broken = tmp_path / "broken.fits"
    broken.write_bytes(b"no master")
    done = await house.pictor("upload", broken)
    assert (done.exit_code, done.output.startswith("pictor: "), "Traceback" in done.output) == (1, True, False)


async def test_one_master_is_shown_with_the_numbers_of_its_gate(house: House) -> None:
    (master,) = [one for one in (await house.json("masters", "--type", "dark"))["items"] if one["exposure_s"] == 60.0]
    done = await house.pictor("masters", master["id"])
    assert done.exit_code == 0, done.output
    assert "active        split-half noise: halves differ by" in done.output
    assert "made with min_frames 10" in done.output


async def test_settings_are_shown_changed_and_taken_back(house: House) -> None:
    done = await house.pictor("settings", "set", "min_frames=15", "flat_rotation=required")
    assert done.exit_code == 0, done.output
    await house.json("settings", "set", "dark_max_age_days=60")
    now = {one["name"]: one for one in (await house.json("settings", "show"))["settings"]}
    assert (now["min_frames"]["value"], now["flat_rotation"]["value"], now["dark_max_age_days"]["value"]) == (
        15, "required", 60,
    )  # fmt: skip
    await house.json("settings", "set", "min_frames=default", "flat_rotation=default", "dark_max_age_days=default")
    assert not any(one["changed"] for one in (await house.json("settings", "show"))["settings"])


async def test_a_wrong_setting_says_its_range_before_anything_is_asked(house: House) -> None:
    done = await house.pictor("settings", "set", "min_frames=1000")
    assert (done.exit_code, done.output) == (2, "pictor: min_frames is 1000; it must lie between 3 and 100\n")
    done = await house.pictor("settings", "set", "minimum=3")
    assert (done.exit_code, "there is no setting minimum" in done.output) == (2, True)


async def test_an_observatory_that_is_not_there_and_a_gateway_that_is_not_there(house: House) -> None:
    done = await house.pictor("masters", "--observatory", "elsewhere")
    assert (done.exit_code, "there is no observatory elsewhere; yours: home" in done.output) == (2, True)
    done = await house.pictor("masters", "--url", "http://127.0.0.1:9")
    assert (done.exit_code, "no gateway answers" in done.output) == (3, True)
    done = await house.pictor("masters", token="wrong")
    assert done.exit_code == 1
