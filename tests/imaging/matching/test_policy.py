"""The settings of one observatory."""

import pytest

from pictor.imaging.combine.method import Method
from pictor.imaging.matching.policy import RANGES, CameraType, FlatRotation, Policy, PolicyError, validate


def test_defaults_are_those_of_the_specification() -> None:
    policy = validate({})
    assert (policy.min_frames, policy.camera_type, policy.stacking_method) == (10, CameraType.CMOS, Method.SIGMA_CLIP)
    assert (policy.sigma_clip_value, policy.sigma_clip_iterations, policy.temperature_tolerance_c) == (3.0, 5, 2.0)
    assert (policy.dark_max_age_days, policy.flat_max_age_days, policy.bias_max_age_days) == (30, 7, 90)
    assert (policy.individual_retention_days, policy.master_retention_days) == (30, 180)
    assert (policy.flat_rotation, policy.rotation_tolerance_deg) == (FlatRotation.IGNORE, 1.0)
    assert policy == Policy()


@pytest.mark.parametrize("name", sorted(RANGES))
def test_every_number_is_held_to_its_range(name: str) -> None:
    low, high = RANGES[name]
    for value in (low, high):
        assert getattr(validate({name: value}), name) == value
    for value in (low - 1, high + 1):
        with pytest.raises(PolicyError, match=f"{name} is .* between"):
            validate({name: value})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"min_frames": 10.5}, "whole number"),
        ({"min_frames": True}, "whole number"),
        ({"sigma_clip_value": "3"}, "must be a number"),
        ({"sigma_clip_value": float("nan")}, "must be a number"),
        ({"min_frames": float("inf")}, "whole number"),
        ({"stacking_method": "winsorized"}, "mean, median, sigma_clip"),
        ({"flat_rotation": "always"}, "ignore, preferred, required"),
        ({"colour": "red"}, "no setting colour"),
    ],
)
def test_a_wrong_setting_is_named(values: dict[str, object], message: str) -> None:
    with pytest.raises(PolicyError, match=message):
        validate(values)
