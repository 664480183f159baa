"""The Kubernetes manifests are valid, closed by default and fit the code."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from pictor.cli.services import BUS_SERVICES
from pictor.contracts.modules import Service
from pictor.runtime.nats_config import secret_name
from pictor.runtime.settings import Settings
from pictor.runtime.store.rights import USER_OF
from pictor.state.rights import ROLE_OF
from tests.support.manifests import K8S, ROOT, TREES, Manifest, containers, documents, every, named, pod_of, tree

CUSTOM = {"ScaledObject", "PodMonitor", "PrometheusRule"}
VOLUMES = {"configMap", "emptyDir", "persistentVolumeClaim", "projected", "secret"}


PODS = every("Deployment", "StatefulSet", "Job")


@pytest.mark.parametrize("one", [param for param in every() if param.values[0]["kind"] not in CUSTOM])
def test_an_object_satisfies_its_schema_strictly(one: Manifest) -> None:
    kubernetes_validate.validate(one, "1.37", strict=True)


def test_a_misspelt_key_is_found() -> None:
    wrong = {**named("gateway", "Service"), "spek": {}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, "1.37", strict=True)


@pytest.mark.parametrize("name", TREES)
def test_our_builder_agrees_with_kustomize(name: str) -> None:
    program = shutil.which("kubectl")
    assert len({(one["kind"], one["metadata"]["name"]) for one in tree(name)}) == len(tree(name))
    if program is None:
        print("no kubectl here: the manifests were built by our own builder alone")
        return
    done = subprocess.run([program, "kustomize", str(K8S / name)], capture_output=True, text=True, check=True)
    theirs = list(yaml.safe_load_all(done.stdout))
    assert [normal(one) for one in ordered(theirs)] == [normal(one) for one in ordered(list(tree(name)))]


def ordered(found: list[Manifest]) -> list[Manifest]:
    return sorted(found, key=lambda one: (one["kind"], one["metadata"]["name"]))


def normal(value: Any) -> Any:
    """Order lists of named things: kustomize puts what a patch adds first, we put it last."""
    if isinstance(value, dict):
        return {key: normal(item) for key, item in value.items()}
    if isinstance(value, list):
        return sorted((normal(item) for item in value), key=lambda item: json.dumps(item, sort_keys=True))
    return value


def test_every_manifest_is_used() -> None:
    files = {path for path in K8S.rglob("*") if path.is_file()}
    used: set[Path] = set()
    for plan in K8S.rglob("kustomization.yaml"):
        used.add(plan)
        (content,) = documents(plan)
        names = [*content.get("resources", []), *(patch["path"] for patch in content.get("patches", []))]
        names += [name for made in content.get("configMapGenerator", []) for name in made["files"]]
        used |= {(plan.parent / name).resolve() for name in names}
    assert files - used == set()


# --- the restricted profile, line by line


@pytest.mark.parametrize("one", PODS)
def test_a_pod_is_restricted(one: Manifest) -> None:
    pod = pod_of(one)
    assert pod is not None
    assert pod["automountServiceAccountToken"] is False
    assert pod["enableServiceLinks"] is False
    context = pod["securityContext"]
    assert context["runAsNonRoot"] is True
    assert (context["runAsUser"], context["runAsGroup"], context["fsGroup"]) == (10001, 10001, 10001)
    assert context["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod)
    for volume in pod.get("volumes", []):
        (kind,) = set(volume) - {"name"}
        assert kind in VOLUMES, volume
        assert kind != "emptyDir" or "sizeLimit" in volume["emptyDir"], volume


@pytest.mark.parametrize("one", PODS)
def test_a_container_is_restricted_and_bounded(one: Manifest) -> None:
    for container in containers(one):
        context = container["securityContext"]
        assert context == {
            "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]},
        }  # fmt: skip
        assert {"cpu", "memory"} <= set(container["resources"]["requests"])
        assert {"cpu", "memory"} <= set(container["resources"]["limits"])
        assert not any("hostPort" in port for port in container.get("ports", []))


@pytest.mark.parametrize("one", every("Deployment", "StatefulSet"))
def test_what_runs_is_probed(one: Manifest) -> None:
    for container in one["spec"]["template"]["spec"]["containers"]:
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            assert probe in container
    if one["metadata"]["labels"].get("app.kubernetes.io/component") in {"worker", "gateway"}:
        assert container["startupProbe"]["httpGet"]["path"] == "/health/live"
        assert container["livenessProbe"]["httpGet"]["path"] == "/health/live", "an outage must not restart pods"
        assert container["readinessProbe"]["httpGet"]["path"] == "/health/ready"
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            assert container[probe]["httpGet"]["port"] == "health", "what a process knows is told on no public port"


@pytest.mark.parametrize("name", ["overlays/dev", "overlays/prod"])
def test_no_image_floats(name: str) -> None:
    for one in tree(name):
        for container in containers(one):
            tag = container["image"].rpartition(":")[2]
            assert tag not in {"", "latest", container["image"]}, container["image"]


def test_the_namespace_refuses_what_is_not_restricted() -> None:
    labels = named("pictor", "Namespace", "base")["metadata"]["labels"]
    assert {labels[f"pod-security.kubernetes.io/{mode}"] for mode in ("enforce", "audit", "warn")} == {"restricted"}


@pytest.mark.parametrize("name", TREES)
def test_nothing_passes_the_network_unless_named(name: str) -> None:
    deny = named("default-deny", "NetworkPolicy", name)["spec"]
    assert deny == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    for one in tree(name):
        if one["kind"] == "NetworkPolicy":
            for rule in [*one["spec"].get("ingress", []), *one["spec"].get("egress", [])]:
                assert rule.get("from") or rule.get("to"), f"{one['metadata']['name']} opens to everyone"
                assert rule["ports"], f"{one['metadata']['name']} opens every port"


@pytest.mark.parametrize("one", every("Ingress", "Service"))
def test_only_the_gateway_can_be_reached_from_outside(one: Manifest) -> None:
    assert one["spec"].get("type", "ClusterIP") == "ClusterIP"
    if one["kind"] == "Ingress":
        backends = [
            path["backend"]["service"]["name"] for rule in one["spec"]["rules"] for path in rule["http"]["paths"]
        ]
        assert backends == ["gateway"]


def test_no_manifest_holds_a_secret() -> None:
    for name in TREES:
        assert not [one for one in tree(name) if one["kind"] == "Secret"]
        for one in tree(name):
            for container in containers(one):
                for variable in container.get("env", []):
                    secret = any(word in variable["name"] for word in ("PASSWORD", "SECRET", "DSN", "ACCESS_KEY"))
                    assert not secret or variable["name"].endswith("_FILE"), variable


# --- the code


@pytest.mark.parametrize("service", list(Service))
def test_each_service_runs_with_its_own_user_and_password(service: Service) -> None:
    one = named(str(service), "Deployment")
    (container,) = containers(one)
    assert container["args"] == ["run", str(service)]
    assert container["image"].rpartition(":")[0].endswith("web" if service is Service.GATEWAY else "science")
    assert {item["name"]: item["value"] for item in container["env"]}["PICTOR_NATS_USER"] == service
    files = secret_files(one)
    assert files["pictor_nats_password"] == ("pictor-nats", secret_name(str(service)))
    assert files["pictor_postgres_dsn"] == (
        "pictor-database", f"postgres_{ROLE_OF[service].removeprefix('pictor_')}_dsn"
    )  # fmt: skip
    assert files["pictor_s3_secret_key"] == ("pictor-store", f"s3_{USER_OF[service].name}_secret_key")


def test_only_the_setup_job_owns_the_schema() -> None:
    files = secret_files(named("setup", "Job"))
    assert files["pictor_postgres_dsn"] == ("pictor-database", "postgres_setup_dsn")
    assert files["pictor_nats_password"] == ("pictor-nats", "nats_setup_password")


def secret_files(one: Manifest) -> dict[str, tuple[str, str]]:
    pod = pod_of(one)
    assert pod is not None
    (volume,) = [volume for volume in pod["volumes"] if volume["name"] == "secrets"]
    return {
        item["path"]: (source["secret"]["name"], item["key"])
        for source in volume["projected"]["sources"]
        for item in source["secret"]["items"]
    }


def test_every_setting_exists() -> None:
    known = {f"PICTOR_{name.upper()}" for name in Settings.model_fields} | {"PICTOR_SECRETS_DIR"}
    names = set()
    for tree_name in TREES:
        for one in tree(tree_name):
            if one["kind"] == "ConfigMap" and one["metadata"]["name"] == "pictor-settings":
                names |= set(one["data"])
            names |= {item["name"] for box in containers(one) for item in box.get("env", [])}
            for files in [secret_files(one)] if one["metadata"]["name"] in {*Service, "setup"} and pod_of(one) else []:
                names |= {path.upper() for path in files}
    ours = {name for name in names if name.startswith("PICTOR_")}
    assert len(ours) > 15
    assert ours - known == set()


@pytest.mark.parametrize("service", BUS_SERVICES)
def test_a_worker_is_given_longer_to_stop_than_it_takes(service: Service) -> None:
    pod = pod_of(named(str(service), "Deployment"))
    assert pod is not None
    own = {item["name"]: item["value"] for item in pod["containers"][0]["env"]}
    assert pod["terminationGracePeriodSeconds"] > float(own["PICTOR_SHUTDOWN_SECONDS"])


def test_three_servers_keep_three_copies() -> None:
    nats = named("nats", "StatefulSet")
    assert nats["spec"]["replicas"] == 3
    assert named("pictor-settings", "ConfigMap")["data"]["PICTOR_NATS_REPLICAS"] == "3"
    routes = [text for text in containers(nats)[0]["args"] if text.startswith("--route=")]
    assert routes == [f"--route=nats-{number}.nats-headless:6222" for number in range(3)]
    pod = pod_of(nats)
    assert pod is not None
    assert "requiredDuringSchedulingIgnoredDuringExecution" in pod["affinity"]["podAntiAffinity"]


def test_a_budget_never_blocks_a_drain() -> None:
    for one in tree("overlays/prod"):
        if one["kind"] == "PodDisruptionBudget":
            name = one["spec"]["selector"]["matchLabels"]["app.kubernetes.io/name"]
            kind = "StatefulSet" if name == "nats" else "Deployment"
            assert one["spec"]["maxUnavailable"] == 1
            assert named(name, kind)["spec"]["replicas"] > 1


def test_yaml_is_well_formed_everywhere() -> None:
    places = [K8S, ROOT / "deploy", ROOT / "docker-compose.yml"]
    rules = (
        "{extends: default, rules: {line-length: {max: 132}, document-start: disable, comments-indentation: disable}}"
    )
    command = [sys.executable, "-m", "yamllint", "-s", "-d", rules, *map(str, places)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
