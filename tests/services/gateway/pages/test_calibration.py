"""The calibration page: every tab, what each role may do there, and that hostile names stay text."""

import hashlib
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from PIL import Image

from pictor.contracts.access import Role
from pictor.contracts.frames import FrameType, ProductKind
from pictor.runtime.store.file import FileStore
from pictor.state import groups, masters, policies, products
from pictor.state.database import Connection
from pictor.state.groups import Note
from pictor.state.products import Product
from tests.services.gateway.pages.conftest import Client, make_token
from tests.services.gateway.pages.test_pages import Elements
from tests.support.nights import HOSTILE, Place, add_light, make_place
from tests.support.shelves import add_individual, add_master, add_stack_job, facts, fill_library

TABS = ("masters", "frames", "needs", "coverage", "detector", "pixels", "settings", "jobs", "maintenance")


async def signed_in(client: Client, db: Connection, role: Role, place: Place) -> Client:
    """Sign a browser in as somebody of an observatory."""
    await client.post("/login", data={"token": await make_token(db, role, place)}, follow_redirects=False)
    return client


def actions(text: str) -> set[str]:
    """What the buttons and forms of a page do."""
    names = ("data-action", "data-api", "data-upload")
    found = [attributes.get(name) for _, attributes in Elements(text).found for name in names]
    return {value for value in found if value}


async def test_masters_show_their_setup_standing_and_expiry(browser: Client, db: Connection, place: Place) -> None:
    found = await fill_library(db, place)
    text = (await browser.get("/calibration")).text
    for piece in ("gain 100 · offset 50 · 1\N{MULTIPLICATION SIGN}1", "active, expires in 27 d",
                  "active, expired 11 d ago", "needs review", "superseded", "8.4 sigma (limit 6)"):  # fmt: skip
        assert piece in " ".join(text.split()), piece
    assert f'href="/api/v1/calibration/frames/{found["dark"]}/download"' in text
    assert f'data-url="/calibration/masters/{found["dark"]}/components"' in text


async def test_the_address_narrows_the_masters(browser: Client, db: Connection, place: Place) -> None:
    found = await fill_library(db, place)
    flats = (await browser.get("/calibration?type=flat&filter=L&status=active")).text
    shown = {name for name, one in found.items() if f"/calibration/masters/{one}" in flats}
    assert shown == {"flat"}
    assert "No masters like these" in (await browser.get("/calibration?camera=QHY600")).text


async def test_components_stay_named_when_they_are_deleted(browser: Client, db: Connection, place: Place) -> None:
    found = await fill_library(db, place)
    text = (await browser.get(f"/calibration/masters/{found['dark']}/components")).text
    assert text.count("dark_0") == 20
    assert "1 of 21 source frames was deleted since. Individual frames persist independently" in text
    assert text.count("deleted since") == 2
    assert "0 source frames" in (await browser.get(f"/calibration/masters/{found['bias']}/components")).text


async def test_individual_frames_are_the_unclaimed_ones_with_the_reason_they_are_left_out(
    browser: Client, db: Connection, place: Place
) -> None:
    await fill_library(db, place)
    text = (await browser.get("/calibration?tab=frames")).text
    assert text.count("flat_000") == 7
    assert "dark_0003" not in text
    assert "sensor at -7.2 C, set point -10.0 C: 2.8 C apart" in text
    assert "dark_0003" in (await browser.get("/calibration?tab=frames&claimed=all")).text


async def test_every_blocked_group_shows_its_reason_and_its_remedy(
    browser: Client, db: Connection, place: Place
) -> None:
    await fill_library(db, place)
    text = (await browser.get("/calibration?tab=frames")).text
    for piece in ("7 of 10", "Take 3 more", "Flat auto-stacking deferred: no matching master dark available",
                  "Take darks of the flats&#39; exposure"):  # fmt: skip
        assert piece in text, piece
    failed = "the last stack of these frames failed or was cancelled; ask for it by hand"
    of = facts(place, FrameType.BIAS)
    await groups.save_notes(db, place.observatory_id, [Note("bias/x", "keep", failed, 12, 10, of)])
    assert "Look at the rejected candidate or the failed stack" in (await browser.get("/calibration?tab=frames")).text


