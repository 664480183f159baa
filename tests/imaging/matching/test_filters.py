"""Which names of filters are one filter, which are kept apart, and what a person is told about it."""

from dataclasses import replace
from datetime import timedelta

import pytest

from pictor.imaging.calibration.masters import Kind
from pictor.imaging.calibration.sameness import differences
from pictor.imaging.headers.description import FrameDescription
from pictor.imaging.matching.explaining import explain
from pictor.imaging.matching.filters import FilterNames, apart_of, synonyms_of, usual_name
from pictor.imaging.matching.frames import Frame, FrameType, LightGroup
from pictor.imaging.matching.grouping import GroupKey, group_frames, same_group
from pictor.imaging.matching.needs import assess
from pictor.imaging.matching.policy import Policy, PolicyError, as_facts, consistent, of_rigs, told_by, validate
from pictor.imaging.matching.rules import MasterFrame, plainly_refused, rules_for
from pictor.imaging.matching.selection import select
from tests.support.rig import MODE, NIGHT

RIG = MODE.rig_id
USUAL = Policy()


def frame(kind: FrameType, of_filter: str | None, *, minutes: int = 0) -> Frame:
    at = NIGHT + timedelta(minutes=minutes)
    return Frame(f"{kind} {minutes}", kind, MODE, at, 60.0, of_filter, set_temp_c=-10.0)


def light(of_filter: str | None) -> Frame:
    return frame(FrameType.LIGHT, of_filter)


def flat(of_filter: str | None, name: str = "flat", **changed: object) -> MasterFrame:
    made = MasterFrame(name, FrameType.FLAT, MODE, NIGHT, 10, filter=of_filter, temp_c=-10.0)
    return replace(made, **changed)  # type: ignore[arg-type]


def fits(of_light: str, of_flat: str, policy: Policy = USUAL) -> bool:
    """Whether rules, the glance before them, groups and the succession of masters all take two names for one filter."""
    one, other = light(of_light), flat(of_flat)
    passed = all(rule.passed for rule in rules_for(one, other, policy))
    keys = [GroupKey(MODE, FrameType.FLAT, filter=name, temp_c=-10.0) for name in (of_light, of_flat)]
    grouped = len(group_frames([frame(FrameType.FLAT, name) for name in (of_light, of_flat)], policy)) == 1
    assert passed is not plainly_refused(one, other, policy)
    assert passed is same_group(*keys, policy) is grouped
    return passed


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("R", "Red"), ("red", "R"), ("Lum", "L"), ("Luminance", "Lumi"), ("Ha", "H-alpha"),
        ("H_Alpha", "Hydrogen Alpha"),
        ("HA 7nm", "H-alpha 7 nm"), ("Ha (7nm)", "7nm Ha"), ("O3", "OIII"), ("O III 6.5nm", "oiii_6.5NM"),
        ("SII", "S2"), ("N2", "[NII]"), ("R ", "R"), ("B", "Blue"), ("G", "green"),
    ],
)  # fmt: skip
def test_spellings_of_one_filter_fit(one: str, other: str) -> None:
    assert fits(one, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Ha 3nm", "Ha 7nm"), ("Ha", "Ha 7nm"), ("R", "r"), ("R", "r'"), ("R", "R'"), ("R", "Rc"), ("Red", "Cousins R"),
        ("G", "g"), ("G", "V"), ("Green", "V"), ("B", "Johnson B"), ("i", "I"), ("z'", "z"), ("L", "Clear"),
        ("Red", "Red 2"), ("Ha", "Hb"), ("Ha", "Ha+OIII"), ("Ha 35A", "Ha 35nm"), ("R", "SDSS r"), ("UV", "IR"),
        ("clear", "Clear"), ("R", "(R)"), ("R", "R*"),
    ],
)  # fmt: skip
def test_names_that_may_be_other_filters_do_not_fit(one: str, other: str) -> None:
    assert not fits(one, other)


def test_names_told_apart_by_a_switch_fit_only_as_they_are_written() -> None:
    named = validate({"filters_as_named": "yes"})
    assert not fits("R", "Red", named)
    assert fits("R", "R", named)
    assert fits("R", "Red", replace(named, filter_synonyms="R = Red"))


def test_a_synonym_of_the_settings_makes_names_one_filter_and_no_others() -> None:
    policy = validate({"filter_synonyms": "Ha = Ha 7nm; Clear = UV/IR = L"})
    assert fits("H-alpha", "HA 7nm", policy)
    assert fits("Clear", "Luminance", policy)
    assert not fits("Ha", "Ha 3nm", policy)
    assert policy.filters.read("ha 7 nm") == "Ha"


def test_a_name_set_apart_stands_for_itself_however_its_filter_is_spelled() -> None:
    assert not fits("R", "Red", validate({"filters_apart": "R"}))
    assert not fits("R", "Red", validate({"filters_apart": "Red"}))
    assert fits("G", "Green", validate({"filters_apart": "R; B"}))


