"""Secrets are found, and never shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Loader

SECRET = "s3cr3t-v4lu3"  # noqa: S105 - what must not be shown


def test_a_value_from_outside_that_is_missing_is_explained(manifests: Loader) -> None:
    (manifests.folder / "binary").write_bytes(b"\xff")
    (manifests.folder / "large").write_bytes(b"x" * (1024 * 1024 + 1))
    names = ["env:NOPE", "file:gone", "file:binary", "file:large", "file:", "file:."]
    secrets = ", ".join(f"{{name: s{n}, value: '${{{name}}}'}}" for n, name in enumerate(names))
    problems = manifests.problems(manifests.ruled(configuration=f"{{secrets: [{secrets}, {{name: none}}]}}"))
    assert [problem.found for problem in problems] == [
        "nothing",
        "No such file or directory",
        "bytes that are not UTF-8",
        "a larger file",
        "no path",
        "Is a directory",
        "nothing",
    ]
    assert "'NOPE' in the service's environment" in problems[0].expected


def test_only_a_whole_value_refers_to_the_outside(manifests: Loader) -> None:
    manifests.environ["A"] = "x"
    secrets = "{secrets: [{name: a, value: 'pre-${env:A}'}, {name: b, value: '${HOME}'}, {name: c, value: '${env:A}'}]}"
    text = manifests.ruled(configuration=secrets, template="volumes: [{name: all, storageType: Secret}]")
    (volume,) = manifests.one(text).target.volumes
    assert [value.get_secret_value() for value in volume.files.values()] == ["pre-${env:A}", "${HOME}", "x"]


def test_a_trailing_newline_of_a_file_is_not_part_of_the_secret(manifests: Loader) -> None:
    (manifests.folder / "s").write_bytes(b"a\nb\r\n")
    text = manifests.ruled(
        configuration="{secrets: [{name: a, value: '${file:s}'}]}",
        template="volumes: [{name: all, storageType: Secret}]",
    )
    assert manifests.one(text).target.volumes[0].files["a"].get_secret_value() == "a\nb"


def test_secrets_are_not_in_the_repr_of_what_is_loaded(manifests: Loader) -> None:
    manifests.environ["S"] = SECRET
    text = manifests.ruled(
        "{type: queue, metadata: {queueName: j, address: h, password: " + SECRET + "}, "
        "auth: [{secretRef: s, triggerParameter: key}]}",
        configuration="{secrets: [{name: s, value: '${env:S}'}],"
        " registries: [{server: r, username: u, passwordSecretRef: s}]}",
        container="env: [{name: A, value: " + SECRET + "}, {name: B, secretRef: s}]\n"
        "      probes: [{type: Liveness, httpGet: {port: 1, httpHeaders: [{name: A, value: " + SECRET + "}]}}]",
        template="volumes: [{name: all, storageType: Secret}]",
    )
    loaded = manifests.load(text)
    assert SECRET not in repr(loaded)
    assert loaded.workloads[0].triggers[0].config.key.get_secret_value() == SECRET


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(f"secrets: {SECRET}", id="instead-of-the-list"),
        pytest.param(f"secrets: [{SECRET}]", id="instead-of-an-item"),
        pytest.param(f"secrets: {{name: a, value: {SECRET}}}", id="mapping"),
        pytest.param(f"secrets: [{{name: a, valu: {SECRET}}}]", id="misspelt"),
        pytest.param(f"secrets: [{{name: a, value: [{SECRET}]}}]", id="list"),
        pytest.param(f"secrets: [{{name: a, value:{SECRET}}}]", id="no-space"),
        pytest.param(f"secrets: [{{name: a, value, {SECRET}}}]", id="comma"),
        pytest.param(f"secrets: [{{name: a, value: *{SECRET}}}]", id="alias"),
        pytest.param(f"secrets: [{{name: a, value: !{SECRET} x}}]", id="tag"),
        pytest.param(f"secrets: [{{name: a, value: !{SECRET}!x x}}]", id="tag-handle"),
        pytest.param(f"secrets: [{{name: a, value: @{SECRET}}}]", id="at"),
        pytest.param(f"secrets: [{{name: a, value: '{SECRET}}}]", id="open-quote"),
        pytest.param(f"secrets: [{{name: a, value: 'x' {SECRET}}}]", id="two-values"),
        pytest.param(f"secrets: [{{name: a, value: a, value: {SECRET}}}]", id="twice"),
        pytest.param(f"registries: [{{server: a, username: b, password: {SECRET}}}]", id="registry"),
        pytest.param(f"registries: {SECRET}", id="registries"),
    ],
)
def test_secrets_are_not_in_problems_of_apps(manifests: Loader, text: str) -> None:
    assert SECRET not in "".join(manifests.lines(manifests.ruled(configuration=f"{{{text}}}")))


@pytest.mark.parametrize(
    "text",
    [
        f"data: {SECRET}",
        f"data: {{a: {SECRET}}}",
        f"stringData: [{SECRET}]",
        f"stringData: {{a: {{b: {SECRET}}}}}",
        f"stringdata: {{a: {SECRET}}}",
        f"spec: {SECRET}",
    ],
)
def test_secrets_are_not_in_problems_of_kubernetes_secrets(manifests: Loader, text: str) -> None:
    secret = f"apiVersion: v1\nkind: Secret\nmetadata: {{name: s}}\n{text}\n"
    for version in ("v1", "v2"):
        assert SECRET not in "".join(manifests.lines(manifests.ruled(), secret.replace("v1", version)))


@pytest.mark.parametrize(
    "container",
    [
        f"env: [{{name: A, value: [{SECRET}]}}]",
        f"env: [{SECRET}]",
        f"env: {{A: {SECRET}}}",
        f"env: [{{name: A, vlue: {SECRET}}}]",
        f"env: [{{name: P={SECRET}}}]",
        f"env: [{{name: A, secretRef: {SECRET}}}]",
        f"env: [{{P={SECRET}}}]",
        f"probes: [{{type: Liveness, httpGet: {{port: 1, httpHeaders: [{{name: A, value: [{SECRET}]}}]}}}}]",
    ],
)
def test_secrets_are_not_in_problems_of_containers(manifests: Loader, container: str) -> None:
    assert SECRET not in "".join(manifests.lines(manifests.app(container=container)))


def test_secrets_are_not_in_problems_of_triggers(manifests: Loader) -> None:
    manifests.environ["S"] = SECRET
    configuration = "{secrets: [{name: s, value: '${env:S}'}]}"
    for parameter in ("pin", "queueName", "nope", "address"):
        custom = f"{{type: queue, metadata: {{mode: x}}, auth: [{{secretRef: s, triggerParameter: {parameter}}}]}}"
        assert SECRET not in "".join(manifests.lines(manifests.ruled(custom, configuration=configuration)))
    custom = f"{{type: queue, metadata: {{queueName: j, passwordFromEnv: {SECRET}}}}}"
    assert SECRET not in "".join(manifests.lines(manifests.ruled(custom)))
    custom = f"{{type: queue, metadata: {{queueName: j, password:{SECRET}, pin: {SECRET}, passwrd: {SECRET}}}}}"
    assert SECRET not in "".join(manifests.lines(manifests.ruled(custom)))
