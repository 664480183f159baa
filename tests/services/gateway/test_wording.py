"""What a decoder complains of, in words a person can act on."""

from copy import copy

import pytest

from pictor.gateway.calibration.library import read_library
from pictor.gateway.calibration.needs import read_plan
from pictor.gateway.calibration.premade import upload_master
from pictor.gateway.wording import in_words, said_as


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("Expected `int` >= 1", "must be at least 1"),
        ("Expected `int` <= 200", "must be at most 200"),
        ("Expected `str` of length <= 200", "must have at most 200 characters"),
        ("Expected `int`, got `str`", "must be a whole number"),
        ("Expected `bool | null`, got `str`", "must be true or false"),
        ("Invalid RFC3339 encoded datetime", "must be a time such as 2026-03-10T22:00:00Z"),
        ("Value error, name the group by group_key", "name the group by group_key"),
        ("Field required", "Field required"),
    ],
)
def test_a_complaint_says_what_to_send(said: str, words: str) -> None:
    assert in_words(said) == words


# A route that is asked remembers its dependencies: copies are asked, so that apps made later give theirs.


def test_a_value_that_is_not_listed_is_answered_with_the_list() -> None:
    name, choices = said_as(copy(read_library), "frame_type")
    assert in_words("Invalid enum value 'Dark'", choices).startswith("is 'Dark'; it may be light, dark, flat, bias")
    assert name == "frame_type"


def test_a_parameter_is_named_as_the_request_names_it() -> None:
    assert said_as(copy(read_plan), "plan_format") == ("format", ("json", "csv"))
    assert said_as(copy(upload_master), "frame_type")[1][:2] == ("light", "dark"), "a dependency of the route takes it"
    assert said_as(None, "plan_format") == ("plan_format", ())
