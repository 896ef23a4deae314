"""The JSON Schema accepts what is accepted, and marks what is not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft202012Validator
from ruamel.yaml import YAML

from scaler.manifest import json_schema
from scaler.ports.errors import InvalidManifest
from scalers.http.requests import HttpScaler

if TYPE_CHECKING:
    from conftest import Loader


@pytest.fixture
def validator(manifests: Loader) -> Draft202012Validator:
    return Draft202012Validator(json_schema(manifests.scalers))


def parsed(text: str) -> Any:
    return YAML(typ="safe", pure=True).load(text)


def test_it_is_a_schema_itself(manifests: Loader) -> None:
    Draft202012Validator.check_schema(json_schema(manifests.scalers))


GOOD_KUBERNETES = [
    "{apiVersion: v1, kind: Secret, metadata: {name: s}, data: {a: YQ==}, stringData: {b: c}, type: Opaque}",
    "{apiVersion: v1, kind: ConfigMap, metadata: {name: s, labels: {a: b}}, data: {a: b}}",
    (
        "{apiVersion: keda.sh/v1alpha1, kind: TriggerAuthentication, metadata: {name: a}, spec: {filePath: p, "
        "secretTargetRef: [{parameter: p, name: n, key: k}], env: [{parameter: p, name: n}]}}"
    ),
    "{apiVersion: keda.sh/v1alpha1, kind: ClusterTriggerAuthentication, metadata: {name: a}, spec: {}}",
]


def test_good_documents_are_valid(manifests: Loader, validator: Draft202012Validator) -> None:
    behavior = (
        "{scaleDown: {policies: [{type: Pods, value: 1, periodSeconds: 15}], tolerance: '0.1', selectPolicy: Min}}"
    )
    texts = [
        *GOOD_KUBERNETES,
        manifests.ruled(
            container="resources: {cpu: 0.5, memory: 1Gi}", configuration="{secrets: [{name: a, value: b}]}"
        ),
        manifests.ruled("{type: queue, metadata: {queueName: j, queueLength: 5, passwordFromEnv: P}}"),
        manifests.app("{minReplicas: 1, maxReplicas: 3, pollingInterval: 0.1, cooldownPeriod: 5}"),
        "location: x\ntags: {a: b}\n" + manifests.ruled(),
        manifests.scaled_object(f"advanced: {{horizontalPodAutoscalerConfig: {{behavior: {behavior}}}}}"),
        manifests.scaled_object("pollingInterval: 0.5", kind="Deployment", metadata="namespace: prod"),
    ]
    for text in texts:
        assert [error.message for error in validator.iter_errors(parsed(text))] == []


def test_bad_documents_are_not(manifests: Loader, validator: Draft202012Validator) -> None:
    texts = [
        "{}",
        "[]",
        "{name: a}",
        "{apiVersion: v1, kind: Pod, metadata: {name: a}}",
        "{apiVersion: v2, kind: Secret, metadata: {name: a}}",
        "{apiVersion: v1, kind: Secret}",
        manifests.app().replace("image", "imgae"),
        manifests.app("{minReplicas: -1}"),
        manifests.app("{maxReplicas: 1001}"),
        manifests.app("{pollingInterval: 0.01}"),
        manifests.app(configuration="{ingress: {external: true}}"),
        manifests.ruled("{type: nope}"),
        manifests.ruled("{type: queue, metadata: {queueNam: j}}"),
        manifests.ruled("{type: queue, metadata: {key: secret-only}}"),
        manifests.scaled_object("minReplicas: 1"),
        manifests.scaled_object(triggers="[{metadata: {}}]"),
        manifests.scaled_object("advanced: {scalingModifiers: {formula: a}}"),
    ]
    for text in texts:
        assert not validator.is_valid(parsed(text)), text


CUSTOM = "{type: queue, metadata: {queueName: j, address: a}}"


@pytest.mark.parametrize(
    "parts",
    [
        {"configuration": "{activeRevisionsMode: single}"},
        {"configuration": "{dapr: {enabled: false}, ingress: null, service: null}"},
        {"configuration": "{ingress: {targetPort: '80', transport: Http2, external: yes, exposedPort: 0}}"},
        {"configuration": "{ingress: {targetPort: 80, customDomains: [{name: A.b, certificateId: c}]}}"},
        {"configuration": "{ingress: {targetPort: 80, corsPolicy: {allowedOrigins: ['*'], maxAge: 5}}}"},
        {"configuration": "{ingress: {targetPort: 80, traffic: [{latestRevision: true, weight: 100, label: ''}]}}"},
        {"configuration": "{ingress: {targetPort: 80, requestTimeout: 0, hold: {timeout: '0.5', waitingPage: true}}}"},
        {"configuration": "{ingress: {targetPort: 80, hold: {exclude: [{pathPrefix: /a, status: 404}]}}}"},
        {"template": "initContainers: []"},
        {"template": "volumes: [{name: a, storageType: emptydir, storageName: ''}]"},
        {"template": "terminationGracePeriodSeconds: '5'"},
        {"container": "command: [1, true]\n      env: [{name: A, value: 1}, {name: B, value: true}]"},
        {"container": "resources: {cpu: '0.5', memory: 1Gi}"},
        {"container": "probes: [{type: liveness, httpGet: {port: 1, scheme: https}}]"},
        {"custom": "{type: queue, identity: '', metadata: {queueName: j, address: a, mode: null}}"},
        {"before": "identity: {type: none}\ntype: microsoft.app/containerapps\n"},
        {"spec": "advanced: {scalingModifiers: {}, restoreToOriginalReplicaCount: false}"},
        {"spec": "advanced: {horizontalPodAutoscalerConfig: {behavior: {scaleUp: {tolerance: 0.05}}}}"},
        {"spec": "fallback: {failureThreshold: '1', replicas: 1, behavior: currentreplicas}"},
    ],
)
def test_what_is_loaded_is_valid(manifests: Loader, validator: Draft202012Validator, parts: dict[str, str]) -> None:
    text = written(manifests, parts)
    manifests.load(text)
    assert [error.message for error in validator.iter_errors(parsed(text))] == []


@pytest.mark.parametrize(
    "parts",
    [
        {"configuration": "{activeRevisionsMode: Multiple}"},
        {"configuration": "{dapr: {enabled: true}}"},
        {"configuration": "{secrets: [{name: Upper, value: a}]}"},
        {"configuration": "{registries: [{server: a, identity: system}]}"},
        {"template": "initContainers: [{image: a}]"},
        {"template": "revisionSuffix: 2a"},
        {"template": "volumes: [{name: a, storageType: AzureFile}]"},
        {"container": "\n    - image: second"},
        {"container": "env: [{name: a=b}]"},
        {"container": "resources: {cpu: half}"},
        {"custom": "{type: '', metadata: {}}"},
        {"custom": "null"},
        {"before": "type: Microsoft.App/jobs\n"},
        {"before": "identity: {type: SystemAssigned}\n"},
        {"name": "Upper"},
        {"configuration": "{ingress: {external: true}}"},
        {"configuration": "{ingress: {targetPort: 0}}"},
        {"configuration": "{ingress: {targetPort: 80, transport: tcp}}"},
        {"configuration": "{ingress: {targetPort: 80, exposedPort: 81}}"},
        {"configuration": "{ingress: {targetPort: 80, stickySessions: {affinity: sticky}}}"},
        {"configuration": "{ingress: {targetPort: 80, clientCertificateMode: require}}"},
        {"configuration": "{ingress: {targetPort: 80, customDomains: [{name: 'https://a.b'}]}}"},
        {"configuration": "{ingress: {targetPort: 80, corsPolicy: {allowedOrigins: []}}}"},
        {"configuration": "{ingress: {targetPort: 80, corsPolicy: {allowedOrigins: [a.b]}}}"},
        {"configuration": "{ingress: {targetPort: 80, ipSecurityRestrictions: [{name: a, action: Allow}]}}"},
        {"configuration": "{ingress: {targetPort: 80, hold: {maxRequests: 0}}}"},
        {"configuration": "{ingress: {targetPort: 80, requestTimeout: -1}}"},
        {"name": "null"},
        {"spec": "fallback: {failureThreshold: 1, replicas: 1, behavior: scalingModifiers}"},
        {"spec": "advanced: {restoreToOriginalReplicaCount: true}"},
        {"triggers": "[]"},
    ],
)
def test_what_is_refused_is_not_valid(
    manifests: Loader, validator: Draft202012Validator, parts: dict[str, str]
) -> None:
    text = written(manifests, parts)
    assert manifests.problems(text)
    assert not validator.is_valid(parsed(text))


def test_a_list_is_valid_as_its_objects_are(manifests: Loader, validator: Draft202012Validator) -> None:
    for name, valid in (("so", True), ("null", False)):
        item = parsed(manifests.scaled_object(name=name, kind="Deployment"))
        assert validator.is_valid({"apiVersion": "v1", "kind": "List", "items": [item]}) is valid


def test_an_app_without_containers_is_not_valid(manifests: Loader, validator: Draft202012Validator) -> None:
    text = "{name: a, properties: {template: {containers: [], scale: {minReplicas: 1}}}}"
    assert manifests.problems(text)
    assert not validator.is_valid(parsed(text))


def written(manifests: Loader, parts: dict[str, str]) -> str:
    if parts.keys() & {"spec", "triggers"}:
        return manifests.scaled_object(**parts, kind="Deployment")
    before = parts.get("before", "")
    return before + manifests.ruled(**{"custom": CUSTOM, **{key: parts[key] for key in parts if key != "before"}})


def test_each_scaler_completes_its_metadata_and_broken_ones_are_left_out(manifests: Loader) -> None:
    definitions = json_schema(manifests.scalers)["$defs"]
    metadata = definitions["metadata.queue"]["properties"]
    assert metadata["queueLength"] == {"type": ["string", "number", "boolean", "null"], "default": 5}
    assert {"queueName", "address", "addressFromEnv", "passwordFromEnv", "usernameFromEnv"} <= set(metadata)
    assert not {"key", "username", "queueNameFromEnv"} & set(metadata)
    assert definitions["TriggerSpec"]["properties"]["type"]["enum"] == ["queue", "share"]


def test_fields_that_are_not_used_say_so(manifests: Loader) -> None:
    properties = json_schema(manifests.scalers)["$defs"]["ContainerApp"]["properties"]
    assert "not used" in properties["location"]["description"]
    assert properties["kind"]["anyOf"] == [{"type": "null"}]
    assert "not supported yet" in properties["kind"]["description"]


@pytest.mark.parametrize(
    ("rule", "valid"),
    [
        ("{http: {metadata: {concurrentRequests: 5, window: 60}}}", True),
        ("{http: {}}", True),
        ("{http: {metadata: null}, custom: null}", True),
        ("{custom: {type: http, metadata: {concurrentRequests: '5'}}}", True),
        ("{http: {metadata: {concurentRequests: 5}}}", False),
        ("{http: {}, custom: {type: http}}", False),
        ("{name: a}", False),
        ("{http: null}", False),
        ("{tcp: {}}", False),
    ],
)
def test_a_rule_is_of_one_kind(manifests: Loader, rule: str, valid: bool) -> None:  # noqa: FBT001
    manifests.scalers["http"] = HttpScaler
    text = manifests.app(f"{{rules: [{rule}]}}", configuration="{ingress: {targetPort: 80}}")
    assert Draft202012Validator(json_schema(manifests.scalers)).is_valid(parsed(text)) is valid
    assert _loads(manifests, text) is valid


def _loads(manifests: Loader, text: str) -> bool:
    try:
        manifests.load(text)
    except InvalidManifest:
        return False
    return True
