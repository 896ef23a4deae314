"""Replicas as containers on a Docker engine."""
