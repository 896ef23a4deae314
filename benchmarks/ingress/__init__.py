"""What the ingress costs and how fast it wakes, each beside something known in the same run."""
