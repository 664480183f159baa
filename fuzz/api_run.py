"""The OpenAPI document, exercised as each role by schemathesis against a running installation."""

import importlib.util
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from fuzz.finds import FOLDER, ROOT, Done, Finds
from tests.support.installation import Installation, installation

ROLES = ("anonymous", "plugin", "member", "observatory-admin", "server-admin")
CHECKS = (
    "not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance",
)  # fmt: skip


def run(seconds: float, number: int, finds: Finds) -> Done:
    """Give every role its share of the time."""
    if importlib.util.find_spec("schemathesis") is None:
        return Done("api", 0, 0, "", missing="the schemathesis package is not installed")
    began, cases, shown = time.monotonic(), 0, []
    with tempfile.TemporaryDirectory() as folder, installation(Path(folder) / "data") as flow:
        for role in ROLES:
            done = _as(role, flow, seconds / len(ROLES), number, finds)
            cases += done
            shown.append(f"{role} {done}")
        flow.idle(within_s=300)
        flow.check(deep=True)
    return Done("api", cases, time.monotonic() - began, "cases as " + ", ".join(shown))


def _token(flow: Installation, role: str) -> str:
    """Make a token of a role; the server administrator's own is not used up by what fuzzing revokes."""
    home = flow.get("/observatories")[0]["id"]
    place = {} if role == "server-admin" else {"observatory_id": home}
    made = flow.client.post("/tokens", json={"name": f"fuzz {role}", "role": role, **place})
    return str(made.raise_for_status().json()["token"])


def _as(role: str, flow: Installation, seconds: float, number: int, finds: Finds) -> int:
    schema = FOLDER / "openapi.json"
    schema.parent.mkdir(parents=True, exist_ok=True)
    schema.write_bytes((ROOT / "contracts" / "openapi.json").read_bytes())
    report = FOLDER / f"api-{role}.json"
    header = [] if role == "anonymous" else ["-H", f"Authorization: Bearer {_token(flow, role)}"]
    command = [
        sys.executable, "-m", "schemathesis.cli", "run", str(schema), "--url", flow.url,
        "--phases", "examples,coverage,fuzzing", "--checks", ",".join(CHECKS), "--exclude-path", "/api/v1/events",
        "--max-time", str(max(10, int(seconds))), "--seed", str(number), "--request-timeout", "30", "--no-color",
        "--continue-on-failure", "--generation-database", "none", "--suppress-health-check", "all", "--warnings", "off",
        "--report-json-path", str(report), *header,
    ]  # fmt: skip
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, env={**os.environ})
    (FOLDER / f"api-{role}.txt").write_text(done.stdout + done.stderr)
    if done.returncode != 0:
        finds.note(f"api as {role}: see .fuzz/api-{role}.txt: {_failures(done.stdout)}")
    counted = re.search(r"Test cases:\s*\n?\s*(\d[\d,]*) generated", done.stdout)
    return int(counted[1].replace(",", "")) if counted else _counted(report)


def _failures(text: str) -> str:
    return "; ".join(dict.fromkeys(re.findall(r"^- (.+)$", text, re.MULTILINE)))[:600] or text.strip()[-300:]


def _counted(report: Path) -> int:
    if not report.is_file():
        return 0
    found = json.loads(report.read_text())
    return int(found.get("stats", {}).get("cases", 0))
