"""Targets whose lights lie far apart become panels; lights laid by stars are laid onto a grid that holds them all."""

import numpy as np

from pictor.cli.processing.coadds import coadd_groups
from pictor.cli.processing.panels import UNKNOWN, Field, number_panels
from pictor.cli.processing.placing import widened
from pictor.cli.processing.rows import Row, Status


def light(label: str, ra: float | None, dec: float = 40.0, **facts: object) -> Row:
    """Give a light of one degree by half a degree."""
    told = {"target": "M 31", "filter": "R", "rig": "Scope", "start_utc": label, "width": 3600, "height": 1800, **facts}
    numbers = {"star_count": 9, "ra_deg": ra, "dec_deg": None if ra is None else dec, "scale_arcsec": 1.0}
    return Row(label, "light", facts=told, numbers=numbers)


def test_lights_far_apart_are_panels_in_the_order_they_were_begun() -> None:
    rows = [light("1", 20.0), light("2", 10.0), light("3", 20.05), light("4", 10.02, 40.1), light("5", None)]
    number_panels(rows)
    assert [row.facts.get("panel") for row in rows] == [1, 2, 1, 2, None]
    assert (rows[4].status, rows[4].reason) == (Status.SKIP, UNKNOWN)
    found = {group.name: (group.target, [row.label for row in group.members]) for group in coadd_groups(rows)}
    assert found == {
        "M_31_panel_1_R": ("M 31 panel 1", ["1", "3"]), "M_31_panel_2_R": ("M 31 panel 2", ["2", "4"])
    }  # fmt: skip


def test_a_mosaic_that_fits_one_coadd_stays_one() -> None:
    rows = [light("1", 10.0), light("2", 11.0), light("3", 10.0, 40.4), light("4", None)]
    number_panels(rows)
    assert not any("panel" in row.facts for row in rows)
    assert all(row.status is Status.OK for row in rows)


def test_fields_across_the_zero_of_right_ascension_are_near() -> None:
    assert Field(359.9, 0.0, 1, 1).apart(Field(0.1, 0.0, 1, 1)) < 0.21
    rows = [light("1", 359.9, 0.0), light("2", 0.1, 0.0)]
    number_panels(rows)
    assert not any("panel" in row.facts for row in rows)


def test_targets_of_other_names_are_no_panels() -> None:
    rows = [light("1", 10.0), light("2", 90.0, target="M 42")]
    number_panels(rows)
    assert not any("panel" in row.facts for row in rows)


def test_a_grid_is_widened_until_it_holds_all_lights() -> None:
    shifted = np.array([[1.0, 0, -7.5], [0, 1.0, 12.0], [0, 0, 1.0]])
    assert widened((100, 200), [((100, 200), np.eye(3)), ((100, 200), shifted)]) == ((8, 0), (112, 208))
    assert widened((100, 200), [((100, 200), np.eye(3))]) == ((0, 0), (100, 200))


def test_a_light_that_would_make_the_grid_too_large_does_not_widen_it() -> None:
    far = np.array([[1.0, 0, 5000.0], [0, 1.0, 0.0], [0, 0, 1.0]])
    assert widened((100, 200), [((100, 200), far)]) == ((0, 0), (100, 200))
