"""Which files belong together."""

from dataclasses import replace

from pictor.cli.processing.choosing import expected_master
from pictor.cli.processing.sorting import slug, sort, unique_names
from pictor.imaging.matching.policy import Policy
from tests.services.cli.processing.nightfolder import seen

POLICY = Policy()


def test_every_file_is_in_one_place() -> None:
    files = [
        seen("bias", "bias", exposure_s=0.0), seen("d60", "dark"), seen("d2", "dark", exposure_s=2.0),
        seen("flat", "flat", exposure_s=2.0, filter="R"), seen("light", filter="R"), seen("what", "unknown"),
    ]  # fmt: skip
    found = sort(files, POLICY)
    assert [(str(group.key.frame_type), group.key.exposure_s) for group in found.groups] == [
        ("bias", None), ("dark", 2.0), ("dark", 60.0), ("flat", None)
    ]  # fmt: skip
    assert [one.label for one in found.lights] == ["light"]
    assert dict(found.left_out) == {"what": "nothing says what it is"}


def test_maps_of_bad_pixels_are_no_frames() -> None:
    dark = expected_master(sort([seen("a", "dark"), seen("b", "dark")], POLICY).groups[0], "dark")
    master = replace(seen("m/dark.fits", "dark"), master=dark)
    found = sort([master, seen("m/dark_bad_pixels.fits", "unknown"), seen("m/bad_lines_1.fits", "unknown")], POLICY)
    assert [one.label for one in found.masters] == ["m/dark.fits"]
    told = dict(found.left_out)
    assert told["m/dark_bad_pixels.fits"] == "the bad pixels of m/dark.fits, used with it"
    assert "looked for anew" in told["m/bad_lines_1.fits"]


def test_two_cameras_do_not_share_a_group() -> None:
    found = sort([seen("a", "dark"), seen("b", "dark", camera="Other"), seen("c", "dark", width=640)], POLICY)
    assert [len(group.members) for group in found.groups] == [1, 1, 1]


def test_the_same_bytes_count_once_whatever_the_order() -> None:
    files = [seen("b/x.fits", sha256="1"), seen("a/x.fits", sha256="1")]
    for order in (files, files[::-1]):
        found = sort(order, POLICY)
        assert [one.label for one in found.lights] == ["a/x.fits"]
        assert found.left_out == (("b/x.fits", "the same bytes as a/x.fits"),)


def test_of_a_raw_and_a_calibrated_file_of_one_exposure_the_raw_counts_where_it_can_be_calibrated() -> None:
    raw, done = seen("raw.fit"), seen("calibrated.fit", calstat="BDF")
    assert sort([raw, done, seen("d", "dark")], POLICY).twins == (("calibrated.fit", "raw.fit"),)
    assert sort([raw, done], POLICY).twins == (("raw.fit", "calibrated.fit"),)


def test_lights_without_a_time_are_no_twins() -> None:
    assert not sort([seen("a", start_utc=None), seen("b", start_utc=None)], POLICY).twins


def test_what_keeps_a_frame_out_is_told() -> None:
    odd = replace(seen("x"), problems=("The header gives no usable exposure time.",))
    assert sort([odd], POLICY).left_out == (("x", "The header gives no usable exposure time."),)


def test_same_names_in_two_folders_give_two_products() -> None:
    names = unique_names([("a/light 1.fits", "aa11bb22cc"), ("b/light 1.fits.gz", "dd44ee55ff"), ("c.fit", "00")])
    assert names == {"a/light 1.fits": "light_1_aa11bb22", "b/light 1.fits.gz": "light_1_dd44ee55", "c.fit": "c"}


def test_no_name_leaves_its_folder() -> None:
    assert slug("../../etc/passwd") == "etc_passwd"
    assert slug("..") == "unnamed"
    assert slug("M 31; rm -rf ~") == "M_31_rm_-rf"
    assert len(slug("x" * 500)) == 60
