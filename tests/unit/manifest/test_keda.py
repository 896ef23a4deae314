"""KEDA manifests."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pytest

from scaler.model import (
    App,
    Direction,
    Fallback,
    FallbackBehavior,
    ForeignTarget,
    MetricType,
    Pause,
    PolicyType,
    RateLimit,
    SelectPolicy,
)

if TYPE_CHECKING:
    from conftest import Loader

DOUBLE = RateLimit(PolicyType.PERCENT, 100, 15)


def behavior(text: str) -> str:
    return f"advanced: {{horizontalPodAutoscalerConfig: {{behavior: {text}}}}}"


def unscaled(manifests: Loader, container: str = "") -> str:
    return manifests.app("null", container=container)


def test_a_scaled_object_scales_an_app_whatever_the_order(manifests: Loader) -> None:
    scaled = manifests.scaled_object("minReplicaCount: 1\n  maxReplicaCount: 7\n  pollingInterval: 0.1")
    for texts in (
        (unscaled(manifests), scaled),
        (scaled, unscaled(manifests)),
        (f"{scaled}---\n{unscaled(manifests)}",),
    ):
        workload = manifests.one(*texts)
        assert workload.name == "worker"
        assert isinstance(workload.target, App)
        assert (workload.policy.min_replicas, workload.policy.max_replicas) == (1, 7)
        assert workload.polling_interval_s == 0.1
        assert [trigger.name for trigger in workload.triggers] == ["queue-0"]


def test_what_is_silent_has_the_defaults(manifests: Loader) -> None:
    workload = manifests.one(unscaled(manifests), manifests.scaled_object())
    policy = workload.policy
    assert (policy.min_replicas, policy.max_replicas, policy.idle_replicas) == (0, 100, None)
    assert (policy.cooldown_s, policy.initial_cooldown_s, workload.polling_interval_s) == (300.0, 0.0, 5.0)
    assert policy.scale_up == Direction()
    assert policy.scale_down == Direction(stabilization_window_s=300.0)
    assert (policy.fallback, policy.pause) == (None, Pause())


def test_any_other_kind_is_a_target_that_runs_already(manifests: Loader) -> None:
    workload = manifests.one(manifests.scaled_object(kind="null", name="mine"))
    assert (workload.name, workload.target) == ("mine", ForeignTarget("Deployment", "worker"))
    assert manifests.one(manifests.scaled_object(kind="StatefulSet")).target == ForeignTarget("StatefulSet", "worker")


def test_all_fields_arrive(manifests: Loader) -> None:
    spec = """cooldownPeriod: 5
  initialCooldownPeriod: 60
  idleReplicaCount: 0
  minReplicaCount: 2
  fallback: {failureThreshold: 3, replicas: 6, behavior: currentReplicasIfHigher}"""
    triggers = "[{type: queue, name: a, metricType: Value, metadata: {queueName: j, address: h}}]"
    policy = manifests.one(unscaled(manifests), manifests.scaled_object(spec, triggers=triggers)).policy
    assert (policy.cooldown_s, policy.initial_cooldown_s, policy.idle_replicas, policy.min_replicas) == (
        5.0,
        60.0,
        0,
        2,
    )
    assert policy.fallback == Fallback(3, 6, FallbackBehavior.CURRENT_IF_HIGHER)
    assert [(trigger.name, trigger.metric_type) for trigger in policy.triggers] == [("a", MetricType.VALUE)]


@pytest.mark.parametrize(
    ("text", "up", "down"),
    [
        pytest.param(
            "{}",
            Direction(0, (RateLimit(PolicyType.PODS, 4, 15), DOUBLE)),
            Direction(300, (DOUBLE,)),
            id="empty",
        ),
        pytest.param(
            "{scaleDown: {stabilizationWindowSeconds: 0, tolerance: 0.05}}",
            Direction(0, (RateLimit(PolicyType.PODS, 4, 15), DOUBLE)),
            Direction(0, (DOUBLE,), tolerance=0.05, explicit=True),
            id="one-direction",
        ),
        pytest.param(
            "{scaleUp: {selectPolicy: Min, policies: [{type: Pods, value: 1, periodSeconds: 60}], tolerance: 50m}, "
            "scaleDown: {selectPolicy: disabled}}",
            Direction(0, (RateLimit(PolicyType.PODS, 1, 60),), SelectPolicy.MIN, 0.05, explicit=True),
            Direction(300, (DOUBLE,), SelectPolicy.DISABLED, explicit=True),
            id="both",
        ),
    ],
)
def test_a_behavior_gets_the_defaults_of_the_hpa(manifests: Loader, text: str, up: Direction, down: Direction) -> None:
    policy = manifests.one(unscaled(manifests), manifests.scaled_object(behavior(text))).policy
    assert (policy.scale_up, policy.scale_down) == (up, down)


def test_the_five_annotations_work_and_nonsense_means_true_as_in_keda(manifests: Loader) -> None:
    metadata = """annotations:
    autoscaling.keda.sh/paused: yes-please
    autoscaling.keda.sh/paused-replicas: "4"
    autoscaling.keda.sh/paused-scale-in: true
    autoscaling.keda.sh/paused-scale-out: "false"
    autoscaling.keda.sh/force-activation: "1"
    scaledobject.keda.sh/transfer-hpa-ownership: "true"
    team: mine"""
    loaded = manifests.load(unscaled(manifests), manifests.scaled_object(metadata=metadata))
    assert loaded.workloads[0].policy.pause == Pause(True, 4, True, False, True)  # noqa: FBT003 - the fields in order
    assert [warning.path for warning in loaded.warnings] == [
        "metadata.annotations['autoscaling.keda.sh/paused']",
        "metadata.annotations['scaledobject.keda.sh/transfer-hpa-ownership']",
    ]


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("minReplicaCount: 5\n  maxReplicaCount: 2", "minReplicaCount: found 5, expected at most maxReplicaCount (2)"),
        ("minReplicaCount: 101", "(maxReplicaCount is 100 when absent)"),
        ("idleReplicaCount: 0", "idleReplicaCount: found 0, expected less than minReplicaCount (0)"),
        ("maxReplicaCount: 0", "maxReplicaCount: found 0, expected greater than or equal to 1"),
        ("pollingInterval: 0", "pollingInterval: found 0, expected greater than or equal to 0.1"),
        ("fallback: {replicas: 1}", "fallback.failureThreshold: found nothing, expected a number of failures"),
        (
            "fallback: {failureThreshold: 1, replicas: 1, behavior: scalingModifiers}",
            "behavior: found 'scalingModifiers', expected another behavior (formulas are not supported yet)",
        ),
        ("fallback: {failureThreshold: 1, replicas: 1, behavior: statc}", "(did you mean static?)"),
        ("advanced: {scalingModifiers: {formula: a}}", "scalingModifiers: found the field, expected the field to be"),
        ("advanced: {restoreToOriginalReplicaCount: true}", "the field to be absent (not supported yet)"),
        (behavior("{scaleUp: {policies: []}}"), "policies: found an empty list, expected at least one policy"),
        (
            behavior("{scaleUp: {policies: [{type: Pods}]}}"),
            "value: found nothing, expected a number above 0",
        ),
        (behavior("{scaleUp: {tolerance: a lot}}"), "tolerance: found 'a lot', expected a quantity such as"),
        (behavior("{scaleUp: {stabilizationWindowSeconds: 3601}}"), "expected less than or equal to 3600"),
        (
            behavior("{scaleup: {}}"),
            "found an unknown field, expected one of scaleDown, scaleUp (did you mean",
        ),
        ("jobTargetRef: {}", "jobTargetRef: found an unknown field"),
    ],
)
def test_a_scaled_object_that_cannot_be_is_explained(manifests: Loader, spec: str, expected: str) -> None:
    lines = manifests.lines(unscaled(manifests), manifests.scaled_object(spec))
    assert any(expected in line for line in lines), lines
    assert len(lines) == (2 if "Pods}" in spec else 1)


def test_annotations_that_nobody_reads_are_errors(manifests: Loader) -> None:
    metadata = "annotations: {autoscaling.keda.sh/pause: 'true', autoscaling.keda.sh/paused-replicas: few}"
    for text in (metadata, metadata.replace("'true'", "null")):
        lines = manifests.lines(unscaled(manifests), manifests.scaled_object(metadata=text))
        assert "did you mean autoscaling.keda.sh/paused?" in lines[0]
        assert "found 'few', expected a replica count" in lines[1]


def test_a_blank_text_is_missing_where_one_is_needed(manifests: Loader) -> None:
    triggers = "[{type: '', metadata: {a: b}}, {type: queue, metadata: {queueName: j}, authenticationRef: {name: ' '}}]"
    text = manifests.scaled_object(triggers=triggers).replace("name: worker", "name: ''")
    assert [(problem.path, problem.found) for problem in manifests.problems(text)] == [
        ("spec.scaleTargetRef.name", "nothing"),
        ("spec.triggers[0].type", "nothing"),
        ("spec.triggers[1].authenticationRef.name", "nothing"),
    ]
    (line,) = manifests.lines(manifests.ruled("{type: '', metadata: {queueName: j, address: h}}"))
    assert "custom.type: found nothing, expected the type of a scaler" in line


def test_harmless_fields_are_warnings(manifests: Loader) -> None:
    triggers = "[{type: queue, useCachedMetrics: true, metadata: {queueName: j, address: h}}]"
    spec = "advanced: {restoreToOriginalReplicaCount: false, horizontalPodAutoscalerConfig: {name: x}}"
    text = manifests.scaled_object(spec, triggers=triggers, metadata="uid: u")
    loaded = manifests.load(unscaled(manifests), text)
    assert [warning.path for warning in loaded.warnings] == [
        "spec.triggers[0].useCachedMetrics",
        "spec.advanced.horizontalPodAutoscalerConfig.name",
    ]


def test_other_kubernetes_objects_beside_it_are_ignored_with_a_warning(manifests: Loader) -> None:
    deployment = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: worker}\n"
    loaded = manifests.load(deployment, manifests.scaled_object(kind="Deployment"))
    assert [warning.found for warning in loaded.warnings] == ["'Deployment'"]


def test_an_app_has_either_rules_or_a_scaled_object(manifests: Loader) -> None:
    ruled = manifests.ruled().replace("scale: {", "scale: {minReplicas: 1, maxReplicas: 2, ")
    problems = manifests.problems(ruled, manifests.scaled_object())
    assert [problem.path.rpartition(".")[2] for problem in problems] == ["minReplicas", "maxReplicas", "rules"]
    assert all("m1.yaml:1:1" in problem.expected for problem in problems)


def test_two_scaled_objects_for_one_target_are_refused(manifests: Loader) -> None:
    (problem,) = manifests.problems(
        unscaled(manifests), manifests.scaled_object(name="a"), manifests.scaled_object(name="b")
    )
    assert problem.expected == "one ScaledObject for each target"
    foreign = [manifests.scaled_object(name=name, kind="Deployment") for name in ("a", "b")]
    assert [problem.path for problem in manifests.problems(*foreign)] == ["spec.scaleTargetRef.name"]


def test_two_workloads_of_one_name_are_refused(manifests: Loader) -> None:
    (problem,) = manifests.problems(manifests.ruled(), manifests.scaled_object(name="worker", kind="Deployment"))
    assert (problem.path, problem.expected) == ("metadata.name", "a name of its own for each workload")


def test_two_apps_of_one_name_are_refused_whoever_scales_them(manifests: Loader) -> None:
    (problem,) = manifests.problems(unscaled(manifests), unscaled(manifests), manifests.scaled_object())
    assert (problem.location.file, problem.path) == (str(manifests.folder / "m1.yaml"), "name")
    assert (problem.found, problem.hint.rpartition("/")[2]) == ("'worker' a second time", "m0.yaml:1:1")


def indented(text: str) -> str:
    return "- " + text.replace("\n", "\n  ").rstrip() + "\n"


def test_a_list_is_its_objects_at_their_own_positions(manifests: Loader) -> None:
    pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: x}\n"
    head = "apiVersion: v1\nkind: List\nmetadata: {resourceVersion: ''}\nitems:\n"
    scaled = manifests.scaled_object(kind="Deployment")
    loaded = manifests.load(head + indented(pod) + indented(scaled))
    assert [(workload.name, workload.location.line) for workload in loaded.workloads] == [("so", 8)]
    assert [(warning.location.line, warning.found) for warning in loaded.warnings] == [(6, "'Pod'")]
    (line,) = manifests.lines(head + indented(pod) + indented(scaled + "  maxReplicas: 1\n"), pod)[1:2]
    assert line.startswith("m0.yaml:17:5: spec.maxReplicas: found an unknown field")


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        ("items: x", "items: found a single value, expected a list"),
        ("itms: []", "itms: found an unknown field, expected one of apiVersion, items, kind (did you mean items?)"),
        ("items: [5]", "found a single value, expected a mapping"),
        ("items: []", "found no document, expected at least one manifest"),
    ],
)
def test_a_list_without_objects_is_explained(manifests: Loader, items: str, expected: str) -> None:
    lines = manifests.lines(f"apiVersion: v1\nkind: List\n{items}\n")
    assert any(expected in line for line in lines), lines


def test_an_app_that_is_not_there_is_named_and_the_rest_still_checked(manifests: Loader) -> None:
    triggers = "[{type: queue, metadata: {queueNam: j, addressFromEnv: H}}]"
    text = manifests.scaled_object(triggers=triggers).replace("worker", "workr")
    lines = manifests.lines(manifests.app(), text)
    assert "scaleTargetRef.name: found 'workr', expected the name of a ContainerApp" in lines[0]
    assert "did you mean worker?" in lines[0]
    assert "queueNam: found an unknown key" in lines[1]
    assert len(lines) == 2


AUTH = """\
apiVersion: keda.sh/v1alpha1
kind: TriggerAuthentication
metadata: {name: auth}
spec: SPEC
---
apiVersion: v1
kind: Secret
metadata: {name: creds}
type: Opaque
data: {password: cGFzcy1mcm9tLWRhdGE=, other: b3RoZXI=}
stringData: {pin: "${env:PIN}", other: wins}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: conf}
data: {where: there}
"""
AUTHENTICATED = "[{type: queue, metadata: {queueName: j}, authenticationRef: {name: auth}}]"


def authenticated(manifests: Loader, spec: str, *, kind: str = "TriggerAuthentication") -> list[str]:
    text = AUTH.replace("SPEC", spec).replace("TriggerAuthentication", kind)
    triggers = AUTHENTICATED.replace("name: auth", f"name: auth, kind: {kind}")
    return [
        text,
        unscaled(manifests, container="env: [{name: HOST, value: from-env}]"),
        manifests.scaled_object(triggers=triggers),
    ]


def test_an_authentication_gives_parameters_from_all_its_sources(manifests: Loader) -> None:
    manifests.environ["PIN"] = "1234"
    (manifests.folder / "params.json").write_text('{"username": "me"}')
    spec = """{secretTargetRef: [{parameter: password, name: creds, key: password},
  {parameter: pin, name: creds, key: pin}],
  configMapTargetRef: [{parameter: address, name: conf, key: where}], filePath: params.json,
  env: [{parameter: key, name: HOST}], podIdentity: {provider: none}}"""
    for kind in ("TriggerAuthentication", "ClusterTriggerAuthentication"):
        loaded = manifests.load(*authenticated(manifests, spec, kind=kind))
        config = loaded.workloads[0].triggers[0].config
        secrets = [config.password, config.pin, config.key]
        assert [secret.get_secret_value() for secret in secrets] == ["pass-from-data", "1234", "from-env"]
        assert (config.address, config.username) == ("there", "me")
        assert manifests.folder / "params.json" in loaded.files


def test_what_an_authentication_misses_is_named_and_not_called_missing_again(manifests: Loader) -> None:
    spec = """{secretTargetRef: [{parameter: address, name: cred, key: password},
  {parameter: pin, name: creds, key: pn}],
  env: [{parameter: key, name: HOSTS}], filePath: gone.json}"""
    manifests.environ["PIN"] = "1"
    problems = manifests.problems(*authenticated(manifests, spec))
    assert [(problem.path, problem.found, problem.hint) for problem in problems] == [
        ("spec.secretTargetRef[0].name", "'cred'", "did you mean creds?"),
        ("spec.secretTargetRef[1].key", "'pn'", "did you mean pin?"),
        ("spec.env[0].name", "'HOSTS'", "did you mean HOST?"),
        ("spec.filePath", "No such file or directory", ""),
    ]


def test_a_wrong_parameter_of_an_authentication_is_blamed_where_it_is_written(manifests: Loader) -> None:
    manifests.environ["PIN"] = "too-long"
    spec = """{secretTargetRef: [{parameter: pasword, name: creds, key: other},
  {parameter: pin, name: creds, key: pin}], configMapTargetRef: [{parameter: address, name: conf, key: where}]}"""
    lines = manifests.lines(*authenticated(manifests, spec))
    assert [line.split(": found")[0] for line in lines] == [
        "m0.yaml:4:38: spec.secretTargetRef[0].parameter",
        "m0.yaml:5:15: spec.secretTargetRef[1].parameter",
    ]
    assert "did you mean password?" in lines[0]
    assert "too-long" not in lines[1]


@pytest.mark.parametrize(
    "spec",
    [
        "{podIdentity: {provider: aws}}",
        "{hashiCorpVault: {}}",
        "{azureKeyVault: {}}",
        "{gcpSecretManager: {}}",
        "{awsSecretManager: {}}",
        "{boundServiceAccountToken: []}",
        "{oauth2: {}}",
    ],
)
def test_authentications_by_other_services_are_refused(manifests: Loader, spec: str) -> None:
    manifests.environ["PIN"] = "1"
    problems = manifests.problems(*authenticated(manifests, spec))
    assert problems[0].found == "the field"
    assert problems[0].hint


def test_lookups_stay_in_their_namespace(manifests: Loader) -> None:
    manifests.environ["PIN"] = "1"
    texts = authenticated(manifests, "{configMapTargetRef: [{parameter: address, name: conf, key: where}]}")
    elsewhere = texts[0].replace("metadata: {name: auth}", "metadata: {name: auth, namespace: prod}")
    assert "in namespace 'default' (none)" in manifests.lines(elsewhere, *texts[1:])[0]
    texts[2] = texts[2].replace("  name: so\n", "  name: so\n  namespace: prod\n")
    assert "in namespace 'prod' (none)" in manifests.lines(elsewhere, *texts[1:])[0]
    everywhere = elsewhere.replace("name: conf}", "name: conf, namespace: prod}")
    assert manifests.one(everywhere, *texts[1:]).triggers[0].config.address == "there"


def test_for_a_target_that_we_do_not_run_variables_are_those_of_the_service(manifests: Loader) -> None:
    triggers = "[{type: queue, metadata: {queueName: j, addressFromEnv: HOST}}]"
    text = manifests.scaled_object(triggers=triggers, kind="Deployment")
    assert "found 'HOST', expected a variable of the service's environment" in manifests.lines(text)[0]
    manifests.environ["HOST"] = "h"
    assert manifests.one(text).triggers[0].config.address == "h"


def test_secret_data_is_base64(manifests: Loader) -> None:
    encoded = base64.b64encode(b"\xff").decode()
    for data in ("not base64!", encoded):
        secret = f"apiVersion: v1\nkind: Secret\nmetadata: {{name: s}}\ndata: {{k: '{data}'}}\n"
        (line,) = manifests.lines(manifests.ruled(), secret)
        assert "data.k: found a value that is not shown, expected base64 of UTF-8 text (stringData takes plain" in line


def test_an_app_at_zero_may_be_read_at_its_own_pace(manifests: Loader) -> None:
    annotated = manifests.scaled_object(metadata='annotations: {scaler/idle-polling-interval: "0.2"}')
    assert manifests.one(manifests.app("{}"), annotated).idle_polling_interval_s == 0.2
    assert manifests.one(manifests.ruled()).idle_polling_interval_s is None


@pytest.mark.parametrize("text", ["0.05", "often", "-1", "1e9", "inf", ""])
def test_the_pace_at_zero_is_seconds_in_bounds(manifests: Loader, text: str) -> None:
    annotated = manifests.scaled_object(metadata=f'annotations: {{scaler/idle-polling-interval: "{text}"}}')
    (line,) = manifests.lines(manifests.app("{}"), annotated)
    assert "expected seconds from 0.1 to 86400" in line


def test_an_unknown_annotation_of_ours_is_an_error(manifests: Loader) -> None:
    annotated = manifests.scaled_object(metadata='annotations: {scaler/idle-poling-interval: "1"}')
    (line,) = manifests.lines(manifests.app("{}"), annotated)
    assert "did you mean scaler/idle-polling-interval?" in line
