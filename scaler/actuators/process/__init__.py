"""Replicas as local processes, where there is no container engine."""
