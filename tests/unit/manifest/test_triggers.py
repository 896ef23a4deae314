"""Parameters of triggers: where they come from, and what is wrong with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from scaler.engine import plugins
from scaler.model import MetricType
from scaler.ports.scaler import ScalerConfig

if TYPE_CHECKING:
    from conftest import Loader

ENV = "env: [{name: HOST, value: from-env}, {name: BLANK, value: ' '}, {name: SECRET, secretRef: s}]"
SECRETS = "{secrets: [{name: s, value: hunter2}, {name: long, value: hunter2-hunter2}]}"


def rule(manifests: Loader, metadata: str, auth: str = "[]") -> str:
    custom = f"{{type: queue, metadata: {metadata}, auth: {auth}}}"
    return manifests.ruled(custom, container=ENV, configuration=SECRETS)


def test_values_come_from_metadata_the_environment_and_secrets(manifests: Loader) -> None:
    text = rule(
        manifests,
        "{queueName: 007, queueLength: 2.5, addressFromEnv: HOST, passwordFromEnv: SECRET}",
        "[{secretRef: s, triggerParameter: key}]",
    )
    trigger = manifests.one(text).triggers[0]
    assert (trigger.config.queue_name, trigger.policy.target, trigger.config.address) == ("007", 2.5, "from-env")
    assert trigger.config.password.get_secret_value() == "hunter2"
    assert trigger.config.key.get_secret_value() == "hunter2"


@pytest.mark.parametrize(
    ("metadata", "auth", "address"),
    [
        ("{queueName: j, address: meta, addressFromEnv: HOST}", "[]", "meta"),
        ("{queueName: j, address: meta}", "[{secretRef: s, triggerParameter: address}]", "hunter2"),
        ("{queueName: j, addressFromEnv: HOST}", "[{secretRef: s, triggerParameter: address}]", "hunter2"),
        ("{queueName: j, address: '', addressFromEnv: HOST}", "[]", "from-env"),
        ("{queueName: j, address: ' ', addressFromEnv: HOST}", "[]", "from-env"),
        ("{queueName: j, address: null, addressFromEnv: HOST}", "[]", "from-env"),
        ("{queueName: j, address: meta, addressFromEnv: BLANK}", "[]", "meta"),
    ],
)
def test_of_several_sources_that_of_keda_wins_and_blank_is_absent(
    manifests: Loader, metadata: str, auth: str, address: str
) -> None:
    loaded = manifests.load(rule(manifests, metadata, auth))
    assert loaded.workloads[0].triggers[0].config.address == address
    several = ("meta" in metadata) + ("HOST" in metadata) + ("secretRef" in auth) > 1
    assert [warning.found for warning in loaded.warnings] == ["one of several"] * several


@pytest.mark.parametrize(
    ("metadata", "auth", "expected"),
    [
        ("{address: a}", "[]", "metadata.queueName: found nothing, expected queueName in metadata"),
        ("{queueName: ' ', address: a}", "[]", "metadata.queueName: found nothing, expected queueName in metadata"),
        ("{queueName: j}", "[]", "metadata: found parameters of queue that do not fit, expected give address or"),
        ("{queueName: j, address: a, queueLength: 0}", "[]", "queueLength: found 0, expected greater than 0"),
        ("{queueName: j, address: a, queueLength: lots}", "[]", "queueLength: found 'lots', expected a valid number"),
        ("{queueName: j, address: a, queuLength: 1}", "[]", "queuLength: found an unknown key, expected one of "),
        ("{queueName: j, address: a, queuLength: 1}", "[]", "(did you mean queueLength?)"),
        ("{queueName: j, adressFromEnv: HOST}", "[]", "(did you mean addressFromEnv?)"),
        (
            "{queueName: j, addressFromEnv: HOSTS}",
            "[]",
            "found 'HOSTS', expected a variable of the first",
        ),
        ("{queueName: j, address: a, key: k}", "[]", "key: found the key in metadata, expected key as a secret"),
        ("{queueNameFromEnv: HOST, address: a}", "[]", "found the key in metadata, expected queueName in metadata"),
        ("{queueName: [j], address: a}", "[]", "metadata.queueName: found a list, expected a text"),
        (
            "{queueName: j, address: a, pin: hunter2}",
            "[]",
            "metadata.pin: found a value of pin that is not shown, expected",
        ),
        (
            "{queueName: j, address: a}",
            "[{secretRef: long, triggerParameter: pin}]",
            "auth[0].triggerParameter: found a value of pin that is not shown, expected",
        ),
        (
            "{queueName: j, address: a}",
            "[{secretRef: s, triggerParameter: queueName}]",
            "found the authentication parameter 'queueName', expected queueName in metadata",
        ),
        ("{queueName: j, address: a}", "[{secretRef: s, triggerParameter: pasword}]", "(did you mean password?)"),
        (
            "{queueName: j, address: a}",
            "[{secretRef: z, triggerParameter: pin}]",
            "secretRef: found an unknown name, expected the",
        ),
        ("{queueName: j, address: a}", "[{secretRef: s}]", "triggerParameter: found nothing, expected the name of a"),
        (
            "{queueName: j, address: a}",
            "[{secretRef: s, triggerParameter: pin}, {secretRef: s, triggerParameter: pin}]",
            "found 'pin' a second time, expected each parameter once",
        ),
    ],
)
def test_a_parameter_that_cannot_be_is_explained(manifests: Loader, metadata: str, auth: str, expected: str) -> None:
    lines = manifests.lines(rule(manifests, metadata, auth))
    assert expected in lines[0]
    assert "hunter2" not in "".join(lines)


def test_unknown_keys_without_a_value_are_reported_and_those_that_may_be_secrets_not_shown(manifests: Loader) -> None:
    metadata = "{queueName: j, address: a, mode: , queuLenght: , password:hunter2, hunter2, pin=hunter2}"
    lines = manifests.lines(rule(manifests, metadata))
    assert [line.split(": ")[1].rpartition(".")[2] for line in lines] == ["queuLenght"] + ["metadata"] * 3
    assert "did you mean queueLength?" in lines[0]
    assert "is a space missing after ':'?" in lines[1]
    assert "hunter2" not in "".join(lines)


def test_values_of_parameters_that_a_secret_may_give_are_not_shown(manifests: Loader) -> None:
    manifests.scalers = dict(plugins.discover())
    wrong = {
        "localhost": "host:port",
        "localhost:99999": "a port from 1 to 65535",
        "redis://:hunter2@h:1": "host:port without a scheme; enableTLS is for rediss",
        "user:hunter2@h:1": "host:port without credentials; username and password are for these",
        "'a:1,b:2'": "one address as host:port; several are for redis-cluster and redis-sentinel",
    }
    for address, expected in wrong.items():
        metadata = f"{{listName: j, address: {address}}}"
        (line,) = manifests.lines(manifests.ruled(f"{{type: redis, metadata: {metadata}}}"))
        assert line == (
            "m0.yaml:8:86: properties.template.scale.rules[0].custom.metadata.address: "
            f"found a value of address that is not shown, expected {expected}"
        )


def test_one_cause_is_one_problem(manifests: Loader) -> None:
    text = rule(manifests, "{queueNam: j, addressFromEnv: HOSTS}", "[{secretRef: z, triggerParameter: pin}]")
    assert [problem.path.rpartition(".")[2] for problem in manifests.problems(text)] == [
        "queueNam",
        "addressFromEnv",
        "secretRef",
    ]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("queu", "found 'queu', expected the type of an installed scaler (queue, rotten, share) (did you mean queue?)"),
        ("rotten", "found 'rotten', expected a scaler that works (the scaler 'rotten' of rotten-scaler 1.0 is broken"),
        ("redis-cluster", "found 'redis-cluster', expected the type of an installed scaler (queue, rotten, share) "),
        ("redis-cluster", "(redis-cluster is not supported yet)"),
        ("metrics-api", "(metrics-api is not supported yet)"),
        ("tcp", "found 'tcp', expected the type of a scaler (scaling on TCP connections is not supported yet)"),
    ],
)
def test_a_type_that_cannot_be_used_fails_only_its_users(manifests: Loader, kind: str, expected: str) -> None:
    (line,) = manifests.lines(manifests.ruled(name="fine"), manifests.ruled(f"{{type: {kind}, metadata: {{}}}}"))
    assert line.startswith("m1.yaml")
    assert expected in line


def test_names_are_unique(manifests: Loader) -> None:
    custom = "custom: {type: queue, metadata: {queueName: j, address: h}}"
    text = manifests.app(f"{{rules: [{{name: a, {custom}}}, {{name: a, {custom}}}, {{{custom}}}]}}")
    assert [(problem.path, problem.found) for problem in manifests.problems(text)] == [
        ("properties.template.scale.rules[1].name", "'a' a second time")
    ]


def test_the_metric_type_must_suit_the_scaler(manifests: Loader) -> None:
    def scaled(kind: str, metric: str, metadata: str) -> str:
        triggers = f"[{{type: {kind}, metricType: {metric}, metadata: {metadata}}}]"
        return manifests.scaled_object(triggers=triggers, kind="Deployment")

    (trigger,) = manifests.one(scaled("share", "utilization", "{value: 50}")).triggers
    assert trigger.policy.metric_type is MetricType.UTILIZATION
    (line,) = manifests.lines(scaled("queue", "Utilization", "{queueName: j, address: h}"))
    assert "metricType: found 'Utilization', expected one of AverageValue, Value with queue" in line
    (line,) = manifests.lines(scaled("share", "Value", "{value: 50}"))
    assert "metricType: found 'Value', expected one of AverageValue, Utilization with share" in line
    (line,) = manifests.lines(scaled("share", "null", "{value: -1}"))
    assert "metadata: found a target of -1, expected a target above 0" in line


def test_a_bug_in_a_plugin_is_its_own_problem(manifests: Loader) -> None:
    class Config(ScalerConfig):
        def target(self) -> float:
            raise RuntimeError("hunter2")

        def activation(self) -> float:
            return 0

    queue = manifests.scalers["queue"]
    assert isinstance(queue, type)
    manifests.scalers["buggy"] = type("Buggy", (queue,), {"type": "buggy", "Config": Config})
    (line,) = manifests.lines(manifests.ruled(name="fine"), manifests.ruled("{type: buggy}"))
    assert "found 'buggy', expected a scaler that works (the scaler itself failed with RuntimeError)" in line
    assert "hunter2" not in line


def test_a_parameter_that_belongs_to_another_type_is_refused_with_that_reason(manifests: Loader) -> None:
    manifests.scalers = dict(plugins.discover())
    metadata = "{listName: j, address: 'a:1', sentinelMasterFromEnv: HOST}"
    (line,) = manifests.lines(
        manifests.ruled(f"{{type: redis, metadata: {metadata}}}", container=ENV, configuration=SECRETS)
    )
    assert line.endswith("expected the key to be absent (it belongs to redis-sentinel and redis-sentinel-streams)")
