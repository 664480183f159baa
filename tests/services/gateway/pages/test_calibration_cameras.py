"""Detector, bad pixels, lights of superseded masters, uploads, and what is fetched again by itself."""

import json
from pathlib import Path
from uuid import UUID, uuid4

from pictor.contracts.access import Role
from pictor.contracts.frames import FrameType, ProductKind
from pictor.gateway.pages.calibration_groups import waiting
from pictor.gateway.pages.calibration_master import shown_check
from pictor.state import badpixels, masters, products
from pictor.state.database import Connection
from pictor.state.groups import Note
from pictor.state.products import Product
from tests.services.gateway.pages.conftest import Client
from tests.services.gateway.pages.test_calibration import TABS, actions, lights_without_masters, signed_in
from tests.services.gateway.pages.test_pages import Elements
from tests.support.nights import Place
from tests.support.shelves import add_individual, add_master, facts, fill_library

CONTRACT = json.loads((Path(__file__).parents[4] / "contracts" / "openapi.json").read_text())


async def test_the_detector_page_asks_the_api_for_the_diary_of_its_observatory(browser: Client, place: Place) -> None:
    text = (await browser.get("/calibration?tab=detector")).text
    assert f'data-url="/api/v1/calibration/diary/{place.observatory_id}"' in text
    assert "/static/detector.js" in text


async def test_listed_bad_pixels_are_written_by_administrators_and_read_by_members(
    stranger: Client, db: Connection, place: Place
) -> None:
    await badpixels.save(db, place.observatory_id, place.rig_id, "rows: [3] # <b>warm</b>", changed_by="user:1")
    member = (await (await signed_in(stranger, db, Role.MEMBER, place)).get("/calibration?tab=pixels")).text
    assert "rows: [3] # &lt;b&gt;warm&lt;/b&gt;" in member
    assert "Administrators of the observatory can change the list." in member
    assert not actions(member) & {"check-pixels", "save-pixels", "forget-pixels"}
    admin = (await (await signed_in(stranger, db, Role.OBSERVATORY_ADMIN, place)).get("/calibration?tab=pixels")).text
    assert {"check-pixels", "save-pixels", "forget-pixels"} <= actions(admin)
    assert f'data-url="/api/v1/rigs/{place.rig_id}/bad-pixels"' in admin
    assert (await stranger.get(f"/calibration?tab=pixels&rig={uuid4()}")).status_code == 404


async def test_bad_pixels_are_drawn_on_the_longest_master_dark_that_has_a_picture(
    browser: Client, db: Connection, place: Place
) -> None:
    await add_master(db, place, FrameType.DARK, exposure_s=600.0)
    dark = await add_master(db, place, FrameType.DARK, exposure_s=300.0)
    frame = await add_individual(db, place, FrameType.DARK, 1, row_order="TOP-DOWN")
    assert "No master dark of the whole sensor has a picture yet" in (await browser.get("/calibration?tab=pixels")).text
    await products.save(db, Product(
        uuid4(), place.observatory_id, ProductKind.PREVIEW, f"products/{dark}", 1, "a" * 64, "image/png", "pictor",
        master_id=dark,
    ))  # fmt: skip
    text = (await browser.get("/calibration?tab=pixels")).text
    assert f"/calibration/masters/{dark}/picture?of=preview" in text
    assert 'data-width="6248" data-height="4176" data-binning="1" data-top="true"' in text
    await db.execute('UPDATE frame SET description = description || \'{"row_order": "BOTTOM-UP"}\'')
    assert 'data-top="false"' in (await browser.get("/calibration?tab=pixels")).text
    assert frame


async def succeeded(db: Connection, place: Place) -> tuple[UUID, UUID, UUID]:
    """Insert a light measured with a flat that another one superseded since."""
    old = await add_master(db, place, FrameType.FLAT, filter="L", days=9)
    new = await add_master(db, place, FrameType.FLAT, filter="L", days=8)
    light = await lights_without_masters(db, place)
    described = {"exposure_s": 300.0, "filter": "L"}
    await db.execute(
        """
        UPDATE frame SET exposure_s = 300, filter = 'L', description = description || $2, night = current_date - 8,
            start_utc = now() - interval '8 days', camera_mode = 'asi2600 gain 100' WHERE id = $1
        """,
        light, described,
    )  # fmt: skip
    await add_master(db, place, FrameType.DARK, exposure_s=300.0, days=8)
    await masters.save_use(db, light, uuid4(), {"flat": old}, weak=False, explanation={})
    await db.execute(
        "UPDATE master SET state = 'superseded', superseded_at = now(), superseded_by = $2 WHERE id = $1", old, new
    )
    return light, old, new


