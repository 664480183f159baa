"""The promises to the outside as files: generated, committed, and compared in every check."""

import difflib
import json
import sys
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel

from pictor.contracts.frames import UploadMetadata
from pictor.contracts.messages import Message
from pictor.contracts.modules import MODULES_OF, Module
from pictor.contracts.subjects import EVENTS, every_subject
from pictor.runtime.provision import durables
from pictor.runtime.version import VERSION

ROOT = Path(__file__).resolve().parents[3]
FOLDER = ROOT / "contracts"


def main(*, write: bool) -> int:
    """Write the files, or say how they differ from the code."""
    if not (FOLDER / "pictor").is_dir():
        print("contracts are compared in a checkout only; this is an installed package", file=sys.stderr)
        return 2
    wanted = generated()
    if write:
        for path, text in wanted.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        print(f"{len(wanted)} contract files written")
        return 0
    return _compare(wanted)


def generated() -> dict[Path, str]:
    """Return every contract file and its text."""
    from pictor.gateway.app import openapi

    files = {FOLDER / "asyncapi.yaml": yaml.safe_dump(asyncapi(), sort_keys=False, width=120)}
    files[FOLDER / "openapi.json"] = json.dumps(openapi(), indent=1, sort_keys=True) + "\n"
    models: list[type[BaseModel]] = [*_messages(), UploadMetadata]
    for model in models:
        schema = model.model_json_schema()
        files[FOLDER / "schemas" / f"{model.__name__}.json"] = json.dumps(schema, indent=1, sort_keys=True) + "\n"
    return files


def _messages() -> list[type[Message]]:
    found: dict[str, type[Message]] = {subject.message.__name__: subject.message for subject in every_subject()}
    return [found[name] for name in sorted(found)]


def asyncapi() -> dict[str, Any]:
    """Describe every subject, stream and consumer as AsyncAPI 3.0."""
    channels, operations = {}, {}
    readers = {durable.filter: durable.name for durable in durables()}
    for subject in every_subject():
        name = subject.name.removeprefix("pictor.")
        channel: dict[str, Any] = {
            "address": subject.name + (".{observatory}" if subject.per_observatory else ""),
            "description": f"Kept in stream {subject.stream}.",
            "messages": {subject.message.__name__: {"$ref": f"#/components/messages/{subject.message.__name__}"}},
        }
        if subject.per_observatory:
            channel["parameters"] = {"observatory": {"description": "Slug of the observatory"}}
        channels[name] = channel
        operations[f"send.{name}"] = {"action": "send", "channel": {"$ref": f"#/channels/{name}"}}
        if subject.pattern in readers:
            operations[f"receive.{name}"] = {
                "action": "receive",
                "channel": {"$ref": f"#/channels/{name}"},
                "title": readers[subject.pattern],
            }
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Pictor", "version": VERSION, "description": _description()},
        "channels": channels,
        "operations": operations,
        "components": {"messages": {m.__name__: _component(m) for m in _messages()}},
    }


def _description() -> str:
    served = "; ".join(f"{service}: {', '.join(modules)}" for service, modules in MODULES_OF.items())
    return f"{len(EVENTS)} facts and {len(Module)} modules. Modules by service: {served}."


def _component(message: type[Message]) -> dict[str, Any]:
    text = (message.__doc__ or "").strip().splitlines()[0]
    reference = {"$ref": f"schemas/{message.__name__}.json"}
    return {"name": message.__name__, "summary": text, "contentType": "application/json", "payload": reference}


def _compare(wanted: dict[Path, str]) -> int:
    drifted = 0
    for path, text in wanted.items():
        there = path.read_text(encoding="utf-8") if path.exists() else ""
        if there != text:
            drifted += 1
            name = str(path.relative_to(ROOT))
            lines = difflib.unified_diff(there.splitlines(), text.splitlines(), name, "from the code", lineterm="", n=1)
            print("\n".join(list(lines)[:40]))
    stale = set((FOLDER / "schemas").glob("*.json")) - set(wanted)
    for path in stale:
        print(f"{path.relative_to(ROOT)} belongs to no message any more")
    if drifted or stale:
        print("contracts differ from the code; review, then run: pictor contracts --write", file=sys.stderr)
        return 1
    print(f"{len(wanted)} contract files agree with the code")
    return 0
