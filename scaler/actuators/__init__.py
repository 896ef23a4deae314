"""What makes real replicas match a decision: one package per engine."""
