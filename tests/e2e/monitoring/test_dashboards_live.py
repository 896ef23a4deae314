"""Every query of every dashboard and rule answers, on a service that works, starves, fails and is misled.

One run provokes what the panels are there to show; a real Prometheus scrapes it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from scaler.testing import http_app
from scaler.testing.http_client import Client, Kind, Shape
from scaler.testing.http_service import QUICK, HttpService, rule
from scaler.testing.polling import eventually
from scaler.testing.prometheus_api import PrometheusApi, filled
from scaler.testing.servers.process import free_port
from scaler.testing.servers.prometheus import PrometheusServer
from scaler.testing.servers.redis import RedisServer
from scaler.testing.service_process import ServiceProcess

pytestmark = [pytest.mark.services, pytest.mark.timeout(300)]

DEPLOY = Path(__file__).parents[3] / "deploy"
RULES = sorted((DEPLOY / "prometheus" / "rules").glob("*.yml"))
DASHBOARDS = {
    file.stem: json.loads(file.read_text()) for file in sorted((DEPLOY / "grafana" / "dashboards").glob("*.json"))
}
# What only an app with ingress has.
OF_REQUESTS = {"Requests", "How holds end", "Time held", "Requests in flight on average"}
# What the run provokes, so that these panels show more than zero.
PROVOKED = {
    "overview": {
        "Workloads", "Replicas", "Sources down", "Cannot start", "At maximum", "Manifests rejected",
        "Replicas by workload", "Missing replicas", "Nearest to the maximum", "Failed reads", "Requests held",
        "Requests in flight",
    },
    "workload": {
        "Replicas", "Limits that bit", "Value of each trigger against its target", "Replicas that each trigger wants",
        "Active triggers", "Decisions by reason", "Reaction", "Wake", "Starts and stops", "Requests", "How holds end",
        "Time held", "Requests in flight on average", "Sources",
    },
    "service": {
        "Up", "Proxies", "Running for", "Manifests accepted", "Versions", "Lateness", "Reaction", "Reads", "Decisions",
        "Changes of replicas", "Decisions a second", "Connections", "Edits of manifests", "Processor time", "Memory",
        "File descriptors",
    },
}  # fmt: skip
ALERTED = {"ScalerAppCannotStart", "ScalerSourceDown", "ScalerAtMaximum", "ScalerConfigurationRejected"}
# What KEDA's own dashboard asks, by its panels (config/grafana/keda-dashboard.json, by the names of KEDA 2.14 and on).
OF_OBJECT = 'exported_namespace=~"$namespace", scaledObject=~"$scaledObject"'
OF_METRIC = 'exported_namespace=~"$namespace", metric=~"$metric", scaledObject="$scaledObject"'
AUTOSCALER = 'namespace="$namespace", horizontalpodautoscaler="keda-hpa-$scaledObject"'
KEDA_PANELS = {
    "Scaler Total Errors": "sum by(job) (rate(keda_scaler_detail_errors_total{}[5m]))",
    "Scaler Errors": f'sum by(scaler) (rate(keda_scaler_detail_errors_total{{{OF_OBJECT}, scaler=~"$scaler"}}[5m]))',
    "Scaled Object Errors": f"sum by(scaledObject) (rate(keda_scaled_object_errors_total{{{OF_OBJECT}}}[5m]))",
    "Scaler Metric Value": f"sum by(metric) (keda_scaler_metrics_value{{{OF_METRIC}}})",
    "Current replicas": f"kube_horizontalpodautoscaler_status_current_replicas{{{AUTOSCALER}}}",
    "Max replicas": f"kube_horizontalpodautoscaler_spec_max_replicas{{{AUTOSCALER}}}",
    "Changes in replicas": f"delta(kube_horizontalpodautoscaler_status_current_replicas{{{AUTOSCALER}}}[1m])",
    "Changes in replicas, before": 'changes(kube_deployment_spec_replicas{deployment=~"$scaledObject"}[1m])',
}
KEDA_VARIABLES = {
    "namespace": "label_values(keda_scaler_active, exported_namespace)",
    "scaledObject": 'label_values(keda_scaler_active{exported_namespace="$namespace"}, scaledObject)',
    "scaler": 'label_values(keda_scaler_active{exported_namespace="$namespace"}, scaler)',
    "metric": 'label_values(keda_scaler_active{exported_namespace="$namespace"}, metric)',
}
# Asked by earlier releases of it: nothing here is a StatefulSet.
KUBERNETES_ONLY = 'changes(kube_statefulset_replicas{statefulset=~"$scaledObject"}[1m])'


def of_rules() -> list[dict[str, Any]]:
    """Return all rules that ship."""
    files = [YAML(typ="safe").load(file) for file in RULES]
    return [rule for file in files for group in file["groups"] for rule in group["rules"]]


def worker(name: str, server: RedisServer, command: list[str]) -> str:
    """Return the manifest of a worker on a list of its own, at most three."""
    metadata = {"address": server.address, "listName": name, "listLength": "5"}
    container = {"name": "main", "image": "none", "command": command}
    scale = {**QUICK, "maxReplicas": 3, "rules": [{"name": "jobs", "custom": {"type": "redis", "metadata": metadata}}]}
    template = {"containers": [container], "scale": scale, "terminationGracePeriodSeconds": 1}
    return json.dumps({"type": "Microsoft.App/containerApps", "name": name, "properties": {"template": template}})


@dataclass(frozen=True)
class Scene:
    """A service in trouble, and the Prometheus that watches it."""

    service: HttpService
    prometheus: PrometheusApi

    def wait(self, expression: str) -> None:
        """Wait until Prometheus has seen this hold."""
        eventually(lambda: self.prometheus.now(expression), within_s=60, what=expression)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("service")
    address = f"127.0.0.1:{free_port()}"
    with (
        RedisServer.running() as server,
        RedisServer.running() as lost,
        server.client() as queue,
        PrometheusServer.running(targets=[address], rules=RULES) as prometheus,
    ):
        manifests = [
            worker("worker", server, ["sleep", "600"]),
            worker("blind", lost, ["sleep", "600"]),
            worker("broken", server, ["/nowhere/to/be/found"]),
            http_app.manifest(
                "shop",
                environment={"START_DELAY_S": "2"},  # so long requests are held
                scale={**QUICK, "maxReplicas": 2, "rules": [rule(concurrentRequests="1")]},
            ),
        ]
        service = HttpService(folder, manifests)
        with service.running("--listen", address, "--keda-metrics"):
            scene = Scene(service, PrometheusApi(prometheus.url))
            scene.wait("sum(scaler_workload_current_replicas)")
            provoke(scene, queue, lost)
            yield scene


def provoke(scene: Scene, queue: Any, lost: RedisServer) -> None:
    """Let all happen that the panels show."""
    service = scene.service
    # Twice from zero, for a rate needs two scrapes; the second time it wants far more than it may have.
    queue.rpush("worker", *range(3))
    service.wait_for_ready("worker", 1)
    queue.delete("worker")
    service.wait_for_zero("worker")
    queue.rpush("worker", *range(100))
    shape = Shape(max_seconds=0.5)
    for _ in range(2):
        service.wait_for_zero("shop")
        with Client(service.target("shop", kinds={Kind.SLOW: 1.0}), seed=1, shape=shape) as client, client.steadily(6):
            scene.wait('scaler_requests_in_flight{workload="shop"} > 0')
            scene.wait('scaler_workload_at_maximum{workload="shop"} == 1')
    lost.stop()
    queue.rpush("broken", *range(10))
    service.manifest.write_text("properties: none of these\n")
    scene.wait("scaler_configuration_accepted == 0")
    scene.wait('scaler_trigger_up{workload="blind"} == 0')
    scene.wait('scaler_workload_failing{workload="broken"} == 1')
    scene.wait('scaler_workload_at_maximum{workload="worker"} == 1')


def chosen(scene: Scene, dashboard: dict[str, Any], **given: str) -> dict[str, str]:
    """Return the value of each variable: all that there are of those that allow it, else what is given."""
    values: dict[str, str] = {}
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            name = variable["name"]
            choices = scene.prometheus.choices(filled(variable["query"], values))
            assert choices, variable
            assert variable["includeAll"] or given[name] in choices
            # As Grafana writes "All" where no value for it is given.
            values[name] = f"({'|'.join(choices)})" if variable["includeAll"] else given[name]
    return values


def silent(scene: Scene, dashboard: dict[str, Any], variables: dict[str, str]) -> set[tuple[str, str]]:
    """Return the queries of a dashboard that have no answer, with the titles of their panels."""
    return {
        (panel["title"], target["expr"])
        for panel in dashboard["panels"]
        for target in panel["targets"]
        if not scene.prometheus.values(filled(target["expr"], variables))
    }


def moved(scene: Scene, dashboard: dict[str, Any], variables: dict[str, str]) -> set[str]:
    """Return the titles of the panels that show more than zero."""
    return {
        panel["title"]
        for panel in dashboard["panels"]
        for target in panel["targets"]
        if any(value > 0 for value in scene.prometheus.values(filled(target["expr"], variables)))
    }


@pytest.mark.parametrize("name", DASHBOARDS)
def test_every_query_of_every_panel_answers_and_shows_what_happened(scene: Scene, name: str) -> None:
    variables = chosen(scene, DASHBOARDS[name], workload="shop")
    eventually(lambda: not silent(scene, DASHBOARDS[name], variables), what="answers to all queries")
    eventually(
        lambda: moved(scene, DASHBOARDS[name], variables) >= PROVOKED[name], what="more than zero of what happened"
    )


def test_the_page_of_a_workload_without_ingress_lacks_only_requests(scene: Scene) -> None:
    variables = chosen(scene, DASHBOARDS["workload"], workload="worker")
    eventually(
        lambda: {title for title, _ in silent(scene, DASHBOARDS["workload"], variables)} == OF_REQUESTS,
        what="answers to all queries but those of requests",
    )


@pytest.mark.parametrize("record", [each for each in of_rules() if "record" in each], ids=lambda each: each["record"])
def test_every_recorded_series_is_there(scene: Scene, record: dict[str, Any]) -> None:
    eventually(lambda: scene.prometheus.values(record["record"]), what=record["record"])


@pytest.mark.parametrize("alert", sorted(ALERTED))
def test_alerts_see_what_happened(scene: Scene, alert: str) -> None:
    eventually(lambda: scene.prometheus.now(f'ALERTS{{alertname="{alert}"}}'), what=f"{alert}, pending")


def test_kedas_metrics_are_off_by_default(tmp_path: Path) -> None:
    container = {"name": "main", "image": "none", "command": ["sleep", "600"]}
    template = {"containers": [container], "scale": {"minReplicas": 1}, "terminationGracePeriodSeconds": 1}
    app = {"type": "Microsoft.App/containerApps", "name": "app", "properties": {"template": template}}
    service = ServiceProcess(tmp_path, json.dumps(app), actuator="process")
    with service.running():
        assert service.metric("scaler_workload_wanted_replicas") == 1
        assert service.metric("kube_deployment_spec_replicas") == 0
        assert service.metric("keda_resource_registered_total") == 0


def test_kedas_dashboard_finds_all_it_asks_for(scene: Scene) -> None:
    assert scene.service.metric("keda_resource_registered_total") == 4
    variables: dict[str, str] = {}
    for name, query in KEDA_VARIABLES.items():
        choices = scene.prometheus.choices(filled(query, variables))
        assert choices, query
        variables[name] = "blind" if "blind" in choices else next(each for each in choices if "http" not in each)
    for title, query in KEDA_PANELS.items():
        asked = filled(query, variables)
        eventually(lambda asked=asked: scene.prometheus.values(asked), what=f"{title}: {asked}")
    for title in ("Scaler Total Errors", "Scaler Errors", "Scaled Object Errors"):
        asked = filled(KEDA_PANELS[title], variables)
        eventually(lambda asked=asked: any(scene.prometheus.values(asked)), what=f"{title}: more than zero")
    assert scene.prometheus.values(filled(KUBERNETES_ONLY, variables)) == []
