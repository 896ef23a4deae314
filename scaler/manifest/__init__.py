"""From documents to workloads: Azure Container Apps and KEDA YAML, every problem with file, line and path."""

from scaler.manifest.loading import Manifests, load
from scaler.manifest.parsed import Parsed
from scaler.manifest.schema import json_schema
from scaler.manifest.values import Outside

__all__ = ["Manifests", "Outside", "Parsed", "json_schema", "load"]
