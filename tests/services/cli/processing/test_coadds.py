"""Which lights are coadded with which, which colours they allow, and where the colours of a mosaic lie."""

import numpy as np
import pytest
from astropy.io import fits

from pictor.cli.processing.coadds import band_of, coadd_groups
from pictor.cli.processing.colours import possible
from pictor.cli.processing.combining import MIXED, leave_mixed_out
from pictor.cli.processing.emission import lines
from pictor.cli.processing.placing import halved, onto_halves
from pictor.cli.processing.rows import CoaddRow, Row, Status
from pictor.cli.processing.splitting import colour_of, offset_of, red_place, wcs_of_colour
from pictor.imaging.astrometry.cards import write_wcs
from pictor.imaging.astrometry.projection import Sip, Wcs, pixel_to_sky
from pictor.imaging.frame import Frame
from pictor.imaging.matching.filters import FilterNames, usual_name
from pictor.imaging.resampling.grid import Grid

WCS = Wcs((150.0, 20.0), (100.5, 80.5), ((-3e-4, 1e-5), (1e-5, 3e-4)), Sip(2, ((2, 0, 1e-5),), ((1, 1, -2e-5),)))


def row(label: str, **facts: object) -> Row:
    told = {"target": "M 51", "filter": "R", "rig": "Scope / Cam", "start_utc": "2026-10-12T20:00:00Z", **facts}
    return Row(label, "light", facts=told, numbers={"star_count": 50})


def coadd(name: str, of_filter: str, exposure_s: float = 60.0) -> CoaddRow:
    return CoaddRow(name, "coadd", "M 51", of_filter, exposure_s=exposure_s, outputs={"fits": name})


def test_lights_are_coadded_per_target_filter_and_rig() -> None:
    rows = [
        row("a"),
        row("b", target="m51"),
        row("c", filter="G"),
        row("d", rig="Other / Cam"),
        row("e", target="M 31"),
    ]
    found = {group.name: [one.label for one in group.members] for group in coadd_groups(rows)}
    assert found == {"M_51_R_Scope_Cam": ["a", "b"], "M_51_R_Other_Cam": ["d"], "M_51_G": ["c"], "M_31_R": ["e"]}


def test_names_of_one_filter_are_taken_together_unless_asked_otherwise() -> None:
    rows = [
        row("a", filter="R"),
        row("b", filter="Red"),
        row("c", filter="r"),
        row("d", filter="Lum"),
        row("e", filter="L"),
    ]
    found = {group.name: ([one.label for one in group.members], group.taken_together) for group in coadd_groups(rows)}
    assert found == {
        "M_51_Red": (["a", "b"], ("R", "Red")),
        "M_51_L": (["d", "e"], ("L", "Lum")),
        "M_51_r": (["c"], ()),
    }
    apart = coadd_groups(rows, names=FilterNames(as_named=True))
    assert [group.name for group in apart] == ["M_51_L", "M_51_Lum", "M_51_R", "M_51_Red", "M_51_r"]


def test_one_name_alone_stays_as_it_is_written() -> None:
    assert [group.name for group in coadd_groups([row("a", filter="Lum"), row("b", filter="H_Alpha")])] == [
        "M_51_H_Alpha", "M_51_Lum"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("usual", "names"),
    [
        ("Ha", ["Ha", "H-alpha", "H_Alpha", "ha", "HALPHA"]), ("Ha 7nm", ["Ha 7nm", "H-alpha_7nm"]),
        ("OIII", ["OIII", "O III", "O3"]), ("SII 6.5nm", ["SII 6.5nm"]), ("L", ["L", "lum", "Luminance"]),
        ("Green", ["G", "green"]),
    ],
)  # fmt: skip
def test_spellings_of_a_filter_have_one_name(usual: str, names: list[str]) -> None:
    assert {usual_name(name) for name in names} == {usual}


def test_photometric_filters_stand_for_themselves() -> None:
    for name in ("V", "Rc", "g", "r", "i", "g'", "Clear", "UV/IR", "sdss_r", ""):
        assert usual_name(name) == name


def test_lights_without_a_target_are_coadded_with_those_of_their_folder() -> None:
    rows = [row("one/a", target=None), row("one/b", target=None), row("two/c", target=None), row("d", target=None)]
    found = {group.name: len(group.members) for group in coadd_groups(rows)}
    assert found == {"one_R": 2, "two_R": 1, "no_target_R": 1}


def test_rejected_and_unmeasured_lights_are_in_no_coadd() -> None:
    bad, none = row("bad"), row("none")
    bad.skip("clouds")
    none.numbers = {}
    assert not coadd_groups([bad, none])


def test_one_shot_colour_makes_three_coadds() -> None:
    found = coadd_groups([row("a", bayer="RGGB", filter="LPRO")])
    assert [(group.name, group.filter, group.channel) for group in found] == [
        ("M_51_LPRO_R", "R", 0), ("M_51_LPRO_G", "G", 1), ("M_51_LPRO_B", "B", 2)
    ]  # fmt: skip


def test_mosaics_and_colour_planes_of_one_rig_are_not_mixed() -> None:
    found = coadd_groups([row("a", bayer="RGGB"), row("b", planes=3), row("c")])
    assert {group.name: [one.label for one in group.members] for group in found if not group.channel} == {
        "M_51_R": ["c"], "M_51_R_R": ["a"], "M_51_R_planes_R": ["b"]
    }  # fmt: skip