async def test_the_page_of_a_light_says_that_its_master_was_superseded_since(
    browser: Client, db: Connection, place: Place
) -> None:
    light, old, new = await succeeded(db, place)
    text = (await browser.get(f"/frames/{light}/calibration")).text
    assert "Flat: processed with a master that was superseded" in text
    assert f'href="/calibration/masters/{old}"' in text
    assert f'href="/calibration/masters/{new}"' in text
    assert f'data-url="/api/v1/frames/{light}/reprocess"' in text


async def test_the_page_of_a_master_offers_the_lights_of_its_predecessor_to_administrators(
    stranger: Client, db: Connection, place: Place
) -> None:
    _, old, new = await succeeded(db, place)
    for role, offered in ((Role.MEMBER, False), (Role.OBSERVATORY_ADMIN, True)):
        client = await signed_in(stranger, db, role, place)
        text = (await client.get(f"/calibration/masters/{new}/succession")).text
        assert "1 light was processed with a predecessor of this master" in text
        assert ("Reprocess this light" in text) == offered
        assert "predecessor" not in (await client.get(f"/calibration/masters/{old}/succession")).text


async def test_the_upload_form_states_every_value_the_api_takes(stranger: Client, db: Connection, place: Place) -> None:
    client = await signed_in(stranger, db, Role.OBSERVATORY_ADMIN, place)
    text = (await client.get("/calibration")).text
    named = {found.get("name") for tag, found in Elements(text).found if tag in {"input", "select"}}
    upload = CONTRACT["paths"]["/api/v1/calibration/masters/upload"]["post"]
    taken = {one["name"] for one in upload["parameters"] if one["in"] == "query"}
    assert len(taken) > 10
    assert taken - named <= {"observatory", "name"}, "these go with every upload"


async def test_what_changes_by_itself_is_fetched_again_and_what_is_typed_is_not(
    stranger: Client, db: Connection, place: Place
) -> None:
    await fill_library(db, place)
    client = await signed_in(stranger, db, Role.OBSERVATORY_ADMIN, place)
    for tab in TABS:
        if tab != "maintenance":
            found = Elements((await client.get(f"/calibration?tab={tab}")).text).found
            live = {one.get("id") for _, one in found if "data-live" in one}
            assert (tab in {"settings", "detector", "pixels"}) == (not live - {"tally"}), tab
    form = (await client.get("/calibration")).text
    assert form.index("data-live") < form.index("</section>") < form.index("data-upload")


def test_a_group_with_a_master_below_the_threshold_is_not_asked_for_more(place: Place) -> None:
    note = Note("dark/60s", "accumulate", "2 of 10 frames", 2, 10, facts(place, FrameType.DARK))
    assert waiting(note, {}).remedy == "Take 8 more, or create the master now below the threshold."
    shown = waiting(note, {}, has_master=True)
    assert (shown.message, shown.remedy) == ("2 of 10 frames; its active master was made of fewer", None)


def test_the_gate_is_shown_with_units_and_bars_within_their_limits() -> None:
    level = shown_check({"name": "level", "value": 0.0, "low": -12.9727, "high": 12.9727, "verdict": "active"})
    assert (level.value, level.allowed) == ("0 ADU", "-13 to 13 ADU")
    assert (level.bar, level.low, level.high) == (0.5, 0.1667, 0.8333)
    rejected = shown_check({"name": "rejected samples", "value": 0.00215, "high": 0.016, "verdict": "active"})
    assert (rejected.value, rejected.allowed) == ("0.215 %", "at most 1.6 %")
    noise = shown_check({"name": "split-half noise", "value": 1.016, "low": 0.9, "high": 1.1, "verdict": "active"})
    assert (noise.value, noise.allowed, noise.low) == ("1.02", "0.9 to 1.1", 0.5455)
