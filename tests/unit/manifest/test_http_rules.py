"""Rules on requests: of whom they may be, Azure's default rule, and what they mean for scaling down."""

from __future__ import annotations

from typing import Any

import pytest

from scaler.manifest.compose.labels import LabelledService, read_labels
from scaler.model import ConcurrencyPolicy, Direction, MetricType, ScalingPolicy, TriggerPolicy
from scalers.http.requests import HttpScaler
from scalers.rabbitmq.queues import RabbitMQScaler

INGRESS = "{ingress: {targetPort: 80}}"
QUEUE = "{type: queue, metadata: {queueName: jobs, address: here}}"
SMOOTHED = ScalingPolicy().scale_down
UNSMOOTHED = Direction(stabilization_window_s=0)
COUNTED = Direction(stabilization_window_s=30)
MESSAGES = "{type: rabbitmq, metadata: {queueName: jobs, host: 'http://broker'}}"


@pytest.fixture
def loader(manifests: Any) -> Any:
    manifests.scalers |= {"http": HttpScaler, "rabbitmq": RabbitMQScaler}
    return manifests


def web(loader: Any, scale: str = "{}", configuration: str = INGRESS) -> str:
    text: str = loader.app(scale, configuration=configuration)
    return text


def policy(loader: Any, *texts: str) -> ScalingPolicy:
    found: ScalingPolicy = loader.one(*texts).policy
    return found


@pytest.mark.parametrize("scale", ["{}", "null", "{rules: []}", "{minReplicas: 0}"])
def test_an_app_with_ingress_has_azure_s_default_rule(loader: Any, scale: str) -> None:
    found = policy(loader, web(loader, scale))
    assert found.triggers == (TriggerPolicy("http-scaler", "http", 10, concurrency=ConcurrencyPolicy()),)
    assert (found.min_replicas, found.max_replicas, found.cooldown_s) == (0, 10, 300)
    assert found.scale_down == UNSMOOTHED


def test_the_default_rule_keeps_what_is_said_of_the_scale(loader: Any) -> None:
    found = policy(loader, web(loader, "{minReplicas: 2, maxReplicas: 3, cooldownPeriod: 7}"))
    assert (found.min_replicas, found.max_replicas, found.cooldown_s) == (2, 3, 7)
    assert [trigger.name for trigger in found.triggers] == ["http-scaler"]


@pytest.mark.parametrize(
    "rule",
    [
        "http: {metadata: {concurrentRequests: 50, window: 30s}}",
        "http: {metadata: {concurrentRequests: '50', window: '30'}, auth: []}",
        "custom: {type: http, metadata: {concurrentRequests: '50', window: 30}}",
    ],
)
def test_a_rule_may_be_written_in_both_ways(loader: Any, rule: str) -> None:
    (trigger,) = policy(loader, web(loader, f"{{rules: [{{name: load, {rule}}}]}}")).triggers
    rules = ConcurrencyPolicy(stable_window_s=30, panic_window_s=3)
    assert trigger == TriggerPolicy("load", "http", 50, MetricType.AVERAGE_VALUE, concurrency=rules)


def test_a_rule_without_metadata_has_azure_s_target(loader: Any) -> None:
    (trigger,) = policy(loader, web(loader, "{rules: [{http: {}}]}")).triggers
    assert (trigger.name, trigger.target) == ("http-0", 10)


@pytest.mark.parametrize(
    ("rules", "lines"),
    [
        (
            "[{http: {}, custom: {type: http}}]",
            ["rules[0]: found both, expected one kind of rule: custom or http"],
        ),
        ("[{}]", ["rules[0].custom: found nothing, expected a custom or an http rule"]),
        ("[{http: null}]", ["rules[0].custom: found nothing, expected a custom or an http rule"]),
        ("[{http: 5}]", ["rules[0].http: found a single value, expected a mapping"]),
        (
            "[{http: {metadata: {concurrentRequests: 0}}}]",
            ["rules[0].http.metadata.concurrentRequests: found 0, expected a whole number above 0"],
        ),
        (
            "[{http: {metadata: {concurentRequests: 5}}}]",
            ["rules[0].http.metadata.concurentRequests: found an unknown key, expected one of activationScale"],
        ),
        (
            "[{http: {metadata: {metric: rate, window: 60}}}]",
            ["rules[0].http.metadata: found parameters of http that do not fit, expected no window beside metric"],
        ),
        (
            "[{http: {identity: system}}]",
            ["rules[0].http.identity: found the field, expected the field to be absent (managed identities are not"],
        ),
        (
            "[{http: {auth: [{secretRef: a, triggerParameter: b}]}}]",
            ["rules[0].http.auth[0].triggerParameter: found the authentication parameter 'b', expected one of none"],
        ),
        ("[{tcp: {metadata: {}}}]", ["rules[0].tcp: found the field, expected the field to be absent (not supported"]),
        (
            "[{custom: {type: tcp}}]",
            ["rules[0].custom.type: found 'tcp', expected the type of a scaler (scaling on TCP"],
        ),
        ("[{http: {}, name: a}, {http: {}, name: a}]", ["rules[1].name: found 'a' a second time"]),
    ],
)
def test_what_is_wrong_with_a_rule_is_told(loader: Any, rules: str, lines: list[str]) -> None:
    configuration = "{ingress: {targetPort: 80}, secrets: [{name: a, value: b}]}"
    told = loader.lines(web(loader, f"{{rules: {rules}}}", configuration))
    paths = [line.split("properties.template.scale.", 1)[1] for line in told]
    assert len(paths) == len(lines)
    assert all(path.startswith(line) for path, line in zip(paths, lines, strict=True))


