"""The manifests of Kubernetes as kustomize builds them, built here so that no program has to be installed.

Only what our files use: resources, components, patches (strategic merge), namespace, images, replicas, config maps.
"""

from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

Manifest = dict[str, Any]

ROOT = Path(__file__).parents[2]
K8S = ROOT / "k8s"
TREES = ("base", "overlays/dev", "overlays/prod")

UNDERSTOOD = {
    "apiVersion", "kind", "namespace", "resources", "components", "patches", "images", "replicas", "configMapGenerator",
}  # fmt: skip

MERGE_KEYS = {
    "containers": "name", "initContainers": "name", "volumes": "name", "env": "name", "volumeMounts": "mountPath",
    "ports": "containerPort",
}  # fmt: skip
CLUSTER_KINDS = {"Namespace"}


def documents(path: Path) -> list[Manifest]:
    """Read every document of a YAML file."""
    return [found for found in yaml.load_all(path.read_text(encoding="utf-8"), yaml.CSafeLoader) if found is not None]


def build(folder: Path) -> list[Manifest]:
    """Build a folder with a kustomization, as ``kubectl kustomize`` does."""
    return _apply(folder, [])


def _apply(folder: Path, found: list[Manifest]) -> list[Manifest]:
    (plan,) = documents(folder / "kustomization.yaml")
    unknown = set(plan) - UNDERSTOOD
    if unknown:
        raise ValueError(f"{folder}: {unknown} is not understood")
    for name in plan.get("resources", []):
        path = folder / name
        found = [*found, *(build(path) if path.is_dir() else documents(path))]
    found = [*found, *(_config_map(folder, wanted) for wanted in plan.get("configMapGenerator", []))]
    for name in plan.get("components", []):
        found = _apply(folder / name, found)
    for patch in plan.get("patches", []):
        (change,) = documents(folder / patch["path"])
        target = patch.get("target", {"kind": change["kind"], "name": change["metadata"]["name"]})
        hit = [matches(one, target) for one in found]
        if not any(hit):
            raise ValueError(f"{folder}: nothing to patch with {patch}")
        body = {key: value for key, value in change.items() if key not in {"apiVersion", "kind", "metadata"}}
        found = [merged(one, body) if yes else one for one, yes in zip(found, hit, strict=True)]
    return [_finished(one, plan) for one in found]


def matches(one: Manifest, target: Manifest) -> bool:
    """Whether a patch is for this object."""
    label, _, value = target.get("labelSelector", "").partition("=")
    return (
        one["kind"] == target["kind"]
        and target.get("name", one["metadata"]["name"]) == one["metadata"]["name"]
        and (not label or one["metadata"].get("labels", {}).get(label) == value)
    )


def merged(old: Any, new: Any, key: str = "") -> Any:
    """Merge as the strategic merge patch does: named members of lists meet, other lists are replaced."""
    if isinstance(old, dict) and isinstance(new, dict):
        return {**old, **{name: merged(old.get(name), value, name) for name, value in new.items()}}
    if isinstance(old, list) and isinstance(new, list) and key in MERGE_KEYS:
        by = MERGE_KEYS[key]
        changes = {item[by]: item for item in new}
        kept = [merged(item, changes.pop(item[by])) if item[by] in changes else item for item in old]
        return [*kept, *changes.values()]
    return deepcopy(new)


def _config_map(folder: Path, wanted: Manifest) -> Manifest:
    data = {Path(name).name: (folder / name).read_text(encoding="utf-8") for name in wanted["files"]}
    metadata = {"name": wanted["name"]}
    labels = wanted.get("options", {}).get("labels")
    return {
        "apiVersion": "v1", "kind": "ConfigMap", "data": data,
        "metadata": metadata | ({"labels": labels} if labels else {}),
    }  # fmt: skip


def _finished(one: Manifest, plan: Manifest) -> Manifest:
    one = deepcopy(one)
    if "namespace" in plan and one["kind"] not in CLUSTER_KINDS:
        one["metadata"]["namespace"] = plan["namespace"]
    for wanted in plan.get("replicas", []):
        if one["metadata"]["name"] == wanted["name"] and one["kind"] in {"Deployment", "StatefulSet"}:
            one["spec"]["replicas"] = wanted["count"]
    for container in containers(one):
        for image in plan.get("images", []):
            if container["image"].split(":")[0] == image["name"]:
                container["image"] = f"{image.get('newName', image['name'])}:{image['newTag']}"
    return one


def pod_of(one: Manifest) -> Manifest | None:
    """Return the pod an object makes, if it makes one."""
    if one["kind"] not in {"Deployment", "StatefulSet", "Job"}:
        return None
    spec: Manifest = one["spec"]["template"]["spec"]
    return spec


def containers(one: Manifest) -> list[Manifest]:
    """Return all containers of an object, those that run first included."""
    pod = pod_of(one) or {}
    return [*pod.get("initContainers", []), *pod.get("containers", [])]


@cache
def tree(name: str) -> tuple[Manifest, ...]:
    """Build one of our trees, once."""
    return tuple(build(K8S / name))


def every(*kinds: str) -> list[Any]:
    """List the objects of all trees as test parameters."""
    return [
        pytest.param(one, id=f"{name}/{one['kind']}/{one['metadata']['name']}")
        for name in TREES
        for one in tree(name)
        if not kinds or one["kind"] in kinds
    ]


def named(name: str, kind: str, of: str = "overlays/prod") -> Manifest:
    """Find one object of a tree."""
    (found,) = [one for one in tree(of) if one["kind"] == kind and one["metadata"]["name"] == name]
    return found
