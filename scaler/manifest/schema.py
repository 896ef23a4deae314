"""The JSON Schema of what is accepted, so that editors complete manifests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic.json_schema import models_json_schema

from scaler.manifest.aca.documents import ContainerApp
from scaler.manifest.fields import SCALARS, DocumentModel
from scaler.manifest.keda.authentication import ConfigMap, KubernetesSecret, TriggerAuthentication
from scaler.manifest.keda.documents import ScaledObject
from scaler.manifest.kinds import CORE_KINDS, KEDA_KINDS, DocumentKind
from scaler.manifest.parameters import FROM_ENV, parameters
from scaler.manifest.triggers import Scalers
from scaler.ports.errors import ConfigError
from scaler.ports.scaler import ScalerConfig

_MODELS: Mapping[DocumentKind, type[DocumentModel]] = {
    DocumentKind.SCALED_OBJECT: ScaledObject,
    DocumentKind.TRIGGER_AUTHENTICATION: TriggerAuthentication,
    DocumentKind.CLUSTER_TRIGGER_AUTHENTICATION: TriggerAuthentication,
    DocumentKind.SECRET: KubernetesSecret,
    DocumentKind.CONFIG_MAP: ConfigMap,
}
# The definitions that hold a trigger's type beside its metadata.
_TRIGGERS = ("CustomRule", "TriggerSpec")
_SCALAR = [*SCALARS, "null"]


def json_schema(scalers: Scalers) -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of one document, with the parameters of each usable scaler."""
    models: dict[type[DocumentModel], None] = dict.fromkeys([ContainerApp, *_MODELS.values()])
    _, generated = models_json_schema([(model, "validation") for model in models], ref_template="#/$defs/{model}")
    definitions: dict[str, Any] = generated["$defs"]
    usable = {type_: scaler for type_, scaler in sorted(scalers.items()) if not isinstance(scaler, ConfigError)}
    for type_, scaler in usable.items():
        definitions[f"metadata.{type_}"] = _metadata(type_, scaler.Config)
    for name in _TRIGGERS:
        definitions[name]["properties"]["type"] = {"type": "string", "enum": list(usable)}
        definitions[name]["allOf"] = [
            {
                "if": {"properties": {"type": {"const": type_}}, "required": ["type"]},
                "then": {"properties": {"metadata": {"$ref": f"#/$defs/metadata.{type_}"}}},
            }
            for type_ in usable
        ]
    if "http" in usable:
        definitions["HttpRule"]["properties"]["metadata"] = {
            "anyOf": [{"$ref": "#/$defs/metadata.http"}, {"type": "null"}]
        }
    definitions["ScaleRule"]["oneOf"] = [
        {"required": [kind], "properties": {kind: {"not": {"type": "null"}}, other: {"type": "null"}}}
        for kind, other in (("custom", "http"), ("http", "custom"))
    ]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A document of a scaler manifest",
        "description": "An Azure Container App, or a KEDA ScaledObject with what it refers to.",
        "type": "object",
        "if": {"required": ["apiVersion"], "not": {"required": ["properties"]}},
        "then": _kubernetes(),
        "else": {"$ref": "#/$defs/ContainerApp"},
        "$defs": definitions,
    }


def _kubernetes() -> dict[str, Any]:
    kinds = KEDA_KINDS | CORE_KINDS
    return {
        "properties": {"kind": {"enum": [*sorted(kinds), "List"]}},
        "required": ["kind"],
        "allOf": [
            {
                "if": {"properties": {"kind": {"const": name}}, "required": ["kind"]},
                "then": {
                    "$ref": f"#/$defs/{_MODELS[kind].__name__}",
                    "properties": {"apiVersion": {"const": "keda.sh/v1alpha1" if name in KEDA_KINDS else "v1"}},
                },
            }
            for name, kind in sorted(kinds.items())
        ]
        + [
            {
                "if": {"properties": {"kind": {"const": "List"}}, "required": ["kind"]},
                "then": {"properties": {"items": {"type": "array", "items": {"$ref": "#"}}}, "required": ["items"]},
            }
        ],
    }


def _metadata(type_: str, config: type[ScalerConfig]) -> dict[str, Any]:
    """Return what may stand in one type's metadata; nothing is required, as secrets may give it too."""
    described = config.model_json_schema(by_alias=True).get("properties", {})
    properties: dict[str, Any] = {}
    for name, parameter in parameters(config).items():
        if parameter.refused:
            continue
        if "M" in parameter.sources:
            about = described.get(name, {})
            kept = {key: about[key] for key in ("description", "default", "enum") if about.get(key) is not None}
            properties[name] = {"type": _SCALAR, **kept} if "enum" not in kept else kept
        if "E" in parameter.sources:
            text = f"The variable of the first container that holds `{name}`."
            properties[f"{name}{FROM_ENV}"] = {"type": "string", "description": text}
    return {"title": f"Metadata of {type_}", "type": "object", "properties": properties, "additionalProperties": False}
