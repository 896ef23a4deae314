"""Manifests that are only looked at: what they refer to may be missing here."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from scaler.engine import plugins
from scaler.manifest import Outside

if TYPE_CHECKING:
    from conftest import Loader

AUTHENTICATION = """\
apiVersion: keda.sh/v1alpha1
kind: TriggerAuthentication
metadata: {name: auth}
spec: SPEC
"""


def foreign(manifests: Loader, metadata: str, *, kind: str = "Deployment", type_: str = "queue") -> str:
    triggers = f"[{{type: {type_}, metadata: {metadata}, authenticationRef: {{name: auth}}}}]"
    return manifests.scaled_object(triggers=triggers, kind=kind)


@pytest.mark.parametrize(
    ("spec", "path"),
    [
        ("{secretTargetRef: [{parameter: password, name: s, key: k}]}", "spec.secretTargetRef[0].name"),
        ("{configMapTargetRef: [{parameter: pin, name: s, key: k}]}", "spec.configMapTargetRef[0].name"),
        ("{env: [{parameter: pin, name: NOPE}]}", "spec.env[0].name"),
        ("{filePath: /nowhere/at.all}", "spec.filePath"),
    ],
)
def test_what_a_foreign_target_has_elsewhere_is_a_warning_and_the_rest_is_checked(
    manifests: Loader, spec: str, path: str
) -> None:
    texts = foreign(manifests, "{queueName: j, address: a}"), AUTHENTICATION.replace("SPEC", spec)
    loaded = manifests.load(*texts, outside=Outside.OPTIONAL)
    assert [trigger.name for trigger in loaded.workloads[0].triggers] == ["queue-0"]
    assert [warning.path for warning in loaded.warnings] == [path]
    assert loaded.warnings[0].hint.startswith("not checked: the ")
    assert [problem.path for problem in manifests.problems(*texts)] == [path]
    assert [problem.path for problem in manifests.problems(*texts, strict=True, outside=Outside.OPTIONAL)] == [path]
    wrong = foreign(manifests, "{queueName: j, address: a, queueLength: 0}")
    assert "queueLength: found 0" in manifests.lines(wrong, *texts[1:], outside=Outside.OPTIONAL)[0]


def test_an_authentication_that_is_elsewhere_may_give_whatever_authentications_can(manifests: Loader) -> None:
    text = foreign(manifests, "{queueName: j}")
    loaded = manifests.load(text, outside=Outside.OPTIONAL)
    assert [(warning.path, warning.hint) for warning in loaded.warnings] == [
        ("spec.triggers[0].authenticationRef.name", "not checked: the TriggerAuthentication is not here")
    ]
    assert loaded.workloads[0].triggers[0].policy.target == 5
    problems = manifests.problems(foreign(manifests, "{queueLength: 2}"), outside=Outside.OPTIONAL)
    assert [problem.path for problem in problems if not problem.warning] == ["spec.triggers[0].metadata.queueName"]


def test_a_variable_that_is_elsewhere_counts_as_given(manifests: Loader) -> None:
    text = foreign(manifests, "{queueName: j, addressFromEnv: HOST, passwordFromEnv: hunter2}").replace(
        ", authenticationRef: {name: auth}", ""
    )
    loaded = manifests.load(text, outside=Outside.OPTIONAL)
    assert [(warning.found, warning.hint) for warning in loaded.warnings] == [
        ("'HOST'", "not checked: the variable is not here"),
        ("a name that is not shown", "not checked: the variable is not here"),
    ]
    assert manifests.lines(text)[0].endswith("found 'HOST', expected a variable of the service's environment")
    assert "hunter2" not in "".join(manifests.lines(text))


def test_secrets_of_an_app_may_be_elsewhere_but_not_its_variables(manifests: Loader) -> None:
    manifests.environ["THERE"] = "x"
    secrets = "{secrets: [{name: a, value: '${env:NOPE}'}, {name: b, value: '${file:gone}'}]}"
    custom = (
        "{type: queue, metadata: {queueName: j, addressFromEnv: HOST}, auth: [{secretRef: b, triggerParameter: pin}]}"
    )
    text = manifests.ruled(custom, configuration=secrets, container="env: [{name: HOST, secretRef: a}]")
    loaded = manifests.load(text, outside=Outside.OPTIONAL)
    assert [warning.hint for warning in loaded.warnings] == [
        "not checked: the variable is not here",
        "not checked: the file is not here",
    ]
    assert len(loaded.workloads[0].triggers) == 1
    assert len(manifests.problems(text)) == 2
    lines = manifests.lines(text.replace("addressFromEnv: HOST", "addressFromEnv: HOTS"), outside=Outside.OPTIONAL)
    assert "found 'HOTS', expected a variable of the first container's env (did you mean HOST?)" in lines[-1]


def test_what_is_wrong_whatever_the_unknown_values_are_is_an_error(manifests: Loader) -> None:
    spec = "{secretTargetRef: [{parameter: password, name: s, key: k}]}"
    texts = foreign(manifests, "{queueName: j}"), AUTHENTICATION.replace("SPEC", spec)
    lines = manifests.lines(*texts, outside=Outside.OPTIONAL)
    assert "found parameters of queue that do not fit, expected give address or addressFromEnv" in lines[0]
    given = foreign(manifests, "{queueName: j, address: a}")
    there = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {key: x}\n"
    lines = manifests.lines(given, texts[1], there, outside=Outside.OPTIONAL)
    assert "secretTargetRef[0].key: found 'k', expected a key of Secret 's' (key)" in lines[0]


@pytest.mark.parametrize(
    "given",
    ["address", "host, port", "password", "tls, ca", "tls, ca, cert, key, keyPassword", "username, password"],
)
def test_the_redis_scaler_takes_unknown_values_in_any_parameter(manifests: Loader, given: str) -> None:
    manifests.scalers = dict(plugins.discover())
    references = [f"{{parameter: {name}, name: s, key: k}}" for name in given.split(", ")]
    spec = f"{{secretTargetRef: [{', '.join(references)}]}}"
    address = "" if given in {"address", "host, port"} else ", address: 'h:1'"
    text = foreign(manifests, f"{{listName: q, listLength: 7{address}}}", type_="redis")
    loaded = manifests.load(text, AUTHENTICATION.replace("SPEC", spec), outside=Outside.OPTIONAL)
    assert loaded.workloads[0].triggers[0].policy.target == 7
    assert {warning.path for warning in loaded.warnings} == {
        f"spec.secretTargetRef[{index}].name" for index in range(len(references))
    }
