"""The schema of `properties.template.scale` in an Azure Container Apps manifest."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from scaler.manifest.fields import (
    AS_INTEGER,
    AS_NUMBER,
    DocumentModel,
    Needed,
    Refused,
    Text,
    Unused,
)
from scaler.model.workload import MIN_POLLING_INTERVAL_S

_NO_IDENTITY = Refused("managed identities are not supported yet", lambda value: value == "", {"const": ""})


class RuleAuth(DocumentModel):
    """`auth[]`: a secret of the app as a parameter of the scaler."""

    secret_ref: Annotated[Text | None, Needed("the name of a secret")] = None
    trigger_parameter: Annotated[Text | None, Needed("the name of a parameter")] = None


class CustomRule(DocumentModel):
    """`custom`: any KEDA scaler."""

    type: Annotated[Text | None, Needed("the type of a scaler")] = None
    metadata: dict[str, Text] | None = None
    auth: list[RuleAuth] | None = None
    identity: Annotated[Unused, _NO_IDENTITY] = None


class HttpRule(DocumentModel):
    """`http`: requests to the app itself."""

    metadata: dict[str, Text] | None = None
    auth: list[RuleAuth] | None = None
    identity: Annotated[Unused, _NO_IDENTITY] = None


class ScaleRule(DocumentModel):
    """`rules[]`: one of the kinds."""

    name: Text | None = None
    custom: CustomRule | None = None
    http: HttpRule | None = None
    tcp: Annotated[Unused, Refused()] = None
    azure_queue: Annotated[Unused, Refused()] = None


class Scale(DocumentModel):
    """`scale`."""

    min_replicas: Annotated[int, Field(ge=0, le=1000), AS_INTEGER] | None = None
    max_replicas: Annotated[int, Field(ge=1, le=1000), AS_INTEGER] | None = None
    cooldown_period: Annotated[float, Field(ge=0, le=31_536_000), AS_NUMBER] | None = None
    polling_interval: Annotated[float, Field(ge=MIN_POLLING_INTERVAL_S, le=86_400), AS_NUMBER] | None = None
    idle_polling_interval: Annotated[float, Field(ge=MIN_POLLING_INTERVAL_S, le=86_400), AS_NUMBER] | None = None
    rules: list[ScaleRule] | None = None
    allow_scaling_rule_override: Annotated[
        Unused,
        Refused(
            "it is for functions, which are not supported yet",
            lambda value: str(value).lower() == "false",
            {"enum": [False, "false"]},
        ),
    ] = None