async def test_coverage_has_a_place_for_every_temperature_exposure_and_filter(
    browser: Client, db: Connection, place: Place
) -> None:
    found = await fill_library(db, place)
    text = " ".join((await browser.get("/calibration?tab=coverage")).text.split())
    for piece in (
        "RC8 + 2600",
        "300 s",
        "60 s",
        "OIII",
        "7 of 10",
        "waits for a dark",
        "expired 11 d ago",
        "expires in 19 h",
    ):
        assert piece in text, piece
    assert f'<a class="badge expiring" href="/calibration/masters/{found["warm"]}"' in text
    assert text.index(">-10.0<") < text.index(">0.0<")


async def lights_without_masters(db: Connection, place: Place) -> UUID:
    """Insert lights of a filter and exposure nothing in the library fits."""
    frame_id = await add_light(db, place, 1)
    setup = facts(place, FrameType.LIGHT)["mode"] | {"exposure_s": 120.0, "filter": "SII", "set_temp_c": -10.0}
    described = {"frame_type": "light", "is_master": False, "target_name": "NGC 7331"} | setup
    await db.execute("UPDATE frame SET description = description || $1", described)
    await db.execute(
        """
        UPDATE frame SET gain_setting = 100, offset_setting = 50, binning_x = 1, binning_y = 1, width = 6248,
            height = 4176, exposure_s = 120, filter = 'SII', set_temp_c = -10, night = current_date - 1 WHERE id = $1
        """,
        frame_id,
    )
    return frame_id


async def test_needs_say_what_lights_lack_why_and_what_to_take(browser: Client, db: Connection, place: Place) -> None:
    await fill_library(db, place)
    await lights_without_masters(db, place)
    text = " ".join((await browser.get("/calibration?tab=needs")).text.split())
    for piece in ("uncovered", "120 s", "Take 10 dark frames like this.", "10 \N{MULTIPLICATION SIGN} dark",
                  "Flat auto-stacking deferred: no matching master dark available",
                  "Expiry warnings <small>3</small>",
                  f"/api/v1/calibration/plan/{place.observatory_id}?format=csv"):  # fmt: skip
        assert piece in text, piece
    assert "120 s" in (await browser.get("/calibration?tab=coverage")).text


async def test_every_setting_has_its_default_range_and_description(
    browser: Client, db: Connection, place: Place
) -> None:
    await policies.save(db, place.observatory_id, {"min_frames": 5}, changed_by="user:1")
    text = " ".join((await browser.get("/calibration?tab=settings")).text.split())
    fields = [found for tag, found in Elements(text).found if tag in {"input", "select"} and "data-default" in found]
    assert [found["name"] for found in fields] == list(policies.SETTINGS)
    assert all("disabled" in found for found in fields)
    for piece in ("Default 10; 3 to 100", 'value="5" data-default="10"', "changed", "Default CMOS; one of CMOS, CCD",
                  'name="filter_synonyms" type="text" maxlength="2000" value=""', "Default nothing</small>",
                  "Individual frames needed before auto-stacking triggers"):  # fmt: skip
        assert piece in text, piece


async def test_stacks_show_why_they_failed_and_can_be_retried(stranger: Client, db: Connection, place: Place) -> None:
    found = await fill_library(db, place)
    client = await signed_in(stranger, db, Role.OBSERVATORY_ADMIN, place)
    text = (await client.get("/calibration?tab=jobs")).text
    assert "the disk was full" in text
    assert f"/api/v1/calibration/jobs/{found['job']}/retry" in text
    assert 'data-method="DELETE"' not in text
    client = await signed_in(stranger, db, Role.SERVER_ADMIN, place)
    assert 'data-method="DELETE"' in (await client.get("/calibration?tab=jobs")).text


