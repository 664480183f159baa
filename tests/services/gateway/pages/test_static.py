"""The files that the pages load."""

import hashlib
import json
import re

import pytest

from pictor.gateway.pages.rendering import FOLDER
from tests.services.gateway.pages.conftest import Client

VENDOR = FOLDER / "static" / "vendor"
MANIFEST = json.loads((VENDOR / "manifest.json").read_text())


@pytest.mark.parametrize("entry", MANIFEST, ids=lambda entry: entry["file"])
def test_vendored_files_are_exactly_those_of_the_manifest(entry: dict[str, str]) -> None:
    content = (VENDOR / entry["file"]).read_bytes()
    assert hashlib.sha256(content).hexdigest() == entry["sha256"]
    assert entry["version"] in entry["file"]
    assert (VENDOR / entry["licence_file"]).stat().st_size > 200


def test_nothing_is_vendored_without_a_line_in_the_manifest() -> None:
    present = {path.name for path in VENDOR.iterdir() if path.suffix in {".js", ".css"}}
    assert present == {entry["file"] for entry in MANIFEST}


def test_templates_load_only_files_that_exist() -> None:
    for template in (FOLDER / "templates").glob("*.html"):
        for path in re.findall(r'(?:src|href)="(/static/[^"]+)"', template.read_text()):
            assert (FOLDER / path.removeprefix("/")).is_file(), (template.name, path)


async def test_static_files_are_served_with_their_type_and_nothing_beside_them(stranger: Client) -> None:
    for path, kind in (("pictor.js", "javascript"), ("pictor.css", "text/css"), ("pictor.svg", "image/svg+xml")):
        answer = await stranger.get(f"/static/{path}")
        assert answer.status_code == 200
        assert kind in answer.headers["content-type"]
    assert "no-cache" in answer.headers["cache-control"]
    vendored = await stranger.get(f"/static/vendor/{MANIFEST[0]['file']}")
    assert "immutable" in vendored.headers["cache-control"]
    assert len(vendored.content) == int(MANIFEST[0]["size"])
    for path in ("../pages/door.py", "%2e%2e/app.py", "..%2fapp.py", "vendor/../../app.py", "missing.js"):
        assert (await stranger.get(f"/static/{path}")).status_code == 404
