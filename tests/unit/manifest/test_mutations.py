"""Whatever stands in a file, the answer is workloads or problems, never anything else."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scaler.manifest import load
from scaler.ports.errors import InvalidManifest
from scalers.http.requests import HttpScaler

if TYPE_CHECKING:
    from conftest import Loader

PIECES = ("", "null", "[]", "{}", "- ", "\n", ": ", "\t", "'", "&a ", "*a", "<<: ", "---\n", "!x ", "9" * 20, "-1", "é")
ODD = ("\x85", "\u2028", "\x00", "[[", "{a: ", "|", ">", "%", "#", "? ", ".nan", "1e999", "yes", "  ")
CUTS = st.lists(
    st.tuples(st.integers(0, 5000), st.integers(0, 40), st.sampled_from(PIECES + ODD)), min_size=1, max_size=4
)
VALUES = ("[]", "{}", "[x, {a: b}]", "{a: {b: c}}", "-1", "''", "1.5", "[[null]]", "null")
AUTHENTICATION = """\
apiVersion: keda.sh/v1alpha1
kind: TriggerAuthentication
metadata: {name: auth}
spec: {secretTargetRef: [{parameter: address, name: s, key: k}], env: [{parameter: key, name: A}]}
"""
# In lines of its own, so that each value is changed to one of a wrong kind.
REACHED = """\
name: web
properties:
  configuration:
    ingress:
      external: true
      targetPort: 80
      transport: auto
      customDomains:
      - name: a.example
        bindingType: SniEnabled
        certificateId: c
      - name: b.example
      ipSecurityRestrictions:
      - name: a
        ipAddressRange: 10.0.0.0/8
        action: Allow
      corsPolicy:
        allowedOrigins: ['*']
        allowCredentials: true
      traffic:
      - latestRevision: true
        weight: 100
      stickySessions: {affinity: none}
      requestTimeout: 5
      hold:
        waitingPage: true
        exclude:
        - pathPrefix: /a
          status: 404
  template:
    containers:
    - image: busybox
    scale:
      rules:
      - name: load
        http:
          metadata:
            concurrentRequests: 5
"""


def seed(manifests: Loader) -> str:
    manifests.scalers["http"] = HttpScaler
    return "---\n".join(
        [
            manifests.ruled(
                "{type: queue, metadata: {queueName: j, addressFromEnv: A}, "
                "auth: [{secretRef: s, triggerParameter: key}]}",
                container="env: [{name: A, value: b}, {name: C, secretRef: s}]\n"
                "      probes: [{type: Liveness, httpGet: {port: 1, httpHeaders: [{name: A, value: b}]}}]\n"
                "      volumeMounts: [{volumeName: v, mountPath: /v}]\n"
                "      resources: {cpu: 1, memory: 1Gi}",
                configuration="{secrets: [{name: s, value: b}], registries: [{server: r, username: u}]}",
                template="volumes: [{name: v, storageType: Secret, secrets: [{secretRef: s, path: p}]}]",
            ),
            manifests.scaled_object(
                "fallback: {failureThreshold: 1, replicas: 2}\n"
                "  advanced: {horizontalPodAutoscalerConfig: {behavior: {scaleUp: {policies: []}, scaleDown: {}}}}",
                triggers="[{type: queue, metadata: {queueName: j}, authenticationRef: {name: auth}}, {type: share}]",
                metadata="annotations: {autoscaling.keda.sh/paused: 'x'}",
                kind="Deployment",
            ),
            AUTHENTICATION,
            REACHED,
            "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata: {k: YQ==}\nstringData: {b: c}\n",
        ]
    )


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=CUTS)
def test_mutated_manifests_give_workloads_or_problems(manifests: Loader, cuts: list[tuple[int, int, str]]) -> None:
    text = seed(manifests)
    for at, length, new in cuts:
        start = at % len(text)
        text = text[:start] + new + text[start + length :]
    check(manifests, text.encode("utf-8", "surrogatepass"))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_values_of_the_wrong_kind_give_workloads_or_problems(manifests: Loader, data: st.DataObject) -> None:
    lines = seed(manifests).split("\n")
    for _ in range(data.draw(st.integers(1, 3))):
        index = data.draw(st.integers(0, len(lines) - 1))
        key, colon, _ = lines[index].partition(": ")
        value = data.draw(st.sampled_from(VALUES))
        lines[index] = f"{key}: {value}" if colon else lines[index]
    check(manifests, "\n".join(lines).encode())


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=60))
def test_any_bytes_give_problems(manifests: Loader, content: bytes) -> None:
    check(manifests, content)


def check(manifests: Loader, content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "m.yaml")
        path.write_bytes(content)
        try:
            problems = load([path], scalers=manifests.scalers, environ={}).warnings
        except InvalidManifest as invalid:
            problems = invalid.problems
    for problem in problems:
        assert problem.location.line >= 1
        assert problem.location.column >= 1
        assert problem.found
        assert problem.expected
