"""Azure Container Apps manifests."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from scaler.engine import plugins
from scaler.manifest import load
from scaler.model import (
    App,
    HttpGet,
    Probe,
    ProbeKind,
    Registry,
    Resources,
    TcpSocket,
    VolumeKind,
    VolumeMount,
)

if TYPE_CHECKING:
    from conftest import Loader

FULL = """\
name: orders
type: Microsoft.App/containerApps
properties:
  configuration:
    activeRevisionsMode: single
    secrets:
    - {name: queue-password, value: hunter2}
    - {name: pull, value: "${env:PULL}"}
    - {name: file, value: "${file:secret.txt}"}
    registries:
    - {server: example.io, username: me, passwordSecretRef: pull}
  template:
    revisionSuffix: v2
    terminationGracePeriodSeconds: 0
    containers:
    - image: example.io/worker:1
      name: main
      command: [python]
      args: [-m, worker, 5]
      env:
      - {name: PLAIN, value: 10}
      - {name: PASSWORD, secretRef: queue-password}
      - {name: EMPTY}
      - {name: QUEUE, value: jobs}
      resources: {cpu: 0.25, memory: 0.5Gi}
      volumeMounts:
      - {volumeName: scratch, mountPath: /scratch, subPath: a/b}
      - {volumeName: keys, mountPath: /keys}
      probes:
      - type: liveness
        httpGet: {port: 8080, path: /live, httpHeaders: [{name: Authorization, value: hunter2}]}
        initialDelaySeconds: 5
        failureThreshold: 2
      - {type: Readiness, tcpSocket: {port: 9}, successThreshold: 2}
    volumes:
    - {name: scratch, storageType: EmptyDir}
    - {name: keys, storageType: secret, secrets: [{secretRef: file, path: k/file.txt}, {secretRef: pull}]}
    - {name: all, storageType: Secret}
    scale:
      minReplicas: 1
      maxReplicas: 20
      pollingInterval: 0.5
      idlePollingInterval: 0.1
      cooldownPeriod: 5
      rules:
      - name: jobs
        custom:
          type: queue
          metadata: {queueName: jobs, queueLength: 7, addressFromEnv: QUEUE}
          auth: [{secretRef: queue-password, triggerParameter: password}]
