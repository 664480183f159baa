"""Which site, position and names count, and what is told about the others."""

import json

import pytest

from pictor.imaging.headers.facts import choose_position, gather

HEADER: dict[str, object] = {
    "start_utc": "2021-10-08T01:55:17.144000Z", "mid_utc": "2021-10-08T01:56:04.631500Z", "ra_deg": 287.3,
    "dec_deg": 59.5, "site_latitude_deg": 30.68, "site_longitude_deg": -104.015, "site_elevation_m": 2030.0,
    "target_name": "M31",
}  # fmt: skip
ELSEWHERE = {"latitude_deg": -31.27, "longitude_deg": 149.06, "elevation_m": 1165.0, "name": "Siding"}


def test_the_registered_site_wins_and_a_disagreement_is_told() -> None:
    found = gather(HEADER, site=ELSEWHERE, position=None, upload={})
    assert (found.values["site_latitude_deg"], found.values["observatory"]) == (-31.27, "Siding")
    assert any("degrees from the registered one" in warning for warning in found.warnings)


def test_a_small_difference_of_sites_is_not_told() -> None:
    near = {"latitude_deg": 30.70, "longitude_deg": -104.0}
    found = gather(HEADER, site=near, position=None, upload={})
    assert found.warnings == []
    assert found.values["night"] == "2021-10-07"


def test_the_headers_site_serves_where_none_is_registered() -> None:
    found = gather(HEADER, site={"name": "Hill", "latitude_deg": None}, position=None, upload={})
    assert found.values["site_latitude_deg"] == 30.68
    assert found.values["airmass"] == pytest.approx(1.16, abs=0.01)


def test_without_a_site_the_night_is_known_and_the_rest_is_told() -> None:
    header = {key: value for key, value in HEADER.items() if not key.startswith("site")}
    found = gather(header, site={}, position=None, upload={})
    assert found.values["night"] == "2021-10-07"
    assert found.warnings == ["airmass and Moon are not computed: no site is known"]
    assert "airmass" not in found.values


def test_the_time_zone_decides_the_night() -> None:
    site = {"latitude_deg": 30.68, "longitude_deg": -104.0, "timezone": "Australia/Sydney"}
    assert gather(HEADER, site=site, position=None, upload={}).values["night"] == "2021-10-08"


@pytest.mark.parametrize(
    ("position", "header", "expected"),
    [
        ([1.0, 2.0], HEADER, (1.0, 2.0, "solution")),
        (None, HEADER, (287.3, 59.5, "mount")),
        (None, {"target_ra_deg": 5.0, "target_dec_deg": 6.0}, (5.0, 6.0, "target")),
        (None, {}, None),
    ],
)
def test_the_best_position_counts(
    position: list[float] | None, header: dict[str, object], expected: tuple[float, float, str] | None
) -> None:
    assert choose_position(header, position, {}) == expected


def test_the_header_wins_over_the_upload_form_and_a_disagreement_is_told() -> None:
    upload = {
        "target": "NGC 7000",
        "observer": "Ada",
        "project": "Survey",
        "target_ra_deg": 314.7,
        "target_dec_deg": 44.5,
    }
    found = gather(HEADER, site={}, position=None, upload=upload)
    assert (found.values["target_name"], found.values["observer"], found.values["project"]) == ("M31", "Ada", "Survey")
    assert found.values["target_ra"] == "20 58 48.00"
    assert found.warnings == ["the upload names the target 'NGC 7000', the header 'M31', which counts"]


def test_a_target_below_the_horizon_has_no_airmass_but_a_warning() -> None:
    found = gather(HEADER, site={}, position=[107.3, -59.5], upload={})
    assert "airmass" not in found.values
    assert any("below the horizon" in warning for warning in found.warnings)


def test_nonsense_in_a_description_does_no_harm() -> None:
    found = gather({"start_utc": "x", "mid_utc": 5, "ra_deg": "y", "dec_deg": True}, site={}, position=None, upload={})
    assert json.dumps(found.values) == "{}"