def test_a_statement_about_one_rig_holds_for_that_rig() -> None:
    policy = of_rigs(validate({"filters_apart": "[east] R", "filter_synonyms": "[west] Ha = Ha 7nm"}), {"east": RIG})
    assert not policy.filters.same("R", "Red", RIG)
    assert policy.filters.same("R", "Red", "another")
    assert not policy.filters.same("Ha", "Ha 7nm", RIG)


def test_what_is_said_of_a_rig_nobody_knows_never_joins_names() -> None:
    policy = of_rigs(validate({"filters_apart": "[gone] R", "filter_synonyms": "[gone] Ha = Ha 7nm"}), {"east": RIG})
    assert not policy.filters.same("R", "Red", "another")
    assert not policy.filters.same("Ha", "Ha 7nm", RIG)


@pytest.mark.parametrize("named", ["V", "I", "Rc", "Ic", "Johnson V", "Bessell R", "B_J"])
def test_beside_a_filter_of_the_johnson_system_r_and_b_are_of_it_too(named: str) -> None:
    policy = told_by(USUAL, [(RIG, "R"), (RIG, named), ("another", "G")])
    assert not fits("R", "Red", policy)
    assert not fits("B", "Blue", policy)
    assert fits("L", "Lum", policy)
    assert policy.filters.same("R", "Red", "another")
    assert fits("R", "Red", told_by(validate({"filter_synonyms": "R = Red"}), [(RIG, named)]))


@pytest.mark.parametrize("named", ["G", "L", "Ha", "g", "i", "Visible", "IR", "UV", "vis"])
def test_no_other_filter_says_anything_about_r(named: str) -> None:
    assert told_by(USUAL, [(RIG, named)]) == USUAL


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"filter_synonyms": "Ha"}, "write synonyms as NAME = NAME, such as Ha = Ha 7nm, not 'Ha'"),
        ({"filter_synonyms": "Ha = "}, "write synonyms as NAME = NAME"),
        ({"filter_synonyms": "Ha = Ha"}, "a name stands twice in 'Ha = Ha'"),
        ({"filter_synonyms": "R = Red; Red = Rot"}, "'Red' stands in two groups; write all its names in one"),
        ({"filter_synonyms": "[east] R = Red; Red = Rot"}, "'Red' stands in two groups"),
        ({"filter_synonyms": "[east R = Red"}, r"the name of the rig in '\[east R = Red' is not closed by \]"),
        ({"filter_synonyms": "[east] "}, "names are missing after"),
        ({"filter_synonyms": 7}, "filter_synonyms is 7; it must be text"),
        ({"filter_synonyms": "R = Red\n"}, "filter_synonyms must be one line"),
        ({"filter_synonyms": "R = " + "x" * 2000}, "filter_synonyms has 2004 letters; at most 2000 are kept"),
        ({"filters_apart": "R = Red"}, "filters_apart lists names, such as R; Lum, and 'R = Red' is none"),
        ({"filters_as_named": "maybe"}, "filters_as_named is 'maybe'; it may be no, yes"),
        ({"filter_synonyms": "R = Red", "filters_apart": "[east] R"}, "'R' stands in filter_synonyms and in"),
    ],
)  # fmt: skip
def test_a_statement_that_cannot_be_meant_is_refused_by_name(settings: dict[str, object], told: str) -> None:
    with pytest.raises(PolicyError, match=told):
        consistent(validate(settings))


def test_statements_are_read_as_they_are_meant() -> None:
    assert [(one.rig, one.names) for one in synonyms_of(" Ha = Ha  7nm ;[my rig]L=Clear;")] == [
        (None, ("Ha", "Ha 7nm")), ("my rig", ("L", "Clear"))
    ]  # fmt: skip
    assert [(one.rig, one.names) for one in apart_of("R; [east] Lum")] == [(None, ("R",)), ("east", ("Lum",))]


def test_reading_a_name_twice_changes_nothing_more() -> None:
    for name in ("H-alpha 7 nm", "7nm Ha", "lum", "R", "r'", "UV/IR", "O III", "  Red  2 "):
        assert usual_name(usual_name(name)) == usual_name(name)


def test_a_light_gets_the_flat_that_is_named_as_it_is_before_a_nearer_one() -> None:
    near, named = flat("Red", "near"), flat("R", "named", start_utc=NIGHT.replace(hour=1))
    assert select(light("R"), [near, named], USUAL, wanted=FrameType.FLAT).master == named
    assert select(light("red"), [near], USUAL, wanted=FrameType.FLAT).master == near