@pytest.mark.parametrize(
    ("rule", "path"), [("http: {}", "rules[0].http"), ("custom: {type: http}", "rules[0].custom.type")]
)
def test_a_rule_on_requests_needs_an_ingress(loader: Any, rule: str, path: str) -> None:
    (problem,) = loader.problems(web(loader, f"{{rules: [{{{rule}}}]}}", "{}"))
    assert problem.path == f"properties.template.scale.{path}"
    assert (problem.found, problem.expected) == ("a trigger of type http of an app without", "an app with ingress")
    assert "targetPort" in problem.hint


def test_an_ingress_that_is_wrong_is_not_called_missing(loader: Any) -> None:
    (problem,) = loader.problems(web(loader, "{rules: [{http: {}}]}", "{ingress: {targetPort: x}}"))
    assert problem.path == "properties.configuration.ingress.targetPort"


def test_a_scaled_object_may_follow_the_requests_of_an_app(loader: Any) -> None:
    scaled = loader.scaled_object(triggers="[{type: http, metadata: {concurrentRequests: '5'}}]")
    found = policy(loader, web(loader), scaled)
    assert [(trigger.name, trigger.target) for trigger in found.triggers] == [("http-0", 5)]
    assert (found.scale_down, found.max_replicas) == (UNSMOOTHED, 100)


@pytest.mark.parametrize("metric_type", ["Value", "Utilization"])
def test_requests_are_an_average_per_replica(loader: Any, metric_type: str) -> None:
    triggers = f"[{{type: http, metricType: {metric_type}}}]"
    (problem,) = loader.problems(web(loader), loader.scaled_object(triggers=triggers))
    assert (problem.path, problem.expected) == ("spec.triggers[0].metricType", "one of AverageValue with http")


def test_average_value_may_be_said(loader: Any) -> None:
    scaled = loader.scaled_object(triggers="[{type: http, metricType: AverageValue}]")
    assert policy(loader, web(loader), scaled).triggers[0].metric_type is MetricType.AVERAGE_VALUE


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet"])
def test_only_apps_of_ours_have_requests_that_are_counted(loader: Any, kind: str) -> None:
    (problem,) = loader.problems(loader.scaled_object(triggers="[{type: http}]", kind=kind))
    assert problem.path == "spec.triggers[0].type"
    assert problem.hint == f"requests to a {kind} do not come through the ingress, so nothing counts them"


def test_an_app_that_there_is_not_is_told_once(loader: Any) -> None:
    (problem,) = loader.problems(loader.scaled_object(triggers="[{type: http}]"))
    assert problem.path == "spec.scaleTargetRef.name"


def test_a_label_on_requests_is_refused_with_the_reason(loader: Any) -> None:
    service = LabelledService("shop", "web", {"scaler.trigger.http": "concurrentRequests=5"}, {})
    (scaling,) = read_labels([service], loader.scalers)
    assert scaling.workload is None
    (problem,) = scaling.problems
    assert str(problem) == (
        "compose service shop/web: labels['scaler.trigger.http']: found a trigger of type http, expected a trigger of "
        "another type (requests to a compose service do not come through the ingress, so nothing counts them)"
    )


def test_a_compose_service_of_a_scaled_object_is_refused_too(loader: Any) -> None:
    scaled = loader.scaled_object(triggers="[{type: http}]", kind="ComposeService").replace(
        "name: worker", "name: shop/web"
    )
    (problem,) = loader.problems(scaled)
    assert "compose service" in problem.hint


@pytest.mark.parametrize(
    ("rules", "window"),
    [
        ("[{http: {}}]", UNSMOOTHED),
        ("[{http: {}}, {http: {metadata: {window: 30}}, name: short}]", UNSMOOTHED),
        ("[{http: {metadata: {metric: rate}}}]", SMOOTHED),
        (f"[{{http: {{}}}}, {{custom: {QUEUE}}}]", SMOOTHED),
        (f"[{{custom: {QUEUE}}}, {{http: {{}}}}]", SMOOTHED),
        (f"[{{custom: {MESSAGES}}}]", COUNTED),
        (f"[{{custom: {MESSAGES}}}, {{http: {{}}, name: http}}]", COUNTED),
        (f"[{{custom: {MESSAGES}}}, {{custom: {QUEUE}, name: other}}]", SMOOTHED),
    ],
)
def test_what_is_counted_decides_how_long_a_count_is_held(loader: Any, rules: str, window: Direction) -> None:
    assert policy(loader, web(loader, f"{{rules: {rules}}}")).scale_down == window


