"""The doctor names what is missing on a machine."""

from pathlib import Path

from pictor.cli.doctor import examine
from pictor.runtime.child.enclosure import expected


def test_the_doctor_tells_how_far_children_are_enclosed(tmp_path: Path) -> None:
    (found,) = [item for item in examine(tmp_path) if item.name == "enclosure of pixel children"]
    assert found.detail == expected().sentence
    assert found.present is expected().whole
    assert found.needed is False