def test_a_choice_by_another_name_says_how_the_names_are_read() -> None:
    told = select(light("H-alpha"), [flat("HA")], USUAL, wanted=FrameType.FLAT).reason
    assert told.endswith("10 frames; filter HA: H-alpha is read as Ha, HA as Ha")
    assert "read as" not in select(light("H-alpha"), [flat("H-alpha")], USUAL, wanted=FrameType.FLAT).reason


def test_a_refusal_names_filters_as_they_are_written_and_as_they_are_read() -> None:
    told = select(light("H-alpha"), [flat("O3")], USUAL, wanted=FrameType.FLAT).reason
    assert told == (
        "no master flat matches; nearest: filter: frame H-alpha, master O3 (H-alpha is read as Ha, O3 as OIII)"
    )
    plain = select(light("L"), [flat("OIII")], USUAL, wanted=FrameType.FLAT).reason
    assert plain == "no master flat matches; nearest: filter: frame L, master OIII"


def test_a_refusal_says_what_keeps_two_names_apart_and_what_would_join_them() -> None:
    (_, of_flat, _) = explain(light("Ha"), [flat("Ha 7nm")], USUAL)
    assert of_flat.sentence == (
        "no master flat matches; nearest: filter: frame Ha, master Ha 7nm; "
        "would match with filter_synonyms Ha = Ha 7nm (now nothing)"
    )
    (_, of_flat, _) = explain(light("R"), [flat("Red")], validate({"filters_as_named": "yes"}))
    assert of_flat.sentence.endswith(
        "filter: frame R, master Red (filters_as_named tells all names apart); "
        "would match with filters_as_named no (now yes)"
    )
    (_, of_flat, _) = explain(light("R"), [flat("Red")], told_by(USUAL, [(RIG, "V")]))
    assert "R stands for itself on this rig" in of_flat.sentence
    assert of_flat.sentence.endswith("would match with filter_synonyms R = Red (now nothing)")
    (_, of_flat, _) = explain(light("Ha 3nm"), [flat("Ha 7nm")], USUAL)
    assert of_flat.sentence.endswith("no setting changes that")


def test_a_camera_that_a_file_does_not_name_is_called_so() -> None:
    silent = replace(light("R"), mode=replace(MODE, rig_id="None"))
    told = select(silent, [flat("R")], USUAL, wanted=FrameType.FLAT).reason
    assert told.endswith("nearest: rig or camera: frame not stated, master rig-1")
    assert select(silent, [flat("R", mode=silent.mode)], USUAL, wanted=FrameType.FLAT).master is not None


def test_flats_of_one_filter_are_one_group_called_as_all_call_it_or_by_the_usual_name() -> None:
    red = [frame(FrameType.FLAT, name, minutes=n) for n, name in enumerate(["Red", "R", "red"])]
    (mixed,) = group_frames(red, USUAL)
    (alike,) = group_frames([replace(one, filter="red") for one in red], USUAL)
    assert (mixed.key.filter, len(mixed.frames)) == ("Red", 3)
    assert alike.key.filter == "red"


def test_lights_of_one_filter_ask_for_one_flat_under_the_name_the_newest_have() -> None:
    night = NIGHT.date()
    lights = [
        LightGroup(MODE, (night,), 4, NIGHT, NIGHT, 60.0, "R", None, -10.0),
        LightGroup(MODE, (night,), 3, NIGHT, NIGHT.replace(year=2027), 60.0, "Red", None, -10.0),
    ]
    (need,) = [one for one in assess(lights, [], [], USUAL, now=NIGHT).needs if one.kind is FrameType.FLAT]
    assert (need.filter, need.lights) == ("Red", 7)


def test_inputs_of_one_filter_belong_together_and_those_of_two_do_not() -> None:
    def told(names: list[str], policy: Policy) -> tuple[str, ...]:
        return differences([FrameDescription(filter=name) for name in names], Kind.FLAT, policy)

    assert told(["R", "Red", "red"], USUAL) == ()
    assert told(["R", "Red"], validate({"filters_as_named": "yes"})) == ("filter: R in 1, Red in 1",)
    assert told(["Ha 3nm", "Ha 7nm"], USUAL) == ("filter: Ha 3nm in 1, Ha 7nm in 1",)


def test_settings_of_names_go_with_an_order_only_where_its_inputs_have_several() -> None:
    """A stacker of an older version refuses a setting it does not know; it must be able to do all other work."""
    policy = validate({"filter_synonyms": "R = Red"})
    known = set(as_facts(policy))
    assert not known & {"filters_as_named", "filter_synonyms", "filters_apart"}
    assert set(as_facts(policy, mixed=True)) - known == {"filters_as_named", "filter_synonyms", "filters_apart"}
    assert validate(as_facts(policy, mixed=True)) == policy


def test_a_header_without_filter_is_read_as_none() -> None:
    assert FilterNames().read(None) is None
    assert not FilterNames().same(None, "R")
    assert FilterNames().same(None, None)
