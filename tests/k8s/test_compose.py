"""docker-compose.yml is valid, hardened line by line, and fits the code."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from pictor.contracts.modules import Service
from pictor.runtime.nats_config import SETUP_USER, SYSTEM_USER, bus_users, secret_name
from pictor.runtime.settings import Settings
from pictor.runtime.store.rights import USER_OF, USERS
from pictor.state.rights import OWNER, ROLE_OF, ROLES
from tests.support.manifests import ROOT

COMPOSE = ROOT / "docker-compose.yml"
PLAN: dict[str, Any] = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = PLAN["services"]
ONCE = {"prepare", "bucket", "setup"}

every_service = pytest.mark.parametrize("name", list(SERVICES))


def test_it_satisfies_the_compose_specification() -> None:
    assert conforms(COMPOSE) == 0


def test_a_misspelt_key_is_found(tmp_path: Path) -> None:
    wrong = tmp_path / "docker-compose.yml"
    wrong.write_text(COMPOSE.read_text(encoding="utf-8").replace("read_only: true", "readonly: true"), encoding="utf-8")
    assert conforms(wrong) != 0


def conforms(path: Path) -> int:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(path)]
    return subprocess.run(command, capture_output=True, check=False).returncode


@every_service
def test_a_container_cannot_gain_rights(name: str) -> None:
    service = SERVICES[name]
    assert service["user"] == "10001:10001"
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "cap_add" not in service
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not {"privileged", "pid", "ipc", "devices", "userns_mode"} & set(service)


@every_service
def test_a_container_is_bounded(name: str) -> None:
    service = SERVICES[name]
    assert service["pids_limit"] > 0
    assert service["mem_limit"]
    assert service["cpus"] > 0
    assert service["logging"]["options"]["max-size"]
    assert service["tmpfs"]
    assert all("size=" in mount for mount in service["tmpfs"])


@every_service
def test_a_container_is_watched_and_given_time_to_stop(name: str) -> None:
    service = SERVICES[name]
    assert int(service["stop_grace_period"].removesuffix("s")) > Settings().shutdown_seconds
    assert service["restart"] == ("no" if name in ONCE else "unless-stopped")
    unwatched = ONCE | {"nats-exporter"}
    assert ("disable" if name in unwatched else "test") in service["healthcheck"]


def test_only_the_gateway_is_published_and_only_on_this_machine() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert set(published) == {"gateway", "grafana"}
    assert SERVICES["grafana"]["profiles"] == ["obs"]
    assert all(port.startswith("127.0.0.1:") for ports in published.values() for port in ports)


@every_service
def test_the_inner_network_has_no_way_out(name: str) -> None:
    assert PLAN["networks"]["data"] == {"internal": True}
    networks = set(SERVICES[name].get("networks", []))
    assert networks == {"data", "edge"} if "ports" in SERVICES[name] else networks <= {"data"}
    assert networks or SERVICES[name]["network_mode"] == "none"


def test_no_password_is_written_here_and_none_has_a_default() -> None:
    text = COMPOSE.read_text(encoding="utf-8")
    for secret in PLAN["secrets"].values():
        assert secret["file"].startswith("${SECRETS_DIR:?")
    for name, default in re.findall(r"\$\{([A-Z_]+):-([^}]*)\}", text):
        assert not re.search(r"PASSWORD|SECRET|KEY|TOKEN|DSN", name), f"{name} has the default {default}"
    for service in SERVICES.values():
        for name in service.get("environment", {}):
            assert not re.search(r"PASSWORD|SECRET_KEY|ACCESS_KEY|DSN|ROOT_USER", name) or name.endswith("_FILE"), name


def test_every_secret_is_used_and_made(tmp_path: Path) -> None:
    used = {named(item) for service in SERVICES.values() for item in service.get("secrets", [])}
    assert used == set(PLAN["secrets"])
    subprocess.run([str(ROOT / "deploy/secrets.sh"), str(tmp_path / "secrets")], check=True)
    made = {path.name for path in (tmp_path / "secrets").iterdir()}
    assert used <= made
    assert {secret_name(user.name) for user in bus_users()} | {secret_name(SYSTEM_USER)} <= made


def named(item: str | dict[str, str]) -> str:
    return item if isinstance(item, str) else item["source"]


def test_secrets_are_made_once_long_and_private(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    command = [str(ROOT / "deploy/secrets.sh"), str(folder)]
    subprocess.run(command, check=True)
    first = {path.name: path.read_text() for path in folder.iterdir()}
    subprocess.run(command, check=True)
    assert {path.name: path.read_text() for path in folder.iterdir()} == first
    assert folder.stat().st_mode & 0o777 == 0o700
    passwords = [text for name, text in first.items() if name.endswith(("_password", "_secret_key"))]
    assert len(set(passwords)) == len(passwords) >= 15
    assert all(re.fullmatch(r"[0-9a-f]{48}", text) for text in passwords)
    for role in (OWNER, *ROLES):
        word = role.removeprefix("pictor_")
        password = first[f"postgres_{word}_password"]
        assert first[f"postgres_{word}_dsn"] == f"postgresql://{role}:{password}@postgres:5432/pictor"
    for user in USERS:
        assert first[f"s3_{user.name}_access_key"].startswith(f"pictor-{user.name}-")


@pytest.mark.parametrize("service", list(Service))
def test_each_service_has_its_own_user_on_the_bus(service: Service) -> None:
    one = SERVICES[str(service)]
    assert one["command"] == ["run", str(service)]
    assert one["environment"]["PICTOR_NATS_USER"] == service
    secrets = {item["target"]: item["source"] for item in one["secrets"]}
    assert secrets == {
        "pictor_nats_password": secret_name(str(service)),
        "pictor_postgres_dsn": f"postgres_{ROLE_OF[service].removeprefix('pictor_')}_dsn",
        "pictor_s3_access_key": f"s3_{USER_OF[service].name}_access_key",
        "pictor_s3_secret_key": f"s3_{USER_OF[service].name}_secret_key",
    }


def test_no_service_is_given_a_key_of_the_stores_or_the_databases_administrator() -> None:
    for service in (*Service, "setup"):
        sources = {item["source"] for item in SERVICES[str(service)]["secrets"]}
        assert not sources & {"store_root_user", "store_root_password", "postgres_password", "s3_operator_secret_key"}


def test_the_store_gets_the_policies_of_the_embedded_one(tmp_path: Path) -> None:
    """The script runs with programs that write down what they are told instead of a store."""
    programs, secrets = tmp_path / "bin", tmp_path / "secrets"
    programs.mkdir()
    (programs / "mc").write_text('#!/bin/sh\ncase "$*" in *"policy create"*) cp "$6" "$OUT/$5.json";; esac\n')
    (programs / "mc").chmod(0o755)
    subprocess.run([str(ROOT / "deploy/secrets.sh"), str(secrets)], check=True)
    script = (ROOT / "deploy/store/bucket.sh").read_text().replace("/run/secrets", str(secrets))
    environment = {"PATH": f"{programs}:/usr/bin:/bin", "BUCKET": "frames", "OUT": str(tmp_path)}
    subprocess.run(["sh", "-c", script.replace("/tmp/", f"{tmp_path}/")], env=environment, check=True)
    for user in USERS:
        policy = json.loads((tmp_path / f"pictor-{user.name}.json").read_text())
        statements = policy["Statement"]
        allowed = {(action, where) for one in statements for action in one["Action"] for where in one["Resource"]}
        assert {one["Effect"] for one in statements} == {"Allow"}
        written = {where.split("/")[1] for action, where in allowed if action in {"s3:PutObject", "s3:DeleteObject"}}
        assert written == {action[6:-2] for action in user.actions if action.startswith("Write:")}
        assert ("s3:GetObject", "arn:aws:s3:::frames/*") in allowed
        assert not any("*" in action or where == "*" for action, where in allowed)


def test_the_setup_job_comes_before_every_service_and_alone_may_create() -> None:
    secrets = {item["target"]: item["source"] for item in SERVICES["setup"]["secrets"]}
    assert secrets["pictor_postgres_dsn"] == "postgres_setup_dsn"
    assert secrets["pictor_nats_password"] == secret_name(SETUP_USER)
    for service in Service:
        assert SERVICES[str(service)]["depends_on"]["setup"] == {"condition": "service_completed_successfully"}


def test_every_setting_exists() -> None:
    known = {f"PICTOR_{name.upper()}" for name in Settings.model_fields} | {"PICTOR_SECRETS_DIR"}
    given = {name for service in SERVICES.values() for name in service.get("environment", {})}
    given |= {item["target"].upper() for name in Service for item in SERVICES[str(name)]["secrets"]}
    given |= set(re.findall(r"\b(PICTOR_[A-Z0-9_]+)=", (ROOT / "Dockerfile").read_text(encoding="utf-8")))
    ours = {name for name in given if name.startswith("PICTOR_")}
    assert len(ours) > 12
    assert ours - known == set()


def test_settings_are_read_from_the_secrets_a_service_is_given(tmp_path: Path) -> None:
    for item in SERVICES["quality"]["secrets"]:
        (tmp_path / item["target"]).write_text(f"the {item['source']}\n")
    program = (
        "from pictor.runtime.settings import Settings; s = Settings(); "
        "print(*(one.get_secret_value() for one in (s.nats_password, s.postgres_dsn, s.s3_secret_key)))"
    )
    environment = {"PICTOR_SECRETS_DIR": str(tmp_path), "PATH": "/usr/bin"}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "the nats_quality_password the postgres_module_dsn the s3_module_secret_key"


def test_the_example_names_every_variable_without_a_default() -> None:
    needed = set(re.findall(r"\$\{([A-Z_]+):\?", COMPOSE.read_text(encoding="utf-8")))
    lines = (ROOT / ".env.example").read_text(encoding="utf-8").splitlines()
    given = {line.partition("=")[0] for line in lines if line and not line.startswith("#")}
    assert needed <= given
    assert len(lines) <= 15


def test_every_mounted_file_exists() -> None:
    for service in SERVICES.values():
        for mount in service.get("volumes", []):
            if mount.startswith("./"):
                assert (ROOT / mount.split(":")[0]).exists(), mount
                assert mount.endswith(":ro"), mount
