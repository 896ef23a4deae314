"""KEDA manifests: ScaledObject, TriggerAuthentication and what they refer to."""
