"""KEDA scales each service by consumers that exist, with values it understands."""

import pytest

from pictor.cli.services import BUS_SERVICES
from pictor.contracts.modules import MODULES_OF, Lane, Service
from pictor.runtime.nats_config import ACCOUNT
from pictor.runtime.provision import durables
from tests.support.manifests import Manifest, every, named

SCALED = [param for param in every("ScaledObject") if "prod" in str(param.id)]


@pytest.mark.parametrize("one", SCALED)
def test_scaling_follows_consumers_that_the_provisioner_makes(one: Manifest) -> None:
    made = {(durable.stream, durable.name) for durable in durables()}
    wanted = {(item["metadata"]["stream"], item["metadata"]["consumer"]) for item in one["spec"]["triggers"]}
    assert wanted <= made
    own = {
        ("PICTOR_WORK", f"{module}-{lane}") for module in MODULES_OF[Service(one["metadata"]["name"])] for lane in Lane
    }
    assert own <= wanted, "a lane without a trigger is never served by more workers"


@pytest.mark.parametrize("one", SCALED)
def test_a_scaled_object_says_all_that_keda_needs(one: Manifest) -> None:
    spec = one["spec"]
    assert one["apiVersion"] == "keda.sh/v1alpha1"
    assert set(spec) == {
        "scaleTargetRef", "minReplicaCount", "maxReplicaCount", "pollingInterval", "cooldownPeriod", "fallback",
        "advanced", "triggers",
    }  # fmt: skip
    assert "replicas" not in named(spec["scaleTargetRef"]["name"], "Deployment")["spec"], "two would set the number"
    assert 0 <= spec["minReplicaCount"] <= spec["fallback"]["replicas"] <= spec["maxReplicaCount"]
    assert spec["fallback"]["failureThreshold"] == 3
    for trigger in spec["triggers"]:
        assert trigger["type"] == "nats-jetstream"
        metadata = trigger["metadata"]
        assert set(metadata) == {
            "natsServerMonitoringEndpoint", "account", "stream", "consumer", "lagThreshold", "activationLagThreshold",
            "useHttps",
        }  # fmt: skip
        assert all(isinstance(value, str) for value in metadata.values()), "KEDA takes text only"
        assert metadata["account"] == ACCOUNT
        assert int(metadata["lagThreshold"]) >= 1
        host, port = metadata["natsServerMonitoringEndpoint"].split(":")
        assert host == f"nats-headless.{one['metadata']['namespace']}.svc.cluster.local"
        assert int(port) in {item["port"] for item in named("nats-headless", "Service")["spec"]["ports"]}


def test_every_worker_is_scaled() -> None:
    assert {param.values[0]["metadata"]["name"] for param in SCALED} == {str(service) for service in BUS_SERVICES}
