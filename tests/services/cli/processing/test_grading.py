"""Which lights are left out of coadds."""

from pictor.cli.processing.grading import grade_lights
from pictor.cli.processing.rows import Row, Status
from pictor.imaging.quality.rejection import Rule, RuleSet


def light(label: str, **numbers: float) -> Row:
    known = {"star_count": 400, "fwhm_px": 3.0, "eccentricity": 0.4, "hfr_px": 1.8, "background_adu": 500.0, **numbers}
    return Row(label, "light", facts={"target": "M 51", "filter": "R", "exposure_s": 60.0}, numbers=known)


def test_a_trailed_light_is_rejected_and_good_ones_are_not() -> None:
    rows = [light(f"g{number}") for number in range(9)] + [light("bad", eccentricity=0.97)]
    grade_lights(rows)
    assert [row.facts["grade"] for row in rows[:9]] == ["A"] * 9
    assert rows[-1].status is Status.SKIP
    assert rows[-1].reason.startswith("rejected by grade D: stars are trailed")


def test_clouds_are_seen_beside_the_other_lights_of_the_group() -> None:
    rows = [light(f"g{number}", star_count=400 + number) for number in range(9)] + [light("cloud", star_count=30)]
    grade_lights(rows)
    assert rows[-1].facts["grade"] in {"C", "D"}
    assert all(row.facts["grade"] == "A" for row in rows[:9])


def test_rules_of_a_file_reject_instead_of_the_grade() -> None:
    rows = [light("wide", fwhm_px=4.5), light("sharp", fwhm_px=2.0, eccentricity=0.97)]
    grade_lights(rows, RuleSet("mine 1", (Rule("fwhm_px", 4.0),)))
    assert rows[0].reason.startswith("rejected by the rules 'mine 1'")
    assert (rows[1].status, rows[1].facts["grade"]) == (Status.OK, "D")


def test_what_is_an_error_stays_one() -> None:
    row = light("x", eccentricity=0.99)
    row.fail("broken")
    grade_lights([row])
    assert (row.status, row.reason) == (Status.ERROR, "broken")
