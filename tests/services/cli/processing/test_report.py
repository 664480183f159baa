"""The report: numbers as they are, headers as text."""

import csv
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image

from pictor.cli.processing.report.charts import Point, bars, legend, over_time, pointing
from pictor.cli.processing.report.page import page_of
from pictor.cli.processing.report.scales import sessions, tick_text, ticks
from pictor.cli.processing.report.tables import COLUMNS, csv_of, json_of, safe
from pictor.cli.processing.report.text import file_name
from pictor.cli.processing.rows import CoaddRow, MasterRow, Report, Row, Status
from tests.services.cli.processing.nightfolder import EVIL, EVIL_NAME


class Strict(HTMLParser):
    """Collects tags, and fails on one that is closed without being open."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.attributes: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        self.attributes += [name for name, _ in attrs]
        if tag not in {"meta", "img", "br", "wbr", "input", "line", "circle", "path", "rect"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in {"line", "circle", "path", "rect"}:
            assert self.open.pop() == tag


def hostile() -> Report:
    told = {"target": EVIL, "filter": '"><script>x</script>', "rig": EVIL, "start_utc": "2026-10-12T20:00:00+00:00"}
    rows = []
    for number in range(4):
        row = Row(f"{number}{EVIL_NAME}", "light", facts={**told, "exposure_s": 60.0, "grade": "A"})
        row.facts["start_utc"] = f"2026-10-12T20:0{number}:00+00:00"
        row.numbers = {"fwhm_px": 2.5 + number, "star_count": 10, "eccentricity": float("nan"), "ra_deg": 1.0,
                       "dec_deg": 2.0}  # fmt: skip
        row.notes = [EVIL]
        rows.append(row)
    rows[-1].fail(EVIL)
    rows.append(Row("=1+1.fits", None, Status.SKIP, "+SUM(A1)"))
    report = Report(EVIL, EVIL, "pictor 1", {"rules": EVIL}, rows, missing=[EVIL])
    report.masters = [
        MasterRow(EVIL, "dark", "active", 3, made=True, path=f"masters/{EVIL_NAME}", facts={"filter": EVIL})
    ]
    report.coadds = [CoaddRow(EVIL, "coadd", EVIL, EVIL, Status.ERROR, EVIL, outputs={"fits": EVIL, "picture": EVIL})]
    return report


def test_nothing_a_header_says_becomes_markup(tmp_path: Path) -> None:
    page = page_of(hostile(), tmp_path)
    parser = Strict()
    parser.feed(page)
    assert not parser.open
    assert parser.seen.count("script") == 1
    assert not [name for name in parser.attributes if name.startswith("on")]
    assert "<script>alert" not in page
    assert "javascript:" not in page


def test_the_page_needs_no_network_and_runs_only_its_own_script(tmp_path: Path) -> None:
    page = page_of(hostile(), tmp_path)
    assert "default-src 'none'" in page
    assert not re.search(r'(src|href)="(https?:)?//', page)
    assert not re.search(r"url\(", page)


def test_every_plot_has_a_title_and_a_description(tmp_path: Path) -> None:
    page = page_of(hostile(), tmp_path)
    drawn = re.findall(r'<svg viewBox="0 0 420.*?</svg>', page, flags=re.DOTALL)
    assert len(drawn) >= 3
    for one in drawn:
        assert 'role="img"' in one
        assert "<title>" in one
        assert "<desc>" in one


def test_a_report_of_nothing_is_a_page(tmp_path: Path) -> None:
    parser = Strict()
    parser.feed(page_of(Report("empty", "out", "pictor 1"), tmp_path))
    assert not parser.open


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1+1", "@x", "\t=1", "\r=1", " =1", "\n@x"])
def test_a_spreadsheet_takes_no_text_for_a_formula(text: str) -> None:
    assert safe(text).startswith("'")


def test_plain_text_stays_as_it_is() -> None:
    assert [safe(text) for text in ("M 31", "a=b", "", "x-y")] == ["M 31", "a=b", "", "x-y"]


def test_csv_has_one_line_per_file_and_no_formula() -> None:
    lines = list(csv.reader(io.StringIO(csv_of(hostile()))))
    assert lines[0] == list(COLUMNS)
    assert [len(line) for line in lines] == [len(COLUMNS)] * 6
    numbers = re.compile(r"-?[\d.]+(e[+-]?\d+)?\Z")
    assert not [cell for line in lines for cell in line if cell[:1] in "=+-@" and cell and not numbers.match(cell)]


def test_json_holds_no_number_json_does_not_know() -> None:
    told = json.loads(json_of(hostile()))
    assert told["counts"] == {"OK": 3, "SKIP": 1, "ERROR": 1}
    assert told["rows"][0]["numbers"]["eccentricity"] is None


def test_ticks_are_round_and_span_the_range() -> None:
    assert ticks(2.27, 3.19) == [2.25, 2.5, 2.75, 3.0, 3.25]
    assert ticks(5.0, 5.0)[0] < 5.0 < ticks(5.0, 5.0)[-1]
    assert [tick_text(value, 0.25) for value in (2.25, 2.5)] == ["2.25", "2.50"]
    assert tick_text(40000, 10000) == "40k"


def test_nights_lie_side_by_side_without_the_days_between() -> None:
    night = [3600.0 * hour for hour in (0, 1, 2)]
    found = sessions([*night, *(time + 864_000 for time in night)])
    assert [(one.first, one.last) for one in found] == [(0.0, 7200.0), (864_000.0, 871_200.0)]
    assert found[0].right < found[1].left
    assert found[1].right == pytest.approx(1.0)
    assert sessions([5.0])[0].place(5.0) == pytest.approx(0.5)


def test_plots_hold_every_frame_and_mark_those_left_out() -> None:
    points = [Point(60.0 * number, 2.0 + number, "R", number == 3, f"frame {number}") for number in range(5)]
    drawn = over_time(points, "FWHM", "pixels")
    assert drawn.count('class="dot') == 4
    assert drawn.count('class="out') == 1
    assert "5 frames, 1 of them left out" in drawn
    assert "The median of the frames used is 3.5 pixels." in drawn
    assert over_time([], "FWHM", "pixels") == ""
    assert pointing([Point(0.0, 0.0, "R", False, "x")], "Pointing").count('class="dot') == 1
    assert bars({}, "time") == ""


def test_filters_are_told_apart_by_shape_as_well_as_by_colour() -> None:
    names = ["B", "G", "Ha", "L", "OIII", "R", "SII", "w", "x", "y", "z"]
    drawn = legend(names)
    shapes = re.findall(r' d="([^"]+)"', drawn)
    assert len(set(shapes)) == len(shapes) == len(names) + 1
    assert re.findall(r"</svg>(\w+)", drawn)[:7] == ["L", "R", "G", "B", "SII", "Ha", "OIII"]


def test_a_long_name_is_broken_behind_its_signs() -> None:
    assert file_name("a/light_001.fits") == "a/<wbr>light_<wbr>001.fits"
    assert file_name("<b>_'x") == "&lt;b&gt;_&#x27;x"


def many(count: int) -> Report:
    facts = {"target": "M 31", "filter": "R", "rig": "Scope", "exposure_s": 60.0}
    numbers = {"fwhm_px": 2.5, "star_count": 100, "eccentricity": 0.3, "background_adu": 300.0}
    starts = (f"2026-10-12T20:{number % 60:02d}:00+00:00" for number in range(count))
    rows = [
        Row(f"light_{number:03d}.fits", "light", facts={**facts, "start_utc": start}, numbers=dict(numbers))
        for number, start in enumerate(starts)
    ]
    return Report("night", "out", "pictor 1", rows=rows)


def test_times_tell_the_year_where_lights_are_of_several(tmp_path: Path) -> None:
    report = many(2)
    assert ">10-12 20:01<" in page_of(report, tmp_path)
    report.rows[0].facts["start_utc"] = "2021-03-04T05:06:00+00:00"
    page = page_of(report, tmp_path)
    assert ">2021-03-04 05:06<" in page
    assert ">2026-10-12 20:01<" in page


def test_hundreds_of_lights_can_be_searched_and_a_few_need_no_search(tmp_path: Path) -> None:
    page = page_of(many(300), tmp_path)
    parser = Strict()
    parser.feed(page)
    assert not parser.open
    assert parser.seen.count("input") == 1
    assert len(page) < 1_000_000
    print(f"the page of 300 lights without pictures: {len(page) / 1e3:.0f} kB")
    assert "<input" not in page_of(many(20), tmp_path)


def test_a_thumbnail_leads_to_the_picture_it_is_made_of(tmp_path: Path) -> None:
    report = many(1)
    report.rows[0].outputs = {"thumbnail": "a b#1.webp"}
    Image.new("L", (256, 200)).save(tmp_path / "a b#1.webp")
    page = page_of(report, tmp_path)
    assert '<a href="a%20b%231.webp"><img src="data:' in page
    assert 'alt="picture of light_000.fits"' in page


def test_targets_with_colour_come_first_then_the_longest_exposed(tmp_path: Path) -> None:
    report = many(3)
    report.coadds = [
        CoaddRow("a", "coadd", "short", "R", exposure_s=60.0), CoaddRow("b", "coadd", "long", "R", exposure_s=600.0),
        CoaddRow("c", "colour", "coloured", "RGB", exposure_s=90.0),
    ]  # fmt: skip
    page = page_of(report, tmp_path)
    assert sorted(("coloured", "long", "short"), key=lambda name: page.index(f"<h3>{name}</h3>")) == [
        "coloured", "long", "short"
    ]  # fmt: skip


@pytest.mark.parametrize(("pruned", "words"), [(False, "Left of earlier runs"), (True, "Removed")])
def test_what_is_left_of_earlier_runs_is_named(tmp_path: Path, *, pruned: bool, words: str) -> None:
    report = many(3)
    report.stale, report.pruned = ["calibrated/M_31/gone.fits"], pruned
    page = page_of(report, tmp_path)
    assert words in page
    assert "calibrated/M_31/gone.fits" in page
