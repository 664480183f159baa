"""Dashboards and alerts ask only for metrics that exist, in both places alike."""

import json
import re
from importlib import import_module
from typing import Any

import pytest
import yaml
from prometheus_client import REGISTRY

from pictor.contracts.modules import Module, RunState, Service
from pictor.contracts.subjects import STREAM_PARKED, STREAM_WORK
from pictor.runtime.provision import durables
from pictor.runtime.settings import Settings
from tests.support.manifests import K8S, ROOT, documents, named

RULES: dict[str, Any] = documents(ROOT / "deploy/prometheus/rules.yml")[0]
BOARDS = sorted((K8S / "components/monitoring/dashboards").glob("*.json"))

EXPORTER = {
    "jetstream_consumer_num_pending", "jetstream_consumer_num_ack_pending", "jetstream_consumer_num_redelivered",
    "jetstream_consumer_num_waiting", "jetstream_stream_total_messages", "jetstream_stream_total_bytes",
    "jetstream_server_total_message_bytes", "jetstream_server_max_storage",
}  # fmt: skip
"""Of prometheus-nats-exporter with ``-jsz=all`` (its collector/jsz.go)."""

LABELS = {
    "module", "outcome", "status", "method", "reason", "le", "consumer_name", "stream_name", "is_consumer_leader",
    "is_stream_leader", "job", "instance",
}  # fmt: skip

WORDS = {
    "sum", "max", "min", "count", "by", "on", "rate", "increase", "delta", "absent", "and", "or", "unless",
    "histogram_quantile", "label_replace", "up", "clamp_min",
}  # fmt: skip


def alerts() -> list[dict[str, Any]]:
    return [rule for group in RULES["groups"] for rule in group["rules"] if "alert" in rule]


def recorded() -> set[str]:
    return {rule["record"] for group in RULES["groups"] for rule in group["rules"] if "record" in rule}


def questions() -> list[tuple[str, str]]:
    found = [
        (rule.get("alert") or rule["record"], rule["expr"]) for group in RULES["groups"] for rule in group["rules"]
    ]
    for path in BOARDS:
        for panel in json.loads(path.read_text(encoding="utf-8"))["panels"]:
            found += [(f"{path.stem}: {panel['title']}", target["expr"]) for target in panel["targets"]]
    return found


def ours() -> set[str]:
    import_module("pictor.runtime.metrics")
    import_module("pictor.gateway.shield")
    names = set()
    for family in REGISTRY.collect():
        suffixes = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "gauge": ("",)}
        names |= {family.name + suffix for suffix in suffixes.get(family.type, ())}
    return {name for name in names if name.startswith("pictor_")}


@pytest.mark.parametrize(("where", "question"), questions())
def test_a_question_names_metrics_and_labels_that_exist(where: str, question: str) -> None:
    bare = re.sub(r'"[^"]*"', '""', question)
    words = set(re.findall(r"(?<![\d.])[a-zA-Z_:][a-zA-Z0-9_:]*", re.sub(r"\[\d+[a-z]\]", "", bare)))
    unknown = words - ours() - EXPORTER - recorded() - LABELS - WORDS
    assert unknown == set(), where


def test_an_unknown_metric_would_be_found() -> None:
    assert "pictor_module_total" in ours()
    assert "pictor_modules_total" not in ours() | EXPORTER


def test_both_sets_of_rules_are_the_same() -> None:
    assert named("pictor", "PrometheusRule")["spec"] == RULES


def test_every_alert_says_what_to_do_and_the_guide_explains_it() -> None:
    guide = (ROOT / "docs/operators.md").read_text(encoding="utf-8")
    headings = {line.lstrip("# ").strip().lower() for line in guide.splitlines() if line.startswith("### ")}
    for rule in alerts():
        annotations = rule["annotations"]
        assert annotations["summary"]
        assert annotations["action"]
        assert rule["labels"]["severity"] in {"warning", "critical"}
        path, _, anchor = annotations["runbook"].partition("#")
        assert path == "docs/operators.md"
        assert anchor == rule["alert"].lower()
        assert anchor in headings


def test_numbers_and_names_in_alerts_are_those_of_the_code() -> None:
    text = {rule["alert"]: rule["expr"] for rule in alerts()}
    consumers = sum(durable.stream == STREAM_WORK for durable in durables())
    assert f"< {consumers}" in text["ConsumerMissing"]
    assert f"* {Settings().nats_max_work_bytes}" in text["StreamNearLimit"]
    assert f'"{STREAM_PARKED}"' in text["DeadLetters"]
    for _, question in questions():
        for value in re.findall(r'module="([^"]+)"', question):
            assert value in set(Module)
        for value in re.findall(r'outcome="([^"]+)"', question):
            assert value in set(RunState)


def test_every_process_is_scraped() -> None:
    (plan,) = documents(ROOT / "deploy/prometheus/prometheus.yml")
    (services,) = [job for job in plan["scrape_configs"] if job["job_name"] == "pictor"]
    targets = {target for entry in services["static_configs"] for target in entry["targets"]}
    assert targets == {f"{service}:8081" for service in Service}


@pytest.mark.parametrize("path", BOARDS, ids=lambda path: path.stem)
def test_a_board_can_be_provisioned(path: Any) -> None:
    board = json.loads(path.read_text(encoding="utf-8"))
    sources = ROOT / "deploy/grafana/provisioning/datasources/prometheus.yml"
    (source,) = yaml.safe_load(sources.read_text(encoding="utf-8"))["datasources"]
    assert board["uid"].startswith("pictor-")
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    for panel in board["panels"]:
        assert panel["datasource"]["uid"] == source["uid"]
        assert panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"]