async def test_maintenance_is_for_administrators_of_the_server(stranger: Client, db: Connection, place: Place) -> None:
    await fill_library(db, place)
    for role in (Role.MEMBER, Role.OBSERVATORY_ADMIN):
        client = await signed_in(stranger, db, role, place)
        assert (await client.get("/calibration?tab=maintenance")).status_code == 404
        assert (await client.get("/calibration/health")).status_code == 403
        assert "tab=maintenance" not in (await client.get("/calibration")).text
    client = await signed_in(stranger, db, Role.SERVER_ADMIN, place)
    text = (await client.get("/calibration?tab=maintenance")).text
    for name in ("cache-clear", "expiry-check", "retention-cleanup"):
        assert f'data-url="/api/v1/calibration/maintenance/{name}" data-dry="true"' in text
    health = (await client.get("/calibration/health")).text
    for piece in ("hill: 1 master needs review", "flat/SII", "12 of 10", "the disk was full"):
        assert piece in health, piece


async def test_stacking_jobs_are_for_administrators(browser: Client, db: Connection, place: Place) -> None:
    await fill_library(db, place)
    assert (await browser.get("/calibration?tab=jobs")).status_code == 404
    assert "tab=jobs" not in (await browser.get("/calibration")).text


async def test_the_page_of_a_master_shows_gate_facts_and_lights(browser: Client, db: Connection, place: Place) -> None:
    found = await fill_library(db, place)
    light = await add_light(db, place, 1)
    await masters.save_use(db, light, uuid4(), {"dark": found["dark"]}, weak=True, explanation={})
    text = (await browser.get(f"/calibration/masters/{found['dark']}")).text
    for piece in ("split-half noise", "0.9 to 1.1", "1.01", "not possible", "needs-review", "0.312 %", "1.52 e",
                  "sigma_clip", "NGC 7331", "weak match", "deleted since"):  # fmt: skip
        assert piece in text, piece


async def test_a_master_has_pictures_with_what_white_stands_for(
    browser: Client, db: Connection, place: Place, store: FileStore, tmp_path: Path
) -> None:
    master = await add_master(db, place, FrameType.DARK, exposure_s=1.0)
    page = f"/calibration/masters/{master}"
    assert "No pictures were made" in (await browser.get(page)).text
    picture = tmp_path / "rejection.png"
    Image.new("L", (8, 8)).save(picture)
    digest = hashlib.sha256(picture.read_bytes()).hexdigest()
    key = f"products/{master}/rejection.png"
    kept = await store.put_file(key, picture, "image/png", sha256=digest)
    made = Product(
        uuid4(), place.observatory_id, ProductKind.REJECTION, key, kept.size, digest, "image/png", "pictor",
        master_id=master, parameters={"rejection_white": 0.05},
    )  # fmt: skip
    await products.save(db, made)
    text = (await browser.get(page)).text
    assert "white is 5 %" in text
    assert f'src="{page}/picture?of=rejection"' in text
    answer = await browser.get(f"{page}/picture?of=rejection")
    assert (answer.headers["content-type"], answer.content) == ("image/png", picture.read_bytes())
    assert (await browser.get(f"{page}/picture?of=preview")).status_code == 404


async def test_members_see_and_administrators_act(stranger: Client, db: Connection, place: Place) -> None:
    found = await fill_library(db, place)
    paths = [f"/calibration?tab={tab}" for tab in TABS[:-2]] + [f"/calibration/masters/{found['review']}"]
    changing = {"remove", "because"} | {f"/api/v1/calibration/masters/{how}" for how in ("create", "upload")}
    seen = {}
    for role in (Role.MEMBER, Role.OBSERVATORY_ADMIN):
        client = await signed_in(stranger, db, role, place)
        seen[role] = set().union(*[actions((await client.get(path)).text) for path in paths])
    assert not changing & seen[Role.MEMBER]
    assert changing <= seen[Role.OBSERVATORY_ADMIN]