def test_lights_with_their_bias_are_not_mixed_with_calibrated_ones() -> None:
    done, raw, before = row("done"), row("raw"), row("before", calstat="BDF")
    done.masters = {"dark": "master"}
    leave_mixed_out(coadd_groups([done, raw, before]))
    assert [(one.status, one.reason) for one in (done, raw, before)] == [
        (Status.OK, ""), (Status.SKIP, MIXED), (Status.OK, "")
    ]  # fmt: skip
    alone = row("alone")
    leave_mixed_out(coadd_groups([alone]))
    assert alone.status is Status.OK


def test_colour_pictures_are_made_of_the_filters_that_are_there() -> None:
    names = {"r": "Red", "g": "G", "b": "blue", "l": "Lum", "h": "H-alpha 7nm", "o": "OIII", "s": "SII"}
    coadds = {key: coadd(key, name) for key, name in names.items()}
    told = possible([*coadds.values()])
    assert [(one.palette.value, [row.name for row in one.colours]) for one in told] == [
        ("rgb", ["r", "g", "b"]), ("sho", ["s", "h", "o"])
    ]  # fmt: skip
    assert told[0].luminance is coadds["l"]
    (only,) = possible([coadds["h"], coadds["o"]])
    assert only.palette.value == "hoo"
    assert not possible([coadds["r"], coadds["g"]])


def test_every_line_is_paired_with_its_broadband() -> None:
    found = lines([coadd("h", "Ha"), coadd("o", "OIII"), coadd("r", "R"), coadd("g", "G")])
    assert [(narrow.name, broad.name) for narrow, broad in found] == [("h", "r"), ("o", "g")]
    assert not lines([coadd("h", "Ha")])


@pytest.mark.parametrize(
    ("name", "band"),
    [
        ("Luminance", "L"), ("Lumi", "L"), ("Clear", "L"), ("ha 3nm", "Ha"), ("Hydrogen Alpha", "Ha"), ("Hb", None),
        ("", None), ("g_band", None),
    ],
)  # fmt: skip
def test_filters_are_known_by_their_names(name: str, band: str | None) -> None:
    assert band_of(name) == band


@pytest.mark.parametrize("order", ["TOP-DOWN", "BOTTOM-UP"])
@pytest.mark.parametrize("pattern", ["RGGB", "GRBG", "GBRG", "BGGR"])
def test_colours_of_a_mosaic_keep_their_place_on_the_sky(pattern: str, order: str) -> None:
    """A star whose light falls on a mosaic is at the same place of the sky in every colour."""
    rows, columns = 120, 160
    y, x = np.mgrid[0:rows, 0:columns]
    star = 1000 * np.exp(-((x - 70.3) ** 2 + (y - 51.8) ** 2) / (2 * 3.0**2))
    upright = np.array(list(pattern)).reshape(2, 2)
    stored = upright[::-1] if order == "BOTTOM-UP" else upright
    factor = {"R": 1.0, "G": 2.0, "B": 4.0}
    mosaic = star * np.vectorize(factor.get)(np.tile(stored, (rows // 2, columns // 2)))
    header = write_wcs(fits.Header(), WCS, (rows, columns))
    frame = Frame(mosaic.astype(np.float32), np.ones((rows, columns), np.float32), None, header)
    red = red_place({"bayer": pattern, "row_order": order}, rows)
    truth = pixel_to_sky(WCS, np.array([71.3]), np.array([52.8]))
    for channel, of_colour in enumerate("RGB"):
        part = colour_of(frame, channel, red)
        assert part.data.shape == (60, 80)
        assert part.data.sum() == pytest.approx(star.sum() * factor[of_colour] / 4, rel=1e-3)
        assert part.err is not None
        assert part.err[0, 0] == pytest.approx(0.7071 if of_colour == "G" else 1.0, rel=1e-3)
        assert part.wcs is not None
        py, px = np.mgrid[0:60, 0:80]
        middle = [float((part.data * axis).sum() / part.data.sum()) + 1 for axis in (px, py)]
        place = pixel_to_sky(part.wcs, np.array([middle[0]]), np.array([middle[1]]))
        apart = np.hypot((place[0] - truth[0]) * np.cos(np.radians(20)), place[1] - truth[1])[0] * 3600
        print(f"{pattern} {order} {of_colour}: {apart:.4f} arcsec of a pixel of 1.08")
        assert apart < 0.02


def test_colours_are_laid_onto_cells_of_the_reference() -> None:
    for red in ((0, 0), (1, 0), (0, 1), (1, 1)):
        for channel in range(3):
            x, y = offset_of(channel, red)
            matrix = onto_halves(np.array([[1.0, 0, 6.0], [0, 1.0, -4.0], [0, 0, 1]]), (x, y))
            assert matrix @ [10, 20, 1] == pytest.approx([10 + (x - 0.5) / 2 + 3, 20 + (y - 0.5) / 2 - 2, 1])


def test_a_halved_grid_covers_the_same_sky() -> None:
    grid = Grid(Wcs(WCS.crval, WCS.crpix, WCS.cd), (120, 160))
    half = halved(grid)
    assert half.shape == (60, 80)
    for x, y in ((1.5, 1.5), (101.5, 81.5)):
        ours = pixel_to_sky(half.wcs, np.array([(x + 0.5) / 2]), np.array([(y + 0.5) / 2]))
        truth = pixel_to_sky(grid.wcs, np.array([x]), np.array([y]))
        assert np.allclose(ours, truth, atol=1e-9)


def test_distortion_follows_the_pixels() -> None:
    half = wcs_of_colour(WCS, (0.0, 1.0))
    ours = pixel_to_sky(half, np.array([31.0]), np.array([41.0]))
    truth = pixel_to_sky(WCS, np.array([61.0]), np.array([82.0]))
    assert np.allclose(ours, truth, atol=1e-10)