"""


@pytest.fixture
def full(manifests: Loader) -> str:
    manifests.environ["PULL"] = "pull-password"
    (manifests.folder / "secret.txt").write_text("from a file\n")
    return FULL


def test_an_app_is_what_its_manifest_says(manifests: Loader, full: str) -> None:
    app = manifests.one(full).target
    assert isinstance(app, App)
    (main,) = app.containers
    assert (main.name, main.image, main.command, main.args) == (
        "main",
        "example.io/worker:1",
        ("python",),
        ("-m", "worker", "5"),
    )
    assert {item.name: item.value.get_secret_value() for item in main.env} == {
        "PLAIN": "10",
        "PASSWORD": "hunter2",
        "EMPTY": "",
        "QUEUE": "jobs",
    }
    assert main.resources == Resources(cpu_cores=0.25, memory_bytes=512 * 1024 * 1024)
    assert main.volume_mounts == (VolumeMount("scratch", "/scratch", "a/b"), VolumeMount("keys", "/keys"))
    headers = (("Authorization", "hunter2"),)
    assert main.probes == (
        Probe(ProbeKind.LIVENESS, HttpGet(8080, "/live", headers=headers), initial_delay_s=5, failure_threshold=2),
        Probe(ProbeKind.READINESS, TcpSocket(9), success_threshold=2),
    )
    assert (app.termination_grace_period_s, app.revision) == (0.0, "v2")
    (registry,) = app.registries
    assert isinstance(registry, Registry)
    assert (registry.server, registry.username, registry.password.get_secret_value()) == (
        "example.io",
        "me",
        "pull-password",
    )
    scratch, keys, everything = app.volumes
    assert (scratch.kind, keys.kind) == (VolumeKind.EMPTY_DIR, VolumeKind.SECRET)
    assert {path: text.get_secret_value() for path, text in keys.files.items()} == {
        "k/file.txt": "from a file",
        "pull": "pull-password",
    }
    assert set(everything.files) == {"queue-password", "pull", "file"}


def test_its_scaling_is_what_its_manifest_says(manifests: Loader, full: str) -> None:
    workload = manifests.one(full)
    policy = workload.policy
    assert (policy.min_replicas, policy.max_replicas, policy.cooldown_s) == (1, 20, 5.0)
    assert workload.polling_interval_s == 0.5
    assert workload.idle_polling_interval_s == 0.1
    (trigger,) = workload.triggers
    assert (trigger.name, trigger.type, trigger.policy.target) == ("jobs", "queue", 7.0)
    assert policy.triggers == (trigger.policy,)
    assert trigger.config.address == "jobs"
    assert trigger.config.password.get_secret_value() == "hunter2"


def test_files_with_secrets_are_watched_too(manifests: Loader, full: str) -> None:
    assert manifests.load(full).files == (manifests.folder / "m0.yaml", manifests.folder / "secret.txt")


def test_what_is_silent_has_the_defaults(manifests: Loader) -> None:
    workload = manifests.one(manifests.ruled().replace("name: q, ", ""))
    policy = workload.policy
    assert (policy.min_replicas, policy.max_replicas, policy.cooldown_s) == (0, 10, 300.0)
    assert workload.polling_interval_s == 5.0
    assert workload.triggers[0].name == "queue-0"
    assert workload.target.containers[0].name == "worker"
    assert workload.target.termination_grace_period_s == 30.0
    assert not policy.scale_up.explicit
    assert workload.location.line == 1


def test_nulls_mean_absent_as_in_an_export(manifests: Loader) -> None:
    text = manifests.ruled(configuration="{ingress: null, dapr: null, secrets: null}", template="initContainers: null")
    assert manifests.load(text).warnings == ()


def test_an_app_without_rules_is_a_fixed_minimum(manifests: Loader) -> None:
    assert manifests.one(manifests.app("{minReplicas: 3}")).policy.min_replicas == 3


def test_an_app_that_never_starts_is_refused(manifests: Loader) -> None:
    for scale in ("{}", "{rules: []}", "{minReplicas: 0}", "null"):
        (problem,) = manifests.problems(manifests.app(scale))
        assert problem.path == "properties.template.scale.rules"
        assert "never starts" in problem.hint
        assert "an ingress" in problem.hint


def test_fields_without_effect_are_warned_about_by_name(manifests: Loader) -> None:
    text = "location: here\ntags: {a: b}\nid: x\n" + manifests.ruled(
        container="resources: {ephemeralStorage: 1Gi}",
        configuration="{maxInactiveRevisions: 3, runtime: {java: {}}}",
    ).replace(
        "properties:\n", "properties:\n  environmentId: e\n  workloadProfileName: p\n  provisioningState: Failed\n"
    )
    loaded = manifests.load(text)
    assert [warning.path for warning in loaded.warnings] == [
        "location",
        "tags",
        "id",
        "properties.environmentId",
        "properties.workloadProfileName",
        "properties.provisioningState",
        "properties.configuration.maxInactiveRevisions",
        "properties.configuration.runtime",
        "properties.template.containers[0].resources.ephemeralStorage",
    ]
    assert all(warning.warning and "ignored" in warning.hint for warning in loaded.warnings)
    assert len(manifests.problems(text, strict=True)) == 9


@pytest.mark.parametrize(
    ("parts", "path"),
    [
        pytest.param({"configuration": "{dapr: {enabled: true}}"}, "properties.configuration.dapr", id="dapr"),
        pytest.param({"configuration": "{service: {type: redis}}"}, "properties.configuration.service", id="service"),
        pytest.param(
            {"configuration": "{activeRevisionsMode: multiple}"},
            "properties.configuration.activeRevisionsMode",
            id="multiple",
        ),
        pytest.param(
            {"configuration": "{secrets: [{name: a, keyVaultUrl: u}]}"},
            "properties.configuration.secrets[0].keyVaultUrl",
            id="key-vault",
        ),
        pytest.param({"template": "initContainers: [{}]"}, "properties.template.initContainers", id="init"),
        pytest.param({"template": "serviceBinds: [{}]"}, "properties.template.serviceBinds", id="binds"),
        pytest.param(
            {"template": "volumes: [{name: a, storageType: AzureFile}]"},
            "properties.template.volumes[0].storageType",
            id="azure-file",
        ),
        pytest.param(
            {"custom": "{type: queue, identity: system, metadata: {queueName: a, address: b}}"},
            "properties.template.scale.rules[0].custom.identity",
            id="identity",
        ),
        pytest.param({"custom": "{type: tcp}"}, "properties.template.scale.rules[0].custom.type", id="tcp-alias"),
    ],
)
def test_what_comes_later_is_refused_by_name(manifests: Loader, parts: dict[str, str], path: str) -> None:
    (problem,) = manifests.problems(manifests.ruled(**parts))
    assert problem.path == path
    assert "not supported yet" in problem.hint


def test_rules_and_kinds_that_come_later_are_refused(manifests: Loader) -> None:
    rules = "{rules: [{name: b, tcp: {}}, {name: c, azureQueue: {}}, {name: d}]}"
    problems = manifests.problems("kind: functionapp\n" + manifests.app(rules, container="\n    - image: second"))
    assert [(problem.path.removeprefix("properties.template."), problem.found) for problem in problems] == [
        ("kind", "the field"),
        ("containers[1]", "a second container"),
        ("scale.rules[0].tcp", "the field"),
        ("scale.rules[1].azureQueue", "the field"),
        ("scale.rules[2].custom", "nothing"),
    ]


@pytest.mark.parametrize(
    ("scale", "line"),
    [
        ("{minReplicas: 5, maxReplicas: 1}", "found 5, expected at most maxReplicas (1) (are the two swapped?)"),
        ("{minReplicas: 11}", "found 11, expected at most maxReplicas (10) (maxReplicas is 10 when absent)"),
        (
            "{maxReplicas: 0, rules: [{custom: {type: share, metadata: {value: 1}}}]}",
            "maxReplicas: found 0, expected greater than or equal to 1",
        ),
        ("{minReplicas: 1001}", "minReplicas: found 1001, expected less than or equal to 1000"),
        ("{minReplicas: 1, pollingInterval: 0.05}", "found 0.05, expected greater than or equal to 0.1"),
        ("{minReplicas: 1, pollingInterval: .inf}", "found .inf, expected a number"),
        ("{minReplicas: 1, cooldownPeriod: -1}", "found -1, expected greater than or equal to 0"),
        ("{minReplicas: 1.5}", "found 1.5, expected an integer"),
        ("[]", "scale: found a list, expected a mapping"),
        ("{minReplicas: 1, rules: {}}", "rules: found a mapping, expected a list"),
    ],
)
def test_a_scale_out_of_range_is_explained(manifests: Loader, scale: str, line: str) -> None:
    (problem,) = manifests.lines(manifests.app(scale))
    assert line in problem


def test_counts_that_are_swapped_are_called_so_even_where_one_is_out_of_range(manifests: Loader) -> None:
    (line,) = manifests.lines(manifests.app("{minReplicas: 5, maxReplicas: 0}"))
    assert (
        "maxReplicas: found 0, expected greater than or equal to 1 (are minReplicas and maxReplicas swapped?)" in line
    )
    scaled = manifests.scaled_object("minReplicaCount: 5\n  maxReplicaCount: 0", kind="Deployment")
    assert "(are minReplicaCount and maxReplicaCount swapped?)" in manifests.lines(scaled)[0]


def test_a_registry_with_an_identity_is_one_problem(manifests: Loader) -> None:
    for rest in ("", ", username: '', passwordSecretRef: ''"):
        registries = f"{{registries: [{{server: example.io, identity: system{rest}}}]}}"
        (problem,) = manifests.problems(manifests.ruled(configuration=registries))
        assert problem.path == "properties.configuration.registries[0].identity"
    registries = "{registries: [{server: example.io, identity: ''}]}"
    assert len(manifests.problems(manifests.ruled(configuration=registries))) == 2


def test_an_identity_is_refused_and_none_is_none(manifests: Loader) -> None:
    (problem,) = manifests.problems("identity: {type: SystemAssigned}\n" + manifests.ruled())
    assert (problem.path, problem.hint) == ("identity", "managed identities are not supported yet")
    assert manifests.load("identity: {type: None}\n" + manifests.ruled()).warnings == ()


def test_allowing_to_override_rules_is_refused_and_not_allowing_it_is_not(manifests: Loader) -> None:
    assert manifests.load(manifests.app("{minReplicas: 1, allowScalingRuleOverride: false}")).warnings == ()
    (problem,) = manifests.problems(manifests.app("{minReplicas: 1, allowScalingRuleOverride: true}"))
    assert problem.path == "properties.template.scale.allowScalingRuleOverride"


@pytest.mark.parametrize(
    ("container", "expected"),
    [
        ("name: Main_1", "name: found 'Main_1', expected at most 63 lower-case letters"),
        ("command: sh", "command: found a single value, expected a list"),
        ("command: [{}]", "command[0]: found a mapping, expected a text"),
        ("resources: {cpu: 0, memory: 1GB}", "memory: found '1GB', expected a quantity such as 0.5Gi"),
        ("resources: {cpu: 0}", "cpu: found 0, expected greater than 0"),
        ("resources: {gpu: 1}", "gpu: found the field, expected the field to be absent (not supported yet)"),
        ("env: [{name: A, value: b, secretRef: c}]", "env[0]: found both, expected either value or secretRef"),
        ("env: [{value: b}]", "env[0].name: found nothing, expected a name"),
        ("env: [{name: A, secretRef: nope}]", "secretRef: found an unknown name, expected the name of a secret (none)"),
        (
            "volumeMounts: [{volumeName: a, mountPath: /a}]",
            "found 'a', expected the name of a volume (none)",
        ),
        ("volumeMounts: [{volumeName: a, mountPath: a}]", "mountPath: found 'a', expected an absolute path"),
        ("volumeMounts: [{volumeName: a, mountPath: /a/../b}]", "expected an absolute path without '..'"),
        ("volumeMounts: [{volumeName: a, mountPath: /a, subPath: ../b}]", "expected a relative path without '..'"),
        ("probes: [{type: Liveness}]", "probes[0]: found neither, expected either httpGet or tcpSocket"),
        ("probes: [{type: Liveness, httpGet: {port: 1}, tcpSocket: {port: 1}}]", "probes[0]: found both, expected"),
        ("probes: [{type: Liveness, exec: {}}]", "exec: found the field, expected the field to be absent (Azure"),
        (
            "probes: [{type: Livenes, tcpSocket: {port: 1}}]",
            "type: found 'Livenes', expected one of Startup, Readiness",
        ),
        ("probes: [{type: Livenes, tcpSocket: {port: 1}}]", "(did you mean Liveness?)"),
        ("probes: [{type: Startup, tcpSocket: {port: http}}]", "port: found 'http', expected an integer"),
        ("probes: [{type: Startup, tcpSocket: {port: 0}}]", "port: found 0, expected greater than or equal to 1"),
        ("probes: [{type: Startup, tcpSocket: {port: 1}, periodSeconds: 241}]", "expected less than or equal to 240"),
        (
            "probes: [{type: Startup, tcpSocket: {port: 1}, successThreshold: 2}]",
            "found 2, expected 1 (only",
        ),
        (
            "probes: [{type: Startup, tcpSocket: {port: 1}}, {type: startup, tcpSocket: {port: 1}}]",
            "probes[1].type: found 'startup', expected at most one probe of each type",
        ),
    ],
)
def test_a_container_that_cannot_be_is_explained(manifests: Loader, container: str, expected: str) -> None:
    lines = manifests.lines(manifests.app(container=container))
    assert any(expected in line for line in lines), lines


def test_a_failure_threshold_above_the_schema_is_a_warning_only(manifests: Loader) -> None:
    container = "probes: [{type: Startup, tcpSocket: {port: 1}, failureThreshold: 240}]"
    loaded = manifests.load(manifests.app(container=container))
    assert [warning.found for warning in loaded.warnings] == ["240"]
    assert loaded.workloads[0].target.containers[0].probes[0].failure_threshold == 240


def test_of_a_variable_given_twice_the_last_wins_with_a_warning(manifests: Loader) -> None:
    loaded = manifests.load(manifests.app(container="env: [{name: A, value: x}, {name: A, value: y}]"))
    assert [warning.hint for warning in loaded.warnings] == ["the last wins"]
    (variable,) = loaded.workloads[0].target.containers[0].env
    assert variable.value.get_secret_value() == "y"


@pytest.mark.parametrize("name", ["Worker", "1worker", "a--b", "a-", "a" * 33, "a_b"])
def test_names_follow_the_rules_of_azure(manifests: Loader, name: str) -> None:
    (problem,) = manifests.problems(manifests.app(name=name))
    assert problem.path == "name"


@pytest.mark.parametrize("suffix", ["V2", "2a", "a--b", "a-", "a" * 65])
def test_revision_suffixes_follow_the_rules_of_azure(manifests: Loader, suffix: str) -> None:
    (problem,) = manifests.problems(manifests.app(template=f"revisionSuffix: {suffix}"))
    assert problem.path == "properties.template.revisionSuffix"


def test_an_app_as_azure_exports_it_loads_with_warnings() -> None:
    """What is read-only or not set in Azure is no error; everything that is ignored is named."""
    example = Path(__file__).parents[3] / "deploy" / "examples" / "aca-exported.yaml"
    loaded = load([example], scalers=plugins.discover(), environ={"REDIS_PASSWORD": "open-sesame"})
    (workload,) = loaded.workloads
    assert (workload.name, workload.policy.min_replicas, workload.policy.max_replicas) == ("checkout", 0, 10)
    assert [trigger.type for trigger in workload.triggers] == ["redis", "http"]
    named = {warning.path for warning in loaded.warnings}
    assert {"id", "systemData", "properties.provisioningState", "properties.latestRevisionName"} <= named
    assert all(warning.hint.startswith("ignored: ") for warning in loaded.warnings)


def test_two_apps_of_one_name_are_refused(manifests: Loader) -> None:
    (problem,) = manifests.problems(manifests.ruled(), manifests.ruled())
    assert problem.location.file.endswith("m1.yaml")
    assert "m0.yaml:1:1" in problem.hint


def test_misspelt_fields_get_a_suggestion_and_are_not_called_missing(manifests: Loader) -> None:
    text = manifests.ruled(configuration="{dapr: {appProcotol: http}}").replace("image:", "imgae:")
    lines = manifests.lines(text)
    assert any("imgae: found an unknown field" in line and "did you mean image?" in line for line in lines)
    assert not any("containers[0].image:" in line for line in lines)
