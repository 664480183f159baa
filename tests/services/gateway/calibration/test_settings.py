"""The calibration settings of an observatory: the users' table, its ranges, versions and the audit log."""

import re
from dataclasses import asdict, fields

import pytest

from pictor.contracts.access import Role
from pictor.gateway.calibration.settings import DESCRIPTIONS
from pictor.imaging.matching.policy import CHOICES, RANGES, TEXTS, Policy
from pictor.state import observatories
from pictor.state.policies import SETTINGS
from tests.services.gateway.conftest import Api

SEED = {
    "min_frames": (10, 3, 100, "Individual frames needed before auto-stacking triggers"),
    "camera_type": ("CMOS", None, None, "Affects dark frame matching (CMOS requires exposure time match)"),
    "stacking_method": ("sigma_clip", None, None, "Algorithm for combining frames: mean, median, or sigma_clip"),
    "sigma_clip_value": (3.0, 1, 10, "Rejection threshold in standard deviations (only for sigma_clip)"),
    "sigma_clip_iterations": (5, 1, 20, "Number of rejection passes (only for sigma_clip)"),
    "temperature_tolerance_c":
        (2.0, 0.1, 20, "Maximum temperature difference for frame grouping and dark matching"),
    "dark_max_age_days": (30, 1, 3650, "Days before a master dark triggers an expiry warning"),
    "flat_max_age_days": (7, 1, 3650, "Days before a master flat triggers an expiry warning"),
    "bias_max_age_days": (90, 1, 3650, "Days before a master bias triggers an expiry warning"),
    "individual_retention_days":
        (30, 0, 3650, "Days to keep individual frames after they've been used in a master"),
    "master_retention_days": (180, 0, 3650, "Days to keep superseded masters before deletion"),
    "flat_rotation": ("ignore", None, None, "Whether flat masters must match the rotation angle of light frames"),
    "rotation_tolerance_deg": (1.0, 0, 180, "Acceptable rotation angle difference"),
}  # fmt: skip
"""The table of the users' manual: default, range, description."""

OPTIONS = {
    "camera_type": ["CMOS", "CCD"], "stacking_method": ["mean", "median", "sigma_clip"],
    "flat_rotation": ["ignore", "preferred", "required"],
}  # fmt: skip


def path(api: Api) -> str:
    return f"/api/v1/observatories/{api.home.id}/calibration-settings"


async def test_the_settings_are_those_of_the_manual(api: Api) -> None:
    answer = await api.get(path(api))
    told = {one["name"]: one for one in answer.json()["settings"]}
    assert list(told) == [field.name for field in fields(Policy)]
    for name, (default, low, high, description) in SEED.items():
        one = told[name]
        assert (one["value"], one["default"], one["low"], one["high"]) == (default, default, low, high), name
        assert (one["description"], one["choices"]) == (description, OPTIONS.get(name)), name
        assert one["changed"] is False
    assert (answer.json()["version"], answer.json()["changed_by"]) == (0, None)


async def test_columns_checks_program_and_page_agree(api: Api) -> None:
    names = [field.name for field in fields(Policy)]
    assert list(SETTINGS) == names == list(DESCRIPTIONS)
    assert set(RANGES) | set(CHOICES) | set(TEXTS) == set(names)
    async with api.runtime.pool.acquire() as db:
        rows = await db.fetch(
            """
            SELECT a.attname AS name, format_type(a.atttypid, NULL) AS type, pg_get_constraintdef(c.oid) AS rule
            FROM pg_attribute a LEFT JOIN pg_constraint c
                ON c.conrelid = a.attrelid AND c.contype = 'c' AND a.attnum = ANY(c.conkey)
            WHERE a.attrelid = 'calibration_policy'::regclass AND a.attname = ANY($1) AND NOT a.attisdropped
            """,
            names,
        )
    assert len(rows) == len(names)
    for row in rows:
        name, default = row["name"], getattr(Policy(), row["name"])
        wanted = {int: "integer", float: "double precision"}.get(type(default), "text")
        assert row["type"] == wanted, name
        if name in CHOICES:
            assert set(re.findall(r"'(\w+)'", row["rule"])) == {str(one) for one in CHOICES[name]}, name
        elif name in TEXTS:
            assert f"length({name}) <= {TEXTS[name]}" in row["rule"], name
        else:
            low, high = RANGES[name]
            numbers = [float(one) for one in re.findall(r"(?:>=|<=)\s*\(?'?(-?[\d.]+)", row["rule"])]
            assert numbers == [low, high], (name, row["rule"])


async def test_what_is_not_named_has_its_default(api: Api) -> None:
    first = await api.request("PUT", path(api), json={"settings": {"min_frames": 15, "camera_type": "CCD"}})
    assert first.status_code == 200, first.text
    second = await api.request("PUT", path(api), json={"settings": {"sigma_clip_value": 4}})
    told = {one["name"]: one for one in second.json()["settings"]}
    assert (told["min_frames"]["value"], told["camera_type"]["value"]) == (10, "CMOS")
    assert (told["sigma_clip_value"]["value"], told["sigma_clip_value"]["changed"]) == (4.0, True)
    assert (second.json()["version"], second.headers["ETag"]) == (2, '"2"')
    assert second.json() == (await api.get(path(api))).json()


