"""Messages stay readable for ever."""

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from pictor.contracts.messages import MAX_MESSAGE_BYTES, Message
from pictor.contracts.modules import Lane, Module
from pictor.contracts.subjects import WORK, every_subject
from pictor.contracts.work import WorkOrder

EXAMPLES = sorted((Path(__file__).parents[1] / "data" / "messages").glob("*.json"))
MESSAGES: dict[str, type[Message]] = {subject.message.__name__: subject.message for subject in every_subject()}


def known(decoded: object, committed: object) -> object:
    """Leave out the optional fields that came after the example, in nested objects too."""
    if isinstance(decoded, dict) and isinstance(committed, dict):
        return {name: known(value, committed[name]) for name, value in decoded.items() if name in committed}
    return decoded


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_every_example_ever_committed_is_still_decoded(example: Path) -> None:
    name = example.stem.split(".")[0]
    message = MESSAGES[name].decode(example.read_bytes())
    committed = json.loads(example.read_text())
    assert known(message.model_dump(mode="json"), committed) == committed


def test_every_message_has_an_example_of_its_current_version() -> None:
    there = {path.name for path in EXAMPLES}
    wanted = {f"{name}.v{kind.model_fields['schema_version'].default}.json" for name, kind in MESSAGES.items()}
    assert wanted <= there


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_a_message_from_a_newer_version_with_unknown_fields_is_understood(example: Path) -> None:
    name = example.stem.split(".")[0]
    newer = json.loads(example.read_text()) | {"a_field_of_the_next_version": {"deep": [1, 2, 3]}}
    assert MESSAGES[name].decode(json.dumps(newer).encode()).dedup_id


def test_garbage_is_refused() -> None:
    for body in (b"", b"{}", b"[]", b"\xff\xfe", b'{"observatory": "Hill!"}', b"null"):
        with pytest.raises(ValidationError):
            WorkOrder.decode(body)


def test_an_observatory_slug_can_never_widen_a_subject() -> None:
    example = json.loads((EXAMPLES[0]).read_text())
    for slug in ("*", ">", "a.b", "a b", "", "A", "a" * 64):
        with pytest.raises(ValidationError):
            MESSAGES[EXAMPLES[0].stem.split(".")[0]].model_validate(example | {"observatory": slug})


def test_the_largest_order_fits_a_message_many_times_over() -> None:
    order = json.loads(next(path for path in EXAMPLES if path.stem.startswith("WorkOrder")).read_text())
    body = WorkOrder.model_validate(order | {"itinerary": [str(module) for module in Module]}).encode()
    assert len(body) * 10 < MAX_MESSAGE_BYTES


def test_every_module_has_a_subject_on_every_lane() -> None:
    names = {WORK[module][lane].name for module in Module for lane in Lane}
    assert len(names) == len(Module) * len(Lane)
