"""Requests in flight: Knative's autoscaler, from what was in flight over time to the count that is wanted."""

from scaler.decision.concurrency.following import Followed, Proposal, follow, settled

__all__ = ["Followed", "Proposal", "follow", "settled"]
