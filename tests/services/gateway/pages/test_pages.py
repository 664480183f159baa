"""What the pages show, to whom, and that nothing in a header can become part of them."""

import re
import time
from html.parser import HTMLParser
from uuid import uuid4

import pytest

from pictor.contracts.modules import Module, RunState
from pictor.state import loads, masters, nights, solutions
from pictor.state.database import Connection
from tests.services.gateway.pages.conftest import Client
from tests.support.nights import HOSTILE, NIGHT, Place, add_light, add_parked, add_results, fill, make_place, solution


class Elements(HTMLParser):
    """Every element of a page with its attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def rows_of(text: str) -> list[str]:
    """Ids of the rows of a night."""
    return re.findall(r'<tr id="row-([0-9a-f-]{36})"', text)


async def test_the_night_shows_every_light_newest_first(browser: Client, db: Connection, place: Place) -> None:
    ids = await fill(db, place, 12)
    text = (await browser.get("/night")).text
    assert rows_of(text) == [str(frame_id) for frame_id in reversed(ids)]
    assert f'value="{NIGHT}" selected' in text
    assert text.count('class="dot running"') == 2 * 3  # one per unfinished frame, for wide and for narrow screens


async def test_the_address_holds_the_filters(browser: Client, db: Connection, place: Place) -> None:
    await fill(db, place, 24)
    shown = rows_of((await browser.get(f"/night?night={NIGHT}&filter=R&grade=accepted")).text)
    lines = await nights.frames(db, [place.observatory_id], NIGHT)
    assert shown == [str(line.id) for line in lines if line.filter == "R" and line.grade == "accepted"]
    assert 0 < len(shown) < 24
    assert rows_of((await browser.get("/night?type=dark")).text) == []
    assert rows_of((await browser.get("/night?night=2020-01-01")).text) == []


async def test_one_row_can_be_fetched_again_unless_the_filters_leave_it_out(
    browser: Client, db: Connection, place: Place
) -> None:
    frame_id = await add_light(db, place, 1)
    row = await browser.get(f"/night/rows/{frame_id}?filter=L")
    assert rows_of(row.text) == [str(frame_id)]
    assert (await browser.get(f"/night/rows/{frame_id}?filter=Ha")).status_code == 204
    assert (await browser.get(f"/night/rows/{uuid4()}")).status_code == 204


async def test_frames_of_another_observatory_do_not_exist(browser: Client, db: Connection, place: Place) -> None:
    theirs = await add_light(db, await make_place(db, "valley"), 1, target="M 31")
    assert "M 31" not in (await browser.get("/night")).text
    assert (await browser.get(f"/frames/{theirs}")).status_code == 404
    assert (await browser.get(f"/frames/{theirs}/timeline")).status_code == 404
    assert (await browser.get(f"/night/rows/{theirs}")).status_code == 204
    assert "M 31" not in (await browser.get("/jobs")).text


async def test_the_frame_page_shows_numbers_with_units_position_and_reasons(
    browser: Client, db: Connection, place: Place
) -> None:
    frame_id = await add_light(db, place, 5, states={Module.ASTROMETRY: RunState.FAILED})
    await add_results(db, place, frame_id, 5)
    text = (await browser.get(f"/frames/{frame_id}")).text
    for piece in ("22:37:04.02", "+34:24:56.2", "339.26675°", "83.4″", "6.9\N{PRIME}", "0.962 ″/px", "e⁻", "KEY007",
                  "only 7 stars were found, 12 are needed", "ROWORDER is missing"):  # fmt: skip
        assert piece in text, piece
    assert f'href="/api/v1/frames/{frame_id}/fits"' in text


async def test_the_frame_page_shows_photometry_and_masters(browser: Client, db: Connection, place: Place) -> None:
    frame_id = await add_light(db, place, 5)
    await add_results(db, place, frame_id, 5)
    assert "Zero point" not in (await browser.get(f"/frames/{frame_id}")).text
    light = {"zero_point_mag": 21.374, "zero_point_scatter_mag": 0.08, "limiting_mag": 17.62, "sky_mag_arcsec2": 20.91}
    await solutions.save_solution(
        db, frame_id, uuid4(), solution(), healpix=None, cards=[], details={"photometry": light}
    )
    told = {"dark": {"reason": "same gain & -10 °C"}, "flat": {"reason": "no flat of filter R"}}
    await masters.save_use(db, frame_id, uuid4(), {}, weak=False, explanation=told)
    text = (await browser.get(f"/frames/{frame_id}")).text
    for piece in ("21.37 mag at 1 ADU/s", "0.08 mag · VT, no colour term", "17.62 mag", "20.91 mag/arcsec²",
                  "dark: same gain &amp; -10 °C", "flat: no flat of filter R"):  # fmt: skip
        assert piece in text, piece


async def test_an_unsolved_frame_says_why(browser: Client, db: Connection, place: Place) -> None:
    frame_id = await add_light(db, place, 5, states={Module.ASTROMETRY: RunState.FAILED})
    assert "Not solved: only 7 stars" in (await browser.get(f"/frames/{frame_id}")).text


async def test_neighbours_are_the_exposures_before_and_after(db: Connection, place: Place) -> None:
    ids = [await add_light(db, place, number) for number in (3, 1, 2)]
    allowed = [place.observatory_id]
    assert await nights.neighbours(db, allowed, ids[2]) == (ids[1], ids[0])
    assert await nights.neighbours(db, allowed, ids[1]) == (None, ids[2])


@pytest.mark.parametrize(
    "path", ["/night", "/night/rows/{frame}", "/frames/{frame}", "/frames/{frame}/timeline", "/jobs"]
)
async def test_hostile_header_values_stay_text(office: Client, db: Connection, place: Place, path: str) -> None:
    frame_id = await add_light(db, place, 5, target=HOSTILE)
    await add_results(db, place, frame_id, 5)
    await db.execute("UPDATE frame SET filter = $1, message = $1, name = $1, camera_mode = $1", HOSTILE)
    await db.execute("UPDATE module_run SET message = $1, reason = $1", HOSTILE)
    await db.execute("UPDATE job SET reasons = ARRAY[$1]", HOSTILE)
    await db.execute("UPDATE product SET parameters = parameters || jsonb_build_object('stretch', $1::text)", HOSTILE)
    text = (await office.get(path.format(frame=frame_id))).text
    for tag, attributes in Elements(text).found:
        assert not any(name.startswith("on") or name == "style" for name in attributes), (tag, attributes)
        assert tag != "script" or (attributes.get("src") or "").startswith("/static/")
    assert "alert(1)" in text
    assert "49" not in re.findall(r"\{\{|\}\}|>49<", text)


async def test_no_page_asks_for_anything_from_outside(office: Client, db: Connection, place: Place) -> None:
    frame_id = (await fill(db, place, 8))[0]
    for path in ("/night", f"/frames/{frame_id}", "/jobs", "/operations", "/login"):
        answer = await office.get(path)
        assert "default-src 'self'" in answer.headers["content-security-policy"]
        assert "unsafe" not in answer.headers["content-security-policy"]
        for tag, attributes in Elements(answer.text).found:
            for name in ("src", "href", "action", "hx-get", "data-src"):
                value = attributes.get(name)
                assert value is None or value.startswith(("/", "#")), (path, tag, value)
            assert tag not in {"iframe", "object", "embed", "base"}


async def test_operations_count_what_waits_runs_and_failed(office: Client, db: Connection, place: Place) -> None:
    await fill(db, place, 12)
    found = {load.module: load for load in await loads.loads(db)}
    assert [found[module].in_flight for module in (Module.PREVIEW, Module.QUALITY, Module.ASTROMETRY)] == [1, 1, 1]
    assert found[Module.ASTROMETRY].failed == 1
    assert found[Module.QUALITY_HEADERS].waiting == 3
    assert found[Module.STACK].completed == 0
    assert found[Module.QUALITY_HEADERS].oldest_ordered_at is not None
    assert (await office.get("/operations")).text.count('<article class="card module') == len(Module)


async def test_parked_orders_are_for_the_administrator(office: Client, db: Connection) -> None:
    await add_parked(db, None, 1)
    text = (await office.get("/operations")).text
    assert "memory limit of 6 GiB" in text
    assert re.search(r"/api/v1/dead-letters/\d+/requeue", text)


async def test_the_work_of_all_observatories_is_for_server_administrators(browser: Client, db: Connection) -> None:
    await add_parked(db, None, 1)
    answer = await browser.get("/operations")
    assert answer.status_code == 403
    assert "memory limit" not in answer.text
    assert 'href="/operations"' not in (await browser.get("/night")).text


async def test_a_member_sees_own_jobs_alone(browser: Client, db: Connection, place: Place) -> None:
    await fill(db, place, 3)
    assert 'class="name"' not in (await browser.get("/jobs")).text


async def test_jobs_come_in_pages_and_by_state(office: Client, db: Connection, place: Place) -> None:
    await fill(db, place, 60)
    first, second = [(await office.get(f"/jobs?page={page}")).text for page in (1, 2)]
    assert first.count('class="name"') == 50
    assert second.count('class="name"') == 10
    failed = (await office.get("/jobs?state=failed")).text
    assert failed.count('class="name"') == 1
    assert "astrometry: only 7 stars" in failed


async def test_a_night_of_many_frames_is_quick(browser: Client, db: Connection, place: Place) -> None:
    await fill(db, place, 150)
    await browser.get("/night")
    start = time.perf_counter()
    answer = await browser.get("/night")
    took = time.perf_counter() - start
    print(f"150 frames: {1000 * took:.0f} ms, {len(answer.content) / 1000:.0f} kB")
    assert len(rows_of(answer.text)) == 150
    assert took < 2


async def test_frames_that_are_not_described_yet_are_shown(browser: Client, db: Connection, place: Place) -> None:
    frame_id = await add_light(db, place, 1)
    await db.execute(
        "UPDATE frame SET frame_type = NULL, night = NULL, start_utc = NULL, state = 'received', cards = NULL"
    )
    assert rows_of((await browser.get("/night")).text) == [str(frame_id)]
    assert (await browser.get(f"/frames/{frame_id}")).status_code == 200


async def test_a_broken_file_does_not_open_a_night_of_its_own(browser: Client, db: Connection, place: Place) -> None:
    await add_light(db, place, 1)
    broken = await add_light(db, place, 2)
    await db.execute(
        "UPDATE frame SET frame_type = NULL, night = NULL, start_utc = NULL, state = 'quarantined',"
        " received_at = '2026-12-24T20:00:00Z' WHERE id = $1",
        broken,
    )
    text = (await browser.get("/night")).text
    assert f'value="{NIGHT}" selected' in text
    assert 'value="2026-12-24"' in text
    assert rows_of((await browser.get("/night?night=2026-12-24")).text) == [str(broken)]


async def test_a_paused_module_says_so_and_offers_to_go_on(office: Client) -> None:
    text = (await office.get("/operations")).text
    assert "/api/v1/operations/quality/resume" in text
    assert "/api/v1/operations/ingest/pause" in text


@pytest.mark.parametrize(
    "path", ["/night?night=yesterday", "/jobs?page=0", "/jobs?state=lost", "/night?target=" + "x" * 300]
)
async def test_a_wrong_address_is_answered_by_a_page_in_words(browser: Client, path: str) -> None:
    for _ in range(6):  # more often than the pool has connections: none may be lost
        answer = await browser.get(path)
    assert answer.status_code == 400
    assert answer.headers["content-type"].startswith("text/html")
    assert "The request is not valid" in answer.text


async def test_an_empty_installation_says_what_to_do(browser: Client) -> None:
    assert "pictor upload" in (await browser.get("/night")).text
    assert (await browser.get("/", follow_redirects=False)).headers["location"] == "/night"
