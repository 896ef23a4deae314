"""The documentation's examples load, and its tables name every field."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from scaler.engine import plugins
from scaler.manifest import load
from scaler.manifest.aca import documents, ingress, scale_rules, template
from scaler.manifest.fields import DocumentModel
from scaler.manifest.keda import authentication, behavior
from scaler.manifest.keda import documents as keda
from scaler.model import App

if TYPE_CHECKING:
    from types import ModuleType

TEXT = (Path(__file__).parents[3] / "docs" / "manifests.md").read_text()
EXAMPLES = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_loads(example: str, tmp_path: Path) -> None:
    path = tmp_path / "example.yaml"
    path.write_text(example)
    loaded = load([path], scalers=plugins.discover(), environ={"REDIS_PASSWORD": "x"}, strict=True)
    (workload,) = loaded.workloads
    assert isinstance(workload.target, App)
    if workload.target.ingress is None:
        assert workload.name == "worker"
        assert workload.triggers[0].config.password.get_secret_value() == "x"
    else:
        assert (workload.name, workload.triggers[0].policy.target) == ("shop", 50)


@pytest.mark.parametrize("module", [documents, ingress, scale_rules, template, keda, authentication, behavior])
def test_every_field_is_in_the_tables(module: ModuleType) -> None:
    models = [value for value in vars(module).values() if isinstance(value, type) and issubclass(value, DocumentModel)]
    aliases = {info.alias for model in models for info in model.model_fields.values()}
    server_side = {
        "creationTimestamp",
        "deletionGracePeriodSeconds",
        "deletionTimestamp",
        "finalizers",
        "generateName",
        "generation",
        "managedFields",
        "ownerReferences",
        "resourceVersion",
        "selfLink",
        "status",
        "uid",
    }
    named = set(re.findall(r"[A-Za-z0-9]+", TEXT))
    assert aliases - server_side - named == set()
