"""Azure Container Apps manifests: what `az containerapp create --yaml` takes."""
