"""From documents to workloads: Azure Container Apps and KEDA YAML, every problem with file, line and path."""
