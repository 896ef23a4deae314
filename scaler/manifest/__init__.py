"""From documents to workloads: Azure Container Apps and KEDA YAML, every problem with file, line and path."""

from scaler.manifest.loading import Manifests, load
from scaler.manifest.schema import json_schema

__all__ = ["Manifests", "json_schema", "load"]