@pytest.mark.parametrize(
    ("behavior", "seconds"),
    [
        ("{scaleDown: {stabilizationWindowSeconds: 60}}", 60),
        ("{scaleDown: {}}", 300),
        ("{scaleUp: {stabilizationWindowSeconds: 5}}", 0),
        ("{}", 0),
    ],
)
def test_a_behavior_that_is_spelt_out_counts(loader: Any, behavior: str, seconds: float) -> None:
    advanced = f"advanced: {{horizontalPodAutoscalerConfig: {{behavior: {behavior}}}}}"
    scaled = loader.scaled_object(advanced, triggers="[{type: http}]")
    assert policy(loader, web(loader), scaled).scale_down.stabilization_window_s == seconds


def test_without_requests_a_behavior_is_filled_as_by_the_hpa(loader: Any) -> None:
    advanced = "advanced: {horizontalPodAutoscalerConfig: {behavior: {}}}"
    found = policy(loader, loader.app("{}"), loader.scaled_object(advanced))
    assert (found.scale_down.stabilization_window_s, len(found.scale_down.limits)) == (300, 1)


@pytest.mark.parametrize(
    "scaled", ["", "minReplicaCount: 0", "{minReplicaCount: 2, idleReplicaCount: 0}".strip("{}").replace(", ", "\n  ")]
)
def test_an_app_that_requests_cannot_wake_is_warned_about(loader: Any, scaled: str) -> None:
    loaded = loader.load(web(loader), loader.scaled_object(scaled))
    (warning,) = loaded.warnings
    assert (warning.path, warning.found) == ("spec.triggers", "no trigger on requests")
    assert "503" in warning.hint
    assert [trigger.type for trigger in loaded.workloads[0].triggers] == ["queue"]


def test_so_is_one_with_rules_of_its_own(loader: Any) -> None:
    (warning,) = loader.load(web(loader, f"{{rules: [{{custom: {QUEUE}}}]}}")).warnings
    assert warning.path == "properties.template.scale.rules"


@pytest.mark.parametrize("scale", ["minReplicas: 1, ", ""])
def test_one_that_stays_up_or_follows_requests_is_not(loader: Any, scale: str) -> None:
    http = "" if scale else ", {http: {}}"
    assert loader.load(web(loader, f"{{{scale}rules: [{{custom: {QUEUE}}}{http}]}}")).warnings == ()


def test_rules_of_an_app_with_a_scaled_object_are_still_refused(loader: Any) -> None:
    scaled = loader.scaled_object(triggers="[{type: http}]")
    (problem,) = loader.problems(web(loader, "{rules: [{http: {}}]}"), scaled)
    assert problem.found == "the app's own rules"


def test_where_no_http_scaler_is_installed_the_default_rule_says_so(manifests: Any) -> None:
    (problem,) = manifests.problems(manifests.app("{}", configuration=INGRESS))
    assert problem.expected == "the type of an installed scaler (queue, rotten, share)"


def test_a_behavior_brings_the_hpas_window_back(loader: Any) -> None:
    metadata = "{queueName: jobs, host: 'http://broker'}"
    scaled = loader.scaled_object(
        "advanced: {horizontalPodAutoscalerConfig: {behavior: {}}}",
        triggers=f"[{{type: rabbitmq, metadata: {metadata}}}]",
    )
    assert policy(loader, loader.app("{}"), scaled).scale_down.stabilization_window_s == 300


@pytest.mark.parametrize(
    ("scale", "seconds"),
    [
        (f"{{rules: [{{name: a, custom: {MESSAGES}}}]}}", 90),
        (f"{{cooldownPeriod: 300, rules: [{{name: a, custom: {MESSAGES}}}]}}", 300),
        (f"{{rules: [{{name: a, custom: {MESSAGES}}}, {{name: b, http: {{}}}}]}}", 300),
        ("{rules: [{name: b, http: {}}]}", 300),
    ],
)
def test_a_queue_that_counts_its_work_is_left_sooner(loader: Any, scale: str, seconds: float) -> None:
    assert policy(loader, web(loader, scale)).cooldown_s == seconds


def test_a_scaled_object_of_such_a_queue_is_silent_the_same_way(loader: Any) -> None:
    triggers = "[{type: rabbitmq, metadata: {queueName: jobs, host: 'http://broker'}}]"
    assert policy(loader, loader.app("{}"), loader.scaled_object(triggers=triggers)).cooldown_s == 90
    spelt = loader.scaled_object("cooldownPeriod: 300", triggers=triggers)
    assert policy(loader, loader.app("{}"), spelt).cooldown_s == 300