async def test_another_observatorys_library_does_not_exist(browser: Client, db: Connection, place: Place) -> None:
    theirs = await make_place(db, "valley")
    master = await add_master(db, theirs, FrameType.DARK, exposure_s=1.0)
    await add_individual(db, theirs, FrameType.DARK, 1)
    pages = (f"masters/{master}{more}" for more in ("", "/components", "/picture"))
    for path in (f"/calibration?observatory={theirs.observatory_id}", *(f"/calibration/{one}" for one in pages)):
        assert (await browser.get(path)).status_code == 404, path
    assert str(master) not in (await browser.get("/calibration")).text


async def test_a_light_explains_what_is_missing_and_what_would_match(
    browser: Client, db: Connection, place: Place
) -> None:
    await fill_library(db, place)
    light = await lights_without_masters(db, place)
    assert f'hx-get="/frames/{light}/calibration"' in (await browser.get(f"/frames/{light}")).text
    text = " ".join((await browser.get(f"/frames/{light}/calibration")).text.split())
    for piece in ("no match", "no master dark matches; nearest: exposure: frame 120, master 60, allowed 0.6",
                  "Exposure tolerance 60", "<td>SII</td><td>L</td>", "No setting makes it match"):  # fmt: skip
        assert piece in text, piece
    theirs = await add_light(db, await make_place(db, "valley"), 2)
    assert (await browser.get(f"/frames/{theirs}/calibration")).status_code == 404


async def test_an_individual_frame_says_what_became_of_it(browser: Client, db: Connection, place: Place) -> None:
    found = await fill_library(db, place)
    refused = (await browser.get(f"/frames/{found['refused']}/calibration")).text
    assert "never stacked" in refused
    assert "2.8 C apart" in refused
    assert "its group" in (await browser.get(f"/frames/{found['waiting']}/calibration")).text
    used = await db.fetchval("SELECT id FROM frame WHERE mastered_by = $1 LIMIT 1", found["dark"])
    assert f"/calibration/masters/{found['dark']}" in (await browser.get(f"/frames/{used}/calibration")).text


async def make_hostile(db: Connection, place: Place) -> UUID:
    """Put markup into every text a header or a person may bring."""
    master = await add_master(db, place, FrameType.FLAT, filter=HOSTILE, reasons=(HOSTILE,))
    await add_individual(db, place, FrameType.FLAT, 1, filter=HOSTILE, camera=HOSTILE, refused=[HOSTILE])
    mode = facts(place, FrameType.FLAT)["mode"] | {"readout_mode": HOSTILE}
    of = facts(place, FrameType.FLAT, filter=HOSTILE, mode=mode)
    await groups.save_notes(db, place.observatory_id, [Note(HOSTILE, "accumulate", HOSTILE, 3, 10, of)])
    await db.execute("UPDATE frame SET name = $1", HOSTILE)
    await db.execute("UPDATE rig SET name = $1", HOSTILE)
    await db.execute("UPDATE master SET camera_name = $1, recall_reason = $1, recalled_at = now()", HOSTILE)
    await add_stack_job(db, place, HOSTILE, reason=HOSTILE)
    await policies.save(db, place.observatory_id, {"min_frames": 5}, changed_by=HOSTILE)
    frame = await add_individual(db, place, FrameType.FLAT, 2)
    await db.execute("UPDATE frame SET name = $1 WHERE id = $2", HOSTILE, frame)
    await db.execute("INSERT INTO master_component VALUES ($1, $2, 'x')", master, frame)
    return master


@pytest.mark.parametrize(
    "path", [*(f"/calibration?tab={tab}" for tab in TABS if tab not in {"detector", "maintenance"}),
             "/calibration/health", "/calibration/masters/{id}", "/calibration/masters/{id}/components"],
)  # fmt: skip
async def test_hostile_names_stay_text(office: Client, db: Connection, place: Place, path: str) -> None:
    master = await make_hostile(db, place)
    text = (await office.get(path.format(id=master))).text
    for tag, attributes in Elements(text).found:
        assert not any(name.startswith("on") or name == "style" for name in attributes), (tag, attributes)
        assert tag != "script" or (attributes.get("src") or "").startswith("/static/")
    assert "alert(1)" in text
    assert "<script>alert" not in text