async def test_a_change_of_something_changed_meanwhile_is_refused(api: Api) -> None:
    seen = (await api.get(path(api))).headers["ETag"]
    done = [
        await api.request("PUT", path(api), json={"settings": {"min_frames": n}}, headers={"If-Match": seen})
        for n in (12, 14)
    ]
    assert [one.status_code for one in done] == [200, 412]
    assert done[1].json()["code"] == "precondition-failed"
    assert {one["name"]: one["value"] for one in (await api.get(path(api))).json()["settings"]}["min_frames"] == 12
    again = await api.request("PUT", path(api), json={"settings": {}}, headers={"If-Match": done[0].headers["ETag"]})
    assert again.status_code == 200


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"min_frames": 2}, "min_frames is 2; it must lie between 3 and 100"),
        ({"min_frames": 101}, "min_frames is 101; it must lie between 3 and 100"),
        ({"min_frames": 10.5}, "min_frames is 10.5; it must be a whole number"),
        ({"flat_rotation": "maybe"}, "flat_rotation is 'maybe'; it may be ignore, preferred, required"),
        ({"master_retention_days": -1}, "master_retention_days is -1; it must lie between 0 and 3650"),
        ({"sigma_clip_value": "3"}, "sigma_clip_value is '3'; it must be a number"),
        ({"min_frame": 5}, "there is no setting min_frame"),
        ({"filters_as_named": "on"}, "filters_as_named is 'on'; it may be no, yes"),
        ({"filter_synonyms": "Ha"}, "filter_synonyms: write synonyms as NAME = NAME, such as Ha = Ha 7nm, not 'Ha'"),
        ({"filters_apart": "[west] R"}, "filters_apart: there is no rig 'west' here; rigs are RIGS"),
        (
            {"filter_synonyms": "R = Red", "filters_apart": "R"},
            "'R' stands in filter_synonyms and in filters_apart; leave it out of one",
        ),
        (
            {"min_frames": 2, "sigma_clip_value": 11},
            ("min_frames is 2; it must lie between 3 and 100; sigma_clip_value is 11; it must lie between 1 and 10"),
        ),
    ],
)
async def test_a_wrong_value_is_refused_with_setting_value_and_range(
    api: Api, settings: dict[str, object], told: str
) -> None:
    async with api.runtime.pool.acquire() as db:
        rigs = ", ".join(one.name for one in await observatories.rigs(db, [api.home.id]))
    answer = await api.request("PUT", path(api), json={"settings": settings})
    wanted = told.replace("RIGS", rigs or "not there yet")
    assert (answer.status_code, answer.json()["detail"]) == (422, wanted + ".")
    assert [one["field"] for one in answer.json()["errors"]] == list(settings)
    assert (await api.get(path(api))).json()["version"] == 0


async def test_numbers_without_end_and_truth_values_are_refused(api: Api) -> None:
    for body in ('{"settings": {"min_frames": 1e400}}', '{"settings": {"min_frames": true}}',
                 '{"settings": {"rotation_tolerance_deg": NaN}}'):  # fmt: skip
        answer = await api.request("PUT", path(api), content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code in {400, 422}, answer.text
    assert (await api.get(path(api))).json()["version"] == 0


async def test_a_change_is_audited_with_what_was_and_is(api: Api) -> None:
    await api.request("PUT", path(api), json={"settings": {"min_frames": 15}})
    await api.request("PUT", path(api), json={"settings": {"min_frames": 20, "camera_type": "CCD"}})
    async with api.runtime.pool.acquire() as db:
        lines = await db.fetch("SELECT detail, observatory_id FROM audit WHERE action = 'calibration.settings'")
    changes = [{k: v for k, v in line["detail"].items() if k != "trace"} for line in lines]
    assert changes == [
        {"min_frames": {"was": 10, "is": 15}},
        {"min_frames": {"was": 15, "is": 20}, "camera_type": {"was": "CMOS", "is": "CCD"}},
    ]
    assert {line["observatory_id"] for line in lines} == {api.home.id}


async def test_a_change_makes_every_camera_mode_due_and_publishes_nothing(api: Api) -> None:
    async with api.runtime.pool.acquire() as db:
        for mode in ("a", "b"):
            await db.execute(
                "INSERT INTO calibration_mode (observatory_id, camera_mode, changed_at, decided_at) "
                "VALUES ($1, $2, now() - interval '1 h', now())", api.home.id, mode,
            )  # fmt: skip
        await api.request("PUT", path(api), json={"settings": {"min_frames": 15}})
        due = await db.fetchval("SELECT count(*) FROM calibration_mode WHERE changed_at > decided_at")
        assert (due, await api.count("outbox")) == (2, 0)


async def test_masters_keep_the_policy_they_were_made_with(api: Api) -> None:
    async with api.runtime.pool.acquire() as db:
        policy = asdict(Policy())
        await db.execute(
            """
            INSERT INTO master (id, observatory_id, state, frame_type, group_key, camera_mode, facts, ncombine, policy)
            VALUES (gen_random_uuid(), $1, 'active', 'bias', 'g', 'm', '{}', 10, $2)
            """,
            api.home.id, policy,
        )  # fmt: skip
        await api.request("PUT", path(api), json={"settings": {"min_frames": 15}})
        assert await db.fetchval("SELECT policy FROM master") == policy


async def test_members_read_and_others_do_not_know(api: Api) -> None:
    member = await api.token(Role.MEMBER)
    assert (await api.get(path(api), member)).status_code == 200
    assert (await api.request("PUT", path(api), member, json={"settings": {}})).status_code == 403
    stranger = await api.token(Role.OBSERVATORY_ADMIN, await api.observatory("hill"))
    assert (await api.get(path(api), stranger)).status_code == 404
    assert (await api.request("PUT", path(api), stranger, json={"settings": {}})).status_code == 404
